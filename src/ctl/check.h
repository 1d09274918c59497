/* SPDX-License-Identifier: Apache-2.0
 *
 * `turnoutd --check`: what the loader says of the files, for people.
 */
#pragma once
#include <stdbool.h>
#include "config/load.h"

/* Reads and checks the configuration, prints its faults to standard error and one line to standard
 * output. Returns whether it would be taken. */
bool check_configuration(const struct config_source *source);
