/* SPDX-License-Identifier: Apache-2.0
 *
 * "All" means the tenant's own: a broker that lists topics as Kafka does, with the topics of a
 * tenant among others', and every request in which null or an empty list stands for all of them.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "kafka/encode.h"
#include "kafka/frame.h"
#include "kafka/kafka_ids.h"
#include "lab.h"

#define TOPICS_MAX 8000

/* A broker's topics in the order of their names, each with so many partitions. */
struct catalogue {
	struct fake_broker *broker;
	char names[TOPICS_MAX][32];
	unsigned partitions[TOPICS_MAX];
	size_t count;
	pthread_mutex_t lock;
	size_t listed; /* partitions given out by DescribeTopicPartitions */
	size_t pages;
	const char *vanishes; /* no longer there once it has been listed */
};

struct scene {
	struct catalogue *catalogue;
	struct lab *lab;
	int fd;
};

/* -- a broker */

/* What a question about topics says. */
struct question {
	struct catalogue *all;
	const struct fake_request *request;
	char cursor[64];
	int64_t limit;
	bool is_named;
	size_t named[TOPICS_MAX]; /* index in the catalogue, TOPICS_MAX: unknown */
	char unknown[64];
	size_t named_count;
	size_t first; /* of the answer to a list of all */
	size_t count;
};

static size_t
find_topic(const struct catalogue *all, const uint8_t *name, size_t length)
{
	for (size_t i = 0; i < all->count; i++) {
		if (strlen(all->names[i]) == length && memcmp(all->names[i], name, length) == 0 &&
		    (all->vanishes == NULL || strcmp(all->vanishes, all->names[i]) != 0))
			return i;
	}
	return TOPICS_MAX;
}

static bool
read_question(void *arg, enum walk_event event, const struct walk_item *item)
{
	struct question *q = arg;

	if (event != WALK_VALUE)
		return true;
	switch (item->field) {
	case KF_MetadataRequest_Topics_Name:
	case KF_DescribeTopicPartitionsRequest_Topics_Name:
		q->is_named = true;
		q->named[q->named_count] = find_topic(q->all, item->value, item->length);
		if (q->named[q->named_count++] == TOPICS_MAX)
			snprintf(q->unknown, sizeof(q->unknown), "%.*s", (int)item->length,
				 (const char *)item->value);
		break;
	case KF_DescribeTopicPartitionsRequest_ResponsePartitionLimit:
		q->limit = item->number;
		break;
	case KF_DescribeTopicPartitionsRequest_Cursor_TopicName:
		snprintf(q->cursor, sizeof(q->cursor), "%.*s", (int)item->length,
			 (const char *)item->value);
		break;
	default:
		break;
	}
	return true;
}

static const char *
name_of(const struct question *q, size_t i)
{
	if (!q->is_named)
		return q->all->names[q->first + i];
	return q->named[i] < TOPICS_MAX ? q->all->names[q->named[i]] : q->unknown;
}

static size_t
partitions_of(const struct question *q, size_t i)
{
	if (!q->is_named)
		return q->all->partitions[q->first + i];
	return q->named[i] < TOPICS_MAX ? q->all->partitions[q->named[i]] : 0;
}

static bool
is_known(const struct question *q, size_t i)
{
	return !q->is_named || q->named[i] < TOPICS_MAX;
}

/* ACLs that every DescribeAcls finds: teamA's second to fourth. */
static const char *const acl_names[] = {"other", "teamAx1", "teamAx2", "teamAx3", "teamBx1"};
#define ACLS (sizeof(acl_names) / sizeof(acl_names[0]))

static void
give_acl(uint16_t field, const size_t *index, struct encode_value *out)
{
	switch (field) {
	case KF_DescribeAclsResponse_Resources:
		out->count = ACLS;
		break;
	case KF_DescribeAclsResponse_Resources_Acls:
		out->count = 1;
		break;
	case KF_DescribeAclsResponse_Resources_ResourceName:
		out->data = acl_names[index[0]];
		break;
	case KF_DescribeAclsResponse_Resources_ResourceType:
		out->number = 2;
		break;
	case KF_DescribeAclsResponse_Resources_PatternType:
	case KF_DescribeAclsResponse_Resources_Acls_Operation:
	case KF_DescribeAclsResponse_Resources_Acls_PermissionType:
		out->number = 3;
		break;
	case KF_DescribeAclsResponse_Resources_Acls_Principal:
		out->data = "User:teamAu";
		break;
	case KF_DescribeAclsResponse_Resources_Acls_Host:
		out->data = "10.1.1.1";
		break;
	default:
		break;
	}
	out->length = out->data != NULL ? strlen(out->data) : 0;
}

