/* SPDX-License-Identifier: Apache-2.0
 *
 * The switch machine with a fake clock and fake workers. The journal has a letter for each thing
 * that it does: A admit, ? probe, h/c/r hold, cut, release of a worker, W persist, P publish, D
 * done.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include "ctl/switch.h"

struct fake {
	struct switch_machine machine;
	char journal[128];
	int64_t now;
	int64_t timer; /* when it fires; -1: not armed */
	enum switch_verdict verdict;
	bool persist_fails;
	bool acks_at_once;
	unsigned done;
	struct switch_result result;
};

static void
note(struct fake *fake, const char *what)
{
	size_t used = strlen(fake->journal);

	cr_assert_lt(used + strlen(what), sizeof(fake->journal));
	snprintf(fake->journal + used, sizeof(fake->journal) - used, "%s", what);
}

static int64_t
fake_now(void *arg)
{
	return ((struct fake *)arg)->now;
}

static enum switch_verdict
fake_admit(void *arg, struct err *err)
{
	struct fake *fake = arg;

	note(fake, "A");
	if (fake->verdict == SWITCH_REFUSED)
		err_set(err, ERR_READ_ONLY, "write active: b there");
	return fake->verdict;
}

static void
fake_probe(void *arg)
{
	note(arg, "?");
}

static struct worker_ack
ack_of(unsigned worker)
{
	return (struct worker_ack){.worker = worker, .connections = 10, .held = 2};
}

static void
fake_hold(void *arg, unsigned worker)
{
	struct fake *fake = arg;
	struct worker_ack ack = ack_of(worker);

	note(fake, "h");
	if (fake->acks_at_once)
		switch_on_held(&fake->machine, &ack);
}

static void
fake_cut(void *arg, unsigned worker)
{
	(void)worker;
	note(arg, "c");
}

static void
fake_release(void *arg, unsigned worker)
{
	(void)worker;
	note(arg, "r");
}

static bool
fake_persist(void *arg, struct err *err)
{
	struct fake *fake = arg;

	note(fake, "W");
	return !fake->persist_fails || err_set(err, ERR_IO, "no space left on device");
}

static void
fake_publish(void *arg)
{
	struct fake *fake = arg;

	note(fake, "P");
	for (unsigned i = 0; fake->acks_at_once && i < fake->machine.request.workers; i++) {
		struct worker_ack ack = ack_of(i);

		switch_on_published(&fake->machine, &ack);
	}
}

static void
fake_arm(void *arg, int64_t after_ms)
{
	struct fake *fake = arg;

	fake->timer = fake->now + after_ms;
}

static void
fake_disarm(void *arg)
{
	((struct fake *)arg)->timer = -1;
}

static void
fake_done(void *arg, const struct switch_result *result)
{
	struct fake *fake = arg;

	note(fake, "D");
	fake->done++;
	fake->result = *result;
	cr_expect_eq(fake->machine.state, SWITCH_RUN);
	cr_expect_eq(fake->timer, -1);
}

static const struct switch_ops fake_ops = {
    .now = fake_now,
    .admit = fake_admit,
    .probe = fake_probe,
    .hold = fake_hold,
    .cut = fake_cut,
    .release = fake_release,
    .persist = fake_persist,
    .publish = fake_publish,
    .arm = fake_arm,
    .disarm = fake_disarm,
    .done = fake_done,
};

static const struct switch_request two_workers = {
    .logical = "main",
    .from = "a",
    .to = "b",
    .who = "test",
    .generation = 7,
    .workers = 2,
    .check_ms = 3000,
    .drain_ms = 5000,
    .cut_ms = 1000,
    .settle_ms = 4000,
};

static void
setup(struct fake *fake)
{
	memset(fake, 0, sizeof(*fake));
	fake->now = 1000;
	fake->timer = -1;
	switch_init(&fake->machine, &fake_ops, fake);
}

static void
held(struct fake *fake, unsigned worker, unsigned cut)
{
	struct worker_ack ack = {.worker = worker, .connections = 10, .held = 2, .cut = cut};

	switch_on_held(&fake->machine, &ack);
}

