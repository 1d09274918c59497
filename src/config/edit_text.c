/* SPDX-License-Identifier: Apache-2.0
 *
 * Scalars as YAML text.
 */
#include "config/edit_text.h"
#include "base/parse.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/ensure.h"

/* Letters, digits and what means nothing in YAML where we allow it. */
static bool
is_plain(const char *text)
{
	size_t length = strlen(text);

	if (length == 0 || strcasecmp(text, "null") == 0 || text[length - 1] == ':' ||
	    strncmp(text, "...", 3) == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 128 || (!isalnum(c) && strchr("_./", c) == NULL &&
				 (i == 0 || strchr(":+@-", c) == NULL)))
			return false;
	}
	return true;
}

static void
write_double(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < ' ' || c == 127) {
			fprintf(out, "\\x%02x", c);
			continue;
		}
		if (c == '"' || c == '\\')
			fputc('\\', out);
		fputc(c, out);
	}
	fputc('"', out);
}

static void
write_single(const char *text, FILE *out)
{
	fputc('\'', out);
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputc('\'', out);
		fputc(*text, out);
	}
	fputc('\'', out);
}

void
edit_text_scalar(const char *text, char quote, FILE *out)
{
	if (quote == '\'' && !text_has_control(text))
		write_single(text, out);
	else if (quote == '\0' && is_plain(text))
		fputs(text, out);
	else
		write_double(text, out);
}

static void
write_removal(const struct edit *edit, FILE *out)
{
	fputs("remove ", out);
	for (size_t i = 0; i < edit->depth; i++)
		fprintf(out, "%s%s", i > 0 ? "." : "", edit->path[i]);
}

static void
write_setting(const struct edit *edit, FILE *out)
{
	for (size_t i = 0; i < edit->depth; i++) {
		fputs(i > 0 ? "{" : "", out);
		edit_text_scalar(edit->path[i], '\0', out);
		fputs(": ", out);
	}
	if (edit->raw)
		fputs(edit->value, out);
	else
		edit_text_scalar(edit->value, '\0', out);
	for (size_t i = 1; i < edit->depth; i++)
		fputc('}', out);
}

char *
edit_text_line(const struct edit *edit, char *out, size_t size)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	ENSURE(stream != NULL);
	if (edit->value == NULL)
		write_removal(edit, stream);
	else
		write_setting(edit, stream);
	fclose(stream);
	snprintf(out, size, "%s", text);
	free(text);
	return out;
}
