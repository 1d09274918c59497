/* SPDX-License-Identifier: Apache-2.0
 *
 * The editor on texts: exact results, and random files of which nothing but the edited place may
 * change.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/arena.h"
#include "config/edit.h"
#include "config/node.h"

struct example {
	const char *before;
	const char *path[4];
	const char *value;
	bool raw;
	const char *after; /* NULL: refused */
};

static const struct example examples[] = {
    /* replacing */
    {"active: main\n", {"active"}, "failover", false, "active: failover\n"},
    {"# top\nactive:   main   # who serves\n\nconfig: {}\n",
     {"active"},
     "failover",
     false,
     "# top\nactive:   failover   # who serves\n\nconfig: {}\n"},
    {"active: 'main'\r\nx: 1\r\n", {"active"}, "b", false, "active: 'b'\r\nx: 1\r\n"},
    {"active: \"main\"", {"active"}, "a\"b", false, "active: \"a\\\"b\""},
    {"active: 'm'\n", {"active"}, "it's", false, "active: 'it''s'\n"},
    {"active:\n", {"active"}, "b", false, "active: b\n"},
    {"active: # none\n", {"active"}, "b", false, "active: b # none\n"},
    {"active: ~\n", {"active"}, "b", false, "active: b\n"},
    {"{active: main, config: {}}\n", {"active"}, "b", false, "{active: b, config: {}}\n"},
    {"{active: , config: {}}\n", {"active"}, "b", false, "{active:  b, config: {}}\n"},
    {"active: {main: a, eu: b}  # map\n",
     {"active", "eu"},
     "c",
     false,
     "active: {main: a, eu: c}  # map\n"},
    {"active:\n  main: a\n  eu: b # eu\n",
     {"active", "eu"},
     "c",
     false,
     "active:\n  main: a\n  eu: c # eu\n"},
    {"\xc3\xa4: \xe2\x82\xac # \xf0\x9f\x9a\x82\nactive: m\xc3\xbc # \xc3\xb6\n",
     {"active"},
     "x",
     false,
     "\xc3\xa4: \xe2\x82\xac # \xf0\x9f\x9a\x82\nactive: x # \xc3\xb6\n"},
    {"\xef\xbb\xbf"
     "active: a\n",
     {"active"},
     "b",
     false,
     "\xef\xbb\xbf"
     "active: b\n"},
    {"text: |\n  one\n  two\n\n# c\nx: 1\n",
     {"text"},
     "three",
     false,
     "text: three\n\n# c\nx: 1\n"},
    {"text: one\n  two\nx: 1\n", {"text"}, "three", false, "text: three\nx: 1\n"},
    {"active:\n  main: a\nx: 1\n", {"active"}, "b", false, "active: b\nx: 1\n"},
    {"a: {b: {c: 1}}\n", {"a"}, "{}", true, "a: {}\n"},
    {"port:\n  start: 1\n", {"port.start"}, "2", false, "port:\n  start: 2\n"},
    {"port.start: 1\n", {"port.start"}, "2", false, "port.start: 2\n"},
    {"a: 1\n", {"a"}, "two words", false, "a: \"two words\"\n"},
    {"a: 1\n", {"a"}, "", false, "a: \"\"\n"},
    {"a: 1\n", {"a"}, "null", false, "a: \"null\"\n"},
    {"a: 1\n", {"a"}, "x: y # z", false, "a: \"x: y # z\"\n"},
    {"a: 1\n", {"a"}, "l1\nl2\t\x01", false, "a: \"l1\\x0al2\\x09\\x01\"\n"},
    {"a: 1\n", {"a"}, "2026-11-22T10:00:00Z", false, "a: 2026-11-22T10:00:00Z\n"},
    {"a: 1\n", {"a"}, "-x", false, "a: \"-x\"\n"},
    /* adding */
    {"", {"active"}, "b", false, "active: b\n"},
    {"# only a comment", {"active"}, "b", false, "# only a comment\nactive: b\n"},
    {"config:\n  main: {}\n", {"active"}, "b", false, "active: b\nconfig:\n  main: {}\n"},
    {"# the file\n\n# clusters\nconfig: {}\n",
     {"active"},
     "b",
     false,
     "# the file\n\nactive: b\n# clusters\nconfig: {}\n"},
    {"# the file\nconfig: {}\r\n", {"active"}, "b", false, "active: b\n# the file\nconfig: {}\r\n"},
    {"---\r\nconfig: {}\r\n", {"active"}, "b", false, "---\r\nactive: b\r\nconfig: {}\r\n"},
    {"\xef\xbb\xbf"
     "config: {}\n",
     {"active"},
     "b",
     false,
     "\xef\xbb\xbf"
     "active: b\nconfig: {}\n"},
    {"{}\n", {"active"}, "b", false, "{active: b}\n"},
    {"{config: {}}\n", {"active"}, "b", false, "{config: {}, active: b}\n"},
    {"", {"users", "sa"}, "{}", true, "users:\n  sa: {}\n"},
    {"prefix: t\n", {"users", "sa"}, "{}", true, "prefix: t\nusers:\n  sa: {}\n"},
    {"prefix: t", {"users", "sa"}, "{}", true, "prefix: t\nusers:\n  sa: {}\n"},
    {"users:\n  sa: {} # him\n\n# end\n",
     {"users", "bob"},
     "{}",
     true,
     "users:\n  sa: {} # him\n  bob: {}\n\n# end\n"},
    {"users:\n    sa:\n        not.before: 2026-01-01T00:00:00Z\nx: 1\n",
     {"users", "bob"},
     "{}",
     true,
     "users:\n    sa:\n        not.before: 2026-01-01T00:00:00Z\n    bob: {}\nx: 1\n"},
    {"users: {}\n", {"users", "sa"}, "{}", true, "users: {sa: {}}\n"},
    {"users: { } # none\n", {"users", "sa"}, "{}", true, "users: {sa: {} } # none\n"},
    {"users: {sa: {}}\n", {"users", "bob"}, "{}", true, "users: {sa: {}, bob: {}}\n"},
    {"users: {\n  sa: {}, # a\n}\n",
     {"users", "bob"},
     "{}",
     true,
     "users: {\n  sa: {}, bob: {}, # a\n}\n"},
    {"users:\n", {"users", "sa"}, "{}", true, "users:\n  sa: {}\n"},
    {"users: # nobody\nx: 1\n", {"users", "sa"}, "{}", true, "users: # nobody\n  sa: {}\nx: 1\n"},
    {"users: ~\n", {"users", "sa"}, "{}", true, "users: {sa: {}}\n"},
    {"users:", {"users", "sa"}, "{}", true, "users:\n  sa: {}\n"},
    {"users: {sa: {}}\n",
     {"users", "sa", "not.before"},
     "x",
     false,
     "users: {sa: {not.before: x}}\n"},
    {"users:\n  sa: {}\n  bob:\n",
     {"users", "bob", "not.before"},
     "x",
     false,
     "users:\n  sa: {}\n  bob:\n    not.before: x\n"},
    {"users:\n  sa:\n    not: {before: 1}\n",
     {"users", "sa", "not.before"},
     "x",
     false,
     "users:\n  sa:\n    not: {before: x}\n"},
    {"text: |\n  one\n", {"users", "sa"}, "{}", true, "text: |\n  one\nusers:\n  sa: {}\n"},
    {"a:\r\n  b: 1\r\n", {"a", "c"}, "2", false, "a:\r\n  b: 1\r\n  c: 2\r\n"},
    {"topics:\n  a: {physical: x}\n",
     {"topics", "b", "physical"},
     "y",
     false,
     "topics:\n  a: {physical: x}\n  b:\n    physical: y\n"},
    {"a: 1\n", {"odd: key", "b"}, "2", false, "a: 1\n\"odd: key\":\n  b: 2\n"},
    /* removing */
    {"a: 1\nb: 2\nc: 3\n", {"b"}, NULL, false, "a: 1\nc: 3\n"},
    {"a: 1\nb: 2 # two\n# three\nc: 3\n", {"b"}, NULL, false, "a: 1\n# three\nc: 3\n"},
    {"users:\n  sa:\n    not.before: x\n  bob: {}\n",
     {"users", "sa"},
     NULL,
     false,
     "users:\n  bob: {}\n"},
    {"users:\n  sa: {}\n", {"users", "sa"}, NULL, false, "users:\n"},
    {"users:\n  sa: {}", {"users", "sa"}, NULL, false, "users:\n"},
    {"users: {sa: {}, bob: {}}\n", {"users", "sa"}, NULL, false, "users: {bob: {}}\n"},
    {"users: {sa: {}, bob: {}}\n", {"users", "bob"}, NULL, false, "users: {sa: {}}\n"},
    {"users: {sa: {}}\n", {"users", "sa"}, NULL, false, "users: {}\n"},
    {"a: |\n  x\n\n  y\n\nb: 1\n", {"a"}, NULL, false, "\nb: 1\n"},
    {"a: {\n  b: 1,\n  c: 2\n}\nd: 3\n", {"a"}, NULL, false, "d: 3\n"},
    {"a: 1\n", {"b"}, NULL, false, "a: 1\n"},
    {"a: 1\n", {"b", "c"}, NULL, false, "a: 1\n"},
    {"\xef\xbb\xbf"
     "a: 1\nb: 2\n",
     {"a"},
     NULL,
     false,
     "\xef\xbb\xbf"
     "b: 2\n"},
    {"port: {start: 1, count: 2}\n", {"port.start"}, NULL, false, "port: {count: 2}\n"},
    /* refused */
    {"a: [\n", {"a"}, "b", false, NULL},
    {"a: 1\na: 2\n", {"a"}, "b", false, NULL},
    {"- a\n", {"a"}, "b", false, NULL},
    {"a: 1\n", {"a", "b"}, "c", false, NULL},
    {"a: &x 1\nb: *x\n", {"a"}, "b", false, NULL},
    {"? a\n: 1\nb: 2\n", {"a"}, NULL, false, NULL},
    {"a: 1\n", {"a"}, "}{", true, NULL},
    {"a: 1\n", {"a"}, "\xff\xfe", false, NULL},
};

