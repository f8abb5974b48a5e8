/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sample.h - values taken from the traffic: fetches (rows), converters (rows), expressions.
 * Parsed once into the configuration's arena; evaluated by workers without allocation but from the context's scratch.
 */
#ifndef LBD_POLICY_SAMPLE_H
#define LBD_POLICY_SAMPLE_H

#include "base/addr.h"
#include "config/keyword.h"

struct session;
struct stream;

enum smp_type {
	SMP_NONE,
	SMP_BOOL,
	SMP_INT,
	SMP_IP4,
	SMP_IP6,
	SMP_STR,
	SMP_BIN,
	SMP_METH,
	SMP_ADDR /* either family */,
	SMP_ANY
};

/* Where a fetch can be evaluated; a rule set says where it runs, a mismatch is an error at parse time. */
enum smp_where {
	SMP_W_INTERNAL = 1 << 0,  /* always */
	SMP_W_L4_CLIENT = 1 << 1, /* client connection */
	SMP_W_L5_CLIENT = 1 << 2, /* client transport/session */
	SMP_W_REQ_DATA = 1 << 3,  /* request bytes (tcp-request content) */
	SMP_W_REQ_HTTP = 1 << 4,  /* parsed request */
	SMP_W_L4_SERVER = 1 << 5,
	SMP_W_RSP_DATA = 1 << 6,
	SMP_W_RSP_HTTP = 1 << 7,
	SMP_W_LOG = 1 << 8,     /* only at log time */
	SMP_W_BACKEND = 1 << 9, /* a backend is chosen: its own rules, and everything after them */
};
/* What the usual rule sets have; the sets of a backend (and of listen) add SMP_W_BACKEND. */
#define SMP_WHERE_TCP_CONN (SMP_W_INTERNAL | SMP_W_L4_CLIENT)
#define SMP_WHERE_TCP_SESS (SMP_WHERE_TCP_CONN | SMP_W_L5_CLIENT)
#define SMP_WHERE_TCP_REQ  (SMP_WHERE_TCP_SESS | SMP_W_REQ_DATA | SMP_W_REQ_HTTP)
#define SMP_WHERE_HTTP_REQ SMP_WHERE_TCP_REQ
#define SMP_WHERE_RESPONSE \
	(SMP_WHERE_TCP_SESS | SMP_W_L4_SERVER | SMP_W_RSP_DATA | SMP_W_RSP_HTTP | SMP_W_BACKEND)
#define SMP_WHERE_LOG (~0u)

/* The surroundings of an evaluation. What is not there yet is NULL. */
struct smp_ctx {
	struct session *sess;
	struct stream *stream;
	void *http;    /* l7's transaction (struct http_txn), NULL outside http */
	bool response; /* which direction */
	bool final;    /* no more data will come: a fetch must answer instead of asking for more */
	struct vars **check_vars; /* of a health check (scope "check"), else NULL */
	/* raw data under inspection (tcp-request content, tcp-response content): */
	struct slice data;
	struct arena *
		scratch; /* for results that are no slices of the traffic; reset by the rule engine per request */
};

struct sample {
	enum smp_type type;
	unsigned int flags; /* SMP_F_* */
	union {
		int64_t i;      /* BOOL, INT */
		struct addr a;  /* IP4, IP6 */
		struct slice s; /* STR, BIN, METH (name) */
		struct {
			struct slice s;
			int meth;
		} m;
	} u;
	/* iteration of multi-valued fetches (hdr): private to the fetch, zero at the first call */
	uint64_t iter[3];
};
enum {
	SMP_F_MORE = 1,       /* with a result: there are further values: call again (acl, maps) */
	SMP_F_MAY_CHANGE = 2, /* more data may give a(nother) result */
	SMP_F_VOLATILE = 4,
	SMP_F_CONST = 8,
	SMP_F_ITERATE =
		16, /* set before the call: the first of all values is wanted, not the one that stands for all */
};

enum arg_type {
	ARG_END,
	ARG_INT,
	ARG_STR,
	ARG_TIME,
	ARG_SIZE,
	ARG_MASK4,
	ARG_MASK6,
	ARG_IP,
	ARG_BACKEND,
	ARG_FRONTEND,
	ARG_SERVER,
	ARG_TABLE,
	ARG_VAR,
	ARG_REGEX,
	ARG_MAP,
	ARG_USERLIST
};
struct smp_arg {
	enum arg_type type; /* ARG_END: not given */
	int64_t i;
	struct slice s;
	struct addr a;
	void *ptr;
};
#define SMP_MAX_ARGS 6

struct fetch_row {
	const char *name;
	const char *kind; /* "fetch-L4" ... as in the keyword table */
	enum smp_type out;
	unsigned int where; /* enum smp_where bits it needs (any of) */
	uint8_t min_args, max_args;
	enum arg_type args[SMP_MAX_ARGS];
	/* true with a result in @out. @args has SMP_MAX_ARGS entries. */
	bool (*fetch)(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out);
	intptr_t
		priv; /* so that one function serves several rows: in args[SMP_MAX_ARGS - 1].i, see manual comment */
	enum kernel_meaning kernel;
	const char *kernel_says;
	const char *help;
	unsigned int flags; /* FETCH_* */
	/* Optional: checks or compiles the arguments at parse time; 0 or -1 with the error said at word @word. */
	int (*check)(struct cfg_line *l, int word, struct smp_arg *args);
};
enum {
	FETCH_NO_INDEX =
		1, /* another call may give another value, or it has an effect: never evaluated ahead of its rule */
	CONV_OUT_VARIES = 2, /* the value decides what type comes out (with .out SMP_ANY) */
};
void fetch_register(const struct fetch_row *rows, size_t n);

struct converter_row {
	const char *name;
	enum smp_type in, out;
	uint8_t min_args, max_args;
	enum arg_type args[SMP_MAX_ARGS];
	bool (*convert)(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp);
	/* Optional: checks/compiles arguments at parse time; 0 or -1 with the error said. */
	int (*check)(struct cfg_line *l, int word, struct smp_arg *args);
	const char *help;
	intptr_t priv;      /* as in fetch_row */
	unsigned int flags; /* FETCH_* */
};
void converter_register(const struct converter_row *rows, size_t n);

struct expr;
/* Parses "fetch(args),conv(args),..." from word @i on (one word); NULL with the error said. @where: what is available.
 * Notes the fetch's kernel meaning for the planner. */
struct expr *expr_parse(struct cfg_line *l, int i, const char *text, unsigned int where);
/* true with a result converted to @want (SMP_ANY: as it is). */
bool expr_eval(const struct expr *e, const struct smp_ctx *ctx, enum smp_type want,
	       struct sample *out);
/* Casts in place; false if the types do not convert. Strings made go to ctx->scratch. */
bool sample_cast(struct sample *s, enum smp_type to, const struct smp_ctx *ctx);
/* All values of a multi-valued fetch, one by one, for conditions: @out is what the call before left. */
bool expr_eval_first(const struct expr *e, const struct smp_ctx *ctx, enum smp_type want,
		     struct sample *out);
bool expr_eval_next(const struct expr *e, const struct smp_ctx *ctx, enum smp_type want,
		    struct sample *out);
unsigned int expr_where(const struct expr *e);
const char *expr_text(const struct expr *e);
enum smp_type expr_type(const struct expr *e);

#endif
