// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * config.c - the configuration words about logging. Formats are only noted while the file is read, and compiled when
 * the proxy's mode is known. Not for: health-check logging (check/). Control thread, before the workers start.
 */
#include "log/private.h"
#include "policy/sample.h"

#include <stdlib.h>
#include <unistd.h>

struct ext log_ext = { .name = "log", .bytes = sizeof(struct log_proxy_part) };

/* Predefined formats, manual 8.2. */
static const char default_format[] = "Connect from %ci:%cp to %fi:%fp (%f/";
static const char tcp_format[] =
	"%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq";
static const char http_format[] =
	"%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc "
	"%sq/%bq %hr %hs %{+Q}r";
static const char clf_format[] =
	"%{+Q}o %{-Q}ci - - [%trg] %r %ST %B \"\" \"\" %cp %ms %ft %b %s %TR %Tw %Tc %Tr %Ta "
	"%tsc %ac %fc %bc %sc %rc %sq %bq %CC %CS %hrl %hsl";

static const char https_format[] =
	"%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc "
	"%sq/%bq %hr %hs %{+Q}r "
	"%[fc_err]/%[ssl_fc_err,hex]/%[ssl_c_err]/%[ssl_c_ca_err]/%[ssl_fc_is_resumed] "
	"%[ssl_fc_sni]/%sslv/%sslc";
static const char tcp_clf_format[] =
	"%{+Q}o %{-Q}ci - - [%T] \"TCP \" 000 %B \"\" \"\" %cp %ms %ft %b %s %Th %Tw %Tc %Tt %U "
	"%ts-- %ac %fc %bc %sc %rc %sq %bq \"\" \"\" ";

/* The predefined formats as variables, to be written into formats of the file's own. */
static const struct {
	const char *name, *format;
} format_variables[] = {
	{ "HAPROXY_HTTP_LOG_FMT", http_format },       { "HAPROXY_HTTPS_LOG_FMT", https_format },
	{ "HAPROXY_TCP_LOG_FMT", tcp_format },         { "HAPROXY_HTTP_CLF_LOG_FMT", clf_format },
	{ "HAPROXY_TCP_CLF_LOG_FMT", tcp_clf_format },
};

static void walk_variables(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	for (size_t i = 0; i < ARRAY_SIZE(format_variables); i++)
		emit(ctx, "env", format_variables[i].name);
}

static void set_format_variables(void)
{
	static const struct name_walker walker = { "cfg", walk_variables };

	names_register(&walker);
	for (size_t i = 0; i < ARRAY_SIZE(format_variables); i++)
		setenv(format_variables[i].name, format_variables[i].format, 1);
}

struct log_proxy_part *log_part(const struct proxy *px)
{
	return proxy_ext(px, &log_ext);
}

bool log_has_target(const struct proxy *px)
{
	struct log_proxy_part *p = log_part(px);

	return p->ntargets || (p->use_global && config && !list_empty(&config->global.log_targets));
}

/* The arrays are shared until one of both adds: adding copies. */
static void part_inherit(void *to, const void *from, struct arena *a)
{
	memcpy(to, from, sizeof(struct log_proxy_part));
}

static void add_target(struct cfg_line *l, struct log_target *t)
{
	struct log_proxy_part *p = log_part(l->px);
	struct log_target **more = arena_alloc(l->arena, (size_t)(p->ntargets + 1) * sizeof(*more));

	if (p->ntargets)
		memcpy(more, p->targets, (size_t)p->ntargets * sizeof(*more));
	more[p->ntargets++] = t;
	p->targets = more;
}

static struct log_target **opened; /* every target of the file, for log_open_targets() */
static int nopened;

static int parse_no_log(struct cfg_line *l)
{
	if (cfg_argc(l))
		return cfg_error(l, l->first_arg, "log: 'no log' takes no arguments");
	if (!l->px) {
		list_init(&l->cfg->global.log_targets);
		return 0;
	}
	log_part(l->px)->use_global = l->px->log_global = false;
	log_part(l->px)->ntargets = 0;
	return 0;
}

