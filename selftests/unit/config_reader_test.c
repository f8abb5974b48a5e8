// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From text to the model: sections, inheritance, addresses, numbers; the tables' own order and completeness.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "config/reader.h"
#include "config/registry.h"
#include "model/server.h"

static struct diag diag;

static struct config *read_text(const char *text)
{
	struct config *cfg;

	diag_init(&diag);
	cfg = config_new(&diag);
	config_read_text(cfg, "t.cfg", slice_z(text));
	config_finish(cfg);
	return cfg;
}

static void done(struct config *cfg)
{
	diag_fini(&diag);
	arena_fini(&cfg->arena);
	free(cfg);
}

/* Shows what was said when a configuration is not fine. */
static void expect_errors(int n, const char *what)
{
	if (diag.errors == n)
		return;
	diag_print(&diag, stderr, DIAG_NOTICE);
	fail_msg("%s: %d errors, not %d", what, diag.errors, n);
}

static void test_sections(void **state)
{
	struct config *cfg = read_text(
		"global\n maxconn 5\n"
		"defaults d1\n mode tcp\n timeout client 1s\n retries 7\n option persist\n"
		"defaults d2\n mode http\n timeout client 2m\n"
		"frontend f1 from d1\n bind :80\n default_backend b1\n"
		"frontend f2\n bind :81\n"
		"backend b1 from d1\n server s1 192.0.2.1:80\n"
		"global\n nbthread 3\n"
		"listen l1 from d1\n bind :82\n retries 2\n no option persist\n");
	struct proxy *f1 = config_find_proxy(cfg, "f1", PX_FRONTEND),
		     *f2 = config_find_proxy(cfg, "f2", PX_FRONTEND);
	struct proxy *b1 = config_find_proxy(cfg, "b1", PX_BACKEND),
		     *l1 = config_find_proxy(cfg, "l1", PX_BACKEND);

	expect_errors(0, "sections");
	assert_int_equal(cfg->global.maxconn, 5);
	assert_int_equal(cfg->global.nbthread, 3);
	assert_int_equal(f1->mode, MODE_TCP);
	assert_int_equal(f1->timeout.client, 1000);
	assert_ptr_equal(f1->default_backend, b1);
	assert_int_equal(f2->mode, MODE_HTTP);
	assert_int_equal(f2->timeout.client, 120000);
	assert_int_equal(b1->retries, 7);
	assert_true(b1->options & PX_O_PERSIST);
	assert_int_equal(l1->options & PX_O_PERSIST, 0);
	assert_int_equal(l1->retries, 2);
	assert_string_equal(proxy_kind(l1), "listen");
	assert_null(config_find_proxy(cfg, "f1", PX_BACKEND));
	assert_int_equal(f1->uuid, 2);
	assert_int_equal(l1->uuid, 5);
	done(cfg);
}

static void test_servers(void **state)
{
	struct config *cfg = read_text(
		"backend b\n mode tcp\n default-server weight 7 maxconn 9\n"
		" server a 192.0.2.1:80 id 7\n server b [2001:db8::1]:81 weight 3 backup\n"
		" server c 192.0.2.3 id 3 disabled\n server d 192.0.2.4:+100\n"
		" server e unix@/tmp/x\n server f 2001:db8::5\n server-template t 2-4 "
		"192.0.2.9:-5\n");
	struct proxy *b = config_find_proxy(cfg, "b", PX_BACKEND);
	const uint32_t ids[] = { 7, 2, 3, 4, 5, 6, 8, 9, 10 };
	struct server *s, *by[9];
	int n = 0;

	expect_errors(0, "servers");
	assert_int_equal(b->nservers, 9);
	list_for_each_entry(s, &b->servers, node) {
		assert_int_equal(s->index, n);
		assert_int_equal(s->puid, ids[n]);
		by[n++] = s;
	}
	assert_int_equal(by[0]->weight, 7);
	assert_int_equal(by[0]->maxconn, 9);
	assert_int_equal(by[1]->weight, 3);
	assert_true(by[1]->backup);
	assert_int_equal(by[1]->addr.family, ADDR_IP6);
	assert_int_equal(by[1]->addr.port, 81);
	assert_true(by[2]->disabled && by[2]->port_is_offset && !by[2]->port_offset);
	assert_false(server_is_usable(by[2]));
	assert_true(server_is_usable(by[0]));
	assert_int_equal(by[3]->port_offset, 100);
	assert_string_equal(by[4]->path, "/tmp/x");
	assert_int_equal(by[5]->addr.family, ADDR_IP6);
	assert_true(by[5]->port_is_offset);
	assert_string_equal(by[6]->name, "t2");
	assert_int_equal(by[8]->port_offset, -5);
	assert_int_equal(b->nactive, 8);
	assert_int_equal(atomic_load(&b->up_active), 7);
	done(cfg);
}

