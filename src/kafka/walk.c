/* SPDX-License-Identifier: Apache-2.0
 *
 * The walker. Start at walk_next(): it looks at the open construct on top of the stack and takes
 * one step in it. Each construct has one step function; each reads at most one length or value, so
 * that running out of bytes never leaves a step half done: nothing changes until everything the
 * step needs is there.
 */
#include "kafka/walk.h"
#include <stdio.h>
#include <string.h>
#include "base/be.h"
#include "base/ensure.h"

enum level_kind {
	LEVEL_FIELDS,   /* in a message or struct; left is 1 once its tag section was read */
	LEVEL_ELEMENTS, /* in an array */
	LEVEL_TAGS,     /* in a tag section; the struct it belongs to is the level below */
	LEVEL_TAG,      /* in a known tag; next is 1 once its value was begun */
	LEVEL_NULL,     /* a struct that is null */
};

/* Kafka's own bound on strings of every encoding (a short). */
#define STRING_MAX 32767

int
uvarint_get(const uint8_t *in, size_t available, uint32_t *out)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < 5; i++) {
		if (i == available)
			return 0;
		if (i == 4 && in[i] > 0x0f)
			return -1;
		value |= (uint32_t)(in[i] & 0x7f) << (7 * i);
		if ((in[i] & 0x80) == 0) {
			*out = value;
			return (int)i + 1;
		}
	}
	return -1;
}

void
uvarint_put(uint8_t *out, uint32_t value, unsigned width)
{
	for (unsigned i = 0; i + 1 < width; i++, value >>= 7)
		out[i] = (uint8_t)(value | 0x80);
	ENSURE(value < 0x80);
	out[width - 1] = (uint8_t)value;
}

unsigned
uvarint_width(uint32_t value)
{
	unsigned width = 1;

	while (value >= 0x80) {
		value >>= 7;
		width++;
	}
	return width;
}

static struct walk_level *
top(struct walk *w)
{
	return &w->stack[w->depth - 1];
}

static struct walk_level *
push(struct walk *w, enum level_kind kind, uint16_t field)
{
	ENSURE(w->depth < WALK_DEPTH); /* a bound of the field table, not of the input */
	w->stack[w->depth] = (struct walk_level){.kind = (uint8_t)kind, .field = field, .tag = -1};
	w->depth++;
	return top(w);
}

static void
walk_start(struct walk *w, const struct kafka_message *message, int version, size_t size)
{
	ENSURE(kafka_versions_has(message->versions, version));
	w->message = message;
	w->version = version;
	w->flexible = kafka_versions_has(message->flexible, version);
	w->left = size;
	w->need = 0;
	w->payload = 0;
	w->depth = 0;
	w->done = false;
	w->error[0] = '\0';
	push(w, LEVEL_FIELDS, KAFKA_NO_FIELD);
}

void
walk_init(struct walk *w, const struct kafka_message *message, int version, size_t size)
{
	walk_start(w, message, version, size);
	w->is_prefix = false;
}

void
walk_init_prefix(struct walk *w, const struct kafka_message *message, int version, size_t size)
{
	walk_start(w, message, version, size);
	w->is_prefix = true;
}

static enum walk_event
fail(struct walk *w, uint16_t field, const char *what, int64_t number)
{
	char path[128] = "its end";

	if (field != KAFKA_NO_FIELD)
		kafka_field_path(field, path, sizeof(path));
	snprintf(w->error, sizeof(w->error),
		 "%s v%d, at %s: %s (%lld), %zu bytes left in the frame", w->message->name,
		 w->version, path, what, (long long)number, w->left);
	w->done = true;
	return WALK_ERROR;
}

/* What a read of a length or value found. */
enum have { HAVE_ALL, HAVE_LESS, HAVE_BAD };

/* Are `size` bytes inside the frame, and are they here yet? */
static enum have
have_bytes(struct walk *w, size_t available, size_t size)
{
	if (size > w->left)
		return HAVE_BAD;
	if (size > available) {
		w->need = size;
		return HAVE_LESS;
	}
	return HAVE_ALL;
}

