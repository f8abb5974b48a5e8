// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The same client reaches the same server: what a real proxy chooses against what the shared hash header
 * and the builders say. Ten server sets (ids, weights, backups, disabled ones), IPv4 and dual-stack
 * listeners, 2,000 sources of 127.0.0.0/8, every form of hash-type; and the hash functions of strings.
 *
 * Usage: balance_choice PROGRAM [source|key]. The program is Debian's haproxy, the oracle, or lbd.
 * Its listeners are sockets that this program opened and hands over (fd@N), so no port is guessed; its
 * servers are listeners of this program that say their name. Output is TAP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "balance/build.h"

#define ARRAY_SIZE(a)   (sizeof(a) / sizeof((a)[0]))
#define SERVERS_MAX     12
#define SOURCES         200 /* per server set */
#define KEYS            100 /* per server set */
#define IN_FLIGHT       64
#define REPLY_TIMEOUT_S 10

enum server_flag { BACKUP = 1, DISABLED = 2 };

struct server_row {
	uint32_t id, weight, flags; /* id 0: automatic; weight -1: not given */
};

struct set_row {
	const char *what;
	bool allbackups;
	size_t n;
	struct server_row server[SERVERS_MAX];
};

static const struct set_row sets[] = {
	{ "three plain", false, 3, { { 0, 1 }, { 0, 1 }, { 0, 1 } } },
	{ "weights", false, 4, { { 0, 3 }, { 0, 1 }, { 0, 10 }, { 0, 7 } } },
	{ "weights with a common divisor", false, 3, { { 0, 100 }, { 0, 50 }, { 0, 250 } } },
	{ "ids among automatic ones", false, 4, { { 7, 1 }, { 0, 1 }, { 3, 2 }, { 0, 1 } } },
	{ "ids that collide", false, 5, { { 0, 2 }, { 1, 1 }, { 0, 3 }, { 2, 1 }, { 0, 1 } } },
	{ "large ids and a large weight",
	  false,
	  3,
	  { { 90000, 256 }, { 1000000, 1 }, { 5, 128 } } },
	{ "backups not used",
	  false,
	  4,
	  { { 0, 2 }, { 0, 1, BACKUP }, { 0, 3 }, { 9, 5, BACKUP } } },
	{ "first backup alone",
	  false,
	  4,
	  { { 0, 2, DISABLED }, { 0, 1, BACKUP | DISABLED }, { 0, 3, BACKUP }, { 9, 5, BACKUP } } },
	{ "allbackups",
	  true,
	  5,
	  { { 0, 2, DISABLED }, { 0, 1, BACKUP }, { 0, 0 }, { 33, 3, BACKUP }, { 0, 5, BACKUP } } },
	{ "twelve, some out",
	  false,
	  12,
	  { { 0, 1 },
	    { 0, 2 },
	    { 0, 0 },
	    { 0, 4 },
	    { 50, 5 },
	    { 0, 6, DISABLED },
	    { 0, 7 },
	    { 0, 8 },
	    { 2, 9 },
	    { 0, 1, BACKUP },
	    { 0, 11 },
	    { 0, 12 } } },
};

enum function { SDBM, DJB2, WT6, CRC32 };

struct form_row {
	const char *hash_type;
	bool consistent, mixed;
	enum function function;
};

static const struct form_row source_forms[] = {
	{ "", false, false },
	{ "hash-type map-based sdbm avalanche", false, true },
	{ "hash-type map-based djb2", false, false },
	{ "hash-type consistent", true, true },
	{ "hash-type consistent sdbm", true, false },
	{ "hash-type consistent crc32 avalanche", true, true },
};

static const struct form_row key_forms[] = {
	{ "", false, false, SDBM },
	{ "hash-type map-based djb2", false, false, DJB2 },
	{ "hash-type map-based wt6 avalanche", false, true, WT6 },
	{ "hash-type map-based crc32", false, false, CRC32 },
	{ "hash-type consistent", true, true, SDBM },
	{ "hash-type consistent djb2 avalanche", true, true, DJB2 },
	{ "hash-type consistent wt6", true, false, WT6 },
	{ "hash-type consistent crc32", true, false, CRC32 },
};

static const char *balancer;
static bool with_sources = true, with_keys = true;
static char config_path[256];
static pid_t balancer_pid;
static int tap_number, tap_failed;
static uint16_t name_port[SERVERS_MAX], http_port[SERVERS_MAX];

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	if (balancer_pid > 0)
		kill(balancer_pid, SIGKILL);
	exit(1);
}

__attribute__((format(printf, 2, 3))) static void tap(bool ok, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", ok ? "" : "not ", ++tap_number);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	tap_failed += !ok;
}

