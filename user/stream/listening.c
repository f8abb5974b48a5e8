/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listening.c - who listens here. See listening.h. Costs one netlink dump and a walk over our own descriptors.
 */
#include "stream/listening.h"
#include "base/arena.h"
#include <dirent.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TCP_LISTEN 10

struct own_sockets {
	unsigned long *inode;
	size_t n, room;
};

static void own_add(struct own_sockets *own, unsigned long inode)
{
	if (own->n == own->room) {
		own->room = own->room ? own->room * 2 : 64;
		own->inode = xrealloc(own->inode, own->room * sizeof(*own->inode));
	}
	own->inode[own->n++] = inode;
}

static int by_inode(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return x < y ? -1 : x > y;
}

static void own_read(struct own_sockets *own)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned long inode;
	struct dirent *e;
	char to[64];

	while (d && (e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, to, sizeof(to) - 1);

		if (n <= 0)
			continue;
		to[n] = 0;
		if (sscanf(to, "socket:[%lu]", &inode) == 1)
			own_add(own, inode);
	}
	if (d)
		closedir(d);
	if (own->n)
		qsort(own->inode, own->n, sizeof(*own->inode), by_inode);
}

static int ask(int fd, uint8_t family)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} q = { { sizeof(q), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0 },
		{ .sdiag_family = family,
		  .sdiag_protocol = IPPROTO_TCP,
		  .idiag_states = 1 << TCP_LISTEN } };

	return send(fd, &q, sizeof(q), 0) < 0 ? -errno : 0;
}

/* The kernel says IPV6_V6ONLY of every IPv6 socket that listens. */
static bool is_v6only(const struct inet_diag_msg *m, size_t n)
{
	const struct rtattr *a = (const struct rtattr *)(m + 1);

	for (n -= sizeof(*m); RTA_OK(a, n); a = RTA_NEXT(a, n))
		if (a->rta_type == INET_DIAG_SKV6ONLY && RTA_PAYLOAD(a) >= 1)
			return *(const uint8_t *)RTA_DATA(a);
	return false;
}

static void fill(struct listening *l, const struct inet_diag_msg *m, const struct own_sockets *own)
{
	memset(l, 0, sizeof(*l));
	l->addr.family = m->idiag_family == AF_INET ? ADDR_IP4 : ADDR_IP6;
	memcpy(l->addr.ip, m->id.idiag_src, m->idiag_family == AF_INET ? 4 : 16);
	l->addr.port = ntohs(m->id.idiag_sport);
	l->inode = m->idiag_inode;
	l->is_ours =
		own->n && bsearch(&l->inode, own->inode, own->n, sizeof(*own->inode), by_inode);
}

/* 1: the dump goes on; 0: it is over; -errno. */
static int take_answers(char *buf, ssize_t n, const struct own_sockets *own,
			int (*fn)(void *arg, const struct listening *l), void *arg)
{
	int left = (int)n;

	for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, left);
	     h = NLMSG_NEXT(h, left)) {
		struct listening l;

		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR)
			return ((struct nlmsgerr *)NLMSG_DATA(h))->error ?: -EIO;
		fill(&l, NLMSG_DATA(h), own);
		l.mapped = l.addr.family == ADDR_IP6 &&
			   !is_v6only(NLMSG_DATA(h), h->nlmsg_len - NLMSG_HDRLEN);
		if (fn(arg, &l))
			return 0;
	}
	return 1;
}

static int each_of(int fd, uint8_t family, const struct own_sockets *own,
		   int (*fn)(void *arg, const struct listening *l), void *arg)
{
	char buf[16384] __attribute__((aligned(8)));
	int rc = ask(fd, family);

	rc = rc ? rc : 1;
	while (rc > 0) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		rc = n < 0 ? -errno : take_answers(buf, n, own, fn, arg);
	}
	return rc;
}

int listening_each(int (*fn)(void *arg, const struct listening *l), void *arg)
{
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), rc;
	struct own_sockets own = { NULL, 0, 0 };

	if (fd < 0)
		return -errno;
	own_read(&own);
	rc = each_of(fd, AF_INET, &own, fn, arg);
	rc = rc ? rc : each_of(fd, AF_INET6, &own, fn, arg);
	if (rc == -ENOENT) /* the kernel is without IPv6 */
		rc = 0;
	free(own.inode);
	close(fd);
	return rc;
}
