/* SPDX-License-Identifier: Apache-2.0
 *
 * The state file in JSON:
 *   {"version": 1,
 *    "logicals": {"main": {"cluster": "failover", "generation": 3}},
 *    "clusters": {"main": {"kafka_cluster_id": "...", "slots": [{"id": 1, "host": "k1", "port":
 * 9092}], "apis": {"0": [0, 11]}}}} It is read strictly: a value of the wrong kind makes the whole
 * file unusable, since half of it could give a broker another port than clients know.
 */
#include "ctl/state.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "config/edit.h"

#define STATE_VERSION 1
#define SLOTS_MAX     4096

bool
state_make_directory(const char *directory, struct err *err)
{
	struct stat status;

	if (mkdir(directory, 0700) == 0)
		return true;
	if (errno == EEXIST && stat(directory, &status) == 0 && S_ISDIR(status.st_mode))
		return true;
	return err_set(err, ERR_IO,
		       "%s: cannot make the state directory: %s; set state.dir or --state-dir",
		       directory, strerror(errno == EEXIST ? ENOTDIR : errno));
}

/* -- reading */

static bool
read_range(struct member *member, const char *key, json_t *pair)
{
	int64_t number;
	json_int_t min = json_integer_value(json_array_get(pair, 0));
	json_int_t max = json_integer_value(json_array_get(pair, 1));

	if (!parse_i64(key, 0, WORLD_API_KEYS - 1, &number) || json_array_size(pair) != 2 ||
	    !json_is_integer(json_array_get(pair, 0)) ||
	    !json_is_integer(json_array_get(pair, 1)) || min < 0 || max < min || max > INT16_MAX)
		return false;
	member->apis[number] = (struct api_range){.min = (int16_t)min, .max = (int16_t)max};
	return true;
}

static bool
read_apis(struct member *member, json_t *apis)
{
	const char *key;
	json_t *pair;

	if (apis == NULL)
		return true;
	if (!json_is_object(apis))
		return false;
	for (int i = 0; i < WORLD_API_KEYS; i++)
		member->apis[i] = (struct api_range){.min = 0, .max = -1};
	json_object_foreach(apis, key, pair)
	{
		if (!read_range(member, key, pair))
			return false;
	}
	member->apis_known = true;
	return true;
}

static bool
read_slot(struct member *member, json_t *slot)
{
	json_t *id = json_object_get(slot, "id");
	json_t *port = json_object_get(slot, "port");
	const char *host = json_string_value(json_object_get(slot, "host"));

	if (!json_is_integer(id) || json_integer_value(id) < 0 ||
	    json_integer_value(id) > INT32_MAX || !json_is_integer(port) ||
	    json_integer_value(port) < 0 || json_integer_value(port) > 65535 || host == NULL ||
	    strlen(host) > 255)
		return false;
	return member_add_slot(member, (int32_t)json_integer_value(id), host,
			       (uint16_t)json_integer_value(port), SLOTS_MAX);
}

static bool
read_member(struct fleet *fleet, const char *name, json_t *value)
{
	struct member *member = fleet_get(fleet, name);
	const char *id = json_string_value(json_object_get(value, "kafka_cluster_id"));
	json_t *slots = json_object_get(value, "slots");
	size_t index;
	json_t *slot;

	if (!json_is_object(value) || !json_is_array(slots) || id == NULL)
		return false;
	snprintf(member->kafka_cluster_id, sizeof(member->kafka_cluster_id), "%s", id);
	json_array_foreach(slots, index, slot)
	{
		if (!read_slot(member, slot))
			return false;
	}
	return read_apis(member, json_object_get(value, "apis"));
}

static bool
read_track(struct tracks *tracks, const char *name, json_t *value)
{
	struct track *track = tracks_get(tracks, name);
	json_t *generation = json_object_get(value, "generation");
	const char *cluster = json_string_value(json_object_get(value, "cluster"));

	if (!json_is_integer(generation) || json_integer_value(generation) < 0 || cluster == NULL)
		return false;
	track->generation = (uint64_t)json_integer_value(generation);
	track_set(&track->saved, cluster);
	return true;
}

