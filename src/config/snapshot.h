/* SPDX-License-Identifier: Apache-2.0
 *
 * A configuration as one immutable value: all files and environment overrides, loaded and checked
 * as a whole. Built by config_load(), shared by reference count, freed when the last holder lets
 * go. Nothing in it is written after it was sealed; runtime state (routes, keys, sockets) is built
 * from it elsewhere.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/log.h"
#include "base/sha256.h"

/* An account of the admin API (admin.users). */
struct admin_user {
	const char *name;
	const char *password;
	bool admin; /* may change things; without it read-only */
};

/* Key bytes that sign and verify tokens (token.keys): the first signs, all verify. */
struct token_key {
	const uint8_t *bytes;
	size_t length;
};

/* turnout.yaml with the environment's overrides; each member is a row of keys.def, which has unit,
 * range and default. */
struct settings {
	const char *
	    cluster_id; /* names the gateway (all instances alike): seeds the virtual cluster ids */
	const char *advertised_host;
	const char *bind_host;
	int64_t port_start;
	int64_t port_count; /* at most so many vnodes */
	const char *security_protocol;
	int64_t workers; /* 0: one per core */
	const char *clusters_file;
	const char *vclusters_dir;
	const char *state_dir;
	const char *admin_bind_host;
	int64_t admin_port;
	bool metrics_secured;
	const struct admin_user *admin_users;
	size_t admin_users_count; /* 0: the daemon generates one into the state directory */
	const struct token_key *token_keys;
	size_t token_keys_count; /* 0: likewise */
	int64_t frame_bytes;
	int64_t request_bytes; /* of one that is not streamed */
	int64_t frame_unauthenticated_bytes;
	int64_t connections;
	int64_t buffer_bytes; /* per connection and direction, then reading stops */
	int64_t authenticate_timeout_ms;
	int64_t idle_timeout_ms;
	int64_t connect_timeout_ms;  /* to a broker */
	int64_t session_lifetime_ms; /* 0: until the token's end */
	int64_t switch_drain_timeout_ms;
	int64_t switch_settle_timeout_ms;
	int64_t probe_interval_ms;
	int64_t probe_timeout_ms;
	int64_t log_level; /* enum log_level */
};

/* A Kafka client property of a physical cluster that Turnout does not interpret itself (kept for
 * later use). */
struct property {
	const char *name;
	const char *value;
};

struct bootstrap {
	const char *host;
	uint16_t port;
};

/* A physical cluster: one entry of clusters.yaml's config, or of KAFKA_<ID>_*. */
struct cluster {
	const char *name;
	const struct bootstrap *bootstrap;
	size_t bootstrap_count;
	const char *security_protocol; /* "PLAINTEXT" for now */
	const char *roles;             /* gateway.roles: "", "failover", "upstream" */
	const struct property *properties;
	size_t properties_count;
};

/* A logical cluster and the physical one that the files say serves it. */
struct logical {
	const char *name;
	size_t active;   /* index into clusters[] */
	const char *own; /* what `active` of clusters.yaml itself says of it, or NULL */
};

struct user {
	const char *name;
	int64_t not_before; /* tokens issued (iat) before this second are refused; 0: none. A token
			     * without iat is refused where this is set */
	const int64_t *allow; /* numbers of the choices of keys.def; none: everything */
	size_t allow_count;
	int64_t connections; /* 0: no limit, as below */
	int64_t in_rate;     /* bytes per second */
	int64_t out_rate;
};

struct alias {
	const char *topic;
	const char *physical;
	bool read_only;
	bool is_contested; /* another vcluster may write to the topic as well: found when linking */
};

struct vcluster {
	const char *name;
	const char *prefix;
	const char *cluster; /* logical cluster */
	size_t logical;      /* index into logicals[] */
	const char *active; /* own `active:` of a canary tenant, or NULL; then `logical` is one made
			     * for it alone, named "vcluster:NAME" */
	int64_t session_lifetime_ms; /* its own, or that of the settings */
	const struct user *users;    /* sorted by name */
	size_t users_count;
	const struct alias *aliases; /* sorted by topic */
	size_t aliases_count;
	const struct alias *const *aliases_by_physical; /* the same, sorted by physical */
	const char *const *guested; /* own topics that another vcluster may write to by an alias:
				     * physical names, sorted */
	size_t guested_count;
	const char *file;
	char cluster_id[23]; /* the Kafka cluster id shown to clients: 22 base64url characters, from
			      * settings.cluster_id and the name, stable for ever */
};

/* A file that was read, as it was. */
struct config_file {
	const char *path;
	char sha256[SHA256_HEX]; /* "" where the file does not exist (turnout.yaml may be absent) */
};

struct snapshot {
	atomic_uint references;
	struct arena *arena;
	uint64_t
	    number; /* counts published snapshots; set by the control thread before publishing */
	struct settings settings;
	const struct cluster *clusters; /* in the order of the file */
	size_t clusters_count;
	const struct logical *logicals; /* "main" first */
	size_t logicals_count;
	const struct vcluster *vclusters; /* sorted by name */
	size_t vclusters_count;
	const struct config_file *files;
	size_t files_count;
	const char *active_file;  /* active.yaml (active.h), which a switch may write instead of
				   * clusters.yaml; NULL: it may not */
	const char *const *stale; /* logical clusters whose entry there counts no more */
	size_t stale_count;
	char digest[SHA256_HEX]; /* over all files and the overrides: equal means nothing changed */
};

struct snapshot *snapshot_ref(struct snapshot *snap);
/* Lets go and nulls the caller's pointer; *snap may be NULL. Any thread. */
void snapshot_unref(struct snapshot **snap);

const struct vcluster *snapshot_vcluster(const struct snapshot *snap, const char *name);
const struct user *vcluster_user(const struct vcluster *vc, const char *name);
bool user_has_limits(const struct user *user);
/* Index of a physical cluster by name, or -1. */
int snapshot_cluster(const struct snapshot *snap, const char *name);
/* Index of a logical cluster by name, or -1. */
int snapshot_logical(const struct snapshot *snap, const char *name);
