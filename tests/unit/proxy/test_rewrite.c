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
	    .names = {.prefix = PREFIX, .prefix_length = strlen(PREFIX)},
	    .whole_bytes = 1 << 20,
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
	    tree_frame_receive(arena, what->direction, what->key, what->version, bytes, size, &in);
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

static void
on_longer(void *arg, const struct golden *g)
{
	struct tree_frame what = {.key = g->key, .version = g->version, .direction = g->direction};
	uint8_t *frame = malloc(g->size + 1);

	memcpy(frame, g->bytes, g->size);
	frame[g->size] = 0;
	be_put32(frame, (uint32_t)(g->size - 3));
	check_bytes(&what, frame, g->size + 1, "one byte longer", arg);
	free(frame);
}

/* librdkafka 2.0 ends ListGroups v4 with a byte too many. Brokers ignore such bytes, so they are
 * dropped; a broker's answer has to be exact. */
Test(rewrite, bytes_after_a_request_are_dropped, .timeout = 300)
{
	struct tally tally = {0};

	golden_each_api(on_longer, &tally);
	cr_expect_gt(tally.rewritten, 400, "%zu", tally.rewritten);
	cr_expect_gt(tally.malformed, 400, "%zu", tally.malformed);
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

	return m == MEANING_TOPIC_NAME || m == MEANING_CURSOR_TOPIC || m == MEANING_LISTED_NAME ||
	       m == MEANING_GROUP_ID || m == MEANING_RESOURCE_NAME ||
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
	/* Metadata v8: topics ["users"], no auto-creation, no operations. */
	static const uint8_t request[] = {0, 0, 0, 24, 0, 3, 0,   8,   0,   0,   0,   1, 0xff, 0xff,
					  0, 0, 0, 1,  0, 5, 'u', 's', 'e', 'r', 's', 0, 0,    0};
	struct tree_frame what = {.key = 3, .version = 8, .direction = KAFKA_REQUEST};
	struct arena *arena = arena_new();
	struct bytes out = {0};
	struct tree_frame got;
	char error[240];
	struct tree *name;

	cr_assert(rewrite_whole(&what, request, sizeof(request), &out, error), "%s", error);
	cr_assert(tree_frame_parse(arena, KAFKA_REQUEST, 3, 8, out.data, out.length, &got));
	name = tree_find(got.body, KF_MetadataRequest_Topics_Name);
	cr_assert_eq(name->length, 10);
	cr_assert_arr_eq(name->bytes, "teamAusers", 10);
	bytes_free(&out);
	arena_free(&arena);
}

/* A request of a hundred megabytes can hold thirty million names; each costs more than it came in,
 * here and at the broker. */
static bool
rewrite_names(uint32_t count)
{
	struct tree_frame what = {.key = KA_Metadata, .version = 0, .direction = KAFKA_REQUEST};
	size_t size = 4 + 10 + 4 + 3 * (size_t)count;
	uint8_t *frame = calloc(1, size);
	struct bytes out = {0};
	char error[240] = "";
	bool good;

	be_put32(frame, (uint32_t)(size - 4));
	be_put16(frame + 4, KA_Metadata);
	be_put16(frame + 12, 0xffff);
	be_put32(frame + 14, count);
	for (size_t i = 0; i < count; i++)
		memcpy(frame + 18 + 3 * i, "\0\1n", 3);
	good = rewrite_whole(&what, frame, size, &out, error);
	cr_assert(good || strstr(error, "more than 131072") != NULL, "%s", error);
	free(frame);
	bytes_free(&out);
	return good;
}

