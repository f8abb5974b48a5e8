/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prog.h - loading the packet programs against a set, attaching them, asking them (explain).
 */
#ifndef LBDMAP_PROG_H
#define LBDMAP_PROG_H

#include <lbdmap/set.h>

struct lbdmap_prog;

/*
 * Loads the program of @hook (LBD_HOOK_XDP, _XDP_GENERIC: the XDP one; _TCX, _CLSACT: the TC one). @dry_run: stores
 * nothing, fills `explain`. The verifier's last words are in @err. Needs CAP_BPF and CAP_NET_ADMIN.
 */
int lbdmap_prog_load(struct lbdmap_set *set, enum lbd_hook hook, bool dry_run,
		     struct lbdmap_prog **prog, struct lbdmap_error *err);
int lbdmap_prog_fd(const struct lbdmap_prog *prog);
void lbdmap_prog_free(struct lbdmap_prog *prog); /* what is attached stays */

/*
 * Attaches @prog at @hook of the interface, and pins the link in the set (links/<hook>-<ifindex>), so
 * that it outlives us. A link of ours that is there already gets the new program without a gap.
 * -EBUSY: somebody else's program is there; -EOPNOTSUPP: the hook does not exist here: try the next
 * (XDP, XDP_GENERIC, TCX, CLSACT).
 */
int lbdmap_attach(struct lbdmap_set *set, const struct lbdmap_prog *prog, enum lbd_hook hook,
		  uint32_t ifindex, struct lbdmap_error *err);
int lbdmap_detach(const char *pin, enum lbd_hook hook, uint32_t ifindex, struct lbdmap_error *err);
/* The off switch: @ifindex 0: everywhere. How many were detached, or -errno. Needs no daemon and no open set. */
int lbdmap_detach_all(const char *pin, uint32_t ifindex, struct lbdmap_error *err);

struct lbdmap_link {
	uint32_t ifindex;
	enum lbd_hook hook;
	uint32_t prog_id;
};
/* What is attached; up to @max rows, returns how many there are, or -errno. */
int lbdmap_links(const char *pin, struct lbdmap_link *links, int max);
const char *lbdmap_hook_name(enum lbd_hook hook); /* "xdp", "xdp-generic", "tcx", "clsact" */

/* ---- Explain --------------------------------------------------------------------------------------------- */

struct lbdmap_question {
	union lbd_addr src, dst;
	uint16_t sport_be, dport_be;
	uint8_t proto;
	uint8_t tcp_flags; /* 0: SYN */
	uint8_t ttl;       /* 0: 64 */
	uint32_t ifindex;  /* where it comes in; must exist */
	enum lbd_hook hook;
};
/* Asks a program that was loaded with dry_run. */
int lbdmap_explain(const struct lbdmap_prog *prog, const struct lbdmap_question *q,
		   struct lbd_explain *out, struct lbdmap_error *err);
/* The same for any frame (Ethernet header first). */
int lbdmap_explain_frame(const struct lbdmap_prog *prog, const void *frame, size_t len,
			 uint32_t ifindex, struct lbd_explain *out, struct lbdmap_error *err);

#endif
