/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kw_server.h - what files with options of server lines share. Control thread, before the workers start.
 */
#ifndef LBD_CONFIG_KW_SERVER_H
#define LBD_CONFIG_KW_SERVER_H

#include "config/keyword.h"

/* The argument of the option at word *@i, which moves behind it; NULL with the error said. @what: "a number". */
const char *server_option_arg(struct cfg_line *l, int *i, const char *what);
/* The same as a whole number from @min to @max (INT32_MAX: no limit worth saying). 0 or -1. */
int server_option_u32(struct cfg_line *l, int *i, int64_t min, int64_t max, uint32_t *out);
/* The same as a time in ms, 0 allowed if @zero. 0 or -1. */
int server_option_time(struct cfg_line *l, int *i, bool zero, uint32_t *out_ms);
/* The same as one of @names (NULL ends them); its index or -1 with the error said. */
int server_option_choice(struct cfg_line *l, int *i, const char *const *names);

/* kw_server_start.c: the address of a server whose host is a name, as its `init-addr` says. 0 or -1. */
int server_start_address(struct cfg_line *l, int word, struct server *s, int family);

#endif
