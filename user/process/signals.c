// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Signals through a signalfd in the control loop. A signal that was ignored when the program was started (nohup, a
 * shell's background job) stays ignored.
 */
#include "process/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "loop/thread.h"

static const int handled[] = {
	SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTTOU, SIGTTIN
};

static struct io signal_io = { .fd = -1 };
static void (*call)(int sig);

static void handled_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(handled); i++)
		sigaddset(set, handled[i]);
}

void signals_block(void)
{
	sigset_t set;

	handled_set(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void on_event(struct io *io, uint32_t ep)
{
	struct signalfd_siginfo info;

	while (read(io->fd, &info, sizeof(info)) == sizeof(info))
		call((int)info.ssi_signo);
}

int signals_start(void (*on_signal)(int sig))
{
	sigset_t set;

	handled_set(&set);
	call = on_signal;
	signal_io.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (signal_io.fd < 0)
		return -errno;
	signal_io.on_event = on_event;
	return loop_io_add(&control_loop, &signal_io, EPOLLIN);
}

void signals_die(int sig)
{
	sigset_t set;

	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(128 + sig); /* not reached: the signal was pending */
}
