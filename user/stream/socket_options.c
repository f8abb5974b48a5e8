// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * socket_options.c - words about sockets that are not addresses: see socket_options.h. Parsing: control thread.
 */
#include "stream/socket_options.h"
#include "base/arena.h"
#include "base/units.h"
#include "check/check.h"
#include "loop/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- what is said ---- */

struct bind_words {
	int netns_fd;
	const char *congestion;
	uint64_t threads; /* 0: all */
};

struct ka_times { /* 0: the system's */
	uint32_t count, idle_s, interval_s;
};

struct proxy_words {
	struct ka_times client, server;
	bool smart_accept, no_smart_accept, smart_connect;
};

static struct ext bind_words_ext = { .name = "socket options", .bytes = sizeof(struct bind_words) };
static struct ext proxy_words_ext = { .name = "socket options",
				      .bytes = sizeof(struct proxy_words) };
static struct ext server_words_ext = { .name = "socket options",
				       .bytes = sizeof(struct conn_options) };

static struct bind_words *words_of_bind(const struct bind_conf *b)
{
	return bind_ext(b, &bind_words_ext);
}

static struct proxy_words *words_of_proxy(const struct proxy *px)
{
	return proxy_ext(px, &proxy_words_ext);
}

int bind_netns(const struct bind_conf *b)
{
	return words_of_bind(b)->netns_fd;
}

const char *bind_congestion(const struct bind_conf *b)
{
	return words_of_bind(b)->congestion;
}

uint64_t bind_threads(const struct bind_conf *b)
{
	return words_of_bind(b)->threads ? words_of_bind(b)->threads : UINT64_MAX;
}

bool bind_smart_accept(const struct bind_conf *b)
{
	const struct proxy_words *w = words_of_proxy(b->px);

	return w->smart_accept || (b->px->mode == MODE_HTTP && !w->no_smart_accept);
}

bool proxy_smart_connect(const struct proxy *px)
{
	return words_of_proxy(px)->smart_connect;
}

void socket_keepalive(struct conn *c, const struct proxy *px, bool client)
{
	const struct ka_times *k =
		client ? &words_of_proxy(px)->client : &words_of_proxy(px)->server;
	int fd = c->io.fd;

	if (c->flags & CONN_LOCAL_UNIX)
		return;
	conn_set_keepalive(c);
	if (k->count)
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &k->count, sizeof(k->count));
	if (k->idle_s)
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &k->idle_s, sizeof(k->idle_s));
	if (k->interval_s)
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &k->interval_s, sizeof(k->interval_s));
}

/* ---- arguments ---- */

/* The argument of the option at *@i, which moves behind it; NULL with the error said. */
static const char *take_arg(struct cfg_line *l, int *i, const char *what)
{
	int at = *i;

	if (at + 1 >= l->nwords) {
		*i = l->nwords;
		cfg_error(l, at, "'%s' needs %s", l->words[at].z, what);
		return NULL;
	}
	*i = at + 2;
	return l->words[at + 1].z;
}

/* The name of a network namespace as `ip netns` keeps it; its descriptor, or -1 with the error said. */
static int take_netns(struct cfg_line *l, int *i)
{
	int at = *i + 1, fd;
	const char *name = take_arg(l, i, "the name of a network namespace");

	if (!name)
		return -1;
	if (strchr(name, '/'))
		return cfg_error(l, at, "'%s' is no name of a network namespace", name);
	if (!strcmp(name, "*"))
		return cfg_error(
			l, at,
			"'namespace *' (the one that a PROXY header names) is HAProxy's, lbd "
			"does not have it yet");
	fd = open(arena_printf(l->arena, "/run/netns/%s", name), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cfg_error(l, at, "cannot open the network namespace '%s': %s", name,
				 strerror(errno));
	return fd;
}

static const char *take_congestion(struct cfg_line *l, int *i)
{
	int at = *i + 1, fd;
	const char *name = take_arg(l, i, "the name of a congestion control algorithm");

	if (!name)
		return NULL;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) < 0) {
		cfg_error(
			l, at,
			"'cc %s': %s\nsysctl net.ipv4.tcp_available_congestion_control shows what "
			"there is",
			name, strerror(errno));
		name = NULL;
	}
	close(fd);
	return name;
}

/* ---- bind ---- */

