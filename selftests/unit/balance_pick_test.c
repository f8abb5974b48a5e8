// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The algorithms at run time, through the configuration's own words: orders recorded from Debian's haproxy 2.6, limits,
 * backups, changes of state and weight, several threads.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <urcu-qsbr.h>

#include "balance/balance.h"
#include "balance/build.h"
#include "config/reader.h"
#include "loop/thread.h"

static struct diag diag;
static struct config *cfg;

/* A backend 'b' of these lines, as the daemon would have it. */
static struct proxy *backend(const char *fmt, ...)
{
	char text[8192], lines[8000];
	va_list ap;
	struct proxy *px;

	va_start(ap, fmt);
	vsnprintf(lines, sizeof(lines), fmt, ap);
	va_end(ap);
	snprintf(text, sizeof(text), "backend b\n%s", lines);
	diag_init(&diag);
	cfg = config_new(&diag);
	if (config_read_text(cfg, "test.cfg", slice_z(text)) || config_finish(cfg)) {
		diag_print(&diag, stderr, DIAG_ERROR);
		fail();
	}
	px = config_find_proxy(cfg, "b", PX_BACKEND);
	assert_non_null(px);
	assert_non_null(px->balance);
	return px;
}

static struct server *server(struct proxy *px, int index)
{
	struct server *s;

	list_for_each_entry(s, &px->servers, node)
		if (s->index == (uint32_t)index)
			return s;
	abort();
}

static struct server *pick(struct proxy *px)
{
	struct pick_request r = { 0 };

	return balance_pick(px, &r);
}

static void take(struct server *s)
{
	atomic_fetch_add(&s->load.served, 1);
	balance_took(s);
}

static void drop(struct server *s)
{
	balance_dropped(s);
	atomic_fetch_sub(&s->load.served, 1);
	balance_freed(s->px);
}

/* Picks as often as @want is long, '-' for none; with @hold the connections stay. */
static void expect(struct proxy *px, const char *want, bool hold)
{
	char got[300] = "";
	size_t n = strlen(want);

	for (size_t i = 0; i < n; i++) {
		struct server *s = pick(px);

		got[i] = s ? (char)('A' + s->index) : '-';
		if (s) {
			take(s);
			if (!hold)
				drop(s);
		}
	}
	assert_string_equal(got, want);
}

#define THREE(a, b, c) \
	" server a 127.0.0.1:1 " a "\n server b 127.0.0.1:2 " b "\n server c 127.0.0.1:3 " c "\n"

