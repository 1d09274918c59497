/* SPDX-License-Identifier: Apache-2.0
 *
 * Binding. SO_REUSEPORT would let a second daemon share a port by mistake, and clients would end on
 * either: so each port is first bound without it, which fails when anybody listens there.
 */
#include "ctl/listeners.h"
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/mem.h"

#define BACKLOG 1024

/* A bound socket, or -1 with errno. */
static int
bind_socket(const struct addrinfo *address, bool shared)
{
	int on = 1;
	int number;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
	    bind(fd, address->ai_addr, address->ai_addrlen) == 0)
		return fd;
	number = errno;
	close(fd);
	errno = number;
	return -1;
}

/* Does nobody listen there? */
static bool
is_free(const struct addrinfo *address)
{
	int fd = bind_socket(address, false);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* One listening socket for each worker; on false none is left open and errno says why. */
static bool
listen_all(const struct addrinfo *address, int *sockets, unsigned count)
{
	unsigned made = 0;
	bool ok = is_free(address);
	int number;

	while (ok && made < count) {
		sockets[made] = bind_socket(address, true);
		ok = sockets[made] >= 0;
		if (!ok)
			break;
		ok = listen(sockets[made++], BACKLOG) == 0;
	}
	if (ok)
		return true;
	number = errno;
	while (made > 0)
		close(sockets[--made]);
	errno = number;
	return false;
}

static bool
listen_vnode(const struct listeners *listeners, struct worker *const *workers, unsigned count,
	     unsigned vnode, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *address;
	int64_t port = listeners->port_start + vnode;
	int *sockets;
	char service[24];
	int code;
	bool ok;

	if (port > 65535)
		return err_set(err, ERR_LIMIT, "no port is left for broker %u: port.start is %lld",
			       vnode, (long long)listeners->port_start);
	snprintf(service, sizeof(service), "%lld", (long long)port);
	code = getaddrinfo(listeners->bind_host, service, &hints, &address);
	if (code != 0)
		return err_set(err, ERR_IO, "bind.host: %s: %s", listeners->bind_host,
			       gai_strerror(code));
	sockets = mem_alloc(count * sizeof(*sockets));
	ok = listen_all(address, sockets, count);
	if (!ok)
		err_set(err, ERR_IO, "cannot listen on %s:%lld: %s", listeners->bind_host,
			(long long)port, strerror(errno));
	for (unsigned i = 0; ok && i < count; i++)
		worker_listen(workers[i], vnode, sockets[i]);
	free(sockets);
	freeaddrinfo(address);
	return ok;
}

bool
listeners_grow(struct listeners *listeners, struct worker *const *workers, unsigned count,
	       size_t vnodes, struct err *err)
{
	while (listeners->bound < vnodes) {
		if (!listen_vnode(listeners, workers, count, (unsigned)listeners->bound, err))
			return false;
		listeners->bound++;
	}
	return true;
}
