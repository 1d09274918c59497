/* SPDX-License-Identifier: Apache-2.0
 *
 * The route table (routes.def) and its matcher: method and raw path in, row and parameters out.
 * Pure; decides nothing about who may call (access.h). Start at router_match().
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

#define ROUTE_PARAMETERS  2
#define ROUTE_VALUE_BYTES 256
#define ROUTE_ALLOW_BYTES 64

struct request;

enum role { ROLE_PUBLIC, ROLE_METRICS, ROLE_READ, ROLE_WRITE };

/* Answers the request now, or keeps it (request_hold()) and answers later. On the control loop. */
typedef void (*handler_fn)(struct request *request);

/* A row of routes.def, which says what each member is. */
struct http_route {
	const char *method;
	const char *path;
	enum role role;
	handler_fn handler;
	const char *query;
	const char *body;
	const char *summary;
};

extern const struct http_route routes[];
extern const size_t routes_count;

/* A {parameter} and its decoded value. */
struct route_parameter {
	char name[32];
	char value[ROUTE_VALUE_BYTES];
};

struct route_match {
	const struct http_route *route;     /* NULL: no row has this path and method */
	const struct http_route *same_path; /* a row of this path with another method, or NULL */
	bool malformed; /* the path is not decodable: bad escape, control byte */
	struct route_parameter parameters[ROUTE_PARAMETERS];
	size_t parameters_count;
};

/* Finds the row. path is raw, still percent-encoded; trailing slashes are tolerated; HEAD counts as
 * GET. */
void router_match(const char *method, const char *path, struct route_match *out);
/* The methods that a path has, "GET, HEAD, DELETE", for the Allow header. */
void router_allow(const struct http_route *route, char out[ROUTE_ALLOW_BYTES]);
/* Is every parameter a name that can exist? Otherwise false and a sentence for the caller. */
bool router_check(const struct route_match *match, struct err *err) MUST_CHECK;
/* May this name a cluster: a legal name, or "vcluster:NAME" for the logical cluster of a canary. */
bool router_is_cluster(const char *text);

/* Decodes %XX of length bytes into out; false for a bad escape, a control byte or no room. */
bool router_decode(const char *text, size_t length, char *out, size_t size) MUST_CHECK;

/* One item of a route's query or body column. */
struct route_item {
	char name[32];
	char type[16];
	bool required;
};
/* Takes the next item off *cursor (start with the column's text); false at the end. */
bool route_item_next(const char **cursor, struct route_item *item);

const char *role_name(enum role role);
