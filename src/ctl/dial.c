/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections for probes. The sockets are non-blocking and poll(2) does all the waiting, so that a
 * deadline and the stop descriptor are watched in every wait.
 */
#include "ctl/dial.h"
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"

/* So long one attempt has before the next target is tried beside it. */
#define STAGGER_MS 250
/* Attempts at a time. */
#define ATTEMPTS  8
#define ADDRESSES 4

struct attempt {
	int fd;
	size_t target;
	int64_t ends; /* clock_now_ms() */
};

/* One round of dial_connect(). */
struct race {
	const struct dial_limits *limits;
	struct dial_target *targets;
	size_t count;
	size_t next; /* next target to start */
	struct attempt attempts[ATTEMPTS];
	size_t running;
	struct err *err;
	bool failed; /* err has the first failure */
};

unsigned
dial_resolve(const char *host, uint16_t port, struct sockaddr_storage *out, unsigned max,
	     struct err *err)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	char service[8];
	unsigned count = 0;
	int code;

	snprintf(service, sizeof(service), "%u", port);
	code = getaddrinfo(host, service, &hints, &found);
	if (code != 0) {
		err_set(err, ERR_UNAVAILABLE, "%s:%u: the name cannot be resolved: %s", host, port,
			gai_strerror(code));
		return 0;
	}
	for (struct addrinfo *at = found; at != NULL && count < max; at = at->ai_next) {
		if (at->ai_addrlen > sizeof(out[count]))
			continue;
		memset(&out[count], 0, sizeof(out[count]));
		memcpy(&out[count++], at->ai_addr, at->ai_addrlen);
	}
	freeaddrinfo(found);
	if (count == 0)
		err_set(err, ERR_UNAVAILABLE, "%s:%u: the name has no address", host, port);
	return count;
}

static void
note_failure(struct race *race, const struct dial_target *target, int number)
{
	if (!race->failed)
		err_set(race->err, ERR_UNAVAILABLE, "%s:%u: %s", target->host, target->port,
			number == ETIMEDOUT ? "no connection in time" : strerror(number));
	race->failed = true;
}

static void
close_attempt(struct race *race, size_t index)
{
	close(race->attempts[index].fd);
	race->attempts[index] = race->attempts[--race->running];
}

static void
start_address(struct race *race, size_t target, const struct sockaddr_storage *address)
{
	socklen_t length = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
							  : sizeof(struct sockaddr_in);
	int fd;

	if (race->running == ATTEMPTS)
		return;
	fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    (connect(fd, (const struct sockaddr *)address, length) != 0 && errno != EINPROGRESS)) {
		note_failure(race, &race->targets[target], errno);
		if (fd >= 0)
			close(fd);
		return;
	}
	race->attempts[race->running++] = (struct attempt){
	    .fd = fd, .target = target, .ends = clock_now_ms() + race->limits->connect_ms};
}

/* Starts the next untried target, with all its addresses; false when there is none. */
static bool
start_next(struct race *race)
{
	struct sockaddr_storage addresses[ADDRESSES];
	struct dial_target *target;
	struct err why;
	unsigned count;

	while (race->next < race->count && race->targets[race->next].tried)
		race->next++;
	if (race->next == race->count || race->running + ADDRESSES > ATTEMPTS)
		return false;
	target = &race->targets[race->next];
	target->tried = true;
	count = dial_resolve(target->host, target->port, addresses, ADDRESSES, &why);
	if (count == 0 && !race->failed) {
		race->failed = true;
		err_set(race->err, why.code, "%s", why.text);
	}
	for (unsigned i = 0; i < count; i++)
		start_address(race, race->next, &addresses[i]);
	race->next++;
	return true;
}

/* How long to wait for this round's descriptors. */
static int
wait_ms(const struct race *race)
{
	int64_t now = clock_now_ms();
	int64_t until = race->limits->deadline;

	if (race->next < race->count && now + STAGGER_MS < until)
		until = now + STAGGER_MS;
	for (size_t i = 0; i < race->running; i++)
		if (race->attempts[i].ends < until)
			until = race->attempts[i].ends;
	return until > now ? (int)(until - now) : 0;
}

