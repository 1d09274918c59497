/* SPDX-License-Identifier: Apache-2.0
 *
 * From files to a published world: load -> keep what needs a restart -> secrets -> log faults ->
 * anything new? -> clusters, tracks -> publish -> wait for the workers. Nothing after the load can
 * fail but the secrets, which are made before anything is changed: so a refused configuration
 * leaves everything as it was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/active.h"
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

/* Puts the running value of one key into the new snapshot. */
static void
keep_setting(struct snapshot *snap, const struct snapshot *before, const struct key *key)
{
	char *now = (char *)&snap->settings + key->offset;
	const char *was = (const char *)&before->settings + key->offset;

	if (is_text(key->type)) {
		const char *const *text = (const char *const *)(const void *)was;
		char *copy = arena_strdup(snap->arena, *text);

		memcpy(now, &copy, sizeof(copy));
	} else if (key->type == KEY_INTEGER) {
		memcpy(now, was, sizeof(int64_t));
	}
}

/* What needs a restart stays as it was at the start, and what is made of it too. */
static void
keep_settings(struct snapshot *snap, const struct snapshot *before)
{
	for (size_t i = 0; i < keys_count; i++) {
		if (keys[i].section == SECTION_SETTINGS && keys[i].restart)
			keep_setting(snap, before, &keys[i]);
	}
	for (size_t i = 0; i < snap->vclusters_count; i++) {
		struct vcluster *vc = (struct vcluster *)&snap->vclusters[i];

		config_cluster_id(snap->settings.cluster_id, vc->name, vc->cluster_id);
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

/* An editor that truncates and then writes leaves a file empty for a moment, and an empty
 * turnout.yaml or tenant's file is a legal one: what it no longer says must not be taken for
 * removed. One that was empty before, or is new, is meant. */
static bool
refuse_emptied(const struct snapshot *before, const struct snapshot *snap, struct faults *faults)
{
	uint8_t digest[SHA256_BYTES];
	char empty[SHA256_HEX];
	bool refused = false;

	sha256("", 0, digest);
	sha256_hex(digest, empty);
	for (size_t i = 0; i < snap->files_count; i++) {
		const struct config_file *file = &snap->files[i];

		for (size_t j = 0; j < before->files_count && strcmp(file->sha256, empty) == 0;
		     j++) {
			const struct config_file *was = &before->files[j];

			if (strcmp(was->path, file->path) != 0 || was->sha256[0] == '\0' ||
			    strcmp(was->sha256, empty) == 0)
				continue;
			faults_add(faults, FAULT_ERROR, file->path, 0, 0, "",
				   "the file was emptied, which looks like a write that is not "
				   "finished: to have "
				   "all defaults leave a comment in it, or remove it");
			refused = true;
		}
	}
	return refused;
}

/* Reads the files; ctl->loaded is new whatever comes of it. NULL when they are refused. */
static struct snapshot *
load(struct ctl *ctl, const char *who)
{
	struct faults *faults = faults_new();
	struct snapshot *snap = config_load(&ctl->source, faults);
	struct err err;

	if (snap != NULL && ctl->snap != NULL && refuse_emptied(ctl->snap, snap, faults))
		snapshot_unref(&snap);
	if (snap != NULL && ctl->snap != NULL) {
		config_restart_faults(ctl->snap, snap, faults);
		keep_settings(snap, ctl->snap);
	}
	if (snap != NULL && !secrets_complete(&ctl->secrets, &snap->settings, &err)) {
		faults_add(faults, FAULT_ERROR, snap->settings.state_dir, 0, 0, "state.dir", "%s",
			   err.text);
		snapshot_unref(&snap);
	}
	/* A write of our own into a watched folder says nothing new. */
	if (snap == NULL || ctl->snap == NULL || strcmp(who, "inotify") != 0 ||
	    strcmp(snap->digest, ctl->snap->digest) != 0)
		log_faults(faults);
	faults_free(&ctl->loaded);
	ctl->loaded = faults;
	ctl->loaded_at = clock_wall_s();
	ctl->loaded_ok = snap != NULL;
	return snap;
}

/* Entries of active.yaml that an edit of clusters.yaml has overtaken must not count again when it
 * is edited back one day. */
static void
drop_stale(const struct snapshot *snap)
{
	struct err err;

	for (size_t i = 0; i < snap->stale_count; i++) {
		if (active_remove(snap->active_file, snap->stale[i], &err))
			log_info("config.entry_dropped", KV_STR("cluster", snap->stale[i]),
				 KV_STR("file", snap->active_file));
		else
			log_warn("config.entry_kept", KV_STR("cluster", snap->stale[i]),
				 KV_STR("file", snap->active_file), KV_STR("why", err.text),
				 KV_STR("what", "remove the entry by hand"));
	}
}

/* Makes the snapshot the one in force; it is published by the caller. */
static void
adopt(struct ctl *ctl, struct snapshot *snap, const char *who)
{
	struct snapshot *before = ctl->snap;

	snap->number = before != NULL ? before->number + 1 : 1;
	ctl->snap = snap;
	log_set_level((enum log_level)snap->settings.log_level);
	if (tracks_configure(&ctl->tracks, snap, before, who))
		ctl_save_state(ctl);
	ctl_configure_clusters(ctl, snap);
	drop_stale(snap);
	snapshot_unref(&before);
}

bool
reload_first(struct ctl *ctl, struct err *err)
{
	struct snapshot *snap = load(ctl, "start");
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
	/* state.dir may change in the file; where we keep things does not, until the next start. */
	ctl->source.active_dir = mem_strdup(snap->settings.state_dir);
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

/* Has the running snapshot's `active` of a logical cluster been written over by a switch? */
static bool
is_overtaken(const struct ctl *ctl)
{
	for (size_t i = 0; i < ctl->snap->logicals_count; i++) {
		const struct logical *logical = &ctl->snap->logicals[i];
		const struct track *track = tracks_find(&ctl->tracks, logical->name);

		if (strcmp(track->desired, ctl->snap->clusters[logical->active].name) != 0)
			return true;
	}
	return false;
}

/* A switch wrote the new `active`, and somebody wrote the old one back before we read it: nothing
 * is new to the snapshot, but the files decide. */
static void
follow_files(struct ctl *ctl, const char *who)
{
	if (!is_overtaken(ctl))
		return;
	if (tracks_configure(&ctl->tracks, ctl->snap, ctl->snap, who))
		ctl_save_state(ctl);
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
	snap = load(ctl, who);
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
		follow_files(ctl, who);
		try_again(ctl, who);
		finish(reload);
		return;
	}
	adopt(ctl, snap, who);
	reload->result.changed = true;
	reload->result.number = ctl->snap->number;
	publish(reload);
}
