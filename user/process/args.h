/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * args.h - the command line (HAProxy's management guide, section 3) as data. Control thread, first thing.
 */
#ifndef LBD_PROCESS_ARGS_H
#define LBD_PROCESS_ARGS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct args {
	const char *program; /* how it was called, without directories: "lbd" or "haproxy" */
	const char **files;  /* -f and what stands behind "--"; NULL-terminated */
	int nfiles;
	const char *directory;  /* -C */
	const char *localpeer;  /* -L */
	const char *pidfile;    /* -p */
	const char *takeover;   /* -x */
	const char *master_cli; /* -S */
	const char *condition;  /* -cc */
	const char *dump_names; /* -dK: classes, "" for none given; NULL: not asked for */
	int64_t maxconn, proxy_maxconn, memory_mb; /* -n -N -m; 0: not given */
	pid_t *old_pids;                           /* -sf, -st */
	int nold;
	int old_signal;             /* SIGUSR1 or SIGTERM */
	bool check;                 /* -c */
	bool verbose, quiet;        /* -V -q */
	bool daemon, foreground;    /* -D; -db or -d */
	bool master_worker, notify; /* -W; -Ws: also tells systemd */
	int start_dir; /* descriptor of the directory that the command line was given in */
	bool debug;    /* -d */
	bool no_splice, no_reuseport;       /* -dS -dF -dR */
	bool insecure_fork, dump_libraries; /* -dI -dL */
	bool zero_warning;                  /* -dW */
	bool help, version, build_info;     /* -h; -v; -vv */
};

/* Registers the options' names for -dK. */
void args_init(void);
/* Fills @a. 0, or -1 when the error was said on stderr (then the program ends with 1). */
int args_parse(struct args *a, int argc, char **argv);
void args_help(const struct args *a);
void args_version(const struct args *a);
void args_build_info(const struct args *a);

#endif
