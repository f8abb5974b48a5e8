// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The live part of servers: every change of state, weight, address and limit goes through here, is said in
 * HAProxy's words, and is passed on to the watchers (balance, queues, data path, log). Control thread only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "balance/balance.h"
#include "base/strbuf.h"
#include "model/server.h"

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

void server_live_init(struct server *s)
{
	struct proxy *px = s->px;
	struct server_live *v = &s->live;

	atomic_store(&v->oper, SRV_RUNNING);
	atomic_store(&v->admin, s->disabled ? SRV_ADM_FMAINT | SRV_ADM_CMAINT : 0);
	atomic_store(&v->uweight, s->weight);
	atomic_store(&v->eweight, s->weight);
	atomic_store(&v->maxconn, s->maxconn);
	v->addr = s->addr;
	v->last_change_s = wall_s();
	if (s->backup)
		px->nbackup++;
	else
		px->nactive++;
	if (server_is_usable(s))
		atomic_fetch_add(s->backup ? &px->up_backup : &px->up_active, 1);
	if (!px->last_change_s)
		px->last_change_s = v->last_change_s;
}

/* ---- state ---- */

/* What a server counts as, before and after a change. */
struct standing {
	bool usable, up;
	int active, backup; /* usable ones of the backend */
};

static struct standing standing_of(const struct server *s)
{
	return (struct standing){ server_is_usable(s), server_is_willing(s),
				  (int)atomic_load(&s->px->up_active),
				  (int)atomic_load(&s->px->up_backup) };
}

/* Keeps the backend's counts and times of (un)availability. */
static void account(struct server *s, const struct standing *was)
{
	struct proxy *px = s->px;
	bool usable = server_is_usable(s), up = server_is_willing(s),
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

/* "2 active and 1 backup servers left. Running on backup. 3 sessions active, 0 requeued, 1 remaining in queue." */
static void add_counts(struct strbuf *b, const struct server *s, bool online)
{
	const struct proxy *px = s->px;
	unsigned int active = atomic_load(&px->up_active), backup = atomic_load(&px->up_backup);

	strbuf_addf(b, " %u active and %u backup servers %s.%s", active, backup,
		    online ? "online" : "left", backup && !active ? " Running on backup." : "");
	if (online)
		strbuf_addf(b, " %u sessions requeued, %u total in queue.", 0, server_queued(s));
	else
		strbuf_addf(b, " %u sessions active, %u requeued, %u remaining in queue.",
			    atomic_load(&s->load.served), 0, server_queued(s));
}

static void say(const struct server *s, int level, struct strbuf *b)
{
	server_say(s->px, level, strbuf_z(b));
	strbuf_fini(b);
}

/* Syslog levels of such lines: a server going down is an alert, coming up a notice. */
enum { SAY_EMERG = 0, SAY_ALERT = 1, SAY_NOTICE = 5 };

/* After the server's own line: a backend left without servers, or with some again. */
static void say_backend(const struct server *s, const struct standing *was)
{
	struct strbuf b = STRBUF_INIT;

	if (was->active + was->backup == 0 ||
	    atomic_load(&s->px->up_active) + atomic_load(&s->px->up_backup) != 0)
		return;
	strbuf_addf(&b, "%s %s has no server available!",
		    s->px->caps & PX_FRONTEND ? "proxy" : "backend", s->px->name);
	say(s, SAY_EMERG, &b);
}

uint32_t server_queued(const struct server *s)
{
	return atomic_load(&s->load.queued);
}

void server_set_oper(struct server *s, enum server_oper oper, const char *why)
{
	struct standing was = standing_of(s);
	struct strbuf b = STRBUF_INIT;
	bool down = oper == SRV_STOPPED;

	if ((int)oper == atomic_load(&s->live.oper))
		return;
	atomic_store(&s->live.oper, oper);
	account(s, &was);
	strbuf_addf(&b, "%sServer %s/%s is %s", s->backup ? "Backup " : "", s->px->name, s->name,
		    down                   ? "DOWN"
		    : oper == SRV_STOPPING ? "stopping"
					   : "UP");
	if (why)
		strbuf_addf(&b, ", %s%s",
			    strncmp(why, "via ", 4) && strcmp(why, "changed from CLI") ? "reason: "
										       : "",
			    why);
	strbuf_adds(&b, ".");
	add_counts(&b, s, !down);
	if (atomic_load(&s->live.admin) & SRV_ADM_MAINT)
		strbuf_fini(&b); /* in maintenance nobody is told about checks */
	else
		say(s, down ? SAY_ALERT : SAY_NOTICE, &b);
	say_backend(s, &was);
	tell(s, SERVER_EV_STATE);
}

static void say_line(const struct server *s, int level, const char *text, const char *why,
		     int counts)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_addf(&b, "%sServer %s/%s %s%s%s%s.", s->backup ? "Backup " : "", s->px->name,
		    s->name, text, why ? " (" : "", why ? why : "", why ? ")" : "");
	if (counts)
		add_counts(&b, s, counts > 0);
	say(s, level, &b);
}

