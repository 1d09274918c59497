/* SPDX-License-Identifier: Apache-2.0
 *
 * Time. Monotonic for everything that measures or waits, wall clock only for token expiry and log
 * stamps.
 */
#pragma once
#include <stdint.h>

/* Milliseconds since some fixed point; never goes back. */
int64_t clock_now_ms(void);
/* The same in microseconds. */
int64_t clock_now_us(void);
/* Seconds since 1970 (UTC). */
int64_t clock_wall_s(void);
int64_t clock_wall_ms(void);
