/* SPDX-License-Identifier: Apache-2.0
 *
 * What the gateway answers by itself, over real sockets: ApiVersions, SASL, InitProducerId and
 * DescribeCluster; and what it refuses before and after the login.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/sasl.h"
#include "base/be.h"
#include "base/mem.h"
#include "kafka/apis.h"
#include "kafka/errors.h"
#include "kafka/kafka_ids.h"
#include "lab.h"

/* -- ApiVersions */

/* The entry of an API key, or NULL. */
static const struct tree *
entry_of(const struct tree_frame *answer, int key)
{
	struct tree *entries = tree_find(answer->body, KF_ApiVersionsResponse_ApiKeys);

	for (size_t i = 0; i < entries->count; i++) {
		if (entries->children[i]->children[0]->number == key)
			return entries->children[i];
	}
	return NULL;
}

static void
check_entries(const struct tree_frame *answer)
{
	for (size_t i = 0; i < kafka_apis_count; i++) {
		const struct tree *entry = entry_of(answer, kafka_apis[i].key);

		cr_assert_not_null(entry, "%s", kafka_api_name(kafka_apis[i].key));
		cr_assert_eq(entry->children[1]->number, kafka_apis[i].advertise_min);
		cr_assert_eq(entry->children[2]->number, kafka_apis[i].max);
	}
	cr_assert_eq(tree_find(answer->body, KF_ApiVersionsResponse_ApiKeys)->count,
		     kafka_apis_count);
}

static const struct lab_value software[] = {
    LAB_TEXT(KF_ApiVersionsRequest_ClientSoftwareName, "apache-kafka-java"),
    LAB_TEXT(KF_ApiVersionsRequest_ClientSoftwareVersion, "4.3.1"),
    LAB_END,
};

Test(local, api_versions_in_every_version, .timeout = 120)
{
	struct lab *lab = lab_start(NULL, NULL);
	int fd = lab_connect(lab, 0);

	for (int version = 0; version <= 4; version++) {
		struct tree_frame answer;

		lab_request(fd, KA_ApiVersions, version, 100 + version, software);
		answer = lab_answer(lab, fd, KA_ApiVersions, version, 100 + version);
		cr_assert_eq(lab_number(&answer, KF_ApiVersionsResponse_ErrorCode), 0);
		check_entries(&answer);
	}
	close(fd);
	lab_stop(&lab);
}

/* KIP-511: a version from the future has a body that nobody here can read. */
Test(local, api_versions_of_the_future, .timeout = 120)
{
	static const int versions[] = {5, 99, 32767, -1};
	struct lab *lab = lab_start(NULL, NULL);
	int fd = lab_connect(lab, 0);

	for (size_t i = 0; i < 4; i++) {
		uint8_t frame[4 + 8 + 10] = {0};
		struct tree_frame answer;

		be_put32(frame, sizeof(frame) - 4);
		be_put16(frame + 4, KA_ApiVersions);
		be_put16(frame + 6, (uint16_t)versions[i]);
		be_put32(frame + 8, 7);
		memset(frame + 12, 0xab, 10);
		lab_send(fd, frame, sizeof(frame));
		answer = lab_answer(lab, fd, KA_ApiVersions, 0, 7);
		cr_assert_eq(lab_number(&answer, KF_ApiVersionsResponse_ErrorCode), 35);
		cr_assert_eq(tree_find(answer.body, KF_ApiVersionsResponse_ApiKeys)->count, 1);
		cr_assert_eq(entry_of(&answer, 18)->children[1]->number, 0);
		cr_assert_eq(entry_of(&answer, 18)->children[2]->number, 4);
	}
	/* The client tries again with what it was told. */
	lab_request(fd, KA_ApiVersions, 4, 8, software);
	lab_answer(lab, fd, KA_ApiVersions, 4, 8);
	close(fd);
	lab_stop(&lab);
}

