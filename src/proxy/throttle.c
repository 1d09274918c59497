/* SPDX-License-Identifier: Apache-2.0
 *
 * What a user may do and how much, on one connection: what its entry in the vcluster's file says,
 * connections counted, and rates kept as brokers keep quotas (KIP-219): an answer goes out at once
 * and says for how long; for that long nothing more is read from the connection. Start at
 * throttle_bind(); only users with limits have a meter, and pay for one.
 */
#include <string.h>
#include "base/clock.h"
#include "kafka/kafka_ids.h"
#include "proxy/client.h"
#include "proxy/worker_state.h"

/* A connection is left unread for so long at most, so that no client takes it for dead: a producer
 * waits for its answer for 30 seconds and more, a fetch is made to fit (fetch_bytes), and a group's
 * member must not miss its heartbeats. What is not paid for then stays on the account. */
#define MUTE_PRODUCE_MS 15000
#define MUTE_FETCH_MS   5000
#define MUTE_OTHER_MS   1000

static unsigned
allowed_of(const struct user *user)
{
	unsigned allowed = 0;

	if (user->allow_count == 0)
		return OPERATION_READ | OPERATION_WRITE | OPERATION_ADMIN;
	for (size_t i = 0; i < user->allow_count; i++) /* 0 is describe, which all may */
		allowed |= (1U << user->allow[i]) >> 1;
	return allowed;
}

void
throttle_release(struct client *c)
{
	if (c->meter != NULL)
		atomic_fetch_sub(&c->meter->connections, 1);
	meter_unref(&c->meter);
	if (c->muted_until_ms != 0)
		list_remove(&c->muted_node);
	c->muted_until_ms = 0;
}

/* The connection counts for this meter, or for none (NULL). */
static void
set_meter(struct client *c, struct meter *meter)
{
	struct meter *before = c->meter;

	if (meter == before)
		return;
	c->meter = meter != NULL ? meter_ref(meter) : NULL;
	if (meter != NULL)
		atomic_fetch_add(&meter->connections, 1);
	if (before != NULL)
		atomic_fetch_sub(&before->connections, 1);
	meter_unref(&before);
}

static struct meter *
find_meter(const struct client *c, const struct user *user)
{
	if (user == NULL || !user_has_limits(user))
		return NULL;
	return world_meter(c->w->world, c->identity.vcluster, user->name);
}

void
throttle_bind(struct client *c)
{
	c->user = vcluster_user(c->vc, c->identity.username);
	c->allowed = c->user != NULL ? allowed_of(c->user) : 0;
	set_meter(c, find_meter(c, c->user));
}

bool
throttle_admit(struct client *c)
{
	const struct vcluster *vc = snapshot_vcluster(c->w->world->snap, c->identity.vcluster);
	const struct user *user = vc != NULL ? vcluster_user(vc, c->identity.username) : NULL;
	struct meter *meter = find_meter(c, user);

	if (meter == NULL)
		return true;
	set_meter(c, meter);
	if (user->connections == 0 || atomic_load(&meter->connections) <= user->connections)
		return true;
	atomic_fetch_add(&meter->refused, 1);
	set_meter(c, NULL);
	return false;
}

/* -- muting */

static int64_t
mute_most_ms(int key)
{
	return key == KA_Produce ? MUTE_PRODUCE_MS
	       : key == KA_Fetch ? MUTE_FETCH_MS
				 : MUTE_OTHER_MS;
}

static void
set_wake(struct worker_state *w, int64_t at_ms, int64_t now_ms)
{
	if (loop_timer_is_active(&w->wake) && w->wake_at_ms <= at_ms)
		return;
	w->wake_at_ms = at_ms;
	loop_timer_start(&w->wake, at_ms > now_ms ? at_ms - now_ms : 1, 0);
}

static void
mute(struct client *c, int64_t ms)
{
	int64_t now_ms = clock_now_ms();
	int64_t from_ms = c->muted_until_ms > now_ms ? c->muted_until_ms : now_ms;

	if (now_ms + ms <= from_ms)
		return;
	atomic_fetch_add_explicit(&c->meter->throttled_ms, (uint64_t)(now_ms + ms - from_ms),
				  memory_order_relaxed);
	if (c->muted_until_ms == 0)
		list_append(&c->w->muted, &c->muted_node);
	c->muted_until_ms = now_ms + ms;
	set_wake(c->w, c->muted_until_ms, now_ms);
}

static void
charge(struct client *c, enum meter_direction direction, int64_t rate, int key, size_t bytes)
{
	int64_t most_ms = mute_most_ms(key);
	int64_t ms;

	if (rate == 0)
		return;
	ms = (meter_charge(c->meter, direction, rate, bytes, clock_now_us()) + 999) / 1000;
	if (ms > 0)
		mute(c, ms < most_ms ? ms : most_ms);
}

void
throttle_request(struct client *c, int key, size_t bytes)
{
	if (c->meter != NULL)
		charge(c, METER_IN, c->user->in_rate, key, bytes);
}

int32_t
throttle_answer(struct client *c, int key, size_t bytes)
{
	if (c->meter == NULL)
		return 0;
	charge(c, METER_OUT, c->user->out_rate, key, bytes);
	return throttle_left(c);
}

int32_t
throttle_left(const struct client *c)
{
	int64_t left = c->muted_until_ms == 0 ? 0 : c->muted_until_ms - clock_now_ms();

	return left > 0 ? (int32_t)left : 0;
}

void
throttle_wake(void *arg)
{
	struct worker_state *w = arg;
	int64_t now_ms = clock_now_ms();
	int64_t next_ms = INT64_MAX;
	struct list *node;
	struct list *after;

	list_for_each_safe (node, after, &w->muted) {
		struct client *c = CONTAINER_OF(node, struct client, muted_node);

		if (c->muted_until_ms > now_ms) {
			next_ms = c->muted_until_ms < next_ms ? c->muted_until_ms : next_ms;
			continue;
		}
		list_remove(&c->muted_node);
		c->muted_until_ms = 0;
		c->active_ms = now_ms;
		c->reads_since_ms = now_ms;
		client_process(c);
	}
	if (next_ms < INT64_MAX)
		set_wake(w, next_ms, now_ms);
}
