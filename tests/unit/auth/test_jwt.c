/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens: ours, the seed's form, and everything that must be refused.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include "auth/jwt.h"
#include "base/mem.h"
#include "forge.h"

#define NOW 1700000000

static const struct token_key keys[] = {
    {(const uint8_t *)"0123456789abcdef0123456789abcdef", 32},
    {(const uint8_t *)"an older key that still verifies", 32},
};
static const char good_header[] = "{\"alg\":\"HS256\"}";
static const char good_claims[] = "{\"username\":\"sa\",\"vcluster\":\"teamA\",\"exp\":1700000001}";

static enum auth_verdict
verify(const char *text, struct token *out)
{
	return token_verify(keys, 2, text, strlen(text), NOW, out);
}

static enum auth_verdict
forged(mbedtls_md_type_t digest, const char *header, const char *claims)
{
	char text[8192];
	struct token token;

	return verify(forge_token(&keys[0], digest, header, claims, text, sizeof(text)), &token);
}

Test(jwt, ours)
{
	struct token token;
	char *text = NULL;
	struct err err;

	cr_assert(token_make(&keys[0], "teamA", "sa", NOW, 7776000, &text, &err));
	cr_assert_eq(verify(text, &token), AUTH_OK);
	cr_assert_str_eq(token.username, "sa");
	cr_assert_str_eq(token.vcluster, "teamA");
	cr_assert_eq(token.issued, NOW);
	cr_assert_eq(token.expires, NOW + 7776000);
	mem_free_secret(text);
}

Test(jwt, the_seeds_form)
{
	/* The token that the seed prints. Its key is not ours; its form is. */
	static const char seed[] =
	    "eyJhbGciOiJIUzI1NiJ9."
	    "eyJ1c2VybmFtZSI6InNhIiwidmNsdXN0ZXIiOiJ0ZWFtQSIsImV4cCI6MTcxNDQ0Mz"
	    "QzOH0.adivqRFVLn7MyhLfllCoZQFl0H1g0NbqqoGLxBbNgnA";
	char text[1024];
	struct token token;

	cr_assert_eq(verify(seed, &token), AUTH_SIGNATURE);
	forge_token(&keys[0], MBEDTLS_MD_SHA256, good_header,
		    "{\"username\":\"sa\",\"vcluster\":\"teamA\",\"exp\":1714443438}", text,
		    sizeof(text));
	cr_assert_eq(strncmp(text, seed, strcspn(seed, ".") + 1), 0);
	cr_assert_eq(verify(text, &token), AUTH_OK);
	cr_assert_str_eq(token.username, "sa");
	cr_assert_eq(token.expires, 1714443438);
	cr_assert_eq(token.issued, 0);
}

Test(jwt, keys_rotate)
{
	char text[1024];
	struct token token;

	forge_token(&keys[1], MBEDTLS_MD_SHA256, good_header, good_claims, text, sizeof(text));
	cr_assert_eq(verify(text, &token), AUTH_OK);
	cr_assert_eq(token_verify(keys, 1, text, strlen(text), NOW, &token), AUTH_SIGNATURE);
	cr_assert_eq(token_verify(keys, 0, text, strlen(text), NOW, &token), AUTH_SIGNATURE);
	cr_assert_str_eq(token.username, "");
}

