/* SPDX-License-Identifier: Apache-2.0
 *
 * A probe: one thread per physical cluster that asks it every so often, and at once when told,
 * whether it is there and which brokers it has. It owns its sockets and nothing else; what it
 * learns it posts to the control loop. What is made of it is decided in fleet.c.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "config/snapshot.h"
#include "loop/loop.h"
#include "proxy/world.h"

struct probe_broker {
	int32_t id;
	char host[256];
	uint16_t port;
	struct sockaddr_storage addresses[BROKER_ADDRESSES];
	unsigned addresses_count; /* 0: the name could not be resolved */
};

struct probe_result {
	uint64_t ticket; /* began after probe_now() had returned this ticket (or a lower one) */
	bool reachable;
	char error[160];
	char kafka_cluster_id[64];
	int32_t controller;
	struct probe_broker *brokers;
	size_t brokers_count;
	struct api_range apis[WORLD_API_KEYS]; /* valid when reachable */
};

/* What a probe goes by; copied. */
struct probe_settings {
	const struct bootstrap *servers; /* brokers that answered before are asked after them */
	size_t servers_count;
	int64_t interval_ms;
	int64_t timeout_ms;
	int64_t connect_ms;
};

struct probe;

/* Runs on the control loop; result is borrowed. */
typedef void (*probe_fn)(void *arg, const struct probe_result *result);
/* names: topics that are not internal, in no order; borrowed. err NULL on success. */
typedef void (*probe_topics_fn)(void *arg, char *const *names, size_t count, const struct err *err);

/* Starts the thread; it probes at once. NULL and err when there can be no thread. */
struct probe *probe_start(struct loop *loop, const struct probe_settings *settings, probe_fn fn,
			  void *arg, struct err *err);
/* Takes effect with the next round. */
void probe_update(struct probe *probe, const struct probe_settings *settings);
/* Asks for a fresh answer; a result with this ticket (or a higher one) is it. */
uint64_t probe_now(struct probe *probe);
/* Asks the cluster for its topics; fn runs exactly once, on the control loop. */
void probe_topics(struct probe *probe, probe_topics_fn fn, void *arg);
/* Ends the thread. No callback runs after it, but those of probe_topics() still owed, which run
 * with an error before it returns. A thread that hangs in the resolver is left to end by itself. */
void probe_stop(struct probe **probe);
