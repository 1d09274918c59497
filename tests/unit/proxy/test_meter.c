/* SPDX-License-Identifier: Apache-2.0
 *
 * The arithmetic of meters, on a clock of the test's own.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include "proxy/meter.h"

#define SECOND 1000000

static struct meters meters;

static struct meter *
new_meter(void)
{
	return meters_get(&meters, "teamA", "sa");
}

Test(meter, a_burst_then_the_rate)
{
	struct meter *m = new_meter();
	int64_t now = 5 * (int64_t)SECOND;

	/* A second's worth is free, then each byte waits for its turn. */
	cr_assert_eq(meter_charge(m, METER_IN, 1000, 1000, now), 0);
	cr_assert_eq(meter_charge(m, METER_IN, 1000, 500, now), SECOND / 2);
	cr_assert_eq(meter_charge(m, METER_IN, 1000, 500, now), SECOND);
	cr_assert_eq(meter_charge(m, METER_IN, 1000, 0, now + SECOND), 0);
	cr_assert_eq(meter_charge(m, METER_IN, 1000, 100, now + SECOND), SECOND / 10);
	/* Directions do not know of each other. */
	cr_assert_eq(meter_charge(m, METER_OUT, 1000, 1000, now), 0);
	/* Who was idle for long has a second's worth again, not more. */
	now += 3600 * (int64_t)SECOND;
	cr_assert_eq(meter_charge(m, METER_IN, 1000, 1000, now), 0);
	cr_assert_eq(meter_charge(m, METER_IN, 1000, 1, now), SECOND / 1000);
	meter_unref(&m);
	meters_free(&meters);
}

Test(meter, the_long_run_is_the_rate)
{
	struct meter *m = new_meter();
	int64_t start = 100 * (int64_t)SECOND;
	int64_t now = start;
	int64_t bytes = 0;

	while (now < start + 100 * (int64_t)SECOND) {
		bytes += 777;
		now += meter_charge(m, METER_OUT, 5000, 777, now);
	}
	cr_assert(bytes >= 500000 && bytes <= 500000 + 5000 + 2 * 777, "%lld", (long long)bytes);
	meter_unref(&m);
	meters_free(&meters);
}

Test(meter, a_debt_has_an_end)
{
	struct meter *m = new_meter();

	cr_assert_eq(meter_charge(m, METER_IN, 1, SIZE_MAX / 2, 0),
		     METER_DEBT_MAX_US - METER_BURST_US);
	cr_assert_eq(meter_charge(m, METER_IN, 1, SIZE_MAX / 2, 0), METER_DEBT_MAX_US);
	cr_assert_eq(meter_charge(m, METER_IN, INT64_MAX, 100, 2 * METER_DEBT_MAX_US), 0);
	meter_unref(&m);
	meters_free(&meters);
}

static void *
use(void *arg)
{
	struct meter *m = arg;

	for (int i = 0; i < 10000; i++)
		meter_charge(m, METER_IN, 1000000, 100, 0);
	return NULL;
}

/* Two threads lose nothing: 2 million bytes at a million a second, less the burst. */
Test(meter, threads)
{
	struct meter *m = new_meter();
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, use, m), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(meter_charge(m, METER_IN, 1000000, 0, 0), SECOND);
	meter_unref(&m);
	meters_free(&meters);
}

Test(meter, lives_as_long_as_somebody_knows_it)
{
	struct meter *one = new_meter();
	struct meter *same = new_meter();
	struct meter *other = meters_get(&meters, "teamB", "sa");

	cr_assert_eq(one, same);
	cr_assert_neq(one, other);
	meter_unref(&other);
	meters_trim(&meters);
	cr_assert_eq(meters.count, 1);
	meter_unref(&one);
	meters_trim(&meters);
	cr_assert_eq(meters.count, 1);
	meter_unref(&same);
	meters_trim(&meters);
	cr_assert_eq(meters.count, 0);
	meters_free(&meters);
}
