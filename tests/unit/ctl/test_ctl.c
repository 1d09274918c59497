/* SPDX-License-Identifier: Apache-2.0
 *
 * The control plane as a whole: real files, real probes of fake brokers, fake workers.
 */
#include "scratch.h"
#include <arpa/inet.h>
#include <sys/socket.h>
#include "auth/jwt.h"
#include "base/clock.h"
#include "ctl/ctl.h"
#include "fake_broker.h"
#include "fake_worker.h"

#define WAIT_MS  15000
#define QUIET_MS 400

struct fixture {
	struct scratch scratch;
	struct loop *loop;
	struct ctl *ctl;
	struct fake_broker *a; /* main */
	struct fake_broker *b; /* failover */
	uint16_t b_port;
	uint16_t port; /* port.start */
	struct loop_timer tick;
	/* the last answer of each kind */
	unsigned switches;
	struct switch_result moved;
	unsigned reloads;
	struct reload_result reloaded;
	unsigned tokens;
	char token[1024];
	unsigned removals;
	unsigned lists;
	size_t topics;
	char topic[2][64];
	struct err err;
};

/* -- answers */

static void
on_switched(void *arg, const struct switch_result *result)
{
	struct fixture *f = arg;

	f->switches++;
	f->moved = *result;
}

static void
on_reloaded(void *arg, const struct reload_result *result)
{
	struct fixture *f = arg;

	f->reloads++;
	f->reloaded = *result;
}

static void
take_err(struct fixture *f, const struct err *err)
{
	f->err = err != NULL ? *err : (struct err){0};
}

static void
on_token(void *arg, const char *token, const struct err *err)
{
	struct fixture *f = arg;

	f->tokens++;
	snprintf(f->token, sizeof(f->token), "%s", token != NULL ? token : "");
	take_err(f, err);
}

static void
on_removed(void *arg, const struct err *err)
{
	struct fixture *f = arg;

	f->removals++;
	take_err(f, err);
}

static void
on_topics(void *arg, const char *const *names, size_t count, const struct err *err)
{
	struct fixture *f = arg;

	f->lists++;
	f->topics = count;
	for (size_t i = 0; i < count && i < 2; i++)
		snprintf(f->topic[i], sizeof(f->topic[i]), "%s", names[i]);
	take_err(f, err);
}

/* -- set up */

static void
on_tick(void *arg)
{
	(void)arg;
}

static bool
is_free(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	close(fd);
	return ok;
}

/* Eight free ports in a row, below those that the kernel gives out; tests run side by side, so each
 * process begins elsewhere. */
static uint16_t
free_ports(void)
{
	for (unsigned i = 0; i < 1500; i++) {
		uint16_t port = (uint16_t)(20000 + ((unsigned)getpid() + i) % 1500 * 8);
		unsigned found = 0;

		while (found < 8 && is_free((uint16_t)(port + found)))
			found++;
		if (found == 8)
			return port;
	}
	cr_assert_fail("no free ports");
	return 0;
}

static void
write_clusters(struct fixture *f, const char *active)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "# by hand\n"
		 "active: %s # who serves\n"
		 "config:\n"
		 "  main:\n"
		 "    bootstrap.servers: 127.0.0.1:%u\n"
		 "  failover:\n"
		 "    bootstrap.servers: 127.0.0.1:%u\n",
		 active, f->a->port, f->b_port);
	scratch_write(&f->scratch, "etc/new", text);
	cr_assert_eq(rename(scratch_path(&f->scratch, "etc/new"),
			    scratch_path(&f->scratch, "etc/clusters.yaml")),
		     0);
}

static void
write_turnout(struct fixture *f, const char *more)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "port.start: %u\n"
		 "port.count: 8\n"
		 "bind.host: 127.0.0.1\n"
		 "advertised.host: localhost\n"
		 "workers: 2\n"
		 "state.dir: ../state\n"
		 "probe.interval.ms: 200\n"
		 "probe.timeout.ms: 1000\n"
		 "switch.drain.timeout.ms: 300\n"
		 "log.level: error\n"
		 "%s",
		 f->port, more);
	scratch_write(&f->scratch, "etc/turnout.yaml", text);
}

