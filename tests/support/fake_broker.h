/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests: a broker on loopback in a thread of its own, which keeps every request that it got and
 * answers as told. It knows no Kafka but frames.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bytes.h"

struct fake_broker;

struct fake_request {
	int key;
	int version;
	int32_t correlation_id;
	unsigned connection;  /* counted from 0 as they were accepted */
	const uint8_t *frame; /* its size included */
	size_t size;
};

/* What to do with a request. */
enum fake_mode {
	FAKE_ANSWER,
	FAKE_HOLD,     /* keep it; it is answered when the mode is FAKE_ANSWER again */
	FAKE_CLOSE,    /* close the connection */
	FAKE_GARBAGE,  /* a good header, then bytes that are no answer */
	FAKE_WRONG_ID, /* an answer to a request that was not sent */
	FAKE_CUT,      /* half of the answer, then close */
};

/* Appends the whole frame of an answer; nothing: there is none. Called on the broker's thread. */
typedef void (*fake_answer_fn)(void *arg, const struct fake_request *request, struct bytes *answer);

/* answer NULL: an answer with every field 0 or empty; none to a Produce with acks=0. */
struct fake_broker *fake_broker_start(fake_answer_fn answer, void *arg);
void fake_broker_stop(struct fake_broker **broker);
uint16_t fake_broker_port(const struct fake_broker *broker);
void fake_broker_set_mode(struct fake_broker *broker, enum fake_mode mode);
/* Reading stops, as of a broker that is stuck. */
void fake_broker_freeze(struct fake_broker *broker, bool frozen);
/* Closes the connections that it has. */
void fake_broker_drop_all(struct fake_broker *broker);

size_t fake_broker_requests(struct fake_broker *broker);
/* A copy of the n-th request; the caller frees *frame with bytes_free(). */
struct fake_request fake_broker_request(struct fake_broker *broker, size_t n, struct bytes *frame);
unsigned fake_broker_accepted(struct fake_broker *broker);
/* Connections that are open now. */
unsigned fake_broker_open(struct fake_broker *broker);
/* Connections whose other side has ended them in good order, with no half request left. */
unsigned fake_broker_ended(struct fake_broker *broker);
/* Bytes that came. */
size_t fake_broker_bytes(struct fake_broker *broker);
/* Bytes that were sent. */
size_t fake_broker_sent(struct fake_broker *broker);
