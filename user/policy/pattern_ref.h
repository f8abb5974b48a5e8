/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pattern_ref.h - pattern references: what `show acl` and `show map` list. One for each file (all ACLs and maps that name it share
 * it) and one for the values that stand on an ACL's own line. Their entries change at run time, in versions.
 *
 * Threads: everything is read with the reference's lock held, or, what is marked RCU, by any worker without one. Whoever changes
 * something holds the lock: the control thread (commands; never longer than 64 entries at a time) or a worker (`set-map` and its like).
 * A version that is committed replaces the other by one pointer.
 */
#ifndef LBD_POLICY_PATTERN_REF_H
#define LBD_POLICY_PATTERN_REF_H

#include <pthread.h>
#include <urcu-qsbr.h>

#include "base/list.h"
#include "policy/live_index.h"

struct pat_value {
	struct rcu_head rcu;
	uint32_t n;
	char text[]; /* NUL-terminated */
};

struct pat_entry {
	union {
		struct list node;    /* in its generation, in order. Writer */
		struct rcu_head rcu; /* once it is taken out */
	};
	struct live_node *nodes;
	struct pat_value *value; /* RCU; NULL: the file has one column */
	uint64_t seq;            /* order */
	uint32_t n, line;        /* line: of the file; 0: added later */
	char key[];              /* NUL-terminated */
};

/* The entries of one version, with an index for each method. */
struct pat_gen {
	struct list node; /* of the reference's other generations */
	struct rcu_head rcu;
	struct list entries;
	uint32_t version, n;
	int nindexes;
	struct live_index *index; /* number 0: the keys as texts, for changes by key */
};

/* A use of it: what the entries are compared by, and what the values have to be. */
struct pat_use {
	enum match_kind kind;
	bool icase, replace;
	enum smp_type out; /* SMP_NONE: of an ACL, which has no values */
	int index;
};

struct pat_place {
	struct pat_place *next;
	const char *kind; /* "acl", "map" */
	struct place at;
};

struct pat_ref {
	struct list node;    /* in the order in which the configuration names them */
	int id;              /* -1 until all are known */
	const char *name;    /* the file, as written; NULL: an ACL's own values */
	const char *keyword; /* of those: "hdr" */
	struct pat_place *places, *last_place;
	bool two_columns;
	bool acl, map; /* it is listed there */
	struct pat_use *uses;
	int nuses;
	struct live_method *methods; /* one for each index */
	int nmethods;
	const struct patterns *fixed; /* own values as configured, in force while `live` is NULL */
	bool **watchers;              /* told when own values are no longer those */
	int nwatchers;

	pthread_mutex_t lock;
	struct pat_gen *live; /* RCU */
	struct pat_gen *base; /* the current version: what `live` is, or would be */
	struct list others;   /* struct pat_gen: prepared versions */
	struct list cursors;
	uint32_t curr_version, next_version;
	uint64_t seq;
};

struct config;

/* The reference of a file, which is read at its first use; NULL with the error said at word @word. */
struct pat_ref *pat_ref_file(struct cfg_line *l, int word, const char *path, bool two_columns,
			     const struct pat_use *use, bool dns);
/* What pat_ref_file() is asked for, found again: its number in uses[]. */
int pat_ref_use(const struct pat_ref *r, const struct pat_use *use);
/* The reference of an ACL's own values. @id: -1: any. NULL with the error said. */
struct pat_ref *pat_ref_own(struct cfg_line *l, int word, int id, const char *keyword,
			    const struct patterns *fixed, bool icase);
/* Numbers for those that have none; every file is known. Puts the list into the order of the numbers. */
void pat_refs_number(struct config *cfg);
struct pat_ref *pat_ref_find(const struct config *cfg, const char *name);
/* All entries of all files. */
void pat_refs_free(struct config *cfg);
struct list *pat_refs(const struct config *cfg);

/* ---- asking: workers ---- */

static inline const struct pat_gen *pat_ref_live(const struct pat_ref *r)
{
	return rcu_dereference(r->live);
}
/* Does any of the values match? Own values: those of the configuration until they are changed. */
bool pat_ref_has(const struct pat_ref *r, int index, const struct sample *s);

/* ---- changing: with the lock ---- */

/* Own values become entries, which workers do not see before pat_ref_publish(). */
void pat_ref_entries(struct pat_ref *r);
/* From now on workers see r->live (own values: no longer those of the configuration). */
struct pat_gen *pat_ref_current(struct pat_ref *r);
/* The generation of a version; NULL: there is none. @make: it is made. */
struct pat_gen *pat_ref_version(struct pat_ref *r, uint32_t version, bool make);
/* Adds behind all others. 0, or -1 with @err filled. */
int pat_gen_add(struct pat_ref *r, struct pat_gen *g, const char *key, const char *value, bool dns,
		struct pattern_error *err);
void pat_gen_delete(struct pat_ref *r, struct pat_gen *g, struct pat_entry *e);
/* The first entry with exactly this key, or NULL; the next one. */
struct pat_entry *pat_gen_find(const struct pat_gen *g, const char *key);
/* Every use must be able to take it. 0, or -1 with @err filled. */
int pat_entry_set(struct pat_ref *r, struct pat_entry *e, const char *value,
		  struct pattern_error *err);
/* What workers see becomes @version, which may be empty; older versions go. 0 or -ERANGE. */
int pat_ref_commit(struct pat_ref *r, uint32_t version);
/* Empties a version. */
void pat_ref_clear(struct pat_ref *r, uint32_t version);
/* Deletes, or changes, all entries with this key of what workers see: how many. */
int pat_ref_delete_key(struct pat_ref *r, const char *key);
int pat_ref_set_key(struct pat_ref *r, const char *key, const char *value,
		    struct pattern_error *err);

/* A walk over a version that goes on after the lock was given up. */
struct pat_cursor {
	struct list node;
	struct pat_ref *ref;
	struct pat_gen *gen; /* NULL: it is gone */
	struct list *at;     /* the next entry's node, or the end of the list */
};
void pat_cursor_begin(struct pat_cursor *c, struct pat_ref *r, struct pat_gen *g);
struct pat_entry *pat_cursor_next(struct pat_cursor *c);
void pat_cursor_end(struct pat_cursor *c);

static inline void pat_ref_lock(struct pat_ref *r)
{
	pthread_mutex_lock(&r->lock);
}
static inline void pat_ref_unlock(struct pat_ref *r)
{
	pthread_mutex_unlock(&r->lock);
}

/* A value as @out (text that is not copied). False: it is none. */
bool pat_value_parse(struct slice text, enum smp_type out, struct sample *v);

void pattern_cli_init(void);
void pattern_actions_register(void);
/* Files of set-map(...) and its like to references. */
void pattern_actions_resolve(struct config *cfg, struct diag *d);

#endif
