/* SPDX-License-Identifier: Apache-2.0
 *
 * The physical clusters as known. The rule of the slots: a broker id that was seen once keeps its
 * slot for ever; new ids are appended in ascending order.
 */
#include "ctl/fleet.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/mem.h"
#include "kafka/apis.h"

void
fleet_free(struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->count; i++) {
		free(fleet->members[i]->name);
		free(fleet->members[i]->slots);
		free(fleet->members[i]->statuses);
		free(fleet->members[i]);
	}
	free(fleet->members);
	*fleet = (struct fleet){0};
}

struct member *
fleet_find(const struct fleet *fleet, const char *name)
{
	for (size_t i = 0; i < fleet->count; i++)
		if (strcmp(fleet->members[i]->name, name) == 0)
			return fleet->members[i];
	return NULL;
}

struct member *
fleet_get(struct fleet *fleet, const char *name)
{
	struct member *member = fleet_find(fleet, name);

	if (member != NULL)
		return member;
	member = mem_zalloc(sizeof(*member));
	member->name = mem_strdup(name);
	member->checked_at = -1;
	fleet->members =
	    mem_grow(fleet->members, &fleet->capacity, fleet->count + 1, sizeof(struct member *));
	fleet->members[fleet->count++] = member;
	return member;
}

static struct slot *
find_slot(const struct member *member, int32_t broker_id)
{
	for (size_t i = 0; i < member->slots_count; i++)
		if (member->slots[i].broker_id == broker_id)
			return &member->slots[i];
	return NULL;
}

bool
member_add_slot(struct member *member, int32_t broker_id, const char *host, uint16_t port,
		size_t slots_max)
{
	struct slot *slot;

	if (member->slots_count >= slots_max || broker_id < 0 ||
	    find_slot(member, broker_id) != NULL)
		return false;
	member->slots = mem_grow(member->slots, &member->slots_capacity, member->slots_count + 1,
				 sizeof(*member->slots));
	slot = &member->slots[member->slots_count++];
	memset(slot, 0, sizeof(*slot));
	slot->broker_id = broker_id;
	slot->port = port;
	snprintf(slot->host, sizeof(slot->host), "%s", host);
	return true;
}

static bool
has_address(const struct slot *slot, const struct sockaddr_storage *address)
{
	for (unsigned i = 0; i < slot->addresses_count; i++)
		if (memcmp(&slot->addresses[i], address, sizeof(*address)) == 0)
			return true;
	return false;
}

/* Name servers rotate their answers; the order alone is no change. */
static bool
same_addresses(const struct slot *slot, const struct probe_broker *broker)
{
	if (slot->addresses_count != broker->addresses_count)
		return false;
	for (unsigned i = 0; i < broker->addresses_count; i++)
		if (!has_address(slot, &broker->addresses[i]))
			return false;
	return true;
}

/* Brings one slot up to date; broker NULL: the cluster does not name it now. */
static unsigned
update_slot(struct slot *slot, const struct probe_broker *broker)
{
	unsigned changes = 0;
	bool moved;

	if (broker == NULL) {
		changes = slot->present ? MEMBER_WORLD : 0;
		slot->present = false;
		return changes;
	}
	moved = slot->port != broker->port || strcmp(slot->host, broker->host) != 0;
	if (moved) {
		changes |= MEMBER_STATE | MEMBER_WORLD;
		memcpy(slot->host, broker->host, sizeof(slot->host));
		slot->port = broker->port;
		slot->addresses_count = 0;
	}
	if (broker->addresses_count > 0 && !same_addresses(slot, broker)) {
		changes |= MEMBER_WORLD;
		memcpy(slot->addresses, broker->addresses, sizeof(slot->addresses));
		slot->addresses_count = broker->addresses_count;
	}
	/* A name that cannot be resolved just now keeps the addresses it had. */
	if (slot->present != (slot->addresses_count > 0)) {
		changes |= MEMBER_WORLD;
		slot->present = slot->addresses_count > 0;
	}
	return changes;
}

static const struct probe_broker *
find_broker(const struct probe_result *result, int32_t id)
{
	for (size_t i = 0; i < result->brokers_count; i++)
		if (result->brokers[i].id == id)
			return &result->brokers[i];
	return NULL;
}

static int
compare_ids(const void *a, const void *b)
{
	int32_t left = *(const int32_t *)a;
	int32_t right = *(const int32_t *)b;

	return (left > right) - (left < right);
}

static void
report_overflow(struct member *member, size_t slots_max)
{
	if (member->overflowed)
		return;
	member->overflowed = true;
	log_error("cluster.ports_exhausted", KV_STR("cluster", member->name),
		  KV_INT("ports", slots_max),
		  KV_STR("what", "the cluster has more brokers than there are ports; raise "
				 "port.count and restart"));
}

