/* SPDX-License-Identifier: Apache-2.0
 *
 * turnout-sandbox: two mock Kafka clusters, `main` and `failover`, in one process, with a mirror
 * from the first to the second. For the quickstart and the fast end-to-end tests; nothing is kept
 * on disk. Start at main().
 *
 *   turnout-sandbox [--brokers N] [--no-mirror] [--stay]
 *
 * The first line on stdout is {"main":"127.0.0.1:PORT,...","failover":"..."}. Then each line on
 * stdin is a command of the table below, answered by one line of JSON, {"error":"..."} when it did
 * not work. It ends with stdin (or goes on, with --stay) and on SIGTERM or SIGINT.
 *
 * What the mock of librdkafka 2.0.2 (Debian 12) serves, by its own ApiVersions answer; a gateway
 * offers no more: Produce 0-7, Fetch 0-11, ListOffsets 0-5 (3 here, see cluster.c), Metadata 0-2,
 * OffsetCommit 0-7, OffsetFetch 0-5, FindCoordinator 0-2, JoinGroup 0-5, Heartbeat 0-3, LeaveGroup
 * 0-1, SyncGroup 0-3, ApiVersions 0-2, InitProducerId 0-4, AddPartitionsToTxn 0-1, AddOffsetsToTxn
 * 0-1, EndTxn 0-1, TxnOffsetCommit 0-2. No SASL, no TLS, no topic or group administration. Brokers
 * are 1..N on 127.0.0.1 in both clusters. A topic that any Metadata request names comes into being
 * with four partitions.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cluster.h"
#include "mirror.h"

#define MAX_BROKERS    32
#define MAX_WORDS      8
#define LINE_MAX_BYTES 1024

struct sandbox {
	struct cluster clusters[2]; /* main, failover */
	struct mirror *mirror;      /* NULL with --no-mirror */
};

struct options {
	int brokers;
	bool mirror;
	bool stay;
};

static struct cluster *
find_cluster(struct sandbox *s, const char *name)
{
	for (int i = 0; i < 2; i++)
		if (!strcmp(s->clusters[i].name, name))
			return &s->clusters[i];
	return NULL;
}

/* False when the word is no number of the range. "all" is CLUSTER_ALL_BROKERS where that is in it.
 */
static bool
parse_number(const char *word, long low, long high, int *out)
{
	char *end;
	long value;

	if (low <= CLUSTER_ALL_BROKERS && !strcmp(word, "all")) {
		*out = CLUSTER_ALL_BROKERS;
		return true;
	}
	errno = 0;
	value = strtol(word, &end, 10);
	if (errno || end == word || *end || value < low || value > high)
		return false;
	*out = (int)value;
	return true;
}

static void
print_bootstrap(struct sandbox *s)
{
	printf("{\"main\":\"%s\",\"failover\":\"%s\"}\n", cluster_bootstrap(&s->clusters[0]),
	       cluster_bootstrap(&s->clusters[1]));
}

/* Commands: each answers by itself, or returns a sentence that says what is wrong. */
typedef const char *(*command_fn)(struct sandbox *s, char **words);

static const char *
answer(rd_kafka_resp_err_t err)
{
	if (err)
		return rd_kafka_err2str(err);
	puts("{}");
	return NULL;
}

static const char *
run_bootstrap(struct sandbox *s, char **words)
{
	(void)words;
	print_bootstrap(s);
	return NULL;
}

static const char *
run_count(struct sandbox *s, char **words)
{
	printf("{\"main\":%lld,\"failover\":%lld}\n",
	       (long long)cluster_count(&s->clusters[0], words[1]),
	       (long long)cluster_count(&s->clusters[1], words[1]));
	return NULL;
}

static const char *
run_create(struct sandbox *s, char **words)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
	int partitions;

	if (!parse_number(words[2], 1, 1000, &partitions))
		return "partitions are 1..1000";
	/* failover first: as soon as main has it, the mirror would create it there */
	for (int i = 1; i >= 0 && !err; i--)
		err = rd_kafka_mock_topic_create(s->clusters[i].mock, words[1], partitions,
						 s->clusters[i].brokers < 3 ? s->clusters[i].brokers
									    : 3);
	return answer(err);
}