static void
give(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	struct question *q = arg;
	size_t next = q->first + q->count;

	switch (field) {
	case KF_MetadataResponse_Topics:
	case KF_DescribeTopicPartitionsResponse_Topics:
		out->count = q->count;
		break;
	case KF_MetadataResponse_Topics_ErrorCode:
	case KF_DescribeTopicPartitionsResponse_Topics_ErrorCode:
		out->number = is_known(q, index[0]) ? 0 : 3;
		break;
	case KF_MetadataResponse_Topics_Name:
	case KF_DescribeTopicPartitionsResponse_Topics_Name:
		out->data = name_of(q, index[0]);
		out->length = strlen(out->data);
		break;
	case KF_MetadataResponse_Topics_Partitions:
	case KF_DescribeTopicPartitionsResponse_Topics_Partitions:
		out->count = partitions_of(q, index[0]);
		break;
	case KF_MetadataResponse_Topics_Partitions_PartitionIndex:
	case KF_DescribeTopicPartitionsResponse_Topics_Partitions_PartitionIndex:
		out->number = (int64_t)index[1];
		break;
	case KF_DescribeTopicPartitionsResponse_NextCursor_TopicName:
		/* The encoder writes no null struct: what is past all names is as good. */
		out->data = q->is_named || next >= q->all->count ? "zzzz" : q->all->names[next];
		out->length = strlen(out->data);
		break;
	default:
		give_acl(field, index, out);
		break;
	}
}

/* As Kafka does: from the cursor on, topics up to the limit (here: none is split). */
static void
find_page(struct question *q)
{
	struct catalogue *all = q->all;
	size_t partitions = 0;

	if (q->is_named) {
		q->count = q->named_count;
		return;
	}
	if (q->request->key == KA_Metadata) {
		q->count = all->count;
		return;
	}
	while (q->first < all->count && strcmp(all->names[q->first], q->cursor) < 0)
		q->first++;
	while (q->first + q->count < all->count && partitions < (size_t)q->limit)
		partitions += all->partitions[q->first + q->count++];
	all->listed += partitions;
	all->pages++;
}

static void
answer_from_catalogue(void *arg, const struct fake_request *request, struct bytes *answer)
{
	struct question *q = calloc(1, sizeof(*q));
	char why[200];

	q->all = arg;
	q->request = request;
	pthread_mutex_lock(&q->all->lock);
	cr_assert(frame_read(request->key, request->version, KAFKA_REQUEST, request->frame + 4,
			     request->size - 4, read_question, q, why, sizeof(why)),
		  "%s", why);
	if (request->key == KA_Metadata || request->key == KA_DescribeTopicPartitions)
		find_page(q);
	encode_response(request->key, request->version, request->correlation_id, give, q, answer);
	pthread_mutex_unlock(&q->all->lock);
	free(q);
}

static void
add_topic(struct catalogue *all, const char *name, unsigned partitions)
{
	snprintf(all->names[all->count], sizeof(all->names[0]), "%s", name);
	all->partitions[all->count++] = partitions;
}

static void
add_many(struct catalogue *all, const char *prefix, size_t count)
{
	char name[32];

	for (size_t i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s%05zu", prefix, i);
		add_topic(all, name, 1);
	}
}

/* teamA has `own` topics, and before and behind them are so many of others. */
static struct scene
begin(size_t own, size_t others)
{
	struct scene s = {.catalogue = calloc(1, sizeof(*s.catalogue))};
	struct catalogue *all = s.catalogue;

	pthread_mutex_init(&all->lock, NULL);
	add_many(all, "other", others);
	add_topic(all, "team", 1);
	add_topic(all, "teamA", 1); /* no name of its own */
	add_many(all, "teamAx", own);
	add_many(all, "teamB", others);
	all->broker = fake_broker_start(answer_from_catalogue, all);
	s.lab = lab_new(all->broker, NULL);
	s.lab->lists_topics = true;
	lab_run(s.lab);
	s.fd = lab_client(s.lab, 0);
	return s;
}

static void
end(struct scene *s)
{
	close(s->fd);
	lab_stop(&s->lab);
	fake_broker_stop(&s->catalogue->broker);
	free(s->catalogue);
}

/* -- what was asked */

/* The last request at the broker, parsed. */
static struct tree_frame
last_request(struct scene *s)
{
	struct bytes bytes = {0};
	size_t n = fake_broker_requests(s->catalogue->broker);
	struct fake_request request;
	struct tree_frame frame;

	cr_assert_gt(n, 0);
	request = fake_broker_request(s->catalogue->broker, n - 1, &bytes);
	cr_assert(tree_frame_parse(s->lab->arena, KAFKA_REQUEST, request.key, request.version,
				   request.frame, request.size, &frame));
	bytes_free(&bytes);
	return frame;
}

struct census {
	uint16_t field;
	const char *prefix;
	size_t count;
	size_t foreign;
};

