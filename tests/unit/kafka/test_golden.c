/* SPDX-License-Identifier: Apache-2.0
 *
 * The field table against tests/golden, which Kafka's own classes wrote: in every version that is
 * offered, the fields that Kafka puts on the wire are those that the table says, no more and no
 * fewer, null only where it may be. That the bytes are read alike is the walker's test.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafka/apis.h"
#include "kafka/kafka_ids.h"
#include "kafka/schema.h"

#define KINDS 3

/* The frame that is being read. */
struct frame {
	const char *api;
	char direction[16], kind[16];
	int version;
	const struct kafka_message *message, *header;
	int header_version;
	bool seen[KF_COUNT];
};

static const char *const kinds[KINDS] = {"rich", "thin", "bare"};

static uint16_t
find(uint16_t first, uint16_t count, const char *name, size_t n)
{
	for (uint16_t i = first; i < first + count; i++)
		if (strlen(kafka_fields[i].name) == n &&
		    strncmp(kafka_fields[i].name, name, n) == 0)
			return i;
	return KAFKA_NO_FIELD;
}

/* Marks the field of a path, and the structs around it, as seen. */
static uint16_t
mark(struct frame *f, const struct kafka_message *m, int version, const char *path)
{
	uint16_t first = m->field, count = m->fields, at = KAFKA_NO_FIELD;

	while (*path && *path != '#') {
		size_t n = strcspn(path, "[.");

		at = find(first, count, path, n);
		cr_assert_neq(at, KAFKA_NO_FIELD, "%s v%d: Kafka has %s", m->name, version, path);
		cr_expect(kafka_versions_has(kafka_fields[at].versions, version),
			  "%s: Kafka has %s in v%d", m->name, path, version);
		f->seen[at] = true;
		first = kafka_fields[at].child;
		count = kafka_fields[at].children;
		path += n;
		if (*path == '[')
			path += strcspn(path, "]") + 1;
		path += *path == '.';
	}
	return *path == '#' ? KAFKA_NO_FIELD : at;
}

static void
read_value(struct frame *f, char *line)
{
	char *value = strstr(line, " = ");
	bool in_header = strncmp(line, "header.", 7) == 0;
	const struct kafka_message *m = in_header ? f->header : f->message;
	int version = in_header ? f->header_version : f->version;
	uint16_t field;

	cr_assert(value && m, "%s", line);
	*value = '\0';
	value += 3;
	field = mark(f, m, version, in_header ? line + 7 : line);
	if (field == KAFKA_NO_FIELD)
		return; /* an unknown tag */
	if (strcmp(value, "null") == 0)
		cr_expect(kafka_versions_has(kafka_fields[field].nullable, version),
			  "%s v%d: %s is null", m->name, version, line);
	else if (line[strlen(line) - 1] != ']') /* not an element */
		cr_expect_eq(value[0] == '[', kafka_fields[field].array, "%s: %s = %s", m->name,
			     line, value);
}

/* Everything that the version has must have been in a rich frame. */
static void
expect_all_seen(const struct frame *f, const struct kafka_message *m, int version, uint16_t first,
		uint16_t count)
{
	for (uint16_t i = first; i < first + count; i++) {
		if (!kafka_versions_has(kafka_fields[i].versions, version))
			continue;
		cr_expect(f->seen[i], "%s v%d: Kafka has no %s", m->name, version,
			  kafka_fields[i].name);
		if (kafka_fields[i].type == KAFKA_STRUCT)
			expect_all_seen(f, m, version, kafka_fields[i].child,
					kafka_fields[i].children);
	}
}

static void
finish(const struct frame *f)
{
	if (!f->message || strcmp(f->kind, "rich") != 0)
		return;
	expect_all_seen(f, f->message, f->version, f->message->field, f->message->fields);
	if (f->header)
		expect_all_seen(f, f->header, f->header_version, f->header->field,
				f->header->fields);
}

static void
begin(struct frame *f, const char *line)
{
	const char *api = f->api;

	memset(f, 0, sizeof(*f));
	f->api = api;
	cr_assert_eq(sscanf(line, "@ %15s %d %15s", f->direction, &f->version, f->kind), 3, "%s",
		     line);
	if (strcmp(f->direction, "data") == 0) {
		f->message = &kafka_messages[strcmp(api, "ConsumerProtocolAssignment") == 0
						 ? KM_ConsumerProtocolAssignment
						 : KM_ConsumerProtocolSubscription];
		return;
	}
	for (int key = 0; key < KA_COUNT; key++)
		if (strcmp(kafka_api_name(key), api) == 0) {
			bool request = strcmp(f->direction, "request") == 0;

			f->message = kafka_message(key, request ? KAFKA_REQUEST : KAFKA_RESPONSE);
			f->header = &kafka_messages[request ? KM_RequestHeader : KM_ResponseHeader];
			f->header_version = request
						? kafka_request_header_version(key, f->version)
						: kafka_response_header_version(key, f->version);
		}
	cr_assert_not_null(f->message, "%s", api);
}

static void
expect_size(const struct frame *f, const char *hex)
{
	size_t bytes = strlen(hex) / 2;
	char size[9] = {0};

	cr_assert_eq(strlen(hex) % 2, 0);
	cr_assert_eq(strspn(hex, "0123456789abcdef"), strlen(hex));
	if (!f->header)
		return;
	memcpy(size, hex, 8);
	cr_expect_eq(strtoul(size, NULL, 16), bytes - 4, "%s v%d %s", f->api, f->version, f->kind);
}

static FILE *
open_golden(const char *api)
{
	char path[1024];
	FILE *in;

	snprintf(path, sizeof(path), "%s/golden/%s.txt", TEST_SRCDIR, api);
	in = fopen(path, "r");
	cr_assert_not_null(in, "%s", path);
	return in;
}

/* Reads one file; returns how many frames it has in these directions, versions and kinds, in order.
 */
static int
check_file(const char *api)
{
	static struct frame f;
	FILE *in = open_golden(api);
	char *line = NULL;
	size_t room = 0;
	int frames = 0;

	memset(&f, 0, sizeof(f));
	f.api = api;
	while (getline(&line, &room, in) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] != '@') {
			read_value(&f, line);
			continue;
		}
		finish(&f);
		begin(&f, line);
		cr_expect_str_eq(f.kind, kinds[frames++ % KINDS]);
		cr_assert_gt(getline(&line, &room, in), 0);
		line[strcspn(line, "\n")] = '\0';
		expect_size(&f, line);
	}
	finish(&f);
	free(line);
	fclose(in);
	return frames;
}

Test(golden, table_has_what_kafka_writes)
{
	for (size_t i = 0; i < kafka_apis_count; i++) {
		const struct api *api = &kafka_apis[i];

		cr_expect_eq(check_file(kafka_api_name(api->key)),
			     2 * KINDS * (api->max - api->min + 1), "%s: run contrib/kafka-golden",
			     kafka_api_name(api->key));
	}
	cr_expect_eq(check_file("ConsumerProtocolSubscription"), 4 * KINDS);
	cr_expect_eq(check_file("ConsumerProtocolAssignment"), 4 * KINDS);
}
