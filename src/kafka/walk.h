/* SPDX-License-Identifier: Apache-2.0
 *
 * The walker: reads a message by the field table, one item at a time. It is the only decoder in
 * Turnout: skipping, rewriting, dropping and printing are all loops around walk_next().
 *
 * It keeps no buffer. The caller passes the bytes not yet consumed and moves on by item.size; when
 * an item is not complete the walker says WALK_MORE and is asked again when more bytes are there.
 * Its stack has a fixed depth, it never recurses, allocates nothing, and checks every length and
 * count against the bytes left in the frame before it believes them.
 *
 *     walk_init(&w, kafka_message(0, KAFKA_REQUEST), 9, body_size);
 *     while ((event = walk_next(&w, at, end - at, &item)) > WALK_MORE) { ...; at += item.size; }
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kafka/schema.h"

enum walk_event {
	WALK_ERROR, /* the frame is malformed; walk.error says where and how. Final */
	WALK_END,   /* the message is complete. Final */
	WALK_MORE,  /* give at least walk.need contiguous bytes */
	WALK_VALUE, /* a leaf: number, uuid, string or bytes; in an array of those, one event an
		       element */
	WALK_ARRAY_BEGIN, /* count elements follow (null: none) */
	WALK_ARRAY_END,
	WALK_STRUCT_BEGIN, /* an array's element, or a nested struct (null: nothing follows but the
			      end) */
	WALK_STRUCT_END,
	WALK_TAGS,      /* a tag section with `count` tags begins (KIP-482); also sent for none */
	WALK_TAG_BEGIN, /* a known tagged field; its value follows as usual, then WALK_TAG_END */
	WALK_TAG_END,
	WALK_UNKNOWN_TAG, /* a tag that the table does not know, as a whole */
	WALK_RECORDS,     /* a records field begins: length payload bytes follow (null: none) */
	WALK_PAYLOAD,     /* size bytes of the records field's payload, as many as were there */
};

struct walk_item {
	uint16_t field; /* index into kafka_fields[], or KAFKA_NO_FIELD (tag sections of the message
			   itself) */
	const uint8_t *start; /* first byte on the wire, length prefix included */
	size_t size;          /* bytes consumed */
	const uint8_t *value; /* string, bytes, uuid: the value itself */
	size_t length; /* string, bytes: of the value; WALK_RECORDS: of the payload to come */
	bool null;
	int64_t number; /* integers and booleans; WALK_TAG_*: the tag number */
	uint32_t count; /* WALK_ARRAY_BEGIN, WALK_TAGS */
};

#define WALK_DEPTH 24

/* One open construct. */
struct walk_level {
	uint8_t kind;
	uint16_t field; /* the array or struct field; KAFKA_NO_FIELD for the message */
	uint16_t next;  /* next field of the run, relative */
	uint32_t left;  /* elements or tags to come */
	size_t ends_at; /* a tag: bytes that must be left in the frame when it ends */
	int64_t tag;    /* last tag number seen: they must ascend */
};

struct walk {
	const struct kafka_message *message;
	int version;
	bool flexible;
	size_t left;    /* bytes of the frame not consumed yet */
	size_t need;    /* after WALK_MORE */
	size_t payload; /* bytes of a records field still to pass */
	unsigned depth;
	bool done;
	bool is_prefix; /* bytes may follow the message */
	struct walk_level stack[WALK_DEPTH];
	char error[200];
};

/* Starts on a message whose frame has `size` bytes from here on. The version must be one that the
 * message has. */
void walk_init(struct walk *w, const struct kafka_message *message, int version, size_t size);

/* As walk_init(), but bytes may be left when the message ends (a header before its body; embedded
 * data of a newer version, which parses as the highest known one). */
void walk_init_prefix(struct walk *w, const struct kafka_message *message, int version,
		      size_t size);

enum walk_event walk_next(struct walk *w, const uint8_t *in, size_t available,
			  struct walk_item *item);

/* Unsigned varint (KIP-482, 5 bytes at most). Returns the bytes read, 0 when incomplete, -1 when
 * malformed. */
int uvarint_get(const uint8_t *in, size_t available, uint32_t *out);
/* Writes value in exactly `width` bytes (1..5), longer than needed if need be; the value must fit.
 */
void uvarint_put(uint8_t *out, uint32_t value, unsigned width);
/* The fewest bytes that hold value. */
unsigned uvarint_width(uint32_t value);
