/* SPDX-License-Identifier: Apache-2.0
 *
 * Intrusive doubly linked circular list. An unlinked node points to itself, so list_remove() is
 * safe to repeat.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *prev;
};

#define CONTAINER_OF(pointer, type, member)                                                        \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void
list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool
list_is_empty(const struct list *l)
{
	return l->next == l;
}

static inline void
list_append(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void
list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* The node taken off the front, or NULL. */
static inline struct list *
list_pop(struct list *head)
{
	struct list *node = head->next;

	if (node == head)
		return NULL;
	list_remove(node);
	return node;
}

#define list_for_each(node, head) for (node = (head)->next; node != (head); node = node->next)
/* The current node may be removed. */
#define list_for_each_safe(node, after, head)                                                      \
	for (node = (head)->next, after = node->next; node != (head);                              \
	     node = after, after = node->next)
