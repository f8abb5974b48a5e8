/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * set.h - a set of pinned maps: make, open, own, close. liblbdmap prints nothing; functions return 0 or
 * -errno and write the sentence for the user into struct lbdmap_error (NULL: not wanted).
 * A handle is used by one thread at a time.
 */
#ifndef LBDMAP_SET_H
#define LBDMAP_SET_H

#include <lbd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lbdmap_error {
	char text[512];
};

/* The maps of a set, in the order of their rows in maps.c. */
enum lbdmap_id {
	LBDMAP_CONTROL,
	LBDMAP_FILTER,
	LBDMAP_SERVICES,
	LBDMAP_BIND,
	LBDMAP_SERVICE,
	LBDMAP_SERVER,
	LBDMAP_LOAD,
	LBDMAP_SOURCE,
	LBDMAP_NEXTHOP,
	LBDMAP_LEARNED,
	LBDMAP_ROUTE,
	LBDMAP_SLOTS,
	LBDMAP_FLOW_TAG,
	LBDMAP_FLOW,
	LBDMAP_FLOW_REV,
	LBDMAP_FLOW_LOCK,
	LBDMAP_DEVICE,
	LBDMAP_LOCAL,
	LBDMAP_DENY,
	LBDMAP_SERVICE_COUNT,
	LBDMAP_SERVER_COUNT,
	LBDMAP_META,
	LBDMAP_OWNER,
	LBDMAP_EVENTS,
	LBDMAP_MAPS,
};

/* How many elements; 0 takes the default in brackets. */
struct lbdmap_sizes {
	uint32_t flows;      /* established flows guaranteed (65,536) */
	uint32_t services;   /* service slots and addresses (1,024) */
	uint32_t servers;    /* server slots (16,384) */
	uint32_t sources;    /* NAT addresses (1,024) */
	uint32_t nexthops;   /* (16,384) */
	uint32_t slot_words; /* all tables and rings together (4,194,304: 16 MB) */
	uint32_t routes;     /* (16,384) */
	uint32_t deny;       /* (131,072; allocated as used) */
};

struct lbdmap_set;

/*
 * Makes the set pinned in directory @pin (on a bpffs; made if missing), or adopts the one that is there:
 * *adopted says which. An adopted set keeps its sizes (lbdmap_flows()). Takes no ownership yet; open
 * descriptors go on working after privileges are dropped. -EPROTO: another ABI; the text names the command.
 */
int lbdmap_create(const char *pin, const struct lbdmap_sizes *sizes, struct lbdmap_set **set,
		  bool *adopted, struct lbdmap_error *err);
/*
 * Opens an existing set. @writable: to change things (ownership is still needed), else all is mapped read
 * only. -ENOENT: there is none.
 */
int lbdmap_open(const char *pin, bool writable, struct lbdmap_set **set, struct lbdmap_error *err);
/* Gives ownership back and closes; what is pinned stays. NULL is allowed. */
void lbdmap_close(struct lbdmap_set *set);
/* Detaches every program of the set and removes the pins: flows and tables are gone. Needs no open set. */
int lbdmap_cleanup(const char *pin, struct lbdmap_error *err);

/* ---- Ownership: exactly one writer ---------------------------------------------------------------- */

/* Becomes the writer: locks the pin directory, raises the epoch. -EBUSY: the text names the owner. */
int lbdmap_own(struct lbdmap_set *set, const char *program, struct lbdmap_error *err);
/* Read only from here on (hand-over in a reload); lbdmap_own() takes it back if nobody else did. */
void lbdmap_disown(struct lbdmap_set *set);
bool lbdmap_is_owner(const struct lbdmap_set *set);
/* Who writes: pid 0 if nobody holds the lock. */
void lbdmap_owner(struct lbdmap_set *set, struct lbd_owner *out);
/* Sign of life, once a second: without it for 3 s the programs ask the kernel for next hops. */
void lbdmap_heartbeat(struct lbdmap_set *set);
/* true if the owner gave a sign of life in the last 3 s. */
bool lbdmap_daemon_is_alive(struct lbdmap_set *set);

/* ---- The mapped arrays, for readers; written only through the functions of this library --------------- */

const struct lbd_control *lbdmap_control(const struct lbdmap_set *set);
const struct lbd_service *lbdmap_service(const struct lbdmap_set *set,
					 uint32_t slot); /* NULL: no such */
const struct lbd_server *lbdmap_server(const struct lbdmap_set *set, uint32_t slot);
const struct lbd_load *lbdmap_load(const struct lbdmap_set *set, uint32_t slot);
const struct lbd_source *lbdmap_source(const struct lbdmap_set *set, uint32_t slot);
const struct lbd_nexthop *lbdmap_nexthop(const struct lbdmap_set *set, uint32_t slot);
/* @n words at @offset of the slot array, or NULL. */
const uint32_t *lbdmap_words(const struct lbdmap_set *set, uint32_t offset, uint32_t n);

uint32_t lbdmap_entries(const struct lbdmap_set *set, enum lbdmap_id id);
int lbdmap_fd(const struct lbdmap_set *set, enum lbdmap_id id);
const char *lbdmap_pin(const struct lbdmap_set *set);
const char *lbdmap_name(enum lbdmap_id id);
uint64_t lbdmap_memory(const struct lbdmap_set *set); /* bytes of all maps, about */

/* ---- Time and addresses ------------------------------------------------------------------------------ */

uint32_t lbdmap_tick(void);            /* now */
uint32_t lbdmap_ticks_ms(uint64_t ms); /* rounded up; 0 stays 0 */
uint64_t lbdmap_ms_ticks(uint32_t ticks);
/* v4-mapped from the 4 bytes of an IPv4 address, or a copy of 16 bytes. */
void lbdmap_addr4(union lbd_addr *a, const void *ip4);
void lbdmap_addr6(union lbd_addr *a, const void *ip6);
bool lbdmap_addr_is_v4(const union lbd_addr *a);
#define LBDMAP_ADDR_TEXT 48
char *lbdmap_addr_text(const union lbd_addr *a, char buf[LBDMAP_ADDR_TEXT]);
int lbdmap_addr_parse(union lbd_addr *a, const char *text);

/* FNV-1a of a name: the identity of services and servers across restarts. */
uint64_t lbdmap_stable_id(const char *name);

#endif
