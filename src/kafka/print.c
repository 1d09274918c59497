/* SPDX-License-Identifier: Apache-2.0
 *
 * The printer: a loop around the walker that indents by its structure. Reads any frame that the
 * field table knows, offered by the gateway or not.
 */
#include "kafka/print.h"
#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include "base/parse.h"
#include "base/be.h"
#include "kafka/kafka_ids.h"
#include "kafka/meaning.h"
#include "kafka/walk.h"

#define BYTES_SHOWN 48

struct printer {
	FILE *out;
	const struct print_options *options;
	unsigned indent;
	uint32_t element[WALK_DEPTH]; /* numbers of the elements around, by indentation */
};

static void
print_indent(const struct printer *p)
{
	fprintf(p->out, "%*s", (int)(2 * p->indent + 2), "");
}

static void
print_name(const struct printer *p, uint16_t field)
{
	print_indent(p);
	fprintf(p->out, "%s", kafka_fields[field].name);
	if (p->options->meanings && kafka_meanings[field] != MEANING_NONE &&
	    kafka_meanings[field] != MEANING_PASS)
		fprintf(p->out, " <%s>", meaning_name(kafka_meanings[field]));
	fprintf(p->out, ": ");
}

static void
print_text(FILE *out, const uint8_t *text, size_t length)
{
	fputc('"', out);
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '"' || text[i] == '\\')
			fprintf(out, "\\%c", text[i]);
		else if (text[i] < ' ' || text[i] >= 127) /* nothing that a terminal could obey */
			fprintf(out, "\\x%02x", text[i]);
		else
			fputc(text[i], out);
	}
	fputc('"', out);
}

static void
print_bytes(FILE *out, const uint8_t *bytes, size_t length)
{
	fprintf(out, "%zu bytes", length);
	for (size_t i = 0; i < length && i < BYTES_SHOWN; i++)
		fprintf(out, "%s%02x", i == 0 ? " " : "", bytes[i]);
	if (length > BYTES_SHOWN)
		fprintf(out, "...");
}

static void
print_uuid(FILE *out, const uint8_t *uuid)
{
	for (unsigned i = 0; i < 16; i++)
		fprintf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}

static void
print_value(const struct printer *p, const struct walk_item *item)
{
	const struct kafka_field *f = &kafka_fields[item->field];

	if (item->null)
		fprintf(p->out, "null");
	else if (kafka_meanings[item->field] == MEANING_SECRET)
		fprintf(p->out, "(secret)");
	else if (f->type == KAFKA_STRING)
		print_text(p->out, item->value, item->length);
	else if (f->type == KAFKA_BYTES)
		print_bytes(p->out, item->value, item->length);
	else if (f->type == KAFKA_UUID)
		print_uuid(p->out, item->value);
	else if (f->type == KAFKA_BOOL)
		fprintf(p->out, item->number != 0 ? "true" : "false");
	else
		fprintf(p->out, "%" PRId64, item->number);
	fputc('\n', p->out);
}

static void
print_item(struct printer *p, enum walk_event event, const struct walk_item *item)
{
	switch (event) {
	case WALK_VALUE:
		print_name(p, item->field);
		print_value(p, item);
		break;
	case WALK_ARRAY_BEGIN:
		print_name(p, item->field);
		if (item->null)
			fprintf(p->out, "null\n");
		else
			fprintf(p->out, "%" PRIu32 " element%s\n", item->count,
				item->count == 1 ? "" : "s");
		p->indent++;
		p->element[p->indent] = 0;
		break;
	case WALK_STRUCT_BEGIN:
		print_indent(p);
		if (kafka_fields[item->field].array)
			fprintf(p->out, "[%" PRIu32 "]\n", p->element[p->indent]++);
		else
			fprintf(p->out, "%s:%s\n", kafka_fields[item->field].name,
				item->null ? " null" : "");
		p->indent++;
		break;
	case WALK_TAG_BEGIN:
		print_indent(p);
		fprintf(p->out, "tag %" PRId64 ", %zu bytes\n", item->number, item->length);
		p->indent++;
		break;
	case WALK_ARRAY_END:
	case WALK_STRUCT_END:
	case WALK_TAG_END:
		p->indent--;
		break;
	case WALK_UNKNOWN_TAG:
		print_indent(p);
		fprintf(p->out, "unknown tag %" PRId64 ": ", item->number);
		print_bytes(p->out, item->value, item->length);
		fputc('\n', p->out);
		break;
	case WALK_RECORDS:
		print_name(p, item->field);
		if (item->null)
			fprintf(p->out, "null\n");
		else
			fprintf(p->out, "%zu bytes of record batches\n", item->length);
		break;
	case WALK_TAGS:
	case WALK_PAYLOAD:
	case WALK_ERROR:
	case WALK_END:
	case WALK_MORE:
		break;
	}
}

