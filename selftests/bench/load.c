// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * load: the clients of the bench, closed loop, in one process.
 *
 *   load MODE ADDR PORT [-c CONNS] [-t SECONDS] [-w WARM_SECONDS] [-s BYTES] [-p PATHS]
 *        [-b FIRST_SOURCE] [-B SOURCES]
 *
 *   keep   HTTP requests on CONNS kept connections     close  one connection per request
 *   rr     TCP round trips of BYTES on CONNS           conn   connect, one round trip, close
 *   bulk   reads and throws away
 *   idle-http, idle-tcp   opens CONNS connections, uses each once, prints "ready", keeps them
 *                         until stdin ends
 *
 * -p N: request paths /p0/x ... /p(N-1)/x in pseudo-random order. -b/-B: connections start from
 * SOURCES addresses beginning with FIRST_SOURCE, so that ports do not run out.
 *
 * After -w seconds it prints "measure", and counts from then on; the driver reads the CPU counters
 * at this line and at the result line:
 *   ops=N seconds=S errors=N bytes=N cpu_us=N p50_us=N p99_us=N        (cpu_us: its own)
 * One thread, epoll.
 */
#include <arpa/inet.h>
#include <errno.h>
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
#include <time.h>
#include <unistd.h>

enum load_mode {
	MODE_KEEP,
	MODE_CLOSE,
	MODE_RR,
	MODE_CONN,
	MODE_BULK,
	MODE_IDLE_HTTP,
	MODE_IDLE_TCP
};

static const struct {
	const char *name;
	bool http;     /* requests and responses, else BYTES echoed */
	bool one_shot; /* a new connection for each operation */
	bool hold;     /* after the first operation only wait */
} modes[] = {
	[MODE_KEEP] = { "keep", true, false, false },
	[MODE_CLOSE] = { "close", true, true, false },
	[MODE_RR] = { "rr", false, false, false },
	[MODE_CONN] = { "conn", false, true, false },
	[MODE_BULK] = { "bulk", false, false, false },
	[MODE_IDLE_HTTP] = { "idle-http", true, false, true },
	[MODE_IDLE_TCP] = { "idle-tcp", false, false, true },
};

struct conn {
	int fd;
	bool connecting;
	uint64_t started_ns; /* of the present operation */
	size_t got;          /* bytes of the present response */
	size_t want;         /* its length once known, else 0 */
	char head[512];
};

static struct {
	enum load_mode mode;
	struct sockaddr_in to;
	struct in_addr first_source;
	unsigned sources, conns, paths;
	size_t size;
	double seconds, warm;
} cfg = { .conns = 64, .seconds = 2, .warm = 0.3, .size = 64, .sources = 0 };

static struct {
	uint64_t ops, errors, bytes;
	uint32_t latency[64 * 16]; /* 16 steps in each power of two of nanoseconds */
} count;

static int epfd;
static unsigned next_source, next_path, held;
static char message[65536], sink[512 * 1024];

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static double cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

static void latency_add(uint64_t ns)
{
	unsigned power = 63 - __builtin_clzll(ns | 16);

	count.latency[power * 16 + ((ns >> (power - 4)) & 15)]++;
}

static double latency_us(double part)
{
	uint64_t total = 0, seen = 0;

	for (unsigned i = 0; i < 64 * 16; i++)
		total += count.latency[i];
	for (unsigned i = 0; i < 64 * 16; i++) {
		seen += count.latency[i];
		if (total && seen >= part * total)
			return (double)((16ull + i % 16) << (i / 16 - 4)) / 1000;
	}
	return 0;
}

