/* SPDX-License-Identifier: Apache-2.0
 *
 * The rewriter's engine. Start at run(), which walks a frame, and rewrite_item(), which keeps the
 * stack of constructs and has the rule of each value applied (rules.c); emit.c has what rules do.
 */
#include "proxy/rewrite.h"
#include <stdio.h>
#include <string.h>
#include "base/be.h"
#include "base/ensure.h"
#include "kafka/kafka_ids.h"
#include "kafka/meaning.h"
#include "proxy/rewriting.h"

/* A request asks for so many things at most, in all its arrays: a million names of no byte are two
 * megabytes here, and minutes of a broker that all tenants share. */
#define ELEMENTS_MAX (1 << 17)

/* -- levels */

/* Takes back everything since an element or tag began, and goes on behind it. */
static void
undo_level(struct rewriter *rw, const struct rewrite_level *level, const uint8_t *end)
{
	size_t before = rw->out.bytes;

	segs_rollback(&rw->out, level->mark);
	rw->emitted -= before - rw->out.bytes;
	rw->span = level->span;
	rw_flush_span(rw, level->began);
	rw->span = end;
}

/* Writes a changed count over the old one, in as many bytes (KIP-482 varints may be longer than
 * needed). */
static void
put_count(const struct rewrite_level *level, uint32_t compact_value)
{
	if (level->kept == level->count)
		return;
	if (level->compact)
		uvarint_put(level->count_at, compact_value, level->count_width);
	else
		be_put32(level->count_at, level->kept);
}

static struct rewrite_level *
level_push(struct rewriter *rw, const struct walk_item *item)
{
	ENSURE(rw->depth < WALK_DEPTH);
	rw->levels[rw->depth] = (struct rewrite_level){
	    .field = item->field,
	    .began = item->start,
	    .span = rw->span,
	    .mark = segs_mark(&rw->out),
	};
	rw->depth++;
	return rw_level_top(rw);
}

bool
rw_promise(struct rewriter *rw, const struct walk_item *item, uint32_t names)
{
	int64_t each = rw->direction == KAFKA_REQUEST ? (int64_t)rw->cx->prefix_length
						      : -(int64_t)rw->cx->prefix_length;
	int64_t before = (int64_t)rw->emitted + (item->start + item->size - rw->span);
	int64_t total;

	if (rw->direction == KAFKA_REQUEST && rw->walk.flexible)
		each++;
	total = before + (int64_t)rw->walk.left + each * (int64_t)names;
	if (total < 4 || total > INT32_MAX)
		return rw_fail(rw, item->field, "the rewritten frame would have %lld bytes",
			       (long long)total);
	rw->total = (size_t)total;
	be_put32(rw->size_at, (uint32_t)(total - 4));
	rw->promised = true;
	rw->promise_waits = false;
	return true;
}

/* A streamed frame: from here on only the names of `topics` change, each by as much. Where one may
 * be an alias, only the name itself tells. */
static bool
promise_size(struct rewriter *rw, const struct walk_item *item)
{
	if (rw->direction == KAFKA_RESPONSE || rw->cx->names.aliases_count == 0 || item->count == 0)
		return rw_promise(rw, item, item->count);
	if (item->count > 1)
		return rw_fail(
		    rw, item->field,
		    "%u topics in more than limits.request.bytes, while the vcluster has "
		    "aliases: only one can be passed on while it arrives",
		    item->count);
	rw->promise_waits = true;
	return true;
}

static bool
begin_array(struct rewriter *rw, const struct walk_item *item)
{
	struct rewrite_level *level = level_push(rw, item);

	level->is_array = true;
	level->compact = rw->walk.flexible;
	level->count_at = rw_writable(item->start);
	level->count_width = (unsigned)item->size;
	level->count = item->count;
	level->kept = item->count;
	rw->elements += item->count;
	if (rw->direction == KAFKA_REQUEST && rw->elements > ELEMENTS_MAX)
		return rw_fail(rw, item->field, "more than %d names and numbers in a request",
			       ELEMENTS_MAX);
	if (rw->cx->own != NULL)
		expand_array(rw, item);
	if (rw->streaming && !rw->promised && !rw->promise_waits &&
	    kafka_fields[item->field].type == KAFKA_STRUCT)
		return promise_size(rw, item);
	return rule_apply_array(rw, item);
}

