// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tls_sni.c - the table from server names to certificates: a hash table of lower-case names, wildcards as ".example.org".
 * See tls_sni.h. A look-up hashes the name twice at most and allocates nothing. Any thread.
 */
#include "transport/tls_sni.h"
#include "base/arena.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct name_entry {
	struct name_entry *next; /* same bucket, in the order of adding */
	const struct tls_choice *choice;
	bool negated;
	uint8_t n;
	char name[];
};

struct tls_names {
	struct name_entry **buckets;
	size_t nbuckets, count;
};

static uint64_t hash_of(struct slice s)
{
	return XXH3_64bits(s.p, s.n);
}

struct tls_names *tls_names_new(void)
{
	struct tls_names *t = xzalloc(sizeof(*t));

	t->nbuckets = 16;
	t->buckets = xzalloc(t->nbuckets * sizeof(*t->buckets));
	return t;
}

void tls_names_free(struct tls_names *t)
{
	for (size_t i = 0; t && i < t->nbuckets; i++)
		for (struct name_entry *e = t->buckets[i], *next; e; e = next) {
			next = e->next;
			free(e);
		}
	if (t)
		free(t->buckets);
	free(t);
}

static void append(struct name_entry **at, struct name_entry *e)
{
	while (*at)
		at = &(*at)->next;
	e->next = NULL;
	*at = e;
}

static void grow(struct tls_names *t)
{
	size_t n = t->nbuckets * 4;
	struct name_entry **wider = xzalloc(n * sizeof(*wider));

	for (size_t i = 0; i < t->nbuckets; i++)
		for (struct name_entry *e = t->buckets[i], *next; e; e = next) {
			next = e->next;
			append(&wider[hash_of(slice_make(e->name, e->n)) & (n - 1)], e);
		}
	free(t->buckets);
	t->buckets = wider;
	t->nbuckets = n;
}

static size_t lower(char *to, struct slice name)
{
	for (size_t i = 0; i < name.n; i++)
		to[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] | 0x20 : name.p[i]);
	return name.n;
}

void tls_names_add(struct tls_names *t, struct slice name, bool negated, const struct tls_choice *c)
{
	struct name_entry *e;

	if (name.n && name.p[0] == '*')
		name = slice_from(name, 1);
	if (!name.n || name.n > TLS_NAME_MAX)
		return;
	if (t->count >= t->nbuckets * 2)
		grow(t);
	e = xzalloc(sizeof(*e) + name.n);
	e->choice = c;
	e->negated = negated;
	e->n = (uint8_t)lower(e->name, name);
	append(&t->buckets[hash_of(slice_make(e->name, e->n)) & (t->nbuckets - 1)], e);
	t->count++;
}

static const struct name_entry *bucket_of(const struct tls_names *t, struct slice name)
{
	return name.n ? t->buckets[hash_of(name) & (t->nbuckets - 1)] : NULL;
}

static bool is_negated(const struct tls_names *t, struct slice name, const struct tls_choice *c)
{
	for (const struct name_entry *e = bucket_of(t, name); e; e = e->next)
		if (e->negated && e->choice->line == c->line &&
		    slice_eq(slice_make(e->name, e->n), name))
			return true;
	return false;
}

/* The best of those under @key; @whole is the name that was asked for. */
static const struct tls_choice *best(const struct tls_names *t, struct slice key,
				     struct slice whole, const struct tls_wish *w)
{
	const struct tls_choice *first[TLS_KEY_KINDS] = { NULL };

	for (const struct name_entry *e = bucket_of(t, key); e; e = e->next) {
		const struct tls_choice *c = e->choice;

		if (e->negated || first[c->cert->kind] ||
		    !slice_eq(slice_make(e->name, e->n), key) || is_negated(t, whole, c))
			continue;
		first[c->cert->kind] = c;
	}
	if (first[TLS_KEY_ECDSA] && w->ecdsa)
		return first[TLS_KEY_ECDSA];
	if (first[TLS_KEY_RSA] && w->rsa)
		return first[TLS_KEY_RSA];
	for (int k = 0; k < TLS_KEY_KINDS; k++)
		if (first[k])
			return first[k];
	return NULL;
}

const struct tls_choice *tls_names_find(const struct tls_names *t, const struct tls_wish *w)
{
	const struct tls_choice *c;
	char name[TLS_NAME_MAX];
	struct slice key;
	ptrdiff_t dot;

	if (!w->name.n || w->name.n > sizeof(name))
		return NULL;
	key = slice_make(name, lower(name, w->name));
	c = best(t, key, key, w);
	dot = slice_chr(key, '.');
	return c || dot < 0 ? c : best(t, slice_from(key, (size_t)dot), key, w);
}

size_t tls_names_count(const struct tls_names *t)
{
	return t->count;
}
