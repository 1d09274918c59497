/* SPDX-License-Identifier: Apache-2.0
 *
 * What one file says of another: active clusters, logical clusters, prefixes, aliases, ports. Start
 * at link_all(). Faults stand at the line that must change.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/parse.h"
#include "config/loading.h"

/* At the value of a key in a file's tree, or at the file where the key is not written. */
static void link_fault(struct loading *l, const char *file, const struct node *root,
		       const char *key, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void
link_fault(struct loading *l, const char *file, const struct node *root, const char *key,
	   const char *format, ...)
{
	const struct node *node = root != NULL ? node_find(root, key) : NULL;
	struct reader r = {.arena = l->scratch, .faults = l->faults, .file = file};
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (node != NULL)
		read_fault(&r, FAULT_ERROR, node, key, "%s", text);
	else
		faults_add(l->faults, FAULT_ERROR, file, 0, 0, key, "%s", text);
}

/* The default number of ports is cut to what fits; one that was asked for is a fault. */
static void
link_ports(struct loading *l)
{
	struct settings *s = &l->snap->settings;
	int64_t room = 65536 - s->port_start;
	bool asked = loading_is_set(l, "port.count");

	if (s->port_count > room && asked)
		link_fault(l, l->config_path, l->settings_root, "port.count",
			   "%d ports from %d on go beyond 65535", (int)s->port_count,
			   (int)s->port_start);
	if (s->port_count > room)
		s->port_count = room;
	if (s->admin_port < s->port_start || s->admin_port >= s->port_start + s->port_count)
		return;
	if (asked || s->admin_port == s->port_start)
		link_fault(l, l->config_path, l->settings_root, "admin.port",
			   "%d is one of the %d ports for Kafka clients from %d on: change it, "
			   "port.start or port.count",
			   (int)s->admin_port, (int)s->port_count, (int)s->port_start);
	else
		s->port_count = s->admin_port - s->port_start;
}

static void
link_settings(struct loading *l)
{
	const struct settings *s = &l->snap->settings;

	link_ports(l);
	if (s->frame_unauthenticated_bytes > s->frame_bytes)
		link_fault(l, l->config_path, l->settings_root,
			   "limits.frame.unauthenticated.bytes", "is more than limits.frame.bytes");
	for (size_t i = 0; i < s->admin_users_count; i++) {
		const char *name = s->admin_users[i].name;

		if (name != NULL && strchr(name, ':') != NULL)
			link_fault(l, l->config_path, l->settings_root, "admin.users",
				   "an account's name cannot hold a colon (basic authentication)");
		for (size_t j = 0; name != NULL && j < i; j++) {
			if (s->admin_users[j].name != NULL &&
			    strcmp(s->admin_users[j].name, name) == 0)
				link_fault(l, l->config_path, l->settings_root, "admin.users",
					   "the account %.128s stands here twice", name);
		}
	}
}

/* ": did you mean x?" or ": configured are a, b"; returns out. */
static const char *
cluster_hint(const struct loading *l, const char *name, char *out, size_t size)
{
	const char *near = NULL;
	size_t used;

	for (size_t i = 0; i < l->snap->clusters_count; i++)
		near = word_nearest(name, l->snap->clusters[i].name, near);
	if (near != NULL) {
		snprintf(out, size, ": did you mean %s?", near);
		return out;
	}
	used =
	    (size_t)snprintf(out, size, ": there %s", l->snap->clusters_count == 1 ? "is" : "are");
	for (size_t i = 0; i < l->snap->clusters_count && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s %s", i > 0 ? "," : "",
					 l->snap->clusters[i].name);
	return out;
}

static const struct choice *
find_choice(const struct loading *l, const char *logical)
{
	for (size_t i = 0; i < l->active_count; i++) {
		if (strcmp(l->active[i].logical, logical) == 0)
			return &l->active[i];
	}
	return NULL;
}

/* Index of the physical cluster that the files say serves a logical one, or -1. A choice that names
 * none gets its fault here, for other reasons the caller says what is wrong. */
static int
resolve_active(struct loading *l, const char *logical)
{
	const struct choice *choice = find_choice(l, logical);
	const char *path = l->snap->settings.clusters_file;
	struct reader r = {.arena = l->scratch, .faults = l->faults, .file = path};
	char hint[256];
	int index;

	if (choice == NULL)
		return snapshot_cluster(l->snap, logical);
	index = snapshot_cluster(l->snap, choice->physical);
	if (index < 0)
		read_fault(&r, FAULT_ERROR, choice->node, "active",
			   "no physical cluster is named %s%s", choice->physical,
			   cluster_hint(l, choice->physical, hint, sizeof(hint)));
	return index;
}

/* All logical clusters found so far; room for all that there can be. */
static void
add_logical(struct loading *l, struct logical *logicals, const char *name, int active)
{
	logicals[l->snap->logicals_count++] = (struct logical){
	    .name = name, .active = active >= 0 ? (size_t)active : 0, .own = active_own(l, name)};
}

static void
link_main(struct loading *l, struct logical *logicals)
{
	int active = resolve_active(l, "main");

	if (active < 0 && find_choice(l, "main") == NULL)
		link_fault(l, l->snap->settings.clusters_file, l->clusters_root, "config",
			   "no cluster is named main: name one so, or say which one serves with "
			   "active: NAME");
	add_logical(l, logicals, "main", active);
}

static void
link_canary(struct loading *l, struct logical *logicals, size_t index)
{
	struct vcluster *vc = &l->vclusters[index];
	int active = snapshot_cluster(l->snap, vc->active);
	char hint[256];

	if (active < 0)
		link_fault(l, vc->file, l->vcluster_roots[index], "active",
			   "no physical cluster is named %s%s", vc->active,
			   cluster_hint(l, vc->active, hint, sizeof(hint)));
	vc->logical = l->snap->logicals_count;
	add_logical(l, logicals, arena_printf(l->snap->arena, "vcluster:%s", vc->name), active);
}

static void
link_vcluster(struct loading *l, struct logical *logicals, size_t index)
{
	struct vcluster *vc = &l->vclusters[index];
	int logical = snapshot_logical(l->snap, vc->cluster);
	char hint[256];

	if (logical < 0) {
		int active = resolve_active(l, vc->cluster);

		if (active < 0)
			link_fault(l, vc->file, l->vcluster_roots[index], "cluster",
				   "no cluster is named %s%s", vc->cluster,
				   cluster_hint(l, vc->cluster, hint, sizeof(hint)));
		logical = (int)l->snap->logicals_count;
		add_logical(l, logicals, vc->cluster, active);
	}
	vc->logical = (size_t)logical;
	if (vc->active != NULL)
		link_canary(l, logicals, index);
}

static void
link_logicals(struct loading *l)
{
	size_t most =
	    1 + l->clusters.active_count + l->entries.active_count + 2 * l->vclusters_count;
	struct logical *logicals = arena_array(l->snap->arena, most, sizeof(*logicals));

	l->snap->clusters = l->clusters.clusters;
	l->snap->clusters_count = l->clusters.clusters_count;
	active_link(l);
	l->snap->logicals = logicals;
	link_main(l, logicals);
	for (size_t i = 0; i < l->active_count; i++) {
		const char *name = l->active[i].logical;

		if (snapshot_logical(l->snap, name) < 0)
			add_logical(l, logicals, name, resolve_active(l, name));
	}
	for (size_t i = 0; i < l->vclusters_count; i++) {
		if (l->vcluster_roots[i] != NULL)
			link_vcluster(l, logicals, i);
	}
}

/* Kafka takes two topics that differ in . and _ only for the same one. */
static const char *
canonical(struct loading *l, const char *name)
{
	char *copy = arena_strdup(l->scratch, name);

	for (char *c = copy; *c != '\0'; c++)
		*c = *c == '.' ? '_' : *c;
	return copy;
}

static bool
begins_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

struct claim {
	const char *prefix; /* canonical */
	size_t index;       /* of the vcluster */
};

static int
compare_claims(const void *a, const void *b)
{
	const struct claim *left = a;
	const struct claim *right = b;
	int order = strcmp(left->prefix, right->prefix);

	if (order == 0)
		order = left->index < right->index ? -1 : 1;
	return order;
}

/* In sorted order all that begin with a prefix follow it directly. */
static void
link_prefixes(struct loading *l)
{
	struct claim *claims = arena_array(l->scratch, l->vclusters_count, sizeof(*claims));

	for (size_t i = 0; i < l->vclusters_count; i++)
		claims[i] = (struct claim){canonical(l, l->vclusters[i].prefix), i};
	qsort(claims, l->vclusters_count, sizeof(*claims), compare_claims);
	for (size_t i = 0; i < l->vclusters_count; i++) {
		const struct vcluster *vc = &l->vclusters[claims[i].index];

		if (begins_with(claims[i].prefix, "__") || strcmp(claims[i].prefix, "_") == 0)
			link_fault(l, vc->file, l->vcluster_roots[claims[i].index], "prefix",
				   "%s would take in topics of Kafka itself, which begin with __",
				   vc->prefix);
		for (size_t j = i + 1;
		     j < l->vclusters_count && begins_with(claims[j].prefix, claims[i].prefix);
		     j++) {
			const struct vcluster *other = &l->vclusters[claims[j].index];

			link_fault(l, other->file, l->vcluster_roots[claims[j].index], "prefix",
				   "%s begins with %s, the prefix of %s: their topics could not be "
				   "told apart (. and _ count as equal); change one",
				   other->prefix, vc->prefix, vc->file);
		}
	}
}

static int
compare_physical(const void *a, const void *b)
{
	const struct alias *const *left = a;
	const struct alias *const *right = b;
	int order = strcmp((*left)->physical, (*right)->physical);

	return order != 0 ? order : strcmp((*left)->topic, (*right)->topic);
}

static void
alias_fault(struct loading *l, size_t index, const struct alias *alias, const char *text)
{
	const struct vcluster *vc = &l->vclusters[index];
	const struct node *topics = node_child(l->vcluster_roots[index], "topics");
	const struct node *node = topics != NULL ? node_child(topics, alias->topic) : NULL;
	struct reader r = {.arena = l->scratch, .faults = l->faults, .file = vc->file};

	if (node != NULL && node_child(node, "physical") != NULL)
		node = node_child(node, "physical");
	if (node != NULL)
		read_fault(&r, FAULT_ERROR, node,
			   arena_printf(l->scratch, "topics.%s.physical", alias->topic), "%s",
			   text);
}

/* A physical topic must have one name only for a tenant: answers are renamed by it. */
static void
link_aliases(struct loading *l, size_t index)
{
	struct vcluster *vc = &l->vclusters[index];
	const struct alias **sorted =
	    arena_array(l->snap->arena, vc->aliases_count, sizeof(*sorted));
	size_t count = 0;

	for (size_t i = 0; i < vc->aliases_count; i++) {
		const struct alias *alias = &vc->aliases[i];

		if (alias->physical == NULL)
			continue;
		sorted[count++] = alias;
		if (begins_with(canonical(l, alias->physical), "__"))
			alias_fault(
			    l, index, alias,
			    "is a topic of Kafka itself, which no tenant may have: name another");
		else if (begins_with(canonical(l, alias->physical), canonical(l, vc->prefix)))
			alias_fault(l, index, alias,
				    "begins with the tenant's own prefix: the tenant sees it "
				    "without an alias; take this one out");
	}
	qsort(sorted, count, sizeof(*sorted), compare_physical);
	for (size_t i = 1; i < count; i++) {
		if (strcmp(sorted[i]->physical, sorted[i - 1]->physical) == 0)
			alias_fault(
			    l, index, sorted[i],
			    arena_printf(l->scratch,
					 "%s is that of %s too: a tenant can have it under one "
					 "name only; take one out",
					 sorted[i]->physical, sorted[i - 1]->topic));
	}
	vc->aliases_by_physical = sorted;
}

/* A topic that somebody may write to, by an alias. */
struct writer {
	const struct alias *alias;
	size_t vcluster;
};

static int
compare_writers(const void *a, const void *b)
{
	const struct writer *left = a;
	const struct writer *right = b;

	return strcmp(left->alias->physical, right->alias->physical);
}

static size_t
find_writers(struct loading *l, struct writer *writers)
{
	size_t count = 0;

	for (size_t i = 0; i < l->vclusters_count; i++) {
		const struct vcluster *vc = &l->vclusters[i];

		for (size_t k = 0; k < vc->aliases_count; k++) {
			if (vc->aliases[k].physical != NULL && !vc->aliases[k].read_only)
				writers[count++] = (struct writer){&vc->aliases[k], i};
		}
	}
	return count;
}

/* The other tenant whose own topic it is, or NULL. */
static struct vcluster *
find_owner(const struct loading *l, const struct writer *writer)
{
	for (size_t i = 0; i < l->vclusters_count; i++) {
		if (i != writer->vcluster &&
		    begins_with(writer->alias->physical, l->vclusters[i].prefix))
			return &l->vclusters[i];
	}
	return NULL;
}

/* Tells the owner of a topic of its guest. writers are sorted by physical name, so the list is,
 * too.
 */
static void
add_guested(struct loading *l, struct vcluster *owner, const char *physical)
{
	const char **list = arena_array(l->snap->arena, owner->guested_count + 1, sizeof(*list));

	if (owner->guested_count > 0 &&
	    strcmp(owner->guested[owner->guested_count - 1], physical) == 0)
		return;
	for (size_t i = 0; i < owner->guested_count; i++)
		list[i] = owner->guested[i];
	list[owner->guested_count++] = physical;
	owner->guested = list;
}

/* Which aliases lead to topics that others write to as well: by an alias of theirs, or as their own
 * (producers.h says what for). Whether they are on one cluster is not asked: a switch may bring
 * them together. */
static void
link_contested(struct loading *l)
{
	size_t count = 0;
	struct writer *writers;

	for (size_t i = 0; i < l->vclusters_count; i++)
		count += l->vclusters[i].aliases_count;
	writers = arena_array(l->scratch, count, sizeof(*writers));
	count = find_writers(l, writers);
	qsort(writers, count, sizeof(*writers), compare_writers);
	for (size_t i = 0; i < count; i++) {
		/* the snapshot is still ours to write to */
		struct alias *alias = (struct alias *)(uintptr_t)writers[i].alias;
		struct vcluster *owner = find_owner(l, &writers[i]);

		alias->is_contested =
		    (i > 0 && compare_writers(&writers[i], &writers[i - 1]) == 0) ||
		    (i + 1 < count && compare_writers(&writers[i], &writers[i + 1]) == 0) ||
		    owner != NULL;
		if (owner != NULL)
			add_guested(l, owner, alias->physical);
	}
}

void
config_cluster_id(const char *gateway, const char *vcluster, char out[23])
{
	static const char domain[] = "turnout vcluster";
	size_t gateway_size = strlen(gateway) + 1;
	size_t length = sizeof(domain) + gateway_size + strlen(vcluster);
	char *text = mem_alloc(length);
	uint8_t digest[SHA256_BYTES];

	memcpy(text, domain, sizeof(domain));
	memcpy(text + sizeof(domain), gateway, gateway_size);
	memcpy(text + sizeof(domain) + gateway_size, vcluster, strlen(vcluster));
	sha256(text, length, digest);
	format_base64url(digest, 16, out, 23);
	if (out[0] == '-')
		out[0] = 'A';
	free(text);
}

/* A tenant that says nothing of it has the gateway's. */
static void
link_session(struct loading *l, size_t index)
{
	if (l->vcluster_roots[index] == NULL ||
	    node_find(l->vcluster_roots[index], "session.lifetime.ms") == NULL)
		l->vclusters[index].session_lifetime_ms = l->snap->settings.session_lifetime_ms;
}

void
link_all(struct loading *l)
{
	link_settings(l);
	if (l->clusters_root != NULL && l->clusters.clusters_count > 0)
		link_logicals(l);
	link_prefixes(l);
	for (size_t i = 0; i < l->vclusters_count; i++) {
		if (l->vcluster_roots[i] != NULL)
			link_aliases(l, i);
		link_session(l, i);
		config_cluster_id(l->snap->settings.cluster_id, l->vclusters[i].name,
				  l->vclusters[i].cluster_id);
	}
	link_contested(l);
	l->snap->vclusters = l->vclusters;
	l->snap->vclusters_count = l->vclusters_count;
}
