/* SPDX-License-Identifier: Apache-2.0
 *
 * The rewriter. Start at rules[], the table of what is done with each meaning in each direction;
 * then rewrite_item(), which keeps the stack of constructs and calls the rule. Everything else is
 * small actions.
 */
#include "proxy/rewrite.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/be.h"
#include "base/ensure.h"
#include "kafka/errors.h"
#include "kafka/kafka_ids.h"
#include "kafka/meaning.h"

#define NO_CLIENT_HOST "/0.0.0.0"
/* A frame goes out in so many segments at most (a name takes two): a frame of names of one byte
 * each must not become many times its size in the book-keeping. */
#define PIECES_MAX (1 << 20)
/* Bytes of the longest varint that anybody reads. */
#define VARINT_MAX 5

/* Config resource types (org.apache.kafka.common.config.ConfigResource). */
enum { RESOURCE_TOPIC = 2, RESOURCE_GROUP = 32 };

/* An action on one value; false: rw->error is set. */
typedef bool (*rule_fn)(struct rewriter *rw, const struct walk_item *item);

static bool __attribute__((format(printf, 3, 4)))
fail(struct rewriter *rw, uint16_t field, const char *format, ...)
{
	char path[128] = "";
	va_list args;
	size_t used;

	if (field != KAFKA_NO_FIELD)
		kafka_field_path(field, path, sizeof(path));
	used = (size_t)snprintf(rw->error, sizeof(rw->error),
				"%s v%d, at %s: ", rw->walk.message->name, rw->version, path);
	if (used >= sizeof(rw->error))
		return false;
	va_start(args, format);
	vsnprintf(rw->error + used, sizeof(rw->error) - used, format, args);
	va_end(args);
	return false;
}

/* -- emitting */

static void
emit(struct rewriter *rw, struct buf *buf, const uint8_t *at, size_t length)
{
	segs_add(&rw->out, buf, at, length);
	rw->emitted += length;
}

/* Passes the input up to `until` on as it is. */
static void
flush_span(struct rewriter *rw, const uint8_t *until)
{
	emit(rw, rw->in, rw->span, (size_t)(until - rw->span));
	rw->span = until;
}

/* A piece of our own making. */
static void
emit_copy(struct rewriter *rw, const void *bytes, size_t length)
{
	uint8_t *piece = scratch_take(rw->cx->scratch, length);

	memcpy(piece, bytes, length);
	emit(rw, rw->cx->scratch->buf, piece, length);
}

/* The input is ours: it was read from a socket into a block that only this connection's segments
 * refer to. */
static uint8_t *
writable(const uint8_t *at)
{
	return (uint8_t *)(uintptr_t)at;
}

static void
put_number(const struct walk_item *item, int64_t number)
{
	uint8_t *at = writable(item->start);

	switch (item->size) {
	case 1:
		at[0] = (uint8_t)number;
		return;
	case 2:
		be_put16(at, (uint16_t)number);
		return;
	case 4:
		be_put32(at, (uint32_t)number);
		return;
	case 8:
		be_put64(at, (uint64_t)number);
		return;
	default:
		ENSURE(!"an integer");
	}
}

/* The length prefix of a string of this length, in the item's encoding. A streamed frame must grow
 * by the same amount for every name, so there a compact length keeps its width, or takes one byte
 * more when the name grows. */
static size_t
string_length_prefix(const struct rewriter *rw, const struct walk_item *item, size_t length,
		     uint8_t out[VARINT_MAX])
{
	unsigned width;

	if (!rw->walk.flexible || kafka_fields[item->field].classic_string) {
		be_put16(out, (uint16_t)length);
		return 2;
	}
	width = uvarint_width((uint32_t)length + 1);
	if (rw->streaming)
		width = (unsigned)(item->size - item->length) + (length > item->length ? 1 : 0);
	uvarint_put(out, (uint32_t)length + 1, width);
	return width;
}

