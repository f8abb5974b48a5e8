// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stick_events.c - a rule that begins to track within a transaction takes over what has happened in it: the request, and in
 * response rules how it was answered. And which statuses count as errors of clients and as failures of servers. Runs in
 * the transaction's worker; the words in the control thread, before the workers start.
 */
#include "http/stick_events.h"

#include <stdlib.h>

#include "config/keyword.h"
#include "http/txn.h"

#define CODE_MIN 100
#define CODE_MAX 599

/* By status. */
static bool is_error[CODE_MAX + 1], is_failure[CODE_MAX + 1];

unsigned int http_stick_status(unsigned int status)
{
	if (status > CODE_MAX)
		return 0;
	return (is_error[status] ? STICK_EV_HTTP_ERR : 0) |
	       (is_failure[status] ? STICK_EV_HTTP_FAIL : 0);
}

static unsigned int events_so_far(const struct smp_ctx *ctx, unsigned int set)
{
	const struct http_txn *t = http_txn_ctx(ctx);

	if (set != RULESET_HTTP_RES)
		return STICK_EV_HTTP_REQ;
	return STICK_EV_HTTP_REQ | http_stick_status(t->status);
}

/* ---- words ---- */

static void set_codes(bool *codes, unsigned long from, unsigned long to, bool on)
{
	for (; from <= to; from++)
		codes[from] = on;
}

/* "[+-]400-499,404": with a sign the list is changed, without it begins anew. */
static int take_codes(struct cfg_line *l, int k, bool *codes)
{
	const char *z = cfg_arg(l, k);
	bool on = *z != '-';
	char *end;

	if (*z != '+' && *z != '-')
		memset(codes, 0, CODE_MAX + 1);
	else
		z++;
	do {
		unsigned long from = strtoul(z, &end, 10), to = from;
		bool wrong = end == z || *z == '-' || *z == '+' || *z == ' ';

		if (!wrong && *end == '-') {
			z = end + 1;
			to = strtoul(z, &end, 10);
			wrong = end == z;
		}
		if (wrong || from < CODE_MIN || to > CODE_MAX || from > to || (*end && *end != ','))
			return cfg_error(
				l, l->first_arg + k,
				"'%s' takes statuses from 100 to 599 and ranges of them "
				"(400-499,404), perhaps with '+' or '-' in front, not '%s'",
				l->words[0].z, cfg_arg(l, k));
		set_codes(codes, from, to, on);
		z = end + 1;
	} while (*end);
	return 0;
}

static int parse_codes(struct cfg_line *l)
{
	bool *codes = strcmp(l->words[0].z, "http-err-codes") ? is_failure : is_error;

	if (cfg_want_args(l, 1, -1,
			  "http-err-codes|http-fail-codes [+-]<status>[-<status>][,...] ..."))
		return -1;
	for (int k = 0; k < cfg_argc(l); k++)
		if (take_codes(l, k, codes))
			return -1;
	return 0;
}

static const struct cfg_keyword keywords[] = {
	{ "http-err-codes", CFG_GLOBAL, parse_codes, KERNEL_HTTP, NULL,
	  "http-err-codes [+-]<status>[-<status>][,...] ...",
	  "Statuses of servers that count in http_err_cnt of stick tables; default 400-499." },
	{ "http-fail-codes", CFG_GLOBAL, parse_codes, KERNEL_HTTP, NULL,
	  "http-fail-codes [+-]<status>[-<status>][,...] ...",
	  "Statuses of servers that count in http_fail_cnt of stick tables; default 500-599 but "
	  "501 "
	  "and 505." },
};

void http_stick_init(void)
{
	set_codes(is_error, 400, 499, true);
	set_codes(is_failure, 500, 599, true);
	is_failure[501] = is_failure[505] = false;
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	stick_events_so_far = events_so_far;
}
