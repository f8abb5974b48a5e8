/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sockmap.c - loads the splicing program where `tune.splice sockmap` wants it, tests it, hands out its places; what fell
 * back and why (`show splice`). Not for: moving bytes (engine_sockmap.c). Control thread, the places in the workers.
 */
#include "stream/sockmap.h"
#include "admin/cli.h"
#include "base/arena.h"
#include "datapath/plan.h"
#include "lbdmap/sockmap.h"
#include "loop/thread.h"
#include "process/start.h"
#include "stream/bypass.h"
#include "stream/splice.h"
#include <stdlib.h>

#define MIN_DIRS 1024
#define MAX_DIRS 131072 /* 64 bytes each, and the buckets of two hashes */
#define LOOK_MS  20
#define ROOM     (128 * 1024) /* may wait in the kernel beside the target's send buffer */
#define REST_MS  100

const struct sockmap_reason sockmap_reasons[SOCKMAP_FALLBACKS] = {
	[SOCKMAP_NOT_LOADED] = { "not_loaded",
				 "the program could not be loaded, or failed its test" },
	[SOCKMAP_NOT_TCP] = { "not_tcp", "one of the two is a unix socket" },
	[SOCKMAP_FULL] = { "full", "no place is left in the maps" },
	[SOCKMAP_REFUSED] = { "refused", "the peer had closed its side already" },
	[SOCKMAP_BUSY] = { "busy", "acknowledgements came in while the bytes were counted" },
	[SOCKMAP_FAILED] = { "failed", "the kernel refused for another reason" },
	[SOCKMAP_SLOW] = { "slow_reader", "the reader was slow: the daemon reads on" },
};
_Atomic uint64_t sockmap_fallbacks[SOCKMAP_FALLBACKS];
bool sockmap_wanted, sockmap_ready;

static struct lbdmap_sockmap *map;
static uint32_t dirs;

/* ---- places: each worker has a part of them, given back ones are taken from the other end ---- */

static struct rest {
	uint32_t next;
	uint32_t since_ms;
	struct relay *relay; /* NULL: it rests */
} * rests;
static __thread struct {
	uint32_t first, last;       /* given back; UINT32_MAX: none */
	uint32_t begin, fresh, end; /* from `fresh` on never used */
	uint32_t used;
	uint64_t trips; /* as last seen */
	struct timer look;
	bool known;
} own;

/*
 * A socket in the kernel's hands reports only its end: else every packet would wake the worker. That a reader is slow is seen
 * in one number, by a timer that runs while a place is in use.
 */
static void on_look(struct timer *t)
{
	uint64_t trips = lbdmap_sockmap_trips(map);

	for (uint32_t i = own.begin; trips != own.trips && i < own.fresh; i++) {
		struct relay *r = rests[i].relay;

		if (!r || r->engine != &engine_sockmap || !lbdmap_sockmap_dir(map, i)->tripped)
			continue;
		r->from->flags |= CONN_CAN_READ;
		r->from->on_ready(r->from);
	}
	own.trips = trips;
	if (own.used)
		timer_set(this_loop, t, this_loop->now_ms + LOOK_MS);
}

static void own_part(void)
{
	uint32_t each = dirs / (uint32_t)worker_count;

	own.known = true;
	own.first = own.last = UINT32_MAX;
	own.begin = own.fresh = each * (uint32_t)this_loop->tid;
	timer_init(&own.look, on_look);
	own.end = own.fresh + each;
}

bool sockmap_slot_take(struct relay *r, uint32_t *slot, struct lbd_splice_dir **shared)
{
	if (!own.known)
		own_part();
	if (own.first != UINT32_MAX &&
	    (uint32_t)this_loop->now_ms - rests[own.first].since_ms >= REST_MS) {
		*slot = own.first;
		own.first = rests[own.first].next;
		if (own.first == UINT32_MAX)
			own.last = UINT32_MAX;
	} else if (own.fresh < own.end) {
		*slot = own.fresh++;
	} else {
		return false;
	}
	*shared = lbdmap_sockmap_dir(map, *slot);
	memset(*shared, 0, sizeof(**shared));
	(*shared)->room = ROOM;
	rests[*slot].relay = r;
	if (!own.used++)
		timer_set(this_loop, &own.look, this_loop->now_ms + LOOK_MS);
	return true;
}

