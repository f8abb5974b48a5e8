// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conn_out.c - the socket of an outgoing connection until connect(): namespace, options, marks, the address it comes from.
 * Not for: events (conn.c), which address that is (stream/source.c). Runs in the worker that will own it.
 */
#include "transport/conn.h"
#include "transport/conn_out.h"
#include "model/config.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef IPV6_TRANSPARENT
#define IPV6_TRANSPARENT 75
#endif

/* A socket belongs to the namespace in which its thread was when it was made. */
static __thread int own_netns = -1;

int conn_socket_in(int netns_fd, int family, int type)
{
	int fd, err;

	if (netns_fd <= 0)
		return socket(family, type, 0);
	if (own_netns < 0)
		own_netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own_netns < 0 || setns(netns_fd, CLONE_NEWNET) < 0)
		return -1;
	fd = socket(family, type, 0);
	err = errno;
	if (setns(own_netns, CLONE_NEWNET) < 0)
		abort(); /* nothing of this thread would be right any more */
	errno = err;
	return fd;
}

static int set_int(int fd, int level, int name, int v)
{
	return setsockopt(fd, level, name, &v, sizeof(v)) < 0 ? -errno : 0;
}

/* tune.rcvbuf.server, tune.sndbuf.server, tune.notsent-lowat.server: before connect(), so that the window scale follows. */
static void size_buffers(int fd)
{
	int rcv = config ? (int)config->global.rcvbuf_server : 0;
	int snd = config ? (int)config->global.sndbuf_server : 0;
	int lowat = config ? (int)config->global.notsent_lowat_server : 0;

	if (rcv)
		set_int(fd, SOL_SOCKET, SO_RCVBUF, rcv);
	if (snd)
		set_int(fd, SOL_SOCKET, SO_SNDBUF, snd);
	if (lowat)
		set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, lowat);
}

static void set_options(int fd, const struct conn_options *o)
{
	if (o->user_timeout_ms)
		set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)o->user_timeout_ms);
	if (o->congestion)
		setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, o->congestion,
			   (socklen_t)strlen(o->congestion));
	if (o->mss)
		set_int(fd, IPPROTO_TCP, TCP_MAXSEG, o->mss);
}

/*
 * The first bytes are ready: they can go with the SYN (tcp(7), TCP_FASTOPEN_CONNECT), or at least the ACK of the server's can wait
 * for them.
 */
static void set_ready(int fd, const struct conn_origin *from, const struct conn_options *o)
{
	if (o->fast_open)
		set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	if (from->smart_connect)
		set_int(fd, IPPROTO_TCP, TCP_QUICKACK, 0);
}

static void set_marks(int fd, int family, const struct conn_origin *from)
{
	if (from->has_mark)
		setsockopt(fd, SOL_SOCKET, SO_MARK, &from->mark, sizeof(from->mark));
	if (!from->has_tos)
		return;
	if (family == AF_INET6)
		set_int(fd, SOL_IPV6, IPV6_TCLASS, from->tos);
	set_int(fd, SOL_IP, IP_TOS, from->tos);
}

/* An explicit source address: the port is chosen at connect(), so that one address serves more than 64k connections. */
static int bind_source(int fd, const struct conn_origin *from)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&from->addr, &ss);
	int err;

	if (from->foreign) {
		err = ss.ss_family == AF_INET6 ? set_int(fd, SOL_IPV6, IPV6_TRANSPARENT, 1)
					       : set_int(fd, SOL_IP, IP_TRANSPARENT, 1);
		if (err)
			return err;
	}
	if (from->addr.port == 0)
		set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	else
		set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	return bind(fd, (const struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

static int prepare(int fd, int family, const struct conn_origin *from, const struct conn_options *o)
{
	const char *iface = from ? from->iface : NULL;

	size_buffers(fd);
	if (iface && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, iface, (socklen_t)strlen(iface)))
		return -errno;
	if (o)
		set_options(fd, o);
	if (from && from->data_ready)
		set_ready(fd, from, o ? o : &(const struct conn_options){ 0 });
	if (!from)
		return 0;
	set_marks(fd, family, from);
	return from->addr.family == ADDR_NONE ? 0 : bind_source(fd, from);
}

int conn_out_socket(int family, const struct conn_origin *from, const struct conn_options *o)
{
	int fd = conn_socket_in(o ? o->netns_fd : 0, family,
				SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	if (family == AF_UNIX) {
		size_buffers(fd);
		return fd;
	}
	err = prepare(fd, family, from, o);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}
