// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pattern_actions.c - set-map, del-map, add-acl, del-acl: rules that change ACL and map files while traffic runs. The change is
 * made at once under the reference's short lock, so the next rule and the next request see it. Parsing: control thread; running: worker.
 */
#include "log/log.h"
#include "policy/pattern_ref.h"
#include "policy/rules_priv.h"
#include "stream/session.h"
#include "stream/stream.h"

struct pattern_action {
	const char *file;
	struct pat_ref *ref; /* NULL: nothing in the configuration uses the file */
	struct logformat *key, *value;
	struct place at;
	struct pattern_action *next;
	const char *name;
};

/* Of the configuration that is being read: their files may be named further down. */
static struct pattern_action *unresolved;
static const struct config *unresolved_of;

static void remember(struct cfg_line *l, struct pattern_action *a)
{
	if (unresolved_of != l->cfg)
		unresolved = NULL;
	unresolved_of = l->cfg;
	a->next = unresolved;
	unresolved = a;
}

void pattern_actions_resolve(struct config *cfg, struct diag *d)
{
	if (unresolved_of != cfg)
		return;
	for (struct pattern_action *a = unresolved; a; a = a->next) {
		a->ref = pat_ref_find(cfg, a->file);
		if (!a->ref)
			diag_warning(d, a->at,
				     "'%s(%s)' changes nothing: no acl and no map uses this file",
				     a->name, a->file);
	}
	unresolved = NULL;
	unresolved_of = NULL;
}

/* The file between the parentheses of the action's own word. */
static int file_of_word(struct cfg_line *l, int word, struct pattern_action *a)
{
	const char *z = l->words[word].z, *open = strchr(z, '(');
	size_t n = open ? strlen(open) : 0;

	a->name = arena_dup(l->arena, slice_make(z, strcspn(z, "("))).p;
	if (n < 3 || open[n - 1] != ')')
		return cfg_error(l, word, "'%s' needs a file in parentheses: %s(<file>)", z,
				 a->name);
	a->file = arena_dup(l->arena, slice_make(open + 1, n - 2)).p;
	a->at = cfg_place(l, word);
	return 0;
}

static struct logformat *parse_format(struct cfg_line *l, int *i, const struct rule *r,
				      const char *what)
{
	if (*i >= l->nwords || !strcmp(l->words[*i].z, "if") || !strcmp(l->words[*i].z, "unless")) {
		cfg_error(l, *i - 1, "a %s is missing behind '%s'", what, l->words[*i - 1].z);
		return NULL;
	}
	++*i;
	return logformat_parse(l, *i - 1, l->words[*i - 1].z, r->where);
}

static int parse_key(struct cfg_line *l, int *i, struct rule *r)
{
	struct pattern_action *a = ARENA_NEW(l->arena, struct pattern_action);

	if (file_of_word(l, *i - 1, a))
		return -1;
	remember(l, a);
	r->priv = a;
	a->key = parse_format(l, i, r, "key");
	return a->key ? 0 : -1;
}

static int parse_key_value(struct cfg_line *l, int *i, struct rule *r)
{
	struct pattern_action *a;

	if (parse_key(l, i, r))
		return -1;
	a = r->priv;
	a->value = parse_format(l, i, r, "value");
	return a->value ? 0 : -1;
}

/* ---- running ---- */

static void write_text(const struct logformat *f, struct strbuf *out, const struct rule *r,
		       const struct smp_ctx *ctx)
{
	struct log_ctx lc = { .sess = ctx->sess,
			      .stream = ctx->stream,
			      .http = ctx->http,
			      .fe = ctx->sess ? ctx->sess->fe : r->px,
			      .be = ctx->stream && ctx->stream->be ? ctx->stream->be : r->px };

	logformat_write(f, out, &lc, ctx);
}

typedef void change(struct pat_ref *r, const char *key, const char *value);

/* A key that the file's uses cannot read (no address, say) changes nothing. */
static enum rule_verdict run(const struct rule *r, const struct smp_ctx *ctx, change *fn)
{
	const struct pattern_action *a = r->priv;
	struct strbuf key = STRBUF_INIT, value = STRBUF_INIT;

	if (!a->ref)
		return RULE_CONTINUE;
	write_text(a->key, &key, r, ctx);
	if (a->value)
		write_text(a->value, &value, r, ctx);
	if (!key.oom && !value.oom) {
		pat_ref_lock(a->ref);
		fn(a->ref, strbuf_z(&key), strbuf_z(&value));
		pat_ref_unlock(a->ref);
	}
	strbuf_fini(&key);
	strbuf_fini(&value);
	return RULE_CONTINUE;
}

static void add_acl(struct pat_ref *r, const char *key, const char *value)
{
	struct pattern_error err;

	if (!pat_gen_find(pat_ref_current(r), key))
		(void)pat_gen_add(r, pat_ref_current(r), key, r->two_columns ? "" : NULL, false,
				  &err);
}

static void set_map(struct pat_ref *r, const char *key, const char *value)
{
	struct pattern_error err;

	if (!r->two_columns)
		add_acl(r, key, value);
	else if (!pat_ref_set_key(r, key, value, &err))
		(void)pat_gen_add(r, pat_ref_current(r), key, value, false, &err);
}

static void delete_key(struct pat_ref *r, const char *key, const char *value)
{
	pat_ref_delete_key(r, key);
}

static enum rule_verdict run_set_map(const struct rule *r, const struct smp_ctx *ctx)
{
	return run(r, ctx, set_map);
}

static enum rule_verdict run_add_acl(const struct rule *r, const struct smp_ctx *ctx)
{
	return run(r, ctx, add_acl);
}

static enum rule_verdict run_delete(const struct rule *r, const struct smp_ctx *ctx)
{
	return run(r, ctx, delete_key);
}

#define SETS_ACL (RULESET_HTTP_REQ | RULESET_HTTP_RES)
#define SETS_MAP (SETS_ACL | RULESET_HTTP_AFTER)

static const struct action_row rows[] = {
	{ .name = "set-map",
	  .sets = SETS_MAP,
	  .parse = parse_key_value,
	  .run = run_set_map,
	  .kernel = KERNEL_HTTP,
	  .usage = "set-map(<file>) <key format> <value format>",
	  .help = "Changes the values of a key in a map file's entries, or adds the key." },
	{ .name = "del-map",
	  .sets = SETS_MAP,
	  .parse = parse_key,
	  .run = run_delete,
	  .kernel = KERNEL_HTTP,
	  .usage = "del-map(<file>) <key format>",
	  .help = "Takes a key out of a map file's entries." },
	{ .name = "add-acl",
	  .sets = SETS_ACL,
	  .parse = parse_key,
	  .run = run_add_acl,
	  .kernel = KERNEL_HTTP,
	  .usage = "add-acl(<file>) <key format>",
	  .help = "Adds a value to an ACL file's entries, if it is not there." },
	{ .name = "del-acl",
	  .sets = SETS_ACL,
	  .parse = parse_key,
	  .run = run_delete,
	  .kernel = KERNEL_HTTP,
	  .usage = "del-acl(<file>) <key format>",
	  .help = "Takes a value out of an ACL file's entries." },
};

void pattern_actions_register(void)
{
	action_register(rows, ARRAY_SIZE(rows));
}
