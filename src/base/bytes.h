/* SPDX-License-Identifier: Apache-2.0
 *
 * A growing byte buffer for what we build ourselves (never sized by a number from outside).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct bytes {
	uint8_t *data;
	size_t length;
	size_t capacity;
};

void bytes_free(struct bytes *bytes);
void bytes_add(struct bytes *bytes, const void *data, size_t length);
/* Appends `length` uninitialised bytes and returns where they start. */
uint8_t *bytes_add_space(struct bytes *bytes, size_t length);
void bytes_add_u8(struct bytes *bytes, uint8_t value);
void bytes_add_be16(struct bytes *bytes, uint16_t value);
void bytes_add_be32(struct bytes *bytes, uint32_t value);
void bytes_add_be64(struct bytes *bytes, uint64_t value);
