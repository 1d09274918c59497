/* SPDX-License-Identifier: Apache-2.0
 *
 * What only the loader does with a list of faults; the rest is in load.h.
 */
#pragma once
#include "config/load.h"

/* By file (in the order of first mention), then line, then column; otherwise as found. */
void faults_sort(struct faults *faults);
