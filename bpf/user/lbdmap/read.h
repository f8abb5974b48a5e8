/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * read.h - flows, counters, reasons, and typed access by names for `lbadm map`. Works without a daemon.
 */
#ifndef LBDMAP_READ_H
#define LBDMAP_READ_H

#include <lbdmap/set.h>

/* ---- Flows --------------------------------------------------------------------------------------------- */

/*
 * The next flow at or after *cursor (start with 0), read consistently; *cursor then stands behind it. 1, or 0 at the
 * end. *place: its number in the table. Nothing is locked; flows that come and go meanwhile may be missed.
 */
int lbdmap_flow_next(struct lbdmap_set *set, uint32_t *cursor, struct lbd_flow *out,
		     uint32_t *place);
/* Reads one place; -ENOENT: free. */
int lbdmap_flow_read(struct lbdmap_set *set, uint32_t place, struct lbd_flow *out);
/* The flow of a client's tuple; -ENOENT. */
int lbdmap_flow_find(struct lbdmap_set *set, const union lbd_addr *client, uint16_t cport_be,
		     const union lbd_addr *vip, uint16_t vport_be, uint8_t proto,
		     struct lbd_flow *out, uint32_t *place);
/*
 * Its next packets are answered by RST. @flow: as read (its seq must still stand). -ESTALE: it has become
 * another's place. Needs a writable set, no ownership: one compare-and-swap.
 */
int lbdmap_flow_kill(struct lbdmap_set *set, uint32_t place, const struct lbd_flow *flow);
/*
 * Ends idle flows among the @max places from *cursor on (wraps to 0 at the end), so that `flows` counts
 * stay true without traffic. Owner only. How many ended, or -errno.
 */
int lbdmap_flow_sweep(struct lbdmap_set *set, uint32_t *cursor, uint32_t max);
const char *lbdmap_flow_state_name(uint8_t state);

/* ---- Counters and reasons ------------------------------------------------------------------------------ */

/* Summed over CPUs; flows_closed includes what user space's sweep ended. */
int lbdmap_service_count(struct lbdmap_set *set, uint32_t slot, struct lbd_service_count *out);
int lbdmap_server_count(struct lbdmap_set *set, uint32_t slot, struct lbd_server_count *out);

struct lbdmap_reason {
	const char *name;
	uint8_t verdict; /* enum lbd_verdict */
	const char *help;
};
extern const struct lbdmap_reason lbdmap_reasons[LBD_R_MAX];
const char *lbdmap_verdict_name(uint32_t verdict);

/* ---- Named fields ---------------------------------------------------------------------------------------- */

enum lbdmap_type {
	LBDMAP_T_UINT,
	LBDMAP_T_INT,
	LBDMAP_T_HEX,
	LBDMAP_T_PORT_BE,
	LBDMAP_T_ADDR,
	LBDMAP_T_MAC,
	LBDMAP_T_TICKS, /* a duration; written as "300ms", "5s" */
	LBDMAP_T_TICK,  /* a moment; written as its age */
	LBDMAP_T_ENUM,
	LBDMAP_T_FLAGS,
	LBDMAP_T_PROTO,
	LBDMAP_T_TABLE,
	LBDMAP_T_WORD,
	LBDMAP_T_TEXT,
	LBDMAP_T_LEN,   /* of a prefix: as the family counts it */
	LBDMAP_T_UINTS, /* an array of numbers */
};
struct lbdmap_field {
	const char *name;
	uint16_t offset, size;
	uint8_t type;             /* enum lbdmap_type */
	const char *const *names; /* ENUM: by value; FLAGS: by bit; NULL-terminated */
	const char *help;
};
struct lbdmap_map {
	enum lbdmap_id id;
	const char *name, *help;
	bool is_array; /* the key is the slot */
	bool percpu;   /* values are summed over CPUs */
	bool editable; /* set and del make sense */
	uint16_t key_size, value_size;
	const struct lbdmap_field *key, *value; /* ended by a NULL name */
};
/* All maps that have named fields; *n rows. */
const struct lbdmap_map *lbdmap_maps(size_t *n);
const struct lbdmap_map *lbdmap_map_find(const char *name);

/* Iterates keys: *started false at first. 1 with the next key in @key, 0 at the end. Arrays: used elements only. */
int lbdmap_map_next(struct lbdmap_set *set, const struct lbdmap_map *m, bool *started, void *key);
int lbdmap_map_get(struct lbdmap_set *set, const struct lbdmap_map *m, const void *key,
		   void *value);
/* Owner only, -EPERM for maps that are not editable. */
int lbdmap_map_set(struct lbdmap_set *set, const struct lbdmap_map *m, const void *key,
		   const void *value);
int lbdmap_map_del(struct lbdmap_set *set, const struct lbdmap_map *m, const void *key);

/* A field of the key or value at @base as text; returns buf. */
char *lbdmap_field_text(const struct lbdmap_field *f, const void *base, char *buf, size_t size);
/* The reverse; -EINVAL with the sentence, naming what is allowed. */
int lbdmap_field_parse(const struct lbdmap_field *f, void *base, const char *text,
		       struct lbdmap_error *err);
const struct lbdmap_field *lbdmap_field_find(const struct lbdmap_field *fields, const char *name);

#endif
