/* SPDX-License-Identifier: Apache-2.0
 *
 * active.yaml in the state directory: which cluster is active where clusters.yaml was named by the
 * environment and cannot be written. An entry counts only as long as clusters.yaml says what it
 * said when the entry was written, so an edit of clusters.yaml always wins. Here: writing it;
 * reading it is part of the load (active.c).
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"

/* Sets the entry of a logical cluster. clusters_file is the file that cannot be written; instead_of
 * is what `active` there says of the logical cluster, or NULL when it says nothing. Makes the file
 * (mode 0644, with a comment that says what it is) where there is none. */
bool active_write(const char *path, const char *clusters_file, const char *logical,
		  const char *cluster, const char *instead_of, struct err *err) MUST_CHECK;

/* Removes the entry; one that is not there is no error. */
bool active_remove(const char *path, const char *logical, struct err *err) MUST_CHECK;
