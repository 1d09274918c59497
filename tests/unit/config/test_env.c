/* SPDX-License-Identifier: Apache-2.0
 *
 * Environment variables: the seed's two gateways word for word, KAFKA_<CLUSTER>_*, and what is
 * wrong or of no use.
 */
#include "scratch.h"

#define SEED_CLUSTERS                                                                              \
	"config:\n"                                                                                \
	"  main:\n"                                                                                \
	"    bootstrap.servers: kafka1:9092,kafka2:9093,kafka3:9094\n"                             \
	"\n"                                                                                       \
	"  failover:\n"                                                                            \
	"    bootstrap.servers: failover-kafka1:9092,failover-kafka2:9093,failover-kafka3:9094\n"  \
	"    gateway.roles: failover\n"

/* The `environment:` blocks of gateway1 and gateway2 in the seed's docker-compose.yaml. */
static const char gateway1[] =
    "      KAFKA_BOOTSTRAP_SERVERS: kafka1:9092,kafka2:9093,kafka3:9094\n"
    "      GATEWAY_ADVERTISED_HOST: localhost\n"
    "      GATEWAY_MODE: VCLUSTER\n"
    "      GATEWAY_SECURITY_PROTOCOL: SASL_PLAINTEXT\n"
    "      GATEWAY_FEATURE_FLAGS_ANALYTICS: false\n"
    "      GATEWAY_FEATURE_FLAGS_MULTI_TENANCY: true\n"
    "      GATEWAY_CLUSTER_ID: private\n"
    "      GATEWAY_BACKEND_KAFKA_SELECTOR: 'file : { path:  /config/clusters.yaml}'\n";
static const char gateway2[] =
    "      KAFKA_BOOTSTRAP_SERVERS: kafka1:9092,kafka2:9093,kafka3:9094\n"
    "      GATEWAY_ADVERTISED_HOST: localhost\n"
    "      GATEWAY_MODE: VCLUSTER\n"
    "      GATEWAY_SECURITY_PROTOCOL: SASL_PLAINTEXT\n"
    "      GATEWAY_FEATURE_FLAGS_ANALYTICS: false\n"
    "      GATEWAY_START_PORT: 7969\n"
    "      GATEWAY_FEATURE_FLAGS_MULTI_TENANCY: true\n"
    "      GATEWAY_CLUSTER_ID: private\n"
    "      GATEWAY_BACKEND_KAFKA_SELECTOR: 'file : { path:  /config/clusters.yaml}'\n";

#define VARIABLES_MAX 32

struct environment {
	char *all[VARIABLES_MAX + 1];
	size_t count;
};

static void
environment_add(struct environment *e, const char *entry)
{
	cr_assert(e->count < VARIABLES_MAX);
	e->all[e->count++] = strdup(entry);
	e->all[e->count] = NULL;
}

/* As docker compose makes variables of the block: NAME: value, single quotes taken off. */
static void
environment_add_block(struct environment *e, const char *block)
{
	char *copy = strdup(block);
	char *rest = copy;

	for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
		char *name = line + strspn(line, " ");
		char *value = strstr(name, ": ");
		char entry[512];

		if (*name == '\0')
			continue;
		*value = '\0';
		value += 2;
		if (*value == '\'') {
			value++;
			value[strlen(value) - 1] = '\0';
		}
		snprintf(entry, sizeof(entry), "%s=%s", name, value);
		environment_add(e, entry);
	}
	free(copy);
}

static void
environment_free(struct environment *e)
{
	for (size_t i = 0; i < e->count; i++)
		free(e->all[i]);
	*e = (struct environment){0};
}

static struct scratch s;
static struct environment e;

static void
setup(void)
{
	scratch_init(&s);
	e = (struct environment){0};
}

static void
teardown(void)
{
	environment_free(&e);
	scratch_fini(&s);
}

TestSuite(env, .init = setup, .fini = teardown);

/* The faults of a load with these variables must be exactly this text. */
static void
expect(const char *faults, bool good)
{
	char text[8192];

	scratch_load(&s, e.all);
	cr_assert_str_eq(scratch_faults(&s, text, sizeof(text)), faults);
	cr_assert_eq(s.snap != NULL, good);
}

