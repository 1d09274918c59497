/* SPDX-License-Identifier: Apache-2.0
 *
 * apis.def against the field table: versions exist, nothing is offered that shows a topic id, and a
 * newer version than the offered one has a reason written down.
 */
#include <criterion/criterion.h>

#include "kafka/apis.h"
#include "kafka/kafka_ids.h"
#include "kafka/schema.h"

#define FOR_EACH_API(api)                                                                          \
	for (const struct api *api = kafka_apis; api < kafka_apis + kafka_apis_count; api++)

/* The APIs that the first version of the gateway promises, in the order of their keys. */
static const int promised[] = {
    KA_Produce,
    KA_Fetch,
    KA_ListOffsets,
    KA_Metadata,
    KA_OffsetCommit,
    KA_OffsetFetch,
    KA_FindCoordinator,
    KA_JoinGroup,
    KA_Heartbeat,
    KA_LeaveGroup,
    KA_SyncGroup,
    KA_DescribeGroups,
    KA_ListGroups,
    KA_SaslHandshake,
    KA_ApiVersions,
    KA_CreateTopics,
    KA_DeleteTopics,
    KA_DeleteRecords,
    KA_InitProducerId,
    KA_OffsetForLeaderEpoch,
    KA_AddPartitionsToTxn,
    KA_AddOffsetsToTxn,
    KA_EndTxn,
    KA_TxnOffsetCommit,
    KA_DescribeAcls,
    KA_CreateAcls,
    KA_DeleteAcls,
    KA_DescribeConfigs,
    KA_AlterConfigs,
    KA_DescribeLogDirs,
    KA_SaslAuthenticate,
    KA_CreatePartitions,
    KA_DeleteGroups,
    KA_ElectLeaders,
    KA_IncrementalAlterConfigs,
    KA_ListPartitionReassignments,
    KA_OffsetDelete,
    KA_DescribeCluster,
    KA_DescribeProducers,
    KA_DescribeTransactions,
    KA_ListTransactions,
    KA_ListConfigResources,
    KA_DescribeTopicPartitions,
};

Test(apis, exactly_the_promised_apis_are_offered)
{
	size_t n = sizeof(promised) / sizeof(promised[0]);

	cr_assert_eq(kafka_apis_count, n, "%zu rows", kafka_apis_count);
	for (size_t i = 0; i < n; i++)
		cr_expect_eq(kafka_apis[i].key, promised[i], "row %zu is %s", i,
			     kafka_api_name(kafka_apis[i].key));
}

Test(apis, every_key_that_kafka_has_given_out_is_offered_or_denied_with_a_reason)
{
	for (int key = 0; key <= 94; key++) {
		const char *name = NULL;
		const char *why = api_denied(key, &name);

		cr_expect((api_find(key) != NULL) + (why != NULL) == 1, "key %d", key);
		cr_expect(why == NULL || (strlen(why) > 10 && strlen(name) > 3), "key %d", key);
		if (why != NULL && key < KA_COUNT && kafka_message(key, KAFKA_REQUEST) != NULL)
			cr_expect_str_eq(name, kafka_api_name(key));
	}
}

Test(apis, are_found_by_key_and_only_then)
{
	FOR_EACH_API(api)
	cr_expect_eq(api_find(api->key), api, "%s", kafka_api_name(api->key));
	for (int key = -5; key < 2000; key++) {
		const struct api *api = api_find(key);

		cr_expect(!api || api->key == key, "key %d", key);
	}
	cr_expect_null(api_find(4)); /* LeaderAndIsr: retired */
	cr_expect_null(api_find(KA_ConsumerGroupHeartbeat));
	cr_expect_null(api_find(-32768));
	cr_expect_null(api_find(32767));
}

Test(apis, versions_are_known_and_final)
{
	FOR_EACH_API(api)
	{
		const char *name = kafka_api_name(api->key);
		const struct kafka_message *request = kafka_message(api->key, KAFKA_REQUEST);
		const struct kafka_message *response = kafka_message(api->key, KAFKA_RESPONSE);

		cr_assert(request && response, "%s", name);
		cr_expect_leq(api->min, api->max, "%s", name);
		cr_expect(kafka_versions_has(request->versions, api->min), "%s", name);
		cr_expect(kafka_versions_has(request->versions, api->max), "%s", name);
		cr_expect(kafka_versions_has(response->versions, api->min), "%s", name);
		cr_expect(kafka_versions_has(response->versions, api->max), "%s", name);
		cr_expect(!request->latest_unstable || api->max < request->versions.until,
			  "%s: the newest version is not final", name);
		cr_expect_leq(api->advertise_min, api->min, "%s", name);
		/* Two are advertised from an older version than they are taken from, each for
		 * librdkafka. */
		cr_expect(api->advertise_min == api->min || api->key == KA_Produce ||
			      api->key == KA_SaslHandshake,
			  "%s", name);
	}
}

