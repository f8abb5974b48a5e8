// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy_support.h"

#include "config/reader.h"
#include "policy/rules.h"
#include "stream/session.h"

void bench_init(struct policy_bench *b)
{
	static bool once;

	if (!once) {
		config_language_init();
		policy_init();
		once = true;
	}
	memset(b, 0, sizeof(*b));
	diag_init(&b->diag);
	b->cfg = config_new(&b->diag);
	b->px = proxy_new(b->cfg, "t", PX_FRONTEND | PX_BACKEND, PLACE_NONE);
	arena_init(&b->scratch, 0);
	b->ctx = (struct smp_ctx){ .scratch = &b->scratch, .final = true };
}

void bench_fini(struct policy_bench *b)
{
	arena_fini(&b->scratch);
	arena_fini(&b->cfg->arena);
	diag_fini(&b->diag);
}

struct cfg_line *bench_line(struct policy_bench *b, const char *text)
{
	struct arena *a = &b->cfg->arena;
	struct cfg_line *l = ARENA_NEW(a, struct cfg_line);
	struct cfg_word *words = arena_zalloc(a, sizeof(*words) * (strlen(text) + 2));
	char *out = arena_alloc(a, strlen(text) * 2 + 2);
	const char *start = text;

	*l = (struct cfg_line){ .cfg = b->cfg,
				.diag = &b->diag,
				.arena = a,
				.section = CFG_LISTEN,
				.px = b->px,
				.words = words };
	l->at = (struct place){ "test", 1, 1, arena_strdup(a, text) };
	while (*text) {
		struct cfg_word *w = &words[l->nwords];
		char quote = 0;

		while (*text == ' ')
			text++;
		if (!*text)
			break;
		w->z = out;
		w->column = (int)(text - start) + 1;
		for (; *text && (quote || *text != ' '); text++) {
			if (quote ? *text == quote : *text == '\'' || *text == '"')
				quote = quote ? 0 : *text;
			else
				*out++ = *text;
		}
		*out++ = 0;
		w->n = strlen(w->z);
		l->nwords++;
	}
	words[l->nwords].z = "";
	l->first_arg = 1;
	return l;
}

const char *bench_said(struct policy_bench *b)
{
	if (list_empty(&b->diag.entries))
		return "";
	return list_last(&b->diag.entries, struct diag_entry, node)->text;
}
