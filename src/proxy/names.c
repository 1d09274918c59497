/* SPDX-License-Identifier: Apache-2.0
 *
 * Topic names, virtual <-> physical. Start at names_to_physical() and names_to_virtual(); markers[]
 * has what a refused name begins with.
 */
#include "proxy/names.h"
#include <stdio.h>
#include <string.h>
#include "base/ensure.h"
#include "kafka/errors.h"
#include "kafka/kafka_ids.h"

/* First byte of a name that no broker can have, and what the tenant is told of it. 0: what the
 * broker says, since it would say the same of the name itself. */
enum { MARK_DENIED = '!', MARK_UNKNOWN = ':', MARK_ILLEGAL = '/', MARK_RESOURCE = '=' };

static const struct {
	uint8_t mark;
	int error;
} markers[] = {
    {MARK_DENIED, KAFKA_TOPIC_AUTHORIZATION_FAILED},
    {MARK_UNKNOWN, KAFKA_UNKNOWN_TOPIC_OR_PARTITION},
    {MARK_ILLEGAL, 0},
};

/* Topics of Kafka itself: a tenant can have none of these names (protocol.md 1.0). */
static const char *const internal[] = {"__consumer_offsets", "__transaction_state",
				       "__share_group_state", "__cluster_metadata"};

void
names_init(struct names *names, const struct vcluster *vc)
{
	*names = (struct names){
	    .prefix = vc->prefix,
	    .prefix_length = strlen(vc->prefix),
	    .aliases = vc->aliases,
	    .by_physical = vc->aliases_by_physical,
	    .aliases_count = vc->aliases_count,
	    .guested = vc->guested,
	    .guested_count = vc->guested_count,
	};
	ENSURE(names->prefix_length > 0 && names->prefix_length < NAME_HEAD_MAX);
}

static int
compare(const char *text, const uint8_t *name, size_t length)
{
	size_t n = strlen(text);
	int order = memcmp(text, name, n < length ? n : length);

	if (order != 0 || n == length)
		return order;
	return n < length ? -1 : 1;
}

