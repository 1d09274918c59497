/* SPDX-License-Identifier: Apache-2.0
 *
 * What a user's entry and session mean on live connections, in a worker with real sockets: what
 * cuts them, how a session ends and is renewed, what a user may do, and its limits.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "kafka/errors.h"
#include "kafka/kafka_ids.h"
#include "lab.h"

struct scene {
	struct fake_broker *broker;
	struct lab *lab;
};

static struct scene
begin(void)
{
	struct scene s = {fake_broker_start(NULL, NULL), NULL};

	s.lab = lab_new(s.broker, NULL);
	return s;
}

static void
end(struct scene *s)
{
	lab_stop(&s->lab);
	fake_broker_stop(&s->broker);
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
publish(struct scene *s)
{
	struct lab_ack ack;

	lab_publish(s->lab, &ack);
	lab_wait_ack(s->lab, &ack);
}

/* -- what cuts a connection */

Test(users, a_retired_key_cuts_the_sessions_that_it_let_in, .timeout = 120)
{
	struct scene s = begin();
	int fd;

	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	ask(fd, 1);
	answered(&s, fd, 1);
	publish(&s);
	ask(fd, 2);
	answered(&s, fd, 2);
	s.lab->other_key = true;
	publish(&s);
	lab_expect_end(fd);
	lab_wait_log(s.lab, "client.close", "user=sa", "token.keys");
	close(fd);
	end(&s);
}

/* -- sessions */

/* SaslHandshake and SaslAuthenticate in one piece; the answers are read by renewed(). */
static void
renew(struct scene *s, int fd, int32_t id, const char *user)
{
	char *token = lab_token(s->lab, "teamA", user, 3600);
	struct bytes plain = {0};
	struct lab_value values[] = {{.field = KF_SaslAuthenticateRequest_AuthBytes}, LAB_END};

	lab_request(fd, KA_SaslHandshake, 1, id,
		    LAB_VALUES(LAB_TEXT(KF_SaslHandshakeRequest_Mechanism, "PLAIN")));
	bytes_add_u8(&plain, 0);
	bytes_add(&plain, user, strlen(user) + 1);
	bytes_add(&plain, token, strlen(token));
	values[0].data = plain.data;
	values[0].length = plain.length;
	lab_request(fd, KA_SaslAuthenticate, 2, id + 1, values);
	bytes_free(&plain);
	mem_free_secret(token);
}

/* The session's milliseconds, or the error made negative. */
static int64_t
renewed(struct scene *s, int fd, int32_t id)
{
	struct tree_frame answer = lab_answer(s->lab, fd, KA_SaslHandshake, 1, id);

	cr_assert_eq(lab_number(&answer, KF_SaslHandshakeResponse_ErrorCode), 0);
	answer = lab_answer(s->lab, fd, KA_SaslAuthenticate, 2, id + 1);
	if (lab_number(&answer, KF_SaslAuthenticateResponse_ErrorCode) != 0)
		return -lab_number(&answer, KF_SaslAuthenticateResponse_ErrorCode);
	return lab_number(&answer, KF_SaslAuthenticateResponse_SessionLifetimeMs);
}

Test(users, a_session_is_as_long_as_the_shorter_of_token_and_key, .timeout = 120)
{
	struct scene s = begin();
	int64_t session;
	int fd;

	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	renew(&s, fd, 10, "sa");
	session = renewed(&s, fd, 10);
	cr_assert(session > 3000000 && session <= 3600000, "%lld", (long long)session);
	s.lab->session_ms = 100000;
	publish(&s);
	renew(&s, fd, 20, "sa");
	cr_assert_eq(renewed(&s, fd, 20), 100000);
	s.lab->session_ms = 4000000;
	publish(&s);
	renew(&s, fd, 30, "sa");
	session = renewed(&s, fd, 30);
	cr_assert(session > 3000000 && session <= 3600000, "%lld", (long long)session);
	close(fd);
	end(&s);
}

