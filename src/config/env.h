/* SPDX-License-Identifier: Apache-2.0
 *
 * Environment variables as a source of configuration: which variable overrides which key stands in
 * keys.def. An empty variable counts as not set.
 */
#pragma once
#include "config/read.h"

/* The value of a variable, or NULL when it is not set or empty. environment may be NULL. */
const char *env_get(char *const *environment, const char *name);

/* Overrides settings by the variables of keys.def; warns of GATEWAY_* that mean nothing here.
 * scratch holds nodes until the load ends. */
void env_read_settings(struct reader *r, struct arena *scratch, char *const *environment,
		       struct settings *settings);

/* Adds clusters and properties of KAFKA_* to the tree of clusters.yaml: what the file says stays,
 * the environment fills in. */
void env_merge_clusters(struct reader *r, struct arena *scratch, char *const *environment,
			struct node *root);
