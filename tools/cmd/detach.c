/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * detach.c - `lbadm detach [IFACE] --now` and `lbadm cleanup`: the off switch. Needs no daemon and opens no set.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lbadm_set.h"

/* How many links there are (of that interface; 0: of all), each said. */
static int list_links(struct adm *a, uint32_t ifindex, bool would)
{
	struct lbdmap_link links[64];
	char name[IF_NAMESIZE];
	int n = lbdmap_links(a->pin, links, 64), shown = 0;

	for (int i = 0; i < n && i < 64; i++) {
		if (ifindex && links[i].ifindex != ifindex)
			continue;
		adm_say(a, "%s %s from %s", would ? "would detach" : "detaching",
			lbdmap_hook_name(links[i].hook),
			if_indextoname(links[i].ifindex, name) ? name : "a vanished interface");
		shown++;
	}
	return shown;
}

/* The off switch must not say that all is off when it could not look. */
static int not_allowed(const struct adm *a)
{
	return adm_fail("'%s': permission denied, nothing was changed\n  run lbadm as root",
			a->pin);
}

static int run_detach(struct adm *a, int argc, char **argv)
{
	struct lbdmap_error err = { "" };
	const char *iface = NULL;
	bool now = false;
	uint32_t ifindex = 0;
	int n;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--now") == 0)
			now = true;
		else if (!iface)
			iface = argv[i];
		else
			return adm_usage("detach", "one interface at most, not '%s' too", argv[i]);
	}
	if (!now && !a->dry_run)
		return adm_usage("detach", "say --now: packets go to the host's own sockets at "
					   "once, kernel flows break");
	if (iface) {
		ifindex = if_nametoindex(iface);
		if (!ifindex)
			return adm_fail("interface '%s' does not exist", iface);
	}
	if (!adm_may_look(a))
		return not_allowed(a);
	n = list_links(a, ifindex, a->dry_run);
	if (a->dry_run)
		return ADM_OK;
	if (!n) {
		adm_say(a, "nothing of lbd is attached%s%s: no packet takes the kernel path of %s",
			iface ? " to " : "", iface ? iface : "", a->pin);
		return ADM_OK;
	}
	n = lbdmap_detach_all(a->pin, ifindex, &err);
	if (n < 0)
		return adm_fail("%s", err.text);
	adm_audit("detach %s --now: %d links", iface ? iface : "(all)", n);
	adm_say(a, "%d detached. Maps and flows stay pinned in %s; a start of lbd attaches again.",
		n, a->pin);
	return ADM_OK;
}

static int run_cleanup(struct adm *a, int argc, char **argv)
{
	struct lbdmap_error err = { "" };
	int rc;

	(void)argv;
	if (argc)
		return adm_usage("cleanup", "it takes no argument");
	if (!adm_may_look(a))
		return not_allowed(a);
	if (access(a->pin, F_OK)) {
		adm_say(a, "nothing of lbd is in %s", a->pin);
		return ADM_OK;
	}
	list_links(a, 0, a->dry_run);
	if (a->dry_run) {
		adm_say(a, "would remove all pins in %s: tables and flows are lost", a->pin);
		return ADM_OK;
	}
	rc = lbdmap_cleanup(a->pin, &err);
	if (rc)
		return adm_fail("%s", err.text);
	adm_audit("cleanup of %s", a->pin);
	adm_say(a, "nothing of lbd is left in %s", a->pin);
	return ADM_OK;
}

COMMAND_TABLE(
	cmd_detach,
	{ "detach", "[IFACE] --now",
	  "The off switch: takes the programs off the interface (all without one), daemon or not.",
	  run_detach, CMD_CHANGES },
	{ "cleanup", "",
	  "Detaches everything and removes the pinned maps: for removal, or before another "
	  "version.",
	  run_cleanup, CMD_CHANGES });