/* Looks at what poll said; returns the winner's index, or -1. */
static int
look_at_attempts(struct race *race, const struct pollfd *polled)
{
	/* From the back: close_attempt() fills a gap with the last. */
	for (size_t i = race->running; i-- > 0;) {
		struct attempt *attempt = &race->attempts[i];
		int number = 0;
		socklen_t size = sizeof(number);

		if (polled[i + 1].revents != 0) {
			getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &number, &size);
			if (number == 0)
				return (int)i;
		} else if (clock_now_ms() >= attempt->ends) {
			number = ETIMEDOUT;
		} else {
			continue;
		}
		note_failure(race, &race->targets[attempt->target], number);
		close_attempt(race, i);
	}
	return -1;
}

/* Runs until one attempt has won (its index) or all have failed (-1). */
static int
run_race(struct race *race)
{
	struct pollfd polled[ATTEMPTS + 1];
	size_t before;
	int ready;
	int winner;

	for (;;) {
		while (race->running == 0)
			if (!start_next(race))
				return -1;
		polled[0] = (struct pollfd){.fd = race->limits->stop_fd, .events = POLLIN};
		for (size_t i = 0; i < race->running; i++)
			polled[i + 1] =
			    (struct pollfd){.fd = race->attempts[i].fd, .events = POLLOUT};
		ready = poll(polled, race->running + 1, wait_ms(race));
		if (ready < 0 && errno != EINTR)
			return -1;
		if (ready > 0 && polled[0].revents != 0)
			return -1;
		if (ready < 0)
			continue;
		before = race->running;
		winner = look_at_attempts(race, polled);
		if (winner >= 0)
			return winner;
		if (clock_now_ms() >= race->limits->deadline)
			return -1;
		if (ready == 0 || race->running < before)
			start_next(race);
	}
}

int
dial_connect(const struct dial_limits *limits, struct dial_target *targets, size_t count,
	     size_t *which, struct err *err)
{
	struct race race = {.limits = limits, .targets = targets, .count = count, .err = err};
	int winner;
	int fd = -1;

	err_set(err, ERR_TIMEOUT, "no broker answered in time");
	winner = run_race(&race);
	if (winner >= 0) {
		fd = race.attempts[winner].fd;
		*which = race.attempts[winner].target;
	}
	for (size_t i = 0; i < race.running; i++) {
		if ((int)i == winner)
			continue;
		/* It did not fail: it may have another go should the winner turn out bad. */
		if (winner >= 0 && race.attempts[i].target != *which)
			targets[race.attempts[i].target].tried = false;
		close(race.attempts[i].fd);
	}
	return fd;
}

/* Waits until fd is ready for events; false with err at the deadline or when told to stop. */
static bool
wait_ready(const struct dial_limits *limits, int fd, short events, struct err *err)
{
	for (;;) {
		struct pollfd polled[2] = {{.fd = limits->stop_fd, .events = POLLIN},
					   {.fd = fd, .events = events}};
		int64_t left = limits->deadline - clock_now_ms();
		int ready;

		if (left <= 0)
			return err_set(err, ERR_TIMEOUT, "no answer in time");
		ready = poll(polled, 2, (int)(left < 60000 ? left : 60000));
		if (ready < 0 && errno != EINTR)
			return err_set(err, ERR_IO, "poll: %s", strerror(errno));
		if (ready > 0 && polled[0].revents != 0)
			return err_set(err, ERR_CONFLICT, "the probe was stopped");
		if (ready > 0)
			return true;
	}
}

bool
dial_write(const struct dial_limits *limits, int fd, const uint8_t *bytes, size_t length,
	   struct err *err)
{
	while (length > 0) {
		ssize_t written = send(fd, bytes, length, MSG_NOSIGNAL);

		if (written < 0 && errno == EAGAIN) {
			if (!wait_ready(limits, fd, POLLOUT, err))
				return false;
		} else if (written < 0 && errno != EINTR) {
			return err_set(err, ERR_UNAVAILABLE, "%s", strerror(errno));
		} else if (written > 0) {
			bytes += written;
			length -= (size_t)written;
		}
	}
	return true;
}

bool
dial_read(const struct dial_limits *limits, int fd, uint8_t *bytes, size_t length, struct err *err)
{
	while (length > 0) {
		ssize_t got;

		if (!wait_ready(limits, fd, POLLIN, err))
			return false;
		got = recv(fd, bytes, length, 0);
		if (got == 0)
			return err_set(err, ERR_UNAVAILABLE,
				       "the broker closed the connection; is it a Kafka listener "
				       "of the configured security.protocol?");
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return err_set(err, ERR_UNAVAILABLE, "%s", strerror(errno));
		if (got > 0) {
			bytes += got;
			length -= (size_t)got;
		}
	}
	return true;
}
