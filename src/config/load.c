/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds and reads the files, applies the environment, hands over to link.c, computes digests. Start
 * at config_load().
 */
#include "config/load.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/parse.h"
#include "config/env.h"
#include "config/faults.h"
#include "config/file.h"
#include "config/loading.h"

#define DEFAULT_PATH SYSCONFDIR "/turnout/turnout.yaml"

static struct reader
reader_for(struct loading *l, const char *file)
{
	return (struct reader){
	    .arena = l->snap->arena, .faults = l->faults, .file = file, .folder = l->folder};
}

static void
record_file(struct loading *l, const char *path, const char *text, size_t length)
{
	struct config_file *file;
	uint8_t digest[SHA256_BYTES];

	l->files = mem_grow(l->files, &l->files_capacity, l->files_count + 1, sizeof(*l->files));
	file = &l->files[l->files_count++];
	file->path = arena_strdup(l->snap->arena, path);
	file->sha256[0] = '\0';
	if (text != NULL) {
		sha256(text, length, digest);
		sha256_hex(digest, file->sha256);
	}
}

/* The file's tree; NULL with a fault when it cannot be read. A missing file is an empty tree, said
 * in *missing. */
static struct node *
load_tree(struct loading *l, const char *path, bool *missing)
{
	char *text;
	size_t length;
	struct err err;
	struct node *root;

	*missing = false;
	if (!file_read(path, &text, &length, &err)) {
		record_file(l, path, NULL, 0);
		*missing = err.code == ERR_NOT_FOUND;
		if (*missing)
			return node_new_map(l->scratch);
		faults_add(l->faults, FAULT_ERROR, path, 0, 0, "", "the file %s", err.text);
		return NULL;
	}
	record_file(l, path, text, length);
	root = node_parse(l->scratch, text, length, path, l->faults);
	explicit_bzero(text, length);
	free(text);
	return root;
}

static bool
is_in_environment(const struct loading *l, const char *key)
{
	const struct key *row = key_find(SECTION_SETTINGS, key);
	char *rest;

	if (row->environment == NULL)
		return false;
	rest = arena_strdup(l->scratch, row->environment);
	for (char *word = strsep(&rest, " :"); word != NULL; word = strsep(&rest, " :")) {
		if (env_get(l->source->environment, word) != NULL)
			return true;
	}
	return false;
}

bool
loading_is_set(const struct loading *l, const char *key)
{
	return (l->settings_root != NULL && node_find(l->settings_root, key) != NULL) ||
	       is_in_environment(l, key);
}

static void
default_host(struct loading *l)
{
	char name[256] = "";

	if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0')
		memcpy(name, "localhost", sizeof("localhost"));
	l->snap->settings.advertised_host = arena_strdup(l->snap->arena, name);
}

/* --state-dir, then the environment (systemd may name several, separated by colons). */
static void
override_state_dir(struct loading *l)
{
	const char *dir = l->source->state_dir;

	if (dir == NULL)
		dir = env_get(l->source->environment, "STATE_DIRECTORY");
	if (dir != NULL)
		l->snap->settings.state_dir =
		    arena_strndup(l->snap->arena, dir,
				  l->source->state_dir != NULL ? strlen(dir) : strcspn(dir, ":"));
}

static void
load_settings(struct loading *l)
{
	struct reader r = reader_for(l, l->config_path);
	struct settings *settings = &l->snap->settings;
	bool missing;

	read_defaults(&r, SECTION_SETTINGS, settings);
	default_host(l);
	l->settings_root = load_tree(l, l->config_path, &missing);
	if (l->settings_root != NULL)
		read_section(&r, SECTION_SETTINGS, settings, l->settings_root, "");
	env_read_settings(&r, l->scratch, l->source->environment, settings);
	override_state_dir(l);
}

static void
fail_no_clusters(struct loading *l, const char *path, bool missing)
{
	faults_add(l->faults, FAULT_ERROR, path, 0, 0, missing ? "" : "config",
		   "%s: write config: {main: {bootstrap.servers: 'kafka1:9092'}} there, or set "
		   "KAFKA_BOOTSTRAP_SERVERS",
		   missing ? "the file does not exist" : "names no physical cluster");
}

static void
load_clusters(struct loading *l)
{
	const char *path = l->snap->settings.clusters_file;
	size_t length = strlen(path);
	struct reader r = reader_for(l, path);
	struct node *root;
	const struct node *config;
	bool missing;

	if (length > 11 && strcmp(path + length - 11, ".properties") == 0) {
		faults_add(
		    l->faults, FAULT_ERROR, path, 0, 0, "clusters.file",
		    "a .properties file is not read: write its properties into a clusters.yaml");
		return;
	}
	root = load_tree(l, path, &missing);
	if (root == NULL)
		return;
	env_merge_clusters(&r, l->scratch, l->source->environment, root);
	config = node_child(root, "config");
	if (root->kind == NODE_MAP &&
	    (config == NULL ||
	     (config->count == 0 && (config->kind == NODE_MAP || node_is_null(config))))) {
		fail_no_clusters(l, path, missing);
		return;
	}
	if (missing && loading_is_set(l, "clusters.file"))
		faults_add(l->faults, FAULT_WARNING, path, 0, 0, "clusters.file",
			   "the file does not exist: the clusters come from the environment alone");
	read_section(&r, SECTION_CLUSTERS, &l->clusters, root, "");
	l->clusters_root = root;
}

