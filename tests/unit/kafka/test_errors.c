/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of Kafka's error codes: every code once, a name and a sentence of its own each.
 */
#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "kafka/errors.h"

static const int codes[] = {
#define E(code, name, text) code,
#include "kafka/errors.def"
#undef E
};

#define CODES (sizeof(codes) / sizeof(codes[0]))

Test(errors, codes_run_from_minus_one_without_a_gap)
{
	for (size_t i = 0; i < CODES; i++)
		cr_expect_eq(codes[i], (int)i - 1, "row %zu has code %d", i, codes[i]);
	cr_expect_geq(CODES, 135);
}

Test(errors, names_are_kafkas)
{
	cr_expect_eq(KAFKA_UNKNOWN_SERVER_ERROR, -1);
	cr_expect_eq(KAFKA_NONE, 0);
	cr_expect_eq(KAFKA_NOT_LEADER_OR_FOLLOWER, 6);
	cr_expect_eq(KAFKA_UNSUPPORTED_VERSION, 35);
	cr_expect_eq(KAFKA_SASL_AUTHENTICATION_FAILED, 58);
	cr_expect_str_eq(kafka_error_name(29), "TOPIC_AUTHORIZATION_FAILED");
	cr_expect_str_eq(kafka_error_name(-1), "UNKNOWN_SERVER_ERROR");
}

Test(errors, names_and_sentences_are_unique)
{
	for (size_t i = 0; i < CODES; i++)
		for (size_t j = i + 1; j < CODES; j++) {
			const char *a = kafka_error_text(codes[i]), *b = kafka_error_text(codes[j]);

			cr_expect_str_neq(kafka_error_name(codes[i]), kafka_error_name(codes[j]));
			cr_expect_str_neq(a, b, "%d and %d", codes[i], codes[j]);
		}
}

/* They go to clients in place of a broker's text: one plain sentence that names nothing. */
Test(errors, sentences_are_plain)
{
	for (size_t i = 0; i < CODES; i++) {
		const char *text = kafka_error_text(codes[i]);
		size_t n = strlen(text);

		cr_expect_gt(n, 5);
		cr_expect_lt(n, 120);
		cr_expect(isupper((unsigned char)text[0]), "%d: %s", codes[i], text);
		cr_expect_eq(text[n - 1], '.', "%d: %s", codes[i], text);
		cr_expect_null(strpbrk(text, "%'\"\n<>") && !strstr(text, "'s") ? text : NULL);
	}
}

Test(errors, unknown_codes_are_said_to_be_unknown)
{
	static const int unknown[] = {-2, -32768, 1000, 32767};

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		cr_expect_str_eq(kafka_error_name(unknown[i]), "UNKNOWN");
		cr_expect_not_null(strstr(kafka_error_text(unknown[i]), "does not know"));
	}
}
