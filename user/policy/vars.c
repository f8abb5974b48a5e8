// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vars.c - variables of rules. A holder has a short list of values (a handful per request: a list beats a hash), of a pool; values
 * are copies on the heap, because a variable outlives the data it was taken from. The proc scope has one list and a lock.
 */
#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/pool.h"
#include "policy/registry.h"
#include "policy/sample_util.h"
#include "policy/vars.h"
#include "process/start.h"
#include "stream/stream.h"

struct vars {
	struct vars *next;
	const struct var_name *name;
	struct sample value; /* SMP_NONE: it was unset, but it exists */
	char *mem;           /* of text and bytes */
	size_t mem_bytes;
};

#define SPARE 64
static __thread struct pool pool; /* of struct vars */

struct vars_limits vars_limits;
static _Atomic size_t all_bytes; /* counted while there is a limit of all */

static struct vars *proc_vars;
static pthread_rwlock_t proc_lock = PTHREAD_RWLOCK_INITIALIZER;

/* ---- names ---- */

struct name_node {
	struct name_node *next;
	struct var_name v;
};
static struct name_node *names;

static const char *const scope_names[] = { "proc", "sess", "txn", "req", "res", "check" };

static const struct var_name *name_intern(enum var_scope scope, struct slice text)
{
	struct name_node *n;
	char *z;

	for (n = names; n; n = n->next)
		if (slice_eq_z(text, n->v.name))
			return &n->v;
	n = xzalloc(sizeof(*n));
	z = xzalloc(text.n + 1);
	memcpy(z, text.p, text.n);
	n->v = (struct var_name){ scope, z };
	n->next = names;
	names = n;
	return &n->v;
}

const struct var_name *vars_name_const(struct cfg_line *l, int word, struct slice text)
{
	ptrdiff_t dot = slice_chr(text, '.');
	struct slice scope = slice_first(text, dot < 0 ? text.n : (size_t)dot);
	struct slice rest = slice_from(text, scope.n + 1);
	enum var_scope s;

	for (s = VAR_PROC; s <= VAR_CHECK; s++)
		if (slice_eq_z(scope, scope_names[s]))
			break;
	if (dot < 0 || s > VAR_CHECK || !rest.n) {
		cfg_error(l, word,
			  "'%.*s' is no variable: write <scope>.<name>, the scope being proc, "
			  "sess, txn, req, res or check",
			  SLICE_FMT(text));
		return NULL;
	}
	for (size_t i = 0; i < rest.n; i++) {
		if (!isalnum((unsigned char)rest.p[i]) && rest.p[i] != '_' && rest.p[i] != '.') {
			cfg_error(l, word,
				  "variable '%.*s': '%c' is not allowed; a name has letters, "
				  "digits, '_' and '.'",
				  SLICE_FMT(text), rest.p[i]);
			return NULL;
		}
	}
	return name_intern(s, text);
}

bool vars_is_name(struct slice text)
{
	ptrdiff_t dot = slice_chr(text, '.');

	for (enum var_scope s = VAR_PROC; dot > 0 && s <= VAR_CHECK; s++)
		if (slice_eq_z(slice_first(text, (size_t)dot), scope_names[s]))
			return true;
	return false;
}

/* ---- values ---- */

static struct vars **holder_of(const struct var_name *v, const struct smp_ctx *ctx)
{
	switch (v->scope) {
	case VAR_PROC:
		return &proc_vars;
	case VAR_SESS:
		return ctx->sess ? &ctx->sess->vars : NULL;
	case VAR_CHECK:
		return ctx->check_vars;
	default:
		return ctx->stream ? &ctx->stream->vars : NULL;
	}
}

static struct vars *find(struct vars *list, const struct var_name *v)
{
	while (list && list->name != v)
		list = list->next;
	return list;
}

static bool is_text(const struct sample *s)
{
	return s->type == SMP_STR || s->type == SMP_BIN || s->type == SMP_METH;
}

static size_t bytes_of(const struct vars *var)
{
	return sizeof(*var) + (is_text(&var->value) ? var->value.u.s.n : 0);
}

/* Of the variables of @list that have one of @scopes (bits). */
static size_t bytes_in(const struct vars *list, unsigned int scopes)
{
	size_t n = 0;

	for (; list; list = list->next)
		if (scopes & 1u << list->name->scope)
			n += bytes_of(list);
	return n;
}

static bool over(size_t limit, size_t used, size_t more)
{
	return limit && used + more > limit;
}

/* Limits are hierarchic: that of a session counts its transaction too, that of the process counts all. */
static bool limits_allow(enum var_scope scope, const struct smp_ctx *ctx, size_t more)
{
	const struct vars *sess = ctx->sess ? ctx->sess->vars : NULL,
			  *txn = ctx->stream ? ctx->stream->vars : NULL;
	size_t of_txn = bytes_in(txn, ~0u);

	if (over(vars_limits.global, all_bytes, more) || over(vars_limits.proc, all_bytes, more))
		return false;
	if (scope == VAR_PROC || scope == VAR_CHECK)
		return true;
	if (over(vars_limits.sess, bytes_in(sess, ~0u) + of_txn, more))
		return false;
	if (scope == VAR_SESS)
		return true;
	if (over(vars_limits.txn, of_txn, more))
		return false;
	return scope == VAR_TXN || !over(vars_limits.reqres, bytes_in(txn, 1u << scope), more);
}