/* Replaces a string by prefix + the last `keep` bytes of what it was. */
static void
replace_string(struct rewriter *rw, const struct walk_item *item, const char *prefix,
	       size_t prefix_length, size_t keep)
{
	uint8_t head[VARINT_MAX];
	size_t width = string_length_prefix(rw, item, prefix_length + keep, head);

	flush_span(rw, item->start);
	emit_copy(rw, head, width);
	emit_copy(rw, prefix, prefix_length);
	rw->span = item->value + item->length - keep;
}

/* Replaces a nullable string by null. */
static void
replace_null(struct rewriter *rw, const struct walk_item *item)
{
	static const uint8_t compact_null[1] = {0};
	static const uint8_t classic_null[2] = {0xff, 0xff};

	flush_span(rw, item->start);
	if (rw->walk.flexible)
		emit(rw, NULL, compact_null, sizeof(compact_null));
	else
		emit(rw, NULL, classic_null, sizeof(classic_null));
	rw->span = item->start + item->size;
}

/* -- dropping */

static struct rewrite_level *
level_top(struct rewriter *rw)
{
	return &rw->levels[rw->depth - 1];
}

/* An element of an array of leaves: just not passed on. */
static void
drop_leaf(struct rewriter *rw, const struct walk_item *item)
{
	flush_span(rw, item->start);
	rw->span = item->start + item->size;
	level_top(rw)->kept--;
}

/* Marks what the item belongs to as dropped: its own array's element, or the innermost struct
 * element around it. */
static bool
drop_element(struct rewriter *rw, const struct walk_item *item)
{
	if (rw->streaming)
		return fail(rw, item->field,
			    "names something foreign in a frame whose size is already promised");
	if (level_top(rw)->is_array) {
		drop_leaf(rw, item);
		return true;
	}
	for (unsigned i = rw->depth; i-- > 0;) {
		if (rw->levels[i].is_element) {
			rw->levels[i].drop = true;
			return true;
		}
	}
	return fail(rw, item->field,
		    "names something foreign, and there is no element to leave out");
}

/* Takes back everything since an element or tag began, and goes on behind it. */
static void
undo_level(struct rewriter *rw, const struct rewrite_level *level, const uint8_t *end)
{
	size_t before = rw->out.bytes;

	segs_rollback(&rw->out, level->mark);
	rw->emitted -= before - rw->out.bytes;
	rw->span = level->span;
	flush_span(rw, level->began);
	rw->span = end;
}

/* Writes a changed count over the old one, in as many bytes (KIP-482 varints may be longer than
 * needed). */
static void
put_count(const struct rewrite_level *level, uint32_t compact_value)
{
	if (level->kept == level->count)
		return;
	if (level->compact)
		uvarint_put(level->count_at, compact_value, level->count_width);
	else
		be_put32(level->count_at, level->kept);
}

/* -- rules: names */

static bool
add_prefix(struct rewriter *rw, const struct walk_item *item)
{
	if (item->null)
		return true;
	if (rw->cx->prefix_length + item->length > INT16_MAX)
		return fail(rw, item->field, "a name of %zu bytes is too long", item->length);
	if (rw->streaming && item->size - item->length >= VARINT_MAX)
		return fail(rw, item->field,
			    "a length of %zu bytes leaves no room for a longer one",
			    item->size - item->length);
	replace_string(rw, item, rw->cx->prefix, rw->cx->prefix_length, item->length);
	return true;
}

/* A topic's virtual name must be legal by itself: with the prefix even "" or ".." would be. Such a
 * name goes out bare, and the broker refuses it as it would without a gateway. */
static bool
add_topic_prefix(struct rewriter *rw, const struct walk_item *item)
{
	bool dots = item->length <= 2 && memcmp(item->value, "..", item->length) == 0;

	if (!item->null && dots) {
		if (rw->streaming)
			return fail(rw, item->field, "not a legal topic name");
		return true;
	}
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
		return drop_element(rw, item);
	replace_string(rw, item, "", 0, item->length - rw->cx->prefix_length);
	return true;
}

