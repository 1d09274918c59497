/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps of CONTRACT.md with librdkafka, as Debian has it (2.0.2): the C API, without what later
 * versions added. Start at the table steps[]; a step writes its outcome as JSON into `out` or
 * returns librdkafka's error.
 */
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PARTITIONS    4
#define PER_PARTITION 256
#define VALUE_SIZE    32
#define BATCH         20
#define WAIT_MS       30000
#define READ_S        40.0
#define SETTLE_S      10.0
#define OUT_SIZE      4096

typedef rd_kafka_resp_err_t (*step_fn)(const char *arg, char *out);

/* What was read, by partition and offset. */
struct seen {
	char value[PARTITIONS][PER_PARTITION][VALUE_SIZE];
	int count;
};

static const char *prefix;
static const char *run;
static char topic[256], txn_topic[256], group[256], group_two[256];
static rd_kafka_t *admin;
static char conf_error[512];

static void
die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The name without the prefix, RUN in place of the run's word. */
static const char *
clean(const char *name)
{
	static char text[512];
	const char *at;

	if (strncmp(name, prefix, strlen(prefix)) == 0)
		name += strlen(prefix);
	at = strstr(name, run);
	if (at == NULL)
		snprintf(text, sizeof(text), "%s", name);
	else
		snprintf(text, sizeof(text), "%.*sRUN%s", (int)(at - name), name, at + strlen(run));
	return text;
}

/* -- handles */

static void
set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
	if (rd_kafka_conf_set(conf, key, value, conf_error, sizeof(conf_error)) != RD_KAFKA_CONF_OK)
		die(conf_error);
}

static rd_kafka_conf_t *
new_conf(void)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	set(conf, "bootstrap.servers", getenv("BOOTSTRAP"));
	if (getenv("SASL_TOKEN") != NULL) {
		set(conf, "security.protocol", "SASL_PLAINTEXT");
		set(conf, "sasl.mechanism", "PLAIN");
		set(conf, "sasl.username", getenv("SASL_USER"));
		set(conf, "sasl.password", getenv("SASL_TOKEN"));
	}
	return conf;
}

static rd_kafka_t *
new_handle(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
	rd_kafka_t *rk = rd_kafka_new(type, conf, conf_error, sizeof(conf_error));

	if (rk == NULL)
		die(conf_error);
	return rk;
}

/* -- admin calls: each waits for its event; the caller destroys it */

static rd_kafka_event_t *
wait_event(rd_kafka_queue_t *queue, rd_kafka_resp_err_t *err)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);

	*err = event == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event);
	rd_kafka_queue_destroy(queue);
	return event;
}

static rd_kafka_resp_err_t
first_topic_error(const rd_kafka_topic_result_t **topics, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (rd_kafka_topic_result_error(topics[i]) != 0)
			return rd_kafka_topic_result_error(topics[i]);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t
create_topic(const char *name, int partitions)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
	rd_kafka_NewTopic_t *new =
	    rd_kafka_NewTopic_new(name, partitions, 1, conf_error, sizeof(conf_error));
	rd_kafka_resp_err_t err;
	rd_kafka_event_t *event;
	size_t count;

	rd_kafka_CreateTopics(admin, &new, 1, NULL, queue);
	event = wait_event(queue, &err);
	if (err == 0)
		err = first_topic_error(rd_kafka_CreateTopics_result_topics(
					    rd_kafka_event_CreateTopics_result(event), &count),
					1);
	rd_kafka_event_destroy(event);
	rd_kafka_NewTopic_destroy(new);
	return err;
}

static rd_kafka_resp_err_t
metadata(const char *name, int *led, int *replicas)
{
	rd_kafka_topic_t *handle = rd_kafka_topic_new(admin, name, NULL);
	const struct rd_kafka_metadata *told;
	rd_kafka_resp_err_t err = rd_kafka_metadata(admin, 0, handle, &told, WAIT_MS);

	if (err == 0) {
		const struct rd_kafka_metadata_topic *t = &told->topics[0];

		err = t->err;
		*led = *replicas = 0;
		for (int i = 0; i < t->partition_cnt; i++)
			*led += t->partitions[i].leader >= 0;
		if (t->partition_cnt > 0)
			*replicas = t->partitions[0].replica_cnt;
		rd_kafka_metadata_destroy(told);
	}
	rd_kafka_topic_destroy(handle);
	return err;
}

