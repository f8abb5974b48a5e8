// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * balance hash <expression>: the sample's bytes choose the server; and lbd's own balance hash 5-tuple: each connection by
 * its addresses, ports and protocol, as the packet program computes it (<lbd/hash.h>). Any worker, without a lock.
 */
#include "balance/lookup.h"
#include "balance/private.h"
#include "policy/persist.h"
#include "policy/sample.h"

#include <lbd/hash.h>

/* What a request knows when its server is chosen. Bytes that must be waited for are not among it. */
#define KNOWN_AT_PICK \
	(SMP_W_INTERNAL | SMP_W_L4_CLIENT | SMP_W_L5_CLIENT | SMP_W_REQ_HTTP | SMP_W_BACKEND)

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
	number = lbd_tuple_number(src, dst, htons(r->client->port), htons(r->dst->port),
				  r->is_udp ? IPPROTO_UDP : IPPROTO_TCP);
	return lookup_pick(b, r, lookup_mix(b, number));
}

/* b->conf is the expression's key; none: 5-tuple. */
static struct server *hash_pick(struct balance *b, const struct pick_request *r)
{
	return b->conf ? lookup_pick_key(b, r) : tuple_pick(b, r);
}

static int hash_parse(struct cfg_line *l, int arg, struct balance *b)
{
	struct lookup_key *key;

	if (arg + 1 >= l->nwords)
		return cfg_error(l, arg, "'balance hash' needs a sample expression, or '5-tuple'");
	if (arg + 2 < l->nwords)
		return cfg_error(l, arg + 2, "'balance hash' takes nothing behind '%s', not '%s'",
				 l->words[arg + 1].z, l->words[arg + 2].z);
	if (!strcmp(l->words[arg + 1].z, "5-tuple"))
		return 0;
	key = ARENA_NEW(l->arena, struct lookup_key);
	key->expr = expr_parse(l, arg + 1, l->words[arg + 1].z, KNOWN_AT_PICK);
	if (!key->expr)
		return -1;
	b->conf = key;
	b->user_only = true;
	return 0;
}

static int rdp_parse(struct cfg_line *l, int arg, struct balance *b)
{
	struct lookup_key *key = ARENA_NEW(l->arena, struct lookup_key);

	if (arg + 1 < l->nwords)
		return cfg_error(l, arg + 1,
				 "'balance rdp-cookie' takes nothing behind it, not '%s'",
				 l->words[arg + 1].z);
	key->expr = persist_rdp_expr(l, arg, "mstshash");
	b->conf = key;
	return key->expr ? 0 : -1;
}

void balance_hash_init(void)
{
	static const struct balance_algorithm rows[] = {
		{ .name = "hash",
		  .is_static = true,
		  .by_hash = true,
		  .takes_avoided = true,
		  .wants_dst = true,
		  .wants_sample = true,
		  .parse = hash_parse,
		  .usage = "hash <expression>|5-tuple",
		  .rebuild = lookup_rebuild,
		  .pick = hash_pick,
		  .kernel = KERNEL_EXACT,
		  .kernel_says = "is in the kernel only as 'hash 5-tuple', or as 'source'",
		  .help = "The value of an expression chooses; 5-tuple: each connection by "
			  "addresses, ports and protocol." },
		{ .name = "rdp-cookie",
		  .is_static = true,
		  .by_hash = true,
		  .takes_avoided = true,
		  .wants_sample = true,
		  .parse = rdp_parse,
		  .usage = "rdp-cookie[(<name>)]",
		  .rebuild = lookup_rebuild,
		  .pick = lookup_pick_key,
		  .kernel = KERNEL_NEVER,
		  .kernel_says = "the cookie stands in the client's first bytes",
		  .help = "The cookie of a Remote Desktop client chooses; without it servers are "
			  "taken in turn." },
	};

	balance_register(rows, ARRAY_SIZE(rows));
}
