/* SPDX-License-Identifier: Apache-2.0
 *
 * Open files: two per client connection, and the default soft limit is made for select(2).
 */
#include "sys/limits.h"
#include <sys/resource.h>

int64_t
limits_raise_files(void)
{
	struct rlimit limit;
	rlim_t before;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return -1;
	before = limit.rlim_cur;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		return (int64_t)before;
	return (int64_t)limit.rlim_cur;
}
