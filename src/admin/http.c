/* SPDX-License-Identifier: Apache-2.0
 *
 * libmicrohttpd on the control loop: no threads of its own; its epoll descriptor is one watcher of
 * ours, its timeouts one timer. Owns the listening socket, the limits, start and end; what happens
 * to a request is in exchange.c. Start at admin_start().
 */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "admin/admin.h"
#include "admin/exchange.h"
#include "base/ensure.h"
#include "base/log.h"
#include "base/mem.h"

#define CONNECTIONS        256
#define CONNECTIONS_PER_IP 64
#define CONNECTION_BYTES   (32 * 1024) /* headers and read buffer of one connection */
#define IDLE_SECONDS       15
#define FINAL_RUNS         4

struct admin {
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct loop_io io;
	struct loop_timer timer;
	struct exchanges exchanges;
	uint16_t port;
};

/* Paths and queries stay as they came: the router decodes them segment by segment. */
static size_t
keep_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
	(void)arg;
	(void)connection;
	return strlen(text);
}

__attribute__((format(printf, 2, 0))) static void
on_library_log(void *arg, const char *format, va_list args)
{
	char text[256];

	(void)arg;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\r\n")] = '\0';
	log_debug("admin.http", KV_STR("text", text));
}

static void
kick(void *arg)
{
	struct admin *admin = arg;

	loop_timer_start(&admin->timer, 0, 0);
}

static void
run(struct admin *admin)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	MHD_run(admin->daemon);
	if (MHD_get_timeout(admin->daemon, &timeout) == MHD_YES)
		loop_timer_start(&admin->timer, timeout < 1000000 ? (int64_t)timeout : 1000000, 0);
	else
		loop_timer_stop(&admin->timer);
}

static void
on_timer(void *arg)
{
	run(arg);
}

static void
on_events(void *arg, int events)
{
	(void)events;
	run(arg);
}

/* A listening socket for one address, or -1 and errno. */
static int
listen_one(const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;
	int saved;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, 128) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
listen_on(const char *host, int64_t port, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *addresses;
	char service[16];
	int fd = -1;
	int status;

	snprintf(service, sizeof(service), "%d", (int)port);
	status = getaddrinfo(host, service, &hints, &addresses);
	if (status != 0) {
		err_set(err, ERR_INVALID, "admin API: cannot resolve admin.bind.host '%s': %s.",
			host, gai_strerror(status));
		return -1;
	}
	for (const struct addrinfo *a = addresses; a != NULL && fd < 0; a = a->ai_next)
		fd = listen_one(a);
	if (fd < 0)
		err_set(err, ERR_IO,
			"admin API: cannot listen on %s port %d: %s. Is another gateway running? "
			"Choose another admin.port (GATEWAY_HTTP_PORT).",
			host, (int)port, strerror(errno));
	freeaddrinfo(addresses);
	return fd;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
		return 0;
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)(void *)&address)->sin6_port);
	return ntohs(((struct sockaddr_in *)(void *)&address)->sin_port);
}

static struct MHD_Daemon *
daemon_start(struct admin *admin, int fd)
{
	return MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_USE_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
	    exchange_access, &admin->exchanges, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL,
	    MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
	    MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)CONNECTIONS_PER_IP,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
	    MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED,
	    exchange_completed, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

struct admin *
admin_start(struct loop *loop, struct ctl *ctl, struct err *err)
{
	const struct settings *settings = &ctl_world(ctl)->snap->settings;
	int fd = listen_on(settings->admin_bind_host, settings->admin_port, err);
	const union MHD_DaemonInfo *info;
	struct admin *admin;

	if (fd < 0)
		return NULL;
	admin = mem_zalloc(sizeof(*admin));
	admin->loop = loop;
	admin->port = port_of(fd);
	list_init(&admin->exchanges.list);
	admin->exchanges.ctl = ctl;
	admin->exchanges.kick = kick;
	admin->exchanges.arg = admin;
	admin->daemon = daemon_start(admin, fd);
	info = admin->daemon != NULL ? MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_EPOLL_FD)
				     : NULL;
	if (info == NULL) {
		/* The library may have closed fd or not; the process is about to end. */
		err_set(err, ERR_IO, "admin API: the HTTP library does not start.");
		free(admin);
		return NULL;
	}
	loop_timer_init(&admin->timer, loop, on_timer, admin);
	loop_io_init(&admin->io, loop, info->epoll_fd, on_events, admin);
	loop_io_watch(&admin->io, EV_READ);
	kick(admin);
	log_info("admin.listening", KV_STR("host", settings->admin_bind_host),
		 KV_INT("port", admin->port));
	return admin;
}

uint16_t
admin_port(const struct admin *admin)
{
	return admin->port;
}

void
admin_stop(struct admin **pointer)
{
	struct admin *admin = *pointer;

	if (admin == NULL)
		return;
	*pointer = NULL;
	exchanges_stop(&admin->exchanges);
	/* A sleeping connection must be awake when the daemon ends; its answer goes out here. */
	for (int i = 0; i < FINAL_RUNS; i++)
		MHD_run(admin->daemon);
	loop_io_watch(&admin->io, 0);
	loop_timer_stop(&admin->timer);
	MHD_stop_daemon(admin->daemon);
	ENSURE(list_is_empty(&admin->exchanges.list));
	free(admin);
}
