/* SPDX-License-Identifier: Apache-2.0
 *
 * The half of editing that touches the disk: temporary file beside the target, synced, renamed, its
 * directory synced. Nothing is renamed over a file that changed since it was read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "base/arena.h"
#include "base/mem.h"
#include "config/edit.h"
#include "config/edit_text.h"
#include "config/file.h"
#include "config/node.h"

#define ATTEMPTS 3

/* A file being replaced. */
struct target {
	char *path;   /* where symlinks lead */
	char *folder; /* of it */
	char *temporary;
	const char *line; /* to write by hand */
};

static bool
is_refusal(int error)
{
	return error == EROFS || error == EACCES || error == EPERM || error == EBUSY;
}

/* EBUSY: the file is a mount of its own (a single file given to a container) and cannot be
 * replaced. */
static bool
fail_write(const struct target *t, int error, struct err *err)
{
	if (!is_refusal(error))
		return err_set(err, ERR_IO, "%s cannot be written: %s", t->path, strerror(error));
	return err_set(err, ERR_READ_ONLY,
		       "%s cannot be written (%s): put this line there by hand: %s", t->path,
		       error == EBUSY ? "it is mounted as a single file; mount its folder instead"
				      : strerror(error),
		       t->line);
}

static void
target_init(struct target *t, const char *path, const char *line)
{
	char *real = realpath(path, NULL);

	*t = (struct target){.path = real != NULL ? real : mem_strdup(path), .line = line};
	t->folder = file_folder(t->path);
}

static void
target_fini(struct target *t)
{
	if (t->temporary != NULL)
		unlink(t->temporary);
	free(t->temporary);
	free(t->folder);
	free(t->path);
}

static bool
sync_folder(const char *folder, struct err *err)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);

	if (!done)
		err_set(err, ERR_IO, "%s cannot be synced: %s", folder, strerror(errno));
	if (fd >= 0)
		close(fd);
	return done;
}

static bool
write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return false;
		bytes += written;
		length -= (size_t)written;
	}
	return true;
}

/* Bytes, mode and owner onto the disk. An owner that we may not give stays ours. */
static bool
fill_temporary(int fd, const char *bytes, size_t length, mode_t mode, const struct stat *old)
{
	if (old != NULL && fchown(fd, old->st_uid, old->st_gid) != 0 && errno != EPERM)
		return false;
	return fchmod(fd, mode) == 0 && write_all(fd, bytes, length) && fsync(fd) == 0;
}

/* Writes the temporary file. Its name begins with a dot: no loader takes it for configuration. */
static bool
target_prepare(struct target *t, const char *bytes, size_t length, mode_t mode,
	       const struct stat *old, struct err *err)
{
	const char *base = strrchr(t->path, '/');
	bool done;
	int fd;

	base = base != NULL ? base + 1 : t->path;
	if (t->temporary != NULL)
		unlink(t->temporary);
	free(t->temporary);
	t->temporary = mem_printf("%s/.%s.XXXXXX", t->folder, base);
	fd = mkostemp(t->temporary, O_CLOEXEC);
	if (fd < 0) {
		int error = errno;

		free(t->temporary);
		t->temporary = NULL;
		return fail_write(t, error, err);
	}
	done = fill_temporary(fd, bytes, length, mode, old);
	if (!done)
		fail_write(t, errno, err);
	close(fd);
	return done;
}

static bool
target_commit(struct target *t, struct err *err)
{
	if (rename(t->temporary, t->path) != 0)
		return fail_write(t, errno, err);
	free(t->temporary);
	t->temporary = NULL;
	return sync_folder(t->folder, err);
}

static bool
make_folder(const struct target *t, struct err *err)
{
	if (mkdir(t->folder, 0755) != 0 && errno != EEXIST)
		return fail_write(t, errno, err);
	return true;
}

/* Is the file still what was read? A file that did not exist was empty. */
static bool
is_unchanged(const char *path, const char *text, size_t length, bool existed)
{
	char *now;
	size_t now_length;
	struct err err;
	bool same;

	if (!file_read(path, &now, &now_length, &err))
		return !existed && err.code == ERR_NOT_FOUND;
	same = existed && now_length == length && memcmp(now, text, length) == 0;
	free(now);
	return same;
}

/* Puts the file's path before the sentence. */
static bool
err_at(const char *path, struct err *err)
{
	struct err old = *err;

	return err_set(err, old.code, "%.160s: %s", path, old.text);
}

/* Writes the new text when it differs; *retry when the file changed underneath. */
static bool
swap(struct target *t, const char *text, size_t length, bool existed, const char *edited,
     size_t edited_length, bool *retry, struct err *err)
{
	struct stat st = {.st_mode = 0644};

	if (existed && edited_length == length && memcmp(edited, text, length) == 0)
		return true;
	if (existed && stat(t->path, &st) != 0)
		return fail_write(t, errno, err);
	if (!existed && !make_folder(t, err))
		return false;
	if (!target_prepare(t, edited, edited_length, st.st_mode & 07777, existed ? &st : NULL,
			    err))
		return false;
	*retry = !is_unchanged(t->path, text, length, existed);
	return !*retry && target_commit(t, err);
}