Test(users, a_request_after_the_session_ends_the_connection, .timeout = 120)
{
	struct scene s = begin();
	int fd;

	s.lab->session_ms = 1500;
	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	ask(fd, 1);
	answered(&s, fd, 1);
	lab_expect_silence(s.lab, fd);
	lab_linger(s.lab, 3000);
	lab_request(fd, KA_ApiVersions, 0, 2, LAB_NOTHING); /* legal before a login, so now */
	lab_answer(s.lab, fd, KA_ApiVersions, 0, 2);
	lab_request(fd, KA_Metadata, 8, 3, LAB_NOTHING);
	lab_expect_end(fd);
	lab_wait_log(s.lab, "client.close", "user=sa", "session");
	cr_assert_eq(fake_broker_requests(s.broker), 1);
	close(fd);
	end(&s);
}

/* With a request in flight before it and one behind it, and late at that. */
Test(users, a_session_is_renewed_on_the_live_connection, .timeout = 120)
{
	struct scene s = begin();
	int fd;

	s.lab->session_ms = 1500;
	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	fake_broker_set_mode(s.broker, FAKE_HOLD);
	ask(fd, 1);
	lab_wait_requests(s.lab, s.broker, 1);
	lab_linger(s.lab, 3000);
	renew(&s, fd, 10, "sa");
	ask(fd, 2);
	lab_wait_requests(s.lab, s.broker, 2);
	fake_broker_set_mode(s.broker, FAKE_ANSWER);
	answered(&s, fd, 1);
	cr_assert_eq(renewed(&s, fd, 10), 1500);
	answered(&s, fd, 2);
	cr_assert_eq(fake_broker_accepted(s.broker), 1);
	close(fd);
	end(&s);
}

Test(users, a_session_is_renewed_while_a_switch_holds, .timeout = 120)
{
	struct scene s = begin();
	struct lab_ack hold, done;
	int fd, other;

	s.lab->session_ms = 1500;
	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	other = lab_client(s.lab, 0);
	lab_hold(s.lab, "main", &hold);
	lab_wait_ack(s.lab, &hold);
	ask(other, 1);
	renew(&s, other, 10, "sa"); /* behind a request that waits: after the hold */
	lab_linger(s.lab, 3000);
	renew(&s, fd, 10, "sa");
	cr_assert_eq(renewed(&s, fd, 10), 1500);
	lab_release(s.lab, "main", &done);
	lab_wait_ack(s.lab, &done);
	answered(&s, other, 1);
	cr_assert_eq(renewed(&s, other, 10), 1500);
	ask(fd, 2);
	answered(&s, fd, 2);
	close(fd);
	close(other);
	end(&s);
}

Test(users, nobody_becomes_somebody_else, .timeout = 120)
{
	struct scene s = begin();
	int fd;

	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	renew(&s, fd, 10, "sb");
	cr_assert_eq(renewed(&s, fd, 10), -KAFKA_SASL_AUTHENTICATION_FAILED);
	lab_expect_end(fd);
	close(fd);
	end(&s);
}

/* -- what a user may do */

static const int64_t read_only[] = {1}, write_only[] = {2}, describe_only[] = {0};

static void
allow(struct scene *s, const int64_t *words)
{
	s->lab->team_a[0].allow = words;
	s->lab->team_a[0].allow_count = words != NULL ? 1 : 0;
}

static void
produce(int fd, int32_t id, int acks, const void *records, size_t length)
{
	const struct lab_value values[] = {
	    LAB_NUMBER(KF_ProduceRequest_Acks, acks),
	    LAB_COUNT(KF_ProduceRequest_TopicData, 1),
	    LAB_TEXT(KF_ProduceRequest_TopicData_Name, "users"),
	    LAB_COUNT(KF_ProduceRequest_TopicData_PartitionData, 1),
	    LAB_NUMBER(KF_ProduceRequest_TopicData_PartitionData_Index, 3),
	    {.field = KF_ProduceRequest_TopicData_PartitionData_Records,
	     .data = records,
	     .length = length},
	    LAB_END,
	};

	lab_request(fd, KA_Produce, 9, id, values);
}