static size_t
depth_of(const char *const *path)
{
	size_t depth = 0;

	while (depth < 4 && path[depth] != NULL)
		depth++;
	return depth;
}

Test(edit, examples)
{
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		const struct example *x = &examples[i];
		struct edit edit = {
		    .path = x->path, .depth = depth_of(x->path), .value = x->value, .raw = x->raw};
		char *out = NULL;
		size_t length = 0;
		struct err err = {0};
		bool done = edit_apply(x->before, strlen(x->before), &edit, &out, &length, &err);

		cr_expect_eq(done, x->after != NULL, "%zu: %s: %s", i, x->before, err.text);
		if (done && x->after != NULL) {
			cr_expect_str_eq(out, x->after, "%zu: %s", i, x->before);
			cr_expect_eq(length, strlen(x->after));
		} else if (!done) {
			cr_expect_eq(err.code, ERR_INVALID);
			cr_expect_gt(strlen(err.text), 10);
		}
		free(out);
	}
}

/* Random files: their own little random numbers, the same in every run. */
struct maker {
	uint64_t seed;
	FILE *out;
	const char *eol;
	int depth;
	int keys;
};

static unsigned
pick(struct maker *m, unsigned below)
{
	m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(m->seed >> 33) % below;
}

static void
make_noise(struct maker *m, int indent)
{
	static const char *const noise[] = {"# a: b", "", "#", "# \xc3\xa4\xe2\x82\xac {", "  "};

	while (pick(m, 3) == 0) {
		const char *text = noise[pick(m, 5)];

		fprintf(m->out, "%*s%s%s", text[0] == '#' ? indent : 0, "", text, m->eol);
	}
}

