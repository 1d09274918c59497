/* SPDX-License-Identifier: Apache-2.0
 *
 * The probes of the configured clusters. on_result() is where an answer changes the world.
 */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ctl/control.h"

static void
on_result(void *arg, const struct probe_result *result)
{
	struct cluster_probe *cp = arg;
	struct ctl *ctl = cp->ctl;
	unsigned changes = member_apply(cp->member, result, (size_t)ctl->snap->settings.port_count,
					clock_now_ms());

	if (changes & MEMBER_STATE)
		ctl_save_state(ctl);
	/* First the switch that may wait for this answer: its flip publishes all there is. */
	move_on_probe(ctl, cp->member, result);
	if (changes & MEMBER_WORLD)
		ctl_publish_soon(ctl);
	if (result->reachable)
		ctl_drive_switches(ctl, cp->member->name);
}

static struct cluster_probe *
get_probe(struct ctl *ctl, struct member *member)
{
	struct cluster_probe *cp;

	for (size_t i = 0; i < ctl->probes_count; i++)
		if (ctl->probes[i]->member == member)
			return ctl->probes[i];
	cp = mem_zalloc(sizeof(*cp));
	cp->ctl = ctl;
	cp->member = member;
	ctl->probes = mem_grow(ctl->probes, &ctl->probes_capacity, ctl->probes_count + 1,
			       sizeof(struct cluster_probe *));
	ctl->probes[ctl->probes_count++] = cp;
	return cp;
}

struct probe *
ctl_probe(struct ctl *ctl, const char *cluster)
{
	for (size_t i = 0; i < ctl->probes_count; i++)
		if (strcmp(ctl->probes[i]->member->name, cluster) == 0)
			return ctl->probes[i]->probe;
	return NULL;
}

static void
configure_cluster(struct ctl *ctl, const struct cluster *cluster, const struct settings *settings)
{
	struct member *member = fleet_get(&ctl->fleet, cluster->name);
	struct cluster_probe *cp = get_probe(ctl, member);
	struct probe_settings want = {.interval_ms = settings->probe_interval_ms,
				      .timeout_ms = settings->probe_timeout_ms,
				      .connect_ms = settings->connect_timeout_ms,
				      .servers = cluster->bootstrap,
				      .servers_count = cluster->bootstrap_count};
	struct err err;

	member->configured = true;
	if (cp->probe == NULL) {
		cp->probe = probe_start(ctl->loop, &want, on_result, cp, &err);
		if (cp->probe == NULL)
			log_error("probe.failed", KV_STR("cluster", cluster->name),
				  KV_STR("why", err.text));
	} else {
		probe_update(cp->probe, &want);
		probe_now(cp->probe);
	}
}

void
ctl_configure_clusters(struct ctl *ctl, const struct snapshot *snap)
{
	for (size_t i = 0; i < ctl->fleet.count; i++)
		ctl->fleet.members[i]->configured = false;
	for (size_t i = 0; i < snap->clusters_count; i++)
		configure_cluster(ctl, &snap->clusters[i], &snap->settings);
	for (size_t i = 0; i < ctl->probes_count; i++) {
		struct cluster_probe *cp = ctl->probes[i];

		if (cp->member->configured || cp->probe == NULL)
			continue;
		probe_stop(&cp->probe);
		cp->member->reachable = false;
		cp->member->known = false;
		cp->member->checked_at = -1;
	}
}

void
ctl_stop_probes(struct ctl *ctl)
{
	for (size_t i = 0; i < ctl->probes_count; i++) {
		probe_stop(&ctl->probes[i]->probe);
		free(ctl->probes[i]);
	}
	free(ctl->probes);
	ctl->probes = NULL;
	ctl->probes_count = 0;
}
