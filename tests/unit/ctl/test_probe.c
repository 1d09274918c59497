/* SPDX-License-Identifier: Apache-2.0
 *
 * Probes against a fake broker: what they learn, and that nothing a broker says harms them.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "ctl/probe.h"
#include "fake_broker.h"

struct seen {
	unsigned results;
	bool reachable;
	char error[160];
	char cluster_id[64];
	size_t brokers;
	int32_t lowest;
	int32_t controller;
	uint64_t ticket;
	struct api_range produce;
	struct api_range fetch;
	struct api_range missing;
	unsigned topic_answers;
	size_t topics;
	char first_topic[64];
	bool topics_failed;
};

static void
on_result(void *arg, const struct probe_result *result)
{
	struct seen *seen = arg;

	seen->results++;
	seen->reachable = result->reachable;
	seen->ticket = result->ticket;
	snprintf(seen->error, sizeof(seen->error), "%s", result->error);
	snprintf(seen->cluster_id, sizeof(seen->cluster_id), "%s", result->kafka_cluster_id);
	seen->brokers = result->brokers_count;
	seen->controller = result->controller;
	seen->lowest = INT32_MAX;
	for (size_t i = 0; i < result->brokers_count; i++) {
		if (result->brokers[i].id < seen->lowest)
			seen->lowest = result->brokers[i].id;
		cr_expect_eq(result->brokers[i].addresses_count, 1);
		cr_expect_str_eq(result->brokers[i].host, "127.0.0.1");
	}
	seen->produce = result->apis[0];
	seen->fetch = result->apis[1];
	seen->missing = result->apis[2];
}

static void
on_topics(void *arg, char *const *names, size_t count, const struct err *err)
{
	struct seen *seen = arg;

	seen->topic_answers++;
	seen->topics = count;
	seen->topics_failed = err != NULL;
	if (count > 0)
		snprintf(seen->first_topic, sizeof(seen->first_topic), "%s", names[0]);
}

static struct probe *
start(struct loop *loop, uint16_t *ports, size_t count, struct seen *seen)
{
	struct bootstrap servers[4];
	struct probe_settings settings = {.servers = servers,
					  .servers_count = count,
					  .interval_ms = 600000,
					  .timeout_ms = 1500,
					  .connect_ms = 500};
	struct probe *probe;
	struct err err;

	for (size_t i = 0; i < count; i++)
		servers[i] = (struct bootstrap){.host = "127.0.0.1", .port = ports[i]};
	probe = probe_start(loop, &settings, on_result, seen, &err);
	cr_assert_not_null(probe);
	return probe;
}

static void
wait_results(struct loop *loop, struct seen *seen, unsigned count)
{
	while (seen->results < count)
		loop_turn(loop, true);
}

static void
check_good(int metadata_max, const char *cluster_id)
{
	struct fake_broker *fake = fake_broker_start();
	struct loop *loop = loop_new();
	struct seen seen = {0};
	struct probe *probe;

	fake->metadata_max = metadata_max;
	probe = start(loop, &fake->port, 1, &seen);
	wait_results(loop, &seen, 1);
	cr_expect(seen.reachable, "%s", seen.error);
	cr_expect_str_eq(seen.cluster_id, cluster_id);
	cr_expect_eq(seen.brokers, 3);
	cr_expect_eq(seen.lowest, 1);
	cr_expect_eq(seen.controller, 1);
	cr_expect_eq(seen.produce.max, 7);
	cr_expect_eq(seen.fetch.max, 11);
	cr_expect_gt(seen.missing.min, seen.missing.max);
	probe_stop(&probe);
	cr_expect_null(probe);
	loop_free(&loop);
	fake_broker_stop(fake);
}

Test(probe, learns_a_cluster_by_metadata_8)
{
	check_good(8, "fakeClusterId");
}

Test(probe, learns_a_cluster_by_metadata_1)
{
	check_good(1, "");
}

Test(probe, lists_topics_that_are_not_internal)
{
	struct fake_broker *fake = fake_broker_start();
	struct loop *loop = loop_new();
	struct seen seen = {0};
	struct probe *probe = start(loop, &fake->port, 1, &seen);

	probe_topics(probe, on_topics, &seen);
	probe_topics(probe, on_topics, &seen);
	while (seen.topic_answers < 2)
		loop_turn(loop, true);
	cr_expect_not(seen.topics_failed);
	cr_expect_eq(seen.topics, 3);
	cr_expect_str_eq(seen.first_topic, "teamAusers");
	probe_stop(&probe);
	loop_free(&loop);
	fake_broker_stop(fake);
}

Test(probe, answers_the_topics_still_owed_when_stopped)
{
	struct fake_broker *fake = fake_broker_start();
	struct loop *loop = loop_new();
	struct seen seen = {0};
	struct probe *probe;

	fake->mode = FAKE_SILENT;
	probe = start(loop, &fake->port, 1, &seen);
	probe_topics(probe, on_topics, &seen);
	probe_stop(&probe);
	cr_expect_eq(seen.topic_answers, 1);
	cr_expect(seen.topics_failed);
	loop_free(&loop);
	fake_broker_stop(fake);
}

Test(probe, a_ticket_asks_for_a_fresh_answer)
{
	struct fake_broker *fake = fake_broker_start();
	struct loop *loop = loop_new();
	struct seen seen = {0};
	struct probe *probe = start(loop, &fake->port, 1, &seen);
	uint64_t ticket;

	wait_results(loop, &seen, 1);
	fake->brokers = 5;
	ticket = probe_now(probe);
	while (seen.ticket < ticket)
		loop_turn(loop, true);
	cr_expect_eq(seen.brokers, 5);
	probe_stop(&probe);
	loop_free(&loop);
	fake_broker_stop(fake);
}

Test(probe, a_dead_bootstrap_server_is_passed_over)
{
	struct fake_broker *dead = fake_broker_start();
	struct fake_broker *closes = fake_broker_start();
	struct fake_broker *good = fake_broker_start();
	uint16_t ports[3] = {dead->port, closes->port, good->port};
	struct loop *loop = loop_new();
	struct seen seen = {0};
	struct probe *probe;

	fake_broker_stop(dead);
	closes->mode = FAKE_CLOSES;
	probe = start(loop, ports, 3, &seen);
	wait_results(loop, &seen, 1);
	cr_expect(seen.reachable, "%s", seen.error);
	probe_stop(&probe);
	loop_free(&loop);
	fake_broker_stop(closes);
	fake_broker_stop(good);
}

Test(probe, a_known_broker_answers_when_the_bootstrap_server_is_gone)
{
	struct fake_broker *fake = fake_broker_start();
	struct fake_broker *bootstrap = fake_broker_start();
	uint16_t ports[1] = {bootstrap->port};
	struct loop *loop = loop_new();
	struct seen seen = {0};
	struct probe *probe;
	uint16_t own = bootstrap->port;

	/* The bootstrap server names the other one as the cluster's broker. */
	bootstrap->port = fake->port;
	probe = start(loop, ports, 1, &seen);
	wait_results(loop, &seen, 1);
	cr_expect(seen.reachable);
	bootstrap->port = own;
	fake_broker_stop(bootstrap);
	probe_now(probe);
	wait_results(loop, &seen, 2);
	cr_expect(seen.reachable, "%s", seen.error);
	probe_stop(&probe);
	loop_free(&loop);
	fake_broker_stop(fake);
}

