/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_policy.h - the policy core's HTTP part: fetches, ACL keywords, predefined ACLs, actions, keywords.
 */
#ifndef LBD_L7_POLICY_HTTP_POLICY_H
#define LBD_L7_POLICY_HTTP_POLICY_H

#include "http/txn.h"
#include "policy/rules.h"
#include "policy/sample_util.h"

/* Registers everything here; after policy_init(), before the configuration is read. */
void http_policy_init(void);

/* The message a rule works on: the response's in http-response and http-after-response, else the request's. NULL outside of HTTP. */
static inline struct http_msg *http_policy_msg(const struct smp_ctx *ctx)
{
	struct http_txn *t = http_txn_ctx(ctx);

	return !t ? NULL : ctx->response ? &t->rsp : &t->req;
}

void http_fetch_uri_register(void);
void http_fetch_hdr_register(void);
void http_fetch_cookie_register(void);
void http_fetch_auth_register(void);
void http_acl_register(void);
void http_actions_header_register(void);
void http_actions_line_register(void);
void http_actions_reply_register(void);
void http_actions_redirect_register(void);

/* For fetch_row.check: args[0].s is a header's name: in lower case, args[0].i its number (enum http_hdr_id). */
int http_check_header_name(struct cfg_line *l, int word, struct smp_arg *args);

#endif
