/* SPDX-License-Identifier: Apache-2.0
 *
 * The client side of a connection: reading requests, deciding what becomes of each, and sending
 * answers in order. Start at step(), which takes the next request; forward_frame() and
 * answer_locally() are the two ways it can go.
 */
#include "proxy/client.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/be.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/log.h"
#include "base/mem.h"
#include "kafka/kafka_ids.h"
#include "kafka/schema.h"
#include "net/socket.h"
#include "proxy/lookup.h"
#include "proxy/worker_state.h"

/* Frame size, API key and version, correlation id: what decides about a request. */
#define FRAME_HEAD 12
/* Reads of one event; the others get their turn then. */
#define READS_PER_TURN 8
/* A connection that always has a request in flight is cut so long after its token's end. */
#define EXPIRY_GRACE_S 30
/* Answers that may wait for somebody who has not logged in: a login has three. */
#define GREETING_OUT_BYTES 16384

static const struct settings *
settings_of(const struct client *c)
{
	return &c->w->world->snap->settings;
}

/* -- state */

/* The only place where a client's state changes. */
static void
set_state(struct client *c, enum client_state state)
{
	static const bool legal[4][4] = {
	    [CLIENT_GREETING] =
		{[CLIENT_OPEN] = true, [CLIENT_PARTING] = true, [CLIENT_CLOSED] = true},
	    [CLIENT_OPEN] = {[CLIENT_PARTING] = true, [CLIENT_CLOSED] = true},
	    [CLIENT_PARTING] = {[CLIENT_CLOSED] = true},
	};

	ENSURE(legal[c->state][state]);
	c->state = state;
}

static bool
is_alive(const struct client *c)
{
	return c->state == CLIENT_GREETING || c->state == CLIENT_OPEN;
}

static void
pending_free(struct pending *p)
{
	segs_free(&p->answer);
	free(p);
}

/* A request that was read to be refused is through. */
static void
refusal_end(struct client *c)
{
	if (c->refusing == NULL)
		return;
	refusal_free(c->refusing);
	free(c->refusing);
	c->refusing = NULL;
}

static void
client_free(void *arg)
{
	struct client *c = arg;
	struct list *node;

	while ((node = list_pop(&c->pending)) != NULL)
		pending_free(CONTAINER_OF(node, struct pending, node));
	asking_drop(c);
	refusal_end(c);
	rewrite_free(&c->request.rw);
	rewrite_free(&c->response.rw);
	world_unref(&c->request.world);
	world_unref(&c->response.world);
	inbuf_free(&c->in);
	outq_free(&c->out);
	scratch_free(&c->scratch);
	free(c);
}

static void
leave_hold(struct client *c)
{
	struct hold *hold = c->hold;

	if (hold == NULL)
		return;
	c->hold = NULL;
	hold->connections--;
	if (c->is_busy) {
		hold->busy--;
		worker_check_hold(c->w, hold);
	}
}

void
client_close(struct client *c, const char *why)
{
	if (c->state == CLIENT_CLOSED)
		return;
	log_info("client.close", KV_STR("peer", c->peer),
		 KV_STR("vcluster", c->vc != NULL ? c->vc->name : NULL),
		 KV_STR("user", c->vc != NULL ? c->identity.username : NULL),
		 KV_INT("vnode", c->vnode), KV_INT("unanswered", c->unanswered),
		 KV_STR("why", why));
	set_state(c, CLIENT_CLOSED);
	loop_io_watch(&c->io, 0);
	close(c->fd);
	upstream_close(c);
	throttle_release(c);
	leave_hold(c);
	list_remove(&c->node);
	c->w->clients_count--;
	WORKER_COUNT(c->w, connections, -1);
	loop_defer(c->w->loop, client_free, c);
}

static void
flush(struct client *c)
{
	size_t sent = 0;
	enum flush_result result = outq_flush(&c->out, c->fd, c->w->record_fd, &sent);

	if (sent > 0)
		c->active_ms = clock_now_ms();
	WORKER_COUNT(c->w, bytes_out, sent);
	if (result == FLUSH_FAILED)
		client_close(c, strerror(errno));
	else if (c->state == CLIENT_PARTING && result == FLUSH_DONE)
		client_close(c, "refused");
}

