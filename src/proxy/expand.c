/* SPDX-License-Identifier: Apache-2.0
 *
 * "All" in a request becomes the list of what the tenant has (found by lookup.c), in the request's
 * own version, and the answer is made to look as if all had been asked for. Start at expansions[]:
 * one row per API.
 */
#include <string.h>
#include "kafka/encode.h"
#include "kafka/errors.h"
#include "kafka/kafka_ids.h"
#include "proxy/lookup.h"
#include "proxy/rewriting.h"

/* Where an empty list would mean all again: no topic can have this name. */
#define NOBODY "/"

#define NEVER INT16_MAX

static const struct expansion expansions[] = {
    {KA_Metadata, 1, KF_MetadataRequest_Topics, KF_MetadataRequest_Topics_Name, KAFKA_NO_FIELD},
    {KA_DescribeLogDirs, 0, KF_DescribeLogDirsRequest_Topics,
     KF_DescribeLogDirsRequest_Topics_Topic, KF_DescribeLogDirsRequest_Topics_Partitions},
    {KA_ElectLeaders, 0, KF_ElectLeadersRequest_TopicPartitions,
     KF_ElectLeadersRequest_TopicPartitions_Topic,
     KF_ElectLeadersRequest_TopicPartitions_Partitions},
    {KA_ListPartitionReassignments, 0, KF_ListPartitionReassignmentsRequest_Topics,
     KF_ListPartitionReassignmentsRequest_Topics_Name,
     KF_ListPartitionReassignmentsRequest_Topics_PartitionIndexes},
    {KA_DescribeTopicPartitions, NEVER, KF_DescribeTopicPartitionsRequest_Topics,
     KF_DescribeTopicPartitionsRequest_Topics_Name, KAFKA_NO_FIELD},
};

const struct expansion *
expansion_find(int key)
{
	for (size_t i = 0; i < sizeof(expansions) / sizeof(expansions[0]); i++) {
		if (expansions[i].key == key)
			return &expansions[i];
	}
	return NULL;
}

bool
expansion_means_all(const struct expansion *x, int version, const struct walk_item *item)
{
	return version >= x->null_since ? item->null : item->count == 0;
}

/* -- requests */

struct filling {
	const struct expansion *x;
	const struct own_topics *own;
	bool is_nobody;
	size_t count;
};

static void
fill_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct filling *f = arg;

	if (field == f->x->array) {
		out->count = f->count;
	} else if (field == f->x->name && f->is_nobody) {
		out->data = NOBODY;
		out->length = strlen(NOBODY);
	} else if (field == f->x->name) {
		out->data = f->own->names + f->own->list[index[0]].name;
		out->length = f->own->list[index[0]].length;
	} else if (field == f->x->partitions && out->element) {
		out->number = (int64_t)index[1];
	} else if (field == f->x->partitions) {
		out->count = f->own->list[index[0]].partitions;
	}
}

bool
expand_array(struct rewriter *rw, const struct walk_item *item)
{
	struct filling f = {.x = expansion_find(rw->key), .own = rw->cx->own};
	struct bytes bytes = {0};
	struct buf *buf;

	if (f.x == NULL || rw->in_header || item->field != f.x->array ||
	    !expansion_means_all(f.x, rw->version, item))
		return false;
	f.count = f.own->count;
	f.is_nobody = f.count == 0 && rw->version < f.x->null_since;
	if (f.is_nobody)
		f.count = 1;
	encode_part(rw->walk.message, rw->version, item->field, fill_value, &f, &bytes);
	buf = buf_new(bytes.length);
	memcpy(buf->data, bytes.data, bytes.length);
	rw_flush_span(rw, item->start);
	rw_emit(rw, buf, buf->data, bytes.length);
	rw->span = item->start + item->size;
	rw->is_expanded = true;
	buf_unref(&buf);
	bytes_free(&bytes);
	return true;
}

/* -- answers */

/* A topic that has gone since it was looked up would not be in an answer about all. Nor is a
 * partition that needs no election. */
static bool
is_ours_to_hide(uint16_t field, int64_t error)
{
	switch (field) {
	case KF_MetadataResponse_Topics_ErrorCode:
	case KF_DescribeTopicPartitionsResponse_Topics_ErrorCode:
		return error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION ||
		       error == KAFKA_INVALID_TOPIC_EXCEPTION;
	case KF_ElectLeadersResponse_ReplicaElectionResults_PartitionResult_ErrorCode:
		return error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION ||
		       error == KAFKA_ELECTION_NOT_NEEDED;
	default:
		return false;
	}
}

bool
expand_check_error(struct rewriter *rw, const struct walk_item *item)
{
	return !is_ours_to_hide(item->field, item->number) || rw_drop_element(rw, item);
}

void
expand_check_empty(struct rewriter *rw, const struct rewrite_level *level)
{
	if (level->field == KF_ElectLeadersResponse_ReplicaElectionResults_PartitionResult &&
	    level->count > 0 && level->kept == 0)
		rw_level_top(rw)->drop = true;
}
