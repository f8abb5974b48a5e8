// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Leaves root behind: a failure is an error, never a service that silently goes on as root.
 */
#include "process/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fail(struct diag *d, const char *what, const char *arg)
{
	diag_error(d, PLACE_NONE, "%s%s%s: %s", what, arg ? " " : "", arg ? arg : "",
		   strerror(errno));
	return -1;
}

static int enter_root(const struct global *g, struct diag *d)
{
	if (!g->chroot)
		return 0;
	if (chroot(g->chroot))
		return fail(d, "cannot chroot to", g->chroot);
	if (chdir("/"))
		return fail(d, "cannot change into the chroot", g->chroot);
	return 0;
}

/* Of those that root had, these and no others. 0, or -1 with errno. */
static int keep_capabilities(uint64_t bits)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted = (uint32_t)(bits >> 32 * i);
	return (int)syscall(SYS_capset, &head, data);
}

int privileges_drop(const struct global *g, struct diag *d)
{
	if (enter_root(g, d))
		return -1;
	if ((g->gid || g->uid) && !geteuid() && setgroups(0, NULL))
		return fail(d, "cannot drop supplementary groups", NULL);
	if (g->gid && getgid() != g->gid && setgid(g->gid))
		return fail(d, "cannot become group", g->group);
	if (g->kept_capabilities && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return fail(d, "setcap: cannot keep capabilities", NULL);
	if (g->uid && getuid() != g->uid && setuid(g->uid))
		return fail(d, "cannot become user", g->user);
	if (g->kept_capabilities && getuid() && keep_capabilities(g->kept_capabilities))
		return fail(d, "setcap: cannot keep capabilities", NULL);
	if (!g->insecure_setuid)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (g->set_dumpable && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
		diag_warning(d, PLACE_NONE, "set-dumpable: core dumps stay impossible: %s",
			     strerror(errno));
	return 0;
}
