// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conf.c - keywords of mode http: how connections are kept and shared, addresses forwarded, how strict the parser is. Control
 * thread, before the workers start.
 */
#include "http/stick_events.h"
#include "http/conf.h"
#include "base/units.h"
#include "config/keyword.h"
#include "http/codec.h"
#include "http/h1_client.h"
#include "http/h2_client.h"
#include "http/h2_tune.h"
#include "http/msg.h"
#include "http/steps.h"
#include "process/start.h"

#include <ctype.h>

uint32_t http_log_uri_max = 1024;

static void conf_init(void *mem)
{
	struct http_conf *c = mem;

	c->forwardfor.header = "x-forwarded-for";
	c->originalto.header = "x-original-to";
}

static struct ext http_ext = { .name = "http",
			       .bytes = sizeof(struct http_conf),
			       .init = conf_init };

struct http_conf *http_conf(const struct proxy *px)
{
	return proxy_ext(px, &http_ext);
}

/* ---- connection modes: the last line of a section wins ---- */

static int set_conn_mode(struct cfg_line *l, enum http_conn_mode mode)
{
	struct http_conf *c = http_conf(l->px);

	if (cfg_argc(l))
		return cfg_error(l, l->first_arg, "'%s %s' takes no argument, found '%s'",
				 l->words[0].z, l->words[l->first_arg - 1].z, cfg_arg(l, 0));
	if (!l->negated && !l->is_default)
		c->conn_mode = mode;
	else if (c->conn_mode == mode)
		c->conn_mode = CONN_KEEP_ALIVE;
	c->conn_mode_set = true;
	return 0;
}

static int parse_keep_alive(struct cfg_line *l)
{
	return set_conn_mode(l, CONN_KEEP_ALIVE);
}

static int parse_server_close(struct cfg_line *l)
{
	return set_conn_mode(l, CONN_SERVER_CLOSE);
}

static int parse_httpclose(struct cfg_line *l)
{
	return set_conn_mode(l, CONN_CLOSE);
}

static int parse_reuse(struct cfg_line *l)
{
	static const char *const names[] = {
		[REUSE_SAFE] = "safe",
		[REUSE_NEVER] = "never",
		[REUSE_AGGRESSIVE] = "aggressive",
		[REUSE_ALWAYS] = "always",
	};

	if (cfg_want_args(l, 1, 1, "http-reuse never|safe|aggressive|always"))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i], cfg_arg(l, 0))) {
			http_conf(l->px)->reuse = (enum http_reuse)i;
			return 0;
		}
	}
	return cfg_error(l, l->first_arg,
			 "'http-reuse' takes never, safe, aggressive or always, not '%s'",
			 cfg_arg(l, 0));
}

/* ---- forwardfor ---- */

/* "127.0.0.0/8", "2001:db8::/32", "192.0.2.1" */
static int parse_net(struct cfg_line *l, int k, struct http_net *n)
{
	struct slice text = slice_z(cfg_arg(l, k)), ip = text;
	ptrdiff_t slash = slice_chr(text, '/');
	uint32_t bits, max;

	memset(n, 0, sizeof(*n));
	if (slash >= 0)
		ip = slice_first(text, slash);
	if (addr_parse_ip(&n->net, ip))
		return cfg_error(
			l, l->first_arg + k,
			"'except' takes an address or a network like 127.0.0.0/8, not '%s'",
			cfg_arg(l, k));
	max = bits = n->net.family == ADDR_IP4 ? 32 : 128;
	if (slash >= 0 && parse_u32(slice_from(text, slash + 1), max, &bits))
		return cfg_error(l, l->first_arg + k, "the network's length must be 0..%u in '%s'",
				 max, cfg_arg(l, k));
	n->bits = (uint8_t)bits;
	return 0;
}

static int parse_header_name(struct cfg_line *l, int k, const char **out)
{
	char *name = arena_strdup(l->arena, cfg_arg(l, k));

	if (!*name)
		return cfg_error(l, l->first_arg + k - 1, "'header' needs the name of a header");
	for (char *p = name; *p; p++) {
		*p = (char)tolower((unsigned char)*p);
		if (!isgraph((unsigned char)*p) || strchr("()<>@,;:\\\"/[]?={}", *p))
			return cfg_error(l, l->first_arg + k, "'%s' is no header name",
					 cfg_arg(l, k));
	}
	*out = name;
	return 0;
}

