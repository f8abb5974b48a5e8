/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf.c - lbd's own words: `datapath` and `forward`, in global and in proxies. Control thread, at start.
 */
#include "base/units.h"
#include "datapath/datapath.h"
#include "datapath/plan.h"

#define DEFAULT_PIN     "/sys/fs/bpf/lbd"
#define DEFAULT_FLOWS   1000000
#define MAX_FLOWS       64000000
#define DEFAULT_PORT_LO 1024
#define DEFAULT_PORT_HI 32767

static struct ext px_ext = { .name = "datapath", .bytes = sizeof(struct datapath_px) };

struct datapath_px *datapath_px(const struct proxy *px)
{
	return proxy_ext(px, &px_ext);
}

/* ---- global ---- */

static struct datapath_conf *global_conf(struct cfg_line *l)
{
	struct global *g = &l->cfg->global;

	if (!g->datapath) {
		g->datapath = ARENA_NEW(l->arena, struct datapath_conf);
		g->datapath->pin = DEFAULT_PIN;
		g->datapath->flows = DEFAULT_FLOWS;
		g->datapath->port_lo = DEFAULT_PORT_LO;
		g->datapath->port_hi = DEFAULT_PORT_HI;
		g->datapath->at = l->at;
	}
	return g->datapath;
}

static int parse_hook(struct cfg_line *l, int k, enum hook_wish *out)
{
	static const char *const names[] = { "auto", "xdp", "xdp-generic", "tc" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(cfg_arg(l, k), names[i]) == 0) {
			*out = (enum hook_wish)i;
			return 0;
		}
	}
	return cfg_error(l, l->first_arg + k, "hook must be auto, xdp, xdp-generic or tc, not '%s'",
			 cfg_arg(l, k));
}

static int add_iface(struct cfg_line *l, struct datapath_conf *c, struct slice name,
		     enum hook_wish hook)
{
	if (!name.n || name.n >= 16)
		return cfg_error(l, l->first_arg,
				 "'%.*s' is no interface name (1 to 15 characters)",
				 SLICE_FMT(name));
	for (int i = 0; i < c->nifaces; i++)
		if (slice_eq_z(name, c->iface[i].name))
			return cfg_error(l, l->first_arg, "interface '%.*s' is named twice",
					 SLICE_FMT(name));
	if (c->nifaces == DATAPATH_IFACES)
		return cfg_error(l, l->first_arg, "at most %d interfaces", DATAPATH_IFACES);
	c->iface[c->nifaces].name = arena_dup(l->arena, name).p;
	c->iface[c->nifaces].hook = hook;
	c->iface[c->nifaces].at = cfg_place(l, l->first_arg);
	c->nifaces++;
	return 0;
}

/* datapath interface eth0,eth1 [hook auto|xdp|xdp-generic|tc] */
static int parse_interface(struct cfg_line *l)
{
	struct datapath_conf *c = global_conf(l);
	struct slice rest = slice_z(cfg_arg(l, 0));
	enum hook_wish hook = HOOK_AUTO;

	if (cfg_want_args(l, 1, 3,
			  "datapath interface <name>[,<name>...] [hook auto|xdp|xdp-generic|tc]"))
		return -1;
	if (cfg_argc(l) > 1) {
		if (strcmp(cfg_arg(l, 1), "hook") != 0 || cfg_argc(l) != 3)
			return cfg_error(l, l->first_arg + 1,
					 "'hook auto|xdp|xdp-generic|tc' may stand here, not '%s'",
					 cfg_arg(l, 1));
		if (parse_hook(l, 2, &hook))
			return -1;
	}
	for (;;) {
		ptrdiff_t comma = slice_chr(rest, ',');

		if (add_iface(l, c, comma < 0 ? rest : slice_first(rest, (size_t)comma), hook))
			return -1;
		if (comma < 0)
			return 0;
		rest = slice_from(rest, (size_t)comma + 1);
	}
}

static int parse_pin(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, 1, "datapath pin <directory>"))
		return -1;
	if (cfg_arg(l, 0)[0] != '/')
		return cfg_error(l, l->first_arg,
				 "the pin directory must be an absolute path on a bpffs, not '%s'",
				 cfg_arg(l, 0));
	global_conf(l)->pin = cfg_arg(l, 0);
	return 0;
}

static int parse_flows(struct cfg_line *l)
{
	int64_t n;

	if (cfg_want_args(l, 1, 1, "datapath flows <number>") ||
	    cfg_arg_i64(l, 0, 1, MAX_FLOWS, &n))
		return -1;
	global_conf(l)->flows = (uint32_t)n;
	return 0;
}

static int parse_ports(struct cfg_line *l)
{
	struct slice s = slice_z(cfg_arg(l, 0));
	ptrdiff_t dash = slice_chr(s, '-');
	uint32_t lo, hi;

	if (cfg_want_args(l, 1, 1, "datapath ports <low>-<high>"))
		return -1;
	if (dash < 0 || parse_u32(slice_first(s, (size_t)dash), 65535, &lo) ||
	    parse_u32(slice_from(s, (size_t)dash + 1), 65535, &hi) || lo == 0 || lo > hi)
		return cfg_error(l, l->first_arg, "'%s' is no port range; write it as 1024-32767",
				 cfg_arg(l, 0));
	global_conf(l)->port_lo = (uint16_t)lo;
	global_conf(l)->port_hi = (uint16_t)hi;
	return 0;
}

