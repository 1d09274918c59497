/* SPDX-License-Identifier: Apache-2.0
 *
 * The walker against tests/golden: every frame that Kafka's own classes wrote gives the leaves that
 * Kafka reads in it, whether it arrives whole or byte by byte. Bytes are handed over in blocks of
 * exactly their size, so that a sanitizer build sees any read beyond what has arrived.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafka/apis.h"
#include "kafka/kafka_ids.h"
#include "kafka/schema.h"
#include "kafka/walk.h"

/* Turns events into the lines of tests/golden/README. */
struct dump {
	FILE *out;
	char path[512];
	size_t used;
	struct {
		size_t used; /* of path, outside */
		bool array;  /* elements are counted by index */
		unsigned index;
	} level[WALK_DEPTH];
	unsigned depth;
};

__attribute__((format(printf, 2, 3))) static void
append(struct dump *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	d->used += (size_t)vsnprintf(d->path + d->used, sizeof(d->path) - d->used, format, args);
	va_end(args);
	cr_assert_lt(d->used, sizeof(d->path));
}

static void
push(struct dump *d, bool array)
{
	cr_assert_lt(d->depth, WALK_DEPTH);
	d->level[d->depth].array = array;
	d->level[d->depth].index = 0;
	d->depth++;
}

static void
pop(struct dump *d)
{
	cr_assert_gt(d->depth, 0);
	d->used = d->level[--d->depth].used;
	d->path[d->used] = '\0';
}

/* Adds the field's name, or its number within the array around it. Returns where the path ended
 * before. */
static size_t
enter(struct dump *d, uint16_t field)
{
	size_t before = d->used;

	if (d->depth > 0 && d->level[d->depth - 1].array)
		append(d, "[%u]", d->level[d->depth - 1].index++);
	else
		append(d, "%s", kafka_fields[field].name);
	return before;
}

static void
leave(struct dump *d, size_t before)
{
	d->used = before;
	d->path[before] = '\0';
}

static void
put_hex(FILE *out, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%02x", bytes[i]);
}

static void
put_value(struct dump *d, const struct walk_item *item)
{
	enum kafka_type type = (enum kafka_type)kafka_fields[item->field].type;

	if (item->null) {
		fputs("null", d->out);
	} else if (type == KAFKA_STRING) {
		fputc('"', d->out);
		for (size_t i = 0; i < item->length; i++) {
			uint8_t c = item->value[i];

			fprintf(d->out,
				c < 0x20 || c > 0x7e || c == '"' || c == '\\' ? "\\x%02x" : "%c",
				c);
		}
		fputc('"', d->out);
	} else if (type == KAFKA_BYTES || type == KAFKA_UUID) {
		fputs("hex:", d->out);
		put_hex(d->out, item->value, type == KAFKA_UUID ? 16 : item->length);
	} else if (type == KAFKA_BOOL) {
		fputs(item->number ? "true" : "false", d->out);
	} else {
		fprintf(d->out, "%" PRId64, item->number);
	}
	fputc('\n', d->out);
}

static void
begin_array(struct dump *d, const struct walk_item *item)
{
	d->level[d->depth].used = enter(d, item->field);
	push(d, true);
	if (item->null)
		fprintf(d->out, "%s = null\n", d->path);
	else
		fprintf(d->out, "%s = [%" PRIu32 "]\n", d->path, item->count);
}

static void
begin_struct(struct dump *d, const struct walk_item *item)
{
	d->level[d->depth].used = enter(d, item->field);
	push(d, false);
	if (item->null)
		fprintf(d->out, "%s = null\n", d->path);
	append(d, ".");
}

static void
put_leaf(struct dump *d, const struct walk_item *item)
{
	size_t before = enter(d, item->field);

	fprintf(d->out, "%s = ", d->path);
	put_value(d, item);
	leave(d, before);
}

static void
begin_records(struct dump *d, const struct walk_item *item)
{
	size_t before = enter(d, item->field);

	fprintf(d->out, "%s = %s", d->path, item->null ? "null" : "hex:");
	if (item->null || item->length == 0)
		fputc('\n', d->out);
	leave(d, before);
}

