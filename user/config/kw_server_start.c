// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Options of server lines about how a server begins: with which address (init-addr), in which state (init-state), how fast
 * (slowstart). Control thread, before the workers start.
 */
#include <netdb.h>

#include "base/units.h"
#include "config/address.h"
#include "config/kw_server.h"
#include "config/language.h"
#include "config/reader.h"
#include "model/server.h"

/* ---- what options of servers share ---- */

int server_option_time(struct cfg_line *l, int *i, bool zero, uint32_t *out_ms)
{
	int at = *i;
	const char *z = server_option_arg(l, i, "a time");

	if (!z)
		return -1;
	if (parse_time_ms(slice_z(z), out_ms) || (!*out_ms && !zero))
		return cfg_error(l, at + 1, "'%s' wants a time%s such as 2s or 500ms, not '%s'",
				 l->words[at].z, zero ? "" : " above 0", z);
	return 0;
}

int server_option_choice(struct cfg_line *l, int *i, const char *const *names)
{
	const char *all = "";
	int at = *i;
	const char *z = server_option_arg(l, i, "a word");

	if (!z)
		return -1;
	for (int k = 0; names[k]; k++)
		if (!strcmp(names[k], z))
			return k;
	for (int k = 0; names[k]; k++)
		all = arena_printf(l->arena, "%s%s'%s'", all,
				   !k             ? ""
				   : names[k + 1] ? ", "
						  : " or ",
				   names[k]);
	return cfg_error(l, at + 1, "'%s' is %s, not '%s'", l->words[at].z, all, z);
}

/* ---- init-addr ---- */

enum init_method { METHOD_END, METHOD_LAST, METHOD_LIBC, METHOD_NONE, METHOD_IP };
#define METHODS_MAX 8

struct init_addr {
	uint8_t method[METHODS_MAX];
	struct addr ip; /* of METHOD_IP */
};

static void init_addr_defaults(void *mem)
{
	struct init_addr *a = mem;

	a->method[0] = METHOD_LAST;
	a->method[1] = METHOD_LIBC;
}

static struct ext init_addr_ext = { .name = "init-addr",
				    .bytes = sizeof(struct init_addr),
				    .init = init_addr_defaults };

static enum init_method method_of(struct slice word, struct addr *ip)
{
	if (slice_eq_z(word, "last"))
		return METHOD_LAST;
	if (slice_eq_z(word, "libc"))
		return METHOD_LIBC;
	if (slice_eq_z(word, "none"))
		return METHOD_NONE;
	return addr_parse_ip(ip, word) ? METHOD_END : METHOD_IP;
}

static int opt_init_addr(struct cfg_line *l, int *i, struct server *s)
{
	struct init_addr *a = server_ext(s, &init_addr_ext);
	int at = *i, n = 0;
	const char *z = server_option_arg(l, i, "methods: last, libc, none, <ip>");

	memset(a, 0, sizeof(*a));
	while (z && *z) {
		struct slice word = slice_make(z, strcspn(z, ","));
		struct addr ip = { .family = ADDR_NONE };
		enum init_method m = method_of(word, &ip);

		if (m == METHOD_END)
			return cfg_error(l, at + 1,
					 "'init-addr': '%.*s' is no method; there are 'last', "
					 "'libc', 'none' and an address",
					 SLICE_FMT(word));
		if (n == METHODS_MAX - 1 || (m == METHOD_IP && a->ip.family != ADDR_NONE))
			return cfg_error(l, at + 1, "'init-addr': too many methods in '%s'",
					 l->words[at + 1].z);
		if (m == METHOD_IP)
			a->ip = ip;
		a->method[n++] = (uint8_t)m;
		z += word.n + (z[word.n] == ',');
	}
	return n ? 0 : -1;
}

static void without_address(struct cfg_line *l, int word, struct server *s)
{
	cfg_warn(l, word, "could not resolve address '%s', disabling server", s->fqdn);
	s->addr.family = ADDR_NONE;
	s->unresolved = true;
}

/* What a state file remembers ("last") is put in by whoever reads it; here this method finds nothing. */
int server_start_address(struct cfg_line *l, int word, struct server *s, int family)
{
	const struct init_addr *a = server_ext(s, &init_addr_ext);
	uint16_t port = s->addr.port;
	int rc = EAI_NONAME;

	for (const uint8_t *m = a->method; *m; m++) {
		switch ((enum init_method) * m) {
		case METHOD_LIBC:
			rc = cfg_address_look_up(s->fqdn, family, &s->addr);
			if (!rc)
				return 0;
			break;
		case METHOD_IP:
			s->addr = a->ip;
			s->addr.port = port;
			return 0;
		case METHOD_NONE:
			without_address(l, word, s);
			return 0;
		case METHOD_LAST:
		case METHOD_END:
			break;
		}
	}
	if (config_reading.ignore_resolution)
		return 0;
	return cfg_error(l, word,
			 "could not resolve address '%s': %s\nuse an address, let 'init-addr' end "
			 "with 'none', or start with -dr to go on without it",
			 s->fqdn, gai_strerror(rc));
}

/* ---- init-state, slowstart ---- */

static int opt_init_state(struct cfg_line *l, int *i, struct server *s)
{
	static const char *const names[] = { "up", "fully-up", "down", "fully-down", NULL };
	int k = server_option_choice(l, i, names);

	if (k < 0)
		return -1;
	s->init_state = (uint8_t)k;
	return 0;
}

static int opt_slowstart(struct cfg_line *l, int *i, struct server *s)
{
	return server_option_time(l, i, true, &s->slowstart_ms);
}

static const struct server_option options[] = {
	{ "init-addr", opt_init_addr, KERNEL_EXACT, NULL, "init-addr <method>[,<method>]...",
	  "Where a server gets its first address from, if it is named: last, libc, none or an "
	  "address." },
	{ "init-state", opt_init_state, KERNEL_EXACT, NULL,
	  "init-state up|fully-up|down|fully-down",
	  "What a checked server is taken for at the start and behind a maintenance." },
	{ "slowstart", opt_slowstart, KERNEL_APPROX,
	  "a server that comes up gets its share of new connections in steps, no limit on them",
	  "slowstart <time>",
	  "How long weight and maxconn of a server that has come up again grow to their full "
	  "values." },
};

void kw_server_start_init(void)
{
	ext_register(EXT_SERVER, &init_addr_ext);
	cfg_register_server_options(options, ARRAY_SIZE(options));
}
