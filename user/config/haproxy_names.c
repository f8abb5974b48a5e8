// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which words belong to HAProxy's language, whether lbd has them or not. Constants; any thread.
 */
#include "config/registry.h"

static const struct known {
	const char *kind, *name;
} known[] = {
#define KNOWN(kind, name) { kind, name },
#include "config/haproxy_names.tbl.h"
#undef KNOWN
};

bool haproxy_knows(const char *kind, const char *name)
{
	size_t lo = 0, hi = ARRAY_SIZE(known);

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(known[mid].kind, kind);

		if (!c)
			c = strcmp(known[mid].name, name);
		if (!c)
			return true;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}
