/* SPDX-License-Identifier: Apache-2.0
 *
 * The logical clusters as they run: where each leads, where the files want it, its generation and
 * its switch machine. A track outlives reloads; its generation is for ever (state.h keeps it).
 * Control loop only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "config/snapshot.h"
#include "ctl/switch.h"

struct move;

struct track {
	char *name;
	char *cluster; /* it leads there; NULL until the first configuration names it */
	char *desired; /* the files say so; differs from cluster while a switch is owed */
	char *saved;   /* where the state file says it led; NULL: it does not say */
	uint64_t generation;
	bool configured;    /* the running snapshot has it */
	char who[96];       /* who changed desired last */
	struct err refused; /* why the switch that the file wants was refused; code 0: it was not */
	struct move *move;  /* the switch that runs or waits, or NULL (move.c) */
	struct switch_machine machine;
};

struct tracks {
	struct track **tracks;
	size_t count;
	size_t capacity;
};

void tracks_free(struct tracks *tracks);
/* The track of this name, or NULL. */
struct track *tracks_find(const struct tracks *tracks, const char *name);
/* The track of this name, made where it is new. Stays valid as long as the tracks. */
struct track *tracks_get(struct tracks *tracks, const char *name);
/* Takes the logical clusters of a snapshot; before is the one that ran until now, or NULL at the
 * start. A new track starts where the files say, its generation raised when the state file
 * remembers another cluster (a switch happened meanwhile); one made for a canary tenant while we
 * run starts where the tenant is now, so that a proper switch moves it. For the others desired is
 * set. Returns whether something changed that the state file keeps. */
bool tracks_configure(struct tracks *tracks, const struct snapshot *snap,
		      const struct snapshot *before, const char *who);
/* Does every logical cluster of the snapshot want what its track was told last? */
bool tracks_agree(const struct tracks *tracks, const struct snapshot *snap);
/* Replaces a text member. */
void track_set(char **member, const char *text);
/* Does the file want it elsewhere than it is? */
bool track_is_owed(const struct track *track);