static void
count_name(void *arg, struct tree *node)
{
	struct census *c = arg;

	if (node->kind != TREE_VALUE || node->field != c->field)
		return;
	c->count++;
	if (node->length < strlen(c->prefix) ||
	    memcmp(node->bytes, c->prefix, strlen(c->prefix)) != 0)
		c->foreign++;
}

static size_t
count_names(struct tree *body, uint16_t field, const char *prefix)
{
	struct census c = {field, prefix, 0, 0};

	tree_each(body, count_name, &c);
	cr_assert_eq(c.foreign, 0, "%zu of %zu names do not begin with %s", c.foreign, c.count,
		     prefix);
	return c.count;
}

/* -- Metadata */

static void
check_metadata(size_t own, size_t others, int version)
{
	struct scene s = begin(own, others);
	struct tree_frame answer;
	struct tree_frame asked;
	struct bytes request = {0};

	lab_encode_request(&request, KA_Metadata, version, 7,
			   LAB_VALUES({.field = KF_MetadataRequest_Topics, .null = version > 0},
				      LAB_NUMBER(KF_MetadataRequest_AllowAutoTopicCreation, 1)));
	lab_send(s.fd, request.data, request.length);
	bytes_free(&request);
	answer = lab_answer(s.lab, s.fd, KA_Metadata, version, 7);
	cr_assert_eq(count_names(answer.body, KF_MetadataResponse_Topics_Name, "x"), own);
	asked = last_request(&s);
	cr_assert_eq(asked.key, KA_Metadata);
	if (own > 0 || version > 0)
		cr_assert_eq(count_names(asked.body, KF_MetadataRequest_Topics_Name, "teamAx"),
			     own);
	cr_assert_not(tree_find(asked.body, KF_MetadataRequest_Topics)->null);
	if (version >= 4)
		cr_assert_eq(lab_number(&asked, KF_MetadataRequest_AllowAutoTopicCreation), 0);
	/* What was listed is in proportion to what the tenant has. */
	cr_assert_lt(s.catalogue->listed, 4 * own + 30);
	end(&s);
}

Test(lookup, metadata_of_all_names_the_tenants, .timeout = 120)
{
	for (int version = 0; version <= 8; version++) {
		check_metadata(10, 500, version);
		check_metadata(0, 500, version);
	}
	check_metadata(3000, 100, 8);
	check_metadata(10, 0, 1);
	check_metadata(0, 0, 1);
}

Test(lookup, a_named_topic_needs_no_lookup, .timeout = 120)
{
	struct scene s = begin(3, 3);

	lab_request(s.fd, KA_Metadata, 8, 1,
		    LAB_VALUES(LAB_COUNT(KF_MetadataRequest_Topics, 1),
			       LAB_TEXT(KF_MetadataRequest_Topics_Name, "gone")));
	lab_answer(s.lab, s.fd, KA_Metadata, 8, 1);
	lab_request(s.fd, KA_Metadata, 8, 2, LAB_NOTHING);
	lab_answer(s.lab, s.fd, KA_Metadata, 8, 2);
	cr_assert_eq(s.catalogue->pages, 0);
	cr_assert_eq(fake_broker_requests(s.catalogue->broker), 2);
	cr_assert_eq(lab_counters(s.lab).lookups, 0);
	end(&s);
}

/* Of an explicit list the error is passed on; of "all" it is left out. */
Test(lookup, a_topic_that_vanishes_is_left_out, .timeout = 120)
{
	struct scene s = begin(3, 3);
	struct tree_frame answer;

	s.catalogue->vanishes = "teamAx00001";
	lab_request(s.fd, KA_Metadata, 8, 1,
		    LAB_VALUES({.field = KF_MetadataRequest_Topics, .null = true}));
	answer = lab_answer(s.lab, s.fd, KA_Metadata, 8, 1);
	cr_assert_eq(count_names(answer.body, KF_MetadataResponse_Topics_Name, "x0000"), 2);
	lab_request(s.fd, KA_Metadata, 8, 2,
		    LAB_VALUES(LAB_COUNT(KF_MetadataRequest_Topics, 1),
			       LAB_TEXT(KF_MetadataRequest_Topics_Name, "x00001")));
	answer = lab_answer(s.lab, s.fd, KA_Metadata, 8, 2);
	cr_assert_eq(count_names(answer.body, KF_MetadataResponse_Topics_Name, "x00001"), 1);
	cr_assert_eq(lab_number(&answer, KF_MetadataResponse_Topics_ErrorCode), 3);
	end(&s);
}

/* -- the others */

static struct tree_frame
ask_null(struct scene *s, int key, int version, uint16_t array, int32_t id)
{
	const struct lab_value values[] = {{.field = array, .null = true}, LAB_END};

	lab_request(s->fd, key, version, id, values);
	lab_answer(s->lab, s->fd, key, version, id);
	return last_request(s);
}

