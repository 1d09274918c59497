/* SPDX-License-Identifier: Apache-2.0
 *
 * Refusing a request as a whole, as a broker would: with one Kafka error, in the request's own API
 * and version, everywhere where Kafka puts it, beside the names and numbers of the request
 * (refusal.def). The request is walked as it arrives, so that a large Produce need not be held; its
 * records are passed over.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bytes.h"
#include "kafka/walk.h"

#define REFUSAL_ECHOES 8 /* rows of one API */

/* The error that Kafka's authorizer gives for the API, by what the request names. */
#define REFUSAL_UNAUTHORIZED INT32_MAX

struct refusal_echo {
	uint16_t answer;     /* field of the answer */
	uint16_t request;    /* field of the request */
	struct bytes values; /* of struct refusal_value: what came, in order */
	size_t next;         /* the first that is not given back yet */
};

struct refusal {
	int key;
	int version;
	int error;
	int32_t correlation_id;
	bool in_header;
	struct walk walk;
	struct refusal_echo echoes[REFUSAL_ECHOES];
	unsigned echoes_count;
	size_t throttle_at; /* where the answer tells a throttle time; 0: nowhere */
	struct bytes *out;  /* the answer while it is made */
	struct bytes texts; /* of the values */
	size_t size;        /* of the frame, without its own size */
	/* what the request says */
	int acks;            /* Produce: 0: no answer is wanted; the connection is closed instead */
	bool without_id;     /* InitProducerId: without a transactional id */
	char malformed[200]; /* why it cannot be read */
};

/* Starts on a request of `size` bytes (without the 4-byte size). The API and version must be ones
 * that apis.h offers. error: Kafka's code, or REFUSAL_UNAUTHORIZED. */
void refusal_begin(struct refusal *r, int key, int version, size_t size, int error);

enum refusal_progress { REFUSAL_FAILED, REFUSAL_DONE, REFUSAL_MORE };

/* Takes as many bytes as it can; *consumed says how many. REFUSAL_MORE: at least walk.need bytes
 * from the unconsumed ones on are wanted. REFUSAL_FAILED: malformed, or more names than a frame may
 * have. */
enum refusal_progress refusal_feed(struct refusal *r, const uint8_t *at, size_t length,
				   size_t *consumed);

/* Appends the answer to a request that is through; once. */
void refusal_answer(struct refusal *r, struct bytes *out);

/* The error that the answer has where it says only one. */
int refusal_error(const struct refusal *r);

void refusal_free(struct refusal *r);
