/* SPDX-License-Identifier: Apache-2.0
 *
 * Topic names in every API and version that has one, over tests/golden: aliases, read-only ones,
 * names that are refused, and what comes back of them. What an API may do with a read-only topic is
 * said here once more (writes[]).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/be.h"
#include "base/bytes.h"
#include "kafka/errors.h"
#include "kafka/kafka_ids.h"
#include "kafka/meaning.h"
#include "proxy/rewrite.h"
#include "lap.h"

/* APIs that do nothing to a read-only topic. */
static const int writes[] = {
    KA_Produce,
    KA_CreateTopics,
    KA_DeleteTopics,
    KA_DeleteRecords,
    KA_AlterConfigs,
    KA_ElectLeaders,
    KA_IncrementalAlterConfigs,
    KA_CreatePartitions,
    KA_AddPartitionsToTxn,
};

static bool
is_one_of(int key, const int *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i] == key)
			return true;
	}
	return false;
}

/* -- names in trees */

static bool
is_topic(const struct tree *node)
{
	enum meaning m =
	    node->kind == TREE_VALUE ? (enum meaning)kafka_meanings[node->field] : MEANING_NONE;

	return node->kind == TREE_VALUE && !node->null &&
	       (m == MEANING_TOPIC_NAME || m == MEANING_RESOURCE_NAME);
}

struct naming {
	struct arena *arena;
	const char *name;
	size_t found;
};

static void
set_name(void *arg, struct tree *node)
{
	struct naming *n = arg;

	if (is_topic(node)) {
		tree_set_text(n->arena, node, n->name);
		n->found++;
	}
	if (node->kind == TREE_VALUE && kafka_meanings[node->field] == MEANING_RESOURCE_TYPE) {
		node->number = 2;
		node->bytes = NULL;
	}
	/* What a topic stands in is the tenant's own. */
	if (node->kind == TREE_VALUE && (kafka_meanings[node->field] == MEANING_GROUP_ID ||
					 kafka_meanings[node->field] == MEANING_TRANSACTIONAL_ID))
		tree_set_text(n->arena, node, "teamAg");
}

static void
expect_name(void *arg, struct tree *node)
{
	struct naming *n = arg;

	if (!is_topic(node))
		return;
	n->found++;
	cr_expect(node->length == strlen(n->name) &&
		      memcmp(node->bytes, n->name, node->length) == 0,
		  "%.*s, expected %s", (int)node->length, (const char *)node->bytes, n->name);
}

/* -- requests */

struct naming_case {
	const char *name;
	const char *read;  /* what a request that reads sends */
	const char *write; /* and one that writes */
	const char *create;
};

static const struct naming_case cases[] = {
    {"own", "teamAown", "teamAown", "teamAown"},
    {"shared", "existingShared", "existingShared", "existingShared"},
    {"ro", "existingRo", "!eamAro", "!eamAro"},
    {"sharedx", "teamAsharedx", "teamAsharedx", "teamAsharedx"},
    {"existingRo", "teamAexistingRo", "teamAexistingRo", "teamAexistingRo"},
    {"", "/eamA", "/eamA", "/eamA"},
    {"..", "/eamA..", "/eamA..", "/eamA.."},
    {"!eamAro", "teamA!eamAro", "teamA!eamAro", "teamA!eamAro"},
    {"__consumer_offsets", ":eamA__consumer_offsets", ":eamA__consumer_offsets",
     "/eamA__consumer_offsets"},
    {"__consumer_offsetsx", "teamA__consumer_offsetsx", "teamA__consumer_offsetsx",
     "teamA__consumer_offsetsx"},
    {"__cluster_metadata", ":eamA__cluster_metadata", ":eamA__cluster_metadata",
     "/eamA__cluster_metadata"},
};

static bool
check_request(const struct golden *g, const struct naming_case *c)
{
	struct lap lap;
	struct tree_frame frame, got;
	struct naming given = {.name = c->name}, expected = {0};
	bool checked = false;

	lap_begin(&lap);
	if (g->direction == KAFKA_REQUEST && parse(&lap, g, &frame)) {
		given.arena = lap.arena;
		tree_each(frame.body, set_name, &given);
		if (given.found > 0) {
			got = rewrite(&lap, &frame);
			expected.name = g->key == KA_CreateTopics                   ? c->create
					: is_one_of(g->key, writes, LENGTH(writes)) ? c->write
										    : c->read;
			tree_each(got.body, expect_name, &expected);
			cr_expect_eq(expected.found, given.found, "%s v%d", g->api, g->version);
			checked = true;
		}
	}
	lap_end(&lap);
	return checked;
}

