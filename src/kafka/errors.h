/* SPDX-License-Identifier: Apache-2.0
 *
 * Kafka's error codes as a table (errors.def): number, Kafka's name, and the gateway's own
 * sentence, which stands in for a broker's text because that may name another tenant's topic or a
 * host.
 */
#pragma once

enum kafka_error {
#define E(code, name, text) KAFKA_##name = code,
#include "kafka/errors.def"
#undef E
};

/* "TOPIC_AUTHORIZATION_FAILED"; "ERROR_nnn" is never returned: an unknown code gives "UNKNOWN". */
const char *kafka_error_name(int code);

/* The gateway's sentence for a code; for an unknown code one that says so. Never NULL. */
const char *kafka_error_text(int code);
