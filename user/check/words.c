// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * words.c - the configuration words about checks: options of server lines, and the type "tcp". Control thread, before
 * the workers start.
 */
#include "base/units.h"
#include "check/private.h"
#include "check/tcp_rules.h"
#include "config/address.h"
#include "config/kw_server.h"

#define DEFAULT_INTER_MS 2000

static void server_part_init(void *mem)
{
	struct check_conf *f = mem;

	f->inter_ms = DEFAULT_INTER_MS;
	f->rise = 2;
	f->fall = 3;
}

struct ext check_server_ext = { .name = "check",
				.bytes = sizeof(struct check_conf),
				.init = server_part_init };
struct ext check_proxy_ext = { .name = "check", .bytes = sizeof(struct check_proxy) };

/* Connecting is the whole check. */
const struct check_type check_tcp = { .name = "tcp",
				      .help = "the server accepts a TCP connection" };

void check_set_type(struct proxy *px, const struct check_type *t)
{
	struct check_proxy *p = proxy_ext(px, &check_proxy_ext);

	p->type = t;
	p->fixed = NULL;
}

void check_set_rules(struct proxy *px, const struct check_type *type, const struct tcp_rules *r)
{
	struct check_proxy *p = proxy_ext(px, &check_proxy_ext);

	p->type = type;
	p->fixed = r;
}

const struct tcp_rules *check_rules_of(const struct proxy *px)
{
	static const struct tcp_rules none = { .named = true };
	const struct check_proxy *p = proxy_ext(px, &check_proxy_ext);

	return p->fixed ? p->fixed : p->own ? p->own : &none;
}

struct tcp_rules *check_own_rules(struct cfg_line *l)
{
	struct check_proxy *p = proxy_ext(l->px, &check_proxy_ext);

	if (p->own_from != l->px) {
		p->own = ARENA_NEW(l->arena, struct tcp_rules);
		p->own_from = l->px;
	}
	return p->own;
}

/* ---- server options ---- */

static struct check_conf *conf_of(struct server *s)
{
	return check_conf_of(s);
}

static const char *value(const struct cfg_line *l, int i)
{
	return i + 1 < l->nwords ? l->words[i + 1].z : "";
}

static int opt_time(struct cfg_line *l, int *i, uint32_t *to)
{
	const char *z = value(l, *i);

	if (parse_time_ms(slice_z(z), to) || !*to)
		return cfg_error(l, *i + 1,
				 "'%s' wants a time above 0 such as 2s or 500ms, not '%s'",
				 l->words[*i].z, z);
	*i += 2;
	return 0;
}

static int opt_count(struct cfg_line *l, int *i, int *to)
{
	const char *z = value(l, *i);
	int64_t n;

	if (parse_i64(slice_z(z), 1, 1000000, &n))
		return cfg_error(l, *i + 1, "'%s' wants a number of checks from 1 on, not '%s'",
				 l->words[*i].z, z);
	*to = (int)n;
	*i += 2;
	return 0;
}

static int opt_check(struct cfg_line *l, int *i, struct server *s)
{
	conf_of(s)->enabled = true;
	*i += 1;
	return 0;
}

static int opt_no_check(struct cfg_line *l, int *i, struct server *s)
{
	conf_of(s)->enabled = false;
	*i += 1;
	return 0;
}

static int opt_inter(struct cfg_line *l, int *i, struct server *s)
{
	return opt_time(l, i, &conf_of(s)->inter_ms);
}

static int opt_fastinter(struct cfg_line *l, int *i, struct server *s)
{
	return opt_time(l, i, &conf_of(s)->fastinter_ms);
}

static int opt_downinter(struct cfg_line *l, int *i, struct server *s)
{
	return opt_time(l, i, &conf_of(s)->downinter_ms);
}

static int opt_rise(struct cfg_line *l, int *i, struct server *s)
{
	return opt_count(l, i, &conf_of(s)->rise);
}

static int opt_fall(struct cfg_line *l, int *i, struct server *s)
{
	return opt_count(l, i, &conf_of(s)->fall);
}

static int opt_port(struct cfg_line *l, int *i, struct server *s)
{
	const char *z = value(l, *i);
	uint32_t port;

	if (parse_u32(slice_z(z), 65535, &port) || !port)
		return cfg_error(l, *i + 1, "'port' must be 1..65535, not '%s'", z);
	conf_of(s)->addr.port = (uint16_t)port;
	*i += 2;
	return 0;
}