Test(local, software_names_are_checked, .timeout = 120)
{
	static const struct {
		const char *text;
		bool good;
	} names[] = {
	    {"a", true},   {"9", true},    {"a-b.c9", true}, {"", false},    {"-a", false},
	    {"a.", false}, {"a b", false}, {"a\n", false},   {"a_b", false}, {"\xc3\xa4", false},
	};
	struct lab *lab = lab_start(NULL, NULL);
	int fd = lab_connect(lab, 0);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (int which = 0; which < 2; which++) {
			struct lab_value values[] = {software[0], software[1], LAB_END};
			struct tree_frame answer;

			values[which].data = names[i].text;
			values[which].length = strlen(names[i].text);
			lab_request(fd, KA_ApiVersions, 3, 1, values);
			answer = lab_answer(lab, fd, KA_ApiVersions, 3, 1);
			cr_assert_eq(lab_number(&answer, KF_ApiVersionsResponse_ErrorCode),
				     names[i].good ? 0 : KAFKA_INVALID_REQUEST, "%s",
				     names[i].text);
		}
	}
	close(fd);
	lab_stop(&lab);
}

/* -- SASL */

Test(local, another_mechanism_is_told_the_one_there_is, .timeout = 120)
{
	struct lab *lab = lab_start(NULL, NULL);
	int fd = lab_connect(lab, 0);
	struct tree_frame answer;
	char *token = lab_token(lab, "teamA", "sa", 3600);

	lab_request(fd, KA_SaslHandshake, 1, 1,
		    LAB_VALUES(LAB_TEXT(KF_SaslHandshakeRequest_Mechanism, "SCRAM-SHA-256")));
	answer = lab_answer(lab, fd, KA_SaslHandshake, 1, 1);
	cr_assert_eq(lab_number(&answer, KF_SaslHandshakeResponse_ErrorCode), 33);
	cr_assert_eq(tree_find(answer.body, KF_SaslHandshakeResponse_Mechanisms)->count, 1);
	cr_assert_eq(lab_login(lab, fd, "sa", token), 0, "a second try is allowed");
	mem_free_secret(token);
	close(fd);
	lab_stop(&lab);
}

Test(local, a_login_without_a_handshake_is_refused, .timeout = 120)
{
	struct lab *lab = lab_start(NULL, NULL);
	int fd = lab_connect(lab, 0);
	struct tree_frame answer;
	char *token = lab_token(lab, "teamA", "sa", 3600);
	struct bytes plain = {0};
	struct lab_value values[] = {{.field = KF_SaslAuthenticateRequest_AuthBytes}, LAB_END};

	bytes_add(&plain, "\0sa\0", 4);
	bytes_add(&plain, token, strlen(token));
	values[0].data = plain.data;
	values[0].length = plain.length;
	lab_request(fd, KA_SaslAuthenticate, 0, 5, values);
	answer = lab_answer(lab, fd, KA_SaslAuthenticate, 0, 5);
	cr_assert_eq(lab_number(&answer, KF_SaslAuthenticateResponse_ErrorCode), 58);
	lab_expect_end(fd);
	bytes_free(&plain);
	mem_free_secret(token);
	close(fd);
	lab_stop(&lab);
}

/* A refused login is answered, then closed; one sentence for all reasons, and no token in the log.
 */
static void
check_refused(struct lab *lab, const char *user, const char *token, const char *reason)
{
	int fd = lab_connect(lab, 0);

	cr_assert_eq(lab_login(lab, fd, user, token), KAFKA_SASL_AUTHENTICATION_FAILED, "%s",
		     reason);
	lab_expect_end(fd);
	close(fd);
	lab_wait_log(lab, "client.refused", reason, "127.0.0.1:");
	cr_assert(token[0] == '\0' || !lab_has_logged(lab, token));
}

Test(local, bad_logins_are_refused, .timeout = 120)
{
	struct lab *lab = lab_start(NULL, NULL);
	char *good = lab_token(lab, "teamA", "sa", 3600);
	char *nobody = lab_token(lab, "teamA", "nobody", 3600);
	char *nowhere = lab_token(lab, "teamX", "sa", 3600);
	char *forged = mem_strdup(good);

	forged[strlen(forged) - 2] ^= 1;
	check_refused(lab, "sb", good, "username");
	check_refused(lab, "nobody", nobody, "unknown");
	check_refused(lab, "sa", nowhere, "unknown");
	check_refused(lab, "sa", forged, "signature");
	check_refused(lab, "sa", "pa55word-of-sa", "malformed");
	check_refused(lab, "sa", "", "malformed");
	cr_assert_eq(lab_counters(lab).auth_refused, 6);
	cr_assert_eq(lab_counters(lab).auth_ok, 0);
	mem_free_secret(good);
	mem_free_secret(nobody);
	mem_free_secret(nowhere);
	mem_free_secret(forged);
	lab_stop(&lab);
}

