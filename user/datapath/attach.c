/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attach.c - loading the packet programs and attaching them to the interfaces of `datapath interface`. Control thread,
 * before privileges are dropped. Order for `hook auto`: native XDP, generic XDP, tcx, clsact; on veth tcx and clsact first.
 */
#include "datapath/mirror.h"
#include "log/log.h"
#include <errno.h>

static const enum lbd_hook orders[4][5] = {
	[HOOK_AUTO] = { LBD_HOOK_XDP, LBD_HOOK_XDP_GENERIC, LBD_HOOK_TCX, LBD_HOOK_CLSACT,
			LBD_HOOK_NONE },
	[HOOK_XDP] = { LBD_HOOK_XDP, LBD_HOOK_NONE },
	[HOOK_XDP_GENERIC] = { LBD_HOOK_XDP_GENERIC, LBD_HOOK_NONE },
	[HOOK_TC] = { LBD_HOOK_TCX, LBD_HOOK_CLSACT, LBD_HOOK_NONE },
};

/* veth: XDP is no cheaper than TC there (6.18), and loses packets unless the far end has GRO on and offloads off. */
static const enum lbd_hook veth_order[] = { LBD_HOOK_TCX, LBD_HOOK_CLSACT, LBD_HOOK_XDP,
					    LBD_HOOK_XDP_GENERIC, LBD_HOOK_NONE };

static const enum lbd_hook *order_of(const struct mirror_iface *f, enum hook_wish wish)
{
	return wish == HOOK_AUTO && f->link.veth ? veth_order : orders[wish];
}

static struct lbdmap_prog **prog_of(enum lbd_hook hook)
{
	return hook == LBD_HOOK_XDP || hook == LBD_HOOK_XDP_GENERIC ? &mirror.xdp : &mirror.tc;
}

static int load(enum lbd_hook hook, struct lbdmap_error *err)
{
	struct lbdmap_prog **p = prog_of(hook);

	return *p ? 0 : lbdmap_prog_load(mirror.set, hook, false, p, err);
}

static int attach_at(const struct mirror_iface *f, enum lbd_hook hook, struct lbdmap_error *err)
{
	int rc = load(hook, err);

	return rc ? rc
		  : lbdmap_attach(mirror.set, *prog_of(hook), hook, (uint32_t)f->link.ifindex, err);
}

/* A link that an earlier process left at a hook of @order: its program is exchanged there, without a gap for known flows. */
static enum lbd_hook hook_in_use(const struct mirror_iface *f, const enum lbd_hook *order)
{
	struct lbdmap_link links[64];
	int n = mirror.adopted ? lbdmap_links(lbdmap_pin(mirror.set), links, (int)ARRAY_SIZE(links))
			       : 0;

	for (; *order != LBD_HOOK_NONE; order++)
		for (int i = 0; i < n && i < (int)ARRAY_SIZE(links); i++)
			if (links[i].ifindex == (uint32_t)f->link.ifindex &&
			    links[i].hook == *order)
				return *order;
	return LBD_HOOK_NONE;
}

/* The first hook of @order that takes the program. 0 or the last error. */
static int attach_first(const struct mirror_iface *f, const enum lbd_hook *order,
			enum lbd_hook *got, struct lbdmap_error *err)
{
	int rc = -EOPNOTSUPP;

	*got = hook_in_use(f, order);
	if (*got != LBD_HOOK_NONE && attach_at(f, *got, err) == 0)
		return 0;
	for (; *order != LBD_HOOK_NONE; order++) {
		rc = attach_at(f, *order, err);
		if (!rc) {
			*got = *order;
			return 0;
		}
		if (rc == -EBUSY || rc == -EPERM)
			return rc;
	}
	return rc;
}

