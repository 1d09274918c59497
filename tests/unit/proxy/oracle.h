/* SPDX-License-Identifier: Apache-2.0
 *
 * For test_rewrite.c: what rewriting should make of a message, said once more and in another way,
 * on a tree instead of on a stream of bytes. Knows the meanings, nothing of proxy/rewrite.c.
 */
#pragma once
#include <string.h>
#include "kafka/errors.h"
#include "kafka/kafka_ids.h"
#include "kafka/meaning.h"
#include "proxy/pattern.h"
#include "proxy/rewrite.h"
#include "support/tree.h"

struct oracle {
	struct arena *arena;
	const struct rewrite_context *cx;
	enum kafka_direction direction;
	int version;
	int error_code;
	int resource_type;
	struct tree *resource_type_node;
	int vnode;
	bool is_consumer;
	unsigned log_dirs;
	bool impossible; /* the frame must be refused */
};

static inline bool
oracle_is_request(const struct oracle *o)
{
	return o->direction == KAFKA_REQUEST;
}

static inline void
oracle_number(struct tree *node, int64_t number)
{
	node->number = number;
	node->bytes = NULL;
}

static inline bool
oracle_is_one_of(const struct tree *node, const char *a, const char *b, const char *c)
{
	const char *all[] = {a, b, c};

	for (size_t i = 0; i < 3; i++) {
		if (node->length == strlen(all[i]) &&
		    memcmp(node->bytes, all[i], node->length) == 0)
			return true;
	}
	return false;
}

static inline void
oracle_prepend(struct oracle *o, struct tree *node, const char *prefix)
{
	size_t length = strlen(prefix) + node->length;
	char *name = arena_alloc(o->arena, length + 1);

	if (node->null)
		return;
	if (length > INT16_MAX) {
		o->impossible = true;
		return;
	}
	memcpy(name, prefix, strlen(prefix));
	memcpy(name + strlen(prefix), node->bytes, node->length);
	node->bytes = (const uint8_t *)name;
	node->length = length;
}

/* false: foreign. */
static inline bool
oracle_strip_prefix(struct oracle *o, struct tree *node, bool may_be_empty)
{
	size_t n = o->cx->prefix_length;

	if (node->null)
		return true;
	if (node->length < n || memcmp(node->bytes, o->cx->prefix, n) != 0)
		return false;
	if (node->length == n && !may_be_empty)
		return false;
	node->bytes += n;
	node->length -= n;
	return true;
}

static inline int
oracle_vnode(const struct oracle *o, int64_t broker)
{
	for (size_t i = 0; i < o->cx->route->slots_count; i++) {
		if (o->cx->route->slots[i].broker_id == broker)
			return (int)i;
	}
	return -1;
}

/* A name of some kind; false: it and what it belongs to must vanish. */
static inline bool
oracle_name(struct oracle *o, struct tree *node, enum meaning meaning)
{
	bool is_topic = meaning == MEANING_TOPIC_NAME ||
			(meaning == MEANING_RESOURCE_NAME && o->resource_type == 2);

	if (meaning == MEANING_RESOURCE_NAME && o->resource_type != 2 && o->resource_type != 32) {
		if (!oracle_is_request(o))
			return false;
		oracle_prepend(o, node, arena_printf(o->arena, "=%02x", o->resource_type & 0xff));
		oracle_number(o->resource_type_node, 2);
		return true;
	}
	if (oracle_is_request(o)) {
		bool dots = is_topic && !node->null && oracle_is_one_of(node, "", ".", "..");

		oracle_prepend(o, node,
			       dots ? arena_printf(o->arena, "/%s", o->cx->prefix + 1)
				    : o->cx->prefix);
		return true;
	}
	if (meaning == MEANING_COORDINATOR_KEY && node->length == 0)
		return true;
	return oracle_strip_prefix(o, node, !is_topic);
}

/* A broker's number in a response; in_array: an unknown one is left out. */
static inline bool
oracle_node(struct oracle *o, struct tree *node, enum meaning meaning, bool in_array)
{
	int vnode = node->number < 0 ? -1 : oracle_vnode(o, node->number);

	if (meaning == MEANING_NODE_ID) {
		if (node->number < 0)
			return true;
		if (vnode < 0 && in_array)
			return false;
		oracle_number(node, vnode);
		return true;
	}
	o->vnode = vnode;
	if (node->number >= 0 && vnode < 0 && meaning == MEANING_BROKER_ID)
		return false;
	if (node->number >= 0 && vnode < 0)
		o->vnode = 0;
	oracle_number(node, o->vnode);
	return true;
}

static inline void
oracle_broker(struct oracle *o, struct tree *node)
{
	if (node->number < 0)
		return;
	if ((uint64_t)node->number < o->cx->route->slots_count)
		oracle_number(node, o->cx->route->slots[node->number].broker_id);
	else
		oracle_number(node, -1 - node->number);
}

