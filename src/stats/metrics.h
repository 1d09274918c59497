/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics as Prometheus text: the table metrics.def and the one writer of the format. Where the
 * values come from is not known here: a collector per row adds samples (admin/view_metrics.c).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/bytes.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE };

struct metric {
	const char *name;
	const char *help;
	enum metric_type type;
};

extern const struct metric metrics[];
extern const size_t metrics_count;

struct metric_label {
	const char *name;
	const char *value;
};

/* Writes HELP and TYPE of a metric; its samples follow. */
void metrics_begin(struct bytes *out, const struct metric *metric);
/* Writes one sample of a metric; label values are escaped. count may be 0. */
void metrics_sample(struct bytes *out, const struct metric *metric,
		    const struct metric_label *labels, size_t count, uint64_t value);
/* Likewise, of a number of milliseconds that is shown as seconds. */
void metrics_sample_ms(struct bytes *out, const struct metric *metric,
		       const struct metric_label *labels, size_t count, int64_t milliseconds);