Test(lookup, null_names_the_tenants_partitions, .timeout = 120)
{
	struct scene s = begin(40, 200);
	struct tree_frame asked;
	struct tree *first;

	s.catalogue->partitions[202] = 3; /* teamAx00000 */
	for (int version = 1; version <= 5; version++) {
		asked = ask_null(&s, KA_DescribeLogDirs, version, KF_DescribeLogDirsRequest_Topics,
				 10 + version);
		cr_assert_eq(
		    count_names(asked.body, KF_DescribeLogDirsRequest_Topics_Topic, "teamAx"), 40);
		first = tree_find(asked.body, KF_DescribeLogDirsRequest_Topics_Partitions);
		cr_assert_eq(first->count, 3);
		cr_assert_eq(first->children[2]->number, 2);
	}
	for (int version = 0; version <= 2; version++) {
		asked = ask_null(&s, KA_ElectLeaders, version,
				 KF_ElectLeadersRequest_TopicPartitions, 20 + version);
		cr_assert_eq(
		    count_names(asked.body, KF_ElectLeadersRequest_TopicPartitions_Topic, "teamAx"),
		    40);
		first = tree_find(asked.body, KF_ElectLeadersRequest_TopicPartitions_Partitions);
		cr_assert_eq(first->count, 3);
	}
	asked = ask_null(&s, KA_ListPartitionReassignments, 0,
			 KF_ListPartitionReassignmentsRequest_Topics, 30);
	cr_assert_eq(
	    count_names(asked.body, KF_ListPartitionReassignmentsRequest_Topics_Name, "teamAx"),
	    40);
	first = tree_find(asked.body, KF_ListPartitionReassignmentsRequest_Topics_PartitionIndexes);
	cr_assert_eq(first->count, 3);
	end(&s);
}

Test(lookup, a_tenant_without_topics_asks_for_none, .timeout = 120)
{
	struct scene s = begin(0, 50);
	struct tree_frame asked =
	    ask_null(&s, KA_DescribeLogDirs, 4, KF_DescribeLogDirsRequest_Topics, 1);
	struct tree *array = tree_find(asked.body, KF_DescribeLogDirsRequest_Topics);

	cr_assert(!array->null && array->count == 0);
	asked = ask_null(&s, KA_ElectLeaders, 2, KF_ElectLeadersRequest_TopicPartitions, 2);
	array = tree_find(asked.body, KF_ElectLeadersRequest_TopicPartitions);
	cr_assert(!array->null && array->count == 0);
	/* Where an empty list means all, a name that cannot be stands in it. */
	lab_request(
	    s.fd, KA_DescribeTopicPartitions, 0, 3,
	    LAB_VALUES(LAB_NUMBER(KF_DescribeTopicPartitionsRequest_ResponsePartitionLimit, 2000)));
	lab_answer(s.lab, s.fd, KA_DescribeTopicPartitions, 0, 3);
	asked = last_request(&s);
	cr_assert_gt(tree_find(asked.body, KF_DescribeTopicPartitionsRequest_Topics)->count, 0);
	end(&s);
}

/* Before Kafka 3.8: the list of all is taken apart; Metadata is what it was. */
Test(lookup, an_old_cluster_is_asked_for_everything, .timeout = 120)
{
	struct scene s = begin(5, 50);
	struct tree_frame asked;
	struct lab_ack ack;

	s.lab->lists_topics = false;
	lab_publish(s.lab, &ack);
	lab_wait_ack(s.lab, &ack);
	asked = ask_null(&s, KA_DescribeLogDirs, 4, KF_DescribeLogDirsRequest_Topics, 1);
	cr_assert_eq(count_names(asked.body, KF_DescribeLogDirsRequest_Topics_Topic, "teamAx"), 5);
	cr_assert_eq(s.catalogue->pages, 0);
	asked = ask_null(&s, KA_Metadata, 8, KF_MetadataRequest_Topics, 2);
	cr_assert(tree_find(asked.body, KF_MetadataRequest_Topics)->null);
	end(&s);
}

