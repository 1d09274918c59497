/* SPDX-License-Identifier: Apache-2.0
 *
 * The built turnoutctl, run against the admin API: what it prints and its exit status.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/mem.h"
#include "unit/admin/fixture.h"

#define ARGUMENTS 12
#define TURNS     60000

static struct fixture fixture;
static char directory[] = "/tmp/turnoutctl-test-XXXXXX";

static void
start(void)
{
	fixture_start(&fixture);
	cr_assert(mkdtemp(directory) != NULL);
	unsetenv("TURNOUT_URL");
	unsetenv("TURNOUT_USER");
}

static void
stop(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/admin.password", directory);
	unlink(path);
	rmdir(directory);
	fixture_stop(&fixture);
}

TestSuite(turnoutctl, .init = start, .fini = stop);

struct output {
	int status;
	struct bytes out;
	struct bytes err;
};

static void
child_run(const char *const *arguments, int in, int out, int err)
{
	char url[64];
	const char *argv[ARGUMENTS + 6] = {TURNOUTCTL, "--url", url, "--state-dir", directory};
	size_t count = 5;

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", admin_port(fixture.admin));
	for (size_t i = 0; arguments[i] != NULL; i++)
		argv[count++] = arguments[i];
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execv(TURNOUTCTL, (char *const *)(uintptr_t)argv);
	_exit(127);
}

static bool
take(int fd, struct bytes *out)
{
	char piece[4096];
	ssize_t length = read(fd, piece, sizeof(piece));

	if (length > 0)
		bytes_add(out, piece, (size_t)length);
	return length > 0 || (length < 0 && errno == EAGAIN);
}

/* Runs the tool with these arguments and this input while the loop turns. */
static void
tool(const char *const *arguments, const char *input, struct output *output)
{
	int in[2];
	int out[2];
	int err[2];
	int status = -1;
	pid_t child;

	memset(output, 0, sizeof(*output));
	cr_assert(pipe(in) == 0 && pipe2(out, O_NONBLOCK) == 0 && pipe2(err, O_NONBLOCK) == 0);
	cr_assert(write(in[1], input, strlen(input)) == (ssize_t)strlen(input));
	child = fork();
	if (child == 0) {
		close(in[1]);
		child_run(arguments, in[0], out[1], err[1]);
	}
	close(in[0]);
	close(in[1]);
	close(out[1]);
	close(err[1]);
	for (int i = 0; i < TURNS && waitpid(child, &status, WNOHANG) == 0; i++) {
		loop_turn(fixture.loop, false);
		take(out[0], &output->out);
		take(err[0], &output->err);
		usleep(500);
	}
	while (take(out[0], &output->out) && errno != EAGAIN)
		;
	while (take(err[0], &output->err) && errno != EAGAIN)
		;
	bytes_add_u8(&output->out, 0);
	bytes_add_u8(&output->err, 0);
	close(out[0]);
	close(err[0]);
	output->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
output_free(struct output *output)
{
	bytes_free(&output->out);
	bytes_free(&output->err);
}

static void
use_nothing(struct ctl *ctl)
{
	(void)ctl;
}

static void
use_not_moved(struct ctl *ctl)
{
	ctl->switch_result.moved = false;
}

static void
use_refusal(struct ctl *ctl)
{
	ctl->switch_result.ok = false;
	err_set(&ctl->switch_result.err, ERR_UNAVAILABLE, "failover does not answer");
}

static void
use_bad_file(struct ctl *ctl)
{
	faults_add(ctl->faults, FAULT_ERROR, "clusters.yaml", 3, 5, "config.x", "is \033[31mwrong");
	ctl->reload_result = (struct reload_result){.number = 7, .errors = 1};
	ctl->taken = false;
}

static void
use_not_ready(struct ctl *ctl)
{
	ctl->ready = false;
}

#define U "--user", ADMIN

static const struct {
	const char *arguments[ARGUMENTS];
	void (*use)(struct ctl *ctl);
	int status;
	const char *out; /* is part of standard output; "" for nothing there */
	const char *err; /* likewise */
} rows[] = {
    {{"status", U}, use_nothing, 0, "ready\nlogical    main on main (generation 3, run)", ""},
    {{"status", U}, use_nothing, 0, "eu on failover (generation 0, run), 1 vclusters\n", ""},
    {{"status", U}, use_nothing, 0, "main up, 3 brokers, kafka1:9092,[::1]:9093\n", ""},
    {{"status", U}, use_nothing, 0, "failover DOWN: connection refused", ""},
    {{"status", U}, use_nothing, 0, "vclusters  2\n", ""},
    {{"status", U}, use_nothing, 0, "main from failover to main by api:<admin>, took 1042", ""},
    {{"status", U},
     use_bad_file,
     0,
     "REFUSED, 1 errors, 0 warnings\n  error: clusters.yaml:3:5:",
     ""},
    {{"status", U}, use_bad_file, 0, "is ?[31mwrong", ""},
    {{"status", U}, use_not_ready, 0, "NOT READY: cluster 'main' does not answer", ""},
    {{"--json", "check", "--config", "/nonexistent/turnout.yaml"},
     use_nothing,
     1,
     "\"ok\": false",
     ""},
    {{"--json", "decode", "-"}, use_nothing, 2, "", "text only"},
    {{"--json", "status", U}, use_nothing, 0, "\"generation\": 3", ""},
    {{"status"}, use_nothing, 1, "", "a login is needed"},
    {{"status", "--user", "admin:no"}, use_nothing, 1, "", "name or the password is wrong"},
    {{"status", U, "--url", "http://127.0.0.1:1"}, use_nothing, 3, "", "no answer from"},
    {{"status", U, "--url", "ftp://127.0.0.1"}, use_nothing, 3, "", "no answer from"},
    {{"switch", "failover", U},
     use_nothing,
     0,
     "main switched from main to failover in 51 ms (generation 4): 9 connections, 3 requests held "
     "for 12 ms, 0 connections cut\n",
     ""},
    {{"switch", "eu", "failover", U}, use_nothing, 0, "eu switched from main to failover", ""},
    {{"switch", "failover", "--dry-run", U}, use_nothing, 0, "can be switched", ""},
    {{"switch", "failover", U}, use_not_moved, 0, "main is on failover already", ""},
    {{"switch", "failover", U}, use_refusal, 1, "", "turnoutctl: failover does not answer\n"},
    {{"switch", "failover", U, "--json"},
     use_refusal,
     1,
     "{\"message\":\"failover does not answer\"}\n",
     "failover does not answer"},
    {{"switch", "failover", "--json", U}, use_nothing, 0, "{\"message\":\"Cluster switched\"", ""},
    {{"switch", "failover", "--user", VIEWER}, use_nothing, 1, "", "read-only"},
    {{"switch", "a b/c", U}, use_nothing, 1, "", "'a b/c' cannot be the id"},
    {{"token", "teamA", "sa", U}, use_nothing, 0, "head.body.signature\n", ""},
    {{"token", "teamA", "a/b", U}, use_nothing, 1, "", "'a/b' cannot be the name"},
    {{"token", "teamA", "sa", "--lifetime", "60", U}, use_nothing, 0, "head.body.signature\n", ""},
    {{"token", "teamA", "sa", "--lifetime", "x"}, use_nothing, 2, "", "number of seconds"},
    {{"topics", "teamA", U},
     use_nothing,
     0,
     "a -> teamAa\norders -> legacyOrders\nshared -> existingSharedTopic (read-only)\n"
     "users -> teamAusers\n",
     ""},
    {{"topics", "nope", U}, use_nothing, 1, "", "no vcluster 'nope'"},
    {{"topics", "list", "teamA", U}, use_nothing, 0, "a -> teamAa\norders -> legacyOrders\n", ""},
    {{"topics", "add", "teamA", "shared", "existingSharedTopic", "--read-only", U},
     use_nothing,
     0,
     "shared of teamA is an alias now\n",
     ""},
    {{"topics", "add", "teamA", "shared", "existingSharedTopic", U, "--json"},
     use_nothing,
     0,
     "\"type\":\"ALIAS\"",
     ""},
    {{"topics", "add", "teamA", "a/b", "x", U}, use_nothing, 1, "", "'a/b' cannot be the name"},
    {{"topics", "add", "nope", "x", "y", U}, use_nothing, 1, "", "no vcluster 'nope'"},
    {{"topics", "add", "teamA", "x", U}, use_nothing, 2, "", "topics add VCLUSTER TOPIC PHYSICAL"},
    {{"topics", "remove", "teamA", "shared", U},
     use_nothing,
     0,
     "shared of teamA is no alias any more\n",
     ""},
    {{"reload", U}, use_nothing, 0, "Configuration reloaded (snapshot 8, 0 warnings)\n", ""},
    {{"reload", U}, use_bad_file, 1, "error: clusters.yaml:3:5: config.x: is", "has faults"},
    {{"wait", "ready"}, use_nothing, 0, "", ""},
    {{"wait", "ready", "--timeout", "0"}, use_not_ready, 4, "", "not ready: cluster 'main'"},
    {{"wait", "ready", "--timeout", "0", "--url", "http://127.0.0.1:1"},
     use_nothing,
     4,
     "",
     "no answer"},
    {{"wait", "switched:main", U}, use_nothing, 0, "", ""},
    {{"wait", "switched:eu=failover", U}, use_nothing, 0, "", ""},
    {{"wait", "switched:failover", U, "--timeout", "0"}, use_nothing, 4, "", "main is on main"},
    {{"wait", "switched:nope=failover", U}, use_nothing, 1, "", "no logical or physical"},
    {{"wait", "switched:main"}, use_nothing, 1, "", "a login is needed"},
    {{"wait", "sunshine"}, use_nothing, 2, "", "sunshine"},
    {{"wait", "switched:=x"}, use_nothing, 2, "", "wait for"},
    {{"decode", "-"}, use_nothing, 0, "ApiVersions", ""},
    {{"decode", "--response", "x"}, use_nothing, 2, "", "KEY:VERSION"},
    {{"decode", "/nonexistent"}, use_nothing, 1, "", "/nonexistent"},
    {{"check", "--config", "/nonexistent/turnout.yaml"}, use_nothing, 1, "clusters", ""},
    {{NULL}, use_nothing, 2, "", "Usage: turnoutctl"},
    {{"frobnicate"}, use_nothing, 2, "", "no command 'frobnicate'"},
    {{"switch"}, use_nothing, 2, "", "switch [LOGICAL] TO"},
    {{"token", "teamA"}, use_nothing, 2, "", "token VCLUSTER USER"},
    {{"status", "--force"}, use_nothing, 2, "", "'status' takes no --force"},
    {{"--nonsense"}, use_nothing, 2, "", "nonsense"},
    {{"help"}, use_nothing, 0, "Exit status", ""},
    {{"help", "wait"}, use_nothing, 0, "wait ready|switched:", ""},
    {{"--help"}, use_nothing, 0, "Commands:", ""},
    {{"--version"}, use_nothing, 0, "turnoutctl ", ""},
};

static bool
has(const struct bytes *text, const char *part)
{
	return part[0] == '\0' ? text->length == 1 : strstr((char *)text->data, part) != NULL;
}

Test(turnoutctl, table, .timeout = 120)
{
	/* ApiVersions version 0, for decode. */
	static const char frame[] = "0000000d 0012 0000 00000007 0003 61 62 63 # a frame\n";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct output output;

		fake_ctl_reset(fixture.ctl);
		rows[i].use(fixture.ctl);
		tool(rows[i].arguments, frame, &output);
		cr_assert(output.status == rows[i].status, "row %zu: %d\n%s\n%s", i, output.status,
			  output.out.data, output.err.data);
		cr_assert(has(&output.out, rows[i].out), "row %zu: %s", i, output.out.data);
		cr_assert(has(&output.err, rows[i].err), "row %zu: %s", i, output.err.data);
		output_free(&output);
	}
}

