/* SPDX-License-Identifier: Apache-2.0
 *
 * How the editor writes a key or value.
 */
#pragma once
#include <stdio.h>
#include "config/edit.h"

/* Writes text as a YAML scalar that is the same in block and flow: plain where that is safe, else
 * quoted. quote: ' or " to keep the kind of quotes that stood there, 0 for none. */
void edit_text_scalar(const char *text, char quote, FILE *out);
/* An edit in one line for people: "active: failover", "users: {sa: {}}" or "remove users.sa";
 * returns out. */
char *edit_text_line(const struct edit *edit, char *out, size_t size);
