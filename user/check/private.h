/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private.h - between the files of user/check/.
 */
#ifndef LBD_CHECK_PRIVATE_H
#define LBD_CHECK_PRIVATE_H

#include "check/check.h"

struct check_proxy {
	const struct check_type *type; /* NULL: tcp */
};
extern struct ext check_proxy_ext, check_server_ext;
extern const struct check_type check_tcp;

/* health.c: the check has ended with c->new_status. */
void health_note(struct check *c, enum check_status st, int code, const char *info);
/* run.c: the next start in @ms. */
void check_schedule(struct check *c, uint32_t ms);
void check_stop(struct check *c);
uint32_t check_interval(const struct check *c);

void check_words_init(void);
void check_watch(void);

#endif