static inline void
oracle_constant(struct oracle *o, struct tree *node, enum meaning meaning)
{
	bool nullable = kafka_versions_has(kafka_fields[node->field].nullable, o->version);

	if (meaning == MEANING_TOPIC_ID || meaning == MEANING_FETCH_SESSION_ID ||
	    meaning == MEANING_IS_INTERNAL || meaning == MEANING_IS_CORDONED) {
		oracle_number(node, 0);
		if (meaning == MEANING_TOPIC_ID)
			node->bytes = memset(arena_alloc(o->arena, 16), 0, 16);
	} else if (meaning == MEANING_RACK && !node->null) {
		node->null = nullable;
		node->length = 0;
	} else if (meaning == MEANING_LEADER_EPOCH || meaning == MEANING_NO_NODE ||
		   meaning == MEANING_REPLICA_ID || meaning == MEANING_FETCH_SESSION_EPOCH ||
		   meaning == MEANING_VOLUME_BYTES) {
		oracle_number(node, -1);
	}
}

/* A value of a response that the gateway says in its own words. */
static inline void
oracle_own_words(struct oracle *o, struct tree *node, enum meaning meaning)
{
	if (meaning == MEANING_HOST)
		tree_set_text(o->arena, node, o->vnode >= 0 ? o->cx->advertised_host : "");
	else if (meaning == MEANING_PORT)
		oracle_number(node, o->vnode >= 0 ? o->cx->port_start + o->vnode : -1);
	else if (meaning == MEANING_CLUSTER_ID)
		tree_set_text(o->arena, node, o->cx->cluster_id);
	else if (meaning == MEANING_AUTHORIZED_OPS)
		oracle_number(node, INT32_MIN);
	else if (meaning == MEANING_CLIENT_HOST)
		tree_set_text(o->arena, node, "/0.0.0.0");
	else if (meaning == MEANING_LOG_DIR)
		tree_set_text(o->arena, node, arena_printf(o->arena, "log-dir-%u", o->log_dirs++));
	else if (meaning == MEANING_ERROR_CODE)
		o->error_code = (int)node->number;
	else if (meaning == MEANING_ERROR_MESSAGE && node->length > 0)
		tree_set_text(o->arena, node, kafka_error_text(o->error_code));
}

static inline void
oracle_pattern(struct oracle *o, struct tree *node)
{
	struct pattern p;

	if (node->null || node->length == 0) {
		node->null = false;
		tree_set_text(o->arena, node,
			      arena_printf(o->arena, "\\Q%s\\E(?s:.*)", o->cx->prefix));
	} else if (!pattern_confine(node->bytes, node->length, &p)) {
		o->impossible = true;
	} else {
		struct bytes text = {0};
		char *copy;

		bytes_add(&text, "\\Q", 2);
		bytes_add(&text, o->cx->prefix, o->cx->prefix_length);
		bytes_add(&text, "\\E(?:", 5);
		bytes_add(&text, p.at, p.length);
		if (p.is_quoted)
			bytes_add(&text, "\\E", 2);
		bytes_add(&text, ")", 1);
		copy = arena_alloc(o->arena, text.length);
		memcpy(copy, text.data, text.length);
		node->bytes = (const uint8_t *)copy;
		node->length = text.length;
		bytes_free(&text);
	}
}

static inline bool oracle_apply(struct oracle *o, struct tree *node, bool in_array);

/* A consumer protocol message as a tree of its own; what follows it stays. */
static inline void
oracle_embedded(struct oracle *o, struct tree *node, int message)
{
	const struct kafka_message *m = &kafka_messages[message];
	struct oracle inner = *o;
	struct bytes out = {0};
	struct tree *root = NULL;
	size_t used = 0;
	int version;
	uint8_t *copy;

	if (!o->is_consumer || node->null || node->length < 2)
		return;
	version = (int16_t)(node->bytes[0] << 8 | node->bytes[1]);
	if (version < 0)
		return;
	root = tree_parse(o->arena, m, version < 3 ? version : 3, node->bytes + 2, node->length - 2,
			  &used);
	if (root == NULL)
		return;
	oracle_apply(&inner, root, false);
	o->impossible = o->impossible || inner.impossible;
	bytes_add(&out, node->bytes, 2);
	tree_encode(root, m, version < 3 ? version : 3, &out);
	bytes_add(&out, node->bytes + 2 + used, node->length - 2 - used);
	copy = arena_alloc(o->arena, out.length);
	memcpy(copy, out.data, out.length);
	node->bytes = copy;
	node->length = out.length;
	bytes_free(&out);
}

/* The kind of a listed config resource, from the number that follows its name. */
static inline void
oracle_look_ahead(struct oracle *o, const struct tree *node)
{
	for (size_t i = 0; i < node->count; i++) {
		if (node->children[i]->field ==
		    KF_ListConfigResourcesResponse_ConfigResources_ResourceType)
			o->resource_type = (int)node->children[i]->number;
		else if (node->children[i]->field ==
			 KF_ListConfigResourcesResponse_ConfigResources_ResourceName)
			o->resource_type = 16;
	}
}