/* A user who may not write makes no topics by naming them, though version 1 cannot say so. */
Test(lookup, an_old_client_that_may_only_read_makes_no_topics, .timeout = 120)
{
	static const int64_t read_only[] = {1};
	struct scene s = begin(5, 50);
	struct tree_frame frame;
	struct lab_ack ack;

	s.lab->team_a[0].allow = read_only;
	s.lab->team_a[0].allow_count = 1;
	for (int i = 0; i < 2; i++) { /* with and without lists of topics */
		s.lab->lists_topics = i == 0;
		lab_publish(s.lab, &ack);
		lab_wait_ack(s.lab, &ack);
		lab_request(s.fd, KA_Metadata, 1, 1,
			    LAB_VALUES(LAB_COUNT(KF_MetadataRequest_Topics, 1),
				       LAB_TEXT(KF_MetadataRequest_Topics_Name, "x00001")));
		frame = lab_answer(s.lab, s.fd, KA_Metadata, 1, 1);
		cr_assert_eq(lab_number(&frame, KF_MetadataResponse_Topics_ErrorCode), 0);
		cr_assert_str_eq(lab_text(s.lab, &frame, KF_MetadataResponse_Topics_Name),
				 "x00001");
		lab_request(s.fd, KA_Metadata, 1, 2,
			    LAB_VALUES(LAB_COUNT(KF_MetadataRequest_Topics, 1),
				       LAB_TEXT(KF_MetadataRequest_Topics_Name, "new")));
		frame = lab_answer(s.lab, s.fd, KA_Metadata, 1, 2);
		cr_assert_eq(lab_number(&frame, KF_MetadataResponse_Topics_ErrorCode), 3);
		cr_assert_str_eq(lab_text(s.lab, &frame, KF_MetadataResponse_Topics_Name), "new");
		frame = last_request(&s);
		cr_assert_str_eq(lab_text(s.lab, &frame, KF_MetadataRequest_Topics_Name),
				 ":eamAnew");
	}
	end(&s);
}

/* -- aliases */

static const struct alias aliases[] = {
    {.topic = "mine", .physical = "other00003"},
    {.topic = "seen", .physical = "teamB00001", .read_only = true},
};
static const struct alias *const by_physical[] = {&aliases[0], &aliases[1]};

/* How many partitions of this topic a request names; -1: it does not. */
static int
partitions_named(struct tree *array, uint16_t partitions, const char *name)
{
	for (size_t i = 0; i < array->count; i++) {
		struct tree *topic = array->children[i];

		if (topic->children[0]->length == strlen(name) &&
		    memcmp(topic->children[0]->bytes, name, strlen(name)) == 0)
			return (int)tree_find(topic, partitions)->count;
	}
	return -1;
}

Test(lookup, aliases_are_the_tenants_too, .timeout = 120)
{
	struct scene s = begin(5, 50);
	struct tree_frame frame;
	struct tree *array;
	struct lab_ack ack;

	s.catalogue->partitions[3] = 4;
	s.lab->aliases = aliases;
	s.lab->aliases_by_physical = by_physical;
	s.lab->aliases_count = 2;
	for (int i = 0; i < 2; i++) { /* with and without lists of topics */
		s.lab->lists_topics = i == 0;
		lab_publish(s.lab, &ack);
		lab_wait_ack(s.lab, &ack);
		lab_request(s.fd, KA_Metadata, 8, 1,
			    LAB_VALUES({.field = KF_MetadataRequest_Topics, .null = true}));
		frame = lab_answer(s.lab, s.fd, KA_Metadata, 8, 1);
		cr_assert_eq(count_names(frame.body, KF_MetadataResponse_Topics_Name, ""), 7);
		frame = ask_null(&s, KA_DescribeLogDirs, 4, KF_DescribeLogDirsRequest_Topics, 2);
		array = tree_find(frame.body, KF_DescribeLogDirsRequest_Topics);
		cr_assert_eq(array->count, 7);
		cr_assert_eq(partitions_named(array, KF_DescribeLogDirsRequest_Topics_Partitions,
					      "other00003"),
			     4);
		/* What changes topics leaves out those that are read only. */
		frame = ask_null(&s, KA_ElectLeaders, 2, KF_ElectLeadersRequest_TopicPartitions, 3);
		array = tree_find(frame.body, KF_ElectLeadersRequest_TopicPartitions);
		cr_assert_eq(array->count, 6);
		cr_assert_eq(partitions_named(array,
					      KF_ElectLeadersRequest_TopicPartitions_Partitions,
					      "teamB00001"),
			     -1);
	}
	end(&s);
}

/* -- paging */

/* A client's own pages: each costs what it holds, and nothing is seen of others. */
Test(lookup, pages_of_a_large_tenant, .timeout = 120)
{
	struct scene s = begin(1000, 300);
	char cursor[32] = "x00400";
	struct tree_frame asked;

	lab_request(
	    s.fd, KA_DescribeTopicPartitions, 0, 1,
	    LAB_VALUES(LAB_NUMBER(KF_DescribeTopicPartitionsRequest_ResponsePartitionLimit, 50),
		       {.field = KF_DescribeTopicPartitionsRequest_Cursor_TopicName,
			.data = cursor,
			.length = strlen(cursor)}));
	lab_answer(s.lab, s.fd, KA_DescribeTopicPartitions, 0, 1);
	asked = last_request(&s);
	cr_assert_geq(
	    count_names(asked.body, KF_DescribeTopicPartitionsRequest_Topics_Name, "teamAx004"),
	    51);
	cr_assert_lt(s.catalogue->listed, 300);
	cr_assert_eq(lab_number(&asked, KF_DescribeTopicPartitionsRequest_ResponsePartitionLimit),
		     50);
	cr_assert_str_eq(
	    lab_text(s.lab, &asked, KF_DescribeTopicPartitionsRequest_Cursor_TopicName),
	    "teamAx00400");
	end(&s);
}

