/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * services.c - services and their tables in the maps: first filling, publishing after changes, what is no longer wanted.
 * See mirror.h. Control thread.
 */
#include "datapath/mirror.h"
#include "log/log.h"
#include <stdio.h>
#include <errno.h>
#include <stdlib.h>

/* ---- the arrays ---- */

static struct mirror_backend *backend_of(struct proxy *be)
{
	struct mirror_backend *b;

	for (int i = 0; i < mirror.nbackends; i++)
		if (mirror.backends[i].be == be)
			return &mirror.backends[i];
	b = &mirror.backends[mirror.nbackends++];
	b->be = be;
	b->servers = xzalloc(sizeof(*b->servers) * (size_t)(be->nservers + 1));
	b->slot_of = xzalloc(sizeof(*b->slot_of) * (size_t)(be->nservers + 1));
	return b;
}

int mirror_services_init(void)
{
	struct proxy *px;
	int n = 0;

	list_for_each_entry(px, &mirror.cfg->proxies, node)
		n += px->plan && px->plan->path == PATH_KERNEL;
	if (!n)
		return 0;
	mirror.services = xzalloc(sizeof(*mirror.services) * (size_t)n);
	mirror.backends = xzalloc(sizeof(*mirror.backends) * (size_t)n);
	list_for_each_entry(px, &mirror.cfg->proxies, node) {
		struct mirror_service *sv;
		struct server *s;

		if (!px->plan || px->plan->path != PATH_KERNEL)
			continue;
		sv = &mirror.services[mirror.nservices++];
		sv->fe = px;
		sv->backend = backend_of(px->plan->be);
		list_for_each_entry(s, &sv->backend->be->servers, node)
			sv->backend->servers[s->index].server = s;
	}
	return n;
}

struct mirror_server *mirror_server_find(const struct server *s)
{
	for (int i = 0; i < mirror.nbackends; i++)
		if (mirror.backends[i].be == s->px)
			return &mirror.backends[i].servers[s->index];
	return NULL;
}

struct mirror_service *mirror_service_find(const struct proxy *fe)
{
	for (int i = 0; i < mirror.nservices; i++)
		if (mirror.services[i].fe == fe)
			return &mirror.services[i];
	return NULL;
}

/* ---- the service's entry ---- */

