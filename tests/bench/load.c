/* SPDX-License-Identifier: Apache-2.0
 *
 * bench-load: one workload through one port for some time, with as little CPU of its own as it can:
 * the request is built once, answers are read into the void. A thread per connection, blocking
 * sockets. It must not know what is behind the port.
 *
 * Protocol with its parent: it connects, logs in, warms up and prints "ready"; a line on stdin
 * starts the clock; at the end one JSON object is printed; connections stay open until stdin ends.
 * So the parent reads the CPU time of the process under test around the measured part alone.
 *
 * Start at connection_main().
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/be.h"
#include "base/mem.h"
#include "base/parse.h"
#include "frames.h"
#include "kafka/kafka_ids.h"
#include "requests.h"

#define CHUNK        262144
#define INFLIGHT_MAX 64
#define THREAD_STACK 131072
/* Answers up to this size are read whole, so that they can be checked. */
#define WHOLE_MAX 4096

struct options {
	const struct workload *workload;
	struct shape shape;
	uint16_t port;
	size_t connections;
	size_t inflight;
	int64_t run_ms;
	int64_t warm_ms;
	const char *user;
	const char *token;
};

struct connection {
	pthread_t thread;
	const struct options *options;
	struct bytes request; /* its own copy: the correlation id is written into it */
	int fd;
	uint8_t *chunk; /* CHUNK bytes; [begin, end) read and not yet taken */
	size_t begin;
	size_t end;
	int32_t sent;     /* requests, ever; also the correlation id */
	int32_t answered; /* likewise */
	int64_t sent_ns[INFLIGHT_MAX];
	size_t answer_size; /* of the first answer */
	/* of the measured part */
	bool is_measured;
	int64_t end_ns;
	uint64_t bytes; /* of requests that carry records, or of answers that do */
	uint32_t *latencies_ns;
	size_t latencies_count;
	size_t latencies_capacity;
};

static pthread_barrier_t warm;  /* all connections are */
static pthread_barrier_t start; /* the parent has said go */
static pthread_barrier_t done;  /* all answers are here */
static int64_t start_ns;

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* -- reading */

/* At least `least` bytes in the chunk, from c->begin on. */
static void
fill(struct connection *c, size_t least)
{
	size_t have = c->end - c->begin;
	size_t got;

	if (have >= least)
		return;
	memmove(c->chunk, c->chunk + c->begin, have);
	got = bench_receive(c->fd, c->chunk + have, least - have, CHUNK - have);
	if (got == 0)
		bench_die("port %u: the connection was closed before an answer came",
			  c->options->port);
	c->begin = 0;
	c->end = have + got;
}

static void
skip(struct connection *c, size_t size)
{
	while (size > 0) {
		size_t have;

		fill(c, 1);
		have = c->end - c->begin < size ? c->end - c->begin : size;
		c->begin += have;
		size -= have;
	}
}

/* The first answers are looked at as a whole, small ones always; a big one is read into memory of
 * its own for that. */
static void
check_whole(struct connection *c, int32_t correlation_id, int key, int version, size_t size)
{
	uint8_t *frame = mem_alloc(size);
	size_t have = 0;
	size_t records = 0;
	const char *why;

	while (have < size) {
		size_t part;

		fill(c, 1);
		part = c->end - c->begin < size - have ? c->end - c->begin : size - have;
		memcpy(frame + have, c->chunk + c->begin, part);
		c->begin += part;
		have += part;
	}
	why = bench_check_answer(key, version, correlation_id, frame, size, &records);
	if (why == NULL && key == KA_Fetch && records < c->options->shape.bytes / 2)
		why = "a Fetch answer with less than half of the records that were asked for";
	if (why != NULL)
		bench_die("port %u: %s", c->options->port, why);
	free(frame);
}

/* One answer; how many bytes it had. */
static size_t
read_answer(struct connection *c, int key, int version, int32_t correlation_id, bool is_first)
{
	size_t size;

	fill(c, 8);
	size = be_get32(c->chunk + c->begin);
	if ((int32_t)be_get32(c->chunk + c->begin + 4) != correlation_id)
		bench_die("port %u: an answer with another correlation id", c->options->port);
	c->begin += 4;
	if (is_first || key == KA_Produce || size != c->answer_size)
		check_whole(c, correlation_id, key, version, size);
	else
		skip(c, size);
	return size;
}

/* -- writing */

