/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers that the gateway makes itself. Start at handlers[]: one row per API. A handler reads what
 * it needs of the request with read_fields() and describes its answer to the encoder field by
 * field, which serves all versions.
 */
#include <stdio.h>
#include <string.h>
#include "base/be.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/log.h"
#include "kafka/encode.h"
#include "kafka/errors.h"
#include "kafka/kafka_ids.h"
#include "kafka/meaning.h"
#include "kafka/walk.h"
#include "proxy/client.h"
#include "proxy/producers.h"
#include "proxy/pattern.h"
#include "proxy/worker_state.h"

#define MECHANISM "PLAIN"

/* What a handler is called with, and what its answer is made from. */
struct local {
	struct client *c;
	int key;
	int version;
	int32_t correlation_id;
	const uint8_t *frame;
	size_t size;
	struct bytes *answer;
	char *why;
	size_t why_size;
	/* for the answers */
	int error;
	const char *error_text;
	struct api_range apis[WORLD_API_KEYS];
	int16_t keys[WORLD_API_KEYS];
	size_t keys_count;
	int64_t producer_id;
	encode_fn value;    /* the handler's own fields */
	int64_t session_ms; /* that a login holds */
	size_t nodes[64];   /* vnodes that a broker stands behind */
	size_t nodes_count;
};

typedef enum local_result (*handler_fn)(struct local *l);

/* -- reading */

/* A top-level field of the request that a handler wants to see. */
struct wanted {
	uint16_t field;
	bool found;
	struct walk_item item; /* of the last one where it is an array */
	size_t count;          /* so many came */
	uint64_t numbers;      /* which numbers below 64 they were */
};

static void
want(struct wanted *wanted, const struct walk_item *item)
{
	wanted->item = *item;
	wanted->found = true;
	wanted->count++;
	if (item->number >= 0 && item->number < 64)
		wanted->numbers |= UINT64_C(1) << item->number;
}

/* Walks the whole request; false when it is malformed (l->why says how). */
static bool
read_fields(struct local *l, int version, struct wanted *wanted, size_t count)
{
	struct walk w;
	struct walk_item item;
	const uint8_t *at = l->frame;
	const uint8_t *end = at + l->size;
	enum walk_event event;

	walk_init_prefix(&w, &kafka_messages[KM_RequestHeader],
			 kafka_request_header_version(l->key, version), l->size);
	while ((event = walk_next(&w, at, (size_t)(end - at), &item)) > WALK_MORE)
		at += item.size;
	if (event == WALK_END) {
		walk_init(&w, kafka_message(l->key, KAFKA_REQUEST), version, (size_t)(end - at));
		while ((event = walk_next(&w, at, (size_t)(end - at), &item)) > WALK_MORE) {
			for (size_t i = 0; event == WALK_VALUE && i < count; i++) {
				if (wanted[i].field == item.field)
					want(&wanted[i], &item);
			}
			at += item.size;
		}
	}
	if (event == WALK_END)
		return true;
	snprintf(l->why, l->why_size, "%s",
		 event == WALK_ERROR ? w.error : "the frame is shorter than its request");
	return false;
}

/* What every answer has alike, then the handler's own. */
static void
common_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct local *l = arg;

	if (kafka_meanings[field] == MEANING_THROTTLE_TIME)
		l->c->throttle_at = l->answer->length; /* known when the answer's size is */
	else
		l->value(arg, field, index, out);
}

static void
answer(struct local *l, int version, encode_fn fn)
{
	l->value = fn;
	l->c->throttle_at = 0;
	encode_response(l->key, version, l->correlation_id, common_value, l, l->answer);
}

static void
set_text(struct encode_value *out, const char *text)
{
	out->data = text;
	out->length = text != NULL ? strlen(text) : 0;
}

/* -- ApiVersions */

