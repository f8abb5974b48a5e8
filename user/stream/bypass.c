/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bypass.c - see bypass.h: the word, and loading the program for the servers that have it. Both ends of such a connection get it
 * when they are established, by a sockops program at the root of the cgroups, which looks at connections of this network
 * namespace to these servers only. The address is the one at start. Control thread.
 */
#include "stream/bypass.h"
#include "base/arena.h"
#include "config/keyword.h"
#include "lbdmap/bypass.h"
#include "log/log.h"
#include "process/start.h"
#include "transport/conn.h"
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <unistd.h>

struct bypass_conf {
	bool wanted;
};
static struct ext server_part = { .name = "bypass", .bytes = sizeof(struct bypass_conf) };
static struct lbdmap_bypass *program;
static struct addr *taken; /* fixed before the workers start */
static size_t ntaken;

static struct bypass_conf *part(const struct server *s)
{
	return server_ext(s, &server_part);
}

bool bypass_takes(const struct addr *to)
{
	for (size_t i = 0; i < ntaken; i++)
		if (addr_eq(&taken[i], to))
			return true;
	return false;
}

void bypass_show(struct strbuf *out)
{
	uint64_t past = 0, missed = 0, slow = 0;

	if (program)
		lbdmap_bypass_counts(program, &past, &missed, &slow);
	strbuf_addf(out,
		    "bypass: %s\nbypass_directions: %llu\nbypass_missed: %llu\nbypass_slow_reader: "
		    "%llu\n",
		    program ? "on" : "off", (unsigned long long)past, (unsigned long long)missed,
		    (unsigned long long)slow);
}

/* ---- station ---- */

static int open_cgroup(void)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	int fd = -ENOENT;

	while (f && fd < 0 && (m = getmntent(f)))
		if (strcmp(m->mnt_type, "cgroup2") == 0)
			fd = open(m->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f)
		endmntent(f);
	return fd;
}

static int load(struct lbdmap_error *err)
{
	int cgroup = open_cgroup(), rc;

	if (cgroup < 0) {
		snprintf(err->text, sizeof(err->text),
			 "no cgroup2 is mounted (mount -t cgroup2 none /sys/fs/cgroup)");
		return -ENOENT;
	}
	rc = lbdmap_bypass_load(cgroup, &program, err);
	close(cgroup);
	return rc;
}

static void add_server(struct server *s, struct diag *d)
{
	struct lbd_bypass_server key = { .port = s->addr.port };
	int rc;

	if (s->addr.family == ADDR_IP4) {
		key.addr.b[10] = key.addr.b[11] = 0xff;
		memcpy(key.addr.b + 12, s->addr.ip, 4);
	} else {
		memcpy(key.addr.b, s->addr.ip, 16);
	}
	rc = lbdmap_bypass_add(program, &key);
	if (!rc) {
		taken = xrealloc(taken, (ntaken + 1) * sizeof(*taken));
		taken[ntaken++] = s->addr;
		return;
	}
	diag_warning(d, s->at, "%s '%s', server '%s': 'bypass' is not possible: %s",
		     proxy_kind(s->px), s->px->name, s->name, strerror(-rc));
}

static int bypass_open(struct config *cfg, struct diag *d)
{
	struct lbdmap_error err = { "" };
	struct server *s;
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node) {
		list_for_each_entry(s, &px->servers, node) {
			if (!part(s)->wanted)
				continue;
			if (s->path || s->port_is_offset ||
			    (s->setup.xprt && !s->setup.xprt->raw)) {
				diag_warning(
					d, s->at,
					"%s '%s', server '%s': 'bypass' is for plain TCP to one "
					"address and port, its connections go without it",
					proxy_kind(px), px->name, s->name);
				continue;
			}
			if (!program && load(&err)) {
				diag_warning(d, s->at,
					     "%s '%s', server '%s': 'bypass' is not possible here, "
					     "its connections go by TCP: %s",
					     proxy_kind(px), px->name, s->name, err.text);
				return 0;
			}
			add_server(s, d);
		}
	}
	return 0;
}

static void bypass_close(void)
{
	lbdmap_bypass_free(program);
	program = NULL;
}

static struct start_hooks hooks = {
	.name = "bypass",
	.open = bypass_open,
	.close = bypass_close,
};

/* ---- the word ---- */

static int opt_bypass(struct cfg_line *l, int *i, struct server *s)
{
	part(s)->wanted = strcmp(l->words[(*i)++].z, "bypass") == 0;
	return 0;
}

static const struct server_option options[] = {
	{ "bypass", opt_bypass, KERNEL_NEVER, "the bypass is between two sockets of this host",
	  "bypass",
	  "The server is on this host: what it sends goes from socket to socket, past TCP. lbd's "
	  "own." },
	{ "no-bypass", opt_bypass, KERNEL_EXACT, NULL, "no-bypass",
	  "Takes back a 'bypass' of default-server." },
};

void bypass_init(void)
{
	ext_register(EXT_SERVER, &server_part);
	cfg_register_server_options(options, ARRAY_SIZE(options));
	start_register(&hooks);
}
