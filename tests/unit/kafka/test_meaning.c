/* SPDX-License-Identifier: Apache-2.0
 *
 * meaning.def against tests/support/kafka_entities.tsv, a list of every field of Kafka's messages
 * that names something or needs a hand, made from the Kafka of the field table; and against the
 * field table itself. A failure here is a leak or a broken client: it names the API, the field
 * and what is wrong.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafka/apis.h"
#include "kafka/kafka_ids.h"
#include "kafka/meaning.h"
#include "kafka/schema.h"

#define BIT(m) (1ull << MEANING_##m)

/* What a kind of the list may mean to the gateway. */
static const struct {
	const char *kind;
	uint64_t meanings;
} kinds[] = {
    {"aclHost", BIT(ACL)},
    {"aclPatternType", BIT(ACL)},
    {"acks", BIT(ACKS)},
    {"apiVersions", BIT(PASS)},
    {"assignorName", BIT(PASS)},
    {"authorizedOps", BIT(AUTHORIZED_OPS)},
    {"autoCreate", BIT(AUTO_CREATION)},
    {"brokerEpoch", BIT(DROP_TAG)},
    {"clientHost", BIT(CLIENT_HOST)},
    {"clientId", BIT(PASS) | BIT(CLIENT_ID)},
    {"clientSoftware", BIT(PASS)},
    {"clusterId", BIT(CLUSTER_ID) | BIT(DROP_TAG)},
    {"controllerId", BIT(NODE_ID)},
    {"coordinatorEpoch", BIT(PASS)}, /* of the transaction, as the batches have it */
    {"coordinatorKey", BIT(COORDINATOR_KEY)},
    {"correlationId", BIT(PASS)},
    {"directoryId", BIT(DROP_TAG)},
    {"embeddedConsumerProtocol", BIT(SUBSCRIPTION) | BIT(ASSIGNMENT)},
    {"errorCode", BIT(ERROR_CODE)},
    {"errorMessage", BIT(ERROR_MESSAGE)},
    {"fetchSession", BIT(FETCH_SESSION_ID) | BIT(FETCH_SESSION_EPOCH)},
    {"generationOrMemberEpoch", BIT(PASS)},
    {"groupId", BIT(GROUP_ID)},
    {"groupInstanceId", BIT(PASS)},
    {"header", BIT(PASS)},
    {"host", BIT(HOST)},
    {"isInternal", BIT(IS_INTERNAL)},
    {"leaderEpoch", BIT(LEADER_EPOCH)},
    {"logDir", BIT(LOG_DIR)},
    {"memberId", BIT(PASS)},
    {"nodeId",
     BIT(NODE_ID) | BIT(BROKER_ID) | BIT(COORDINATOR_ID) | BIT(NO_NODE) | BIT(REPLICA_ID)},
    {"offset", BIT(PASS)},
    {"port", BIT(PORT)},
    {"principal", BIT(ACL)},
    {"producerEpoch", BIT(PASS)},
    {"producerId", BIT(PASS)},
    {"rack", BIT(RACK)},
    {"records", BIT(RECORDS)},
    {"regex", BIT(TRANSACTIONAL_ID_PATTERN)},
    {"resourceName", BIT(RESOURCE_NAME) | BIT(LISTED_NAME) | BIT(ACL)},
    {"resourceType", BIT(RESOURCE_TYPE) | BIT(LISTED_TYPE) | BIT(ACL)},
    {"sasl", BIT(PASS) | BIT(SECRET)},
    {"selector", BIT(PASS) | BIT(COORDINATOR_TYPE) | BIT(PROTOCOL_TYPE)},
    {"struct", BIT(PASS) | BIT(DROP_TAG)},
    {"throttle", BIT(THROTTLE_TIME)},
    {"timeout", BIT(PASS)},
    {"topicId", BIT(TOPIC_ID)},
    {"topicName", BIT(TOPIC_NAME) | BIT(CURSOR_TOPIC)},
    {"transactionalId", BIT(TRANSACTIONAL_ID)},
    {"userData", BIT(PASS)},
};

