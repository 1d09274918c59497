/* SPDX-License-Identifier: Apache-2.0
 *
 * Subscriptions and assignments of consumers. Start at embedded_rewrite(): the bytes are walked
 * twice, first to find out whether they can be read and how long they will be, then to put them
 * out.
 */
#include "proxy/embedded.h"
#include <string.h>
#include "base/be.h"
#include "kafka/meaning.h"

struct embedded {
	struct rewriter *rw;
	struct walk walk;
	bool writes;         /* the second time */
	size_t size;         /* of the bytes as they go out */
	size_t names;        /* that change or go */
	unsigned arrays;     /* open ones */
	uint8_t *count_at;   /* of the outermost array */
	uint32_t count;      /* what came ... */
	uint32_t kept;       /* ... and what stays */
	const uint8_t *open; /* the element, while it is one that has a name of its own */
	bool drops;          /* that element goes */
};

/* -- one name */

static bool
put_name(struct embedded *e, const struct walk_item *item, const char *head, size_t head_length,
	 size_t keep)
{
	struct rewriter *rw = e->rw;
	uint8_t length[2];

	if (head_length + keep > INT16_MAX)
		return rw_fail(rw, item->field, "a name of %zu bytes is too long", item->length);
	e->names++;
	e->size += head_length + keep - item->length;
	if (!e->writes)
		return true;
	be_put16(length, (uint16_t)(head_length + keep));
	rw_flush_span(rw, item->start);
	rw_emit_copy(rw, length, sizeof(length));
	rw_emit_copy(rw, head, head_length);
	rw->span = item->value + item->length - keep;
	if (rw->out.count > PIECES_MAX)
		return rw_fail(rw, item->field, "more names than a frame may have");
	return true;
}

/* The input from `from` on does not go out; what follows does from where the caller says. */
static void
cut(struct embedded *e, const uint8_t *from, const uint8_t *until)
{
	e->size -= (size_t)(until - from);
	e->kept--;
	if (!e->writes)
		return;
	rw_flush_span(e->rw, from);
	e->rw->span = until;
}

/* What is not the tenant's own goes: a name in a list, or the element that it begins. */
static void
drop_name(struct embedded *e, const struct walk_item *item)
{
	e->names++;
	if (e->open != NULL)
		e->drops = true;
	else
		cut(e, item->start, item->start + item->size);
}

static bool
take_name(struct embedded *e, const struct walk_item *item)
{
	const struct names *names = &e->rw->cx->names;
	struct name_out out;
	struct name_in in;

	if (e->rw->direction == KAFKA_REQUEST) {
		names_to_physical(names, e->rw->api, item->value, item->length, &out);
		return put_name(e, item, out.head, out.head_length, out.keep);
	}
	in = names_to_virtual(names, item->value, item->length);
	if (in.owner == NAME_FOREIGN || in.resource_type != 0)
		drop_name(e, item);
	else if (in.owner == NAME_ALIAS)
		return put_name(e, item, in.alias->topic, strlen(in.alias->topic), 0);
	else
		return put_name(e, item, "", 0, in.keep);
	return true;
}

/* -- walking */

static void
begin_array(struct embedded *e, const struct walk_item *item)
{
	if (e->arrays++ > 0)
		return;
	e->count_at = rw_writable(item->start);
	e->count = item->count;
	e->kept = item->count;
}

static void
end_array(struct embedded *e)
{
	if (--e->arrays == 0 && e->writes && e->kept != e->count)
		be_put32(e->count_at, e->kept);
}

static void
end_element(struct embedded *e, const struct walk_item *item)
{
	if (e->drops)
		cut(e, e->open, item->start + item->size);
	e->open = NULL;
	e->drops = false;
}

static bool
take(struct embedded *e, enum walk_event event, const struct walk_item *item)
{
	if (event == WALK_VALUE && kafka_meanings[item->field] == MEANING_TOPIC_NAME)
		return take_name(e, item);
	if (event == WALK_ARRAY_BEGIN)
		begin_array(e, item);
	else if (event == WALK_ARRAY_END)
		end_array(e);
	else if (event == WALK_STRUCT_BEGIN)
		e->open = item->start;
	else if (event == WALK_STRUCT_END)
		end_element(e, item);
	return true;
}

enum outcome { OUTCOME_DONE, OUTCOME_UNREADABLE, OUTCOME_FAILED };

static enum outcome
run(struct embedded *e, const struct kafka_message *message, const struct walk_item *bytes)
{
	const uint8_t *at = bytes->value + 2;
	const uint8_t *end = bytes->value + bytes->length;
	int version = (int16_t)be_get16(bytes->value);
	enum walk_event event;
	struct walk_item item;

	if (version > message->versions.until) /* what it knows more of comes behind */
		version = message->versions.until;
	walk_init_prefix(&e->walk, message, version, (size_t)(end - at));
	e->size = bytes->length;
	while ((event = walk_next(&e->walk, at, (size_t)(end - at), &item)) > WALK_MORE) {
		if (!take(e, event, &item))
			return OUTCOME_FAILED;
		at += item.size;
	}
	return event == WALK_END ? OUTCOME_DONE : OUTCOME_UNREADABLE;
}

/* The length prefix of the bytes. */
static void
put_length(struct rewriter *rw, const struct walk_item *item, size_t size)
{
	uint8_t head[VARINT_MAX];
	unsigned width = 4;

	if (rw->walk.flexible) {
		width = uvarint_width((uint32_t)size + 1);
		uvarint_put(head, (uint32_t)size + 1, width);
	} else {
		be_put32(head, (uint32_t)size);
	}
	rw_flush_span(rw, item->start);
	rw_emit_copy(rw, head, width);
	rw->span = item->value;
}

/* Short names become long ones: not without end. */
static bool
check_growth(struct rewriter *rw, const struct walk_item *item, size_t size)
{
	if (size > item->length)
		rw->grown += size - item->length;
	if (rw->grown <= (size_t)rw->cx->whole_bytes)
		return true;
	return rw_fail(rw, item->field,
		       "with physical names it would have more than limits.request.bytes more");
}

bool
embedded_rewrite(struct rewriter *rw, const struct walk_item *item,
		 const struct kafka_message *message)
{
	struct embedded measure = {.rw = rw};
	struct embedded writer = {.rw = rw, .writes = true};
	enum outcome outcome;

	if (!rw->is_consumer || item->null || item->length < 2 ||
	    (int16_t)be_get16(item->value) < message->versions.since)
		return true;
	outcome = run(&measure, message, item);
	if (outcome == OUTCOME_FAILED)
		return false;
	if (outcome == OUTCOME_UNREADABLE || measure.names == 0)
		return true;
	if (!check_growth(rw, item, measure.size))
		return false;
	put_length(rw, item, measure.size);
	return run(&writer, message, item) == OUTCOME_DONE;
}
