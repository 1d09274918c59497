/* SPDX-License-Identifier: Apache-2.0
 *
 * Building the few messages that the gateway speaks itself (local answers, probes): the field table
 * drives, a callback gives the values, so one description of an answer serves every version.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bytes.h"
#include "kafka/schema.h"

#define ENCODE_DEPTH 6

struct encode_value {
	int64_t number;   /* integers and booleans */
	const void *data; /* string, bytes, records, uuid (16 bytes); NULL: null where the version
			     allows it, else empty */
	size_t length;
	size_t count; /* arrays: elements */
	bool element; /* set by the encoder: an element of an array of leaves is asked for */
	bool null;    /* arrays: null instead of empty; nullable structs: there is none */
};

/* Fills *out (zeroed) for a field; index[] has the element numbers of the arrays around it,
 * outermost first. A field that the callback leaves alone is 0, "", empty or null. */
typedef void (*encode_fn)(void *arg, uint16_t field, const size_t *index, struct encode_value *out);

/* Appends the message. Tagged fields are never written. The version must be one that the message
 * has. */
void encode_message(const struct kafka_message *message, int version, encode_fn fn, void *arg,
		    struct bytes *out);

/* Appends a whole frame: size, header with this correlation id, body. */
void encode_request(int key, int version, int32_t correlation_id, const char *client_id,
		    encode_fn fn, void *arg, struct bytes *out);
void encode_response(int key, int version, int32_t correlation_id, encode_fn fn, void *arg,
		     struct bytes *out);
/* Appends one top-level field of a message as it stands there, an array with its count. */
void encode_part(const struct kafka_message *message, int version, uint16_t field, encode_fn fn,
		 void *arg, struct bytes *out);
