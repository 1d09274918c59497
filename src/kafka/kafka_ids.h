/* SPDX-License-Identifier: Apache-2.0
 *
 * Names for what the generated table holds, by the preprocessor from fields.def:
 *   KA_Produce                              API key
 *   KM_ProduceRequest                       index of kafka_messages[]
 *   KF_ProduceRequest_TopicData_Name        index of kafka_fields[]
 * Spelling is Kafka's own. To find a field, search fields.def for the name without KF_.
 */
#pragma once

enum kafka_api_key {
#define A(key, name) KA_##name = key,
#include "kafka/fields.def"
	KA_COUNT, /* one more than the highest key; the keys have gaps */
};

enum kafka_message_id {
#define M(name, ...) KM_##name,
#include "kafka/fields.def"
	KM_COUNT,
};

enum kafka_field_id {
#define F(name, ...) KF_##name,
#include "kafka/fields.def"
	KF_COUNT,
};
