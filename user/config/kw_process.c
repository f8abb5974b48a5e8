// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The global section: what the process may do, how it ends, and where it looks for files. Limits and identity are in
 * kw_global.c. Control thread, before the workers start.
 */
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/keyword.h"
#include "config/language.h"
#include "config/reader.h"
#include "model/config.h"

static struct global *global_of(struct cfg_line *l)
{
	return &l->cfg->global;
}

/* ---- switches ---- */

struct switch_row {
	const char *name;
	size_t offset; /* of a bool in struct global */
};

static const struct switch_row switches[] = {
	{ "external-check", offsetof(struct global, external_check) },
	{ "insecure-fork-wanted", offsetof(struct global, insecure_fork) },
	{ "insecure-setuid-wanted", offsetof(struct global, insecure_setuid) },
	{ "expose-experimental-directives", offsetof(struct global, experimental) },
	{ "expose-deprecated-directives", offsetof(struct global, deprecated) },
	{ "prealloc-fd", offsetof(struct global, prealloc_fd) },
	{ "busy-polling", offsetof(struct global, busy_polling) },
};

static int parse_switch(struct cfg_line *l)
{
	const char *name = l->words[l->first_arg - 1].z;

	if (cfg_want_args(l, 0, 0, name))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		if (!strcmp(switches[i].name, name))
			*(bool *)((char *)global_of(l) + switches[i].offset) = !l->negated;
	return 0;
}

int cfg_arg_on_off(struct cfg_line *l, int k, bool *out)
{
	const char *z = cfg_arg(l, k);

	if (!strcmp(z, "on") || !strcmp(z, "off")) {
		*out = z[1] == 'n';
		return 0;
	}
	return cfg_error(l, l->first_arg + k, "'%s' takes 'on' or 'off', not '%s'", l->words[0].z,
			 z);
}

static int parse_privileged_ports(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, 1, "harden.reject-privileged-ports.tcp on|off"))
		return -1;
	return cfg_arg_on_off(l, 0, &global_of(l)->reject_privileged_ports);
}

static int parse_multi_queue(struct cfg_line *l)
{
	bool on = true;

	if (cfg_want_args(l, 1, 1, "tune.listener.multi-queue on|fair|off"))
		return -1;
	if (strcmp(cfg_arg(l, 0), "fair") && cfg_arg_on_off(l, 0, &on))
		return -1;
	global_of(l)->single_queue = !on;
	return 0;
}

/* ---- the end ---- */

static int parse_grace(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, 1, "grace <time>"))
		return -1;
	return cfg_arg_time(l, 0, &global_of(l)->grace_ms);
}

static int parse_close_spread(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, 1, "close-spread-time <time>|infinite"))
		return -1;
	if (!strcmp(cfg_arg(l, 0), "infinite")) {
		global_of(l)->close_spread_ms = UINT32_MAX;
		return 0;
	}
	return cfg_arg_time(l, 0, &global_of(l)->close_spread_ms);
}

static int parse_max_reloads(struct cfg_line *l)
{
	int64_t n;

	if (cfg_want_args(l, 1, 1, "mworker-max-reloads <number>") ||
	    cfg_arg_i64(l, 0, 0, INT32_MAX, &n))
		return -1;
	global_of(l)->mworker_max_reloads = (uint32_t)n;
	return 0;
}

static int parse_fd_hard_limit(struct cfg_line *l)
{
	int64_t n;

	if (cfg_want_args(l, 1, 1, "fd-hard-limit <number>") || cfg_arg_i64(l, 0, 1, INT32_MAX, &n))
		return -1;
	global_of(l)->fd_hard_limit = (uint32_t)n;
	return 0;
}

static int parse_nogetaddrinfo(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "nogetaddrinfo"))
		return -1;
	config_reading.no_getaddrinfo = true;
	return 0;
}

static int parse_dns_family(struct cfg_line *l)
{
	const char *z = cfg_arg(l, 0);

	if (cfg_want_args(l, 1, 1, "dns-accept-family auto|ipv4|ipv6|ipv4,ipv6"))
		return -1;
	if (strcmp(z, "ipv4") && strcmp(z, "ipv6") && strcmp(z, "auto") && strcmp(z, "ipv4,ipv6") &&
	    strcmp(z, "ipv6,ipv4"))
		return cfg_error(l, l->first_arg,
				 "'dns-accept-family' takes 'ipv4', 'ipv6', 'ipv4,ipv6' or 'auto', "
				 "not '%s'",
				 z);
	config_reading.ipv4_only = !strcmp(z, "ipv4");
	config_reading.ipv6_only = !strcmp(z, "ipv6");
	return 0;
}

