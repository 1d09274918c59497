/* SPDX-License-Identifier: Apache-2.0
 *
 * Bufs, lists of segments with their marks, scratch pieces, and read buffers: what they hold, what
 * they let go, and how much memory they take for how much that came.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/buf.h"

/* -- segments */

static void
check_text(const struct segs *segs, const char *expected)
{
	char text[256];
	size_t used = 0;

	for (size_t i = 0; i < segs->count; i++) {
		cr_assert_gt(segs->list[i].length, 0);
		memcpy(text + used, segs->list[i].at, segs->list[i].length);
		used += segs->list[i].length;
	}
	cr_assert_eq(used, segs->bytes);
	cr_assert_eq(used, strlen(expected), "%.*s", (int)used, text);
	cr_assert_arr_eq(text, expected, used);
}

static struct buf *
buf_of(const char *text)
{
	struct buf *buf = buf_new(strlen(text));

	memcpy(buf->data, text, strlen(text));
	return buf;
}

Test(segs, touching_ones_are_joined_and_empty_ones_left_out)
{
	struct buf *buf = buf_of("abcdefgh");
	struct segs segs = {0};

	segs_add(&segs, buf, buf->data, 0);
	cr_assert_eq(segs.count, 0);
	segs_add(&segs, buf, buf->data, 3);
	segs_add(&segs, buf, buf->data + 3, 2);
	cr_assert_eq(segs.count, 1);
	cr_assert_eq(buf->references, 2);
	segs_add(&segs, buf, buf->data + 6, 2);
	cr_assert_eq(segs.count, 2);
	cr_assert_eq(buf->references, 3);
	segs_add(&segs, NULL, (const uint8_t *)"static", 6);
	check_text(&segs, "abcdeghstatic");
	segs_free(&segs);
	cr_assert_eq(buf->references, 1);
	buf_unref(&buf);
	cr_assert_null(buf);
	buf_unref(&buf);
}

Test(segs, a_mark_is_come_back_to_within_a_joined_segment)
{
	struct buf *one = buf_of("abcdefgh");
	struct buf *two = buf_of("ABCDEFGH");
	struct segs segs = {0};
	struct segs_mark empty = segs_mark(&segs);
	struct segs_mark outer, inner;

	segs_add(&segs, one, one->data, 2);
	outer = segs_mark(&segs);
	segs_add(&segs, one, one->data + 2, 2); /* joined: the mark is inside the segment */
	inner = segs_mark(&segs);
	segs_add(&segs, two, two->data, 3);
	segs_add(&segs, one, one->data + 4, 1);
	check_text(&segs, "abcdABCe");
	segs_rollback(&segs, inner);
	check_text(&segs, "abcd");
	cr_assert_eq(two->references, 1);
	segs_rollback(&segs, inner); /* nothing to do */
	check_text(&segs, "abcd");
	segs_add(&segs, two, two->data, 1);
	segs_rollback(&segs, outer);
	check_text(&segs, "ab");
	segs_add(&segs, one, one->data + 2, 1); /* touches again */
	cr_assert_eq(segs.count, 1);
	check_text(&segs, "abc");
	segs_rollback(&segs, empty);
	check_text(&segs, "");
	cr_assert_eq(one->references, 1);
	segs_free(&segs);
	buf_unref(&one);
	buf_unref(&two);
}

Test(segs, many)
{
	struct buf *buf = buf_new(20000);
	struct segs segs = {0};
	struct segs_mark middle = {0};

	for (size_t i = 0; i < 10000; i++) {
		if (i == 5000)
			middle = segs_mark(&segs);
		segs_add(&segs, buf, buf->data + 2 * i, 1);
	}
	cr_assert_eq(segs.bytes, 10000);
	cr_assert_eq(buf->references, 10001);
	segs_rollback(&segs, middle);
	cr_assert_eq(segs.bytes, 5000);
	cr_assert_eq(buf->references, 5001);
	segs_free(&segs);
	cr_assert_eq(buf->references, 1);
	buf_unref(&buf);
}

/* -- scratch */

Test(scratch, pieces_live_as_long_as_they_are_referred_to)
{
	struct scratch scratch = {0};
	struct segs segs = {0};
	char expected[200];

	for (int i = 0; i < 100; i++) {
		uint8_t *piece = scratch_take(&scratch, i % 10 == 0 ? SCRATCH_MAX : 2);

		memset(piece, 'a' + i % 26, 2);
		memset(expected + 2 * i, 'a' + i % 26, 2);
		segs_add(&segs, scratch.buf, piece, 2);
	}
	cr_assert_eq(segs.bytes, 200);
	scratch_free(&scratch);
	for (size_t i = 0, used = 0; i < segs.count; used += segs.list[i].length, i++)
		cr_assert_arr_eq(segs.list[i].at, expected + used, segs.list[i].length);
	segs_free(&segs);
}

Test(scratch, only_a_block_that_nobody_refers_to_is_trimmed)
{
	struct scratch scratch = {0};
	struct segs segs = {0};

	scratch_trim(&scratch);
	segs_add(&segs, NULL, (const uint8_t *)"x", 1);
	uint8_t *piece = scratch_take(&scratch, 4);
	segs_add(&segs, scratch.buf, piece, 4);
	scratch_trim(&scratch);
	cr_assert_not_null(scratch.buf);
	segs_free(&segs);
	scratch_trim(&scratch);
	cr_assert_null(scratch.buf);
	cr_assert_eq(scratch.used, 0);
}

/* -- read buffers */

struct pair {
	int in;
	int out;
};

static struct pair
make_pair(void)
{
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	return (struct pair){fds[0], fds[1]};
}

static void
close_pair(struct pair *pair)
{
	close(pair->in);
	if (pair->out >= 0)
		close(pair->out);
}

