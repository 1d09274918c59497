/* SPDX-License-Identifier: Apache-2.0
 *
 * state.json: there and back, and what happens to one that is broken. Tracks: what generation a
 * start gives.
 */
#include "scratch.h"
#include "ctl/state.h"

struct world_state {
	struct fleet fleet;
	struct tracks tracks;
};

static void
free_state(struct world_state *state)
{
	fleet_free(&state->fleet);
	tracks_free(&state->tracks);
}

static void
load(const struct scratch *scratch, struct world_state *state)
{
	struct err err;

	memset(state, 0, sizeof(*state));
	cr_assert(state_load(scratch->path, &state->fleet, &state->tracks, &err), "%s", err.text);
}

static void
save(const struct scratch *scratch, const struct world_state *state)
{
	struct err err;

	cr_assert(state_save(scratch->path, &state->fleet, &state->tracks, &err), "%s", err.text);
}

/* A snapshot of clusters a and b with one logical cluster that is on `active`. */
struct snapshot_of_one {
	struct snapshot snap;
	struct cluster clusters[2];
	struct logical logical;
};

static const struct snapshot *
snapshot_on(struct snapshot_of_one *s, size_t active)
{
	memset(s, 0, sizeof(*s));
	s->clusters[0].name = "a";
	s->clusters[1].name = "b";
	s->logical.name = "main";
	s->logical.active = active;
	s->snap.clusters = s->clusters;
	s->snap.clusters_count = 2;
	s->snap.logicals = &s->logical;
	s->snap.logicals_count = 1;
	return &s->snap;
}

Test(state, goes_there_and_back)
{
	struct scratch scratch;
	struct world_state before = {0};
	struct world_state after;
	struct member *member;
	struct track *track;
	struct stat status;

	scratch_make(&scratch);
	member = fleet_get(&before.fleet, "main");
	member_add_slot(member, 7, "k7", 9092, 64);
	member_add_slot(member, 3, "k3", 9093, 64);
	snprintf(member->kafka_cluster_id, sizeof(member->kafka_cluster_id), "abc");
	for (int i = 0; i < WORLD_API_KEYS; i++)
		member->apis[i] = (struct api_range){.min = 0, .max = -1};
	member->apis[1] = (struct api_range){.min = 4, .max = 12};
	member->apis_known = true;
	fleet_get(&before.fleet, "never-reached");
	track = tracks_get(&before.tracks, "main");
	track_set(&track->cluster, "main");
	track->generation = 1234567890123;
	save(&scratch, &before);
	cr_assert_eq(stat(scratch_path(&scratch, "state.json"), &status), 0);
	cr_expect_eq(status.st_mode & 0777, 0600);

	load(&scratch, &after);
	member = fleet_find(&after.fleet, "main");
	cr_assert_not_null(member);
	cr_assert_eq(member->slots_count, 2);
	cr_expect_eq(member->slots[0].broker_id, 7);
	cr_expect_str_eq(member->slots[0].host, "k7");
	cr_expect_eq(member->slots[1].port, 9093);
	cr_expect_not(member->slots[0].present);
	cr_expect_not(member->known);
	cr_expect_str_eq(member->kafka_cluster_id, "abc");
	cr_expect(member->apis_known);
	cr_expect_eq(member->apis[1].min, 4);
	cr_expect_eq(member->apis[1].max, 12);
	cr_expect_gt(member->apis[2].min, member->apis[2].max);
	cr_expect_not(fleet_find(&after.fleet, "never-reached")->apis_known);
	track = tracks_find(&after.tracks, "main");
	cr_expect_eq(track->generation, 1234567890123);
	cr_expect_str_eq(track->saved, "main");
	cr_expect_null(track->cluster);
	free_state(&before);
	free_state(&after);
	scratch_free(&scratch);
}

Test(state, a_missing_file_is_an_empty_one)
{
	struct scratch scratch;
	struct world_state state;

	scratch_make(&scratch);
	load(&scratch, &state);
	cr_expect_eq(state.fleet.count, 0);
	cr_expect_eq(state.tracks.count, 0);
	scratch_free(&scratch);
}

