/* SPDX-License-Identifier: Apache-2.0
 *
 * The handlers: one per row of routes.def, declared from it. Each runs on the control loop with a
 * request whose caller is allowed and whose names are legal; it answers once, now or later.
 */
#pragma once
#include "admin/request.h"

#define ROUTE(method, path, role, handler, query, body, summary)                                   \
	void handle_##handler(struct request *request);
#include "admin/routes.def"
#undef ROUTE
