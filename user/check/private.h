/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private.h - between the files of user/check/.
 */
#ifndef LBD_CHECK_PRIVATE_H
#define LBD_CHECK_PRIVATE_H

#include "check/check.h"
#include "config/keyword.h"

struct tcp_rules;
struct check_proxy {
	const struct check_type *type; /* NULL: tcp */
	const struct tcp_rules *fixed; /* steps that the type brought; NULL: `own` */
	struct tcp_rules *own;         /* of `tcp-check` lines */
	const struct proxy *own_from; /* the section in which they stand: another one begins anew */
};
extern struct ext check_proxy_ext, check_server_ext;
extern const struct check_type check_tcp;

/* health.c: the check has ended with c->new_status. */
void health_note(struct check *c, enum check_status st, int code, const char *info);
/* run.c: the next start in @ms. */
void check_schedule(struct check *c, uint32_t ms);
void check_stop(struct check *c);
int health_at_start(const struct server *s);
uint32_t check_interval(const struct check *c);

/* The steps of the backend's checks. */
const struct tcp_rules *check_rules_of(const struct proxy *px);
/* Where a `tcp-check` line of this section adds its step. */
struct tcp_rules *check_own_rules(struct cfg_line *l);
/* Memory for an evaluation in the control thread: reset before. */
struct arena *check_scratch(void);

/* health.c: is nothing against the server being up: its checks, its agent? */
bool health_is_good(const struct server *s);
/* health.c: "Layer7 wrong status, code: 503, info: "Nope", check duration: 0ms" */
const char *health_why(const struct check *c, char *buf, size_t size);

/* health.c: takes down what a check has found. */
void health_result(struct check *c, enum check_status st, int code, const char *info);
/* health.c: the line of `option log-health-checks`; @kind: "Health", "Agent". @health: 1..fall when @up, else 0..rise. */
void health_say(const struct check *c, const char *kind, bool up, int health);

/* agent.c */
struct agent_conf {
	bool enabled, addr_set;
	uint16_t port;
	struct check_conf conf;
	struct slice send;
	int health; /* 0: it said down; 1 */
};
struct agent_conf *agent_conf_of(const struct server *s);
bool agent_wanted(const struct server *s);
void agent_make(struct server *s);

void agent_init(void);
void external_init(void);
void track_init(void);
void observe_init(void);
void check_words_init(void);
void check_watch(void);

#endif