static void
on_request(void *arg, const struct golden *g)
{
	size_t *apis = arg;
	bool checked = false;

	for (size_t i = 0; i < LENGTH(cases); i++)
		checked = check_request(g, &cases[i]) || checked;
	*apis += checked && g->version == api_find(g->key)->max;
}

Test(names, of_every_request_in_every_version, .timeout = 120)
{
	size_t apis = 0;

	golden_each_api(on_request, &apis);
	cr_expect_geq(apis, 20, "%zu APIs name topics", apis);
}

/* -- answers */

/* What the tenant gets to see of a physical name; NULL: nothing. */
static const struct {
	const char *physical;
	const char *name;
	int error; /* all codes of the element; -1: what they were */
} seen[] = {
    {"teamAown", "own", -1},
    {"existingShared", "shared", -1},
    {"existingRo", "ro", -1},
    {"zzz", "deep", -1},
    {"teamAshared", NULL, -1}, /* hidden by the alias */
    {"existingSharedx", NULL, -1},
    {"existing", NULL, -1},
    {"teamA", NULL, -1},
    {"teamBown", NULL, -1},
    {"teamA__consumer_offsets", NULL, -1},
    {"__consumer_offsets", NULL, -1},
    {"!eamAro", "ro", 29},
    {"!eamAown", "own", 29},
    {":eamA__consumer_offsets", "__consumer_offsets", 3},
    {"/eamA", "", -1},
    {"/eamA..", "..", -1},
    {"!eamBro", NULL, -1},
    {"#eamAro", NULL, -1},
    {"!", NULL, -1},
    {"=", NULL, -1},
    {"", NULL, -1},
};

struct coding {
	const struct golden *g;
	int error;
	const char *text;
};

/* Codes and texts of the elements that were named. */
static void
expect_code(void *arg, struct tree *node)
{
	struct coding *c = arg;
	enum meaning m =
	    node->kind == TREE_VALUE ? (enum meaning)kafka_meanings[node->field] : MEANING_NONE;

	if (node->kind == TREE_VALUE && m == MEANING_ERROR_CODE)
		cr_expect_eq(node->number, c->error, "%s v%d, %s: %d", c->g->api, c->g->version,
			     kafka_fields[node->field].name, (int)node->number);
	if (node->kind == TREE_VALUE && m == MEANING_ERROR_MESSAGE && node->length > 0)
		cr_expect(node->length == strlen(c->text) &&
			      memcmp(node->bytes, c->text, node->length) == 0,
			  "%s v%d: %.*s", c->g->api, c->g->version, (int)node->length,
			  (const char *)node->bytes);
}

/* Calls expect_code() for the struct elements that have a name of their own. */
static void
expect_elements(struct tree *node, struct coding *c)
{
	for (size_t i = 0; i < node->count; i++) {
		struct tree *child = node->children[i];
		bool is_named = false;

		for (size_t j = 0; node->kind == TREE_ARRAY && j < child->count; j++)
			is_named = is_named || is_topic(child->children[j]);
		if (is_named)
			tree_each(child, expect_code, c);
		else
			expect_elements(child, c);
	}
}

static void
check_answer(const struct golden *g, size_t which, size_t *checked)
{
	struct lap lap;
	struct tree_frame frame, got;
	struct naming given = {.name = seen[which].physical}, expected = {0};

	lap_begin(&lap);
	given.arena = lap.arena;
	if (g->direction == KAFKA_RESPONSE && parse(&lap, g, &frame)) {
		tree_each(frame.body, set_name, &given);
		if (given.found > 0) {
			struct coding coding = {g, seen[which].error,
						kafka_error_text(seen[which].error)};

			got = rewrite(&lap, &frame);
			expected.name = seen[which].name != NULL ? seen[which].name : "nobody";
			tree_each(got.body, expect_name, &expected);
			if (seen[which].name == NULL)
				cr_expect_eq(expected.found, 0, "%s v%d: %s", g->api, g->version,
					     seen[which].physical);
			else
				cr_expect_gt(expected.found, 0, "%s v%d: %s", g->api, g->version,
					     seen[which].physical);
			if (seen[which].error >= 0)
				expect_elements(got.body, &coding);
			++*checked;
		}
	}
	lap_end(&lap);
}

