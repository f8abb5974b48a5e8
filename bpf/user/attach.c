// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * attach.c - links between programs and interfaces, pinned in the set so that they outlive the daemon, and the
 * off switch, which needs neither daemon nor maps.
 */
#include "set_priv.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TCX_INGRESS   46  /* BPF_TCX_INGRESS; libbpf 1.1 does not know it (kernel 6.6) */
#define CLSACT_HANDLE 445 /* ours among the filters of a clsact qdisc */
#define CLSACT_PRIO   445

static const char *const hook_names[LBD_HOOKS] = {
	[LBD_HOOK_NONE] = "none",
	[LBD_HOOK_XDP] = "xdp",
	[LBD_HOOK_XDP_GENERIC] = "xdp-generic",
	[LBD_HOOK_TCX] = "tcx",
	[LBD_HOOK_CLSACT] = "clsact",
};

const char *lbdmap_hook_name(enum lbd_hook hook)
{
	return hook < LBD_HOOKS ? hook_names[hook] : "?";
}

static int link_path(char *buf, const char *pin, enum lbd_hook hook, uint32_t ifindex)
{
	int n = ifindex ? snprintf(buf, PATH_MAX, "%s/links/%s-%u", pin, hook_names[hook], ifindex)
			: snprintf(buf, PATH_MAX, "%s/links", pin);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* libbpf 1.1 refuses attach types it does not know. */
static int tcx_create(int prog_fd, uint32_t ifindex)
{
	struct {
		uint32_t prog_fd, ifindex, attach_type, flags, relative, pad;
		uint64_t expected_revision, rest[8];
	} attr = { .prog_fd = prog_fd, .ifindex = ifindex, .attach_type = TCX_INGRESS };
	int fd = syscall(__NR_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	/* A kernel before 6.6 says EINVAL: it does not know the attach type. */
	return fd >= 0 ? fd : errno == EINVAL ? -EOPNOTSUPP : -errno;
}

static int xdp_create(int prog_fd, uint32_t ifindex, enum lbd_hook hook)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = hook == LBD_HOOK_XDP ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	int fd = bpf_link_create(prog_fd, ifindex, BPF_XDP, &opts);

	return fd >= 0 ? fd : -errno;
}

/* The id of a set's control map; 0: it has none. */
static uint32_t control_id(const char *pin)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", pin, lbdmap_name(LBDMAP_CONTROL)) >=
	    (int)sizeof(path))
		return 0;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		info.id = 0;
	close(fd);
	return info.id;
}

/* Does the program work on that map? Another lbd's filters on this host are left alone. */
static bool prog_uses(int fd, uint32_t map_id)
{
	uint32_t ids[64];
	struct bpf_prog_info info = { .nr_map_ids = 64, .map_ids = (uintptr_t)ids };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) || strcmp(info.name, "lb_tc"))
		return false;
	for (uint32_t i = 0; i < info.nr_map_ids && i < 64; i++)
		if (ids[i] == map_id)
			return true;
	return false;
}

/* The program of @map_id's set that our filter of a clsact qdisc runs; 0: none. */
static uint32_t clsact_query(uint32_t ifindex, uint32_t map_id)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIO);
	uint32_t id = 0;
	int fd;

	if (bpf_tc_query(&hook, &opts) || !opts.prog_id)
		return 0;
	fd = bpf_prog_get_fd_by_id(opts.prog_id);
	if (fd < 0)
		return 0;
	if (prog_uses(fd, map_id))
		id = opts.prog_id;
	close(fd);
	return id;
}

/* Our handle in the qdisc may be another set's: that one is not pushed aside. */
static bool clsact_is_foreign(uint32_t ifindex, uint32_t map_id)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIO);

	return !bpf_tc_query(&hook, &opts) && opts.prog_id && !clsact_query(ifindex, map_id);
}

static int clsact_attach(int prog_fd, uint32_t ifindex, uint32_t map_id)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIO,
		    .prog_fd = prog_fd, .flags = BPF_TC_F_REPLACE);
	int rc;

	if (clsact_is_foreign(ifindex, map_id))
		return -EBUSY;
	rc = bpf_tc_hook_create(&hook);
	if (rc && rc != -EEXIST)
		return rc;
	return bpf_tc_attach(&hook, &opts);
}

static int clsact_detach(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIO);

	return bpf_tc_detach(&hook, &opts);
}

