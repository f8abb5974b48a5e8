// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vars_cli.c - `get var` and `set var` of the runtime API: variables of the process. Control thread.
 */
#include "admin/cli.h"
#include "log/log.h"
#include "model/config.h"
#include "policy/expr_args.h"
#include "policy/sample_util.h"
#include "policy/vars.h"

enum { LEVEL_OPERATOR = 1 };

static const char *arg(const struct cli_request *r, int k)
{
	return r->first_arg + k < r->nwords ? r->words[r->first_arg + k] : "";
}

static enum cli_result say(struct cli_request *r, const char *text)
{
	strbuf_addf(r->out, "%s\n", text);
	return CLI_DONE;
}

/* A line of configuration made of one word, with a memory of its own. */
struct line {
	struct cfg_line l;
	struct cfg_word words[2];
	struct arena arena;
	struct diag diag;
};

static void line_begin(struct line *x, const char *word)
{
	memset(x, 0, sizeof(*x));
	arena_init(&x->arena, 0);
	diag_init(&x->diag);
	x->words[0] = (struct cfg_word){ .z = word, .n = strlen(word), .column = 1 };
	x->words[1].z = "";
	x->l = (struct cfg_line){ .cfg = config,
				  .diag = &x->diag,
				  .arena = &x->arena,
				  .section = CFG_GLOBAL,
				  .words = x->words,
				  .nwords = 1 };
	x->l.at = (struct place){ "runtime API", 1, 1, word };
}

static void line_end(struct line *x)
{
	diag_fini(&x->diag);
	arena_fini(&x->arena);
}

static const char *said(struct line *x)
{
	if (list_empty(&x->diag.entries))
		return "";
	return list_last(&x->diag.entries, struct diag_entry, node)->text;
}

/* ---- get var ---- */

static void write_value(struct strbuf *o, struct sample *s, const struct smp_ctx *ctx)
{
	static const char *const names[SMP_ANY + 1] = {
		[SMP_BOOL] = "bool", [SMP_INT] = "sint", [SMP_IP4] = "ipv4",  [SMP_IP6] = "ipv6",
		[SMP_STR] = "str",   [SMP_BIN] = "bin",  [SMP_METH] = "meth",
	};

	strbuf_addf(o, "type=%s value=<", names[s->type] ? names[s->type] : "any");
	if (s->type == SMP_BOOL)
		strbuf_addc(o, s->u.i ? '1' : '0');
	else if (s->type == SMP_BIN || sample_cast(s, SMP_STR, ctx))
		strbuf_add_slice(o, s->u.s);
	strbuf_addc(o, '>');
}

static enum cli_result run_get(struct cli_request *r)
{
	const char *name = arg(r, 0);
	const struct var_name *v;
	struct line x;
	struct smp_ctx ctx = { .final = true };
	struct sample s;

	if (!*name)
		return say(r, "Missing process-wide variable identifier.");
	line_begin(&x, name);
	ctx.scratch = &x.arena;
	v = vars_name_const(&x.l, 0, slice_z(name));
	if (v && v->scope == VAR_PROC && vars_get(v, &ctx, &s)) {
		strbuf_addf(r->out, "%s: ", name);
		write_value(r->out, &s, &ctx);
	} else {
		say(r, "Variable not found.");
	}
	line_end(&x);
	return CLI_DONE;
}

/* ---- set var ---- */

static bool value_of_expr(struct line *x, const struct smp_ctx *ctx, struct sample *s)
{
	struct expr *e = expr_parse(&x->l, 0, x->words[0].z, SMP_W_INTERNAL);

	expr_args_resolve(config, &x->diag); /* names of backends, servers ... */
	return e && !x->diag.errors && expr_eval(e, ctx, SMP_ANY, s);
}

static bool value_of_format(struct line *x, const struct smp_ctx *ctx, struct sample *s)
{
	struct logformat *f = logformat_parse(&x->l, 0, x->words[0].z, SMP_W_INTERNAL);
	struct log_ctx lc = { 0 };
	struct strbuf text = STRBUF_INIT;

	expr_args_resolve(config, &x->diag);
	if (!f || x->diag.errors)
		return false;
	logformat_write(f, &text, &lc, ctx);
	smp_str(s, arena_dup(&x->arena, strbuf_slice(&text)));
	strbuf_fini(&text);
	return true;
}

static enum cli_result set_to(struct cli_request *r, const char *name, const char *text,
			      bool format)
{
	struct smp_ctx ctx = { .final = true };
	const struct var_name *v;
	struct sample s;
	struct line x;

	line_begin(&x, text);
	ctx.scratch = &x.arena;
	v = vars_name_const(&x.l, 0, slice_z(name));
	if (v && v->scope != VAR_PROC)
		strbuf_addf(r->out,
			    "'set var': cannot set variable '%s', only scope 'proc' is permitted "
			    "here.",
			    name);
	else if (v && (format ? value_of_format : value_of_expr)(&x, &ctx, &s))
		vars_set(v, &ctx, &s);
	else
		strbuf_adds(r->out, *said(&x) ? said(&x) : "the expression gives no value here");
	line_end(&x);
	return CLI_DONE;
}

static enum cli_result run_set(struct cli_request *r)
{
	bool format = !strcmp(arg(r, 1), "fmt"), expr = !strcmp(arg(r, 1), "expr");
	const char *text = arg(r, format || expr ? 2 : 1);

	if (!r->experimental)
		return say(r, "This command is restricted to experimental mode only.");
	if (!*arg(r, 0))
		return say(r, "Missing process-wide variable identifier.");
	if (!*text)
		return say(r, "Missing either 'expr', 'fmt' or expression.");
	return set_to(r, arg(r, 0), text, format);
}

static const struct cli_command rows[] = {
	{ "get var", LEVEL_OPERATOR, run_get, "get var <name>",
	  "retrieve contents of a process-wide variable" },
	{ "set var", LEVEL_OPERATOR, run_set, NULL, NULL },
};

void vars_cli_init(void)
{
	cli_register(rows, ARRAY_SIZE(rows));
}