/* The physical topic whose name is just the prefix has no virtual name. */
static bool
strip_topic_prefix(struct rewriter *rw, const struct walk_item *item)
{
	if (!item->null && item->length == rw->cx->prefix_length && !rw->streaming)
		return drop_element(rw, item);
	return strip_prefix(rw, item);
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
	return fail(rw, item->field, "coordinator type %lld is not offered",
		    (long long)item->number);
}

static bool
remember_resource_type(struct rewriter *rw, const struct walk_item *item)
{
	rw->resource_type = (int)item->number;
	return true;
}

static bool
is_own_resource_type(const struct rewriter *rw)
{
	return rw->resource_type == RESOURCE_TOPIC || rw->resource_type == RESOURCE_GROUP;
}

/* Configs of brokers, loggers and client metrics are the operator's. */
static bool
add_resource_prefix(struct rewriter *rw, const struct walk_item *item)
{
	if (!is_own_resource_type(rw))
		return drop_element(rw, item);
	return rw->resource_type == RESOURCE_TOPIC ? add_topic_prefix(rw, item)
						   : add_prefix(rw, item);
}

static bool
strip_resource_prefix(struct rewriter *rw, const struct walk_item *item)
{
	if (!is_own_resource_type(rw))
		return drop_element(rw, item);
	return rw->resource_type == RESOURCE_TOPIC ? strip_topic_prefix(rw, item)
						   : strip_prefix(rw, item);
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
		drop_leaf(rw, item);
		return true;
	}
	put_number(item, vnode);
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
		put_number(item, route->slots[item->number].broker_id);
	else
		put_number(item, -1 - item->number);
	return true;
}

static bool
broker_to_vnode(struct rewriter *rw, const struct walk_item *item)
{
	rw->vnode = item->number < 0 ? -1 : route_vnode(rw->cx->route, (int32_t)item->number);
	if (item->number >= 0 && rw->vnode < 0)
		return drop_element(rw, item);
	put_number(item, rw->vnode);
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
	put_number(item, rw->vnode);
	return true;
}

static bool
set_host(struct rewriter *rw, const struct walk_item *item)
{
	const char *host = rw->vnode >= 0 ? rw->cx->advertised_host : "";

	replace_string(rw, item, host, strlen(host), 0);
	return true;
}

static bool
set_port(struct rewriter *rw, const struct walk_item *item)
{
	put_number(item, rw->vnode >= 0 ? rw->cx->port_start + rw->vnode : -1);
	return true;
}

/* -- rules: constants */

static bool
set_minus_one(struct rewriter *rw, const struct walk_item *item)
{
	(void)rw;
	put_number(item, -1);
	return true;
}

static bool
set_zero(struct rewriter *rw, const struct walk_item *item)
{
	(void)rw;
	memset(writable(item->start), 0, item->size);
	return true;
}

static bool
set_operations_omitted(struct rewriter *rw, const struct walk_item *item)
{
	(void)rw;
	put_number(item, INT32_MIN);
	return true;
}

static bool
set_null(struct rewriter *rw, const struct walk_item *item)
{
	if (item->null)
		return true;
	if (kafka_versions_has(kafka_fields[item->field].nullable, rw->version))
		replace_null(rw, item);
	else
		replace_string(rw, item, "", 0, 0);
	return true;
}

static bool
set_cluster_id(struct rewriter *rw, const struct walk_item *item)
{
	replace_string(rw, item, rw->cx->cluster_id, strlen(rw->cx->cluster_id), 0);
	return true;
}

static bool
set_client_host(struct rewriter *rw, const struct walk_item *item)
{
	replace_string(rw, item, NO_CLIENT_HOST, strlen(NO_CLIENT_HOST), 0);
	return true;
}

/* -- rules: texts and facts for the caller */

static bool
remember_error_code(struct rewriter *rw, const struct walk_item *item)
{
	rw->error_code = (int)item->number;
	return true;
}

/* A broker's sentence may name physical topics, other tenants' topics or hosts: ours stands for it.
 */
