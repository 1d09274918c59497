/* SPDX-License-Identifier: Apache-2.0
 *
 * active.yaml, in and out. active_link() puts entries that still count in the place of what
 * clusters.yaml says; active_write() and active_remove() are what a switch does to the file.
 */
#include "config/active.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"
#include "base/mem.h"
#include "config/edit.h"
#include "config/edit_text.h"
#include "config/loading.h"

/* What clusters.yaml itself says, or NULL. */
const char *
active_own(const struct loading *l, const char *logical)
{
	for (size_t i = 0; i < l->clusters.active_count; i++) {
		if (strcmp(l->clusters.active[i].logical, logical) == 0)
			return l->clusters.active[i].physical;
	}
	return NULL;
}

/* Does clusters.yaml say what it said when the entry was written? Without an `active` there, a
 * cluster of the logical one's name serves. */
static bool
counts(const struct active_entry *entry, const char *own)
{
	if (entry->instead_of == NULL)
		return own == NULL;
	return strcmp(entry->instead_of, own != NULL ? own : entry->logical) == 0;
}

/* A cluster that was configured away is not left by itself: which one is to serve then? */
static bool
is_known(struct loading *l, struct reader *r, const struct active_entry *entry,
	 const struct node *node, const char *path)
{
	if (snapshot_cluster(l->snap, entry->cluster) >= 0)
		return true;
	read_fault(r, FAULT_ERROR, node, path,
		   "no physical cluster is named %s in %s: remove this entry, or name the cluster",
		   entry->cluster, l->snap->settings.clusters_file);
	return false;
}

static void
set_choice(struct loading *l, const struct active_entry *entry)
{
	struct choice choice = {.logical = entry->logical, .physical = entry->cluster};
	size_t i = 0;

	while (i < l->active_count && strcmp(l->active[i].logical, entry->logical) != 0)
		i++;
	l->active[i] = choice;
	l->active_count += i == l->active_count;
}

static void
link_entry(struct loading *l, struct reader *r, const struct active_entry *entry)
{
	const char *clusters_file = l->snap->settings.clusters_file;
	const char *path = arena_printf(l->scratch, "active.%s", entry->logical);
	const struct node *node = node_child(node_child(l->active_root, "active"), entry->logical);
	const char *own = active_own(l, entry->logical);

	if (entry->cluster == NULL) /* has its fault already */
		return;
	if (!counts(entry, own)) {
		read_fault_key(r, FAULT_WARNING, node, path,
			       "%s is not used any more: %s has another active for %s now%s%s, and "
			       "decides",
			       entry->cluster, clusters_file, entry->logical,
			       own != NULL ? ", " : "", own != NULL ? own : " (none)");
		l->stale[l->snap->stale_count++] = entry->logical;
	} else if (is_known(l, r, entry, node, path)) {
		read_fault_key(r, FAULT_WARNING, node, path,
			       "active of %s is %s by %s, because %s cannot be written; an edit of "
			       "active there wins",
			       entry->logical, entry->cluster, r->file, clusters_file);
		set_choice(l, entry);
	}
}

void
active_link(struct loading *l)
{
	size_t own = l->clusters.active_count;
	size_t most = own + l->entries.active_count;
	struct reader r = {.arena = l->scratch, .faults = l->faults, .file = l->snap->active_file};

	l->active = arena_array(l->scratch, most, sizeof(*l->active));
	l->active_count = own;
	if (own > 0)
		memcpy(l->active, l->clusters.active, own * sizeof(*l->active));
	l->stale = arena_array(l->snap->arena, l->entries.active_count, sizeof(*l->stale));
	for (size_t i = 0; i < l->entries.active_count; i++)
		link_entry(l, &r, &l->entries.active[i]);
	l->snap->stale = l->stale;
}

/* -- out */

static char *
entry_text(const char *cluster, const char *instead_of)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ENSURE(out != NULL);
	fputs("{cluster: ", out);
	edit_text_scalar(cluster, '\0', out);
	if (instead_of != NULL) {
		fputs(", instead.of: ", out);
		edit_text_scalar(instead_of, '\0', out);
	}
	fputc('}', out);
	fclose(out);
	return text;
}

static bool
make_file(const char *path, const char *clusters_file, struct err *err)
{
	char *text =
	    mem_printf("# Written by turnoutd when it was told to switch and could not write\n"
		       "#   %s\n"
		       "# An entry says which cluster is active instead of what `active` says "
		       "there, and counts\n"
		       "# only as long as that is what it was (instead.of; none: there was no "
		       "`active`): edit that\n"
		       "# file, or remove the entry here, and the gateway follows.\n"
		       "active:\n",
		       clusters_file);
	bool ok = edit_write(path, text, strlen(text), 0644, true, err);

	free(text);
	return ok || err->code == ERR_CONFLICT; /* it is there already */
}

bool
active_write(const char *path, const char *clusters_file, const char *logical, const char *cluster,
	     const char *instead_of, struct err *err)
{
	char *text = entry_text(cluster, instead_of);
	const char *const place[] = {"active", logical};
	const struct edit edit = {.path = place, .depth = 2, .value = text, .raw = true};
	bool ok = make_file(path, clusters_file, err) && edit_file(path, &edit, false, err);

	free(text);
	return ok;
}

bool
active_remove(const char *path, const char *logical, struct err *err)
{
	const char *const place[] = {"active", logical};
	const struct edit edit = {.path = place, .depth = 2};

	return edit_file(path, &edit, false, err) || err->code == ERR_NOT_FOUND;
}
