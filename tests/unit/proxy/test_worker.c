/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker with real sockets on both sides: order of answers, streaming with slow and broken peers,
 * brokers that misbehave, and everything that a switch does (hold, flip, release, cut). lab.h has
 * the machinery.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/be.h"
#include "base/mem.h"
#include "kafka/kafka_ids.h"
#include "lab.h"

#define MIB (1 << 20)
/* What kernels keep in the sockets of one connection on loopback, both sides of the gateway, and
 * the gateway's own limit. */
#define IN_BETWEEN (24 * MIB)

/* A lab with one or two brokers; everything is stopped by end(). */
struct scene {
	struct fake_broker *one;
	struct fake_broker *two;
	struct lab *lab;
};

static struct scene
begin(void)
{
	struct scene s = {fake_broker_start(NULL, NULL), fake_broker_start(NULL, NULL), NULL};

	s.lab = lab_start(s.one, s.two);
	return s;
}

static void
end(struct scene *s)
{
	lab_stop(&s->lab);
	fake_broker_stop(&s->one);
	fake_broker_stop(&s->two);
}

static void
ask(int fd, int32_t id)
{
	lab_request(fd, KA_Metadata, 8, id, LAB_NOTHING);
}

static void
answered(struct scene *s, int fd, int32_t id)
{
	lab_answer(s->lab, fd, KA_Metadata, 8, id);
}

static void
ask_and_wait(struct scene *s, int fd, int32_t id)
{
	ask(fd, id);
	answered(s, fd, id);
}

/* The n-th request at a broker has this correlation id. */
static void
check_request(struct fake_broker *broker, size_t n, int32_t id)
{
	struct bytes frame = {0};
	struct fake_request request = fake_broker_request(broker, n, &frame);

	cr_assert_eq(request.correlation_id, id, "request %zu is %d, expected %d", n,
		     request.correlation_id, id);
	bytes_free(&frame);
}

static void
produce(int fd, int32_t id, int acks, const void *records, size_t length)
{
	const struct lab_value values[] = {
	    LAB_NUMBER(KF_ProduceRequest_Acks, acks),
	    LAB_COUNT(KF_ProduceRequest_TopicData, 1),
	    LAB_TEXT(KF_ProduceRequest_TopicData_Name, "users"),
	    LAB_COUNT(KF_ProduceRequest_TopicData_PartitionData, 1),
	    {.field = KF_ProduceRequest_TopicData_PartitionData_Records,
	     .data = records,
	     .length = length},
	    LAB_END,
	};

	lab_request(fd, KA_Produce, 9, id, values);
}

static uint8_t *
noise(size_t length)
{
	uint8_t *bytes = malloc(length);
	uint32_t x = 2463534242;

	for (size_t i = 0; i < length; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		bytes[i] = (uint8_t)x;
	}
	return bytes;
}

/* -- order */

Test(worker, answers_keep_the_order_of_requests, .timeout = 120)
{
	struct scene s = begin();
	int fd = lab_client(s.lab, 0);
	struct bytes all = {0};

	fake_broker_set_mode(s.one, FAKE_HOLD);
	lab_encode_request(&all, KA_ApiVersions, 0, 10, LAB_NOTHING);
	lab_encode_request(&all, KA_Metadata, 8, 11, LAB_NOTHING);
	lab_encode_request(&all, KA_ApiVersions, 0, 12, LAB_NOTHING);
	lab_encode_request(&all, KA_InitProducerId, 4, 13, LAB_NOTHING);
	lab_encode_request(&all, KA_Metadata, 1, 14, LAB_NOTHING);
	lab_encode_request(&all, KA_Metadata, 8, 15, LAB_NOTHING);
	lab_encode_request(&all, KA_DescribeCluster, 1, 16, LAB_NOTHING);
	lab_send(fd, all.data, all.length);
	lab_answer(s.lab, fd, KA_ApiVersions, 0, 10);
	lab_wait_requests(s.lab, s.one, 3);
	lab_expect_silence(s.lab, fd);
	fake_broker_set_mode(s.one, FAKE_ANSWER);
	lab_answer(s.lab, fd, KA_Metadata, 8, 11);
	lab_answer(s.lab, fd, KA_ApiVersions, 0, 12);
	lab_answer(s.lab, fd, KA_InitProducerId, 4, 13);
	lab_answer(s.lab, fd, KA_Metadata, 1, 14);
	lab_answer(s.lab, fd, KA_Metadata, 8, 15);
	lab_answer(s.lab, fd, KA_DescribeCluster, 1, 16);
	bytes_free(&all);
	close(fd);
	end(&s);
}

Test(worker, more_requests_than_are_kept_in_flight, .timeout = 120)
{
	struct scene s = begin();
	int fd = lab_client(s.lab, 0);
	struct bytes all = {0};

	fake_broker_set_mode(s.one, FAKE_HOLD);
	for (int32_t id = 0; id < 3000; id++)
		lab_encode_request(&all, id % 3 == 2 ? KA_ApiVersions : KA_Metadata, 0, id,
				   LAB_NOTHING);
	lab_send(fd, all.data, all.length);
	lab_wait_requests(s.lab, s.one, 600);
	lab_linger(s.lab, 200);
	cr_assert_lt(fake_broker_requests(s.one), 1025);
	fake_broker_set_mode(s.one, FAKE_ANSWER);
	for (int32_t id = 0; id < 3000; id++)
		lab_answer(s.lab, fd, id % 3 == 2 ? KA_ApiVersions : KA_Metadata, 0, id);
	bytes_free(&all);
	close(fd);
	end(&s);
}

Test(worker, acks_0_has_no_answer_and_disturbs_nothing, .timeout = 120)
{
	struct scene s = begin();
	int fd = lab_client(s.lab, 0);
	uint8_t *records = noise(3 * MIB);

	produce(fd, 1, 0, "records", 7);
	ask_and_wait(&s, fd, 2);
	produce(fd, 3, 0, records, 3 * MIB); /* streamed */
	produce(fd, 4, 1, "records", 7);
	produce(fd, 5, 0, NULL, 0);
	ask(fd, 6);
	lab_answer(s.lab, fd, KA_Produce, 9, 4);
	answered(&s, fd, 6);
	cr_assert_eq(fake_broker_requests(s.one), 6);
	for (int32_t id = 1; id <= 6; id++)
		check_request(s.one, (size_t)id - 1, id);
	lab_expect_silence(s.lab, fd);
	free(records);
	close(fd);
	end(&s);
}

/* With acks=0 a broker can only say that something is wrong by closing; the client must learn of
 * it, or it would go on to the wrong broker for ever. */