/* The backlog: run contrib/kafka-schema for a new release, and this names what there is to decide.
 */
Test(apis, every_cap_has_a_reason)
{
	FOR_EACH_API(api)
	{
		const struct kafka_message *request = kafka_message(api->key, KAFKA_REQUEST);

		if (api->max < request->versions.until || api->min > request->versions.since)
			cr_expect(api->why && *api->why, "%s: Kafka has %d-%d, offered are %d-%d",
				  kafka_api_name(api->key), request->versions.since,
				  request->versions.until, api->min, api->max);
		if (api->policy != API_REWRITE)
			cr_expect(api->why && *api->why, "%s", kafka_api_name(api->key));
	}
}

Test(apis, caps_are_those_decided)
{
	cr_expect_eq(api_find(KA_Produce)->max, 12);
	cr_expect_eq(api_find(KA_Produce)->advertise_min, 0);
	cr_expect_eq(api_find(KA_Fetch)->max, 12);
	cr_expect_eq(api_find(KA_Metadata)->max, 8);
	cr_expect_eq(api_find(KA_OffsetCommit)->max, 9);
	cr_expect_eq(api_find(KA_OffsetFetch)->max, 9);
	cr_expect_eq(api_find(KA_TxnOffsetCommit)->max, 5);
	cr_expect_eq(api_find(KA_DeleteTopics)->max, 5);
	cr_expect_eq(api_find(KA_ApiVersions)->max, 4);
	cr_expect_eq(api_find(KA_SaslHandshake)->min, 1);
	cr_expect(!api_has_version(api_find(KA_Produce), 2));
	cr_expect(api_has_version(api_find(KA_Produce), 3));
	cr_expect(!api_has_version(api_find(KA_Produce), 13));
}

/* Whether a field can be on the wire in some offered version: it and all structs around it. */
static bool
is_offered(const struct api *api, uint16_t field)
{
	for (int version = api->min; version <= api->max; version++) {
		uint16_t at = field;

		while (at != KAFKA_NO_FIELD &&
		       kafka_versions_has(kafka_fields[at].versions, version))
			at = kafka_fields[at].parent;
		if (at == KAFKA_NO_FIELD)
			return true;
	}
	return false;
}

static void
expect_no_uuid(const struct api *api, uint16_t first, uint16_t count)
{
	for (uint16_t i = first; i < first + count; i++) {
		const struct kafka_field *field = &kafka_fields[i];
		char path[128];

		if (field->type == KAFKA_STRUCT)
			expect_no_uuid(api, field->child, field->children);
		else if (field->type == KAFKA_UUID && i != KF_CreateTopicsResponse_Topics_TopicId &&
			 i != KF_DescribeTopicPartitionsResponse_Topics_TopicId)
			cr_expect(!is_offered(api, i), "%s shows %s", kafka_api_name(api->key),
				  kafka_field_path(i, path, sizeof(path)));
	}
}

Test(apis, no_topic_id_reaches_a_client)
{
	FOR_EACH_API(api)
	{
		const struct kafka_message *request = kafka_message(api->key, KAFKA_REQUEST);
		const struct kafka_message *response = kafka_message(api->key, KAFKA_RESPONSE);

		expect_no_uuid(api, request->field, request->fields);
		expect_no_uuid(api, response->field, response->fields);
	}
}

Test(apis, header_versions)
{
	FOR_EACH_API(api)
	for (int version = api->min; version <= api->max; version++) {
		int request = kafka_request_header_version(api->key, version);
		int response = kafka_response_header_version(api->key, version);

		cr_expect(request == 1 || request == 2);
		cr_expect(response == 0 || response == 1);
		cr_expect(api->key == KA_ApiVersions || response == request - 1, "%s %d",
			  kafka_api_name(api->key), version);
	}
}

Test(apis, only_what_precedes_authentication_is_allowed_before_it)
{
	FOR_EACH_API(api)
	cr_expect_eq((api->flags & API_BEFORE_AUTH) != 0, api->key == KA_ApiVersions ||
							      api->key == KA_SaslHandshake ||
							      api->key == KA_SaslAuthenticate);
	cr_expect(api_find(KA_Produce)->flags & API_STREAM_REQUEST);
	cr_expect(api_find(KA_Fetch)->flags & API_STREAM_RESPONSE);
}
