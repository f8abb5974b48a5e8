// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * net_table.c - many networks, asked at once: which of them hold an address? One probe for each prefix length that
 * occurs. IPv4 and IPv6 meet as the manual's section 7.1.6 says.
 */
#include "base/addr.h"
#include "policy/key_table.h"
#include "policy/sample_util.h"

struct net_table {
	struct arena *arena;
	struct key_table *keys;   /* family, bits, masked address */
	uint64_t bits4, bits6[3]; /* prefix lengths that occur */
};

#define NET_KEY_BYTES 18

static void key_of(char key[NET_KEY_BYTES], const struct addr *a, unsigned int bits)
{
	unsigned int bytes = bits / 8, rest = bits % 8;

	memset(key, 0, NET_KEY_BYTES);
	key[0] = (char)a->family;
	key[1] = (char)bits;
	memcpy(key + 2, a->ip, bytes);
	if (rest)
		key[2 + bytes] = (char)(a->ip[bytes] & (0xff00 >> rest));
}

struct net_table *net_table_new(struct arena *a)
{
	struct net_table *t = ARENA_NEW(a, struct net_table);

	t->arena = a;
	t->keys = key_table_new(a, KEY_EXACT, false, NULL);
	return t;
}

void net_table_add(struct net_table *t, const struct addr *net, uint8_t bits, uint32_t value)
{
	char *key = arena_alloc(t->arena, NET_KEY_BYTES);

	key_of(key, net, bits);
	key_table_add(t->keys, slice_make(key, NET_KEY_BYTES), value);
	if (net->family == ADDR_IP4)
		t->bits4 |= 1ull << bits;
	else
		t->bits6[bits / 64] |= 1ull << (bits % 64);
}

void net_table_seal(struct net_table *t)
{
	key_table_seal(t->keys);
}

static bool search(const struct net_table *t, const struct addr *a, uint64_t set, unsigned int base,
		   key_hit *hit, void *ctx)
{
	char key[NET_KEY_BYTES];

	for (; set; set &= set - 1) {
		key_of(key, a, base + __builtin_ctzll(set));
		if (key_table_search(t->keys, slice_make(key, NET_KEY_BYTES), hit, ctx))
			return true;
	}
	return false;
}

bool net_table_search(const struct net_table *t, const struct addr *a, key_hit *hit, void *ctx)
{
	struct addr v4 = *a, v6 = *a;

	if (a->family == ADDR_IP4)
		addr_ip4_to_ip6(&v6);
	if ((a->family == ADDR_IP4 || addr_ip6_to_ip4(&v4)) &&
	    search(t, &v4, t->bits4, 0, hit, ctx))
		return true;
	for (unsigned int i = 0; i < 3; i++)
		if (search(t, &v6, t->bits6[i], i * 64, hit, ctx))
			return true;
	return false;
}
