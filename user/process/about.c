// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What `-v` and `-vv` say. Control thread.
 */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "config/version.h"
#include "loop/thread.h"
#include "process/args.h"

/* Programs that look for "HAProxy version" find it when it is called by that name. */
void args_version(const struct args *a)
{
	struct utsname u;

	if (!strcmp(a->program, "haproxy"))
		printf("HAProxy version %s-lbd%s %s - lbd, speaks HAProxy's language\n",
		       LANGUAGE_VERSION, LBD_VERSION, LBD_DATE);
	else
		printf("lbd version %s %s - speaks the language of HAProxy version %s\n",
		       LBD_VERSION, LBD_DATE, LANGUAGE_VERSION);
	if (!uname(&u))
		printf("Running on: %s %s %s %s\n", u.sysname, u.release, u.version, u.machine);
}

void args_build_info(const struct args *a)
{
	args_version(a);
	printf("\nFeature list :");
	for (const struct feature *f = features; f->name; f++)
		printf(" %c%s", f->present ? '+' : '-', f->name);
	printf("\n\nDefault settings :\n  bufsize = 16384, maxrewrite = 1024\n\n");
	printf("Built with multi-threading support (MAX_THREADS=%d).\n", MAX_WORKERS);
	printf("Built with gcc or clang: %s\n", __VERSION__);
	printf("Running with libbpf %s\n", libbpf_version_string());
	printf("Available polling systems :\n      epoll : pref=300,  test result OK\nTotal: 1 (1 "
	       "usable), will use epoll.\n");
}
