/* SPDX-License-Identifier: Apache-2.0
 *
 * Files and environment that are good: every member as it must come out.
 */
#include "scratch.h"
#include "config/check.h"
#include "config/keys.h"

#define SEED_CLUSTERS                                                                              \
	"config:\n"                                                                                \
	"  main:\n"                                                                                \
	"    bootstrap.servers: kafka1:9092,kafka2:9093,kafka3:9094\n"                             \
	"\n"                                                                                       \
	"  failover:\n"                                                                            \
	"    bootstrap.servers: failover-kafka1:9092,failover-kafka2:9093,failover-kafka3:9094\n"  \
	"    gateway.roles: failover\n"

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

TestSuite(load, .init = setup, .fini = teardown);

/* Loads and expects no fault at all. */
static const struct snapshot *
load_clean(char *const *environment)
{
	char text[4096];

	scratch_load(&s, environment);
	cr_assert(s.snap != NULL && faults_count(s.faults) == 0, "%s",
		  scratch_faults(&s, text, sizeof(text)));
	return s.snap;
}

Test(load, defaults_and_the_seeds_clusters)
{
	const struct snapshot *snap;
	char host[256] = "";

	scratch_write(&s, "clusters.yaml", SEED_CLUSTERS);
	snap = load_clean(NULL);
	gethostname(host, sizeof(host) - 1);
	cr_assert_str_eq(snap->settings.cluster_id, "turnout");
	cr_assert_str_eq(snap->settings.advertised_host, host);
	cr_assert_str_eq(snap->settings.bind_host, "0.0.0.0");
	cr_assert_eq(snap->settings.port_start, 6969);
	cr_assert_eq(snap->settings.port_count, 64);
	cr_assert_str_eq(snap->settings.security_protocol, "SASL_PLAINTEXT");
	cr_assert_eq(snap->settings.admin_port, 8888);
	cr_assert_eq(snap->settings.metrics_secured, true);
	cr_assert_str_eq(snap->settings.state_dir, "/var/lib/turnout");
	cr_assert_eq(snap->settings.log_level, LOG_LEVEL_INFO);
	cr_assert_eq(snap->settings.frame_bytes, 100 << 20);
	cr_assert_eq(snap->settings.request_bytes, 8 << 20);
	cr_assert_eq(snap->settings.admin_users_count, 0);
	cr_assert_eq(snap->settings.token_keys_count, 0);

	cr_assert_eq(snap->clusters_count, 2);
	cr_assert_str_eq(snap->clusters[0].name, "main");
	cr_assert_eq(snap->clusters[0].bootstrap_count, 3);
	cr_assert_str_eq(snap->clusters[0].bootstrap[1].host, "kafka2");
	cr_assert_eq(snap->clusters[0].bootstrap[1].port, 9093);
	cr_assert_str_eq(snap->clusters[0].roles, "");
	cr_assert_str_eq(snap->clusters[0].security_protocol, "PLAINTEXT");
	cr_assert_str_eq(snap->clusters[1].name, "failover");
	cr_assert_str_eq(snap->clusters[1].roles, "failover");

	cr_assert_eq(snap->logicals_count, 1);
	cr_assert_str_eq(snap->logicals[0].name, "main");
	cr_assert_eq(snap->logicals[0].active, 0);
	cr_assert_eq(snap->vclusters_count, 0);
	cr_assert_eq(snap->files_count, 2);
	cr_assert_str_eq(snap->files[0].sha256, "");
	cr_assert_eq(strlen(snap->files[1].sha256), 64);
	cr_assert_eq(strlen(snap->digest), 64);
}

