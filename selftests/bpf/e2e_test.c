// SPDX-License-Identifier: GPL-2.0-or-later
/* tap: timeout=180 */
/*
 * Real TCP from a client's namespace through the balancer's to a server's: every hook, with the next hop from the
 * cache and from the kernel, TC with all offloads on (aggregates, partial checksums). Bytes are compared on both ends.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "bpf/rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENT "198.51.100.7"
#define SERVER "10.0.0.11"

static struct rig rig;

/* A process in a namespace of its own, told what to do by lines on a pipe. */
struct peer {
	pid_t pid;
	int to, from;
};
static struct peer client, server;

static int sh(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

/* ---- The server: echoes N bytes of pattern for N bytes of pattern ------------------------------------- */

static uint8_t pattern(uint64_t i)
{
	return (i * 2654435761u) >> 13;
}

static int full_io(int fd, bool out, uint64_t n)
{
	uint8_t buf[65536];

	for (uint64_t at = 0; at < n;) {
		size_t want = n - at < sizeof(buf) ? n - at : sizeof(buf);
		ssize_t got;

		for (size_t i = 0; out && i < want; i++)
			buf[i] = pattern(at + i);
		got = out ? send(fd, buf, want, MSG_NOSIGNAL) : recv(fd, buf, want, 0);
		if (got <= 0)
			return -1;
		for (ssize_t i = 0; !out && i < got; i++)
			if (buf[i] != pattern(at + i))
				return -2;
		at += got;
	}
	return 0;
}

static void serve_one(int fd)
{
	uint64_t n;

	if (recv(fd, &n, sizeof(n), MSG_WAITALL) != sizeof(n))
		_exit(1);
	if (full_io(fd, false, n))
		_exit(1);
	full_io(fd, true, n);
	_exit(0);
}

static int serve(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(8080) };
	int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(s, (void *)&a, sizeof(a)) || listen(s, 128))
		return -1;
	if (fork())
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(s, NULL, NULL);

		if (fd >= 0 && !fork())
			serve_one(fd);
		close(fd);
	}
}

/* ---- The client ---------------------------------------------------------------------------------------- */

static int exchange(uint64_t n)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_STREAM, 0), rc = -3;

	a.sin_addr.s_addr = inet_addr(RIG_VIP);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (!connect(fd, (void *)&a, sizeof(a)) && send(fd, &n, sizeof(n), 0) == sizeof(n)) {
		rc = full_io(fd, true, n);
		if (!rc)
			rc = full_io(fd, false, n);
		if (!rc && recv(fd, &n, 1, 0) != 0)
			rc = -4;
	}
	close(fd);
	return rc;
}

/* ---- Peers ----------------------------------------------------------------------------------------------- */

/* "! cmd" runs a command, "serve" starts the server, "N times" exchanges N bytes; each is answered by a line. */
static void peer_loop(int in, int out)
{
	FILE *f = fdopen(in, "r");
	char line[512];

	while (fgets(line, sizeof(line), f)) {
		unsigned long n, times;
		int rc = -1;

		if (line[0] == '!')
			rc = system(line + 1);
		else if (!strncmp(line, "serve", 5))
			rc = serve();
		else if (sscanf(line, "%lu %lu", &n, &times) == 2)
			for (rc = 0; times && !rc; times--)
				rc = exchange(n);
		dprintf(out, "%d\n", rc);
	}
	_exit(0);
}

static int tell(struct peer *p, const char *fmt, ...)
{
	struct pollfd pf = { .fd = p->from, .events = POLLIN };
	char line[512];
	ssize_t n;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	dprintf(p->to, "%s\n", line);
	for (int i = 0; i < 40; i++) { /* the daemon's heartbeat */
		if (poll(&pf, 1, 1000) == 1)
			break;
		if (lbdmap_control(rig.set)->heartbeat)
			lbdmap_heartbeat(rig.set);
	}
	n = read(p->from, line, sizeof(line) - 1);
	line[n > 0 ? n : 0] = 0;
	return n > 0 ? atoi(line) : -99;
}

static void peer_start(struct peer *p, const char *dev)
{
	int a[2], b[2];
	char c;

	assert_int_equal(pipe(a) | pipe(b), 0);
	p->pid = fork();
	if (!p->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) || write(b[1], "x", 1) != 1)
			_exit(1);
		close(a[1]);
		peer_loop(a[0], b[1]);
	}
	close(a[0]);
	close(b[1]);
	p->to = a[1];
	p->from = b[0];
	assert_int_equal(read(p->from, &c, 1), 1);
	assert_int_equal(sh("ip link set %s netns %d", dev, p->pid), 0);
}

