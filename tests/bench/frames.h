/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two programs of the bench share: blocking sockets, whole frames, canned record batches,
 * and the check of an answer. Frames are built and read by the gateway's own field table, so a
 * bench of a newer version is a change of one number. Must not be linked into anything but the
 * bench.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bytes.h"
#include "kafka/schema.h"

/* Ends the program with a message on stderr: a bench that goes on after a fault measures nothing.
 */
void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* A connected loopback socket with TCP_NODELAY; -1 with errno. */
int bench_connect(uint16_t port);

/* Sends everything; false when the peer is gone. */
bool bench_send(int fd, const void *data, size_t length);

/* Reads at least `least` and at most `most` bytes; how many, or 0 when the peer is gone. */
size_t bench_receive(int fd, uint8_t *out, size_t least, size_t most);

/* Appends record batches (format 2, uncompressed, valid checksums) of `batch` bytes in all, each a
 * whole number of records of about `record` bytes; batches are at most `most` bytes each. What was
 * appended is a little less than `total` where the records do not fit exactly. */
void bench_records(struct bytes *out, size_t total, size_t most, size_t record);

/* Walks an answer (without its size). NULL: well-formed, no error code but 0 in it; else a sentence
 * in static memory of the calling thread. *records: bytes of record batches in it, may be NULL. */
const char *bench_check_answer(int key, int version, int32_t correlation_id, const uint8_t *frame,
			       size_t length, size_t *records);
