/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a whole frame for a few of its fields: walks header and body and calls back for what is
 * in the body.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kafka/walk.h"

/* Called for each item of the body; false: nothing more is wanted. */
typedef bool (*frame_fn)(void *arg, enum walk_event event, const struct walk_item *item);

/* Reads a frame (without its 4-byte size) of this API, version and direction, which must be ones
 * that exist. false: it is malformed; *why says how. */
bool frame_read(int key, int version, enum kafka_direction direction, const uint8_t *frame,
		size_t size, frame_fn fn, void *arg, char *why, size_t why_size);
