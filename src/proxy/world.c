/* SPDX-License-Identifier: Apache-2.0
 *
 * The published world: its reference count, and the questions that are asked of a route and of the
 * table of API versions. Who builds it: ctl/publish.c.
 */
#include "proxy/world.h"
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"
#include "kafka/apis.h"

struct world *
world_ref(struct world *world)
{
	atomic_fetch_add_explicit(&world->references, 1, memory_order_relaxed);
	return world;
}

void
world_unref(struct world **world)
{
	struct world *old = *world;
	unsigned before;

	*world = NULL;
	if (old == NULL)
		return;
	before = atomic_fetch_sub_explicit(&old->references, 1, memory_order_acq_rel);
	ENSURE(before > 0);
	if (before > 1)
		return;
	for (size_t i = 0; i < old->meters_count; i++)
		meter_unref(&old->meters[i].meter);
	snapshot_unref(&old->snap);
	/* The world itself lives in its arena. */
	struct arena *arena = old->arena;
	arena_free(&arena);
}

static int
compare_meters(const void *a, const void *b)
{
	const struct world_meter *left = a;
	const struct world_meter *right = b;
	int order = strcmp(left->vcluster, right->vcluster);

	return order != 0 ? order : strcmp(left->user, right->user);
}

struct meter *
world_meter(const struct world *world, const char *vcluster, const char *user)
{
	struct world_meter wanted = {.vcluster = vcluster, .user = user};
	const struct world_meter *found = world->meters_count == 0
					      ? NULL
					      : bsearch(&wanted, world->meters, world->meters_count,
							sizeof(wanted), compare_meters);

	return found != NULL ? found->meter : NULL;
}

int
route_vnode(const struct route *route, int32_t broker_id)
{
	for (size_t i = 0; i < route->slots_count; i++)
		if (route->slots[i].broker_id == broker_id)
			return (int)i;
	return -1;
}

const struct slot *
route_broker(const struct route *route, size_t vnode)
{
	size_t present = 0;
	size_t wanted;

	if (vnode < route->slots_count && route->slots[vnode].present)
		return &route->slots[vnode];
	for (size_t i = 0; i < route->slots_count; i++)
		present += route->slots[i].present;
	if (present == 0)
		return NULL;
	wanted = vnode % present;
	for (size_t i = 0; i < route->slots_count; i++) {
		if (!route->slots[i].present)
			continue;
		if (wanted-- == 0)
			return &route->slots[i];
	}
	return NULL;
}

void
world_apis_init(struct api_range apis[WORLD_API_KEYS])
{
	for (int key = 0; key < WORLD_API_KEYS; key++)
		apis[key] = (struct api_range){.min = 0, .max = -1};
	for (size_t i = 0; i < kafka_apis_count; i++) {
		const struct api *api = &kafka_apis[i];

		ENSURE(api->key >= 0 && api->key < WORLD_API_KEYS);
		apis[api->key] = (struct api_range){.min = api->min, .max = api->max};
	}
}

void
world_apis_intersect(struct api_range apis[WORLD_API_KEYS], int key, int min, int max)
{
	struct api_range *range;

	if (key < 0 || key >= WORLD_API_KEYS)
		return;
	range = &apis[key];
	if (min > range->min)
		range->min = (int16_t)min;
	if (max < range->max)
		range->max = (int16_t)max;
	if (range->min > range->max)
		*range = (struct api_range){.min = 0, .max = -1};
}