Test(rewrite, names_in_one_frame_are_limited, .timeout = 60)
{
	cr_assert(rewrite_names(1 << 17));
	cr_assert_not(rewrite_names((1 << 17) + 1));
	cr_assert_not(rewrite_names(3000000));
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

/* -- streamed */

/* Feeds a frame in pieces as a connection does: what was not consumed comes again with the next
 * one. Returns the outgoing frame in *out. */
struct feeding {
	struct rewriter rw;
	struct rewrite_context cx;
	struct scratch scratch;
	struct bytes out;
	size_t promised; /* the outgoing frame's size as its first four bytes said */
};

static void
take_ready(struct feeding *f)
{
	if (!f->rw.promised)
		return;
	collect(&f->rw, &f->out);
	if (f->promised == 0)
		f->promised = 4 + be_get32(f->out.data);
}

/* `step`: bytes in each piece; 0: `first`, then the rest. */
static enum rewrite_progress
feed(struct feeding *f, const struct tree_frame *what, const uint8_t *bytes, size_t size,
     size_t first, size_t step)
{
	enum rewrite_progress progress = REWRITE_MORE;
	size_t at = 0, here = 0, consumed;

	f->cx = make_context(&f->scratch);
	bytes += 4;
	size -= 4;
	rewrite_stream_begin(&f->rw, &f->cx, what->direction, what->key, what->version, size);
	while (progress == REWRITE_MORE && here < size) {
		struct buf *buf;

		here = step > 0 ? here + step : here == 0 ? first : size;
		here = here < size ? here : size;
		buf = buf_new(here - at);
		memcpy(buf->data, bytes + at, here - at);
		progress = rewrite_stream_feed(&f->rw, buf, buf->data, here - at, &consumed);
		cr_assert_leq(consumed, here - at);
		at += consumed;
		if (progress == REWRITE_MORE)
			cr_assert_gt(f->rw.walk.need, here - at);
		take_ready(f);
		buf_unref(&buf);
	}
	if (progress == REWRITE_DONE)
		cr_assert_eq(at, size);
	return progress;
}

static void
feeding_free(struct feeding *f)
{
	rewrite_free(&f->rw);
	scratch_free(&f->scratch);
	bytes_free(&f->out);
	*f = (struct feeding){0};
}

/* Streamed in these pieces, the frame gives what the oracle says. */
static void
check_fed(const struct tree_frame *frame, const struct bytes *bytes,
	  const struct tree_frame *expected, size_t first, size_t step)
{
	struct feeding f = {0};
	struct arena *arena = arena_new();
	struct tree_frame got;
	const char *difference;
	enum rewrite_progress progress = feed(&f, frame, bytes->data, bytes->length, first, step);
	const char *name = kafka_api_name(frame->key);

	cr_assert_eq(progress, REWRITE_DONE, "%s v%d, %zu then %zu: %s", name, frame->version,
		     first, step, f.rw.error);
	cr_assert_eq(f.promised, f.out.length, "%s v%d: %zu bytes promised, %zu came", name,
		     frame->version, f.promised, f.out.length);
	cr_assert(tree_frame_parse(arena, frame->direction, frame->key, frame->version, f.out.data,
				   f.out.length, &got),
		  "%s v%d: malformed", name, frame->version);
	difference = tree_difference(arena, got.body, expected->body);
	cr_assert_str_eq(difference, "", "%s v%d, %zu then %zu: %s", name, frame->version, first,
			 step, difference);
	cr_assert_str_eq(tree_difference(arena, got.header, expected->header), "");
	arena_free(&arena);
	feeding_free(&f);
}

/* What a streamed frame must not have: it is refused then, which has a test of its own. */
static void
remove_tags(struct tree *node, bool known_too)
{
	size_t kept = 0;

	for (size_t i = 0; i < node->count; i++) {
		struct tree *child = node->children[i];

		if (child->kind == TREE_UNKNOWN_TAG)
			continue;
		if (child->kind == TREE_TAG &&
		    (known_too || kafka_meanings[child->field] == MEANING_DROP_TAG))
			continue;
		remove_tags(child, known_too);
		node->children[kept++] = child;
	}
	node->count = kept;
}

static bool
is_streamed(const struct golden *g)
{
	return (g->key == KA_Produce && g->direction == KAFKA_REQUEST) ||
	       (g->key == KA_Fetch && g->direction == KAFKA_RESPONSE);
}

/* Topic names of the given length: 127 and 128 bytes are where a compact length grows. */
static void
set_topic_names(struct arena *arena, struct tree *node, size_t length)
{
	if (node->kind == TREE_VALUE && kafka_meanings[node->field] == MEANING_TOPIC_NAME) {
		char *name = arena_alloc(arena, length + 1);

		memset(name, 'n', length);
		if (node->field == KF_FetchResponse_Responses_Topic)
			memcpy(name, PREFIX, strlen(PREFIX));
		tree_set_text(arena, node, name);
	}
	for (size_t i = 0; i < node->count; i++)
		set_topic_names(arena, node->children[i], length);
}

static void
check_stream(struct arena *arena, const struct tree_frame *frame, bool everywhere)
{
	struct rewrite_context cx = make_context(NULL);
	struct tree_frame *expected = oracle_frame(arena, &cx, frame);
	struct bytes bytes = {0};

	cr_assert_not_null(expected);
	tree_frame_encode(frame, &bytes);
	for (size_t step = 1; step < 20; step += 6)
		check_fed(frame, &bytes, expected, 0, step);
	for (size_t first = 1; everywhere && first < bytes.length - 4; first++)
		check_fed(frame, &bytes, expected, first, 0);
	check_fed(frame, &bytes, expected, bytes.length, 0);
	bytes_free(&bytes);
}

static void
on_stream(void *arg, const struct golden *g)
{
	static const size_t lengths[] = {5,   6,   20,  121, 122, 123, 126,
					 127, 128, 131, 132, 133, 249};
	size_t *frames = arg;

	if (!is_streamed(g))
		return;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct arena *arena = arena_new();
		struct tree_frame frame;

		cr_assert(tree_frame_parse(arena, g->direction, g->key, g->version, g->bytes,
					   g->size, &frame));
		remove_tags(frame.body, false);
		/* The topic named just as the prefix is nobody's, and there would be a hole. */
		if (lengths[i] > strlen(PREFIX))
			set_topic_names(arena, frame.body, lengths[i]);
		else
			relabel(arena, frame.body, LABEL_OWN, 0, 1);
		check_stream(arena, &frame, i < 2 || i == 7);
		arena_free(&arena);
		++*frames;
	}
}

