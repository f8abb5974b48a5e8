// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stick_events.c - a rule that begins to track within a transaction takes over what has happened in it: the request, and in
 * response rules how it was answered. Runs in the transaction's worker.
 */
#include "http/stick_events.h"
#include "http/txn.h"

static unsigned int events_so_far(const struct smp_ctx *ctx, unsigned int set)
{
	const struct http_txn *t = http_txn_ctx(ctx);

	if (set != RULESET_HTTP_RES)
		return STICK_EV_HTTP_REQ;
	return STICK_EV_HTTP_REQ | http_stick_status(t->status);
}

void http_stick_init(void)
{
	stick_events_so_far = events_so_far;
}