static void
produce_is_refused(struct scene *s, int fd, int32_t id)
{
	struct tree_frame answer = lab_answer(s->lab, fd, KA_Produce, 9, id);

	cr_assert_eq(lab_number(&answer, KF_ProduceResponse_Responses_PartitionResponses_ErrorCode),
		     KAFKA_TOPIC_AUTHORIZATION_FAILED);
	cr_assert_eq(lab_number(&answer, KF_ProduceResponse_Responses_PartitionResponses_Index), 3);
	cr_assert_str_eq(lab_text(s->lab, &answer, KF_ProduceResponse_Responses_Name), "users");
}

Test(users, who_may_only_read, .timeout = 120)
{
	struct scene s = begin();
	size_t length = 9 << 20;
	uint8_t *records = calloc(1, length);
	struct tree_frame answer;
	int fd;

	allow(&s, read_only);
	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	ask(fd, 1);
	produce(fd, 2, 1, "records", 7);
	produce(fd, 3, -1, records, length); /* streamed, and no broker hears of it */
	lab_request(fd, KA_InitProducerId, 4, 4, LAB_NOTHING);
	lab_request(fd, KA_CreateTopics, 5, 5, LAB_NOTHING);
	lab_request(fd, KA_Heartbeat, 4, 6, LAB_NOTHING);
	answered(&s, fd, 1);
	produce_is_refused(&s, fd, 2);
	produce_is_refused(&s, fd, 3);
	answer = lab_answer(s.lab, fd, KA_InitProducerId, 4, 4);
	cr_assert_eq(lab_number(&answer, KF_InitProducerIdResponse_ErrorCode),
		     KAFKA_CLUSTER_AUTHORIZATION_FAILED);
	lab_answer(s.lab, fd, KA_CreateTopics, 5, 5);
	lab_answer(s.lab, fd, KA_Heartbeat, 4, 6);
	cr_assert_eq(fake_broker_requests(s.broker), 2);
	cr_assert_eq(lab_counters(s.lab).requests_denied, 4);
	lab_wait_log(s.lab, "request.denied", "user=sa", "api=Produce");
	produce(fd, 7, 0, "records", 7);
	lab_expect_end(fd);
	free(records);
	close(fd);
	end(&s);
}

/* Offsets of a group are read's, in a transaction, too. */
Test(users, who_may_only_write_commits_no_offsets, .timeout = 120)
{
	struct scene s = begin();
	int fd;

	allow(&s, write_only);
	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	lab_request(fd, KA_OffsetCommit, 8, 1, LAB_NOTHING);
	lab_request(fd, KA_AddOffsetsToTxn, 3, 2, LAB_NOTHING);
	lab_request(fd, KA_TxnOffsetCommit, 3, 3, LAB_NOTHING);
	lab_answer(s.lab, fd, KA_OffsetCommit, 8, 1);
	lab_answer(s.lab, fd, KA_AddOffsetsToTxn, 3, 2);
	lab_answer(s.lab, fd, KA_TxnOffsetCommit, 3, 3);
	cr_assert_eq(lab_counters(s.lab).requests_denied, 3);
	cr_assert_eq(fake_broker_requests(s.broker), 0);
	close(fd);
	end(&s);
}

/* A refused Produce to so many partitions, which are a few bytes each, while their errors are not.
 */
#define MANY 500

static void
produce_to_many(int fd, int32_t id)
{
	const struct lab_value values[] = {
	    LAB_NUMBER(KF_ProduceRequest_Acks, 1),
	    LAB_COUNT(KF_ProduceRequest_TopicData, 1),
	    LAB_TEXT(KF_ProduceRequest_TopicData_Name, "users"),
	    LAB_COUNT(KF_ProduceRequest_TopicData_PartitionData, MANY),
	    LAB_END,
	};

	lab_request(fd, KA_Produce, 9, id, values);
}

Test(users, refusals_behind_a_slow_answer_do_not_pile_up, .timeout = 120)
{
	struct scene s = begin();
	int32_t last = 40;
	int fd;

	allow(&s, read_only);
	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	fake_broker_set_mode(s.broker, FAKE_HOLD);
	ask(fd, 1);
	for (int32_t id = 2; id <= last; id++)
		produce_to_many(fd, id);
	lab_wait_requests(s.lab, s.broker, 1);
	lab_linger(s.lab, 300);
	cr_assert_lt(lab_counters(s.lab).requests_denied, 20);
	fake_broker_set_mode(s.broker, FAKE_ANSWER);
	answered(&s, fd, 1);
	for (int32_t id = 2; id <= last; id++)
		lab_answer(s.lab, fd, KA_Produce, 9, id);
	close(fd);
	end(&s);
}

