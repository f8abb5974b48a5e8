// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses of the configuration language. Names are resolved at once by getaddrinfo(), as HAProxy does at start.
 * Control thread, before the workers start.
 */
#include "config/address.h"
#include "base/coverage.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/un.h>

#include "base/strbuf.h"
#include "base/units.h"
#include "config/lexer.h"
#include "config/reader.h"
#include "model/proxy.h"

enum want_family { WANT_ANY, WANT_4, WANT_6, WANT_UNIX, WANT_ABNS, WANT_FD, WANT_ABSENT };

struct address_prefix {
	const char *name;
	enum want_family family;
	bool udp, stream;
};

static const struct address_prefix prefixes[] = {
	{ "ip@", WANT_ANY, false, false },          { "ipv4@", WANT_4, false, false },
	{ "ipv6@", WANT_6, false, false },          { "tcp@", WANT_ANY, false, true },
	{ "tcp4@", WANT_4, false, true },           { "tcp6@", WANT_6, false, true },
	{ "udp@", WANT_ANY, true, false },          { "udp4@", WANT_4, true, false },
	{ "udp6@", WANT_6, true, false },           { "unix@", WANT_UNIX, false, false },
	{ "abns@", WANT_ABNS, false, false },       { "fd@", WANT_FD, false, false },
	{ "uxst@", WANT_UNIX, false, true },        { "uxdg@", WANT_UNIX, true, false },
	{ "sockpair@", WANT_ABSENT, false, false }, { "quic4@", WANT_ABSENT, true, false },
	{ "quic6@", WANT_ABSENT, true, false },     { "mptcp@", WANT_ABSENT, false, true },
	{ "mptcp4@", WANT_ABSENT, false, true },    { "mptcp6@", WANT_ABSENT, false, true },
	{ "rhttp@", WANT_ABSENT, false, true },     { "abnsz@", WANT_ABSENT, false, false },
};

/* The address under parsing. */
struct parse {
	struct cfg_line *l;
	int word;
	unsigned int flags;
	enum want_family family;
	struct cfg_address *out;
};

static int take_prefix(struct parse *p, const char **text)
{
	const char *z = *text;
	bool stream = !strncmp(z, "stream+", 7), dgram = !strncmp(z, "dgram+", 6);

	z += stream ? 7 : dgram ? 6 : 0;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		const struct address_prefix *x = &prefixes[i];
		size_t n = strlen(x->name);

		if (strncmp(z, x->name, n))
			continue;
		if (x->family == WANT_ABSENT)
			return cfg_error(
				p->l, p->word,
				"'%s' is HAProxy's, lbd does not have this kind of address yet",
				x->name);
		p->family = x->family;
		p->out->is_udp = x->udp || dgram;
		p->out->is_stream = x->stream || stream;
		*text = z + n;
		goto found;
	}
	p->out->is_udp = dgram;
	p->out->is_stream = stream;
	*text = z;
found:
	if (p->out->is_udp && !(p->flags & (CFG_ADDR_UDP | CFG_ADDR_DGRAM)))
		return cfg_error(p->l, p->word, "an address for datagrams is not possible here");
	if ((p->flags & CFG_ADDR_DGRAM) && !p->out->is_stream)
		p->out->is_udp = true;
	return 0;
}

static int take_unix(struct parse *p, const char *path, bool abstract)
{
	struct cfg_address *out = p->out;
	size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

	if (!(p->flags & CFG_ADDR_UNIX))
		return cfg_error(p->l, p->word, "a unix socket is not possible here");
	if (!*path)
		return cfg_error(p->l, p->word, "the name of the unix socket is missing");
	if (strlen(path) + abstract > max)
		return cfg_error(p->l, p->word,
				 "this socket name is too long: %zu bytes, at most %zu",
				 strlen(path), max);
	out->addr.family = ADDR_UNIX;
	out->is_abstract = abstract;
	out->path =
		abstract ? arena_printf(p->l->arena, "@%s", path) : arena_strdup(p->l->arena, path);
	return 0;
}

