/* SPDX-License-Identifier: Apache-2.0
 *
 * Refusals of every API and version, from the golden requests: the answer can be read, names what
 * the request named, and has the error wherever an error can be.
 */
#include <criterion/criterion.h>
#include <string.h>
#include "base/be.h"
#include "kafka/errors.h"
#include "kafka/kafka_ids.h"
#include "kafka/meaning.h"
#include "proxy/refusal.h"
#include "support/golden.h"
#include "support/tree.h"

#define ERROR KAFKA_POLICY_VIOLATION

/* -- trees */

struct counting {
	int meaning;
	int64_t error;
	int found;
	int wrong;
};

static void
count_errors(void *arg, struct tree *node)
{
	struct counting *c = arg;

	if (node->kind != TREE_VALUE || kafka_meanings[node->field] != MEANING_ERROR_CODE)
		return;
	c->found++;
	c->wrong += node->number != c->error;
}

/* The values of a meaning in the order of the message, as text. */
struct listing {
	struct bytes out;
	int meaning;
};

static void
list_values(void *arg, struct tree *node)
{
	struct listing *l = arg;

	if (node->kind != TREE_VALUE || kafka_meanings[node->field] != l->meaning)
		return;
	bytes_add(&l->out, node->bytes, node->length);
	bytes_add_u8(&l->out, ';');
}

/* Numbers of partitions: leaves named so, whatever the API calls them. */
static void
list_partitions(void *arg, struct tree *node)
{
	static const char *const names[] = {"Index",       "Partition",        "PartitionIndex",
					    "PartitionId", "PartitionIndexes", "Partitions"};
	struct listing *l = arg;

	for (size_t i = 0; node->kind == TREE_VALUE && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(kafka_fields[node->field].name, names[i]) == 0 &&
		    kafka_fields[node->field].type == KAFKA_INT32)
			bytes_add_be32(&l->out, (uint32_t)node->number);
	}
}

static struct bytes
values_of(struct tree *body, int meaning)
{
	struct listing l = {.meaning = meaning};

	tree_each(body, meaning >= 0 ? list_values : list_partitions, &l);
	return l.out;
}

/* Errors in all answers of an API. */
static int found[KA_COUNT];

/* -- one frame */

/* The whole frame at once, or byte by byte as the walker asks for them. */
static void
feed(struct refusal *r, const struct golden *g, int error, bool in_pieces)
{
	const uint8_t *at = g->bytes + 4;
	size_t size = g->size - 4;
	size_t given = in_pieces ? 1 : size;
	size_t consumed;

	refusal_begin(r, g->key, g->version, size, error);
	for (;;) {
		enum refusal_progress progress = refusal_feed(r, at, given, &consumed);

		cr_assert_neq(progress, REFUSAL_FAILED, "%s v%d %s: %s", g->api, g->version,
			      g->kind, r->malformed);
		at += consumed;
		size -= consumed;
		if (progress == REFUSAL_DONE)
			break;
		cr_assert(in_pieces, "%s v%d %s: more is wanted", g->api, g->version, g->kind);
		given = r->walk.need > 0 ? r->walk.need : 1;
		cr_assert_leq(given, size);
	}
	cr_assert_eq(size, 0, "%s v%d: %zu bytes are left", g->api, g->version, size);
}

static struct tree_frame
refuse(struct arena *arena, const struct golden *g, int error, bool in_pieces, struct refusal *r)
{
	struct bytes out = {0};
	struct tree_frame frame;
	uint8_t *copy;

	feed(r, g, error, in_pieces);
	refusal_answer(r, &out);
	copy = arena_alloc(arena, out.length);
	memcpy(copy, out.data, out.length);
	cr_assert(
	    tree_frame_parse(arena, KAFKA_RESPONSE, g->key, g->version, copy, out.length, &frame),
	    "%s v%d %s: the answer cannot be read", g->api, g->version, g->kind);
	cr_assert_eq(tree_find(frame.header, KF_ResponseHeader_CorrelationId)->number,
		     (int32_t)be_get32(g->bytes + 8));
	bytes_free(&out);
	return frame;
}

