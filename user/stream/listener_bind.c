/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener_bind.c - makes the listening sockets that `bind` lines name, before privileges are dropped. Control thread.
 * Not for: accepting (listener.c).
 */
#include "base/arena.h"
#include "log/log.h"
#include "stream/handover.h"
#include "stream/listener.h"
#include "stream/queue.h"
#include "stream/socket_options.h"
#include "stream/steering.h"
#include "stream/upstream.h"
#include "transport/conn_out.h"
#include <errno.h>
#include <stdlib.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_BACKLOG 4096

static struct ext rate_ext = { .name = "session rate", .bytes = sizeof(struct session_rate) };

struct session_rate *session_rate_of(struct proxy *px)
{
	return proxy_ext(px, &rate_ext);
}

/* ---- shortage: a worker tells the control thread, which logs ---- */

struct shortage {
	struct message m;
	struct proxy *px;
	int err;
};

static void on_shortage(struct message *m)
{
	struct shortage *s = (struct shortage *)m;

	log_proxy(s->px, LOG_L_EMERG,
		  "Proxy %s reached process FD limit (%s). Please check 'ulimit-n' and restart.",
		  s->px->name, strerror(s->err));
	free(s);
}

void listener_note_shortage(struct listener *l, int err)
{
	static _Atomic uint64_t last_s;
	uint64_t now_s = this_loop->now_ms / 1000 + 1;
	struct shortage *s;

	if (atomic_exchange(&last_s, now_s) == now_s)
		return;
	s = malloc(sizeof(*s));
	if (!s)
		return;
	s->m.on_arrive = on_shortage;
	s->px = l->px;
	s->err = err;
	loop_post(&control_loop, &s->m);
}

/* ---- one socket ---- */

struct bind_job {
	struct config *cfg;
	struct diag *d;
	struct bind_conf *b;
	const struct bind_address *a;
	struct addr addr;
	bool steered;    /* a wide address on few sockets */
	bool adopted;    /* the socket is an earlier process's: bound, and listening */
	char where[128]; /* the address in words */
};

static int job_error(struct bind_job *j, const char *what, int err, const char *hint)
{
	diag_error(j->d, j->b->at, "%s '%s': cannot %s %s: %s%s%s", proxy_kind(j->b->px),
		   j->b->px->name, what, j->where, strerror(err), hint ? "\n" : "",
		   hint ? hint : "");
	return -1;
}

struct int_option {
	int level, name, value;
	const char *words;
};

/* Sets what is wanted; a refusal is an error that names the word of the bind line. */
static int job_options(struct bind_job *j, int fd)
{
	const struct bind_conf *b = j->b;
	const struct global *g = &j->cfg->global;
	bool v6 = j->addr.family == ADDR_IP6;
	struct int_option o[] = {
		{ SOL_SOCKET, SO_RCVBUF, (int)g->rcvbuf_client, "tune.rcvbuf.client" },
		{ SOL_SOCKET, SO_SNDBUF, (int)g->sndbuf_client, "tune.sndbuf.client" },
		{ SOL_IP, IP_TRANSPARENT, b->transparent, "transparent" },
		{ IPPROTO_TCP, TCP_DEFER_ACCEPT, b->defer_accept, "defer-accept" },
		{ IPPROTO_TCP, TCP_FASTOPEN, b->tfo ? DEFAULT_BACKLOG : 0, "tfo" },
		{ IPPROTO_TCP, TCP_MAXSEG, (int)b->mss, "mss" },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, (int)b->tcp_ut_ms, "tcp-ut" },
		{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, (int)g->notsent_lowat_client,
		  "tune.notsent-lowat.client" },
		{ IPPROTO_TCP, TCP_NODELAY, 1, "no delay" }, /* inherited by accepted sockets */
	};
	int v6only = b->v6only, one = 1;

	for (size_t i = 0; i < ARRAY_SIZE(o); i++)
		if (o[i].value &&
		    setsockopt(fd, o[i].level, o[i].name, &o[i].value, sizeof(o[i].value)) < 0)
			return job_error(j, o[i].words, errno, NULL);
	if (j->adopted) /* the rest is what it was found by */
		return 0;
	if (v6 && (b->v6only || b->v4v6) &&
	    setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0)
		return job_error(j, "set v6only/v4v6 for", errno, NULL);
	if (bind_congestion(b) && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, bind_congestion(b),
					     (socklen_t)strlen(bind_congestion(b))) < 0)
		return job_error(j, "use the congestion control for", errno, bind_congestion(b));
	/* which addresses of a network are here, and when, is not the socket's affair */
	if (j->a->is_prefix && setsockopt(fd, SOL_IP, IP_FREEBIND, &one, sizeof(one)) < 0)
		return job_error(j, "bind to the network of", errno, NULL);
	if (b->interface && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, b->interface,
				       (socklen_t)strlen(b->interface)) < 0)
		return job_error(j, "use the interface for", errno, b->interface);
	return 0;
}

