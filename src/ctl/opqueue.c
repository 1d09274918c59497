/* SPDX-License-Identifier: Apache-2.0
 *
 * The operation queue. pump() is the one place that starts an operation; it is a loop, not a
 * recursion, so that a chain of operations that finish at once needs no stack.
 */
#include "ctl/opqueue.h"
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"
#include "base/mem.h"

struct opqueue {
	struct list waiting;
	struct op *running;
	bool pumping;
	bool closed; /* a shutdown was taken */
};

struct opqueue *
opqueue_new(void)
{
	struct opqueue *queue = mem_zalloc(sizeof(*queue));

	list_init(&queue->waiting);
	return queue;
}

static void
drop_waiting(struct opqueue *queue)
{
	struct list *node;

	while ((node = list_pop(&queue->waiting)) != NULL) {
		struct op *op = CONTAINER_OF(node, struct op, node);

		op->drop(op);
	}
}

void
opqueue_free(struct opqueue **queue)
{
	if (*queue == NULL)
		return;
	(*queue)->closed = true;
	drop_waiting(*queue);
	free(*queue);
	*queue = NULL;
}

static void
pump(struct opqueue *queue)
{
	struct list *node;

	if (queue->pumping)
		return;
	queue->pumping = true;
	while (queue->running == NULL && (node = list_pop(&queue->waiting)) != NULL) {
		queue->running = CONTAINER_OF(node, struct op, node);
		queue->running->run(queue->running);
	}
	queue->pumping = false;
}

bool
opqueue_has_switch(const struct opqueue *queue, const char *key)
{
	const struct list *node;

	if (queue->running != NULL && queue->running->kind == OP_SWITCH &&
	    strcmp(queue->running->key, key) == 0)
		return true;
	list_for_each (node, &queue->waiting) {
		const struct op *op =
		    (const struct op *)((const char *)node - offsetof(struct op, node));

		if (op->kind == OP_SWITCH && strcmp(op->key, key) == 0)
			return true;
	}
	return false;
}

/* The new reload takes the place of one that waits, so that a storm of them starves nobody. */
static void
add_reload(struct opqueue *queue, struct op *op)
{
	struct list *node;
	struct list *place = &queue->waiting;
	struct op *older = NULL;

	list_for_each (node, &queue->waiting) {
		older = CONTAINER_OF(node, struct op, node);
		if (older->kind != OP_RELOAD) {
			older = NULL;
			continue;
		}
		place = node->next;
		list_remove(node);
		break;
	}
	list_append(place, &op->node);
	if (older != NULL)
		op->absorb(op, older);
}

bool
opqueue_add(struct opqueue *queue, struct op *op, struct err *err)
{
	if (queue->closed)
		return err_set(err, ERR_CONFLICT, "the gateway is shutting down");
	if (op->kind == OP_SWITCH && opqueue_has_switch(queue, op->key))
		return err_set(err, ERR_CONFLICT,
			       "another switch of the logical cluster %s runs; wait for it",
			       op->key);
	list_init(&op->node);
	if (op->kind == OP_SHUTDOWN) {
		queue->closed = true;
		drop_waiting(queue);
	}
	if (op->kind == OP_RELOAD)
		add_reload(queue, op);
	else
		list_append(&queue->waiting, &op->node);
	pump(queue);
	return true;
}

void
opqueue_finish(struct opqueue *queue, struct op *op)
{
	ENSURE(queue->running == op);
	queue->running = NULL;
	pump(queue);
}

struct op *
opqueue_running(const struct opqueue *queue)
{
	return queue->running;
}
