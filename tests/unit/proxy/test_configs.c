/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of configs that name brokers or topics, in every API and version that carries configs; and
 * client ids that carry rights.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "kafka/kafka_ids.h"
#include "lap.h"

#define LEADER   "leader.replication.throttled.replicas"
#define FOLLOWER "follower.replication.throttled.replicas"
#define DLQ      "errors.deadletterqueue.topic.name"

/* Vnodes 0 and 1 are brokers 5 and 17. NULL: hidden. */
static const struct {
	const char *config;
	enum kafka_direction direction;
	const char *from;
	const char *to;
} cases[] = {
    {LEADER, KAFKA_REQUEST, "0:0,1:1", "0:5,1:17"},
    {FOLLOWER, KAFKA_REQUEST, "0:1", "0:17"},
    {LEADER, KAFKA_REQUEST, "3:0, 4:1", "3:5,4:17"},
    {LEADER, KAFKA_REQUEST, "0:2", "0:-3"},
    {LEADER, KAFKA_REQUEST, "*", "*"},
    {LEADER, KAFKA_REQUEST, "", ""},
    {LEADER, KAFKA_REQUEST, "0:", "0:"},
    {LEADER, KAFKA_REQUEST, "0:0,", "0:0,"},
    {LEADER, KAFKA_REQUEST, "nonsense", "nonsense"},
    {LEADER, KAFKA_REQUEST, "0:99999999999", "0:99999999999"},
    {LEADER, KAFKA_RESPONSE, "0:5,1:17", "0:0,1:1"},
    {FOLLOWER, KAFKA_RESPONSE, "0:5", "0:0"},
    {LEADER, KAFKA_RESPONSE, "0:9,1:17", "1:1"},
    {LEADER, KAFKA_RESPONSE, "0:9", ""},
    {LEADER, KAFKA_RESPONSE, "*", "*"},
    {LEADER, KAFKA_RESPONSE, "", ""},
    {LEADER, KAFKA_RESPONSE, "5", NULL},
    {LEADER, KAFKA_RESPONSE, "0:5;", NULL},
    {"retention.ms", KAFKA_REQUEST, "0:0", "0:0"},
    {"retention.ms", KAFKA_RESPONSE, "0:5", "0:5"},
    {DLQ, KAFKA_REQUEST, "dlq.x", "teamAdlq.x"},
    {DLQ, KAFKA_REQUEST, "", ""},
    {DLQ, KAFKA_REQUEST, "shared", "existingShared"},
    {DLQ, KAFKA_RESPONSE, "teamAdlq.x", "dlq.x"},
    {DLQ, KAFKA_RESPONSE, "existingShared", "shared"},
    {DLQ, KAFKA_RESPONSE, "teamBdlq.x", NULL},
};

struct setting {
	struct arena *arena;
	const char *config;
	const char *value;
	size_t found;
};

static void
set_config(void *arg, struct tree *node)
{
	struct setting *s = arg;
	enum meaning m =
	    node->kind == TREE_VALUE ? (enum meaning)kafka_meanings[node->field] : MEANING_NONE;

	if (node->kind != TREE_VALUE)
		return;
	if (m == MEANING_CONFIG_NAME) {
		tree_set_text(s->arena, node, s->config);
	} else if (m == MEANING_CONFIG_VALUE) {
		node->null = false;
		tree_set_text(s->arena, node, s->value);
		s->found++;
	} else if (m == MEANING_TOPIC_NAME || m == MEANING_RESOURCE_NAME) {
		tree_set_text(s->arena, node, "teamAown");
	} else if (m == MEANING_RESOURCE_TYPE) {
		node->number = 2;
		node->bytes = NULL;
	}
}

static void
expect_config(void *arg, struct tree *node)
{
	struct setting *s = arg;

	if (node->kind != TREE_VALUE || kafka_meanings[node->field] != MEANING_CONFIG_VALUE)
		return;
	s->found++;
	cr_expect_eq(node->null, s->value == NULL, "%s", s->config);
	if (s->value != NULL && !node->null)
		cr_expect(node->length == strlen(s->value) &&
			      memcmp(node->bytes, s->value, node->length) == 0,
			  "%s: %.*s, expected %s", s->config, (int)node->length,
			  (const char *)node->bytes, s->value);
}

