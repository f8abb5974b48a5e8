// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stats.c - statistics lines: summing counters, walking over all objects, and the forms CSV, typed and JSON.
 * Not for: what a column says (stats_columns.c), HTML (l7/stats_page.c). Any thread.
 */
#include "admin/stats.h"
#include "admin/private.h"
#include "admin/stats_columns.h"

#include <stdio.h>
#include <stdlib.h>

#include "loop/thread.h"
#include "stream/session.h"

/* ---- columns of other modules ---- */

static const struct stat_column **module_columns;
static size_t nmodule_columns;

void stat_column_register(const struct stat_column *rows, size_t n)
{
	module_columns = xrealloc(module_columns, (nmodule_columns + n) * sizeof(*module_columns));
	for (size_t i = 0; i < n; i++)
		module_columns[nmodule_columns++] = &rows[i];
}

/* ---- summing ---- */

/* Events of the last second: the current one so far, and what the one before still has to give. */
static uint64_t last_second(const uint64_t *sec, const uint64_t *cur, const uint64_t *prev,
			    uint64_t now_ms)
{
	uint64_t second = count_get(sec), left_ms = 1000 - now_ms % 1000;

	if (second == now_ms / 1000)
		return count_get(cur) + count_get(prev) * left_ms / 1000;
	return second + 1 == now_ms / 1000 ? count_get(cur) * left_ms / 1000 : 0;
}

static void add_words(void *to, const void *from, size_t bytes)
{
	uint64_t *a = to;
	const uint64_t *b = from;

	for (size_t i = 0; i < bytes / sizeof(*a); i++)
		a[i] += count_get(&b[i]);
}

static void highest(uint64_t *to, uint64_t v)
{
	*to = v > *to ? v : *to;
}

static void load_fe(struct stat_obj *o, const struct fe_counters *c, uint64_t now_ms)
{
	uint64_t sess = 0, conn = 0, req = 0;

	for (int t = 0; c && t <= worker_count; t++) {
		add_words(&o->fe, &c[t], sizeof(o->fe));
		highest(&sess, count_get(&c[t].sess_max));
		highest(&conn, count_get(&c[t].conn_max));
		highest(&req, count_get(&c[t].req_max));
		o->fe_rate += last_second(&c[t].sess_sec, &c[t].sess_cur, &c[t].sess_prev, now_ms);
		o->fe_conn_rate +=
			last_second(&c[t].conn_sec, &c[t].conn_cur, &c[t].conn_prev, now_ms);
		o->fe_req_rate += last_second(&c[t].req_sec, &c[t].req_cur, &c[t].req_prev, now_ms);
	}
	highest(&sess, o->fe_rate);
	highest(&conn, o->fe_conn_rate);
	highest(&req, o->fe_req_rate);
	o->fe.sess_max = sess;
	o->fe.conn_max = conn;
	o->fe.req_max = req;
}

static void load_be(struct stat_obj *o, const struct be_counters *c, uint64_t now_ms)
{
	struct be_counters max = { 0 };

	for (int t = 0; c && t <= worker_count; t++) {
		add_words(&o->be, &c[t], sizeof(o->be));
		highest(&max.sess_max, count_get(&c[t].sess_max));
		highest(&max.q_time_max, count_get(&c[t].q_time_max));
		highest(&max.c_time_max, count_get(&c[t].c_time_max));
		highest(&max.d_time_max, count_get(&c[t].d_time_max));
		highest(&max.t_time_max, count_get(&c[t].t_time_max));
		highest(&max.last_session_s, count_get(&c[t].last_session_s));
		o->be_rate += last_second(&c[t].sess_sec, &c[t].sess_cur, &c[t].sess_prev, now_ms);
	}
	highest(&max.sess_max, o->be_rate);
	o->be.sess_max = max.sess_max;
	o->be.q_time_max = max.q_time_max;
	o->be.c_time_max = max.c_time_max;
	o->be.d_time_max = max.d_time_max;
	o->be.t_time_max = max.t_time_max;
	o->be.last_session_s = max.last_session_s;
}

