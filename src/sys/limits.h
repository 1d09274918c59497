/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits that the kernel sets for the process.
 */
#pragma once
#include <stdint.h>

/* Raises the number of open files to the hard limit. Returns what is in force afterwards, or -1
 * when the kernel does not say (the process goes on with what it has). */
int64_t limits_raise_files(void);
