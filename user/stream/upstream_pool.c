/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * upstream_pool.c - idle server connections: one stack per server and worker, another for those that belong to one session
 * (http-reuse never, a login tied to the connection). See upstream.h.
 * The newest is reused first; the oldest close after pool-purge-delay. An idle connection that says anything is closed.
 * Not for: deciding who may reuse. Runs in the owning worker; the watcher in control posts to the workers.
 */
#include "stream/upstream_pool.h"
#include <errno.h>
#include "base/arena.h"
#include "base/pool.h"
#include "config/keyword.h"
#include "stream/queue.h"
#include "stream/source.h"

#define PURGE_DELAY_MS 5000
#define SPARE          256

struct idle_conf {
	int64_t max; /* pool-max-conn; -1: any */
	uint32_t purge_ms;
	_Atomic(struct list *)
		workers; /* [2 * worker_count] shared, then private ones: struct upstream.pool_node,
			  * newest first; made when first needed */
};

static void idle_conf_init(void *mem)
{
	struct idle_conf *c = mem;

	c->max = -1;
	c->purge_ms = PURGE_DELAY_MS;
}

static struct ext idle_ext = { .name = "idle connections",
			       .bytes = sizeof(struct idle_conf),
			       .init = idle_conf_init };
static __thread struct pool upstreams;

static struct list *idle_lists(struct idle_conf *c)
{
	struct list *made, *none = NULL, *have = atomic_load(&c->workers);

	if (have)
		return have;
	made = xmalloc(2 * (size_t)worker_count * sizeof(*made));
	for (int i = 0; i < 2 * worker_count; i++)
		list_init(&made[i]);
	if (atomic_compare_exchange_strong(&c->workers, &none, made))
		return made;
	free(made); /* another worker was first */
	return none;
}

struct list *upstream_idle_list(struct server *srv)
{
	return &idle_lists(server_ext(srv, &idle_ext))[this_loop->tid];
}

static struct list *private_list(struct server *srv)
{
	return &idle_lists(server_ext(srv, &idle_ext))[worker_count + this_loop->tid];
}

struct upstream *upstream_new(struct server *srv, struct stream *s)
{
	struct upstream *up = pool_get(&upstreams, sizeof(*up));

	if (!up)
		return NULL;
	memset(up, 0, sizeof(*up));
	up->conn.io.fd = -1;
	up->srv = srv;
	up->stream = s;
	list_init(&up->pool_node);
	list_init(&up->own_node);
	return up;
}

void upstream_free(struct upstream *up)
{
	if (up->srv->px->options & PX_O_NOLINGER)
		up->conn.flags |= CONN_NO_LINGER;
	conn_close(&up->conn);
	if (up->source_port)
		source_give_back(up->srv, up->source_port);
	atomic_fetch_sub(&up->srv->load.connections, 1);
	if (timer_armed(&up->idle_timer))
		timer_cancel(this_loop, &up->idle_timer);
	pool_put(&upstreams, up, SPARE);
}

void upstreams_trim(void)
{
	pool_trim(&upstreams);
}

static void idle_remove(struct upstream *up)
{
	list_del(&up->pool_node);
	atomic_fetch_sub(&up->srv->load.idle, 1);
	if (up->flags & UP_PRIVATE)
		list_del(&up->own_node);
	else
		timer_cancel(this_loop, &up->idle_timer);
}

static void idle_drop(struct upstream *up)
{
	idle_remove(up);
	upstream_free(up);
}

/* Over TLS a server may send what is no data: session tickets, new keys. */
static bool said_nothing(struct conn *c)
{
	char byte;

	return !c->xprt->raw && !(c->flags & (CONN_RDHUP | CONN_HUP | CONN_ERROR)) &&
	       conn_recv(c, &byte, 1) == -EAGAIN;
}

static void on_idle_ready(struct conn *c)
{
	if (said_nothing(c))
		return;
	idle_drop(container_of(c, struct upstream, conn));
}

static void on_idle_expired(struct timer *t)
{
	idle_drop(container_of(t, struct upstream, idle_timer));
}

/* At most UP_KEPT_MAX of them. */
static struct upstream *find_kept(struct session *sess, const struct server *srv, uint64_t key)
{
	struct upstream *up;