static void
send_request(struct connection *c)
{
	be_put32(c->request.data + REQUEST_CORRELATION_AT, (uint32_t)c->sent);
	c->sent_ns[(size_t)c->sent % c->options->inflight] = now_ns();
	if (!bench_send(c->fd, c->request.data, c->request.length))
		bench_die("port %u: the connection was closed", c->options->port);
	c->sent++;
	if (c->is_measured && c->options->workload->key == KA_Produce)
		c->bytes += c->request.length;
}

static void
take_answer(struct connection *c)
{
	const struct workload *workload = c->options->workload;
	size_t size =
	    read_answer(c, workload->key, workload->version, c->answered, c->answered == 0);
	int64_t took = now_ns() - c->sent_ns[(size_t)c->answered % c->options->inflight];

	if (c->answered++ == 0)
		c->answer_size = size;
	if (!c->is_measured)
		return;
	c->latencies_ns = mem_grow(c->latencies_ns, &c->latencies_capacity, c->latencies_count + 1,
				   sizeof(*c->latencies_ns));
	c->latencies_ns[c->latencies_count++] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
	if (workload->key != KA_Produce)
		c->bytes += size;
}

/* Keeps `inflight` requests on their way until then, and leaves none unanswered. */
static void
run_until(struct connection *c, int64_t until_ns)
{
	do {
		while (c->sent - c->answered < (int32_t)c->options->inflight)
			send_request(c);
		take_answer(c);
	} while (now_ns() < until_ns);
	while (c->answered < c->sent)
		take_answer(c);
}

/* -- a connection's life */

static void
login(struct connection *c)
{
	struct bytes frame = {0};

	if (c->options->token == NULL)
		return;
	login_handshake(&frame);
	if (!bench_send(c->fd, frame.data, frame.length))
		bench_die("port %u: the connection was closed", c->options->port);
	read_answer(c, KA_SaslHandshake, LOGIN_HANDSHAKE_VERSION, 0, true);
	bytes_free(&frame);
	login_authenticate(c->options->user, c->options->token, &frame);
	if (!bench_send(c->fd, frame.data, frame.length))
		bench_die("port %u: the connection was closed", c->options->port);
	read_answer(c, KA_SaslAuthenticate, LOGIN_AUTHENTICATE_VERSION, 0, true);
	bytes_free(&frame);
}

static void *
connection_main(void *arg)
{
	struct connection *c = arg;

	c->fd = bench_connect(c->options->port);
	if (c->fd < 0)
		bench_die("port %u: %s", c->options->port, strerror(errno));
	c->chunk = mem_alloc(CHUNK);
	login(c);
	run_until(c, now_ns() + c->options->warm_ms * 1000000);
	pthread_barrier_wait(&warm);
	pthread_barrier_wait(&start);
	if (c->options->run_ms > 0) {
		c->is_measured = true;
		run_until(c, start_ns + c->options->run_ms * 1000000);
		c->end_ns = now_ns();
	}
	pthread_barrier_wait(&done);
	for (;;) /* the parent still reads this thread's CPU time */
		pause();
}

/* -- the report */

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
report(const struct connection *all, size_t count)
{
	uint32_t *latencies = NULL;
	size_t capacity = 0;
	size_t requests = 0;
	uint64_t bytes = 0;
	int64_t end = start_ns;

	for (size_t i = 0; i < count; i++) {
		size_t n = all[i].latencies_count;

		latencies = mem_grow(latencies, &capacity, requests + n + 1, sizeof(*latencies));
		if (n > 0)
			memcpy(latencies + requests, all[i].latencies_ns, n * sizeof(*latencies));
		requests += n;
		bytes += all[i].bytes;
		end = all[i].end_ns > end ? all[i].end_ns : end;
	}
	if (requests == 0)
		bench_die("no request was answered in time");
	qsort(latencies, requests, sizeof(*latencies), compare);
	printf("{\"requests\": %zu, \"bytes\": %llu, \"seconds\": %.6f, \"p50_us\": %.2f, "
	       "\"p99_us\": %.2f, \"min_us\": %.2f}\n",
	       requests, (unsigned long long)bytes, (double)(end - start_ns) / 1e9,
	       latencies[requests / 2] / 1e3, latencies[requests * 99 / 100] / 1e3,
	       latencies[0] / 1e3);
	free(latencies);
}

static void
spawn(struct connection *c, const pthread_attr_t *attributes)
{
	int code = pthread_create(&c->thread, attributes, connection_main, c);

	if (code != 0)
		bench_die("cannot start a thread: %s", strerror(code));
}