static void
published(struct fake *fake, unsigned worker, unsigned waited)
{
	struct worker_ack ack = {.worker = worker, .connections = 99, .held = waited};

	switch_on_published(&fake->machine, &ack);
}

/* Lets the time pass until the timer fires. */
static void
expire(struct fake *fake, int64_t expected_ms)
{
	cr_assert_eq(fake->timer - fake->now, expected_ms, "armed for %lld",
		     (long long)(fake->timer - fake->now));
	fake->now = fake->timer;
	fake->timer = -1;
	switch_on_timer(&fake->machine);
}

Test(switch, moves)
{
	struct fake fake;

	setup(&fake);
	switch_start(&fake.machine, &two_workers);
	cr_expect_eq(fake.machine.state, SWITCH_CHECK);
	fake.now += 5;
	switch_on_probe(&fake.machine, true, "");
	cr_expect_eq(fake.machine.state, SWITCH_HOLD);
	fake.now += 20;
	held(&fake, 0, 0);
	cr_expect_str_eq(fake.journal, "A?hh");
	held(&fake, 1, 0);
	cr_expect_eq(fake.machine.state, SWITCH_SETTLE);
	fake.now += 3;
	published(&fake, 1, 4);
	cr_expect_eq(fake.done, 0);
	published(&fake, 0, 0);
	cr_expect_str_eq(fake.journal, "A?hhWPD");
	cr_expect(fake.result.ok);
	cr_expect(fake.result.moved);
	cr_expect_eq(fake.result.err.code, ERR_NONE);
	cr_expect_str_eq(fake.result.from, "a");
	cr_expect_str_eq(fake.result.to, "b");
	cr_expect_eq(fake.result.generation, 7);
	cr_expect_eq(fake.result.duration_ms, 28);
	cr_expect_eq(fake.result.held_ms, 23);
	cr_expect_eq(fake.result.connections, 20);
	cr_expect_eq(fake.result.held, 6);
	cr_expect_eq(fake.result.cut, 0);
	cr_expect_eq(fake.result.workers, 2);
}

Test(switch, moves_when_workers_answer_before_the_calls_return)
{
	struct fake fake;

	setup(&fake);
	fake.acks_at_once = true;
	switch_start(&fake.machine, &two_workers);
	switch_on_probe(&fake.machine, true, "");
	cr_expect_str_eq(fake.journal, "A?hhWPD");
	cr_expect(fake.result.moved);
}

Test(switch, can_be_used_again)
{
	struct fake fake;

	setup(&fake);
	fake.acks_at_once = true;
	for (unsigned i = 1; i <= 3; i++) {
		switch_start(&fake.machine, &two_workers);
		switch_on_probe(&fake.machine, true, "");
		cr_expect_eq(fake.done, i);
		cr_expect_eq(fake.result.connections, 20);
	}
}

Test(switch, a_refused_check_touches_nobody)
{
	struct fake fake;

	setup(&fake);
	fake.verdict = SWITCH_REFUSED;
	switch_start(&fake.machine, &two_workers);
	cr_expect_str_eq(fake.journal, "AD");
	cr_expect_not(fake.result.ok);
	cr_expect_eq(fake.result.err.code, ERR_READ_ONLY);
	cr_expect_eq(fake.result.generation, 6);
}

Test(switch, the_same_cluster_moves_nothing)
{
	struct fake fake;

	setup(&fake);
	fake.verdict = SWITCH_THERE;
	switch_start(&fake.machine, &two_workers);
	cr_expect_str_eq(fake.journal, "AD");
	cr_expect(fake.result.ok);
	cr_expect_not(fake.result.moved);
}

Test(switch, an_unreachable_target_is_refused)
{
	struct fake fake;

	setup(&fake);
	switch_start(&fake.machine, &two_workers);
	switch_on_probe(&fake.machine, false, "k1:9092: Connection refused");
	cr_expect_str_eq(fake.journal, "A?D");
	cr_expect_not(fake.result.ok);
	cr_expect_eq(fake.result.err.code, ERR_UNAVAILABLE);
	cr_expect(strstr(fake.result.err.text, "Connection refused") != NULL);
}

