/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * datapath.c - the kernel path's life in the daemon: planning, opening, filling, following, ending. See datapath.h. Control thread.
 */
#include "datapath/datapath.h"
#include "datapath/mirror.h"
#include "log/log.h"
#include "process/start.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define HEARTBEAT_MS   1000
#define SWEEP_MS       100
#define OWN_RETRY_MS   20
#define OWN_TRIES_SAID 250  /* 5 s */
#define RETIRE_MS      3000 /* how often the flow table is searched for users of what is given up */
#define SWEEP_ROUNDS   100  /* the whole flow table is looked at in that many sweeps: 10 s */

struct mirror mirror;
static struct host_caps host;
static struct timer own_retry;

int mirror_failed(const char *what, int err)
{
	static time_t last;
	static unsigned int silent;

	if (!err)
		return 0;
	if (time(NULL) == last) {
		silent++;
		return err;
	}
	last = time(NULL);
	log_global(LOG_L_ERR,
		   "datapath: writing %s into the kernel failed: %s (%u more like this). 'lbadm "
		   "verify' and a reload repair it.",
		   what, strerror(-err), silent);
	silent = 0;
	return err;
}

/* ---- planning (a configuration check) ---- */

/* Services whose path is another one than at the last start, as the pinned meta remembers it. */
static void mark_changed(struct config *cfg)
{
	const struct datapath_conf *dp = cfg->global.datapath;
	struct lbdmap_error err;
	struct lbdmap_set *set;
	struct proxy *px;

	if (!dp || lbdmap_open(dp->pin, false, &set, &err))
		return;
	list_for_each_entry(px, &cfg->proxies, node) {
		struct lbd_meta m;

		if (px->plan && lbdmap_meta_get(set, LBD_META_REASON, px->stable_id, 0, &m) == 0)
			px->plan->changed = m.value != (uint64_t)px->plan->path;
	}
	lbdmap_close(set);
}

static void plan_check(struct config *cfg, struct diag *d)
{
	if (d->errors)
		return;
	host_caps_probe(cfg, &host, &cfg->arena);
	plan_all(cfg, &host, d);
	mark_changed(cfg);
}

void datapath_print_plan(const struct config *cfg, struct strbuf *out)
{
	plan_print(cfg, &host, out);
}

void datapath_print_plan_json(const struct config *cfg, struct strbuf *out)
{
	plan_print_json(cfg, &host, out);
}

/* ---- opening ---- */

/* The kernel path is not to be had: each of its services goes to the next path, or is an error if it insists. */
static int fall_back(struct config *cfg, struct diag *d, const char *why)
{
	struct proxy *px;
	int rc = 0;

	list_for_each_entry(px, &cfg->proxies, node) {
		if (!px->plan || px->plan->path != PATH_KERNEL)
			continue;
		if (datapath_px(px)->wish == WISH_KERNEL) {
			diag_error(d, datapath_px(px)->at,
				   "%s '%s': 'datapath kernel' cannot be honoured\nbecause %s\n"
				   "or use 'datapath auto', which takes the highest path that is "
				   "possible",
				   proxy_kind(px), px->name, why);
			rc = -1;
			continue;
		}
		px->plan->path = cfg->global.no_splice ? PATH_USER : PATH_SPLICE;
		px->plan->engine = cfg->global.no_splice ? NULL : "auto";
		px->plan->forward = "-";
		px->plan->why = arena_strdup(&cfg->arena, why);
		diag_warning(d, px->at, "%s '%s' runs in user space: %s", proxy_kind(px), px->name,
			     why);
	}
	return rc;
}

static bool wants_kernel(const struct config *cfg)
{
	const struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node)
		if (px->plan && px->plan->path == PATH_KERNEL)
			return true;
	return false;
}

/* An earlier process left services in the kernel: they must be taken out, or packets would never reach this one. */
static bool served_before(void)
{
	struct lbdmap_link link;

	return lbdmap_links(mirror.conf->pin, &link, 1) > 0;
}

static uint32_t count_flows(struct lbdmap_set *set)
{
	struct lbd_flow f;
	uint32_t cursor = 0, n = 0;

	while (lbdmap_flow_next(set, &cursor, &f, NULL) == 1)
		n++;
	return n;
}

static int open_set(struct strbuf *why)
{
	struct lbdmap_sizes sizes = { .flows = mirror.conf->flows };
	struct lbdmap_error err = { "" };
	int rc = lbdmap_create(mirror.conf->pin, &sizes, &mirror.set, &mirror.adopted, &err);

	if (rc) {
		strbuf_adds(why, err.text);
		return rc;
	}
	rc = lbdmap_own(mirror.set, "lbd", &err);
	if (rc == -EBUSY && mirror.cfg->global.takes_over)
		rc = 0; /* the old process gives it up once we are ready: control_start() */
	if (rc)
		strbuf_adds(why, err.text);
	return rc;
}

