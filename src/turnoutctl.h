/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of turnoutctl share: the options, the exit codes, calls of the admin API. The
 * commands are rows of the table in turnoutctl.c.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tool_exit {
	TOOL_DONE = 0,
	TOOL_REFUSED = 1,     /* refused or failed; the reason is on standard error */
	TOOL_USAGE = 2,       /* the command line is wrong */
	TOOL_UNREACHABLE = 3, /* the gateway cannot be reached */
	TOOL_TIMEOUT = 4,     /* what was waited for did not come in time */
};

struct tool {
	const char *url;
	const char *user;      /* NAME:PASSWORD, or NULL */
	const char *state_dir; /* where admin.password is */
	const char *config;    /* --config, or NULL */
	const char *response;  /* --response KEY:VERSION, or NULL */
	bool json;
	bool force;
	bool dry_run;
	bool meanings;
	bool read_only;
	int64_t lifetime_s;
	int64_t timeout_s;
	char *const *arguments; /* after the command's name, NULL-terminated */
	int arguments_count;
	char login[1024]; /* read from the environment or the file */
};

/* The API's answer to one call. */
struct answer {
	long status;  /* 0: none came */
	char *body;   /* NUL-terminated */
	json_t *json; /* NULL where the body is not JSON */
	char reason[256];
};

/* Calls METHOD path (which may have a query) with a JSON body or NULL. Only transport: any HTTP
 * status is an answer. false when none came; reason then says why. To be freed either way. */
bool api_call(const struct tool *tool, const char *method, const char *path, const char *body,
	      struct answer *answer);
/* api_call(), then says on standard error what went wrong. TOOL_DONE for a 2xx. */
int api_ask(const struct tool *tool, const char *method, const char *path, const char *body,
	    struct answer *answer);
void answer_free(struct answer *answer);
/* A malloc'd path: each %s of format is percent-encoded. At most three. */
char *api_path(const char *format, const char *const *values);
/* Fills tool->user where it is not given: TURNOUT_USER, then the file in the state directory. */
void api_find_login(struct tool *tool);

/* Prints text from the API; control bytes become "?", so that nothing can play with a terminal. */
void print_plain(const char *text);
/* Prints the API's answer as it is. */
void print_body(const struct answer *answer);
/* A member's text, or "-". */
const char *member_text(const json_t *object, const char *name);
long long member_number(const json_t *object, const char *name);

/* -- commands */

typedef int (*command_fn)(const struct tool *tool);

int command_status(const struct tool *tool);
int command_switch(const struct tool *tool);
int command_token(const struct tool *tool);
int command_topics(const struct tool *tool);
int command_reload(const struct tool *tool);
int command_wait(const struct tool *tool);
int command_check(const struct tool *tool);
int command_decode(const struct tool *tool);