static void
seed(const char *block, int64_t port)
{
	const struct settings *t;
	char here[256];

	/* The path as it stands, which this machine does not have: the environment gives main. */
	environment_add_block(&e, block);
	expect("/config/clusters.yaml: warning: clusters.file: the file does not exist: the "
	       "clusters come from the environment alone\n",
	       true);
	t = &s.snap->settings;
	cr_assert_str_eq(t->clusters_file, "/config/clusters.yaml");
	cr_assert_str_eq(t->advertised_host, "localhost");
	cr_assert_str_eq(t->cluster_id, "private");
	cr_assert_str_eq(t->security_protocol, "SASL_PLAINTEXT");
	cr_assert_eq(t->port_start, port);
	cr_assert_eq(t->admin_port, 8888);
	cr_assert_eq(s.snap->clusters_count, 1);
	cr_assert_str_eq(s.snap->clusters[0].name, "main");
	cr_assert_eq(s.snap->clusters[0].bootstrap_count, 3);
	cr_assert_str_eq(s.snap->clusters[0].bootstrap[2].host, "kafka3");
	cr_assert_eq(s.snap->clusters[0].bootstrap[2].port, 9094);

	/* The same with the seed's file in a folder that there is. */
	free(e.all[e.count - 1]);
	snprintf(here, sizeof(here), "GATEWAY_BACKEND_KAFKA_SELECTOR=file : { path:  %s/seed.yaml}",
		 s.dir);
	e.all[e.count - 1] = strdup(here);
	scratch_write(&s, "seed.yaml", SEED_CLUSTERS);
	expect("", true);
	cr_assert_eq(s.snap->clusters_count, 2);
	cr_assert_str_eq(s.snap->clusters[1].name, "failover");
	cr_assert_str_eq(s.snap->clusters[1].roles, "failover");
	cr_assert_eq(s.snap->logicals_count, 1);
	cr_assert_eq(s.snap->logicals[0].active, 0);
}

Test(env, gateway1_of_the_seed)
{
	seed(gateway1, 6969);
}

Test(env, gateway2_of_the_seed)
{
	seed(gateway2, 7969);
}

Test(env, every_override)
{
	const struct settings *t;

	scratch_write(&s, "clusters.yaml", SEED_CLUSTERS);
	scratch_write(&s, "turnout.yaml",
		      "cluster.id: file\nport.start: 1\nadmin.users: [{username: f, password: f}]\n"
		      "state.dir: /file\nadmin.port: 2\nmetrics.secured: true\n");
	environment_add(&e, "GATEWAY_CLUSTER_ID= env ");
	environment_add(&e, "GATEWAY_ADVERTISED_HOST=gw");
	environment_add(&e, "GATEWAY_BIND_HOST=127.0.0.1");
	environment_add(&e, "GATEWAY_PORT_START=5000");
	environment_add(&e, "GATEWAY_PORT_COUNT=6");
	environment_add(&e, "GATEWAY_HTTP_PORT=8889");
	environment_add(&e, "GATEWAY_ROUTING_MECHANISM=port");
	environment_add(&e, "GATEWAY_SECURED_METRICS=false");
	environment_add(&e, "GATEWAY_USER_POOL_SECRET_KEY="
			    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,"
			    "////////////////////////////////////////////////////");
	environment_add(&e, "GATEWAY_ADMIN_API_USERS=[{username: admin, password: conduktor, "
			    "admin: true}, {username: ro, password: x}]");
	environment_add(&e, "STATE_DIRECTORY=/var/lib/turnout-2:/other");
	environment_add(&e, "GATEWAY_START_PORT=");
	expect("", true);
	t = &s.snap->settings;
	cr_assert_str_eq(t->cluster_id, "env");
	cr_assert_str_eq(t->advertised_host, "gw");
	cr_assert_str_eq(t->bind_host, "127.0.0.1");
	cr_assert_eq(t->port_start, 5000);
	cr_assert_eq(t->port_count, 6);
	cr_assert_eq(t->admin_port, 8889);
	cr_assert_eq(t->metrics_secured, false);
	cr_assert_eq(t->token_keys_count, 2);
	cr_assert_eq(t->token_keys[0].length, 32);
	cr_assert_eq(t->token_keys[1].length, 39);
	cr_assert_eq(t->admin_users_count, 2);
	cr_assert_str_eq(t->admin_users[0].password, "conduktor");
	cr_assert_eq(t->admin_users[0].admin, true);
	cr_assert_str_eq(t->state_dir, "/var/lib/turnout-2");
}

