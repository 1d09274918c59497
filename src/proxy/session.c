/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a login holds (KIP-368): until the token's end, and no longer than session.lifetime.ms.
 * Whoever logs in again on the connection goes on; a request after the end closes it, as a broker
 * does.
 */
#include "base/clock.h"
#include "proxy/client.h"
#include "proxy/worker_state.h"

/* Ten years: a token may say any moment. */
#define SESSION_MAX_MS (INT64_C(3650) * 24 * 3600 * 1000)
/* What was sent in time may have waited in the socket while nothing was read: a hold, a limit, a
 * slow broker. It is let through for so long after reading went on. */
#define SESSION_SLACK_MS 1000
/* A client that is idle logs in again when it next has something to say: it has so long. */
#define SESSION_GRACE_MS 60000

int64_t
session_begin(struct client *c)
{
	int64_t left = SESSION_MAX_MS;

	if (c->identity.expires < (clock_wall_ms() + SESSION_MAX_MS) / 1000)
		left = c->identity.expires * 1000 - clock_wall_ms();
	if (c->vc->session_lifetime_ms > 0 && c->vc->session_lifetime_ms < left)
		left = c->vc->session_lifetime_ms;
	if (left < 1)
		left = 1; /* it was good a moment ago; 0 would say "for ever" */
	c->session_ends_ms = clock_now_ms() + left;
	return left;
}

bool
session_is_over(const struct client *c)
{
	int64_t now_ms = clock_now_ms();

	/* Reading also pauses for what a client asks for, as often as it likes: not for ever. */
	return now_ms >= c->session_ends_ms &&
	       (now_ms >= c->reads_since_ms + SESSION_SLACK_MS || session_is_overdue(c, now_ms));
}

bool
session_is_overdue(const struct client *c, int64_t now_ms)
{
	return now_ms >= c->session_ends_ms + SESSION_GRACE_MS;
}
