// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * counts.c - per-CPU counters summed, and the names of reasons and verdicts.
 */
#include "set_priv.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct lbdmap_reason lbdmap_reasons[LBD_R_MAX] = {
#define REASON(sym, name, verdict, help) [LBD_R_##sym] = { name, LBD_##verdict, help },
#include <lbd/reasons.tbl.h>
#undef REASON
};

const char *lbdmap_verdict_name(uint32_t verdict)
{
	static const char *const names[LBD_VERDICTS] = { "FORWARD", "PASS", "DROP", "ANSWER" };

	return verdict < LBD_VERDICTS ? names[verdict] : "?";
}

/* Sums the 64-bit words of one per-CPU element. */
static int sum_percpu(struct lbdmap_set *set, enum lbdmap_id id, uint32_t slot, uint64_t *out,
		      size_t size)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *all;

	if (cpus < 0)
		return cpus;
	if (slot >= set->entries[id])
		return -ENOENT;
	all = calloc(cpus, size);
	if (!all)
		return -ENOMEM;
	if (bpf_map_lookup_elem(set->fd[id], &slot, all)) {
		free(all);
		return -errno;
	}
	memset(out, 0, size);
	for (int c = 0; c < cpus; c++)
		for (size_t i = 0; i < size / 8; i++)
			out[i] += all[c * (size / 8) + i];
	free(all);
	return 0;
}

int lbdmap_service_count(struct lbdmap_set *set, uint32_t slot, struct lbd_service_count *out)
{
	int rc = sum_percpu(set, LBDMAP_SERVICE_COUNT, slot, (uint64_t *)out, sizeof(*out));

	if (!rc)
		out->flows_closed += lbdmap_service(set, slot)->expired;
	return rc;
}

int lbdmap_server_count(struct lbdmap_set *set, uint32_t slot, struct lbd_server_count *out)
{
	int rc = sum_percpu(set, LBDMAP_SERVER_COUNT, slot, (uint64_t *)out, sizeof(*out));

	if (!rc)
		out->flows_closed += lbdmap_load(set, slot)->expired;
	return rc;
}
