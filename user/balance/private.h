/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private.h - what the files of balance/ share and nobody else needs.
 */
#ifndef LBD_BALANCE_PRIVATE_H
#define LBD_BALANCE_PRIVATE_H

#include "balance/balance.h"

/* Each file's registration, called by balance_init() in this order. */
void balance_conf_init(void);
void balance_roundrobin_init(void);
void balance_static_rr_init(void);
void balance_leastconn_init(void);
void balance_first_init(void);
void balance_random_init(void);
void balance_source_init(void);
void balance_hash_init(void);

/* The i-th row, NULL behind the last. */
const struct balance_algorithm *balance_row(size_t i);

/* What the `balance` and `hash-type` lines of a proxy said; it becomes px->balance. */
struct balance *balance_conf_of(struct proxy *px);

#endif /* LBD_BALANCE_PRIVATE_H */
