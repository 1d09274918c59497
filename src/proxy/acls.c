/* SPDX-License-Identifier: Apache-2.0
 *
 * DescribeAcls, CreateAcls and DeleteAcls of a tenant: read, mapped (acl.c), asked of the broker in
 * questions of our own (asking.h), and answered from what it says. Start at acls_answer().
 *
 * They are not rewritten in place, because one ACL of a tenant is not always one field changed: the
 * pattern type follows the name that depends on it, and a filter of a DeleteAcls that means "all"
 * has to become a list of the tenant's own. So every filter is a DescribeAcls first; what it finds
 * of the tenant's is shown, or deleted by filters that name exactly one ACL each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/arena.h"
#include "base/be.h"
#include "base/mem.h"
#include "kafka/errors.h"
#include "kafka/frame.h"
#include "kafka/kafka_ids.h"
#include "proxy/acl.h"
#include "proxy/client.h"
#include "proxy/worker_state.h"

/* More in one request is refused. Brokers have limits of their own. */
#define FILTERS_MAX   200
#define CREATIONS_MAX 2000
#define FOUND_MAX     10000
/* A name with a prefix before it still has a length that classic encodings can say. */
#define TEXT_MAX 30000

/* What the client asks for: a filter, or an ACL to make. */
struct wish {
	struct acl acl;
	int error;
	const char *text; /* of the error: ours, or NULL for that of the code */
	size_t first;     /* a filter: what it found, in found[] ... */
	size_t count;     /* ... so many */
};

/* An ACL of the tenant's that a filter found. */
struct found {
	const struct acl *shown;
	struct acl physical;
	bool is_gone; /* deleted by somebody else in the meantime */
	int error;
};

struct acls {
	struct arena *arena;
	struct arena *page;        /* what a broker says of one resource, whoever's it is */
	const struct vcluster *vc; /* for the time of one call only */
	int key;
	int version;
	struct wish *wishes;
	size_t wishes_count;
	size_t wishes_capacity;
	struct found *found;
	size_t found_count;
	size_t found_capacity;
	size_t *resources; /* where each begins in found[], and where the last ends */
	size_t resources_count;
	struct acl *creations; /* physical ones, of the wishes that have no error */
	size_t creations_count;
	size_t described; /* wishes whose filters have been asked */
	bool is_last;     /* the question that is out is the last one */
	int throttle_ms;
	struct bytes *answer;
	size_t throttle_at; /* where the answer says it */
	/* of what is being read */
	struct acl reading;
	struct acl resource;
	size_t at;
};

static void
drop(void *work)
{
	struct acls *a = work;

	free(a->wishes);
	free(a->found);
	arena_free(&a->page);
	arena_free(&a->arena);
	free(a);
}

/* -- reading */

/* What can be no name on a broker, or not with a prefix before it, is as good as none. */
static const char *
text_of(struct arena *arena, const struct walk_item *item)
{
	if (item->null)
		return NULL;
	if (item->length > TEXT_MAX || memchr(item->value, '\0', item->length) != NULL)
		return "";
	return arena_strndup(arena, (const char *)item->value, item->length);
}

/* The seven fields of an ACL stand in the same order in all messages, from this one on. */
static uint16_t
first_field(int key)
{
	switch (key) {
	case KA_DescribeAcls:
		return KF_DescribeAclsRequest_ResourceTypeFilter;
	case KA_CreateAcls:
		return KF_CreateAclsRequest_Creations_ResourceType;
	default:
		return KF_DeleteAclsRequest_Filters_ResourceTypeFilter;
	}
}

static void
set_member(struct acls *a, struct acl *acl, unsigned member, const struct walk_item *item)
{
	switch (member) {
	case 0:
		acl->type = (int8_t)item->number;
		break;
	case 1:
		acl->name = text_of(a->arena, item);
		break;
	case 2:
		acl->pattern = (int8_t)item->number;
		break;
	case 3:
		acl->principal = text_of(a->arena, item);
		break;
	case 4:
		acl->host = text_of(a->arena, item);
		break;
	case 5:
		acl->operation = (int8_t)item->number;
		break;
	case 6:
		acl->permission = (int8_t)item->number;
		break;
	default:
		break;
	}
}

