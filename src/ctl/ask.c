/* SPDX-License-Identifier: Apache-2.0
 *
 * ApiVersions and Metadata. exchange() sends and receives one frame, read_answer() walks it and
 * hands each item to a reader; the readers are the two `on_` functions.
 */
#include "ctl/ask.h"
#include <stdlib.h>
#include <string.h>
#include "base/be.h"
#include "base/bytes.h"
#include "base/ensure.h"
#include "base/mem.h"
#include "kafka/encode.h"
#include "kafka/errors.h"
#include "kafka/kafka_ids.h"
#include "kafka/schema.h"
#include "kafka/walk.h"

#define CLIENT_ID "turnout-probe"
/* The version that every broker since 0.10 answers. */
#define API_VERSIONS_VERSION 0
/* Metadata 8 is the last one before compact lengths; later ones tell the probe nothing more. */
#define METADATA_WANTED 8

/* Called for each item of an answer; false with err ends the reading. */
typedef bool (*item_fn)(void *arg, enum walk_event event, const struct walk_item *item,
			struct err *err);

/* An answer frame without its size. */
struct frame {
	uint8_t *bytes;
	size_t length;
};

static bool
exchange(const struct dial_limits *limits, int fd, const struct bytes *request,
	 struct frame *answer, struct err *err)
{
	uint8_t prefix[4];
	uint32_t size;

	if (!dial_write(limits, fd, request->data, request->length, err) ||
	    !dial_read(limits, fd, prefix, sizeof(prefix), err))
		return false;
	size = be_get32(prefix);
	if (size < 4 || size > ASK_FRAME_MAX)
		return err_set(err, ERR_INVALID,
			       "the answer is no Kafka frame (size %u); is this a Kafka broker?",
			       size);
	answer->bytes = mem_alloc(size);
	answer->length = size;
	return dial_read(limits, fd, answer->bytes, size, err);
}

/* Walks one message from the front of the frame; what was read is taken off it. */
static bool
read_message(const struct kafka_message *message, int version, bool prefix, struct frame *frame,
	     item_fn fn, void *arg, struct err *err)
{
	struct walk walk;
	struct walk_item item;
	enum walk_event event;

	if (prefix)
		walk_init_prefix(&walk, message, version, frame->length);
	else
		walk_init(&walk, message, version, frame->length);
	while ((event = walk_next(&walk, frame->bytes, frame->length, &item)) > WALK_MORE) {
		if (!fn(arg, event, &item, err))
			return false;
		frame->bytes += item.size;
		frame->length -= item.size;
	}
	if (event == WALK_END)
		return true;
	return err_set(err, ERR_INVALID, "the answer %s is malformed: %s", message->name,
		       event == WALK_ERROR ? walk.error : "it ends too early");
}

static bool
on_header(void *arg, enum walk_event event, const struct walk_item *item, struct err *err)
{
	const int32_t *wanted = arg;

	if (event == WALK_VALUE && item->field == KF_ResponseHeader_CorrelationId &&
	    item->number != *wanted)
		return err_set(err, ERR_INVALID, "the answer has the wrong correlation id");
	return true;
}

/* Asks one question; fn gets the items of the answer's body. */
static bool
ask(const struct dial_limits *limits, int fd, int key, int version, encode_fn values, item_fn fn,
    void *arg, struct err *err)
{
	int32_t correlation = key;
	struct bytes request = {0};
	struct frame answer = {0};
	struct frame rest;
	bool ok;

	encode_request(key, version, correlation, CLIENT_ID, values, arg, &request);
	ok = exchange(limits, fd, &request, &answer, err);
	rest = answer;
	ok = ok && read_message(&kafka_messages[KM_ResponseHeader],
				kafka_response_header_version(key, version), true, &rest, on_header,
				&correlation, err);
	ok = ok &&
	     read_message(kafka_message(key, KAFKA_RESPONSE), version, false, &rest, fn, arg, err);
	bytes_free(&request);
	free(answer.bytes);
	return ok;
}

