/* SPDX-License-Identifier: Apache-2.0
 *
 * What the service manager is told, and the limit of open files.
 */
#include "scratch.h"
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "sys/limits.h"
#include "sys/notify.h"

/* A datagram socket that NOTIFY_SOCKET leads to; name[0] '@': in the abstract namespace. */
static int
manager(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, length), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void
expect(int fd, const char *text)
{
	char got[600];
	ssize_t length = recv(fd, got, sizeof(got) - 1, 0);

	cr_assert_gt(length, 0, "nothing came for %s", text);
	got[length] = '\0';
	cr_expect(strncmp(got, text, strlen(text)) == 0, "%s", got);
}

static void
check_all(int fd)
{
	notify_ready("serving");
	expect(fd, "READY=1\nSTATUS=serving\n");
	notify_reloading();
	expect(fd, "RELOADING=1\nMONOTONIC_USEC=");
	notify_status("main is on failover");
	expect(fd, "STATUS=main is on failover\n");
	notify_stopping();
	expect(fd, "STOPPING=1\n");
	close(fd);
}

Test(notify, tells_by_a_path_or_an_abstract_name)
{
	struct scratch scratch;
	char name[64];

	scratch_make(&scratch);
	check_all(manager(scratch_path(&scratch, "socket")));
	snprintf(name, sizeof(name), "@turnout-test-%d", getpid());
	check_all(manager(name));
	scratch_free(&scratch);
}

Test(notify, nobody_is_told_where_nobody_listens)
{
	unsetenv("NOTIFY_SOCKET");
	notify_ready("serving");
	setenv("NOTIFY_SOCKET", "relative", 1);
	notify_ready("serving");
	setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
	notify_ready("serving");
}

Test(limits, files_are_raised_to_the_hard_limit)
{
	struct rlimit limit;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max / 2;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_expect_eq(limits_raise_files(), (int64_t)limit.rlim_max);
	getrlimit(RLIMIT_NOFILE, &limit);
	cr_expect_eq(limit.rlim_cur, limit.rlim_max);
}
