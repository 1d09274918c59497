/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker: one thread with its own loop, listeners and connections. The control thread talks to it
 * only through the calls below (they post messages); it answers through acknowledgements that run
 * on the control loop. Workers share nothing on the hot path.
 */
#pragma once
#include <stdint.h>
#include "base/err.h"
#include "loop/loop.h"
#include "proxy/world.h"

struct worker;

/* How many workers these settings ask for: settings.workers, or one per core that the process may
 * use. */
#define WORKERS_MAX 256
unsigned worker_count(const struct settings *settings);

/* What a worker says when it has done what was asked. */
struct worker_ack {
	unsigned worker; /* its index */
	unsigned
	    connections; /* client connections of the logical cluster concerned (publish: of all) */
	unsigned held;   /* requests that waited in this hold */
	unsigned cut;    /* connections that were closed because a deadline had passed */
};

typedef void (*worker_ack_fn)(void *arg, const struct worker_ack *ack);

/* Starts the thread with a first world. NULL and err when the thread cannot be made. */
struct worker *worker_start(unsigned index, struct loop *control, struct world *world,
			    struct err *err);
/* Ends the thread: stops listening, closes all connections, frees. Waits for it. NULL-safe, nulls
 * the pointer. */
void worker_stop(struct worker **worker);

/* A bound, listening, non-blocking socket for this vnode; the worker owns and closes it. */
void worker_listen(struct worker *worker, unsigned vnode, int fd);

/* The worker goes on with this world (takes its own reference). Connections whose user is gone are
 * cut. A logical cluster whose route has a new generation is flipped: its upstream connections are
 * ended, and if it was held it is released, held requests going out in order to the new cluster.
 * ack runs when all that is done. */
void worker_publish(struct worker *worker, struct world *world, worker_ack_fn ack, void *arg);

/* Holds a logical cluster (by name): no new request is forwarded; ack runs when no forwarded
 * request is unanswered any more, at once when there is none. One hold of a logical cluster at a
 * time. */
void worker_hold(struct worker *worker, const char *logical, worker_ack_fn ack, void *arg);
/* Ends the wait of a hold: connections with unanswered requests are closed; the hold's ack then
 * runs. */
void worker_cut(struct worker *worker, const char *logical);
/* Rolls a hold back: held requests go out to the cluster they would have gone to. The hold's ack,
 * if still owed, will not run. */
void worker_release(struct worker *worker, const char *logical, worker_ack_fn ack, void *arg);

/* Counters for status and metrics; read from the control thread, may lag by a moment. */
struct worker_counters {
	uint64_t connections_total;
	uint64_t connections;
	uint64_t requests_total;
	uint64_t lookups;   /* questions of the gateway's own */
	uint64_t bytes_in;  /* from clients */
	uint64_t bytes_out; /* to clients */
	uint64_t auth_ok;
	uint64_t auth_refused;
	uint64_t closed_protocol; /* connections closed for malformed or unsupported frames */
	uint64_t upstream_connects;
	uint64_t upstream_failures;
	uint64_t requests_denied; /* refused because the user may not */
	uint64_t held_discarded;  /* held requests whose client went away */
};
void worker_counters(const struct worker *worker, struct worker_counters *out);
