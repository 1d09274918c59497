/* SPDX-License-Identifier: Apache-2.0
 *
 * The switch machine. Read set_state() for which transition is legal, then the functions in the
 * order of the states.
 */
#include "ctl/switch.h"
#include <stdio.h>
#include <string.h>
#include "base/ensure.h"
#include "base/log.h"

static const char *const state_names[] = {
    [SWITCH_RUN] = "run",   [SWITCH_CHECK] = "check",   [SWITCH_HOLD] = "hold",
    [SWITCH_FLIP] = "flip", [SWITCH_SETTLE] = "settle",
};

/* legal[from] has a bit for each state that may follow. */
static const unsigned legal[] = {
    [SWITCH_RUN] = 1u << SWITCH_CHECK,
    [SWITCH_CHECK] = 1u << SWITCH_HOLD | 1u << SWITCH_RUN,
    [SWITCH_HOLD] = 1u << SWITCH_FLIP | 1u << SWITCH_RUN,
    [SWITCH_FLIP] = 1u << SWITCH_SETTLE,
    [SWITCH_SETTLE] = 1u << SWITCH_RUN,
};

const char *
switch_state_name(enum switch_state state)
{
	return state_names[state];
}

/* The only place where the state changes. */
static void
set_state(struct switch_machine *machine, enum switch_state state)
{
	ENSURE(legal[machine->state] & 1u << state);
	log_info("switch.state", KV_STR("cluster", machine->request.logical),
		 KV_STR("from", state_names[machine->state]), KV_STR("to", state_names[state]));
	machine->state = state;
}

static int64_t
now(struct switch_machine *machine)
{
	return machine->ops->now(machine->arg);
}

void
switch_init(struct switch_machine *machine, const struct switch_ops *ops, void *arg)
{
	memset(machine, 0, sizeof(*machine));
	machine->ops = ops;
	machine->arg = arg;
}

static void
log_result(const struct switch_machine *machine, const char *event, enum log_level level)
{
	const struct switch_result *result = &machine->result;

	log_at(level, event, KV_STR("who", machine->request.who),
	       KV_STR("cluster", machine->request.logical), KV_STR("from", result->from),
	       KV_STR("to", result->to), KV_INT("generation", result->generation),
	       KV_INT("duration_ms", result->duration_ms), KV_INT("held_ms", result->held_ms),
	       KV_INT("connections", result->connections), KV_INT("held", result->held),
	       KV_INT("cut", result->cut), KV_INT("workers", result->workers),
	       KV_STR("why", result->err.text[0] != '\0' ? result->err.text : NULL));
}

static void
sum_counts(struct switch_machine *machine)
{
	for (unsigned i = 0; i < machine->request.workers; i++) {
		machine->result.held += machine->worker_held[i];
		machine->result.cut += machine->worker_cut[i];
	}
}

/* event is the log line's name; the machine ends in SWITCH_RUN. */
static void
finish(struct switch_machine *machine, const char *event, enum log_level level)
{
	struct switch_result result;

	machine->ops->disarm(machine->arg);
	sum_counts(machine);
	machine->result.duration_ms = now(machine) - machine->started;
	if (machine->held_since >= 0)
		machine->result.held_ms = now(machine) - machine->held_since;
	set_state(machine, SWITCH_RUN);
	log_result(machine, event, level);
	/* done() may start the machine anew. */
	result = machine->result;
	machine->ops->done(machine->arg, &result);
}

static void
refuse(struct switch_machine *machine)
{
	machine->result.ok = false;
	finish(machine, "switch.refused", LOG_LEVEL_ERROR);
}

static void
roll_back(struct switch_machine *machine)
{
	for (unsigned i = 0; i < machine->request.workers; i++)
		machine->ops->release(machine->arg, i);
	machine->result.ok = false;
	finish(machine, "switch.rolled_back", LOG_LEVEL_ERROR);
}

static unsigned
count_missing(const struct switch_machine *machine, const bool *acked)
{
	unsigned missing = 0;

	for (unsigned i = 0; i < machine->request.workers; i++)
		missing += !acked[i];
	return missing;
}

/* -- settle */

static void
advance_settle(struct switch_machine *machine)
{
	if (machine->starting || count_missing(machine, machine->published) > 0)
		return;
	machine->result.ok = true;
	machine->result.moved = true;
	finish(machine, "switch.done", LOG_LEVEL_INFO);
}

static void
settle_late(struct switch_machine *machine)
{
	unsigned missing = count_missing(machine, machine->published);

	log_warn("switch.settle_late", KV_STR("cluster", machine->request.logical),
		 KV_INT("workers_missing", missing));
	machine->result.workers -= missing;
	machine->result.ok = true;
	machine->result.moved = true;
	finish(machine, "switch.done", LOG_LEVEL_WARN);
}

/* -- flip */

static void
flip(struct switch_machine *machine)
{
	machine->ops->disarm(machine->arg);
	if (!machine->ops->persist(machine->arg, &machine->result.err)) {
		roll_back(machine);
		return;
	}
	set_state(machine, SWITCH_FLIP);
	machine->result.generation = machine->request.generation;
	machine->starting = true;
	machine->ops->publish(machine->arg);
	machine->starting = false;
	set_state(machine, SWITCH_SETTLE);
	machine->ops->arm(machine->arg, machine->request.settle_ms);
	advance_settle(machine);
}

/* -- hold */

static void
advance_hold(struct switch_machine *machine)
{
	if (!machine->starting && count_missing(machine, machine->held) == 0)
		flip(machine);
}