Test(users, a_changed_list_counts_from_the_next_request_on, .timeout = 120)
{
	struct scene s = begin();
	struct tree_frame answer;
	int fd;

	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	produce(fd, 1, 1, "records", 7);
	lab_answer(s.lab, fd, KA_Produce, 9, 1);
	cr_assert_eq(fake_broker_requests(s.broker), 1);
	allow(&s, describe_only);
	publish(&s);
	produce(fd, 2, 1, "records", 7);
	produce_is_refused(&s, fd, 2);
	lab_request(fd, KA_Heartbeat, 4, 3, LAB_NOTHING);
	answer = lab_answer(s.lab, fd, KA_Heartbeat, 4, 3);
	cr_assert_eq(lab_number(&answer, KF_HeartbeatResponse_ErrorCode),
		     KAFKA_GROUP_AUTHORIZATION_FAILED);
	allow(&s, write_only);
	publish(&s);
	produce(fd, 4, 1, "records", 7);
	lab_answer(s.lab, fd, KA_Produce, 9, 4);
	cr_assert_eq(fake_broker_requests(s.broker), 2);
	close(fd);
	end(&s);
}

/* What a held request may do is asked when its turn comes. */
Test(users, a_list_that_changes_during_a_hold, .timeout = 120)
{
	struct scene s = begin();
	struct lab_ack hold, done;
	int fd;

	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	lab_hold(s.lab, "main", &hold);
	lab_wait_ack(s.lab, &hold);
	produce(fd, 1, 1, "records", 7);
	lab_expect_silence(s.lab, fd);
	allow(&s, read_only);
	publish(&s);
	lab_release(s.lab, "main", &done);
	lab_wait_ack(s.lab, &done);
	produce_is_refused(&s, fd, 1);
	cr_assert_eq(fake_broker_requests(s.broker), 0);
	ask(fd, 2);
	answered(&s, fd, 2);
	close(fd);
	end(&s);
}

static bool
lets_create(struct scene *s, size_t n)
{
	struct bytes frame = {0};
	struct tree_frame got;
	struct fake_request r = fake_broker_request(s->broker, n, &frame);
	bool lets;

	cr_assert(tree_frame_parse(s->lab->arena, KAFKA_REQUEST, r.key, r.version, r.frame, r.size,
				   &got));
	lets = tree_find(got.body, KF_MetadataRequest_AllowAutoTopicCreation)->number != 0;
	bytes_free(&frame);
	return lets;
}

Test(users, only_who_may_write_makes_brokers_create_topics, .timeout = 120)
{
	static const struct lab_value values[] = {
	    LAB_COUNT(KF_MetadataRequest_Topics, 1),
	    LAB_TEXT(KF_MetadataRequest_Topics_Name, "new"),
	    LAB_NUMBER(KF_MetadataRequest_AllowAutoTopicCreation, 1),
	    LAB_END,
	};
	struct scene s = begin();
	int reader, writer;

	allow(&s, read_only);
	lab_run(s.lab);
	reader = lab_client(s.lab, 0);
	writer = lab_client_of(s.lab, 0, "teamA", "sb");
	lab_request(reader, KA_Metadata, 8, 1, values);
	answered(&s, reader, 1);
	lab_request(writer, KA_Metadata, 8, 2, values);
	answered(&s, writer, 2);
	cr_assert_not(lets_create(&s, 0));
	cr_assert(lets_create(&s, 1));
	close(reader);
	close(writer);
	end(&s);
}

/* -- limits */

