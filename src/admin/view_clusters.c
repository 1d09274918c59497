/* SPDX-License-Identifier: Apache-2.0
 *
 * Views of clusters and switches. The values of secret properties never leave this file.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "admin/view.h"
#include "base/bytes.h"

/* A property with one of these in its name is not shown: better one too many than one too few. */
static const char *const secret_words[] = {"password", "secret", "jaas",
					   "key",      "token",  "credential"};

bool
view_is_secret(const char *property)
{
	for (size_t i = 0; i < sizeof(secret_words) / sizeof(secret_words[0]); i++) {
		if (strcasestr(property, secret_words[i]) != NULL)
			return true;
	}
	return false;
}

static json_t *
properties(const struct cluster *cluster)
{
	json_t *out = json_object();

	for (size_t i = 0; i < cluster->properties_count; i++) {
		const struct property *property = &cluster->properties[i];

		json_object_set_new(out, property->name,
				    view_is_secret(property->name) ? json_string("***")
								   : view_text(property->value));
	}
	return out;
}

static json_t *
bootstrap_servers(const struct cluster *cluster)
{
	struct bytes text = {0};
	json_t *out;

	for (size_t i = 0; i < cluster->bootstrap_count; i++) {
		const struct bootstrap *server = &cluster->bootstrap[i];
		bool v6 = strchr(server->host, ':') != NULL;
		char one[300];
		int length = snprintf(one, sizeof(one), "%s%s%s%s:%u", i > 0 ? "," : "",
				      v6 ? "[" : "", server->host, v6 ? "]" : "", server->port);

		bytes_add(&text, one,
			  (size_t)length < sizeof(one) ? (size_t)length : sizeof(one) - 1);
	}
	bytes_add_u8(&text, 0);
	out = view_text((const char *)text.data);
	bytes_free(&text);
	return out;
}

static json_t *
brokers(const struct cluster_status *status)
{
	json_t *out = json_array();

	for (size_t i = 0; i < status->brokers_count; i++) {
		const struct broker_status *broker = &status->brokers[i];

		json_array_append_new(
		    out, json_pack("{s:i, s:o, s:i, s:o, s:b}", "id", (int)broker->id, "host",
				   view_text(broker->host), "port", (int)broker->port, "vnode",
				   broker->vnode >= 0 ? json_integer(broker->vnode) : json_null(),
				   "present", (int)broker->present));
	}
	return out;
}

/* Names of the logical clusters that a physical one serves now. */
static json_t *
serves(struct ctl *ctl, const char *cluster)
{
	const struct world *world = ctl_world(ctl);
	json_t *out = json_array();

	for (size_t i = 0; i < world->snap->logicals_count; i++) {
		if (strcmp(world->routes[i].cluster, cluster) == 0)
			json_array_append_new(out, view_text(world->routes[i].logical));
	}
	return out;
}

static json_t *
physical(struct ctl *ctl, size_t index)
{
	const struct cluster *cluster = &ctl_world(ctl)->snap->clusters[index];
	struct cluster_status status = {.checked_ms_ago = -1};
	json_t *out = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "id", view_text(cluster->name),
				"bootstrap.servers", bootstrap_servers(cluster),
				"security.protocol", view_text(cluster->security_protocol),
				"gateway.roles", view_text(cluster->roles), "properties",
				properties(cluster), "serves", serves(ctl, cluster->name));

	if (!ctl_cluster_status(ctl, index, &status))
		snprintf(status.error, sizeof(status.error), "not probed yet");
	json_object_set_new(out, "reachable", json_boolean(status.reachable));
	json_object_set_new(out, "known", json_boolean(status.known));
	json_object_set_new(out, "checkedMsAgo",
			    status.checked_ms_ago >= 0 ? json_integer(status.checked_ms_ago)
						       : json_null());
	json_object_set_new(out, "error",
			    status.error[0] != '\0' ? view_text(status.error) : json_null());
	json_object_set_new(out, "kafkaClusterId",
			    status.kafka_cluster_id[0] != '\0' ? view_text(status.kafka_cluster_id)
							       : json_null());
	json_object_set_new(out, "brokers", brokers(&status));
	return out;
}

