// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any text as a condition and as an expression: it is refused with a message, or it can be evaluated. The index of
 * conditions must agree with trying the rules in turn.
 */
#include <stdio.h>
#include <stdlib.h>

#include "config/reader.h"
#include "policy/cond.h"
#include "policy/expr_args.h"
#include "policy/http_policy.h"
#include "policy/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Words are separated by blanks, rules by newlines. */
static struct cfg_line *line(struct config *cfg, struct diag *d, struct proxy *px, char *text)
{
	struct cfg_line *l = ARENA_NEW(&cfg->arena, struct cfg_line);
	char *save = NULL;

	*l = (struct cfg_line){
		.cfg = cfg, .diag = d, .arena = &cfg->arena, .section = CFG_LISTEN, .px = px
	};
	l->at = (struct place){ "fuzz", 1, 1, "" };
	l->words = arena_zalloc(&cfg->arena, sizeof(*l->words) * (strlen(text) + 2));
	for (char *z = strtok_r(text, " ", &save); z; z = strtok_r(NULL, " ", &save))
		l->words[l->nwords++] = (struct cfg_word){ .z = z, .n = strlen(z), .column = 1 };
	l->words[l->nwords].z = "";
	return l;
}

/* Files and host names are not what is tried here. */
static bool touches_the_host(const char *text)
{
	static const char *const words[] = { "-f",  "-m ip", " src",     "dst",     "map",
					     "_ip", "ipv",   "hostname", "is_local" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(text, words[i]))
			return true;
	return false;
}

static void evaluate(struct cond *const *conds, int n, struct arena *a)
{
	struct cond_index *ix = cond_index_build(a, conds, n);
	struct arena scratch;
	struct smp_ctx ctx = { .scratch = &scratch, .data = SLICE("GET /abc HTTP/1.1\r\n\r\n") };

	arena_init(&scratch, 0);
	for (int final = 0; final < 2; final++) {
		int want = n, got;

		ctx.final = final;
		for (int i = 0; i < n && want == n; i++) {
			enum acl_result r = cond_eval(conds[i], &ctx);

			if (r != ACL_NO)
				want = r == ACL_MORE ? -1 : i;
		}
		got = cond_index_first(ix, &ctx);
		if (got != want)
			abort();
	}
	arena_fini(&scratch);
}

static bool is_steady(const char *text)
{
	static const char *const words[] = { "rand", "date", "uuid", "var" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(text, words[i]))
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool ready;
	struct cond *conds[32];
	struct config *cfg;
	struct proxy *px;
	struct diag d;
	char text[4096], *save = NULL;
	int count = 0, errors;

	if (!ready) {
		config_language_init();
		policy_init();
		http_policy_init();
		ready = true;
	}
	if (n >= sizeof(text) || memchr(data, 0, n))
		return 0;
	memcpy(text, data, n);
	text[n] = 0;
	if (touches_the_host(text))
		return 0;
	diag_init(&d);
	cfg = config_new(&d);
	px = proxy_new(cfg, "t", PX_FRONTEND | PX_BACKEND, PLACE_NONE);
	for (char *z = strtok_r(text, "\n", &save); z && count < 32;
	     z = strtok_r(NULL, "\n", &save)) {
		char *words = arena_printf(&cfg->arena, "if %s", z);
		bool steady = is_steady(z);
		struct cond *c;

		errors = d.errors;
		if (!expr_parse(line(cfg, &d, px, arena_strdup(&cfg->arena, z)), 0, z,
				SMP_WHERE_LOG) &&
		    d.errors == errors)
			abort(); /* refused without a word */
		errors = d.errors;
		c = cond_parse(line(cfg, &d, px, words), 0, SMP_WHERE_LOG);
		if (!c && d.errors == errors)
			abort();
		if (c && steady)
			conds[count++] = c;
	}
	errors = d.errors;
	expr_args_resolve(cfg, &d); /* names of backends, servers, userlists: there are none */
	if (d.errors == errors)
		evaluate(conds, count, &cfg->arena);
	arena_fini(&cfg->arena);
	free(cfg);
	diag_fini(&d);
	return 0;
}
