/* SPDX-License-Identifier: Apache-2.0
 *
 * apis.def as an array, found by API key through one index. Decides nothing at run time: what
 * clusters offer narrows these versions in ctl/.
 */
#include "kafka/apis.h"

#include "kafka/kafka_ids.h"

const struct api kafka_apis[] = {
#define A(name, policy, operation, flags, min, max, advertise_min, why)                            \
	{KA_##name, API_##policy, OPERATION_##operation, flags, min, max, advertise_min, why},
#include "kafka/apis.def"
};
const size_t kafka_apis_count = sizeof(kafka_apis) / sizeof(kafka_apis[0]);

enum row {
#define A(name, ...) ROW_##name,
#include "kafka/apis.def"
};

/* 1 + row by API key; 0 where the gateway does not offer it. */
static const uint8_t rows[KA_COUNT] = {
#define A(name, ...) [KA_##name] = 1 + ROW_##name,
#include "kafka/apis.def"
};

const struct api_denial kafka_denials[] = {
#define D(key, name, why) {key, #name, why},
#include "kafka/apis.def"
};
const size_t kafka_denials_count = sizeof(kafka_denials) / sizeof(kafka_denials[0]);

const char *
api_denied(int key, const char **name)
{
	for (size_t i = 0; i < kafka_denials_count; i++) {
		if (kafka_denials[i].key != key)
			continue;
		*name = kafka_denials[i].name;
		return kafka_denials[i].why;
	}
	return NULL;
}

const struct api *
api_find(int key)
{
	if (key < 0 || key >= KA_COUNT || rows[key] == 0)
		return NULL;
	return &kafka_apis[rows[key] - 1];
}