/* Nothing of ours stays behind when opening fails half way, unless it was there before. */
static void undo_open(void)
{
	struct lbdmap_error err;

	lbdmap_prog_free(mirror.xdp);
	lbdmap_prog_free(mirror.tc);
	mirror.xdp = mirror.tc = NULL;
	mirror.nifaces = 0;
	if (mirror.set)
		lbdmap_close(mirror.set);
	mirror.set = NULL;
	if (!mirror.adopted)
		lbdmap_cleanup(mirror.conf->pin, &err);
}

int datapath_open(struct config *cfg, struct diag *d)
{
	struct strbuf why = STRBUF_INIT;
	int rc;

	mirror.cfg = cfg;
	mirror.conf = cfg->global.datapath;
	if (!mirror.conf || (!wants_kernel(cfg) && !served_before()))
		return 0;
	rc = net_open();
	if (rc)
		strbuf_addf(&why, "netlink cannot be opened: %s", strerror(-rc));
	if (!rc)
		rc = open_set(&why);
	if (!rc)
		rc = mirror_attach(&why);
	if (rc) {
		if (mirror.set || mirror.conf)
			undo_open();
		rc = fall_back(cfg, d, strbuf_z(&why));
	} else {
		mirror_services_init();
		mirror_neighbours_manage();
		if (mirror.adopted)
			mirror.adopted_flows = count_flows(mirror.set);
	}
	strbuf_fini(&why);
	return rc;
}

/* ---- running ---- */

/* The last service has left the kernel path, and the last of its flows has ended. */
static void detach_when_empty(void)
{
	struct lbdmap_error err = { "" };
	int n;

	if (mirror.nservices || mirror.retiring || mirror.detached)
		return;
	mirror.detached = true;
	n = lbdmap_detach_all(mirror.conf->pin, 0, &err);
	if (n < 0)
		log_global(LOG_L_WARNING,
			   "datapath: no service is left in the kernel, but detaching failed: %s; "
			   "run 'lbadm -p %s detach --now'",
			   err.text, mirror.conf->pin);
	else
		log_global(LOG_L_NOTICE,
			   "datapath: no service is left in the kernel; %d programs are detached",
			   n);
}

static void on_heartbeat(struct timer *t)
{
	static uint64_t looked_ms;

	lbdmap_heartbeat(mirror.set);
	if (mirror.retiring && control_loop.now_ms - looked_ms >= RETIRE_MS) {
		looked_ms = control_loop.now_ms;
		mirror.retiring = mirror_retire_go_on();
	}
	mirror_orphan_servers_remove();
	detach_when_empty();
	timer_set(&control_loop, t, control_loop.now_ms + HEARTBEAT_MS);
}

static void on_sweep(struct timer *t)
{
	uint32_t places = lbdmap_entries(mirror.set, LBDMAP_FLOW);

	lbdmap_flow_sweep(mirror.set, &mirror.sweep_cursor, places / SWEEP_ROUNDS + 1);
	timer_set(&control_loop, t, control_loop.now_ms + SWEEP_MS);
}

#define FOLLOW_AT_ONCE 64 /* servers in a loop round: each asks netlink twice, 1 to 2 ms together */

/* The walk over all servers: where it is, and how many are still to be looked at since the last change. */
static struct {
	int backend, server;
	uint32_t left;
	bool changed;
} walk;

static uint32_t count_servers(void)
{
	uint32_t n = 0;

	for (int b = 0; b < mirror.nbackends; b++)
		n += (uint32_t)mirror.backends[b].be->nservers;
	return n;
}

/* The server the walk stands at, in a circle, so that changes in mid-walk do not starve the last ones; NULL: none at all. */
static struct mirror_server *walk_next(void)
{
	for (int looked = 0; looked <= mirror.nbackends; looked++) {
		struct mirror_backend *b = &mirror.backends[walk.backend];

		if (walk.server < b->be->nservers)
			return &b->servers[walk.server++];
		walk.server = 0;
		walk.backend = (walk.backend + 1) % mirror.nbackends;
	}
	return NULL;
}

static void follow_network(struct task *t)
{
	if (!mirror.running)
		return;
	if (walk.changed) {
		walk.changed = false;
		mirror_routes_follow();
		walk.left = count_servers();
	}
	for (int n = 0; n < FOLLOW_AT_ONCE && walk.left; n++) {
		mirror_server_follow(walk_next());
		walk.left--;
	}
	if (walk.left)
		task_wake(&control_loop, t);
}

