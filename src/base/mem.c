/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation that aborts instead of failing. Sizes that come from outside were checked against
 * limits before.
 */
#include "base/mem.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"

void *
mem_alloc(size_t size)
{
	void *memory = malloc(size > 0 ? size : 1);

	ENSURE(memory != NULL);
	return memory;
}

void *
mem_zalloc(size_t size)
{
	void *memory = calloc(1, size > 0 ? size : 1);

	ENSURE(memory != NULL);
	return memory;
}

void *
mem_realloc(void *memory, size_t size)
{
	memory = realloc(memory, size > 0 ? size : 1);
	ENSURE(memory != NULL);
	return memory;
}

void *
mem_grow(void *array, size_t *capacity, size_t need, size_t element)
{
	size_t wanted = *capacity > 0 ? *capacity : 8;

	if (array != NULL && need <= *capacity)
		return array;
	while (wanted < need) {
		ENSURE(wanted <= SIZE_MAX / 2);
		wanted *= 2;
	}
	ENSURE(element == 0 || wanted <= SIZE_MAX / element);
	*capacity = wanted;
	return mem_realloc(array, wanted * element);
}

char *
mem_strdup(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(mem_alloc(size), text, size);
}

char *
mem_printf(const char *format, ...)
{
	va_list args;
	char *text = NULL;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	ENSURE(length >= 0);
	return text;
}

void
mem_free_secret(char *text)
{
	if (text == NULL)
		return;
	explicit_bzero(text, strlen(text));
	free(text);
}