static void
put_event(struct dump *d, enum walk_event event, const struct walk *w, const struct walk_item *item)
{
	switch (event) {
	case WALK_ERROR:
	case WALK_END:
	case WALK_MORE:
	case WALK_TAGS:
	case WALK_TAG_BEGIN:
	case WALK_TAG_END:
		break;
	case WALK_VALUE:
		put_leaf(d, item);
		break;
	case WALK_ARRAY_BEGIN:
		begin_array(d, item);
		break;
	case WALK_STRUCT_BEGIN:
		begin_struct(d, item);
		break;
	case WALK_ARRAY_END:
	case WALK_STRUCT_END:
		pop(d);
		break;
	case WALK_UNKNOWN_TAG:
		fprintf(d->out, "%s#%" PRId64 " = hex:", d->path, item->number);
		put_hex(d->out, item->value, item->length);
		fputc('\n', d->out);
		break;
	case WALK_RECORDS:
		begin_records(d, item);
		break;
	case WALK_PAYLOAD:
		put_hex(d->out, item->start, item->size);
		if (w->payload == 0)
			fputc('\n', d->out);
		break;
	}
}

/* Walks one message. `creep`: one more byte each time that the walker asks. Returns the bytes
 * consumed. */
static size_t
walk_message(struct walk *w, const uint8_t *bytes, size_t size, bool creep, struct dump *d)
{
	size_t at = 0, have = creep ? 0 : size;
	enum walk_event event;
	struct walk_item item;

	do {
		size_t available = have - at;
		uint8_t *block = malloc(available ? available : 1);

		cr_assert_not_null(block);
		memcpy(block, bytes + at, available);
		event = walk_next(w, block, available, &item);
		put_event(d, event, w, &item);
		if (event > WALK_MORE) {
			cr_assert_leq(item.size, available);
			cr_assert(item.size == 0 || item.start == block);
			at += item.size;
		} else if (event == WALK_MORE) {
			cr_assert_gt(w->need, available, "asks for what it has");
			cr_assert_lt(have, size, "asks for more than the frame");
			have++;
		}
		free(block);
	} while (event > WALK_END);
	cr_assert_eq(event, WALK_END, "%s v%d: %s", w->message->name, w->version, w->error);
	cr_assert_eq(d->depth, 0);
	return at;
}

struct golden {
	const char *api;
	char direction[16], kind[16];
	int key, version;
	uint8_t *bytes;
	size_t size;
};

/* What the walker makes of a frame, as text that the caller frees. */
static char *
dump_frame(const struct golden *g, bool creep)
{
	const bool request = strcmp(g->direction, "request") == 0;
	char *text = NULL;
	size_t length = 0, at = 4;
	struct dump d = {.out = open_memstream(&text, &length)};
	struct walk w;

	cr_assert_not_null(d.out);
	if (g->key < 0) {
		walk_init(&w,
			  &kafka_messages[strcmp(g->api, "ConsumerProtocolAssignment") == 0
					      ? KM_ConsumerProtocolAssignment
					      : KM_ConsumerProtocolSubscription],
			  g->version, g->size - 2);
		walk_message(&w, g->bytes + 2, g->size - 2, creep, &d);
	} else {
		walk_init_prefix(&w,
				 &kafka_messages[request ? KM_RequestHeader : KM_ResponseHeader],
				 request ? kafka_request_header_version(g->key, g->version)
					 : kafka_response_header_version(g->key, g->version),
				 g->size - at);
		append(&d, "header.");
		at += walk_message(&w, g->bytes + at, g->size - at, creep, &d);
		leave(&d, 0);
		walk_init(&w, kafka_message(g->key, request ? KAFKA_REQUEST : KAFKA_RESPONSE),
			  g->version, g->size - at);
		at += walk_message(&w, g->bytes + at, g->size - at, creep, &d);
		cr_expect_eq(at, g->size);
	}
	fclose(d.out);
	return text;
}

static void
check_frame(const struct golden *g, const char *expected)
{
	for (int creep = 0; creep < 2; creep++) {
		char *got = dump_frame(g, creep);
		size_t same = 0;

		while (expected[same] && expected[same] == got[same])
			same++;
		cr_expect_str_eq(got, expected, "%s %s v%d %s %s: differs at: %.60s", g->api,
				 g->direction, g->version, g->kind,
				 creep ? "byte by byte" : "whole", got + same);
		free(got);
	}
}

/* Walks without looking; returns the last event, WALK_MORE where it would wait for ever. */
static enum walk_event
walk_blindly(const struct kafka_message *m, int version, const uint8_t *bytes, size_t size)
{
	struct walk_item item;
	enum walk_event event;
	struct walk w;
	size_t at = 0, events = 0;

	walk_init(&w, m, version, size);
	while ((event = walk_next(&w, bytes + at, size - at, &item)) > WALK_MORE) {
		cr_assert_leq(item.size, size - at);
		at += item.size;
		/* Whatever a count says: every element takes a byte, and a few events. */
		cr_assert_lt(events++, 64 + 16 * size, "%s v%d", m->name, version);
	}
	if (event == WALK_ERROR)
		cr_assert_neq(w.error[0], '\0');
	return event;
}

