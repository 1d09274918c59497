/* SPDX-License-Identifier: Apache-2.0
 *
 * Text to numbers and back, checked: the whole text must be the number, in range. Base64.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

bool parse_i64(const char *text, int64_t min, int64_t max, int64_t *out) MUST_CHECK;
/* true/false/yes/no/on/off, any case. */
bool parse_bool(const char *text, bool *out) MUST_CHECK;
/* Standard or url-safe alphabet, padding optional. Returns the length, or -1 (bad text or more than
 * size bytes). */
ssize_t parse_base64(const char *text, uint8_t *out, size_t size);
/* url-safe alphabet, no padding, NUL-terminated; out needs (4 * length + 2) / 3 + 1 bytes. */
void format_base64url(const uint8_t *bytes, size_t length, char *out, size_t size);
/* "2026-11-22T10:00:00Z" to seconds since the epoch. */
bool parse_rfc3339(const char *text, int64_t *seconds) MUST_CHECK;
void format_rfc3339(int64_t seconds, char *out, size_t size);
/* Does the text hold only [A-Za-z0-9._-], 1..max characters, and is not "." or ".."? Kafka's rule
 * for topic names; also ours for cluster, vcluster and user names. */
bool name_is_legal(const char *text, size_t max);
/* The value of a hex digit, either case; -1 for anything else. */
int parse_hex_digit(char c);
/* Does the text hold a control character (below a blank, or DEL)? */
bool text_has_control(const char *text);
