/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks a mapping by the rows of its section: flat dotted keys and nested groups alike. Start at
 * read_section().
 */
#include "config/read.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"
#include "base/mem.h"
#include "base/parse.h"

#define ROWS_MAX 64

/* One section being read. */
struct walk {
	struct reader *r;
	enum key_section section;
	void *target;
	const char *path;                  /* before the section's keys */
	const struct node *seen[ROWS_MAX]; /* by row, where it was set */
	struct property *properties;       /* of a cluster: what is no row */
	size_t properties_count;
	size_t properties_capacity;
};

static void __attribute__((format(printf, 7, 0)))
add_fault(struct reader *r, enum fault_severity severity, const char *variable, int line,
	  int column, const char *path, const char *format, va_list args)
{
	char text[512];

	vsnprintf(text, sizeof(text), format, args);
	if (variable != NULL)
		faults_add(r->faults, severity, "environment", 0, 0, variable, "%s", text);
	else
		faults_add(r->faults, severity, r->file, line, column, path, "%s", text);
}

void
read_fault(struct reader *r, enum fault_severity severity, const struct node *node,
	   const char *path, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_fault(r, severity, node->variable, node->line, node->column, path, format, args);
	va_end(args);
}

void
read_fault_key(struct reader *r, enum fault_severity severity, const struct node *node,
	       const char *path, const char *format, ...)
{
	bool keyed = node->key_line > 0;
	va_list args;

	va_start(args, format);
	add_fault(r, severity, node->variable, keyed ? node->key_line : node->line,
		  keyed ? node->key_column : node->column, path, format, args);
	va_end(args);
}

static const char *
join(struct reader *r, const char *path, const char *key)
{
	if (path[0] == '\0')
		return key;
	return arena_printf(r->arena, "%s.%s", path, key);
}

static void *
member_at(void *target, size_t offset)
{
	return (char *)target + offset;
}

static void
set_array(const struct key *key, void *target, const void *elements, size_t count)
{
	*(const void **)member_at(target, key->offset) = elements;
	*(size_t *)member_at(target, key->count_offset) = count;
}

static void
fail_form(struct reader *r, const struct key *key, const struct node *node, const char *path,
	  const char *form)
{
	read_fault(r, FAULT_ERROR, node, path, "must be %s%s%s", form,
		   key->example != NULL ? ", such as " : "",
		   key->example != NULL ? key->example : "");
}

/* A list of scalars in one row: [a, b], or a alone, which may hold commas. */
static void
read_scalars(struct reader *r, const struct key *key, enum key_type type, size_t size, void *target,
	     const struct node *node, const char *path)
{
	char *elements;
	size_t position = 0;
	size_t count = 0;

	if (node->kind == NODE_MAP) {
		fail_form(r, key, node, path, "a list");
		return;
	}
	elements = arena_array(r->arena, node->count, size);
	for (const struct node *child = node->first; child != NULL; child = child->next) {
		const char *place = arena_printf(r->arena, "%s[%zu]", path, position++);

		if (child->kind != NODE_SCALAR)
			fail_form(r, key, child, place, "a single value in a list");
		else if (value_read(r, key, type, elements + count * size, child, place))
			count++;
	}
	if (node->count == 0 && type != KEY_BASE64)
		fail_form(r, key, node, path, "a list that is not empty");
	set_array(key, target, elements, count);
}

/* "a, b" as the list [a, b]; each with the place of the whole. */
static const struct node *
split_commas(struct reader *r, const struct node *node)
{
	struct node *list = arena_alloc(r->arena, sizeof(*list));
	const char *text = node->text;

	*list = *node;
	list->kind = NODE_LIST;
	list->first = list->last = NULL;
	list->count = 0;
	while (*text != '\0') {
		size_t length = strcspn(text, ",");
		size_t from = strspn(text, " \t\r\n");
		size_t to = length;
		struct node *child;

		while (to > from && strchr(" \t\r\n", text[to - 1]) != NULL)
			to--;
		if (to > from) {
			child = arena_alloc(r->arena, sizeof(*child));
			child->kind = NODE_SCALAR;
			child->text = arena_strndup(r->arena, text + from, to - from);
			child->variable = node->variable;
			child->line = node->line;
			child->column = node->column + (node->plain ? (int)from : 0) +
					(node->plain ? (int)(text - node->text) : 0);
			node_append(list, NULL, child);
		}
		text += length;
		text += *text == ',';
	}
	return list;
}

/* One element of a list or map of sections. */
static void
read_element(struct reader *r, const struct key *key, void *element, const struct node *node,
	     const char *path)
{
	read_defaults(r, key->elements, element);
	if (node->kind == NODE_MAP)
		read_section(r, key->elements, element, node, path);
	else if (node_is_null(node))
		read_section(r, key->elements, element,
			     &(struct node){.kind = NODE_MAP,
					    .line = node->line,
					    .column = node->column,
					    .key_line = node->key_line,
					    .key_column = node->key_column},
			     path);
	else
		fail_form(r, key, node, path, "a map of keys");
}

