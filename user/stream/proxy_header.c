// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * proxy_header.c - PROXY protocol headers as bytes. See proxy_header.h. Not for: sockets (proxy_accept.c, proxy_send.c).
 */
#include "stream/proxy_header.h"
#include "base/crc32c.h"

#include <stdio.h>

static const unsigned char v2_sig[12] = "\r\n\r\n\0\r\nQUIT\n";

static int bad(enum conn_reason *why, enum conn_reason reason)
{
	*why = reason;
	return -1;
}

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* ---- version 1 ---- */

/* The text up to the next blank; *@rest goes on behind it. */
static struct slice word(struct slice *rest)
{
	size_t n = 0;
	struct slice w;

	while (n < rest->n && rest->p[n] != ' ')
		n++;
	w = slice_make(rest->p, n);
	n += n < rest->n;
	*rest = slice_make(rest->p + n, rest->n - n);
	return w;
}

/* Decimal, without leading zeros. */
static bool port(struct slice w, uint16_t *out)
{
	uint32_t v = 0;

	if (!w.n || w.n > 5 || (w.n > 1 && w.p[0] == '0'))
		return false;
	for (size_t i = 0; i < w.n; i++) {
		if (w.p[i] < '0' || w.p[i] > '9')
			return false;
		v = v * 10 + (uint32_t)(w.p[i] - '0');
	}
	*out = (uint16_t)v;
	return v <= 65535;
}

/* "TCP4 192.0.2.1 192.0.2.2 1000 80" */
static int v1_fields(struct slice line, struct proxy_header *h, enum conn_reason *why)
{
	struct slice proto = word(&line);
	enum addr_family family;

	if (slice_eq(proto, SLICE("UNKNOWN")))
		return 0;
	if (slice_eq(proto, SLICE("TCP4")))
		family = ADDR_IP4;
	else if (slice_eq(proto, SLICE("TCP6")))
		family = ADDR_IP6;
	else
		return bad(why, CONN_PROXY_UNHANDLED);
	if (addr_parse_ip(&h->src, word(&line)) || addr_parse_ip(&h->dst, word(&line)) ||
	    h->src.family != family || h->dst.family != family ||
	    !port(word(&line), &h->src.port) || !port(word(&line), &h->dst.port) || line.n)
		return bad(why, CONN_PROXY_INVALID);
	h->announces = true;
	return 0;
}

static int v1_parse(const unsigned char *p, size_t n, struct proxy_header *h, enum conn_reason *why)
{
	const unsigned char *cr;
	size_t len;

	if (n > PROXY_V1_MAX)
		n = PROXY_V1_MAX;
	cr = memchr(p, '\r', n);
	if (!cr)
		return n < PROXY_V1_MAX ? 0 : bad(why, CONN_PROXY_INVALID);
	len = (size_t)(cr - p);
	if (len + 1 >= n)
		return n < PROXY_V1_MAX ? 0 : bad(why, CONN_PROXY_INVALID);
	if (cr[1] != '\n')
		return bad(why, CONN_PROXY_INVALID);
	if (v1_fields(slice_make((const char *)p + 6, len - 6), h, why))
		return -1;
	return (int)len + 2;
}

/* ---- version 2 ---- */

/* Each TLV must end within; the checksum, if there is one, must be that of the whole header. */
static bool tlvs_are_right(const unsigned char *p, size_t n, size_t from)
{
	static const unsigned char zeros[4];
	size_t at = from;

	while (at < n) {
		size_t len;
		uint32_t crc;

		if (n - at < 3)
			return false;
		len = get16(p + at + 1);
		if (len > n - at - 3)
			return false;
		if (p[at] == PP_CRC32C) {
			if (len != 4)
				return false;
			crc = crc32c_add(CRC32C_INIT, p, at + 3);
			crc = crc32c_add(crc, zeros, 4);
			crc = crc32c_add(crc, p + at + 7, n - at - 7);
			if (crc32c_end(crc) != get32(p + at + 3))
				return false;
		}
		if (p[at] == PP_UNIQUE_ID && len > 128)
			return false;
		at += 3 + len;
	}
	return true;
}

size_t proxy_v2_length(const unsigned char *p, size_t n)
{
	if (n < PROXY_V2_FIXED || memcmp(p, v2_sig, sizeof(v2_sig)) != 0)
		return 0;
	return (size_t)PROXY_V2_FIXED + get16(p + 14);
}

static void v2_addresses(const unsigned char *p, enum addr_family family, struct proxy_header *h)
{
	size_t bytes = family == ADDR_IP4 ? 4 : 16;

	h->announces = true;
	h->src.family = h->dst.family = (uint8_t)family;
	memcpy(h->src.ip, p, bytes);
	memcpy(h->dst.ip, p + bytes, bytes);
	h->src.port = get16(p + 2 * bytes);
	h->dst.port = get16(p + 2 * bytes + 2);
}

