/* SPDX-License-Identifier: Apache-2.0
 *
 * rewrite_frame() and rewrite_stream_*() over tests/golden, compared value by value with oracle.h:
 * as Kafka wrote the frames, with names relabelled so that first, middle, last or all elements are
 * foreign, with long arrays, damaged, and split anywhere. Frames are handed over in blocks of
 * exactly their size, so that a sanitizer build sees a read beyond them.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/be.h"
#include "base/bytes.h"
#include "kafka/kafka_ids.h"
#include "kafka/walk.h"
#include "oracle.h"
#include "support/golden.h"

#define PREFIX "teamA"

/* Brokers 3, 1 and 2 stand behind vnodes 0, 1 and 2: no number is right by accident but 2, and
 * broker 7 is away. */
static const struct slot slots[] = {
    {.broker_id = 3, .present = true},
    {.broker_id = 1, .present = true},
    {.broker_id = 2, .present = true},
    {.broker_id = 7},
};
static const struct route route = {
    .logical = "main", .cluster = "main", .slots = slots, .slots_count = 4};

static struct rewrite_context
make_context(struct scratch *scratch)
{
	return (struct rewrite_context){
	    .prefix = PREFIX,
	    .prefix_length = strlen(PREFIX),
	    .route = &route,
	    .advertised_host = "gateway.example",
	    .cluster_id = "virtualClusterIdOfTeam",
	    .port_start = 6969,
	    .scratch = scratch,
	};
}

static void
collect(struct rewriter *rw, struct bytes *out)
{
	size_t before = out->length;

	for (size_t i = 0; i < rw->out.count; i++)
		bytes_add(out, rw->out.list[i].at, rw->out.list[i].length);
	cr_assert_eq(out->length - before, rw->out.bytes);
	segs_rollback(&rw->out, (struct segs_mark){0});
	cr_assert_eq(rw->out.bytes, 0);
}

/* Rewrites a frame (its four bytes of size included) as a whole. */
static bool
rewrite_whole(const struct tree_frame *f, const uint8_t *bytes, size_t size, struct bytes *out,
	      char error[240])
{
	struct scratch scratch = {0};
	struct rewrite_context cx = make_context(&scratch);
	struct rewriter rw = {0};
	struct buf *buf = buf_new(size - 4);
	bool good;

	memcpy(buf->data, bytes + 4, size - 4);
	good = rewrite_frame(&rw, &cx, f->direction, f->key, f->version, buf, buf->data, size - 4);
	if (good)
		collect(&rw, out);
	else
		snprintf(error, 240, "%s", rw.error);
	cr_assert_eq(rw.out.count, 0);
	rewrite_free(&rw);
	cr_assert_eq(buf->references, 1);
	buf_unref(&buf);
	scratch_free(&scratch);
	return good;
}

struct tally {
	size_t rewritten;
	size_t refused;
	size_t malformed;
};

/* The frame's fate and content are what the oracle says. */
static void
check_bytes(const struct tree_frame *what, const uint8_t *bytes, size_t size, const char *note,
	    struct tally *tally)
{
	struct arena *arena = arena_new();
	struct rewrite_context cx = make_context(NULL);
	struct tree_frame in, got;
	struct tree_frame *expected = NULL;
	struct bytes out = {0};
	char error[240] = "", version[16];
	bool well_formed =
	    tree_frame_parse(arena, what->direction, what->key, what->version, bytes, size, &in);
	bool good = rewrite_whole(what, bytes, size, &out, error);
	const char *name = kafka_api_name(what->key);

	if (well_formed)
		expected = oracle_frame(arena, &cx, &in);
	cr_assert_eq(good, expected != NULL, "%s v%d %s: %s, but should%s: %s", name, what->version,
		     note, good ? "rewritten" : "refused", good ? " not" : "", error);
	if (good) {
		const char *difference;

		cr_assert(tree_frame_parse(arena, what->direction, what->key, what->version,
					   out.data, out.length, &got),
			  "%s v%d %s: what came out is malformed", name, what->version, note);
		difference = tree_difference(arena, got.header, expected->header);
		cr_assert_str_eq(difference, "", "%s v%d %s: header: %s", name, what->version, note,
				 difference);
		difference = tree_difference(arena, got.body, expected->body);
		cr_assert_str_eq(difference, "", "%s v%d %s: %s", name, what->version, note,
				 difference);
		tally->rewritten++;
	} else {
		snprintf(version, sizeof(version), " v%d", what->version);
		cr_assert(strstr(error, name) != NULL || strstr(error, "Header") != NULL, "%s: %s",
			  name, error);
		cr_assert(strstr(error, version) != NULL || strstr(error, "Header") != NULL, "%s",
			  error);
		cr_assert_not_null(strstr(error, ", at "), "%s", error);
		if (well_formed)
			tally->refused++;
		else
			tally->malformed++;
	}
	bytes_free(&out);
	arena_free(&arena);
}

