/* SPDX-License-Identifier: Apache-2.0
 *
 * Producer ids say whose they are, and a topic that is an alias takes no batch with another
 * tenant's: as a whole frame, and streamed in pieces of every size.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/be.h"
#include "kafka/kafka_ids.h"
#include "proxy/producers.h"
#include "lap.h"

static const uint8_t first[32] = {1}, second[32] = {2};
static const struct token_key keys[] = {{first, sizeof(first)}, {second, sizeof(second)}};
static const struct producer_owner team_a = {"teamA", keys, 2};
static const struct producer_owner team_b = {"teamB", keys, 2};

Test(producers, ids_are_their_tenants)
{
	const struct producer_owner old = {"teamA", keys + 1, 1};
	const struct producer_owner other_key = {"teamA", keys, 1};
	unsigned strangers = 0;

	for (uint32_t i = 0; i < 2000; i++) {
		int64_t id = producer_id_new(&team_a, 0xabcdef, i * 31);

		cr_assert_eq((uint64_t)id >> 54, 0x100, "bit 62, generation 0");
		cr_assert(producer_id_is_of(&team_a, id));
		strangers += producer_id_is_of(&team_b, id);
		/* a key that no longer signs still verifies */
		cr_assert(producer_id_is_of(&team_a, producer_id_new(&old, 7, i)));
		strangers += producer_id_is_of(&other_key, producer_id_new(&old, 7, i));
	}
	cr_assert_leq(strangers, 4, "%u of 4000 by chance", strangers); /* 14 bits, two keys */
	cr_assert_not(producer_id_is_of(&team_a, 4711), "a broker's");
	cr_assert_not(producer_id_is_of(&team_a, -1));
	cr_assert_neq(producer_id_new(&team_a, 1, 0), producer_id_new(&team_a, 1, 1));
	cr_assert_neq(producer_id_new(&team_a, 1, 0), producer_id_new(&team_a, 2, 0));
}

/* Produce v3 of one batch to one topic; returns its length. */
static size_t
frame(uint8_t out[256], const char *topic, int64_t id, uint16_t attributes, size_t records)
{
	size_t name = strlen(topic), at = 0;

	memset(out, 0, 256);
	be_put16(out + 2, 3);       /* version */
	be_put32(out + 4, 1);       /* correlation id */
	be_put16(out + 8, 0xffff);  /* client id */
	be_put16(out + 10, 0xffff); /* transactional id */
	be_put16(out + 12, 1);      /* acks */
	be_put32(out + 18, 1);      /* topics */
	be_put16(out + 22, (uint16_t)name);
	memcpy(out + 24, topic, name);
	at = 24 + name;
	be_put32(out + at, 1); /* partitions */
	be_put32(out + at + 8, (uint32_t)records);
	at += 12;
	out[at + 16] = 2; /* magic */
	be_put16(out + at + 21, attributes);
	be_put64(out + at + 43, (uint64_t)id);
	return at + records;
}

static bool
passes(const char *topic, int64_t id, uint16_t attributes, size_t records)
{
	uint8_t bytes[256];
	size_t length = frame(bytes, topic, id, attributes, records);
	struct lap lap;
	bool good;

	lap_begin(&lap);
	lap.cx.producers = team_a;
	lap.in = buf_new(length);
	memcpy(lap.in->data, bytes, length);
	good = rewrite_frame(&lap.rw, &lap.cx, KAFKA_REQUEST, KA_Produce, 3, lap.in, lap.in->data,
			     length);
	cr_assert(good || strstr(lap.rw.error, "producer id") != NULL, "%s", lap.rw.error);
	lap_end(&lap);
	return good;
}

Test(producers, a_shared_topic_takes_only_the_tenants_own)
{
	int64_t own = producer_id_new(&team_a, 5, 5), foreign = producer_id_new(&team_b, 5, 5);

	cr_assert(passes("both", own, 0, 70));
	cr_assert(passes("both", -1, 0, 70), "no producer id");
	cr_assert(passes("both", own, 0, PRODUCER_BATCH_BYTES));
	cr_assert_not(passes("both", foreign, 0, 70));
	cr_assert_not(passes("both", foreign, 0, PRODUCER_BATCH_BYTES));
	cr_assert_not(passes("both", 4711, 0, 70), "an id of a broker, without its transaction");
	cr_assert_not(passes("both", 4711, 0x10, 70), "a transaction");
	cr_assert_not(passes("both", own, 0x10, 70), "a transaction");
	cr_assert(passes("deep", foreign, 0x10, 70), "an alias that is the tenant's alone");
	cr_assert(passes("both", foreign, 0, PRODUCER_BATCH_BYTES - 1), "no batch");
	cr_assert(passes("own", foreign, 0, 70), "nobody else writes there");
	cr_assert_not(passes("guested", foreign, 0, 70), "its own, and a guest's id");
	cr_assert(passes("guested", own, 0, 70));
	cr_assert(passes("guested", 4711, 0x10, 70), "no guest has a transaction there");
	cr_assert(passes("guestedx", foreign, 0, 70));
}

static enum rewrite_progress
stream(int64_t id, size_t piece)
{
	uint8_t bytes[256];
	size_t length = frame(bytes, "both", id, 0, 90), at = 0, consumed;
	enum rewrite_progress progress = REWRITE_MORE;
	struct lap lap;

	lap_begin(&lap);
	lap.cx.producers = team_a;
	rewrite_stream_begin(&lap.rw, &lap.cx, KAFKA_REQUEST, KA_Produce, 3, length);
	for (size_t end = piece; progress == REWRITE_MORE; end += piece) {
		struct buf *buf;

		end = end < length ? end : length;
		buf = buf_new(end - at);
		memcpy(buf->data, bytes + at, end - at);
		progress = rewrite_stream_feed(&lap.rw, buf, buf->data, end - at, &consumed);
		cr_assert(progress != REWRITE_MORE || end < length);
		at += consumed;
		segs_rollback(&lap.rw.out, (struct segs_mark){0});
		buf_unref(&buf);
	}
	lap_end(&lap);
	return progress;
}

Test(producers, a_stream_is_guarded_in_pieces_of_any_size)
{
	int64_t own = producer_id_new(&team_a, 5, 5), foreign = producer_id_new(&team_b, 5, 5);

	for (size_t piece = 1; piece < 200; piece++) {
		cr_assert_eq(stream(own, piece), REWRITE_DONE, "%zu", piece);
		cr_assert_eq(stream(foreign, piece), REWRITE_FAILED, "%zu", piece);
	}
}
