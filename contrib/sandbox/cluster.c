/* SPDX-License-Identifier: Apache-2.0
 *
 * One mock cluster; see cluster.h. Start at cluster_open().
 */
#include "cluster.h"

#include <stdio.h>
#include <string.h>

#define QUERY_TIMEOUT_MS 2000

static bool
set_properties(rd_kafka_conf_t *conf, const char *const *properties, char *error, size_t size)
{
	for (; properties && *properties; properties += 2)
		if (rd_kafka_conf_set(conf, properties[0], properties[1], error, size) !=
		    RD_KAFKA_CONF_OK)
			return false;
	return true;
}

/* Where the mock of librdkafka 2.0.2 offers versions that it answers wrongly; a gateway that checks
 * every byte refuses such answers. ListOffsets 4 and 5 put the leader epoch in twice. */
static const struct cap {
	int16_t api;
	int16_t max;
} caps[] = {
    {2, 3},
};

static rd_kafka_t *
client_new(rd_kafka_type_t type, const char *const *properties, char *error, size_t size)
{
	/* Brokers go down on purpose here: only what is critical is worth a line on stderr. */
	static const char *const quiet[] = {"log_level", "2", "log.connection.close", "false",
					    NULL};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *client = NULL;

	if (set_properties(conf, quiet, error, size) &&
	    set_properties(conf, properties, error, size))
		client = rd_kafka_new(type, conf, error, size);
	if (!client)
		rd_kafka_conf_destroy(conf);
	return client;
}

rd_kafka_t *
cluster_client(const struct cluster *c, rd_kafka_type_t type, const char *const *properties,
	       char *error, size_t size)
{
	rd_kafka_t *client = client_new(type, properties, error, size);

	if (client && rd_kafka_brokers_add(client, cluster_bootstrap(c)) == 0) {
		rd_kafka_destroy(client);
		snprintf(error, size, "no broker of %s is usable", c->name);
		return NULL;
	}
	return client;
}

bool
cluster_open(struct cluster *c, const char *name, int brokers, char *error, size_t size)
{
	static const char *const no_creation[] = {"allow.auto.create.topics", "false", NULL};

	*c = (struct cluster){.name = name, .brokers = brokers};
	c->host = client_new(RD_KAFKA_PRODUCER, NULL, error, size);
	if (!c->host)
		return false;
	c->mock = rd_kafka_mock_cluster_new(c->host, brokers);
	if (!c->mock) {
		snprintf(error, size, "librdkafka could not start %d mock brokers", brokers);
		cluster_close(c);
		return false;
	}
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
		rd_kafka_mock_set_apiversion(c->mock, caps[i].api, 0, caps[i].max);
	c->query = cluster_client(c, RD_KAFKA_CONSUMER, no_creation, error, size);
	if (!c->query) {
		cluster_close(c);
		return false;
	}
	return true;
}

void
cluster_close(struct cluster *c)
{
	if (c->query)
		rd_kafka_destroy(c->query);
	if (c->mock)
		rd_kafka_mock_cluster_destroy(c->mock);
	if (c->host)
		rd_kafka_destroy(c->host);
	c->query = NULL;
	c->mock = NULL;
	c->host = NULL;
}

const char *
cluster_bootstrap(const struct cluster *c)
{
	return rd_kafka_mock_cluster_bootstraps(c->mock);
}

static int64_t
count_partitions(struct cluster *c, const rd_kafka_metadata_topic_t *topic)
{
	int64_t sum = 0;

	for (int i = 0; i < topic->partition_cnt; i++) {
		int64_t low, high;

		if (rd_kafka_query_watermark_offsets(c->query, topic->topic,
						     topic->partitions[i].id, &low, &high,
						     QUERY_TIMEOUT_MS))
			return -1;
		sum += high;
	}
	return sum;
}

int64_t
cluster_count(struct cluster *c, const char *topic)
{
	const struct rd_kafka_metadata *metadata;
	int64_t sum = -1;

	/* All topics, and a search: asking for one by name would create it on a mock broker. */
	if (rd_kafka_metadata(c->query, 1, NULL, &metadata, QUERY_TIMEOUT_MS))
		return -1;
	for (int i = 0; i < metadata->topic_cnt; i++)
		if (!strcmp(metadata->topics[i].topic, topic))
			sum = count_partitions(c, &metadata->topics[i]);
	rd_kafka_metadata_destroy(metadata);
	return sum;
}
