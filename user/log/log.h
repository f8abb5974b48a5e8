/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.h - log targets (UDP, unix, stdout, fd), log-format expressions, and one line per stream.
 * Workers format and send without blocking; a full socket counts a dropped line (`show info` DroppedLogs).
 */
#ifndef LBD_LOG_LOG_H
#define LBD_LOG_LOG_H

#include "base/strbuf.h"
#include "model/proxy.h"

struct stream;
struct session;
struct smp_ctx;

/* syslog levels 0 (emerg) .. 7 (debug) */
enum log_level { LOG_L_EMERG, LOG_L_ALERT, LOG_L_CRIT, LOG_L_ERR, LOG_L_WARNING, LOG_L_NOTICE, LOG_L_INFO, LOG_L_DEBUG };

/* What an alias looks at; `http` is l7's transaction or NULL. */
struct log_ctx {
	struct session *sess;
	struct stream *stream;  /* NULL: the connection ended before a stream (error log) */
	void *http;
	const struct proxy *fe, *be;
};

/* "%ci", "%Tt": writes the value; nothing written means "-" . Rows of kind "log-alias". */
struct log_alias {
	const char *name; /* without % */
	void (*write)(struct strbuf *out, const struct log_ctx *c);
	bool http_only;
	bool quoted_default; /* printed in quotes by the predefined formats only */
	const char *help;
};
void log_alias_register(const struct log_alias *rows, size_t n);

struct logformat;
/* Compiles; aliases and %[expr] with flags. NULL with the error said. */
struct logformat *logformat_parse(struct cfg_line *l, int word, const char *text, unsigned int where);
/* Appends the formatted text. */
void logformat_write(const struct logformat *f, struct strbuf *out, const struct log_ctx *c, const struct smp_ctx *sc);

/* The stream is over (or logasap): the line of its frontend, by log-format/httplog/tcplog/default, with
 * dontlognull, dontlog-normal, log-separate-errors applied. Worker. */
void log_stream(struct stream *s, void *http);
/* The connection ended before a stream existed (error on handshake, embryonic). */
void log_session_error(struct session *s, const char *text);
/* A line of the daemon about a proxy (server down, proxy started): to the proxy's targets, also to stderr in -d/-db. Control. */
void log_proxy(const struct proxy *px, enum log_level level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A line about the process. px NULL: the global targets. */
void log_global(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Opens sockets before chroot. 0 or -1 with the error said. */
int log_open_targets(struct config *cfg, struct diag *d);
extern _Atomic uint64_t log_dropped_lines;
void log_init(void);

#endif
