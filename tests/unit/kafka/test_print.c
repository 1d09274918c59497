/* SPDX-License-Identifier: Apache-2.0
 *
 * The printer over tests/golden: it says every leaf that Kafka reads in a frame, in the same order,
 * but for secrets. And print_unhex(), which reads what people paste.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/be.h"
#include "kafka/kafka_ids.h"
#include "kafka/print.h"
#include "support/golden.h"

static char *
print(const uint8_t *bytes, size_t size, const struct print_options *options, size_t *bad)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	cr_assert_not_null(out);
	*bad = print_frames(bytes, size, options, out);
	fclose(out);
	return text;
}

static struct print_options
options_of(const struct golden *g)
{
	return (struct print_options){
	    .response = g->direction == KAFKA_RESPONSE, .key = g->key, .version = g->version};
}

/* A dump writes " and \ as \x22 and \x5c. */
static void
put_text(FILE *out, const char *value)
{
	for (; *value != '\0'; value++) {
		if (strncmp(value, "\\x22", 4) == 0 || strncmp(value, "\\x5c", 4) == 0) {
			fputs(value[2] == '2' ? "\\\"" : "\\\\", out);
			value += 3;
		} else {
			fputc(*value, out);
		}
	}
	fputc('\n', out);
}

/* "hex:0a0b" as "2 bytes 0a0b", up to the 48 bytes that are shown. */
static void
put_bytes(FILE *out, const char *hex)
{
	size_t bytes = strlen(hex) / 2;

	fprintf(out, "%zu bytes%s%.96s%s\n", bytes, bytes > 0 ? " " : "", hex,
		bytes > 48 ? "..." : "");
}

