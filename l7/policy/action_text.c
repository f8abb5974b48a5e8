// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * action_text.c - text arguments of HTTP actions. Parsing: control thread; making: the transaction's worker.
 */
#include "log/log.h"
#include "policy/action_text.h"

int action_text_parse(struct cfg_line *l, int *i, const struct rule *r, struct action_text *t)
{
	if (*i >= l->nwords)
		return cfg_error(l, l->nwords - 1, "an argument is missing; usage: %s",
				 r->action->usage);
	t->constant = slice_z(l->words[*i].z);
	if (strchr(t->constant.p, '%')) {
		t->format = logformat_parse(l, *i, t->constant.p, r->where);
		if (!t->format)
			return -1;
	}
	++*i;
	return 0;
}

struct slice action_text_make(const struct action_text *t, const struct rule *r,
			      const struct smp_ctx *ctx)
{
	struct log_ctx lc = { .sess = ctx->sess,
			      .stream = ctx->stream,
			      .http = ctx->http,
			      .fe = ctx->sess ? ctx->sess->fe : r->px,
			      .be = ctx->stream && ctx->stream->be ? ctx->stream->be : r->px };
	struct strbuf text = STRBUF_INIT;
	struct slice out;

	if (!t->format)
		return t->constant;
	logformat_write(t->format, &text, &lc, ctx);
	out = arena_dup(ctx->scratch, strbuf_slice(&text));
	strbuf_fini(&text);
	return out;
}

struct regex *action_regex_parse(struct cfg_line *l, int *i, const struct rule *r)
{
	struct regex *re;
	char why[200];

	if (*i >= l->nwords) {
		cfg_error(l, l->nwords - 1, "a regular expression is missing; usage: %s",
			  r->action->usage);
		return NULL;
	}
	re = regex_compile(l->arena, l->words[*i].z, false, true, why, sizeof(why));
	if (!re)
		cfg_error(l, *i, "regular expression '%s': %s", l->words[*i].z, why);
	++*i;
	return re;
}

bool action_replace(struct arena *a, const struct regex *re, struct slice s, struct slice with,
		    struct slice *out)
{
	struct regex_groups g;
	size_t size = with.n + s.n * 4 + 64;
	ptrdiff_t n;
	char *buf;

	if (!regex_match(re, s, 0, &g))
		return false;
	for (;; size *= 2) {
		if (size > 65536)
			return false;
		buf = arena_alloc(a, size);
		n = regex_expand(buf, size, s, with, &g);
		if (n >= 0)
			break;
	}
	*out = slice_make(buf, (size_t)n);
	return true;
}
