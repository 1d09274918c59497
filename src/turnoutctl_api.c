/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls of the admin API with libcurl, where the login comes from, and what is common in printing.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/mem.h"
#include "turnoutctl.h"

#define CONNECT_TIMEOUT_S 5L
#define ANSWER_TIMEOUT_S  600L /* a switch may have to wait for its deadlines */
#define ANSWER_BYTES_MOST (64 * 1024 * 1024)

static size_t
on_data(char *data, size_t size, size_t count, void *arg)
{
	struct bytes *body = arg;

	if (body->length + size * count > ANSWER_BYTES_MOST)
		return 0;
	bytes_add(body, data, size * count);
	return size * count;
}

static void
set_options(CURL *easy, const struct tool *tool, const char *method, const char *body)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, ANSWER_TIMEOUT_S);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	if (tool->user != NULL) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(easy, CURLOPT_USERPWD, tool->user);
	}
	if (body != NULL)
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

bool
api_call(const struct tool *tool, const char *method, const char *path, const char *body,
	 struct answer *answer)
{
	CURL *easy = curl_easy_init();
	size_t base = strlen(tool->url);
	struct curl_slist *headers = NULL;
	struct bytes data = {0};
	CURLcode code;
	char *url;

	memset(answer, 0, sizeof(*answer));
	if (easy == NULL) {
		snprintf(answer->reason, sizeof(answer->reason), "libcurl does not start");
		return false;
	}
	while (base > 0 && tool->url[base - 1] == '/')
		base--;
	url = mem_printf("%.*s%s", (int)base, tool->url, path);
	set_options(easy, tool, method, body);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &data);
	if (body != NULL)
		headers = curl_slist_append(NULL, "Content-Type: application/json");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	code = curl_easy_perform(easy);
	if (code == CURLE_OK)
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer->status);
	else
		snprintf(answer->reason, sizeof(answer->reason), "%s", curl_easy_strerror(code));
	bytes_add_u8(&data, 0);
	answer->body = (char *)data.data;
	answer->json = json_loads(answer->body, JSON_DECODE_ANY, NULL);
	curl_slist_free_all(headers);
	curl_easy_cleanup(easy);
	free(url);
	return code == CURLE_OK;
}

static void
say(const char *text)
{
	fprintf(stderr, "turnoutctl: ");
	for (; *text != '\0'; text++)
		fputc((unsigned char)*text < 32 || *text == 127 ? '?' : *text, stderr);
	fputc('\n', stderr);
}

int
api_ask(const struct tool *tool, const char *method, const char *path, const char *body,
	struct answer *answer)
{
	const json_t *message;

	if (!api_call(tool, method, path, body, answer)) {
		fprintf(stderr, "turnoutctl: no answer from %s: %s\n", tool->url, answer->reason);
		return TOOL_UNREACHABLE;
	}
	if (answer->status >= 200 && answer->status < 300)
		return TOOL_DONE;
	message = json_object_get(answer->json, "message");
	if (message != NULL && json_is_string(message))
		say(json_string_value(message));
	else if (answer->status == 401 && tool->user == NULL)
		fprintf(stderr,
			"turnoutctl: a login is needed: --user NAME:PASSWORD, TURNOUT_USER, or "
			"run as a user who may read %s/admin.password\n",
			tool->state_dir);
	else if (answer->status == 401)
		fprintf(stderr, "turnoutctl: the name or the password is wrong\n");
	else
		fprintf(stderr, "turnoutctl: %s answered with HTTP status %ld; is it a gateway?\n",
			tool->url, answer->status);
	return TOOL_REFUSED;
}

void
answer_free(struct answer *answer)
{
	mem_free_secret(answer->body); /* may hold a token */
	json_decref(answer->json);
	memset(answer, 0, sizeof(*answer));
}

char *
api_path(const char *format, const char *const *values)
{
	char *escaped[3] = {NULL, NULL, NULL};
	size_t count = 0;
	struct bytes out = {0};

	for (const char *c = format; *c != '\0'; c++) {
		if (c[0] != '%' || c[1] != 's') {
			bytes_add_u8(&out, (uint8_t)*c);
			continue;
		}
		escaped[count] = curl_easy_escape(NULL, values[count], 0);
		bytes_add(&out, escaped[count], strlen(escaped[count]));
		curl_free(escaped[count++]);
		c++;
	}
	bytes_add_u8(&out, 0);
	return (char *)out.data;
}

void
api_find_login(struct tool *tool)
{
	const char *environment = getenv("TURNOUT_USER");
	char *path;
	FILE *file;

	if (tool->user != NULL)
		return;
	if (environment != NULL && environment[0] != '\0') {
		tool->user = environment;
		return;
	}
	path = mem_printf("%s/admin.password", tool->state_dir);
	file = fopen(path, "re");
	free(path);
	if (file == NULL)
		return;
	if (fgets(tool->login, sizeof(tool->login), file) != NULL) {
		tool->login[strcspn(tool->login, "\r\n")] = '\0';
		tool->user = tool->login;
	}
	fclose(file);
}

void
print_plain(const char *text)
{
	for (; *text != '\0'; text++)
		putchar((unsigned char)*text < 32 || *text == 127 ? '?' : *text);
}

void
print_body(const struct answer *answer)
{
	size_t length = strlen(answer->body);

	fputs(answer->body, stdout);
	if (length == 0 || answer->body[length - 1] != '\n')
		putchar('\n');
}

const char *
member_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "-";
}

long long
member_number(const json_t *object, const char *name)
{
	return (long long)json_integer_value(json_object_get(object, name));
}
