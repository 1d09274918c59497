/* SPDX-License-Identifier: Apache-2.0
 *
 * Which topics are a tenant's own. Start at lookup_begin().
 *
 * DescribeTopicPartitions (KIP-966) lists topics in the order of their names from any name on, so
 * the names that begin with a prefix are one run of it: it is asked for from the prefix on, in
 * pages that begin small and grow, until a name is past the prefix. That costs what the tenant has,
 * whatever else the cluster has. A list kept in the control thread would have to be polled, for
 * tenants that never ask, and be stale all the same: a client that has just created a topic expects
 * to see it. Brokers before 3.8 do not have that API: there, everything is asked for and filtered.
 */
#include "proxy/lookup.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "kafka/frame.h"
#include "kafka/kafka_ids.h"
#include "proxy/asking.h"
#include "proxy/client.h"
#include "proxy/names.h"
#include "proxy/worker_state.h"

/* Partitions of the first page, how pages grow, and the most that brokers answer with unless told
 * otherwise (max.request.partition.size.limit). */
#define PAGE_FIRST 25
#define PAGE_GROWS 3
#define PAGE_MOST  2000
/* A tenant with more than this is told so instead of being served from memory. */
#define TOPICS_MAX     100000
#define PARTITIONS_MAX 1000000

enum stage {
	STAGE_PREFIX,  /* the topics behind the prefix are listed */
	STAGE_ALIASES, /* the partitions of aliases are asked for, by name */
	STAGE_DONE,
};

/* What is being looked up for one request. */
struct lookup {
	struct own_topics topics;
	struct own_topics aliases; /* physical names, in order */
	enum stage stage;
	struct names names; /* of the snapshot; for the time of one call only */
	bool wants_partitions;
	bool by_metadata; /* the cluster does not list topics by name */
	char *from;       /* the next page begins here ... */
	size_t from_length;
	int32_t from_partition;
	int32_t page;
	int64_t enough; /* so many partitions are more than the request can be answered with */
	/* of the answer that is being read */
	int error_code;
	const uint8_t *name;
	size_t name_length;
	bool is_same;   /* it goes on with the topic that it began with */
	bool goes_on;   /* it says where the next page begins */
	bool goes_past; /* it has what is behind the prefix */
};

/* -- the list */

void
own_topics_free(struct own_topics *topics)
{
	free(topics->list);
	free(topics->names);
	*topics = (struct own_topics){0};
}

static bool
is_topic(const struct own_topics *topics, size_t i, const char *name, size_t length)
{
	const struct own_topic *topic = &topics->list[i];

	return topic->length == length && memcmp(topics->names + topic->name, name, length) == 0;
}

void
own_topics_note(struct own_topics *topics, const char *name, size_t length, int64_t partition)
{
	struct own_topic *last;

	if (topics->count == 0 || !is_topic(topics, topics->count - 1, name, length)) {
		topics->list = mem_grow(topics->list, &topics->capacity, topics->count + 1,
					sizeof(*topics->list));
		topics->names = mem_grow(topics->names, &topics->names_capacity,
					 topics->names_length + length, 1);
		memcpy(topics->names + topics->names_length, name, length);
		topics->list[topics->count++] =
		    (struct own_topic){.name = topics->names_length, .length = (uint16_t)length};
		topics->names_length += length;
	}
	last = &topics->list[topics->count - 1];
	if (partition < last->partitions || partition > PARTITIONS_MAX)
		return;
	topics->partitions += (uint64_t)partition + 1 - last->partitions;
	last->partitions = (uint32_t)partition + 1;
}

static int
compare_names(const char *one, size_t one_length, const char *other, size_t other_length)
{
	int order = memcmp(one, other, one_length < other_length ? one_length : other_length);

	return order != 0 ? order : (one_length > other_length) - (one_length < other_length);
}

static int
compare_topics(const void *one, const void *other, void *names)
{
	const struct own_topic *a = one;
	const struct own_topic *b = other;

	return compare_names((char *)names + a->name, a->length, (char *)names + b->name,
			     b->length);
}

