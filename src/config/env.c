/* SPDX-License-Identifier: Apache-2.0
 *
 * Variables to nodes, then the same engine as for files. Values of variables never stand in a fault
 * by themselves.
 */
#include "config/env.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

#define SERVERS_SUFFIX "_BOOTSTRAP_SERVERS"

static bool
starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

const char *
env_get(char *const *environment, const char *name)
{
	size_t length = strlen(name);

	for (; environment != NULL && *environment != NULL; environment++) {
		if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
			return (*environment)[length + 1] != '\0' ? *environment + length + 1
								  : NULL;
	}
	return NULL;
}

static void
mark_variable(struct node *node, const char *variable)
{
	node->variable = variable;
	for (struct node *child = node->first; child != NULL; child = child->next)
		mark_variable(child, variable);
}

/* The variable's value read as YAML, or NULL with faults. */
static struct node *
parse_inline(struct reader *r, struct arena *scratch, const char *variable, const char *value)
{
	struct faults *faults = faults_new();
	struct node *node = node_parse(scratch, value, strlen(value), "environment", faults);

	for (size_t i = 0; i < faults_count(faults); i++)
		faults_add(r->faults, faults_at(faults, i)->severity, "environment", 0, 0, variable,
			   "%s", faults_at(faults, i)->text);
	faults_free(&faults);
	if (node != NULL)
		mark_variable(node, variable);
	return node;
}

static const char *
trimmed(struct arena *scratch, const char *text)
{
	size_t length = strlen(text);

	while (isspace((unsigned char)*text)) {
		text++;
		length--;
	}
	while (length > 0 && isspace((unsigned char)text[length - 1]))
		length--;
	return arena_strndup(scratch, text, length);
}

/* Lists of maps, and NAME:path, are inline YAML; everything else is a text. */
static struct node *
variable_node(struct reader *r, struct arena *scratch, const struct key *key, const char *variable,
	      const char *path, const char *value)
{
	struct node *node;

	if (path == NULL && key->elements == SECTION_NONE)
		return node_new_scalar(scratch, trimmed(scratch, value), variable);
	node = parse_inline(r, scratch, variable, value);
	if (node == NULL || path == NULL)
		return node;
	if (node_find(node, path) == NULL)
		read_fault(r, FAULT_ERROR, node, "",
			   "has no %s: it must be such as {%.*s: {%s: ...}}", path,
			   (int)strcspn(path, "."), path, strrchr(path, '.') + 1);
	return node_find(node, path);
}

/* One word of a row's environment column: NAME or NAME:path. */
static void
override(struct reader *r, struct arena *scratch, char *const *environment, const struct key *key,
	 char *word, struct settings *settings, const char **taken)
{
	char *path = strchr(word, ':');
	const char *value;
	struct node *node;

	if (path != NULL)
		*path++ = '\0';
	value = env_get(environment, word);
	if (value == NULL)
		return;
	if (*taken != NULL) {
		if (strcmp(value, env_get(environment, *taken)) != 0)
			faults_add(r->faults, FAULT_WARNING, "environment", 0, 0, word,
				   "ignored: %s is set too, and comes first", *taken);
		return;
	}
	*taken = word;
	node = variable_node(r, scratch, key, word, path, value);
	if (node != NULL)
		read_value(r, key, settings, node, key->name);
}

static bool
word_is(const char *words, const char *name)
{
	size_t length = strlen(name);

	for (const char *word = words; word != NULL && *word != '\0';) {
		size_t size = strcspn(word, " ");
		size_t named = strcspn(word, " :");

		if (named == length && strncmp(word, name, length) == 0)
			return true;
		word += size;
		word += *word == ' ';
	}
	return false;
}

/* The row of SECTION_ENVIRONMENT for a variable; a name that ends in * stands for all that begin
 * so. */
static const struct key *
find_bare(const char *name)
{
	for (size_t i = 0; i < keys_count; i++) {
		size_t length = strlen(keys[i].name);

		if (keys[i].section != SECTION_ENVIRONMENT)
			continue;
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
		if (keys[i].name[length - 1] == '*' && strncmp(keys[i].name, name, length - 1) == 0)
			return &keys[i];
	}
	return NULL;
}