Test(users, as_many_connections_as_there_may_be, .timeout = 120)
{
	struct scene s = begin();
	char *token;
	int first, second, third, other;

	s.lab->team_a[0].connections = 2;
	lab_run(s.lab);
	token = lab_token(s.lab, "teamA", "sa", 3600);
	first = lab_client(s.lab, 0);
	second = lab_client(s.lab, 1);
	third = lab_connect(s.lab, 0);
	cr_assert_eq(lab_login(s.lab, third, "sa", token), KAFKA_THROTTLING_QUOTA_EXCEEDED);
	lab_expect_end(third);
	lab_wait_log(s.lab, "client.refused", "reason=connections", "user=sa");
	other = lab_client_of(s.lab, 0, "teamA", "sb");
	renew(&s, first, 10, "sa"); /* is no new connection */
	cr_assert_gt(renewed(&s, first, 10), 0);
	close(third);
	close(second);
	lab_wait_log(s.lab, "client.close", "user=sa", "closed the connection");
	second = lab_client(s.lab, 1);
	cr_assert_eq(atomic_load(&s.lab->meters.meters[0]->connections), 2);
	/* A limit that comes later counts those that are there, and cuts none. */
	s.lab->team_a[1].connections = 1;
	s.lab->team_a[0].connections = 1;
	publish(&s);
	third = lab_connect(s.lab, 0);
	free(token);
	token = lab_token(s.lab, "teamA", "sb", 3600);
	cr_assert_eq(lab_login(s.lab, third, "sb", token), KAFKA_THROTTLING_QUOTA_EXCEEDED);
	ask(second, 1);
	ask(other, 2);
	answered(&s, second, 1);
	answered(&s, other, 2);
	mem_free_secret(token);
	close(first);
	close(second);
	close(third);
	close(other);
	end(&s);
}

static int64_t
throttle_time(struct scene *s, int fd, int32_t id)
{
	struct tree_frame answer = lab_answer(s->lab, fd, KA_Produce, 9, id);

	return lab_number(&answer, KF_ProduceResponse_ThrottleTimeMs);
}

/* 30 kB at 20 kB a second: the first second is free, half a second is to wait. */
Test(users, a_rate_of_requests, .timeout = 120)
{
	struct scene s = begin();
	uint8_t *records = calloc(1, 30000);
	int64_t told, began;
	int fd, other;

	s.lab->team_a[0].in_rate = 20000;
	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	other = lab_client_of(s.lab, 0, "teamA", "sb");
	began = clock_now_ms();
	produce(fd, 1, 1, records, 30000);
	told = throttle_time(&s, fd, 1);
	cr_assert(told > 100 && told <= 600, "%lld", (long long)told);
	produce(fd, 2, 1, records, 1000);
	produce(other, 1, 1, records, 30000);
	cr_assert_eq(throttle_time(&s, other, 1), 0);
	cr_assert_geq(throttle_time(&s, fd, 2), 0); /* on a loaded machine all is paid by now */
	cr_assert_geq(clock_now_ms() - began, told, "it was read while it should not be");
	cr_assert_eq(fake_broker_requests(s.broker), 3);
	cr_assert_geq(atomic_load(&s.lab->meters.meters[0]->throttled_ms), (uint64_t)told);
	free(records);
	close(fd);
	close(other);
	end(&s);
}

/* All connections of the user share one account, answers that the gateway makes count, too. */
Test(users, a_rate_of_answers_over_connections, .timeout = 120)
{
	struct scene s = begin();
	struct tree_frame answer;
	int64_t told = 0;
	int fds[2];

	s.lab->team_a[0].out_rate = 1000;
	lab_run(s.lab);
	fds[0] = lab_client(s.lab, 0);
	fds[1] = lab_client(s.lab, 1);
	for (int32_t id = 0; id < 40 && told == 0; id++) {
		lab_request(fds[id % 2], KA_DescribeCluster, 1, id, LAB_NOTHING);
		answer = lab_answer(s.lab, fds[id % 2], KA_DescribeCluster, 1, id);
		told = lab_number(&answer, KF_DescribeClusterResponse_ThrottleTimeMs);
	}
	cr_assert_gt(told, 0);
	cr_assert_leq(told, 1000);
	close(fds[0]);
	close(fds[1]);
	end(&s);
}

/* It is muted for a good while: not idle, not over, moved by a switch, and it logs in anew behind a
 * request that was sent in time. */