Test(worker, a_broker_that_closes_after_acks_0_is_told_to_the_client, .timeout = 120)
{
	struct scene s = begin();
	int fd = lab_client(s.lab, 0);

	produce(fd, 1, 0, "records", 7);
	lab_wait_requests(s.lab, s.one, 1);
	fake_broker_drop_all(s.one);
	lab_expect_end(fd);
	close(fd);
	end(&s);
}

/* An idle connection that a broker closes is nothing to a client: the next request opens another.
 */
Test(worker, an_idle_end_of_the_broker_is_not_told, .timeout = 120)
{
	struct scene s = begin();
	int fd = lab_client(s.lab, 0);

	ask_and_wait(&s, fd, 1);
	fake_broker_drop_all(s.one);
	lab_wait_open(s.lab, s.one, 0);
	lab_expect_silence(s.lab, fd);
	ask_and_wait(&s, fd, 2);
	cr_assert_eq(fake_broker_accepted(s.one), 2);
	close(fd);
	end(&s);
}

/* -- streams */

static void
check_produced(struct scene *s, size_t n, const uint8_t *records, size_t length)
{
	struct bytes frame = {0};
	struct tree_frame got;
	struct fake_request r = fake_broker_request(s->one, n, &frame);
	struct tree *field;

	cr_assert(tree_frame_parse(s->lab->arena, KAFKA_REQUEST, r.key, r.version, r.frame, r.size,
				   &got));
	cr_assert_str_eq(lab_text(s->lab, &got, KF_ProduceRequest_TopicData_Name), "teamAusers");
	field = tree_find(got.body, KF_ProduceRequest_TopicData_PartitionData_Records);
	cr_assert_eq(field->length, length);
	cr_assert(memcmp(field->bytes, records, length) == 0);
	bytes_free(&frame);
}

Test(worker, large_produce_requests_come_through_byte_for_byte, .timeout = 240)
{
	static const size_t sizes[] = {1, 60000, 65400, 65536, 200001, 20 * MIB};
	struct scene s = begin();
	int fd = lab_client(s.lab, 0);
	uint8_t *records = noise(20 * MIB);

	for (int32_t i = 0; i < 6; i++) {
		produce(fd, i, 1, records, sizes[i]);
		lab_answer(s.lab, fd, KA_Produce, 9, i);
		check_produced(&s, (size_t)i, records, sizes[i]);
	}
	free(records);
	close(fd);
	end(&s);
}

/* Sends all on a thread of its own by a child... a non-blocking socket is enough: what the gateway
 * does not take, stays here. */
static size_t
send_until_stuck(struct scene *s, int fd, const uint8_t *bytes, size_t length)
{
	size_t sent = 0;
	int idle = 0;

	while (sent < length && idle < 20) {
		ssize_t n = send(fd, bytes + sent, length - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			sent += (size_t)n;
			idle = 0;
			continue;
		}
		cr_assert_eq(errno, EAGAIN);
		lab_linger(s->lab, 25);
		idle++;
	}
	return sent;
}

Test(worker, a_broker_that_does_not_read_stops_the_client, .timeout = 240)
{
	struct scene s = begin();
	int fd = lab_client(s.lab, 0), other;
	size_t length = 64 * MIB, sent;
	uint8_t *records = noise(length);
	const struct lab_value values[] = {
	    LAB_NUMBER(KF_ProduceRequest_Acks, 1),
	    LAB_COUNT(KF_ProduceRequest_TopicData, 1),
	    LAB_TEXT(KF_ProduceRequest_TopicData_Name, "users"),
	    LAB_COUNT(KF_ProduceRequest_TopicData_PartitionData, 1),
	    {.field = KF_ProduceRequest_TopicData_PartitionData_Records,
	     .data = records,
	     .length = length},
	    LAB_END,
	};
	struct bytes frame = {0};

	ask_and_wait(&s, fd, 1);
	fake_broker_freeze(s.one, true);
	lab_encode_request(&frame, KA_Produce, 9, 2, values);
	sent = send_until_stuck(&s, fd, frame.data, frame.length);
	cr_assert_lt(sent, IN_BETWEEN, "%zu bytes went in", sent);
	cr_assert_lt(lab_counters(s.lab).bytes_in, IN_BETWEEN / 2);
	other = lab_client(s.lab, 1);
	ask_and_wait(&s, other, 1); /* another broker, the same worker: not stopped by that */
	fake_broker_freeze(s.one, false);
	lab_send(fd, frame.data + sent, frame.length - sent);
	lab_answer(s.lab, fd, KA_Produce, 9, 2);
	check_produced(&s, 1, records, length);
	bytes_free(&frame);
	free(records);
	close(fd);
	close(other);
	end(&s);
}

/* A broker whose Fetch answers hold so many bytes of noise in one partition of this topic. */
struct fetched {
	const char *topic;
	const uint8_t *records;
	size_t length;
};

static void
answer_fetch(void *arg, const struct fake_request *request, struct bytes *answer)
{
	const struct fetched *f = arg;
	const struct lab_value values[] = {
	    LAB_COUNT(KF_FetchResponse_Responses, 1),
	    {.field = KF_FetchResponse_Responses_Topic,
	     .data = f->topic,
	     .length = strlen(f->topic)},
	    LAB_COUNT(KF_FetchResponse_Responses_Partitions, 1),
	    LAB_NUMBER(KF_FetchResponse_Responses_Partitions_PreferredReadReplica, -1),
	    {.field = KF_FetchResponse_Responses_Partitions_Records,
	     .data = f->records,
	     .length = f->length},
	    LAB_END,
	};

	if (request->key == KA_Fetch)
		lab_encode_response(answer, request->key, request->version, request->correlation_id,
				    values);
	else
		lab_encode_response(answer, request->key, request->version, request->correlation_id,
				    LAB_NOTHING);
}

static void
check_fetched(struct lab *lab, int fd, int32_t id, const struct fetched *f)
{
	struct tree_frame got = lab_answer(lab, fd, KA_Fetch, 12, id);
	struct tree *field = tree_find(got.body, KF_FetchResponse_Responses_Partitions_Records);

	cr_assert_str_eq(lab_text(lab, &got, KF_FetchResponse_Responses_Topic),
			 f->topic + strlen("teamA"));
	cr_assert_eq(field->length, f->length);
	cr_assert(memcmp(field->bytes, f->records, f->length) == 0);
}