bool
own_topics_has(const struct own_topics *topics, const char *name, size_t length)
{
	size_t low = 0;
	size_t high = topics->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct own_topic *topic = &topics->list[middle];
		int order = compare_names(topics->names + topic->name, topic->length, name, length);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* In the order of names, which is that of pages; no name twice. */
static void
sort_topics(struct own_topics *topics)
{
	size_t kept = 0;

	if (topics->count == 0)
		return;
	qsort_r(topics->list, topics->count, sizeof(*topics->list), compare_topics, topics->names);
	for (size_t i = 1; i < topics->count; i++) {
		struct own_topic *last = &topics->list[kept];
		struct own_topic *next = &topics->list[i];

		if (compare_topics(last, next, topics->names) != 0)
			topics->list[++kept] = *next;
		else if (next->partitions > last->partitions)
			last->partitions = next->partitions;
	}
	topics->count = kept + 1;
}

/* -- the tenant */

/* Is it past all names that begin with the prefix, in the order of bytes? */
static bool
is_past(const struct vcluster *vc, const void *name, size_t length)
{
	size_t prefix_length = strlen(vc->prefix);

	return memcmp(name, vc->prefix, length < prefix_length ? length : prefix_length) > 0;
}

/* Is this topic, named by a broker, one to note in this stage? */
static bool
is_wanted(const struct lookup *l, const uint8_t *name, size_t length)
{
	if (l->stage == STAGE_PREFIX && names_to_virtual(&l->names, name, length).owner == NAME_OWN)
		return true;
	return (l->stage == STAGE_ALIASES || l->by_metadata) &&
	       own_topics_has(&l->aliases, (const char *)name, length);
}

/* Aliases that the request may touch: a read-only topic is not for what changes topics. */
static void
note_aliases(struct lookup *l, const struct vcluster *vc, int key)
{
	bool changes = (api_find(key)->operation & (OPERATION_WRITE | OPERATION_ADMIN)) != 0;

	for (size_t i = 0; i < vc->aliases_count; i++) {
		const struct alias *alias = vc->aliases_by_physical[i];
		const char *name = alias->physical;
		size_t length = strlen(name);

		if (!(changes && alias->read_only) &&
		    names_to_virtual(&l->names, (const uint8_t *)name, length).owner == NAME_ALIAS)
			own_topics_note(&l->aliases, name, length, -1);
	}
}

/* -- questions */

static void
by_name_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct lookup *l = arg;

	if (field == KF_DescribeTopicPartitionsRequest_Topics) {
		out->count = l->stage == STAGE_ALIASES ? l->aliases.count : 0;
	} else if (field == KF_DescribeTopicPartitionsRequest_Topics_Name) {
		out->data = l->aliases.names + l->aliases.list[index[0]].name;
		out->length = l->aliases.list[index[0]].length;
	} else if (field == KF_DescribeTopicPartitionsRequest_ResponsePartitionLimit) {
		out->number = l->page;
	} else if (field == KF_DescribeTopicPartitionsRequest_Cursor_TopicName) {
		out->data = l->from;
		out->length = l->from_length;
	} else if (field == KF_DescribeTopicPartitionsRequest_Cursor_PartitionIndex) {
		out->number = l->from_partition;
	}
}

/* Null means all from version 1 on, empty does in version 0. */
static void
metadata_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	(void)arg;
	(void)index;
	if (field == KF_MetadataRequest_Topics)
		out->null = true;
}

static void
set_from(struct lookup *l, const void *name, size_t length, int64_t partition)
{
	free(l->from);
	l->from = mem_alloc(length + 1);
	memcpy(l->from, name, length);
	l->from_length = length;
	l->from_partition = (int32_t)partition;
}

/* The stage's last page is here: what comes now? Only who needs partitions has to ask for those of
 * aliases; and who asked for everything has them. */
static void
end_stage(struct lookup *l)
{
	if (l->stage == STAGE_PREFIX && l->aliases.count > 0 && l->wants_partitions &&
	    !l->by_metadata) {
		l->stage = STAGE_ALIASES;
		l->page = PAGE_MOST;
		set_from(l, l->aliases.names + l->aliases.list[0].name, l->aliases.list[0].length,
			 0);
		return;
	}
	if (!l->wants_partitions) {
		for (size_t i = 0; i < l->aliases.count; i++)
			own_topics_note(&l->topics, l->aliases.names + l->aliases.list[i].name,
					l->aliases.list[i].length, -1);
	}
	sort_topics(&l->topics);
	l->stage = STAGE_DONE;
}

