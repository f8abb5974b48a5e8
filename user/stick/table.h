/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table.h - stick tables: keys with counters, bounded by size, aged by last use. Any thread.
 *
 * A table is cut into shards by the key's hash, each with a lock of its own; small tables have one shard and purge in exact
 * order. Whoever gets an entry from here holds its shard's lock until stick_unlock(): a few loads and stores, never a call
 * that waits. An entry that is tracked (refs) or looked at (pins) is neither expired nor purged.
 */
#ifndef LBD_STICK_TABLE_H
#define LBD_STICK_TABLE_H

#include "base/diag.h"
#include "base/list.h"
#include "loop/thread.h"
#include "policy/sample.h"
#include "stick/data.h"
#include "stick/rate.h"

struct proxy;
struct peers;
struct strbuf;
struct stick_shard;

struct stick_entry {
	struct stick_entry *next; /* same bucket */
	struct list age;          /* shard.by_age: least recently used first */
	uint64_t
		due_ms; /* loop time: when it expires; of a table without `expire`: when it was last used */
	uint32_t hash;
	uint32_t refs;         /* trackers */
	_Atomic uint32_t pins; /* dumps and peers: only keep it in memory */
	uint32_t key_bytes;    /* of strings; else the table's key_bytes */
	char mem[] __attribute__((aligned(8)));
};

/* A text that many entries share (names of servers). */
struct stick_text {
	struct stick_text *next;
	uint32_t refs;
	char z[];
};

enum stick_srvkey { STICK_SRVKEY_NAME, STICK_SRVKEY_ADDR };

struct stick_table {
	struct list node;       /* stick_tables, in the order of the configuration */
	const char *name;       /* as rules and commands name it: the proxy's, or PEERS/NAME */
	const char *peers_name; /* between peers */
	struct place at;
	struct proxy *px; /* NULL: of a peers section */
	enum smp_type type;
	uint32_t key_bytes; /* of strings: the most */
	uint32_t size;
	uint32_t expire_ms; /* 0: never */
	bool nopurge;
	enum stick_srvkey srvkey;
	const char *peers_section, *write_to_name;
	struct peers *peers;          /* NULL: not shared */
	struct stick_table *write_to; /* where what peers teach goes as well */
	/* what entries hold */
	uint32_t count[SD_TYPES];     /* elements, 0: not stored */
	uint32_t period_ms[SD_TYPES]; /* of rates */
	uint32_t offset[SD_TYPES];    /* in stick_entry.mem */
	uint32_t key_at, update_at, entry_bytes;
	/* run time */
	struct stick_shard *shards;
	uint32_t nshards; /* a power of two */
	_Atomic uint32_t used;
	struct stick_updates *updates; /* with peers: stick/updates.h */
	uint32_t peers_id;             /* 1 .., within its peers section */
};

/* All tables in the order of the configuration. */
extern struct list stick_tables;
/* What to do about a name that no table has, in @buf: the nearest name, or where tables are made. */
const char *stick_table_missing(const char *name, char *buf, size_t size);
struct stick_table *stick_table_find(struct slice name);

/* A key, as it lies in entries. `buf` holds those that are no slices of something else. */
struct stick_key {
	struct slice s;
	char buf[16];
};
/* false: the sample does not convert to the table's type. */
bool stick_key_make(const struct stick_table *t, struct sample *smp, const struct smp_ctx *ctx,
		    struct stick_key *key);
bool stick_key_addr(const struct stick_table *t, const struct addr *a, struct stick_key *key);
/* As commands write it. NULL, or what is wrong with it. */
const char *stick_key_parse(const struct stick_table *t, struct slice text, struct stick_key *key);
void stick_key_write(const struct stick_table *t, const struct stick_entry *e, struct strbuf *out);
static inline struct slice stick_entry_key(const struct stick_table *t, const struct stick_entry *e)
{
	return slice_make(e->mem + t->key_at, e->key_bytes);
}

/* Lays out the entries once all is known that they store; makes the shards. Control thread, before the workers start. */
void stick_table_build(struct stick_table *t, struct arena *a);

/* The entry of @key with its shard locked, or NULL with nothing locked. */
struct stick_entry *stick_find(struct stick_table *t, const struct stick_key *key);
/* The same, made when it is missing; NULL when the table is full (nopurge, or all is in use) or memory is out. */
struct stick_entry *stick_find_or_add(struct stick_table *t, const struct stick_key *key);
/* For holders of a ref or pin. */
void stick_lock(struct stick_table *t, struct stick_entry *e);
void stick_unlock(struct stick_table *t, struct stick_entry *e);
/* Locked: it was used now, its life begins anew. Local changes also go to peers with stick_changed(). */
void stick_touch(struct stick_table *t, struct stick_entry *e, uint64_t now_ms);
/* The same with a rest of life that differs (peers). */
void stick_touch_for(struct stick_table *t, struct stick_entry *e, uint64_t now_ms, uint32_t ms);
/* Locked: peers are to know. */
void stick_changed(struct stick_table *t, struct stick_entry *e);
/* ms to live; 0 also for those that live for ever. */
uint32_t stick_rest_ms(const struct stick_table *t, const struct stick_entry *e, uint64_t now_ms);
/* Unlocks; removed unless it is in use. false: it is. */
bool stick_remove_unlock(struct stick_table *t, struct stick_entry *e);
/* Expired entries go now. Any thread; cheap when nothing has expired. */
void stick_expire(struct stick_table *t, uint64_t now_ms);
uint32_t stick_used(struct stick_table *t);

/* All entries of shard @i, pinned, in a malloc()ed array. Give each back with stick_unpin(). */
struct stick_entry **stick_pin_shard(struct stick_table *t, uint32_t i, size_t *n);
void stick_unpin(struct stick_table *t, struct stick_entry *e);

/* ---- what an entry holds; locked ---- */
static inline bool stick_stores(const struct stick_table *t, enum stick_data d, uint32_t i)
{
	return i < t->count[d];
}
static inline void *stick_at(const struct stick_table *t, struct stick_entry *e, enum stick_data d,
			     uint32_t i)
{
	return e->mem + t->offset[d] + i * stick_kind_bytes(stick_data_rows[d].kind);
}
/* The value as commands and samples show it; rates: over their period. 0 for texts. */
uint64_t stick_value(const struct stick_table *t, struct stick_entry *e, enum stick_data d,
		     uint32_t i, uint64_t now_ms);
/* Sets a counter, or a rate to @v events since now. */
void stick_set_value(const struct stick_table *t, struct stick_entry *e, enum stick_data d,
		     uint32_t i, uint64_t v, uint64_t now_ms);
/* Adds to a counter or a rate when the table has it; the new count. */
uint64_t stick_add(const struct stick_table *t, struct stick_entry *e, enum stick_data d,
		   uint32_t i, uint64_t n, uint64_t now_ms);
const char *stick_text_of(const struct stick_table *t, struct stick_entry *e);
void stick_set_text(const struct stick_table *t, struct stick_entry *e, struct slice text);

#endif