/* Bytes after a request's message are dropped, here and when it goes out: not only when it goes
 * out.
 */
Test(lookup, a_byte_too_many_does_not_ask_for_everything, .timeout = 120)
{
	struct scene s = begin(10, 300);
	struct bytes request = {0};
	struct tree_frame asked;

	lab_encode_request(
	    &request, KA_DescribeTopicPartitions, 0, 1,
	    LAB_VALUES(LAB_NUMBER(KF_DescribeTopicPartitionsRequest_ResponsePartitionLimit, 2000),
		       LAB_TEXT(KF_DescribeTopicPartitionsRequest_Cursor_TopicName, "x00000")));
	bytes_add_u8(&request, 0);
	request.data[3]++;
	lab_send(s.fd, request.data, request.length);
	bytes_free(&request);
	lab_answer(s.lab, s.fd, KA_DescribeTopicPartitions, 0, 1);
	asked = last_request(&s);
	cr_assert_eq(
	    count_names(asked.body, KF_DescribeTopicPartitionsRequest_Topics_Name, "teamAx"), 10);
	end(&s);
}

/* -- order, and what goes wrong */

Test(lookup, what_comes_behind_waits_and_keeps_its_order, .timeout = 120)
{
	struct scene s = begin(100, 100);
	struct bytes all = {0};
	const struct lab_value null[] = {{.field = KF_MetadataRequest_Topics, .null = true},
					 LAB_END};

	fake_broker_set_mode(s.catalogue->broker, FAKE_HOLD);
	lab_encode_request(&all, KA_Metadata, 8, 1, LAB_NOTHING);
	lab_encode_request(&all, KA_Metadata, 8, 2, null);
	lab_encode_request(&all, KA_ApiVersions, 0, 3, LAB_NOTHING);
	lab_encode_request(&all, KA_Metadata, 5, 4, null);
	lab_encode_request(&all, KA_Heartbeat, 4, 5, LAB_NOTHING);
	lab_send(s.fd, all.data, all.length);
	lab_wait_requests(s.lab, s.catalogue->broker, 2); /* the first, and a question */
	lab_expect_silence(s.lab, s.fd);
	cr_assert_eq(fake_broker_requests(s.catalogue->broker), 2);
	fake_broker_set_mode(s.catalogue->broker, FAKE_ANSWER);
	lab_answer(s.lab, s.fd, KA_Metadata, 8, 1);
	lab_answer(s.lab, s.fd, KA_Metadata, 8, 2);
	lab_answer(s.lab, s.fd, KA_ApiVersions, 0, 3);
	lab_answer(s.lab, s.fd, KA_Metadata, 5, 4);
	lab_answer(s.lab, s.fd, KA_Heartbeat, 4, 5);
	cr_assert_eq(lab_counters(s.lab).requests_total, 5 + 2);
	bytes_free(&all);
	end(&s);
}

/* A hold begins while a question is out: the hold waits for its answer, the request for the hold's
 * end, and then the other cluster is asked. */
Test(lookup, a_switch_in_the_middle_asks_anew, .timeout = 120)
{
	struct scene s = begin(60, 60);
	struct scene other = begin(7, 10);
	struct lab_ack hold;
	struct lab_ack flip;
	struct tree_frame answer;
	struct catalogue *old = s.catalogue;

	fake_broker_set_mode(old->broker, FAKE_HOLD);
	lab_request(s.fd, KA_Metadata, 8, 1,
		    LAB_VALUES({.field = KF_MetadataRequest_Topics, .null = true}));
	lab_wait_requests(s.lab, old->broker, 1);
	lab_hold(s.lab, "main", &hold);
	lab_linger(s.lab, 200);
	cr_assert_not(hold.came);
	fake_broker_set_mode(old->broker, FAKE_ANSWER);
	lab_wait_ack(s.lab, &hold);
	cr_assert_eq(fake_broker_requests(old->broker), 1, "a further page, although held");
	s.lab->generation++;
	lab_set_slot(&s.lab->main, 0, 201, fake_broker_port(other.catalogue->broker));
	lab_publish(s.lab, &flip);
	lab_wait_ack(s.lab, &flip);
	answer = lab_answer(s.lab, s.fd, KA_Metadata, 8, 1);
	cr_assert_eq(count_names(answer.body, KF_MetadataResponse_Topics_Name, "x"), 7);
	cr_assert_eq(fake_broker_requests(old->broker), 1);
	end(&other);
	end(&s);
}

