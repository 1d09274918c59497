/* SPDX-License-Identifier: Apache-2.0
 *
 * The real rewriter and the real local answers, fed through a pipe: what tests/conformance/run
 * drives. Start at main(). A job on stdin is a head of 16 bytes (big endian) and a frame without
 * its size:
 *
 *     int8  what     0 request, 1 response, 2 a request that the gateway answers itself, 3 one
 *                    that it refuses as a whole (own: with this error; 0: the user may not), 4
 *                    one that it answers out of what it asks of the broker, 5 the broker's
 *                    answer to such a question
 *     int8  own      1 the tenant's topics were looked up for the request (a response: it is the
 *                    answer to such a one), 2 likewise, and it has none
 *     int8  tenant   1: it has aliases; 4: the group is one of consumers, where the frame
 *                    does not say; 8: its user has limits; 16: and may not write
 *     int8  0
 *     int16 API key, int16 version
 *     int32 step     0: the frame as a whole; else it is streamed in pieces of so many bytes
 *     int32 size     of the frame that follows
 *
 * The answer on stdout is an int8 (0 a frame with its size, 1 refused: a sentence, 2 forwarded:
 * nothing, 3 a question to the broker), an int32 size, and the bytes. `rewriter --facts` prints
 * what the expectations have to know of the tenant, and the table of APIs. Frames are handed over
 * in blocks of exactly their size, so that a sanitizer build sees a read beyond them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/arena.h"
#include "base/be.h"
#include "base/bytes.h"
#include "base/ensure.h"
#include "base/log.h"
#include "kafka/apis.h"
#include "kafka/errors.h"
#include "kafka/schema.h"
#include "proxy/client.h"
#include "proxy/lookup.h"
#include "proxy/refusal.h"
#include "proxy/rewrite.h"
#include "proxy/worker_state.h"

#define JOB_HEAD  16
#define FRAME_MAX (64 << 20)
/* A code that no Kafka has, for the sentence about unknown ones. */
#define UNKNOWN_ERROR 32000

enum what { WHAT_REQUEST, WHAT_RESPONSE, WHAT_LOCAL, WHAT_REFUSE, WHAT_ASKED, WHAT_TOLD };
enum outcome { OUTCOME_FRAME, OUTCOME_REFUSED, OUTCOME_FORWARD, OUTCOME_QUESTION };

struct job {
	int what;
	int own;
	int tenant;
	int key;
	int version;
	size_t step;
	size_t size;
	const uint8_t *frame;
};

/* -- the tenant */

/* Brokers 3, 1 and 2 stand behind vnodes 0, 1 and 2: no number is right by accident but 2, and
 * broker 7 is away. */
static const struct slot slots[] = {
    {.broker_id = 3, .present = true},
    {.broker_id = 1, .present = true},
    {.broker_id = 2, .present = true},
    {.broker_id = 7},
};
#define SLOTS (sizeof(slots) / sizeof(slots[0]))
static const struct route route = {
    .logical = "main", .cluster = "main", .slots = slots, .slots_count = SLOTS};
/* Sorted, as a snapshot has them. One is longer than a name with the prefix, one shorter, one is
 * another tenant's. */
static const struct alias aliases[] = {
    {.topic = "audit", .physical = "auditOfAll", .read_only = true},
    {.topic = "orders", .physical = "teamBorders"},
    {.topic = "shared", .physical = "existingSharedTopicWithALongName"},
    {.topic = "very.long.name.for.it", .physical = "z"},
};
#define ALIASES (sizeof(aliases) / sizeof(aliases[0]))
static const struct alias *const by_physical[] = {&aliases[0], &aliases[2], &aliases[1],
						  &aliases[3]};
static const struct vcluster tenants[] = {
    {.name = "teamA", .prefix = "teamA", .cluster = "main", .cluster_id = "virtualClusterIdOfTeam"},
    {.name = "teamA",
     .prefix = "teamA",
     .cluster = "main",
     .cluster_id = "virtualClusterIdOfTeam",
     .aliases = aliases,
     .aliases_by_physical = by_physical,
     .aliases_count = ALIASES},
};
/* Of a user with limits. */
#define FETCH_BYTES 4000
#define THROTTLE_MS 250
static const uint8_t key_bytes[32] = "a key that only this test knows";
static const struct token_key token_key = {key_bytes, sizeof(key_bytes)};
/* What an answer may have that is no stream. */
#define WHOLE_BYTES (1 << 20)
static const struct settings settings = {.advertised_host = "gateway.example", .port_start = 6969};

