// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peers_show.c - the command `show peers`, in the form of HAProxy 2.6. Control thread.
 */
#include "admin/private.h"
#include "base/units.h"
#include "model/server.h"
#include "stick/peers.h"
#include <time.h>

static const char *state_name(const struct peer *peer)
{
	if (!peer->link)
		return "NONE";
	switch (peer->link->state) {
	case PEER_CONNECTING:
		return "CONN";
	case PEER_SENT_HELLO:
	case PEER_WAITS_HELLO:
		return "HSHK";
	case PEER_ESTABLISHED:
		return "ESTA";
	default:
		return "END";
	}
}

static void write_span(struct strbuf *o, const char *name, bool set, int64_t ms)
{
	char text[64];

	if (!set)
		strbuf_addf(o, " %s=<NEVER>", name);
	else if (ms <= 0)
		strbuf_addf(o, " %s=<PAST>", name);
	else
		strbuf_addf(o, " %s=%s", name,
			    format_duration(text, sizeof(text), (uint64_t)ms / 1000));
}

static void write_table(struct strbuf *o, struct peer *peer, struct peer_table *pt, bool dict)
{
	struct stick_table *t = pt->t;
	uint32_t seq = stick_updates_seq(t);

	strbuf_addf(
		o,
		"          %p local_id=%u remote_id=%llu flags=0x%x remote_data=0x%llx\n"
		"              last_acked=%u last_pushed=%u last_get=%u teaching_origin=0 "
		"update=%u\n"
		"              table:%p id=%s update=%u localupdate=%u commitupdate=%u refcnt=1\n",
		(void *)pt, t->peers_id, (unsigned long long)pt->def.id, pt->announced,
		(unsigned long long)pt->def.types, pt->acked, pt->pushed, pt->got, seq, (void *)t,
		t->name, seq, seq, pt->acked);
	if (!dict)
		strbuf_adds(o, "        Dictionary cache not dumped (use \"show peers dict\")\n");
}

static void write_dict(struct strbuf *o, const char *title, const struct peers_dict *d)
{
	strbuf_addf(o, "        %s dictionary cache:\n", title);
	for (int i = 0; i < PEERS_DICT; i++)
		if (d->text[i])
			strbuf_addf(o, "          %3d -> %s\n", i, d->text[i]->z);
}

static void write_peer(struct strbuf *o, struct peer *peer, bool dict)
{
	uint64_t now = control_loop.now_ms;
	const struct peer_link *l = peer->link;
	char addr[ADDR_TEXT_MAX] = "-";

	if (peer->srv)
		addr_text(&peer->srv->addr, addr, sizeof(addr));
	else if (peer->local && !list_empty(&peer->section->px->binds))
		addr_text(&list_first(&list_first(&peer->section->px->binds, struct bind_conf, node)
					       ->addresses,
				      struct bind_address, node)
				   ->addr,
			  addr, sizeof(addr));
	strbuf_addf(o, "  %p: id=%s(%s,%s) addr=%s last_status=%s", (void *)peer, peer->name,
		    peer->local ? "local" : "remote", l ? "active" : "inactive", addr,
		    l && l->state == PEER_ESTABLISHED ? "ESTA" : peer->last_status);
	write_span(o, "last_hdshk", peer->hello_ms != 0, (int64_t)(now - peer->hello_ms) + 1);
	strbuf_adds(o, "\n       ");
	write_span(o, "reconnect", peer->reconnect_ms != 0, (int64_t)(peer->reconnect_ms - now));
	write_span(o, "heartbeat", l && l->state == PEER_ESTABLISHED,
		   l ? (int64_t)(l->said_ms + 3000 - now) : 0);
	strbuf_addf(o,
		    " confirm=%d tx_hbt=%u rx_hbt=%u no_hbt=%u new_conn=%u proto_err=%u coll=%u\n"
		    "        flags=0x%x",
		    l && l->teach.confirm_due, peer->tx_heartbeats, peer->rx_heartbeats,
		    peer->silent, peer->connects, peer->protocol_errors, peer->collisions,
		    (unsigned int)peer->fruitless);
	if (l)
		strbuf_addf(o, " appctx:%p state=%s\n        xprt=%s", (const void *)l,
			    state_name(peer), l->conn.xprt ? l->conn.xprt->name : "RAW");
	strbuf_adds(o, "\n        shared tables:\n");
	for (uint32_t i = 0; i < peer->section->ntables; i++)
		write_table(o, peer, &peer->tables[i], dict);
	if (dict && l) {
		write_dict(o, "TX", &l->tx);
		write_dict(o, "RX", &l->rx);
	}
}

static void write_section(struct strbuf *o, struct peers *p, bool dict)
{
	time_t now = time(NULL);
	struct peer *peer;
	struct tm tm;
	char when[64];

	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%d/%b/%Y:%H:%M:%S", &tm);
	strbuf_addf(o, "%p: [%s] id=%s disabled=%d flags=0x%x", (void *)p, when, p->name,
		    p->disabled, (unsigned int)p->phase);
	write_span(o, "resync_timeout", true,
		   p->phase == PEERS_LEARNED ? 0
					     : (int64_t)(p->phase_until_ms - control_loop.now_ms));
	strbuf_adds(o, " task_calls=0\n");
	list_for_each_entry(peer, &p->list, node)
		write_peer(o, peer, dict);
}

static enum cli_result run_show(struct cli_request *r)
{
	bool dict = !strcmp(cli_arg(r, 0), "dict");
	const char *name = cli_arg(r, dict || !strcmp(cli_arg(r, 0), "-") ? 1 : 0);
	struct peers *p;
	bool any = false;

	list_for_each_entry(p, &peers_sections, node) {
		if (*name && strcmp(name, p->name))
			continue;
		write_section(r->out, p, dict);
		any = true;
	}
	if (*name && !any)
		return cli_say(r, "No such peers");
	return CLI_DONE;
}

static const struct cli_command rows[] = {
	{ "show peers", CLI_USER, run_show, "show peers [dict|-] [section]",
	  "dump some information about all the peers or this peers section" },
};

void peers_show_register(void)
{
	cli_register(rows, ARRAY_SIZE(rows));
}
