/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * steering.c - which destinations the steering program sends to which of our sockets. See steering.h.
 *
 * An address that is bound by itself wins over a network around it, as with bind(2); since the program runs before the kernel's
 * own look-up, such sockets of ours become rules too, and those of other programs are an error. One program per network
 * namespace. It is attached as root but passes everything on until the workers accept: a start that fails late, or a
 * successor that dies, leaves the older process's connections where they were. Control thread.
 */
#include "stream/steering.h"
#include "base/arena.h"
#include "lbdmap/steer.h"
#include "model/config.h"
#include "process/start.h"
#include "stream/listener.h"
#include "stream/listening.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct steered {
	struct list node;
	const struct bind_conf *b;
	const struct bind_address *a;
	struct listener *listener[MAX_WORKERS];
	uint32_t n;
	struct steer_group *group;
	uint32_t place; /* of its first socket */
};

/* A network namespace with its program. */
struct steer_group {
	struct list node;
	int netns;
	bool is_ours; /* where the process itself lives */
	ino_t inode;
	uint32_t sockets;
	struct lbdmap_steer_rule *rules;
	size_t nrules, room;
	struct lbdmap_steer *program;
};

static struct list wide = LIST_INIT(wide);
static struct list groups = LIST_INIT(groups);

bool steering_possible(const char **why)
{
	static struct lbdmap_error err;
	static int asked = 1;

	if (asked > 0)
		asked = lbdmap_steer_probe(&err);
	*why = err.text;
	return asked == 0;
}

struct steered *steering_add(const struct bind_conf *b, const struct bind_address *a)
{
	struct steered *s = xzalloc(sizeof(*s));

	s->b = b;
	s->a = a;
	list_add_tail(&wide, &s->node);
	return s;
}

void steering_add_listener(struct steered *s, struct listener *l)
{
	l->steered = s;
	s->listener[s->n++] = l;
}

/* ---- rules ---- */

static unsigned int steered_bits(const struct bind_address *a)
{
	if (a->is_prefix)
		return a->prefix_bits;
	if (a->is_any || addr_is_any(&a->addr))
		return 0;
	return a->addr.family == ADDR_IP4 ? 32 : 128;
}

static struct lbdmap_steer_rule *new_rule(struct steer_group *g)
{
	if (g->nrules == g->room) {
		g->room = g->room ? g->room * 2 : 16;
		g->rules = xrealloc(g->rules, g->room * sizeof(*g->rules));
	}
	memset(&g->rules[g->nrules], 0, sizeof(*g->rules));
	return &g->rules[g->nrules++];
}

/* An IPv6 socket that takes IPv4 too has rules in both families. */
static void add_rules(struct steer_group *g, const struct addr *net, unsigned int bits, bool mapped,
		      const struct lbd_steer_range *ports)
{
	static const uint8_t mapped_net[12] = { [10] = 0xff, [11] = 0xff };
	bool in_mapped = net->family == ADDR_IP6 && bits >= 96 && !memcmp(net->ip, mapped_net, 12);
	struct lbdmap_steer_rule *r;

	if (!in_mapped) {
		r = new_rule(g);
		r->family = net->family == ADDR_IP4 ? AF_INET : AF_INET6;
		r->bits = (uint8_t)bits;
		memcpy(r->ip, net->ip, sizeof(r->ip));
		r->ports = *ports;
	}
	if (!in_mapped && (!mapped || bits))
		return;
	r = new_rule(g);
	r->family = AF_INET;
	r->bits = in_mapped ? (uint8_t)(bits - 96) : 0;
	if (in_mapped)
		memcpy(r->ip, net->ip + 12, 4);
	r->ports = *ports;
}

static bool same_net(const struct bind_address *a, const struct bind_address *b)
{
	return a->addr.family == b->addr.family && steered_bits(a) == steered_bits(b) &&
	       !memcmp(a->addr.ip, b->addr.ip, sizeof(a->addr.ip));
}

