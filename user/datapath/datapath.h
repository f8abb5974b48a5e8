/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * datapath.h - the daemon's side of the kernel path, as the start sequence sees it. Control thread.
 */
#ifndef LBD_DATAPATH_DATAPATH_H
#define LBD_DATAPATH_DATAPATH_H

#include "model/config.h"

/* Registers keywords, checks (the planner), commands. */
void datapath_init(void);
void datapath_conf_init(void);
void datapath_commands_init(void);
/* The plan as tables (operator.md) or JSON; after the configuration's checks. */
struct strbuf;
void datapath_print_plan(const struct config *cfg, struct strbuf *out);
void datapath_print_plan_json(const struct config *cfg, struct strbuf *out);

/*
 * Before privileges are dropped: makes or adopts the pinned maps, takes ownership, loads and attaches. When no service
 * is planned for the kernel, does nothing. What fails moves the services to user space and says why, unless they wish
 * `datapath kernel`: then it is an error. 0 or -1 with the error said.
 */
int datapath_open(struct config *cfg, struct diag *d);
/* In the control loop: fills the tables, follows servers, neighbours, routes; heartbeat. */
void datapath_start(void);
/* Orderly end: `keep` leaves programs and flows working without a daemon (reload, SIGUSR1 with a successor). */
void datapath_stop(bool keep);

#endif
