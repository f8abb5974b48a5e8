// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * h1_out.c - the HTTP/1 encoder: a message as a list of iovecs. Untouched header lines go out of the receive segment as they
 * lie, in runs; only edited lines are written anew. Any thread.
 */
#include "http/h1.h"

#include <stdio.h>

void h1_out_start(struct h1_out *o)
{
	o->head_n = o->head_first = 0;
	o->head_built = o->in_chunk = o->last_chunk = o->done = false;
	o->pre_n = o->pre_off = 0;
	o->chunk_left = 0;
	o->tail = SLICE_NONE;
	o->bytes = 0;
}

static struct slice version_text(const struct http_msg *m)
{
	return m->flags & MSG_F_HTTP10 ? SLICE("HTTP/1.0") : SLICE("HTTP/1.1");
}

static char *put(char *w, struct slice s)
{
	if (s.n)
		memcpy(w, s.p, s.n);
	return w + s.n;
}

static struct slice build_start_line(struct http_msg *m)
{
	struct slice part[6] = { version_text(m), SLICE(" "), SLICE_NONE,
				 SLICE(" "),      m->reason,  SLICE("\r\n") };
	char digits[4], *p, *w;
	size_t n = 0;

	if (m->flags & MSG_F_RESPONSE) {
		snprintf(digits, sizeof(digits), "%03u", m->status % 1000u);
		part[2] = slice_make(digits, 3);
	} else {
		part[0] = m->method_text;
		part[2] = m->target;
		part[4] = version_text(m);
	}
	for (size_t i = 0; i < ARRAY_SIZE(part); i++)
		n += part[i].n;
	w = p = arena_alloc(m->arena, n);
	for (size_t i = 0; i < ARRAY_SIZE(part); i++)
		w = put(w, part[i]);
	return slice_make(p, n);
}

static size_t line_bytes(const struct http_hdr *h)
{
	return h->name_len + 2u + h->value_len + 2u;
}

static char *put_line(char *w, const struct http_hdr *h)
{
	w = put(w, http_hdr_get_name(h));
	w = put(w, SLICE(": "));
	w = put(w, http_hdr_value(h));
	return put(w, SLICE("\r\n"));
}

/* The header lines [*i, n) as text in the arena: those up to the next untouched one, or all (@all, with the empty line). */
static struct slice build_lines(struct http_msg *m, unsigned int *i, bool all)
{
	const struct http_hdr *h = m->hdrs.h;
	unsigned int k, n = m->hdrs.n;
	size_t bytes = 2;
	char *p, *w;

	for (k = *i; k < n && (all || !(h[k].flags & HDR_F_RAW) || (h[k].flags & HDR_F_DELETED));
	     k++)
		if (!(h[k].flags & HDR_F_DELETED))
			bytes += line_bytes(&h[k]);
	w = p = arena_alloc(m->arena, bytes);
	for (; *i < k; (*i)++)
		if (!(h[*i].flags & HDR_F_DELETED))
			w = put_line(w, &h[*i]);
	if (*i == n)
		w = put(w, SLICE("\r\n"));
	return slice_make(p, w - p);
}

static void add_run(struct h1_out *o, struct slice s)
{
	struct iovec *last = o->head_n ? &o->head[o->head_n - 1] : NULL;

	if (!s.n)
		return;
	if (last && (const char *)last->iov_base + last->iov_len == s.p)
		last->iov_len += s.n;
	else
		o->head[o->head_n++] = (struct iovec){ (void *)s.p, s.n };
}

/* At most H1_HEAD_IOV runs; what would need more is written together at the end. */
static void build_head(struct h1_out *o, struct http_msg *m)
{
	const struct http_hdr *h = m->hdrs.h;
	unsigned int i = 0, n = m->hdrs.n;
	const struct iovec *last;
	const char *end;

	o->head_built = true;
	add_run(o, m->flags & MSG_F_LINE_RAW ? slice_make(m->line.p, m->line.n + 2)
					     : build_start_line(m));
	while (i < n) {
		if (h[i].flags & HDR_F_DELETED) {
			i++;
		} else if (o->head_n >= H1_HEAD_IOV - 1) {
			add_run(o, build_lines(m, &i, true));
			return;
		} else if (h[i].flags & HDR_F_RAW) {
			add_run(o, slice_make(h[i].name, line_bytes(&h[i])));
			i++;
		} else {
			add_run(o, build_lines(m, &i, false));
			if (i == n)
				return;
		}
	}
	/* The empty line: behind the last untouched one it stands there already. */
	last = &o->head[o->head_n - 1];
	end = (const char *)last->iov_base + last->iov_len;
	if (m->head_seg && end >= m->head_seg->data &&
	    end + 2 <= m->head_seg->data + m->head_seg->end && end[0] == '\r' && end[1] == '\n')
		o->head[o->head_n - 1].iov_len += 2;
	else
		o->head[o->head_n++] = (struct iovec){ (void *)"\r\n", 2 };
}

