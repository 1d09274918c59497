/* SPDX-License-Identifier: Apache-2.0
 *
 * What the JSON views, the description and the status page show, and what they must not.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "admin/router.h"
#include "admin/view.h"
#include "unit/admin/fake_ctl.h"

/* Is the value, dumped with sorted keys, this text? Takes the value. */
static void
assert_json(json_t *value, const char *expected)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

	cr_assert(text != NULL);
	cr_assert(strcmp(text, expected) == 0, "%s\nis not\n%s", text, expected);
	free(text);
	json_decref(value);
}

/* Likewise for a member. Takes the object. */
static void
assert_member(json_t *object, const char *name, const char *expected)
{
	assert_json(json_incref(json_object_get(object, name)), expected);
	json_decref(object);
}

Test(views, text_of_any_bytes)
{
	assert_json(view_text("caf\xc3\xa9"), "\"caf\xc3\xa9\"");
	assert_json(view_text("a\xff\xfe"), "\"a??\"");
	assert_json(view_text(NULL), "null");
	assert_json(view_time(0), "null");
	assert_json(view_time(1763892000), "\"2025-11-23T10:00:00Z\"");
}

Test(views, health)
{
	assert_json(view_health_live(), "{\"checks\":[{\"id\":\"live\",\"status\":\"UP\"}],"
					"\"outcome\":\"UP\",\"status\":\"UP\"}");
	assert_json(view_health_ready("no <b>"),
		    "{\"checks\":[{\"data\":{\"reason\":\"no <b>\"},\"id\":\"ready\",\"status\":"
		    "\"DOWN\"}],\"outcome\":\"DOWN\",\"status\":\"DOWN\"}");
}

Test(views, secrets_by_name)
{
	static const char *const secret[] = {"sasl.jaas.config", "ssl.keystore.password", "SSL.KEY",
					     "my.Secret", "sasl.oauth.token"};
	static const char *const open[] = {"client.id", "security.protocol", "bootstrap.servers"};

	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		cr_assert(view_is_secret(secret[i]), "%s", secret[i]);
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		cr_assert(!view_is_secret(open[i]), "%s", open[i]);
}

Test(views, no_view_shows_a_secret)
{
	struct ctl *ctl = fake_ctl_new();
	struct bytes page = {0};
	json_t *values[] = {view_clusters(ctl), view_cluster(ctl, "failover"), view_config(ctl)};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char *text = json_dumps(values[i], 0);

		cr_assert(strstr(text, "hunter2") == NULL && strstr(text, "look") == NULL);
		free(text);
		json_decref(values[i]);
	}
	view_page(ctl, &page);
	bytes_add_u8(&page, 0);
	cr_assert(strstr((char *)page.data, "hunter2") == NULL);
	bytes_free(&page);
	fake_ctl_free(&ctl);
}

Test(views, one_cluster)
{
	struct ctl *ctl = fake_ctl_new();

	ctl->history_count = 0;
	assert_json(view_cluster(ctl, "eu"),
		    "{\"active\":\"failover\",\"generation\":0,\"id\":\"eu\",\"state\":\"run\","
		    "\"switches\":[],\"vclusters\":1}");
	assert_json(
	    view_cluster(ctl, "failover"),
	    "{\"id\":\"failover\",\"physical\":{\"bootstrap.servers\":\"failover-kafka1:9092\","
	    "\"brokers\":[],\"checkedMsAgo\":120,\"error\":\"connection refused\","
	    "\"gateway.roles\":\"failover\",\"id\":\"failover\",\"kafkaClusterId\":null,"
	    "\"known\":false,\"properties\":{\"Client.Secret\":\"***\",\"client.id\":"
	    "\"turnout<1>\",\"sasl.jaas.config\":\"***\",\"ssl.truststore.password\":\"***\"},"
	    "\"reachable\":false,\"security.protocol\":\"PLAINTEXT\",\"serves\":[\"eu\"]}}");
	cr_assert(view_cluster(ctl, "nope") == NULL);
	fake_ctl_free(&ctl);
}

Test(views, logical_and_physical_of_one_name)
{
	struct ctl *ctl = fake_ctl_new();
	json_t *value = view_cluster(ctl, "main");
	const json_t *physical = json_object_get(value, "physical");
	const json_t *brokers = json_object_get(physical, "brokers");

	cr_assert(strcmp(json_string_value(json_object_get(value, "active")), "main") == 0);
	cr_assert(json_integer_value(json_object_get(value, "generation")) == 3);
	cr_assert(json_array_size(json_object_get(value, "switches")) == 1);
	cr_assert(strcmp(json_string_value(json_object_get(physical, "bootstrap.servers")),
			 "kafka1:9092,[::1]:9093") == 0);
	cr_assert(json_array_size(brokers) == 3);
	cr_assert(json_integer_value(json_object_get(json_array_get(brokers, 1), "vnode")) == 1);
	cr_assert(json_is_null(json_object_get(json_array_get(brokers, 2), "vnode")));
	json_decref(value);
	fake_ctl_free(&ctl);
}

Test(views, switch_answer_and_history)
{
	struct ctl *ctl = fake_ctl_new();
	json_t *switches;

	assert_json(view_switched("main", &ctl->switch_result, false),
		    "{\"cluster\":\"main\",\"connections\":9,\"cut\":0,\"durationMs\":51,\"from\":"
		    "\"main\",\"generation\":4,\"held\":3,\"heldMs\":12,\"message\":\"Cluster "
		    "switched\",\"moved\":true,\"to\":\"failover\",\"workers\":2}");
	assert_member(view_switched("main", &ctl->switch_result, true), "message",
		      "\"Switch possible\"");
	ctl->history[1] = ctl->history[0];
	ctl->history[1].result.ok = false;
	ctl->history[1].result.err = (struct err){ERR_UNAVAILABLE, "no answer"};
	ctl->history_count = 2;
	switches = view_switches(ctl, "main");
	assert_member(json_incref(json_array_get(switches, 1)), "error", "\"no answer\"");
	json_decref(switches);
	assert_json(view_switches(ctl, "eu"), "[]");
	fake_ctl_free(&ctl);
}

