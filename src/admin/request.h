/* SPDX-License-Identifier: Apache-2.0
 *
 * A request of the admin API and its one answer. Knows nothing of HTTP machinery: exchange.c fills
 * the upper half and sends the answer when wake() tells it that a request it put to sleep has one.
 *
 * A handler answers with request_answer() and its kin. One that must wait for an operation calls
 * request_hold(), passes the request along, and in the end answers and calls request_release().
 * The client may be gone by then, or the server ended: the answer is then dropped, ctl is NULL.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "admin/access.h"
#include "admin/router.h"
#include "base/bytes.h"
#include "base/err.h"
#include "ctl/ctl.h"

#define REQUEST_QUERIES    16
#define REQUEST_BODY_BYTES (64 * 1024)

struct request_query {
	char name[32];
	char value[ROUTE_VALUE_BYTES];
};

struct request {
	unsigned references;
	struct ctl *ctl; /* NULL once the server has ended */
	char method[16];
	char *path; /* as it came */
	struct route_match match;
	char user[ACCESS_USER_BYTES];    /* "" for anonymous */
	char who[ACCESS_USER_BYTES + 8]; /* "api:NAME", for the log */
	struct request_query queries[REQUEST_QUERIES];
	size_t queries_count;
	struct bytes body;

	unsigned status; /* 0: not answered yet */
	char *answer;    /* NUL-terminated; taken by exchange.c */
	size_t answer_length;
	const char *content_type;
	void (*wake)(void *arg); /* runs when an answer has come; may be NULL */
	void *wake_arg;
};

/* A request with one reference. */
struct request *request_new(struct ctl *ctl, const char *method, const char *path);
struct request *request_hold(struct request *request);
void request_release(struct request *request);

/* Value of a {parameter} of the route; never NULL. */
const char *request_parameter(const struct request *request, const char *name);
/* Value of a query parameter, or NULL. */
const char *request_query(const struct request *request, const char *name);
/* A boolean query parameter: absent is false; anything but true or false is answered 400 and
 * returns false. */
bool request_flag(struct request *request, const char *name, bool *out) MUST_CHECK;
/* Checks required and, on WRITE routes, unknown query parameters; answers 400 and returns false. */
bool request_check_queries(struct request *request) MUST_CHECK;
/* The body as a JSON object (new reference), or NULL and the request is answered 400. */
json_t *request_json(struct request *request);

/* Answers with JSON; takes the reference to body. A second answer is ignored. */
void request_answer(struct request *request, unsigned status, json_t *body);
/* Answers {"message": ...}. */
void request_fail(struct request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Answers {"message": ...} with the status of the error's class. */
void request_fail_err(struct request *request, const struct err *err);
/* Answers a text, which is copied. content_type is a literal. */
void request_text(struct request *request, unsigned status, const char *content_type,
		  const char *text, size_t length);
/* Answers without a body (204, 401). */
void request_empty(struct request *request, unsigned status);
/* The HTTP status of an error's class. */
unsigned request_status(enum err_code code);
