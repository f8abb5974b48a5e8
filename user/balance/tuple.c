// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * balance hash 5-tuple: every connection by its addresses, ports and protocol, as the packet program computes it
 * (<lbd/hash.h>). lbd's own. Any worker, without a lock.
 */
#include "balance/lookup.h"
#include "balance/private.h"

#include <lbd/hash.h>

static void addr_words(uint32_t words[4], const struct addr *a)
{
	memset(words, 0, 16);
	if (a->family == ADDR_IP4) {
		words[2] = htonl(0xffff);
		memcpy(&words[3], a->ip, 4);
	} else {
		memcpy(words, a->ip, 16);
	}
}

static bool is_ip(const struct addr *a)
{
	return a && (a->family == ADDR_IP4 || a->family == ADDR_IP6);
}

static struct server *tuple_pick(struct balance *b, const struct pick_request *r)
{
	uint32_t src[4], dst[4], number;

	if (!is_ip(r->client) || !is_ip(r->dst))
		return lookup_walk(b, r);
	addr_words(src, r->client);
	addr_words(dst, r->dst);
	number = lbd_tuple_number(src, dst, htons(r->client->port), htons(r->dst->port), r->is_udp ? IPPROTO_UDP : IPPROTO_TCP);
	return lookup_pick(b, r, lookup_mix(b, number));
}

static int tuple_parse(struct cfg_line *l, int arg, struct balance *b)
{
	const char *what = arg + 1 < l->nwords ? l->words[arg + 1].z : "";

	if (strcmp(what, "5-tuple"))
		return cfg_error(l, arg + (*what ? 1 : 0), "'balance hash' is followed by '5-tuple', not '%s'", what);
	if (arg + 2 < l->nwords)
		return cfg_warn(l, arg + 2, "nothing follows '5-tuple', '%s' is ignored", l->words[arg + 2].z);
	return 0;
}

void balance_tuple_init(void)
{
	static const struct balance_algorithm rows[] = {
		{ .name = "hash",
		  .is_static = true,
		  .by_hash = true,
		  .takes_avoided = true,
		  .wants_dst = true,
		  .parse = tuple_parse,
		  .usage = "hash 5-tuple",
		  .rebuild = lookup_rebuild,
		  .pick = tuple_pick,
		  .kernel = KERNEL_EXACT,
		  .help = "Each connection by its two addresses, two ports and protocol." },
	};

	balance_register(rows, ARRAY_SIZE(rows));
}