Test(local, the_refusal_says_one_sentence, .timeout = 120)
{
	struct lab *lab = lab_start(NULL, NULL);
	int fd = lab_connect(lab, 0);
	struct tree_frame answer;

	lab_request(fd, KA_SaslHandshake, 1, 1,
		    LAB_VALUES(LAB_TEXT(KF_SaslHandshakeRequest_Mechanism, "PLAIN")));
	lab_answer(lab, fd, KA_SaslHandshake, 1, 1);
	lab_request(fd, KA_SaslAuthenticate, 2, 2,
		    LAB_VALUES(LAB_TEXT(KF_SaslAuthenticateRequest_AuthBytes, "nonsense")));
	answer = lab_answer(lab, fd, KA_SaslAuthenticate, 2, 2);
	cr_assert_str_eq(lab_text(lab, &answer, KF_SaslAuthenticateResponse_ErrorMessage),
			 sasl_refusal);
	close(fd);
	lab_stop(&lab);
}

Test(local, a_login_can_be_renewed_but_not_changed, .timeout = 120)
{
	struct fake_broker *broker = fake_broker_start(NULL, NULL);
	struct lab *lab = lab_start(broker, NULL);
	int fd = lab_client(lab, 0);
	char *again = lab_token(lab, "teamA", "sa", 7200);
	char *other = lab_token(lab, "teamB", "sa", 7200);

	cr_assert_eq(lab_login(lab, fd, "sa", again), 0);
	lab_request(fd, KA_Metadata, 8, 3, LAB_NOTHING);
	lab_answer(lab, fd, KA_Metadata, 8, 3);
	cr_assert_eq(lab_login(lab, fd, "sa", other), KAFKA_SASL_AUTHENTICATION_FAILED);
	lab_expect_end(fd);
	mem_free_secret(again);
	mem_free_secret(other);
	close(fd);
	lab_stop(&lab);
	fake_broker_stop(&broker);
}

/* -- what is not let in */

Test(local, nothing_passes_before_the_login, .timeout = 120)
{
	struct fake_broker *broker = fake_broker_start(NULL, NULL);
	struct lab *lab = lab_start(broker, NULL);

	for (size_t i = 0; i < kafka_apis_count; i++) {
		const struct api *api = &kafka_apis[i];
		int fd;

		if ((api->flags & API_BEFORE_AUTH) != 0)
			continue;
		fd = lab_connect(lab, 0);
		lab_request(fd, api->key, api->max, 1, LAB_NOTHING);
		lab_expect_end(fd);
		close(fd);
		lab_wait_log(lab, "request.unauthenticated",
			     "127.0.0.1:", kafka_api_name(api->key));
	}
	cr_assert_eq(fake_broker_accepted(broker), 0);
	lab_stop(&lab);
	fake_broker_stop(&broker);
}

static void
send_head(int fd, uint32_t size, int key, int version)
{
	uint8_t head[12];

	be_put32(head, size);
	be_put16(head + 4, (uint16_t)key);
	be_put16(head + 6, (uint16_t)version);
	be_put32(head + 8, 1);
	lab_send(fd, head, sizeof(head));
}

Test(local, what_is_not_offered_closes_the_connection, .timeout = 120)
{
	static const int cases[][2] = {{29, 3},
				       {13, 0},
				       {-1, 0},
				       {32767, 0},
				       {KA_Metadata, 9},
				       {KA_Produce, 2},
				       {KA_Fetch, 13},
				       {KA_Metadata, -1},
				       {KA_AddPartitionsToTxn, 4},
				       {KA_SaslHandshake, 0}};
	struct fake_broker *broker = fake_broker_start(NULL, NULL);
	struct lab *lab = lab_start(broker, NULL);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = lab_client(lab, 0);

		send_head(fd, 8, cases[i][0], cases[i][1]);
		lab_expect_end(fd);
		close(fd);
	}
	lab_wait_log(lab, "request.unsupported", "api=Metadata", "version=9");
	cr_assert_eq(lab_counters(lab).closed_protocol, sizeof(cases) / sizeof(cases[0]));
	cr_assert_eq(fake_broker_accepted(broker), 0);
	lab_stop(&lab);
	fake_broker_stop(&broker);
}