static uint32_t shorter(uint32_t a, uint32_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* An idle flow is forgotten when a proxy would have cut it: `timeout tunnel`, else the shorter of client and server. */
static void service_entry(const struct mirror_service *sv, struct lbd_service *e)
{
	const struct proxy_timeouts *fe = &sv->fe->timeout, *be = &sv->backend->be->timeout;
	uint32_t tunnel = be->tunnel ? be->tunnel : fe->tunnel;
	uint32_t idle = tunnel ? tunnel : shorter(fe->client, be->server);
	uint32_t half = shorter(fe->client_fin, be->server_fin);

	memset(e, 0, sizeof(*e));
	e->id = sv->fe->stable_id;
	e->flags = LBD_S_USED;
	e->idle_ticks = lbdmap_ticks_ms(idle);
	e->half_ticks = lbdmap_ticks_ms(half ? half : idle);
	kernel_pick_fields(sv->backend->be->balance, e);
}

static bool same_service(const struct lbd_service *a, const struct lbd_service *b)
{
	return a->id == b->id && a->flags == b->flags && a->pick == b->pick &&
	       a->number == b->number && a->draws == b->draws && a->idle_ticks == b->idle_ticks &&
	       a->half_ticks == b->half_ticks;
}

/* The slot that an earlier process left with just this content; flows refer to it. 0: none. */
static uint32_t service_adopt(const struct lbd_service *want)
{
	const struct lbd_service *e;

	for (uint32_t slot = 1; (e = lbdmap_service(mirror.set, slot)); slot++)
		if ((e->flags & LBD_S_USED) && same_service(e, want))
			return slot;
	return 0;
}

static int service_put(struct mirror_service *sv)
{
	struct lbd_service e;
	int64_t fresh;

	service_entry(sv, &e);
	sv->slot = service_adopt(&e);
	if (sv->slot)
		return 0;
	fresh = lbdmap_slot_take(mirror.set, LBDMAP_SERVICE, 1);
	if (fresh < 0)
		return mirror_failed("service slot", (int)fresh);
	sv->slot = (uint32_t)fresh;
	return mirror_failed("service", lbdmap_service_put(mirror.set, sv->slot, &e));
}

/* ---- tables ---- */

static int publish_backend(struct mirror_backend *b)
{
	struct kernel_table t;
	int err = kernel_table_build(b->be, b->slot_of, &t), first = 0;

	if (err)
		return err;
	for (int i = 0; i < mirror.nservices; i++) {
		struct mirror_service *sv = &mirror.services[i];
		bool ring = t.form == LBD_FORM_RING;

		if (sv->backend != b || !sv->slot)
			continue;
		err = lbdmap_table_publish(mirror.set, sv->slot, t.form, ring ? t.words : NULL,
					   ring ? t.words + t.size : t.words, t.size);
		if (err && !first)
			first = err;
	}
	kernel_table_fini(&t);
	return first;
}

#define PUBLISH_AGAIN_MS \
	20 /* regions of the last 100 ms are not free yet; the servers' UP bits say it already */
#define PUBLISH_FAILED_MS 1000

/* What cannot be published stays dirty and is tried again, after a pause in which the control thread does other things. */
void mirror_publish_dirty(struct task *task)
{
	uint32_t again_ms = 0;

	for (int i = 0; i < mirror.nbackends; i++) {
		struct mirror_backend *b = &mirror.backends[i];
		int err;

		if (!b->dirty)
			continue;
		err = publish_backend(b);
		b->dirty = err != 0;
		if (err && err != -EAGAIN)
			mirror_failed("a table", err);
		if (err && again_ms != PUBLISH_AGAIN_MS)
			again_ms = err == -EAGAIN ? PUBLISH_AGAIN_MS : PUBLISH_FAILED_MS;
	}
	if (again_ms)
		timer_set(&control_loop, &mirror.publish_again, control_loop.now_ms + again_ms);
}

void mirror_publish_again(struct timer *t)
{
	mirror_publish_dirty(&mirror.publish);
}

/* ---- what the rest of the daemon changed ---- */

void mirror_server_changed(struct server *s, unsigned int events)
{
	struct mirror_server *m = mirror_server_find(s);
	struct mirror_backend *b = NULL;

	if (!m || !mirror.running)
		return;
	for (int i = 0; i < mirror.nbackends; i++)
		if (mirror.backends[i].be == s->px)
			b = &mirror.backends[i];
	if (!b)
		return;
	if (events &
	    SERVER_EV_ADDR) { /* a slot's address never changes: the new one takes another, old flows keep theirs */
		mirror_server_free_slot(m);
		m->source = m->nexthop = 0;
	}
	mirror_server_put(b, m);
	if (m->slot)
		mirror_failed("server state",
			      lbdmap_server_state(mirror.set, m->slot, server_is_usable(s),
						  server_cuts_sessions(s)));
	b->dirty = true;
	task_wake(&control_loop, &mirror.publish);
}

/* ---- addresses ---- */

static void service_key(struct lbd_service_key *k, const struct bind_address *a, uint16_t port)
{
	memset(k, 0, sizeof(*k));
	if (!addr_is_any(&a->addr))
		mirror_addr(&k->addr, &a->addr);
	k->port_be = htons(port);
	k->proto = IPPROTO_TCP;
}

static void each_key(const struct mirror_service *sv,
		     void (*fn)(const struct mirror_service *, const struct lbd_service_key *,
				const struct bind_conf *))
{
	const struct bind_conf *b;
	const struct bind_address *a;
	struct lbd_service_key k;

	list_for_each_entry(b, &sv->fe->binds, node)
		list_for_each_entry(a, &b->addresses, node)
			for (unsigned int port = a->addr.port; port <= a->port_end; port++) {
				service_key(&k, a, (uint16_t)port);
				fn(sv, &k, b);
			}
}

static void put_key(const struct mirror_service *sv, const struct lbd_service_key *k,
		    const struct bind_conf *b)
{
	mirror_failed("service address", lbdmap_bind_put(mirror.set, k, sv->slot, 0));
}

/* Every address and port of this configuration, sorted: what is asked when an earlier process's are looked through. */
static struct lbd_service_key *our_keys;
static size_t nour_keys, our_keys_room;

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lbd_service_key));
}

static void note_key(const struct mirror_service *sv, const struct lbd_service_key *k,
		     const struct bind_conf *b)
{
	if (nour_keys == our_keys_room) {
		our_keys_room = our_keys_room ? 2 * our_keys_room : 64;
		our_keys = xrealloc(our_keys, our_keys_room * sizeof(*our_keys));
	}
	our_keys[nour_keys++] = *k;
}