/* ---- sockets -------------------------------------------------------------------------------- */

static int listen_on(int family, int cloexec, uint16_t *port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_any };
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = family == AF_INET ? sizeof(in) : sizeof(in6);
	struct sockaddr *sa = family == AF_INET ? (void *)&in : (void *)&in6;
	int fd = socket(family, SOCK_STREAM | cloexec, 0), off = 0;

	if (fd < 0)
		die("socket");
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, sa, len) || listen(fd, 1024) || getsockname(fd, sa, &len))
		die("listen");
	*port = ntohs(family == AF_INET ? in.sin_port : in6.sin6_port);
	return fd;
}

static int connect_from(uint32_t source, uint16_t port)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(source) };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons(port) };
	struct timeval limit = { .tv_sec = REPLY_TIMEOUT_S };
	struct linger reset = { .l_onoff =
					1 }; /* no tuple rests: ten thousands would cost seconds */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	return fd;
}

/* ---- the servers: a thread, one listener a name ---------------------------------------------- */

#define EV_LISTENER 0x100
#define EV_HTTP     0x200
#define EV_NAME     0xff

static void server_accept(int epfd, int fd, uint32_t what)
{
	char name = 'A' + (what & EV_NAME);
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN };

	if (conn < 0)
		return;
	if (!(what & EV_HTTP) && write(conn, &name, 1) != 1)
		printf("# a server could not write\n");
	ev.data.u64 = (uint64_t)conn << 32 | (what & ~EV_LISTENER);
	epoll_ctl(epfd, EPOLL_CTL_ADD, conn, &ev);
}

/* Requests come one by one and fit a segment: each read is one request. */
static void server_answer(int fd, uint32_t what)
{
	char buf[4096], reply[] = "HTTP/1.1 200 OK\r\nX-Name: ?\r\nContent-Length: 0\r\n\r\n";

	*strchr(reply, '?') = 'A' + (what & EV_NAME);
	if (read(fd, buf, sizeof(buf)) <= 0 || write(fd, reply, strlen(reply)) < 0)
		close(fd);
}

static void *server_thread(void *arg)
{
	int epfd = *(int *)arg;
	struct epoll_event ev[64];

	for (;;) {
		int n = epoll_wait(epfd, ev, ARRAY_SIZE(ev), -1);

		for (int i = 0; i < n; i++) {
			int fd = ev[i].data.u64 >> 32;
			uint32_t what = ev[i].data.u64;

			if (what & EV_LISTENER)
				server_accept(epfd, fd, what);
			else
				server_answer(fd, what);
		}
	}
	return NULL;
}

static void servers_start(void)
{
	static int epfd;
	pthread_t thread;

	epfd = epoll_create1(EPOLL_CLOEXEC);
	for (uint32_t i = 0; i < SERVERS_MAX; i++)
		for (uint32_t http = 0; http < 2; http++) {
			uint16_t *port = http ? &http_port[i] : &name_port[i];
			int fd = listen_on(AF_INET, SOCK_CLOEXEC, port);
			uint32_t what = i | EV_LISTENER | (http ? EV_HTTP : 0);
			struct epoll_event ev = { .events = EPOLLIN,
						  .data.u64 = (uint64_t)fd << 32 | what };

			epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev);
		}
	if (pthread_create(&thread, NULL, server_thread, &epfd))
		die("pthread_create");
}

/* ---- the configuration ----------------------------------------------------------------------- */

/* One listen section for each (form, set), with an IPv4 and a dual-stack listener. */
struct service {
	const struct form_row *form;
	const struct set_row *set;
	int fd4, fd6;
	uint16_t port4, port6;
};

static struct service source_services[ARRAY_SIZE(source_forms) * ARRAY_SIZE(sets)];
static struct service key_services[ARRAY_SIZE(key_forms) * ARRAY_SIZE(sets)];

static void write_servers(FILE *f, const struct set_row *set, const uint16_t *port)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct server_row *s = &set->server[i];

		fprintf(f, "    server s%zu 127.0.0.1:%u weight %u", i, port[i], s->weight);
		if (s->id)
			fprintf(f, " id %u", s->id);
		fprintf(f, "%s%s\n", s->flags & BACKUP ? " backup" : "",
			s->flags & DISABLED ? " disabled" : "");
	}
}