static bool
try_start(struct fixture *f)
{
	static char path[256];
	struct config_source source = {.config_path = path};

	fake_workers_reset();
	snprintf(path, sizeof(path), "%s/etc/turnout.yaml", f->scratch.path);
	f->ctl = ctl_start(f->loop, &source, &f->err);
	return f->ctl != NULL;
}

static void
setup(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	scratch_make(&f->scratch);
	mkdir(scratch_path(&f->scratch, "etc"), 0700);
	mkdir(scratch_path(&f->scratch, "etc/vclusters"), 0700);
	f->a = fake_broker_start();
	f->b = fake_broker_start();
	f->b_port = f->b->port;
	f->port = free_ports();
	f->loop = loop_new();
	loop_timer_init(&f->tick, f->loop, on_tick, NULL);
	loop_timer_start(&f->tick, 20, 20);
	write_turnout(f, "");
	write_clusters(f, "main");
}

static void
teardown(struct fixture *f)
{
	ctl_stop(&f->ctl);
	loop_timer_stop(&f->tick);
	loop_free(&f->loop);
	fake_broker_stop(f->a);
	if (f->b != NULL)
		fake_broker_stop(f->b);
	scratch_free(&f->scratch);
}

#define WAIT_FOR(f, condition)                                                                     \
	do {                                                                                       \
		int64_t until_ = clock_now_ms() + WAIT_MS;                                         \
		while (!(condition) && clock_now_ms() < until_)                                    \
			loop_turn((f)->loop, true);                                                \
		cr_assert(condition);                                                              \
	} while (0)

static void
settle(struct fixture *f)
{
	int64_t until = clock_now_ms() + QUIET_MS;

	while (clock_now_ms() < until)
		loop_turn(f->loop, true);
}

static bool
is_reachable(struct fixture *f, size_t cluster)
{
	struct cluster_status status;

	return ctl_cluster_status(f->ctl, cluster, &status) && status.reachable;
}

static void
start(struct fixture *f)
{
	cr_assert(try_start(f), "%s", f->err.text);
	WAIT_FOR(f, is_reachable(f, 0) && (f->b == NULL || is_reachable(f, 1)));
	WAIT_FOR(f, ctl_world(f->ctl)->vnodes == 3);
}

static const struct route *
route(struct fixture *f)
{
	return &ctl_world(f->ctl)->routes[0];
}

static void
switch_to(struct fixture *f, const char *to, unsigned flags)
{
	unsigned before = f->switches;

	ctl_switch(f->ctl, "main", to, flags, "api:test", on_switched, f);
	WAIT_FOR(f, f->switches > before);
}

static void
reload(struct fixture *f)
{
	unsigned before = f->reloads;

	ctl_reload(f->ctl, "api:test", on_reloaded, f);
	WAIT_FOR(f, f->reloads > before);
}

static bool
file_has(struct fixture *f, const char *name, const char *text)
{
	return strstr(scratch_read(&f->scratch, name), text) != NULL;
}

/* -- tests */

Test(ctl, starts_and_is_ready)
{
	struct fixture f;
	struct worker_counters counters;
	const struct admin_user *users;
	char why[128];

	setup(&f);
	start(&f);
	cr_expect_str_eq(route(&f)->logical, "main");
	cr_expect_str_eq(route(&f)->cluster, "main");
	cr_expect_eq(route(&f)->generation, 0);
	cr_expect_eq(route(&f)->slots_count, 3);
	cr_expect(route(&f)->slots[2].present);
	cr_expect_eq(ctl_world(f.ctl)->apis[1].max, 11, "what the cluster offers of Fetch");
	cr_expect_eq(ctl_world(f.ctl)->keys_count, 1);
	cr_expect_eq(fake_workers()->listeners, 6, "3 vnodes, 2 workers");
	WAIT_FOR(&f, fake_worker_world(1) == ctl_world(f.ctl));
	cr_expect(ctl_is_ready(f.ctl, why, sizeof(why)), "%s", why);
	cr_expect_eq(ctl_admin_users(f.ctl, &users), 1);
	cr_expect_str_eq(users->name, "admin");
	ctl_counters(f.ctl, &counters);
	cr_expect_eq(counters.connections, 3);
	cr_expect_str_eq(ctl_switch_state(f.ctl, "main"), "run");
	teardown(&f);
}

