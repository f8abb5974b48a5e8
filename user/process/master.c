// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Master-worker mode as HAProxy's management guide describes it (section 4): SIGUSR2 or SIGHUP starts a new worker from
 * the same command line; when it serves, the older ones are told to finish. A worker that cannot start changes nothing.
 * Control thread of a process without other threads (master), or the worker's control thread.
 */
#include "process/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/thread.h"
#include "process/background.h"

#define WORKERS_MAX 64 /* the current one, and older ones that finish */
#define WORKER_ENV  "LBD_WORKER_FDS"

static struct {
	pid_t pid[WORKERS_MAX]; /* [0]: the current one */
	int n;
	int life[2];   /* workers hold the reading end: its end means the master is gone */
	int start_dir; /* where the command line was given */
	char **argv;
	bool notify; /* -Ws */
	int leaving; /* the signal that ends it all */
} master = { .life = { -1, -1 }, .start_dir = -1 };

/* ---- the worker's side ---- */

static int ready_fd = -1;
static struct io life_io = { .fd = -1 };
static void (*on_orphaned)(void);

bool master_is_worker(void)
{
	const char *fds = getenv(WORKER_ENV);

	if (!fds || sscanf(fds, "%d,%d", &ready_fd, &life_io.fd) != 2)
		return false;
	unsetenv(WORKER_ENV);
	setenv("HAPROXY_MWORKER", "1", 1);
	fcntl(ready_fd, F_SETFD, FD_CLOEXEC);
	fcntl(life_io.fd, F_SETFD, FD_CLOEXEC);
	return true;
}

static void on_life_end(struct io *io, uint32_t ep)
{
	loop_io_del(&control_loop, io);
	on_orphaned();
}

void master_worker_ready(void (*master_is_gone)(void))
{
	if (ready_fd < 0)
		return;
	if (write(ready_fd, "r", 1) != 1)
		fputs("lbd: the master is gone\n", stderr);
	close(ready_fd);
	ready_fd = -1;
	on_orphaned = master_is_gone;
	life_io.on_event = on_life_end;
	loop_io_add(&control_loop, &life_io, EPOLLIN | EPOLLRDHUP);
}

/* ---- the master's side ---- */

static void say(const char *level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(const char *level, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%-11s(%d) : ", level, (int)getpid());
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

#define NOTICE  "[NOTICE]"
#define WARNING "[WARNING]"
#define ALERT   "[ALERT]"

/* systemd's notification protocol: one datagram with lines. */
static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (!master.notify || !n || n >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, n);
	if (path[0] == '@')
		to.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		say(WARNING, "cannot notify systemd at %s: %s", path, strerror(errno));
	close(fd);
}

/* Becomes a fresh program with the same command line, as a worker of this master. */
static void become_new_worker(int ready)
{
	char fds[32];
	sigset_t none;

	snprintf(fds, sizeof(fds), "%d,%d", ready, master.life[0]);
	setenv(WORKER_ENV, fds, 1);
	fcntl(ready, F_SETFD, 0);
	fcntl(master.life[0], F_SETFD, 0);
	if (master.start_dir >= 0 && fchdir(master.start_dir))
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv("/proc/self/exe", master.argv);
	say(ALERT, "cannot start a new worker: %s", strerror(errno));
	_exit(1);
}

static void worker_add(pid_t pid)
{
	for (int i = master.n; i > 0; i--)
		master.pid[i] = master.pid[i - 1];
	master.pid[0] = pid;
	master.n++;
}

/* Waits until the new worker serves or has ended. 0: it serves. */
static int wait_ready(int fd)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	close(fd);
	return n == 1 ? 0 : -1;
}

/* A pipe on which a worker says that it serves, and the fork. Returns as fork(); *ready is this side's end. */
static pid_t fork_worker(int *ready)
{
	int fds[2];
	pid_t pid;

	if (master.n == WORKERS_MAX || pipe2(fds, O_CLOEXEC)) {
		say(ALERT, "cannot start a worker: %s",
		    master.n == WORKERS_MAX ? "too many older ones still finish" : strerror(errno));
		return -1;
	}
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		say(ALERT, "cannot start a worker: fork: %s", strerror(errno));
	close(fds[pid ? 1 : 0]);
	*ready = fds[pid ? 0 : 1];
	if (pid < 0)
		close(*ready);
	return pid;
}

