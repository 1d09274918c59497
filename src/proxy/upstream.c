/* SPDX-License-Identifier: Apache-2.0
 *
 * The broker side of a connection: opened when a request wants out, closed in good order when the
 * cluster is switched. Start at upstream_send(); answers come in at on_answers().
 *
 * A broker that refuses is tried at its other addresses, then the cluster's other brokers: any of
 * them answers metadata, and says NOT_LEADER or NOT_COORDINATOR to what it is not responsible for,
 * so that the client finds out by itself. When none answers, the round starts again after a while,
 * for as long as the client waits.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/be.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/log.h"
#include "kafka/schema.h"
#include "net/socket.h"
#include "proxy/client.h"
#include "proxy/worker_state.h"

/* Pause before the brokers are tried again: doubled from round to round. */
#define RETRY_MS        250
#define RETRY_DOUBLINGS 4
#define READS_PER_TURN  8
/* Response size and correlation id. */
#define ANSWER_HEAD 8

static void connect_next(struct client *c);
static void on_upstream_io(void *arg, int events);

/* The only place where an upstream's state changes. */
static void
set_state(struct upstream *up, enum upstream_state state)
{
	ENSURE(state != UPSTREAM_OPEN || up->state == UPSTREAM_CONNECTING);
	up->state = state;
	up->since_ms = clock_now_ms();
}

void
upstream_update_watch(struct client *c)
{
	struct upstream *up = &c->up;
	int events = 0;

	if (up->fd < 0)
		return;
	if (up->state == UPSTREAM_CONNECTING || up->out.count > 0)
		events |= EV_WRITE;
	if (up->state == UPSTREAM_OPEN &&
	    c->out.bytes < (size_t)c->w->world->snap->settings.buffer_bytes)
		events |= EV_READ;
	loop_io_watch(&up->io, events);
}

static void
drop_socket(struct upstream *up)
{
	if (up->fd < 0)
		return;
	loop_io_watch(&up->io, 0);
	close(up->fd);
	up->fd = -1;
	inbuf_free(&up->in);
}

void
upstream_close(struct client *c)
{
	drop_socket(&c->up);
	outq_free(&c->up.out);
	c->up.attempt = 0;
	c->up.rounds = 0;
	c->up.is_silent = false;
	if (c->up.state != UPSTREAM_NONE)
		set_state(&c->up, UPSTREAM_NONE);
}

/* The worker finishes with the socket and what is queued for it. */
static void
let_go(struct client *c)
{
	struct upstream *up = &c->up;

	loop_io_watch(&up->io, 0);
	worker_linger(c->w, up->fd, &up->out);
	up->fd = -1;
	inbuf_free(&up->in);
}

void
upstream_retire(struct client *c)
{
	struct upstream *up = &c->up;

	ENSURE(c->unanswered == 0);
	if (up->state == UPSTREAM_OPEN)
		let_go(c);
	upstream_close(c);
}

void
upstream_leave(struct client *c)
{
	if (c->up.state != UPSTREAM_NONE && c->up.out.count > 0)
		let_go(c);
	upstream_close(c);
}

/* -- connecting */

/* The n-th address to try: the vnode's own broker's first, then the others'. NULL: that was all. */
static const struct sockaddr_storage *
candidate(const struct route *route, unsigned vnode, unsigned n, const struct slot **slot)
{
	const struct slot *own = route_broker(route, vnode);
	size_t first = own != NULL ? (size_t)(own - route->slots) : 0;

	for (size_t i = 0; i < route->slots_count; i++) {
		*slot = &route->slots[(first + i) % route->slots_count];
		if (!(*slot)->present)
			continue;
		if (n < (*slot)->addresses_count)
			return &(*slot)->addresses[n];
		n -= (*slot)->addresses_count;
	}
	return NULL;
}

static void
log_failure(struct client *c, enum log_level level, const char *why)
{
	WORKER_COUNT(c->w, upstream_failures, 1);
	log_at(level, "upstream.failed", KV_STR("peer", c->peer),
	       KV_STR("cluster", c->route->cluster), KV_INT("vnode", c->vnode),
	       KV_INT("broker", c->up.broker_id), KV_STR("address", c->up.peer),
	       KV_STR("why", why));
}

/* An outage is told once per client and broker; what follows in later rounds is for developers. */
static enum log_level
attempt_level(const struct client *c)
{
	return c->up.rounds == 0 ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG;
}

static void
attempt_failed(struct client *c, const char *why)
{
	log_failure(c, attempt_level(c), why);
	drop_socket(&c->up);
	c->up.attempt++;
	connect_next(c);
}

/* All brokers have refused: upstream_sweep() begins a new round after a while. */
static void
round_failed(struct client *c)
{
	c->up.attempt = 0;
	c->up.rounds++;
	set_state(&c->up, UPSTREAM_NONE);
}

