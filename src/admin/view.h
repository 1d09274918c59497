/* SPDX-License-Identifier: Apache-2.0
 *
 * What the API shows, built from what ctl/ tells: JSON values, the status page, metrics. Read only;
 * secrets are replaced by "***" here. Every function returns a new reference that the caller owns.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/bytes.h"
#include "config/load.h"
#include "config/snapshot.h"
#include "ctl/ctl.h"

/* A JSON string of any bytes: what is not UTF-8 becomes "?". NULL gives null. */
json_t *view_text(const char *text);
/* Seconds since 1970 as "2026-11-22T10:00:00Z"; 0 gives null. */
json_t *view_time(int64_t seconds);

/* The seed's shape: {"status", "checks": [{"id", "status"}...], "outcome"}. */
json_t *view_health(void);
json_t *view_health_live(void);
/* why: the reason why not ready, or NULL when ready. */
json_t *view_health_ready(const char *why);
json_t *view_versions(void);

/* All logical and physical clusters and the latest switches. */
json_t *view_clusters(struct ctl *ctl);
/* One cluster by id, logical or physical or both; NULL where neither has it. */
json_t *view_cluster(struct ctl *ctl, const char *id);
/* Is this property's value a secret by its name? */
bool view_is_secret(const char *property);
/* The answer to a switch that went well. */
json_t *view_switched(const char *logical, const struct switch_result *result, bool dry_run);
/* The latest switches of one logical cluster, or of all (NULL). */
json_t *view_switches(struct ctl *ctl, const char *logical);

json_t *view_vclusters(const struct snapshot *snap);
json_t *view_vcluster(const struct vcluster *vc);
/* names: virtual, as ctl_topics() gives them; the file's aliases are merged in, sorted by name. */
json_t *view_topics(const struct vcluster *vc, const char *const *names, size_t count);
/* One topic, alias or not. */
json_t *view_topic(const struct vcluster *vc, const char *name);
bool view_has_alias(const struct vcluster *vc, const char *topic);
/* What a mapping that is there is answered with. */
json_t *view_alias(const struct vcluster *vc, const char *topic);

json_t *view_config(struct ctl *ctl);
json_t *view_faults(const struct faults *faults);

/* The API's description, from routes.def. */
json_t *view_openapi(void);
/* The status page: HTML, everything escaped, nothing loaded from anywhere. */
void view_page(struct ctl *ctl, struct bytes *out);
/* All metrics as Prometheus text. */
void view_metrics(struct ctl *ctl, struct bytes *out);
