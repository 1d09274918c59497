/* SPDX-License-Identifier: Apache-2.0
 *
 * From libyaml's events to struct node. Start at node_parse(). libyaml counts characters, the
 * editor needs bytes: builder_offset() converts, going along with the text.
 */
#include "config/node.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

/* A map or list that is open. */
struct frame {
	struct node *node;
	const char *key; /* in a map: the key whose value comes next; NULL: a key comes next */
	yaml_mark_t key_start;
	yaml_mark_t key_end;
};

struct builder {
	struct arena *arena;
	struct faults *faults;
	const char *file;
	const char *text; /* behind a byte order mark */
	size_t length;
	size_t skipped; /* bytes of the byte order mark */
	size_t index;   /* characters and bytes of the same place */
	size_t byte;
	struct frame frames[NODE_DEPTH_MAX];
	size_t depth;
	size_t nodes;
	size_t documents;
	struct node *root;
	bool failed;
};

static void
builder_fail(struct builder *b, yaml_mark_t mark, const char *sentence)
{
	faults_add(b->faults, FAULT_ERROR, b->file, (int)mark.line + 1, (int)mark.column + 1, "",
		   "%s", sentence);
	b->failed = true;
}

static bool
is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The byte of a character's index. */
static size_t
builder_offset(struct builder *b, size_t index)
{
	while (b->index < index && b->byte < b->length) {
		b->byte++;
		while (b->byte < b->length && is_continuation(b->text[b->byte]))
			b->byte++;
		b->index++;
	}
	while (b->index > index && b->byte > 0) {
		b->byte--;
		while (b->byte > 0 && is_continuation(b->text[b->byte]))
			b->byte--;
		b->index--;
	}
	return b->byte + b->skipped;
}

static struct frame *
builder_top(struct builder *b)
{
	return b->depth > 0 ? &b->frames[b->depth - 1] : NULL;
}

/* Hangs a new value where the text has it: under the pending key, at the end of the list, or as the
 * root. */
static struct node *
builder_add(struct builder *b, enum node_kind kind, const yaml_event_t *event)
{
	struct frame *top = builder_top(b);
	struct node *node;

	if (++b->nodes > NODE_COUNT_MAX) {
		builder_fail(b, event->start_mark, "the file holds too many values");
		return NULL;
	}
	node = arena_alloc(b->arena, sizeof(*node));
	node->kind = kind;
	if (top == NULL) {
		b->root = node;
	} else {
		if (top->key != NULL) {
			node->key_line = (int)top->key_start.line + 1;
			node->key_column = (int)top->key_start.column + 1;
			node->key_start = builder_offset(b, top->key_start.index);
			node->key_end = builder_offset(b, top->key_end.index);
		}
		node_append(top->node, top->key, node);
		top->key = NULL;
	}
	node->line = (int)event->start_mark.line + 1;
	node->column = (int)event->start_mark.column + 1;
	node->start = builder_offset(b, event->start_mark.index);
	node->end = builder_offset(b, event->end_mark.index);
	return node;
}

static bool
is_key_next(const struct frame *top)
{
	return top != NULL && top->node->kind == NODE_MAP && top->key == NULL;
}

static void
builder_key(struct builder *b, struct frame *top, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;

	if (event->data.scalar.length == 0) {
		builder_fail(b, event->start_mark, "a key is empty");
		return;
	}
	top->key = arena_strndup(b->arena, text, event->data.scalar.length);
	top->key_start = event->start_mark;
	top->key_end = event->end_mark;
}

static void
builder_scalar(struct builder *b, const yaml_event_t *event)
{
	struct frame *top = builder_top(b);
	yaml_scalar_style_t style = event->data.scalar.style;
	const char *text = (const char *)event->data.scalar.value;
	size_t length = event->data.scalar.length;
	struct node *node;

	if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL) {
		builder_fail(b, event->start_mark,
			     "anchors and tags (& and !) are not read here: write the value out");
		return;
	}
	if (memchr(text, '\0', length) != NULL) {
		builder_fail(b, event->start_mark, "the text holds a NUL character");
		return;
	}
	if (is_key_next(top)) {
		builder_key(b, top, event);
		return;
	}
	node = builder_add(b, NODE_SCALAR, event);
	if (node == NULL)
		return;
	node->text = arena_strndup(b->arena, text, length);
	node->plain = style == YAML_PLAIN_SCALAR_STYLE;
	node->block = style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE;
}

static void
builder_open(struct builder *b, enum node_kind kind, const yaml_event_t *event, bool marked,
	     bool block)
{
	struct node *node;

	if (marked) {
		builder_fail(b, event->start_mark,
			     "anchors and tags (& and !) are not read here: write the value out");
	} else if (is_key_next(builder_top(b))) {
		builder_fail(b, event->start_mark, "a key must be a simple text");
	} else if (b->depth == NODE_DEPTH_MAX) {
		builder_fail(b, event->start_mark, "nested too deep");
	} else if ((node = builder_add(b, kind, event)) != NULL) {
		node->block = block;
		b->frames[b->depth++] = (struct frame){.node = node};
	}
}

static int
compare_keys(const void *a, const void *b)
{
	const struct node *const *left = a;
	const struct node *const *right = b;
	int order = strcmp((*left)->key, (*right)->key);

	if (order == 0)
		order = (*left)->key_start < (*right)->key_start ? -1 : 1;
	return order;
}

