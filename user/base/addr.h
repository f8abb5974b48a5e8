/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * addr.h - a transport address, compact (20 bytes) and comparable with memcmp. Any thread.
 */
#ifndef LBD_BASE_ADDR_H
#define LBD_BASE_ADDR_H

#include "base/slice.h"
#include <netinet/in.h>
#include <sys/socket.h>

enum addr_family { ADDR_NONE = 0, ADDR_IP4 = 4, ADDR_IP6 = 6, ADDR_UNIX = 1 };

struct addr {
	uint8_t ip[16]; /* IPv4: the first 4 bytes, the rest zero; network order */
	uint16_t port;  /* host order */
	uint8_t family; /* enum addr_family */
	uint8_t _pad;
};
_Static_assert(sizeof(struct addr) == 20, "struct addr is part of per-connection memory");

/* 0, or -EAFNOSUPPORT. IPv4-mapped IPv6 stays IPv6. AF_UNIX gives ADDR_UNIX without a path. */
int addr_from_sockaddr(struct addr *a, const struct sockaddr_storage *ss);
/* Returns the length for bind/connect; 0 for ADDR_NONE and ADDR_UNIX. */
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss);
/* "192.0.2.1" or "2001:db8::1"; @size >= INET6_ADDRSTRLEN. Returns buf. */
char *addr_ip_text(const struct addr *a, char *buf, size_t size);
/* "192.0.2.1:80" or "[2001:db8::1]:80"; @size >= ADDR_TEXT_MAX. Returns buf. */
#define ADDR_TEXT_MAX 56
char *addr_text(const struct addr *a, char *buf, size_t size);
/* A plain IPv4 or IPv6 literal; 0 or -EINVAL. The port is not touched. */
int addr_parse_ip(struct addr *a, struct slice text);
bool addr_is_any(const struct addr *a);
/* Is @a (whatever its port) within the first @bits bits of @net? false for another family. */
bool addr_in_net(const struct addr *a, const struct addr *net, unsigned int bits);
bool addr_is_loopback(const struct addr *a);
static inline bool addr_eq(const struct addr *a, const struct addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

#endif