/* Cut short at each byte, and with each byte changed: an error or another message, never a wait, a
 * crash or a loop. */
static void
check_damage(const struct golden *g, const char *unused)
{
	const bool request = strcmp(g->direction, "request") == 0;
	const struct kafka_message *m =
	    kafka_message(g->key, request ? KAFKA_REQUEST : KAFKA_RESPONSE);
	struct dump d = {.out = fopen("/dev/null", "w")};
	size_t at = 4, size;
	uint8_t *body;
	struct walk w;

	(void)unused;
	cr_assert_not_null(d.out);
	walk_init_prefix(&w, &kafka_messages[request ? KM_RequestHeader : KM_ResponseHeader],
			 request ? kafka_request_header_version(g->key, g->version)
				 : kafka_response_header_version(g->key, g->version),
			 g->size - at);
	at += walk_message(&w, g->bytes + at, g->size - at, false, &d);
	fclose(d.out);
	size = g->size - at;
	for (size_t cut = 0; cut < size; cut++) {
		body = malloc(cut ? cut : 1);
		memcpy(body, g->bytes + at, cut);
		cr_assert_eq(walk_blindly(m, g->version, body, cut), WALK_ERROR,
			     "%s v%d %s cut at %zu of %zu", m->name, g->version, g->kind, cut,
			     size);
		free(body);
	}
	body = malloc(size ? size : 1);
	memcpy(body, g->bytes + at, size);
	for (size_t i = 0; i < size; i++) {
		static const uint8_t damage[] = {0x00, 0x01, 0x7f, 0x80, 0xff};

		for (size_t j = 0; j < sizeof(damage); j++) {
			body[i] = damage[j];
			cr_assert_neq(walk_blindly(m, g->version, body, size), WALK_MORE, "%s v%d",
				      m->name, g->version);
		}
		body[i] = g->bytes[at + i];
	}
	free(body);
}

static void
unhex(struct golden *g, const char *hex)
{
	g->size = strlen(hex) / 2;
	g->bytes = malloc(g->size);
	cr_assert_not_null(g->bytes);
	for (size_t i = 0; i < g->size; i++)
		cr_assert_eq(sscanf(hex + 2 * i, "%2hhx", &g->bytes[i]), 1);
}

typedef void (*check_fn)(const struct golden *g, const char *expected);

static int
check_file(const char *api, int key, check_fn check)
{
	char path[1024], *line = NULL, *expected = NULL;
	size_t room = 0, length = 0;
	struct golden g = {.api = api, .key = key};
	FILE *in, *lines = NULL;
	int frames = 0;
	bool more;

	snprintf(path, sizeof(path), "%s/golden/%s.txt", TEST_SRCDIR, api);
	in = fopen(path, "r");
	cr_assert_not_null(in, "%s", path);
	do {
		more = getline(&line, &room, in) > 0;
		if (lines && (!more || line[0] == '@')) {
			fclose(lines);
			check(&g, expected);
			free(expected);
			free(g.bytes);
			frames++;
		}
		if (more && line[0] == '@') {
			cr_assert_eq(
			    sscanf(line, "@ %15s %d %15s", g.direction, &g.version, g.kind), 3);
			cr_assert_gt(getline(&line, &room, in), 0);
			line[strcspn(line, "\n")] = '\0';
			unhex(&g, line);
			lines = open_memstream(&expected, &length);
			cr_assert_not_null(lines);
		} else if (more) {
			fputs(line, lines);
		}
	} while (more);
	free(line);
	fclose(in);
	return frames;
}

Test(walk_golden, reads_what_kafka_reads, .timeout = 300)
{
	int frames = 0;

	for (size_t i = 0; i < kafka_apis_count; i++)
		frames +=
		    check_file(kafka_api_name(kafka_apis[i].key), kafka_apis[i].key, check_frame);
	frames += check_file("ConsumerProtocolSubscription", -1, check_frame);
	frames += check_file("ConsumerProtocolAssignment", -1, check_frame);
	cr_expect_geq(frames, 1000);
}

Test(walk_golden, refuses_damaged_frames, .timeout = 600)
{
	for (size_t i = 0; i < kafka_apis_count; i++)
		check_file(kafka_api_name(kafka_apis[i].key), kafka_apis[i].key, check_damage);
}
