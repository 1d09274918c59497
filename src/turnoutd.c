/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon: arguments, boot order, signals, teardown. Exit code 0: ended as asked; 1: the
 * configuration has faults; 2: wrong usage; 3: it could not run.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "admin/admin.h"
#include "base/log.h"
#include "config.h"
#include "config/check.h"
#include "config/load.h"
#include "ctl/ctl.h"
#include "loop/loop.h"
#include "sys/limits.h"
#include "sys/notify.h"

enum { EXIT_FAULTS = 1, EXIT_USAGE = 2, EXIT_RUNTIME = 3 };

struct daemon {
	struct ctl *ctl;
	bool ending;
};

static const char usage[] =
    "usage: turnoutd [--config FILE] [--state-dir DIR] [--check] [--version] [--help]\n"
    "\n"
    "  --config FILE    the configuration, " SYSCONFDIR "/turnout/turnout.yaml by default\n"
    "  --state-dir DIR  where generated secrets and the state are kept (state.dir)\n"
    "  --check          read and check the configuration, print its faults, and end\n"
    "  --version        print the version and end\n"
    "\n"
    "SIGHUP reloads the configuration; SIGTERM and SIGINT end it, a second one at once.\n";

static void
on_hangup(void *arg)
{
	struct daemon *d = arg;

	if (d->ctl != NULL)
		ctl_reload(d->ctl, "SIGHUP", NULL, NULL);
}

static void
on_end(void *arg)
{
	struct daemon *d = arg;

	if (d->ending) {
		log_warn("stop", KV_STR("why", "a second signal: at once"));
		_exit(EXIT_SUCCESS);
	}
	d->ending = true;
	if (d->ctl != NULL)
		ctl_shutdown(d->ctl, "signal");
}

/* Runs until told to end; the exit code. */
static int
serve(struct loop *loop, struct daemon *d, const struct config_source *source)
{
	struct admin *admin = NULL;
	struct err err = {0};
	int code = EXIT_SUCCESS;

	d->ctl = ctl_start(loop, source, &err);
	if (d->ctl != NULL)
		admin = admin_start(loop, d->ctl, &err);
	if (admin == NULL) {
		log_error("start.failed", KV_STR("why", err.text));
		code = err.code == ERR_INVALID ? EXIT_FAULTS : EXIT_RUNTIME;
	} else {
		const struct world *world = ctl_world(d->ctl);

		log_info("ready", KV_INT("port", world->snap->settings.port_start),
			 KV_INT("vnodes", world->vnodes),
			 KV_INT("admin_port", world->snap->settings.admin_port));
		notify_ready("serving");
		loop_run(loop);
	}
	admin_stop(&admin);
	ctl_stop(&d->ctl);
	return code;
}

static int
run(const struct config_source *source)
{
	struct loop *loop = loop_new();
	struct loop_signal hangup, terminate, interrupt;
	struct daemon d = {0};
	int code;

	signal(SIGPIPE, SIG_IGN);
	loop_signal_start(&hangup, loop, SIGHUP, on_hangup, &d);
	loop_signal_start(&terminate, loop, SIGTERM, on_end, &d);
	loop_signal_start(&interrupt, loop, SIGINT, on_end, &d);
	log_info("start", KV_STR("version", PACKAGE_VERSION), KV_INT("pid", getpid()),
		 KV_STR("config", source->config_path), KV_INT("files", limits_raise_files()));
	code = serve(loop, &d, source);
	log_info("stopped", KV_INT("code", code));
	loop_signal_stop(&hangup, loop);
	loop_signal_stop(&terminate, loop);
	loop_signal_stop(&interrupt, loop);
	loop_free(&loop);
	return code;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"config", required_argument, NULL, 'c'}, {"state-dir", required_argument, NULL, 's'},
	    {"check", no_argument, NULL, 'k'},        {"version", no_argument, NULL, 'V'},
	    {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
	};
	struct config_source source = {.config_path = SYSCONFDIR "/turnout/turnout.yaml",
				       .environment = environ};
	bool only_check = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'c') {
			source.config_path = optarg;
		} else if (option == 's') {
			source.state_dir = optarg;
		} else if (option == 'k') {
			only_check = true;
		} else if (option == 'V') {
			puts("turnoutd " PACKAGE_VERSION);
			return EXIT_SUCCESS;
		} else {
			fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? EXIT_SUCCESS : EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "turnoutd: what is %s?\n%s", argv[optind], usage);
		return EXIT_USAGE;
	}
	if (only_check)
		return config_check_print(&source, stdout) == 0 ? EXIT_SUCCESS : EXIT_FAULTS;
	return run(&source);
}
