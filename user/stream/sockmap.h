/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sockmap.h - what the sockmap engine needs of the process: the loaded program, places for directions, and the counters of
 * what could not be done. Places belong to the worker that took them.
 */
#ifndef LBD_STREAM_SOCKMAP_H
#define LBD_STREAM_SOCKMAP_H

#include "base/slice.h"
#include <lbd/splice.h>
#include <stdatomic.h>

/* Why a direction, or the whole engine, is left to the others. */
enum sockmap_fallback {
	SOCKMAP_NOT_LOADED, /* all of the process */
	SOCKMAP_NOT_TCP,
	SOCKMAP_FULL,
	SOCKMAP_REFUSED,
	SOCKMAP_BUSY,
	SOCKMAP_FAILED,
	SOCKMAP_SLOW,
	SOCKMAP_FALLBACKS
};
struct sockmap_reason {
	const char *name, *help;
};
extern const struct sockmap_reason sockmap_reasons[SOCKMAP_FALLBACKS];
extern _Atomic uint64_t sockmap_fallbacks[SOCKMAP_FALLBACKS];
static inline void sockmap_fell_back(enum sockmap_fallback why)
{
	atomic_fetch_add_explicit(&sockmap_fallbacks[why], 1, memory_order_relaxed);
}

/* `tune.splice sockmap` asks for it. */
extern bool sockmap_wanted;
/* It is loaded and has passed its test: relays may use it. Fixed before the workers start. */
extern bool sockmap_ready;
void sockmap_init(void);

/* A zeroed place of this worker's, whose relay is called when its reader is slow; false: none left. */
struct relay;
bool sockmap_slot_take(struct relay *r, uint32_t *slot, struct lbd_splice_dir **shared);
/* It rests a moment before it is used again: another CPU may just count in it. */
void sockmap_slot_give(uint32_t slot);
/* 0 or -errno; see lbdmap/sockmap.h. */
int sockmap_add(uint64_t cookie, uint32_t slot, int from, int to);
void sockmap_forget(uint64_t cookie);

/* Moves bytes over loopback by the program that was just loaded. NULL: all as it should be, else what is wrong. */
struct lbdmap_sockmap;
const char *sockmap_selftest(struct lbdmap_sockmap *m);

#endif
