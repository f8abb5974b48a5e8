// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * policy.c - the policy core's keywords (acl, tcp-request, tcp-response), its checks, its names for `-dK`, and the list of
 * what it registers. Control thread.
 */
#include "model/proxy.h"
#include "policy/expr_args.h"
#include "policy/cond.h"
#include "policy/pattern_ref.h"
#include "policy/rules_priv.h"
#include "policy/userlist.h"
#include "policy/vars.h"

struct inspect_conf {
	uint32_t request_ms, response_ms;
};
static struct ext inspect_ext = { .name = "inspect-delay", .bytes = sizeof(struct inspect_conf) };

uint32_t policy_inspect_delay(const struct proxy *px, bool response)
{
	const struct inspect_conf *ic = proxy_ext(px, &inspect_ext);

	return response ? ic->response_ms : ic->request_ms;
}

/* ---- keywords ---- */

static int parse_tcp_conn(struct cfg_line *l)
{
	return rule_parse(l, 0, RULESET_TCP_CONN, SMP_WHERE_TCP_CONN);
}

static int parse_tcp_sess(struct cfg_line *l)
{
	return rule_parse(l, 0, RULESET_TCP_SESS, SMP_WHERE_TCP_SESS);
}

static int parse_tcp_content(struct cfg_line *l)
{
	return rule_parse(l, 0, RULESET_TCP_CONTENT, SMP_WHERE_TCP_REQ);
}

static int parse_tcp_response(struct cfg_line *l)
{
	return rule_parse(l, 0, RULESET_TCP_RESPONSE, SMP_WHERE_RESPONSE);
}

static int parse_response_inspect(struct cfg_line *l)
{
	struct inspect_conf *ic = proxy_ext(l->px, &inspect_ext);

	if (cfg_want_args(l, 1, 1, "tcp-response inspect-delay <time>"))
		return -1;
	return cfg_arg_time(l, 0, &ic->response_ms);
}

static int parse_inspect(struct cfg_line *l)
{
	struct inspect_conf *ic = proxy_ext(l->px, &inspect_ext);

	if (cfg_want_args(l, 1, 1, "tcp-request inspect-delay <time>"))
		return -1;
	return cfg_arg_time(l, 0, &ic->request_ms);
}

#define SAYS_RULE "connection rules run in the daemon"

static const struct cfg_keyword keywords[] = {
	{ .name = "acl",
	  .sections = CFG_DEFAULTS | CFG_LISTEN,
	  .parse = acl_parse_line,
	  .kernel = KERNEL_EXACT,
	  .flags = CFG_NAMED_DEFAULTS,
	  .usage = "acl <name> <test> [flags] [operator] [values]",
	  .help = "Names a test; more lines of the same name add alternatives." },
	{ .name = "tcp-request connection",
	  .sections = CFG_DEFAULTS | CFG_FRONTEND,
	  .parse = parse_tcp_conn,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_RULE,
	  .flags = CFG_NAMED_DEFAULTS,
	  .usage = "tcp-request connection <action> [if|unless <condition>]",
	  .help = "A rule for each accepted connection, before anything is read from it." },
	{ .name = "tcp-request session",
	  .sections = CFG_DEFAULTS | CFG_FRONTEND,
	  .parse = parse_tcp_sess,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_RULE,
	  .flags = CFG_NAMED_DEFAULTS,
	  .usage = "tcp-request session <action> [if|unless <condition>]",
	  .help = "A rule for each connection whose handshakes are complete." },
	{ .name = "tcp-request content",
	  .sections = CFG_DEFAULTS | CFG_LISTEN,
	  .parse = parse_tcp_content,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = "content rules read the stream",
	  .flags = CFG_NAMED_DEFAULTS,
	  .usage = "tcp-request content <action> [if|unless <condition>]",
	  .help = "A rule on the first bytes of the request; conditions wait for them, at most "
		  "inspect-delay." },
	{ .name = "tcp-request inspect-delay",
	  .sections = CFG_DEFAULTS | CFG_LISTEN,
	  .parse = parse_inspect,
	  .kernel = KERNEL_EXACT,
	  .flags = CFG_NAMED_DEFAULTS,
	  .usage = "tcp-request inspect-delay <time>",
	  .help = "How long content rules may wait for data." },
	{ .name = "tcp-response content",
	  .sections = CFG_DEFAULTS | CFG_BACKEND,
	  .parse = parse_tcp_response,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = "content rules read the stream",
	  .flags = CFG_NEEDS_SIDE | CFG_NAMED_DEFAULTS,
	  .usage = "tcp-response content <action> [if|unless <condition>]",
	  .help = "A rule on the server's first bytes, before any of them is passed on; conditions "
		  "wait for them, at most inspect-delay." },
	{ .name = "tcp-response inspect-delay",
	  .sections = CFG_DEFAULTS | CFG_BACKEND,
	  .parse = parse_response_inspect,
	  .kernel = KERNEL_EXACT,
	  .flags = CFG_NEEDS_SIDE | CFG_NAMED_DEFAULTS,
	  .usage = "tcp-response inspect-delay <time>",
	  .help = "How long rules on the response may wait for data." },
};

