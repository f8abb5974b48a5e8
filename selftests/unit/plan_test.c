/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_test.c - the planner: a configuration and what a host can do in, path and reason out. Rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "balance/balance.h"
#include "config/reader.h"
#include "datapath/datapath.h"
#include "datapath/plan.h"
#include "log/log.h"
#include "policy/rules.h"
#include "stream/session.h"

#define GLOBAL  "global\n datapath interface eth0\n"
#define TIMES   "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n"
#define SERVERS " server a 10.0.0.1:80\n server b 10.0.0.2:80\n"

enum host { GOOD, NO_BPF, NO_BPFFS, NO_IFACE, SSH_HERE };

static struct addr address(const char *ip, uint16_t port)
{
	struct addr a = { .port = port };

	assert_int_equal(addr_parse_ip(&a, slice_z(ip)), 0);
	return a;
}

static void make_host(struct host_caps *h, enum host kind)
{
	static struct addr locals[2];

	memset(h, 0, sizeof(*h));
	locals[0] = address("192.0.2.2", 0);
	locals[1] = address("10.0.0.9", 0);
	h->locals = locals;
	h->nlocals = 2;
	h->bpf = kind != NO_BPF;
	h->bpffs = kind != NO_BPFFS;
	snprintf(h->bpf_why, sizeof(h->bpf_why), "not permitted");
	snprintf(h->bpffs_why, sizeof(h->bpffs_why), "no bpffs");
	snprintf(h->iface[0].name, sizeof(h->iface[0].name), "eth0");
	h->iface[0].exists = kind != NO_IFACE;
	h->iface[0].hook = "xdp";
	h->nifaces = 1;
	if (kind == SSH_HERE) {
		h->ssh[0].local = address("192.0.2.2", 2222);
		h->ssh[0].peer = address("203.0.113.5", 50000);
		h->nssh = 1;
	}
}

