// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One line of a configuration file into words. The rules are those of HAProxy's manual, section 2.2 "Quoting
 * and escaping" and 2.3 "Environment variables". Control thread; no state beyond the call.
 */
#include "config/lexer.h"

#include "base/strbuf.h"

struct lexer {
	struct arena *arena;
	const struct lex_vars *vars;
	const char *start, *p, *end;
	struct strbuf word; /* the word being built */
	bool in_word, quoted;
	int word_column;
	struct cfg_word *words;
	int nwords, cap;
	const char *error;
	int column;
};

static int column_of(const struct lexer *x, const char *p)
{
	return (int)(p - x->start) + 1;
}

static bool fail(struct lexer *x, const char *at, const char *why)
{
	if (!x->error) {
		x->error = why;
		x->column = column_of(x, at);
	}
	return false;
}

static void word_begin(struct lexer *x, const char *at)
{
	if (x->in_word)
		return;
	x->in_word = true;
	x->quoted = false;
	x->word_column = column_of(x, at);
	strbuf_reset(&x->word);
}

static void words_reserve(struct lexer *x, int n)
{
	struct cfg_word *grown;

	if (n <= x->cap)
		return;
	x->cap = n < 16 ? 16 : n * 2;
	grown = arena_alloc(x->arena, x->cap * sizeof(*grown));
	if (x->nwords)
		memcpy(grown, x->words, x->nwords * sizeof(*grown));
	x->words = grown;
}

static void word_end(struct lexer *x)
{
	struct cfg_word *w;
	struct slice text;

	if (!x->in_word)
		return;
	x->in_word = false;
	words_reserve(x, x->nwords + 2);
	w = &x->words[x->nwords++];
	text = arena_dup(x->arena, strbuf_slice(&x->word));
	*w = (struct cfg_word){ text.p, text.n, x->word_column, x->quoted };
}

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_char(char c)
{
	return is_name_start(c) || (c >= '0' && c <= '9');
}

/* One "$..." reference. */
struct var_ref {
	const char *name; /* NUL-terminated, in the arena */
	bool split;       /* [*]: several words */
	bool has_default;
	struct slice fallback;
};

/* Reads the reference behind the '$' at *pp and moves *pp behind it; NULL or the error. A lone '$' is an error. */
static const char *var_parse(struct arena *a, const char **pp, const char *end, struct var_ref *ref)
{
	const char *p = *pp, *name;
	bool brace = p < end && *p == '{';

	*ref = (struct var_ref){ 0 };
	if (brace)
		p++;
	name = p;
	if (p < end && *p == '.') /* pseudo-variables */
		p++;
	if (p >= end || !is_name_start(*p))
		return "a variable's name must stand behind '$' (letters, digits and '_', no digit "
		       "first)\n"
		       "write \\$ for a plain dollar sign";
	while (p < end && is_name_char(*p))
		p++;
	ref->name = arena_dup(a, slice_make(name, p - name)).p;
	if (!brace) {
		*pp = p;
		return NULL;
	}
	if (end - p >= 3 && memcmp(p, "[*]", 3) == 0) {
		ref->split = true;
		p += 3;
	}
	if (p < end && *p == '-') {
		const char *d = ++p;

		while (p < end && *p != '}')
			p++;
		ref->has_default = true;
		ref->fallback = slice_make(d, p - d);
	}
	if (p >= end || *p != '}')
		return "expected '}' to end the variable: ${NAME}, ${NAME-default} or ${NAME[*]}";
	*pp = p + 1;
	return NULL;
}

static struct slice var_value(const struct lex_vars *vars, const struct var_ref *ref)
{
	const char *v = vars ? vars->get(vars, ref->name) : NULL;

	if (!v)
		return ref->has_default ? ref->fallback : SLICE("");
	return slice_z(v);
}

/* "$..." within double quotes: x->p stands behind the '$'. */
static bool take_variable(struct lexer *x, const char *at)
{
	struct var_ref ref;
	struct slice value;
	const char *why = var_parse(x->arena, &x->p, x->end, &ref);

	if (why)
		return fail(x, at, why);
	value = var_value(x->vars, &ref);
	if (!ref.split) {
		strbuf_add_slice(&x->word, value);
		return true;
	}
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] != ' ') {
			word_begin(x, at);
			x->quoted = true;
			strbuf_addc(&x->word, value.p[i]);
		} else if (x->in_word && x->word.n) {
			word_end(x);
		}
	}
	word_begin(x, at);
	x->quoted = true;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * A backslash at x->p, within double quotes or outside. Before a character that is not special it stays.
 */