Test(jwt, algorithms)
{
	cr_assert_eq(forged(MBEDTLS_MD_SHA256, good_header, good_claims), AUTH_OK);
	cr_assert_eq(forged(MBEDTLS_MD_SHA256, "{\"typ\":\"JWT\",\"alg\":\"HS256\"}", good_claims),
		     AUTH_OK);
	cr_assert_eq(forged(MBEDTLS_MD_NONE, "{\"alg\":\"none\"}", good_claims), AUTH_ALGORITHM);
	cr_assert_eq(forged(MBEDTLS_MD_NONE, "{\"alg\":\"None\"}", good_claims), AUTH_ALGORITHM);
	cr_assert_eq(forged(MBEDTLS_MD_NONE, "{\"alg\":\"\"}", good_claims), AUTH_ALGORITHM);
	cr_assert_eq(forged(MBEDTLS_MD_NONE, "{}", good_claims), AUTH_MALFORMED);
	cr_assert_eq(forged(MBEDTLS_MD_NONE, "{\"alg\":null}", good_claims), AUTH_MALFORMED);
	cr_assert_eq(forged(MBEDTLS_MD_SHA512, "{\"alg\":\"HS512\"}", good_claims), AUTH_ALGORITHM);
	cr_assert_eq(forged(MBEDTLS_MD_SHA384, "{\"alg\":\"HS384\"}", good_claims), AUTH_ALGORITHM);
	cr_assert_eq(forged(MBEDTLS_MD_SHA256, "{\"alg\":\"RS256\"}", good_claims), AUTH_ALGORITHM);
	cr_assert_eq(forged(MBEDTLS_MD_SHA256, "{\"alg\":\"hs256\"}", good_claims), AUTH_ALGORITHM);
	/* The right algorithm by name, another by signature, or none. */
	cr_assert_eq(forged(MBEDTLS_MD_SHA512, good_header, good_claims), AUTH_SIGNATURE);
	cr_assert_eq(forged(MBEDTLS_MD_NONE, good_header, good_claims), AUTH_SIGNATURE);
	cr_assert_eq(forged(MBEDTLS_MD_SHA256, "{\"alg\":\"none\",\"alg\":\"HS256\"}", good_claims),
		     AUTH_MALFORMED);
	cr_assert_eq(forged(MBEDTLS_MD_SHA256, "{\"alg\":\"HS256\",\"crit\":[\"x\"]}", good_claims),
		     AUTH_MALFORMED);
}

