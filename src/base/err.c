/* SPDX-License-Identifier: Apache-2.0
 *
 * Filling struct err, and the names of its codes.
 */
#include "base/err.h"
#include <stdarg.h>
#include <stdio.h>

bool
err_set(struct err *e, enum err_code code, const char *format, ...)
{
	va_list args;

	if (e == NULL)
		return false;
	e->code = code;
	va_start(args, format);
	vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	return false;
}

const char *
err_code_name(enum err_code code)
{
	switch (code) {
	case ERR_NONE:
		return "none";
	case ERR_INVALID:
		return "invalid";
	case ERR_NOT_FOUND:
		return "not found";
	case ERR_CONFLICT:
		return "conflict";
	case ERR_READ_ONLY:
		return "read-only";
	case ERR_UNAVAILABLE:
		return "unavailable";
	case ERR_DENIED:
		return "denied";
	case ERR_LIMIT:
		return "limit";
	case ERR_TIMEOUT:
		return "timeout";
	case ERR_IO:
		return "input/output";
	}
	return "unknown";
}