/* "0\r\n", the trailers and the empty line; @crlf: the end of a chunk's data before it */
static struct slice build_last_chunk(struct http_msg *m, bool crlf)
{
	size_t bytes = 8;
	char *p, *w;

	if (!m->trailers.n)
		return crlf ? SLICE("\r\n0\r\n\r\n") : SLICE("0\r\n\r\n");
	for (unsigned int i = 0; i < m->trailers.n; i++)
		bytes += line_bytes(&m->trailers.h[i]);
	w = p = arena_alloc(m->arena, bytes);
	w = put(w, crlf ? SLICE("\r\n0\r\n") : SLICE("0\r\n"));
	for (unsigned int i = 0; i < m->trailers.n; i++)
		if (!(m->trailers.h[i].flags & HDR_F_DELETED))
			w = put_line(w, &m->trailers.h[i]);
	w = put(w, SLICE("\r\n"));
	return slice_make(p, w - p);
}

static void start_chunk(struct h1_out *o, struct http_msg *m)
{
	static const char hex[] = "0123456789abcdef";
	uint32_t n = m->body.queued;
	int digits = 1;

	if (o->last_chunk || (!n && !m->body.eom))
		return;
	o->in_chunk = true;
	o->last_chunk = m->body.eom;
	o->chunk_left = n;
	if (!n) {
		o->tail = build_last_chunk(m, false);
		return;
	}
	while (digits < 8 && n >> (4 * digits))
		digits++;
	o->pre_n = o->pre_off = 0;
	while (digits--)
		o->pre[o->pre_n++] = hex[n >> (4 * digits) & 15];
	o->pre[o->pre_n++] = '\r';
	o->pre[o->pre_n++] = '\n';
	o->tail = o->last_chunk ? build_last_chunk(m, true) : SLICE("\r\n");
}

int h1_out_gather(struct h1_out *o, struct http_msg *m, struct iovec *iov)
{
	int n = 0;

	if (o->done)
		return 0;
	if (!o->head_built)
		build_head(o, m);
	for (int i = o->head_first; i < o->head_n; i++)
		iov[n++] = o->head[i];
	if (!(m->flags & MSG_F_XFER_CHUNK))
		return n + body_iov(&m->body, iov + n, BODY_PARTS, SIZE_MAX);
	if (!o->in_chunk)
		start_chunk(o, m);
	if (!o->in_chunk)
		return n;
	if (o->pre_off < o->pre_n)
		iov[n++] = (struct iovec){ o->pre + o->pre_off, (size_t)(o->pre_n - o->pre_off) };
	n += body_iov(&m->body, iov + n, BODY_PARTS, o->chunk_left);
	if (o->tail.n)
		iov[n++] = (struct iovec){ (void *)o->tail.p, o->tail.n };
	return n;
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t head_sent(struct h1_out *o, size_t n)
{
	while (n && o->head_first < o->head_n) {
		struct iovec *v = &o->head[o->head_first];
		size_t k = min_size(n, v->iov_len);

		v->iov_base = (char *)v->iov_base + k;
		v->iov_len -= k;
		n -= k;
		if (!v->iov_len)
			o->head_first++;
	}
	return n;
}

void h1_out_sent(struct h1_out *o, struct http_msg *m, size_t n)
{
	size_t k;

	o->bytes += n;
	n = head_sent(o, n);
	if (!(m->flags & MSG_F_XFER_CHUNK)) {
		body_consume(&m->body, n);
		o->done = o->head_built && o->head_first == o->head_n && body_done(&m->body);
		return;
	}
	k = min_size(n, o->pre_n - o->pre_off);
	o->pre_off += k;
	n -= k;
	k = min_size(n, o->chunk_left);
	body_consume(&m->body, k);
	o->chunk_left -= k;
	n -= k;
	o->tail = slice_from(o->tail, n);
	if (o->in_chunk && o->pre_off == o->pre_n && !o->chunk_left && !o->tail.n) {
		o->in_chunk = false;
		o->done = o->last_chunk;
	}
}
