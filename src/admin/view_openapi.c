/* SPDX-License-Identifier: Apache-2.0
 *
 * The API's description (OpenAPI 3.0), generated from routes.def: no second list to keep in step.
 */
#include "config.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "admin/router.h"
#include "admin/view.h"

static bool
always(const struct http_route *route)
{
	(void)route;
	return true;
}

static bool
is_secured(const struct http_route *route)
{
	return route->role != ROLE_PUBLIC;
}

static bool
is_write(const struct http_route *route)
{
	return route->role == ROLE_WRITE;
}

static bool
has_parameters(const struct http_route *route)
{
	return strchr(route->path, '{') != NULL || route->query[0] != '\0' ||
	       route->body[0] != '\0';
}

static bool
has_body(const struct http_route *route)
{
	return route->body[0] != '\0';
}

/* What a route may answer, by role and shape. */
static const struct answer {
	const char *status;
	const char *text;
	bool (*applies)(const struct http_route *route);
} answers[] = {
    {"200", "Done; 204 where there is nothing to say.", always},
    {"400", "A parameter or the body is wrong; the message says which.", has_parameters},
    {"401", "No credentials, or wrong ones. The body is empty.", is_secured},
    {"403", "The account may not do this.", is_write},
    {"404", "No such vcluster, user or cluster.", has_parameters},
    {"409", "The state does not allow it now, or the file cannot be written.", is_write},
    {"413", "The body is too large.", has_body},
    {"415", "The body is not application/json.", has_body},
    {"503", "A cluster does not answer, or the gateway is not ready.", always},
};

static json_t *
responses(const struct http_route *route)
{
	json_t *out = json_object();

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		if (answers[i].applies(route))
			json_object_set_new(out, answers[i].status,
					    json_pack("{s:s}", "description", answers[i].text));
	}
	return out;
}

static json_t *
parameter(const char *name, const char *in, const char *type, bool required)
{
	return json_pack("{s:s, s:s, s:b, s:{s:s}}", "name", name, "in", in, "required",
			 (int)required, "schema", "type", type);
}

static json_t *
parameters(const struct http_route *route)
{
	json_t *out = json_array();
	const char *cursor = route->query;
	struct route_item item;

	for (const char *open = strchr(route->path, '{'); open != NULL;
	     open = strchr(open + 1, '{')) {
		char name[32];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(open + 1, "}"), open + 1);
		json_array_append_new(out, parameter(name, "path", "string", true));
	}
	while (route_item_next(&cursor, &item))
		json_array_append_new(out, parameter(item.name, "query", item.type, item.required));
	return out;
}

static json_t *
request_body(const struct http_route *route)
{
	json_t *members = json_object();
	json_t *required = json_array();
	const char *cursor = route->body;
	struct route_item item;

	while (route_item_next(&cursor, &item)) {
		json_object_set_new(members, item.name, json_pack("{s:s}", "type", item.type));
		if (item.required)
			json_array_append_new(required, json_string(item.name));
	}
	return json_pack("{s:b, s:{s:{s:{s:s, s:o, s:o}}}}", "required", 1, "content",
			 "application/json", "schema", "type", "object", "properties", members,
			 "required", required);
}

static json_t *
operation(const struct http_route *route)
{
	json_t *out = json_pack("{s:s, s:o, s:o, s:s}", "summary", route->summary, "parameters",
				parameters(route), "responses", responses(route), "x-role",
				role_name(route->role));

	if (route->body[0] != '\0')
		json_object_set_new(out, "requestBody", request_body(route));
	if (route->role != ROLE_PUBLIC)
		json_object_set_new(out, "security", json_pack("[{s:[]}]", "basicAuth"));
	return out;
}

json_t *
view_openapi(void)
{
	json_t *paths = json_object();

	for (size_t i = 0; i < routes_count; i++) {
		json_t *path = json_object_get(paths, routes[i].path);
		char method[16] = "";

		for (size_t j = 0; routes[i].method[j] != '\0' && j + 1 < sizeof(method); j++)
			method[j] = (char)tolower((unsigned char)routes[i].method[j]);
		if (path == NULL) {
			path = json_object();
			json_object_set_new(paths, routes[i].path, path);
		}
		json_object_set_new(path, method, operation(&routes[i]));
	}
	return json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:{s:{s:s, s:s}}}}", "openapi", "3.0.3",
			 "info", "title", "Turnout admin API", "version", PACKAGE_VERSION, "paths",
			 paths, "components", "securitySchemes", "basicAuth", "type", "http",
			 "scheme", "basic");
}
