// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peers_sync.c - what peers tell each other once they have said hello: definitions of tables, entries, acknowledgements,
 * requests for everything. No sockets here: bytes are in l->in and go to l->out. Control thread.
 */
#include "stick/peers.h"
#include "log/log.h"
#include "model/proxy.h"
#include <errno.h>
#include <stdlib.h>

#define LEARN_MS   5000
#define OUT_ENOUGH 65536

uint32_t peers_updates_at_once = 200;

/* ---- what is sent ---- */

static void send_control(struct peer_link *l, uint8_t type)
{
	peers_message_put(&l->out, PEERS_CONTROL, type, NULL);
}

static uint32_t local_id(const struct peer_link *l, const struct peer_table *pt)
{
	return (uint32_t)(pt - l->peer->tables) + 1;
}

/* Updates mean the table that was defined last. */
static void send_definition(struct peer_link *l, struct peer_table *pt)
{
	struct strbuf body = STRBUF_INIT;

	if (l->tx_table == pt)
		return;
	l->tx_table = pt;
	peers_definition_put(&body, pt->t, local_id(l, pt));
	peers_message_put(&l->out, PEERS_TABLE, PEERS_DEFINE, &body);
	strbuf_fini(&body);
}

/* Peers with a number get only the entries of their share. */
static bool is_for(const struct peer_link *l, const struct stick_entry *e)
{
	return !l->peer->shard || !l->section->shards || l->peer->local ||
	       e->hash % l->section->shards + 1 == l->peer->shard;
}

static void send_entry(struct peer_link *l, struct peer_table *pt, struct stick_entry *e,
		       uint32_t seq)
{
	bool next = l->tx_table == pt && seq == pt->pushed + 1;
	struct strbuf body = STRBUF_INIT;

	send_definition(l, pt);
	if (!next)
		peers_put_be32(&body, seq);
	stick_lock(pt->t, e);
	peers_put_be32(&body, stick_rest_ms(pt->t, e, this_loop->now_ms));
	peers_entry_put(&body, pt->t, e, &l->tx, this_loop->now_ms);
	stick_unlock(pt->t, e);
	if (body.n <= PEERS_MESSAGE_MAX && !body.oom)
		peers_message_put(&l->out, PEERS_TABLE,
				  next ? PEERS_UPDATE_INC_TIMED : PEERS_UPDATE_TIMED, &body);
	strbuf_fini(&body);
	pt->pushed = seq;
}

static void send_acks(struct peer_link *l)
{
	for (uint32_t i = 0; i < l->section->ntables; i++) {
		struct peer_table *pt = &l->peer->tables[i];
		struct strbuf body = STRBUF_INIT;

		if (!pt->ack_due)
			continue;
		pt->ack_due = false;
		peers_put_int(&body, pt->def.id);
		peers_put_be32(&body, pt->got);
		peers_message_put(&l->out, PEERS_TABLE, PEERS_ACK, &body);
		strbuf_fini(&body);
	}
}

/* ---- teaching: all entries ---- */

static void teach_drop(struct peer_link *l)
{
	struct peer_teach *te = &l->teach;

	for (; te->at < te->n; te->at++)
		stick_unpin(l->section->tables[te->table], te->pinned[te->at]);
	free(te->pinned);
	*te = (struct peer_teach){ .on = false };
}

static void teach_start(struct peer_link *l)
{
	teach_drop(l);
	l->teach.on = true;
	for (uint32_t i = 0; i < l->section->ntables; i++) {
		struct peer_table *pt = &l->peer->tables[i];

		/* what changes from now on is told after it */
		pt->pushed = stick_updates_seq(pt->t);
		stick_mark_set(pt->t, &pt->mark, pt->pushed);
	}
}

/* The next entry, pinned; NULL: that was the last. Table @te->table is the one it is in. */
static struct stick_entry *teach_next(struct peer_link *l)
{
	struct peer_teach *te = &l->teach;

	while (te->at == te->n) {
		struct stick_table *t;

		free(te->pinned);
		te->pinned = NULL;
		te->at = te->n = 0;
		if (te->table == l->section->ntables)
			return NULL;
		t = l->section->tables[te->table];
		if (te->shard == t->nshards) {
			te->table++;
			te->shard = 0;
			continue;
		}
		te->pinned = stick_pin_shard(t, te->shard++, &te->n);
	}
	return te->pinned[te->at++];
}

/* true: there is more. */
static bool teach_some(struct peer_link *l)
{
	for (uint32_t n = 0; n < peers_updates_at_once && l->out.n < OUT_ENOUGH; n++) {
		struct stick_entry *e = teach_next(l);
		struct peer_table *pt = &l->peer->tables[l->teach.table];
		uint32_t seq;

		if (!e) {
			teach_drop(l);
			l->teach.confirm_due = true;
			send_control(l, l->section->phase == PEERS_LEARNED ? PEERS_FINISHED
									   : PEERS_PARTIAL);
			return false;
		}
		if (is_for(l, e)) {
			seq = pt->pushed;
			pt->pushed = seq - 2; /* each with its number, which is the same for all */
			send_entry(l, pt, e, seq);
		}
		stick_unpin(pt->t, e);
	}
	return true;
}

