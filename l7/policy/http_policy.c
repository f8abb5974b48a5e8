// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * http_policy.c - the keywords of HTTP rules: http-request, http-response, http-after-response, and the older redirect and block.
 * Control thread, while the configuration is read.
 */
#include "model/proxy.h"
#include "policy/http_policy.h"
#include "policy/rules_priv.h"

static int parse_request(struct cfg_line *l)
{
	return rule_parse(l, 0, RULESET_HTTP_REQ, SMP_WHERE_HTTP_REQ);
}

static int parse_response(struct cfg_line *l)
{
	return rule_parse(l, 0, RULESET_HTTP_RES, SMP_WHERE_RESPONSE);
}

static int parse_after(struct cfg_line *l)
{
	return rule_parse(l, 0, RULESET_HTTP_AFTER, SMP_WHERE_RESPONSE);
}

/* The action's name is the keyword itself. */
static int parse_redirect(struct cfg_line *l)
{
	return rule_parse(l, -1, RULESET_HTTP_REDIRECT, SMP_WHERE_HTTP_REQ);
}

/* "block if c" is "http-request deny if c" in front of all other http-request rules. */
static int parse_block(struct cfg_line *l)
{
	struct cfg_word *words = arena_alloc(l->arena, sizeof(*words) * (l->nwords + 1));
	struct cfg_line line = *l;
	struct rule *r;

	memcpy(words, l->words, sizeof(*words) * (l->nwords + 1));
	words[0].z = "deny";
	words[0].n = 4;
	line.words = words;
	if (cfg_argc(l) < 2)
		return cfg_error(l, 0, "'block' needs a condition: block {if|unless} <condition>");
	r = rule_parse_one(&line, 0, RULESET_HTTP_REQ, SMP_WHERE_HTTP_REQ);
	if (!r)
		return -1;
	r->num[3] = 1; /* a block rule */
	return rule_insert_front(l, r);
}

static const struct cfg_keyword keywords[] = {
	{ .name = "http-request",
	  .sections = CFG_DEFAULTS | CFG_LISTEN,
	  .parse = parse_request,
	  .kernel = KERNEL_HTTP,
	  .flags = CFG_HTTP_ONLY | CFG_NAMED_DEFAULTS,
	  .usage = "http-request <action> [if|unless <condition>]",
	  .help = "A rule on each request." },
	{ .name = "http-response",
	  .sections = CFG_DEFAULTS | CFG_LISTEN,
	  .parse = parse_response,
	  .kernel = KERNEL_HTTP,
	  .flags = CFG_HTTP_ONLY | CFG_NAMED_DEFAULTS,
	  .usage = "http-response <action> [if|unless <condition>]",
	  .help = "A rule on each response." },
	{ .name = "http-after-response",
	  .sections = CFG_DEFAULTS | CFG_LISTEN,
	  .parse = parse_after,
	  .kernel = KERNEL_HTTP,
	  .flags = CFG_HTTP_ONLY | CFG_NAMED_DEFAULTS,
	  .usage = "http-after-response <action> [if|unless <condition>]",
	  .help = "A rule on each response, also on those made here (errors, redirects, pages)." },
	{ .name = "redirect",
	  .sections = CFG_LISTEN,
	  .parse = parse_redirect,
	  .kernel = KERNEL_HTTP,
	  .flags = CFG_HTTP_ONLY,
	  .usage = "redirect {location|prefix|scheme} <target> [options] [if|unless <condition>]",
	  .help = "A redirect behind the http-request rules." },
	{ .name = "block",
	  .sections = CFG_LISTEN,
	  .parse = parse_block,
	  .kernel = KERNEL_HTTP,
	  .flags = CFG_HTTP_ONLY | CFG_DEPRECATED,
	  .usage = "block {if|unless} <condition>",
	  .help = "http-request deny" },
};

void http_policy_init(void)
{
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	http_fetch_uri_register();
	http_fetch_hdr_register();
	http_fetch_cookie_register();
	http_fetch_auth_register();
	http_acl_register();
	http_actions_header_register();
	http_actions_line_register();
	http_actions_reply_register();
	http_actions_redirect_register();
}