static const char *
run_down(struct sandbox *s, char **words)
{
	struct cluster *c = find_cluster(s, words[1]);
	int broker;

	if (!c || !parse_number(words[2], -1, c->brokers, &broker))
		return "no such cluster or broker";
	return answer(rd_kafka_mock_broker_set_down(c->mock, broker));
}

static const char *
run_up(struct sandbox *s, char **words)
{
	struct cluster *c = find_cluster(s, words[1]);
	int broker;

	if (!c || !parse_number(words[2], -1, c->brokers, &broker))
		return "no such cluster or broker";
	return answer(rd_kafka_mock_broker_set_up(c->mock, broker));
}

static const char *
run_rtt(struct sandbox *s, char **words)
{
	struct cluster *c = find_cluster(s, words[1]);
	int broker, ms;

	if (!c || !parse_number(words[2], -1, c->brokers, &broker) ||
	    !parse_number(words[3], 0, 600000, &ms))
		return "no such cluster, broker or time";
	return answer(rd_kafka_mock_broker_set_rtt(c->mock, broker, ms));
}

static const char *
run_leader(struct sandbox *s, char **words)
{
	struct cluster *c = find_cluster(s, words[1]);
	int partition, broker;

	if (!c || !parse_number(words[3], 0, 1000, &partition) ||
	    !parse_number(words[4], -1, c->brokers, &broker))
		return "no such cluster, partition or broker";
	return answer(rd_kafka_mock_partition_set_leader(c->mock, words[2], partition, broker));
}

static const char *
run_coordinator(struct sandbox *s, char **words)
{
	struct cluster *c = find_cluster(s, words[1]);
	int broker;

	if (!c || !parse_number(words[4], 1, c->brokers, &broker))
		return "no such cluster or broker";
	return answer(rd_kafka_mock_coordinator_set(c->mock, words[2], words[3], broker));
}

static const char *
run_error(struct sandbox *s, char **words)
{
	struct cluster *c = find_cluster(s, words[1]);
	int key, code, times;

	if (!c || !parse_number(words[2], 0, 100, &key) ||
	    !parse_number(words[3], -200, 200, &code) || !parse_number(words[4], 1, 1000, &times))
		return "no such cluster, API key, error code or number of times";
	for (int i = 0; i < times; i++) {
		rd_kafka_resp_err_t err = (rd_kafka_resp_err_t)code;

		rd_kafka_mock_push_request_errors_array(c->mock, (int16_t)key, 1, &err);
	}
	return answer(RD_KAFKA_RESP_ERR_NO_ERROR);
}

static const char *
run_mirror(struct sandbox *s, char **words)
{
	if (!s->mirror)
		return "started with --no-mirror";
	if (strcmp(words[1], "on") && strcmp(words[1], "off"))
		return "on or off";
	mirror_pause(s->mirror, !strcmp(words[1], "off"));
	return answer(RD_KAFKA_RESP_ERR_NO_ERROR);
}

static const struct command {
	const char *name;
	int words; /* with the name */
	const char *usage;
	command_fn run;
} commands[] = {
    {"bootstrap", 1, "bootstrap", run_bootstrap},
    {"count", 2, "count TOPIC: records in each cluster, -1 without the topic or an answer",
     run_count},
    {"create", 3, "create TOPIC PARTITIONS: in both clusters", run_create},
    {"down", 3, "down CLUSTER BROKER|all: closes connections and takes no new ones", run_down},
    {"up", 3, "up CLUSTER BROKER|all", run_up},
    {"rtt", 4, "rtt CLUSTER BROKER|all MILLISECONDS: delays every answer", run_rtt},
    {"leader", 5, "leader CLUSTER TOPIC PARTITION BROKER: moves a partition", run_leader},
    {"coordinator", 5, "coordinator CLUSTER group|transaction KEY BROKER", run_coordinator},
    {"error", 5, "error CLUSTER APIKEY CODE TIMES: the next answers carry the error code",
     run_error},
    {"mirror", 2, "mirror on|off", run_mirror},
};

