/* SPDX-License-Identifier: Apache-2.0
 *
 * Topic names, virtual <-> physical: the only place that knows how. A tenant's topic `users` is
 * prefix + `users` on the brokers, or what an alias of that name says. A name that has to be
 * refused goes out as one that no broker can have: the prefix's first byte becomes a marker, which
 * is illegal in a topic's name. So the name is as long as it would have been (a streamed frame has
 * promised its size), the broker refuses it in the right place of the right answer, and there the
 * name is known again by its marker, which says what the error is to be.
 *
 * No tenant can make up such a name: whatever it says goes behind the prefix.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "config/snapshot.h"
#include "kafka/apis.h"

#define NAME_HEAD_MAX 256
/* For the config resource type 0: the same as a byte. */
#define NAME_TYPE_ZERO 256

/* What names are mapped by; from a vcluster. */
struct names {
	const char *prefix;
	size_t prefix_length;
	const struct alias *aliases;            /* sorted by topic */
	const struct alias *const *by_physical; /* the same, sorted by physical */
	size_t aliases_count;
	const char *const *guested; /* own topics that others may write to, sorted */
	size_t guested_count;
};

/* What a batch that is written to a topic has to be checked for (producers.h). */
enum name_guard {
	NAME_UNGUARDED,
	NAME_GUARD_IDS, /* its own, which a guest may write to: the ids */
	NAME_GUARD_ALL, /* another's, or nobody's: transactions, too */
};

/* A physical name: this head, then the last `keep` bytes of the virtual one. */
struct name_out {
	const char *head;
	size_t head_length;
	size_t keep;
	bool is_alias;
	enum name_guard guard;
	char marked[NAME_HEAD_MAX];
};

enum name_owner {
	NAME_FOREIGN, /* nothing of the tenant's: it does not exist for it */
	NAME_OWN,     /* the last `keep` bytes are the virtual name */
	NAME_ALIAS,   /* the virtual name is alias->topic */
	NAME_REFUSED, /* as NAME_OWN; it came back only to be refused with `error` */
};

/* What a physical name is to the tenant. */
struct name_in {
	enum name_owner owner;
	size_t keep;
	const struct alias *alias;
	int error;         /* NAME_REFUSED: a Kafka error code, or 0: what the broker says of it */
	int resource_type; /* NAME_REFUSED: the config resource's type was this one; 0: it was
			    * none that is refused */
};

void names_init(struct names *names, const struct vcluster *vc);

/* A topic that a request of this API names. */
void names_to_physical(const struct names *names, const struct api *api, const uint8_t *name,
		       size_t length, struct name_out *out);
/* A topic that is not there, and must not come to be there by being named. */
void names_refuse_unknown(const struct names *names, size_t length, struct name_out *out);
/* A config resource of a type that tenants have none of goes out as a topic that cannot be. */
void names_refuse_resource(int resource_type, size_t length, struct name_out *out);
/* A topic that a broker names. */
struct name_in names_to_virtual(const struct names *names, const uint8_t *name, size_t length);