static int opt_addr(struct cfg_line *l, int *i, struct server *s)
{
	struct check_conf *f = conf_of(s);
	struct cfg_address a;

	if (cfg_address_parse(l, *i + 1, value(l, *i), CFG_ADDR_PORT | CFG_ADDR_NAME, &a))
		return -1;
	if (!a.addr.port)
		a.addr.port = f->addr.port;
	f->addr = a.addr;
	f->addr_set = true;
	*i += 2;
	return 0;
}

static int opt_on_marked_down(struct cfg_line *l, int *i, struct server *s)
{
	if (strcmp(value(l, *i), "shutdown-sessions") != 0)
		return cfg_error(l, *i + 1,
				 "'on-marked-down' only takes 'shutdown-sessions', not '%s'",
				 value(l, *i));
	s->shutdown_on_down = true;
	*i += 2;
	return 0;
}

static int opt_on_marked_up(struct cfg_line *l, int *i, struct server *s)
{
	static const char *const names[] = { "shutdown-backup-sessions", NULL };

	if (server_option_choice(l, i, names) < 0)
		return -1;
	s->clear_backups_on_up = true;
	return 0;
}

static const struct server_option options[] = {
	{ "check", opt_check, KERNEL_EXACT, NULL, "check", "Checks the server's health." },
	{ "no-check", opt_no_check, KERNEL_EXACT, NULL, "no-check",
	  "Takes back an inherited 'check'." },
	{ "inter", opt_inter, KERNEL_EXACT, NULL, "inter <time>",
	  "Time between two checks; default 2s." },
	{ "fastinter", opt_fastinter, KERNEL_EXACT, NULL, "fastinter <time>",
	  "The same while the state may be changing." },
	{ "downinter", opt_downinter, KERNEL_EXACT, NULL, "downinter <time>",
	  "The same while the server is down." },
	{ "rise", opt_rise, KERNEL_EXACT, NULL, "rise <count>",
	  "Passed checks that bring a server up; default 2." },
	{ "fall", opt_fall, KERNEL_EXACT, NULL, "fall <count>",
	  "Failed checks that take a server down; default 3." },
	{ "port", opt_port, KERNEL_EXACT, NULL, "port <port>",
	  "The port to check, if it is not the service's." },
	{ "addr", opt_addr, KERNEL_EXACT, NULL, "addr <ip>[:<port>]",
	  "The address to check, if it is not the server's." },
	{ "on-marked-down", opt_on_marked_down, KERNEL_EXACT, NULL,
	  "on-marked-down shutdown-sessions",
	  "What happens to connections when the server goes down." },
	{ "on-marked-up", opt_on_marked_up, KERNEL_NEVER,
	  "connections of backup servers end only where the daemon has them",
	  "on-marked-up shutdown-backup-sessions",
	  "Connections of the backup servers end when this server comes up." },
};

/* ---- keywords ---- */

static int parse_log_health(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "option log-health-checks"))
		return -1;
	l->px->options &= ~PX_O_LOG_HEALTH;
	l->px->no_options &= ~PX_O_LOG_HEALTH;
	if (l->negated)
		l->px->no_options |= PX_O_LOG_HEALTH;
	else if (!l->is_default)
		l->px->options |= PX_O_LOG_HEALTH;
	return 0;
}

static int parse_spread(struct cfg_line *l)
{
	int64_t n;

	if (cfg_want_args(l, 1, 1, "spread-checks <0..50>") || cfg_arg_i64(l, 0, 0, 50, &n))
		return -1;
	l->cfg->global.spread_checks = (uint32_t)n;
	return 0;
}

static int parse_max_spread(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, 1, "max-spread-checks <time>"))
		return -1;
	return cfg_arg_time(l, 0, &l->cfg->global.max_spread_checks_ms);
}

static const struct cfg_keyword keywords[] = {
	{ "option log-health-checks", CFG_DEFAULTS | CFG_BACKEND, parse_log_health, KERNEL_EXACT,
	  NULL, "option log-health-checks",
	  "Logs every change of a check's result, not only of the server's state.",
	  CFG_CAN_NEGATE },
	{ "spread-checks", CFG_GLOBAL, parse_spread, KERNEL_EXACT, NULL, "spread-checks <0..50>",
	  "Randomness of check intervals in percent.", 0 },
	{ "max-spread-checks", CFG_GLOBAL, parse_max_spread, KERNEL_EXACT, NULL,
	  "max-spread-checks <time>", "The first checks start within this time.", 0 },
};

void check_words_init(void)
{
	ext_register(EXT_SERVER, &check_server_ext);
	ext_register(EXT_PROXY, &check_proxy_ext);
	cfg_register_server_options(options, ARRAY_SIZE(options));
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
}