void
client_part(struct client *c, const char *why)
{
	if (!is_alive(c))
		return;
	log_debug("client.part", KV_STR("peer", c->peer), KV_STR("why", why));
	set_state(c, CLIENT_PARTING);
	c->since_ms = clock_now_ms();
	upstream_close(c); /* a refused second login: nothing more comes through */
	flush(c);
}

/* -- watching */

/* Does the client take its answers? Those that wait behind one that a broker owes count, too: a
 * refusal can be many times as large as what it refuses. */
static bool
is_reading(const struct client *c)
{
	return c->out.bytes + c->waiting_bytes < (c->state == CLIENT_GREETING
						      ? GREETING_OUT_BYTES
						      : (size_t)settings_of(c)->buffer_bytes);
}

/* Is nothing more taken for a while? What is under way is read to its end. */
static bool
is_muted(const struct client *c)
{
	return c->muted_until_ms != 0 && !c->request.active && c->refusing == NULL &&
	       c->asking.state == ASKING_NOTHING;
}

/* Reading stops when the broker or the client itself is slow to take what it asked for, and while a
 * request waits. */
static bool
may_read(const struct client *c)
{
	return is_alive(c) && !c->is_waiting && !is_muted(c) && c->asking.state == ASKING_NOTHING &&
	       is_reading(c) && c->up.out.bytes < (size_t)settings_of(c)->buffer_bytes &&
	       c->pending_count < PENDING_MAX;
}

void
client_update_watch(struct client *c)
{
	int events = 0;

	if (c->state == CLIENT_CLOSED)
		return;
	if (may_read(c)) {
		events |= EV_READ;
		if ((c->io.events & EV_READ) == 0)
			c->reads_since_ms = clock_now_ms();
	}
	if (c->out.count > 0)
		events |= EV_WRITE;
	loop_io_watch(&c->io, events);
	upstream_update_watch(c);
}

void
client_update_busy(struct client *c)
{
	bool is_busy =
	    c->unanswered > 0 || c->request.active || c->response.active || c->up.out.count > 0;

	if (is_busy == c->is_busy)
		return;
	c->is_busy = is_busy;
	if (c->hold == NULL)
		return;
	c->hold->busy += is_busy ? 1 : -1U;
	worker_check_hold(c->w, c->hold);
}

/* -- answers */

void
client_emit(struct client *c, struct segs *segs)
{
	outq_take(&c->out, segs);
}

struct pending *
client_awaited(struct client *c)
{
	if (list_is_empty(&c->pending))
		return NULL;
	return CONTAINER_OF(c->pending.next, struct pending, node);
}

/* Local answers at the head of the queue have had their turn come. */
static void
emit_ready(struct client *c)
{
	struct pending *p;

	while ((p = client_awaited(c)) != NULL && p->is_local) {
		list_remove(&p->node);
		c->pending_count--;
		c->waiting_bytes -= p->answer.bytes;
		client_emit(c, &p->answer);
		pending_free(p);
	}
}

void
client_answered(struct client *c)
{
	struct pending *p = client_awaited(c);

	ENSURE(p != NULL && !p->is_local);
	list_remove(&p->node);
	c->pending_count--;
	c->unanswered--;
	pending_free(p);
	emit_ready(c);
}

static struct pending *
pending_add(struct client *c, int key, int version, int32_t correlation_id, bool is_local)
{
	struct pending *p = mem_zalloc(sizeof(*p));

	p->key = (int16_t)key;
	p->version = (int16_t)version;
	p->correlation_id = correlation_id;
	p->is_local = is_local;
	list_append(&c->pending, &p->node);
	c->pending_count++;
	if (!is_local)
		c->unanswered++;
	return p;
}

/* -- requests */

/* What is known of a request before its body is read. */
struct head {
	size_t size; /* of the frame, without the four bytes of the size itself */
	int key;
	int version;
	int32_t correlation_id;
	const struct api *api;
};

