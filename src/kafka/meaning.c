/* SPDX-License-Identifier: Apache-2.0
 *
 * meaning.def as an array beside kafka_fields[], and names of the meanings for people. Decides
 * nothing: proxy/rewrite.c acts on a meaning.
 */
#include "kafka/meaning.h"

#include "kafka/kafka_ids.h"

/* A field without a row is MEANING_NONE (0). A second row for a field is a compiler warning. */
const uint8_t kafka_meanings[KF_COUNT] = {
#define M(field, meaning) [KF_##field] = MEANING_##meaning,
#include "kafka/meaning.def"
};

static const char *const names[MEANING_COUNT] = {
    [MEANING_NONE] = "undecided",
    [MEANING_PASS] = "passed on",
    [MEANING_ERROR_CODE] = "error code",
    [MEANING_ERROR_MESSAGE] = "error message",
    [MEANING_TOPIC_NAME] = "topic name",
    [MEANING_CURSOR_TOPIC] = "cursor topic",
    [MEANING_TOPIC_ID] = "topic id",
    [MEANING_GROUP_ID] = "group id",
    [MEANING_TRANSACTIONAL_ID] = "transactional id",
    [MEANING_TRANSACTIONAL_ID_PATTERN] = "transactional id pattern",
    [MEANING_COORDINATOR_KEY] = "coordinator key",
    [MEANING_COORDINATOR_TYPE] = "coordinator type",
    [MEANING_NODE_ID] = "node id",
    [MEANING_BROKER_ID] = "broker id",
    [MEANING_COORDINATOR_ID] = "coordinator id",
    [MEANING_NO_NODE] = "leader hint",
    [MEANING_REPLICA_ID] = "replica id",
    [MEANING_HOST] = "host",
    [MEANING_PORT] = "port",
    [MEANING_RACK] = "rack",
    [MEANING_LEADER_EPOCH] = "leader epoch",
    [MEANING_FETCH_SESSION_ID] = "fetch session id",
    [MEANING_FETCH_SESSION_EPOCH] = "fetch session epoch",
    [MEANING_FETCH_MAX_BYTES] = "fetch max bytes",
    [MEANING_CLUSTER_ID] = "cluster id",
    [MEANING_AUTHORIZED_OPS] = "authorized operations",
    [MEANING_CLIENT_HOST] = "client host",
    [MEANING_IS_INTERNAL] = "is internal",
    [MEANING_RESOURCE_TYPE] = "resource type",
    [MEANING_RESOURCE_NAME] = "resource name",
    [MEANING_LISTED_TYPE] = "listed type",
    [MEANING_LISTED_NAME] = "listed name",
    [MEANING_CLIENT_ID] = "client id",
    [MEANING_CONFIG_NAME] = "config name",
    [MEANING_CONFIG_VALUE] = "config value",
    [MEANING_PROTOCOL_TYPE] = "protocol type",
    [MEANING_SUBSCRIPTION] = "subscription",
    [MEANING_ASSIGNMENT] = "assignment",
    [MEANING_LOG_DIR] = "log directory",
    [MEANING_VOLUME_BYTES] = "volume bytes",
    [MEANING_IS_CORDONED] = "is cordoned",
    [MEANING_DROP_TAG] = "dropped tag",
    [MEANING_ACKS] = "acks",
    [MEANING_AUTO_CREATION] = "auto creation",
    [MEANING_FETCH_BYTES] = "fetch bytes",
    [MEANING_THROTTLE_TIME] = "throttle time",
    [MEANING_ACL] = "acl",
    [MEANING_SECRET] = "secret",
    [MEANING_RECORDS] = "records",
};

const char *
meaning_name(enum meaning m)
{
	return (unsigned int)m < MEANING_COUNT ? names[m] : "unknown";
}
