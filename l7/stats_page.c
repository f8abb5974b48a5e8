// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stats_page.c - serves the statistics page: which requests are for it, who may see it, and its forms HTML, CSV and
 * JSON, produced bit by bit. Not for: the page's looks (stats_html.c), its words (stats_conf.c). Runs in workers.
 */
#include "stats_page.h"

#include <stdio.h>
#include <stdlib.h>

#include "http/reply.h"
#include "log/log.h"
#include "policy/acl.h"
#include "http/body.h"

enum page_form { PAGE_HTML, PAGE_CSV, PAGE_JSON };
enum page_stage { STAGE_HEAD, STAGE_ROWS, STAGE_FOOT, STAGE_END };

/* A page on its way. */
struct page {
	struct proxy *px;
	struct stats_view view;
	enum page_form form;
	enum page_stage stage;
	struct stat_walk walk;
	struct proxy *section; /* whose table is open */
	struct strbuf text;    /* produced, from `sent` on not yet taken */
	size_t sent;
	bool any;
};

static void page_fini(void *ctx)
{
	struct page *p = ctx;

	strbuf_fini(&p->text);
	free(p);
}

/* `stats scope`: only those sections. */
static bool in_scope(const struct page *p, const struct proxy *px)
{
	const struct stats_page *c = p->view.page;

	for (int i = 0; i < c->nscope; i++)
		if (strcmp(c->scope[i], px->name) == 0 ||
		    (strcmp(c->scope[i], ".") == 0 && px == p->px))
			return true;
	return c->nscope == 0;
}

static void page_row(struct page *p, const struct stat_obj *o)
{
	if (p->form == PAGE_CSV) {
		stats_csv_line(&p->text, o);
		return;
	}
	if (p->form == PAGE_JSON) {
		stats_json_line(&p->text, o, !p->any);
		p->any = true;
		return;
	}
	if (o->px != p->section) {
		if (p->section)
			stats_html_section_end(&p->text, p->section, &p->view);
		stats_html_section(&p->text, o->px, &p->view);
		p->section = o->px;
	}
	stats_html_row(&p->text, o, &p->view);
}

static void page_rows(struct page *p)
{
	struct stat_obj o;

	while (p->text.n < 16384) {
		if (!stat_walk_next(&p->walk, &o)) {
			p->stage = STAGE_FOOT;
			return;
		}
		if (in_scope(p, o.px))
			page_row(p, &o);
	}
}

/* The next bit of text. */
static void page_step(struct page *p)
{
	switch (p->stage) {
	case STAGE_HEAD:
		if (p->form == PAGE_CSV)
			stats_csv_header(&p->text);
		else if (p->form == PAGE_JSON)
			strbuf_addc(&p->text, '[');
		else
			stats_html_head(&p->text, &p->view);
		p->stage = STAGE_ROWS;
		break;
	case STAGE_ROWS:
		page_rows(p);
		break;
	case STAGE_FOOT:
		if (p->form == PAGE_HTML) {
			if (p->section)
				stats_html_section_end(&p->text, p->section, &p->view);
			stats_html_foot(&p->text, &p->view);
		}
		if (p->form == PAGE_JSON)
			strbuf_addc(&p->text, ']');
		p->stage = STAGE_END;
		break;
	case STAGE_END:
		break;
	}
}

static bool page_produce(struct http_txn *t, void *ctx)
{
	struct page *p = ctx;

	for (;;) {
		p->sent += body_copy(&t->rsp.body, p->text.p + p->sent, p->text.n - p->sent);
		if (p->sent < p->text.n)
			return false;
		if (p->stage == STAGE_END)
			return true;
		strbuf_reset(&p->text);
		p->sent = 0;
		page_step(p);
	}
}

/* ---- requests ---- */

