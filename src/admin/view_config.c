/* SPDX-License-Identifier: Apache-2.0
 *
 * Views of the configuration: where it comes from and what is wrong with it. Never its values.
 */
#include "admin/view.h"

json_t *
view_faults(const struct faults *faults)
{
	json_t *out = json_array();

	for (size_t i = 0; i < faults_count(faults); i++) {
		const struct fault *fault = faults_at(faults, i);

		json_array_append_new(
		    out,
		    json_pack("{s:s, s:o, s:i, s:i, s:o, s:o}", "severity",
			      fault->severity == FAULT_ERROR ? "error" : "warning", "file",
			      view_text(fault->file), "line", fault->line, "column", fault->column,
			      "key", view_text(fault->key), "text", view_text(fault->text)));
	}
	return out;
}

static json_t *
files(const struct snapshot *snap)
{
	json_t *out = json_array();

	for (size_t i = 0; i < snap->files_count; i++) {
		const struct config_file *file = &snap->files[i];

		json_array_append_new(
		    out,
		    json_pack("{s:o, s:o}", "path", view_text(file->path), "sha256",
			      file->sha256[0] != '\0' ? json_string(file->sha256) : json_null()));
	}
	return out;
}

json_t *
view_config(struct ctl *ctl)
{
	const struct snapshot *snap = ctl_world(ctl)->snap;
	const struct faults *faults = ctl_faults(ctl);
	int64_t at = 0;
	bool taken = false;

	ctl_last_load(ctl, &at, &taken);
	return json_pack("{s:I, s:s, s:{s:o, s:b, s:I, s:I}, s:o, s:o}", "snapshot",
			 (json_int_t)snap->number, "digest", snap->digest, "lastLoad", "at",
			 view_time(at), "taken", (int)taken, "errors",
			 (json_int_t)faults_errors(faults), "warnings",
			 (json_int_t)(faults_count(faults) - faults_errors(faults)), "files",
			 files(snap), "faults", view_faults(faults));
}
