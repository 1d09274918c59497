/* SPDX-License-Identifier: Apache-2.0
 *
 * The log: form of a line, levels, and that no value can forge or break one.
 */
#include <criterion/criterion.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"

static int ends[2];
static char text[65536];

static void
setup(void)
{
	cr_assert(pipe(ends) == 0);
	log_set_fd(ends[1]);
	log_set_level(LOG_LEVEL_DEBUG);
}

static void
teardown(void)
{
	log_set_fd(STDERR_FILENO);
	close(ends[0]);
	close(ends[1]);
}

TestSuite(log, .init = setup, .fini = teardown);

/* What was logged, without the stamps. */
static const char *
logged(void)
{
	ssize_t length;
	const char *blank;

	(void)!write(ends[1], "", 1); /* an empty log would block */
	length = read(ends[0], text, sizeof(text) - 1);
	cr_assert_gt(length, 0);
	text[length] = '\0';
	blank = strchr(text, ' ');
	return blank != NULL ? blank + 1 : text;
}

Test(log, form)
{
	regex_t form;

	log_info("switch.done", KV_STR("cluster", "main"), KV_INT("held", -3), KV_STR("by", NULL));
	cr_assert_str_eq(logged(), "info switch.done cluster=main held=-3 by=-\n");
	cr_assert(
	    regcomp(&form,
		    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z info ",
		    REG_EXTENDED | REG_NOSUB) == 0);
	cr_assert(regexec(&form, text, 0, NULL, 0) == 0);
	regfree(&form);
}

Test(log, without_values)
{
	log_error("stopped");
	cr_assert_str_eq(logged(), "error stopped\n");
}

Test(log, values_are_quoted_and_escaped)
{
	log_warn("x", KV_STR("a", "two words"), KV_STR("b", ""), KV_STR("c", "q\"\\"),
		 KV_STR("d", "k=v"));
	cr_assert_str_eq(logged(), "warn x a=\"two words\" b=\"\" c=\"q\\\"\\\\\" d=\"k=v\"\n");
}

Test(log, no_forged_lines)
{
	const char *line;

	log_info("peer", KV_STR("name", "x\n2026-01-01T00:00:00.000Z error forged\r\x1b[31m\x7f"));
	line = logged();
	cr_assert_eq(strchr(line, '\n'), line + strlen(line) - 1);
	cr_assert_eq(strpbrk(line, "\r\x1b\x7f"), NULL);
	cr_assert_neq(strstr(line, "\\x0a"), NULL);
}

Test(log, no_bytes_that_drive_a_terminal)
{
	/* U+009B is the same as ESC [, U+202E turns what follows around. */
	log_info("peer",
		 KV_STR("path", "/\xc2\x9b"
				"31m\xe2\x80\xae"),
		 KV_STR("raw", "\x9b"));
	cr_assert_str_eq(logged(),
			 "info peer path=\"/\\xc2\\x9b31m\\xe2\\x80\\xae\" raw=\"\\x9b\"\n");
}

Test(log, levels)
{
	enum log_level level = LOG_LEVEL_INFO;

	log_set_level(LOG_LEVEL_WARN);
	log_info("unheard");
	log_debug("unheard");
	log_warn("heard");
	cr_assert_str_eq(logged(), "warn heard\n");
	cr_assert(log_level_parse("DEBUG", &level) && level == LOG_LEVEL_DEBUG);
	cr_assert(log_level_parse("error", &level) && level == LOG_LEVEL_ERROR);
	cr_assert_not(log_level_parse("loud", &level));
}

Test(log, long_values_are_cut_to_one_line)
{
	char large[5000];
	const char *line;

	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	log_info("x", KV_STR("a", large), KV_STR("b", large));
	line = logged();
	cr_assert_leq(strlen(text), 2048);
	cr_assert_eq(line[strlen(line) - 1], '\n');
	memset(large, '"', sizeof(large) - 1);
	log_info("x", KV_STR("a", large));
	cr_assert_leq(strlen(logged()), 2048);
}
