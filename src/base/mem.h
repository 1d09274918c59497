/* SPDX-License-Identifier: Apache-2.0
 *
 * malloc and friends that cannot fail: no memory for a bounded size is not something to go on from.
 */
#pragma once
#include <stddef.h>

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *memory, size_t size) __attribute__((returns_nonnull));
/* Grows an array for at least `need` elements, doubling; *capacity is updated. */
void *mem_grow(void *array, size_t *capacity, size_t need, size_t element)
    __attribute__((returns_nonnull));
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull));
char *mem_printf(const char *format, ...)
    __attribute__((format(printf, 1, 2), malloc, returns_nonnull));
/* Overwrites before freeing: for keys, passwords and tokens. */
void mem_free_secret(char *text);
