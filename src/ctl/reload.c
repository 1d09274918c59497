/* SPDX-License-Identifier: Apache-2.0
 *
 * From files to a published world: load -> log faults -> anything new? -> keep what needs a restart
 * -> secrets -> clusters, tracks -> publish -> wait for the workers. Nothing after the load can
 * fail but the secrets, which are made before anything is changed: so a refused configuration
 * leaves everything as it was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/keys.h"
#include "ctl/control.h"
#include "ctl/state.h"
#include "sys/notify.h"

/* Workers have so long to take a world before the one who asked for the reload is answered. */
#define PUBLISH_WAIT_MS 10000

struct reload {
	struct ctl *ctl;
	char *who;
	reload_done_fn done;
	void *arg;
	struct reload_result result;
	struct publication *publication;
	struct loop_timer timer;
};

/* -- faults */

static void
log_faults(const struct faults *faults)
{
	char text[1024];

	for (size_t i = 0; i < faults_count(faults); i++) {
		const struct fault *fault = faults_at(faults, i);

		fault_format(fault, text, sizeof(text));
		log_at(fault->severity == FAULT_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN,
		       "config.fault", KV_STR("fault", text));
	}
}

static void
free_faults(void *arg)
{
	struct faults *faults = arg;

	faults_free(&faults);
}

void
ctl_compose_faults(struct ctl *ctl)
{
	struct faults *faults = faults_new();

	for (size_t i = 0; i < faults_count(ctl->loaded); i++) {
		const struct fault *fault = faults_at(ctl->loaded, i);

		faults_add(faults, fault->severity, fault->file, fault->line, fault->column,
			   fault->key, "%s", fault->text);
	}
	for (size_t i = 0; i < ctl->tracks.count; i++) {
		const struct track *track = ctl->tracks.tracks[i];

		if (track_is_owed(track) && track->refused.code != ERR_NONE)
			faults_add(faults, FAULT_ERROR, ctl->snap->settings.clusters_file, 0, 0,
				   "active", "the switch of %s to %s is refused, %s serves on: %s",
				   track->name, track->desired, track->cluster,
				   track->refused.text);
	}
	if (ctl->faults != NULL)
		loop_defer(ctl->loop, free_faults, ctl->faults);
	ctl->faults = faults;
}

/* -- settings that a reload cannot change */

static bool
is_text(enum key_type type)
{
	return type == KEY_STRING || type == KEY_NAME || type == KEY_HOST || type == KEY_PATH ||
	       type == KEY_ENUM;
}

/* The ids that clients were told stay with the old name of the gateway. */
static void
keep_cluster_ids(struct snapshot *snap, const struct snapshot *before)
{
	for (size_t i = 0; i < snap->vclusters_count; i++) {
		struct vcluster *vc = (struct vcluster *)&snap->vclusters[i];
		const struct vcluster *old = snapshot_vcluster(before, vc->name);

		if (old != NULL)
			memcpy(vc->cluster_id, old->cluster_id, sizeof(vc->cluster_id));
	}
}

/* Puts the running value of one key into the new snapshot; true when it differed. */
static bool
keep_setting(struct snapshot *snap, const struct snapshot *before, const struct key *key)
{
	char *now = (char *)&snap->settings + key->offset;
	const char *was = (const char *)&before->settings + key->offset;

	if (is_text(key->type)) {
		const char *const *new_text = (const char *const *)(void *)now;
		const char *const *old_text = (const char *const *)(const void *)was;
		char *copy;

		if (strcmp(*new_text, *old_text) == 0)
			return false;
		copy = arena_strdup(snap->arena, *old_text);
		memcpy(now, &copy, sizeof(copy));
		return true;
	}
	if (key->type != KEY_INTEGER || memcmp(now, was, sizeof(int64_t)) == 0)
		return false;
	memcpy(now, was, sizeof(int64_t));
	return true;
}

/* The loader has read from where these point already: they are in force. */
static bool
is_source(const struct key *key)
{
	return strcmp(key->name, "clusters.file") == 0 || strcmp(key->name, "vclusters.dir") == 0;
}

static void
keep_settings(struct snapshot *snap, const struct snapshot *before)
{
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *key = &keys[i];

		if (key->section != SECTION_SETTINGS || !key->restart || is_source(key) ||
		    !keep_setting(snap, before, key))
			continue;
		log_warn("config.needs_restart", KV_STR("key", key->name),
			 KV_STR("what", "the new value takes effect at the next start"));
		if (strcmp(key->name, "cluster.id") == 0)
			keep_cluster_ids(snap, before);
	}
}

/* -- the steps */

void
reload_watch(struct ctl *ctl)
{
	size_t count;
	char **directories = config_directories(&ctl->source, &count);

	watch_set(ctl->watch, directories, count);
	config_directories_free(directories, count);
}