static void
api_versions_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct local *l = arg;

	switch (field) {
	case KF_ApiVersionsResponse_ErrorCode:
		out->number = l->error;
		break;
	case KF_ApiVersionsResponse_ApiKeys:
		out->count = l->keys_count;
		break;
	case KF_ApiVersionsResponse_ApiKeys_ApiKey:
		out->number = l->keys[index[0]];
		break;
	case KF_ApiVersionsResponse_ApiKeys_MinVersion:
		out->number = l->apis[l->keys[index[0]]].min;
		break;
	case KF_ApiVersionsResponse_ApiKeys_MaxVersion:
		out->number = l->apis[l->keys[index[0]]].max;
		break;
	default:
		break;
	}
}

/* The tables' and the clusters' common ranges; a lower minimum where the table says that clients
 * need to see one. */
static void
list_apis(struct local *l)
{
	const struct world *world = l->c->w->world;

	for (size_t i = 0; i < kafka_apis_count; i++) {
		const struct api *api = &kafka_apis[i];
		struct api_range range = world->apis[api->key];

		if (range.min > range.max)
			continue;
		if (api->advertise_min < api->min)
			range.min = api->advertise_min;
		l->apis[api->key] = range;
		l->keys[l->keys_count++] = api->key;
	}
}

/* KIP-511: names that clients give themselves. */
static bool
is_software_text(const struct walk_item *item)
{
	for (size_t i = 0; i < item->length; i++) {
		uint8_t b = item->value[i];
		bool is_alnum =
		    (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9');
		bool is_inner = i > 0 && i + 1 < item->length;

		if (!is_alnum && !(is_inner && (b == '-' || b == '.')))
			return false;
	}
	return item->length > 0;
}

/* A version that the gateway does not know is answered with the oldest body, an error, and the
 * range of ApiVersions (KIP-511). */
static enum local_result
handle_unknown_api_versions(struct local *l)
{
	const struct api *api = api_find(KA_ApiVersions);

	l->error = KAFKA_UNSUPPORTED_VERSION;
	l->keys_count = 1;
	l->keys[0] = KA_ApiVersions;
	l->apis[KA_ApiVersions] = (struct api_range){api->min, api->max};
	answer(l, 0, api_versions_value);
	return LOCAL_ANSWERED;
}

static enum local_result
handle_api_versions(struct local *l)
{
	struct wanted wanted[] = {
	    {.field = KF_ApiVersionsRequest_ClientSoftwareName},
	    {.field = KF_ApiVersionsRequest_ClientSoftwareVersion},
	};

	if (!api_has_version(api_find(KA_ApiVersions), l->version))
		return handle_unknown_api_versions(l);
	if (!read_fields(l, l->version, wanted, 2))
		return LOCAL_BROKEN;
	if (wanted[0].found &&
	    (!is_software_text(&wanted[0].item) || !is_software_text(&wanted[1].item)))
		l->error = KAFKA_INVALID_REQUEST;
	else
		list_apis(l);
	answer(l, l->version, api_versions_value);
	return LOCAL_ANSWERED;
}

/* -- SASL */

static void
handshake_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct local *l = arg;

	(void)index;
	if (field == KF_SaslHandshakeResponse_ErrorCode)
		out->number = l->error;
	else if (field == KF_SaslHandshakeResponse_Mechanisms && !out->element)
		out->count = 1;
	else if (field == KF_SaslHandshakeResponse_Mechanisms)
		set_text(out, MECHANISM);
}

static enum local_result
handle_handshake(struct local *l)
{
	struct wanted mechanism = {.field = KF_SaslHandshakeRequest_Mechanism};

	if (!read_fields(l, l->version, &mechanism, 1))
		return LOCAL_BROKEN;
	l->c->mechanism_agreed = mechanism.item.length == strlen(MECHANISM) &&
				 memcmp(mechanism.item.value, MECHANISM, strlen(MECHANISM)) == 0;
	if (!l->c->mechanism_agreed)
		l->error = KAFKA_UNSUPPORTED_SASL_MECHANISM;
	answer(l, l->version, handshake_value);
	return LOCAL_ANSWERED;
}

