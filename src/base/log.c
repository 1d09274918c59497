/* SPDX-License-Identifier: Apache-2.0
 *
 * The log writer: builds one line in a buffer on the stack and hands it to the kernel in one
 * write(2), so that lines of several threads never mix. The level and the descriptor are the only
 * state.
 */
#include "base/log.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/ensure.h"

#define LINE_BYTES 2048

static atomic_int log_level = LOG_LEVEL_INFO;
static atomic_int log_fd = STDERR_FILENO;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

struct line {
	char text[LINE_BYTES];
	size_t used;
};

/* Keeps room for the newline; what does not fit is cut. */
static void
line_add(struct line *line, const char *text, size_t length)
{
	size_t room = sizeof(line->text) - 1 - line->used;

	length = length < room ? length : room;
	memcpy(line->text + line->used, text, length);
	line->used += length;
}

static void
line_add_text(struct line *line, const char *text)
{
	line_add(line, text, strlen(text));
}

static void
line_add_stamp(struct line *line)
{
	int64_t now = clock_wall_ms();
	time_t seconds = (time_t)(now / 1000);
	struct tm tm;
	char stamp[32];
	char text[48];

	gmtime_r(&seconds, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03dZ ", stamp, (int)(now % 1000));
	line_add_text(line, text);
}

static bool
needs_quotes(const char *text)
{
	if (*text == '\0')
		return true;
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c <= ' ' || c >= 127 || c == '"' || c == '\\' || c == '=')
			return true;
	}
	return false;
}

static void
line_add_quoted(struct line *line, const char *text)
{
	line_add(line, "\"", 1);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		char escape[5];

		/* Beyond ASCII too: U+0080 to U+009F drive a terminal as well, and others turn the
		 * direction of a line. */
		if (c < ' ' || c >= 127) {
			snprintf(escape, sizeof(escape), "\\x%02x", c);
			line_add_text(line, escape);
			continue;
		}
		if (c == '"' || c == '\\')
			line_add(line, "\\", 1);
		line_add(line, text, 1);
	}
	line_add(line, "\"", 1);
}

static void
line_add_pair(struct line *line, const struct log_kv *kv)
{
	char number[24];

	line_add(line, " ", 1);
	line_add_text(line, kv->key);
	line_add(line, "=", 1);
	if (kv->is_number) {
		snprintf(number, sizeof(number), "%lld", (long long)kv->number);
		line_add_text(line, number);
	} else if (kv->text == NULL) {
		line_add(line, "-", 1);
	} else if (needs_quotes(kv->text)) {
		line_add_quoted(line, kv->text);
	} else {
		line_add_text(line, kv->text);
	}
}

void
log_event(enum log_level level, const char *event, const struct log_kv *pairs)
{
	struct line line;
	ssize_t written;

	if ((int)level > atomic_load_explicit(&log_level, memory_order_relaxed))
		return;
	line.used = 0;
	line_add_stamp(&line);
	line_add_text(&line, level_names[level]);
	line_add(&line, " ", 1);
	line_add_text(&line, event);
	for (; pairs->key != NULL; pairs++)
		line_add_pair(&line, pairs);
	line.text[line.used++] = '\n';
	do {
		written = write(atomic_load(&log_fd), line.text, line.used);
	} while (written < 0 && errno == EINTR);
}

void
log_set_level(enum log_level level)
{
	atomic_store(&log_level, (int)level);
}

bool
log_level_parse(const char *text, enum log_level *out)
{
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
		if (strcasecmp(text, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

void
log_set_fd(int fd)
{
	atomic_store(&log_fd, fd);
}
