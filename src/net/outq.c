/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring of segments behind a socket.
 */
#include "net/outq.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "base/ensure.h"
#include "base/mem.h"

#define VECTORS 64
/* A list or ring of more segments than this is given back when it is empty. */
#define LIST_KEPT 64

static struct seg *
ring_at(const struct outq *q, size_t index)
{
	return &q->ring[(q->first + index) % q->capacity];
}

static void
ring_grow(struct outq *q, size_t need)
{
	size_t capacity = q->capacity > 0 ? q->capacity : 16;
	struct seg *ring;

	if (need <= q->capacity)
		return;
	while (capacity < need)
		capacity *= 2;
	ring = mem_alloc(capacity * sizeof(*ring));
	for (size_t i = 0; i < q->count; i++)
		ring[i] = *ring_at(q, i);
	free(q->ring);
	q->ring = ring;
	q->first = 0;
	q->capacity = capacity;
}

void
outq_take(struct outq *q, struct segs *segs)
{
	ring_grow(q, q->count + segs->count);
	for (size_t i = 0; i < segs->count; i++)
		*ring_at(q, q->count + i) = segs->list[i];
	q->count += segs->count;
	q->bytes += segs->bytes;
	segs->count = 0;
	segs->bytes = 0;
	if (segs->capacity > LIST_KEPT)
		segs_free(segs);
}

/* For tests: what a peer got, byte for byte. A short write there only spoils the test. */
static void
record(int fd, const struct iovec *vectors, size_t count, size_t sent)
{
	for (size_t i = 0; i < count && sent > 0; i++) {
		size_t length = vectors[i].iov_len < sent ? vectors[i].iov_len : sent;

		if (write(fd, vectors[i].iov_base, length) < 0)
			return;
		sent -= length;
	}
}

static void
drop_sent(struct outq *q, size_t sent)
{
	q->bytes -= sent;
	while (sent > 0) {
		struct seg *seg = ring_at(q, 0);

		if (sent < seg->length) {
			seg->at += sent;
			seg->length -= sent;
			return;
		}
		sent -= seg->length;
		buf_unref(&seg->buf);
		q->first = (q->first + 1) % q->capacity;
		q->count--;
	}
}

enum flush_result
outq_flush(struct outq *q, int fd, int record_fd, size_t *sent)
{
	*sent = 0;
	while (q->count > 0) {
		struct iovec vectors[VECTORS];
		struct msghdr message = {.msg_iov = vectors};
		ssize_t n;

		for (; message.msg_iovlen < VECTORS && message.msg_iovlen < q->count;
		     message.msg_iovlen++) {
			struct seg *seg = ring_at(q, message.msg_iovlen);

			vectors[message.msg_iovlen].iov_base = (void *)(uintptr_t)seg->at;
			vectors[message.msg_iovlen].iov_len = seg->length;
		}
		n = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? FLUSH_AGAIN : FLUSH_FAILED;
		if (record_fd >= 0)
			record(record_fd, vectors, message.msg_iovlen, (size_t)n);
		*sent += (size_t)n;
		drop_sent(q, (size_t)n);
	}
	if (q->capacity > LIST_KEPT) { /* a burst is over: idle connections hold no memory */
		free(q->ring);
		*q = (struct outq){0};
	}
	return FLUSH_DONE;
}

void
outq_free(struct outq *q)
{
	for (size_t i = 0; i < q->count; i++)
		buf_unref(&ring_at(q, i)->buf);
	free(q->ring);
	*q = (struct outq){0};
}
