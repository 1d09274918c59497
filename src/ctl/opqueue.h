/* SPDX-License-Identifier: Apache-2.0
 *
 * The queue of operations on the running world: one runs at a time, in the order asked. It knows
 * nothing of what they do, only these rules:
 *   - a later reload takes over one that waits (and those who wait for it);
 *   - a switch of a logical cluster is refused while another of the same one runs or waits;
 *   - a shutdown pre-empts all that waits; nothing is taken after it.
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"
#include "base/list.h"

enum op_kind { OP_RELOAD, OP_SWITCH, OP_EDIT, OP_SHUTDOWN };

struct opqueue;

/* Embedded in what the caller allocates. Between opqueue_add() and run, drop or absorb it belongs
 * to the queue; afterwards to its callbacks again. */
struct op {
	struct list node;
	enum op_kind kind;
	const char *key; /* OP_SWITCH: the logical cluster */
	/* Starts it; sooner or later, maybe before it returns, opqueue_finish() must be called. */
	void (*run)(struct op *op);
	/* It will never run (a shutdown came first): tell who waits, free it. */
	void (*drop)(struct op *op);
	/* OP_RELOAD: take over those who wait for `older`, and free it. */
	void (*absorb)(struct op *op, struct op *older);
};

struct opqueue *opqueue_new(void);
/* Nothing may run any more; what waits is dropped. */
void opqueue_free(struct opqueue **queue);

/* Runs it now when nothing else runs, else later. false and err (ERR_CONFLICT) when the rules
 * refuse it: then it was not touched and still is the caller's. */
bool opqueue_add(struct opqueue *queue, struct op *op, struct err *err) MUST_CHECK;
/* The running operation is done; the next one starts when the caller returns to the queue. The op
 * is its owner's again, who may free it at once. */
void opqueue_finish(struct opqueue *queue, struct op *op);

/* The running operation, or NULL. */
struct op *opqueue_running(const struct opqueue *queue);
/* Does a switch of this logical cluster run or wait? */
bool opqueue_has_switch(const struct opqueue *queue, const char *key);
