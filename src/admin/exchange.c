/* SPDX-License-Identifier: Apache-2.0
 *
 * A request on its connection, as libmicrohttpd drives it: judged when its headers are in, its body
 * collected, handed to the route's handler, put to sleep while an operation runs, answered.
 *
 * Must not know what any route does. Start at exchange_access().
 */
#include "admin/exchange.h"
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include "admin/access.h"
#include "admin/request.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"

#define REFUSED_BODY_BYTES (1024 * 1024) /* read and dropped, so that the answer arrives */

/* A request on its connection, from the headers until the answer is sent. */
struct exchange {
	struct list node;
	struct exchanges *all;
	struct MHD_Connection *connection;
	struct request *request;
	int64_t started_ms;
	size_t dropped; /* body bytes of a refused request */
	bool dispatched;
	bool suspended;
};

static const char *
header(const struct exchange *exchange, const char *name)
{
	return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

static void
peer_name(const struct exchange *exchange, char *out, size_t size)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *address = info != NULL ? info->client_addr : NULL;
	socklen_t length = sizeof(struct sockaddr_in);

	snprintf(out, size, "-");
	if (address == NULL)
		return;
	if (address->sa_family == AF_INET6)
		length = sizeof(struct sockaddr_in6);
	if (getnameinfo(address, length, out, (socklen_t)size, NULL, 0, NI_NUMERICHOST) != 0)
		snprintf(out, size, "-");
}

/* -- judging by the headers */

/* For MHD_get_connection_values(): decodes one query parameter. */
static enum MHD_Result
on_query(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct request *request = arg;
	struct request_query *query;

	(void)kind;
	if (request->queries_count == REQUEST_QUERIES) {
		request_fail(request, 400, "Too many query parameters.");
		return MHD_NO;
	}
	query = &request->queries[request->queries_count++];
	if (value == NULL)
		value = "";
	if (!router_decode(name, strlen(name), query->name, sizeof(query->name)) ||
	    !router_decode(value, strlen(value), query->value, sizeof(query->value))) {
		request_fail(request, 400, "A query parameter is too long or badly escaped.");
		return MHD_NO;
	}
	return MHD_YES;
}

/* Answers 401 or 403 and returns false, or fills user and who. */
static bool
is_allowed(struct exchange *exchange, enum role role)
{
	struct request *request = exchange->request;
	enum access access = access_check(exchange->all->ctl, role,
					  header(exchange, "Authorization"), request->user);
	char peer[64];

	snprintf(request->who, sizeof(request->who), "api:%s", request->user);
	if (access == ACCESS_GRANTED)
		return true;
	peer_name(exchange, peer, sizeof(peer));
	if (access == ACCESS_FORBIDDEN) {
		request_fail(request, 403,
			     "You do not have permission to call this API: account '%s' is "
			     "read-only. Use one that has admin: true, or ask your administrator.",
			     request->user);
		log_warn("admin.forbidden", KV_STR("user", request->user), KV_STR("peer", peer),
			 KV_STR("method", request->method), KV_STR("path", request->path));
		return false;
	}
	request_empty(request, 401);
	if (access == ACCESS_REFUSED)
		log_warn("admin.login.refused", KV_STR("peer", peer),
			 KV_STR("method", request->method), KV_STR("path", request->path));
	return false;
}

/* A page of another site, open in an administrator's browser, must not be able to change things
 * with the password that the browser remembers. Tools send no Origin. */
static bool
is_same_origin(struct exchange *exchange)
{
	const char *origin = header(exchange, "Origin");
	const char *host = header(exchange, "Host");
	const char *authority = origin != NULL ? strstr(origin, "://") : NULL;

	if (origin == NULL)
		return true;
	if (authority != NULL && host != NULL && strcasecmp(authority + 3, host) == 0)
		return true;
	request_fail(exchange->request, 403, "Requests of another site's pages are refused.");
	return false;
}

/* The table of answers for what has no row: default deny. */
static void
refuse_unknown(struct exchange *exchange)
{
	struct request *request = exchange->request;
	const struct http_route *other = request->match.same_path;
	enum role role = other != NULL ? other->role : ROLE_PUBLIC;

	if (other == NULL &&
	    (strcmp(request->path, "/admin") == 0 || strncmp(request->path, "/admin/", 7) == 0))
		role = ROLE_READ;
	/* Which methods a path has is no secret for whoever may call one of them. */
	if (role == ROLE_WRITE)
		role = ROLE_READ;
	if (!is_allowed(exchange, role))
		return;
	if (other == NULL)
		request_fail(request, 404,
			     "There is nothing at this path; /openapi.json lists "
			     "what there is.");
	else
		request_fail(request, 405, "This path does not take %s.", request->method);
}