static bool
attempt(struct target *t, const struct edit *edit, bool create, bool *retry, struct err *err)
{
	char *text;
	char *edited = NULL;
	size_t length = 0;
	size_t edited_length = 0;
	bool existed = file_read(t->path, &text, &length, err);
	bool done = false;

	if (!existed && (!create || err->code != ERR_NOT_FOUND))
		return err_at(t->path, err);
	if (!existed) {
		*err = (struct err){0};
		text = mem_strdup("");
	}
	if (!edit_apply(text, length, edit, &edited, &edited_length, err))
		err_at(t->path, err);
	else
		done = swap(t, text, length, existed, edited, edited_length, retry, err);
	free(edited);
	free(text);
	return done;
}

bool
edit_file(const char *path, const struct edit *edit, bool create, struct err *err)
{
	char line[256];
	struct err unused;
	struct target t;
	bool done = false;
	bool retry = true;

	err = err != NULL ? err : &unused;
	target_init(&t, path, edit_text_line(edit, line, sizeof(line)));
	for (int i = 0; i < ATTEMPTS && retry; i++) {
		retry = false;
		done = attempt(&t, edit, create, &retry, err);
	}
	if (retry)
		err_set(err, ERR_CONFLICT, "%s keeps changing while it is being edited: try again",
			t.path);
	target_fini(&t);
	return done;
}

bool
edit_write(const char *path, const char *bytes, size_t length, unsigned mode, bool exclusive,
	   struct err *err)
{
	struct target t;
	bool done;

	target_init(&t, path, "the whole file");
	done = make_folder(&t, err) && target_prepare(&t, bytes, length, (mode_t)mode, NULL, err);
	if (done && !exclusive) {
		done = target_commit(&t, err);
	} else if (done) { /* link(2) never replaces; the temporary name goes in target_fini() */
		done = link(t.temporary, t.path) == 0;
		if (!done && errno == EEXIST)
			err_set(err, ERR_CONFLICT, "%s exists already", t.path);
		else if (!done)
			fail_write(&t, errno, err);
		done = done && sync_folder(t.folder, err);
	}
	target_fini(&t);
	return done;
}

bool
edit_remove(const char *path, struct err *err)
{
	char *folder = file_folder(path);
	bool done = unlink(path) == 0;

	if (!done && errno == ENOENT)
		err_set(err, ERR_NOT_FOUND, "%s does not exist", path);
	else if (!done)
		err_set(err, is_refusal(errno) ? ERR_READ_ONLY : ERR_IO,
			"%s cannot be removed (%s): remove it by hand", path, strerror(errno));
	done = done && sync_folder(folder, err);
	free(folder);
	return done;
}

/* 0, or the errno that a rename onto the file would meet. */
static int
find_refusal(const struct target *t)
{
	struct statvfs fs;
	struct statx stx;

	if (statvfs(t->folder, &fs) == 0 && (fs.f_flag & ST_RDONLY) != 0)
		return EROFS;
	if (faccessat(AT_FDCWD, t->folder, W_OK | X_OK, AT_EACCESS) != 0)
		return errno;
	if (statx(AT_FDCWD, t->path, 0, STATX_TYPE, &stx) == 0 &&
	    (stx.stx_attributes_mask & stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0)
		return EBUSY;
	return 0;
}

bool
edit_is_writable(const char *path, const char *line_to_edit, struct err *err)
{
	struct target t;
	int error;
	bool good;

	target_init(&t, path, line_to_edit != NULL ? line_to_edit : "the change");
	error = find_refusal(&t);
	good = error == 0 || fail_write(&t, error, err);
	target_fini(&t);
	return good;
}

/* The scalar `active` serves main alone: for another logical cluster it turns into a map. */
static bool
active_as_map(const char *old, const char *logical, const char *physical, char **out)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (stream == NULL)
		return false;
	fputc('{', stream);
	if (old != NULL) {
		fputs("main: ", stream);
		edit_text_scalar(old, '\0', stream);
		fputs(", ", stream);
	}
	edit_text_scalar(logical, '\0', stream);
	fputs(": ", stream);
	edit_text_scalar(physical, '\0', stream);
	fputc('}', stream);
	fclose(stream);
	*out = text;
	return true;
}

/* The form of `active` now: a map, or not; its text when it is a scalar, malloc'd. A file that
 * cannot be read or parsed is edit_file()'s to complain of. */
static bool
active_is_map(const char *path, char **scalar)
{
	struct arena *arena = arena_new();
	struct faults *faults = faults_new();
	char *text = NULL;
	size_t length;
	const struct node *root = NULL;
	const struct node *active = NULL;
	bool is_map;

	if (file_read(path, &text, &length, NULL))
		root = node_parse(arena, text, length, path, faults);
	if (root != NULL)
		active = node_find(root, "active");
	is_map = active != NULL && active->kind == NODE_MAP;
	*scalar = active != NULL && active->kind == NODE_SCALAR && !node_is_null(active)
		      ? mem_strdup(active->text)
		      : NULL;
	free(text);
	faults_free(&faults);
	arena_free(&arena);
	return is_map;
}

bool
edit_active(const char *path, const char *logical, const char *physical, struct err *err)
{
	const char *const keys_path[] = {"active", logical};
	struct edit edit = {.path = keys_path, .depth = 1, .value = physical};
	char *scalar;
	char *map = NULL;
	bool done;

	if (active_is_map(path, &scalar)) {
		edit.depth = 2;
	} else if (strcmp(logical, "main") != 0) {
		if (!active_as_map(scalar, logical, physical, &map)) {
			free(scalar);
			return err_set(err, ERR_IO, "no memory");
		}
		edit.value = map;
		edit.raw = true;
	}
	done = edit_file(path, &edit, true, err);
	free(scalar);
	free(map);
	return done;
}
