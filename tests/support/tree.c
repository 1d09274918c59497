/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages as trees. Reads with the walker (which test_walk_golden.c compares with Kafka), writes
 * by the field table.
 */
#include "support/tree.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/be.h"
#include "base/ensure.h"
#include "kafka/kafka_ids.h"
#include "kafka/walk.h"

struct tree *
tree_new(struct arena *arena, enum tree_kind kind, uint16_t field)
{
	struct tree *node = arena_alloc(arena, sizeof(*node));

	node->kind = kind;
	node->field = field;
	return node;
}

void
tree_append(struct arena *arena, struct tree *parent, struct tree *child)
{
	if (parent->count == parent->room) {
		struct tree **children;

		parent->room = parent->room > 0 ? 2 * parent->room : 4;
		children = arena_array(arena, parent->room, sizeof(*children));
		if (parent->count > 0)
			memcpy(children, parent->children, parent->count * sizeof(*children));
		parent->children = children;
	}
	parent->children[parent->count++] = child;
}

struct tree *
tree_copy(struct arena *arena, const struct tree *from)
{
	struct tree *to = tree_new(arena, from->kind, from->field);

	to->null = from->null;
	to->number = from->number;
	to->bytes = from->bytes;
	to->length = from->length;
	for (size_t i = 0; i < from->count; i++)
		tree_append(arena, to, tree_copy(arena, from->children[i]));
	return to;
}

void
tree_set_text(struct arena *arena, struct tree *value, const char *text)
{
	value->null = false;
	value->length = strlen(text);
	value->bytes = (const uint8_t *)arena_strdup(arena, text);
}

void
tree_each(struct tree *root, tree_fn fn, void *arg)
{
	fn(arg, root);
	for (size_t i = 0; i < root->count; i++)
		tree_each(root->children[i], fn, arg);
}

struct tree *
tree_find(struct tree *root, uint16_t field)
{
	if (root->field == field)
		return root;
	for (size_t i = 0; i < root->count; i++) {
		struct tree *found = tree_find(root->children[i], field);

		if (found != NULL)
			return found;
	}
	return NULL;
}

/* -- reading */

struct reading {
	struct arena *arena;
	struct tree *stack[2 * WALK_DEPTH];
	size_t depth;
	struct tree *records; /* payload goes here */
};

static struct tree *
add(struct reading *r, enum tree_kind kind, const struct walk_item *item)
{
	struct tree *node = tree_new(r->arena, kind, item->field);

	node->null = item->null;
	node->number = item->number;
	tree_append(r->arena, r->stack[r->depth - 1], node);
	return node;
}

static void
set_bytes(struct reading *r, struct tree *node, const uint8_t *bytes, size_t length)
{
	node->length = length;
	node->bytes = (const uint8_t *)arena_strndup(r->arena, (const char *)bytes, length);
}

static void
open_node(struct reading *r, struct tree *node)
{
	r->stack[r->depth++] = node;
}

static void
read_event(struct reading *r, enum walk_event event, const struct walk_item *item)
{
	struct tree *node;

	switch (event) {
	case WALK_VALUE:
		node = add(r, TREE_VALUE, item);
		if (!item->null)
			set_bytes(r, node, item->value, item->length);
		break;
	case WALK_ARRAY_BEGIN:
		open_node(r, add(r, TREE_ARRAY, item));
		break;
	case WALK_STRUCT_BEGIN:
		open_node(r, add(r, TREE_STRUCT, item));
		break;
	case WALK_TAG_BEGIN:
		open_node(r, add(r, TREE_TAG, item));
		break;
	case WALK_ARRAY_END:
	case WALK_STRUCT_END:
	case WALK_TAG_END:
		r->depth--;
		break;
	case WALK_UNKNOWN_TAG:
		set_bytes(r, add(r, TREE_UNKNOWN_TAG, item), item->value, item->length);
		break;
	case WALK_RECORDS:
		r->records = add(r, TREE_VALUE, item);
		break;
	case WALK_PAYLOAD:
		set_bytes(r, r->records, item->value, item->length);
		break;
	case WALK_TAGS:
	case WALK_ERROR:
	case WALK_END:
	case WALK_MORE:
		break;
	}
}

