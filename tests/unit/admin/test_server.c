/* SPDX-License-Identifier: Apache-2.0
 *
 * The server under stress: roles of every row, large and endless bodies, requests that wait for an
 * operation while the client or the server goes away, many connections, garbage.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "admin/router.h"
#include "base/mem.h"
#include "unit/admin/fixture.h"

#define SWITCH "/admin/pclusters/v1/pcluster/main/switch?to=failover"
#define TOKEN  "/admin/vclusters/v1/vcluster/teamA/username/sa"

static struct fixture fixture;
static const struct call switch_call = {.path = SWITCH, .method = "POST", .login = ADMIN};

static void
start(void)
{
	signal(SIGPIPE, SIG_IGN);
	fixture_start(&fixture);
}

static void
stop(void)
{
	fixture_stop(&fixture);
}

TestSuite(server, .init = start, .fini = stop);

/* A row's path with parameters filled in and what its query needs. */
static void
path_of(const struct http_route *route, char *path, size_t size)
{
	size_t used = 0;

	for (const char *c = route->path; *c != '\0' && used + 1 < size; c++) {
		if (*c != '{' && *c != '}')
			path[used++] = *c;
	}
	path[used] = '\0';
	if (strstr(route->query, "to:") != NULL)
		snprintf(path + used, size - used, "?to=failover");
}

Test(server, roles_of_every_row)
{
	for (size_t i = 0; i < routes_count; i++) {
		const struct http_route *route = &routes[i];
		char path[256];
		struct call call = {.path = path, .method = route->method};
		bool is_open = route->role == ROLE_PUBLIC || route->role == ROLE_METRICS;
		long status;

		path_of(route, path, sizeof(path));
		if (route->body[0] != '\0')
			call.body = "{\"lifeTimeSeconds\": 60}";
		status = http_status(&fixture, &call);
		cr_assert((status == 401) == !is_open, "%s anonymous: %ld", path, status);
		call.login = "admin:look";
		status = http_status(&fixture, &call);
		cr_assert((status == 401) == !is_open, "%s wrong password: %ld", path, status);
		call.login = VIEWER;
		status = http_status(&fixture, &call);
		cr_assert((status == 403) == (route->role == ROLE_WRITE), "%s viewer: %ld", path,
			  status);
		if (route->role == ROLE_WRITE)
			cr_assert(fixture.ctl->calls == 0, "%s", path);
	}
}

static bool
is_called(struct fixture *f)
{
	return f->ctl->calls > 0;
}

Test(server, request_waits_for_its_operation)
{
	struct http_client *client;
	struct reply reply;

	fixture.ctl->keep = true;
	client = http_begin(&fixture, &switch_call);
	fixture_turn_until(&fixture, is_called);
	fixture_turn(&fixture);
	/* Others are served meanwhile. */
	cr_assert(http_status(&fixture, &(struct call){.path = "/health"}) == 200);
	fake_ctl_finish(fixture.ctl);
	http_end(&fixture, client, &reply);
	cr_assert(reply.status == 200);
	cr_assert(strcmp(json_text(reply.json, "to"), "failover") == 0);
	reply_free(&reply);
}

Test(server, client_goes_away_while_it_waits)
{
	fixture.ctl->keep = true;
	for (int i = 0; i < 5; i++) {
		struct http_client *client = http_begin(&fixture, &switch_call);

		fixture_turn_until(&fixture, is_called);
		http_abandon(&fixture, client);
		fake_ctl_finish(fixture.ctl);
		fixture_turn(&fixture);
		fixture.ctl->calls = 0;
	}
	cr_assert(http_status(&fixture, &(struct call){.path = "/health"}) == 200);
}

Test(server, stop_while_a_request_waits)
{
	struct fixture own;
	struct http_client *client;
	struct reply reply;

	fixture_start(&own);
	own.ctl->keep = true;
	client = http_begin(&own, &switch_call);
	fixture_turn_until(&own, is_called);
	admin_stop(&own.admin);
	cr_assert(own.admin == NULL);
	http_end(&own, client, &reply);
	cr_assert(reply.status == 503, "%ld", reply.status);
	reply_free(&reply);
	/* The operation ends after the server did. */
	fake_ctl_finish(own.ctl);
	fixture_stop(&own);
}

Test(server, stop_after_the_waiting_client_went_away)
{
	struct fixture own;
	struct http_client *client;

	fixture_start(&own);
	own.ctl->keep = true;
	client = http_begin(&own, &switch_call);
	fixture_turn_until(&own, is_called);
	http_abandon(&own, client);
	admin_stop(&own.admin);
	fake_ctl_finish(own.ctl);
	fixture_stop(&own);
}

Test(server, topics_of_a_vcluster_that_goes_away_meanwhile)
{
	struct call call = {.path = "/admin/vclusters/v1/vcluster/teamA/topics", .login = VIEWER};
	struct http_client *client;
	struct reply reply;

	fixture.ctl->keep = true;
	client = http_begin(&fixture, &call);
	fixture_turn_until(&fixture, is_called);
	fixture.ctl->snap.vclusters_count = 0;
	fake_ctl_finish(fixture.ctl);
	http_end(&fixture, client, &reply);
	cr_assert(reply.status == 404);
	reply_free(&reply);
}

