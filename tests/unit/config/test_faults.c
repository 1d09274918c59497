/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that can be wrong in a file: the exact line, column, key and sentence, all at once.
 */
#include <stdint.h>
#include "config/check.h"
#include "scratch.h"

#define CLUSTERS                                                                                   \
	"config: {main: {bootstrap.servers: 'a:1'}, failover: {bootstrap.servers: 'b:2'}}\n"

static struct scratch s;

static void
setup(void)
{
	scratch_init(&s);
}

static void
teardown(void)
{
	chmod(s.dir, 0755);
	scratch_fini(&s);
}

TestSuite(faults, .init = setup, .fini = teardown);

static void
expect_load(const char *faults, bool good)
{
	static char text[65536];

	scratch_load(&s, NULL);
	cr_expect_str_eq(scratch_faults(&s, text, sizeof(text)), faults);
	cr_expect_eq(s.snap != NULL, good);
}

struct example {
	const char *text;
	const char *faults;
	bool good;
};

static void
expect_each(const char *file, const struct example *examples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		scratch_write(&s, file, examples[i].text);
		expect_load(examples[i].faults, examples[i].good);
	}
}

#define EACH(file, examples) expect_each(file, examples, sizeof(examples) / sizeof((examples)[0]))

Test(faults, yaml)
{
	static const struct example examples[] = {
	    {"a: [1\n",
	     "turnout.yaml:2:1: not valid YAML: did not find expected ',' or ']' while parsing a "
	     "flow sequence\n",
	     false},
	    {"port: 1\n\tcount: 2\n",
	     "turnout.yaml:2:1: not valid YAML: found a tab character that violates indentation "
	     "while scanning a plain scalar\n",
	     false},
	    {"log.level: info\nlog.level: warn\n",
	     "turnout.yaml:2:1: this key stands here a second time (first in line 1): remove one\n",
	     false},
	    {"log.level: info\nlog: {level: warn}\n",
	     "turnout.yaml:2:7: log.level: this key stands here a second time (first in line 1): "
	     "remove one\n",
	     false},
	    {"workers: &a 1\nport.count: *a\n",
	     "turnout.yaml:1:10: anchors and tags (& and !) are not read here: write the value "
	     "out\n",
	     false},
	    {"port.count: *a\n",
	     "turnout.yaml:1:13: aliases (*) are not read here: write the value out\n", false},
	    {"workers: !!int 1\n",
	     "turnout.yaml:1:10: anchors and tags (& and !) are not read here: write the value "
	     "out\n",
	     false},
	    {"workers: 1\n---\nworkers: 2\n",
	     "turnout.yaml:2:1: a second document (---) starts here: a file holds one\n", false},
	    {"---\nworkers: 1\n...\n", "", true},
	    {"", "", true},
	    {"# nothing\r\n", "", true},
	    {"~\n", "", true},
	    {"- a\n", "turnout.yaml:1:1: must be a map of keys (key: value)\n", false},
	    {"just words\n", "turnout.yaml:1:1: must be a map of keys (key: value)\n", false},
	    {"[a]: b\n", "turnout.yaml:1:1: a key must be a simple text\n", false},
	    {"'': b\n", "turnout.yaml:1:1: a key is empty\n", false},
	    {"cluster.id: \"a\\0b\"\n", "turnout.yaml:1:13: the text holds a NUL character\n",
	     false},
	    {"# \xc3\xa4\nworkers: \xff\n",
	     "turnout.yaml:2:10: not valid YAML: invalid leading UTF-8 octet\n", false},
	    {"a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {}}}}}}}}}}}}}}}}}\n",
	     "turnout.yaml:1:64: nested too deep\n", false},
	};

	scratch_write(&s, "clusters.yaml", CLUSTERS);
	EACH("turnout.yaml", examples);
}

