// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stats_conf.c - the configuration words of the statistics page ("stats enable", "stats uri" ...). Each of them turns
 * the page on for its section, as in HAProxy. Not for: stats sockets (user/admin/socket.c). Control thread.
 */
#include "policy/acl.h"
#include "policy/sample.h"
#include "stats_page.h"

#include <stdlib.h>
#include <unistd.h>

static void part_init(void *mem)
{
	struct stats_page *p = mem;

	p->uri = "/haproxy?stats";
	p->realm = "HAProxy Statistics";
}

struct ext stats_page_ext = { .name = "stats page",
			      .bytes = sizeof(struct stats_page),
			      .init = part_init };

static struct stats_page *part(const struct cfg_line *l)
{
	struct stats_page *p = stats_page_of(l->px);

	p->enabled = true;
	return p;
}

static int parse_enable(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "stats enable"))
		return -1;
	part(l);
	return 0;
}

static int parse_uri(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, 1, "stats uri <prefix>"))
		return -1;
	part(l)->uri = arena_strdup(l->arena, cfg_arg(l, 0));
	return 0;
}

static int parse_realm(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, 1, "stats realm <text>"))
		return -1;
	part(l)->realm = arena_strdup(l->arena, cfg_arg(l, 0));
	return 0;
}

static int parse_refresh(struct cfg_line *l)
{
	uint32_t ms;

	if (cfg_want_args(l, 1, 1, "stats refresh <time>"))
		return -1;
	/* without a unit these are seconds */
	if (cfg_arg(l, 0)[strspn(cfg_arg(l, 0), "0123456789")] == 0)
		part(l)->refresh_s = (uint32_t)atoi(cfg_arg(l, 0));
	else if (cfg_arg_time(l, 0, &ms))
		return -1;
	else
		part(l)->refresh_s = ms / 1000;
	return part(l)->refresh_s
		       ? 0
		       : cfg_error(l, l->first_arg, "stats refresh: at least one second, not '%s'",
				   cfg_arg(l, 0));
}

/* Lists are shared with the defaults section until one of both adds. */
static const char **list_add(struct cfg_line *l, const char **list, int *n, const char *z)
{
	const char **more = arena_alloc(l->arena, (size_t)(*n + 1) * sizeof(*more));

	if (*n)
		memcpy(more, list, (size_t)*n * sizeof(*more));
	more[(*n)++] = arena_strdup(l->arena, z);
	return more;
}

static int parse_auth(struct cfg_line *l)
{
	struct stats_page *p;

	if (cfg_want_args(l, 1, 1, "stats auth <user>:<password>"))
		return -1;
	if (!strchr(cfg_arg(l, 0), ':'))
		return cfg_error(l, l->first_arg, "stats auth: expected <user>:<password>");
	p = part(l);
	p->auth = list_add(l, p->auth, &p->nauth, cfg_arg(l, 0));
	return 0;
}

static int parse_scope(struct cfg_line *l)
{
	struct stats_page *p;

	if (cfg_want_args(l, 1, 1, "stats scope <name>|."))
		return -1;
	p = part(l);
	p->scope = list_add(l, p->scope, &p->nscope, cfg_arg(l, 0));
	return 0;
}

static int parse_hide_version(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "stats hide-version"))
		return -1;
	part(l)->hide_version = true;
	return 0;
}

static int parse_legends(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "stats show-legends"))
		return -1;
	part(l)->legends = true;
	return 0;
}

static int parse_node(struct cfg_line *l)
{
	char host[256] = "localhost";

	if (cfg_want_args(l, 0, 1, "stats show-node [<name>]"))
		return -1;
	gethostname(host, sizeof(host) - 1);
	part(l)->node = arena_strdup(l->arena, cfg_argc(l)           ? cfg_arg(l, 0)
					       : l->cfg->global.node ? l->cfg->global.node
								     : host);
	return 0;
}

static int parse_desc(struct cfg_line *l)
{
	struct strbuf b = STRBUF_INIT;

	for (int k = 0; k < cfg_argc(l); k++)
		strbuf_addf(&b, "%s%s", k ? " " : "", cfg_arg(l, k));
	part(l)->desc = b.n ? arena_strdup(l->arena, strbuf_z(&b)) : l->cfg->global.description;
	strbuf_fini(&b);
	return 0;
}

static int parse_admin(struct cfg_line *l)
{
	struct stats_page *p = part(l);
	struct cond **more, *cond;
	size_t n = 0;

	if (strcmp(cfg_arg(l, 0), "if") && strcmp(cfg_arg(l, 0), "unless"))
		return cfg_error(l, cfg_argc(l) ? l->first_arg : l->nwords - 1,
				 "a condition is needed here: stats admin {if|unless} <condition>");
	cond = cond_parse(l, l->first_arg, SMP_WHERE_HTTP_REQ);
	if (!cond)
		return -1;
	while (p->admin && p->admin[n])
		n++;
	more = arena_zalloc(l->arena, sizeof(*more) * (n + 2));
	if (n)
		memcpy(more, p->admin, sizeof(*more) * n);
	more[n] = cond;
	p->admin = more;
	return 0;
}

#define ROW(name, fn, usage, help)                                                     \
	{                                                                              \
		name, CFG_ANY_PROXY, fn, KERNEL_HTTP, NULL, usage, help, CFG_HTTP_ONLY \
	}

static const struct cfg_keyword keywords[] = {
	ROW("stats enable", parse_enable, "stats enable",
	    "The statistics page, at /haproxy?stats."),
	ROW("stats uri", parse_uri, "stats uri <prefix>",
	    "The page answers requests that start like this."),
	ROW("stats realm", parse_realm, "stats realm <text>",
	    "What a browser shows when it asks for a password."),
	ROW("stats refresh", parse_refresh, "stats refresh <time>",
	    "The page is loaded again after this time."),
	ROW("stats auth", parse_auth, "stats auth <user>:<password>",
	    "Who may see the page; several are allowed."),
	ROW("stats scope", parse_scope, "stats scope <name>|.",
	    "Only these sections are shown; '.' is this one."),
	ROW("stats hide-version", parse_hide_version, "stats hide-version",
	    "Does not tell the version."),
	ROW("stats show-legends", parse_legends, "stats show-legends",
	    "Shows addresses, cookies and algorithms too."),
	ROW("stats show-node", parse_node, "stats show-node [<name>]", "Shows the node's name."),
	{ "stats admin", CFG_LISTEN, parse_admin, KERNEL_HTTP, NULL,
	  "stats admin {if|unless} <condition>",
	  "The page lets change servers when the condition holds.", CFG_HTTP_ONLY },
	ROW("stats show-desc", parse_desc, "stats show-desc [<text>]", "Shows a description."),
};

void stats_conf_init(void)
{
	ext_register(EXT_PROXY, &stats_page_ext);
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
}
