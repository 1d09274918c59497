/* SPDX-License-Identifier: Apache-2.0
 *
 * Where each metric's values come from: the source column of stats/metrics.def made functions.
 */
#include "config.h"
#include <string.h>
#include "admin/view.h"
#include "base/ensure.h"
#include "stats/metrics.h"

/* What a collector writes to. */
struct scrape {
	struct ctl *ctl;
	struct bytes *out;
	const struct metric *metric;
	struct worker_counters counters;
};

typedef void (*collect_fn)(struct scrape *scrape);

static void
sample(struct scrape *scrape, uint64_t value)
{
	metrics_sample(scrape->out, scrape->metric, NULL, 0, value);
}

static void
sample_with(struct scrape *scrape, const char *label, const char *text, uint64_t value)
{
	const struct metric_label labels[] = {{label, text}};

	metrics_sample(scrape->out, scrape->metric, labels, 1, value);
}

static const struct snapshot *
snapshot_of(struct scrape *scrape)
{
	return ctl_world(scrape->ctl)->snap;
}

static void
collect_build_info(struct scrape *scrape)
{
	sample_with(scrape, "version", PACKAGE_VERSION, 1);
}

static void
collect_uptime(struct scrape *scrape)
{
	metrics_sample_ms(scrape->out, scrape->metric, NULL, 0, ctl_uptime_ms(scrape->ctl));
}

static void
collect_ready(struct scrape *scrape)
{
	char why[256];

	sample(scrape, ctl_is_ready(scrape->ctl, why, sizeof(why)));
}

static void
collect_cluster_up(struct scrape *scrape)
{
	const struct snapshot *snap = snapshot_of(scrape);

	for (size_t i = 0; i < snap->clusters_count; i++) {
		struct cluster_status status;
		bool up = ctl_cluster_status(scrape->ctl, i, &status) && status.reachable;

		sample_with(scrape, "cluster", snap->clusters[i].name, up);
	}
}

static void
collect_cluster_brokers(struct scrape *scrape)
{
	const struct snapshot *snap = snapshot_of(scrape);

	for (size_t i = 0; i < snap->clusters_count; i++) {
		struct cluster_status status;
		uint64_t present = 0;

		if (!ctl_cluster_status(scrape->ctl, i, &status))
			continue;
		for (size_t j = 0; j < status.brokers_count; j++)
			present += status.brokers[j].present;
		sample_with(scrape, "cluster", snap->clusters[i].name, present);
	}
}

static void
collect_active_cluster(struct scrape *scrape)
{
	const struct world *world = ctl_world(scrape->ctl);
	const struct snapshot *snap = world->snap;

	for (size_t i = 0; i < snap->logicals_count; i++) {
		for (size_t j = 0; j < snap->clusters_count; j++) {
			const struct metric_label labels[] = {
			    {"logical", world->routes[i].logical},
			    {"cluster", snap->clusters[j].name},
			};

			metrics_sample(scrape->out, scrape->metric, labels, 2,
				       strcmp(world->routes[i].cluster, snap->clusters[j].name) ==
					   0);
		}
	}
}

static void
collect_switch_generation(struct scrape *scrape)
{
	const struct world *world = ctl_world(scrape->ctl);

	for (size_t i = 0; i < world->snap->logicals_count; i++)
		sample_with(scrape, "logical", world->routes[i].logical,
			    world->routes[i].generation);
}

/* Calls write with the newest record of each logical cluster that was ever switched. */
static void
each_last_switch(struct scrape *scrape,
		 void (*write)(struct scrape *scrape, const struct switch_record *record))
{
	const struct snapshot *snap = snapshot_of(scrape);
	const struct switch_record *records;
	size_t count = ctl_switch_history(scrape->ctl, &records);

	for (size_t i = 0; i < snap->logicals_count; i++) {
		for (size_t j = 0; j < count; j++) {
			if (strcmp(records[j].logical, snap->logicals[i].name) == 0) {
				write(scrape, &records[j]);
				break;
			}
		}
	}
}

static void
write_success(struct scrape *scrape, const struct switch_record *record)
{
	sample_with(scrape, "logical", record->logical, record->result.ok);
}

static void
collect_switch_last_success(struct scrape *scrape)
{
	each_last_switch(scrape, write_success);
}

static void
write_timestamp(struct scrape *scrape, const struct switch_record *record)
{
	sample_with(scrape, "logical", record->logical, (uint64_t)record->at);
}

static void
collect_switch_last_timestamp(struct scrape *scrape)
{
	each_last_switch(scrape, write_timestamp);
}

