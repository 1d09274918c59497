/* SPDX-License-Identifier: Apache-2.0
 *
 * SASL/PLAIN (RFC 4616) against tokens and the snapshot's vclusters and users. Pure: bytes in,
 * verdict out.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "auth/jwt.h"

struct sasl_identity {
	char vcluster[129];
	char username[129];
	int64_t expires;   /* seconds since 1970 */
	int64_t issued;    /* iat, or 0 */
	struct key_id key; /* that signed the token */
};

/* The one sentence that a client sees for every refusal: tells an attacker nothing of which part
 * was wrong. */
extern const char sasl_refusal[];

/* Parses `[authzid] NUL authcid NUL password`, verifies the token, and checks it against the
 * snapshot: vcluster and user exist, the username matches, not.before. keys are those in force
 * (generated ones included). An authzid must be empty or the username. Where the token's signature
 * was good, *out is filled even if the verdict is not AUTH_OK, for the log; else it is all zero. */
enum auth_verdict sasl_plain(const struct snapshot *snap, const struct token_key *keys,
			     size_t keys_count, const uint8_t *bytes, size_t length, int64_t now,
			     struct sasl_identity *out);

/* Is an identity that was admitted earlier still good under a newer snapshot (user or vcluster
 * removed, not.before raised, expired, the key that signed its token retired)? keys: the ids of
 * those in force. */
enum auth_verdict sasl_recheck(const struct snapshot *snap, const struct key_id *keys,
			       size_t keys_count, const struct sasl_identity *identity,
			       int64_t now);
