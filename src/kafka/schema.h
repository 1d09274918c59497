/* SPDX-License-Identifier: Apache-2.0
 *
 * The shape of Kafka's messages as data. The table itself is generated from Kafka's own message
 * definitions by contrib/kafka-schema and committed as fields.def; nothing here knows what Turnout
 * does with a field (that is meaning.h) or with an API (that is apis.h).
 *
 * Start at kafka_message(): it gives the message of an API key and direction; its fields are a
 * contiguous run of kafka_fields[], and a struct's own fields are the run [child, child +
 * children).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A field's type on the wire. For an array the type is that of its elements. */
enum kafka_type {
	KAFKA_BOOL,
	KAFKA_INT8,
	KAFKA_INT16,
	KAFKA_UINT16,
	KAFKA_INT32,
	KAFKA_UINT32,
	KAFKA_INT64,
	KAFKA_FLOAT64,
	KAFKA_UUID,
	KAFKA_STRING,
	KAFKA_BYTES,
	KAFKA_RECORDS,
	KAFKA_STRUCT,
};

/* "12+" is stored as 12..KAFKA_VERSION_MAX, "none" as 1..0 (an empty range). */
#define KAFKA_VERSION_MAX 32767

struct kafka_versions {
	int16_t since;
	int16_t until;
};

static inline bool
kafka_versions_has(struct kafka_versions v, int version)
{
	return version >= v.since && version <= v.until;
}

struct kafka_field {
	const char *name;    /* Kafka's own name, "TopicData" */
	uint8_t type;        /* enum kafka_type */
	bool array;          /* an array of type */
	bool classic_string; /* never compact, whatever the message version (request header's
				ClientId) */
	int16_t tag;         /* tag number where the field is tagged, else -1 */
	struct kafka_versions versions; /* where the field exists (tagged or not) */
	struct kafka_versions nullable; /* where it may be null */
	struct kafka_versions tagged;   /* where it is in the tag section; empty where tag is -1 */
	uint16_t child;                 /* KAFKA_STRUCT: index of its first field */
	uint16_t children;              /* KAFKA_STRUCT: how many */
	uint16_t parent; /* index of the struct field that holds it, or KAFKA_NO_FIELD */
};

#define KAFKA_NO_FIELD 0xffff

enum kafka_direction {
	KAFKA_REQUEST,
	KAFKA_RESPONSE,
	KAFKA_HEADER, /* the request and response headers */
	KAFKA_DATA,   /* messages inside bytes fields: consumer protocol subscription and assignment
		       */
};

struct kafka_message {
	const char *name;               /* "ProduceRequest" */
	int16_t key;                    /* API key; -1 for headers and embedded data */
	uint8_t direction;              /* enum kafka_direction */
	bool latest_unstable;           /* the newest version is not final in this Kafka release */
	struct kafka_versions versions; /* versions that Kafka knows */
	struct kafka_versions flexible; /* versions with compact lengths and tag sections */
	uint16_t field;                 /* first top-level field */
	uint16_t fields;                /* how many */
};

/* Generated: identifiers KF_<Message>_<Path with underscores>, such as
 * KF_ProduceRequest_TopicData_Name, which are indices of kafka_fields[], and KM_<Message>, indices
 * of kafka_messages[]. See kafka_ids.h. */
extern const struct kafka_field kafka_fields[];
extern const size_t kafka_fields_count;
extern const struct kafka_message kafka_messages[];
extern const size_t kafka_messages_count;
extern const char
    kafka_schema_release[]; /* the Kafka release that the table was made from, "4.4.0" */

/* The message of an API key, or NULL where Kafka has none. */
const struct kafka_message *kafka_message(int key, enum kafka_direction direction);

/* Kafka's name of an API ("Produce"), or "unknown". Never NULL. */
const char *kafka_api_name(int key);

/* Header versions by KIP-482: 2 for flexible requests, else 1; 1 for flexible responses, else 0,
 * except that an ApiVersions response always has 0 (KIP-511). The API must exist. */
int kafka_request_header_version(int key, int version);
int kafka_response_header_version(int key, int version);

/* Writes the dotted path of a field, "TopicData.PartitionData.Index", into out; returns out. */
char *kafka_field_path(uint16_t field, char *out, size_t size);
