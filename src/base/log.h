/* SPDX-License-Identifier: Apache-2.0
 *
 * The log: one line an event on standard error, a stable event name and typed key=value pairs.
 *
 *     log_info("switch.done", KV_STR("cluster", name), KV_INT("held", held));
 *     2026-11-23T10:00:00.123Z info switch.done cluster=main held=3
 *
 * Levels say who must act: error = the operator now, warn = soon, info = lifecycle, debug =
 * developers. Values are escaped (quotes when they hold blanks, no control bytes), so no peer can
 * forge a line. Never pass a secret or a token. Thread-safe: a line is one write(2).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_kv {
	const char *key; /* NULL ends the list */
	const char *text;
	int64_t number;
	bool is_number;
};

#define KV_STR(k, v) ((struct log_kv){.key = (k), .text = (v)})
#define KV_INT(k, v) ((struct log_kv){.key = (k), .number = (int64_t)(v), .is_number = true})

#define log_at(level, event, ...)                                                                  \
	log_event((level), (event),                                                                \
		  (const struct log_kv[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}})
#define log_error(event, ...) log_at(LOG_LEVEL_ERROR, (event)__VA_OPT__(, ) __VA_ARGS__)
#define log_warn(event, ...)  log_at(LOG_LEVEL_WARN, (event)__VA_OPT__(, ) __VA_ARGS__)
#define log_info(event, ...)  log_at(LOG_LEVEL_INFO, (event)__VA_OPT__(, ) __VA_ARGS__)
#define log_debug(event, ...) log_at(LOG_LEVEL_DEBUG, (event)__VA_OPT__(, ) __VA_ARGS__)

/* A text of NULL prints as "-". */
void log_event(enum log_level level, const char *event, const struct log_kv *pairs);
void log_set_level(enum log_level level);
bool log_level_parse(const char *text, enum log_level *out);
/* Where lines go; standard error by default. For tests. */
void log_set_fd(int fd);