static void
add_wish(struct acls *a)
{
	a->wishes =
	    mem_grow(a->wishes, &a->wishes_capacity, a->wishes_count + 1, sizeof(*a->wishes));
	a->wishes[a->wishes_count++] = (struct wish){0};
}

static size_t
wishes_max(const struct acls *a)
{
	return a->key == KA_CreateAcls ? CREATIONS_MAX : FILTERS_MAX;
}

static bool
take_request(void *arg, enum walk_event event, const struct walk_item *item)
{
	struct acls *a = arg;

	if (event == WALK_STRUCT_BEGIN)
		add_wish(a);
	else if (event == WALK_VALUE)
		set_member(a, &a->wishes[a->wishes_count - 1].acl,
			   (unsigned)(item->field - first_field(a->key)), item);
	return a->wishes_count <= wishes_max(a);
}

/* Those of the ACLs to make that can be. */
static void
map_creations(struct acls *a)
{
	a->creations = arena_array(a->arena, a->wishes_count, sizeof(*a->creations));
	for (size_t i = 0; i < a->wishes_count; i++) {
		struct wish *wish = &a->wishes[i];
		const struct acl *acl = acl_to_physical(a->arena, a->vc, &wish->acl, &wish->text);

		if (acl != NULL)
			a->creations[a->creations_count++] = *acl;
		else
			wish->error = KAFKA_INVALID_REQUEST;
	}
}

static struct acls *
read_request(struct client *c, int key, int version, const uint8_t *frame, size_t size, char *why,
	     size_t why_size)
{
	struct acls *a = mem_zalloc(sizeof(*a));

	a->arena = arena_new();
	a->page = arena_new();
	a->vc = c->vc;
	a->key = key;
	a->version = version;
	if (key == KA_DescribeAcls)
		add_wish(a);
	if (!frame_read(key, version, KAFKA_REQUEST, frame, size, take_request, a, why, why_size)) {
		drop(a);
		return NULL;
	}
	if (a->wishes_count > wishes_max(a)) {
		snprintf(why, why_size, "more than %zu ACLs or filters in one request",
			 wishes_max(a));
		drop(a);
		return NULL;
	}
	if (key == KA_CreateAcls)
		map_creations(a);
	return a;
}

/* -- questions */

static void
member_value(const struct acl *filter, unsigned member, struct encode_value *out)
{
	const char *text = NULL;

	switch (member) {
	case 0:
		out->number = filter->type;
		return;
	case 1:
		text = filter->name;
		break;
	case 2:
		out->number = filter->pattern;
		return;
	case 3:
		text = filter->principal;
		break;
	case 4:
		text = filter->host;
		break;
	case 5:
		out->number = filter->operation;
		return;
	default:
		out->number = filter->permission;
		return;
	}
	out->data = text;
	out->length = text != NULL ? strlen(text) : 0;
}

static void
describe_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	(void)index;
	member_value(arg, field - first_field(KA_DescribeAcls), out);
}

static void
create_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct acls *a = arg;

	if (field == KF_CreateAclsRequest_Creations)
		out->count = a->creations_count;
	else
		member_value(&a->creations[index[0]], field - first_field(KA_CreateAcls), out);
}

static void
delete_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	const struct acls *a = arg;

	if (field == KF_DeleteAclsRequest_Filters)
		out->count = a->found_count;
	else
		member_value(&a->found[index[0]].physical, field - first_field(KA_DeleteAcls), out);
}

static void
ask_last(struct client *c, struct acls *a, int key, encode_fn fn)
{
	a->is_last = true;
	a->at = 0;
	asking_send_last(c, key, a->version, fn, a);
}