/* -- ApiVersions */

struct apis_reader {
	struct api_range *apis;
	int64_t key;
	int64_t min;
};

static void
no_values(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	(void)arg;
	(void)field;
	(void)index;
	(void)out;
}

static bool
on_api(void *arg, enum walk_event event, const struct walk_item *item, struct err *err)
{
	struct apis_reader *reader = arg;

	if (event != WALK_VALUE)
		return true;
	if (item->field == KF_ApiVersionsResponse_ErrorCode && item->number != 0)
		return err_set(err, ERR_UNAVAILABLE, "the broker answered ApiVersions with %s",
			       kafka_error_name((int)item->number));
	if (item->field == KF_ApiVersionsResponse_ApiKeys_ApiKey)
		reader->key = item->number;
	else if (item->field == KF_ApiVersionsResponse_ApiKeys_MinVersion)
		reader->min = item->number;
	else if (item->field == KF_ApiVersionsResponse_ApiKeys_MaxVersion && reader->key >= 0 &&
		 reader->key < WORLD_API_KEYS)
		reader->apis[reader->key] =
		    (struct api_range){.min = (int16_t)reader->min, .max = (int16_t)item->number};
	return true;
}

bool
ask_apis(const struct dial_limits *limits, int fd, struct api_range apis[WORLD_API_KEYS],
	 struct err *err)
{
	struct apis_reader reader = {.apis = apis, .key = -1};

	for (int key = 0; key < WORLD_API_KEYS; key++)
		apis[key] = (struct api_range){.min = 0, .max = -1};
	return ask(limits, fd, KA_ApiVersions, API_VERSIONS_VERSION, no_values, on_api, &reader,
		   err);
}

/* -- Metadata */

struct metadata_reader {
	struct ask_metadata *out;
	bool all_topics;
	int version;
	size_t brokers_capacity;
	size_t topics_capacity;
	char *topic; /* name of the topic being read; its IsInternal follows */
};

static void
metadata_values(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct metadata_reader *reader = arg;

	(void)index;
	/* All topics: null, but version 0 knows no null and takes an empty list for it. */
	if (field == KF_MetadataRequest_Topics)
		out->null = reader->all_topics && reader->version > 0;
}

static bool
begin_broker(struct metadata_reader *reader, struct err *err)
{
	struct ask_metadata *out = reader->out;

	if (out->brokers_count == ASK_BROKERS_MAX)
		return err_set(err, ERR_LIMIT, "the cluster names more than %d brokers",
			       ASK_BROKERS_MAX);
	out->brokers = mem_grow(out->brokers, &reader->brokers_capacity, out->brokers_count + 1,
				sizeof(*out->brokers));
	out->brokers[out->brokers_count++] = (struct ask_broker){.id = -1};
	return true;
}

static bool
copy_text(char *out, size_t size, const struct walk_item *item, const char *what, struct err *err)
{
	out[0] = '\0';
	if (item->null)
		return true;
	if (item->length >= size || memchr(item->value, '\0', item->length) != NULL)
		return err_set(err, ERR_INVALID, "the cluster's metadata has an impossible %s",
			       what);
	memcpy(out, item->value, item->length);
	out[item->length] = '\0';
	return true;
}

/* A topic is kept once it is known not to be internal; version 0 does not say, and keeps all. */
static void
take_topic(struct metadata_reader *reader, bool keep)
{
	struct ask_metadata *out = reader->out;

	if (reader->topic == NULL)
		return;
	if (keep) {
		out->topics = mem_grow(out->topics, &reader->topics_capacity, out->topics_count + 1,
				       sizeof(*out->topics));
		out->topics[out->topics_count++] = reader->topic;
	} else {
		free(reader->topic);
	}
	reader->topic = NULL;
}

