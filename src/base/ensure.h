/* SPDX-License-Identifier: Apache-2.0
 *
 * ENSURE(): a condition that only our own bug can break. On in release builds too: it logs the
 * place and aborts. Never for anything that comes from the wire, a file, the network, the kernel or
 * the admin API: that is struct err.
 */
#pragma once

#define ENSURE(condition)                                                                          \
	do {                                                                                       \
		if (__builtin_expect(!(condition), 0))                                             \
			ensure_failed(__FILE__, __LINE__, __func__, #condition);                   \
	} while (0)

void ensure_failed(const char *file, int line, const char *function, const char *condition)
    __attribute__((noreturn, cold));
