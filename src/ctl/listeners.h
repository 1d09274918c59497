/* SPDX-License-Identifier: Apache-2.0
 *
 * The ports that clients connect to: per vnode one, and per worker one socket of it (SO_REUSEPORT,
 * so that the kernel spreads connections). They grow with the clusters and never shrink while we
 * run: a client may know any port it was ever told.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "proxy/worker.h"

struct listeners {
	const char *bind_host; /* borrowed for as long as the listeners are used */
	int64_t port_start;
	size_t bound; /* vnodes 0..bound-1 are listened for */
};

/* Listens for vnodes up to `vnodes`; the sockets are handed to the workers. On false `bound` says
 * how far it came, and err names the port. */
bool listeners_grow(struct listeners *listeners, struct worker *const *workers, unsigned count,
		    size_t vnodes, struct err *err) MUST_CHECK;
