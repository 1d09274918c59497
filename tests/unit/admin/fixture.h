/* SPDX-License-Identifier: Apache-2.0
 *
 * The admin API on a loop that the test turns itself, with the fake control plane behind it and a
 * client in front of it. One thread: nothing happens but when the test waits.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "admin/admin.h"
#include "unit/admin/fake_ctl.h"

#define ADMIN  "admin:secret"
#define VIEWER "viewer:look"

struct fixture {
	struct loop *loop;
	struct ctl *ctl;
	struct admin *admin;
};

struct call {
	const char *method; /* NULL: GET */
	const char *path;
	const char *login;  /* "name:password", or NULL */
	const char *body;   /* or NULL */
	size_t body_length; /* 0: strlen(body) */
	const char *type;   /* Content-Type; NULL: application/json where there is a body;
			     * "": none */
	const char *header; /* one more header line, or NULL */
};

struct reply {
	long status;
	char *body;
	char *headers;
	json_t *json; /* NULL where the body is not JSON */
};

void fixture_start(struct fixture *fixture);
void fixture_stop(struct fixture *fixture);
/* Turns the loop until *condition is true, or fails the test after many turns. */
void fixture_turn_until(struct fixture *fixture, bool (*is_true)(struct fixture *fixture));
/* Turns the loop a while. */
void fixture_turn(struct fixture *fixture);

/* Calls and waits for the answer; reply is to be freed. status 0: no answer came. */
void http_call(struct fixture *fixture, const struct call *call, struct reply *reply);
void reply_free(struct reply *reply);
/* Just the status. */
long http_status(struct fixture *fixture, const struct call *call);
/* A call under way. */
struct http_client;
struct http_client *http_begin(struct fixture *fixture, const struct call *call);
/* Waits for the answer and frees the client. */
void http_end(struct fixture *fixture, struct http_client *client, struct reply *reply);
/* Goes away without waiting. */
void http_abandon(struct fixture *fixture, struct http_client *client);
/* A raw connection to the API. */
int raw_connect(struct fixture *fixture);
/* A text member of an object, "" where there is none. */
const char *json_text(const json_t *object, const char *name);
