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
enum log_level {
	LOG_L_EMERG,
	LOG_L_ALERT,
	LOG_L_CRIT,
	LOG_L_ERR,
	LOG_L_WARNING,
	LOG_L_NOTICE,
	LOG_L_INFO,
	LOG_L_DEBUG
};

/* What an alias looks at; `http` is l7's transaction or NULL. */
struct log_ctx {
	struct session *sess;
	struct stream *stream; /* NULL: the connection ended before a stream (error log) */
	void *http;
	const struct proxy *fe, *be;
	bool asap; /* logged before the end: byte counts and total times get a '+' */
};

/*
 * "%ci", "%Tt": writes the value. A row registered later replaces an earlier one of the same name, so that l7 can say
 * more about what user/ only knows for connections. Rows of kind "log-alias".
 */
struct log_alias {
	const char *name; /* without % */
	void (*write)(struct strbuf *out, const struct log_ctx *c);
	bool http_only;
	bool quoted_default; /* always in quotes when +Q is not given either */
	const char *help;
	/* The rest may be left out. */
	void (*write_hex)(struct strbuf *out,
			  const struct log_ctx *c); /* with +X; NULL: X changes nothing */
	bool numeric;                               /* numbers and dates: +Q does not quote them */
	bool may_be_empty; /* nothing written stays nothing; else "-" in logs, "" with +Q */
};
void log_alias_register(const struct log_alias *rows, size_t n);

/* What would break a log line or hide in it is written #XX, as HAProxy does. */
void log_add_escaped(struct strbuf *out, struct slice s);

/* What the variable @name writes in @c; false when there is none. */
bool log_alias_write(struct slice name, struct strbuf *out, const struct log_ctx *c);

struct logformat;
/*
 * Compiles @text (found in word @word of @l): aliases and %[expr] with the flags Q, X, E. NULL with the error said.
 * With SMP_W_LOG in @where it is a log line: spaces merge and what is missing is "-"; otherwise (headers, redirects)
 * spaces stay and what is missing is empty.
 */
struct logformat *logformat_parse(struct cfg_line *l, int word, const char *text,
				  unsigned int where);
/* Appends the formatted text. @sc NULL: expressions count as missing. */
void logformat_write(const struct logformat *f, struct strbuf *out, const struct log_ctx *c,
		     const struct smp_ctx *sc);

/* What log_stream() has to know of a transaction; l7 sets it once. */
struct log_http_hooks {
	int (*status)(void *http); /* response status, 0: none */
	bool (*heard)(void *http); /* the client has sent something, even if it became no request */
};
extern struct log_http_hooks log_http_hooks;

/* The stream is over (or logasap): the line of its frontend, by log-format/httplog/tcplog/default, with
 * dontlognull, dontlog-normal, log-separate-errors applied. Once per stream (STREAM_LOGGED). Worker. */
void log_stream(struct stream *s, void *http);
/* The default format ("Connect from ...") and formats that need nothing of the end are written when the stream starts:
 * call it right after stream_init(). No effect on other formats. */
void log_stream_started(struct stream *s, void *http);
/* The server connection is established (tcp) or the response head is complete (http): writes the line now when the
 * frontend has `option logasap`. */
void log_stream_asap(struct stream *s, void *http);
/* `do-log`: a line in the format of the context's frontend, now; the usual one still comes. */
void log_now(const struct smp_ctx *ctx);
/* The connection ended before a stream existed (error on handshake, embryonic). */
void log_session_error(struct session *s, const char *text);
/* A line of the daemon about a proxy (server down, proxy started): to the proxy's targets, also to stderr in -d/-db. Control. */
void log_proxy(const struct proxy *px, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A line about the process: to the global targets. */
void log_global(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Opens sockets before chroot. 0 or -1 with the error said. */
int log_open_targets(struct config *cfg, struct diag *d);
extern _Atomic uint64_t log_dropped_lines;
void log_init(void);

#endif
