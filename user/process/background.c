// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Background and pid file.
 */
#include "process/background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int ready_fd = -1; /* the child's end of the pipe to its waiting parent */
static int null_fd = -1;  /* opened before chroot */
static int pid_fd = -1;
static const char *pid_path;

/* The parent: 0 once the child is ready, else what the child ended with. */
static int wait_for_child(int fd, pid_t child)
{
	char byte;
	int status;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		return 0;
	if (waitpid(child, &status, 0) != child)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int background_enter(struct diag *d)
{
	int pipefd[2];
	pid_t child;

	if (pipe2(pipefd, O_CLOEXEC)) {
		diag_error(d, PLACE_NONE, "cannot go into the background: pipe: %s",
			   strerror(errno));
		return -1;
	}
	fflush(NULL);
	child = fork();
	if (child < 0) {
		diag_error(d, PLACE_NONE, "cannot go into the background: fork: %s",
			   strerror(errno));
		close(pipefd[0]);
		close(pipefd[1]);
		return -1;
	}
	if (child) {
		close(pipefd[1]);
		_exit(wait_for_child(pipefd[0], child));
	}
	close(pipefd[0]);
	ready_fd = pipefd[1];
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	setsid();
	return 0;
}

void background_ready(void)
{
	if (ready_fd < 0)
		return;
	fflush(NULL);
	for (int fd = 0; fd < 3 && null_fd >= 0; fd++)
		dup2(null_fd, fd);
	if (write(ready_fd, "r", 1) != 1)
		_exit(1); /* the parent is gone: nobody waits for this service */
	close(ready_fd);
	ready_fd = -1;
}

void background_forget(void)
{
	if (ready_fd >= 0)
		close(ready_fd);
	ready_fd = -1;
}

int pidfile_open(const char *path, struct diag *d)
{
	pid_path = path;
	if (!path)
		return 0;
	pid_fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
	if (pid_fd >= 0)
		return 0;
	diag_error(d, PLACE_NONE, "cannot create the pid file %s: %s", path, strerror(errno));
	return -1;
}

int pidfile_write(struct diag *d)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid()), rc = 0;

	if (pid_fd < 0)
		return 0;
	errno = 0;
	if (write(pid_fd, text, n) != n)
		rc = -1;
	if (close(pid_fd))
		rc = -1;
	pid_fd = -1;
	if (rc)
		diag_error(d, PLACE_NONE, "cannot write the pid file %s: %s", pid_path,
			   strerror(errno ? errno : ENOSPC));
	return rc;
}
