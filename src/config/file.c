/* SPDX-License-Identifier: Apache-2.0
 *
 * Files in: only regular ones, never more than the limit.
 */
#include "config/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"

static bool
read_all(int fd, char *buffer, size_t size, size_t *length, struct err *err)
{
	*length = 0;
	while (*length < size) {
		ssize_t got = read(fd, buffer + *length, size - *length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(err, ERR_IO, "cannot be read: %s", strerror(errno));
		if (got == 0)
			break;
		*length += (size_t)got;
	}
	return true;
}

static bool
read_open(int fd, char **text, size_t *length, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_set(err, ERR_IO, "cannot be read: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_IO, "is not a regular file");
	*text = mem_alloc(FILE_BYTES_MAX + 2);
	if (read_all(fd, *text, FILE_BYTES_MAX + 1, length, err)) {
		if (*length <= FILE_BYTES_MAX) {
			(*text)[*length] = '\0';
			*text = mem_realloc(*text, *length + 1);
			return true;
		}
		err_set(err, ERR_LIMIT, "is larger than %zu bytes", FILE_BYTES_MAX);
	}
	free(*text);
	*text = NULL;
	return false;
}

bool
file_read(const char *path, char **text, size_t *length, struct err *err)
{
	/* Without O_NONBLOCK a FIFO would hold us for ever. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	bool done;

	*text = NULL;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, ERR_NOT_FOUND, "does not exist");
	if (fd < 0)
		return err_set(err, ERR_IO, "cannot be opened: %s", strerror(errno));
	done = read_open(fd, text, length, err);
	close(fd);
	return done;
}

char *
file_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return mem_strdup(".");
	if (slash == path)
		return mem_strdup("/");
	return mem_printf("%.*s", (int)(slash - path), path);
}
