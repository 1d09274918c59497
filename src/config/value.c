/* SPDX-License-Identifier: Apache-2.0
 *
 * One scalar to a value, by its type: a table of readers, each checks all of the text. A fault says
 * what was found (never of a secret) and what the key takes.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/parse.h"
#include "config/read.h"

#define HOST_MAX   255
#define BASE64_MAX 512

typedef bool (*value_fn)(struct reader *r, const struct key *key, void *member,
			 const struct node *node, const char *path);

/* The value as a fault may show it; returns out. */
static const char *
shown(const struct key *key, const char *text, char *out, size_t size)
{
	if (key->secret)
		snprintf(out, size, "the value");
	else
		snprintf(out, size, "\"%.60s\"%s", text, strlen(text) > 60 ? "..." : "");
	return out;
}

static bool
fail(struct reader *r, const struct key *key, const struct node *node, const char *path,
     const char *sentence)
{
	char value[80];

	read_fault(r, FAULT_ERROR, node, path, "%s %s",
		   shown(key, node->text, value, sizeof(value)), sentence);
	return false;
}

static void
set_text(struct reader *r, void *member, const char *text)
{
	*(const char **)member = arena_strdup(r->arena, text);
}

static bool
value_string(struct reader *r, const struct key *key, void *member, const struct node *node,
	     const char *path)
{
	char range[64];
	size_t length = strlen(node->text);

	if (text_has_control(node->text))
		return fail(r, key, node, path, "holds a control character");
	if (length < (size_t)key->min || length > (size_t)key->max) {
		read_fault(r, FAULT_ERROR, node, path, "must have %s",
			   key_range(key, range, sizeof(range)));
		return false;
	}
	set_text(r, member, node->text);
	return true;
}

static bool
value_name(struct reader *r, const struct key *key, void *member, const struct node *node,
	   const char *path)
{
	char sentence[128];
	char range[64];

	if (!name_is_legal(node->text, (size_t)key->max)) {
		snprintf(sentence, sizeof(sentence), "is not a name: it takes %s",
			 key_range(key, range, sizeof(range)));
		return fail(r, key, node, path, sentence);
	}
	set_text(r, member, node->text);
	return true;
}

/* A letter or digit, and what host names and IPv6 addresses have beside them. */
static bool
is_host(const char *text, size_t length)
{
	if (length == 0 || length > HOST_MAX || !isalnum((unsigned char)text[length - 1])) {
		if (length == 0 || length > HOST_MAX ||
		    (text[length - 1] != ':' && text[length - 1] != '.'))
			return false;
	}
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 128 || (!isalnum(c) && strchr(".-_:%", c) == NULL))
			return false;
	}
	return text[0] != '-' && text[0] != '.';
}

static bool
value_host(struct reader *r, const struct key *key, void *member, const struct node *node,
	   const char *path)
{
	if (!is_host(node->text, strlen(node->text)))
		return fail(r, key, node, path, "is not a host name or an IP address");
	set_text(r, member, node->text);
	return true;
}

static bool
value_path(struct reader *r, const struct key *key, void *member, const struct node *node,
	   const char *path)
{
	if (node->text[0] == '\0' || text_has_control(node->text) || strlen(node->text) > 4000)
		return fail(r, key, node, path, "is not a path");
	if (node->text[0] == '/' || strcmp(r->folder, ".") == 0)
		set_text(r, member, node->text);
	else
		*(const char **)member = arena_printf(
		    r->arena, "%s/%s", strcmp(r->folder, "/") == 0 ? "" : r->folder, node->text);
	return true;
}

static bool
value_integer(struct reader *r, const struct key *key, void *member, const struct node *node,
	      const char *path)
{
	char sentence[128];
	char range[64];
	int64_t value;

	if (!parse_i64(node->text, INT64_MIN, INT64_MAX, &value))
		return fail(r, key, node, path, "is not a whole number");
	if (value < key->min || value > key->max) {
		snprintf(sentence, sizeof(sentence), "is out of range: it takes %s%s%s",
			 key_range(key, range, sizeof(range)), key->unit != NULL ? " " : "",
			 key->unit != NULL ? key->unit : "");
		return fail(r, key, node, path, sentence);
	}
	*(int64_t *)member = value;
	return true;
}

static bool
value_boolean(struct reader *r, const struct key *key, void *member, const struct node *node,
	      const char *path)
{
	if (!parse_bool(node->text, member))
		return fail(r, key, node, path, "is neither true nor false");
	return true;
}

/* The number of a choice and its text as the table has it, or -1. Any case. */
static int
choice_find(struct reader *r, const struct key *key, const char *text, const char **canonical)
{
	const char *choice = key->choices;

	for (int number = 0; *choice != '\0'; number++) {
		size_t length = strcspn(choice, " ");

		if (strlen(text) == length && strncasecmp(text, choice, length) == 0) {
			*canonical = arena_strndup(r->arena, choice, length);
			return number;
		}
		choice += length;
		choice += strspn(choice, " ");
	}
	return -1;
}

