/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice_load.c - client and server of many connections through a proxy at once, for splice.t and splice_long.t: random sizes, orders
 * of the two ends of stream, bytes that are sent before the proxy has a server, slow readers, aborts. Every byte is compared.
 *
 *	splice_load PROXY_ADDR:PORT SERVER_ADDR:PORT CONNECTIONS AT_ONCE SEED GAP_MS [BUFFER]
 *
 * Prints one line of NAME=NUMBER and ends with 0 when every connection was right and none stood still for more than GAP_MS
 * while its reader was ready and something was under way (measured by a clock that does not run while this program does
 * not). BUFFER: size of the readers' receive buffers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define HEAD       8      /* the connection's number, in front of the client's bytes */
#define PIECE      262144 /* most that is read or written at a time */
#define SLOW_PIECE 20000
#define STEP_US    10000 /* a pause of this program's own counts as no more */
#define GIVE_UP_S  60
#define SLOW_GAPS \
	15 /* a slow reader's window closes, and is asked for every 200 ms or less often: that is TCP's doing */

enum order { CLIENT_FIRST, SERVER_FIRST, BOTH, PING_PONG, ABORT, ORDERS };

struct plan {
	uint64_t up, down;
	enum order order;
	uint32_t message; /* PING_PONG */
	bool slow_server, slow_client;
	uint64_t abort_at;
};

struct conn;
struct end {
	int fd;
	struct conn *c; /* NULL: accepted, and its number is not yet known */
	bool client, shut, eof, done;
	struct end *next_dead;
	uint64_t sent, got, to_send, to_get;
	uint64_t pause_until, waits_since;
	bool waits;
	uint8_t head[HEAD];
};
struct conn {
	uint32_t id;
	struct plan plan;
	struct end client, *server;
	struct conn *next, **link;
	uint64_t begun_us;
	uint32_t random;
};

static int ep, listener;
static struct sockaddr_in proxy_at, server_at;
static uint32_t seed, wanted, begun, finished, wrong, aborted;
static int at_once, buffer;
static uint64_t gap_us, clock_us, real_us, started_us, bytes, longest_gap, longest_slow, gaps,
	most_inside, slow_ones;
static struct conn *all;
static struct conn *dead; /* freed at the end of the round: an event may still name their ends */
static struct end *dead_ends;

static uint32_t mix(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	return x ^ x >> 16;
}

static uint32_t next_random(uint32_t *state, uint32_t below)
{
	*state = mix(*state + 0x9e3779b9u);
	return *state % below;
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void tick(void)
{
	uint64_t now = now_us(), d = now - real_us;

	real_us = now;
	clock_us += d < STEP_US ? d : STEP_US;
}

static void complain(const struct conn *c, const char *what)
{
	if (wrong++ < 10)
		fprintf(stderr,
			"connection %u (order %d, up %llu, down %llu): %s; client sent %llu got "
			"%llu, server sent %llu got %llu\n",
			c->id, c->plan.order, (unsigned long long)c->plan.up,
			(unsigned long long)c->plan.down, what, (unsigned long long)c->client.sent,
			(unsigned long long)c->client.got,
			(unsigned long long)(c->server ? c->server->sent : 0),
			(unsigned long long)(c->server ? c->server->got : 0));
}

/* ---- what each connection does ---- */

static uint64_t any_size(uint32_t *r)
{
	static const struct {
		uint32_t percent, most;
	} sizes[] = { { 40, 1000 }, { 30, 30000 }, { 20, 300000 }, { 9, 1500000 }, { 1, 6000000 } };
	uint32_t p = next_random(r, 100), i = 0;

	while (p >= sizes[i].percent)
		p -= sizes[i++].percent;
	return next_random(r, sizes[i].most);
}

static struct plan plan_of(uint32_t id)
{
	uint32_t r = mix(seed ^ id * 2654435761u), slow;
	struct plan p = { 0 };
	static const uint8_t orders[] = { 25, 25, 30, 15, 5 };
	uint32_t o = next_random(&r, 100), i = 0;

	while (o >= orders[i])
		o -= orders[i++];
	p.order = (enum order)i;
	p.up = HEAD + any_size(&r);
	p.down = any_size(&r);
	if (p.order == PING_PONG) {
		p.message = 9 + next_random(&r, 3000);
		p.up = p.down = (uint64_t)p.message * (1 + next_random(&r, 20));
	}
	slow = next_random(&r, 16);
	if (p.order != PING_PONG && slow < 2) {
		p.slow_server = slow == 0;
		p.slow_client = slow == 1;
		*(slow == 0 ? &p.up : &p.down) = 300000 + next_random(&r, 4000000);
	}
	p.abort_at = next_random(&r, (uint32_t)p.up + 1);
	return p;
}

static void put_number(uint8_t *p, uint32_t id)
{
	uint32_t v[2] = { id, ~id };

	memcpy(p, v, HEAD);
}

/* Byte @at of one direction; a lost, doubled or swapped piece shows. */
static uint8_t byte_at(const struct conn *c, bool up, uint64_t at)
{
	uint64_t x = (at >> 3) * 0x9e3779b97f4a7c15ULL + c->id * 0x632be59bULL + up;

	return (uint8_t)((x >> 32) >> ((at & 7) * 3));
}

static void make_bytes(const struct conn *c, bool up, uint64_t at, uint8_t *out, size_t n)
{
	uint8_t head[HEAD];

	put_number(head, c->id);
	for (size_t i = 0; i < n; i++)
		out[i] = up && at + i < HEAD ? head[at + i] : byte_at(c, up, at + i);
}

static bool bytes_are_right(const struct conn *c, bool up, uint64_t at, const uint8_t *in, size_t n)
{
	static uint8_t want[PIECE];

	make_bytes(c, up, at, want, n);
	return memcmp(want, in, n) == 0;
}

/* ---- sockets ---- */

static struct end *other(struct end *e)
{
	return e->client ? e->c->server : &e->c->client;
}

static void open_end(struct end *e, int fd, bool client)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				  .data.ptr = e };
	int one = 1;

	e->fd = fd;
	e->client = client;
	e->waits_since = clock_us;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static void begin_connection(void)
{
	struct conn *c = calloc(1, sizeof(*c));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	c->id = begun++;
	c->plan = plan_of(c->id);
	c->random = mix(c->id ^ seed);
	c->begun_us = clock_us;
	c->client.c = c;
	c->client.to_send = c->plan.up;
	c->client.to_get = c->plan.down;
	slow_ones += c->plan.slow_client || c->plan.slow_server;
	c->next = all;
	c->link = &all;
	if (all)
		all->link = &c->next;
	all = c;
	if (buffer && c->plan.slow_client)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (connect(fd, (struct sockaddr *)&proxy_at, sizeof(proxy_at)) && errno != EINPROGRESS) {
		perror("connect");
		exit(2);
	}
	open_end(&c->client, fd, true);
}