/* Kafka leaves the names out where the error stands beside them, and where the answer is of other
 * things than the request. */
static bool
echoes_names(const struct golden *g)
{
	switch (g->key) {
	case KA_OffsetFetch:
		return g->version < 2;
	case KA_JoinGroup:
	case KA_SyncGroup:
	case KA_OffsetDelete:
	case KA_DescribeLogDirs:
	case KA_AddOffsetsToTxn:
		return false;
	default:
		return true;
	}
}

static void
check_echo(const struct golden *g, struct tree *asked, struct tree *answered, int meaning,
	   const char *what)
{
	struct bytes expected = values_of(asked, meaning);
	struct bytes got = values_of(answered, meaning);

	cr_assert(got.length == expected.length &&
		      (got.length == 0 || memcmp(got.data, expected.data, got.length) == 0),
		  "%s v%d %s: other %s than the request's", g->api, g->version, g->kind, what);
	bytes_free(&expected);
	bytes_free(&got);
}

/* What no answer repeats: topics that a fetch forgets, where replicas are to be, where a list goes
 * on. */
static void
forget(void *arg, struct tree *node)
{
	(void)arg;
	switch (node->field) {
	case KF_FetchRequest_ForgottenTopicsData:
	case KF_CreateTopicsRequest_Topics_Assignments:
	case KF_CreatePartitionsRequest_Topics_Assignments:
	case KF_DescribeTopicPartitionsRequest_Cursor:
		node->count = 0;
		break;
	default:
		break;
	}
}

static void
check_request(void *arg, const struct golden *g)
{
	struct arena *arena = arena_new();
	const struct api *api = api_find(g->key);
	struct counting errors = {.error = ERROR};
	struct tree_frame asked;
	struct tree_frame answered;
	struct refusal r;
	int *checked = arg;

	if (g->direction == KAFKA_REQUEST && api_has_version(api, g->version)) {
		cr_assert(tree_frame_parse(arena, KAFKA_REQUEST, g->key, g->version, g->bytes,
					   g->size, &asked));
		tree_each(asked.body, forget, NULL);
		answered = refuse(arena, g, ERROR, *checked % 2 == 1, &r);
		tree_each(answered.body, count_errors, &errors);
		cr_assert_eq(errors.wrong, 0, "%s v%d %s: %d of %d errors are not there", g->api,
			     g->version, g->kind, errors.wrong, errors.found);
		if (echoes_names(g)) {
			check_echo(g, asked.body, answered.body, MEANING_TOPIC_NAME, "topics");
			check_echo(g, asked.body, answered.body, MEANING_RESOURCE_NAME,
				   "resources");
			check_echo(g, asked.body, answered.body, -1, "partitions");
		}
		found[g->key] += errors.found;
		(*checked)++;
		refusal_free(&r);
	}
	arena_free(&arena);
}

Test(refusal, every_api_and_version, .timeout = 120)
{
	int checked = 0;
	int versions = 0;

	golden_each_api(check_request, &checked);
	for (size_t i = 0; i < kafka_apis_count; i++) {
		versions += kafka_apis[i].max - kafka_apis[i].min + 1;
		cr_assert_gt(found[kafka_apis[i].key], 0, "%s: no error at all",
			     kafka_api_name(kafka_apis[i].key));
	}
	cr_assert_geq(checked, versions, "%d requests for %d versions", checked, versions);
}

/* -- what the authorizer says */

struct saying {
	const char *kind;
	int error;
	int found;
};

