// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * origin: the servers of the bench, as cheap as they can be, in one process.
 *
 *   origin [-a ADDR] [-q] TYPE:PORT[:SIZE] ...
 *
 *   http:PORT:SIZE   answers each request head with 200 and SIZE bytes; ends the connection after
 *                    the response for HTTP/1.0 or "Connection: close"
 *   echo:PORT        sends back what it gets
 *   bulk:PORT        sends zeros until the other side ends
 *
 * Prints "ready" when all listen; runs until its stdin ends. Not for: tests of behaviour (request
 * bodies are not understood). One thread, epoll.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUF_SIZE   65536
#define BULK_CHUNK (256 * 1024)

enum origin_type { ORIGIN_HTTP, ORIGIN_ECHO, ORIGIN_BULK, ORIGIN_STDIN };

struct endpoint {
	enum origin_type type;
	bool listening;
	int fd;
	char *reply; /* http: the whole response */
	size_t reply_len;
	/* connections: the tail of an incomplete request head, and what the socket did not take */
	char tail[2048];
	size_t tail_len;
	char *pending;
	size_t pending_len;
	bool end_after;
};

static int epfd;
static char buf[BUF_SIZE + 4096];
static char zeros[BULK_CHUNK];

static void die(const char *what)
{
	fprintf(stderr, "origin: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(struct endpoint *e, uint32_t events, int op)
{
	struct epoll_event ev = { .events = events, .data.ptr = e };

	if (epoll_ctl(epfd, op, e->fd, &ev) < 0)
		die("epoll_ctl");
}

static void conn_close(struct endpoint *e)
{
	close(e->fd);
	free(e->pending);
	free(e);
}

/* Sends now, keeps the rest. Returns false when the connection is gone. */
static bool conn_send(struct endpoint *e, const char *data, size_t len)
{
	ssize_t n = e->pending_len ? 0 : send(e->fd, data, len, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		return false;
	if (n < 0)
		n = 0;
	if ((size_t)n == len)
		return true;
	e->pending = realloc(e->pending, e->pending_len + len - n);
	if (!e->pending)
		die("realloc");
	memcpy(e->pending + e->pending_len, data + n, len - n);
	if (!e->pending_len)
		watch(e, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
	e->pending_len += len - n;
	return true;
}

/* Whether the head asks for the end of the connection after the response. */
static bool head_wants_close(const char *head, size_t len)
{
	static const char close_words[] = "\nconnection: close";
	const char *p = head;

	if (memmem(head, len, "HTTP/1.0\r", 9))
		return true;
	while ((p = memchr(p, '\n', head + len - p)) != NULL) {
		if ((size_t)(head + len - p) >= sizeof(close_words) - 1 &&
		    !strncasecmp(p, close_words, sizeof(close_words) - 1))
			return true;
		p++;
	}
	return false;
}

static bool http_input(struct endpoint *e, size_t n)
{
	char *p = buf, *end = buf + n, *head_end;

	while ((head_end = memmem(p, end - p, "\r\n\r\n", 4)) != NULL) {
		e->end_after = head_wants_close(p, head_end + 2 - p);
		if (!conn_send(e, e->reply, e->reply_len))
			return false;
		if (e->end_after)
			return e->pending_len > 0;
		p = head_end + 4;
	}
	if ((size_t)(end - p) > sizeof(e->tail))
		return false;
	e->tail_len = end - p;
	memcpy(e->tail, p, e->tail_len);
	return true;
}

static bool conn_input(struct endpoint *e)
{
	ssize_t n;

	memcpy(buf, e->tail, e->tail_len);
	n = recv(e->fd, buf + e->tail_len, BUF_SIZE, 0);
	if (n < 0)
		return errno == EAGAIN;
	if (n == 0)
		return false;
	n += e->tail_len;
	e->tail_len = 0;
	switch (e->type) {
	case ORIGIN_HTTP:
		return http_input(e, n);
	case ORIGIN_ECHO:
		return conn_send(e, buf, n);
	default:
		return true; /* bulk: what the client says does not matter */
	}
}

static bool conn_output(struct endpoint *e)
{
	ssize_t n;

	if (e->type == ORIGIN_BULK) {
		n = send(e->fd, zeros, sizeof(zeros), MSG_NOSIGNAL);
		return n >= 0 || errno == EAGAIN;
	}
	if (!e->pending_len)
		return true;
	n = send(e->fd, e->pending, e->pending_len, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN;
	e->pending_len -= n;
	memmove(e->pending, e->pending + n, e->pending_len);
	if (!e->pending_len) {
		if (e->end_after)
			return false;
		watch(e, EPOLLIN, EPOLL_CTL_MOD);
	}
	return true;
}

static void listener_accept(struct endpoint *l)
{
	int one = 1, fd;

	while ((fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct endpoint *e = calloc(1, sizeof(*e));

		if (!e)
			die("calloc");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		e->type = l->type;
		e->fd = fd;
		e->reply = l->reply;
		e->reply_len = l->reply_len;
		watch(e, l->type == ORIGIN_BULK ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_ADD);
	}
}

static void listener_open(const char *addr, char *spec)
{
	static const char *const names[] = { "http", "echo", "bulk" };
	struct endpoint *l = calloc(1, sizeof(*l));
	struct sockaddr_in sa = { .sin_family = AF_INET };
	char *type = strtok(spec, ":"), *port = strtok(NULL, ":"), *size = strtok(NULL, ":");
	int one = 1;

	if (!l || !type || !port)
		die("TYPE:PORT[:SIZE]");
	for (l->type = ORIGIN_HTTP; l->type < 3 && strcmp(names[l->type], type); l->type++)
		;
	if (l->type == 3)
		die("type must be http, echo or bulk");
	if (l->type == ORIGIN_HTTP) {
		size_t body = size ? strtoul(size, NULL, 10) : 100;

		l->reply = malloc(body + 200);
		if (!l->reply)
			die("malloc");
		l->reply_len = snprintf(l->reply, 200,
					"HTTP/1.1 200 OK\r\nServer: origin\r\n"
					"Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
					body);
		memset(l->reply + l->reply_len, 'x', body);
		l->reply_len += body;
	}
	sa.sin_port = htons(strtoul(port, NULL, 10));
	if (inet_pton(AF_INET, addr, &sa.sin_addr) != 1)
		die("address");
	l->listening = true;
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(l->fd, 65535) < 0)
		die("listen");
	watch(l, EPOLLIN, EPOLL_CTL_ADD);
}

int main(int argc, char **argv)
{
	struct endpoint in = { .type = ORIGIN_STDIN, .fd = 0 };
	struct rlimit nofile = { 1000000, 1000000 };
	const char *addr = "0.0.0.0";
	struct epoll_event ev[256];
	int opt;

	while ((opt = getopt(argc, argv, "a:")) != -1) {
		if (opt != 'a')
			return 2;
		addr = optarg;
	}
	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_NOFILE, &nofile);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	watch(&in, EPOLLIN, EPOLL_CTL_ADD);
	for (; optind < argc; optind++)
		listener_open(addr, argv[optind]);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epfd, ev, 256, -1);

		for (int i = 0; i < n; i++) {
			struct endpoint *e = ev[i].data.ptr;
			bool ok = true;

			if (e->type == ORIGIN_STDIN) {
				if (read(0, buf, sizeof(buf)) <= 0)
					return 0;
				continue;
			}
			if (e->listening) {
				listener_accept(e);
				continue;
			}
			if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				ok = conn_input(e);
			if (ok && (ev[i].events & EPOLLOUT))
				ok = conn_output(e);
			if (!ok)
				conn_close(e);
		}
	}
}