/* The file that stands in for a clusters.yaml that cannot be written: only where the environment
 * names that one, as the original's compose file does, which mounts it read-only. */
static const char *
active_path(const struct loading *l)
{
	const char *folder =
	    l->source->active_dir != NULL ? l->source->active_dir : l->snap->settings.state_dir;

	if (!is_in_environment(l, "clusters.file"))
		return NULL;
	return arena_printf(l->snap->arena, "%s/active.yaml", folder);
}

static void
load_active(struct loading *l)
{
	const char *path = active_path(l);
	struct reader r = reader_for(l, path);
	bool missing;

	l->snap->active_file = path;
	if (path == NULL)
		return;
	l->active_root = load_tree(l, path, &missing);
	if (l->active_root != NULL)
		read_section(&r, SECTION_ACTIVE, &l->entries, l->active_root, "");
}

/* Length of a vcluster file's name without its ending, or 0 when it is none: what editors leave
 * behind is passed over. */
static size_t
vcluster_stem(const char *name)
{
	const char *dot = strrchr(name, '.');

	if (name[0] == '.' || name[0] == '#' || dot == NULL)
		return 0;
	if (strcmp(dot, ".yaml") != 0 && strcmp(dot, ".yml") != 0)
		return 0;
	return (size_t)(dot - name);
}

static int
is_vcluster(const struct dirent *entry)
{
	return vcluster_stem(entry->d_name) > 0;
}

static int
compare_entries(const struct dirent **a, const struct dirent **b)
{
	size_t a_stem = vcluster_stem((*a)->d_name);
	size_t b_stem = vcluster_stem((*b)->d_name);
	size_t shorter = a_stem < b_stem ? a_stem : b_stem;
	int order = memcmp((*a)->d_name, (*b)->d_name, shorter);

	if (order != 0)
		return order;
	if (a_stem != b_stem)
		return a_stem < b_stem ? -1 : 1;
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
load_vcluster(struct loading *l, const char *entry)
{
	struct arena *arena = l->snap->arena;
	const char *path = arena_printf(arena, "%s/%s", l->snap->settings.vclusters_dir, entry);
	const char *name = arena_strndup(arena, entry, vcluster_stem(entry));
	struct vcluster *vc = &l->vclusters[l->vclusters_count];
	struct reader r = reader_for(l, path);
	const struct node *root;
	bool missing;

	if (!name_is_legal(name, 128)) {
		faults_add(
		    l->faults, FAULT_ERROR, path, 0, 0, "",
		    "the file's name is not a virtual cluster's: 1 to 128 of A-Z a-z 0-9 . _ - "
		    "and .yaml");
		return;
	}
	if (l->vclusters_count > 0 && strcmp(name, vc[-1].name) == 0) {
		faults_add(l->faults, FAULT_ERROR, path, 0, 0, "",
			   "%s is the same virtual cluster: remove one of the files", vc[-1].file);
		return;
	}
	root = load_tree(l, path, &missing);
	if (missing) {
		struct stat st;

		/* Gone since the folder was listed, or a link that leads nowhere: that one is no
		 * removal. */
		if (lstat(path, &st) == 0)
			faults_add(l->faults, FAULT_ERROR, path, 0, 0, "",
				   "the link leads to no file: mend it, or remove it to remove the "
				   "virtual cluster");
		return;
	}
	read_defaults(&r, SECTION_VCLUSTER, vc);
	vc->name = name;
	vc->prefix = name;
	vc->file = path;
	if (root != NULL)
		read_section(&r, SECTION_VCLUSTER, vc, root, "");
	l->vcluster_roots[l->vclusters_count++] = root;
}

static void
load_vclusters(struct loading *l)
{
	const char *dir = l->snap->settings.vclusters_dir;
	struct dirent **entries = NULL;
	int count = scandir(dir, &entries, is_vcluster, compare_entries);
	int limit = count < VCLUSTERS_MAX ? count : VCLUSTERS_MAX;

	if (count < 0 && errno != ENOENT)
		faults_add(l->faults, FAULT_ERROR, dir, 0, 0, "vclusters.dir",
			   "the folder cannot be read: %s", strerror(errno));
	if (count > limit)
		faults_add(l->faults, FAULT_ERROR, dir, 0, 0, "vclusters.dir",
			   "the folder holds %d virtual clusters: %d is the limit", count, limit);
	if (limit > 0) {
		l->vclusters = arena_array(l->snap->arena, (size_t)limit, sizeof(*l->vclusters));
		l->vcluster_roots =
		    arena_array(l->scratch, (size_t)limit, sizeof(*l->vcluster_roots));
	}
	for (int i = 0; i < limit; i++)
		load_vcluster(l, entries[i]->d_name);
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
}

static int
compare_texts(const void *a, const void *b)
{
	const char *const *left = a;
	const char *const *right = b;

	return strcmp(*left, *right);
}

/* The variables that can change a snapshot, in a fixed order. */
static const char **
sorted_overrides(struct loading *l, size_t *count)
{
	char *const *environment = l->source->environment;
	const char **sorted;
	size_t all = 0;

	*count = 0;
	while (environment != NULL && environment[all] != NULL)
		all++;
	sorted = arena_array(l->scratch, all + 1, sizeof(*sorted));
	for (size_t i = 0; i < all; i++) {
		if (strncmp(environment[i], "KAFKA_", 6) == 0 ||
		    strncmp(environment[i], "GATEWAY_", 8) == 0)
			sorted[(*count)++] = environment[i];
	}
	qsort(sorted, *count, sizeof(*sorted), compare_texts);
	return sorted;
}

/* SHA-256 over the digests of all inputs, each with its name. */
static void
seal_digest(struct loading *l)
{
	size_t count;
	const char **overrides = sorted_overrides(l, &count);
	uint8_t digest[SHA256_BYTES];
	char *all = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&all, &size);

	if (out == NULL)
		return;
	for (size_t i = 0; i < l->files_count; i++)
		fprintf(out, "%s%c%s%c", l->files[i].path, 0, l->files[i].sha256, 0);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s%c", overrides[i], 0);
	fprintf(out, "%s%c%s", l->snap->settings.state_dir, 0, l->snap->settings.advertised_host);
	fclose(out);
	sha256(all, size, digest);
	sha256_hex(digest, l->snap->digest);
	explicit_bzero(all, size);
	free(all);
}

