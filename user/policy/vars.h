/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vars.h - variables of rules: "txn.name". Six scopes: proc (the process, any thread, locked), sess (a client
 * connection), txn (request and response), req, res, check (a health check). A scope's variables are freed by whoever owns
 * its holder.
 */
#ifndef LBD_POLICY_VARS_H
#define LBD_POLICY_VARS_H

#include "policy/sample.h"

enum var_scope { VAR_PROC, VAR_SESS, VAR_TXN, VAR_REQ, VAR_RES, VAR_CHECK };

/* A variable's name, one object per distinct name: comparing pointers is enough. */
struct var_name {
	enum var_scope scope;
	const char *name; /* with the scope: "txn.id" */
};

struct vars;

/* `tune.vars.*-max-size`: bytes of the variables of a scope and of all that is within it; 0: no limit. Set before the
 * workers start, @any with the first. A variable that would be too much is not set. */
extern struct vars_limits {
	size_t global, proc, sess, txn, reqres;
	bool any;
} vars_limits;

/* Does @text begin with a scope and a dot? Arguments that may be a text or a variable ask. */
bool vars_is_name(struct slice text);

/* Parses "scope.name"; NULL with the error said at word @word. Control thread. */
const struct var_name *vars_name_const(struct cfg_line *l, int word, struct slice text);
#define vars_name(l, word, text) ((void *)vars_name_const(l, word, text))

/* Copies the value; false without the holder of the scope (no session, no stream) or with a type that cannot be kept. */
bool vars_set(const struct var_name *v, const struct smp_ctx *ctx, const struct sample *smp);
/* The value; text of the proc scope is copied into the context's scratch. */
bool vars_get(const struct var_name *v, const struct smp_ctx *ctx, struct sample *out);
/* The same when the conditions hold; true also when they do not and nothing was done. @bits: of vars_condition(). */
bool vars_set_if(const struct var_name *v, const struct smp_ctx *ctx, const struct sample *smp,
		 unsigned int bits);
/* "ifnotset"...: adds its bit to *@bits; -1 with the error said. Control thread. */
int vars_condition(struct cfg_line *l, int word, struct slice name, unsigned int *bits);
void vars_unset(const struct var_name *v, const struct smp_ctx *ctx);

/* Frees all variables of @holder (session.vars, stream.vars). Safe on NULL. */
void vars_free(struct vars **holder);
/* The request's / response's part is over, or a new transaction begins on the same stream. */
void vars_drop_scope(struct vars **holder, enum var_scope scope);

void vars_register(void);
/* The limits as keywords of the global section. */
void vars_conf_register(void);
/* get var, set var */
void vars_cli_init(void);
/* `set-var` of the global section. */
void global_vars_register(void);

#endif
