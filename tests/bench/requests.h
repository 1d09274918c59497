/* SPDX-License-Identifier: Apache-2.0
 *
 * The requests that the load generator sends, built once per run from a row of a table. A request
 * is the same bytes every time but for its correlation id.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/bytes.h"

/* Where the correlation id is in a frame whose size prefix is included. */
#define REQUEST_CORRELATION_AT 8

struct workload {
	const char *name;
	int key;
	int version;
	const char *summary;
};

/* What the rows have in common, from the command line. */
struct shape {
	const char *topic;
	size_t partitions; /* in one request */
	size_t bytes;      /* of records in one partition of a request, or wanted of one */
	size_t batch;      /* the most that one record batch has */
	size_t record;     /* of one record's value */
};

/* The row of that name, or NULL. workload_names() has all, for --help. */
const struct workload *workload_find(const char *name);
const char *workload_names(void);

/* Appends the whole frame. */
void workload_request(const struct workload *workload, const struct shape *shape,
		      struct bytes *out);

/* Appends the two frames of a login by SASL/PLAIN: the handshake, then the authentication. */
void login_handshake(struct bytes *out);
void login_authenticate(const char *user, const char *password, struct bytes *out);
#define LOGIN_HANDSHAKE_VERSION    1
#define LOGIN_AUTHENTICATE_VERSION 2
