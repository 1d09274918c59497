/* SPDX-License-Identifier: Apache-2.0
 *
 * What the admin API does to tenants: tokens (with the vcluster and the user written into the files
 * where they are new), removal, and the list of topics. A change of files is one operation of the
 * queue: edit, then the same reload as any other; what the loader refuses is taken back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "auth/jwt.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "config/edit.h"
#include "ctl/control.h"

#define NAME_MAX_LENGTH 128

enum undo { UNDO_NOTHING, UNDO_FILE, UNDO_USER, UNDO_ALIAS };

/* A change of a tenant's file. */
struct tenant_edit {
	struct op op;
	struct ctl *ctl;
	char *vcluster;
	char *user;    /* NULL: the whole vcluster */
	bool is_alias; /* of aliases: */
	char *topic;   /* NULL: all of them */
	char *physical;
	bool read_only;
	char *who;
	char *path; /* of the file */
	bool remove;
	int64_t lifetime_s;
	enum undo undo;
	struct err err;
	token_done_fn token_done;
	done_fn done;
	void *arg;
};

/* -- tokens */

static void
make_token(struct ctl *ctl, const char *vcluster, const char *user, int64_t lifetime_s,
	   token_done_fn done, void *arg)
{
	size_t count;
	const struct token_key *keys = secrets_keys(&ctl->secrets, &ctl->snap->settings, &count);
	char *token = NULL;
	struct err err = {0};

	if (!token_make(&keys[0], vcluster, user, clock_wall_s(), lifetime_s, &token, &err)) {
		done(arg, NULL, &err);
		return;
	}
	done(arg, token, NULL);
	mem_free_secret(token);
}

/* -- the operation */

static void
edit_free(struct tenant_edit *edit)
{
	free(edit->vcluster);
	free(edit->user);
	free(edit->topic);
	free(edit->physical);
	free(edit->who);
	free(edit->path);
	free(edit);
}

/* Tells who waits, and ends the operation. */
static void
edit_end(struct tenant_edit *edit)
{
	struct ctl *ctl = edit->ctl;
	const struct err *err = edit->err.code != ERR_NONE ? &edit->err : NULL;

	log_at(err != NULL ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
	       edit->remove ? "tenant.remove" : "tenant.add", KV_STR("who", edit->who),
	       KV_STR("vcluster", edit->vcluster), KV_STR("user", edit->user),
	       KV_STR("topic", edit->topic), KV_STR("physical", edit->physical),
	       KV_STR("why", err != NULL ? err->text : NULL));
	if (edit->token_done != NULL && err != NULL)
		edit->token_done(edit->arg, NULL, err);
	else if (edit->token_done != NULL)
		make_token(ctl, edit->vcluster, edit->user, edit->lifetime_s, edit->token_done,
			   edit->arg);
	else if (edit->done != NULL)
		edit->done(edit->arg, err);
	opqueue_finish(ctl->queue, &edit->op);
	edit_free(edit);
}

static void
edit_drop(struct op *op)
{
	struct tenant_edit *edit = CONTAINER_OF(op, struct tenant_edit, op);
	struct err err;

	err_set(&err, ERR_CONFLICT, "the gateway is shutting down");
	if (edit->token_done != NULL)
		edit->token_done(edit->arg, NULL, &err);
	else if (edit->done != NULL)
		edit->done(edit->arg, &err);
	edit_free(edit);
}

static bool
edit_user(const char *path, const char *user, bool remove, struct err *err)
{
	const char *const keys[] = {"users", user};
	const struct edit edit = {.path = keys,
				  .depth = 2,
				  .value = remove ? NULL : "{}",
				  .raw = true,
				  .is_new = !remove};

	return edit_file(path, &edit, false, err);
}

/* Writes an alias, or just what of it changes; takes it, or all, out. */
static bool
edit_alias(const char *path, const char *topic, const char *physical, const char *read_only,
	   struct err *err)
{
	const char *const keys[] = {"topics", topic, "read.only"};
	struct edit edit = {.path = keys, .depth = topic != NULL ? 2 : 1, .raw = true};
	char *value = NULL;
	bool ok;