static void accept_all(void)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		open_end(calloc(1, sizeof(struct end)), fd, false);
}

static void end_connection(struct conn *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->next = dead;
	dead = c;
	finished++;
}

static void close_end(struct end *e, bool reset)
{
	struct linger l = { 1, 0 };
	struct conn *c = e->c;

	if (e->done)
		return;
	if (reset)
		setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(e->fd);
	e->done = true;
	if (!c) {
		e->next_dead = dead_ends;
		dead_ends = e;
		return;
	}
	if (c->plan.order == ABORT ? c->client.done && (!c->server || c->server->done)
				   : c->client.done && c->server && c->server->done)
		end_connection(c);
}

/* ---- moving ---- */

static uint64_t may_send(const struct end *e)
{
	switch (e->c->plan.order) {
	case CLIENT_FIRST:
		return e->client || e->eof ? e->to_send : 0;
	case SERVER_FIRST:
		return !e->client || e->eof ? e->to_send : HEAD;
	case PING_PONG:
		if (!e->client)
			return e->got < e->to_send ? e->got : e->to_send;
		return (e->got / e->c->plan.message + 1) * e->c->plan.message < e->to_send
			       ? (e->got / e->c->plan.message + 1) * e->c->plan.message
			       : e->to_send;
	case ABORT:
		return e->client ? e->c->plan.abort_at : e->to_send;
	default:
		return e->to_send;
	}
}

/* From now on the other end waits for something. */
static void now_waits(struct end *e)
{
	struct end *o = other(e);

	if (o && !o->waits) {
		o->waits = true;
		o->waits_since = clock_us;
	}
}

static void send_some(struct end *e)
{
	static uint8_t buf[PIECE];
	uint64_t limit = may_send(e);

	while (e->sent < limit) {
		size_t n = 1 + next_random(&e->c->random,
					   next_random(&e->c->random, 3) ? 8000 : PIECE - 1);
		ssize_t w;

		n = n < limit - e->sent ? n : limit - e->sent;
		make_bytes(e->c, e->client, e->sent, buf, n);
		w = send(e->fd, buf, n, MSG_NOSIGNAL);
		if (w < 0 && errno == EAGAIN)
			return;
		if (w < 0) {
			if (e->c->plan.order != ABORT)
				complain(e->c,
					 e->client ? "client cannot send" : "server cannot send");
			close_end(e, false);
			return;
		}
		e->sent += (uint64_t)w;
		now_waits(e);
	}
	if (e->c->plan.order == ABORT && e->client) {
		aborted++;
		close_end(e, true);
	} else if (e->sent == e->to_send && !e->shut && limit == e->to_send) {
		e->shut = true;
		shutdown(e->fd, SHUT_WR);
		now_waits(e);
	}
}

