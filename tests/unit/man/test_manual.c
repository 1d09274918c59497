/* SPDX-License-Identifier: Apache-2.0
 *
 * The manual pages against the tables: what stands in them between  .\" table NAME  and  .\" end
 * is written from keys.def, routes.def, apis.def and metrics.def. After a change of a table,
 *     TURNOUT_MANUAL_WRITE=1 tests/unit/man/test_manual
 * writes it anew; without the variable a difference is a failure.
 */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "admin/router.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "config/file.h"
#include "config/keys.h"
#include "kafka/apis.h"
#include "kafka/schema.h"
#include "stats/metrics.h"

#define PAGES TEST_SRCDIR "/../src/man/"

typedef void (*table_fn)(FILE *out);

/* Text as mdoc wants it: a line may not begin with a control character. */
static void
put_text(const char *text, FILE *out)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text != '\0'; text++)
		fputs(*text == '\\' ? "\\e" : (char[]){*text, '\0'}, out);
}

/* Sentences each on a line of their own; the last one ends in a full stop. */
static void
put_sentences(const char *text, FILE *out)
{
	const char *end;

	while ((end = strstr(text, ". ")) != NULL) {
		char *one = mem_printf("%.*s", (int)(end - text + 1), text);

		put_text(one, out);
		fputc('\n', out);
		free(one);
		text = end + 2;
	}
	put_text(text, out);
	fputs(strchr(".?", text[strlen(text) - 1]) != NULL ? "\n" : ".\n", out);
}

static void
put_capital(const char *text, FILE *out)
{
	fputc(toupper((unsigned char)text[0]), out);
	put_text(text + 1, out);
}

/* -- keys */

static void
put_variables(const char *words, FILE *out)
{
	fputs("Environment:\n", out);
	while (*words != '\0') {
		size_t size = strcspn(words, " ");
		bool last = words[size] == '\0';

		fprintf(out, ".Ev %.*s%s\n", (int)strcspn(words, " :"), words, last ? " ." : " ,");
		words += size + !last;
	}
}

static void
put_key(const struct key *key, FILE *out)
{
	char range[160];

	fprintf(out, ".It Cm %s\n", key->name);
	put_sentences(key->sentence, out);
	put_capital(key_type_name(key->type), out);
	if (key->unit != NULL)
		fprintf(out, " in %s", key->unit);
	if (key_range(key, range, sizeof(range))[0] != '\0') {
		fputs(", ", out);
		put_text(range, out);
	}
	if (key->required)
		fputs("; required.\n", out);
	else if (key->fallback != NULL || key->fallback_note != NULL)
		fprintf(out, "; default %s.\n",
			key->fallback != NULL ? key->fallback : key->fallback_note);
	else
		fputs(".\n", out);
	if (key->restart)
		fputs("At the next start.\n", out);
	if (key->environment != NULL)
		put_variables(key->environment, out);
}

static void
table_keys(FILE *out)
{
	enum key_section section = SECTION_NONE;

	for (size_t i = 0; i < keys_count; i++) {
		if (keys[i].section == SECTION_ENVIRONMENT)
			continue;
		if (keys[i].section != section) {
			if (section != SECTION_NONE)
				fputs(".El\n", out);
			section = keys[i].section;
			fprintf(out, ".Ss %s\n.Bl -tag -width Ds\n", key_section_name(section));
		}
		put_key(&keys[i], out);
	}
	fputs(".El\n", out);
}

/* -- environment variables */

static void
table_variables(FILE *out)
{
	for (size_t i = 0; i < keys_count; i++) {
		const char *words = keys[i].environment;

		while (words != NULL && *words != '\0') {
			size_t size = strcspn(words, " ");

			fprintf(out, ".It Ev %.*s\n", (int)strcspn(words, " :"), words);
			fprintf(out, "Overrides\n.Cm %s%s\n", keys[i].name,
				words[strcspn(words, " :")] == ':' ? " ;" : " .");
			if (words[strcspn(words, " :")] == ':')
				fputs(
				    "inline YAML:\n.Li file : { path: /config/clusters.yaml } .\n",
				    out);
			words += size;
			words += *words == ' ';
		}
	}
	for (size_t i = 0; i < keys_count; i++) {
		if (keys[i].section != SECTION_ENVIRONMENT)
			continue;
		fprintf(out, ".It Ev %s\n", keys[i].name);
		put_sentences(keys[i].sentence, out);
		if (keys[i].choices != NULL)
			fprintf(out, "Must be\n.Li %s .\n", keys[i].choices);
	}
}

/* -- routes */

static void
put_items(const char *what, const char *column, FILE *out)
{
	struct route_item item;
	bool first = true;

	while (route_item_next(&column, &item)) {
		fprintf(out, "%s%s (%s%s)", first ? what : ", ", item.name, item.type,
			item.required ? ", required" : "");
		first = false;
	}
	if (!first)
		fputs(".\n", out);
}

static void
table_routes(FILE *out)
{
	static const char *const who[] = {
	    [ROLE_PUBLIC] = "Anybody.",
	    [ROLE_METRICS] = "Any account; anybody without metrics.secured.",
	    [ROLE_READ] = "Any account.",
	    [ROLE_WRITE] = "An account with admin: true.",
	};

	for (size_t i = 0; i < routes_count; i++) {
		fprintf(out, ".It Li \"%s %s\"\n", routes[i].method, routes[i].path);
		put_sentences(routes[i].summary, out);
		put_items("Query: ", routes[i].query, out);
		put_items("Body: ", routes[i].body, out);
		fprintf(out, "%s\n", who[routes[i].role]);
	}
}

