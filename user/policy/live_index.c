// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * live_index.c - see live_index.h. Writing: whoever holds the lock of the reference; asking: any worker.
 */
#include <endian.h>
#include <stdlib.h>
#include <urcu-qsbr.h>

#include "base/arena.h"
#include "policy/live_index.h"
#include "policy/pattern_index.h"
#include "policy/pattern_ref.h"
#include "policy/regex_words.h"
#include "policy/sample_util.h"

/* One that has no key of its own: an odd netmask, a regular expression. */
struct live_pattern {
	struct live_node node;
	bool in_turn; /* it is in the list: with nothing to find it by, it is always tried */
	struct live_pattern *next; /* RCU */
	struct live_pattern *prev; /* writer */
	struct pattern pattern;
};

/* The key of a regular expression: what stands in all texts that it matches, or that one of its alternatives matches. */
struct live_word {
	struct live_node node;
	const struct live_pattern *of;
};

static bool by_number(enum match_kind k)
{
	return k == MATCH_INT || k == MATCH_LEN || k == MATCH_VERSION;
}

void live_index_init(struct live_index *ix, const struct live_method *how)
{
	static const struct {
		enum live_kind kind;
		const char *delims;
	} tables[MATCH_VERSION + 1] = {
		[MATCH_BEG] = { LIVE_PREFIX, NULL },
		[MATCH_END] = { LIVE_SUFFIX, NULL },
		[MATCH_SUB] = { LIVE_PART, NULL },
		[MATCH_DIR] = { LIVE_WORD, MATCH_DIR_DELIMS },
		[MATCH_DOM] = { LIVE_WORD, MATCH_DOM_DELIMS },
		[MATCH_INT] = { LIVE_BITS, NULL },
		[MATCH_LEN] = { LIVE_BITS, NULL },
		[MATCH_VERSION] = { LIVE_BITS, NULL },
		[MATCH_IP] = { LIVE_BITS, NULL },
		[MATCH_REG] = { LIVE_PART, NULL },
	};

	memset(ix, 0, sizeof(*ix));
	ix->how = *how;
	live_table_init(&ix->table, tables[how->kind].kind,
			how->kind == MATCH_REG || (how->icase && how->kind != MATCH_BIN),
			tables[how->kind].delims);
}

void live_index_reserve(struct live_index *ix, uint32_t n)
{
	if (ix->how.kind != MATCH_REG)
		live_table_reserve(&ix->table, n);
}

void live_index_fini(struct live_index *ix)
{
	live_table_fini(&ix->table);
}

size_t live_index_bytes(const struct live_index *ix)
{
	return live_table_bytes(&ix->table);
}

void live_node_free(struct live_node *n)
{
	if (n->listed) {
		struct live_pattern *p = container_of(n, struct live_pattern, node);

		if (p->pattern.re)
			regex_free(p->pattern.re);
		free(p);
		return;
	}
	free(n);
}

const struct regex *live_node_regex(const struct live_node *n)
{
	return n->listed ? container_of(n, struct live_pattern, node)->pattern.re : NULL;
}

bool live_index_is_table(const struct live_index *ix, const struct live_node *n)
{
	switch (ix->how.kind) {
	case MATCH_STR:
	case MATCH_BEG:
		return !ix->how.icase;
	case MATCH_IP:
		return !n->listed;
	default:
		return false; /* what the oracle keeps in a list is said to be one */
	}
}

/* ---- keys ---- */

#define INT_KEY_BYTES 9
#define IP_KEY_BYTES  17
#define IP4_KEY_BYTES 8
#define IP6_BITS      64 /* added to the length of an IPv6 network */

/* Order-preserving as an unsigned number. */
static inline uint64_t biased(int64_t v)
{
	return (uint64_t)v ^ 1ull << 63;
}

static size_t int_key(const void *value, unsigned int bits, char *out)
{
	uint64_t v = bits ? *(const uint64_t *)value >> (64 - bits) : 0;

	out[0] = (char)bits;
	memcpy(out + 1, &v, sizeof(v));
	return INT_KEY_BYTES;
}

static size_t ip_key(const void *address, unsigned int code, char *out)
{
	const struct addr *a = address;
	unsigned int bits = code < IP6_BITS ? code : code - IP6_BITS;
	unsigned int bytes = bits / 8, rest = bits % 8;

	if (code < IP6_BITS) { /* one word, for one store */
		uint32_t v;
		uint64_t key;

		memcpy(&v, a->ip, sizeof(v));
		v &= htobe32((uint32_t)(0xffffffff00000000u >> bits));
		key = htole64((uint64_t)v << 32 | code);
		memcpy(out, &key, sizeof(key));
		return IP4_KEY_BYTES;
	}
	memset(out, 0, IP_KEY_BYTES);
	out[0] = (char)code;
	memcpy(out + 1, a->ip, bytes);
	if (rest)
		out[1 + bytes] = (char)(a->ip[bytes] & (0xff00 >> rest));
	return IP_KEY_BYTES;
}

