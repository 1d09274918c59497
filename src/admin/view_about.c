/* SPDX-License-Identifier: Apache-2.0
 *
 * Views: JSON of arbitrary text and time, health, versions.
 */
#include "config.h"
#include <stdlib.h>
#include "admin/view.h"
#include "base/mem.h"
#include "base/parse.h"

json_t *
view_text(const char *text)
{
	json_t *value = text != NULL ? json_string(text) : json_null();
	char *plain;

	if (value != NULL)
		return value;
	/* Text from the kernel or a peer need not be UTF-8. */
	plain = mem_strdup(text);
	for (char *c = plain; *c != '\0'; c++) {
		if ((unsigned char)*c >= 128)
			*c = '?';
	}
	value = json_string(plain);
	free(plain);
	return value;
}

json_t *
view_time(int64_t seconds)
{
	char text[40];

	if (seconds == 0)
		return json_null();
	format_rfc3339(seconds, text, sizeof(text));
	return json_string(text);
}

static json_t *
health(const char *status, json_t *checks)
{
	return json_pack("{s:s, s:o, s:s}", "status", status, "checks", checks, "outcome", status);
}

json_t *
view_health(void)
{
	return health("UP", json_pack("[{s:s, s:s, s:{s:s}}, {s:s, s:s}]", "id", "buildInfo",
				      "status", "UP", "data", "version", PACKAGE_VERSION, "id",
				      "live", "status", "UP"));
}

json_t *
view_health_live(void)
{
	return health("UP", json_pack("[{s:s, s:s}]", "id", "live", "status", "UP"));
}

json_t *
view_health_ready(const char *why)
{
	if (why == NULL)
		return health("UP", json_pack("[{s:s, s:s}]", "id", "ready", "status", "UP"));
	return health("DOWN", json_pack("[{s:s, s:s, s:{s:o}}]", "id", "ready", "status", "DOWN",
					"data", "reason", view_text(why)));
}

json_t *
view_versions(void)
{
	return json_pack("{s:s, s:s}", "name", PACKAGE_NAME, "version", PACKAGE_VERSION);
}