/* ---- capabilities ---- */

static const struct {
	const char *name;
	int number;
} capabilities[] = {
	{ "cap_net_admin", CAP_NET_ADMIN },
	{ "cap_net_raw", CAP_NET_RAW },
	{ "cap_net_bind_service", CAP_NET_BIND_SERVICE },
	{ "cap_sys_admin", CAP_SYS_ADMIN },
	{ "cap_bpf", CAP_BPF },
};

static int parse_setcap(struct cfg_line *l)
{
	const char *p = cfg_arg(l, 0);

	if (cfg_want_args(l, 1, 1, "setcap <name>[,<name>...]"))
		return -1;
	for (;;) {
		size_t n = strcspn(p, ","), i = 0;

		while (i < ARRAY_SIZE(capabilities) &&
		       (strlen(capabilities[i].name) != n || memcmp(capabilities[i].name, p, n)))
			i++;
		if (i == ARRAY_SIZE(capabilities))
			return cfg_error(l, l->first_arg,
					 "'setcap' takes cap_net_admin, cap_net_raw, "
					 "cap_net_bind_service, cap_sys_admin and cap_bpf, not "
					 "'%.*s'",
					 (int)n, p);
		global_of(l)->kept_capabilities |= 1ULL << capabilities[i].number;
		if (!p[n])
			return 0;
		p += n + 1;
	}
}

/* ---- unix-bind ---- */

static int unix_bind_number(struct cfg_line *l, int i, int base, uint32_t *out)
{
	const char *z = l->words[i + 1].z;
	char *end;
	unsigned long v = strtoul(z, &end, base);

	if (!*z || *end || *z == '-' || v >= UINT32_MAX || (base == 8 && v > 07777))
		return cfg_error(l, i + 1, "'unix-bind %s' takes %s, not '%s'", l->words[i].z,
				 base == 8 ? "permissions in octal (660)" : "a number", z);
	*out = (uint32_t)v;
	return 0;
}

static int unix_bind_option(struct cfg_line *l, int i)
{
	const char *name = l->words[i].z, *value = l->words[i + 1].z;
	struct global *g = global_of(l);
	const struct passwd *pw;
	const struct group *gr;

	if (!strcmp(name, "prefix")) {
		g->unix_prefix = value;
		return 0;
	}
	if (!strcmp(name, "mode"))
		return unix_bind_number(l, i, 8, &g->unix_mode);
	if (!strcmp(name, "uid"))
		return unix_bind_number(l, i, 10, &g->unix_uid);
	if (!strcmp(name, "gid"))
		return unix_bind_number(l, i, 10, &g->unix_gid);
	if (!strcmp(name, "user")) {
		pw = getpwnam(value);
		if (!pw)
			return cfg_error(l, i + 1, "there is no user '%s' on this machine", value);
		g->unix_uid = pw->pw_uid;
		return 0;
	}
	if (!strcmp(name, "group")) {
		gr = getgrnam(value);
		if (!gr)
			return cfg_error(l, i + 1, "there is no group '%s' on this machine", value);
		g->unix_gid = gr->gr_gid;
		return 0;
	}
	return cfg_error(l, i,
			 "'unix-bind' takes 'prefix', 'mode', 'uid', 'gid', 'user' and 'group', "
			 "not '%s'",
			 name);
}

static int parse_unix_bind(struct cfg_line *l)
{
	for (int i = l->first_arg; i < l->nwords; i += 2) {
		if (unix_bind_option(l, i))
			return -1;
		if (i + 1 >= l->nwords)
			return cfg_error(l, l->nwords, "'unix-bind %s' needs a value",
					 l->words[i].z);
	}
	return 0;
}

/* ---- default-path ---- */