static const struct example values_of_turnout_yaml_examples[] = {
    {"workers: many\n", "turnout.yaml:1:10: workers: \"many\" is not a whole number\n", false},
    {"workers: 1.5\n", "turnout.yaml:1:10: workers: \"1.5\" is not a whole number\n", false},
    {"workers: 99999999999999999999\n",
     "turnout.yaml:1:10: workers: \"99999999999999999999\" is not a whole number\n", false},
    {"port: {start: 0}\n",
     "turnout.yaml:1:15: port.start: \"0\" is out of range: it takes 1 to 65535\n", false},
    {"timeouts:\n  idle:\n    ms: 999\n",
     "turnout.yaml:3:9: timeouts.idle.ms: \"999\" is out of range: it takes 1000 to "
     "86400000 "
     "ms\n",
     false},
    {"limits.frame.bytes: -1\n",
     "turnout.yaml:1:21: limits.frame.bytes: \"-1\" is out of range: it takes 65536 to "
     "2147483647 bytes\n",
     false},
    {"metrics.secured: maybe\n",
     "turnout.yaml:1:18: metrics.secured: \"maybe\" is neither true nor false\n", false},
    {"log.level: loud\n",
     "turnout.yaml:1:12: log.level: \"loud\" is not supported by this version: it takes "
     "error, warn, info, debug. What is logged: this level and those before it.\n",
     false},
    {"security.protocol: SSL\n",
     "turnout.yaml:1:20: security.protocol: \"SSL\" is not supported by this version: it "
     "takes "
     "SASL_PLAINTEXT. How clients connect: SASL_PLAINTEXT (a token as the password, no "
     "TLS).\n",
     false},
    {"bind.host: a b\n",
     "turnout.yaml:1:12: bind.host: \"a b\" is not a host name or an IP address\n", false},
    {"cluster.id: a/b\n",
     "turnout.yaml:1:13: cluster.id: \"a/b\" is not a name: it takes 1 to 128 of A-Z a-z "
     "0-9 "
     ". _ -\n",
     false},
    {"clusters.file: ''\n", "turnout.yaml:1:16: clusters.file: \"\" is not a path\n", false},
    {"workers:\n", "turnout.yaml:1:1: workers: has no value: write one, or remove the line\n",
     false},
    {"workers: [1]\n", "turnout.yaml:1:10: workers: must be a single value\n", false},
    {"port: 6969\n", "turnout.yaml:1:1: port: is a group of keys, not a key: nest them below it\n",
     false},
    {"prot: {start: 1}\n", "turnout.yaml:1:1: prot: unknown key: did you mean port.start?\n",
     false},
    {"port:\n  strat: 1\n", "turnout.yaml:2:3: port.strat: unknown key: did you mean port.start?\n",
     false},
    {"portstart: 1\n", "turnout.yaml:1:1: portstart: unknown key: did you mean port.start?\n",
     false},
    {"entirely.else: 1\n", "turnout.yaml:1:1: entirely.else: unknown key\n", false},
    {"port.start: 65000\nport.count: 1000\n",
     "turnout.yaml:2:13: port.count: 1000 ports from 65000 on go beyond 65535\n", false},
    {"port.start: 8888\n",
     "turnout.yaml: admin.port: 8888 is one of the 64 ports for Kafka clients from 8888 "
     "on: "
     "change it, port.start or port.count\n",
     false},
    {"port.start: 8880\nport.count: 9\nadmin.port: 8888\n",
     "turnout.yaml:3:13: admin.port: 8888 is one of the 9 ports for Kafka clients from "
     "8880 "
     "on: change it, port.start or port.count\n",
     false},
    {"limits.frame: {bytes: 65536, unauthenticated.bytes: 65537}\n",
     "turnout.yaml:1:53: limits.frame.unauthenticated.bytes: is more than "
     "limits.frame.bytes\n",
     false},
};

Test(faults, values_of_turnout_yaml)
{
	scratch_write(&s, "clusters.yaml", CLUSTERS);
	EACH("turnout.yaml", values_of_turnout_yaml_examples);
}

