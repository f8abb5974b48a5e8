/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keyword.h - how a module adds words to the configuration language: rows in a table beside its code.
 * From the same rows come the parser, `lbd -dKtsv`, "did you mean", the reference pages and the kernel-path table.
 * Control thread, before the workers start (keywords) ; rows are constants.
 */
#ifndef LBD_CONFIG_KEYWORD_H
#define LBD_CONFIG_KEYWORD_H

#include "base/diag.h"
#include "base/slice.h"

struct proxy;
struct server;
struct bind_conf;
struct global;

enum cfg_section {
	CFG_GLOBAL = 1 << 0,
	CFG_DEFAULTS = 1 << 1,
	CFG_FRONTEND = 1 << 2,
	CFG_BACKEND = 1 << 3,
	CFG_LISTEN = CFG_FRONTEND | CFG_BACKEND,
	CFG_ANY_PROXY = CFG_DEFAULTS | CFG_FRONTEND | CFG_BACKEND,
};

/* What a keyword means when its service runs in the kernel. Every row says it; a test fails on KERNEL_UNSAID. */
enum kernel_meaning {
	KERNEL_UNSAID = 0,
	KERNEL_EXACT, /* honoured, or of no influence on the packets of a TCP/UDP service (logs of the daemon, names...) */
	KERNEL_APPROX, /* honoured differently; `kernel_says` is the sentence the planner prints */
	KERNEL_NEVER,  /* keeps the service off the kernel path; `kernel_says` says why */
	KERNEL_HTTP,   /* only means something in mode http, which is never on the kernel path */
};

/* One word of a line after quotes, escapes and variables were resolved. */
struct cfg_word {
	const char *z; /* NUL-terminated, in the configuration's arena; also valid as slice below */
	size_t n;
	int column;  /* 1-based in the raw line */
	bool quoted; /* any part of it was quoted */
};

/* The line under the reader, as a keyword's parse function sees it. */
struct cfg_line {
	struct config *cfg; /* model/config.h */
	struct diag *diag;
	struct arena *arena;      /* lives as long as the configuration */
	struct place at;          /* file, line, text; column of the keyword */
	enum cfg_section section; /* one bit of FRONTEND/BACKEND/..., LISTEN has both */
	struct proxy *px;         /* in defaults, frontend, backend, listen */
	struct cfg_word *words; /* words[0] is the first word of the line; words[nwords].z is "" */
	int nwords;
	int first_arg; /* index of the first word behind the keyword (multi-word keywords!) */
	const char *
		within; /* "server 'app1'": stands in front of messages; NULL: only the section does */
	bool negated;    /* "no option ..." */
	bool is_default; /* "default option ..." */
};