Test(env, selector_in_other_spellings)
{
	static const char *const spellings[] = {
	    "GATEWAY_BACKEND_KAFKA_SELECTOR={ file : { path: sub.yaml } }",
	    "GATEWAY_BACKEND_KAFKA_SELECTOR=file: {path: 'sub.yaml'}",
	    "GATEWAY_BACKEND_KAFKA_SELECTOR=file: { path: sub.yaml }",
	    "GATEWAY_BACKEND_KAFKA_SELECTOR=  {file.path: \"sub.yaml\"}",
	};
	char path[128];

	scratch_write(&s, "sub.yaml", SEED_CLUSTERS);
	snprintf(path, sizeof(path), "%s/sub.yaml", s.dir);
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		environment_add(&e, spellings[i]);
		expect("", true);
		cr_assert_str_eq(s.snap->settings.clusters_file, path);
		environment_free(&e);
	}
}

Test(env, selector_that_is_wrong)
{
	char text[4096];

	scratch_write(&s, "clusters.yaml", SEED_CLUSTERS);
	environment_add(&e, "GATEWAY_BACKEND_KAFKA_SELECTOR=file: {path: /x");
	scratch_load(&s, e.all);
	cr_assert_eq(s.snap, NULL);
	scratch_faults(&s, text, sizeof(text));
	cr_assert(strstr(text, "environment: GATEWAY_BACKEND_KAFKA_SELECTOR: not valid YAML: ") ==
		      text,
		  "%s", text);
	environment_free(&e);
	environment_add(&e, "GATEWAY_BACKEND_KAFKA_SELECTOR=consul: {path: /x}");
	expect("environment: GATEWAY_BACKEND_KAFKA_SELECTOR: has no file.path: it must be such as "
	       "{file: {path: ...}}\n",
	       false);
	environment_free(&e);
	environment_add(&e, "GATEWAY_BACKEND_KAFKA_SELECTOR=file: {path: /kafka.properties}");
	expect("/kafka.properties: clusters.file: a .properties file is not read: write its "
	       "properties into a clusters.yaml\n",
	       false);
}

Test(env, clusters_by_name)
{
	const struct snapshot *snap;

	environment_add(&e, "KAFKA_MAIN_BOOTSTRAP_SERVERS=a:1");
	environment_add(&e, "KAFKA_FAILOVER_BOOTSTRAP_SERVERS=b:2,c:3");
	environment_add(&e, "KAFKA_FAILOVER_GATEWAY_ROLES=failover");
	environment_add(&e, "KAFKA_FAILOVER_SECURITY_PROTOCOL=PLAINTEXT");
	environment_add(&e, "KAFKA_FAILOVER_SASL_JAAS_CONFIG=x required password=\"s3cret\";");
	environment_add(&e, "KAFKA_EU_WEST_BOOTSTRAP_SERVERS=d:4");
	environment_add(&e, "KAFKA_EU_BOOTSTRAP_SERVERS=e:5");
	environment_add(&e, "KAFKA_EU_WEST_CLIENT_ID=west");
	environment_add(&e, "KAFKA_EU_CLIENT_ID=eu");
	environment_add(&e, "KAFKA_HEAP_OPTS=-Xmx1g");
	expect("", true);
	snap = s.snap;
	cr_assert_eq(snap->clusters_count, 4);
	cr_assert_str_eq(snap->clusters[0].name, "main");
	cr_assert_str_eq(snap->clusters[1].name, "failover");
	cr_assert_eq(snap->clusters[1].bootstrap_count, 2);
	cr_assert_str_eq(snap->clusters[1].roles, "failover");
	cr_assert_eq(snap->clusters[1].properties_count, 1);
	cr_assert_str_eq(snap->clusters[2].name, "eu_west");
	cr_assert_str_eq(snap->clusters[2].properties[0].value, "west");
	cr_assert_str_eq(snap->clusters[3].name, "eu");
	cr_assert_str_eq(snap->clusters[3].properties[0].value, "eu");
}

