// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stats_html.c - the looks of the statistics page: one table per section, states in colours, nothing loaded from
 * elsewhere, light and dark. Not for: who may see it and when it is sent (stats_page.c). Runs in workers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "admin/stats_columns.h"
#include "config/version.h"
#include "loop/thread.h"
#include "process/start.h"
#include "stats_page.h"
#include "stream/session.h"

static const char style[] =
	"<style>:root{color-scheme:light "
	"dark;--bg:#f6f7f9;--card:#fff;--fg:#1c2128;--dim:#6b7480;--line:#dde1e6;--head:#eef0f3;"
	"--up:#d9f2df;--upf:#12642a;--down:#fbdcdc;--downf:#a11212;--maint:#ecdcc9;--maintf:#"
	"6e4313;--drain:#d6e6fb;--drainf:#134f99;"
	"--going:#fdf3c9;--goingf:#7a5c00;--none:#eceef1;--nonef:#4b5563;--fe:#f1f4f8;--zero:#"
	"b4bac2}"
	"@media(prefers-color-scheme:dark){:root{--bg:#12161b;--card:#1a2027;--fg:#dfe4ea;--dim:#"
	"8f9aa6;--line:#2b333d;--head:#222a33;"
	"--up:#16361f;--upf:#7fdc98;--down:#451a1c;--downf:#ff9a9a;--maint:#3a2b1b;--maintf:#"
	"dcb27e;--drain:#1a3050;--drainf:#93c1ff;"
	"--going:#3b3415;--goingf:#eed579;--none:#262d36;--nonef:#a9b3be;--fe:#1e262f;--zero:#"
	"525c68}}"
	"*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--fg);font:13px/1.45 "
	"system-ui,-apple-system,'Segoe UI',sans-serif}"
	"header{display:flex;flex-wrap:wrap;gap:6px 22px;align-items:baseline;padding:14px "
	"20px;background:var(--card);"
	"border-bottom:1px solid var(--line)}header b{font-size:17px}header "
	"span{color:var(--dim)}nav{margin-left:auto;display:flex;gap:14px}"
	"a{color:var(--drainf);text-decoration:none}a:hover{text-decoration:underline}main{padding:"
	"14px 20px}"
	".cards{display:flex;flex-wrap:wrap;gap:10px;margin-bottom:6px}.cards "
	"div{background:var(--card);border:1px solid var(--line);"
	"border-radius:8px;padding:8px 14px;min-width:112px}.cards "
	"i{display:block;font-style:normal;color:var(--dim);font-size:11px}"
	".cards "
	"em{font-style:normal;font-size:17px;font-variant-numeric:tabular-nums}h2{font-size:14px;"
	"margin:18px 0 6px}"
	"h2 "
	"small{color:var(--dim);font-weight:400;margin-left:8px}.t{overflow-x:auto;background:var(-"
	"-card);border:1px solid var(--line);"
	"border-radius:8px}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-"
	"nums;white-space:nowrap}"
	"th,td{padding:3px 8px;text-align:right;border-left:1px solid "
	"var(--line)}th:first-child,td:first-child{text-align:left;border-left:0;"
	"position:sticky;left:0;background:var(--card);font-weight:600}th{background:var(--head)!"
	"important;color:var(--dim);font-weight:500;"
	"font-size:11px}tr.g th{text-align:center}td.s,th.s{text-align:left}tbody "
	"tr{border-top:1px solid var(--line)}"
	"tr.fe td,tr.be td,tr.fe td:first-child,tr.be td:first-child{background:var(--fe)}tbody "
	"tr:hover td{filter:brightness(.97)}"
	".p{display:inline-block;border-radius:99px;padding:0 "
	"9px;font-weight:600;font-size:12px}.up{background:var(--up);color:var(--upf)}"
	".down{background:var(--down);color:var(--downf)}.maint{background:var(--maint);color:var(-"
	"-maintf)}"
	".drain{background:var(--drain);color:var(--drainf)}.going{background:var(--going);color:"
	"var(--goingf)}"
	".none{background:var(--none);color:var(--nonef)}.z{color:var(--zero)}.bad{color:var(--"
	"downf);font-weight:600}"
	"td small{color:var(--dim);font-weight:400}footer{padding:4px 20px "
	"22px;color:var(--dim)}footer .p{margin-right:6px}"
	"@media(max-width:700px){main,header,footer{padding-left:8px;padding-right:8px}th,td{"
	"padding:3px 5px}}</style>";

