// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Features by the names that HAProxy's `-vv` uses, for `.if feature(NAME)` and `lbd -vv`. DATAPATH is lbd's own.
 */
#include "config/version.h"

#include <string.h>

const struct feature features[] = {
	{ "ACCEPT4", true },      { "CPU_AFFINITY", true }, { "CRYPT_H", true },
	{ "DATAPATH", true },     { "EPOLL", true },        { "GETADDRINFO", true },
	{ "LINUX_SPLICE", true }, { "LINUX_TPROXY", true }, { "LUA", false },
	{ "NETFILTER", false },   { "NS", true },           { "OPENSSL", true },
	{ "PCRE2", true },        { "PCRE2_JIT", true },    { "POLL", false },
	{ "PRCTL", true },        { "PROMEX", false },      { "QUIC", false },
	{ "SLZ", false },         { "SYSTEMD", true },      { "TFO", true },
	{ "THREAD", true },       { "TPROXY", true },       { "ZLIB", false },
	{ NULL, false },
};

bool feature_present(const char *name)
{
	for (const struct feature *f = features; f->name; f++)
		if (!strcmp(f->name, name))
			return f->present;
	return false;
}
