/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests: a message as a tree in memory, read from bytes and written back. The opposite of what
 * the gateway does (which never builds one), so that a test can say what should have come out, and
 * can make messages that no broker would send. Start at tree_parse() and tree_encode().
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "kafka/schema.h"

enum tree_kind {
	TREE_VALUE, /* number, string, bytes, uuid or records; in an array of those: an element */
	TREE_ARRAY,
	TREE_STRUCT, /* fields first, then tags, as on the wire */
	TREE_TAG,    /* a known tag with one child */
	TREE_UNKNOWN_TAG,
};

struct tree {
	enum tree_kind kind;
	uint16_t field;
	bool null;
	int64_t number; /* integers; tags: the tag number */
	const uint8_t *bytes;
	size_t length;
	struct tree **children;
	size_t count;
	size_t room;
};

/* A whole frame: what stands before the body, and the body. */
struct tree_frame {
	int key;
	int version;
	enum kafka_direction direction;
	struct tree *header;
	struct tree *body;
};

/* Reads a message of exactly `size` bytes (a header: *used of them). NULL when malformed. */
struct tree *tree_parse(struct arena *arena, const struct kafka_message *message, int version,
			const uint8_t *bytes, size_t size, size_t *used);
/* Appends it. */
void tree_encode(const struct tree *root, const struct kafka_message *message, int version,
		 struct bytes *out);

/* A frame with its four bytes of size. false: malformed, or the size is not right. */
bool tree_frame_parse(struct arena *arena, enum kafka_direction direction, int key, int version,
		      const uint8_t *bytes, size_t size, struct tree_frame *out);
/* As a broker reads it: bytes after a request's message are ignored, but not after a Produce, which
 * the gateway may have to stream. */
bool tree_frame_receive(struct arena *arena, enum kafka_direction direction, int key, int version,
			const uint8_t *bytes, size_t size, struct tree_frame *out);
void tree_frame_encode(const struct tree_frame *frame, struct bytes *out);

struct tree *tree_new(struct arena *arena, enum tree_kind kind, uint16_t field);
void tree_append(struct arena *arena, struct tree *parent, struct tree *child);
struct tree *tree_copy(struct arena *arena, const struct tree *from);
void tree_set_text(struct arena *arena, struct tree *value, const char *text);

/* Calls fn for every node, parents first. */
typedef void (*tree_fn)(void *arg, struct tree *node);
void tree_each(struct tree *root, tree_fn fn, void *arg);
/* The first node of a field, or NULL. */
struct tree *tree_find(struct tree *root, uint16_t field);

/* "" when equal, else where and how they differ. */
const char *tree_difference(struct arena *arena, const struct tree *got,
			    const struct tree *expected);