static const char every_setting[] =
    "\xef\xbb\xbf# the appliance\r\n"
    "cluster: {id: g}\r\n"
    "advertised: {host: gw.example}\r\n"
    "bind: {host: '::'}\r\n"
    "port:\r\n"
    "  start: 7000\r\n"
    "  count: 10\r\n"
    "security: {protocol: sasl_plaintext}\r\n"
    "workers: 3\r\n"
    "clusters: {file: c/all.yaml}\r\n"
    "vclusters: {dir: /nowhere/at/all}\r\n"
    "state: {dir: /tmp/state}\r\n"
    "admin:\r\n"
    "  bind.host: 127.0.0.1\r\n"
    "  port: 9999\r\n"
    "  users:\r\n"
    "  - {username: root, password: 'p:w', admin: true}\r\n"
    "  - username: guest\r\n"
    "    password: x\r\n"
    "metrics.secured: no\r\n"
    "token.keys: [AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=]\r\n"
    "limits:\r\n"
    "  frame: {bytes: 70000, unauthenticated.bytes: 8192}\r\n"
    "  request.bytes: 70001\r\n"
    "  connections: 5\r\n"
    "  buffer: {bytes: 16384}\r\n"
    "timeouts: {authenticate.ms: 101, idle: {ms: 1002}, connect.ms: 103}\r\n"
    "switch: {drain: {timeout: {ms: 104}}, settle.timeout.ms: 105}\r\n"
    "probe: {interval.ms: 106, timeout.ms: 107}\r\n"
    "log: {level: Debug}\r\n";

Test(load, every_setting_nested_and_flat)
{
	const struct settings *t;
	char path[128];

	snprintf(path, sizeof(path), "%s/c", s.dir);
	cr_assert(mkdir(path, 0755) == 0);
	scratch_write(&s, "c/all.yaml", SEED_CLUSTERS);
	scratch_write(&s, "turnout.yaml", every_setting);
	t = &load_clean(NULL)->settings;
	cr_assert_str_eq(t->cluster_id, "g");
	cr_assert_str_eq(t->advertised_host, "gw.example");
	cr_assert_str_eq(t->bind_host, "::");
	cr_assert_eq(t->port_start, 7000);
	cr_assert_eq(t->port_count, 10);
	cr_assert_str_eq(t->security_protocol, "SASL_PLAINTEXT");
	cr_assert_eq(t->workers, 3);
	snprintf(path, sizeof(path), "%s/c/all.yaml", s.dir);
	cr_assert_str_eq(t->clusters_file, path);
	cr_assert_str_eq(t->vclusters_dir, "/nowhere/at/all");
	cr_assert_str_eq(t->state_dir, "/tmp/state");
	cr_assert_str_eq(t->admin_bind_host, "127.0.0.1");
	cr_assert_eq(t->admin_port, 9999);
	cr_assert_eq(t->metrics_secured, false);
	cr_assert_eq(t->admin_users_count, 2);
	cr_assert_str_eq(t->admin_users[0].name, "root");
	cr_assert_str_eq(t->admin_users[0].password, "p:w");
	cr_assert_eq(t->admin_users[0].admin, true);
	cr_assert_str_eq(t->admin_users[1].name, "guest");
	cr_assert_eq(t->admin_users[1].admin, false);
	cr_assert_eq(t->token_keys_count, 1);
	cr_assert_eq(t->token_keys[0].length, 32);
	cr_assert_eq(t->frame_bytes, 70000);
	cr_assert_eq(t->request_bytes, 70001);
	cr_assert_eq(t->frame_unauthenticated_bytes, 8192);
	cr_assert_eq(t->connections, 5);
	cr_assert_eq(t->buffer_bytes, 16384);
	cr_assert_eq(t->authenticate_timeout_ms, 101);
	cr_assert_eq(t->idle_timeout_ms, 1002);
	cr_assert_eq(t->connect_timeout_ms, 103);
	cr_assert_eq(t->switch_drain_timeout_ms, 104);
	cr_assert_eq(t->switch_settle_timeout_ms, 105);
	cr_assert_eq(t->probe_interval_ms, 106);
	cr_assert_eq(t->probe_timeout_ms, 107);
	cr_assert_eq(t->log_level, LOG_LEVEL_DEBUG);
}

