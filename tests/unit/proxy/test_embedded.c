/* SPDX-License-Identifier: Apache-2.0
 *
 * Subscriptions and assignments inside JoinGroup, SyncGroup and DescribeGroups: in every version of
 * theirs and of the frame around them, of groups that are consumers' and of others, readable or
 * not.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/be.h"
#include "kafka/kafka_ids.h"
#include "lap.h"

/* -- bytes by hand */

static void
put_text(struct bytes *out, const char *text)
{
	bytes_add_be16(out, (uint16_t)strlen(text));
	bytes_add(out, text, strlen(text));
}

static void
put_partitions(struct bytes *out, const char *topic)
{
	put_text(out, topic);
	bytes_add_be32(out, 2);
	bytes_add_be32(out, 0);
	bytes_add_be32(out, 1);
}

/* A subscription of these topics, which owns partitions of them, too; up to NULL. */
static void
subscription(struct bytes *out, int version, const char *const *topics)
{
	uint32_t count = 0;

	out->length = 0;
	while (topics[count] != NULL)
		count++;
	bytes_add_be16(out, (uint16_t)version);
	bytes_add_be32(out, count);
	for (uint32_t i = 0; i < count; i++)
		put_text(out, topics[i]);
	bytes_add_be32(out, 3);
	bytes_add(out, "usr", 3);
	if (version >= 1) {
		bytes_add_be32(out, count);
		for (uint32_t i = 0; i < count; i++)
			put_partitions(out, topics[i]);
	}
	if (version >= 2)
		bytes_add_be32(out, 7);
	if (version >= 3)
		put_text(out, "rack");
	if (version >= 4) /* from the future */
		bytes_add(out, "more", 4);
}

static void
assignment(struct bytes *out, int version, const char *const *topics)
{
	uint32_t count = 0;

	out->length = 0;
	while (topics[count] != NULL)
		count++;
	bytes_add_be16(out, (uint16_t)version);
	bytes_add_be32(out, count);
	for (uint32_t i = 0; i < count; i++)
		put_partitions(out, topics[i]);
	bytes_add_be32(out, UINT32_MAX);
	if (version >= 4)
		bytes_add(out, "more", 4);
}

typedef void (*make_fn)(struct bytes *out, int version, const char *const *topics);

/* -- in frames */

static bool
is_subscription(uint16_t field)
{
	return kafka_meanings[field] == MEANING_SUBSCRIPTION;
}

struct wrapping {
	struct arena *arena;
	const struct bytes *subscription;
	const struct bytes *assignment;
	const char *protocol;
	size_t found;
};

static void
wrap(void *arg, struct tree *node)
{
	struct wrapping *w = arg;
	enum meaning m =
	    node->kind == TREE_VALUE ? (enum meaning)kafka_meanings[node->field] : MEANING_NONE;

	if (node->kind != TREE_VALUE)
		return;
	if (m == MEANING_SUBSCRIPTION || m == MEANING_ASSIGNMENT) {
		const struct bytes *from =
		    is_subscription(node->field) ? w->subscription : w->assignment;
		uint8_t *copy = arena_alloc(w->arena, from->length + 1);

		memcpy(copy, from->data, from->length);
		node->null = false;
		node->bytes = copy;
		node->length = from->length;
		w->found++;
	}
	if (m == MEANING_PROTOCOL_TYPE) {
		node->null = false;
		tree_set_text(w->arena, node, w->protocol);
	}
	if (m == MEANING_GROUP_ID)
		tree_set_text(w->arena, node, "teamAg");
}

static void
expect_wrapped(void *arg, struct tree *node)
{
	struct wrapping *w = arg;
	enum meaning m =
	    node->kind == TREE_VALUE ? (enum meaning)kafka_meanings[node->field] : MEANING_NONE;
	const struct bytes *wanted;

	if (node->kind != TREE_VALUE || (m != MEANING_SUBSCRIPTION && m != MEANING_ASSIGNMENT))
		return;
	wanted = is_subscription(node->field) ? w->subscription : w->assignment;
	w->found++;
	cr_expect(node->length == wanted->length &&
		      memcmp(node->bytes, wanted->data, wanted->length) == 0,
		  "%s: %zu bytes instead of %zu", kafka_fields[node->field].name, node->length,
		  wanted->length);
}

struct trial {
	const struct bytes in[2];  /* subscription, assignment */
	const struct bytes out[2]; /* what becomes of them */
	enum kafka_direction direction;
	const char *protocol;
	bool is_consumer; /* as the connection knows it */
	size_t checked;
};

static void
on_frame(void *arg, const struct golden *g)
{
	struct trial *t = arg;
	struct lap lap;
	struct tree_frame frame, got;

	lap_begin(&lap);
	lap.cx.is_consumer = t->is_consumer;
	if (g->direction == t->direction && parse(&lap, g, &frame)) {
		struct wrapping w = {lap.arena, &t->in[0], &t->in[1], t->protocol, 0};
		struct wrapping e = {lap.arena, &t->out[0], &t->out[1], t->protocol, 0};

		tree_each(frame.body, wrap, &w);
		got = rewrite(&lap, &frame);
		tree_each(got.body, expect_wrapped, &e);
		cr_expect_eq(e.found, w.found, "%s v%d", g->api, g->version);
		t->checked += e.found;
	}
	lap_end(&lap);
}

