/* SPDX-License-Identifier: Apache-2.0
 *
 * Generated secrets. Two daemons that start at once on one state directory end with the same ones:
 * the file is made exclusively, and who loses reads the winner's.
 */
#include "ctl/secrets.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "config/edit.h"
#include "ctl/state.h"

#define PASSWORD_BYTES 18
#define FILE_MAX       1024

/* Reads a small file into text, without its last newline. */
static bool
read_file(const char *path, char *text, size_t size, struct err *err)
{
	struct stat status;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s", path,
			       strerror(errno));
	if (fstat(fd, &status) == 0 && (status.st_mode & 077) != 0)
		log_warn("secret.readable", KV_STR("file", path),
			 KV_STR("what", "others can read it; chmod 600"));
	got = read(fd, text, size - 1);
	close(fd);
	if (got <= 0)
		return err_set(err, ERR_INVALID, "%s: %s", path,
			       got == 0 ? "is empty; remove it to have it made anew"
					: strerror(errno));
	text[got] = '\0';
	while (got > 0 && (text[got - 1] == '\n' || text[got - 1] == '\r'))
		text[--got] = '\0';
	return true;
}

/* A random text of `bytes` bytes in base64url. */
static bool
random_text(size_t bytes, char *out, size_t size, struct err *err)
{
	uint8_t random[SECRETS_KEY_BYTES];

	if (getrandom(random, bytes, 0) != (ssize_t)bytes)
		return err_set(err, ERR_IO, "no random bytes from the kernel: %s", strerror(errno));
	format_base64url(random, bytes, out, size);
	explicit_bzero(random, sizeof(random));
	return true;
}

/* Reads the secret; makes it with `prefix` and so many random bytes where there is none. */
static bool
read_or_make(const char *path, const char *prefix, size_t bytes, char *text, size_t size,
	     struct err *err)
{
	char random[64];
	int length;
	bool ok;

	if (read_file(path, text, size, err))
		return true;
	if (err->code != ERR_NOT_FOUND)
		return false;
	if (!random_text(bytes, random, sizeof(random), err))
		return false;
	length = snprintf(text, size, "%s%s\n", prefix, random);
	explicit_bzero(random, sizeof(random));
	ok = edit_write(path, text, (size_t)length, 0600, true, err);
	if (ok)
		log_info("secret.generated", KV_STR("file", path),
			 KV_STR("what", "none was configured"));
	else if (err->code != ERR_CONFLICT)
		return false;
	return read_file(path, text, size, err);
}

static bool
complete_key(struct secrets *secrets, const char *directory, struct err *err)
{
	char *path = mem_printf("%s/token.key", directory);
	char text[FILE_MAX];
	ssize_t length = -1;
	bool ok = read_or_make(path, "", SECRETS_KEY_BYTES, text, sizeof(text), err);

	if (ok) {
		length = parse_base64(text, secrets->key_bytes, sizeof(secrets->key_bytes));
		ok = length >= SECRETS_KEY_BYTES ||
		     err_set(err, ERR_INVALID,
			     "%s: is no base64 text of %d to %zu bytes; remove it to have it made "
			     "anew (tokens then have to be made anew as well)",
			     path, SECRETS_KEY_BYTES, sizeof(secrets->key_bytes));
	}
	explicit_bzero(text, sizeof(text));
	if (ok)
		secrets->key =
		    (struct token_key){.bytes = secrets->key_bytes, .length = (size_t)length};
	free(path);
	return ok;
}

static bool
complete_account(struct secrets *secrets, const char *directory, struct err *err)
{
	char *path = mem_printf("%s/admin.password", directory);
	char *colon = NULL;
	bool ok = read_or_make(path, "admin:", PASSWORD_BYTES, secrets->account,
			       sizeof(secrets->account), err);

	if (ok) {
		colon = strchr(secrets->account, ':');
		ok = (colon != NULL && colon != secrets->account && colon[1] != '\0') ||
		     err_set(err, ERR_INVALID, "%s: must hold one line name:password", path);
	}
	if (ok) {
		*colon = '\0';
		secrets->user = (struct admin_user){
		    .name = secrets->account, .password = colon + 1, .admin = true};
	}
	free(path);
	return ok;
}

bool
secrets_complete(struct secrets *secrets, const struct settings *settings, struct err *err)
{
	bool need_key = settings->token_keys_count == 0 && secrets->key.length == 0;
	bool need_user = settings->admin_users_count == 0 && secrets->user.name == NULL;

	if (!need_key && !need_user)
		return true;
	if (!state_make_directory(settings->state_dir, err))
		return false;
	return (!need_key || complete_key(secrets, settings->state_dir, err)) &&
	       (!need_user || complete_account(secrets, settings->state_dir, err));
}

const struct token_key *
secrets_keys(const struct secrets *secrets, const struct settings *settings, size_t *count)
{
	*count = settings->token_keys_count > 0 ? settings->token_keys_count : 1;
	return settings->token_keys_count > 0 ? settings->token_keys : &secrets->key;
}

const struct admin_user *
secrets_users(const struct secrets *secrets, const struct settings *settings, size_t *count)
{
	*count = settings->admin_users_count > 0 ? settings->admin_users_count : 1;
	return settings->admin_users_count > 0 ? settings->admin_users : &secrets->user;
}

void
secrets_wipe(struct secrets *secrets)
{
	explicit_bzero(secrets, sizeof(*secrets));
}
