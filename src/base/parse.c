/* SPDX-License-Identifier: Apache-2.0
 *
 * Checked conversions between text and values.
 */
#include "base/parse.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "base/ensure.h"

bool
parse_i64(const char *text, int64_t min, int64_t max, int64_t *out)
{
	char *end;
	long long value;

	if (text[0] == '\0' || isspace((unsigned char)text[0]))
		return false;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0' || value < min || value > max)
		return false;
	*out = value;
	return true;
}

bool
parse_bool(const char *text, bool *out)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*out = i % 2 == 1;
			return true;
		}
	}
	return false;
}

static int
base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

ssize_t
parse_base64(const char *text, uint8_t *out, size_t size)
{
	size_t length = strlen(text);
	size_t written = 0;
	uint32_t bits = 0;
	int pending = 0;

	while (length > 0 && text[length - 1] == '=')
		length--;
	if (length % 4 == 1)
		return -1;
	for (size_t i = 0; i < length; i++) {
		int digit = base64_digit(text[i]);

		if (digit < 0)
			return -1;
		bits = bits << 6 | (uint32_t)digit;
		pending += 6;
		if (pending >= 8) {
			pending -= 8;
			if (written == size)
				return -1;
			out[written++] = (uint8_t)(bits >> pending);
		}
	}
	return (ssize_t)written;
}

void
format_base64url(const uint8_t *bytes, size_t length, char *out, size_t size)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t written = 0;
	uint32_t bits = 0;
	int pending = 0;

	ENSURE(size >= (4 * length + 2) / 3 + 1);
	for (size_t i = 0; i < length; i++) {
		bits = bits << 8 | bytes[i];
		for (pending += 8; pending >= 6;) {
			pending -= 6;
			out[written++] = alphabet[bits >> pending & 63];
		}
	}
	if (pending > 0)
		out[written++] = alphabet[bits << (6 - pending) & 63];
	out[written] = '\0';
}

/* strptime(3) alone takes blanks, short numbers and the 31st of February. */
static bool
is_moment(const char *text)
{
	static const char form[] = "0000-00-00T00:00:00";

	for (size_t i = 0; form[i] != '\0'; i++) {
		if (form[i] == '0' ? !isdigit((unsigned char)text[i]) : text[i] != form[i])
			return false;
	}
	return true;
}

bool
parse_rfc3339(const char *text, int64_t *seconds)
{
	struct tm tm = {0};
	const char *end = is_moment(text) ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int day = tm.tm_mday;

	if (end == NULL)
		return false;
	if (*end == '.') { /* fractions of a second are of no use here */
		if (!isdigit((unsigned char)*++end))
			return false;
		while (isdigit((unsigned char)*end))
			end++;
	}
	if (strcmp(end, "Z") != 0 && strcmp(end, "+00:00") != 0)
		return false;
	*seconds = timegm(&tm);
	return tm.tm_mday == day; /* else the month has no such day */
}

void
format_rfc3339(int64_t seconds, char *out, size_t size)
{
	time_t when = (time_t)seconds;
	struct tm tm;

	ENSURE(size >= 21);
	if (gmtime_r(&when, &tm) == NULL || strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(out, size, "-");
}

bool
name_is_legal(const char *text, size_t max)
{
	size_t length = strlen(text);

	if (length == 0 || length > max || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 128 || (!isalnum(c) && c != '.' && c != '_' && c != '-'))
			return false;
	}
	return true;
}

int
parse_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
text_has_control(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 127)
			return true;
	}
	return false;
}
