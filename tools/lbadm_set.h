/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lbadm_set.h - the pinned set as commands see it: opening with a message, names by stable id.
 */
#ifndef LBADM_SET_H
#define LBADM_SET_H

#include <lbdmap/lbdmap.h>

#include "lbadm.h"

#define NAME_MAX_TEXT LBD_TEXT

/* This user may look into a->pin, or it does not exist: where he may not, "nothing is attached" would be a guess. */
bool adm_may_look(const struct adm *a);
/* Opens the set of a->pin; NULL with the message said. Close with lbdmap_close(). */
struct lbdmap_set *adm_open(const struct adm *a, bool writable);
/* "web", "app/s1"; "#<id>" when meta does not know it. @buf of NAME_MAX_TEXT bytes; returns buf. */
char *adm_name(struct lbdmap_set *set, enum lbd_meta_kind kind, uint64_t id, char *buf);
/* "/etc/haproxy/haproxy.cfg:12", or "" */
char *adm_place(struct lbdmap_set *set, uint64_t id, char *buf);
/* Slot of the service or server (kind) with that name; 0: none. */
uint32_t adm_slot(struct lbdmap_set *set, enum lbd_meta_kind kind, const char *name);
/* The daemon's stats socket: what -s said, else what the daemon wrote; NULL: none. @buf as above. */
const char *adm_socket(const struct adm *a, struct lbdmap_set *set, char *buf);
/* "source: pinned maps, generation 17; daemon pid 812 is alive" */
void adm_print_source(struct lbdmap_set *set);
/* Takes ownership for one edit; 0, or ADM_FAILED with the message said (somebody else writes). */
int adm_own(struct lbdmap_set *set);
/* Writes who changed what to syslog (authpriv), with the user's name. */
void adm_audit(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