Test(faults, secrets_are_never_shown)
{
	static const struct example examples[] = {
	    {"token.keys: [hunter2hunter2hunter2hunter2hunter2]\n",
	     "turnout.yaml:1:14: token.keys[0]: the key has only 26 bytes: 32 or more are needed "
	     "(make one with: openssl rand -base64 32)\n",
	     false},
	    {"token.keys: hunter2!\n",
	     "turnout.yaml:1:13: token.keys[0]: the value is not a key in base64 (make one with: "
	     "openssl rand -base64 32)\n",
	     false},
	    {"token.keys: {hunter2: hunter2}\n",
	     "turnout.yaml:1:13: token.keys: must be a list, such as [a key in base64, an older "
	     "key "
	     "in base64]\n",
	     false},
	    {"token.keys: [[hunter2]]\n",
	     "turnout.yaml:1:14: token.keys[0]: must be a single value in a list, such as [a key "
	     "in "
	     "base64, an older key in base64]\n",
	     false},
	    {"token.key: hunter2\n",
	     "turnout.yaml:1:1: token.key: unknown key: did you mean token.keys?\n", false},
	    {"admin.users:\n- {username: a, password: \"hunter2\\n\"}\n",
	     "turnout.yaml:2:27: admin.users[0].password: the value holds a control character\n",
	     false},
	    {"admin.users: [{username: a, password, hunter2}]\n",
	     "turnout.yaml:1:29: admin.users[0].password: has no value: write one, or remove the "
	     "line\n"
	     "turnout.yaml:1:39: admin.users[0]: a key here is unknown: it takes username, "
	     "password "
	     "and admin\n",
	     false},
	    {"admin.users: hunter2\n",
	     "turnout.yaml:1:14: admin.users: must be a list, such as [{username: admin, password: "
	     "..., admin: true}]\n",
	     false},
	    {"admin.users: [hunter2]\n",
	     "turnout.yaml:1:15: admin.users[0]: must be a map of keys, such as [{username: admin, "
	     "password: ..., admin: true}]\n",
	     false},
	    {"admin.users: [{username: a}, {password: hunter2, username: ''}]\n",
	     "turnout.yaml:1:15: admin.users[0]: has no password: add it\n"
	     "turnout.yaml:1:60: admin.users[1].username: must have 1 to 128 bytes\n",
	     false},
	    {"admin.users: [{username: 'a:b', password: x}, {username: c, password: x}, {username: "
	     "c, password: y}]\n",
	     "turnout.yaml:1:14: admin.users: an account's name cannot hold a colon (basic "
	     "authentication)\n"
	     "turnout.yaml:1:14: admin.users: the account c stands here twice\n",
	     false},
	};

	scratch_write(&s, "clusters.yaml", CLUSTERS);
	EACH("turnout.yaml", examples);
}

