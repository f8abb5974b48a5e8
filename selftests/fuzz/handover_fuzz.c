// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a process that claims to be the old one sends for `_getsocks`: lines, and descriptors beside them. The first byte says how
 * many descriptors come with the first piece, and whether all of them listen; the second where the text is cut. What must hold: no
 * descriptor is left open, and what was taken is as many sockets as lines.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "model/config.h"
#include "stream/handover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int listening = -1;

static void require(bool fact)
{
	if (!fact)
		abort();
}

static void setup(void)
{
	struct sockaddr_un here = { .sun_family = AF_UNIX }; /* the kernel chooses a name */

	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	require(!bind(listening, (struct sockaddr *)&here, sizeof(sa_family_t)));
	require(!listen(listening, 1));
}

static void send_piece(int sock, const uint8_t *data, size_t n, int nfds, int odd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(8 * sizeof(int))];
	} control = { 0 };
	struct iovec v = { (void *)data, n };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	struct cmsghdr *c = (struct cmsghdr *)control.bytes;
	int fd[8];

	for (int i = 0; i < nfds; i++)
		fd[i] = i == odd ? 1 : listening;
	if (nfds) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fd, (size_t)nfds * sizeof(int));
	}
	if (n)
		require(sendmsg(sock, &m, MSG_NOSIGNAL) == (ssize_t)n);
}

/* The next descriptor that would be given: grows when one was left open. */
static int next_fd(void)
{
	int fd = dup(1);

	close(fd);
	return fd;
}

static void take(int n)
{
	static struct bind_conf b;
	struct addr a;
	int fd, taken = 0;

	require(!addr_parse_ip(&a, SLICE("127.0.0.1")));
	a.port = 80;
	while ((fd = handover_take(&b, &a, NULL)) >= 0) {
		close(fd);
		taken++;
	}
	while ((fd = handover_take(&b, &a, "/a")) >= 0) {
		close(fd);
		taken++;
	}
	require(taken <= n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2], nfds, odd, n, before;
	size_t cut;

	if (listening < 0)
		setup();
	if (size < 3 || size > 20000)
		return 0;
	before = next_fd();
	nfds = data[0] & 7;
	odd = data[0] & 0x80 ? data[0] >> 3 & 7 : -1;
	cut = data[1] % (size - 2);
	require(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	send_piece(pair[1], data + 2, cut, nfds, odd);
	send_piece(pair[1], data + 2 + cut, size - 2 - cut, 0, -1);
	shutdown(pair[1], SHUT_WR);
	n = handover_receive(pair[0]);
	if (n > 0)
		take(n);
	handover_end();
	close(pair[0]);
	close(pair[1]);
	require(next_fd() == before);
	return 0;
}
