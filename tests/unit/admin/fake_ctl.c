/* SPDX-License-Identifier: Apache-2.0
 *
 * The fake control plane: data first, then ctl.h's functions in its order.
 */
#include "unit/admin/fake_ctl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"
#include "base/mem.h"

static const struct admin_user accounts[] = {
    {.name = "admin", .password = "secret", .admin = true},
    {.name = "viewer", .password = "look", .admin = false},
};

static const struct property failover_properties[] = {
    {.name = "sasl.jaas.config", .value = "login password='hunter2';"},
    {.name = "ssl.truststore.password", .value = "hunter2"},
    {.name = "Client.Secret", .value = "hunter2"},
    {.name = "client.id", .value = "turnout<1>"},
};

static const struct bootstrap main_bootstrap[] = {
    {.host = "kafka1", .port = 9092},
    {.host = "::1", .port = 9093},
};
static const struct bootstrap failover_bootstrap[] = {{.host = "failover-kafka1", .port = 9092}};

static const struct cluster clusters[] = {
    {
	.name = "main",
	.bootstrap = main_bootstrap,
	.bootstrap_count = 2,
	.security_protocol = "PLAINTEXT",
	.roles = "",
    },
    {
	.name = "failover",
	.bootstrap = failover_bootstrap,
	.bootstrap_count = 1,
	.security_protocol = "PLAINTEXT",
	.roles = "failover",
	.properties = failover_properties,
	.properties_count = 4,
    },
};

static const struct logical logicals[] = {{.name = "main"}, {.name = "eu"}};

static const int64_t read_and_write[] = {1, 2};
static const struct user team_a_users[] = {{
    .name = "sa",
    .not_before = 1763892000,
    .allow = read_and_write,
    .allow_count = 2,
    .connections = 50,
    .out_rate = 4096,
}};
static char meter_vcluster[] = "teamA";
static char meter_user[] = "sa";
static struct meter meter = {
    .vcluster = meter_vcluster,
    .user = meter_user,
    .connections = 23,
    .refused = 31,
    .throttled_ms = 37001,
};
static struct world_meter world_meters[] = {{"teamA", "sa", &meter}};
static const struct alias team_a_aliases[] = {
    {.topic = "orders", .physical = "legacyOrders", .read_only = false},
    {.topic = "shared", .physical = "existingSharedTopic", .read_only = true},
};
static const struct vcluster vclusters[] = {
    {
	.name = "teamA",
	.prefix = "teamA",
	.cluster = "main",
	.users = team_a_users,
	.users_count = 1,
	.session_lifetime_ms = 3600000,
	.aliases = team_a_aliases,
	.aliases_count = 2,
	.file = "/etc/turnout/vclusters/teamA.yaml",
	.cluster_id = "AAAAAAAAAAAAAAAAAAAAAA",
    },
    {
	.name = "teamB",
	.prefix = "b.",
	.cluster = "eu",
	.logical = 1,
	.file = "/etc/turnout/vclusters/<b>.yaml",
	.cluster_id = "BBBBBBBBBBBBBBBBBBBBBB",
    },
};

