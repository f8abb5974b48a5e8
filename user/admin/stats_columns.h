/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats_columns.h - the rows of HAProxy's own columns, between stats_columns.c and stats.c.
 */
#ifndef LBD_ADMIN_STATS_COLUMNS_H
#define LBD_ADMIN_STATS_COLUMNS_H

#include "admin/stats.h"

enum stat_src_kind { SRC_NONE, SRC_FE, SRC_BE, SRC_FE_HTTP, SRC_BE_HTTP, SRC_FN };
struct stat_src {
	enum stat_src_kind kind;
	size_t offset; /* in struct fe_counters or be_counters */
	void (*write)(struct strbuf *out, const struct stat_obj *o);
};
struct core_column {
	const char *name, *tags, *type;
	struct stat_src src[3]; /* frontend, backend, server: enum stat_type */
	const char *help;
};
extern const struct core_column core_columns[];
extern const size_t core_column_count;
void core_column_write(struct strbuf *out, const struct core_column *c, const struct stat_obj *o);

/* Are all sockets of the frontend switched off by `disable frontend`? */
bool frontend_is_paused(const struct proxy *px);

#endif