static int refuse_overlap(const struct steered *s, struct diag *d)
{
	const struct steered *o;

	list_for_each_entry(o, &wide, node) {
		if (o == s)
			return 0;
		if (o->group != s->group || !same_net(o->a, s->a) ||
		    o->a->addr.port > s->a->port_end || s->a->addr.port > o->a->port_end)
			continue;
		diag_error(d, s->b->at,
			   "%s '%s': cannot bind '%s': ports of it belong to 'bind %s' (%s:%d)\n"
			   "let the ranges not overlap",
			   proxy_kind(s->b->px), s->b->px->name, s->b->spec, o->b->spec,
			   o->b->at.file, o->b->at.line);
		return -1;
	}
	return 0;
}

static void add_wide(struct steered *s)
{
	struct lbd_steer_range ports = { .lo = s->a->addr.port,
					 .hi = s->a->port_end,
					 .socket = s->group->sockets,
					 .sockets = s->n };

	if (s->b->interface)
		ports.ifindex = if_nametoindex(s->b->interface);
	s->place = s->group->sockets;
	for (uint32_t i = 0; i < s->n; i++)
		s->listener[i]->steered_place = s->place + i;
	s->group->sockets += s->n;
	add_rules(s->group, &s->a->addr, steered_bits(s->a), s->listener[0]->accepts_mapped,
		  &ports);
}

/* ---- sockets that listen already ---- */

struct listening_walk {
	struct steer_group *group;
	struct config *cfg;
	struct diag *d;
	int bad;
};

static bool is_steered_socket(const struct listening *l)
{
	struct steered *s;
	struct stat st;

	list_for_each_entry(s, &wide, node)
		for (uint32_t i = 0; i < s->n; i++)
			if (!fstat(s->listener[i]->fd, &st) && st.st_ino == l->inode)
				return true;
	return false;
}

static bool reaches(const struct steered *s, const struct listening *l)
{
	const struct addr *at = &l->addr;

	if (at->port < s->a->addr.port || at->port > s->a->port_end)
		return false;
	if (addr_is_any(at))
		return at->family == s->a->addr.family || l->mapped;
	return addr_in_net(at, &s->a->addr, steered_bits(s->a));
}

/* bind(2) would have refused it: nobody loses connections without being asked. */
static int refuse_foreign(struct listening_walk *w, const struct steered *s,
			  const struct listening *l)
{
	char where[ADDR_TEXT_MAX], name[32] = "another program", own[32] = "";
	int pid = socket_owner(l->inode, name, sizeof(name));
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, own, sizeof(own) - 1);

	if (fd >= 0)
		close(fd);
	own[n > 0 ? strcspn(own, "\n") : 0] = 0;
	if (w->cfg->global.takes_over && (!pid || !strcmp(name, own))) /* our predecessor */
		return 0;
	diag_error(w->d, s->b->at,
		   "%s '%s': cannot bind '%s': %s (pid %d) listens on %s, which is in it\n"
		   "stop it, or leave that port out of the range",
		   proxy_kind(s->b->px), s->b->px->name, s->b->spec, name, pid,
		   addr_text(&l->addr, where, sizeof(where)));
	return -1;
}

static int on_listening(void *arg, const struct listening *l)
{
	struct lbd_steer_range leave = { .lo = l->addr.port,
					 .hi = l->addr.port,
					 .socket = LBD_STEER_LEAVE };
	struct listening_walk *w = arg;
	struct steer_group *g = w->group;
	const struct steered *s;

	list_for_each_entry(s, &wide, node) {
		if (s->group != g || !reaches(s, l))
			continue;
		if (is_steered_socket(l))
			return 0;
		if (!l->is_ours) {
			w->bad |= refuse_foreign(w, s, l);
			return 0;
		}
		if (addr_is_any(&l->addr) && steered_bits(s->a)) /* the network is narrower */
			continue;
		for (size_t i = 0; i < g->nrules; i++) /* one socket per thread has one rule */
			if (g->rules[i].ports.socket == LBD_STEER_LEAVE &&
			    g->rules[i].ports.lo == l->addr.port &&
			    !memcmp(g->rules[i].ip, l->addr.ip, 16))
				return 0;
		add_rules(g, &l->addr, l->addr.family == ADDR_IP4 ? 32 : 128, false, &leave);
		return 0;
	}
	return 0;
}