/* @key NULL: @n bytes of room behind the node. */
static struct live_node *node_new(struct pat_entry *e, uint16_t number, const char *key, size_t n)
{
	struct live_node *node = xzalloc(sizeof(*node) + (key ? 0 : n));

	node->entry = e;
	node->index = number;
	node->key = key ? key : (char *)(node + 1);
	node->n = (uint32_t)n;
	return node;
}

static void put(struct live_index *ix, struct live_node *n)
{
	n->sibling = n->entry->nodes;
	n->entry->nodes = n;
	live_table_add(&ix->table, n);
}

/* The blocks of a power of two that make up @low to @high; none when nothing lies between them. */
static void put_range(struct live_index *ix, uint16_t number, struct pat_entry *e, uint64_t low,
		      uint64_t high)
{
	while (low <= high) {
		unsigned int k = low ? (unsigned int)__builtin_ctzll(low) : 64;
		uint64_t last;
		struct live_node *n;

		while (k && (last = k == 64 ? UINT64_MAX : low + (1ull << k) - 1) > high)
			k--;
		last = k == 64 ? UINT64_MAX : low + (1ull << k) - 1;
		n = node_new(e, number, NULL, INT_KEY_BYTES);
		int_key(&low, 64 - k, (char *)(n + 1));
		put(ix, n);
		if (last >= high)
			return;
		low = last + 1;
	}
}

static struct live_pattern *pattern_new(uint16_t number, struct pat_entry *e,
					const struct pattern *p)
{
	struct live_pattern *lp = xzalloc(sizeof(*lp));

	lp->node = (struct live_node){ .entry = e, .index = number, .listed = true };
	lp->pattern = *p;
	lp->node.sibling = e->nodes;
	e->nodes = &lp->node;
	return lp;
}

static void put_in_turn(struct live_index *ix, struct live_pattern *lp)
{
	lp->in_turn = true;
	lp->prev = ix->list_last;
	if (ix->list_last)
		rcu_assign_pointer(ix->list_last->next, lp);
	else
		rcu_assign_pointer(ix->list, lp);
	ix->list_last = lp;
}

/* The longest that no other expression has, else the longest. */
static const struct regex_word *best_word(const struct live_index *ix, const struct regex_word *w)
{
	const struct regex_word *best = NULL;
	bool best_is_new = false;

	for (; w; w = w->next) {
		bool is_new = w->n > 3 && !live_table_has(&ix->table, slice_make(w->text, w->n));

		if (best && (is_new == best_is_new ? w->n <= best->n : best_is_new))
			continue;
		best = w;
		best_is_new = is_new;
	}
	return best;
}

static void put_word(struct live_index *ix, uint16_t number, const struct live_pattern *lp,
		     const struct regex_word *w)
{
	struct live_word *lw = xzalloc(sizeof(*lw) + w->n);

	memcpy(lw + 1, w->text, w->n);
	lw->of = lp;
	lw->node = (struct live_node){ .entry = lp->node.entry,
				       .index = number,
				       .key = (char *)(lw + 1),
				       .n = (uint32_t)w->n };
	put(ix, &lw->node);
}

static void put_regex(struct live_index *ix, uint16_t number, struct pat_entry *e,
		      const struct pattern *p)
{
	struct live_pattern *lp = pattern_new(number, e, p);
	struct regex_words words;

	regex_words_read(e->key, &words);
	if (!words.n)
		put_in_turn(ix, lp);
	for (int i = 0; i < words.n; i++)
		put_word(ix, number, lp, best_word(ix, words.first[i]));
	regex_words_free(&words);
}

static void put_parsed(struct live_index *ix, uint16_t number, struct pat_entry *e,
		       struct pattern *p)
{
	struct live_node *n;
	unsigned int code;

	switch (ix->how.kind) {
	case MATCH_INT:
	case MATCH_LEN:
	case MATCH_VERSION:
		put_range(ix, number, e, biased(p->has_min ? p->min : INT64_MIN),
			  biased(p->has_max ? p->max : INT64_MAX));
		break;
	case MATCH_IP:
		if (!p->mask_is_prefix) {
			put_in_turn(ix, pattern_new(number, e, p));
			break;
		}
		code = p->bits + (p->net.family == ADDR_IP6 ? IP6_BITS : 0);
		n = node_new(e, number, NULL, IP_KEY_BYTES);
		n->n = (uint32_t)ip_key(&p->net, code, (char *)(n + 1));
		put(ix, n);
		break;
	case MATCH_BIN:
		n = node_new(e, number, NULL, p->text.n);
		memcpy(n + 1, p->text.p, p->text.n);
		free((char *)p->text.p);
		put(ix, n);
		break;
	case MATCH_REG:
		put_regex(ix, number, e, p);
		break;
	default: /* texts: the key is the entry's, or a part of it */
		put(ix, node_new(e, number, p->text.p, p->text.n));
	}
}