static void
next_question(struct client *c, void *work)
{
	struct acls *a = work;

	if (a->is_last) {
		asking_done(c);
	} else if (a->key == KA_CreateAcls && a->creations_count > 0) {
		ask_last(c, a, KA_CreateAcls, create_value);
	} else if (a->key != KA_CreateAcls && a->described < a->wishes_count) {
		struct wish *wish = &a->wishes[a->described];
		struct acl filter = acl_filter_to_physical(a->arena, c->vc, &wish->acl);

		wish->first = a->found_count;
		asking_send(c, KA_DescribeAcls, a->version, describe_value, &filter);
	} else if (a->key == KA_DeleteAcls && a->found_count > 0) {
		ask_last(c, a, KA_DeleteAcls, delete_value);
	} else {
		asking_done(c);
	}
}

/* -- what brokers say */

/* An ACL is complete: is it one of the tenant's, and meant by its filter? Then it is kept. Of the
 * others there may be any number, which a request with many filters has listed many times. */
static void
take_found(struct acls *a)
{
	struct wish *wish = &a->wishes[a->described];
	const struct acl *shown = acl_to_virtual(a->page, a->vc, &a->reading);
	struct acl physical = a->reading;

	if (shown == NULL || !acl_filter_has(&wish->acl, shown))
		return;
	physical.name = arena_strdup(a->arena, a->reading.name);
	physical.principal = arena_strdup(a->arena, a->reading.principal);
	physical.host = arena_strdup(a->arena, a->reading.host);
	shown = acl_to_virtual(a->arena, a->vc, &physical);
	a->found = mem_grow(a->found, &a->found_capacity, a->found_count + 1, sizeof(*a->found));
	a->found[a->found_count++] = (struct found){.shown = shown, .physical = physical};
	wish->count++;
}

/* What was read of the last resource, and not kept, goes. */
static void
next_resource(struct acls *a)
{
	arena_free(&a->page);
	a->page = arena_new();
	a->resource = (struct acl){0};
	a->reading = (struct acl){0};
}

static void
take_described_field(struct acls *a, const struct walk_item *item)
{
	switch (item->field) {
	case KF_DescribeAclsResponse_ThrottleTimeMs:
		a->throttle_ms = (int)item->number;
		break;
	case KF_DescribeAclsResponse_ErrorCode:
		a->wishes[a->described].error = (int)item->number;
		break;
	case KF_DescribeAclsResponse_Resources_ResourceType:
		next_resource(a);
		a->resource.type = (int8_t)item->number;
		break;
	case KF_DescribeAclsResponse_Resources_ResourceName:
		a->resource.name = text_of(a->page, item);
		break;
	case KF_DescribeAclsResponse_Resources_PatternType:
		a->resource.pattern = (int8_t)item->number;
		break;
	case KF_DescribeAclsResponse_Resources_Acls_Principal:
		a->reading = a->resource;
		a->reading.principal = text_of(a->page, item);
		break;
	case KF_DescribeAclsResponse_Resources_Acls_Host:
		a->reading.host = text_of(a->page, item);
		break;
	case KF_DescribeAclsResponse_Resources_Acls_Operation:
		a->reading.operation = (int8_t)item->number;
		break;
	case KF_DescribeAclsResponse_Resources_Acls_PermissionType:
		a->reading.permission = (int8_t)item->number;
		take_found(a);
		break;
	default:
		break;
	}
}

/* The next wish that was not refused here. */
static struct wish *
next_creation(struct acls *a)
{
	while (a->at < a->wishes_count && a->wishes[a->at].error != 0)
		a->at++;
	return a->at < a->wishes_count ? &a->wishes[a->at++] : NULL;
}

static void
take_created_field(struct acls *a, const struct walk_item *item)
{
	struct wish *wish;

	if (item->field == KF_CreateAclsResponse_ThrottleTimeMs) {
		a->throttle_ms = (int)item->number;
	} else if (item->field == KF_CreateAclsResponse_Results_ErrorCode) {
		wish = next_creation(a);
		if (wish != NULL)
			wish->error = (int)item->number;
	}
}