static void
authenticate_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct local *l = arg;

	(void)index;
	if (field == KF_SaslAuthenticateResponse_ErrorCode)
		out->number = l->error;
	else if (field == KF_SaslAuthenticateResponse_ErrorMessage)
		set_text(out, l->error_text);
	else if (field == KF_SaslAuthenticateResponse_AuthBytes)
		set_text(out, "");
	else if (field == KF_SaslAuthenticateResponse_SessionLifetimeMs)
		out->number = l->session_ms;
}

/* A second login on a connection may renew the token, not become somebody else (KIP-368). */
static bool
is_same_identity(const struct client *c, const struct sasl_identity *identity)
{
	return c->state == CLIENT_GREETING ||
	       (strcmp(c->identity.vcluster, identity->vcluster) == 0 &&
		strcmp(c->identity.username, identity->username) == 0);
}

static enum auth_verdict
login(struct client *c, const struct walk_item *bytes)
{
	const struct world *world = c->w->world;
	struct sasl_identity identity;
	enum auth_verdict verdict;

	if (!c->mechanism_agreed)
		return AUTH_MECHANISM;
	verdict = sasl_plain(world->snap, world->keys, world->keys_count, bytes->value,
			     bytes->length, clock_wall_s(), &identity);
	if (verdict != AUTH_OK)
		return verdict;
	if (!is_same_identity(c, &identity))
		return AUTH_USERNAME;
	c->identity = identity;
	c->mechanism_agreed = false;
	if (c->state == CLIENT_GREETING && !throttle_admit(c))
		return AUTH_CONNECTIONS;
	return client_bind(c) ? AUTH_OK : AUTH_UNKNOWN_VCLUSTER;
}

static void
note_login(const struct client *c, bool is_renewed)
{
	WORKER_COUNT(c->w, auth_ok, 1);
	log_at(is_renewed ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
	       is_renewed ? "client.renew" : "client.login", KV_STR("peer", c->peer),
	       KV_STR("vcluster", c->identity.vcluster), KV_STR("user", c->identity.username),
	       KV_INT("vnode", c->vnode));
}

static enum local_result
handle_authenticate(struct local *l)
{
	struct wanted bytes = {.field = KF_SaslAuthenticateRequest_AuthBytes};
	bool is_renewed = l->c->state == CLIENT_OPEN;
	enum auth_verdict verdict;

	if (!read_fields(l, l->version, &bytes, 1))
		return LOCAL_BROKEN;
	verdict = login(l->c, &bytes.item);
	if (verdict == AUTH_OK) {
		l->session_ms = session_begin(l->c);
		note_login(l->c, is_renewed);
		answer(l, l->version, authenticate_value);
		return LOCAL_ANSWERED;
	}
	WORKER_COUNT(l->c->w, auth_refused, 1);
	log_warn("client.refused", KV_STR("peer", l->c->peer),
		 KV_STR("vcluster", verdict == AUTH_CONNECTIONS ? l->c->identity.vcluster : NULL),
		 KV_STR("user", verdict == AUTH_CONNECTIONS ? l->c->identity.username : NULL),
		 KV_STR("reason", auth_verdict_name(verdict)),
		 KV_STR("why", auth_verdict_text(verdict)));
	/* Clients give up for good after a refused password, but try again after any other error.
	 */
	l->error = verdict == AUTH_CONNECTIONS ? KAFKA_THROTTLING_QUOTA_EXCEEDED
					       : KAFKA_SASL_AUTHENTICATION_FAILED;
	l->error_text = verdict == AUTH_CONNECTIONS ? auth_verdict_text(verdict) : sasl_refusal;
	answer(l, l->version, authenticate_value);
	snprintf(l->why, l->why_size, "login refused: %s", auth_verdict_text(verdict));
	return LOCAL_REFUSED;
}

