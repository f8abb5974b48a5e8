// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * alias.c - the log-format variables ("%ci") as rows: their registry, and the rows that make sense for a connection.
 * What only HTTP knows is registered by l7. Rows are written by workers.
 */
#include "log/private.h"
#include "policy/sample.h"
#include "policy/capture.h"
#include "stream/tuning.h"
#include "stream/ends.h"
#include "stream/upstream.h"
#include "transport/tls.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- registry ---- */

/* A name may have two rows: what is known of any connection, and what l7 knows where there is a transaction. */
struct alias_entry {
	const struct log_alias *row, *base;
};
static struct alias_entry *aliases;
static size_t naliases;

void log_alias_register(const struct log_alias *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		while (k < naliases && strcmp(aliases[k].row->name, rows[i].name) != 0)
			k++;
		if (k == naliases) {
			aliases = xrealloc(aliases, ++naliases * sizeof(*aliases));
			aliases[k].base = &rows[i];
		}
		aliases[k].row = &rows[i];
	}
}

const struct log_alias *log_alias_find(struct slice name, const struct log_alias **base)
{
	for (size_t i = 0; i < naliases; i++)
		if (slice_eq_z(name, aliases[i].row->name)) {
			*base = aliases[i].base;
			return aliases[i].row;
		}
	return NULL;
}

bool log_alias_write(struct slice name, struct strbuf *out, const struct log_ctx *c)
{
	const struct log_alias *base, *row = log_alias_find(name, &base);

	if (!row)
		return false;
	(c->http ? row : base)->write(out, c);
	return true;
}

const struct log_alias *log_alias_at(size_t i)
{
	return i < naliases ? aliases[i].base : NULL;
}

/* ---- addresses ---- */

static void write_ip(struct strbuf *o, const struct addr *a)
{
	char buf[INET6_ADDRSTRLEN];

	if (a->family == ADDR_UNIX)
		strbuf_adds(o, "unix");
	else if (a->family != ADDR_NONE)
		strbuf_adds(o, addr_ip_text(a, buf, sizeof(buf)));
}

static void write_ip_hex(struct strbuf *o, const struct addr *a)
{
	int n = a->family == ADDR_IP4 ? 4 : a->family == ADDR_IP6 ? 16 : 0;

	for (int i = 0; i < n; i++)
		strbuf_addf(o, "%02X", a->ip[i]);
}

/* A unix socket's port is the id of the listener. */
static uint32_t port_of(const struct addr *a, const struct session *s)
{
	if (a->family == ADDR_UNIX)
		return s->listener && s->listener->bind ? s->listener->bind->id : 0;
	return a->port;
}

static const struct addr none_addr = { .family = ADDR_NONE };

static const struct addr *client_addr(const struct log_ctx *c)
{
	return c->sess ? ends_src(c->sess, c->stream) : &none_addr;
}

static const struct addr *front_addr(const struct log_ctx *c)
{
	return c->sess ? ends_dst(c->sess, c->stream) : &none_addr;
}

/* Where the connection to the server comes from: asked of the socket while it is there. */
static const struct addr *source_addr(const struct log_ctx *c)
{
	static __thread struct addr a;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	a = none_addr;
	if (c->stream && c->stream->up && conn_is_open(&c->stream->up->conn) &&
	    getsockname(c->stream->up->conn.io.fd, (struct sockaddr *)&ss, &len) == 0)
		addr_from_sockaddr(&a, &ss);
	return &a;
}

static const struct addr *server_address(const struct log_ctx *c)
{
	static __thread struct addr a;

	a = none_addr;
	if (c->stream && c->stream->srv) {
		stream_server_addr(c->stream, &a);
	}
	return &a;
}

#define ADDR_ALIAS(fn, get)                                                \
	static void fn##_ip(struct strbuf *o, const struct log_ctx *c)     \
	{                                                                  \
		write_ip(o, get(c));                                       \
	}                                                                  \
	static void fn##_ip_x(struct strbuf *o, const struct log_ctx *c)   \
	{                                                                  \
		write_ip_hex(o, get(c));                                   \
	}                                                                  \
	static void fn##_port(struct strbuf *o, const struct log_ctx *c)   \
	{                                                                  \
		const struct addr *a = get(c);                             \
		if (a->family != ADDR_NONE)                                \
			strbuf_add_u64(o, port_of(a, c->sess));            \
	}                                                                  \
	static void fn##_port_x(struct strbuf *o, const struct log_ctx *c) \
	{                                                                  \
		const struct addr *a = get(c);                             \
		if (a->family != ADDR_NONE)                                \
			strbuf_addf(o, "%04X", port_of(a, c->sess));       \
	}
