/* SPDX-License-Identifier: Apache-2.0
 *
 * A client connection and what belongs to it. Private to proxy/.
 *
 * One client connection has at most one upstream connection, to the broker behind the vnode whose
 * port the client dialled. Requests are forwarded in order and answered in order:
 *
 *     client --> in --> [hold?] --> rewrite --> up.out --> broker
 *                         |                                  |
 *                         local answer                       up.in --> rewrite
 *                         v                                            v
 *     client <-- out <-- pending: one entry per request that owes an answer, in the order of the
 * requests
 *
 * An answer made here waits in its pending entry until all before it have gone.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "auth/sasl.h"
#include "base/bytes.h"
#include "base/list.h"
#include "kafka/apis.h"
#include "loop/loop.h"
#include "net/buf.h"
#include "net/outq.h"
#include "proxy/asking.h"
#include "proxy/producers.h"
#include "proxy/refusal.h"
#include "proxy/groups.h"
#include "proxy/rewrite.h"
#include "proxy/world.h"

struct worker_state;
struct hold;

/* More requests than this in flight on one connection are left in the socket. */
#define PENDING_MAX 1024

enum client_state {
	CLIENT_GREETING, /* before SASL has succeeded: only ApiVersions and SASL */
	CLIENT_OPEN,     /* authenticated */
	CLIENT_PARTING,  /* nothing more is read; what is queued is sent, then closed (a refused
			    login) */
	CLIENT_CLOSED,   /* both sockets are closed; freed at the end of the loop's turn */
};

enum upstream_state {
	UPSTREAM_NONE,       /* opened when a request wants out */
	UPSTREAM_CONNECTING, /* requests wait in out */
	UPSTREAM_OPEN,
};

struct upstream {
	enum upstream_state state;
	int fd;
	struct loop_io io;
	struct inbuf in;
	struct outq out;
	unsigned attempt; /* of this round of brokers and addresses */
	unsigned rounds;  /* in which no broker could be reached, one after another */
	int64_t since_ms; /* of this attempt, or of the last round's failure */
	int32_t broker_id;
	bool is_silent; /* the last request sent owes no answer: an end is the only thing that could
			   be said of it */
	char peer[64];
};

/* A request that owes an answer. */
struct pending {
	struct list node;
	int32_t correlation_id;
	int16_t key;
	int16_t version;
	bool is_local;
	bool is_whole;      /* its answer may not be streamed: an alias is among the names */
	bool is_ours;       /* a question of ours: its answer goes to asking.c */
	bool is_expanded;   /* the tenant's own topics were named in place of "all" */
	bool is_consumer;   /* JoinGroup and SyncGroup: as the request said */
	struct segs answer; /* is_local: ready to go when its turn comes */
};

/* A frame that is passed on while it arrives. */
struct stream {
	bool active;
	int32_t correlation_id;
	struct rewriter rw;
	struct rewrite_context cx;
	struct world *world; /* what cx points into, kept while the stream lasts */
};

struct client {
	struct list node; /* in worker_state.clients */
	struct worker_state *w;
	enum client_state state;
	int fd;
	struct loop_io io;
	char peer[64];
	unsigned vnode;
	int64_t since_ms;  /* accepted, or parting */
	int64_t active_ms; /* last byte either way */
	struct inbuf in;
	struct outq out;
	struct scratch scratch; /* its own: a client that does not read pins no block but these */

	/* from SASL on */
	bool mechanism_agreed;
	struct sasl_identity identity;
	int64_t session_ends_ms;   /* then it must have logged in again */
	int64_t reads_since_ms;    /* reading began, or went on after a pause */
	const struct vcluster *vc; /* in w->world->snap; looked up anew when the world changes */
	const struct route *route; /* likewise */
	const struct user *user;   /* likewise */
	uint64_t generation;       /* of the route that `up` was opened for */

	unsigned allowed;       /* enum operation: what the user may do */
	struct meter *meter;    /* of a user with limits, else NULL */
	int64_t muted_until_ms; /* nothing is read until then; 0: not muted */
	struct list muted_node; /* in worker_state.muted, while it is */

	struct hold *hold; /* of its logical cluster, while there is one */
	bool is_waiting;   /* its next request may not go yet: held, or no broker is known */
	bool is_busy; /* something forwarded has not been answered or not gone out completely */

	struct asking asking;
	struct list pending;
	unsigned pending_count;
	unsigned unanswered;      /* pending entries that the broker owes */
	size_t waiting_bytes;     /* of answers made here whose turn has not come */
	struct refusal *refusing; /* a request that is read only to be refused, or NULL */
	size_t throttle_at; /* where an answer made here tells its throttle time; 0: nowhere */
	bool was_refused;   /* a request was: the log knows */
	struct stream request;
	struct stream response;
	struct upstream up;
	struct groups groups; /* that it has joined */
	bool syncs_consumers; /* the SyncGroup being handled is of a group of consumers */
};

