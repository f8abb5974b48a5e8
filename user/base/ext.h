/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ext.h - what a module keeps in a proxy, server, listener or global section without the model knowing it.
 * A module declares `static struct ext my_ext = { ... }`, registers it in its init call, and asks for its memory with
 * proxy_ext(px, &my_ext). So `user/` never names HTTP, and a feature is one file.
 */
#ifndef LBD_BASE_EXT_H
#define LBD_BASE_EXT_H

#include <stddef.h>

struct diag;
struct arena;

/* Where it hangs. EXT_PROXY is also what `defaults` sections carry. */
enum ext_scope { EXT_PROXY, EXT_SERVER, EXT_BIND, EXT_SCOPES };

struct ext {
	const char *name;
	size_t bytes; /* zeroed when the holder is made */
	/* Optional: after zeroing. */
	void (*init)(void *mem);
	/* Optional: a new proxy inherits from its defaults, a server from default-server; NULL: memcpy. */
	void (*inherit)(void *to, const void *from, struct arena *a);
	/* Optional: when a server deleted at run time, or the whole configuration, goes. */
	void (*fini)(void *mem);
	/* set by ext_register() */
	enum ext_scope scope;
	size_t offset;
};

/* Before the configuration is read; the total per scope is fixed afterwards. */
void ext_register(enum ext_scope scope, struct ext *e);
size_t ext_total(enum ext_scope scope);
void ext_init_all(enum ext_scope scope, void *base);
void ext_inherit_all(enum ext_scope scope, void *to, const void *from, struct arena *a);
void ext_fini_all(enum ext_scope scope, void *base);
static inline void *ext_at(void *base, const struct ext *e)
{
	return (char *)base + e->offset;
}

#endif