static int parse_log(struct cfg_line *l)
{
	struct log_target *t;

	if (l->negated)
		return parse_no_log(l);
	if (strcmp(cfg_arg(l, 0), "global") == 0 && cfg_argc(l) == 1) {
		if (!l->px)
			return cfg_error(
				l, l->first_arg,
				"log: 'global' stands for this section's targets; here name one");
		log_part(l->px)->use_global = l->px->log_global = true;
		return 0;
	}
	t = log_target_parse(l);
	if (!t)
		return -1;
	opened = xrealloc(opened, (size_t)(nopened + 1) * sizeof(*opened));
	opened[nopened++] = t;
	if (l->px)
		add_target(l, t);
	else
		list_add_tail(&l->cfg->global.log_targets, &t->node);
	return 0;
}

static int parse_log_tag(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, 1, "log-tag <text>"))
		return -1;
	if (l->px)
		log_part(l->px)->tag = l->px->log_tag = arena_strdup(l->arena, cfg_arg(l, 0));
	else
		l->cfg->global.log_tag = arena_strdup(l->arena, cfg_arg(l, 0));
	return 0;
}

static int parse_send_hostname(struct cfg_line *l)
{
	char name[256] = "localhost";

	if (cfg_want_args(l, 0, 1, "log-send-hostname [<text>]"))
		return -1;
	if (!cfg_argc(l))
		gethostname(name, sizeof(name) - 1);
	l->cfg->global.log_send_hostname =
		arena_strdup(l->arena, cfg_argc(l) ? cfg_arg(l, 0) : name);
	return 0;
}

/* A copy of the line that lives until everything is read. */
static void note_format(struct cfg_line *l, struct log_source *to, const char *text)
{
	struct cfg_line *copy = arena_alloc(l->arena, sizeof(*copy));

	*copy = *l;
	copy->words = arena_alloc(l->arena, (size_t)(l->nwords + 1) * sizeof(*copy->words));
	memcpy(copy->words, l->words, (size_t)(l->nwords + 1) * sizeof(*copy->words));
	*to = (struct log_source){ .text = text, .line = copy, .word = l->first_arg };
}

static int parse_format_line(struct cfg_line *l, struct log_source *to, const char *usage)
{
	if (cfg_want_args(l, 1, 1, usage))
		return -1;
	note_format(l, to, arena_strdup(l->arena, cfg_arg(l, 0)));
	return 0;
}

static int parse_log_format(struct cfg_line *l)
{
	l->px->options &= ~(PX_O_TCPLOG | PX_O_HTTPLOG | PX_O_CLFLOG);
	return parse_format_line(l, &log_part(l->px)->format,
				 "log-format <text, spaces escaped or quoted>");
}

static int parse_log_format_sd(struct cfg_line *l)
{
	return parse_format_line(l, &log_part(l->px)->sd,
				 "log-format-sd <text, spaces escaped or quoted>");
}

static int parse_error_format(struct cfg_line *l)
{
	return parse_format_line(l, &log_part(l->px)->error,
				 "error-log-format <text, spaces escaped or quoted>");
}

static void set_options(struct cfg_line *l, uint32_t bits)
{
	l->px->options &= ~bits;
	l->px->no_options &= ~bits;
	if (l->negated)
		l->px->no_options |= bits;
	else if (!l->is_default)
		l->px->options |= bits;
}

static int parse_tcplog(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "option tcplog"))
		return -1;
	l->px->options &= ~(PX_O_HTTPLOG | PX_O_CLFLOG);
	set_options(l, PX_O_TCPLOG);
	note_format(l, &log_part(l->px)->format, tcp_format);
	return 0;
}

static int parse_httplog(struct cfg_line *l)
{
	bool clf = strcmp(cfg_arg(l, 0), "clf") == 0;

	if (cfg_want_args(l, 0, 1, "option httplog [clf]"))
		return -1;
	if (cfg_argc(l) && !clf)
		return cfg_error(l, l->first_arg, "option httplog: only 'clf' may follow, not '%s'",
				 cfg_arg(l, 0));
	l->px->options &= ~(PX_O_TCPLOG | PX_O_HTTPLOG | PX_O_CLFLOG);
	set_options(l, clf ? PX_O_HTTPLOG | PX_O_CLFLOG : PX_O_HTTPLOG);
	note_format(l, &log_part(l->px)->format, clf ? clf_format : http_format);
	return 0;
}

