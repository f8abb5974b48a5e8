// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * actions_reply.c - actions that answer: deny, return, auth; and allow, reject, which end the rules otherwise.
 * Parsing: control thread; running: the transaction's worker.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "http/reply.h"
#include "log/log.h"
#include "model/server.h"
#include "policy/action_text.h"
#include "stick/track.h"

#define SETS (RULESET_HTTP_REQ | RULESET_HTTP_RES)

struct reply_header {
	struct reply_header *next;
	struct slice name;
	struct action_text value;
};

/* "[status N] [content-type T] [string S | lf-string F | file F | lf-file F] [hdr N F]*" */
struct reply_spec {
	unsigned int status;
	struct slice content_type;
	bool has_body;
	struct action_text body;
	struct reply_header *headers, **tail;
};

struct spec_parser {
	struct cfg_line *l;
	int *i;
	const struct rule *r;
	struct reply_spec *spec;
	const char *body_word;
};

static const char *word(const struct spec_parser *p, int ahead)
{
	return *p->i + ahead < p->l->nwords ? p->l->words[*p->i + ahead].z : "";
}

static int parse_status(struct spec_parser *p)
{
	int64_t n;

	if (parse_i64(slice_z(word(p, 1)), 200, 599, &n))
		return cfg_error(p->l, *p->i, "'%s' needs a status of 200..599 behind it, not '%s'",
				 word(p, 0), word(p, 1));
	p->spec->status = (unsigned int)n;
	*p->i += 2;
	return 0;
}

static int parse_content_type(struct spec_parser *p)
{
	p->spec->content_type = slice_z(word(p, 1));
	if (!p->spec->content_type.n)
		return cfg_error(p->l, *p->i, "'content-type' needs a type behind it");
	*p->i += 2;
	return 0;
}

static int one_body(struct spec_parser *p)
{
	if (p->body_word)
		return cfg_error(p->l, *p->i, "'%s' cannot stand beside '%s': a reply has one body",
				 word(p, 0), p->body_word);
	p->body_word = word(p, 0);
	p->spec->has_body = true;
	if (*p->i + 1 >= p->l->nwords)
		return cfg_error(p->l, *p->i, "'%s' needs an argument", word(p, 0));
	++*p->i;
	return 0;
}

static int parse_string(struct spec_parser *p)
{
	if (one_body(p))
		return -1;
	p->spec->body.constant = slice_z(word(p, 0));
	++*p->i;
	return 0;
}

static int parse_format(struct spec_parser *p)
{
	return one_body(p) ? -1 : action_text_parse(p->l, p->i, p->r, &p->spec->body);
}

static int read_file(struct spec_parser *p, struct slice *out)
{
	const char *path = word(p, 0);
	FILE *f = fopen(path, "re");
	char *buf = NULL;
	size_t n;

	if (!f)
		return cfg_error(p->l, *p->i, "cannot open '%s': %s", path, strerror(errno));
	buf = xmalloc(1 << 20);
	n = fread(buf, 1, 1 << 20, f);
	*out = arena_dup(p->l->arena, slice_make(buf, n));
	free(buf);
	if (ferror(f) || n == 1 << 20) {
		int err = ferror(f) ? errno : EFBIG;

		fclose(f);
		return cfg_error(p->l, *p->i, "cannot use '%s': %s", path, strerror(err));
	}
	fclose(f);
	return 0;
}

static int parse_file(struct spec_parser *p)
{
	if (one_body(p) || read_file(p, &p->spec->body.constant))
		return -1;
	++*p->i;
	return 0;
}

static int parse_format_file(struct spec_parser *p)
{
	if (one_body(p) || read_file(p, &p->spec->body.constant))
		return -1;
	p->spec->body.format = logformat_parse(p->l, *p->i, p->spec->body.constant.p, p->r->where);
	++*p->i;
	return p->spec->body.format ? 0 : -1;
}

