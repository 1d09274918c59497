/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine: reads a mapping by the rows of a section into a struct. Knows types and rows, no key
 * by name.
 */
#pragma once
#include "config/keys.h"

/* Where values go and faults come from. */
struct reader {
	struct arena *arena; /* of the snapshot: every value lives there */
	struct faults *faults;
	const char *file;
	const char *folder; /* relative paths are taken from here */
};

/* Sets all members of a section that have a constant default. */
void read_defaults(struct reader *r, enum key_section section, void *target);
/* Reads a map by a section's rows over what target holds; every fault is collected. path stands
 * before key names in faults ("" for a file's root). */
void read_section(struct reader *r, enum key_section section, void *target, const struct node *map,
		  const char *path);
/* Reads one value by its row. */
void read_value(struct reader *r, const struct key *key, void *target, const struct node *node,
		const char *path);

/* A fault at a value (or the variable that it came from). */
void read_fault(struct reader *r, enum fault_severity severity, const struct node *node,
		const char *path, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The same at its key. */
void read_fault_key(struct reader *r, enum fault_severity severity, const struct node *node,
		    const char *path, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* value.c: a scalar by its type, at the member's own address; a fault and false when wrong. */
bool value_read(struct reader *r, const struct key *key, enum key_type type, void *member,
		const struct node *node, const char *path);