static void
write_ms(struct scrape *scrape, const struct switch_record *record, int64_t milliseconds)
{
	const struct metric_label labels[] = {{"logical", record->logical}};

	metrics_sample_ms(scrape->out, scrape->metric, labels, 1, milliseconds);
}

static void
write_duration(struct scrape *scrape, const struct switch_record *record)
{
	write_ms(scrape, record, record->result.duration_ms);
}

static void
collect_switch_last_duration(struct scrape *scrape)
{
	each_last_switch(scrape, write_duration);
}

static void
write_held(struct scrape *scrape, const struct switch_record *record)
{
	write_ms(scrape, record, record->result.held_ms);
}

static void
collect_switch_last_held(struct scrape *scrape)
{
	each_last_switch(scrape, write_held);
}

static void
collect_config_snapshot(struct scrape *scrape)
{
	sample(scrape, snapshot_of(scrape)->number);
}

static void
collect_config_faults(struct scrape *scrape)
{
	const struct faults *faults = ctl_faults(scrape->ctl);
	size_t errors = faults_errors(faults);

	sample_with(scrape, "severity", "error", errors);
	sample_with(scrape, "severity", "warning", faults_count(faults) - errors);
}

static void
collect_config_last_success(struct scrape *scrape)
{
	int64_t at;
	bool taken;

	ctl_last_load(scrape->ctl, &at, &taken);
	sample(scrape, taken);
}

static void
collect_config_last_timestamp(struct scrape *scrape)
{
	int64_t at;
	bool taken;

	ctl_last_load(scrape->ctl, &at, &taken);
	sample(scrape, (uint64_t)at);
}

static void
collect_vclusters(struct scrape *scrape)
{
	sample(scrape, snapshot_of(scrape)->vclusters_count);
}

static void
collect_auth(struct scrape *scrape)
{
	sample_with(scrape, "result", "ok", scrape->counters.auth_ok);
	sample_with(scrape, "result", "refused", scrape->counters.auth_refused);
}

/* Of every user with limits. */
static void
each_meter(struct scrape *scrape,
	   void (*write)(struct scrape *scrape, const struct metric_label *labels,
			 const struct meter *meter))
{
	const struct world *world = ctl_world(scrape->ctl);

	for (size_t i = 0; i < world->meters_count; i++) {
		const struct metric_label labels[] = {
		    {"vcluster", world->meters[i].vcluster},
		    {"user", world->meters[i].user},
		};

		write(scrape, labels, world->meters[i].meter);
	}
}

static void
write_connections(struct scrape *scrape, const struct metric_label *labels,
		  const struct meter *meter)
{
	metrics_sample(scrape->out, scrape->metric, labels, 2,
		       (uint64_t)atomic_load(&meter->connections));
}

static void
collect_user_connections(struct scrape *scrape)
{
	each_meter(scrape, write_connections);
}

static void
write_refused(struct scrape *scrape, const struct metric_label *labels, const struct meter *meter)
{
	metrics_sample(scrape->out, scrape->metric, labels, 2, atomic_load(&meter->refused));
}

static void
collect_user_refused(struct scrape *scrape)
{
	each_meter(scrape, write_refused);
}

static void
write_throttled(struct scrape *scrape, const struct metric_label *labels, const struct meter *meter)
{
	metrics_sample_ms(scrape->out, scrape->metric, labels, 2,
			  (int64_t)atomic_load(&meter->throttled_ms));
}

static void
collect_user_throttled(struct scrape *scrape)
{
	each_meter(scrape, write_throttled);
}

/* A row's source: a collector, or where in the workers' counters the value is. */
static const struct source {
	collect_fn collect;
	size_t offset;
} sources[] = {
#define WORKERS(member)                                                                            \
	{                                                                                          \
		.offset = offsetof(struct worker_counters, member)                                 \
	}
#define COLLECT(name)                                                                              \
	{                                                                                          \
		.collect = collect_##name                                                          \
	}
#define METRIC(name, type, help, source) source,
#include "stats/metrics.def"
#undef METRIC
};

void
view_metrics(struct ctl *ctl, struct bytes *out)
{
	struct scrape scrape = {.ctl = ctl, .out = out};

	ENSURE(sizeof(sources) / sizeof(sources[0]) == metrics_count);
	ctl_counters(ctl, &scrape.counters);
	for (size_t i = 0; i < metrics_count; i++) {
		uint64_t value;

		scrape.metric = &metrics[i];
		metrics_begin(out, &metrics[i]);
		if (sources[i].collect != NULL) {
			sources[i].collect(&scrape);
			continue;
		}
		memcpy(&value, (const char *)&scrape.counters + sources[i].offset, sizeof(value));
		sample(&scrape, value);
	}
}