/* Takes over an accepted socket. */
void client_start(struct worker_state *w, int fd, const char *peer, unsigned vnode);
/* Goes on with what is buffered: after a hold, when a queue has room again. */
void client_process(struct client *c);
/* Closes both sides at once, logs why, frees at the end of the turn. */
void client_close(struct client *c, const char *why);
/* Sends what is queued, then closes. */
void client_part(struct client *c, const char *why);
/* The periodic look: deadlines, vanished peers, retries. */
void client_sweep(struct client *c, int64_t now_ms);
/* The worker has a new world: finds its vcluster and route in it, parts from the old cluster if it
 * was switched. */
void client_rebind(struct client *c);
/* Binds an authenticated client to its vcluster; joins a hold that is on. false: the vcluster is
 * gone. */
bool client_bind(struct client *c);
/* Recomputes is_busy and tells the hold. */
void client_update_busy(struct client *c);
/* Watches what can make progress now. */
void client_update_watch(struct client *c);
/* An answer from upstream, in order: moves the segments to the client. */
void client_emit(struct client *c, struct segs *segs);
/* The pending entry that the broker answers next, or NULL. */
struct pending *client_awaited(struct client *c);
/* That one is answered completely; local answers behind it go out. */
void client_answered(struct client *c);
/* Sends a question of ours to the broker, in order with the client's requests. */
void client_ask(struct client *c, int key, int version, int32_t correlation_id,
		const struct bytes *frame);
/* Whose producer ids this client is to get, and may use; borrowed from its world. */
void client_producer_owner(const struct client *c, struct producer_owner *owner);
/* What rewriting needs to know of this client now. */
void client_context(struct client *c, struct rewrite_context *cx);

/* A stream keeps the world that it began in. */
void stream_begin(struct client *c, struct stream *stream);
void stream_end(struct stream *stream);

/* session.c: a login succeeded; returns the milliseconds that it holds. The client is bound. */
int64_t session_begin(struct client *c);
/* May the next request not be served any more? */
bool session_is_over(const struct client *c);
/* Has it been over for so long that an idle connection goes, too? */
bool session_is_overdue(const struct client *c, int64_t now_ms);

/* throttle.c: what the entry of its user says now. The client's vc is set. */
void throttle_bind(struct client *c);
/* Counts a connection that logs in; false: it is one too many. The client's identity is set. */
bool throttle_admit(struct client *c);
/* The connection ends. */
void throttle_release(struct client *c);
/* A request of so many bytes was taken. */
void throttle_request(struct client *c, int key, size_t bytes);
/* An answer of so many bytes goes out; returns the throttle time that it is to tell. */
int32_t throttle_answer(struct client *c, int key, size_t bytes);
/* Milliseconds until the connection is read again. */
int32_t throttle_left(const struct client *c);
/* A worker's timer: reads on where the time has come. */
void throttle_wake(void *worker_state);

/* upstream.c: sends segments to the broker, connecting first if need be. */
void upstream_send(struct client *c, struct segs *segs);
/* Ends the connection to the broker in good order; what was written is delivered. Nothing may be
 * unanswered. */
void upstream_retire(struct client *c);
/* The client has gone: what is queued still goes to the broker where that has begun, answers are
 * ignored. */
void upstream_leave(struct client *c);
/* Closes it and drops what was queued. */
void upstream_close(struct client *c);
void upstream_sweep(struct client *c, int64_t now_ms);
void upstream_update_watch(struct client *c);

/* local.c: answers made by the gateway itself. */
enum local_result {
	LOCAL_ANSWERED, /* *answer has the whole frame */
	LOCAL_PARKED, /* a question went out first: the request is handled again when it is answered
		       */
	LOCAL_FORWARD, /* not ours after all (API_EITHER) */
	LOCAL_REFUSED, /* *answer has a frame that says so; the client is parted with after it */
	LOCAL_BROKEN,  /* malformed; *why says how */
};
enum local_result local_answer(struct client *c, const struct api *api, int version,
			       const uint8_t *frame, size_t size, struct bytes *answer, char *why,
			       size_t why_size);

/* acls.c: DescribeAcls, CreateAcls and DeleteAcls. */
enum local_result acls_answer(struct client *c, int key, int version, const uint8_t *frame,
			      size_t size, struct bytes *answer, char *why, size_t why_size);