static void
next_page(struct client *c, void *work)
{
	struct lookup *l = work;

	if (l->stage == STAGE_DONE)
		asking_done(c);
	else if (l->by_metadata)
		asking_send(c, KA_Metadata, c->w->world->apis[KA_Metadata].max, metadata_value, l);
	else
		asking_send(c, KA_DescribeTopicPartitions, 0, by_name_value, l);
}

/* -- answers */

static void
take_name(struct lookup *l, const struct vcluster *vc, const struct walk_item *item)
{
	l->name = NULL;
	if (item->null || l->error_code != 0)
		return;
	if (l->stage == STAGE_PREFIX && !l->by_metadata && is_past(vc, item->value, item->length))
		l->goes_past = true;
	if (!is_wanted(l, item->value, item->length))
		return;
	l->name = item->value;
	l->name_length = item->length;
	own_topics_note(&l->topics, (const char *)l->name, l->name_length, -1);
}

/* Where the next page begins; one that does not begin behind this one is none. */
static void
take_cursor(struct lookup *l, const uint8_t *name, size_t length)
{
	size_t shorter = length < l->from_length ? length : l->from_length;
	int order = memcmp(name, l->from, shorter);

	l->is_same = order == 0 && length == l->from_length;
	l->goes_on = order > 0 || (order == 0 && length > l->from_length);
	if (l->goes_on)
		set_from(l, name, length, 0);
}

static void
take_value(struct lookup *l, const struct vcluster *vc, const struct walk_item *item)
{
	switch (item->field) {
	case KF_DescribeTopicPartitionsResponse_Topics_ErrorCode:
	case KF_MetadataResponse_Topics_ErrorCode:
		l->error_code = (int)item->number;
		break;
	case KF_DescribeTopicPartitionsResponse_Topics_Name:
	case KF_MetadataResponse_Topics_Name:
		take_name(l, vc, item);
		break;
	case KF_DescribeTopicPartitionsResponse_Topics_Partitions_PartitionIndex:
	case KF_MetadataResponse_Topics_Partitions_PartitionIndex:
		if (l->name != NULL)
			own_topics_note(&l->topics, (const char *)l->name, l->name_length,
					item->number);
		break;
	case KF_DescribeTopicPartitionsResponse_NextCursor_TopicName:
		if (l->stage == STAGE_PREFIX && is_past(vc, item->value, item->length))
			l->goes_past = true;
		take_cursor(l, item->value, item->length);
		break;
	case KF_DescribeTopicPartitionsResponse_NextCursor_PartitionIndex:
		l->goes_on = l->goes_on || (l->is_same && item->number > l->from_partition);
		l->from_partition = (int32_t)item->number;
		break;
	default:
		break;
	}
}

static bool
check_bounds(const struct lookup *l, char *why, size_t why_size)
{
	if (l->topics.count <= TOPICS_MAX && l->topics.partitions <= PARTITIONS_MAX)
		return true;
	snprintf(why, why_size,
		 "a request for all topics: the vcluster has more than %d topics or %d partitions, "
		 "so they have to be named",
		 TOPICS_MAX, PARTITIONS_MAX);
	return false;
}

/* What walking an answer needs. */
struct reading {
	struct lookup *l;
	const struct vcluster *vc;
};

static bool
take_item(void *arg, enum walk_event event, const struct walk_item *item)
{
	struct reading *reading = arg;

	if (event == WALK_VALUE)
		take_value(reading->l, reading->vc, item);
	return true;
}

static bool
take_page(struct client *c, void *work, const uint8_t *frame, size_t size, char *why,
	  size_t why_size)
{
	struct lookup *l = work;
	struct reading reading = {l, c->vc};

	l->goes_on = false;
	l->goes_past = false;
	l->is_same = false;
	l->name = NULL;
	names_init(&l->names, c->vc);
	if (!frame_read(c->asking.key, c->asking.version, KAFKA_RESPONSE, frame, size, take_item,
			&reading, why, why_size))
		return false;
	if (!l->goes_on || l->goes_past || (int64_t)l->topics.partitions > l->enough)
		end_stage(l);
	l->page = l->page * PAGE_GROWS < PAGE_MOST ? l->page * PAGE_GROWS : PAGE_MOST;
	return check_bounds(l, why, why_size);
}

static void
drop(void *work)
{
	struct lookup *l = work;

	own_topics_free(&l->topics);
	own_topics_free(&l->aliases);
	free(l->from);
	free(l);
}

static const struct asking_kind topics_kind = {take_page, next_page, drop};

/* -- requests */

