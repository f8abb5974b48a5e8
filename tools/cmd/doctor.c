/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor.c - `lbadm doctor`: what stands in the way of the kernel path on this host, each with its remedy. Changes nothing.
 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/magic.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lbadm_out.h"
#include "lbadm_set.h"

enum level { LEVEL_OK, LEVEL_WARN, LEVEL_FAIL };

struct findings {
	json_t *rows;
	int warnings, problems;
};

static void found(struct findings *f, const char *what, enum level level, const char *fix,
		  const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void found(struct findings *f, const char *what, enum level level, const char *fix,
		  const char *fmt, ...)
{
	static const char *const words[] = { "ok", "WARN", "FAIL" };
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(f->rows, json_pack("{s:s, s:s, s:s, s:s?}", "check", what, "level",
						 words[level], "text", text, "fix", fix));
	f->warnings += level == LEVEL_WARN;
	f->problems += level == LEVEL_FAIL;
}

static bool read_line(const char *path, char *buf, size_t size)
{
	FILE *file = fopen(path, "re");
	bool ok = file && fgets(buf, (int)size, file);

	if (file)
		fclose(file);
	if (ok)
		buf[strcspn(buf, "\n")] = 0;
	return ok;
}

/* ---- the kernel ---- */

static void check_kernel(struct findings *f)
{
	struct utsname u;
	unsigned int major = 0, minor = 0;
	char line[200];

	uname(&u);
	sscanf(u.release, "%u.%u", &major, &minor);
	if (major < 6 || (major == 6 && minor < 1))
		found(f, "KERNEL", LEVEL_WARN, "run 6.1 or newer",
		      "%s is older than lbd is tested with", u.release);
	else
		found(f, "KERNEL", LEVEL_OK, NULL, "%s", u.release);
	found(f, "BTF", access("/sys/kernel/btf/vmlinux", R_OK) ? LEVEL_FAIL : LEVEL_OK,
	      access("/sys/kernel/btf/vmlinux", R_OK) ? "a kernel with CONFIG_DEBUG_INFO_BTF=y"
						      : NULL,
	      "/sys/kernel/btf/vmlinux %s",
	      access("/sys/kernel/btf/vmlinux", R_OK) ? "is missing: the programs cannot be loaded"
						      : "is there");
	if (read_line("/proc/sys/net/core/bpf_jit_enable", line, sizeof(line)))
		found(f, "JIT", line[0] == '0' ? LEVEL_WARN : LEVEL_OK,
		      line[0] == '0' ? "sysctl net.core.bpf_jit_enable=1" : NULL, "%s",
		      line[0] == '0' ? "off: each packet costs several times more" : "on");
	if (read_line("/sys/kernel/security/lockdown", line, sizeof(line)) &&
	    strstr(line, "[confidentiality]"))
		found(f, "LOCKDOWN", LEVEL_WARN, "boot with lockdown=integrity or none",
		      "confidentiality: some BPF helpers are refused");
}

static void check_bpffs(struct findings *f, const char *pin)
{
	char path[512];
	struct statfs fs;

	snprintf(path, sizeof(path), "%s", pin);
	while (statfs(path, &fs) < 0) {
		char *slash = strrchr(path, '/');

		if (!slash || slash == path)
			break;
		*slash = 0;
	}
	if (fs.f_type == BPF_FS_MAGIC)
		found(f, "BPFFS", LEVEL_OK, NULL, "%s is a bpffs", path);
	else
		found(f, "BPFFS", LEVEL_FAIL, "mount -t bpf bpf /sys/fs/bpf",
		      "%s is not on a bpffs: nothing can be pinned", pin);
}

/* ---- interfaces ---- */

static int ethtool_value(int sock, const char *dev, uint32_t cmd)
{
	struct ethtool_value v = { .cmd = cmd };
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", dev);
	ifr.ifr_data = (void *)&v;
	return ioctl(sock, SIOCETHTOOL, &ifr) ? -1 : (int)v.data;
}

static void check_iface(struct findings *f, int sock, const struct lbdmap_link *l)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	char dev[IF_NAMESIZE], fix[120];
	struct ifreq ifr;
	int flags, mtu = 0;

	if (!if_indextoname(l->ifindex, dev)) {
		found(f, "IFACE", LEVEL_WARN, "lbadm cleanup, or start lbd again",
		      "interface %u has vanished", l->ifindex);
		return;
	}
	memset(&ifr, 0, sizeof(ifr));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", dev);
	ifr.ifr_data = (void *)&info;
	if (ioctl(sock, SIOCETHTOOL, &ifr))
		snprintf(info.driver, sizeof(info.driver), "unknown driver");
	if (ioctl(sock, SIOCGIFMTU, &ifr) == 0)
		mtu = ifr.ifr_mtu;
	found(f, dev, l->hook == LBD_HOOK_XDP_GENERIC ? LEVEL_WARN : LEVEL_OK,
	      l->hook == LBD_HOOK_XDP_GENERIC ? "a driver with native XDP, or 'hook tc'" : NULL,
	      "%s, %s, MTU %d%s", info.driver, lbdmap_hook_name(l->hook), mtu,
	      l->hook == LBD_HOOK_XDP_GENERIC ? ": generic XDP costs more than TC" : "");
	if (l->hook == LBD_HOOK_XDP && strcmp(info.driver, "veth") == 0)
		found(f, dev, LEVEL_WARN,
		      "write 'hook tc' behind the interface's name, in 'datapath interface'",
		      "veth drops what XDP sends unless its peer has an XDP program, and partial "
		      "checksums get lost");
	flags = ethtool_value(sock, dev, ETHTOOL_GFLAGS);
	if (flags >= 0 && (flags & ETH_FLAG_RXVLAN) && l->hook == LBD_HOOK_XDP) {
		snprintf(fix, sizeof(fix), "ethtool -K %s rxvlan off", dev);
		found(f, dev, LEVEL_WARN, fix,
		      "rx-vlan-offload is on: XDP would not see VLAN tags");
	}
	if (flags >= 0 && (flags & ETH_FLAG_LRO)) {
		snprintf(fix, sizeof(fix), "ethtool -K %s lro off", dev);
		found(f, dev, LEVEL_WARN, fix,
		      "large-receive-offload is on: merged frames cannot be forwarded");
	}
}

