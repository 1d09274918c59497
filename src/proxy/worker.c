/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker thread: its listeners, the messages of the control thread, holds, and the periodic
 * sweep. Start at the do_*() functions, which run on the worker's loop for each call of worker.h;
 * connections are in client.c and upstream.c.
 */
#include "proxy/worker.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/socket.h"
#include "proxy/client.h"
#include "proxy/worker_state.h"

#define SWEEP_MS          200
#define ACCEPTS_PER_TURN  64
#define LINGER_MS         5000
#define ACCEPT_BACKOFF_MS 100

struct worker {
	pthread_t thread;
	struct worker_state state;
};

/* A listening socket of one vnode. */
struct listener {
	struct list node;
	struct worker_state *w;
	struct loop_io io;
	struct loop_timer resume; /* out of descriptors: try again */
	int fd;
	unsigned vnode;
};

/* A socket that was shut down for writing and waits for the other side's end. */
struct parting {
	struct list node;
	struct worker_state *w;
	struct loop_io io;
	int fd;
	struct outq out;
	int64_t since_ms;
};

/* A call of worker.h on its way to the worker. */
struct message {
	struct worker_state *w;
	struct world *world;
	char *logical;
	worker_ack_fn ack;
	void *arg;
	unsigned vnode;
	int fd;
};

/* An acknowledgement on its way back. */
struct ack_message {
	worker_ack_fn ack;
	void *arg;
	struct worker_ack said;
};