/* What packets did in the kernel counts like what connections did here. Backends: the sum over their servers. */
static void add_kernel(struct stat_obj *o, const struct kernel_counters *k)
{
	uint64_t made, in, out;

	if (!k)
		return;
	made = atomic_load_explicit(&k->made, memory_order_relaxed);
	in = atomic_load_explicit(&k->in_bytes, memory_order_relaxed);
	out = atomic_load_explicit(&k->out_bytes, memory_order_relaxed);
	o->kernel_flows += atomic_load_explicit(&k->flows, memory_order_relaxed);
	o->kernel_flows_max += atomic_load_explicit(&k->flows_max, memory_order_relaxed);
	o->fe.cum_conn += made;
	o->fe.cum_sess += made;
	o->fe.bytes_in += in;
	o->fe.bytes_out += out;
	o->be.cum_sess += made;
	o->be.cum_lbconn += made;
	o->be.bytes_in += in;
	o->be.bytes_out += out;
	o->fe_rate += atomic_load_explicit(&k->rate, memory_order_relaxed);
	o->fe_conn_rate += atomic_load_explicit(&k->rate, memory_order_relaxed);
	o->be_rate += atomic_load_explicit(&k->rate, memory_order_relaxed);
}

static void add_kernel_parts(struct stat_obj *o)
{
	const struct server *s;

	if (o->type == STAT_FE)
		add_kernel(o, o->px->kernel);
	else if (o->type == STAT_SRV)
		add_kernel(o, o->srv->kernel);
	else if (o->type == STAT_BE)
		list_for_each_entry(s, &o->px->servers, node)
			add_kernel(o, s->kernel);
}

void stat_obj_load(struct stat_obj *o, enum stat_type type, struct proxy *px, struct server *s,
		   struct bind_conf *b, unsigned int flags)
{
	uint64_t now_ms = this_loop ? this_loop->now_ms : 0;

	memset(o, 0, sizeof(*o));
	o->type = type;
	o->px = px;
	o->srv = s;
	o->bind = b;
	o->flags = flags;
	if (type == STAT_FE)
		load_fe(o, px->fe_count, now_ms);
	else if (type == STAT_BE)
		load_be(o, px->be_count, now_ms);
	else if (type == STAT_SRV)
		load_be(o, s->count, now_ms);
	add_kernel_parts(o);
}

/* ---- walking ---- */

static bool hidden(const struct server *s, unsigned int flags)
{
	bool maint = atomic_load(&s->live.admin) & SRV_ADM_MAINT;

	if ((flags & STAT_HIDE_MAINT) && maint)
		return true;
	return (flags & STAT_HIDE_DOWN) && (maint || !server_is_willing(s));
}

enum { STAGE_PROXY, STAGE_SERVERS, STAGE_BACKEND, STAGE_NEXT };

static bool next_server(struct stat_walk *w, struct stat_obj *o)
{
	struct list *at = w->srv ? w->srv->node.next : w->px->servers.next;

	for (; at != &w->px->servers; at = at->next) {
		w->srv = list_entry(at, struct server, node);
		if ((w->sid >= 0 && w->srv->puid != (uint32_t)w->sid) || hidden(w->srv, w->flags))
			continue;
		stat_obj_load(o, STAT_SRV, w->px, w->srv, NULL, w->flags);
		return true;
	}
	return false;
}

static bool next_proxy(struct stat_walk *w)
{
	struct list *at = w->px ? w->px->node.next : config->proxies.next;

	if (w->only) {
		if (w->px)
			return false;
		w->px = w->only;
		return true;
	}
	for (; at != &config->proxies; at = at->next) {
		w->px = list_entry(at, struct proxy, node);
		if (!(w->px->caps & PX_INTERNAL) && !w->px->disabled)
			return true;
	}
	return false;
}

bool stat_walk_next(struct stat_walk *w, struct stat_obj *o)
{
	if (!w->px)
		w->stage = STAGE_NEXT;
	for (;;) {
		int stage = w->stage;

		switch (stage) {
		case STAGE_NEXT:
			if (!next_proxy(w))
				return false;
			w->srv = NULL;
			w->stage = STAGE_PROXY;
			break;
		case STAGE_PROXY:
			w->stage = STAGE_SERVERS;
			if ((w->px->caps & PX_FRONTEND) && (w->mask & STAT_WANT_FE) &&
			    w->sid <= 0) {
				stat_obj_load(o, STAT_FE, w->px, NULL, NULL, w->flags);
				return true;
			}
			break;
		case STAGE_SERVERS:
			if ((w->px->caps & PX_BACKEND) && (w->mask & STAT_WANT_SRV) &&
			    next_server(w, o))
				return true;
			w->stage = STAGE_BACKEND;
			break;
		case STAGE_BACKEND:
			w->stage = STAGE_NEXT;
			if ((w->px->caps & PX_BACKEND) && (w->mask & STAT_WANT_BE) && w->sid <= 0) {
				stat_obj_load(o, STAT_BE, w->px, NULL, NULL, w->flags);
				return true;
			}
			break;
		}
	}
}