static void tell_workers(int from, int sig)
{
	for (int i = from; i < master.n; i++)
		kill(master.pid[i], sig);
}

static void reload(void)
{
	pid_t pid;
	int ready;

	if (master.leaving)
		return;
	notify("RELOADING=1\n");
	say(NOTICE, "Reloading the configuration");
	pid = fork_worker(&ready);
	if (!pid)
		become_new_worker(ready);
	if (pid < 0)
		return;
	worker_add(pid);
	say(NOTICE, "New worker (%d) forked", (int)pid);
	if (wait_ready(ready)) {
		/* its end is reaped like any other; the one before it is the current one again */
		master.pid[0] = master.pid[1];
		master.pid[1] = pid;
		say(WARNING, "Failed to load worker (%d): the configuration in use stays",
		    (int)pid);
	} else {
		say(NOTICE, "Loading success.");
		tell_workers(1, SIGUSR1);
	}
	notify("READY=1\n");
}

static void leave(int sig)
{
	if (!master.leaving)
		say(WARNING, "Exiting Master process...");
	master.leaving = sig;
	notify("STOPPING=1\n");
	tell_workers(0, sig);
}

/* Codes as HAProxy's master has them: an interrupt is one, a termination that was asked for is none. */
static int exit_code(int worker_code)
{
	if (master.leaving == SIGINT)
		return 130;
	return master.leaving ? 0 : worker_code;
}

static void worker_gone(pid_t pid, int status)
{
	int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), i = 0;
	bool current;

	while (i < master.n && master.pid[i] != pid)
		i++;
	if (i == master.n)
		return;
	current = i == 0;
	for (master.n--; i < master.n; i++)
		master.pid[i] = master.pid[i + 1];
	say(code ? ALERT : WARNING, "%s worker (%d) exited with code %d (%s)",
	    current ? "Current" : "Former", (int)pid, code,
	    WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "Exit");
	if (current && !master.leaving) {
		say(ALERT, "exit-on-failure: killing every processes with SIGTERM");
		tell_workers(0, SIGTERM);
		notify("STOPPING=1\n");
		exit(code ? code : 1);
	}
	if (!master.n) {
		say(WARNING, "All workers exited. Exiting... (%d)", exit_code(code));
		exit(exit_code(code));
	}
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		worker_gone(pid, status);
}

static void master_loop(void)
{
	static const int expected[] = { SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		sigaddset(&set, expected[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (;;) {
		int sig = sigwaitinfo(&set, NULL);

		if (sig == SIGCHLD)
			reap();
		else if (sig == SIGUSR2 || sig == SIGHUP)
			reload();
		else if (sig > 0)
			leave(sig);
	}
}

int master_enter(const struct global *g, const struct args *a, char **argv, struct diag *d)
{
	int status, ready;
	pid_t pid;

	master.argv = argv;
	master.notify = a->notify;
	master.start_dir = a->start_dir;
	setenv("HAPROXY_MWORKER", "1", 1);
	if (pidfile_open(g->pidfile, d) || (g->daemon && background_enter(d)))
		return -1;
	if (pidfile_write(d) || pipe2(master.life, O_CLOEXEC)) {
		if (!d->errors)
			diag_error(d, PLACE_NONE, "cannot make a pipe: %s", strerror(errno));
		return -1;
	}
	pid = fork_worker(&ready);
	if (pid < 0)
		return -1;
	if (!pid) {
		ready_fd = ready;
		life_io.fd = master.life[0];
		close(master.life[1]);
		background_forget();
		return 0;
	}
	worker_add(pid);
	if (wait_ready(ready)) {
		waitpid(pid, &status, 0);
		exit(WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1);
	}
	say(NOTICE, "New worker (%d) forked", (int)pid);
	say(NOTICE, "Loading success.");
	background_ready();
	notify("READY=1\n");
	master_loop();
	return -1; /* not reached */
}