Test(users, a_muted_connection_is_not_forgotten, .timeout = 120)
{
	struct scene s = begin();
	uint8_t *records = calloc(1, 50000);
	struct lab_ack hold, done;
	int fd;

	s.lab->team_a[0].in_rate = 10000;
	s.lab->session_ms = 1500;
	s.lab->settings.idle_timeout_ms = 1000;
	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	produce(fd, 1, 1, records, 50000);
	cr_assert_gt(throttle_time(&s, fd, 1), 2000);
	ask(fd, 2);
	renew(&s, fd, 10, "sa");
	ask(fd, 3);
	lab_linger(s.lab, 500);
	cr_assert_eq(fake_broker_requests(s.broker), 1);
	lab_hold(s.lab, "main", &hold);
	lab_wait_ack(s.lab, &hold); /* nothing is unanswered */
	s.lab->generation++;
	lab_publish(s.lab, &done);
	lab_wait_ack(s.lab, &done);
	answered(&s, fd, 2);
	cr_assert_eq(renewed(&s, fd, 10), 1500);
	answered(&s, fd, 3);
	cr_assert_eq(fake_broker_accepted(s.broker), 2);
	free(records);
	close(fd);
	end(&s);
}

/* A fetch is made to fit, and its answer, which is passed on while it arrives, tells the time. */
static void
answer_fetch(void *arg, const struct fake_request *request, struct bytes *answer)
{
	static uint8_t records[300000];
	const struct lab_value values[] = {
	    LAB_NUMBER(KF_FetchResponse_ThrottleTimeMs, 7),
	    LAB_COUNT(KF_FetchResponse_Responses, 1),
	    LAB_TEXT(KF_FetchResponse_Responses_Topic, "teamAusers"),
	    LAB_COUNT(KF_FetchResponse_Responses_Partitions, 1),
	    {.field = KF_FetchResponse_Responses_Partitions_Records,
	     .data = records,
	     .length = sizeof(records)},
	    LAB_END,
	};

	(void)arg;
	lab_encode_response(answer, request->key, request->version, request->correlation_id,
			    values);
}

Test(users, a_streamed_answer_tells_its_throttle_time, .timeout = 120)
{
	static const struct lab_value asked[] = {
	    LAB_NUMBER(KF_FetchRequest_MaxBytes, 50 << 20),
	    LAB_COUNT(KF_FetchRequest_Topics, 1),
	    LAB_TEXT(KF_FetchRequest_Topics_Topic, "users"),
	    LAB_COUNT(KF_FetchRequest_Topics_Partitions, 1),
	    LAB_NUMBER(KF_FetchRequest_Topics_Partitions_PartitionMaxBytes, 1 << 20),
	    LAB_END,
	};
	struct scene s = {fake_broker_start(answer_fetch, NULL), NULL};
	struct bytes frame = {0};
	struct tree_frame got;
	struct fake_request r;
	int fd, other;

	s.lab = lab_new(s.broker, NULL);
	s.lab->team_a[0].out_rate = 200000;
	lab_run(s.lab);
	fd = lab_client(s.lab, 0);
	other = lab_client_of(s.lab, 0, "teamA", "sb");
	lab_request(fd, KA_Fetch, 11, 1, asked);
	got = lab_answer(s.lab, fd, KA_Fetch, 11, 1);
	cr_assert(lab_number(&got, KF_FetchResponse_ThrottleTimeMs) > 100 &&
		      lab_number(&got, KF_FetchResponse_ThrottleTimeMs) <= 600,
		  "%lld", (long long)lab_number(&got, KF_FetchResponse_ThrottleTimeMs));
	r = fake_broker_request(s.broker, 0, &frame);
	cr_assert(
	    tree_frame_parse(s.lab->arena, KAFKA_REQUEST, r.key, r.version, r.frame, r.size, &got));
	cr_assert_eq(lab_number(&got, KF_FetchRequest_MaxBytes), 200000);
	cr_assert_eq(lab_number(&got, KF_FetchRequest_Topics_Partitions_PartitionMaxBytes), 200000);
	lab_request(other, KA_Fetch, 11, 1, asked);
	got = lab_answer(s.lab, other, KA_Fetch, 11, 1);
	cr_assert_eq(lab_number(&got, KF_FetchResponse_ThrottleTimeMs), 7); /* the broker's */
	bytes_free(&frame);
	close(fd);
	close(other);
	end(&s);
}
