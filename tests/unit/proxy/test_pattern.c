/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern_confine(): which expressions over transactional ids can stand behind a prefix, and what
 * of them does.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/pattern.h"

static const struct {
	const char *text;
	const char *confined; /* NULL: refused */
	bool is_quoted;
} patterns[] = {
    {"a.*", "a.*", false},
    {"^a.*$", "a.*", false},
    {"^a", "a", false},
    {"a$", "a", false},
    {"^", "", false},
    {"^$", "", false},
    {"a|b", "a|b", false},
    {"(^a|b)", NULL, false},
    {"^a|b", NULL, false},
    {"a|b$", NULL, false},
    {"^(a|b)$", "(a|b)", false},
    {"a^b", NULL, false},
    {"a$b", NULL, false},
    {"(a$)", NULL, false},
    {"a\\$", "a\\$", false},
    {"\\^a", "\\^a", false},
    {"[^a]", "[^a]", false},
    {"[a$^]", "[a$^]", false},
    {"[]^$]x", "[]^$]x", false},
    {"[^]$]x", "[^]$]x", false},
    {"[[:alpha:]$]x", "[[:alpha:]$]x", false},
    {"[\\]$]x", "[\\]$]x", false},
    {"[)]", "[)]", false},
    {"[a", "[a", false},
    {"[a\\", "[a\\", false},
    {"\\Aa", NULL, false},
    {"a\\z", NULL, false},
    {"\\ba", NULL, false},
    {"a\\Bb", NULL, false},
    {"\\d+\\w", "\\d+\\w", false},
    {"\\Qa^b$(\\E", "\\Qa^b$(\\E", false},
    {"\\Qa^b$(", "\\Qa^b$(", true},
    {"\\Qa|b\\E$", "\\Qa|b\\E", false},
    {"\\", "\\", false},
    {"a)|(?:.*", NULL, false},
    {"a))((", NULL, false},
    {"(?i)a(b)", "(?i)a(b)", false},
    {"(?P<n>a)", "(?P<n>a)", false},
    {"((a)", "((a)", false},
};

Test(pattern, what_can_stand_behind_a_prefix)
{
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		const char *text = patterns[i].text;
		/* Exactly as long as it is, for the sanitizers. */
		uint8_t *copy = malloc(strlen(text) + 1);
		struct pattern out;
		bool good;

		memcpy(copy, text, strlen(text));
		good = pattern_confine(copy, strlen(text), &out);
		cr_expect_eq(good, patterns[i].confined != NULL, "%s", text);
		if (good && patterns[i].confined != NULL) {
			cr_expect_eq(out.length, strlen(patterns[i].confined), "%s", text);
			cr_expect_arr_eq(out.at, patterns[i].confined, out.length, "%s", text);
			cr_expect_eq(out.is_quoted, patterns[i].is_quoted, "%s", text);
		}
		free(copy);
	}
}

Test(pattern, a_very_long_one_is_refused)
{
	uint8_t *text = malloc(PATTERN_MAX + 1);
	struct pattern out;

	memset(text, 'a', PATTERN_MAX + 1);
	cr_expect(pattern_confine(text, PATTERN_MAX, &out));
	cr_expect_not(pattern_confine(text, PATTERN_MAX + 1, &out));
	free(text);
}