static int parse_forward(struct cfg_line *l, struct http_forward *f, const char *header,
			 bool may_if_none)
{
	*f = (struct http_forward){ .header = header };
	if (l->negated || l->is_default)
		return 0;
	f->on = true;
	for (int k = 0; k < cfg_argc(l); k++) {
		if (!strcmp(cfg_arg(l, k), "except")) {
			if (parse_net(l, ++k, &f->except))
				return -1;
			f->has_except = true;
		} else if (!strcmp(cfg_arg(l, k), "header")) {
			if (parse_header_name(l, ++k, &f->header))
				return -1;
		} else if (may_if_none && !strcmp(cfg_arg(l, k), "if-none")) {
			f->if_none = true;
		} else {
			return cfg_error(
				l, l->first_arg + k,
				"only 'except <network>', 'header <name>'%s may follow, not '%s'",
				may_if_none ? " and 'if-none'" : "", cfg_arg(l, k));
		}
	}
	return 0;
}

static int parse_forwardfor(struct cfg_line *l)
{
	return parse_forward(l, &http_conf(l->px)->forwardfor, "x-forwarded-for", true);
}

static int parse_originalto(struct cfg_line *l)
{
	return parse_forward(l, &http_conf(l->px)->originalto, "x-original-to", false);
}

/* ---- one-bit options: rows ---- */

static const struct {
	const char *name;
	size_t offset;
} flags[] = {
	{ "accept-invalid-http-request", offsetof(struct http_conf, relax_request) },
	{ "accept-invalid-http-response", offsetof(struct http_conf, relax_response) },
	{ "http-ignore-probes", offsetof(struct http_conf, ignore_probes) },
	{ "http-pretend-keepalive", offsetof(struct http_conf, pretend_keepalive) },
};

static int parse_flag(struct cfg_line *l)
{
	const char *name = l->words[l->first_arg - 1].z;

	if (cfg_want_args(l, 0, 0, "option <name>"))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (!strcmp(flags[i].name, name))
			*((bool *)((char *)http_conf(l->px) + flags[i].offset)) =
				!l->negated && !l->is_default;
	return 0;
}

static int parse_monitor_fail(struct cfg_line *l)
{
	struct http_conf *c = http_conf(l->px);
	struct cond **more, *cond;
	size_t n = 0;

	if (strcmp(cfg_arg(l, 0), "if") && strcmp(cfg_arg(l, 0), "unless"))
		return cfg_error(
			l, cfg_argc(l) ? l->first_arg : l->nwords - 1,
			"a condition is needed here: monitor fail {if|unless} <condition>");
	cond = cond_parse(l, l->first_arg, SMP_WHERE_HTTP_REQ);
	if (!cond)
		return -1;
	while (c->monitor_fails && c->monitor_fails[n])
		n++;
	more = arena_zalloc(l->arena, sizeof(*more) * (n + 2));
	if (n)
		memcpy(more, c->monitor_fails, sizeof(*more) * n);
	more[n] = cond;
	c->monitor_fails = more;
	return 0;
}

static int parse_monitor_uri(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, 1, "monitor-uri <uri>"))
		return -1;
	http_conf(l->px)->monitor_uri = arena_strdup(l->arena, cfg_arg(l, 0));
	return 0;
}

static int parse_maxhdr(struct cfg_line *l)
{
	int64_t v;

	if (cfg_want_args(l, 1, 1, "tune.http.maxhdr <number>") || cfg_arg_i64(l, 0, 1, 32767, &v))
		return -1;
	http_max_hdrs = (uint32_t)v;
	return 0;
}

static int parse_logurilen(struct cfg_line *l)
{
	int64_t v;

	if (cfg_want_args(l, 1, 1, "tune.http.logurilen <number>") ||
	    cfg_arg_i64(l, 0, 1, 65535, &v))
		return -1;
	http_log_uri_max = (uint32_t)v;
	return 0;
}

#define FE CFG_DEFAULTS | CFG_FRONTEND
#define BE CFG_DEFAULTS | CFG_BACKEND
/* HAProxy warns of the second kind when it stands in mode tcp, and does not let it be negated. */
#define HTTP_OPTION CFG_CAN_NEGATE
#define HTTP_HEADER CFG_HTTP_ONLY

