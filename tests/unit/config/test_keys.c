/* SPDX-License-Identifier: Apache-2.0
 *
 * The table itself: every row complete, described, and in the samples under etc/, which load
 * without a word.
 */
#include <ctype.h>
#include "config/file.h"
#include "config/keys.h"
#include "scratch.h"

#define ETC TEST_SRCDIR "/../etc/"

Test(keys, every_row_is_complete)
{
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *key = &keys[i];
		char range[160];

		cr_expect_gt(strlen(key->sentence), 10, "%s", key->name);
		cr_expect_neq(strchr(".?", key->sentence[strlen(key->sentence) - 1]), NULL, "%s",
			      key->name);
		cr_expect_eq(key_find(key->section, key->name), key, "%s stands twice", key->name);
		cr_expect(key->section == SECTION_ENVIRONMENT || key->required ||
			      key->fallback != NULL || key->fallback_note != NULL,
			  "%s has no default", key->name);
		if (key->type == KEY_INTEGER)
			cr_expect_lt(key->min, key->max, "%s", key->name);
		if (key->type == KEY_ENUM || key->type == KEY_CHOICE)
			cr_expect_neq(key->choices, NULL, "%s", key->name);
		if (key->type == KEY_LIST || key->type == KEY_MAP)
			cr_expect_gt(key->element_size, 0, "%s", key->name);
		if (key->type == KEY_NAME || key->type == KEY_MAP)
			cr_expect_gt(key->max, 0, "%s", key->name);
		if (key->restart) /* config_restart_faults() compares no arrays */
			cr_expect_eq(key->count_offset, 0, "%s", key->name);
		if (i > 0)
			cr_expect_geq(key->section, keys[i - 1].section, "%s is out of order",
				      key->name);
		key_range(key, range, sizeof(range));
		cr_expect_eq(key_section_name(key->section) == NULL, false);
		cr_expect_gt(strlen(key_type_name(key->type)), 1);
	}
}

/* Two rows of a file must not write one member. */
Test(keys, no_member_is_set_twice)
{
	for (size_t i = 0; i < keys_count; i++) {
		for (size_t j = i + 1; j < keys_count; j++)
			cr_expect(keys[i].section != keys[j].section ||
				      keys[i].section == SECTION_ENVIRONMENT ||
				      keys[i].offset != keys[j].offset,
				  "%s and %s", keys[i].name, keys[j].name);
	}
}

Test(keys, described)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	config_describe(out);
	fclose(out);
	for (size_t i = 0; i < keys_count; i++) {
		char name[128];

		snprintf(name, sizeof(name), "\n%s\n", keys[i].name);
		cr_expect_neq(strstr(text, name), NULL, "%s", keys[i].name);
		cr_expect_neq(strstr(text, keys[i].sentence), NULL, "%s", keys[i].name);
	}
	cr_expect_neq(strstr(text,
			     "probe.interval.ms\n    Every cluster is asked this often whether "
			     "it is there, and which brokers it has.\n    type: integer; unit: ms; "
			     "default: 2000; range: 100 to 3600000; takes effect: on reload\n"),
		      NULL, "%s", text);
	free(text);
}

static const char *
sample_of(enum key_section section)
{
	switch (section) {
	case SECTION_SETTINGS:
	case SECTION_ADMIN_USER:
		return ETC "turnout.yaml";
	case SECTION_CLUSTERS:
	case SECTION_CLUSTER:
		return ETC "clusters.yaml";
	case SECTION_VCLUSTER:
	case SECTION_USER:
	case SECTION_ALIAS:
		return ETC "vclusters/teamA.yaml";
	case SECTION_ACTIVE: /* nobody writes one by hand */
	case SECTION_ENTRY:
	case SECTION_ENVIRONMENT:
	case SECTION_NONE:
	case SECTION_COUNT:
		break;
	}
	return NULL;
}

/* In the file's tree, or as a word of a comment. */
static bool
sample_has(const char *text, size_t length, const char *name)
{
	struct arena *arena = arena_new();
	struct faults *faults = faults_new();
	const struct node *root = node_parse(arena, text, length, "sample", faults);
	size_t size = strlen(name);
	bool found;

	cr_assert(root != NULL && faults_count(faults) == 0);
	found = node_find(root, name) != NULL;
	for (const char *at = strstr(text, name); !found && at != NULL; at = strstr(at + 1, name))
		found = at[size] == ':' && (at == text || !isalnum((unsigned char)at[-1]));
	arena_free(&arena);
	faults_free(&faults);
	return found;
}

Test(keys, every_key_is_in_a_sample)
{
	for (size_t i = 0; i < keys_count; i++) {
		const char *path = sample_of(keys[i].section);
		char *text;
		size_t length;
		struct err err;

		if (path == NULL)
			continue;
		cr_assert(file_read(path, &text, &length, &err), "%s %s", path, err.text);
		cr_expect(sample_has(text, length, keys[i].name), "%s lacks %s", path,
			  keys[i].name);
		if (keys[i].environment != NULL)
			cr_expect_neq(strstr(text, "GATEWAY_"), NULL);
		free(text);
	}
}

/* What the samples say of a scalar is its default. */
Test(keys, samples_hold_the_defaults)
{
	struct arena *arena = arena_new();
	struct faults *faults = faults_new();
	char *text;
	size_t length;
	struct err err;
	const struct node *root;

	cr_assert(file_read(ETC "turnout.yaml", &text, &length, &err), "%s", err.text);
	root = node_parse(arena, text, length, "turnout.yaml", faults);
	for (size_t i = 0; i < keys_count; i++) {
		const struct node *node = node_find(root, keys[i].name);

		if (keys[i].section == SECTION_SETTINGS && keys[i].fallback != NULL)
			cr_expect_str_eq(node->text, keys[i].fallback, "%s", keys[i].name);
	}
	free(text);
	arena_free(&arena);
	faults_free(&faults);
}

Test(keys, samples_load_without_a_word)
{
	struct config_source source = {.config_path = ETC "turnout.yaml"};
	struct faults *faults = faults_new();
	struct snapshot *snap = config_load(&source, faults);

	cr_assert_eq(faults_count(faults), 0, "%s", faults_at(faults, 0)->text);
	cr_assert_neq(snap, NULL);
	cr_assert_eq(snap->clusters_count, 2);
	cr_assert_eq(snap->vclusters_count, 1);
	cr_assert_str_eq(snap->settings.advertised_host, "localhost");
	cr_assert_neq(vcluster_user(&snap->vclusters[0], "sa"), NULL);
	snapshot_unref(&snap);
	faults_free(&faults);
}

Test(keys, suggestions)
{
	cr_assert_str_eq(key_suggest(SECTION_SETTINGS, "port_start"), "port.start");
	cr_assert_str_eq(key_suggest(SECTION_SETTINGS, "log.levle"), "log.level");
	cr_assert_str_eq(key_suggest(SECTION_VCLUSTER, "clsuter"), "cluster");
	cr_assert_eq(key_suggest(SECTION_SETTINGS, "zzz"), NULL);
	cr_assert_eq(key_suggest(SECTION_SETTINGS, ""), NULL);
	cr_assert_str_eq(property_suggest("sasl.mechanisms"), "sasl.mechanism");
	cr_assert_eq(property_is_known("ssl.truststore.location"), true);
	cr_assert_eq(property_is_known("acks"), false);
}
