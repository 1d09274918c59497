/* SPDX-License-Identifier: Apache-2.0
 *
 * Every route over HTTP: good and bad answers, as a client sees them.
 */
#include <criterion/criterion.h>
#include <string.h>
#include "unit/admin/fixture.h"

#define ALIAS  "/admin/vclusters/v1/vcluster/teamA/topics/shared"
#define SWITCH "/admin/pclusters/v1/pcluster/main/switch"
#define TOKEN  "/admin/vclusters/v1/vcluster/teamA/username/sa"

static struct fixture fixture;

static void
start(void)
{
	fixture_start(&fixture);
}

static void
stop(void)
{
	fixture_stop(&fixture);
}

TestSuite(http, .init = start, .fini = stop);

static const struct {
	struct call call;
	long status;
} statuses[] = {
    /* open to all */
    {{.path = "/health"}, 200},
    {{.path = "/health/"}, 200},
    {{.path = "/health", .method = "HEAD"}, 200},
    {{.path = "/health", .login = "admin:wrong"}, 200},
    {{.path = "/health/live"}, 200},
    {{.path = "/health/ready"}, 200},
    {{.path = "/versions"}, 200},
    {{.path = "/openapi.json"}, 200},
    {{.path = "/metrics"}, 200},
    {{.path = "/health?x=1"}, 200},
    /* unknown paths and methods */
    {{.path = "/nothing"}, 404},
    {{.path = "/administrator"}, 404},
    {{.path = "/admin"}, 401},
    {{.path = "/admin/nothing"}, 401},
    {{.path = "/admin/nothing", .login = "admin:wrong"}, 401},
    {{.path = "/admin/nothing", .login = VIEWER}, 404},
    {{.path = "/health", .method = "DELETE"}, 405},
    {{.path = "/health", .method = "PATCH"}, 405},
    {{.path = SWITCH}, 401},
    {{.path = SWITCH, .login = VIEWER}, 405},
    {{.path = TOKEN, .method = "PUT", .login = ADMIN, .body = "{}"}, 405},
    {{.path = "/health%00"}, 400},
    /* reading */
    {{.path = "/"}, 401},
    {{.path = "/", .login = VIEWER}, 200},
    {{.path = "/admin/vclusters/v1"}, 401},
    {{.path = "/admin/vclusters/v1", .login = VIEWER}, 200},
    {{.path = "/admin/vclusters/v1/", .login = VIEWER}, 200},
    {{.path = "/admin/vclusters/v1/vcluster/teamA", .login = VIEWER}, 200},
    {{.path = "/admin/vclusters/v1/vcluster/nope", .login = VIEWER}, 404},
    {{.path = "/admin/vclusters/v1/vcluster/a%20b", .login = VIEWER}, 400},
    {{.path = "/admin/vclusters/v1/vcluster/a%2Fb", .login = VIEWER}, 400},
    {{.path = "/admin/vclusters/v1/vcluster/a%20b"}, 401},
    {{.path = "/admin/vclusters/v1/vcluster/teamA/topics", .login = VIEWER}, 200},
    {{.path = "/admin/vclusters/v1/vcluster/nope/topics", .login = VIEWER}, 404},
    {{.path = "/admin/pclusters/v1", .login = VIEWER}, 200},
    {{.path = "/admin/pclusters/v1/pcluster/main", .login = VIEWER}, 200},
    {{.path = "/admin/pclusters/v1/pcluster/failover", .login = VIEWER}, 200},
    {{.path = "/admin/pclusters/v1/pcluster/nope", .login = VIEWER}, 404},
    {{.path = "/admin/config/v1", .login = VIEWER}, 200},
    {{.path = "/admin/config/v1", .login = VIEWER, .method = "GET", .body = "{}"}, 400},
    /* tokens */
    {{.path = TOKEN, .body = "{\"lifeTimeSeconds\": 60}", .login = ADMIN}, 200},
    {{.path = TOKEN "/", .body = "{\"lifeTimeSeconds\": 60}", .login = ADMIN}, 200},
    {{.path = TOKEN, .body = "{\"lifeTimeSeconds\": 60, \"x\": []}", .login = ADMIN}, 200},
    {{.path = TOKEN, .body = "{\"lifeTimeSeconds\": 60}", .login = ADMIN, .type = ""}, 200},
    {{.path = TOKEN,
      .body = "{\"lifeTimeSeconds\": 60}",
      .login = ADMIN,
      .type = "Application/JSON; charset=utf-8"},
     200},
    {{.path = TOKEN,
      .body = "{\"lifeTimeSeconds\": 60}",
      .login = ADMIN,
      .type = "application/x-www-form-urlencoded"},
     415},
    {{.path = TOKEN,
      .body = "{\"lifeTimeSeconds\": 60}",
      .login = ADMIN,
      .type = "application/jsonp"},
     415},
    {{.path = TOKEN, .body = "", .login = ADMIN}, 400},
    {{.path = TOKEN, .method = "POST", .login = ADMIN}, 400},
    {{.path = TOKEN, .body = "{", .login = ADMIN}, 400},
    {{.path = TOKEN, .body = "[]", .login = ADMIN}, 400},
    {{.path = TOKEN, .body = "{}", .login = ADMIN}, 400},
    {{.path = TOKEN, .body = "{\"lifeTimeSeconds\": \"60\"}", .login = ADMIN}, 400},
    {{.path = TOKEN, .body = "{\"lifeTimeSeconds\": 6.5}", .login = ADMIN}, 400},
    {{.path = TOKEN, .body = "{\"lifeTimeSeconds\": null}", .login = ADMIN}, 400},
    {{.path = TOKEN, .body = "{\"lifeTimeSeconds\": 0}", .login = ADMIN}, 400},
    {{.path = TOKEN, .body = "{\"lifeTimeSeconds\": -1}", .login = ADMIN}, 400},
    {{.path = TOKEN, .body = "{\"lifeTimeSeconds\": 315360000}", .login = ADMIN}, 200},
    {{.path = TOKEN, .body = "{\"lifeTimeSeconds\": 315360001}", .login = ADMIN}, 400},
    {{.path = TOKEN, .body = "{\"lifeTimeSeconds\": 99999999999999999999}", .login = ADMIN}, 400},
    {{.path = TOKEN, .body = "{\"lifeTimeSeconds\": 1, \"lifeTimeSeconds\": 2}", .login = ADMIN},
     400},
    {{.path = TOKEN, .body = "{\"lifeTimeSeconds\": 60}"}, 401},
    {{.path = TOKEN, .body = "{\"lifeTimeSeconds\": 60}", .login = VIEWER}, 403},
    /* removing */
    {{.path = "/admin/vclusters/v1/vcluster/teamA", .method = "DELETE", .login = ADMIN}, 204},
    {{.path = "/admin/vclusters/v1/vcluster/nope", .method = "DELETE", .login = ADMIN}, 404},
    {{.path = TOKEN, .method = "DELETE", .login = ADMIN}, 204},
    {{.path = TOKEN "2", .method = "DELETE", .login = ADMIN}, 404},
    {{.path = TOKEN, .method = "DELETE", .login = VIEWER}, 403},
    /* aliases */
    {{.path = ALIAS, .body = "{\"physicalTopicName\": \"x\"}", .login = ADMIN}, 201},
    {{.path = ALIAS "/", .body = "{\"physicalTopicName\": \"x\"}", .login = ADMIN}, 201},
    {{.path = ALIAS,
      .body = "{\"physicalTopicName\": \"x\", \"readOnly\": true, \"type\": \"alias\", "
	      "\"concentrated\": false, \"autoManaged\": false}",
      .login = ADMIN},
     201},
    {{.path = ALIAS, .body = "{}", .login = ADMIN}, 400},
    {{.path = ALIAS, .body = "{\"physicalTopicName\": 7}", .login = ADMIN}, 400},
    {{.path = ALIAS, .body = "{\"physicalTopicName\": \"x\", \"readOnly\": 1}", .login = ADMIN},
     400},
    {{.path = ALIAS, .body = "{\"physicalTopicName\": \"x\", \"readonly\": true}", .login = ADMIN},
     400},
    {{.path = ALIAS,
      .body = "{\"physicalTopicName\": \"x\", \"type\": \"concentrated\"}",
      .login = ADMIN},
     400},
    {{.path = ALIAS,
      .body = "{\"physicalTopicName\": \"x\", \"concentrated\": true}",
      .login = ADMIN},
     400},
    {{.path = ALIAS, .body = "{\"physicalTopicName\": \"x\"}", .login = VIEWER}, 403},
    {{.path = ALIAS, .body = "{\"physicalTopicName\": \"x\"}"}, 401},
    {{.path = "/admin/vclusters/v1/vcluster/nope/topics/t",
      .body = "{\"physicalTopicName\": \"x\"}",
      .login = ADMIN},
     404},
    {{.path = "/admin/vclusters/v1/vcluster/teamA/topics/a%20b",
      .body = "{\"physicalTopicName\": \"x\"}",
      .login = ADMIN},
     400},
    {{.path = ALIAS, .login = VIEWER}, 200},
    {{.path = "/admin/vclusters/v1/vcluster/teamA/topics/users", .login = VIEWER}, 200},
    {{.path = ALIAS, .method = "DELETE", .login = ADMIN}, 204},
    {{.path = ALIAS, .method = "DELETE", .login = VIEWER}, 403},
    {{.path = "/admin/vclusters/v1/vcluster/nope/topics/t", .method = "DELETE", .login = ADMIN},
     404},
    {{.path = "/admin/vclusters/v1/vcluster/teamA/topics", .method = "DELETE", .login = ADMIN},
     204},
    {{.path = "/admin/vclusters/v1/vcluster/nope/topics", .method = "DELETE", .login = ADMIN}, 404},
    /* switching */
    {{.path = SWITCH "?to=failover", .method = "POST", .login = ADMIN}, 200},
    {{.path = SWITCH "/?to=failover", .method = "POST", .login = ADMIN}, 200},
    {{.path = SWITCH "?to=fail%6Fver", .method = "POST", .login = ADMIN}, 200},
    {{.path = SWITCH "?to=failover&force=true&dryRun=false", .method = "POST", .login = ADMIN},
     200},
    {{.path = SWITCH "?to=failover", .body = "{}", .login = ADMIN}, 200},
    {{.path = SWITCH "?to=failover", .body = "", .login = ADMIN, .type = "text/plain"}, 200},
    {{.path = SWITCH, .method = "POST", .login = ADMIN}, 400},
    {{.path = SWITCH "?to=", .method = "POST", .login = ADMIN}, 400},
    {{.path = SWITCH "?to", .method = "POST", .login = ADMIN}, 400},
    {{.path = SWITCH "?to=a%20b", .method = "POST", .login = ADMIN}, 400},
    {{.path = SWITCH "?to=%zz", .method = "POST", .login = ADMIN}, 400},
    {{.path = SWITCH "?to=failover&force=1", .method = "POST", .login = ADMIN}, 400},
    {{.path = SWITCH "?to=failover&dryrun=true", .method = "POST", .login = ADMIN}, 400},
    {{.path = SWITCH "?to=failover&to=main", .method = "POST", .login = ADMIN}, 400},
    {{.path = SWITCH "?to=failover", .method = "POST"}, 401},
    {{.path = SWITCH "?to=failover", .method = "POST", .login = VIEWER}, 403},
    /* reloading */
    {{.path = "/admin/config/v1/reload", .method = "POST", .login = ADMIN}, 200},
    {{.path = "/admin/config/v1/reload", .method = "POST", .login = VIEWER}, 403},
    {{.path = "/admin/config/v1/reload", .login = ADMIN}, 405},
    /* a page of another site */
    {{.path = SWITCH "?to=failover",
      .method = "POST",
      .login = ADMIN,
      .header = "Origin: http://evil.example"},
     403},
    {{.path = SWITCH "?to=failover", .method = "POST", .login = ADMIN, .header = "Origin: null"},
     403},
};

