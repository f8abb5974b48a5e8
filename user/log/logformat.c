// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * logformat.c - compiles and writes format texts: "%ci:%cp [%t] %{+Q}r %[src]" (manual 8.2.6). Used by log lines and
 * by whatever else takes a format (headers, redirects). Not for: what an alias means (alias.c, l7).
 * Compiled by the control thread into the configuration's arena; written by any worker.
 */
#include "log/private.h"
#include "base/coverage.h"
#include "policy/sample.h"

#include <ctype.h>

enum node_kind { NODE_TEXT, NODE_SPACE, NODE_ALIAS, NODE_EXPR };
enum { LF_QUOTE = 1, LF_HEX = 2, LF_ESCAPE = 4, LF_DASH = 8 };

struct lf_node {
	struct lf_node *next;
	uint8_t kind, flags;
	struct slice text;
	const struct log_alias *alias, *base; /* with and without an HTTP transaction */
	struct expr *expr;
};

struct logformat {
	struct lf_node *first;
};

/* ---- compiling ---- */

struct lf_parser {
	struct cfg_line *l;
	int word;
	unsigned int where;
	const char *p;
	uint8_t flags; /* set by %{..}o for all that follow */
	struct lf_node **tail;
};

static struct lf_node *node_add(struct lf_parser *ps, enum node_kind kind)
{
	struct lf_node *n = ARENA_NEW(ps->l->arena, struct lf_node);

	n->kind = kind;
	n->flags = ps->flags | (ps->where & SMP_W_LOG ? LF_DASH : 0);
	*ps->tail = n;
	ps->tail = &n->next;
	return n;
}

static void text_add(struct lf_parser *ps, const char *p, size_t n)
{
	if (n)
		node_add(ps, NODE_TEXT)->text = arena_dup(ps->l->arena, slice_make(p, n));
}

/* Plain text up to the next '%'. In logs a run of spaces is one separator. */
static void parse_text(struct lf_parser *ps)
{
	const char *from = ps->p;

	while (*ps->p && *ps->p != '%') {
		if (*ps->p == ' ' && (ps->where & SMP_W_LOG)) {
			text_add(ps, from, ps->p - from);
			node_add(ps, NODE_SPACE);
			while (*ps->p == ' ')
				ps->p++;
			from = ps->p;
			continue;
		}
		ps->p++;
	}
	text_add(ps, from, ps->p - from);
}

/* "{+Q,-X}" behind the '%'. */
static int parse_flags(struct lf_parser *ps, uint8_t *flags)
{
	const char *end = strchr(ps->p, '}');
	bool on = true;

	if (!end)
		return cfg_error(ps->l, ps->word,
				 "format: '%%{' is never closed\n  flags look like '%%{+Q,+X}ci'");
	for (const char *c = ps->p + 1; c < end; c++) {
		uint8_t f = *c == 'Q' ? LF_QUOTE : *c == 'X' ? LF_HEX : *c == 'E' ? LF_ESCAPE : 0;

		if (*c == '+' || *c == '-')
			on = *c == '+';
		else if (f)
			*flags = on ? *flags | f : *flags & ~f;
		else if (*c != ',')
			cfg_warn(ps->l, ps->word,
				 "format: unknown flag '%c' has no effect; Q, X and E exist", *c);
	}
	ps->p = end + 1;
	return 0;
}

/*
 * The ']' that ends an expression: not inside a fetch's or converter's parentheses, which end at the first ')' that is
 * neither quoted nor escaped.
 */
static const char *expr_end(const char *p)
{
	bool in_args = false;
	char quote = 0;

	for (; *p; p++) {
		if (quote) {
			if (*p == quote)
				quote = 0;
			else if (*p == '\\' && quote == '"' && p[1])
				p++;
		} else if (in_args && (*p == '"' || *p == '\'')) {
			quote = *p;
		} else if (in_args && *p == '\\' && p[1]) {
			p++;
		} else if (*p == '(') {
			in_args = true;
		} else if (*p == ')') {
			in_args = false;
		} else if (*p == ']' && !in_args) {
			return p;
		}
	}
	return NULL;
}

static int parse_expr(struct lf_parser *ps, uint8_t flags)
{
	const char *end = expr_end(++ps->p);
	struct slice text;
	struct lf_node *n;

	if (!end)
		return cfg_error(ps->l, ps->word, "format: '%%[%s' is never closed by ']'", ps->p);
	text = arena_dup(ps->l->arena, slice_make(ps->p, end - ps->p));
	n = node_add(ps, NODE_EXPR);
	n->flags = (n->flags & LF_DASH) | flags;
	n->text = text;
	n->expr = expr_parse(ps->l, ps->word, text.p, ps->where);
	ps->p = end + 1;
	return n->expr ? 0 : -1;
}

struct nearest_ctx {
	size_t i;
};

static const char *next_alias(void *ctx)
{
	struct nearest_ctx *c = ctx;
	const struct log_alias *a = log_alias_at(c->i++);

	return a ? a->name : NULL;
}