static bool
is_json(const char *content_type)
{
	static const char json[] = "application/json";
	size_t length = sizeof(json) - 1;

	return strncasecmp(content_type, json, length) == 0 &&
	       (content_type[length] == '\0' || strchr("; \t", content_type[length]) != NULL);
}

/* How large a body the client announces: 0 for none, more than any limit for "we shall see" it
 * does not matter here, chunks are counted as they come. */
static int64_t
announced_bytes(const struct exchange *exchange)
{
	const char *text = header(exchange, "Content-Length");
	int64_t length = 0;

	if (text != NULL && !parse_i64(text, 0, INT64_MAX, &length))
		return INT64_MAX;
	return length;
}

static void
judge_body(struct exchange *exchange)
{
	struct request *request = exchange->request;
	const char *content_type = header(exchange, "Content-Type");
	int64_t length = announced_bytes(exchange);
	bool has_body = length > 0 || header(exchange, "Transfer-Encoding") != NULL;

	if (!has_body)
		return;
	if (strcmp(request->match.route->method, "POST") != 0)
		request_fail(request, 400, "%s takes no body.", request->method);
	else if (content_type != NULL && !is_json(content_type))
		request_fail(request, 415,
			     "The body must be JSON: send the header 'Content-Type: "
			     "application/json'.");
	else if (length > REQUEST_BODY_BYTES)
		request_fail(request, 413, "The body may have at most %d bytes.",
			     REQUEST_BODY_BYTES);
}

/* Everything that can be said before the body is in; a refused request has its answer then. */
static void
judge(struct exchange *exchange)
{
	struct request *request = exchange->request;
	struct route_match *match = &request->match;
	struct err err;

	router_match(request->method, request->path, match);
	if (match->malformed) {
		request_fail(request, 400, "The path is malformed: too long, or badly escaped.");
		return;
	}
	if (match->route == NULL) {
		refuse_unknown(exchange);
		return;
	}
	if (!is_allowed(exchange, match->route->role))
		return;
	if (match->route->role == ROLE_WRITE && !is_same_origin(exchange))
		return;
	MHD_get_connection_values(exchange->connection, MHD_GET_ARGUMENT_KIND, on_query, request);
	if (request->status != 0 || !request_check_queries(request))
		return;
	if (!router_check(match, &err)) {
		request_fail_err(request, &err);
		return;
	}
	judge_body(exchange);
}

/* -- answering */

static void
log_answer(const struct exchange *exchange)
{
	const struct request *request = exchange->request;
	const struct http_route *route = request->match.route;
	bool changes = route != NULL && route->role == ROLE_WRITE;

	log_at(changes ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "admin.request",
	       KV_STR("user", request->user[0] != '\0' ? request->user : NULL),
	       KV_STR("method", request->method), KV_STR("path", request->path),
	       KV_INT("status", request->status),
	       KV_INT("ms", clock_now_ms() - exchange->started_ms));
}

static void
free_answer(void *text)
{
	mem_free_secret(text);
}

static void
add_headers(const struct exchange *exchange, struct MHD_Response *response)
{
	const struct request *request = exchange->request;
	char allow[ROUTE_ALLOW_BYTES];

	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (request->content_type != NULL)
		MHD_add_response_header(response, "Content-Type", request->content_type);
	if (request->content_type != NULL && strncmp(request->content_type, "text/html", 9) == 0)
		MHD_add_response_header(response, "Content-Security-Policy",
					"default-src 'none'; style-src 'unsafe-inline'; "
					"frame-ancestors 'none'; base-uri 'none'");
	if (request->status == 401)
		MHD_add_response_header(response, "WWW-Authenticate", "Basic realm=\"turnout\"");
	if (request->status == 405 && request->match.same_path != NULL) {
		router_allow(request->match.same_path, allow);
		MHD_add_response_header(response, "Allow", allow);
	}
}