bool frontend_is_paused(const struct proxy *px)
{
	struct listener *l;
	bool any = false;

	list_for_each_entry(l, listeners(), node) {
		if (l->px != px)
			continue;
		if (!atomic_load_explicit(&l->disabled, memory_order_relaxed))
			return false;
		any = true;
	}
	return any;
}

/* ---- forms ---- */

void stat_column_write(struct strbuf *out, const struct stat_obj *o, const char *name)
{
	for (size_t i = 0; i < core_column_count; i++)
		if (strcmp(core_columns[i].name, name) == 0) {
			core_column_write(out, &core_columns[i], o);
			return;
		}
}

void stats_csv_header(struct strbuf *out)
{
	strbuf_adds(out, "# ");
	for (size_t i = 0; i < core_column_count; i++)
		strbuf_addf(out, "%s,", core_columns[i].name);
	strbuf_adds(out, "-,");
	for (size_t i = 0; i < nmodule_columns; i++)
		strbuf_addf(out, "%s,", module_columns[i]->name);
	strbuf_addc(out, '\n');
}

/* A value with a comma, quote or line end goes into quotes (RFC 4180). */
static void quote_tail(struct strbuf *out, size_t from)
{
	struct slice v = slice_make(out->p + from, out->n - from);
	struct strbuf copy = STRBUF_INIT;
	bool special = false;

	for (size_t i = 0; i < v.n; i++)
		special |= v.p[i] == ',' || v.p[i] == '"' || v.p[i] == '\n';
	if (!special)
		return;
	strbuf_add_slice(&copy, v);
	out->n = from;
	strbuf_addc(out, '"');
	for (size_t i = 0; i < copy.n; i++) {
		if (copy.p[i] == '"')
			strbuf_addc(out, '"');
		strbuf_addc(out, copy.p[i]);
	}
	strbuf_addc(out, '"');
	strbuf_fini(&copy);
}

static void write_column(struct strbuf *out, const struct stat_obj *o, size_t i)
{
	if (i < core_column_count)
		core_column_write(out, &core_columns[i], o);
	else
		module_columns[i - core_column_count]->write(out, (int)o->type, o->px, o->srv,
							     o->bind);
}

void stats_csv_line(struct strbuf *out, const struct stat_obj *o)
{
	for (size_t i = 0; i < core_column_count + nmodule_columns; i++) {
		size_t from;

		if (i == core_column_count)
			strbuf_adds(out, "-,");
		from = out->n;
		write_column(out, o, i);
		quote_tail(out, from);
		strbuf_addc(out, ',');
	}
	if (!nmodule_columns)
		strbuf_adds(out, "-,");
	strbuf_addc(out, '\n');
}

struct column_view {
	const char *name, *tags, *type, *help;
	size_t pos;
};

/* Column @i of all; modules' stand behind the "-". */
static struct column_view view(size_t i)
{
	const struct stat_column *m;

	if (i < core_column_count)
		return (struct column_view){ core_columns[i].name, core_columns[i].tags,
					     core_columns[i].type, core_columns[i].help, i };
	m = module_columns[i - core_column_count];
	return (struct column_view){ m->name, m->tags ? m->tags : "MCP", m->type ? m->type : "u64",
				     m->help ? m->help : "", i + 1 };
}

static void typed_obj(struct strbuf *out, const struct stat_obj *o, bool desc)
{
	static const char letters[] = {
		[STAT_FE] = 'F', [STAT_BE] = 'B', [STAT_SRV] = 'S', [STAT_LISTENER] = 'L'
	};
	struct strbuf value = STRBUF_INIT;

	for (size_t i = 0; i < core_column_count + nmodule_columns; i++) {
		struct column_view v = view(i);

		strbuf_reset(&value);
		write_column(&value, o, i);
		if (!value.n)
			continue;
		strbuf_addf(out, "%c.%u.%u.%zu.%s.1:%s:%s:%s", letters[o->type], o->px->uuid,
			    o->type == STAT_SRV ? o->srv->puid : 0, v.pos, v.name, v.tags, v.type,
			    strbuf_z(&value));
		if (desc)
			strbuf_addf(out, ":\"%s\"", v.help);
		strbuf_addc(out, '\n');
	}
	strbuf_fini(&value);
}

