/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.h - health checks: is a server able to serve? Types are rows ("tcp" here, "httpchk" in l7); each server with
 * `check` has one running check. Not for: what a state change means for traffic (model/server.h and its watchers).
 * Control thread.
 */
#ifndef LBD_CHECK_CHECK_H
#define LBD_CHECK_CHECK_H

#include "base/strbuf.h"
#include "model/server.h"
#include "transport/conn.h"

/* Numbers as in `show servers state` (srv_check_status); names and words in check_status_rows. */
enum check_status {
	CHECK_UNKNOWN = 0,
	CHECK_INI = 1,
	CHECK_CHECKED = 3,
	CHECK_HANA = 4,
	CHECK_SOCKERR = 5,
	CHECK_L4OK = 6,
	CHECK_L4TOUT = 7,
	CHECK_L4CON = 8,
	CHECK_L6OK = 9,
	CHECK_L6TOUT = 10,
	CHECK_L6RSP = 11,
	CHECK_L7TOUT = 12,
	CHECK_L7RSP = 13,
	CHECK_L7OK = 15,
	CHECK_L7OKC = 16,
	CHECK_L7STS = 17,
	CHECK_PROCERR = 18,
	CHECK_PROCTOUT = 19,
	CHECK_PROCOK = 20,
};
enum check_result { CHECK_NEUTRAL = 0, CHECK_FAILED = 2, CHECK_PASSED = 3, CHECK_CONDPASS = 4 };

struct check;

/* What a type says after looking at what came. MORE: not enough yet. */
enum check_verdict { CHECK_MORE, CHECK_SAID };

struct check_type {
	const char *name; /* "tcp", "httpchk" */
	/* Optional, for checks that need no connection: starts one; it ends with check_say(). */
	void (*start)(struct check *c);
	/* Optional: ends what start() began; called at the end of each check and when it is stopped. */
	void (*stop)(struct check *c);
	/* Optional: a check begins, there is no connection yet. */
	void (*begin)(struct check *c);
	/* Optional: changes where it connects to. */
	void (*target)(const struct check *c, struct addr *to);
	/* Optional, instead of request: the connection stands; adds to c->out or says a verdict. */
	void (*established)(struct check *c);
	/* Optional: words and status for a connection that failed or a time that ran out; @buf: the words. */
	enum check_status (*failed)(const struct check *c, enum check_status st, const char *info,
				    char *buf, size_t size);
	/* Optional: takes the result instead of health.c (agent). */
	void (*note)(struct check *c, enum check_status st, int code, const char *info);
	bool stepwise; /* judge is also called when all was sent and nothing came */
	/* The connection stands: what to send. NULL: the connection itself proves it (L4OK). */
	void (*request)(const struct check *c, struct strbuf *out);
	/* Judges all that came so far; @eof: no more will. Says the verdict with check_say(). */
	enum check_verdict (*judge)(struct check *c, struct slice data, bool eof);
	const char *help;
};
/* The backend's checks are of this type; the type keeps its own configuration in the proxy's extensions. */
void check_set_type(struct proxy *px, const struct check_type *t);

/* What a server line says. */
struct check_conf {
	bool enabled, addr_set;
	struct addr addr;                              /* `addr`, and the port of `port` */
	uint32_t inter_ms, fastinter_ms, downinter_ms; /* 0: not said */
	int rise, fall;
	struct conn_setup setup; /* transport and handshakes of checks: not always the traffic's */
	struct check *check;     /* NULL: never checked */
};
/* Where @c checks. */
void check_target(const struct check *c, struct addr *to);
struct check_conf *check_conf_of(const struct server *s);
struct tcp_step;

/* A running check. 10,000 of them are kept: what only lives during a check is allocated for it. */
struct check {
	struct server *srv;
	struct check_conf *conf;
	const struct check_type *type;
	struct timer timer; /* next start, or the present one's deadline */
	struct conn conn;
	struct strbuf in, out;
	size_t sent;
	uint64_t started_us;
	bool enabled; /* `disable health` clears it */
	bool running, eof, asked, linger;
	const struct tcp_step *step; /* of checks that are lists of steps: the present one */
	void *own;                   /* the type's, while it runs */
	uint16_t source_port;        /* taken from a range of `source`; 0: none */
	uint8_t status, result;      /* of the last one that ended */
	int code;                    /* status code, 0: none */
	uint32_t duration_ms;        /* of the last one */
	char info[96];               /* last words from the network: "Connection refused" */
};

/* The verdict on the check that runs. @info: words for the log, may be NULL. */
enum check_verdict check_say(struct check *c, enum check_status st, int code, const char *info);

struct check_status_row {
	uint8_t status;
	const char *name, *text;
	uint8_t result;
};
const struct check_status_row *check_status_row(int status);
/* The running check of @s, NULL without. */
struct check *check_of(const struct server *s);
/* Makes and starts one that is not of the configuration (a server added at run time, an agent). */
struct check *check_make(struct server *s, struct check_conf *f, const struct check_type *t);
/* For types with steps: closes the connection and opens the next one, where type->target says. */
void check_reconnect(struct check *c);
/* `set server ... health up|stopping|down`. */
void check_force(struct server *s, enum server_oper oper);
/* `enable health`, `disable health`; false: the server has no check. */
bool check_enable(struct server *s, bool on);

/* ---- the agent of a server ---- */
/* NULL without. */
struct check *check_agent_of(const struct server *s);
/* `enable agent`, `disable agent`; `set server agent up|down`: false: there is none (or it is switched off). */
bool agent_enable(struct server *s, bool on);
bool agent_force(struct server *s, bool up);
/* @ip NULL, @port 0: as it is. */
void agent_set_target(struct server *s, const struct addr *ip, uint16_t port);
void agent_set_send(struct server *s, const char *text);

void check_init(void);

#endif
