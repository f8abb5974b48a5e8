/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * persist.h - rules that choose the server of a stream, or say whether persistence counts: use-server, force-persist,
 * ignore-persist.
 */
#ifndef LBD_POLICY_PERSIST_H
#define LBD_POLICY_PERSIST_H

#include "policy/sample.h"

/* Has @be any of these rules? */
bool persist_has_rules(const struct proxy *be);
/*
 * Runs them, once per stream, before cookies, stick tables or the balance algorithm: sets STREAM_FORCE_PERSIST or
 * STREAM_IGNORE_PERSIST, and s->srv when a use-server rule holds whose server may be used.
 */
void persist_run_rules(struct stream *s, const struct smp_ctx *ctx);
/* May a server that persistence names be used: it is up, or its state does not count here. */
bool persist_may_use(const struct stream *s, const struct server *srv);

/* persist_rdp.c: `persist rdp-cookie`. */
bool persist_rdp_wanted(const struct proxy *be);
void persist_rdp_run(struct stream *s, const struct smp_ctx *ctx);
struct expr *persist_rdp_expr(struct cfg_line *l, int word, const char *name_if_none);
void persist_rdp_register(void);

#endif
