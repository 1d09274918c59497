/* SPDX-License-Identifier: Apache-2.0
 *
 * The pure half of editing: where in the text to cut and what to put there. Every change is one
 * splice; the result is read again before anybody gets it. Start at edit_apply().
 */
#include "config/edit.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/ensure.h"
#include "base/mem.h"
#include "config/edit_text.h"
#include "config/file.h"
#include "config/node.h"

/* Bytes start..end of the text give way to `text` (malloc'd). */
struct splice {
	size_t start;
	size_t end;
	char *text;
};

struct editor {
	struct arena *arena;
	const char *text;
	size_t length;
	const struct edit *edit;
	const char *eol; /* as the file has it */
	int step;        /* columns of one level, as the file has it */
	struct err *err;
};

static const struct node *
editor_parse(struct arena *arena, const char *text, size_t length, struct err *err)
{
	struct faults *faults = faults_new();
	const struct node *root = node_parse(arena, text, length, "the file", faults);
	char line[1024];

	if (faults_errors(faults) > 0) {
		err_set(err, ERR_INVALID, "%s",
			fault_format(faults_at(faults, 0), line, sizeof(line)));
		root = NULL;
	} else if (root->kind != NODE_MAP) {
		err_set(err, ERR_INVALID, "the file is not a map of keys");
		root = NULL;
	}
	faults_free(&faults);
	return root;
}

static size_t
line_start(const struct editor *e, size_t at)
{
	while (at > 0 && e->text[at - 1] != '\n')
		at--;
	return at;
}

/* Behind the line's newline, or the end of the text. */
static size_t
line_end(const struct editor *e, size_t at)
{
	while (at < e->length && e->text[at] != '\n')
		at++;
	return at < e->length ? at + 1 : at;
}

/* libyaml ends a block scalar behind its blank lines. */
static size_t
value_end(const struct editor *e, const struct node *node)
{
	size_t end = node->end;

	while (node->block && end > node->start && strchr("\r\n \t", e->text[end - 1]) != NULL)
		end--;
	return end;
}

static bool
is_blank(const struct editor *e, size_t from, size_t to)
{
	for (; from < to; from++) {
		if (e->text[from] != ' ' && e->text[from] != '\t')
			return false;
	}
	return true;
}

/* Columns from one level to the next: those of the first nested block. */
static int
find_step(const struct node *map)
{
	for (const struct node *child = map->first; child != NULL; child = child->next) {
		if (child->kind == NODE_MAP && child->block && child->first != NULL &&
		    child->first->key_column > child->key_column && child->key_column > 0)
			return child->first->key_column - child->key_column;
	}
	return 2;
}

/* key: {key: value} of the path from an element on. */
static void
render_flow(const struct editor *e, size_t from, FILE *out)
{
	for (size_t i = from; i < e->edit->depth; i++) {
		fprintf(out, "%s", i > from ? "{" : "");
		edit_text_scalar(e->edit->path[i], 0, out);
		fputs(": ", out);
	}
	if (e->edit->raw)
		fputs(e->edit->value, out);
	else
		edit_text_scalar(e->edit->value, 0, out);
	for (size_t i = from + 1; i < e->edit->depth; i++)
		fputc('}', out);
}

/* The same as lines of their own, the last one without its end. */
static void
render_block(const struct editor *e, size_t from, int indent, FILE *out)
{
	for (size_t i = from; i < e->edit->depth; i++) {
		fprintf(out, "%s%*s", i > from ? e->eol : "", indent, "");
		edit_text_scalar(e->edit->path[i], 0, out);
		fputc(':', out);
		indent += e->step;
	}
	fputc(' ', out);
	if (e->edit->raw)
		fputs(e->edit->value, out);
	else
		edit_text_scalar(e->edit->value, 0, out);
}

static FILE *
splice_open(struct splice *splice, size_t *size)
{
	FILE *out = open_memstream(&splice->text, size);

	ENSURE(out != NULL);
	return out;
}

/* New lines behind the line that holds a place. */
static void
insert_lines_after(const struct editor *e, size_t place, size_t from, int indent,
		   struct splice *splice)
{
	size_t size;
	FILE *out = splice_open(splice, &size);

