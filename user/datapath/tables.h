/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tables.h - a backend's servers as the flat words that packet programs read (Documentation/hashing.md, <lbd/abi.h> LBD_TABLE).
 * Pure: reads the servers' present state, writes no map. Control thread, or a helper thread for large ones.
 */
#ifndef LBD_DATAPATH_TABLES_H
#define LBD_DATAPATH_TABLES_H

#include "balance/balance.h"
#include <lbd/abi.h>

struct kernel_table {
	uint32_t *
		words; /* LBD_FORM_TABLE: n server slots; LBD_FORM_RING: n points, then n server slots. malloc */
	uint32_t size; /* n */
	enum lbd_form form;
};

/*
 * @slot_of: server slot in the kernel by server.index. An empty table (no usable server) has form LBD_FORM_NONE.
 * Returns 0, -ENOMEM, -E2BIG, or -ENOTSUP for an algorithm without a kernel form.
 */
int kernel_table_build(const struct proxy *be, const uint32_t *slot_of, struct kernel_table *out);
void kernel_table_fini(struct kernel_table *t);

/* How the service entry says the algorithm: pick, number, draws and LBD_S_MIX. */
void kernel_pick_fields(const struct balance *b, struct lbd_service *out);

#endif