	if (physical != NULL)
		value = mem_printf("{physical: \"%s\"%s%s}", physical,
				   read_only != NULL ? ", read.only: " : "",
				   read_only != NULL ? read_only : "");
	else if (read_only != NULL)
		edit.depth = 3;
	edit.value = value != NULL ? value : read_only;
	edit.is_new = physical != NULL;
	ok = edit_file(path, &edit, false, err);
	free(value);
	return ok;
}

static const struct alias *
alias_of(const struct vcluster *vc, const char *topic)
{
	for (size_t i = 0; topic != NULL && i < vc->aliases_count; i++) {
		if (strcmp(vc->aliases[i].topic, topic) == 0)
			return &vc->aliases[i];
	}
	return NULL;
}

static bool
apply_alias(struct tenant_edit *edit, const struct vcluster *vc, bool *changed)
{
	const struct alias *alias = alias_of(vc, edit->topic);

	if (edit->remove)
		return edit_alias(edit->path, edit->topic, NULL, NULL, &edit->err);
	if (alias == NULL) {
		edit->undo = UNDO_ALIAS;
		return edit_alias(edit->path, edit->topic, edit->physical,
				  edit->read_only ? "true" : NULL, &edit->err);
	}
	*changed = alias->read_only != edit->read_only;
	return !*changed || edit_alias(edit->path, edit->topic, NULL,
				       edit->read_only ? "true" : "false", &edit->err);
}

/* A vcluster that nobody knows yet. */
static bool
write_vcluster(struct tenant_edit *edit)
{
	const char *directory = edit->ctl->snap->settings.vclusters_dir;
	char *text;
	bool ok;

	if (mkdir(directory, 0755) != 0 && errno != EEXIST)
		return err_set(&edit->err,
			       errno == EROFS || errno == EACCES ? ERR_READ_ONLY : ERR_IO,
			       "%s: cannot be made: %s; write %s there with the line "
			       "users: {%s: {}}",
			       directory, strerror(errno), edit->path, edit->user);
	text = mem_printf("# vcluster %s, made through the admin API\n"
			  "prefix: \"%s\"\n"
			  "users:\n"
			  "  \"%s\": {}\n",
			  edit->vcluster, edit->vcluster, edit->user);
	ok = edit_write(edit->path, text, strlen(text), 0644, true, &edit->err);
	free(text);
	if (!ok && edit->err.code == ERR_CONFLICT)
		return err_set(&edit->err, ERR_CONFLICT,
			       "%s exists but is not in force: see the faults of the configuration",
			       edit->path);
	edit->undo = UNDO_FILE;
	return ok;
}

/* Brings the files to where they should be; changed says whether there was anything to do. */
static bool
apply(struct tenant_edit *edit, bool *changed)
{
	const struct vcluster *vc = snapshot_vcluster(edit->ctl->snap, edit->vcluster);

	*changed = true;
	edit->path = vc != NULL ? mem_strdup(vc->file)
				: mem_printf("%s/%s.yaml", edit->ctl->snap->settings.vclusters_dir,
					     edit->vcluster);
	if (edit->is_alias && vc != NULL)
		return apply_alias(edit, vc, changed);
	if (edit->is_alias)
		return err_set(&edit->err, ERR_NOT_FOUND, "there is no vcluster %s",
			       edit->vcluster);
	if (edit->remove && (vc == NULL || (edit->user != NULL && !vcluster_user(vc, edit->user))))
		return err_set(&edit->err, ERR_NOT_FOUND, "there is no %s%s%s", edit->vcluster,
			       edit->user != NULL ? "/" : "", edit->user != NULL ? edit->user : "");
	if (edit->remove && edit->user == NULL)
		return edit_remove(edit->path, &edit->err);
	if (edit->remove)
		return edit_user(edit->path, edit->user, true, &edit->err);
	if (vc == NULL)
		return write_vcluster(edit);
	*changed = vcluster_user(vc, edit->user) == NULL;
	edit->undo = UNDO_USER;
	return !*changed || edit_user(edit->path, edit->user, false, &edit->err);
}

