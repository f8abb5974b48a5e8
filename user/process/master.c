// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Master-worker mode as HAProxy's management guide describes it (section 4): SIGUSR2 or SIGHUP starts a new worker from
 * the same command line; when it serves, the older ones are told to finish. A worker that cannot start changes nothing.
 * Control thread of a process without other threads (master), or the worker's control thread.
 */
#include "base/coverage.h"
#include "process/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "admin/cli.h"
#include "loop/thread.h"
#include "process/background.h"
#include "process/master_private.h"
#include "process/startup_log.h"

#define WORKER_ENV "LBD_WORKER_FDS"

struct master_state master = { .life = { -1, -1 }, .start_dir = -1, .startup_log = -1 };

/* ---- the worker's side ---- */

static int ready_fd = -1, takeover_fd = -1;
static struct io life_io = { .fd = -1 }, channel_io = { .fd = -1 };
static void (*on_orphaned)(void);

bool master_is_worker(void)
{
	const char *fds = getenv(WORKER_ENV);

	if (!fds ||
	    sscanf(fds, "%d,%d,%d,%d", &ready_fd, &life_io.fd, &channel_io.fd, &takeover_fd) != 4)
		return false;
	unsetenv(WORKER_ENV);
	setenv("HAPROXY_MWORKER", "1", 1);
	fcntl(ready_fd, F_SETFD, FD_CLOEXEC);
	fcntl(life_io.fd, F_SETFD, FD_CLOEXEC);
	fcntl(channel_io.fd, F_SETFD, FD_CLOEXEC);
	if (takeover_fd >= 0)
		fcntl(takeover_fd, F_SETFD, FD_CLOEXEC);
	return true;
}

int master_takeover_fd(void)
{
	int fd = takeover_fd;

	takeover_fd = -1;
	return fd;
}

static void on_life_end(struct io *io, uint32_t ep)
{
	loop_io_del(&control_loop, io);
	on_orphaned();
}

/* The master hands a connection over: one byte, its level, and the descriptor. */
static void on_channel(struct io *io, uint32_t ep)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char level;
	struct iovec v = { &level, 1 };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c;
	int fd;

	if (recvmsg(io->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) <= 0) {
		if (ep & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
			loop_io_del(&control_loop, io);
		return;
	}
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(sizeof(int)))
		return;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	admin_client_from_master(fd, level);
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
	channel_io.on_event = on_channel;
	loop_io_add(&control_loop, &channel_io, EPOLLIN | EPOLLRDHUP);
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

uint64_t master_now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

/* ---- workers ---- */

static int send_connection(int channel, int fd, char level)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec v = { &level, 1 };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(channel, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int master_connect(const struct mworker *w, int level)
{
	int pair[2], err;

	if (w->channel < 0)
		return -ENOTCONN;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	err = send_connection(w->channel, pair[1], (char)level);
	close(pair[1]);
	if (!err)
		return pair[0];
	close(pair[0]);
	return err;
}

/* What a worker-to-be has of the master: its ends of two pipes and a channel, and a connection to the worker before it. */
struct birth {
	int ready[2], channel[2], takeover;
};

static void birth_close(struct birth *b)
{
	int fds[] = { b->ready[0], b->ready[1], b->channel[0], b->channel[1], b->takeover };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int birth_prepare(struct birth *b)
{
	*b = (struct birth){ { -1, -1 }, { -1, -1 }, -1 };
	if (master.n == WORKERS_MAX) {
		say(ALERT, "cannot start a worker: too many older ones still finish");
		return -1;
	}
	if (pipe2(b->ready, O_CLOEXEC) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, b->channel)) {
		say(ALERT, "cannot start a worker: %s", strerror(errno));
		birth_close(b);
		return -1;
	}
	if (master.n)
		b->takeover = master_connect(&master.worker[0], 2);
	return 0;
}

static int inherit(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, 0);
	return fd;
}

/* Becomes a fresh program with the same command line, as a worker of this master. */
static void become_new_worker(const struct birth *b)
{
	char fds[64];
	sigset_t none;

	snprintf(fds, sizeof(fds), "%d,%d,%d,%d", inherit(b->ready[1]), inherit(master.life[0]),
		 inherit(b->channel[1]), inherit(b->takeover));
	setenv(WORKER_ENV, fds, 1);
	if (master.startup_log >= 0) {
		snprintf(fds, sizeof(fds), "%d", inherit(master.startup_log));
		setenv("HAPROXY_STARTUPLOGS_FD", fds, 1);
	}
	if (master.start_dir >= 0 && fchdir(master.start_dir))
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv("/proc/self/exe", master.argv);
	say(ALERT, "cannot start a new worker: %s", strerror(errno));
	_exit(1);
}

/* The parent's side of a birth: the worker is the current one. */
static void worker_add(pid_t pid, struct birth *b)
{
	for (int i = master.n; i > 0; i--)
		master.worker[i] = master.worker[i - 1];
	master.worker[0] = (struct mworker){ pid, b->channel[0], master_now_s(), 0 };
	master.n++;
	b->channel[0] = -1;
}

/* Waits until the new worker serves or has ended. 0: it serves. */
static int wait_ready(struct birth *b)
{
	char byte;
	ssize_t n;

	close(b->ready[1]);
	b->ready[1] = -1;
	do
		n = read(b->ready[0], &byte, 1);
	while (n < 0 && errno == EINTR);
	birth_close(b);
	return n == 1 ? 0 : -1;
}

