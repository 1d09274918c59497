/* SPDX-License-Identifier: Apache-2.0
 *
 * The matcher: cuts the raw path at its slashes first and decodes each segment after, so that an
 * escaped slash or NUL never changes which row matches.
 */
#include "admin/router.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "admin/handle.h"
#include "base/ensure.h"
#include "base/parse.h"

#define NAME_MAX_BYTES  128
#define TOPIC_MAX_BYTES 249
#define CANARY_PREFIX   "vcluster:"

#define ROUTE(method, path, role, handler, query, body, summary)                                   \
	{method, path, ROLE_##role, handle_##handler, query, body, summary},
const struct http_route routes[] = {
#include "admin/routes.def"
};
#undef ROUTE
const size_t routes_count = sizeof(routes) / sizeof(routes[0]);

static bool
is_name(const char *text)
{
	return name_is_legal(text, NAME_MAX_BYTES);
}

static bool
is_topic(const char *text)
{
	return name_is_legal(text, TOPIC_MAX_BYTES);
}

bool
router_is_cluster(const char *text)
{
	size_t prefix = strlen(CANARY_PREFIX);

	return is_name(strncmp(text, CANARY_PREFIX, prefix) == 0 ? text + prefix : text);
}

/* What a parameter may hold. */
static const struct kind {
	const char *name;
	bool (*is_legal)(const char *text);
} kinds[] = {
    {"vcluster", is_name},
    {"user", is_name},
    {"topic", is_topic},
    {"pcluster", router_is_cluster},
};

bool
router_decode(const char *text, size_t length, char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '%') {
			int high = i + 2 < length ? parse_hex_digit(text[i + 1]) : -1;
			int low = i + 2 < length ? parse_hex_digit(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (unsigned char)(high * 16 + low);
			i += 2;
		}
		if (c < 32 || c == 127 || used + 1 >= size)
			return false;
		out[used++] = (char)c;
	}
	out[used] = '\0';
	return true;
}

/* Takes the next segment off *path; false at the end. */
static bool
segment_next(const char **path, const char **segment, size_t *length)
{
	if (**path != '/')
		return false;
	*segment = *path + 1;
	*length = strcspn(*segment, "/");
	*path = *segment + *length;
	return true;
}

/* The path without trailing slashes; the root stays "/". false when it is too long. */
static bool
path_trim(const char *path, char *out, size_t size)
{
	size_t length = strlen(path);

	while (length > 1 && path[length - 1] == '/')
		length--;
	if (length >= size)
		return false;
	memcpy(out, path, length);
	out[length] = '\0';
	return true;
}

/* Compares one segment with the pattern's; a {parameter} takes its value. */
static bool
segment_matches(const char *pattern, size_t pattern_length, const char *value,
		struct route_match *out)
{
	struct route_parameter *parameter;

	if (pattern_length < 2 || pattern[0] != '{')
		return strlen(value) == pattern_length &&
		       memcmp(pattern, value, pattern_length) == 0;
	if (value[0] == '\0')
		return false;
	ENSURE(out->parameters_count < ROUTE_PARAMETERS);
	parameter = &out->parameters[out->parameters_count++];
	snprintf(parameter->name, sizeof(parameter->name), "%.*s", (int)pattern_length - 2,
		 pattern + 1);
	snprintf(parameter->value, sizeof(parameter->value), "%s", value);
	return true;
}

static bool
path_matches(const char *pattern, const char *path, struct route_match *out)
{
	const char *want;
	const char *have;
	size_t want_length;
	size_t have_length;

	out->parameters_count = 0;
	while (segment_next(&pattern, &want, &want_length)) {
		char value[ROUTE_VALUE_BYTES];

		if (!segment_next(&path, &have, &have_length) ||
		    !router_decode(have, have_length, value, sizeof(value)) ||
		    !segment_matches(want, want_length, value, out))
			return false;
	}
	return *path == '\0';
}

static bool
path_is_decodable(const char *path)
{
	const char *segment;
	size_t length;
	char value[ROUTE_VALUE_BYTES];

	if (*path != '/')
		return false;
	while (segment_next(&path, &segment, &length)) {
		if (!router_decode(segment, length, value, sizeof(value)))
			return false;
	}
	return true;
}

void
router_match(const char *method, const char *path, struct route_match *out)
{
	char trimmed[2048];

	memset(out, 0, sizeof(*out));
	if (!path_trim(path, trimmed, sizeof(trimmed)) || !path_is_decodable(trimmed)) {
		out->malformed = true;
		return;
	}
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (size_t i = 0; i < routes_count; i++) {
		if (!path_matches(routes[i].path, trimmed, out))
			continue;
		if (strcmp(routes[i].method, method) == 0) {
			out->route = &routes[i];
			return;
		}
		out->same_path = &routes[i];
	}
	out->parameters_count = 0;
}

void
router_allow(const struct http_route *route, char out[ROUTE_ALLOW_BYTES])
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < routes_count; i++) {
		const char *method = routes[i].method;

		if (strcmp(routes[i].path, route->path) != 0)
			continue;
		used += (size_t)snprintf(out + used, ROUTE_ALLOW_BYTES - used, "%s%s%s",
					 used > 0 ? ", " : "", method,
					 strcmp(method, "GET") == 0 ? ", HEAD" : "");
		ENSURE(used < ROUTE_ALLOW_BYTES);
	}
}

static const struct kind *
kind_find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	}
	return NULL;
}

bool
router_check(const struct route_match *match, struct err *err)
{
	for (size_t i = 0; i < match->parameters_count; i++) {
		const struct route_parameter *parameter = &match->parameters[i];
		const struct kind *kind = kind_find(parameter->name);

		ENSURE(kind != NULL);
		if (!kind->is_legal(parameter->value))
			return err_set(err, ERR_INVALID,
				       "'%s' cannot be the name of a %s: 1 to %d letters, digits, "
				       "'.', '_' and '-' are allowed.",
				       parameter->value, parameter->name, NAME_MAX_BYTES);
	}
	return true;
}

bool
route_item_next(const char **cursor, struct route_item *item)
{
	const char *text = *cursor + strspn(*cursor, " ");
	size_t length = strcspn(text, " ");
	const char *colon = memchr(text, ':', length);

	if (length == 0)
		return false;
	ENSURE(colon != NULL);
	item->required = text[length - 1] == '!';
	snprintf(item->name, sizeof(item->name), "%.*s", (int)(colon - text), text);
	snprintf(item->type, sizeof(item->type), "%.*s",
		 (int)(text + length - item->required - colon - 1), colon + 1);
	*cursor = text + length;
	return true;
}

const char *
role_name(enum role role)
{
	switch (role) {
	case ROLE_PUBLIC:
		return "public";
	case ROLE_METRICS:
		return "metrics";
	case ROLE_READ:
		return "read";
	case ROLE_WRITE:
		return "write";
	}
	return "unknown";
}
