/* SPDX-License-Identifier: Apache-2.0
 *
 * The growing byte buffer.
 */
#include "base/bytes.h"
#include <stdlib.h>
#include <string.h>
#include "base/be.h"
#include "base/mem.h"

void
bytes_free(struct bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct bytes){0};
}

uint8_t *
bytes_add_space(struct bytes *bytes, size_t length)
{
	uint8_t *space;

	bytes->data = mem_grow(bytes->data, &bytes->capacity, bytes->length + length, 1);
	space = bytes->data + bytes->length;
	bytes->length += length;
	return space;
}

void
bytes_add(struct bytes *bytes, const void *data, size_t length)
{
	if (length > 0)
		memcpy(bytes_add_space(bytes, length), data, length);
}

void
bytes_add_u8(struct bytes *bytes, uint8_t value)
{
	*bytes_add_space(bytes, 1) = value;
}

void
bytes_add_be16(struct bytes *bytes, uint16_t value)
{
	be_put16(bytes_add_space(bytes, 2), value);
}

void
bytes_add_be32(struct bytes *bytes, uint32_t value)
{
	be_put32(bytes_add_space(bytes, 4), value);
}

void
bytes_add_be64(struct bytes *bytes, uint64_t value)
{
	be_put64(bytes_add_space(bytes, 8), value);
}