static bool push_table(struct peer_link *l, struct peer_table *pt)
{
	struct stick_entry *e;
	uint32_t seq;

	for (uint32_t n = 0; n < peers_updates_at_once && l->out.n < OUT_ENOUGH; n++) {
		e = stick_mark_next(pt->t, &pt->mark, &seq);
		if (!e)
			return false;
		if (is_for(l, e))
			send_entry(l, pt, e, seq);
		else
			pt->pushed = seq;
		stick_unpin(pt->t, e);
	}
	return true;
}

bool peers_sync_output(struct peer_link *l)
{
	bool more = false;

	send_acks(l);
	if (l->teach.on)
		return teach_some(l);
	if (l->teach.confirm_due || l->section->stopping)
		return false;
	for (uint32_t i = 0; i < l->section->ntables; i++)
		more |= push_table(l, &l->peer->tables[i]);
	return more;
}

/* ---- who teaches us ---- */

static void phase_set(struct peers *p, enum peers_phase phase)
{
	p->phase = phase;
	p->phase_until_ms = control_loop.now_ms + LEARN_MS;
	p->teacher = NULL;
}

void peers_sync_phase(struct peers *p)
{
	struct peer *peer;

	if (p->phase == PEERS_LEARNED || p->stopping)
		return;
	if (p->phase == PEERS_LEARN_LOCAL && control_loop.now_ms >= p->phase_until_ms)
		phase_set(p, PEERS_LEARN_REMOTE);
	if (p->phase != PEERS_LEARN_REMOTE || p->teacher)
		return;
	list_for_each_entry(peer, &p->list, node) {
		if (peer->local || peer->fruitless || !peer->link ||
		    peer->link->state != PEER_ESTABLISHED)
			continue;
		p->teacher = peer;
		send_control(peer->link, PEERS_RESYNC);
		task_wake(&control_loop, &peer->link->task);
		return;
	}
	if (control_loop.now_ms >= p->phase_until_ms)
		phase_set(p, PEERS_LEARNED); /* nobody is there: as it is */
}

static void taught(struct peer_link *l, bool all)
{
	struct peers *p = l->section;
	bool by_local = l->peer->local && p->phase == PEERS_LEARN_LOCAL;

	send_control(l, PEERS_CONFIRM);
	if (p->teacher != l->peer && !by_local)
		return;
	if (all) {
		phase_set(p, PEERS_LEARNED);
		return;
	}
	l->peer->fruitless = true;
	phase_set(p, by_local ? PEERS_LEARN_LOCAL : PEERS_LEARN_REMOTE);
	peers_sync_phase(p);
}

/* ---- what comes in ---- */

static int protocol_error(struct peer_link *l)
{
	l->peer->protocol_errors++;
	peers_message_put(&l->out, PEERS_ERROR, PEERS_PROTOCOL_ERROR, NULL);
	return -1;
}

static int take_control(struct peer_link *l, uint8_t type)
{
	switch (type) {
	case PEERS_RESYNC:
		if (!l->section->stopping) /* it is under way then */
			teach_start(l);
		break;
	case PEERS_FINISHED:
		taught(l, true);
		break;
	case PEERS_PARTIAL:
		taught(l, false);
		break;
	case PEERS_CONFIRM:
		l->teach.confirm_due = false;
		if (l->section->stopping)
			return -1; /* the new process knows all */
		break;
	case PEERS_HEARTBEAT:
		l->peer->rx_heartbeats++;
		break;
	default:
		return protocol_error(l);
	}
	return 0;
}

static int take_definition(struct peer_link *l, struct peers_reader *r)
{
	struct peers_definition d;

	if (!peers_definition_get(r, &d))
		return protocol_error(l);
	l->rx_table = NULL;
	for (uint32_t i = 0; i < l->section->ntables; i++) {
		struct peer_table *pt = &l->peer->tables[i];

		if (!slice_eq_z(d.name, pt->t->peers_name) || !peers_definition_fits(&d, pt->t))
			continue;
		pt->def = d;
		pt->def.name = SLICE_NONE;
		pt->announced = true;
		l->rx_table = pt;
	}
	return 0; /* of a table that is not here nothing is read */
}

static int take_switch(struct peer_link *l, struct peers_reader *r)
{
	uint64_t id;

	if (!peers_get_int(r, &id))
		return protocol_error(l);
	l->rx_table = NULL;
	for (uint32_t i = 0; i < l->section->ntables; i++)
		if (l->peer->tables[i].announced && l->peer->tables[i].def.id == id)
			l->rx_table = &l->peer->tables[i];
	return 0;
}

