// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * upstream_key.c - what makes one connection to a server unlike another: whom its PROXY header names, the address it pretends, where
 * it really went, its marks, the server name of its TLS. An idle connection is only reused under the same key. Runs in the stream's worker.
 */
#include "stream/ends.h"
#include "stream/proxy_send.h"
#include "stream/source.h"
#include "stream/upstream.h"
#include "stream/upstream_sni.h"

#include <xxhash.h>

static uint64_t of_header(struct stream *s, uint64_t key)
{
	unsigned char buf[PROXY_SEND_MAX];
	int n = proxy_send_header(s, buf);

	return n < 0 ? key : XXH64(buf, (size_t)n, key);
}

static uint64_t of_target(struct stream *s, uint64_t key)
{
	struct addr to;

	stream_server_addr(s, &to);
	return XXH64(&to, sizeof(to), key);
}

static uint64_t of_source(struct stream *s, uint64_t key)
{
	struct addr a;

	return source_pretends(s, &a) ? XXH64(&a, sizeof(a), key) : key;
}

static uint64_t of_marks(const struct stream_more *m, uint64_t key)
{
	uint64_t v[2] = { m->has_bc_mark ? 1ull << 32 | m->bc_mark : 0,
			  m->has_bc_tos ? 1ull << 8 | m->bc_tos : 0 };

	return v[0] || v[1] ? XXH64(v, sizeof(v), key) : key;
}

uint64_t upstream_key(struct stream *s)
{
	const struct server *srv = s->srv;
	const struct source_conf *src = source_of(srv);
	uint64_t key = 0, sni = upstream_sni_key(s);

	if (proxy_send_wanted(srv))
		key = of_header(s, key);
	if (src && src->pretend != SOURCE_OWN)
		key = of_source(s, key);
	if (!srv->path && (srv->port_is_offset || addr_is_any(&srv->live.addr)))
		key = of_target(s, key);
	if (s->more)
		key = of_marks(s->more, key);
	if (sni)
		key = XXH64(&sni, sizeof(sni), key);
	return key;
}
