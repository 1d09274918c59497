/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker for tests: a thread that answers ApiVersions 0 and Metadata 1 or 8 with bytes written
 * out by hand (not by kafka/encode.c, which is under test too), or misbehaves in one of many ways.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum fake_mode {
	FAKE_GOOD,
	FAKE_CLOSES,         /* closes each connection at once */
	FAKE_SILENT,         /* reads and says nothing */
	FAKE_HTTP,           /* is no Kafka broker */
	FAKE_HUGE_FRAME,     /* a frame of 2 GiB */
	FAKE_NEGATIVE_FRAME, /* a frame of -1 bytes */
	FAKE_CUT,            /* the body ends in the middle */
	FAKE_HUGE_ARRAY,     /* an array of 2^31-1 elements in a small frame */
	FAKE_WRONG_ID,       /* another correlation id */
	FAKE_NO_BROKERS,     /* metadata without brokers */
	FAKE_BAD_PORT,       /* a broker at port 70000 */
	FAKE_ERROR,          /* ApiVersions answers with an error code */
	FAKE_NEW_METADATA,   /* offers only Metadata 200 */
	FAKE_MODES,
};

struct fake_broker {
	pthread_t thread;
	int listener;
	int stop[2];
	uint16_t port;
	atomic_int mode;
	atomic_int metadata_max; /* 1 or 8 */
	atomic_int brokers;      /* ids first_id.. of which all are at our own port */
	atomic_int first_id;
	atomic_uint questions; /* Metadata requests answered */
};

/* On a free port of 127.0.0.1. */
struct fake_broker *fake_broker_start(void);
/* The same port again, after fake_broker_stop(). */
struct fake_broker *fake_broker_start_at(uint16_t port);
void fake_broker_stop(struct fake_broker *fake);
