/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics: the text is well-formed, every row of metrics.def is in it once, values are right.
 */
#include "config.h"
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

/* Every sample of the fake's world, in the order of metrics.def. */
static const char *const samples[] = {
    "turnout_build_info{version=\"" PACKAGE_VERSION "\"} 1",
    "turnout_uptime_seconds 93784.005",
    "turnout_ready 1",
    "turnout_cluster_up{cluster=\"main\"} 1",
    "turnout_cluster_up{cluster=\"failover\"} 0",
    "turnout_cluster_brokers{cluster=\"main\"} 2",
    "turnout_cluster_brokers{cluster=\"failover\"} 0",
    "turnout_active_cluster{logical=\"main\",cluster=\"main\"} 1",
    "turnout_active_cluster{logical=\"main\",cluster=\"failover\"} 0",
    "turnout_active_cluster{logical=\"eu\",cluster=\"main\"} 0",
    "turnout_active_cluster{logical=\"eu\",cluster=\"failover\"} 1",
    "turnout_switch_generation{logical=\"main\"} 3",
    "turnout_switch_generation{logical=\"eu\"} 0",
    "turnout_switch_last_success{logical=\"main\"} 1",
    "turnout_switch_last_timestamp_seconds{logical=\"main\"} 1763892000",
    "turnout_switch_last_duration_seconds{logical=\"main\"} 1.042",
    "turnout_switch_last_held_seconds{logical=\"main\"} 0.037",
    "turnout_config_snapshot 7",
    "turnout_config_faults{severity=\"error\"} 1",
    "turnout_config_faults{severity=\"warning\"} 4",
    "turnout_config_last_load_success 0",
    "turnout_config_last_load_timestamp_seconds 1763893111",
    "turnout_vclusters 2",
    "turnout_clients_connected 5",
    "turnout_client_connections_total 61",
    "turnout_requests_total 1234",
    "turnout_lookups_total 37",
    "turnout_received_bytes_total 5000000001",
    "turnout_sent_bytes_total 7000000002",
    "turnout_auth_total{result=\"ok\"} 43",
    "turnout_auth_total{result=\"refused\"} 17",
    "turnout_protocol_closed_total 11",
    "turnout_upstream_connects_total 29",
    "turnout_upstream_failures_total 13",
    "turnout_requests_denied_total 53",
    "turnout_user_connections{vcluster=\"teamA\",user=\"sa\"} 23",
    "turnout_user_refused_total{vcluster=\"teamA\",user=\"sa\"} 31",
    "turnout_user_throttled_seconds_total{vcluster=\"teamA\",user=\"sa\"} 37.001",
    "turnout_held_discarded_total 19",
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

/* A load that was refused, so that its flag is not one of the many that are 1. */
static struct ctl *
world_with_faults(void)
{
	struct ctl *ctl = fake_ctl_new();

	faults_add(ctl->faults, FAULT_ERROR, "a.yaml", 1, 2, "k", "text");
	for (size_t i = 0; i < 4; i++)
		faults_add(ctl->faults, FAULT_WARNING, "a.yaml", 1, 2, "k", "text");
	ctl->taken = false;
	return ctl;
}

Test(metrics, values)
{
	struct ctl *ctl = world_with_faults();
	char *text = scrape(ctl);
	char *rest = text;
	char *line;
	size_t count = 0;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line == '#' || *line == '\0')
			continue;
		cr_assert(count < SAMPLES, "one too many: %s", line);
		cr_assert(strcmp(line, samples[count]) == 0, "%s instead of %s", line,
			  samples[count]);
		count++;
	}
	cr_assert(count == SAMPLES, "%zu samples of %zu", count, SAMPLES);
	free(text);
	fake_ctl_free(&ctl);
}

/* A row that is added without a value above is not tested: that must be seen. */
Test(metrics, every_row_has_a_value_here)
{
	for (size_t i = 0; i < metrics_count; i++) {
		size_t length = strlen(metrics[i].name);
		bool found = false;

		for (size_t j = 0; j < SAMPLES && !found; j++)
			found = strncmp(samples[j], metrics[i].name, length) == 0 &&
				(samples[j][length] == ' ' || samples[j][length] == '{');
		cr_assert(found, "%s", metrics[i].name);
	}
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