/* Compares in constant time, as far as the lengths allow. */
static bool same(struct slice a, const char *z, size_t n)
{
	unsigned char diff = 0;

	if (a.n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		diff |= (unsigned char)(a.p[i] ^ z[i]);
	return !diff;
}

static bool may_see(struct http_txn *t, const struct stats_page *c)
{
	struct slice user, password;
	bool ok = false;

	if (!c->nauth)
		return true;
	if (!http_basic_auth(t, &user, &password))
		return false;
	for (int i = 0; i < c->nauth; i++) {
		const char *colon = strchr(c->auth[i], ':');

		ok |= (int)same(user, c->auth[i], (size_t)(colon - c->auth[i])) &
		      (int)same(password, colon + 1, strlen(colon + 1));
	}
	return ok;
}

static bool has_option(struct slice options, const char *name)
{
	while (options.n) {
		ptrdiff_t semi = slice_chr(options, ';');
		struct slice one = semi < 0 ? options : slice_first(options, (size_t)semi);

		if (slice_eq_z(one, name))
			return true;
		options = semi < 0 ? SLICE_NONE : slice_from(options, (size_t)semi + 1);
	}
	return false;
}

static struct page *page_new(struct http_txn *t, struct proxy *px, struct slice target)
{
	struct stats_page *c = stats_page_of(px);
	ptrdiff_t semi = slice_chr(target, ';');
	struct slice options = semi < 0 ? SLICE_NONE : slice_from(target, (size_t)semi + 1);
	struct page *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->px = px;
	p->view.page = c;
	p->view.base = slice_z(c->uri);
	p->view.hide_down = has_option(options, "up");
	p->view.no_refresh = has_option(options, "norefresh");
	p->form = has_option(options, "csv")    ? PAGE_CSV
		  : has_option(options, "json") ? PAGE_JSON
						: PAGE_HTML;
	p->walk.mask = STAT_WANT_ALL;
	p->walk.sid = -1;
	p->walk.flags = (p->view.hide_down ? STAT_HIDE_DOWN : 0) |
			(has_option(options, "no-maint") ? STAT_HIDE_MAINT : 0) |
			(c->legends ? STAT_LEGENDS : 0);
	return p;
}

static void answer(struct http_txn *t, struct page *p)
{
	static const struct slice types[] = { [PAGE_HTML] = { "text/html; charset=utf-8", 24 },
					      [PAGE_CSV] = { "text/plain", 10 },
					      [PAGE_JSON] = { "application/json", 16 } };
	const struct stats_page *c = p->view.page;

	http_reply_start(t, 200, NULL);
	http_reply_header(t, SLICE("cache-control"), SLICE("no-cache"));
	http_reply_header(t, SLICE("content-type"), types[p->form]);
	if (c->refresh_s && !p->view.no_refresh)
		http_reply_header(t, SLICE("refresh"),
				  slice_z(arena_printf(&t->arena, "%u", c->refresh_s)));
	http_reply_stream(t, page_produce, page_fini, p);
	/* the page is a server of its own: found, connected and answering at once */
	t->s.t.queue_done = t->s.t.connected = t->s.t.response = this_loop->now_us;
}

/* The request's path and query, also of an absolute target. */
static struct slice target_of(const struct http_txn *t)
{
	struct slice target = t->req.target;
	const char *host;

	if (target.n && target.p[0] == '/')
		return target;
	host = memmem(target.p, target.n, "://", 3);
	if (!host)
		return target;
	target = slice_from(target, (size_t)(host - target.p) + 3);
	return slice_chr(target, '/') < 0 ? SLICE_NONE
					  : slice_from(target, (size_t)slice_chr(target, '/'));
}

/* ---- changes (stats admin) ---- */

static bool is_admin(struct http_txn *t, const struct stats_page *c)
{
	struct smp_ctx ctx;

	if (!c->admin)
		return false;
	http_txn_smp_ctx(t, &ctx, false);
	for (struct cond *const *a = c->admin; *a; a++)
		if (cond_eval(*a, &ctx) == ACL_YES)
			return true;
	return false;
}

struct change_scope {
	const struct stats_page *page;
	const struct proxy *own;
};

static bool may_change(void *arg, const struct proxy *px)
{
	const struct change_scope *sc = arg;

	for (int i = 0; i < sc->page->nscope; i++)
		if (strcmp(sc->page->scope[i], px->name) == 0 ||
		    (strcmp(sc->page->scope[i], ".") == 0 && px == sc->own))
			return true;
	return sc->page->nscope == 0;
}

/* The form has arrived as far as it fits into a queue; HAProxy says EXCD for one that does not. */
static const char *change(struct http_txn *t, struct proxy *px)
{
	struct change_scope sc = { stats_page_of(px), px };
	struct iovec iov[BODY_PARTS];
	char *form, *end;
	int n;

	if (!t->req.body.eom)
		return "EXCD";
	form = end = arena_alloc(&t->arena, (size_t)t->req.body.queued + 1);
	n = body_iov(&t->req.body, iov, BODY_PARTS, t->req.body.queued);
	for (int i = 0; i < n; i++) {
		memcpy(end, iov[i].iov_base, iov[i].iov_len);
		end += iov[i].iov_len;
	}
	*end = 0;
	return stats_admin_apply(form, may_change, &sc);
}

static bool wants_body(struct http_txn *t, struct proxy *px)
{
	const struct stats_page *c = stats_page_of(px);

	return c->admin && t->req.method == METH_POST &&
	       slice_has_prefix(target_of(t), slice_z(c->uri));
}

static bool serve(struct http_txn *t, struct proxy *px)
{
	struct stats_page *c = stats_page_of(px);
	struct slice target = target_of(t);
	struct page *p;

	if (!c->enabled || !slice_has_prefix(target, slice_z(c->uri)))
		return false;
	if (!may_see(t, c)) {
		http_reply_auth(t, 401, slice_z(c->realm));
		return true;
	}
	if (t->s.sess->fe->fe_count)
		count_add(&t->s.sess->fe->fe_count[this_loop->tid].intercepted_req, 1);
	if (t->req.method != METH_GET && t->req.method != METH_HEAD) {
		/* HAProxy answers a POST that it does not take with DENY */
		const char *result =
			t->req.method == METH_POST && is_admin(t, c) ? change(t, px) : "DENY";

		http_reply_redirect(t, 303,
				    slice_z(arena_printf(&t->arena, "%s;st=%s", c->uri, result)));
		return true;
	}
	p = page_new(t, px, target);
	if (p)
		p->view.admin = is_admin(t, c);
	if (p)
		answer(t, p);
	else
		http_reply_error(t, 500);
	return true;
}

static const struct http_service service = { "stats", serve, "the statistics page", wants_body };

/* ---- log: the server's name is <STATS> ---- */

static void write_server(struct strbuf *o, const struct log_ctx *c)
{
	const struct http_txn *t = c->http;

	if (t->produce_fini == page_fini)
		strbuf_adds(o, "<STATS>");
	else
		strbuf_adds(o, c->stream && c->stream->srv ? c->stream->srv->name : "<NOSRV>");
}

static const struct log_alias alias[] = {
	{ "s", write_server,
	  .help = "server, <NOSRV> without one, <STATS> for the statistics page" },
};

void stats_page_init(void)
{
	stats_conf_init();
	stats_html_init();
	http_service_register(&service);
	log_alias_register(alias, ARRAY_SIZE(alias));
}