/* ---- proxies ---- */

static bool wish_from_text(const char *z, enum path_wish *out)
{
	static const char *const names[] = { "auto", "user", "splice", "kernel" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(z, names[i]) == 0) {
			*out = (enum path_wish)i;
			return true;
		}
	}
	return false;
}

/* datapath auto|kernel|splice|user ; datapath require kernel|splice */
static int parse_px_datapath(struct cfg_line *l)
{
	struct datapath_px *p = datapath_px(l->px);
	enum path_wish wish;
	int k = 0;
	bool require = false;

	if (cfg_want_args(l, 1, 2, "datapath [require] auto|kernel|splice|user"))
		return -1;
	if (strcmp(cfg_arg(l, 0), "require") == 0) {
		require = true;
		k = 1;
	} else if (cfg_argc(l) == 2) {
		return cfg_error(l, l->first_arg + 1, "nothing may stand behind 'datapath %s'",
				 cfg_arg(l, 0));
	}
	if (!wish_from_text(cfg_arg(l, k), &wish))
		return cfg_error(l, l->first_arg + k,
				 "a data path is auto, kernel, splice or user, not '%s'",
				 cfg_arg(l, k));
	if (require && wish != WISH_KERNEL && wish != WISH_SPLICE)
		return cfg_error(l, l->first_arg + k,
				 "'require' goes with kernel or splice, not '%s'", cfg_arg(l, k));
	p->wish = wish;
	p->require = require;
	p->at = l->at;
	return 0;
}

/* datapath accept retries,timeout-connect,... : approximations that auto may use */
static int parse_px_accept(struct cfg_line *l)
{
	struct datapath_px *p = datapath_px(l->px);
	struct slice rest = slice_z(cfg_arg(l, 0));
	int n = 1;

	if (cfg_want_args(l, 1, 1,
			  "datapath accept <keyword>[,<keyword>...]  (spaces in a keyword as -)"))
		return -1;
	for (size_t i = 0; i < rest.n; i++)
		n += rest.p[i] == ',';
	p->accept = arena_zalloc(l->arena, sizeof(*p->accept) * (size_t)(n + 1));
	for (int i = 0; i < n; i++) {
		ptrdiff_t comma = slice_chr(rest, ',');
		struct slice one = comma < 0 ? rest : slice_first(rest, (size_t)comma);

		if (!one.n)
			return cfg_error(l, l->first_arg, "an empty name in '%s'", cfg_arg(l, 0));
		p->accept[i] = arena_dup(l->arena, one).p;
		rest = slice_from(rest, comma < 0 ? rest.n : (size_t)comma + 1);
	}
	return 0;
}

static int parse_px_forward(struct cfg_line *l)
{
	struct datapath_px *p = datapath_px(l->px);

	if (cfg_want_args(l, 1, 1, "forward nat"))
		return -1;
	if (strcmp(cfg_arg(l, 0), "nat") != 0)
		return cfg_error(l, l->first_arg, "lbd can forward by nat so far, not by '%s'",
				 cfg_arg(l, 0));
	p->forward = FORWARD_NAT;
	p->forward_at = l->at;
	return 0;
}

static const struct cfg_keyword rows[] = {
	{ "datapath interface", CFG_GLOBAL, parse_interface, KERNEL_EXACT, NULL,
	  "datapath interface <name>[,<name>...] [hook auto|xdp|xdp-generic|tc]",
	  "Interfaces on which packet programs may be attached; without this line nothing is "
	  "attached.",
	  0 },
	{ "datapath pin", CFG_GLOBAL, parse_pin, KERNEL_EXACT, NULL, "datapath pin <directory>",
	  "Where maps, programs and links are pinned (on a bpffs); default " DEFAULT_PIN ".", 0 },
	{ "datapath flows", CFG_GLOBAL, parse_flows, KERNEL_EXACT, NULL, "datapath flows <number>",
	  "This many established flows are guaranteed a place in the flow table; default 1000000.",
	  0 },
	{ "datapath ports", CFG_GLOBAL, parse_ports, KERNEL_EXACT, NULL,
	  "datapath ports <low>-<high>",
	  "Source ports of full NAT when the source is an address of this host; default "
	  "1024-32767.",
	  0 },
	{ "datapath accept", CFG_ANY_PROXY, parse_px_accept, KERNEL_EXACT, NULL,
	  "datapath accept <keyword>[,<keyword>...]",
	  "Approximations of the kernel path that `datapath auto` may use for this service.", 0 },
	{ "datapath", CFG_ANY_PROXY, parse_px_datapath, KERNEL_EXACT, NULL,
	  "datapath [require] auto|kernel|splice|user",
	  "How far down the service is pushed; what cannot be honoured is an error, never a silent "
	  "change.",
	  0 },
	{ "forward", CFG_ANY_PROXY, parse_px_forward, KERNEL_EXACT, NULL, "forward nat",
	  "How packets reach the servers on the kernel path; default nat (full NAT).", 0 },
};

void datapath_conf_init(void)
{
	ext_register(EXT_PROXY, &px_ext);
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
}
