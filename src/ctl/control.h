/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to src/ctl: struct ctl, and what its parts say to each other.
 *   ctl.c      start, stop, the getters of ctl.h
 *   publish.c  builds a world from what is known and hands it to the workers
 *   clusters.c probes of the configured clusters, and what follows from their answers
 *   reload.c   files -> snapshot -> world
 *   move.c     a switch: the machine of switch.c tied to the real world
 *   tenant.c   tokens, removal, topics; edits of a tenant's file
 *   aliases.c  topics from outside a tenant's prefix
 * Everything runs on the control loop.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/list.h"
#include "config/load.h"
#include "ctl/ctl.h"
#include "ctl/fleet.h"
#include "ctl/listeners.h"
#include "ctl/opqueue.h"
#include "ctl/probe.h"
#include "ctl/secrets.h"
#include "ctl/tracks.h"
#include "ctl/watch.h"

#define HISTORY_MAX 32

/* The probe of a configured cluster. */
struct cluster_probe {
	struct ctl *ctl;
	struct member *member;
	struct probe *probe; /* NULL: not configured (now), or no thread could be had */
};

struct ctl {
	struct loop *loop;
	struct config_source source;
	int64_t started_ms;

	struct snapshot *snap; /* in force */
	struct world *world;   /* published last */
	struct faults *loaded; /* of the latest load */
	struct faults *faults; /* those and refused switches: what people see */
	int64_t loaded_at;     /* seconds since 1970 */
	bool loaded_ok;

	struct secrets secrets;
	struct meters meters;
	struct fleet fleet;
	struct tracks tracks;
	struct cluster_probe **probes;
	size_t probes_count;
	size_t probes_capacity;

	struct worker **workers;
	unsigned workers_count;
	struct listeners listeners;
	size_t listen_failed; /* vnodes that could not be listened for, as reported */
	struct list publications;
	struct list worker_calls;

	struct opqueue *queue;
	struct watch *watch;
	struct move *moving; /* the running switch, or NULL */
	bool world_stale;    /* a publication is owed once no switch holds anybody */
	bool stopping;

	struct switch_record history[HISTORY_MAX]; /* newest first */
	size_t history_count;
};

/* -- publish.c */

typedef void (*publish_ack_fn)(void *arg, const struct worker_ack *ack);
typedef void (*publish_done_fn)(void *arg);

/* A publication on its way to the workers. */
struct publication;

/* The world as it follows from snapshot, fleet and tracks, one reference. */
struct world *world_build(struct ctl *ctl);
/* Listens for new vnodes, builds, publishes to every worker. on_ack runs for each worker, on_done
 * after the last; both may be NULL and never run before the call returns. */
struct publication *ctl_publish(struct ctl *ctl, publish_ack_fn on_ack, publish_done_fn on_done,
				void *arg);
/* The callbacks will not run any more. */
void publication_forget(struct publication *publication);
/* Publishes now, or as soon as the running switch is over. */
void ctl_publish_soon(struct ctl *ctl);
/* Writes the state file; what goes wrong is logged. */
void ctl_save_state(struct ctl *ctl);

/* -- clusters.c */

/* Starts, adapts and ends probes so that they fit the snapshot. */
void ctl_configure_clusters(struct ctl *ctl, const struct snapshot *snap);
void ctl_stop_probes(struct ctl *ctl);
/* The probe of a configured cluster, or NULL. */
struct probe *ctl_probe(struct ctl *ctl, const char *cluster);

/* -- reload.c */

/* Reads, checks, publishes; done runs once, when every worker has the new world (or has had its
 * time). Only as (part of) the running operation. */
void reload_begin(struct ctl *ctl, const char *who, reload_done_fn done, void *arg);
/* The first load, before there are workers; false and err when it was refused. */
bool reload_first(struct ctl *ctl, struct err *err) MUST_CHECK;
/* Sets the watches for the directories of the source. */
void reload_watch(struct ctl *ctl);
/* Makes ctl->faults anew: those of the latest load, and refused switches. */
void ctl_compose_faults(struct ctl *ctl);

/* -- tenant.c */

/* Writes an alias into a vcluster's file, or takes it out (physical NULL), or all (topic NULL,
 * too). Names are legal. */
void tenant_edit_alias(struct ctl *ctl, const char *vcluster, const char *topic,
		       const char *physical, bool read_only, const char *who, done_fn done,
		       void *arg);

/* -- move.c */

/* Asks for the switches that the files want and nobody has asked for. */
void ctl_drive_switches(struct ctl *ctl, const char *target);
/* A probe's answer, already applied to the fleet. */
void move_on_probe(struct ctl *ctl, const struct member *member, const struct probe_result *result);
/* Is a switch past its checks? Then only its own flip publishes. */
bool move_is_holding(const struct ctl *ctl);
/* Rolls the running switch back, if there is one that can be. */
void move_abort(struct ctl *ctl, const char *why);
/* Frees what waits for acknowledgements. */
void move_free_calls(struct ctl *ctl);
