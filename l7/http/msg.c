// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * msg.c - header list and start line of a message: find, append, delete, replace. Runs in the transaction's worker.
 */
#include "http/msg.h"

#include <errno.h>

/* Rules may add these above what a peer may send. */
#define HDRS_FOR_RULES 64

uint32_t http_max_hdrs = HTTP_MAX_HDRS_DEFAULT;

void http_msg_init(struct http_msg *m, struct arena *a, bool response)
{
	/* Everything but the inline headers and the ring's places. */
	memset(m, 0, offsetof(struct http_msg, body));
	m->body.first = m->body.count = 0;
	m->body.eom = m->body.failed = false;
	m->body.queued = 0;
	m->body.produced = m->body.consumed = 0;
	list_init(&m->stages);
	m->arena = a;
	m->flags = response ? MSG_F_RESPONSE : 0;
	m->hdrs.h = m->inline_hdrs;
	m->hdrs.cap = HTTP_INLINE_HDRS;
}

void http_msg_fini(struct http_msg *m)
{
	if (m->body.count)
		body_clear(&m->body);
	if (m->head_seg) {
		segment_put(m->head_seg);
		m->head_seg = NULL;
	}
}

struct http_hdr *http_hdrs_add(struct http_msg *m, struct http_hdrs *l)
{
	if (l->n == l->cap) {
		unsigned int cap = l->cap ? l->cap * 2 : 16;
		struct http_hdr *h;

		if (l->n >= http_max_hdrs + HDRS_FOR_RULES)
			return NULL;
		h = arena_alloc(m->arena, cap * sizeof(*h));
		if (l->n)
			memcpy(h, l->h, l->n * sizeof(*h));
		l->h = h;
		l->cap = cap;
	}
	return &l->h[l->n++];
}

struct http_hdr *http_hdr_find(struct http_msg *m, enum http_hdr_id id, struct slice name,
			       struct http_hdr *after)
{
	struct http_hdr *h = after ? after + 1 : m->hdrs.h, *end = m->hdrs.h + m->hdrs.n;

	for (; h < end; h++) {
		if (h->id != id || (h->flags & HDR_F_DELETED))
			continue;
		if (id != HDR_OTHER || slice_eq(http_hdr_get_name(h), name))
			return h;
	}
	return NULL;
}

/* What would end a line or a string in some peer must not come out of a rule. */
static bool value_is_clean(struct slice v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] == '\r' || v.p[i] == '\n' || v.p[i] == 0)
			return false;
	return true;
}

static int append(struct http_msg *m, enum http_hdr_id id, struct slice name, struct slice value)
{
	struct http_hdr *h;

	if (!value_is_clean(value) || !name.n || name.n > UINT16_MAX || value.n > UINT32_MAX)
		return -EINVAL;
	h = http_hdrs_add(m, &m->hdrs);
	if (!h)
		return -ENOBUFS;
	*h =
		(struct http_hdr){ name.p,           value.p,     (uint32_t)value.n,
				   (uint16_t)name.n, (uint8_t)id, 0 };
	return 0;
}

int http_hdr_append(struct http_msg *m, struct slice name, struct slice value)
{
	return append(m, http_hdr_id(name), name, value);
}

int http_hdr_append_id(struct http_msg *m, enum http_hdr_id id, struct slice value)
{
	return append(m, id, http_hdr_name(id), value);
}

int http_hdr_delete_all(struct http_msg *m, enum http_hdr_id id, struct slice name)
{
	struct http_hdr *h = NULL;
	int n = 0;

	while ((h = http_hdr_find(m, id, name, h))) {
		http_hdr_delete(h);
		n++;
	}
	return n;
}

int http_hdr_replace(struct http_msg *m, struct http_hdr *h, struct slice value)
{
	if (!value_is_clean(value) || value.n > UINT32_MAX)
		return -EINVAL;
	h->value = value.p;
	h->value_len = (uint32_t)value.n;
	h->flags &= ~HDR_F_RAW;
	return 0;
}

int http_hdr_count(const struct http_msg *m)
{
	int n = 0;

	for (unsigned int i = 0; i < m->hdrs.n; i++)
		n += !(m->hdrs.h[i].flags & HDR_F_DELETED);
	return n;
}

bool http_value_next(struct slice *rest, struct slice *element)
{
	bool quoted = false;
	size_t i;

	if (!rest->p)
		return false;
	for (i = 0; i < rest->n; i++) {
		char c = rest->p[i];

		if (quoted) {
			if (c == '\\' && i + 1 < rest->n)
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == ',') {
			break;
		}
	}
	*element = slice_trim(slice_first(*rest, i));
	*rest = i < rest->n ? slice_from(*rest, i + 1) : SLICE_NONE;
	return true;
}