static void conn_open(struct conn *c)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (cfg.sources) {
		struct sockaddr_in from = { .sin_family = AF_INET };

		from.sin_addr.s_addr =
			htonl(ntohl(cfg.first_source.s_addr) + next_source++ % cfg.sources);
		setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
		if (bind(c->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
			die("bind");
	}
	c->connecting = true;
	c->got = c->want = 0;
	c->started_ns = now_ns();
	if (connect(c->fd, (struct sockaddr *)&cfg.to, sizeof(cfg.to)) < 0 && errno != EINPROGRESS)
		die("connect");
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		die("epoll_ctl");
}

static void conn_reopen(struct conn *c)
{
	close(c->fd);
	conn_open(c);
}

static void conn_failed(struct conn *c)
{
	count.errors++;
	if (count.errors > 100000)
		die("more than 100000 errors");
	conn_reopen(c);
}

/* Starts an operation. Messages are small: the socket takes them whole. */
static bool op_send(struct conn *c)
{
	size_t len = cfg.size;

	if (modes[cfg.mode].http) {
		unsigned path = 0;

		if (cfg.paths) {
			next_path = next_path * 1664525u + 1013904223u;
			path = (next_path >> 8) % cfg.paths;
		}
		len = snprintf(message, sizeof(message),
			       "GET /p%u/x HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: load\r\n"
			       "Accept: */*\r\n%s\r\n",
			       path, modes[cfg.mode].one_shot ? "Connection: close\r\n" : "");
	} else if (cfg.mode == MODE_BULK) {
		len = 1;
	}
	c->got = c->want = 0;
	return send(c->fd, message, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* The length of the response from its head, 0 while incomplete; -1 when it is not a 200. */
static ssize_t response_length(const char *head, size_t len)
{
	const char *end = memmem(head, len, "\r\n\r\n", 4), *cl;

	if (!end)
		return 0;
	if (len < 12 || memcmp(head + 9, "200", 3))
		return -1;
	for (cl = head; cl < end; cl++)
		if (*cl == '\n' && !strncasecmp(cl + 1, "content-length:", 15))
			return end + 4 - head + strtol(cl + 16, NULL, 10);
	return -1;
}

/* Counts n received bytes; 1 = the operation is complete, 0 = not yet, -1 = wrong. */
static int op_received(struct conn *c, const char *data, size_t n)
{
	if (!modes[cfg.mode].http) {
		c->got += n;
		return c->got > cfg.size ? -1 : c->got == cfg.size;
	}
	if (!c->want) {
		size_t keep = sizeof(c->head) - c->got < n ? sizeof(c->head) - c->got : n;
		ssize_t len;

		memcpy(c->head + c->got, data, keep);
		len = response_length(c->head, c->got + keep);
		if (len < 0 || (!len && c->got + keep == sizeof(c->head)))
			return -1;
		c->want = len;
	}
	c->got += n;
	return c->want && c->got > c->want ? -1 : c->want && c->got == c->want;
}

/* An operation is complete. Returns false when the connection was replaced. */
static bool op_done(struct conn *c)
{
	uint64_t t = now_ns();

	count.ops++;
	latency_add(t - c->started_ns);
	if (modes[cfg.mode].hold) {
		held++;
		return true;
	}
	if (modes[cfg.mode].one_shot) {
		conn_reopen(c);
		return false;
	}
	c->started_ns = t;
	if (op_send(c))
		return true;
	conn_failed(c);
	return false;
}

static void conn_event(struct conn *c, uint32_t events)
{
	if (c->connecting) {
		if (events & (EPOLLERR | EPOLLHUP)) {
			conn_failed(c);
			return;
		}
		if (!(events & EPOLLOUT))
			return;
		c->connecting = false;
		if (!op_send(c)) {
			conn_failed(c);
			return;
		}
	}
	for (;;) {
		bool discard = cfg.mode == MODE_BULK;
		ssize_t n = recv(c->fd, sink, sizeof(sink), discard ? MSG_TRUNC : 0);
		int state;

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			conn_failed(c);
			return;
		}
		count.bytes += n;
		if (discard)
			return; /* level by EPOLLET would starve others: see the re-arm in main */
		state = op_received(c, sink, n);
		if (state < 0) {
			conn_failed(c);
			return;
		}
		if (state && !op_done(c))
			return;
		if ((size_t)n < sizeof(sink))
			return;
	}
}

static void rounds(struct conn *all, double seconds)
{
	uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
	struct epoll_event ev[256];

	while (now_ns() < end && !(modes[cfg.mode].hold && held == cfg.conns)) {
		int n = epoll_wait(epfd, ev, 256, 50);

		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;

			conn_event(c, ev[i].events);
			if (cfg.mode == MODE_BULK && !c->connecting) {
				ev[i].events = EPOLLIN;
				epoll_ctl(epfd, EPOLL_CTL_MOD, c->fd, &ev[i]);
			}
		}
	}
}

static void options(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "c:t:w:s:p:b:B:")) != -1) {
		switch (opt) {
		case 'c':
			cfg.conns = strtoul(optarg, NULL, 10);
			break;
		case 't':
			cfg.seconds = strtod(optarg, NULL);
			break;
		case 'w':
			cfg.warm = strtod(optarg, NULL);
			break;
		case 's':
			cfg.size = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			cfg.paths = strtoul(optarg, NULL, 10);
			break;
		case 'b':
			if (inet_pton(AF_INET, optarg, &cfg.first_source) != 1)
				die("-b wants an IPv4 address");
			cfg.sources = cfg.sources ? cfg.sources : 1;
			break;
		case 'B':
			cfg.sources = strtoul(optarg, NULL, 10);
			break;
		default:
			exit(2);
		}
	}
	if (argc - optind != 3 || cfg.size > sizeof(message)) {
		fprintf(stderr, "usage: load [options] MODE ADDR PORT\n");
		exit(2);
	}
	for (cfg.mode = MODE_KEEP; strcmp(modes[cfg.mode].name, argv[optind]); cfg.mode++)
		if (cfg.mode == MODE_IDLE_TCP)
			die("unknown mode");
	cfg.to.sin_family = AF_INET;
	cfg.to.sin_port = htons(strtoul(argv[optind + 2], NULL, 10));
	if (inet_pton(AF_INET, argv[optind + 1], &cfg.to.sin_addr) != 1)
		die("address");
}