static void
run(const struct options *options)
{
	struct connection *all = mem_zalloc(options->connections * sizeof(*all));
	pthread_attr_t attributes;
	char line[16];

	pthread_barrier_init(&warm, NULL, (unsigned)options->connections + 1);
	pthread_barrier_init(&start, NULL, (unsigned)options->connections + 1);
	pthread_barrier_init(&done, NULL, (unsigned)options->connections + 1);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK);
	for (size_t i = 0; i < options->connections; i++) {
		all[i].options = options;
		workload_request(options->workload, &options->shape, &all[i].request);
		spawn(&all[i], &attributes);
	}
	pthread_barrier_wait(&warm);
	puts("ready");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		exit(0);
	start_ns = now_ns();
	pthread_barrier_wait(&start);
	pthread_barrier_wait(&done);
	if (options->run_ms > 0)
		report(all, options->connections);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL)
		;
	exit(0); /* everything goes at once */
}

/* -- the command line */

static int64_t
number(const char *option, const char *text, int64_t min, int64_t max)
{
	int64_t value;

	if (!parse_i64(text, min, max, &value))
		bench_die("--%s %s: a number from %lld to %lld is wanted", option, text,
			  (long long)min, (long long)max);
	return value;
}

static void
usage(void)
{
	printf("usage: bench-load --port N --workload NAME --topic NAME [--partitions N]\n"
	       "       [--bytes N] [--batch N] [--record N] [--connections N] [--inflight N]\n"
	       "       [--run-ms N] [--warm-ms N] [--user NAME]\n"
	       "$BENCH_TOKEN is the password of a login by SASL/PLAIN; without it there is none.\n"
	       "workloads:\n%s",
	       workload_names());
	exit(0);
}

static void
set_option(struct options *o, const char *name, const char *value)
{
	if (strcmp(name, "port") == 0)
		o->port = (uint16_t)number(name, value, 1, 65535);
	else if (strcmp(name, "workload") == 0)
		o->workload = workload_find(value);
	else if (strcmp(name, "topic") == 0)
		o->shape.topic = value;
	else if (strcmp(name, "user") == 0)
		o->user = value;
	else if (strcmp(name, "partitions") == 0)
		o->shape.partitions = (size_t)number(name, value, 1, 1000);
	else if (strcmp(name, "bytes") == 0)
		o->shape.bytes = (size_t)number(name, value, 1, 1 << 26);
	else if (strcmp(name, "batch") == 0)
		o->shape.batch = (size_t)number(name, value, 1, 1 << 26);
	else if (strcmp(name, "record") == 0)
		o->shape.record = (size_t)number(name, value, 1, 1 << 20);
	else if (strcmp(name, "connections") == 0)
		o->connections = (size_t)number(name, value, 1, 20000);
	else if (strcmp(name, "inflight") == 0)
		o->inflight = (size_t)number(name, value, 1, INFLIGHT_MAX);
	else if (strcmp(name, "run-ms") == 0)
		o->run_ms = number(name, value, 0, 600000);
	else if (strcmp(name, "warm-ms") == 0)
		o->warm_ms = number(name, value, 0, 600000);
	else
		usage();
}

int
main(int argc, char **argv)
{
	static const char *const names[] = {"port",        "workload", "topic",  "user",
					    "partitions",  "bytes",    "batch",  "record",
					    "connections", "inflight", "run-ms", "warm-ms"};
	enum { OPTIONS = sizeof(names) / sizeof(names[0]) };
	struct option table[OPTIONS + 2] = {{"help", no_argument, NULL, 'h'}};
	struct options options = {
	    .shape = {.partitions = 1, .bytes = 16384, .batch = 16384, .record = 1024},
	    .connections = 1,
	    .inflight = 1,
	    .run_ms = 1000,
	    .warm_ms = 100,
	    .user = "sa",
	    .token = getenv("BENCH_TOKEN")};
	int which;
	int code;

	for (size_t i = 0; i < OPTIONS; i++)
		table[i + 1] = (struct option){names[i], required_argument, NULL, 'o'};
	while ((code = getopt_long(argc, argv, "", table, &which)) != -1)
		set_option(&options, code == 'o' ? table[which].name : "help", optarg);
	if (options.workload == NULL || options.port == 0 || options.shape.topic == NULL ||
	    optind < argc)
		bench_die("--workload (a known one), --port and --topic are needed; see --help");
	run(&options);
}