static rd_kafka_resp_err_t
step_versions(const char *arg, char *out)
{
	const struct rd_kafka_metadata *told;
	rd_kafka_resp_err_t err = rd_kafka_metadata(admin, 0, NULL, &told, WAIT_MS);

	(void)arg;
	if (err != 0)
		return err;
	rd_kafka_metadata_destroy(told);
	snprintf(out, OUT_SIZE, "\"%s\"", rd_kafka_version_str());
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t
step_create(const char *arg, char *out)
{
	(void)arg;
	snprintf(out, OUT_SIZE, "\"ok\"");
	return create_topic(topic, 3);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds `name` to names, cleaned, where it is of this run. */
static void
keep_mine(char **names, int *count, const char *name)
{
	if (strstr(name, run) != NULL && *count < 16)
		names[(*count)++] = strdup(clean(name));
}

/* The JSON list of the names, sorted; frees them. */
static void
print_names(char **names, int count, char *out)
{
	int at = snprintf(out, OUT_SIZE, "[");

	qsort(names, (size_t)count, sizeof(*names), by_text);
	for (int i = 0; i < count; i++) {
		at += snprintf(out + at, (size_t)(OUT_SIZE - at), "%s\"%s\"", i > 0 ? ", " : "",
			       names[i]);
		free(names[i]);
	}
	snprintf(out + at, (size_t)(OUT_SIZE - at), "]");
}

static rd_kafka_resp_err_t
step_list(const char *arg, char *out)
{
	const struct rd_kafka_metadata *told;
	rd_kafka_resp_err_t err = rd_kafka_metadata(admin, 1, NULL, &told, WAIT_MS);
	char *names[16];
	int count = 0;

	(void)arg;
	if (err != 0)
		return err;
	for (int i = 0; i < told->topic_cnt; i++)
		keep_mine(names, &count, told->topics[i].topic);
	rd_kafka_metadata_destroy(told);
	print_names(names, count, out);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t
step_describe(const char *arg, char *out)
{
	int led = 0, replicas = 0;
	rd_kafka_resp_err_t err = metadata(topic, &led, &replicas);

	(void)arg;
	snprintf(out, OUT_SIZE, "{\"partitions\": %d, \"replicas\": %d}", led, replicas);
	return err;
}

/* The value of retention.ms among a resource's entries, quoted. */
static void
print_retention(const rd_kafka_ConfigResource_t *resource, char *out)
{
	size_t count;
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "retention.ms") == 0)
			snprintf(out, OUT_SIZE, "\"%s\"", rd_kafka_ConfigEntry_value(entries[i]));
}

static rd_kafka_resp_err_t
step_describe_config(const char *arg, char *out)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
	rd_kafka_ConfigResource_t *resource =
	    rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
	const rd_kafka_ConfigResource_t **told;
	rd_kafka_resp_err_t err;
	rd_kafka_event_t *event;
	size_t count = 0;

	(void)arg;
	snprintf(out, OUT_SIZE, "null");
	rd_kafka_DescribeConfigs(admin, &resource, 1, NULL, queue);
	event = wait_event(queue, &err);
	if (err == 0) {
		told = rd_kafka_DescribeConfigs_result_resources(
		    rd_kafka_event_DescribeConfigs_result(event), &count);
		err = count == 1 ? rd_kafka_ConfigResource_error(told[0])
				 : RD_KAFKA_RESP_ERR__BAD_MSG;
		if (err == 0)
			print_retention(told[0], out);
	}
	rd_kafka_event_destroy(event);
	rd_kafka_ConfigResource_destroy(resource);
	return err;
}

static rd_kafka_resp_err_t
step_alter_config(const char *arg, char *out)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
	rd_kafka_ConfigResource_t *resource =
	    rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
	const rd_kafka_ConfigResource_t **told;
	rd_kafka_resp_err_t err;
	rd_kafka_event_t *event;
	size_t count = 0;

	(void)arg;
	snprintf(out, OUT_SIZE, "\"ok\"");
	rd_kafka_ConfigResource_set_config(resource, "retention.ms", "123456789");
	rd_kafka_AlterConfigs(admin, &resource, 1, NULL, queue);
	event = wait_event(queue, &err);
	if (err == 0) {
		told = rd_kafka_AlterConfigs_result_resources(
		    rd_kafka_event_AlterConfigs_result(event), &count);
		err = count == 1 ? rd_kafka_ConfigResource_error(told[0])
				 : RD_KAFKA_RESP_ERR__BAD_MSG;
	}
	rd_kafka_event_destroy(event);
	rd_kafka_ConfigResource_destroy(resource);
	return err;
}

/* Part of create-partitions, and no step of its own: wait until all partitions have a leader. */
static rd_kafka_resp_err_t
wait_partitions(const char *name, int wanted, int *led)
{
	double deadline = now() + SETTLE_S;
	rd_kafka_resp_err_t err;
	int replicas;

	do {
		err = metadata(name, led, &replicas);
		if (err == 0 && *led == wanted)
			break;
		usleep(100000);
	} while (now() < deadline);
	return err;
}