/* The lines for a change of the administrative state. Counts: 1 "online", -1 "left". */
static void say_admin(const struct server *s, uint32_t before, uint32_t now,
		      const struct standing *was, bool was_down, const char *why)
{
	bool maint_before = before & SRV_ADM_MAINT, maint = now & SRV_ADM_MAINT;
	bool drain_before = before & SRV_ADM_DRAIN, drain = now & SRV_ADM_DRAIN;

	if (!maint_before && maint) {
		if (was_down)
			say_line(s, SAY_NOTICE, "was DOWN and now enters maintenance", why, 0);
		else
			say_line(s, was->usable ? SAY_ALERT : SAY_NOTICE,
				 "is going DOWN for maintenance", why, -1);
	} else if (maint_before && !maint) {
		say_line(s, SAY_NOTICE,
			 drain ? "is UP/DRAIN (leaving forced maintenance)"
			       : "is UP/READY (leaving forced maintenance)",
			 NULL, 0);
		if (drain)
			say_line(s, SAY_NOTICE, "remains in forced drain mode", NULL, 0);
	} else if (!maint && !drain_before && drain) {
		say_line(s, SAY_NOTICE, "enters drain state", why, 1);
	} else if (!maint && drain_before && !drain) {
		say_line(s, SAY_NOTICE,
			 was_down ? "is DOWN (leaving forced drain)"
				  : "is UP (leaving forced drain)",
			 NULL, 0);
	}
}

void server_set_admin(struct server *s, uint32_t set, uint32_t clear, const char *why)
{
	struct standing was = standing_of(s);
	uint32_t before = atomic_load(&s->live.admin), now = (before & ~clear) | set;
	bool was_down = atomic_load(&s->live.oper) == SRV_STOPPED;

	if (now == before)
		return;
	atomic_store(&s->live.admin, now);
	/* Leaving maintenance, a server is taken for up; its check, if it has one, will find out at once. */
	if ((before & SRV_ADM_MAINT) && !(now & SRV_ADM_MAINT))
		atomic_store(&s->live.oper, SRV_RUNNING);
	account(s, &was);
	say_admin(s, before, now, &was, was_down, why);
	say_backend(s, &was);
	tell(s, SERVER_EV_STATE);
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
	atomic_store(&s->live.eweight, (uint32_t)w);
	if (server_is_usable(s) != was.usable) {
		uint64_t changed = s->live.last_change_s;

		account(s, &was);
		s->live.last_change_s = changed; /* a weight is no state */
		say_backend(s, &was);
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
}

void server_set_maxconn(struct server *s, uint32_t maxconn)
{
	atomic_store(&s->live.maxconn, maxconn);
	tell(s, SERVER_EV_MAXCONN);
}