static void
refuse(struct client *c, const char *event, const struct head *head, const char *why)
{
	WORKER_COUNT(c->w, closed_protocol, 1);
	log_warn(event, KV_STR("peer", c->peer),
		 KV_STR("vcluster", c->vc != NULL ? c->vc->name : NULL),
		 KV_STR("api", kafka_api_name(head->key)), KV_INT("key", head->key),
		 KV_INT("version", head->version), KV_INT("size", head->size), KV_STR("why", why));
	client_close(c, why);
}

/* One answer is not to take longer than a second at the user's rate; a batch that is larger comes
 * all the same (KIP-74). */
static int32_t
fetch_limit(const struct client *c)
{
	int64_t rate = c->user != NULL ? c->user->out_rate : 0;

	return (int32_t)(rate < INT32_MAX ? rate : INT32_MAX);
}

void
client_producer_owner(const struct client *c, struct producer_owner *owner)
{
	const struct world *world = c->w->world;

	*owner = (struct producer_owner){c->vc->name, world->keys, world->keys_count};
}

void
client_context(struct client *c, struct rewrite_context *cx)
{
	int64_t request_bytes = settings_of(c)->request_bytes;

	*cx = (struct rewrite_context){
	    .prefix = c->vc->prefix,
	    .prefix_length = strlen(c->vc->prefix),
	    .route = c->route,
	    .advertised_host = settings_of(c)->advertised_host,
	    .cluster_id = c->vc->cluster_id,
	    .port_start = (int32_t)settings_of(c)->port_start,
	    .no_creation = (c->allowed & OPERATION_WRITE) == 0,
	    .fetch_bytes = fetch_limit(c),
	    .scratch = &c->scratch,
	    .whole_bytes = (int32_t)(request_bytes < INT32_MAX ? request_bytes : INT32_MAX),
	};
	names_init(&cx->names, c->vc);
	client_producer_owner(c, &cx->producers);
}

static void
answer_locally(struct client *c, const struct head *head, struct bytes *answer)
{
	struct pending *p = pending_add(c, head->key, head->version, head->correlation_id, true);
	struct buf *buf = buf_new(answer->length);
	int32_t throttle_ms;

	throttle_ms = throttle_answer(c, head->key, answer->length);
	if (c->throttle_at != 0 && throttle_ms > 0) {
		ENSURE(c->throttle_at + 4 <= answer->length);
		be_put32(answer->data + c->throttle_at, (uint32_t)throttle_ms);
	}
	c->throttle_at = 0; /* the next answer may have none, or be made elsewhere */
	memcpy(buf->data, answer->data, answer->length);
	segs_add(&p->answer, buf, buf->data, answer->length);
	buf_unref(&buf);
	c->waiting_bytes += p->answer.bytes;
	emit_ready(c);
}

void
client_ask(struct client *c, int key, int version, int32_t correlation_id,
	   const struct bytes *frame)
{
	struct buf *buf = buf_new(frame->length);
	struct segs segs = {0};

	memcpy(buf->data, frame->data, frame->length);
	segs_add(&segs, buf, buf->data, frame->length);
	buf_unref(&buf);
	pending_add(c, key, version, correlation_id, false)->is_ours = true;
	c->up.is_silent = false;
	upstream_send(c, &segs);
	segs_free(&segs);
}

/* A Produce with acks=0 is never answered; everything else is. */
static bool
owes_answer(const struct rewriter *rw)
{
	return rw->key != 0 || rw->acks != 0;
}

/* A request goes out: notes what the broker owes for it. */
static void
note_request(struct client *c, const struct rewriter *rw, int32_t correlation_id)
{
	struct pending *p;

	c->up.is_silent = !owes_answer(rw);
	if (rw->key == KA_JoinGroup)
		groups_note(&c->groups, rw->group, rw->is_consumer);
	if (!owes_answer(rw))
		return;
	p = pending_add(c, rw->key, rw->version, correlation_id, false);
	p->is_whole = rw->named_alias;
	p->is_expanded = rw->is_expanded;
	p->is_consumer = rw->is_consumer;
}

