/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live_index.h - the entries of an ACL or map file as one matching method needs them, while they change. Numbers, ranges and networks
 * are kept as blocks of a power of two (a range of ports is some ten of them), so that they are keys of a hash table like texts are;
 * regular expressions and odd netmasks are a list. One writer at a time, readers without locks (RCU).
 */
#ifndef LBD_POLICY_LIVE_INDEX_H
#define LBD_POLICY_LIVE_INDEX_H

#include "policy/live_table.h"
#include "policy/pattern.h"

/* Two uses of a file with the same method share one. */
struct live_method {
	enum match_kind kind;
	bool icase;
	bool groups; /* regular expressions keep their groups */
};

struct live_pattern;
struct live_index {
	struct live_method how;
	struct live_table table;
	struct live_pattern *list, *list_last; /* RCU; the last: writer */
};

void live_index_init(struct live_index *ix, const struct live_method *how);
/* About @n entries will come; before the first. Writer. */
void live_index_reserve(struct live_index *ix, uint32_t n);
void live_index_fini(struct live_index *ix);
/* Makes the keys of @e. 0, or -1 with @err filled and nothing added. @dns: host names may stand for addresses. Writer. */
int live_index_add(struct live_index *ix, uint16_t number, struct pat_entry *e, bool dns,
		   struct pattern_error *err);
/* Takes one key out; its memory stays, for readers. Writer. */
void live_index_remove(struct live_index *ix, struct live_node *n);
/* When no reader is left. */
void live_node_free(struct live_node *n);
size_t live_index_bytes(const struct live_index *ix);
/* Is this method answered by the hash table (else by trying in turn)? */
bool live_index_is_table(const struct live_index *ix, const struct live_node *n);

/* @s was cast to match_of(kind)->takes. NULL: nothing matches. */
const struct live_node *live_index_find(const struct live_index *ix, const struct sample *s,
					enum live_want want);
/* For maps: the longest prefix, the smallest network, else the first of the file. */
enum live_want live_index_best(enum match_kind kind);
/* The regular expression of a found node. */
const struct regex *live_node_regex(const struct live_node *n);

#endif
