/* SPDX-License-Identifier: Apache-2.0
 *
 * Handlers of /admin/config: show, reload.
 */
#include "admin/handle.h"
#include "admin/view.h"

void
handle_config_show(struct request *request)
{
	request_answer(request, 200, view_config(request->ctl));
}

static void
on_reloaded(void *arg, const struct reload_result *result)
{
	struct request *request = arg;

	if (result->errors == 0)
		request_answer(request, 200,
			       json_pack("{s:s, s:b, s:I, s:I}", "message",
					 result->changed ? "Configuration reloaded"
							 : "Configuration unchanged",
					 "changed", result->changed, "snapshot",
					 (json_int_t)result->number, "warnings",
					 (json_int_t)result->warnings));
	else if (request->ctl != NULL)
		request_answer(request, 400,
			       json_pack("{s:s, s:I, s:o}", "message",
					 "The configuration has faults and was refused; the last "
					 "good one stays in force.",
					 "snapshot", (json_int_t)result->number, "faults",
					 view_faults(ctl_faults(request->ctl))));
	request_release(request);
}

void
handle_config_reload(struct request *request)
{
	ctl_reload(request->ctl, request->who, on_reloaded, request_hold(request));
}