static int backlog_of(const struct bind_conf *b)
{
	uint32_t backlog = b->backlog ? b->backlog : b->px->backlog;

	if (!backlog)
		backlog = b->px->maxconn > 128 ? b->px->maxconn : DEFAULT_BACKLOG;
	return (int)backlog;
}

static int job_listen(struct bind_job *j, int fd)
{
	int off = 0;

	if (listen(fd, backlog_of(j->b)) < 0)
		return job_error(j, "listen on", errno, NULL);
	if (j->addr.family != ADDR_UNIX && bind_smart_accept(j->b)) /* listen() would forget it */
		setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
	return 0;
}

/* What to do about it, or NULL. @buf is for words that are made up here. */
static const char *bind_hint(const struct addr *a, int err, char *buf, size_t size)
{
	switch (err) {
	case EADDRINUSE:
		return listener_who(a, buf, size)
			       ? buf
			       : "another program, or another bind line, listens there: `ss -ltnp` "
				 "shows which; stop it or use another address";
	case EADDRNOTAVAIL:
		return "no interface of this host has this address: add it, or set "
		       "net.ipv4.ip_nonlocal_bind, or write "
		       "'transparent' on the bind line";
	case EACCES:
		return "ports below 1024 need root or CAP_NET_BIND_SERVICE";
	}
	return NULL;
}

/* A socket of an earlier process for this address, with this line's options; -1: there is none. */
static int job_adopt(struct bind_job *j)
{
	int fd = j->steered || bind_netns(j->b) ? -1 : handover_take(j->b, &j->addr, j->a->path);

	if (fd < 0)
		return -1;
	j->adopted = true;
	if ((!j->a->path && job_options(j, fd) < 0) || job_listen(j, fd) < 0) {
		close(fd);
		fd = -1;
	}
	j->adopted = false;
	return fd;
}

static int job_inet(struct bind_job *j, bool reuseport)
{
	const struct global *g = &j->cfg->global;
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&j->addr, &ss);
	int one = 1, fd = job_adopt(j), err;
	char hint[160];

	if (fd >= 0)
		return fd;
	fd = conn_socket_in(bind_netns(j->b), ss.ss_family,
			    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return job_error(j, "open a socket for", errno, NULL);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* lines with threads of their own may share an address */
	reuseport |= bind_threads(j->b) != UINT64_MAX && !g->no_reuseport;
	if (reuseport || (g->takes_over && !g->no_reuseport))
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (job_options(j, fd) < 0)
		goto fail;
	if (bind(fd, (struct sockaddr *)&ss, len) < 0) {
		err = errno;
		job_error(j, "bind", err, bind_hint(&j->addr, err, hint, sizeof(hint)));
		goto fail;
	}
	/* set behind bind() it lets a successor bind beside us, but we ourselves took the address from nobody unasked */
	if (!g->no_reuseport)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (job_listen(j, fd) == 0)
		return fd;
fail:
	close(fd);
	return -1;
}

static void job_owner(struct bind_job *j, const char *path)
{
	const struct bind_conf *b = j->b;

	if ((b->uid != (uint32_t)-1 || b->gid != (uint32_t)-1) && chown(path, b->uid, b->gid) < 0)
		job_error(j, "change the owner of", errno, NULL);
	if (b->mode != (uint32_t)-1 && chmod(path, b->mode) < 0)
		job_error(j, "change the mode of", errno, NULL);
}

