/* SPDX-License-Identifier: Apache-2.0
 *
 * What the gateway does with each Kafka API: one row of apis.def per API that it offers, with the
 * versions it can rewrite. An API without a row is neither advertised nor forwarded (fail closed).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum api_policy {
	API_REWRITE, /* forwarded to the vnode's broker, fields rewritten by their meaning, both
			ways */
	API_LOCAL,   /* answered by the gateway; proxy/local.c has the handler */
	API_EITHER,  /* proxy/local.c is asked first; what it does not answer is forwarded
			(InitProducerId, KIP-98) */
	API_ASKED,   /* answered by the gateway from what it asks of the broker in its own words */
};

/* What a user must be allowed to do; DESCRIBE is allowed to everybody. */
enum operation {
	OPERATION_DESCRIBE = 0,
	OPERATION_READ = 1 << 0,
	OPERATION_WRITE = 1 << 1,
	OPERATION_ADMIN = 1 << 2,
	/* Offsets of a group, in a transaction: both, as with Kafka's authorizer. */
	OPERATION_READ_WRITE = OPERATION_READ | OPERATION_WRITE,
};

enum api_flags {
	API_BEFORE_AUTH = 1 << 0,     /* legal before SASL has finished */
	API_STREAM_REQUEST = 1 << 1,  /* a large request is forwarded as it arrives (Produce) */
	API_STREAM_RESPONSE = 1 << 2, /* a large response is forwarded as it arrives (Fetch) */
};

struct api {
	int16_t key;
	uint8_t policy;    /* enum api_policy */
	uint8_t operation; /* enum operation */
	uint8_t flags;     /* enum api_flags */
	int16_t min;       /* versions that the gateway can handle */
	int16_t max;
	int16_t advertise_min; /* what ApiVersions says; 0 for Produce, see KAFKA-18659 */
	const char
	    *why; /* the reason for a cap or a local answer, for the manual and the API listing */
};

extern const struct api kafka_apis[];
extern const size_t kafka_apis_count;

/* An API that is neither advertised nor forwarded, and why. */
struct api_denial {
	int key;
	const char *name;
	const char *why;
};

extern const struct api_denial kafka_denials[];
extern const size_t kafka_denials_count;

/* The row of an API key, or NULL where the gateway does not offer it. */
const struct api *api_find(int key);

/* Why an API is denied, with its name (also of ones that the field table does not know); NULL where
 * it is not. */
const char *api_denied(int key, const char **name);

static inline bool
api_has_version(const struct api *api, int version)
{
	return version >= api->min && version <= api->max;
}
