/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * caps.c - what this host can do for the kernel path, asked without changing anything and without needing a privilege:
 * what cannot be asked is reported as missing, with the reason. Control thread, at start.
 */
#include "datapath/plan.h"
#include "datapath/ssh.h"
#include <errno.h>
#include <ifaddrs.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/magic.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

/* A map of one element is made and closed: the shortest way to know whether BPF is allowed. */
static void probe_bpf(struct host_caps *h)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = attr.value_size = 4;
	attr.max_entries = 1;
	fd = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
	h->bpf = fd >= 0;
	if (fd >= 0)
		close(fd);
	else if (errno == EPERM)
		snprintf(h->bpf_why, sizeof(h->bpf_why),
			 "not permitted (run as root, or with CAP_BPF, CAP_NET_ADMIN and "
			 "CAP_PERFMON)");
	else if (errno == ENOSYS)
		snprintf(h->bpf_why, sizeof(h->bpf_why), "the kernel was built without BPF");
	else
		snprintf(h->bpf_why, sizeof(h->bpf_why), "making a map failed: %s",
			 strerror(errno));
}

/* The directory itself, or the nearest that exists above it, must be on a bpffs. */
static void probe_bpffs(struct host_caps *h, const char *pin)
{
	char path[256];
	struct statfs fs;

	snprintf(path, sizeof(path), "%s", pin);
	while (statfs(path, &fs) < 0) {
		char *slash = strrchr(path, '/');

		if (errno != ENOENT || !slash || slash == path) {
			snprintf(h->bpffs_why, sizeof(h->bpffs_why), "%.80s: %s", path,
				 strerror(errno));
			return;
		}
		*slash = 0;
	}
	h->bpffs = fs.f_type == BPF_FS_MAGIC;
	if (!h->bpffs)
		snprintf(h->bpffs_why, sizeof(h->bpffs_why), "'%.80s' is not on a bpffs", path);
}

/* Drivers whose native XDP lbd knows to work (kernel documentation, drivers' xdp_features since 6.3). */
static bool driver_has_xdp(const char *driver)
{
	static const char *const known[] = {
		"veth",      "virtio_net", "ixgbe", "i40e", "ice",    "igb",       "igc", "mlx4_en",
		"mlx5_core", "bnxt_en",    "ena",   "gve",  "mvneta", "mvpp2",     "nfp", "qede",
		"sfc",       "stmmac",     "tap",   "tun",  "tsnep",  "hv_netvsc",
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(driver, known[i]) == 0)
			return true;
	return false;
}

static void probe_iface(struct host_caps *h, int i, enum hook_wish wish, int sock)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, h->iface[i].name, strnlen(h->iface[i].name, IFNAMSIZ - 1));
	h->iface[i].exists = if_nametoindex(ifr.ifr_name) != 0;
	if (!h->iface[i].exists || sock < 0)
		return;
	if (ioctl(sock, SIOCGIFFLAGS, &ifr) == 0)
		h->iface[i].up = ifr.ifr_flags & IFF_UP;
	ifr.ifr_data = (void *)&info;
	if (ioctl(sock, SIOCETHTOOL, &ifr) == 0)
		snprintf(h->iface[i].driver, sizeof(h->iface[i].driver), "%s", info.driver);
	if (wish == HOOK_TC || (wish == HOOK_AUTO && strcmp(h->iface[i].driver, "veth") == 0))
		h->iface[i].hook = "tc";
	else if (wish == HOOK_XDP_GENERIC)
		h->iface[i].hook = "xdp-generic";
	else if (wish == HOOK_XDP || driver_has_xdp(h->iface[i].driver))
		h->iface[i].hook = "xdp";
}

static void probe_locals(struct host_caps *h, struct arena *a)
{
	struct ifaddrs *all, *i;
	struct addr *out;
	int n = 0;

	if (getifaddrs(&all))
		return;
	for (i = all; i; i = i->ifa_next)
		n++;
	out = arena_zalloc(a, sizeof(*out) * (size_t)(n + 1));
	n = 0;
	for (i = all; i; i = i->ifa_next) {
		struct sockaddr_storage ss;

		if (!i->ifa_addr ||
		    (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		memset(&ss, 0, sizeof(ss));
		memcpy(&ss, i->ifa_addr,
		       i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
							 : sizeof(struct sockaddr_in6));
		if (addr_from_sockaddr(&out[n], &ss) == 0)
			out[n++].port = 0;
	}
	freeifaddrs(all);
	h->locals = out;
	h->nlocals = n;
}

void host_caps_probe(const struct config *cfg, struct host_caps *out, struct arena *a)
{
	const struct datapath_conf *dp = cfg->global.datapath;
	struct utsname u;
	int sock;

	memset(out, 0, sizeof(*out));
	if (uname(&u) == 0)
		snprintf(out->release, sizeof(out->release), "%.63s", u.release);
	probe_locals(out, a);
	if (!dp)
		return;
	probe_bpf(out);
	probe_bpffs(out, dp->pin);
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (int i = 0; i < dp->nifaces; i++) {
		snprintf(out->iface[i].name, sizeof(out->iface[i].name), "%s", dp->iface[i].name);
		probe_iface(out, i, dp->iface[i].hook, sock);
	}
	out->nifaces = dp->nifaces;
	if (sock >= 0)
		close(sock);
	out->nssh = ssh_sessions(out->ssh, (int)ARRAY_SIZE(out->ssh));
}