/* ---- when everything is read ---- */

static void check_resolve(struct config *cfg, struct diag *d)
{
	expr_args_resolve(cfg, d);
	backend_resolve(cfg, d);
	pat_refs_number(cfg);
	pattern_actions_resolve(cfg, d);
}

static void check_compile(struct config *cfg, struct diag *d)
{
	struct proxy *px;
	struct rule_set *rs;

	list_for_each_entry(px, &cfg->proxies, node)
		list_for_each_entry(rs, &px->rule_sets, node)
			rule_set_compile(rs, &cfg->arena);
}

static const struct cfg_check checks[] = {
	{ "policy names", CFG_PHASE_RESOLVE, check_resolve },
	{ "policy programs", CFG_PHASE_DERIVE, check_compile },
};

/* ---- names ---- */

static void walk(const struct row_table *t, const char *kind,
		 void (*emit)(void *, const char *, const char *), void *ctx)
{
	const char *const *row;

	for (size_t i = 0; (row = row_table_at(t, i)); i++)
		emit(ctx, kind, *row);
}

static void walk_fetches(void (*emit)(void *, const char *, const char *), void *ctx)
{
	const struct fetch_row *row;

	for (size_t i = 0; (row = row_table_at(&fetch_rows, i)); i++)
		emit(ctx, row->kind, row->name);
}

static void walk_converters(void (*emit)(void *, const char *, const char *), void *ctx)
{
	walk(&converter_rows, "converter", emit, ctx);
}

/* "path_beg": the fetch's name with the method's behind it. */
static bool is_suffixed(const struct acl_keyword *kw)
{
	size_t n = strlen(kw->name), m = strlen(kw->match);

	return n > m + 1 && kw->name[n - m - 1] == '_' && !strcmp(kw->name + n - m, kw->match);
}

static void walk_acls(void (*emit)(void *, const char *, const char *), void *ctx)
{
	static const char *const flags[] = { "-i", "-f", "-m", "-n", "-M", "-u", "--" };
	const struct acl_keyword *kw;

	for (size_t i = 0; (kw = row_table_at(&acl_keyword_rows, i)); i++)
		if (is_suffixed(kw))
			emit(ctx, "acl-suffix-keyword", kw->name);
	walk(&acl_predefined_rows, "predefined-acl", emit, ctx);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		emit(ctx, "acl-flag", flags[i]);
	for (int k = MATCH_FOUND; k <= MATCH_REG; k++)
		emit(ctx, "acl-match -m", match_of(k)->name);
}

/* An action counts under each set, and once as "action". */
static void walk_actions(void (*emit)(void *, const char *, const char *), void *ctx)
{
	const struct action_row *row;
	char kind[64];

	for (size_t i = 0; (row = row_table_at(&action_rows, i)); i++) {
		if (row_table_find(&action_rows, slice_z(row->name)) == row)
			emit(ctx, "action", row->name);
		for (unsigned int bit = 1; bit <= RULESET_HTTP_AFTER; bit <<= 1) {
			if (!(row->sets & bit))
				continue; /* the set of the keyword `redirect` lies above and is no kind of its own */
			snprintf(kind, sizeof(kind), "%s action", rule_set_name(bit));
			emit(ctx, kind, row->name);
		}
	}
}

static const struct name_walker walkers[] = {
	{ "smp", walk_fetches },
	{ "cnv", walk_converters },
	{ "acl", walk_acls },
	{ "cfg", walk_actions },
};

void policy_init(void)
{
	ext_register(EXT_PROXY, &inspect_ext);
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
	for (size_t i = 0; i < ARRAY_SIZE(walkers); i++)
		names_register(&walkers[i]);
	backend_register();
	vars_register();
	vars_conf_register();
	global_vars_register();
	userlist_register();
	fetch_internal_register();
	fetch_l4_register();
	fetch_payload_register();
	fetch_tls_register();
	fetch_ssl_register();
	conv_number_register();
	conv_text_register();
	conv_hash_register();
	conv_code_register();
	conv_map_register();
	pattern_actions_register();
	conv_json_register();
	conv_x509_register();
	conv_proto_register();
	conv_mqtt_register();
	conv_crypto_register();
	conv_jwt_register();
	conv_pick_register();
	conv_lookup_register();
	fetch_times_register();
	predefined_register();
	actions_register();
	actions_stream_register();
	capture_register();
	persist_register();
	actions_ends_register();
}
