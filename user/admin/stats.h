/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats.h - one line of statistics: a frontend, backend, server or listener with its counters summed over all threads.
 * For `show stat`, the statistics page and metrics. Any thread may read: counters are plain numbers of other threads, as
 * fresh as the memory is.
 */
#ifndef LBD_ADMIN_STATS_H
#define LBD_ADMIN_STATS_H

#include "admin/cli.h"

enum stat_type { STAT_FE, STAT_BE, STAT_SRV, STAT_LISTENER };
/* `show stat` masks and page options */
enum {
	STAT_WANT_FE = 1,
	STAT_WANT_BE = 2,
	STAT_WANT_SRV = 4,
	STAT_WANT_LISTENER = 8,
	STAT_WANT_ALL = 15
};
enum {
	STAT_HIDE_DOWN = 1,
	STAT_HIDE_MAINT = 2,
	STAT_LEGENDS = 4 /* addresses, cookies, algorithms, last words of checks */
};

struct stat_obj {
	enum stat_type type;
	struct proxy *px;
	struct server *srv;
	struct bind_conf *bind;
	unsigned int flags;
	struct fe_counters fe;
	struct be_counters be;                                /* of the backend, or of the server */
	uint64_t kernel_flows, kernel_flows_max;              /* counted in scur and smax */
	uint64_t fe_rate, fe_conn_rate, fe_req_rate, be_rate; /* last second */
};
/* Sums the counters. */
void stat_obj_load(struct stat_obj *o, enum stat_type type, struct proxy *px, struct server *s,
		   struct bind_conf *b, unsigned int flags);
/* Column @name as text behind @out; empty when the object does not have it. */
void stat_column_write(struct strbuf *out, const struct stat_obj *o, const char *name);

/* A walk that can stop and go on: zero it first. */
struct stat_walk {
	struct proxy *px;
	struct server *srv;
	struct bind_conf *bind;
	int stage;
	bool done;
	/* what is wanted */
	struct proxy *only; /* NULL: all */
	int mask, sid;      /* sid -1: any */
	unsigned int flags;
};
/* The next object; false at the end. */
bool stat_walk_next(struct stat_walk *w, struct stat_obj *o);
void stats_csv_header(struct strbuf *out);
void stats_csv_line(struct strbuf *out, const struct stat_obj *o);
/* One object of a JSON array; the caller writes the array's own brackets. */
void stats_json_line(struct strbuf *out, const struct stat_obj *o, bool first);

#endif
