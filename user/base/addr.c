/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * addr.c - compact transport addresses. See addr.h.
 */
#include "base/addr.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

int addr_from_sockaddr(struct addr *a, const struct sockaddr_storage *ss)
{
	memset(a, 0, sizeof(*a));
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)ss;

		memcpy(a->ip, &in->sin_addr, 4);
		a->port = ntohs(in->sin_port);
		a->family = ADDR_IP4;
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

		memcpy(a->ip, &in6->sin6_addr, 16);
		a->port = ntohs(in6->sin6_port);
		a->family = ADDR_IP6;
	} else if (ss->ss_family == AF_UNIX) {
		a->family = ADDR_UNIX;
	} else {
		return -EAFNOSUPPORT;
	}
	return 0;
}

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss)
{
	if (a->family == ADDR_IP4) {
		struct sockaddr_in *in = (struct sockaddr_in *)ss;

		memset(in, 0, sizeof(*in));
		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip, 4);
		return sizeof(*in);
	}
	if (a->family == ADDR_IP6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

		memset(in6, 0, sizeof(*in6));
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(a->port);
		memcpy(&in6->sin6_addr, a->ip, 16);
		return sizeof(*in6);
	}
	return 0;
}

char *addr_ip_text(const struct addr *a, char *buf, size_t size)
{
	if (a->family == ADDR_IP4 || a->family == ADDR_IP6)
		inet_ntop(a->family == ADDR_IP4 ? AF_INET : AF_INET6, a->ip, buf, (socklen_t)size);
	else
		snprintf(buf, size, "%s", a->family == ADDR_UNIX ? "unix" : "-");
	return buf;
}

char *addr_text(const struct addr *a, char *buf, size_t size)
{
	char ip[INET6_ADDRSTRLEN];

	addr_ip_text(a, ip, sizeof(ip));
	if (a->family == ADDR_IP6)
		snprintf(buf, size, "[%s]:%u", ip, a->port);
	else if (a->family == ADDR_IP4)
		snprintf(buf, size, "%s:%u", ip, a->port);
	else
		snprintf(buf, size, "%s", ip);
	return buf;
}

int addr_parse_ip(struct addr *a, struct slice text)
{
	char z[INET6_ADDRSTRLEN];
	uint8_t ip[16];

	if (text.n == 0 || text.n >= sizeof(z))
		return -EINVAL;
	memcpy(z, text.p, text.n);
	z[text.n] = 0;
	if (inet_pton(AF_INET, z, ip) == 1) {
		memset(a->ip, 0, 16);
		memcpy(a->ip, ip, 4);
		a->family = ADDR_IP4;
		return 0;
	}
	if (inet_pton(AF_INET6, z, ip) == 1) {
		memcpy(a->ip, ip, 16);
		a->family = ADDR_IP6;
		return 0;
	}
	return -EINVAL;
}

bool addr_is_any(const struct addr *a)
{
	static const uint8_t zero[16];

	return (a->family == ADDR_IP4 || a->family == ADDR_IP6) && memcmp(a->ip, zero, 16) == 0;
}

bool addr_in_net(const struct addr *a, const struct addr *net, unsigned int bits)
{
	unsigned int whole = bits / 8, rest = bits % 8;

	if (a->family != net->family || memcmp(a->ip, net->ip, whole))
		return false;
	return !rest || !((a->ip[whole] ^ net->ip[whole]) >> (8 - rest));
}

bool addr_is_loopback(const struct addr *a)
{
	static const uint8_t loop6[16] = { [15] = 1 };
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (a->family == ADDR_IP4)
		return a->ip[0] == 127;
	if (a->family == ADDR_IP6)
		return memcmp(a->ip, loop6, 16) == 0 ||
		       (memcmp(a->ip, mapped, 12) == 0 && a->ip[12] == 127);
	return false;
}