int live_index_add(struct live_index *ix, uint16_t number, struct pat_entry *e, bool dns,
		   struct pattern_error *err)
{
	const struct pattern_words w = { .icase = ix->how.icase,
					 .no_dns = !dns,
					 .groups = ix->how.groups };
	struct pattern p;

	if (ix->how.kind == MATCH_FOUND || ix->how.kind == MATCH_BOOL)
		return 0;
	if (pattern_parse(ix->how.kind, e->key, &w, NULL, &p, err))
		return -1;
	put_parsed(ix, number, e, &p);
	return 0;
}

void live_index_remove(struct live_index *ix, struct live_node *n)
{
	struct live_pattern *p = container_of(n, struct live_pattern, node);

	if (!n->listed) {
		live_table_remove(&ix->table, n);
		return;
	}
	if (!p->in_turn)
		return;
	if (p->prev)
		rcu_assign_pointer(p->prev->next, p->next);
	else
		rcu_assign_pointer(ix->list, p->next);
	if (p->next)
		p->next->prev = p->prev;
	else
		ix->list_last = p->prev;
}

/* ---- asking ---- */

enum live_want live_index_best(enum match_kind kind)
{
	return kind == MATCH_BEG || kind == MATCH_IP ? LIVE_LONGEST : LIVE_FIRST;
}

static const struct live_node *find_ip(const struct live_index *ix, const struct addr *a,
				       enum live_want want)
{
	unsigned int from = a->family == ADDR_IP4 ? 0 : IP6_BITS;

	return live_table_find_bits(&ix->table, from, from + (a->family == ADDR_IP4 ? 32 : 128),
				    ip_key, a, want);
}

/* Its own family first; the other one is asked when that has nothing. */
static const struct live_node *find_address(const struct live_index *ix, const struct addr *a,
					    enum live_want want)
{
	const struct live_node *n = find_ip(ix, a, want);
	struct addr other = *a;

	if (n)
		return n;
	if (a->family == ADDR_IP4)
		addr_ip4_to_ip6(&other);
	else if (!addr_ip6_to_ip4(&other))
		return NULL;
	return find_ip(ix, &other, want);
}

static const struct live_node *find_listed(const struct live_index *ix, const struct sample *s)
{
	for (const struct live_pattern *p = rcu_dereference(ix->list); p;
	     p = rcu_dereference(p->next))
		if (pattern_matches(ix->how.kind, &p->pattern, s))
			return &p->node;
	return NULL;
}

struct regex_search {
	const struct sample *s;
	enum live_want want;
	const struct live_node *best;
};

static bool before(const struct live_node *a, const struct live_node *b)
{
	return !b || a->entry->seq < b->entry->seq;
}

static bool try_regex(void *ctx, const struct live_node *n)
{
	const struct live_pattern *p = container_of(n, struct live_word, node)->of;
	struct regex_search *q = ctx;

	if (!before(&p->node, q->best) || !pattern_matches(MATCH_REG, &p->pattern, q->s))
		return false;
	q->best = &p->node;
	return q->want == LIVE_ANY;
}

/* First those of which a word stands in the text, then those without words. */
static const struct live_node *find_regex(const struct live_index *ix, const struct sample *s,
					  enum live_want want)
{
	struct regex_search q = { s, want, NULL };

	live_table_each(&ix->table, s->u.s, try_regex, &q);
	if (q.best && want == LIVE_ANY)
		return q.best;
	for (const struct live_pattern *p = rcu_dereference(ix->list);
	     p && before(&p->node, q.best); p = rcu_dereference(p->next))
		if (pattern_matches(MATCH_REG, &p->pattern, s))
			return &p->node;
	return q.best;
}

const struct live_node *live_index_find(const struct live_index *ix, const struct sample *s,
					enum live_want want)
{
	const struct live_node *n;
	uint64_t v;

	switch (ix->how.kind) {
	case MATCH_FOUND:
	case MATCH_BOOL:
	case MATCH_NONE:
		return NULL;
	case MATCH_REG:
		return find_regex(ix, s, want);
	case MATCH_IP:
		n = find_address(ix, &s->u.a, want);
		return n ? n : find_listed(ix, s);
	default:
		break;
	}
	if (!by_number(ix->how.kind))
		return live_table_find(&ix->table, s->u.s, want);
	v = biased(ix->how.kind == MATCH_LEN ? (int64_t)s->u.s.n : s->u.i);
	return live_table_find_bits(&ix->table, 0, 64, int_key, &v, want);
}
