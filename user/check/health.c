// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * health.c - from the result of one check to the state of the server: counting up and down between `fall` and `rise`,
 * and the words about it. Not for: doing checks (run.c). Control thread.
 */
#include "check/private.h"

#include <stdio.h>

#include "loop/thread.h"
#include "stream/session.h"

enum { SAY_NOTICE = 5, SAY_WARNING = 4 };

/* "Layer7 wrong status, code: 503, info: "Nope", check duration: 0ms" */
static void write_why(struct check *c)
{
	const struct check_status_row *row = check_status_row(c->status);
	int n = snprintf(c->why, sizeof(c->why), "%s", row->text);

	if (c->code &&
	    (c->status == CHECK_L7OK || c->status == CHECK_L7OKC || c->status == CHECK_L7STS))
		n += snprintf(c->why + n, sizeof(c->why) - (size_t)n, ", code: %d", c->code);
	if (c->info[0])
		n += snprintf(c->why + n, sizeof(c->why) - (size_t)n, ", info: \"%s\"", c->info);
	snprintf(c->why + n, sizeof(c->why) - (size_t)n, ", check duration: %ums", c->duration_ms);
}

/* `option log-health-checks`: the line says the health as it is after this result. */
static void say_check(struct check *c, bool passed)
{
	struct server *s = c->srv;
	int health = atomic_load(&s->live.health), rise = c->conf->rise, fall = c->conf->fall;
	bool up = health >= rise;
	char line[512];

	snprintf(line, sizeof(line),
		 "Health check for %sserver %s/%s %s%s, reason: %s, status: %d/%d %s.",
		 s->backup ? "backup " : "", s->px->name, s->name,
		 c->result == CHECK_CONDPASS ? "conditionally " : "",
		 passed ? "succeeded" : "failed", c->why, up ? health - rise + 1 : health,
		 up ? fall : rise, up ? "UP" : "DOWN");
	server_say(s->px, SAY_NOTICE, line);
}

void health_note(struct check *c, enum check_status st, int code, const char *info)
{
	struct server *s = c->srv;
	int health = atomic_load(&s->live.health), full = c->conf->rise + c->conf->fall - 1,
	    was = health;
	bool changed = c->status != st, passed, report, logged;
	const char *words;

	c->status = (uint8_t)st;
	c->result = check_status_row(st)->result;
	c->code = code;
	snprintf(c->info, sizeof(c->info), "%s", info ? info : "");
	c->duration_ms = (uint32_t)((control_loop.now_us - c->started_us) / 1000);
	passed = c->result != CHECK_FAILED;
	if (passed) {
		report = was < full || changed;
		health = was + 1 >= c->conf->rise ? full : was + 1;
	} else {
		report = was >= c->conf->rise || changed;
		s->live.failed_checks += was >= c->conf->rise;
		health = was > c->conf->rise ? was - 1 : 0;
	}
	atomic_store(&s->live.health, health);
	write_why(c);
	logged = s->px->options & PX_O_LOG_HEALTH;
	if (report && logged)
		say_check(c, passed);
	words = logged ? NULL : c->why; /* not said twice */
	if (!passed && health == 0)
		server_set_oper(s, SRV_STOPPED, words);
	else if (passed && health == full)
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
	if (maint) {
		if (c)
			check_stop(c);
		atomic_store(&s->live.health, 0);
	} else if (c && c->enabled && !atomic_load(&s->live.health) &&
		   atomic_load(&s->live.oper) != SRV_STOPPED) {
		atomic_store(&s->live.health, c->conf->rise);
		if (!c->running)
			check_schedule(c, 0);
	}
}

static struct server_watcher watcher = { .changed = on_server_changed };

void check_watch(void)
{
	server_watch(&watcher);
}
