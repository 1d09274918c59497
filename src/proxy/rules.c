/* SPDX-License-Identifier: Apache-2.0
 *
 * What is done with each meaning in each direction. Start at rules[], the table; everything before
 * it is small actions on one value.
 */
#include <stdio.h>
#include <string.h>
#include "base/be.h"
#include "base/ensure.h"
#include "kafka/errors.h"
#include "kafka/kafka_ids.h"
#include "kafka/meaning.h"
#include "proxy/configs.h"
#include "proxy/embedded.h"
#include "proxy/groups.h"
#include "proxy/lookup.h"
#include "proxy/pattern.h"
#include "proxy/rewriting.h"

#define NO_CLIENT_HOST "/0.0.0.0"

/* An action on one value; false: rw->error is set. */
typedef bool (*rule_fn)(struct rewriter *rw, const struct walk_item *item);

/* -- rules: names */

static bool
add_prefix(struct rewriter *rw, const struct walk_item *item)
{
	if (item->null)
		return true;
	if (rw->cx->prefix_length + item->length > INT16_MAX)
		return rw_fail(rw, item->field, "a name of %zu bytes is too long", item->length);
	if (rw->streaming && item->size - item->length >= VARINT_MAX)
		return rw_fail(rw, item->field,
			       "a length of %zu bytes leaves no room for a longer one",
			       item->size - item->length);
	rw_replace_string(rw, item, rw->cx->prefix, rw->cx->prefix_length, item->length);
	return true;
}

/* A Fetch that names an alias gets an answer whose names change by other amounts than the prefix,
 * so that it cannot be streamed: it may not be larger than what is held as a whole. */
static void
note_alias(struct rewriter *rw)
{
	rw->named_alias = true;
	if (rw->max_bytes_at != NULL && (int32_t)be_get32(rw->max_bytes_at) > rw->cx->whole_bytes)
		be_put32(rw->max_bytes_at, (uint32_t)rw->cx->whole_bytes);
}

static bool
put_physical(struct rewriter *rw, const struct walk_item *item, const struct name_out *name)
{
	if (name->head_length + name->keep > INT16_MAX)
		return rw_fail(rw, item->field, "a name of %zu bytes is too long", item->length);
	if (rw->streaming && item->size - item->length >= VARINT_MAX)
		return rw_fail(rw, item->field,
			       "a length of %zu bytes leaves no room for a longer one",
			       item->size - item->length);
	rw_replace_string(rw, item, name->head, name->head_length, name->keep);
	rw->guard = rw->key == KA_Produce ? name->guard : NAME_UNGUARDED;
	if (name->is_alias)
		note_alias(rw);
	return !rw->promise_waits || rw_promise(rw, item, 0);
}

/* Only what was looked up may be named, where naming a topic would make it (lookup.c). */
static bool
would_be_made(const struct rewriter *rw, const struct walk_item *item, const struct name_out *name)
{
	char physical[2 * NAME_HEAD_MAX];
	size_t length = name->head_length + name->keep;

	if (rw->key != KA_Metadata || rw->cx->own == NULL || name->head == name->marked)
		return false;
	if (length > sizeof(physical))
		return true;
	memcpy(physical, name->head, name->head_length);
	memcpy(physical + name->head_length, item->value + item->length - name->keep, name->keep);
	return !own_topics_has(rw->cx->own, physical, length);
}

static bool
to_physical(struct rewriter *rw, const struct walk_item *item)
{
	struct name_out name;

	if (item->null)
		return true;
	names_to_physical(&rw->cx->names, rw->api, item->value, item->length, &name);
	if (would_be_made(rw, item, &name))
		names_refuse_unknown(&rw->cx->names, item->length, &name);
	return put_physical(rw, item, &name);
}

static bool
group_to_physical(struct rewriter *rw, const struct walk_item *item)
{
	rw->group = groups_hash(item->value, item->length);
	return add_prefix(rw, item);
}

static bool
has_prefix(const struct rewriter *rw, const struct walk_item *item)
{
	return item->length >= rw->cx->prefix_length &&
	       memcmp(item->value, rw->cx->prefix, rw->cx->prefix_length) == 0;
}

/* What is not the tenant's own does not exist for it. */
static bool
strip_prefix(struct rewriter *rw, const struct walk_item *item)
{
	if (item->null)
		return true;
	if (!has_prefix(rw, item))
		return rw_drop_element(rw, item);
	rw_replace_string(rw, item, "", 0, item->length - rw->cx->prefix_length);
	return true;
}

