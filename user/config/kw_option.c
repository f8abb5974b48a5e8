// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `option ...` lines that are one bit of the proxy, `option redispatch`, `source`. Control thread, before the workers
 * start.
 */
#include "config/address.h"
#include "config/keyword.h"
#include "config/language.h"
#include "model/proxy.h"

struct option_bits {
	const char *name; /* the keyword's second word */
	uint32_t bits;
};

static const struct option_bits bits_of[] = {
	{ "abortonclose", PX_O_ABORTONCLOSE },
	{ "allbackups", PX_O_ALLBACKUPS },
	{ "clitcpka", PX_O_TCP_CLI_KA },
	{ "nolinger", PX_O_NOLINGER },
	{ "persist", PX_O_PERSIST },
	{ "splice-auto", PX_O_SPLICE_AUTO },
	{ "srvtcpka", PX_O_TCP_SRV_KA },
	{ "tcpka", PX_O_TCP_CLI_KA | PX_O_TCP_SRV_KA },
};

/* Sets, or takes back with `no option`; `default option` takes back what this section said. */
void cfg_option_apply(struct cfg_line *l, uint32_t bits)
{
	struct proxy *px = l->px;

	px->options &= ~bits;
	px->no_options &= ~bits;
	if (l->negated)
		px->no_options |= bits;
	else if (!l->is_default)
		px->options |= bits;
}

static int parse_option(struct cfg_line *l)
{
	const char *name = l->words[l->first_arg - 1].z;

	if (cfg_argc(l))
		return cfg_error(l, l->first_arg, "'option %s' takes no argument, found '%s'", name, cfg_arg(l, 0));
	for (size_t i = 0; i < ARRAY_SIZE(bits_of); i++)
		if (!strcmp(bits_of[i].name, name))
			cfg_option_apply(l, bits_of[i].bits);
	return 0;
}

/* "option redispatch [<interval>]": on which retry another server is tried; -1 (default): the last one. */
static int parse_redispatch(struct cfg_line *l)
{
	int64_t every = -1;

	if (cfg_want_args(l, 0, 1, "option redispatch [<interval>]") ||
	    (cfg_argc(l) && cfg_arg_i64(l, 0, -100, 100, &every)))
		return -1;
	cfg_option_apply(l, PX_O_REDISPATCH);
	l->px->redispatch_after = l->negated || l->is_default ? 0 : (int)every;
	return 0;
}

static int parse_old_redispatch(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "redispatch"))
		return -1;
	cfg_option_apply(l, PX_O_REDISPATCH);
	l->px->redispatch_after = l->negated ? 0 : -1;
	return 0;
}

static int parse_source(struct cfg_line *l)
{
	struct cfg_address x;
	struct sockaddr_storage *ss;

	if (cfg_want_args(l, 1, -1, "source <address>[:<port>]") ||
	    cfg_address_parse(l, l->first_arg, cfg_arg(l, 0), CFG_ADDR_PORT | CFG_ADDR_NAME | CFG_ADDR_STAR, &x))
		return -1;
	if (cfg_argc(l) > 1 && (!strcmp(cfg_arg(l, 1), "usesrc") || !strcmp(cfg_arg(l, 1), "interface")))
		return cfg_error(l, l->first_arg + 1, "'source ... %s' is HAProxy's, lbd does not have it yet", cfg_arg(l, 1));
	if (cfg_argc(l) > 1)
		return cfg_error(l, l->first_arg + 1, "unexpected '%s' behind the source address", cfg_arg(l, 1));
	l->px->source = NULL;
	if (x.is_any && !x.addr.port) /* 0.0.0.0: the system chooses */
		return 0;
	ss = ARENA_NEW(l->arena, struct sockaddr_storage);
	addr_to_sockaddr(&x.addr, ss);
	l->px->source = ss;
	return 0;
}

#define FE CFG_DEFAULTS | CFG_FRONTEND
#define BE CFG_DEFAULTS | CFG_BACKEND

#define OPTION(name, where, kernel, says, help) \
	{ "option " name, where, parse_option, kernel, says, "[no] option " name, help, CFG_CAN_NEGATE }

static const struct cfg_keyword rows[] = {
	OPTION("abortonclose", BE, KERNEL_EXACT, NULL, "A client that closes while its connection waits is dropped from the queue."),
	OPTION("allbackups", BE, KERNEL_EXACT, NULL, "All usable backup servers share the load, not the first one alone."),
	OPTION("clitcpka", FE, KERNEL_EXACT, NULL, "TCP keep-alive probes to clients."),
	OPTION("srvtcpka", BE, KERNEL_EXACT, NULL, "TCP keep-alive probes to servers."),
	OPTION("tcpka", CFG_ANY_PROXY, KERNEL_EXACT, NULL, "TCP keep-alive probes on both sides."),
	OPTION("nolinger", CFG_ANY_PROXY, KERNEL_APPROX, "client and server close their connection between themselves",
	       "Connections are reset at their end, leaving nothing in TIME_WAIT."),
	OPTION("persist", BE, KERNEL_EXACT, NULL, "A connection that belongs to a server is tried there even when it is down."),
	OPTION("splice-auto", CFG_ANY_PROXY, KERNEL_EXACT, NULL, "splice(2) where it saves work, in both directions."),
	{ "option redispatch", BE, parse_redispatch, KERNEL_APPROX,
	  "a client that repeats its SYN gets another server only once the first is seen down", "[no] option redispatch [<interval>]",
	  "A retry may go to another server.", CFG_CAN_NEGATE },
	{ "redispatch", BE, parse_old_redispatch, KERNEL_APPROX,
	  "a client that repeats its SYN gets another server only once the first is seen down", "redispatch",
	  "write 'option redispatch'", CFG_CAN_NEGATE | CFG_DEPRECATED },
	{ "source", BE, parse_source, KERNEL_EXACT, NULL, "source <address>[:<port>]",
	  "Address that connections to servers come from." },
};

void kw_option_init(void)
{
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
}