/* The choice nearest to a word that is none, or NULL. */
static const char *
choice_suggest(struct reader *r, const struct key *key, const char *text)
{
	const char *choice = key->choices;
	const char *best = NULL;

	while (*choice != '\0') {
		size_t length = strcspn(choice, " ");

		best = word_nearest(text, arena_strndup(r->arena, choice, length), best);
		choice += length;
		choice += strspn(choice, " ");
	}
	return best;
}

static int
choice_read(struct reader *r, const struct key *key, const struct node *node, const char *path,
	    const char **canonical)
{
	char sentence[512];
	char range[160];
	const char *near;
	int number = choice_find(r, key, node->text, canonical);

	if (number < 0) {
		near = choice_suggest(r, key, node->text);
		snprintf(sentence, sizeof(sentence),
			 "is not supported by this version: it takes %s. %s%s%s%s",
			 key_range(key, range, sizeof(range)), key->sentence,
			 near != NULL ? " Did you mean " : "", near != NULL ? near : "",
			 near != NULL ? "?" : "");
		fail(r, key, node, path, sentence);
	}
	return number;
}

static bool
value_enum(struct reader *r, const struct key *key, void *member, const struct node *node,
	   const char *path)
{
	const char *text = NULL;

	if (choice_read(r, key, node, path, &text) < 0)
		return false;
	*(const char **)member = text;
	return true;
}

static bool
value_choice(struct reader *r, const struct key *key, void *member, const struct node *node,
	     const char *path)
{
	const char *text = NULL;
	int number = choice_read(r, key, node, path, &text);

	if (number < 0)
		return false;
	*(int64_t *)member = number;
	return true;
}

static bool
value_time(struct reader *r, const struct key *key, void *member, const struct node *node,
	   const char *path)
{
	int64_t seconds;

	if (!parse_rfc3339(node->text, &seconds))
		return fail(r, key, node, path,
			    "is not a moment in UTC such as 2026-11-22T10:00:00Z");
	*(int64_t *)member = seconds;
	return true;
}

static bool
value_base64(struct reader *r, const struct key *key, void *member, const struct node *node,
	     const char *path)
{
	struct token_key *out = member;
	uint8_t bytes[BASE64_MAX];
	ssize_t length = parse_base64(node->text, bytes, sizeof(bytes));
	uint8_t *copy;

	if (length < 0 || length > key->max)
		return fail(r, key, node, path,
			    "is not a key in base64 (make one with: openssl rand -base64 32)");
	if (length < key->min) {
		read_fault(r, FAULT_ERROR, node, path,
			   "the key has only %zd bytes: %d or more are needed (make one with: "
			   "openssl rand -base64 32)",
			   length, (int)key->min);
		return false;
	}
	copy = arena_alloc(r->arena, (size_t)length);
	memcpy(copy, bytes, (size_t)length);
	explicit_bzero(bytes, sizeof(bytes));
	*out = (struct token_key){.bytes = copy, .length = (size_t)length};
	return true;
}

/* host:port or [address]:port, at a struct bootstrap. */
static bool
value_server(struct reader *r, const struct key *key, void *member, const struct node *node,
	     const char *path)
{
	struct bootstrap *out = member;
	const char *host = node->text;
	const char *colon = strrchr(host, ':');
	size_t length;
	int64_t port;

	if (colon == NULL || colon[1] == '\0' || colon[1] == ']')
		return fail(r, key, node, path, "has no port: write host:port");
	length = (size_t)(colon - host);
	if (!parse_i64(colon + 1, 1, 65535, &port) || !isdigit((unsigned char)colon[1]))
		return fail(r, key, node, path, "has a port that is not 1 to 65535");
	if (host[0] == '[' && length > 2 && host[length - 1] == ']') {
		host++;
		length -= 2;
	} else if (memchr(host, ':', length) != NULL) {
		return fail(r, key, node, path,
			    "is not host:port (an IPv6 address stands in brackets)");
	}
	if (!is_host(host, length))
		return fail(r, key, node, path, "is not host:port");
	out->host = arena_strndup(r->arena, host, length);
	out->port = (uint16_t)port;
	return true;
}

bool
value_read(struct reader *r, const struct key *key, enum key_type type, void *member,
	   const struct node *node, const char *path)
{
	static const value_fn readers[] = {
	    [KEY_STRING] = value_string,   [KEY_SECRET] = value_string,
	    [KEY_NAME] = value_name,       [KEY_HOST] = value_host,
	    [KEY_PATH] = value_path,       [KEY_INTEGER] = value_integer,
	    [KEY_BOOLEAN] = value_boolean, [KEY_ENUM] = value_enum,
	    [KEY_CHOICE] = value_choice,   [KEY_TIME] = value_time,
	    [KEY_BASE64] = value_base64,   [KEY_SERVERS] = value_server,
	    [KEY_ACTIVE] = value_name,
	};

	return readers[type](r, key, member, node, path);
}
