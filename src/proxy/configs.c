/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of configs. Start at rewriters[], which has the configs that need a hand; all others pass.
 * A value that cannot be read goes to the broker as it is, which refuses it or not, and is hidden
 * in answers.
 */
#include "proxy/configs.h"
#include <stdio.h>
#include <string.h>
#include "base/bytes.h"

/* More digits than any number of a partition or broker has. */
#define DIGITS_MAX 10

typedef bool (*value_fn)(struct rewriter *rw, const struct walk_item *item);

/* -- lists of partition:broker */

/* Reads a number at *at; false: there is none, or a longer one. */
static bool
read_number(const uint8_t **at, const uint8_t *end, int64_t *out)
{
	const uint8_t *start = *at;

	*out = 0;
	while (*at < end && **at >= '0' && **at <= '9' && *at - start < DIGITS_MAX)
		*out = *out * 10 + (*(*at)++ - '0');
	return *at > start && *out <= INT32_MAX;
}

static void
skip_spaces(const uint8_t **at, const uint8_t *end)
{
	while (*at < end && **at == ' ')
		++*at;
}

/* A broker as the other side numbers it. false: it is to be left out. A vnode that is not there
 * gets a number that the broker refuses. */
static bool
map_broker(const struct rewriter *rw, int64_t number, int64_t *out)
{
	const struct route *route = rw->cx->route;

	if (rw->direction == KAFKA_RESPONSE) {
		*out = route_vnode(route, (int32_t)number);
		return *out >= 0;
	}
	*out = number < (int64_t)route->slots_count ? route->slots[number].broker_id : -1 - number;
	return true;
}

static bool
map_pairs(const struct rewriter *rw, const uint8_t *at, const uint8_t *end, struct bytes *out)
{
	for (;;) {
		int64_t partition, number, broker;
		char text[32];

		skip_spaces(&at, end);
		if (!read_number(&at, end, &partition) || at == end || *at++ != ':' ||
		    !read_number(&at, end, &number))
			return false;
		skip_spaces(&at, end);
		if (map_broker(rw, number, &broker)) {
			int n =
			    snprintf(text, sizeof(text), "%s%lld:%lld", out->length > 0 ? "," : "",
				     (long long)partition, (long long)broker);

			bytes_add(out, text, (size_t)n);
		}
		if (at == end)
			return true;
		if (*at++ != ',')
			return false;
	}
}

static bool
hide(struct rewriter *rw, const struct walk_item *item)
{
	if (kafka_versions_has(kafka_fields[item->field].nullable, rw->version))
		rw_replace_null(rw, item);
	else
		rw_replace_string(rw, item, "", 0, 0);
	return true;
}

/* "0:1,1:2", all ("*") or none. */
static bool
rewrite_replicas(struct rewriter *rw, const struct walk_item *item)
{
	struct bytes out = {0};
	bool good;

	if (item->length == 0 || (item->length == 1 && item->value[0] == '*'))
		return true;
	good =
	    map_pairs(rw, item->value, item->value + item->length, &out) && out.length <= INT16_MAX;
	if (good)
		rw_replace_text(rw, item, out.data, out.length);
	bytes_free(&out);
	return good || rw->direction == KAFKA_REQUEST || hide(rw, item);
}

/* -- a topic */

static bool
rewrite_topic(struct rewriter *rw, const struct walk_item *item)
{
	struct name_out out;
	struct name_in in;

	if (item->length == 0)
		return true;
	if (rw->direction == KAFKA_REQUEST) {
		names_to_physical(&rw->cx->names, rw->api, item->value, item->length, &out);
		if (out.head_length + out.keep > INT16_MAX)
			return rw_fail(rw, item->field, "a name of %zu bytes is too long",
				       item->length);
		rw_replace_string(rw, item, out.head, out.head_length, out.keep);
		return true;
	}
	in = names_to_virtual(&rw->cx->names, item->value, item->length);
	if (in.owner == NAME_FOREIGN || in.resource_type != 0)
		return hide(rw, item);
	if (in.owner == NAME_ALIAS)
		rw_replace_string(rw, item, in.alias->topic, strlen(in.alias->topic), 0);
	else
		rw_replace_string(rw, item, "", 0, in.keep);
	return true;
}

static const struct {
	const char *name;
	value_fn rewrite;
} rewriters[] = {
    {"leader.replication.throttled.replicas", rewrite_replicas},
    {"follower.replication.throttled.replicas", rewrite_replicas},
    {"errors.deadletterqueue.topic.name", rewrite_topic},
};

bool
config_note_name(struct rewriter *rw, const struct walk_item *item)
{
	rw->config = 0;
	for (unsigned i = 0; i < sizeof(rewriters) / sizeof(rewriters[0]); i++) {
		if (item->length == strlen(rewriters[i].name) &&
		    memcmp(item->value, rewriters[i].name, item->length) == 0)
			rw->config = i + 1;
	}
	return true;
}

bool
config_rewrite_value(struct rewriter *rw, const struct walk_item *item)
{
	if (item->null || rw->config == 0)
		return true;
	return rewriters[rw->config - 1].rewrite(rw, item);
}