/* The n-th result is that of the n-th filter, which names what was found n-th. */
static void
take_deleted_field(struct acls *a, const struct walk_item *item)
{
	struct found *found;

	if (item->field == KF_DeleteAclsResponse_ThrottleTimeMs)
		a->throttle_ms = (int)item->number;
	if (item->field == KF_DeleteAclsResponse_FilterResults_ErrorCode)
		a->at++;
	if (a->at == 0 || a->at > a->found_count)
		return;
	found = &a->found[a->at - 1];
	if (item->field == KF_DeleteAclsResponse_FilterResults_ErrorCode) {
		found->error = (int)item->number;
		found->is_gone = found->error == 0;
	} else if (item->field == KF_DeleteAclsResponse_FilterResults_MatchingAcls_ErrorCode) {
		found->error = (int)item->number;
		found->is_gone = false;
	}
}

static bool
take_item(void *arg, enum walk_event event, const struct walk_item *item)
{
	struct acls *a = arg;

	if (event != WALK_VALUE)
		return true;
	if (!a->is_last)
		take_described_field(a, item);
	else if (a->key == KA_CreateAcls)
		take_created_field(a, item);
	else
		take_deleted_field(a, item);
	return a->found_count <= FOUND_MAX;
}

static bool
take_answer(struct client *c, void *work, const uint8_t *frame, size_t size, char *why,
	    size_t why_size)
{
	struct acls *a = work;

	a->vc = c->vc;
	if (!frame_read(c->asking.key, c->asking.version, KAFKA_RESPONSE, frame, size, take_item, a,
			why, why_size))
		return false;
	if (!a->is_last)
		a->described++;
	if (a->found_count <= FOUND_MAX)
		return true;
	snprintf(why, why_size, "a request about ACLs that means more than %d of them", FOUND_MAX);
	return false;
}

static const struct asking_kind acls_kind = {take_answer, next_question, drop};

/* -- answers */

static void
set_text(struct encode_value *out, const char *text)
{
	out->data = text;
	out->length = text != NULL ? strlen(text) : 0;
}

static void
set_error_text(struct encode_value *out, int error, const char *text)
{
	if (error == 0)
		set_text(out, ""); /* as brokers do */
	else
		set_text(out, text != NULL ? text : kafka_error_text(error));
}

/* What the broker said; the gateway may have more to say (throttle.c). */
static void
set_throttle(struct acls *a, struct encode_value *out)
{
	out->number = a->throttle_ms;
	a->throttle_at = a->answer->length;
}

static void
created_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	struct acls *a = arg;

	if (field == KF_CreateAclsResponse_ThrottleTimeMs)
		set_throttle(a, out);
	else if (field == KF_CreateAclsResponse_Results)
		out->count = a->wishes_count;
	else if (field == KF_CreateAclsResponse_Results_ErrorCode)
		out->number = a->wishes[index[0]].error;
	else if (field == KF_CreateAclsResponse_Results_ErrorMessage)
		set_error_text(out, a->wishes[index[0]].error, a->wishes[index[0]].text);
}

static bool
is_same_resource(const struct acl *one, const struct acl *other)
{
	return one->type == other->type && one->pattern == other->pattern &&
	       strcmp(one->name, other->name) == 0;
}

/* What was found comes resource by resource. */
static void
find_resources(struct acls *a)
{
	a->resources = arena_array(a->arena, a->found_count + 1, sizeof(*a->resources));
	for (size_t i = 0; i < a->found_count; i++) {
		if (i == 0 || !is_same_resource(a->found[i].shown, a->found[i - 1].shown))
			a->resources[a->resources_count++] = i;
	}
	a->resources[a->resources_count] = a->found_count;
}