/* Finds keys that are written twice by sorting: a file may have many users. */
static void
builder_check_twins(struct builder *b, const struct node *map)
{
	const struct node **sorted;
	size_t count = 0;

	if (map->count < 2)
		return;
	sorted = arena_array(b->arena, map->count, sizeof(const struct node *));
	for (const struct node *child = map->first; child != NULL; child = child->next)
		sorted[count++] = child;
	qsort(sorted, count, sizeof(sorted[0]), compare_keys);
	for (size_t i = 1; i < count; i++) {
		if (strcmp(sorted[i]->key, sorted[i - 1]->key) == 0)
			faults_add(
			    b->faults, FAULT_ERROR, b->file, sorted[i]->key_line,
			    sorted[i]->key_column, "",
			    "this key stands here a second time (first in line %d): remove one",
			    sorted[i - 1]->key_line);
	}
}

static void
builder_close(struct builder *b, const yaml_event_t *event)
{
	struct node *node = builder_top(b)->node;

	b->depth--;
	if (node->kind == NODE_MAP)
		builder_check_twins(b, node);
	/* libyaml ends a block where the next token starts, behind comments and blank lines. */
	if (!node->block)
		node->end = builder_offset(b, event->end_mark.index);
	else if (node->last != NULL)
		node->end = node->last->end;
}

static void
builder_event(struct builder *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		builder_scalar(b, event);
		break;
	case YAML_MAPPING_START_EVENT:
		builder_open(b, NODE_MAP, event,
			     event->data.mapping_start.anchor != NULL ||
				 event->data.mapping_start.tag != NULL,
			     event->data.mapping_start.style == YAML_BLOCK_MAPPING_STYLE);
		break;
	case YAML_SEQUENCE_START_EVENT:
		builder_open(b, NODE_LIST, event,
			     event->data.sequence_start.anchor != NULL ||
				 event->data.sequence_start.tag != NULL,
			     event->data.sequence_start.style == YAML_BLOCK_SEQUENCE_STYLE);
		break;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		builder_close(b, event);
		break;
	case YAML_ALIAS_EVENT:
		builder_fail(b, event->start_mark,
			     "aliases (*) are not read here: write the value out");
		break;
	case YAML_DOCUMENT_START_EVENT:
		if (b->documents++ > 0)
			builder_fail(b, event->start_mark,
				     "a second document (---) starts here: a file holds one");
		break;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
}

/* A wrong byte has no mark in libyaml, only an offset. */
static yaml_mark_t
builder_mark_of_byte(const struct builder *b, size_t byte)
{
	yaml_mark_t mark = {0};

	for (size_t i = 0; i < byte && i < b->length; i++) {
		if (b->text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		} else if (!is_continuation(b->text[i])) {
			mark.column++;
		}
	}
	return mark;
}

static void
builder_explain(struct builder *b, const yaml_parser_t *parser)
{
	yaml_mark_t mark = parser->problem_mark;
	const char *problem = parser->problem != NULL ? parser->problem : "cannot be read";

	if (parser->error == YAML_READER_ERROR)
		mark = builder_mark_of_byte(b, parser->problem_offset);
	faults_add(b->faults, FAULT_ERROR, b->file, (int)mark.line + 1, (int)mark.column + 1, "",
		   "not valid YAML: %s%s%s", problem, parser->context != NULL ? " " : "",
		   parser->context != NULL ? parser->context : "");
	b->failed = true;
}

static void
builder_run(struct builder *b)
{
	yaml_parser_t parser;
	bool at_end = false;

	if (!yaml_parser_initialize(&parser)) {
		builder_fail(b, (yaml_mark_t){0}, "no memory to read it");
		return;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)b->text, b->length);
	while (!at_end && !b->failed) {
		yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event)) {
			builder_explain(b, &parser);
			break;
		}
		builder_event(b, &event);
		at_end = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
}

struct node *
node_parse(struct arena *arena, const char *text, size_t length, const char *file,
	   struct faults *faults)
{
	struct builder b = {.arena = arena, .faults = faults, .file = file};

	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		b.skipped = 3;
	b.text = text + b.skipped;
	b.length = length - b.skipped;
	builder_run(&b);
	if (b.failed)
		return NULL;
	if (b.root == NULL || node_is_null(b.root))
		b.root = node_new_map(arena);
	return b.root;
}

struct node *
node_new_map(struct arena *arena)
{
	struct node *node = arena_alloc(arena, sizeof(*node));

	node->kind = NODE_MAP;
	node->block = true;
	return node;
}

struct node *
node_new_scalar(struct arena *arena, const char *text, const char *variable)
{
	struct node *node = arena_alloc(arena, sizeof(*node));

	node->kind = NODE_SCALAR;
	node->text = arena_strdup(arena, text);
	node->variable = variable;
	return node;
}

void
node_append(struct node *parent, const char *key, struct node *child)
{
	child->key = key;
	if (parent->last != NULL)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->count++;
}

bool
node_is_null(const struct node *node)
{
	return node->kind == NODE_SCALAR && node->plain &&
	       (node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
		strcasecmp(node->text, "null") == 0);
}

struct node *
node_child(const struct node *map, const char *key)
{
	if (map->kind != NODE_MAP)
		return NULL;
	for (struct node *child = map->first; child != NULL; child = child->next) {
		if (strcmp(child->key, key) == 0)
			return child;
	}
	return NULL;
}

struct node *
node_find(const struct node *map, const char *dotted)
{
	if (map->kind != NODE_MAP)
		return NULL;
	for (struct node *child = map->first; child != NULL; child = child->next) {
		size_t length = strlen(child->key);
		struct node *found;

		if (strcmp(child->key, dotted) == 0)
			return child;
		if (strncmp(child->key, dotted, length) != 0 || dotted[length] != '.')
			continue;
		found = node_find(child, dotted + length + 1);
		if (found != NULL)
			return found;
	}
	return NULL;
}