Test(switch, a_target_that_does_not_answer_is_refused)
{
	struct fake fake;

	setup(&fake);
	switch_start(&fake.machine, &two_workers);
	expire(&fake, 3000);
	cr_expect_str_eq(fake.journal, "A?D");
	cr_expect_eq(fake.result.err.code, ERR_UNAVAILABLE);
}

Test(switch, force_asks_no_probe)
{
	struct switch_request request = two_workers;
	struct fake fake;

	setup(&fake);
	request.flags = SWITCH_FORCE;
	switch_start(&fake.machine, &request);
	cr_expect_str_eq(fake.journal, "Ahh");
	held(&fake, 0, 0);
	held(&fake, 1, 0);
	published(&fake, 0, 0);
	published(&fake, 1, 0);
	cr_expect(fake.result.moved);
}

Test(switch, force_does_not_help_where_the_file_cannot_be_written)
{
	struct switch_request request = two_workers;
	struct fake fake;

	setup(&fake);
	request.flags = SWITCH_FORCE;
	fake.verdict = SWITCH_REFUSED;
	switch_start(&fake.machine, &request);
	cr_expect_str_eq(fake.journal, "AD");
}

Test(switch, a_dry_run_only_checks)
{
	struct switch_request request = two_workers;
	struct fake fake;

	setup(&fake);
	request.flags = SWITCH_DRY_RUN;
	switch_start(&fake.machine, &request);
	switch_on_probe(&fake.machine, true, "");
	cr_expect_str_eq(fake.journal, "A?D");
	cr_expect(fake.result.ok);
	cr_expect_not(fake.result.moved);
	cr_expect_eq(fake.result.generation, 6);
}

Test(switch, the_drain_deadline_cuts_those_who_are_late)
{
	struct fake fake;

	setup(&fake);
	switch_start(&fake.machine, &two_workers);
	switch_on_probe(&fake.machine, true, "");
	held(&fake, 1, 0);
	expire(&fake, 5000);
	cr_expect_str_eq(fake.journal, "A?hhc");
	cr_expect_eq(fake.machine.state, SWITCH_HOLD);
	held(&fake, 0, 3);
	published(&fake, 0, 0);
	published(&fake, 1, 0);
	cr_expect_str_eq(fake.journal, "A?hhcWPD");
	cr_expect(fake.result.moved);
	cr_expect_eq(fake.result.cut, 3);
	cr_expect_eq(fake.result.held_ms, 5000);
}

Test(switch, a_dead_old_cluster_is_not_waited_for)
{
	struct switch_request request = two_workers;
	struct fake fake;

	setup(&fake);
	request.old_dead = true;
	switch_start(&fake.machine, &request);
	switch_on_probe(&fake.machine, true, "");
	cr_expect_str_eq(fake.journal, "A?hhcc");
	held(&fake, 0, 5);
	held(&fake, 1, 6);
	published(&fake, 0, 0);
	published(&fake, 1, 0);
	cr_expect_eq(fake.result.held_ms, 0);
	cr_expect_eq(fake.result.cut, 11);
}

Test(switch, an_old_cluster_that_dies_ends_the_hold)
{
	struct fake fake;

	setup(&fake);
	switch_start(&fake.machine, &two_workers);
	switch_on_probe(&fake.machine, true, "");
	switch_on_old_dead(&fake.machine);
	cr_expect_str_eq(fake.journal, "A?hhcc");
	switch_on_old_dead(&fake.machine);
	cr_expect_str_eq(fake.journal, "A?hhcc");
	switch_abort(&fake.machine, "over");
}

Test(switch, an_old_cluster_found_dead_during_the_check_is_remembered)
{
	struct fake fake;

	setup(&fake);
	switch_start(&fake.machine, &two_workers);
	switch_on_old_dead(&fake.machine);
	switch_on_probe(&fake.machine, true, "");
	cr_expect_str_eq(fake.journal, "A?hhcc");
}

Test(switch, a_worker_that_never_holds_does_not_stop_the_others)
{
	struct fake fake;

	setup(&fake);
	switch_start(&fake.machine, &two_workers);
	switch_on_probe(&fake.machine, true, "");
	held(&fake, 0, 0);
	expire(&fake, 5000);
	expire(&fake, 1000);
	cr_expect_str_eq(fake.journal, "A?hhcWP");
	/* What it says too late counts for nothing. */
	held(&fake, 1, 0);
	published(&fake, 0, 0);
	published(&fake, 1, 0);
	cr_expect(fake.result.moved);
	cr_expect_eq(fake.result.workers, 2);
}