/* -- InitProducerId */

static void
producer_id_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct local *l = arg;

	(void)index;
	if (field == KF_InitProducerIdResponse_ProducerId)
		out->number = l->producer_id;
}

static int64_t
next_producer_id(const struct client *c)
{
	struct worker_state *w = c->w;
	struct producer_owner owner;

	if (w->producer_count == PRODUCER_COUNT_MAX)
		worker_draw_producers(w);
	client_producer_owner(c, &owner);
	return producer_id_new(&owner, w->producer_instance, w->producer_count++);
}

static enum local_result
handle_init_producer_id(struct local *l)
{
	struct wanted id = {.field = KF_InitProducerIdRequest_TransactionalId};

	if (!read_fields(l, l->version, &id, 1))
		return LOCAL_BROKEN;
	if (!id.item.null)
		return LOCAL_FORWARD;
	l->producer_id = next_producer_id(l->c);
	answer(l, l->version, producer_id_value);
	return LOCAL_ANSWERED;
}

/* -- DescribeCluster */

static void
cluster_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct local *l = arg;
	const struct settings *settings = &l->c->w->world->snap->settings;

	switch (field) {
	case KF_DescribeClusterResponse_ErrorCode:
		out->number = l->error;
		break;
	case KF_DescribeClusterResponse_ErrorMessage:
		set_text(out, l->error != 0 ? kafka_error_text(l->error) : NULL);
		break;
	case KF_DescribeClusterResponse_EndpointType:
		out->number = 1;
		break;
	case KF_DescribeClusterResponse_ClusterId:
		set_text(out, l->c->vc->cluster_id);
		break;
	case KF_DescribeClusterResponse_ControllerId:
		out->number = l->nodes_count > 0 ? (int64_t)l->nodes[0] : -1;
		break;
	case KF_DescribeClusterResponse_Brokers:
		out->count = l->nodes_count;
		break;
	case KF_DescribeClusterResponse_Brokers_BrokerId:
		out->number = (int64_t)l->nodes[index[0]];
		break;
	case KF_DescribeClusterResponse_Brokers_Host:
		set_text(out, settings->advertised_host);
		break;
	case KF_DescribeClusterResponse_Brokers_Port:
		out->number = settings->port_start + (int64_t)l->nodes[index[0]];
		break;
	case KF_DescribeClusterResponse_ClusterAuthorizedOperations:
		out->number = INT32_MIN;
		break;
	default:
		break;
	}
}

static enum local_result
handle_describe_cluster(struct local *l)
{
	struct wanted type = {.field = KF_DescribeClusterRequest_EndpointType};
	const struct route *route = l->c->route;

	if (!read_fields(l, l->version, &type, 1))
		return LOCAL_BROKEN;
	if (type.found &&
	    type.item.number == 2) /* controllers: this is a broker's listener (KIP-919) */
		l->error = KAFKA_MISMATCHED_ENDPOINT_TYPE;
	else if (type.found && type.item.number != 1)
		l->error = KAFKA_UNSUPPORTED_ENDPOINT_TYPE;
	for (size_t i = 0; l->error == 0 && i < route->slots_count && l->nodes_count < 64; i++) {
		if (route->slots[i].present)
			l->nodes[l->nodes_count++] = i;
	}
	answer(l, l->version, cluster_value);
	return LOCAL_ANSWERED;
}

/* -- SyncGroup */

static void
sync_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct local *l = arg;

	(void)index;
	if (field == KF_SyncGroupResponse_ErrorCode)
		out->number = l->error;
	else if (field == KF_SyncGroupResponse_Assignment)
		set_text(out, "");
}

/* Of what kind a group is says the request, or the JoinGroup before it. Where neither does, the
 * assignments in it could hold anything: the member is to join anew. */
