/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli.h - commands of the stats socket (rows). They run in the control thread, at most 5 ms at a time: a long dump
 * yields and is resumed when the client has read. Replies as the manual's section 9.3 and Debian's haproxy have them.
 */
#ifndef LBD_ADMIN_CLI_H
#define LBD_ADMIN_CLI_H

#include "base/strbuf.h"
#include "model/server.h"

struct cli_request {
	char **words; /* the command's words, unescaped */
	int nwords;
	int first_arg;        /* behind the command's own words */
	int level;            /* 0 user, 1 operator, 2 admin */
	bool experimental;    /* `experimental-mode on` was said */
	struct slice payload; /* after "<<" */
	struct strbuf *out;   /* the reply so far */
	void *cursor;         /* the command's own, for resuming; zero at the first call */
	uint64_t num[4];      /* the same */
	void (*cursor_free)(void *cursor); /* the client went away in mid-dump */
};
enum cli_result {
	CLI_DONE,
	CLI_MORE /* call again when the reply was sent */,
	CLI_LATER /* cli_finish() will come */
};

struct cli_command {
	const char *words; /* "show servers state" */
	int level;         /* least level needed */
	enum cli_result (*run)(struct cli_request *r);
	const char *usage, *help;
};
void cli_register(const struct cli_command *rows, size_t n);
void cli_finish(struct cli_request *r);
/* Looks up "backend/server" of argument @k; NULL with HAProxy's error text in the reply. */
struct server *cli_find_server(struct cli_request *r, int k);

/* Statistics shared by the socket, the page and metrics: one row per counter column. */
/* type: 0 frontend, 1 backend, 2 server, 3 listener */
struct stat_column {
	const char *name;
	void (*write)(struct strbuf *o, int type, struct proxy *px, struct server *s,
		      struct bind_conf *b);
	const char *help;
	const char *tags,
		*type; /* origin, nature, scope (manual 9.2) and "u32", "u64", "str"; NULL: "MCP", "u64" */
};
void stat_column_register(const struct stat_column *rows, size_t n);
/* The CSV (header line and one line each); @px NULL: all. @mask: 1 fe, 2 be, 4 servers; also used by ";csv". */
void stats_csv(struct strbuf *out, struct proxy *px, int mask, int sid);

/* Opens the socket of a `stats socket` line or of -S. A descriptor, or -1 with the error said. */
int admin_socket_open(struct bind_conf *b, struct bind_address *at, struct diag *d);
/* A connection that the master has accepted, or made itself; @fd is ours from now on. */
void admin_client_from_master(int fd, int level);
int admin_open(struct config *cfg, struct diag *d);
void admin_start(void);
void admin_init(void);

#endif