/* Status for a token request whose body has this length. */
static long
status_of_body(size_t length, const char *login, const char *header)
{
	char *body = mem_alloc(length + 1);
	struct call call = {
	    .path = TOKEN, .login = login, .body = body, .body_length = length, .header = header};
	long status;

	memset(body, ' ', length);
	body[length] = '\0';
	memcpy(body, "{\"lifeTimeSeconds\": 60}", 23);
	status = http_status(&fixture, &call);
	free(body);
	return status;
}

Test(server, large_bodies)
{
	static const char chunked[] = "Transfer-Encoding: chunked";

	cr_assert(status_of_body(64 * 1024, ADMIN, NULL) == 200);
	cr_assert(status_of_body(64 * 1024 + 1, ADMIN, NULL) == 413);
	cr_assert(status_of_body(900 * 1024, ADMIN, NULL) == 413);
	cr_assert(status_of_body(3 * 1024 * 1024, ADMIN, "Expect: 100-continue") == 413);
	cr_assert(status_of_body(900 * 1024, NULL, NULL) == 401);
	cr_assert(status_of_body(900 * 1024, VIEWER, "Expect: 100-continue") == 403);
	cr_assert(status_of_body(1000, ADMIN, "Expect: 100-continue") == 200);
	cr_assert(status_of_body(64 * 1024, ADMIN, chunked) == 200);
	cr_assert(status_of_body(64 * 1024 + 1, ADMIN, chunked) == 413);
	cr_assert(http_status(&fixture, &(struct call){.path = "/health"}) == 200);
}

/* Sends a text on a new connection, turns, and returns the status of what comes back, 0 for
 * nothing. */
static int
raw_status(const char *text)
{
	int fd = raw_connect(&fixture);
	char answer[4096];
	ssize_t length;
	int status = 0;

	cr_assert(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
	fixture_turn(&fixture);
	length = recv(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT);
	close(fd);
	fixture_turn(&fixture);
	if (length > 0) {
		answer[length] = '\0';
		sscanf(answer, "HTTP/1.1 %d", &status);
	}
	return status;
}

Test(server, garbage_is_answered_or_closed)
{
	static const char *const texts[] = {
	    "\r\n\r\n\r\n",
	    "GET\r\n\r\n",
	    "GET / HTTP/9.9\r\n\r\n",
	    "GET /health HTTP/1.1\r\n\r\n",
	    "GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
	    "POST " TOKEN " HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
	    "POST " TOKEN " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	    "GET /health HTTP/1.1\r\nHost: a\r\nAuthorization: Basic \xff\xff\r\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int status = raw_status(texts[i]);

		cr_assert(status == 0 || status >= 400, "text %zu: %d", i, status);
	}
	cr_assert(http_status(&fixture, &(struct call){.path = "/health"}) == 200);
}

Test(server, header_memory_is_limited)
{
	char *text = mem_alloc(200 * 1024);
	int status;

	memset(text, 'a', 200 * 1024);
	memcpy(text, "GET /health HTTP/1.1\r\nHost: a\r\nX: ", 34);
	text[120 * 1024] = '\0';
	status = raw_status(text);
	cr_assert(status == 0 || status == 431 || status == 413, "%d", status);
	free(text);
	cr_assert(http_status(&fixture, &(struct call){.path = "/health"}) == 200);
}

Test(server, two_requests_on_one_connection)
{
	int fd = raw_connect(&fixture);
	static const char text[] = "GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
				   "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n";
	char answer[8192];
	ssize_t length;

	cr_assert(send(fd, text, sizeof(text) - 1, 0) == sizeof(text) - 1);
	fixture_turn(&fixture);
	length = recv(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT);
	cr_assert(length > 0);
	answer[length] = '\0';
	cr_assert(strstr(answer, "HTTP/1.1 200") != NULL);
	cr_assert(strstr(answer, "HTTP/1.1 404") != NULL);
	close(fd);
}

Test(server, connections_of_one_peer_are_limited)
{
	int fds[80];

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		fds[i] = raw_connect(&fixture);
		loop_turn(fixture.loop, false);
	}
	fixture_turn(&fixture);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		close(fds[i]);
	fixture_turn(&fixture);
	cr_assert(http_status(&fixture, &(struct call){.path = "/health"}) == 200);
}

Test(server, port_in_use_is_an_error)
{
	struct err err;
	struct admin *second;

	fixture.ctl->snap.settings.admin_port = admin_port(fixture.admin);
	second = admin_start(fixture.loop, fixture.ctl, &err);
	cr_assert(second == NULL);
	cr_assert(err.code == ERR_IO && strstr(err.text, "admin.port") != NULL);
	fixture.ctl->snap.settings.admin_bind_host = "no such host";
	second = admin_start(fixture.loop, fixture.ctl, &err);
	cr_assert(second == NULL && err.code == ERR_INVALID);
}