static bool
read_state(json_t *root, struct fleet *fleet, struct tracks *tracks)
{
	json_t *logicals = json_object_get(root, "logicals");
	json_t *clusters = json_object_get(root, "clusters");
	const char *name;
	json_t *value;

	if (json_integer_value(json_object_get(root, "version")) != STATE_VERSION ||
	    !json_is_object(logicals) || !json_is_object(clusters))
		return false;
	json_object_foreach(logicals, name, value)
	{
		if (!read_track(tracks, name, value))
			return false;
	}
	json_object_foreach(clusters, name, value)
	{
		if (!read_member(fleet, name, value))
			return false;
	}
	return true;
}

static bool
set_aside(const char *path, const char *why, struct err *err)
{
	char *aside = mem_printf("%s.broken", path);
	bool ok = rename(path, aside) == 0;

	if (ok)
		log_error("state.broken", KV_STR("file", path), KV_STR("why", why),
			  KV_STR("kept_as", aside),
			  KV_STR("what", "started fresh: generations begin at 0, ports are given "
					 "out anew in the order of broker ids"));
	else
		err_set(err, ERR_IO, "%s: cannot be understood (%s) nor moved aside: %s", path, why,
			strerror(errno));
	free(aside);
	return ok;
}

bool
state_load(const char *directory, struct fleet *fleet, struct tracks *tracks, struct err *err)
{
	char *path = mem_printf("%s/state.json", directory);
	json_error_t why;
	json_t *root = NULL;
	bool ok = true;

	if (access(path, R_OK) != 0) {
		ok = errno == ENOENT || err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
		free(path);
		return ok;
	}
	root = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
	if (root == NULL || !read_state(root, fleet, tracks)) {
		fleet_free(fleet);
		tracks_free(tracks);
		ok = set_aside(path, root == NULL ? why.text : "not what this version writes", err);
	}
	json_decref(root);
	free(path);
	return ok;
}

/* -- writing */

static json_t *
write_member(const struct member *member)
{
	json_t *slots = json_array();
	json_t *value;

	for (size_t i = 0; i < member->slots_count; i++) {
		const struct slot *slot = &member->slots[i];

		json_array_append_new(slots, json_pack("{s:i, s:s, s:i}", "id", slot->broker_id,
						       "host", slot->host, "port", slot->port));
	}
	value =
	    json_pack("{s:s, s:o}", "kafka_cluster_id", member->kafka_cluster_id, "slots", slots);
	if (member->apis_known) {
		json_t *apis = json_object();
		char key[8];

		for (int i = 0; i < WORLD_API_KEYS; i++) {
			if (member->apis[i].min > member->apis[i].max || member->apis[i].min < 0)
				continue;
			snprintf(key, sizeof(key), "%d", i);
			json_object_set_new(
			    apis, key,
			    json_pack("[i, i]", member->apis[i].min, member->apis[i].max));
		}
		json_object_set_new(value, "apis", apis);
	}
	return value;
}

/* A track that is not configured now keeps what is known of it. */
static json_t *
write_track(const struct track *track)
{
	const char *cluster = track->cluster != NULL ? track->cluster : track->saved;

	return json_pack("{s:s, s:I}", "cluster", cluster, "generation",
			 (json_int_t)track->generation);
}

bool
state_save(const char *directory, const struct fleet *fleet, const struct tracks *tracks,
	   struct err *err)
{
	char *path = mem_printf("%s/state.json", directory);
	json_t *logicals = json_object();
	json_t *clusters = json_object();
	json_t *root;
	char *text;
	bool ok;

	for (size_t i = 0; i < tracks->count; i++)
		json_object_set_new(logicals, tracks->tracks[i]->name,
				    write_track(tracks->tracks[i]));
	for (size_t i = 0; i < fleet->count; i++)
		json_object_set_new(clusters, fleet->members[i]->name,
				    write_member(fleet->members[i]));
	root = json_pack("{s:i, s:o, s:o}", "version", STATE_VERSION, "logicals", logicals,
			 "clusters", clusters);
	text = json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS);
	if (text == NULL)
		ok = err_set(err, ERR_INVALID, "%s: a name in it is not UTF-8", path);
	else
		ok = edit_write(path, text, strlen(text), 0600, false, err);
	free(text);
	json_decref(root);
	free(path);
	return ok;
}