static enum walk_event
not_all(struct walk *w, enum have have, uint16_t field, int64_t wanted)
{
	if (have == HAVE_LESS)
		return WALK_MORE;
	return fail(w, field, "more bytes than the frame has", wanted);
}

static void
take(struct walk *w, struct walk_item *item, const uint8_t *in, uint16_t field, size_t size)
{
	ENSURE(size <= w->left);
	w->left -= size;
	item->field = field;
	item->start = in;
	item->size = size;
}

static enum have
read_uvarint(struct walk *w, const uint8_t *in, size_t available, uint32_t *value, unsigned *width)
{
	size_t bound = available < w->left ? available : w->left;
	int got = uvarint_get(in, bound, value);

	if (got > 0) {
		*width = (unsigned)got;
		return HAVE_ALL;
	}
	if (got < 0 || bound == w->left)
		return HAVE_BAD;
	w->need = available + 1;
	return HAVE_LESS;
}

/* A length or count as the field's encoding has it: -1 for null. `width` is how many bytes it took.
 */
static enum have
read_length(struct walk *w, const uint8_t *in, size_t available, bool compact, unsigned fixed,
	    int64_t *length, unsigned *width)
{
	uint32_t value;
	enum have have;

	if (compact) {
		have = read_uvarint(w, in, available, &value, width);
		if (have == HAVE_ALL)
			*length = (int64_t)value - 1;
		return have;
	}
	have = have_bytes(w, available, fixed);
	if (have != HAVE_ALL)
		return have;
	*width = fixed;
	*length = fixed == 2 ? (int16_t)be_get16(in) : (int32_t)be_get32(in);
	return HAVE_ALL;
}

static bool
is_nullable(const struct walk *w, const struct kafka_field *f)
{
	return kafka_versions_has(f->nullable, w->version);
}

static enum walk_event
read_fixed(struct walk *w, uint16_t field, size_t size, const uint8_t *in, size_t available,
	   struct walk_item *item)
{
	enum have have = have_bytes(w, available, size);

	if (have != HAVE_ALL)
		return not_all(w, have, field, (int64_t)size);
	item->value = in;
	item->length = size;
	switch (kafka_fields[field].type) {
	case KAFKA_BOOL:
	case KAFKA_INT8:
		item->number = (int8_t)in[0];
		break;
	case KAFKA_INT16:
		item->number = (int16_t)be_get16(in);
		break;
	case KAFKA_UINT16:
		item->number = be_get16(in);
		break;
	case KAFKA_INT32:
		item->number = (int32_t)be_get32(in);
		break;
	case KAFKA_UINT32:
		item->number = be_get32(in);
		break;
	case KAFKA_INT64:
	case KAFKA_FLOAT64:
		item->number = (int64_t)be_get64(in);
		break;
	default:
		break;
	}
	take(w, item, in, field, size);
	return WALK_VALUE;
}

/* Strings and bytes. A nullable array's elements are never null, but the field's flag says nothing
 * else, so null is taken where the field may be null. */
static enum walk_event
read_sized(struct walk *w, uint16_t field, const uint8_t *in, size_t available,
	   struct walk_item *item)
{
	const struct kafka_field *f = &kafka_fields[field];
	bool is_string = f->type == KAFKA_STRING;
	unsigned width = 0;
	int64_t length = 0;
	enum have have = read_length(w, in, available, w->flexible && !f->classic_string,
				     is_string ? 2 : 4, &length, &width);

	if (have == HAVE_BAD)
		return fail(w, field, "a length that is cut short or malformed", 0);
	if (have == HAVE_LESS)
		return WALK_MORE;
	if (length < -1 || (length == -1 && !is_nullable(w, f)) ||
	    (is_string && length > STRING_MAX))
		return fail(w, field, "not a legal length", length);
	item->null = length < 0;
	item->length = length > 0 ? (size_t)length : 0;
	have = have_bytes(w, available, width + item->length);
	if (have != HAVE_ALL)
		return not_all(w, have, field, length);
	item->value = in + width;
	take(w, item, in, field, width + item->length);
	return WALK_VALUE;
}