static void collect_keys(void)
{
	nour_keys = 0;
	for (int i = 0; i < mirror.nservices; i++)
		each_key(&mirror.services[i], note_key);
	if (nour_keys)
		qsort(our_keys, nour_keys, sizeof(*our_keys), compare_keys);
}

static bool key_is_ours(const struct lbd_service_key *k)
{
	return nour_keys && bsearch(k, our_keys, nour_keys, sizeof(*our_keys), compare_keys);
}

/* ---- meta: so that lbadm can speak with the daemon dead ---- */

static void put_place(uint64_t id, const struct place *at)
{
	char text[300];

	snprintf(text, sizeof(text), "%.230s:%d", at->file ? at->file : "", at->line);
	lbdmap_meta_put(mirror.set, LBD_META_PLACE, id, 0, (uint64_t)at->line, text);
}

/* The first stats socket on a path, for lbadm's edits. */
static void put_socket(void)
{
	const struct bind_conf *b;
	const struct bind_address *a;

	list_for_each_entry(b, &mirror.cfg->global.stats_listeners, node)
		list_for_each_entry(a, &b->addresses, node)
			if (a->path && !a->is_abstract && b->level >= 2) {
				lbdmap_meta_put(mirror.set, LBD_META_SOCKET, 0, 0, 0, a->path);
				return;
			}
}

/* Of every service, also those in user space: why, and for the next start which path. */
static void put_reasons(void)
{
	const struct proxy *px;

	list_for_each_entry(px, &mirror.cfg->proxies, node)
		if (px->plan)
			lbdmap_meta_put(mirror.set, LBD_META_REASON, px->stable_id, 0,
					px->plan->path, px->plan->why);
}

static void put_meta(void)
{
	char name[LBD_TEXT];

	for (int i = 0; i < mirror.nservices; i++) {
		const struct proxy *fe = mirror.services[i].fe;

		lbdmap_meta_put(mirror.set, LBD_META_SERVICE, fe->stable_id, 0,
				mirror.services[i].slot, fe->name);
		lbdmap_meta_put(mirror.set, LBD_META_BACKEND, fe->stable_id, 0, 0,
				mirror.services[i].backend->be->name);
		put_place(fe->stable_id, &fe->at);
	}
	for (int i = 0; i < mirror.nbackends; i++) {
		struct mirror_backend *b = &mirror.backends[i];

		for (int j = 0; j < b->be->nservers; j++) {
			const struct server *s = b->servers[j].server;

			snprintf(name, sizeof(name), "%.110s/%.110s", b->be->name, s->name);
			lbdmap_meta_put(mirror.set, LBD_META_SERVER, s->stable_id, 0,
					b->servers[j].slot, name);
			put_place(s->stable_id, &s->at);
		}
	}
	put_reasons();
	put_socket();
	for (int i = 0; mirror.cfg->files && mirror.cfg->files[i]; i++)
		lbdmap_meta_put(mirror.set, LBD_META_CONFIG, 0, (uint32_t)i, 0,
				mirror.cfg->files[i]);
}

/* ---- first filling ---- */

void mirror_services_fill(void)
{
	mirror_routes_follow();
	mirror_devices_put();
	lbdmap_ports_set(mirror.set, mirror.conf->port_lo, mirror.conf->port_hi);
	for (int i = 0; i < mirror.nbackends; i++) {
		struct mirror_backend *b = &mirror.backends[i];

		for (int j = 0; j < b->be->nservers; j++)
			mirror_server_put(b, &b->servers[j]);
	}
	for (int i = 0; i < mirror.nservices; i++)
		service_put(&mirror.services[i]);
	for (int i = 0; i < mirror.nbackends; i++)
		mirror.backends[i].dirty = true;
	mirror_publish_dirty(&mirror.publish);
	for (int i = 0; i < mirror.nservices; i++)
		if (mirror.services[i].slot)
			each_key(&mirror.services[i], put_key);
	if (mirror.adopted) {
		collect_keys();
		mirror_retire_begin(key_is_ours);
	}
	mirror.retiring = mirror.adopted ? mirror_retire_go_on() : 0;
	mirror_orphan_servers_remove();
	lbdmap_commit(mirror.set, mirror.cfg->hash);
	put_meta();
	lbdmap_meta_prune(mirror.set);
}
