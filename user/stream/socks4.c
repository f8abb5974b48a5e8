// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * socks4.c - `socks4` and `check-via-socks4` on server lines: the handshake of SOCKS 4 (CONNECT, without a user), IPv4 only. Runs in
 * the worker that connects; checks in the control thread.
 */
#include "stream/socks4.h"
#include "check/check.h"
#include "config/address.h"
#include "stream/upstream.h"

#include <errno.h>

#define REPLY_BYTES 8
#define GRANTED     90

struct socks_conf {
	struct addr proxy; /* ADDR_NONE: none */
	bool checks;
};

static struct ext socks_ext = { .name = "socks4", .bytes = sizeof(struct socks_conf) };

static struct socks_conf *conf_of(const struct server *srv)
{
	return server_ext(srv, &socks_ext);
}

const struct addr *socks4_proxy_of(const struct server *srv, bool for_check)
{
	const struct socks_conf *c = conf_of(srv);

	return c->proxy.family != ADDR_NONE && (!for_check || c->checks) ? &c->proxy : NULL;
}

static int failed(struct conn *c, enum conn_reason reason)
{
	c->reason = (uint8_t)reason;
	return -ECONNREFUSED;
}

/* CONN_SENT remembers that the request has gone. */
static int ask(struct conn *c, const struct addr *to)
{
	unsigned char q[9] = { 4, 1, (unsigned char)(to->port >> 8), (unsigned char)to->port };

	if (to->family != ADDR_IP4)
		return failed(c, CONN_SOCKS_WRITE);
	memcpy(q + 4, to->ip, 4);
	if (send(c->io.fd, q, sizeof(q), MSG_NOSIGNAL) != (ssize_t)sizeof(q))
		return failed(c, CONN_SOCKS_WRITE);
	c->flags |= CONN_SENT;
	return 0;
}

/* The reply is taken out when it is complete; the server's first bytes may stand behind it. */
static int read_reply(struct conn *c)
{
	unsigned char r[REPLY_BYTES];
	ssize_t n = recv(c->io.fd, r, sizeof(r), MSG_PEEK);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		c->flags &= ~CONN_CAN_READ;
		return -EAGAIN;
	}
	if (n <= 0)
		return failed(c, n ? CONN_SOCKS_READ : CONN_SOCKS_ABORTED);
	if (n < REPLY_BYTES) {
		if (c->flags & CONN_RDHUP)
			return failed(c, CONN_SOCKS_ABORTED);
		c->flags &= ~CONN_CAN_READ;
		return -EAGAIN;
	}
	if (recv(c->io.fd, r, sizeof(r), 0) != REPLY_BYTES)
		return failed(c, CONN_SOCKS_READ);
	return r[0] == 0 && r[1] == GRANTED ? 0 : failed(c, CONN_SOCKS_DENIED);
}

static int handshake(struct conn *c, const struct addr *to)
{
	int r = c->flags & CONN_SENT ? 0 : ask(c, to);

	return r ? r : read_reply(c);
}

static int for_stream(struct conn *c)
{
	struct upstream *up = c->owner;
	struct addr to;

	stream_server_addr(up->stream, &to);
	return handshake(c, &to);
}

static int for_check(struct conn *c)
{
	struct addr to;

	check_target(c->owner, &to);
	return handshake(c, &to);
}

static const struct conn_stage stage_stream = { "SOCKS4", for_stream, CONN_SOCKS_READ };
static const struct conn_stage stage_check = { "SOCKS4", for_check, CONN_SOCKS_READ };

/* In front of all other handshakes. */
static void put_first(struct conn_setup *s, const struct conn_stage *stage)
{
	for (int i = CONN_STAGES_MAX - 1; i > 0; i--)
		s->stages[i] = s->stages[i - 1];
	s->stages[0] = stage;
}

static void derive(struct config *cfg, struct diag *d)
{
	struct server *srv;
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node)
		list_for_each_entry(srv, &px->servers, node) {
			if (socks4_proxy_of(srv, false))
				put_first(&srv->setup, &stage_stream);
			if (socks4_proxy_of(srv, true))
				put_first(&check_conf_of(srv)->setup, &stage_check);
		}
}

static int opt_socks4(struct cfg_line *l, int *i, struct server *s)
{
	int at = *i;
	struct cfg_address a;

	*i = at + 2 < l->nwords ? at + 2 : l->nwords;
	if (at + 1 >= l->nwords)
		return cfg_error(l, at, "'socks4' needs the proxy's address: <address>:<port>");
	if (cfg_address_parse(l, at + 1, l->words[at + 1].z,
			      CFG_ADDR_PORT | CFG_ADDR_NEED_PORT | CFG_ADDR_NAME, &a) < 0)
		return -1;
	conf_of(s)->proxy = a.addr;
	return 0;
}

static int opt_checks(struct cfg_line *l, int *i, struct server *s)
{
	conf_of(s)->checks = true;
	++*i;
	return 0;
}

static const struct server_option options[] = {
	{ "socks4", opt_socks4, KERNEL_NEVER, "the daemon speaks to the proxy",
	  "socks4 <address>:<port>",
	  "The server (IPv4) is reached through this SOCKS 4 proxy; its checks are not." },
	{ "check-via-socks4", opt_checks, KERNEL_EXACT, NULL, "check-via-socks4",
	  "Checks go through the proxy of 'socks4', too." },
};

static const struct cfg_check checks[] = {
	{ "socks4", CFG_PHASE_BALANCE, derive }, /* behind who adds other handshakes */
};

void socks4_init(void)
{
	ext_register(EXT_SERVER, &socks_ext);
	cfg_register_server_options(options, ARRAY_SIZE(options));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}