Test(ctl, a_dead_cluster_is_no_hindrance_to_start)
{
	struct fixture f;
	char why[128];

	setup(&f);
	fake_broker_stop(f.b);
	f.b = NULL;
	write_clusters(&f, "failover");
	start(&f);
	cr_expect_str_eq(route(&f)->cluster, "failover");
	cr_expect_eq(route(&f)->slots_count, 0);
	cr_expect_not(ctl_is_ready(f.ctl, why, sizeof(why)));
	cr_expect(strstr(why, "failover") != NULL, "%s", why);
	f.b = fake_broker_start_at(f.b_port);
	WAIT_FOR(&f, route(&f)->slots_count == 3);
	cr_expect(ctl_is_ready(f.ctl, why, sizeof(why)), "%s", why);
	teardown(&f);
}

Test(ctl, a_taken_port_is_an_error)
{
	struct fixture f;
	struct fake_broker *other;

	setup(&f);
	other = fake_broker_start();
	f.port = other->port;
	write_turnout(&f, "");
	cr_expect_not(try_start(&f));
	cr_expect_eq(f.err.code, ERR_IO);
	cr_expect(strstr(f.err.text, "in use") != NULL, "%s", f.err.text);
	fake_broker_stop(other);
	teardown(&f);
}

Test(ctl, a_faulty_start_is_refused)
{
	struct fixture f;

	setup(&f);
	write_turnout(&f, "no.such.key: 1\n");
	cr_expect_not(try_start(&f));
	cr_expect_eq(f.err.code, ERR_INVALID);
	teardown(&f);
}

Test(ctl, the_api_switches_and_writes_the_file)
{
	struct fixture f;
	const struct switch_record *records;

	setup(&f);
	start(&f);
	switch_to(&f, "failover", 0);
	cr_assert(f.moved.ok, "%s", f.moved.err.text);
	cr_expect(f.moved.moved);
	cr_expect_str_eq(f.moved.from, "main");
	cr_expect_str_eq(f.moved.to, "failover");
	cr_expect_eq(f.moved.generation, 1);
	cr_expect_eq(f.moved.workers, 2);
	cr_expect_eq(f.moved.connections, 6);
	cr_expect_eq(f.moved.held, 2);
	cr_expect_str_eq(route(&f)->cluster, "failover");
	cr_expect_eq(route(&f)->generation, 1);
	cr_expect(file_has(&f, "etc/clusters.yaml", "active: failover # who serves\n"));
	cr_expect(file_has(&f, "state/state.json", "\"generation\": 1"));
	/* The file that we wrote ourselves is read again; nothing moves. */
	settle(&f);
	cr_expect_eq(fake_workers()->holds, 2);
	cr_expect_eq(route(&f)->generation, 1);
	cr_expect_eq(ctl_world(f.ctl)->snap->logicals[0].active, 1);
	cr_expect_eq(ctl_switch_history(f.ctl, &records), 1);
	cr_expect_str_eq(records[0].who, "api:test");
	/* And back. */
	switch_to(&f, "main", 0);
	cr_expect(f.moved.moved);
	cr_expect_eq(f.moved.generation, 2);
	cr_expect(file_has(&f, "etc/clusters.yaml", "active: main # who serves\n"));
	teardown(&f);
}

