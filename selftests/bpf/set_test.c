// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The map library: making, adopting, owning and refusing sets; tables and their grace period; slots; named fields; meta;
 * attaching and the off switch.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "bpf/rig.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct rig rig;

static int wiped(void **state)
{
	rig_wipe(&rig, 3);
	return 0;
}

static void adopted_with_everything(void **state)
{
	struct lbdmap_error err = {};
	uint64_t seed = lbdmap_control(rig.set)->seed;
	struct lbdmap_sizes other = { .flows = 99999 };
	struct lbdmap_set *two;
	bool adopted;

	assert_int_not_equal(rig_connect(&rig, LBD_HOOK_XDP, "198.51.100.7", 4000), 0);
	lbdmap_disown(rig.set);
	assert_int_equal(lbdmap_create(rig.pin, &other, &two, &adopted, &err), 0);
	assert_true(adopted);
	assert_true(lbdmap_control(two)->seed == seed);
	assert_int_equal(lbdmap_control(two)->flows,
			 lbdmap_control(rig.set)->flows); /* keeps its size */
	assert_int_equal(lbdmap_load(two, rig.server[0])->flows +
				 lbdmap_load(two, rig.server[1])->flows +
				 lbdmap_load(two, rig.server[2])->flows,
			 1);
	assert_int_equal(lbdmap_own(two, "second", &err), 0);
	/* The adopted book knows the region in use: a new table goes beside it. */
	assert_int_equal(
		lbdmap_table_publish(two, rig.service, LBD_FORM_TABLE, NULL, rig.server, 2), 0);
	assert_int_not_equal(LBD_TABLE_OFFSET(lbdmap_service(two, rig.service)->table), 0);
	lbdmap_close(two);
	assert_int_equal(lbdmap_own(rig.set, "rig", &err), 0);
}

static void one_owner(void **state)
{
	struct lbdmap_error err = {};
	struct lbdmap_set *two, *reader;
	struct lbd_owner o;
	uint64_t epoch;

	lbdmap_owner(rig.set, &o);
	assert_int_equal(o.pid, getpid());
	epoch = o.epoch;
	assert_int_equal(lbdmap_open(rig.pin, true, &two, &err), 0);
	assert_int_equal(lbdmap_own(two, "second", &err), -EBUSY);
	assert_non_null(strstr(err.text, "rig, pid"));
	lbdmap_owner(two, &o);
	assert_int_equal(o.pid, getpid());
	assert_int_equal(lbdmap_server_state(two, rig.server[0], false, false), -EROFS);
	assert_int_equal(lbdmap_cleanup(rig.pin, &err), -EBUSY);
	lbdmap_disown(rig.set);
	assert_int_equal(lbdmap_server_state(rig.set, rig.server[0], false, false), -EROFS);
	lbdmap_owner(two, &o);
	assert_int_equal(o.pid, 0);
	assert_int_equal(lbdmap_own(two, "second", &err), 0);
	lbdmap_owner(rig.set, &o);
	assert_string_equal(o.program, "second");
	assert_int_equal(o.epoch, epoch + 1);
	assert_int_equal(lbdmap_own(rig.set, "rig", &err), -EBUSY);
	lbdmap_close(two); /* a dead owner leaves no lock */
	assert_int_equal(lbdmap_own(rig.set, "rig", &err), 0);
	if (lbdmap_open(rig.pin, false, &reader, &err))
		fail_msg("%s", err.text);
	assert_int_equal(lbdmap_own(reader, "reader", &err), -EROFS);
	lbdmap_close(reader);
}

static void other_abi_is_refused(void **state)
{
	struct lbdmap_error err = {};
	struct lbdmap_set *two;

	MEM(rig.set, CONTROL, struct lbd_control)->abi = LBD_ABI + 1;
	assert_int_equal(lbdmap_open(rig.pin, false, &two, &err), -EPROTO);
	assert_non_null(strstr(err.text, "lbadm cleanup"));
	MEM(rig.set, CONTROL, struct lbd_control)->abi = LBD_ABI;
}