static rd_kafka_resp_err_t
step_create_partitions(const char *arg, char *out)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
	rd_kafka_NewPartitions_t *new =
	    rd_kafka_NewPartitions_new(topic, PARTITIONS, conf_error, sizeof(conf_error));
	rd_kafka_resp_err_t err;
	rd_kafka_event_t *event;
	size_t count;
	int led = 0;

	(void)arg;
	rd_kafka_CreatePartitions(admin, &new, 1, NULL, queue);
	event = wait_event(queue, &err);
	if (err == 0)
		err = first_topic_error(rd_kafka_CreatePartitions_result_topics(
					    rd_kafka_event_CreatePartitions_result(event), &count),
					1);
	rd_kafka_event_destroy(event);
	rd_kafka_NewPartitions_destroy(new);
	if (err == 0)
		err = wait_partitions(topic, PARTITIONS, &led);
	sleep(1); /* for the brokers that were not asked */
	snprintf(out, OUT_SIZE, "%d", led);
	return err;
}

static rd_kafka_resp_err_t
step_delete_topic(const char *arg, char *out)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
	rd_kafka_DeleteTopic_t *topics[] = {rd_kafka_DeleteTopic_new(topic),
					    rd_kafka_DeleteTopic_new(txn_topic)};
	const rd_kafka_topic_result_t **told;
	rd_kafka_resp_err_t err;
	rd_kafka_event_t *event;
	size_t count;

	(void)arg;
	snprintf(out, OUT_SIZE, "\"ok\"");
	rd_kafka_DeleteTopics(admin, topics, 2, NULL, queue);
	event = wait_event(queue, &err);
	if (err == 0) {
		told = rd_kafka_DeleteTopics_result_topics(
		    rd_kafka_event_DeleteTopics_result(event), &count);
		err = first_topic_error(told, count);
	}
	rd_kafka_event_destroy(event);
	rd_kafka_DeleteTopic_destroy_array(topics, 2);
	return err;
}

/* -- producing */

struct delivery {
	int done;
	rd_kafka_resp_err_t err;
};

static void
on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	struct delivery *delivery = opaque;

	(void)rk;
	if (message->err != 0)
		delivery->err = message->err;
	else
		delivery->done++;
}

/* A producer with one property ("acks=0") besides acks=all. */
static rd_kafka_t *
new_producer(const char *property, struct delivery *delivery)
{
	rd_kafka_conf_t *conf = new_conf();
	char key[64];
	const char *value = strchr(property, '=');

	snprintf(key, sizeof(key), "%.*s", (int)(value - property), property);
	set(conf, "acks", "all");
	set(conf, "linger.ms", "5");
	set(conf, "message.timeout.ms", "30000");
	set(conf, key, value + 1);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_conf_set_opaque(conf, delivery);
	return new_handle(RD_KAFKA_PRODUCER, conf);
}

static rd_kafka_resp_err_t
send_value(rd_kafka_t *rk, const char *name, int partition, const void *value, size_t size)
{
	return rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(name), RD_KAFKA_V_PARTITION(partition),
				 RD_KAFKA_V_VALUE((void *)(uintptr_t)value, size),
				 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
}

static rd_kafka_resp_err_t
send_batch(rd_kafka_t *rk, const char *name, const char *word, int count, int partitions)
{
	rd_kafka_resp_err_t err = 0;

	for (int i = 0; i < count && err == 0; i++) {
		char value[VALUE_SIZE];
		int size = snprintf(value, sizeof(value), "%s-%04d", word, i);

		err = send_value(rk, name, i % partitions, value, (size_t)size);
	}
	return err;
}

/* "STEP PROPERTY=VALUE": a batch named after the step. */
static rd_kafka_resp_err_t
step_produce(const char *arg, char *out)
{
	struct delivery delivery = {0, 0};
	rd_kafka_t *rk = new_producer(strchr(arg, ' ') + 1, &delivery);
	char word[VALUE_SIZE];
	rd_kafka_resp_err_t err;

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(arg, " "), arg);
	err = send_batch(rk, topic, word, BATCH, PARTITIONS);
	if (err == 0)
		err = rd_kafka_flush(rk, WAIT_MS);
	rd_kafka_destroy(rk);
	snprintf(out, OUT_SIZE, "%d", delivery.done);
	return err != 0 ? err : delivery.err;
}

static rd_kafka_resp_err_t
produce_one(const char *name, size_t size, char *out)
{
	struct delivery delivery = {0, 0};
	rd_kafka_t *rk = new_producer("message.max.bytes=4000000", &delivery);
	char *value = malloc(size);
	rd_kafka_resp_err_t err;

	memset(value, 'x', size);
	err = send_value(rk, name, 0, value, size);
	if (err == 0)
		err = rd_kafka_flush(rk, WAIT_MS);
	rd_kafka_destroy(rk);
	free(value);
	snprintf(out, OUT_SIZE, "%d", delivery.done);
	return err != 0 ? err : delivery.err;
}

