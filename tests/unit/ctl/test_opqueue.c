/* SPDX-License-Identifier: Apache-2.0
 *
 * The operation queue's rules.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "ctl/opqueue.h"

/* An operation that notes what becomes of it; letters go into the journal. */
struct fake_op {
	struct op op;
	char letter;
	bool at_once; /* finishes in run() */
	struct opqueue *queue;
	unsigned absorbed;
};

static char journal[64];

static void
note(char what, char letter)
{
	size_t length = strlen(journal);

	if (letter == '\0')
		return;
	journal[length] = what;
	journal[length + 1] = letter;
	journal[length + 2] = '\0';
}

static void
on_run(struct op *op)
{
	struct fake_op *fake = CONTAINER_OF(op, struct fake_op, op);

	note('+', fake->letter);
	if (fake->at_once)
		opqueue_finish(fake->queue, op);
}

static void
on_drop(struct op *op)
{
	note('-', CONTAINER_OF(op, struct fake_op, op)->letter);
}

static void
on_absorb(struct op *op, struct op *older)
{
	CONTAINER_OF(op, struct fake_op, op)->absorbed++;
	note('<', CONTAINER_OF(older, struct fake_op, op)->letter);
}

static void
make(struct fake_op *fake, struct opqueue *queue, enum op_kind kind, char letter)
{
	*fake = (struct fake_op){.letter = letter, .queue = queue};
	fake->op.kind = kind;
	fake->op.key = "main";
	fake->op.run = on_run;
	fake->op.drop = on_drop;
	fake->op.absorb = on_absorb;
}

static void
add(struct opqueue *queue, struct fake_op *fake)
{
	struct err err;

	cr_assert(opqueue_add(queue, &fake->op, &err), "%s", err.text);
}

Test(opqueue, one_runs_at_a_time_in_order)
{
	struct opqueue *queue = opqueue_new();
	struct fake_op a, b, c;

	make(&a, queue, OP_EDIT, 'a');
	make(&b, queue, OP_RELOAD, 'b');
	make(&c, queue, OP_EDIT, 'c');
	add(queue, &a);
	add(queue, &b);
	add(queue, &c);
	cr_expect_str_eq(journal, "+a");
	cr_expect_eq(opqueue_running(queue), &a.op);
	opqueue_finish(queue, &a.op);
	cr_expect_str_eq(journal, "+a+b");
	opqueue_finish(queue, &b.op);
	opqueue_finish(queue, &c.op);
	cr_expect_str_eq(journal, "+a+b+c");
	cr_expect_null(opqueue_running(queue));
	opqueue_free(&queue);
}

Test(opqueue, many_that_finish_at_once_need_no_stack)
{
	enum { MANY = 200000 };
	struct opqueue *queue = opqueue_new();
	struct fake_op first;
	struct fake_op *ops = calloc(MANY, sizeof(*ops));

	make(&first, queue, OP_EDIT, 'f');
	add(queue, &first);
	for (size_t i = 0; i < MANY; i++) {
		make(&ops[i], queue, OP_EDIT, '\0');
		ops[i].at_once = true;
		add(queue, &ops[i]);
	}
	opqueue_finish(queue, &first.op);
	cr_expect_null(opqueue_running(queue));
	opqueue_free(&queue);
	free(ops);
}

Test(opqueue, a_later_reload_takes_over_one_that_waits)
{
	struct opqueue *queue = opqueue_new();
	struct fake_op running, older, edit, later, last;

	make(&running, queue, OP_RELOAD, 'r');
	make(&older, queue, OP_RELOAD, 'o');
	make(&edit, queue, OP_EDIT, 'e');
	make(&later, queue, OP_RELOAD, 'l');
	make(&last, queue, OP_RELOAD, 'z');
	add(queue, &running);
	add(queue, &older);
	add(queue, &edit);
	add(queue, &later);
	add(queue, &last);
	cr_expect_str_eq(journal, "+r<o<l");
	cr_expect_eq(last.absorbed, 1);
	/* It stands where the first one stood. */
	opqueue_finish(queue, &running.op);
	opqueue_finish(queue, &last.op);
	cr_expect_str_eq(journal, "+r<o<l+z+e");
	opqueue_finish(queue, &edit.op);
	opqueue_free(&queue);
}

Test(opqueue, a_second_switch_of_a_logical_cluster_is_refused)
{
	struct opqueue *queue = opqueue_new();
	struct fake_op edit, waits, second, other;
	struct err err;

	make(&edit, queue, OP_EDIT, 'e');
	make(&waits, queue, OP_SWITCH, 'w');
	make(&second, queue, OP_SWITCH, 's');
	make(&other, queue, OP_SWITCH, 'o');
	other.op.key = "eu";
	add(queue, &edit);
	add(queue, &waits);
	cr_expect(opqueue_has_switch(queue, "main"));
	cr_expect_not(opqueue_has_switch(queue, "eu"));
	cr_expect_not(opqueue_add(queue, &second.op, &err));
	cr_expect_eq(err.code, ERR_CONFLICT);
	add(queue, &other);
	opqueue_finish(queue, &edit.op);
	cr_expect_not(opqueue_add(queue, &second.op, &err));
	opqueue_finish(queue, &waits.op);
	add(queue, &second);
	opqueue_finish(queue, &other.op);
	cr_expect_str_eq(journal, "+e+w+o+s");
	opqueue_finish(queue, &second.op);
	opqueue_free(&queue);
}

Test(opqueue, a_shutdown_preempts_what_waits)
{
	struct opqueue *queue = opqueue_new();
	struct fake_op running, waits, stop, late;
	struct err err;

	make(&running, queue, OP_EDIT, 'r');
	make(&waits, queue, OP_SWITCH, 'w');
	make(&stop, queue, OP_SHUTDOWN, 's');
	make(&late, queue, OP_RELOAD, 'l');
	add(queue, &running);
	add(queue, &waits);
	add(queue, &stop);
	cr_expect_str_eq(journal, "+r-w");
	cr_expect_not(opqueue_add(queue, &late.op, &err));
	cr_expect_eq(err.code, ERR_CONFLICT);
	opqueue_finish(queue, &running.op);
	cr_expect_str_eq(journal, "+r-w+s");
	opqueue_finish(queue, &stop.op);
	opqueue_free(&queue);
}

Test(opqueue, what_waits_is_dropped_with_the_queue)
{
	struct opqueue *queue = opqueue_new();
	struct fake_op running, waits;

	make(&running, queue, OP_EDIT, 'r');
	make(&waits, queue, OP_EDIT, 'w');
	add(queue, &running);
	add(queue, &waits);
	opqueue_free(&queue);
	cr_expect_str_eq(journal, "+r-w");
}
