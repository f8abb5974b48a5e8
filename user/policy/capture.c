// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capture.c - texts that are kept for the log line (%hr, %hs) and for later rules: slots of the frontend (`declare capture`,
 * or made by a rule's own `len`), the actions and converters that fill them, the fetches that read them.
 * Parsing: control thread; running: the stream's worker.
 */
#include "base/units.h"
#include "policy/capture.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"
#include "stream/tuning.h"

#define MOST_SLOTS 255
#define MOST_LEN   65535

struct capture_conf {
	int n[2];          /* slots of requests, responses */
	uint32_t *most[2]; /* bytes of each; grows by copies */
};
static struct ext capture_ext = { .name = "captures", .bytes = sizeof(struct capture_conf) };

int capture_slots(const struct proxy *fe, bool response)
{
	const struct capture_conf *c = fe->ext ? proxy_ext(fe, &capture_ext) : NULL;

	return c ? c->n[response] : 0;
}

int capture_slot_new(struct cfg_line *l, bool response, uint32_t most)
{
	struct capture_conf *c = proxy_ext(l->px, &capture_ext);
	int n = c->n[response];
	uint32_t *more;

	if (n >= MOST_SLOTS)
		return -1;
	more = arena_alloc(l->arena, sizeof(*more) * (size_t)(n + 1));
	if (n)
		memcpy(more, c->most[response], sizeof(*more) * (size_t)n);
	more[n] = most;
	c->most[response] = more;
	return c->n[response]++;
}

/* Into slot @i of the stream's frontend; nothing happens where it has no such slot. */
static bool capture(const struct smp_ctx *ctx, bool response, int64_t i, struct slice text)
{
	const struct capture_conf *c;

	if (!ctx->stream)
		return false;
	c = proxy_ext(ctx->stream->sess->fe, &capture_ext);
	return i >= 0 && i < c->n[response] &&
	       stream_capture(ctx->stream, response, (int)i, c->n[response], text,
			      c->most[response][i]);
}

/* ---- declare capture ---- */

static int parse_declare(struct cfg_line *l)
{
	bool response = !strcmp(cfg_arg(l, 0), "response");
	int64_t most;

	if (cfg_want_args(l, 3, 3, "declare capture {request|response} len <length>"))
		return -1;
	if (!response && strcmp(cfg_arg(l, 0), "request"))
		return cfg_error(l, l->first_arg,
				 "declare capture: 'request' or 'response' is expected, not '%s'",
				 cfg_arg(l, 0));
	if (strcmp(cfg_arg(l, 1), "len"))
		return cfg_error(l, l->first_arg + 1,
				 "declare capture: 'len' is expected, not '%s'", cfg_arg(l, 1));
	if (cfg_arg_i64(l, 2, 1, MOST_LEN, &most))
		return -1;
	if (capture_slot_new(l, response, (uint32_t)most) < 0)
		return cfg_error(l, l->first_arg, "declare capture: there are %d slots at most",
				 MOST_SLOTS);
	return 0;
}

static const struct cfg_keyword keywords[] = {
	{ .name = "declare capture",
	  .sections = CFG_FRONTEND,
	  .parse = parse_declare,
	  .kernel = KERNEL_EXACT,
	  .usage = "declare capture {request|response} len <length>",
	  .help = "A slot for a text that rules keep for the log." },
};

/* ---- capture <expression> len <n> | id <i> ---- */

static int parse_len(struct cfg_line *l, int *i, struct rule *r)
{
	int64_t most;
	int slot;

	if (!(r->px->caps & PX_FRONTEND))
		return cfg_error(l, *i,
				 "capture: 'len' makes a slot in a frontend, and '%s' is a "
				 "backend; declare the slot there and name it by 'id'",
				 r->px->name);
	if (r->set == RULESET_HTTP_RES || r->set == RULESET_HTTP_AFTER)
		return cfg_error(l, *i,
				 "capture: responses need a slot by 'id' ('declare capture "
				 "response len <n>' makes one)");
	if (*i + 1 >= l->nwords || parse_i64(slice_z(l->words[*i + 1].z), 1, MOST_LEN, &most))
		return cfg_error(l, *i, "capture: 'len' needs a length, 1..%d", MOST_LEN);
	slot = capture_slot_new(l, false, (uint32_t)most);
	if (slot < 0)
		return cfg_error(l, *i, "capture: there are %d slots at most", MOST_SLOTS);
	r->num[0] = slot;
	*i += 2;
	return 0;
}