static void
end_array(struct rewriter *rw)
{
	struct rewrite_level *level = rw_level_top(rw);

	put_count(level, level->kept + 1);
	rw->depth--;
	if (rw->cx->is_expanded)
		expand_check_empty(rw, level);
}

static void
begin_struct(struct rewriter *rw, const struct walk_item *item)
{
	bool in_array = rw->depth > 0 && rw_level_top(rw)->is_array;

	level_push(rw, item)->is_element = in_array;
}

/* Where the frame going out stands when the one coming in stands at `at`. */
static size_t
position(const struct rewriter *rw, const uint8_t *at)
{
	return rw->emitted + (size_t)(at - rw->span);
}

/* What a tag lost or gained on the way is in its size, too. */
static bool
put_tag_size(struct rewriter *rw, const struct rewrite_level *level, const uint8_t *end)
{
	size_t size = position(rw, end) - level->from;

	if (size == level->came || level->drop)
		return true;
	if (rw->streaming || size > UINT32_MAX || uvarint_width((uint32_t)size) > level->size_width)
		return rw_fail(rw, level->field, "%zu bytes do not fit where %zu were", size,
			       level->came);
	uvarint_put(level->size_at, (uint32_t)size, level->size_width);
	return true;
}

/* The end of a struct or tag: the tags that went are taken off its count, and a dropped element is
 * undone. */
static void
end_struct(struct rewriter *rw, const struct walk_item *item)
{
	static const uint8_t null_struct[1] = {0xff};
	struct rewrite_level level = *rw_level_top(rw);

	put_count(&level, level.kept);
	rw->depth--;
	if (rw->depth < rw->refused_depth) {
		rw->refused_depth = 0;
		rw->refused_error = 0;
	}
	if (!level.drop)
		return;
	undo_level(rw, &level, item->start + item->size);
	if (level.becomes_null)
		rw_emit(rw, NULL, null_struct, sizeof(null_struct));
	else
		rw_level_top(rw)->kept--;
}

static void
begin_tags(struct rewriter *rw, const struct walk_item *item)
{
	struct rewrite_level *level = rw_level_top(rw);

	level->compact = true;
	level->count_at = rw_writable(item->start);
	level->count_width = (unsigned)item->size;
	level->count = item->count;
	level->kept = item->count;
}

/* Of a varint that was read already. */
static unsigned
varint_bytes(const uint8_t *at)
{
	unsigned width = 1;

	while ((*at++ & 0x80) != 0)
		width++;
	return width;
}

/* A tag's fields sit in a level of their own, which is dropped as a whole where its meaning says
 * so. */
static bool
begin_tag(struct rewriter *rw, const struct walk_item *item)
{
	struct rewrite_level *level = level_push(rw, item);
	unsigned tag_width = varint_bytes(item->start);

	level->size_at = rw_writable(item->start + tag_width);
	level->size_width = (unsigned)item->size - tag_width;
	level->came = item->length;
	level->from = position(rw, item->start + item->size);

	level->drop = kafka_meanings[item->field] == MEANING_DROP_TAG;
	if (level->drop && rw->streaming)
		return rw_fail(rw, item->field,
			       "cannot be left out of a frame whose size is already promised");
	return true;
}

/* What the table does not know could be anything: it does not pass (protocol.md 1.0). */
static bool
drop_unknown_tag(struct rewriter *rw, const struct walk_item *item)
{
	if (rw->promised)
		return rw_fail(rw, item->field,
			       "unknown tag %lld in a frame whose size is already promised",
			       (long long)item->number);
	rw_drop_leaf(rw, item);
	return true;
}