Test(load, clusters_in_every_writing)
{
	const struct snapshot *snap;

	scratch_write(&s, "clusters.yaml",
		      "active: {main: b, eu: c}\n"
		      "config:\n"
		      "  a: {bootstrap: {servers: ['h1:1', '[::1]:2']}}\n"
		      "  b:\n"
		      "    bootstrap.servers: ' h3:3 , h4:4,'\n"
		      "    security.protocol: 'PLAINTEXT'\n"
		      "    gateway.roles: upstream\n"
		      "    sasl.jaas.config: org.example.Login required username=\"u\" "
		      "password=\"p=;\";\n"
		      "    ssl: {truststore: {location: /x}}\n"
		      "  c:\n"
		      "    bootstrap.servers: h5:5\n");
	scratch_write(&s, "vclusters/x.yaml", "cluster: a\n");
	snap = load_clean(NULL);
	cr_assert_eq(snap->clusters_count, 3);
	cr_assert_str_eq(snap->clusters[0].bootstrap[1].host, "::1");
	cr_assert_eq(snap->clusters[0].bootstrap[1].port, 2);
	cr_assert_eq(snap->clusters[1].bootstrap_count, 2);
	cr_assert_str_eq(snap->clusters[1].bootstrap[0].host, "h3");
	cr_assert_str_eq(snap->clusters[1].roles, "upstream");
	cr_assert_eq(snap->clusters[1].properties_count, 2);
	cr_assert_str_eq(snap->clusters[1].properties[0].name, "sasl.jaas.config");
	cr_assert_str_eq(snap->clusters[1].properties[0].value,
			 "org.example.Login required username=\"u\" password=\"p=;\";");
	cr_assert_str_eq(snap->clusters[1].properties[1].name, "ssl.truststore.location");
	cr_assert_eq(snap->logicals_count, 3);
	cr_assert_str_eq(snap->logicals[0].name, "main");
	cr_assert_eq(snap->logicals[0].active, 1);
	cr_assert_str_eq(snap->logicals[1].name, "eu");
	cr_assert_eq(snap->logicals[1].active, 2);
	cr_assert_str_eq(snap->logicals[2].name, "a");
	cr_assert_eq(snap->logicals[2].active, 0);
	cr_assert_eq(snapshot_logical(snap, "eu"), 1);
	cr_assert_eq(snapshot_cluster(snap, "c"), 2);
	cr_assert_eq(snapshot_cluster(snap, "d"), -1);
}

/* What Kafka's own clients take for those that are no text; any text will do for the others. */
static const struct property typed[] = {
    {"client.dns.lookup", "use_all_dns_ips"},
    {"metadata.recovery.strategy", "rebootstrap"},
    {"sasl.kerberos.ticket.renew.jitter", "0.05"},
    {"sasl.kerberos.ticket.renew.window.factor", "0.8"},
    {"sasl.login.refresh.window.factor", "0.8"},
    {"sasl.login.refresh.window.jitter", "0.05"},
    {"sasl.mechanism", "PLAIN"},
    {"sasl.oauthbearer.jwks.endpoint.url", "https://idp.example/keys"},
    {"sasl.oauthbearer.token.endpoint.url", "https://idp.example/token"},
    {"ssl.enabled.protocols", "TLSv1.2,TLSv1.3"},
    {"ssl.endpoint.identification.algorithm", ""},
    {"ssl.protocol", "TLSv1.3"},
};

static const char *
legal_value(const char *name)
{
	static const char *const numbers[] = {".ms", ".bytes", ".seconds", ".relogin", "retries"};

	for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
		if (strcmp(typed[i].name, name) == 0)
			return typed[i].value;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		size_t length = strlen(numbers[i]);

		if (strlen(name) >= length && strcmp(name + strlen(name) - length, numbers[i]) == 0)
			return "30000";
	}
	return "text";
}