static void
make_scalar(struct maker *m)
{
	static const char *const scalars[] = {
	    "plain", "'single # not a comment'",     "\"dou\\\"ble\"", "a:1,b:2", "", "~",
	    "42",    "\xf0\x9f\x9a\x82 tr\xc3\xa4in"};

	fputs(scalars[pick(m, 3) == 0 ? pick(m, 8) : pick(m, 3)], m->out);
}

static void
make_flow(struct maker *m)
{
	unsigned count = pick(m, 4);

	fputs(pick(m, 2) ? "{" : "{ ", m->out);
	for (unsigned i = 0; i < count; i++) {
		static const char *const scalars[] = {"plain", "'a, b'", "\"c}\"", "{}", "[x, y]"};

		fprintf(m->out, "%sk%d: %s", i > 0 ? ", " : "", m->keys++, scalars[pick(m, 5)]);
	}
	fputs(pick(m, 2) ? "}" : " }", m->out);
}

static void make_block(struct maker *m, int indent);

static void
make_entry(struct maker *m, int indent)
{
	unsigned kind = pick(m, 8);

	make_noise(m, indent);
	fprintf(m->out, "%*sk%d:", indent, "", m->keys++);
	if (kind < 2 && m->depth < 4) {
		fprintf(m->out, "%s%s", pick(m, 3) ? "" : "  # below", m->eol);
		m->depth++;
		make_block(m, indent + 1 + (int)pick(m, 4));
		m->depth--;
		return;
	}
	if (kind == 2) {
		fprintf(m->out, " |%s%*sline: one%s%*sline two%s", m->eol, indent + 2, "", m->eol,
			indent + 2, "", m->eol);
		return;
	}
	fputs(pick(m, 2) ? " " : "   ", m->out);
	if (kind == 3)
		make_flow(m);
	else
		make_scalar(m);
	fprintf(m->out, "%s%s", pick(m, 3) ? "" : "   # why", m->eol);
}