Test(worker, large_fetch_answers_come_through_byte_for_byte, .timeout = 240)
{
	static const size_t sizes[] = {1, 60000, 65460, 65536, 200001, 20 * MIB};
	uint8_t *records = noise(20 * MIB);
	struct fetched f = {.topic = "teamAusers", .records = records};

	for (int32_t i = 0; i < 6; i++) {
		struct fake_broker *broker = fake_broker_start(answer_fetch, &f);
		struct lab *lab = lab_start(broker, NULL);
		int fd = lab_client(lab, 0);

		f.length = sizes[i];
		for (int32_t id = 0; id < 3; id++)
			lab_request(fd, KA_Fetch, 12, id, LAB_NOTHING);
		lab_request(fd, KA_Metadata, 8, 3, LAB_NOTHING);
		for (int32_t id = 0; id < 3; id++)
			check_fetched(lab, fd, id, &f);
		lab_answer(lab, fd, KA_Metadata, 8, 3);
		close(fd);
		lab_stop(&lab);
		fake_broker_stop(&broker);
	}
	free(records);
}

struct sending {
	struct fake_broker *broker;
	size_t last;
	int idle;
};

static bool
is_stuck(void *arg)
{
	struct sending *s = arg;
	size_t sent = fake_broker_sent(s->broker);

	s->idle = sent == s->last ? s->idle + 1 : 0;
	s->last = sent;
	return s->idle > 300;
}

Test(worker, a_client_that_does_not_read_stops_the_broker, .timeout = 240)
{
	uint8_t *records = noise(64 * MIB);
	struct fetched f = {.topic = "teamAusers", .records = records, .length = 64 * MIB};
	struct fake_broker *broker = fake_broker_start(answer_fetch, &f);
	struct lab *lab = lab_start(broker, NULL);
	int fd = lab_client(lab, 0), other;
	struct sending sending = {.broker = broker};

	lab_request(fd, KA_Fetch, 12, 1, LAB_NOTHING);
	lab_request(fd, KA_ApiVersions, 0, 2, LAB_NOTHING);
	lab_wait_requests(lab, broker, 1);
	lab_wait(lab, is_stuck, &sending, "a stuck broker");
	cr_assert_lt(sending.last, IN_BETWEEN, "%zu bytes went out", sending.last);
	other = lab_client_of(lab, 0, "teamB", "sa");
	lab_request(other, KA_Metadata, 8, 1, LAB_NOTHING);
	lab_answer(lab, other, KA_Metadata, 8, 1);
	check_fetched(lab, fd, 1, &f);
	lab_answer(lab, fd, KA_ApiVersions, 0, 2);
	close(fd);
	close(other);
	lab_stop(&lab);
	fake_broker_stop(&broker);
	free(records);
}

Test(worker, a_foreign_topic_in_a_large_fetch_closes, .timeout = 120)
{
	uint8_t *records = noise(MIB);
	struct fetched f = {.topic = "teamBusers", .records = records, .length = MIB};
	struct fake_broker *broker = fake_broker_start(answer_fetch, &f);
	struct lab *lab = lab_start(broker, NULL);
	int fd = lab_client(lab, 0);

	lab_request(fd, KA_Fetch, 12, 1, LAB_NOTHING);
	lab_wait_log(lab, "answer.refused", "api=Fetch", "foreign");
	close(fd);
	lab_stop(&lab);
	fake_broker_stop(&broker);
	free(records);
}

Test(worker, a_client_that_goes_in_the_middle_of_a_request_takes_it_along, .timeout = 120)
{
	struct scene s = begin();
	int fd = lab_client(s.lab, 0), other = lab_client(s.lab, 0);
	uint8_t *records = noise(8 * MIB);
	struct bytes frame = {0};
	const struct lab_value values[] = {
	    LAB_COUNT(KF_ProduceRequest_TopicData, 1),
	    LAB_TEXT(KF_ProduceRequest_TopicData_Name, "users"),
	    LAB_COUNT(KF_ProduceRequest_TopicData_PartitionData, 1),
	    {.field = KF_ProduceRequest_TopicData_PartitionData_Records,
	     .data = records,
	     .length = 8 * MIB},
	    LAB_END,
	};

	lab_encode_request(&frame, KA_Produce, 9, 2, values);
	for (size_t cut = 20; cut < frame.length; cut = cut * 3 + 7) {
		if (cut > 20)
			fd = lab_client(s.lab, 0);
		lab_send(fd, frame.data, cut);
		close(fd);
	}
	ask_and_wait(&s, other, 1);
	lab_wait_open(s.lab, s.one, 1);
	cr_assert_eq(fake_broker_requests(s.one), 1, "only the other client's");
	bytes_free(&frame);
	free(records);
	close(other);
	end(&s);
}

/* -- brokers that misbehave */

static void
check_bad_answer(enum fake_mode mode, const char *word)
{
	struct scene s = begin();
	int fd = lab_client(s.lab, 0), other = lab_client(s.lab, 1);

	ask_and_wait(&s, fd, 1);
	fake_broker_set_mode(s.one, mode);
	ask(fd, 2);
	lab_expect_end(fd);
	close(fd);
	lab_wait_log(s.lab, "client.close", "broker", "vcluster=teamA");
	if (word != NULL)
		lab_wait_log(s.lab, "answer.refused", "api=Metadata", word);
	ask_and_wait(&s, other, 3);
	close(other);
	end(&s);
}

Test(worker, a_broker_that_closes, .timeout = 120)
{
	check_bad_answer(FAKE_CLOSE, NULL);
}

Test(worker, a_broker_that_answers_garbage, .timeout = 120)
{
	check_bad_answer(FAKE_GARBAGE, "Metadata");
}

Test(worker, a_broker_that_answers_another_request, .timeout = 120)
{
	check_bad_answer(FAKE_WRONG_ID, "correlation id");
}

Test(worker, a_broker_that_stops_in_the_middle_of_an_answer, .timeout = 120)
{
	check_bad_answer(FAKE_CUT, NULL);
}

static void
answer_twice(void *arg, const struct fake_request *r, struct bytes *answer)
{
	(void)arg;
	lab_encode_response(answer, r->key, r->version, r->correlation_id, LAB_NOTHING);
	lab_encode_response(answer, r->key, r->version, r->correlation_id + 1, LAB_NOTHING);
}

Test(worker, a_broker_that_answers_what_nobody_asked, .timeout = 120)
{
	struct fake_broker *broker = fake_broker_start(answer_twice, NULL);
	struct lab *lab = lab_start(broker, NULL);
	int fd = lab_client(lab, 0);

	lab_request(fd, KA_Metadata, 8, 1, LAB_NOTHING);
	lab_wait_log(lab, "answer.refused", "nobody asked", "broker=101");
	close(fd);
	lab_stop(&lab);
	fake_broker_stop(&broker);
}

