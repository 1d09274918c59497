/* SPDX-License-Identifier: Apache-2.0
 *
 * The queue behind a socket: partial writes over a socketpair with small buffers, many segments,
 * references let go, failures.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/outq.h"

struct pair {
	int in;
	int out;
};

static struct pair
make_pair(void)
{
	int fds[2], size = 4096;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return (struct pair){fds[0], fds[1]};
}

/* A queue of `count` segments of `length` bytes each from one buf, never touching. */
static struct buf *
fill(struct outq *q, size_t count, size_t length)
{
	struct buf *buf = buf_new(count * (length + 1));
	struct segs segs = {0};

	for (size_t i = 0; i < buf->size; i++)
		buf->data[i] = (uint8_t)(i * 31 + i / 7);
	for (size_t i = 0; i < count; i++) {
		segs_add(&segs, buf, buf->data + i * (length + 1), length);
		if (i % 100 == 99 || i == count - 1) {
			outq_take(q, &segs);
			cr_assert_eq(segs.count, 0);
			cr_assert_eq(segs.bytes, 0);
		}
	}
	segs_free(&segs);
	return buf;
}

static void
check_through(size_t count, size_t length)
{
	struct pair pair = make_pair();
	struct outq q = {0};
	struct buf *buf = fill(&q, count, length);
	uint8_t *got = malloc(count * length + 1);
	size_t received = 0, sent_in_all = 0, again = 0;
	int record = memfd_create("record", 0);

	cr_assert_eq(q.bytes, count * length);
	while (received < count * length) {
		size_t sent = 0, before = q.bytes;
		enum flush_result result = outq_flush(&q, pair.out, record, &sent);
		ssize_t n;

		cr_assert_neq(result, FLUSH_FAILED);
		cr_assert_eq(before - q.bytes, sent);
		cr_assert_eq(result == FLUSH_DONE, q.bytes == 0);
		cr_assert_eq(q.count == 0, q.bytes == 0);
		sent_in_all += sent;
		again += result == FLUSH_AGAIN;
		/* Odd amounts, so that writes end within segments. */
		n = read(pair.in, got + received, 1777);
		cr_assert_gt(n, 0);
		received += (size_t)n;
	}
	cr_assert_eq(sent_in_all, received);
	cr_assert_gt(again, 0);
	cr_assert_eq(buf->references, 1);
	for (size_t i = 0; i < count; i++)
		cr_assert_arr_eq(got + i * length, buf->data + i * (length + 1), length);
	cr_assert_eq(lseek(record, 0, SEEK_END), (off_t)received);
	close(record);
	outq_free(&q);
	buf_unref(&buf);
	free(got);
	close(pair.in);
	close(pair.out);
}

Test(outq, partial_writes_lose_and_repeat_nothing, .timeout = 60)
{
	check_through(20000, 3);
	check_through(1000, 997);
	check_through(3, 300000);
}

Test(outq, a_queue_that_is_dropped_lets_everything_go)
{
	struct pair pair = make_pair();
	struct outq q = {0};
	struct buf *buf = fill(&q, 500, 5000);
	size_t sent;

	cr_assert_eq(outq_flush(&q, pair.out, -1, &sent), FLUSH_AGAIN);
	cr_assert_gt(q.count, 0);
	outq_free(&q);
	cr_assert_eq(buf->references, 1);
	cr_assert_eq(q.bytes, 0);
	buf_unref(&buf);
	close(pair.in);
	close(pair.out);
}

Test(outq, a_peer_that_is_gone_is_a_failure)
{
	struct pair pair = make_pair();
	struct outq q = {0};
	struct buf *buf = fill(&q, 3, 10);
	size_t sent = 99;

	close(pair.in);
	errno = 0;
	cr_assert_eq(outq_flush(&q, pair.out, -1, &sent), FLUSH_FAILED);
	cr_assert_eq(errno, EPIPE);
	cr_assert_eq(sent, 0);
	outq_free(&q);
	buf_unref(&buf);
	close(pair.out);
}

Test(outq, nothing_to_send_is_done)
{
	struct outq q = {0};
	size_t sent = 99;

	cr_assert_eq(outq_flush(&q, -1, -1, &sent), FLUSH_DONE);
	cr_assert_eq(sent, 0);
	outq_free(&q);
}

/* After a burst neither the queue nor the list that it was filled from keeps its size. */
Test(outq, a_burst_leaves_no_memory_behind)
{
	struct pair pair = make_pair();
	struct buf *buf = buf_new(40000);
	struct segs segs = {0};
	struct outq q = {0};
	char ignored[4096];
	size_t sent;

	memset(buf->data, 0, buf->size);
	for (size_t i = 0; i < 20000; i++)
		segs_add(&segs, buf, buf->data + 2 * i, 1);
	outq_take(&q, &segs);
	cr_assert_leq(segs.capacity, 256);
	while (outq_flush(&q, pair.out, -1, &sent) == FLUSH_AGAIN)
		cr_assert_gt(read(pair.in, ignored, sizeof(ignored)), 0);
	cr_assert_leq(q.capacity, 64);
	segs_free(&segs);
	outq_free(&q);
	buf_unref(&buf);
	close(pair.in);
	close(pair.out);
}
