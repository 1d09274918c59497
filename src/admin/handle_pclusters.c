/* SPDX-License-Identifier: Apache-2.0
 *
 * Handlers of /admin/pclusters: list, show, switch.
 */
#include "admin/handle.h"
#include "admin/view.h"

void
handle_pclusters_list(struct request *request)
{
	request_answer(request, 200, view_clusters(request->ctl));
}

void
handle_pcluster_show(struct request *request)
{
	const char *id = request_parameter(request, "pcluster");
	json_t *cluster = view_cluster(request->ctl, id);

	if (cluster != NULL)
		request_answer(request, 200, cluster);
	else
		request_fail(request, 404, "There is no logical or physical cluster '%s'.", id);
}

static void
switched(struct request *request, const struct switch_result *result, bool dry_run)
{
	const char *logical = request_parameter(request, "pcluster");

	if (result->ok)
		request_answer(request, 200, view_switched(logical, result, dry_run));
	else
		request_fail_err(request, &result->err);
	request_release(request);
}

static void
on_switched(void *arg, const struct switch_result *result)
{
	switched(arg, result, false);
}

static void
on_switch_checked(void *arg, const struct switch_result *result)
{
	switched(arg, result, true);
}

void
handle_cluster_switch(struct request *request)
{
	const char *to = request_query(request, "to");
	unsigned flags = 0;
	bool force;
	bool dry_run;

	if (!request_flag(request, "force", &force) || !request_flag(request, "dryRun", &dry_run))
		return;
	if (!router_is_cluster(to)) {
		request_fail(request, 400, "'%s' cannot be the id of a physical cluster.", to);
		return;
	}
	flags |= force ? SWITCH_FORCE : 0u;
	flags |= dry_run ? SWITCH_DRY_RUN : 0u;
	ctl_switch(request->ctl, request_parameter(request, "pcluster"), to, flags, request->who,
		   dry_run ? on_switch_checked : on_switched, request_hold(request));
}
