/* SPDX-License-Identifier: Apache-2.0
 *
 * Producer ids and their owners. Start at tag_of(): what ties an id to a tenant.
 */
#include "proxy/producers.h"
#include <mbedtls/md.h>
#include <string.h>
#include "base/be.h"
#include "base/ensure.h"
#include "base/sha256.h"

#define BIT_62     (UINT64_C(1) << 62)
#define TAG_BITS   14
#define TAG_MASK   ((UINT64_C(1) << TAG_BITS) - 1)
#define COUNT_BITS 16

/* Offsets in the header of a record batch of magic 2 (protocol.md 3). */
enum { BATCH_MAGIC = 16, BATCH_ATTRIBUTES = 21, BATCH_PRODUCER_ID = 43 };
#define ATTRIBUTE_TRANSACTIONAL 0x10

/* Keys are made for tokens; the label keeps what is made here from ever being one. */
static const char label[] = "turnout producer id";

static uint64_t
tag_of(const struct token_key *key, const char *vcluster, uint64_t id)
{
	mbedtls_md_context_t md;
	uint8_t head[8];
	uint8_t digest[SHA256_BYTES];
	bool ok;

	be_put64(head, id & ~TAG_MASK);
	mbedtls_md_init(&md);
	ok = mbedtls_md_setup(&md, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 1) == 0 &&
	     mbedtls_md_hmac_starts(&md, key->bytes, key->length) == 0 &&
	     mbedtls_md_hmac_update(&md, (const uint8_t *)label, sizeof(label)) == 0 &&
	     mbedtls_md_hmac_update(&md, head, sizeof(head)) == 0 &&
	     mbedtls_md_hmac_update(&md, (const uint8_t *)vcluster, strlen(vcluster)) == 0 &&
	     mbedtls_md_hmac_finish(&md, digest) == 0;
	ENSURE(ok);
	mbedtls_md_free(&md);
	return be_get16(digest) & TAG_MASK;
}

int64_t
producer_id_new(const struct producer_owner *owner, uint32_t instance, uint32_t count)
{
	uint64_t id;

	ENSURE(count < PRODUCER_COUNT_MAX && instance >> PRODUCER_INSTANCE_BITS == 0);
	ENSURE(owner->keys_count > 0);
	id = BIT_62 | (uint64_t)instance << (TAG_BITS + COUNT_BITS) | (uint64_t)count << TAG_BITS;
	return (int64_t)(id | tag_of(&owner->keys[0], owner->vcluster, id));
}

bool
producer_id_is_of(const struct producer_owner *owner, int64_t id)
{
	if (id < 0 || ((uint64_t)id & BIT_62) == 0)
		return false;
	for (size_t i = 0; i < owner->keys_count; i++) {
		if (tag_of(&owner->keys[i], owner->vcluster, (uint64_t)id) ==
		    ((uint64_t)id & TAG_MASK))
			return true;
	}
	return false;
}

bool
producer_may_write(const struct producer_owner *owner, const uint8_t *header, bool transactions)
{
	int64_t id = (int64_t)be_get64(header + BATCH_PRODUCER_ID);

	if (header[BATCH_MAGIC] != 2)
		return true;
	if ((be_get16(header + BATCH_ATTRIBUTES) & ATTRIBUTE_TRANSACTIONAL) != 0)
		return transactions;
	return id < 0 || producer_id_is_of(owner, id);
}