/* A name that is the tenant's, or came back to be refused. */
static bool
put_virtual(struct rewriter *rw, const struct walk_item *item, const struct name_in *name)
{
	if (name->owner == NAME_ALIAS && rw->streaming)
		return rw_fail(rw, item->field,
			       "an alias in a frame whose size is already promised");
	if (name->owner == NAME_REFUSED)
		rw_refuse_element(rw, name->error);
	if (name->owner == NAME_ALIAS)
		rw_replace_string(rw, item, name->alias->topic, strlen(name->alias->topic), 0);
	else
		rw_replace_string(rw, item, "", 0, name->keep);
	return true;
}

static bool
to_virtual(struct rewriter *rw, const struct walk_item *item)
{
	struct name_in name;

	if (item->null)
		return true;
	name = names_to_virtual(&rw->cx->names, item->value, item->length);
	if (name.owner == NAME_FOREIGN || name.resource_type != 0)
		return rw_drop_element(rw, item);
	return put_virtual(rw, item, &name);
}

/* FindCoordinator: an error answer of version 0 to 3 has no key, and batched answers repeat the one
 * asked for. */
static bool
strip_coordinator_key(struct rewriter *rw, const struct walk_item *item)
{
	if (item->length == 0)
		return true;
	return strip_prefix(rw, item);
}

static bool
check_coordinator_type(struct rewriter *rw, const struct walk_item *item)
{
	if (item->number == 0 || item->number == 1)
		return true;
	return rw_fail(rw, item->field, "coordinator type %lld is not offered",
		       (long long)item->number);
}

static bool
remember_resource_type(struct rewriter *rw, const struct walk_item *item)
{
	rw->resource_type = (int)item->number;
	rw->resource_type_at = rw_writable(item->start);
	return true;
}

/* Configs of brokers, loggers and client metrics are the operator's. The broker gets to see a topic
 * that cannot be, so that the answer has something to say of each. */
static bool
resource_to_physical(struct rewriter *rw, const struct walk_item *item)
{
	struct name_out name;

	if (rw->resource_type == RESOURCE_TOPIC)
		return to_physical(rw, item);
	if (rw->resource_type == RESOURCE_GROUP)
		return add_prefix(rw, item);
	names_refuse_resource(rw->resource_type, item->length, &name);
	*rw->resource_type_at = RESOURCE_TOPIC;
	return put_physical(rw, item, &name);
}

static bool
resource_to_virtual(struct rewriter *rw, const struct walk_item *item)
{
	struct name_in name;

	if (rw->resource_type == RESOURCE_GROUP)
		return strip_prefix(rw, item);
	if (rw->resource_type != RESOURCE_TOPIC)
		return rw_drop_element(rw, item);
	name = names_to_virtual(&rw->cx->names, item->value, item->length);
	if (name.resource_type == 0 || rw->resource_type_at == NULL) /* a list: none was refused */
		return to_virtual(rw, item);
	*rw->resource_type_at = (uint8_t)name.resource_type;
	return put_virtual(rw, item, &name);
}

/* The page of another tenant's topics is none: there is no next one. */
static bool
cursor_to_virtual(struct rewriter *rw, const struct walk_item *item)
{
	struct name_in name = names_to_virtual(&rw->cx->names, item->value, item->length);

	if (name.owner == NAME_FOREIGN || name.resource_type != 0)
		return rw_drop_struct(rw, item);
	return put_virtual(rw, item, &name);
}

/* -- rules: embedded bytes */

static bool
remember_protocol_type(struct rewriter *rw, const struct walk_item *item)
{
	static const char consumer[] = "consumer";

	if (!item->null)
		rw->is_consumer = item->length == strlen(consumer) &&
				  memcmp(item->value, consumer, item->length) == 0;
	return true;
}

static bool
rewrite_subscription(struct rewriter *rw, const struct walk_item *item)
{
	return embedded_rewrite(rw, item, &kafka_messages[KM_ConsumerProtocolSubscription]);
}

static bool
rewrite_assignment(struct rewriter *rw, const struct walk_item *item)
{
	return embedded_rewrite(rw, item, &kafka_messages[KM_ConsumerProtocolAssignment]);
}

/* -- rules: the client's own name */

/* Some names carry rights with Kafka: __admin_client may write to topics of Kafka itself. */
static bool
disarm_client_id(struct rewriter *rw, const struct walk_item *item)
{
	(void)rw;
	if (item->length >= 2 && memcmp(item->value, "__", 2) == 0)
		*rw_writable(item->value) = '-';
	return true;
}

/* -- rules: lists of everything */