static int parse_id(struct cfg_line *l, int *i, struct rule *r)
{
	bool response = r->set == RULESET_HTTP_RES || r->set == RULESET_HTTP_AFTER;
	int64_t id;

	if (*i + 1 >= l->nwords || parse_i64(slice_z(l->words[*i + 1].z), 0, MOST_SLOTS - 1, &id))
		return cfg_error(l, *i, "capture: 'id' needs the number of a slot, from 0");
	if ((r->px->caps & PX_FRONTEND) && id >= capture_slots(r->px, response))
		return cfg_error(l, *i + 1,
				 "capture: slot %d is not declared; '%s' has %d ('declare capture "
				 "%s len <n>' makes one)",
				 (int)id, r->px->name, capture_slots(r->px, response),
				 response ? "response" : "request");
	r->num[0] = id;
	*i += 2;
	return 0;
}

static int parse_capture(struct cfg_line *l, int *i, struct rule *r)
{
	if (*i >= l->nwords)
		return cfg_error(l, *i - 1, "an expression is missing behind 'capture'");
	r->priv = expr_parse(l, *i, l->words[*i].z, r->where);
	if (!r->priv)
		return -1;
	++*i;
	if (*i < l->nwords && !strcmp(l->words[*i].z, "len"))
		return parse_len(l, i, r);
	if (*i < l->nwords && !strcmp(l->words[*i].z, "id") && r->set != RULESET_TCP_CONTENT)
		return parse_id(l, i, r);
	return cfg_error(
		l, *i < l->nwords ? *i : *i - 1, "capture: %s is expected behind the expression",
		r->set == RULESET_TCP_CONTENT ? "'len <length>'" : "'len <length>' or 'id <slot>'");
}

static enum rule_verdict run_capture(const struct rule *r, const struct smp_ctx *ctx)
{
	bool response = r->set == RULESET_HTTP_RES || r->set == RULESET_HTTP_AFTER;
	struct sample s;

	if (expr_eval(r->priv, ctx, SMP_STR, &s))
		capture(ctx, response, r->num[0], s.u.s);
	return RULE_CONTINUE;
}

static const struct action_row actions[] = {
	{ .name = "capture",
	  .sets = RULESET_TCP_CONTENT | RULESET_HTTP_REQ | RULESET_HTTP_RES | RULESET_HTTP_AFTER,
	  .parse = parse_capture,
	  .run = run_capture,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = "connections in the kernel write no log line",
	  .usage = "capture <expression> {len <length>|id <slot>}",
	  .help = "Keeps a text for the log (%hr, %hs) and later rules." },
};

/* ---- capture-req(slot), capture-res(slot), capture.req.hdr(slot) ---- */

static bool conv_capture(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	return capture(ctx, args[SMP_MAX_ARGS - 1].i, args[0].i, smp->u.s);
}

static bool fetch_captured(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	struct slice s;

	if (!ctx->stream || args[0].i < 0 || args[0].i > MOST_SLOTS)
		return false;
	s = stream_captured(ctx->stream, args[SMP_MAX_ARGS - 1].i, (int)args[0].i);
	return s.p && smp_str(out, s);
}

#define CONV(n, p)                                                              \
	.name = n, .in = SMP_STR, .out = SMP_STR, .min_args = 1, .max_args = 1, \
	.args = { ARG_INT }, .convert = conv_capture, .priv = p, .flags = FETCH_NO_INDEX
#define FETCH(n, p)                                                                       \
	.name = n, .kind = "fetch-L7", .out = SMP_STR, .min_args = 1, .max_args = 1,      \
	.args = { ARG_INT }, .fetch = fetch_captured, .priv = p, .flags = FETCH_NO_INDEX, \
	.kernel = KERNEL_NEVER, .kernel_says = "connections in the kernel capture nothing"

static const struct converter_row converters[] = {
	{ CONV("capture-req", 0),
	  .help = "Keeps the text in a request slot of the frontend and passes it on." },
	{ CONV("capture-res", 1),
	  .help = "Keeps the text in a response slot of the frontend and passes it on." },
};

static const struct fetch_row fetches[] = {
	{ FETCH("capture.req.hdr", 0), .where = SMP_W_INTERNAL,
	  .help = "What a request slot holds." },
	{ FETCH("capture.res.hdr", 1), .where = SMP_W_INTERNAL,
	  .help = "What a response slot holds." },
};

void capture_register(void)
{
	ext_register(EXT_PROXY, &capture_ext);
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	action_register(actions, ARRAY_SIZE(actions));
	converter_register(converters, ARRAY_SIZE(converters));
	fetch_register(fetches, ARRAY_SIZE(fetches));
}
