/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lbadm_client.c - one question to the stats socket. See lbadm_client.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "lbadm_client.h"

#define REPLY_MAX  (64 << 20)
#define PATIENCE_S 10

static int client_connect(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd, err;

	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	memcpy(un.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int client_send(int fd, const char *command)
{
	size_t n = strlen(command);

	while (n) {
		ssize_t w = send(fd, command, n, MSG_NOSIGNAL);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		command += w;
		n -= (size_t)w;
	}
	if (send(fd, "\n", 1, MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

static int client_receive(int fd, char **reply)
{
	size_t n = 0, cap = 65536;
	char *buf = malloc(cap);
	ssize_t r;

	for (;;) {
		if (!buf)
			return -ENOMEM;
		r = read(fd, buf + n, cap - n - 1);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		n += (size_t)r;
		if (n + 1 == cap) {
			char *more = cap < REPLY_MAX ? realloc(buf, cap * 2) : NULL;

			if (!more) {
				free(buf);
				return -EMSGSIZE;
			}
			buf = more;
			cap *= 2;
		}
	}
	if (r < 0) {
		free(buf);
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	}
	while (n >= 2 && buf[n - 1] == '\n' && buf[n - 2] == '\n')
		n--;
	buf[n] = 0;
	*reply = buf;
	return 0;
}

int client_ask(const char *path, const char *command, char **reply)
{
	int fd = client_connect(path), err;

	if (fd < 0)
		return fd;
	err = client_send(fd, command);
	if (!err)
		err = client_receive(fd, reply);
	close(fd);
	return err;
}