static bool is_slow(const struct end *e)
{
	return e->client ? e->c->plan.slow_client : e->c->plan.slow_server;
}

/* What is in the proxy: sent, not known to be still here, not yet there. */
static void note_inside(struct end *to)
{
	struct end *from = other(to);
	int unsent = 0, unread = 0;
	int64_t inside;

	if (!from || from->done || ioctl(from->fd, SIOCOUTQ, &unsent) ||
	    ioctl(to->fd, SIOCINQ, &unread))
		return;
	inside = (int64_t)(from->sent - to->got) - unsent - unread;
	if (inside > (int64_t)most_inside)
		most_inside = (uint64_t)inside;
}

static bool learn_number(struct end *e, const uint8_t *p, size_t n)
{
	uint32_t id, inverse;
	struct conn *c;

	for (size_t i = 0; i < n && e->got + i < HEAD; i++)
		e->head[e->got + i] = p[i];
	if (e->got + n < HEAD)
		return true;
	memcpy(&id, e->head, 4);
	memcpy(&inverse, e->head + 4, 4);
	for (c = all; c && c->id != id; c = c->next)
		;
	if (!c || id != ~inverse || c->server) {
		if (!c && id == ~inverse && plan_of(id).order == ABORT) /* its client is gone */
			return false;
		fprintf(stderr, "a server was given a wrong number\n");
		wrong++;
		return false;
	}
	c->server = e;
	e->c = c;
	e->to_send = c->plan.down;
	e->to_get = c->plan.up;
	if (buffer && c->plan.slow_server)
		setsockopt(e->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	return true;
}

/* false: the end is gone. */
static bool got_bytes(struct end *e, const uint8_t *buf, size_t n)
{
	bytes += n;
	if (!e->c) {
		if (!learn_number(e, buf, n)) {
			close_end(e, true);
			return false;
		}
	} else if (!bytes_are_right(e->c, !e->client, e->got, buf, n)) {
		complain(e->c, "a byte is wrong");
		exit(1);
	}
	e->got += n;
	e->waits_since = clock_us;
	if (e->c && e->got > e->to_get)
		complain(e->c, "too many bytes");
	return true;
}

static bool read_ended(struct end *e, ssize_t n)
{
	if (!e->c) {
		close_end(e, false);
		return false;
	}
	if (e->c->plan.order == ABORT) {
		close_end(e, false);
		return false;
	}
	if (n < 0)
		complain(e->c, e->client ? "client cannot read" : "server cannot read");
	else if (e->got != e->to_get)
		complain(e->c, "the end of the stream came too early");
	e->eof = true;
	e->waits = false;
	if (n < 0) {
		close_end(e, false);
		return false;
	}
	return true;
}

static void read_some(struct end *e)
{
	static uint8_t buf[PIECE];

	while (!e->eof) {
		size_t n = PIECE;
		ssize_t r;

		if (e->c && is_slow(e)) {
			if (clock_us < e->pause_until)
				return;
			n = SLOW_PIECE;
			if (!e->pause_until) { /* at first nothing at all */
				e->pause_until =
					clock_us + 50000 + next_random(&e->c->random, 250000);
				return;
			}
		}
		r = recv(e->fd, buf, n, 0);
		if (r < 0 && errno == EAGAIN)
			break;
		if (r <= 0) {
			if (!read_ended(e, r))
				return;
			break;
		}
		if (!got_bytes(e, buf, (size_t)r))
			return;
		if (e->c && is_slow(e)) {
			note_inside(e);
			e->pause_until = clock_us + 1000 + next_random(&e->c->random, 12000);
		}
	}
	if (e->c && e->waits && other(e) && other(e)->sent == e->got && (!other(e)->shut || e->eof))
		e->waits = false;
}

static void run_end(struct end *e)
{
	read_some(e);
	if (e->done)
		return;
	if (e->c && !e->done)
		send_some(e);
	if (e->c && !e->done && e->eof && e->shut)
		close_end(e, false);
}

/* ---- looking after all ---- */

static void look_at_end(struct end *e)
{
	uint64_t gap, limit, *longest;

	if (e->done)
		return;
	if (is_slow(e) && e->pause_until && clock_us < e->pause_until) {
		e->waits_since = e->pause_until;
		note_inside(e);
		return;
	}
	gap = e->waits && clock_us > e->waits_since ? clock_us - e->waits_since : 0;
	limit = is_slow(e) ? SLOW_GAPS * gap_us : gap_us;
	longest = is_slow(e) ? &longest_slow : &longest_gap;
	if (gap > *longest)
		*longest = gap;
	if (gap > limit) {
		gaps++;
		e->waits_since = clock_us;
		fprintf(stderr,
			"connection %u (order %d): %s stood still for %llu ms, sent %llu of %llu, "
			"got %llu of %llu\n",
			e->c->id, e->c->plan.order, e->client ? "client" : "server",
			(unsigned long long)gap / 1000,
			(unsigned long long)(other(e) ? other(e)->sent : 0),
			(unsigned long long)(other(e) ? other(e)->to_send : 0),
			(unsigned long long)e->got, (unsigned long long)e->to_get);
	}
}

static void look_at_all(void)
{
	struct conn *next;

	for (struct conn *c = all; c; c = next) {
		next = c->next;
		look_at_end(&c->client);
		if (c->server)
			look_at_end(c->server);
		else if (c->begun_us && clock_us - c->begun_us > 5 * gap_us) {
			fprintf(stderr, "connection %u has not reached the server\n", c->id);
			c->begun_us = 0;
			gaps++;
		}
		/* slow readers have no event when their pause is over */
		if (c->plan.slow_server && c->server && !c->server->done &&
		    clock_us >= c->server->pause_until)
			run_end(c->server);
		else if (c->plan.slow_client && !c->client.done &&
			 clock_us >= c->client.pause_until)
			run_end(&c->client);
	}
}

static void parse_at(const char *text, struct sockaddr_in *at)
{
	char host[64];
	unsigned int port;

	if (sscanf(text, "%63[0-9.]:%u", host, &port) != 2 ||
	    inet_pton(AF_INET, host, &at->sin_addr) != 1) {
		fprintf(stderr, "'%s' is no ADDRESS:PORT\n", text);
		exit(2);
	}
	at->sin_family = AF_INET;
	at->sin_port = htons((uint16_t)port);
}

static void start(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
	int one = 1;

	ep = epoll_create1(EPOLL_CLOEXEC);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&server_at, sizeof(server_at)) ||
	    listen(listener, 4096)) {
		perror("listen");
		exit(2);
	}
	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev);
	real_us = started_us = now_us();
}

