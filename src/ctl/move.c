/* SPDX-License-Identifier: Apache-2.0
 *
 * Switches in the real world: an operation of the queue around the machine of switch.c. It asks the
 * probe, talks to the workers, writes the file and publishes. Start at ctl_switch() (a person
 * asked) and ctl_drive_switches() (the files want it); both end in move_run().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/active.h"
#include "config/edit.h"
#include "ctl/control.h"
#include "sys/notify.h"

/* A worker that was told to cut has so long to say that it did. */
#define CUT_MS 1000
/* A probe may just have begun when the switch asks for a fresh one. */
#define CHECK_EXTRA_MS 1000

/* One switch as an operation. */
struct move {
	struct op op;
	struct ctl *ctl;
	struct track *track;
	char *to;
	char *who;
	unsigned flags;
	bool by_file; /* the files say so already: nothing is written */
	switch_done_fn done;
	void *arg;
	char *from;
	uint64_t target_ticket; /* the probe's answer that counts */
	uint64_t old_ticket;
	struct publication *publication;
	struct loop_timer timer;
	struct list joined; /* struct joiner */
};

/* Somebody who asked for the very switch that was under way: two gateways on one file are told one
 * after the other, and the second has begun to follow the file by then. */
struct joiner {
	struct list node;
	switch_done_fn done;
	void *arg;
	char *to;
	char *who;
};

/* What a worker acknowledges; kept until it did, or until a later word of the worker proves that it
 * never will. */
struct worker_call {
	struct list node;
	struct ctl *ctl;
	struct move *move; /* NULL: its switch is over */
};

/* -- results */

static void
remember(struct ctl *ctl, const struct move *move, const struct switch_result *result)
{
	struct switch_record *record = &ctl->history[0];

	memmove(&ctl->history[1], &ctl->history[0], (HISTORY_MAX - 1) * sizeof(*record));
	if (ctl->history_count < HISTORY_MAX)
		ctl->history_count++;
	memset(record, 0, sizeof(*record));
	record->at = clock_wall_s();
	snprintf(record->who, sizeof(record->who), "%s", move->who);
	snprintf(record->logical, sizeof(record->logical), "%s", move->track->name);
	record->result = *result;
}

static void
move_free(struct move *move)
{
	ENSURE(list_is_empty(&move->joined));
	if (move->track->move == move)
		move->track->move = NULL;
	loop_timer_stop(&move->timer);
	free(move->to);
	free(move->who);
	free(move->from);
	free(move);
}

/* Answers without a machine: nothing was touched. */
static void
answer(switch_done_fn done, void *arg, const char *logical, const char *to, const char *who,
       const struct err *err)
{
	struct switch_result result = {.err = *err};

	log_warn("switch.refused", KV_STR("who", who), KV_STR("cluster", logical), KV_STR("to", to),
		 KV_STR("why", err->text));
	snprintf(result.to, sizeof(result.to), "%s", to);
	if (done != NULL)
		done(arg, &result);
}

static void
joiner_free(struct joiner *joiner)
{
	free(joiner->to);
	free(joiner->who);
	free(joiner);
}

/* Those who joined hear what came of it. */
static void
tell_joined(struct move *move, const struct switch_result *result)
{
	struct list *node;

	while ((node = list_pop(&move->joined)) != NULL) {
		struct joiner *joiner = CONTAINER_OF(node, struct joiner, node);

		if (joiner->done != NULL)
			joiner->done(joiner->arg, result);
		joiner_free(joiner);
	}
}

/* The switch they joined is not made after all: each asks for its own. */
static void
part_joined(struct ctl *ctl, struct track *track, struct list *joined)
{
	struct list *node;

	while ((node = list_pop(joined)) != NULL) {
		struct joiner *joiner = CONTAINER_OF(node, struct joiner, node);

		ctl_switch(ctl, track->name, joiner->to, 0, joiner->who, joiner->done, joiner->arg);
		joiner_free(joiner);
	}
}