static void
put_uuid(FILE *out, const char *hex)
{
	fprintf(out, "%.8s-%.4s-%.4s-%.4s-%.12s\n", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

/* The type of a field is not in a dump: fields of the API by name. */
static enum kafka_type
type_of(const struct golden *g, const char *name)
{
	const struct kafka_message *m = kafka_message(g->key, g->direction);

	for (uint16_t i = 0; i < KF_COUNT; i++) {
		uint16_t top = i;

		while (kafka_fields[top].parent != KAFKA_NO_FIELD)
			top = kafka_fields[top].parent;
		if (top >= m->field && top < m->field + m->fields &&
		    strcmp(kafka_fields[i].name, name) == 0)
			return (enum kafka_type)kafka_fields[i].type;
	}
	return KAFKA_STRING;
}

/* A dump's line as the printer should have it. */
static void
put_line(const struct golden *g, FILE *out, char *line)
{
	char *value = strstr(line, " = "), *name;

	*value = '\0';
	value += 3;
	name = strrchr(line, '.') != NULL ? strrchr(line, '.') + 1 : line;
	name[strcspn(name, "[")] = '\0';
	if (name[0] == '#')
		fprintf(out, "unknown tag %s: ", name + 1);
	else
		fprintf(out, "%s: ", name);
	if (strcmp(name, "AuthBytes") == 0)
		fputs("(secret)\n", out);
	else if (value[0] == '[')
		fprintf(out, "%.*s element%s\n", (int)strcspn(value + 1, "]"), value + 1,
			strncmp(value, "[1]", 3) == 0 ? "" : "s");
	else if (strncmp(value, "hex:", 4) != 0)
		put_text(out, value);
	else if (name[0] != '#' && type_of(g, name) == KAFKA_RECORDS)
		fprintf(out, "%zu bytes of record batches\n", strlen(value + 4) / 2);
	else if (name[0] != '#' && type_of(g, name) == KAFKA_UUID)
		put_uuid(out, value + 4);
	else
		put_bytes(out, value + 4);
}

static char *
expected_lines(const struct golden *g)
{
	char *text = NULL, *lines = strdup(g->lines), *save = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	for (char *line = strtok_r(lines, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		put_line(g, out, line);
	fclose(out);
	free(lines);
	return text;
}

/* What was printed without what only shows the structure. */
static char *
leaf_lines(char *printed)
{
	char *text = NULL, *save = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	char *line = strtok_r(printed, "\n", &save); /* the frame's own line */

	while ((line = strtok_r(NULL, "\n", &save)) != NULL) {
		line += strspn(line, " ");
		if (line[0] != '[' && strncmp(line, "tag ", 4) != 0 && strstr(line, ": ") != NULL)
			fprintf(out, "%s\n", line);
	}
	fclose(out);
	return text;
}

static void
on_golden(void *arg, const struct golden *g)
{
	struct print_options options = options_of(g);
	size_t bad, same = 0;
	char *printed = print(g->bytes, g->size, &options, &bad);
	char *expected = expected_lines(g);
	char *got;

	(void)arg;
	cr_assert_eq(bad, 0);
	cr_assert_not_null(strstr(printed, g->api));
	got = leaf_lines(printed);
	while (expected[same] != '\0' && expected[same] == got[same])
		same++;
	cr_assert_str_eq(got, expected, "%s v%d %s: differs at %.60s, expected %.60s", g->api,
			 g->version, g->kind, got + same, expected + same);
	free(printed);
	free(expected);
	free(got);
}

Test(print, says_every_leaf, .timeout = 120)
{
	cr_expect_geq(golden_each_api(on_golden, NULL), 980);
}

/* Cut short anywhere: what could be read, where it stopped, one bad frame. */
static void
on_cut(void *arg, const struct golden *g)
{
	struct print_options options = options_of(g);

	(void)arg;
	options.meanings = true;
	for (size_t cut = 0; cut < g->size; cut += 1 + cut / 64) {
		uint8_t *copy = malloc(cut > 0 ? cut : 1);
		size_t bad;
		char *printed;

		memcpy(copy, g->bytes, cut);
		printed = print(copy, cut, &options, &bad);
		cr_assert_eq(bad, cut > 0, "%s v%d cut at %zu", g->api, g->version, cut);
		cr_assert(cut == 0 || strchr(printed, '!') != NULL);
		free(printed);
		if (cut >= 8) { /* the same with a size that agrees: malformed */
			be_put32(copy, (uint32_t)(cut - 4));
			printed = print(copy, cut, &options, &bad);
			cr_assert_eq(bad, 1);
			free(printed);
		}
		free(copy);
	}
}

Test(print, says_where_a_frame_stops, .timeout = 300)
{
	golden_each_api(on_cut, NULL);
}

/* A login, whole and cut short at every byte: its password is not printed. */
Test(print, keeps_secrets)
{
	static const char password[] = "pa55word";
	uint8_t frame[64] = {0, 0, 0, 0, 0, 36, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 12};
	size_t size = 18, bad;
	struct print_options options = {.meanings = true};

	memcpy(frame + size, "\0sa\0pa55word", 12);
	size += 12;
	be_put32(frame, (uint32_t)(size - 4));
	for (size_t cut = 4; cut <= size; cut++) {
		char *printed = print(frame, cut, &options, &bad);

		cr_assert_null(strstr(printed, password));
		cr_assert_null(strstr(printed, "70613535"));
		cr_assert(cut < size || strstr(printed, "(secret)") != NULL, "%s", printed);
		free(printed);
	}
}

Test(print, several_frames_and_junk)
{
	/* a Heartbeat without a body, an API that Kafka does not have, three bytes */
	static const uint8_t bytes[] = {0, 0, 0, 10, 0,  12, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0,
					0, 0, 8, 9,  99, 0,  0, 0, 0, 0, 1, 0, 0,    1};
	struct print_options options = {0};
	size_t bad;
	char *printed = print(bytes, sizeof(bytes), &options, &bad);

	cr_assert_eq(bad, 3);
	cr_assert_not_null(strstr(printed, "Heartbeat request (key 12) v0, 10 bytes"));
	cr_assert_not_null(strstr(printed, "unknown request"));
	cr_assert_not_null(strstr(printed, "! 3 bytes left"));
	free(printed);
	printed = print((const uint8_t *)"\xff\xff\xff\xff", 4, &options, &bad);
	cr_assert_eq(bad, 1);
	cr_assert_not_null(strstr(printed, "a frame size of -1"));
	free(printed);
}

/* Nothing that a terminal would obey comes out of a frame. */
Test(print, control_bytes_are_escaped)
{
	uint8_t frame[] = {0, 0, 0, 15, 0, 18, 0, 0, 0, 0, 0, 1, 0, 5, 0x1b, 0x9b, 0x7f, '"', '\\'};
	struct print_options options = {0};
	size_t bad;
	char *printed = print(frame, sizeof(frame), &options, &bad);

	cr_assert_not_null(strstr(printed, "\"\\x1b\\x9b\\x7f\\\"\\\\\""), "%s", printed);
	cr_assert_eq(bad, 0);
	free(printed);
}

Test(print, unhex)
{
	static const struct {
		const char *text;
		long length;
		const char *bytes;
	} cases[] = {
	    {"", 0, ""},
	    {" \n\t", 0, ""},
	    {"0a0B", 2, "\x0a\x0b"},
	    {"0x0a 0X0b", 2, "\x0a\x0b"},
	    {"0 a 0\nb", 2, "\x0a\x0b"},
	    {"0a # a comment, 0c\n0b # without an end", 2, "\x0a\x0b"},
	    {"#", 0, ""},
	    {"0", -1, ""},
	    {"0a0", -1, ""},
	    {"0x", 0, ""},
	    {"0x0", -1, ""},
	    {"00x0", -1, ""},
	    {"0g", -1, ""},
	    {"g0", -1, ""},
	    {"0a-0b", -1, ""},
	    {"\xc3\xa4", -1, ""},
	    {"0a#\n", 1, "\x0a"},
	    {"1000", 2, "\x10"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length = strlen(cases[i].text);
		char *text = malloc(length > 0 ? length : 1); /* no end to run over */

		memcpy(text, cases[i].text, length);
		cr_assert_eq(print_unhex(text, length), cases[i].length, "%s", cases[i].text);
		if (cases[i].length > 0)
			cr_assert_eq(memcmp(text, cases[i].bytes, (size_t)cases[i].length), 0, "%s",
				     cases[i].text);
		free(text);
	}
}