static void
read_list(struct reader *r, const struct key *key, void *target, const struct node *node,
	  const char *path)
{
	char *elements;
	size_t count = 0;

	if (key->elements == SECTION_NONE) {
		if (node->kind == NODE_SCALAR)
			node = split_commas(r, node);
		read_scalars(r, key, key->element, key->element_size, target, node, path);
		return;
	}
	if (node->kind != NODE_LIST && !node_is_null(node)) {
		fail_form(r, key, node, path, "a list");
		return;
	}
	elements = arena_array(r->arena, node->count, key->element_size);
	for (const struct node *child = node->first; child != NULL; child = child->next) {
		read_element(r, key, elements + count * key->element_size, child,
			     arena_printf(r->arena, "%s[%zu]", path, count));
		count++;
	}
	set_array(key, target, elements, count);
}

static int
compare_names(const void *a, const void *b)
{
	const char *const *left = a;
	const char *const *right = b;

	return strcmp(*left, *right);
}

static void
read_map(struct reader *r, const struct key *key, void *target, const struct node *node,
	 const char *path)
{
	char *elements;
	size_t count = 0;

	if (node->kind != NODE_MAP && !node_is_null(node)) {
		fail_form(r, key, node, path, "a map");
		return;
	}
	elements = arena_array(r->arena, node->count, key->element_size);
	for (const struct node *child = node->first; child != NULL; child = child->next) {
		char *element = elements + count * key->element_size;

		if (!name_is_legal(child->key, (size_t)key->max)) {
			read_fault_key(r, FAULT_ERROR, child, path,
				       "\"%.60s\" is not a name: 1 to %d of A-Z a-z 0-9 . _ -",
				       child->key, (int)key->max);
			continue;
		}
		*(const char **)(void *)element = arena_strdup(r->arena, child->key);
		read_element(r, key, element, child, join(r, path, child->key));
		count++;
	}
	if (key->sorted && count > 1)
		qsort(elements, count, key->element_size, compare_names);
	set_array(key, target, elements, count);
}

static bool
read_choice(struct reader *r, const struct key *key, struct choice *out, const char *logical,
	    const struct node *node, const char *path)
{
	out->logical = arena_strdup(r->arena, logical);
	out->node = node;
	if (node->kind != NODE_SCALAR || node_is_null(node)) {
		fail_form(r, key, node, path, "the name of a physical cluster");
		return false;
	}
	return value_read(r, key, KEY_NAME, &out->physical, node, path);
}

/* `active: x` is `active: {main: x}`. */
static void
read_active(struct reader *r, const struct key *key, void *target, const struct node *node,
	    const char *path)
{
	struct choice *choices = arena_array(r->arena, node->count + 1, sizeof(*choices));
	size_t count = 0;

	if (node_is_null(node))
		return;
	if (node->kind != NODE_MAP) {
		count += read_choice(r, key, choices, "main", node, path);
	} else {
		for (const struct node *child = node->first; child != NULL; child = child->next) {
			const char *place = join(r, path, child->key);

			if (!name_is_legal(child->key, (size_t)key->max))
				read_fault_key(r, FAULT_ERROR, child, path,
					       "\"%.60s\" is not the name of a logical cluster",
					       child->key);
			else
				count +=
				    read_choice(r, key, &choices[count], child->key, child, place);
		}
	}
	set_array(key, target, choices, count);
}

static void
read_scalar(struct reader *r, const struct key *key, void *target, const struct node *node,
	    const char *path)
{
	if (node->kind != NODE_SCALAR)
		fail_form(r, key, node, path, "a single value");
	else if (node_is_null(node))
		read_fault_key(r, FAULT_ERROR, node, path,
			       "has no value: write one, or remove the line");
	else
		(void)value_read(r, key, key->type, member_at(target, key->offset), node, path);
}

void
read_value(struct reader *r, const struct key *key, void *target, const struct node *node,
	   const char *path)
{
	switch (key->type) {
	case KEY_LIST:
		read_list(r, key, target, node, path);
		break;
	case KEY_MAP:
		read_map(r, key, target, node, path);
		break;
	case KEY_ACTIVE:
		read_active(r, key, target, node, path);
		break;
	case KEY_SERVERS:
		if (node->kind == NODE_SCALAR)
			node = split_commas(r, node);
		read_scalars(r, key, KEY_SERVERS, sizeof(struct bootstrap), target, node, path);
		break;
	case KEY_IGNORED:
		break;
	case KEY_STRING:
	case KEY_SECRET:
	case KEY_NAME:
	case KEY_HOST:
	case KEY_PATH:
	case KEY_INTEGER:
	case KEY_BOOLEAN:
	case KEY_ENUM:
	case KEY_CHOICE:
	case KEY_TIME:
	case KEY_BASE64:
		read_scalar(r, key, target, node, path);
		break;
	}
}