Test(env, main_from_the_environment_beside_a_file)
{
	scratch_write(&s, "clusters.yaml", "config: {eu-west: {bootstrap.servers: 'x:1'}}\n");
	environment_add(&e, "KAFKA_BOOTSTRAP_SERVERS=a:1");
	environment_add(&e, "KAFKA_EU_WEST_BOOTSTRAP_SERVERS=x:1");
	environment_add(&e, "KAFKA_EU_WEST_SSL_TRUSTSTORE_LOCATION=/t");
	expect("", true);
	cr_assert_eq(s.snap->clusters_count, 2);
	cr_assert_str_eq(s.snap->clusters[0].name, "eu-west");
	cr_assert_str_eq(s.snap->clusters[0].properties[0].value, "/t");
	cr_assert_str_eq(s.snap->clusters[1].name, "main");
}

Test(env, the_file_decides_when_both_name_a_cluster)
{
	char expected[512];

	scratch_write(&s, "clusters.yaml", SEED_CLUSTERS);
	environment_add(&e, "KAFKA_BOOTSTRAP_SERVERS=elsewhere:1");
	snprintf(expected, sizeof(expected),
		 "environment: warning: KAFKA_BOOTSTRAP_SERVERS: ignored: %s/clusters.yaml line 3 "
		 "has another bootstrap.servers for the cluster main, and the file decides\n",
		 s.dir);
	expect(expected, true);
	cr_assert_str_eq(s.snap->clusters[0].bootstrap[0].host, "kafka1");
}

Test(env, faults_name_the_variable)
{
	scratch_write(&s, "clusters.yaml", SEED_CLUSTERS);
	environment_add(&e, "GATEWAY_PORT_START=70000");
	environment_add(&e, "GATEWAY_MODE=KAFKA_SECURITY");
	environment_add(&e, "GATEWAY_SECURITY_PROTOCOL=SASL_SSL");
	environment_add(&e, "GATEWAY_USER_POOL_SECRET_KEY=c2hvcnQ=");
	environment_add(&e, "GATEWAY_ADMIN_API_USERS=[{username: a, passwort: hunter2}]");
	environment_add(&e, "KAFKA_EU_BOOTSTRAP_SERVERS=broker");
	expect(
	    "environment: GATEWAY_PORT_START: \"70000\" is out of range: it takes 1 to 65535\n"
	    "environment: GATEWAY_SECURITY_PROTOCOL: \"SASL_SSL\" is not supported by this "
	    "version: it takes SASL_PLAINTEXT. How clients connect: SASL_PLAINTEXT (a token as "
	    "the password, no TLS).\n"
	    "environment: GATEWAY_ADMIN_API_USERS: a key here is unknown: it takes username, "
	    "password and admin\n"
	    "environment: GATEWAY_ADMIN_API_USERS: has no password: add it\n"
	    "environment: GATEWAY_USER_POOL_SECRET_KEY: the key has only 5 bytes: 32 or more are "
	    "needed (make one with: openssl rand -base64 32)\n"
	    "environment: GATEWAY_MODE: \"KAFKA_SECURITY\" is not supported by this version: it "
	    "takes VCLUSTER. Turnout always serves virtual clusters.\n"
	    "environment: KAFKA_EU_BOOTSTRAP_SERVERS: \"broker\" has no port: write host:port\n",
	    false);
}

Test(env, what_means_nothing_is_warned_of)
{
	scratch_write(&s, "clusters.yaml", SEED_CLUSTERS);
	environment_add(&e, "GATEWAY_LICENSE_KEY=x");
	environment_add(&e, "GATEWAY_ADVERTISED_HOTS=x");
	environment_add(&e, "GATEWAY_FEATURE_FLAGS_AUDIT=true");
	environment_add(&e, "GATEWAY_PORT_START=6000");
	environment_add(&e, "GATEWAY_START_PORT=7000");
	environment_add(&e, "KAFKA_BOOTSTRAP_SERVERS=kafka1:9092,kafka2:9093,kafka3:9094");
	environment_add(&e, "KAFKA_VERSION=3.9");
	environment_add(&e, "PATH=/bin");
	expect("environment: warning: GATEWAY_START_PORT: ignored: GATEWAY_PORT_START is set too, "
	       "and comes first\n"
	       "environment: warning: GATEWAY_LICENSE_KEY: Turnout has no such variable, ignored\n"
	       "environment: warning: GATEWAY_ADVERTISED_HOTS: Turnout has no such variable, "
	       "ignored: did you mean GATEWAY_ADVERTISED_HOST?\n"
	       "environment: warning: KAFKA_VERSION: no Kafka client property that Turnout knows, "
	       "ignored\n",
	       true);
	cr_assert_eq(s.snap->settings.port_start, 6000);
}
