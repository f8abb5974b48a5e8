/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_rules.h - checks as a list of steps: connect, send, expect. `tcp-check` lines make such lists, and so do the checks that
 * speak a protocol (mysql-check ... in protocols.c). Steps are immutable once the configuration is read; a running check only has
 * its place in the list. Control thread.
 */
#ifndef LBD_CHECK_TCP_RULES_H
#define LBD_CHECK_TCP_RULES_H

#include "check/check.h"

struct logformat;
struct regex;
struct expr;
struct tcp_step;

enum step_kind { STEP_COMMENT, STEP_CONNECT, STEP_SEND, STEP_EXPECT };
enum expect_kind {
	EXPECT_STRING,
	EXPECT_STRING_LF,
	EXPECT_BINARY,
	EXPECT_BINARY_LF,
	EXPECT_REGEX,
	EXPECT_BINARY_REGEX,
	EXPECT_CUSTOM,
};

/* What an expect step says in the end. */
struct step_words {
	enum check_status status;
	int code;
	char info[256];
};
enum expect_result { EXPECT_MORE, EXPECT_MET, EXPECT_FAILED };

struct tcp_step {
	struct tcp_step *next;
	enum step_kind kind;
	int number; /* as messages count: from 1, without a connect that nobody wrote */
	const char *comment;
	/* send; with a format the bytes are made for each check */
	struct slice data;
	struct logformat *format;
	bool is_hex; /* what the format makes is hexadecimal */
	/* connect */
	struct addr to; /* family ADDR_NONE, port 0: the check's */
	bool linger;
	/* expect; the pattern is `data`, `format` or `regex` */
	enum expect_kind expect;
	bool inverse;
	int min_recv; /* -1: waits for more while it does not match */
	struct regex *regex;
	/* @w has the step's error status; for EXPECT_MET it may change the words, too. @last: no more bytes will come. */
	enum expect_result (*custom)(struct slice data, bool last, struct step_words *w);
	/* Words for a fixed step that failed, or passed as the last one. NULL: the usual ones. */
	void (*say)(struct slice data, bool met, struct step_words *w);
	enum check_status ok_status, error_status, timeout_status;
	struct logformat *on_success, *on_error;
	struct expr *status_code;
};

/* Steps in order. @named: messages say where (" at step 1 of tcp-check"). */
struct tcp_rules {
	struct tcp_step *first, *last;
	const char *done; /* info of a passed check whose last step says nothing */
	bool named;
};

/* A step at the end of @r, with the usual statuses. */
struct tcp_step *tcp_rules_add(struct tcp_rules *r, struct arena *a, enum step_kind kind);
/* The backend's checks of that type go through @r (fixed rules); NULL: through its `tcp-check` lines. */
void check_set_rules(struct proxy *px, const struct check_type *type, const struct tcp_rules *r);
/* Functions of check types that are lists of steps. */
#define CHECK_TYPE_STEPS                                                                  \
	.stepwise = true, .begin = tcp_rules_begin, .established = tcp_rules_established, \
	.judge = tcp_rules_judge, .target = tcp_rules_target, .failed = tcp_rules_failed
void tcp_rules_begin(struct check *c);
void tcp_rules_established(struct check *c);
enum check_verdict tcp_rules_judge(struct check *c, struct slice data, bool eof);
void tcp_rules_target(const struct check *c, struct addr *to);
enum check_status tcp_rules_failed(const struct check *c, enum check_status st, const char *info,
				   char *buf, size_t size);

void tcp_words_init(void);
void protocols_init(void);

#endif