Test(worker, another_broker_answers_for_one_that_refuses, .timeout = 120)
{
	struct fake_broker *broker = fake_broker_start(NULL, NULL);
	struct lab *lab = lab_new(NULL, NULL);
	int fd;

	lab_set_slot(&lab->main, 0, 101, lab_free_port());
	lab_set_slot(&lab->main, 1, 102, fake_broker_port(broker));
	lab_set_slot(&lab->main, 2, 103, 0);
	lab_run(lab);
	for (unsigned vnode = 0; vnode < 3; vnode++) {
		fd = lab_client(lab, vnode);
		lab_request(fd, KA_Metadata, 8, 1, LAB_NOTHING);
		lab_answer(lab, fd, KA_Metadata, 8, 1);
		close(fd);
	}
	cr_assert_eq(fake_broker_accepted(broker), 3);
	lab_wait_log(lab, "upstream.failed", "broker=101", "vnode=0");
	lab_stop(&lab);
	fake_broker_stop(&broker);
}

Test(worker, requests_wait_for_a_broker_to_be_known, .timeout = 120)
{
	struct fake_broker *broker = fake_broker_start(NULL, NULL);
	struct lab *lab = lab_start(NULL, NULL);
	int fd = lab_client(lab, 0), gone = lab_client(lab, 0);
	struct lab_ack ack;

	lab_request(fd, KA_Metadata, 8, 1, LAB_NOTHING);
	lab_request(fd, KA_Metadata, 8, 2, LAB_NOTHING);
	lab_request(gone, KA_Metadata, 8, 3, LAB_NOTHING);
	lab_expect_silence(lab, fd);
	close(gone);
	lab_set_slot(&lab->main, 0, 101, fake_broker_port(broker));
	lab_publish(lab, &ack);
	lab_wait_ack(lab, &ack);
	lab_answer(lab, fd, KA_Metadata, 8, 1);
	lab_answer(lab, fd, KA_Metadata, 8, 2);
	cr_assert_eq(fake_broker_requests(broker), 2);
	close(fd);
	lab_stop(&lab);
	fake_broker_stop(&broker);
}

Test(worker, requests_wait_while_no_broker_can_be_reached, .timeout = 120)
{
	struct fake_broker *broker = fake_broker_start(NULL, NULL);
	struct lab *lab = lab_new(NULL, NULL);
	int fd, gone;
	struct lab_ack ack;
	uint64_t failures;

	lab_set_slot(&lab->main, 0, 101, lab_free_port());
	lab_run(lab);
	fd = lab_client(lab, 0);
	gone = lab_client(lab, 0);
	for (int32_t id = 0; id < 100; id++)
		lab_request(fd, KA_Metadata, 8, id, LAB_NOTHING);
	lab_request(gone, KA_Metadata, 8, 0, LAB_NOTHING);
	lab_expect_silence(lab, fd);
	failures = lab_counters(lab).upstream_failures;
	cr_assert_lt(failures, 20, "%lu attempts for 101 requests", (unsigned long)failures);
	close(gone);
	/* The broker was moved: the same generation, another port. */
	lab_set_slot(&lab->main, 0, 101, fake_broker_port(broker));
	lab_publish(lab, &ack);
	lab_wait_ack(lab, &ack);
	for (int32_t id = 0; id < 100; id++)
		lab_answer(lab, fd, KA_Metadata, 8, id);
	close(fd);
	lab_stop(&lab);
	fake_broker_stop(&broker);
}

/* -- a switch */

/* The main cluster's next world leads to the second broker. */
static void
flip(struct scene *s, struct lab_ack *ack)
{
	s->lab->generation++;
	s->lab->main.name = "b";
	lab_set_slot(&s->lab->main, 0, 201, fake_broker_port(s->two));
	lab_set_slot(&s->lab->main, 1, 202, fake_broker_port(s->two));
	lab_publish(s->lab, ack);
	lab_wait_ack(s->lab, ack);
}

static struct scene
begin_switch(void)
{
	struct scene s = {fake_broker_start(NULL, NULL), fake_broker_start(NULL, NULL), NULL};

	s.lab = lab_new(s.one, NULL);
	lab_set_slot(&s.lab->eu, 0, 301, fake_broker_port(s.two));
	lab_run(s.lab);
	return s;
}

Test(worker, a_hold_of_nothing_is_acknowledged_at_once, .timeout = 120)
{
	struct scene s = begin_switch();
	struct lab_ack hold, release;

	lab_hold(s.lab, "main", &hold);
	lab_wait_ack(s.lab, &hold);
	cr_assert_eq(hold.said.connections, 0);
	lab_release(s.lab, "main", &release);
	lab_wait_ack(s.lab, &release);
	end(&s);
}

Test(worker, a_switch_holds_finishes_flips_and_goes_on, .timeout = 120)
{
	struct scene s = begin_switch();
	int busy = lab_client(s.lab, 0), idle = lab_client(s.lab, 0), eu;
	struct lab_ack hold, publish;

	eu = lab_client_of(s.lab, 0, "teamE", "sa");
	ask_and_wait(&s, idle, 1);
	fake_broker_set_mode(s.one, FAKE_HOLD);
	ask(busy, 2);
	lab_wait_requests(s.lab, s.one, 2);
	lab_hold(s.lab, "main", &hold);
	ask(busy, 3);
	for (int32_t id = 10; id < 15; id++)
		ask(idle, id);
	ask_and_wait(&s, eu, 1); /* another logical cluster is not held */
	lab_expect_silence(s.lab, busy);
	lab_expect_silence(s.lab, idle);
	cr_assert_not(hold.came, "something is unanswered");
	cr_assert_eq(fake_broker_requests(s.one), 2);

	fake_broker_set_mode(s.one, FAKE_ANSWER);
	answered(&s, busy, 2);
	lab_wait_ack(s.lab, &hold);
	cr_assert_eq(hold.said.connections, 2);
	cr_assert_eq(hold.said.held, 2);
	cr_assert_eq(hold.said.cut, 0);
	lab_expect_silence(s.lab, idle);

	flip(&s, &publish);
	cr_assert_eq(publish.said.connections, 2);
	cr_assert_eq(publish.said.held, 2);
	answered(&s, busy, 3);
	for (int32_t id = 10; id < 15; id++)
		answered(&s, idle, id);
	cr_assert_eq(fake_broker_requests(s.one), 2, "nothing new on the old cluster");
	cr_assert_eq(fake_broker_requests(s.two), 1 + 1 + 5);
	lab_wait_open(s.lab, s.one, 0);
	cr_assert_eq(fake_broker_ended(s.one), 2, "ended in good order");
	ask_and_wait(&s, busy, 4);
	ask_and_wait(&s, idle, 4);
	close(busy);
	close(idle);
	close(eu);
	end(&s);
}