/* A limit that is hit says who, what and how much (issue 3). */
Test(local, frames_are_limited, .timeout = 120)
{
	struct lab *lab = lab_new(NULL, NULL);
	int fd;

	lab->settings.frame_bytes = 1000000;
	lab_run(lab);
	fd = lab_connect(lab, 0);
	send_head(fd, 65537, KA_ApiVersions, 3);
	lab_expect_end(fd);
	close(fd);
	lab_wait_log(lab, "request.too_large", "api=ApiVersions", "size=65537");
	lab_wait_log(lab, "request.too_large", "peer=127.0.0.1:", "size=65537");

	fd = lab_client(lab, 0);
	send_head(fd, 1000001, KA_CreateTopics, 7);
	lab_expect_end(fd);
	close(fd);
	lab_wait_log(lab, "request.too_large", "api=CreateTopics", "size=1000001");
	lab_wait_log(lab, "request.too_large", "vcluster=teamA", "size=1000001");
	lab_stop(&lab);
}

Test(local, sizes_that_no_frame_has_close_the_connection, .timeout = 120)
{
	static const uint32_t sizes[] = {0, 1, 7, 0x80000000, 0xffffffff};
	struct lab *lab = lab_start(NULL, NULL);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int login = 0; login < 2; login++) {
			int fd = login ? lab_client(lab, 0) : lab_connect(lab, 0);

			send_head(fd, sizes[i], KA_ApiVersions, 0);
			lab_expect_end(fd);
			close(fd);
		}
	}
	lab_stop(&lab);
}

Test(local, a_malformed_request_says_what_and_where, .timeout = 120)
{
	struct lab *lab = lab_start(NULL, NULL);
	int fd = lab_connect(lab, 0);

	/* ApiVersions v3 without its body */
	send_head(fd, 8, KA_ApiVersions, 3);
	lab_expect_end(fd);
	close(fd);
	lab_wait_log(lab, "request.malformed", "api=ApiVersions", "version=3");
	lab_stop(&lab);
}

/* -- producer ids */

static int64_t
producer_id(struct lab *lab, int fd, int version)
{
	struct tree_frame answer;

	lab_request(fd, KA_InitProducerId, version, version, LAB_NOTHING);
	answer = lab_answer(lab, fd, KA_InitProducerId, version, version);
	cr_assert_eq(lab_number(&answer, KF_InitProducerIdResponse_ErrorCode), 0);
	cr_assert_eq(lab_number(&answer, KF_InitProducerIdResponse_ProducerEpoch), 0);
	return lab_number(&answer, KF_InitProducerIdResponse_ProducerId);
}

Test(local, producer_ids_are_given_out_here_and_are_all_different, .timeout = 120)
{
	struct fake_broker *broker = fake_broker_start(NULL, NULL);
	struct lab *lab = lab_start(broker, NULL);
	int one = lab_client(lab, 0), two = lab_client(lab, 0);
	int64_t ids[24];
	size_t count = 0;

	for (int version = 0; version <= 5; version++) {
		for (int i = 0; i < 2; i++) {
			ids[count++] = producer_id(lab, one, version);
			ids[count++] = producer_id(lab, two, version);
		}
	}
	for (size_t i = 0; i < count; i++) {
		cr_assert_eq((uint64_t)ids[i] >> 62, 1, "no broker ever gives out such an id");
		for (size_t j = 0; j < i; j++)
			cr_assert_neq(ids[i], ids[j]);
	}
	cr_assert_eq(fake_broker_requests(broker), 0);
	close(one);
	close(two);
	lab_stop(&lab);
	fake_broker_stop(&broker);
}