static void
make_block(struct maker *m, int indent)
{
	unsigned count = 1 + pick(m, 4);

	for (unsigned i = 0; i < count; i++)
		make_entry(m, indent);
}

/* Every leaf as "path=value" lines but the one at `skip`; maps that hold nothing count as leaves.
 */
static void
flatten(const struct node *node, const struct node *skip, const char *path, FILE *out)
{
	if (node == skip)
		return;
	if (node->kind == NODE_SCALAR) {
		fprintf(out, "%s=%s\n", path, node->text);
		return;
	}
	for (const struct node *child = node->first; child != NULL; child = child->next) {
		char below[512];

		snprintf(below, sizeof(below), "%s/%s", path,
			 child->key != NULL ? child->key : "-");
		flatten(child, skip, below, out);
	}
}

static char *
flat(const char *text, size_t length, const char *const *path, size_t depth)
{
	struct arena *arena = arena_new();
	struct faults *faults = faults_new();
	const struct node *root = node_parse(arena, text, length, "x", faults);
	const struct node *node = root;
	char *result = NULL;
	size_t size;
	FILE *out = open_memstream(&result, &size);

	cr_assert(root != NULL && faults_count(faults) == 0, "%s: %s", faults_at(faults, 0)->text,
		  text);
	for (size_t i = 0; node != NULL && i < depth; i++)
		node = node_find(node, path[i]);
	flatten(root, node, "", out);
	fclose(out);
	arena_free(&arena);
	faults_free(&faults);
	return result;
}

/* A path into the file: of a random node, or of a key that is not there. */
static size_t
choose_path(struct maker *m, const struct node *root, const char **path, const struct node **found)
{
	const struct node *node = root;
	size_t depth = 0;

	do {
		unsigned steps = node->count > 0 ? pick(m, (unsigned)node->count + 1) : 0;
		const struct node *child = node->first;

		if (node->count == 0 || steps == node->count) {
			path[depth++] = "new.key";
			*found = NULL;
			return depth;
		}
		while (steps-- > 0)
			child = child->next;
		path[depth++] = child->key;
		node = child;
	} while (node->kind == NODE_MAP && depth < 6 && pick(m, 3) > 0);
	*found = node;
	return depth;
}