/* false: the value is not the tenant's to see. */
static inline bool
oracle_value(struct oracle *o, struct tree *node, bool in_array)
{
	enum meaning meaning = (enum meaning)kafka_meanings[node->field];

	if (meaning == MEANING_TOPIC_NAME || meaning == MEANING_GROUP_ID ||
	    meaning == MEANING_TRANSACTIONAL_ID || meaning == MEANING_COORDINATOR_KEY ||
	    meaning == MEANING_RESOURCE_NAME)
		return oracle_name(o, node, meaning);
	if (meaning == MEANING_PROTOCOL_TYPE && !node->null)
		o->is_consumer = node->length == 8 && memcmp(node->bytes, "consumer", 8) == 0;
	if (meaning == MEANING_SUBSCRIPTION)
		oracle_embedded(o, node, KM_ConsumerProtocolSubscription);
	if (meaning == MEANING_ASSIGNMENT)
		oracle_embedded(o, node, KM_ConsumerProtocolAssignment);
	if (meaning == MEANING_CURSOR_TOPIC)
		return oracle_name(o, node, MEANING_TOPIC_NAME);
	if (meaning == MEANING_LISTED_NAME)
		return oracle_name(o, node, MEANING_RESOURCE_NAME);
	if (meaning == MEANING_LISTED_TYPE && oracle_is_request(o))
		return node->number == 2 || node->number == 32;
	if (meaning == MEANING_TRANSACTIONAL_ID_PATTERN && oracle_is_request(o))
		oracle_pattern(o, node);
	if (meaning == MEANING_RESOURCE_TYPE) {
		o->resource_type = (int)node->number;
		o->resource_type_node = node;
	}
	if (meaning == MEANING_COORDINATOR_TYPE && oracle_is_request(o) && node->number != 0 &&
	    node->number != 1)
		o->impossible = true;
	if (meaning == MEANING_NODE_ID || meaning == MEANING_BROKER_ID ||
	    meaning == MEANING_COORDINATOR_ID) {
		if (!oracle_is_request(o))
			return oracle_node(o, node, meaning, in_array);
		oracle_broker(o, node);
		return true;
	}
	if (meaning != MEANING_RACK || !oracle_is_request(o))
		oracle_constant(o, node, meaning);
	if (!oracle_is_request(o))
		oracle_own_words(o, node, meaning);
	return true;
}

static inline void
oracle_make_null(struct tree *node)
{
	node->null = true;
	node->count = 0;
}

/* Changes the node to what should come out. false: the array element that it belongs to goes. */
static inline bool
oracle_apply(struct oracle *o, struct tree *node, bool in_array)
{
	bool stays = true;
	size_t kept = 0;

	if (node->kind == TREE_VALUE)
		return oracle_value(o, node, in_array);
	if (node->kind == TREE_ARRAY && node->count == 0 && oracle_is_request(o) &&
	    kafka_meanings[node->field] == MEANING_LISTED_TYPE) {
		static const int own[] = {2, 32};

		for (int i = 0; i < 2; i++) {
			tree_append(o->arena, node, tree_new(o->arena, TREE_VALUE, node->field));
			node->children[i]->number = own[i];
			node->children[i]->length = 1;
		}
		return true;
	}
	oracle_look_ahead(o, node);
	for (size_t i = 0; i < node->count; i++) {
		struct tree *child = node->children[i];

		if (child->kind == TREE_UNKNOWN_TAG)
			continue;
		if (child->kind == TREE_TAG && kafka_meanings[child->field] == MEANING_DROP_TAG)
			continue;
		if (!oracle_apply(o, child, node->kind == TREE_ARRAY)) {
			if (node->kind == TREE_ARRAY)
				continue;
			if (child->field == KF_DescribeTopicPartitionsResponse_NextCursor)
				oracle_make_null(child);
			else
				stays = false;
		}
		node->children[kept++] = child;
	}
	node->count = kept;
	return stays;
}

/* What should become of a frame; NULL: it must be refused. */
static inline struct tree_frame *
oracle_frame(struct arena *arena, const struct rewrite_context *cx, const struct tree_frame *frame)
{
	struct tree_frame *out = arena_alloc(arena, sizeof(*out));
	struct oracle o = {.arena = arena,
			   .cx = cx,
			   .direction = frame->direction,
			   .version = frame->version,
			   .vnode = -1};
	struct tree *header = tree_copy(arena, frame->header);
	size_t kept = 0;

	*out = *frame;
	out->header = header;
	for (size_t i = 0; i < header->count; i++) {
		if (header->children[i]->kind != TREE_UNKNOWN_TAG)
			header->children[kept++] = header->children[i];
	}
	header->count = kept;
	out->body = tree_copy(arena, frame->body);
	if (!oracle_apply(&o, out->body, false) || o.impossible)
		return NULL;
	return out;
}
