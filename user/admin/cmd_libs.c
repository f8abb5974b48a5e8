// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cmd_libs.c - `show libs`: which object files the process consists of and where they lie in memory, for those who read a
 * backtrace. Control thread.
 */
#include "admin/private.h"

#include <link.h>
#include <stdio.h>
#include <unistd.h>

/* The first object has no name: it is the program. */
static const char *object_name(const struct dl_phdr_info *info, char *buf, size_t size)
{
	ssize_t n;

	if (info->dlpi_name && *info->dlpi_name)
		return info->dlpi_name;
	n = readlink("/proc/self/exe", buf, size - 1);
	if (n <= 0)
		return "lbd";
	buf[n] = 0;
	return buf;
}

static int add_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct cli_request *r = arg;
	uint64_t low = UINT64_MAX, high = 0;
	char buf[512];

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + h->p_vaddr;

		if (h->p_type != PT_LOAD)
			continue;
		low = start < low ? start : low;
		high = start + h->p_memsz > high ? start + h->p_memsz : high;
	}
	if (low < high)
		cli_say(r, "0x%012llx-0x%012llx (0x%07llx) %s", (unsigned long long)low,
			(unsigned long long)high - 1, (unsigned long long)(high - low),
			object_name(info, buf, sizeof(buf)));
	return 0;
}

static enum cli_result run_libs(struct cli_request *r)
{
	dl_iterate_phdr(add_object, r);
	return CLI_DONE;
}

static const struct cli_command rows[] = {
	{ "show libs", CLI_USER, run_libs, "show libs", "show loaded object files and libraries" },
};

void cmd_libs_init(void)
{
	cli_register(rows, ARRAY_SIZE(rows));
}
