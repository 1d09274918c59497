/* SPDX-License-Identifier: Apache-2.0
 *
 * ACLs of a tenant and what stands for them on the brokers (protocol.md 1.3): resources behind the
 * prefix, principals with the prefix in their names. Pure mapping, one to one; acls.c has the
 * messages. Private to proxy/.
 *
 *     LITERAL name   <-> LITERAL prefix+name
 *     LITERAL *      <-> PREFIXED prefix
 *     PREFIXED start <-> PREFIXED prefix+start
 *     User:name      <-> User:prefix+name          (User:* likewise)
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "config/snapshot.h"

/* Of org.apache.kafka.common.resource.ResourceType and PatternType. */
enum { ACL_TYPE_ANY = 1, ACL_TYPE_TOPIC = 2, ACL_TYPE_GROUP = 3, ACL_TYPE_TRANSACTIONAL_ID = 5 };
enum {
	ACL_PATTERN_ANY = 1,
	ACL_PATTERN_MATCH = 2,
	ACL_PATTERN_LITERAL = 3,
	ACL_PATTERN_PREFIXED = 4
};

/* An ACL, or a filter of ACLs; in a filter texts may be NULL: any. */
struct acl {
	const char *name;
	const char *principal;
	const char *host;
	int8_t type;
	int8_t pattern;
	int8_t operation;
	int8_t permission;
};

/* The ACL on the brokers for one of the tenant's. NULL: there is none; *why says why. */
const struct acl *acl_to_physical(struct arena *arena, const struct vcluster *vc,
				  const struct acl *acl, const char **why);
/* The tenant's ACL for one on the brokers, or NULL: it is not the tenant's. */
const struct acl *acl_to_virtual(struct arena *arena, const struct vcluster *vc,
				 const struct acl *acl);
/* A filter that finds on the brokers all that the tenant's filter means, and perhaps more. */
struct acl acl_filter_to_physical(struct arena *arena, const struct vcluster *vc,
				  const struct acl *filter);
/* Does the tenant's filter mean this ACL of the tenant's, by its resource? The rest is one to one.
 */
bool acl_filter_has(const struct acl *filter, const struct acl *acl);
