/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens made by hand, without libjwt: any header, any claims, any HMAC.
 */
#pragma once
#include <mbedtls/md.h>
#include <stdio.h>
#include <string.h>
#include "base/ensure.h"
#include "base/parse.h"
#include "config/snapshot.h"

static inline const char *
forge_token(const struct token_key *key, mbedtls_md_type_t digest, const char *header,
	    const char *claims, char *out, size_t size)
{
	uint8_t mac[64];
	size_t used;

	format_base64url((const uint8_t *)header, strlen(header), out, size);
	used = strlen(out);
	out[used++] = '.';
	format_base64url((const uint8_t *)claims, strlen(claims), out + used, size - used);
	used = strlen(out);
	if (digest == MBEDTLS_MD_NONE) {
		out[used++] = '.';
		out[used] = '\0';
		return out;
	}
	ENSURE(mbedtls_md_hmac(mbedtls_md_info_from_type(digest), key->bytes, key->length,
			       (const uint8_t *)out, used, mac) == 0);
	out[used++] = '.';
	format_base64url(mac, mbedtls_md_get_size(mbedtls_md_info_from_type(digest)), out + used,
			 size - used);
	return out;
}
