/* SPDX-License-Identifier: Apache-2.0
 *
 * The fake broker: one thread, poll(2), everything behind one lock.
 */
#include "support/fake_broker.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/be.h"
#include "base/ensure.h"
#include "base/mem.h"
#include "kafka/encode.h"
#include "kafka/kafka_ids.h"
#include "kafka/walk.h"

#define CONNECTIONS_MAX 4096

struct connection {
	int fd; /* -1: closed */
	bool closing;
	struct bytes in;
	struct bytes out;
	size_t sent;
};

struct kept {
	struct bytes frame;
	unsigned connection;
	bool is_answered;
};

struct fake_broker {
	pthread_t thread;
	pthread_mutex_t lock;
	int listener;
	int wake[2];
	uint16_t port;
	bool stopping;
	bool frozen;
	bool drop;
	enum fake_mode mode;
	fake_answer_fn answer;
	void *arg;
	struct connection connections[CONNECTIONS_MAX];
	unsigned accepted;
	unsigned ended;
	size_t bytes;
	size_t sent;
	struct kept *kept;
	size_t count;
	size_t room;
};

static void
answer_nothing(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	(void)arg;
	(void)field;
	(void)index;
	(void)out;
}

static bool
wants_no_answer(const struct fake_request *r)
{
	const uint8_t *at = r->frame + 4, *end = r->frame + r->size;
	struct walk_item item;
	enum walk_event event;
	struct walk w;

	if (r->key != KA_Produce)
		return false;
	walk_init_prefix(&w, &kafka_messages[KM_RequestHeader],
			 kafka_request_header_version(r->key, r->version), r->size - 4);
	while ((event = walk_next(&w, at, (size_t)(end - at), &item)) > WALK_MORE)
		at += item.size;
	ENSURE(event == WALK_END);
	walk_init(&w, kafka_message(r->key, KAFKA_REQUEST), r->version, (size_t)(end - at));
	while ((event = walk_next(&w, at, (size_t)(end - at), &item)) > WALK_MORE) {
		if (event == WALK_VALUE && item.field == KF_ProduceRequest_Acks)
			return item.number == 0;
		at += item.size;
	}
	return false;
}

static void
answer_default(void *arg, const struct fake_request *request, struct bytes *answer)
{
	(void)arg;
	if (!wants_no_answer(request))
		encode_response(request->key, request->version, request->correlation_id,
				answer_nothing, NULL, answer);
}

static struct fake_request
request_of(const struct kept *kept)
{
	const uint8_t *frame = kept->frame.data;

	return (struct fake_request){
	    .key = (int16_t)be_get16(frame + 4),
	    .version = (int16_t)be_get16(frame + 6),
	    .correlation_id = (int32_t)be_get32(frame + 8),
	    .connection = kept->connection,
	    .frame = frame,
	    .size = kept->frame.length,
	};
}

static void
answer_one(struct fake_broker *b, struct kept *kept)
{
	struct connection *c = &b->connections[kept->connection];
	struct fake_request request = request_of(kept);
	struct bytes answer = {0};

	kept->is_answered = true;
	if (c->fd < 0)
		return;
	b->answer(b->arg, &request, &answer);
	if (b->mode == FAKE_CLOSE) {
		c->closing = true;
		answer.length = 0;
	} else if (b->mode == FAKE_GARBAGE) {
		memset(answer.data + 8, 0xee, answer.length - 8);
	} else if (b->mode == FAKE_WRONG_ID) {
		be_put32(answer.data + 4, be_get32(answer.data + 4) + 1);
	} else if (b->mode == FAKE_CUT) {
		answer.length /= 2;
		c->closing = true;
	}
	bytes_add(&c->out, answer.data, answer.length);
	bytes_free(&answer);
}

static void
keep(struct fake_broker *b, unsigned connection, const uint8_t *frame, size_t size)
{
	b->kept = mem_grow(b->kept, &b->room, b->count + 1, sizeof(*b->kept));
	b->kept[b->count] = (struct kept){.connection = connection};
	bytes_add(&b->kept[b->count].frame, frame, size);
	b->count++;
}