/* The numbers of a switch that both its answer and the history show. */
static void
add_result(json_t *out, const struct switch_result *result)
{
	json_object_set_new(out, "from", view_text(result->from));
	json_object_set_new(out, "to", view_text(result->to));
	json_object_set_new(out, "generation", json_integer((json_int_t)result->generation));
	json_object_set_new(out, "moved", json_boolean(result->moved));
	json_object_set_new(out, "durationMs", json_integer(result->duration_ms));
	json_object_set_new(out, "heldMs", json_integer(result->held_ms));
	json_object_set_new(out, "connections", json_integer(result->connections));
	json_object_set_new(out, "held", json_integer(result->held));
	json_object_set_new(out, "cut", json_integer(result->cut));
	json_object_set_new(out, "workers", json_integer(result->workers));
}

json_t *
view_switched(const char *logical, const struct switch_result *result, bool dry_run)
{
	json_t *out =
	    json_pack("{s:s, s:o}", "message", dry_run ? "Switch possible" : "Cluster switched",
		      "cluster", view_text(logical));

	add_result(out, result);
	return out;
}

json_t *
view_switches(struct ctl *ctl, const char *logical)
{
	const struct switch_record *records;
	size_t count = ctl_switch_history(ctl, &records);
	json_t *out = json_array();

	for (size_t i = 0; i < count; i++) {
		const struct switch_record *record = &records[i];
		json_t *one;

		if (logical != NULL && strcmp(record->logical, logical) != 0)
			continue;
		one =
		    json_pack("{s:o, s:o, s:o, s:b, s:o}", "at", view_time(record->at), "who",
			      view_text(record->who), "cluster", view_text(record->logical), "ok",
			      (int)record->result.ok, "error",
			      record->result.ok ? json_null() : view_text(record->result.err.text));
		add_result(one, &record->result);
		json_array_append_new(out, one);
	}
	return out;
}

static json_t *
logical(struct ctl *ctl, size_t index)
{
	const struct world *world = ctl_world(ctl);
	const struct route *route = &world->routes[index];
	size_t vclusters = 0;

	for (size_t i = 0; i < world->snap->vclusters_count; i++)
		vclusters += world->snap->vclusters[i].logical == index;
	return json_pack("{s:o, s:o, s:I, s:o, s:I}", "id", view_text(route->logical), "active",
			 view_text(route->cluster), "generation", (json_int_t)route->generation,
			 "state", view_text(ctl_switch_state(ctl, route->logical)), "vclusters",
			 (json_int_t)vclusters);
}

json_t *
view_clusters(struct ctl *ctl)
{
	const struct snapshot *snap = ctl_world(ctl)->snap;
	json_t *logicals = json_array();
	json_t *physicals = json_array();

	for (size_t i = 0; i < snap->logicals_count; i++)
		json_array_append_new(logicals, logical(ctl, i));
	for (size_t i = 0; i < snap->clusters_count; i++)
		json_array_append_new(physicals, physical(ctl, i));
	return json_pack("{s:o, s:o, s:o}", "logical", logicals, "physical", physicals, "switches",
			 view_switches(ctl, NULL));
}

json_t *
view_cluster(struct ctl *ctl, const char *id)
{
	const struct snapshot *snap = ctl_world(ctl)->snap;
	int logical_index = snapshot_logical(snap, id);
	int physical_index = snapshot_cluster(snap, id);
	json_t *out;

	if (logical_index < 0 && physical_index < 0)
		return NULL;
	out = logical_index >= 0 ? logical(ctl, (size_t)logical_index)
				 : json_pack("{s:o}", "id", view_text(id));
	if (logical_index >= 0)
		json_object_set_new(out, "switches", view_switches(ctl, id));
	if (physical_index >= 0)
		json_object_set_new(out, "physical", physical(ctl, (size_t)physical_index));
	return out;
}
