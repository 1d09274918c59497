/* SPDX-License-Identifier: Apache-2.0
 *
 * Refusals. Start at refusal_feed(), which notes what the answer has to repeat, and
 * answer_value(), which gives it back: the encoder asks for the fields in the order in which the
 * request had them, so each echo is a queue.
 */
#include "proxy/refusal.h"
#include <stdio.h>
#include <string.h>
#include "base/be.h"
#include "base/ensure.h"
#include "kafka/encode.h"
#include "kafka/errors.h"
#include "kafka/kafka_ids.h"
#include "kafka/meaning.h"

/* What a request may have the gateway remember. */
#define VALUES_MAX (1 << 18)
#define TEXTS_MAX  (8 << 20)

enum { RESOURCE_TOPIC = 2, RESOURCE_GROUP = 32 };

/* A number, or the place of a text in refusal.texts. */
struct refusal_value {
	int64_t number; /* arrays: how many elements */
	uint32_t length;
	bool null;
};

struct echo_row {
	int16_t key;
	uint16_t answer;
	uint16_t request;
	int16_t until;
};

static const struct echo_row echo_rows[] = {
#define ANY                               INT16_MAX
#define ECHO(api, answer, request, until) {KA_##api, KF_##answer, KF_##request, until},
#include "proxy/refusal.def"
#undef ANY
};

static const struct {
	int16_t key;
	int16_t error;
} error_rows[] = {
#define ERROR(api, error) {KA_##api, KAFKA_##error},
#include "proxy/refusal.def"
};

static const struct {
	uint16_t field;
	int64_t number;
} constant_rows[] = {
#define CONSTANT(field, number) {KF_##field, number},
#include "proxy/refusal.def"
};

static const uint16_t empty_rows[] = {
#define EMPTY(field) KF_##field,
#include "proxy/refusal.def"
};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* -- the request */

void
refusal_begin(struct refusal *r, int key, int version, size_t size, int error)
{
	*r = (struct refusal){
	    .key = key,
	    .version = version,
	    .error = error,
	    .in_header = true,
	    .size = size,
	    .acks = 1,
	};
	for (size_t i = 0; i < ROWS(echo_rows); i++) {
		if (echo_rows[i].key != key || version > echo_rows[i].until)
			continue;
		ENSURE(r->echoes_count < REFUSAL_ECHOES);
		r->echoes[r->echoes_count].answer = echo_rows[i].answer;
		r->echoes[r->echoes_count].request = echo_rows[i].request;
		r->echoes_count++;
	}
	walk_init_prefix(&r->walk, &kafka_messages[KM_RequestHeader],
			 kafka_request_header_version(key, version), size);
}

static bool
fail(struct refusal *r, const char *why)
{
	snprintf(r->malformed, sizeof(r->malformed), "%s", why);
	return false;
}

/* A value as it is to be repeated. */
static bool
keep(struct refusal *r, struct refusal_echo *echo, const struct walk_item *item)
{
	enum kafka_type type = (enum kafka_type)kafka_fields[item->field].type;
	struct refusal_value value = {.number = item->number, .null = item->null};

	if (kafka_fields[echo->answer].array) {
		value.number = item->count;
	} else if (type == KAFKA_STRING && !item->null) {
		if (r->texts.length + item->length > TEXTS_MAX)
			return fail(r, "more names than can be refused at once");
		value.number = (int64_t)r->texts.length;
		value.length = (uint32_t)item->length;
		bytes_add(&r->texts, item->value, item->length);
	}
	if (echo->values.length >= VALUES_MAX * sizeof(value))
		return fail(r, "more names than can be refused at once");
	bytes_add(&echo->values, &value, sizeof(value));
	return true;
}

/* What the refusal itself depends on. */
static void
note(struct refusal *r, const struct walk_item *item)
{
	if (item->field == KF_RequestHeader_CorrelationId)
		r->correlation_id = (int32_t)item->number;
	else if (item->field == KF_ProduceRequest_Acks)
		r->acks = (int)item->number;
	else if (item->field == KF_InitProducerIdRequest_TransactionalId)
		r->without_id = item->null;
}

static bool
take(struct refusal *r, enum walk_event event, const struct walk_item *item)
{
	if (event == WALK_VALUE)
		note(r, item);
	for (unsigned i = 0; i < r->echoes_count; i++) {
		struct refusal_echo *echo = &r->echoes[i];
		enum walk_event wanted =
		    kafka_fields[echo->answer].array ? WALK_ARRAY_BEGIN : WALK_VALUE;

		if (event == wanted && item->field == echo->request && !keep(r, echo, item))
			return false;
	}
	return true;
}

