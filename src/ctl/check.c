/* SPDX-License-Identifier: Apache-2.0
 *
 * Printing the faults of a configuration. Nothing is started, written or connected to.
 */
#include "ctl/check.h"
#include <stdio.h>

bool
check_configuration(const struct config_source *source)
{
	struct faults *faults = faults_new();
	struct snapshot *snap = config_load(source, faults);
	size_t errors = faults_errors(faults);
	char text[1024];

	for (size_t i = 0; i < faults_count(faults); i++) {
		const struct fault *fault = faults_at(faults, i);

		fault_format(fault, text, sizeof(text));
		fprintf(stderr, "%s%s\n", fault->severity == FAULT_ERROR ? "" : "warning: ", text);
	}
	if (snap != NULL)
		printf("the configuration is good: %zu clusters, %zu vclusters\n",
		       snap->clusters_count, snap->vclusters_count);
	else
		printf("the configuration has %zu fault%s\n", errors, errors == 1 ? "" : "s");
	snapshot_unref(&snap);
	faults_free(&faults);
	return errors == 0;
}
