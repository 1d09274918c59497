/* SPDX-License-Identifier: Apache-2.0
 *
 * For test_local.c and test_worker.c: a real worker thread in a hand-made world, with its listening
 * sockets, a control loop in the test, fake brokers behind it and raw client sockets before it.
 * Nothing is asserted of time; whoever waits does so with a generous bound (LAB_PATIENCE_MS).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "kafka/schema.h"
#include "loop/loop.h"
#include "proxy/worker.h"
#include "support/fake_broker.h"
#include "support/tree.h"

#define LAB_PATIENCE_MS 30000
#define LAB_SLOTS       4
#define LAB_VNODES      3

/* A physical cluster: its brokers by slot; a slot without a broker can have a port that nobody
 * listens on, or be absent (port 0). */
struct lab_cluster {
	const char *name;
	struct {
		int32_t id;
		uint16_t port;
	} slots[LAB_SLOTS];
	size_t slots_count;
};

struct lab {
	struct arena *arena; /* for what a test makes */
	struct loop *control;
	struct worker *worker;
	uint16_t ports[LAB_VNODES]; /* of the worker's listeners */
	int log;                    /* what was logged is in this file */
	/* of the next world */
	struct settings settings;
	struct lab_cluster main;     /* behind the logical cluster "main": teamA and teamB */
	struct lab_cluster eu;       /* behind "eu": teamE */
	uint64_t generation;         /* of "main" */
	bool without_sb;             /* teamA's user sb is removed */
	bool other_key;              /* the key of lab_token() is retired */
	int64_t session_ms;          /* session.lifetime.ms of teamA */
	struct user team_a[2];       /* sa and sb of teamA */
	struct meters meters;        /* of those with limits */
	const struct alias *aliases; /* of teamA */
	const struct alias *const *aliases_by_physical;
	size_t aliases_count;
	bool lists_topics; /* the clusters have DescribeTopicPartitions */
};

/* A lab whose main cluster has these brokers, ids 101, 102, ...; starts the worker. */
struct lab *lab_start(struct fake_broker *first, struct fake_broker *second);
/* The same, but the caller changes settings or clusters before lab_run(). */
struct lab *lab_new(struct fake_broker *first, struct fake_broker *second);
void lab_run(struct lab *lab);
void lab_stop(struct lab **lab);
/* A slot of the cluster leads to this broker. */
void lab_set_slot(struct lab_cluster *cluster, size_t slot, int32_t id, uint16_t port);
/* A port that nobody listens on. */
uint16_t lab_free_port(void);

/* A call to the worker and its acknowledgement. */
struct lab_ack {
	bool came;
	struct worker_ack said;
};
void lab_publish(struct lab *lab, struct lab_ack *ack);
void lab_hold(struct lab *lab, const char *logical, struct lab_ack *ack);
void lab_release(struct lab *lab, const char *logical, struct lab_ack *ack);
void lab_wait_ack(struct lab *lab, struct lab_ack *ack);
/* The control loop turns for a while; for "nothing comes". */
void lab_linger(struct lab *lab, int ms);
/* Waits until fn(arg) holds. */
typedef bool (*lab_fn)(void *arg);
void lab_wait(struct lab *lab, lab_fn fn, void *arg, const char *what);
void lab_wait_requests(struct lab *lab, struct fake_broker *broker, size_t count);
void lab_wait_open(struct lab *lab, struct fake_broker *broker, unsigned count);
/* Waits until a line of the log has all these words. */
void lab_wait_log(struct lab *lab, const char *event, const char *word, const char *other);
bool lab_has_logged(struct lab *lab, const char *text);
struct worker_counters lab_counters(struct lab *lab);

/* Values of a message's fields, by field; the list ends with KAFKA_NO_FIELD. */
struct lab_value {
	uint16_t field;
	int64_t number;
	const void *data;
	size_t length;
	size_t count; /* of an array */
	bool null;    /* an array */
};
#define LAB_TEXT(f, text)                                                                          \
	{                                                                                          \
		.field = (f), .data = (text), .length = sizeof(text) - 1                           \
	}
#define LAB_NUMBER(f, n)                                                                           \
	{                                                                                          \
		.field = (f), .number = (n)                                                        \
	}
#define LAB_COUNT(f, n)                                                                            \
	{                                                                                          \
		.field = (f), .count = (n)                                                         \
	}
#define LAB_END                                                                                    \
	{                                                                                          \
		.field = KAFKA_NO_FIELD                                                            \
	}
#define LAB_VALUES(...) ((const struct lab_value[]){__VA_ARGS__, LAB_END})
#define LAB_NOTHING     ((const struct lab_value[]){LAB_END})

void lab_encode_request(struct bytes *out, int key, int version, int32_t id,
			const struct lab_value *values);
void lab_encode_response(struct bytes *out, int key, int version, int32_t id,
			 const struct lab_value *values);

/* -- clients: blocking sockets; reading gives up after LAB_PATIENCE_MS */
int lab_connect(struct lab *lab, unsigned vnode);
void lab_send(int fd, const void *bytes, size_t length);
/* Sends what the socket takes; false: the other side has closed. */
bool lab_try_send(int fd, const void *bytes, size_t length);
void lab_request(int fd, int key, int version, int32_t id, const struct lab_value *values);
/* Reads one frame, its size included; false at the end of the stream. */
bool lab_read_frame(int fd, struct bytes *frame);
void lab_expect_end(int fd);
/* Nothing comes, and the connection stays. */
void lab_expect_silence(struct lab *lab, int fd);
/* Reads the answer to this request, which must come next. */
struct tree_frame lab_answer(struct lab *lab, int fd, int key, int version, int32_t id);
int64_t lab_number(const struct tree_frame *frame, uint16_t field);
const char *lab_text(struct lab *lab, const struct tree_frame *frame, uint16_t field);
/* A token of vcluster and user, malloc'd; lifetime in seconds. */
char *lab_token(struct lab *lab, const char *vcluster, const char *user, int64_t lifetime);
/* SASL/PLAIN as far as the answer's error code. */
int64_t lab_login(struct lab *lab, int fd, const char *user, const char *token);
/* A connection that is logged in as teamA's sa. */
int lab_client(struct lab *lab, unsigned vnode);
int lab_client_of(struct lab *lab, unsigned vnode, const char *vcluster, const char *user);
