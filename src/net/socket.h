/* SPDX-License-Identifier: Apache-2.0
 *
 * The few socket calls that Turnout makes, non-blocking and close-on-exec from the start.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "base/err.h"

/* A bound, listening TCP socket with SO_REUSEPORT, or -1 with err (which names host and port).
 * host: an address or a name. */
int socket_listen(const char *host, uint16_t port, struct err *err);

/* Accepts one connection with TCP_NODELAY; -1 with errno (EMFILE already when only as many
 * descriptors are left as the admin API, probes and files need: the connection is closed then).
 * peer gets "address:port". */
int socket_accept(int listener, char *peer, size_t size);

/* Starts a connection. -1 with errno (EMFILE as above) when it failed at once, else a socket that
 * becomes writable when it is decided. */
int socket_connect(const struct sockaddr_storage *address);

/* After it became writable: 0, or the errno of why it failed. */
int socket_error(int fd);

/* Has the peer closed or reset, even though bytes it sent before may still wait unread? (TCP_INFO)
 */
bool socket_peer_is_gone(int fd);

/* "address:port" */
void socket_format(const struct sockaddr_storage *address, char *out, size_t size);
