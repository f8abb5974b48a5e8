// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peers_link.c - connections between peers: listening, connecting, reading, writing, heartbeats, and when to try again. What is
 * said: peers_hello.c, peers_sync.c. Control thread.
 */
#include "stick/peers.h"
#include "base/arena.h"
#include "config/address.h"
#include "log/log.h"
#include "loop/thread.h"
#include "model/server.h"
#include "process/start.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_MS       500
#define HEARTBEAT_MS  3000 /* silence after which we say that we live */
#define DEAD_MS       5000 /* and after which the other side does not */
#define RECONNECT_MS  5000
#define HANDSHAKE_MS  5000
#define STRANGERS_MAX 64 /* accepted connections that have not said hello */
#define IN_MAX        (4 * PEERS_MESSAGE_MAX)

struct peers_listener {
	struct list node;
	struct io io;
	struct peers *section;
	const struct conn_setup *setup;
};

static void peer_connect(struct peer *peer);

/* ---- one link ---- */

static void reconnect_in(struct peer *peer, uint32_t ms)
{
	if (peer->local || peer->section->stopping)
		return;
	peer->reconnect_ms = control_loop.now_ms + ms;
	timer_set(&control_loop, &peer->timer, peer->reconnect_ms);
}

/* Both sides may have connected at once, and would do it again. */
static uint32_t random_pause(void)
{
	return 50 + (uint32_t)(random() % 2000);
}

static void link_free(struct peer_link *l, uint32_t retry_ms)
{
	struct peer *peer = l->peer;

	if (peer && l->state >= PEER_ESTABLISHED && peer->link == l)
		log_proxy(l->section->px, LOG_L_INFO,
			  "Peers %s: the connection with peer %s has ended.", l->section->name,
			  peer->name);
	peers_sync_end(l);
	timer_cancel(&control_loop, &l->timer);
	task_cancel(&control_loop, &l->task);
	conn_close(&l->conn);
	strbuf_fini(&l->in);
	strbuf_fini(&l->out);
	list_del(&l->node);
	if (peer && peer->link == l) {
		peer->link = NULL;
		reconnect_in(peer, retry_ms);
	}
	free(l);
}