static void
on_answer(void *arg, const struct golden *g)
{
	for (size_t i = 0; i < LENGTH(seen); i++)
		check_answer(g, i, arg);
}

Test(names, of_every_answer_in_every_version, .timeout = 120)
{
	size_t checked = 0;

	golden_each_api(on_answer, &checked);
	cr_expect_gt(checked, 80 * LENGTH(seen), "%zu", checked);
}

/* A text that came before the name is that of the code that the name asks for. */
Test(names, texts_follow_the_code, .timeout = 120)
{
	static const int keys[] = {KA_DescribeConfigs, KA_AlterConfigs, KA_IncrementalAlterConfigs};

	for (size_t i = 0; i < LENGTH(keys); i++) {
		size_t checked = 0;

		golden_each(keys[i], on_answer, &checked);
		cr_expect_gt(checked, 0);
	}
}

/* -- resources that are the operator's */

struct typing {
	int given; /* 0: only look */
	int types[8];
	size_t count;
};

static void
on_type(void *arg, struct tree *node)
{
	struct typing *t = arg;

	if (node->kind != TREE_VALUE || kafka_meanings[node->field] != MEANING_RESOURCE_TYPE)
		return;
	if (t->given != 0) {
		node->number = t->given;
		node->bytes = NULL;
	}
	t->types[t->count++ % 8] = (int)node->number;
}

static void
check_resource(const struct golden *g, int type)
{
	struct lap lap;
	struct tree_frame frame, got;
	struct typing given = {.given = g->direction == KAFKA_REQUEST ? type : 2}, found = {0};
	char text[16];
	struct naming naming = {.name = "7"}, expected = {.name = "7"};

	snprintf(text, sizeof(text), "=%02x7", (unsigned)type);
	lap_begin(&lap);
	naming.arena = lap.arena;
	if (parse(&lap, g, &frame)) {
		if (g->direction == KAFKA_REQUEST)
			expected.name = text;
		else
			naming.name = text;
		tree_each(frame.body, set_name, &naming);
		tree_each(frame.body, on_type, &given);
		got = rewrite(&lap, &frame);
		tree_each(got.body, expect_name, &expected);
		tree_each(got.body, on_type, &found);
		cr_expect_eq(found.count, given.count);
		cr_expect_eq(found.types[0], g->direction == KAFKA_REQUEST ? 2 : type);
		if (g->direction == KAFKA_RESPONSE) {
			struct coding coding = {g, 31, kafka_error_text(31)};

			expect_elements(got.body, &coding);
		}
	}
	lap_end(&lap);
}

static void
on_resource(void *arg, const struct golden *g)
{
	(void)arg;
	check_resource(g, 4);
	check_resource(g, 8);
	check_resource(g, 16);
}

Test(names, configs_of_brokers_are_refused_one_by_one, .timeout = 120)
{
	golden_each(KA_DescribeConfigs, on_resource, NULL);
	golden_each(KA_AlterConfigs, on_resource, NULL);
	golden_each(KA_IncrementalAlterConfigs, on_resource, NULL);
}

/* -- streams */

static void
find_produce(void *arg, const struct golden *g)
{
	struct lap *lap = ((void **)arg)[0];

	if (g->direction == KAFKA_REQUEST && g->version == 9)
		parse(lap, g, ((void **)arg)[1]);
}

/* Unknown tags are not for streams; they stand last. */
static void
remove_tags(void *arg, struct tree *node)
{
	(void)arg;
	while (node->count > 0 && node->children[node->count - 1]->kind == TREE_UNKNOWN_TAG)
		node->count--;
}

