/* SPDX-License-Identifier: Apache-2.0
 *
 * The generated field table: facts that were looked up by hand in Kafka's definitions, and the
 * shape that every reader of the table relies on.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "kafka/kafka_ids.h"
#include "kafka/schema.h"

static void
expect_versions(const char *what, struct kafka_versions is, int since, int until)
{
	cr_expect(is.since == since && is.until == until, "%s: %d-%d, not %d-%d", what, is.since,
		  is.until, since, until);
}

Test(schema, messages_are_found_by_key_and_direction)
{
	const struct kafka_message *m = kafka_message(0, KAFKA_REQUEST);

	cr_assert_not_null(m);
	cr_expect_str_eq(m->name, "ProduceRequest");
	cr_expect_eq(m, &kafka_messages[KM_ProduceRequest]);
	cr_expect_eq(m->direction, KAFKA_REQUEST);
	expect_versions("Produce", m->versions, 3, 13);
	expect_versions("Produce", m->flexible, 9, KAFKA_VERSION_MAX);
	cr_expect_str_eq(kafka_message(1, KAFKA_RESPONSE)->name, "FetchResponse");
	cr_expect_str_eq(kafka_message(60, KAFKA_RESPONSE)->name, "DescribeClusterResponse");
	cr_expect_null(kafka_message(4, KAFKA_REQUEST)); /* retired */
	cr_expect_null(kafka_message(-1, KAFKA_REQUEST));
	cr_expect_null(kafka_message(32767, KAFKA_REQUEST));
	cr_expect_null(kafka_message(0, KAFKA_HEADER));
	cr_expect(kafka_message(22, KAFKA_REQUEST)->latest_unstable);
	cr_expect(!kafka_message(17, KAFKA_REQUEST)->latest_unstable);
	expect_versions("SaslHandshake", kafka_message(17, KAFKA_REQUEST)->flexible, 1, 0);
}

Test(schema, every_api_key_has_both_messages)
{
	int found = 0;

	for (int key = 0; key < KA_COUNT; key++) {
		const struct kafka_message *request = kafka_message(key, KAFKA_REQUEST);
		const struct kafka_message *response = kafka_message(key, KAFKA_RESPONSE);
		size_t n = strlen(kafka_api_name(key));

		cr_expect_eq(request == NULL, response == NULL);
		if (!request) {
			cr_expect_str_eq(kafka_api_name(key), "unknown");
			continue;
		}
		found++;
		cr_expect_eq(request->key, key);
		cr_expect_eq(response->key, key);
		cr_expect_eq(request->direction, KAFKA_REQUEST);
		cr_expect_eq(response->direction, KAFKA_RESPONSE);
		cr_expect_eq(strncmp(request->name, kafka_api_name(key), n), 0);
		cr_expect_str_eq(request->name + n, "Request");
		cr_expect_str_eq(response->name + n, "Response");
		cr_expect_eq(request->versions.since, response->versions.since);
		cr_expect_eq(request->versions.until, response->versions.until);
		cr_expect_eq(request->flexible.since, response->flexible.since);
	}
	cr_expect_gt(found, 80);
	cr_expect_str_eq(kafka_api_name(18), "ApiVersions");
	cr_expect_str_eq(kafka_api_name(-1), "unknown");
	cr_expect_str_eq(kafka_api_name(9999), "unknown");
}

Test(schema, facts_looked_up_by_hand)
{
	const struct kafka_field *f = &kafka_fields[KF_ProduceRequest_TransactionalId];

	cr_expect_eq(f->type, KAFKA_STRING);
	expect_versions("nullable", f->nullable, 3, KAFKA_VERSION_MAX);
	cr_expect_eq(f->tag, -1);

	f = &kafka_fields[KF_ProduceRequest_TopicData];
	cr_expect_eq(f->type, KAFKA_STRUCT);
	cr_expect(f->array);
	cr_expect_eq(f->child, KF_ProduceRequest_TopicData_Name);
	cr_expect_eq(f->children, 3);

	f = &kafka_fields[KF_FetchRequest_ClusterId];
	cr_expect_eq(f->tag, 0);
	expect_versions("tagged", f->tagged, 12, KAFKA_VERSION_MAX);
	expect_versions("nullable", f->nullable, 12, KAFKA_VERSION_MAX);

	f = &kafka_fields[KF_FetchResponse_Responses_Partitions_Records];
	cr_expect_eq(f->type, KAFKA_RECORDS);
	expect_versions("nullable", f->nullable, 0, KAFKA_VERSION_MAX);

	f = &kafka_fields[KF_MetadataResponse_Topics_Partitions_ReplicaNodes];
	cr_expect_eq(f->type, KAFKA_INT32);
	cr_expect(f->array);

	expect_versions("id", kafka_fields[KF_MetadataResponse_Topics_TopicId].versions, 10,
			KAFKA_VERSION_MAX);
	expect_versions("key", kafka_fields[KF_FindCoordinatorRequest_Key].versions, 0, 3);
	expect_versions("topics", kafka_fields[KF_MetadataRequest_Topics].nullable, 1,
			KAFKA_VERSION_MAX);
	cr_expect_eq(kafka_fields[KF_ShareFetchResponse_AcquisitionLockTimeoutMs].type,
		     KAFKA_INT32);
}