static void
check_tree(const struct tree_frame *frame, const char *note, struct tally *tally)
{
	struct bytes bytes = {0};

	tree_frame_encode(frame, &bytes);
	check_bytes(frame, bytes.data, bytes.length, note, tally);
	bytes_free(&bytes);
}

/* -- as Kafka wrote them */

static void
on_golden(void *arg, const struct golden *g)
{
	struct tree_frame what = {.key = g->key, .version = g->version, .direction = g->direction};
	struct arena *arena = arena_new();
	struct bytes again = {0};
	struct tree_frame frame;

	check_bytes(&what, g->bytes, g->size, g->kind, arg);
	/* What the other tests are made with writes what Kafka writes. */
	cr_assert(
	    tree_frame_parse(arena, g->direction, g->key, g->version, g->bytes, g->size, &frame));
	tree_frame_encode(&frame, &again);
	cr_assert_arr_eq(again.data, g->bytes, g->size, "%s v%d", g->api, g->version);
	bytes_free(&again);
	arena_free(&arena);
}

Test(rewrite, every_golden_frame, .timeout = 300)
{
	struct tally tally = {0};
	int frames = golden_each_api(on_golden, &tally);

	cr_expect_geq(frames, 980);
	cr_expect_eq(tally.malformed, 0);
	cr_expect_gt(tally.rewritten, 900, "%zu", tally.rewritten);
}

/* -- relabelled */

enum label { LABEL_OWN, LABEL_FOREIGN, LABEL_FIRST, LABEL_MIDDLE, LABEL_LAST, LABEL_ODD, LABELS };

static bool
is_foreign(enum label label, size_t index, size_t count)
{
	switch (label) {
	case LABEL_OWN:
	case LABELS:
		return false;
	case LABEL_FOREIGN:
		return true;
	case LABEL_FIRST:
		return index == 0;
	case LABEL_MIDDLE:
		return index == count / 2;
	case LABEL_LAST:
		return index == count - 1;
	case LABEL_ODD:
		return index % 2 == 1;
	}
	return false;
}

static bool
is_name(uint16_t field)
{
	enum meaning m = (enum meaning)kafka_meanings[field];

	return m == MEANING_TOPIC_NAME || m == MEANING_GROUP_ID || m == MEANING_RESOURCE_NAME ||
	       m == MEANING_TRANSACTIONAL_ID || m == MEANING_COORDINATOR_KEY;
}

/* Names the tenant's own or another's, by the number of the array element around. */
static void
relabel(struct arena *arena, struct tree *node, enum label label, size_t index, size_t count)
{
	if (node->kind == TREE_VALUE && !node->null && is_name(node->field)) {
		const char *owner = is_foreign(label, index, count) ? "teamB" : PREFIX;

		tree_set_text(arena, node, arena_printf(arena, "%sname-%zu", owner, index));
	}
	if (node->kind == TREE_VALUE && kafka_meanings[node->field] == MEANING_RESOURCE_TYPE)
		node->number = is_foreign(label, index, count) && index % 3 == 0 ? 4 : 2;
	for (size_t i = 0; i < node->count; i++) {
		bool elements = node->kind == TREE_ARRAY;

		relabel(arena, node->children[i], label, elements ? i : index,
			elements ? node->count : count);
	}
}

/* Makes arrays long: counts of 127 and more take a second byte. */
static void
widen(struct arena *arena, struct tree *node, size_t wanted, unsigned depth)
{
	size_t came = node->count;

	if (node->kind == TREE_ARRAY && came > 0 && depth < 2) {
		while (node->count < wanted)
			tree_append(arena, node,
				    tree_copy(arena, node->children[node->count % came]));
		wanted = 3; /* further in: or it becomes too much */
	}
	for (size_t i = 0; i < node->count; i++)
		widen(arena, node->children[i], wanted, depth + (node->kind == TREE_ARRAY));
}

struct relabelling {
	struct tally tally;
	size_t width; /* 0: as they came */
};

static void
on_relabel(void *arg, const struct golden *g)
{
	struct relabelling *r = arg;

	if (strcmp(g->kind, "rich") != 0)
		return;
	for (int label = 0; label < LABELS; label++) {
		struct arena *arena = arena_new();
		struct tree_frame frame;
		char note[64];

		snprintf(note, sizeof(note), "rich, label %d, width %zu", label, r->width);
		cr_assert(tree_frame_parse(arena, g->direction, g->key, g->version, g->bytes,
					   g->size, &frame));
		if (r->width > 0)
			widen(arena, frame.body, r->width, 0);
		relabel(arena, frame.body, (enum label)label, 0, 1);
		check_tree(&frame, note, &r->tally);
		arena_free(&arena);
	}
}