static void test_recorded_orders(void **state)
{
	static const struct {
		const char *conf, *order;
		bool hold;
	} rows[] = {
		{ "# the default is roundrobin\n" THREE("weight 3", "weight 2", "weight 1"),
		  "ABACABABACABABACABABA", false },
		{ "balance roundrobin\n" THREE("weight 5", "weight 3", "weight 2"),
		  "ABACABABACABACABABAC", false },
		{ "balance static-rr\n" THREE("weight 3", "weight 2", "weight 1"),
		  "AABABCAABABCAAB", false },
		{ "balance static-rr\n" THREE("weight 5", "weight 3", "weight 2"),
		  "AABACABABCAABACABABCAAB", false },
		{ "balance static-rr\n" THREE("weight 3 maxconn 1", "weight 2", "weight 1"),
		  "ABBCBBCBBCBBCB", true },
		{ "balance roundrobin\n" THREE("weight 3 maxconn 1", "weight 2", "weight 1"),
		  "ABCBBCBBCBBCBB", true },
		{ "balance leastconn\n" THREE("", "", ""), "ABCABCABC", true },
		{ "balance leastconn\n" THREE("weight 3", "weight 2", "weight 1"),
		  "ABCABAABACBAABA", true },
		{ "balance leastconn\n" THREE("weight 1", "weight 2", "weight 3"),
		  "ABCCBCCBCABCCBC", true },
		{ "balance leastconn\n" THREE("weight 5", "weight 3", "weight 2"),
		  "ABCAABACBAABACABACBAABA", true },
		{ "balance leastconn\n" THREE("weight 4", "weight 1", "weight 4"),
		  "ABCACACACACACACBACACA", true },
		{ "balance leastconn\n" THREE("", "", ""), "ABCABCABC", false },
		{ "balance first\n" THREE("maxconn 2 id 30", "maxconn 1 id 10", "maxconn 2 id 20"),
		  "BCCAA-", true },
		{ "balance roundrobin\n" THREE("backup", "backup", "weight 0"), "AAA", false },
		{ "balance roundrobin\noption allbackups\n" THREE("backup", "backup", "weight 0"),
		  "ABAB", false },
		{ "balance leastconn\n" THREE("backup", "", "disabled"), "BBB", true },
		{ "balance roundrobin\n" THREE("maxconn 1", "maxconn 2", "maxconn 1"), "ABCB-",
		  true },
		{ "balance leastconn\n" THREE("maxconn 1", "maxconn 2", "maxconn 1"), "ABCB-",
		  true },
		{ "balance random\n" THREE("disabled", "weight 0", "maxconn 3"), "CCC-", true },
		{ "balance roundrobin\n" THREE("disabled", "weight 0", "disabled"), "-", true },
		{ "balance source\n" THREE("disabled", "weight 0", "disabled"), "-", true },
		{ "balance static-rr\n" THREE("disabled", "weight 0", "disabled"), "-", true },
		{ "balance random\n" THREE("disabled", "weight 0", "disabled"), "-", true },
		{ "balance first\n" THREE("disabled", "weight 0", "disabled"), "-", true },
		{ "# no address, no key: in turn\nbalance source\n" THREE("weight 3", "weight 2",
									  "weight 1"),
		  "AABABCA", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect(backend("%s", rows[i].conf), rows[i].order, rows[i].hold);
}

static void test_state_changes(void **state)
{
	static const char *const algorithms[] = { "roundrobin",
						  "static-rr",
						  "leastconn",
						  "first",
						  "random",
						  "source",
						  "source\nhash-type consistent",
						  "source\nhash-type maglev",
						  "hash 5-tuple" };

	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		struct proxy *px = backend("balance %s\n" THREE("", "", "backup"), algorithms[i]);
		struct server *a = server(px, 0), *b = server(px, 1), *c = server(px, 2);

		server_set_admin(a, SRV_ADM_FMAINT, 0, NULL);
		expect(px, "BBB", false);
		server_set_oper(b, SRV_STOPPED, "test");
		expect(px, "CCC", false);
		server_set_oper(c, SRV_STOPPED, "test");
		expect(px, "-", false);
		server_set_admin(a, 0, SRV_ADM_FMAINT, NULL);
		expect(px, "AAA", false);
		assert_null(server_set_weight(a, "0"));
		server_set_oper(b, SRV_RUNNING, "test");
		expect(px, "BBB", false);
		server_set_admin(b, SRV_ADM_FDRAIN, 0, NULL);
		assert_null(server_set_weight(a, "100%"));
		expect(px, "AAA", false);
	}
}

static void test_weights_at_run_time(void **state)
{
	static const struct {
		const char *conf;
		bool accepted;
	} rows[] = {
		{ "roundrobin", true },
		{ "leastconn", true },
		{ "random", true },
		{ "static-rr", false },
		{ "source", false },
		{ "source\nhash-type map-based djb2 avalanche", false },
		{ "source\nhash-type consistent", true },
		{ "source\nhash-type maglev", true },
		{ "hash 5-tuple\nhash-type maglev", true },
		{ "roundrobin\nhash-type map-based", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct proxy *px = backend("balance %s\n" THREE("weight 10", "", ""), rows[i].conf);

		assert_int_equal(server_set_weight(server(px, 0), "50%") == NULL, rows[i].accepted);
		assert_null(server_set_weight(server(px, 0), "0%"));
		assert_null(server_set_weight(server(px, 0), "100%"));
	}
}

static void test_avoided(void **state)
{
	static const char *const algorithms[] = { "roundrobin",
						  "static-rr",
						  "leastconn",
						  "first",
						  "random",
						  "source",
						  "source\nhash-type consistent" };

	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		struct proxy *px = backend("balance %s\n" THREE("", "", "disabled"), algorithms[i]);
		struct addr client = { .family = ADDR_IP4, .ip = { 192, 0, 2, 1 } };
		struct pick_request r = { .client = &client };

		for (int k = 0; k < 50; k++) {
			r.avoid = server(px, k % 2);
			client.ip[3] = k;
			assert_ptr_equal(balance_pick(px, &r), server(px, 1 - k % 2));
		}
		server_set_admin(server(px, 0), SRV_ADM_FMAINT, 0, NULL);
		r.avoid = server(px, 1); /* the only one left: better than none */
		assert_ptr_equal(balance_pick(px, &r), server(px, 1));
	}
}

/* A hash keeps its server when that is full; the others do not, unless the request takes full ones. */
static void test_full(void **state)
{
	struct addr client = { .family = ADDR_IP4, .ip = { 192, 0, 2, 1 } };
	struct pick_request r = { .client = &client };
	struct proxy *px = backend("balance source\n" THREE("maxconn 1", "maxconn 1", "maxconn 1"));
	struct server *s = balance_pick(px, &r);

	take(s);
	assert_ptr_equal(balance_pick(px, &r), s);
	px = backend("balance leastconn\n" THREE("maxconn 1", "disabled", "disabled"));
	s = pick(px);
	take(s);
	assert_null(pick(px));
	r.ignore_full = true;
	assert_ptr_equal(balance_pick(px, &r), s);
	drop(s);
	assert_ptr_equal(pick(px), s);
	atomic_store(&s->load.queued, 1); /* others were there before */
	assert_null(pick(px));
}

static void test_minconn(void **state)
{
	struct proxy *px = backend("balance roundrobin\nfullconn 100\n" THREE(
		"minconn 2 maxconn 10", "disabled", "disabled"));
	static const struct {
		uint32_t backend, limit;
	} rows[] = { { 0, 2 }, { 10, 2 }, { 50, 5 }, { 99, 9 }, { 100, 10 }, { 500, 10 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		atomic_store(&px->be_conns, rows[i].backend);
		atomic_store(&server(px, 0)->load.served, rows[i].limit - 1);
		assert_non_null(pick(px));
		atomic_store(&server(px, 0)->load.served, rows[i].limit);
		assert_null(pick(px));
	}
}

static void test_source_by_listener_family(void **state)
{
	struct proxy *px = backend("balance source\n" THREE("weight 5", "weight 3", "weight 2"));
	struct lb_target t[3];
	struct lb_table table;
	int differ = 0;

	assert_int_equal(lb_table_build_map(&table, t, balance_targets(px, t)), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t ip = 0x0a000000 + i * 7919;
		struct addr v4 = { .family = ADDR_IP4 },
			    mapped = { .family = ADDR_IP6, .ip[10] = 0xff, .ip[11] = 0xff };
		struct pick_request r = { .client = &v4 };
		uint32_t ip_be = htonl(ip), v4_slot = table.slot[ip % table.size];

		memcpy(v4.ip, &ip_be, 4);
		memcpy(mapped.ip + 12, &ip_be, 4);
		assert_int_equal(balance_pick(px, &r)->index, v4_slot);
		r.listener_is_ip6 = true;
		assert_int_equal(balance_pick(px, &r)->index,
				 table.slot[(ip ^ 0xffff) % table.size]);
		r.client = &mapped;
		assert_int_equal(balance_pick(px, &r)->index,
				 table.slot[(ip ^ 0xffff) % table.size]);
		differ += balance_pick(px, &r)->index != v4_slot;
	}
	assert_true(differ > 100);
	lb_table_fini(&table);
}

static void test_random_follows_weights(void **state)
{
	struct proxy *px = backend("balance random(1)\n" THREE("weight 1", "weight 2", "weight 7"));
	int count[3] = { 0 };

	for (int i = 0; i < 20000; i++)
		count[pick(px)->index]++;
	assert_in_range(count[0], 1700, 2300);
	assert_in_range(count[1], 3600, 4400);
	px = backend("balance random(3)\n" THREE("", "", ""));
	for (int i = 0; i < 300; i++)
		take(pick(px));
	for (int i = 0; i < 3; i++) /* draws even out the load */
		assert_in_range(atomic_load(&server(px, i)->load.served), 90, 110);
}

/* ---- threads -------------------------------------------------------------------------------- */

struct picker {
	pthread_t thread;
	struct proxy *px;
	int picks, count[3];
};

static void *picker_main(void *arg)
{
	struct picker *p = arg;

	rcu_register_thread();
	for (int i = 0; i < p->picks; i++) {
		struct server *s = pick(p->px);

		p->count[s->index]++;
		rcu_quiescent_state();
	}
	rcu_unregister_thread();
	return NULL;
}

static void run_pickers(struct proxy *px, int picks, int total[3])
{
	struct picker p[8];

	memset(total, 0, 3 * sizeof(total[0]));
	rcu_thread_offline();
	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = (struct picker){ .px = px, .picks = picks };
		assert_int_equal(pthread_create(&p[i].thread, NULL, picker_main, &p[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		pthread_join(p[i].thread, NULL);
		for (int k = 0; k < 3; k++)
			total[k] += p[i].count[k];
	}
	rcu_thread_online();
}

static void test_turns_are_exact_across_threads(void **state)
{
	static const char *const algorithms[] = { "roundrobin", "static-rr" };

	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		struct proxy *px = backend("balance %s\n" THREE("weight 3", "weight 2", "weight 1"),
					   algorithms[i]);
		int total[3];

		run_pickers(px, 6000, total);
		assert_int_equal(total[0], 24000);
		assert_int_equal(total[1], 16000);
		assert_int_equal(total[2], 8000);
	}
}

static _Atomic bool stop_changing;

/* Picks while the snapshot is replaced again and again: never a server that was out all the time. */
static void *changer_main(void *arg)
{
	struct proxy *px = arg;

	rcu_register_thread();
	while (!atomic_load(&stop_changing)) {
		server_set_admin(server(px, 0), SRV_ADM_FMAINT, 0, NULL);
		server_set_admin(server(px, 0), 0, SRV_ADM_FMAINT, NULL);
		rcu_quiescent_state();
	}
	rcu_unregister_thread();
	return NULL;
}

static void test_changes_under_load(void **state)
{
	static const char *const algorithms[] = { "roundrobin", "static-rr", "leastconn",
						  "first",      "random",    "source" };

	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		struct proxy *px = backend("balance %s\n" THREE("", "", "disabled"), algorithms[i]);
		pthread_t changer;
		int total[3];

		atomic_store(&stop_changing, false);
		assert_int_equal(pthread_create(&changer, NULL, changer_main, px), 0);
		run_pickers(px, 2000, total);
		atomic_store(&stop_changing, true);
		pthread_join(changer, NULL);
		assert_int_equal(total[0] + total[1], 16000);
		assert_int_equal(total[2], 0);
	}
}

/* ---- size ----------------------------------------------------------------------------------- */

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static struct proxy *large_backend(const char *algorithm, int servers, const char *options)
{
	char *text = malloc(100 * servers + 200);
	size_t at = sprintf(text, "backend b\n balance %s\n", algorithm);

	for (int i = 0; i < servers; i++)
		at += sprintf(text + at, " server s%d 10.%d.%d.1:80 weight %d %s\n", i, i >> 8,
			      i & 255, 1 + i % 9, options);
	diag_init(&diag);
	cfg = config_new(&diag);
	assert_int_equal(config_read_text(cfg, "test.cfg", slice_make(text, at)), 0);
	assert_int_equal(config_finish(cfg), 0);
	free(text);
	return config_find_proxy(cfg, "b", PX_BACKEND);
}

static double cost_per_pick(const char *algorithm, int servers)
{
	struct proxy *px = large_backend(algorithm, servers, "");
	double start;

	for (int i = 0; i < servers; i++)
		take(pick(px));
	start = seconds();
	for (int i = 0; i < 20000; i++) {
		struct server *s = pick(px);

		take(s);
		drop(s);
	}
	return (seconds() - start) / 20000 * 1e9;
}

static void test_flat_cost(void **state)
{
	static const char *const algorithms[] = { "roundrobin", "leastconn", "random", "source" };

	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		double few = cost_per_pick(algorithms[i], 10),
		       many = cost_per_pick(algorithms[i], 10000);

		print_message("# %s: %.0f ns with 10 servers, %.0f ns with 10,000\n", algorithms[i],
			      few, many);
		assert_true(many < 20000); /* a walk over all would take longer */
	}
}

/* Overload: when all of 1,000 are full the next request finds that out without a look at each. */
static void test_all_of_many_full(void **state)
{
	static const char *const algorithms[] = { "roundrobin", "static-rr", "leastconn", "first",
						  "random" };

	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		struct proxy *px = large_backend(algorithms[i], 1000, "maxconn 1");
		struct pick_request r = { .ignore_full = true };
		double start;

		for (int k = 0; k < 1000; k++)
			take(pick(px));
		assert_null(pick(px));
		start = seconds();
		for (int k = 0; k < 1000; k++)
			assert_null(pick(px));
		assert_true((seconds() - start) / 1000 < 1e-6);
		assert_non_null(balance_pick(px, &r));
		/* whatever gives room is seen by the next pick */
		drop(server(px, 77));
		assert_ptr_equal(pick(px), server(px, 77));
		take(server(px, 77));
		assert_null(pick(px));
		server_set_maxconn(server(px, 500), 2);
		assert_ptr_equal(pick(px), server(px, 500));
		take(server(px, 500));
		server_set_admin(server(px, 600), SRV_ADM_FMAINT, 0, NULL);
		loop_once(&control_loop, 0);
		drop(server(px, 600));
		assert_null(pick(px));
		server_set_admin(server(px, 600), 0, SRV_ADM_FMAINT, NULL);
		assert_true(pick(px) == NULL ||
			    pick(px) == server(px, 600)); /* not before the round's end */
		loop_once(&control_loop, 0);
		assert_ptr_equal(pick(px), server(px, 600));
	}
}