Test(ctl, switches_that_are_refused)
{
	struct fixture f;

	setup(&f);
	fake_broker_stop(f.b);
	f.b = NULL;
	start(&f);
	switch_to(&f, "main", 0);
	cr_expect(f.moved.ok);
	cr_expect_not(f.moved.moved);
	switch_to(&f, "nowhere", 0);
	cr_expect_eq(f.moved.err.code, ERR_INVALID);
	ctl_switch(f.ctl, "nothing", "main", 0, "api:test", on_switched, &f);
	cr_expect_eq(f.moved.err.code, ERR_INVALID);
	switch_to(&f, "failover", SWITCH_DRY_RUN);
	cr_expect_eq(f.moved.err.code, ERR_UNAVAILABLE);
	switch_to(&f, "failover", 0);
	cr_expect_eq(f.moved.err.code, ERR_UNAVAILABLE);
	cr_expect_eq(fake_workers()->holds, 0);
	cr_expect(file_has(&f, "etc/clusters.yaml", "active: main"));
	switch_to(&f, "failover", SWITCH_FORCE);
	cr_expect(f.moved.moved);
	cr_expect_str_eq(route(&f)->cluster, "failover");
	teardown(&f);
}

Test(ctl, one_switch_at_a_time)
{
	struct fixture f;

	setup(&f);
	start(&f);
	fake_workers()->never_drain = true;
	ctl_switch(f.ctl, "main", "failover", 0, "api:test", on_switched, &f);
	ctl_switch(f.ctl, "main", "main", 0, "api:other", on_switched, &f);
	cr_expect_eq(f.switches, 1);
	cr_expect_eq(f.moved.err.code, ERR_CONFLICT);
	WAIT_FOR(&f, f.switches == 2);
	cr_expect(f.moved.moved);
	cr_expect_eq(f.moved.cut, 4, "the drain deadline passed");
	cr_expect_geq(f.moved.held_ms, 300);
	cr_expect_eq(fake_workers()->cuts, 2);
	teardown(&f);
}

/* Two gateways on one file: the second follows the first one's write when it is told itself. */
Test(ctl, who_asks_for_the_switch_that_runs_gets_its_result)
{
	struct fixture f;

	setup(&f);
	start(&f);
	fake_workers()->never_drain = true;
	ctl_switch(f.ctl, "main", "failover", 0, "api:test", on_switched, &f);
	ctl_switch(f.ctl, "main", "failover", 0, "api:other", on_switched, &f);
	cr_expect_eq(f.switches, 0, "neither refused nor answered yet");
	WAIT_FOR(&f, f.switches == 2);
	cr_expect(f.moved.ok && f.moved.moved);
	cr_expect_eq(route(&f)->generation, 1, "one switch for both");
	teardown(&f);
}

Test(ctl, an_edited_file_switches)
{
	struct fixture f;
	const struct switch_record *records;

	setup(&f);
	start(&f);
	write_clusters(&f, "failover");
	WAIT_FOR(&f, route(&f)->generation == 1);
	cr_expect_str_eq(route(&f)->cluster, "failover");
	WAIT_FOR(&f, ctl_switch_history(f.ctl, &records) == 1);
	cr_expect_str_eq(records[0].who, "file");
	cr_expect(records[0].result.moved);
	teardown(&f);
}

/* git checkout right after a switch by the API: the bytes of the last load, another active. */
Test(ctl, a_file_put_back_to_what_was_loaded_switches)
{
	struct fixture f;

	setup(&f);
	start(&f);
	switch_to(&f, "failover", 0);
	write_clusters(&f, "main");
	WAIT_FOR(&f, route(&f)->generation == 2);
	cr_expect_str_eq(route(&f)->cluster, "main");
	settle(&f);
	cr_expect_eq(route(&f)->generation, 2);
	teardown(&f);
}

