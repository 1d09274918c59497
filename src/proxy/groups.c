/* SPDX-License-Identifier: Apache-2.0
 *
 * The groups that a connection has joined lately: a ring.
 */
#include "proxy/groups.h"

/* FNV-1a. A tenant that finds two ids with the same hash deceives itself. */
uint64_t
groups_hash(const uint8_t *id, size_t length)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ id[i]) * UINT64_C(0x100000001b3);
	return hash != 0 ? hash : 1;
}

void
groups_note(struct groups *groups, uint64_t id, bool is_consumer)
{
	for (size_t i = 0; i < GROUPS_MAX; i++) {
		if (groups->list[i].id == id) {
			groups->list[i].is_consumer = is_consumer;
			return;
		}
	}
	groups->list[groups->next].id = id;
	groups->list[groups->next].is_consumer = is_consumer;
	groups->next = (groups->next + 1) % GROUPS_MAX;
}

bool
groups_find(const struct groups *groups, uint64_t id, bool *is_consumer)
{
	for (size_t i = 0; i < GROUPS_MAX; i++) {
		if (groups->list[i].id == id) {
			*is_consumer = groups->list[i].is_consumer;
			return true;
		}
	}
	return false;
}