static void
answer_all(struct fake_broker *b)
{
	if (b->mode == FAKE_HOLD)
		return;
	for (size_t i = 0; i < b->count; i++) {
		if (!b->kept[i].is_answered)
			answer_one(b, &b->kept[i]);
	}
}

static void
close_connection(struct connection *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	bytes_free(&c->in);
	bytes_free(&c->out);
}

static void
take_frames(struct fake_broker *b, unsigned number)
{
	struct connection *c = &b->connections[number];
	size_t at = 0;

	while (c->in.length - at >= 4) {
		size_t size = 4 + (size_t)be_get32(c->in.data + at);

		if (c->in.length - at < size)
			break;
		keep(b, number, c->in.data + at, size);
		at += size;
	}
	if (at > 0)
		memmove(c->in.data, c->in.data + at, c->in.length - at);
	c->in.length -= at;
}

static void
receive(struct fake_broker *b, unsigned number)
{
	struct connection *c = &b->connections[number];
	uint8_t block[65536];
	ssize_t n = recv(c->fd, block, sizeof(block), MSG_DONTWAIT);

	if (n > 0) {
		b->bytes += (size_t)n;
		bytes_add(&c->in, block, (size_t)n);
		take_frames(b, number);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	b->ended += n == 0 && c->in.length == 0;
	close_connection(c);
}

static void
transmit(struct fake_broker *b, struct connection *c)
{
	ssize_t n = send(c->fd, c->out.data + c->sent, c->out.length - c->sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0) {
		c->sent += (size_t)n;
		b->sent += (size_t)n;
	}
	if (c->sent == c->out.length) {
		c->sent = 0;
		c->out.length = 0;
	}
}

static void
accept_one(struct fake_broker *b)
{
	int fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	ENSURE(b->accepted < CONNECTIONS_MAX);
	b->connections[b->accepted++] = (struct connection){.fd = fd};
}

static void
turn(struct fake_broker *b, const struct pollfd *fds, const unsigned *numbers, nfds_t count)
{
	char ignored[64];

	if ((fds[0].revents & POLLIN) != 0)
		ENSURE(read(b->wake[0], ignored, sizeof(ignored)) > 0);
	for (nfds_t i = 2; i < count; i++) {
		if ((fds[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !b->frozen)
			receive(b, numbers[i]);
	}
	if ((fds[1].revents & POLLIN) != 0)
		accept_one(b);
	answer_all(b);
	for (unsigned i = 0; i < b->accepted; i++) {
		struct connection *c = &b->connections[i];

		if (c->fd >= 0 && c->out.length > 0)
			transmit(b, c);
		if (c->fd >= 0 && (b->drop || (c->closing && c->out.length == 0)))
			close_connection(c);
	}
	b->drop = false;
}

static nfds_t
list_fds(struct fake_broker *b, struct pollfd *fds, unsigned *numbers)
{
	nfds_t count = 2;

	fds[0] = (struct pollfd){.fd = b->wake[0], .events = POLLIN};
	fds[1] = (struct pollfd){.fd = b->listener, .events = POLLIN};
	for (unsigned i = 0; i < b->accepted; i++) {
		struct connection *c = &b->connections[i];

		if (c->fd < 0)
			continue;
		numbers[count] = i;
		fds[count++] = (struct pollfd){
		    .fd = c->fd,
		    .events = (short)((b->frozen ? 0 : POLLIN) | (c->out.length > 0 ? POLLOUT : 0)),
		};
	}
	return count;
}

static void *
run(void *arg)
{
	static __thread struct pollfd fds[CONNECTIONS_MAX + 2];
	static __thread unsigned numbers[CONNECTIONS_MAX + 2];
	struct fake_broker *b = arg;

	pthread_mutex_lock(&b->lock);
	while (!b->stopping) {
		nfds_t count = list_fds(b, fds, numbers);

		pthread_mutex_unlock(&b->lock);
		poll(fds, count, -1);
		pthread_mutex_lock(&b->lock);
		turn(b, fds, numbers, count);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

struct fake_broker *
fake_broker_start(fake_answer_fn answer, void *arg)
{
	struct fake_broker *b = mem_zalloc(sizeof(*b));
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof(address);

	b->answer = answer != NULL ? answer : answer_default;
	b->arg = arg;
	pthread_mutex_init(&b->lock, NULL);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ENSURE(bind(b->listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	ENSURE(listen(b->listener, 64) == 0);
	ENSURE(getsockname(b->listener, (struct sockaddr *)&address, &length) == 0);
	b->port = ntohs(address.sin_port);
	ENSURE(pipe2(b->wake, O_CLOEXEC) == 0);
	ENSURE(pthread_create(&b->thread, NULL, run, b) == 0);
	return b;
}

static void
wake(struct fake_broker *b)
{
	ENSURE(write(b->wake[1], "", 1) == 1);
}

void
fake_broker_stop(struct fake_broker **broker)
{
	struct fake_broker *b = *broker;

	if (b == NULL)
		return;
	pthread_mutex_lock(&b->lock);
	b->stopping = true;
	pthread_mutex_unlock(&b->lock);
	wake(b);
	pthread_join(b->thread, NULL);
	for (unsigned i = 0; i < b->accepted; i++)
		close_connection(&b->connections[i]);
	for (size_t i = 0; i < b->count; i++)
		bytes_free(&b->kept[i].frame);
	free(b->kept);
	close(b->listener);
	close(b->wake[0]);
	close(b->wake[1]);
	pthread_mutex_destroy(&b->lock);
	free(b);
	*broker = NULL;
}

uint16_t
fake_broker_port(const struct fake_broker *broker)
{
	return broker->port;
}

void
fake_broker_set_mode(struct fake_broker *broker, enum fake_mode mode)
{
	pthread_mutex_lock(&broker->lock);
	broker->mode = mode;
	pthread_mutex_unlock(&broker->lock);
	wake(broker);
}

void
fake_broker_freeze(struct fake_broker *broker, bool frozen)
{
	pthread_mutex_lock(&broker->lock);
	broker->frozen = frozen;
	pthread_mutex_unlock(&broker->lock);
	wake(broker);
}

void
fake_broker_drop_all(struct fake_broker *broker)
{
	pthread_mutex_lock(&broker->lock);
	broker->drop = true;
	pthread_mutex_unlock(&broker->lock);
	wake(broker);
}

size_t
fake_broker_requests(struct fake_broker *broker)
{
	size_t count;

	pthread_mutex_lock(&broker->lock);
	count = broker->count;
	pthread_mutex_unlock(&broker->lock);
	return count;
}

struct fake_request
fake_broker_request(struct fake_broker *broker, size_t n, struct bytes *frame)
{
	struct fake_request request;

	pthread_mutex_lock(&broker->lock);
	ENSURE(n < broker->count);
	request = request_of(&broker->kept[n]);
	bytes_add(frame, request.frame, request.size);
	pthread_mutex_unlock(&broker->lock);
	request.frame = frame->data;
	return request;
}

unsigned
fake_broker_accepted(struct fake_broker *broker)
{
	unsigned accepted;

	pthread_mutex_lock(&broker->lock);
	accepted = broker->accepted;
	pthread_mutex_unlock(&broker->lock);
	return accepted;
}

unsigned
fake_broker_open(struct fake_broker *broker)
{
	unsigned open = 0;

	pthread_mutex_lock(&broker->lock);
	for (unsigned i = 0; i < broker->accepted; i++)
		open += broker->connections[i].fd >= 0;
	pthread_mutex_unlock(&broker->lock);
	return open;
}

unsigned
fake_broker_ended(struct fake_broker *broker)
{
	unsigned ended;

	pthread_mutex_lock(&broker->lock);
	ended = broker->ended;
	pthread_mutex_unlock(&broker->lock);
	return ended;
}

size_t
fake_broker_bytes(struct fake_broker *broker)
{
	size_t bytes;

	pthread_mutex_lock(&broker->lock);
	bytes = broker->bytes;
	pthread_mutex_unlock(&broker->lock);
	return bytes;
}

size_t
fake_broker_sent(struct fake_broker *broker)
{
	size_t sent;

	pthread_mutex_lock(&broker->lock);
	sent = broker->sent;
	pthread_mutex_unlock(&broker->lock);
	return sent;
}
