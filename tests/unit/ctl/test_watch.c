/* SPDX-License-Identifier: Apache-2.0
 *
 * Every way in which people and tools replace a file ends in a call; nothing else does.
 */
#include "scratch.h"
#include "base/clock.h"
#include "ctl/watch.h"

/* So long nothing may come where nothing is to come. */
#define QUIET_MS 300

struct fixture {
	struct scratch scratch;
	struct loop *loop;
	struct watch *watch;
	struct loop_timer timer;
	bool timed_out;
	unsigned calls;
};

static void
on_changed(void *arg)
{
	((struct fixture *)arg)->calls++;
}

static void
on_timeout(void *arg)
{
	((struct fixture *)arg)->timed_out = true;
}

static void
start(struct fixture *f, const char *const *names, size_t count)
{
	char *paths[4];
	struct err err;

	f->loop = loop_new();
	loop_timer_init(&f->timer, f->loop, on_timeout, f);
	f->watch = watch_start(f->loop, on_changed, f, &err);
	cr_assert_not_null(f->watch);
	for (size_t i = 0; i < count; i++)
		paths[i] = strdup(scratch_path(&f->scratch, names[i]));
	watch_set(f->watch, paths, count);
	for (size_t i = 0; i < count; i++)
		free(paths[i]);
}

static void
setup(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	scratch_make(&f->scratch);
	mkdir(scratch_path(&f->scratch, "etc"), 0700);
	scratch_write(&f->scratch, "etc/a.yaml", "a");
	start(f, (const char *const[]){"etc"}, 1);
}

static void
teardown(struct fixture *f)
{
	watch_stop(&f->watch);
	loop_free(&f->loop);
	scratch_free(&f->scratch);
}

/* Waits for a call; fails the test when none comes. Then for quiet, so that the next starts clean.
 */
static void
expect_call(struct fixture *f, const char *what)
{
	unsigned before = f->calls;

	f->timed_out = false;
	loop_timer_start(&f->timer, 10000, 0);
	while (f->calls == before && !f->timed_out)
		loop_turn(f->loop, true);
	cr_assert_gt(f->calls, before, "no call after: %s", what);
	do {
		before = f->calls;
		f->timed_out = false;
		loop_timer_start(&f->timer, QUIET_MS, 0);
		while (!f->timed_out)
			loop_turn(f->loop, true);
	} while (f->calls != before);
}

static void
expect_quiet(struct fixture *f, const char *what)
{
	unsigned before = f->calls;

	f->timed_out = false;
	loop_timer_start(&f->timer, QUIET_MS, 0);
	while (!f->timed_out)
		loop_turn(f->loop, true);
	cr_expect_eq(f->calls, before, "a call after: %s", what);
}

static void
move(struct fixture *f, const char *from, const char *to)
{
	cr_assert_eq(rename(scratch_path(&f->scratch, from), scratch_path(&f->scratch, to)), 0);
}

static void
link_to(struct fixture *f, const char *target, const char *name)
{
	cr_assert_eq(symlink(target, scratch_path(&f->scratch, name)), 0);
}

Test(watch, files_written_renamed_removed)
{
	struct fixture f;

	setup(&f);
	expect_quiet(&f, "nothing");
	scratch_write(&f.scratch, "etc/a.yaml", "b");
	expect_call(&f, "written in place");
	scratch_write(&f.scratch, "etc/.new", "c");
	expect_call(&f, "a new file");
	move(&f, "etc/.new", "etc/a.yaml");
	expect_call(&f, "replaced by rename");
	unlink(scratch_path(&f.scratch, "etc/a.yaml"));
	expect_call(&f, "removed");
	cr_assert_eq(access(scratch_path(&f.scratch, "etc/a.yaml"), F_OK), -1);
	scratch_read(&f.scratch, "etc/a.yaml");
	expect_quiet(&f, "reading");
	teardown(&f);
}

Test(watch, a_storm_is_one_call)
{
	struct fixture f;

	setup(&f);
	for (unsigned i = 0; i < 100; i++)
		scratch_write(&f.scratch, "etc/a.yaml", "x");
	expect_call(&f, "a hundred writes");
	cr_expect_leq(f.calls, 3);
	teardown(&f);
}

Test(watch, a_file_that_stays_open)
{
	struct fixture f;
	int fd;

	setup(&f);
	fd = open(scratch_path(&f.scratch, "etc/a.yaml"), O_WRONLY | O_APPEND | O_CLOEXEC);
	cr_assert_eq(write(fd, "more", 4), 4);
	expect_call(&f, "written, not closed");
	close(fd);
	teardown(&f);
}

Test(watch, the_directory_is_replaced)
{
	struct fixture f;

	setup(&f);
	mkdir(scratch_path(&f.scratch, "next"), 0700);
	scratch_write(&f.scratch, "next/a.yaml", "b");
	expect_quiet(&f, "a neighbour that is not watched");
	move(&f, "etc", "old");
	expect_call(&f, "the directory moved away");
	move(&f, "next", "etc");
	expect_call(&f, "another one in its place");
	scratch_write(&f.scratch, "etc/a.yaml", "c");
	expect_call(&f, "written in the new one");
	scratch_write(&f.scratch, "old/a.yaml", "c");
	expect_quiet(&f, "written in the old one");
	teardown(&f);
}

