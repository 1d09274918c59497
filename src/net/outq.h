/* SPDX-License-Identifier: Apache-2.0
 *
 * The write side of a connection: segments in order, sent by writev(2) as the socket takes them.
 */
#pragma once
#include <stdbool.h>
#include "net/buf.h"

struct outq {
	struct seg *ring;
	size_t first;
	size_t count;
	size_t capacity;
	size_t bytes; /* waiting */
};

/* Moves the segments (and their references) to the end of the queue; *segs is left empty. */
void outq_take(struct outq *q, struct segs *segs);

enum flush_result { FLUSH_DONE, FLUSH_AGAIN, FLUSH_FAILED };

/* Writes what the socket takes. record_fd: where to append a copy of what was sent, -1 for none.
 * errno is set on failure. *sent is how many bytes went. */
enum flush_result outq_flush(struct outq *q, int fd, int record_fd, size_t *sent);
void outq_free(struct outq *q);
