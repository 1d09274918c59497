/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a process that found a bug in itself: one log line with the place, then abort() for a
 * core.
 */
#include "base/ensure.h"
#include <stdlib.h>
#include "base/log.h"

void
ensure_failed(const char *file, int line, const char *function, const char *condition)
{
	log_error("bug", KV_STR("file", file), KV_INT("line", line), KV_STR("function", function),
		  KV_STR("condition", condition));
	abort();
}