ADDR_ALIAS(client, client_addr)
ADDR_ALIAS(front, front_addr)
ADDR_ALIAS(source, source_addr)
ADDR_ALIAS(server, server_address)

/* ---- dates ---- */

static int64_t accept_us(const struct log_ctx *c)
{
	return c->sess ? c->sess->accept_wall_us : log_wall_us();
}

static void write_t(struct strbuf *o, const struct log_ctx *c)
{
	int64_t us = accept_us(c);

	strbuf_addf(o, "%s.%03d", log_date(us / 1000000)->local, (int)(us / 1000 % 1000));
}

static void write_T(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_addf(o, "%s +0000", log_date(accept_us(c) / 1000000)->gmt);
}

static void write_Tl(struct strbuf *o, const struct log_ctx *c)
{
	const struct log_date *d = log_date(accept_us(c) / 1000000);

	strbuf_addf(o, "%s %s", d->local, d->zone);
}

static void write_Ts(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_add_u64(o, (uint64_t)(accept_us(c) / 1000000));
}

static void write_Ts_x(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_addf(o, "%04X", (unsigned int)(accept_us(c) / 1000000));
}

static void write_ms(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_addf(o, "%03d", (int)(accept_us(c) / 1000 % 1000));
}

/* ---- timers: milliseconds since the start, each rounded down, as the manual subtracts them ---- */

static long since_start(const struct stream *s, uint64_t at_us)
{
	return at_us ? (long)((at_us - s->t.start) / 1000) : -1;
}

static long base_ms(const struct stream *s)
{
	return s->t.request ? since_start(s, s->t.request) : 0;
}

static uint64_t end_us(const struct stream *s)
{
	return s->t.end ? s->t.end : this_loop ? this_loop->now_us : s->t.start;
}

static void write_timer(struct strbuf *o, long ms)
{
	strbuf_addf(o, "%ld", ms);
}

static void write_Th(struct strbuf *o, const struct log_ctx *c)
{
	write_timer(o, 0);
}

static void write_Tw(struct strbuf *o, const struct log_ctx *c)
{
	const struct stream *s = c->stream;

	write_timer(o, s && s->t.queue_done ? since_start(s, s->t.queue_done) - base_ms(s) : -1);
}

static void write_Tc(struct strbuf *o, const struct log_ctx *c)
{
	const struct stream *s = c->stream;

	write_timer(o, s && s->t.connected
			       ? since_start(s, s->t.connected) - since_start(s, s->t.queue_done)
			       : -1);
}

static void write_Td(struct strbuf *o, const struct log_ctx *c)
{
	const struct stream *s = c->stream;
	uint64_t from = !s ? 0 : s->t.response ? s->t.response : s->t.connected;

	write_timer(o, from ? since_start(s, end_us(s)) - since_start(s, from) : -1);
}

static void write_Tt(struct strbuf *o, const struct log_ctx *c)
{
	const struct stream *s = c->stream;

	if (c->asap)
		strbuf_addc(o, '+');
	write_timer(o, s ? since_start(s, end_us(s)) : 0);
}

/* ---- counts ---- */

static uint32_t process_conns(void)
{
	const struct proxy *px;
	uint32_t n = 0;

	if (config)
		list_for_each_entry(px, &config->proxies, node)
			n += px->caps & PX_FRONTEND
				     ? atomic_load_explicit(&px->fe_conns, memory_order_relaxed)
				     : 0;
	return n;
}

static void write_ac(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_add_u64(o, process_conns());
}

static void write_fc(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_add_u64(o, c->fe ? atomic_load_explicit(&c->fe->fe_conns, memory_order_relaxed) : 0);
}

static void write_bc(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_add_u64(o, c->be ? atomic_load_explicit(&c->be->be_conns, memory_order_relaxed) : 0);
}

static void write_sc(struct strbuf *o, const struct log_ctx *c)
{
	const struct server *srv = c->stream ? c->stream->srv : NULL;

	strbuf_add_u64(o, srv ? atomic_load_explicit(&srv->load.served, memory_order_relaxed) : 0);
}

static void write_rc(struct strbuf *o, const struct log_ctx *c)
{
	if (c->stream && c->stream->redispatched)
		strbuf_addc(o, '+');
	strbuf_add_u64(o, c->stream ? c->stream->retries : 0);
}

static void write_sq(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_add_u64(o, c->stream ? c->stream->queue_pos_srv : 0);
}

static void write_bq(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_add_u64(o, c->stream ? c->stream->queue_pos_be : 0);
}

static void write_B(struct strbuf *o, const struct log_ctx *c)
{
	if (c->asap)
		strbuf_addc(o, '+');
	strbuf_add_u64(o, c->stream ? c->stream->bytes_out : 0);
}

