/* SPDX-License-Identifier: Apache-2.0
 *
 * Bufs, segments, scratch pieces and read buffers.
 */
#include "net/buf.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/ensure.h"
#include "base/mem.h"

#define SCRATCH_BYTES 8192

struct buf *
buf_new(size_t size)
{
	struct buf *buf = mem_alloc(sizeof(*buf) + size);

	buf->references = 1;
	buf->size = size;
	return buf;
}

struct buf *
buf_ref(struct buf *buf)
{
	buf->references++;
	return buf;
}

void
buf_unref(struct buf **buf)
{
	if (*buf == NULL)
		return;
	ENSURE((*buf)->references > 0);
	if (--(*buf)->references == 0)
		free(*buf);
	*buf = NULL;
}

void
segs_add(struct segs *segs, struct buf *buf, const uint8_t *at, size_t length)
{
	struct seg *last = segs->count > 0 ? &segs->list[segs->count - 1] : NULL;

	if (length == 0)
		return;
	segs->bytes += length;
	if (last != NULL && last->buf == buf && last->at + last->length == at) {
		last->length += length;
		return;
	}
	segs->list = mem_grow(segs->list, &segs->capacity, segs->count + 1, sizeof(*segs->list));
	segs->list[segs->count++] = (struct seg){buf != NULL ? buf_ref(buf) : NULL, at, length};
}

static void
segs_truncate(struct segs *segs, size_t count)
{
	while (segs->count > count) {
		struct seg *seg = &segs->list[--segs->count];

		segs->bytes -= seg->length;
		buf_unref(&seg->buf);
	}
}

struct segs_mark
segs_mark(const struct segs *segs)
{
	return (struct segs_mark){
	    .count = segs->count,
	    .last = segs->count > 0 ? segs->list[segs->count - 1].length : 0,
	};
}

void
segs_rollback(struct segs *segs, struct segs_mark mark)
{
	segs_truncate(segs, mark.count);
	if (mark.count > 0) {
		struct seg *last = &segs->list[mark.count - 1];

		segs->bytes -= last->length - mark.last;
		last->length = mark.last;
	}
}

void
segs_free(struct segs *segs)
{
	segs_truncate(segs, 0);
	free(segs->list);
	*segs = (struct segs){0};
}

uint8_t *
scratch_take(struct scratch *scratch, size_t length)
{
	uint8_t *piece;

	ENSURE(length <= SCRATCH_MAX);
	if (scratch->buf == NULL || scratch->buf->size - scratch->used < length) {
		buf_unref(&scratch->buf);
		scratch->buf = buf_new(SCRATCH_BYTES);
		scratch->used = 0;
	}
	piece = scratch->buf->data + scratch->used;
	scratch->used += length;
	return piece;
}

void
scratch_free(struct scratch *scratch)
{
	buf_unref(&scratch->buf);
	scratch->used = 0;
}

void
scratch_trim(struct scratch *scratch)
{
	if (scratch->buf != NULL && scratch->buf->references == 1)
		scratch_free(scratch);
}

/* A bigger or fresh buf with the unconsumed bytes at its start. */
static void
inbuf_move(struct inbuf *in, size_t size)
{
	struct buf *buf = buf_new(size);
	size_t length = inbuf_length(in);

	if (length > 0)
		memcpy(buf->data, inbuf_at(in), length);
	buf_unref(&in->buf);
	in->buf = buf;
	in->begin = 0;
	in->end = length;
}

void
inbuf_reserve(struct inbuf *in, size_t unit)
{
	size_t length = in->buf != NULL ? inbuf_length(in) : 0;
	size_t size = BUF_BYTES;
	size_t room = in->buf != NULL ? in->buf->size - in->end : 0;

	/* Little room at the end of a block makes little reads: better to carry a short beginning
	 * over. */
	if (room > 0 && (room >= BUF_BYTES / 8 || length >= BUF_BYTES / 8) &&
	    in->begin + unit <= in->buf->size)
		return;
	/* Room for more, but no more than twice what has come: the unit's size is only a claim. */
	while (size <= length)
		size *= 2;
	if (room > 0 && in->buf->size - in->begin >= size)
		return;
	inbuf_move(in, size);
}

enum read_result
inbuf_read(struct inbuf *in, int fd, size_t *got)
{
	ssize_t n;

	ENSURE(in->buf != NULL && in->end < in->buf->size);
	do {
		n = read(fd, in->buf->data + in->end, in->buf->size - in->end);
	} while (n < 0 && errno == EINTR);
	*got = n > 0 ? (size_t)n : 0;
	in->end += *got;
	if (n > 0)
		return READ_SOME;
	inbuf_trim(in);
	if (n == 0)
		return READ_EOF;
	return errno == EAGAIN || errno == EWOULDBLOCK ? READ_AGAIN : READ_FAILED;
}

void
inbuf_consume(struct inbuf *in, size_t length)
{
	ENSURE(length <= inbuf_length(in));
	in->begin += length;
	inbuf_trim(in);
}

void
inbuf_trim(struct inbuf *in)
{
	if (in->buf != NULL && in->begin == in->end && in->buf->references == 1)
		inbuf_free(in);
}

void
inbuf_free(struct inbuf *in)
{
	buf_unref(&in->buf);
	in->begin = 0;
	in->end = 0;
}