static bool
set_error_text(struct rewriter *rw, const struct walk_item *item)
{
	const char *text = kafka_error_text(rw->error_code);

	if (item->null || item->length == 0)
		return true;
	if (rw->streaming)
		return fail(rw, item->field,
			    "an error text in a frame whose size is already promised");
	replace_string(rw, item, text, strlen(text), 0);
	return true;
}

static bool
remember_acks(struct rewriter *rw, const struct walk_item *item)
{
	rw->acks = (int)item->number;
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
    [MEANING_TOPIC_NAME] = {add_topic_prefix, strip_topic_prefix},
    [MEANING_TOPIC_ID] = {set_zero, set_zero},
    [MEANING_GROUP_ID] = {add_prefix, strip_prefix},
    [MEANING_TRANSACTIONAL_ID] = {add_prefix, strip_prefix},
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
    [MEANING_RESOURCE_NAME] = {add_resource_prefix, strip_resource_prefix},
    [MEANING_ACKS] = {remember_acks, NULL},
};

/* -- the engine */

static struct rewrite_level *
level_push(struct rewriter *rw, const struct walk_item *item)
{
	ENSURE(rw->depth < WALK_DEPTH);
	rw->levels[rw->depth] = (struct rewrite_level){
	    .field = item->field,
	    .began = item->start,
	    .span = rw->span,
	    .mark = segs_mark(&rw->out),
	};
	rw->depth++;
	return level_top(rw);
}

/* A streamed frame: from here on only the names of `topics` change, each by as much. */
static bool
promise_size(struct rewriter *rw, const struct walk_item *item)
{
	int64_t each = rw->direction == KAFKA_REQUEST ? (int64_t)rw->cx->prefix_length
						      : -(int64_t)rw->cx->prefix_length;
	int64_t before = (int64_t)(rw->emitted + (size_t)(item->start + item->size - rw->span));
	int64_t total;

	if (rw->direction == KAFKA_REQUEST && rw->walk.flexible)
		each++;
	total = before + (int64_t)rw->walk.left + each * (int64_t)item->count;
	if (total < 4 || total > INT32_MAX)
		return fail(rw, item->field, "the rewritten frame would have %lld bytes",
			    (long long)total);
	rw->total = (size_t)total;
	be_put32(rw->size_at, (uint32_t)(total - 4));
	rw->promised = true;
	return true;
}

static bool
begin_array(struct rewriter *rw, const struct walk_item *item)
{
	struct rewrite_level *level = level_push(rw, item);

	level->is_array = true;
	level->compact = rw->walk.flexible;
	level->count_at = writable(item->start);
	level->count_width = (unsigned)item->size;
	level->count = item->count;
	level->kept = item->count;
	if (rw->streaming && !rw->promised && kafka_fields[item->field].type == KAFKA_STRUCT)
		return promise_size(rw, item);
	return true;
}

static void
end_array(struct rewriter *rw)
{
	struct rewrite_level *level = level_top(rw);

	put_count(level, level->kept + 1);
	rw->depth--;
}

static void
begin_struct(struct rewriter *rw, const struct walk_item *item)
{
	bool in_array = rw->depth > 0 && level_top(rw)->is_array;

	level_push(rw, item)->is_element = in_array;
}

/* Where the frame going out stands when the one coming in stands at `at`. */
static size_t
position(const struct rewriter *rw, const uint8_t *at)
{
	return rw->emitted + (size_t)(at - rw->span);
}

/* What a tag lost or gained on the way is in its size, too. */
static bool
put_tag_size(struct rewriter *rw, const struct rewrite_level *level, const uint8_t *end)
{
	size_t size = position(rw, end) - level->from;

	if (size == level->came || level->drop)
		return true;
	if (rw->streaming || size > UINT32_MAX || uvarint_width((uint32_t)size) > level->size_width)
		return fail(rw, level->field, "%zu bytes do not fit where %zu were", size,
			    level->came);
	uvarint_put(level->size_at, (uint32_t)size, level->size_width);
	return true;
}

/* The end of a struct or tag: the tags that went are taken off its count, and a dropped element is
 * undone. */