static rd_kafka_resp_err_t
step_too_large(const char *arg, char *out)
{
	(void)arg;
	return produce_one(topic, 1500000, out);
}

static rd_kafka_resp_err_t
step_denied(const char *arg, char *out)
{
	(void)arg;
	return produce_one(getenv("READONLY"), 10, out);
}

static rd_kafka_resp_err_t
checked(rd_kafka_error_t *error)
{
	rd_kafka_resp_err_t err = error == NULL ? 0 : rd_kafka_error_code(error);

	if (error != NULL) {
		fprintf(stderr, "%s\n", rd_kafka_error_string(error));
		rd_kafka_error_destroy(error);
	}
	return err;
}

static rd_kafka_resp_err_t
transaction(rd_kafka_t *rk, const char *word, int count, bool commit)
{
	rd_kafka_resp_err_t err = checked(rd_kafka_begin_transaction(rk));

	if (err == 0)
		err = send_batch(rk, txn_topic, word, count, 1);
	if (err == 0)
		err = rd_kafka_flush(rk, WAIT_MS);
	if (err == 0)
		err = checked(commit ? rd_kafka_commit_transaction(rk, WAIT_MS)
				     : rd_kafka_abort_transaction(rk, WAIT_MS));
	return err;
}

static rd_kafka_resp_err_t
transactions(void)
{
	struct delivery delivery = {0, 0};
	char property[300];
	rd_kafka_resp_err_t err;
	rd_kafka_t *rk;

	snprintf(property, sizeof(property), "transactional.id=%s%s-tid", prefix, run);
	rk = new_producer(property, &delivery);
	err = checked(rd_kafka_init_transactions(rk, WAIT_MS));
	if (err == 0)
		err = transaction(rk, "committed", 10, true);
	if (err == 0)
		err = transaction(rk, "aborted", 10, false);
	if (err == 0)
		err = transaction(rk, "last", 1, true);
	rd_kafka_destroy(rk);
	return err;
}

/* -- consuming */

static rd_kafka_t *
new_consumer(const char *in_group, const char *isolation)
{
	rd_kafka_conf_t *conf = new_conf();
	rd_kafka_t *rk;

	set(conf, "group.id", in_group);
	set(conf, "enable.auto.commit", "false");
	set(conf, "auto.offset.reset", "earliest");
	set(conf, "isolation.level", isolation);
	rk = new_handle(RD_KAFKA_CONSUMER, conf);
	rd_kafka_poll_set_consumer(rk);
	return rk;
}

static rd_kafka_t *
new_reader(const char *name, int partitions, int64_t offset, const char *isolation)
{
	rd_kafka_t *rk = new_consumer("unused", isolation);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);

	for (int i = 0; i < partitions; i++)
		rd_kafka_topic_partition_list_add(list, name, i)->offset = offset;
	rd_kafka_assign(rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return rk;
}