/* The same into the table that `write-to` names: what is a tag, and its life. */
static void write_through(struct peer_link *l, struct peer_table *pt, const struct stick_key *key,
			  struct peers_reader values, uint32_t rest_ms)
{
	struct stick_table *to = pt->t->write_to;
	struct stick_entry *e = stick_find_or_add(to, key);

	if (!e)
		return;
	peers_values_get(&values, &pt->def, &l->rx, to, e, true, this_loop->now_ms);
	stick_touch_for(to, e, this_loop->now_ms, rest_ms);
	stick_unlock(to, e);
}

static int take_update(struct peer_link *l, uint8_t type, struct peers_reader *r)
{
	bool inc = type == PEERS_UPDATE_INC || type == PEERS_UPDATE_INC_TIMED;
	bool timed = type == PEERS_UPDATE_TIMED || type == PEERS_UPDATE_INC_TIMED;
	struct peer_table *pt = l->rx_table;
	struct peers_reader values;
	struct stick_entry *e;
	struct stick_key key;
	uint32_t seq, rest_ms = UINT32_MAX;
	bool ok;

	if (!pt)
		return 0;
	seq = pt->got + 1;
	if ((!inc && !peers_get_be32(r, &seq)) || (timed && !peers_get_be32(r, &rest_ms)) ||
	    !peers_key_get(r, pt->t, &key))
		return protocol_error(l);
	pt->got = seq;
	pt->ack_due = true;
	values = *r;
	e = stick_find_or_add(pt->t, &key);
	ok = peers_values_get(r, &pt->def, &l->rx, pt->t, e, false, this_loop->now_ms);
	if (e) {
		stick_touch_for(pt->t, e, this_loop->now_ms, rest_ms);
		stick_unlock(pt->t, e);
	}
	if (!ok)
		return protocol_error(l);
	if (pt->t->write_to)
		write_through(l, pt, &key, values, rest_ms);
	return 0;
}

static int take_ack(struct peer_link *l, struct peers_reader *r)
{
	struct peer_table *pt;
	uint64_t id;
	uint32_t seq;

	if (!peers_get_int(r, &id) || !peers_get_be32(r, &seq))
		return protocol_error(l);
	if (id < 1 || id > l->section->ntables)
		return 0;
	pt = &l->peer->tables[id - 1];
	/* numbers that were not sent are no news */
	if ((int32_t)(seq - pt->acked) > 0 && (int32_t)(pt->pushed - seq) >= 0)
		pt->acked = seq;
	return 0;
}

static int take_message(struct peer_link *l, struct peers_message *m)
{
	if (m->class == PEERS_CONTROL)
		return take_control(l, m->type);
	if (m->class == PEERS_ERROR)
		return -1;
	if (m->class != PEERS_TABLE)
		return protocol_error(l);
	switch (m->type) {
	case PEERS_DEFINE:
		return take_definition(l, &m->body);
	case PEERS_SWITCH:
		return take_switch(l, &m->body);
	case PEERS_ACK:
		return take_ack(l, &m->body);
	case PEERS_UPDATE:
	case PEERS_UPDATE_INC:
	case PEERS_UPDATE_TIMED:
	case PEERS_UPDATE_INC_TIMED:
		return take_update(l, m->type, &m->body);
	default:
		return 0; /* of a later version */
	}
}

int peers_sync_input(struct peer_link *l)
{
	size_t at = 0;
	int rc = 0;

	while (!rc) {
		struct peers_message m;
		ssize_t n = peers_message_get(slice_make(l->in.p + at, l->in.n - at), &m);

		if (n == 0)
			break;
		if (n < 0) {
			l->peer->protocol_errors++;
			peers_message_put(&l->out, PEERS_ERROR,
					  n == -EMSGSIZE ? PEERS_SIZE_ERROR : PEERS_PROTOCOL_ERROR,
					  NULL);
			return -1;
		}
		at += (size_t)n;
		rc = take_message(l, &m);
	}
	strbuf_drop(&l->in, at);
	return rc;
}

/* ---- begin and end ---- */

void peers_sync_start(struct peer_link *l)
{
	for (uint32_t i = 0; i < l->section->ntables; i++) {
		struct peer_table *pt = &l->peer->tables[i];

		pt->announced = pt->ack_due = false;
		pt->got = 0;
		/* what was not acknowledged is told again */
		stick_mark_set(pt->t, &pt->mark, pt->acked);
		pt->pushed = pt->acked;
	}
	if (l->section->stopping)
		teach_start(l);
	else if (l->peer->local && l->section->phase == PEERS_LEARN_LOCAL)
		send_control(l, PEERS_RESYNC); /* HAProxy's old process waits for it */
	peers_sync_phase(l->section);
}

void peers_sync_end(struct peer_link *l)
{
	struct peers *p = l->section;

	teach_drop(l);
	peers_dict_drop(&l->rx);
	peers_dict_drop(&l->tx);
	if (l->peer && p->teacher == l->peer)
		p->teacher = NULL; /* another one is asked */
}
