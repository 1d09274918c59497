/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of configs that name something of the cluster: brokers by number in the lists of throttled
 * replicas, a topic in the config of a group. Private to proxy/.
 */
#pragma once
#include "proxy/rewriting.h"

/* Notes which config a name is. */
bool config_note_name(struct rewriter *rw, const struct walk_item *item);
/* Rewrites the value of the config named before it. */
bool config_rewrite_value(struct rewriter *rw, const struct walk_item *item);
