// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * regex.c - PCRE2 with its JIT. One match block per thread, made at the first match; where the JIT's 32 kB stack does
 * not do, the interpreter answers.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/regex.h"

struct regex {
	pcre2_code *code;
	bool jit;
};

static __thread pcre2_match_data *match_data;

static void *from_arena(size_t n, void *arena)
{
	return arena_alloc(arena, n);
}

static void arena_keeps(void *p, void *arena)
{
}

struct regex *regex_compile(struct arena *a, const char *text, bool icase, bool groups, char *err,
			    size_t err_size)
{
	uint32_t options = (icase ? PCRE2_CASELESS : 0) | (groups ? 0 : PCRE2_NO_AUTO_CAPTURE);
	pcre2_general_context *general =
		a ? pcre2_general_context_create(from_arena, arena_keeps, a) : NULL;
	pcre2_compile_context *cc = a ? pcre2_compile_context_create(general) : NULL;
	struct regex *r = a ? ARENA_NEW(a, struct regex) : xzalloc(sizeof(*r));
	PCRE2_SIZE at;
	int code;

	r->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &code, &at, cc);
	if (!r->code) {
		char why[160];

		pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why));
		snprintf(err, err_size, "%s at offset %zu", why, (size_t)at);
		if (!a)
			free(r);
		return NULL;
	}
	r->jit = pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE) == 0;
	return r;
}

void regex_free(struct regex *r)
{
	pcre2_code_free(r->code);
	free(r);
}

bool regex_match(const struct regex *r, struct slice s, size_t from, struct regex_groups *groups)
{
	PCRE2_SPTR text = (PCRE2_SPTR)(s.p ? s.p : "");
	int n = PCRE2_ERROR_JIT_STACKLIMIT;

	if (!match_data && !(match_data = pcre2_match_data_create(REGEX_GROUPS, NULL)))
		return false;
	if (r->jit)
		n = pcre2_jit_match(r->code, text, s.n, from, 0, match_data, NULL);
	if (n == PCRE2_ERROR_JIT_STACKLIMIT)
		n = pcre2_match(r->code, text, s.n, from, PCRE2_NO_JIT, match_data, NULL);
	if (n < 0)
		return false;
	if (groups) {
		groups->n = n ? n : REGEX_GROUPS; /* 0: more groups than we keep */
		memcpy(groups->at, pcre2_get_ovector_pointer(match_data),
		       sizeof(*groups->at) * 2 * groups->n);
	}
	return true;
}

ptrdiff_t regex_expand(char *out, size_t size, struct slice s, struct slice replace,
		       const struct regex_groups *g)
{
	size_t used = 0;

	for (size_t i = 0; i < replace.n; i++) {
		struct slice add = slice_make(replace.p + i, 1);

		if (replace.p[i] == '\\' && i + 1 < replace.n) {
			char c = replace.p[++i];

			add = slice_make(replace.p + i, 1);
			if (isdigit((unsigned char)c)) {
				int group = c - '0';

				add = SLICE("");
				if (group < g->n && g->at[group * 2] != (size_t)-1)
					add = slice_make(s.p + g->at[group * 2],
							 g->at[group * 2 + 1] - g->at[group * 2]);
			}
		}
		if (used + add.n > size)
			return -1;
		memcpy(out + used, add.p, add.n);
		used += add.n;
	}
	return (ptrdiff_t)used;
}
