/* SPDX-License-Identifier: Apache-2.0
 *
 * The two callbacks that libmicrohttpd drives every request with, and the list of requests under
 * way. http.c owns the server and passes these in.
 */
#pragma once
#include <microhttpd.h>
#include <stdbool.h>
#include "base/list.h"
#include "ctl/ctl.h"
#include "loop/loop.h"

/* The requests under way on a server. */
struct exchanges {
	struct ctl *ctl;
	struct list list;
	bool stopping; /* every new request is answered 503 */
	loop_fn kick;  /* a sleeping request was woken: run the server soon */
	void *arg;     /* of kick */
};

/* MHD_AccessHandlerCallback with a struct exchanges: called with the headers, then with each piece
 * of the body, then with nothing: the request is complete; and again after it was woken. */
enum MHD_Result exchange_access(void *arg, struct MHD_Connection *connection, const char *path,
				const char *method, const char *version, const char *piece,
				size_t *piece_length, void **context);
/* MHD_RequestCompletedCallback: the answer was sent, the connection broke, or the server ends. */
void exchange_completed(void *arg, struct MHD_Connection *connection, void **context,
			enum MHD_RequestTerminationCode why);
/* Answers all sleeping requests 503 and wakes them; so will every later one be. */
void exchanges_stop(struct exchanges *all);
