/* SPDX-License-Identifier: Apache-2.0
 *
 * A tenant's regular expression over transactional ids (KIP-1152, RE2J, it must match the whole
 * id), made one over the tenant's own: \Qprefix\E(?:expression).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer ones are refused: with the prefix a string of the protocol must still hold them. */
#define PATTERN_MAX 30000

/* What of an expression goes between "(?:" and ")". */
struct pattern {
	const uint8_t *at;
	size_t length;
	bool is_quoted; /* it ends inside \Q: "\E" must come before the ")" */
};

/* false: the expression cannot stand behind a prefix. An anchor inside it would never match there,
 * and a parenthesis that closes what it did not open would end the confinement. */
bool pattern_confine(const uint8_t *text, size_t length, struct pattern *out);