Test(http, statuses)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct reply reply;

		http_call(&fixture, &statuses[i].call, &reply);
		cr_assert(reply.status == statuses[i].status, "row %zu: %s %s: %ld %s", i,
			  statuses[i].call.method != NULL ? statuses[i].call.method : "",
			  statuses[i].call.path, reply.status, reply.body);
		/* Whoever is refused is told why, but for 401. */
		if (reply.status >= 400 && reply.status != 401)
			cr_assert(json_text(reply.json, "message")[0] != '\0', "row %zu", i);
		if (reply.status == 401 || reply.status == 204)
			cr_assert(reply.body[0] == '\0', "row %zu", i);
		reply_free(&reply);
	}
}

Test(http, refused_calls_reach_no_operation)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		unsigned calls = fixture.ctl->calls;

		if (statuses[i].status < 400)
			continue;
		http_status(&fixture, &statuses[i].call);
		cr_assert(fixture.ctl->calls == calls, "row %zu", i);
	}
}

Test(http, headers)
{
	struct reply reply;

	http_call(&fixture, &(struct call){.path = "/admin/config/v1"}, &reply);
	cr_assert(strstr(reply.headers, "WWW-Authenticate: Basic realm=\"turnout\"") != NULL);
	reply_free(&reply);
	http_call(&fixture, &(struct call){.path = "/health", .method = "DELETE"}, &reply);
	cr_assert(strstr(reply.headers, "Allow: GET, HEAD\r\n") != NULL);
	cr_assert(strstr(reply.headers, "Content-Type: application/json\r\n") != NULL);
	cr_assert(strstr(reply.headers, "Cache-Control: no-store\r\n") != NULL);
	reply_free(&reply);
	http_call(&fixture, &(struct call){.path = "/", .login = VIEWER}, &reply);
	cr_assert(strstr(reply.headers, "Content-Type: text/html") != NULL);
	cr_assert(strstr(reply.headers, "Content-Security-Policy: default-src 'none'") != NULL);
	reply_free(&reply);
	http_call(&fixture, &(struct call){.path = "/health", .method = "HEAD"}, &reply);
	cr_assert(reply.body[0] == '\0');
	cr_assert(strstr(reply.headers, "Content-Length: ") != NULL);
	reply_free(&reply);
}

