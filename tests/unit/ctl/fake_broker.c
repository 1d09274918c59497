/* SPDX-License-Identifier: Apache-2.0
 *
 * The fake broker's thread: one connection at a time is enough for a probe, which asks one after
 * the other; a connection that it leaves behind is closed when the next one comes.
 */
#include "fake_broker.h"
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct out {
	uint8_t bytes[4096];
	size_t length;
};

static void
put(struct out *out, uint64_t value, size_t width)
{
	while (width-- > 0)
		out->bytes[out->length++] = (uint8_t)(value >> 8 * width);
}

static void
put_text(struct out *out, const char *text)
{
	put(out, strlen(text), 2);
	memcpy(out->bytes + out->length, text, strlen(text));
	out->length += strlen(text);
}

static void
put_api(struct out *out, int key, int min, int max)
{
	put(out, (uint64_t)key, 2);
	put(out, (uint64_t)min, 2);
	put(out, (uint64_t)max, 2);
}

static void
answer_apis(struct fake_broker *fake, struct out *out)
{
	int mode = atomic_load(&fake->mode);

	put(out, mode == FAKE_ERROR ? 41 : 0, 2);
	put(out, mode == FAKE_HUGE_ARRAY ? 0x7fffffff : 4, 4);
	put_api(out, 0, 0, 7);
	put_api(out, 1, 0, 11);
	if (mode == FAKE_NEW_METADATA)
		put_api(out, 3, 200, 200);
	else
		put_api(out, 3, 0, atomic_load(&fake->metadata_max));
	put_api(out, 18, 0, 2);
}

static void
put_topic(struct out *out, const char *name, int internal, int version)
{
	put(out, 0, 2);
	put_text(out, name);
	put(out, (uint64_t)internal, 1);
	put(out, 0, 4);
	if (version == 8)
		put(out, 0x80000000, 4);
}

static void
answer_metadata(struct fake_broker *fake, struct out *out, int version, int all_topics)
{
	int mode = atomic_load(&fake->mode);
	int brokers = mode == FAKE_NO_BROKERS ? 0 : atomic_load(&fake->brokers);
	/* In descending order: the slots must not depend on it. */
	int id = atomic_load(&fake->first_id) + brokers - 1;

	if (version == 8)
		put(out, 0, 4);
	put(out, (uint64_t)brokers, 4);
	for (int i = 0; i < brokers; i++, id--) {
		put(out, (uint64_t)id, 4);
		put_text(out, "127.0.0.1");
		put(out, mode == FAKE_BAD_PORT ? 70000 : fake->port, 4);
		put(out, 0xffff, 2);
	}
	if (version == 8)
		put_text(out, "fakeClusterId");
	put(out, (uint64_t)atomic_load(&fake->first_id), 4);
	put(out, all_topics ? 4 : 0, 4);
	if (all_topics) {
		put_topic(out, "teamAusers", 0, version);
		put_topic(out, "__consumer_offsets", 1, version);
		put_topic(out, "teamAcars", 0, version);
		put_topic(out, "existingShared", 0, version);
	}
	if (version == 8)
		put(out, 0x80000000, 4);
	atomic_fetch_add(&fake->questions, 1);
}

/* request: key, version, correlation id, client id, body. */
static size_t
answer(struct fake_broker *fake, const uint8_t *request, size_t length, struct out *out)
{
	int mode = atomic_load(&fake->mode);
	int key = request[0] << 8 | request[1];
	int version = request[2] << 8 | request[3];
	size_t body = 10 + (size_t)(request[8] << 8 | request[9]);

	cr_assert_gt(length, 10);
	out->length = 4;
	memcpy(out->bytes + out->length, request + 4, 4);
	out->bytes[out->length + 3] ^= mode == FAKE_WRONG_ID;
	out->length += 4;
	if (key == 18) {
		cr_assert_eq(version, 0);
		answer_apis(fake, out);
	} else {
		cr_assert_eq(key, 3);
		cr_assert_eq(version, atomic_load(&fake->metadata_max));
		answer_metadata(fake, out, version, request[body] == 0xff);
	}
	if (mode == FAKE_CUT)
		out->length -= 3;
	{
		uint32_t size = htonl((uint32_t)out->length - 4);

		if (mode == FAKE_HUGE_FRAME)
			size = htonl(0x7fffffff);
		else if (mode == FAKE_NEGATIVE_FRAME)
			size = 0xffffffff;
		memcpy(out->bytes, &size, 4);
	}
	return out->length;
}

static int
read_all(int fd, uint8_t *bytes, size_t length)
{
	while (length > 0) {
		ssize_t got = read(fd, bytes, length);

		if (got <= 0)
			return 0;
		bytes += got;
		length -= (size_t)got;
	}
	return 1;
}

/* One request; 0 when the connection is done with. */
static int
serve(struct fake_broker *fake, int fd)
{
	uint8_t prefix[4];
	uint8_t request[1024];
	struct out out;
	uint32_t size;
	int mode = atomic_load(&fake->mode);

	if (mode == FAKE_CLOSES || !read_all(fd, prefix, 4))
		return 0;
	memcpy(&size, prefix, 4);
	size = ntohl(size);
	cr_assert_leq(size, sizeof(request));
	if (!read_all(fd, request, size))
		return 0;
	if (mode == FAKE_SILENT)
		return 1;
	if (mode == FAKE_HTTP)
		return write(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28) == 28;
	answer(fake, request, size, &out);
	return write(fd, out.bytes, out.length) == (ssize_t)out.length;
}

static void *
fake_main(void *arg)
{
	struct fake_broker *fake = arg;
	int fd = -1;

	for (;;) {
		struct pollfd polled[3] = {{.fd = fake->stop[0], .events = POLLIN},
					   {.fd = fake->listener, .events = POLLIN},
					   {.fd = fd, .events = POLLIN}};

		poll(polled, 3, -1);
		if (polled[0].revents != 0)
			break;
		if (polled[2].revents != 0 && !serve(fake, fd)) {
			close(fd);
			fd = -1;
		} else if (polled[1].revents != 0) {
			if (fd >= 0)
				close(fd);
			fd = accept(fake->listener, NULL, NULL);
		}
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

struct fake_broker *
fake_broker_start_at(uint16_t port)
{
	struct fake_broker *fake = calloc(1, sizeof(*fake));
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int on = 1;

	fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fake->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	cr_assert_eq(bind(fake->listener, (struct sockaddr *)&address, length), 0);
	cr_assert_eq(listen(fake->listener, 16), 0);
	getsockname(fake->listener, (struct sockaddr *)&address, &length);
	fake->port = ntohs(address.sin_port);
	fake->metadata_max = 8;
	fake->brokers = 3;
	fake->first_id = 1;
	cr_assert_eq(pipe(fake->stop), 0);
	cr_assert_eq(pthread_create(&fake->thread, NULL, fake_main, fake), 0);
	return fake;
}

struct fake_broker *
fake_broker_start(void)
{
	return fake_broker_start_at(0);
}

void
fake_broker_stop(struct fake_broker *fake)
{
	cr_assert_eq(write(fake->stop[1], "x", 1), 1);
	pthread_join(fake->thread, NULL);
	close(fake->stop[0]);
	close(fake->stop[1]);
	close(fake->listener);
	free(fake);
}