/* What kinds of resources a ListConfigResources asks for. */
static bool
keep_own_type(struct rewriter *rw, const struct walk_item *item)
{
	if (item->number != RESOURCE_TOPIC && item->number != RESOURCE_GROUP)
		rw_drop_leaf(rw, item);
	return true;
}

/* No type means all of them: those of the tenant. */
static bool
list_own_types(struct rewriter *rw, const struct walk_item *item)
{
	static const uint8_t own_types[] = {3, RESOURCE_TOPIC, RESOURCE_GROUP};

	if (item->count > 0)
		return true;
	rw_flush_span(rw, item->start);
	rw_emit(rw, NULL, own_types, sizeof(own_types));
	rw->span = item->start + item->size;
	return true;
}

/* The type is the byte behind the name; version 0 has none, and lists client metrics. */
static bool
strip_listed_name(struct rewriter *rw, const struct walk_item *item)
{
	const uint8_t *type = item->start + item->size;

	rw->resource_type = RESOURCE_CLIENT_METRICS;
	if (rw->version > 0 && rw->walk.left < 1)
		return rw_fail(rw, item->field, "nothing says of what type it is");
	if (rw->version > 0)
		rw->resource_type = (int8_t)*type;
	return resource_to_virtual(rw, item);
}

/* A regular expression over the tenant's own ids; none stands for all of them, and a broker that
 * reads none reads all of the cluster's. One that cannot be confined was answered by local.c. */
static bool
confine_pattern(struct rewriter *rw, const struct walk_item *item)
{
	struct pattern pattern;
	char before[160];

	if (item->null || item->length == 0) {
		snprintf(before, sizeof(before), "\\Q%s\\E(?s:.*)", rw->cx->prefix);
		rw_wrap_string(rw, item, before, item->value, 0, "");
		return true;
	}
	if (!pattern_confine(item->value, item->length, &pattern))
		return rw_fail(rw, item->field, "cannot be confined to the prefix");
	snprintf(before, sizeof(before), "\\Q%s\\E(?:", rw->cx->prefix);
	rw_wrap_string(rw, item, before, pattern.at, pattern.length,
		       pattern.is_quoted ? "\\E)" : ")");
	return true;
}

/* -- rules: nodes */

/* Towards clients: broker id to vnode. In an array of ids an unknown one is left out. */
static bool
node_to_vnode(struct rewriter *rw, const struct walk_item *item)
{
	int vnode;

	if (item->number < 0)
		return true;
	vnode = route_vnode(rw->cx->route, (int32_t)item->number);
	if (vnode < 0 && kafka_fields[item->field].array && !rw->streaming) {
		rw_drop_leaf(rw, item);
		return true;
	}
	rw_put_number(item, vnode);
	return true;
}

/* Towards brokers: vnode to broker id, as in the replica assignments of CreateTopics. A vnode that
 * is not there keeps its number made negative, so that the broker refuses it. */
static bool
vnode_to_node(struct rewriter *rw, const struct walk_item *item)
{
	const struct route *route = rw->cx->route;

	if (item->number < 0)
		return true;
	if ((uint64_t)item->number < route->slots_count)
		rw_put_number(item, route->slots[item->number].broker_id);
	else
		rw_put_number(item, -1 - item->number);
	return true;
}

static bool
broker_to_vnode(struct rewriter *rw, const struct walk_item *item)
{
	rw->vnode = item->number < 0 ? -1 : route_vnode(rw->cx->route, (int32_t)item->number);
	if (item->number >= 0 && rw->vnode < 0)
		return rw_drop_element(rw, item);
	rw_put_number(item, rw->vnode);
	return true;
}

/* A coordinator on a broker not known yet: the first vnode answers NOT_COORDINATOR, and the client
 * asks again. */
static bool
coordinator_to_vnode(struct rewriter *rw, const struct walk_item *item)
{
	rw->vnode = item->number < 0 ? -1 : route_vnode(rw->cx->route, (int32_t)item->number);
	if (item->number >= 0 && rw->vnode < 0)
		rw->vnode = 0;
	rw_put_number(item, rw->vnode);
	return true;
}

static bool
set_host(struct rewriter *rw, const struct walk_item *item)
{
	const char *host = rw->vnode >= 0 ? rw->cx->advertised_host : "";

	rw_replace_string(rw, item, host, strlen(host), 0);
	return true;
}

static bool
set_port(struct rewriter *rw, const struct walk_item *item)
{
	rw_put_number(item, rw->vnode >= 0 ? rw->cx->port_start + rw->vnode : -1);
	return true;
}

/* -- rules: constants */