static const struct example clusters_yaml_examples[] = {
    {"",
     "clusters.yaml: config: names no physical cluster: write config: {main: "
     "{bootstrap.servers: 'kafka1:9092'}} there, or set KAFKA_BOOTSTRAP_SERVERS\n",
     false},
    {"config:\n",
     "clusters.yaml: config: names no physical cluster: write config: {main: "
     "{bootstrap.servers: 'kafka1:9092'}} there, or set "
     "KAFKA_BOOTSTRAP_SERVERS\n",
     false},
    {"config: [main]\n",
     "clusters.yaml:1:9: config: must be a map, such as {main: {bootstrap.servers: "
     "'kafka1:9092'}}\n",
     false},
    {"config:\n  main:\n",
     "clusters.yaml:2:3: config.main: has no bootstrap.servers: add it, such as "
     "kafka1:9092,kafka2:9092\n",
     false},
    {"config:\n  main:\n    bootstrap.server: a:1\n",
     "clusters.yaml:2:3: config.main: has no bootstrap.servers: add it, such as "
     "kafka1:9092,kafka2:9092\n"
     "clusters.yaml:3:5: warning: config.main.bootstrap.server: unknown property, skipped: "
     "did you mean bootstrap.servers?\n",
     false},
    {"config:\n  main:\n    bootstrap.servers: a:1, b, c:0,d:x,[::1]:9,::1:9,-:1\n",
     "clusters.yaml:3:29: config.main.bootstrap.servers[1]: \"b\" has no port: write "
     "host:port\n"
     "clusters.yaml:3:32: config.main.bootstrap.servers[2]: \"c:0\" has a port that is not "
     "1 "
     "to 65535\n"
     "clusters.yaml:3:36: config.main.bootstrap.servers[3]: \"d:x\" has a port that is not "
     "1 "
     "to 65535\n"
     "clusters.yaml:3:48: config.main.bootstrap.servers[5]: \"::1:9\" is not host:port (an "
     "IPv6 address stands in brackets)\n"
     "clusters.yaml:3:54: config.main.bootstrap.servers[6]: \"-:1\" is not host:port\n",
     false},
    {"config:\n  main:\n    bootstrap.servers: ','\n",
     "clusters.yaml:3:24: config.main.bootstrap.servers: must be a list that is not empty, "
     "such as kafka1:9092,kafka2:9092\n",
     false},
    {"config:\n  main:\n    bootstrap.servers: a:1\n    security.protocol: SASL_SSL\n",
     "clusters.yaml:4:24: config.main.security.protocol: \"SASL_SSL\" is not supported by "
     "this version: it takes PLAINTEXT. How the cluster is connected to: PLAINTEXT.\n",
     false},
    {"config:\n  main:\n    bootstrap.servers: a:1\n    gateway.role: failover\n"
     "    fetch.min.bytes: 1\n    ssl: {trutstore: {location: /x}}\n"
     "    sasl.mechanism: PLAIN\n    password=\"hunter2\"; x: y\n",
     "clusters.yaml:4:5: warning: config.main.gateway.role: unknown property, skipped: did "
     "you mean gateway.roles?\n"
     "clusters.yaml:5:5: warning: config.main.fetch.min.bytes: unknown property, skipped\n"
     "clusters.yaml:6:23: warning: config.main.ssl.trutstore.location: unknown property, "
     "skipped: did you mean ssl.truststore.location?\n"
     "clusters.yaml:8:5: warning: config.main: a key here is no property's name, skipped\n",
     true},
    {"config:\n  main:\n    bootstrap.servers: a:1\n    sasl.mechanism: [PLAIN]\n",
     "clusters.yaml:4:21: config.main.sasl.mechanism: must be a single value\n", false},
    {"config:\n  a b: {bootstrap.servers: 'a:1'}\n  main: {bootstrap.servers: 'a:1'}\n",
     "clusters.yaml:2:3: config: \"a b\" is not a name: 1 to 128 of A-Z a-z 0-9 . _ -\n", false},
    {"config:\n  eu: {bootstrap.servers: 'a:1'}\n",
     "clusters.yaml:2:3: config: no cluster is named main: name one so, or say which one "
     "serves with active: NAME\n",
     false},
    {"actve: main\n" CLUSTERS, "clusters.yaml:1:1: actve: unknown key: did you mean active?\n",
     false},
    {"active: failver\n" CLUSTERS,
     "clusters.yaml:1:9: active: no physical cluster is named failver: did you mean "
     "failover?\n",
     false},
    {"active: {main: main, eu: europe}\n" CLUSTERS,
     "clusters.yaml:1:26: active: no physical cluster is named europe: there are main, "
     "failover\n",
     false},
    {"active: [main]\n" CLUSTERS,
     "clusters.yaml:1:9: active: must be the name of a physical cluster, such as failover, "
     "or {main: failover, eu: eu}\n",
     false},
    {"active: {main: {}}\n" CLUSTERS,
     "clusters.yaml:1:16: active.main: must be the name of a physical cluster, such as "
     "failover, or {main: failover, eu: eu}\n",
     false},
    {"active: {\"a b\": main}\n" CLUSTERS,
     "clusters.yaml:1:10: active: \"a b\" is not the name of a logical cluster\n", false},
    {"active:\n" CLUSTERS, "", true},
};

