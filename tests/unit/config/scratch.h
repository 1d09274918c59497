/* SPDX-License-Identifier: Apache-2.0
 *
 * For the configuration's tests: a folder of its own per test, files in it, and a load of it.
 */
#pragma once
#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config/load.h"

struct scratch {
	char dir[64];
	char path[256]; /* of turnout.yaml */
	struct faults *faults;
	struct snapshot *snap;
};

static inline void
scratch_write(const struct scratch *s, const char *name, const char *text)
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	out = fopen(path, "w");
	cr_assert(out != NULL, "%s", path);
	fputs(text, out);
	fclose(out);
}

static inline void
scratch_init(struct scratch *s)
{
	char path[512];

	*s = (struct scratch){.dir = "/tmp/turnout-test-XXXXXX"};
	cr_assert(mkdtemp(s->dir) != NULL);
	snprintf(s->path, sizeof(s->path), "%s/turnout.yaml", s->dir);
	snprintf(path, sizeof(path), "%s/vclusters", s->dir);
	cr_assert(mkdir(path, 0755) == 0);
}

static inline struct snapshot *
scratch_load(struct scratch *s, char *const *environment)
{
	struct config_source source = {.config_path = s->path, .environment = environment};

	snapshot_unref(&s->snap);
	faults_free(&s->faults);
	s->faults = faults_new();
	s->snap = config_load(&source, s->faults);
	return s->snap;
}

static inline int
scratch_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void
scratch_fini(struct scratch *s)
{
	snapshot_unref(&s->snap);
	faults_free(&s->faults);
	nftw(s->dir, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* All faults, one a line, with the folder cut off. */
static inline char *
scratch_faults(const struct scratch *s, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < faults_count(s->faults) && used < size; i++) {
		char line[2048];
		const char *text = fault_format(faults_at(s->faults, i), line, sizeof(line));
		size_t dir = strlen(s->dir);

		if (strncmp(text, s->dir, dir) == 0)
			text += dir + 1;
		used += (size_t)snprintf(out + used, size - used, "%s\n", text);
	}
	return out;
}