static int parse_httpslog(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "option httpslog"))
		return -1;
	l->px->options &= ~(PX_O_TCPLOG | PX_O_HTTPLOG | PX_O_CLFLOG);
	set_options(l, PX_O_HTTPLOG);
	note_format(l, &log_part(l->px)->format, https_format);
	return 0;
}

#define BIT_OPTION(fn, bit, usage)                 \
	static int fn(struct cfg_line *l)          \
	{                                          \
		if (cfg_want_args(l, 0, 0, usage)) \
			return -1;                 \
		set_options(l, bit);               \
		return 0;                          \
	}
BIT_OPTION(parse_dontlognull, PX_O_DONTLOGNULL, "option dontlognull")
BIT_OPTION(parse_dontlog_normal, PX_O_DONTLOG_NORMAL, "option dontlog-normal")
BIT_OPTION(parse_separate_errors, PX_O_LOG_SEPARATE_ERRORS, "option log-separate-errors")
BIT_OPTION(parse_logasap, PX_O_LOGASAP, "option logasap")

/* On the kernel path there is no stream, so no line per connection: what the daemon says about servers still goes out. */
#define NO_LINES "connections in the kernel write no log line"

static const struct cfg_keyword keywords[] = {
	{ "log", CFG_GLOBAL | CFG_ANY_PROXY, parse_log, KERNEL_EXACT, NULL,
	  "log <address>|global [len <n>] [format <f>] [sample <ranges>:<size>] <facility> "
	  "[<level> [<minlevel>]]",
	  "where log lines go: UDP, a unix datagram socket, stdout, stderr or a descriptor",
	  CFG_CAN_NEGATE },
	{ "log-tag", CFG_GLOBAL | CFG_ANY_PROXY, parse_log_tag, KERNEL_EXACT, NULL,
	  "log-tag <text>", "the program name in the syslog header", 0 },
	{ "log-send-hostname", CFG_GLOBAL, parse_send_hostname, KERNEL_EXACT, NULL,
	  "log-send-hostname [<text>]", "puts the host's name into the syslog header", 0 },
	{ "log-format", CFG_DEFAULTS | CFG_FRONTEND, parse_log_format, KERNEL_APPROX, NO_LINES,
	  "log-format <text>", "the text of a log line, with variables and expressions", 0 },
	{ "log-format-sd", CFG_DEFAULTS | CFG_FRONTEND, parse_log_format_sd, KERNEL_APPROX,
	  NO_LINES, "log-format-sd <text>", "the structured data of an RFC 5424 line", 0 },
	{ "error-log-format", CFG_DEFAULTS | CFG_FRONTEND, parse_error_format, KERNEL_APPROX,
	  NO_LINES, "error-log-format <text>",
	  "the text of lines about connections that failed before a request (8.2.5)", 0 },
	{ "option tcplog", CFG_ANY_PROXY, parse_tcplog, KERNEL_APPROX, NO_LINES, "option tcplog",
	  "log lines with timers, counts and the termination state of a connection", 0 },
	{ "option httpslog", CFG_ANY_PROXY, parse_httpslog, KERNEL_APPROX, NO_LINES,
	  "option httpslog",
	  "log lines as of 'option httplog', with the client's TLS: errors, server name, version, "
	  "cipher",
	  0 },
	{ "option httplog", CFG_ANY_PROXY, parse_httplog, KERNEL_APPROX, NO_LINES,
	  "option httplog [clf]", "log lines with the request, its timers and the status", 0 },
	{ "option dontlognull", CFG_ANY_PROXY, parse_dontlognull, KERNEL_EXACT, NULL,
	  "option dontlognull", "no line for connections on which nothing was transferred",
	  CFG_CAN_NEGATE },
	{ "option dontlog-normal", CFG_ANY_PROXY, parse_dontlog_normal, KERNEL_EXACT, NULL,
	  "option dontlog-normal",
	  "no line for connections without error, timeout, retry or redispatch", CFG_CAN_NEGATE },
	{ "option log-separate-errors", CFG_ANY_PROXY, parse_separate_errors, KERNEL_EXACT, NULL,
	  "option log-separate-errors", "lines about errors get level err instead of info",
	  CFG_CAN_NEGATE },
	{ "option logasap", CFG_ANY_PROXY, parse_logasap, KERNEL_EXACT, NULL, "option logasap",
	  "writes the line when the server answers instead of at the end", CFG_CAN_NEGATE },
};

