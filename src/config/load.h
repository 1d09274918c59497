/* SPDX-License-Identifier: Apache-2.0
 *
 * Files in, a sealed snapshot or a list of faults out. Pure but for reading the files: no globals,
 * nothing else changes.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "config/snapshot.h"

enum fault_severity { FAULT_WARNING, FAULT_ERROR };

/* One thing wrong in a file or an environment variable. */
struct fault {
	enum fault_severity severity;
	const char *file; /* path, or "environment" */
	int line;         /* from 1; 0 where there is none */
	int column;       /* from 1; 0 where there is none */
	const char *key;  /* dotted path of the key, or "" */
	const char *text; /* a sentence: what is wrong and what to do */
};

/* Collects faults in the order found (by file, then line); owns its texts. */
struct faults;
struct faults *faults_new(void);
void faults_free(struct faults **faults);
size_t faults_count(const struct faults *faults);
size_t faults_errors(const struct faults *faults); /* how many are FAULT_ERROR */
const struct fault *faults_at(const struct faults *faults, size_t index);
void faults_add(struct faults *faults, enum fault_severity severity, const char *file, int line,
		int column, const char *key, const char *format, ...)
    __attribute__((format(printf, 7, 8)));
/* "file:line:column: key: sentence" as printed by turnoutd --check and the log; returns out. */
char *fault_format(const struct fault *fault, char *out, size_t size);

/* Where a configuration comes from. */
struct config_source {
	const char *config_path; /* turnout.yaml; a file that does not exist means all defaults */
	const char *state_dir;   /* --state-dir, or NULL */
	const char *active_dir; /* where active.yaml is; NULL: in the state directory. state.dir may
				 * change in the file while the gateway keeps the one it has */
	char *const *environment; /* NULL-terminated NAME=value list, or NULL */
};

/* Reads and checks everything. Returns a snapshot with one reference when no fault is an error,
 * else NULL; faults gets all errors and warnings found, of all files, either way. */
struct snapshot *config_load(const struct config_source *source, struct faults *faults);

/* Warns of every setting that differs between the snapshot that the daemon started with and a newer
 * one, and that only a restart puts into effect. Returns how many. */
size_t config_restart_faults(const struct snapshot *running, const struct snapshot *loaded,
			     struct faults *faults);

/* The Kafka cluster id that clients of a vcluster see: 22 characters of base64url of a hash of the
 * gateway's cluster.id and the vcluster's name. Kafka's tools take a leading - for an option: A
 * stands there instead. */
void config_cluster_id(const char *gateway, const char *vcluster, char out[23]);

/* The directories to watch for changes of this source, resolved as config_load() resolves them even
 * when files are faulty: the caller frees the array with config_directories_free(). */
char **config_directories(const struct config_source *source, size_t *count);
void config_directories_free(char **directories, size_t count);
