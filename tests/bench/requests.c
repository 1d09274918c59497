/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of the load generator by the gateway's encoder. Must not send anything. Start at
 * workloads[]; constants[] has the fields that are the same in every run, on_field() the others.
 */
#include "requests.h"
#include <stdio.h>
#include <string.h>
#include "frames.h"
#include "kafka/encode.h"
#include "kafka/kafka_ids.h"

#define CLIENT_ID "bench"

/* The newest versions that the gateway offers and that answer with names, not topic ids. */
static const struct workload workloads[] = {
    {"produce", KA_Produce, 9, "record batches, acks=1"},
    {"fetch", KA_Fetch, 12, "from offset 0, without a session"},
    {"metadata", KA_Metadata, 8, "of one topic"},
    {"idle", KA_Metadata, 8, "one request per connection, then silence"},
    {"create", KA_CreateTopics, 5, "the topic, deleted quickly once it is written to"},
};

/* Fields whose value is no default and the same in every run. */
static const struct {
	uint16_t field;
	int32_t number;
} constants[] = {
    {KF_ProduceRequest_Acks, 1},
    {KF_ProduceRequest_TimeoutMs, 30000},
    {KF_FetchRequest_ReplicaId, -1},
    {KF_FetchRequest_MaxWaitMs, 500},
    {KF_FetchRequest_MinBytes, 1},
    {KF_FetchRequest_SessionEpoch, -1},
    {KF_FetchRequest_Topics_Partitions_CurrentLeaderEpoch, -1},
    {KF_FetchRequest_Topics_Partitions_LastFetchedEpoch, -1},
    {KF_FetchRequest_Topics_Partitions_LogStartOffset, -1},
    {KF_CreateTopicsRequest_Topics_ReplicationFactor, 1},
    {KF_CreateTopicsRequest_timeoutMs, 30000},
};

/* Of a topic that is written to for minutes: old segments go at once. */
static const struct {
	const char *name;
	const char *value;
} configs[] = {
    {"segment.bytes", "67108864"},
    {"retention.bytes", "67108864"},
    {"retention.ms", "-1"}, /* our records are from 1970 */
    {"file.delete.delay.ms", "0"},
};

struct request {
	const struct shape *shape;
	struct bytes records;
	struct bytes auth;
};

const struct workload *
workload_find(const char *name)
{
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++)
		if (strcmp(workloads[i].name, name) == 0)
			return &workloads[i];
	return NULL;
}

const char *
workload_names(void)
{
	static char names[512];
	size_t used = 0;

	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		int wrote = snprintf(names + used, sizeof(names) - used, "  %-10s%s\n",
				     workloads[i].name, workloads[i].summary);

		used += wrote > 0 ? (size_t)wrote : 0;
		if (used >= sizeof(names))
			break;
	}
	return names;
}

static void
set_text(struct encode_value *out, const char *text)
{
	out->data = text;
	out->length = strlen(text);
}

static void
set_bytes(struct encode_value *out, const struct bytes *bytes)
{
	out->data = bytes->data;
	out->length = bytes->length;
}

/* The fields that depend on the run. index[0] counts topics, index[1] partitions or configs. */
static void
set_shape(const struct request *request, uint16_t field, const size_t *index,
	  struct encode_value *out)
{
	const struct shape *shape = request->shape;

	switch (field) {
	case KF_ProduceRequest_TopicData:
	case KF_FetchRequest_Topics:
	case KF_MetadataRequest_Topics:
	case KF_CreateTopicsRequest_Topics:
		out->count = 1;
		break;
	case KF_ProduceRequest_TopicData_Name:
	case KF_FetchRequest_Topics_Topic:
	case KF_MetadataRequest_Topics_Name:
	case KF_CreateTopicsRequest_Topics_Name:
		set_text(out, shape->topic);
		break;
	case KF_ProduceRequest_TopicData_PartitionData:
	case KF_FetchRequest_Topics_Partitions:
		out->count = shape->partitions;
		break;
	case KF_ProduceRequest_TopicData_PartitionData_Index:
	case KF_FetchRequest_Topics_Partitions_Partition:
		out->number = (int64_t)index[1];
		break;
	case KF_ProduceRequest_TopicData_PartitionData_Records:
		set_bytes(out, &request->records);
		break;
	case KF_FetchRequest_MaxBytes:
		out->number = (int64_t)(shape->bytes * shape->partitions);
		break;
	case KF_FetchRequest_Topics_Partitions_PartitionMaxBytes:
		out->number = (int64_t)shape->bytes;
		break;
	case KF_CreateTopicsRequest_Topics_NumPartitions:
		out->number = (int64_t)shape->partitions;
		break;
	case KF_CreateTopicsRequest_Topics_Configs:
		out->count = sizeof(configs) / sizeof(configs[0]);
		break;
	case KF_CreateTopicsRequest_Topics_Configs_Name:
		set_text(out, configs[index[1]].name);
		break;
	case KF_CreateTopicsRequest_Topics_Configs_Value:
		set_text(out, configs[index[1]].value);
		break;
	default:
		break;
	}
}

static void
on_field(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct request *request = arg;

	for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++)
		if (constants[i].field == field)
			out->number = constants[i].number;
	if (field == KF_SaslHandshakeRequest_Mechanism)
		set_text(out, "PLAIN");
	else if (field == KF_SaslAuthenticateRequest_AuthBytes)
		set_bytes(out, &request->auth);
	else if (request->shape != NULL)
		set_shape(request, field, index, out);
}

void
workload_request(const struct workload *workload, const struct shape *shape, struct bytes *out)
{
	struct request request = {.shape = shape};

	if (workload->key == KA_Produce)
		bench_records(&request.records, shape->bytes, shape->batch, shape->record);
	encode_request(workload->key, workload->version, 0, CLIENT_ID, on_field, &request, out);
	bytes_free(&request.records);
}

void
login_handshake(struct bytes *out)
{
	struct request request = {0};

	encode_request(KA_SaslHandshake, LOGIN_HANDSHAKE_VERSION, 0, CLIENT_ID, on_field, &request,
		       out);
}

void
login_authenticate(const char *user, const char *password, struct bytes *out)
{
	struct request request = {0};

	bytes_add_u8(&request.auth, 0);
	bytes_add(&request.auth, user, strlen(user));
	bytes_add_u8(&request.auth, 0);
	bytes_add(&request.auth, password, strlen(password));
	encode_request(KA_SaslAuthenticate, LOGIN_AUTHENTICATE_VERSION, 0, CLIENT_ID, on_field,
		       &request, out);
	bytes_free(&request.auth);
}
