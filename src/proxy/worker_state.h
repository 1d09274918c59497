/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker's own state, touched by its thread only (but for the counters, which others may read).
 * Private to proxy/.
 */
#pragma once
#include <pthread.h>
#include "base/list.h"
#include "net/outq.h"
#include "proxy/worker.h"

/* A logical cluster whose new requests wait. */
struct hold {
	struct list node; /* in worker_state.holds */
	char *logical;
	worker_ack_fn ack;
	void *arg;
	bool is_acked;
	unsigned connections;
	unsigned busy; /* clients with something unanswered */
	unsigned held; /* requests that came and waited */
	unsigned cut;
};

struct worker_state {
	unsigned index;
	struct loop *loop;
	struct loop *control;
	struct world *world;
	struct list clients;
	size_t clients_count;
	struct list holds;
	struct list listeners;
	struct list lingering; /* upstream sockets that finish sending */
	struct loop_timer sweep;
	struct list muted;      /* clients that are not read for a while */
	struct loop_timer wake; /* when the first of them goes on, at wake_at_ms */
	int64_t wake_at_ms;
	int record_fd; /* TURNOUT_RECORD: every byte sent to clients is appended there, for tests;
			  -1 */
	int apis_fd;   /* TURNOUT_RECORD_APIS: "key,version" a line, for tests; -1 */
	uint32_t apis_seen[WORLD_API_KEYS]; /* versions whose line is written, a bit each */
	uint32_t producer_instance; /* random, in the producer ids that this worker gives out ... */
	uint32_t producer_count;    /* ... with this number (producers.h) */
	struct worker_counters counters;
};

/* Counters have one writer; readers may lag. */
#define WORKER_COUNT(w, member, n)                                                                 \
	__atomic_store_n(&(w)->counters.member, (w)->counters.member + (uint64_t)(n),              \
			 __ATOMIC_RELAXED)

/* The hold of a logical cluster, or NULL. */
struct hold *worker_find_hold(struct worker_state *w, const char *logical);
/* Acknowledges if nothing is unanswered any more. */
void worker_check_hold(struct worker_state *w, struct hold *hold);
/* A request of this API and version was admitted: tells TURNOUT_RECORD_APIS the first time. */
void worker_record_api(struct worker_state *w, int key, int version);
/* Draws another instance for producer ids. */
void worker_draw_producers(struct worker_state *w);
/* Takes over a socket with what is queued for it (it may still be connecting): sends that, waits
 * until the peer has closed, closes. */
void worker_linger(struct worker_state *w, int fd, struct outq *out);
