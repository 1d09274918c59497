/* SPDX-License-Identifier: Apache-2.0
 *
 * The token keys and admin accounts in force: those of the configuration, else ones generated at
 * the first start into the state directory (token.key, admin.password; mode 0600). Nothing secret
 * is built in, and no value is ever logged.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "config/snapshot.h"

#define SECRETS_KEY_BYTES 32

struct secrets {
	uint8_t key_bytes[64]; /* of the generated key, key.length of them */
	struct token_key key;  /* length 0: not loaded */
	char account[256];     /* "admin:password"; name and password point into it */
	struct admin_user user;
};

/* Makes sure that what the settings leave out is there: reads the file, or makes it. */
bool secrets_complete(struct secrets *secrets, const struct settings *settings,
		      struct err *err) MUST_CHECK;
/* Those in force. Borrowed from settings or secrets. */
const struct token_key *secrets_keys(const struct secrets *secrets, const struct settings *settings,
				     size_t *count);
const struct admin_user *secrets_users(const struct secrets *secrets,
				       const struct settings *settings, size_t *count);
/* Overwrites them. */
void secrets_wipe(struct secrets *secrets);
