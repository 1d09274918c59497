/* SPDX-License-Identifier: Apache-2.0
 *
 * bench-nullbroker: a Kafka broker that does nothing, as fast as can be, so that the CPU time of
 * what stands before it can be seen. Any topic exists, records are thrown away, fetched ones are
 * canned. It answers ApiVersions, Metadata, Produce and Fetch in every version of the field table.
 * It must not be taken for a test of correctness.
 *
 * A thread per connection, blocking. An answer is built once and kept: a request that begins with
 * the same bytes and has the same size gets the same answer with another correlation id.
 *
 * Start at serve().
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/tcp.h>
#include <unistd.h>
#include "base/be.h"
#include "base/mem.h"
#include "frames.h"
#include "kafka/encode.h"
#include "kafka/kafka_ids.h"
#include "kafka/walk.h"

#define FRAME_MAX          (64u << 20)
#define THREAD_STACK       131072
#define RECORD_BYTES       1024
#define BATCH_BYTES        16384
#define PARTITIONS         8
#define PARTITION_MAX      (1u << 20)
#define NAME_MAX_BYTES     256
#define SIMILAR_BYTES      512
#define CORRELATION_AT     4 /* in a request, behind API key and version */
#define BEHIND_CORRELATION 8

static const int apis[] = {KA_Produce, KA_Fetch, KA_Metadata, KA_ApiVersions};
#define APIS (sizeof(apis) / sizeof(apis[0]))

/* The same for all connections, read-only. */
struct broker {
	uint16_t port;
	struct bytes records; /* PARTITION_MAX bytes of batches of BATCH_BYTES at most */
	size_t batch;         /* what one of them has really */
};

/* What a request said, as far as its answer needs it. */
struct question {
	const struct broker *broker;
	int version;
	char topic[NAME_MAX_BYTES];
	size_t partitions;
	size_t partition_bytes;
	bool has_topic;
};

struct connection {
	const struct broker *broker;
	int fd;
	uint8_t *frame;
	size_t capacity;
	uint8_t similar[SIMILAR_BYTES]; /* the latest request without its correlation id */
	size_t similar_size;            /* of the whole request; 0: there was none */
	struct bytes answer;
};

/* -- reading a request */

static void
on_request_item(struct question *q, enum walk_event event, const struct walk_item *item)
{
	switch (item->field) {
	case KF_ProduceRequest_TopicData_Name:
	case KF_FetchRequest_Topics_Topic:
	case KF_MetadataRequest_Topics_Name:
		if (item->null || item->length >= sizeof(q->topic))
			break;
		memcpy(q->topic, item->value, item->length);
		q->topic[item->length] = '\0';
		q->has_topic = true;
		break;
	case KF_ProduceRequest_TopicData_PartitionData:
	case KF_FetchRequest_Topics_Partitions:
		if (event == WALK_ARRAY_BEGIN)
			q->partitions = item->count;
		break;
	case KF_FetchRequest_Topics_Partitions_PartitionMaxBytes:
		q->partition_bytes = item->number > 0 ? (size_t)item->number : 0;
		break;
	default:
		break;
	}
}

static bool
read_message(const struct kafka_message *message, int version, bool prefix, const uint8_t **at,
	     size_t *length, struct question *q)
{
	struct walk walk;
	struct walk_item item;
	enum walk_event event;

	if (prefix)
		walk_init_prefix(&walk, message, version, *length);
	else
		walk_init(&walk, message, version, *length);
	while ((event = walk_next(&walk, *at, *length, &item)) > WALK_MORE) {
		on_request_item(q, event, &item);
		*at += item.size;
		*length -= item.size;
	}
	return event == WALK_END;
}

/* -- building an answer */

static void
set_api(const struct question *q, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct kafka_message *message;

	(void)q;
	if (field == KF_ApiVersionsResponse_ApiKeys) {
		out->count = APIS;
		return;
	}
	if (kafka_fields[field].parent != KF_ApiVersionsResponse_ApiKeys)
		return;
	message = kafka_message(apis[index[0]], KAFKA_REQUEST);
	if (field == KF_ApiVersionsResponse_ApiKeys_ApiKey)
		out->number = apis[index[0]];
	else if (field == KF_ApiVersionsResponse_ApiKeys_MinVersion)
		out->number = message->versions.since;
	else
		out->number = message->versions.until;
}