static unsigned
append_slots(struct member *member, const struct probe_result *result, size_t slots_max)
{
	int32_t *ids = mem_alloc((result->brokers_count + 1) * sizeof(*ids));
	unsigned changes = 0;

	for (size_t i = 0; i < result->brokers_count; i++)
		ids[i] = result->brokers[i].id;
	qsort(ids, result->brokers_count, sizeof(*ids), compare_ids);
	for (size_t i = 0; i < result->brokers_count; i++) {
		const struct probe_broker *broker = find_broker(result, ids[i]);

		if (ids[i] < 0 || find_slot(member, ids[i]) != NULL)
			continue;
		if (!member_add_slot(member, ids[i], broker->host, broker->port, slots_max)) {
			report_overflow(member, slots_max);
			break;
		}
		log_info("cluster.broker", KV_STR("cluster", member->name), KV_INT("id", ids[i]),
			 KV_INT("vnode", member->slots_count - 1));
		changes |= MEMBER_STATE | MEMBER_WORLD;
	}
	free(ids);
	return changes;
}

static unsigned
update_apis(struct member *member, const struct api_range *apis)
{
	size_t size = sizeof(member->apis);

	if (member->apis_known && memcmp(member->apis, apis, size) == 0)
		return 0;
	memcpy(member->apis, apis, size);
	member->apis_known = true;
	return MEMBER_STATE | MEMBER_WORLD;
}

static unsigned
update_identity(struct member *member, const char *id)
{
	if (id[0] == '\0' || strcmp(member->kafka_cluster_id, id) == 0)
		return 0;
	if (member->kafka_cluster_id[0] != '\0')
		log_warn("cluster.replaced", KV_STR("cluster", member->name),
			 KV_STR("before", member->kafka_cluster_id), KV_STR("now", id),
			 KV_STR("what", "another Kafka cluster answers under this name"));
	snprintf(member->kafka_cluster_id, sizeof(member->kafka_cluster_id), "%s", id);
	return MEMBER_STATE;
}

static unsigned
go_down(struct member *member, const char *why)
{
	bool first = member->error[0] == '\0';
	bool was = member->reachable;

	member->reachable = false;
	snprintf(member->error, sizeof(member->error), "%s", why);
	if (!was && !first)
		return 0;
	log_warn("cluster.down", KV_STR("cluster", member->name), KV_STR("why", why));
	return MEMBER_DOWN;
}

unsigned
member_apply(struct member *member, const struct probe_result *result, size_t slots_max,
	     int64_t now)
{
	unsigned changes;

	member->checked_at = now;
	if (!result->reachable)
		return go_down(member, result->error);
	changes = append_slots(member, result, slots_max);
	for (size_t i = 0; i < member->slots_count; i++) {
		struct slot *slot = &member->slots[i];

		changes |= update_slot(slot, find_broker(result, slot->broker_id));
	}
	changes |= update_apis(member, result->apis);
	changes |= update_identity(member, result->kafka_cluster_id);
	if (!member->reachable) {
		log_info("cluster.up", KV_STR("cluster", member->name),
			 KV_INT("brokers", result->brokers_count),
			 KV_STR("kafka_cluster_id", member->kafka_cluster_id));
		changes |= MEMBER_UP;
	}
	member->known = true;
	member->reachable = true;
	member->error[0] = '\0';
	return changes;
}

void
fleet_apis(const struct fleet *fleet, struct api_range apis[WORLD_API_KEYS])
{
	world_apis_init(apis);
	for (size_t i = 0; i < fleet->count; i++) {
		const struct member *member = fleet->members[i];

		if (!member->configured || !member->apis_known)
			continue;
		for (size_t j = 0; j < kafka_apis_count; j++) {
			int key = kafka_apis[j].key;

			/* What the gateway answers itself does not depend on brokers. */
			if (kafka_apis[j].policy != API_LOCAL)
				world_apis_intersect(apis, key, member->apis[key].min,
						     member->apis[key].max);
		}
	}
}

size_t
fleet_vnodes(const struct fleet *fleet)
{
	size_t most = 1;

	for (size_t i = 0; i < fleet->count; i++)
		if (fleet->members[i]->configured && fleet->members[i]->slots_count > most)
			most = fleet->members[i]->slots_count;
	return most;
}

void
member_status(struct member *member, int64_t now, struct cluster_status *out)
{
	memset(out, 0, sizeof(*out));
	out->name = member->name;
	out->known = member->known;
	out->reachable = member->reachable;
	out->checked_ms_ago = member->checked_at < 0 ? -1 : now - member->checked_at;
	snprintf(out->error, sizeof(out->error), "%s",
		 member->checked_at < 0 ? "not asked yet" : member->error);
	memcpy(out->kafka_cluster_id, member->kafka_cluster_id, sizeof(out->kafka_cluster_id));
	member->statuses =
	    mem_realloc(member->statuses, member->slots_count * sizeof(*member->statuses));
	for (size_t i = 0; i < member->slots_count; i++) {
		struct broker_status *status = &member->statuses[i];

		memset(status, 0, sizeof(*status));
		status->id = member->slots[i].broker_id;
		memcpy(status->host, member->slots[i].host, sizeof(status->host));
		status->port = member->slots[i].port;
		status->vnode = (int)i;
		status->present = member->slots[i].present;
	}
	out->brokers = member->statuses;
	out->brokers_count = member->slots_count;
}
