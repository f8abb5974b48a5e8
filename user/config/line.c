// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What keyword handlers call: places, messages and arguments of the line under the reader. Control thread.
 */
#include <errno.h>

#include "base/strbuf.h"
#include "base/units.h"
#include "config/keyword.h"
#include "model/config.h"
#include "model/proxy.h"

struct place cfg_place(const struct cfg_line *l, int i)
{
	struct place at = l->at;

	if (i >= 0 && i <= l->nwords)
		at.column = l->words[i].column;
	return at;
}

/* "backend 'app': " in front of a message, so that it says where even without the file at hand. */
static void add_subject(struct strbuf *b, const struct cfg_line *l)
{
	if (l->px && l->px->name && *l->px->name)
		strbuf_addf(b, "%s '%s'", proxy_kind(l->px), l->px->name);
	else if (l->px)
		strbuf_addf(b, "%s", proxy_kind(l->px));
	else if (l->section & CFG_GLOBAL)
		strbuf_adds(b, "global");
	else
		return;
	strbuf_addf(b, "%s%s: ", l->within ? ", " : "", l->within ? l->within : "");
}

static void say(struct cfg_line *l, enum diag_level level, int i, const char *fmt, va_list ap)
{
	struct strbuf b = STRBUF_INIT;

	add_subject(&b, l);
	strbuf_vaddf(&b, fmt, ap);
	diag_add(l->diag, level, cfg_place(l, i), "%s", strbuf_z(&b));
	strbuf_fini(&b);
}

int cfg_error(struct cfg_line *l, int i, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(l, DIAG_ERROR, i, fmt, ap);
	va_end(ap);
	return -1;
}

int cfg_warn(struct cfg_line *l, int i, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(l, DIAG_WARNING, i, fmt, ap);
	va_end(ap);
	return 0;
}

/* The keyword's own words, "timeout client". */
static const char *keyword_text(struct cfg_line *l)
{
	struct strbuf b = STRBUF_INIT;
	const char *z;

	for (int i = 0; i < l->first_arg; i++)
		strbuf_addf(&b, "%s%s", i ? " " : "", l->words[i].z);
	z = arena_strdup(l->arena, strbuf_z(&b));
	strbuf_fini(&b);
	return z;
}

int cfg_want_args(struct cfg_line *l, int min, int max, const char *usage)
{
	int n = cfg_argc(l);

	if (n < min)
		return cfg_error(l, l->nwords, "'%s' needs %s\nusage: %s", keyword_text(l),
				 min == 1 && n == 0 ? "an argument" : "more arguments", usage);
	if (max >= 0 && n > max)
		return cfg_error(l, l->first_arg + max, "'%s' does not take '%s'%s\nusage: %s",
				 keyword_text(l), cfg_arg(l, max),
				 max ? " there" : ", it has no arguments", usage);
	return 0;
}

const char *cfg_words_text(struct cfg_line *l, int from, int to)
{
	size_t n = 1;
	char *text, *w;

	for (int i = from; i < to; i++)
		n += strlen(l->words[i].z) + 1;
	text = w = arena_alloc(l->arena, n);
	for (int i = from; i < to; i++) {
		size_t k = strlen(l->words[i].z);

		if (i > from)
			*w++ = ' ';
		memcpy(w, l->words[i].z, k);
		w += k;
	}
	*w = 0;
	return text;
}

int cfg_arg_time(struct cfg_line *l, int k, uint32_t *out_ms)
{
	const char *z = cfg_arg(l, k);
	int rc = parse_time_ms(slice_z(z), out_ms);

	if (rc == -ERANGE)
		return cfg_error(l, l->first_arg + k,
				 "'%s': '%s' is too long a time, at most 24 days (2147483647 ms)",
				 keyword_text(l), z);
	if (rc)
		return cfg_error(
			l, l->first_arg + k,
			"'%s' takes a time, not '%s': a number and us, ms (default), s, m, h or d",
			keyword_text(l), z);
	return 0;
}

int cfg_arg_i64(struct cfg_line *l, int k, int64_t min, int64_t max, int64_t *out)
{
	const char *z = cfg_arg(l, k);

	if (!parse_i64(slice_z(z), min, max, out))
		return 0;
	if (max == INT32_MAX || max == UINT32_MAX || max == INT64_MAX)
		return cfg_error(l, l->first_arg + k,
				 "'%s' must be a whole number of %lld or more, not '%s'",
				 keyword_text(l), (long long)min, z);
	return cfg_error(l, l->first_arg + k, "'%s' must be %lld..%lld, not '%s'", keyword_text(l),
			 (long long)min, (long long)max, z);
}

void cfg_forget_use(struct cfg_line *l, const char *name)
{
	struct cfg_use *u, *tmp;

	if (!l->px)
		return;
	list_for_each_entry_safe(u, tmp, &l->px->uses, node)
		if (!strcmp(u->name, name))
			list_del(&u->node);
}

void cfg_note_use(struct cfg_line *l, const char *kind, const char *name,
		  enum kernel_meaning kernel, const char *kernel_says)
{
	struct cfg_use *u;

	if (!l->px)
		return;
	/* what the section says itself takes the place of what it inherited */
	list_for_each_entry(u, &l->px->uses, node) {
		if (!u->inherited)
			break;
		if (u->name == name && u->kind == kind) {
			list_del(&u->node);
			break;
		}
	}
	u = ARENA_NEW(l->arena, struct cfg_use);
	*u = (struct cfg_use){ .kind = kind,
			       .name = name,
			       .kernel = kernel,
			       .kernel_says = kernel_says,
			       .at = l->at };
	list_add_tail(&l->px->uses, &u->node);
}