Test(rewrite, streams_split_anywhere, .timeout = 600)
{
	size_t frames = 0;

	golden_each(KA_Produce, on_stream, &frames);
	golden_each(KA_Fetch, on_stream, &frames);
	cr_expect_eq(frames, 13 * 3 * (10 + 9));
}

/* The rich golden of an API's newest version, without unknown tags. */
struct wanted_frame {
	struct arena *arena;
	enum kafka_direction direction;
	struct tree_frame frame;
};

static void
on_wanted(void *arg, const struct golden *g)
{
	struct wanted_frame *w = arg;

	if (g->direction == w->direction && strcmp(g->kind, "rich") == 0 &&
	    g->version == api_find(g->key)->max)
		cr_assert(tree_frame_parse(w->arena, g->direction, g->key, g->version, g->bytes,
					   g->size, &w->frame));
}

static struct tree_frame
rich_frame(struct arena *arena, int key, enum kafka_direction direction)
{
	struct wanted_frame w = {.arena = arena, .direction = direction};

	golden_each(key, on_wanted, &w);
	cr_assert_not_null(w.frame.body);
	remove_tags(w.frame.body, false);
	relabel(arena, w.frame.body, LABEL_OWN, 0, 1);
	return w.frame;
}

/* Such a frame is refused, wherever it is split, and nothing of what is foreign went out. */
static void
check_refused(const struct tree_frame *frame, const char *why)
{
	struct bytes bytes = {0};

	tree_frame_encode(frame, &bytes);
	for (size_t first = 1; first < bytes.length - 4; first++) {
		struct feeding f = {0};

		cr_assert_eq(feed(&f, frame, bytes.data, bytes.length, first, 0), REWRITE_FAILED);
		cr_assert_not_null(strstr(f.rw.error, why), "%s", f.rw.error);
		cr_assert(f.out.length == 0 ||
			  memmem(f.out.data, f.out.length, "teamB", 5) == NULL);
		feeding_free(&f);
	}
	bytes_free(&bytes);
}

Test(rewrite, a_streamed_fetch_with_a_foreign_topic_is_refused)
{
	for (int label = LABEL_FOREIGN; label <= LABEL_LAST; label++) {
		struct arena *arena = arena_new();
		struct tree_frame frame = rich_frame(arena, KA_Fetch, KAFKA_RESPONSE);

		relabel(arena, frame.body, (enum label)label, 0, 1);
		check_refused(&frame, "something foreign");
		arena_free(&arena);
	}
}

static struct tree *
unknown_tag(struct arena *arena)
{
	struct tree *tag = tree_new(arena, TREE_UNKNOWN_TAG, KAFKA_NO_FIELD);

	tag->number = 4711;
	tree_set_text(arena, tag, "teamB");
	return tag;
}

Test(rewrite, a_streamed_frame_with_an_unknown_tag_is_refused)
{
	static const struct {
		int key;
		enum kafka_direction direction;
		uint16_t field; /* of the array whose last element gets the tag */
	} cases[] = {
	    {KA_Produce, KAFKA_REQUEST, KAFKA_NO_FIELD},
	    {KA_Produce, KAFKA_REQUEST, KF_ProduceRequest_TopicData},
	    {KA_Produce, KAFKA_REQUEST, KF_ProduceRequest_TopicData_PartitionData},
	    {KA_Fetch, KAFKA_RESPONSE, KAFKA_NO_FIELD},
	    {KA_Fetch, KAFKA_RESPONSE, KF_FetchResponse_Responses},
	    {KA_Fetch, KAFKA_RESPONSE, KF_FetchResponse_Responses_Partitions},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena *arena = arena_new();
		struct tree_frame frame = rich_frame(arena, cases[i].key, cases[i].direction);
		struct tree *at = tree_find(frame.body, cases[i].field);

		if (cases[i].field != KAFKA_NO_FIELD)
			at = at->children[at->count - 1];
		tree_append(arena, at, unknown_tag(arena));
		check_refused(&frame, "unknown tag 4711");
		arena_free(&arena);
	}
}