/* A living daemon whose programs are gone: somebody used the off switch. */
static const char *detached_remedy(const char *pin)
{
	struct lbdmap_error err = { "" };
	struct lbdmap_set *set;
	bool alive;

	if (lbdmap_open(pin, false, &set, &err))
		return "lbd -c -V -f FILE says why";
	alive = lbdmap_daemon_is_alive(set);
	lbdmap_close(set);
	return alive ? "start lbd again (or reload it): 'lbadm detach' took the programs off"
		     : "start lbd";
}

static void check_ifaces(struct findings *f, const char *pin)
{
	struct lbdmap_link links[64];
	int n = lbdmap_links(pin, links, 64), sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (n <= 0)
		found(f, "ATTACHED", LEVEL_WARN, detached_remedy(pin),
		      "no program is attached: every packet goes to the host's sockets");
	for (int i = 0; i < n && i < 64; i++)
		check_iface(f, sock, &links[i]);
	if (sock >= 0)
		close(sock);
}

/* ---- what is pinned ---- */

static bool address_is_here(const union lbd_addr *a)
{
	struct ifaddrs *all, *i;
	bool here = false;

	if (getifaddrs(&all))
		return true;
	for (i = all; i && !here; i = i->ifa_next) {
		union lbd_addr mine;

		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
			continue;
		lbdmap_addr4(&mine, &((struct sockaddr_in *)i->ifa_addr)->sin_addr);
		here = memcmp(&mine, a, sizeof(mine)) == 0;
	}
	freeifaddrs(all);
	return here;
}

static void check_vips(struct findings *f, struct lbdmap_set *set)
{
	const struct lbdmap_map *m = lbdmap_map_find("services");
	static const union lbd_addr any;
	struct lbd_service_key k;
	bool started = false;
	char text[LBDMAP_ADDR_TEXT], fix[120];

	while (lbdmap_map_next(set, m, &started, &k) == 1) {
		if (memcmp(&k.addr, &any, sizeof(any)) == 0 || address_is_here(&k.addr))
			continue;
		lbdmap_addr_text(&k.addr, text);
		snprintf(fix, sizeof(fix), "ip addr add %s/32 dev lo, or route it here", text);
		found(f, "VIP", LEVEL_WARN, fix,
		      "%s is no address of this host: nobody answers ARP for it", text);
	}
}

