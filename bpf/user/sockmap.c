// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sockmap.c - the splicing program. See lbdmap/sockmap.h.
 */
#include "lbdmap/sockmap.h"
#include "set_priv.h"

#include "splice.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct lbdmap_sockmap {
	struct splice *skel;
	struct lbd_splice_dir *dirs; /* mapped */
	size_t bytes;
	int slot_fd, dst_fd, src_fd;
};

static int silent(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

static int open_and_load(struct lbdmap_sockmap *m, uint32_t dirs)
{
	struct bpf_map *sized[4];
	int rc = 0;

	m->skel = splice__open();
	if (!m->skel)
		return -errno;
	sized[0] = m->skel->maps.splice_slot;
	sized[1] = m->skel->maps.splice_dirs;
	sized[2] = m->skel->maps.splice_dst;
	sized[3] = m->skel->maps.splice_src;
	for (int i = 0; i < 4 && !rc; i++)
		rc = bpf_map__set_max_entries(sized[i], dirs);
	return rc ? rc : splice__load(m->skel);
}

static int attach_and_map(struct lbdmap_sockmap *m, uint32_t dirs)
{
	long page = sysconf(_SC_PAGESIZE);
	void *p;

	m->slot_fd = bpf_map__fd(m->skel->maps.splice_slot);
	m->dst_fd = bpf_map__fd(m->skel->maps.splice_dst);
	m->src_fd = bpf_map__fd(m->skel->maps.splice_src);
	m->bytes = (dirs * sizeof(*m->dirs) + (size_t)page - 1) / (size_t)page * (size_t)page;
	if (bpf_prog_attach(bpf_program__fd(m->skel->progs.splice), m->src_fd,
			    BPF_SK_SKB_STREAM_VERDICT, 0))
		return -errno;
	p = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		 bpf_map__fd(m->skel->maps.splice_dirs), 0);
	if (p == MAP_FAILED)
		return -errno;
	m->dirs = p;
	return 0;
}

int lbdmap_sockmap_load(uint32_t dirs, struct lbdmap_sockmap **out, struct lbdmap_error *err)
{
	struct lbdmap_sockmap *m = calloc(1, sizeof(*m));
	libbpf_print_fn_t old;
	int rc;

	if (!m)
		return lbdmap_fail(err, -ENOMEM, "out of memory");
	old = libbpf_set_print(silent);
	rc = open_and_load(m, dirs);
	rc = rc ? rc : attach_and_map(m, dirs);
	libbpf_set_print(old);
	if (rc) {
		lbdmap_sockmap_free(m);
		return lbdmap_fail(
			err, rc, "the splicing program (sockmap) cannot be loaded: %s%s",
			strerror(-rc),
			rc == -EPERM    ? " (CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are needed)"
			: rc == -EINVAL ? " (the kernel is older than 6.1, or without BTF)"
					: "");
	}
	*out = m;
	return 0;
}

struct lbd_splice_dir *lbdmap_sockmap_dir(struct lbdmap_sockmap *m, uint32_t slot)
{
	return &m->dirs[slot];
}

uint64_t lbdmap_sockmap_trips(const struct lbdmap_sockmap *m)
{
	return __atomic_load_n(&m->skel->bss->splice_trips, __ATOMIC_RELAXED);
}

/* The target first: the program must find it as soon as it sees the source. */
int lbdmap_sockmap_add(struct lbdmap_sockmap *m, uint64_t cookie, uint32_t slot, int from, int to)
{
	uint64_t from_fd = (uint64_t)from, to_fd = (uint64_t)to;
	int rc = 0;

	if (bpf_map_update_elem(m->slot_fd, &cookie, &slot, BPF_ANY))
		return -errno;
	if (bpf_map_update_elem(m->dst_fd, &cookie, &to_fd, BPF_ANY)) {
		rc = -errno;
		bpf_map_delete_elem(m->slot_fd, &cookie);
		return rc;
	}
	if (!bpf_map_update_elem(m->src_fd, &cookie, &from_fd, BPF_ANY))
		return 0;
	rc = -errno;
	bpf_map_delete_elem(m->dst_fd, &cookie);
	bpf_map_delete_elem(m->slot_fd, &cookie);
	return rc;
}

void lbdmap_sockmap_forget(struct lbdmap_sockmap *m, uint64_t cookie)
{
	bpf_map_delete_elem(m->slot_fd, &cookie);
}

void lbdmap_sockmap_free(struct lbdmap_sockmap *m)
{
	if (!m)
		return;
	if (m->dirs)
		munmap(m->dirs, m->bytes);
	splice__destroy(m->skel);
	free(m);
}