Test(probe, whatever_a_broker_says_is_an_error_text)
{
	static const char *const texts[FAKE_MODES] = {
	    [FAKE_CLOSES] = "onnection",
	    [FAKE_SILENT] = "no answer in time",
	    [FAKE_HTTP] = "no Kafka frame",
	    [FAKE_HUGE_FRAME] = "no Kafka frame",
	    [FAKE_NEGATIVE_FRAME] = "no Kafka frame",
	    [FAKE_CUT] = "malformed",
	    [FAKE_HUGE_ARRAY] = "malformed",
	    [FAKE_WRONG_ID] = "correlation id",
	    [FAKE_NO_BROKERS] = "names no broker",
	    [FAKE_BAD_PORT] = "impossible port",
	    [FAKE_ERROR] = "answered ApiVersions with",
	    [FAKE_NEW_METADATA] = "none of which is known",
	};

	for (int mode = FAKE_GOOD + 1; mode < FAKE_MODES; mode++) {
		struct fake_broker *fake = fake_broker_start();
		struct loop *loop = loop_new();
		struct seen seen = {0};
		struct probe *probe;

		fake->mode = mode;
		probe = start(loop, &fake->port, 1, &seen);
		wait_results(loop, &seen, 1);
		cr_expect_not(seen.reachable, "mode %d", mode);
		cr_expect(strstr(seen.error, texts[mode]) != NULL, "mode %d: %s", mode, seen.error);
		cr_expect(strncmp(seen.error, "127.0.0.1:", 10) == 0, "%s", seen.error);
		probe_stop(&probe);
		loop_free(&loop);
		fake_broker_stop(fake);
	}
}

Test(probe, ends_while_it_waits_for_an_answer)
{
	struct fake_broker *fake = fake_broker_start();
	struct loop *loop = loop_new();
	struct seen seen = {0};
	struct probe *probe;

	fake->mode = FAKE_SILENT;
	probe = start(loop, &fake->port, 1, &seen);
	usleep(50000);
	probe_stop(&probe);
	loop_turn(loop, false);
	cr_expect_eq(seen.results, 0);
	loop_free(&loop);
	fake_broker_stop(fake);
}