/* ---- columns ---- */

enum show {
	SHOW_NUMBER,
	SHOW_BYTES,
	SHOW_BAD /* red when not 0 */,
	SHOW_AGE,
	SHOW_TEXT,
	SHOW_STATUS,
	SHOW_CHECK
};

struct page_column {
	const char *group, *title, *name, *tip;
	enum show show;
};

static const struct page_column columns[] = {
	{ "State", "Now", "status", "state, and since when", SHOW_STATUS },
	{ "State", "Last check", "check_status", "the last health check", SHOW_CHECK },
	{ "Queue", "Cur", "qcur", "requests waiting now", SHOW_NUMBER },
	{ "Queue", "Max", "qmax", "most ever waiting", SHOW_NUMBER },
	{ "Queue", "Limit", "qlimit", "maxqueue", SHOW_NUMBER },
	{ "Session rate", "Cur", "rate", "sessions in the last second", SHOW_NUMBER },
	{ "Session rate", "Max", "rate_max", "most sessions in a second", SHOW_NUMBER },
	{ "Session rate", "Limit", "rate_lim", "rate-limit sessions", SHOW_NUMBER },
	{ "Sessions", "Cur", "scur", "sessions now", SHOW_NUMBER },
	{ "Sessions", "Max", "smax", "most sessions at once", SHOW_NUMBER },
	{ "Sessions", "Limit", "slim", "maxconn or fullconn", SHOW_NUMBER },
	{ "Sessions", "Total", "stot", "sessions since the start", SHOW_NUMBER },
	{ "Sessions", "LbTot", "lbtot", "times chosen by the balance algorithm", SHOW_NUMBER },
	{ "Sessions", "Last", "lastsess", "time since the last session", SHOW_AGE },
	{ "Bytes", "In", "bin", "bytes from clients", SHOW_BYTES },
	{ "Bytes", "Out", "bout", "bytes to clients", SHOW_BYTES },
	{ "Denied", "Req", "dreq", "requests denied by rules", SHOW_BAD },
	{ "Denied", "Resp", "dresp", "responses denied by rules", SHOW_BAD },
	{ "Errors", "Req", "ereq", "bad requests", SHOW_BAD },
	{ "Errors", "Conn", "econ", "failed connections to servers", SHOW_BAD },
	{ "Errors", "Resp", "eresp", "bad responses", SHOW_BAD },
	{ "Warnings", "Retr", "wretr", "connections tried again", SHOW_NUMBER },
	{ "Warnings", "Redis", "wredis", "sent to another server", SHOW_NUMBER },
	{ "Server", "Wght", "weight", "weight", SHOW_NUMBER },
	{ "Server", "Act", "act", "active servers", SHOW_NUMBER },
	{ "Server", "Bck", "bck", "backup servers", SHOW_NUMBER },
	{ "Server", "Chk", "chkfail", "failed checks", SHOW_NUMBER },
	{ "Server", "Dwn", "chkdown", "times it went down", SHOW_NUMBER },
	{ "Server", "Dwntme", "downtime", "time it was down", SHOW_AGE },
	{ "Server", "Thrtle", "throttle", "percent of its weight in slow start", SHOW_NUMBER },
};

static const struct core_column *sources[ARRAY_SIZE(columns)];

void stats_html_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		for (size_t k = 0; k < core_column_count; k++)
			if (strcmp(core_columns[k].name, columns[i].name) == 0)
				sources[i] = &core_columns[k];
}

/* ---- text ---- */

static void add_html(struct strbuf *o, const char *z)
{
	for (; *z; z++) {
		switch (*z) {
		case '<':
			strbuf_adds(o, "&lt;");
			break;
		case '>':
			strbuf_adds(o, "&gt;");
			break;
		case '&':
			strbuf_adds(o, "&amp;");
			break;
		case '"':
			strbuf_adds(o, "&quot;");
			break;
		default:
			strbuf_addc(o, *z);
		}
	}
}

