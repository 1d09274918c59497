/* SPDX-License-Identifier: Apache-2.0
 *
 * Buffers of the data path. A buf is a block of bytes that several segments may point into; it goes
 * when the last reference does. A worker's bufs never leave its thread, so counting needs no
 * atomics.
 *
 * seg: bytes to be sent, in a buf (one reference held) or static. segs: a growing list of them.
 * inbuf: the read side of a connection.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a connection reads into, and the most that is copied when a block is full. */
#define BUF_BYTES 65536

struct buf {
	unsigned references;
	size_t size;
	uint8_t data[];
};

struct buf *buf_new(size_t size);
struct buf *buf_ref(struct buf *buf);
/* NULL-safe, nulls the pointer. */
void buf_unref(struct buf **buf);

struct seg {
	struct buf *buf; /* NULL: static memory */
	const uint8_t *at;
	size_t length;
};

struct segs {
	struct seg *list;
	size_t count;
	size_t capacity;
	size_t bytes;
};

/* Appends a segment and takes a reference on buf; joins it to the last one when they touch. Empty
 * ones are left out. */
void segs_add(struct segs *segs, struct buf *buf, const uint8_t *at, size_t length);
/* A place in a list of segments to come back to. */
struct segs_mark {
	size_t count;
	size_t last; /* length of the last segment then */
};
struct segs_mark segs_mark(const struct segs *segs);
/* Drops everything added since the mark. */
void segs_rollback(struct segs *segs, struct segs_mark mark);
/* Drops everything and frees the list. */
void segs_free(struct segs *segs);

/* Small pieces that rewriting makes up (lengths, prefixes, ports), carved out of a shared buf. */
struct scratch {
	struct buf *buf;
	size_t used;
};

/* `length` writable bytes that live as long as a seg refers to scratch->buf; at most SCRATCH_MAX.
 */
#define SCRATCH_MAX 4096
uint8_t *scratch_take(struct scratch *scratch, size_t length);
void scratch_free(struct scratch *scratch);
/* Lets the block go if no seg refers to it: nothing of it is wasted by waiting for the next piece.
 */
void scratch_trim(struct scratch *scratch);

/* Bytes read and not yet consumed: [begin, end) of buf. */
struct inbuf {
	struct buf *buf; /* NULL when empty, or soon after: idle connections hold no memory */
	size_t begin;
	size_t end;
};

enum read_result { READ_SOME, READ_AGAIN, READ_EOF, READ_FAILED };

static inline size_t
inbuf_length(const struct inbuf *in)
{
	return in->end - in->begin;
}

static inline uint8_t *
inbuf_at(const struct inbuf *in)
{
	return in->buf->data + in->begin;
}

/* Makes room so that a unit of `unit` bytes, of which what is in the buffer is the beginning, can
 * become contiguous. Grows by doubling with what has arrived, at most to twice that, never at once
 * to a size that a peer claimed. */
void inbuf_reserve(struct inbuf *in, size_t unit);
/* One read(2) into the free room (there is some after inbuf_reserve()). errno is set on
 * READ_FAILED. */
enum read_result inbuf_read(struct inbuf *in, int fd, size_t *got);
/* Consumes; lets the buf go when nothing is left, unless segs point into it: then what is left of
 * it is read into, so that little messages that wait to be sent on do not pin a block each. */
void inbuf_consume(struct inbuf *in, size_t length);
/* Lets an empty buf go that no seg points into any more. */
void inbuf_trim(struct inbuf *in);
void inbuf_free(struct inbuf *in);
