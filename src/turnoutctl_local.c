/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands that need no gateway: check the configuration, print captured frames.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/mem.h"
#include "base/parse.h"
#include "config/check.h"
#include "config/load.h"
#include "kafka/print.h"
#include "turnoutctl.h"

#define CAPTURE_BYTES_MOST (256 * 1024 * 1024)

/* What config_check_print() says, for scripts. */
static int
check_as_json(const struct config_source *source)
{
	struct faults *faults = faults_new();
	struct snapshot *snap = config_load(source, faults);
	json_t *list = json_array();
	bool is_good = snap != NULL;

	for (size_t i = 0; i < faults_count(faults); i++) {
		const struct fault *f = faults_at(faults, i);

		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:i, s:i, s:s, s:s}", "severity",
						f->severity == FAULT_ERROR ? "error" : "warning",
						"file", f->file, "line", f->line, "column",
						f->column, "key", f->key, "text", f->text));
	}
	list = json_pack("{s:b, s:o}", "ok", is_good, "faults", list);
	json_dumpf(list, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(list);
	snapshot_unref(&snap);
	faults_free(&faults);
	return is_good ? TOOL_DONE : TOOL_REFUSED;
}

int
command_check(const struct tool *tool)
{
	const struct config_source source = {.config_path = tool->config, .environment = environ};

	if (tool->json)
		return check_as_json(&source);
	return config_check_print(&source, stdout) == 0 ? TOOL_DONE : TOOL_REFUSED;
}

/* Reads all of a file; false when it cannot be read or is too large. */
static bool
read_all(FILE *file, struct bytes *out)
{
	char piece[65536];
	size_t length;

	while ((length = fread(piece, 1, sizeof(piece), file)) > 0) {
		if (out->length + length > CAPTURE_BYTES_MOST) {
			errno = EFBIG;
			return false;
		}
		bytes_add(out, piece, length);
	}
	return ferror(file) == 0;
}

static bool
read_capture(const char *name, struct bytes *out)
{
	bool is_stdin = name == NULL || strcmp(name, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(name, "re");
	bool ok = file != NULL && read_all(file, out);

	if (!ok)
		fprintf(stderr, "turnoutctl: cannot read %s: %s\n",
			is_stdin ? "standard input" : name, strerror(errno));
	if (file != NULL && !is_stdin)
		fclose(file);
	return ok;
}

/* "KEY:VERSION" */
static bool
parse_response(const char *text, struct print_options *options)
{
	const char *colon = strchr(text, ':');
	char key[16];
	int64_t key_number;
	int64_t version;

	if (colon == NULL || (size_t)(colon - text) >= sizeof(key))
		return false;
	snprintf(key, sizeof(key), "%.*s", (int)(colon - text), text);
	if (!parse_i64(key, 0, INT16_MAX, &key_number) ||
	    !parse_i64(colon + 1, 0, INT16_MAX, &version))
		return false;
	options->response = true;
	options->key = (int)key_number;
	options->version = (int)version;
	return true;
}

int
command_decode(const struct tool *tool)
{
	struct print_options options = {.meanings = tool->meanings};
	struct bytes capture = {0};
	size_t bad;
	long hex = -1;
	char *text;

	if (tool->json) {
		fprintf(stderr, "turnoutctl: decode prints text only, not --json\n");
		return TOOL_USAGE;
	}
	if (tool->response != NULL && !parse_response(tool->response, &options)) {
		fprintf(stderr, "turnoutctl: --response needs KEY:VERSION, such as 3:9, not '%s'\n",
			tool->response);
		return TOOL_USAGE;
	}
	if (!read_capture(tool->arguments[0], &capture)) {
		bytes_free(&capture);
		return TOOL_REFUSED;
	}
	/* No frame looks like hex digits: its size alone would be hundreds of megabytes. */
	text = mem_alloc(capture.length + 1);
	if (capture.length > 0)
		memcpy(text, capture.data, capture.length);
	hex = print_unhex(text, capture.length);
	bad = hex >= 0 ? print_frames((uint8_t *)text, (size_t)hex, &options, stdout)
		       : print_frames(capture.data, capture.length, &options, stdout);
	free(text);
	bytes_free(&capture);
	return bad == 0 ? TOOL_DONE : TOOL_REFUSED;
}