/* What a lookup finds. */
static const struct {
	const char *name;
	int partitions;
} own[] = {{"teamAalpha", 3}, {"teamAbeta", 1}, {"teamA.gamma", 0}};
#define OWN (sizeof(own) / sizeof(own[0]))

static void
make_own(struct own_topics *topics, int what)
{
	for (size_t i = 0; what == 1 && i < OWN; i++) {
		own_topics_note(topics, own[i].name, strlen(own[i].name), -1);
		for (int j = 0; j < own[i].partitions; j++)
			own_topics_note(topics, own[i].name, strlen(own[i].name), j);
	}
}

/* The only place that knows what a rewrite_context is made of. */
static struct rewrite_context
make_context(const struct job *job, const struct own_topics *topics, struct scratch *scratch)
{
	struct rewrite_context cx = {
	    .own = job->what == WHAT_REQUEST && job->own != 0 ? topics : NULL,
	    .is_expanded = job->what == WHAT_RESPONSE && job->own != 0,
	    .prefix = tenants[0].prefix,
	    .prefix_length = strlen(tenants[0].prefix),
	    .route = &route,
	    .advertised_host = settings.advertised_host,
	    .cluster_id = tenants[0].cluster_id,
	    .port_start = (int32_t)settings.port_start,
	    .scratch = scratch,
	    .whole_bytes = WHOLE_BYTES,
	    .is_consumer = (job->tenant & 4) != 0,
	    .no_creation = (job->tenant & 16) != 0,
	    .producers = {tenants[0].name, &token_key, 1},
	    .fetch_bytes = (job->tenant & 8) != 0 ? FETCH_BYTES : 0,
	    .throttle_ms = (job->tenant & 8) != 0 ? THROTTLE_MS : 0,
	};

	names_init(&cx.names, &tenants[job->tenant & 1]);
	return cx;
}

static void
print_facts(void)
{
	static const char *const policies[] = {[API_REWRITE] = "rewrite",
					       [API_LOCAL] = "local",
					       [API_EITHER] = "either",
					       [API_ASKED] = "asked"};

	printf("release %s\n", kafka_schema_release);
	for (size_t i = 0; i < kafka_apis_count; i++) {
		const struct api *api = &kafka_apis[i];

		printf("api %d %s %s %d %d %d %d\n", api->key, kafka_api_name(api->key),
		       policies[api->policy], api->min, api->max, api->advertise_min, api->flags);
	}
	printf("prefix %s\nhost %s\nport %d\ncluster %s\n", tenants[0].prefix,
	       settings.advertised_host, (int)settings.port_start, tenants[0].cluster_id);
	for (size_t i = 0; i < SLOTS; i++)
		printf("slot %zu %d %s\n", i, slots[i].broker_id,
		       slots[i].present ? "present" : "away");
	for (size_t i = 0; i < ALIASES; i++)
		printf("alias %s %s %s\n", aliases[i].topic, aliases[i].physical,
		       aliases[i].read_only ? "read-only" : "writable");
	printf("fetch %d\nthrottle %d\n", FETCH_BYTES, THROTTLE_MS);
	printf("whole %d\n", WHOLE_BYTES);
	for (size_t i = 0; i < OWN; i++)
		printf("own %s %d\n", own[i].name, own[i].partitions);
	for (int code = -1; code < 200; code++)
		printf("error %d %s\n", code, kafka_error_text(code));
	printf("error unknown %s\n", kafka_error_text(UNKNOWN_ERROR));
}

/* -- rewriting */

static void
collect(struct rewriter *rw, struct bytes *out)
{
	for (size_t i = 0; i < rw->out.count; i++)
		bytes_add(out, rw->out.list[i].at, rw->out.list[i].length);
	segs_rollback(&rw->out, (struct segs_mark){0});
}

static bool
rewrite_whole(struct rewriter *rw, const struct rewrite_context *cx, const struct job *job,
	      struct bytes *out)
{
	struct buf *buf = buf_new(job->size);
	bool good;

	memcpy(buf->data, job->frame, job->size);
	good = rewrite_frame(rw, cx, job->what == WHAT_RESPONSE ? KAFKA_RESPONSE : KAFKA_REQUEST,
			     job->key, job->version, buf, buf->data, job->size);
	if (good)
		collect(rw, out);
	buf_unref(&buf);
	return good;
}

/* As a connection does: what was not consumed comes again with the next piece, and nothing goes
 * out before the size is promised. */
static bool
rewrite_streamed(struct rewriter *rw, const struct rewrite_context *cx, const struct job *job,
		 struct bytes *out)
{
	enum rewrite_progress progress = REWRITE_MORE;
	size_t at = 0, here = 0, consumed;