/* Is `small` what is left of `large` when one stretch of it is cut out? */
static bool
is_cut_of(const char *small, size_t small_length, const char *large, size_t large_length)
{
	size_t front = 0;
	size_t back = 0;

	if (small_length > large_length)
		return false;
	while (front < small_length && small[front] == large[front])
		front++;
	while (back < small_length &&
	       small[small_length - 1 - back] == large[large_length - 1 - back])
		back++;
	return front + back >= small_length;
}

static void
check_random(struct maker *m, const char *text, size_t length)
{
	static const char *const values[] = {"v", "two words", "it's", "a:1,b:2", "\xc3\xa4", "#"};
	struct arena *arena = arena_new();
	struct faults *faults = faults_new();
	const struct node *root = node_parse(arena, text, length, "x", faults);
	const struct node *node;
	const char *path[16];
	struct edit edit = {.path = path};
	char *out = NULL;
	size_t out_length;
	struct err err = {0};
	char *before;
	char *after;

	cr_assert(root != NULL && faults_count(faults) == 0, "%s\n%s", faults_at(faults, 0)->text,
		  text);
	edit.depth = choose_path(m, root, path, &node);
	edit.value = pick(m, 4) == 0 ? NULL : values[pick(m, 6)];
	cr_assert(edit_apply(text, length, &edit, &out, &out_length, &err), "%s\n%s\n%s.%s",
		  err.text, text, path[0], path[edit.depth - 1]);
	before = flat(text, length, path, edit.depth);
	after = flat(out, out_length, path, edit.depth);
	if (edit.value == NULL)
		cr_assert(is_cut_of(out, out_length, text, length), "%s\n->\n%s", text, out);
	else if (node == NULL)
		cr_assert(is_cut_of(text, length, out, out_length), "%s\n->\n%s", text, out);
	else if (node->kind == NODE_SCALAR)
		cr_assert(memcmp(text, out, node->start) == 0 &&
			      (node->block ||
			       memcmp(text + node->end, out + node->end + out_length - length,
				      length - node->end) == 0),
			  "%s\n->\n%s", text, out);
	/* A map that lost its last key, or that was null and got one, is told apart by nothing. */
	if (edit.value != NULL && node != NULL)
		cr_assert_str_eq(after, before, "%s\n->\n%s", text, out);
	free(before);
	free(after);
	free(out);
	arena_free(&arena);
	faults_free(&faults);
}

/* A user whose entry has a fault is not in force, and not made again with all rights. */
Test(edit, what_is_there_is_not_replaced_by_something_new)
{
	static const char text[] = "users:\n  carol: {allow: [reed]}\n  dave:\n";
	static const char *const names[] = {"carol", "dave", "erin"};

	for (size_t i = 0; i < 3; i++) {
		const char *const path[] = {"users", names[i]};
		const struct edit edit = {
		    .path = path, .depth = 2, .value = "{}", .raw = true, .is_new = true};
		struct err err = {0};
		char *out = NULL;
		size_t length;
		bool done = edit_apply(text, strlen(text), &edit, &out, &length, &err);

		cr_assert_eq(done, i == 2, "%s", names[i]);
		cr_assert(done || err.code == ERR_CONFLICT);
		cr_assert(done || strstr(err.text, names[i]) != NULL, "%s", err.text);
		free(out);
	}
}

Test(edit, random_files)
{
	for (uint64_t seed = 1; seed <= 3000; seed++) {
		struct maker m = {.seed = seed * 7919, .eol = seed % 3 == 0 ? "\r\n" : "\n"};
		char *text = NULL;
		size_t length;

		m.out = open_memstream(&text, &length);
		if (seed % 7 == 0)
			fputs("\xef\xbb\xbf", m.out);
		make_block(&m, 0);
		make_noise(&m, 0);
		fclose(m.out);
		if (seed % 5 == 0 && length > 0 && text[length - 1] == '\n')
			text[--length] = '\0';
		for (int i = 0; i < 5; i++)
			check_random(&m, text, length);
		free(text);
	}
}