/* 1234567 as "1,234,567". */
static void add_grouped(struct strbuf *o, const char *digits)
{
	size_t n = strlen(digits);

	for (size_t i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			strbuf_addc(o, ',');
		strbuf_addc(o, digits[i]);
	}
}

static void add_bytes(struct strbuf *o, uint64_t n)
{
	static const char units[] = " KMGTPE";
	double v = (double)n;
	size_t u = 0;

	while (v >= 1024 && u + 2 < sizeof(units)) {
		v /= 1024;
		u++;
	}
	if (u)
		strbuf_addf(o, "%.*f&#8239;%cB", v < 10 ? 2 : v < 100 ? 1 : 0, v, units[u]);
	else
		strbuf_addf(o, "%llu&#8239;B", (unsigned long long)n);
}

/* At most two units, as HAProxy's page has them: "3h12m". */
static void add_age(struct strbuf *o, uint64_t s)
{
	if (s >= 86400)
		strbuf_addf(o, "%llud%lluh", (unsigned long long)(s / 86400),
			    (unsigned long long)(s / 3600 % 24));
	else if (s >= 3600)
		strbuf_addf(o, "%lluh%llum", (unsigned long long)(s / 3600),
			    (unsigned long long)(s / 60 % 60));
	else if (s >= 60)
		strbuf_addf(o, "%llum%llus", (unsigned long long)(s / 60),
			    (unsigned long long)(s % 60));
	else
		strbuf_addf(o, "%llus", (unsigned long long)s);
}

/* ---- head and foot ---- */

static void card(struct strbuf *o, const char *title, uint64_t value, uint64_t of)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	strbuf_addf(o, "<div><i>%s</i><em>", title);
	add_grouped(o, text);
	strbuf_adds(o, "</em>");
	if (of) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)of);
		strbuf_adds(o, " <small>/ ");
		add_grouped(o, text);
		strbuf_adds(o, "</small>");
	}
	strbuf_adds(o, "</div>");
}

static void link_to(struct strbuf *o, const struct stats_view *v, const char *options,
		    const char *text)
{
	strbuf_adds(o, "<a href=\"");
	add_html(o, v->page->uri);
	strbuf_addf(o, "%s\">%s</a>", options, text);
}

void stats_html_head(struct strbuf *o, const struct stats_view *v)
{
	const struct stats_page *p = v->page;
	uint64_t up = (uint64_t)time(NULL) - process_start_wall_s;

	strbuf_adds(o, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>lbd "
		       "statistics");
	if (p->node) {
		strbuf_adds(o, " on ");
		add_html(o, p->node);
	}
	strbuf_adds(
		o, "</title><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
		   "<link rel=\"icon\" href=\"data:,\">");
	strbuf_add(o, style, sizeof(style) - 1);
	strbuf_addf(o, "</head><body><header><b>lbd%s%s</b>", p->hide_version ? "" : " ",
		    p->hide_version ? "" : LBD_VERSION);
	if (p->node) {
		strbuf_adds(o, "<span>node ");
		add_html(o, p->node);
		strbuf_adds(o, "</span>");
	}
	strbuf_addf(o, "<span>pid %d</span><span>up ", (int)getpid());
	add_age(o, up);
	strbuf_addf(o, "</span><span>%d threads</span>", worker_count);
	if (p->desc) {
		strbuf_adds(o, "<span>");
		add_html(o, p->desc);
		strbuf_adds(o, "</span>");
	}
	strbuf_adds(o, "<nav>");
	link_to(o, v, v->no_refresh ? ";norefresh" : "", "Reload");
	if (p->refresh_s)
		link_to(o, v, v->no_refresh ? "" : ";norefresh",
			v->no_refresh ? "Start refreshing" : "Stop refreshing");
	link_to(o, v, v->hide_down ? "" : ";up",
		v->hide_down ? "Show all servers" : "Hide servers that are down");
	link_to(o, v, ";csv", "CSV");
	link_to(o, v, ";json", "JSON");
	strbuf_adds(o, "</nav></header><main><div class=\"cards\">");
	card(o, "Connections", sessions_active, config->global.maxconn);
	card(o, "Connections / s", sessions_rate(), 0);
	card(o, "Highest / s", sessions_rate_max(), 0);
	card(o, "Accepted", sessions_accepted(), 0);
	strbuf_adds(o, "</div>");
}