static void
forward_frame(struct client *c, const struct head *head, const uint8_t *frame)
{
	struct rewrite_context cx;
	struct rewriter *rw = &c->request.rw;

	client_context(c, &cx);
	cx.own = lookup_result(c);
	cx.is_consumer = c->syncs_consumers;
	if (!rewrite_frame(rw, &cx, KAFKA_REQUEST, head->key, head->version, c->in.buf, frame,
			   head->size)) {
		refuse(c, "request.malformed", head, rw->error);
		return;
	}
	note_request(c, rw, head->correlation_id);
	upstream_send(c, &rw->out);
}

/* A request that is here as a whole. */
static void
handle_frame(struct client *c, const struct head *head)
{
	const uint8_t *frame = inbuf_at(&c->in) + 4;
	struct bytes answer = {0};
	char why[256];
	enum local_result result = LOCAL_FORWARD;

	if (head->api->policy != API_REWRITE)
		result = local_answer(c, head->api, head->version, frame, head->size, &answer, why,
				      sizeof(why));
	if (result == LOCAL_FORWARD && lookup_begin(c, head->key, head->version, frame, head->size))
		result = LOCAL_PARKED;
	switch (result) {
	case LOCAL_PARKED:
		return;
	case LOCAL_ANSWERED:
		answer_locally(c, head, &answer);
		break;
	case LOCAL_REFUSED:
		answer_locally(c, head, &answer);
		client_part(c, why);
		break;
	case LOCAL_FORWARD:
		forward_frame(c, head, frame);
		break;
	case LOCAL_BROKEN:
		refuse(c, "request.malformed", head, why);
		break;
	}
	bytes_free(&answer);
	asking_drop(c);
	if (c->state != CLIENT_CLOSED)
		inbuf_consume(&c->in, 4 + head->size);
}

void
stream_begin(struct client *c, struct stream *stream)
{
	client_context(c, &stream->cx);
	stream->world = world_ref(c->w->world);
	stream->active = true;
}

void
stream_end(struct stream *stream)
{
	stream->active = false;
	world_unref(&stream->world);
}

static void
begin_stream(struct client *c, const struct head *head)
{
	stream_begin(c, &c->request);
	c->request.correlation_id = head->correlation_id;
	rewrite_stream_begin(&c->request.rw, &c->request.cx, KAFKA_REQUEST, head->key,
			     head->version, head->size);
	inbuf_consume(&c->in, 4);
}

/* Passes on what has come of a streamed request. false: more must come first. */
static bool
feed_stream(struct client *c)
{
	struct rewriter *rw = &c->request.rw;
	struct head head = {.key = rw->key, .version = rw->version, .size = rw->walk.left};
	bool was_promised = rw->promised;
	enum rewrite_progress progress;
	size_t consumed;

	if (c->in.buf == NULL)
		return false;
	progress =
	    rewrite_stream_feed(rw, c->in.buf, inbuf_at(&c->in), inbuf_length(&c->in), &consumed);
	if (progress == REWRITE_FAILED) {
		refuse(c, "request.malformed", &head, rw->error);
		return false;
	}
	if (progress == REWRITE_MORE && (int64_t)rw->walk.need > settings_of(c)->request_bytes) {
		refuse(c, "request.too_large", &head,
		       "a field that cannot be streamed is larger than "
		       "limits.request.bytes");
		return false;
	}
	inbuf_consume(&c->in, consumed);
	if (rw->promised && !was_promised)
		note_request(c, rw, c->request.correlation_id);
	if (rw->promised)
		upstream_send(c, &rw->out);
	if (progress == REWRITE_MORE)
		return consumed > 0 && is_alive(c);
	stream_end(&c->request);
	return true;
}

/* -- requests that the user may not make */

