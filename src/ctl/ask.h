/* SPDX-License-Identifier: Apache-2.0
 *
 * The two questions that the gateway itself asks of a broker, ApiVersions and Metadata, over a
 * blocking connection (dial.h). Requests are built by kafka/encode.h, answers read by
 * kafka/walk.h; every length is checked, a frame is at most ASK_FRAME_MAX.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "ctl/dial.h"
#include "proxy/world.h"

#define ASK_FRAME_MAX   (16 * 1024 * 1024)
#define ASK_BROKERS_MAX 4096

struct ask_broker {
	int32_t id;
	char host[256];
	uint16_t port;
};

struct ask_metadata {
	char cluster_id[64]; /* "" where the version does not have it */
	int32_t controller;  /* -1: none */
	struct ask_broker *brokers;
	size_t brokers_count;
	char **topics; /* not internal ones; only where they were asked for */
	size_t topics_count;
};

/* What the broker offers, by API key; min > max: not offered. */
bool ask_apis(const struct dial_limits *limits, int fd, struct api_range apis[WORLD_API_KEYS],
	      struct err *err) MUST_CHECK;

/* Metadata in the best version that both sides have. The caller frees *out with
 * ask_metadata_free() either way. */
bool ask_metadata(const struct dial_limits *limits, int fd,
		  const struct api_range apis[WORLD_API_KEYS], bool topics,
		  struct ask_metadata *out, struct err *err) MUST_CHECK;
void ask_metadata_free(struct ask_metadata *metadata);