/* XDP can only send to devices that take its frames; where one of ours does not, TC stands beside and takes over. */
static void attach_second(struct lbdmap_error *err)
{
	bool alike = true;

	for (int i = 0; i < mirror.nifaces; i++)
		alike &= mirror.iface[i].hook == mirror.iface[0].hook;
	for (int i = 0; i < mirror.nifaces && !alike; i++) {
		struct mirror_iface *f = &mirror.iface[i];

		if (f->hook != LBD_HOOK_XDP && f->hook != LBD_HOOK_XDP_GENERIC)
			continue;
		if (attach_first(f, orders[HOOK_TC], &f->second, err))
			log_global(LOG_L_WARNING,
				   "datapath: %s: XDP alone, TC cannot stand beside it: %s",
				   f->link.name, err->text);
	}
}

/* Links of ours that an earlier process left at hooks which this configuration does not want. */
static void detach_left_behind(const struct mirror_iface *f, const enum lbd_hook *order)
{
	struct lbdmap_link links[64];
	struct lbdmap_error err;
	int n = lbdmap_links(lbdmap_pin(mirror.set), links, (int)ARRAY_SIZE(links));

	for (int i = 0; i < n && i < (int)ARRAY_SIZE(links); i++) {
		const enum lbd_hook *o = order;

		if (links[i].ifindex != (uint32_t)f->link.ifindex)
			continue;
		while (*o != LBD_HOOK_NONE && *o != links[i].hook)
			o++;
		if (*o == LBD_HOOK_NONE)
			lbdmap_detach(lbdmap_pin(mirror.set), links[i].hook, links[i].ifindex,
				      &err);
	}
}

/* The same for interfaces that are no longer named, once the new ones are attached. */
static void detach_unnamed(void)
{
	struct lbdmap_link links[64];
	struct lbdmap_error err;
	int n = lbdmap_links(lbdmap_pin(mirror.set), links, (int)ARRAY_SIZE(links));

	for (int i = 0; i < n && i < (int)ARRAY_SIZE(links); i++) {
		bool wanted = false;

		for (int j = 0; j < mirror.nifaces; j++)
			wanted |= mirror.iface[j].link.ifindex == (int)links[i].ifindex &&
				  (mirror.iface[j].hook == links[i].hook ||
				   mirror.iface[j].second == links[i].hook);
		if (!wanted)
			lbdmap_detach(lbdmap_pin(mirror.set), links[i].hook, links[i].ifindex,
				      &err);
	}
}

static int attach_one(int i, struct strbuf *why)
{
	struct mirror_iface *f = &mirror.iface[mirror.nifaces];
	struct lbdmap_error err = { "" };
	int rc = net_link_by_name(mirror.conf->iface[i].name, &f->link);

	if (rc) {
		strbuf_addf(why, "interface '%s' does not exist", mirror.conf->iface[i].name);
		return rc;
	}
	f->second = LBD_HOOK_NONE;
	if (mirror.adopted)
		detach_left_behind(f, order_of(f, mirror.conf->iface[i].hook));
	rc = attach_first(f, order_of(f, mirror.conf->iface[i].hook), &f->hook, &err);
	if (rc) {
		strbuf_addf(why, "%s: %s", f->link.name, err.text);
		return rc;
	}
	mirror.nifaces++;
	return 0;
}

int mirror_attach(struct strbuf *why)
{
	struct lbdmap_error err = { "" };
	int rc;

	for (int i = 0; i < mirror.conf->nifaces; i++) {
		rc = attach_one(i, why);
		if (rc)
			return rc;
	}
	attach_second(&err);
	if (mirror.adopted)
		detach_unnamed();
	for (int i = 0; i < mirror.nifaces; i++)
		log_global(
			LOG_L_NOTICE,
			"datapath: attached to %s as %s. Off switch: lbadm -p %s detach %s --now",
			mirror.iface[i].link.name, lbdmap_hook_name(mirror.iface[i].hook),
			lbdmap_pin(mirror.set), mirror.iface[i].link.name);
	return 0;
}