static rd_kafka_t *
new_member(const char *in_group)
{
	rd_kafka_t *rk = new_consumer(in_group, "read_uncommitted");
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
	rd_kafka_subscribe(rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return rk;
}

/* Notes one polled message; the error of a message that is none. */
static rd_kafka_resp_err_t
note(struct seen *seen, const rd_kafka_message_t *message)
{
	char *place;

	if (message->err != 0)
		return message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ? 0 : message->err;
	if (message->partition >= PARTITIONS || message->offset >= PER_PARTITION)
		return RD_KAFKA_RESP_ERR__BAD_MSG;
	place = seen->value[message->partition][message->offset];
	if (place[0] == '\0')
		seen->count++;
	snprintf(place, VALUE_SIZE, "%.*s", (int)message->len, (const char *)message->payload);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t
poll_once(rd_kafka_t *rk, struct seen *seen)
{
	rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 100);
	rd_kafka_resp_err_t err = message == NULL ? 0 : note(seen, message);

	if (message != NULL)
		rd_kafka_message_destroy(message);
	return err;
}

static rd_kafka_resp_err_t
read_count(rd_kafka_t *rk, struct seen *seen, int64_t wanted)
{
	double deadline = now() + READ_S;
	rd_kafka_resp_err_t err = 0;

	while (err == 0 && seen->count < wanted) {
		err = poll_once(rk, seen);
		if (now() > deadline)
			err = RD_KAFKA_RESP_ERR__TIMED_OUT;
	}
	return err;
}

static void
close_consumer(rd_kafka_t *rk)
{
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
}

static rd_kafka_resp_err_t
ends(int64_t *sum, int64_t *of_first)
{
	*sum = 0;
	for (int i = 0; i < PARTITIONS; i++) {
		int64_t low, high;
		rd_kafka_resp_err_t err =
		    rd_kafka_query_watermark_offsets(admin, topic, i, &low, &high, WAIT_MS);

		if (err != 0)
			return err;
		*sum += high;
		if (i == 0)
			*of_first = high;
	}
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static uint32_t
crc32_add(uint32_t crc, const char *text)
{
	for (; *text != '\0'; text++) {
		crc ^= (unsigned char)*text;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
	}
	return crc;
}

/* The contract's SUM, without its braces. */
static void
print_total(struct seen *seen, char *out, size_t size)
{
	char *values[PARTITIONS * PER_PARTITION];
	uint32_t crc = 0xffffffffu;
	int count = 0, distinct = 0;

	for (int p = 0; p < PARTITIONS; p++)
		for (int i = 0; i < PER_PARTITION; i++)
			if (seen->value[p][i][0] != '\0')
				values[count++] = seen->value[p][i];
	qsort(values, (size_t)count, sizeof(*values), by_text);
	for (int i = 0; i < count; i++) {
		if (i > 0 && strcmp(values[i], values[i - 1]) == 0)
			continue;
		distinct++;
		crc = crc32_add(crc32_add(crc, values[i]), "\n");
	}
	snprintf(out, size, "\"count\": %d, \"checksum\": \"%08x\"", distinct, ~crc);
}

static rd_kafka_resp_err_t
step_transactional(const char *arg, char *out)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	int led, committed = 0, aborted = 0;
	rd_kafka_resp_err_t err = create_topic(txn_topic, 1);
	rd_kafka_t *rk;

	(void)arg;
	if (err == 0)
		err = wait_partitions(txn_topic, 1, &led);
	if (err == 0)
		err = transactions();
	if (err == 0) {
		rk = new_reader(txn_topic, 1, 0, "read_committed");
		err = read_count(rk, seen, 11);
		close_consumer(rk);
	}
	for (int i = 0; i < PER_PARTITION; i++) {
		committed += strncmp(seen->value[0][i], "committed", 9) == 0;
		aborted += strncmp(seen->value[0][i], "aborted", 7) == 0;
	}
	free(seen);
	snprintf(out, OUT_SIZE, "{\"committed\": %d, \"aborted\": %d}", committed, aborted);
	return err;
}

/* Reads the whole topic by rk, which it closes; with `commit`, commits before. */
static rd_kafka_resp_err_t
read_all(rd_kafka_t *rk, bool commit, char *out)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	char total[128];
	int64_t all, first;
	rd_kafka_resp_err_t err = ends(&all, &first);

	if (err == 0)
		err = read_count(rk, seen, all);
	if (err == 0 && commit)
		err = rd_kafka_commit(rk, NULL, 0);
	close_consumer(rk);
	print_total(seen, total, sizeof(total));
	snprintf(out, OUT_SIZE, "{%s}", total);
	free(seen);
	return err;
}

static rd_kafka_resp_err_t
step_consume_assign(const char *arg, char *out)
{
	(void)arg;
	return read_all(new_reader(topic, PARTITIONS, 0, "read_uncommitted"), false, out);
}

static rd_kafka_resp_err_t
step_consume_group(const char *arg, char *out)
{
	(void)arg;
	return read_all(new_member(group), true, out);
}

static rd_kafka_resp_err_t
committed_sum(int64_t *sum)
{
	rd_kafka_t *rk = new_consumer(group, "read_uncommitted");
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
	rd_kafka_resp_err_t err;

	for (int i = 0; i < PARTITIONS; i++)
		rd_kafka_topic_partition_list_add(list, topic, i);
	err = rd_kafka_committed(rk, list, WAIT_MS);
	*sum = 0;
	for (int i = 0; i < PARTITIONS; i++)
		*sum += list->elems[i].offset > 0 ? list->elems[i].offset : 0;
	rd_kafka_topic_partition_list_destroy(list);
	close_consumer(rk);
	return err;
}

/* arg: "committed" or "lag". */
static rd_kafka_resp_err_t
step_committed(const char *arg, char *out)
{
	int64_t sum, all = 0, first;
	rd_kafka_resp_err_t err = committed_sum(&sum);

	if (err == 0 && strcmp(arg, "lag") == 0) {
		err = ends(&all, &first);
		sum = all - sum;
	}
	snprintf(out, OUT_SIZE, "%lld", (long long)sum);
	return err;
}

