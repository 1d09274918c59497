/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 through mbedTLS's generic digest interface, which is the same in 2.28 and 3.x.
 */
#include "base/sha256.h"
#include <mbedtls/md.h>
#include <stdio.h>
#include "base/ensure.h"

void
sha256(const void *data, size_t length, uint8_t out[SHA256_BYTES])
{
	ENSURE(mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), data, length, out) == 0);
}

void
sha256_hex(const uint8_t digest[SHA256_BYTES], char out[SHA256_HEX])
{
	for (size_t i = 0; i < SHA256_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}