Test(lookup, a_rolled_back_switch_asks_anew, .timeout = 120)
{
	struct scene s = begin(60, 60);
	struct lab_ack hold;
	struct lab_ack released;
	struct tree_frame answer;

	fake_broker_set_mode(s.catalogue->broker, FAKE_HOLD);
	lab_request(s.fd, KA_Metadata, 8, 1,
		    LAB_VALUES({.field = KF_MetadataRequest_Topics, .null = true}));
	lab_wait_requests(s.lab, s.catalogue->broker, 1);
	lab_hold(s.lab, "main", &hold);
	fake_broker_set_mode(s.catalogue->broker, FAKE_ANSWER);
	lab_wait_ack(s.lab, &hold);
	lab_expect_silence(s.lab, s.fd);
	lab_release(s.lab, "main", &released);
	lab_wait_ack(s.lab, &released);
	answer = lab_answer(s.lab, s.fd, KA_Metadata, 8, 1);
	cr_assert_eq(count_names(answer.body, KF_MetadataResponse_Topics_Name, "x"), 60);
	end(&s);
}

static void
check_broken(enum fake_mode mode)
{
	struct scene s = begin(60, 60);

	fake_broker_set_mode(s.catalogue->broker, mode);
	lab_request(s.fd, KA_Metadata, 8, 1,
		    LAB_VALUES({.field = KF_MetadataRequest_Topics, .null = true}));
	lab_expect_end(s.fd);
	/* Nobody else is disturbed. */
	fake_broker_set_mode(s.catalogue->broker, FAKE_ANSWER);
	close(s.fd);
	s.fd = lab_client(s.lab, 0);
	lab_request(s.fd, KA_Metadata, 8, 2,
		    LAB_VALUES({.field = KF_MetadataRequest_Topics, .null = true}));
	lab_answer(s.lab, s.fd, KA_Metadata, 8, 2);
	end(&s);
}

Test(lookup, a_broker_that_closes, .timeout = 120)
{
	check_broken(FAKE_CLOSE);
}
Test(lookup, a_broker_that_answers_garbage, .timeout = 120)
{
	check_broken(FAKE_GARBAGE);
}
Test(lookup, a_broker_that_answers_another_question, .timeout = 120)
{
	check_broken(FAKE_WRONG_ID);
}
Test(lookup, a_broker_that_stops_in_the_middle, .timeout = 120)
{
	check_broken(FAKE_CUT);
}

Test(lookup, a_client_that_goes_takes_its_question_along, .timeout = 120)
{
	struct scene s = begin(60, 60);

	fake_broker_set_mode(s.catalogue->broker, FAKE_HOLD);
	lab_request(s.fd, KA_Metadata, 8, 1,
		    LAB_VALUES({.field = KF_MetadataRequest_Topics, .null = true}));
	lab_wait_requests(s.lab, s.catalogue->broker, 1);
	close(s.fd);
	lab_wait_open(s.lab, s.catalogue->broker, 0);
	fake_broker_set_mode(s.catalogue->broker, FAKE_ANSWER);
	s.fd = lab_client(s.lab, 0);
	lab_request(s.fd, KA_Metadata, 8, 2,
		    LAB_VALUES({.field = KF_MetadataRequest_Topics, .null = true}));
	lab_answer(s.lab, s.fd, KA_Metadata, 8, 2);
	end(&s);
}

/* -- ACLs */

static void
create_acl(int fd, int32_t id)
{
	lab_request(fd, KA_CreateAcls, 2, id,
		    LAB_VALUES(LAB_COUNT(KF_CreateAclsRequest_Creations, 1),
			       LAB_NUMBER(KF_CreateAclsRequest_Creations_ResourceType, 2),
			       LAB_TEXT(KF_CreateAclsRequest_Creations_ResourceName, "*"),
			       LAB_NUMBER(KF_CreateAclsRequest_Creations_ResourcePatternType, 3),
			       LAB_TEXT(KF_CreateAclsRequest_Creations_Principal, "User:x"),
			       LAB_TEXT(KF_CreateAclsRequest_Creations_Host, "*")));
}