enum refusal_progress
refusal_feed(struct refusal *r, const uint8_t *at, size_t length, size_t *consumed)
{
	const uint8_t *from = at;
	const uint8_t *end = at + length;
	struct walk_item item;
	enum walk_event event;

	for (;;) {
		event = walk_next(&r->walk, at, (size_t)(end - at), &item);
		*consumed = (size_t)(at - from);
		if (event == WALK_MORE)
			return REFUSAL_MORE;
		if (event == WALK_ERROR) {
			fail(r, r->walk.error);
			return REFUSAL_FAILED;
		}
		if (event == WALK_END && !r->in_header)
			return REFUSAL_DONE;
		if (event == WALK_END) {
			r->in_header = false;
			walk_init(&r->walk, kafka_message(r->key, KAFKA_REQUEST), r->version,
				  r->walk.left);
			continue;
		}
		if (!take(r, event, &item))
			return REFUSAL_FAILED;
		at += item.size;
	}
}

/* -- the answer */

static const struct refusal_value *
value_at(const struct refusal_echo *echo, size_t n)
{
	const struct refusal_value *values = (const void *)echo->values.data;

	return (n + 1) * sizeof(*values) <= echo->values.length ? &values[n] : NULL;
}

int
refusal_error(const struct refusal *r)
{
	if (r->error != REFUSAL_UNAUTHORIZED)
		return r->error;
	if (r->key == KA_InitProducerId && r->without_id)
		return KAFKA_CLUSTER_AUTHORIZATION_FAILED;
	for (size_t i = 0; i < ROWS(error_rows); i++) {
		if (error_rows[i].key == r->key)
			return error_rows[i].error;
	}
	return KAFKA_CLUSTER_AUTHORIZATION_FAILED;
}

/* Configs: what is refused depends on whose they are. The type comes after the error. */
static int
error_of_element(const struct refusal *r, const size_t *index)
{
	int type = 0;

	for (unsigned i = 0; i < r->echoes_count; i++) {
		const struct refusal_echo *echo = &r->echoes[i];
		const struct refusal_value *value;

		if (kafka_meanings[echo->answer] != MEANING_RESOURCE_TYPE)
			continue;
		value = value_at(echo, index[0]);
		type = value != NULL ? (int)value->number : 0;
	}
	if (r->error != REFUSAL_UNAUTHORIZED || type == 0)
		return refusal_error(r);
	return type == RESOURCE_TOPIC   ? KAFKA_TOPIC_AUTHORIZATION_FAILED
	       : type == RESOURCE_GROUP ? KAFKA_GROUP_AUTHORIZATION_FAILED
					: KAFKA_CLUSTER_AUTHORIZATION_FAILED;
}

/* A fetch whose topics are refused is itself in order: with an error of its own clients would ask
 * again for ever instead of telling their user. */
static bool
is_of_topics_alone(uint16_t field, int error)
{
	return field == KF_FetchResponse_ErrorCode && (error == KAFKA_TOPIC_AUTHORIZATION_FAILED ||
						       error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION ||
						       error == KAFKA_INVALID_TOPIC_EXCEPTION);
}

static void
give_back(const struct refusal *r, struct refusal_echo *echo, struct encode_value *out)
{
	const struct kafka_field *field = &kafka_fields[echo->answer];
	const struct refusal_value *value = value_at(echo, echo->next);

	if (value == NULL)
		return;
	echo->next++;
	if (field->array)
		out->count = (size_t)value->number;
	else if (field->type != KAFKA_STRING)
		out->number = value->number;
	else if (!value->null) {
		out->data = value->length > 0 ? (const void *)(r->texts.data + value->number) : "";
		out->length = value->length;
	}
}

static void
answer_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	struct refusal *r = arg;
	int error = error_of_element(r, index);

	for (unsigned i = 0; i < r->echoes_count; i++) {
		if (r->echoes[i].answer == field)
			give_back(r, &r->echoes[i], out);
	}
	for (size_t i = 0; i < ROWS(constant_rows); i++) {
		if (constant_rows[i].field == field)
			out->number = constant_rows[i].number;
	}
	for (size_t i = 0; i < ROWS(empty_rows); i++) {
		if (empty_rows[i] == field)
			out->data = "";
	}
	if (kafka_meanings[field] == MEANING_ERROR_CODE && !is_of_topics_alone(field, error))
		out->number = error;
	if (kafka_meanings[field] == MEANING_ERROR_MESSAGE) {
		out->data = kafka_error_text(error);
		out->length = strlen(out->data);
	}
	if (kafka_meanings[field] == MEANING_THROTTLE_TIME)
		r->throttle_at = r->out->length;
	if (kafka_meanings[field] == MEANING_AUTHORIZED_OPS)
		out->number = INT32_MIN;
	if (kafka_fields[field].type == KAFKA_STRUCT && !kafka_fields[field].array)
		out->null = true;
	if (kafka_fields[field].type == KAFKA_RECORDS)
		out->data = ""; /* none; some clients stumble over null */
}

void
refusal_answer(struct refusal *r, struct bytes *out)
{
	r->out = out;
	encode_response(r->key, r->version, r->correlation_id, answer_value, r, out);
}

void
refusal_free(struct refusal *r)
{
	for (unsigned i = 0; i < r->echoes_count; i++)
		bytes_free(&r->echoes[i].values);
	bytes_free(&r->texts);
}
