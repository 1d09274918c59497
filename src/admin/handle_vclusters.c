/* SPDX-License-Identifier: Apache-2.0
 *
 * Handlers of /admin/vclusters: list, show, remove, tokens, topics.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "admin/handle.h"
#include "admin/view.h"

#define LIFETIME_MAX_S ((json_int_t)10 * 365 * 24 * 3600)

static const struct snapshot *
snapshot_of(const struct request *request)
{
	return ctl_world(request->ctl)->snap;
}

/* The request's vcluster; NULL and answered 404 where there is none. */
static const struct vcluster *
vcluster_of(struct request *request)
{
	const char *name = request_parameter(request, "vcluster");
	const struct vcluster *vc = snapshot_vcluster(snapshot_of(request), name);

	if (vc == NULL)
		request_fail(request, 404, "There is no vcluster '%s'.", name);
	return vc;
}

void
handle_vclusters_list(struct request *request)
{
	request_answer(request, 200, view_vclusters(snapshot_of(request)));
}

void
handle_vcluster_show(struct request *request)
{
	const struct vcluster *vc = vcluster_of(request);

	if (vc != NULL)
		request_answer(request, 200, view_vcluster(vc));
}

static void
on_removed(void *arg, const struct err *err)
{
	struct request *request = arg;

	if (err != NULL)
		request_fail_err(request, err);
	else
		request_empty(request, 204);
	request_release(request);
}

void
handle_vcluster_remove(struct request *request)
{
	const struct vcluster *vc = vcluster_of(request);

	if (vc != NULL)
		ctl_remove(request->ctl, vc->name, NULL, request->who, on_removed,
			   request_hold(request));
}

void
handle_user_remove(struct request *request)
{
	const struct vcluster *vc = vcluster_of(request);
	const char *user = request_parameter(request, "user");

	if (vc == NULL)
		return;
	if (vcluster_user(vc, user) == NULL) {
		request_fail(request, 404, "vcluster '%s' has no user '%s'.", vc->name, user);
		return;
	}
	ctl_remove(request->ctl, vc->name, user, request->who, on_removed, request_hold(request));
}

/* Reads lifeTimeSeconds; answers 400 and returns false where it is missing or wrong. */
static bool
lifetime_of(struct request *request, json_int_t *out)
{
	json_t *body = request_json(request);
	const json_t *value;

	if (body == NULL)
		return false;
	value = json_object_get(body, "lifeTimeSeconds");
	*out = value != NULL && json_is_integer(value) ? json_integer_value(value) : 0;
	if (value == NULL)
		request_fail(request, 400,
			     "Member 'lifeTimeSeconds' is missing: how many seconds the token is "
			     "good for.");
	else if (!json_is_integer(value))
		request_fail(request, 400, "Member 'lifeTimeSeconds' must be an integer.");
	else if (*out < 1 || *out > LIFETIME_MAX_S)
		request_fail(request, 400,
			     "Member 'lifeTimeSeconds' must be from 1 to %lld (10 years).",
			     (long long)LIFETIME_MAX_S);
	json_decref(body);
	return request->status == 0;
}

static void
on_token(void *arg, const char *token, const struct err *err)
{
	struct request *request = arg;

	if (token == NULL)
		request_fail_err(request, err);
	else
		request_answer(request, 200, json_pack("{s:s}", "token", token));
	request_release(request);
}

void
handle_token_make(struct request *request)
{
	json_int_t lifetime;

	if (lifetime_of(request, &lifetime))
		ctl_token(request->ctl, request_parameter(request, "vcluster"),
			  request_parameter(request, "user"), lifetime, request->who, on_token,
			  request_hold(request));
}

static void
on_topics(void *arg, const char *const *names, size_t count, const struct err *err)
{
	struct request *request = arg;

	if (err != NULL) {
		request_fail_err(request, err);
	} else if (request->ctl != NULL) {
		/* It may have been removed while the cluster was asked. */
		const struct vcluster *vc = vcluster_of(request);

		if (vc != NULL)
			request_answer(request, 200, view_topics(vc, names, count));
	}
	request_release(request);
}

void
handle_topics_list(struct request *request)
{
	const struct vcluster *vc = vcluster_of(request);

	if (vc != NULL)
		ctl_topics(request->ctl, vc->name, on_topics, request_hold(request));
}

/* -- aliases */