Test(faults, clusters_yaml)
{
	char path[256];

	EACH("clusters.yaml", clusters_yaml_examples);
	snprintf(path, sizeof(path), "%s/clusters.yaml", s.dir);
	cr_assert(unlink(path) == 0);
	expect_load("clusters.yaml: the file does not exist: write config: {main: "
		    "{bootstrap.servers: 'kafka1:9092'}} there, or set KAFKA_BOOTSTRAP_SERVERS\n",
		    false);
}

Test(faults, vclusters)
{
	static const struct example examples[] = {
	    {"prefix: ''\n",
	     "vclusters/a.yaml:1:9: prefix: \"\" is not a name: it takes 1 to 128 of A-Z a-z 0-9 . "
	     "_ -\n",
	     false},
	    {"prefix: __consumer\n",
	     "vclusters/a.yaml:1:9: prefix: __consumer would take in topics of Kafka itself, which "
	     "begin with __\n",
	     false},
	    {"prefix: _\n",
	     "vclusters/a.yaml:1:9: prefix: _ would take in topics of Kafka itself, which begin "
	     "with __\n",
	     false},
	    {"cluster: mian\n",
	     "vclusters/a.yaml:1:10: cluster: no cluster is named mian: did you mean main?\n",
	     false},
	    {"active: nowhere\n",
	     "vclusters/a.yaml:1:9: active: no physical cluster is named nowhere: there are main, "
	     "failover\n",
	     false},
	    {"user: {sa: {}}\n", "vclusters/a.yaml:1:1: user: unknown key: did you mean users?\n",
	     false},
	    {"users: [sa]\n", "vclusters/a.yaml:1:8: users: must be a map, such as {sa: {}}\n",
	     false},
	    {"users:\n  sa: yes\n",
	     "vclusters/a.yaml:2:7: users.sa: must be a map of keys, such as {sa: {}}\n", false},
	    {"users:\n  sa: {not.before: yesterday}\n",
	     "vclusters/a.yaml:2:20: users.sa.not.before: \"yesterday\" is not a moment in UTC "
	     "such "
	     "as 2026-11-22T10:00:00Z\n",
	     false},
	    {"users:\n  'a b': {}\n",
	     "vclusters/a.yaml:2:3: users: \"a b\" is not a name: 1 to 128 of A-Z a-z 0-9 . _ -\n",
	     false},
	    {"users:\n  sa: {}\n  sa: {}\n",
	     "vclusters/a.yaml:3:3: this key stands here a second time (first in line 2): remove "
	     "one\n",
	     false},
	    {"topics:\n  shared: {read.only: true}\n",
	     "vclusters/a.yaml:2:3: topics.shared: has no physical: add it\n", false},
	    {"topics:\n  shared: {physical: __consumer_offsets}\n",
	     "vclusters/a.yaml:2:22: topics.shared.physical: is a topic of Kafka itself, which no "
	     "tenant may have: name another\n",
	     false},
	    {"topics:\n  shared: {physical: aTopic}\n",
	     "vclusters/a.yaml:2:22: topics.shared.physical: begins with the tenant's own prefix: "
	     "the tenant sees it without an alias; take this one out\n",
	     false},
	    {"topics:\n  s: {physical: x}\n  t: {physical: x, read.only: perhaps}\n",
	     "vclusters/a.yaml:3:17: topics.t.physical: x is that of s too: a tenant can have it "
	     "under one name only; take one out\n"
	     "vclusters/a.yaml:3:31: topics.t.read.only: \"perhaps\" is neither true nor false\n",
	     false},
	};

	scratch_write(&s, "clusters.yaml", CLUSTERS);
	EACH("vclusters/a.yaml", examples);
}

