/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 by mbedTLS: digests of configuration files, as sha256sum(1) prints them.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32
#define SHA256_HEX   65 /* with the NUL */

void sha256(const void *data, size_t length, uint8_t out[SHA256_BYTES]);
void sha256_hex(const uint8_t digest[SHA256_BYTES], char out[SHA256_HEX]);
