// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The live part of servers: every change of state, weight, address and limit goes through here, is said in
 * HAProxy's words, and is passed on to the watchers (balance, queues, data path, log). Control thread only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "balance/balance.h"
#include "model/server_words.h"

static void say_nothing(const struct proxy *px, int level, const char *text)
{
}

void (*server_say)(const struct proxy *px, int level, const char *text) = say_nothing;

static struct list watchers = LIST_INIT(watchers);

void server_watch(struct server_watcher *w)
{
	list_add_tail(&watchers, &w->node);
}

static void tell(struct server *s, unsigned int events)
{
	struct server_watcher *w, *tmp;

	list_for_each_entry_safe(w, tmp, &watchers, node)
		w->changed(s, events);
}

static uint64_t wall_s(void)
{
	return (uint64_t)time(NULL);
}

/* ---- making ---- */

void server_attach(struct server *s)
{
	struct proxy *px = s->px;

	s->index = px->nservers++;
	list_add_tail(&px->servers, &s->node);
}

static void on_warmup(struct timer *t);

void server_live_init(struct server *s)
{
	struct proxy *px = s->px;
	struct server_live *v = &s->live;

	atomic_store(&v->oper, SRV_RUNNING);
	atomic_store(&v->admin, (s->disabled ? SRV_ADM_FMAINT | SRV_ADM_CMAINT : 0u) |
					(s->unresolved ? SRV_ADM_RMAINT : 0u));
	atomic_store(&v->uweight, s->weight);
	atomic_store(&v->eweight, s->weight * SERVER_WEIGHT_SCALE);
	atomic_store(&v->maxconn, s->maxconn);
	v->addr = s->addr;
	v->last_change_s = wall_s();
	timer_init(&s->warmup, on_warmup);
	if (s->backup)
		px->nbackup++;
	else
		px->nactive++;
	if (server_is_usable(s))
		atomic_fetch_add(s->backup ? &px->up_backup : &px->up_active, 1);
	if (!px->last_change_s)
		px->last_change_s = v->last_change_s;
}

/* Before anything runs: it is no longer counted as usable. */
static void begin_as(struct server *s, enum server_oper oper, uint32_t admin)
{
	if (server_is_usable(s))
		atomic_fetch_sub(s->backup ? &s->px->up_backup : &s->px->up_active, 1);
	atomic_store(&s->live.oper, oper);
	atomic_fetch_or(&s->live.admin, admin);
}

void server_begin_down(struct server *s)
{
	begin_as(s, SRV_STOPPED, 0);
}

void server_begin_inherited(struct server *s)
{
	begin_as(s, SRV_RUNNING, SRV_ADM_IMAINT);
}

/* ---- state ---- */

/* What a server counts as, before and after a change. */
struct standing {
	bool usable, up;
	int active, backup; /* usable ones of the backend */
};

/* For the times and numbers of being down: a server that stops softly is up. */
static bool counts_as_up(const struct server *s)
{
	return atomic_load(&s->live.oper) != SRV_STOPPED &&
	       !(atomic_load(&s->live.admin) & SRV_ADM_MAINT);
}

static struct standing standing_of(const struct server *s)
{
	return (struct standing){ server_is_usable(s), counts_as_up(s),
				  (int)atomic_load(&s->px->up_active),
				  (int)atomic_load(&s->px->up_backup) };
}

/* Keeps the backend's counts and times of (un)availability. */
static void account(struct server *s, const struct standing *was)
{
	struct proxy *px = s->px;
	bool usable = server_is_usable(s), up = counts_as_up(s),
	     had = was->active + was->backup > 0;
	uint64_t now = wall_s();

	if (usable != was->usable)
		atomic_fetch_add(s->backup ? &px->up_backup : &px->up_active, usable ? 1 : -1);
	if (up != was->up) {
		if (up)
			s->live.down_time_s += now - s->live.last_change_s;
		else
			s->live.down_trans++;
	}
	s->live.last_change_s = now;
	if (had != (atomic_load(&px->up_active) + atomic_load(&px->up_backup) > 0)) {
		if (!had)
			px->down_time_s += now - px->last_change_s;
		else
			px->down_trans++;
		px->last_change_s = now;
	}
}

uint32_t server_queued(const struct server *s)
{
	return atomic_load(&s->load.queued);
}

/* ---- followers: servers that track this one ---- */

/* "via b/s" */
static const char *via(const struct server *tracked, char *buf, size_t size)
{
	snprintf(buf, size, "via %s/%s", tracked->px->name, tracked->name);
	return buf;
}

const struct server *server_decided_by(const struct server *s)
{
	while (s->track)
		s = s->track;
	return s;
}

void server_follow(struct server *s, struct server *tracked)
{
	s->track = tracked;
	s->next_tracker = tracked->trackers;
	tracked->trackers = s;
}

/* What a follower has of the administrative state @admin of whom it tracks. */
static uint32_t inherited_admin(uint32_t admin)
{
	return (admin & SRV_ADM_MAINT ? SRV_ADM_IMAINT : 0) |
	       (admin & SRV_ADM_DRAIN ? SRV_ADM_IDRAIN : 0);
}

static void lead_admin(struct server *s)
{
	uint32_t want = inherited_admin(atomic_load(&s->live.admin));

	for (struct server *f = s->trackers; f; f = f->next_tracker)
		server_set_admin(f, want, (SRV_ADM_IMAINT | SRV_ADM_IDRAIN) & ~want, NULL);
}

