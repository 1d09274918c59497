/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests: the frames of tests/golden, one after the other.
 */
#pragma once
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kafka/apis.h"
#include "kafka/schema.h"

struct golden {
	const char *api;
	int key;
	enum kafka_direction direction;
	int version;
	char kind[16];  /* rich, thin, bare */
	uint8_t *bytes; /* the frame, its size included */
	size_t size;
	char *lines; /* its dump */
};

typedef void (*golden_fn)(void *arg, const struct golden *g);

static inline void
golden_unhex(struct golden *g, const char *hex)
{
	g->size = strlen(hex) / 2;
	g->bytes = malloc(g->size);
	cr_assert_not_null(g->bytes);
	for (size_t i = 0; i < g->size; i++) {
		unsigned byte;

		cr_assert_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
		g->bytes[i] = (uint8_t)byte;
	}
}

/* Calls fn for every frame of an API; returns how many there were. */
static inline int
golden_each(int key, golden_fn fn, void *arg)
{
	char path[1024], direction[16];
	struct golden g = {.api = kafka_api_name(key), .key = key};
	char *line = NULL;
	size_t room = 0, length = 0;
	FILE *lines = NULL;
	int frames = 0;
	bool more;
	FILE *in;

	snprintf(path, sizeof(path), "%s/golden/%s.txt", TEST_SRCDIR, g.api);
	in = fopen(path, "r");
	cr_assert_not_null(in, "%s", path);
	do {
		more = getline(&line, &room, in) > 0;
		if (lines != NULL && (!more || line[0] == '@')) {
			fclose(lines);
			lines = NULL;
			fn(arg, &g);
			frames++;
			free(g.bytes);
			free(g.lines);
		}
		if (more && line[0] == '@') {
			cr_assert_eq(sscanf(line, "@ %15s %d %15s", direction, &g.version, g.kind),
				     3);
			g.direction =
			    strcmp(direction, "request") == 0 ? KAFKA_REQUEST : KAFKA_RESPONSE;
			cr_assert_gt(getline(&line, &room, in), 0);
			line[strcspn(line, "\n")] = '\0';
			golden_unhex(&g, line);
			lines = open_memstream(&g.lines, &length);
			cr_assert_not_null(lines);
		} else if (more) {
			fputs(line, lines);
		}
	} while (more);
	free(line);
	fclose(in);
	return frames;
}

static inline int
golden_each_api(golden_fn fn, void *arg)
{
	int frames = 0;

	for (size_t i = 0; i < kafka_apis_count; i++)
		frames += golden_each(kafka_apis[i].key, fn, arg);
	return frames;
}
