/* SPDX-License-Identifier: Apache-2.0
 *
 * "All" means "all of the tenant's": which topics are a tenant's own, asked of the cluster for one
 * request, and put into it in place of null. Private to proxy/.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proxy/rewrite.h"

struct client;
struct vcluster;

/* A topic by its physical name. */
struct own_topic {
	size_t name; /* where in own_topics.names */
	uint16_t length;
	uint32_t partitions;
};

struct own_topics {
	struct own_topic *list;
	size_t count;
	size_t capacity;
	char *names;
	size_t names_length;
	size_t names_capacity;
	uint64_t partitions; /* of all */
};

void own_topics_free(struct own_topics *topics);
/* Notes that a topic has this partition; a topic's partitions come one after another. Partition -1:
 * the topic exists, that is all. */
void own_topics_note(struct own_topics *topics, const char *name, size_t length, int64_t partition);
/* The topics are in the order of their names: noted so, or all that were looked up. */
bool own_topics_has(const struct own_topics *topics, const char *name, size_t length);

/* -- the request's side */

/* Does this whole request mean "all", of something that has to be looked up first, or may it name
 * only what is there? Then begins to look, and says true: the request waits. false: it can go, or
 * is malformed. */
bool lookup_begin(struct client *c, int key, int version, const uint8_t *frame, size_t size);
/* What was looked up for the request that waits, or NULL. */
const struct own_topics *lookup_result(struct client *c);

/* -- the rewriter's side: expand.c */

/* Which field of an API means "all" when it is null or empty, and what its elements hold. */
struct expansion {
	int16_t key;
	int16_t null_since;  /* from this version on null means all, below an empty array does */
	uint16_t array;      /* the field */
	uint16_t name;       /* of its elements: a topic */
	uint16_t partitions; /* of its elements: partition numbers, or KAFKA_NO_FIELD */
};

/* The row of an API, or NULL: nothing in it means all topics. */
const struct expansion *expansion_find(int key);
/* Is this beginning of the row's array one that means all? */
bool expansion_means_all(const struct expansion *x, int version, const struct walk_item *item);
