/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets, record batches and the check of answers for the bench's two programs. Must not depend on
 * the data path that is measured: only on base/ and kafka/. Start at frames.h.
 */
#include "frames.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/be.h"
#include "kafka/errors.h"
#include "kafka/kafka_ids.h"
#include "kafka/meaning.h"
#include "kafka/walk.h"

/* A batch's header up to its first record, and where in it the checksum and what it covers are. */
#define BATCH_HEAD      61
#define BATCH_CRC_AT    17
#define BATCH_CRC_FROM  21
#define BATCH_LENGTH_AT 8
#define BATCH_LAST_AT   23
#define BATCH_COUNT_AT  57

void
bench_die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

int
bench_connect(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;
	int saved;

	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

bool
bench_send(int fd, const void *data, size_t length)
{
	const uint8_t *at = data;

	while (length > 0) {
		ssize_t n = send(fd, at, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		length -= (size_t)n;
	}
	return true;
}

size_t
bench_receive(int fd, uint8_t *out, size_t least, size_t most)
{
	size_t got = 0;

	while (got < least) {
		ssize_t n = recv(fd, out + got, most - got, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		got += (size_t)n;
	}
	return got;
}

/* -- record batches */

/* CRC-32C, a bit at a time: batches are built once. */
static uint32_t
crc32c(const uint8_t *data, size_t length)
{
	uint32_t crc = ~0U;

	for (size_t i = 0; i < length; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78U : 0);
	}
	return ~crc;
}

static void
add_zigzag(struct bytes *out, int64_t value)
{
	uint64_t bits = (uint64_t)value << 1 ^ (value < 0 ? ~0ULL : 0);

	for (; bits >= 0x80; bits >>= 7)
		bytes_add_u8(out, (uint8_t)(bits | 0x80));
	bytes_add_u8(out, (uint8_t)bits);
}

/* One record without a key: bytes that do not compress, the same in every run. */
static void
add_record(struct bytes *out, uint32_t offset, size_t size)
{
	uint32_t state = offset * 2654435761U + 1;
	struct bytes body = {0};

	bytes_add_u8(&body, 0);
	add_zigzag(&body, 0);
	add_zigzag(&body, offset);
	add_zigzag(&body, -1);
	add_zigzag(&body, (int64_t)size);
	for (size_t i = 0; i < size; i++) {
		state = state * 1664525U + 1013904223U;
		bytes_add_u8(&body, (uint8_t)(state >> 24));
	}
	add_zigzag(&body, 0);
	add_zigzag(out, (int64_t)body.length);
	bytes_add(out, body.data, body.length);
	bytes_free(&body);
}

static void
add_batch(struct bytes *out, uint32_t records, size_t record)
{
	static const uint8_t nobody[14] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	size_t start = out->length;
	uint8_t *at = bytes_add_space(out, BATCH_HEAD);

	memset(at, 0, BATCH_HEAD);
	at[16] = 2;                              /* magic */
	memcpy(at + 43, nobody, sizeof(nobody)); /* producer id, epoch, sequence: -1 */
	be_put32(at + BATCH_LAST_AT, records - 1);
	be_put32(at + BATCH_COUNT_AT, records);
	for (uint32_t i = 0; i < records; i++)
		add_record(out, i, record);
	at = out->data + start;
	be_put32(at + BATCH_LENGTH_AT, (uint32_t)(out->length - start - BATCH_LENGTH_AT - 4));
	be_put32(at + BATCH_CRC_AT,
		 crc32c(at + BATCH_CRC_FROM, out->length - start - BATCH_CRC_FROM));
}

void
bench_records(struct bytes *out, size_t total, size_t most, size_t record)
{
	size_t each = record + 12; /* a record's own head, at most */

	while (total > 0) {
		size_t size = total < most ? total : most;
		size_t records = size > BATCH_HEAD + each ? (size - BATCH_HEAD) / each : 1;

		add_batch(out, (uint32_t)records, record);
		total -= size;
	}
}

/* -- answers */

static _Thread_local char complaint[240];

/* Walks one message of the frame; moves *at on. */
static const char *
check_message(const struct kafka_message *message, int version, bool prefix, const uint8_t **at,
	      size_t *length, int32_t correlation_id, size_t *records)
{
	struct walk walk;
	struct walk_item item;
	enum walk_event event;

	if (prefix)
		walk_init_prefix(&walk, message, version, *length);
	else
		walk_init(&walk, message, version, *length);
	while ((event = walk_next(&walk, *at, *length, &item)) > WALK_MORE) {
		*at += item.size;
		*length -= item.size;
		if (event == WALK_PAYLOAD && records != NULL)
			*records += item.size;
		if (event != WALK_VALUE)
			continue;
		if (item.field == KF_ResponseHeader_CorrelationId && item.number != correlation_id)
			return "an answer with another correlation id";
		if (kafka_meanings[item.field] == MEANING_ERROR_CODE && item.number != 0) {
			snprintf(complaint, sizeof(complaint), "%s says %s", message->name,
				 kafka_error_name((int)item.number));
			return complaint;
		}
	}
	if (event == WALK_END)
		return NULL;
	snprintf(complaint, sizeof(complaint), "%s",
		 event == WALK_ERROR ? walk.error : "an answer that ends too early");
	return complaint;
}

const char *
bench_check_answer(int key, int version, int32_t correlation_id, const uint8_t *frame,
		   size_t length, size_t *records)
{
	const char *why = check_message(&kafka_messages[KM_ResponseHeader],
					kafka_response_header_version(key, version), true, &frame,
					&length, correlation_id, NULL);

	if (records != NULL)
		*records = 0;
	if (why != NULL)
		return why;
	return check_message(kafka_message(key, KAFKA_RESPONSE), version, false, &frame, &length,
			     correlation_id, records);
}