static bool
rewrite_item(struct rewriter *rw, enum walk_event event, const struct walk_item *item)
{
	switch (event) {
	case WALK_VALUE:
		return rule_apply(rw, item);
	case WALK_ARRAY_BEGIN:
		return begin_array(rw, item);
	case WALK_ARRAY_END:
		end_array(rw);
		return true;
	case WALK_STRUCT_BEGIN:
		begin_struct(rw, item);
		return true;
	case WALK_TAG_END:
		if (!put_tag_size(rw, rw_level_top(rw), item->start))
			return false;
		end_struct(rw, item);
		return true;
	case WALK_STRUCT_END:
		end_struct(rw, item);
		return true;
	case WALK_TAGS:
		begin_tags(rw, item);
		return true;
	case WALK_TAG_BEGIN:
		return begin_tag(rw, item);
	case WALK_UNKNOWN_TAG:
		return drop_unknown_tag(rw, item);
	case WALK_RECORDS:
	case WALK_PAYLOAD:
	case WALK_MORE:
	case WALK_END:
	case WALK_ERROR:
		break;
	}
	return true;
}

static const struct kafka_message *
header_of(enum kafka_direction direction)
{
	return &kafka_messages[direction == KAFKA_REQUEST ? KM_RequestHeader : KM_ResponseHeader];
}

static void
begin(struct rewriter *rw, const struct rewrite_context *cx, enum kafka_direction direction,
      int key, int version, size_t size)
{
	int header_version = direction == KAFKA_REQUEST
				 ? kafka_request_header_version(key, version)
				 : kafka_response_header_version(key, version);

	ENSURE(rw->out.count == 0);
	*rw = (struct rewriter){
	    .cx = cx,
	    .api = api_find(key),
	    .direction = direction,
	    .key = key,
	    .version = version,
	    .in_header = true,
	    .is_consumer = cx->is_consumer,
	    .out = rw->out,
	    .vnode = -1,
	    .acks = 1,
	    .size_at = scratch_take(cx->scratch, 4),
	    .depth = 1,
	};
	rw_emit(rw, cx->scratch->buf, rw->size_at, 4);
	walk_init_prefix(&rw->walk, header_of(direction), header_version, size);
}

/* The header is through: what is left of the frame is the body. Bytes after a request's message are
 * dropped: brokers ignore them, and librdkafka 2.0 ends ListGroups v4 with one too many. Not those
 * of an API that may be streamed: a stream has promised its size, and a frame's fate is not to
 * depend on how it arrives. */
static void
begin_body(struct rewriter *rw)
{
	put_count(&rw->levels[0], rw->levels[0].kept);
	rw->in_header = false;
	rw->depth = 1;
	rw->levels[0] = (struct rewrite_level){.field = KAFKA_NO_FIELD};
	if (rw->direction == KAFKA_REQUEST && (rw->api->flags & API_STREAM_REQUEST) == 0)
		walk_init_prefix(&rw->walk, kafka_message(rw->key, rw->direction), rw->version,
				 rw->walk.left);
	else
		walk_init(&rw->walk, kafka_message(rw->key, rw->direction), rw->version,
			  rw->walk.left);
}

/* The message is through; its own tag section may have lost tags. */
static bool
finish(struct rewriter *rw, const uint8_t *end)
{
	put_count(&rw->levels[0], rw->levels[0].kept);
	rw_flush_span(rw, end);
	rw->finished = true;
	if (rw->streaming && rw->promised && rw->emitted != rw->total)
		return rw_fail(rw, KAFKA_NO_FIELD, "%zu bytes were promised, %zu came", rw->total,
			       rw->emitted);
	if (!rw->promised)
		be_put32(rw->size_at, (uint32_t)(rw->emitted - 4));
	rw->promised = true;
	return true;
}

static const char foreign_producer[] =
    "a batch of a transaction, or with a producer id that was not given to this vcluster, for a "
    "topic that other vclusters may write to";

/* Records of a topic that is shared: is enough of their batch here to be looked at, and may it go?
 * Too few bytes to be a batch are the broker's to refuse. */
