// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * HTTP/1 messages from arbitrary bytes. What must hold besides "no crash": the verdict does not depend on how the bytes were
 * split; what is accepted and sent on is accepted again and means the same (headers, framing).
 */
#include "http/h1.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
	enum h1_result head, body;
	uint8_t head_error, body_error;
	int headers;
	uint32_t flags;
	uint64_t length, queued;
	char wire[40000];
	size_t wire_n;
};

#define MEANING                                                                            \
	(MSG_F_CHUNKED | MSG_F_LENGTH | MSG_F_NO_BODY | MSG_F_CLOSE_DELIM | MSG_F_HTTP10 | \
	 MSG_F_INTERIM | MSG_F_TUNNEL)

static void require(bool fact)
{
	if (!fact)
		abort();
}

static void send_on(struct http_msg *m, struct result *r)
{
	struct iovec iov[H1_OUT_IOV];
	struct h1_out o;
	int k;

	if ((m->flags & MSG_F_CHUNKED) && !(m->flags & MSG_F_NO_BODY))
		m->flags |= MSG_F_XFER_CHUNK;
	h1_out_start(&o);
	while (!o.done && (k = h1_out_gather(&o, m, iov))) {
		size_t n = 0;

		for (int i = 0; i < k; i++) {
			require(r->wire_n + iov[i].iov_len <= sizeof(r->wire));
			memcpy(r->wire + r->wire_n, iov[i].iov_base, iov[i].iov_len);
			r->wire_n += iov[i].iov_len;
			n += iov[i].iov_len;
		}
		h1_out_sent(&o, m, n);
	}
}

/* Feeds the bytes in two pieces. */
static void run(const char *p, size_t n, size_t cut, bool response, uint8_t relax, struct result *r)
{
	struct segment *seg = segment_new();
	struct h1_head h = { .relax = relax };
	struct h1_body b;
	struct arena a;
	struct http_msg m;

	memset(r, 0, offsetof(struct result, wire));
	r->wire_n = 0;
	arena_init(&a, 0);
	http_msg_init(&m, &a, response);
	memcpy(seg->data, p, cut);
	seg->end = (uint32_t)cut;
	r->head = h1_parse_head(&h, &m, seg);
	memcpy(seg->data + cut, p + cut, n - cut);
	seg->end = (uint32_t)n;
	if (r->head == H1_MORE)
		r->head = h1_parse_head(&h, &m, seg);
	r->head_error = h.error;
	if (r->head == H1_OK) {
		r->headers = http_hdr_count(&m);
		r->flags = m.flags & MEANING;
		r->length = m.length;
		h1_body_start(&b, &m);
		r->body = h1_body_decode(&b, &m, seg);
		if (r->body == H1_MORE && (m.flags & MSG_F_CLOSE_DELIM))
			r->body = h1_body_eof(&b, &m);
		r->body_error = b.error;
		r->queued = m.body.queued;
		if (r->body == H1_OK)
			send_on(&m, r);
	}
	http_msg_fini(&m);
	arena_fini(&a);
	segment_put(seg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct result whole, split, again;
	const char *p = (const char *)data + 3;
	bool response;
	uint8_t relax;
	size_t n, cut;

	if (size < 4 || size > 12000)
		return 0;
	segment_bytes = 16384;
	response = data[0] & 1;
	relax = data[0] >> 1 & 7;
	n = size - 3;
	cut = (data[1] << 8 | data[2]) % (n + 1);
	run(p, n, n, response, relax, &whole);
	run(p, n, cut, response, relax, &split);
	if (split.head == H1_MORE && whole.head == H1_BAD)
		return 0; /* a line is looked at again only when its end has come: the verdict comes then */
	require(whole.head == split.head && whole.head_error == split.head_error);
	require(whole.flags == split.flags && whole.headers == split.headers &&
		whole.length == split.length);
	require(whole.body == split.body && whole.queued == split.queued);
	if (whole.head != H1_OK || whole.body != H1_OK)
		return 0;
	require(whole.wire_n == split.wire_n && memcmp(whole.wire, split.wire, whole.wire_n) == 0);
	run(whole.wire, whole.wire_n, whole.wire_n, response, relax, &again);
	require(again.head == H1_OK && again.body == H1_OK);
	require(again.flags == whole.flags && again.headers == whole.headers &&
		again.length == whole.length);
	require(again.queued == whole.queued);
	return 0;
}