Test(rewrite, a_stream_drops_unknown_tags_of_the_header)
{
	struct arena *arena = arena_new();
	struct tree_frame frame = rich_frame(arena, KA_Produce, KAFKA_REQUEST);

	remove_tags(frame.header, true);
	tree_append(arena, frame.header, unknown_tag(arena));
	check_stream(arena, &frame, true);
	arena_free(&arena);
}

/* They go out as what no broker can have, as long as any other name would be. */
Test(rewrite, illegal_names_do_not_slip_through_a_stream)
{
	static const char *const names[] = {"", ".", ".."};

	for (size_t i = 0; i < 3; i++) {
		struct arena *arena = arena_new();
		struct tree_frame frame = rich_frame(arena, KA_Produce, KAFKA_REQUEST);

		tree_set_text(arena, tree_find(frame.body, KF_ProduceRequest_TopicData_Name),
			      names[i]);
		check_stream(arena, &frame, true);
		arena_free(&arena);
	}
}

/* A client may write a length in more bytes than it needs; five are the most that it may. One byte
 * more for the longer name was once written behind the end of a buffer. */
Test(rewrite, a_streamed_name_with_the_longest_length_is_refused)
{
	struct arena *arena = arena_new();
	struct tree_frame frame = rich_frame(arena, KA_Produce, KAFKA_REQUEST);
	struct bytes bytes = {0}, longer = {0};
	uint8_t *name;

	tree_set_text(arena, tree_find(frame.body, KF_ProduceRequest_TopicData_Name), "users");
	tree_frame_encode(&frame, &bytes);
	name = memmem(bytes.data, bytes.length, "\x06users", 6);
	cr_assert_not_null(name);
	for (unsigned width = 1; width <= 5; width++) {
		struct feeding f = {0};
		enum rewrite_progress progress;

		longer.length = 0;
		bytes_add(&longer, bytes.data, (size_t)(name - bytes.data));
		uvarint_put(bytes_add_space(&longer, width), 6, width);
		bytes_add(&longer, name + 1, bytes.length - (size_t)(name + 1 - bytes.data));
		be_put32(longer.data, (uint32_t)(longer.length - 4));
		progress = feed(&f, &frame, longer.data, longer.length, 1, 7);
		if (width < 5) {
			cr_assert_eq(progress, REWRITE_DONE, "%s", f.rw.error);
			cr_assert_eq(f.promised, f.out.length);
		} else {
			cr_assert_eq(progress, REWRITE_FAILED);
			cr_assert_not_null(strstr(f.rw.error, "Produce"));
		}
		feeding_free(&f);
	}
	bytes_free(&bytes);
	bytes_free(&longer);
	arena_free(&arena);
}

/* Cut short or damaged, fed byte by byte: an end, well formed where it is one. */
static void
on_stream_damage(void *arg, const struct golden *g)
{
	static const uint8_t damage[] = {0x00, 0x7f, 0x80, 0xff};
	struct tree_frame what = {.key = g->key, .version = g->version, .direction = g->direction};
	uint8_t *frame;

	(void)arg;
	if (!is_streamed(g) || g->version != api_find(g->key)->max)
		return;
	frame = malloc(g->size);
	memcpy(frame, g->bytes, g->size);
	for (size_t i = 4; i < g->size; i++) {
		for (size_t j = 0; j < sizeof(damage); j++) {
			struct feeding f = {0};
			struct arena *arena = arena_new();
			struct tree_frame got;

			frame[i] = damage[j];
			if (feed(&f, &what, frame, g->size, 0, 11) == REWRITE_DONE) {
				cr_assert_eq(f.promised, f.out.length);
				cr_assert(tree_frame_parse(arena, g->direction, g->key, g->version,
							   f.out.data, f.out.length, &got));
			} else {
				cr_assert_neq(f.rw.error[0], '\0');
			}
			arena_free(&arena);
			feeding_free(&f);
		}
		frame[i] = g->bytes[i];
	}
	free(frame);
}

Test(rewrite, damaged_streams_end, .timeout = 300)
{
	golden_each(KA_Produce, on_stream_damage, NULL);
	golden_each(KA_Fetch, on_stream_damage, NULL);
}
