/* SPDX-License-Identifier: Apache-2.0
 *
 * Which groups a connection has joined, and of what kind they are: a SyncGroup before version 5
 * does not say whether the bytes inside are consumers'. A few of the latest; a group that is not
 * known any more has to be joined anew.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GROUPS_MAX 32

struct groups {
	struct {
		uint64_t id; /* hash of the virtual group id; 0: none */
		bool is_consumer;
	} list[GROUPS_MAX];
	unsigned next;
};

/* What stands for a group's id in the list. Never 0. */
uint64_t groups_hash(const uint8_t *id, size_t length);
void groups_note(struct groups *groups, uint64_t id, bool is_consumer);
/* false: not known. */
bool groups_find(const struct groups *groups, uint64_t id, bool *is_consumer);
