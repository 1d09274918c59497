/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a configuration file whole, bounded.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

/* The file's bytes in *text (malloc'd, a NUL behind them). ERR_NOT_FOUND when there is none,
 * ERR_LIMIT when it is larger than FILE_BYTES_MAX, ERR_IO otherwise. The sentence does not name the
 * file. */
bool file_read(const char *path, char **text, size_t *length, struct err *err) MUST_CHECK;

/* The folder of a path, malloc'd: "." when it has none. */
char *file_folder(const char *path);
