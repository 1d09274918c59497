/* SPDX-License-Identifier: Apache-2.0
 *
 * The status page: plain HTML from the same JSON values that the API gives, so that the two never
 * disagree. No scripts; every text is escaped.
 */
#include "config.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "admin/view.h"

static void
add(struct bytes *out, const char *text)
{
	bytes_add(out, text, strlen(text));
}

static void
add_escaped(struct bytes *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '<':
			add(out, "&lt;");
			break;
		case '>':
			add(out, "&gt;");
			break;
		case '&':
			add(out, "&amp;");
			break;
		case '"':
			add(out, "&quot;");
			break;
		case '\'':
			add(out, "&#39;");
			break;
		default:
			bytes_add_u8(out, (uint8_t)*text);
		}
	}
}

/* A JSON value as people read it. */
static void
add_value(struct bytes *out, const json_t *value)
{
	char number[32];

	switch (json_typeof(value)) {
	case JSON_STRING:
		add_escaped(out, json_string_value(value));
		break;
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
		add(out, number);
		break;
	case JSON_TRUE:
		add(out, "yes");
		break;
	case JSON_FALSE:
		add(out, "no");
		break;
	case JSON_ARRAY:
		for (size_t i = 0; i < json_array_size(value); i++) {
			add(out, i > 0 ? ", " : "");
			add_value(out, json_array_get(value, i));
		}
		break;
	case JSON_OBJECT:
	case JSON_REAL:
	case JSON_NULL:
		add(out, "-");
		break;
	}
}

/* A table: columns are the members of each row's object, "member=Heading" separated by "|". */
static void
add_table(struct bytes *out, const char *heading, const json_t *rows, const char *columns)
{
	add(out, "<h2>");
	add_escaped(out, heading);
	add(out, "</h2>\n");
	if (json_array_size(rows) == 0) {
		add(out, "<p>none</p>\n");
		return;
	}
	add(out, "<table>\n");
	for (size_t i = 0; i <= json_array_size(rows); i++) {
		const char *column = columns;

		add(out, "<tr>");
		while (*column != '\0') {
			size_t name = strcspn(column, "=");
			size_t length = strcspn(column, "|");
			const json_t *row = i > 0 ? json_array_get(rows, i - 1) : NULL;
			char key[64];

			snprintf(key, sizeof(key), "%.*s", (int)name, column);
			add(out, i == 0 ? "<th>" : "<td>");
			if (row == NULL)
				bytes_add(out, column + name + 1, length - name - 1);
			else if (json_object_get(row, key) != NULL)
				add_value(out, json_object_get(row, key));
			add(out, i == 0 ? "</th>" : "</td>");
			column += length + (column[length] == '|');
		}
		add(out, "</tr>\n");
	}
	add(out, "</table>\n");
}

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta http-equiv=\"refresh\" content=\"10\"><title>Turnout</title>\n"
    "<style>body{font:14px/1.5 sans-serif;margin:2em;max-width:80em}"
    "table{border-collapse:collapse}th,td{border:1px solid #ccc;padding:.2em .7em;"
    "text-align:left;vertical-align:top}th{background:#f3f3f3}"
    ".good{color:#060}.bad{color:#a00}</style></head><body>\n<h1>Turnout " PACKAGE_VERSION
    "</h1>\n";

static void
add_ready(struct bytes *out, struct ctl *ctl)
{
	char why[256] = "";
	char line[96];
	struct worker_counters counters;
	int64_t seconds = ctl_uptime_ms(ctl) / 1000;

	if (ctl_is_ready(ctl, why, sizeof(why))) {
		add(out, "<p class=\"good\">Ready");
	} else {
		add(out, "<p class=\"bad\">Not ready: ");
		add_escaped(out, why);
	}
	ctl_counters(ctl, &counters);
	snprintf(line, sizeof(line), "</p><p>Up %lldd %02lld:%02lld:%02lld, %llu clients.</p>\n",
		 (long long)seconds / 86400, (long long)seconds / 3600 % 24,
		 (long long)seconds / 60 % 60, (long long)seconds % 60,
		 (unsigned long long)counters.connections);
	add(out, line);
}

void
view_page(struct ctl *ctl, struct bytes *out)
{
	json_t *clusters = view_clusters(ctl);
	json_t *config = view_config(ctl);
	json_t *vclusters = json_array();
	const struct snapshot *snap = ctl_world(ctl)->snap;

	for (size_t i = 0; i < snap->vclusters_count; i++) {
		json_t *vc = view_vcluster(&snap->vclusters[i]);

		json_object_set_new(vc, "count",
				    json_integer((json_int_t)snap->vclusters[i].users_count));
		json_array_append_new(vclusters, vc);
	}
	add(out, head);
	add_ready(out, ctl);
	add_table(out, "Logical clusters", json_object_get(clusters, "logical"),
		  "id=Name|active=Active|generation=Generation|state=State|vclusters=vclusters");
	add_table(
	    out, "Physical clusters", json_object_get(clusters, "physical"),
	    "id=Name|bootstrap.servers=Bootstrap|reachable=Reachable|error=Error|serves=Serves"
	    "|gateway.roles=Role");
	add_table(out, "Latest switches", json_object_get(clusters, "switches"),
		  "at=At|who=Who|cluster=Cluster|from=From|to=To|ok=Done|error=Error|"
		  "durationMs=Took (ms)|heldMs=Held (ms)|held=Requests held|cut=Cut");
	add_table(out, "vclusters", vclusters,
		  "name=Name|prefix=Prefix|cluster=Cluster|count=Users|file=File");
	add_table(out, "Faults of the configuration", json_object_get(config, "faults"),
		  "severity=Severity|file=File|line=Line|column=Column|key=Key|text=Fault");
	add_table(out, "Files", json_object_get(config, "files"), "path=File|sha256=SHA-256");
	add(out, "</body></html>\n");
	json_decref(vclusters);
	json_decref(config);
	json_decref(clusters);
}
