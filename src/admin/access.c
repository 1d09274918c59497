/* SPDX-License-Identifier: Apache-2.0
 *
 * Basic auth. Digests are compared, not texts: equal length for all, so that neither length nor the
 * first differing byte of a password can be timed.
 */
#include "admin/access.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/parse.h"
#include "base/sha256.h"

#define CREDENTIALS_BYTES 1024

static bool
digests_equal(const uint8_t a[SHA256_BYTES], const uint8_t b[SHA256_BYTES])
{
	uint8_t difference = 0;

	for (size_t i = 0; i < SHA256_BYTES; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

static bool
text_matches(const char *text, const uint8_t digest[SHA256_BYTES])
{
	uint8_t own[SHA256_BYTES];

	sha256(text, strlen(text), own);
	return digests_equal(own, digest);
}

/* The account with this name and password, or NULL; looks at all of them whatever it finds. */
static const struct admin_user *
account_find(struct ctl *ctl, const char *name, const char *password)
{
	const struct admin_user *users;
	const struct admin_user *found = NULL;
	size_t count = ctl_admin_users(ctl, &users);
	uint8_t name_digest[SHA256_BYTES];
	uint8_t password_digest[SHA256_BYTES];

	sha256(name, strlen(name), name_digest);
	sha256(password, strlen(password), password_digest);
	for (size_t i = 0; i < count; i++) {
		bool name_equal = text_matches(users[i].name, name_digest);
		bool password_equal = text_matches(users[i].password, password_digest);

		if (name_equal & password_equal)
			found = &users[i];
	}
	explicit_bzero(password_digest, sizeof(password_digest));
	return found;
}

/* Splits "Basic base64(name:password)"; NULL where it is not that. */
static const struct admin_user *
account_of(struct ctl *ctl, const char *authorization)
{
	static const char scheme[] = "Basic ";
	uint8_t text[CREDENTIALS_BYTES];
	const struct admin_user *account = NULL;
	ssize_t length;
	char *colon;

	if (strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
		return NULL;
	authorization += sizeof(scheme) - 1;
	authorization += strspn(authorization, " ");
	length = parse_base64(authorization, text, sizeof(text) - 1);
	if (length <= 0)
		return NULL;
	text[length] = '\0';
	colon = memchr(text, ':', (size_t)length);
	if (colon != NULL && memchr(text, '\0', (size_t)length) == NULL) {
		*colon = '\0';
		account = account_find(ctl, (const char *)text, colon + 1);
	}
	explicit_bzero(text, sizeof(text));
	return account;
}

static bool
is_open(struct ctl *ctl, enum role role)
{
	return role == ROLE_PUBLIC ||
	       (role == ROLE_METRICS && !ctl_world(ctl)->snap->settings.metrics_secured);
}

enum access
access_check(struct ctl *ctl, enum role role, const char *authorization,
	     char user[ACCESS_USER_BYTES])
{
	const struct admin_user *account;

	user[0] = '\0';
	if (is_open(ctl, role))
		return ACCESS_GRANTED;
	if (authorization == NULL)
		return ACCESS_ANONYMOUS;
	account = account_of(ctl, authorization);
	if (account == NULL)
		return ACCESS_REFUSED;
	snprintf(user, ACCESS_USER_BYTES, "%s", account->name);
	return role == ROLE_WRITE && !account->admin ? ACCESS_FORBIDDEN : ACCESS_GRANTED;
}
