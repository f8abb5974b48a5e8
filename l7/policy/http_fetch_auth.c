// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * http_fetch_auth.c - fetches of the Authorization header: http_auth() and its parts. Any worker.
 */
#include "http/reply.h"
#include "policy/http_policy.h"
#include "policy/userlist.h"

static const struct user_account *account(const struct smp_arg *args, const struct smp_ctx *ctx)
{
	struct http_txn *t = http_txn_ctx(ctx);
	struct slice user, password;
	const struct user_account *a;

	if (!t || !http_basic_auth(t, &user, &password))
		return NULL;
	a = userlist_check(args[0].ptr, user, password);
	if (a)
		t->auth_user = user;
	return a;
}

static bool fetch_auth(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return ctx->http && smp_bool(out, account(args, ctx) != NULL);
}

/* The user's groups one by one, for conditions; elsewhere the user's name. */
static bool fetch_group(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct user_account *a = account(args, ctx);
	const char *group = a ? user_account_group(a, (int)out->iter[0]) : NULL;

	if (a && !(out->flags & SMP_F_ITERATE))
		return smp_str(out, http_txn_ctx(ctx)->auth_user);
	if (!group)
		return false;
	out->iter[0]++;
	out->flags |= SMP_F_MORE;
	return smp_str(out, slice_z(group));
}

enum auth_part { AUTH_USER, AUTH_PASS };

static bool fetch_part(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct http_txn *t = http_txn_ctx(ctx);
	struct slice user, password;

	if (!t || !http_basic_auth(t, &user, &password))
		return false;
	return smp_str(out, args[SMP_MAX_ARGS - 1].i == AUTH_USER ? user : password);
}

/* "Basic", "Bearer": the first word of Authorization, or of the header that args[0] names; @rest: what follows it. */
static bool scheme(const struct smp_arg *args, const struct smp_ctx *ctx, struct slice *word,
		   struct slice *rest)
{
	struct http_txn *t = http_txn_ctx(ctx);
	enum http_hdr_id id = args[0].s.n ? (enum http_hdr_id)args[0].i : HDR_AUTHORIZATION;
	struct http_hdr *h = t ? http_hdr_find(&t->req, id, args[0].s, NULL) : NULL;
	ptrdiff_t blank;

	if (!h)
		return false;
	*word = http_hdr_value(h);
	blank = slice_chr(*word, ' ');
	if (blank < 0)
		return false;
	*rest = slice_trim(slice_from(*word, (size_t)blank));
	*word = slice_first(*word, (size_t)blank);
	return true;
}

static bool fetch_type(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct slice word, rest;

	return scheme(args, ctx, &word, &rest) && smp_str(out, word);
}

static bool fetch_bearer(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct slice word, rest;

	return scheme(args, ctx, &word, &rest) && slice_eq_case(word, SLICE("bearer")) &&
	       smp_str(out, rest);
}

#define AUTH(n, t, fn)                                                                 \
	.name = n, .kind = "fetch-L7", .out = t, .fetch = fn, .where = SMP_W_REQ_HTTP, \
	.kernel = KERNEL_HTTP
#define LIST .min_args = 1, .max_args = 1, .args = { ARG_USERLIST }

static const struct fetch_row rows[] = {
	{ AUTH("http_auth", SMP_BOOL, fetch_auth), LIST, .flags = FETCH_NO_INDEX,
	  .help = "The request has a user and password of this userlist." },
	{ AUTH("http_auth_group", SMP_STR, fetch_group), LIST, .flags = FETCH_NO_INDEX,
	  .help = "The groups of the request's user." },
	{ AUTH("http_auth_user", SMP_STR, fetch_part), .priv = AUTH_USER,
	  .help = "The user's name, not checked." },
	{ AUTH("http_auth_pass", SMP_STR, fetch_part), .priv = AUTH_PASS,
	  .help = "The password, not checked." },
	{ AUTH("http_auth_type", SMP_STR, fetch_type),
	  .help = "How it authenticates: Basic, Bearer ..." },
	{ AUTH("http_auth_bearer", SMP_STR, fetch_bearer), .max_args = 1, .args = { ARG_STR },
	  .check = http_check_header_name, .help = "The token of a bearer authentication." },
};

static const struct acl_keyword keywords[] = {
	{ "http_auth_group", "http_auth_group", "str", "A group of the request's user." },
};

void http_fetch_auth_register(void)
{
	fetch_register(rows, ARRAY_SIZE(rows));
	acl_keyword_register(keywords, ARRAY_SIZE(keywords));
}