Test(jwt, claims)
{
	static const struct {
		const char *claims;
		enum auth_verdict verdict;
	} cases[] = {
	    {"{\"username\":\"sa\",\"vcluster\":\"a\",\"exp\":1700000000}", AUTH_EXPIRED},
	    {"{\"username\":\"sa\",\"vcluster\":\"a\",\"exp\":1}", AUTH_EXPIRED},
	    {"{\"username\":\"sa\",\"vcluster\":\"a\"}", AUTH_MALFORMED},
	    {"{\"username\":\"sa\",\"vcluster\":\"a\",\"exp\":\"1800000000\"}", AUTH_MALFORMED},
	    {"{\"username\":\"sa\",\"vcluster\":\"a\",\"exp\":1.8e9}", AUTH_MALFORMED},
	    {"{\"username\":\"sa\",\"vcluster\":\"a\",\"exp\":-5}", AUTH_MALFORMED},
	    {"{\"username\":\"sa\",\"vcluster\":\"a\",\"exp\":null}", AUTH_MALFORMED},
	    {"{\"username\":\"sa\",\"vcluster\":\"a\",\"exp\":1800000000,\"iat\":\"x\"}",
	     AUTH_MALFORMED},
	    {"{\"username\":\"sa\",\"vcluster\":\"a\",\"exp\":1800000000,\"nbf\":1700000001}",
	     AUTH_NOT_BEFORE},
	    {"{\"username\":\"sa\",\"exp\":1800000000}", AUTH_MALFORMED},
	    {"{\"vcluster\":\"a\",\"exp\":1800000000}", AUTH_MALFORMED},
	    {"{\"username\":7,\"vcluster\":\"a\",\"exp\":1800000000}", AUTH_MALFORMED},
	    {"{\"username\":\"\",\"vcluster\":\"a\",\"exp\":1800000000}", AUTH_MALFORMED},
	    {"{\"username\":\"a b\",\"vcluster\":\"a\",\"exp\":1800000000}", AUTH_MALFORMED},
	    {"{\"username\":\"a\\u0000b\",\"vcluster\":\"a\",\"exp\":1800000000}", AUTH_SIGNATURE},
	    {"[]", AUTH_MALFORMED},
	    {"7", AUTH_SIGNATURE},
	    {"nonsense", AUTH_SIGNATURE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(
		    forged(MBEDTLS_MD_SHA256, good_header, cases[i].claims), cases[i].verdict,
		    "%s: %s", cases[i].claims,
		    auth_verdict_name(forged(MBEDTLS_MD_SHA256, good_header, cases[i].claims)));
}

Test(jwt, names_that_are_too_long)
{
	char name[130];
	char claims[512];

	memset(name, 'x', sizeof(name) - 1);
	name[129] = '\0';
	snprintf(claims, sizeof(claims),
		 "{\"username\":\"%s\",\"vcluster\":\"a\",\"exp\":1800000000}", name);
	cr_assert_eq(forged(MBEDTLS_MD_SHA256, good_header, claims), AUTH_MALFORMED);
	name[128] = '\0';
	snprintf(claims, sizeof(claims),
		 "{\"username\":\"%s\",\"vcluster\":\"%s\",\"exp\":1800000000}", name, name);
	cr_assert_eq(forged(MBEDTLS_MD_SHA256, good_header, claims), AUTH_OK);
}

Test(jwt, garbage)
{
	static const char *const texts[] = {
	    "",
	    ".",
	    "..",
	    "...",
	    "a",
	    "a.b",
	    "a.b.c",
	    "eyJhbGciOiJIUzI1NiJ9",
	    "eyJhbGciOiJIUzI1NiJ9.",
	    "eyJhbGciOiJIUzI1NiJ9..",
	    "eyJhbGciOiJIUzI1NiJ9.e30",
	    "eyJhbGciOiJIUzI1NiJ9.e30.!!",
	    "=.=.=",
	    "\xff\xfe.\x01.\x02",
	};
	char text[TOKEN_BYTES_MAX + 64];
	struct token token;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		cr_assert_neq(verify(texts[i], &token), AUTH_OK, "%s", texts[i]);
	memset(text, 'A', sizeof(text));
	cr_assert_eq(token_verify(keys, 2, text, TOKEN_BYTES_MAX + 1, NOW, &token), AUTH_MALFORMED);
	cr_assert_neq(token_verify(keys, 2, text, TOKEN_BYTES_MAX, NOW, &token), AUTH_OK);
	memset(text, '.', sizeof(text));
	cr_assert_neq(token_verify(keys, 2, text, TOKEN_BYTES_MAX, NOW, &token), AUTH_OK);
}

Test(jwt, every_changed_character_breaks_it)
{
	char text[1024];
	struct token token;
	size_t length;

	forge_token(&keys[0], MBEDTLS_MD_SHA256, good_header, good_claims, text, sizeof(text));
	length = strlen(text);
	for (size_t i = 0; i < length; i++) {
		char was = text[i];

		text[i] = was == 'A' ? 'B' : 'A';
		/* The last character of the signature carries four bits only. */
		cr_assert(verify(text, &token) != AUTH_OK || i == length - 1, "at %zu", i);
		cr_assert_neq(token_verify(keys, 2, text, i, NOW, &token), AUTH_OK);
		text[i] = '\0';
		cr_assert_eq(token_verify(keys, 2, text, length, NOW, &token), AUTH_MALFORMED);
		text[i] = was;
	}
}

Test(jwt, ten_thousand_made_and_verified)
{
	for (int i = 0; i < 10000; i++) {
		struct token token;
		char *text = NULL;
		char user[32];

		snprintf(user, sizeof(user), "user-%d", i);
		cr_assert(token_make(&keys[i % 2], "teamA", user, NOW + i, i + 1, &text, NULL));
		cr_assert_eq(token_verify(keys, 2, text, strlen(text), NOW + i, &token), AUTH_OK,
			     "%s", text);
		cr_assert_str_eq(token.username, user);
		cr_assert_eq(token.expires, NOW + 2 * i + 1);
		mem_free_secret(text);
	}
}

Test(jwt, what_no_token_can_have)
{
	char *text = NULL;
	struct err err;

	cr_assert_not(token_make(&keys[0], "a b", "sa", NOW, 1, &text, &err));
	cr_assert_eq(err.code, ERR_INVALID);
	cr_assert_not(token_make(&keys[0], "a", "", NOW, 1, &text, &err));
	cr_assert_not(token_make(&keys[0], "a", "sa", NOW, 0, &text, &err));
	cr_assert_not(token_make(&keys[0], "a", "sa", NOW, INT64_MAX, &text, &err));
}

Test(jwt, every_verdict_has_words)
{
	for (int v = AUTH_OK; v < AUTH_VERDICTS; v++) {
		cr_assert_gt(strlen(auth_verdict_text((enum auth_verdict)v)), 5);
		cr_assert_gt(strlen(auth_verdict_name((enum auth_verdict)v)), 1);
	}
}
