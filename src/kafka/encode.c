/* SPDX-License-Identifier: Apache-2.0
 *
 * The encoder: goes through the field table and asks the callback for each value. It recurses only
 * as deep as the table's structs nest, which is bounded by ENCODE_DEPTH; nothing it does depends on
 * input from outside.
 */
#include "kafka/encode.h"
#include <string.h>
#include "base/be.h"
#include "base/ensure.h"
#include "kafka/kafka_ids.h"
#include "kafka/walk.h"

struct encoder {
	int version;
	bool flexible;
	encode_fn fn;
	void *arg;
	struct bytes *out;
	size_t index[ENCODE_DEPTH];
	unsigned depth;
};

static void encode_run(struct encoder *e, uint16_t first, uint16_t count);

static void
add_uvarint(struct bytes *out, uint32_t value)
{
	unsigned width = uvarint_width(value);

	uvarint_put(bytes_add_space(out, width), value, width);
}

/* A length or count; -1 is null. */
static void
add_length(struct encoder *e, bool compact, unsigned fixed, int64_t length)
{
	if (compact)
		add_uvarint(e->out, (uint32_t)(length + 1));
	else if (fixed == 2)
		bytes_add_be16(e->out, (uint16_t)length);
	else
		bytes_add_be32(e->out, (uint32_t)length);
}

static void
add_sized(struct encoder *e, const struct kafka_field *f, const struct encode_value *value)
{
	bool null = value->data == NULL && kafka_versions_has(f->nullable, e->version);

	add_length(e, e->flexible && !f->classic_string, f->type == KAFKA_STRING ? 2 : 4,
		   null ? -1 : (int64_t)value->length);
	bytes_add(e->out, value->data, value->length);
}

static void
add_leaf(struct encoder *e, const struct kafka_field *f, const struct encode_value *value)
{
	static const uint8_t zero[16];

	switch ((enum kafka_type)f->type) {
	case KAFKA_BOOL:
	case KAFKA_INT8:
		bytes_add_u8(e->out, (uint8_t)value->number);
		break;
	case KAFKA_INT16:
	case KAFKA_UINT16:
		bytes_add_be16(e->out, (uint16_t)value->number);
		break;
	case KAFKA_INT32:
	case KAFKA_UINT32:
		bytes_add_be32(e->out, (uint32_t)value->number);
		break;
	case KAFKA_INT64:
	case KAFKA_FLOAT64:
		bytes_add_be64(e->out, (uint64_t)value->number);
		break;
	case KAFKA_UUID:
		bytes_add(e->out, value->data != NULL ? value->data : zero, 16);
		break;
	case KAFKA_STRING:
	case KAFKA_BYTES:
	case KAFKA_RECORDS:
		add_sized(e, f, value);
		break;
	case KAFKA_STRUCT:
		ENSURE(!"a leaf");
	}
}

static void
add_array(struct encoder *e, uint16_t field, const struct encode_value *value)
{
	const struct kafka_field *f = &kafka_fields[field];
	bool null = value->null && kafka_versions_has(f->nullable, e->version);

	add_length(e, e->flexible, 4, null ? -1 : (int64_t)value->count);
	ENSURE(e->depth < ENCODE_DEPTH);
	for (size_t i = 0; i < value->count; i++) {
		e->index[e->depth++] = i;
		if (f->type == KAFKA_STRUCT) {
			encode_run(e, f->child, f->children);
		} else {
			struct encode_value element = {.element = true};

			e->fn(e->arg, field, e->index, &element);
			add_leaf(e, f, &element);
		}
		e->depth--;
	}
}

static void
encode_field(struct encoder *e, uint16_t field)
{
	const struct kafka_field *f = &kafka_fields[field];
	struct encode_value value = {0};

	if (!kafka_versions_has(f->versions, e->version) ||
	    kafka_versions_has(f->tagged, e->version))
		return;
	if (f->type == KAFKA_STRUCT && !f->array) {
		if (kafka_versions_has(f->nullable, e->version)) {
			e->fn(e->arg, field, e->index, &value);
			bytes_add_u8(e->out, value.null ? 0xff : 1);
			if (value.null)
				return;
		}
		encode_run(e, f->child, f->children);
		return;
	}
	e->fn(e->arg, field, e->index, &value);
	if (f->array)
		add_array(e, field, &value);
	else
		add_leaf(e, f, &value);
}

static void
encode_run(struct encoder *e, uint16_t first, uint16_t count)
{
	for (uint16_t i = 0; i < count; i++)
		encode_field(e, (uint16_t)(first + i));
	if (e->flexible)
		bytes_add_u8(e->out, 0);
}

static struct encoder
encoder_of(const struct kafka_message *message, int version, encode_fn fn, void *arg,
	   struct bytes *out)
{
	ENSURE(kafka_versions_has(message->versions, version));
	return (struct encoder){
	    .version = version,
	    .flexible = kafka_versions_has(message->flexible, version),
	    .fn = fn,
	    .arg = arg,
	    .out = out,
	};
}

void
encode_message(const struct kafka_message *message, int version, encode_fn fn, void *arg,
	       struct bytes *out)
{
	struct encoder e = encoder_of(message, version, fn, arg, out);

	encode_run(&e, message->field, message->fields);
}

void
encode_part(const struct kafka_message *message, int version, uint16_t field, encode_fn fn,
	    void *arg, struct bytes *out)
{
	struct encoder e = encoder_of(message, version, fn, arg, out);

	ENSURE(field >= message->field && field < message->field + message->fields);
	encode_field(&e, field);
}

struct header {
	int key;
	int version;
	int32_t correlation_id;
	const char *client_id;
};

static void
header_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct header *header = arg;

	(void)index;
	if (field == KF_RequestHeader_RequestApiKey)
		out->number = header->key;
	else if (field == KF_RequestHeader_RequestApiVersion)
		out->number = header->version;
	else if (field == KF_RequestHeader_CorrelationId ||
		 field == KF_ResponseHeader_CorrelationId)
		out->number = header->correlation_id;
	else if (field == KF_RequestHeader_ClientId && header->client_id != NULL) {
		out->data = header->client_id;
		out->length = strlen(header->client_id);
	}
}

/* The frame's size goes before it once it is known. */
static void
encode_frame(const struct kafka_message *head, int head_version, struct header *header,
	     const struct kafka_message *body, encode_fn fn, void *arg, struct bytes *out)
{
	size_t at = out->length;

	ENSURE(body != NULL);
	bytes_add_be32(out, 0);
	encode_message(head, head_version, header_value, header, out);
	encode_message(body, header->version, fn, arg, out);
	be_put32(out->data + at, (uint32_t)(out->length - at - 4));
}

void
encode_request(int key, int version, int32_t correlation_id, const char *client_id, encode_fn fn,
	       void *arg, struct bytes *out)
{
	struct header header = {key, version, correlation_id, client_id};

	encode_frame(&kafka_messages[KM_RequestHeader], kafka_request_header_version(key, version),
		     &header, kafka_message(key, KAFKA_REQUEST), fn, arg, out);
}

void
encode_response(int key, int version, int32_t correlation_id, encode_fn fn, void *arg,
		struct bytes *out)
{
	struct header header = {key, version, correlation_id, NULL};

	encode_frame(&kafka_messages[KM_ResponseHeader],
		     kafka_response_header_version(key, version), &header,
		     kafka_message(key, KAFKA_RESPONSE), fn, arg, out);
}