/* A struct that is declared once and used twice has its fields under each use. */
Test(schema, common_structs_are_expanded_at_each_use)
{
	const struct kafka_field *a = &kafka_fields[KF_AddPartitionsToTxnRequest_V3AndBelowTopics];
	const struct kafka_field *b =
	    &kafka_fields[KF_AddPartitionsToTxnRequest_Transactions_Topics];

	cr_expect_eq(a->children, 2);
	cr_expect_eq(b->children, 2);
	cr_expect_neq(a->child, b->child);
	cr_expect_str_eq(kafka_fields[a->child].name, kafka_fields[b->child].name);
}

Test(schema, only_the_client_id_is_never_compact)
{
	for (size_t i = 0; i < kafka_fields_count; i++)
		cr_expect_eq(kafka_fields[i].classic_string, i == KF_RequestHeader_ClientId);
}

Test(schema, header_versions)
{
	cr_expect_eq(kafka_request_header_version(0, 8), 1);
	cr_expect_eq(kafka_request_header_version(0, 9), 2);
	cr_expect_eq(kafka_response_header_version(0, 8), 0);
	cr_expect_eq(kafka_response_header_version(0, 9), 1);
	cr_expect_eq(kafka_request_header_version(18, 2), 1);
	cr_expect_eq(kafka_request_header_version(18, 3), 2);
	for (int version = 0; version < 6; version++)
		cr_expect_eq(kafka_response_header_version(18, version), 0);
	cr_expect_eq(kafka_request_header_version(17, 1), 1);
	cr_expect_eq(kafka_response_header_version(17, 1), 0);
}

Test(schema, paths)
{
	char out[128], small[8], none[1] = {'x'};

	cr_expect_str_eq(
	    kafka_field_path(KF_ProduceRequest_TopicData_PartitionData_Index, out, sizeof(out)),
	    "TopicData.PartitionData.Index");
	cr_expect_str_eq(kafka_field_path(KF_ProduceRequest_Acks, out, sizeof(out)), "Acks");
	cr_expect_str_eq(
	    kafka_field_path(KF_ProduceRequest_TopicData_PartitionData_Index, small, sizeof(small)),
	    "TopicDa");
	cr_expect_str_eq(kafka_field_path(KF_ProduceRequest_Acks, none, sizeof(none)), "");
	cr_expect_str_eq(kafka_field_path(KAFKA_NO_FIELD, out, sizeof(out)), "");
}

/* Siblings side by side, children after their parent, each within the table. */
static size_t
check_run(uint16_t first, uint16_t count, uint16_t parent, const struct kafka_message *m)
{
	size_t n = count;
	uint64_t tags = 0;

	cr_assert_leq((size_t)first + count, kafka_fields_count, "%s", m->name);
	for (uint16_t i = first; i < first + count; i++) {
		const struct kafka_field *f = &kafka_fields[i];

		cr_assert_not_null(f->name);
		cr_expect_eq(f->parent, parent, "%s.%s", m->name, f->name);
		cr_expect_eq(f->tag >= 0, f->tagged.since <= f->tagged.until, "%s.%s", m->name,
			     f->name);
		if (f->tag >= 0) {
			cr_expect_lt(f->tag, 64);
			cr_expect_eq(tags & (1ull << f->tag), 0, "%s.%s", m->name, f->name);
			tags |= 1ull << f->tag;
			cr_expect_geq(f->tagged.since, m->flexible.since, "%s.%s", m->name,
				      f->name);
		}
		cr_expect_eq(f->type == KAFKA_STRUCT, f->children > 0, "%s.%s", m->name, f->name);
		if (f->type == KAFKA_STRUCT) {
			cr_expect_gt(f->child, i);
			n += check_run(f->child, f->children, i, m);
		}
	}
	return n;
}

Test(schema, every_field_belongs_to_one_message)
{
	size_t n = 0;

	for (size_t i = 0; i < kafka_messages_count; i++) {
		const struct kafka_message *m = &kafka_messages[i];

		cr_assert_not_null(m->name);
		cr_expect_leq(m->versions.since, m->versions.until, "%s", m->name);
		n += check_run(m->field, m->fields, KAFKA_NO_FIELD, m);
	}
	cr_expect_eq(n, kafka_fields_count);
}

Test(schema, headers_and_embedded_data_are_there)
{
	const struct kafka_message *m = &kafka_messages[KM_RequestHeader];

	cr_expect_eq(m->key, -1);
	cr_expect_eq(m->direction, KAFKA_HEADER);
	cr_expect_eq(m->fields, 4);
	expect_versions(m->name, m->flexible, 2, KAFKA_VERSION_MAX);
	m = &kafka_messages[KM_ConsumerProtocolSubscription];
	cr_expect_eq(m->direction, KAFKA_DATA);
	expect_versions(m->name, m->versions, 0, 3);
	expect_versions(m->name, m->flexible, 1, 0);
}