Test(watch, the_directory_goes_and_comes)
{
	struct fixture f;

	setup(&f);
	unlink(scratch_path(&f.scratch, "etc/a.yaml"));
	rmdir(scratch_path(&f.scratch, "etc"));
	expect_call(&f, "the directory removed");
	mkdir(scratch_path(&f.scratch, "etc"), 0700);
	expect_call(&f, "made again");
	scratch_write(&f.scratch, "etc/a.yaml", "c");
	expect_call(&f, "written in it");
	teardown(&f);
}

Test(watch, a_directory_that_is_not_there_yet)
{
	struct fixture f;

	memset(&f, 0, sizeof(f));
	scratch_make(&f.scratch);
	start(&f, (const char *const[]){"far/etc/vclusters"}, 1);
	mkdir(scratch_path(&f.scratch, "far"), 0700);
	expect_call(&f, "its grandparent made");
	mkdir(scratch_path(&f.scratch, "far/etc"), 0700);
	expect_call(&f, "its parent made");
	mkdir(scratch_path(&f.scratch, "far/etc/vclusters"), 0700);
	expect_call(&f, "made");
	scratch_write(&f.scratch, "far/etc/vclusters/a.yaml", "a");
	expect_call(&f, "written in it");
	teardown(&f);
}

/* As Kubernetes updates a ConfigMap: etc/a.yaml -> ..data/a.yaml, ..data -> ..1, then ..2. */
Test(watch, a_symlink_in_the_directory_is_swapped)
{
	struct fixture f;

	memset(&f, 0, sizeof(f));
	scratch_make(&f.scratch);
	mkdir(scratch_path(&f.scratch, "etc"), 0700);
	mkdir(scratch_path(&f.scratch, "etc/..1"), 0700);
	mkdir(scratch_path(&f.scratch, "etc/..2"), 0700);
	scratch_write(&f.scratch, "etc/..1/a.yaml", "1");
	scratch_write(&f.scratch, "etc/..2/a.yaml", "2");
	link_to(&f, "..1", "etc/..data");
	link_to(&f, "..data/a.yaml", "etc/a.yaml");
	start(&f, (const char *const[]){"etc"}, 1);
	link_to(&f, "..2", "etc/..tmp");
	expect_call(&f, "a symlink made");
	move(&f, "etc/..tmp", "etc/..data");
	expect_call(&f, "the symlink swapped");
	cr_expect_str_eq(scratch_read(&f.scratch, "etc/a.yaml"), "2");
	scratch_write(&f.scratch, "etc/..2/a.yaml", "3");
	expect_call(&f, "the file behind it written");
	teardown(&f);
}

/* As git-sync does: the directory itself is a symlink. */
Test(watch, the_directory_is_a_symlink_that_is_swapped)
{
	struct fixture f;

	memset(&f, 0, sizeof(f));
	scratch_make(&f.scratch);
	mkdir(scratch_path(&f.scratch, "1"), 0700);
	mkdir(scratch_path(&f.scratch, "2"), 0700);
	scratch_write(&f.scratch, "1/a.yaml", "1");
	scratch_write(&f.scratch, "2/a.yaml", "2");
	link_to(&f, "1", "etc");
	start(&f, (const char *const[]){"etc"}, 1);
	scratch_write(&f.scratch, "1/a.yaml", "1b");
	expect_call(&f, "written behind the symlink");
	link_to(&f, "2", "tmp");
	move(&f, "tmp", "etc");
	expect_call(&f, "the symlink swapped");
	scratch_write(&f.scratch, "2/a.yaml", "2b");
	expect_call(&f, "written behind the new one");
	teardown(&f);
}

Test(watch, a_file_that_is_a_symlink_to_elsewhere)
{
	struct fixture f;

	memset(&f, 0, sizeof(f));
	scratch_make(&f.scratch);
	mkdir(scratch_path(&f.scratch, "etc"), 0700);
	mkdir(scratch_path(&f.scratch, "data"), 0700);
	scratch_write(&f.scratch, "data/real.yaml", "1");
	link_to(&f, "../data/real.yaml", "etc/a.yaml");
	start(&f, (const char *const[]){"etc"}, 1);
	scratch_write(&f.scratch, "data/real.yaml", "2");
	expect_call(&f, "the file behind the symlink written");
	scratch_write(&f.scratch, "data/other.yaml", "2");
	expect_quiet(&f, "another file beside it");
	scratch_write(&f.scratch, "data/next.yaml", "3");
	move(&f, "data/next.yaml", "data/real.yaml");
	expect_call(&f, "the file behind the symlink replaced");
	teardown(&f);
}

Test(watch, other_directories_can_be_set)
{
	struct fixture f;
	char *path;

	setup(&f);
	mkdir(scratch_path(&f.scratch, "other"), 0700);
	path = strdup(scratch_path(&f.scratch, "other"));
	watch_set(f.watch, &path, 1);
	free(path);
	scratch_write(&f.scratch, "other/a.yaml", "2");
	expect_call(&f, "written in the new one");
	scratch_write(&f.scratch, "etc/a.yaml", "2");
	expect_quiet(&f, "written in the old one");
	teardown(&f);
}
