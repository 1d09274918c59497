/* SPDX-License-Identifier: Apache-2.0
 *
 * The mapping of ACLs. Start at acl_to_physical().
 */
#include "proxy/acl.h"
#include <string.h>

#define USER "User:"

static bool
is_own_type(int type)
{
	return type == ACL_TYPE_TOPIC || type == ACL_TYPE_GROUP ||
	       type == ACL_TYPE_TRANSACTIONAL_ID;
}

static bool
is_wildcard(const char *name)
{
	return strcmp(name, "*") == 0;
}

/* What follows `start` in a text, or NULL where it begins otherwise. */
static const char *
rest_of(const char *text, const char *start)
{
	size_t length = strlen(start);

	return strncmp(text, start, length) == 0 ? text + length : NULL;
}

static const char *
add_prefix(struct arena *arena, const struct vcluster *vc, const char *name)
{
	return arena_printf(arena, "%s%s", vc->prefix, name);
}

static const char *
principal_to_physical(struct arena *arena, const struct vcluster *vc, const char *principal)
{
	const char *user = rest_of(principal, USER);

	if (user == NULL || *user == '\0')
		return NULL;
	return arena_printf(arena, USER "%s%s", vc->prefix, user);
}

static const char *
principal_to_virtual(struct arena *arena, const struct vcluster *vc, const char *principal)
{
	const char *user = rest_of(principal, USER);

	if (user != NULL)
		user = rest_of(user, vc->prefix);
	if (user == NULL || *user == '\0')
		return NULL;
	return arena_printf(arena, USER "%s", user);
}

static bool
is_alias(const struct vcluster *vc, const char *name)
{
	for (size_t i = 0; i < vc->aliases_count; i++) {
		if (strcmp(vc->aliases[i].topic, name) == 0)
			return true;
	}
	return false;
}

/* Why the resource cannot have ACLs, or NULL. */
static const char *
refusal(const struct vcluster *vc, const struct acl *acl)
{
	if (!is_own_type(acl->type))
		return "ACLs of a virtual cluster are of topics, groups and transactional ids.";
	if (acl->pattern != ACL_PATTERN_LITERAL && acl->pattern != ACL_PATTERN_PREFIXED)
		return "The pattern of an ACL is literal or prefixed.";
	if (*acl->name == '\0')
		return "The name of the resource is empty.";
	if (acl->type == ACL_TYPE_TOPIC && acl->pattern == ACL_PATTERN_LITERAL &&
	    is_alias(vc, acl->name))
		return "The topic is an alias; its ACLs are the operator's.";
	return NULL;
}

const struct acl *
acl_to_physical(struct arena *arena, const struct vcluster *vc, const struct acl *acl,
		const char **why)
{
	struct acl *out;

	*why = refusal(vc, acl);
	if (*why != NULL)
		return NULL;
	out = arena_alloc(arena, sizeof(*out));
	*out = *acl;
	out->principal = principal_to_physical(arena, vc, acl->principal);
	if (out->principal == NULL) {
		*why = "The principal of an ACL is User:NAME.";
		return NULL;
	}
	if (acl->pattern == ACL_PATTERN_LITERAL && is_wildcard(acl->name)) {
		out->pattern = ACL_PATTERN_PREFIXED;
		out->name = vc->prefix;
	} else {
		out->name = add_prefix(arena, vc, acl->name);
	}
	return out;
}

/* A literal * behind the prefix would read as the wildcard that it is not. */
const struct acl *
acl_to_virtual(struct arena *arena, const struct vcluster *vc, const struct acl *acl)
{
	const char *name = rest_of(acl->name, vc->prefix);
	const char *principal = principal_to_virtual(arena, vc, acl->principal);
	struct acl *out;

	if (!is_own_type(acl->type) || name == NULL || principal == NULL)
		return NULL;
	if (acl->pattern == ACL_PATTERN_LITERAL && (*name == '\0' || is_wildcard(name)))
		return NULL;
	if (acl->pattern != ACL_PATTERN_LITERAL && acl->pattern != ACL_PATTERN_PREFIXED)
		return NULL;
	out = arena_alloc(arena, sizeof(*out));
	*out = *acl;
	out->principal = principal;
	out->name = name;
	if (*name == '\0') {
		out->pattern = ACL_PATTERN_LITERAL;
		out->name = "*";
	}
	return out;
}

/* What the tenant sees as a literal wildcard is a prefixed pattern on the brokers: filters by
 * literal patterns, or by the wildcard's name, have to be wider there. */
static void
widen(struct acl *out, const struct vcluster *vc, const struct acl *filter)
{
	if (filter->name == NULL) {
		if (filter->pattern == ACL_PATTERN_LITERAL)
			out->pattern = ACL_PATTERN_ANY;
	} else if (is_wildcard(filter->name) && filter->pattern == ACL_PATTERN_LITERAL) {
		out->name = vc->prefix;
		out->pattern = ACL_PATTERN_PREFIXED;
	} else if (is_wildcard(filter->name) && filter->pattern != ACL_PATTERN_PREFIXED) {
		out->name = NULL;
		out->pattern = ACL_PATTERN_ANY;
	}
}

struct acl
acl_filter_to_physical(struct arena *arena, const struct vcluster *vc, const struct acl *filter)
{
	struct acl out = *filter;
	const char *principal = NULL;

	if (filter->name != NULL)
		out.name = add_prefix(arena, vc, filter->name);
	widen(&out, vc, filter);
	if (filter->principal != NULL)
		principal = principal_to_physical(arena, vc, filter->principal);
	if (principal != NULL)
		out.principal = principal;
	return out;
}

static bool
is_same_name(const struct acl *filter, const struct acl *acl)
{
	return strcmp(filter->name, acl->name) == 0;
}

/* As org.apache.kafka.common.resource.ResourcePatternFilter has it. */
bool
acl_filter_has(const struct acl *filter, const struct acl *acl)
{
	if (filter->type != ACL_TYPE_ANY && filter->type != acl->type)
		return false;
	if (filter->pattern != ACL_PATTERN_ANY && filter->pattern != ACL_PATTERN_MATCH &&
	    filter->pattern != acl->pattern)
		return false;
	if (filter->name == NULL)
		return true;
	if (filter->pattern != ACL_PATTERN_MATCH)
		return is_same_name(filter, acl);
	if (acl->pattern == ACL_PATTERN_LITERAL)
		return is_same_name(filter, acl) || is_wildcard(acl->name);
	return rest_of(filter->name, acl->name) != NULL;
}
