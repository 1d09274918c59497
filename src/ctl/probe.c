/* SPDX-License-Identifier: Apache-2.0
 *
 * The probe's thread and its half on the control loop. They share struct probe: what both touch is
 * under its lock, and it lives until both have let go (the thread may be stuck in the resolver when
 * the control loop is done with it). Start at probe_main().
 */
#include "ctl/probe.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "base/list.h"
#include "base/mem.h"
#include "ctl/ask.h"
#include "ctl/dial.h"

/* How long probe_stop() waits for the thread. */
#define JOIN_S 2

/* Somebody waits for topics; belongs to the control loop. */
struct topics_request {
	struct list node;
	uint64_t id;
	probe_topics_fn fn;
	void *arg;
};

struct probe {
	atomic_uint references;
	struct loop *loop;
	probe_fn fn;
	void *arg;
	pthread_t thread;
	int stop_fd;
	bool stopped;          /* control loop only: results that still come are dropped */
	struct list requests;  /* control loop only */
	uint64_t topics_asked; /* control loop only: the latest request's id */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool stopping;
	uint64_t wanted;        /* latest ticket given out */
	uint64_t topics_wanted; /* latest request's id */
	struct dial_target *targets;
	size_t targets_count;
	int64_t interval_ms;
	int64_t timeout_ms;
	int64_t connect_ms;
	size_t last_good; /* index of the target that answered last */
	bool moved;       /* the servers changed: brokers found before may be another cluster's */

	struct dial_target *found; /* thread only: the brokers of the latest metadata */
	size_t found_count;
};

/* What the thread posts. */
struct message {
	struct probe *probe;
	struct probe_result result;
	uint64_t topics_id; /* not 0: an answer to all requests up to this id */
	struct ask_metadata metadata;
	struct err err;
	bool ok;
};

/* A round's copy of what is under the lock. */
struct round {
	struct dial_target *targets;
	size_t count;
	struct dial_limits limits;
	int64_t timeout_ms;
	uint64_t ticket;
	uint64_t topics;
};

static void
probe_unref(struct probe *probe)
{
	if (atomic_fetch_sub(&probe->references, 1) > 1)
		return;
	close(probe->stop_fd);
	pthread_cond_destroy(&probe->changed);
	pthread_mutex_destroy(&probe->lock);
	free(probe->targets);
	free(probe->found);
	free(probe);
}

/* -- control loop's half */

/* Answers the requests up to an id; a callback may add new ones, which are behind them. */
static void
answer_topics(struct probe *probe, uint64_t up_to, char *const *names, size_t count,
	      const struct err *err)
{
	while (!list_is_empty(&probe->requests)) {
		struct topics_request *request =
		    CONTAINER_OF(probe->requests.next, struct topics_request, node);

		if (request->id > up_to)
			return;
		list_remove(&request->node);
		request->fn(request->arg, names, count, err);
		free(request);
	}
}

static void
on_message(void *arg)
{
	struct message *message = arg;
	struct probe *probe = message->probe;

	if (!probe->stopped && message->topics_id != 0)
		answer_topics(probe, message->topics_id, message->metadata.topics,
			      message->metadata.topics_count, message->ok ? NULL : &message->err);
	else if (!probe->stopped)
		probe->fn(probe->arg, &message->result);
	ask_metadata_free(&message->metadata);
	free(message->result.brokers);
	free(message);
	probe_unref(probe);
}

/* -- thread's half */

static struct message *
message_new(struct probe *probe)
{
	struct message *message = mem_zalloc(sizeof(*message));

	atomic_fetch_add(&probe->references, 1);
	message->probe = probe;
	return message;
}

/* Posts unless the control loop may be gone already. */
static void
message_post(struct message *message)
{
	struct probe *probe = message->probe;
	bool stopping;

	pthread_mutex_lock(&probe->lock);
	stopping = probe->stopping;
	if (!stopping)
		loop_post(probe->loop, on_message, message);
	pthread_mutex_unlock(&probe->lock);
	if (!stopping)
		return;
	ask_metadata_free(&message->metadata);
	free(message->result.brokers);
	free(message);
	probe_unref(probe);
}

/* Brokers found earlier are asked after the configured servers, so that a cluster stays known when
 * all bootstrap servers are down. */
static void
begin_round(struct probe *probe, struct round *round)
{
	size_t good = probe->last_good;

	if (probe->moved)
		probe->found_count = 0;
	probe->moved = false;
	round->count = probe->targets_count + probe->found_count;
	round->targets = mem_zalloc(round->count * sizeof(*round->targets));
	memcpy(round->targets, probe->targets, probe->targets_count * sizeof(*probe->targets));
	if (probe->found_count > 0)
		memcpy(round->targets + probe->targets_count, probe->found,
		       probe->found_count * sizeof(*probe->found));
	if (good > 0 && good < probe->targets_count) {
		struct dial_target first = round->targets[0];

		round->targets[0] = round->targets[good];
		round->targets[good] = first;
	}
	round->limits.stop_fd = probe->stop_fd;
	round->timeout_ms = probe->timeout_ms;
	round->limits.connect_ms = probe->connect_ms;
	round->ticket = probe->wanted;
	round->topics = probe->topics_wanted;
}