Test(load, every_known_property_is_kept_without_a_warning)
{
	static const char *const names[] = {
#define PROPERTY(name) name,
#include "config/properties.def"
#undef PROPERTY
	};
	const size_t count = sizeof(names) / sizeof(names[0]);
	const struct cluster *cluster;
	char text[16384];
	size_t used;

	used = (size_t)snprintf(text, sizeof(text),
				"config:\n  main:\n    bootstrap.servers: kafka1:9092\n");
	for (size_t i = 0; i < count; i++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "    %s: '%s'\n",
					 names[i], legal_value(names[i]));
		cr_assert(used < sizeof(text));
		if (i > 0)
			cr_assert(strcmp(names[i - 1], names[i]) < 0, "%s: order", names[i]);
	}
	scratch_write(&s, "clusters.yaml", text);
	cluster = &load_clean(NULL)->clusters[0];
	cr_assert_eq(cluster->properties_count, count);
	for (size_t i = 0; i < count; i++) {
		cr_assert_str_eq(cluster->properties[i].name, names[i]);
		cr_assert_str_eq(cluster->properties[i].value, legal_value(names[i]));
	}
	/* And it is the list that lets them through. */
	scratch_write(&s, "clusters.yaml",
		      "config:\n  main:\n    bootstrap.servers: kafka1:9092\n    client.idd: x\n");
	scratch_load(&s, NULL);
	cr_assert_eq(faults_count(s.faults), 1);
	cr_assert(strstr(scratch_faults(&s, text, sizeof(text)), "unknown property") != NULL, "%s",
		  text);
}

Test(load, active_as_a_name_without_a_cluster_called_main)
{
	const struct snapshot *snap;

	scratch_write(&s, "clusters.yaml",
		      "active: b # now\nconfig: {a: {bootstrap.servers: 'h:1'}, b: "
		      "{bootstrap.servers: 'h:2'}}\n");
	snap = load_clean(NULL);
	cr_assert_eq(snap->logicals_count, 1);
	cr_assert_str_eq(snap->logicals[0].name, "main");
	cr_assert_eq(snap->logicals[0].active, 1);
}

Test(load, vclusters)
{
	char text[1024];
	const struct snapshot *snap;
	const struct vcluster *vc;

	scratch_write(&s, "clusters.yaml", SEED_CLUSTERS);
	scratch_write(&s, "vclusters/teamA.yaml",
		      "prefix: tA\n"
		      "active: failover\n"
		      "users:\n"
		      "  zoe: {not.before: 2026-11-22T10:00:00Z}\n"
		      "  sa: {}\n"
		      "  bob:\n"
		      "topics:\n"
		      "  shared: {physical: existingSharedTopic, read.only: true}\n"
		      "  other: {physical: existing}\n");
	scratch_write(&s, "vclusters/a.b.yml", "");
	scratch_write(&s, "vclusters/.teamA.yaml.swp", "{{{");
	scratch_write(&s, "vclusters/.hidden.yaml", "{{{");
	scratch_write(&s, "vclusters/teamA.yaml~", "{{{");
	scratch_write(&s, "vclusters/#teamA.yaml#", "{{{");
	scratch_write(&s, "vclusters/#teamB.yaml", "{{{");
	scratch_write(&s, "vclusters/README", "{{{");
	snap = scratch_load(&s, NULL);
	cr_assert_str_eq(scratch_faults(&s, text, sizeof(text)), "");
	cr_assert_eq(snap->vclusters_count, 2);
	cr_assert_str_eq(snap->vclusters[0].name, "a.b");
	cr_assert_str_eq(snap->vclusters[0].prefix, "a.b");
	cr_assert_str_eq(snap->vclusters[0].cluster, "main");
	cr_assert_eq(snap->vclusters[0].logical, 0);
	vc = snapshot_vcluster(snap, "teamA");
	cr_assert_eq(vc, &snap->vclusters[1]);
	cr_assert_eq(snapshot_vcluster(snap, "teamB"), NULL);
	cr_assert_str_eq(vc->prefix, "tA");
	cr_assert_str_eq(vc->active, "failover");
	cr_assert_eq(vc->logical, 1);
	cr_assert_str_eq(snap->logicals[1].name, "vcluster:teamA");
	cr_assert_eq(snap->logicals[1].active, 1);
	cr_assert_eq(vc->users_count, 3);
	cr_assert_str_eq(vc->users[0].name, "bob");
	cr_assert_eq(vcluster_user(vc, "zoe")->not_before, 1795341600);
	cr_assert_eq(vcluster_user(vc, "sa")->not_before, 0);
	cr_assert_eq(vcluster_user(vc, "tom"), NULL);
	cr_assert_eq(vc->aliases_count, 2);
	cr_assert_str_eq(vc->aliases[0].topic, "other");
	cr_assert_eq(vc->aliases[0].read_only, false);
	cr_assert_str_eq(vc->aliases[1].physical, "existingSharedTopic");
	cr_assert_eq(vc->aliases[1].read_only, true);
}