/* ---- when everything is read ---- */

#define LOG_WHERE (SMP_W_INTERNAL | SMP_W_L4_CLIENT | SMP_W_L5_CLIENT | SMP_W_L4_SERVER | SMP_W_LOG)

static struct logformat *compile(const struct log_source *src, struct proxy *px, const char *text,
				 struct diag *d)
{
	struct cfg_line l = *src->line;

	l.px = px;
	l.diag = d;
	return logformat_parse(&l, src->word, text, LOG_WHERE);
}

/* A line for formats that nobody wrote. */
static struct cfg_line *made_up_line(struct config *cfg, struct proxy *px, struct diag *d)
{
	struct cfg_line *l = ARENA_NEW(&cfg->arena, struct cfg_line);

	*l = (struct cfg_line){ .cfg = cfg,
				.diag = d,
				.arena = &cfg->arena,
				.at = px->at,
				.section = CFG_FRONTEND,
				.px = px };
	l->words = ARENA_NEW(&cfg->arena, struct cfg_word);
	l->words->z = "";
	return l;
}

static const char *usable_text(const struct proxy *px, const struct log_source *src, struct diag *d)
{
	if (px->mode == MODE_HTTP ||
	    (src->text != http_format && src->text != clf_format && src->text != https_format))
		return src->text;
	diag_warning(d, src->line->at,
		     "%s '%s': 'option httplog' needs 'mode http': 'option tcplog' is used instead",
		     proxy_kind(px), px->name);
	return tcp_format;
}

static void compile_proxy(struct config *cfg, struct proxy *px, struct diag *d)
{
	struct log_proxy_part *p = log_part(px);

	if (!(px->caps & PX_FRONTEND))
		return;
	p->early = !p->format.text;
	if (p->early) {
		struct log_source src = { .line = made_up_line(cfg, px, d) };

		src.text = arena_printf(&cfg->arena, "%s%s)", default_format,
					px->mode == MODE_HTTP ? "HTTP" : "TCP");
		p->c_format = compile(&src, px, src.text, d);
	} else {
		p->c_format = compile(&p->format, px, usable_text(px, &p->format, d), d);
	}
	if (p->sd.text)
		p->c_sd = compile(&p->sd, px, p->sd.text, d);
	if (p->error.text)
		p->c_error = compile(&p->error, px, p->error.text, d);
	px->log_format = p->c_format;
	px->log_format_sd = p->c_sd;
	px->error_log_format = p->c_error;
}

static void check_formats(struct config *cfg, struct diag *d)
{
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node)
		compile_proxy(cfg, px, d);
}

static void check_unused(struct config *cfg, struct diag *d)
{
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node) {
		const struct log_proxy_part *p = log_part(px);
		bool target =
			p->ntargets || (p->use_global && !list_empty(&cfg->global.log_targets));

		if ((px->caps & PX_FRONTEND) && p->format.text && p->format.line->px == px &&
		    !target)
			diag_warning(d, p->format.line->at,
				     "log format ignored for %s '%s': it has no log address",
				     proxy_kind(px), px->name);
	}
}

static const struct cfg_check checks[] = {
	{ "log formats", CFG_PHASE_RESOLVE, check_formats },
	{ "log formats without target", CFG_PHASE_WARN, check_unused },
};

int log_open_targets(struct config *cfg, struct diag *d)
{
	for (int i = 0; i < nopened; i++)
		log_targets_open(opened[i], d);
	return 0;
}

void log_config_init(void)
{
	set_format_variables();
	log_ext.inherit = part_inherit;
	ext_register(EXT_PROXY, &log_ext);
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}
