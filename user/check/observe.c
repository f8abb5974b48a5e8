// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * observe.c - `observe layer4|layer7`: what workers see of a server counts as well as its checks do. A worker counts
 * consecutive errors (one atomic per server, only where `observe` stands); the one that reaches `error-limit` tells the
 * control thread, which does what `on-error` says.
 */
#include "check/observe.h"

#include <stdlib.h>

#include "check/private.h"
#include "config/kw_server.h"
#include "loop/thread.h"

#define DEFAULT_LIMIT 10

enum on_error {
	ON_ERROR_FAIL_CHECK,
	ON_ERROR_FASTINTER,
	ON_ERROR_SUDDEN_DEATH,
	ON_ERROR_MARK_DOWN
};

struct observe_conf {
	enum observe_mode mode;
	enum on_error on_error;
	uint32_t limit;
	struct observed *run; /* NULL: not observed */
};

/* The live part. */
struct observed {
	struct server *srv;
	_Atomic uint32_t errors; /* in a row */
	_Atomic bool told;       /* the message is under way */
	_Atomic int last;        /* enum observation that reached the limit */
	struct message message;
};

static void part_init(void *mem)
{
	((struct observe_conf *)mem)->limit = DEFAULT_LIMIT;
}

static struct ext observe_ext = { .name = "observe",
				  .bytes = sizeof(struct observe_conf),
				  .init = part_init };

static struct observe_conf *conf_of(const struct server *s)
{
	return server_ext(s, &observe_ext);
}

static const char *const words[] = {
	[OBSERVED_L4_ERROR] = "L4 unsuccessful connection",
	[OBSERVED_HTTP_STATUS] = "Wrong http response",
	[OBSERVED_HTTP_HEADERS] = "Invalid http response (headers)",
	[OBSERVED_HTTP_BODY] = "Invalid http response",
	[OBSERVED_HTTP_TIMEOUT] = "Read timeout (http)",
	[OBSERVED_HTTP_CLOSED] = "Close from server (http)",
};

/* ---- control thread ---- */

static void act(struct server *s, struct check *c, const struct observe_conf *o,
		enum observation what)
{
	int health = atomic_load(&s->live.health), rise = c->conf->rise;
	uint32_t soon = c->conf->fastinter_ms ? c->conf->fastinter_ms : c->conf->inter_ms;
	char info[128];

	if (o->on_error == ON_ERROR_SUDDEN_DEATH && health > rise)
		atomic_store(&s->live.health, rise + 1);
	if (o->on_error == ON_ERROR_MARK_DOWN)
		atomic_store(&s->live.health, rise);
	if (o->on_error != ON_ERROR_FASTINTER) {
		snprintf(info, sizeof(info), "Detected %u consecutive errors, last one was: %s",
			 o->limit, words[what]);
		c->started_us = control_loop.now_us;
		health_note(c, CHECK_HANA, 0, info);
	}
	if (!c->running && timer_armed(&c->timer) && c->timer.at_ms > control_loop.now_ms + soon)
		check_schedule(c, soon);
}

static void on_arrive(struct message *m)
{
	struct observed *o = container_of(m, struct observed, message);
	struct check *c = check_of(o->srv);
	enum observation what = (enum observation)atomic_load(&o->last);

	atomic_store(&o->errors, 0);
	atomic_store(&o->told, false);
	if (c && c->enabled && !(atomic_load(&o->srv->live.admin) & SRV_ADM_MAINT) &&
	    atomic_load(&o->srv->live.oper) != SRV_STOPPED)
		act(o->srv, c, conf_of(o->srv), what);
}

/* ---- workers ---- */

void observe_note(struct server *s, enum observe_mode mode, enum observation what)
{
	const struct observe_conf *conf = conf_of(s);
	struct observed *o = conf->run;

	if (!o || conf->mode != mode)
		return;
	if (what == OBSERVED_OK) {
		if (atomic_load_explicit(&o->errors, memory_order_relaxed))
			atomic_store(&o->errors, 0);
		return;
	}
	if (atomic_fetch_add(&o->errors, 1) + 1 < conf->limit || atomic_exchange(&o->told, true))
		return;
	atomic_store(&o->last, (int)what);
	loop_post(&control_loop, &o->message);
}

/* ---- words ---- */

static int opt_observe(struct cfg_line *l, int *i, struct server *s)
{
	static const char *const names[] = { "layer4", "layer7", NULL };
	int at = *i, k = server_option_choice(l, i, names);

	if (k < 0)
		return -1;
	if (k == 1 && l->px->mode != MODE_HTTP && l->section != CFG_DEFAULTS)
		return cfg_error(l, at + 1, "'observe layer7' needs 'mode http'");
	conf_of(s)->mode = k ? OBSERVE_LAYER7 : OBSERVE_LAYER4;
	return 0;
}

static int opt_on_error(struct cfg_line *l, int *i, struct server *s)
{
	static const char *const names[] = { "fail-check", "fastinter", "sudden-death", "mark-down",
					     NULL };
	int k = server_option_choice(l, i, names);

	if (k < 0)
		return -1;
	conf_of(s)->on_error = (enum on_error)k;
	return 0;
}

static int opt_error_limit(struct cfg_line *l, int *i, struct server *s)
{
	return server_option_u32(l, i, 1, INT32_MAX, &conf_of(s)->limit);
}

#define SAYS "in the kernel nobody sees how connections end"

static const struct server_option options[] = {
	{ "observe", opt_observe, KERNEL_APPROX, SAYS, "observe layer4|layer7",
	  "Errors of the traffic count as failed checks do." },
	{ "on-error", opt_on_error, KERNEL_APPROX, SAYS,
	  "on-error fail-check|fastinter|sudden-death|mark-down",
	  "What happens at 'error-limit' errors in a row; default fail-check." },
	{ "error-limit", opt_error_limit, KERNEL_APPROX, SAYS, "error-limit <count>",
	  "Errors in a row that make 'on-error' happen; default 10." },
};

static void make(struct server *s)
{
	struct observe_conf *o = conf_of(s);
	struct observed *run = xzalloc(sizeof(*run));

	run->srv = s;
	run->message.on_arrive = on_arrive;
	o->run = run;
}

static void make_all(struct config *cfg, struct diag *d)
{
	struct proxy *px;
	struct server *s;

	list_for_each_entry(px, &cfg->proxies, node)
		list_for_each_entry(s, &px->servers, node) {
			conf_of(s)->run = NULL; /* of a default-server */
			if (conf_of(s)->mode == OBSERVE_NOTHING)
				continue;
			if (check_conf_of(s)->enabled)
				make(s);
			else
				diag_warning(d, s->at,
					     "server '%s': 'observe' needs 'check', it is ignored",
					     s->name);
		}
}

static const struct cfg_check checks[] = {
	{ "observed servers", CFG_PHASE_DERIVE, make_all },
};

void observe_init(void)
{
	ext_register(EXT_SERVER, &observe_ext);
	cfg_register_server_options(options, ARRAY_SIZE(options));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}
