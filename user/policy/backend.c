// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * backend.c - `use_backend`: which backend a frontend's stream goes to. The rules' conditions form one index, so a
 * thousand of them cost what one costs. Parsing and resolving: control thread. Choosing: any worker.
 */
#include "log/log.h"
#include "policy/cond.h"
#include "policy/key_table.h"
#include "policy/rules_priv.h"
#include "stream/stream.h"

struct use_rule {
	struct list node;
	const char *name;
	struct place at;
	struct proxy *be; /* NULL: by @format */
	struct logformat *format;
	struct cond *cond;
};

struct backend_conf {
	struct list rules; /* struct use_rule; set up by the first */
	int n;
	const struct use_rule **array;
	struct cond_index *index;
};

static struct ext backend_ext = { .name = "use_backend", .bytes = sizeof(struct backend_conf) };

/* All backends by name, for names made at run time. NULL: there is no such rule. */
static struct key_table *by_name;
static struct proxy **by_index;

/* ---- parsing ---- */

static int parse_use_backend(struct cfg_line *l)
{
	struct backend_conf *bc = proxy_ext(l->px, &backend_ext);
	struct use_rule *r = ARENA_NEW(l->arena, struct use_rule);
	int word = l->first_arg;
	unsigned int where = SMP_WHERE_TCP_REQ;

	if (cfg_want_args(l, 1, -1, "use_backend <backend> [if|unless <condition>]"))
		return -1;
	r->name = cfg_arg(l, 0);
	r->at = cfg_place(l, word);
	if (strchr(r->name, '%')) {
		r->format = logformat_parse(l, word, r->name, where);
		if (!r->format)
			return -1;
	}
	if (word + 1 < l->nwords) {
		r->cond = cond_parse(l, word + 1, where);
		if (!r->cond)
			return -1;
	}
	if (!bc->n++)
		list_init(&bc->rules);
	else if (!list_last(&bc->rules, struct use_rule, node)->cond)
		cfg_warn(l, word,
			 "this rule is never reached: the use_backend at line %d has no condition",
			 list_last(&bc->rules, struct use_rule, node)->at.line);
	list_add_tail(&bc->rules, &r->node);
	return 0;
}

static const struct cfg_keyword keywords[] = {
	{ .name = "use_backend",
	  .sections = CFG_FRONTEND,
	  .parse = parse_use_backend,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = "rules choose the backend of each connection",
	  .usage = "use_backend <backend> [if|unless <condition>]",
	  .help = "Sends the stream to this backend when the condition holds; the first rule that "
		  "holds wins. The name may be a log-format." },
};

/* ---- when everything is read ---- */

static void resolve_rule(struct config *cfg, struct diag *d, struct proxy *px, struct use_rule *r)
{
	char near[128];

	if (r->format)
		return;
	r->be = config_find_proxy(cfg, r->name, PX_BACKEND);
	if (!r->be)
		diag_error(d, r->at, "%s '%s': use_backend: there is no backend '%s'%s",
			   proxy_kind(px), px->name, r->name,
			   config_find_proxy(cfg, r->name, PX_FRONTEND)
				   ? "; this is a frontend"
				   : config_did_you_mean(cfg, r->name, PX_BACKEND, near,
							 sizeof(near)));
	else if (px->mode == MODE_TCP && r->be->mode == MODE_HTTP)
		diag_error(
			d, r->at,
			"%s '%s' (mode tcp): use_backend: backend '%s' is mode http: to turn a tcp "
			"connection into http is HAProxy's, lbd does not have it yet\nuse 'mode "
			"http' in both",
			proxy_kind(px), px->name, r->be->name);
	else if (r->be->mode != px->mode)
		diag_error(d, r->at,
			   "%s '%s' (mode %s): use_backend: backend '%s' is mode %s; both must be "
			   "the same",
			   proxy_kind(px), px->name, proxy_mode_name(px->mode), r->be->name,
			   proxy_mode_name(r->be->mode));
}

static void name_table(struct config *cfg)
{
	struct proxy *px;
	uint32_t n = 0;

	list_for_each_entry(px, &cfg->proxies, node)
		n++;
	by_name = key_table_new(&cfg->arena, KEY_EXACT, false, NULL);
	by_index = arena_alloc(&cfg->arena, sizeof(*by_index) * (n + 1));
	n = 0;
	list_for_each_entry(px, &cfg->proxies, node) {
		if (!(px->caps & PX_BACKEND))
			continue;
		key_table_add(by_name, slice_z(px->name), n);
		by_index[n++] = px;
	}
	key_table_seal(by_name);
}

void backend_resolve(struct config *cfg, struct diag *d)
{
	struct proxy *px;
	bool dynamic = false;

	by_name = NULL;
	list_for_each_entry(px, &cfg->proxies, node) {
		struct backend_conf *bc = proxy_ext(px, &backend_ext);
		struct cond **conds;
		struct use_rule *r;
		int n = 0;

		if (!bc->n)
			continue;
		bc->array = arena_alloc(&cfg->arena, sizeof(*bc->array) * bc->n);
		conds = arena_alloc(&cfg->arena, sizeof(*conds) * bc->n);
		list_for_each_entry(r, &bc->rules, node) {
			resolve_rule(cfg, d, px, r);
			dynamic |= r->format != NULL;
			conds[n] = r->cond;
			bc->array[n++] = r;
		}
		bc->index = cond_index_build(&cfg->arena, conds, n);
	}
	if (dynamic)
		name_table(cfg);
}

bool policy_leads_to(const struct proxy *fe, const struct proxy *be)
{
	const struct backend_conf *bc = proxy_ext(fe, &backend_ext);

	if (fe->default_backend == be)
		return true;
	for (int i = 0; i < bc->n; i++)
		if (bc->array[i]->be == be)
			return true;
	return false;
}

/* ---- choosing ---- */

struct name_hit {
	struct proxy *px;
};

static bool found_name(void *ctx, const uint32_t *values, uint32_t n)
{
	((struct name_hit *)ctx)->px = by_index[values[0]];
	return true;
}

static struct proxy *by_format(const struct use_rule *r, struct proxy *fe,
			       const struct smp_ctx *ctx)
{
	struct log_ctx lc = {
		.sess = ctx->sess, .stream = ctx->stream, .http = ctx->http, .fe = fe, .be = fe
	};
	struct strbuf name = STRBUF_INIT;
	struct name_hit hit = { NULL };

	logformat_write(r->format, &name, &lc, ctx);
	if (name.n)
		key_table_search(by_name, strbuf_slice(&name), found_name, &hit);
	strbuf_fini(&name);
	return hit.px && hit.px->mode == fe->mode ? hit.px : NULL;
}

struct proxy *policy_choose_backend(struct proxy *fe, const struct smp_ctx *ctx, bool *more)
{
	const struct backend_conf *bc = proxy_ext(fe, &backend_ext);
	int i = bc->n ? cond_index_first(bc->index, ctx) : 0;

	*more = i < 0;
	if (i < 0)
		return NULL;
	if (i < bc->n) {
		const struct use_rule *r = bc->array[i];
		struct proxy *be = r->format ? by_format(r, fe, ctx) : r->be;

		if (be)
			return be;
	}
	if (fe->default_backend)
		return fe->default_backend;
	return fe->caps & PX_BACKEND ? fe : NULL;
}

void backend_register(void)
{
	ext_register(EXT_PROXY, &backend_ext);
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
}
