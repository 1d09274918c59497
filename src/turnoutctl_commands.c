/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands that ask the gateway. Each prints plain text for people, or with --json the API's
 * answer as it is.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "turnoutctl.h"

#define POLL_US     200000
#define MAIN        "main"
#define SWITCHED_TO "switched:"

/* Prints a line; text from the API in it is made harmless. */
__attribute__((format(printf, 1, 2))) static void
line(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) >= 0)
		print_plain(text);
	va_end(args);
	free(text);
	putchar('\n');
}

/* -- status */

/* What status shows is several answers. */
struct overview {
	struct answer ready;
	struct answer versions;
	struct answer clusters;
	struct answer vclusters;
	struct answer config;
};

static void
show_ready(const struct overview *o)
{
	const json_t *check = json_array_get(json_object_get(o->ready.json, "checks"), 0);

	if (o->ready.status == 200)
		line("gateway    %s, ready", member_text(o->versions.json, "version"));
	else
		line("gateway    %s, NOT READY: %s", member_text(o->versions.json, "version"),
		     member_text(json_object_get(check, "data"), "reason"));
}

static void
show_logicals(const json_t *logicals)
{
	size_t i;
	json_t *one;

	json_array_foreach(logicals, i, one)
	{
		line("%s %s on %s (generation %lld, %s), %lld vclusters",
		     i == 0 ? "logical   " : "          ", member_text(one, "id"),
		     member_text(one, "active"), member_number(one, "generation"),
		     member_text(one, "state"), member_number(one, "vclusters"));
	}
}

static void
show_physicals(const json_t *physicals)
{
	size_t i;
	json_t *one;

	json_array_foreach(physicals, i, one)
	{
		const char *label = i == 0 ? "physical  " : "          ";
		size_t brokers = json_array_size(json_object_get(one, "brokers"));

		if (json_is_true(json_object_get(one, "reachable")))
			line("%s %s up, %zu brokers, %s", label, member_text(one, "id"), brokers,
			     member_text(one, "bootstrap.servers"));
		else
			line("%s %s DOWN: %s, %s", label, member_text(one, "id"),
			     member_text(one, "error"), member_text(one, "bootstrap.servers"));
	}
}

static void
show_fault(const json_t *fault)
{
	line("  %s: %s:%lld:%lld: %s%s%s", member_text(fault, "severity"),
	     member_text(fault, "file"), member_number(fault, "line"),
	     member_number(fault, "column"), member_text(fault, "key"),
	     member_text(fault, "key")[0] != '\0' ? ": " : "", member_text(fault, "text"));
}

static void
show_config(const json_t *config)
{
	const json_t *load = json_object_get(config, "lastLoad");
	const json_t *faults = json_object_get(config, "faults");
	size_t i;
	json_t *fault;

	line("config     snapshot %lld, last load at %s %s, %lld errors, %lld warnings",
	     member_number(config, "snapshot"), member_text(load, "at"),
	     json_is_true(json_object_get(load, "taken")) ? "taken" : "REFUSED",
	     member_number(load, "errors"), member_number(load, "warnings"));
	json_array_foreach(faults, i, fault) show_fault(fault);
}

static void
show_last_switch(const json_t *switches)
{
	const json_t *last = json_array_get(switches, 0);

	if (last == NULL)
		line("switch     none since the start");
	else if (json_is_true(json_object_get(last, "ok")))
		line("switch     %s %s from %s to %s by %s, took %lld ms, held %lld requests for "
		     "%lld ms, cut %lld connections",
		     member_text(last, "at"), member_text(last, "cluster"),
		     member_text(last, "from"), member_text(last, "to"), member_text(last, "who"),
		     member_number(last, "durationMs"), member_number(last, "held"),
		     member_number(last, "heldMs"), member_number(last, "cut"));
	else
		line("switch     %s %s to %s by %s FAILED: %s", member_text(last, "at"),
		     member_text(last, "cluster"), member_text(last, "to"),
		     member_text(last, "who"), member_text(last, "error"));
}