/* Moves all of one list to an empty other. */
static void
take_joined(struct move *move, struct list *out)
{
	struct list *node;

	list_init(out);
	while ((node = list_pop(&move->joined)) != NULL)
		list_append(out, node);
}

/* -- what the machine does to the world */

static int64_t
op_now(void *arg)
{
	(void)arg;
	return clock_now_ms();
}

static const struct vcluster *
canary(const struct move *move)
{
	static const char prefix[] = "vcluster:";

	if (strncmp(move->track->name, prefix, sizeof(prefix) - 1) != 0)
		return NULL;
	return snapshot_vcluster(move->ctl->snap, move->track->name + sizeof(prefix) - 1);
}

/* The file that has `active` for this logical cluster. */
static const char *
active_file(const struct move *move)
{
	const struct vcluster *vc = canary(move);

	return vc != NULL ? vc->file : move->ctl->snap->settings.clusters_file;
}

/* The file that may be written where clusters.yaml cannot: active.yaml, or NULL. */
static const char *
stand_in(const struct move *move)
{
	return canary(move) == NULL ? move->ctl->snap->active_file : NULL;
}

/* clusters.yaml cannot be written: what it is to be stands in active.yaml, unless that is what
 * clusters.yaml says anyway. */
static bool
persist_aside(const struct move *move, struct err *err)
{
	const struct snapshot *snap = move->ctl->snap;
	const char *logical = move->track->name;
	int index = snapshot_logical(snap, logical);
	const char *own;
	bool back;
	bool ok;

	ENSURE(index >= 0); /* no reload runs beside a switch */
	own = snap->logicals[index].own;
	back = strcmp(own != NULL ? own : logical, move->to) == 0;
	if (back)
		ok = active_remove(snap->active_file, logical, err);
	else
		ok = active_write(snap->active_file, snap->settings.clusters_file, logical,
				  move->to, own, err);
	if (ok)
		log_warn("switch.kept_aside", KV_STR("cluster", logical), KV_STR("to", move->to),
			 KV_STR("file", snap->active_file),
			 KV_STR("instead_of", snap->settings.clusters_file),
			 KV_STR("why", "the configuration file cannot be written"));
	return ok;
}

/* Writes `active` of a logical cluster. An entry of active.yaml must not come back to life. */
static bool
persist_active(const struct move *move, struct err *err)
{
	bool ok = edit_active(active_file(move), move->track->name, move->to, err);

	if (stand_in(move) == NULL || (!ok && err->code != ERR_READ_ONLY))
		return ok;
	if (ok)
		return active_remove(stand_in(move), move->track->name, err);
	*err = (struct err){0};
	return persist_aside(move, err);
}

static bool
op_persist(void *arg, struct err *err)
{
	struct move *move = arg;
	bool ok;

	if (move->by_file)
		return true;
	if (canary(move) != NULL) {
		const char *const path[] = {"active"};
		const struct edit edit = {.path = path, .depth = 1, .value = move->to};

		ok = edit_file(active_file(move), &edit, true, err);
	} else {
		ok = persist_active(move, err);
	}
	if (ok)
		track_set(&move->track->desired, move->to);
	return ok;
}

/* What a person has to write there when we cannot. */
static void
line_to_edit(const struct move *move, char *out, size_t size)
{
	if (canary(move) != NULL || strcmp(move->track->name, "main") == 0)
		snprintf(out, size, "active: %s", move->to);
	else
		snprintf(out, size, "active: {%s: %s}", move->track->name, move->to);
}

/* Early, before anybody is held. */
static bool
can_persist(const struct move *move, struct err *err)
{
	char line[300];
	struct err unused;

	line_to_edit(move, line, sizeof(line));
	if (edit_is_writable(active_file(move), line, err))
		return true;
	if (err->code != ERR_READ_ONLY || stand_in(move) == NULL ||
	    !edit_is_writable(stand_in(move), line, &unused))
		return false;
	*err = (struct err){0};
	return true;
}