static const char *
suggest_variable(struct arena *scratch, const char *name)
{
	const char *best = NULL;

	for (size_t i = 0; i < keys_count; i++) {
		const char *word = keys[i].environment;

		while (word != NULL && *word != '\0') {
			size_t size = strcspn(word, " ");

			best = word_nearest(name, arena_strndup(scratch, word, strcspn(word, " :")),
					    best);
			word += size;
			word += *word == ' ';
		}
	}
	return best;
}

/* A GATEWAY_* that overrides no key: checked by its own row, or warned of. */
static void
check_gateway(struct reader *r, struct arena *scratch, const char *name, const char *value)
{
	const struct key *bare = find_bare(name);
	const char *near;
	const char *unused;

	for (size_t i = 0; i < keys_count; i++) {
		if (word_is(keys[i].environment, name))
			return;
	}
	if (bare != NULL) {
		read_value(r, bare, &unused,
			   node_new_scalar(scratch, trimmed(scratch, value), name), name);
		return;
	}
	near = suggest_variable(scratch, name);
	faults_add(r->faults, FAULT_WARNING, "environment", 0, 0, name,
		   "Turnout has no such variable, ignored%s%s%s",
		   near != NULL ? ": did you mean " : "", near != NULL ? near : "",
		   near != NULL ? "?" : "");
}

/* "NAME" of NAME=value with a value that is not empty, or NULL. */
static const char *
variable_name(struct arena *scratch, const char *entry)
{
	const char *equals = strchr(entry, '=');

	if (equals == NULL || equals[1] == '\0')
		return NULL;
	return arena_strndup(scratch, entry, (size_t)(equals - entry));
}

void
env_read_settings(struct reader *r, struct arena *scratch, char *const *environment,
		  struct settings *settings)
{
	for (size_t i = 0; i < keys_count; i++) {
		const char *taken = NULL;
		char *rest;

		if (keys[i].section != SECTION_SETTINGS || keys[i].environment == NULL)
			continue;
		rest = arena_strdup(scratch, keys[i].environment);
		for (char *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " "))
			override(r, scratch, environment, &keys[i], word, settings, &taken);
	}
	for (; environment != NULL && *environment != NULL; environment++) {
		const char *name = variable_name(scratch, *environment);

		if (name != NULL && starts_with(name, "GATEWAY_"))
			check_gateway(r, scratch, name, *environment + strlen(name) + 1);
	}
}

/* A cluster that a KAFKA_<X>_BOOTSTRAP_SERVERS names; X is empty for the one without a name. */
struct named {
	const char *prefix; /* KAFKA_<X>_ */
	const char *name;   /* x */
};

struct nameds {
	struct named *all;
	size_t count;
	size_t capacity;
};

static void
nameds_find(struct nameds *nameds, struct arena *scratch, char *const *environment)
{
	for (; environment != NULL && *environment != NULL; environment++) {
		const char *name = variable_name(scratch, *environment);
		const char *suffix;
		struct named named = {.prefix = "KAFKA_", .name = "main"};
		size_t length = name != NULL ? strlen(name) : 0;

		if (length < strlen("KAFKA") + strlen(SERVERS_SUFFIX) ||
		    !starts_with(name, "KAFKA_"))
			continue;
		suffix = name + length - strlen(SERVERS_SUFFIX);
		if (strcmp(suffix, SERVERS_SUFFIX) != 0)
			continue;
		if (suffix > name + strlen("KAFKA_")) {
			const char *x = name + strlen("KAFKA_");
			char *lower = arena_strndup(scratch, x, (size_t)(suffix - x));

			for (char *c = lower; *c != '\0'; c++)
				*c = (char)tolower((unsigned char)*c);
			named.name = lower;
			named.prefix = arena_strndup(scratch, name, (size_t)(suffix - name) + 1);
		}
		nameds->all = mem_grow(nameds->all, &nameds->capacity, nameds->count + 1,
				       sizeof(*nameds->all));
		nameds->all[nameds->count++] = named;
	}
}