static void
set_text(struct encode_value *out, const char *text)
{
	out->data = text;
	out->length = strlen(text);
}

static void
set_metadata(const struct question *q, uint16_t field, const size_t *index,
	     struct encode_value *out)
{
	switch (field) {
	case KF_MetadataResponse_Brokers:
	case KF_MetadataResponse_Topics_Partitions_ReplicaNodes:
	case KF_MetadataResponse_Topics_Partitions_IsrNodes:
		out->count = 1;
		out->number = 1; /* also the element: broker 1 */
		break;
	case KF_MetadataResponse_Brokers_NodeId:
	case KF_MetadataResponse_ControllerId:
	case KF_MetadataResponse_Topics_Partitions_LeaderId:
		out->number = 1;
		break;
	case KF_MetadataResponse_Brokers_Host:
		set_text(out, "127.0.0.1");
		break;
	case KF_MetadataResponse_Brokers_Port:
		out->number = q->broker->port;
		break;
	case KF_MetadataResponse_ClusterId:
		set_text(out, "bench-null-broker-----");
		break;
	case KF_MetadataResponse_Topics:
		out->count = q->has_topic ? 1 : 0;
		break;
	case KF_MetadataResponse_Topics_Name:
		set_text(out, q->topic);
		break;
	case KF_MetadataResponse_Topics_Partitions:
		out->count = PARTITIONS;
		break;
	case KF_MetadataResponse_Topics_Partitions_PartitionIndex:
		out->number = (int64_t)index[1];
		break;
	default:
		break;
	}
}

/* Whole batches, as many as were asked for, one at least. */
static void
set_records(const struct question *q, struct encode_value *out)
{
	size_t batches = q->partition_bytes / q->broker->batch;
	size_t length = (batches > 0 ? batches : 1) * q->broker->batch;

	out->data = q->broker->records.data;
	out->length = length < q->broker->records.length ? length : q->broker->records.length;
}

static void
set_data(const struct question *q, uint16_t field, const size_t *index, struct encode_value *out)
{
	switch (field) {
	case KF_ProduceResponse_Responses:
	case KF_FetchResponse_Responses:
		out->count = q->has_topic ? 1 : 0;
		break;
	case KF_ProduceResponse_Responses_Name:
	case KF_FetchResponse_Responses_Topic:
		set_text(out, q->topic);
		break;
	case KF_ProduceResponse_Responses_PartitionResponses:
	case KF_FetchResponse_Responses_Partitions:
		out->count = q->partitions;
		break;
	case KF_ProduceResponse_Responses_PartitionResponses_Index:
	case KF_FetchResponse_Responses_Partitions_PartitionIndex:
		out->number = (int64_t)index[1];
		break;
	case KF_FetchResponse_Responses_Partitions_HighWatermark:
	case KF_FetchResponse_Responses_Partitions_LastStableOffset:
		out->number = 1 << 30;
		break;
	case KF_FetchResponse_Responses_Partitions_PreferredReadReplica:
	case KF_ProduceResponse_Responses_PartitionResponses_LogAppendTimeMs:
		out->number = -1;
		break;
	case KF_FetchResponse_Responses_Partitions_Records:
		set_records(q, out);
		break;
	default:
		break;
	}
}

static void
on_field(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct question *q = arg;

	set_api(q, field, index, out);
	set_metadata(q, field, index, out);
	set_data(q, field, index, out);
}

static bool
is_offered(int key, int version)
{
	for (size_t i = 0; i < APIS; i++)
		if (apis[i] == key)
			return kafka_versions_has(kafka_message(key, KAFKA_REQUEST)->versions,
						  version);
	return false;
}

