/* SPDX-License-Identifier: Apache-2.0
 *
 * What a user with limits has used: one meter per user and vcluster, shared by its connections on
 * all workers, and the same one for as long as the user has limits, whatever is reloaded. The
 * control thread keeps the register; worlds and clients hold references.
 *
 * A rate is kept by one number per direction: the moment at which all that was used so far is paid
 * for at the rate. It moves on with each use, and never lies further back than METER_BURST_US.
 */
#pragma once
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* A user that was idle may be so far ahead of its rate. */
#define METER_BURST_US 1000000
/* Nothing is held against a user for longer than this. */
#define METER_DEBT_MAX_US 30000000

enum meter_direction { METER_IN, METER_OUT, METER_DIRECTIONS };

struct meter {
	atomic_uint references;
	char *vcluster;
	char *user;
	atomic_llong connections;
	atomic_llong paid_us[METER_DIRECTIONS]; /* on the monotonic clock */
	/* counted for metrics */
	atomic_ullong throttled_ms;
	atomic_ullong refused; /* logins over limits.connections */
};

struct meter *meter_ref(struct meter *meter);
/* Lets go and nulls the caller's pointer; NULL-safe. Any thread. */
void meter_unref(struct meter **meter);

/* Notes a use at a rate (bytes per second) and returns the microseconds until it is paid for; 0:
 * within the rate. Any thread. */
int64_t meter_charge(struct meter *meter, enum meter_direction direction, int64_t rate,
		     size_t bytes, int64_t now_us);

/* The register; zeroed at first. One thread. */
struct meters {
	struct meter **meters;
	size_t count;
	size_t capacity;
};

/* The meter of a user, made where there is none; a new reference. */
struct meter *meters_get(struct meters *meters, const char *vcluster, const char *user);
/* Drops those that nobody refers to any more. */
void meters_trim(struct meters *meters);
void meters_free(struct meters *meters);