static enum switch_verdict
op_admit(void *arg, struct err *err)
{
	struct move *move = arg;
	struct ctl *ctl = move->ctl;
	bool dry = move->flags & SWITCH_DRY_RUN;

	/* The configuration may have changed while the operation waited. */
	if (!move->track->configured || snapshot_cluster(ctl->snap, move->to) < 0) {
		err_set(err, ERR_INVALID, "%s or %s is not configured any more", move->track->name,
			move->to);
		return SWITCH_REFUSED;
	}
	if (strcmp(move->track->cluster, move->to) == 0) {
		/* A switch that the file still wants is called off. */
		if (!dry && track_is_owed(move->track) && !op_persist(move, err))
			return SWITCH_REFUSED;
		return SWITCH_THERE;
	}
	if (!move->by_file && !can_persist(move, err))
		return SWITCH_REFUSED;
	return SWITCH_GO;
}

static void
op_probe(void *arg)
{
	struct move *move = arg;
	struct probe *target = ctl_probe(move->ctl, move->to);
	struct probe *old = ctl_probe(move->ctl, move->from);

	if (old != NULL)
		move->old_ticket = probe_now(old);
	if (target == NULL)
		switch_on_probe(&move->track->machine, false, "it is not probed");
	else
		move->target_ticket = probe_now(target);
}

static struct worker_call *
call_new(struct move *move)
{
	struct worker_call *call = mem_zalloc(sizeof(*call));

	call->ctl = move->ctl;
	call->move = move;
	list_init(&call->node);
	list_append(&move->ctl->worker_calls, &call->node);
	return call;
}

static void
on_held(void *arg, const struct worker_ack *ack)
{
	struct worker_call *call = arg;
	struct move *move = call->move;

	list_remove(&call->node);
	free(call);
	if (move != NULL)
		switch_on_held(&move->track->machine, ack);
}

static void
on_released(void *arg, const struct worker_ack *ack)
{
	struct worker_call *call = arg;

	(void)ack;
	list_remove(&call->node);
	free(call);
}

static void
op_hold(void *arg, unsigned worker)
{
	struct move *move = arg;

	worker_hold(move->ctl->workers[worker], move->track->name, on_held, call_new(move));
}

static void
op_cut(void *arg, unsigned worker)
{
	struct move *move = arg;

	worker_cut(move->ctl->workers[worker], move->track->name);
}

static void
op_release(void *arg, unsigned worker)
{
	struct move *move = arg;
	struct worker_call *call = call_new(move);

	call->move = NULL;
	worker_release(move->ctl->workers[worker], move->track->name, on_released, call);
}

static void
on_flipped(void *arg, const struct worker_ack *ack)
{
	struct move *move = arg;

	switch_on_published(&move->track->machine, ack);
}

static void
op_publish(void *arg)
{
	struct move *move = arg;
	struct track *track = move->track;

	track_set(&track->cluster, move->to);
	track->generation++;
	move->publication = ctl_publish(move->ctl, on_flipped, NULL, move);
	ctl_save_state(move->ctl);
}

static void
op_arm(void *arg, int64_t after_ms)
{
	struct move *move = arg;

	loop_timer_start(&move->timer, after_ms, 0);
}

static void
op_disarm(void *arg)
{
	struct move *move = arg;

	loop_timer_stop(&move->timer);
}

static void
on_timer(void *arg)
{
	struct move *move = arg;

	switch_on_timer(&move->track->machine);
}

/* Acknowledgements that are still to come find nobody. */
static void
disown_calls(struct ctl *ctl, const struct move *move)
{
	struct list *node;

	list_for_each (node, &ctl->worker_calls) {
		struct worker_call *call = CONTAINER_OF(node, struct worker_call, node);

		if (call->move == move)
			call->move = NULL;
	}
}

