/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics: the text is well-formed, every row of metrics.def is in it once, values are right.
 */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "admin/view.h"
#include "base/mem.h"
#include "stats/metrics.h"
#include "unit/admin/fake_ctl.h"

static char *
scrape(struct ctl *ctl)
{
	struct bytes out = {0};

	view_metrics(ctl, &out);
	bytes_add_u8(&out, 0);
	return (char *)out.data;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t a = strlen(text);
	size_t b = strlen(end);

	return a >= b && strcmp(text + a - b, end) == 0;
}

Test(metrics, rows_are_sound)
{
	for (size_t i = 0; i < metrics_count; i++) {
		const struct metric *m = &metrics[i];

		cr_assert(strncmp(m->name, "turnout_", 8) == 0, "%s", m->name);
		for (const char *c = m->name; *c != '\0'; c++)
			cr_assert(islower((unsigned char)*c) || *c == '_', "%s", m->name);
		cr_assert(ends_with(m->help, "."), "%s", m->name);
		cr_assert(strchr(m->help, '\n') == NULL && strchr(m->help, '\\') == NULL);
		if (ends_with(m->name, "_total"))
			cr_assert(m->type == METRIC_COUNTER, "%s", m->name);
		for (size_t j = 0; j < i; j++)
			cr_assert(strcmp(metrics[j].name, m->name) != 0, "%s twice", m->name);
	}
}

/* Checks one sample line: name, labels, value. */
static void
check_sample(const char *line, const char *name)
{
	size_t length = strlen(name);
	const char *c = line + length;
	char *end;

	cr_assert(strncmp(line, name, length) == 0, "%s is not of %s", line, name);
	cr_assert(*c == '{' || *c == ' ', "%s", line);
	if (*c == '{') {
		bool quoted = false;

		for (c++; *c != '\0' && (quoted || *c != '}'); c++) {
			if (quoted && *c == '\\')
				c++;
			else if (*c == '"')
				quoted = !quoted;
		}
		cr_assert(*c == '}', "%s", line);
		c++;
	}
	cr_assert(*c == ' ', "%s", line);
	strtod(c + 1, &end);
	cr_assert(end != c + 1 && *end == '\0', "%s", line);
}

Test(metrics, text_is_well_formed)
{
	struct ctl *ctl = fake_ctl_new();
	char *text = scrape(ctl);
	char *rest = text;
	char *line;
	size_t row = 0;

	cr_assert(ends_with(text, "\n"));
	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		char expected[512];

		if (strncmp(line, "# HELP ", 7) == 0) {
			cr_assert(row < metrics_count);
			snprintf(expected, sizeof(expected), "# HELP %s %s", metrics[row].name,
				 metrics[row].help);
			cr_assert(strcmp(line, expected) == 0, "%s", line);
			line = strsep(&rest, "\n");
			snprintf(expected, sizeof(expected), "# TYPE %s %s", metrics[row].name,
				 metrics[row].type == METRIC_COUNTER ? "counter" : "gauge");
			cr_assert(strcmp(line, expected) == 0, "%s", line);
			row++;
			continue;
		}
		cr_assert(row > 0);
		check_sample(line, metrics[row - 1].name);
	}
	cr_assert(row == metrics_count);
	free(text);
	fake_ctl_free(&ctl);
}

Test(metrics, values)
{
	static const char *const lines[] = {
	    "\nturnout_uptime_seconds 93784.005\n",
	    "\nturnout_cluster_up{cluster=\"main\"} 1\n",
	    "\nturnout_cluster_up{cluster=\"failover\"} 0\n",
	    "\nturnout_cluster_brokers{cluster=\"main\"} 2\n",
	    "\nturnout_active_cluster{logical=\"main\",cluster=\"main\"} 1\n",
	    "\nturnout_active_cluster{logical=\"main\",cluster=\"failover\"} 0\n",
	    "\nturnout_active_cluster{logical=\"eu\",cluster=\"failover\"} 1\n",
	    "\nturnout_switch_generation{logical=\"main\"} 3\n",
	    "\nturnout_switch_last_duration_seconds{logical=\"main\"} 1.042\n",
	    "\nturnout_switch_last_held_seconds{logical=\"main\"} 0.037\n",
	    "\nturnout_config_snapshot 7\n",
	    "\nturnout_config_faults{severity=\"warning\"} 1\n",
	    "\nturnout_clients_connected 5\n",
	    "\nturnout_requests_total 1234\n",
	    "\nturnout_auth_total{result=\"refused\"} 2\n",
	    "\nturnout_ready 1\n",
	};
	struct ctl *ctl = fake_ctl_new();
	char *text;

	faults_add(ctl->faults, FAULT_WARNING, "a.yaml", 1, 2, "k", "text");
	text = scrape(ctl);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		cr_assert(strstr(text, lines[i]) != NULL, "%s", lines[i]);
	free(text);
	fake_ctl_free(&ctl);
}

Test(metrics, label_values_are_escaped)
{
	const struct metric_label labels[] = {{"a", "x\"y\\z\nw"}, {"b", ""}};
	struct bytes out = {0};

	metrics_sample(&out, &metrics[0], labels, 2, 7);
	bytes_add_u8(&out, 0);
	cr_assert(
	    strcmp((char *)out.data, "turnout_build_info{a=\"x\\\"y\\\\z\\nw\",b=\"\"} 7\n") == 0);
	bytes_free(&out);
}