void stats_json_line(struct strbuf *out, const struct stat_obj *o, bool first_obj)
{
	static const char *const kinds[] = { "Frontend", "Backend", "Server", "Listener" };
	struct strbuf value = STRBUF_INIT;
	bool first = true;

	strbuf_adds(out, first_obj ? "[" : ",[");
	for (size_t i = 0; i < core_column_count + nmodule_columns; i++) {
		struct column_view v = view(i);

		strbuf_reset(&value);
		write_column(&value, o, i);
		if (!value.n)
			continue;
		strbuf_addf(out,
			    "%s{\"objType\":\"%s\",\"proxyId\":%u,\"id\":%u,\"field\":{\"pos\":%zu,"
			    "\"name\":\"%s\"},",
			    first ? "" : ",", kinds[o->type], o->px->uuid,
			    o->type == STAT_SRV ? o->srv->puid : 0, v.pos, v.name);
		stats_json_value(out, v.tags, v.type, strbuf_slice(&value));
		first = false;
	}
	strbuf_addc(out, ']');
	strbuf_fini(&value);
}

void stats_csv(struct strbuf *out, struct proxy *px, int mask, int sid)
{
	struct stat_walk w = { .only = px, .mask = mask, .sid = sid, .flags = STAT_LEGENDS };
	struct stat_obj o;

	stats_csv_header(out);
	while (stat_walk_next(&w, &o))
		stats_csv_line(out, &o);
}

/* ---- show stat ---- */

enum { FORM_CSV, FORM_TYPED, FORM_JSON };

struct dump {
	struct stat_walk walk;
	int form;
	bool desc, started, any;
};

/* "[<iid|name> <type> <sid>] [up|no-maint|typed|json|desc]*"; false: said. */
static bool parse_dump(struct cli_request *r, struct dump *d)
{
	const char *first = cli_arg(r, 0);
	int k = 0;

	d->walk = (struct stat_walk){ .mask = STAT_WANT_ALL, .sid = -1, .flags = STAT_LEGENDS };
	if (*first && *cli_arg(r, 1) && *cli_arg(r, 2)) {
		int iid = atoi(first);
		struct proxy *px;

		if (iid == 0 || (iid > 0 && strspn(first, "0123456789") != strlen(first))) {
			d->walk.only = config_find_proxy(config, first, PX_FRONTEND | PX_BACKEND);
			if (!d->walk.only) {
				cli_say(r, "No such proxy.");
				return false;
			}
		} else if (iid > 0) {
			list_for_each_entry(px, &config->proxies, node)
				if (px->uuid == (uint32_t)iid)
					d->walk.only = px;
			if (!d->walk.only) {
				d->walk.mask = 0;
			}
		}
		d->walk.mask &= atoi(cli_arg(r, 1));
		d->walk.sid = atoi(cli_arg(r, 2));
		k = 3;
	}
	for (; *cli_arg(r, k); k++) {
		const char *word = cli_arg(r, k);

		if (strcmp(word, "up") == 0)
			d->walk.flags |= STAT_HIDE_DOWN;
		else if (strcmp(word, "no-maint") == 0)
			d->walk.flags |= STAT_HIDE_MAINT;
		else if (strcmp(word, "typed") == 0)
			d->form = FORM_TYPED;
		else if (strcmp(word, "json") == 0)
			d->form = FORM_JSON;
		else if (strcmp(word, "desc") == 0)
			d->desc = true;
	}
	return true;
}

static void dump_begin(struct cli_request *r, struct dump *d)
{
	d->started = true;
	if (d->form == FORM_CSV)
		stats_csv_header(r->out);
	else if (d->form == FORM_JSON)
		strbuf_addc(r->out, '[');
}

static enum cli_result run_stat(struct cli_request *r)
{
	struct dump *d = r->cursor;
	struct stat_obj o;
	size_t from = r->out->n;

	if (!d) {
		d = r->cursor = xzalloc(sizeof(*d));
		r->cursor_free = free;
		if (!parse_dump(r, d))
			return CLI_DONE;
		dump_begin(r, d);
	}
	while (stat_walk_next(&d->walk, &o)) {
		if (d->form == FORM_CSV)
			stats_csv_line(r->out, &o);
		else if (d->form == FORM_TYPED)
			typed_obj(r->out, &o, d->desc);
		else
			stats_json_line(r->out, &o, !d->any);
		d->any = true;
		if (r->out->n - from > 32768)
			return CLI_MORE;
	}
	if (d->form == FORM_JSON)
		strbuf_adds(r->out, "]\n");
	return CLI_DONE;
}