static void
seal_files(struct loading *l)
{
	struct config_file *files = arena_array(l->snap->arena, l->files_count, sizeof(*files));

	memcpy(files, l->files, l->files_count * sizeof(*files));
	l->snap->files = files;
	l->snap->files_count = l->files_count;
}

static void
loading_begin(struct loading *l, const struct config_source *source, struct faults *faults)
{
	struct arena *arena = arena_new();
	char *folder;

	*l = (struct loading){.source = source, .faults = faults, .scratch = arena_new()};
	l->snap = arena_alloc(arena, sizeof(*l->snap));
	l->snap->arena = arena;
	atomic_init(&l->snap->references, 1);
	l->config_path = source->config_path != NULL ? source->config_path : DEFAULT_PATH;
	folder = file_folder(l->config_path);
	l->folder = arena_strdup(l->scratch, folder);
	free(folder);
}

static void
loading_end(struct loading *l)
{
	arena_free(&l->scratch);
	free(l->files);
}

struct snapshot *
config_load(const struct config_source *source, struct faults *faults)
{
	struct loading l;
	size_t errors = faults_errors(faults);

	loading_begin(&l, source, faults);
	load_settings(&l);
	load_clusters(&l);
	load_active(&l);
	load_vclusters(&l);
	link_all(&l);
	seal_files(&l);
	seal_digest(&l);
	loading_end(&l);
	faults_sort(faults);
	if (faults_errors(faults) > errors)
		snapshot_unref(&l.snap);
	return l.snap;
}

struct directories {
	char **all;
	size_t count;
	size_t capacity;
};

/* Takes the text. */
static void
directories_add(struct directories *d, char *directory)
{
	for (size_t i = 0; i < d->count; i++) {
		if (strcmp(d->all[i], directory) == 0) {
			free(directory);
			return;
		}
	}
	d->all = mem_grow(d->all, &d->capacity, d->count + 1, sizeof(*d->all));
	d->all[d->count++] = directory;
}

/* The folder of a file and, where it is a symlink elsewhere, that of its target. */
static void
directories_add_file(struct directories *d, const char *path)
{
	char *folder = file_folder(path);
	char *target = realpath(path, NULL);
	char *real_folder = realpath(folder, NULL);

	if (target != NULL) {
		char *target_folder = file_folder(target);

		if (real_folder == NULL || strcmp(target_folder, real_folder) != 0)
			directories_add(d, target_folder);
		else
			free(target_folder);
	}
	directories_add(d, folder);
	free(real_folder);
	free(target);
}

char **
config_directories(const struct config_source *source, size_t *count)
{
	struct loading l;
	struct faults *unused = faults_new();
	struct directories d = {0};

	loading_begin(&l, source, unused);
	load_settings(&l);
	load_vclusters(&l);
	directories_add_file(&d, l.config_path);
	directories_add_file(&d, l.snap->settings.clusters_file);
	if (active_path(&l) != NULL)
		directories_add_file(&d, active_path(&l));
	directories_add(&d, mem_strdup(l.snap->settings.vclusters_dir));
	for (size_t i = 0; i < l.vclusters_count; i++)
		directories_add_file(&d, l.vclusters[i].file);
	loading_end(&l);
	snapshot_unref(&l.snap);
	faults_free(&unused);
	*count = d.count;
	return d.all;
}

void
config_directories_free(char **directories, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(directories[i]);
	free(directories);
}