static enum walk_event
read_leaf(struct walk *w, uint16_t field, const uint8_t *in, size_t available,
	  struct walk_item *item)
{
	switch ((enum kafka_type)kafka_fields[field].type) {
	case KAFKA_BOOL:
	case KAFKA_INT8:
		return read_fixed(w, field, 1, in, available, item);
	case KAFKA_INT16:
	case KAFKA_UINT16:
		return read_fixed(w, field, 2, in, available, item);
	case KAFKA_INT32:
	case KAFKA_UINT32:
		return read_fixed(w, field, 4, in, available, item);
	case KAFKA_INT64:
	case KAFKA_FLOAT64:
		return read_fixed(w, field, 8, in, available, item);
	case KAFKA_UUID:
		return read_fixed(w, field, 16, in, available, item);
	case KAFKA_STRING:
	case KAFKA_BYTES:
		return read_sized(w, field, in, available, item);
	case KAFKA_RECORDS:
	case KAFKA_STRUCT:
		break;
	}
	ENSURE(!"a leaf");
	return WALK_ERROR;
}

static enum walk_event
begin_records(struct walk *w, uint16_t field, const uint8_t *in, size_t available,
	      struct walk_item *item)
{
	unsigned width = 0;
	int64_t length = 0;
	enum have have = read_length(w, in, available, w->flexible, 4, &length, &width);

	if (have == HAVE_BAD)
		return fail(w, field, "a length that is cut short or malformed", 0);
	if (have == HAVE_LESS)
		return WALK_MORE;
	if (length < -1 || (length > 0 && (uint64_t)length > w->left - width))
		return fail(w, field, "records longer than the frame", length);
	item->null = length < 0;
	item->length = length > 0 ? (size_t)length : 0;
	take(w, item, in, field, width);
	w->payload = item->length;
	return WALK_RECORDS;
}

static enum walk_event
begin_array(struct walk *w, uint16_t field, const uint8_t *in, size_t available,
	    struct walk_item *item)
{
	unsigned width = 0;
	int64_t count = 0;
	enum have have = read_length(w, in, available, w->flexible, 4, &count, &width);

	if (have == HAVE_BAD)
		return fail(w, field, "a count that is cut short or malformed", 0);
	if (have == HAVE_LESS)
		return WALK_MORE;
	if (count < -1 || (count == -1 && !is_nullable(w, &kafka_fields[field])))
		return fail(w, field, "not a legal count", count);
	/* Every element takes a byte at least, so a larger count is a lie. */
	if (count > 0 && (uint64_t)count > w->left - width)
		return fail(w, field, "more elements than the frame can hold", count);
	item->null = count < 0;
	item->count = count > 0 ? (uint32_t)count : 0;
	take(w, item, in, field, width);
	push(w, LEVEL_ELEMENTS, field)->left = item->count;
	return WALK_ARRAY_BEGIN;
}

/* A struct that is not an array's element. Where it may be null, a byte says so: negative is null
 * (KIP-893). */
static enum walk_event
begin_struct(struct walk *w, uint16_t field, const uint8_t *in, size_t available,
	     struct walk_item *item)
{
	enum have have;

	if (!is_nullable(w, &kafka_fields[field])) {
		take(w, item, in, field, 0);
		push(w, LEVEL_FIELDS, field);
		return WALK_STRUCT_BEGIN;
	}
	have = have_bytes(w, available, 1);
	if (have != HAVE_ALL)
		return not_all(w, have, field, 1);
	item->null = (int8_t)in[0] < 0;
	take(w, item, in, field, 1);
	push(w, item->null ? LEVEL_NULL : LEVEL_FIELDS, field);
	return WALK_STRUCT_BEGIN;
}

static enum walk_event
begin_field(struct walk *w, uint16_t field, const uint8_t *in, size_t available,
	    struct walk_item *item)
{
	const struct kafka_field *f = &kafka_fields[field];

