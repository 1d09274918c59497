/* SPDX-License-Identifier: Apache-2.0
 *
 * A load under way: shared by load.c (reads the files) and link.c (checks what one file says of
 * another and seals the snapshot). Internal to the loader.
 */
#pragma once
#include "config/read.h"

#define VCLUSTERS_MAX 10000

struct loading {
	const struct config_source *source;
	struct faults *faults;
	struct arena *scratch; /* nodes; freed when the load ends */
	struct snapshot *snap; /* being built */
	const char *config_path;
	const char *folder; /* of config_path */
	const struct node *settings_root;
	const struct node *clusters_root; /* NULL when clusters.yaml cannot be read */
	struct clusters_file clusters;
	struct active_file entries; /* of active.yaml */
	const struct node *active_root;
	struct choice *active; /* of clusters, or of the entries that stand in its place */
	size_t active_count;
	const char **stale;                 /* snap->stale, while it is filled */
	struct vcluster *vclusters;         /* sorted by name */
	const struct node **vcluster_roots; /* in step; NULL where the file cannot be read */
	size_t vclusters_count;
	struct config_file *files;
	size_t files_count;
	size_t files_capacity;
};

/* Checks across files and fills the snapshot's arrays. */
void link_all(struct loading *l);
/* active.c: which cluster is active, of clusters.yaml and active.yaml. */
void active_link(struct loading *l);
/* What clusters.yaml itself says of a logical cluster, or NULL. */
const char *active_own(const struct loading *l, const char *logical);
/* Is a setting written in turnout.yaml or the environment? */
bool loading_is_set(const struct loading *l, const char *key);
