/* SPDX-License-Identifier: Apache-2.0
 *
 * A snapshot's life and look-ups. Sorted arrays are searched by halves.
 */
#include "config/snapshot.h"
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"

struct snapshot *
snapshot_ref(struct snapshot *snap)
{
	ENSURE(atomic_fetch_add_explicit(&snap->references, 1, memory_order_relaxed) > 0);
	return snap;
}

void
snapshot_unref(struct snapshot **snap)
{
	struct arena *arena;

	if (*snap == NULL)
		return;
	arena = (*snap)->arena; /* the snapshot itself lives in it */
	if (atomic_fetch_sub_explicit(&(*snap)->references, 1, memory_order_acq_rel) == 1)
		arena_free(&arena);
	*snap = NULL;
}

/* The first member of each element is its name. */
static int
compare_name(const void *name, const void *element)
{
	const char *const *first = element;

	return strcmp(name, *first);
}

static const void *
find_sorted(const void *array, size_t count, size_t size, const char *name)
{
	return count > 0 ? bsearch(name, array, count, size, compare_name) : NULL;
}

const struct vcluster *
snapshot_vcluster(const struct snapshot *snap, const char *name)
{
	return find_sorted(snap->vclusters, snap->vclusters_count, sizeof(struct vcluster), name);
}

const struct user *
vcluster_user(const struct vcluster *vc, const char *name)
{
	return find_sorted(vc->users, vc->users_count, sizeof(struct user), name);
}

bool
user_has_limits(const struct user *user)
{
	return user->connections > 0 || user->in_rate > 0 || user->out_rate > 0;
}

int
snapshot_cluster(const struct snapshot *snap, const char *name)
{
	for (size_t i = 0; i < snap->clusters_count; i++) {
		if (strcmp(snap->clusters[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

int
snapshot_logical(const struct snapshot *snap, const char *name)
{
	for (size_t i = 0; i < snap->logicals_count; i++) {
		if (strcmp(snap->logicals[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}
