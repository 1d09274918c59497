/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions of the gateway's own. Start at asking_begin(); upstream.c calls asking_take() and
 * asking_go_on() for each answer.
 */
#include "proxy/asking.h"
#include <stdio.h>
#include "base/ensure.h"
#include "proxy/client.h"
#include "proxy/worker_state.h"

/* Only brokers see these. Each tenant has its own: a broker's quota for a client id is not to slow
 * one for what another asked. */
#define CLIENT_ID "turnout-%s"

void
asking_begin(struct client *c, const struct asking_kind *kind, void *work)
{
	struct asking *a = &c->asking;

	ENSURE(a->state == ASKING_NOTHING);
	a->kind = kind;
	a->work = work;
	kind->next(c, work);
}

/* The correlation id tells nothing apart, since answers come in order; it only has to be one. */
void
asking_send(struct client *c, int key, int version, encode_fn fn, void *arg)
{
	struct bytes frame = {0};
	char client_id[160];

	snprintf(client_id, sizeof(client_id), CLIENT_ID, c->vc->name);
	c->asking.state = ASKING_OUT;
	c->asking.key = (int16_t)key;
	c->asking.version = (int16_t)version;
	WORKER_COUNT(c->w, lookups, 1);
	encode_request(key, version, (int32_t)c->w->counters.lookups, client_id, fn, arg, &frame);
	client_ask(c, key, version, (int32_t)c->w->counters.lookups, &frame);
	bytes_free(&frame);
}

void
asking_send_last(struct client *c, int key, int version, encode_fn fn, void *arg)
{
	c->asking.is_last = true;
	asking_send(c, key, version, fn, arg);
}

void
asking_done(struct client *c)
{
	c->asking.state = ASKING_DONE;
}

bool
asking_take(struct client *c, const uint8_t *frame, size_t size, char *why, size_t why_size)
{
	struct asking *a = &c->asking;

	ENSURE(a->state == ASKING_OUT);
	return a->kind->take(c, a->work, frame, size, why, why_size);
}

/* With a hold on, the request waits for it to end, and is then perhaps another cluster's. */
void
asking_go_on(struct client *c)
{
	c->asking.state = ASKING_DONE;
	if ((c->hold != NULL && !c->asking.is_last) || c->state != CLIENT_OPEN)
		asking_drop(c);
	else
		c->asking.kind->next(c, c->asking.work);
}

void *
asking_result(struct client *c, const struct asking_kind *kind)
{
	if (c->asking.state != ASKING_DONE || c->asking.kind != kind)
		return NULL;
	return c->asking.work;
}

void
asking_drop(struct client *c)
{
	struct asking *a = &c->asking;

	if (a->state == ASKING_NOTHING)
		return;
	a->kind->drop(a->work);
	*a = (struct asking){.state = ASKING_NOTHING};
}
