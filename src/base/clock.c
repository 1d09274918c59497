/* SPDX-License-Identifier: Apache-2.0
 *
 * The two clocks.
 */
#include "base/clock.h"
#include <time.h>

static int64_t
read_clock_ms(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
clock_now_ms(void)
{
	return read_clock_ms(CLOCK_MONOTONIC);
}

int64_t
clock_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
clock_wall_ms(void)
{
	return read_clock_ms(CLOCK_REALTIME);
}

int64_t
clock_wall_s(void)
{
	return clock_wall_ms() / 1000;
}
