/* SPDX-License-Identifier: Apache-2.0
 *
 * The generated field table (fields.def) as arrays, and look-ups in them. Must not know what a
 * field means to the gateway. Everything here is constant: an API key leads to its messages by one
 * index, no search.
 */
#include "kafka/schema.h"

#include <stdio.h>

#include "base/ensure.h"
#include "kafka/kafka_ids.h"

/* Words of fields.def. */
/* clang-format off */
#define SINCE(version)     { (version), KAFKA_VERSION_MAX }
#define RANGE(first, last) { (first), (last) }
#define NEVER              { 1, 0 }
#define SINGLE             false
#define ARRAY              true
#define FOLLOWS            false
#define CLASSIC            true
#define STABLE             false
#define UNSTABLE           true
#define LEAF               0, 0
#define HOLDS(first, n)    KF_##first, (n)
#define TOP                KAFKA_NO_FIELD
#define IN(field)          KF_##field
/* clang-format on */

_Static_assert(KF_COUNT < KAFKA_NO_FIELD, "field numbers are 16 bits");

const char kafka_schema_release[] =
#define RELEASE(version) version
#include "kafka/fields.def"
    ;

#define F(id, name, type, array, classic, tag, versions, nullable, tagged, holds, parent)          \
	[KF_##id] = {name,     KAFKA_##type, array,  classic, tag,                                 \
		     versions, nullable,     tagged, holds,   parent},
const struct kafka_field kafka_fields[KF_COUNT] = {
#include "kafka/fields.def"
};
const size_t kafka_fields_count = KF_COUNT;

#define M(name, key, direction, unstable, versions, flexible, holds)                               \
	[KM_##name] = {#name, key, KAFKA_##direction, unstable, versions, flexible, holds},
const struct kafka_message kafka_messages[KM_COUNT] = {
#include "kafka/fields.def"
};
const size_t kafka_messages_count = KM_COUNT;

/* By API key; keys that Kafka has retired are left empty. */
static const struct {
	const char *name; /* NULL: no such API */
	uint16_t message[2];
} apis[KA_COUNT] = {
#define A(key, name) [key] = {#name, {KM_##name##Request, KM_##name##Response}},
#include "kafka/fields.def"
};

static bool
api_exists(int key)
{
	return key >= 0 && key < KA_COUNT && apis[key].name;
}

const struct kafka_message *
kafka_message(int key, enum kafka_direction direction)
{
	if (!api_exists(key) || (direction != KAFKA_REQUEST && direction != KAFKA_RESPONSE))
		return NULL;
	return &kafka_messages[apis[key].message[direction]];
}

const char *
kafka_api_name(int key)
{
	return api_exists(key) ? apis[key].name : "unknown";
}

static bool
is_flexible(int key, enum kafka_direction direction, int version)
{
	const struct kafka_message *message = kafka_message(key, direction);

	ENSURE(message != NULL);
	return kafka_versions_has(message->flexible, version);
}

int
kafka_request_header_version(int key, int version)
{
	return is_flexible(key, KAFKA_REQUEST, version) ? 2 : 1;
}

int
kafka_response_header_version(int key, int version)
{
	/* A client that does not yet know the broker must be able to read this one. */
	if (key == KA_ApiVersions)
		return 0;
	return is_flexible(key, KAFKA_RESPONSE, version) ? 1 : 0;
}

char *
kafka_field_path(uint16_t field, char *out, size_t size)
{
	uint16_t chain[32];
	size_t n = 0, used = 0;

	if (size == 0)
		return out;
	out[0] = '\0';
	while (field < KF_COUNT && n < sizeof(chain) / sizeof(chain[0])) {
		chain[n++] = field;
		field = kafka_fields[field].parent;
	}
	while (n > 0 && used < size) {
		const char *name = kafka_fields[chain[--n]].name;
		int wrote = snprintf(out + used, size - used, "%s%s", used ? "." : "", name);

		if (wrote < 0)
			break;
		used += (size_t)wrote;
	}
	return out;
}
