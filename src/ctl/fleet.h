/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of the physical clusters: reachable or not, which broker has which slot, which API
 * versions it offers. Filled from probe results (probe.h) and from the state file (state.h). It
 * decides nothing of the running world; ctl/publish.c reads it. Control loop only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ctl/ctl.h"
#include "ctl/probe.h"
#include "proxy/world.h"

/* A physical cluster, by name. It stays when the configuration drops it: slots are for ever. */
struct member {
	char *name;
	bool configured;
	bool known; /* reached since the start */
	bool reachable;
	bool overflowed;           /* brokers without a port were reported */
	int64_t checked_at;        /* clock_now_ms(); -1: never */
	char error[160];           /* why not reachable */
	char kafka_cluster_id[64]; /* "" until known */
	struct slot *slots;
	size_t slots_count;
	size_t slots_capacity;
	bool apis_known;
	struct api_range apis[WORLD_API_KEYS]; /* what it offered last */
	struct broker_status *statuses;        /* made by member_status() */
};

struct fleet {
	struct member **members;
	size_t count;
	size_t capacity;
};

enum member_change {
	MEMBER_WORLD = 1, /* slots, addresses or API versions: to be published */
	MEMBER_STATE = 2, /* something that the state file keeps */
	MEMBER_UP = 4,
	MEMBER_DOWN = 8,
};

void fleet_free(struct fleet *fleet);
/* The member of this name, or NULL. */
struct member *fleet_find(const struct fleet *fleet, const char *name);
/* The member of this name, made where it is new. Stays valid as long as the fleet. */
struct member *fleet_get(struct fleet *fleet, const char *name);

/* Takes a probe's answer; slots_max is how many vnodes there may be. Returns bits of enum
 * member_change and logs cluster.up, cluster.down and what else an operator should know. */
unsigned member_apply(struct member *member, const struct probe_result *result, size_t slots_max,
		      int64_t now);
/* Gives a broker a slot, after all those before; false when there is none left or it has one. */
bool member_add_slot(struct member *member, int32_t broker_id, const char *host, uint16_t port,
		     size_t slots_max);

/* The gateway's own API table, narrowed by all configured clusters whose answer is known. */
void fleet_apis(const struct fleet *fleet, struct api_range apis[WORLD_API_KEYS]);
/* The most slots of any configured cluster, at least 1. */
size_t fleet_vnodes(const struct fleet *fleet);

/* For people. Borrowed until the next call for this member. */
void member_status(struct member *member, int64_t now, struct cluster_status *out);
