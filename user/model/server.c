// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Making servers, and questions about them. Changes of state are in server_state.c. Making: control thread; questions:
 * any thread.
 */
#include "model/server.h"

#include <xxhash.h>

static uint64_t stable_id(const struct proxy *px, const char *name)
{
	return XXH64(name, strlen(name), px->stable_id);
}

/* What `default-server` set. `name`, identity and run-time parts are the server's own. */
static void server_inherit(struct server *s, const struct server *from, struct arena *a)
{
	s->weight = from->weight;
	s->maxconn = from->maxconn;
	s->minconn = from->minconn;
	s->maxqueue = from->maxqueue;
	s->backup = from->backup;
	s->disabled = from->disabled;
	s->shutdown_on_down = from->shutdown_on_down;
	s->clear_backups_on_up = from->clear_backups_on_up;
	s->slowstart_ms = from->slowstart_ms;
	s->init_state = from->init_state;
	s->hash_key = from->hash_key;
	s->setup = from->setup;
	s->source = from->source;
	ext_inherit_all(EXT_SERVER, s->ext, from->ext, a);
}

struct server *server_new(struct config *cfg, struct proxy *px, const char *name, struct place at)
{
	size_t bytes = (sizeof(struct server) + 63) & ~(size_t)63;
	/* the load counters are cache-line aligned within, so the whole must be */
	char *raw = arena_zalloc(&cfg->arena, bytes + 64);
	struct server *s = (struct server *)(void *)(raw + (64 - (uintptr_t)raw % 64) % 64);

	list_init(&s->node);
	list_init(&s->uses);
	s->px = px;
	s->name = name;
	s->at = at;
	s->weight = 1;
	s->stable_id = stable_id(px, name);
	s->ext = arena_zalloc(&cfg->arena, ext_total(EXT_SERVER));
	ext_init_all(EXT_SERVER, s->ext);
	if (px->default_server)
		server_inherit(s, px->default_server, &cfg->arena);
	return s;
}

bool server_is_willing(const struct server *s)
{
	int oper = atomic_load_explicit(&s->live.oper, memory_order_relaxed);

	return (oper == SRV_RUNNING || oper == SRV_STARTING) &&
	       !(atomic_load_explicit(&s->live.admin, memory_order_relaxed) & SRV_ADM_MAINT);
}

bool server_is_usable(const struct server *s)
{
	return server_is_willing(s) &&
	       !(atomic_load_explicit(&s->live.admin, memory_order_relaxed) & SRV_ADM_DRAIN) &&
	       atomic_load_explicit(&s->live.eweight, memory_order_relaxed) > 0;
}

bool server_cuts_sessions(const struct server *s)
{
	return s->shutdown_on_down && (atomic_load(&s->live.oper) == SRV_STOPPED ||
				       (atomic_load(&s->live.admin) & SRV_ADM_MAINT));
}

/* Readers try again when the control thread was writing (odd version) or has written in between. */
void server_addr(const struct server *s, struct addr *out)
{
	uint32_t before, after;

	do {
		before = atomic_load_explicit(&s->live.addr_version, memory_order_acquire);
		*out = s->live.addr;
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&s->live.addr_version, memory_order_relaxed);
	} while ((before & 1) || before != after);
}

const char *server_state_text(const struct server *s, char *buf, size_t size)
{
	const struct server_live *v = &server_decided_by(s)->live;
	uint32_t admin = atomic_load(&s->live.admin);
	int oper = atomic_load(&s->live.oper), health = atomic_load(&v->health),
	    agent = atomic_load(&s->live.agent);

	if (admin & SRV_ADM_IMAINT)
		snprintf(buf, size, "MAINT (via %s/%s)", s->track ? s->track->px->name : "?",
			 s->track ? s->track->name : "?");
	else if (admin & SRV_ADM_RMAINT)
		snprintf(buf, size, "MAINT (resolution)");
	else if (admin & SRV_ADM_MAINT)
		snprintf(buf, size, "MAINT");
	else if (oper == SRV_STOPPED && agent == SERVER_AGENT_DOWN)
		snprintf(buf, size, "DOWN (agent)");
	else if ((admin & SRV_ADM_DRAIN) && oper == SRV_RUNNING && agent != SERVER_NO_AGENT)
		snprintf(buf, size, "DRAIN (agent)");
	else if (!s->live.checked)
		snprintf(buf, size, "%s", admin & SRV_ADM_DRAIN ? "DRAIN" : "no check");
	else if (oper == SRV_STOPPED && health > 0)
		snprintf(buf, size, "DOWN %d/%d", health, v->rise);
	else if (oper == SRV_STOPPED)
		snprintf(buf, size, "DOWN");
	else if (oper == SRV_STOPPING)
		snprintf(buf, size, "NOLB");
	else if (admin & SRV_ADM_DRAIN)
		snprintf(buf, size, "DRAIN");
	else if (health < v->rise + v->fall - 1)
		snprintf(buf, size, "UP %d/%d", health - v->rise + 1, v->fall);
	else
		snprintf(buf, size, "UP");
	return buf;
}