Test(ctl, an_edited_file_waits_for_its_target)
{
	struct fixture f;
	const struct switch_record *records;
	char why[128];

	setup(&f);
	fake_broker_stop(f.b);
	f.b = NULL;
	start(&f);
	write_clusters(&f, "failover");
	WAIT_FOR(&f, ctl_switch_history(f.ctl, &records) == 1);
	cr_expect_not(records[0].result.ok);
	cr_expect_str_eq(route(&f)->cluster, "main");
	cr_expect_eq(faults_errors(ctl_faults(f.ctl)), 1);
	cr_expect(ctl_is_ready(f.ctl, why, sizeof(why)), "the old cluster serves on");
	settle(&f);
	cr_expect_eq(ctl_switch_history(f.ctl, &records), 1, "it is not tried for nothing");
	f.b = fake_broker_start_at(f.b_port);
	WAIT_FOR(&f, strcmp(route(&f)->cluster, "failover") == 0);
	WAIT_FOR(&f, ctl_switch_history(f.ctl, &records) == 2);
	cr_expect_eq(faults_errors(ctl_faults(f.ctl)), 0);
	teardown(&f);
}

Test(ctl, a_switch_that_the_file_wants_can_be_called_off)
{
	struct fixture f;
	const struct switch_record *records;

	setup(&f);
	fake_broker_stop(f.b);
	f.b = NULL;
	start(&f);
	write_clusters(&f, "failover");
	WAIT_FOR(&f, ctl_switch_history(f.ctl, &records) == 1);
	switch_to(&f, "main", 0);
	cr_expect(f.moved.ok);
	cr_expect_not(f.moved.moved);
	cr_expect(file_has(&f, "etc/clusters.yaml", "active: main"));
	f.b = fake_broker_start_at(f.b_port);
	WAIT_FOR(&f, is_reachable(&f, 1));
	settle(&f);
	cr_expect_str_eq(route(&f)->cluster, "main");
	teardown(&f);
}

Test(ctl, a_restart_comes_up_where_the_file_says)
{
	struct fixture f;

	setup(&f);
	start(&f);
	switch_to(&f, "failover", 0);
	cr_assert(f.moved.moved);
	ctl_stop(&f.ctl);
	/* With both clusters dead: ports and versions are known all the same. */
	fake_broker_stop(f.b);
	f.b = NULL;
	cr_assert(try_start(&f), "%s", f.err.text);
	cr_expect_str_eq(route(&f)->cluster, "failover");
	cr_expect_eq(route(&f)->generation, 1);
	cr_expect_eq(route(&f)->slots_count, 3);
	cr_expect_eq(ctl_world(f.ctl)->vnodes, 3);
	cr_expect_eq(ctl_world(f.ctl)->apis[1].max, 11);
	ctl_stop(&f.ctl);
	/* A switch while it is down counts as one. */
	write_clusters(&f, "main");
	cr_assert(try_start(&f), "%s", f.err.text);
	cr_expect_str_eq(route(&f)->cluster, "main");
	cr_expect_eq(route(&f)->generation, 2);
	teardown(&f);
}

Test(ctl, a_shutdown_rolls_a_hold_back)
{
	struct fixture f;

	setup(&f);
	write_turnout(&f, "switch.settle.timeout.ms: 100\n");
	start(&f);
	fake_workers()->never_drain = true;
	ctl_switch(f.ctl, "main", "failover", 0, "api:test", on_switched, &f);
	WAIT_FOR(&f, fake_workers()->holds == 2);
	ctl_shutdown(f.ctl, "test");
	cr_expect_eq(f.switches, 1);
	cr_expect_eq(f.moved.err.code, ERR_CONFLICT);
	cr_expect_eq(fake_workers()->releases, 2);
	ctl_reload(f.ctl, "api:test", on_reloaded, &f);
	cr_expect_eq(f.reloads, 1, "who comes too late is answered");
	loop_run(f.loop);
	cr_expect(file_has(&f, "etc/clusters.yaml", "active: main"));
	teardown(&f);
}

