/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets: listen, accept, connect, and what the kernel knows of a peer.
 */
#include "net/socket.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BACKLOG 1024
/* Descriptors that the data path leaves alone: for the admin API, probes and files. */
#define FILES_KEPT 320

static void
set_option(int fd, int level, int option)
{
	int on = 1;

	setsockopt(fd, level, option, &on, sizeof(on));
}

static int
listen_on(const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int saved;

	if (fd < 0)
		return -1;
	set_option(fd, SOL_SOCKET, SO_REUSEADDR);
	set_option(fd, SOL_SOCKET, SO_REUSEPORT);
	if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* The kernel gives the lowest number that is free: a high one says how many are in use. Takes fd
 * back, as if there were none left, when it is one of those that are kept for others. */
static int
leave_some(int fd)
{
	struct rlimit files;
	rlim_t kept = FILES_KEPT;

	if (fd < 0 || getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
		return fd;
	if (kept > files.rlim_cur / 4)
		kept = files.rlim_cur / 4;
	if ((rlim_t)fd < files.rlim_cur - kept)
		return fd;
	close(fd);
	errno = EMFILE;
	return -1;
}

int
socket_listen(const char *host, uint16_t port, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found;
	char service[8];
	int status;
	int fd;

	snprintf(service, sizeof(service), "%u", port);
	status = getaddrinfo(host, service, &hints, &found);
	if (status != 0) {
		err_set(err, ERR_IO, "cannot resolve the listening address %s: %s", host,
			gai_strerror(status));
		return -1;
	}
	fd = listen_on(found);
	if (fd < 0)
		err_set(err, ERR_IO, "cannot listen on %s port %u: %s", host, port,
			strerror(errno));
	freeaddrinfo(found);
	return fd;
}

void
socket_format(const struct sockaddr_storage *address, char *out, size_t size)
{
	char host[INET6_ADDRSTRLEN];
	char service[8];
	socklen_t length = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
							  : sizeof(struct sockaddr_in);

	if (getnameinfo((const struct sockaddr *)address, length, host, sizeof(host), service,
			sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(out, size, "unknown");
	else
		snprintf(out, size, address->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
			 service);
}

int
socket_accept(int listener, char *peer, size_t size)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	int fd = leave_some(
	    accept4(listener, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC));

	if (fd < 0)
		return -1;
	set_option(fd, IPPROTO_TCP, TCP_NODELAY);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE);
	socket_format(&address, peer, size);
	return fd;
}

int
socket_connect(const struct sockaddr_storage *address)
{
	socklen_t length = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
							  : sizeof(struct sockaddr_in);
	int fd =
	    leave_some(socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	int saved;

	if (fd < 0)
		return -1;
	set_option(fd, IPPROTO_TCP, TCP_NODELAY);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE);
	if (connect(fd, (const struct sockaddr *)address, length) == 0 || errno == EINPROGRESS)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int
socket_error(int fd)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return errno;
	return error;
}

bool
socket_peer_is_gone(int fd)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
		return false;
	return info.tcpi_state == TCP_CLOSE || info.tcpi_state == TCP_CLOSE_WAIT;
}