/* A change of @from to @to bytes: is it within the limits? Then it is counted. */
static bool account(enum var_scope scope, const struct smp_ctx *ctx, size_t from, size_t to)
{
	if (!vars_limits.any)
		return true;
	if (to > from && !limits_allow(scope, ctx, to - from))
		return false;
	atomic_fetch_add(&all_bytes, to - from); /* wraps when it shrinks */
	return true;
}

static bool keep_text(struct vars *var, struct slice s)
{
	if (var->mem_bytes < s.n) {
		char *mem = realloc(var->mem, s.n);

		if (!mem)
			return false;
		var->mem = mem;
		var->mem_bytes = s.n;
	}
	if (s.n)
		memmove(var->mem, s.p, s.n);
	return true;
}

static bool store(struct vars **holder, const struct var_name *v, const struct smp_ctx *ctx,
		  const struct sample *smp)
{
	struct vars *var = find(*holder, v);
	size_t before = var ? bytes_of(var) : 0,
	       after = sizeof(*var) + (is_text(smp) ? smp->u.s.n : 0);

	if (!account(v->scope, ctx, before, after))
		return false;
	if (!var) {
		var = pool_get(&pool, sizeof(*var));
		if (!var)
			return false;
		var->next = *holder;
		var->name = v;
		var->value.type = SMP_NONE;
		var->mem = NULL;
		var->mem_bytes = 0;
		*holder = var;
	}
	if (is_text(smp) && !keep_text(var, smp->u.s))
		return false;
	var->value = *smp;
	var->value.flags = 0;
	if (is_text(smp))
		var->value.u.s.p = var->mem;
	return true;
}

bool vars_set(const struct var_name *v, const struct smp_ctx *ctx, const struct sample *smp)
{
	struct vars **holder = holder_of(v, ctx);
	bool ok;

	if (!holder)
		return false;
	if (v->scope != VAR_PROC)
		return store(holder, v, ctx, smp);
	pthread_rwlock_wrlock(&proc_lock);
	ok = store(holder, v, ctx, smp);
	pthread_rwlock_unlock(&proc_lock);
	return ok;
}

static bool get_proc(const struct var_name *v, const struct smp_ctx *ctx, struct sample *out)
{
	struct vars *var;
	bool ok = false;

	pthread_rwlock_rdlock(&proc_lock);
	var = find(proc_vars, v);
	if (var && var->value.type != SMP_NONE) {
		*out = var->value;
		ok = true;
		if (var->mem && is_text(out)) {
			char *copy = smp_alloc(ctx, out->u.s.n);

			ok = copy != NULL;
			if (ok)
				memcpy(copy, out->u.s.p, out->u.s.n);
			out->u.s.p = copy;
		}
	}
	pthread_rwlock_unlock(&proc_lock);
	return ok;
}

bool vars_get(const struct var_name *v, const struct smp_ctx *ctx, struct sample *out)
{
	struct vars **holder = holder_of(v, ctx);
	struct vars *var;

	if (v->scope == VAR_PROC)
		return get_proc(v, ctx, out);
	var = holder ? find(*holder, v) : NULL;
	if (!var || var->value.type == SMP_NONE)
		return false;
	*out = var->value;
	return true;
}

static void var_free(struct vars **at)
{
	struct vars *var = *at;

	if (vars_limits.any)
		atomic_fetch_sub(&all_bytes, bytes_of(var));
	*at = var->next;
	free(var->mem);
	pool_put(&pool, var, SPARE);
}

/* Names of the process are made with the configuration and stay; all others are gone. */
static void proc_unset(const struct var_name *v, const struct smp_ctx *ctx)
{
	struct vars *var;

	pthread_rwlock_wrlock(&proc_lock);
	var = find(proc_vars, v);
	if (var) {
		account(VAR_PROC, ctx, bytes_of(var), sizeof(*var));
		var->value.type = SMP_NONE;
		free(var->mem);
		var->mem = NULL;
		var->mem_bytes = 0;
	}
	pthread_rwlock_unlock(&proc_lock);
}

void vars_unset(const struct var_name *v, const struct smp_ctx *ctx)
{
	struct vars **at = holder_of(v, ctx);

	if (!at)
		return;
	if (v->scope == VAR_PROC) {
		proc_unset(v, ctx);
		return;
	}
	while (*at && (*at)->name != v)
		at = &(*at)->next;
	if (*at)
		var_free(at);
}

void vars_free(struct vars **holder)
{
	while (*holder)
		var_free(holder);
}

void vars_drop_scope(struct vars **holder, enum var_scope scope)
{
	while (*holder) {
		if ((*holder)->name->scope == scope)
			var_free(holder);
		else
			holder = &(*holder)->next;
	}
}

/* ---- conditions of set-var ---- */