Test(ctl, a_faulty_file_changes_nothing)
{
	struct fixture f;
	uint64_t number;
	int64_t at;
	bool taken;

	setup(&f);
	start(&f);
	reload(&f);
	cr_expect_not(f.reloaded.changed);
	number = f.reloaded.number;
	scratch_write(&f.scratch, "etc/clusters.yaml", "config: [\n");
	reload(&f);
	cr_expect_gt(f.reloaded.errors, 0);
	cr_expect_eq(f.reloaded.number, number);
	cr_expect_str_eq(route(&f)->cluster, "main");
	ctl_last_load(f.ctl, &at, &taken);
	cr_expect_not(taken);
	cr_expect_gt(faults_errors(ctl_faults(f.ctl)), 0);
	write_clusters(&f, "main");
	reload(&f);
	ctl_last_load(f.ctl, &at, &taken);
	cr_expect(taken);
	cr_expect_eq(faults_errors(ctl_faults(f.ctl)), 0);
	teardown(&f);
}

Test(ctl, a_reload_takes_what_can_be_reloaded)
{
	struct fixture f;
	uint16_t port;

	setup(&f);
	start(&f);
	port = f.port;
	f.port = 1234;
	write_turnout(&f, "limits.connections: 77\n");
	reload(&f);
	cr_expect_eq(ctl_world(f.ctl)->snap->settings.connections, 77);
	cr_expect_eq(ctl_world(f.ctl)->snap->settings.port_start, port, "needs a restart");
	cr_expect_eq(fake_worker_world(0)->snap->settings.connections, 77,
		     "answered when the workers have it");
	teardown(&f);
}

Test(ctl, a_new_broker_gets_the_next_port)
{
	struct fixture f;

	setup(&f);
	start(&f);
	f.b->first_id = 0;
	f.b->brokers = 5;
	WAIT_FOR(&f, ctl_world(f.ctl)->vnodes == 5);
	cr_expect_eq(fake_workers()->listeners, 10);
	cr_expect_eq(route(&f)->slots_count, 3);
	switch_to(&f, "failover", 0);
	cr_expect_eq(route(&f)->slots_count, 5);
	cr_expect_eq(route(&f)->slots[0].broker_id, 1);
	cr_expect_eq(route(&f)->slots[3].broker_id, 0);
	cr_expect_eq(route(&f)->slots[4].broker_id, 4);
	f.b->brokers = 1;
	WAIT_FOR(&f, !route(&f)->slots[4].present);
	cr_expect_eq(ctl_world(f.ctl)->vnodes, 5, "ports never go away");
	teardown(&f);
}

static void
ask_token(struct fixture *f, const char *vcluster, const char *user)
{
	unsigned before = f->tokens;

	ctl_token(f->ctl, vcluster, user, 60, "api:test", on_token, f);
	WAIT_FOR(f, f->tokens > before);
}

Test(ctl, a_token_makes_vcluster_and_user)
{
	struct fixture f;
	struct token token;
	const struct world *world;

	setup(&f);
	start(&f);
	ask_token(&f, "teamA", "sa");
	cr_assert_str_neq(f.token, "", "%s", f.err.text);
	world = ctl_world(f.ctl);
	cr_expect_eq(token_verify(world->keys, world->keys_count, f.token, strlen(f.token),
				  clock_wall_s(), &token),
		     AUTH_OK);
	cr_expect_str_eq(token.username, "sa");
	cr_expect_str_eq(token.vcluster, "teamA");
	cr_expect(file_has(&f, "etc/vclusters/teamA.yaml", "\"sa\": {}"));
	cr_expect_not_null(snapshot_vcluster(fake_worker_world(1)->snap, "teamA"),
			   "the workers know it before the token is out");
	ask_token(&f, "teamA", "ci");
	cr_expect_str_neq(f.token, "");
	cr_expect(file_has(&f, "etc/vclusters/teamA.yaml", "ci: {}"));
	cr_expect(file_has(&f, "etc/vclusters/teamA.yaml", "\"sa\": {}"));
	ask_token(&f, "teamA", "sa");
	cr_expect_str_neq(f.token, "");
	teardown(&f);
}

