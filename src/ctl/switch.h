/* SPDX-License-Identifier: Apache-2.0
 *
 * The switch of a logical cluster as a state machine: run -> check -> hold -> flip -> settle ->
 * run. Pure: it is told of events (a probe's answer, a worker's acknowledgement, a deadline) and
 * acts through a table of functions, so the tests run it with a fake clock and fake workers. One
 * logical cluster has one machine; ctl/move.c is the glue to the real world.
 *
 *   check   may it be? (target known and reachable, file writable) Nobody notices anything yet.
 *   hold    new requests wait in the workers, unanswered ones finish on the old cluster. When the
 *           drain deadline passes, or the old cluster is dead, those connections are cut.
 *   flip    the file is written, then the new world is published by one pointer in each worker.
 *   settle  until every worker has taken it.
 *
 * Up to the write of the file everything can be rolled back; after it nothing can fail: a worker
 * that is late is only reported.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "ctl/ctl.h"

enum switch_state { SWITCH_RUN, SWITCH_CHECK, SWITCH_HOLD, SWITCH_FLIP, SWITCH_SETTLE };

enum switch_verdict {
	SWITCH_GO,
	SWITCH_THERE, /* it is there already: success, nothing moves */
	SWITCH_REFUSED,
};

/* What the machine does to the world. All but admit() and persist() only start something; their
 * answers come as events, maybe before they return. */
struct switch_ops {
	int64_t (*now)(void *arg); /* milliseconds, monotonic */
	/* The checks that need no waiting. */
	enum switch_verdict (*admit)(void *arg, struct err *err);
	void (*probe)(void *arg); /* -> switch_on_probe() with a fresh answer of the target */
	void (*hold)(void *arg, unsigned worker); /* -> switch_on_held() */
	void (*cut)(void *arg, unsigned worker);
	void (*release)(void *arg, unsigned worker);
	bool (*persist)(void *arg, struct err *err); /* writes `active`, where that is wanted */
	void (*publish)(void *arg);                  /* -> switch_on_published() per worker */
	void (*arm)(void *arg, int64_t after_ms);    /* -> switch_on_timer(); replaces the last */
	void (*disarm)(void *arg);
	/* It is over; the machine is in SWITCH_RUN again and may be started anew. */
	void (*done)(void *arg, const struct switch_result *result);
};

#define SWITCH_WORKERS WORKERS_MAX

struct switch_request {
	const char *logical; /* borrowed until done */
	const char *from;
	const char *to;
	const char *who;
	uint64_t generation; /* that the flip will publish */
	unsigned flags;      /* enum switch_flags */
	unsigned workers;    /* 1..SWITCH_WORKERS */
	bool old_dead;       /* the old cluster is known not to answer */
	int64_t check_ms;    /* deadlines of the states */
	int64_t drain_ms;
	int64_t cut_ms; /* how long a worker may take to cut */
	int64_t settle_ms;
};

struct switch_machine {
	const struct switch_ops *ops;
	void *arg;
	enum switch_state state;
	struct switch_request request;
	struct switch_result result;
	int64_t started;
	int64_t held_since;
	bool old_dead;
	bool cutting;  /* connections were told to be cut */
	bool starting; /* inside a round of calls to all workers: answers are only noted */
	bool held[SWITCH_WORKERS];
	bool published[SWITCH_WORKERS];
	unsigned worker_held[SWITCH_WORKERS]; /* counts of the acknowledgements */
	unsigned worker_cut[SWITCH_WORKERS];
};

void switch_init(struct switch_machine *machine, const struct switch_ops *ops, void *arg);
/* The machine must be in SWITCH_RUN. done() runs when it is over, maybe before this returns. */
void switch_start(struct switch_machine *machine, const struct switch_request *request);

/* Events. One that comes too late for its state is ignored. */
void switch_on_probe(struct switch_machine *machine, bool reachable, const char *why);
/* The old cluster turned out to be dead: nothing is gained by waiting for its answers. */
void switch_on_old_dead(struct switch_machine *machine);
void switch_on_held(struct switch_machine *machine, const struct worker_ack *ack);
void switch_on_published(struct switch_machine *machine, const struct worker_ack *ack);
void switch_on_timer(struct switch_machine *machine);
/* The process is to end: rolls back what can be, lets the rest finish. */
void switch_abort(struct switch_machine *machine, const char *why);

/* "run", "check", ... */
const char *switch_state_name(enum switch_state state);