static void write_services(FILE *f, struct service *svc, size_t n, const struct form_row *forms,
			   const char *kind, const uint16_t *port)
{
	for (size_t i = 0; i < n; i++) {
		bool http = port == http_port;

		svc[i].form = &forms[i / ARRAY_SIZE(sets)];
		svc[i].set = &sets[i % ARRAY_SIZE(sets)];
		svc[i].fd4 = listen_on(AF_INET, 0, &svc[i].port4);
		fprintf(f, "listen %s%zu\n    mode %s\n    bind fd@%d\n", kind, i,
			http ? "http" : "tcp", svc[i].fd4);
		if (!http) {
			svc[i].fd6 = listen_on(AF_INET6, 0, &svc[i].port6);
			fprintf(f, "    bind fd@%d\n", svc[i].fd6);
		}
		fprintf(f, "    balance %s\n    %s\n%s", http ? "hdr(X-Key)" : "source",
			svc[i].form->hash_type,
			svc[i].set->allbackups ? "    option allbackups\n" : "");
		write_servers(f, svc[i].set, port);
	}
}

static void write_config(FILE *f)
{
	fprintf(f,
		"global\n    maxconn 2000\n    nbthread 1\n"
		"defaults\n    timeout connect 5s\n    timeout client 5s\n    timeout server 5s\n");
	if (with_sources)
		write_services(f, source_services, ARRAY_SIZE(source_services), source_forms,
			       "source", name_port);
	if (with_keys)
		write_services(f, key_services, ARRAY_SIZE(key_services), key_forms, "key",
			       http_port);
}

static void balancer_start(void)
{
	const char *dir = getenv("TMPDIR");
	int check, fd;
	FILE *f;

	snprintf(config_path, sizeof(config_path), "%s/choice-XXXXXX.cfg", dir ? dir : "/tmp");
	fd = mkstemps(config_path, 4);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		die("configuration file");
	write_config(f);
	fclose(f);
	fflush(stdout);
	for (int run = 0; run < 2; run++) { /* first -c, so that a refusal is seen at once */
		balancer_pid = fork();
		if (!balancer_pid) {
			dup2(2, 1);
			execlp(balancer, balancer, run ? "-db" : "-c", "-q", "-f", config_path,
			       NULL);
			_exit(127);
		}
		if (!run && (waitpid(balancer_pid, &check, 0) < 0 || check)) {
			errno = 0;
			printf("# configuration kept: %s\n", config_path);
			die("the balancer refused its configuration");
		}
	}
}

static void balancer_stop(void)
{
	kill(balancer_pid, SIGKILL);
	waitpid(balancer_pid, NULL, 0);
	unlink(config_path);
}

/* ---- what it should choose ------------------------------------------------------------------- */

struct choice {
	struct lb_table table;
	struct lb_ring ring;
	bool mixed;
};

static void choice_init(struct choice *c, const struct service *svc)
{
	struct lb_target t[SERVERS_MAX] = { 0 };
	uint32_t id[SERVERS_MAX];
	size_t n = svc->set->n;

	*c = (struct choice){ .mixed = svc->form->mixed };
	for (size_t i = 0; i < n; i++)
		id[i] = svc->set->server[i].id;
	if (lb_ids_assign(id, n, NULL))
		die("ids");
	for (size_t i = 0; i < n; i++) {
		const struct server_row *s = &svc->set->server[i];

		t[i] = (struct lb_target){ .index = i, .id = id[i], .backup = s->flags & BACKUP };
		t[i].weight = s->flags & DISABLED ? 0 : s->weight * LB_WEIGHT_SCALE;
	}
	n = lb_targets_usable(t, n, svc->set->allbackups);
	if (svc->form->consistent ? lb_ring_build(&c->ring, t, n)
				  : lb_table_build_map(&c->table, t, n))
		die("build");
}

static void choice_fini(struct choice *c)
{
	lb_table_fini(&c->table);
	lb_ring_fini(&c->ring);
}

static char choice_name(const struct choice *c, uint32_t number)
{
	if (c->mixed)
		number = lbd_mix32(number);
	if (c->ring.size)
		return 'A' + lbd_ring_server(c->ring.point, c->ring.size, number);
	return 'A' + c->table.slot[lbd_table_slot(number, c->table.size)];
}

static uint32_t source_number(uint32_t source, bool listener_v4)
{
	uint32_t words[4] = { 0, 0, htonl(0xffff), htonl(source) };

	return lbd_addr_number(words, listener_v4);
}

static uint32_t key_number(enum function function, const char *key)
{
	const uint8_t *bytes = (const uint8_t *)key;
	uint32_t len = strlen(key);

	switch (function) {
	case SDBM:
		return lbd_sdbm(bytes, len);
	case DJB2:
		return lbd_djb2(bytes, len);
	case WT6:
		return lbd_wt6(bytes, len);
	case CRC32:
		return lbd_crc32(bytes, len);
	}
	return 0;
}

/* ---- comparing ------------------------------------------------------------------------------- */