static void link_write(struct peer_link *l)
{
	size_t sent = 0;

	while (sent < l->out.n && (l->conn.flags & CONN_CAN_WRITE)) {
		ssize_t n = conn_send(&l->conn, l->out.p + sent, l->out.n - sent);

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	if (sent) {
		l->said_ms = control_loop.now_ms;
		strbuf_drop(&l->out, sent);
	}
}

/* true: something came, or the end. */
static bool link_read(struct peer_link *l)
{
	char buf[16384];
	ssize_t n;

	if (!(l->conn.flags & CONN_CAN_READ) || l->in.n > IN_MAX)
		return false;
	n = conn_recv(&l->conn, buf, sizeof(buf));
	if (n > 0) {
		strbuf_add(&l->in, buf, (size_t)n);
		l->heard_ms = control_loop.now_ms;
	}
	return n > 0;
}

static int link_input(struct peer_link *l)
{
	int rc = 0;

	if (l->state == PEER_SENT_HELLO || l->state == PEER_WAITS_HELLO)
		rc = peers_hello_input(l);
	if (!rc && l->state == PEER_ESTABLISHED)
		rc = peers_sync_input(l);
	return rc;
}

static bool link_is_over(const struct peer_link *l)
{
	return (l->conn.flags & (CONN_ERROR | CONN_EOF)) || l->in.oom || l->out.oom ||
	       (l->state == PEER_CLOSING && !l->out.n);
}

/* A bounded piece of work; the rest in the next round. */
static void link_work(struct task *t)
{
	struct peer_link *l = container_of(t, struct peer_link, task);
	bool more = false;

	if (l->state != PEER_CLOSING && (l->conn.flags & (CONN_CONNECTING | CONN_HANDSHAKE)))
		return;
	if (l->state == PEER_CONNECTING) {
		if (!(l->conn.flags & CONN_ERROR)) {
			l->state = PEER_SENT_HELLO;
			peers_hello_send(l);
		}
	}
	if (l->state != PEER_CLOSING && l->state != PEER_CONNECTING) {
		more = link_read(l);
		if (link_input(l))
			l->state = PEER_CLOSING;
	}
	if (l->state == PEER_ESTABLISHED && l->out.n < PEERS_MESSAGE_MAX)
		more |= peers_sync_output(l);
	link_write(l);
	if (link_is_over(l)) {
		bool refused = l->section->stopping || l->state != PEER_ESTABLISHED;

		link_free(l, refused ? RECONNECT_MS : random_pause());
		return;
	}
	if (more && l->out.n < PEERS_MESSAGE_MAX)
		task_wake(&control_loop, &l->task);
}

static void on_ready(struct conn *c)
{
	struct peer_link *l = c->owner;

	task_wake(&control_loop, &l->task);
}

/* Silence: of ours it is broken by a heartbeat, of the other side's the link ends. */
static void on_time(struct timer *t)
{
	struct peer_link *l = container_of(t, struct peer_link, timer);
	uint64_t now = control_loop.now_ms;

	if (now >=
	    (l->state == PEER_ESTABLISHED ? l->heard_ms + DEAD_MS : l->begun_ms + HANDSHAKE_MS)) {
		if (l->peer && l->state == PEER_ESTABLISHED)
			l->peer->silent++;
		link_free(l, RECONNECT_MS);
		return;
	}
	if (l->state == PEER_ESTABLISHED && now >= l->said_ms + HEARTBEAT_MS && !l->out.n) {
		peers_message_put(&l->out, PEERS_CONTROL, PEERS_HEARTBEAT, NULL);
		l->peer->tx_heartbeats++;
		link_write(l);
	}
	timer_set(&control_loop, &l->timer, now + TICK_MS);
}

static struct peer_link *link_new(struct peers *p, enum peer_state state)
{
	struct peer_link *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->section = p;
	l->state = state;
	l->conn.io.fd = -1;
	l->begun_ms = l->heard_ms = l->said_ms = control_loop.now_ms;
	task_init(&l->task, link_work);
	timer_init(&l->timer, on_time);
	timer_set(&control_loop, &l->timer, control_loop.now_ms + TICK_MS);
	list_add_tail(&p->links, &l->node);
	return l;
}

/* The last connection wins; the one before ends. */
void peers_link_established(struct peer_link *l)
{
	struct peer_link *old = l->peer->link;

	l->peer->link = l;
	l->peer->hello_ms = control_loop.now_ms;
	l->peer->connects++;
	l->state = PEER_ESTABLISHED;
	timer_cancel(&control_loop, &l->peer->timer);
	log_proxy(l->section->px, LOG_L_INFO, "Peers %s: peer %s is connected.", l->section->name,
		  l->peer->name);
	if (old && old != l) {
		l->peer->collisions++;
		peers_sync_end(old);
		old->peer = NULL; /* it must not touch what is the new one's now */
		old->state = PEER_CLOSING;
		strbuf_reset(&old->out);
		task_wake(&control_loop, &old->task);
	}
	peers_sync_start(l);
}

/* ---- connecting ---- */

/* The new process listens where this one did. */
static void own_addr(const struct peers *p, struct addr *to)
{
	const struct bind_conf *b = list_first(&p->px->binds, struct bind_conf, node);

	*to = list_first(&b->addresses, struct bind_address, node)->addr;
	if (addr_is_any(to))
		addr_parse_ip(to, to->family == ADDR_IP6 ? SLICE("::1") : SLICE("127.0.0.1"));
}

static void peer_connect(struct peer *peer)
{
	struct peer_link *l;
	struct addr to;

	if (peer->link)
		return;
	l = link_new(peer->section, PEER_CONNECTING);
	if (!l)
		return;
	l->peer = peer;
	peer->link = l;
	if (peer->srv)
		server_addr(peer->srv, &to);
	else
		own_addr(peer->section, &to);
	if (conn_connect(&l->conn, &to, NULL, NULL,
			 peer->srv ? &peer->srv->setup : &conn_setup_plain, on_ready, l))
		link_free(l, RECONNECT_MS);
}

static void on_reconnect(struct timer *t)
{
	peer_connect(container_of(t, struct peer, timer));
}

/* ---- listening ---- */

static void accept_one(struct peers_listener *pl, int fd)
{
	struct peers *p = pl->section;
	struct peer_link *l, *other;
	int strangers = 0;

	list_for_each_entry(other, &p->links, node)
		strangers += other->state == PEER_WAITS_HELLO;
	l = strangers < STRANGERS_MAX ? link_new(p, PEER_WAITS_HELLO) : NULL;
	if (!l) {
		close(fd);
		return;
	}
	l->incoming = true;
	if (conn_open(&l->conn, fd, pl->setup, on_ready, l)) {
		link_free(l, 0);
		return;
	}
	task_wake(&control_loop, &l->task);
}

static void on_accept(struct io *io, uint32_t ep)
{
	struct peers_listener *pl = container_of(io, struct peers_listener, io);
	int fd;

	while ((fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		accept_one(pl, fd);
}

/* What the bind line wants of the socket (peers_conf.c warns of what is not here). 0 or -errno. */
static int apply_bind(int fd, const struct bind_conf *b, int family)
{
	int on = 1, v6only = b->v6only, mss = (int)b->mss;

	/* a new process listens before the old one stops */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)))
		return -errno;
	if (family == AF_INET6 && (b->v6only || b->v4v6) &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)))
		return -errno;
	if (mss && setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof(mss)))
		return -errno;
	if (b->interface && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, b->interface,
				       (socklen_t)strlen(b->interface)))
		return -errno;
	return 0;
}

static int listen_at(struct peers *p, const struct addr *a, const struct bind_conf *b,
		     struct diag *d)
{
	struct peers_listener *pl = xzalloc(sizeof(*pl));
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(a, &ss);
	char text[ADDR_TEXT_MAX];
	int fd = -1, err = -EAFNOSUPPORT;

