/* SPDX-License-Identifier: Apache-2.0
 *
 * What a field of Kafka's messages means to the gateway: hand-written (meaning.def) beside the
 * generated field table (fields.def). What is done with a meaning is decided in proxy/rewrite.c.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum meaning {
	MEANING_NONE, /* nobody decided: such a field of a listed kind fails tests/unit/kafka */
	MEANING_PASS, /* decided: goes through unchanged (offsets, throttle times, member ids ...)
		       */
	MEANING_ERROR_CODE,       /* passes; remembered for the error message of the same struct */
	MEANING_ERROR_MESSAGE,    /* free text of a broker: replaced by the static text of the error
				     code */
	MEANING_TOPIC_NAME,       /* virtual <-> physical by the vcluster's prefix */
	MEANING_CURSOR_TOPIC,     /* as TOPIC_NAME; a foreign one makes the struct around it null */
	MEANING_TOPIC_ID,         /* zeroed: no topic id reaches a client (protocol.md 2b) */
	MEANING_GROUP_ID,         /* prefix */
	MEANING_TRANSACTIONAL_ID, /* prefix */
	MEANING_TRANSACTIONAL_ID_PATTERN, /* a regular expression, confined to the prefix */
	MEANING_COORDINATOR_KEY,          /* group or transactional id: prefix either way */
	MEANING_COORDINATOR_TYPE,         /* 0 group, 1 transaction; another type is refused */
	MEANING_NODE_ID,   /* leader, replica, controller: broker id <-> vnode id; negative is left
			    * alone;   unknown becomes -1, or is dropped from an array of ids */
	MEANING_BROKER_ID, /* names the broker whose HOST and PORT follow in the same struct;
			    * unknown: the array element is dropped */
	MEANING_COORDINATOR_ID, /* as BROKER_ID, but unknown becomes the first vnode (the client
				   then finds out) */
	MEANING_NO_NODE,        /* a leader hint: always -1, clients ignore it (KIP-951) */
	MEANING_REPLICA_ID,     /* request: forced to -1, clients are never replicas */
	MEANING_HOST,           /* advertised host of the vnode named just before */
	MEANING_PORT,           /* its port */
	MEANING_RACK,           /* a broker's rack in a response: null */
	MEANING_LEADER_EPOCH,   /* -1 in both directions from the first response on (protocol.md 2a)
				 */
	MEANING_FETCH_SESSION_ID,    /* 0 both ways: fetches are sessionless (protocol.md 2b) */
	MEANING_FETCH_SESSION_EPOCH, /* -1 in requests */
	MEANING_FETCH_MAX_BYTES,     /* lowered where the answer cannot be streamed (aliases) */
	MEANING_CLUSTER_ID,          /* the vcluster's own cluster id */
	MEANING_AUTHORIZED_OPS,      /* INT32_MIN, "omitted": the bits would describe the gateway's
					principal */
	MEANING_CLIENT_HOST,   /* peer address that a broker saw (the gateway's): "/0.0.0.0" */
	MEANING_IS_INTERNAL,   /* false */
	MEANING_RESOURCE_TYPE, /* config resource type, precedes RESOURCE_NAME in its struct */
	MEANING_RESOURCE_NAME, /* topic or group name by RESOURCE_TYPE; other types: the element is
				  dropped */
	MEANING_LISTED_TYPE,   /* what kinds of config resources are asked for: topics and groups */
	MEANING_LISTED_NAME,   /* topic or group name, the type of which follows */
	MEANING_CLIENT_ID,     /* of a request's header: one that carries rights loses them */
	MEANING_CONFIG_NAME,   /* says what the CONFIG_VALUE behind it is */
	MEANING_CONFIG_VALUE,  /* a few hold numbers of brokers, or a topic: rewritten */
	MEANING_PROTOCOL_TYPE, /* of a group: only the bytes of "consumer" are read */
	MEANING_SUBSCRIPTION,  /* bytes of the consumer protocol: the names inside are rewritten */
	MEANING_ASSIGNMENT,    /* likewise */
	MEANING_DROP_TAG, /* a tagged field that is never passed on (endpoints, cluster id, replica
			     state) */
	MEANING_LOG_DIR,  /* a directory of a broker: a number in the order of the answer */
	MEANING_IS_CORDONED,   /* is a disk closed to new partitions (KIP-1066): false */
	MEANING_VOLUME_BYTES,  /* size of a broker's disk: -1, unknown (KIP-827) */
	MEANING_ACKS,          /* Produce: 0 means that no response will come */
	MEANING_AUTO_CREATION, /* may a topic that is named be created: not where "all" was asked
				  for, or by a user who may not write */
	MEANING_FETCH_BYTES,   /* how much a fetch asks for: not more than the user's rate */
	MEANING_THROTTLE_TIME, /* the larger of the broker's and the gateway's (KIP-219) */
	MEANING_ACL,     /* an ACL or a filter of ACLs: proxy/acls.c reads and maps it as a whole */
	MEANING_SECRET,  /* credentials: never printed, never logged */
	MEANING_RECORDS, /* record batches: passed by reference, never read */
	MEANING_COUNT,
};

/* One byte per field of kafka_fields[], indexed alike. */
extern const uint8_t kafka_meanings[];

/* "topic name", for logs and turnoutctl decode. */
const char *meaning_name(enum meaning m);
