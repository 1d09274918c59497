/* SPDX-License-Identifier: Apache-2.0
 *
 * What rules do to a frame: pass a span on, put a value in place, replace a string, leave an
 * element out. Start at rw_flush_span(): the input up to there goes out by reference, and what
 * follows is looked at next. Promised sizes are kept here (rw_replace_string()).
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/be.h"
#include "base/ensure.h"
#include "proxy/rewriting.h"

typedef bool (*rule_fn)(struct rewriter *rw, const struct walk_item *item);

bool
rw_fail(struct rewriter *rw, uint16_t field, const char *format, ...)
{
	char path[128] = "";
	va_list args;
	size_t used;

	if (field != KAFKA_NO_FIELD)
		kafka_field_path(field, path, sizeof(path));
	used = (size_t)snprintf(rw->error, sizeof(rw->error),
				"%s v%d, at %s: ", rw->walk.message->name, rw->version, path);
	if (used >= sizeof(rw->error))
		return false;
	va_start(args, format);
	vsnprintf(rw->error + used, sizeof(rw->error) - used, format, args);
	va_end(args);
	return false;
}

/* -- emitting */

void
rw_emit(struct rewriter *rw, struct buf *buf, const uint8_t *at, size_t length)
{
	segs_add(&rw->out, buf, at, length);
	rw->emitted += length;
}

/* Passes the input up to `until` on as it is. */
void
rw_flush_span(struct rewriter *rw, const uint8_t *until)
{
	rw_emit(rw, rw->in, rw->span, (size_t)(until - rw->span));
	rw->span = until;
}

/* A piece of our own making. */
void
rw_emit_copy(struct rewriter *rw, const void *bytes, size_t length)
{
	uint8_t *piece = scratch_take(rw->cx->scratch, length);

	memcpy(piece, bytes, length);
	rw_emit(rw, rw->cx->scratch->buf, piece, length);
}

/* The input is ours: it was read from a socket into a block that only this connection's segments
 * refer to. */
uint8_t *
rw_writable(const uint8_t *at)
{
	return (uint8_t *)(uintptr_t)at;
}

void
rw_put_number(const struct walk_item *item, int64_t number)
{
	uint8_t *at = rw_writable(item->start);

	switch (item->size) {
	case 1:
		at[0] = (uint8_t)number;
		return;
	case 2:
		be_put16(at, (uint16_t)number);
		return;
	case 4:
		be_put32(at, (uint32_t)number);
		return;
	case 8:
		be_put64(at, (uint64_t)number);
		return;
	default:
		ENSURE(!"an integer");
	}
}

/* The length prefix of a string of this length, in the item's encoding. A streamed frame must grow
 * by the same amount for every name, so there a compact length keeps its width, or takes one byte
 * more when the name grows. */
static size_t
string_length_prefix(const struct rewriter *rw, const struct walk_item *item, size_t length,
		     uint8_t out[VARINT_MAX])
{
	unsigned width;

	if (!rw->walk.flexible || kafka_fields[item->field].classic_string) {
		be_put16(out, (uint16_t)length);
		return 2;
	}
	width = uvarint_width((uint32_t)length + 1);
	if (rw->streaming)
		width = (unsigned)(item->size - item->length) + (length > item->length ? 1 : 0);
	uvarint_put(out, (uint32_t)length + 1, width);
	return width;
}

/* Replaces a string by prefix + the last `keep` bytes of what it was. */
void
rw_replace_string(struct rewriter *rw, const struct walk_item *item, const char *prefix,
		  size_t prefix_length, size_t keep)
{
	uint8_t head[VARINT_MAX];
	size_t width = string_length_prefix(rw, item, prefix_length + keep, head);

	rw_flush_span(rw, item->start);
	rw_emit_copy(rw, head, width);
	rw_emit_copy(rw, prefix, prefix_length);
	rw->span = item->value + item->length - keep;
}

void
rw_replace_text(struct rewriter *rw, const struct walk_item *item, const void *text, size_t length)
{
	uint8_t head[VARINT_MAX];
	size_t width = string_length_prefix(rw, item, length, head);
	struct buf *buf = buf_new(length);

	if (length > 0) /* else text may be NULL */
		memcpy(buf->data, text, length);
	rw_flush_span(rw, item->start);
	rw_emit_copy(rw, head, width);
	rw_emit(rw, buf, buf->data, length);
	buf_unref(&buf);
	rw->span = item->start + item->size;
}

void
rw_wrap_string(struct rewriter *rw, const struct walk_item *item, const char *before,
	       const uint8_t *at, size_t length, const char *after)
{
	size_t before_length = strlen(before);
	size_t after_length = strlen(after);
	uint8_t head[VARINT_MAX];
	size_t width = string_length_prefix(rw, item, before_length + length + after_length, head);

	rw_flush_span(rw, item->start);
	rw_emit_copy(rw, head, width);
	rw_emit_copy(rw, before, before_length);
	rw_emit(rw, rw->in, at, length);
	rw_emit_copy(rw, after, after_length);
	rw->span = item->start + item->size;
}

/* Replaces a nullable string by null. */
void
rw_replace_null(struct rewriter *rw, const struct walk_item *item)
{
	static const uint8_t compact_null[1] = {0};
	static const uint8_t classic_null[2] = {0xff, 0xff};

	rw_flush_span(rw, item->start);
	if (rw->walk.flexible)
		rw_emit(rw, NULL, compact_null, sizeof(compact_null));
	else
		rw_emit(rw, NULL, classic_null, sizeof(classic_null));
	rw->span = item->start + item->size;
}

/* -- dropping */

struct rewrite_level *
rw_level_top(struct rewriter *rw)
{
	return &rw->levels[rw->depth - 1];
}

/* An element of an array of leaves: just not passed on. */
void
rw_drop_leaf(struct rewriter *rw, const struct walk_item *item)
{
	rw_flush_span(rw, item->start);
	rw->span = item->start + item->size;
	rw_level_top(rw)->kept--;
}

/* Marks what the item belongs to as dropped: its own array's element, or the innermost struct
 * element around it. */
bool
rw_drop_element(struct rewriter *rw, const struct walk_item *item)
{
	if (rw->streaming)
		return rw_fail(rw, item->field,
			       "names something foreign in a frame whose size is already promised");
	if (rw_level_top(rw)->is_array) {
		rw_drop_leaf(rw, item);
		return true;
	}
	for (unsigned i = rw->depth; i-- > 0;) {
		if (rw->levels[i].is_element) {
			rw->levels[i].drop = true;
			return true;
		}
	}
	return rw_fail(rw, item->field,
		       "names something foreign, and there is no element to leave out");
}

bool
rw_drop_struct(struct rewriter *rw, const struct walk_item *item)
{
	struct rewrite_level *level = rw_level_top(rw);

	if (rw->streaming || level->field == KAFKA_NO_FIELD || level->is_element ||
	    !kafka_versions_has(kafka_fields[level->field].nullable, rw->version))
		return rw_fail(rw, item->field,
			       "names something foreign, and no null can stand for it");
	level->drop = true;
	level->becomes_null = true;
	return true;
}

void
rw_refuse_element(struct rewriter *rw, int error)
{
	for (unsigned i = rw->depth; error != 0 && i-- > 0;) {
		if (!rw->levels[i].is_element)
			continue;
		rw->refused_error = error;
		rw->refused_depth = i + 1;
		if (rw->levels[i].code_at != NULL)
			be_put16(rw->levels[i].code_at, (uint16_t)error);
		return;
	}
}
