/* SPDX-License-Identifier: Apache-2.0
 *
 * Handlers of what the gateway says about itself: health, versions, metrics, the API's description,
 * the status page.
 */
#include "admin/handle.h"
#include "admin/view.h"

void
handle_health(struct request *request)
{
	request_answer(request, 200, view_health());
}

void
handle_health_live(struct request *request)
{
	request_answer(request, 200, view_health_live());
}

void
handle_health_ready(struct request *request)
{
	char why[256] = "";

	if (ctl_is_ready(request->ctl, why, sizeof(why)))
		request_answer(request, 200, view_health_ready(NULL));
	else
		request_answer(request, 503, view_health_ready(why));
}

void
handle_versions(struct request *request)
{
	request_answer(request, 200, view_versions());
}

void
handle_openapi(struct request *request)
{
	request_answer(request, 200, view_openapi());
}

void
handle_metrics(struct request *request)
{
	struct bytes text = {0};

	view_metrics(request->ctl, &text);
	request_text(request, 200, "text/plain; version=0.0.4; charset=utf-8",
		     (const char *)text.data, text.length);
	bytes_free(&text);
}

void
handle_page(struct request *request)
{
	struct bytes text = {0};

	view_page(request->ctl, &text);
	request_text(request, 200, "text/html; charset=utf-8", (const char *)text.data,
		     text.length);
	bytes_free(&text);
}