Test(ctl, a_token_that_cannot_be_leaves_no_trace)
{
	struct fixture f;

	setup(&f);
	start(&f);
	ask_token(&f, "teamA", "sa");
	ask_token(&f, "teamAB", "sa");
	cr_expect_str_eq(f.token, "");
	cr_expect_eq(f.err.code, ERR_CONFLICT);
	cr_expect(strstr(f.err.text, "teamA") != NULL, "%s", f.err.text);
	cr_expect_not(scratch_exists(&f.scratch, "etc/vclusters/teamAB.yaml"));
	cr_expect_eq(faults_errors(ctl_faults(f.ctl)), 0);
	ask_token(&f, "../teamB", "sa");
	cr_expect_eq(f.err.code, ERR_INVALID);
	ask_token(&f, "teamB", "a b");
	cr_expect_eq(f.err.code, ERR_INVALID);
	ctl_token(f.ctl, "teamA", "sa", 0, "api:test", on_token, &f);
	cr_expect_eq(f.err.code, ERR_INVALID);
	teardown(&f);
}

static void
remove_tenant(struct fixture *f, const char *vcluster, const char *user)
{
	unsigned before = f->removals;

	ctl_remove(f->ctl, vcluster, user, "api:test", on_removed, f);
	WAIT_FOR(f, f->removals > before);
}

Test(ctl, users_and_vclusters_are_removed)
{
	struct fixture f;
	const struct vcluster *vc;

	setup(&f);
	start(&f);
	ask_token(&f, "teamA", "sa");
	ask_token(&f, "teamA", "ci");
	remove_tenant(&f, "teamA", "sa");
	cr_expect_eq(f.err.code, ERR_NONE, "%s", f.err.text);
	vc = snapshot_vcluster(fake_worker_world(0)->snap, "teamA");
	cr_assert_not_null(vc);
	cr_expect_null(vcluster_user(vc, "sa"));
	cr_expect_not_null(vcluster_user(vc, "ci"));
	remove_tenant(&f, "teamA", "sa");
	cr_expect_eq(f.err.code, ERR_NOT_FOUND);
	remove_tenant(&f, "teamA", NULL);
	cr_expect_eq(f.err.code, ERR_NONE, "%s", f.err.text);
	cr_expect_not(scratch_exists(&f.scratch, "etc/vclusters/teamA.yaml"));
	cr_expect_null(snapshot_vcluster(fake_worker_world(0)->snap, "teamA"));
	remove_tenant(&f, "teamA", NULL);
	cr_expect_eq(f.err.code, ERR_NOT_FOUND);
	teardown(&f);
}

Test(ctl, topics_are_the_tenants_own)
{
	struct fixture f;

	setup(&f);
	start(&f);
	ctl_topics(f.ctl, "teamA", on_topics, &f);
	cr_expect_eq(f.err.code, ERR_NOT_FOUND);
	ask_token(&f, "teamA", "sa");
	ctl_topics(f.ctl, "teamA", on_topics, &f);
	WAIT_FOR(&f, f.lists == 2);
	cr_expect_eq(f.topics, 2);
	cr_expect_str_eq(f.topic[0], "cars");
	cr_expect_str_eq(f.topic[1], "users");
	teardown(&f);
}

static void
set_alias(struct fixture *f, const char *topic, const char *physical, bool read_only)
{
	unsigned before = f->removals;

	ctl_alias_set(f->ctl, "teamA", topic, physical, read_only, "api:test", on_removed, f);
	WAIT_FOR(f, f->removals > before);
}

static void
remove_alias(struct fixture *f, const char *topic)
{
	unsigned before = f->removals;

	ctl_alias_remove(f->ctl, "teamA", topic, "api:test", on_removed, f);
	WAIT_FOR(f, f->removals > before);
}