struct tree *
tree_parse(struct arena *arena, const struct kafka_message *message, int version,
	   const uint8_t *bytes, size_t size, size_t *used)
{
	struct reading r = {.arena = arena};
	struct walk_item item;
	enum walk_event event;
	struct walk w;
	size_t at = 0;

	open_node(&r, tree_new(arena, TREE_STRUCT, KAFKA_NO_FIELD));
	if (used != NULL)
		walk_init_prefix(&w, message, version, size);
	else
		walk_init(&w, message, version, size);
	while ((event = walk_next(&w, bytes + at, size - at, &item)) > WALK_MORE) {
		read_event(&r, event, &item);
		at += item.size;
	}
	if (used != NULL)
		*used = at;
	return event == WALK_END ? r.stack[0] : NULL;
}

static const struct kafka_message *
header_of(enum kafka_direction direction)
{
	return &kafka_messages[direction == KAFKA_REQUEST ? KM_RequestHeader : KM_ResponseHeader];
}

static int
header_version(const struct tree_frame *f)
{
	return f->direction == KAFKA_REQUEST ? kafka_request_header_version(f->key, f->version)
					     : kafka_response_header_version(f->key, f->version);
}

static bool
parse_frame(struct arena *arena, enum kafka_direction direction, int key, int version,
	    const uint8_t *bytes, size_t size, bool more_may_follow, struct tree_frame *out)
{
	size_t used, ignored;

	*out = (struct tree_frame){.key = key, .version = version, .direction = direction};
	if (size < 4 || be_get32(bytes) != size - 4)
		return false;
	out->header = tree_parse(arena, header_of(direction), header_version(out), bytes + 4,
				 size - 4, &used);
	if (out->header == NULL)
		return false;
	out->body = tree_parse(arena, kafka_message(key, direction), version, bytes + 4 + used,
			       size - 4 - used, more_may_follow ? &ignored : NULL);
	return out->body != NULL;
}

bool
tree_frame_parse(struct arena *arena, enum kafka_direction direction, int key, int version,
		 const uint8_t *bytes, size_t size, struct tree_frame *out)
{
	return parse_frame(arena, direction, key, version, bytes, size, false, out);
}

bool
tree_frame_receive(struct arena *arena, enum kafka_direction direction, int key, int version,
		   const uint8_t *bytes, size_t size, struct tree_frame *out)
{
	return parse_frame(arena, direction, key, version, bytes, size,
			   direction == KAFKA_REQUEST && key != KA_Produce, out);
}

/* -- writing */

struct writing {
	int version;
	bool flexible;
	struct bytes *out;
};

static void write_node(const struct writing *w, const struct tree *node);

static void
write_uvarint(struct bytes *out, uint32_t value)
{
	unsigned width = uvarint_width(value);

	uvarint_put(bytes_add_space(out, width), value, width);
}

static void
write_length(const struct writing *w, bool compact, unsigned fixed, int64_t length)
{
	if (compact)
		write_uvarint(w->out, (uint32_t)(length + 1));
	else if (fixed == 2)
		bytes_add_be16(w->out, (uint16_t)length);
	else
		bytes_add_be32(w->out, (uint32_t)length);
}

static void
write_value(const struct writing *w, const struct tree *node)
{
	const struct kafka_field *f = &kafka_fields[node->field];
	int64_t length = node->null ? -1 : (int64_t)node->length;

	if (f->type == KAFKA_STRING)
		write_length(w, w->flexible && !f->classic_string, 2, length);
	else if (f->type == KAFKA_BYTES || f->type == KAFKA_RECORDS)
		write_length(w, w->flexible, 4, length);
	if (f->type == KAFKA_STRING || f->type == KAFKA_BYTES || f->type == KAFKA_RECORDS ||
	    f->type == KAFKA_UUID) {
		bytes_add(w->out, node->bytes, node->length);
		return;
	}
	/* A number: as many bytes as it was read from. */
	for (size_t i = node->length; i-- > 0;)
		bytes_add_u8(w->out, (uint8_t)((uint64_t)node->number >> (8 * i)));
}

