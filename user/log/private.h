/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private.h - what the files of user/log/ share: dates, targets, a proxy's part, the fields. Not for other rooms.
 */
#ifndef LBD_LOG_PRIVATE_H
#define LBD_LOG_PRIVATE_H

#include "log/log.h"
#include <time.h>

/* ---- date.c: dates of one second, formatted once per thread ---- */
struct log_date {
	int64_t sec;
	char local[24]; /* 06/Feb/2009:12:12:51 */
	char gmt[24];
	char zone[8];     /* +0100 */
	char syslog[20];  /* Feb  6 12:12:51 */
	char iso[24];     /* 2009-02-06T12:12:51 */
	char iso_zone[8]; /* +01:00 */
};
/* Valid until the same thread has asked for eight other seconds. */
const struct log_date *log_date(int64_t sec);
int64_t log_wall_us(void);

/* ---- target.c ---- */
enum log_kind { LOG_TO_UDP, LOG_TO_UNIX, LOG_TO_FD };
enum log_header {
	LOG_H_LOCAL,
	LOG_H_RFC3164,
	LOG_H_RFC5424,
	LOG_H_PRIORITY,
	LOG_H_SHORT,
	LOG_H_TIMED,
	LOG_H_ISO,
	LOG_H_RAW
};

struct log_target {
	struct list node; /* global.log_targets; a proxy holds an array of pointers */
	enum log_kind kind;
	struct addr addr;
	const char *path;
	int fd; /* LOG_TO_FD, LOG_TO_UNIX once open; -1 */
	bool is_pipe, said_trouble;
	_Atomic int64_t retry_s; /* unix: not before this second */
	enum log_header header;
	bool header_set;  /* else log-send-hostname switches local to rfc3164 */
	uint32_t max_len; /* without the newline; 0: not limited */
	int facility;
	int level,
		min_level; /* least severe that is sent; more severe ones are capped to min_level */
	uint32_t sample_size; /* 0: every line */
	_Atomic uint32_t sample_count;
	uint64_t sample_set; /* bit i: line i + 1 of the sample is sent (sizes up to 64) */
};

struct log_message {
	int level;
	const char *tag; /* NULL: the global tag */
	struct slice sd; /* RFC 5424 structured data; empty: "-" */
	struct slice text;
};
/* Sends @m to the target or counts it as dropped. Any thread. */
void log_target_send(struct log_target *t, const struct log_message *m);
/* Parses the words of a `log` line from argument 0; NULL with the error said. */
struct log_target *log_target_parse(struct cfg_line *l);
/* Facilities, levels, header formats and words of a `log` line, for -dK. */
void log_target_names(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx);
void log_targets_open(struct log_target *t, struct diag *d);

/* ---- a proxy's part (config.c) ---- */
struct log_source { /* where a format was written; compiled when all is read */
	const char *text;
	struct cfg_line *line;
	int word;
};
struct log_proxy_part {
	bool use_global;
	struct log_target **targets;
	int ntargets;
	const char *tag;
	struct log_source format, sd, error;
	struct logformat *c_format, *c_sd, *c_error;
	bool early;             /* the default line: written at the start */
	_Atomic uint64_t count; /* %lc */
};
extern struct ext log_ext;
struct log_proxy_part *log_part(const struct proxy *px);
bool log_has_target(const struct proxy *px);

void log_alias_init(void);
void log_config_init(void);
/* The row for streams with a transaction, and *base, the one for all others (the same when there is only one). */
const struct log_alias *log_alias_find(struct slice name, const struct log_alias **base);
/* For "did you mean" and -dK. */
const struct log_alias *log_alias_at(size_t i);

#endif