static int take_fd(struct parse *p, const char *text)
{
	int64_t fd;

	if (!(p->flags & CFG_ADDR_FD))
		return cfg_error(p->l, p->word, "a file descriptor is not possible here");
	if (parse_i64(slice_z(text), 0, INT32_MAX, &fd))
		return cfg_error(
			p->l, p->word,
			"'fd@' must be followed by the number of an open descriptor, not '%s'",
			text);
	p->out->fd = (int)fd;
	return 0;
}

static int bad_port(struct parse *p, const char *text, const char *why)
{
	return cfg_error(p->l, p->word, "port '%s': %s", text, why);
}

/* What stands behind the last colon. */
static int take_port(struct parse *p, const char *text)
{
	struct cfg_address *out = p->out;
	const char *dash = *text ? strchr(text + 1, '-') : NULL;
	int64_t lo, hi;

	if (!(p->flags & CFG_ADDR_PORT))
		return bad_port(p, text, "no port may stand here");
	if (*text == '+' || *text == '-') {
		if (!(p->flags & CFG_ADDR_OFFSET))
			return bad_port(p, text, "an offset (+N, -N) is possible for servers only");
		if (parse_i64(slice_z(text + 1), 0, 65535, &lo))
			return bad_port(p, text,
					"behind '+' or '-' a number up to 65535 is expected");
		out->port_kind = CFG_PORT_OFFSET;
		out->port_offset = *text == '-' ? -(int32_t)lo : (int32_t)lo;
		return 0;
	}
	if (parse_i64(slice_make(text, dash ? (size_t)(dash - text) : strlen(text)), 0, 65535, &lo))
		return bad_port(p, text, "a number from 1 to 65535 is expected");
	hi = lo;
	if (dash) {
		if (!(p->flags & CFG_ADDR_RANGE))
			return bad_port(p, text, "a range is not possible here");
		if (parse_i64(slice_z(dash + 1), 0, 65535, &hi) || hi < lo)
			return bad_port(p, text,
					"a range is LOW-HIGH with 1 <= LOW <= HIGH <= 65535");
	}
	out->port_kind = dash ? CFG_PORT_RANGE : CFG_PORT_ONE;
	out->addr.port = (uint16_t)lo;
	out->port_end = (uint16_t)hi;
	return 0;
}

/* Cuts "HOST:PORT" or "[HOST]:PORT" in two; *port is NULL without one. */
static int split_port(struct parse *p, char *text, char **host, char **port)
{
	char *colon;

	*host = text;
	*port = NULL;
	if (*text == '[') {
		char *close = strchr(text, ']');

		if (!close || (close[1] && close[1] != ':'))
			return cfg_error(p->l, p->word,
					 "'%s': an address in brackets is written [ADDRESS] or "
					 "[ADDRESS]:PORT",
					 text);
		*close = 0;
		*host = text + 1;
		*port = close[1] ? close + 2 : NULL;
		return 0;
	}
	colon = strrchr(text, ':');
	if (!colon)
		return 0;
	*colon = 0;
	*port = colon + 1;
	return 0;
}

int cfg_address_look_up(const char *host, int family, struct addr *out)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = family }, *list;
	struct sockaddr_storage ss = { 0 };
	uint16_t port = out->port;
	int rc;

	if (family == AF_UNSPEC && config_reading.ipv4_only)
		hints.ai_family = AF_INET;
	if (family == AF_UNSPEC && config_reading.ipv6_only)
		hints.ai_family = AF_INET6;
	if (family == AF_UNSPEC && config_reading.no_getaddrinfo)
		hints.ai_family =
			AF_INET; /* what gethostbyname(3) knows, which HAProxy falls back to */
	rc = getaddrinfo(host, NULL, &hints, &list);
	if (rc)
		return rc;
	memcpy(&ss, list->ai_addr, list->ai_addrlen);
	freeaddrinfo(list);
	if (addr_from_sockaddr(out, &ss))
		return EAI_FAMILY;
	out->port = port;
	return 0;
}