static void
write_tag(const struct writing *w, const struct tree *tag)
{
	struct bytes content = {0};
	struct writing inner = {w->version, w->flexible, &content};

	if (tag->kind == TREE_TAG)
		write_node(&inner, tag->children[0]);
	else
		bytes_add(&content, tag->bytes, tag->length);
	write_uvarint(w->out, (uint32_t)tag->number);
	write_uvarint(w->out, (uint32_t)content.length);
	bytes_add(w->out, content.data, content.length);
	bytes_free(&content);
}

static bool
is_tag(const struct tree *node)
{
	return node->kind == TREE_TAG || node->kind == TREE_UNKNOWN_TAG;
}

static void
write_struct(const struct writing *w, const struct tree *node)
{
	size_t tags = 0;
	const struct kafka_field *f =
	    node->field != KAFKA_NO_FIELD ? &kafka_fields[node->field] : NULL;

	if (f != NULL && !f->array && kafka_versions_has(f->nullable, w->version))
		bytes_add_u8(w->out, node->null ? 0xff : 1);
	if (node->null)
		return;
	for (size_t i = 0; i < node->count; i++) {
		if (is_tag(node->children[i]))
			tags++;
		else
			write_node(w, node->children[i]);
	}
	if (!w->flexible)
		return;
	write_uvarint(w->out, (uint32_t)tags);
	for (size_t i = 0; i < node->count; i++) {
		if (is_tag(node->children[i]))
			write_tag(w, node->children[i]);
	}
}

static void
write_node(const struct writing *w, const struct tree *node)
{
	if (node->kind == TREE_STRUCT) {
		write_struct(w, node);
		return;
	}
	if (node->kind == TREE_VALUE) {
		write_value(w, node);
		return;
	}
	ENSURE(node->kind == TREE_ARRAY);
	write_length(w, w->flexible, 4, node->null ? -1 : (int64_t)node->count);
	for (size_t i = 0; i < node->count; i++)
		write_node(w, node->children[i]);
}

void
tree_encode(const struct tree *root, const struct kafka_message *message, int version,
	    struct bytes *out)
{
	struct writing w = {version, kafka_versions_has(message->flexible, version), out};

	write_struct(&w, root);
}

void
tree_frame_encode(const struct tree_frame *frame, struct bytes *out)
{
	size_t at = out->length;

	bytes_add_be32(out, 0);
	tree_encode(frame->header, header_of(frame->direction), header_version(frame), out);
	tree_encode(frame->body, kafka_message(frame->key, frame->direction), frame->version, out);
	be_put32(out->data + at, (uint32_t)(out->length - at - 4));
}

/* -- comparing */

static const char *
differ(struct arena *arena, const struct tree *node, const char *what, int64_t got,
       int64_t expected)
{
	char path[128] = "message";

	if (node->field != KAFKA_NO_FIELD)
		kafka_field_path(node->field, path, sizeof(path));
	return arena_printf(arena, "%s: %s is %" PRId64 ", expected %" PRId64, path, what, got,
			    expected);
}

const char *
tree_difference(struct arena *arena, const struct tree *got, const struct tree *expected)
{
	if (got->kind != expected->kind)
		return differ(arena, expected, "kind", got->kind, expected->kind);
	if (got->field != expected->field)
		return differ(arena, expected, "field", got->field, expected->field);
	if (got->null != expected->null)
		return differ(arena, expected, "null", got->null, expected->null);
	if (got->number != expected->number)
		return differ(arena, expected, "number", got->number, expected->number);
	if (got->length != expected->length)
		return differ(arena, expected, "length", (int64_t)got->length,
			      (int64_t)expected->length);
	if (got->length > 0 && expected->bytes != NULL &&
	    memcmp(got->bytes, expected->bytes, got->length) != 0)
		return differ(arena, expected, "content (first byte)", got->bytes[0],
			      expected->bytes[0]);
	if (got->count != expected->count)
		return differ(arena, expected, "children", (int64_t)got->count,
			      (int64_t)expected->count);
	for (size_t i = 0; i < got->count; i++) {
		const char *text = tree_difference(arena, got->children[i], expected->children[i]);

		if (text[0] != '\0')
			return text;
	}
	return "";
}
