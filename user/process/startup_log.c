// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See startup_log.h.
 */
#include "base/coverage.h"
#include "process/startup_log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/strbuf.h"

static struct strbuf kept;
static int copy_fd = -1;

static void copy(const char *p, size_t n)
{
	/* a memory file of the master's: that it takes no more is no reason not to start */
	if (copy_fd >= 0 && n && write(copy_fd, p, n) < 0)
		copy_fd = -1;
}

void startup_log_begin(void)
{
	const char *z = getenv("HAPROXY_STARTUPLOGS_FD");
	char *end;
	long fd = z ? strtol(z, &end, 10) : -1;

	if (!z)
		return;
	coverage_note("env", "HAPROXY_STARTUPLOGS_FD");
	unsetenv("HAPROXY_STARTUPLOGS_FD");
	if (*end || fd < 3 || fcntl((int)fd, F_SETFD, FD_CLOEXEC))
		return;
	copy_fd = (int)fd;
}

void startup_log_print(struct diag *d, enum diag_level least)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f) {
		diag_print(d, stderr, least);
		return;
	}
	diag_print(d, f, least);
	fclose(f);
	fwrite(text, 1, n, stderr);
	strbuf_add(&kept, text, n);
	copy(text, n);
	free(text);
}

const char *startup_log_text(void)
{
	return kept.n ? strbuf_z(&kept) : "";
}

void startup_log_to(int fd)
{
	copy_fd = fd;
	copy(kept.p, kept.n);
}