/* -- APIs and metrics */

static void
table_apis(FILE *out)
{
	for (size_t i = 0; i < kafka_apis_count; i++) {
		const struct api *api = &kafka_apis[i];

		fprintf(out, ".It %s %d to %d\n", kafka_api_name(api->key), api->min, api->max);
		if (api->policy == API_LOCAL)
			fputs("Answered by the gateway.\n", out);
		else if (api->why == NULL)
			fputs("No cap.\n", out);
		if (api->why != NULL)
			put_sentences(api->why, out);
	}
}

static void
table_denials(FILE *out)
{
	for (size_t i = 0; i < kafka_denials_count; i++) {
		fprintf(out, ".It %s\n", kafka_denials[i].name);
		put_sentences(kafka_denials[i].why, out);
	}
}

static void
table_metrics(FILE *out)
{
	for (size_t i = 0; i < metrics_count; i++) {
		fprintf(out, ".It Li %s\n", metrics[i].name);
		put_sentences(metrics[i].help, out);
		fprintf(out, "%s.\n", metrics[i].type == METRIC_COUNTER ? "Counter" : "Gauge");
	}
}

static const struct {
	const char *page;
	const char *name;
	table_fn fn;
} tables[] = {
    {"turnout.yaml.5", "keys", table_keys},   {"turnoutd.8", "variables", table_variables},
    {"turnoutd.8", "routes", table_routes},   {"turnoutd.8", "apis", table_apis},
    {"turnoutd.8", "denials", table_denials}, {"turnoutd.8", "metrics", table_metrics},
};

/* -- comparing */

static char *
page_read(const char *name)
{
	char path[1024];
	char *text;
	size_t length;
	struct err err;

	snprintf(path, sizeof(path), PAGES "%s", name);
	cr_assert(file_read(path, &text, &length, &err), "%s %s", path, err.text);
	return text;
}

static void
page_write(const char *name, const char *head, size_t head_length, const char *table,
	   const char *rest)
{
	char path[1024];
	FILE *out;

	snprintf(path, sizeof(path), PAGES "%s", name);
	out = fopen(path, "w");
	cr_assert_neq(out, NULL, "%s", path);
	fwrite(head, 1, head_length, out);
	fputs(table, out);
	fputs(rest, out);
	fclose(out);
}

static void
check_table(const char *page, const char *name, table_fn fn)
{
	char *text = page_read(page);
	char *begin_mark = mem_printf("\n.\\\" table %s\n", name);
	char *begin = strstr(text, begin_mark);
	char *end;
	char *table = NULL;
	size_t size;
	FILE *out = open_memstream(&table, &size);

	fn(out);
	fclose(out);
	cr_assert_neq(begin, NULL, "%s has no table %s", page, name);
	begin += strlen(begin_mark);
	end = strstr(begin - 1, "\n.\\\" end\n");
	cr_assert_neq(end, NULL, "%s: the table %s has no end", page, name);
	end++;
	if (getenv("TURNOUT_MANUAL_WRITE") != NULL)
		page_write(page, text, (size_t)(begin - text), table, end);
	else
		cr_expect((size_t)(end - begin) == size && memcmp(begin, table, size) == 0,
			  "the table %s in src/man/%s is not up to date: "
			  "TURNOUT_MANUAL_WRITE=1 tests/unit/man/test_manual writes it",
			  name, page);
	free(table);
	free(begin_mark);
	free(text);
}

Test(manual, tables_are_up_to_date)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		check_table(tables[i].page, tables[i].name, tables[i].fn);
}

/* -- turnoutctl: its own help is the table */

static char *
help_of(const char *command)
{
	char *line = mem_printf("%s help %s", TURNOUTCTL, command);
	FILE *in = popen(line, "r");
	struct bytes text = {0};
	char piece[4096];
	size_t got;

	cr_assert_neq(in, NULL);
	while ((got = fread(piece, 1, sizeof(piece), in)) > 0)
		bytes_add(&text, piece, got);
	bytes_add_u8(&text, 0);
	cr_assert_eq(pclose(in), 0, "%s", line);
	free(line);
	return (char *)text.data;
}

/* The words of an .It line: `.It Nm status`, `.It Fl -url Ar URL`. */
static void
expect_item(const char *page, const char *macro, const char *name)
{
	char *want = mem_printf("\n.It %s %s", macro, name);
	const char *found = strstr(page, want);

	cr_expect(found != NULL && strchr(" \n", found[strlen(want)]) != NULL,
		  "turnoutctl.1 lacks %s", want + 1);
	free(want);
}

Test(manual, turnoutctl_has_every_command_and_option)
{
	char *page = page_read("turnoutctl.1");
	char *help = help_of("");
	char *rest = help;
	size_t commands = 0;

	for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
		char name[64];

		if (sscanf(line, "  --%63[a-z-]", name) == 1) {
			char option[70];

			snprintf(option, sizeof(option), "-%s", name);
			expect_item(page, "Fl", option);
		} else if (strncmp(line, "  ", 2) == 0 && islower((unsigned char)line[2])) {
			cr_assert_eq(sscanf(line, " %63[a-z]", name), 1);
			expect_item(page, "Ic", name);
			commands++;
			for (char *at = strstr(line, "[--"); at != NULL;
			     at = strstr(at + 1, "[--")) {
				char option[70];

				sscanf(at, "[--%63[a-z-]", name);
				snprintf(option, sizeof(option), "Fl -%s", name);
				cr_expect_neq(strstr(page, option), NULL, "%s", option);
			}
		}
	}
	cr_assert_gt(commands, 5);
	free(help);
	free(page);
}
