/* SPDX-License-Identifier: Apache-2.0
 *
 * Life of a request, its parameters, and the answers that handlers give.
 */
#include "admin/request.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "admin/view.h"
#include "base/ensure.h"
#include "base/mem.h"

static const char type_json[] = "application/json";

struct request *
request_new(struct ctl *ctl, const char *method, const char *path)
{
	struct request *request = mem_zalloc(sizeof(*request));

	request->references = 1;
	request->ctl = ctl;
	snprintf(request->method, sizeof(request->method), "%s", method);
	request->path = mem_strdup(path);
	return request;
}

struct request *
request_hold(struct request *request)
{
	request->references++;
	return request;
}

void
request_release(struct request *request)
{
	ENSURE(request->references > 0);
	if (--request->references > 0)
		return;
	if (request->body.length > 0)
		explicit_bzero(request->body.data, request->body.length);
	bytes_free(&request->body);
	mem_free_secret(request->answer);
	free(request->path);
	free(request);
}

const char *
request_parameter(const struct request *request, const char *name)
{
	for (size_t i = 0; i < request->match.parameters_count; i++) {
		if (strcmp(request->match.parameters[i].name, name) == 0)
			return request->match.parameters[i].value;
	}
	ensure_failed(__FILE__, __LINE__, __func__, "the route has this parameter");
}

const char *
request_query(const struct request *request, const char *name)
{
	for (size_t i = 0; i < request->queries_count; i++) {
		if (strcmp(request->queries[i].name, name) == 0)
			return request->queries[i].value;
	}
	return NULL;
}

bool
request_flag(struct request *request, const char *name, bool *out)
{
	const char *value = request_query(request, name);

	*out = value != NULL && strcmp(value, "true") == 0;
	if (value == NULL || *out || strcmp(value, "false") == 0)
		return true;
	request_fail(request, 400, "Query parameter '%s' must be true or false.", name);
	return false;
}

static bool
item_exists(const char *column, const char *name)
{
	struct route_item item;

	while (route_item_next(&column, &item)) {
		if (strcmp(item.name, name) == 0)
			return true;
	}
	return false;
}

/* A mistyped dryRun must not become a real switch. */
static bool
queries_are_known(struct request *request)
{
	const struct http_route *route = request->match.route;

	for (size_t i = 0; i < request->queries_count; i++) {
		const char *name = request->queries[i].name;

		for (size_t j = 0; j < i; j++) {
			if (strcmp(request->queries[j].name, name) == 0) {
				request_fail(request, 400, "Query parameter '%s' is given twice.",
					     name);
				return false;
			}
		}
		if (route->role == ROLE_WRITE && !item_exists(route->query, name)) {
			request_fail(request, 400,
				     "Unknown query parameter '%s'; nothing was done. Known: %s.",
				     name, route->query[0] != '\0' ? route->query : "none");
			return false;
		}
	}
	return true;
}

bool
request_check_queries(struct request *request)
{
	const char *column = request->match.route->query;
	struct route_item item;

	if (!queries_are_known(request))
		return false;
	while (route_item_next(&column, &item)) {
		const char *value = request_query(request, item.name);

		if (item.required && (value == NULL || value[0] == '\0')) {
			request_fail(request, 400, "Query parameter '%s' is missing.", item.name);
			return false;
		}
	}
	return true;
}

json_t *
request_json(struct request *request)
{
	json_error_t error;
	json_t *body;

	if (request->body.length == 0) {
		request_fail(request, 400, "The body is missing: a JSON object is needed.");
		return NULL;
	}
	body = json_loadb((const char *)request->body.data, request->body.length,
			  JSON_REJECT_DUPLICATES, &error);
	if (body == NULL) {
		request_fail(request, 400, "The body is not JSON: line %d, column %d: %s.",
			     error.line, error.column, error.text);
		return NULL;
	}
	if (!json_is_object(body)) {
		json_decref(body);
		request_fail(request, 400, "The body must be a JSON object.");
		return NULL;
	}
	return body;
}

/* Takes the text. */
static void
answer_set(struct request *request, unsigned status, const char *content_type, char *text,
	   size_t length)
{
	if (request->status != 0) {
		mem_free_secret(text);
		return;
	}
	request->status = status;
	request->content_type = content_type;
	request->answer = text;
	request->answer_length = length;
	if (request->wake != NULL)
		request->wake(request->wake_arg);
}

void
request_answer(struct request *request, unsigned status, json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT | JSON_ENSURE_ASCII);

	json_decref(body);
	ENSURE(text != NULL);
	answer_set(request, status, type_json, text, strlen(text));
}

void
request_fail(struct request *request, unsigned status, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	request_answer(request, status, json_pack("{s:o}", "message", view_text(text)));
}

void
request_fail_err(struct request *request, const struct err *err)
{
	request_fail(request, request_status(err->code), "%s", err->text);
}

void
request_text(struct request *request, unsigned status, const char *content_type, const char *text,
	     size_t length)
{
	char *copy = mem_alloc(length + 1);

	memcpy(copy, text, length);
	copy[length] = '\0';
	answer_set(request, status, content_type, copy, length);
}

void
request_empty(struct request *request, unsigned status)
{
	answer_set(request, status, NULL, mem_strdup(""), 0);
}

unsigned
request_status(enum err_code code)
{
	switch (code) {
	case ERR_NONE:
		return 200;
	case ERR_INVALID:
		return 400;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_CONFLICT:
	case ERR_READ_ONLY:
		return 409;
	case ERR_DENIED:
		return 403;
	case ERR_UNAVAILABLE:
	case ERR_LIMIT:
	case ERR_TIMEOUT:
		return 503;
	case ERR_IO:
		return 500;
	}
	return 500;
}
