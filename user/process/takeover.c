// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See takeover.h. Control thread, while the process still has the rights it was started with.
 */
#include "process/takeover.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "process/master.h"
#include "stream/handover.h"

/* A connected descriptor, or -errno. "unix@" may stand in front; abns@ is an abstract address. */
static int connect_to(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	bool abstract = !strncmp(path, "abns@", 5);
	socklen_t len = sizeof(un);
	size_t n;
	int fd;

	if (abstract || !strncmp(path, "unix@", 5))
		path += 5;
	n = strlen(path);
	if (n + abstract >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	memcpy(un.sun_path + abstract, path, n);
	if (abstract)
		len = (socklen_t)sizeof(un); /* as stats sockets bind theirs */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&un, len))
		return fd;
	n = (size_t)errno;
	close(fd);
	return -(int)n;
}

int takeover_begin(const struct args *a, struct diag *d)
{
	int fd = master_takeover_fd(), n;

	if (fd < 0 && !a->takeover)
		return 0;
	if (fd < 0)
		fd = connect_to(a->takeover);
	n = fd < 0 ? fd : handover_receive(fd);
	if (fd >= 0)
		close(fd);
	if (n >= 0)
		return 0;
	if (!a->takeover) {
		diag_warning(d, PLACE_NONE,
			     "cannot take listening sockets over from the worker before: %s\n"
			     "the addresses are bound anew",
			     strerror(-n));
		return 0;
	}
	diag_error(d, PLACE_NONE, "-x: cannot take listening sockets over from %s: %s%s",
		   a->takeover, strerror(-n),
		   n == -EPROTO ? "\ndoes its 'stats socket' line say 'level admin expose-fd "
				  "listeners'?"
				: "");
	return -1;
}

void takeover_end(void)
{
	handover_end();
}