/* What a request says that decides whether, and from where, topics are looked up. */
struct wish {
	const struct expansion *x;
	int version;
	bool means_all;
	size_t named;            /* else: so many are named */
	struct walk_item cursor; /* DescribeTopicPartitions: where this page begins; null: none */
	int64_t cursor_partition;
	int64_t limit; /* and how many partitions it has at most */
};

/* What comes behind the array matters to DescribeTopicPartitions only. */
static bool
see_item(void *arg, enum walk_event event, const struct walk_item *item)
{
	struct wish *wish = arg;

	if (event == WALK_ARRAY_BEGIN && item->field == wish->x->array) {
		wish->means_all = expansion_means_all(wish->x, wish->version, item);
		wish->named = item->count;
		return wish->means_all && wish->x->key == KA_DescribeTopicPartitions;
	}
	if (event != WALK_VALUE)
		return true;
	if (item->field == KF_DescribeTopicPartitionsRequest_ResponsePartitionLimit)
		wish->limit = item->number;
	else if (item->field == KF_DescribeTopicPartitionsRequest_Cursor_TopicName)
		wish->cursor = *item;
	else if (item->field == KF_DescribeTopicPartitionsRequest_Cursor_PartitionIndex)
		wish->cursor_partition = item->number;
	return true;
}

/* A client goes through its topics page by page, and each page is a request of its own: what is
 * before this one, or certainly behind it, is not looked up. The topic that a cursor names has to
 * be among those asked for, even where it is gone by now. */
static void
begin_at_cursor(struct lookup *l, const struct vcluster *vc, const struct wish *wish)
{
	struct name_out out;
	size_t length;
	char *name;

	l->enough = wish->limit > 0 ? wish->limit + wish->cursor_partition : INT64_MAX;
	if (wish->cursor.null)
		return;
	names_to_physical(&l->names, api_find(KA_DescribeTopicPartitions), wish->cursor.value,
			  wish->cursor.length, &out);
	length = out.head_length + out.keep;
	if (length > INT16_MAX)
		return;
	name = mem_alloc(length + 1);
	memcpy(name, out.head, out.head_length);
	memcpy(name + out.head_length, wish->cursor.value + wish->cursor.length - out.keep,
	       out.keep);
	own_topics_note(&l->topics, name, length, -1);
	if (is_past(vc, name, length))
		end_stage(l); /* of an alias: all behind the prefix is before it */
	else if (length >= l->names.prefix_length &&
		 memcmp(name, vc->prefix, l->names.prefix_length) == 0)
		set_from(l, name, length, 0);
	free(name);
}

/* Before version 4 a Metadata cannot say that what it names is not to be made: of a user who may
 * not write, only what is there may be named. */
static bool
must_exist(const struct client *c, int key, const struct wish *wish)
{
	return key == KA_Metadata && wish->version < 4 && wish->named > 0 &&
	       (c->allowed & OPERATION_WRITE) == 0;
}

bool
lookup_begin(struct client *c, int key, int version, const uint8_t *frame, size_t size)
{
	struct wish wish = {.x = expansion_find(key), .version = version, .cursor.null = true};
	struct lookup *l;
	char why[200];

	if (wish.x == NULL || lookup_result(c) != NULL)
		return false;
	if (!frame_read(key, version, KAFKA_REQUEST, frame, size, see_item, &wish, why,
			sizeof(why)) ||
	    !(wish.means_all || must_exist(c, key, &wish)))
		return false;
	/* Where everything has to be asked for, the request may as well do it itself. */
	if (wish.means_all && key == KA_Metadata && !c->route->lists_topics)
		return false;
	l = mem_zalloc(sizeof(*l));
	l->by_metadata = !c->route->lists_topics;
	l->page = PAGE_FIRST;
	l->enough = INT64_MAX;
	l->wants_partitions = wish.x->partitions != KAFKA_NO_FIELD;
	names_init(&l->names, c->vc);
	note_aliases(l, c->vc, key);
	set_from(l, c->vc->prefix, strlen(c->vc->prefix), 0);
	if (key == KA_DescribeTopicPartitions)
		begin_at_cursor(l, c->vc, &wish);
	asking_begin(c, &topics_kind, l);
	return c->asking.state == ASKING_OUT;
}

const struct own_topics *
lookup_result(struct client *c)
{
	struct lookup *l = asking_result(c, &topics_kind);

	return l != NULL ? &l->topics : NULL;
}