	if (f->array)
		return begin_array(w, field, in, available, item);
	if (f->type == KAFKA_STRUCT)
		return begin_struct(w, field, in, available, item);
	if (f->type == KAFKA_RECORDS)
		return begin_records(w, field, in, available, item);
	return read_leaf(w, field, in, available, item);
}

/* The run of fields of a LEVEL_FIELDS level. */
static void
level_run(const struct walk *w, const struct walk_level *level, uint16_t *first, uint16_t *count)
{
	if (level->field == KAFKA_NO_FIELD) {
		*first = w->message->field;
		*count = w->message->fields;
		return;
	}
	*first = kafka_fields[level->field].child;
	*count = kafka_fields[level->field].children;
}

/* Is the field between the others in this version (not absent, not in the tag section)? */
static bool
is_inline(const struct walk *w, uint16_t field)
{
	const struct kafka_field *f = &kafka_fields[field];

	return kafka_versions_has(f->versions, w->version) &&
	       !kafka_versions_has(f->tagged, w->version);
}

static enum walk_event
begin_tags(struct walk *w, const uint8_t *in, size_t available, struct walk_item *item)
{
	struct walk_level *level = top(w);
	uint32_t count = 0;
	unsigned width = 0;
	enum have have = read_uvarint(w, in, available, &count, &width);

	if (have == HAVE_BAD)
		return fail(w, level->field, "a tag count that is cut short or malformed", 0);
	if (have == HAVE_LESS)
		return WALK_MORE;
	if (count > w->left - width)
		return fail(w, level->field, "more tags than the frame can hold", count);
	level->left = 1;
	item->count = count;
	take(w, item, in, level->field, width);
	if (count > 0)
		push(w, LEVEL_TAGS, level->field)->left = count;
	return WALK_TAGS;
}

static enum walk_event
step_fields(struct walk *w, const uint8_t *in, size_t available, struct walk_item *item)
{
	struct walk_level *level = top(w);
	uint16_t first;
	uint16_t count;

	level_run(w, level, &first, &count);
	while (level->next < count && !is_inline(w, (uint16_t)(first + level->next)))
		level->next++;
	if (level->next < count) {
		enum walk_event event =
		    begin_field(w, (uint16_t)(first + level->next), in, available, item);

		if (event > WALK_MORE)
			level->next++;
		return event;
	}
	if (w->flexible && level->left == 0)
		return begin_tags(w, in, available, item);
	take(w, item, in, level->field, 0);
	w->depth--;
	if (w->depth > 0)
		return WALK_STRUCT_END;
	w->done = true;
	if (w->left > 0 && !w->is_prefix)
		return fail(w, KAFKA_NO_FIELD, "bytes after the end of the message",
			    (int64_t)w->left);
	return WALK_END;
}

static enum walk_event
step_elements(struct walk *w, const uint8_t *in, size_t available, struct walk_item *item)
{
	struct walk_level *level = top(w);
	uint16_t field = level->field;
	enum walk_event event;

	if (level->left == 0) {
		take(w, item, in, field, 0);
		w->depth--;
		return WALK_ARRAY_END;
	}
	if (kafka_fields[field].type == KAFKA_STRUCT) {
		level->left--;
		take(w, item, in, field, 0);
		push(w, LEVEL_FIELDS, field);
		return WALK_STRUCT_BEGIN;
	}
	event = read_leaf(w, field, in, available, item);
	if (event > WALK_MORE)
		level->left--;
	return event;
}

/* The tagged field of the struct below with this tag number, or KAFKA_NO_FIELD. */
static uint16_t
find_tag(const struct walk *w, uint32_t tag)
{
	uint16_t first;
	uint16_t count;

	level_run(w, &w->stack[w->depth - 2], &first, &count);
	for (uint16_t i = first; i < first + count; i++) {
		if (kafka_fields[i].tag >= 0 && (uint32_t)kafka_fields[i].tag == tag &&
		    kafka_versions_has(kafka_fields[i].tagged, w->version))
			return i;
	}
	return KAFKA_NO_FIELD;
}