static void
undo(struct tenant_edit *edit)
{
	struct err err = {0};
	bool ok = true;

	if (edit->undo == UNDO_FILE)
		ok = edit_remove(edit->path, &err);
	else if (edit->undo == UNDO_USER)
		ok = edit_user(edit->path, edit->user, true, &err);
	else if (edit->undo == UNDO_ALIAS)
		ok = edit_alias(edit->path, edit->topic, NULL, NULL, &err);
	if (!ok)
		log_error("tenant.not_undone", KV_STR("file", edit->path), KV_STR("why", err.text),
			  KV_STR("what", "repair the file by hand"));
}

static const char *
first_error(const struct faults *faults, char *out, size_t size)
{
	for (size_t i = 0; i < faults_count(faults); i++)
		if (faults_at(faults, i)->severity == FAULT_ERROR)
			return fault_format(faults_at(faults, i), out, size);
	return "unknown";
}

static void
on_undone(void *arg, const struct reload_result *result)
{
	(void)result;
	edit_end(arg);
}

static void
on_reloaded(void *arg, const struct reload_result *result)
{
	struct tenant_edit *edit = arg;
	char text[400];

	if (result->errors == 0) {
		edit_end(edit);
		return;
	}
	err_set(&edit->err, ERR_CONFLICT, "the configuration was refused: %s",
		first_error(edit->ctl->loaded, text, sizeof(text)));
	undo(edit);
	reload_begin(edit->ctl, edit->who, on_undone, edit);
}

static void
edit_run(struct op *op)
{
	struct tenant_edit *edit = CONTAINER_OF(op, struct tenant_edit, op);
	bool changed;

	if (!apply(edit, &changed) || !changed)
		edit_end(edit);
	else
		reload_begin(edit->ctl, edit->who, on_reloaded, edit);
}

static struct tenant_edit *
edit_new(struct ctl *ctl, const char *vcluster, const char *user, const char *who)
{
	struct tenant_edit *edit = mem_zalloc(sizeof(*edit));

	edit->op.kind = OP_EDIT;
	edit->op.run = edit_run;
	edit->op.drop = edit_drop;
	edit->ctl = ctl;
	edit->vcluster = mem_strdup(vcluster);
	edit->user = user != NULL ? mem_strdup(user) : NULL;
	edit->who = mem_strdup(who);
	return edit;
}

static bool
check_names(const char *vcluster, const char *user, struct err *err)
{
	if (!name_is_legal(vcluster, NAME_MAX_LENGTH))
		return err_set(err, ERR_INVALID,
			       "%s is no name of a vcluster: letters, digits, . _ - (at most %d)",
			       vcluster, NAME_MAX_LENGTH);
	if (vcluster[0] == '.')
		return err_set(err, ERR_INVALID,
			       "%s is no name of a vcluster: files whose names begin with a dot "
			       "are passed over",
			       vcluster);
	if (user != NULL && !name_is_legal(user, NAME_MAX_LENGTH))
		return err_set(err, ERR_INVALID,
			       "%s is no name of a user: letters, digits, . _ - (at most %d)", user,
			       NAME_MAX_LENGTH);
	return true;
}

void
ctl_token(struct ctl *ctl, const char *vcluster, const char *user, int64_t lifetime_s,
	  const char *who, token_done_fn done, void *arg)
{
	const struct vcluster *vc = snapshot_vcluster(ctl->snap, vcluster);
	struct tenant_edit *edit;
	struct err err;

	if (!check_names(vcluster, user, &err) ||
	    (lifetime_s < 1 &&
	     !err_set(&err, ERR_INVALID, "the token's life must be 1 second or more"))) {
		done(arg, NULL, &err);
		return;
	}
	if (vc != NULL && vcluster_user(vc, user) != NULL) {
		make_token(ctl, vcluster, user, lifetime_s, done, arg);
		return;
	}
	edit = edit_new(ctl, vcluster, user, who);
	edit->lifetime_s = lifetime_s;
	edit->token_done = done;
	edit->arg = arg;
	if (opqueue_add(ctl->queue, &edit->op, &err))
		return;
	edit_free(edit);
	done(arg, NULL, &err);
}