/* What the old cluster has done is not done again: its answer is the client's, hold or not. */
Test(lookup, a_change_is_made_once_whatever_holds, .timeout = 120)
{
	struct scene s = begin(3, 3);
	struct tree_frame frame;
	struct lab_ack hold;
	struct lab_ack released;

	fake_broker_set_mode(s.catalogue->broker, FAKE_HOLD);
	create_acl(s.fd, 1);
	lab_wait_requests(s.lab, s.catalogue->broker, 1);
	frame = last_request(&s);
	cr_assert_str_eq(lab_text(s.lab, &frame, KF_CreateAclsRequest_Creations_ResourceName),
			 "teamA");
	cr_assert_eq(lab_number(&frame, KF_CreateAclsRequest_Creations_ResourcePatternType), 4);
	cr_assert_str_eq(lab_text(s.lab, &frame, KF_CreateAclsRequest_Creations_Principal),
			 "User:teamAx");
	lab_hold(s.lab, "main", &hold);
	lab_linger(s.lab, 100);
	cr_assert_not(hold.came);
	fake_broker_set_mode(s.catalogue->broker, FAKE_ANSWER);
	lab_answer(s.lab, s.fd, KA_CreateAcls, 2, 1);
	lab_wait_ack(s.lab, &hold);
	create_acl(s.fd, 2); /* the next one waits */
	lab_expect_silence(s.lab, s.fd);
	cr_assert_eq(fake_broker_requests(s.catalogue->broker), 1);
	lab_release(s.lab, "main", &released);
	lab_wait_ack(s.lab, &released);
	lab_answer(s.lab, s.fd, KA_CreateAcls, 2, 2);
	cr_assert_eq(fake_broker_requests(s.catalogue->broker), 2);
	end(&s);
}

/* Nothing to ask: answered at once, in order. */
Test(lookup, acls_that_nobody_has_to_be_asked_for, .timeout = 120)
{
	struct scene s = begin(3, 3);
	struct tree_frame frame;

	/* A long answer that tells its throttle time at the end: nothing of it is kept. */
	lab_request(s.fd, KA_ApiVersions, 1, 9, LAB_NOTHING);
	lab_answer(s.lab, s.fd, KA_ApiVersions, 1, 9);
	lab_request(s.fd, KA_CreateAcls, 2, 1, LAB_NOTHING);
	lab_request(s.fd, KA_DeleteAcls, 3, 2, LAB_NOTHING);
	lab_request(s.fd, KA_CreateAcls, 1, 3,
		    LAB_VALUES(LAB_COUNT(KF_CreateAclsRequest_Creations, 1),
			       LAB_NUMBER(KF_CreateAclsRequest_Creations_ResourceType, 4)));
	lab_answer(s.lab, s.fd, KA_CreateAcls, 2, 1);
	lab_answer(s.lab, s.fd, KA_DeleteAcls, 3, 2);
	frame = lab_answer(s.lab, s.fd, KA_CreateAcls, 1, 3);
	cr_assert_eq(lab_number(&frame, KF_CreateAclsResponse_Results_ErrorCode), 42);
	cr_assert_eq(fake_broker_requests(s.catalogue->broker), 0);
	/* A filter is always asked for; an answer without ACLs is one. */
	lab_request(s.fd, KA_DescribeAcls, 3, 4, LAB_NOTHING);
	lab_answer(s.lab, s.fd, KA_DescribeAcls, 3, 4);
	cr_assert_eq(fake_broker_requests(s.catalogue->broker), 1);
	end(&s);
}

/* What filters find is kept until they have all been asked; what others have is not. */
Test(lookup, acls_of_several_filters, .timeout = 120)
{
	struct scene s = begin(3, 3);
	struct tree_frame frame;

	lab_request(s.fd, KA_DescribeAcls, 3, 1,
		    LAB_VALUES(LAB_NUMBER(KF_DescribeAclsRequest_ResourceTypeFilter, 1),
			       LAB_NUMBER(KF_DescribeAclsRequest_PatternTypeFilter, 1)));
	frame = lab_answer(s.lab, s.fd, KA_DescribeAcls, 3, 1);
	cr_assert_eq(count_names(frame.body, KF_DescribeAclsResponse_Resources_ResourceName, "x"),
		     3);
	lab_request(s.fd, KA_DeleteAcls, 3, 2,
		    LAB_VALUES(LAB_COUNT(KF_DeleteAclsRequest_Filters, 2),
			       LAB_NUMBER(KF_DeleteAclsRequest_Filters_ResourceTypeFilter, 1),
			       LAB_NUMBER(KF_DeleteAclsRequest_Filters_PatternTypeFilter, 1)));
	frame = lab_answer(s.lab, s.fd, KA_DeleteAcls, 3, 2);
	cr_assert_eq(count_names(frame.body,
				 KF_DeleteAclsResponse_FilterResults_MatchingAcls_ResourceName,
				 "x"),
		     6);
	frame = last_request(&s);
	cr_assert_eq(frame.key, KA_DeleteAcls);
	cr_assert_eq(count_names(frame.header, KF_RequestHeader_ClientId, "turnout-teamA"), 1);
	cr_assert_eq(
	    count_names(frame.body, KF_DeleteAclsRequest_Filters_ResourceNameFilter, "teamAx"), 6);
	cr_assert_eq(
	    count_names(frame.body, KF_DeleteAclsRequest_Filters_PrincipalFilter, "User:teamAu"),
	    6);
	cr_assert_eq(count_names(frame.body, KF_DeleteAclsRequest_Filters_HostFilter, "10.1.1.1"),
		     6);
	end(&s);
}