static enum walk_event
begin_tag(struct walk *w, const uint8_t *in, size_t available, struct walk_item *item)
{
	struct walk_level *level = top(w);
	unsigned tag_width = 0;
	unsigned size_width = 0;
	uint32_t tag = 0;
	uint32_t size = 0;
	enum have have = read_uvarint(w, in, available, &tag, &tag_width);

	if (have == HAVE_ALL) {
		w->left -= tag_width; /* the size is read from behind the tag; put back below */
		have = read_uvarint(w, in + tag_width, available - tag_width, &size, &size_width);
		w->left += tag_width;
		w->need += tag_width;
	}
	if (have == HAVE_BAD)
		return fail(w, level->field, "a tag that is cut short or malformed", 0);
	if (have == HAVE_LESS)
		return WALK_MORE;
	if ((int64_t)tag <= level->tag)
		return fail(w, level->field, "tags out of order", tag);
	if (size > w->left - tag_width - size_width)
		return fail(w, level->field, "a tag longer than the frame", size);
	item->number = tag;
	item->length = size;
	if (find_tag(w, tag) == KAFKA_NO_FIELD) {
		have = have_bytes(w, available, (size_t)tag_width + size_width + size);
		if (have != HAVE_ALL)
			return not_all(w, have, level->field, size);
		level->tag = tag;
		level->left--;
		item->value = in + tag_width + size_width;
		take(w, item, in, level->field, (size_t)tag_width + size_width + size);
		return WALK_UNKNOWN_TAG;
	}
	level->tag = tag;
	level->left--;
	take(w, item, in, find_tag(w, tag), (size_t)tag_width + size_width);
	push(w, LEVEL_TAG, item->field)->ends_at = w->left - size;
	return WALK_TAG_BEGIN;
}

static enum walk_event
step_tag(struct walk *w, const uint8_t *in, size_t available, struct walk_item *item)
{
	struct walk_level *level = top(w);
	enum walk_event event;

	if (level->next == 0) {
		event = begin_field(w, level->field, in, available, item);
		if (event > WALK_MORE)
			level->next = 1;
		return event;
	}
	if (w->left != level->ends_at)
		return fail(w, level->field, "a tag's size that does not match its value",
			    (int64_t)w->left - (int64_t)level->ends_at);
	item->number = kafka_fields[level->field].tag;
	take(w, item, in, level->field, 0);
	w->depth--;
	return WALK_TAG_END;
}

static enum walk_event
step_payload(struct walk *w, const uint8_t *in, size_t available, struct walk_item *item)
{
	size_t size = available < w->payload ? available : w->payload;

	if (size == 0) {
		w->need = 1;
		return WALK_MORE;
	}
	item->value = in;
	item->length = size;
	take(w, item, in, KAFKA_NO_FIELD, size);
	w->payload -= size;
	return WALK_PAYLOAD;
}

enum walk_event
walk_next(struct walk *w, const uint8_t *in, size_t available, struct walk_item *item)
{
	if (w->done)
		return w->error[0] != '\0' ? WALK_ERROR : WALK_END;
	*item = (struct walk_item){.field = KAFKA_NO_FIELD, .start = in};
	w->need = 0;
	if (w->payload > 0)
		return step_payload(w, in, available, item);
	/* A tag section that is through leaves no event of its own: the struct's end follows. */
	if (top(w)->kind == LEVEL_TAGS && top(w)->left == 0)
		w->depth--;
	switch ((enum level_kind)top(w)->kind) {
	case LEVEL_FIELDS:
		return step_fields(w, in, available, item);
	case LEVEL_ELEMENTS:
		return step_elements(w, in, available, item);
	case LEVEL_TAGS:
		return begin_tag(w, in, available, item);
	case LEVEL_TAG:
		return step_tag(w, in, available, item);
	case LEVEL_NULL:
		take(w, item, in, top(w)->field, 0);
		w->depth--;
		return WALK_STRUCT_END;
	}
	ENSURE(!"a level");
	return WALK_ERROR;
}