static void write_U(struct strbuf *o, const struct log_ctx *c)
{
	if (c->asap)
		strbuf_addc(o, '+');
	strbuf_add_u64(o, c->stream ? c->stream->bytes_in : 0);
}

static void write_lc(struct strbuf *o, const struct log_ctx *c)
{
	const struct log_proxy_part *p = c->fe ? log_part(c->fe) : NULL;

	strbuf_add_u64(o, p ? atomic_load_explicit(&p->count, memory_order_relaxed) : 0);
}

/* Streams are numbered per worker; this numbers them all, nearly in order. */
static uint64_t request_number(const struct log_ctx *c)
{
	uint64_t id = c->stream ? c->stream->id : 0, n = id & ((1ull << 48) - 1);

	return n ? (n - 1) * (uint64_t)worker_count + (id >> 48) : 0;
}

static void write_rt(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_add_u64(o, request_number(c));
}

static void write_rt_x(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_addf(o, "%04llX", (unsigned long long)request_number(c));
}

/* ---- names ---- */

static void write_f(struct strbuf *o, const struct log_ctx *c)
{
	if (c->fe)
		strbuf_adds(o, c->fe->name);
}

static void write_ft(struct strbuf *o, const struct log_ctx *c)
{
	write_f(o, c);
	if (c->sess && c->sess->client.xprt && !c->sess->client.xprt->raw)
		strbuf_addc(o, '~');
}

static void write_b(struct strbuf *o, const struct log_ctx *c)
{
	const struct proxy *px = c->be ? c->be : c->fe;

	if (px)
		strbuf_adds(o, px->name);
}

static void write_s(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_adds(o, c->stream && c->stream->srv ? c->stream->srv->name : "<NOSRV>");
}

static char own_host[256];

static void write_H(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_adds(o, own_host);
}

static void write_pid(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_add_u64(o, (uint64_t)getpid());
}

static void write_pid_x(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_addf(o, "%04X", (unsigned int)getpid());
}

static void write_ts(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_addc(o, c->stream && c->stream->term_cause ? c->stream->term_cause : '-');
	strbuf_addc(o, c->stream && c->stream->term_phase ? c->stream->term_phase : '-');
}

static void write_tsc(struct strbuf *o, const struct log_ctx *c)
{
	write_ts(o, c);
	strbuf_adds(o, "--");
}

void log_add_escaped(struct strbuf *o, struct slice s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = s.p[i];

		if (c < 0x20 || c >= 0x7f || c == '"' || c == '#') {
			strbuf_addc(o, '#');
			strbuf_addc(o, hex[c >> 4]);
			strbuf_addc(o, hex[c & 15]);
		} else {
			strbuf_addc(o, (char)c);
		}
	}
}

static void captures(struct strbuf *o, const struct log_ctx *c, bool response, bool each)
{
	int n = c->stream && c->fe ? capture_slots(c->fe, response) : 0;

	if (n && !each)
		strbuf_addc(o, '{');
	for (int i = 0; i < n; i++) {
		struct slice s = stream_captured(c->stream, response, i);

		if (i)
			strbuf_addc(o, each ? ' ' : '|');
		if (each && !s.n)
			strbuf_addc(o, '-');
		log_add_escaped(o, s);
	}
	if (n && !each)
		strbuf_addc(o, '}');
}

static void write_hr(struct strbuf *o, const struct log_ctx *c)
{
	captures(o, c, false, false);
}

static void write_hrl(struct strbuf *o, const struct log_ctx *c)
{
	captures(o, c, false, true);
}

static void write_hs(struct strbuf *o, const struct log_ctx *c)
{
	captures(o, c, true, false);
}

static void write_hsl(struct strbuf *o, const struct log_ctx *c)
{
	captures(o, c, true, true);
}

static SSL *tls_of_client(const struct log_ctx *c)
{
	return c->sess ? tls_of(&c->sess->client) : NULL;
}

static void write_sslc(struct strbuf *o, const struct log_ctx *c)
{
	SSL *ssl = tls_of_client(c);
	const char *name = ssl ? SSL_get_cipher_name(ssl) : NULL;

	if (name)
		strbuf_adds(o, name);
}

static void write_sslv(struct strbuf *o, const struct log_ctx *c)
{
	SSL *ssl = tls_of_client(c);

	if (ssl)
		strbuf_adds(o, SSL_get_version(ssl));
}

static void write_nothing(struct strbuf *o, const struct log_ctx *c)
{
}

static void write_zero(struct strbuf *o, const struct log_ctx *c)
{
	strbuf_addc(o, '0');
}