/* Fields that pass although their kind says otherwise. */
static const uint16_t passes[] = {
    KF_FetchRequest_RackId,                 /* the client's own rack, for a nearer replica */
    KF_ConsumerProtocolSubscription_RackId, /* the same, between clients */
    KF_ListConfigResourcesResponse_ConfigResources_ResourceType, /* looked at with the name */
};

struct row {
	char *key, *api, *direction, *path, *versions, *kind;
};

#define COLUMNS 13

static bool
row_parse(char *line, struct row *row)
{
	char *column[COLUMNS] = {NULL};
	size_t n = 0;

	line[strcspn(line, "\r\n")] = '\0';
	while (n < COLUMNS && line)
		column[n++] = strsep(&line, "\t");
	if (n < 12)
		return false;
	*row = (struct row){column[0], column[1], column[2], column[5], column[8], column[11]};
	return true;
}

static const struct kafka_message *
row_message(const struct row *row)
{
	char name[80];

	snprintf(name, sizeof(name), "%s%s", row->api,
		 strcmp(row->direction, "request") == 0    ? "Request"
		 : strcmp(row->direction, "response") == 0 ? "Response"
							   : "");
	for (size_t i = 0; i < kafka_messages_count; i++)
		if (strcmp(kafka_messages[i].name, name) == 0)
			return &kafka_messages[i];
	return NULL;
}

/* The versions of a message that the gateway has to do with. */
static bool
offered_versions(const struct kafka_message *m, struct kafka_versions *out)
{
	const struct api *api = api_find(m->key);

	*out = m->versions;
	if (m->key < 0)
		return true;
	if (!api)
		return false;
	*out = (struct kafka_versions){api->min, api->max};
	return true;
}

static bool
row_is_offered(const struct row *row, const struct kafka_message *m)
{
	struct kafka_versions offered;
	char *end;
	long since = strtol(row->versions, &end, 10);
	long until = *end == '-' ? strtol(end + 1, &end, 10) : since;

	if (!offered_versions(m, &offered) || strcmp(row->versions, "none") == 0)
		return false;
	cr_assert(end != row->versions && *end == '\0', "versions '%s'", row->versions);
	return since <= offered.until && until >= offered.since;
}

static uint16_t
find_child(uint16_t first, uint16_t count, const char *name, size_t n)
{
	for (uint16_t i = first; i < first + count; i++)
		if (strlen(kafka_fields[i].name) == n &&
		    strncmp(kafka_fields[i].name, name, n) == 0)
			return i;
	return KAFKA_NO_FIELD;
}

/* "TopicData[].PartitionData[].Index" */
static uint16_t
find_path(const struct kafka_message *m, const char *path)
{
	uint16_t first = m->field, count = m->fields, at = KAFKA_NO_FIELD;

	while (*path) {
		size_t n = strcspn(path, "[.");

		at = find_child(first, count, path, n);
		if (at == KAFKA_NO_FIELD)
			return at;
		first = kafka_fields[at].child;
		count = kafka_fields[at].children;
		path += n;
		path += strspn(path, "[].");
	}
	return at;
}

static bool
is_dropped(uint16_t field)
{
	for (; field != KAFKA_NO_FIELD; field = kafka_fields[field].parent)
		if (kafka_meanings[field] == MEANING_DROP_TAG)
			return true;
	return false;
}

static uint64_t
kind_meanings(const char *kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			return kinds[i].meanings;
	return 0;
}

static bool
may_pass(uint16_t field)
{
	for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++)
		if (passes[i] == field)
			return kafka_meanings[field] == MEANING_PASS;
	return false;
}

static void
check_row(const struct row *row, const struct kafka_message *m)
{
	uint16_t field = find_path(m, row->path);
	uint64_t allowed = kind_meanings(row->kind);

	cr_expect_neq(field, KAFKA_NO_FIELD, "%s has no field %s", m->name, row->path);
	cr_expect_neq(allowed, 0, "%s.%s is a %s: nobody said what that may mean", m->name,
		      row->path, row->kind);
	if (field == KAFKA_NO_FIELD || is_dropped(field) || may_pass(field))
		return;
	cr_expect_neq(kafka_meanings[field], MEANING_NONE,
		      "%s.%s (%s, versions %s) has no rule in meaning.def", m->name, row->path,
		      row->kind, row->versions);
	cr_expect(allowed & (1ull << kafka_meanings[field]), "%s.%s is a %s, but means '%s'",
		  m->name, row->path, row->kind, meaning_name(kafka_meanings[field]));
}

