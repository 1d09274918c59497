/* SPDX-License-Identifier: Apache-2.0
 *
 * SASL/PLAIN against a small snapshot.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "auth/sasl.h"
#include "forge.h"

#define NOW 1700000000

static const struct token_key key = {(const uint8_t *)"0123456789abcdef0123456789abcdef", 32};
static const struct user users[] = {{.name = "old", .not_before = NOW - 10}, {.name = "sa"}};
static const struct user more_users[] = {{.name = "sa"}, {.name = "old", .not_before = NOW - 10}};
static const struct vcluster vclusters[] = {
    {.name = "teamA", .prefix = "teamA", .users = users, .users_count = 2},
    {.name = "teamB", .prefix = "teamB", .users = more_users, .users_count = 0},
};
static const struct snapshot snap = {.vclusters = vclusters, .vclusters_count = 2};

static const char *
token_of(const char *vcluster, const char *username, int64_t issued, char *out, size_t size)
{
	char claims[512];
	char iat[64] = "";

	if (issued > 0)
		snprintf(iat, sizeof(iat), ",\"iat\":%lld", (long long)issued);
	snprintf(claims, sizeof(claims), "{\"username\":\"%s\",\"vcluster\":\"%s\",\"exp\":%d%s}",
		 username, vcluster, NOW + 100, iat);
	return forge_token(&key, MBEDTLS_MD_SHA256, "{\"alg\":\"HS256\"}", claims, out, size);
}

static enum auth_verdict
login(const char *authzid, const char *username, const char *password, struct sasl_identity *out)
{
	char message[8192];
	int length =
	    snprintf(message, sizeof(message), "%s%c%s%c%s", authzid, 0, username, 0, password);

	return sasl_plain(&snap, &key, 1, (const uint8_t *)message, (size_t)length, NOW, out);
}

Test(sasl, accepts)
{
	struct sasl_identity who;
	char text[1024];

	token_of("teamA", "sa", 0, text, sizeof(text));
	cr_assert_eq(login("", "sa", text, &who), AUTH_OK);
	cr_assert_str_eq(who.vcluster, "teamA");
	cr_assert_str_eq(who.username, "sa");
	cr_assert_eq(who.expires, NOW + 100);
	cr_assert_eq(who.issued, 0);
	cr_assert_eq(login("sa", "sa", text, &who), AUTH_OK);
	token_of("teamA", "old", NOW - 10, text, sizeof(text));
	cr_assert_eq(login("", "old", text, &who), AUTH_OK);
	cr_assert_eq(who.issued, NOW - 10);
}

Test(sasl, refuses)
{
	struct sasl_identity who;
	char text[1024];

	token_of("teamA", "sa", 0, text, sizeof(text));
	cr_assert_eq(login("", "tom", text, &who), AUTH_USERNAME);
	cr_assert_str_eq(who.username, "sa");
	cr_assert_eq(login("", "s", text, &who), AUTH_USERNAME);
	cr_assert_eq(login("", "sa2", text, &who), AUTH_USERNAME);
	cr_assert_eq(login("tom", "sa", text, &who), AUTH_MALFORMED);
	cr_assert_eq(login("", "", text, &who), AUTH_MALFORMED);
	cr_assert_eq(login("", "sa", "", &who), AUTH_MALFORMED);
	cr_assert_eq(login("", "sa", "password", &who), AUTH_MALFORMED);
	cr_assert_str_eq(who.username, "");
	token_of("teamC", "sa", 0, text, sizeof(text));
	cr_assert_eq(login("", "sa", text, &who), AUTH_UNKNOWN_VCLUSTER);
	token_of("teamB", "sa", 0, text, sizeof(text));
	cr_assert_eq(login("", "sa", text, &who), AUTH_UNKNOWN_USER);
	token_of("teamA", "tom", 0, text, sizeof(text));
	cr_assert_eq(login("", "tom", text, &who), AUTH_UNKNOWN_USER);
	token_of("teamA", "old", NOW - 11, text, sizeof(text));
	cr_assert_eq(login("", "old", text, &who), AUTH_NOT_BEFORE);
	token_of("teamA", "old", 0, text, sizeof(text));
	cr_assert_eq(login("", "old", text, &who), AUTH_NOT_BEFORE);
}

/* Every cut of a good message, and bytes behind it. */
Test(sasl, truncated_and_too_long)
{
	struct sasl_identity who;
	char text[1024];
	char message[2048];
	int length;

	token_of("teamA", "sa", 0, text, sizeof(text));
	length = snprintf(message, sizeof(message), "%csa%c%s", 0, 0, text);
	for (int i = 0; i < length; i++) {
		uint8_t *exact = malloc((size_t)i + 1);

		memcpy(exact, message, (size_t)i);
		cr_assert_neq(sasl_plain(&snap, &key, 1, exact, (size_t)i, NOW, &who), AUTH_OK);
		free(exact);
	}
	cr_assert_eq(
	    sasl_plain(&snap, &key, 1, (const uint8_t *)message, (size_t)length, NOW, &who),
	    AUTH_OK);
	message[length] = '\0';
	cr_assert_eq(
	    sasl_plain(&snap, &key, 1, (const uint8_t *)message, (size_t)length + 1, NOW, &who),
	    AUTH_MALFORMED);
	cr_assert_eq(sasl_plain(&snap, &key, 1, NULL, 0, NOW, &who), AUTH_MALFORMED);
}