Test(switch, a_worker_that_never_settles_is_only_reported)
{
	struct fake fake;

	setup(&fake);
	switch_start(&fake.machine, &two_workers);
	switch_on_probe(&fake.machine, true, "");
	held(&fake, 0, 0);
	held(&fake, 1, 0);
	published(&fake, 0, 0);
	expire(&fake, 4000);
	cr_expect_str_eq(fake.journal, "A?hhWPD");
	cr_expect(fake.result.ok);
	cr_expect(fake.result.moved);
	cr_expect_eq(fake.result.workers, 1);
	published(&fake, 1, 0);
	cr_expect_eq(fake.done, 1);
}

Test(switch, a_file_that_cannot_be_written_rolls_back)
{
	struct fake fake;

	setup(&fake);
	fake.persist_fails = true;
	switch_start(&fake.machine, &two_workers);
	switch_on_probe(&fake.machine, true, "");
	held(&fake, 0, 0);
	held(&fake, 1, 0);
	cr_expect_str_eq(fake.journal, "A?hhWrrD");
	cr_expect_not(fake.result.ok);
	cr_expect_not(fake.result.moved);
	cr_expect_eq(fake.result.err.code, ERR_IO);
	cr_expect_eq(fake.result.generation, 6);
	cr_expect_eq(fake.result.held, 4);
}

Test(switch, ends_in_each_state_when_the_process_is_to_end)
{
	struct fake fake;

	setup(&fake);
	switch_abort(&fake.machine, "over");
	cr_expect_str_eq(fake.journal, "");

	switch_start(&fake.machine, &two_workers);
	switch_abort(&fake.machine, "over");
	cr_expect_str_eq(fake.journal, "A?D");
	cr_expect_eq(fake.result.err.code, ERR_CONFLICT);

	setup(&fake);
	switch_start(&fake.machine, &two_workers);
	switch_on_probe(&fake.machine, true, "");
	switch_abort(&fake.machine, "over");
	cr_expect_str_eq(fake.journal, "A?hhrrD");

	setup(&fake);
	switch_start(&fake.machine, &two_workers);
	switch_on_probe(&fake.machine, true, "");
	held(&fake, 0, 0);
	held(&fake, 1, 0);
	switch_abort(&fake.machine, "over");
	cr_expect_str_eq(fake.journal, "A?hhWP");
	published(&fake, 0, 0);
	published(&fake, 1, 0);
	cr_expect(fake.result.moved);
}

Test(switch, events_of_another_state_are_ignored)
{
	struct fake fake;

	setup(&fake);
	switch_on_probe(&fake.machine, true, "");
	held(&fake, 0, 0);
	published(&fake, 0, 0);
	switch_on_timer(&fake.machine);
	switch_on_old_dead(&fake.machine);
	cr_expect_str_eq(fake.journal, "");
	switch_start(&fake.machine, &two_workers);
	held(&fake, 0, 0);
	published(&fake, 0, 0);
	switch_on_probe(&fake.machine, true, "");
	switch_on_probe(&fake.machine, false, "late");
	held(&fake, 0, 0);
	held(&fake, 0, 0);
	held(&fake, 9, 0);
	cr_expect_eq(fake.machine.state, SWITCH_HOLD);
	published(&fake, 1, 0);
	held(&fake, 1, 0);
	cr_expect_eq(fake.machine.state, SWITCH_SETTLE);
	switch_on_old_dead(&fake.machine);
	published(&fake, 0, 0);
	published(&fake, 0, 0);
	cr_expect_eq(fake.done, 0);
	published(&fake, 1, 0);
	cr_expect_eq(fake.done, 1);
}

Test(switch, states_have_names)
{
	cr_expect_str_eq(switch_state_name(SWITCH_RUN), "run");
	cr_expect_str_eq(switch_state_name(SWITCH_SETTLE), "settle");
}
