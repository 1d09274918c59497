/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of all configuration keys (keys.def) as data: what the engine (read.h), the manual, the
 * samples' test and `turnoutd --check` go by.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "config/node.h"
#include "config/snapshot.h"

/* Which mapping a key stands in. */
enum key_section {
	SECTION_NONE,
	SECTION_SETTINGS,    /* turnout.yaml */
	SECTION_ADMIN_USER,  /* an element of admin.users */
	SECTION_CLUSTERS,    /* clusters.yaml */
	SECTION_CLUSTER,     /* a value in its config */
	SECTION_VCLUSTER,    /* vclusters/NAME.yaml */
	SECTION_USER,        /* a value in its users */
	SECTION_ALIAS,       /* a value in its topics */
	SECTION_ACTIVE,      /* active.yaml in the state directory */
	SECTION_ENTRY,       /* a value in its active */
	SECTION_ENVIRONMENT, /* variables that override no key */
	SECTION_COUNT,
};

enum key_type {
	KEY_STRING,  /* min..max bytes */
	KEY_SECRET,  /* likewise; never shown */
	KEY_NAME,    /* name_is_legal(), at most max bytes */
	KEY_HOST,    /* host name or IP address */
	KEY_PATH,    /* a relative one is taken from the folder of the file */
	KEY_INTEGER, /* min..max */
	KEY_BOOLEAN, /* true, false */
	KEY_ENUM,    /* one of choices; the member is the text as in choices */
	KEY_CHOICE,  /* one of choices; the member is its number */
	KEY_TIME,    /* 2026-11-22T10:00:00Z; the member is seconds since 1970 */
	KEY_BASE64,  /* a struct token_key of min..max bytes; never shown */
	KEY_SERVERS, /* host:port,host:port; the member is an array of struct bootstrap */
	KEY_ACTIVE,  /* a name, or a map of names; the member is an array of struct choice */
	KEY_LIST,    /* of `elements`, or of scalars of type `element` */
	KEY_MAP,     /* name -> `elements`; the first member of each is its name */
	KEY_IGNORED, /* known, taken, of no effect */
};

struct key {
	enum key_section section;
	const char *name; /* dotted; flat and nested writing are the same */
	enum key_type type;
	const char *unit;          /* "ms", "bytes", ... or NULL */
	const char *fallback;      /* the default as one writes it, or NULL */
	const char *fallback_note; /* in words, where the default is not a constant */
	int64_t min;
	int64_t max;
	const char *choices; /* separated by blanks */
	const char *example; /* for the fault when the form is wrong */
	bool required;
	bool restart; /* a change takes effect at the next start only; else by reload */
	bool secret;
	const char *environment; /* variables that override it, first wins, separated by blanks;
				  * NAME:path takes `path` of the variable's inline YAML */
	enum key_section elements;
	enum key_type element;
	size_t element_size;
	bool sorted;         /* a map's elements are sorted by name */
	size_t offset;       /* of the member */
	size_t count_offset; /* of its count, for arrays */
	const char *sentence;
};

/* What `active` of clusters.yaml says of one logical cluster. */
struct choice {
	const char *logical;
	const char *physical;
	const struct node *node; /* where it says so */
};

/* What clusters.yaml holds before it is linked. */
struct clusters_file {
	const struct cluster *clusters;
	size_t clusters_count;
	const struct choice *active;
	size_t active_count;
};

/* One entry of active.yaml (active.h). */
struct active_entry {
	const char *logical;
	const char *cluster;
	const char *instead_of; /* NULL: clusters.yaml had no `active` for it */
};

struct active_file {
	const struct active_entry *active;
	size_t active_count;
};

/* All rows, those of a section together. */
extern const struct key keys[];
extern const size_t keys_count;

const struct key *key_find(enum key_section section, const char *name);
/* Is the text a group of keys ("port" for "port.start")? */
bool key_is_group(enum key_section section, const char *name);
/* The nearest key or group of the section, or NULL when none is near. */
const char *key_suggest(enum key_section section, const char *name);
/* Of a candidate and the best so far (or NULL), the one nearer to the word; too far off never wins.
 */
const char *word_nearest(const char *word, const char *candidate, const char *best);
/* Is any row of the section secret? Then names of unknown keys are not shown either. */
bool key_section_is_secret(enum key_section section);
/* "turnout.yaml", "clusters.yaml: config.NAME", ... */
const char *key_section_name(enum key_section section);
/* "integer", ... */
const char *key_type_name(enum key_type type);
/* "1 to 65535", "error, warn, info, debug", "at least 32 bytes" or ""; returns out. */
char *key_range(const struct key *key, char *out, size_t size);

/* A Kafka client property that clusters.yaml may hold though Turnout does not use it yet? */
bool property_is_known(const char *name);
/* The nearest known property, or NULL. */
const char *property_suggest(const char *name);

/* The table for people: every key with type, unit, default, range, reload, variable and sentence.
 */
void config_describe(FILE *out);
