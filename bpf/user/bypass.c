// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bypass.c - the bypass program. See lbdmap/bypass.h.
 */
#include "lbdmap/bypass.h"
#include "set_priv.h"

#include "bypass.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NETNS_COOKIE 71 /* SO_NETNS_COOKIE, Linux 5.14 */

struct lbdmap_bypass {
	struct bypass *skel;
	struct bpf_link *link;
};

static int silent(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

static int netns_cookie(uint64_t *out)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;
	socklen_t len = sizeof(*out);

	if (fd < 0)
		return -errno;
	rc = getsockopt(fd, SOL_SOCKET, NETNS_COOKIE, out, &len) ? -errno : 0;
	close(fd);
	return rc;
}

/* The verdict first: a socket that enters the map takes the program that is there. */
static int load_and_attach(struct lbdmap_bypass *b, int cgroup)
{
	uint64_t cookie;
	int rc = netns_cookie(&cookie);

	b->skel = bypass__open();
	if (!b->skel)
		return -errno;
	b->skel->rodata->bypass_netns = cookie;
	rc = rc ? rc : bypass__load(b->skel);
	if (rc)
		return rc;
	if (bpf_prog_attach(bpf_program__fd(b->skel->progs.bypass_send),
			    bpf_map__fd(b->skel->maps.bypass_socks), BPF_SK_MSG_VERDICT, 0))
		return -errno;
	b->link = bpf_program__attach_cgroup(b->skel->progs.bypass_established, cgroup);
	return b->link ? 0 : -errno;
}

int lbdmap_bypass_load(int cgroup, struct lbdmap_bypass **out, struct lbdmap_error *err)
{
	struct lbdmap_bypass *b = calloc(1, sizeof(*b));
	libbpf_print_fn_t old;
	int rc;

	if (!b)
		return lbdmap_fail(err, -ENOMEM, "out of memory");
	old = libbpf_set_print(silent);
	rc = load_and_attach(b, cgroup);
	libbpf_set_print(old);
	if (rc) {
		lbdmap_bypass_free(b);
		return lbdmap_fail(
			err, rc, "the bypass program (sk_msg) cannot be used: %s%s", strerror(-rc),
			rc == -EPERM ? " (CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are needed)" : "");
	}
	*out = b;
	return 0;
}

int lbdmap_bypass_add(struct lbdmap_bypass *b, const struct lbd_bypass_server *server)
{
	uint32_t one = 1;

	return bpf_map_update_elem(bpf_map__fd(b->skel->maps.bypass_servers), server, &one, BPF_ANY)
		       ? -errno
		       : 0;
}

void lbdmap_bypass_counts(const struct lbdmap_bypass *b, uint64_t *taken, uint64_t *missed,
			  uint64_t *slow)
{
	*taken = __atomic_load_n(&b->skel->bss->bypass_taken, __ATOMIC_RELAXED);
	*slow = __atomic_load_n(&b->skel->bss->bypass_slow, __ATOMIC_RELAXED);
	*missed = __atomic_load_n(&b->skel->bss->bypass_missed, __ATOMIC_RELAXED);
}

void lbdmap_bypass_free(struct lbdmap_bypass *b)
{
	if (!b)
		return;
	bpf_link__destroy(b->link);
	bypass__destroy(b->skel);
	free(b);
}
