/* SPDX-License-Identifier: Apache-2.0
 *
 * Slots are for ever; routes and API versions follow from what is known.
 */
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "ctl/fleet.h"
#include "kafka/apis.h"

#define SLOTS_MAX 64

/* A probe's answer with brokers of these ids. */
struct answer {
	struct probe_result result;
	struct probe_broker brokers[16];
};

static void
answer_init(struct answer *answer, const int32_t *ids, size_t count)
{
	memset(answer, 0, sizeof(*answer));
	answer->result.reachable = true;
	answer->result.brokers = answer->brokers;
	answer->result.brokers_count = count;
	snprintf(answer->result.kafka_cluster_id, sizeof(answer->result.kafka_cluster_id), "id");
	for (int key = 0; key < WORLD_API_KEYS; key++)
		answer->result.apis[key] = (struct api_range){.min = 0, .max = 99};
	for (size_t i = 0; i < count; i++) {
		struct probe_broker *broker = &answer->brokers[i];
		struct sockaddr_in *address = (struct sockaddr_in *)&broker->addresses[0];

		broker->id = ids[i];
		broker->port = (uint16_t)(9000 + ids[i]);
		snprintf(broker->host, sizeof(broker->host), "k%d", ids[i]);
		address->sin_family = AF_INET;
		address->sin_port = htons(broker->port);
		address->sin_addr.s_addr = htonl(0x0a000000u + (uint32_t)ids[i]);
		broker->addresses_count = 1;
	}
}

static unsigned
apply(struct member *member, const int32_t *ids, size_t count)
{
	struct answer answer;

	answer_init(&answer, ids, count);
	return member_apply(member, &answer.result, SLOTS_MAX, 1);
}

#define IDS(...) (const int32_t[]){__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t)

static void
expect_slots(const struct member *member, const int32_t *ids, size_t count)
{
	cr_assert_eq(member->slots_count, count);
	for (size_t i = 0; i < count; i++)
		cr_expect_eq(member->slots[i].broker_id, ids[i], "slot %zu has %d", i,
			     member->slots[i].broker_id);
}

Test(fleet, first_sight_is_in_ascending_order)
{
	struct fleet fleet = {0};
	struct member *member = fleet_get(&fleet, "main");

	cr_expect_eq(apply(member, IDS(5, 1, 3)), MEMBER_WORLD | MEMBER_STATE | MEMBER_UP);
	expect_slots(member, IDS(1, 3, 5));
	cr_expect(member->known);
	cr_expect(member->reachable);
	cr_expect_eq(apply(member, IDS(3, 5, 1)), 0, "the order of the answer is no change");
	fleet_free(&fleet);
}

Test(fleet, a_broker_that_is_down_keeps_its_slot)
{
	struct fleet fleet = {0};
	struct member *member = fleet_get(&fleet, "main");

	apply(member, IDS(1, 2, 3));
	cr_expect_eq(apply(member, IDS(1, 3)), MEMBER_WORLD);
	expect_slots(member, IDS(1, 2, 3));
	cr_expect_not(member->slots[1].present);
	cr_expect_eq(apply(member, IDS(1, 2, 3)), MEMBER_WORLD);
	cr_expect(member->slots[1].present);
	fleet_free(&fleet);
}

Test(fleet, a_new_broker_is_appended_whatever_its_id)
{
	struct fleet fleet = {0};
	struct member *member = fleet_get(&fleet, "main");

	apply(member, IDS(10, 20));
	cr_expect_eq(apply(member, IDS(20, 5, 10, 1)), MEMBER_WORLD | MEMBER_STATE);
	expect_slots(member, IDS(10, 20, 1, 5));
	fleet_free(&fleet);
}

Test(fleet, there_are_no_more_slots_than_ports)
{
	struct fleet fleet = {0};
	struct member *member = fleet_get(&fleet, "main");
	struct answer answer;

	answer_init(&answer, IDS(4, 3, 2, 1));
	member_apply(member, &answer.result, 3, 1);
	expect_slots(member, IDS(1, 2, 3));
	member_apply(member, &answer.result, 4, 1);
	expect_slots(member, IDS(1, 2, 3, 4));
	fleet_free(&fleet);
}

