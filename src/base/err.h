/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors as values: a class that callers decide by, and a sentence for people that says what, where
 * and what to do.
 */
#pragma once
#include <stdbool.h>

#define MUST_CHECK __attribute__((warn_unused_result))

enum err_code {
	ERR_NONE,
	ERR_INVALID,     /* malformed input: 400 */
	ERR_NOT_FOUND,   /* 404 */
	ERR_CONFLICT,    /* the state does not allow it now: 409 */
	ERR_READ_ONLY,   /* the file cannot be written by us: 409 with the line to edit */
	ERR_UNAVAILABLE, /* a cluster does not answer: 503 */
	ERR_DENIED,      /* not allowed: 401/403 */
	ERR_LIMIT,       /* a configured limit is reached: 413/503 */
	ERR_TIMEOUT,     /* a deadline passed */
	ERR_IO,          /* the kernel said no: errno's text is in the sentence */
};

struct err {
	enum err_code code;
	char text[480];
};

/* Fills e (which may be NULL: the caller does not care for the text) and returns false, so that a
 * function can `return err_set(...)`. A text too long is cut. */
bool err_set(struct err *e, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* "invalid", "not found", ... */
const char *err_code_name(enum err_code code);