Test(faults, prefixes_that_collide_name_both_files)
{
	char expected[1024];

	scratch_write(&s, "clusters.yaml", CLUSTERS);
	scratch_write(&s, "vclusters/team.yaml", "");
	scratch_write(&s, "vclusters/teamA.yaml", "prefix: teamA\n");
	snprintf(expected, sizeof(expected),
		 "vclusters/teamA.yaml:1:9: prefix: teamA begins with team, the prefix of "
		 "%s/vclusters/team.yaml: their topics could not be told apart (. and _ count as "
		 "equal); change one\n",
		 s.dir);
	expect_load(expected, false);
	scratch_write(&s, "vclusters/team.yaml", "prefix: x.y\n");
	scratch_write(&s, "vclusters/teamA.yaml", "\n# same\nprefix: x_y.\n");
	snprintf(expected, sizeof(expected),
		 "vclusters/teamA.yaml:3:9: prefix: x_y. begins with x.y, the prefix of "
		 "%s/vclusters/team.yaml: their topics could not be told apart (. and _ count as "
		 "equal); change one\n",
		 s.dir);
	expect_load(expected, false);
	scratch_write(&s, "vclusters/teamA.yaml", "prefix: x_z\n");
	expect_load("", true);
}

Test(faults, one_vcluster_in_two_files)
{
	char expected[512];

	scratch_write(&s, "clusters.yaml", CLUSTERS);
	scratch_write(&s, "vclusters/a.yaml", "");
	scratch_write(&s, "vclusters/a-b.yaml", "prefix: x\n");
	scratch_write(&s, "vclusters/a.yml", "prefix: y\n");
	scratch_write(&s, "vclusters/a b.yaml", "");
	snprintf(expected, sizeof(expected),
		 "vclusters/a.yml: %s/vclusters/a.yaml is the same virtual cluster: remove one of "
		 "the files\n"
		 "vclusters/a b.yaml: the file's name is not a virtual cluster's: 1 to 128 of A-Z "
		 "a-z 0-9 . _ - and .yaml\n",
		 s.dir);
	expect_load(expected, false);
}

Test(faults, all_files_at_once_in_order)
{
	scratch_write(&s, "turnout.yaml", "workers: x\nlog.level: y\nnope: z\nport.start: 0\n");
	scratch_write(&s, "clusters.yaml", "active: b\n" CLUSTERS "more: 1\n");
	scratch_write(&s, "vclusters/b.yaml", "nope: 1\n");
	scratch_write(&s, "vclusters/a.yaml", "a: [\n");
	expect_load(
	    "turnout.yaml:1:10: workers: \"x\" is not a whole number\n"
	    "turnout.yaml:2:12: log.level: \"y\" is not supported by this version: it takes "
	    "error, warn, info, debug. What is logged: this level and those before it.\n"
	    "turnout.yaml:3:1: nope: unknown key\n"
	    "turnout.yaml:4:13: port.start: \"0\" is out of range: it takes 1 to 65535\n"
	    "clusters.yaml:1:9: active: no physical cluster is named b: there are main, "
	    "failover\n"
	    "clusters.yaml:3:1: more: unknown key\n"
	    "vclusters/a.yaml:2:1: not valid YAML: did not find expected node content while "
	    "parsing a flow node\n"
	    "vclusters/b.yaml:1:1: nope: unknown key\n",
	    false);
	cr_assert_eq(faults_errors(s.faults), 8);
}

Test(faults, files_that_cannot_be_read)
{
	char path[512];
	char *large = malloc(((size_t)1 << 20) + 2);

	scratch_write(&s, "clusters.yaml", CLUSTERS);
	memset(large, '#', (size_t)1 << 20);
	large[((size_t)1 << 20) - 1] = '\n';
	large[(size_t)1 << 20] = '\0';
	scratch_write(&s, "turnout.yaml", large);
	expect_load("", true);
	large[(size_t)1 << 20] = '\n';
	large[((size_t)1 << 20) + 1] = '\0';
	scratch_write(&s, "turnout.yaml", large);
	expect_load("turnout.yaml: the file is larger than 1048576 bytes\n", false);
	free(large);
	snprintf(path, sizeof(path), "%s/turnout.yaml", s.dir);
	cr_assert(unlink(path) == 0);
	cr_assert(mkfifo(path, 0600) == 0);
	expect_load("turnout.yaml: the file is not a regular file\n", false);
	cr_assert(unlink(path) == 0);
	snprintf(path, sizeof(path), "%s/vclusters/d.yaml", s.dir);
	cr_assert(mkdir(path, 0700) == 0);
	expect_load("vclusters/d.yaml: the file is not a regular file\n", false);
	cr_assert(rmdir(path) == 0);
	scratch_write(&s, "turnout.yaml", "vclusters.dir: clusters.yaml\n");
	expect_load("clusters.yaml: vclusters.dir: the folder cannot be read: Not a directory\n",
		    false);
}

