/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers without threads and clients: they note what the control plane asks and acknowledge it
 * through the control loop. Linked instead of proxy/worker.c.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proxy/worker.h"

#define FAKE_WORKERS_MAX 8

/* What all of them have seen and how they are to behave; zeroed by fake_workers_reset(). */
struct fake_workers {
	struct worker *workers[FAKE_WORKERS_MAX];
	unsigned count;
	size_t listeners; /* sockets handed over */
	unsigned holds;
	unsigned cuts;
	unsigned releases;
	unsigned publications;
	bool never_drain; /* hold is acknowledged after a cut only */
};

struct fake_workers *fake_workers(void);
void fake_workers_reset(void);
/* The world that a worker has, borrowed. */
const struct world *fake_worker_world(unsigned index);