/* Gives up waiting for answers of the old cluster. */
static void
cut(struct switch_machine *machine)
{
	machine->cutting = true;
	machine->ops->arm(machine->arg, machine->request.cut_ms);
	machine->starting = true;
	for (unsigned i = 0; i < machine->request.workers; i++)
		if (!machine->held[i])
			machine->ops->cut(machine->arg, i);
	machine->starting = false;
	advance_hold(machine);
}

static void
hold(struct switch_machine *machine)
{
	set_state(machine, SWITCH_HOLD);
	machine->held_since = now(machine);
	machine->starting = true;
	for (unsigned i = 0; i < machine->request.workers; i++)
		machine->ops->hold(machine->arg, i);
	machine->starting = false;
	if (machine->old_dead) {
		cut(machine);
		return;
	}
	machine->ops->arm(machine->arg, machine->request.drain_ms);
	advance_hold(machine);
}

static void
hold_late(struct switch_machine *machine)
{
	if (!machine->cutting) {
		cut(machine);
		return;
	}
	/* A worker that does not even cut is stuck; the others must not wait for it. It does all
	 * that it was told in order, when it can. */
	log_warn("switch.hold_late", KV_STR("cluster", machine->request.logical),
		 KV_INT("workers_missing", count_missing(machine, machine->held)));
	flip(machine);
}

/* -- check */

static void
checked(struct switch_machine *machine)
{
	if (machine->request.flags & SWITCH_DRY_RUN) {
		machine->result.ok = true;
		finish(machine, "switch.checked", LOG_LEVEL_INFO);
		return;
	}
	hold(machine);
}

void
switch_start(struct switch_machine *machine, const struct switch_request *request)
{
	enum switch_verdict verdict;

	ENSURE(machine->state == SWITCH_RUN);
	ENSURE(request->workers > 0 && request->workers <= SWITCH_WORKERS);
	switch_init(machine, machine->ops, machine->arg);
	machine->request = *request;
	machine->result.workers = request->workers;
	machine->result.generation = request->generation - 1;
	snprintf(machine->result.from, sizeof(machine->result.from), "%s", request->from);
	snprintf(machine->result.to, sizeof(machine->result.to), "%s", request->to);
	machine->started = now(machine);
	machine->held_since = -1;
	machine->old_dead = request->old_dead;
	set_state(machine, SWITCH_CHECK);
	verdict = machine->ops->admit(machine->arg, &machine->result.err);
	if (verdict == SWITCH_REFUSED) {
		refuse(machine);
	} else if (verdict == SWITCH_THERE) {
		machine->result.ok = true;
		finish(machine, "switch.unchanged", LOG_LEVEL_INFO);
	} else if (request->flags & SWITCH_FORCE) {
		checked(machine);
	} else {
		machine->ops->arm(machine->arg, request->check_ms);
		machine->ops->probe(machine->arg);
	}
}

/* -- events */

void
switch_on_probe(struct switch_machine *machine, bool reachable, const char *why)
{
	if (machine->state != SWITCH_CHECK)
		return;
	if (!reachable) {
		err_set(&machine->result.err, ERR_UNAVAILABLE, "the cluster %s cannot be used: %s",
			machine->request.to, why);
		refuse(machine);
		return;
	}
	machine->ops->disarm(machine->arg);
	checked(machine);
}

void
switch_on_old_dead(struct switch_machine *machine)
{
	machine->old_dead = true;
	if (machine->state == SWITCH_HOLD && !machine->cutting)
		cut(machine);
}

void
switch_on_held(struct switch_machine *machine, const struct worker_ack *ack)
{
	if (machine->state != SWITCH_HOLD || ack->worker >= machine->request.workers ||
	    machine->held[ack->worker])
		return;
	machine->held[ack->worker] = true;
	machine->worker_held[ack->worker] = ack->held;
	machine->worker_cut[ack->worker] = ack->cut;
	machine->result.connections += ack->connections;
	advance_hold(machine);
}

void
switch_on_published(struct switch_machine *machine, const struct worker_ack *ack)
{
	unsigned worker = ack->worker;

	if ((machine->state != SWITCH_FLIP && machine->state != SWITCH_SETTLE) ||
	    worker >= machine->request.workers || machine->published[worker])
		return;
	machine->published[worker] = true;
	/* Requests that came to wait after the worker had said that it holds. */
	if (ack->held > machine->worker_held[worker])
		machine->worker_held[worker] = ack->held;
	if (ack->cut > machine->worker_cut[worker])
		machine->worker_cut[worker] = ack->cut;
	advance_settle(machine);
}

void
switch_on_timer(struct switch_machine *machine)
{
	switch (machine->state) {
	case SWITCH_CHECK:
		switch_on_probe(machine, false, "it did not answer in time");
		break;
	case SWITCH_HOLD:
		hold_late(machine);
		break;
	case SWITCH_SETTLE:
		settle_late(machine);
		break;
	case SWITCH_RUN:
	case SWITCH_FLIP:
		break;
	}
}

void
switch_abort(struct switch_machine *machine, const char *why)
{
	if (machine->state == SWITCH_CHECK) {
		err_set(&machine->result.err, ERR_CONFLICT, "%s", why);
		refuse(machine);
	} else if (machine->state == SWITCH_HOLD) {
		err_set(&machine->result.err, ERR_CONFLICT, "%s", why);
		roll_back(machine);
	}
}