	if (len) {
		fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		err = fd < 0 ? -errno : apply_bind(fd, b, ss.ss_family);
	}
	if (!err && (bind(fd, (struct sockaddr *)&ss, len) ||
		     listen(fd, b->backlog ? (int)b->backlog : 128)))
		err = -errno;
	if (err) {
		diag_error(d, b->at, "peers '%s': cannot listen at %s: %s", p->name,
			   addr_text(a, text, sizeof(text)),
			   len ? strerror(-err) : "peers listen at IP addresses only");
		if (fd >= 0)
			close(fd);
		free(pl);
		return -1;
	}
	pl->io.fd = fd;
	pl->io.on_event = on_accept;
	pl->section = p;
	pl->setup = &b->setup;
	list_add_tail(&p->listening, &pl->node);
	return 0;
}

/* Workers have changed something. */
static void on_wake(struct message *m)
{
	struct peers *p = container_of(m, struct peers, wake);
	struct peer_link *l;

	atomic_store(&p->woken, false);
	for (uint32_t i = 0; i < p->ntables; i++)
		atomic_store(&p->tables[i]->updates->told, false);
	list_for_each_entry(l, &p->links, node)
		if (l->state == PEER_ESTABLISHED)
			task_wake(&control_loop, &l->task);
}

static void tell(void *ctx)
{
	struct peers *p = ctx;

	if (!atomic_exchange(&p->woken, true))
		loop_post(&control_loop, &p->wake);
}

static int open_section(struct peers *p, struct diag *d)
{
	struct bind_conf *b;
	struct bind_address *x;
	int rc = 0;

	/* before the workers run */
	p->wake.on_arrive = on_wake;
	for (uint32_t i = 0; i < p->ntables; i++) {
		p->tables[i]->updates->ctx = p;
		p->tables[i]->updates->tell = tell;
	}
	list_for_each_entry(b, &p->px->binds, node)
		list_for_each_entry(x, &b->addresses, node)
			rc |= listen_at(p, &x->addr, b, d);
	return rc;
}

static int open_all(struct config *cfg, struct diag *d)
{
	struct peers *p;
	int rc = 0;

	list_for_each_entry(p, &peers_sections, node)
		if (!p->disabled && p->local)
			rc |= open_section(p, d);
	return rc;
}

/* ---- the section ---- */

static void on_tick(struct timer *t)
{
	struct peers *p = container_of(t, struct peers, tick);

	peers_sync_phase(p);
	timer_set(&control_loop, &p->tick, control_loop.now_ms + TICK_MS);
}

static void start_section(struct peers *p)
{
	struct peers_listener *pl;
	struct peer *peer;

	p->phase = config->global.takes_over ? PEERS_LEARN_LOCAL : PEERS_LEARN_REMOTE;
	p->phase_until_ms = control_loop.now_ms + 5000;
	timer_init(&p->tick, on_tick);
	timer_set(&control_loop, &p->tick, control_loop.now_ms + TICK_MS);
	list_for_each_entry(pl, &p->listening, node)
		loop_io_add(&control_loop, &pl->io, EPOLLIN);
	list_for_each_entry(peer, &p->list, node) {
		timer_init(&peer->timer, on_reconnect);
		if (!peer->local)
			peer_connect(peer);
	}
}

static void start_all(void)
{
	struct peers *p;

	list_for_each_entry(p, &peers_sections, node)
		if (!p->disabled && p->local)
			start_section(p);
}

/* The others see us leave; all that is known goes to the new process, which listens where we did. */
static void stop_section(struct peers *p)
{
	struct peers_listener *pl, *pltmp;
	struct peer_link *l, *tmp;
	struct peer *peer;

	p->stopping = true;
	list_for_each_entry_safe(pl, pltmp, &p->listening, node) {
		loop_io_del(&control_loop, &pl->io);
		close(pl->io.fd);
		list_del(&pl->node);
		free(pl);
	}
	list_for_each_entry_safe(l, tmp, &p->links, node)
		link_free(l, 0);
	list_for_each_entry(peer, &p->list, node)
		timer_cancel(&control_loop, &peer->timer);
	peer_connect(p->local);
}

static void stop_all(void)
{
	struct peers *p;

	list_for_each_entry(p, &peers_sections, node)
		if (!p->disabled && p->local)
			stop_section(p);
}

static bool busy(void)
{
	struct peers *p;

	list_for_each_entry(p, &peers_sections, node)
		if (p->stopping && !list_empty(&p->links))
			return true;
	return false;
}

uint32_t peers_count(bool established)
{
	struct peers *p;
	struct peer *peer;
	uint32_t n = 0;

	list_for_each_entry(p, &peers_sections, node)
		list_for_each_entry(peer, &p->list, node)
			n += peer->link && (established ? peer->link->state == PEER_ESTABLISHED
							: peer->link->state != PEER_CONNECTING);
	return n;
}

static struct start_hooks hooks = {
	.name = "peers",
	.open = open_all,
	.control_start = start_all,
	.soft_stop = stop_all,
	.busy = busy,
};

void peers_start_register(void)
{
	start_register(&hooks);
}
