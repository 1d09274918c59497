/* SPDX-License-Identifier: Apache-2.0
 *
 * Generated secrets: made once, kept, private; configured ones come first.
 */
#include "scratch.h"
#include "base/log.h"
#include "base/parse.h"
#include "ctl/secrets.h"
#include "ctl/state.h"

struct fixture {
	struct scratch scratch;
	struct settings settings;
	struct secrets secrets;
	char directory[128];
};

static void
setup(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	scratch_make(&f->scratch);
	snprintf(f->directory, sizeof(f->directory), "%s/state", f->scratch.path);
	f->settings.state_dir = f->directory;
}

static unsigned
mode_of(struct fixture *f, const char *name)
{
	struct stat status;

	cr_assert_eq(stat(scratch_path(&f->scratch, name), &status), 0);
	return status.st_mode & 0777;
}

Test(secrets, are_generated_once)
{
	struct fixture f;
	struct secrets again = {0};
	struct err err;
	size_t count;
	const struct admin_user *users;

	setup(&f);
	cr_assert(secrets_complete(&f.secrets, &f.settings, &err), "%s", err.text);
	cr_expect_eq(mode_of(&f, "state"), 0700);
	cr_expect_eq(mode_of(&f, "state/token.key"), 0600);
	cr_expect_eq(mode_of(&f, "state/admin.password"), 0600);
	cr_expect_eq(secrets_keys(&f.secrets, &f.settings, &count)->length, 32);
	cr_expect_eq(count, 1);
	users = secrets_users(&f.secrets, &f.settings, &count);
	cr_expect_eq(count, 1);
	cr_expect_str_eq(users->name, "admin");
	cr_expect_geq(strlen(users->password), 20);
	cr_expect(users->admin);
	cr_assert(secrets_complete(&again, &f.settings, &err));
	cr_expect_arr_eq(again.key_bytes, f.secrets.key_bytes, 32);
	cr_expect_str_eq(again.user.password, users->password);
	scratch_free(&f.scratch);
}

Test(secrets, differ_between_gateways)
{
	struct fixture f, g;
	struct err err;

	setup(&f);
	setup(&g);
	cr_assert(secrets_complete(&f.secrets, &f.settings, &err));
	cr_assert(secrets_complete(&g.secrets, &g.settings, &err));
	cr_expect_neq(memcmp(f.secrets.key_bytes, g.secrets.key_bytes, 32), 0);
	cr_expect_str_neq(f.secrets.user.password, g.secrets.user.password);
	scratch_free(&f.scratch);
	scratch_free(&g.scratch);
}

Test(secrets, configured_ones_come_first)
{
	const struct token_key key = {.bytes = (const uint8_t *)"0123456789", .length = 10};
	const struct admin_user user = {.name = "ops", .password = "x"};
	struct fixture f;
	struct err err;
	size_t count;

	setup(&f);
	f.settings.token_keys = &key;
	f.settings.token_keys_count = 1;
	f.settings.admin_users = &user;
	f.settings.admin_users_count = 1;
	cr_assert(secrets_complete(&f.secrets, &f.settings, &err));
	cr_expect_not(scratch_exists(&f.scratch, "state"), "nothing had to be made");
	cr_expect_eq(secrets_keys(&f.secrets, &f.settings, &count), &key);
	cr_expect_eq(secrets_users(&f.secrets, &f.settings, &count), &user);
	scratch_free(&f.scratch);
}

Test(secrets, a_file_by_hand_is_taken)
{
	struct fixture f;
	struct err err;

	setup(&f);
	mkdir(f.directory, 0700);
	scratch_write(&f.scratch, "state/token.key",
		      "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n");
	scratch_write(&f.scratch, "state/admin.password", "root:with:colons\n");
	cr_assert(secrets_complete(&f.secrets, &f.settings, &err), "%s", err.text);
	cr_expect_arr_eq(f.secrets.key_bytes, "0123456789abcdef0123456789abcdef", 32);
	cr_expect_str_eq(f.secrets.user.name, "root");
	cr_expect_str_eq(f.secrets.user.password, "with:colons");
	scratch_free(&f.scratch);
}

static void
expect_refused(const char *file, const char *text)
{
	struct fixture f;
	struct err err;

	setup(&f);
	mkdir(f.directory, 0700);
	scratch_write(&f.scratch, file, text);
	cr_expect_not(secrets_complete(&f.secrets, &f.settings, &err));
	cr_expect_eq(err.code, ERR_INVALID);
	cr_expect(strstr(err.text, file + 6) != NULL, "%s", err.text);
	cr_expect(strlen(text) < 6 || strstr(err.text, text) == NULL, "the secret is shown");
	cr_expect_str_eq(scratch_read(&f.scratch, file), text, "the file was touched");
	scratch_free(&f.scratch);
}

Test(secrets, broken_files_are_refused_and_kept)
{
	expect_refused("state/token.key", "");
	expect_refused("state/token.key", "c2hvcnRzaG9ydA==");
	expect_refused("state/token.key", "not base64 at all!");
	expect_refused("state/admin.password", "nocolonhere");
	expect_refused("state/admin.password", ":nopassword");
	expect_refused("state/admin.password", "admin:");
}

Test(secrets, no_value_is_logged)
{
	struct fixture f;
	struct err err;
	int fd;
	char key[64];
	const char *log;

	setup(&f);
	fd = open(scratch_path(&f.scratch, "log"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	log_set_fd(fd);
	cr_assert(secrets_complete(&f.secrets, &f.settings, &err));
	log_set_fd(STDERR_FILENO);
	close(fd);
	format_base64url(f.secrets.key_bytes, 32, key, sizeof(key));
	log = scratch_read(&f.scratch, "log");
	cr_expect(strstr(log, "token.key") != NULL, "the log says where");
	cr_expect(strstr(log, "admin.password") != NULL);
	cr_expect(strstr(log, key) == NULL);
	cr_expect(strstr(log, f.secrets.user.password) == NULL);
	scratch_free(&f.scratch);
}

Test(secrets, a_state_directory_that_is_a_file)
{
	struct fixture f;
	struct err err;

	setup(&f);
	scratch_write(&f.scratch, "state", "");
	cr_expect_not(state_make_directory(f.directory, &err));
	cr_expect_not(secrets_complete(&f.secrets, &f.settings, &err));
	cr_expect(strstr(err.text, "state.dir") != NULL, "%s", err.text);
	scratch_free(&f.scratch);
}
