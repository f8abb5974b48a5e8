/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peers_codec.h - how HAProxy's peers protocol 2.1 (doc/peers.txt) writes numbers, messages, keys and data. Bytes in,
 * bytes out: no sockets. What other peers send is not trusted: every read is bounded.
 */
#ifndef LBD_STICK_PEERS_CODEC_H
#define LBD_STICK_PEERS_CODEC_H

#include "base/strbuf.h"
#include "stick/table.h"

#define PEERS_MESSAGE_MAX 16384
#define PEERS_DICT        128 /* texts that a connection's both ends remember */

enum peers_class { PEERS_CONTROL = 0, PEERS_ERROR = 1, PEERS_TABLE = 10 };
enum peers_control {
	PEERS_RESYNC = 0,
	PEERS_FINISHED = 1,
	PEERS_PARTIAL = 2,
	PEERS_CONFIRM = 3,
	PEERS_HEARTBEAT = 4
};
enum peers_error { PEERS_PROTOCOL_ERROR = 0, PEERS_SIZE_ERROR = 1 };
enum peers_table_type {
	PEERS_UPDATE = 128,
	PEERS_UPDATE_INC = 129,
	PEERS_DEFINE = 130,
	PEERS_SWITCH = 131,
	PEERS_ACK = 132,
	PEERS_UPDATE_TIMED = 133,
	PEERS_UPDATE_INC_TIMED = 134,
};

/* What is left to read of a message. */
struct peers_reader {
	const unsigned char *p, *end;
};
static inline size_t peers_left(const struct peers_reader *r)
{
	return (size_t)(r->end - r->p);
}
/* false: the bytes end, or the number is longer than 64 bits. */
bool peers_get_int(struct peers_reader *r, uint64_t *v);
bool peers_get_be32(struct peers_reader *r, uint32_t *v);
void peers_put_int(struct strbuf *b, uint64_t v);
void peers_put_be32(struct strbuf *b, uint32_t v);

struct peers_message {
	uint8_t class, type;
	struct peers_reader body;
};
/* The message at the begin of @in: its length with the head, 0: incomplete, -EMSGSIZE, -EPROTO. */
ssize_t peers_message_get(struct slice in, struct peers_message *m);
/* A message of two bytes, or one whose body is @body. */
void peers_message_put(struct strbuf *b, uint8_t class, uint8_t type, const struct strbuf *body);

/* ---- definitions of tables ---- */
struct peers_definition {
	uint64_t id, key_type, key_bytes, types, expire_ms;
	struct slice name;
	uint32_t count[SD_TYPES], period_ms[SD_TYPES];
};
/* false: malformed. Types that are not known here end what is read of it. */
bool peers_definition_get(struct peers_reader *r, struct peers_definition *d);
void peers_definition_put(struct strbuf *b, const struct stick_table *t, uint32_t id);
/* Has the other side's table the same kind of keys? */
bool peers_definition_fits(const struct peers_definition *d, const struct stick_table *t);

/* ---- texts by number, each direction of a connection its own ---- */
struct peers_dict {
	struct stick_text *text[PEERS_DICT];
	uint32_t next; /* the one to be replaced: sending */
};
void peers_dict_drop(struct peers_dict *d);

/* ---- entries ---- */
/* The entry's key and data, as the table defines them. Its shard is locked. */
void peers_entry_put(struct strbuf *b, const struct stick_table *t, struct stick_entry *e,
		     struct peers_dict *dict, uint64_t now_ms);
bool peers_key_get(struct peers_reader *r, const struct stick_table *t, struct stick_key *key);
/*
 * Reads the values that @d announces into the entry (locked; NULL: they are only read); @tags_only: of them only those that
 * say what something is (server_id, server_key, tags), not how often. What the table does not store, or stores in another way, is skipped;
 * conn_cur is this host's own matter. false: malformed.
 */
bool peers_values_get(struct peers_reader *r, const struct peers_definition *d,
		      struct peers_dict *dict, const struct stick_table *t, struct stick_entry *e,
		      bool tags_only, uint64_t now_ms);

#endif