static void
show_json(const struct overview *o)
{
	json_t *all =
	    json_pack("{s:O?, s:O?, s:O?, s:O?, s:O?}", "ready", o->ready.json, "versions",
		      o->versions.json, "clusters", o->clusters.json, "vclusters",
		      json_object_get(o->vclusters.json, "vclusters"), "config", o->config.json);

	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

int
command_status(const struct tool *tool)
{
	struct overview o = {0};
	int status = api_ask(tool, "GET", "/admin/pclusters/v1", NULL, &o.clusters);

	/* Not ready is an answer as well. */
	if (status == TOOL_DONE && !api_call(tool, "GET", "/health/ready", NULL, &o.ready)) {
		fprintf(stderr, "turnoutctl: no answer from %s: %s\n", tool->url, o.ready.reason);
		status = TOOL_UNREACHABLE;
	}
	if (status == TOOL_DONE)
		status = api_ask(tool, "GET", "/versions", NULL, &o.versions);
	if (status == TOOL_DONE)
		status = api_ask(tool, "GET", "/admin/vclusters/v1", NULL, &o.vclusters);
	if (status == TOOL_DONE)
		status = api_ask(tool, "GET", "/admin/config/v1", NULL, &o.config);
	if (status == TOOL_DONE && tool->json) {
		show_json(&o);
	} else if (status == TOOL_DONE) {
		show_ready(&o);
		show_logicals(json_object_get(o.clusters.json, "logical"));
		show_physicals(json_object_get(o.clusters.json, "physical"));
		line("vclusters  %zu",
		     json_array_size(json_object_get(o.vclusters.json, "vclusters")));
		show_config(o.config.json);
		show_last_switch(json_object_get(o.clusters.json, "switches"));
	}
	answer_free(&o.ready);
	answer_free(&o.versions);
	answer_free(&o.clusters);
	answer_free(&o.vclusters);
	answer_free(&o.config);
	return status;
}

/* -- the others */

static void
show_switched(const struct tool *tool, const json_t *result)
{
	const char *cluster = member_text(result, "cluster");
	const char *from = member_text(result, "from");
	const char *to = member_text(result, "to");

	if (tool->dry_run)
		line("%s can be switched from %s to %s; nothing was done", cluster, from, to);
	else if (!json_is_true(json_object_get(result, "moved")))
		line("%s is on %s already; nothing moved", cluster, to);
	else
		line("%s switched from %s to %s in %lld ms (generation %lld): %lld connections, "
		     "%lld requests held for %lld ms, %lld connections cut",
		     cluster, from, to, member_number(result, "durationMs"),
		     member_number(result, "generation"), member_number(result, "connections"),
		     member_number(result, "held"), member_number(result, "heldMs"),
		     member_number(result, "cut"));
}

int
command_switch(const struct tool *tool)
{
	bool both = tool->arguments_count == 2;
	const char *const values[] = {both ? tool->arguments[0] : MAIN,
				      tool->arguments[both ? 1 : 0]};
	char *path = api_path("/admin/pclusters/v1/pcluster/%s/switch?to=%s", values);
	char *full = mem_printf("%s%s%s", path, tool->force ? "&force=true" : "",
				tool->dry_run ? "&dryRun=true" : "");
	struct answer answer;
	int status = api_ask(tool, "POST", full, NULL, &answer);

	if (tool->json && answer.status != 0)
		print_body(&answer);
	else if (status == TOOL_DONE)
		show_switched(tool, answer.json);
	answer_free(&answer);
	free(full);
	free(path);
	return status;
}

int
command_token(const struct tool *tool)
{
	const char *const values[] = {tool->arguments[0], tool->arguments[1]};
	char *path = api_path("/admin/vclusters/v1/vcluster/%s/username/%s", values);
	char *body = mem_printf("{\"lifeTimeSeconds\": %lld}", (long long)tool->lifetime_s);
	struct answer answer;
	int status = api_ask(tool, "POST", path, body, &answer);

	if (tool->json && answer.status != 0)
		print_body(&answer);
	else if (status == TOOL_DONE)
		line("%s", member_text(answer.json, "token"));
	answer_free(&answer);
	free(body);
	free(path);
	return status;
}

static int
list_topics(const struct tool *tool, const char *vcluster)
{
	const char *const values[] = {vcluster};
	char *path = api_path("/admin/vclusters/v1/vcluster/%s/topics", values);
	struct answer answer;
	int status = api_ask(tool, "GET", path, NULL, &answer);
	size_t i;
	json_t *topic;

	if (tool->json && answer.status != 0) {
		print_body(&answer);
	} else if (status == TOOL_DONE) {
		json_array_foreach(answer.json, i, topic)
		{
			line("%s -> %s%s", member_text(topic, "logicalTopicName"),
			     member_text(topic, "physicalTopicName"),
			     json_is_true(json_object_get(topic, "readOnly")) ? " (read-only)"
									      : "");
		}
	}
	answer_free(&answer);
	free(path);
	return status;
}

/* POST or DELETE of one alias. */
static int
change_topic(const struct tool *tool, const char *method, const char *body, const char *done)
{
	const char *const values[] = {tool->arguments[1], tool->arguments[2]};
	char *path = api_path("/admin/vclusters/v1/vcluster/%s/topics/%s", values);
	struct answer answer;
	int status = api_ask(tool, method, path, body, &answer);

	if (tool->json && answer.status != 0)
		print_body(&answer);
	else if (status == TOOL_DONE)
		line("%s of %s %s", tool->arguments[2], tool->arguments[1], done);
	answer_free(&answer);
	free(path);
	return status;
}

static int
add_topic(const struct tool *tool)
{
	json_t *object = json_pack("{s:s, s:b}", "physicalTopicName", tool->arguments[3],
				   "readOnly", (int)tool->read_only);
	char *body = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
	int status = TOOL_USAGE;

	if (body != NULL)
		status = change_topic(tool, "POST", body, "is an alias now");
	else
		fprintf(stderr, "turnoutctl: a topic's name is no UTF-8\n");
	free(body);
	json_decref(object);
	return status;
}

int
command_topics(const struct tool *tool)
{
	const char *what = tool->arguments[0];

	if (tool->arguments_count == 1)
		return list_topics(tool, what);
	if (tool->arguments_count == 2 && strcmp(what, "list") == 0)
		return list_topics(tool, tool->arguments[1]);
	if (tool->arguments_count == 4 && strcmp(what, "add") == 0)
		return add_topic(tool);
	if (tool->arguments_count == 3 && strcmp(what, "remove") == 0)
		return change_topic(tool, "DELETE", NULL, "is no alias any more");
	fprintf(stderr, "turnoutctl: topics [list] VCLUSTER, topics add VCLUSTER TOPIC PHYSICAL "
			"[--read-only], or topics remove VCLUSTER TOPIC\n");
	return TOOL_USAGE;
}

int
command_reload(const struct tool *tool)
{
	struct answer answer;
	int status = api_ask(tool, "POST", "/admin/config/v1/reload", NULL, &answer);
	size_t i;
	json_t *fault;

	if (tool->json && answer.status != 0) {
		print_body(&answer);
	} else if (status == TOOL_DONE) {
		line("%s (snapshot %lld, %lld warnings)", member_text(answer.json, "message"),
		     member_number(answer.json, "snapshot"),
		     member_number(answer.json, "warnings"));
	} else {
		json_array_foreach(json_object_get(answer.json, "faults"), i, fault)
		    show_fault(fault);
	}
	answer_free(&answer);
	return status;
}

/* -- wait */

/* What is waited for. */
struct goal {
	char logical[160]; /* "": readiness */
	const char *cluster;
};

static bool
goal_parse(const char *text, struct goal *goal)
{
	const char *equals;

	memset(goal, 0, sizeof(*goal));
	if (strcmp(text, "ready") == 0)
		return true;
	if (strncmp(text, SWITCHED_TO, strlen(SWITCHED_TO)) != 0)
		return false;
	text += strlen(SWITCHED_TO);
	equals = strchr(text, '=');
	goal->cluster = equals != NULL ? equals + 1 : text;
	snprintf(goal->logical, sizeof(goal->logical), "%.*s",
		 equals != NULL ? (int)(equals - text) : (int)strlen(MAIN),
		 equals != NULL ? text : MAIN);
	return goal->logical[0] != '\0' && goal->cluster[0] != '\0';
}

/* Looks once. TOOL_DONE: reached; TOOL_TIMEOUT: not yet, why says what is; else it never will. */
static int
goal_look(const struct tool *tool, const struct goal *goal, char *why, size_t size)
{
	const char *const values[] = {goal->logical};
	bool ready = goal->logical[0] == '\0';
	char *path = api_path(ready ? "/health/ready" : "/admin/pclusters/v1/pcluster/%s", values);
	struct answer answer;
	int status = TOOL_TIMEOUT;

	if (!api_call(tool, "GET", path, NULL, &answer)) {
		snprintf(why, size, "no answer from %s: %s", tool->url, answer.reason);
	} else if (ready) {
		const json_t *check = json_array_get(json_object_get(answer.json, "checks"), 0);

		snprintf(why, size, "not ready: %s",
			 member_text(json_object_get(check, "data"), "reason"));
		status = answer.status == 200 ? TOOL_DONE : TOOL_TIMEOUT;
	} else if (answer.status != 200) {
		answer_free(&answer);
		status = api_ask(tool, "GET", path, NULL, &answer);
		status = status == TOOL_REFUSED ? TOOL_REFUSED : TOOL_TIMEOUT;
	} else {
		bool there = strcmp(member_text(answer.json, "active"), goal->cluster) == 0 &&
			     strcmp(member_text(answer.json, "state"), "run") == 0;

		snprintf(why, size, "%s is on %s, state %s", goal->logical,
			 member_text(answer.json, "active"), member_text(answer.json, "state"));
		status = there ? TOOL_DONE : TOOL_TIMEOUT;
	}
	answer_free(&answer);
	free(path);
	return status;
}

int
command_wait(const struct tool *tool)
{
	int64_t deadline = clock_now_ms() + tool->timeout_s * 1000;
	char why[512] = "";
	struct goal goal;
	int status;

	if (!goal_parse(tool->arguments[0], &goal)) {
		fprintf(stderr, "turnoutctl: wait for 'ready' or 'switched:CLUSTER', not '%s'\n",
			tool->arguments[0]);
		return TOOL_USAGE;
	}
	while ((status = goal_look(tool, &goal, why, sizeof(why))) == TOOL_TIMEOUT &&
	       clock_now_ms() < deadline)
		usleep(POLL_US);
	if (status == TOOL_TIMEOUT)
		fprintf(stderr, "turnoutctl: waited %lld s in vain; %s\n",
			(long long)tool->timeout_s, why);
	return status;
}