Test(turnoutctl, arguments_reach_the_gateway)
{
	const char *const switching[] = {"switch", "eu", "main", "--force", U, NULL};
	const char *const token[] = {"token", "new", "u", "--lifetime", "90", U, NULL};
	struct output output;

	tool(switching, "", &output);
	cr_assert(fixture.ctl->flags == SWITCH_FORCE);
	cr_assert(strcmp(fixture.ctl->target, "eu") == 0);
	cr_assert(strcmp(fixture.ctl->detail, "main") == 0);
	output_free(&output);
	tool(token, "", &output);
	cr_assert(fixture.ctl->lifetime == 90);
	cr_assert(strcmp(fixture.ctl->who, "api:admin") == 0);
	output_free(&output);
}

static int
status_of(const char *const *arguments)
{
	struct output output;

	tool(arguments, "", &output);
	output_free(&output);
	return output.status;
}

Test(turnoutctl, login_from_environment_or_file)
{
	const char *const arguments[] = {"reload", NULL};
	char path[64];
	FILE *file;

	cr_assert(status_of(arguments) == 1);
	snprintf(path, sizeof(path), "%s/admin.password", directory);
	file = fopen(path, "w");
	cr_assert(file != NULL);
	fputs(ADMIN "\n", file);
	fclose(file);
	cr_assert(status_of(arguments) == 0);
	setenv("TURNOUT_USER", VIEWER, 1);
	cr_assert(status_of(arguments) == 1);
	setenv("TURNOUT_USER", ADMIN, 1);
	cr_assert(status_of(arguments) == 0);
}