static void
in_all_frames(struct trial *t)
{
	golden_each(KA_JoinGroup, on_frame, t);
	golden_each(KA_SyncGroup, on_frame, t);
	if (t->direction == KAFKA_RESPONSE)
		golden_each(KA_DescribeGroups, on_frame, t);
	cr_expect_gt(t->checked, 10);
}

/* These topics become those, in this version of the bytes. */
static void
check(enum kafka_direction direction, int version, const char *const *from, const char *const *to,
      const char *protocol, bool is_consumer)
{
	struct bytes in[2] = {{0}}, out[2] = {{0}};

	subscription(&in[0], version, from);
	assignment(&in[1], version, from);
	subscription(&out[0], version, to);
	assignment(&out[1], version, to);
	{
		struct trial t = {.in = {in[0], in[1]},
				  .out = {out[0], out[1]},
				  .direction = direction,
				  .protocol = protocol,
				  .is_consumer = is_consumer};

		in_all_frames(&t);
	}
	for (int i = 0; i < 2; i++) {
		bytes_free(&in[i]);
		bytes_free(&out[i]);
	}
}

static const char *const virtual[] = {"own", "shared", "ro", "", "__consumer_offsets", NULL};
static const char *const physical[] = {"teamAown", "existingShared",          "existingRo",
				       "/eamA",    ":eamA__consumer_offsets", NULL};

Test(embedded, names_get_physical_and_come_back)
{
	for (int version = 0; version <= 4; version++) {
		check(KAFKA_REQUEST, version, virtual, physical, "consumer", true);
		check(KAFKA_RESPONSE, version, physical, virtual, "consumer", true);
	}
}

Test(embedded, what_is_not_the_tenants_goes)
{
	static const char *const from[] = {"teamBx", "teamAown", "teamAshared",
					   "other",  "zzz",      NULL};
	static const char *const to[] = {"own", "deep", NULL};
	static const char *const foreign[] = {"teamBx", NULL};
	static const char *const nothing[] = {NULL};

	for (int version = 0; version <= 4; version++) {
		check(KAFKA_RESPONSE, version, from, to, "consumer", true);
		check(KAFKA_RESPONSE, version, foreign, nothing, "consumer", true);
		check(KAFKA_RESPONSE, version, nothing, nothing, "consumer", true);
	}
}

Test(embedded, other_protocols_are_opaque)
{
	for (int version = 0; version <= 4; version++) {
		check(KAFKA_REQUEST, version, virtual, virtual, "connect", false);
		check(KAFKA_RESPONSE, version, physical, physical, "connect", false);
	}
}

/* Whatever cannot be read passes as it is, both ways alike. */
Test(embedded, what_cannot_be_read_passes)
{
	struct bytes whole[2] = {{0}};

	subscription(&whole[0], 3, virtual);
	assignment(&whole[1], 3, virtual);
	for (size_t cut = 0; cut < whole[1].length; cut++) {
		struct trial t = {.in = {{whole[0].data, cut, 0}, {whole[1].data, cut, 0}},
				  .out = {{whole[0].data, cut, 0}, {whole[1].data, cut, 0}},
				  .direction = cut % 2 == 0 ? KAFKA_REQUEST : KAFKA_RESPONSE,
				  .protocol = "consumer",
				  .is_consumer = true};

		in_all_frames(&t);
	}
	whole[0].data[0] = 0xff; /* version -253 */
	whole[1].data[0] = 0xff;
	{
		struct trial t = {.in = {whole[0], whole[1]},
				  .out = {whole[0], whole[1]},
				  .direction = KAFKA_REQUEST,
				  .protocol = "consumer",
				  .is_consumer = true};

		in_all_frames(&t);
	}
	bytes_free(&whole[0]);
	bytes_free(&whole[1]);
}

/* Names of one byte behind a long prefix: as much as a request may have, and no more. */
static void
on_long(void *arg, const struct golden *g)
{
	static char prefix[129];
	struct bytes *bytes = arg;
	struct lap lap;
	struct tree_frame frame;

	lap_begin(&lap);
	memset(prefix, 'p', 128);
	lap.cx.prefix = prefix;
	lap.cx.prefix_length = 128;
	lap.cx.names.prefix = prefix;
	lap.cx.names.prefix_length = 128;
	if (g->direction == KAFKA_REQUEST && g->version == 9 && parse(&lap, g, &frame)) {
		struct wrapping w = {lap.arena, bytes, bytes, "consumer", 0};
		struct bytes out = {0};
		struct buf *buf;

		tree_each(frame.body, wrap, &w);
		tree_frame_encode(&frame, &out);
		buf = buf_new(out.length - 4);
		memcpy(buf->data, out.data + 4, out.length - 4);
		cr_expect_not(rewrite_frame(&lap.rw, &lap.cx, KAFKA_REQUEST, g->key, g->version,
					    buf, buf->data, out.length - 4));
		cr_expect_not_null(strstr(lap.rw.error, "limits.request.bytes"), "%s",
				   lap.rw.error);
		buf_unref(&buf);
		bytes_free(&out);
	}
	lap_end(&lap);
}

Test(embedded, growth_is_limited)
{
	struct bytes bytes = {0};

	bytes_add_be16(&bytes, 0);
	bytes_add_be32(&bytes, 1000);
	for (int i = 0; i < 1000; i++)
		put_text(&bytes, "n");
	bytes_add_be32(&bytes, UINT32_MAX);
	golden_each(KA_JoinGroup, on_long, &bytes);
	bytes_free(&bytes);
}
