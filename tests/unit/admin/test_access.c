/* SPDX-License-Identifier: Apache-2.0
 *
 * Basic auth, role by role and header by header.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include "admin/access.h"
#include "base/parse.h"
#include "unit/admin/fake_ctl.h"

static const char *
basic(const char *credentials)
{
	static char header[256];
	char encoded[200];

	format_base64url((const uint8_t *)credentials, strlen(credentials), encoded,
			 sizeof(encoded));
	snprintf(header, sizeof(header), "Basic %s", encoded);
	return header;
}

static enum access
check(enum role role, const char *authorization)
{
	struct ctl *ctl = fake_ctl_new();
	char user[ACCESS_USER_BYTES];
	enum access access = access_check(ctl, role, authorization, user);

	fake_ctl_free(&ctl);
	return access;
}

Test(access, roles)
{
	const char *const logins[] = {NULL, "viewer:look", "admin:secret"};
	static const enum access expected[][3] = {
	    [ROLE_PUBLIC] = {ACCESS_GRANTED, ACCESS_GRANTED, ACCESS_GRANTED},
	    [ROLE_METRICS] = {ACCESS_GRANTED, ACCESS_GRANTED, ACCESS_GRANTED},
	    [ROLE_READ] = {ACCESS_ANONYMOUS, ACCESS_GRANTED, ACCESS_GRANTED},
	    [ROLE_WRITE] = {ACCESS_ANONYMOUS, ACCESS_FORBIDDEN, ACCESS_GRANTED},
	};

	for (int role = ROLE_PUBLIC; role <= ROLE_WRITE; role++) {
		for (size_t i = 0; i < 3; i++)
			cr_assert(
			    check((enum role)role, logins[i] != NULL ? basic(logins[i]) : NULL) ==
				expected[role][i],
			    "role %d login %zu", role, i);
	}
}

Test(access, metrics_can_be_secured)
{
	struct ctl *ctl = fake_ctl_new();
	char user[ACCESS_USER_BYTES];

	ctl->snap.settings.metrics_secured = true;
	cr_assert(access_check(ctl, ROLE_METRICS, NULL, user) == ACCESS_ANONYMOUS);
	cr_assert(access_check(ctl, ROLE_METRICS, basic("viewer:look"), user) == ACCESS_GRANTED);
	cr_assert(strcmp(user, "viewer") == 0);
	fake_ctl_free(&ctl);
}

Test(access, wrong_headers_are_refused)
{
	static const char *const headers[] = {
	    "",
	    "Basic",
	    "Basic ",
	    "Basic !!!!",
	    "Bearer YWJj",
	    "Basic YWRtaW4",
	    "Basic YWRtaW46",
	    "basicYWRtaW46c2VjcmV0",
	    "Basic OnNlY3JldA==",
	    "Basic YWRtaW46c2VjcmV0AA==",
	};

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		cr_assert(check(ROLE_READ, headers[i]) == ACCESS_REFUSED, "%s", headers[i]);
	cr_assert(check(ROLE_READ, basic("admin:Secret")) == ACCESS_REFUSED);
	cr_assert(check(ROLE_READ, basic("admin:look")) == ACCESS_REFUSED);
	cr_assert(check(ROLE_READ, basic("viewer:secret")) == ACCESS_REFUSED);
	cr_assert(check(ROLE_READ, basic("admin:secret ")) == ACCESS_REFUSED);
	cr_assert(check(ROLE_READ, basic("Admin:secret")) == ACCESS_REFUSED);
	cr_assert(check(ROLE_READ, "bAsIc YWRtaW46c2VjcmV0") == ACCESS_GRANTED);
}

Test(access, header_of_any_length)
{
	static char header[100000];

	memset(header, 'A', sizeof(header) - 1);
	memcpy(header, "Basic ", 6);
	cr_assert(check(ROLE_READ, header) == ACCESS_REFUSED);
}