Test(state, a_broken_file_is_kept_aside)
{
	static const char *const broken[] = {
	    "",
	    "{",
	    "[]",
	    "{}",
	    "{\"version\": 2, \"logicals\": {}, \"clusters\": {}}",
	    "{\"version\": 1, \"logicals\": [], \"clusters\": {}}",
	    "{\"version\": 1, \"logicals\": {\"main\": 1}, \"clusters\": {}}",
	    "{\"version\": 1, \"logicals\": {\"main\": {\"cluster\": \"a\", \"generation\": -1}}, "
	    "\"clusters\": {}}",
	    "{\"version\": 1, \"logicals\": {}, \"clusters\": {\"a\": {\"kafka_cluster_id\": \"\", "
	    "\"slots\": [{\"id\": 1, \"host\": \"k\", \"port\": 70000}]}}}",
	    "{\"version\": 1, \"logicals\": {}, \"clusters\": {\"a\": {\"kafka_cluster_id\": \"\", "
	    "\"slots\": [{\"id\": 1, \"host\": \"k\", \"port\": 1}, "
	    "{\"id\": 1, \"host\": \"k\", \"port\": 1}]}}}",
	    "{\"version\": 1, \"logicals\": {}, \"clusters\": {\"a\": {\"kafka_cluster_id\": \"\", "
	    "\"slots\": [], \"apis\": {\"1000\": [0, 1]}}}}",
	    "{\"version\": 1, \"logicals\": {}, \"clusters\": {\"a\": {\"kafka_cluster_id\": \"\", "
	    "\"slots\": [], \"apis\": {\"1\": [5, 1]}}}}",
	};

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct scratch scratch;
		struct world_state state;

		scratch_make(&scratch);
		scratch_write(&scratch, "state.json", broken[i]);
		load(&scratch, &state);
		cr_expect_eq(state.fleet.count, 0, "%s", broken[i]);
		cr_expect_eq(state.tracks.count, 0);
		cr_expect_not(scratch_exists(&scratch, "state.json"), "%s", broken[i]);
		cr_expect_str_eq(scratch_read(&scratch, "state.json.broken"), broken[i]);
		scratch_free(&scratch);
	}
}

Test(tracks, a_start_on_the_same_cluster_keeps_the_generation)
{
	struct snapshot_of_one s;
	struct tracks tracks = {0};
	struct track *track = tracks_get(&tracks, "main");

	track->generation = 4;
	track_set(&track->saved, "a");
	cr_expect(tracks_configure(&tracks, snapshot_on(&s, 0), NULL, "start"));
	cr_expect_eq(track->generation, 4);
	cr_expect_str_eq(track->cluster, "a");
	cr_expect_not(track_is_owed(track));
	tracks_free(&tracks);
}

Test(tracks, a_switch_while_we_were_down_counts)
{
	struct snapshot_of_one s;
	struct tracks tracks = {0};
	struct track *track = tracks_get(&tracks, "main");

	track->generation = 4;
	track_set(&track->saved, "a");
	tracks_configure(&tracks, snapshot_on(&s, 1), NULL, "start");
	cr_expect_eq(track->generation, 5);
	cr_expect_str_eq(track->cluster, "b");
	tracks_free(&tracks);
}

Test(tracks, an_edited_file_makes_a_switch_owed)
{
	struct snapshot_of_one s;
	struct snapshot_of_one next;
	struct tracks tracks = {0};
	struct track *track;

	tracks_configure(&tracks, snapshot_on(&s, 0), NULL, "start");
	track = tracks_find(&tracks, "main");
	cr_expect_eq(track->generation, 0);
	cr_expect_not(tracks_configure(&tracks, snapshot_on(&next, 1), &s.snap, "SIGHUP"));
	cr_expect(track_is_owed(track));
	cr_expect_str_eq(track->cluster, "a");
	cr_expect_str_eq(track->desired, "b");
	cr_expect_str_eq(track->who, "SIGHUP");
	tracks_configure(&tracks, snapshot_on(&s, 0), &next.snap, "inotify");
	cr_expect_not(track_is_owed(track));
	tracks_free(&tracks);
}

Test(tracks, a_canary_starts_where_its_tenant_is)
{
	const struct vcluster tenant = {.name = "teamA", .cluster = "main"};
	struct snapshot_of_one s;
	struct snapshot_of_one next;
	struct logical logicals[2] = {{.name = "main"}, {.name = "vcluster:teamA", .active = 1}};
	struct tracks tracks = {0};
	struct track *track;

	snapshot_on(&s, 0);
	s.snap.vclusters = &tenant;
	s.snap.vclusters_count = 1;
	tracks_configure(&tracks, &s.snap, NULL, "start");
	snapshot_on(&next, 0);
	next.snap.logicals = logicals;
	next.snap.logicals_count = 2;
	cr_expect(tracks_configure(&tracks, &next.snap, &s.snap, "inotify"));
	track = tracks_find(&tracks, "vcluster:teamA");
	cr_expect_str_eq(track->cluster, "a");
	cr_expect_str_eq(track->desired, "b");
	tracks_free(&tracks);
}