unsigned
worker_count(const struct settings *settings)
{
	cpu_set_t cpus;
	int64_t count = settings->workers;

	if (count == 0 && sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		count = CPU_COUNT(&cpus);
	if (count < 1)
		count = 1;
	return (unsigned)(count < WORKERS_MAX ? count : WORKERS_MAX);
}

/* -- acknowledgements */

static void
run_ack(void *arg)
{
	struct ack_message *message = arg;

	message->ack(message->arg, &message->said);
	free(message);
}

static void
post_ack(struct worker_state *w, worker_ack_fn ack, void *arg, struct worker_ack said)
{
	struct ack_message *message;

	if (ack == NULL)
		return;
	said.worker = w->index;
	message = mem_alloc(sizeof(*message));
	*message = (struct ack_message){ack, arg, said};
	loop_post(w->control, run_ack, message);
}

static struct worker_ack
hold_said(const struct hold *hold)
{
	return (struct worker_ack){
	    .connections = hold->connections, .held = hold->held, .cut = hold->cut};
}

/* -- holds */

struct hold *
worker_find_hold(struct worker_state *w, const char *logical)
{
	struct list *node;

	list_for_each (node, &w->holds) {
		struct hold *hold = CONTAINER_OF(node, struct hold, node);

		if (strcmp(hold->logical, logical) == 0)
			return hold;
	}
	return NULL;
}

void
worker_check_hold(struct worker_state *w, struct hold *hold)
{
	if (hold->busy > 0 || hold->is_acked)
		return;
	hold->is_acked = true;
	post_ack(w, hold->ack, hold->arg, hold_said(hold));
}

/* Ends a hold; its clients go on with what they have waiting. Returns what there is to say of it.
 */
static struct worker_ack
end_hold(struct worker_state *w, struct hold *hold)
{
	struct worker_ack said = hold_said(hold);
	struct list *node;
	struct list *after;

	list_remove(&hold->node);
	list_for_each (node, &w->clients) {
		struct client *c = CONTAINER_OF(node, struct client, node);

		if (c->hold == hold)
			c->hold = NULL;
	}
	free(hold->logical);
	free(hold);
	list_for_each_safe (node, after, &w->clients) {
		struct client *c = CONTAINER_OF(node, struct client, node);

		if (!c->is_waiting)
			continue;
		/* A request whose client has gone is never sent: its retry would be a duplicate. */
		client_sweep(c, clock_now_ms());
		client_process(c);
	}
	return said;
}

static void
message_free(struct message *m)
{
	world_unref(&m->world);
	free(m->logical);
	free(m);
}

static void
do_hold(void *arg)
{
	struct message *m = arg;
	struct worker_state *w = m->w;
	struct hold *hold = mem_zalloc(sizeof(*hold));
	struct list *node;

	ENSURE(worker_find_hold(w, m->logical) == NULL);
	hold->logical = mem_strdup(m->logical);
	hold->ack = m->ack;
	hold->arg = m->arg;
	list_append(&w->holds, &hold->node);
	list_for_each (node, &w->clients) {
		struct client *c = CONTAINER_OF(node, struct client, node);

		if (c->vc == NULL || strcmp(c->route->logical, hold->logical) != 0)
			continue;
		c->hold = hold;
		hold->connections++;
		hold->busy += c->is_busy ? 1 : 0;
	}
	message_free(m);
	worker_check_hold(w, hold);
}

static void
do_cut(void *arg)
{
	struct message *m = arg;
	struct hold *hold = worker_find_hold(m->w, m->logical);
	struct list *node;
	struct list *after;

	if (hold != NULL && !hold->is_acked) {
		list_for_each_safe (node, after, &m->w->clients) {
			struct client *c = CONTAINER_OF(node, struct client, node);

			if (c->hold != hold || !c->is_busy)
				continue;
			hold->cut++;
			client_close(c,
				     "a switch could not wait longer for the old cluster's answer");
		}
	}
	message_free(m);
}

static void
do_release(void *arg)
{
	struct message *m = arg;
	struct hold *hold = worker_find_hold(m->w, m->logical);
	struct worker_ack said = {0};

	if (hold != NULL)
		said = end_hold(m->w, hold);
	post_ack(m->w, m->ack, m->arg, said);
	message_free(m);
}

/* -- worlds */

static const struct route *
find_route(const struct world *world, const char *logical)
{
	for (size_t i = 0; i < world->snap->logicals_count; i++) {
		if (strcmp(world->routes[i].logical, logical) == 0)
			return &world->routes[i];
	}
	return NULL;
}

/* Was this logical cluster switched, or taken away, between two worlds? */
static bool
is_flipped(const struct world *before, const struct world *after, const char *logical)
{
	const struct route *old_route = find_route(before, logical);
	const struct route *new_route = find_route(after, logical);

	return old_route == NULL || new_route == NULL ||
	       old_route->generation != new_route->generation;
}

static void
do_publish(void *arg)
{
	struct message *m = arg;
	struct worker_state *w = m->w;
	struct world *before = w->world;
	struct worker_ack said = {.connections = (unsigned)w->clients_count};
	struct list *node;
	struct list *after;

	w->world = world_ref(m->world);
	list_for_each_safe (node, after, &w->clients)
		client_rebind(CONTAINER_OF(node, struct client, node));
	list_for_each_safe (node, after, &w->holds) {
		struct hold *hold = CONTAINER_OF(node, struct hold, node);
		struct worker_ack ended;

		if (!is_flipped(before, w->world, hold->logical))
			continue;
		ended = end_hold(w, hold);
		said.connections = ended.connections;
		said.held += ended.held;
		said.cut += ended.cut;
	}
	world_unref(&before);
	post_ack(w, m->ack, m->arg, said);
	message_free(m);
}

/* -- listeners */

static bool
is_full(const struct worker_state *w)
{
	const struct settings *settings = &w->world->snap->settings;

	return (int64_t)w->clients_count * worker_count(settings) >= settings->connections;
}

static void
on_resume(void *arg)
{
	struct listener *listener = arg;

	loop_io_watch(&listener->io, EV_READ);
}

static void
on_accept(void *arg, int events)
{
	struct listener *listener = arg;
	struct worker_state *w = listener->w;
	char peer[64];

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = socket_accept(listener->fd, peer, sizeof(peer));

		if (fd < 0 &&
		    (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
			log_error("accept.failed", KV_INT("vnode", listener->vnode),
				  KV_STR("why", strerror(errno)));
			loop_io_watch(&listener->io, 0);
			loop_timer_start(&listener->resume, ACCEPT_BACKOFF_MS, 0);
		}
		if (fd < 0)
			return;
		if (is_full(w)) {
			log_warn("client.refused", KV_STR("peer", peer),
				 KV_STR("reason", "connections"),
				 KV_STR("why", "limits.connections is reached"));
			close(fd);
			continue;
		}
		client_start(w, fd, peer, listener->vnode);
	}
}

static void
do_listen(void *arg)
{
	struct message *m = arg;
	struct listener *listener = mem_zalloc(sizeof(*listener));

	listener->w = m->w;
	listener->fd = m->fd;
	listener->vnode = m->vnode;
	list_append(&m->w->listeners, &listener->node);
	loop_io_init(&listener->io, m->w->loop, m->fd, on_accept, listener);
	loop_timer_init(&listener->resume, m->w->loop, on_resume, listener);
	loop_io_watch(&listener->io, EV_READ);
	message_free(m);
}

static void
listener_free(struct listener *listener)
{
	list_remove(&listener->node);
	loop_io_watch(&listener->io, 0);
	loop_timer_stop(&listener->resume);
	close(listener->fd);
	free(listener);
}

/* -- lingering sockets */

static void
parting_free(void *arg)
{
	free(arg);
}

static void
parting_end(struct parting *parting)
{
	list_remove(&parting->node);
	loop_io_watch(&parting->io, 0);
	close(parting->fd);
	outq_free(&parting->out);
	loop_defer(parting->w->loop, parting_free, parting);
}

/* Sends what is queued, then says that this was all. false: the broker does not take it. */
static bool
parting_flush(struct parting *parting)
{
	size_t sent;

	switch (outq_flush(&parting->out, parting->fd, -1, &sent)) {
	case FLUSH_AGAIN:
		loop_io_watch(&parting->io, EV_READ | EV_WRITE);
		return true;
	case FLUSH_DONE:
		shutdown(parting->fd, SHUT_WR);
		loop_io_watch(&parting->io, EV_READ);
		return true;
	case FLUSH_FAILED:
		break;
	}
	return false;
}

static void
on_parting(void *arg, int events)
{
	struct parting *parting = arg;
	char ignored[512];
	ssize_t n;

	if ((events & EV_WRITE) != 0 && !parting_flush(parting)) {
		parting_end(parting);
		return;
	}
	n = read(parting->fd, ignored, sizeof(ignored));
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		parting_end(parting);
}

void
worker_linger(struct worker_state *w, int fd, struct outq *out)
{
	struct parting *parting = mem_zalloc(sizeof(*parting));

	parting->w = w;
	parting->fd = fd;
	parting->out = *out;
	*out = (struct outq){0};
	parting->since_ms = clock_now_ms();
	list_append(&w->lingering, &parting->node);
	loop_io_init(&parting->io, w->loop, fd, on_parting, parting);
	if (!parting_flush(parting))
		parting_end(parting);
}

/* -- time */

static void
on_sweep(void *arg)
{
	struct worker_state *w = arg;
	int64_t now_ms = clock_now_ms();
	struct list *node;
	struct list *after;

	list_for_each_safe (node, after, &w->clients)
		client_sweep(CONTAINER_OF(node, struct client, node), now_ms);
	list_for_each_safe (node, after, &w->lingering) {
		struct parting *parting = CONTAINER_OF(node, struct parting, node);

		if (now_ms - parting->since_ms > LINGER_MS)
			parting_end(parting);
	}
}

/* -- life */

/* Everything goes; what was posted before runs first, so that no message is lost. */
static void
do_stop(void *arg)
{
	struct worker_state *w = arg;
	struct list *node;
	struct list *after;

	list_for_each_safe (node, after, &w->listeners)
		listener_free(CONTAINER_OF(node, struct listener, node));
	list_for_each_safe (node, after, &w->clients)
		client_close(CONTAINER_OF(node, struct client, node), "the gateway stops");
	list_for_each_safe (node, after, &w->lingering)
		parting_end(CONTAINER_OF(node, struct parting, node));
	list_for_each_safe (node, after, &w->holds)
		end_hold(w, CONTAINER_OF(node, struct hold, node));
	loop_timer_stop(&w->sweep);
	loop_timer_stop(&w->wake);
	loop_stop(w->loop);
}

static void *
run_worker(void *arg)
{
	struct worker_state *w = arg;

	loop_run(w->loop);
	return NULL;
}

static int
open_record(const char *path, const char *why)
{
	if (path == NULL || path[0] == '\0')
		return -1;
	log_warn("record", KV_STR("file", path), KV_STR("why", why));
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void
open_recordings(struct worker_state *w)
{
	w->record_fd =
	    open_record(getenv("TURNOUT_RECORD"),
			"TURNOUT_RECORD is set: every byte sent to clients is written there");
	w->apis_fd =
	    open_record(getenv("TURNOUT_RECORD_APIS"),
			"TURNOUT_RECORD_APIS is set: APIs that clients use are written there");
}

void
worker_record_api(struct worker_state *w, int key, int version)
{
	uint32_t bit = UINT32_C(1) << (version & 31);
	char line[32];
	int length;

	if (w->apis_fd < 0 || (w->apis_seen[key] & bit) != 0)
		return;
	w->apis_seen[key] |= bit;
	length = snprintf(line, sizeof(line), "%d,%d\n", key, version);
	if (write(w->apis_fd, line, (size_t)length) != length)
		log_error("record.failed", KV_STR("why", strerror(errno)));
}

static void
close_recordings(struct worker_state *w)
{
	if (w->record_fd >= 0)
		close(w->record_fd);
	if (w->apis_fd >= 0)
		close(w->apis_fd);
}

void
worker_draw_producers(struct worker_state *w)
{
	uint32_t random = 0;

	ENSURE(getrandom(&random, sizeof(random), 0) == sizeof(random));
	w->producer_instance = random >> (32 - PRODUCER_INSTANCE_BITS);
	w->producer_count = 0;
}

struct worker *
worker_start(unsigned index, struct loop *control, struct world *world, struct err *err)
{
	struct worker *worker = mem_zalloc(sizeof(*worker));
	struct worker_state *w = &worker->state;
	int status;

	w->index = index;
	w->control = control;
	w->loop = loop_new();
	w->world = world_ref(world);
	list_init(&w->clients);
	list_init(&w->holds);
	list_init(&w->listeners);
	list_init(&w->lingering);
	open_recordings(w);
	list_init(&w->muted);
	worker_draw_producers(w);
	loop_timer_init(&w->sweep, w->loop, on_sweep, w);
	loop_timer_start(&w->sweep, SWEEP_MS, SWEEP_MS);
	loop_timer_init(&w->wake, w->loop, throttle_wake, w);
	status = pthread_create(&worker->thread, NULL, run_worker, w);
	if (status == 0)
		return worker;
	err_set(err, ERR_IO, "cannot start worker thread %u: %s", index, strerror(status));
	world_unref(&w->world);
	loop_free(&w->loop);
	free(worker);
	return NULL;
}

void
worker_stop(struct worker **worker)
{
	struct worker_state *w;

	if (*worker == NULL)
		return;
	w = &(*worker)->state;
	loop_post(w->loop, do_stop, w);
	pthread_join((*worker)->thread, NULL);
	loop_free(&w->loop);
	world_unref(&w->world);
	close_recordings(w);
	free(*worker);
	*worker = NULL;
}

static struct message *
message_new(struct worker *worker, const char *logical, worker_ack_fn ack, void *arg)
{
	struct message *m = mem_zalloc(sizeof(*m));

	m->w = &worker->state;
	m->logical = logical != NULL ? mem_strdup(logical) : NULL;
	m->ack = ack;
	m->arg = arg;
	return m;
}

void
worker_listen(struct worker *worker, unsigned vnode, int fd)
{
	struct message *m = message_new(worker, NULL, NULL, NULL);

	m->vnode = vnode;
	m->fd = fd;
	loop_post(worker->state.loop, do_listen, m);
}

void
worker_publish(struct worker *worker, struct world *world, worker_ack_fn ack, void *arg)
{
	struct message *m = message_new(worker, NULL, ack, arg);

	m->world = world_ref(world);
	loop_post(worker->state.loop, do_publish, m);
}

void
worker_hold(struct worker *worker, const char *logical, worker_ack_fn ack, void *arg)
{
	loop_post(worker->state.loop, do_hold, message_new(worker, logical, ack, arg));
}

void
worker_cut(struct worker *worker, const char *logical)
{
	loop_post(worker->state.loop, do_cut, message_new(worker, logical, NULL, NULL));
}

void
worker_release(struct worker *worker, const char *logical, worker_ack_fn ack, void *arg)
{
	loop_post(worker->state.loop, do_release, message_new(worker, logical, ack, arg));
}

/* The counters are all of one type, read one by one. */
void
worker_counters(const struct worker *worker, struct worker_counters *out)
{
	const uint64_t *from = (const uint64_t *)&worker->state.counters;
	uint64_t *to = (uint64_t *)out;

	for (size_t i = 0; i < sizeof(*out) / sizeof(uint64_t); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}