/* The place of word @i of the line, for diag_error(). */
struct place cfg_place(const struct cfg_line *l, int i);
/* Shorthands: an error/warning at word @i, returns -1 (so that `return cfg_error(...)` reads well) / 0. */
int cfg_error(struct cfg_line *l, int i, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int cfg_warn(struct cfg_line *l, int i, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Number of arguments behind the keyword; argument k (0-based) or "" past the end. */
static inline int cfg_argc(const struct cfg_line *l)
{
	return l->nwords - l->first_arg;
}
static inline const char *cfg_arg(const struct cfg_line *l, int k)
{
	return l->first_arg + k < l->nwords ? l->words[l->first_arg + k].z : "";
}
/* Complains when there are fewer than @min or more than @max (-1: any) arguments; @usage is shown. 0 or -1. */
int cfg_want_args(struct cfg_line *l, int min, int max, const char *usage);
/* Argument k as time (ms) / number; an error is said with the argument's place. 0 or -1. */
int cfg_arg_time(struct cfg_line *l, int k, uint32_t *out_ms);
/* Words @from to @to (not included) as they stand, with single blanks between them. */
const char *cfg_words_text(struct cfg_line *l, int from, int to);
int cfg_arg_i64(struct cfg_line *l, int k, int64_t min, int64_t max, int64_t *out);

/* A line keyword of a section: kind "global" or "proxy" in the keyword table. */
struct cfg_keyword {
	const char *
		name; /* may have several words: "timeout client", "option httplog", "stats socket" */
	unsigned int sections; /* enum cfg_section bits in which it may stand */
	int (*parse)(
		struct cfg_line *
			l); /* 0, or -1 when an error was said; must go on being callable afterwards */
	enum kernel_meaning kernel;
	const char *kernel_says;
	const char *usage; /* "timeout client <time>" */
	const char *help;  /* one sentence */
	unsigned int flags;
};
#define CFG_CAN_NEGATE 1 /* "no X" and "default X" are allowed: see cfg_line.negated */
#define CFG_HTTP_ONLY \
	2 /* a warning in mode tcp, as HAProxy says it ("ignored because ... requires HTTP mode") */
#define CFG_DEPRECATED 4 /* accepted with one warning; `help` names the replacement */
#define CFG_NEEDS_SIDE \
	16 /* on the wrong side (in a frontend/backend) an error; else the line is ignored with a warning */
#define CFG_NAMED_DEFAULTS \
	32 /* a rule: in a defaults section only when that has a name; read again by who inherits */
#define CFG_EFFECT_NONE 8 /* accepted, and its effect is invisible by nature; documented as such */

/* For handlers of "option ..." bits (PX_O_*): sets, or takes back when negated. */
void cfg_option_apply(struct cfg_line *l, uint32_t bits);
void cfg_register_keywords(const struct cfg_keyword *rows, size_t n);

/* An option of a `bind` line (kind "bind-option"). parse: @l's word @*i is the option's name; it moves *i behind
 * its arguments. Returns 0 or -1. */
struct bind_option {
	const char *name;
	int (*parse)(struct cfg_line *l, int *i, struct bind_conf *b);
	enum kernel_meaning kernel;
	const char *kernel_says;
	const char *usage, *help;
	unsigned int flags; /* CFG_EFFECT_NONE */
};
void cfg_register_bind_options(const struct bind_option *rows, size_t n);

/* An option of a `server`, `default-server`, `server-template` line (kind "server-option"). */
struct server_option {
	const char *name;
	int (*parse)(struct cfg_line *l, int *i, struct server *s);
	enum kernel_meaning kernel;
	const char *kernel_says;
	const char *usage, *help;
	unsigned int flags; /* CFG_EFFECT_NONE */
};
void cfg_register_server_options(const struct server_option *rows, size_t n);

/* A section keyword other than the proxies and global (userlist, peers, cache, ring ...). */
struct cfg_section_row {
	const char *name;
	int (*begin)(struct cfg_line *l);
	int (*line)(struct cfg_line *l);
	int (*end)(struct config *cfg, struct diag *d);
	const char *help;
};
void cfg_register_sections(const struct cfg_section_row *rows, size_t n);

/*
 * Checks that run once everything is read, in the order of `phase`, over the whole configuration.
 * @check says its errors to @d; the reader counts them.
 */
enum cfg_phase {
	CFG_PHASE_RESOLVE = 10, /* names to objects: backends, servers, acls, rules */
	CFG_PHASE_DERIVE = 20,  /* defaults, ids, table sizes */
	CFG_PHASE_BALANCE = 30, /* balance state */
	CFG_PHASE_WARN = 40,    /* questionable but legal: missing timeouts... */
	CFG_PHASE_PLAN = 50,    /* data paths */
};
struct cfg_check {
	const char *name;
	enum cfg_phase phase;
	void (*check)(struct config *cfg, struct diag *d);
};
void cfg_register_checks(const struct cfg_check *rows, size_t n);

/* What was used where: the planner walks this. Recorded by the reader for every line and option of a proxy. */
struct cfg_use {
	struct list node;        /* proxy.uses, or server/bind's */
	const char *kind, *name; /* "proxy" "timeout client" */
	enum kernel_meaning kernel;
	const char *kernel_says;
	struct place at;
	struct server *server; /* when it stood on a server line */
	struct bind_conf *bind;
	bool inherited; /* from a defaults section */
};
/* A rule or expression found on a line adds its own need (e.g. fetch req.ssl_sni: KERNEL_NEVER). Parse time. */
void cfg_note_use(struct cfg_line *l, const char *kind, const char *name,
		  enum kernel_meaning kernel, const char *kernel_says);

/* The section has taken the word back (`no option ...`): it no longer counts as used there. */
void cfg_forget_use(struct cfg_line *l, const char *name);

/* All names of a registry, for `-dKtsv`: other modules (policy, log, cli...) add their own walker. */
struct name_walker {
	const char *class_name; /* of -dK: "cfg", "smp", "cnv", "acl", "cli", "svc", "flt" */
	void (*walk)(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx);
	/* only those that are accepted and change nothing that anybody could see (CFG_EFFECT_NONE); NULL: there are none */
	void (*walk_quiet)(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx);
};
void names_register(const struct name_walker *w);

#endif
