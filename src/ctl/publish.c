/* SPDX-License-Identifier: Apache-2.0
 *
 * Building and publishing worlds. A world is made whole before anybody sees it; publishing is one
 * message to each worker, which takes its own reference.
 */
#include <string.h>
#include <stdlib.h>
#include "base/arena.h"
#include "base/ensure.h"
#include "base/log.h"
#include "base/mem.h"
#include "ctl/control.h"
#include "ctl/state.h"
#include "kafka/kafka_ids.h"

struct publication {
	struct list node;
	unsigned left; /* acknowledgements to come */
	publish_ack_fn on_ack;
	publish_done_fn on_done;
	void *arg;
};

static const struct token_key *
copy_keys(struct world *world, const struct ctl *ctl)
{
	const struct token_key *keys =
	    secrets_keys(&ctl->secrets, &world->snap->settings, &world->keys_count);
	struct token_key *copy = arena_array(world->arena, world->keys_count, sizeof(*copy));
	struct key_id *ids = arena_array(world->arena, world->keys_count, sizeof(*ids));

	for (size_t i = 0; i < world->keys_count; i++) {
		uint8_t *bytes = arena_alloc(world->arena, keys[i].length);

		memcpy(bytes, keys[i].bytes, keys[i].length);
		copy[i] = (struct token_key){.bytes = bytes, .length = keys[i].length};
		ids[i] = token_key_id(&copy[i]);
	}
	world->key_ids = ids;
	return copy;
}

static void
build_route(struct route *route, struct world *world, struct ctl *ctl, const char *logical)
{
	const struct track *track = tracks_find(&ctl->tracks, logical);
	const struct member *member;
	struct slot *slots;

	ENSURE(track != NULL && track->cluster != NULL);
	route->logical = arena_strdup(world->arena, logical);
	route->cluster = arena_strdup(world->arena, track->cluster);
	route->generation = track->generation;
	member = fleet_find(&ctl->fleet, track->cluster);
	if (member == NULL)
		return;
	route->lists_topics =
	    member->apis_known && member->apis[KA_DescribeTopicPartitions].max >= 0;
	/* A broker whose port cannot be listened for is one that clients cannot be told of. */
	route->slots_count =
	    member->slots_count < world->vnodes ? member->slots_count : world->vnodes;
	slots = arena_array(world->arena, route->slots_count, sizeof(*slots));
	for (size_t i = 0; i < route->slots_count; i++)
		slots[i] = member->slots[i];
	route->slots = slots;
}

/* In the order of the snapshot's names, which are sorted. */
static void
build_meters(struct world *world, struct ctl *ctl)
{
	const struct snapshot *snap = world->snap;
	size_t most = 0;

	for (size_t i = 0; i < snap->vclusters_count; i++) {
		for (size_t j = 0; j < snap->vclusters[i].users_count; j++)
			most += user_has_limits(&snap->vclusters[i].users[j]);
	}
	world->meters = arena_array(world->arena, most, sizeof(*world->meters));
	for (size_t i = 0; i < snap->vclusters_count; i++) {
		const struct vcluster *vc = &snap->vclusters[i];

		for (size_t j = 0; j < vc->users_count; j++) {
			if (!user_has_limits(&vc->users[j]))
				continue;
			world->meters[world->meters_count++] = (struct world_meter){
			    vc->name, vc->users[j].name,
			    meters_get(&ctl->meters, vc->name, vc->users[j].name)};
		}
	}
	meters_trim(&ctl->meters);
}

struct world *
world_build(struct ctl *ctl)
{
	struct arena *arena = arena_new();
	struct world *world = arena_alloc(arena, sizeof(*world));
	struct route *routes = arena_array(arena, ctl->snap->logicals_count, sizeof(*routes));

	atomic_init(&world->references, 1);
	world->arena = arena;
	world->snap = snapshot_ref(ctl->snap);
	world->keys = copy_keys(world, ctl);
	world->vnodes = ctl->listeners.bound > 0 ? ctl->listeners.bound : 1;
	for (size_t i = 0; i < ctl->snap->logicals_count; i++)
		build_route(&routes[i], world, ctl, ctl->snap->logicals[i].name);
	world->routes = routes;
	build_meters(world, ctl);
	fleet_apis(&ctl->fleet, world->apis);
	return world;
}

/* A port that cannot be had leaves its broker out; the gateway goes on. */
static void
grow_listeners(struct ctl *ctl)
{
	size_t vnodes = fleet_vnodes(&ctl->fleet);
	size_t most = (size_t)ctl->snap->settings.port_count;
	struct err err;

	if (vnodes > most)
		vnodes = most;
	if (listeners_grow(&ctl->listeners, ctl->workers, ctl->workers_count, vnodes, &err)) {
		ctl->listen_failed = 0;
		return;
	}
	if (ctl->listen_failed != vnodes)
		log_error("listener.failed", KV_STR("why", err.text),
			  KV_INT("vnode", ctl->listeners.bound),
			  KV_STR("what", "clients cannot reach this broker; free the port, then "
					 "reload"));
	ctl->listen_failed = vnodes;
}

static void
on_ack(void *arg, const struct worker_ack *ack)
{
	struct publication *publication = arg;

	if (publication->on_ack != NULL)
		publication->on_ack(publication->arg, ack);
	ENSURE(publication->left > 0);
	if (--publication->left > 0)
		return;
	list_remove(&publication->node);
	if (publication->on_done != NULL)
		publication->on_done(publication->arg);
	free(publication);
}

static void
unref_world(void *arg)
{
	struct world *world = arg;

	world_unref(&world);
}

struct publication *
ctl_publish(struct ctl *ctl, publish_ack_fn acked, publish_done_fn done, void *arg)
{
	struct publication *publication = mem_zalloc(sizeof(*publication));

	grow_listeners(ctl);
	ctl->world_stale = false;
	/* Whoever asked for the world in this turn of the loop may still look at the old one. */
	loop_defer(ctl->loop, unref_world, ctl->world);
	ctl->world = world_build(ctl);
	publication->left = ctl->workers_count;
	publication->on_ack = acked;
	publication->on_done = done;
	publication->arg = arg;
	list_init(&publication->node);
	list_append(&ctl->publications, &publication->node);
	for (unsigned i = 0; i < ctl->workers_count; i++)
		worker_publish(ctl->workers[i], ctl->world, on_ack, publication);
	return publication;
}

void
publication_forget(struct publication *publication)
{
	publication->on_ack = NULL;
	publication->on_done = NULL;
}

void
ctl_publish_soon(struct ctl *ctl)
{
	if (ctl->stopping || ctl->world == NULL)
		return;
	ctl->world_stale = true;
	if (!move_is_holding(ctl))
		ctl_publish(ctl, NULL, NULL, NULL);
}

void
ctl_save_state(struct ctl *ctl)
{
	struct err err;

	if (!state_save(ctl->snap->settings.state_dir, &ctl->fleet, &ctl->tracks, &err))
		log_error("state.not_saved", KV_STR("why", err.text),
			  KV_STR("what", "after a restart ports may be given out anew; make the "
					 "state directory writable"));
}