static void
remember_good(struct probe *probe, const struct dial_target *target)
{
	pthread_mutex_lock(&probe->lock);
	for (size_t i = 0; i < probe->targets_count; i++)
		if (probe->targets[i].port == target->port &&
		    strcmp(probe->targets[i].host, target->host) == 0)
			probe->last_good = i;
	pthread_mutex_unlock(&probe->lock);
}

/* Goes through the targets until one has answered both questions. */
static bool
ask_any(struct probe *probe, struct round *round, bool topics, struct api_range *apis,
	struct ask_metadata *metadata, struct err *err)
{
	struct err first = {0};
	struct err why;

	round->limits.deadline = clock_now_ms() + round->timeout_ms;
	for (size_t i = 0; i < round->count; i++)
		round->targets[i].tried = false;
	for (;;) {
		size_t which;
		int fd = dial_connect(&round->limits, round->targets, round->count, &which, &why);
		bool ok;

		if (fd < 0) {
			*err = first.code != ERR_NONE ? first : why;
			return false;
		}
		ok = ask_apis(&round->limits, fd, apis, &why) &&
		     ask_metadata(&round->limits, fd, apis, topics, metadata, &why);
		close(fd);
		if (ok && metadata->brokers_count == 0)
			ok = err_set(&why, ERR_UNAVAILABLE, "the metadata names no broker");
		if (ok) {
			remember_good(probe, &round->targets[which]);
			return true;
		}
		ask_metadata_free(metadata);
		if (first.code == ERR_NONE)
			err_set(&first, why.code, "%s:%u: %s", round->targets[which].host,
				round->targets[which].port, why.text);
	}
}

static void
keep_found(struct probe *probe, const struct ask_metadata *metadata)
{
	probe->found_count = metadata->brokers_count;
	probe->found = mem_realloc(probe->found, metadata->brokers_count * sizeof(*probe->found));
	for (size_t i = 0; i < metadata->brokers_count; i++) {
		probe->found[i] = (struct dial_target){.port = metadata->brokers[i].port};
		memcpy(probe->found[i].host, metadata->brokers[i].host,
		       sizeof(probe->found[i].host));
	}
}

static void
fill_brokers(struct probe_result *result, const struct ask_metadata *metadata)
{
	result->brokers = mem_zalloc(metadata->brokers_count * sizeof(*result->brokers));
	result->brokers_count = metadata->brokers_count;
	for (size_t i = 0; i < metadata->brokers_count; i++) {
		struct probe_broker *broker = &result->brokers[i];

		broker->id = metadata->brokers[i].id;
		broker->port = metadata->brokers[i].port;
		memcpy(broker->host, metadata->brokers[i].host, sizeof(broker->host));
		broker->addresses_count = dial_resolve(broker->host, broker->port,
						       broker->addresses, BROKER_ADDRESSES, NULL);
	}
}

static void
run_probe(struct probe *probe, struct round *round)
{
	struct message *message = message_new(probe);
	struct probe_result *result = &message->result;
	struct err err = {0};

	result->ticket = round->ticket;
	result->controller = -1;
	result->reachable = ask_any(probe, round, false, result->apis, &message->metadata, &err);
	if (result->reachable) {
		result->controller = message->metadata.controller;
		memcpy(result->kafka_cluster_id, message->metadata.cluster_id,
		       sizeof(result->kafka_cluster_id));
		fill_brokers(result, &message->metadata);
		keep_found(probe, &message->metadata);
	} else {
		snprintf(result->error, sizeof(result->error), "%.*s",
			 (int)sizeof(result->error) - 1, err.text);
	}
	message_post(message);
}

static void
run_topics(struct probe *probe, struct round *round)
{
	struct message *message = message_new(probe);
	struct api_range apis[WORLD_API_KEYS];

	message->topics_id = round->topics;
	message->ok = ask_any(probe, round, true, apis, &message->metadata, &message->err);
	message_post(message);
}

/* Waits under the lock until the next round is due; false when the thread is to end. */
static bool
wait_turn(struct probe *probe, uint64_t ticket, uint64_t topics)
{
	int64_t until = clock_now_ms() + probe->interval_ms;
	struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};

	while (!probe->stopping && probe->wanted == ticket && probe->topics_wanted == topics) {
		if (pthread_cond_timedwait(&probe->changed, &probe->lock, &at) == ETIMEDOUT)
			break;
	}
	return !probe->stopping;
}

