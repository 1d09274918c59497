/* SPDX-License-Identifier: Apache-2.0
 *
 * worker.h for tests. Acknowledgements are posted, as real workers do, so that none runs inside the
 * call that asks for it.
 */
#include "fake_worker.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"

struct worker {
	unsigned index;
	struct loop *control;
	struct world *world;
	worker_ack_fn hold_ack; /* owed */
	void *hold_arg;
	int sockets[64];
	size_t sockets_count;
};

struct reply {
	worker_ack_fn fn;
	void *arg;
	struct worker_ack ack;
};

static struct fake_workers state;

struct fake_workers *
fake_workers(void)
{
	return &state;
}

void
fake_workers_reset(void)
{
	memset(&state, 0, sizeof(state));
}

const struct world *
fake_worker_world(unsigned index)
{
	return state.workers[index]->world;
}

static void
run_reply(void *arg)
{
	struct reply *reply = arg;

	reply->fn(reply->arg, &reply->ack);
	free(reply);
}

static void
post_ack(struct worker *worker, worker_ack_fn fn, void *arg, unsigned cut)
{
	struct reply *reply = mem_zalloc(sizeof(*reply));

	if (fn == NULL) {
		free(reply);
		return;
	}
	reply->fn = fn;
	reply->arg = arg;
	reply->ack =
	    (struct worker_ack){.worker = worker->index, .connections = 3, .held = 1, .cut = cut};
	loop_post(worker->control, run_reply, reply);
}

unsigned
worker_count(const struct settings *settings)
{
	return settings->workers > 0 ? (unsigned)settings->workers : 1;
}

struct worker *
worker_start(unsigned index, struct loop *control, struct world *world, struct err *err)
{
	struct worker *worker = mem_zalloc(sizeof(*worker));

	(void)err;
	worker->index = index;
	worker->control = control;
	worker->world = world_ref(world);
	state.workers[index] = worker;
	state.count++;
	return worker;
}

void
worker_stop(struct worker **pointer)
{
	struct worker *worker = *pointer;

	if (worker == NULL)
		return;
	for (size_t i = 0; i < worker->sockets_count; i++)
		close(worker->sockets[i]);
	world_unref(&worker->world);
	state.workers[worker->index] = NULL;
	free(worker);
	*pointer = NULL;
}

void
worker_listen(struct worker *worker, unsigned vnode, int fd)
{
	(void)vnode;
	worker->sockets[worker->sockets_count++] = fd;
	state.listeners++;
}

void
worker_publish(struct worker *worker, struct world *world, worker_ack_fn ack, void *arg)
{
	world_unref(&worker->world);
	worker->world = world_ref(world);
	state.publications++;
	post_ack(worker, ack, arg, 0);
}

void
worker_hold(struct worker *worker, const char *logical, worker_ack_fn ack, void *arg)
{
	(void)logical;
	state.holds++;
	worker->hold_ack = ack;
	worker->hold_arg = arg;
	if (state.never_drain)
		return;
	worker->hold_ack = NULL;
	post_ack(worker, ack, arg, 0);
}

void
worker_cut(struct worker *worker, const char *logical)
{
	worker_ack_fn ack = worker->hold_ack;

	(void)logical;
	state.cuts++;
	worker->hold_ack = NULL;
	post_ack(worker, ack, worker->hold_arg, 2);
}

void
worker_release(struct worker *worker, const char *logical, worker_ack_fn ack, void *arg)
{
	(void)logical;
	state.releases++;
	worker->hold_ack = NULL;
	post_ack(worker, ack, arg, 0);
}

void
worker_counters(const struct worker *worker, struct worker_counters *out)
{
	memset(out, 0, sizeof(*out));
	out->connections = worker->index + 1;
}
