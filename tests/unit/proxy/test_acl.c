/* SPDX-License-Identifier: Apache-2.0
 *
 * The mapping of ACLs: each row there and back, what has no counterpart, and filters.
 */
#include <criterion/criterion.h>
#include <string.h>
#include "proxy/acl.h"

enum { TYPE_CLUSTER = 4, TYPE_DELEGATION_TOKEN = 6, TYPE_USER = 7 };

static const struct alias aliases[] = {{.topic = "shared", .physical = "existing"}};
static const struct vcluster team = {
    .name = "teamA", .prefix = "teamA", .aliases = aliases, .aliases_count = 1};

/* A tenant's ACL and the one on the brokers, by what differs. */
static const struct {
	struct acl mine;
	struct acl theirs;
} pairs[] = {
    {{"users", "User:sa", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3},
     {"teamAusers", "User:teamAsa", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3}},
    {{"*", "User:*", "h", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 4, 2},
     {"teamA", "User:teamA*", "h", ACL_TYPE_TOPIC, ACL_PATTERN_PREFIXED, 4, 2}},
    {{"us", "User:a:b", "*", ACL_TYPE_GROUP, ACL_PATTERN_PREFIXED, 3, 3},
     {"teamAus", "User:teamAa:b", "*", ACL_TYPE_GROUP, ACL_PATTERN_PREFIXED, 3, 3}},
    {{"*", "User:x", "*", ACL_TYPE_TRANSACTIONAL_ID, ACL_PATTERN_PREFIXED, 3, 3},
     {"teamA*", "User:teamAx", "*", ACL_TYPE_TRANSACTIONAL_ID, ACL_PATTERN_PREFIXED, 3, 3}},
    {{"teamA", "User:teamA", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3},
     {"teamAteamA", "User:teamAteamA", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3}},
    {{"shared", "User:x", "*", ACL_TYPE_GROUP, ACL_PATTERN_LITERAL, 3, 3},
     {"teamAshared", "User:teamAx", "*", ACL_TYPE_GROUP, ACL_PATTERN_LITERAL, 3, 3}},
};

static void
expect_same(const struct acl *got, const struct acl *wanted)
{
	cr_assert_not_null(got);
	cr_expect_str_eq(got->name, wanted->name);
	cr_expect_str_eq(got->principal, wanted->principal);
	cr_expect_str_eq(got->host, wanted->host);
	cr_expect_eq(got->type, wanted->type);
	cr_expect_eq(got->pattern, wanted->pattern);
	cr_expect_eq(got->operation, wanted->operation);
	cr_expect_eq(got->permission, wanted->permission);
}

Test(acl, there_and_back)
{
	struct arena *arena = arena_new();
	const char *why;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		expect_same(acl_to_physical(arena, &team, &pairs[i].mine, &why), &pairs[i].theirs);
		cr_expect_null(why);
		expect_same(acl_to_virtual(arena, &team, &pairs[i].theirs), &pairs[i].mine);
	}
	arena_free(&arena);
}

Test(acl, what_a_tenant_cannot_make)
{
	static const struct acl wrong[] = {
	    {"kafka-cluster", "User:x", "*", TYPE_CLUSTER, ACL_PATTERN_LITERAL, 3, 3},
	    {"t", "User:x", "*", TYPE_DELEGATION_TOKEN, ACL_PATTERN_LITERAL, 3, 3},
	    {"User:x", "User:x", "*", TYPE_USER, ACL_PATTERN_LITERAL, 3, 3},
	    {"x", "User:x", "*", ACL_TYPE_ANY, ACL_PATTERN_LITERAL, 3, 3},
	    {"x", "User:x", "*", 0, ACL_PATTERN_LITERAL, 3, 3},
	    {"x", "User:x", "*", -1, ACL_PATTERN_LITERAL, 3, 3},
	    {"", "User:x", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3},
	    {"", "User:x", "*", ACL_TYPE_TOPIC, ACL_PATTERN_PREFIXED, 3, 3},
	    {"x", "User:x", "*", ACL_TYPE_TOPIC, ACL_PATTERN_MATCH, 3, 3},
	    {"x", "User:x", "*", ACL_TYPE_TOPIC, ACL_PATTERN_ANY, 3, 3},
	    {"x", "User:", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3},
	    {"x", "Group:x", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3},
	    {"x", "", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3},
	    {"shared", "User:x", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3},
	};
	struct arena *arena = arena_new();
	const char *why;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		cr_expect_null(acl_to_physical(arena, &team, &wrong[i], &why), "row %zu", i);
		cr_expect(why != NULL && strlen(why) > 10, "row %zu", i);
	}
	arena_free(&arena);
}

