/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of logical clusters.
 */
#include "ctl/tracks.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/mem.h"

void
tracks_free(struct tracks *tracks)
{
	for (size_t i = 0; i < tracks->count; i++) {
		free(tracks->tracks[i]->name);
		free(tracks->tracks[i]->cluster);
		free(tracks->tracks[i]->desired);
		free(tracks->tracks[i]->saved);
		free(tracks->tracks[i]);
	}
	free(tracks->tracks);
	*tracks = (struct tracks){0};
}

struct track *
tracks_find(const struct tracks *tracks, const char *name)
{
	for (size_t i = 0; i < tracks->count; i++)
		if (strcmp(tracks->tracks[i]->name, name) == 0)
			return tracks->tracks[i];
	return NULL;
}

struct track *
tracks_get(struct tracks *tracks, const char *name)
{
	struct track *track = tracks_find(tracks, name);

	if (track != NULL)
		return track;
	track = mem_zalloc(sizeof(*track));
	track->name = mem_strdup(name);
	tracks->tracks =
	    mem_grow(tracks->tracks, &tracks->capacity, tracks->count + 1, sizeof(struct track *));
	tracks->tracks[tracks->count++] = track;
	return track;
}

void
track_set(char **member, const char *text)
{
	char *copy = mem_strdup(text);

	free(*member);
	*member = copy;
}

bool
track_is_owed(const struct track *track)
{
	return track->configured && strcmp(track->cluster, track->desired) != 0;
}

/* A track that does not run yet goes straight to where the files say. */
static void
start_track(struct track *track, const char *active)
{
	track_set(&track->cluster, active);
	if (track->saved == NULL || strcmp(track->saved, active) == 0)
		return;
	track->generation++;
	log_info("switch.offline", KV_STR("cluster", track->name), KV_STR("from", track->saved),
		 KV_STR("to", active), KV_INT("generation", track->generation));
}

/* Where the tenant of a canary track "vcluster:NAME" is served now, or NULL. */
static const char *
served_by(const struct tracks *tracks, const char *track_name, const struct snapshot *before)
{
	static const char canary[] = "vcluster:";
	const struct vcluster *vc;
	const struct track *track;

	if (before == NULL || strncmp(track_name, canary, sizeof(canary) - 1) != 0)
		return NULL;
	vc = snapshot_vcluster(before, track_name + sizeof(canary) - 1);
	if (vc == NULL)
		return NULL;
	track = tracks_find(tracks, before->logicals[vc->logical].name);
	return track != NULL ? track->cluster : NULL;
}

bool
tracks_agree(const struct tracks *tracks, const struct snapshot *snap)
{
	for (size_t i = 0; i < snap->logicals_count; i++) {
		const char *active = snap->clusters[snap->logicals[i].active].name;
		const struct track *track = tracks_find(tracks, snap->logicals[i].name);

		if (track == NULL || track->desired == NULL || strcmp(track->desired, active) != 0)
			return false;
	}
	return true;
}

bool
tracks_configure(struct tracks *tracks, const struct snapshot *snap, const struct snapshot *before,
		 const char *who)
{
	bool changed = false;

	for (size_t i = 0; i < tracks->count; i++)
		tracks->tracks[i]->configured = false;
	for (size_t i = 0; i < snap->logicals_count; i++) {
		const char *active = snap->clusters[snap->logicals[i].active].name;
		struct track *track = tracks_get(tracks, snap->logicals[i].name);

		track->configured = true;
		if (track->cluster == NULL) {
			const char *now = served_by(tracks, track->name, before);

			start_track(track, now != NULL ? now : active);
			changed = true;
		}
		if (track->desired == NULL || strcmp(track->desired, active) != 0) {
			track_set(&track->desired, active);
			snprintf(track->who, sizeof(track->who), "%s", who);
			track->refused.code = ERR_NONE;
		}
	}
	return changed;
}
