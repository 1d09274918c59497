/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes in JoinGroup, SyncGroup and DescribeGroups that consumers give each other through the
 * broker: subscriptions and assignments, with names of topics inside (protocol.md 1.2). Private to
 * proxy/.
 */
#pragma once
#include "proxy/rewriting.h"

/* Rewrites the names inside a bytes field, if the group is one of consumers. Bytes that cannot be
 * read are the tenant's own affair: they pass as they are, and so come back. */
bool embedded_rewrite(struct rewriter *rw, const struct walk_item *item,
		      const struct kafka_message *message);