static int v2_parse(const unsigned char *p, size_t n, struct proxy_header *h, enum conn_reason *why)
{
	size_t whole, block = 0;

	if (n < PROXY_V2_FIXED)
		return 0;
	if (p[12] >> 4 != 2)
		return bad(why, CONN_PROXY_ALIEN);
	if ((p[12] & 15) > 1)
		return bad(why, CONN_PROXY_INVALID);
	whole = proxy_v2_length(p, n);
	if (whole > PROXY_V2_MAX)
		return bad(why, CONN_PROXY_INVALID);
	if (n < whole)
		return 0;
	/* how long the address block is, by family */
	switch (p[13]) {
	case 0x11:
		block = 12;
		break;
	case 0x21:
		block = 36;
		break;
	default: /* unix, datagrams, unknown: nothing that is used here */
		return (int)whole;
	}
	if (!(p[12] & 15))
		return (int)whole; /* LOCAL: all the rest is to be ignored */
	if (whole < PROXY_V2_FIXED + block || !tlvs_are_right(p, whole, PROXY_V2_FIXED + block))
		return bad(why, CONN_PROXY_INVALID);
	v2_addresses(p + PROXY_V2_FIXED, block == 12 ? ADDR_IP4 : ADDR_IP6, h);
	h->tlvs = slice_make((const char *)p + PROXY_V2_FIXED + block,
			     whole - PROXY_V2_FIXED - block);
	return (int)whole;
}

int proxy_header_parse(const unsigned char *p, size_t n, struct proxy_header *h,
		       enum conn_reason *why)
{
	size_t m = n < 6 ? n : 6;

	memset(h, 0, sizeof(*h));
	if (memcmp(p, "PROXY ", m) == 0)
		return m < 6 ? 0 : v1_parse(p, n, h, why);
	m = n < sizeof(v2_sig) ? n : sizeof(v2_sig);
	if (memcmp(p, v2_sig, m) == 0)
		return v2_parse(p, n, h, why);
	return bad(why, CONN_PROXY_ALIEN);
}

/* Those of @type among @tlvs from *@at on. */
static bool tlv_scan(struct slice tlvs, unsigned int type, size_t *at, struct slice *value)
{
	const unsigned char *p = (const unsigned char *)tlvs.p;

	while (*at + 3 <= tlvs.n) {
		size_t from = *at + 3, len = get16(p + *at + 1);

		if (len > tlvs.n - from)
			return false;
		*at = from + len;
		if (p[from - 3] == type) {
			*value = slice_make(tlvs.p + from, len);
			return true;
		}
	}
	return false;
}

bool proxy_tlv_next(struct slice tlvs, unsigned int type, size_t *at, struct slice *value)
{
	struct slice ssl;
	size_t outer = 0;

	if (type < PP_SSL_VERSION || type > PP_SSL_KEY_ALG)
		return tlv_scan(tlvs, type, at, value);
	if (!tlv_scan(tlvs, PP_SSL, &outer, &ssl) || ssl.n < 5)
		return false;
	return tlv_scan(slice_make(ssl.p + 5, ssl.n - 5), type, at, value);
}

/* ---- NetScaler Client IP: a magic number, lengths, then the client's own IP and TCP header ---- */

/* @p: IP header and TCP header in @n bytes. */
static bool cip_packet(const unsigned char *p, size_t n, struct proxy_header *h)
{
	size_t ip = n ? (p[0] >> 4 == 4 ? (size_t)(p[0] & 15) * 4 : 40) : 0;
	bool v4 = n && p[0] >> 4 == 4;
	size_t at = v4 ? 12 : 8, bytes = v4 ? 4 : 16;

	if (!n || (p[0] >> 4 != 4 && p[0] >> 4 != 6) || (v4 && ip < 20) || n < ip + 20)
		return false;
	if (p[v4 ? 9 : 6] != IPPROTO_TCP)
		return false;
	h->announces = true;
	h->src.family = h->dst.family = v4 ? ADDR_IP4 : ADDR_IP6;
	memcpy(h->src.ip, p + at, bytes);
	memcpy(h->dst.ip, p + at + bytes, bytes);
	h->src.port = get16(p + ip);
	h->dst.port = get16(p + ip + 2);
	return true;
}

int proxy_cip_parse(const unsigned char *p, size_t n, uint32_t magic, struct proxy_header *h,
		    enum conn_reason *why)
{
	size_t from, len;