static void on_network(struct net_watcher *w, unsigned int events)
{
	walk.changed = true;
	task_wake(&control_loop, &mirror.follow);
}

static struct net_watcher network = { .changed = on_network };
static struct server_watcher servers = { .changed = mirror_server_changed };

/* "datapath: web: kernel: xdp, nothing has to read the stream": what was decided, for the log. */
static void log_plan(void)
{
	const struct proxy *px;
	char text[64];

	list_for_each_entry(px, &mirror.cfg->proxies, node)
		if (px->plan)
			log_global(LOG_L_NOTICE, "datapath: %s: %s, %s%s", px->name,
				   path_text(px->plan, text, sizeof(text)), px->plan->why,
				   px->plan->changed ? " (CHANGED since the last start)" : "");
}

static void run(void)
{
	lbdmap_heartbeat(mirror.set);
	mirror_services_fill();
	mirror.running = true;
	net_watch(&network);
	timer_init(&mirror.heartbeat, on_heartbeat);
	timer_init(&mirror.sweep, on_sweep);
	on_heartbeat(&mirror.heartbeat);
	on_sweep(&mirror.sweep);
	mirror_counts_start();
	if (mirror.adopted)
		log_global(LOG_L_NOTICE, "datapath: adopted %u flows from %s", mirror.adopted_flows,
			   mirror.conf->pin);
}

/* In a reload the old process lets go when it has heard that we are ready. */
static void on_own_retry(struct timer *t)
{
	static int tries;
	struct lbdmap_error err = { "" };

	if (lbdmap_own(mirror.set, "lbd", &err) == 0) {
		run();
		return;
	}
	if (++tries % OWN_TRIES_SAID == 0)
		log_global(LOG_L_WARNING, "datapath: the kernel's maps are not ours yet: %s",
			   err.text);
	timer_set(&control_loop, t, control_loop.now_ms + OWN_RETRY_MS);
}

void datapath_start(void)
{
	if (mirror.conf)
		log_plan();
	if (!mirror.set)
		return;
	if (net_follow(&control_loop))
		log_global(LOG_L_ERR, "datapath: netlink cannot be followed: changes of routes and "
				      "neighbours go unseen");
	task_init(&mirror.publish, mirror_publish_dirty);
	timer_init(&mirror.publish_again, mirror_publish_again);
	task_init(&mirror.follow, follow_network);
	timer_init(&own_retry, on_own_retry);
	if (lbdmap_is_owner(mirror.set))
		run();
	else
		on_own_retry(&own_retry);
}

/* ---- the end ---- */

/* Somebody takes over (SIGUSR1): only read from now on; flows and programs stay. */
static void hand_over(void)
{
	if (own_retry.on_expire)
		timer_cancel(&control_loop, &own_retry);
	if (!mirror.running)
		return;
	timer_cancel(&control_loop, &mirror.heartbeat);
	timer_cancel(&control_loop, &mirror.sweep);
	timer_cancel(&control_loop, &mirror.publish_again);
	task_cancel(&control_loop, &mirror.publish);
	task_cancel(&control_loop, &mirror.follow);
	mirror_counts_stop();
	mirror.running = false;
	lbdmap_disown(mirror.set);
}

/* What is pinned stays in every case: flows outlive the daemon, `lbadm detach --now` is the off switch. */
void datapath_stop(bool keep)
{
	if (!mirror.set)
		return;
	hand_over();
	lbdmap_close(mirror.set);
	mirror.set = NULL;
	net_close();
}

static void describe(struct config *cfg)
{
	struct strbuf out = STRBUF_INIT;

	plan_print(cfg, &host, &out);
	strbuf_adds(&out, "Nothing is attached by -c.\n");
	fputs(strbuf_z(&out), stdout);
	strbuf_fini(&out);
}

static void close_hook(void)
{
	datapath_stop(true);
}

static struct start_hooks hooks = {
	.name = "datapath",
	.describe = describe,
	.open = datapath_open,
	.control_start = datapath_start,
	.soft_stop = hand_over,
	.close = close_hook,
};

static const struct cfg_check checks[] = { { "datapath plan", CFG_PHASE_PLAN, plan_check } };

void datapath_init(void)
{
	datapath_conf_init();
	cfg_register_checks(checks, ARRAY_SIZE(checks));
	datapath_commands_init();
	server_watch(&servers);
	start_register(&hooks);
}