	rewrite_stream_begin(rw, cx, job->what == WHAT_RESPONSE ? KAFKA_RESPONSE : KAFKA_REQUEST,
			     job->key, job->version, job->size);
	while (progress == REWRITE_MORE && here < job->size) {
		struct buf *buf;

		here += job->step;
		here = here < job->size ? here : job->size;
		buf = buf_new(here - at);
		memcpy(buf->data, job->frame + at, here - at);
		progress = rewrite_stream_feed(rw, buf, buf->data, here - at, &consumed);
		at += consumed;
		if (rw->promised)
			collect(rw, out);
		buf_unref(&buf);
	}
	return progress == REWRITE_DONE;
}

static enum outcome
do_rewrite(const struct job *job, struct bytes *out)
{
	struct scratch scratch = {0};
	struct own_topics topics = {0};
	struct rewrite_context cx = make_context(job, &topics, &scratch);
	struct rewriter rw = {0};
	bool good;

	make_own(&topics, job->own);
	good = job->step > 0 ? rewrite_streamed(&rw, &cx, job, out)
			     : rewrite_whole(&rw, &cx, job, out);
	if (!good) {
		out->length = 0;
		bytes_add(out, rw.error, strlen(rw.error));
	}
	rewrite_free(&rw);
	scratch_free(&scratch);
	own_topics_free(&topics);
	return good ? OUTCOME_FRAME : OUTCOME_REFUSED;
}

/* -- refusals */

static enum outcome
do_refuse(const struct job *job, struct bytes *out)
{
	struct refusal r;
	enum refusal_progress progress = REFUSAL_MORE;
	enum outcome outcome = OUTCOME_FRAME;
	size_t at = 0, here = 0, consumed;

	refusal_begin(&r, job->key, job->version, job->size,
		      job->own == 0 ? REFUSAL_UNAUTHORIZED : job->own);
	while (progress == REFUSAL_MORE && here < job->size) {
		uint8_t *piece;

		here += job->step > 0 ? job->step : job->size;
		here = here < job->size ? here : job->size;
		piece = malloc(here - at);
		ENSURE(piece != NULL);
		memcpy(piece, job->frame + at, here - at);
		progress = refusal_feed(&r, piece, here - at, &consumed);
		at += consumed;
		free(piece);
	}
	if (progress != REFUSAL_DONE) {
		outcome = OUTCOME_REFUSED;
		bytes_add(out, r.malformed, strlen(r.malformed));
	} else if (job->key == 0 && r.acks == 0) {
		outcome = OUTCOME_FORWARD;
	} else {
		refusal_answer(&r, out);
	}
	refusal_free(&r);
	return outcome;
}

/* -- local answers */

/* A world in which no user is known: no login succeeds. */
static void
make_world(struct world *world, struct snapshot *snap)
{
	*snap = (struct snapshot){.settings = settings, .vclusters = tenants, .vclusters_count = 1};
	*world = (struct world){
	    .snap = snap, .keys = &token_key, .keys_count = 1, .routes = &route, .vnodes = SLOTS};
	world_apis_init(world->apis);
}

/* A client that has logged in, as far as local answers look at one. */
static enum outcome
do_local(const struct job *job, struct bytes *out)
{
	static struct worker_state worker; /* its counters go on: producer ids differ */
	struct world world;
	struct snapshot snap;
	struct client c = {.w = &worker, .state = CLIENT_OPEN, .vc = &tenants[0], .route = &route};
	uint8_t *frame = malloc(job->size);
	char why[256] = "";
	enum local_result result;

	ENSURE(frame != NULL);
	memcpy(frame, job->frame, job->size);
	make_world(&world, &snap);
	worker.world = &world;
	result = local_answer(&c, api_find(job->key), job->version, frame, job->size, out, why,
			      sizeof(why));
	free(frame);
	if (result == LOCAL_FORWARD)
		return OUTCOME_FORWARD;
	if (result == LOCAL_ANSWERED || result == LOCAL_REFUSED)
		return OUTCOME_FRAME;
	out->length = 0;
	bytes_add(out, why, strlen(why));
	return OUTCOME_REFUSED;
}

/* -- what is asked of the broker: the other end of the pipe plays it */

/* The request that waits for answers, and its connection. */
static struct {
	struct client c;
	struct worker_state worker;
	struct world world;
	struct snapshot snap;
	struct job job;
	uint8_t *frame;
	struct bytes question;
} asked;

/* In the place of client_ask(), by the linker: the question goes nowhere. */
void __wrap_client_ask(struct client *c, int key, int version, int32_t correlation_id,
		       const struct bytes *frame);
