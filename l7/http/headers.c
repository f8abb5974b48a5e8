// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * headers.c - what this hop changes in a head before it goes on: Connection, TE, framing, X-Forwarded-For. As HAProxy does it, where
 * Documentation/http-strictness.md does not say otherwise. Runs in the transaction's worker.
 */
#include "http/steps.h"
#include "stream/ends.h"

#include <arpa/inet.h>

/* ---- Connection: only what is said to the next hop goes; names that it lists stay, as they are meant for it too ---- */

static bool is_our_token(struct slice e)
{
	return slice_eq_case(e, SLICE("close")) || slice_eq_case(e, SLICE("keep-alive")) || !e.n;
}

/* Takes close and keep-alive out of all Connection headers. */
static void strip_connection(struct http_msg *m)
{
	struct http_hdr *h = NULL;

	while ((h = http_hdr_find(m, HDR_CONNECTION, SLICE_NONE, h))) {
		struct slice rest = http_hdr_value(h), e;
		char *kept = NULL, *w = NULL;
		bool ours = false;

		while (http_value_next(&rest, &e))
			ours |= is_our_token(e);
		if (!ours)
			continue;
		rest = http_hdr_value(h);
		while (http_value_next(&rest, &e)) {
			if (is_our_token(e))
				continue;
			if (!kept)
				w = kept = arena_alloc(m->arena, h->value_len);
			else
				*w++ = ',';
			memcpy(w, e.p, e.n);
			w += e.n;
		}
		if (kept)
			http_hdr_replace(m, h, slice_make(kept, w - kept));
		else
			http_hdr_delete(h);
	}
}

static void say_connection(struct http_msg *m, bool close)
{
	http_hdr_append_id(m, HDR_CONNECTION, close ? SLICE("close") : SLICE("keep-alive"));
}

/* ---- X-Forwarded-For, X-Original-To ---- */

static bool in_net(const struct addr *a, const struct http_net *n)
{
	uint8_t mask;
	int bytes = n->bits / 8;

	if (a->family != n->net.family || memcmp(a->ip, n->net.ip, bytes) != 0)
		return false;
	if (!(n->bits % 8))
		return true;
	mask = (uint8_t)(0xff << (8 - n->bits % 8));
	return (a->ip[bytes] & mask) == (n->net.ip[bytes] & mask);
}

static bool wants(const struct http_forward *f, const struct addr *a)
{
	return f->on && !(f->has_except && in_net(a, &f->except));
}

static void forward_address(struct http_txn *t, const struct http_forward *fe,
			    const struct http_forward *be, const struct addr *a)
{
	struct http_msg *m = &t->req;
	struct slice name;
	char *text;

	if ((a->family != ADDR_IP4 && a->family != ADDR_IP6) || (!wants(fe, a) && !wants(be, a)))
		return;
	name = slice_z(be->on ? be->header : fe->header);
	if ((fe->if_none || be->if_none) && http_hdr_find(m, http_hdr_id(name), name, NULL))
		return;
	text = arena_alloc(m->arena, INET6_ADDRSTRLEN);
	addr_ip_text(a, text, INET6_ADDRSTRLEN);
	http_hdr_append(m, name, slice_z(text));
}

static void forward_addresses(struct http_txn *t)
{
	const struct http_conf *fe = http_conf(t->s.sess->fe), *be = http_conf(t->s.be);

	if (fe->forwardfor.on || be->forwardfor.on)
		forward_address(t, &fe->forwardfor, &be->forwardfor, stream_src(&t->s));
	if (fe->originalto.on || be->originalto.on)
		forward_address(t, &fe->originalto, &be->originalto, stream_dst(&t->s));
}

/* ---- both directions ---- */

/* TE says what this hop understands: nothing but trailers. */
static void strip_te(struct http_msg *m)
{
	struct http_hdr *h = NULL;
	bool trailers = false, only = true;

	while ((h = http_hdr_find(m, HDR_TE, SLICE_NONE, h))) {
		if (slice_eq_case(http_hdr_value(h), SLICE("trailers")))
			trailers = true;
		else
			only = false;
	}
	if (only)
		return;
	http_hdr_delete_all(m, HDR_TE, SLICE_NONE);
	if (trailers)
		http_hdr_append_id(m, HDR_TE, SLICE("trailers"));
}

void http_prepare_request(struct http_txn *t)
{
	struct http_msg *m = &t->req;
	bool close = http_conn_mode(t) != CONN_KEEP_ALIVE;

	if (m->flags & (MSG_F_CONN_CLOSE | MSG_F_CONN_KA | MSG_F_CONN_UPG))
		strip_connection(m);
	strip_te(m);
	if (close && !http_conf(t->s.be)->pretend_keepalive) {
		if (!(m->flags & MSG_F_HTTP10))
			say_connection(m, true);
	} else if (m->flags & MSG_F_HTTP10) {
		say_connection(m, false);
	}
	if (close)
		t->flags |= TXN_SERVER_CLOSE;
	forward_addresses(t);
	if (m->flags & MSG_F_CHUNKED)
		m->flags |= MSG_F_XFER_CHUNK;
}

/* Must the client connection end with this response? */
static bool client_must_close(struct http_txn *t)
{
	const struct http_msg *m = &t->rsp;

	if ((t->flags & TXN_CLIENT_CLOSE) || http_conn_mode(t) == CONN_CLOSE ||
	    (t->req.flags & MSG_F_CONN_CLOSE) || (t->s.sess->flags & SESS_DRAINING) ||
	    (!config->global.close_spread_ms &&
	     atomic_load_explicit(&t->s.sess->fe->stopped, memory_order_relaxed)))
		return true;
	return (m->flags & MSG_F_CLOSE_DELIM) && !(m->flags & MSG_F_NO_BODY);
}

void http_prepare_response(struct http_txn *t)
{
	struct http_msg *m = &t->rsp;
	bool client10 = t->req.flags & MSG_F_HTTP10;

	if (m->flags & (MSG_F_CONN_CLOSE | MSG_F_CONN_KA))
		strip_connection(m);
	if (m->flags & MSG_F_TUNNEL)
		return;
	if ((m->flags & MSG_F_CHUNKED) && client10) {
		/* 1.0 knows no chunks: the end of the connection ends the body */
		http_hdr_delete_all(m, HDR_TRANSFER_ENCODING, SLICE_NONE);
		if (!(m->flags & MSG_F_NO_BODY))
			t->flags |= TXN_CLIENT_CLOSE;
	} else if ((m->flags & MSG_F_CHUNKED) && !(m->flags & MSG_F_NO_BODY)) {
		m->flags |= MSG_F_XFER_CHUNK;
	}
	if (client_must_close(t)) {
		t->flags |= TXN_CLIENT_CLOSE;
		if (!(m->flags & MSG_F_HTTP10))
			say_connection(m, true);
	} else if (client10 || (m->flags & MSG_F_HTTP10)) {
		say_connection(m, false);
	}
}
