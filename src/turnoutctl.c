/* SPDX-License-Identifier: Apache-2.0
 *
 * turnoutctl: the command line of the admin API, and two tools that need no gateway (check,
 * decode). Here: options, the table of commands, help. turnoutctl_api.c calls the API,
 * turnoutctl_commands.c and turnoutctl_local.c hold the commands.
 */
#include "config.h"
#include "turnoutctl.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/parse.h"

#define DEFAULT_URL       "http://127.0.0.1:8888"
#define DEFAULT_STATE_DIR "/var/lib/turnout"
#define LIFETIME_S        (90 * 24 * 3600)
#define TIMEOUT_S         60
#define SECONDS_MOST      INT64_C(1000000000)

enum option_id {
	OPTION_URL = 256,
	OPTION_USER,
	OPTION_STATE_DIR,
	OPTION_JSON,
	OPTION_FORCE,
	OPTION_DRY_RUN,
	OPTION_LIFETIME,
	OPTION_TIMEOUT,
	OPTION_CONFIG,
	OPTION_RESPONSE,
	OPTION_READ_ONLY,
	OPTION_MEANINGS,
	OPTION_HELP = 'h',
	OPTION_VERSION = 'V',
};

/* Options that belong to some commands only are named in those commands' rows. */
static const struct option options[] = {
    {"url", required_argument, NULL, OPTION_URL},
    {"user", required_argument, NULL, OPTION_USER},
    {"state-dir", required_argument, NULL, OPTION_STATE_DIR},
    {"json", no_argument, NULL, OPTION_JSON},
    {"force", no_argument, NULL, OPTION_FORCE},
    {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
    {"lifetime", required_argument, NULL, OPTION_LIFETIME},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"response", required_argument, NULL, OPTION_RESPONSE},
    {"meanings", no_argument, NULL, OPTION_MEANINGS},
    {"read-only", no_argument, NULL, OPTION_READ_ONLY},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static int command_help(const struct tool *tool);

static const struct command {
	const char *name;
	const char *usage; /* arguments and own options */
	int least;         /* arguments */
	int most;
	bool is_local; /* needs no gateway, hence no login */
	command_fn fn;
	const char *help;
} commands[] = {
    {"status", "", 0, 0, false, command_status,
     "Shows clusters, the active ones, vclusters, faults and the latest switch."},
    {"switch", "[LOGICAL] TO [--force] [--dry-run]", 1, 2, false, command_switch,
     "Switches a logical cluster (main) to the physical cluster TO."},
    {"token", "VCLUSTER USER [--lifetime SECONDS]", 2, 2, false, command_token,
     "Makes a token and prints just it; good for 90 days unless told otherwise."},
    {"topics",
     "[list] VCLUSTER | add VCLUSTER TOPIC PHYSICAL [--read-only] | remove VCLUSTER TOPIC", 1, 4,
     false, command_topics,
     "Lists a vcluster's topics with their physical names, or changes its aliases."},
    {"reload", "", 0, 0, false, command_reload, "Makes the gateway read its files again."},
    {"wait", "ready|switched:[LOGICAL=]CLUSTER [--timeout SECONDS]", 1, 1, false, command_wait,
     "Waits until the gateway is ready, or a logical cluster (main) is on CLUSTER."},
    {"check", "[--config FILE]", 0, 0, true, command_check,
     "Checks the configuration here, without a gateway."},
    {"decode", "[FILE|-] [--response KEY:VERSION] [--meanings]", 0, 1, true, command_decode,
     "Prints captured Kafka frames, raw or as hex text, as text."},
    {"help", "[COMMAND]", 0, 1, true, command_help, "Shows this."},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *
command_find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static void
print_help(FILE *out)
{
	fprintf(out, "Usage: turnoutctl [OPTION]... COMMAND [ARGUMENT]...\n\nCommands:\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %s %s\n        %s\n", commands[i].name, commands[i].usage,
			commands[i].help);
	fprintf(
	    out,
	    "\nOptions:\n"
	    "  --url URL             the gateway's admin API (TURNOUT_URL; " DEFAULT_URL ")\n"
	    "  --user NAME:PASSWORD  the account (TURNOUT_USER; else admin.password in the\n"
	    "                        state directory); others on this machine can see it\n"
	    "  --state-dir DIR       the gateway's state directory (" DEFAULT_STATE_DIR ")\n"
	    "  --json                print JSON: the API's answer as it is, or what check finds\n"
	    "\nExit status: 0 done, 1 refused or failed, 2 wrong usage, 3 the gateway cannot be\n"
	    "reached, 4 what was waited for did not come in time.\n");
}

static int
command_help(const struct tool *tool)
{
	const struct command *command;

	if (tool->arguments_count == 0) {
		print_help(stdout);
		return TOOL_DONE;
	}
	command = command_find(tool->arguments[0]);
	if (command == NULL) {
		fprintf(stderr, "turnoutctl: there is no command '%s'\n", tool->arguments[0]);
		return TOOL_USAGE;
	}
	printf("Usage: turnoutctl [OPTION]... %s %s\n%s\n", command->name, command->usage,
	       command->help);
	return TOOL_DONE;
}

/* A number of seconds; says what is wrong. */
static bool
seconds_of(const char *name, const char *text, int64_t least, int64_t *out)
{
	if (parse_i64(text, least, SECONDS_MOST, out))
		return true;
	fprintf(stderr, "turnoutctl: --%s needs a number of seconds, not '%s'\n", name, text);
	return false;
}

/* Takes one option; false when its value is wrong. */
static bool
option_take(struct tool *tool, int id, const char *value)
{
	switch (id) {
	case OPTION_URL:
		tool->url = value;
		return true;
	case OPTION_USER:
		tool->user = value;
		return true;
	case OPTION_STATE_DIR:
		tool->state_dir = value;
		return true;
	case OPTION_JSON:
		tool->json = true;
		return true;
	case OPTION_FORCE:
		tool->force = true;
		return true;
	case OPTION_DRY_RUN:
		tool->dry_run = true;
		return true;
	case OPTION_LIFETIME:
		return seconds_of("lifetime", value, 1, &tool->lifetime_s);
	case OPTION_TIMEOUT:
		return seconds_of("timeout", value, 0, &tool->timeout_s);
	case OPTION_CONFIG:
		tool->config = value;
		return true;
	case OPTION_RESPONSE:
		tool->response = value;
		return true;
	case OPTION_READ_ONLY:
		tool->read_only = true;
		return true;
	case OPTION_MEANINGS:
		tool->meanings = true;
		return true;
	default:
		return false; /* getopt has said why */
	}
}

/* Is an option that was given one of all commands' or of this one's? */
static bool
option_belongs(const struct command *command, int id)
{
	char name[32];

	if (id < OPTION_FORCE || id > OPTION_MEANINGS)
		return true;
	for (const struct option *option = options; option->name != NULL; option++) {
		if (option->val != id)
			continue;
		snprintf(name, sizeof(name), "[--%s", option->name);
		if (strstr(command->usage, name) != NULL)
			return true;
		fprintf(stderr, "turnoutctl: '%s' takes no --%s\n", command->name, option->name);
	}
	return false;
}

static int
usage(const struct command *command)
{
	if (command != NULL)
		fprintf(stderr, "Usage: turnoutctl [OPTION]... %s %s\n", command->name,
			command->usage);
	else
		fprintf(stderr, "Try 'turnoutctl help'.\n");
	return TOOL_USAGE;
}

static int
run(struct tool *tool, const bool *given)
{
	const char *name = tool->arguments_count > 0 ? tool->arguments[0] : NULL;
	const struct command *command = name != NULL ? command_find(name) : NULL;

	if (name == NULL) {
		print_help(stderr);
		return TOOL_USAGE;
	}
	if (command == NULL) {
		fprintf(stderr, "turnoutctl: there is no command '%s'\n", name);
		return usage(NULL);
	}
	tool->arguments++;
	tool->arguments_count--;
	for (int id = OPTION_URL; id <= OPTION_MEANINGS; id++) {
		if (given[id - OPTION_URL] && !option_belongs(command, id))
			return usage(command);
	}
	if (tool->arguments_count < command->least || tool->arguments_count > command->most)
		return usage(command);
	if (!command->is_local)
		api_find_login(tool);
	return command->fn(tool);
}

int
main(int argc, char **argv)
{
	const char *url = getenv("TURNOUT_URL");
	struct tool tool = {
	    .url = url != NULL && url[0] != '\0' ? url : DEFAULT_URL,
	    .state_dir = DEFAULT_STATE_DIR,
	    .lifetime_s = LIFETIME_S,
	    .timeout_s = TIMEOUT_S,
	};
	bool given[OPTION_MEANINGS - OPTION_URL + 1] = {false};
	int id;
	int status;

	while ((id = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		if (id == OPTION_HELP) {
			print_help(stdout);
			return TOOL_DONE;
		}
		if (id == OPTION_VERSION) {
			printf("turnoutctl %s\n", PACKAGE_VERSION);
			return TOOL_DONE;
		}
		if (!option_take(&tool, id, optarg))
			return usage(NULL);
		given[id - OPTION_URL] = true;
	}
	tool.arguments = argv + optind;
	tool.arguments_count = argc - optind;
	status = run(&tool, given);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("turnoutctl: standard output");
		return TOOL_REFUSED;
	}
	return status;
}
