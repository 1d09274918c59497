/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens by libjwt. The header is read by ourselves before libjwt sees the token: which algorithm
 * verifies a token is our decision, never the token's. Start at token_verify().
 */
#include "auth/jwt.h"
#include <jansson.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/parse.h"
#include "base/sha256.h"

bool
token_make(const struct token_key *key, const char *vcluster, const char *username, int64_t now,
	   int64_t lifetime, char **out, struct err *err)
{
	jwt_t *jwt = NULL;
	bool good;

	if (!name_is_legal(vcluster, 128) || !name_is_legal(username, 128))
		return err_set(err, ERR_INVALID,
			       "a vcluster or user name has 1 to 128 of A-Z a-z 0-9 . _ -");
	if (lifetime < 1 || lifetime > TOKEN_LIFETIME_MAX)
		return err_set(err, ERR_INVALID, "a token lives 1 to %lld seconds",
			       (long long)TOKEN_LIFETIME_MAX);
	if (jwt_new(&jwt) != 0)
		return err_set(err, ERR_IO, "no memory for a token");
	good = jwt_add_grant(jwt, "username", username) == 0 &&
	       jwt_add_grant(jwt, "vcluster", vcluster) == 0 &&
	       jwt_add_grant_int(jwt, "exp", (long)(now + lifetime)) == 0 &&
	       jwt_add_grant_int(jwt, "iat", (long)now) == 0 &&
	       jwt_set_alg(jwt, JWT_ALG_HS256, key->bytes, (int)key->length) == 0;
	*out = good ? jwt_encode_str(jwt) : NULL;
	jwt_free(jwt);
	if (*out == NULL)
		return err_set(err, ERR_IO, "the token could not be signed");
	return true;
}

/* The first part of a token as JSON, or NULL. */
static json_t *
header_parse(const char *text)
{
	size_t length = strcspn(text, ".");
	char encoded[1025];
	uint8_t bytes[768];
	ssize_t size;

	if (length == 0 || length >= sizeof(encoded) || memchr(text, '=', length) != NULL)
		return NULL;
	memcpy(encoded, text, length);
	encoded[length] = '\0';
	size = parse_base64(encoded, bytes, sizeof(bytes));
	if (size < 0)
		return NULL;
	return json_loadb((const char *)bytes, (size_t)size, JSON_REJECT_DUPLICATES, NULL);
}

static enum auth_verdict
header_check(const char *text)
{
	json_t *header = header_parse(text);
	const char *algorithm = json_string_value(json_object_get(header, "alg"));
	enum auth_verdict verdict = AUTH_OK;

	if (algorithm == NULL || json_object_get(header, "crit") != NULL)
		verdict = AUTH_MALFORMED;
	else if (strcmp(algorithm, "HS256") != 0)
		verdict = AUTH_ALGORITHM;
	json_decref(header);
	return verdict;
}

struct key_id
token_key_id(const struct token_key *key)
{
	struct key_id id;
	uint8_t digest[SHA256_BYTES];

	sha256(key->bytes, key->length, digest);
	memcpy(id.bytes, digest, sizeof(id.bytes));
	explicit_bzero(digest, sizeof(digest));
	return id;
}

/* The token decoded by the key that signed it, or NULL. */
static jwt_t *
decode(const struct token_key *keys, size_t count, const char *text,
       const struct token_key **signer)
{
	for (size_t i = 0; i < count; i++) {
		jwt_t *jwt = NULL;

		if (keys[i].length == 0 ||
		    jwt_decode(&jwt, text, keys[i].bytes, (int)keys[i].length) != 0)
			continue;
		*signer = &keys[i];
		if (jwt_get_alg(jwt) == JWT_ALG_HS256)
			return jwt;
		jwt_free(jwt);
	}
	return NULL;
}

static bool
claim_name(const json_t *claims, const char *claim, char *out, size_t size)
{
	const char *value = json_string_value(json_object_get(claims, claim));

	if (value == NULL || !name_is_legal(value, size - 1))
		return false;
	snprintf(out, size, "%s", value);
	return true;
}