static void
check_saying(void *arg, const struct golden *g)
{
	struct arena *arena = arena_new();
	struct saying *s = arg;
	struct counting errors = {.error = s->error};
	bool has_own = g->key == KA_Fetch && g->version >= 7; /* which stays 0 */
	struct tree_frame answered;
	struct refusal r;

	if (g->direction == KAFKA_REQUEST && strcmp(g->kind, s->kind) == 0) {
		answered = refuse(arena, g, REFUSAL_UNAUTHORIZED, false, &r);
		if (g->key == KA_InitProducerId && r.without_id)
			errors.error = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
		cr_assert_eq(refusal_error(&r), errors.error, "%s: %d", g->api, refusal_error(&r));
		tree_each(answered.body, count_errors, &errors);
		cr_assert_eq(errors.wrong, has_own ? 1 : 0, "%s v%d", g->api, g->version);
		s->found += errors.found - errors.wrong;
		refusal_free(&r);
	}
	arena_free(&arena);
}

static void
says(int key, const char *kind, int error)
{
	struct saying s = {kind, error, 0};

	golden_each(key, check_saying, &s);
	cr_assert_gt(s.found, 0, "%s", kafka_api_name(key));
}

Test(refusal, errors_as_of_an_authorizer)
{
	says(KA_Produce, "rich", KAFKA_TOPIC_AUTHORIZATION_FAILED);
	says(KA_Fetch, "rich", KAFKA_TOPIC_AUTHORIZATION_FAILED);
	says(KA_CreateTopics, "rich", KAFKA_TOPIC_AUTHORIZATION_FAILED);
	says(KA_JoinGroup, "rich", KAFKA_GROUP_AUTHORIZATION_FAILED);
	says(KA_OffsetFetch, "rich", KAFKA_GROUP_AUTHORIZATION_FAILED);
	says(KA_DeleteGroups, "rich", KAFKA_GROUP_AUTHORIZATION_FAILED);
	says(KA_InitProducerId, "rich", KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
	says(KA_EndTxn, "rich", KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
	says(KA_ElectLeaders, "rich", KAFKA_CLUSTER_AUTHORIZATION_FAILED);
}

/* Of each resource its own. */
static void
check_configs(void *arg, const struct golden *g)
{
	struct arena *arena = arena_new();
	struct tree_frame answered;
	struct refusal r;
	int *checked = arg;

	if (g->direction == KAFKA_REQUEST) {
		answered = refuse(arena, g, REFUSAL_UNAUTHORIZED, false, &r);
		for (size_t i = 0;
		     i < tree_find(answered.body, KF_AlterConfigsResponse_Responses)->count; i++) {
			struct tree *each =
			    tree_find(answered.body, KF_AlterConfigsResponse_Responses)
				->children[i];
			int type =
			    (int)tree_find(each, KF_AlterConfigsResponse_Responses_ResourceType)
				->number;
			int error =
			    (int)tree_find(each, KF_AlterConfigsResponse_Responses_ErrorCode)
				->number;

			cr_assert_eq(error,
				     type == 2    ? KAFKA_TOPIC_AUTHORIZATION_FAILED
				     : type == 32 ? KAFKA_GROUP_AUTHORIZATION_FAILED
						  : KAFKA_CLUSTER_AUTHORIZATION_FAILED,
				     "type %d: error %d", type, error);
			(*checked)++;
		}
		refusal_free(&r);
	}
	arena_free(&arena);
}

Test(refusal, configs_by_what_they_are_of)
{
	int checked = 0;

	golden_each(KA_AlterConfigs, check_configs, &checked);
	cr_assert_gt(checked, 2);
}

/* -- broken requests */

static void
check_cuts(void *arg, const struct golden *g)
{
	(void)arg;
	if (g->direction != KAFKA_REQUEST || g->version != 9 || strcmp(g->kind, "rich") != 0)
		return;
	for (size_t size = 8; size < g->size - 4; size++) {
		struct refusal r;
		size_t consumed;

		/* The frame says that it is whole: it must not be believed. */
		refusal_begin(&r, g->key, g->version, size, ERROR);
		cr_assert_neq(refusal_feed(&r, g->bytes + 4, size, &consumed), REFUSAL_DONE,
			      "cut to %zu", size);
		refusal_free(&r);
	}
}

Test(refusal, cut_frames, .timeout = 120)
{
	golden_each(KA_Produce, check_cuts, NULL);
}