	if (sess->kept.next)
		list_for_each_entry(up, &sess->kept, own_node)
			if (up->srv == srv && up->key == key)
				return up;
	return NULL;
}

#define LOOK_AT_MOST 128 /* idle connections under other keys that are passed over */

/* Without keys the first will do. */
static struct upstream *find_idle(struct list *idle, uint64_t key)
{
	struct upstream *up;
	int n = 0;

	list_for_each_entry(up, idle, pool_node) {
		if (up->key == key)
			return up;
		if (++n == LOOK_AT_MOST)
			break;
	}
	return NULL;
}

struct upstream *upstream_take_idle(struct server *srv, struct stream *s, enum upstream_take take,
				    uint64_t key)
{
	struct upstream *up;

	if (!atomic_load_explicit(&srv->load.idle, memory_order_relaxed))
		return NULL;
	up = find_kept(s->sess, srv, key);
	if (!up && take == UP_TAKE_ANY)
		up = find_idle(upstream_idle_list(srv), key);
	if (!up)
		return NULL;
	idle_remove(up);
	up->stream = s;
	up->flags |= UP_REUSED;
	return up;
}

static void drop_kept(struct session *sess)
{
	struct upstream *up, *next;

	if (sess->kept.next)
		list_for_each_entry_safe(up, next, &sess->kept, own_node)
			idle_drop(up);
}

/* false: the session has enough. */
static bool keep_for_session(struct session *sess, struct upstream *up)
{
	int n = 0;

	if (!sess->kept.next)
		list_init(&sess->kept);
	for (struct list *l = sess->kept.next; l != &sess->kept; l = l->next)
		n++;
	if (n >= UP_KEPT_MAX)
		return false;
	list_add_head(&sess->kept, &up->own_node);
	list_add_head(private_list(up->srv), &up->pool_node);
	return true;
}

static bool share(struct upstream *up)
{
	struct idle_conf *c = server_ext(up->srv, &idle_ext);

	if (c->max >= 0 && (int64_t)atomic_load(&up->srv->load.idle) >= c->max)
		return false;
	list_add_head(upstream_idle_list(up->srv), &up->pool_node);
	timer_init(&up->idle_timer, on_idle_expired);
	timer_set(this_loop, &up->idle_timer, this_loop->now_ms + c->purge_ms);
	return true;
}

void upstream_park(struct stream *s)
{
	struct upstream *up = s->up;

	s->up = NULL;
	if ((up->conn.flags &
	     (CONN_EOF | CONN_ERROR | CONN_RDHUP | CONN_HUP | CONN_WR_SHUT | CONN_CONNECTING)) ||
	    up->addr_version != atomic_load(&up->srv->live.addr_version) ||
	    !server_is_willing(up->srv) ||
	    !(up->flags & UP_PRIVATE ? keep_for_session(s->sess, up) : share(up))) {
		upstream_free(up);
		return;
	}
	up->stream = NULL;
	conn_set_owner(&up->conn, on_idle_ready, up);
	atomic_fetch_add(&up->srv->load.idle, 1);
}

/* ---- room under maxconn: idle connections count, and go first ---- */

/* Goes from worker to worker until one has closed an idle connection, then home. */
struct room_request {
	struct message m;
	struct server *srv;
	struct stream *stream; /* of the worker at home; NULL: has ended */
	int home, left;
	struct list node; /* home's requests under way */
};
static __thread struct list room_requests;

static void room_pass_on(struct room_request *r);

static void room_on_home(struct message *m)
{
	struct room_request *r = (struct room_request *)m;

	list_del(&r->node);
	if (r->stream)
		stream_wake(r->stream);
	free(r);
}

/* Of this worker's: a shared one before a private one, which is worth more. */
static bool drop_oldest(struct server *srv)
{
	struct list *lists[] = { upstream_idle_list(srv), private_list(srv) };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		if (!list_empty(lists[i])) {
			idle_drop(list_last(lists[i], struct upstream, pool_node));
			return true;
		}
	}
	return false;
}

static void room_on_worker(struct message *m)
{
	struct room_request *r = (struct room_request *)m;

	if (drop_oldest(r->srv))
		r->left = 0;
	room_pass_on(r);
}

