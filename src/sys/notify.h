/* SPDX-License-Identifier: Apache-2.0
 *
 * Telling the service manager how we are (sd_notify(3)'s protocol, without its library): one
 * datagram to the socket named by NOTIFY_SOCKET. Nothing happens where that is not set. Never
 * blocks, never fails: the service manager is told, not asked.
 */
#pragma once

/* Started, or done reloading; status is one line for `systemctl status`. */
void notify_ready(const char *status);
void notify_reloading(void);
void notify_stopping(void);
/* Only the line. */
void notify_status(const char *status);
