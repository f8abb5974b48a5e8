/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ssh.c - finding established SSH sessions in /proc. See ssh.h. Control thread, at start.
 */
#include "datapath/ssh.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TCP_ESTABLISHED_TEXT 0x01
#define TCP_LISTEN_TEXT      0x0a
#define MAX_PORTS            16
#define MAX_INODES           64

struct ssh_ports {
	uint16_t port[MAX_PORTS];
	int n;
};

static bool has_port(const struct ssh_ports *p, uint16_t port)
{
	for (int i = 0; i < p->n; i++)
		if (p->port[i] == port)
			return true;
	return false;
}

static void add_port(struct ssh_ports *p, uint16_t port)
{
	if (port && p->n < MAX_PORTS && !has_port(p, port))
		p->port[p->n++] = port;
}

/* One row of /proc/net/tcp or tcp6: addresses are 32-bit words in host order, as hex. */
static bool parse_address(const char *hex, unsigned int port, struct addr *out)
{
	size_t words = strlen(hex) / 8;

	if (words != 1 && words != 4)
		return false;
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < words; i++) {
		char one[9];
		uint32_t w;

		memcpy(one, hex + 8 * i, 8);
		one[8] = 0;
		w = (uint32_t)strtoul(one, NULL, 16);
		memcpy(out->ip + 4 * i, &w, 4);
	}
	out->family = words == 1 ? ADDR_IP4 : ADDR_IP6;
	out->port = (uint16_t)port;
	return true;
}

struct tcp_row {
	struct addr local, peer;
	unsigned int state;
	unsigned long inode;
};

static void each_tcp_row(void (*fn)(void *ctx, const struct tcp_row *r), void *ctx)
{
	static const char *const files[] = { "/proc/net/tcp", "/proc/net/tcp6" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		FILE *f = fopen(files[i], "re");
		char line[512], local[40], peer[40];

		while (f && fgets(line, sizeof(line), f)) {
			struct tcp_row r;
			unsigned int lport, pport;

			if (sscanf(line,
				   " %*u: %39[0-9A-F]:%x %39[0-9A-F]:%x %x %*s %*s %*s %*u %*u %lu",
				   local, &lport, peer, &pport, &r.state, &r.inode) == 6 &&
			    parse_address(local, lport, &r.local) &&
			    parse_address(peer, pport, &r.peer))
				fn(ctx, &r);
		}
		if (f)
			fclose(f);
	}
}

/* ---- ports that a process named sshd listens on ---- */

struct inodes {
	unsigned long inode[MAX_INODES];
	int n;
	struct ssh_ports *ports;
};

static void note_socket_inodes(const char *pid, struct inodes *to)
{
	char path[300], link[64];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	d = opendir(path);
	while (d && (e = readdir(d)) && to->n < MAX_INODES) {
		unsigned long inode;
		ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = 0;
		if (sscanf(link, "socket:[%lu]", &inode) == 1)
			to->inode[to->n++] = inode;
	}
	if (d)
		closedir(d);
}

static bool is_sshd(const char *pid)
{
	char path[300], comm[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(comm, sizeof(comm), f))
		comm[0] = 0;
	fclose(f);
	return strncmp(comm, "sshd", 4) == 0 || strncmp(comm, "dropbear", 8) == 0;
}

static void note_listener(void *ctx, const struct tcp_row *r)
{
	struct inodes *in = ctx;

	if (r->state != TCP_LISTEN_TEXT)
		return;
	for (int i = 0; i < in->n; i++)
		if (in->inode[i] == r->inode)
			add_port(in->ports, r->local.port);
}

static void sshd_ports(struct ssh_ports *ports)
{
	struct inodes in = { .ports = ports };
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (isdigit((unsigned char)e->d_name[0]) && is_sshd(e->d_name))
			note_socket_inodes(e->d_name, &in);
	if (d)
		closedir(d);
	if (in.n)
		each_tcp_row(note_listener, &in);
}

/* ---- sessions ---- */

struct collect {
	struct ssh_session *out;
	int n, max;
	const struct ssh_ports *ports;
};

static void note_session(void *ctx, const struct tcp_row *r)
{
	struct collect *c = ctx;

	if (r->state != TCP_ESTABLISHED_TEXT || !has_port(c->ports, r->local.port) ||
	    c->n >= c->max)
		return;
	c->out[c->n].local = r->local;
	c->out[c->n++].peer = r->peer;
}

int ssh_sessions(struct ssh_session *out, int max)
{
	struct ssh_ports ports = { { 22 }, 1 };
	struct collect c = { out, 0, max, &ports };
	const char *env = getenv("SSH_CONNECTION"); /* "peer port local port" */
	unsigned int port;

	if (env && sscanf(env, "%*s %*u %*s %u", &port) == 1 && port < 65536)
		add_port(&ports, (uint16_t)port);
	sshd_ports(&ports);
	each_tcp_row(note_session, &c);
	return c.n;
}
