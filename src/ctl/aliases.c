/* SPDX-License-Identifier: Apache-2.0
 *
 * What the admin API does to aliases: checks against the files and the active cluster, then the
 * edit, which is tenant.c's. Start at ctl_alias_set().
 */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/parse.h"
#include "ctl/control.h"

#define TOPIC_MAX_LENGTH 249

/* A mapping that waits for the cluster to say whether the topic is there. */
struct alias_call {
	struct ctl *ctl;
	char *vcluster;
	char *topic;
	char *physical;
	char *who;
	bool read_only;
	done_fn done;
	void *arg;
};

static void
call_free(struct alias_call *call)
{
	free(call->vcluster);
	free(call->topic);
	free(call->physical);
	free(call->who);
	free(call);
}

static bool
check_topic(const char *what, const char *name, struct err *err)
{
	if (name_is_legal(name, TOPIC_MAX_LENGTH) && strcmp(name, ".") != 0 &&
	    strcmp(name, "..") != 0)
		return true;
	return err_set(err, ERR_INVALID,
		       "'%.249s' is no %s of a topic: letters, digits, . _ - (at most %d)", name,
		       what, TOPIC_MAX_LENGTH);
}

static const struct alias *
find_alias(const struct vcluster *vc, const char *topic)
{
	for (size_t i = 0; i < vc->aliases_count; i++) {
		if (strcmp(vc->aliases[i].topic, topic) == 0)
			return &vc->aliases[i];
	}
	return NULL;
}

static bool
check_set(struct ctl *ctl, const char *vcluster, const char *topic, const char *physical,
	  struct err *err)
{
	const struct vcluster *vc = snapshot_vcluster(ctl->snap, vcluster);
	const struct alias *alias;

	if (vc == NULL)
		return err_set(err, ERR_NOT_FOUND, "There is no vcluster '%s'.", vcluster);
	if (!check_topic("name", topic, err) || !check_topic("physical name", physical, err))
		return false;
	alias = find_alias(vc, topic);
	if (alias != NULL && strcmp(alias->physical, physical) != 0)
		return err_set(
		    err, ERR_CONFLICT,
		    "You can't update the physicalTopicName for an existing topic mapping.");
	return true;
}

static bool
is_listed(char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

static void
on_names(void *arg, char *const *names, size_t count, const struct err *probed)
{
	struct alias_call *call = arg;
	struct err err;

	if (probed != NULL) {
		err_set(&err, ERR_UNAVAILABLE,
			"Error when calling backend kafka to verify if topic named %s exists: %s",
			call->physical, probed->text);
		call->done(call->arg, &err);
	} else if (!is_listed(names, count, call->physical)) {
		err_set(&err, ERR_INVALID,
			"Physical topic named %s does not exist in your kafka cluster",
			call->physical);
		call->done(call->arg, &err);
	} else if (!check_set(call->ctl, call->vcluster, call->topic, call->physical, &err)) {
		call->done(call->arg, &err); /* changed while the cluster was asked */
	} else {
		tenant_edit_alias(call->ctl, call->vcluster, call->topic, call->physical,
				  call->read_only, call->who, call->done, call->arg);
	}
	call_free(call);
}

void
ctl_alias_set(struct ctl *ctl, const char *vcluster, const char *topic, const char *physical,
	      bool read_only, const char *who, done_fn done, void *arg)
{
	const struct vcluster *vc;
	struct alias_call *call;
	struct probe *probe;
	struct err err;

	if (!check_set(ctl, vcluster, topic, physical, &err)) {
		done(arg, &err);
		return;
	}
	vc = snapshot_vcluster(ctl->snap, vcluster);
	probe = ctl_probe(
	    ctl, tracks_find(&ctl->tracks, ctl->snap->logicals[vc->logical].name)->cluster);
	if (probe == NULL) {
		err_set(&err, ERR_UNAVAILABLE, "the cluster is not configured any more");
		done(arg, &err);
		return;
	}
	call = mem_zalloc(sizeof(*call));
	*call = (struct alias_call){
	    .ctl = ctl,
	    .vcluster = mem_strdup(vcluster),
	    .topic = mem_strdup(topic),
	    .physical = mem_strdup(physical),
	    .who = mem_strdup(who),
	    .read_only = read_only,
	    .done = done,
	    .arg = arg,
	};
	probe_topics(probe, on_names, call);
}

void
ctl_alias_remove(struct ctl *ctl, const char *vcluster, const char *topic, const char *who,
		 done_fn done, void *arg)
{
	const struct vcluster *vc = snapshot_vcluster(ctl->snap, vcluster);
	struct err err;

	if (vc == NULL)
		err_set(&err, ERR_NOT_FOUND, "There is no vcluster '%s'.", vcluster);
	else if (topic == NULL && vc->aliases_count == 0)
		err_set(&err, ERR_NOT_FOUND, "vcluster '%s' has no topic mappings.", vcluster);
	else if (topic != NULL && find_alias(vc, topic) == NULL)
		err_set(&err, ERR_NOT_FOUND, "vcluster '%s' has no topic mapping '%.249s'.",
			vcluster, topic);
	else {
		tenant_edit_alias(ctl, vcluster, topic, NULL, false, who, done, arg);
		return;
	}
	done(arg, &err);
}
