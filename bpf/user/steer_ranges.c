// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * steer_ranges.c - see steer_ranges.h. The trie finds the longest network only, so a network carries its own ranges and,
 * where these leave gaps, those of the network around it. O(networks^2 + ranges).
 */
#include "steer_ranges.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_net_and_port(const void *x, const void *y)
{
	const struct lbdmap_steer_rule *a = x, *b = y;
	int d = (int)a->bits - b->bits; /* wide ones first: they are what the longer ones inherit */

	if (!d)
		d = (int)a->family - b->family;
	if (!d)
		d = memcmp(a->ip, b->ip, sizeof(a->ip));
	return d ? d : (int)a->ports.lo - b->ports.lo;
}

static bool same_net(const struct lbdmap_steer_rule *a, const struct lbdmap_steer_rule *b)
{
	return a->bits == b->bits && a->family == b->family && !memcmp(a->ip, b->ip, sizeof(a->ip));
}

static bool covers(const struct steer_net *wide, const struct steer_net *narrow)
{
	uint32_t bits = wide->key.bits - 32;

	if (wide->key.family != narrow->key.family || wide->key.bits >= narrow->key.bits)
		return false;
	for (int w = 0; bits; w++) {
		uint32_t n = bits < 32 ? bits : 32;
		uint32_t differ = ntohl(wide->key.ip[w] ^ narrow->key.ip[w]);

		if (differ >> (32 - n))
			return false;
		bits -= n;
	}
	return true;
}

static int add_range(struct steer_tables *t, size_t *room, const struct lbd_steer_range *r,
		     uint32_t lo, uint32_t hi)
{
	if (lo > hi)
		return 0;
	if (t->nranges == *room) {
		size_t more = *room ? *room * 2 : 64;
		void *p = realloc(t->ranges, more * sizeof(*t->ranges));

		if (!p)
			return -ENOMEM;
		t->ranges = p;
		*room = more;
	}
	t->ranges[t->nranges] = *r;
	t->ranges[t->nranges].lo = (uint16_t)lo;
	t->ranges[t->nranges++].hi = (uint16_t)hi;
	return 0;
}

/* The parts of the wider network's ranges from port @from up to @to. */
static int add_inherited(struct steer_tables *t, size_t *room, const struct steer_net *around,
			 uint32_t from, uint32_t to)
{
	int rc = 0;

	for (uint32_t i = 0; around && i < around->ports.n && !rc; i++) {
		struct lbd_steer_range r = t->ranges[around->ports.first + i];

		rc = add_range(t, room, &r, r.lo > from ? r.lo : from, r.hi < to ? r.hi : to);
	}
	return rc;
}

static int add_net(struct steer_tables *t, size_t *room, const struct lbdmap_steer_rule *rules,
		   size_t n)
{
	struct steer_net *net = &t->nets[t->nnets], *around = NULL;
	uint32_t next = 0;
	int rc = 0;

	net->key.bits = 32 + rules->bits;
	net->key.family = rules->family;
	memcpy(net->key.ip, rules->ip, sizeof(net->key.ip));
	for (size_t i = t->nnets; i-- && !around;)
		if (covers(&t->nets[i], net))
			around = &t->nets[i];
	net->ports.first = (uint32_t)t->nranges;
	for (size_t i = 0; i < n && !rc; i++) {
		const struct lbd_steer_range *r = &rules[i].ports;

		if (r->lo > next)
			rc = add_inherited(t, room, around, next, r->lo - 1u);
		rc = rc ? rc : add_range(t, room, r, r->lo, r->hi);
		next = r->hi + 1u;
	}
	if (!rc && next <= UINT16_MAX)
		rc = add_inherited(t, room, around, next, UINT16_MAX);
	net->ports.n = (uint32_t)t->nranges - net->ports.first;
	t->nnets++;
	return rc;
}

int steer_tables_build(const struct lbdmap_steer_rule *rules, size_t n, struct steer_tables *out)
{
	struct lbdmap_steer_rule *sorted = malloc((n ? n : 1) * sizeof(*sorted));
	size_t room = 0, i = 0;
	int rc = 0;

	memset(out, 0, sizeof(*out));
	out->nets = calloc(n ? n : 1, sizeof(*out->nets));
	if (!sorted || !out->nets)
		rc = -ENOMEM;
	else if (n)
		memcpy(sorted, rules, n * sizeof(*sorted));
	if (!rc)
		qsort(sorted, n, sizeof(*sorted), by_net_and_port);
	while (!rc && i < n) {
		size_t end = i + 1;

		while (end < n && same_net(&sorted[end], &sorted[i]))
			end++;
		rc = add_net(out, &room, &sorted[i], end - i);
		i = end;
	}
	free(sorted);
	if (rc)
		steer_tables_fini(out);
	return rc;
}

void steer_tables_fini(struct steer_tables *t)
{
	free(t->nets);
	free(t->ranges);
	memset(t, 0, sizeof(*t));
}
