/* SPDX-License-Identifier: Apache-2.0
 *
 * The mirror; see mirror.h. Start at mirror_run(): look for topics that are new every
 * POLL_TOPICS_MS, and in between move records from one queue, which all partitions feed, to an
 * idempotent producer.
 */
#include "mirror.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_TOPICS_MS 100
#define MAX_TOPICS     256
#define TIMEOUT_MS     2000

struct mirror {
	struct cluster *from;
	struct cluster *to;
	rd_kafka_t *consumer;
	rd_kafka_t *producer;
	rd_kafka_queue_t *queue;
	rd_kafka_topic_t *topics[MAX_TOPICS]; /* those that are copied, opened on the consumer */
	int topic_count;
	atomic_bool paused;
	pthread_t thread;
};

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool
is_copied(const struct mirror *m, const char *name)
{
	for (int i = 0; i < m->topic_count; i++)
		if (!strcmp(rd_kafka_topic_name(m->topics[i]), name))
			return true;
	return false;
}

static void
add_topic(struct mirror *m, const rd_kafka_metadata_topic_t *topic)
{
	rd_kafka_topic_t *t;

	if (m->topic_count == MAX_TOPICS || topic->partition_cnt == 0)
		return;
	/* A client of `to` may have created it already: then this fails, and its partitions are as
	 * many. */
	rd_kafka_mock_topic_create(m->to->mock, topic->topic, topic->partition_cnt,
				   m->to->brokers < 3 ? m->to->brokers : 3);
	t = rd_kafka_topic_new(m->consumer, topic->topic, NULL);
	if (!t)
		return;
	for (int i = 0; i < topic->partition_cnt; i++)
		rd_kafka_consume_start_queue(t, topic->partitions[i].id, RD_KAFKA_OFFSET_BEGINNING,
					     m->queue);
	m->topics[m->topic_count++] = t;
}

static void
find_topics(struct mirror *m)
{
	const struct rd_kafka_metadata *metadata;

	if (rd_kafka_metadata(m->consumer, 1, NULL, &metadata, TIMEOUT_MS))
		return;
	for (int i = 0; i < metadata->topic_cnt; i++)
		if (!metadata->topics[i].err && !is_copied(m, metadata->topics[i].topic))
			add_topic(m, &metadata->topics[i]);
	rd_kafka_metadata_destroy(metadata);
}

static rd_kafka_resp_err_t
produce_copy(struct mirror *m, rd_kafka_message_t *msg, rd_kafka_headers_t *headers)
{
	int64_t timestamp = rd_kafka_message_timestamp(msg, NULL);

	return rd_kafka_producev(
	    m->producer, RD_KAFKA_V_TOPIC(rd_kafka_topic_name(msg->rkt)),
	    RD_KAFKA_V_PARTITION(msg->partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
	    RD_KAFKA_V_KEY(msg->key, msg->key_len), RD_KAFKA_V_VALUE(msg->payload, msg->len),
	    RD_KAFKA_V_TIMESTAMP(timestamp < 0 ? 0 : timestamp), RD_KAFKA_V_HEADERS(headers),
	    RD_KAFKA_V_END);
}

static void
copy_record(struct mirror *m, rd_kafka_message_t *msg)
{
	rd_kafka_resp_err_t err;

	if (msg->err) /* the end of a partition, or a broker that is down: the consumer goes on by
			 itself */
		return;
	do {
		rd_kafka_headers_t *headers = NULL;

		if (!rd_kafka_message_headers(msg, &headers))
			headers = rd_kafka_headers_copy(headers);
		err = produce_copy(m, msg, headers);
		if (err && headers)
			rd_kafka_headers_destroy(headers);
		rd_kafka_poll(m->producer, err ? 10 : 0);
	} while (err == RD_KAFKA_RESP_ERR__QUEUE_FULL);
	if (err)
		fprintf(stderr, "turnout-sandbox: mirror: a record of %s was not copied: %s\n",
			rd_kafka_topic_name(msg->rkt), rd_kafka_err2str(err));
}

static void
rest(struct mirror *m)
{
	struct timespec ts = {.tv_nsec = 10 * 1000000};

	nanosleep(&ts, NULL);
	rd_kafka_poll(m->producer, 0);
}

static void *
mirror_run(void *arg)
{
	struct mirror *m = arg;
	int64_t look = 0;

	for (;;) {
		rd_kafka_message_t *msg;

		if (atomic_load(&m->paused)) {
			rest(m);
			continue;
		}
		if (now_ms() >= look) {
			find_topics(m);
			look = now_ms() + POLL_TOPICS_MS;
		}
		msg = rd_kafka_consume_queue(m->queue, 20);
		if (msg) {
			copy_record(m, msg);
			rd_kafka_message_destroy(msg);
		}
		rd_kafka_poll(m->producer, 0);
	}
	return NULL; /* never: the thread ends with the process */
}

/* Frees what mirror_start() had made; the thread does not run. */
static void
mirror_free(struct mirror *m)
{
	if (m->queue)
		rd_kafka_queue_destroy(m->queue);
	if (m->consumer)
		rd_kafka_destroy(m->consumer);
	if (m->producer)
		rd_kafka_destroy(m->producer);
	free(m);
}

struct mirror *
mirror_start(struct cluster *from, struct cluster *to, char *error, size_t size)
{
	/* A mock broker answers an empty fetch when its wait is over, not when a record arrives: a
	 * short wait is what keeps the mirror close behind. */
	static const char *const reading[] = {"fetch.wait.max.ms",
					      "5",
					      "fetch.error.backoff.ms",
					      "20",
					      "allow.auto.create.topics",
					      "false",
					      "reconnect.backoff.max.ms",
					      "200",
					      NULL};
	static const char *const writing[] = {"enable.idempotence",       "true", "linger.ms", "0",
					      "reconnect.backoff.max.ms", "200",  NULL};
	struct mirror *m = calloc(1, sizeof(*m));

	if (!m) {
		snprintf(error, size, "no memory");
		return NULL;
	}
	m->from = from;
	m->to = to;
	m->consumer = cluster_client(from, RD_KAFKA_CONSUMER, reading, error, size);
	if (m->consumer)
		m->producer = cluster_client(to, RD_KAFKA_PRODUCER, writing, error, size);
	if (!m->consumer || !m->producer) {
		mirror_free(m);
		return NULL;
	}
	m->queue = rd_kafka_queue_new(m->consumer);
	if (pthread_create(&m->thread, NULL, mirror_run, m) != 0) {
		snprintf(error, size, "no thread for the mirror");
		mirror_free(m);
		return NULL;
	}
	return m;
}

void
mirror_pause(struct mirror *m, bool paused)
{
	atomic_store(&m->paused, paused);
}