static void
end_struct(struct rewriter *rw, const struct walk_item *item)
{
	struct rewrite_level level = *level_top(rw);

	put_count(&level, level.kept);
	rw->depth--;
	if (!level.drop)
		return;
	undo_level(rw, &level, item->start + item->size);
	level_top(rw)->kept--;
}

static void
begin_tags(struct rewriter *rw, const struct walk_item *item)
{
	struct rewrite_level *level = level_top(rw);

	level->compact = true;
	level->count_at = writable(item->start);
	level->count_width = (unsigned)item->size;
	level->count = item->count;
	level->kept = item->count;
}

/* Of a varint that was read already. */
static unsigned
varint_bytes(const uint8_t *at)
{
	unsigned width = 1;

	while ((*at++ & 0x80) != 0)
		width++;
	return width;
}

/* A tag's fields sit in a level of their own, which is dropped as a whole where its meaning says
 * so. */
static bool
begin_tag(struct rewriter *rw, const struct walk_item *item)
{
	struct rewrite_level *level = level_push(rw, item);
	unsigned tag_width = varint_bytes(item->start);

	level->size_at = writable(item->start + tag_width);
	level->size_width = (unsigned)item->size - tag_width;
	level->came = item->length;
	level->from = position(rw, item->start + item->size);

	level->drop = kafka_meanings[item->field] == MEANING_DROP_TAG;
	if (level->drop && rw->streaming)
		return fail(rw, item->field,
			    "cannot be left out of a frame whose size is already promised");
	return true;
}

/* What the table does not know could be anything: it does not pass (protocol.md 1.0). */
static bool
drop_unknown_tag(struct rewriter *rw, const struct walk_item *item)
{
	if (rw->promised)
		return fail(rw, item->field,
			    "unknown tag %lld in a frame whose size is already promised",
			    (long long)item->number);
	drop_leaf(rw, item);
	return true;
}

static bool
apply_rule(struct rewriter *rw, const struct walk_item *item)
{
	rule_fn rule;

	if (rw->in_header)
		return true;
	rule = rw->direction == KAFKA_REQUEST ? rules[kafka_meanings[item->field]].request
					      : rules[kafka_meanings[item->field]].response;
	return rule == NULL || rule(rw, item);
}

static bool
rewrite_item(struct rewriter *rw, enum walk_event event, const struct walk_item *item)
{
	switch (event) {
	case WALK_VALUE:
		return apply_rule(rw, item);
	case WALK_ARRAY_BEGIN:
		return begin_array(rw, item);
	case WALK_ARRAY_END:
		end_array(rw);
		return true;
	case WALK_STRUCT_BEGIN:
		begin_struct(rw, item);
		return true;
	case WALK_TAG_END:
		if (!put_tag_size(rw, level_top(rw), item->start))
			return false;
		end_struct(rw, item);
		return true;
	case WALK_STRUCT_END:
		end_struct(rw, item);
		return true;
	case WALK_TAGS:
		begin_tags(rw, item);
		return true;
	case WALK_TAG_BEGIN:
		return begin_tag(rw, item);
	case WALK_UNKNOWN_TAG:
		return drop_unknown_tag(rw, item);
	case WALK_RECORDS:
	case WALK_PAYLOAD:
	case WALK_MORE:
	case WALK_END:
	case WALK_ERROR:
		break;
	}
	return true;
}

static const struct kafka_message *
header_of(enum kafka_direction direction)
{
	return &kafka_messages[direction == KAFKA_REQUEST ? KM_RequestHeader : KM_ResponseHeader];
}

static void
begin(struct rewriter *rw, const struct rewrite_context *cx, enum kafka_direction direction,
      int key, int version, size_t size)
{
	int header_version = direction == KAFKA_REQUEST
				 ? kafka_request_header_version(key, version)
				 : kafka_response_header_version(key, version);

	ENSURE(rw->out.count == 0);
	*rw = (struct rewriter){
	    .cx = cx,
	    .direction = direction,
	    .key = key,
	    .version = version,
	    .in_header = true,
	    .out = rw->out,
	    .vnode = -1,
	    .acks = 1,
	    .size_at = scratch_take(cx->scratch, 4),
	    .depth = 1,
	};
	emit(rw, cx->scratch->buf, rw->size_at, 4);
	walk_init_prefix(&rw->walk, header_of(direction), header_version, size);
}