/* One topic of this name, in pieces; NULL: as many as the golden frame has. */
static enum rewrite_progress
stream(struct lap *lap, const char *name, struct bytes *out)
{
	struct tree_frame frame;
	void *arg[] = {lap, &frame};
	struct bytes bytes = {0};
	enum rewrite_progress progress = REWRITE_MORE;
	size_t at = 4, consumed;

	golden_each(KA_Produce, find_produce, arg);
	if (name != NULL) {
		struct tree *topics = tree_find(frame.body, KF_ProduceRequest_TopicData);

		topics->count = 1;
		tree_set_text(lap->arena, tree_find(topics, KF_ProduceRequest_TopicData_Name),
			      name);
	}
	tree_each(frame.body, remove_tags, NULL);
	tree_frame_encode(&frame, &bytes);
	rewrite_stream_begin(&lap->rw, &lap->cx, KAFKA_REQUEST, KA_Produce, 9, bytes.length - 4);
	for (size_t end = 5; progress == REWRITE_MORE && end <= bytes.length; end++) {
		struct buf *buf = buf_new(end - at);

		memcpy(buf->data, bytes.data + at, end - at);
		progress = rewrite_stream_feed(&lap->rw, buf, buf->data, end - at, &consumed);
		at += consumed;
		if (lap->rw.promised) {
			for (size_t i = 0; i < lap->rw.out.count; i++)
				bytes_add(out, lap->rw.out.list[i].at, lap->rw.out.list[i].length);
			segs_rollback(&lap->rw.out, (struct segs_mark){0});
		}
		buf_unref(&buf);
	}
	bytes_free(&bytes);
	return progress;
}

Test(names, a_streamed_produce_to_one_alias_keeps_its_promise)
{
	static const char *const names[] = {"own", "shared", "deep", "ro", "sharedx"};

	for (size_t i = 0; i < LENGTH(names); i++) {
		struct lap lap;
		struct bytes out = {0};
		struct tree_frame got;

		lap_begin(&lap);
		cr_assert_eq(stream(&lap, names[i], &out), REWRITE_DONE, "%s: %s", names[i],
			     lap.rw.error);
		cr_assert_eq(be_get32(out.data), out.length - 4, "%s", names[i]);
		cr_assert(tree_frame_parse(lap.arena, KAFKA_REQUEST, KA_Produce, 9, out.data,
					   out.length, &got));
		bytes_free(&out);
		lap_end(&lap);
	}
}

Test(names, a_streamed_produce_to_several_topics_is_refused_where_there_are_aliases)
{
	struct lap lap;
	struct bytes out = {0};

	lap_begin(&lap);
	cr_assert_eq(stream(&lap, NULL, &out), REWRITE_FAILED);
	cr_assert_not_null(strstr(lap.rw.error, "limits.request.bytes"), "%s", lap.rw.error);
	cr_assert_eq(out.length, 0);
	lap_end(&lap);
}

static void
find_fetch(void *arg, const struct golden *g)
{
	struct lap *lap = ((void **)arg)[0];

	if (g->direction == KAFKA_REQUEST && g->version == 12)
		parse(lap, g, ((void **)arg)[1]);
}

/* Its answer is held as a whole: it may not be larger than what may be. */
static void
check_fetch(const char *name, int64_t asked, int64_t sent, bool is_whole)
{
	struct lap lap;
	struct tree_frame frame, got;
	void *arg[] = {&lap, &frame};
	struct naming naming = {.name = name};
	struct tree *node;

	lap_begin(&lap);
	naming.arena = lap.arena;
	golden_each(KA_Fetch, find_fetch, arg);
	tree_each(frame.body, set_name, &naming);
	node = tree_find(frame.body, KF_FetchRequest_MaxBytes);
	node->number = asked;
	node->bytes = NULL;
	got = rewrite(&lap, &frame);
	cr_expect_eq(tree_find(got.body, KF_FetchRequest_MaxBytes)->number, sent);
	cr_expect_eq(lap.rw.named_alias, is_whole);
	lap_end(&lap);
}

Test(names, a_fetch_of_an_alias_asks_for_no_more_than_can_be_held)
{
	check_fetch("own", 50000000, 50000000, false);
	check_fetch("shared", 50000000, 100000, true);
	check_fetch("ro", 50000, 50000, true);
}