/* ---- groups ---- */

static ino_t own_netns(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : st.st_ino;
}

/* The namespace is the socket's: who made the socket may have been elsewhere for a moment. */
static struct steer_group *group_of(const struct listener *l)
{
	int netns = ioctl(l->fd, SIOCGSKNS);
	struct steer_group *g;
	struct stat st;

	if (netns <
	    0) /* CAP_NET_ADMIN is missing, or an old kernel: the sockets are where we are */
		netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (netns < 0 || fstat(netns, &st)) {
		if (netns >= 0)
			close(netns);
		return NULL;
	}
	list_for_each_entry(g, &groups, node) {
		if (g->inode == st.st_ino) {
			close(netns);
			return g;
		}
	}
	g = xzalloc(sizeof(*g));
	g->netns = netns;
	g->inode = st.st_ino;
	g->is_ours = st.st_ino == own_netns();
	list_add_tail(&groups, &g->node);
	return g;
}

static int group_open(struct steer_group *g, struct config *cfg, struct diag *d)
{
	struct listening_walk w = { .group = g, .cfg = cfg, .d = d };
	struct lbdmap_error err = { "" };
	struct steered *s;
	int rc = 0;

	if (g->is_ours)
		rc = listening_each(on_listening, &w);
	if (rc) {
		diag_error(d, PLACE_NONE,
			   "wide 'bind' addresses: the sockets that listen already cannot be "
			   "listed: %s\nload the kernel module tcp_diag",
			   strerror(-rc));
		return -1;
	}
	if (w.bad)
		return -1;
	rc = lbdmap_steer_load(g->rules, g->nrules, g->sockets, &g->program, &err);
	list_for_each_entry(s, &wide, node)
		for (uint32_t i = 0; s->group == g && i < s->n && !rc; i++)
			rc = lbdmap_steer_socket(g->program, s->place + i, s->listener[i]->fd);
	rc = rc ? rc : lbdmap_steer_attach(g->program, g->netns, &err);
	close(g->netns);
	free(g->rules);
	g->rules = NULL;
	if (rc)
		diag_error(d, PLACE_NONE, "wide 'bind' addresses: %s",
			   err.text[0] ? err.text : strerror(-rc));
	return rc ? -1 : 0;
}

/* ---- stations ---- */

static int steering_open(struct config *cfg, struct diag *d)
{
	struct steer_group *g;
	struct steered *s;
	int bad = 0;

	list_for_each_entry(s, &wide, node) {
		if (!s->n) /* said already */
			return 0;
		s->group = group_of(s->listener[0]);
		if (!s->group)
			return -1;
		bad |= refuse_overlap(s, d);
		add_wide(s);
	}
	if (bad || d->errors)
		return -1;
	list_for_each_entry(g, &groups, node)
		bad |= group_open(g, cfg, d);
	return bad;
}

static void steering_start(void)
{
	struct steer_group *g;

	list_for_each_entry(g, &groups, node)
		lbdmap_steer_on(g->program, true);
}

void steering_listens_again(struct listener *l)
{
	if (l->steered && l->steered->group->program)
		lbdmap_steer_socket(l->steered->group->program, l->steered_place, l->fd);
}

void steering_end(void)
{
	struct steer_group *g;

	list_for_each_entry(g, &groups, node) {
		lbdmap_steer_free(g->program);
		g->program = NULL;
	}
}

static struct start_hooks hooks = {
	.name = "steering",
	.open = steering_open,
	.control_start = steering_start,
	.close = steering_end,
};

void steering_init(void)
{
	start_register(&hooks);
}