static int parse_default_path(struct cfg_line *l)
{
	static const char *const names[] = { "current", "config", "parent", "origin" };
	struct reader_path *p = &reader_path;
	size_t i = 0;

	if (cfg_want_args(l, 1, 2, "default-path current|config|parent|origin <directory>"))
		return -1;
	while (i < ARRAY_SIZE(names) && strcmp(names[i], cfg_arg(l, 0)))
		i++;
	if (i == ARRAY_SIZE(names))
		return cfg_error(l, l->first_arg,
				 "'default-path' takes 'current', 'config', 'parent' or 'origin "
				 "<directory>', not '%s'",
				 cfg_arg(l, 0));
	if ((i == READER_PATH_ORIGIN) != (cfg_argc(l) == 2))
		return cfg_want_args(l, i == READER_PATH_ORIGIN ? 2 : 1,
				     i == READER_PATH_ORIGIN ? 2 : 1,
				     i == READER_PATH_ORIGIN
					     ? "default-path origin <directory>"
					     : "default-path current|config|parent");
	p->mode = (enum reader_path_mode)i;
	p->origin = cfg_arg(l, 1);
	return reader_path_enter(l);
}

#define SWITCH(name, usage, help)                                                               \
	{                                                                                       \
		name, CFG_GLOBAL, parse_switch, KERNEL_EXACT, NULL, usage, help, CFG_CAN_NEGATE \
	}
#define PROCESS(name, parse, usage, help)                                \
	{                                                                \
		name, CFG_GLOBAL, parse, KERNEL_EXACT, NULL, usage, help \
	}

static const struct cfg_keyword rows[] = {
	SWITCH("external-check", "[no] external-check",
	       "Health checks may run programs ('option external-check')."),
	SWITCH("insecure-fork-wanted", "[no] insecure-fork-wanted",
	       "The process starts others while it serves, as external checks do; without it they "
	       "draw a "
	       "warning."),
	SWITCH("insecure-setuid-wanted", "[no] insecure-setuid-wanted",
	       "What the process starts may gain privileges by set-user-id programs; else the "
	       "kernel forbids it (no_new_privs)."),
	{ "expose-experimental-directives", CFG_GLOBAL, parse_switch, KERNEL_EXACT, NULL,
	  "[no] expose-experimental-directives",
	  "Allows words that HAProxy calls experimental; lbd accepts them anyway.",
	  CFG_CAN_NEGATE | CFG_EFFECT_NONE },
	{ "expose-deprecated-directives", CFG_GLOBAL, parse_switch, KERNEL_EXACT, NULL,
	  "[no] expose-deprecated-directives",
	  "Allows words that HAProxy calls deprecated; lbd accepts them anyway.",
	  CFG_CAN_NEGATE | CFG_EFFECT_NONE },
	SWITCH("prealloc-fd", "prealloc-fd",
	       "The table of descriptors has its full size from the start."),
	SWITCH("busy-polling", "[no] busy-polling",
	       "Workers never sleep: lower latency for a whole CPU each. Ends with a soft stop."),
	PROCESS("grace", parse_grace, "grace <time>",
		"After SIGUSR1, how long listeners go on before the soft stop; 'stopping' is true "
		"meanwhile."),
	PROCESS("close-spread-time", parse_close_spread, "close-spread-time <time>|infinite",
		"A soft stop asks connections to end spread over this time; infinite: never."),
	PROCESS("mworker-max-reloads", parse_max_reloads, "mworker-max-reloads <number>",
		"A worker that is still there after more reloads than this is told to end at "
		"once."),
	PROCESS("fd-hard-limit", parse_fd_hard_limit, "fd-hard-limit <number>",
		"Most descriptors that the process takes, whatever the system allows."),
	PROCESS("nogetaddrinfo", parse_nogetaddrinfo, "nogetaddrinfo",
		"Names of servers stand for IPv4 addresses only, as with gethostbyname(3)."),
	PROCESS("dns-accept-family", parse_dns_family, "dns-accept-family auto|ipv4|ipv6",
		"Families of the addresses that names of servers resolve to."),
	PROCESS("harden.reject-privileged-ports.tcp", parse_privileged_ports,
		"harden.reject-privileged-ports.tcp on|off",
		"Connections from ports below 1024 are closed at once."),
	PROCESS("tune.listener.multi-queue", parse_multi_queue,
		"tune.listener.multi-queue on|fair|off",
		"Off: a connection stays in the thread that accepted it, even when others have "
		"less to do."),
	PROCESS("setcap", parse_setcap, "setcap <name>[,<name>...]",
		"Capabilities that stay when another user is taken."),
	PROCESS("unix-bind", parse_unix_bind,
		"unix-bind [prefix <prefix>] [mode <octal>] [user|group <name>] [uid|gid <number>]",
		"What bind lines of unix sockets say when they do not say it themselves."),
	PROCESS("default-path", parse_default_path,
		"default-path current|config|parent|origin <directory>",
		"Where relative paths of files start that the configuration names."),
};

void kw_process_init(void)
{
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
}