enum var_cond {
	IF_EXISTS = 1,
	IF_NOT_EXISTS = 2,
	IF_EMPTY = 4,
	IF_NOT_EMPTY = 8,
	IF_SET = 16,
	IF_NOT_SET = 32,
	IF_GREATER = 64,
	IF_LESS = 128,
};

static const struct {
	const char *name;
	unsigned int bit;
} conditions[] = {
	{ "ifexists", IF_EXISTS }, { "ifnotexists", IF_NOT_EXISTS },
	{ "ifempty", IF_EMPTY },   { "ifnotempty", IF_NOT_EMPTY },
	{ "ifset", IF_SET },       { "ifnotset", IF_NOT_SET },
	{ "ifgt", IF_GREATER },    { "iflt", IF_LESS },
};

int vars_condition(struct cfg_line *l, int word, struct slice name, unsigned int *bits)
{
	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++) {
		if (slice_eq_z(name, conditions[i].name)) {
			*bits |= conditions[i].bit;
			return 0;
		}
	}
	return cfg_error(l, word,
			 "'%.*s' is no condition of set-var; there are ifexists, ifnotexists, "
			 "ifempty, ifnotempty, ifset, ifnotset, ifgt and iflt",
			 SLICE_FMT(name));
}

static bool exists(const struct var_name *v, const struct smp_ctx *ctx)
{
	struct vars **holder = holder_of(v, ctx);

	return v->scope == VAR_PROC || (holder && find(*holder, v));
}

bool vars_set_if(const struct var_name *v, const struct smp_ctx *ctx, const struct sample *smp,
		 unsigned int bits)
{
	struct sample now;
	bool set, empty = is_text(smp) && !smp->u.s.n;

	if (!bits)
		return vars_set(v, ctx, smp);
	set = vars_get(v, ctx, &now);
	if ((bits & IF_EXISTS && !exists(v, ctx)) || (bits & IF_NOT_EXISTS && exists(v, ctx)) ||
	    (bits & IF_EMPTY && !empty) || (bits & IF_NOT_EMPTY && empty) ||
	    (bits & IF_SET && !set) || (bits & IF_NOT_SET && set))
		return true;
	/* compared only when both are numbers; else the condition counts as true */
	if (set && now.type == SMP_INT && smp->type == SMP_INT &&
	    ((bits & IF_GREATER && now.u.i <= smp->u.i) || (bits & IF_LESS && now.u.i >= smp->u.i)))
		return true;
	return vars_set(v, ctx, smp);
}

static int check_set_var(struct cfg_line *l, int word, struct smp_arg *args)
{
	unsigned int bits = 0;

	for (int i = 1; i < SMP_MAX_ARGS - 1 && arg_given(args, i); i++)
		if (vars_condition(l, word, args[i].s, &bits))
			return -1;
	args[0].i = bits;
	return 0;
}

/* ---- var(), set-var() and unset-var() of expressions ---- */

static bool fetch_var(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	if (vars_get(args[0].ptr, ctx, out))
		return true;
	if (!arg_given(args, 1))
		return false;
	return smp_str(out, args[1].s); /* the default */
}

static bool conv_set_var(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	return vars_set_if(args[0].ptr, ctx, smp, (unsigned int)args[0].i);
}

static bool conv_unset_var(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *smp)
{
	vars_unset(args[0].ptr, ctx);
	return true;
}

static const struct fetch_row fetches[] = {
	{ .name = "var",
	  .kind = "fetch-internal",
	  .out = SMP_ANY,
	  .where = SMP_W_INTERNAL,
	  .min_args = 1,
	  .max_args = 2,
	  .args = { ARG_VAR, ARG_STR },
	  .fetch = fetch_var,
	  .flags = FETCH_NO_INDEX,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = "a packet program has no variables",
	  .help = "The variable's value; nothing, or the second argument, while it is not set." },
};

static const struct converter_row converters[] = {
	{ .name = "set-var",
	  .in = SMP_ANY,
	  .out = SMP_ANY,
	  .min_args = 1,
	  .max_args = 5,
	  .args = { ARG_VAR, ARG_STR, ARG_STR, ARG_STR, ARG_STR },
	  .convert = conv_set_var,
	  .check = check_set_var,
	  .flags = FETCH_NO_INDEX,
	  .help = "Keeps the sample in a variable, if conditions like ifnotset hold, and passes it "
		  "on." },
	{ .name = "unset-var",
	  .in = SMP_ANY,
	  .out = SMP_ANY,
	  .min_args = 1,
	  .max_args = 1,
	  .args = { ARG_VAR },
	  .convert = conv_unset_var,
	  .flags = FETCH_NO_INDEX,
	  .help = "Forgets a variable and passes the sample on." },
};

static void trim(struct loop *l)
{
	pool_trim(&pool);
}

static struct start_hooks hooks = { .name = "variables", .worker_stop = trim };

void vars_register(void)
{
	start_register(&hooks);
	fetch_register(fetches, ARRAY_SIZE(fetches));
	converter_register(converters, ARRAY_SIZE(converters));
}
