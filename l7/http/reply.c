// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * reply.c - responses made here: standard pages, redirects, generated bodies, and the pages' registry. Runs in the transaction's worker.
 */
#include "http/reply.h"
#include "http/conf.h"
#include "http/error_page.h"
#include "http/service.h"

#include <stdio.h>

#define MAX_SERVICES 8

static const struct http_service *services[MAX_SERVICES];
static int n_services;

void http_service_register(const struct http_service *row)
{
	if (n_services == MAX_SERVICES)
		__builtin_trap(); /* our own table is too small */
	services[n_services++] = row;
}

bool http_service_serve(struct http_txn *t, struct proxy *px)
{
	for (int i = 0; i < n_services; i++)
		if (services[i]->serve(t, px))
			return true;
	return false;
}

bool http_service_wants_body(struct http_txn *t, struct proxy *px)
{
	for (int i = 0; i < n_services; i++)
		if (services[i]->wants_body && services[i]->wants_body(t, px))
			return true;
	return false;
}

/* ---- building ---- */

void http_reply_start(struct http_txn *t, unsigned int status, const char *reason)
{
	http_msg_fini(&t->rsp);
	http_msg_init(&t->rsp, &t->arena, true);
	t->rsp.method = t->req.method;
	t->rsp.flags |= MSG_F_LOCAL;
	t->rsp.state = MSG_DONE;
	t->flags |= TXN_LOCAL;
	t->status = (uint16_t)status;
	http_set_status(&t->rsp, status, slice_z(reason ? reason : http_reason(status)));
	h1_out_start(&t->cl.out);
}

void http_reply_header(struct http_txn *t, struct slice name, struct slice value)
{
	http_hdr_append(&t->rsp, name, value);
}

static bool has_no_body(const struct http_txn *t)
{
	return t->req.method == METH_HEAD || t->rsp.status == 204 || t->rsp.status == 304;
}

void http_reply_body(struct http_txn *t, struct slice body, bool constant)
{
	struct http_body *b = &t->rsp.body;
	char *n;

	if (t->rsp.status != 204 && t->rsp.status != 304) {
		n = arena_printf(&t->arena, "%zu", body.n);
		http_hdr_append_id(&t->rsp, HDR_CONTENT_LENGTH, slice_z(n));
		t->rsp.flags |= MSG_F_LENGTH;
		t->rsp.length = body.n;
	}
	if (has_no_body(t))
		t->rsp.flags |= MSG_F_NO_BODY;
	else if (body.n)
		body_put(b, NULL, constant ? body.p : arena_dup(&t->arena, body).p, body.n);
	b->eom = true;
}

void http_reply_stream(struct http_txn *t, http_produce_fn produce, void (*fini)(void *), void *ctx)
{
	if (has_no_body(t)) {
		t->rsp.flags |= MSG_F_NO_BODY;
		t->rsp.body.eom = true;
		if (fini)
			fini(ctx);
		return;
	}
	t->produce = produce;
	t->produce_fini = fini;
	t->produce_ctx = ctx;
	t->rsp.state = MSG_BODY;
	if (t->req.flags & MSG_F_HTTP10) {
		t->flags |= TXN_CLIENT_CLOSE;
		return;
	}
	t->rsp.flags |= MSG_F_CHUNKED;
	if (!(t->req.flags & MSG_F_H2))
		http_hdr_append_id(&t->rsp, HDR_TRANSFER_ENCODING, SLICE("chunked"));
}

/* A file of `errorfile`: a whole HTTP/1 response, parsed when the configuration was read into head and body. */
static bool reply_from_file(struct http_txn *t, unsigned int status)
{
	const struct proxy *px[] = { t->s.be, t->s.sess->fe };

	for (size_t i = 0; i < ARRAY_SIZE(px); i++) {
		const struct http_error_file *f = px[i] ? http_error_file(px[i], status) : NULL;

		if (!f)
			continue;
		if (!f->status) { /* /dev/null: end without a word */
			http_reply_start(t, status, NULL);
			t->flags |= TXN_SILENT_END;
			return true;
		}
		http_reply_start(t, f->status, f->reason);
		for (int h = 0; h < f->n_headers; h++)
			http_reply_header(t, f->name[h], f->value[h]);
		http_reply_body(t, f->body, true);
		return true;
	}
	return false;
}

void http_reply_error(struct http_txn *t, unsigned int status)
{
	struct slice page;

	if (reply_from_file(t, status))
		return;
	page = http_error_page(status);
	http_reply_start(t, status, http_error_reason(status));
	http_reply_body(t, page, true);
	http_reply_header(t, SLICE("cache-control"), SLICE("no-cache"));
	http_reply_header(t, SLICE("content-type"), SLICE("text/html"));
}

void http_reply_redirect(struct http_txn *t, unsigned int status, struct slice location)
{
	http_reply_start(t, status, NULL);
	http_reply_body(t, SLICE_NONE, true);
	http_reply_header(t, SLICE("location"), location);
	if (status == 302 || status == 303 || status == 307)
		http_reply_header(t, SLICE("cache-control"), SLICE("no-cache"));
}

void http_reply_auth(struct http_txn *t, unsigned int status, struct slice realm)
{
	char *v = arena_printf(&t->arena, "Basic realm=\"%.*s\"", SLICE_FMT(realm));

	http_reply_error(t, status);
	http_reply_header(t,
			  status == 407 ? SLICE("proxy-authenticate") : SLICE("www-authenticate"),
			  slice_z(v));
}

/* ---- basic authentication ---- */

static int base64_value(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool base64_decode(struct arena *a, struct slice in, struct slice *out)
{
	unsigned char *p = arena_alloc(a, in.n / 4 * 3 + 3);
	uint32_t bits = 0;
	size_t n = 0;
	int have = 0;

	while (in.n && in.p[in.n - 1] == '=')
		in.n--;
	for (size_t i = 0; i < in.n; i++) {
		int v = base64_value((unsigned char)in.p[i]);

		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			p[n++] = (unsigned char)(bits >> have);
		}
	}
	*out = slice_make(p, n);
	return true;
}

bool http_basic_auth(struct http_txn *t, struct slice *user, struct slice *password)
{
	struct http_hdr *h = http_hdr_find_id(&t->req, HDR_AUTHORIZATION);
	struct slice v, text;
	ptrdiff_t colon;

	if (!h)
		return false;
	v = http_hdr_value(h);
	if (v.n < 6 || !slice_eq_case(slice_first(v, 6), SLICE("basic ")))
		return false;
	if (!base64_decode(&t->arena, slice_trim(slice_from(v, 6)), &text))
		return false;
	colon = slice_chr(text, ':');
	if (colon < 0)
		return false;
	*user = slice_first(text, colon);
	*password = slice_from(text, colon + 1);
	return true;
}
