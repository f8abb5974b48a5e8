// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * PROXY and NetScaler headers from arbitrary bytes. What must hold besides "no crash": the verdict does not depend on how much more
 * has come; what is announced and written again by our own writers reads the same.
 */
#include "stream/proxy_header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fact)
{
	if (!fact)
		abort();
}

static void same(const struct proxy_header *a, const struct proxy_header *b)
{
	require(a->announces == b->announces && addr_eq(&a->src, &b->src) &&
		addr_eq(&a->dst, &b->dst));
}

static void write_again(const struct proxy_header *h)
{
	unsigned char buf[512];
	struct proxy_out o = { buf, 0, sizeof(buf), false };
	enum conn_reason why;
	struct proxy_header again;

	proxy_v1_write(&o, &h->src, &h->dst);
	require(proxy_header_parse(buf, o.n, &again, &why) == (int)o.n);
	same(h, &again);
	o.n = 0;
	proxy_v2_begin(&o, &h->src, &h->dst);
	proxy_v2_tlv(&o, PP_CRC32C, SLICE("\0\0\0\0"));
	proxy_v2_tlv(&o, PP_AUTHORITY, SLICE("example.com"));
	proxy_v2_end(&o);
	require(!o.full && proxy_header_parse(buf, o.n, &again, &why) == (int)o.n);
	same(h, &again);
	buf[20] ^= 1; /* the checksum sees it */
	require(proxy_header_parse(buf, o.n, &again, &why) < 0);
}

/* Shorter beginnings must want more, or be refused; never be a header of another length. */
static void cut(const uint8_t *data, size_t size, int whole)
{
	enum conn_reason why;
	struct proxy_header h;

	for (size_t n = 1; n < size && n < 300; n++) {
		int r = proxy_header_parse(data, n, &h, &why);

		if (whole > 0)
			require(n < (size_t)whole ? r == 0 : r == whole);
		else if (r > 0)
			require((size_t)r <= n && r == whole);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum conn_reason why = CONN_OK;
	struct proxy_header h;
	struct slice v;
	size_t at = 0;
	int r;

	if (!size)
		return 0;
	r = proxy_header_parse(data, size, &h, &why);
	require(r >= 0 ? (size_t)r <= size : why != CONN_OK);
	cut(data, size, r);
	if (r > 0 && h.announces)
		write_again(&h);
	if (r > 0)
		for (unsigned int type = 0; type < 256; type++)
			for (at = 0; proxy_tlv_next(h.tlvs, type, &at, &v);)
				require(v.p >= h.tlvs.p && v.p + v.n <= h.tlvs.p + h.tlvs.n);
	why = CONN_OK;
	r = proxy_cip_parse(data, size, 0x1267, &h, &why);
	require(r >= 0 ? (size_t)r <= size : why != CONN_OK);
	return 0;
}