Test(worker, a_flip_without_a_hold_parts_from_the_old_cluster, .timeout = 120)
{
	struct scene s = begin_switch();
	int busy = lab_client(s.lab, 0), idle = lab_client(s.lab, 0);
	struct lab_ack publish;

	ask_and_wait(&s, idle, 1);
	fake_broker_set_mode(s.one, FAKE_HOLD);
	ask(busy, 2);
	lab_wait_requests(s.lab, s.one, 2);
	flip(&s, &publish);
	lab_expect_end(busy); /* nobody knows what becomes of its request */
	ask_and_wait(&s, idle, 3);
	check_request(s.two, 0, 3);
	close(busy);
	close(idle);
	end(&s);
}

Test(worker, a_release_rolls_back, .timeout = 120)
{
	struct scene s = begin_switch();
	int fd = lab_client(s.lab, 0), late;
	struct lab_ack hold, release;

	ask_and_wait(&s, fd, 1);
	lab_hold(s.lab, "main", &hold);
	lab_wait_ack(s.lab, &hold);
	ask(fd, 2);
	ask(fd, 3);
	late = lab_client(s.lab, 0); /* logs in while it is held */
	ask(late, 4);
	lab_expect_silence(s.lab, fd);
	lab_expect_silence(s.lab, late);
	lab_release(s.lab, "main", &release);
	lab_wait_ack(s.lab, &release);
	cr_assert_eq(release.said.held, 2);
	cr_assert_eq(release.said.connections, 2);
	answered(&s, fd, 2);
	answered(&s, fd, 3);
	answered(&s, late, 4);
	cr_assert_eq(fake_broker_requests(s.one), 4);
	cr_assert_eq(fake_broker_accepted(s.one), 2, "the same connection as before, and one");
	close(fd);
	close(late);
	end(&s);
}

/* A hold that was released before it could be acknowledged says nothing more. */
Test(worker, a_released_hold_owes_no_acknowledgement, .timeout = 120)
{
	struct scene s = begin_switch();
	int fd = lab_client(s.lab, 0);
	struct lab_ack hold, release;

	fake_broker_set_mode(s.one, FAKE_HOLD);
	ask(fd, 1);
	lab_wait_requests(s.lab, s.one, 1);
	lab_hold(s.lab, "main", &hold);
	lab_release(s.lab, "main", &release);
	lab_wait_ack(s.lab, &release);
	fake_broker_set_mode(s.one, FAKE_ANSWER);
	answered(&s, fd, 1);
	lab_linger(s.lab, 100);
	cr_assert_not(hold.came);
	close(fd);
	end(&s);
}

Test(worker, a_cut_closes_the_busy_ones, .timeout = 120)
{
	struct scene s = begin_switch();
	int busy = lab_client(s.lab, 0), idle = lab_client(s.lab, 0);
	struct lab_ack hold, publish;

	fake_broker_set_mode(s.one, FAKE_HOLD);
	ask(busy, 1);
	lab_wait_requests(s.lab, s.one, 1);
	lab_hold(s.lab, "main", &hold);
	ask(idle, 2);
	lab_linger(s.lab, 100);
	cr_assert_not(hold.came);
	worker_cut(s.lab->worker, "main");
	lab_wait_ack(s.lab, &hold);
	cr_assert_eq(hold.said.cut, 1);
	lab_expect_end(busy);
	worker_cut(s.lab->worker, "main"); /* nothing left to cut */
	worker_cut(s.lab->worker, "nowhere");
	flip(&s, &publish);
	answered(&s, idle, 2);
	cr_assert_eq(fake_broker_requests(s.one), 1);
	close(busy);
	close(idle);
	end(&s);
}

static bool
one_client_left(void *arg)
{
	return lab_counters(arg).connections == 1;
}