Test(http, same_origin_may)
{
	char header[64];
	struct call call = {
	    .path = SWITCH "?to=failover", .method = "POST", .login = ADMIN, .header = header};

	snprintf(header, sizeof(header), "Origin: http://127.0.0.1:%u", admin_port(fixture.admin));
	cr_assert(http_status(&fixture, &call) == 200);
}

Test(http, health_has_the_seeds_shape)
{
	struct reply reply;
	const json_t *checks;
	const json_t *build;

	http_call(&fixture, &(struct call){.path = "/health"}, &reply);
	checks = json_object_get(reply.json, "checks");
	build = json_array_get(checks, 0);
	cr_assert(strcmp(json_text(reply.json, "status"), "UP") == 0);
	cr_assert(strcmp(json_text(reply.json, "outcome"), "UP") == 0);
	cr_assert(strcmp(json_text(build, "id"), "buildInfo") == 0);
	cr_assert(json_text(json_object_get(build, "data"), "version")[0] != '\0');
	cr_assert(strcmp(json_text(json_array_get(checks, 1), "id"), "live") == 0);
	reply_free(&reply);
	fixture.ctl->ready = false;
	cr_assert(http_status(&fixture, &(struct call){.path = "/health/ready"}) == 503);
	cr_assert(http_status(&fixture, &(struct call){.path = "/health"}) == 200);
}