static enum walk_event
guard_batch(const struct rewriter *rw, const struct walk_item *item, size_t available)
{
	if (item->null || item->length < PRODUCER_BATCH_BYTES)
		return WALK_RECORDS;
	if (available < item->size + PRODUCER_BATCH_BYTES)
		return WALK_MORE;
	return producer_may_write(&rw->cx->producers, item->start + item->size,
				  rw->guard == NAME_GUARD_IDS)
		   ? WALK_RECORDS
		   : WALK_ERROR;
}

/* The next item; a batch that has to be looked at is one only when its header is here. */
static enum walk_event
next_item(struct rewriter *rw, const uint8_t *at, size_t available, struct walk_item *item)
{
	struct walk before;
	enum walk_event event;

	if (rw->guard == NAME_UNGUARDED)
		return walk_next(&rw->walk, at, available, item);
	before = rw->walk;
	event = walk_next(&rw->walk, at, available, item);
	if (event != WALK_RECORDS)
		return event;
	event = guard_batch(rw, item, available);
	if (event == WALK_MORE) { /* as if nothing of it had been read */
		rw->walk = before;
		rw->walk.need = item->size + PRODUCER_BATCH_BYTES;
	} else if (event == WALK_ERROR) {
		memcpy(rw->walk.error, foreign_producer, sizeof(foreign_producer));
	}
	return event;
}

/* Walks what is there. */
static enum rewrite_progress
run(struct rewriter *rw, const uint8_t *at, const uint8_t *end, const uint8_t **stopped)
{
	struct walk_item item;
	enum walk_event event;

	for (;;) {
		event = next_item(rw, at, (size_t)(end - at), &item);
		*stopped = at;
		if (event == WALK_MORE)
			return REWRITE_MORE;
		if (event == WALK_ERROR) {
			snprintf(rw->error, sizeof(rw->error), "%s", rw->walk.error);
			return REWRITE_FAILED;
		}
		if (event == WALK_END && !rw->in_header)
			return finish(rw, at) ? REWRITE_DONE : REWRITE_FAILED;
		if (event == WALK_END) {
			begin_body(rw);
			continue;
		}
		if (!rewrite_item(rw, event, &item))
			return REWRITE_FAILED;
		if (rw->out.count > PIECES_MAX) {
			rw_fail(rw, item.field, "more names than a frame may have");
			return REWRITE_FAILED;
		}
		at += item.size;
	}
}

bool
rewrite_frame(struct rewriter *rw, const struct rewrite_context *cx, enum kafka_direction direction,
	      int key, int version, struct buf *in, const uint8_t *frame, size_t size)
{
	const uint8_t *stopped;
	enum rewrite_progress progress;

	begin(rw, cx, direction, key, version, size);
	rw->in = in;
	rw->span = frame;
	progress = run(rw, frame, frame + size, &stopped);
	if (progress == REWRITE_DONE)
		return true;
	if (progress == REWRITE_MORE)
		rw_fail(rw, KAFKA_NO_FIELD, "the frame ends after %zu bytes, %zu more are needed",
			size, rw->walk.need);
	segs_rollback(&rw->out, (struct segs_mark){0});
	return false;
}

void
rewrite_stream_begin(struct rewriter *rw, const struct rewrite_context *cx,
		     enum kafka_direction direction, int key, int version, size_t size)
{
	begin(rw, cx, direction, key, version, size);
	rw->streaming = true;
}

enum rewrite_progress
rewrite_stream_feed(struct rewriter *rw, struct buf *in, const uint8_t *at, size_t length,
		    size_t *consumed)
{
	const uint8_t *stopped;
	enum rewrite_progress progress;

	rw->in = in;
	rw->span = at;
	progress = run(rw, at, at + length, &stopped);
	*consumed = (size_t)(stopped - at);
	if (progress == REWRITE_MORE)
		rw_flush_span(rw, stopped);
	return progress;
}

void
rewrite_free(struct rewriter *rw)
{
	segs_free(&rw->out);
}