/* Reads the request for its own sake and keeps the answer. */
static bool
build_answer(struct connection *c, size_t size)
{
	const uint8_t *at = c->frame;
	int key = (int16_t)be_get16(at);
	int version = (int16_t)be_get16(at + 2);
	struct question q = {.broker = c->broker, .version = version};
	size_t left = size;

	if (!is_offered(key, version)) {
		fprintf(stderr, "bench-nullbroker: %s version %d is not answered here\n",
			kafka_api_name(key), version);
		return false;
	}
	if (!read_message(&kafka_messages[KM_RequestHeader],
			  kafka_request_header_version(key, version), true, &at, &left, &q) ||
	    !read_message(kafka_message(key, KAFKA_REQUEST), version, false, &at, &left, &q)) {
		fprintf(stderr, "bench-nullbroker: a malformed %s request of version %d\n",
			kafka_api_name(key), version);
		return false;
	}
	c->answer.length = 0;
	encode_response(key, version, 0, on_field, &q, &c->answer);
	return true;
}

/* -- a connection's life */

/* How much of a request is compared, behind its correlation id. */
static size_t
similar_length(size_t size)
{
	size_t behind = size - BEHIND_CORRELATION;

	return behind < SIMILAR_BYTES - CORRELATION_AT ? behind : SIMILAR_BYTES - CORRELATION_AT;
}

static bool
is_similar(const struct connection *c, size_t size)
{
	return size == c->similar_size && memcmp(c->frame, c->similar, CORRELATION_AT) == 0 &&
	       memcmp(c->frame + BEHIND_CORRELATION, c->similar + CORRELATION_AT,
		      similar_length(size)) == 0;
}

static void
remember(struct connection *c, size_t size)
{
	c->similar_size = size;
	memcpy(c->similar, c->frame, CORRELATION_AT);
	memcpy(c->similar + CORRELATION_AT, c->frame + BEHIND_CORRELATION, similar_length(size));
}

/* One request; false: the connection is over. Never reads beyond the frame: then there is no rest
 * to move about. */
static bool
serve(struct connection *c)
{
	uint8_t head[4];
	size_t size;

	if (bench_receive(c->fd, head, sizeof(head), sizeof(head)) == 0)
		return false;
	size = be_get32(head);
	if (size < BEHIND_CORRELATION + 4 || size > FRAME_MAX)
		return false;
	if (size > c->capacity)
		c->frame = mem_grow(c->frame, &c->capacity, size, 1);
	if (bench_receive(c->fd, c->frame, size, size) == 0)
		return false;
	if (!is_similar(c, size)) {
		if (!build_answer(c, size))
			return false;
		remember(c, size);
	}
	be_put32(c->answer.data + 4, be_get32(c->frame + CORRELATION_AT));
	return bench_send(c->fd, c->answer.data, c->answer.length);
}

static void *
connection_main(void *arg)
{
	struct connection *c = arg;

	while (serve(c))
		;
	close(c->fd);
	bytes_free(&c->answer);
	free(c->frame);
	free(c);
	return NULL;
}

static void
start_connection(const struct broker *broker, int fd, const pthread_attr_t *attributes)
{
	struct connection *c = mem_zalloc(sizeof(*c));
	pthread_t thread;
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->broker = broker;
	c->fd = fd;
	if (pthread_create(&thread, attributes, connection_main, c) != 0)
		bench_die("cannot start a thread");
	pthread_detach(thread);
}

static int
listen_on(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		bench_die("%s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 1024) != 0)
		bench_die("port %u: %s", port, strerror(errno));
	return fd;
}

int
main(int argc, char **argv)
{
	struct broker broker = {0};
	pthread_attr_t attributes;
	long port = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
	int listener;

	if (port < 1 || port > 65535)
		bench_die("usage: bench-nullbroker PORT");
	broker.port = (uint16_t)port;
	bench_records(&broker.records, BATCH_BYTES, BATCH_BYTES, RECORD_BYTES);
	broker.batch = broker.records.length;
	while (broker.records.length + broker.batch <= PARTITION_MAX)
		bench_records(&broker.records, BATCH_BYTES, BATCH_BYTES, RECORD_BYTES);
	listener = listen_on(broker.port);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			start_connection(&broker, fd, &attributes);
		else if (errno != EINTR && errno != ECONNABORTED)
			bench_die("accept: %s", strerror(errno));
	}
}