static void errors_name_the_cause(void **state)
{
	struct lbdmap_error err = {};
	struct lbdmap_set *s;
	bool adopted;

	assert_int_equal(lbdmap_open("/nonexistent/lbd", false, &s, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/lbd"));
	assert_int_equal(lbdmap_create("/tmp/lbd-not-bpffs", NULL, &s, &adopted, &err), -ENODEV);
	assert_non_null(strstr(err.text, "mount -t bpf"));
	assert_int_not_equal(access("/tmp/lbd-not-bpffs", F_OK), 0);
}

/* ---- Tables --------------------------------------------------------------------------------------------- */

static uint32_t offset_of(uint32_t svc)
{
	return LBD_TABLE_OFFSET(lbdmap_service(rig.set, svc)->table);
}

static void tables_share_and_rest(void **state)
{
	struct lbd_service s = { .id = 2 };
	uint32_t two = lbdmap_slot_take(rig.set, LBDMAP_SERVICE, 1), used, all, was, w[4];
	struct timespec t = { .tv_nsec = 150000000 };

	assert_int_equal(lbdmap_service_put(rig.set, two, &s), 0);
	assert_int_equal(lbdmap_table_publish(rig.set, two, LBD_FORM_TABLE, NULL, rig.server, 3),
			 0);
	assert_int_equal(offset_of(two), offset_of(rig.service)); /* equal tables share */
	lbdmap_table_usage(rig.set, &used, &all);
	assert_int_equal(used, 3);
	was = offset_of(two);
	memcpy(w, rig.server, 16);
	w[3] = w[0];
	assert_int_equal(lbdmap_table_publish(rig.set, rig.service, LBD_FORM_TABLE, NULL, w, 4), 0);
	assert_int_not_equal(offset_of(rig.service), was);
	assert_int_equal(offset_of(two), was);
	assert_memory_equal(lbdmap_words(rig.set, was, 3), rig.server, 12);
	assert_int_equal(lbdmap_table_publish(rig.set, two, LBD_FORM_NONE, NULL, NULL, 0), 0);
	/* The old region is not written before its grace is over ... */
	w[1] = w[2];
	assert_int_equal(lbdmap_table_publish(rig.set, two, LBD_FORM_TABLE, NULL, w, 3), 0);
	assert_int_not_equal(offset_of(two), was);
	/* ... and is used again after it. (The passing of time is what is tested.) */
	nanosleep(&t, NULL);
	w[2] = w[1] = w[0];
	assert_int_equal(lbdmap_table_publish(rig.set, two, LBD_FORM_TABLE, NULL, w, 3), 0);
	assert_int_equal(offset_of(two), was);
}

static void tables_fill_up(void **state)
{
	uint32_t used, all, n, *w, old = offset_of(rig.service);
	int rc;

	lbdmap_table_usage(rig.set, &used, &all);
	n = all / 2;
	w = calloc(n, 4);
	assert_int_equal(lbdmap_table_publish(rig.set, rig.service, LBD_FORM_TABLE, NULL, w, n), 0);
	assert_int_not_equal(offset_of(rig.service), old);
	old = offset_of(rig.service);
	w[0] = 1;
	rc = lbdmap_table_publish(rig.set, rig.service, LBD_FORM_TABLE, NULL, w, n);
	assert_true(rc == -EAGAIN || rc == -ENOSPC);
	assert_int_equal(offset_of(rig.service), old); /* the old one still stands */
	free(w);
}

/* A server of 1,000 services goes down: every table is published within the 50 ms of the criterion. */
static void thousand_tables(void **state)
{
	uint32_t w[2000], svc[50];
	struct timespec a, b;
	struct lbd_service s = { .id = 3 };

	for (int i = 0; i < 50; i++) {
		svc[i] = lbdmap_slot_take(rig.set, LBDMAP_SERVICE, 1);
		s.id = 1000 + i;
		assert_int_equal(lbdmap_service_put(rig.set, svc[i], &s), 0);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (int i = 0; i < 1000; i++) {
		for (int k = 0; k < 100; k++)
			w[k] = i * 100 + k; /* all different: no sharing */
		assert_int_equal(lbdmap_table_publish(rig.set, svc[i % 50], LBD_FORM_TABLE, NULL, w,
						      100),
				 0);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	assert_in_range((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000, 0, 49);
}

static void slots_rest(void **state)
{
	int64_t a = lbdmap_slot_take(rig.set, LBDMAP_SERVER, 1),
		b = lbdmap_slot_take(rig.set, LBDMAP_SERVER, 1);
	int64_t run = lbdmap_slot_take(rig.set, LBDMAP_SOURCE, 3);
	int taken = 0;

	assert_true(a > 0 && b == a + 1 && run > 0);
	assert_true(lbdmap_slot_take(rig.set, LBDMAP_SOURCE, 1) >= run + 3);
	assert_int_equal(lbdmap_slot_give(rig.set, LBDMAP_SERVER, a), 0);
	assert_int_not_equal(lbdmap_slot_take(rig.set, LBDMAP_SERVER, 1), a); /* not at once */
	/* A server's slot with live flows is never handed out. */
	MEM(rig.set, LOAD, struct lbd_load)[a].flows = 1;
	while (lbdmap_slot_take(rig.set, LBDMAP_SERVER, 1) > 0)
		taken++;
	assert_int_equal(lbdmap_slot_take(rig.set, LBDMAP_SERVER, 1), -ENOSPC);
	MEM(rig.set, LOAD, struct lbd_load)[a].flows = 0;
	assert_int_equal(lbdmap_slot_take(rig.set, LBDMAP_SERVER, 1), a);
}

static void server_address_is_immutable(void **state)
{
	struct lbd_server s = *lbdmap_server(rig.set, rig.server[0]);

	s.weight = 7;
	assert_int_equal(lbdmap_server_put(rig.set, rig.server[0], &s), 0);
	s.addr = rig_addr("10.9.9.9");
	assert_int_equal(lbdmap_server_put(rig.set, rig.server[0], &s), -EBUSY);
	s.forward = LBD_FWD_GUE;
	assert_int_equal(lbdmap_server_put(rig.set, rig.server[1], &s), -EOPNOTSUPP);
}

/* ---- Names ------------------------------------------------------------------------------------------------ */

/* Every map of the library has a row with fields that lie inside it; text goes back to the same bytes. */
static void fields_round_trip(void **state)
{
	const struct lbdmap_map *m;
	size_t n;

	assert_int_not_equal(rig_connect(&rig, LBD_HOOK_XDP, "198.51.100.7", 4000), 0);
	m = lbdmap_maps(&n);
	for (size_t i = 0; i < n; i++) {
		uint8_t key[64] = {}, value[1024], copy[1024];
		bool started = false;
		int elements = 0, rc;

		while ((rc = lbdmap_map_next(rig.set, &m[i], &started, key)) == 1 &&
		       elements < 50) {
			elements++;
			assert_int_equal(lbdmap_map_get(rig.set, &m[i], key, value), 0);
			for (const struct lbdmap_field *f = m[i].value; f->name; f++) {
				struct lbdmap_error err = {};
				char text[512], again[512];

				assert_true(f->offset + f->size <= m[i].value_size);
				lbdmap_field_text(f, value, text, sizeof(text));
				assert_true(text[0] || f->type == LBDMAP_T_TEXT);
				memcpy(copy, value, sizeof(copy));
				if (lbdmap_field_parse(f, copy, text, &err)) {
					assert_non_null(strstr(err.text, f->name));
					continue;
				}
				assert_string_equal(
					lbdmap_field_text(f, copy, again, sizeof(again)), text);
			}
		}
		assert_true(rc >= 0);
	}
}

static void edit_by_name(void **state)
{
	const struct lbdmap_map *m = lbdmap_map_find("deny");
	const struct lbdmap_map *srv = lbdmap_map_find("server");
	struct lbdmap_error err = {};
	struct lbd_prefix key = {};
	struct lbd_deny deny = {};
	struct lbd_server s;
	struct frame f;
	struct shot syn = {
		.src = "198.51.100.7", .dst = RIG_VIP, .sport = 1, .dport = 80, .flags = SYN
	};

	assert_int_equal(lbdmap_field_parse(lbdmap_field_find(m->key, "addr"), &key, "198.51.100.0",
					    &err),
			 0);
	assert_int_equal(lbdmap_field_parse(lbdmap_field_find(m->key, "len"), &key, "24", &err), 0);
	assert_int_equal(lbdmap_field_parse(lbdmap_field_find(m->key, "len"), &key, "33", &err),
			 -EINVAL);
	assert_int_equal(lbdmap_map_set(rig.set, m, &key, &deny), 0);
	assert_int_equal(rig_shoot(&rig, LBD_HOOK_XDP, rig.dev_client, &syn, &f), 1);
	assert_int_equal(lbdmap_map_del(rig.set, m, &key), 0);
	assert_int_equal(rig_shoot(&rig, LBD_HOOK_XDP, rig.dev_client, &syn, &f), 4);
	assert_int_equal(lbdmap_map_get(rig.set, srv, &rig.server[0], &s), 0);
	assert_int_equal(lbdmap_field_parse(lbdmap_field_find(srv->value, "flags"), &s, "up,reset",
					    &err),
			 0);
	assert_int_equal(lbdmap_map_set(rig.set, srv, &rig.server[0], &s), 0);
	assert_int_equal(lbdmap_server(rig.set, rig.server[0])->flags,
			 LBD_SRV_USED | LBD_SRV_UP | LBD_SRV_RESET);
	assert_int_equal(lbdmap_field_parse(lbdmap_field_find(srv->value, "flags"), &s, "down",
					    &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "used,up,reset"));
	assert_int_equal(lbdmap_map_set(rig.set, lbdmap_map_find("flow"), &rig.server[0], &s),
			 -EPERM);
}

static void meta_is_pruned(void **state)
{
	struct lbd_meta m;

	assert_int_equal(lbdmap_meta_put(rig.set, LBD_META_SERVICE, 5, 0, 0, "old"), 0);
	assert_int_equal(lbdmap_commit(rig.set, 2), 0);
	assert_int_equal(lbdmap_meta_put(rig.set, LBD_META_SERVICE, 6, 0, 0, "new"), 0);
	assert_int_equal(lbdmap_meta_prune(rig.set), 0);
	assert_int_equal(lbdmap_meta_get(rig.set, LBD_META_SERVICE, 5, 0, &m), -ENOENT);
	assert_int_equal(lbdmap_meta_get(rig.set, LBD_META_SERVICE, 6, 0, &m), 0);
	assert_string_equal(m.text, "new");
}

/* ---- Attaching ------------------------------------------------------------------------------------------- */

static void attach_and_off_switch(void **state)
{
	static const enum lbd_hook hooks[] = { LBD_HOOK_XDP, LBD_HOOK_TCX, LBD_HOOK_CLSACT };
	struct lbdmap_error err = {};
	struct lbdmap_link l[8];
	int have = 3;

	for (int i = 0; i < 3; i++) {
		enum lbd_hook prog = hooks[i] == LBD_HOOK_XDP ? LBD_HOOK_XDP : LBD_HOOK_TCX;
		int rc = lbdmap_attach(rig.set, rig.prog[prog], hooks[i], rig.dev_client, &err);

		if (rc == -EOPNOTSUPP && hooks[i] == LBD_HOOK_TCX) { /* before 6.6 */
			print_message("no tcx here\n");
			have--;
			continue;
		}
		if (rc)
			fail_msg("%s", err.text);
		/* Again: the same link, a new program. */
		assert_int_equal(
			lbdmap_attach(rig.set, rig.prog[prog], hooks[i], rig.dev_client, &err), 0);
	}
	assert_int_equal(lbdmap_links(rig.pin, l, 8), have);
	for (int i = 0; i < have; i++) {
		assert_int_equal(l[i].ifindex, rig.dev_client);
		assert_int_not_equal(l[i].prog_id, 0);
	}
	assert_int_equal(lbdmap_detach_all(rig.pin, rig.dev_server, &err), 0);
	assert_int_equal(lbdmap_detach(rig.pin, LBD_HOOK_XDP, rig.dev_client, &err), 0);
	assert_int_equal(lbdmap_detach_all(rig.pin, 0, &err), have - 1);
	assert_int_equal(lbdmap_links(rig.pin, l, 8), 0);
	assert_int_equal(lbdmap_attach(rig.set, rig.prog[LBD_HOOK_XDP], LBD_HOOK_XDP, 9999, &err),
			 -ENODEV);
	assert_non_null(strstr(err.text, "9999"));
}

/* Somebody else's XDP program is not pushed aside. */
static void foreign_program_is_kept(void **state)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	struct lbdmap_error err = {};
	int fd = bpf_link_create(lbdmap_prog_fd(rig.prog[LBD_HOOK_XDP]), rig.dev_server, BPF_XDP,
				 &opts);

	assert_true(fd >= 0);
	assert_int_equal(lbdmap_attach(rig.set, rig.prog[LBD_HOOK_XDP], LBD_HOOK_XDP,
				       rig.dev_server, &err),
			 -EBUSY);
	assert_non_null(strstr(err.text, "bpftool net"));
	close(fd);
}

/* Two sets on one host: each sees and detaches its own clsact filters only. */
static void two_sets_with_clsact(void **state)
{
	struct lbdmap_sizes sizes = { .flows = 64,
				      .servers = 16,
				      .services = 16,
				      .nexthops = 16,
				      .sources = 16,
				      .slot_words = 256,
				      .deny = 16,
				      .routes = 16 };
	struct lbdmap_error err = {};
	struct lbdmap_link l[8];
	struct lbdmap_set *two;
	struct lbdmap_prog *p;
	char pin[96];
	bool adopted;

	snprintf(pin, sizeof(pin), "%s-two", rig.pin);
	assert_int_equal(lbdmap_create(pin, &sizes, &two, &adopted, &err), 0);
	assert_int_equal(lbdmap_prog_load(two, LBD_HOOK_CLSACT, false, &p, &err), 0);
	if (lbdmap_attach(two, p, LBD_HOOK_CLSACT, rig.dev_client, &err))
		fail_msg("%s", err.text);
	assert_int_equal(lbdmap_links(pin, l, 8), 1);
	assert_int_equal(lbdmap_links(rig.pin, l, 8), 0);
	assert_int_equal(lbdmap_detach_all(rig.pin, 0, &err), 0);
	assert_int_equal(lbdmap_attach(rig.set, rig.prog[LBD_HOOK_TCX], LBD_HOOK_CLSACT,
				       rig.dev_client, &err),
			 -EBUSY);
	assert_int_equal(lbdmap_links(pin, l, 8), 1);
	lbdmap_prog_free(p);
	lbdmap_close(two);
	assert_int_equal(lbdmap_cleanup(pin, &err), 0);
	assert_int_equal(access(pin, F_OK), -1);
	assert_int_equal(lbdmap_attach(rig.set, rig.prog[LBD_HOOK_TCX], LBD_HOOK_CLSACT,
				       rig.dev_client, &err),
			 0);
	assert_int_equal(lbdmap_detach_all(rig.pin, 0, &err), 1);
}

/* An interface that goes and comes back under the same name has another index; the old link does not disturb. */
static void vanished_interface(void **state)
{
	struct lbdmap_error err = {};
	struct lbdmap_link l[8];

	assert_int_equal(
		system("ip link add gone0 type veth peer name gone1 && ip link set gone0 up"), 0);
	uint32_t index = 0;
	FILE *f = popen("ip -o link show gone0 | cut -d: -f1", "r");

	assert_int_equal(fscanf(f, "%u", &index), 1);
	pclose(f);
	assert_int_equal(lbdmap_attach(rig.set, rig.prog[LBD_HOOK_XDP], LBD_HOOK_XDP_GENERIC, index,
				       &err),
			 0);
	assert_int_equal(system("ip link del gone0"), 0);
	assert_int_equal(lbdmap_links(rig.pin, l, 8), 1);
	assert_int_equal(lbdmap_detach_all(rig.pin, 0, &err), 1);
	assert_int_equal(lbdmap_links(rig.pin, l, 8), 0);
}

/* What was opened before works without any capability, as another user. */
static void works_after_privileges_are_dropped(void **state)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (setgid(65534) || setuid(65534))
			_exit(2);
		if (lbdmap_server_state(rig.set, rig.server[0], false, false))
			_exit(3);
		if (lbdmap_table_publish(rig.set, rig.service, LBD_FORM_TABLE, NULL, rig.server + 1,
					 2))
			_exit(4);
		if (lbdmap_meta_put(rig.set, LBD_META_SERVICE, 9, 0, 0, "x"))
			_exit(5);
		lbdmap_heartbeat(rig.set);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(lbdmap_server(rig.set, rig.server[0])->flags, LBD_SRV_USED);
}

static int setup(void **state)
{
	rig_up(&rig, 4096, 3);
	return 0;
}

static int teardown(void **state)
{
	rig_down(&rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(adopted_with_everything, wiped),
		cmocka_unit_test_setup(one_owner, wiped),
		cmocka_unit_test_setup(other_abi_is_refused, wiped),
		cmocka_unit_test_setup(errors_name_the_cause, wiped),
		cmocka_unit_test_setup(tables_share_and_rest, wiped),
		cmocka_unit_test_setup(tables_fill_up, wiped),
		cmocka_unit_test_setup(thousand_tables, wiped),
		cmocka_unit_test_setup(slots_rest, wiped),
		cmocka_unit_test_setup(server_address_is_immutable, wiped),
		cmocka_unit_test_setup(fields_round_trip, wiped),
		cmocka_unit_test_setup(edit_by_name, wiped),
		cmocka_unit_test_setup(meta_is_pruned, wiped),
		cmocka_unit_test_setup(attach_and_off_switch, wiped),
		cmocka_unit_test_setup(foreign_program_is_kept, wiped),
		cmocka_unit_test_setup(two_sets_with_clsact, wiped),
		cmocka_unit_test_setup(vanished_interface, wiped),
		cmocka_unit_test_setup(works_after_privileges_are_dropped, wiped),
	};

	return cmocka_run_group_tests_name("set", tests, setup, teardown);
}