static const struct row {
	const char *what;
	const char *text;
	enum host host;
	enum path path;
	bool error;
	const char *why; /* part of the reason or of the message */
} rows[] = {
	{ "a tcp service that asks for it",
	  GLOBAL TIMES "listen s\n bind 192.0.2.10:80\n datapath kernel\n" SERVERS, GOOD,
	  PATH_KERNEL, false, "nothing has to read" },
	{ "auto does not take approximations",
	  GLOBAL TIMES "listen s\n bind 192.0.2.10:80\n" SERVERS, GOOD, PATH_SPLICE, false,
	  "timeout" },
	{ "auto takes those that are accepted",
	  GLOBAL TIMES "listen s\n bind 192.0.2.10:80\n datapath accept "
		       "timeout-connect,timeout-client,timeout-server\n" SERVERS,
	  GOOD, PATH_KERNEL, false, "nothing has to read" },
	{ "auto takes what is exact", GLOBAL "listen s\n bind 192.0.2.10:80\n" SERVERS, GOOD,
	  PATH_KERNEL, false, "nothing" },
	{ "no datapath interface line", "listen s\n bind 192.0.2.10:80\n" SERVERS, GOOD,
	  PATH_SPLICE, false, "datapath interface" },
	{ "mode http", GLOBAL "listen s\n mode http\n bind 192.0.2.10:80\n" SERVERS, GOOD,
	  PATH_USER, false, "mode http" },
	{ "mode http that insists",
	  GLOBAL "listen s\n mode http\n datapath kernel\n bind 192.0.2.10:80\n" SERVERS, GOOD,
	  PATH_USER, true, "cannot be honoured" },
	{ "datapath user", GLOBAL "listen s\n datapath user\n bind 192.0.2.10:80\n" SERVERS, GOOD,
	  PATH_USER, false, "datapath user" },
	{ "datapath splice", GLOBAL "listen s\n datapath splice\n bind 192.0.2.10:80\n" SERVERS,
	  GOOD, PATH_SPLICE, false, "splice" },
	{ "require splice with nosplice",
	  GLOBAL " nosplice\nlisten s\n datapath require splice\n bind 192.0.2.10:80\n" SERVERS,
	  GOOD, PATH_USER, true, "cannot be honoured" },
	{ "no permission", GLOBAL "listen s\n bind 192.0.2.10:80\n" SERVERS, NO_BPF, PATH_SPLICE,
	  false, "not permitted" },
	{ "no permission, insists",
	  GLOBAL "listen s\n datapath kernel\n bind 192.0.2.10:80\n" SERVERS, NO_BPF, PATH_SPLICE,
	  true, "not permitted" },
	{ "no bpffs", GLOBAL "listen s\n bind 192.0.2.10:80\n" SERVERS, NO_BPFFS, PATH_SPLICE,
	  false, "no bpffs" },
	{ "no such interface", GLOBAL "listen s\n bind 192.0.2.10:80\n" SERVERS, NO_IFACE,
	  PATH_SPLICE, false, "does not exist" },
	{ "a loopback server", GLOBAL "listen s\n bind 192.0.2.10:80\n server a 127.0.0.1:80\n",
	  GOOD, PATH_SPLICE, false, "loopback" },
	{ "a server that is this host",
	  GLOBAL "listen s\n bind 192.0.2.10:80\n server a 10.0.0.9:80\n", GOOD, PATH_SPLICE, false,
	  "this host itself" },
	{ "an IPv6 listener", GLOBAL "listen s\n bind 2001:db8::1:80\n" SERVERS, GOOD, PATH_SPLICE,
	  false, "IPv6" },
	{ "a loopback listener", GLOBAL "listen s\n bind 127.0.0.1:80\n" SERVERS, GOOD, PATH_SPLICE,
	  false, "never on the wire" },
	{ "no server", GLOBAL "listen s\n bind 192.0.2.10:80\n", GOOD, PATH_SPLICE, false,
	  "no server" },
	{ "a rule that reads the stream",
	  GLOBAL "frontend s\n bind 192.0.2.10:80\n use_backend b if { src 10.0.0.0/8 }\n "
		 "default_backend b\nbackend b\n" SERVERS,
	  GOOD, PATH_SPLICE, false, "" },
	{ "port 22 of this host", GLOBAL "listen s\n bind 192.0.2.2:22\n datapath kernel\n" SERVERS,
	  GOOD, PATH_SPLICE, true, "port 22" },
	{ "port 22 of any address", GLOBAL "listen s\n bind :22\n" SERVERS, GOOD, PATH_SPLICE,
	  false, "port 22" },
	{ "port 22 of another address", GLOBAL "listen s\n bind 192.0.2.10:22\n" SERVERS, GOOD,
	  PATH_KERNEL, false, "nothing" },
	{ "an established SSH session",
	  GLOBAL "listen s\n bind 192.0.2.2:2222\n datapath kernel\n" SERVERS, SSH_HERE,
	  PATH_SPLICE, true, "203.0.113.5:50000" },
	{ "an SSH session within a port range",
	  GLOBAL "listen s\n bind :2000-3000\n datapath kernel\n" SERVERS, SSH_HERE, PATH_SPLICE,
	  true, "SSH session" },
};

static struct config *read_row(const struct row *r, struct diag *d)
{
	struct config *cfg;

	diag_init(d);
	cfg = config_new(d);
	config_read_text(cfg, "t.cfg", slice_z(r->text));
	config_finish(cfg);
	/* what this very machine lacks was said too: only what a row plans counts */
	return cfg;
}

static bool said(struct diag *d, const char *part)
{
	const struct diag_entry *e;

	list_for_each_entry(e, &d->entries, node)
		if (strstr(e->text, part))
			return true;
	return false;
}

static void check_row(const struct row *r)
{
	struct diag d, plan_diag;
	struct config *cfg = read_row(r, &d);
	struct proxy *px = config_find_proxy(cfg, "s", PX_FRONTEND);
	struct host_caps host;
	bool in_why;

	assert_non_null(px);
	make_host(&host, r->host);
	diag_init(&plan_diag);
	plan_all(cfg, &host, &plan_diag);
	if (px->plan->path != r->path)
		fail_msg("%s: path %s, wanted %s (%s)", r->what, path_name(px->plan->path),
			 path_name(r->path), px->plan->why);
	if ((plan_diag.errors != 0) != r->error)
		fail_msg("%s: %d errors", r->what, plan_diag.errors);
	in_why = strstr(px->plan->why, r->why) != NULL;
	if (!in_why && !said(&plan_diag, r->why))
		fail_msg("%s: '%s' is not in '%s'", r->what, r->why, px->plan->why);
	diag_fini(&plan_diag);
	diag_fini(&d);
	arena_fini(&cfg->arena);
	free(cfg);
}

static void test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(&rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	config_language_init();
	balance_init();
	policy_init();
	log_init();
	stream_module_init();
	datapath_init();
	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
