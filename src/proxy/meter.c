/* SPDX-License-Identifier: Apache-2.0
 *
 * Meters and their register. Start at meter_charge().
 */
#include "proxy/meter.h"
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"
#include "base/mem.h"

#define SECOND_US 1000000

struct meter *
meter_ref(struct meter *meter)
{
	atomic_fetch_add_explicit(&meter->references, 1, memory_order_relaxed);
	return meter;
}

void
meter_unref(struct meter **meter)
{
	struct meter *old = *meter;
	unsigned before;

	*meter = NULL;
	if (old == NULL)
		return;
	before = atomic_fetch_sub_explicit(&old->references, 1, memory_order_acq_rel);
	ENSURE(before > 0);
	if (before > 1)
		return;
	free(old->vcluster);
	free(old->user);
	free(old);
}

int64_t
meter_charge(struct meter *meter, enum meter_direction direction, int64_t rate, size_t bytes,
	     int64_t now_us)
{
	double wanted = (double)bytes * SECOND_US / (double)rate;
	int64_t cost = wanted < METER_DEBT_MAX_US ? (int64_t)wanted : METER_DEBT_MAX_US;
	long long paid = atomic_load_explicit(&meter->paid_us[direction], memory_order_relaxed);
	long long next;

	do {
		next = paid > now_us - METER_BURST_US ? paid : now_us - METER_BURST_US;
		next += cost;
		if (next > now_us + METER_DEBT_MAX_US)
			next = now_us + METER_DEBT_MAX_US;
	} while (!atomic_compare_exchange_weak_explicit(
	    &meter->paid_us[direction], &paid, next, memory_order_relaxed, memory_order_relaxed));
	return next > now_us ? next - now_us : 0;
}

struct meter *
meters_get(struct meters *meters, const char *vcluster, const char *user)
{
	struct meter *meter;

	for (size_t i = 0; i < meters->count; i++) {
		meter = meters->meters[i];
		if (strcmp(meter->vcluster, vcluster) == 0 && strcmp(meter->user, user) == 0)
			return meter_ref(meter);
	}
	meter = mem_zalloc(sizeof(*meter));
	meter->vcluster = mem_strdup(vcluster);
	meter->user = mem_strdup(user);
	atomic_init(&meter->references, 1);
	for (int i = 0; i < METER_DIRECTIONS; i++)
		atomic_init(&meter->paid_us[i], INT64_MIN / 2);
	meters->meters =
	    mem_grow(meters->meters, &meters->capacity, meters->count + 1, sizeof(struct meter *));
	meters->meters[meters->count++] = meter;
	return meter_ref(meter);
}

void
meters_trim(struct meters *meters)
{
	size_t kept = 0;

	for (size_t i = 0; i < meters->count; i++) {
		struct meter *meter = meters->meters[i];

		/* Only this thread gives out references from the register. */
		if (atomic_load_explicit(&meter->references, memory_order_acquire) > 1)
			meters->meters[kept++] = meter;
		else
			meter_unref(&meter);
	}
	meters->count = kept;
}

void
meters_free(struct meters *meters)
{
	for (size_t i = 0; i < meters->count; i++)
		meter_unref(&meters->meters[i]);
	free(meters->meters);
	*meters = (struct meters){0};
}