Test(meaning, every_listed_field_has_a_rule_that_fits)
{
	FILE *in = fopen(TEST_SRCDIR "/support/kafka_entities.tsv", "r");
	char line[4096];
	int checked = 0;

	cr_assert_not_null(in, "%s", TEST_SRCDIR "/support/kafka_entities.tsv");
	while (fgets(line, sizeof(line), in)) {
		const struct kafka_message *m;
		struct row row;

		cr_assert(row_parse(line, &row), "%s", line);
		m = row_message(&row);
		if (!m || !row_is_offered(&row, m))
			continue;
		check_row(&row, m);
		checked++;
	}
	fclose(in);
	cr_expect_gt(checked, 250, "%d rows", checked);
}

/* Calls fn for every field of every message that the gateway handles. */
static void
for_each_field(void (*fn)(const struct kafka_message *m, struct kafka_versions offered,
			  uint16_t field))
{
	for (size_t i = 0; i < kafka_messages_count; i++) {
		const struct kafka_message *m = &kafka_messages[i];
		struct kafka_versions offered;
		/* The fields of a message are one run; it ends where the next message begins. */
		size_t end =
		    i + 1 < kafka_messages_count ? kafka_messages[i + 1].field : kafka_fields_count;

		if (offered_versions(m, &offered))
			for (size_t field = m->field; field < end; field++)
				fn(m, offered, (uint16_t)field);
	}
}

static void
expect_decided(const struct kafka_message *m, struct kafka_versions offered, uint16_t field)
{
	char path[256];

	(void)offered;
	if (kafka_fields[field].type == KAFKA_STRUCT && kafka_fields[field].tag < 0)
		return;
	cr_expect(kafka_meanings[field] != MEANING_NONE || is_dropped(field),
		  "%s.%s has no rule in meaning.def", m->name,
		  kafka_field_path(field, path, sizeof(path)));
}

/* Stricter than the list: Kafka may add a tagged field without a new version. */
Test(meaning, every_field_of_an_offered_api_is_decided)
{
	for_each_field(expect_decided);
}

static uint16_t
sibling(uint16_t field, enum meaning meaning, const struct kafka_message *m, int version)
{
	uint16_t parent = kafka_fields[field].parent;
	uint16_t first = parent == KAFKA_NO_FIELD ? m->field : kafka_fields[parent].child;

	for (uint16_t i = first; i < field; i++)
		if (kafka_meanings[i] == meaning &&
		    kafka_versions_has(kafka_fields[i].versions, version))
			return i;
	return KAFKA_NO_FIELD;
}

static bool
has_before(uint16_t field, uint64_t meanings, const struct kafka_message *m, int version)
{
	for (int meaning = 0; meaning < MEANING_COUNT; meaning++)
		if (meanings & (1ull << meaning) &&
		    sibling(field, (enum meaning)meaning, m, version) != KAFKA_NO_FIELD)
			return true;
	return false;
}

/* Some meanings lean on one that comes earlier on the wire. */
static void
expect_context(const struct kafka_message *m, struct kafka_versions offered, uint16_t field)
{
	uint64_t need = 0;
	char path[256];

	if (kafka_meanings[field] == MEANING_HOST || kafka_meanings[field] == MEANING_PORT)
		need = BIT(BROKER_ID) | BIT(COORDINATOR_ID);
	else if (kafka_meanings[field] == MEANING_RESOURCE_NAME)
		need = BIT(RESOURCE_TYPE);
	else if (kafka_meanings[field] == MEANING_ERROR_MESSAGE)
		need = BIT(ERROR_CODE);
	for (int version = offered.since; need && version <= offered.until; version++) {
		uint16_t at = field;
		bool found;

		if (!kafka_versions_has(kafka_fields[field].versions, version))
			continue;
		found = has_before(at, need, m, version);
		/* An error message may belong to the code of the struct around it. */
		while (!found && kafka_meanings[field] == MEANING_ERROR_MESSAGE &&
		       kafka_fields[at].parent != KAFKA_NO_FIELD) {
			at = kafka_fields[at].parent;
			found = has_before(at, need, m, version);
		}
		cr_expect(found, "%s.%s v%d: nothing before it says whose it is", m->name,
			  kafka_field_path(field, path, sizeof(path)), version);
	}
}

