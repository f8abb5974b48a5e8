// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * health.c - from the result of one check to the state of the server: counting up and down between `fall` and `rise`,
 * and the words about it. Not for: doing checks (run.c). Control thread.
 */
#include "check/private.h"

#include <stdio.h>

#include "loop/thread.h"
#include "stream/session.h"

enum { SAY_NOTICE = 5 };

const char *health_why(const struct check *c, char *buf, size_t size)
{
	const struct check_status_row *row = check_status_row(c->status);
	int n = snprintf(buf, size, "%s", row->text);

	if (c->status >= CHECK_L7OK)
		n += snprintf(buf + n, size - (size_t)n, ", code: %d", c->code);
	if (c->info[0])
		n += snprintf(buf + n, size - (size_t)n, ", info: \"%s\"", c->info);
	if (c->status != CHECK_HANA) /* that was no check */
		snprintf(buf + n, size - (size_t)n, ", check duration: %ums", c->duration_ms);
	return buf;
}

void health_say(const struct check *c, const char *kind, bool up, int health)
{
	const struct server *s = c->srv;
	char line[768], why[384];

	snprintf(line, sizeof(line),
		 "%s check for %sserver %s/%s %s%s, reason: %s, status: %d/%d %s.", kind,
		 s->backup ? "backup " : "", s->px->name, s->name,
		 c->result == CHECK_CONDPASS ? "conditionally " : "",
		 c->result == CHECK_FAILED ? "failed" : "succeeded",
		 health_why(c, why, sizeof(why)), health, up ? c->conf->fall : c->conf->rise,
		 !up                             ? "DOWN"
		 : atomic_load(&s->live.uweight) ? "UP"
						 : "DRAIN");
	server_say(s->px, SAY_NOTICE, line);
}

/* The words may be a server's own: in logs and on terminals they write no lines and give no commands. */
static void only_text(char *z)
{
	for (; *z; z++)
		if ((unsigned char)*z < ' ' || *z == 0x7f)
			*z = '?';
}

void health_result(struct check *c, enum check_status st, int code, const char *info)
{
	c->status = (uint8_t)st;
	c->result = check_status_row(st)->result;
	c->code = code;
	snprintf(c->info, sizeof(c->info), "%s", info ? info : "");
	only_text(c->info);
	c->duration_ms = (uint32_t)((control_loop.now_us - c->started_us) / 1000);
}

bool health_is_good(const struct server *s)
{
	const struct check *c = check_of(s), *a = check_agent_of(s);

	return (!c || !c->enabled || atomic_load(&s->live.health) >= s->live.rise) &&
	       (!a || !a->enabled || agent_conf_of(s)->health);
}

void health_note(struct check *c, enum check_status st, int code, const char *info)
{
	struct server *s = c->srv;
	int health = atomic_load(&s->live.health), rise = c->conf->rise,
	    full = rise + c->conf->fall - 1, was = health;
	bool changed = c->status != st, passed, report, logged;
	char why[384];
	const char *words;

	health_result(c, st, code, info);
	passed = c->result != CHECK_FAILED;
	if (passed) {
		report = was < full || changed;
		health = was + 1 >= rise ? full : was + 1;
	} else {
		report = was >= rise || changed;
		s->live.failed_checks += was >= rise;
		health = was > rise ? was - 1 : 0;
	}
	atomic_store(&s->live.health, health);
	logged = s->px->options & PX_O_LOG_HEALTH;
	if (report && logged)
		health_say(c, "Health", health >= rise,
			   health >= rise ? health - rise + 1 : health);
	words = logged ? NULL : health_why(c, why, sizeof(why)); /* not said twice */
	if (!passed && health == 0)
		server_set_oper(s, SRV_STOPPED, words);
	else if (passed && health == full && health_is_good(s))
		server_set_oper(s, c->result == CHECK_CONDPASS ? SRV_STOPPING : SRV_RUNNING, words);
}

/* ---- forced by an operator ---- */

void check_force(struct server *s, enum server_oper oper)
{
	struct check *c = check_of(s);

	atomic_store(&s->live.health, oper == SRV_STOPPED ? 0 : s->live.rise + s->live.fall - 1);
	if (c && c->enabled && !c->running)
		check_schedule(c, check_interval(c));
	server_set_oper(s, oper, "changed from CLI");
}

bool check_enable(struct server *s, bool on)
{
	struct check *c = check_of(s);

	if (!c)
		return false;
	c->enabled = on;
	s->live.checked = on;
	if (!on)
		check_stop(c);
	else if (!c->running)
		check_schedule(c, check_interval(c));
	return true;
}

/* `on-marked-up shutdown-backup-sessions` */
static void clear_backups(struct proxy *px)
{
	struct server *s;

	list_for_each_entry(s, &px->servers, node)
		if (s->backup)
			sessions_kill_server(s, 'U');
}

/*
 * Leaving maintenance a server counts as up, but falls at the first failed check. `on-marked-down` ends what the server
 * still has whether a check, the operator or maintenance took it down; the data path does its part itself.
 */
static void on_server_changed(struct server *s, unsigned int events)
{
	struct check *c = check_of(s);
	bool maint = atomic_load(&s->live.admin) & SRV_ADM_MAINT;

	if (!(events & SERVER_EV_STATE))
		return;
	if (server_cuts_sessions(s))
		sessions_kill_server(s, 'D');
	if ((events & SERVER_EV_CAME_UP) && s->clear_backups_on_up && !s->backup)
		clear_backups(s->px);
	if (maint) {
		if (c)
			check_stop(c);
		atomic_store(&s->live.health, 0);
	} else if (c && c->enabled && !atomic_load(&s->live.health) &&
		   atomic_load(&s->live.oper) != SRV_STOPPED) {
		atomic_store(&s->live.health, health_at_start(s));
		if (s->init_state >= INIT_DOWN)
			server_set_oper(s, SRV_STOPPED, NULL);
		if (!c->running)
			check_schedule(c, 0);
	}
}

static struct server_watcher watcher = { .changed = on_server_changed };

void check_watch(void)
{
	server_watch(&watcher);
}
