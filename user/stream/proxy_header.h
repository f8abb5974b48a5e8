/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proxy_header.h - reading and writing PROXY protocol headers (proxy-protocol.txt, version 1 of 2 lines, version 2 binary), and the
 * NetScaler Client IP header. Pure functions on bytes; any thread.
 */
#ifndef LBD_STREAM_PROXY_HEADER_H
#define LBD_STREAM_PROXY_HEADER_H

#include "base/addr.h"
#include "base/slice.h"
#include "transport/conn_reason.h"

#define PROXY_V1_MAX   107   /* the longest line, CRLF included */
#define PROXY_V2_FIXED 16    /* what tells the length of the rest */
#define PROXY_V2_MAX   16384 /* longest header that is taken, as tune.bufsize is by default */
#define PROXY_CIP_MAX  256

/* Types of TLVs in version 2. */
enum proxy_tlv {
	PP_ALPN = 0x01,
	PP_AUTHORITY = 0x02,
	PP_CRC32C = 0x03,
	PP_NOOP = 0x04,
	PP_UNIQUE_ID = 0x05,
	PP_SSL = 0x20,
	PP_SSL_VERSION = 0x21,
	PP_SSL_CN = 0x22,
	PP_SSL_CIPHER = 0x23,
	PP_SSL_SIG_ALG = 0x24,
	PP_SSL_KEY_ALG = 0x25,
	PP_NETNS = 0x30,
};
enum { PP_CLIENT_SSL = 1, PP_CLIENT_CERT_CONN = 2, PP_CLIENT_CERT_SESS = 4 };

struct proxy_header {
	bool announces; /* false: LOCAL, UNKNOWN, or a family that says nothing: the socket's own addresses hold */
	struct addr src, dst;
	struct slice tlvs; /* checked: each lies within, the CRC is right */
};

/*
 * The header at the beginning of @p. > 0: its length; 0: more bytes are needed (version 1: never more than PROXY_V1_MAX, version 2:
 * than proxy_v2_length()); < 0: none, *@why says.
 */
int proxy_header_parse(const unsigned char *p, size_t n, struct proxy_header *h,
		       enum conn_reason *why);
/* All @n >= PROXY_V2_FIXED bytes begin a header of version 2: its whole length; else 0. */
size_t proxy_v2_length(const unsigned char *p, size_t n);
/* The NetScaler header with @magic; as proxy_header_parse(), at most PROXY_CIP_MAX bytes. */
int proxy_cip_parse(const unsigned char *p, size_t n, uint32_t magic, struct proxy_header *h,
		    enum conn_reason *why);

/* The next value of type @type (of the SSL TLV's parts when @type is one of them) at or behind *@at; false: none. */
bool proxy_tlv_next(struct slice tlvs, unsigned int type, size_t *at, struct slice *value);

/* A header under construction: p[n], room for `max`. Too small a buffer sets `full`. */
struct proxy_out {
	unsigned char *p;
	size_t n, max;
	bool full;
};
/* Version 1. Addresses of different or other families: mapped to IPv6, or UNKNOWN. */
void proxy_v1_write(struct proxy_out *o, const struct addr *src, const struct addr *dst);
/* Version 2: begin, add TLVs, end. NULL addresses, or such of other families: LOCAL. */
void proxy_v2_begin(struct proxy_out *o, const struct addr *src, const struct addr *dst);
void proxy_v2_tlv(struct proxy_out *o, unsigned int type, struct slice value);
/* Fills in the length, and the checksum when a PP_CRC32C was added. */
void proxy_v2_end(struct proxy_out *o);

#endif