/* The cluster has existingShared and teamAcars. */
Test(ctl, aliases_are_written_and_taken_out)
{
	struct fixture f;
	const struct vcluster *vc;

	setup(&f);
	start(&f);
	set_alias(&f, "shared", "teamBcars", true);
	cr_expect_eq(f.err.code, ERR_NOT_FOUND);
	ask_token(&f, "teamA", "sa");
	set_alias(&f, "shared", "nowhere", true);
	cr_expect_eq(f.err.code, ERR_INVALID);
	cr_expect_str_eq(f.err.text,
			 "Physical topic named nowhere does not exist in your kafka cluster");
	set_alias(&f, "sha red", "teamBcars", true);
	cr_expect_eq(f.err.code, ERR_INVALID);
	set_alias(&f, "shared", "existingShared", true);
	cr_assert_eq(f.err.code, ERR_NONE, "%s", f.err.text);
	vc = snapshot_vcluster(fake_worker_world(0)->snap, "teamA");
	cr_assert_eq(vc->aliases_count, 1);
	cr_expect_str_eq(vc->aliases_by_physical[0]->physical, "existingShared");
	cr_expect(vc->aliases[0].read_only);
	set_alias(&f, "shared", "teamAcars", true);
	cr_expect_eq(f.err.code, ERR_CONFLICT);
	cr_expect_not_null(strstr(f.err.text, "You can't update"));
	set_alias(&f, "shared", "existingShared", false);
	cr_expect_eq(f.err.code, ERR_NONE, "%s", f.err.text);
	vc = snapshot_vcluster(fake_worker_world(0)->snap, "teamA");
	cr_expect_not(vc->aliases[0].read_only);
	/* What the loader refuses is taken back. */
	set_alias(&f, "mine", "teamAcars", false);
	cr_expect_eq(f.err.code, ERR_CONFLICT);
	cr_expect_not_null(strstr(f.err.text, "own prefix"), "%s", f.err.text);
	vc = snapshot_vcluster(fake_worker_world(0)->snap, "teamA");
	cr_expect_eq(vc->aliases_count, 1);
	remove_alias(&f, "mine");
	cr_expect_eq(f.err.code, ERR_NOT_FOUND);
	remove_alias(&f, "shared");
	cr_expect_eq(f.err.code, ERR_NONE, "%s", f.err.text);
	vc = snapshot_vcluster(fake_worker_world(0)->snap, "teamA");
	cr_expect_eq(vc->aliases_count, 0);
	remove_alias(&f, NULL);
	cr_expect_eq(f.err.code, ERR_NOT_FOUND);
	teardown(&f);
}

Test(ctl, reloads_asked_at_once_all_get_an_answer)
{
	struct fixture f;

	setup(&f);
	start(&f);
	write_turnout(&f, "limits.connections: 78\n");
	for (unsigned i = 0; i < 10; i++)
		ctl_reload(f.ctl, "api:test", on_reloaded, &f);
	WAIT_FOR(&f, f.reloads == 10);
	cr_expect_eq(ctl_world(f.ctl)->snap->settings.connections, 78);
	teardown(&f);
}

Test(ctl, a_cluster_may_be_added_and_removed)
{
	struct fixture f;
	char text[512];

	setup(&f);
	start(&f);
	snprintf(text, sizeof(text),
		 "config: {main: {bootstrap.servers: '127.0.0.1:%u'}, "
		 "third: {bootstrap.servers: '127.0.0.1:%u'}}\n",
		 f.a->port, f.b_port);
	scratch_write(&f.scratch, "etc/clusters.yaml", text);
	reload(&f);
	cr_expect_eq(f.reloaded.errors, 0);
	WAIT_FOR(&f, is_reachable(&f, 1));
	switch_to(&f, "third", 0);
	cr_expect(f.moved.moved, "%s", f.moved.err.text);
	cr_expect(file_has(&f, "etc/clusters.yaml", "active: third"));
	switch_to(&f, "failover", 0);
	cr_expect_eq(f.moved.err.code, ERR_INVALID);
	teardown(&f);
}