static int parse_alias(struct lf_parser *ps, uint8_t flags)
{
	struct slice name = { ps->p, 0 };
	const struct log_alias *a, *base = NULL;
	struct lf_node *n;

	while (isalnum((unsigned char)name.p[name.n]))
		name.n++;
	ps->p += name.n;
	if (name.n == 1 && name.p[0] == 'o') {
		coverage_note("log-alias", "%o");
		ps->flags = flags;
		return 0;
	}
	if (!name.n)
		return cfg_error(ps->l, ps->word,
				 "format: no variable name behind '%%' near '%.10s'\n"
				 "  to emit a '%%' write '%%%%'",
				 name.p);
	a = log_alias_find(name, &base);
	if (a && coverage_on) {
		char alias[16];

		snprintf(alias, sizeof(alias), "%%%s", a->name);
		coverage_note("log-alias", alias);
	}
	if (!a) {
		struct nearest_ctx ctx = { 0 };
		struct slice z = arena_dup(ps->l->arena, name);
		const char *near = diag_nearest(z.p, next_alias, &ctx);

		return cfg_error(
			ps->l, ps->word,
			"format: no such variable '%%%s'%s%s%s\n  to emit a '%%' write '%%%%'", z.p,
			near ? "; did you mean '%" : "", near ? near : "", near ? "'?" : "");
	}
	if (base->http_only && (ps->where & SMP_W_LOG) && ps->l->px && ps->l->px->mode != MODE_HTTP)
		return cfg_error(ps->l, ps->word,
				 "format: variable '%%%s' is reserved for HTTP mode", a->name);
	n = node_add(ps, NODE_ALIAS);
	n->flags = (n->flags & LF_DASH) | flags;
	if (a->quoted_default)
		n->flags |= LF_QUOTE;
	n->alias = a;
	n->base = base;
	return 0;
}

static int parse_variable(struct lf_parser *ps)
{
	uint8_t flags = ps->flags;

	ps->p++;
	if (*ps->p == '%') {
		text_add(ps, "%", 1);
		ps->p++;
		return 0;
	}
	if (*ps->p == '{' && parse_flags(ps, &flags))
		return -1;
	return *ps->p == '[' ? parse_expr(ps, flags) : parse_alias(ps, flags);
}

struct logformat *logformat_parse(struct cfg_line *l, int word, const char *text,
				  unsigned int where)
{
	struct logformat *f = ARENA_NEW(l->arena, struct logformat);
	struct lf_parser ps = {
		.l = l, .word = word, .where = where, .p = text, .tail = &f->first
	};

	while (*ps.p) {
		if (*ps.p != '%')
			parse_text(&ps);
		else if (parse_variable(&ps))
			return NULL;
	}
	return f;
}

/* ---- writing ---- */

static bool wants_escape(char c, uint8_t flags)
{
	return (flags & LF_ESCAPE) && (c == '"' || c == '\\' || c == ']');
}

/* In logs all control characters become "#0A" (manual 8.6), so that no client can start a line of his own; elsewhere (headers,
 * paths) all but tabs become "%0A", so that none can start a header. */
static bool wants_hex(unsigned char c, uint8_t flags)
{
	return (c < 32 || c == 127) && ((flags & LF_DASH) || c != '\t');
}

/* Rewrites what was written from @from on: +E, and control characters. */
static void clean_tail(struct strbuf *out, size_t from, uint8_t flags)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = out->n - from, extra = 0, at;

	for (size_t i = from; i < out->n; i++) {
		unsigned char c = (unsigned char)out->p[i];

		if (wants_hex(c, flags))
			extra += 2;
		else if (wants_escape((char)c, flags))
			extra++;
	}
	if (!extra || !strbuf_reserve(out, extra))
		return;
	at = out->n + extra;
	out->n = at;
	out->p[at] = 0;
	for (size_t i = from + n; i-- > from;) {
		unsigned char c = (unsigned char)out->p[i];

		if (wants_hex(c, flags)) {
			out->p[--at] = hex[c & 15];
			out->p[--at] = hex[c >> 4];
			out->p[--at] = flags & LF_DASH ? '#' : '%';
		} else {
			out->p[--at] = (char)c;
			if (wants_escape((char)c, flags))
				out->p[--at] = '\\';
		}
	}
}

static void write_expr(const struct lf_node *n, struct strbuf *out, const struct smp_ctx *sc)
{
	struct sample smp = { .type = SMP_NONE };

	if (sc && expr_eval(n->expr, sc, SMP_STR, &smp))
		strbuf_add_slice(out, smp.u.s);
}

static void write_alias(const struct lf_node *n, const struct log_alias *a, struct strbuf *out,
			const struct log_ctx *c)
{
	if ((n->flags & LF_HEX) && a->write_hex)
		a->write_hex(out, c);
	else
		a->write(out, c);
}

static void write_value(const struct lf_node *n, struct strbuf *out, const struct log_ctx *c,
			const struct smp_ctx *sc)
{
	const struct log_alias *a = c->http ? n->alias : n->base;
	bool quote = n->flags & LF_QUOTE;
	size_t from;

	if (a && (a->numeric || a->may_be_empty || ((n->flags & LF_HEX) && a->write_hex)))
		quote = false;
	if (quote)
		strbuf_addc(out, '"');
	from = out->n;
	if (n->kind == NODE_EXPR)
		write_expr(n, out, sc);
	else if (a)
		write_alias(n, a, out, c);
	if (out->n != from)
		clean_tail(out, from, n->flags);
	else if ((n->flags & LF_DASH) && !quote && !(a && a->may_be_empty))
		strbuf_addc(out, '-');
	if (quote)
		strbuf_addc(out, '"');
}

void logformat_write(const struct logformat *f, struct strbuf *out, const struct log_ctx *c,
		     const struct smp_ctx *sc)
{
	bool after_space = true; /* no separator at the very start either */

	for (const struct lf_node *n = f->first; n; n = n->next) {
		size_t before = out->n;

		if (n->kind == NODE_SPACE) {
			if (!after_space)
				strbuf_addc(out, ' ');
			after_space = true;
			continue;
		}
		if (n->kind == NODE_TEXT)
			strbuf_add_slice(out, n->text);
		else
			write_value(n, out, c, sc);
		if (out->n != before)
			after_space = false;
	}
}