void
read_defaults(struct reader *r, enum key_section section, void *target)
{
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *key = &keys[i];
		struct node node = {.kind = NODE_SCALAR, .text = key->fallback};

		if (key->section == section && key->fallback != NULL)
			ENSURE(value_read(r, key, key->type, member_at(target, key->offset), &node,
					  key->name));
		else if (key->section == section && key->type == KEY_ENUM)
			*(const char **)member_at(target, key->offset) = "";
	}
}

/* A property of a cluster that is no row: kept; warned of when no Kafka client knows it. */
static void
walk_property(struct walk *w, const char *name, const struct node *node, const char *path)
{
	const char *near = property_suggest(name);

	if (!name_is_legal(name, 249)) { /* could be a piece of a secret: not shown */
		read_fault_key(w->r, FAULT_WARNING, node, w->path,
			       "a key here is no property's name, skipped");
		return;
	}
	if (node->kind != NODE_SCALAR) {
		read_fault(w->r, FAULT_ERROR, node, path, "must be a single value");
		return;
	}
	if (!property_is_known(name))
		read_fault_key(w->r, FAULT_WARNING, node, path, "unknown property, skipped%s%s%s",
			       near != NULL ? ": did you mean " : "", near != NULL ? near : "",
			       near != NULL ? "?" : "");
	w->properties = mem_grow(w->properties, &w->properties_capacity, w->properties_count + 1,
				 sizeof(*w->properties));
	w->properties[w->properties_count++] =
	    (struct property){.name = arena_strdup(w->r->arena, name),
			      .value = arena_strdup(w->r->arena, node->text)};
}

static void
walk_unknown(struct walk *w, const char *name, const struct node *node, const char *path)
{
	const char *near = key_suggest(w->section, name);

	if (key_section_is_secret(w->section) || !name_is_legal(name, 128))
		read_fault_key(w->r, FAULT_ERROR, node, w->path, "a key here is unknown%s",
			       w->section == SECTION_ADMIN_USER
				   ? ": it takes username, password and admin"
				   : "");
	else
		read_fault_key(w->r, FAULT_ERROR, node, path, "unknown key%s%s%s",
			       near != NULL ? ": did you mean " : "", near != NULL ? near : "",
			       near != NULL ? "?" : "");
}

static void
walk_row(struct walk *w, const struct key *key, const struct node *node, const char *path)
{
	size_t row = 0;

	while (keys[row].section != w->section)
		row++;
	row = (size_t)(key - &keys[row]);
	ENSURE(row < ROWS_MAX);
	if (w->seen[row] != NULL) {
		/* Twice in the same form was found by the parser. */
		if (strcmp(w->seen[row]->key, node->key) != 0)
			read_fault_key(w->r, FAULT_ERROR, node, path,
				       "this key stands here a second time (first in line %d): "
				       "remove one",
				       w->seen[row]->key_line);
		return;
	}
	w->seen[row] = node;
	read_value(w->r, key, w->target, node, path);
}

/* Children of a map whose keys begin with `group` ("" at the top). Depth is bounded by the parser.
 */
static void
walk_map(struct walk *w, const struct node *map, const char *group)
{
	for (const struct node *node = map->first; node != NULL; node = node->next) {
		const char *name = join(w->r, group, node->key);
		const char *path = join(w->r, w->path, name);
		const struct key *key = key_find(w->section, name);

		if (key != NULL)
			walk_row(w, key, node, path);
		else if (node->kind == NODE_MAP &&
			 (key_is_group(w->section, name) || w->section == SECTION_CLUSTER))
			walk_map(w, node, name);
		else if (key_is_group(w->section, name))
			read_fault_key(w->r, FAULT_ERROR, node, path,
				       "is a group of keys, not a key: nest them below it");
		else if (w->section == SECTION_CLUSTER)
			walk_property(w, name, node, path);
		else
			walk_unknown(w, name, node, path);
	}
}

static void
walk_required(struct walk *w, const struct node *map)
{
	size_t row = 0;

	for (size_t i = 0; i < keys_count; i++) {
		if (keys[i].section != w->section)
			continue;
		if (keys[i].required && w->seen[row] == NULL)
			read_fault_key(w->r, FAULT_ERROR, map, w->path, "has no %s: add it%s%s",
				       keys[i].name, keys[i].example != NULL ? ", such as " : "",
				       keys[i].example != NULL ? keys[i].example : "");
		row++;
	}
}

void
read_section(struct reader *r, enum key_section section, void *target, const struct node *map,
	     const char *path)
{
	struct walk w = {.r = r, .section = section, .target = target, .path = path};

	if (map->kind != NODE_MAP) {
		read_fault(r, FAULT_ERROR, map, path, "must be a map of keys (key: value)");
		return;
	}
	walk_map(&w, map, "");
	walk_required(&w, map);
	if (section == SECTION_CLUSTER) {
		struct cluster *cluster = target;
		struct property *copy = arena_array(r->arena, w.properties_count, sizeof(*copy));

		if (w.properties_count > 0)
			memcpy(copy, w.properties, w.properties_count * sizeof(*copy));
		cluster->properties = copy;
		cluster->properties_count = w.properties_count;
	}
	free(w.properties);
}
