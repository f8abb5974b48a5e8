// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `set-var` and `set-var-fmt` of the global section: variables of the process that rules read and may change later. They are
 * set at once, so that a line may build on the ones above. Control thread, before the workers start.
 */
#include "log/log.h"
#include "policy/registry.h"
#include "policy/vars.h"

/* The name; NULL with the error said. */
static const struct var_name *take_name(struct cfg_line *l, const char *usage)
{
	const struct var_name *v;

	if (cfg_want_args(l, 2, 2, usage))
		return NULL;
	v = vars_name_const(l, l->first_arg, slice_z(cfg_arg(l, 0)));
	if (v && v->scope != VAR_PROC) {
		cfg_error(l, l->first_arg,
			  "'%s': in the global section there are only variables of the process: "
			  "write proc.<name>",
			  v->name);
		return NULL;
	}
	return v;
}

static int parse_set_var(struct cfg_line *l)
{
	const struct var_name *v = take_name(l, "set-var proc.<name> <expression>");
	struct smp_ctx ctx = { .final = true, .scratch = l->arena };
	struct expr *e;
	struct sample s;

	if (!v)
		return -1;
	e = expr_parse(l, l->first_arg + 1, cfg_arg(l, 1), SMP_W_INTERNAL);
	if (!e)
		return -1;
	if (!expr_eval(e, &ctx, SMP_ANY, &s) || !vars_set(v, &ctx, &s))
		return cfg_error(l, l->first_arg + 1, "'%s' gives no value here", cfg_arg(l, 1));
	return 0;
}

static int parse_set_var_fmt(struct cfg_line *l)
{
	const struct var_name *v = take_name(l, "set-var-fmt proc.<name> <format>");
	struct smp_ctx ctx = { .final = true, .scratch = l->arena };
	struct log_ctx lc = { 0 };
	struct strbuf text = STRBUF_INIT;
	struct sample s = { .type = SMP_STR };
	struct logformat *f;

	if (!v)
		return -1;
	f = logformat_parse(l, l->first_arg + 1, cfg_arg(l, 1), SMP_W_INTERNAL);
	if (!f)
		return -1;
	logformat_write(f, &text, &lc, &ctx);
	s.u.s = strbuf_slice(&text);
	vars_set(v, &ctx, &s);
	strbuf_fini(&text);
	return 0;
}

static const struct cfg_keyword rows[] = {
	{ "set-var", CFG_GLOBAL, parse_set_var, KERNEL_EXACT, NULL,
	  "set-var proc.<name> <expression>",
	  "Sets a variable of the process; rules read it with var(proc.<name>)." },
	{ "set-var-fmt", CFG_GLOBAL, parse_set_var_fmt, KERNEL_EXACT, NULL,
	  "set-var-fmt proc.<name> <format>",
	  "Sets a variable of the process to a text in log format." },
};

void global_vars_register(void)
{
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
}