/* A path is made under another name and moved into place, so that there is no moment without it. */
static int job_unix(struct bind_job *j)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = j->a->path;
	bool abstract = j->a->is_abstract || path[0] == '@';
	char temp[sizeof(un.sun_path)];
	socklen_t len = sizeof(un);
	int fd = job_adopt(j), n;

	if (fd >= 0) {
		if (!abstract)
			job_owner(j, path);
		return fd;
	}
	if (abstract) {
		size_t l = strlen(path);

		if (l >= sizeof(un.sun_path))
			return job_error(j, "bind", ENAMETOOLONG, NULL);
		memcpy(un.sun_path, path, l);
		un.sun_path[0] = 0;
		len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + l);
	} else {
		n = snprintf(temp, sizeof(temp), "%s.%d.tmp", path, (int)getpid());
		if (n < 0 || (size_t)n >= sizeof(temp))
			return job_error(
				j, "bind", ENAMETOOLONG,
				"the path of a unix socket has at most about 95 characters");
		memcpy(un.sun_path, temp, (size_t)n + 1);
		unlink(temp);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return job_error(j, "open a socket for", errno, NULL);
	if (bind(fd, (struct sockaddr *)&un, len) < 0) {
		job_error(j, "bind", errno, NULL);
		goto fail;
	}
	if (!abstract)
		job_owner(j, temp);
	if (job_listen(j, fd) < 0)
		goto fail;
	if (!abstract && rename(temp, path) < 0) {
		job_error(j, "put in place", errno, NULL);
		unlink(temp);
		goto fail;
	}
	return fd;
fail:
	close(fd);
	return -1;
}

static int job_inherited(struct bind_job *j)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss), olen = sizeof(int);
	int fd = j->a->fd, listening = 0, one = 1;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return job_error(j, "use", errno,
				 "fd@N takes a listening socket that the caller has opened");
	addr_from_sockaddr(&j->addr, &ss);
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &olen) == 0 && !listening &&
	    job_listen(j, fd) < 0)
		return -1;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (j->addr.family != ADDR_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* ---- listeners ---- */

static bool takes_mapped(int fd, const struct addr *a)
{
	int only = 1;
	socklen_t len = sizeof(only);

	if (a->family != ADDR_IP6)
		return false;
	return getsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &only, &len) == 0 && !only;
}

static struct listener *add_listener(struct bind_job *j, int fd, int tid,
				     const struct session_proto *proto)
{
	struct listener *l;

	if (fd < 0)
		return NULL;
	l = xzalloc(sizeof(*l));
	l->fd = fd;
	l->bind = j->b;
	l->px = j->b->px;
	l->proto = proto;
	l->addr = j->addr;
	l->path = j->a->path;
	l->tid = tid;
	l->threads = bind_threads(j->b);
	l->backlog = backlog_of(j->b);
	l->is_ip6 = j->addr.family == ADDR_IP6;
	l->accepts_mapped = takes_mapped(fd, &j->addr);
	l->taps = xzalloc((tid < 0 ? MAX_WORKERS : 1) * sizeof(*l->taps));
	list_add_tail(listeners(), &l->node);
	return l;
}

/* One socket per thread, on the first of its addresses and ports; the program sends it those of all others. */
static int bind_wide(struct bind_job *j, const struct session_proto *proto)
{
	int n = j->cfg->global.no_reuseport ? 1 : worker_count;
	struct steered *s = steering_add(j->b, j->a);

	for (int t = 0; t < n; t++) {
		if (n > 1 && !(bind_threads(j->b) >> t & 1))
			continue;
		struct listener *l = add_listener(j, job_inet(j, n > 1), n > 1 ? t : -1, proto);

		if (!l)
			return -1;
		steering_add_listener(s, l);
	}
	return 0;
}

/*
 * An earlier process with more threads had more sockets for the address. Connections wait in each, and the kernel goes on
 * sending new ones there, so all are kept.
 */
static int adopt_more(struct bind_job *j, bool per_thread, const struct session_proto *proto)
{
	int fd, t = 0;

	while ((fd = job_adopt(j)) >= 0)
		if (!add_listener(j, fd, per_thread ? t++ % worker_count : -1, proto))
			return -1;
	return 0;
}

static int bind_one(struct bind_job *j, const struct session_proto *proto)
{
	const struct bind_address *a = j->a;
	bool per_thread = !j->cfg->global.no_reuseport &&
			  (j->b->shards ? j->b->shards < 0 : j->cfg->global.reuseport_per_thread);

	if (a->fd >= 0) {
		snprintf(j->where, sizeof(j->where), "fd@%d", a->fd);
		return add_listener(j, job_inherited(j), -1, proto) ? 0 : -1;
	}
	if (a->path) {
		snprintf(j->where, sizeof(j->where), "unix@%s", a->path);
		return add_listener(j, job_unix(j), -1, proto) && !adopt_more(j, false, proto) ? 0
											       : -1;
	}
	addr_text(&j->addr, j->where, sizeof(j->where));
	if (j->steered)
		return bind_wide(j, proto);
	if (!per_thread)
		return add_listener(j, job_inet(j, false), -1, proto) &&
				       !adopt_more(j, false, proto)
			       ? 0
			       : -1;
	for (int t = 0; t < worker_count; t++)
		if (bind_threads(j->b) >> t & 1 && !add_listener(j, job_inet(j, true), t, proto))
			return -1;
	return adopt_more(j, true, proto);
}

