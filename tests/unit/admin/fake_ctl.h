/* SPDX-License-Identifier: Apache-2.0
 *
 * A control plane that does nothing: a fixed world with two clusters, and operations that answer
 * at once or when the test says so. Implements ctl.h.
 */
#pragma once
#include <stdbool.h>
#include "ctl/ctl.h"

struct ctl {
	struct snapshot snap;
	struct world world;
	struct route routes[2];
	struct faults *faults;
	bool ready;
	bool taken;
	struct worker_counters counters;
	struct switch_record history[2];
	size_t history_count;

	/* what the next operation answers */
	struct switch_result switch_result;
	struct reload_result reload_result;
	struct err err; /* of token, remove and topics; ERR_NONE: success */
	bool keep;      /* operations wait for fake_ctl_finish() */

	/* the latest operation asked for */
	unsigned calls;
	char operation[16];
	char who[160];
	char target[160]; /* logical, or vcluster */
	char detail[160]; /* to, or user, or "" */
	char physical[160];
	unsigned flags;
	int64_t lifetime;

	/* the operation that is kept */
	void (*finish)(struct ctl *ctl);
	union {
		switch_done_fn switched;
		reload_done_fn reloaded;
		token_done_fn token;
		done_fn done;
		topics_done_fn topics;
	} fn;
	void *arg;
};

/* vclusters teamA (user sa, alias shared) and teamB; clusters main (up, three brokers) and
 * failover (down, with secrets); logical clusters main and eu; accounts admin:secret, with
 * admin: true, and viewer:look, without. */
struct ctl *fake_ctl_new(void);
/* Back to what it was when new. */
void fake_ctl_reset(struct ctl *ctl);
void fake_ctl_free(struct ctl **ctl);
/* Ends the operation that is kept. */
void fake_ctl_finish(struct ctl *ctl);