int main(int argc, char **argv)
{
	struct rlimit nofile = { 1000000, 1000000 };
	struct conn *all;
	double cpu_start;
	uint64_t start;

	options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_NOFILE, &nofile);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	all = calloc(cfg.conns, sizeof(*all));
	if (epfd < 0 || !all)
		die("start");
	memset(message, 'm', sizeof(message));
	if (modes[cfg.mode].hold) {
		unsigned step = 200; /* small groups: listen queues are finite */

		for (unsigned i = 0, total = cfg.conns; i < total; i += step) {
			unsigned to = i + step < total ? i + step : total;

			for (unsigned k = i; k < to; k++)
				conn_open(&all[k]);
			cfg.conns = to;
			rounds(all, 20);
			cfg.conns = total;
		}
		printf("ready held=%u errors=%lu\n", held, (unsigned long)count.errors);
		fflush(stdout);
		return read(0, sink, 1) < 0;
	}
	for (unsigned i = 0; i < cfg.conns; i++)
		conn_open(&all[i]);
	rounds(all, cfg.warm);
	memset(&count, 0, sizeof(count));
	puts("measure");
	fflush(stdout);
	start = now_ns();
	cpu_start = cpu_us();
	rounds(all, cfg.seconds);
	printf("ops=%lu seconds=%.6f errors=%lu bytes=%lu cpu_us=%.0f p50_us=%.1f p99_us=%.1f\n",
	       (unsigned long)count.ops, (now_ns() - start) / 1e9, (unsigned long)count.errors,
	       (unsigned long)count.bytes, cpu_us() - cpu_start, latency_us(0.5), latency_us(0.99));
	return 0;
}
