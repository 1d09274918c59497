/* SPDX-License-Identifier: Apache-2.0
 *
 * SASL/PLAIN: the message's three parts, the token in the third, the snapshot.
 */
#include "auth/sasl.h"
#include <string.h>

const char sasl_refusal[] = "Authentication failed: user name or token not accepted";

struct parts {
	const char *authzid;
	size_t authzid_length;
	const char *username;
	size_t username_length;
	const char *password;
	size_t password_length;
};

static bool
parts_parse(struct parts *parts, const uint8_t *bytes, size_t length)
{
	const char *text = (const char *)bytes;
	const char *first = length > 0 ? memchr(text, '\0', length) : NULL;
	const char *second;

	if (first == NULL)
		return false;
	parts->authzid = text;
	parts->authzid_length = (size_t)(first - text);
	parts->username = first + 1;
	length -= parts->authzid_length + 1;
	second = length > 0 ? memchr(parts->username, '\0', length) : NULL;
	if (second == NULL)
		return false;
	parts->username_length = (size_t)(second - parts->username);
	parts->password = second + 1;
	parts->password_length = length - parts->username_length - 1;
	if (parts->username_length == 0)
		return false;
	return parts->authzid_length == 0 ||
	       (parts->authzid_length == parts->username_length &&
		memcmp(parts->authzid, parts->username, parts->username_length) == 0);
}

static enum auth_verdict
check_snapshot(const struct snapshot *snap, const struct sasl_identity *identity)
{
	const struct vcluster *vc = snapshot_vcluster(snap, identity->vcluster);
	const struct user *user;

	if (vc == NULL)
		return AUTH_UNKNOWN_VCLUSTER;
	user = vcluster_user(vc, identity->username);
	if (user == NULL)
		return AUTH_UNKNOWN_USER;
	/* A token without iat (0) is older than any not.before. */
	return identity->issued < user->not_before ? AUTH_NOT_BEFORE : AUTH_OK;
}

enum auth_verdict
sasl_plain(const struct snapshot *snap, const struct token_key *keys, size_t keys_count,
	   const uint8_t *bytes, size_t length, int64_t now, struct sasl_identity *out)
{
	struct parts parts;
	struct token token;
	enum auth_verdict verdict;

	*out = (struct sasl_identity){0};
	if (!parts_parse(&parts, bytes, length))
		return AUTH_MALFORMED;
	verdict =
	    token_verify(keys, keys_count, parts.password, parts.password_length, now, &token);
	memcpy(out->vcluster, token.vcluster, sizeof(out->vcluster));
	memcpy(out->username, token.username, sizeof(out->username));
	out->expires = token.expires;
	out->issued = token.issued;
	out->key = token.key;
	if (verdict != AUTH_OK)
		return verdict;
	if (strlen(token.username) != parts.username_length ||
	    memcmp(token.username, parts.username, parts.username_length) != 0)
		return AUTH_USERNAME;
	return check_snapshot(snap, out);
}

static bool
has_key(const struct key_id *keys, size_t count, const struct key_id *key)
{
	for (size_t i = 0; i < count; i++) {
		if (memcmp(&keys[i], key, sizeof(*key)) == 0)
			return true;
	}
	return false;
}

enum auth_verdict
sasl_recheck(const struct snapshot *snap, const struct key_id *keys, size_t keys_count,
	     const struct sasl_identity *identity, int64_t now)
{
	if (now >= identity->expires)
		return AUTH_EXPIRED;
	if (!has_key(keys, keys_count, &identity->key))
		return AUTH_KEY_RETIRED;
	return check_snapshot(snap, identity);
}