/* The header is through: what is left of the frame is the body. */
static void
begin_body(struct rewriter *rw)
{
	put_count(&rw->levels[0], rw->levels[0].kept);
	rw->in_header = false;
	rw->depth = 1;
	rw->levels[0] = (struct rewrite_level){.field = KAFKA_NO_FIELD};
	walk_init(&rw->walk, kafka_message(rw->key, rw->direction), rw->version, rw->walk.left);
}

/* The message is through; its own tag section may have lost tags. */
static bool
finish(struct rewriter *rw, const uint8_t *end)
{
	put_count(&rw->levels[0], rw->levels[0].kept);
	flush_span(rw, end);
	rw->finished = true;
	if (rw->streaming && rw->promised && rw->emitted != rw->total)
		return fail(rw, KAFKA_NO_FIELD, "%zu bytes were promised, %zu came", rw->total,
			    rw->emitted);
	if (!rw->promised)
		be_put32(rw->size_at, (uint32_t)(rw->emitted - 4));
	rw->promised = true;
	return true;
}

/* Walks what is there. */
static enum rewrite_progress
run(struct rewriter *rw, const uint8_t *at, const uint8_t *end, const uint8_t **stopped)
{
	struct walk_item item;
	enum walk_event event;

	for (;;) {
		event = walk_next(&rw->walk, at, (size_t)(end - at), &item);
		*stopped = at;
		if (event == WALK_MORE)
			return REWRITE_MORE;
		if (event == WALK_ERROR) {
			snprintf(rw->error, sizeof(rw->error), "%s", rw->walk.error);
			return REWRITE_FAILED;
		}
		if (event == WALK_END && !rw->in_header)
			return finish(rw, at) ? REWRITE_DONE : REWRITE_FAILED;
		if (event == WALK_END) {
			begin_body(rw);
			continue;
		}
		if (!rewrite_item(rw, event, &item))
			return REWRITE_FAILED;
		if (rw->out.count > PIECES_MAX) {
			fail(rw, item.field, "more names than a frame may have");
			return REWRITE_FAILED;
		}
		at += item.size;
	}
}

bool
rewrite_frame(struct rewriter *rw, const struct rewrite_context *cx, enum kafka_direction direction,
	      int key, int version, struct buf *in, const uint8_t *frame, size_t size)
{
	const uint8_t *stopped;
	enum rewrite_progress progress;

	begin(rw, cx, direction, key, version, size);
	rw->in = in;
	rw->span = frame;
	progress = run(rw, frame, frame + size, &stopped);
	if (progress == REWRITE_DONE)
		return true;
	if (progress == REWRITE_MORE)
		fail(rw, KAFKA_NO_FIELD, "the frame ends after %zu bytes, %zu more are needed",
		     size, rw->walk.need);
	segs_rollback(&rw->out, (struct segs_mark){0});
	return false;
}

void
rewrite_stream_begin(struct rewriter *rw, const struct rewrite_context *cx,
		     enum kafka_direction direction, int key, int version, size_t size)
{
	begin(rw, cx, direction, key, version, size);
	rw->streaming = true;
}

enum rewrite_progress
rewrite_stream_feed(struct rewriter *rw, struct buf *in, const uint8_t *at, size_t length,
		    size_t *consumed)
{
	const uint8_t *stopped;
	enum rewrite_progress progress;

	rw->in = in;
	rw->span = at;
	progress = run(rw, at, at + length, &stopped);
	*consumed = (size_t)(stopped - at);
	if (progress == REWRITE_MORE)
		flush_span(rw, stopped);
	return progress;
}

void
rewrite_free(struct rewriter *rw)
{
	segs_free(&rw->out);
}