	splice->start = splice->end = line_end(e, place);
	if (splice->start > 0 && e->text[splice->start - 1] != '\n')
		fputs(e->eol, out);
	render_block(e, from, indent, out);
	fputs(e->eol, out);
	fclose(out);
}

/* A new single value of the file itself: before its first key and the comment that belongs to that.
 */
static void
insert_on_top(const struct editor *e, const struct node *root, struct splice *splice)
{
	size_t size;
	size_t place = line_start(e, root->first->key_start);
	FILE *out = splice_open(splice, &size);

	if (place < 3 && e->length >= 3 && memcmp(e->text, "\xef\xbb\xbf", 3) == 0)
		place = 3;
	while (place > 0) {
		size_t before = line_start(e, place - 1);
		size_t text = before;

		while (text < place && (e->text[text] == ' ' || e->text[text] == '\t'))
			text++;
		if (e->text[text] != '#')
			break;
		place = before;
	}
	splice->start = splice->end = place;
	render_block(e, 0, root->first->key_column - 1, out);
	fputs(e->eol, out);
	fclose(out);
}

static void
insert_in_flow(const struct editor *e, const struct node *map, size_t from, struct splice *splice)
{
	size_t size;
	FILE *out = splice_open(splice, &size);

	if (map->last != NULL) {
		splice->start = splice->end = map->last->end;
		fputs(", ", out);
	} else {
		splice->start = splice->end = map->start + 1;
	}
	render_flow(e, from, out);
	fclose(out);
}

static void
insert(const struct editor *e, const struct node *root, const struct node *map, size_t from,
       struct splice *splice)
{
	if (!map->block)
		insert_in_flow(e, map, from, splice);
	else if (map->first == NULL) /* a text with nothing but comments */
		insert_lines_after(e, e->length, from, 0, splice);
	else if (map == root && e->edit->depth == 1)
		insert_on_top(e, root, splice);
	else
		insert_lines_after(e, value_end(e, map->last), from, map->first->key_column - 1,
				   splice);
}

/* `key:` or `key: ~` becomes a map. */
static void
fill_null(const struct editor *e, const struct node *parent, const struct node *node, size_t from,
	  struct splice *splice)
{
	size_t size;
	FILE *out;

	if (parent->block && node->start == node->end) {
		insert_lines_after(e, node->start, from, node->key_column - 1 + e->step, splice);
		return;
	}
	out = splice_open(splice, &size);
	splice->start = node->start;
	splice->end = node->end;
	fputs(node->start == node->end ? " {" : "{", out);
	render_flow(e, from, out);
	fputc('}', out);
	fclose(out);
}

static void
replace(const struct editor *e, const struct node *node, struct splice *splice)
{
	size_t size;
	FILE *out = splice_open(splice, &size);
	char quote = '\0';

	splice->start = node->start;
	splice->end = value_end(e, node);
	if (node->kind != NODE_SCALAR && node->block) { /* from the colon on */
		splice->start = node->key_end;
		while (e->text[splice->start++] != ':')
			;
		fputc(' ', out);
	} else if (node->start == node->end) {
		fputc(' ', out);
	} else if (node->kind == NODE_SCALAR && strchr("'\"", e->text[node->start]) != NULL) {
		quote = e->text[node->start];
	}
	if (e->edit->raw)
		fputs(e->edit->value, out);
	else
		edit_text_scalar(e->edit->value, quote, out);
	fclose(out);
}

static const struct node *
sibling_before(const struct node *map, const struct node *node)
{
	const struct node *before = NULL;

	for (const struct node *child = map->first; child != node; child = child->next)
		before = child;
	return before;
}

static bool
cut(const struct editor *e, const struct node *map, const struct node *node, struct splice *splice)
{
	const struct node *before = sibling_before(map, node);

	splice->text = mem_strdup("");
	if (map->block) {
		splice->start = line_start(e, node->key_start);
		if (splice->start < 3 && e->length >= 3 && memcmp(e->text, "\xef\xbb\xbf", 3) == 0)
			splice->start = 3;
		splice->end = line_end(e, value_end(e, node));
		return is_blank(e, splice->start, node->key_start);
	}
	splice->start = before != NULL && node->next == NULL ? before->end : node->key_start;
	splice->end = node->next != NULL ? node->next->key_start : node->end;
	return true;
}

