// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * prog.c - loading a packet program against a set's maps, and asking a dry-run one.
 */
#include "set_priv.h"

#include "lb_tc.skel.h"
#include "lb_xdp.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct lbdmap_prog {
	enum lbd_hook hook;
	bool dry_run;
	struct lb_xdp *xdp;
	struct lb_tc *tc;
	struct bpf_object *obj;
	int fd, explain_fd;
};

static __thread char last_words[512]; /* of libbpf, in this thread's load */

static int keep_words(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char line[1024], *nl;
	size_t have, n;

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), fmt, ap);
	/* Of the verifier's log the end counts: it says what was wrong. */
	if (strstr(line, "BEGIN PROG LOAD LOG"))
		return 0;
	while ((nl = strchr(line, '\n')))
		*nl = ' ';
	have = strlen(last_words);
	n = strlen(line);
	if (have + n + 1 > sizeof(last_words)) {
		size_t cut = n + 1 > sizeof(last_words) ? have : have + n + 1 - sizeof(last_words);

		if (cut > have)
			cut = have;
		memmove(last_words, last_words + cut, have - cut + 1);
		have -= cut;
	}
	snprintf(last_words + have, sizeof(last_words) - have, "%s", line);
	return 0;
}

static bool hook_is_xdp(enum lbd_hook hook)
{
	return hook == LBD_HOOK_XDP || hook == LBD_HOOK_XDP_GENERIC;
}

/* The read-only switches; each object has its own type for the same section. */
#define SET_RODATA(ro, set, dry, kind)                            \
	do {                                                      \
		(ro)->dry_run = dry;                              \
		(ro)->flow_sets = lbdmap_control(set)->flow_sets; \
		(ro)->rev_sets = lbdmap_control(set)->rev_sets;   \
		(ro)->flow_seed = lbdmap_control(set)->seed;      \
		(ro)->hook_kind = kind;                           \
	} while (0)

static int prog_open(struct lbdmap_prog *p, struct lbdmap_set *set)
{
	if (hook_is_xdp(p->hook)) {
		p->xdp = lb_xdp__open();
		if (!p->xdp)
			return -errno;
		SET_RODATA(p->xdp->rodata, set, p->dry_run, p->hook);
		p->obj = p->xdp->obj;
	} else {
		p->tc = lb_tc__open();
		if (!p->tc)
			return -errno;
		SET_RODATA(p->tc->rodata, set, p->dry_run, p->hook);
		p->obj = p->tc->obj;
	}
	return 0;
}

static int prog_share_maps(struct lbdmap_prog *p, struct lbdmap_set *set)
{
	for (int i = 0; i < LBDMAP_MAPS; i++) {
		struct bpf_map *m = bpf_object__find_map_by_name(p->obj, map_rows[i].name);
		int rc;

		if (!m) /* owner and meta are for user space */
			continue;
		rc = bpf_map__reuse_fd(m, set->fd[i]);
		if (rc)
			return rc;
	}
	return 0;
}

int lbdmap_prog_load(struct lbdmap_set *set, enum lbd_hook hook, bool dry_run,
		     struct lbdmap_prog **out, struct lbdmap_error *err)
{
	struct lbdmap_prog *p = calloc(1, sizeof(*p));
	libbpf_print_fn_t old;
	int rc;

	if (!p)
		return lbdmap_fail(err, -ENOMEM, "out of memory");
	p->hook = hook;
	p->dry_run = dry_run;
	last_words[0] = 0;
	old = libbpf_set_print(keep_words);
	rc = prog_open(p, set);
	if (!rc)
		rc = prog_share_maps(p, set);
	if (!rc)
		rc = bpf_object__load(p->obj);
	libbpf_set_print(old);
	if (rc) {
		lbdmap_prog_free(p);
		return lbdmap_fail(err, rc, "cannot load the %s program: %s%s: %s",
				   hook_is_xdp(hook) ? "XDP" : "TC", strerror(-rc),
				   rc == -EPERM ? " (CAP_BPF and CAP_NET_ADMIN are needed)" : "",
				   last_words[0] ? last_words : "no word from the verifier");
	}
	p->fd = bpf_program__fd(p->xdp ? p->xdp->progs.lb_xdp : p->tc->progs.lb_tc);
	p->explain_fd = bpf_map__fd(p->xdp ? p->xdp->maps.explain : p->tc->maps.explain);
	*out = p;
	return 0;
}

