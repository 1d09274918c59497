/* SPDX-License-Identifier: Apache-2.0
 *
 * What the data plane sees: one immutable value per publication. The snapshot's words made runtime:
 * where each logical cluster leads now, which API versions may be offered, which keys verify
 * tokens. Built by ctl/, read by workers, swapped by one pointer in each worker, shared by
 * reference count.
 *
 * A vnode is a broker as clients see it: vnode i has node id i and port settings.port_start + i,
 * for ever. A physical cluster's brokers are bound to vnodes by slots: slots[i] is the broker
 * behind vnode i. A broker keeps its slot for ever (kept in the state directory), also while it is
 * down; at first sight they are given out in ascending broker id.
 */
#pragma once
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "auth/jwt.h"
#include "config/snapshot.h"
#include "proxy/meter.h"

#define BROKER_ADDRESSES 4
#define WORLD_API_KEYS   128

/* A broker of a physical cluster, as its own metadata names it, resolved. */
struct slot {
	int32_t broker_id;
	bool present; /* in the cluster's latest metadata and resolved; the members below are then
			 valid */
	char host[256];
	uint16_t port;
	struct sockaddr_storage addresses[BROKER_ADDRESSES]; /* with the port set */
	unsigned addresses_count;
};

/* Where a logical cluster leads. */
struct route {
	const char *logical;
	const char *cluster; /* the active physical cluster's name */
	uint64_t generation; /* counts this logical cluster's switches, for ever */
	bool lists_topics;   /* the cluster has DescribeTopicPartitions, see lookup.c */
	const struct slot *slots;
	size_t slots_count;
};

/* A user with limits. */
struct world_meter {
	const char *vcluster;
	const char *user;
	struct meter *meter;
};

struct api_range {
	int16_t min; /* min > max: not offered */
	int16_t max;
};

struct world {
	atomic_uint references;
	struct arena *arena;
	struct snapshot *snap;
	const struct token_key *keys; /* in force: configured or generated; the first signs */
	size_t keys_count;
	const struct key_id *key_ids; /* of keys[], for sessions that are under way */
	const struct route *routes;   /* one per snap->logicals[], same order */
	struct world_meter *meters;   /* by vcluster and user; a reference each */
	size_t meters_count;
	size_t vnodes; /* how many vnodes exist: the most slots of any cluster, at least 1 */
	struct api_range apis[WORLD_API_KEYS]; /* by API key: what our table and every known cluster
						  have in common */
};

struct world *world_ref(struct world *world);
void world_unref(struct world **world);

/* The meter of a user with limits, or NULL. */
struct meter *world_meter(const struct world *world, const char *vcluster, const char *user);

/* The vnode of a broker id, or -1 where the route does not know the broker. */
int route_vnode(const struct route *route, int32_t broker_id);
/* The broker behind a vnode: its own slot when present, else a present one chosen by the vnode's
 * number (a cluster with fewer brokers still answers on every port), or NULL when none is. */
const struct slot *route_broker(const struct route *route, size_t vnode);
/* Sets apis[] to the gateway's own table (kafka/apis.h); ctl/ then narrows it by what clusters
 * offer. */
void world_apis_init(struct api_range apis[WORLD_API_KEYS]);
/* Narrows to what a cluster offers; a range that becomes empty is not offered. Produce keeps min 0
 * when advertised, which is decided where ApiVersions is answered. */
void world_apis_intersect(struct api_range apis[WORLD_API_KEYS], int key, int min, int max);