/* The map that holds a node that node_find() found: the key may be nested. */
static const struct node *
holder_of(const struct node *map, const struct node *node)
{
	for (const struct node *child = map->first; child != NULL; child = child->next) {
		const struct node *holder;

		if (child == node)
			return map;
		holder = child->kind == NODE_MAP ? holder_of(child, node) : NULL;
		if (holder != NULL)
			return holder;
	}
	return NULL;
}

static bool
by_hand(const struct editor *e, const char *why)
{
	char line[256];

	return err_set(e->err, ERR_INVALID, "%s: change it by hand: %s", why,
		       edit_text_line(e->edit, line, sizeof(line)));
}

/* Follows the path as far as the file has it. */
static bool
plan(const struct editor *e, const struct node *root, struct splice *splice)
{
	const struct node *map = root;

	for (size_t i = 0; i < e->edit->depth; i++) {
		const struct node *node = node_find(map, e->edit->path[i]);
		bool last = i + 1 == e->edit->depth;

		if (node == NULL && e->edit->value != NULL)
			insert(e, root, map, i, splice);
		if (node == NULL)
			return true;
		if (last && e->edit->value == NULL)
			return cut(e, holder_of(map, node), node, splice) ||
			       by_hand(e, "the key shares its line with others");
		if (last && e->edit->is_new)
			return err_set(e->err, ERR_CONFLICT,
				       "%s is in the file already, but not in force: see the "
				       "faults of the configuration",
				       e->edit->path[i]);
		if (last) {
			replace(e, node, splice);
			return true;
		}
		if (node_is_null(node)) {
			if (e->edit->value != NULL)
				fill_null(e, holder_of(map, node), node, i + 1, splice);
			return true;
		}
		if (node->kind != NODE_MAP)
			return by_hand(e, "the path leads through a value that is no map");
		map = node;
	}
	return true;
}

/* Does the new text say what the edit wanted? */
static bool
verify(const struct editor *e, const char *text, size_t length)
{
	const struct node *node = editor_parse(e->arena, text, length, e->err);

	if (node == NULL)
		return false;
	for (size_t i = 0; node != NULL && i < e->edit->depth; i++)
		node = node_find(node, e->edit->path[i]);
	if (e->edit->value == NULL
		? node == NULL
		: node != NULL && (e->edit->raw || (node->kind == NODE_SCALAR &&
						    strcmp(node->text, e->edit->value) == 0)))
		return true;
	return by_hand(e, "the file's form does not allow the change");
}

static bool
splice_text(const struct editor *e, const struct splice *splice, char **out, size_t *out_length)
{
	size_t added = splice->text != NULL ? strlen(splice->text) : 0;
	size_t length = e->length - (splice->end - splice->start) + added;
	char *text;

	if (length > FILE_BYTES_MAX)
		return err_set(e->err, ERR_LIMIT, "the file would be larger than %zu bytes",
			       FILE_BYTES_MAX);
	text = mem_alloc(length + 1);
	memcpy(text, e->text, splice->start);
	if (added > 0)
		memcpy(text + splice->start, splice->text, added);
	memcpy(text + splice->start + added, e->text + splice->end, e->length - splice->end);
	text[length] = '\0';
	if (!verify(e, text, length)) {
		free(text);
		return false;
	}
	*out = text;
	*out_length = length;
	return true;
}

bool
edit_apply(const char *text, size_t length, const struct edit *edit, char **out, size_t *out_length,
	   struct err *err)
{
	const char *newline = memchr(text, '\n', length);
	struct editor e = {.arena = arena_new(),
			   .text = text,
			   .length = length,
			   .edit = edit,
			   .eol = newline != NULL && newline > text && newline[-1] == '\r' ? "\r\n"
											   : "\n",
			   .err = err};
	const struct node *root = editor_parse(e.arena, text, length, err);
	struct splice splice = {0};
	bool done = false;

	ENSURE(edit->depth > 0);
	if (root != NULL) {
		e.step = find_step(root);
		done = plan(&e, root, &splice) && splice_text(&e, &splice, out, out_length);
	}
	free(splice.text);
	arena_free(&e.arena);
	return done;
}