static void room_pass_on(struct room_request *r)
{
	int next = (this_loop->tid + 1) % worker_count;

	if (r->left-- > 0 && next != r->home) {
		r->m.on_arrive = room_on_worker;
		loop_post(&worker_loops[next], &r->m);
	} else {
		r->m.on_arrive = room_on_home;
		loop_post(&worker_loops[r->home], &r->m);
	}
}

static bool take_connection(struct server *srv, uint32_t limit)
{
	uint32_t now = atomic_load(&srv->load.connections);

	do {
		if (limit && now >= limit)
			return false;
	} while (!atomic_compare_exchange_weak(&srv->load.connections, &now, now + 1));
	return true;
}

/*
 * @s has a slot, so at most limit - 1 connections are in use: when all are taken, some are idle, or being closed this very
 * moment. Only a limit that has just shrunk (minconn, set maxconn) makes an exception.
 */
bool upstream_make_room(struct server *srv, struct stream *s)
{
	uint32_t limit = server_slot_limit(srv);
	struct room_request *r;

	if (take_connection(srv, limit))
		return true;
	if (drop_oldest(srv) && take_connection(srv, limit))
		return true;
	r = worker_count == 1 || atomic_load(&srv->load.served) > limit ? NULL : malloc(sizeof(*r));
	if (!r)
		return take_connection(srv, 0);
	r->srv = srv;
	r->stream = s;
	r->home = this_loop->tid;
	r->left = worker_count;
	if (!room_requests.next)
		list_init(&room_requests);
	list_add_tail(&room_requests, &r->node);
	room_pass_on(r);
	return false;
}

void upstream_stop_waiting_for_room(struct stream *s)
{
	struct room_request *r;

	if (!room_requests.next)
		return;
	list_for_each_entry(r, &room_requests, node)
		if (r->stream == s)
			r->stream = NULL;
}

/* ---- servers that go away ---- */

static void purge_in_worker(struct loop *l, void *arg)
{
	while (drop_oldest(arg))
		;
}

static void on_server_change(struct server *s, unsigned int events)
{
	/* one that is being parked this moment is not counted yet, but the message comes behind it */
	if ((events & (SERVER_EV_ADDR | SERVER_EV_DELETED)) ||
	    (!server_is_willing(s) && atomic_load(&s->load.idle)))
		threads_each(purge_in_worker, s, NULL);
}

static struct server_watcher watcher = { .changed = on_server_change };

void upstreams_prepare(struct config *cfg)
{
	server_watch(&watcher);
}

/* ---- words on server lines ---- */

static int parse_max_conn(struct cfg_line *l, int *i, struct server *s)
{
	struct idle_conf *c = server_ext(s, &idle_ext);
	const char *z = l->words[*i + 1].z;
	char *end;
	long v;

	if (*i + 1 >= l->nwords)
		return cfg_error(
			l, *i,
			"'pool-max-conn' needs a number (-1: no limit, 0: no idle connections)");
	v = strtol(z, &end, 10);
	if (end == z || *end || v < -1)
		return cfg_error(
			l, *i + 1,
			"'pool-max-conn' takes a number of -1 (no limit) or more, not '%s'", z);
	c->max = v;
	*i += 2;
	return 0;
}

static int parse_purge_delay(struct cfg_line *l, int *i, struct server *s)
{
	struct idle_conf *c = server_ext(s, &idle_ext);

	if (cfg_arg_time(l, *i + 1 - l->first_arg, &c->purge_ms) < 0)
		return -1;
	if (!c->purge_ms)
		c->max = 0; /* as the manual says: 0 means that connections are not kept */
	*i += 2;
	return 0;
}

static const struct server_option options[] = {
	{ "pool-max-conn", parse_max_conn, KERNEL_HTTP, NULL, "pool-max-conn <max>",
	  "How many idle connections to the server are kept, over all threads; -1: no limit." },
	{ "pool-purge-delay", parse_purge_delay, KERNEL_HTTP, NULL, "pool-purge-delay <delay>",
	  "How long an idle connection to the server is kept (default 5s)." },
};

void upstream_init(void)
{
	ext_register(EXT_SERVER, &idle_ext);
	session_on_fini(drop_kept);
	cfg_register_server_options(options, ARRAY_SIZE(options));
}
