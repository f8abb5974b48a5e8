// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `timeout ...` of proxies: each row names the field it fills. Control thread, before the workers start.
 */
#include <stdio.h>

#include "config/keyword.h"
#include "config/language.h"
#include "model/proxy.h"

struct timeout_field {
	const char *name;
	size_t offset;
};

#define TIMEOUT(word, member)                                 \
	{                                                     \
		word, offsetof(struct proxy_timeouts, member) \
	}

static const struct timeout_field fields[] = {
	TIMEOUT("timeout check", check),
	TIMEOUT("timeout client", client),
	TIMEOUT("timeout client-fin", client_fin),
	TIMEOUT("timeout client-hs", client_hs),
	TIMEOUT("timeout connect", connect),
	TIMEOUT("timeout http-keep-alive", http_keep_alive),
	TIMEOUT("timeout http-request", http_request),
	TIMEOUT("timeout queue", queue),
	TIMEOUT("timeout server", server),
	TIMEOUT("timeout server-fin", server_fin),
	TIMEOUT("timeout tarpit", tarpit),
	TIMEOUT("timeout tunnel", tunnel),
	/* old names */
	TIMEOUT("clitimeout", client),
	TIMEOUT("contimeout", connect),
	TIMEOUT("srvtimeout", server),
};

static const struct timeout_field *field_of(const struct cfg_line *l)
{
	char name[64];

	snprintf(name, sizeof(name), "%s%s%s", l->words[0].z, l->first_arg > 1 ? " " : "",
		 l->first_arg > 1 ? l->words[1].z : "");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (!strcmp(fields[i].name, name))
			return &fields[i];
	return NULL;
}

static int parse_timeout(struct cfg_line *l)
{
	const struct timeout_field *f = field_of(l);
	uint32_t ms;

	if (cfg_want_args(l, 1, 1, arena_printf(l->arena, "%s <time>", f->name)) ||
	    cfg_arg_time(l, 0, &ms))
		return -1;
	*(uint32_t *)((char *)&l->px->timeout + f->offset) = ms;
	return 0;
}

#define FE CFG_DEFAULTS | CFG_FRONTEND
#define BE CFG_DEFAULTS | CFG_BACKEND
#define OWN_SYN \
	"the client repeats its own SYN, there is no connection of the daemon that could time out"
#define IDLE "an idle flow is forgotten by the flow table, no FIN is sent"
#define NO_QUEUE                                                                              \
	"nothing queues: at its limit a server's new connections are dropped and the client " \
	"repeats its SYN"
#define OLD(new) "write '" new "'"

static const struct cfg_keyword rows[] = {
	{ "timeout client", FE, parse_timeout, KERNEL_APPROX, IDLE, "timeout client <time>",
	  "Longest inactivity on the client side." },
	{ "timeout server", BE, parse_timeout, KERNEL_APPROX, IDLE, "timeout server <time>",
	  "Longest inactivity on the server side." },
	{ "timeout connect", BE, parse_timeout, KERNEL_APPROX, OWN_SYN, "timeout connect <time>",
	  "Longest wait for a connection to a server." },
	{ "timeout queue", BE, parse_timeout, KERNEL_APPROX, NO_QUEUE, "timeout queue <time>",
	  "Longest wait in a queue for a free server; defaults to 'timeout connect'." },
	{ "timeout check", BE, parse_timeout, KERNEL_EXACT, NULL, "timeout check <time>",
	  "Further time for a health check once it is connected." },
	{ "timeout client-fin", FE, parse_timeout, KERNEL_APPROX, IDLE, "timeout client-fin <time>",
	  "Longest inactivity of a half-closed client." },
	{ "timeout client-hs", FE, parse_timeout, KERNEL_EXACT, NULL, "timeout client-hs <time>",
	  "Longest time for the client's handshakes: PROXY header, TLS; defaults to 'timeout "
	  "client'." },
	{ "timeout server-fin", BE, parse_timeout, KERNEL_APPROX, IDLE, "timeout server-fin <time>",
	  "Longest inactivity of a half-closed server." },
	{ "timeout tunnel", BE, parse_timeout, KERNEL_APPROX, IDLE, "timeout tunnel <time>",
	  "Longest inactivity in both directions once the exchange is a tunnel." },
	{ "timeout http-request", CFG_ANY_PROXY, parse_timeout, KERNEL_HTTP, NULL,
	  "timeout http-request <time>", "Longest wait for a complete request head." },
	{ "timeout http-keep-alive", CFG_ANY_PROXY, parse_timeout, KERNEL_HTTP, NULL,
	  "timeout http-keep-alive <time>", "Longest wait for the next request." },
	{ "timeout tarpit", CFG_ANY_PROXY, parse_timeout, KERNEL_HTTP, NULL,
	  "timeout tarpit <time>",
	  "What be_tarpit_timeout gives; no action of lbd keeps connections that long yet." },
	{ "clitimeout", FE, parse_timeout, KERNEL_APPROX, IDLE, "clitimeout <time>",
	  OLD("timeout client"), CFG_DEPRECATED },
	{ "contimeout", BE, parse_timeout, KERNEL_APPROX, OWN_SYN, "contimeout <time>",
	  OLD("timeout connect"), CFG_DEPRECATED },
	{ "srvtimeout", BE, parse_timeout, KERNEL_APPROX, IDLE, "srvtimeout <time>",
	  OLD("timeout server"), CFG_DEPRECATED },
};

void kw_timeout_init(void)
{
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
}