void stats_html_foot(struct strbuf *o, const struct stats_view *v)
{
	strbuf_adds(o, "</main><footer><span class=\"p up\">UP</span><span class=\"p going\">going "
		       "up or down</span>"
		       "<span class=\"p down\">DOWN</span><span class=\"p "
		       "maint\">MAINT</span><span class=\"p drain\">DRAIN, NOLB</span>"
		       "<span class=\"p none\">not checked</span></footer></body></html>\n");
}

/* ---- tables ---- */

static void group_heads(struct strbuf *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(columns);) {
		size_t n = 1;

		while (i + n < ARRAY_SIZE(columns) &&
		       strcmp(columns[i].group, columns[i + n].group) == 0)
			n++;
		strbuf_addf(o, "<th colspan=\"%zu\">%s</th>", n, columns[i].group);
		i += n;
	}
}

static bool has_form(const struct proxy *px, const struct stats_view *v)
{
	return v->admin && (px->caps & PX_BACKEND) && !list_empty(&px->servers);
}

void stats_html_section(struct strbuf *o, const struct proxy *px, const struct stats_view *v)
{
	strbuf_adds(o, "<h2 id=\"");
	add_html(o, px->name);
	strbuf_adds(o, "\">");
	add_html(o, px->name);
	strbuf_addf(o, "<small>%s, mode %s</small>", proxy_kind(px), proxy_mode_name(px->mode));
	if (px->description) {
		strbuf_adds(o, "<small>");
		add_html(o, px->description);
		strbuf_adds(o, "</small>");
	}
	strbuf_adds(o, "</h2>");
	if (has_form(px, v))
		strbuf_addf(
			o, "<form method=\"post\"><input type=\"hidden\" name=\"b\" value=\"#%u\">",
			px->uuid);
	strbuf_adds(o, "<div class=\"t\"><table><thead><tr class=\"g\"><th></th>");
	group_heads(o);
	strbuf_adds(o, "</tr><tr><th></th>");
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		strbuf_addf(o, "<th%s title=\"%s\">%s</th>",
			    columns[i].show >= SHOW_STATUS ? " class=\"s\"" : "", columns[i].tip,
			    columns[i].title);
	strbuf_adds(o, "</tr></thead><tbody>");
}

void stats_html_section_end(struct strbuf *o, const struct proxy *px, const struct stats_view *v)
{
	strbuf_adds(o, "</tbody></table></div>");
	if (has_form(px, v))
		stats_admin_form(o);
}

/* ---- cells ---- */

static const char *state_class(const struct stat_obj *s, const char *status)
{
	static const struct {
		const char *prefix, *css;
	} rows[] = { { "UP ", "going" },  { "DOWN ", "going" }, { "UP", "up" },
		     { "OPEN", "up" },    { "DOWN", "down" },   { "STOP", "down" },
		     { "FULL", "down" },  { "MAINT", "maint" }, { "DRAIN", "drain" },
		     { "NOLB", "drain" }, { "PAUSED", "maint" } };

	if (s->type == STAT_BE)
		return strncmp(status, "UP", 2) == 0 ? "up" : "down";
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strncmp(status, rows[i].prefix, strlen(rows[i].prefix)) == 0)
			return rows[i].css;
	return "none";
}

static void status_cell(struct strbuf *o, const struct stat_obj *s, const char *status)
{
	struct strbuf age = STRBUF_INIT;

	strbuf_addf(o, "<td class=\"s\"><span class=\"p %s\">", state_class(s, status));
	add_html(o, status);
	strbuf_adds(o, "</span>");
	if (s->type == STAT_BE || s->type == STAT_SRV) {
		stat_column_write(&age, s, "lastchg");
		strbuf_adds(o, " <small>");
		add_age(o, strtoull(strbuf_z(&age), NULL, 10));
		strbuf_adds(o, "</small>");
		strbuf_fini(&age);
	}
	strbuf_adds(o, "</td>");
}