Test(rewrite, foreign_elements_vanish, .timeout = 300)
{
	struct relabelling r = {0};

	golden_each_api(on_relabel, &r);
	cr_expect_gt(r.tally.rewritten, 1800, "%zu", r.tally.rewritten);
	cr_expect_eq(r.tally.malformed, 0);
}

Test(rewrite, foreign_elements_vanish_from_long_arrays, .timeout = 600)
{
	static const size_t widths[] = {126, 127, 128, 300};

	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		struct relabelling r = {.width = widths[i]};

		golden_each_api(on_relabel, &r);
		cr_expect_gt(r.tally.rewritten, 1800);
	}
}

/* Names of every length around where a compact length takes another byte, or becomes too long. */
static void
check_name_lengths(int key, enum kafka_direction direction, int version, const struct golden *g)
{
	static const size_t lengths[] = {0,   1,     2,     3,     5,     6,     120,   121,
					 122, 123,   126,   127,   128,   131,   132,   133,
					 249, 16377, 16382, 16383, 32761, 32762, 32763, 32767};
	struct tally tally = {0};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct arena *arena = arena_new();
		char *name = arena_alloc(arena, lengths[i] + 1);
		struct tree_frame frame;

		memset(name, '.', lengths[i]);
		if (direction == KAFKA_RESPONSE && lengths[i] >= strlen(PREFIX))
			memcpy(name, PREFIX, strlen(PREFIX));
		cr_assert(
		    tree_frame_parse(arena, direction, key, version, g->bytes, g->size, &frame));
		for (uint16_t field = 0; field < KF_COUNT; field++) {
			struct tree *node = is_name(field) ? tree_find(frame.body, field) : NULL;

			if (node != NULL && node->kind == TREE_VALUE)
				tree_set_text(arena, node, name);
		}
		check_tree(&frame, "name length", &tally);
		arena_free(&arena);
	}
}

static void
on_name_lengths(void *arg, const struct golden *g)
{
	(void)arg;
	if (strcmp(g->kind, "thin") == 0)
		check_name_lengths(g->key, g->direction, g->version, g);
}

Test(rewrite, names_of_every_length, .timeout = 300)
{
	golden_each_api(on_name_lengths, NULL);
}

Test(rewrite, names_come_back)
{
	/* Metadata v8: asked for "users", the broker answers "teamAusers". */
	static const uint8_t request[] = {0,   0,   0,    26,   0,   3, 0, 8, 0, 0,
					  0,   1,   0xff, 0xff, 0,   0, 0, 1, 0, 5,
					  'u', 's', 'e',  'r',  's', 0, 0, 0, 0, 0};
	struct tree_frame what = {.key = 3, .version = 8, .direction = KAFKA_REQUEST};
	struct arena *arena = arena_new();
	struct bytes out = {0};
	struct tree_frame got;
	char error[240];
	struct tree *name;
	uint8_t frame[64];

	/* topics [users], no auto-creation, no operations */
	memcpy(frame, request, sizeof(request));
	be_put32(frame, 24);
	cr_assert(rewrite_whole(&what, frame, 28, &out, error), "%s", error);
	cr_assert(tree_frame_parse(arena, KAFKA_REQUEST, 3, 8, out.data, out.length, &got));
	name = tree_find(got.body, KF_MetadataRequest_Topics_Name);
	cr_assert_eq(name->length, 10);
	cr_assert_arr_eq(name->bytes, "teamAusers", 10);
	bytes_free(&out);
	arena_free(&arena);
}

/* -- damaged */

static void
check_damage(const struct golden *g, uint8_t *frame, struct tally *tally)
{
	static const uint8_t damage[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	struct tree_frame what = {.key = g->key, .version = g->version, .direction = g->direction};

	memcpy(frame, g->bytes, g->size);
	for (size_t cut = 8; cut < g->size; cut++) {
		be_put32(frame, (uint32_t)(cut - 4));
		check_bytes(&what, frame, cut, "cut short", tally);
	}
	be_put32(frame, (uint32_t)(g->size - 4));
	for (size_t i = 4; i < g->size; i++) {
		for (size_t j = 0; j < sizeof(damage); j++) {
			frame[i] = damage[j];
			check_bytes(&what, frame, g->size, "damaged", tally);
		}
		frame[i] = g->bytes[i];
	}
}

static void
on_damage(void *arg, const struct golden *g)
{
	uint8_t *frame;

	/* The whole set takes minutes; long frames have nothing that their short forms lack. */
	if (g->size > 700 && g->version != api_find(g->key)->max)
		return;
	frame = malloc(g->size);
	check_damage(g, frame, arg);
	free(frame);
}

Test(rewrite, damaged_frames_are_refused_or_rewritten_well, .timeout = 1200)
{
	struct tally tally = {0};

	golden_each_api(on_damage, &tally);
	cr_expect_gt(tally.malformed, 100000, "%zu", tally.malformed);
	cr_expect_gt(tally.rewritten, 100000, "%zu", tally.rewritten);
}