static bool
set_minus_one(struct rewriter *rw, const struct walk_item *item)
{
	(void)rw;
	rw_put_number(item, -1);
	return true;
}

static bool
set_zero(struct rewriter *rw, const struct walk_item *item)
{
	(void)rw;
	memset(rw_writable(item->start), 0, item->size);
	return true;
}

static bool
set_operations_omitted(struct rewriter *rw, const struct walk_item *item)
{
	(void)rw;
	rw_put_number(item, INT32_MIN);
	return true;
}

static bool
set_null(struct rewriter *rw, const struct walk_item *item)
{
	if (item->null)
		return true;
	if (kafka_versions_has(kafka_fields[item->field].nullable, rw->version))
		rw_replace_null(rw, item);
	else
		rw_replace_string(rw, item, "", 0, 0);
	return true;
}

static bool
set_cluster_id(struct rewriter *rw, const struct walk_item *item)
{
	rw_replace_string(rw, item, rw->cx->cluster_id, strlen(rw->cx->cluster_id), 0);
	return true;
}

static bool
set_client_host(struct rewriter *rw, const struct walk_item *item)
{
	rw_replace_string(rw, item, NO_CLIENT_HOST, strlen(NO_CLIENT_HOST), 0);
	return true;
}

/* -- rules: texts and facts for the caller */

static bool
remember_error_code(struct rewriter *rw, const struct walk_item *item)
{
	rw->error_code = (int)item->number;
	if (rw->refused_error != 0) {
		rw->error_code = rw->refused_error;
		rw_put_number(item, rw->refused_error);
	}
	rw_level_top(rw)->code_at = rw_writable(item->start);
	return !rw->cx->is_expanded || expand_check_error(rw, item);
}

/* Naming a topic must not make it: a list of all topics never does, nor does a user who may not
 * write. */
static bool
set_no_creation(struct rewriter *rw, const struct walk_item *item)
{
	return rw->is_expanded || rw->cx->no_creation ? set_zero(rw, item) : true;
}

/* The name of a config resource stands behind the text; when it is one that is refused, the code
 * that came will be another. */
static int
code_of_text(const struct rewriter *rw, const struct walk_item *item)
{
	const uint8_t *at = item->start + item->size + 1;
	size_t left = rw->walk.left;
	struct name_in name;
	uint32_t length = 0;
	int width = 2;

	if (item->field + 2U >= kafka_fields_count ||
	    kafka_meanings[item->field + 1] != MEANING_RESOURCE_TYPE ||
	    kafka_meanings[item->field + 2] != MEANING_RESOURCE_NAME || left < 3)
		return rw->error_code;
	left--;
	if (rw->walk.flexible)
		width = uvarint_get(at, left, &length);
	else
		length = be_get16(at) + 1U;
	if (width < 1 || length < 1 || left - (size_t)width < length - 1)
		return rw->error_code;
	name = names_to_virtual(&rw->cx->names, at + width, length - 1);
	return name.owner == NAME_REFUSED && name.error != 0 ? name.error : rw->error_code;
}

/* A broker's sentence may name physical topics, other tenants' topics or hosts: ours stands for it.
 */
static bool
set_error_text(struct rewriter *rw, const struct walk_item *item)
{
	const char *text;

	if (item->null || item->length == 0)
		return true;
	if (rw->streaming)
		return rw_fail(rw, item->field,
			       "an error text in a frame whose size is already promised");
	text = kafka_error_text(code_of_text(rw, item));
	rw_replace_string(rw, item, text, strlen(text), 0);
	return true;
}

/* Directories are told apart by their number. Kafka's tools take them for keys, so all blank would
 * lose some. */
static bool
set_log_dir(struct rewriter *rw, const struct walk_item *item)
{
	char name[32];
	int length = snprintf(name, sizeof(name), "log-dir-%u", rw->log_dirs++);

	rw_replace_string(rw, item, name, (size_t)length, 0);
	return true;
}

static bool
limit_fetch(struct rewriter *rw, const struct walk_item *item)
{
	if (rw->cx->fetch_bytes > 0 && item->number > rw->cx->fetch_bytes)
		rw_put_number(item, rw->cx->fetch_bytes);
	return true;
}

static bool
remember_max_bytes(struct rewriter *rw, const struct walk_item *item)
{
	rw->max_bytes_at = rw_writable(item->start);
	return limit_fetch(rw, item);
}

static bool
remember_acks(struct rewriter *rw, const struct walk_item *item)
{
	rw->acks = (int)item->number;
	return true;
}