static const struct {
	const char *text;
	int n;
	int family, port, port_end;
	bool any, udp;
	const char *path;
	int fd;
} binds[] = {
	{ ":80", 1, ADDR_IP4, 80, 80, true, false, NULL, -1 },
	{ "*:80", 1, ADDR_IP4, 80, 80, true, false, NULL, -1 },
	{ ":::80", 1, ADDR_IP6, 80, 80, false, false, NULL, -1 },
	{ "[::]:80", 1, ADDR_IP6, 80, 80, false, false, NULL, -1 },
	{ "2001:db8::1:80", 1, ADDR_IP6, 80, 80, false, false, NULL, -1 },
	{ "192.0.2.1:80-90", 1, ADDR_IP4, 80, 90, false, false, NULL, -1 },
	{ "ipv4@192.0.2.1:80", 1, ADDR_IP4, 80, 80, false, false, NULL, -1 },
	{ "ipv6@:80", 1, ADDR_IP6, 80, 80, true, false, NULL, -1 },
	{ "tcp4@192.0.2.1:80", 1, ADDR_IP4, 80, 80, false, false, NULL, -1 },
	{ "stream+ipv4@192.0.2.1:80", 1, ADDR_IP4, 80, 80, false, false, NULL, -1 },
	{ "udp@192.0.2.1:53", 1, ADDR_IP4, 53, 53, false, true, NULL, -1 },
	{ "udp6@[::1]:53", 1, ADDR_IP6, 53, 53, false, true, NULL, -1 },
	{ "unix@/run/x", 1, ADDR_UNIX, 0, 0, false, false, "/run/x", -1 },
	{ "/run/x", 1, ADDR_UNIX, 0, 0, false, false, "/run/x", -1 },
	{ "abns@x", 1, ADDR_UNIX, 0, 0, false, false, "@x", -1 },
	{ "fd@${LBD_FD}", 1, ADDR_NONE, 0, 0, false, false, NULL, 9 },
	{ ":80,:81,unix@/x", 3, ADDR_IP4, 80, 80, true, false, NULL, -1 },
};

static void test_bind_addresses(void **state)
{
	setenv("LBD_FD", "9", 1);
	for (size_t i = 0; i < ARRAY_SIZE(binds); i++) {
		char text[256];
		struct config *cfg;
		struct bind_conf *b;
		struct bind_address *x;
		int n = 0;

		snprintf(text, sizeof(text), "frontend f\n mode %s\n bind %s\n",
			 binds[i].udp ? "udp" : "tcp", binds[i].text);
		cfg = read_text(text);
		expect_errors(0, binds[i].text);
		b = list_first(&config_find_proxy(cfg, "f", PX_FRONTEND)->binds, struct bind_conf,
			       node);
		list_for_each_entry(x, &b->addresses, node)
			n++;
		x = list_first(&b->addresses, struct bind_address, node);
		assert_int_equal(n, binds[i].n);
		assert_int_equal(x->addr.family, binds[i].family);
		assert_int_equal(x->addr.port, binds[i].port);
		assert_int_equal(x->port_end, binds[i].port_end);
		assert_int_equal(x->is_any, binds[i].any);
		assert_int_equal(x->is_udp, binds[i].udp);
		assert_int_equal(x->fd, binds[i].fd);
		if (binds[i].path)
			assert_string_equal(x->path, binds[i].path);
		done(cfg);
	}
}

