/* SPDX-License-Identifier: Apache-2.0
 *
 * What a vcluster's file says of its users and their sessions.
 */
#include "scratch.h"

#define CLUSTERS "config: {main: {bootstrap.servers: 'a:9092'}}\n"

static struct scratch s;

static void
setup(void)
{
	scratch_init(&s);
}

static void
teardown(void)
{
	scratch_fini(&s);
}

TestSuite(users, .init = setup, .fini = teardown);

static const char *
load(const char *turnout, const char *vcluster)
{
	static char faults[8192];

	scratch_write(&s, "clusters.yaml", CLUSTERS);
	scratch_write(&s, "turnout.yaml", turnout);
	scratch_write(&s, "vclusters/teamA.yaml", vcluster);
	scratch_load(&s, NULL);
	return scratch_faults(&s, faults, sizeof(faults));
}

Test(users, what_they_may_and_how_much)
{
	const struct user *user;

	cr_assert_str_eq(load("", "users:\n"
				  "  all: {}\n"
				  "  batch:\n"
				  "    limits: {connections: 7, in.bytes.per.second: 1000,\n"
				  "             out: {bytes.per.second: 2000}}\n"
				  "  reader: {allow: [read]}\n"
				  "  some: {allow: 'write, ADMIN'}\n"),
			 "");
	user = vcluster_user(&s.snap->vclusters[0], "all");
	cr_assert_eq(user->allow_count, 0);
	cr_assert_not(user_has_limits(user));
	user = vcluster_user(&s.snap->vclusters[0], "batch");
	cr_assert(user_has_limits(user));
	cr_assert_eq(user->connections, 7);
	cr_assert_eq(user->in_rate, 1000);
	cr_assert_eq(user->out_rate, 2000);
	user = vcluster_user(&s.snap->vclusters[0], "reader");
	cr_assert_eq(user->allow_count, 1);
	cr_assert_eq(user->allow[0], 1);
	user = vcluster_user(&s.snap->vclusters[0], "some");
	cr_assert_eq(user->allow_count, 2);
	cr_assert_eq(user->allow[0], 2);
	cr_assert_eq(user->allow[1], 3);
}

Test(users, words_that_are_none)
{
	const char *faults = load("", "users:\n  a: {allow: [raed]}\n");

	cr_assert_null(s.snap);
	cr_assert_not_null(strstr(faults, "vclusters/teamA.yaml:2:15: users.a.allow[0]: \"raed\" "),
			   "%s", faults);
	cr_assert_not_null(strstr(faults, "it takes describe, read, write, admin."), "%s", faults);
	cr_assert_not_null(strstr(faults, "Did you mean read?"), "%s", faults);
	faults = load("", "users:\n  a: {alow: [read]}\n");
	cr_assert_not_null(strstr(faults, "users.a.alow: unknown key: did you mean allow?"), "%s",
			   faults);
	faults = load("", "users:\n  a: {allow: []}\n");
	cr_assert_not_null(strstr(faults, "users.a.allow: must be a list that is not empty"), "%s",
			   faults);
	faults = load("", "users:\n  a: {limits.connections: -1}\n");
	cr_assert_not_null(strstr(faults, "users.a.limits.connections: \"-1\" is out of range"),
			   "%s", faults);
	faults = load("", "users:\n  a: {limits: {in: 5}}\n");
	cr_assert_not_null(strstr(faults, "users.a.limits.in: is a group of keys"), "%s", faults);
}

Test(users, how_long_their_sessions_are)
{
	cr_assert_str_eq(load("", "users: {a: {}}\n"), "");
	cr_assert_eq(s.snap->vclusters[0].session_lifetime_ms, 0);
	cr_assert_str_eq(load("session.lifetime.ms: 5000\n", "users: {a: {}}\n"), "");
	cr_assert_eq(s.snap->vclusters[0].session_lifetime_ms, 5000);
	cr_assert_str_eq(load("session.lifetime.ms: 5000\n", "session: {lifetime.ms: 0}\n"), "");
	cr_assert_eq(s.snap->vclusters[0].session_lifetime_ms, 0);
	cr_assert_str_eq(load("session.lifetime.ms: 5000\n", "session.lifetime.ms: 7000\n"), "");
	cr_assert_eq(s.snap->vclusters[0].session_lifetime_ms, 7000);
	cr_assert_not_null(strstr(load("", "session.lifetime.ms: soon\n"),
				  "session.lifetime.ms: \"soon\" is not a whole number"));
}
