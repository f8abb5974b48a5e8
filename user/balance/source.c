// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * balance source: the client's address chooses the server, the same in haproxy, in the daemon and in the kernel
 * (<lbd/hash.h>). Any worker, without a lock.
 */
#include "balance/lookup.h"
#include "balance/private.h"

#include <lbd/hash.h>

bool balance_client_number(const struct balance *b, const struct addr *client, bool listener_is_ip6,
			   uint32_t *number)
{
	uint32_t words[4] = { 0 };

	if (!client || (client->family != ADDR_IP4 && client->family != ADDR_IP6))
		return false;
	if (client->family == ADDR_IP4) {
		words[2] = htonl(0xffff);
		memcpy(&words[3], client->ip, 4);
	} else {
		memcpy(words, client->ip, 16);
	}
	*number = lookup_mix(b, lbd_addr_number(words,
						client->family == ADDR_IP4 && !listener_is_ip6));
	return true;
}

static struct server *source_pick(struct balance *b, const struct pick_request *r)
{
	uint32_t number;

	if (!balance_client_number(b, r->client, r->listener_is_ip6, &number))
		return lookup_walk(b, r);
	return lookup_pick(b, r, number);
}

void balance_source_init(void)
{
	static const struct balance_algorithm rows[] = {
		{ .name = "source",
		  .is_static = true,
		  .by_hash = true,
		  .takes_avoided = true,
		  .rebuild = lookup_rebuild,
		  .pick = source_pick,
		  .kernel = KERNEL_EXACT,
		  .help = "The client's address chooses: the same client reaches the same "
			  "server." },
	};

	balance_register(rows, ARRAY_SIZE(rows));
}