/* For `systemctl status`. */
static void
tell_manager(const struct track *track)
{
	char text[256];

	snprintf(text, sizeof(text), "%.100s is on %.100s, generation %llu", track->name,
		 track->cluster, (unsigned long long)track->generation);
	notify_status(text);
}

static void
op_done(void *arg, const struct switch_result *result)
{
	struct move *move = arg;
	struct ctl *ctl = move->ctl;

	remember(ctl, move, result);
	tell_manager(move->track);
	disown_calls(ctl, move);
	/* All workers have answered, or one is late. */
	if (move->publication != NULL && move->track->machine.result.workers < ctl->workers_count)
		publication_forget(move->publication);
	move->track->refused = (struct err){0};
	if (move->by_file && !result->ok)
		move->track->refused = result->err;
	ctl->moving = NULL;
	ctl_compose_faults(ctl);
	if (ctl->world_stale)
		ctl_publish_soon(ctl);
	if (move->done != NULL)
		move->done(move->arg, result);
	tell_joined(move, result);
	opqueue_finish(ctl->queue, &move->op);
	move_free(move);
}

static const struct switch_ops ops = {
    .now = op_now,
    .admit = op_admit,
    .probe = op_probe,
    .hold = op_hold,
    .cut = op_cut,
    .release = op_release,
    .persist = op_persist,
    .publish = op_publish,
    .arm = op_arm,
    .disarm = op_disarm,
    .done = op_done,
};

/* -- the operation */

static bool
is_dead(struct ctl *ctl, const char *cluster)
{
	const struct member *member = fleet_find(&ctl->fleet, cluster);

	return member != NULL && member->configured && member->checked_at >= 0 &&
	       !member->reachable;
}

static void
move_run(struct op *op)
{
	struct move *move = CONTAINER_OF(op, struct move, op);
	struct ctl *ctl = move->ctl;
	struct track *track = move->track;
	const struct settings *settings = &ctl->snap->settings;
	struct list joined;
	struct switch_request request = {
	    .logical = track->name,
	    .who = move->who,
	    .generation = track->generation + 1,
	    .flags = move->flags,
	    .workers = ctl->workers_count,
	    .check_ms = 2 * settings->probe_timeout_ms + CHECK_EXTRA_MS,
	    .drain_ms = settings->switch_drain_timeout_ms,
	    .cut_ms = CUT_MS,
	    .settle_ms = settings->switch_settle_timeout_ms,
	};

	/* The files may have changed their mind meanwhile. */
	if (move->by_file && (!track_is_owed(track) || strcmp(track->desired, move->to) != 0)) {
		take_joined(move, &joined);
		opqueue_finish(ctl->queue, op);
		move_free(move);
		ctl_drive_switches(ctl, NULL);
		part_joined(ctl, track, &joined);
		return;
	}
	move->from = mem_strdup(track->cluster);
	request.from = move->from;
	request.to = move->to;
	request.old_dead = is_dead(ctl, move->from);
	ctl->moving = move;
	switch_init(&track->machine, &ops, move);
	switch_start(&track->machine, &request);
}

static void
move_drop(struct op *op)
{
	struct move *move = CONTAINER_OF(op, struct move, op);
	struct err err;

	err_set(&err, ERR_CONFLICT, "the gateway is shutting down");
	answer(move->done, move->arg, move->track->name, move->to, move->who, &err);
	tell_joined(move, &(struct switch_result){.err = err});
	move_free(move);
}

static struct move *
move_new(struct ctl *ctl, struct track *track, const char *to, const char *who)
{
	struct move *move = mem_zalloc(sizeof(*move));

	move->op.kind = OP_SWITCH;
	move->op.key = track->name;
	move->op.run = move_run;
	move->op.drop = move_drop;
	move->ctl = ctl;
	move->track = track;
	move->to = mem_strdup(to);
	move->who = mem_strdup(who);
	list_init(&move->joined);
	loop_timer_init(&move->timer, ctl->loop, on_timer, move);
	return move;
}