static int opt_namespace(struct cfg_line *l, int *i, struct bind_conf *b)
{
	int fd = take_netns(l, i);

	if (fd < 0)
		return -1;
	words_of_bind(b)->netns_fd = fd;
	return 0;
}

static int opt_cc(struct cfg_line *l, int *i, struct bind_conf *b)
{
	words_of_bind(b)->congestion = take_congestion(l, i);
	return words_of_bind(b)->congestion ? 0 : -1;
}

static int opt_nice(struct cfg_line *l, int *i, struct bind_conf *b)
{
	int at = *i + 1;
	const char *z = take_arg(l, i, "a number from -1024 to 1024");
	int64_t v;

	if (!z)
		return -1;
	if (parse_i64(slice_z(z), -1024, 1024, &v))
		return cfg_error(l, at, "'nice' takes a number from -1024 to 1024, not '%s'", z);
	return 0;
}

/* "all", "odd", "even", "3", "2-5", "2-"; bits from 0. */
static bool thread_set(struct slice s, uint64_t *out)
{
	const char *dash = memchr(s.p, '-', s.n);
	int64_t lo, hi;

	if (slice_eq_z(s, "all"))
		*out = UINT64_MAX;
	else if (slice_eq_z(s, "odd"))
		*out = 0x5555555555555555u;
	else if (slice_eq_z(s, "even"))
		*out = 0xaaaaaaaaaaaaaaaau;
	else {
		size_t n = dash ? (size_t)(dash - s.p) : s.n;

		if (parse_i64(slice_make(s.p, n), 1, MAX_WORKERS, &lo))
			return false;
		hi = dash ? MAX_WORKERS : lo;
		if (dash && n + 1 < s.n &&
		    parse_i64(slice_make(dash + 1, s.n - n - 1), 1, MAX_WORKERS, &hi))
			return false;
		if (hi < lo)
			return false;
		*out = (UINT64_MAX >> (64 - (hi - lo + 1))) << (lo - 1);
	}
	return true;
}

static int take_threads(struct cfg_line *l, int word, const char *z, struct bind_conf *b)
{
	uint64_t set;

	if (!thread_set(slice_z(z), &set))
		return cfg_error(
			l, word,
			"'%s' is no set of threads: all, odd, even, N or N-[N], each from 1 "
			"to %d",
			z, MAX_WORKERS);
	words_of_bind(b)->threads |= set;
	return 0;
}

/* "[1/]<set>": there is one group. */
static int opt_thread(struct cfg_line *l, int *i, struct bind_conf *b)
{
	int at = *i + 1;
	const char *z = take_arg(l, i, "a set of threads");
	const char *slash = z ? strchr(z, '/') : NULL;

	if (!z)
		return -1;
	if (slash && strncmp(z, "1/", 2))
		return cfg_error(l, at, "there is one group of threads: '1/', not '%.*s'",
				 (int)(slash - z + 1), z);
	return take_threads(l, at, slash ? slash + 1 : z, b);
}

/* The old form "1/<set>"; without a set of threads it says nothing. */
static int opt_process(struct cfg_line *l, int *i, struct bind_conf *b)
{
	int at = *i + 1;
	const char *z = take_arg(l, i, "a set of processes");
	const char *slash = z ? strchr(z, '/') : NULL;
	size_t n = z ? strcspn(z, "/") : 0;

	if (!z)
		return -1;
	if (strncmp(z, "all", n) && strncmp(z, "odd", n) && strncmp(z, "1", n))
		return cfg_error(l, at, "there is one process: all, odd or 1, not '%.*s'", (int)n,
				 z);
	cfg_warn(l, at - 1, "'process' is an old form: write 'thread %s'",
		 slash ? slash + 1 : "all");
	return slash ? take_threads(l, at, slash + 1, b) : 0;
}

/* Replies have no severity in front of them: only "none" is true. */
static int opt_severity(struct cfg_line *l, int *i, struct bind_conf *b)
{
	int at = *i + 1;
	const char *z = take_arg(l, i, "none, number or string");

	if (!z)
		return -1;
	if (strcmp(z, "none") && strcmp(z, "number") && strcmp(z, "string"))
		return cfg_error(l, at, "'severity-output' takes none, number or string, not '%s'",
				 z);
	if (strcmp(z, "none") && !b->px)
		return cfg_error(l, at,
				 "'severity-output %s' is HAProxy's, lbd does not have it yet", z);
	return 0;
}

