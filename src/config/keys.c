/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of keys.def and properties.def, and looking things up in them.
 */
#include "config/keys.h"
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define KEY(section_, name_, type_, struct_, member_, sentence_, ...)                              \
	{.section = SECTION_##section_,                                                            \
	 .name = name_,                                                                            \
	 .type = KEY_##type_,                                                                      \
	 .offset = offsetof(struct_, member_),                                                     \
	 .sentence = sentence_,                                                                    \
	 __VA_ARGS__},
#define KEY_ARRAY(section_, name_, type_, struct_, member_, sentence_, ...)                        \
	{.section = SECTION_##section_,                                                            \
	 .name = name_,                                                                            \
	 .type = KEY_##type_,                                                                      \
	 .offset = offsetof(struct_, member_),                                                     \
	 .count_offset = offsetof(struct_, member_##_count),                                       \
	 .sentence = sentence_,                                                                    \
	 __VA_ARGS__},
#define KEY_BARE(section_, name_, type_, sentence_, ...)                                           \
	{.section = SECTION_##section_,                                                            \
	 .name = name_,                                                                            \
	 .type = KEY_##type_,                                                                      \
	 .sentence = sentence_ __VA_OPT__(, ) __VA_ARGS__},

const struct key keys[] = {
#include "config/keys.def"
};
const size_t keys_count = sizeof(keys) / sizeof(keys[0]);

static const char *const properties[] = {
#define PROPERTY(name) name,
#include "config/properties.def"
#undef PROPERTY
};
#define PROPERTIES (sizeof(properties) / sizeof(properties[0]))

const struct key *
key_find(enum key_section section, const char *name)
{
	for (size_t i = 0; i < keys_count; i++) {
		if (keys[i].section == section && strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

bool
key_is_group(enum key_section section, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < keys_count; i++) {
		if (keys[i].section == section && strncmp(keys[i].name, name, length) == 0 &&
		    keys[i].name[length] == '.')
			return true;
	}
	return false;
}

bool
key_section_is_secret(enum key_section section)
{
	for (size_t i = 0; i < keys_count; i++) {
		if (keys[i].section == section && keys[i].type == KEY_SECRET)
			return true;
	}
	return false;
}

#define WORD_MAX 64

/* How many letters to add, drop, change or swap with a neighbour to get from one word to the other.
 */
static size_t
word_distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0];
	size_t *last = rows[1];
	size_t *now = rows[2];
	size_t a_length = strlen(a);
	size_t b_length = strlen(b);

	if (a_length > WORD_MAX || b_length > WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_length; j++)
		before[j] = last[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t *spare = before;

		now[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);

			best = last[j] + 1 < best ? last[j] + 1 : best;
			best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[b_length];
}

const char *
word_nearest(const char *word, const char *candidate, const char *best)
{
	size_t limit = strlen(word) / 4;
	size_t distance = word_distance(word, candidate);

	limit = limit < 1 ? 1 : limit > 4 ? 4 : limit;
	if (distance > limit || (best != NULL && distance >= word_distance(word, best)))
		return best;
	return candidate;
}

/* The nearest of the groups that a key's name makes: port of port.start. */
static const char *
suggest_group(const struct key *key, const char *name, const char *best)
{
	for (const char *dot = strchr(key->name, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
		char group[WORD_MAX + 1];
		size_t length = (size_t)(dot - key->name);

		if (length > WORD_MAX)
			break;
		memcpy(group, key->name, length);
		group[length] = '\0';
		if (word_nearest(name, group, best) == group)
			return key->name; /* the whole key: the group lives in our stack only */
	}
	return best;
}

const char *
key_suggest(enum key_section section, const char *name)
{
	const char *best = NULL;

	for (size_t i = 0; i < keys_count; i++) {
		if (keys[i].section == section)
			best = word_nearest(name, keys[i].name, best);
	}
	for (size_t i = 0; i < keys_count && best == NULL; i++) {
		if (keys[i].section == section)
			best = suggest_group(&keys[i], name, best);
	}
	return best;
}

const char *
key_section_name(enum key_section section)
{
	static const char *const names[SECTION_COUNT] = {
	    [SECTION_NONE] = "",
	    [SECTION_SETTINGS] = "turnout.yaml",
	    [SECTION_ADMIN_USER] = "turnout.yaml: an element of admin.users",
	    [SECTION_CLUSTERS] = "clusters.yaml",
	    [SECTION_CLUSTER] = "clusters.yaml: a cluster in config",
	    [SECTION_VCLUSTER] = "vclusters/NAME.yaml",
	    [SECTION_USER] = "vclusters/NAME.yaml: a user in users",
	    [SECTION_ALIAS] = "vclusters/NAME.yaml: a topic in topics",
	    [SECTION_ACTIVE] = "active.yaml",
	    [SECTION_ENTRY] = "active.yaml: a logical cluster in active",
	    [SECTION_ENVIRONMENT] = "environment variables that are no key of a file",
	};

	return names[section];
}

const char *
key_type_name(enum key_type type)
{
	static const char *const names[] = {
	    [KEY_STRING] = "text",
	    [KEY_SECRET] = "secret text",
	    [KEY_NAME] = "name",
	    [KEY_HOST] = "host",
	    [KEY_PATH] = "path",
	    [KEY_INTEGER] = "integer",
	    [KEY_BOOLEAN] = "boolean",
	    [KEY_ENUM] = "choice",
	    [KEY_CHOICE] = "choice",
	    [KEY_TIME] = "timestamp",
	    [KEY_BASE64] = "base64 key",
	    [KEY_SERVERS] = "list of host:port",
	    [KEY_ACTIVE] = "name or map of names",
	    [KEY_LIST] = "list",
	    [KEY_MAP] = "map",
	    [KEY_IGNORED] = "anything",
	};

	return names[type];
}

static void
range_of_choices(const struct key *key, char *out, size_t size)
{
	size_t used = 0;

	for (const char *c = key->choices; *c != '\0' && used + 3 < size; c++) {
		if (*c == ' ')
			out[used++] = ',';
		out[used++] = *c;
	}
	out[used] = '\0';
}

char *
key_range(const struct key *key, char *out, size_t size)
{
	out[0] = '\0';
	if (key->choices != NULL)
		range_of_choices(key, out, size);
	else if (key->type == KEY_INTEGER)
		snprintf(out, size, "%" PRId64 " to %" PRId64, key->min, key->max);
	else if (key->type == KEY_STRING || key->type == KEY_SECRET)
		snprintf(out, size, "%" PRId64 " to %" PRId64 " bytes", key->min, key->max);
	else if (key->type == KEY_LIST && key->element == KEY_BASE64)
		snprintf(out, size, "%" PRId64 " to %" PRId64 " bytes each", key->min, key->max);
	else if (key->type == KEY_NAME)
		snprintf(out, size, "1 to %" PRId64 " of A-Z a-z 0-9 . _ -", key->max);
	return out;
}

bool
property_is_known(const char *name)
{
	for (size_t i = 0; i < PROPERTIES; i++) {
		if (strcmp(properties[i], name) == 0)
			return true;
	}
	return false;
}

const char *
property_suggest(const char *name)
{
	const char *best = key_suggest(SECTION_CLUSTER, name);

	for (size_t i = 0; i < PROPERTIES; i++)
		best = word_nearest(name, properties[i], best);
	return best;
}

static const char *
text_or(const char *text, const char *other)
{
	return text != NULL ? text : other;
}

void
config_describe(FILE *out)
{
	enum key_section section = SECTION_NONE;

	for (size_t i = 0; i < keys_count; i++) {
		const struct key *key = &keys[i];
		char range[160];

		if (key->section != section)
			fprintf(out, "%s[%s]\n", i > 0 ? "\n" : "", key_section_name(key->section));
		section = key->section;
		fprintf(out, "%s\n    %s\n    type: %s", key->name, key->sentence,
			key_type_name(key->type));
		if (key->unit != NULL)
			fprintf(out, "; unit: %s", key->unit);
		if (key->required)
			fprintf(out, "; required");
		else if (section != SECTION_ENVIRONMENT)
			fprintf(out, "; default: %s",
				text_or(key->fallback, text_or(key->fallback_note, "none")));
		if (key_range(key, range, sizeof(range))[0] != '\0')
			fprintf(out, "; range: %s", range);
		fprintf(out, "; takes effect: %s",
			key->restart || section == SECTION_ENVIRONMENT ? "at the next start"
								       : "on reload");
		if (key->environment != NULL)
			fprintf(out, "; environment: %s", key->environment);
		fputc('\n', out);
	}
}