static void tell_workers(int from, int sig)
{
	for (int i = from; i < master.n; i++)
		kill(master.worker[i].pid, sig);
}

/* The others finish; one that has not in so many reloads does not get more time. */
static void retire_workers(bool hard)
{
	for (int i = 1; i < master.n; i++) {
		struct mworker *w = &master.worker[i];

		w->reloads++;
		kill(w->pid, hard || (master.max_reloads && w->reloads > master.max_reloads)
				     ? SIGTERM
				     : SIGUSR1);
	}
}

bool master_reload(bool hard)
{
	struct birth b;
	pid_t pid;

	if (master.leaving)
		return false;
	notify("RELOADING=1\n");
	say(NOTICE, "Reloading the configuration");
	master.reloads++;
	master.last_failed = true;
	if (master.startup_log >= 0 &&
	    (ftruncate(master.startup_log, 0) || lseek(master.startup_log, 0, SEEK_SET)))
		say(WARNING, "cannot empty the log of starts: %s", strerror(errno));
	if (birth_prepare(&b)) {
		master.failed++;
		notify("READY=1\n");
		return false;
	}
	fflush(NULL);
	pid = fork();
	if (!pid)
		become_new_worker(&b);
	if (pid < 0) {
		say(ALERT, "cannot start a worker: fork: %s", strerror(errno));
		birth_close(&b);
		master.failed++;
		notify("READY=1\n");
		return false;
	}
	worker_add(pid, &b);
	say(NOTICE, "New worker (%d) forked", (int)pid);
	master.last_failed = wait_ready(&b);
	if (master.last_failed) {
		/* its end is reaped like any other; the one before it is the current one again */
		if (master.n > 1) {
			struct mworker w = master.worker[0];

			master.worker[0] = master.worker[1];
			master.worker[1] = w;
		}
		master.failed++;
		say(WARNING, "Failed to load worker (%d): the configuration in use stays",
		    (int)pid);
	} else {
		say(NOTICE, "Loading success.");
		retire_workers(hard);
	}
	notify("READY=1\n");
	return !master.last_failed;
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

	while (i < master.n && master.worker[i].pid != pid)
		i++;
	if (i == master.n)
		return;
	current = i == 0;
	if (master.worker[i].channel >= 0)
		close(master.worker[i].channel);
	for (master.n--; i < master.n; i++)
		master.worker[i] = master.worker[i + 1];
	say(code ? ALERT : WARNING, "%s worker (%d) exited with code %d (%s)",
	    current ? "Current" : "Former", (int)pid, code,
	    WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "Exit");
	if (current && !master.leaving && master.stays_without_worker)
		return; /* until the next reload, or until it is told to end */
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

static void on_signals(int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == sizeof(info)) {
		int sig = (int)info.ssi_signo;

		if (sig == SIGCHLD)
			reap();
		else if (sig == SIGUSR2 || sig == SIGHUP)
			master_reload(false);
		else
			leave(sig);
		if (master.leaving && !master.n)
			exit(exit_code(0));
	}
}

static void master_loop(void)
{
	static const int expected[] = { SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP };
	struct pollfd set[256];
	sigset_t mask;
	int fd;

	sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		sigaddset(&mask, expected[i]);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	for (;;) {
		int n;

		set[0] = (struct pollfd){ fd, POLLIN, 0 };
		n = 1 + master_cli_poll(set + 1, (int)ARRAY_SIZE(set) - 1);
		if (poll(set, (nfds_t)n, -1) < 0)
			continue;
		if (set[0].revents)
			on_signals(fd);
		master_cli_handle(set + 1, n - 1);
	}
}

/* The first worker: the same program goes on, with the configuration that was read. */
static int become_first_worker(const struct birth *b)
{
	ready_fd = b->ready[1];
	life_io.fd = master.life[0];
	channel_io.fd = b->channel[1];
	close(master.life[1]);
	close(b->ready[0]);
	close(b->channel[0]);
	master_cli_forget();
	startup_log_to(master.startup_log);
	background_forget();
	return 0;
}

int master_enter(const struct global *g, const struct args *a, char **argv, struct diag *d)
{
	struct birth b;
	int status;
	pid_t pid;

	master.argv = argv;
	master.notify = a->notify;
	master.start_dir = a->start_dir;
	master.started_s = master_now_s();
	master.stays_without_worker = g->stays_without_worker;
	master.max_reloads = g->mworker_max_reloads;
	master.startup_log = memfd_create("startup log", MFD_CLOEXEC);
	setenv("HAPROXY_MWORKER", "1", 1);
	if (pidfile_open(g->pidfile, d) || master_cli_open(d) || (g->daemon && background_enter(d)))
		return -1;
	if (pidfile_write(d) || pipe2(master.life, O_CLOEXEC) || birth_prepare(&b)) {
		if (!d->errors)
			diag_error(d, PLACE_NONE, "cannot make a pipe: %s", strerror(errno));
		return -1;
	}
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		diag_error(d, PLACE_NONE, "cannot start a worker: fork: %s", strerror(errno));
		return -1;
	}
	if (!pid)
		return become_first_worker(&b);
	worker_add(pid, &b);
	if (wait_ready(&b)) {
		waitpid(pid, &status, 0);
		exit(WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1);
	}
	say(NOTICE, "New worker (%d) forked", (int)pid);
	say(NOTICE, "Loading success.");
	background_ready();
	notify("READY=1\n");
	coverage_release();
	master_loop();
	return -1; /* not reached */
}
