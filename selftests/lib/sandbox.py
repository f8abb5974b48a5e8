"""The sandbox of a test or bench: own network, mount and pid namespace (root only).

lo is up, /sys/fs/bpf an empty bpffs, /run/netns empty; when pid 1 of it ends, the kernel ends every
process in it, and with the last of them go its mounts, pins and namespaces.
"""
import ctypes
import os
import signal
import subprocess

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def _must(ret, what):
    if ret != 0:
        e = ctypes.get_errno()
        raise OSError(e, f"{what}: {os.strerror(e)}")


def _mount(src, target, kind, flags=0, data=None):
    _must(libc.mount(src.encode(), target.encode(), kind.encode() if kind else None, flags,
                     data.encode() if data else None), f"mount {kind} on {target}")


def enter():
    """Own namespaces. Returns only in the child that becomes pid 1 of the new pid namespace."""
    _must(libc.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET), "unshare")
    pid = os.fork()
    if pid:
        signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGKILL))
        _, status = os.waitpid(pid, 0)
        os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    _mount("proc", "/proc", "proc")
    _mount("sysfs", "/sys", "sysfs")
    _mount("bpf", "/sys/fs/bpf", "bpf")
    os.makedirs("/run/netns", exist_ok=True)
    _mount("netns", "/run/netns", "tmpfs", 0, "mode=755")
    for rest in ("/sys/kernel/tracing", "/sys/kernel/debug"):
        try:
            _mount(os.path.basename(rest) + "fs", rest, {"tracing": "tracefs"}.get(
                os.path.basename(rest), "debugfs"))
        except OSError:
            pass		# nice to have
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def main(argv):
    """Pid 1 of the sandbox: start the test, reap, say what it left behind, pass its status on."""
    os.setsid()
    child = subprocess.Popen(argv)
    signal.signal(signal.SIGTERM, lambda *_: child.send_signal(signal.SIGTERM))
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except InterruptedError:
            continue
        except ChildProcessError:
            return 125
        if pid == child.pid:
            break
    left = []
    for d in os.listdir("/proc"):
        if d.isdigit() and int(d) not in (1, child.pid):
            try:
                cmd = open(f"/proc/{d}/cmdline").read().replace("\0", " ").strip()
            except OSError:
                continue
            if cmd:
                left.append(cmd[:80])
    if left:
        print("# left running, ended now: " + "; ".join(left), flush=True)
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
