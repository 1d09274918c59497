/* SPDX-License-Identifier: Apache-2.0
 *
 * The producer ids that the gateway gives out itself (InitProducerId without a transactional id),
 * and whose they are. Where tenants share a topic, each sees the others' producer ids in the
 * batches: with a higher epoch it could fence a producer that is not its own, with a sequence break
 * it, and put records into a transaction that the other has open there. So an id says which tenant
 * it was made for, under a key that no tenant has, and a topic that several vclusters may write to
 * takes no batch with another's. By an alias (alias.is_contested) it takes none of a transaction
 * either: the producer ids of those come from the broker, which compares them with the
 * transactional id only when no transaction is open yet (KIP-890). The owner of the topic, whose
 * prefix it has, may use transactions: no guest has one open there.
 *
 *   bit 62      set: no cluster ever allocates such an id (protocol.md 2c)
 *   54 to 61    kept for a generation
 *   30 to 53    the instance: random, of a worker
 *   14 to 29    counted; then the worker draws another instance
 *    0 to 13    a tag of the bits above and the tenant (HMAC-SHA256, cut)
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "config/snapshot.h"

/* So many ids may be made with one instance. */
#define PRODUCER_COUNT_MAX     65536
#define PRODUCER_INSTANCE_BITS 24

/* Bytes of a record batch that have to be there to be checked: its header (magic 2). */
#define PRODUCER_BATCH_BYTES 61

/* A tenant, and the keys of tokens that are in force: the first makes tags, all check them, as with
 * tokens. Borrowed. */
struct producer_owner {
	const char *vcluster;
	const struct token_key *keys;
	size_t keys_count;
};

/* A new id; count is below PRODUCER_COUNT_MAX. */
int64_t producer_id_new(const struct producer_owner *owner, uint32_t instance, uint32_t count);

/* Was the id made for this tenant? */
bool producer_id_is_of(const struct producer_owner *owner, int64_t id);

/* May the tenant write this batch to a topic that others may write to as well? header has
 * PRODUCER_BATCH_BYTES bytes. A batch without a producer id may go, one of a transaction where
 * transactions says so. Another magic is the broker's to refuse. */
bool producer_may_write(const struct producer_owner *owner, const uint8_t *header,
			bool transactions);
