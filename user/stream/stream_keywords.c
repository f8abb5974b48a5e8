/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream_keywords.c - the words of the configuration language about sessions, retries, queues and sockets.
 * Control thread, at configuration time.
 */
#include "base/arena.h"
#include "config/address.h"
#include "model/server.h"
#include "stream/init.h"

/* Options that are one bit (or two) of proxy.options. */
static const struct option_bits {
	const char *name;
	uint32_t bits;
} option_bits[] = {
	{ "option abortonclose", PX_O_ABORTONCLOSE },
	{ "option nolinger", PX_O_NOLINGER },
	{ "option tcpka", PX_O_TCP_CLI_KA | PX_O_TCP_SRV_KA },
	{ "option clitcpka", PX_O_TCP_CLI_KA },
	{ "option srvtcpka", PX_O_TCP_SRV_KA },
	{ "option contstats", PX_O_CONTSTATS },
	{ "option splice-auto", PX_O_SPLICE_AUTO },
	{ "option splice-request", PX_O_SPLICE_REQ },
	{ "option splice-response", PX_O_SPLICE_RTR },
};

static void set_bits(struct cfg_line *l, uint32_t bits)
{
	l->px->options &= ~bits;
	l->px->no_options &= ~bits;
	if (l->negated)
		l->px->no_options |= bits;
	else if (!l->is_default)
		l->px->options |= bits;
}

static int parse_option(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "option <name>") < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(option_bits); i++) {
		/* the row's second word is the line's */
		if (strcmp(option_bits[i].name + strlen("option "), l->words[l->first_arg - 1].z) ==
		    0)
			set_bits(l, option_bits[i].bits);
	}
	return 0;
}

static int parse_redispatch(struct cfg_line *l)
{
	int64_t after = -1;

	if (cfg_want_args(l, 0, 1, "option redispatch [<interval>]") < 0)
		return -1;
	if (cfg_argc(l) && cfg_arg_i64(l, 0, -1000, 1000, &after) < 0)
		return -1;
	set_bits(l, PX_O_REDISPATCH);
	if (!after)
		l->px->options &= ~PX_O_REDISPATCH;
	l->px->redispatch_after = (int)after;
	return 0;
}

static int parse_rate_limit(struct cfg_line *l)
{
	int64_t v;

	if (cfg_want_args(l, 1, 1, "rate-limit sessions <rate>") < 0 ||
	    cfg_arg_i64(l, 0, 0, 1000000, &v) < 0)
		return -1;
	l->px->rate_limit_sessions = (uint32_t)v;
	return 0;
}

#define BE (CFG_DEFAULTS | CFG_BACKEND)
#define FE (CFG_DEFAULTS | CFG_FRONTEND)
#define NO_SOCKET                                                                         \
	"there is no socket on this host: client and server keep their connection alive " \
	"themselves"

static const struct cfg_keyword keywords[] = {
	{ "option abortonclose", BE, parse_option, KERNEL_APPROX,
	  "nothing queues, so nothing is dropped from a queue", "option abortonclose",
	  "A client that has closed while it waits in a queue or for the connection is dropped.",
	  CFG_CAN_NEGATE },
	{ "option contstats", FE, parse_option, KERNEL_EXACT, NULL, "option contstats",
	  "Bytes are counted while they pass, not at the end of the connection or request.",
	  CFG_CAN_NEGATE },
	{ "option nolinger", CFG_ANY_PROXY, parse_option, KERNEL_EXACT, NULL, "option nolinger",
	  "Connections of this side are closed with a reset.", CFG_CAN_NEGATE },
	{ "option tcpka", CFG_ANY_PROXY, parse_option, KERNEL_APPROX, NO_SOCKET, "option tcpka",
	  "TCP keep-alive packets to both sides.", CFG_CAN_NEGATE },
	{ "option clitcpka", FE, parse_option, KERNEL_APPROX, NO_SOCKET, "option clitcpka",
	  "TCP keep-alive packets to clients.", CFG_CAN_NEGATE },
	{ "option srvtcpka", BE, parse_option, KERNEL_APPROX, NO_SOCKET, "option srvtcpka",
	  "TCP keep-alive packets to servers.", CFG_CAN_NEGATE },
	{ "option splice-auto", CFG_ANY_PROXY, parse_option, KERNEL_EXACT, NULL,
	  "option splice-auto",
	  "Bulk is spliced in both directions: lbd's default; 'no option splice-auto' always "
	  "copies.",
	  CFG_CAN_NEGATE },
	{ "option splice-request", CFG_ANY_PROXY, parse_option, KERNEL_EXACT, NULL,
	  "option splice-request", "Bulk from clients to servers is spliced: lbd's default.",
	  CFG_CAN_NEGATE },
	{ "option splice-response", CFG_ANY_PROXY, parse_option, KERNEL_EXACT, NULL,
	  "option splice-response", "Bulk from servers to clients is spliced: lbd's default.",
	  CFG_CAN_NEGATE },
	{ "option redispatch", BE, parse_redispatch, KERNEL_APPROX,
	  "the client repeats its own SYN, which is picked again "
	  "when the server is down",
	  "option redispatch [<interval>]",
	  "Retries may go to another server: on every Nth retry, or with -N on the Nth before the "
	  "last (default -1).",
	  CFG_CAN_NEGATE },
	{ "rate-limit sessions", FE, parse_rate_limit, KERNEL_NEVER,
	  "the rate of new sessions is limited by the listener", "rate-limit sessions <rate>",
	  "New sessions per second that the frontend accepts; more wait in the backlog.", 0 },
};

void stream_keywords_init(void)
{
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
}