static bool
tell_throttle_time(struct rewriter *rw, const struct walk_item *item)
{
	if (rw->cx->throttle_ms > 0 && rw->cx->throttle_ms > item->number)
		rw_put_number(item, rw->cx->throttle_ms);
	return true;
}

/* The action for a meaning in a request and in a response; NULL: it passes. DROP_TAG is seen to
 * where tags begin. */
static const struct {
	rule_fn request;
	rule_fn response;
} rules[MEANING_COUNT] = {
    [MEANING_ERROR_CODE] = {NULL, remember_error_code},
    [MEANING_ERROR_MESSAGE] = {NULL, set_error_text},
    [MEANING_TOPIC_NAME] = {to_physical, to_virtual},
    [MEANING_CURSOR_TOPIC] = {to_physical, cursor_to_virtual},
    [MEANING_TOPIC_ID] = {set_zero, set_zero},
    [MEANING_GROUP_ID] = {group_to_physical, strip_prefix},
    [MEANING_PROTOCOL_TYPE] = {remember_protocol_type, remember_protocol_type},
    [MEANING_SUBSCRIPTION] = {rewrite_subscription, rewrite_subscription},
    [MEANING_ASSIGNMENT] = {rewrite_assignment, rewrite_assignment},
    [MEANING_TRANSACTIONAL_ID] = {add_prefix, strip_prefix},
    [MEANING_TRANSACTIONAL_ID_PATTERN] = {confine_pattern, NULL},
    [MEANING_COORDINATOR_KEY] = {add_prefix, strip_coordinator_key},
    [MEANING_COORDINATOR_TYPE] = {check_coordinator_type, NULL},
    [MEANING_NODE_ID] = {vnode_to_node, node_to_vnode},
    [MEANING_BROKER_ID] = {vnode_to_node, broker_to_vnode},
    [MEANING_COORDINATOR_ID] = {vnode_to_node, coordinator_to_vnode},
    [MEANING_NO_NODE] = {set_minus_one, set_minus_one},
    [MEANING_REPLICA_ID] = {set_minus_one, set_minus_one},
    [MEANING_HOST] = {NULL, set_host},
    [MEANING_PORT] = {NULL, set_port},
    [MEANING_RACK] = {NULL, set_null},
    [MEANING_LEADER_EPOCH] = {set_minus_one, set_minus_one},
    [MEANING_FETCH_SESSION_ID] = {set_zero, set_zero},
    [MEANING_FETCH_SESSION_EPOCH] = {set_minus_one, set_minus_one},
    [MEANING_CLUSTER_ID] = {set_null, set_cluster_id},
    [MEANING_AUTHORIZED_OPS] = {NULL, set_operations_omitted},
    [MEANING_CLIENT_HOST] = {NULL, set_client_host},
    [MEANING_IS_INTERNAL] = {set_zero, set_zero},
    [MEANING_RESOURCE_TYPE] = {remember_resource_type, remember_resource_type},
    [MEANING_RESOURCE_NAME] = {resource_to_physical, resource_to_virtual},
    [MEANING_LISTED_TYPE] = {keep_own_type, NULL},
    [MEANING_LISTED_NAME] = {NULL, strip_listed_name},
    [MEANING_CLIENT_ID] = {disarm_client_id, NULL},
    [MEANING_CONFIG_NAME] = {config_note_name, config_note_name},
    [MEANING_CONFIG_VALUE] = {config_rewrite_value, config_rewrite_value},
    [MEANING_LOG_DIR] = {NULL, set_log_dir},
    [MEANING_IS_CORDONED] = {NULL, set_zero},
    [MEANING_VOLUME_BYTES] = {NULL, set_minus_one},
    [MEANING_FETCH_MAX_BYTES] = {remember_max_bytes, NULL},
    [MEANING_ACKS] = {remember_acks, NULL},
    [MEANING_AUTO_CREATION] = {set_no_creation, NULL},
    [MEANING_FETCH_BYTES] = {limit_fetch, NULL},
    [MEANING_THROTTLE_TIME] = {NULL, tell_throttle_time},
};

bool
rule_apply(struct rewriter *rw, const struct walk_item *item)
{
	rule_fn rule;

	rule = rw->direction == KAFKA_REQUEST ? rules[kafka_meanings[item->field]].request
					      : rules[kafka_meanings[item->field]].response;
	return rule == NULL || rule(rw, item);
}

bool
rule_apply_array(struct rewriter *rw, const struct walk_item *item)
{
	if (rw->direction == KAFKA_REQUEST && kafka_meanings[item->field] == MEANING_LISTED_TYPE)
		return list_own_types(rw, item);
	return true;
}
