/* SPDX-License-Identifier: Apache-2.0
 *
 * Watching the configuration's directories with inotify, never single files: a file may be written
 * in place, replaced by rename, or swapped by a symlink anywhere on its path. It does not look at
 * what changed: any event of interest, a queue overflow included, ends in one call after a short
 * pause. Its parent is watched for each directory too, so that a directory may come, go and be
 * replaced.
 */
#pragma once
#include <stddef.h>
#include "base/err.h"
#include "loop/loop.h"

struct watch;

/* changed runs on the loop; all watches are in place again by then, so what it reads is complete
 * or another call follows. */
struct watch *watch_start(struct loop *loop, loop_fn changed, void *arg, struct err *err);
/* Watches exactly these directories (copied), which need not exist. */
void watch_set(struct watch *watch, char *const *directories, size_t count);
void watch_stop(struct watch **watch);
