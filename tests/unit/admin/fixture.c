/* SPDX-License-Identifier: Apache-2.0
 *
 * The test's loop and client: libcurl's multi interface and our loop take turns.
 */
#include "unit/admin/fixture.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/log.h"
#include "base/mem.h"

#define TURNS      100
#define TURNS_MOST 20000

struct http_client {
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	struct bytes body;
	struct bytes head;
	int running;
};

void
fixture_start(struct fixture *fixture)
{
	struct err err;

	log_set_level(LOG_LEVEL_ERROR);
	fixture->loop = loop_new();
	fixture->ctl = fake_ctl_new();
	fixture->admin = admin_start(fixture->loop, fixture->ctl, &err);
	cr_assert(fixture->admin != NULL);
}

void
fixture_stop(struct fixture *fixture)
{
	admin_stop(&fixture->admin);
	fake_ctl_free(&fixture->ctl);
	loop_free(&fixture->loop);
}

void
fixture_turn(struct fixture *fixture)
{
	for (int i = 0; i < TURNS; i++) {
		loop_turn(fixture->loop, false);
		usleep(200);
	}
}

void
fixture_turn_until(struct fixture *fixture, bool (*is_true)(struct fixture *fixture))
{
	for (int i = 0; i < TURNS_MOST && !is_true(fixture); i++) {
		loop_turn(fixture->loop, false);
		usleep(500);
	}
	cr_assert(is_true(fixture));
}

static size_t
on_data(char *data, size_t size, size_t count, void *arg)
{
	bytes_add(arg, data, size * count);
	return size * count;
}

static void
set_body(struct http_client *client, const struct call *call)
{
	char type[128];

	if (call->body == NULL)
		return;
	curl_easy_setopt(client->easy, CURLOPT_POSTFIELDSIZE,
			 call->body_length > 0 ? (long)call->body_length
					       : (long)strlen(call->body));
	curl_easy_setopt(client->easy, CURLOPT_COPYPOSTFIELDS, call->body);
	snprintf(type, sizeof(type), "Content-Type:%s%s",
		 call->type != NULL && !*call->type ? "" : " ",
		 call->type != NULL ? call->type : "application/json");
	client->headers = curl_slist_append(client->headers, type);
}

static void
set_options(struct fixture *fixture, struct http_client *client, const struct call *call)
{
	char url[4096];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", admin_port(fixture->admin), call->path);
	curl_easy_setopt(client->easy, CURLOPT_URL, url);
	curl_easy_setopt(client->easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(client->easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(client->easy, CURLOPT_TIMEOUT, 30L);
	curl_easy_setopt(client->easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(client->easy, CURLOPT_WRITEDATA, &client->body);
	curl_easy_setopt(client->easy, CURLOPT_HEADERFUNCTION, on_data);
	curl_easy_setopt(client->easy, CURLOPT_HEADERDATA, &client->head);
	if (call->login != NULL)
		curl_easy_setopt(client->easy, CURLOPT_USERPWD, call->login);
	set_body(client, call);
	if (call->method != NULL && strcmp(call->method, "HEAD") == 0)
		curl_easy_setopt(client->easy, CURLOPT_NOBODY, 1L);
	else if (call->method != NULL)
		curl_easy_setopt(client->easy, CURLOPT_CUSTOMREQUEST, call->method);
	if (call->header != NULL)
		client->headers = curl_slist_append(client->headers, call->header);
	curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, client->headers);
}

struct http_client *
http_begin(struct fixture *fixture, const struct call *call)
{
	struct http_client *client = mem_zalloc(sizeof(*client));

	client->multi = curl_multi_init();
	client->easy = curl_easy_init();
	set_options(fixture, client, call);
	curl_multi_add_handle(client->multi, client->easy);
	curl_multi_perform(client->multi, &client->running);
	for (int i = 0; i < TURNS && client->running > 0; i++) {
		loop_turn(fixture->loop, false);
		curl_multi_wait(client->multi, NULL, 0, 1, NULL);
		curl_multi_perform(client->multi, &client->running);
	}
	return client;
}

static void
client_free(struct http_client *client)
{
	curl_multi_remove_handle(client->multi, client->easy);
	curl_easy_cleanup(client->easy);
	curl_multi_cleanup(client->multi);
	curl_slist_free_all(client->headers);
	bytes_free(&client->body);
	bytes_free(&client->head);
	free(client);
}

void
http_end(struct fixture *fixture, struct http_client *client, struct reply *reply)
{
	for (int i = 0; i < TURNS_MOST && client->running > 0; i++) {
		loop_turn(fixture->loop, false);
		curl_multi_wait(client->multi, NULL, 0, 1, NULL);
		curl_multi_perform(client->multi, &client->running);
	}
	memset(reply, 0, sizeof(*reply));
	curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &reply->status);
	bytes_add_u8(&client->body, 0);
	bytes_add_u8(&client->head, 0);
	reply->body = mem_strdup((const char *)client->body.data);
	reply->headers = mem_strdup((const char *)client->head.data);
	reply->json = json_loads(reply->body, 0, NULL);
	client_free(client);
}

void
http_abandon(struct fixture *fixture, struct http_client *client)
{
	client_free(client);
	fixture_turn(fixture);
}

void
http_call(struct fixture *fixture, const struct call *call, struct reply *reply)
{
	http_end(fixture, http_begin(fixture, call), reply);
}

void
reply_free(struct reply *reply)
{
	free(reply->body);
	free(reply->headers);
	json_decref(reply->json);
	memset(reply, 0, sizeof(*reply));
}

long
http_status(struct fixture *fixture, const struct call *call)
{
	struct reply reply;
	long status;

	http_call(fixture, call, &reply);
	status = reply.status;
	reply_free(&reply);
	return status;
}

int
raw_connect(struct fixture *fixture)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(admin_port(fixture->admin));
	cr_assert(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

const char *
json_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}