static rd_kafka_resp_err_t
step_seek(const char *arg, char *out)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	rd_kafka_t *rk = new_reader(topic, 1, 0, "read_uncommitted");
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	int64_t all, first = 0;
	rd_kafka_resp_err_t err = ends(&all, &first);

	(void)arg;
	rd_kafka_topic_partition_list_add(list, topic, 0)->offset = 3;
	if (err == 0)
		err = checked(rd_kafka_seek_partitions(rk, list, WAIT_MS));
	if (err == 0)
		err = list->elems[0].err;
	if (err == 0)
		err = read_count(rk, seen, first - 3);
	snprintf(out, OUT_SIZE, "{\"first\": \"%s\", \"count\": %d}",
		 seen->value[0][0][0] == '\0' ? seen->value[0][3] : "what is before the offset",
		 seen->count);
	rd_kafka_topic_partition_list_destroy(list);
	close_consumer(rk);
	free(seen);
	return err;
}

/* How many partitions a member has; adds each to owners[partition]. */
static int
owned(rd_kafka_t *rk, int *owners)
{
	rd_kafka_topic_partition_list_t *list = NULL;
	int count;

	if (rd_kafka_assignment(rk, &list) != 0)
		return 0;
	count = list->cnt;
	for (int i = 0; i < count; i++)
		if (list->elems[i].partition < PARTITIONS)
			owners[list->elems[i].partition]++;
	rd_kafka_topic_partition_list_destroy(list);
	return count;
}

static rd_kafka_resp_err_t
wait_owned(rd_kafka_t *rk, struct seen *seen)
{
	double deadline = now() + READ_S;
	int ignored[PARTITIONS] = {0};

	while (owned(rk, ignored) < PARTITIONS) {
		rd_kafka_resp_err_t err = poll_once(rk, seen);

		if (err != 0)
			return err;
		if (now() > deadline)
			return RD_KAFKA_RESP_ERR__TIMED_OUT;
	}
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Polls both until each has a part and all was read; owners[]: who has what at the end. */
static rd_kafka_resp_err_t
share(rd_kafka_t *const members[2], struct seen *seen, int64_t all, int *owners, int *busy)
{
	double deadline = now() + READ_S;

	for (;;) {
		int shares[2];

		memset(owners, 0, PARTITIONS * sizeof(*owners));
		for (int i = 0; i < 2; i++)
			shares[i] = owned(members[i], owners);
		*busy = (shares[0] > 0) + (shares[1] > 0);
		if (*busy == 2 && shares[0] + shares[1] == PARTITIONS && seen->count >= all)
			return RD_KAFKA_RESP_ERR_NO_ERROR;
		for (int i = 0; i < 2; i++) {
			rd_kafka_resp_err_t err = poll_once(members[i], seen);

			if (err != 0)
				return err;
		}
		if (now() > deadline)
			return RD_KAFKA_RESP_ERR__TIMED_OUT;
	}
}

static rd_kafka_resp_err_t
step_group_two(const char *arg, char *out)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	rd_kafka_t *members[2] = {new_member(group_two), NULL};
	int owners[PARTITIONS] = {0}, busy = 0, at;
	int64_t all, first;
	char total[128];
	rd_kafka_resp_err_t err = ends(&all, &first);

	(void)arg;
	if (err == 0)
		err = wait_owned(members[0], seen);
	members[1] = new_member(group_two);
	if (err == 0)
		err = share(members, seen, all, owners, &busy);
	close_consumer(members[0]);
	close_consumer(members[1]);
	at = snprintf(out, OUT_SIZE, "{\"members\": %d, \"partitions\": [", busy);
	for (int i = 0, n = 0; i < PARTITIONS; i++)
		for (int times = 0; times < owners[i]; times++)
			at += snprintf(out + at, (size_t)(OUT_SIZE - at), "%s%d",
				       n++ > 0 ? ", " : "", i);
	print_total(seen, total, sizeof(total));
	snprintf(out + at, (size_t)(OUT_SIZE - at), "], %s}", total);
	free(seen);
	return err;
}

/* -- groups */

static rd_kafka_resp_err_t
step_list_groups(const char *arg, char *out)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
	const rd_kafka_ListConsumerGroups_result_t *result;
	const rd_kafka_ConsumerGroupListing_t **told;
	char *names[16];
	int mine = 0;
	rd_kafka_resp_err_t err;
	rd_kafka_event_t *event;
	size_t count = 0;

	(void)arg;
	rd_kafka_ListConsumerGroups(admin, NULL, queue);
	event = wait_event(queue, &err);
	if (err == 0) {
		result = rd_kafka_event_ListConsumerGroups_result(event);
		told = rd_kafka_ListConsumerGroups_result_valid(result, &count);
		for (size_t i = 0; i < count; i++)
			keep_mine(names, &mine, rd_kafka_ConsumerGroupListing_group_id(told[i]));
	}
	rd_kafka_event_destroy(event);
	print_names(names, mine, out);
	return err;
}