static bool take_escape(struct lexer *x, bool in_quotes)
{
	const char *at = x->p++;
	char c;

	word_begin(x, at);
	if (x->p >=
	    x->end) { /* at the end of the line it is a plain one: lines are never continued */
		strbuf_addc(&x->word, '\\');
		return true;
	}
	c = *x->p++;
	switch (c) {
	case 'n':
		c = '\n';
		break;
	case 'r':
		c = '\r';
		break;
	case 't':
		c = '\t';
		break;
	case 'x': {
		int hi = x->p < x->end ? hex_digit(x->p[0]) : -1;
		int lo = x->end - x->p >= 2 ? hex_digit(x->p[1]) : -1;

		if (hi < 0 || lo < 0)
			return fail(x, at, "'\\x' must be followed by two hexadecimal digits");
		if (!hi && !lo)
			return fail(x, at, "'\\x00' is not possible in a configuration file");
		c = (char)(hi << 4 | lo);
		x->p += 2;
		break;
	}
	case ' ':
	case '\t':
	case '"':
	case '\'':
	case '\\':
	case '#':
		break;
	case '$': /* special in double quotes only */
		if (!in_quotes)
			strbuf_addc(&x->word, '\\');
		break;
	default: /* not special: the backslash is kept */
		strbuf_addc(&x->word, '\\');
		break;
	}
	strbuf_addc(&x->word, c);
	return true;
}

static bool take_single_quoted(struct lexer *x)
{
	const char *at = x->p++, *close = memchr(x->p, '\'', x->end - x->p);

	word_begin(x, at);
	x->quoted = true;
	if (!close)
		return fail(x, at, "this single quote is not closed on the line");
	strbuf_add(&x->word, x->p, close - x->p);
	x->p = close + 1;
	return true;
}

static bool take_double_quoted(struct lexer *x)
{
	const char *at = x->p++;

	word_begin(x, at);
	x->quoted = true;
	while (x->p < x->end) {
		char c = *x->p;

		if (c == '"') {
			x->p++;
			return true;
		}
		if (c == '\\') {
			if (!take_escape(x, true))
				return false;
		} else if (c == '$') {
			const char *dollar = x->p++;

			if (!take_variable(x, dollar))
				return false;
		} else {
			strbuf_addc(&x->word, c);
			x->p++;
		}
	}
	return fail(x, at, "this double quote is not closed on the line");
}

static bool take_all(struct lexer *x)
{
	while (x->p < x->end) {
		switch (*x->p) {
		case ' ':
		case '\t':
			word_end(x);
			x->p++;
			break;
		case '#':
			return true;
		case '\\':
			if (!take_escape(x, false))
				return false;
			break;
		case '\'':
			if (!take_single_quoted(x))
				return false;
			break;
		case '"':
			if (!take_double_quoted(x))
				return false;
			break;
		case '\0':
			return fail(x, x->p,
				    "a NUL byte stands in this line: is this a text file?");
		case '\r':
			return fail(x, x->p,
				    "a carriage return stands in the middle of this line: end "
				    "lines with LF or CR LF");
		default:
			word_begin(x, x->p);
			strbuf_addc(&x->word, *x->p++);
		}
	}
	return true;
}

void lex_line(struct arena *a, struct slice line, const struct lex_vars *vars,
	      struct lex_result *out)
{
	struct lexer x = {
		.arena = a, .vars = vars, .start = line.p, .p = line.p, .word = STRBUF_INIT
	};

	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	x.end = line.p + line.n;
	words_reserve(&x, 1);
	take_all(&x);
	word_end(&x);
	words_reserve(&x, x.nwords + 1);
	x.words[x.nwords] = (struct cfg_word){ "", 0, column_of(&x, x.end), false };
	strbuf_fini(&x.word);
	*out = (struct lex_result){ x.words, x.nwords, x.error, x.column };
}

const char *lex_expand(struct arena *a, const char *text, const struct lex_vars *vars,
		       const char **error)
{
	const char *p = text, *end = text + strlen(text), *result;
	struct strbuf b = STRBUF_INIT;

	*error = NULL;
	if (!strchr(text, '$'))
		return text;
	while (p < end) {
		struct var_ref ref;

		if (*p != '$') {
			strbuf_addc(&b, *p++);
			continue;
		}
		p++;
		*error = var_parse(a, &p, end, &ref);
		if (*error) {
			strbuf_fini(&b);
			return NULL;
		}
		strbuf_add_slice(&b, var_value(vars, &ref));
	}
	result = arena_strdup(a, strbuf_z(&b));
	strbuf_fini(&b);
	return result;
}
