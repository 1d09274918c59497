/* SPDX-License-Identifier: Apache-2.0
 *
 * A directory of one's own for a test, gone afterwards; and small files in it.
 */
#pragma once
#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scratch {
	char path[64];
};

static inline void
scratch_make(struct scratch *scratch)
{
	snprintf(scratch->path, sizeof(scratch->path), "/tmp/turnout-ctl-XXXXXX");
	cr_assert_not_null(mkdtemp(scratch->path));
}

static inline int
scratch_unlink(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void
scratch_free(struct scratch *scratch)
{
	nftw(scratch->path, scratch_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* path of a name in it; valid until the next but three calls. */
static inline const char *
scratch_path(const struct scratch *scratch, const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *out = paths[next++ % 4];

	snprintf(out, sizeof(paths[0]), "%s/%s", scratch->path, name);
	return out;
}

static inline void
scratch_write(const struct scratch *scratch, const char *name, const char *text)
{
	int fd = open(scratch_path(scratch, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0, "%s", name);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* The file's text, or "" where it is not there; valid until the next call. */
static inline const char *
scratch_read(const struct scratch *scratch, const char *name)
{
	static char text[65536];
	int fd = open(scratch_path(scratch, name), O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	return text;
}

static inline bool
scratch_exists(const struct scratch *scratch, const char *name)
{
	return access(scratch_path(scratch, name), F_OK) == 0;
}