Test(faults, a_flood_is_cut_off)
{
	char *text = malloc(200000);
	size_t used = 0;

	for (int i = 0; i < 5000; i++)
		used += (size_t)snprintf(text + used, 200000 - used, "wrong%d: 1\n", i);
	scratch_write(&s, "clusters.yaml", CLUSTERS);
	scratch_write(&s, "turnout.yaml", text);
	free(text);
	scratch_load(&s, NULL);
	cr_assert_eq(faults_count(s.faults), 500);
	cr_assert_eq(faults_errors(s.faults), 5000);
	cr_assert_str_eq(faults_at(s.faults, 499)->text, "more faults follow; they are not listed");
}

/* Faults that were there before are not the load's. */
Test(faults, a_list_that_is_used_again)
{
	struct config_source source = {.config_path = s.path};
	struct faults *faults = faults_new();
	struct snapshot *snap;

	faults_add(faults, FAULT_ERROR, "x", 1, 2, "k\n", "old %s\x1b", "one");
	cr_assert_str_eq(faults_at(faults, 0)->text, "old one?");
	cr_assert_str_eq(faults_at(faults, 0)->key, "k?");
	scratch_write(&s, "clusters.yaml", CLUSTERS);
	snap = config_load(&source, faults);
	cr_assert_neq(snap, NULL);
	snapshot_unref(&snap);
	faults_free(&faults);
}

Test(faults, check_prints_them_all)
{
	struct config_source source = {.config_path = s.path};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	char expected[1024];

	scratch_write(&s, "clusters.yaml", "active: x\n" CLUSTERS);
	scratch_write(&s, "turnout.yaml", "workers: x\n");
	cr_assert_eq(config_check_print(&source, out), 1);
	fclose(out);
	snprintf(expected, sizeof(expected),
		 "%s/turnout.yaml:1:10: workers: \"x\" is not a whole number\n"
		 "%s/clusters.yaml:1:9: active: no physical cluster is named x: there are main, "
		 "failover\n"
		 "FAULTY: 2 errors; nothing was changed\n",
		 s.dir, s.dir);
	cr_assert_str_eq(text, expected);
	free(text);
}

/* Whatever the bytes: an answer, never a crash. */
Test(faults, noise)
{
	static const char alphabet[] = "a:{}[]-?,&*!|>'\"%@`# \n\t\r.~0\\\xc3\xa4\xff";
	uint64_t seed = 42;

	for (int round = 0; round < 3000; round++) {
		char text[257] = "";

		for (int i = 0; i < 256; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			text[i] = alphabet[(seed >> 33) % (sizeof(alphabet) - 1)];
			if (i > 8 && (seed >> 20) % 40 == 0)
				break;
		}
		scratch_write(&s, round % 2 ? "clusters.yaml" : "vclusters/a.yaml", text);
		scratch_load(&s, NULL);
		cr_assert(s.snap != NULL || faults_errors(s.faults) > 0);
	}
}

Test(faults, a_tenants_link_that_leads_nowhere)
{
	char path[256];

	scratch_write(&s, "clusters.yaml", CLUSTERS);
	scratch_write(&s, "vclusters/b.yaml", "");
	snprintf(path, sizeof(path), "%s/vclusters/a.yaml", s.dir);
	cr_assert(symlink("nowhere.yaml", path) == 0);
	expect_load(
	    "vclusters/a.yaml: the link leads to no file: mend it, or remove it to remove the "
	    "virtual cluster\n",
	    false);
}
