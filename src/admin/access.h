/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may call: basic auth against the accounts in force. Compares every account in constant time
 * and says nothing about which part was wrong.
 */
#pragma once
#include "admin/router.h"
#include "ctl/ctl.h"

#define ACCESS_USER_BYTES 129

enum access {
	ACCESS_GRANTED,
	ACCESS_ANONYMOUS, /* no credentials: 401 */
	ACCESS_REFUSED,   /* credentials that are wrong: 401 */
	ACCESS_FORBIDDEN, /* an account that may not do this: 403 */
};

/* Judges a call of this role. authorization: the header's value, or NULL. user gets the account's
 * name when the credentials are right (for ROLE_PUBLIC they are not looked at), else "". */
enum access access_check(struct ctl *ctl, enum role role, const char *authorization,
			 char user[ACCESS_USER_BYTES]);
