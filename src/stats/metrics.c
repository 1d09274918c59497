/* SPDX-License-Identifier: Apache-2.0
 *
 * The metric table and the text format.
 */
#include "stats/metrics.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define METRIC(name, type, help, source) {name, help, METRIC_##type},
const struct metric metrics[] = {
#include "stats/metrics.def"
};
#undef METRIC
const size_t metrics_count = sizeof(metrics) / sizeof(metrics[0]);

static void
add(struct bytes *out, const char *text)
{
	bytes_add(out, text, strlen(text));
}

void
metrics_begin(struct bytes *out, const struct metric *metric)
{
	add(out, "# HELP ");
	add(out, metric->name);
	add(out, " ");
	add(out, metric->help);
	add(out, "\n# TYPE ");
	add(out, metric->name);
	add(out, metric->type == METRIC_COUNTER ? " counter\n" : " gauge\n");
}

static void
add_escaped(struct bytes *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\' || *text == '"')
			bytes_add_u8(out, '\\');
		if (*text == '\n')
			add(out, "\\n");
		else
			bytes_add_u8(out, (uint8_t)*text);
	}
}

static void
add_sample(struct bytes *out, const struct metric *metric, const struct metric_label *labels,
	   size_t count, const char *value)
{
	add(out, metric->name);
	for (size_t i = 0; i < count; i++) {
		add(out, i == 0 ? "{" : ",");
		add(out, labels[i].name);
		add(out, "=\"");
		add_escaped(out, labels[i].value);
		add(out, "\"");
	}
	add(out, count > 0 ? "} " : " ");
	add(out, value);
	add(out, "\n");
}

void
metrics_sample(struct bytes *out, const struct metric *metric, const struct metric_label *labels,
	       size_t count, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	add_sample(out, metric, labels, count, text);
}

void
metrics_sample_ms(struct bytes *out, const struct metric *metric, const struct metric_label *labels,
		  size_t count, int64_t milliseconds)
{
	char text[48];

	snprintf(text, sizeof(text), "%" PRId64 ".%03d", milliseconds / 1000,
		 (int)(milliseconds % 1000));
	add_sample(out, metric, labels, count, text);
}