Test(fleet, a_broker_may_move)
{
	struct fleet fleet = {0};
	struct member *member = fleet_get(&fleet, "main");
	struct answer answer;

	apply(member, IDS(1, 2));
	answer_init(&answer, IDS(1, 2));
	snprintf(answer.brokers[1].host, sizeof(answer.brokers[1].host), "elsewhere");
	cr_expect_eq(member_apply(member, &answer.result, SLOTS_MAX, 2),
		     MEMBER_WORLD | MEMBER_STATE);
	cr_expect_str_eq(member->slots[1].host, "elsewhere");
	cr_expect_eq(member->slots[1].addresses_count, 1);
	fleet_free(&fleet);
}

Test(fleet, a_name_that_cannot_be_resolved_keeps_its_addresses)
{
	struct fleet fleet = {0};
	struct member *member = fleet_get(&fleet, "main");
	struct answer answer;

	apply(member, IDS(1, 2));
	answer_init(&answer, IDS(1, 2, 3));
	answer.brokers[0].addresses_count = 0;
	answer.brokers[2].addresses_count = 0;
	member_apply(member, &answer.result, SLOTS_MAX, 2);
	cr_expect(member->slots[0].present);
	cr_expect_not(member->slots[2].present, "it never had one");
	fleet_free(&fleet);
}

Test(fleet, rotated_addresses_are_no_change)
{
	struct fleet fleet = {0};
	struct member *member = fleet_get(&fleet, "main");
	struct answer answer;
	struct sockaddr_storage first;

	answer_init(&answer, IDS(1));
	answer.brokers[0].addresses[1] = answer.brokers[0].addresses[0];
	((struct sockaddr_in *)&answer.brokers[0].addresses[1])->sin_addr.s_addr ^= 0xff;
	answer.brokers[0].addresses_count = 2;
	member_apply(member, &answer.result, SLOTS_MAX, 1);
	first = answer.brokers[0].addresses[0];
	answer.brokers[0].addresses[0] = answer.brokers[0].addresses[1];
	answer.brokers[0].addresses[1] = first;
	cr_expect_eq(member_apply(member, &answer.result, SLOTS_MAX, 2), 0);
	answer.brokers[0].addresses_count = 1;
	cr_expect_eq(member_apply(member, &answer.result, SLOTS_MAX, 2), MEMBER_WORLD);
	fleet_free(&fleet);
}

Test(fleet, down_is_said_once_and_changes_no_slot)
{
	struct fleet fleet = {0};
	struct member *member = fleet_get(&fleet, "main");
	struct probe_result down = {.error = "k1:9092: Connection refused"};
	struct cluster_status status;

	member_status(member, 5, &status);
	cr_expect_eq(status.checked_ms_ago, -1);
	cr_expect_not(status.known);
	cr_expect_eq(member_apply(member, &down, SLOTS_MAX, 1), MEMBER_DOWN);
	cr_expect_eq(member_apply(member, &down, SLOTS_MAX, 2), 0);
	apply(member, IDS(1, 2));
	cr_expect_eq(member_apply(member, &down, SLOTS_MAX, 3), MEMBER_DOWN);
	cr_expect_eq(member_apply(member, &down, SLOTS_MAX, 4), 0);
	cr_expect(member->slots[0].present, "the workers find out by themselves");
	member_status(member, 10, &status);
	cr_expect_eq(status.checked_ms_ago, 6);
	cr_expect(status.known);
	cr_expect_not(status.reachable);
	cr_expect_str_eq(status.error, "k1:9092: Connection refused");
	cr_expect_eq(status.brokers_count, 2);
	cr_expect_eq(status.brokers[1].vnode, 1);
	cr_expect_eq(apply(member, IDS(1, 2)), MEMBER_UP);
	fleet_free(&fleet);
}

Test(fleet, vnodes_are_the_most_of_any_configured_cluster)
{
	struct fleet fleet = {0};
	struct member *main = fleet_get(&fleet, "main");
	struct member *other = fleet_get(&fleet, "other");

	main->configured = true;
	cr_expect_eq(fleet_vnodes(&fleet), 1);
	apply(main, IDS(1, 2, 3));
	apply(other, IDS(1, 2, 3, 4, 5));
	cr_expect_eq(fleet_vnodes(&fleet), 3);
	other->configured = true;
	cr_expect_eq(fleet_vnodes(&fleet), 5);
	cr_expect_eq(fleet_get(&fleet, "main"), main);
	cr_expect_null(fleet_find(&fleet, "none"));
	fleet_free(&fleet);
}