	memset(h, 0, sizeof(*h));
	if (n >= 4 && get32(p) != magic)
		return bad(why, CONN_CIP_MAGIC);
	if (n < 12)
		return 0;
	if ((p[8] & 0xd0) == 0x40) { /* an IP header follows the length: the form before 10.5 */
		from = 8;
		len = get32(p + 4);
	} else if (p[8] == 0) {
		from = 12;
		len = get16(p + 10);
	} else {
		return bad(why, CONN_CIP_UNHANDLED);
	}
	if (len > PROXY_CIP_MAX - from)
		return bad(why, CONN_CIP_UNHANDLED);
	if (n < from + len)
		return 0;
	return cip_packet(p + from, len, h) ? (int)(from + len) : bad(why, CONN_CIP_UNHANDLED);
}

/* ---- writing ---- */

static void out(struct proxy_out *o, const void *p, size_t n)
{
	if (n > o->max - o->n) {
		o->full = true;
		return;
	}
	if (n) /* a TLV may be empty */
		memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void out16(struct proxy_out *o, uint16_t v)
{
	unsigned char b[2] = { (unsigned char)(v >> 8), (unsigned char)v };

	out(o, b, sizeof(b));
}

static bool is_inet(const struct addr *a)
{
	return a && (a->family == ADDR_IP4 || a->family == ADDR_IP6);
}

/* ::ffff:a.b.c.d */
static void map_to_ip6(struct addr *a)
{
	memmove(a->ip + 12, a->ip, 4);
	memset(a->ip, 0, 10);
	memset(a->ip + 10, 0xff, 2);
	a->family = ADDR_IP6;
}

/* Both of one family: what differs becomes IPv6. */
static void same_family(struct addr *a, struct addr *b)
{
	if (a->family == b->family)
		return;
	if (a->family == ADDR_IP4)
		map_to_ip6(a);
	if (b->family == ADDR_IP4)
		map_to_ip6(b);
}

void proxy_v1_write(struct proxy_out *o, const struct addr *src, const struct addr *dst)
{
	char text[PROXY_V1_MAX + 1], sip[INET6_ADDRSTRLEN], dip[INET6_ADDRSTRLEN];
	struct addr s, d;
	int n;

	if (!is_inet(src) || !is_inet(dst)) {
		out(o, "PROXY UNKNOWN\r\n", 15);
		return;
	}
	s = *src;
	d = *dst;
	same_family(&s, &d);
	n = snprintf(text, sizeof(text), "PROXY TCP%d %s %s %u %u\r\n", s.family,
		     addr_ip_text(&s, sip, sizeof(sip)), addr_ip_text(&d, dip, sizeof(dip)), s.port,
		     d.port);
	out(o, text, (size_t)n);
}

void proxy_v2_begin(struct proxy_out *o, const struct addr *src, const struct addr *dst)
{
	bool says = is_inet(src) && is_inet(dst);
	struct addr s, d;
	size_t bytes;

	out(o, v2_sig, sizeof(v2_sig));
	if (!says) {
		out(o, "\x20\x00\x00\x00", 4);
		return;
	}
	s = *src;
	d = *dst;
	same_family(&s, &d);
	bytes = s.family == ADDR_IP4 ? 4 : 16;
	out(o, s.family == ADDR_IP4 ? "\x21\x11\x00\x00" : "\x21\x21\x00\x00", 4);
	out(o, s.ip, bytes);
	out(o, d.ip, bytes);
	out16(o, s.port);
	out16(o, d.port);
}

void proxy_v2_tlv(struct proxy_out *o, unsigned int type, struct slice value)
{
	unsigned char t = (unsigned char)type;

	if (value.n > UINT16_MAX || o->max - o->n < 3 + value.n) {
		o->full = true;
		return;
	}
	out(o, &t, 1);
	out16(o, (uint16_t)value.n);
	out(o, value.p, value.n);
}

void proxy_v2_end(struct proxy_out *o)
{
	size_t at, from = PROXY_V2_FIXED;
	uint32_t crc;

	if (o->full || o->n < PROXY_V2_FIXED)
		return;
	o->p[14] = (unsigned char)((o->n - PROXY_V2_FIXED) >> 8);
	o->p[15] = (unsigned char)(o->n - PROXY_V2_FIXED);
	from += o->p[13] == 0x11 ? 12 : o->p[13] == 0x21 ? 36 : 0;
	for (at = from; at + 7 <= o->n; at += 3 + (size_t)get16(o->p + at + 1)) {
		if (o->p[at] != PP_CRC32C)
			continue;
		crc = crc32c_end(crc32c_add(CRC32C_INIT, o->p, o->n));
		for (int i = 0; i < 4; i++)
			o->p[at + 3 + (size_t)i] = (unsigned char)(crc >> (24 - 8 * i));
		return;
	}
}