static void
begin_refusal(struct client *c, const struct head *head)
{
	c->refusing = mem_alloc(sizeof(*c->refusing));
	refusal_begin(c->refusing, head->key, head->version, head->size, REFUSAL_UNAUTHORIZED);
	inbuf_consume(&c->in, 4);
	WORKER_COUNT(c->w, requests_denied, 1);
	/* Once for a connection: clients go on asking. */
	log_at(c->was_refused ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "request.denied",
	       KV_STR("peer", c->peer), KV_STR("vcluster", c->vc->name),
	       KV_STR("user", c->identity.username), KV_STR("api", kafka_api_name(head->key)),
	       KV_STR("why", "users.NAME.allow of the vcluster's file does not have it"));
	c->was_refused = true;
}

/* The request is through: answers it. One that wants no answer can only be told by closing, as a
 * broker does. */
static void
finish_refusal(struct client *c, const struct head *head)
{
	struct bytes answer = {0};

	if (head->key == KA_Produce && c->refusing->acks == 0) {
		client_close(c, "the user may not write, and acks=0 leaves no other way to say so");
		return;
	}
	refusal_answer(c->refusing, &answer);
	c->throttle_at = c->refusing->throttle_at;
	answer_locally(c, head, &answer);
	bytes_free(&answer);
	refusal_end(c);
}

/* Reads on in a request that is refused. false: more must come first. */
static bool
feed_refusal(struct client *c)
{
	struct refusal *r = c->refusing;
	enum refusal_progress progress;
	size_t consumed;
	struct head head = {.key = r->key, .version = r->version, .size = r->size};

	if (c->in.buf == NULL)
		return false;
	progress = refusal_feed(r, inbuf_at(&c->in), inbuf_length(&c->in), &consumed);
	head.correlation_id = r->correlation_id;
	if (progress == REFUSAL_FAILED) {
		refuse(c, "request.malformed", &head, r->malformed);
		return false;
	}
	if (progress == REFUSAL_MORE && (int64_t)r->walk.need > settings_of(c)->request_bytes) {
		refuse(c, "request.too_large", &head,
		       "a field that cannot be streamed is larger than limits.request.bytes");
		return false;
	}
	inbuf_consume(&c->in, consumed);
	if (progress == REFUSAL_MORE)
		return consumed > 0;
	finish_refusal(c, &head);
	return is_alive(c);
}

/* May this request not go now? Then nothing more is read until it may. */
static bool
must_wait(const struct client *c, const struct head *head)
{
	if ((head->api->flags & API_BEFORE_AUTH) != 0)
		return false;
	if (c->asking.is_last) /* the cluster has done it: only the answer is missing */
		return false;
	if (c->hold != NULL && head->api->policy != API_LOCAL)
		return true;
	return route_broker(c->route, c->vnode) == NULL;
}

static void
begin_wait(struct client *c, const struct head *head)
{
	if (c->is_waiting) /* counted already */
		return;
	c->is_waiting = true;
	if (c->hold != NULL)
		c->hold->held++;
	log_debug("request.held", KV_STR("peer", c->peer), KV_STR("api", kafka_api_name(head->key)),
		  KV_STR("why", c->hold != NULL ? "switch" : "no broker is known yet"));
}

/* Denied, or not known: told with the reason of apis.def. */
static void
refuse_api(struct client *c, const struct head *head)
{
	const char *name = "unknown";
	const char *why = api_denied(head->key, &name);
	char text[256];

	if (why == NULL)
		snprintf(text, sizeof(text), "an API that is not offered");
	else
		snprintf(text, sizeof(text), "%s is denied: %s", name, why);
	refuse(c, "request.unsupported", head, text);
}

/* Is it something that this gateway offers, to this client, now? Otherwise the connection is
 * closed, as a broker does. */
static bool
check_head(struct client *c, struct head *head)
{
	const struct api_range *range;

	head->api = api_find(head->key);
	if (head->api == NULL) {
		refuse_api(c, head);
		return false;
	}
	if (c->state == CLIENT_GREETING && (head->api->flags & API_BEFORE_AUTH) == 0) {
		refuse(c, "request.unauthenticated", head,
		       "only ApiVersions and SASL are legal before the login");
		return false;
	}
	if (c->state == CLIENT_OPEN && (head->api->flags & API_BEFORE_AUTH) == 0 &&
	    !c->is_waiting && c->asking.state == ASKING_NOTHING && session_is_over(c)) {
		client_close(c, "its session has ended, and it did not log in again");
		return false;
	}
	range = &c->w->world->apis[head->key];
	if (head->key != KA_ApiVersions &&
	    (head->version < range->min || head->version > range->max)) {
		refuse(c, "request.unsupported", head, "a version that is not offered");
		return false;
	}
	if (api_has_version(head->api, head->version))
		worker_record_api(c->w, head->key, head->version);
	return true;
}