/* "L7OK/200 in 1ms", with the long words as a tip. */
static void check_cell(struct strbuf *o, const struct stat_obj *s, const char *status)
{
	static const char *const parts[] = { "check_code", "check_duration", "check_desc",
					     "last_chk" };
	struct strbuf text[ARRAY_SIZE(parts)] = { 0 };

	for (size_t i = 0; *status && i < ARRAY_SIZE(parts); i++)
		stat_column_write(&text[i], s, parts[i]);
	strbuf_adds(o, "<td class=\"s\" title=\"");
	add_html(o, strbuf_z(&text[2]));
	if (text[3].n) {
		strbuf_adds(o, ": ");
		add_html(o, strbuf_z(&text[3]));
	}
	strbuf_adds(o, "\">");
	add_html(o, status);
	if (text[0].n)
		strbuf_addf(o, "/%s", strbuf_z(&text[0]));
	if (text[1].n)
		strbuf_addf(o, " <small>in %s&#8239;ms</small>", strbuf_z(&text[1]));
	strbuf_adds(o, "</td>");
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		strbuf_fini(&text[i]);
}

static void number_cell(struct strbuf *o, const char *value, enum show show)
{
	bool zero = strcmp(value, "0") == 0;
	uint64_t n = strtoull(value, NULL, 10);

	strbuf_addf(o, "<td%s",
		    zero                         ? " class=\"z\""
		    : show == SHOW_BAD && *value ? " class=\"bad\""
						 : "");
	if (show == SHOW_BYTES && n >= 1024)
		strbuf_addf(o, " title=\"%s\"", value);
	strbuf_addc(o, '>');
	if (show == SHOW_BYTES && *value)
		add_bytes(o, n);
	else if (show == SHOW_AGE && *value && *value != '-')
		add_age(o, n);
	else if (show == SHOW_AGE && *value)
		strbuf_adds(o, "<span class=\"z\">never</span>");
	else
		add_grouped(o, value);
	strbuf_adds(o, "</td>");
}

static void name_cell(struct strbuf *o, const struct stat_obj *s, const struct stats_view *v)
{
	struct strbuf addr = STRBUF_INIT;

	strbuf_adds(o, "<td>");
	if (s->type == STAT_SRV && v->admin) {
		strbuf_adds(o, "<input type=\"checkbox\" name=\"s\" value=\"");
		add_html(o, s->srv->name);
		strbuf_adds(o, "\"> ");
	}
	if (s->type == STAT_SRV)
		add_html(o, s->srv->name);
	else
		strbuf_adds(o, s->type == STAT_BE ? "Backend" : "Frontend");
	if (s->type == STAT_SRV && (s->flags & STAT_LEGENDS)) {
		stat_column_write(&addr, s, "addr");
		strbuf_adds(o, " <small>");
		add_html(o, strbuf_z(&addr));
		strbuf_adds(o, "</small>");
	} else if (s->type == STAT_BE && (s->flags & STAT_LEGENDS)) {
		stat_column_write(&addr, s, "algo");
		strbuf_adds(o, " <small>");
		add_html(o, strbuf_z(&addr));
		strbuf_adds(o, "</small>");
	}
	strbuf_adds(o, "</td>");
	strbuf_fini(&addr);
}

void stats_html_row(struct strbuf *o, const struct stat_obj *s, const struct stats_view *v)
{
	static const char *const css[] = {
		[STAT_FE] = "fe", [STAT_BE] = "be", [STAT_SRV] = "srv", [STAT_LISTENER] = "li"
	};
	struct strbuf value = STRBUF_INIT;

	strbuf_addf(o, "<tr class=\"%s\">", css[s->type]);
	name_cell(o, s, v);
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		strbuf_reset(&value);
		core_column_write(&value, sources[i], s);
		if (columns[i].show == SHOW_STATUS)
			status_cell(o, s, strbuf_z(&value));
		else if (columns[i].show == SHOW_CHECK)
			check_cell(o, s, strbuf_z(&value));
		else
			number_cell(o, strbuf_z(&value), columns[i].show);
	}
	strbuf_adds(o, "</tr>");
	strbuf_fini(&value);
}
