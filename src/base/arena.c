/* SPDX-License-Identifier: Apache-2.0
 *
 * Arena: a chain of chunks; small allocations share one, a large one has its own.
 */
#include "base/arena.h"
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"
#include "base/mem.h"

#define CHUNK_BYTES 8192

struct chunk {
	struct chunk *next;
	size_t used;
	size_t size;
	alignas(max_align_t) char data[];
};

struct arena {
	struct chunk *chunks; /* the first one is being filled */
	size_t used;
};

struct arena *
arena_new(void)
{
	return mem_zalloc(sizeof(struct arena));
}

void
arena_free(struct arena **arena)
{
	struct chunk *chunk;

	if (*arena == NULL)
		return;
	while ((chunk = (*arena)->chunks) != NULL) {
		(*arena)->chunks = chunk->next;
		free(chunk);
	}
	free(*arena);
	*arena = NULL;
}

static struct chunk *
arena_add_chunk(struct arena *arena, size_t size)
{
	struct chunk *chunk;

	size = size > CHUNK_BYTES ? size : CHUNK_BYTES;
	chunk = mem_alloc(sizeof(*chunk) + size);
	chunk->used = 0;
	chunk->size = size;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	struct chunk *chunk = arena->chunks;
	void *memory;

	ENSURE(size < SIZE_MAX / 2);
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (chunk == NULL || chunk->size - chunk->used < size)
		chunk = arena_add_chunk(arena, size);
	memory = chunk->data + chunk->used;
	chunk->used += size;
	arena->used += size;
	return memset(memory, 0, size);
}

void *
arena_array(struct arena *arena, size_t count, size_t size)
{
	ENSURE(size == 0 || count <= SIZE_MAX / 2 / size);
	return arena_alloc(arena, count * size);
}

char *
arena_strndup(struct arena *arena, const char *text, size_t length)
{
	return memcpy(arena_alloc(arena, length + 1), text, length);
}

char *
arena_strdup(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text, strlen(text));
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *text = NULL;
	char *copy;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	ENSURE(length >= 0);
	copy = arena_strndup(arena, text, (size_t)length);
	free(text);
	return copy;
}

size_t
arena_used(const struct arena *arena)
{
	return arena->used;
}
