// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ends.c - addresses and socket marks of a client's connection in layers: connection, session, stream. See ends.h.
 * Not for: parsing PROXY headers (proxy_header.c), rules (policy/actions_ends.c). Runs in the session's worker.
 */
#include "stream/ends.h"
#include "stream/upstream.h"
#include <netinet/tcp.h>
#include <stdlib.h>

struct session_more *session_more(struct session *s)
{
	if (!s->more)
		s->more = calloc(1, sizeof(*s->more));
	return s->more;
}

struct stream_more *stream_more(struct stream *s)
{
	if (!s->more)
		s->more = calloc(1, sizeof(*s->more));
	return s->more;
}

static void session_fini(struct session *s)
{
	if (!s->more)
		return;
	free(s->more->header);
	free(s->more);
	s->more = NULL;
}

static void stream_fini_more(struct stream *s)
{
	free(s->more);
	s->more = NULL;
}

/* ---- seen ---- */

const struct addr *session_fc_src(const struct session *s)
{
	return s->more && s->more->has_fc_src ? &s->more->fc_src : &s->src;
}

const struct addr *session_fc_dst(struct session *s)
{
	struct session_more *m = s->more;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (!m || !m->has_fc_dst)
		return session_dst(s);
	if (m->ask_fc_dst && getsockname(s->client.io.fd, (struct sockaddr *)&ss, &len) == 0)
		addr_from_sockaddr(&m->fc_dst, &ss);
	m->ask_fc_dst = false;
	return &m->fc_dst;
}

const struct addr *stream_src(const struct stream *s)
{
	return s->more && s->more->has_src ? &s->more->src : &s->sess->src;
}

const struct addr *stream_dst(struct stream *s)
{
	return s->more && s->more->has_dst ? &s->more->dst : session_dst(s->sess);
}

/* ---- changed ---- */

/* What is there now is the connection's; a destination that nobody has asked for is not asked for here. */
static void keep_connection(struct session *s, struct session_more *m, bool source)
{
	if (source && !m->has_fc_src) {
		m->fc_src = s->src;
		m->has_fc_src = true;
	}
	if (!source && !m->has_fc_dst) {
		m->has_fc_dst = true;
		m->ask_fc_dst = !(s->flags & SESS_DST_KNOWN);
		m->fc_dst = s->dst;
	}
}

static void set_for_session(struct session *s, enum ends_layer layer, bool source,
			    const struct addr *a)
{
	struct session_more *m;

	if (layer != ENDS_CONNECTION) {
		m = session_more(s);
		if (!m)
			return;
		keep_connection(s, m, source);
	}
	if (source) {
		s->src = *a;
	} else {
		s->flags |= SESS_DST_KNOWN;
		s->dst = *a;
	}
}

void ends_set(struct session *s, struct stream *st, enum ends_layer layer, bool source,
	      const struct addr *a)
{
	struct stream_more *m;

	if (layer != ENDS_STREAM || !st) {
		set_for_session(s, layer, source, a);
		return;
	}
	m = stream_more(st);
	if (!m)
		return;
	if (source) {
		m->src = *a;
		m->has_src = true;
	} else {
		m->dst = *a;
		m->has_dst = true;
	}
}

/* ---- the sockets ---- */

static int family_of(int fd)
{
	int domain = AF_UNSPEC;
	socklen_t len = sizeof(domain);

	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	return domain;
}

/* An IPv6 socket may carry IPv4: both are set. */
void ends_set_tos(int fd, uint8_t tos)
{
	int v = tos, domain = family_of(fd);

	if (domain == AF_INET6)
		setsockopt(fd, SOL_IPV6, IPV6_TCLASS, &v, sizeof(v));
	if (domain == AF_INET6 || domain == AF_INET)
		setsockopt(fd, SOL_IP, IP_TOS, &v, sizeof(v));
}

void ends_set_mark(int fd, uint32_t mark)
{
	setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

void ends_origin(const struct stream *s, struct conn_origin *from)
{
	const struct stream_more *m = s->more;

	if (!m)
		return;
	from->has_tos = m->has_bc_tos;
	from->tos = m->bc_tos;
	from->has_mark = m->has_bc_mark;
	from->mark = m->bc_mark;
}

void ends_vanish(struct session *s, int ttl)
{
	struct conn *c = &s->client;
	int fd = c->io.fd, one = 1, domain = family_of(fd);
	int hops = ttl ? ttl : 1;

	if (domain != AF_INET && domain != AF_INET6)
		return;
	/* what has come is acknowledged first: sent again, it would be answered with a reset */
	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
	/* a connection under repair is forgotten by close(), tcp(7) */
	if (!ttl && setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &one, sizeof(one)) == 0) {
		c->flags |= CONN_WR_SHUT; /* nobody says goodbye on it */
		return;
	}
	setsockopt(fd, SOL_IP, IP_TTL, &hops, sizeof(hops));
	if (domain == AF_INET6)
		setsockopt(fd, SOL_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof(hops));
	c->flags |= CONN_NO_LINGER;
}

void ends_init(void)
{
	session_on_fini(session_fini);
	stream_on_fini(stream_fini_more);
}
