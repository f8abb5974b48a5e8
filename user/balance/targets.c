// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which targets take part: active ones, else backups.
 * Pure function, any thread.
 */
#include "balance/build.h"

size_t lb_targets_usable(struct lb_target *t, size_t n, bool allbackups)
{
	bool active = false;
	size_t kept = 0;

	for (size_t i = 0; i < n && !active; i++)
		active = t[i].weight && !t[i].backup;

	for (size_t i = 0; i < n; i++) {
		if (!t[i].weight || t[i].backup == active)
			continue;
		if (!active && !allbackups && kept)
			break;
		t[kept++] = t[i];
	}
	return kept;
}
