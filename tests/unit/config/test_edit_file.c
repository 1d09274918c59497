/* SPDX-License-Identifier: Apache-2.0
 *
 * The editor on the disk: what stays of the old file, what may not be written, what changes
 * underneath.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include "config/edit.h"
#include "config/file.h"
#include "scratch.h"

static struct scratch s;
static char path[256];

static void
setup(void)
{
	scratch_init(&s);
	snprintf(path, sizeof(path), "%s/clusters.yaml", s.dir);
}

static void
teardown(void)
{
	scratch_fini(&s);
}

TestSuite(edit_file, .init = setup, .fini = teardown);

static void
expect_text(const char *file, const char *text)
{
	char *now;
	size_t length;
	struct err err;

	cr_assert(file_read(file, &now, &length, &err), "%s", err.text);
	cr_assert_str_eq(now, text);
	free(now);
}

/* No temporary file may stay behind. */
static void
expect_files(const char *dir, int count)
{
	DIR *d = opendir(dir);
	int found = 0;

	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		found += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	cr_assert_eq(found, count);
}

static const char *const active_path[] = {"active"};
static const struct edit to_failover = {.path = active_path, .depth = 1, .value = "failover"};

Test(edit_file, keeps_mode_and_symlink)
{
	struct err err;
	struct stat st;
	char link[300];

	scratch_write(&s, "clusters.yaml", "active: main # x\n");
	cr_assert(chmod(path, 0640) == 0);
	if (geteuid() == 0)
		cr_assert(chown(path, 12, 34) == 0);
	snprintf(link, sizeof(link), "%s/link.yaml", s.dir);
	cr_assert(symlink("clusters.yaml", link) == 0);
	cr_assert(edit_file(link, &to_failover, false, &err), "%s", err.text);
	expect_text(path, "active: failover # x\n");
	cr_assert(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
	cr_assert(lstat(path, &st) == 0 && S_ISREG(st.st_mode));
	cr_assert_eq(st.st_mode & 07777, 0640);
	if (geteuid() == 0)
		cr_assert(st.st_uid == 12 && st.st_gid == 34);
	expect_files(s.dir, 3);
}

Test(edit_file, nothing_to_change_leaves_the_file_alone)
{
	struct err err;
	struct stat before;
	struct stat after;

	scratch_write(&s, "clusters.yaml", "active: failover\n");
	cr_assert(stat(path, &before) == 0);
	cr_assert(edit_file(path, &to_failover, false, &err));
	cr_assert(stat(path, &after) == 0);
	cr_assert_eq(before.st_ino, after.st_ino);
}

Test(edit_file, missing)
{
	static const char *const user_path[] = {"users", "sa"};
	struct edit edit = {.path = user_path, .depth = 2, .value = "{}", .raw = true};
	char file[300];
	char folder[300];
	struct err err;

	cr_assert_not(edit_file(path, &to_failover, false, &err));
	cr_assert_eq(err.code, ERR_NOT_FOUND);
	snprintf(folder, sizeof(folder), "%s/new", s.dir);
	snprintf(file, sizeof(file), "%s/new/teamA.yaml", s.dir);
	cr_assert(edit_file(file, &edit, true, &err), "%s", err.text);
	expect_text(file, "users:\n  sa: {}\n");
	expect_files(folder, 1);
}

Test(edit_file, faulty_file_is_left_alone)
{
	struct err err;

	scratch_write(&s, "clusters.yaml", "active: [\n");
	cr_assert_not(edit_file(path, &to_failover, false, &err));
	cr_assert_eq(err.code, ERR_INVALID);
	cr_assert_neq(strstr(err.text, "clusters.yaml"), NULL);
	expect_text(path, "active: [\n");
}

/* Root may write everywhere: become somebody else, and give the folder no write bit. */
Test(edit_file, read_only_says_which_line_to_write)
{
	char expected[480];
	struct err err;

	scratch_write(&s, "clusters.yaml", "active: main\n");
	cr_assert(chmod(s.dir, 0555) == 0);
	if (geteuid() == 0)
		cr_assert(seteuid(65534) == 0);
	snprintf(expected, sizeof(expected),
		 "%s cannot be written (Permission denied): put this line there by hand: active: "
		 "failover",
		 path);
	cr_assert_not(edit_file(path, &to_failover, false, &err));
	cr_assert_eq(err.code, ERR_READ_ONLY);
	cr_assert_str_eq(err.text, expected);
	cr_assert_not(edit_is_writable(path, "active: failover", &err));
	cr_assert_eq(err.code, ERR_READ_ONLY);
	cr_assert_str_eq(err.text, expected);
	cr_assert_not(edit_remove(path, &err));
	cr_assert_eq(err.code, ERR_READ_ONLY);
	cr_assert_not(edit_write(path, "x", 1, 0600, false, &err));
	cr_assert_eq(err.code, ERR_READ_ONLY);
	if (getuid() == 0)
		cr_assert(seteuid(0) == 0);
	cr_assert(chmod(s.dir, 0755) == 0);
	cr_assert(edit_is_writable(path, NULL, &err));
	expect_text(path, "active: main\n");
	expect_files(s.dir, 2);
}

Test(edit_file, whole_files)
{
	struct err err;
	struct stat st;

	cr_assert(edit_write(path, "secret", 6, 0600, true, &err), "%s", err.text);
	cr_assert(stat(path, &st) == 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(st.st_nlink, 1);
	cr_assert_not(edit_write(path, "other", 5, 0600, true, &err));
	cr_assert_eq(err.code, ERR_CONFLICT);
	expect_text(path, "secret");
	cr_assert(edit_write(path, "other", 5, 0644, false, &err));
	expect_text(path, "other");
	cr_assert(stat(path, &st) == 0);
	cr_assert_eq(st.st_mode & 07777, 0644);
	expect_files(s.dir, 2);
	cr_assert(edit_remove(path, &err));
	cr_assert_not(edit_remove(path, &err));
	cr_assert_eq(err.code, ERR_NOT_FOUND);
}

Test(edit_file, active)
{
	struct err err;

	scratch_write(&s, "clusters.yaml", "# c\n\nconfig: {}\n");
	cr_assert(edit_active(path, "main", "b", &err));
	expect_text(path, "# c\n\nactive: b\nconfig: {}\n");
	cr_assert(edit_active(path, "main", "a", &err));
	expect_text(path, "# c\n\nactive: a\nconfig: {}\n");
	cr_assert(edit_active(path, "eu", "b", &err));
	expect_text(path, "# c\n\nactive: {main: a, eu: b}\nconfig: {}\n");
	cr_assert(edit_active(path, "main", "c", &err));
	expect_text(path, "# c\n\nactive: {main: c, eu: b}\nconfig: {}\n");
	cr_assert(edit_active(path, "us", "c", &err));
	expect_text(path, "# c\n\nactive: {main: c, eu: b, us: c}\nconfig: {}\n");
	scratch_write(&s, "clusters.yaml", "config: {}\n");
	cr_assert(edit_active(path, "eu", "b", &err));
	expect_text(path, "active: {eu: b}\nconfig: {}\n");
	scratch_write(&s, "clusters.yaml", "active:\n    eu: b # x\nconfig: {}\n");
	cr_assert(edit_active(path, "main", "b", &err));
	expect_text(path, "active:\n    eu: b # x\n    main: b\nconfig: {}\n");
	cr_assert(unlink(path) == 0);
	cr_assert(edit_active(path, "main", "b", &err));
	expect_text(path, "active: b\n");
}

static atomic_bool stop;

/* A human (or a script) who saves the file all the time. */
static void *
keep_writing(void *unused)
{
	for (int i = 0; !atomic_load(&stop); i++) {
		char text[64];
		char temporary[300];
		FILE *out;

		snprintf(temporary, sizeof(temporary), "%s.theirs", path);
		snprintf(text, sizeof(text), "count: %d\n", i);
		out = fopen(temporary, "w");
		fputs(text, out);
		fclose(out);
		rename(temporary, path);
	}
	return unused;
}

Test(edit_file, a_file_that_keeps_changing)
{
	pthread_t thread;
	int done = 0;
	int conflicts = 0;

	scratch_write(&s, "clusters.yaml", "count: 0\n");
	cr_assert(pthread_create(&thread, NULL, keep_writing, NULL) == 0);
	for (int i = 0; i < 50; i++) {
		struct err err = {0};

		if (edit_file(path, &to_failover, false, &err)) {
			done++;
		} else {
			cr_assert_eq(err.code, ERR_CONFLICT, "%s", err.text);
			conflicts++;
		}
	}
	atomic_store(&stop, true);
	cr_assert(pthread_join(thread, NULL) == 0);
	cr_assert_eq(done + conflicts, 50);
	expect_files(s.dir, 2);
}