/* What producers.h guards: topics that another vcluster may write to as well. */
Test(load, aliases_of_topics_that_others_write_to_are_contested)
{
	static const struct {
		const char *topic;
		bool is_contested;
	} expected[] = {{"alone", false},
			{"of-b", true},
			{"read-by-b", false},
			{"ro", false},
			{"with-b", true}};
	const struct snapshot *snap;
	const struct vcluster *vc;

	scratch_write(&s, "clusters.yaml", SEED_CLUSTERS);
	scratch_write(&s, "vclusters/teamA.yaml",
		      "topics:\n"
		      "  alone: {physical: existing1}\n"
		      "  with-b: {physical: existing2}\n"
		      "  read-by-b: {physical: existing3}\n"
		      "  ro: {physical: existing4, read.only: true}\n"
		      "  of-b: {physical: teamBorders}\n");
	scratch_write(&s, "vclusters/teamB.yaml",
		      "topics:\n"
		      "  x: {physical: existing2}\n"
		      "  y: {physical: existing3, read.only: true}\n"
		      "  z: {physical: existing4}\n");
	snap = load_clean(NULL);
	vc = snapshot_vcluster(snap, "teamA");
	for (size_t i = 0; i < vc->aliases_count; i++) {
		cr_assert_str_eq(vc->aliases[i].topic, expected[i].topic);
		cr_assert_eq(vc->aliases[i].is_contested, expected[i].is_contested, "%s",
			     expected[i].topic);
	}
	cr_assert_eq(vc->guested_count, 0);
	vc = snapshot_vcluster(snap, "teamB");
	cr_assert_eq(vc->guested_count, 1);
	cr_assert_str_eq(vc->guested[0], "teamBorders");
}

Test(load, cluster_ids_are_stable_and_safe_on_a_command_line)
{
	const struct snapshot *snap;
	char first[23];

	scratch_write(&s, "clusters.yaml", SEED_CLUSTERS);
	for (int i = 0; i < 200; i++) {
		char name[64];

		snprintf(name, sizeof(name), "vclusters/v%03d.yaml", i);
		scratch_write(&s, name, "");
	}
	snap = load_clean(NULL);
	for (size_t i = 0; i < snap->vclusters_count; i++) {
		cr_assert_eq(strlen(snap->vclusters[i].cluster_id), 22);
		cr_assert_neq(snap->vclusters[i].cluster_id[0], '-');
	}
	cr_assert_str_neq(snap->vclusters[0].cluster_id, snap->vclusters[1].cluster_id);
	memcpy(first, snap->vclusters[0].cluster_id, sizeof(first));
	snap = load_clean(NULL);
	cr_assert_str_eq(snap->vclusters[0].cluster_id, first);
	scratch_write(&s, "turnout.yaml", "cluster.id: another\n");
	snap = load_clean(NULL);
	cr_assert_str_neq(snap->vclusters[0].cluster_id, first);
}