/* "192.0.2.0/24", "2001:db8::/64": lbd's own form of a bind address. */
static int take_prefix_host(struct parse *p, const char *host, const char *slash)
{
	struct cfg_address *out = p->out;
	struct addr first;
	uint32_t bits, max;

	if (!(p->flags & CFG_ADDR_PREFIX))
		return cfg_error(p->l, p->word,
				 "'%s': a network is possible in 'bind' lines only, one address is "
				 "wanted here",
				 host);
	if (addr_parse_ip(&out->addr, slice_make(host, (size_t)(slash - host))))
		return cfg_error(p->l, p->word,
				 "'%s' is no network: it is written ADDRESS/BITS, as in "
				 "192.0.2.0/24 or [2001:db8::/64]",
				 host);
	if ((p->family == WANT_4 && out->addr.family != ADDR_IP4) ||
	    (p->family == WANT_6 && out->addr.family != ADDR_IP6))
		return cfg_error(p->l, p->word, "'%s' is not of the family that its prefix names",
				 host);
	max = out->addr.family == ADDR_IP4 ? 32 : 128;
	if (parse_u32(slice_z(slash + 1), max, &bits))
		return cfg_error(p->l, p->word, "'%s': behind '/' stands a number from 0 to %u",
				 host, max);
	first = out->addr;
	for (unsigned int i = bits; i < max; i++)
		first.ip[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	if (memcmp(first.ip, out->addr.ip, sizeof(first.ip))) {
		char text[INET6_ADDRSTRLEN];

		return cfg_error(p->l, p->word,
				 "'%s': bits are set behind the first %u\nthe network is %s/%u",
				 host, bits, addr_ip_text(&first, text, sizeof(text)), bits);
	}
	out->is_prefix = true;
	out->prefix_bits = (uint8_t)bits;
	return 0;
}

static int take_host(struct parse *p, const char *host)
{
	struct cfg_address *out = p->out;
	uint16_t port = out->addr.port;
	const char *slash = strchr(host, '/');
	int rc;

	if (slash)
		return take_prefix_host(p, host, slash);
	if (!*host || !strcmp(host, "*")) {
		if (!(p->flags & CFG_ADDR_STAR) && !*host)
			return cfg_error(p->l, p->word,
					 "the address is missing in front of the port");
		out->is_any = true;
		out->addr.family = p->family == WANT_6 ? ADDR_IP6 : ADDR_IP4;
		return 0;
	}
	if (!addr_parse_ip(&out->addr, slice_z(host))) {
		out->addr.port = port;
		if ((p->family == WANT_4 && out->addr.family != ADDR_IP4) ||
		    (p->family == WANT_6 && out->addr.family != ADDR_IP6))
			return cfg_error(p->l, p->word,
					 "'%s' is not of the family that its prefix names", host);
		return 0;
	}
	if (!(p->flags & CFG_ADDR_NAME) || strspn(host, "0123456789.") == strlen(host) ||
	    strchr(host, ':'))
		return cfg_error(p->l, p->word, "'%s' is no address%s", host,
				 p->flags & CFG_ADDR_NAME ? "" : "; names are not looked up here");
	out->host = arena_strdup(p->l->arena, host);
	out->family = p->family == WANT_4 ? AF_INET : p->family == WANT_6 ? AF_INET6 : AF_UNSPEC;
	if (p->flags & CFG_ADDR_LATER) {
		out->addr.family = ADDR_NONE;
		return 0;
	}
	rc = cfg_address_look_up(host, out->family, &out->addr);
	if (rc && !config_reading.ignore_resolution)
		return cfg_error(p->l, p->word,
				 "could not resolve address '%s': %s\nuse an address, or start "
				 "with -dr to go on without it",
				 host, gai_strerror(rc));
	return 0;
}

static int parse_address(struct parse *p, const char *text)
{
	unsigned int flags = p->flags;
	struct cfg_address *out = p->out;
	struct cfg_line *l = p->l;
	int word = p->word;
	char *host, *port;

	if (take_prefix(p, &text))
		return -1;
	if (p->family == WANT_FD)
		return take_fd(p, text);
	if (p->family == WANT_UNIX || p->family == WANT_ABNS ||
	    (p->family == WANT_ANY && *text == '/'))
		return take_unix(p, text, p->family == WANT_ABNS);
	/* an IPv6 address without brackets and without a port: the last colon is no separator */
	if (!(flags & CFG_ADDR_NEED_PORT) && !addr_parse_ip(&out->addr, slice_z(text)))
		return take_host(p, text);
	if (split_port(p, arena_strdup(l->arena, text), &host, &port))
		return -1;
	if (port && *port && take_port(p, port))
		return -1;
	if (flags & CFG_ADDR_NEED_PORT && (!port || !*port))
		return cfg_error(l, word, "the port is missing in '%s': ADDRESS:PORT", text);
	if (flags & CFG_ADDR_NEED_PORT && !out->addr.port)
		return cfg_error(
			l, word,
			"port 0 is not possible here: a number from 1 to 65535 is expected");
	return take_host(p, host);
}

/* The form it has, as the list of forms in kw_bind.c names it; @text as written. */
static const char *form_of(const char *text, const struct cfg_address *x, bool server)
{
	if (x->fd >= 0)
		return "fd@N";
	if (x->path)
		return x->is_abstract ? "abns@" : "unix@ or /path";
	if (!strncmp(text, "ipv4@", 5) || !strncmp(text, "ipv6@", 5))
		return text[3] == '4' ? "ipv4@" : "ipv6@";
	if (x->port_kind == CFG_PORT_OFFSET)
		return strstr(text, ":-") ? "server ADDR:-OFFSET" : "server ADDR:+OFFSET";
	if (x->port_kind == CFG_PORT_RANGE)
		return "ADDR:LOW-HIGH (port range)";
	if (server && x->port_kind == CFG_PORT_NONE)
		return "server ADDR (no port = same port)";
	if (x->is_any)
		return *text == '*' ? "*:PORT" : ":PORT";
	if (*text == '[')
		return "[IPv6]:PORT";
	return text[strcspn(text, "ghijklmnopqrstuvwxyz")] ? "host name resolved at start"
							   : "ADDR:PORT";
}

int cfg_address_parse(struct cfg_line *l, int word, const char *text, unsigned int flags,
		      struct cfg_address *out)
{
	struct parse p = { l, word, flags, WANT_ANY, out };
	const char *error;

	*out = (struct cfg_address){ .fd = -1 };
	text = lex_expand(l->arena, text, &environment_vars, &error);
	if (!text)
		return cfg_error(l, word, "%s", error);
	if (!*text)
		return cfg_error(l, word, "an address is missing here");
	if (parse_address(&p, text))
		return -1;
	coverage_note("address-syntax", form_of(text, out, flags & CFG_ADDR_OFFSET));
	return 0;
}

static struct bind_address *bind_address_new(struct arena *a, const struct cfg_address *x)
{
	struct bind_address *b = ARENA_NEW(a, struct bind_address);

	list_init(&b->node);
	b->addr = x->addr;
	b->port_end = x->port_kind == CFG_PORT_RANGE ? x->port_end : x->addr.port;
	b->path = x->path;
	b->fd = x->fd;
	b->is_udp = x->is_udp;
	b->is_abstract = x->is_abstract;
	b->is_any = x->is_any;
	b->is_prefix = x->is_prefix;
	b->prefix_bits = x->prefix_bits;
	return b;
}

int cfg_bind_addresses(struct cfg_line *l, int word, struct list *out)
{
	const unsigned int flags = CFG_ADDR_PORT | CFG_ADDR_NEED_PORT | CFG_ADDR_RANGE |
				   CFG_ADDR_NAME | CFG_ADDR_UNIX | CFG_ADDR_FD | CFG_ADDR_UDP |
				   CFG_ADDR_STAR | (l->px ? CFG_ADDR_PREFIX : 0);
	char *next = arena_strdup(l->arena, l->words[word].z), *one;

	while ((one = strsep(&next, ","))) {
		struct cfg_address x;

		if (cfg_address_parse(l, word, one, flags, &x))
			return -1;
		if (!list_empty(out))
			coverage_note("address-syntax", "ADDR1:P1,ADDR2:P2 (list on one line)");
		list_add_tail(out, &bind_address_new(l->arena, &x)->node);
	}
	return 0;
}