/* The client has given up and asks again elsewhere: what it asked here must never be done. */
static void
check_discarded(bool by_flip, bool reset)
{
	struct scene s = begin_switch();
	int gone = lab_client(s.lab, 0), stays = lab_client(s.lab, 0);
	struct linger at_once = {.l_onoff = 1};
	struct lab_ack hold, after;

	ask_and_wait(&s, gone, 1);
	lab_hold(s.lab, "main", &hold);
	lab_wait_ack(s.lab, &hold);
	ask(gone, 2);
	produce(gone, 3, 0, "x", 1);
	ask(stays, 4);
	lab_linger(s.lab, 100);
	if (reset)
		setsockopt(gone, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(gone);
	if (by_flip) { /* at once, before the sweep has seen it */
		flip(&s, &after);
	} else {
		lab_wait(s.lab, one_client_left, s.lab, "the client to be noticed as gone");
		cr_assert_eq(lab_counters(s.lab).held_discarded, 1);
		lab_release(s.lab, "main", &after);
		lab_wait_ack(s.lab, &after);
	}
	answered(&s, stays, 4);
	lab_wait(s.lab, one_client_left, s.lab, "the client to be gone");
	cr_assert_eq(fake_broker_requests(s.one), by_flip ? 1 : 2);
	cr_assert_eq(fake_broker_requests(s.two), by_flip ? 1 : 0);
	cr_assert_eq(lab_counters(s.lab).held_discarded, 1);
	close(stays);
	end(&s);
}

Test(worker, a_held_request_of_a_vanished_client_is_discarded_on_release, .timeout = 120)
{
	check_discarded(false, false);
}

Test(worker, a_held_request_of_a_vanished_client_is_discarded_on_a_flip, .timeout = 120)
{
	check_discarded(true, false);
}

Test(worker, a_held_request_of_a_client_that_reset_is_discarded, .timeout = 120)
{
	check_discarded(true, true);
}

Test(worker, a_hold_waits_for_a_request_that_is_still_coming, .timeout = 120)
{
	struct scene s = begin_switch();
	int fd = lab_client(s.lab, 0);
	uint8_t *records = noise(MIB);
	struct bytes frame = {0};
	struct lab_ack hold, publish;
	const struct lab_value values[] = {
	    LAB_NUMBER(KF_ProduceRequest_Acks, 0),
	    LAB_COUNT(KF_ProduceRequest_TopicData, 1),
	    LAB_TEXT(KF_ProduceRequest_TopicData_Name, "users"),
	    LAB_COUNT(KF_ProduceRequest_TopicData_PartitionData, 1),
	    {.field = KF_ProduceRequest_TopicData_PartitionData_Records,
	     .data = records,
	     .length = MIB},
	    LAB_END,
	};

	lab_encode_request(&frame, KA_Produce, 9, 1, values);
	lab_send(fd, frame.data, frame.length / 2);
	lab_wait_open(s.lab, s.one, 1);
	lab_hold(s.lab, "main", &hold);
	lab_linger(s.lab, 200);
	cr_assert_not(hold.came);
	lab_send(fd, frame.data + frame.length / 2, frame.length - frame.length / 2);
	lab_wait_ack(s.lab, &hold);
	flip(&s, &publish);
	lab_wait_requests(s.lab, s.one, 1);
	check_produced(&s, 0, records, MIB);
	ask_and_wait(&s, fd, 2);
	check_request(s.two, 0, 2);
	bytes_free(&frame);
	free(records);
	close(fd);
	end(&s);
}

/* A large request that was held starts on the new cluster. */
Test(worker, a_large_request_can_be_held, .timeout = 120)
{
	struct scene s = begin_switch();
	int fd = lab_client(s.lab, 0);
	uint8_t *records = noise(MIB);
	struct lab_ack hold, publish;
	struct fake_broker *swap;

	lab_hold(s.lab, "main", &hold);
	lab_wait_ack(s.lab, &hold);
	produce(fd, 1, 1, records, MIB);
	lab_expect_silence(s.lab, fd);
	cr_assert_lt(lab_counters(s.lab).bytes_in, MIB / 2);
	flip(&s, &publish);
	lab_answer(s.lab, fd, KA_Produce, 9, 1);
	swap = s.one;
	s.one = s.two;
	s.two = swap;
	check_produced(&s, 0, records, MIB);
	free(records);
	close(fd);
	end(&s);
}

Test(worker, there_and_back_again, .timeout = 240)
{
	struct scene s = begin_switch();
	int clients[8];
	int32_t id = 0;

	for (size_t i = 0; i < 8; i++)
		clients[i] = lab_client(s.lab, 0);
	for (int round = 0; round < 20; round++) {
		struct lab_ack hold, publish;
		struct fake_broker *to = round % 2 == 0 ? s.two : s.one;

		for (size_t i = 0; i < 8; i++)
			ask(clients[i], ++id);
		lab_hold(s.lab, "main", &hold);
		for (size_t i = 0; i < 8; i++)
			ask(clients[i], ++id);
		lab_wait_ack(s.lab, &hold);
		s.lab->generation++;
		lab_set_slot(&s.lab->main, 0, 101 + round % 2, fake_broker_port(to));
		lab_publish(s.lab, &publish);
		lab_wait_ack(s.lab, &publish);
		for (int32_t i = 0; i < 8; i++) {
			answered(&s, clients[i], id - 15 + i);
			answered(&s, clients[i], id - 7 + i);
		}
	}
	cr_assert_eq(fake_broker_requests(s.one) + fake_broker_requests(s.two), 20 * 16);
	for (size_t i = 0; i < 8; i++)
		close(clients[i]);
	end(&s);
}

/* -- tokens and users */

Test(worker, an_expired_token_ends_the_connection, .timeout = 120)
{
	struct scene s = begin();
	char *token = lab_token(s.lab, "teamA", "sa", 2);
	int fd = lab_connect(s.lab, 0);

	cr_assert_eq(lab_login(s.lab, fd, "sa", token), 0);
	lab_expect_end(fd);
	lab_wait_log(s.lab, "client.close", "expired", "user=sa");
	mem_free_secret(token);
	close(fd);
	end(&s);
}

Test(worker, a_removed_user_is_cut, .timeout = 120)
{
	struct scene s = begin();
	int gone = lab_client_of(s.lab, 0, "teamA", "sb"), stays = lab_client(s.lab, 0);
	struct lab_ack ack;

	ask_and_wait(&s, gone, 1);
	ask_and_wait(&s, stays, 1);
	s.lab->without_sb = true;
	lab_publish(s.lab, &ack);
	lab_wait_ack(s.lab, &ack);
	lab_expect_end(gone);
	lab_wait_log(s.lab, "client.close", "vcluster=teamA", "user=sb");
	ask_and_wait(&s, stays, 2);
	cr_assert_eq(fake_broker_accepted(s.one), 2, "its connection was left alone");
	close(gone);
	close(stays);
	end(&s);
}

/* A login that is refused while answers are owed: nothing more passes. */
Test(worker, a_refused_renewal_ends_the_connection, .timeout = 120)
{
	struct scene s = begin();
	int fd = lab_client(s.lab, 0);

	fake_broker_set_mode(s.one, FAKE_HOLD);
	ask(fd, 3);
	lab_wait_requests(s.lab, s.one, 1);
	lab_request(fd, KA_SaslHandshake, 1, 4,
		    LAB_VALUES(LAB_TEXT(KF_SaslHandshakeRequest_Mechanism, "PLAIN")));
	lab_request(fd, KA_SaslAuthenticate, 2, 5,
		    LAB_VALUES(LAB_TEXT(KF_SaslAuthenticateRequest_AuthBytes, "nonsense")));
	ask(fd, 6);
	lab_wait_log(s.lab, "client.refused", "malformed", "127.0.0.1:");
	lab_expect_end(fd);
	lab_wait_open(s.lab, s.one, 0);
	cr_assert_eq(fake_broker_requests(s.one), 1);
	close(fd);
	end(&s);
}

static bool
has_sent(void *arg)
{
	return fake_broker_sent(arg) > 32 * MIB;
}

/* A refused client that does not read is still there when the world changes: once it kept pointers
 * into the old one. */
Test(worker, a_parting_client_survives_no_world, .timeout = 240)
{
	uint8_t *records = noise(32 * MIB);
	struct fetched f = {.topic = "teamAusers", .records = records, .length = 32 * MIB};
	struct fake_broker *broker = fake_broker_start(answer_fetch, &f);
	struct lab *lab = lab_new(broker, NULL);
	struct lab_ack ack;
	int fd;

	lab->settings.buffer_bytes = 1 << 30;
	lab_run(lab);
	fd = lab_client(lab, 0);
	lab_request(fd, KA_Fetch, 12, 1, LAB_NOTHING);
	lab_wait(lab, has_sent, broker, "the answer to be in the gateway");
	lab_request(fd, KA_SaslHandshake, 1, 4,
		    LAB_VALUES(LAB_TEXT(KF_SaslHandshakeRequest_Mechanism, "PLAIN")));
	lab_request(fd, KA_SaslAuthenticate, 2, 5,
		    LAB_VALUES(LAB_TEXT(KF_SaslAuthenticateRequest_AuthBytes, "nonsense")));
	lab_wait_log(lab, "client.refused", "malformed", "127.0.0.1:");
	for (int i = 0; i < 3; i++) {
		lab_publish(lab, &ack);
		lab_wait_ack(lab, &ack);
	}
	lab_hold(lab, "main", &ack);
	lab_wait_ack(lab, &ack);
	close(fd);
	lab_linger(lab, 300);
	lab_stop(&lab);
	fake_broker_stop(&broker);
	free(records);
}

/* -- many, and the end */

Test(worker, connections_are_limited, .timeout = 120)
{
	struct lab *lab = lab_new(NULL, NULL);
	int fds[3], extra;

	lab->settings.connections = 3;
	lab_run(lab);
	for (size_t i = 0; i < 3; i++)
		fds[i] = lab_client(lab, (unsigned)i);
	extra = lab_connect(lab, 0);
	lab_expect_end(extra);
	lab_wait_log(lab, "client.refused", "limits.connections", "127.0.0.1:");
	close(extra);
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
	lab_stop(&lab);
}

Test(worker, nobody_stays_without_a_login, .timeout = 120)
{
	struct lab *lab = lab_new(NULL, NULL);
	int silent, chatty;

	lab->settings.authenticate_timeout_ms = 300;
	lab_run(lab);
	silent = lab_connect(lab, 0);
	chatty = lab_connect(lab, 0);
	lab_request(chatty, KA_ApiVersions, 0, 1, LAB_NOTHING);
	lab_answer(lab, chatty, KA_ApiVersions, 0, 1);
	lab_expect_end(silent);
	lab_expect_end(chatty);
	lab_wait_log(lab, "client.close", "timeouts.authenticate", "127.0.0.1:");
	close(silent);
	close(chatty);
	lab_stop(&lab);
}

Test(worker, idle_connections_end, .timeout = 120)
{
	struct scene s = {.one = fake_broker_start(NULL, NULL)};
	int fd;

	s.lab = lab_new(s.one, NULL);
	s.lab->settings.idle_timeout_ms = 300;
	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	ask_and_wait(&s, fd, 1);
	lab_expect_end(fd);
	lab_wait_log(s.lab, "client.close", "timeouts.idle", "user=sa");
	close(fd);
	end(&s);
}

static bool
nobody_left(void *arg)
{
	return lab_counters(arg).connections == 0;
}

Test(worker, many_connections, .timeout = 240)
{
	struct scene s = begin();
	int fds[200];

	for (size_t i = 0; i < 200; i++)
		fds[i] = lab_client_of(s.lab, i % 3, i % 2 ? "teamA" : "teamB", "sa");
	for (int32_t round = 0; round < 5; round++) {
		for (size_t i = 0; i < 200; i++)
			ask(fds[i], round);
		for (size_t i = 0; i < 200; i++)
			answered(&s, fds[i], round);
	}
	cr_assert_eq(lab_counters(s.lab).connections, 200);
	cr_assert_eq(fake_broker_accepted(s.one) + fake_broker_accepted(s.two), 200);
	for (size_t i = 0; i < 200; i++)
		close(fds[i]);
	lab_wait(s.lab, nobody_left, s.lab, "all to be gone");
	lab_wait_open(s.lab, s.one, 0);
	lab_wait_open(s.lab, s.two, 0);
	end(&s);
}

/* -- a storm: clients, brokers and switches do what they like, in an order that no one thought of.
 * Nothing is said of the outcome but that the worker lives, its books are right at the end, and (in
 * a sanitizer build) that nothing was used after it was freed. */

#define STORM_CLIENTS 24

struct storm {
	struct scene s;
	uint32_t x;
	int fds[STORM_CLIENTS];
	uint8_t *records;
	struct bytes stream; /* a large Produce */
	bool is_held;
	struct lab_ack hold;
	struct lab_ack other;
	int round;
};

static uint32_t
roll(struct storm *storm, uint32_t sides)
{
	storm->x ^= storm->x << 13;
	storm->x ^= storm->x >> 17;
	storm->x ^= storm->x << 5;
	return storm->x % sides;
}

static void
storm_reset(struct storm *storm, size_t i)
{
	struct linger at_once = {.l_onoff = 1};

	if (roll(storm, 3) == 0)
		setsockopt(storm->fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(storm->fds[i]);
	storm->fds[i] = -1;
}

/* What the gateway has sent is thrown away, now and then. */
static void
storm_drain(int fd)
{
	char ignored[65536];

	while (recv(fd, ignored, sizeof(ignored), MSG_DONTWAIT) > 0)
		;
}

static void
storm_send(struct storm *storm, size_t i, const struct bytes *bytes, size_t from, size_t to)
{
	ssize_t n = send(storm->fds[i], bytes->data + from, to - from, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n != (ssize_t)(to - from)) /* what follows would be in the middle of a frame */
		storm_reset(storm, i);
}

static void
storm_login(struct storm *storm, struct bytes *out)
{
	static const char *const users[] = {"sa", "sb", "nobody"};
	const char *user = users[roll(storm, 3)];
	char *token = lab_token(storm->s.lab, "teamA", user, 1 + roll(storm, 30));
	struct bytes plain = {0};
	struct lab_value values[] = {{.field = KF_SaslAuthenticateRequest_AuthBytes}, LAB_END};

	bytes_add_u8(&plain, 0);
	bytes_add(&plain, user, strlen(user) + 1);
	bytes_add(&plain, token, strlen(token));
	values[0].data = plain.data;
	values[0].length = plain.length;
	lab_encode_request(out, KA_SaslHandshake, 1, 1,
			   LAB_VALUES(LAB_TEXT(KF_SaslHandshakeRequest_Mechanism, "PLAIN")));
	lab_encode_request(out, KA_SaslAuthenticate, 2, 2, values);
	bytes_free(&plain);
	mem_free_secret(token);
}

static void
storm_client(struct storm *storm)
{
	size_t i = roll(storm, STORM_CLIENTS);
	struct bytes out = {0};
	size_t from = 0;

	if (storm->fds[i] < 0) {
		storm->fds[i] = lab_connect(storm->s.lab, roll(storm, 3));
		storm_login(storm, &out);
		storm_send(storm, i, &out, 0, out.length);
		bytes_free(&out);
		return;
	}
	switch (roll(storm, 10)) {
	case 0:
		storm_reset(storm, i);
		break;
	case 1:
		storm_login(storm, &out);
		break;
	case 2:
	case 3:
		bytes_add(&out, storm->stream.data, storm->stream.length);
		break;
	case 4:
		lab_encode_request(&out, KA_Fetch, 12, 7, LAB_NOTHING);
		break;
	case 5:
		storm_drain(storm->fds[i]);
		break;
	default:
		for (uint32_t n = roll(storm, 20); n > 0; n--)
			lab_encode_request(&out, n % 4 == 0 ? KA_ApiVersions : KA_Metadata, 4, 3,
					   LAB_NOTHING);
	}
	if (out.length > 0 && roll(storm, 4) == 0) {
		from = roll(storm, (uint32_t)out.length);
		storm_send(storm, i, &out, 0, from);
		if (storm->fds[i] >= 0 && roll(storm, 2) == 0)
			storm_reset(storm, i);
	}
	if (out.length > from && storm->fds[i] >= 0)
		storm_send(storm, i, &out, from, out.length);
	bytes_free(&out);
}

static void
storm_broker(struct storm *storm)
{
	static const enum fake_mode modes[] = {FAKE_ANSWER, FAKE_ANSWER,  FAKE_HOLD,    FAKE_CLOSE,
					       FAKE_CUT,    FAKE_GARBAGE, FAKE_WRONG_ID};
	struct fake_broker *broker = roll(storm, 2) ? storm->s.one : storm->s.two;

	if (roll(storm, 4) == 0)
		fake_broker_drop_all(broker);
	else if (roll(storm, 4) == 0)
		fake_broker_freeze(broker, roll(storm, 2));
	else
		fake_broker_set_mode(broker, modes[roll(storm, 7)]);
}

/* What the control plane does, in an order that it may do it in. */
static void
storm_control(struct storm *storm)
{
	struct lab *lab = storm->s.lab;
	bool flips = roll(storm, 2);

	if (!storm->is_held && roll(storm, 2)) {
		lab_hold(lab, "main", &storm->hold);
		storm->is_held = true;
		return;
	}
	if (storm->is_held && !storm->hold.came && roll(storm, 3) == 0) {
		worker_cut(lab->worker, "main");
		lab_wait_ack(lab, &storm->hold);
		return;
	}
	if (storm->is_held && roll(storm, 2)) {
		lab_release(lab, "main", &storm->other);
		storm->is_held = false;
	} else {
		lab->generation += flips;
		storm->is_held = storm->is_held && !flips;
		lab->without_sb = roll(storm, 4) == 0;
		lab_set_slot(&lab->main, 0, 101 + (int32_t)roll(storm, 3),
			     fake_broker_port(roll(storm, 2) ? storm->s.one : storm->s.two));
		lab_publish(lab, &storm->other);
	}
	lab_wait_ack(lab, &storm->other);
}

static void
run_storm(uint32_t seed, int steps)
{
	struct storm storm = {.x = seed, .records = noise(MIB)};
	struct fetched f = {.topic = "teamAusers", .records = storm.records, .length = MIB};
	const struct lab_value values[] = {
	    LAB_NUMBER(KF_ProduceRequest_Acks, 1),
	    LAB_COUNT(KF_ProduceRequest_TopicData, 1),
	    LAB_TEXT(KF_ProduceRequest_TopicData_Name, "users"),
	    LAB_COUNT(KF_ProduceRequest_TopicData_PartitionData, 1),
	    {.field = KF_ProduceRequest_TopicData_PartitionData_Records,
	     .data = storm.records,
	     .length = 300000},
	    LAB_END,
	};

	storm.s.one = fake_broker_start(answer_fetch, &f);
	storm.s.two = fake_broker_start(answer_fetch, &f);
	storm.s.lab = lab_new(storm.s.one, storm.s.two);
	storm.s.lab->settings.buffer_bytes = 65536;
	lab_run(storm.s.lab);
	lab_encode_request(&storm.stream, KA_Produce, 9, 1, values);
	memset(storm.fds, -1, sizeof(storm.fds));
	for (int i = 0; i < steps; i++) {
		uint32_t what = roll(&storm, 40);

		if (what == 0)
			storm_broker(&storm);
		else if (what < 3)
			storm_control(&storm);
		else
			storm_client(&storm);
		if (roll(&storm, 8) == 0)
			lab_linger(storm.s.lab, (int)roll(&storm, 4));
	}
	for (size_t i = 0; i < STORM_CLIENTS; i++) {
		if (storm.fds[i] >= 0)
			close(storm.fds[i]);
	}
	/* A half closed one may still wait for its token's end or a broker that is frozen. */
	fake_broker_freeze(storm.s.one, false);
	fake_broker_freeze(storm.s.two, false);
	fake_broker_set_mode(storm.s.one, FAKE_CLOSE);
	fake_broker_set_mode(storm.s.two, FAKE_CLOSE);
	if (storm.is_held) {
		lab_release(storm.s.lab, "main", &storm.other);
		lab_wait_ack(storm.s.lab, &storm.other);
	}
	lab_wait(storm.s.lab, nobody_left, storm.s.lab, "all to be gone");
	cr_assert_gt(lab_counters(storm.s.lab).requests_total, 300);
	cr_assert_gt(lab_counters(storm.s.lab).upstream_connects, 10);
	end(&storm.s);
	bytes_free(&storm.stream);
	free(storm.records);
}

Test(worker, a_storm, .timeout = 600)
{
	for (uint32_t seed = 1; seed <= 6; seed++)
		run_storm(seed * 2654435761U, 1500);
}

/* The gateway stops with everything that there can be open: nothing is left behind, which only a
 * sanitizer build sees. */
Test(worker, a_stop_with_everything_open, .timeout = 120)
{
	struct scene s = begin_switch();
	int greeting = lab_connect(s.lab, 0), half = lab_connect(s.lab, 1);
	int unanswered = lab_client(s.lab, 0), streaming = lab_client(s.lab, 0);
	int held = lab_client(s.lab, 0), retired = lab_client_of(s.lab, 0, "teamE", "sa");
	uint8_t *records = noise(MIB);
	struct lab_ack hold, publish;
	struct bytes frame = {0};
	const struct lab_value values[] = {
	    LAB_COUNT(KF_ProduceRequest_TopicData, 1),
	    LAB_TEXT(KF_ProduceRequest_TopicData_Name, "users"),
	    LAB_COUNT(KF_ProduceRequest_TopicData_PartitionData, 1),
	    {.field = KF_ProduceRequest_TopicData_PartitionData_Records,
	     .data = records,
	     .length = MIB},
	    LAB_END,
	};

	lab_send(half, "\0\0\0", 3);
	ask_and_wait(&s, retired, 1);
	fake_broker_set_mode(s.one, FAKE_HOLD);
	ask(unanswered, 1);
	lab_request(unanswered, KA_ApiVersions, 0, 2, LAB_NOTHING);
	lab_encode_request(&frame, KA_Produce, 9, 1, values);
	lab_send(streaming, frame.data, frame.length / 2);
	lab_wait_requests(s.lab, s.one, 1);
	lab_hold(s.lab, "main", &hold);
	ask(held, 3);
	lab_publish(s.lab, &publish);
	lab_wait_ack(s.lab, &publish);
	cr_assert_not(hold.came);
	worker_stop(&s.lab->worker);
	lab_expect_end(greeting);
	lab_expect_end(unanswered);
	lab_expect_end(held);
	close(greeting);
	close(half);
	close(unanswered);
	close(streaming);
	close(held);
	close(retired);
	bytes_free(&frame);
	free(records);
	end(&s);
}
