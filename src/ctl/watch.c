/* SPDX-License-Identifier: Apache-2.0
 *
 * inotify. rescan() sets the watches from scratch each time: the kernel gives the same number for
 * the same directory, so this costs little and nothing is ever out of date. A watch is an entry of
 * directory number and, where only one name in it is of interest, that name.
 */
#include "ctl/watch.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

/* Wait so long after the last event: an editor makes several at once. */
#define SETTLE_MS 50
/* After a write to a file that is still open; its close usually follows. */
#define WRITE_SETTLE_MS 500
/* Never put it off longer than this. */
#define SETTLE_MAX_MS 2000
#define SYMLINKS_MAX  1024

#define EVENTS                                                                                     \
	(IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM |          \
	 IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)

struct entry {
	int wd;
	char *name; /* of interest in that directory; NULL: every name */
};

struct watch {
	struct loop *loop;
	loop_fn changed;
	void *arg;
	int fd;
	struct loop_io io;
	struct loop_timer timer;
	int64_t pending_since; /* clock_now_ms(); 0: nothing pending */
	char **directories;
	size_t directories_count;
	struct entry *entries;
	size_t entries_count;
	size_t entries_capacity;
};

/* false when the directory is not there (or cannot be watched, which is logged). */
static bool
add_entry(struct watch *watch, const char *directory, const char *name)
{
	int wd = inotify_add_watch(watch->fd, directory, EVENTS | IN_ONLYDIR);

	if (wd < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			log_warn("watch.failed", KV_STR("directory", directory),
				 KV_STR("why", strerror(errno)),
				 KV_STR("what", "changes there need a reload by hand"));
		return false;
	}
	watch->entries = mem_grow(watch->entries, &watch->entries_capacity,
				  watch->entries_count + 1, sizeof(*watch->entries));
	watch->entries[watch->entries_count++] =
	    (struct entry){.wd = wd, .name = name != NULL ? mem_strdup(name) : NULL};
	return true;
}

/* Splits an absolute path into its parent ("" is the root) and its last part; false at the root. */
static bool
split_path(char *path, char **parent, char **name)
{
	size_t length = strlen(path);
	char *slash;

	while (length > 1 && path[length - 1] == '/')
		path[--length] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL || slash[1] == '\0')
		return false;
	*name = slash + 1;
	*slash = '\0';
	*parent = path;
	return true;
}

/* Watches the name of a directory in its parent; where that is not there either, the parent's name
 * in the next one up, and so on. */
static void
add_parents(struct watch *watch, const char *directory)
{
	char *path = mem_strdup(directory);
	char *parent;
	char *name;

	while (split_path(path, &parent, &name)) {
		if (add_entry(watch, parent[0] != '\0' ? parent : "/", name))
			break;
	}
	free(path);
}

/* A symlink may lead to a directory that nobody else watches: where the file really is. */
static void
add_symlink(struct watch *watch, const char *directory, const char *name)
{
	char *path = mem_printf("%s/%s", directory, name);
	char *real = realpath(path, NULL);
	char *parent;
	char *last;

	if (real != NULL && split_path(real, &parent, &last))
		add_entry(watch, parent[0] != '\0' ? parent : "/", last);
	free(real);
	free(path);
}