Test(acl, what_is_not_the_tenants)
{
	static const struct acl foreign[] = {
	    {"*", "User:teamAx", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3},
	    {"team", "User:teamAx", "*", ACL_TYPE_TOPIC, ACL_PATTERN_PREFIXED, 3, 3},
	    {"teamBx", "User:teamAx", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3},
	    {"teamA", "User:teamAx", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3},
	    {"teamA*", "User:teamAx", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3},
	    {"teamAx", "User:teamA", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3},
	    {"teamAx", "User:*", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3},
	    {"teamAx", "User:teamBx", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3},
	    {"teamAx", "Group:teamAx", "*", ACL_TYPE_TOPIC, ACL_PATTERN_LITERAL, 3, 3},
	    {"teamAx", "User:teamAx", "*", TYPE_CLUSTER, ACL_PATTERN_LITERAL, 3, 3},
	    {"teamAx", "User:teamAx", "*", TYPE_USER, ACL_PATTERN_LITERAL, 3, 3},
	    {"", "User:teamAx", "*", ACL_TYPE_TOPIC, ACL_PATTERN_PREFIXED, 3, 3},
	};
	struct arena *arena = arena_new();

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		cr_expect_null(acl_to_virtual(arena, &team, &foreign[i]), "row %zu", i);
	arena_free(&arena);
}

/* Does the filter that goes to brokers find, by its resource, this ACL there? As brokers read it.
 */
static bool
broker_finds(const struct acl *filter, const struct acl *acl)
{
	if (filter->name != NULL && filter->pattern == ACL_PATTERN_MATCH &&
	    acl->pattern == ACL_PATTERN_PREFIXED)
		return (filter->type == ACL_TYPE_ANY || filter->type == acl->type) &&
		       strncmp(filter->name, acl->name, strlen(acl->name)) == 0;
	return acl_filter_has(filter, acl);
}

/* Whatever the tenant's filter means is found by what goes to the brokers. */
Test(acl, filters_lose_nothing)
{
	static const char *const names[] = {NULL, "users", "us", "usersandmore", "*", "x", "teamA"};
	struct arena *arena = arena_new();
	size_t meant = 0;

	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		for (int8_t pattern = ACL_PATTERN_ANY; pattern <= ACL_PATTERN_PREFIXED; pattern++) {
			struct acl filter = {names[n], NULL, NULL, ACL_TYPE_ANY, pattern, 1, 1};
			struct acl wide = acl_filter_to_physical(arena, &team, &filter);

			for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
				if (!acl_filter_has(&filter, &pairs[i].mine))
					continue;
				meant++;
				cr_expect(broker_finds(&wide, &pairs[i].theirs),
					  "name %s, pattern %d: %s", names[n] ? names[n] : "null",
					  pattern, pairs[i].mine.name);
			}
		}
	}
	cr_assert_gt(meant, 20);
	arena_free(&arena);
}

Test(acl, principals_in_filters)
{
	struct arena *arena = arena_new();
	struct acl filter = {NULL, "User:x", "h", ACL_TYPE_TOPIC, ACL_PATTERN_ANY, 3, 2};
	struct acl wide = acl_filter_to_physical(arena, &team, &filter);

	cr_expect_str_eq(wide.principal, "User:teamAx");
	cr_expect_str_eq(wide.host, "h");
	cr_expect_eq(wide.operation, 3);
	cr_expect_eq(wide.permission, 2);
	filter.principal = NULL;
	cr_expect_null(acl_filter_to_physical(arena, &team, &filter).principal);
	arena_free(&arena);
}