Test(meaning, what_a_meaning_leans_on_comes_before_it)
{
	for_each_field(expect_context);
}

static const struct {
	enum meaning meaning;
	enum kafka_type type;
} types[] = {
    {MEANING_ERROR_CODE, KAFKA_INT16},
    {MEANING_ERROR_MESSAGE, KAFKA_STRING},
    {MEANING_TOPIC_NAME, KAFKA_STRING},
    {MEANING_CURSOR_TOPIC, KAFKA_STRING},
    {MEANING_TOPIC_ID, KAFKA_UUID},
    {MEANING_GROUP_ID, KAFKA_STRING},
    {MEANING_TRANSACTIONAL_ID, KAFKA_STRING},
    {MEANING_TRANSACTIONAL_ID_PATTERN, KAFKA_STRING},
    {MEANING_COORDINATOR_KEY, KAFKA_STRING},
    {MEANING_COORDINATOR_TYPE, KAFKA_INT8},
    {MEANING_NODE_ID, KAFKA_INT32},
    {MEANING_BROKER_ID, KAFKA_INT32},
    {MEANING_COORDINATOR_ID, KAFKA_INT32},
    {MEANING_NO_NODE, KAFKA_INT32},
    {MEANING_REPLICA_ID, KAFKA_INT32},
    {MEANING_HOST, KAFKA_STRING},
    {MEANING_PORT, KAFKA_INT32},
    {MEANING_RACK, KAFKA_STRING},
    {MEANING_LEADER_EPOCH, KAFKA_INT32},
    {MEANING_FETCH_SESSION_ID, KAFKA_INT32},
    {MEANING_FETCH_SESSION_EPOCH, KAFKA_INT32},
    {MEANING_CLUSTER_ID, KAFKA_STRING},
    {MEANING_AUTHORIZED_OPS, KAFKA_INT32},
    {MEANING_CLIENT_HOST, KAFKA_STRING},
    {MEANING_IS_INTERNAL, KAFKA_BOOL},
    {MEANING_RESOURCE_TYPE, KAFKA_INT8},
    {MEANING_RESOURCE_NAME, KAFKA_STRING},
    {MEANING_LISTED_TYPE, KAFKA_INT8},
    {MEANING_LISTED_NAME, KAFKA_STRING},
    {MEANING_LOG_DIR, KAFKA_STRING},
    {MEANING_VOLUME_BYTES, KAFKA_INT64},
    {MEANING_IS_CORDONED, KAFKA_BOOL},
    {MEANING_CLIENT_ID, KAFKA_STRING},
    {MEANING_CONFIG_NAME, KAFKA_STRING},
    {MEANING_CONFIG_VALUE, KAFKA_STRING},
    {MEANING_PROTOCOL_TYPE, KAFKA_STRING},
    {MEANING_SUBSCRIPTION, KAFKA_BYTES},
    {MEANING_ASSIGNMENT, KAFKA_BYTES},
    {MEANING_ACKS, KAFKA_INT16},
    {MEANING_RECORDS, KAFKA_RECORDS},
};

Test(meaning, fits_the_type_of_the_field)
{
	for (size_t field = 0; field < kafka_fields_count; field++)
		for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
			if (kafka_meanings[field] == types[i].meaning)
				cr_expect_eq(kafka_fields[field].type, types[i].type, "%s",
					     kafka_fields[field].name);
}