static void
on_frame(void *arg, const struct golden *g)
{
	size_t *checked = arg;

	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct lap lap;
		struct tree_frame frame, got;

		lap_begin(&lap);
		if (g->direction == cases[i].direction && parse(&lap, g, &frame)) {
			struct setting given = {lap.arena, cases[i].config, cases[i].from, 0};
			struct setting expected = {lap.arena, cases[i].config, cases[i].to, 0};

			tree_each(frame.body, set_config, &given);
			got = rewrite(&lap, &frame);
			tree_each(got.body, expect_config, &expected);
			cr_expect_eq(expected.found, given.found);
			*checked += given.found > 0;
		}
		lap_end(&lap);
	}
}

Test(configs, that_name_brokers_or_topics)
{
	size_t checked = 0;

	golden_each(KA_CreateTopics, on_frame, &checked);
	golden_each(KA_AlterConfigs, on_frame, &checked);
	golden_each(KA_IncrementalAlterConfigs, on_frame, &checked);
	golden_each(KA_DescribeConfigs, on_frame, &checked);
	cr_expect_gt(checked, 150, "%zu", checked);
}

/* A list longer than what scratch pieces hold. */
static void
on_long(void *arg, const struct golden *g)
{
	struct lap lap;
	struct tree_frame frame, got;

	(void)arg;
	lap_begin(&lap);
	if (g->direction == KAFKA_REQUEST && parse(&lap, g, &frame)) {
		char *from = arena_alloc(lap.arena, 4 * 4000),
		     *to = arena_alloc(lap.arena, 5 * 4000);
		struct setting given = {lap.arena, LEADER, from, 0};
		struct setting expected = {lap.arena, LEADER, to, 0};

		for (size_t i = 0; i < 4000; i++) {
			memcpy(from + 4 * i, "0:1,", 4);
			memcpy(to + 5 * i, "0:17,", 5);
		}
		from[4 * 4000 - 1] = '\0';
		to[5 * 4000 - 1] = '\0';
		tree_each(frame.body, set_config, &given);
		got = rewrite(&lap, &frame);
		tree_each(got.body, expect_config, &expected);
	}
	lap_end(&lap);
}

Test(configs, long_lists)
{
	golden_each(KA_CreateTopics, on_long, NULL);
	golden_each(KA_IncrementalAlterConfigs, on_long, NULL);
}

/* -- client ids */

static const struct {
	const char *from;
	const char *to;
} ids[] = {
    {"__admin_client", "-_admin_client"},
    {"__", "-_"},
    {"_a", "_a"},
    {"admin__", "admin__"},
    {"_", "_"},
    {"", ""},
    {"___", "-__"},
    {"mine", "mine"},
};

static void
on_id(void *arg, const struct golden *g)
{
	size_t *checked = arg;

	for (size_t i = 0; i < LENGTH(ids); i++) {
		struct lap lap;
		struct tree_frame frame, got;

		lap_begin(&lap);
		if (g->direction == KAFKA_REQUEST && parse(&lap, g, &frame)) {
			struct tree *id = tree_find(frame.header, KF_RequestHeader_ClientId);

			id->null = false;
			tree_set_text(lap.arena, id, ids[i].from);
			got = rewrite(&lap, &frame);
			id = tree_find(got.header, KF_RequestHeader_ClientId);
			cr_expect(id->length == strlen(ids[i].to) &&
				      memcmp(id->bytes, ids[i].to, id->length) == 0,
				  "%s: %.*s", ids[i].from, (int)id->length,
				  (const char *)id->bytes);
			++*checked;
		}
		lap_end(&lap);
	}
}

Test(configs, client_ids_carry_no_rights)
{
	size_t checked = 0;

	golden_each(KA_Produce, on_id, &checked);
	golden_each(KA_Metadata, on_id, &checked);
	cr_expect_gt(checked, 100);
}