static void
on_topic(void *arg, const char *const *names, size_t count, const struct err *err)
{
	struct request *request = arg;
	const char *topic = request_parameter(request, "topic");
	const struct vcluster *vc;
	bool found = false;

	if (err != NULL)
		request_fail_err(request, err);
	else if (request->ctl != NULL && (vc = vcluster_of(request)) != NULL) {
		found = view_has_alias(vc, topic);
		for (size_t i = 0; i < count; i++)
			found = found || strcmp(names[i], topic) == 0;
		if (found)
			request_answer(request, 200, view_topic(vc, topic));
		else
			request_fail(request, 404, "vcluster '%s' has no topic '%s'.", vc->name,
				     topic);
	}
	request_release(request);
}

void
handle_topic_show(struct request *request)
{
	const struct vcluster *vc = vcluster_of(request);

	if (vc != NULL)
		ctl_topics(request->ctl, vc->name, on_topic, request_hold(request));
}

/* An optional boolean of the body; answers 400 and returns false where it is none. */
static bool
flag_of(struct request *request, const json_t *body, const char *name, bool *out)
{
	const json_t *value = json_object_get(body, name);

	*out = json_is_true(value);
	if (value == NULL || json_is_boolean(value))
		return true;
	request_fail(request, 400, "Member '%s' must be true or false.", name);
	return false;
}

/* A member that is misspelt would do the contrary of what was meant: readonly makes a topic
 * writable. Answers 400 and returns false where there is one. */
static bool
check_members(struct request *request, json_t *body)
{
	static const char *const known[] = {"physicalTopicName", "readOnly",    "type",
					    "concentrated",      "autoManaged", "logicalTopicName",
					    "clusterId"};
	const char *name;
	json_t *value;

	json_object_foreach(body, name, value)
	{
		bool is_known = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			is_known = is_known || strcmp(name, known[i]) == 0;
		if (!is_known) {
			request_fail(request, 400,
				     "There is no member '%.64s': physicalTopicName, readOnly and "
				     "type are what counts.",
				     name);
			return false;
		}
	}
	return true;
}

/* What is asked for, as the original says it now and said it before; answers 400 and returns false
 * where it is no alias. */
static bool
alias_of(struct request *request, json_t *body, const char **physical, bool *read_only)
{
	const json_t *name = json_object_get(body, "physicalTopicName");
	const json_t *type = json_object_get(body, "type");
	bool concentrated;

	if (!check_members(request, body) || !flag_of(request, body, "readOnly", read_only) ||
	    !flag_of(request, body, "concentrated", &concentrated))
		return false;
	*physical = json_string_value(name);
	if (name == NULL)
		request_fail(request, 400,
			     "Member 'physicalTopicName' is missing: the topic on the brokers.");
	else if (*physical == NULL)
		request_fail(request, 400, "Member 'physicalTopicName' must be a string.");
	else if (type != NULL && !json_is_string(type))
		request_fail(request, 400, "Member 'type' must be a string.");
	else if (concentrated ||
		 (type != NULL && strcasecmp(json_string_value(type), "alias") != 0))
		request_fail(request, 400,
			     "There are no concentrated topics here: a mapping is an alias.");
	return request->status == 0;
}

static void
on_alias_set(void *arg, const struct err *err)
{
	struct request *request = arg;
	const struct vcluster *vc = NULL;

	if (err != NULL)
		request_fail_err(request, err);
	else if (request->ctl != NULL && (vc = vcluster_of(request)) != NULL) {
		const char *topic = request_parameter(request, "topic");

		if (view_has_alias(vc, topic))
			request_answer(request, 201, view_alias(vc, topic));
		else
			request_fail(request, 404, "The mapping is gone again.");
	}
	request_release(request);
}

void
handle_alias_set(struct request *request)
{
	const struct vcluster *vc = vcluster_of(request);
	json_t *body = vc != NULL ? request_json(request) : NULL;
	const char *physical;
	bool read_only;

	if (body != NULL && alias_of(request, body, &physical, &read_only))
		ctl_alias_set(request->ctl, vc->name, request_parameter(request, "topic"), physical,
			      read_only, request->who, on_alias_set, request_hold(request));
	json_decref(body);
}

void
handle_alias_remove(struct request *request)
{
	const struct vcluster *vc = vcluster_of(request);

	if (vc != NULL)
		ctl_alias_remove(request->ctl, vc->name, request_parameter(request, "topic"),
				 request->who, on_removed, request_hold(request));
}

void
handle_aliases_remove(struct request *request)
{
	const struct vcluster *vc = vcluster_of(request);

	if (vc != NULL)
		ctl_alias_remove(request->ctl, vc->name, NULL, request->who, on_removed,
				 request_hold(request));
}