static void mac_of(const char *dev, uint8_t mac[6])
{
	char path[64];
	unsigned int m[6];
	FILE *f;

	snprintf(path, sizeof(path), "ip -br link show %s", dev);
	f = popen(path, "r");
	assert_int_equal(fscanf(f, "%*s %*s %2x:%2x:%2x:%2x:%2x:%2x", m, m + 1, m + 2, m + 3, m + 4,
				m + 5),
			 6);
	pclose(f);
	for (int i = 0; i < 6; i++)
		mac[i] = m[i];
}

/* Client's and server's MACs are given, so that the cache can be filled before there was any traffic. */
static int setup(void **state)
{
	rig_up(&rig, 4096, 1);
	assert_int_equal(
		sh("ip link set cli1 address 02:00:00:00:01:07; ip link set srv1 address "
		   "02:00:00:00:02:0b; "
		   "ip addr add 198.51.100.1/24 dev cli0; ip addr add 10.0.0.1/24 dev srv0; "
		   "ip addr add " RIG_VIP "/32 dev lo; echo 1 > /proc/sys/net/ipv4/ip_forward"),
		0);
	peer_start(&client, "cli1");
	peer_start(&server, "srv1");
	assert_int_equal(tell(&client, "! ip link set lo up; ip addr add " CLIENT
				       "/24 dev cli1; ip link set cli1 up; "
				       "ip route add default via 198.51.100.1"),
			 0);
	assert_int_equal(tell(&server, "! ip link set lo up; ip addr add " SERVER
				       "/24 dev srv1; ip link set srv1 up"),
			 0);
	assert_int_equal(tell(&server, "serve"), 0);
	return 0;
}

static int teardown(void **state)
{
	kill(client.pid, SIGKILL);
	kill(server.pid, SIGKILL);
	rig_down(&rig);
	return 0;
}

enum nexthop_from { CACHE, KERNEL, CACHE_WITHOUT_MAC, LEARNED };

static uint32_t nexthop_new(const char *dev, const uint8_t *dmac, bool mac)
{
	struct lbd_nexthop nh = { .ifindex = if_nametoindex(dev), .flags = mac ? LBD_NH_MAC : 0 };
	int64_t slot = lbdmap_slot_take(rig.set, LBDMAP_NEXTHOP, 1);

	memcpy(nh.dmac, dmac, 6);
	mac_of(dev, nh.smac);
	assert_true(slot > 0);
	assert_int_equal(lbdmap_nexthop_put(rig.set, slot, &nh), 0);
	return slot;
}

static void nexthops(enum nexthop_from from)
{
	union lbd_addr any = rig_addr("0.0.0.0");
	bool mac = from != CACHE_WITHOUT_MAC;

	assert_int_equal(sh("echo %d > /proc/sys/net/ipv4/ip_forward; ip neigh flush dev cli0",
			    from != LEARNED),
			 0);
	MEM(rig.set, CONTROL, struct lbd_control)->heartbeat = 0;
	lbdmap_route_del(rig.set, &any, 0);
	assert_int_equal(lbdmap_server_nexthop(rig.set, rig.server[0], 0), 0);
	if (from == KERNEL)
		return;
	lbdmap_heartbeat(rig.set);
	if (from != LEARNED)
		assert_int_equal(
			lbdmap_route_put(rig.set, &any, 0,
					 nexthop_new("cli0", (uint8_t *)"\x02\0\0\0\x01\x07", mac)),
			0);
	assert_int_equal(
		lbdmap_server_nexthop(rig.set, rig.server[0],
				      nexthop_new("srv0", (uint8_t *)"\x02\0\0\0\x02\x0b", mac)),
		0);
}

static void offloads(bool on)
{
	const char *k = on ? "tx on tso on gso on gro on" : "tx off tso off gso off gro on";

	assert_int_equal(sh("for d in cli0 srv0; do ethtool -K $d %s >/dev/null 2>&1; done", k), 0);
	tell(&client, "! ethtool -K cli1 %s >/dev/null 2>&1", k);
	tell(&server, "! ethtool -K srv1 %s >/dev/null 2>&1", k);
}

