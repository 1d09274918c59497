/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens: HS256 JWTs with username, vcluster, exp and iat, made and verified with libjwt. Only
 * HS256 is accepted, whatever the header says. Keys rotate: the first signs, all verify.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "config/snapshot.h"

/* Why a token or a login was refused: for the log and metrics; the client gets one sentence for all
 * of them. */
enum auth_verdict {
	AUTH_OK,
	AUTH_MALFORMED, /* not a JWT, or claims missing */
	AUTH_ALGORITHM, /* alg is not HS256 */
	AUTH_SIGNATURE, /* no configured key signed it (wrong or retired key) */
	AUTH_EXPIRED,
	AUTH_NOT_BEFORE, /* issued before the user's not.before, or its nbf has not come */
	AUTH_UNKNOWN_VCLUSTER,
	AUTH_UNKNOWN_USER,
	AUTH_USERNAME, /* SASL username is not the token's */
	AUTH_MECHANISM,
	AUTH_KEY_RETIRED, /* of a session: the key that signed its token is not in force any more */
	AUTH_CONNECTIONS, /* the user has as many connections as limits.connections allows */
	AUTH_VERDICTS,
};

/* Tells keys apart without keeping them: the start of a digest. */
struct key_id {
	uint8_t bytes[16];
};

struct token {
	char username[129];
	char vcluster[129];
	int64_t expires;   /* seconds since 1970 */
	int64_t issued;    /* iat, or 0 */
	struct key_id key; /* that signed it */
};

#define TOKEN_BYTES_MAX    4096
#define TOKEN_LIFETIME_MAX 3153600000 /* seconds: a hundred years */

/* A signed token in *out (malloc'd; free with mem_free_secret()). lifetime in seconds, 1 to
 * TOKEN_LIFETIME_MAX. ERR_INVALID for a name or lifetime that no token can have. */
bool token_make(const struct token_key *key, const char *vcluster, const char *username,
		int64_t now, int64_t lifetime, char **out, struct err *err) MUST_CHECK;

/* What a key is known by. */
struct key_id token_key_id(const struct token_key *key);

/* Verifies signature, algorithm, form and expiry against each key in turn. Any thread. *out is
 * filled on AUTH_OK, and on AUTH_EXPIRED and AUTH_NOT_BEFORE (the signature is good: the log may
 * say whose token it was); else it is all zero. */
enum auth_verdict token_verify(const struct token_key *keys, size_t count, const char *text,
			       size_t length, int64_t now, struct token *out);

/* For logs: "the token has expired", what an operator needs. */
const char *auth_verdict_text(enum auth_verdict verdict);
/* For metrics: "expired". */
const char *auth_verdict_name(enum auth_verdict verdict);