/* Hands the answer to libmicrohttpd. MHD_NO closes the connection. */
static enum MHD_Result
send_answer(struct exchange *exchange)
{
	struct request *request = exchange->request;
	struct MHD_Response *response;
	enum MHD_Result result;

	ENSURE(request->answer != NULL);
	response = MHD_create_response_from_buffer_with_free_callback(request->answer_length,
								      request->answer, free_answer);
	if (response == NULL)
		return MHD_NO;
	request->answer = NULL;
	add_headers(exchange, response);
	log_answer(exchange);
	result = MHD_queue_response(exchange->connection, request->status, response);
	MHD_destroy_response(response);
	return result;
}

/* The answer of a sleeping request has come. */
static void
on_wake(void *arg)
{
	struct exchange *exchange = arg;

	if (!exchange->suspended)
		return;
	exchange->suspended = false;
	MHD_resume_connection(exchange->connection);
	exchange->all->kick(exchange->all->arg);
}

static void
dispatch(struct exchange *exchange)
{
	struct request *request = exchange->request;

	exchange->dispatched = true;
	if (request->status != 0)
		return;
	if (exchange->all->stopping)
		request_fail(request, 503, "The gateway is stopping.");
	else
		request->match.route->handler(request);
}

/* Takes a piece of the body. MHD_NO closes the connection on who does not stop sending. */
static enum MHD_Result
take_body(struct exchange *exchange, const char *piece, size_t *length)
{
	struct request *request = exchange->request;

	if (request->status == 0 && request->body.length + *length > REQUEST_BODY_BYTES)
		request_fail(request, 413, "The body may have at most %d bytes.",
			     REQUEST_BODY_BYTES);
	if (request->status == 0) {
		bytes_add(&request->body, piece, *length);
	} else {
		exchange->dropped += *length;
		if (exchange->dropped > REFUSED_BODY_BYTES)
			return MHD_NO;
	}
	*length = 0;
	return MHD_YES;
}

/* Answering before the body was read costs the connection, and maybe the answer; so it is done
 * only where the client waits for a word, or would send too much. */
static bool
answers_at_once(const struct exchange *exchange)
{
	return exchange->request->status != 0 && (header(exchange, "Expect") != NULL ||
						  announced_bytes(exchange) > REFUSED_BODY_BYTES);
}

static struct exchange *
exchange_begin(struct exchanges *all, struct MHD_Connection *connection, const char *method,
	       const char *path)
{
	struct exchange *exchange = mem_zalloc(sizeof(*exchange));

	exchange->all = all;
	exchange->connection = connection;
	exchange->started_ms = clock_now_ms();
	exchange->request = request_new(all->ctl, method, path);
	exchange->request->wake = on_wake;
	exchange->request->wake_arg = exchange;
	list_init(&exchange->node);
	list_append(&all->list, &exchange->node);
	return exchange;
}

enum MHD_Result
exchange_access(void *arg, struct MHD_Connection *connection, const char *path, const char *method,
		const char *version, const char *piece, size_t *piece_length, void **context)
{
	struct exchange *exchange = *context;

	(void)version;
	if (exchange == NULL) {
		exchange = exchange_begin(arg, connection, method, path);
		*context = exchange;
		judge(exchange);
		return answers_at_once(exchange) ? send_answer(exchange) : MHD_YES;
	}
	if (*piece_length > 0)
		return take_body(exchange, piece, piece_length);
	if (!exchange->dispatched)
		dispatch(exchange);
	if (exchange->request->status != 0)
		return send_answer(exchange);
	exchange->suspended = true;
	MHD_suspend_connection(connection);
	return MHD_YES;
}

void
exchange_completed(void *arg, struct MHD_Connection *connection, void **context,
		   enum MHD_RequestTerminationCode why)
{
	struct exchange *exchange = *context;

	(void)arg;
	(void)connection;
	(void)why;
	if (exchange == NULL)
		return;
	*context = NULL;
	list_remove(&exchange->node);
	exchange->request->wake = NULL;
	exchange->request->ctl = NULL;
	request_release(exchange->request);
	free(exchange);
}

void
exchanges_stop(struct exchanges *all)
{
	struct list *node;

	all->stopping = true;
	list_for_each (node, &all->list) {
		struct exchange *exchange = CONTAINER_OF(node, struct exchange, node);

		if (exchange->suspended)
			request_fail(exchange->request, 503, "The gateway is stopping.");
	}
}
