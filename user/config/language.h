/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * language.h - the files of this folder that register rows; config_language_init() calls them all. Control thread.
 */
#ifndef LBD_CONFIG_LANGUAGE_H
#define LBD_CONFIG_LANGUAGE_H

#include <stdbool.h>

struct config;
struct diag;
struct cfg_line;

void kw_global_init(void);
void kw_process_init(void);
void kw_accepted_init(void);
void kw_tune_init(void);
void kw_environment_init(void);
void kw_proxy_init(void);
void kw_guid_init(void);
void kw_option_init(void);
void kw_timeout_init(void);
void kw_bind_init(void);
void kw_server_init(void);
void kw_server_start_init(void);
void checks_init(void);
void check_warn_loops(struct config *cfg, struct diag *d); /* check_loops.c */
void warnings_init(void);

/* Argument k is 'on' or 'off'. 0, or -1 with the error said. */
int cfg_arg_on_off(struct cfg_line *l, int k, bool *out);

#endif