/* A claim that is missing leaves *out as it is; one that is no integer from 0 is false. */
static bool
claim_time(const json_t *claims, const char *claim, int64_t *out)
{
	const json_t *value = json_object_get(claims, claim);

	if (value == NULL)
		return true;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*out = json_integer_value(value);
	return true;
}

static enum auth_verdict
claims_check(const json_t *claims, int64_t now, struct token *out)
{
	int64_t not_before = 0;

	out->expires = -1;
	if (!claim_name(claims, "username", out->username, sizeof(out->username)) ||
	    !claim_name(claims, "vcluster", out->vcluster, sizeof(out->vcluster)) ||
	    !claim_time(claims, "exp", &out->expires) || !claim_time(claims, "iat", &out->issued) ||
	    !claim_time(claims, "nbf", &not_before) || out->expires < 0)
		return AUTH_MALFORMED;
	if (now >= out->expires)
		return AUTH_EXPIRED;
	return now < not_before ? AUTH_NOT_BEFORE : AUTH_OK;
}

/* libjwt's own getters cannot tell a claim of another type from a zero: jansson reads them. */
static enum auth_verdict
token_claims(jwt_t *jwt, int64_t now, struct token *out)
{
	char *text = jwt_get_grants_json(jwt, NULL);
	json_t *claims = text != NULL ? json_loads(text, 0, NULL) : NULL;
	enum auth_verdict verdict = AUTH_MALFORMED;

	if (claims != NULL)
		verdict = claims_check(claims, now, out);
	json_decref(claims);
	free(text);
	return verdict;
}

enum auth_verdict
token_verify(const struct token_key *keys, size_t count, const char *text, size_t length,
	     int64_t now, struct token *out)
{
	char copy[TOKEN_BYTES_MAX + 1];
	const struct token_key *signer;
	enum auth_verdict verdict;
	jwt_t *jwt = NULL;

	*out = (struct token){0};
	if (length == 0 || length > TOKEN_BYTES_MAX || memchr(text, '\0', length) != NULL)
		return AUTH_MALFORMED;
	memcpy(copy, text, length);
	copy[length] = '\0';
	verdict = header_check(copy);
	if (verdict == AUTH_OK) {
		jwt = decode(keys, count, copy, &signer);
		if (jwt != NULL)
			out->key = token_key_id(signer);
		verdict = jwt != NULL ? token_claims(jwt, now, out) : AUTH_SIGNATURE;
		jwt_free(jwt);
	}
	if (verdict == AUTH_MALFORMED)
		*out = (struct token){0};
	explicit_bzero(copy, length);
	return verdict;
}

struct verdict_words {
	const char *name;
	const char *text;
};

static const struct verdict_words words[] = {
    [AUTH_OK] = {"ok", "accepted"},
    [AUTH_MALFORMED] = {"malformed", "the password is not a token of this gateway: not a JWT, or "
				     "username, vcluster or exp is missing"},
    [AUTH_ALGORITHM] = {"algorithm", "the token is not signed with HS256"},
    [AUTH_SIGNATURE] = {"signature", "none of the configured keys (token.keys) signed the token"},
    [AUTH_EXPIRED] = {"expired", "the token has expired: make a new one"},
    [AUTH_NOT_BEFORE] = {"not_before", "the token was issued before the user's not.before, or is "
				       "not valid yet: make a new one"},
    [AUTH_UNKNOWN_VCLUSTER] = {"unknown_vcluster", "the token's vcluster is not configured"},
    [AUTH_UNKNOWN_USER] = {"unknown_user", "the vcluster has no such user"},
    [AUTH_USERNAME] = {"username", "the user name is not the one that the token was made for"},
    [AUTH_MECHANISM] = {"mechanism", "the SASL mechanism is not PLAIN"},
    [AUTH_KEY_RETIRED] = {"key_retired", "the key that signed the token is not in force any more "
					 "(token.keys): make a new one"},
    [AUTH_CONNECTIONS] = {"connections", "the user has as many connections as its "
					 "limits.connections allows"},
};

const char *
auth_verdict_text(enum auth_verdict verdict)
{
	return words[verdict].text;
}

const char *
auth_verdict_name(enum auth_verdict verdict)
{
	return words[verdict].name;
}
