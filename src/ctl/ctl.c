/* SPDX-License-Identifier: Apache-2.0
 *
 * The control plane's start and end, and the getters of ctl.h. control.h says where the rest is.
 */
#include "ctl/ctl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "base/log.h"
#include "base/mem.h"
#include "ctl/control.h"
#include "sys/notify.h"

/* -- start and stop */

static void
on_files_changed(void *arg)
{
	ctl_reload(arg, "inotify", NULL, NULL);
}

static bool
start_workers(struct ctl *ctl, struct err *err)
{
	unsigned count = worker_count(&ctl->snap->settings);

	ctl->workers = mem_zalloc(count * sizeof(struct worker *));
	for (unsigned i = 0; i < count; i++) {
		ctl->workers[i] = worker_start(i, ctl->loop, ctl->world, err);
		if (ctl->workers[i] == NULL)
			return false;
		ctl->workers_count++;
	}
	return true;
}

/* The ports of all brokers that the state file knows, at least one. */
static bool
start_listeners(struct ctl *ctl, struct err *err)
{
	size_t vnodes = fleet_vnodes(&ctl->fleet);
	const struct settings *settings = &ctl->snap->settings;

	if (vnodes > (size_t)settings->port_count)
		vnodes = (size_t)settings->port_count;
	/* Not reloadable; but the snapshot that it is from will go. */
	ctl->listeners.bind_host = mem_strdup(settings->bind_host);
	ctl->listeners.port_start = settings->port_start;
	return listeners_grow(&ctl->listeners, ctl->workers, ctl->workers_count, vnodes, err);
}

struct ctl *
ctl_start(struct loop *loop, const struct config_source *source, struct err *err)
{
	struct ctl *ctl = mem_zalloc(sizeof(*ctl));
	bool ok;

	ctl->loop = loop;
	ctl->source = *source;
	ctl->started_ms = clock_now_ms();
	list_init(&ctl->publications);
	list_init(&ctl->worker_calls);
	ctl->queue = opqueue_new();
	ctl->watch = watch_start(loop, on_files_changed, ctl, err);
	ok = ctl->watch != NULL;
	if (ok) {
		/* Before the first read: a change in between is seen. */
		reload_watch(ctl);
		ok = reload_first(ctl, err);
	}
	if (ok) {
		ctl->world = world_build(ctl);
		ok = start_workers(ctl, err) && start_listeners(ctl, err);
	}
	if (!ok) {
		ctl_stop(&ctl);
		return NULL;
	}
	ctl_publish(ctl, NULL, NULL, NULL);
	return ctl;
}

static void
free_publications(struct ctl *ctl)
{
	struct list *node;

	while ((node = list_pop(&ctl->publications)) != NULL)
		free(node);
}

void
ctl_stop(struct ctl **ctl_pointer)
{
	struct ctl *ctl = *ctl_pointer;

	if (ctl == NULL)
		return;
	*ctl_pointer = NULL;
	ctl->stopping = true;
	watch_stop(&ctl->watch);
	ctl_stop_probes(ctl);
	for (unsigned i = 0; i < ctl->workers_count; i++)
		worker_stop(&ctl->workers[i]);
	/* What they posted before they ended still names us. */
	loop_turn(ctl->loop, false);
	opqueue_free(&ctl->queue);
	free_publications(ctl);
	move_free_calls(ctl);
	world_unref(&ctl->world);
	snapshot_unref(&ctl->snap);
	faults_free(&ctl->loaded);
	faults_free(&ctl->faults);
	fleet_free(&ctl->fleet);
	tracks_free(&ctl->tracks);
	secrets_wipe(&ctl->secrets);
	meters_free(&ctl->meters);
	free((char *)ctl->listeners.bind_host);
	free((char *)ctl->source.active_dir);
	free(ctl->workers);
	free(ctl);
}

/* -- operations that have no file of their own */

struct shutdown {
	struct op op;
	struct ctl *ctl;
};

static void
shutdown_run(struct op *op)
{
	struct shutdown *shutdown = CONTAINER_OF(op, struct shutdown, op);
	struct ctl *ctl = shutdown->ctl;

	loop_stop(ctl->loop);
	opqueue_finish(ctl->queue, op);
	free(shutdown);
}

static void
shutdown_drop(struct op *op)
{
	free(CONTAINER_OF(op, struct shutdown, op));
}

void
ctl_shutdown(struct ctl *ctl, const char *why)
{
	struct shutdown *shutdown;
	struct err err;

	log_info("stop", KV_STR("why", why));
	notify_stopping();
	shutdown = mem_zalloc(sizeof(*shutdown));
	shutdown->op.kind = OP_SHUTDOWN;
	shutdown->op.run = shutdown_run;
	shutdown->op.drop = shutdown_drop;
	shutdown->ctl = ctl;
	if (!opqueue_add(ctl->queue, &shutdown->op, &err)) {
		free(shutdown);
		return;
	}
	move_abort(ctl, "the gateway is shutting down");
}

struct reload_waiter {
	struct list node;
	reload_done_fn done;
	void *arg;
};

struct reload_op {
	struct op op;
	struct ctl *ctl;
	char *who;
	struct list waiters;
};