static void check_ports(struct findings *f, struct lbdmap_set *set)
{
	const struct lbd_control *c = lbdmap_control(set);
	char line[80], fix[120];
	unsigned int lo, hi;

	if (!read_line("/proc/sys/net/ipv4/ip_local_port_range", line, sizeof(line)) ||
	    sscanf(line, "%u %u", &lo, &hi) != 2)
		return;
	if (c->port_hi < lo || c->port_lo > hi) {
		found(f, "PORTS", LEVEL_OK, NULL, "NAT %u-%u, local %u-%u: no overlap", c->port_lo,
		      c->port_hi, lo, hi);
		return;
	}
	snprintf(fix, sizeof(fix), "datapath ports 1024-%u, or sysctl net.ipv4.ip_local_port_range",
		 lo - 1);
	found(f, "PORTS", LEVEL_FAIL, fix,
	      "NAT %u-%u overlaps local %u-%u: replies to this host's own connections would be "
	      "taken",
	      c->port_lo, c->port_hi, lo, hi);
}

static void check_servers(struct findings *f, struct lbdmap_set *set)
{
	const struct lbd_server *s;
	char name[NAME_MAX_TEXT];
	int silent = 0;

	for (uint32_t slot = 1; (s = lbdmap_server(set, slot)); slot++) {
		const struct lbd_nexthop *n = s->nexthop ? lbdmap_nexthop(set, s->nexthop) : NULL;

		if (!(s->flags & LBD_SRV_USED) || (n && (n->flags & LBD_NH_MAC)))
			continue;
		if (++silent <= 3)
			found(f, "SERVER", LEVEL_WARN,
			      "ip route get, ip neigh: is it on the network?",
			      "%s: its next hop does not answer",
			      adm_name(set, LBD_META_SERVER, s->id, name));
	}
	if (silent > 3)
		found(f, "SERVER", LEVEL_WARN, NULL, "%d more like these", silent - 3);
}

static void check_set(struct findings *f, struct adm *a)
{
	struct lbdmap_error err = { "" };
	struct lbdmap_set *set;
	struct lbd_owner o;

	if (lbdmap_open(a->pin, false, &set, &err)) {
		found(f, "PINNED", LEVEL_WARN, "start lbd with a 'datapath interface' line", "%s",
		      err.text);
		return;
	}
	lbdmap_owner(set, &o);
	if (o.pid && lbdmap_daemon_is_alive(set))
		found(f, "DAEMON", LEVEL_OK, NULL, "pid %u writes the maps", o.pid);
	else
		found(f, "DAEMON", LEVEL_WARN, "start lbd",
		      "none is running: the programs work on, but servers are not checked");
	check_ports(f, set);
	check_vips(f, set);
	check_servers(f, set);
	lbdmap_close(set);
}

/* ---- the report ---- */

static int run_doctor(struct adm *a, int argc, char **argv)
{
	struct findings f = { json_array(), 0, 0 };
	const json_t *row;
	size_t i;

	(void)argv;
	if (argc)
		return adm_usage("doctor", "it takes no argument");
	check_kernel(&f);
	check_bpffs(&f, a->pin);
	if (adm_may_look(a)) {
		check_ifaces(&f, a->pin);
		check_set(&f, a);
	} else {
		found(&f, "RIGHTS", LEVEL_FAIL, "run lbadm as root",
		      "this user may not look into %s: what is attached cannot be told", a->pin);
	}
	if (a->json) {
		out_json(f.rows);
		return f.problems ? ADM_FAILED : ADM_OK;
	}
	json_array_foreach(f.rows, i, row)
	{
		const char *fix = json_string_value(json_object_get(row, "fix"));

		printf("%-9s %-4s  %s\n", json_string_value(json_object_get(row, "check")),
		       json_string_value(json_object_get(row, "level")),
		       json_string_value(json_object_get(row, "text")));
		if (fix)
			printf("%16sfix: %s\n", "", fix);
	}
	printf("%d problem%s, %d warning%s.   off switch at any time: lbadm -p %s detach --now\n",
	       f.problems, f.problems == 1 ? "" : "s", f.warnings, f.warnings == 1 ? "" : "s",
	       a->pin);
	json_decref(f.rows);
	return f.problems ? ADM_FAILED : ADM_OK;
}

COMMAND_TABLE(cmd_doctor,
	      { "doctor", "",
		"What stands in the way of the kernel path on this host, with the remedy for each.",
		run_doctor, 0 });
