/* SPDX-License-Identifier: Apache-2.0
 *
 * `turnoutd --check` for the command line.
 */
#pragma once
#include <stdio.h>
#include "config/load.h"

/* Loads, prints every fault as file:line:column: key: sentence and, when none is an error, one line
 * that begins with OK. Returns the exit status: 0 good (warnings allowed), 1 faulty. */
int config_check_print(const struct config_source *source, FILE *out);
