// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * persist_rdp.c - `persist rdp-cookie`: the cookie in a Remote Desktop client's first packet names the address and port of
 * the server that has its session (MS-RDPBCGR 3.2.5.3.1: "msts=<address>.<port>.0000", numbers of bytes in their order on
 * the wire). Parsing: control thread; running: the stream's worker.
 */
#include "policy/persist.h"

#include "model/server.h"
#include "policy/sample.h"
#include "stream/stream.h"

#define DEFAULT_COOKIE "msts"

struct rdp_conf {
	struct expr *cookie; /* NULL: no such line */
};

static struct ext rdp_ext = { .name = "persist rdp-cookie", .bytes = sizeof(struct rdp_conf) };

bool persist_rdp_wanted(const struct proxy *be)
{
	return ((const struct rdp_conf *)proxy_ext(be, &rdp_ext))->cookie;
}

/* The decimal number at @*s, which moves behind it and one '.'; -1: none. */
static int64_t take_number(struct slice *s)
{
	int64_t n = 0;
	size_t i = 0;

	while (i < s->n && i < 10 && s->p[i] >= '0' && s->p[i] <= '9')
		n = n * 10 + s->p[i++] - '0';
	if (!i)
		return -1;
	*s = slice_from(*s, i + (i < s->n && s->p[i] == '.'));
	return n;
}

static bool address_of(struct slice cookie, struct addr *out)
{
	int64_t ip = take_number(&cookie), port = take_number(&cookie);

	if (ip < 0 || ip > UINT32_MAX || port < 0 || port > UINT16_MAX)
		return false;
	*out = (struct addr){ .family = ADDR_IP4,
			      .port = (uint16_t)((port & 0xff) << 8 | port >> 8) };
	for (int i = 0; i < 4; i++)
		out->ip[i] = (uint8_t)(ip >> (8 * i));
	return true;
}

void persist_rdp_run(struct stream *s, const struct smp_ctx *ctx)
{
	const struct rdp_conf *conf = proxy_ext(s->be, &rdp_ext);
	struct addr named, own;
	struct server *srv;
	struct sample v;

	if (!expr_eval(conf->cookie, ctx, SMP_STR, &v) || !address_of(v.u.s, &named))
		return;
	list_for_each_entry(srv, &s->be->servers, node) {
		server_addr(srv, &own);
		if (!addr_eq(&own, &named))
			continue;
		if (persist_may_use(s, srv)) {
			s->srv = srv;
			s->persistent = true;
		}
		return;
	}
}

/* "rdp-cookie", "rdp-cookie(name)" as the expression that gives the cookie. Also for `balance`. */
struct expr *persist_rdp_expr(struct cfg_line *l, int word, const char *name_if_none)
{
	const char *z = l->words[word].z, *open = strchr(z, '(');
	size_t n = open ? strcspn(open + 1, "(),'\"\\ ") : 0;

	if (open && (!n || strcmp(open + 1 + n, ")"))) {
		cfg_error(l, word, "'%s': the parentheses hold the name of a cookie", z);
		return NULL;
	}
	return expr_parse(l, word,
			  arena_printf(l->arena, "req.rdp_cookie(%.*s)",
				       open ? (int)n : (int)strlen(name_if_none),
				       open ? open + 1 : name_if_none),
			  SMP_WHERE_TCP_REQ | SMP_W_BACKEND);
}

static int parse_persist(struct cfg_line *l)
{
	struct rdp_conf *conf = proxy_ext(l->px, &rdp_ext);
	const char *z = cfg_arg(l, 0);

	if (cfg_want_args(l, 1, 1, "persist rdp-cookie[(<name>)]"))
		return -1;
	if (strcmp(z, "rdp-cookie") != 0 && strncmp(z, "rdp-cookie(", 11) != 0)
		return cfg_error(l, l->first_arg,
				 "'persist' knows 'rdp-cookie[(<name>)]', not '%s'", z);
	conf->cookie = persist_rdp_expr(l, l->first_arg, DEFAULT_COOKIE);
	return conf->cookie ? 0 : -1;
}

static const struct cfg_keyword keywords[] = {
	{ "persist", CFG_DEFAULTS | CFG_BACKEND, parse_persist, KERNEL_NEVER,
	  "the cookie stands in the client's first bytes", "persist rdp-cookie[(<name>)]",
	  "Remote Desktop clients go back to the server that their cookie names.", 0 },
};

void persist_rdp_register(void)
{
	ext_register(EXT_PROXY, &rdp_ext);
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
}
