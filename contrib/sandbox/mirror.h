/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies every topic of one mock cluster to another, as a replicating operator would with
 * MirrorMaker 2 and IdentityReplicationPolicy: same names, same partitions, records in order, from
 * the beginning, each once. One thread of its own. It copies no group offsets (the mock cannot list
 * groups).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "cluster.h"

struct mirror;

/* Starts to copy. NULL, and a sentence in error, when it fails. Both clusters must outlive the
 * mirror. */
struct mirror *mirror_start(struct cluster *from, struct cluster *to, char *error, size_t size);

/* Copies nothing while paused; what arrives meanwhile is copied afterwards. */
void mirror_pause(struct mirror *m, bool paused);