static void
connect_next(struct client *c)
{
	struct upstream *up = &c->up;
	const struct slot *slot;
	const struct sockaddr_storage *address;

	for (;; up->attempt++) {
		address = candidate(c->route, c->vnode, up->attempt, &slot);
		if (address == NULL) {
			round_failed(c);
			return;
		}
		up->broker_id = slot->broker_id;
		socket_format(address, up->peer, sizeof(up->peer));
		up->fd = socket_connect(address);
		if (up->fd >= 0)
			break;
		log_failure(c, attempt_level(c), strerror(errno));
	}
	set_state(up, UPSTREAM_CONNECTING);
	loop_io_init(&up->io, c->w->loop, up->fd, on_upstream_io, c);
	upstream_update_watch(c);
}

static void
on_connected(struct client *c)
{
	int error = socket_error(c->up.fd);

	if (error != 0) {
		attempt_failed(c, strerror(error));
		return;
	}
	set_state(&c->up, UPSTREAM_OPEN);
	c->up.attempt = 0;
	c->up.rounds = 0;
	WORKER_COUNT(c->w, upstream_connects, 1);
	log_debug("upstream.open", KV_STR("peer", c->peer), KV_STR("cluster", c->route->cluster),
		  KV_INT("generation", c->generation), KV_INT("vnode", c->vnode),
		  KV_INT("broker", c->up.broker_id), KV_STR("address", c->up.peer));
}

/* -- sending */

static void
flush(struct client *c)
{
	size_t sent;

	if (c->up.state != UPSTREAM_OPEN)
		return;
	if (outq_flush(&c->up.out, c->up.fd, -1, &sent) == FLUSH_FAILED) {
		log_failure(c, LOG_LEVEL_WARN, strerror(errno));
		client_close(c, "the connection to the broker broke while a request was sent");
	}
}

void
upstream_send(struct client *c, struct segs *segs)
{
	outq_take(&c->up.out, segs);
	if (c->up.state == UPSTREAM_NONE && c->up.rounds == 0)
		connect_next(c); /* after a failed round upstream_sweep() says when */
	flush(c);
}

/* -- answers */

static void
answer_refused(struct client *c, const struct pending *p, const char *why)
{
	log_error("answer.refused", KV_STR("peer", c->peer), KV_STR("vcluster", c->vc->name),
		  KV_STR("cluster", c->route->cluster), KV_INT("broker", c->up.broker_id),
		  KV_STR("api", p != NULL ? kafka_api_name(p->key) : NULL),
		  KV_INT("version", p != NULL ? p->version : -1), KV_STR("why", why));
	client_close(c, "the broker's answer could not be passed on");
}

static bool
feed_stream(struct client *c)
{
	struct rewriter *rw = &c->response.rw;
	enum rewrite_progress progress;
	size_t consumed;

	if (c->up.in.buf == NULL)
		return false;
	progress = rewrite_stream_feed(rw, c->up.in.buf, inbuf_at(&c->up.in),
				       inbuf_length(&c->up.in), &consumed);
	if (progress == REWRITE_FAILED) {
		answer_refused(c, client_awaited(c), rw->error);
		return false;
	}
	inbuf_consume(&c->up.in, consumed);
	if (rw->promised)
		client_emit(c, &rw->out);
	if (progress == REWRITE_MORE)
		return consumed > 0;
	stream_end(&c->response);
	client_answered(c);
	return true;
}

static bool
pass_answer(struct client *c, const struct pending *p, size_t size)
{
	struct rewriter *rw = &c->response.rw;
	struct rewrite_context cx;

	client_context(c, &cx);
	cx.is_expanded = p->is_expanded;
	cx.throttle_ms = throttle_answer(c, p->key, 4 + size);
	cx.is_consumer = p->is_consumer;
	if (!rewrite_frame(rw, &cx, KAFKA_RESPONSE, p->key, p->version, c->up.in.buf,
			   inbuf_at(&c->up.in) + 4, size)) {
		answer_refused(c, p, rw->error);
		return false;
	}
	inbuf_consume(&c->up.in, 4 + size);
	client_emit(c, &rw->out);
	client_answered(c);
	return true;
}

/* An answer to a question of ours. */
static bool
take_answer(struct client *c, const struct pending *p, size_t size)
{
	char why[240];

	if (!asking_take(c, inbuf_at(&c->up.in) + 4, size, why, sizeof(why))) {
		answer_refused(c, p, why);
		return false;
	}
	inbuf_consume(&c->up.in, 4 + size);
	client_answered(c);
	asking_go_on(c);
	return true;
}

/* As soon as the size is there: what follows an illegal one may never come. */
static bool
check_answer_size(struct client *c, const struct pending *p, size_t size)
{
	if (size >= ANSWER_HEAD - 4 && (int64_t)size <= c->w->world->snap->settings.frame_bytes)
		return true;
	answer_refused(c, p, "a frame size that is not legal or over limits.frame.bytes");
	return false;
}

