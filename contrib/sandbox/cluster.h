/* SPDX-License-Identifier: Apache-2.0
 *
 * One mock Kafka cluster of librdkafka: its brokers, its faults and what its topics hold. It must
 * know nothing of a second cluster; that is mirror.h. Errors are librdkafka's own codes.
 */
#pragma once
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLUSTER_ALL_BROKERS (-1)

struct cluster {
	const char *name;              /* "main", "failover"; borrowed */
	rd_kafka_t *host;              /* the handle that the mock cluster lives in */
	rd_kafka_mock_cluster_t *mock; /* destroyed with host */
	rd_kafka_t *query; /* a plain client of the cluster, for watermarks and metadata */
	int brokers;
};

/* Starts `brokers` brokers on free loopback ports, ids 1..brokers. False, and a sentence in error,
 * when it fails; the cluster is then empty and needs no close. */
bool cluster_open(struct cluster *c, const char *name, int brokers, char *error, size_t size);

/* Stops the brokers; every connection breaks. Safe on an empty or closed cluster. */
void cluster_close(struct cluster *c);

/* "127.0.0.1:PORT,..." of all brokers; lives as long as the cluster. */
const char *cluster_bootstrap(const struct cluster *c);

/* A new client of the cluster with the given properties (pairs of key and value, ended by NULL);
 * NULL and a sentence in error when it fails. The caller destroys it before the cluster. */
rd_kafka_t *cluster_client(const struct cluster *c, rd_kafka_type_t type,
			   const char *const *properties, char *error, size_t size);

/* The sum of the high watermarks of a topic: how many records it was given, as long as nothing was
 * trimmed. -1 when the topic is missing or a broker does not answer in two seconds. Never creates
 * the topic. */
int64_t cluster_count(struct cluster *c, const char *topic);
