/* SPDX-License-Identifier: Apache-2.0
 *
 * The admin HTTP API: libmicrohttpd on the control loop, routes from routes.def, answers built with
 * jansson.
 */
#pragma once
#include <stdint.h>
#include "base/err.h"
#include "ctl/ctl.h"
#include "loop/loop.h"

struct admin;

/* Listens on settings.admin_bind_host:admin_port (0: any free port). NULL and err when it cannot.
 */
struct admin *admin_start(struct loop *loop, struct ctl *ctl, struct err *err);
/* The port it listens on. */
uint16_t admin_port(const struct admin *admin);
/* Ends it; requests still waiting for an operation are answered 503. */
void admin_stop(struct admin **admin);
