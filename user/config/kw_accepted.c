// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Global words that only steer machinery that HAProxy has and lbd does not: nothing that a client, a server or the
 * operator sees would change. Each is checked and accepted, and its help says why nothing follows. Control thread,
 * before the workers start.
 */
#include "base/units.h"
#include "config/keyword.h"
#include "config/language.h"
#include "model/config.h"

static int parse_number(struct cfg_line *l)
{
	uint64_t size;

	if (cfg_want_args(l, 1, 1, "<number>"))
		return -1;
	if (!parse_size(slice_z(cfg_arg(l, 0)), &size))
		return 0;
	return cfg_error(l, l->first_arg, "'%s' takes a number, not '%s'", l->words[0].z,
			 cfg_arg(l, 0));
}

static int parse_on_off(struct cfg_line *l)
{
	bool on;

	return cfg_want_args(l, 1, 1, "on|off") ? -1 : cfg_arg_on_off(l, 0, &on);
}

static int parse_auto(struct cfg_line *l)
{
	bool on;

	if (cfg_want_args(l, 1, 1, "auto|on|off"))
		return -1;
	return strcmp(cfg_arg(l, 0), "auto") ? cfg_arg_on_off(l, 0, &on) : 0;
}

static int parse_idletimer(struct cfg_line *l)
{
	uint32_t ms;

	if (cfg_want_args(l, 1, 1, "tune.idletimer <time>") || cfg_arg_time(l, 0, &ms))
		return -1;
	if (ms > 65535)
		return cfg_error(l, l->first_arg,
				 "'tune.idletimer' takes 0..65535 milliseconds, not '%s'",
				 cfg_arg(l, 0));
	return 0;
}

static int parse_nothing(struct cfg_line *l)
{
	return cfg_want_args(l, 0, 0, l->words[l->first_arg - 1].z);
}

static int parse_time(struct cfg_line *l)
{
	uint32_t ms;

	return cfg_want_args(l, 1, 1, "<time>") ? -1 : cfg_arg_time(l, 0, &ms);
}

static int parse_thread_groups(struct cfg_line *l)
{
	int64_t n;

	return cfg_want_args(l, 1, 1, "thread-groups <number>") ? -1 : cfg_arg_i64(l, 0, 1, 64, &n);
}

/* thread-group <group> [<from>[-<to>]...] */
static int parse_thread_group(struct cfg_line *l)
{
	int64_t n;

	if (cfg_want_args(l, 1, -1, "thread-group <group> [<thread>[-<thread>]...]") ||
	    cfg_arg_i64(l, 0, 1, 64, &n))
		return -1;
	for (int k = 1; k < cfg_argc(l); k++)
		if (strspn(cfg_arg(l, k), "0123456789-") != strlen(cfg_arg(l, k)) ||
		    cfg_arg(l, k)[0] == '-')
			return cfg_error(l, l->first_arg + k,
					 "'thread-group' takes threads and ranges of them (1-16), "
					 "not '%s'",
					 cfg_arg(l, k));
	return 0;
}

static int parse_cpu_policy(struct cfg_line *l)
{
	static const char *const names[] = {
		"none",
		"first-usable-node",
		"group-by-cluster",
		"group-by-ccx",
		"group-by-2-ccx",
		"group-by-3-ccx",
		"group-by-4-ccx",
		"group-by-2-clusters",
		"group-by-3-clusters",
		"group-by-4-clusters",
		"performance",
		"efficiency",
		"resource",
	};

	if (cfg_want_args(l, 1, 1, "cpu-policy <policy>"))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], cfg_arg(l, 0)))
			return 0;
	return cfg_error(l, l->first_arg, "there is no policy '%s'; 'none' is one", cfg_arg(l, 0));
}

static int parse_secret(struct cfg_line *l)
{
	return cfg_want_args(l, 1, 1, "cluster-secret <text>");
}

#define ROW(name, parse, usage, help)                                                   \
	{                                                                               \
		name, CFG_GLOBAL, parse, KERNEL_EXACT, NULL, usage, "No effect: " help, \
			CFG_EFFECT_NONE                                                 \
	}
#define NEGATED(name, parse, usage, help)                                               \
	{                                                                               \
		name, CFG_GLOBAL, parse, KERNEL_EXACT, NULL, usage, "No effect: " help, \
			CFG_EFFECT_NONE | CFG_CAN_NEGATE                                \
	}
#define NUMBER(name, help) ROW(name, parse_number, name " <number>", help)
#define ON_OFF(name, help) ROW(name, parse_on_off, name " on|off", help)

static const struct cfg_keyword rows[] = {
	ROW("noepoll", parse_nothing, "noepoll", "epoll is the only poller of lbd."),
	NUMBER("tune.runqueue-depth", "what is woken runs in the same round, in order."),
	ON_OFF("tune.sched.low-latency", "there are no classes of tasks."),
	ON_OFF("tune.fd.edge-triggered", "connections are always edge-triggered."),
	ON_OFF("tune.idle-pool.shared",
	       "a server's idle connections always stay with their thread."),
	NUMBER("tune.buffers.limit", "idle connections own no buffer; maxconn limits the others."),
	NUMBER("tune.buffers.reserve",
	       "idle connections own no buffer; maxconn limits the others."),
	ROW("tune.idletimer", parse_idletimer, "tune.idletimer <time>",
	    "the way bytes are moved is chosen by what passes, not by pauses."),
	NUMBER("tune.pattern.cache-size",
	       "every way to match has an index; results are not cached."),
	NUMBER("tune.recv_enough", "a short read is always taken as the end of what is there."),
	ON_OFF("tune.disable-zero-copy-forwarding", "there is no such forwarding beside splice."),
	NUMBER("tune.rcvbuf.frontend", "no listener of the daemon is without connections."),
	NUMBER("tune.sndbuf.frontend", "no listener of the daemon is without connections."),
	NUMBER("tune.rcvbuf.backend", "nothing is read from sockets without connections."),
	ROW("profiling.tasks", parse_auto, "profiling.tasks auto|on|off",
	    "perf(1) profiles the process."),
	ON_OFF("profiling.memory", "perf(1) and heaptrack profile the process."),
	ROW("warn-blocked-traffic-after", parse_time, "warn-blocked-traffic-after <time>",
	    "there is no watchdog of the threads."),
	ROW("no-memory-trimming", parse_nothing, "no-memory-trimming", "memory is never trimmed."),
	ROW("thread-groups", parse_thread_groups, "thread-groups <number>",
	    "all threads are of one group; there is no limit of 64 to a group that would need "
	    "more."),
	ROW("thread-group", parse_thread_group, "thread-group <group> [<threads>...]",
	    "all threads are of one group."),
	ROW("cpu-policy", parse_cpu_policy, "cpu-policy <policy>",
	    "threads run where the system puts them; see cpu-map and cpu-set."),
	NEGATED("numa-cpu-mapping", parse_nothing, "[no] numa-cpu-mapping",
		"lbd never limits itself to the CPUs of one node; see cpu-map and cpu-set."),
	NEGATED("h2-workaround-bogus-websocket-clients", parse_nothing,
		"[no] h2-workaround-bogus-websocket-clients",
		"websockets over HTTP/2 (RFC 8441) are never announced."),
	ROW("cluster-secret", parse_secret, "cluster-secret <text>",
	    "it is for QUIC, which lbd has not."),
	ON_OFF("harden.reject-privileged-ports.quic", "there is no QUIC."),
	ROW("limited-quic", parse_nothing, "limited-quic", "there is no QUIC."),
};

void kw_accepted_init(void)
{
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
}