static void
tell_waiters(struct reload_op *reload, const struct reload_result *result)
{
	struct list *node;

	while ((node = list_pop(&reload->waiters)) != NULL) {
		struct reload_waiter *waiter = CONTAINER_OF(node, struct reload_waiter, node);

		waiter->done(waiter->arg, result);
		free(waiter);
	}
}

static void
reload_op_free(struct reload_op *reload)
{
	free(reload->who);
	free(reload);
}

static void
on_reloaded(void *arg, const struct reload_result *result)
{
	struct reload_op *reload = arg;

	tell_waiters(reload, result);
	opqueue_finish(reload->ctl->queue, &reload->op);
	reload_op_free(reload);
}

static void
reload_op_run(struct op *op)
{
	struct reload_op *reload = CONTAINER_OF(op, struct reload_op, op);

	reload_begin(reload->ctl, reload->who, on_reloaded, reload);
}

/* The gateway ends; those who wait hear of the snapshot that still is in force. */
static void
reload_op_drop(struct op *op)
{
	struct reload_op *reload = CONTAINER_OF(op, struct reload_op, op);
	const struct reload_result result = {.number = reload->ctl->snap->number};

	tell_waiters(reload, &result);
	reload_op_free(reload);
}

static void
reload_op_absorb(struct op *op, struct op *older)
{
	struct reload_op *reload = CONTAINER_OF(op, struct reload_op, op);
	struct reload_op *old = CONTAINER_OF(older, struct reload_op, op);
	struct list *node;

	while ((node = list_pop(&old->waiters)) != NULL)
		list_append(&reload->waiters, node);
	reload_op_free(old);
}

void
ctl_reload(struct ctl *ctl, const char *who, reload_done_fn done, void *arg)
{
	struct reload_op *reload = mem_zalloc(sizeof(*reload));
	struct err err;

	reload->op.kind = OP_RELOAD;
	reload->op.run = reload_op_run;
	reload->op.drop = reload_op_drop;
	reload->op.absorb = reload_op_absorb;
	reload->ctl = ctl;
	reload->who = mem_strdup(who);
	list_init(&reload->waiters);
	if (done != NULL) {
		struct reload_waiter *waiter = mem_zalloc(sizeof(*waiter));

		waiter->done = done;
		waiter->arg = arg;
		list_init(&waiter->node);
		list_append(&reload->waiters, &waiter->node);
	}
	if (!opqueue_add(ctl->queue, &reload->op, &err))
		reload_op_drop(&reload->op);
}

/* -- getters */

struct world *
ctl_world(struct ctl *ctl)
{
	return ctl->world;
}

bool
ctl_cluster_status(struct ctl *ctl, size_t cluster, struct cluster_status *out)
{
	struct member *member;

	if (cluster >= ctl->snap->clusters_count)
		return false;
	member = fleet_find(&ctl->fleet, ctl->snap->clusters[cluster].name);
	if (member == NULL)
		return false;
	member_status(member, clock_now_ms(), out);
	return true;
}

size_t
ctl_switch_history(struct ctl *ctl, const struct switch_record **records)
{
	*records = ctl->history;
	return ctl->history_count;
}

const char *
ctl_switch_state(struct ctl *ctl, const char *logical)
{
	const struct track *track = tracks_find(&ctl->tracks, logical);

	return switch_state_name(track != NULL ? track->machine.state : SWITCH_RUN);
}

const struct faults *
ctl_faults(struct ctl *ctl)
{
	return ctl->faults;
}

void
ctl_last_load(struct ctl *ctl, int64_t *at, bool *taken)
{
	*at = ctl->loaded_at;
	*taken = ctl->loaded_ok;
}

bool
ctl_is_ready(struct ctl *ctl, char *why, size_t size)
{
	snprintf(why, size, "%s", "");
	if (ctl->listeners.bound == 0) {
		snprintf(why, size, "no port is listened on yet");
		return false;
	}
	for (size_t i = 0; i < ctl->tracks.count; i++) {
		const struct track *track = ctl->tracks.tracks[i];
		const struct member *member;

		if (!track->configured)
			continue;
		member = fleet_find(&ctl->fleet, track->cluster);
		if (member != NULL && member->reachable)
			continue;
		/* Read without a login: which host fails and how is for GET /admin/pclusters/v1. */
		snprintf(why, size, "the active cluster %s of %s %s", track->cluster, track->name,
			 member == NULL || member->checked_at < 0 ? "was not asked yet"
								  : "does not answer");
		return false;
	}
	return true;
}

void
ctl_counters(struct ctl *ctl, struct worker_counters *out)
{
	uint64_t *sums = (uint64_t *)out;

	_Static_assert(sizeof(*out) % sizeof(*sums) == 0, "all counters are uint64_t");
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < ctl->workers_count; i++) {
		struct worker_counters one;
		const uint64_t *counts = (const uint64_t *)&one;

		worker_counters(ctl->workers[i], &one);
		for (size_t k = 0; k < sizeof(one) / sizeof(*counts); k++)
			sums[k] += counts[k];
	}
}

size_t
ctl_admin_users(struct ctl *ctl, const struct admin_user **users)
{
	size_t count;

	*users = secrets_users(&ctl->secrets, &ctl->snap->settings, &count);
	return count;
}

int64_t
ctl_uptime_ms(struct ctl *ctl)
{
	return clock_now_ms() - ctl->started_ms;
}
