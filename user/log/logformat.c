// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * logformat.c - compiles and writes format texts: "%ci:%cp [%t] %{+Q}r %[src]" (manual 8.2.6). Used by log lines and
 * by whatever else takes a format (headers, redirects). Not for: what an alias means (alias.c, l7).
 * Compiled by the control thread into the configuration's arena; written by any worker.
 */
#include "base/units.h"
#include "log/private.h"
#include "base/coverage.h"
#include "policy/sample.h"

#include <ctype.h>

enum node_kind { NODE_TEXT, NODE_SPACE, NODE_ALIAS, NODE_EXPR };
enum {
	LF_QUOTE = 1,
	LF_HEX = 2,
	LF_ESCAPE = 4,
	LF_DASH = 8,
	LF_JSON = 16,
	LF_CBOR = 32,
	LF_BIN = 64
};
#define LF_ENCODED (LF_JSON | LF_CBOR)

struct lf_node {
	struct lf_node *next;
	uint8_t kind, flags;
	struct slice text;
	const struct log_alias *alias, *base; /* with and without an HTTP transaction */
	struct expr *expr;
	struct slice name;  /* "%(name:type)", p is NULL without */
	enum smp_type type; /* SMP_ANY: what the value has */
};

struct logformat {
	struct lf_node *first;
	uint8_t encoding; /* the whole line: LF_JSON or LF_CBOR, LF_BIN; only named items are in it */
};

/* ---- compiling ---- */

struct lf_parser {
	struct cfg_line *l;
	int word;
	unsigned int where;
	const char *p;
	uint8_t flags;     /* set by %{..}o for all that follow */
	struct slice name; /* of the next item */
	enum smp_type type;
	uint8_t encoding;
	struct lf_node **tail;
};

static struct lf_node *node_add(struct lf_parser *ps, enum node_kind kind)
{
	struct lf_node *n = ARENA_NEW(ps->l->arena, struct lf_node);

	n->kind = kind;
	n->flags = ps->flags | (ps->where & SMP_W_LOG ? LF_DASH : 0);
	n->type = SMP_ANY;
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

/* The flag whose letters stand at @c; 0: none. Written with '+' it counts as used. */
static uint8_t flag_at(const char *c, size_t *len, bool on)
{
	static const struct {
		const char *word;
		uint8_t flag;
	} flags[] = { { "json", LF_JSON }, { "cbor", LF_CBOR }, { "bin", LF_BIN },
		      { "Q", LF_QUOTE },   { "X", LF_HEX },     { "E", LF_ESCAPE } };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		size_t n = strlen(flags[i].word);

		if (!strncmp(c, flags[i].word, n)) {
			*len = n;
			if (on)
				coverage_note("log-flag", flags[i].word);
			return flags[i].flag;
		}
	}
	return 0;
}

/* "(name)" or "(name:type)" behind the '%': the key of the item in an encoded line. */
static int parse_name(struct lf_parser *ps)
{
	const char *end = strchr(ps->p, ')'), *colon;
	struct slice type = SLICE_NONE;

	if (!end || end == ps->p + 1)
		return cfg_error(ps->l, ps->word,
				 "format: a name looks like '%%(name)ci' or '%%(name:type)[src]'");
	ps->name = arena_dup(ps->l->arena, slice_make(ps->p + 1, (size_t)(end - ps->p - 1)));
	colon = memchr(ps->name.p, ':', ps->name.n);
	if (colon) {
		type = slice_from(ps->name, (size_t)(colon - ps->name.p) + 1);
		ps->name.n = (size_t)(colon - ps->name.p);
	}
	ps->type = slice_eq_z(type, "bool")   ? SMP_BOOL
		   : slice_eq_z(type, "sint") ? SMP_INT
		   : slice_eq_z(type, "str")  ? SMP_STR
					      : SMP_ANY;
	if (type.n && ps->type == SMP_ANY)
		return cfg_error(
			ps->l, ps->word,
			"format: '%.*s' is no type of an item; there are bool, sint and str",
			SLICE_FMT(type));
	ps->p = end + 1;
	return 0;
}

