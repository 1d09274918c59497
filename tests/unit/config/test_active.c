/* SPDX-License-Identifier: Apache-2.0
 *
 * active.yaml: when it is read, which entries count, and what a switch writes there.
 */
#include "config/active.h"
#include "config/file.h"
#include "scratch.h"

#define CLUSTERS                                                                                   \
	"config:\n"                                                                                \
	"  main: {bootstrap.servers: 'k:1'}\n"                                                     \
	"  failover: {bootstrap.servers: 'k:2'}\n"

static struct scratch s;
static char selector[512];
static char *environment[] = {selector, NULL};

static void
setup(void)
{
	char path[128];
	char text[256];

	scratch_init(&s);
	snprintf(path, sizeof(path), "%s/state", s.dir);
	cr_assert(mkdir(path, 0755) == 0);
	snprintf(text, sizeof(text), "state.dir: %s\n", path);
	scratch_write(&s, "turnout.yaml", text);
	snprintf(selector, sizeof(selector),
		 "GATEWAY_BACKEND_KAFKA_SELECTOR=file : { path:  %s/clusters.yaml}", s.dir);
}

static void
teardown(void)
{
	scratch_fini(&s);
}

TestSuite(active, .init = setup, .fini = teardown);

/* Loads; the faults as text. */
static const char *
load(char *const *env, const char *clusters, const char *entries)
{
	static char text[4096];

	scratch_write(&s, "clusters.yaml", clusters);
	if (entries != NULL)
		scratch_write(&s, "state/active.yaml", entries);
	scratch_load(&s, env);
	return scratch_faults(&s, text, sizeof(text));
}

static const char *
serving(const char *logical)
{
	int index = snapshot_logical(s.snap, logical);

	cr_assert_geq(index, 0, "%s", logical);
	return s.snap->clusters[s.snap->logicals[index].active].name;
}

static const char *
own(const char *logical)
{
	return s.snap->logicals[snapshot_logical(s.snap, logical)].own;
}

Test(active, is_not_read_unless_the_environment_names_clusters_yaml)
{
	cr_assert_str_eq(load(NULL, CLUSTERS, "active: {main: {cluster: failover}}\n"), "");
	cr_assert_eq(s.snap->active_file, NULL);
	cr_assert_eq(s.snap->files_count, 2);
	cr_assert_str_eq(serving("main"), "main");
}

Test(active, may_be_missing)
{
	char path[512];

	cr_assert_str_eq(load(environment, CLUSTERS, NULL), "");
	snprintf(path, sizeof(path), "%s/state/active.yaml", s.dir);
	cr_assert_str_eq(s.snap->active_file, path);
	cr_assert_eq(s.snap->files_count, 3);
	cr_assert_str_eq(s.snap->files[2].path, path);
	cr_assert_str_eq(s.snap->files[2].sha256, "");
	cr_assert_str_eq(serving("main"), "main");
	cr_assert_eq(own("main"), NULL);
}

Test(active, an_entry_counts_and_is_told)
{
	char before[SHA256_HEX];
	char want[1024];

	load(environment, CLUSTERS, NULL);
	memcpy(before, s.snap->digest, sizeof(before));
	snprintf(want, sizeof(want),
		 "state/active.yaml:1:10: warning: active.main: active of main is failover by "
		 "%s/state/active.yaml, because %s/clusters.yaml cannot be written; an edit of "
		 "active there wins\n",
		 s.dir, s.dir);
	cr_assert_str_eq(load(environment, CLUSTERS, "active: {main: {cluster: failover}}\n"),
			 want);
	cr_assert_str_eq(serving("main"), "failover");
	cr_assert_eq(own("main"), NULL);
	cr_assert_eq(strlen(s.snap->files[2].sha256), 64);
	cr_assert_str_neq(s.snap->digest, before);
	cr_assert_eq(s.snap->stale_count, 0);

	cr_assert_str_eq(
	    load(environment, CLUSTERS, "active: {main: {cluster: failover, instead.of: main}}\n"),
	    want);
	cr_assert_str_eq(load(environment, "active: main\n" CLUSTERS,
			      "active: {main: {cluster: failover, instead.of: main}}\n"),
			 want);
	cr_assert_str_eq(serving("main"), "failover");
	cr_assert_str_eq(own("main"), "main");
}