static void lead_oper(struct server *s, enum server_oper oper)
{
	char buf[256];

	for (struct server *f = s->trackers; f; f = f->next_tracker)
		if (!(atomic_load(&f->live.admin) & SRV_ADM_MAINT))
			server_set_oper(f, oper, via(s, buf, sizeof(buf)));
}

/* ---- operational state ---- */

/* Up again: slowly, if it has a slow start. */
static void note_oper(struct server *s, enum server_oper oper, bool from_the_start)
{
	if (oper == SRV_RUNNING && s->slowstart_ms && from_the_start)
		oper = SRV_STARTING;
	atomic_store(&s->live.oper, oper);
}

static void on_warmup(struct timer *t)
{
	struct server *s = container_of(t, struct server, warmup);

	if (atomic_load(&s->live.oper) != SRV_STARTING)
		return;
	if (server_starting_since(s) < 0)
		atomic_store(&s->live.oper, SRV_RUNNING);
	server_reweigh(s);
	tell(s, SERVER_EV_WEIGHT);
}

/* Behind every change: the effective weight of the new state, and who is to know. */
static void tell_state(struct server *s, const struct standing *was)
{
	server_reweigh(s);
	tell(s, SERVER_EV_STATE | (!was->usable && server_is_usable(s) ? SERVER_EV_CAME_UP : 0));
}

void server_set_oper(struct server *s, enum server_oper oper, const char *why)
{
	struct standing was = standing_of(s);
	int before = atomic_load(&s->live.oper);

	if ((int)oper == before || (oper == SRV_RUNNING && before == SRV_STARTING))
		return;
	note_oper(s, oper, true);
	account(s, &was);
	server_say_oper(s, oper, why);
	server_say_backend(s, was.active + was.backup);
	tell_state(s, &was);
	lead_oper(s, oper);
}

void server_set_admin(struct server *s, uint32_t set, uint32_t clear, const char *why)
{
	struct standing was = standing_of(s);
	uint32_t before = atomic_load(&s->live.admin), now = (before & ~clear) | set;
	struct admin_change change = { before, now, was.usable,
				       atomic_load(&s->live.oper) == SRV_STOPPED, why };
	char buf[256];

	if (now == before)
		return;
	if (s->track && ((before ^ now) & (SRV_ADM_IMAINT | SRV_ADM_IDRAIN)))
		change.why = via(s->track, buf, sizeof(buf));
	atomic_store(&s->live.admin, now);
	/*
	 * Leaving maintenance, a server is taken for up; its check, if it has one, will find out at once. One that tracks
	 * another is what that one is.
	 */
	if ((before & SRV_ADM_MAINT) && !(now & SRV_ADM_MAINT))
		note_oper(s,
			  s->track ? (enum server_oper)atomic_load(&s->track->live.oper)
				   : SRV_RUNNING,
			  !s->track || atomic_load(&s->track->live.oper) != SRV_STOPPED);
	account(s, &was);
	server_say_admin(s, &change);
	server_say_backend(s, was.active + was.backup);
	tell_state(s, &was);
	lead_admin(s);
}

/* ---- weight, address, limit ---- */

const char *server_set_weight(struct server *s, const char *text)
{
	struct standing was = standing_of(s);
	const struct balance *b = s->px->balance;
	char *end;
	long w = strtol(text, &end, 10);
	bool percent = *end == '%';

	if (!*text)
		return "Require <weight> or <weight%>.\n";
	if (end == text)
		return "Empty weight string empty or preceded by garbage";
	if (*end && !(percent && !end[1]))
		return "Trailing garbage in weight string";
	if (percent) {
		if (w < 0)
			return "Relative weight must be positive.\n";
		if (w > 256L * 100 / (s->weight ? s->weight : 1))
			w = 256;
		else
			w = (long)s->weight * w / 100;
		if (w > 256)
			w = 256;
	} else if (w < 0 || w > 256) {
		return "Absolute weight can only be between 0 and 256 inclusive.\n";
	}
	if (b && balance_is_static(b) && w != 0 && w != (long)s->weight)
		return "Backend is using a static LB algorithm and only accepts weights '0%' and "
		       "'100%'.\n";
	atomic_store(&s->live.uweight, (uint32_t)w);
	server_reweigh(s);
	if (server_is_usable(s) != was.usable) {
		uint64_t changed = s->live.last_change_s;

		account(s, &was);
		s->live.last_change_s = changed; /* a weight is no state */
		server_say_backend(s, was.active + was.backup);
	}
	tell(s, SERVER_EV_WEIGHT);
	return NULL;
}

void server_set_addr(struct server *s, const struct addr *a, const char *why)
{
	struct server_live *v = &s->live;

	if (addr_eq(&v->addr, a))
		return;
	atomic_fetch_add_explicit(&v->addr_version, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	v->addr = *a;
	atomic_fetch_add_explicit(&v->addr_version, 1, memory_order_release);
	tell(s, SERVER_EV_ADDR);
	server_set_admin(s, 0, SRV_ADM_RMAINT, NULL);
}

void server_set_maxconn(struct server *s, uint32_t maxconn)
{
	atomic_store(&s->live.maxconn, maxconn);
	tell(s, SERVER_EV_MAXCONN);
}
