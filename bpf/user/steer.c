// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * steer.c - loading and attaching the steering program. See lbdmap/steer.h.
 */
#include "steer_ranges.h"
#include "set_priv.h"

#include "steer.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct lbdmap_steer {
	struct steer *skel;
	struct bpf_link *link;
};

static int silent(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

static int steer_open(struct steer **out, size_t nets, size_t ranges, uint32_t sockets)
{
	struct steer *skel = steer__open();
	int rc;

	if (!skel)
		return -errno;
	rc = bpf_map__set_max_entries(skel->maps.steer_nets, nets ? (uint32_t)nets : 1);
	rc = rc ? rc
		: bpf_map__set_max_entries(skel->maps.steer_ranges, ranges ? (uint32_t)ranges : 1);
	rc = rc ? rc : bpf_map__set_max_entries(skel->maps.steer_sockets, sockets ? sockets : 1);
	rc = rc ? rc : steer__load(skel);
	if (rc) {
		steer__destroy(skel);
		return rc;
	}
	*out = skel;
	return 0;
}

static const char *load_hint(int rc)
{
	switch (rc) {
	case -EPERM:
		return " (CAP_BPF and CAP_NET_ADMIN are needed)";
	case -EINVAL:
		return " (the kernel is older than 5.17, or without sk_lookup)";
	}
	return "";
}

static int load_failed(int rc, struct lbdmap_error *err)
{
	return lbdmap_fail(err, rc, "the steering program (sk_lookup) cannot be loaded: %s%s",
			   strerror(-rc), load_hint(rc));
}

int lbdmap_steer_probe(struct lbdmap_error *err)
{
	libbpf_print_fn_t old = libbpf_set_print(silent);
	struct steer *skel = NULL;
	int rc = steer_open(&skel, 1, 1, 1);

	libbpf_set_print(old);
	if (rc)
		return load_failed(rc, err);
	steer__destroy(skel);
	return 0;
}

static int fill(struct steer *skel, const struct steer_tables *t)
{
	int nets = bpf_map__fd(skel->maps.steer_nets);
	int ranges = bpf_map__fd(skel->maps.steer_ranges);
	int rc = 0;

	for (uint32_t i = 0; i < t->nranges && !rc; i++)
		rc = bpf_map_update_elem(ranges, &i, &t->ranges[i], BPF_ANY);
	for (size_t i = 0; i < t->nnets && !rc; i++)
		rc = bpf_map_update_elem(nets, &t->nets[i].key, &t->nets[i].ports, BPF_ANY);
	return rc ? -errno : 0;
}

int lbdmap_steer_load(const struct lbdmap_steer_rule *rules, size_t n, uint32_t sockets,
		      struct lbdmap_steer **out, struct lbdmap_error *err)
{
	struct lbdmap_steer *s = calloc(1, sizeof(*s));
	libbpf_print_fn_t old;
	struct steer_tables t;
	int rc;

	if (!s)
		return lbdmap_fail(err, -ENOMEM, "out of memory");
	rc = steer_tables_build(rules, n, &t);
	if (rc) {
		free(s);
		return lbdmap_fail(err, rc, "out of memory");
	}
	old = libbpf_set_print(silent);
	rc = steer_open(&s->skel, t.nnets, t.nranges, sockets);
	rc = rc ? rc : fill(s->skel, &t);
	libbpf_set_print(old);
	steer_tables_fini(&t);
	if (rc) {
		lbdmap_steer_free(s);
		return load_failed(rc, err);
	}
	*out = s;
	return 0;
}

int lbdmap_steer_socket(struct lbdmap_steer *s, uint32_t place, int fd)
{
	uint64_t value = (uint64_t)fd;

	return bpf_map_update_elem(bpf_map__fd(s->skel->maps.steer_sockets), &place, &value,
				   BPF_ANY)
		       ? -errno
		       : 0;
}

int lbdmap_steer_attach(struct lbdmap_steer *s, int netns, struct lbdmap_error *err)
{
	libbpf_print_fn_t old = libbpf_set_print(silent);
	int rc;

	s->link = bpf_program__attach_netns(s->skel->progs.steer, netns);
	rc = s->link ? 0 : -errno;
	libbpf_set_print(old);
	if (!rc)
		return 0;
	return lbdmap_fail(err, rc, "the steering program cannot be attached: %s%s", strerror(-rc),
			   rc == -E2BIG ? " (64 programs of others are there)" : "");
}

void lbdmap_steer_on(struct lbdmap_steer *s, bool on)
{
	s->skel->bss->steer_on = on;
}

void lbdmap_steer_free(struct lbdmap_steer *s)
{
	if (!s)
		return;
	bpf_link__destroy(s->link);
	steer__destroy(s->skel);
	free(s);
}
