/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * set_priv.h - what the files of the map library share. Not for its users.
 */
#ifndef LBDMAP_SET_PRIV_H
#define LBDMAP_SET_PRIV_H

#include <lbdmap/lbdmap.h>
#include <limits.h>

/* How a map is made: one row each in maps.c. */
struct map_row {
	const char *name;
	uint32_t type, key_size, value_size, flags;
	uint32_t (*entries)(const struct lbdmap_sizes *sizes);
};
extern const struct map_row map_rows[LBDMAP_MAPS];
void sizes_default(struct lbdmap_sizes *sizes);

struct region;
struct tables {              /* the owner's book of the slot array: tables.c */
	struct region *list; /* sorted by offset */
	uint32_t n, room;
};

struct lbdmap_set {
	char pin[PATH_MAX];
	bool writable, owner;
	int dir_fd; /* the pin directory; locked while owner */
	int fd[LBDMAP_MAPS];
	uint32_t entries[LBDMAP_MAPS];
	void *mem[LBDMAP_MAPS]; /* NULL: not mapped */
	size_t mem_len[LBDMAP_MAPS];
	uint32_t next_slot[LBDMAP_MAPS]; /* where lbdmap_slot_take() goes on */
	uint8_t *taken[LBDMAP_MAPS];     /* a bit per slot handed out but not yet written */
	uint32_t deny_count;
	bool filter_stale;
	struct tables tables;
};

/* Typed views of the mappings. */
#define MEM(set, id, type) ((type *)(set)->mem[LBDMAP_##id])

int lbdmap_fail(struct lbdmap_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* 0, or -EROFS */
int set_must_own(const struct lbdmap_set *set);

int tables_adopt(struct lbdmap_set *set);
void tables_free(struct lbdmap_set *set);
uint64_t now_ns(void);

void filter_add(struct lbdmap_set *set, const union lbd_addr *a, uint16_t port_be, uint8_t proto);
int filter_rebuild(struct lbdmap_set *set);

#endif
