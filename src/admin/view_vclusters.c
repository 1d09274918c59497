/* SPDX-License-Identifier: Apache-2.0
 *
 * Views of vclusters, their users and topics. For operators: physical names are shown.
 */
#include <stdlib.h>
#include <string.h>
#include "admin/view.h"
#include "base/ensure.h"
#include "base/mem.h"

json_t *
view_vclusters(const struct snapshot *snap)
{
	json_t *names = json_array();

	for (size_t i = 0; i < snap->vclusters_count; i++)
		json_array_append_new(names, view_text(snap->vclusters[i].name));
	return json_pack("{s:o}", "vclusters", names);
}

static json_t *
topic(const char *name, json_t *physical, bool read_only)
{
	return json_pack("{s:o, s:o, s:b, s:b}", "logicalTopicName", view_text(name),
			 "physicalTopicName", physical, "readOnly", (int)read_only, "concentrated",
			 0);
}

static json_t *
alias(const struct alias *a)
{
	return topic(a->topic, view_text(a->physical), a->read_only);
}

static json_t *
aliases(const struct vcluster *vc)
{
	json_t *out = json_array();

	for (size_t i = 0; i < vc->aliases_count; i++)
		json_array_append_new(out, alias(&vc->aliases[i]));
	return out;
}

static json_t *
allowed(const struct user *user)
{
	static const char *const words[] = {"describe", "read", "write", "admin"};
	json_t *out = json_array();

	for (size_t i = 0; i < user->allow_count; i++)
		json_array_append_new(out, json_string(words[user->allow[i]]));
	for (size_t i = 0; user->allow_count == 0 && i < 4; i++)
		json_array_append_new(out, json_string(words[i]));
	return out;
}

/* 0 is no limit: null. */
static json_t *
limit(int64_t number)
{
	return number > 0 ? json_integer(number) : json_null();
}

static json_t *
user(const struct user *u)
{
	return json_pack("{s:o, s:o, s:o, s:{s:o, s:o, s:o}}", "name", view_text(u->name),
			 "notBefore", view_time(u->not_before), "allow", allowed(u), "limits",
			 "connections", limit(u->connections), "inBytesPerSecond",
			 limit(u->in_rate), "outBytesPerSecond", limit(u->out_rate));
}

static json_t *
users(const struct vcluster *vc)
{
	json_t *out = json_array();

	for (size_t i = 0; i < vc->users_count; i++)
		json_array_append_new(out, user(&vc->users[i]));
	return out;
}

json_t *
view_vcluster(const struct vcluster *vc)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o}", "name",
			 view_text(vc->name), "prefix", view_text(vc->prefix), "cluster",
			 view_text(vc->cluster), "active", view_text(vc->active), "clusterId",
			 vc->cluster_id, "file", view_text(vc->file), "sessionLifetimeMs",
			 limit(vc->session_lifetime_ms), "users", users(vc), "topics", aliases(vc));
}

static json_t *
prefixed(const struct vcluster *vc, const char *name)
{
	char *physical = mem_printf("%s%s", vc->prefix, name);
	json_t *out = topic(name, view_text(physical), false);

	free(physical);
	return out;
}

/* Both lists are sorted by name; where a name is in both, the alias is what clients get. */
json_t *
view_topics(const struct vcluster *vc, const char *const *names, size_t count)
{
	json_t *out = json_array();
	size_t n = 0;
	size_t a = 0;

	while (n < count || a < vc->aliases_count) {
		int order = n == count               ? 1
			    : a == vc->aliases_count ? -1
						     : strcmp(names[n], vc->aliases[a].topic);

		json_array_append_new(out,
				      order < 0 ? prefixed(vc, names[n]) : alias(&vc->aliases[a]));
		n += order <= 0;
		a += order >= 0;
	}
	return out;
}

static const struct alias *
find_alias(const struct vcluster *vc, const char *topic)
{
	for (size_t i = 0; i < vc->aliases_count; i++) {
		if (strcmp(vc->aliases[i].topic, topic) == 0)
			return &vc->aliases[i];
	}
	return NULL;
}

bool
view_has_alias(const struct vcluster *vc, const char *topic)
{
	return find_alias(vc, topic) != NULL;
}

json_t *
view_topic(const struct vcluster *vc, const char *name)
{
	const struct alias *a = find_alias(vc, name);

	return a != NULL ? alias(a) : prefixed(vc, name);
}

json_t *
view_alias(const struct vcluster *vc, const char *topic)
{
	const struct alias *a = find_alias(vc, topic);

	ENSURE(a != NULL);
	return json_pack("{s:o, s:o, s:o, s:b, s:s}", "logicalTopicName", view_text(a->topic),
			 "clusterId", view_text(vc->cluster), "physicalTopicName",
			 view_text(a->physical), "readOnly", (int)a->read_only, "type", "ALIAS");
}