static int silent(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

/* Gives a link that is pinned already the new program. -ENOENT: there is none that works. */
static int link_update(const char *path, int prog_fd)
{
	int fd = bpf_obj_get(path), rc;

	if (fd < 0)
		return -ENOENT;
	rc = bpf_link_update(fd, prog_fd, NULL) ? -errno : 0;
	if (rc == -ENOLINK || rc == -ENODEV) { /* its interface is gone */
		unlink(path);
		rc = -ENOENT;
	}
	close(fd);
	return rc;
}

static const char *attach_hint(int rc)
{
	switch (rc) {
	case -EBUSY:
	case -EEXIST:
		return " (another program is there: see 'bpftool net')";
	case -EPERM:
		return " (CAP_NET_ADMIN and CAP_BPF are needed)";
	case -EOPNOTSUPP:
		return " (the driver or kernel does not have this hook)";
	case -ENODEV:
		return " (there is no such interface)";
	}
	return "";
}

int lbdmap_attach(struct lbdmap_set *set, const struct lbdmap_prog *prog, enum lbd_hook hook,
		  uint32_t ifindex, struct lbdmap_error *err)
{
	int prog_fd = lbdmap_prog_fd(prog), fd, rc;
	libbpf_print_fn_t old;
	char path[PATH_MAX], name[IF_NAMESIZE];

	rc = link_path(path, set->pin, hook, 0);
	if (!rc && mkdir(path, 0700) && errno != EEXIST)
		rc = -errno;
	if (!rc)
		rc = link_path(path, set->pin, hook, ifindex);
	if (rc)
		return lbdmap_fail(err, rc, "cannot make '%s/links': %s", set->pin, strerror(-rc));
	old = libbpf_set_print(silent);
	if (hook == LBD_HOOK_CLSACT) {
		rc = clsact_attach(prog_fd, ifindex, control_id(set->pin));
	} else {
		rc = link_update(path, prog_fd);
		if (rc == -ENOENT) {
			fd = hook == LBD_HOOK_TCX ? tcx_create(prog_fd, ifindex)
						  : xdp_create(prog_fd, ifindex, hook);
			rc = fd < 0 ? fd : bpf_obj_pin(fd, path) ? -errno : 0;
			if (fd >= 0)
				close(fd); /* without the pin it goes */
		}
	}
	libbpf_set_print(old);
	if (rc == -EEXIST)
		rc = -EBUSY;
	if (rc == -EINVAL &&
	    !if_indextoname(ifindex, name)) /* what the kernel says of an unknown device */
		rc = -ENODEV;
	if (rc)
		return lbdmap_fail(err, rc, "cannot attach %s to interface %u: %s%s",
				   hook_names[hook], ifindex, strerror(-rc), attach_hint(rc));
	return 0;
}

int lbdmap_detach(const char *pin, enum lbd_hook hook, uint32_t ifindex, struct lbdmap_error *err)
{
	char path[PATH_MAX];
	int fd, rc;

	if (hook == LBD_HOOK_CLSACT) {
		rc = clsact_query(ifindex, control_id(pin)) ? clsact_detach(ifindex) : -ENOENT;
		return rc ? lbdmap_fail(err, rc, "no clsact program of ours on interface %u",
					ifindex)
			  : 0;
	}
	rc = link_path(path, pin, hook, ifindex);
	if (rc)
		return rc;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return lbdmap_fail(err, -errno, "no %s program of '%s' on interface %u",
				   hook_names[hook], pin, ifindex);
	bpf_link_detach(
		fd); /* at once, whoever else holds the link; fails if the interface is gone */
	close(fd);
	if (unlink(path))
		return lbdmap_fail(err, -errno, "cannot remove '%s': %s", path, strerror(errno));
	return 0;
}

static int link_parse(const char *name, struct lbdmap_link *l)
{
	for (int h = LBD_HOOK_XDP; h < LBD_HOOKS; h++) {
		size_t n = strlen(hook_names[h]);
		char *end;

		if (strncmp(name, hook_names[h], n) || name[n] != '-')
			continue;
		l->ifindex = strtoul(name + n + 1, &end, 10);
		if (*end || !l->ifindex || end == name + n + 1)
			continue;
		l->hook = h;
		return 0;
	}
	return -EINVAL;
}

static uint32_t link_prog_id(const char *path)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return 0;
	bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	return info.prog_id;
}

static void links_pinned(const char *pin, struct lbdmap_link *links, int max, int *n)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *d;

	if (link_path(path, pin, 0, 0) || !(d = opendir(path)))
		return;
	while ((e = readdir(d))) {
		struct lbdmap_link l;

		if (link_parse(e->d_name, &l) || link_path(path, pin, l.hook, l.ifindex))
			continue;
		l.prog_id = link_prog_id(path);
		if (*n < max)
			links[*n] = l;
		++*n;
	}
	closedir(d);
}

/* clsact filters cannot be pinned: every interface is asked. */
static void links_clsact(const char *pin, struct lbdmap_link *links, int max, int *n)
{
	uint32_t map_id = control_id(pin);
	struct if_nameindex *all = map_id ? if_nameindex() : NULL;

	for (struct if_nameindex *i = all; i && i->if_index; i++) {
		uint32_t id = clsact_query(i->if_index, map_id);

		if (!id)
			continue;
		if (*n < max)
			links[*n] = (struct lbdmap_link){ i->if_index, LBD_HOOK_CLSACT, id };
		++*n;
	}
	if (all)
		if_freenameindex(all);
}

int lbdmap_links(const char *pin, struct lbdmap_link *links, int max)
{
	libbpf_print_fn_t old = libbpf_set_print(silent);
	int n = 0;

	links_pinned(pin, links, max, &n);
	links_clsact(pin, links, max, &n);
	libbpf_set_print(old);
	return n;
}

int lbdmap_detach_all(const char *pin, uint32_t ifindex, struct lbdmap_error *err)
{
	struct lbdmap_link links[256];
	int n = lbdmap_links(pin, links, 256), done = 0;

	if (n < 0)
		return n;
	for (int i = 0; i < n && i < 256; i++) {
		int rc;

		if (ifindex && links[i].ifindex != ifindex)
			continue;
		rc = lbdmap_detach(pin, links[i].hook, links[i].ifindex, err);
		if (rc)
			return rc;
		done++;
	}
	return done;
}
