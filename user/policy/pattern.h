/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pattern.h - the values a sample is compared with: "-m beg -i /static /images", lists from files, numbers with
 * operators, networks. Built while the configuration is read, sealed (indexed), then read by all workers.
 */
#ifndef LBD_POLICY_PATTERN_H
#define LBD_POLICY_PATTERN_H

#include "policy/regex.h"
#include "policy/sample.h"

enum match_kind {
	MATCH_NONE, /* not chosen yet */
	MATCH_FOUND,
	MATCH_BOOL,
	MATCH_INT,
	MATCH_IP,
	MATCH_BIN,
	MATCH_LEN,
	MATCH_STR,
	MATCH_BEG,
	MATCH_SUB,
	MATCH_DIR,
	MATCH_DOM,
	MATCH_END,
	MATCH_REG,
	MATCH_VERSION, /* int with "3.1" being 3 * 65536 + 1 */
};

struct match_row {
	const char *name; /* behind -m */
	enum match_kind kind;
	enum smp_type takes; /* the sample is cast to it */
	const char *help;
};
const struct match_row *match_find(const char *name);
const struct match_row *match_of(enum match_kind kind);
/* What a sample of this type is matched with when nothing else is said; MATCH_NONE: it has to be said. */
enum match_kind match_default(enum smp_type t);

struct pattern {
	const char *written; /* in an ACL's own values: as `show acl` has it */
	bool icase;
	bool has_min, has_max;
	uint8_t bits;     /* of a network */
	int64_t min, max; /* INT, LEN, VERSION */
	struct addr net;  /* IP: masked */
	uint8_t mask[16];
	bool mask_is_prefix;
	struct slice text; /* STR ... DOM, BIN; as written for all others */
	struct regex *re;
};

struct pattern_index;
struct patterns {
	enum match_kind kind;
	struct pattern *v;
	int n, cap;
	const struct pattern_index *index; /* NULL: few, they are tried one after the other */
};

/* Where the words of an ACL are parsed: the flags so far. */
struct pattern_words {
	bool icase, no_dns;
	bool groups;    /* regular expressions keep their groups: for replacing */
	const char *op; /* "gt" ..., NULL: eq */
};

/* Why a value is refused: what is said to everybody, and what a configuration's reader adds. */
struct pattern_error {
	char what[400];
	const char *advice; /* static */
};
/* @text is not copied. @a: for what has to be made; NULL: text of MATCH_BIN and re of MATCH_REG are the caller's, on the
 * heap. 0 or -1 with @err filled. */
int pattern_parse(enum match_kind kind, const char *text, const struct pattern_words *w,
		  struct arena *a, struct pattern *out, struct pattern_error *err);

/* Adds one value. 0 or -1 with the error said at word @i. */
int patterns_add(struct patterns *p, struct cfg_line *l, int i, const char *text,
		 const struct pattern_words *w);
/* No more values will come: builds the index where one pays. */
void patterns_seal(struct patterns *p, struct arena *a);

/* @s was cast to match_of(p->kind)->takes. MATCH_FOUND always holds. */
bool patterns_match(const struct patterns *p, const struct sample *s);
/* One value, without an index. */
bool pattern_matches(enum match_kind kind, const struct pattern *v, const struct sample *s);

/* How many values were compared by this thread so far: tests count with it. */
extern __thread uint64_t pattern_compares;

#endif