/* The topics of a group's assignments, each once. */
static void
print_group(const rd_kafka_ConsumerGroupDescription_t *told, char *out)
{
	size_t members = rd_kafka_ConsumerGroupDescription_member_count(told);
	char *names[16], list[OUT_SIZE];
	int count = 0;

	for (size_t m = 0; m < members; m++) {
		const rd_kafka_MemberAssignment_t *assignment =
		    rd_kafka_MemberDescription_assignment(
			rd_kafka_ConsumerGroupDescription_member(told, m));
		const rd_kafka_topic_partition_list_t *parts =
		    rd_kafka_MemberAssignment_partitions(assignment);

		for (int i = 0; parts != NULL && i < parts->cnt; i++)
			if (i == 0 || strcmp(parts->elems[i].topic, parts->elems[i - 1].topic) != 0)
				keep_mine(names, &count, parts->elems[i].topic);
	}
	print_names(names, count, list);
	snprintf(out, OUT_SIZE, "{\"state\": \"%s\", \"members\": %zu, \"topics\": %.2000s}",
		 rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupDescription_state(told)),
		 members, list);
}

static rd_kafka_resp_err_t
describe_group(char *out)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
	const char *groups[] = {group};
	const rd_kafka_ConsumerGroupDescription_t **told;
	rd_kafka_resp_err_t err;
	rd_kafka_event_t *event;
	size_t count;

	rd_kafka_DescribeConsumerGroups(admin, groups, 1, NULL, queue);
	event = wait_event(queue, &err);
	if (err == 0) {
		told = rd_kafka_DescribeConsumerGroups_result_groups(
		    rd_kafka_event_DescribeConsumerGroups_result(event), &count);
		if (rd_kafka_ConsumerGroupDescription_error(told[0]) != NULL)
			err = rd_kafka_error_code(rd_kafka_ConsumerGroupDescription_error(told[0]));
		else
			print_group(told[0], out);
	}
	rd_kafka_event_destroy(event);
	return err;
}

static rd_kafka_resp_err_t
step_describe_group(const char *arg, char *out)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	rd_kafka_t *rk = new_member(group);
	rd_kafka_resp_err_t err = wait_owned(rk, seen);

	(void)arg;
	if (err == 0)
		err = describe_group(out);
	close_consumer(rk);
	free(seen);
	return err;
}

static rd_kafka_resp_err_t
delete_group(const char *name)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(admin);
	rd_kafka_DeleteGroup_t *delete = rd_kafka_DeleteGroup_new(name);
	const rd_kafka_group_result_t **told;
	rd_kafka_resp_err_t err;
	rd_kafka_event_t *event;
	size_t count;

	rd_kafka_DeleteGroups(admin, &delete, 1, NULL, queue);
	event = wait_event(queue, &err);
	if (err == 0) {
		told = rd_kafka_DeleteGroups_result_groups(
		    rd_kafka_event_DeleteGroups_result(event), &count);
		if (rd_kafka_group_result_error(told[0]) != NULL)
			err = rd_kafka_error_code(rd_kafka_group_result_error(told[0]));
	}
	rd_kafka_event_destroy(event);
	rd_kafka_DeleteGroup_destroy(delete);
	return err;
}

static rd_kafka_resp_err_t
step_delete_group(const char *arg, char *out)
{
	static bool first_gone;
	rd_kafka_resp_err_t err = first_gone ? 0 : delete_group(group);

	(void)arg;
	snprintf(out, OUT_SIZE, "\"ok\"");
	if (err != 0)
		return err;
	first_gone = true; /* a retry is for the second */
	return delete_group(group_two);
}

/* -- errors */

static rd_kafka_resp_err_t
step_unknown_topic(const char *arg, char *out)
{
	char name[256];
	int led, replicas;

	(void)arg;
	snprintf(name, sizeof(name), "%s%s-none", prefix, run);
	snprintf(out, OUT_SIZE, "\"no error\"");
	return metadata(name, &led, &replicas);
}

static rd_kafka_resp_err_t
step_illegal_name(const char *arg, char *out)
{
	char name[256];

	(void)arg;
	snprintf(name, sizeof(name), "%s%s a b", prefix, run);
	snprintf(out, OUT_SIZE, "\"no error\"");
	return create_topic(name, 1);
}

/* -- the frame */