Test(fleet, api_versions_are_what_all_known_clusters_have)
{
	struct fleet fleet = {0};
	struct member *main = fleet_get(&fleet, "main");
	struct member *other = fleet_get(&fleet, "other");
	struct answer answer;
	struct api_range apis[WORLD_API_KEYS];
	const struct api *produce = api_find(0);
	const struct api *fetch = api_find(1);
	const struct api *handshake = api_find(17);

	main->configured = true;
	other->configured = true;
	fleet_apis(&fleet, apis);
	cr_expect_eq(apis[0].max, produce->max, "nothing is known yet");
	answer_init(&answer, IDS(1));
	answer.result.apis[0] = (struct api_range){.min = 0, .max = 7};
	answer.result.apis[17] = (struct api_range){.min = 0, .max = -1};
	member_apply(main, &answer.result, SLOTS_MAX, 1);
	answer.result.apis[0] = (struct api_range){.min = 4, .max = 9};
	answer.result.apis[1] = (struct api_range){.min = 0, .max = -1};
	member_apply(other, &answer.result, SLOTS_MAX, 1);
	fleet_apis(&fleet, apis);
	cr_expect_eq(apis[0].min, produce->min > 4 ? produce->min : 4);
	cr_expect_eq(apis[0].max, 7);
	cr_expect_gt(apis[1].min, apis[1].max, "one of them does not have Fetch");
	cr_expect_eq(apis[17].max, handshake->max, "the gateway itself answers it");
	other->configured = false;
	fleet_apis(&fleet, apis);
	cr_expect_eq(apis[1].max, fetch->max);
	fleet_free(&fleet);
}

Test(world, an_api_without_a_row_is_not_offered)
{
	struct api_range apis[WORLD_API_KEYS];

	world_apis_init(apis);
	for (int key = 0; key < WORLD_API_KEYS; key++) {
		const struct api *api = api_find(key);

		cr_expect_eq(apis[key].max, api != NULL ? api->max : -1);
	}
}

Test(world, an_intersection_may_be_empty)
{
	struct api_range apis[WORLD_API_KEYS] = {[1] = {.min = 4, .max = 12}};

	world_apis_intersect(apis, 1, 2, 20);
	cr_expect_eq(apis[1].min, 4);
	cr_expect_eq(apis[1].max, 12);
	world_apis_intersect(apis, 1, 6, 11);
	cr_expect_eq(apis[1].min, 6);
	cr_expect_eq(apis[1].max, 11);
	world_apis_intersect(apis, 1, 12, 13);
	cr_expect_gt(apis[1].min, apis[1].max);
	world_apis_intersect(apis, 1, 0, 99);
	cr_expect_gt(apis[1].min, apis[1].max, "once out, out");
	world_apis_intersect(apis, -1, 0, 1);
	world_apis_intersect(apis, WORLD_API_KEYS, 0, 1);
}

Test(world, a_vnode_whose_broker_is_away_is_answered_by_another)
{
	const struct slot slots[] = {{.broker_id = 10, .present = true},
				     {.broker_id = 11},
				     {.broker_id = 12, .present = true}};
	const struct route route = {.slots = slots, .slots_count = 3};
	const struct route none = {.slots = slots + 1, .slots_count = 1};

	cr_expect_eq(route_vnode(&route, 12), 2);
	cr_expect_eq(route_vnode(&route, 11), 1);
	cr_expect_eq(route_vnode(&route, 99), -1);
	cr_expect_eq(route_vnode(&route, -1), -1);
	cr_expect_eq(route_broker(&route, 0), &slots[0]);
	cr_expect_eq(route_broker(&route, 2), &slots[2]);
	cr_expect_eq(route_broker(&route, 1), &slots[2]);
	cr_expect_eq(route_broker(&route, 4), &slots[0]);
	cr_expect_eq(route_broker(&route, 5), &slots[2]);
	cr_expect_null(route_broker(&none, 0));
	cr_expect_null(route_broker(&(struct route){0}, 0));
}
