/* SPDX-License-Identifier: Apache-2.0
 *
 * `turnoutd --check`: load, print, nothing else.
 */
#include "config/check.h"
#include "config/keys.h"

static const char *
plural(size_t count)
{
	return count == 1 ? "" : "s";
}

static void
print_summary(const struct snapshot *snap, const struct faults *faults, FILE *out)
{
	size_t warnings = faults_count(faults) - faults_errors(faults);

	fprintf(out, "OK: %zu physical cluster%s, %zu vcluster%s", snap->clusters_count,
		plural(snap->clusters_count), snap->vclusters_count, plural(snap->vclusters_count));
	for (size_t i = 0; i < snap->logicals_count; i++)
		fprintf(out, ", %s is served by %s", snap->logicals[i].name,
			snap->clusters[snap->logicals[i].active].name);
	fprintf(out, ", %zu warning%s\n", warnings, plural(warnings));
}

int
config_check_print(const struct config_source *source, FILE *out)
{
	struct faults *faults = faults_new();
	struct snapshot *snap = config_load(source, faults);
	int status = snap != NULL ? 0 : 1;

	for (size_t i = 0; i < faults_count(faults); i++) {
		char line[2048];

		fprintf(out, "%s\n", fault_format(faults_at(faults, i), line, sizeof(line)));
	}
	if (snap != NULL)
		print_summary(snap, faults, out);
	else
		fprintf(out, "FAULTY: %zu error%s; nothing was changed\n", faults_errors(faults),
			plural(faults_errors(faults)));
	snapshot_unref(&snap);
	faults_free(&faults);
	return status;
}
