// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A conversation with the stats socket: lines, several commands in a line, payloads, whatever comes, from a client of each level
 * (first byte) and in two pieces (second byte). All commands run, as in a process with one worker. What must hold: once the
 * client has shut its side every conversation ends, and nothing of it is left.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <urcu-qsbr.h>

#include "admin/private.h"
#include "balance/balance.h"
#include "balance_http.h"
#include "check/check.h"
#include "config/reader.h"
#include "http/conf.h"
#include "log/log.h"
#include "loop/thread.h"
#include "policy/http_policy.h"
#include "policy/pattern_ref.h"
#include "policy/rules.h"
#include "policy/vars.h"
#include "process/run.h"
#include "process/start.h"
#include "stick/config.h"
#include "stream/session.h"
#include "transport/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROUNDS_MAX 20000

static const char text[] =
	"global\n set-var proc.a int(3)\n"
	"defaults\n mode http\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n"
	"frontend f\n bind 127.0.0.1:1\n default_backend b\n"
	" acl m path -f virt@acl\n"
	" http-request set-header x %[path,map(virt@map)] if m\n"
	" http-request set-header y %[src,map_ip(virt@ips)]\n"
	" http-request set-header y %[path,map_reg(virt@regs)]\n"
	" http-request track-sc0 src table t\n"
	"backend b\n balance roundrobin\n server s 127.0.0.1:9 check\n"
	" server v 127.0.0.1:9 agent-check agent-port 3 weight 3\n"
	" server w localhost:9 disabled maxconn 4 track b/s\n"
	"backend c\n balance hdr(host)\n hash-type consistent\n server s 127.0.0.1:9\n"
	"backend t\n stick-table type ip size 50 expire 1m store "
	"gpc0,gpt0,http_req_rate(1s),conn_cur,server_id,bytes_in_cnt\n"
	"backend u\n stick-table type string len 12 size 20 store gpc(3),gpt(2),server_key\n"
	"backend i\n stick-table type integer size 20 store gpc1_rate(9s)\n";

static void in_worker(struct loop *l)
{
	struct start_hooks *h;

	list_for_each_entry(h, &start_hooks_list, node)
		if (h->worker_start)
			h->worker_start(l);
}

static void setup(void)
{
	static struct diag d;

	this_loop = &control_loop;
	worker_count = 1;
	if (loop_init(&control_loop, 1))
		abort();
	config_language_init();
	balance_init();
	policy_init();
	stick_init();
	log_init();
	admin_init();
	pattern_cli_init();
	vars_cli_init();
	tls_module_init();
	stream_module_init();
	http_init();
	http_policy_init();
	balance_http_init();
	check_init();
	diag_init(&d);
	config = config_new(&d);
	if (config_read_text(config, "fuzz", slice_z(text)) || config_finish(config) || d.errors) {
		diag_print(&d, stderr, DIAG_NOTICE);
		abort();
	}
	rcu_register_thread();
	if (threads_start(1, in_worker))
		abort();
}

/* What was replied; nobody looks. */
static void drain(int fd)
{
	char buf[16384];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static void turn(int fd, int rounds)
{
	for (int i = 0; i < rounds && admin_nclients; i++) {
		loop_once(&control_loop, i > 100); /* the worker may have to answer */
		drain(fd);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];
	size_t cut;

	if (!config)
		setup();
	if (size < 3 || size > 20000)
		return 0;
	cut = data[1] % (size - 2);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		abort();
	admin_client_from_master(pair[0], data[0] % 3);
	if (cut && send(pair[1], data + 2, cut, MSG_NOSIGNAL) < 0)
		abort();
	turn(pair[1], 2);
	if (send(pair[1], data + 2 + cut, size - 2 - cut, MSG_NOSIGNAL) < 0 && admin_nclients)
		abort();
	shutdown(pair[1], SHUT_WR);
	turn(pair[1], ROUNDS_MAX);
	if (admin_nclients)
		abort();
	close(pair[1]);
	return 0;
}