Test(load, digest_follows_every_input)
{
	char *environment[] = {(char[]){"GATEWAY_CLUSTER_ID=x"}, NULL};
	char before[SHA256_HEX];

	scratch_write(&s, "clusters.yaml", SEED_CLUSTERS);
	memcpy(before, load_clean(NULL)->digest, sizeof(before));
	cr_assert_str_eq(load_clean(NULL)->digest, before);
	cr_assert_str_neq(load_clean(environment)->digest, before);
	scratch_write(&s, "clusters.yaml", SEED_CLUSTERS "\n");
	cr_assert_str_neq(load_clean(NULL)->digest, before);
	scratch_write(&s, "clusters.yaml", SEED_CLUSTERS);
	cr_assert_str_eq(load_clean(NULL)->digest, before);
	scratch_write(&s, "vclusters/a.yaml", "");
	cr_assert_str_neq(load_clean(NULL)->digest, before);
}

Test(load, default_ports_give_way_to_the_admin_port)
{
	scratch_write(&s, "clusters.yaml", SEED_CLUSTERS);
	scratch_write(&s, "turnout.yaml", "port.start: 8850\n");
	cr_assert_eq(load_clean(NULL)->settings.port_count, 38);
	scratch_write(&s, "turnout.yaml", "port.start: 65530\n");
	cr_assert_eq(load_clean(NULL)->settings.port_count, 6);
}

Test(load, directories_to_watch_follow_symlinks)
{
	struct config_source source = {.config_path = s.path};
	char from[256];
	char to[256];
	size_t count;
	char **directories;

	snprintf(to, sizeof(to), "%s/real", s.dir);
	cr_assert(mkdir(to, 0755) == 0);
	scratch_write(&s, "real/c.yaml", SEED_CLUSTERS);
	snprintf(to, sizeof(to), "%s/real/c.yaml", s.dir);
	snprintf(from, sizeof(from), "%s/clusters.yaml", s.dir);
	cr_assert(symlink(to, from) == 0);
	scratch_write(&s, "vclusters/bad.yaml", "a: [");
	directories = config_directories(&source, &count);
	cr_assert_eq(count, 3);
	cr_assert_str_eq(directories[0], s.dir);
	*strrchr(to, '/') = '\0';
	cr_assert_str_eq(directories[1], to);
	snprintf(to, sizeof(to), "%s/vclusters", s.dir);
	cr_assert_str_eq(directories[2], to);
	config_directories_free(directories, count);
}

Test(load, references)
{
	struct snapshot *snap;
	struct snapshot *other;

	scratch_write(&s, "clusters.yaml", SEED_CLUSTERS);
	load_clean(NULL);
	snap = s.snap;
	other = snapshot_ref(snap);
	snapshot_unref(&other);
	cr_assert_eq(other, NULL);
	cr_assert_str_eq(snap->clusters[0].name, "main");
	snapshot_unref(&other);
}

Test(load, check_prints_one_line_when_all_is_well)
{
	struct config_source source = {.config_path = s.path};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	scratch_write(&s, "clusters.yaml", "active: failover\n" SEED_CLUSTERS);
	scratch_write(&s, "vclusters/teamA.yaml", "users: {sa: {}}\n");
	cr_assert_eq(config_check_print(&source, out), 0);
	fclose(out);
	cr_assert_str_eq(text, "OK: 2 physical clusters, 1 vcluster, main is served by failover, "
			       "0 warnings\n");
	free(text);
}

Test(load, settings_that_wait_for_a_restart)
{
	struct snapshot *first;
	struct faults *faults = faults_new();

	scratch_write(&s, "clusters.yaml", SEED_CLUSTERS);
	load_clean(NULL);
	first = snapshot_ref(s.snap);
	cr_assert_eq(config_restart_faults(first, load_clean(NULL), faults), 0);
	scratch_write(&s, "turnout.yaml",
		      "port.start: 7000\nlog.level: debug\nbind.host: 127.0.0.1\n");
	cr_assert_eq(config_restart_faults(first, load_clean(NULL), faults), 2);
	cr_assert_str_eq(faults_at(faults, 0)->key, "bind.host");
	cr_assert_str_eq(faults_at(faults, 1)->key, "port.start");
	cr_assert_eq(faults_at(faults, 0)->severity, FAULT_WARNING);
	snapshot_unref(&first);
	faults_free(&faults);
}