static void
add_symlinks(struct watch *watch, const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *found;
	unsigned count = 0;

	if (dir == NULL)
		return;
	while ((found = readdir(dir)) != NULL && count < SYMLINKS_MAX) {
		struct stat status;

		if (found->d_type != DT_LNK && found->d_type != DT_UNKNOWN)
			continue;
		if (fstatat(dirfd(dir), found->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISLNK(status.st_mode))
			continue;
		add_symlink(watch, directory, found->d_name);
		count++;
	}
	closedir(dir);
}

static void
free_entries(struct entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(entries[i].name);
	free(entries);
}

static bool
has_wd(const struct entry *entries, size_t count, int wd)
{
	for (size_t i = 0; i < count; i++)
		if (entries[i].wd == wd)
			return true;
	return false;
}

static void
rescan(struct watch *watch)
{
	struct entry *old = watch->entries;
	size_t old_count = watch->entries_count;

	watch->entries = NULL;
	watch->entries_count = 0;
	watch->entries_capacity = 0;
	for (size_t i = 0; i < watch->directories_count; i++) {
		add_entry(watch, watch->directories[i], NULL);
		add_parents(watch, watch->directories[i]);
		add_symlinks(watch, watch->directories[i]);
	}
	for (size_t i = 0; i < old_count; i++) {
		/* Fails where the kernel dropped it with its directory. */
		if (!has_wd(watch->entries, watch->entries_count, old[i].wd))
			inotify_rm_watch(watch->fd, old[i].wd);
	}
	free_entries(old, old_count);
}

static bool
is_of_interest(const struct watch *watch, const struct inotify_event *event)
{
	if (event->mask & IN_Q_OVERFLOW)
		return true;
	if (event->mask & (IN_IGNORED | IN_UNMOUNT))
		return false;
	for (size_t i = 0; i < watch->entries_count; i++) {
		const struct entry *entry = &watch->entries[i];

		if (entry->wd != event->wd)
			continue;
		if (entry->name == NULL || event->len == 0 || strcmp(entry->name, event->name) == 0)
			return true;
	}
	return false;
}

static void
schedule(struct watch *watch, int64_t after_ms)
{
	int64_t now = clock_now_ms();

	if (watch->pending_since == 0)
		watch->pending_since = now;
	if (now - watch->pending_since < SETTLE_MAX_MS || !loop_timer_is_active(&watch->timer))
		loop_timer_start(&watch->timer, after_ms, 0);
}

static void
on_readable(void *arg, int events)
{
	struct watch *watch = arg;
	char buffer[16 * 1024] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t got;

	(void)events;
	while ((got = read(watch->fd, buffer, sizeof(buffer))) > 0) {
		for (char *at = buffer; at < buffer + got;) {
			const struct inotify_event *event = (const void *)at;

			if (is_of_interest(watch, event))
				schedule(watch,
					 event->mask & IN_MODIFY ? WRITE_SETTLE_MS : SETTLE_MS);
			at += sizeof(*event) + event->len;
		}
	}
}

static void
on_settled(void *arg)
{
	struct watch *watch = arg;

	watch->pending_since = 0;
	rescan(watch);
	watch->changed(watch->arg);
}

struct watch *
watch_start(struct loop *loop, loop_fn changed, void *arg, struct err *err)
{
	struct watch *watch;
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd < 0) {
		err_set(err, ERR_IO, "inotify: %s%s", strerror(errno),
			errno == EMFILE ? "; raise fs.inotify.max_user_instances" : "");
		return NULL;
	}
	watch = mem_zalloc(sizeof(*watch));
	watch->loop = loop;
	watch->changed = changed;
	watch->arg = arg;
	watch->fd = fd;
	loop_io_init(&watch->io, loop, fd, on_readable, watch);
	loop_timer_init(&watch->timer, loop, on_settled, watch);
	loop_io_watch(&watch->io, EV_READ);
	return watch;
}

static void
free_directories(struct watch *watch)
{
	for (size_t i = 0; i < watch->directories_count; i++)
		free(watch->directories[i]);
	free(watch->directories);
}

static char *
absolute(const char *path)
{
	char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
	char *out = here == NULL ? mem_strdup(path) : mem_printf("%s/%s", here, path);

	free(here);
	return out;
}

void
watch_set(struct watch *watch, char *const *directories, size_t count)
{
	free_directories(watch);
	watch->directories = mem_alloc(count * sizeof(char *));
	watch->directories_count = count;
	for (size_t i = 0; i < count; i++)
		watch->directories[i] = absolute(directories[i]);
	rescan(watch);
}

void
watch_stop(struct watch **watch)
{
	if (*watch == NULL)
		return;
	loop_io_watch(&(*watch)->io, 0);
	loop_timer_stop(&(*watch)->timer);
	close((*watch)->fd);
	free_directories(*watch);
	free_entries((*watch)->entries, (*watch)->entries_count);
	free(*watch);
	*watch = NULL;
}
