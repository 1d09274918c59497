/* SPDX-License-Identifier: Apache-2.0
 *
 * For test_names.c and test_embedded.c: one frame through the rewriter, for a tenant with aliases,
 * and read back.
 */
#pragma once
#include <criterion/criterion.h>
#include <string.h>
#include "base/bytes.h"
#include "kafka/meaning.h"
#include "proxy/rewrite.h"
#include "support/golden.h"
#include "support/tree.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static const struct slot slots[] = {{.broker_id = 5, .present = true},
				    {.broker_id = 17, .present = true}};
static const struct route route = {
    .logical = "main", .cluster = "main", .slots = slots, .slots_count = 2};

/* Sorted by topic, and by physical. */
static const struct alias aliases[] = {{"both", "existingBoth", false, true},
				       {"deep", "zzz", false, false},
				       {"ro", "existingRo", true, false},
				       {"shared", "existingShared", false, false}};
static const struct alias *const by_physical[] = {&aliases[0], &aliases[2], &aliases[3],
						  &aliases[1]};

/* Own topics that another tenant has as an alias. */
static const char *const guested[] = {"teamAguested"};

struct lap {
	struct arena *arena;
	struct scratch scratch;
	struct rewrite_context cx;
	struct rewriter rw;
	struct buf *in;
};

static inline void
lap_begin(struct lap *lap)
{
	*lap = (struct lap){.arena = arena_new()};
	lap->cx = (struct rewrite_context){
	    .prefix = "teamA",
	    .prefix_length = 5,
	    .route = &route,
	    .advertised_host = "gateway.example",
	    .cluster_id = "virtualClusterIdOfTeam",
	    .port_start = 6969,
	    .scratch = &lap->scratch,
	    .names = {"teamA", 5, aliases, by_physical, LENGTH(aliases), guested, LENGTH(guested)},
	    .whole_bytes = 100000,
	};
}

static inline void
lap_end(struct lap *lap)
{
	rewrite_free(&lap->rw);
	scratch_free(&lap->scratch);
	buf_unref(&lap->in);
	arena_free(&lap->arena);
}

/* The frame rewritten as a whole, read back. */
static inline struct tree_frame
rewrite(struct lap *lap, const struct tree_frame *frame)
{
	struct bytes bytes = {0}, out = {0};
	struct tree_frame got;
	uint8_t *copy;

	tree_frame_encode(frame, &bytes);
	lap->in = buf_new(bytes.length - 4);
	memcpy(lap->in->data, bytes.data + 4, bytes.length - 4);
	cr_assert(rewrite_frame(&lap->rw, &lap->cx, frame->direction, frame->key, frame->version,
				lap->in, lap->in->data, bytes.length - 4),
		  "%s", lap->rw.error);
	for (size_t i = 0; i < lap->rw.out.count; i++)
		bytes_add(&out, lap->rw.out.list[i].at, lap->rw.out.list[i].length);
	copy = arena_alloc(lap->arena, out.length);
	memcpy(copy, out.data, out.length);
	cr_assert(tree_frame_parse(lap->arena, frame->direction, frame->key, frame->version, copy,
				   out.length, &got),
		  "%s v%d: malformed", kafka_api_name(frame->key), frame->version);
	bytes_free(&bytes);
	bytes_free(&out);
	return got;
}

static inline bool
parse(struct lap *lap, const struct golden *g, struct tree_frame *frame)
{
	return strcmp(g->kind, "rich") == 0 &&
	       tree_frame_parse(lap->arena, g->direction, g->key, g->version, g->bytes, g->size,
				frame);
}