static void name_node(struct lf_parser *ps, struct lf_node *n)
{
	n->name = ps->name;
	n->type = ps->type;
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
		size_t len = 1;
		uint8_t f = flag_at(c, &len, on);

		if (*c == '+' || *c == '-')
			on = *c == '+';
		else if (f)
			*flags = on ? *flags | f : *flags & ~f;
		else if (*c != ',')
			cfg_warn(ps->l, ps->word,
				 "format: unknown flag '%c' has no effect; Q, X, E, json, cbor and "
				 "bin exist",
				 *c);
		c += len - 1;
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
	name_node(ps, n);
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
		if (flags & LF_ENCODED)
			ps->encoding = flags & (LF_ENCODED | LF_BIN);
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
	name_node(ps, n);
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
	ps->name = SLICE_NONE;
	ps->type = SMP_ANY;
	if (*ps->p == '(' && parse_name(ps))
		return -1;
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
	f->encoding = ps.encoding;
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

/* ---- JSON (RFC 8259) and CBOR (RFC 8949) ---- */

/* How many bytes of @s are one valid UTF-8 sequence of more than one byte; 0: none. */
static size_t utf8_len(struct slice s)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t n = c >= 0xc2 && c < 0xe0   ? 2
		   : (c & 0xf0) == 0xe0    ? 3
		   : c >= 0xf0 && c < 0xf5 ? 4
					   : 0;

	if (!n || s.n < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static void json_string(struct strbuf *out, struct slice s)
{
	strbuf_addc(out, '"');
	while (s.n) {
		unsigned char c = (unsigned char)s.p[0];
		size_t n = c >= 0x80 ? utf8_len(s) : 1;

		if (!n || c < 0x20 || c == 0x7f) {
			strbuf_addf(out, "\\u%04x", c);
			n = 1;
		} else {
			if (c == '"' || c == '\\')
				strbuf_addc(out, '\\');
			strbuf_add_slice(out, slice_first(s, n));
		}
		s = slice_from(s, n);
	}
	strbuf_addc(out, '"');
}

/* A CBOR head: major type in the upper three bits, then the number in as few bytes as it needs. */
static void cbor_head(struct strbuf *out, unsigned int major, uint64_t n)
{
	int size = n < 24 ? 0 : n < 256 ? 1 : n < 65536 ? 2 : n <= UINT32_MAX ? 4 : 8;

	strbuf_addc(out, (char)(major << 5 | (size == 0   ? (unsigned int)n
					      : size == 1 ? 24u
					      : size == 2 ? 25u
					      : size == 4 ? 26u
							  : 27u)));
	while (size-- > 0)
		strbuf_addc(out, (char)(n >> (8 * size)));
}

static void cbor_string(struct strbuf *out, struct slice s)
{
	cbor_head(out, 3, s.n);
	strbuf_add_slice(out, s);
}

static void encode_sample(struct strbuf *out, bool json, const struct sample *s)
{
	switch (s->type) {
	case SMP_NONE:
		if (json)
			strbuf_adds(out, "null");
		else
			strbuf_addc(out, (char)0xf6);
		return;
	case SMP_BOOL:
		if (json)
			strbuf_adds(out, s->u.i ? "true" : "false");
		else
			strbuf_addc(out, (char)(s->u.i ? 0xf5 : 0xf4));
		return;
	case SMP_INT:
		if (json)
			strbuf_addf(out, "%lld", (long long)s->u.i);
		else if (s->u.i < 0)
			cbor_head(out, 1, (uint64_t)(-1 - s->u.i));
		else
			cbor_head(out, 0, (uint64_t)s->u.i);
		return;
	default:
		if (json)
			json_string(out, s->u.s);
		else
			cbor_string(out, s->u.s);
	}
}

/* "-12", "+5": a number; "01/Jan/2026" is none. */
static bool is_number(struct slice s, int64_t *v)
{
	if (s.n && s.p[0] == '+')
		s = slice_from(s, 1);
	return s.n && !parse_i64(s, INT64_MIN, INT64_MAX, v);
}

/* The item's value with its type; a text lies in @text. */
static struct sample item_value(const struct lf_node *n, struct strbuf *text,
				const struct log_ctx *c, const struct smp_ctx *sc)
{
	const struct log_alias *a = c->http ? n->alias : n->base;
	struct sample s = { .type = SMP_NONE };

	if (n->kind == NODE_EXPR) {
		bool keep = n->type == SMP_ANY;

		if (!sc || !expr_eval(n->expr, sc, n->type, &s))
			return (struct sample){ .type = SMP_NONE };
		if (keep && s.type != SMP_BOOL && s.type != SMP_INT &&
		    !sample_cast(&s, SMP_STR, sc))
			s.type = SMP_NONE;
		return s;
	}
	if (a)
		a->write(text, c);
	if (!text->n)
		return s;
	s.type = SMP_STR;
	s.u.s = strbuf_slice(text);
	if ((n->type == SMP_INT || (n->type == SMP_ANY && a->numeric)) &&
	    is_number(strbuf_slice(text), &s.u.i))
		s.type = SMP_INT;
	return s;
}

static void write_encoded(const struct lf_node *n, struct strbuf *out, bool json,
			  const struct log_ctx *c, const struct smp_ctx *sc)
{
	struct strbuf text = STRBUF_INIT;
	struct sample s = item_value(n, &text, c, sc);

	encode_sample(out, json, &s);
	strbuf_fini(&text);
}

static void add_hex(struct strbuf *out, struct slice s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		strbuf_addc(out, hex[(unsigned char)s.p[i] >> 4]);
		strbuf_addc(out, hex[s.p[i] & 15]);
	}
}

/* The named items as one object. */
static void write_object(const struct logformat *f, struct strbuf *out, const struct log_ctx *c,
			 const struct smp_ctx *sc)
{
	bool json = f->encoding & LF_JSON, first = true;
	struct strbuf bytes = STRBUF_INIT;
	struct strbuf *to = json || (f->encoding & LF_BIN) ? out : &bytes;

	strbuf_addc(to, json ? '{' : (char)0xbf); /* a map of unknown length */
	for (const struct lf_node *n = f->first; n; n = n->next) {
		if (!n->name.p)
			continue;
		if (json) {
			strbuf_adds(to, first ? "" : ", ");
			json_string(to, n->name);
			strbuf_adds(to, ": ");
		} else {
			cbor_string(to, n->name);
		}
		first = false;
		write_encoded(n, to, json, c, sc);
	}
	strbuf_addc(to, json ? '}' : (char)0xff);
	if (to == &bytes)
		add_hex(out, strbuf_slice(&bytes));
	strbuf_fini(&bytes);
}

/* One item of a line that is not encoded as a whole. */
static void write_item(const struct lf_node *n, struct strbuf *out, const struct log_ctx *c,
		       const struct smp_ctx *sc)
{
	struct strbuf bytes = STRBUF_INIT;

	if ((n->flags & LF_JSON) || (n->flags & LF_BIN)) {
		write_encoded(n, out, n->flags & LF_JSON, c, sc);
		return;
	}
	write_encoded(n, &bytes, false, c, sc);
	add_hex(out, strbuf_slice(&bytes));
	strbuf_fini(&bytes);
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

	if (f->encoding) {
		write_object(f, out, c, sc);
		return;
	}
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
		else if (n->flags & LF_ENCODED)
			write_item(n, out, c, sc);
		else
			write_value(n, out, c, sc);
		if (out->n != before)
			after_space = false;
	}
}