void
__wrap_client_ask(struct client *c, int key, int version, int32_t correlation_id,
		  const struct bytes *frame)
{
	(void)c;
	(void)key;
	(void)version;
	(void)correlation_id;
	asked.question.length = 0;
	bytes_add(&asked.question, frame->data, frame->length);
}

static void
begin_asked(const struct job *job)
{
	asking_drop(&asked.c);
	free(asked.frame);
	make_world(&asked.world, &asked.snap);
	asked.worker.world = &asked.world;
	asked.c = (struct client){.w = &asked.worker,
				  .state = CLIENT_OPEN,
				  .vc = &tenants[job->tenant & 1],
				  .route = &route};
	asked.job = *job;
	asked.frame = malloc(job->size);
	ENSURE(asked.frame != NULL);
	memcpy(asked.frame, job->frame, job->size);
}

static enum outcome
do_asked(const struct job *job, struct bytes *out)
{
	char why[256] = "";
	enum local_result result = LOCAL_BROKEN;
	bool good = true;

	if (job->what == WHAT_ASKED)
		begin_asked(job);
	else
		good = asking_take(&asked.c, job->frame, job->size, why, sizeof(why));
	if (good && job->what == WHAT_TOLD)
		asking_go_on(&asked.c);
	if (good && asked.c.asking.state != ASKING_OUT)
		result = local_answer(&asked.c, api_find(asked.job.key), asked.job.version,
				      asked.frame, asked.job.size, out, why, sizeof(why));
	if (good && asked.c.asking.state == ASKING_OUT) {
		bytes_add(out, asked.question.data, asked.question.length);
		return OUTCOME_QUESTION;
	}
	asking_drop(&asked.c);
	if (result == LOCAL_ANSWERED)
		return OUTCOME_FRAME;
	out->length = 0;
	bytes_add(out, why, strlen(why));
	return OUTCOME_REFUSED;
}

/* -- the pipe */

/* false at the end of the input. */
static bool
read_all(uint8_t *into, size_t size)
{
	size_t got = fread(into, 1, size, stdin);

	if (got == size)
		return true;
	if (got > 0 || ferror(stdin)) {
		fprintf(stderr, "rewriter: the input ends inside a job\n");
		exit(2);
	}
	return false;
}

static bool
read_job(struct job *job, uint8_t **frame)
{
	uint8_t head[JOB_HEAD];

	if (!read_all(head, sizeof(head)))
		return false;
	*job = (struct job){.what = head[0],
			    .own = head[1],
			    .tenant = head[2],
			    .key = (int16_t)be_get16(head + 4),
			    .version = (int16_t)be_get16(head + 6),
			    .step = be_get32(head + 8),
			    .size = be_get32(head + 12)};
	if (job->size < (job->what == WHAT_REQUEST || job->what == WHAT_RESPONSE ? 4 : 8) ||
	    job->size > FRAME_MAX || job->what > WHAT_TOLD || api_find(job->key) == NULL ||
	    !api_has_version(api_find(job->key), job->version)) {
		fprintf(stderr, "rewriter: not a job: key %d version %d size %zu\n", job->key,
			job->version, job->size);
		exit(2);
	}
	*frame = malloc(job->size);
	ENSURE(*frame != NULL);
	if (!read_all(*frame, job->size))
		exit(2);
	job->frame = *frame;
	return true;
}

static void
write_result(enum outcome outcome, const struct bytes *out)
{
	uint8_t head[5] = {(uint8_t)outcome};

	be_put32(head + 1, (uint32_t)out->length);
	fwrite(head, 1, sizeof(head), stdout);
	if (out->length > 0)
		fwrite(out->data, 1, out->length, stdout);
	if (fflush(stdout) != 0)
		exit(2);
}

int
main(int argc, char **argv)
{
	struct job job;
	uint8_t *frame;

	if (argc == 2 && strcmp(argv[1], "--facts") == 0) {
		print_facts();
		return 0;
	}
	log_set_level(LOG_LEVEL_ERROR);
	while (read_job(&job, &frame)) {
		struct bytes out = {0};
		enum outcome outcome = OUTCOME_FORWARD;

		if (job.what == WHAT_LOCAL)
			outcome = do_local(&job, &out);
		else if (job.what == WHAT_REFUSE)
			outcome = do_refuse(&job, &out);
		else if (job.what == WHAT_ASKED || job.what == WHAT_TOLD)
			outcome = do_asked(&job, &out);
		else
			outcome = do_rewrite(&job, &out);
		write_result(outcome, &out);
		bytes_free(&out);
		free(frame);
	}
	asking_drop(&asked.c);
	free(asked.frame);
	bytes_free(&asked.question);
	return 0;
}