/* Racks of brokers become null: the field must be able to be null wherever it is. */
static void
expect_nullable_rack(const struct kafka_message *m, struct kafka_versions offered, uint16_t field)
{
	const struct kafka_field *f = &kafka_fields[field];

	for (int version = offered.since; version <= offered.until; version++)
		if (kafka_meanings[field] == MEANING_RACK &&
		    kafka_versions_has(f->versions, version))
			cr_expect(kafka_versions_has(f->nullable, version), "%s v%d", m->name,
				  version);
}

Test(meaning, racks_can_be_null)
{
	for_each_field(expect_nullable_rack);
}

/* A tag's size is promised before it is read when a response is streamed, so a tag goes as a whole
 * or keeps its size. */
static void
expect_in_place(const struct kafka_message *m, struct kafka_versions offered, uint16_t field)
{
	const uint64_t in_place = BIT(PASS) | BIT(NO_NODE) | BIT(LEADER_EPOCH) | BIT(ERROR_CODE);
	char path[256];
	uint16_t at = field;

	(void)offered;
	while (at != KAFKA_NO_FIELD && kafka_fields[at].tag < 0)
		at = kafka_fields[at].parent;
	if (at == KAFKA_NO_FIELD || is_dropped(field))
		return;
	if (kafka_fields[field].type == KAFKA_STRUCT && kafka_fields[field].tag < 0)
		return;
	cr_expect(in_place & (1ull << kafka_meanings[field]), "%s.%s: '%s' inside a tag", m->name,
		  kafka_field_path(field, path, sizeof(path)), meaning_name(kafka_meanings[field]));
}

Test(meaning, tags_are_dropped_or_keep_their_size)
{
	for_each_field(expect_in_place);
	for (size_t field = 0; field < kafka_fields_count; field++)
		if (kafka_meanings[field] == MEANING_DROP_TAG)
			cr_expect_geq(kafka_fields[field].tag, 0, "%s", kafka_fields[field].name);
}

Test(meaning, decisions_that_matter_most)
{
	static const struct {
		uint16_t field;
		enum meaning meaning;
	} rows[] = {
	    {KF_MetadataResponse_Brokers_NodeId, MEANING_BROKER_ID},
	    {KF_MetadataResponse_Topics_Partitions_LeaderEpoch, MEANING_LEADER_EPOCH},
	    {KF_FindCoordinatorResponse_NodeId, MEANING_COORDINATOR_ID},
	    {KF_FindCoordinatorResponse_Coordinators_NodeId, MEANING_COORDINATOR_ID},
	    {KF_FetchRequest_ReplicaId, MEANING_REPLICA_ID},
	    {KF_FetchRequest_ReplicaState, MEANING_DROP_TAG},
	    {KF_FetchResponse_NodeEndpoints, MEANING_DROP_TAG},
	    {KF_FetchResponse_Responses_Partitions_PreferredReadReplica, MEANING_NODE_ID},
	    {KF_ProduceResponse_NodeEndpoints, MEANING_DROP_TAG},
	    {KF_FetchResponse_Responses_Partitions_CurrentLeader_LeaderId, MEANING_NO_NODE},
	    {KF_ListOffsetsRequest_ReplicaId, MEANING_REPLICA_ID},
	    {KF_CreateTopicsResponse_Topics_TopicId, MEANING_TOPIC_ID},
	    {KF_DeleteTopicsRequest_TopicNames, MEANING_TOPIC_NAME},
	    {KF_DescribeGroupsRequest_Groups, MEANING_GROUP_ID},
	    {KF_AddPartitionsToTxnRequest_V3AndBelowTransactionalId, MEANING_TRANSACTIONAL_ID},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(kafka_meanings[rows[i].field], rows[i].meaning, "%s",
			     kafka_fields[rows[i].field].name);
}

Test(meaning, every_meaning_has_a_name)
{
	for (int m = 0; m < MEANING_COUNT; m++)
		cr_expect(meaning_name((enum meaning)m) && *meaning_name((enum meaning)m), "%d", m);
	cr_expect_str_eq(meaning_name(MEANING_TOPIC_NAME), "topic name");
	cr_expect_str_eq(meaning_name(MEANING_COUNT), "unknown");
}