static const struct session_proto *proto_for(struct bind_conf *b, struct diag *d)
{
	const struct session_proto *p =
		b->proto ? session_proto_find(b->proto) : session_proto_for_mode(b->px->mode);

	if (p && p->mode == b->px->mode)
		return p;
	if (b->proto)
		diag_error(d, b->at, "%s '%s': 'proto %s' does not go with mode %s",
			   proxy_kind(b->px), b->px->name, b->proto, proxy_mode_name(b->px->mode));
	else
		diag_error(d, b->at, "%s '%s': mode %s has no listener in user space",
			   proxy_kind(b->px), b->px->name, proxy_mode_name(b->px->mode));
	return NULL;
}

/* Ports can also have a socket each, a network cannot. */
static int choose_steering(struct bind_job *j)
{
	const char *why;

	j->steered = steering_possible(&why);
	if (j->steered)
		return 0;
	if (j->a->is_prefix) {
		diag_error(j->d, j->b->at,
			   "%s '%s': cannot bind '%s': a network needs a kernel that steers "
			   "connections to sockets: %s\nbind single addresses instead",
			   proxy_kind(j->b->px), j->b->px->name, j->b->spec, why);
		return -1;
	}
	diag_notice(j->d, j->b->at, "%s '%s': 'bind %s' takes one socket for each port: %s",
		    proxy_kind(j->b->px), j->b->px->name, j->b->spec, why);
	return 0;
}

static int bind_line(struct config *cfg, struct bind_conf *b, struct diag *d)
{
	const struct session_proto *proto = proto_for(b, d);
	struct bind_address *a;
	int bad = 0;

	if (!proto)
		return -1;
	if (!(bind_threads(b) & (UINT64_MAX >> (64 - worker_count)))) {
		diag_error(d, b->at,
			   "%s '%s': 'thread': none of these threads exists, there are %d",
			   proxy_kind(b->px), b->px->name, worker_count);
		return -1;
	}
	list_for_each_entry(a, &b->addresses, node) {
		struct bind_job j = { .cfg = cfg, .d = d, .b = b, .a = a, .addr = a->addr };

		if (a->is_udp)
			continue; /* the kernel path's */
		if (bind_address_is_wide(a) && choose_steering(&j) < 0) {
			bad = -1;
			continue;
		}
		do
			bad |= bind_one(&j, proto);
		while (!j.steered && !a->path && a->fd < 0 && j.addr.port++ < a->port_end);
	}
	return bad;
}

int listeners_bind(struct config *cfg, struct diag *d)
{
	struct bind_conf *b;
	struct proxy *px;
	int bad = 0;

	queues_prepare(cfg);
	upstreams_prepare(cfg);
	list_for_each_entry(px, &cfg->proxies, node) {
		if (!(px->caps & PX_FRONTEND) || px->disabled || px->mode == MODE_UDP)
			continue;
		list_for_each_entry(b, &px->binds, node)
			bad |= bind_line(cfg, b, d);
	}
	return bad ? -1 : 0;
}

/* ---- words ---- */

static int parse_default_shards(struct cfg_line *l)
{
	const char *how = cfg_arg(l, 0);

	if (cfg_want_args(l, 1, 1, "tune.listener.default-shards by-process|by-thread") < 0)
		return -1;
	if (strcmp(how, "by-process") && strcmp(how, "by-thread"))
		return cfg_error(
			l, l->first_arg,
			"'tune.listener.default-shards' takes by-process (one shared socket) or "
			"by-thread (one socket per thread), not '%s'",
			how);
	l->cfg->global.reuseport_per_thread = strcmp(how, "by-thread") == 0;
	return 0;
}

static const struct cfg_keyword keywords[] = {
	{ "tune.listener.default-shards", CFG_GLOBAL, parse_default_shards, KERNEL_EXACT, NULL,
	  "tune.listener.default-shards by-process|by-thread",
	  "One listening socket that all threads share (default), or one per thread.", 0 },
};

void listener_bind_init(void)
{
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	ext_register(EXT_PROXY, &rate_ext);
}