static bool
on_topic_name(struct metadata_reader *reader, const struct walk_item *item, struct err *err)
{
	char name[256];

	if (!reader->all_topics)
		return true;
	take_topic(reader, true);
	if (!copy_text(name, sizeof(name), item, "topic name", err))
		return false;
	if (name[0] != '\0')
		reader->topic = mem_strdup(name);
	return true;
}

static bool
on_broker_value(struct metadata_reader *reader, const struct walk_item *item, struct err *err)
{
	struct ask_broker *broker;

	ENSURE(reader->out->brokers_count > 0); /* the walker said WALK_STRUCT_BEGIN before */
	broker = &reader->out->brokers[reader->out->brokers_count - 1];
	if (item->field == KF_MetadataResponse_Brokers_NodeId)
		broker->id = (int32_t)item->number;
	else if (item->field == KF_MetadataResponse_Brokers_Host)
		return copy_text(broker->host, sizeof(broker->host), item, "host", err);
	else if (item->field == KF_MetadataResponse_Brokers_Port) {
		if (item->number < 1 || item->number > 65535)
			return err_set(err, ERR_INVALID,
				       "the cluster's metadata has the impossible port %lld",
				       (long long)item->number);
		broker->port = (uint16_t)item->number;
	}
	return true;
}

static bool
on_metadata(void *arg, enum walk_event event, const struct walk_item *item, struct err *err)
{
	struct metadata_reader *reader = arg;
	uint16_t field = item->field;

	if (event == WALK_STRUCT_BEGIN && field == KF_MetadataResponse_Brokers)
		return begin_broker(reader, err);
	if (event != WALK_VALUE)
		return true;
	if (field == KF_MetadataResponse_ErrorCode && item->number != 0)
		return err_set(err, ERR_UNAVAILABLE, "the broker answered Metadata with %s",
			       kafka_error_name((int)item->number));
	if (field == KF_MetadataResponse_ClusterId)
		return copy_text(reader->out->cluster_id, sizeof(reader->out->cluster_id), item,
				 "cluster id", err);
	if (field == KF_MetadataResponse_ControllerId)
		reader->out->controller = (int32_t)item->number;
	else if (field == KF_MetadataResponse_Topics_Name)
		return on_topic_name(reader, item, err);
	else if (field == KF_MetadataResponse_Topics_IsInternal)
		take_topic(reader, item->number == 0);
	else if (kafka_fields[field].parent == KF_MetadataResponse_Brokers)
		return on_broker_value(reader, item, err);
	return true;
}

bool
ask_metadata(const struct dial_limits *limits, int fd, const struct api_range apis[WORLD_API_KEYS],
	     bool topics, struct ask_metadata *out, struct err *err)
{
	const struct kafka_message *message = kafka_message(KA_Metadata, KAFKA_RESPONSE);
	struct metadata_reader reader = {.out = out, .all_topics = topics};
	const struct api_range *offered = &apis[KA_Metadata];
	bool ok;

	*out = (struct ask_metadata){.controller = -1};
	reader.version = offered->max < METADATA_WANTED ? offered->max : METADATA_WANTED;
	if (reader.version < offered->min)
		reader.version = offered->min;
	if (offered->min > offered->max || !kafka_versions_has(message->versions, reader.version))
		return err_set(err, ERR_UNAVAILABLE,
			       "the broker offers Metadata %d to %d, none of which is known here",
			       offered->min, offered->max);
	ok = ask(limits, fd, KA_Metadata, reader.version, metadata_values, on_metadata, &reader,
		 err);
	take_topic(&reader, true);
	return ok;
}

void
ask_metadata_free(struct ask_metadata *metadata)
{
	for (size_t i = 0; i < metadata->topics_count; i++)
		free(metadata->topics[i]);
	free(metadata->topics);
	free(metadata->brokers);
	*metadata = (struct ask_metadata){.controller = -1};
}