static int parse_hdr(struct spec_parser *p)
{
	struct reply_header *h = ARENA_NEW(p->l->arena, struct reply_header);
	char *z = arena_strdup(p->l->arena, word(p, 1));

	if (!*z || z[strcspn(z, " \t\r\n:")])
		return cfg_error(p->l, *p->i, "'hdr' needs a header's name and a format behind it");
	for (char *c = z; *c; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
	h->name = slice_z(z);
	*p->i += 2;
	if (action_text_parse(p->l, p->i, p->r, &h->value))
		return -1;
	if (slice_eq_z(h->name, "content-length") || slice_eq_z(h->name, "transfer-encoding")) {
		cfg_warn(p->l, *p->i - 2,
			 "header '%s' of a reply is made from its body and ignored here", z);
		return 0;
	}
	*p->spec->tail = h;
	p->spec->tail = &h->next;
	return 0;
}

static const struct {
	const char *name;
	int (*parse)(struct spec_parser *p);
} spec_words[] = {
	{ "status", parse_status },
	{ "deny_status", parse_status },
	{ "content-type", parse_content_type },
	{ "string", parse_string },
	{ "lf-string", parse_format },
	{ "file", parse_file },
	{ "lf-file", parse_format_file },
	{ "hdr", parse_hdr },
};

static int parse_spec(struct cfg_line *l, int *i, struct rule *r, unsigned int status)
{
	struct reply_spec *spec = ARENA_NEW(l->arena, struct reply_spec);
	struct spec_parser p = { l, i, r, spec, NULL };

	spec->status = status;
	spec->tail = &spec->headers;
	r->priv = spec;
	while (*i < l->nwords) {
		size_t k;

		for (k = 0; k < ARRAY_SIZE(spec_words); k++)
			if (!strcmp(spec_words[k].name, word(&p, 0)))
				break;
		if (k == ARRAY_SIZE(spec_words))
			break; /* the condition, or an error of the caller's */
		if (spec_words[k].parse(&p))
			return -1;
	}
	if (spec->has_body && !spec->content_type.n && (spec->body.format || spec->body.constant.n))
		return cfg_error(l, l->first_arg,
				 "a body needs 'content-type <type>' in front of it");
	return 0;
}

static void write_reply(const struct reply_spec *spec, const struct rule *r,
			const struct smp_ctx *ctx)
{
	struct http_txn *t = http_txn_ctx(ctx);
	struct slice body = SLICE_NONE, *values;
	size_t n = 0;

	/* made before the reply begins: formats may read the response that it replaces */
	if (spec->has_body)
		body = action_text_make(&spec->body, r, ctx);

	for (const struct reply_header *h = spec->headers; h; h = h->next)
		n++;
	values = arena_alloc(&t->arena, sizeof(*values) * (n + 1));
	n = 0;
	for (const struct reply_header *h = spec->headers; h; h = h->next)
		values[n++] = action_text_make(&h->value, r, ctx);
	http_reply_start(t, spec->status, NULL);
	n = 0;
	for (const struct reply_header *h = spec->headers; h; h = h->next, n++)
		if (values[n].n) /* an empty one is left out, as in HAProxy */
			http_reply_header(t, h->name, values[n]);
	http_reply_body(t, body, !spec->body.format);
	if (body.n)
		http_reply_header(t, SLICE("content-type"), spec->content_type);
}

/* ---- return ---- */

static int parse_return(struct cfg_line *l, int *i, struct rule *r)
{
	return parse_spec(l, i, r, 200);
}

static enum rule_verdict run_return(const struct rule *r, const struct smp_ctx *ctx)
{
	write_reply(r->priv, r, ctx);
	return RULE_DONE;
}

/* ---- deny ---- */

static const unsigned int page_statuses[] = { 200, 400, 401, 403, 404, 405, 407, 408, 410, 413,
					      421, 422, 425, 429, 500, 501, 502, 503, 504 };

static int parse_deny(struct cfg_line *l, int *i, struct rule *r)
{
	const struct reply_spec *spec;

	if (parse_spec(l, i, r, r->set == RULESET_HTTP_RES ? 502 : 403))
		return -1;
	spec = r->priv;
	if (spec->has_body)
		return 0;
	for (size_t k = 0; k < ARRAY_SIZE(page_statuses); k++)
		if (page_statuses[k] == spec->status)
			return 0;
	return cfg_error(l, l->first_arg,
			 "there is no standard page for status %u; give the reply a body with "
			 "'content-type <type> string <text>'",
			 spec->status);
}

/* What the steps count for RULE_DENY. */
static void count_denied(struct http_txn *t, bool response)
{
	struct fe_counters *fe = &t->s.sess->fe->fe_count[this_loop->tid];
	struct be_counters *be = t->s.be ? &t->s.be->be_count[this_loop->tid] : NULL;

	if (response) {
		count_add(&fe->denied_resp, 1);
		if (be)
			count_add(&be->denied_resp, 1);
		if (t->s.srv)
			count_add(&t->s.srv->count[this_loop->tid].denied_resp, 1);
	} else {
		count_add(&fe->denied_req, 1);
		if (be && t->s.be != t->s.sess->fe)
			count_add(&be->denied_req, 1);
	}
}

static enum rule_verdict run_deny(const struct rule *r, const struct smp_ctx *ctx)
{
	struct http_txn *t = http_txn_ctx(ctx);
	const struct reply_spec *spec = r->priv;

	t->deny_status = (uint16_t)spec->status;
	if (!spec->has_body)
		return RULE_DENY;
	write_reply(spec, r, ctx);
	count_denied(t, r->set == RULESET_HTTP_RES);
	stream_set_term(&t->s, 'P', r->set == RULESET_HTTP_RES ? 'H' : 'R');
	return RULE_DONE;
}

/* ---- auth [realm R] ---- */

static int parse_auth(struct cfg_line *l, int *i, struct rule *r)
{
	r->priv = (void *)l->px->name;
	if (*i < l->nwords && !strcmp(l->words[*i].z, "realm")) {
		if (*i + 1 >= l->nwords)
			return cfg_error(l, *i, "'realm' needs a text behind it");
		r->priv = (void *)l->words[*i + 1].z;
		*i += 2;
	}
	return 0;
}

static enum rule_verdict run_auth(const struct rule *r, const struct smp_ctx *ctx)
{
	struct http_txn *t = http_txn_ctx(ctx);

	stick_note(&t->s, STICK_EV_HTTP_ERR);
	http_reply_auth(t, 401, slice_z(r->priv));
	stream_set_term(&t->s, 'P', 'R');
	return RULE_DONE;
}

static enum rule_verdict run_allow(const struct rule *r, const struct smp_ctx *ctx)
{
	return RULE_STOP;
}

static enum rule_verdict run_reject(const struct rule *r, const struct smp_ctx *ctx)
{
	return RULE_DROP;
}

#define SPEC                                                                                       \
	"[status <code>] [content-type <type>] [string <text> | lf-string <format> | file <path> " \
	"| lf-file <path>] [hdr <name> <format>]*"

static const struct action_row rows[] = {
	{ .name = "allow",
	  .sets = SETS | RULESET_HTTP_AFTER,
	  .run = run_allow,
	  .final = true,
	  .kernel = KERNEL_HTTP,
	  .usage = "allow",
	  .help = "Ends these rules: the message goes on." },
	{ .name = "deny",
	  .sets = SETS,
	  .parse = parse_deny,
	  .run = run_deny,
	  .final = true,
	  .kernel = KERNEL_HTTP,
	  .usage = "deny [deny_status <code>] " SPEC,
	  .help = "Answers 403 (a response: 502), or what is given." },
	{ .name = "return",
	  .sets = SETS,
	  .parse = parse_return,
	  .run = run_return,
	  .final = true,
	  .kernel = KERNEL_HTTP,
	  .usage = "return " SPEC,
	  .help = "Answers with this reply." },
	{ .name = "auth",
	  .sets = RULESET_HTTP_REQ,
	  .parse = parse_auth,
	  .run = run_auth,
	  .final = true,
	  .kernel = KERNEL_HTTP,
	  .usage = "auth [realm <text>]",
	  .help = "Asks for user and password (401)." },
	{ .name = "reject",
	  .sets = RULESET_HTTP_REQ,
	  .run = run_reject,
	  .final = true,
	  .kernel = KERNEL_HTTP,
	  .usage = "reject",
	  .help = "Closes the connection without an answer." },
};

void http_actions_reply_register(void)
{
	action_register(rows, ARRAY_SIZE(rows));
}
