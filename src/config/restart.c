/* SPDX-License-Identifier: Apache-2.0
 *
 * Which settings of a new snapshot wait for a restart: by the table.
 */
#include <string.h>
#include "config/keys.h"

static bool
is_same(const struct key *key, const struct settings *a, const struct settings *b)
{
	const char *left = (const char *)a + key->offset;
	const char *right = (const char *)b + key->offset;

	switch (key->type) {
	case KEY_STRING:
	case KEY_NAME:
	case KEY_HOST:
	case KEY_PATH:
	case KEY_ENUM:
		return strcmp(*(const char *const *)(const void *)left,
			      *(const char *const *)(const void *)right) == 0;
	case KEY_INTEGER:
	case KEY_CHOICE:
	case KEY_TIME:
		return memcmp(left, right, sizeof(int64_t)) == 0;
	case KEY_BOOLEAN:
		return memcmp(left, right, sizeof(bool)) == 0;
	case KEY_SECRET:
	case KEY_BASE64:
	case KEY_SERVERS:
	case KEY_ACTIVE:
	case KEY_LIST:
	case KEY_MAP:
	case KEY_IGNORED:
		break; /* arrays take effect on reload: test_keys holds the table to that */
	}
	return true;
}

size_t
config_restart_faults(const struct snapshot *running, const struct snapshot *loaded,
		      struct faults *faults)
{
	size_t count = 0;

	for (size_t i = 0; i < keys_count; i++) {
		const struct key *key = &keys[i];

		if (key->section != SECTION_SETTINGS || !key->restart ||
		    is_same(key, &running->settings, &loaded->settings))
			continue;
		faults_add(faults, FAULT_WARNING, loaded->files[0].path, 0, 0, key->name,
			   "changed: takes effect at the next start");
		count++;
	}
	return count;
}