/* A large table is built by the helper while the old one serves; a server that went down is not picked meanwhile. */
static void test_large_table_in_helper(void **state)
{
	char text[4096];
	size_t at = sprintf(text, "backend b\n balance source\n hash-type consistent\n");
	struct addr client = { .family = ADDR_IP4 };
	struct pick_request r = { .client = &client };
	struct proxy *px;
	void *old;

	for (int i = 0; i < 40; i++)
		at += sprintf(text + at, " server s%d 10.0.0.%d:80 weight 256\n", i, i);
	diag_init(&diag);
	cfg = config_new(&diag);
	assert_int_equal(config_read_text(cfg, "test.cfg", slice_make(text, at)), 0);
	assert_int_equal(config_finish(cfg), 0);
	px = config_find_proxy(cfg, "b", PX_BACKEND);
	old = px->balance->snapshot;
	for (int i = 0; i < 20; i++)
		server_set_oper(server(px, i), SRV_STOPPED, "test");
	assert_ptr_equal(px->balance->snapshot, old);
	for (uint32_t i = 0; i < 2000; i++) {
		memcpy(client.ip, &i, 4);
		assert_in_range(balance_pick(px, &r)->index, 20, 39);
	}
	for (int i = 0; i < 2;
	     i++) { /* built twice: once for the first change, once for all the others */
		for (int rounds = 0; px->balance->snapshot == old && rounds < 1000; rounds++)
			loop_once(&control_loop, 1000);
		assert_ptr_not_equal(px->balance->snapshot, old);
		old = px->balance->snapshot;
	}
	for (uint32_t i = 0; i < 2000; i++) {
		memcpy(client.ip, &i, 4);
		assert_in_range(balance_pick(px, &r)->index, 20, 39);
	}
}

static int group_setup(void **state)
{
	rcu_register_thread();
	config_language_init();
	balance_init();
	this_loop = &control_loop;
	return loop_init(&control_loop, MAX_WORKERS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded_orders),
		cmocka_unit_test(test_state_changes),
		cmocka_unit_test(test_weights_at_run_time),
		cmocka_unit_test(test_avoided),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_minconn),
		cmocka_unit_test(test_source_by_listener_family),
		cmocka_unit_test(test_random_follows_weights),
		cmocka_unit_test(test_turns_are_exact_across_threads),
		cmocka_unit_test(test_changes_under_load),
		cmocka_unit_test(test_flat_cost),
		cmocka_unit_test(test_all_of_many_full),
		cmocka_unit_test(test_large_table_in_helper),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