Test(local, a_transactional_id_is_the_brokers_affair, .timeout = 120)
{
	struct fake_broker *broker = fake_broker_start(NULL, NULL);
	struct lab *lab = lab_start(broker, NULL);
	int fd = lab_client(lab, 0);
	struct bytes bytes = {0};
	struct tree_frame got;
	struct fake_request request;

	lab_request(fd, KA_InitProducerId, 4, 9,
		    LAB_VALUES(LAB_TEXT(KF_InitProducerIdRequest_TransactionalId, "tx")));
	lab_answer(lab, fd, KA_InitProducerId, 4, 9);
	cr_assert_eq(fake_broker_requests(broker), 1);
	request = fake_broker_request(broker, 0, &bytes);
	cr_assert(tree_frame_parse(lab->arena, KAFKA_REQUEST, request.key, request.version,
				   request.frame, request.size, &got));
	cr_assert_str_eq(lab_text(lab, &got, KF_InitProducerIdRequest_TransactionalId), "teamAtx");
	bytes_free(&bytes);
	close(fd);
	lab_stop(&lab);
	fake_broker_stop(&broker);
}

/* -- DescribeCluster */

Test(local, the_cluster_is_described_here, .timeout = 120)
{
	struct fake_broker *broker = fake_broker_start(NULL, NULL);
	struct lab *lab = lab_new(broker, broker);
	int fd;

	lab_set_slot(&lab->main, 2, 103, 0); /* away */
	lab_run(lab);
	fd = lab_client(lab, 0);
	for (int version = 0; version <= 2; version++) {
		struct tree_frame a;
		struct tree *brokers;

		lab_request(fd, KA_DescribeCluster, version, 1,
			    LAB_VALUES(LAB_NUMBER(KF_DescribeClusterRequest_EndpointType, 1)));
		a = lab_answer(lab, fd, KA_DescribeCluster, version, 1);
		cr_assert_eq(lab_number(&a, KF_DescribeClusterResponse_ErrorCode), 0);
		cr_assert_str_eq(lab_text(lab, &a, KF_DescribeClusterResponse_ClusterId),
				 "virtualClusterIdTeamA0");
		brokers = tree_find(a.body, KF_DescribeClusterResponse_Brokers);
		cr_assert_eq(brokers->count, 2);
		for (int i = 0; i < 2; i++) {
			struct tree *b = brokers->children[i];

			cr_assert_eq(
			    tree_find(b, KF_DescribeClusterResponse_Brokers_BrokerId)->number, i);
			cr_assert_eq(tree_find(b, KF_DescribeClusterResponse_Brokers_Port)->number,
				     6969 + i);
		}
		cr_assert_str_eq(lab_text(lab, &a, KF_DescribeClusterResponse_Brokers_Host),
				 "gateway.example");
		cr_assert_eq(lab_number(&a, KF_DescribeClusterResponse_ControllerId), 0);
		cr_assert_eq(lab_number(&a, KF_DescribeClusterResponse_ClusterAuthorizedOperations),
			     INT32_MIN);
	}
	cr_assert_eq(fake_broker_requests(broker), 0);
	close(fd);
	lab_stop(&lab);
	fake_broker_stop(&broker);
}

Test(local, only_brokers_are_described, .timeout = 120)
{
	static const int cases[][2] = {{2, 114}, {0, 115}, {3, 115}};
	struct fake_broker *broker = fake_broker_start(NULL, NULL);
	struct lab *lab = lab_start(broker, NULL);
	int fd = lab_client(lab, 0);

	for (size_t i = 0; i < 3; i++) {
		struct lab_value values[] = {
		    LAB_NUMBER(KF_DescribeClusterRequest_EndpointType, cases[i][0]), LAB_END};
		struct tree_frame a;

		lab_request(fd, KA_DescribeCluster, 1, 1, values);
		a = lab_answer(lab, fd, KA_DescribeCluster, 1, 1);
		cr_assert_eq(lab_number(&a, KF_DescribeClusterResponse_ErrorCode), cases[i][1]);
		cr_assert_eq(tree_find(a.body, KF_DescribeClusterResponse_Brokers)->count, 0);
	}
	close(fd);
	lab_stop(&lab);
	fake_broker_stop(&broker);
}

/* -- SyncGroup */