static void *
probe_main(void *arg)
{
	struct probe *probe = arg;
	uint64_t topics_done = 0;
	struct round round;
	bool more = true;

	while (more) {
		pthread_mutex_lock(&probe->lock);
		begin_round(probe, &round);
		pthread_mutex_unlock(&probe->lock);
		if (round.topics != topics_done)
			run_topics(probe, &round);
		topics_done = round.topics;
		run_probe(probe, &round);
		free(round.targets);
		pthread_mutex_lock(&probe->lock);
		more = wait_turn(probe, round.ticket, round.topics);
		pthread_mutex_unlock(&probe->lock);
	}
	probe_unref(probe);
	return NULL;
}

/* -- the public functions, all called on the control loop */

static bool
same_servers(const struct probe *probe, const struct probe_settings *settings)
{
	if (probe->targets_count != settings->servers_count)
		return false;
	for (size_t i = 0; i < settings->servers_count; i++)
		if (probe->targets[i].port != settings->servers[i].port ||
		    strcmp(probe->targets[i].host, settings->servers[i].host) != 0)
			return false;
	return true;
}

static void
take_settings(struct probe *probe, const struct probe_settings *settings)
{
	probe->interval_ms = settings->interval_ms;
	probe->timeout_ms = settings->timeout_ms;
	probe->connect_ms = settings->connect_ms;
	if (same_servers(probe, settings))
		return;
	probe->moved = true;
	probe->last_good = 0;
	probe->targets_count = settings->servers_count;
	probe->targets =
	    mem_realloc(probe->targets, settings->servers_count * sizeof(*probe->targets));
	for (size_t i = 0; i < settings->servers_count; i++) {
		struct dial_target *target = &probe->targets[i];

		*target = (struct dial_target){.port = settings->servers[i].port};
		snprintf(target->host, sizeof(target->host), "%s", settings->servers[i].host);
	}
}

/* Signals are the control thread's. */
static int
start_thread(struct probe *probe)
{
	sigset_t all;
	sigset_t before;
	int code;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&probe->thread, NULL, probe_main, probe);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code;
}

struct probe *
probe_start(struct loop *loop, const struct probe_settings *settings, probe_fn fn, void *arg,
	    struct err *err)
{
	struct probe *probe = mem_zalloc(sizeof(*probe));
	pthread_condattr_t attributes;
	int code;

	atomic_init(&probe->references, 2);
	probe->loop = loop;
	probe->fn = fn;
	probe->arg = arg;
	list_init(&probe->requests);
	pthread_mutex_init(&probe->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&probe->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	take_settings(probe, settings);
	probe->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	code = probe->stop_fd < 0 ? errno : start_thread(probe);
	if (code == 0)
		return probe;
	err_set(err, ERR_IO, "cannot start a probe's thread: %s", strerror(code));
	probe_unref(probe);
	probe_unref(probe);
	return NULL;
}

void
probe_update(struct probe *probe, const struct probe_settings *settings)
{
	pthread_mutex_lock(&probe->lock);
	take_settings(probe, settings);
	pthread_mutex_unlock(&probe->lock);
}

uint64_t
probe_now(struct probe *probe)
{
	uint64_t ticket;

	pthread_mutex_lock(&probe->lock);
	ticket = ++probe->wanted;
	pthread_cond_signal(&probe->changed);
	pthread_mutex_unlock(&probe->lock);
	return ticket;
}

void
probe_topics(struct probe *probe, probe_topics_fn fn, void *arg)
{
	struct topics_request *request = mem_zalloc(sizeof(*request));

	request->fn = fn;
	request->arg = arg;
	request->id = ++probe->topics_asked;
	list_init(&request->node);
	list_append(&probe->requests, &request->node);
	pthread_mutex_lock(&probe->lock);
	probe->topics_wanted = request->id;
	pthread_cond_signal(&probe->changed);
	pthread_mutex_unlock(&probe->lock);
}

void
probe_stop(struct probe **probe)
{
	struct probe *old = *probe;
	struct err err;
	struct timespec until;

	if (old == NULL)
		return;
	*probe = NULL;
	old->stopped = true;
	pthread_mutex_lock(&old->lock);
	old->stopping = true;
	pthread_cond_signal(&old->changed);
	pthread_mutex_unlock(&old->lock);
	(void)!write(old->stop_fd, &(uint64_t){1}, sizeof(uint64_t));
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += JOIN_S;
	if (pthread_timedjoin_np(old->thread, NULL, &until) != 0)
		pthread_detach(old->thread);
	err_set(&err, ERR_UNAVAILABLE, "the cluster was removed or the gateway shuts down");
	answer_topics(old, UINT64_MAX, NULL, 0, &err);
	probe_unref(old);
}