static const char *const bad_binds[] = {
	"192.0.2.1",      "192.0.2.1:",   "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:90-80",
	"192.0.2.1:a",    "[::1:80",      "[::1]80",     "ipv4@[::1]:80",   "ipv6@192.0.2.1:80",
	"192.0.2.256:80", "unix@",        "fd@x",        "quic4@:443",      "192.0.2.1:+5",
	":80,,:81",       "192.0.2.1:-80"
};

static void test_bad_addresses(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_binds); i++) {
		char text[256];

		snprintf(text, sizeof(text), "frontend f\n mode tcp\n bind %s\n", bad_binds[i]);
		struct config *cfg = read_text(text);

		expect_errors(1, bad_binds[i]);
		done(cfg);
	}
}

/* The planner sees a line once: the section's own instead of the inherited. */
static void test_uses(void **state)
{
	struct config *cfg = read_text("defaults\n mode tcp\n retries 3\n timeout connect 1s\n"
				       "backend b\n retries 5\n server s 192.0.2.1:80 weight 3\n");
	struct proxy *b = config_find_proxy(cfg, "b", PX_BACKEND);
	int retries = 0, inherited = 0, n = 0;
	struct cfg_use *u;
	struct server *s = list_first(&b->servers, struct server, node);

	list_for_each_entry(u, &b->uses, node) {
		n++;
		inherited += u->inherited;
		if (!strcmp(u->name, "retries")) {
			retries++;
			assert_int_equal(u->at.line, 6);
			assert_int_equal(u->kernel, KERNEL_APPROX);
		}
	}
	assert_int_equal(retries, 1);
	assert_int_equal(inherited, 2); /* mode, timeout connect */
	assert_int_equal(n, 4);
	u = list_first(&s->uses, struct cfg_use, node);
	assert_string_equal(u->name, "weight");
	assert_ptr_equal(u->server, s);
	done(cfg);
}

static void test_rows_are_complete(void **state)
{
	const struct cfg_keyword *k;
	const struct bind_option *b;
	const struct server_option *s;

#define COMPLETE(row)                                                                    \
	do {                                                                             \
		if ((row)->kernel == KERNEL_UNSAID)                                      \
			fail_msg("'%s' does not say what it means on the kernel path",   \
				 (row)->name);                                           \
		if (((row)->kernel == KERNEL_APPROX || (row)->kernel == KERNEL_NEVER) && \
		    !(row)->kernel_says)                                                 \
			fail_msg("'%s' has no sentence for the planner", (row)->name);   \
		if (!(row)->usage || !(row)->help)                                       \
			fail_msg("'%s' has no usage or help", (row)->name);              \
	} while (0)
	for (size_t i = 0; (k = registry_keyword_at(i)); i++)
		COMPLETE(k);
	for (size_t i = 0; (b = registry_bind_option_at(i)); i++)
		COMPLETE(b);
	for (size_t i = 0; (s = registry_server_option_at(i)); i++)
		COMPLETE(s);
}

static void test_known_names(void **state)
{
	static const char *const yes[][2] = {
		{ "proxy", "timeout tarpit" }, { "section", "peers" },   { "global", "lua-load" },
		{ "bind-option", "ssl" },      { "action", "do-log" },   { "server-option", "ws" },
		{ "proxy", "use_backend" },    { "section", "userlist" }
	};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		if (!haproxy_knows(yes[i][0], yes[i][1]))
			fail_msg("%s '%s' is not found", yes[i][0], yes[i][1]);
	assert_false(haproxy_knows("proxy", "timeout clinet"));
	assert_false(haproxy_knows("", ""));
	assert_false(haproxy_knows("zzz", "zzz"));
}

static void test_all_errors_in_one_pass(void **state)
{
	struct config *cfg = read_text(
		"glob\nglobal\n nbthread x\nfrontend f\n bind x\n nonsense\n mode tcp \"\n"
		"backend b\n server s 1.2.3.4:99999 wieght 3\n.if 1\n");

	expect_errors(7, "one pass");
	done(cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_bind_addresses),
		cmocka_unit_test(test_bad_addresses),
		cmocka_unit_test(test_uses),
		cmocka_unit_test(test_rows_are_complete),
		cmocka_unit_test(test_known_names),
		cmocka_unit_test(test_all_errors_in_one_pass),
	};

	config_language_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