/* ---- clear counters: each worker clears its own ---- */

static void clear_one(void *counters, size_t bytes, bool all, const size_t *max, size_t nmax)
{
	uint64_t *c = counters;

	for (size_t i = 0; all && i < bytes / sizeof(*c); i++)
		count_set(&c[i], 0);
	for (size_t i = 0; i < nmax; i++)
		count_set(&c[max[i] / sizeof(*c)], 0);
}

static void clear_in_thread(struct loop *l, void *arg)
{
	static const size_t fe_max[] = { offsetof(struct fe_counters, sess_max),
					 offsetof(struct fe_counters, conn_max),
					 offsetof(struct fe_counters, req_max) };
	static const size_t be_max[] = { offsetof(struct be_counters, sess_max),
					 offsetof(struct be_counters, q_time_max),
					 offsetof(struct be_counters, c_time_max),
					 offsetof(struct be_counters, d_time_max),
					 offsetof(struct be_counters, t_time_max) };
	bool all = ((struct cli_request *)arg)->num[0];
	struct proxy *px;
	struct server *s;

	list_for_each_entry(px, &config->proxies, node) {
		if (px->fe_count)
			clear_one(&px->fe_count[l->tid], sizeof(*px->fe_count), all, fe_max,
				  ARRAY_SIZE(fe_max));
		if (px->be_count)
			clear_one(&px->be_count[l->tid], sizeof(*px->be_count), all, be_max,
				  ARRAY_SIZE(be_max));
		list_for_each_entry(s, &px->servers, node)
			if (s->count)
				clear_one(&s->count[l->tid], sizeof(*s->count), all, be_max,
					  ARRAY_SIZE(be_max));
	}
}

static void clear_kernel(struct kernel_counters *k, bool all)
{
	if (!k)
		return;
	atomic_store(&k->flows_max, atomic_load(&k->flows));
	atomic_store(&k->rate_max, atomic_load(&k->rate));
	if (all)
		k->base = k->raw;
}

static void clear_shared(bool all)
{
	struct proxy *px;
	struct server *s;

	list_for_each_entry(px, &config->proxies, node) {
		atomic_store(&px->fe_conns_max, atomic_load(&px->fe_conns));
		atomic_store(&px->be_conns_max, atomic_load(&px->be_conns));
		clear_kernel(px->kernel, all);
		if (all)
			px->down_trans = 0;
		list_for_each_entry(s, &px->servers, node) {
			clear_kernel(s->kernel, all);
			atomic_store(&s->load.served_max, atomic_load(&s->load.served));
			atomic_store(&s->load.queued_max, atomic_load(&s->load.queued));
			if (all)
				s->live.failed_checks = s->live.down_trans = 0;
		}
	}
}

static void cleared(void *arg)
{
	cli_finish(arg);
}

static enum cli_result clear_counters(struct cli_request *r, bool all)
{
	r->num[0] = all;
	clear_shared(all);
	clear_in_thread(&control_loop, r);
	threads_each(clear_in_thread, r, cleared);
	return CLI_LATER;
}

static enum cli_result run_clear(struct cli_request *r)
{
	return clear_counters(r, false);
}

static enum cli_result run_clear_all(struct cli_request *r)
{
	return cli_client_of(r)->level < CLI_ADMIN ? cli_say(r, "Permission denied")
						   : clear_counters(r, true);
}

static const struct cli_command rows[] = {
	{ "show stat", CLI_USER, run_stat, "show stat [desc|json|no-maint|typed|up]*",
	  "report counters for each proxy and server" },
	{ "clear counters", CLI_OPERATOR, run_clear, "clear counters [all]",
	  "clear max statistics counters (or all counters)" },
	{ "clear counters all", CLI_OPERATOR, run_clear_all, NULL, NULL },
};

static void walk_names(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	char name[64];

	for (size_t i = 0; i < core_column_count; i++) {
		snprintf(name, sizeof(name), "%03zu %s", i, core_columns[i].name);
		emit(ctx, "stat-csv-col", name);
	}
}

void stats_init(void)
{
	static const struct name_walker walker = { "svc", walk_names };

	cli_register(rows, ARRAY_SIZE(rows));
	names_register(&walker);
}
