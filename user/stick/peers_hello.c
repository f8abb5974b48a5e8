// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peers_hello.c - the first lines of a peers connection: "HAProxyS 2.1", the name of the called, the name and process of the
 * caller, and the status that answers them. Control thread.
 */
#include "stick/peers.h"
#include <stdlib.h>
#include <unistd.h>

#define LINE_MAX_BYTES 256

static const struct {
	int code;
	const char *text;
} statuses[] = { { 200, "ESTA" }, { 300, "RETR" }, { 501, "PROT" },
		 { 502, "VERS" }, { 503, "NAME" }, { 504, "RNAM" } };

const char *peers_status_text(int code);
const char *peers_status_text(int code)
{
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		if (statuses[i].code == code)
			return statuses[i].text;
	return "NONE";
}

void peers_hello_send(struct peer_link *l)
{
	strbuf_addf(&l->out, "HAProxyS 2.1\n%s\n%s %d 0\n", l->peer->name, l->section->local->name,
		    (int)getpid());
}

/* The next whole line behind *@at; false: none yet. */
static bool take_line(const struct strbuf *in, size_t *at, struct slice *line)
{
	const char *nl = in->n > *at ? memchr(in->p + *at, '\n', in->n - *at) : NULL;

	if (!nl)
		return false;
	*line = slice_make(in->p + *at, (size_t)(nl - in->p) - *at);
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	*at = (size_t)(nl - in->p) + 1;
	return true;
}

static struct peer *peer_named(struct peers *p, struct slice name)
{
	struct peer *peer;

	list_for_each_entry(peer, &p->list, node)
		if (slice_eq_z(name, peer->name))
			return peer;
	return NULL;
}

/* 200, or what is wrong. */
static int check_hello(struct peer_link *l, struct slice proto, struct slice called,
		       struct slice caller)
{
	struct slice version = slice_from(proto, sizeof("HAProxyS ") - 1);
	ptrdiff_t blank = slice_chr(caller, ' ');

	if (!slice_has_prefix(proto, SLICE("HAProxyS ")))
		return 501;
	if (!slice_has_prefix(version, SLICE("2.")))
		return 502;
	if (!slice_eq_z(called, l->section->local->name))
		return 503;
	if (blank <= 0)
		return 501;
	l->peer = peer_named(l->section, slice_first(caller, (size_t)blank));
	return l->peer ? 200 : 504;
}

static int take_hello(struct peer_link *l)
{
	struct slice line[3];
	size_t at = 0;
	int code;

	for (int i = 0; i < 3; i++) {
		if (!take_line(&l->in, &at, &line[i]))
			return l->in.n > (size_t)LINE_MAX_BYTES * (i + 1) ? -1 : 0;
		if (i == 0 && !slice_has_prefix(line[0], SLICE("HAProxyS ")))
			break;
	}
	code = slice_has_prefix(line[0], SLICE("HAProxyS "))
		       ? check_hello(l, line[0], line[1], line[2])
		       : 501;
	strbuf_addf(&l->out, "%d\n", code);
	strbuf_drop(&l->in, at);
	if (code != 200)
		return -1;
	l->peer->last_status = "ESTA";
	peers_link_established(l);
	return 0;
}

static int take_status(struct peer_link *l)
{
	struct slice line;
	size_t at = 0;
	int code;

	if (!take_line(&l->in, &at, &line))
		return l->in.n > LINE_MAX_BYTES ? -1 : 0;
	code = line.n == 3 ? atoi(line.p) : 0;
	strbuf_drop(&l->in, at);
	l->peer->last_status = peers_status_text(code);
	if (code != 200)
		return -1;
	peers_link_established(l);
	return 0;
}

int peers_hello_input(struct peer_link *l)
{
	return l->state == PEER_WAITS_HELLO ? take_hello(l) : take_status(l);
}
