/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * balance.h - choosing a server of a backend. One algorithm per file, each a row. State belongs to the backend;
 * workers pick from a snapshot that the control thread swaps (RCU) when weights or states change.
 */
#ifndef LBD_BALANCE_BALANCE_H
#define LBD_BALANCE_BALANCE_H

#include "model/server.h"
#include <stdatomic.h>

struct stream;
struct smp_ctx;

/* What a pick may look at. The key is only read by hashing algorithms. */
struct pick_request {
	const struct addr *client; /* source address; family ADDR_NONE: none */
	const struct addr *
		dst; /* the address the client connected to; may be NULL unless the row wants_dst */
	bool is_udp;
	bool listener_is_ip6; /* the family of the listener decides the words (Documentation/hashing.md) */
	const struct smp_ctx
		*smp; /* to evaluate expressions in; may be NULL unless the row wants_sample */
	const struct server *avoid; /* redispatch: not this one if there is another */
	bool ignore_full;           /* also take servers at maxconn (the caller will queue there) */
};

struct balance_algorithm {
	const char *name; /* "roundrobin": first word of `balance`, up to a parenthesis */
	bool is_static;   /* weights only 0 % and 100 % at run time: ask balance_is_static() */
	bool by_hash; /* looks servers up as `hash-type` says; static only when that is map-based */
	bool takes_avoided; /* deterministic: a full server is not skipped, the request queues for it */
	bool wants_dst;     /* pick_request.dst is to be filled in */
	bool wants_sample; /* pick_request.smp is to be filled in */
	/* Parses from word @arg, the algorithm's name, on ("random(3)", "uri len 8"); b->conf is its own and is
	 * inherited from defaults sections. 0 or -1 with an error said. NULL: no arguments. */
	int (*parse)(struct cfg_line *l, int arg, struct balance *b);
	const char *usage; /* "random[(<draws>)]"; NULL: the name alone */
	/* Optional: once, after the configuration is read (b->px is known). 0 or -1 with an error said. */
	int (*check)(struct balance *b, struct diag *d);
	/* (Re)builds the snapshot from the servers' present state. Control thread; also at start. */
	int (*rebuild)(struct balance *b);
	/* NULL: nothing usable (or all usable ones are full and ignore_full is not set). Any worker, no lock held. */
	struct server *(*pick)(struct balance *b, const struct pick_request *r);
	/* Optional: a connection was given to / has left @s (leastconn). Any worker. */
	void (*took)(struct balance *b, struct server *s);
	void (*dropped)(struct balance *b, struct server *s);
	/* How the data path expresses it: "walk", "random", "least"; by_hash algorithms by balance_kernel_form();
	 * NULL: not in the kernel */
	const char *kernel_form;
	enum kernel_meaning kernel;
	const char *kernel_says;
	const char *help;
};
void balance_register(const struct balance_algorithm *rows, size_t n);
/* The row of that name, NULL if there is none. */
const struct balance_algorithm *balance_find(struct slice name);

enum hash_type { HASH_MAP_BASED, HASH_CONSISTENT, HASH_MAGLEV };

struct balance {
	struct proxy *px;
	const struct balance_algorithm *algo;
	enum hash_type hash_type;
	uint8_t hash_fn; /* <lbd/hash.h> */
	bool hash_fn_set, avalanche;
	uint32_t hash_balance_factor;
	void *conf;               /* the algorithm's parsed arguments */
	_Atomic(void *) snapshot; /* RCU: the algorithm's table; replaced whole */
	void *state;    /* the algorithm's mutable state (cursor, heap), with its own lock */
	bool user_only; /* with these arguments it is not in the kernel, whatever the row says */
	struct place at, hash_at; /* of the `balance` and `hash-type` lines; no file: by default */
	struct list dirty;        /* waits for its rebuild (balance.c) */
	bool ramps;               /* a server has minconn or slowstart: its limit moves by itself */
	/* Large backends remember that all servers were full: true while `freed` is still what it was then. */
	char on_a_line_of_its_own[64];
	_Atomic uint64_t freed;
	_Atomic uint64_t full_when;
	char for_what_follows[48];
};

/* Does the algorithm, with its hash-type, take only weights 0 % and 100 % at run time? */
bool balance_is_static(const struct balance *b);
/* "table" or "ring" for hashes, else the row's. */
const char *balance_kernel_form(const struct balance *b);
/*
 * The backend's servers that take part now, in file order, as the builders of balance/build.h want them; `index` is
 * server.index. @t has room for be->nservers. Returns how many. The data path builds its slots from the same list.
 */
struct lb_target;
size_t balance_targets(const struct proxy *be, struct lb_target *t);
/* What a client address is turned into before the look-up (<lbd/hash.h>); false: it has no IP address. */
bool balance_client_number(const struct balance *b, const struct addr *client, bool listener_is_ip6,
			   uint32_t *number);

/*
 * To be called behind everything that can make a full server take connections again: a slot was given back, its queue got
 * shorter, its state or limit changed. With many servers an overloaded backend would else look at all of them for
 * each request. Any worker.
 */
#define BALANCE_FEW_SERVERS 64
static inline void balance_freed(const struct proxy *be)
{
	if (be->nservers > BALANCE_FEW_SERVERS)
		atomic_fetch_add(&be->balance->freed, 1);
}

/* A server's part of the weights of all who take part: what those before it in the file have, its own, all. */
struct balance_share {
	uint64_t before, weight, all;
};
/* hash-balance-factor: has @s as much as it may have while others have less? Any worker. */
bool balance_has_its_share(const struct balance *b, const struct server *s,
			   const struct balance_share *share);

/* At its limit (dynamic between minconn and maxconn), or others wait for it already. Any worker. */
bool balance_server_is_full(const struct server *s);

/* The next pick will look at @s: among thousands of servers its lines are in no cache by then. */
static inline void balance_will_pick(const struct server *s)
{
	__builtin_prefetch(&s->px);
	__builtin_prefetch(&s->load, 1);
}

/* Shall a pick pass @s over? True for a full one (unless full ones are taken too) and the one to avoid. */
static inline bool pick_request_skips(const struct pick_request *r, const struct server *s)
{
	return s == r->avoid || !server_is_usable(s) ||
	       (!r->ignore_full && balance_server_is_full(s));
}

/* Picks for a stream; NULL: none usable. Counts nothing; the caller takes the slot (stream/upstream.h). */
struct server *balance_pick(struct proxy *be, const struct pick_request *r);
void balance_took(struct server *s);
void balance_dropped(struct server *s);
void balance_init(void);

#endif