static size_t
buffer_size(const struct inbuf *in)
{
	return in->buf != NULL ? in->buf->size : 0;
}

/* Sends `size` bytes in pieces and reads them as one unit; returns the most that the buffer had. */
static void
read_unit(size_t unit, size_t piece, size_t before)
{
	struct pair pair = make_pair();
	struct inbuf in = {0};
	uint8_t *data = malloc(unit + before + 1);
	size_t sent = 0, got;

	for (size_t i = 0; i < unit + before; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	while (inbuf_length(&in) < unit || sent < unit + before) {
		if (sent < unit + before) {
			size_t want = unit + before - sent < piece ? unit + before - sent : piece;
			ssize_t n = write(pair.out, data + sent, want);

			cr_assert(n > 0 || errno == EAGAIN);
			sent += n > 0 ? (size_t)n : 0;
		}
		inbuf_reserve(&in, unit);
		cr_assert(in.buf->size <= BUF_BYTES || in.buf->size <= 2 * inbuf_length(&in),
			  "%zu bytes for %zu that came, of %zu", in.buf->size, inbuf_length(&in),
			  unit);
		if (inbuf_read(&in, pair.in, &got) != READ_SOME)
			continue;
		if (before > 0 && inbuf_length(&in) >= before) {
			cr_assert_arr_eq(inbuf_at(&in), data, before);
			inbuf_consume(&in, before);
			memmove(data, data + before, unit);
			sent -= before;
			before = 0;
		}
	}
	cr_assert_eq(inbuf_length(&in), unit);
	cr_assert_arr_eq(inbuf_at(&in), data, unit);
	inbuf_consume(&in, unit);
	cr_assert_null(in.buf);
	free(data);
	close_pair(&pair);
}

Test(inbuf, grows_with_what_came_and_never_beyond_twice_that, .timeout = 60)
{
	static const size_t units[] = {
	    1, 12, BUF_BYTES - 1, BUF_BYTES, BUF_BYTES + 1, 100000, 3 * BUF_BYTES + 5, 1000001};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		read_unit(units[i], 1000, 0);
		read_unit(units[i], 65536, 0);
		read_unit(units[i], 777, 40000);
		read_unit(units[i], 30000, 20001);
	}
}

Test(inbuf, a_claimed_size_takes_no_memory)
{
	struct pair pair = make_pair();
	struct inbuf in = {0};
	size_t got;

	cr_assert_eq(write(pair.out, "1234", 4), 4);
	for (int i = 0; i < 3; i++) {
		inbuf_reserve(&in, 2000000000);
		cr_assert_eq(buffer_size(&in), BUF_BYTES);
		inbuf_read(&in, pair.in, &got);
	}
	cr_assert_eq(inbuf_length(&in), 4);
	inbuf_free(&in);
	close_pair(&pair);
}

/* However full the block is, and however little is wanted: there is room to read into. */
Test(inbuf, there_is_always_room_after_a_reserve)
{
	static const size_t units[] = {0, 1, 12, 60000, BUF_BYTES, BUF_BYTES + 1, 10000000};

	for (size_t begin = 0; begin <= BUF_BYTES; begin += 4096) {
		for (size_t end = begin; end <= BUF_BYTES; end += 4096) {
			for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
				struct inbuf in = {
				    .buf = buf_new(BUF_BYTES), .begin = begin, .end = end};
				size_t length = end - begin;

				inbuf_reserve(&in, units[i]);
				cr_assert_eq(inbuf_length(&in), length);
				cr_assert_lt(in.end, in.buf->size, "%zu..%zu, %zu", begin, end,
					     units[i]);
				inbuf_free(&in);
			}
		}
	}
}

Test(inbuf, an_end_and_an_empty_socket_are_told_apart_and_hold_nothing)
{
	struct pair pair = make_pair();
	struct inbuf in = {0};
	size_t got;

	inbuf_reserve(&in, 12);
	cr_assert_eq(inbuf_read(&in, pair.in, &got), READ_AGAIN);
	cr_assert_null(in.buf);
	close(pair.out);
	pair.out = -1;
	inbuf_reserve(&in, 12);
	cr_assert_eq(inbuf_read(&in, pair.in, &got), READ_EOF);
	cr_assert_null(in.buf);
	close_pair(&pair);
	inbuf_reserve(&in, 12);
	cr_assert_eq(inbuf_read(&in, -1, &got), READ_FAILED);
	cr_assert_null(in.buf);
}

/* Little messages that wait to be sent on share a block: each of its own would be 64 KiB for a few
 * bytes. */
Test(inbuf, little_pieces_that_are_kept_share_a_block)
{
	struct pair pair = make_pair();
	struct inbuf in = {0};
	struct segs kept = {0};
	struct buf *last = NULL;
	size_t blocks = 0, got;

	for (int i = 0; i < 5000; i++) {
		cr_assert_eq(write(pair.out, "little message", 14), 14);
		inbuf_reserve(&in, 12);
		cr_assert_eq(inbuf_read(&in, pair.in, &got), READ_SOME);
		cr_assert_eq(got, 14);
		segs_add(&kept, in.buf, inbuf_at(&in), 13); /* one missing: they do not join */
		blocks += in.buf != last;
		last = in.buf;
		inbuf_consume(&in, 14);
		inbuf_reserve(&in, 12);
		cr_assert_eq(inbuf_read(&in, pair.in, &got), READ_AGAIN);
	}
	cr_assert_leq(blocks, 1 + 2 * 5000 * 14 / BUF_BYTES);
	inbuf_trim(&in);
	cr_assert_not_null(in.buf, "segments still point into it");
	segs_free(&kept);
	inbuf_trim(&in);
	cr_assert_null(in.buf);
	inbuf_trim(&in);
	close_pair(&pair);
}