Test(views, vclusters)
{
	struct ctl *ctl = fake_ctl_new();

	assert_json(view_vclusters(&ctl->snap), "{\"vclusters\":[\"teamA\",\"teamB\"]}");
	assert_json(view_vcluster(&ctl->snap.vclusters[1]),
		    "{\"active\":null,\"cluster\":\"eu\",\"clusterId\":\"BBBBBBBBBBBBBBBBBBBBBB\","
		    "\"file\":\"/etc/turnout/vclusters/<b>.yaml\",\"name\":\"teamB\",\"prefix\":"
		    "\"b.\",\"sessionLifetimeMs\":null,\"topics\":[],\"users\":[]}");
	assert_member(view_vcluster(&ctl->snap.vclusters[0]), "sessionLifetimeMs", "3600000");
	assert_member(view_vcluster(&ctl->snap.vclusters[0]), "users",
		      "[{\"allow\":[\"read\",\"write\"],\"limits\":{\"connections\":50,"
		      "\"inBytesPerSecond\":null,\"outBytesPerSecond\":4096},\"name\":\"sa\","
		      "\"notBefore\":\"2025-11-23T10:00:00Z\"}]");
	fake_ctl_free(&ctl);
}

#define TOPIC(name, physical, read_only)                                                           \
	"{\"concentrated\":false,\"logicalTopicName\":\"" name                                     \
	"\",\"physicalTopicName\":\"" physical "\",\"readOnly\":" read_only "}"

Test(views, topics_merge_aliases)
{
	struct ctl *ctl = fake_ctl_new();
	static const char *const names[] = {"a", "orders", "users"};
	const struct vcluster *vc = &ctl->snap.vclusters[0];

	assert_json(view_topics(vc, names, 3),
		    "[" TOPIC("a", "teamAa", "false") "," TOPIC(
			"orders", "legacyOrders",
			"false") "," TOPIC("shared", "existingSharedTopic",
					   "true") "," TOPIC("users", "teamAusers", "false") "]");
	assert_json(view_topics(vc, NULL, 0),
		    "[" TOPIC("orders", "legacyOrders",
			      "false") "," TOPIC("shared", "existingSharedTopic", "true") "]");
	assert_json(view_topics(&ctl->snap.vclusters[1], names, 1),
		    "[" TOPIC("a", "b.a", "false") "]");
	fake_ctl_free(&ctl);
}

Test(views, config)
{
	struct ctl *ctl = fake_ctl_new();

	faults_add(ctl->faults, FAULT_ERROR, "clusters.yaml", 3, 5, "config.x", "is wrong");
	assert_json(view_faults(ctl->faults),
		    "[{\"column\":5,\"file\":\"clusters.yaml\",\"key\":\"config.x\",\"line\":3,"
		    "\"severity\":\"error\",\"text\":\"is wrong\"}]");
	assert_member(
	    view_config(ctl), "lastLoad",
	    "{\"at\":\"2025-11-23T10:18:31Z\",\"errors\":1,\"taken\":true,\"warnings\":0}");
	fake_ctl_free(&ctl);
}

Test(views, openapi_has_every_route)
{
	json_t *api = view_openapi();
	const json_t *paths = json_object_get(api, "paths");
	size_t operations = 0;
	const char *path;
	json_t *methods;

	json_object_foreach((json_t *)(uintptr_t)paths, path, methods) operations +=
	    json_object_size(methods);
	cr_assert(operations == routes_count);
	for (size_t i = 0; i < routes_count; i++) {
		const char *method = strcmp(routes[i].method, "GET") == 0    ? "get"
				     : strcmp(routes[i].method, "POST") == 0 ? "post"
									     : "delete";
		const json_t *operation =
		    json_object_get(json_object_get(paths, routes[i].path), method);

		cr_assert(operation != NULL, "%s", routes[i].path);
		cr_assert((json_object_get(operation, "security") != NULL) ==
			      (routes[i].role != ROLE_PUBLIC),
			  "%s", routes[i].path);
		cr_assert((json_object_get(operation, "requestBody") != NULL) ==
			      (routes[i].body[0] != '\0'),
			  "%s", routes[i].path);
	}
	json_decref(api);
}

Test(views, page_escapes_everything)
{
	struct ctl *ctl = fake_ctl_new();
	struct bytes page = {0};
	const char *text;

	faults_add(ctl->faults, FAULT_WARNING, "a&b", 1, 1, "\"k\"", "<script>alert('x')</script>");
	ctl->ready = false;
	view_page(ctl, &page);
	bytes_add_u8(&page, 0);
	text = (const char *)page.data;
	cr_assert(strstr(text, "<script") == NULL);
	cr_assert(strstr(text, "&lt;script&gt;alert(&#39;x&#39;)") != NULL);
	cr_assert(strstr(text, "a&amp;b") != NULL && strstr(text, "&quot;k&quot;") != NULL);
	cr_assert(strstr(text, "api:&lt;admin&gt;") != NULL);
	cr_assert(strstr(text, "Not ready: cluster &#39;main&#39;") != NULL);
	cr_assert(strstr(text, "<td>eu</td>") != NULL);
	bytes_free(&page);
	fake_ctl_free(&ctl);
}
