/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocking connections with deadlines, for the probes' threads: resolve, connect to the first of
 * several that answers, write, read. Every wait ends early when stop_fd becomes readable. Knows
 * nothing of Kafka; no part of the data path.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct dial_limits {
	int stop_fd;        /* readable: give up at once */
	int64_t deadline;   /* clock_now_ms() by which everything must be done */
	int64_t connect_ms; /* one connection attempt */
};

struct dial_target {
	char host[256];
	uint16_t port;
	bool tried; /* failed, or was handed out: not to be tried (again) */
};

/* Fills out with at most max addresses (port set); 0 and err when the name cannot be resolved.
 * Blocks as long as the resolver does. */
unsigned dial_resolve(const char *host, uint16_t port, struct sockaddr_storage *out, unsigned max,
		      struct err *err);

/* Connects to the targets not yet tried, the next one as soon as the one before has failed or
 * takes long; the first that is there wins: its index in *which, and it is marked tried, as are
 * those that failed. Returns a non-blocking socket, or -1 and err (of the first that failed). */
int dial_connect(const struct dial_limits *limits, struct dial_target *targets, size_t count,
		 size_t *which, struct err *err);

bool dial_write(const struct dial_limits *limits, int fd, const uint8_t *bytes, size_t length,
		struct err *err) MUST_CHECK;
/* Exactly length bytes. */
bool dial_read(const struct dial_limits *limits, int fd, uint8_t *bytes, size_t length,
	       struct err *err) MUST_CHECK;
