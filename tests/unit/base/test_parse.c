/* SPDX-License-Identifier: Apache-2.0
 *
 * Text to numbers, moments, bytes, and back.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "base/parse.h"

Test(parse, integers)
{
	static const char *const wrong[] = {
	    "", " 1", "1 ", "1x", "x", "0x10", "-", "1.0", "--1", "9223372036854775808", "1\n"};
	int64_t value = 7;

	cr_assert(parse_i64("0", 0, 0, &value) && value == 0);
	cr_assert(parse_i64("-12", -12, 5, &value) && value == -12);
	cr_assert(parse_i64("9223372036854775807", 0, INT64_MAX, &value) && value == INT64_MAX);
	cr_assert(parse_i64("-9223372036854775808", INT64_MIN, 0, &value) && value == INT64_MIN);
	value = 7;
	cr_assert_not(parse_i64("6", 0, 5, &value));
	cr_assert_not(parse_i64("-1", 0, 5, &value));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_assert_not(parse_i64(wrong[i], INT64_MIN, INT64_MAX, &value), "%s", wrong[i]);
	cr_assert_eq(value, 7);
}

Test(parse, booleans)
{
	bool value = false;

	cr_assert(parse_bool("true", &value) && value);
	cr_assert(parse_bool("No", &value) && !value);
	cr_assert(parse_bool("ON", &value) && value);
	cr_assert(parse_bool("off", &value) && !value);
	cr_assert_not(parse_bool("", &value));
	cr_assert_not(parse_bool("1", &value));
	cr_assert_not(parse_bool("true ", &value));
}

Test(parse, base64)
{
	uint8_t out[8];

	cr_assert_eq(parse_base64("", out, 8), 0);
	cr_assert_eq(parse_base64("Zg==", out, 8), 1);
	cr_assert_eq(parse_base64("Zg", out, 8), 1);
	cr_assert_eq(parse_base64("Zm9vYmFy", out, 8), 6);
	cr_assert_eq(memcmp(out, "foobar", 6), 0);
	cr_assert_eq(parse_base64("-_8=", out, 8), 2);
	cr_assert(out[0] == 0xfb && out[1] == 0xff);
	cr_assert_eq(parse_base64("+/8=", out, 8), 2);
	cr_assert(out[0] == 0xfb && out[1] == 0xff);
	cr_assert_eq(parse_base64("Z", out, 8), -1);
	cr_assert_eq(parse_base64("Zm9v!mFy", out, 8), -1);
	cr_assert_eq(parse_base64("Zm=v", out, 8), -1);
	cr_assert_eq(parse_base64("Zm9vYmFy", out, 5), -1);
	cr_assert_eq(parse_base64("Zm9v\n", out, 8), -1);
}

Test(parse, base64_round_trip)
{
	uint8_t bytes[64];
	uint8_t back[64];
	char text[100];

	for (size_t length = 0; length <= sizeof(bytes); length++) {
		for (size_t i = 0; i < length; i++)
			bytes[i] = (uint8_t)(i * 37 + length * 11);
		format_base64url(bytes, length, text, sizeof(text));
		cr_assert_eq(strlen(text), (4 * length + 2) / 3);
		cr_assert_eq(strpbrk(text, "+/="), NULL);
		cr_assert_eq(parse_base64(text, back, sizeof(back)), (ssize_t)length);
		cr_assert_eq(memcmp(bytes, back, length), 0);
	}
}

Test(parse, moments)
{
	static const char *const wrong[] = {"",
					    "2026-11-22",
					    "2026-11-22T10:00:00",
					    "2026-11-22 10:00:00Z",
					    "2026-11-22T10:00:00+01:00",
					    "2026-02-30T10:00:00Z",
					    "2026-13-01T10:00:00Z",
					    "2026-11-22T24:00:00Z",
					    "2026-11-22T10:60:00Z",
					    " 2026-11-22T10:00:00Z",
					    "2026-1-2T1:0:0Z",
					    "2026-11-22T10:00:00.Z",
					    "2026-11-22T10:00:00Zx",
					    "yesterday"};
	int64_t seconds = 0;
	char text[32];

	cr_assert(parse_rfc3339("1970-01-01T00:00:00Z", &seconds) && seconds == 0);
	cr_assert(parse_rfc3339("2026-11-22T10:00:00Z", &seconds) && seconds == 1795341600);
	cr_assert(parse_rfc3339("2026-11-22T10:00:00.123+00:00", &seconds) &&
		  seconds == 1795341600);
	cr_assert(parse_rfc3339("2024-02-29T23:59:59Z", &seconds));
	format_rfc3339(seconds, text, sizeof(text));
	cr_assert_str_eq(text, "2024-02-29T23:59:59Z");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_assert_not(parse_rfc3339(wrong[i], &seconds), "%s", wrong[i]);
}

Test(parse, names)
{
	char name[256];

	cr_assert(name_is_legal("a", 1));
	cr_assert(name_is_legal("Team_A.b-9", 10));
	cr_assert(name_is_legal("...", 10));
	cr_assert_not(name_is_legal("", 10));
	cr_assert_not(name_is_legal(".", 10));
	cr_assert_not(name_is_legal("..", 10));
	cr_assert_not(name_is_legal("a b", 10));
	cr_assert_not(name_is_legal("a/b", 10));
	cr_assert_not(name_is_legal("\xc3\xa4", 10));
	memset(name, 'x', sizeof(name));
	name[249] = '\0';
	cr_assert(name_is_legal(name, 249));
	cr_assert_not(name_is_legal(name, 248));
}