/* What a frame may have at most, and the key that says so. Only what is streamed may be large:
 * everything else is held, and walked, as a whole. */
static int64_t
size_limit(const struct client *c, const struct head *head, const char **key)
{
	const struct settings *settings = settings_of(c);
	const struct api *api = api_find(head->key);

	*key = "limits.frame.unauthenticated.bytes";
	if (c->state == CLIENT_GREETING)
		return settings->frame_unauthenticated_bytes;
	*key = "limits.frame.bytes";
	if ((api != NULL && (api->flags & API_STREAM_REQUEST) != 0) ||
	    settings->frame_bytes < settings->request_bytes)
		return settings->frame_bytes;
	*key = "limits.request.bytes";
	return settings->request_bytes;
}

static bool
is_legal_size(size_t size)
{
	return size >= FRAME_HEAD - 4 && size <= INT32_MAX;
}

static bool
check_size(struct client *c, const struct head *head)
{
	const char *key;
	int64_t limit = size_limit(c, head, &key);
	char why[128];

	if (!is_legal_size(head->size)) {
		refuse(c, "request.malformed", head, "not a legal frame size");
		return false;
	}
	if ((int64_t)head->size <= limit)
		return true;
	snprintf(why, sizeof(why), "the frame is larger than %s, which is %lld", key,
		 (long long)limit);
	refuse(c, "request.too_large", head, why);
	return false;
}

/* Reads the head of the next request; false when it has not come yet or the client was closed for
 * it. */
static bool
read_head(struct client *c, struct head *head)
{
	size_t length = c->in.buf != NULL ? inbuf_length(&c->in) : 0;
	const uint8_t *at;

	if (length < 4)
		return false;
	at = inbuf_at(&c->in);
	*head = (struct head){.size = be_get32(at), .key = -1, .version = -1};
	if (length < FRAME_HEAD && is_legal_size(head->size))
		return false; /* wait for the API key: a log line without it helps nobody */
	if (length >= FRAME_HEAD) {
		head->key = (int16_t)be_get16(at + 4);
		head->version = (int16_t)be_get16(at + 6);
		head->correlation_id = (int32_t)be_get32(at + 8);
	}
	return check_size(c, head) && check_head(c, head);
}

static void
take_request(struct client *c, const struct head *head)
{
	if (c->asking.state != ASKING_NOTHING)
		return; /* when it was parked */
	WORKER_COUNT(c->w, requests_total, 1);
	throttle_request(c, head->key, 4 + head->size);
}

/* May a request be passed on while it arrives? With aliases a name's change shows with the name
 * only, so that as much as may be is taken as a whole. */
static bool
may_stream(const struct client *c, const struct head *head)
{
	if ((head->api->flags & API_STREAM_REQUEST) == 0 || 4 + head->size <= BUF_BYTES)
		return false;
	return c->vc->aliases_count == 0 || (int64_t)head->size > settings_of(c)->request_bytes;
}

/* Takes one request, or one piece of a streamed one. false: nothing more to do now. */
static bool
step(struct client *c)
{
	struct head head;

	if (c->request.active)
		return c->up.out.bytes < (size_t)settings_of(c)->buffer_bytes && feed_stream(c);
	if (c->refusing != NULL)
		return feed_refusal(c);
	if (is_muted(c))
		return false;
	if (!is_reading(c)) { /* answers of our own: small requests ask for much larger ones */
		flush(c);
		if (!is_alive(c) || !is_reading(c))
			return false;
	}
	if (c->pending_count >= PENDING_MAX || c->asking.state == ASKING_OUT ||
	    !read_head(c, &head))
		return false;
	if (c->state == CLIENT_OPEN && (head.api->operation & ~c->allowed) != 0) {
		c->is_waiting = false;
		take_request(c, &head);
		asking_drop(c);
		begin_refusal(c, &head);
		return true;
	}
	if (must_wait(c, &head)) {
		asking_drop(c);
		begin_wait(c, &head);
		return false;
	}
	c->is_waiting = false;
	if (inbuf_length(&c->in) >= 4 + head.size) {
		take_request(c, &head);
		handle_frame(c, &head);
		return is_alive(c);
	}
	if (may_stream(c, &head)) {
		take_request(c, &head);
		begin_stream(c, &head);
		return true;
	}
	return false;
}