void
ctl_remove(struct ctl *ctl, const char *vcluster, const char *user, const char *who, done_fn done,
	   void *arg)
{
	struct tenant_edit *edit;
	struct err err;

	if (!check_names(vcluster, user, &err)) {
		done(arg, &err);
		return;
	}
	edit = edit_new(ctl, vcluster, user, who);
	edit->remove = true;
	edit->done = done;
	edit->arg = arg;
	if (opqueue_add(ctl->queue, &edit->op, &err))
		return;
	edit_free(edit);
	done(arg, &err);
}

void
tenant_edit_alias(struct ctl *ctl, const char *vcluster, const char *topic, const char *physical,
		  bool read_only, const char *who, done_fn done, void *arg)
{
	struct tenant_edit *edit = edit_new(ctl, vcluster, NULL, who);
	struct err err;

	edit->is_alias = true;
	edit->remove = physical == NULL;
	edit->topic = topic != NULL ? mem_strdup(topic) : NULL;
	edit->physical = physical != NULL ? mem_strdup(physical) : NULL;
	edit->read_only = read_only;
	edit->done = done;
	edit->arg = arg;
	if (opqueue_add(ctl->queue, &edit->op, &err))
		return;
	edit_free(edit);
	done(arg, &err);
}

/* -- topics */

struct topics_call {
	struct snapshot *snap;
	const struct vcluster *vc; /* of snap */
	topics_done_fn done;
	void *arg;
	const char **names;
	size_t count;
	size_t capacity;
};

static void
add_name(struct topics_call *call, const char *name)
{
	call->names = mem_grow(call->names, &call->capacity, call->count + 1, sizeof(const char *));
	call->names[call->count++] = name;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Physical names to the tenant's own; an alias hides a topic of the same name. */
static void
pick_names(struct topics_call *call, char *const *physical, size_t count)
{
	size_t prefix = strlen(call->vc->prefix);
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (strncmp(physical[i], call->vc->prefix, prefix) == 0 &&
		    physical[i][prefix] != '\0')
			add_name(call, physical[i] + prefix);
		for (size_t j = 0; j < call->vc->aliases_count; j++)
			if (strcmp(physical[i], call->vc->aliases[j].physical) == 0)
				add_name(call, call->vc->aliases[j].topic);
	}
	if (call->count == 0)
		return;
	qsort(call->names, call->count, sizeof(const char *), compare_names);
	for (size_t i = 0; i < call->count; i++)
		if (kept == 0 || strcmp(call->names[kept - 1], call->names[i]) != 0)
			call->names[kept++] = call->names[i];
	call->count = kept;
}

static void
on_topics(void *arg, char *const *names, size_t count, const struct err *err)
{
	struct topics_call *call = arg;

	if (err == NULL)
		pick_names(call, names, count);
	call->done(call->arg, call->names, call->count, err);
	snapshot_unref(&call->snap);
	free(call->names);
	free(call);
}

void
ctl_topics(struct ctl *ctl, const char *vcluster, topics_done_fn done, void *arg)
{
	const struct vcluster *vc = snapshot_vcluster(ctl->snap, vcluster);
	struct topics_call *call;
	struct probe *probe;
	struct err err;

	if (vc == NULL) {
		err_set(&err, ERR_NOT_FOUND, "there is no vcluster %s", vcluster);
		done(arg, NULL, 0, &err);
		return;
	}
	probe = ctl_probe(
	    ctl, tracks_find(&ctl->tracks, ctl->snap->logicals[vc->logical].name)->cluster);
	if (probe == NULL) {
		err_set(&err, ERR_UNAVAILABLE, "the cluster is not configured any more");
		done(arg, NULL, 0, &err);
		return;
	}
	call = mem_zalloc(sizeof(*call));
	call->snap = snapshot_ref(ctl->snap);
	call->vc = vc;
	call->done = done;
	call->arg = arg;
	probe_topics(probe, on_topics, call);
}