static int64_t
sync_group(struct lab *lab, int fd, int version, int32_t id)
{
	struct tree_frame answer;

	lab_request(fd, KA_SyncGroup, version, id,
		    LAB_VALUES(LAB_TEXT(KF_SyncGroupRequest_GroupId, "g"),
			       LAB_TEXT(KF_SyncGroupRequest_ProtocolType, "consumer")));
	answer = lab_answer(lab, fd, KA_SyncGroup, version, id);
	return lab_number(&answer, KF_SyncGroupResponse_ErrorCode);
}

/* Only a join says what the bytes in an old SyncGroup are. */
Test(local, a_sync_of_a_group_that_did_not_join_here_is_told_to_join, .timeout = 120)
{
	struct fake_broker *broker = fake_broker_start(NULL, NULL);
	struct lab *lab = lab_start(broker, NULL);
	int fd = lab_client(lab, 0);
	int other = lab_client(lab, 0);

	for (int version = 0; version <= 4; version++)
		cr_assert_eq(sync_group(lab, fd, version, version), KAFKA_REBALANCE_IN_PROGRESS);
	cr_assert_eq(fake_broker_requests(broker), 0);
	cr_assert_eq(sync_group(lab, fd, 5, 5), 0, "version 5 says it itself");
	lab_request(fd, KA_JoinGroup, 4, 6,
		    LAB_VALUES(LAB_TEXT(KF_JoinGroupRequest_GroupId, "g"),
			       LAB_TEXT(KF_JoinGroupRequest_ProtocolType, "consumer")));
	lab_answer(lab, fd, KA_JoinGroup, 4, 6);
	for (int version = 0; version <= 4; version++)
		cr_assert_eq(sync_group(lab, fd, version, 7 + version), 0);
	cr_assert_eq(sync_group(lab, other, 3, 1), KAFKA_REBALANCE_IN_PROGRESS);
	close(fd);
	close(other);
	lab_stop(&lab);
	fake_broker_stop(&broker);
}

/* -- lists of everything */

Test(local, a_pattern_that_cannot_be_confined_is_not_valid, .timeout = 120)
{
	static const char *const patterns[] = {"(^a)", "a)|(?:.*", "^a|b", "\\ba"};
	struct fake_broker *broker = fake_broker_start(NULL, NULL);
	struct lab *lab = lab_start(broker, NULL);
	int fd = lab_client(lab, 0);

	for (int32_t i = 0; i < 4; i++) {
		struct lab_value values[] = {
		    {.field = KF_ListTransactionsRequest_TransactionalIdPattern,
		     .data = patterns[i],
		     .length = strlen(patterns[i])},
		    LAB_END};
		struct tree_frame answer;

		lab_request(fd, KA_ListTransactions, 2, i, values);
		answer = lab_answer(lab, fd, KA_ListTransactions, 2, i);
		cr_assert_eq(lab_number(&answer, KF_ListTransactionsResponse_ErrorCode),
			     KAFKA_INVALID_REGULAR_EXPRESSION);
	}
	cr_assert_eq(fake_broker_requests(broker), 0);
	close(fd);
	lab_stop(&lab);
	fake_broker_stop(&broker);
}

/* Brokers, loggers and client metrics: an empty list of types would ask for everything. */
Test(local, config_resources_of_the_operator_are_none, .timeout = 120)
{
	struct fake_broker *broker = fake_broker_start(NULL, NULL);
	struct lab *lab = lab_start(broker, NULL);
	int fd = lab_client(lab, 0);
	struct tree_frame answer;

	lab_request(fd, KA_ListConfigResources, 0, 1, LAB_NOTHING);
	answer = lab_answer(lab, fd, KA_ListConfigResources, 0, 1);
	cr_assert_eq(tree_find(answer.body, KF_ListConfigResourcesResponse_ConfigResources)->count,
		     0);
	lab_request(
	    fd, KA_ListConfigResources, 1, 2,
	    LAB_VALUES(
		{.field = KF_ListConfigResourcesRequest_ResourceTypes, .count = 1, .number = 4}));
	answer = lab_answer(lab, fd, KA_ListConfigResources, 1, 2);
	cr_assert_eq(lab_number(&answer, KF_ListConfigResourcesResponse_ErrorCode), 0);
	cr_assert_eq(fake_broker_requests(broker), 0);
	close(fd);
	lab_stop(&lab);
	fake_broker_stop(&broker);
}
