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
#include "base/ensure.h"
#include "base/mem.h"
#include "kafka/frame.h"
#include "kafka/kafka_ids.h"
#include "proxy/asking.h"
#include "proxy/client.h"
#include "proxy/worker_state.h"

/* Partitions of the first page, how pages grow, and the most that brokers answer with unless told
 * otherwise (max.request.partition.size.limit). */
#define PAGE_FIRST 25
#define PAGE_GROWS 3
#define PAGE_MOST  2000
/* A tenant with more than this is told so instead of being served from memory. */
#define TOPICS_MAX     100000
#define PARTITIONS_MAX 1000000

/* What is being looked up for one request. */
struct lookup {
	struct own_topics topics;
	bool by_metadata; /* the cluster does not list topics by name */
	bool is_complete;
	char *from; /* the next page begins here ... */
	size_t from_length;
	int32_t from_partition;
	int32_t page;
	int64_t enough; /* so many partitions are more than the request can be answered with */
	/* of the answer that is being read */
	int error_code;
	const uint8_t *name;
	size_t name_length;
	bool goes_on; /* it says where the next page begins */
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

bool
own_topics_has(const struct own_topics *topics, const char *name, size_t length)
{
	for (size_t i = 0; i < topics->count; i++) {
		if (is_topic(topics, i, name, length))
			return true;
	}
	return false;
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

/* -- the tenant */

/* A name that just is the prefix has no virtual name. */
static bool
is_own(const struct vcluster *vc, const uint8_t *name, size_t length)
{
	size_t prefix_length = strlen(vc->prefix);

	return length > prefix_length && memcmp(name, vc->prefix, prefix_length) == 0;
}

/* Is it past all names that begin with the prefix, in the order of bytes? */
static bool
is_past(const struct vcluster *vc, const uint8_t *name, size_t length)
{
	size_t prefix_length = strlen(vc->prefix);
	int order = memcmp(name, vc->prefix, length < prefix_length ? length : prefix_length);

	return order > 0;
}

/* -- questions */

static void
by_name_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct lookup *l = arg;

	(void)index;
	if (field == KF_DescribeTopicPartitionsRequest_ResponsePartitionLimit) {
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
next_page(struct client *c, void *work)
{
	struct lookup *l = work;

	if (l->is_complete)
		asking_done(c);
	else if (l->by_metadata)
		asking_send(c, KA_Metadata, c->w->world->apis[KA_Metadata].max, metadata_value, l);
	else
		asking_send(c, KA_DescribeTopicPartitions, 0, by_name_value, l);
}

/* -- answers */

static void
set_from(struct lookup *l, const void *name, size_t length, int64_t partition)
{
	free(l->from);
	l->from = mem_alloc(length + 1);
	memcpy(l->from, name, length);
	l->from_length = length;
	l->from_partition = (int32_t)partition;
}

static void
take_name(struct lookup *l, const struct vcluster *vc, const struct walk_item *item)
{
	l->name = NULL;
	if (item->null || l->error_code != 0)
		return;
	if (!l->by_metadata && is_past(vc, item->value, item->length))
		l->is_complete = true;
	if (!is_own(vc, item->value, item->length))
		return;
	l->name = item->value;
	l->name_length = item->length;
	own_topics_note(&l->topics, (const char *)l->name, l->name_length, -1);
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
		l->goes_on = true;
		set_from(l, item->value, item->length, 0);
		if (is_past(vc, item->value, item->length))
			l->is_complete = true;
		break;
	case KF_DescribeTopicPartitionsResponse_NextCursor_PartitionIndex:
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
	l->name = NULL;
	if (!frame_read(c->asking.key, c->asking.version, KAFKA_RESPONSE, frame, size, take_item,
			&reading, why, why_size))
		return false;
	if (!l->goes_on || (int64_t)l->topics.partitions > l->enough)
		l->is_complete = true;
	l->page = l->page * PAGE_GROWS < PAGE_MOST ? l->page * PAGE_GROWS : PAGE_MOST;
	return check_bounds(l, why, why_size);
}

static void
drop(void *work)
{
	struct lookup *l = work;

	own_topics_free(&l->topics);
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
	char *name;
	size_t length = strlen(vc->prefix) + wish->cursor.length;

	l->enough = wish->limit > 0 ? wish->limit + wish->cursor_partition : INT64_MAX;
	if (wish->cursor.null || length > INT16_MAX)
		return;
	name = mem_alloc(length + 1);
	memcpy(name, vc->prefix, strlen(vc->prefix));
	memcpy(name + strlen(vc->prefix), wish->cursor.value, wish->cursor.length);
	own_topics_note(&l->topics, name, length, -1);
	set_from(l, name, length, 0);
	free(name);
}

bool
lookup_begin(struct client *c, int key, int version, const uint8_t *frame, size_t size)
{
	struct wish wish = {.x = expansion_find(key), .version = version, .cursor.null = true};
	struct lookup *l;
	char why[200];

	if (wish.x == NULL || lookup_result(c) != NULL)
		return false;
	/* Where everything has to be asked for, the request may as well do it itself. */
	if (key == KA_Metadata && !c->route->lists_topics)
		return false;
	if (!frame_read(key, version, KAFKA_REQUEST, frame, size, see_item, &wish, why,
			sizeof(why)) ||
	    !wish.means_all)
		return false;
	l = mem_zalloc(sizeof(*l));
	l->by_metadata = !c->route->lists_topics;
	l->page = PAGE_FIRST;
	l->enough = INT64_MAX;
	set_from(l, c->vc->prefix, strlen(c->vc->prefix), 0);
	if (key == KA_DescribeTopicPartitions)
		begin_at_cursor(l, c->vc, &wish);
	asking_begin(c, &topics_kind, l);
	return true;
}

const struct own_topics *
lookup_result(struct client *c)
{
	struct lookup *l = asking_result(c, &topics_kind);

	return l != NULL ? &l->topics : NULL;
}