/* The cluster that a variable belongs to: the longest prefix. */
static const struct named *
nameds_owner(const struct nameds *nameds, const char *variable)
{
	const struct named *owner = NULL;

	for (size_t i = 0; i < nameds->count; i++) {
		const struct named *named = &nameds->all[i];

		if (starts_with(variable, named->prefix) &&
		    variable[strlen(named->prefix)] != '\0' &&
		    (owner == NULL || strlen(named->prefix) > strlen(owner->prefix)))
			owner = named;
	}
	return owner;
}

/* A variable's name cannot hold everything that a cluster's can: EU_WEST is eu-west too. */
static bool
names_match(const char *file, const char *variable)
{
	for (; *file != '\0' && *variable != '\0'; file++, variable++) {
		bool joint = strchr("._-", *file) != NULL;

		if (joint ? *variable != '_' : tolower((unsigned char)*file) != *variable)
			return false;
	}
	return *file == *variable;
}

static struct node *
cluster_node(struct arena *scratch, struct node *config, const struct named *named)
{
	struct node *node;

	for (node = config->first; node != NULL; node = node->next) {
		if (names_match(node->key, named->name)) {
			if (node_is_null(node))
				node->kind = NODE_MAP;
			return node;
		}
	}
	node = node_new_map(scratch);
	node->variable = arena_printf(scratch, "%sBOOTSTRAP_SERVERS", named->prefix);
	node_append(config, named->name, node);
	return node;
}

static const char *
property_name(struct arena *scratch, const char *rest)
{
	char *name = arena_strdup(scratch, rest);

	for (char *c = name; *c != '\0'; c++)
		*c = *c == '_' ? '.' : (char)tolower((unsigned char)*c);
	return name;
}

static void
merge_variable(struct reader *r, struct arena *scratch, struct node *config,
	       const struct named *owner, const char *variable, const char *value)
{
	const char *property = property_name(scratch, variable + strlen(owner->prefix));
	struct node *cluster;
	struct node *there;

	if (key_find(SECTION_CLUSTER, property) == NULL && !property_is_known(property)) {
		faults_add(r->faults, FAULT_WARNING, "environment", 0, 0, variable,
			   "no Kafka client property that Turnout knows, ignored");
		return;
	}
	cluster = cluster_node(scratch, config, owner);
	if (cluster->kind != NODE_MAP)
		return;
	value = trimmed(scratch, value);
	there = node_find(cluster, property);
	if (there == NULL)
		node_append(cluster, property, node_new_scalar(scratch, value, variable));
	else if (there->kind == NODE_SCALAR && strcmp(there->text, value) != 0)
		faults_add(r->faults, FAULT_WARNING, "environment", 0, 0, variable,
			   "ignored: %s line %d has another %s for the cluster %s, and the file "
			   "decides",
			   r->file, there->line, property, cluster->key);
}

void
env_merge_clusters(struct reader *r, struct arena *scratch, char *const *environment,
		   struct node *root)
{
	struct nameds nameds = {0};
	struct node *config = node_child(root, "config");

	nameds_find(&nameds, scratch, environment);
	if (nameds.count > 0 && config == NULL && root->kind == NODE_MAP) {
		config = node_new_map(scratch);
		node_append(root, "config", config);
	}
	if (config != NULL && node_is_null(config))
		config->kind = NODE_MAP;
	for (;
	     config != NULL && config->kind == NODE_MAP && nameds.count > 0 && *environment != NULL;
	     environment++) {
		const char *name = variable_name(scratch, *environment);
		const struct named *owner;

		if (name == NULL || !starts_with(name, "KAFKA_"))
			continue;
		owner = nameds_owner(&nameds, name);
		if (owner != NULL)
			merge_variable(r, scratch, config, owner, name,
				       *environment + strlen(name) + 1);
	}
	free(nameds.all);
}