void sockmap_slot_give(uint32_t slot)
{
	own.used--;
	rests[slot].relay = NULL;
	rests[slot].next = UINT32_MAX;
	rests[slot].since_ms = (uint32_t)this_loop->now_ms;
	if (own.last == UINT32_MAX)
		own.first = slot;
	else
		rests[own.last].next = slot;
	own.last = slot;
}

int sockmap_add(uint64_t cookie, uint32_t slot, int from, int to)
{
	return lbdmap_sockmap_add(map, cookie, slot, from, to);
}

void sockmap_forget(uint64_t cookie)
{
	lbdmap_sockmap_forget(map, cookie);
}

/* ---- stations ---- */

static int load_for(uint32_t n, struct lbdmap_error *err)
{
	const char *wrong;
	int rc = lbdmap_sockmap_load(n, &map, err);

	if (rc)
		return rc;
	wrong = sockmap_selftest(map);
	if (!wrong)
		return 0;
	snprintf(err->text, sizeof(err->text), "its test on loopback failed: %s", wrong);
	lbdmap_sockmap_free(map);
	map = NULL;
	return -1;
}

static bool splices(const struct proxy *px)
{
	return px->plan && px->plan->path == PATH_SPLICE;
}

/* Nothing is lost without it: the other engines do its work. */
static void do_without(struct config *cfg, struct diag *d, const char *why)
{
	struct proxy *px;

	sockmap_fell_back(SOCKMAP_NOT_LOADED);
	diag_warning(d, PLACE_NONE,
		     "'tune.splice sockmap' is not possible here: %s\n"
		     "bytes are moved as 'tune.splice auto' does it",
		     why);
	list_for_each_entry(px, &cfg->proxies, node) {
		if (!splices(px))
			continue;
		px->plan->engine = "auto";
		px->plan->why = arena_printf(&cfg->arena, "%s; no sockmap: %s", px->plan->why, why);
	}
}

static int sockmap_open(struct config *cfg, struct diag *d)
{
	uint64_t want = 2 * (uint64_t)cfg->global.maxconn;
	struct lbdmap_error err = { "" };
	const struct proxy *px;
	bool used = false;

	list_for_each_entry(px, &cfg->proxies, node)
		used |= splices(px);
	if (!sockmap_wanted || !splice_enabled || !used)
		return 0;
	dirs = want < MIN_DIRS ? MIN_DIRS : want > MAX_DIRS ? MAX_DIRS : (uint32_t)want;
	if (load_for(dirs, &err)) {
		do_without(cfg, d, err.text);
		return 0;
	}
	rests = xzalloc(dirs * sizeof(*rests));
	sockmap_ready = true;
	return 0;
}

static void sockmap_close(void)
{
	lbdmap_sockmap_free(map);
	map = NULL;
}

static struct start_hooks hooks = {
	.name = "sockmap",
	.open = sockmap_open,
	.close = sockmap_close,
};

/* ---- commands ---- */

static enum cli_result show_splice(struct cli_request *r)
{
	strbuf_addf(r->out, "engine: %s\nbytes_spliced: %llu\n",
		    config->global.no_splice                          ? "copy"
		    : sockmap_ready                                   ? "sockmap"
		    : config->global.splice_engine && !sockmap_wanted ? config->global.splice_engine
								      : "auto",
		    (unsigned long long)atomic_load(&spliced_bytes));
	for (int i = 0; i < SOCKMAP_FALLBACKS; i++)
		strbuf_addf(r->out, "sockmap_%s: %llu\n", sockmap_reasons[i].name,
			    (unsigned long long)atomic_load(&sockmap_fallbacks[i]));
	bypass_show(r->out);
	return CLI_DONE;
}

static const struct cli_command commands[] = {
	{ "show splice", 0, show_splice, "show splice",
	  "which engine moves bytes between sockets, and how often sockmap was given up, by "
	  "reason" },
};

void sockmap_init(void)
{
	cli_register(commands, ARRAY_SIZE(commands));
	start_register(&hooks);
}