/* Scattered over 127.0.0.0/8, other ones for each set; never 127.0.0.0 or the broadcast address. */
static uint32_t source_address(size_t set, uint32_t i)
{
	uint32_t n = set * SOURCES + i + 1;

	return 0x7f000000 | (lbd_mix32(n) & 0xfffff8) | (1 + n % 7);
}

static uint32_t compare_sources(const struct service *svc, bool v4)
{
	uint32_t different = 0;
	size_t set = svc->set - sets;
	struct choice c;
	int fd[IN_FLIGHT];

	choice_init(&c, svc);
	for (uint32_t i = 0; i < SOURCES; i += IN_FLIGHT) {
		uint32_t n = SOURCES - i < IN_FLIGHT ? SOURCES - i : IN_FLIGHT;

		for (uint32_t k = 0; k < n; k++)
			fd[k] = connect_from(source_address(set, i + k),
					     v4 ? svc->port4 : svc->port6);
		for (uint32_t k = 0; k < n; k++) {
			uint32_t source = source_address(set, i + k);
			char want = choice_name(&c, source_number(source, v4)), got = '-';

			if (read(fd[k], &got, 1) != 1)
				got = '-';
			close(fd[k]);
			if (got != want && !different++)
				printf("# set '%s': source %08x goes to %c, expected %c\n",
				       svc->set->what, source, got, want);
			if (got == '-') /* each further one would wait for the time limit */
				die("no answer");
		}
	}
	choice_fini(&c);
	return different;
}

static void check_sources(void)
{
	for (size_t f = 0; f < ARRAY_SIZE(source_forms); f++)
		for (int v4 = 1; v4 >= 0; v4--) {
			uint32_t different = 0;

			for (size_t s = 0; s < ARRAY_SIZE(sets); s++)
				different += compare_sources(
					&source_services[f * ARRAY_SIZE(sets) + s], v4);
			tap(!different, "balance source, %s, %s listener: %u of %zu choices differ",
			    *source_forms[f].hash_type ? source_forms[f].hash_type : "no hash-type",
			    v4 ? "IPv4" : "dual-stack", different, SOURCES * ARRAY_SIZE(sets));
		}
}

static void key_make(char *key, size_t size, size_t set, uint32_t i)
{
	uint32_t h = lbd_mix32(set * KEYS + i);

	snprintf(key, size, "%.*s%x/%u", (int)(h % 23), "The-quick_brown.fox=jumps", h, i);
}

static uint32_t compare_keys(const struct service *svc)
{
	uint32_t different = 0;
	struct choice c;
	int fd = connect_from(INADDR_LOOPBACK, svc->port4);

	choice_init(&c, svc);
	for (uint32_t i = 0; i < KEYS; i++) {
		char key[64], buf[1024], want, *name;
		ssize_t n;

		key_make(key, sizeof(key), svc->set - sets, i);
		n = snprintf(buf, sizeof(buf), "GET / HTTP/1.1\r\nHost: a\r\nX-Key: %s\r\n\r\n",
			     key);
		if (write(fd, buf, n) != n)
			die("write");
		n = read(fd, buf, sizeof(buf) - 1);
		buf[n > 0 ? n : 0] = '\0';
		name = strcasestr(buf, "x-name: ");
		want = choice_name(&c, key_number(svc->form->function, key));
		if ((!name || name[8] != want) && !different++)
			printf("# set '%s': key '%s' goes to %c, expected %c\n", svc->set->what,
			       key, name ? name[8] : '-', want);
		if (!name)
			die("no answer");
	}
	close(fd);
	choice_fini(&c);
	return different;
}

static void check_keys(void)
{
	for (size_t f = 0; f < ARRAY_SIZE(key_forms); f++) {
		uint32_t different = 0;

		for (size_t s = 0; s < ARRAY_SIZE(sets); s++)
			different += compare_keys(&key_services[f * ARRAY_SIZE(sets) + s]);
		tap(!different, "balance hdr(), %s: %u of %zu choices differ",
		    *key_forms[f].hash_type ? key_forms[f].hash_type : "no hash-type", different,
		    KEYS * ARRAY_SIZE(sets));
	}
}

int main(int argc, char **argv)
{
	struct rlimit files;

	balancer = argc > 1 ? argv[1] : "haproxy";
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	if (argc > 2) {
		with_sources = !strcmp(argv[2], "source");
		with_keys = !strcmp(argv[2], "key");
	}
	printf("1..%zu\n# against %s\n",
	       with_sources * 2 * ARRAY_SIZE(source_forms) + with_keys * ARRAY_SIZE(key_forms),
	       balancer);
	servers_start();
	balancer_start();
	if (with_sources)
		check_sources();
	if (with_keys)
		check_keys();
	balancer_stop();
	return tap_failed ? 1 : 0;
}
