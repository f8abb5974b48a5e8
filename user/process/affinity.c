// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See affinity.h. Threads are numbered from 1 here, as in the configuration; all are of group 1.
 */
#include "process/affinity.h"

#include <sched.h>
#include <stdlib.h>

#include "config/keyword.h"
#include "loop/thread.h"

static cpu_set_t thread_cpus[MAX_WORKERS];
static bool thread_is_set[MAX_WORKERS];
static cpu_set_t process_cpus;
static bool process_is_set;

/* "all", "odd", "even", "N", "N-M", "N-" within 1..64 as bits 0..63; @n characters of @z. 0: wrong. */
static uint64_t parse_numbers(const char *z, size_t n)
{
	unsigned long from, to;
	char *end;

	if (n == 3 && !memcmp(z, "all", 3))
		return ~0ULL;
	if (n == 3 && !memcmp(z, "odd", 3))
		return 0x5555555555555555ULL;
	if (n == 4 && !memcmp(z, "even", 4))
		return 0xaaaaaaaaaaaaaaaaULL;
	if (!n || *z < '0' || *z > '9')
		return 0;
	from = to = strtoul(z, &end, 10);
	if (end < z + n && *end == '-')
		to = end + 1 == z + n ? 64 : strtoul(end + 1, &end, 10);
	else if (end != z + n)
		return 0;
	if (from < 1 || to > 64 || from > to)
		return 0;
	return (~0ULL >> (64 - (to - from + 1))) << (from - 1);
}

/* CPUs of the arguments from @k on: "0", "0-3", "4-", "0,2-3". 0, or -1 with the error said. */
static int parse_cpus(struct cfg_line *l, int k, cpu_set_t *out)
{
	CPU_ZERO(out);
	for (; k < cfg_argc(l); k++) {
		const char *z = cfg_arg(l, k);

		while (*z) {
			char *end;
			unsigned long from = strtoul(z, &end, 10), to = from;
			bool wrong = end == z || *z == '-' || *z == '+' || *z == ' ';

			if (!wrong && *end == '-') {
				z = end + 1;
				to = strtoul(z, &end, 10);
				if (end == z)
					to = CPU_SETSIZE - 1;
			}
			if (wrong || to >= CPU_SETSIZE || from > to || (*end && *end != ','))
				return cfg_error(l, l->first_arg + k,
						 "'%s' takes CPUs and ranges of them (0-3), not "
						 "'%s'",
						 l->words[0].z, cfg_arg(l, k));
			for (; from <= to; from++)
				CPU_SET(from, out);
			z = *end ? end + 1 : end;
		}
	}
	return 0;
}

/* Thread after thread gets CPU after CPU. */
static int map_one_by_one(struct cfg_line *l, uint64_t threads, const cpu_set_t *cpus)
{
	int cpu = -1;

	for (int t = 0; t < MAX_WORKERS; t++) {
		if (!(threads >> t & 1))
			continue;
		for (cpu++; cpu < CPU_SETSIZE && !CPU_ISSET(cpu, cpus);)
			cpu++;
		if (cpu >= CPU_SETSIZE)
			return cfg_warn(l, l->first_arg,
					"'cpu-map %s': there are more threads than CPUs; threads "
					"from %d on run anywhere",
					cfg_arg(l, 0), t + 1);
		CPU_ZERO(&thread_cpus[t]);
		CPU_SET(cpu, &thread_cpus[t]);
		thread_is_set[t] = true;
	}
	return 0;
}

static int parse_cpu_map(struct cfg_line *l)
{
	const char *z = cfg_arg(l, 0), *slash;
	uint64_t groups, threads = ~0ULL;
	bool one_by_one;
	cpu_set_t cpus;

	if (cfg_want_args(l, 2, -1, "cpu-map [auto:]<group>[/<threads>] <cpus>..."))
		return -1;
	one_by_one = !strncmp(z, "auto:", 5);
	z += one_by_one ? 5 : 0;
	slash = strchr(z, '/');
	groups = parse_numbers(z, slash ? (size_t)(slash - z) : strlen(z));
	if (slash)
		threads = parse_numbers(slash + 1, strlen(slash + 1));
	if (!groups || !threads)
		return cfg_error(l, l->first_arg,
				 "'cpu-map' takes all, odd, even, a number from 1 to 64 or a range "
				 "(1-4) of groups and of threads ('1/1-4'), not '%s'",
				 cfg_arg(l, 0));
	if (parse_cpus(l, 1, &cpus))
		return -1;
	if (!(groups & 1)) /* there is only group 1 */
		return 0;
	if (one_by_one)
		return map_one_by_one(l, threads, &cpus);
	for (int t = 0; t < MAX_WORKERS; t++) {
		if (!(threads >> t & 1))
			continue;
		thread_cpus[t] = cpus;
		thread_is_set[t] = true;
	}
	return 0;
}

static int parse_cpu_set(struct cfg_line *l)
{
	const char *how = cfg_arg(l, 0);
	cpu_set_t cpus, now;

	if (cfg_want_args(l, 1, -1, "cpu-set reset|only-cpu <cpus>|drop-cpu <cpus>"))
		return -1;
	if (!strcmp(how, "reset")) {
		for (int i = 0; i < CPU_SETSIZE; i++)
			CPU_SET(i, &process_cpus);
		process_is_set = true;
		return 0;
	}
	if (strcmp(how, "only-cpu") && strcmp(how, "drop-cpu"))
		return cfg_error(
			l, l->first_arg,
			"'cpu-set' takes 'reset', 'only-cpu <cpus>' and 'drop-cpu <cpus>', "
			"not '%s'",
			how);
	if (cfg_want_args(l, 2, -1, "cpu-set only-cpu|drop-cpu <cpus>...") ||
	    parse_cpus(l, 1, &cpus))
		return -1;
	if (!process_is_set)
		sched_getaffinity(0, sizeof(process_cpus), &process_cpus);
	process_is_set = true;
	now = process_cpus;
	CPU_AND(&process_cpus, &now, &cpus);
	if (*how == 'd') /* what is in both goes */
		CPU_XOR(&process_cpus, &now, &process_cpus);
	return 0;
}

void affinity_apply_process(void)
{
	if (process_is_set)
		sched_setaffinity(0, sizeof(process_cpus), &process_cpus);
}

void affinity_apply_worker(int tid)
{
	if (tid < MAX_WORKERS && thread_is_set[tid])
		sched_setaffinity(0, sizeof(thread_cpus[tid]), &thread_cpus[tid]);
}

static const struct cfg_keyword rows[] = {
	{ "cpu-map", CFG_GLOBAL, parse_cpu_map, KERNEL_EXACT, NULL,
	  "cpu-map [auto:]<group>[/<threads>] <cpus>...",
	  "CPUs that worker threads run on; auto: one CPU for each thread, in order." },
	{ "cpu-set", CFG_GLOBAL, parse_cpu_set, KERNEL_EXACT, NULL,
	  "cpu-set reset|only-cpu <cpus>|drop-cpu <cpus>",
	  "CPUs that the process uses, which also sets the default number of threads." },
};

void affinity_init(void)
{
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
}
