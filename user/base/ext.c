/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ext.c - the modules' parts of proxies, servers and bind lines. See ext.h. Filled by init calls, constant afterwards.
 */
#include "base/ext.h"
#include "base/arena.h"
#include <assert.h>

#define EXT_MAX 64

static struct ext *exts[EXT_SCOPES][EXT_MAX];
static int next[EXT_SCOPES];
static size_t total[EXT_SCOPES];

void ext_register(enum ext_scope scope, struct ext *e)
{
	assert(next[scope] < EXT_MAX);
	e->scope = scope;
	e->offset = total[scope];
	total[scope] += (e->bytes + 15) & ~(size_t)15;
	exts[scope][next[scope]++] = e;
}

size_t ext_total(enum ext_scope scope)
{
	return total[scope];
}

void ext_init_all(enum ext_scope scope, void *base)
{
	for (int i = 0; i < next[scope]; i++)
		if (exts[scope][i]->init)
			exts[scope][i]->init(ext_at(base, exts[scope][i]));
}

void ext_inherit_all(enum ext_scope scope, void *to, const void *from, struct arena *a)
{
	for (int i = 0; i < next[scope]; i++) {
		struct ext *e = exts[scope][i];
		const void *src = (const char *)from + e->offset;

		if (e->inherit)
			e->inherit(ext_at(to, e), src, a);
		else
			memcpy(ext_at(to, e), src, e->bytes);
	}
}

void ext_fini_all(enum ext_scope scope, void *base)
{
	for (int i = 0; i < next[scope]; i++)
		if (exts[scope][i]->fini)
			exts[scope][i]->fini(ext_at(base, exts[scope][i]));
}
