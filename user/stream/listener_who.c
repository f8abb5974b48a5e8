/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener_who.c - "address in use" by whom: the listening socket in /proc/net/tcp, and the process that has it open.
 * Only for an error message at start: costs a walk over all descriptors of the host. Control thread.
 */
#include "stream/listener.h"
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TCP_LISTEN 10

/* The inode of a socket that listens on the port, for IPv4 or IPv6; 0: none seen (another namespace). */
static unsigned long listening_inode(const char *table, unsigned int port)
{
	FILE *f = fopen(table, "re");
	char line[512];
	unsigned long inode = 0;

	if (!f)
		return 0;
	while (!inode && fgets(line, sizeof(line), f)) {
		unsigned int local_port, state;
		unsigned long i;

		if (sscanf(line,
			   " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu",
			   &local_port, &state, &i) == 3 &&
		    local_port == port && state == TCP_LISTEN)
			inode = i;
	}
	fclose(f);
	return inode;
}

static bool process_has(const char *pid, const char *socket_name)
{
	char path[64], to[64];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	d = opendir(path);
	if (!d)
		return false;
	while (!found && (e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, to, sizeof(to) - 1);

		if (n > 0) {
			to[n] = 0;
			found = strcmp(to, socket_name) == 0;
		}
	}
	closedir(d);
	return found;
}

static void name_of(const char *pid, char *name, size_t size)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
	f = fopen(path, "re");
	if (!f || !fgets(name, (int)size, f))
		snprintf(name, size, "a program");
	name[strcspn(name, "\n")] = 0;
	if (f)
		fclose(f);
}

int socket_owner(unsigned long inode, char *name, size_t size)
{
	char socket_name[48];
	struct dirent *e;
	int pid = 0;
	DIR *d;

	snprintf(socket_name, sizeof(socket_name), "socket:[%lu]", inode);
	d = opendir("/proc");
	while (d && !pid && (e = readdir(d))) {
		if (!isdigit((unsigned char)e->d_name[0]) || !process_has(e->d_name, socket_name))
			continue;
		pid = atoi(e->d_name);
		name_of(e->d_name, name, size);
	}
	if (d)
		closedir(d);
	return pid;
}

bool listener_who(const struct addr *a, char *out, size_t size)
{
	unsigned long inode = listening_inode("/proc/net/tcp", a->port);
	char name[32];
	int pid;

	if (!inode)
		inode = listening_inode("/proc/net/tcp6", a->port);
	pid = inode ? socket_owner(inode, name, sizeof(name)) : 0;
	if (!pid)
		return false;
	if (pid == getpid())
		snprintf(out, size, "another 'bind' line of this configuration has it");
	else
		snprintf(out, size, "%s (pid %d) listens there: stop it, or use another address",
			 name, pid);
	return true;
}