/* wanted: NULL once only; "" again after an error that passes; else until this is the outcome. */
static const struct step {
	const char *name;
	step_fn run;
	const char *arg;
	const char *wanted;
} steps[] = {
    {"versions", step_versions, NULL, NULL},
    {"create", step_create, NULL, NULL},
    {"create-again", step_create, NULL, NULL},
    {"list", step_list, NULL, "[\"RUN-main\"]"},
    {"describe", step_describe, NULL, "{\"partitions\": 3, \"replicas\": 1}"},
    {"describe-config", step_describe_config, NULL, "\"604800000\""},
    {"alter-config", step_alter_config, NULL, ""},
    {"describe-config-after", step_describe_config, NULL, "\"123456789\""},
    {"create-partitions", step_create_partitions, NULL, ""},
    {"produce-acks-0", step_produce, "produce-acks-0 acks=0", NULL},
    {"produce-acks-1", step_produce, "produce-acks-1 acks=1", NULL},
    {"produce-acks-all", step_produce, "produce-acks-all acks=all", NULL},
    {"produce-none", step_produce, "produce-none compression.type=none", NULL},
    {"produce-gzip", step_produce, "produce-gzip compression.type=gzip", NULL},
    {"produce-snappy", step_produce, "produce-snappy compression.type=snappy", NULL},
    {"produce-lz4", step_produce, "produce-lz4 compression.type=lz4", NULL},
    {"produce-zstd", step_produce, "produce-zstd compression.type=zstd", NULL},
    {"produce-idempotent", step_produce, "produce-idempotent enable.idempotence=true", NULL},
    {"produce-transactional", step_transactional, NULL, NULL},
    {"consume-assign", step_consume_assign, NULL, NULL},
    {"consume-group", step_consume_group, NULL, NULL},
    {"committed", step_committed, "committed", NULL},
    {"lag", step_committed, "lag", NULL},
    {"seek", step_seek, NULL, NULL},
    {"consume-group-two", step_group_two, NULL, NULL},
    {"list-groups", step_list_groups, NULL, "[\"RUN-group\", \"RUN-two\"]"},
    {"describe-group", step_describe_group, NULL, ""},
    {"delete-group", step_delete_group, NULL, ""},
    {"error-unknown-topic", step_unknown_topic, NULL, NULL},
    {"error-too-large", step_too_large, NULL, NULL},
    {"error-illegal-name", step_illegal_name, NULL, NULL},
    {"denied", step_denied, NULL, NULL},
    {"delete-topic", step_delete_topic, NULL, NULL},
    {"list-after", step_list, NULL, "[]"},
};

static bool
passes(rd_kafka_resp_err_t err)
{
	return err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
	       err == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
	       err == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
	       err == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS ||
	       err == RD_KAFKA_RESP_ERR_NOT_COORDINATOR ||
	       err == RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP ||
	       err == RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
}

static rd_kafka_resp_err_t
run_step(const struct step *step, char *out)
{
	double deadline = now() + SETTLE_S;

	for (;;) {
		rd_kafka_resp_err_t err = step->run(step->arg, out);
		bool again = err != 0 ? passes(err)
				      : step->wanted != NULL && step->wanted[0] != '\0' &&
					    strcmp(out, step->wanted) != 0;

		if (step->wanted == NULL || !again || now() > deadline)
			return err;
		usleep(100000);
	}
}

/* Kafka's own names where librdkafka has others. */
static const char *
error_name(rd_kafka_resp_err_t err)
{
	static const struct {
		rd_kafka_resp_err_t err;
		const char *name;
	} names[] = {
	    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "MESSAGE_TOO_LARGE"},
	    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "INVALID_TOPIC_EXCEPTION"},
	    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "UNKNOWN_TOPIC_OR_PARTITION"},
	    {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, "NOT_LEADER_OR_FOLLOWER"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].err == err)
			return names[i].name;
	return rd_kafka_err2name(err);
}

int
main(void)
{
	prefix = getenv("PREFIX");
	run = getenv("RUN");
	if (prefix == NULL || run == NULL || getenv("BOOTSTRAP") == NULL)
		die("PREFIX, RUN and BOOTSTRAP must be set, see CONTRACT.md");
	snprintf(topic, sizeof(topic), "%s%s-main", prefix, run);
	snprintf(txn_topic, sizeof(txn_topic), "%s%s-txn", prefix, run);
	snprintf(group, sizeof(group), "%s%s-group", prefix, run);
	snprintf(group_two, sizeof(group_two), "%s%s-two", prefix, run);
	admin = new_handle(RD_KAFKA_PRODUCER, new_conf());
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		char out[OUT_SIZE] = "null";
		double began = now();
		rd_kafka_resp_err_t err;

		if (steps[i].run == step_denied && getenv("READONLY") == NULL)
			continue;
		err = run_step(&steps[i], out);
		if (err != 0)
			snprintf(out, sizeof(out), "\"%s%s\"", err < 0 ? "failed: " : "",
				 error_name(err));
		printf("{\"step\": \"%s\", \"outcome\": %s}\n", steps[i].name, out);
		fflush(stdout);
		fprintf(stderr, "%s: %.2f s\n", steps[i].name, now() - began);
	}
	rd_kafka_destroy(admin);
	return 0;
}