static const struct alias *
find_topic(const struct names *names, const uint8_t *name, size_t length)
{
	size_t low = 0;
	size_t high = names->aliases_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(names->aliases[middle].topic, name, length);

		if (order == 0)
			return &names->aliases[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static const struct alias *
find_physical(const struct names *names, const uint8_t *name, size_t length)
{
	size_t low = 0;
	size_t high = names->aliases_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(names->by_physical[middle]->physical, name, length);

		if (order == 0)
			return names->by_physical[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static bool
is_internal(const uint8_t *name, size_t length)
{
	if (length < 2 || name[0] != '_' || name[1] != '_')
		return false;
	for (size_t i = 0; i < sizeof(internal) / sizeof(internal[0]); i++) {
		if (compare(internal[i], name, length) == 0)
			return true;
	}
	return false;
}

/* Names of the same form as others, which only behind a prefix would be legal; any other illegal
 * name is so with the prefix, too. */
static bool
is_dots(const uint8_t *name, size_t length)
{
	return length <= 2 && memcmp(name, "..", length) == 0;
}

/* Does the API change the topics that it names? Offsets are the group's. */
static bool
changes_topics(const struct api *api)
{
	if (api->key == KA_TxnOffsetCommit || api->key == KA_OffsetDelete)
		return false;
	return (api->operation & (OPERATION_WRITE | OPERATION_ADMIN)) != 0;
}

/* The marker that a name goes out with, or 0. */
static uint8_t
mark_of(const struct api *api, const struct alias *alias, const uint8_t *name, size_t length)
{
	if (alias != NULL && alias->is_contested && api->key == KA_AddPartitionsToTxn)
		return MARK_DENIED; /* see producers.h */
	if (alias != NULL)
		return alias->read_only && changes_topics(api) ? MARK_DENIED : 0;
	if (is_dots(name, length))
		return MARK_ILLEGAL;
	if (is_internal(name, length))
		return api->key == KA_CreateTopics ? MARK_ILLEGAL : MARK_UNKNOWN;
	return 0;
}

/* The names of the list begin with the prefix, all of them: it is not compared. */
static bool
is_guested(const struct names *names, const uint8_t *name, size_t length)
{
	size_t low = 0;
	size_t high = names->guested_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(names->guested[middle] + names->prefix_length, name, length);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* The prefix with the marker in place of its first byte. */
static void
set_mark(const struct names *names, uint8_t mark, size_t length, struct name_out *out)
{
	memcpy(out->marked, names->prefix, names->prefix_length);
	out->marked[0] = (char)mark;
	out->is_alias = false;
	out->guard = NAME_UNGUARDED;
	out->head = out->marked;
	out->head_length = names->prefix_length;
	out->keep = length;
}

void
names_to_physical(const struct names *names, const struct api *api, const uint8_t *name,
		  size_t length, struct name_out *out)
{
	const struct alias *alias = find_topic(names, name, length);
	uint8_t mark = mark_of(api, alias, name, length);

	out->is_alias = false;
	out->guard = NAME_UNGUARDED;
	out->head = names->prefix;
	out->head_length = names->prefix_length;
	out->keep = length;
	if (mark != 0) {
		set_mark(names, mark, length, out);
	} else if (alias != NULL) {
		out->is_alias = true;
		out->guard = alias->is_contested ? NAME_GUARD_ALL : NAME_UNGUARDED;
		out->head = alias->physical;
		out->head_length = strlen(alias->physical);
		out->keep = 0;
	} else if (is_guested(names, name, length)) {
		out->guard = NAME_GUARD_IDS;
	}
}

void
names_refuse_unknown(const struct names *names, size_t length, struct name_out *out)
{
	set_mark(names, MARK_UNKNOWN, length, out);
}

void
names_refuse_resource(int resource_type, size_t length, struct name_out *out)
{
	int n = snprintf(out->marked, sizeof(out->marked), "%c%02x", MARK_RESOURCE,
			 (unsigned)resource_type & 0xff);

	out->is_alias = false;
	out->guard = NAME_UNGUARDED;
	out->head = out->marked;
	out->head_length = (size_t)n;
	out->keep = length;
}

static unsigned
hex_digit(uint8_t c)
{
	return c <= '9' ? c - (unsigned)'0' : c - 'a' + 10U;
}

/* "=04" and the resource's name: see names_refuse_resource(). */
static struct name_in
refused_resource(const uint8_t *name, size_t length)
{
	unsigned type;

	if (length < 3)
		return (struct name_in){.owner = NAME_FOREIGN};
	type = hex_digit(name[1]) << 4 | hex_digit(name[2]);
	return (struct name_in){.owner = NAME_REFUSED,
				.keep = length - 3,
				.error = KAFKA_CLUSTER_AUTHORIZATION_FAILED,
				.resource_type = type == 0 ? NAME_TYPE_ZERO : (int8_t)type};
}

/* One that names_to_physical() marked: the rest of the prefix is still there. */
static bool
refused_topic(const struct names *names, const uint8_t *name, size_t length, struct name_in *out)
{
	for (size_t i = 0; i < sizeof(markers) / sizeof(markers[0]); i++) {
		if (name[0] != markers[i].mark)
			continue;
		*out = (struct name_in){.owner = NAME_REFUSED,
					.keep = length - names->prefix_length,
					.error = markers[i].error};
		return true;
	}
	return false;
}

/* An alias of the same name hides the tenant's own topic. */
static struct name_in
own_topic(const struct names *names, const uint8_t *name, size_t length)
{
	if (length == 0 || is_internal(name, length) || find_topic(names, name, length) != NULL)
		return (struct name_in){.owner = NAME_FOREIGN};
	return (struct name_in){.owner = NAME_OWN, .keep = length};
}

struct name_in
names_to_virtual(const struct names *names, const uint8_t *name, size_t length)
{
	size_t n = names->prefix_length;
	const struct alias *alias;
	struct name_in refused;

	if (length > 0 && name[0] == MARK_RESOURCE)
		return refused_resource(name, length);
	if (length >= n && memcmp(name + 1, names->prefix + 1, n - 1) == 0) {
		if (name[0] == (uint8_t)names->prefix[0])
			return own_topic(names, name + n, length - n);
		if (refused_topic(names, name, length, &refused))
			return refused;
	}
	alias = find_physical(names, name, length);
	if (alias == NULL)
		return (struct name_in){.owner = NAME_FOREIGN};
	return (struct name_in){.owner = NAME_ALIAS, .alias = alias};
}
