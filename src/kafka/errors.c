/* SPDX-License-Identifier: Apache-2.0
 *
 * errors.def as an array by code. Knows nothing of what a broker wrote.
 */
#include "kafka/errors.h"

#include <stddef.h>

static const struct {
	const char *name;
	const char *text;
} errors[] = {
#define E(code, name, text) [(code) + 1] = {#name, text}, /* the first code is -1 */
#include "kafka/errors.def"
#undef E
};

#define ERRORS_COUNT (int)(sizeof(errors) / sizeof(errors[0]))

static int
find(int code)
{
	return code >= -1 && code < ERRORS_COUNT - 1 && errors[code + 1].name ? code + 1 : -1;
}

const char *
kafka_error_name(int code)
{
	int at = find(code);

	return at >= 0 ? errors[at].name : "UNKNOWN";
}

const char *
kafka_error_text(int code)
{
	int at = find(code);

	return at >= 0 ? errors[at].text
		       : "The broker answered with an error code that this gateway does not know.";
}
