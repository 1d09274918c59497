/* SPDX-License-Identifier: Apache-2.0
 *
 * A YAML text as a small tree with the place of everything: line and column for faults, bytes for
 * the editor. Built from libyaml's events; knows nothing of keys. Bounded: depth, number of nodes;
 * no anchors, aliases, tags or second document.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"
#include "config/load.h"

#define NODE_DEPTH_MAX 16
#define NODE_COUNT_MAX 200000

enum node_kind { NODE_SCALAR, NODE_MAP, NODE_LIST };

struct node {
	enum node_kind kind;
	struct node *next;  /* the sibling after it */
	struct node *first; /* children of a map or list, in the order of the text */
	struct node *last;
	size_t count;         /* children */
	const char *key;      /* in a map, else NULL */
	const char *text;     /* of a scalar, without its quotes; never NULL there */
	const char *variable; /* the environment variable that it came from, or NULL */
	int line;             /* of the value, from 1; 0: none */
	int column;
	int key_line; /* of the key, from 1; 0: none */
	int key_column;
	size_t start; /* bytes of the value in the text, quotes and brackets included */
	size_t end;
	size_t key_start;
	size_t key_end;
	bool plain; /* a scalar without quotes */
	bool block; /* a scalar as | or > block, or a map or list in block style */
};

/* The root of the text; an empty text is an empty map. NULL when it is no YAML that we take: then
 * faults has why. Lives as long as the arena. */
struct node *node_parse(struct arena *arena, const char *text, size_t length, const char *file,
			struct faults *faults);

/* Nodes that did not come from a text. */
struct node *node_new_map(struct arena *arena);
struct node *node_new_scalar(struct arena *arena, const char *text, const char *variable);
/* Adds a child at the end; key is NULL for a list. */
void node_append(struct node *parent, const char *key, struct node *child);

/* No value written, or ~ or null. */
bool node_is_null(const struct node *node);
/* The child with exactly this key, or NULL. */
struct node *node_child(const struct node *map, const char *key);
/* The value of a dotted key, written flat, nested or mixed: "port.start" finds
 * {port: {start: 1}} and {port.start: 1}. NULL when there is none. */
struct node *node_find(const struct node *map, const char *dotted);