static const struct bind_option bind_options[] = {
	{ "namespace", opt_namespace, KERNEL_NEVER,
	  "the packet program is attached in one namespace", "namespace <name>",
	  "Listens in this network namespace (/run/netns/<name>)." },
	{ "cc", opt_cc, KERNEL_NEVER, "only a socket has a congestion control", "cc <algorithm>",
	  "Congestion control of the connections." },
	{ "nice", opt_nice, KERNEL_EXACT, NULL, "nice <-1024..1024>",
	  "No effect: lbd's workers serve events in the order of their coming.", CFG_EFFECT_NONE },
	{ "thread", opt_thread, KERNEL_EXACT, NULL, "thread [1/]all|odd|even|<number>[-[<number>]]",
	  "Only these threads, from 1, serve the connections; may be repeated." },
	{ "process", opt_process, KERNEL_EXACT, NULL, "process 1[/<threads>]",
	  "Old form of 'thread'." },
	{ "severity-output", opt_severity, KERNEL_EXACT, NULL, "severity-output none|number|string",
	  "No effect: stats sockets have the default 'none' only, others ignore it.",
	  CFG_EFFECT_NONE },
};

/* ---- servers ---- */

static struct conn_options *words_of_server(struct server *s)
{
	return server_ext(s, &server_words_ext);
}

static int opt_server_namespace(struct cfg_line *l, int *i, struct server *s)
{
	int fd = take_netns(l, i);

	if (fd < 0)
		return -1;
	words_of_server(s)->netns_fd = fd;
	return 0;
}

static int opt_server_cc(struct cfg_line *l, int *i, struct server *s)
{
	words_of_server(s)->congestion = take_congestion(l, i);
	return words_of_server(s)->congestion ? 0 : -1;
}

static int opt_server_tcp_ut(struct cfg_line *l, int *i, struct server *s)
{
	int at = *i + 1;
	const char *z = take_arg(l, i, "a time");

	if (!z)
		return -1;
	if (parse_time_ms(slice_z(z), &words_of_server(s)->user_timeout_ms))
		return cfg_error(
			l, at,
			"'tcp-ut' takes a time, not '%s': a number and us, ms (default), s, "
			"m, h or d",
			z);
	return 0;
}

static int opt_tfo(struct cfg_line *l, int *i, struct server *s)
{
	words_of_server(s)->fast_open = true;
	++*i;
	return 0;
}

static int opt_no_tfo(struct cfg_line *l, int *i, struct server *s)
{
	words_of_server(s)->fast_open = false;
	++*i;
	return 0;
}

static const struct server_option server_options[] = {
	{ "namespace", opt_server_namespace, KERNEL_NEVER,
	  "the packet program is attached in one namespace", "namespace <name>",
	  "Connections are made in this network namespace (/run/netns/<name>)." },
	{ "cc", opt_server_cc, KERNEL_NEVER, "only a socket has a congestion control",
	  "cc <algorithm>", "Congestion control of connections to the server." },
	{ "tcp-ut", opt_server_tcp_ut, KERNEL_NEVER, "only a socket has a user timeout",
	  "tcp-ut <time>", "Longest time data to the server may stay unacknowledged." },
	{ "tfo", opt_tfo, KERNEL_EXACT, NULL, "tfo",
	  "The first bytes go with the SYN (TCP Fast Open), where some are ready: in mode http, "
	  "behind content rules, with send-proxy." },
	{ "no-tfo", opt_no_tfo, KERNEL_EXACT, NULL, "no-tfo",
	  "Takes back 'tfo' of default-server." },
};

/* ---- proxies ---- */

/* Which number a line is about, by its keyword. */
static uint32_t *ka_number(struct cfg_line *l)
{
	struct proxy_words *w = words_of_proxy(l->px);
	const char *name = l->words[l->first_arg - 1].z;
	struct ka_times *k = strncmp(name, "cli", 3) ? &w->server : &w->client;
	const char *what = strchr(name, '-') + 1;

	return !strcmp(what, "cnt")    ? &k->count
	       : !strcmp(what, "idle") ? &k->idle_s
				       : &k->interval_s;
}

static int parse_ka_count(struct cfg_line *l)
{
	int64_t v;

	if (cfg_want_args(l, 1, 1, "clitcpka-cnt <count>") || cfg_arg_i64(l, 0, 1, 127, &v))
		return -1;
	*ka_number(l) = (uint32_t)v;
	return 0;
}