static enum local_result
handle_sync_group(struct local *l)
{
	struct wanted wanted[] = {{.field = KF_SyncGroupRequest_GroupId},
				  {.field = KF_SyncGroupRequest_ProtocolType}};
	const struct walk_item *group = &wanted[0].item;

	if (!read_fields(l, l->version, wanted, 2))
		return LOCAL_BROKEN;
	l->c->syncs_consumers = false;
	if ((wanted[1].found && !wanted[1].item.null) ||
	    groups_find(&l->c->groups, groups_hash(group->value, group->length),
			&l->c->syncs_consumers))
		return LOCAL_FORWARD;
	l->error = KAFKA_REBALANCE_IN_PROGRESS;
	answer(l, l->version, sync_value);
	return LOCAL_ANSWERED;
}

/* -- ListTransactions */

static void
transactions_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct local *l = arg;

	(void)index;
	if (field == KF_ListTransactionsResponse_ErrorCode)
		out->number = l->error;
}

/* A pattern that makes no sense behind the prefix. */
static enum local_result
handle_list_transactions(struct local *l)
{
	struct wanted text = {.field = KF_ListTransactionsRequest_TransactionalIdPattern};
	struct pattern pattern;

	if (!read_fields(l, l->version, &text, 1))
		return LOCAL_BROKEN;
	if (!text.found || text.item.null ||
	    pattern_confine(text.item.value, text.item.length, &pattern))
		return LOCAL_FORWARD;
	l->error = KAFKA_INVALID_REGULAR_EXPRESSION;
	answer(l, l->version, transactions_value);
	return LOCAL_ANSWERED;
}

/* -- ListConfigResources */

static void
nothing_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	(void)arg;
	(void)field;
	(void)index;
	(void)out;
}

/* Of what a tenant has none, without asking: an empty list would ask the broker for everything. */
static enum local_result
handle_list_config_resources(struct local *l)
{
	const uint64_t own = UINT64_C(1) << RESOURCE_TOPIC | UINT64_C(1) << RESOURCE_GROUP;
	struct wanted types = {.field = KF_ListConfigResourcesRequest_ResourceTypes};

	if (!read_fields(l, l->version, &types, 1))
		return LOCAL_BROKEN;
	if (l->version > 0 && (types.count == 0 || (types.numbers & own) != 0))
		return LOCAL_FORWARD;
	answer(l, l->version, nothing_value);
	return LOCAL_ANSWERED;
}

/* -- ACLs */

static enum local_result
handle_acls(struct local *l)
{
	return acls_answer(l->c, l->key, l->version, l->frame, l->size, l->answer, l->why,
			   l->why_size);
}

static const struct {
	int16_t key;
	handler_fn handle;
} handlers[] = {
    {KA_ApiVersions, handle_api_versions},
    {KA_SaslHandshake, handle_handshake},
    {KA_SaslAuthenticate, handle_authenticate},
    {KA_InitProducerId, handle_init_producer_id},
    {KA_DescribeCluster, handle_describe_cluster},
    {KA_SyncGroup, handle_sync_group},
    {KA_ListTransactions, handle_list_transactions},
    {KA_ListConfigResources, handle_list_config_resources},
    {KA_DescribeAcls, handle_acls},
    {KA_CreateAcls, handle_acls},
    {KA_DeleteAcls, handle_acls},
};

enum local_result
local_answer(struct client *c, const struct api *api, int version, const uint8_t *frame,
	     size_t size, struct bytes *out, char *why, size_t why_size)
{
	struct local l = {
	    .c = c,
	    .key = api->key,
	    .version = version,
	    .correlation_id = (int32_t)be_get32(frame + 4),
	    .frame = frame,
	    .size = size,
	    .answer = out,
	    .why = why,
	    .why_size = why_size,
	};

	c->throttle_at = 0; /* of an earlier answer */
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		if (handlers[i].key == api->key)
			return handlers[i].handle(&l);
	}
	ENSURE(!"an API with a local policy has a handler");
	return LOCAL_BROKEN;
}
