/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of faults: grows up to a limit (a hostile file must not fill the log), then only counts.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/arena.h"
#include "base/ensure.h"
#include "base/mem.h"
#include "config/load.h"
#include "config/faults.h"

#define FAULTS_MAX 500

struct faults {
	struct arena *arena;
	struct fault *all;
	size_t count;
	size_t capacity;
	size_t errors;
	bool full;
};

struct faults *
faults_new(void)
{
	struct faults *faults = mem_zalloc(sizeof(*faults));

	faults->arena = arena_new();
	return faults;
}

void
faults_free(struct faults **faults)
{
	if (*faults == NULL)
		return;
	arena_free(&(*faults)->arena);
	free((*faults)->all);
	free(*faults);
	*faults = NULL;
}

size_t
faults_count(const struct faults *faults)
{
	return faults->count;
}

size_t
faults_errors(const struct faults *faults)
{
	return faults->errors;
}

const struct fault *
faults_at(const struct faults *faults, size_t index)
{
	ENSURE(index < faults->count);
	return &faults->all[index];
}

/* Control bytes of a file's text would garble a terminal or a log. */
static void
clean_text(char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 127)
			*text = '?';
	}
}

static void
faults_append(struct faults *faults, struct fault fault)
{
	faults->all =
	    mem_grow(faults->all, &faults->capacity, faults->count + 1, sizeof(*faults->all));
	faults->all[faults->count++] = fault;
}

void
faults_add(struct faults *faults, enum fault_severity severity, const char *file, int line,
	   int column, const char *key, const char *format, ...)
{
	char text[512];
	char *copy;
	char *path;
	va_list args;

	if (severity == FAULT_ERROR)
		faults->errors++;
	if (faults->full)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	faults->full = faults->count + 1 >= FAULTS_MAX;
	if (faults->full)
		snprintf(text, sizeof(text), "more faults follow; they are not listed");
	copy = arena_strdup(faults->arena, text);
	path = arena_strdup(faults->arena, key);
	clean_text(copy);
	clean_text(path);
	faults_append(faults, (struct fault){.severity = severity,
					     .file = arena_strdup(faults->arena, file),
					     .line = line,
					     .column = column,
					     .key = path,
					     .text = copy});
}

char *
fault_format(const struct fault *fault, char *out, size_t size)
{
	char place[32] = "";
	const char *severity = fault->severity == FAULT_WARNING ? "warning: " : "";

	if (fault->line > 0)
		snprintf(place, sizeof(place), ":%d:%d", fault->line, fault->column);
	snprintf(out, size, "%s%s: %s%s%s%s", fault->file, place, severity, fault->key,
		 fault->key[0] != '\0' ? ": " : "", fault->text);
	return out;
}

struct ranked {
	struct fault fault;
	size_t rank;  /* of the file: order of first mention */
	size_t place; /* keeps the sort stable */
};

static int
compare_ranked(const void *a, const void *b)
{
	const struct ranked *left = a;
	const struct ranked *right = b;

	if (left->rank != right->rank)
		return left->rank < right->rank ? -1 : 1;
	if (left->fault.line != right->fault.line)
		return left->fault.line < right->fault.line ? -1 : 1;
	if (left->fault.column != right->fault.column)
		return left->fault.column < right->fault.column ? -1 : 1;
	return left->place < right->place ? -1 : 1;
}

static size_t
faults_rank(const struct faults *faults, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (strcmp(faults->all[i].file, faults->all[index].file) == 0)
			return i;
	}
	return index;
}

void
faults_sort(struct faults *faults)
{
	struct ranked *ranked;

	if (faults->count < 2)
		return;
	ranked = mem_zalloc(faults->count * sizeof(*ranked));
	for (size_t i = 0; i < faults->count; i++)
		ranked[i] =
		    (struct ranked){faults->all[i], .rank = faults_rank(faults, i), .place = i};
	qsort(ranked, faults->count, sizeof(*ranked), compare_ranked);
	for (size_t i = 0; i < faults->count; i++)
		faults->all[i] = ranked[i].fault;
	free(ranked);
}