static const struct config_file files[] = {
    {.path = "/etc/turnout/turnout.yaml", .sha256 = ""},
    {.path = "/etc/turnout/clusters.yaml",
     .sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
};

static const struct broker_status main_brokers[] = {
    {.id = 1, .host = "kafka1", .port = 9092, .vnode = 0, .present = true},
    {.id = 2, .host = "kafka2", .port = 9093, .vnode = 1, .present = true},
    {.id = 3, .host = "kafka3", .port = 9094, .vnode = -1, .present = false},
};

static void
fill_snapshot(struct snapshot *snap)
{
	snap->number = 7;
	snap->settings.admin_bind_host = "127.0.0.1";
	snap->settings.admin_port = 0;
	snap->clusters = clusters;
	snap->clusters_count = 2;
	snap->logicals = logicals;
	snap->logicals_count = 2;
	snap->vclusters = vclusters;
	snap->vclusters_count = 2;
	snap->files = files;
	snap->files_count = 2;
	snprintf(snap->digest, sizeof(snap->digest), "%s", files[1].sha256);
}

void
fake_ctl_reset(struct ctl *ctl)
{
	faults_free(&ctl->faults);
	memset(ctl, 0, sizeof(*ctl));
	fill_snapshot(&ctl->snap);
	ctl->routes[0] = (struct route){.logical = "main", .cluster = "main", .generation = 3};
	ctl->routes[1] = (struct route){.logical = "eu", .cluster = "failover", .generation = 0};
	ctl->world.snap = &ctl->snap;
	ctl->world.routes = ctl->routes;
	ctl->world.meters = world_meters;
	ctl->world.meters_count = 1;
	ctl->faults = faults_new();
	ctl->ready = true;
	ctl->taken = true;
	/* No number twice, here and in what else becomes a metric: two that are swapped are seen.
	 */
	ctl->counters = (struct worker_counters){
	    .connections = 5,
	    .connections_total = 61,
	    .requests_total = 1234,
	    .lookups = 37,
	    .bytes_in = 5000000001,
	    .bytes_out = 7000000002,
	    .auth_ok = 43,
	    .auth_refused = 17,
	    .closed_protocol = 11,
	    .upstream_connects = 29,
	    .upstream_failures = 13,
	    .requests_denied = 53,
	    .held_discarded = 19,
	};
	ctl->history[0] = (struct switch_record){
	    .at = 1763892000,
	    .who = "api:<admin>",
	    .logical = "main",
	    .result = {.ok = true,
		       .moved = true,
		       .from = "failover",
		       .to = "main",
		       .generation = 3,
		       .duration_ms = 1042,
		       .held_ms = 37,
		       .held = 4},
	};
	ctl->history_count = 1;
	ctl->switch_result = (struct switch_result){.ok = true,
						    .moved = true,
						    .from = "main",
						    .to = "failover",
						    .generation = 4,
						    .duration_ms = 51,
						    .held_ms = 12,
						    .connections = 9,
						    .held = 3,
						    .workers = 2};
	ctl->reload_result = (struct reload_result){.changed = true, .number = 8};
}

struct ctl *
fake_ctl_new(void)
{
	struct ctl *ctl = mem_zalloc(sizeof(*ctl));

	fake_ctl_reset(ctl);
	return ctl;
}

void
fake_ctl_free(struct ctl **ctl)
{
	if (*ctl == NULL)
		return;
	faults_free(&(*ctl)->faults);
	free(*ctl);
	*ctl = NULL;
}

void
fake_ctl_finish(struct ctl *ctl)
{
	void (*finish)(struct ctl *) = ctl->finish;

	ENSURE(finish != NULL);
	ctl->finish = NULL;
	finish(ctl);
}

/* Notes the operation; the caller has set fn. */
static void
begin(struct ctl *ctl, const char *operation, const char *target, const char *detail,
      const char *who, void *arg, void (*finish)(struct ctl *))
{
	ENSURE(ctl->finish == NULL);
	ctl->calls++;
	snprintf(ctl->operation, sizeof(ctl->operation), "%s", operation);
	snprintf(ctl->target, sizeof(ctl->target), "%s", target);
	snprintf(ctl->detail, sizeof(ctl->detail), "%s", detail != NULL ? detail : "");
	snprintf(ctl->who, sizeof(ctl->who), "%s", who);
	ctl->arg = arg;
	ctl->finish = finish;
	if (!ctl->keep)
		fake_ctl_finish(ctl);
}

struct world *
ctl_world(struct ctl *ctl)
{
	return &ctl->world;
}

static void
finish_reload(struct ctl *ctl)
{
	ctl->fn.reloaded(ctl->arg, &ctl->reload_result);
}

void
ctl_reload(struct ctl *ctl, const char *who, reload_done_fn done, void *arg)
{
	ctl->fn.reloaded = done;
	begin(ctl, "reload", "", "", who, arg, finish_reload);
}

static void
finish_switch(struct ctl *ctl)
{
	ctl->fn.switched(ctl->arg, &ctl->switch_result);
}

void
ctl_switch(struct ctl *ctl, const char *logical, const char *to, unsigned flags, const char *who,
	   switch_done_fn done, void *arg)
{
	ctl->fn.switched = done;
	ctl->flags = flags;
	begin(ctl, "switch", logical, to, who, arg, finish_switch);
}

static const struct err *
error_of(struct ctl *ctl)
{
	return ctl->err.code != ERR_NONE ? &ctl->err : NULL;
}

static void
finish_token(struct ctl *ctl)
{
	const struct err *err = error_of(ctl);

	ctl->fn.token(ctl->arg, err != NULL ? NULL : "head.body.signature", err);
}

void
ctl_token(struct ctl *ctl, const char *vcluster, const char *user, int64_t lifetime_s,
	  const char *who, token_done_fn done, void *arg)
{
	ctl->fn.token = done;
	ctl->lifetime = lifetime_s;
	begin(ctl, "token", vcluster, user, who, arg, finish_token);
}

static void
finish_remove(struct ctl *ctl)
{
	ctl->fn.done(ctl->arg, error_of(ctl));
}

void
ctl_remove(struct ctl *ctl, const char *vcluster, const char *user, const char *who, done_fn done,
	   void *arg)
{
	ctl->fn.done = done;
	begin(ctl, "remove", vcluster, user, who, arg, finish_remove);
}

void
ctl_alias_set(struct ctl *ctl, const char *vcluster, const char *topic, const char *physical,
	      bool read_only, const char *who, done_fn done, void *arg)
{
	ctl->fn.done = done;
	ctl->flags = read_only;
	snprintf(ctl->physical, sizeof(ctl->physical), "%s", physical);
	begin(ctl, "alias_set", vcluster, topic, who, arg, finish_remove);
}

void
ctl_alias_remove(struct ctl *ctl, const char *vcluster, const char *topic, const char *who,
		 done_fn done, void *arg)
{
	ctl->fn.done = done;
	begin(ctl, "alias_remove", vcluster, topic, who, arg, finish_remove);
}

static void
finish_topics(struct ctl *ctl)
{
	static const char *const names[] = {"a", "orders", "users"};
	const struct err *err = error_of(ctl);

	ctl->fn.topics(ctl->arg, err != NULL ? NULL : names, err != NULL ? 0 : 3, err);
}

void
ctl_topics(struct ctl *ctl, const char *vcluster, topics_done_fn done, void *arg)
{
	ctl->fn.topics = done;
	begin(ctl, "topics", vcluster, "", "", arg, finish_topics);
}

bool
ctl_cluster_status(struct ctl *ctl, size_t cluster, struct cluster_status *out)
{
	(void)ctl;
	memset(out, 0, sizeof(*out));
	out->name = clusters[cluster].name;
	out->checked_ms_ago = 120;
	if (cluster == 0) {
		out->known = true;
		out->reachable = true;
		out->brokers = main_brokers;
		out->brokers_count = 3;
		snprintf(out->kafka_cluster_id, sizeof(out->kafka_cluster_id), "kafka-id");
	} else {
		snprintf(out->error, sizeof(out->error), "connection refused");
	}
	return true;
}

size_t
ctl_switch_history(struct ctl *ctl, const struct switch_record **records)
{
	*records = ctl->history;
	return ctl->history_count;
}

const char *
ctl_switch_state(struct ctl *ctl, const char *logical)
{
	(void)ctl;
	(void)logical;
	return "run";
}

const struct faults *
ctl_faults(struct ctl *ctl)
{
	return ctl->faults;
}

void
ctl_last_load(struct ctl *ctl, int64_t *at, bool *taken)
{
	*at = 1763893111;
	*taken = ctl->taken;
}

bool
ctl_is_ready(struct ctl *ctl, char *why, size_t size)
{
	snprintf(why, size, "cluster '%s' does not answer", "main");
	return ctl->ready;
}

void
ctl_counters(struct ctl *ctl, struct worker_counters *out)
{
	*out = ctl->counters;
}

size_t
ctl_admin_users(struct ctl *ctl, const struct admin_user **users)
{
	(void)ctl;
	*users = accounts;
	return sizeof(accounts) / sizeof(accounts[0]);
}

int64_t
ctl_uptime_ms(struct ctl *ctl)
{
	(void)ctl;
	return 93784005;
}
