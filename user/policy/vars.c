// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vars.c - variables of rules. A holder has a short list of values (a handful per request: a list beats a hash); values
 * are copies on the heap, because a variable outlives the data it was taken from. The proc scope has one list and a lock.
 */
#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>

#include "policy/registry.h"
#include "policy/sample_util.h"
#include "policy/vars.h"
#include "stream/stream.h"

struct vars {
	struct vars *next;
	const struct var_name *name;
	struct sample value;
	char *mem; /* of text and bytes */
	size_t mem_bytes;
};

static struct vars *proc_vars;
static pthread_rwlock_t proc_lock = PTHREAD_RWLOCK_INITIALIZER;

/* ---- names ---- */

struct name_node {
	struct name_node *next;
	struct var_name v;
};
static struct name_node *names;

static const char *const scope_names[] = { "proc", "sess", "txn", "req", "res" };

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

	for (s = VAR_PROC; s <= VAR_RES; s++)
		if (slice_eq_z(scope, scope_names[s]))
			break;
	if (dot < 0 || s > VAR_RES || !rest.n) {
		cfg_error(l, word,
			  "'%.*s' is no variable: write <scope>.<name>, the scope being proc, "
			  "sess, txn, req or res",
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

/* ---- values ---- */

static struct vars **holder_of(const struct var_name *v, const struct smp_ctx *ctx)
{
	switch (v->scope) {
	case VAR_PROC:
		return &proc_vars;
	case VAR_SESS:
		return ctx->sess ? &ctx->sess->vars : NULL;
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

static bool store(struct vars **holder, const struct var_name *v, const struct sample *smp)
{
	bool text = smp->type == SMP_STR || smp->type == SMP_BIN || smp->type == SMP_METH;
	struct vars *var = find(*holder, v);

	if (!var) {
		var = calloc(1, sizeof(*var));
		if (!var)
			return false;
		var->name = v;
		var->next = *holder;
		*holder = var;
	}
	if (text && var->mem_bytes < smp->u.s.n) {
		char *mem = realloc(var->mem, smp->u.s.n);

		if (!mem)
			return false;
		var->mem = mem;
		var->mem_bytes = smp->u.s.n;
	}
	var->value = *smp;
	var->value.flags = 0;
	if (text) {
		if (smp->u.s.n)
			memmove(var->mem, smp->u.s.p, smp->u.s.n);
		var->value.u.s.p = var->mem;
	}
	return true;
}

bool vars_set(const struct var_name *v, const struct smp_ctx *ctx, const struct sample *smp)
{
	struct vars **holder = holder_of(v, ctx);
	bool ok;

	if (!holder)
		return false;
	if (v->scope != VAR_PROC)
		return store(holder, v, smp);
	pthread_rwlock_wrlock(&proc_lock);
	ok = store(holder, v, smp);
	pthread_rwlock_unlock(&proc_lock);
	return ok;
}

static bool get_proc(const struct var_name *v, const struct smp_ctx *ctx, struct sample *out)
{
	struct vars *var;
	bool ok = false;

	pthread_rwlock_rdlock(&proc_lock);
	var = find(proc_vars, v);
	if (var) {
		*out = var->value;
		ok = true;
		if (var->mem &&
		    (out->type == SMP_STR || out->type == SMP_BIN || out->type == SMP_METH)) {
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
	if (!var)
		return false;
	*out = var->value;
	return true;
}

static void var_free(struct vars **at)
{
	struct vars *var = *at;

	*at = var->next;
	free(var->mem);
	free(var);
}

void vars_unset(const struct var_name *v, const struct smp_ctx *ctx)
{
	struct vars **at = holder_of(v, ctx);

	if (!at)
		return;
	if (v->scope == VAR_PROC)
		pthread_rwlock_wrlock(&proc_lock);
	while (*at && (*at)->name != v)
		at = &(*at)->next;
	if (*at)
		var_free(at);
	if (v->scope == VAR_PROC)
		pthread_rwlock_unlock(&proc_lock);
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
	return vars_set(args[0].ptr, ctx, smp);
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
	  .max_args = 1,
	  .args = { ARG_VAR },
	  .convert = conv_set_var,
	  .flags = FETCH_NO_INDEX,
	  .help = "Keeps the sample in a variable and passes it on." },
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

void vars_register(void)
{
	fetch_register(fetches, ARRAY_SIZE(fetches));
	converter_register(converters, ARRAY_SIZE(converters));
}