static const struct log_alias rows[] = {
	{ "B", write_B, .numeric = true, .help = "bytes from the server to the client" },
	{ "H", write_H, .help = "this host's name" },
	{ "ID", write_nothing, .help = "unique id of the request" },
	{ "ST", write_zero, .numeric = true, .help = "status of the response" },
	{ "T", write_T, .numeric = true, .help = "accept date, GMT" },
	{ "Tc", write_Tc, .numeric = true, .help = "ms to connect to the server, -1: never" },
	{ "Td", write_Td, .numeric = true, .help = "ms of data transfer" },
	{ "Th", write_Th, .numeric = true, .help = "ms of handshakes below the protocol" },
	{ "Tl", write_Tl, .numeric = true, .help = "accept date, local time with zone" },
	{ "Ts", write_Ts, .write_hex = write_Ts_x, .numeric = true,
	  .help = "accept date, seconds since 1970" },
	{ "Tt", write_Tt, .numeric = true, .help = "ms from accept to the end" },
	{ "Tu", write_Tt, .numeric = true, .help = "ms as the client saw it" },
	{ "Tw", write_Tw, .numeric = true, .help = "ms in queues, -1: never reached one" },
	{ "U", write_U, .numeric = true, .help = "bytes from the client to the server" },
	{ "ac", write_ac, .numeric = true, .help = "connections of the process" },
	{ "b", write_b, .help = "backend" },
	{ "bc", write_bc, .numeric = true, .help = "connections of the backend" },
	{ "bi", source_ip, .write_hex = source_ip_x, .help = "source address towards the server" },
	{ "bp", source_port, .write_hex = source_port_x, .numeric = true,
	  .help = "source port towards the server" },
	{ "bq", write_bq, .numeric = true, .help = "requests in front in the backend's queue" },
	{ "ci", client_ip, .write_hex = client_ip_x, .help = "client address" },
	{ "cp", client_port, .write_hex = client_port_x, .numeric = true, .help = "client port" },
	{ "f", write_f, .help = "frontend" },
	{ "fc", write_fc, .numeric = true, .help = "connections of the frontend" },
	{ "fi", front_ip, .write_hex = front_ip_x, .help = "address the client connected to" },
	{ "fp", front_port, .write_hex = front_port_x, .numeric = true,
	  .help = "port the client connected to" },
	{ "ft", write_ft, .help = "frontend, with '~' behind it for TLS" },
	{ "hr", write_hr, .may_be_empty = true, .help = "captured request texts" },
	{ "hrl", write_hrl, .may_be_empty = true,
	  .help = "captured request texts, one field each" },
	{ "hs", write_hs, .may_be_empty = true, .help = "captured response texts" },
	{ "hsl", write_hsl, .may_be_empty = true,
	  .help = "captured response texts, one field each" },
	{ "lc", write_lc, .numeric = true, .help = "lines the frontend has logged" },
	{ "ms", write_ms, .numeric = true, .help = "milliseconds of the accept date" },
	{ "pid", write_pid, .write_hex = write_pid_x, .numeric = true, .help = "process id" },
	{ "rc", write_rc, .numeric = true, .help = "retries, '+' in front when redispatched" },
	{ "rt", write_rt, .write_hex = write_rt_x, .numeric = true,
	  .help = "number of the request or TCP session" },
	{ "s", write_s, .help = "server, <NOSRV> without one" },
	{ "sc", write_sc, .numeric = true, .help = "connections of the server" },
	{ "si", server_ip, .write_hex = server_ip_x, .help = "server address" },
	{ "sp", server_port, .write_hex = server_port_x, .numeric = true, .help = "server port" },
	{ "sq", write_sq, .numeric = true, .help = "requests in front in the server's queue" },
	{ "sslc", write_sslc, .help = "TLS cipher" },
	{ "sslv", write_sslv, .help = "TLS version" },
	{ "t", write_t, .numeric = true, .help = "accept date with milliseconds" },
	{ "ts", write_ts, .numeric = true, .help = "termination state" },
	{ "tsc", write_tsc, .numeric = true, .help = "termination state with cookie state" },
};

static void walk_names(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	static const char *const flags[] = { "Q", "X", "E", "json", "cbor", "bin" };
	char name[8] = "%";

	for (size_t i = 0; i < naliases; i++) {
		strncpy(name + 1, aliases[i].row->name, sizeof(name) - 2);
		emit(ctx, "log-alias", name);
	}
	emit(ctx, "log-alias", "%o");
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		emit(ctx, "log-flag", flags[i]);
	log_target_names(emit, ctx);
}

void log_alias_init(void)
{
	static const struct name_walker walker = { "log", walk_names };

	if (gethostname(own_host, sizeof(own_host) - 1))
		snprintf(own_host, sizeof(own_host), "localhost");
	log_alias_register(rows, ARRAY_SIZE(rows));
	names_register(&walker);
}