Test(active, an_edit_of_clusters_yaml_wins)
{
	static const char *const cases[][2] = {
	    {"active: main\n" CLUSTERS, "active: {main: {cluster: failover}}\n"},
	    {"active: {main: main}\n" CLUSTERS, "active: {main: {cluster: failover}}\n"},
	    {"active: main\n" CLUSTERS,
	     "active: {main: {cluster: failover, instead.of: failover}}\n"},
	    {CLUSTERS, "active: {main: {cluster: failover, instead.of: failover}}\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text = load(environment, cases[i][0], cases[i][1]);

		cr_expect_neq(strstr(text, "state/active.yaml:1:10: warning: active.main: failover "
					   "is not used any more: "),
			      NULL, "%s", text);
		cr_expect_eq(faults_count(s.faults), 1, "%s", text);
		cr_expect_str_eq(serving("main"), "main");
		cr_expect_eq(s.snap->stale_count, 1);
		cr_expect_str_eq(s.snap->stale[0], "main");
	}
}

Test(active, logical_clusters_apart)
{
	load(environment, "active: {eu: main}\n" CLUSTERS,
	     "active:\n"
	     "  eu: {cluster: failover, instead.of: main}\n"
	     "  main: {cluster: failover}\n");
	cr_assert_str_eq(serving("eu"), "failover");
	cr_assert_str_eq(serving("main"), "failover");
	cr_assert_str_eq(own("eu"), "main");
	cr_assert_eq(s.snap->logicals_count, 2);
}

Test(active, faults)
{
	static const char *const cases[][2] = {
	    {"active: {main: {cluster: nowhere}}\n",
	     "state/active.yaml:1:16: active.main: no physical cluster is named nowhere"},
	    {"active: {main: {}}\n", "active.main"},
	    {"active: {main: failover}\n", "state/active.yaml:1:16: active.main: must be"},
	    {"active: failover\n", "state/active.yaml:1:9: active: must be a map"},
	    {"activ: {}\n", "did you mean active?"},
	    {"active: {main: {cluster: [a]}}\n", "active.main.cluster"},
	    {"active: {'a b': {cluster: main}}\n", "not a name"},
	    {"active: [", "state/active.yaml:"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text = load(environment, CLUSTERS, cases[i][0]);

		cr_expect_eq(s.snap, NULL, "%s", cases[i][0]);
		cr_expect_neq(strstr(text, cases[i][1]), NULL, "%s -> %s", cases[i][0], text);
	}
}

static void
expect_file(const char *path, const char *end)
{
	char *text;
	size_t length;
	struct err err;
	const char *active;

	cr_assert(file_read(path, &text, &length, &err), "%s", err.text);
	cr_expect_eq(strncmp(text, "# Written by turnoutd", 21), 0, "%s", text);
	cr_expect_neq(strstr(text, "/config/clusters.yaml"), NULL, "%s", text);
	active = strstr(text, "\nactive:");
	cr_assert_neq(active, NULL, "%s", text);
	cr_expect_str_eq(active + 1, end);
	free(text);
}

Test(active, written_and_removed)
{
	char path[512];
	struct err err;

	snprintf(path, sizeof(path), "%s/state/active.yaml", s.dir);
	cr_assert(active_remove(path, "main", &err), "%s", err.text);
	cr_assert(active_write(path, "/config/clusters.yaml", "main", "failover", NULL, &err), "%s",
		  err.text);
	expect_file(path, "active:\n  main: {cluster: failover}\n");
	cr_assert(active_write(path, "/config/clusters.yaml", "eu", "null", "main", &err), "%s",
		  err.text);
	expect_file(path, "active:\n  main: {cluster: failover}\n"
			  "  eu: {cluster: \"null\", instead.of: main}\n");
	cr_assert(active_write(path, "/config/clusters.yaml", "main", "x", "failover", &err), "%s",
		  err.text);
	expect_file(path, "active:\n  main: {cluster: x, instead.of: failover}\n"
			  "  eu: {cluster: \"null\", instead.of: main}\n");
	cr_assert(active_remove(path, "main", &err), "%s", err.text);
	cr_assert(active_remove(path, "main", &err), "%s", err.text);
	cr_assert(active_remove(path, "eu", &err), "%s", err.text);
	expect_file(path, "active:\n");
	cr_assert(active_write(path, "/config/clusters.yaml", "main", "failover", NULL, &err), "%s",
		  err.text);
	expect_file(path, "active:\n  main: {cluster: failover}\n");
	load(environment, CLUSTERS, NULL);
	cr_assert_str_eq(serving("main"), "failover");
}

Test(active, its_folder_is_watched)
{
	struct config_source source = {.config_path = s.path, .environment = environment};
	char state[128];
	char elsewhere[128];
	size_t count;
	char **directories;

	snprintf(state, sizeof(state), "%s/state", s.dir);
	snprintf(elsewhere, sizeof(elsewhere), "%s/vclusters", s.dir);
	directories = config_directories(&source, &count);
	cr_assert_eq(count, 3);
	cr_expect_str_eq(directories[1], state);
	config_directories_free(directories, count);
	/* Where the gateway has it, whatever the file says by now. */
	source.active_dir = elsewhere;
	directories = config_directories(&source, &count);
	cr_assert_eq(count, 2);
	cr_expect_str_eq(directories[1], elsewhere);
	config_directories_free(directories, count);
	source.environment = NULL;
	directories = config_directories(&source, &count);
	cr_assert_eq(count, 2);
	config_directories_free(directories, count);
}