/* Queues it; from here on it may be over at any time. */
static bool
move_add(struct move *move, struct err *err)
{
	struct track *track = move->track;
	struct move *before = track->move;

	track->move = move;
	if (opqueue_add(move->ctl->queue, &move->op, err))
		return true;
	track->move = before;
	return false;
}

/* Is just this switch under way already? Then wait for its end with it. */
static bool
join(struct track *track, const char *to, unsigned flags, const char *who, switch_done_fn done,
     void *arg)
{
	struct joiner *joiner;

	if (track->move == NULL || flags != 0 || track->move->flags != 0 ||
	    strcmp(track->move->to, to) != 0)
		return false;
	joiner = mem_zalloc(sizeof(*joiner));
	joiner->done = done;
	joiner->arg = arg;
	joiner->to = mem_strdup(to);
	joiner->who = mem_strdup(who);
	list_append(&track->move->joined, &joiner->node);
	log_info("switch.joined", KV_STR("who", who), KV_STR("cluster", track->name),
		 KV_STR("to", to));
	return true;
}

void
ctl_switch(struct ctl *ctl, const char *logical, const char *to, unsigned flags, const char *who,
	   switch_done_fn done, void *arg)
{
	struct track *track = tracks_find(&ctl->tracks, logical);
	struct move *move;
	struct err err;

	if (track == NULL || !track->configured) {
		err_set(&err, ERR_INVALID, "there is no logical cluster %s", logical);
		answer(done, arg, logical, to, who, &err);
		return;
	}
	if (snapshot_cluster(ctl->snap, to) < 0) {
		err_set(&err, ERR_INVALID, "there is no physical cluster %s in %s", to,
			ctl->snap->settings.clusters_file);
		answer(done, arg, logical, to, who, &err);
		return;
	}
	if (join(track, to, flags, who, done, arg))
		return;
	move = move_new(ctl, track, to, who);
	move->flags = flags;
	move->done = done;
	move->arg = arg;
	if (move_add(move, &err))
		return;
	move_free(move);
	answer(done, arg, logical, to, who, &err);
}

void
ctl_drive_switches(struct ctl *ctl, const char *target)
{
	for (size_t i = 0; i < ctl->tracks.count; i++) {
		struct track *track = ctl->tracks.tracks[i];
		struct move *move;
		struct err err;

		if (!track_is_owed(track) || opqueue_has_switch(ctl->queue, track->name) ||
		    (target != NULL && strcmp(track->desired, target) != 0))
			continue;
		move = move_new(ctl, track, track->desired,
				strcmp(track->who, "inotify") == 0 ? "file" : track->who);
		move->by_file = true;
		if (!move_add(move, &err))
			move_free(move);
	}
}

/* -- events */

void
move_on_probe(struct ctl *ctl, const struct member *member, const struct probe_result *result)
{
	struct move *move = ctl->moving;

	if (move == NULL)
		return;
	/* The target last: its answer may end the move. */
	if (move->old_ticket != 0 && strcmp(member->name, move->from) == 0 &&
	    result->ticket >= move->old_ticket && !result->reachable)
		switch_on_old_dead(&move->track->machine);
	else if (move->target_ticket != 0 && strcmp(member->name, move->to) == 0 &&
		 result->ticket >= move->target_ticket)
		switch_on_probe(&move->track->machine, result->reachable, result->error);
}

bool
move_is_holding(const struct ctl *ctl)
{
	return ctl->moving != NULL && ctl->moving->track->machine.state != SWITCH_RUN &&
	       ctl->moving->track->machine.state != SWITCH_CHECK;
}

void
move_abort(struct ctl *ctl, const char *why)
{
	if (ctl->moving != NULL)
		switch_abort(&ctl->moving->track->machine, why);
}

void
move_free_calls(struct ctl *ctl)
{
	struct list *node;

	while ((node = list_pop(&ctl->worker_calls)) != NULL)
		free(CONTAINER_OF(node, struct worker_call, node));
}