/* Reads the files; ctl->loaded is new whatever comes of it. NULL when they are refused. */
static struct snapshot *
load(struct ctl *ctl)
{
	struct faults *faults = faults_new();
	struct snapshot *snap = config_load(&ctl->source, faults);
	struct err err;

	if (snap != NULL && !secrets_complete(&ctl->secrets, &snap->settings, &err)) {
		faults_add(faults, FAULT_ERROR, snap->settings.state_dir, 0, 0, "state.dir", "%s",
			   err.text);
		snapshot_unref(&snap);
	}
	log_faults(faults);
	faults_free(&ctl->loaded);
	ctl->loaded = faults;
	ctl->loaded_at = clock_wall_s();
	ctl->loaded_ok = snap != NULL;
	return snap;
}

/* Makes the snapshot the one in force; it is published by the caller. */
static void
adopt(struct ctl *ctl, struct snapshot *snap, const char *who)
{
	struct snapshot *before = ctl->snap;

	if (before != NULL)
		keep_settings(snap, before);
	snap->number = before != NULL ? before->number + 1 : 1;
	ctl->snap = snap;
	log_set_level((enum log_level)snap->settings.log_level);
	if (tracks_configure(&ctl->tracks, snap, before, who))
		ctl_save_state(ctl);
	ctl_configure_clusters(ctl, snap);
	snapshot_unref(&before);
}

bool
reload_first(struct ctl *ctl, struct err *err)
{
	struct snapshot *snap = load(ctl);
	size_t errors = faults_errors(ctl->loaded);

	if (snap == NULL)
		return err_set(err, ERR_INVALID, "the configuration has %zu fault%s", errors,
			       errors == 1 ? "" : "s");
	if (!state_make_directory(snap->settings.state_dir, err))
		log_error("state.no_directory", KV_STR("why", err->text));
	else if (!state_load(snap->settings.state_dir, &ctl->fleet, &ctl->tracks, err)) {
		snapshot_unref(&snap);
		return false;
	}
	adopt(ctl, snap, "start");
	ctl_compose_faults(ctl);
	return true;
}

static void
finish(struct reload *reload)
{
	struct ctl *ctl = reload->ctl;
	const struct reload_result *result = &reload->result;
	char status[128];

	loop_timer_stop(&reload->timer);
	snprintf(status, sizeof(status), "snapshot %llu serves%s",
		 (unsigned long long)result->number,
		 result->errors > 0 ? "; the latest configuration was refused, see the log" : "");
	notify_ready(status);
	ctl_compose_faults(ctl);
	if (reload->done != NULL)
		reload->done(reload->arg, result);
	free(reload->who);
	free(reload);
}

static void
on_published(void *arg)
{
	finish(arg);
}

static void
on_late(void *arg)
{
	struct reload *reload = arg;

	publication_forget(reload->publication);
	log_warn("config.publish_late",
		 KV_STR("what", "a worker has not taken the new configuration yet"));
	finish(reload);
}

static void
publish(struct reload *reload)
{
	struct ctl *ctl = reload->ctl;

	log_info("config.loaded", KV_STR("who", reload->who), KV_INT("number", ctl->snap->number),
		 KV_INT("files", ctl->snap->files_count),
		 KV_INT("clusters", ctl->snap->clusters_count),
		 KV_INT("vclusters", ctl->snap->vclusters_count),
		 KV_INT("warnings", reload->result.warnings));
	loop_timer_start(&reload->timer, PUBLISH_WAIT_MS, 0);
	reload->publication = ctl_publish(ctl, NULL, on_published, reload);
	ctl_drive_switches(ctl, NULL);
}

/* Nothing is new, but somebody asked: what did not work before may work by now. */
static void
try_again(struct ctl *ctl, const char *who)
{
	if (strcmp(who, "inotify") == 0)
		return;
	if (ctl->listen_failed > 0)
		ctl_publish_soon(ctl);
	ctl_drive_switches(ctl, NULL);
}

/* The digest is that of the last load. A switch by the API has written `active` since then, so a
 * file that is put back to just what was loaded asks for a switch although its digest is the old.
 */
static bool
is_unchanged(const struct ctl *ctl, const struct snapshot *snap)
{
	return strcmp(snap->digest, ctl->snap->digest) == 0 && tracks_agree(&ctl->tracks, snap);
}

void
reload_begin(struct ctl *ctl, const char *who, reload_done_fn done, void *arg)
{
	struct reload *reload = mem_zalloc(sizeof(*reload));
	struct snapshot *snap;

	reload->ctl = ctl;
	reload->who = mem_strdup(who);
	reload->done = done;
	reload->arg = arg;
	loop_timer_init(&reload->timer, ctl->loop, on_late, reload);
	notify_reloading();
	reload_watch(ctl);
	snap = load(ctl);
	reload->result.errors = faults_errors(ctl->loaded);
	reload->result.warnings = faults_count(ctl->loaded) - reload->result.errors;
	reload->result.number = ctl->snap->number;
	if (snap == NULL) {
		log_error("config.refused", KV_STR("who", who),
			  KV_INT("faults", reload->result.errors),
			  KV_INT("serving", ctl->snap->number));
		finish(reload);
		return;
	}
	if (is_unchanged(ctl, snap)) {
		log_debug("config.unchanged", KV_STR("who", who));
		snapshot_unref(&snap);
		try_again(ctl, who);
		finish(reload);
		return;
	}
	adopt(ctl, snap, who);
	reload->result.changed = true;
	reload->result.number = ctl->snap->number;
	publish(reload);
}
