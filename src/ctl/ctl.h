/* SPDX-License-Identifier: Apache-2.0
 *
 * The control plane: the only code that changes the running world. Everything here runs on the
 * control loop's thread.
 *
 * Files, signals and the admin API all end in operations of one queue (opqueue.h): reload, switch,
 * shutdown. One runs at a time. Start at ctl_start() in ctl.c; a reload is read in reload.c, a
 * switch in switch.c.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "config/load.h"
#include "config/snapshot.h"
#include "loop/loop.h"
#include "proxy/worker.h"
#include "proxy/world.h"

struct ctl;

/* Loads the configuration, generates missing secrets, starts probes, workers and watches. NULL and
 * err when the configuration is faulty at start (faults were logged) or something cannot be bound.
 */
struct ctl *ctl_start(struct loop *loop, const struct config_source *source, struct err *err);
/* Stops accepting, closes connections, ends threads. Called once, after loop_run() returned. */
void ctl_stop(struct ctl **ctl);
/* Asks for an orderly end: finishes the running operation, then loop_stop(). */
void ctl_shutdown(struct ctl *ctl, const char *why);

/* The published world (borrowed until the loop turns; ref it to keep it). Never NULL. */
struct world *ctl_world(struct ctl *ctl);

/* -- operations: done runs exactly once, on the control loop, maybe before the call returns */

struct reload_result {
	bool changed;    /* a new snapshot was published */
	uint64_t number; /* of the snapshot in force */
	size_t errors;   /* 0: taken; else refused, the last good one serves on */
	size_t warnings;
};
typedef void (*reload_done_fn)(void *arg, const struct reload_result *result);
/* who: "SIGHUP", "inotify", "api:admin" ... for the log. done may be NULL. */
void ctl_reload(struct ctl *ctl, const char *who, reload_done_fn done, void *arg);

enum switch_flags { SWITCH_FORCE = 1, SWITCH_DRY_RUN = 2 };

struct switch_result {
	bool ok;
	struct err err; /* !ok: ERR_INVALID unknown id, ERR_CONFLICT another switch runs,
			 * ERR_UNAVAILABLE target not usable, ERR_READ_ONLY the file cannot be
			 * written (the sentence has the line to edit) */
	bool moved;     /* false: it was there already, or a dry run */
	char from[64];
	char to[64];
	uint64_t generation;
	int64_t duration_ms; /* of the whole operation */
	int64_t held_ms;     /* how long requests had to wait */
	unsigned connections;
	unsigned held;
	unsigned cut;
	unsigned workers;
};
typedef void (*switch_done_fn)(void *arg, const struct switch_result *result);
/* who: "api:admin", "file", "SIGHUP" ... Persists the new `active` in clusters.yaml. */
void ctl_switch(struct ctl *ctl, const char *logical, const char *to, unsigned flags,
		const char *who, switch_done_fn done, void *arg);

/* Makes a token; creates the vcluster's file and the user's entry where they are new, waits until
 * the loader has taken them and the workers know them. On failure token is NULL and err says why.
 */
typedef void (*token_done_fn)(void *arg, const char *token, const struct err *err);
void ctl_token(struct ctl *ctl, const char *vcluster, const char *user, int64_t lifetime_s,
	       const char *who, token_done_fn done, void *arg);

/* Removes a user (or, user NULL, a vcluster); its connections are cut. err NULL on success. */
typedef void (*done_fn)(void *arg, const struct err *err);
void ctl_remove(struct ctl *ctl, const char *vcluster, const char *user, const char *who,
		done_fn done, void *arg);

/* The topics of a vcluster as the active cluster has them now, asked of the cluster. names are
 * virtual, sorted. */
typedef void (*topics_done_fn)(void *arg, const char *const *names, size_t count,
			       const struct err *err);
void ctl_topics(struct ctl *ctl, const char *vcluster, topics_done_fn done, void *arg);

/* Gives a vcluster an alias, or changes whether one that it has is read-only. The physical topic
 * must be on the active cluster: ERR_INVALID where it is not, ERR_UNAVAILABLE where the cluster
 * cannot be asked; another physical topic for an alias that is there is ERR_CONFLICT. Done when the
 * workers know it; err NULL on success. */
void ctl_alias_set(struct ctl *ctl, const char *vcluster, const char *topic, const char *physical,
		   bool read_only, const char *who, done_fn done, void *arg);
/* Takes an alias out of the files, or (topic NULL) all of a vcluster. */
void ctl_alias_remove(struct ctl *ctl, const char *vcluster, const char *topic, const char *who,
		      done_fn done, void *arg);

/* -- what is */

struct broker_status {
	int32_t id;
	char host[256];
	uint16_t port;
	int vnode; /* -1: none */
	bool present;
};

struct cluster_status {
	const char *name;
	bool known;                /* was reached at least once since the start */
	bool reachable;            /* the latest probe got metadata */
	int64_t checked_ms_ago;    /* -1: never */
	char error[160];           /* why not reachable; "" when it is */
	char kafka_cluster_id[64]; /* for operators only, never for clients */
	const struct broker_status *brokers;
	size_t brokers_count;
};
/* Borrowed until the loop turns; index as in snapshot clusters[]. false: no such cluster. */
bool ctl_cluster_status(struct ctl *ctl, size_t cluster, struct cluster_status *out);

struct switch_record {
	int64_t at; /* seconds since 1970 */
	char who[96];
	char logical[129];
	struct switch_result result;
};
/* The latest switches (successful or not), newest first; borrowed until the loop turns. */
size_t ctl_switch_history(struct ctl *ctl, const struct switch_record **records);
/* State of a logical cluster: "run", "check", "hold", "flip", "settle". */
const char *ctl_switch_state(struct ctl *ctl, const char *logical);

/* Faults of the latest load (warnings of the running snapshot, or errors of a refused one).
 * Borrowed. */
const struct faults *ctl_faults(struct ctl *ctl);
/* When the latest load was (seconds since 1970) and whether it was taken. */
void ctl_last_load(struct ctl *ctl, int64_t *at, bool *taken);
/* Listeners bound, every active cluster reachable. Otherwise the reason in why. */
bool ctl_is_ready(struct ctl *ctl, char *why, size_t size);
/* Sum over all workers. */
void ctl_counters(struct ctl *ctl, struct worker_counters *out);
/* The admin accounts in force (configured or generated). */
size_t ctl_admin_users(struct ctl *ctl, const struct admin_user **users);
/* Milliseconds since the start. */
int64_t ctl_uptime_ms(struct ctl *ctl);