Test(sasl, rechecks_under_a_newer_snapshot)
{
	struct sasl_identity who;
	struct vcluster vc = vclusters[0];
	struct user raised[] = {{.name = "sa", .not_before = NOW}};
	struct snapshot newer = {.vclusters = &vc, .vclusters_count = 1};
	struct key_id id = token_key_id(&key);
	char text[1024];

	token_of("teamA", "sa", NOW - 1, text, sizeof(text));
	cr_assert_eq(login("", "sa", text, &who), AUTH_OK);
	cr_assert_eq(sasl_recheck(&newer, &id, 1, &who, NOW), AUTH_OK);
	cr_assert_eq(sasl_recheck(&newer, &id, 1, &who, NOW + 99), AUTH_OK);
	cr_assert_eq(sasl_recheck(&newer, &id, 1, &who, NOW + 100), AUTH_EXPIRED);
	vc.users = raised;
	vc.users_count = 1;
	cr_assert_eq(sasl_recheck(&newer, &id, 1, &who, NOW), AUTH_NOT_BEFORE);
	vc.users_count = 0;
	cr_assert_eq(sasl_recheck(&newer, &id, 1, &who, NOW), AUTH_UNKNOWN_USER);
	newer.vclusters_count = 0;
	cr_assert_eq(sasl_recheck(&newer, &id, 1, &who, NOW), AUTH_UNKNOWN_VCLUSTER);
}

/* A key that is taken out of token.keys ends what it let in, wherever it stood in the list. */
Test(sasl, rechecks_the_key)
{
	static const struct token_key other = {(const uint8_t *)"another key, 32 bytes of another",
					       32};
	const struct token_key both[] = {other, key};
	struct key_id ids[] = {token_key_id(&other), token_key_id(&key)};
	struct sasl_identity who;
	char text[1024];
	char message[2048];
	int length;

	token_of("teamA", "sa", NOW - 1, text, sizeof(text));
	length = snprintf(message, sizeof(message), "%csa%c%s", 0, 0, text);
	cr_assert_eq(
	    sasl_plain(&snap, both, 2, (const uint8_t *)message, (size_t)length, NOW, &who),
	    AUTH_OK);
	cr_assert_eq(sasl_recheck(&snap, ids, 2, &who, NOW), AUTH_OK);
	cr_assert_eq(sasl_recheck(&snap, ids + 1, 1, &who, NOW), AUTH_OK);
	cr_assert_eq(sasl_recheck(&snap, ids, 1, &who, NOW), AUTH_KEY_RETIRED);
	cr_assert_eq(sasl_recheck(&snap, ids, 0, &who, NOW), AUTH_KEY_RETIRED);
	cr_assert_eq(memmem(&who, sizeof(who), key.bytes, 16), NULL, "the key itself is kept");
}

/* An attacker must not learn which part was wrong. */
Test(sasl, one_refusal_for_all)
{
	cr_assert_gt(strlen(sasl_refusal), 10);
	cr_assert_eq(strstr(sasl_refusal, "expired"), NULL);
}