/* Seconds, when there is no unit. */
static int parse_ka_time(struct cfg_line *l)
{
	const char *z = cfg_arg(l, 0);
	uint32_t ms;

	if (cfg_want_args(l, 1, 1, "clitcpka-idle <time>"))
		return -1;
	if (z[strspn(z, "0123456789")] == 0)
		z = arena_printf(l->arena, "%ss", z);
	if (parse_time_ms(slice_z(z), &ms) || ms < 1000 || ms > 32767000)
		return cfg_error(l, l->first_arg,
				 "'%s' takes a time of 1s (the unit when none is said) to 32767s, "
				 "not '%s'",
				 l->words[l->first_arg - 1].z, cfg_arg(l, 0));
	*ka_number(l) = ms / 1000;
	return 0;
}

static int parse_smart_accept(struct cfg_line *l)
{
	struct proxy_words *w = words_of_proxy(l->px);

	if (cfg_want_args(l, 0, 0, "option tcp-smart-accept"))
		return -1;
	w->smart_accept = !l->negated && !l->is_default;
	w->no_smart_accept = l->negated;
	return 0;
}

static int parse_smart_connect(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "option tcp-smart-connect"))
		return -1;
	words_of_proxy(l->px)->smart_connect = !l->negated && !l->is_default;
	return 0;
}

#define BE (CFG_DEFAULTS | CFG_BACKEND)
#define FE (CFG_DEFAULTS | CFG_FRONTEND)
#define NO_SOCKET                                                                         \
	"there is no socket on this host: client and server keep their connection alive " \
	"themselves"

static const struct cfg_keyword keywords[] = {
	{ "clitcpka-cnt", FE, parse_ka_count, KERNEL_APPROX, NO_SOCKET, "clitcpka-cnt <count>",
	  "How many keep-alive probes to a client stay unanswered before it counts as gone.", 0 },
	{ "clitcpka-idle", FE, parse_ka_time, KERNEL_APPROX, NO_SOCKET, "clitcpka-idle <time>",
	  "How long a client's connection is idle before the first keep-alive probe.", 0 },
	{ "clitcpka-intvl", FE, parse_ka_time, KERNEL_APPROX, NO_SOCKET, "clitcpka-intvl <time>",
	  "Time between keep-alive probes to a client.", 0 },
	{ "srvtcpka-cnt", BE, parse_ka_count, KERNEL_APPROX, NO_SOCKET, "srvtcpka-cnt <count>",
	  "How many keep-alive probes to a server stay unanswered before it counts as gone.", 0 },
	{ "srvtcpka-idle", BE, parse_ka_time, KERNEL_APPROX, NO_SOCKET, "srvtcpka-idle <time>",
	  "How long a server's connection is idle before the first keep-alive probe.", 0 },
	{ "srvtcpka-intvl", BE, parse_ka_time, KERNEL_APPROX, NO_SOCKET, "srvtcpka-intvl <time>",
	  "Time between keep-alive probes to a server.", 0 },
	{ "option tcp-smart-accept", FE, parse_smart_accept, KERNEL_EXACT, NULL,
	  "option tcp-smart-accept",
	  "A client's first bytes are acknowledged by the answer, if it comes soon; the default in "
	  "mode http.",
	  CFG_CAN_NEGATE },
	{ "option tcp-smart-connect", BE, parse_smart_connect, KERNEL_EXACT, NULL,
	  "option tcp-smart-connect",
	  "A server's SYN-ACK is acknowledged by the first bytes, where some are ready.",
	  CFG_CAN_NEGATE },
};

static void derive(struct config *cfg, struct diag *d)
{
	static const struct conn_options none;
	struct server *srv;
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node)
		list_for_each_entry(srv, &px->servers, node) {
			const struct conn_options *o = words_of_server(srv);

			if (memcmp(o, &none, sizeof(none)) == 0)
				continue;
			srv->setup.options = o;
			check_conf_of(srv)->setup.options = o;
		}
}

static const struct cfg_check checks[] = {
	{ "socket options", CFG_PHASE_DERIVE, derive },
};

void socket_options_init(void)
{
	ext_register(EXT_BIND, &bind_words_ext);
	ext_register(EXT_PROXY, &proxy_words_ext);
	ext_register(EXT_SERVER, &server_words_ext);
	cfg_register_bind_options(bind_options, ARRAY_SIZE(bind_options));
	cfg_register_server_options(server_options, ARRAY_SIZE(server_options));
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}
