// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the log says about changes of a server's state. The changes themselves: server_state.c. Control thread.
 */
#include "model/server_words.h"

#include "base/strbuf.h"

/* Syslog levels of such lines: a server going down is an alert, coming up a notice. */
enum { SAY_EMERG = 0, SAY_ALERT = 1, SAY_NOTICE = 5 };

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

void server_say_backend(const struct server *s, int had)
{
	struct strbuf b = STRBUF_INIT;

	if (!had || atomic_load(&s->px->up_active) + atomic_load(&s->px->up_backup) != 0)
		return;
	strbuf_addf(&b, "%s %s has no server available!",
		    s->px->caps & PX_FRONTEND ? "proxy" : "backend", s->px->name);
	say(s, SAY_EMERG, &b);
}

static void begin_line(struct strbuf *b, const struct server *s, const char *text)
{
	strbuf_addf(b, "%sServer %s/%s %s", s->backup ? "Backup " : "", s->px->name, s->name, text);
}

void server_say_oper(const struct server *s, enum server_oper oper, const char *why)
{
	bool down = oper == SRV_STOPPED, is_via = why && !strncmp(why, "via ", 4);
	struct strbuf b = STRBUF_INIT;

	if (atomic_load(&s->live.admin) & SRV_ADM_MAINT) /* nobody is told about checks */
		return;
	begin_line(&b, s, down ? "is DOWN" : oper == SRV_STOPPING ? "is stopping" : "is UP");
	if (why)
		strbuf_addf(&b, "%s%s%s", is_via ? " " : ", ",
			    is_via || !strcmp(why, "changed from CLI") ? "" : "reason: ", why);
	strbuf_adds(&b, ".");
	add_counts(&b, s, !down);
	say(s, down ? SAY_ALERT : SAY_NOTICE, &b);
}

/* @counts: 1 "online", -1 "left", 0 none. */
static void say_line(const struct server *s, int level, const char *text, const char *why,
		     int counts)
{
	struct strbuf b = STRBUF_INIT;

	begin_line(&b, s, text);
	if (why)
		strbuf_addf(&b, strncmp(why, "via ", 4) ? " (%s)" : " %s", why);
	strbuf_adds(&b, ".");
	if (counts)
		add_counts(&b, s, counts > 0);
	say(s, level, &b);
}

static void say_into_maintenance(const struct server *s, const struct admin_change *c)
{
	if (c->was_stopped)
		say_line(s, SAY_NOTICE, "was DOWN and now enters maintenance", c->why, 0);
	else
		say_line(s, c->was_usable ? SAY_ALERT : SAY_NOTICE, "is going DOWN for maintenance",
			 c->why, -1);
}

static void say_out_of_maintenance(const struct server *s, const struct admin_change *c)
{
	bool down = atomic_load(&s->live.oper) == SRV_STOPPED, drain = c->now & SRV_ADM_DRAIN;
	bool forced = c->before & SRV_ADM_FMAINT;
	char text[512];

	if (c->before & SRV_ADM_RMAINT)
		snprintf(text, sizeof(text), "('%s') is %s/%s (resolves again)", s->host_name,
			 down ? "DOWN" : "UP", drain ? "DRAIN" : "READY");
	else
		snprintf(text, sizeof(text), "is %s/%s (leaving %smaintenance)",
			 down ? "DOWN" : "UP", drain ? "DRAIN" : "READY", forced ? "forced " : "");
	say_line(s, SAY_NOTICE, text, NULL, 0);
	if (c->now & SRV_ADM_FDRAIN)
		say_line(s, SAY_NOTICE, "remains in forced drain mode", NULL, 0);
}

static void say_out_of_drain(const struct server *s, const struct admin_change *c)
{
	say_line(s, SAY_NOTICE,
		 c->was_stopped ? "is DOWN (leaving forced drain)" : "is UP (leaving forced drain)",
		 NULL, 0);
}

/* One reason for maintenance has gone, another is still there. */
static void say_still_in_maintenance(const struct server *s, const struct admin_change *c)
{
	char why[256];

	if ((c->before & ~c->now & SRV_ADM_FMAINT) && s->track) {
		snprintf(why, sizeof(why), "via %s/%s", s->track->px->name, s->track->name);
		say_line(s, SAY_NOTICE, "is leaving forced maintenance but remains in maintenance",
			 why, 0);
	} else if ((c->before & ~c->now & SRV_ADM_IMAINT) && (c->now & SRV_ADM_FMAINT)) {
		say_line(s, SAY_NOTICE, "remains in forced maintenance", NULL, 0);
	}
}

static void say_still_draining(const struct server *s, const struct admin_change *c)
{
	char why[256];

	if (c->now & SRV_ADM_FDRAIN) {
		say_line(s, SAY_NOTICE, "remains in forced drain mode", NULL, 0);
	} else if (s->track) {
		snprintf(why, sizeof(why), "via %s/%s", s->track->px->name, s->track->name);
		say_line(s, SAY_NOTICE, "is leaving forced drain but remains in drain mode", why,
			 0);
	}
}

void server_say_admin(const struct server *s, const struct admin_change *c)
{
	bool maint_before = c->before & SRV_ADM_MAINT, maint = c->now & SRV_ADM_MAINT;
	bool drain_before = c->before & SRV_ADM_DRAIN, drain = c->now & SRV_ADM_DRAIN;

	if (maint_before && maint)
		say_still_in_maintenance(s, c);
	else if (maint)
		say_into_maintenance(s, c);
	else if (maint_before)
		say_out_of_maintenance(s, c);
	else if (!drain_before && drain)
		say_line(s, SAY_NOTICE, "enters drain state", c->why, 1);
	else if (drain_before && drain)
		say_still_draining(s, c);
	else if (drain_before)
		say_out_of_drain(s, c);
}