static const struct row {
	const char *what;
	enum lbd_hook hook;
	enum nexthop_from from;
	bool offloads;
	int mtu;
} rows[] = {
	{ "native XDP, next hop from the cache", LBD_HOOK_XDP, CACHE, false, 1500 },
	{ "native XDP, next hop from the kernel", LBD_HOOK_XDP, KERNEL, false, 1500 },
	{ "native XDP, MTU 9000", LBD_HOOK_XDP, CACHE, false, 9000 },
	{ "native XDP, no route and no forwarding: back the way it came", LBD_HOOK_XDP, LEARNED,
	  false, 1500 },
	{ "generic XDP", LBD_HOOK_XDP_GENERIC, CACHE, false, 1500 },
	{ "tcx, next hop from the cache, offloads on", LBD_HOOK_TCX, CACHE, true, 1500 },
	{ "tcx, next hop from the kernel, offloads on", LBD_HOOK_TCX, KERNEL, true, 1500 },
	{ "tcx, neighbour resolved by the kernel, offloads on", LBD_HOOK_TCX, CACHE_WITHOUT_MAC,
	  true, 1500 },
	{ "tcx, no route and no forwarding: back the way it came", LBD_HOOK_TCX, LEARNED, true,
	  1500 },
	{ "tcx, offloads off", LBD_HOOK_TCX, CACHE, false, 1500 },
	{ "clsact, offloads on", LBD_HOOK_CLSACT, CACHE, true, 1500 },
	{ "clsact, MTU 9000, offloads on", LBD_HOOK_CLSACT, KERNEL, true, 9000 },
};

static void attach(const struct row *t, struct lbdmap_prog **prog)
{
	struct lbdmap_error err = {};
	uint32_t devs[] = { rig.dev_client, rig.dev_server };

	if (lbdmap_prog_load(rig.set, t->hook, false, prog, &err))
		fail_msg("%s", err.text);
	for (int i = 0; i < 2; i++)
		if (lbdmap_attach(rig.set, *prog, t->hook, devs[i], &err))
			fail_msg("%s", err.text);
}

static void mtu(int bytes)
{
	assert_int_equal(sh("ip link set cli0 mtu %d && ip link set srv0 mtu %d", bytes, bytes), 0);
	assert_int_equal(tell(&client, "! ip link set cli1 mtu %d", bytes), 0);
	assert_int_equal(tell(&server, "! ip link set srv1 mtu %d", bytes), 0);
}

static void traffic(void **state)
{
	const struct row *t = *state;
	struct lbd_service_count before, after;
	struct lbdmap_error err = {};
	struct lbdmap_prog *prog;

	offloads(t->offloads);
	nexthops(t->from);
	if (t->mtu > 1500)
		mtu(t->mtu);
	attach(t, &prog);
	assert_int_equal(lbdmap_service_count(rig.set, rig.service, &before), 0);
	assert_int_equal(tell(&client, "1 1"), 0);
	assert_int_equal(tell(&client, "3000 50"), 0);
	assert_int_equal(tell(&client, "20000000 1"), 0);
	assert_int_equal(lbdmap_service_count(rig.set, rig.service, &after), 0);
	assert_int_equal(after.flows_new - before.flows_new, 52);
	assert_int_equal(after.flows_open - before.flows_open, 52);
	assert_true(after.in_bytes - before.in_bytes >= 20000000 + 52 * 8 + 150000);
	assert_true(after.out_bytes - before.out_bytes >= 20150001);
	assert_int_equal(lbdmap_detach_all(rig.pin, 0, &err), 2);
	lbdmap_prog_free(prog);
	if (t->mtu > 1500)
		mtu(1500);
}

/* A program that is replaced under a running transfer cuts nothing. */
static void replaced_while_running(void **state)
{
	const struct row t = { .hook = LBD_HOOK_TCX };
	struct lbdmap_prog *prog[5];
	struct lbdmap_error err = {};
	char line[16] = "";

	offloads(true);
	nexthops(CACHE);
	attach(&t, &prog[0]);
	dprintf(client.to, "200000000 1\n");
	for (int i = 1; i < 5; i++) {
		lbdmap_heartbeat(rig.set);
		attach(&t, &prog[i]);
	}
	for (int i = 0; i < 4; i++)
		lbdmap_prog_free(prog[i]);
	lbdmap_heartbeat(rig.set);
	assert_true(read(client.from, line, sizeof(line) - 1) > 0);
	assert_int_equal(atoi(line), 0);
	assert_int_equal(lbdmap_detach_all(rig.pin, 0, &err), 2);
	lbdmap_prog_free(prog[4]);
}

int main(void)
{
	struct CMUnitTest tests[sizeof(rows) / sizeof(rows[0]) + 1] = {};
	int n = 0;

	for (; n < (int)(sizeof(rows) / sizeof(rows[0])); n++)
		tests[n] =
			(struct CMUnitTest){ rows[n].what, traffic, NULL, NULL, (void *)&rows[n] };
	tests[n++] = (struct CMUnitTest){ "program replaced under a transfer",
					  replaced_while_running, NULL, NULL, NULL };
	return _cmocka_run_group_tests("e2e", tests, n, setup, teardown);
}