bool http_value_has(struct slice value, struct slice token)
{
	struct slice e;

	while (http_value_next(&value, &e))
		if (slice_eq_case(e, token))
			return true;
	return false;
}

bool http_cookie_next(struct slice *rest, struct slice *name, struct slice *value)
{
	while (rest->p && rest->n) {
		ptrdiff_t end = slice_chr(*rest, ';'), eq;
		struct slice pair = slice_trim(end < 0 ? *rest : slice_first(*rest, end));

		*rest = end < 0 ? SLICE_NONE : slice_from(*rest, end + 1);
		eq = slice_chr(pair, '=');
		if (eq <= 0)
			continue;
		*name = slice_trim(slice_first(pair, eq));
		*value = slice_trim(slice_from(pair, eq + 1));
		return true;
	}
	return false;
}

/* ---- start line ---- */

void http_set_method(struct http_msg *m, struct slice method)
{
	m->method_text = method;
	m->method = http_meth_id(method);
	m->flags &= ~MSG_F_LINE_RAW;
}

void http_set_target(struct http_msg *m, struct slice target)
{
	m->target = target;
	m->flags &= ~MSG_F_LINE_RAW;
}

void http_set_status(struct http_msg *m, unsigned int status, struct slice reason)
{
	m->status = status;
	m->reason = reason;
	m->flags &= ~MSG_F_LINE_RAW;
}

/* Where the path begins in the target: 0 for origin form, behind the authority for absolute form, n when there is none. */
static size_t path_offset(struct slice t)
{
	size_t i = 0;

	if (t.n && t.p[0] == '/')
		return 0;
	while (i + 2 < t.n && t.p[i] != ':')
		i++;
	if (i + 2 >= t.n || t.p[i + 1] != '/' || t.p[i + 2] != '/')
		return t.n;
	for (i += 3; i < t.n && t.p[i] != '/' && t.p[i] != '?'; i++)
		;
	return i;
}

struct slice http_path_query(const struct http_msg *m)
{
	return slice_from(m->target, path_offset(m->target));
}

struct slice http_path(const struct http_msg *m)
{
	struct slice pq = http_path_query(m);
	ptrdiff_t q = slice_chr(pq, '?');

	return q < 0 ? pq : slice_first(pq, q);
}

struct slice http_query(const struct http_msg *m)
{
	ptrdiff_t q = slice_chr(m->target, '?');

	return q < 0 ? (struct slice){ m->target.p + m->target.n, 0 }
		     : slice_from(m->target, q + 1);
}

struct slice http_authority(const struct http_msg *m)
{
	struct slice t = m->target;
	size_t off;

	if (!t.n || t.p[0] == '/' || t.p[0] == '*')
		return (struct slice){ t.p, 0 };
	off = path_offset(t);
	for (size_t i = 0; i + 2 < t.n; i++)
		if (t.p[i] == ':' && t.p[i + 1] == '/' && t.p[i + 2] == '/')
			return slice_from(slice_first(t, off), i + 3);
	return m->method == METH_CONNECT ? t : (struct slice){ t.p, 0 };
}

/* target = its first @keep bytes, then a, b, c */
static void rebuild_target(struct http_msg *m, struct slice keep, struct slice a, struct slice b,
			   struct slice c)
{
	size_t n = keep.n + a.n + b.n + c.n;
	char *p = arena_alloc(m->arena, n + 1), *w = p;
	const struct slice part[] = { keep, a, b, c };

	for (size_t i = 0; i < ARRAY_SIZE(part); i++) {
		if (part[i].n)
			memcpy(w, part[i].p, part[i].n);
		w += part[i].n;
	}
	*w = 0;
	http_set_target(m, slice_make(p, n));
}

void http_set_path(struct http_msg *m, struct slice path, bool with_query)
{
	size_t off = path_offset(m->target);
	struct slice old = slice_from(m->target, off);
	ptrdiff_t q = slice_chr(old, '?');

	/* "*" and authority form have no path: the whole target is replaced. */
	if (off == m->target.n && !http_authority(m).n)
		off = 0;
	rebuild_target(m, slice_first(m->target, off), path,
		       !with_query && q >= 0 ? slice_from(old, q) : SLICE_NONE, SLICE_NONE);
}

void http_set_query(struct http_msg *m, struct slice query)
{
	ptrdiff_t q = slice_chr(m->target, '?');
	struct slice keep = q < 0 ? m->target : slice_first(m->target, q);

	rebuild_target(m, keep, query.n ? SLICE("?") : SLICE_NONE, query, SLICE_NONE);
}