void
client_process(struct client *c)
{
	if (!is_alive(c))
		return;
	while (is_alive(c) && step(c))
		;
	if (c->state == CLIENT_CLOSED)
		return;
	flush(c);
	if (c->state == CLIENT_CLOSED)
		return;
	client_update_busy(c);
	client_update_watch(c);
}

/* How many contiguous bytes what comes next needs. */
static size_t
unit_wanted(const struct client *c)
{
	if (c->request.active)
		return c->request.rw.walk.need > 0 ? c->request.rw.walk.need : 1;
	if (c->refusing != NULL)
		return c->refusing->walk.need > 0 ? c->refusing->walk.need : 1;
	if (c->in.buf == NULL || inbuf_length(&c->in) < FRAME_HEAD)
		return FRAME_HEAD;
	return 4 + (size_t)be_get32(inbuf_at(&c->in));
}

/* A producer with acks=0 closes as soon as it has sent: what the gateway took from it still goes to
 * the broker. */
static void
client_left(struct client *c, const char *why)
{
	upstream_leave(c);
	client_close(c, why);
}

static void
read_requests(struct client *c)
{
	for (int i = 0; i < READS_PER_TURN && may_read(c); i++) {
		size_t got;

		inbuf_reserve(&c->in, unit_wanted(c));
		switch (inbuf_read(&c->in, c->fd, &got)) {
		case READ_SOME:
			WORKER_COUNT(c->w, bytes_in, got);
			c->active_ms = clock_now_ms();
			client_process(c);
			break;
		case READ_AGAIN:
			return;
		case READ_EOF:
			client_left(c, "the client closed the connection");
			return;
		case READ_FAILED:
			client_left(c, strerror(errno));
			return;
		}
	}
}

static void
on_client_io(void *arg, int events)
{
	struct client *c = arg;

	if ((events & EV_WRITE) != 0) {
		flush(c);
		if (is_alive(c))
			client_process(c); /* the queue may have room again */
	}
	if ((events & EV_READ) != 0 && is_alive(c))
		read_requests(c);
	client_update_watch(c);
}

void
client_start(struct worker_state *w, int fd, const char *peer, unsigned vnode)
{
	struct client *c = mem_zalloc(sizeof(*c));

	c->w = w;
	c->fd = fd;
	c->vnode = vnode;
	c->state = CLIENT_GREETING;
	c->since_ms = clock_now_ms();
	c->active_ms = c->since_ms;
	c->up.fd = -1;
	snprintf(c->peer, sizeof(c->peer), "%s", peer);
	list_init(&c->pending);
	list_append(&w->clients, &c->node);
	w->clients_count++;
	WORKER_COUNT(w, connections, 1);
	WORKER_COUNT(w, connections_total, 1);
	loop_io_init(&c->io, w->loop, fd, on_client_io, c);
	client_update_watch(c);
	log_debug("client.accept", KV_STR("peer", c->peer), KV_INT("vnode", vnode));
}

/* -- worlds and time */

bool
client_bind(struct client *c)
{
	c->vc = snapshot_vcluster(c->w->world->snap, c->identity.vcluster);
	if (c->vc == NULL)
		return false;
	c->route = &c->w->world->routes[c->vc->logical];
	throttle_bind(c);
	if (c->hold != NULL && strcmp(c->hold->logical, c->route->logical) != 0)
		leave_hold(c);
	if (c->hold == NULL) {
		c->hold = worker_find_hold(c->w, c->route->logical);
		if (c->hold != NULL) {
			c->hold->connections++;
			c->hold->busy += c->is_busy ? 1 : 0;
		}
	}
	if (c->state == CLIENT_GREETING) {
		set_state(c, CLIENT_OPEN);
		c->generation = c->route->generation;
	}
	return true;
}