static const char *
run_words(struct sandbox *s, char **words, int count)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, words[0]))
			return commands[i].words == count ? commands[i].run(s, words)
							  : commands[i].usage;
	return "no such command";
}

static void
run_line(struct sandbox *s, char *line)
{
	char *words[MAX_WORDS];
	const char *wrong;
	int count = 0;

	for (char *at = line + strspn(line, " \r\n"); *at && count < MAX_WORDS;) {
		size_t length = strcspn(at, " \r\n");

		words[count++] = at;
		at += length;
		if (*at)
			*at++ = '\0';
		at += strspn(at, " \r\n");
	}
	if (count == 0)
		return;
	wrong = run_words(s, words, count);
	if (wrong) /* our own or librdkafka's sentence: neither has a quote or a backslash */
		printf("{\"error\":\"%s\"}\n", wrong);
}

static bool
parse_options(int argc, char **argv, struct options *o)
{
	*o = (struct options){.brokers = 3, .mirror = true};
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--no-mirror"))
			o->mirror = false;
		else if (!strcmp(argv[i], "--stay"))
			o->stay = true;
		else if (!strcmp(argv[i], "--brokers") && i + 1 < argc &&
			 parse_number(argv[i + 1], 1, MAX_BROKERS, &o->brokers))
			i++;
		else
			return false;
	}
	return true;
}

static bool
sandbox_open(struct sandbox *s, const struct options *o)
{
	static const char *const names[] = {"main", "failover"};
	char error[512] = "";

	for (int i = 0; i < 2; i++)
		if (!cluster_open(&s->clusters[i], names[i], o->brokers, error, sizeof(error))) {
			fprintf(stderr, "turnout-sandbox: %s: %s\n", names[i], error);
			return false;
		}
	if (!o->mirror)
		return true;
	s->mirror = mirror_start(&s->clusters[0], &s->clusters[1], error, sizeof(error));
	if (!s->mirror)
		fprintf(stderr, "turnout-sandbox: mirror: %s\n", error);
	return s->mirror != NULL;
}

/* A descriptor that becomes readable on SIGTERM and SIGINT. Made first: threads inherit the block.
 */
static int
open_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Reads what is there and runs the lines that are whole. False at the end of stdin. */
static bool
read_commands(struct sandbox *s, char *line, size_t *used)
{
	ssize_t n = read(STDIN_FILENO, line + *used, LINE_MAX_BYTES - *used);
	char *end;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	*used += (size_t)n;
	while ((end = memchr(line, '\n', *used)) != NULL) {
		size_t length = (size_t)(end - line) + 1;

		*end = '\0';
		run_line(s, line);
		*used -= length;
		memmove(line, line + length, *used);
	}
	return *used < LINE_MAX_BYTES;
}

/* Until a signal, or the end of stdin unless `stay`. */
static void
run_commands(struct sandbox *s, int signals, bool stay)
{
	struct pollfd fds[] = {{.fd = signals, .events = POLLIN},
			       {.fd = STDIN_FILENO, .events = POLLIN}};
	char line[LINE_MAX_BYTES];
	size_t used = 0;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		if (fds[0].revents)
			return;
		if (fds[1].revents && !read_commands(s, line, &used)) {
			if (!stay)
				return;
			fds[1].fd = -1;
		}
	}
}

int
main(int argc, char **argv)
{
	struct sandbox sandbox = {0};
	struct options options;
	int signals;

	if (!parse_options(argc, argv, &options)) {
		fprintf(stderr, "usage: turnout-sandbox [--brokers N] [--no-mirror] [--stay]\n");
		return 2;
	}
	signals = open_signals();
	if (signals < 0 || !sandbox_open(&sandbox, &options))
		return EXIT_FAILURE;
	setvbuf(stdout, NULL, _IOLBF, 0);
	print_bootstrap(&sandbox);
	run_commands(&sandbox, signals, options.stay);
	/* All of it is in memory and nobody wants it any more; an orderly end would take seconds.
	 */
	_exit(EXIT_SUCCESS);
}