static void
described_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	struct acls *a = arg;
	const struct acl *acl;

	switch (field) {
	case KF_DescribeAclsResponse_ThrottleTimeMs:
		set_throttle(a, out);
		return;
	case KF_DescribeAclsResponse_ErrorCode:
		out->number = a->wishes[0].error;
		return;
	case KF_DescribeAclsResponse_ErrorMessage:
		set_error_text(out, a->wishes[0].error, NULL);
		return;
	case KF_DescribeAclsResponse_Resources:
		out->count = a->resources_count;
		return;
	case KF_DescribeAclsResponse_Resources_Acls:
		out->count = a->resources[index[0] + 1] - a->resources[index[0]];
		return;
	default:
		break;
	}
	if (field < KF_DescribeAclsResponse_Resources_Acls_Principal) {
		acl = a->found[a->resources[index[0]]].shown;
		member_value(acl, field - KF_DescribeAclsResponse_Resources_ResourceType, out);
	} else {
		acl = a->found[a->resources[index[0]] + index[1]].shown;
		member_value(acl, 3 + field - KF_DescribeAclsResponse_Resources_Acls_Principal,
			     out);
	}
}

/* What was gone before it could be deleted is not in the answer. */
static void
leave_out_gone(struct acls *a)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->wishes_count; i++) {
		struct wish *wish = &a->wishes[i];
		size_t end = wish->first + wish->count;
		size_t first = kept;

		for (size_t j = wish->first; j < end; j++) {
			if (!a->found[j].is_gone)
				a->found[kept++] = a->found[j];
		}
		wish->first = first;
		wish->count = kept - first;
	}
}

static void
deleted_value(void *arg, uint16_t field, const size_t *index, struct encode_value *out)
{
	struct acls *a = arg;
	const struct wish *wish = a->wishes_count > 0 ? &a->wishes[index[0]] : NULL;
	const struct found *found;

	switch (field) {
	case KF_DeleteAclsResponse_ThrottleTimeMs:
		set_throttle(a, out);
		return;
	case KF_DeleteAclsResponse_FilterResults:
		out->count = a->wishes_count;
		return;
	case KF_DeleteAclsResponse_FilterResults_ErrorCode:
		out->number = wish->error;
		return;
	case KF_DeleteAclsResponse_FilterResults_ErrorMessage:
		set_error_text(out, wish->error, NULL);
		return;
	case KF_DeleteAclsResponse_FilterResults_MatchingAcls:
		out->count = wish->count;
		return;
	default:
		break;
	}
	found = &a->found[wish->first + index[1]];
	if (field == KF_DeleteAclsResponse_FilterResults_MatchingAcls_ErrorCode)
		out->number = found->error;
	else if (field == KF_DeleteAclsResponse_FilterResults_MatchingAcls_ErrorMessage)
		set_error_text(out, found->error, NULL);
	else
		member_value(found->shown,
			     field - KF_DeleteAclsResponse_FilterResults_MatchingAcls_ResourceType,
			     out);
}

static void
encode_answer(struct acls *a, int32_t correlation_id, struct bytes *answer)
{
	encode_fn fn = created_value;

	a->answer = answer;
	if (a->key == KA_DescribeAcls) {
		find_resources(a);
		fn = described_value;
	} else if (a->key == KA_DeleteAcls) {
		leave_out_gone(a);
		fn = deleted_value;
	}
	encode_response(a->key, a->version, correlation_id, fn, a, answer);
}

enum local_result
acls_answer(struct client *c, int key, int version, const uint8_t *frame, size_t size,
	    struct bytes *answer, char *why, size_t why_size)
{
	struct acls *a = asking_result(c, &acls_kind);

	if (a == NULL) {
		a = read_request(c, key, version, frame, size, why, why_size);
		if (a == NULL)
			return LOCAL_BROKEN;
		asking_begin(c, &acls_kind, a);
		if (c->asking.state == ASKING_OUT)
			return LOCAL_PARKED;
	}
	encode_answer(a, (int32_t)be_get32(frame + 4), answer);
	c->throttle_at = a->throttle_at;
	return LOCAL_ANSWERED;
}