Test(http, token)
{
	struct reply reply;

	http_call(&fixture,
		  &(struct call){.path = "/admin/vclusters/v1/vcluster/new/username/u",
				 .login = ADMIN,
				 .body = "{\"lifeTimeSeconds\": 7776000}"},
		  &reply);
	cr_assert(strcmp(reply.body, "{\"token\":\"head.body.signature\"}") == 0, "%s", reply.body);
	cr_assert(strcmp(fixture.ctl->target, "new") == 0);
	cr_assert(strcmp(fixture.ctl->detail, "u") == 0);
	cr_assert(strcmp(fixture.ctl->who, "api:admin") == 0);
	cr_assert(fixture.ctl->lifetime == 7776000);
	reply_free(&reply);
}

Test(http, switching)
{
	struct call call = {
	    .path = SWITCH "?to=failover&force=true&dryRun=true", .method = "POST", .login = ADMIN};
	struct reply reply;

	http_call(&fixture, &call, &reply);
	cr_assert(strcmp(json_text(reply.json, "message"), "Switch possible") == 0);
	cr_assert(fixture.ctl->flags == (SWITCH_FORCE | SWITCH_DRY_RUN));
	cr_assert(strcmp(fixture.ctl->target, "main") == 0);
	cr_assert(strcmp(fixture.ctl->detail, "failover") == 0);
	reply_free(&reply);
	call.path = SWITCH "?to=failover";
	http_call(&fixture, &call, &reply);
	cr_assert(strcmp(json_text(reply.json, "message"), "Cluster switched") == 0);
	cr_assert(fixture.ctl->flags == 0);
	reply_free(&reply);
}