static bool
check_answer(struct client *c, const struct pending *p, int32_t correlation_id)
{
	if (p == NULL)
		answer_refused(c, p, "an answer that nobody asked for");
	else if (p->correlation_id != correlation_id)
		answer_refused(c, p, "a correlation id that is not the next one owed");
	else
		return true;
	return false;
}

/* Takes one answer, or one piece of a streamed one. false: more must come first, or the client was
 * closed. */
static bool
step(struct client *c)
{
	const struct pending *p = client_awaited(c);
	size_t length;
	size_t size;

	if (c->response.active)
		return feed_stream(c);
	length = c->up.in.buf != NULL ? inbuf_length(&c->up.in) : 0;
	if (length < 4)
		return false;
	size = be_get32(inbuf_at(&c->up.in));
	if (!check_answer_size(c, p, size))
		return false;
	if (length < ANSWER_HEAD)
		return false;
	if (!check_answer(c, p, (int32_t)be_get32(inbuf_at(&c->up.in) + 4)))
		return false;
	if (length >= 4 + size)
		return p->is_ours ? take_answer(c, p, size) : pass_answer(c, p, size);
	if ((api_find(p->key)->flags & API_STREAM_RESPONSE) == 0 || p->is_whole ||
	    4 + size <= BUF_BYTES)
		return false;
	stream_begin(c, &c->response);
	c->response.cx.throttle_ms = throttle_answer(c, p->key, 4 + size);
	rewrite_stream_begin(&c->response.rw, &c->response.cx, KAFKA_RESPONSE, p->key, p->version,
			     size);
	inbuf_consume(&c->up.in, 4);
	return true;
}

static size_t
unit_wanted(const struct client *c)
{
	if (c->response.active)
		return c->response.rw.walk.need > 0 ? c->response.rw.walk.need : 1;
	if (c->up.in.buf == NULL || inbuf_length(&c->up.in) < ANSWER_HEAD)
		return ANSWER_HEAD;
	return 4 + (size_t)be_get32(inbuf_at(&c->up.in));
}

/* A broker may close an idle connection; the next request opens a new one. With something
 * unanswered only the client can know whether to ask again; and after a Produce with acks=0 the end
 * is how a broker says that it is not the leader (protocol.md 1.0). */
static void
on_eof(struct client *c, const char *why)
{
	if (c->unanswered > 0 || c->up.is_silent || c->up.out.count > 0 || c->request.active) {
		log_failure(c, LOG_LEVEL_WARN, why);
		client_close(c, "the broker closed the connection");
		return;
	}
	upstream_close(c);
}

static void
on_answers(struct client *c)
{
	size_t limit = (size_t)c->w->world->snap->settings.buffer_bytes;

	for (int i = 0; i < READS_PER_TURN && c->up.state == UPSTREAM_OPEN && c->out.bytes < limit;
	     i++) {
		size_t got;

		inbuf_reserve(&c->up.in, unit_wanted(c));
		switch (inbuf_read(&c->up.in, c->up.fd, &got)) {
		case READ_SOME:
			c->active_ms = clock_now_ms();
			while (c->up.state == UPSTREAM_OPEN && step(c))
				;
			/* What is buffered goes out, and requests that waited for room may follow.
			 */
			if (c->state != CLIENT_CLOSED)
				client_process(c);
			break;
		case READ_AGAIN:
			return;
		case READ_EOF:
			on_eof(c, "end of stream");
			return;
		case READ_FAILED:
			on_eof(c, strerror(errno));
			return;
		}
	}
}

static void
on_upstream_io(void *arg, int events)
{
	struct client *c = arg;

	if (c->up.state == UPSTREAM_CONNECTING && (events & EV_WRITE) != 0)
		on_connected(c);
	flush(c);
	if (c->up.state == UPSTREAM_OPEN && (events & EV_READ) != 0)
		on_answers(c);
	if (c->state != CLIENT_CLOSED)
		client_process(c); /* the queue may have room again, whether or not anything came */
	client_update_watch(c);
}

static int64_t
retry_pause_ms(const struct upstream *up)
{
	return RETRY_MS << (up->rounds < RETRY_DOUBLINGS ? up->rounds : RETRY_DOUBLINGS);
}

void
upstream_sweep(struct client *c, int64_t now_ms)
{
	struct upstream *up = &c->up;

	if (c->state != CLIENT_OPEN || up->state == UPSTREAM_OPEN || up->out.count == 0)
		return;
	if (socket_peer_is_gone(c->fd)) {
		client_close(c, "the client went away while no broker could be reached; its "
				"requests were not sent");
		return;
	}
	if (up->state == UPSTREAM_CONNECTING &&
	    now_ms - up->since_ms > c->w->world->snap->settings.connect_timeout_ms)
		attempt_failed(c, "no connection within timeouts.connect");
	else if (up->state == UPSTREAM_NONE && now_ms - up->since_ms > retry_pause_ms(up))
		connect_next(c);
}