static const struct cfg_keyword rows[] = {
	{ "option http-keep-alive", CFG_ANY_PROXY, parse_keep_alive, KERNEL_HTTP, NULL,
	  "[no] option http-keep-alive",
	  "Connections of both sides are kept for further requests (the default).", HTTP_OPTION },
	{ "option http-server-close", CFG_ANY_PROXY, parse_server_close, KERNEL_HTTP, NULL,
	  "[no] option http-server-close",
	  "The server connection is closed after each response, the client's is kept.",
	  HTTP_OPTION },
	{ "option httpclose", CFG_ANY_PROXY, parse_httpclose, KERNEL_HTTP, NULL,
	  "[no] option httpclose", "Both connections are closed after each response.",
	  HTTP_OPTION },
	{ "option forceclose", CFG_ANY_PROXY, parse_httpclose, KERNEL_HTTP, NULL,
	  "option forceclose", "write 'option httpclose'", HTTP_OPTION | CFG_DEPRECATED },
	{ "http-reuse", BE, parse_reuse, KERNEL_HTTP, NULL,
	  "http-reuse never|safe|aggressive|always",
	  "Which requests may use an idle server connection that another client's request opened.",
	  0 },
	{ "option forwardfor", CFG_ANY_PROXY, parse_forwardfor, KERNEL_HTTP, NULL,
	  "option forwardfor [except <network>] [header <name>] [if-none]",
	  "Tells the server the client's address in X-Forwarded-For.", HTTP_HEADER },
	{ "option originalto", CFG_ANY_PROXY, parse_originalto, KERNEL_HTTP, NULL,
	  "option originalto [except <network>] [header <name>]",
	  "Tells the server the address the client connected to in X-Original-To.", HTTP_HEADER },
	{ "option accept-invalid-http-request", FE, parse_flag, KERNEL_HTTP, NULL,
	  "[no] option accept-invalid-http-request",
	  "Relaxes what requests may contain: see Documentation/http-strictness.md.", HTTP_OPTION },
	{ "option accept-invalid-http-response", BE, parse_flag, KERNEL_HTTP, NULL,
	  "[no] option accept-invalid-http-response",
	  "Relaxes what responses may contain: see Documentation/http-strictness.md.",
	  HTTP_OPTION },
	{ "option http-ignore-probes", FE, parse_flag, KERNEL_HTTP, NULL,
	  "[no] option http-ignore-probes",
	  "A connection without a request is closed without a 408 and without a log line.",
	  HTTP_OPTION },
	{ "option http-pretend-keepalive", BE, parse_flag, KERNEL_HTTP, NULL,
	  "[no] option http-pretend-keepalive",
	  "With http-server-close or httpclose, servers are not told that the connection will be "
	  "closed.",
	  HTTP_OPTION },
	{ "monitor fail", CFG_FRONTEND, parse_monitor_fail, KERNEL_HTTP, NULL,
	  "monitor fail {if|unless} <condition>",
	  "the monitor page says 503 instead of 200 when the condition holds" },
	{ "monitor-uri", FE, parse_monitor_uri, KERNEL_HTTP, NULL, "monitor-uri <uri>",
	  "Requests for exactly this URI are answered with 200 here.", CFG_HTTP_ONLY },
	{ "tune.http.maxhdr", CFG_GLOBAL, parse_maxhdr, KERNEL_HTTP, NULL,
	  "tune.http.maxhdr <number>",
	  "How many lines a head may have, the first included (default 101).", 0 },
	{ "tune.http.logurilen", CFG_GLOBAL, parse_logurilen, KERNEL_HTTP, NULL,
	  "tune.http.logurilen <number>", "How much of the request line is logged (default 1024).",
	  0 },
};

/* ---- checks ---- */

static void check_http(struct config *cfg, struct diag *d)
{
	http_max_head = cfg->global.bufsize > cfg->global.maxrewrite
				? cfg->global.bufsize - cfg->global.maxrewrite
				: cfg->global.bufsize;
}

static const struct cfg_check checks[] = {
	{ "http limits", CFG_PHASE_DERIVE, check_http },
};

void http_conf_init(void)
{
	ext_register(EXT_PROXY, &http_ext);
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}

static void stop_worker(struct loop *l)
{
	http_txn_trim();
}

static struct start_hooks hooks = { .name = "http", .worker_stop = stop_worker };

void http_init(void)
{
	start_register(&hooks);
	http_conf_init();
	http_error_file_init();
	http_log_init();
	http_stick_init();
	h1_client_init();
	h2_client_init();
	h2_tune_init();
}