Test(http, errors_of_operations)
{
	static const struct {
		enum err_code code;
		long status;
	} rows[] = {{ERR_INVALID, 400},     {ERR_NOT_FOUND, 404}, {ERR_CONFLICT, 409},
		    {ERR_READ_ONLY, 409},   {ERR_DENIED, 403},    {ERR_LIMIT, 503},
		    {ERR_UNAVAILABLE, 503}, {ERR_TIMEOUT, 503},   {ERR_IO, 500}};
	static const struct call calls[] = {
	    {.path = SWITCH "?to=failover", .method = "POST", .login = ADMIN},
	    {.path = TOKEN, .body = "{\"lifeTimeSeconds\": 60}", .login = ADMIN},
	    {.path = TOKEN, .method = "DELETE", .login = ADMIN},
	    {.path = "/admin/vclusters/v1/vcluster/teamA/topics", .login = ADMIN},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		err_set(&fixture.ctl->err, rows[i].code, "because \"%s\"", "\xff");
		fixture.ctl->switch_result.ok = false;
		fixture.ctl->switch_result.err = fixture.ctl->err;
		for (size_t j = 0; j < sizeof(calls) / sizeof(calls[0]); j++) {
			struct reply reply;

			http_call(&fixture, &calls[j], &reply);
			cr_assert(reply.status == rows[i].status, "%zu %zu: %ld", i, j,
				  reply.status);
			cr_assert(strcmp(json_text(reply.json, "message"), "because \"?\"") == 0);
			reply_free(&reply);
		}
	}
}

Test(http, reload_that_is_refused_shows_the_faults)
{
	struct call call = {.path = "/admin/config/v1/reload", .method = "POST", .login = ADMIN};
	struct reply reply;

	http_call(&fixture, &call, &reply);
	cr_assert(json_is_true(json_object_get(reply.json, "changed")));
	cr_assert(json_integer_value(json_object_get(reply.json, "snapshot")) == 8);
	reply_free(&reply);
	faults_add(fixture.ctl->faults, FAULT_ERROR, "clusters.yaml", 3, 5, "config.x", "wrong");
	fixture.ctl->reload_result = (struct reload_result){.number = 7, .errors = 1};
	http_call(&fixture, &call, &reply);
	cr_assert(reply.status == 400);
	cr_assert(json_array_size(json_object_get(reply.json, "faults")) == 1);
	reply_free(&reply);
}

Test(http, metrics_can_be_secured)
{
	struct call call = {.path = "/metrics"};

	fixture.ctl->snap.settings.metrics_secured = true;
	cr_assert(http_status(&fixture, &call) == 401);
	call.login = VIEWER;
	cr_assert(http_status(&fixture, &call) == 200);
}