static void bury(void)
{
	while (dead) {
		struct conn *c = dead;

		dead = c->next;
		free(c->server);
		free(c);
	}
	while (dead_ends) {
		struct end *e = dead_ends;

		dead_ends = e->next_dead;
		free(e);
	}
}

static void round_of_events(void)
{
	struct epoll_event ev[256];
	int n = epoll_wait(ep, ev, 256, 2);

	tick();
	for (int i = 0; i < n; i++) {
		struct end *e = ev[i].data.ptr;

		if (!e)
			accept_all();
		else if (!e->done)
			run_end(e);
	}
	tick();
}

int main(int argc, char **argv)
{
	uint64_t looked = 0;

	if (argc < 7) {
		fprintf(stderr, "usage: splice_load PROXY SERVER CONNECTIONS AT_ONCE SEED GAP_MS "
				"[BUFFER]\n");
		return 2;
	}
	parse_at(argv[1], &proxy_at);
	parse_at(argv[2], &server_at);
	wanted = (uint32_t)atoi(argv[3]);
	at_once = atoi(argv[4]);
	seed = (uint32_t)atoi(argv[5]);
	gap_us = (uint64_t)atoi(argv[6]) * 1000;
	buffer = argc > 7 ? atoi(argv[7]) : 0;
	start();
	while (finished < wanted) {
		while (begun < wanted && begun - finished < (uint32_t)at_once)
			begin_connection();
		round_of_events();
		if (clock_us - looked >= 2000) {
			looked = clock_us;
			look_at_all();
		}
		bury();
		if (clock_us > (uint64_t)GIVE_UP_S * 1000000 + wanted * 20000ULL)
			break;
	}
	printf("connections=%u finished=%u wrong=%u aborted=%u slow=%llu bytes=%llu "
	       "longest_gap_ms=%llu longest_slow_ms=%llu gaps=%llu inside=%llu ms=%llu\n",
	       begun, finished, wrong, aborted, (unsigned long long)slow_ones,
	       (unsigned long long)bytes, (unsigned long long)longest_gap / 1000,
	       (unsigned long long)longest_slow / 1000, (unsigned long long)gaps,
	       (unsigned long long)most_inside, (unsigned long long)(now_us() - started_us) / 1000);
	return wrong || gaps || finished < wanted;
}
