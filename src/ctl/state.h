/* SPDX-License-Identifier: Apache-2.0
 *
 * state.json in the state directory: what must survive a restart and stands in no file of the
 * operator. Generations and routes of the logical clusters; slots and API versions of the physical
 * ones. Written whole and atomically.
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"
#include "ctl/fleet.h"
#include "ctl/tracks.h"

/* Makes the directory (0700) where it is missing. */
bool state_make_directory(const char *directory, struct err *err) MUST_CHECK;

/* Fills fleet and tracks. A missing file is an empty one. A file that cannot be understood is moved
 * aside to state.json.broken, logged, and the state starts fresh; false only when that could not
 * be done or the file not be read. */
bool state_load(const char *directory, struct fleet *fleet, struct tracks *tracks,
		struct err *err) MUST_CHECK;
bool state_save(const char *directory, const struct fleet *fleet, const struct tracks *tracks,
		struct err *err) MUST_CHECK;