int lbdmap_prog_fd(const struct lbdmap_prog *prog)
{
	return prog->fd;
}

void lbdmap_prog_free(struct lbdmap_prog *p)
{
	if (!p)
		return;
	if (p->xdp)
		lb_xdp__destroy(p->xdp);
	if (p->tc)
		lb_tc__destroy(p->tc);
	free(p);
}

/* ---- Explain ----------------------------------------------------------------------------------------- */

int lbdmap_explain_frame(const struct lbdmap_prog *p, const void *frame, size_t len,
			 uint32_t ifindex, struct lbd_explain *out, struct lbdmap_error *err)
{
	struct xdp_md xdp = { .data_end = len, .ingress_ifindex = ifindex };
	struct __sk_buff skb = { .ifindex = ifindex };
	char room[4096];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len,
		    .data_out = room, .data_size_out = sizeof(room), .repeat = 1);
	__u32 zero = 0;

	if (!p->dry_run)
		return lbdmap_fail(err, -EINVAL, "only a dry-run program explains");
	if (p->xdp) {
		opts.ctx_in = &xdp;
		opts.ctx_size_in = sizeof(xdp);
	} else {
		opts.ctx_in = &skb;
		opts.ctx_size_in = sizeof(skb);
	}
	memset(out, 0, sizeof(*out));
	bpf_map_update_elem(p->explain_fd, &zero, out, BPF_ANY);
	if (bpf_prog_test_run_opts(p->fd, &opts))
		return lbdmap_fail(err, -errno, "the program could not be run on interface %u: %s",
				   ifindex, strerror(errno));
	if (bpf_map_lookup_elem(p->explain_fd, &zero, out))
		return lbdmap_fail(err, -errno, "cannot read the answer: %s", strerror(errno));
	return 0;
}

static uint16_t ip_checksum(const void *data, size_t n)
{
	const uint16_t *w = data;
	uint32_t sum = 0;

	for (; n > 1; n -= 2)
		sum += *w++;
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

int lbdmap_explain(const struct lbdmap_prog *p, const struct lbdmap_question *q,
		   struct lbd_explain *out, struct lbdmap_error *err)
{
	struct __attribute__((packed)) {
		struct ethhdr eth;
		struct iphdr ip;
		struct tcphdr tcp;
	} f = {};

	if (!lbdmap_addr_is_v4(&q->src) || !lbdmap_addr_is_v4(&q->dst) || q->proto != IPPROTO_TCP)
		return lbdmap_fail(err, -EOPNOTSUPP,
				   "only IPv4 TCP runs on the kernel path so far");
	f.eth.h_proto = htons(ETH_P_IP);
	f.ip.version = 4;
	f.ip.ihl = 5;
	f.ip.tot_len = htons(sizeof(f.ip) + sizeof(f.tcp));
	f.ip.ttl = q->ttl ? q->ttl : 64;
	f.ip.protocol = IPPROTO_TCP;
	memcpy(&f.ip.saddr, q->src.b + 12, 4);
	memcpy(&f.ip.daddr, q->dst.b + 12, 4);
	f.ip.check = ip_checksum(&f.ip, sizeof(f.ip));
	f.tcp.source = q->sport_be;
	f.tcp.dest = q->dport_be;
	f.tcp.doff = 5;
	((uint8_t *)&f.tcp)[13] = q->tcp_flags ? q->tcp_flags : 0x02;
	return lbdmap_explain_frame(p, &f, sizeof(f), q->ifindex, out, err);
}