/* Does the new route lead elsewhere? A tenant that gets a logical cluster of its own (a canary)
 * starts where it was. */
static bool
is_switched(const struct client *c, const struct route *old_route, const struct route *new_route)
{
	if (strcmp(old_route->logical, new_route->logical) == 0)
		return c->generation != new_route->generation;
	return strcmp(old_route->cluster, new_route->cluster) != 0;
}

void
client_rebind(struct client *c)
{
	const struct vcluster *old_vc = c->vc; /* of the old world, which the worker still holds */
	const struct route *old_route = c->route;
	enum auth_verdict verdict;
	bool is_flipped;

	if (c->vc == NULL)
		return;
	if (!is_alive(c)) {
		c->vc = NULL; /* only waits to be closed; the old world goes */
		return;
	}
	verdict = sasl_recheck(c->w->world->snap, c->w->world->key_ids, c->w->world->keys_count,
			       &c->identity, clock_wall_s());
	if (verdict != AUTH_OK || !client_bind(c)) {
		c->vc = old_vc; /* for the log line */
		client_close(c, auth_verdict_text(verdict));
		return;
	}
	if (strcmp(old_vc->prefix, c->vc->prefix) != 0) {
		client_close(c, "its vcluster's prefix was changed");
		return;
	}
	is_flipped = is_switched(c, old_route, c->route);
	c->generation = c->route->generation;
	if (c->asking.state == ASKING_DONE && !c->asking.is_last)
		asking_drop(c);
	if (!is_flipped)
		return;
	if (c->is_busy)
		client_close(c, "its cluster was switched while a request was unanswered");
	else
		upstream_retire(c);
}

/* The deadline that has passed, or NULL. */
static const char *
overdue(const struct client *c, int64_t now_ms)
{
	if (c->state == CLIENT_GREETING &&
	    now_ms - c->since_ms > settings_of(c)->authenticate_timeout_ms)
		return "no login within timeouts.authenticate";
	/* From the refusal on: a byte taken now and then must not keep it open for ever. */
	if (c->state == CLIENT_PARTING &&
	    now_ms - c->since_ms > settings_of(c)->authenticate_timeout_ms)
		return "refused, and the client does not read";
	if (c->state == CLIENT_OPEN && !c->is_busy && !c->is_waiting && c->muted_until_ms == 0 &&
	    now_ms - c->active_ms > settings_of(c)->idle_timeout_ms)
		return "idle for longer than timeouts.idle";
	if (c->state == CLIENT_OPEN &&
	    clock_wall_s() - (c->is_busy ? EXPIRY_GRACE_S : 0) >= c->identity.expires)
		return "the token has expired";
	if (c->state == CLIENT_OPEN && !c->is_busy && !c->is_waiting && c->muted_until_ms == 0 &&
	    session_is_overdue(c, now_ms))
		return "its session has ended, and it did not log in again";
	return NULL;
}

void
client_sweep(struct client *c, int64_t now_ms)
{
	const char *why = overdue(c, now_ms);

	if (why != NULL) {
		client_close(c, why);
		return;
	}
	if (c->asking.state == ASKING_OUT && socket_peer_is_gone(c->fd)) {
		client_close(c, "the client went away while its request was being prepared");
		return;
	}
	if (c->is_waiting && socket_peer_is_gone(c->fd)) {
		WORKER_COUNT(c->w, held_discarded, 1);
		client_close(
		    c,
		    "the client went away while its request was held; the request was discarded");
		return;
	}
	inbuf_trim(&c->in);
	inbuf_trim(&c->up.in);
	scratch_trim(&c->scratch);
	upstream_sweep(c, now_ms);
	if (is_alive(c) && c->is_waiting && c->hold == NULL)
		client_process(c); /* a broker may be known by now */
}