/* Walks one message; false when it is malformed or ends early. *size is set to the bytes that it
 * took. */
static bool
print_message(struct printer *p, struct walk *w, const uint8_t *in, size_t length, size_t *size)
{
	struct walk_item item;
	enum walk_event event;
	size_t at = 0;

	while ((event = walk_next(w, in + at, length - at, &item)) > WALK_MORE) {
		print_item(p, event, &item);
		at += item.size;
	}
	*size = at;
	p->indent = 0;
	if (event == WALK_END)
		return true;
	fprintf(p->out, "  ! %s\n", event == WALK_ERROR ? w->error : "the capture ends here");
	return false;
}

/* The fields of the request header that choose the body, if the frame is long enough and the API
 * known. */
static bool
request_body(const uint8_t *frame, size_t length, int *key, int *version)
{
	if (length < 4)
		return false;
	*key = (int16_t)be_get16(frame);
	*version = (int16_t)be_get16(frame + 2);
	return true;
}

static bool
print_frame(struct printer *p, const uint8_t *frame, size_t size, size_t here)
{
	const struct print_options *o = p->options;
	enum kafka_direction direction = o->response ? KAFKA_RESPONSE : KAFKA_REQUEST;
	const struct kafka_message *message;
	struct walk w;
	size_t used;
	int key = o->key;
	int version = o->version;

	if (!o->response && !request_body(frame, here, &key, &version)) {
		fprintf(p->out, "frame of %zu bytes\n  ! too short for a request header\n", size);
		return false;
	}
	message = kafka_message(key, direction);
	fprintf(p->out, "%s %s (key %d) v%d, %zu bytes\n", kafka_api_name(key),
		o->response ? "response" : "request", key, version, size);
	if (message == NULL || !kafka_versions_has(message->versions, version)) {
		fprintf(p->out, "  ! Kafka %s has no such API or version\n", kafka_schema_release);
		return false;
	}
	if (o->response)
		walk_init_prefix(&w, &kafka_messages[KM_ResponseHeader],
				 kafka_response_header_version(key, version), size);
	else
		walk_init_prefix(&w, &kafka_messages[KM_RequestHeader],
				 kafka_request_header_version(key, version), size);
	if (!print_message(p, &w, frame, here, &used))
		return false;
	walk_init(&w, message, version, size - used);
	return print_message(p, &w, frame + used, here - used, &used);
}

size_t
print_frames(const uint8_t *bytes, size_t length, const struct print_options *options, FILE *out)
{
	struct printer p = {.out = out, .options = options};
	size_t bad = 0;
	size_t at = 0;

	while (at < length) {
		int32_t size;
		size_t here;

		if (length - at < 4) {
			fprintf(out, "! %zu bytes left, too few for a frame's size\n", length - at);
			return bad + 1;
		}
		size = (int32_t)be_get32(bytes + at);
		if (size < 0) {
			fprintf(out, "! a frame size of %" PRId32 " at byte %zu\n", size, at);
			return bad + 1;
		}
		at += 4;
		here = length - at < (size_t)size ? length - at : (size_t)size;
		if (!print_frame(&p, bytes + at, (size_t)size, here))
			bad++;
		at += here;
	}
	return bad;
}

long
print_unhex(char *text, size_t length)
{
	size_t written = 0;
	int high = -1;

	for (size_t i = 0; i < length; i++) {
		int digit = parse_hex_digit(text[i]);

		if (text[i] == '#') {
			while (i < length && text[i] != '\n')
				i++;
			continue;
		}
		if (isspace((unsigned char)text[i]))
			continue;
		if (text[i] == '0' && i + 1 < length &&
		    (text[i + 1] == 'x' || text[i + 1] == 'X') && high < 0) {
			i++;
			continue;
		}
		if (digit < 0)
			return -1;
		if (high < 0) {
			high = digit;
			continue;
		}
		text[written++] = (char)(high << 4 | digit);
		high = -1;
	}
	return high < 0 ? (long)written : -1;
}
