/* SPDX-License-Identifier: Apache-2.0
 *
 * Arena: what is allocated in it lives until the arena is freed; nothing is freed singly. Snapshots
 * own one each. Running out of memory aborts (as everywhere in Turnout: sizes from outside are
 * checked against limits first).
 */
#pragma once
#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena **arena);
/* Zeroed, aligned for any type. size 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size);
/* count * size, checked for overflow. */
void *arena_array(struct arena *arena, size_t count, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Bytes handed out so far. */
size_t arena_used(const struct arena *arena);
