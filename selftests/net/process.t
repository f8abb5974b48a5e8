#!/usr/bin/env python3
# tap: timeout=180
"""The life of the process: signals and exit codes, background and pid file, master-worker with reloads, limits."""
import os
import re
import signal
import socket
import subprocess
import time
from lbt import *

TCP = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend f
    bind 127.0.0.1:%d
    default_backend b
backend b
    server s1 127.0.0.1:%d
"""

PORT, SERVER = 7001, 7002
server = EchoServer("s1", addr="127.0.0.1", port=SERVER)
DIR = os.environ["TMPDIR"]


def config(name="lbd.cfg", text=TCP % (PORT, SERVER)):
    path = os.path.join(DIR, name)
    with open(path, "w") as f:
        f.write(text)
    return path


class Process:
    """lbd with plain arguments; what it says goes to a file."""
    def __init__(self, *args, program=os.environ["LBD"]):
        self.out = os.path.join(DIR, "out.%d" % time.monotonic_ns())
        self.p = subprocess.Popen([program, *args], stdout=open(self.out, "w"), stderr=subprocess.STDOUT,
                                  stdin=subprocess.DEVNULL)
        at_end(self.end)

    def end(self):
        if self.p.poll() is None:
            self.p.kill()
            self.p.wait()

    def said(self):
        with open(self.out) as f:
            return f.read()

    def wait_said(self, words):
        wait_for(lambda: words in self.said(), what=f"it says '{words}'")

    def wait(self):
        return self.p.wait(timeout=10)


def serving(port=PORT):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as c:
            c.sendall(b"x")
            return bool(c.recv(100))
    except OSError:
        return False


def wait_serving(port=PORT):
    wait_for(lambda: serving(port), what=f"port {port} is served")


def refused(port=PORT):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 111


def open_connection():
    """A connection that has carried data, and the greeting's rest read."""
    c = socket.create_connection(("127.0.0.1", PORT), timeout=5)
    at_end(c.close)
    exchange(c, b"first")
    return c


def exchange(c, data):
    c.sendall(data)
    got = b""
    while data not in got:
        more = c.recv(1000)
        if not more:
            raise AssertionError(f"closed; got {got!r}")
        got += more


for name, sig, want in (("SIGTERM", signal.SIGTERM, -15), ("SIGINT", signal.SIGINT, -2)):
    @case(f"{name} in the foreground: it cleans up, then dies of the signal; connections are closed")
    def _(sig=sig, want=want):
        p = Process("-db", "-f", config())
        wait_serving()
        c = open_connection()
        p.p.send_signal(sig)
        equal(p.wait(), want, "exit status")
        equal(c.recv(10), b"", "the open connection")


@case("SIGUSR1: listeners close at once, what runs goes on to its end, then exit 0")
def _():
    p = Process("-db", "-f", config())
    wait_serving()
    c = open_connection()
    p.p.send_signal(signal.SIGUSR1)
    wait_for(refused, what="new connections are refused")
    exchange(c, b"still here")
    equal(p.p.poll(), None, "still running")
    c.close()
    equal(p.wait(), 0, "exit status")
    if "Proxy f stopped (cumulated conns: FE: " not in p.said():
        raise AssertionError(p.said())


@case("hard-stop-after ends a soft stop that takes too long")
def _():
    p = Process("-db", "-f", config(text="global\n    hard-stop-after 300ms\n" + TCP % (PORT, SERVER)))
    wait_serving()
    c = open_connection()
    p.p.send_signal(signal.SIGUSR1)
    equal(p.wait(), 0, "exit status")
    equal(c.recv(10), b"", "the open connection")


@case("SIGHUP says how servers are, and changes nothing")
def _():
    p = Process("-db", "-f", config())
    wait_serving()
    p.p.send_signal(signal.SIGHUP)
    p.wait_said("SIGHUP: Server b/s1 is UP. Conn: ")
    p.wait_said("SIGHUP: Proxy b has 1 active servers and 0 backup servers available. Conn: act(FE+BE): 0+")
    wait_serving()


@case("SIGQUIT tells what memory is in use, and changes nothing")
def _():
    p = Process("-db", "-f", config())
    wait_serving()
    p.p.send_signal(signal.SIGQUIT)
    p.wait_said("Dumping memory usage: heap ")
    wait_serving()


@case("SIGTTOU stops listening for a while, SIGTTIN resumes")
def _():
    p = Process("-db", "-f", config())
    wait_serving()
    p.p.send_signal(signal.SIGTTOU)
    wait_for(refused, what="new connections are refused")
    p.p.send_signal(signal.SIGTTIN)
    wait_serving()


@case("-D: the parent's 0 means that it serves; the pid file names the process")
def _():
    pidfile = os.path.join(DIR, "pid")
    p = Process("-D", "-p", pidfile, "-f", config())
    equal(p.wait(), 0, "exit status of the parent")
    pid = int(open(pidfile).read())
    at_end(lambda: os.path.exists(f"/proc/{pid}") and os.kill(pid, signal.SIGKILL))
    equal(serving(), True, "served at once")
    os.kill(pid, signal.SIGUSR1)
    wait_for(refused, what="stopped")


@case("-D: an address in use is said on the terminal, exit 1")
def _():
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", PORT))
        s.listen()
        p = Process("-D", "-f", config())
        equal(p.wait(), 1, "exit status")
        p.wait_said(f"cannot bind 127.0.0.1:{PORT}")


for name, path, words in (("a missing directory", "/nonexistent/pid", "cannot create the pid file /nonexistent/pid"),
                          ("a full disk", "/dev/full", "cannot write the pid file /dev/full: No space left")):
    @case(f"pid file: {name}: a message, exit 1")
    def _(path=path, words=words):
        p = Process("-D", "-p", path, "-f", config())
        equal(p.wait(), 1, "exit status")
        p.wait_said(words)
        equal(refused(), True, "nothing listens")


@case("-sf: the new process takes the address, the old one finishes")
def _():
    old = Process("-db", "-f", config())
    wait_serving()
    c = open_connection()
    new = Process("-db", "-f", config(), "-sf", str(old.p.pid))
    old.wait_said("Proxy f stopped")
    exchange(c, b"the old one goes on")
    wait_serving()
    c.close()
    equal(old.wait(), 0, "exit status of the old one")
    wait_serving()
    equal(new.p.poll(), None, "the new one runs")


@case("-st: the old process ends at once")
def _():
    old = Process("-db", "-f", config())
    wait_serving()
    Process("-db", "-f", config(), "-st", str(old.p.pid))
    equal(old.wait(), -15, "exit status of the old one")
    wait_serving()


@case("a second process without -sf does not take the address")
def _():
    Process("-db", "-f", config())
    wait_serving()
    second = Process("-db", "-f", config())
    equal(second.wait(), 1, "exit status")
    second.wait_said("cannot bind")
    equal(serving(), True, "the first one serves")


def workers(master):
    """The children of the master, newest last."""
    with open(f"/proc/{master}/task/{master}/children") as f:
        return [int(x) for x in f.read().split()]


for name, sig, want in (("SIGTERM", signal.SIGTERM, 0), ("SIGINT", signal.SIGINT, 130), ("SIGUSR1", signal.SIGUSR1, 0)):
    @case(f"-W: {name} ends the worker and gives {want}")
    def _(sig=sig, want=want):
        p = Process("-W", "-db", "-f", config())
        wait_serving()
        p.p.send_signal(sig)
        equal(p.wait(), want, "exit status")
        wait_for(refused, what="stopped")


@case("-W: SIGUSR2 reads the configuration again; connections of the old worker go on")
def _():
    path = config("reload.cfg")
    p = Process("-W", "-db", "-f", path)
    wait_serving()
    first = workers(p.p.pid)
    c = open_connection()
    config("reload.cfg", TCP % (PORT, SERVER) + f"frontend second\n    bind 127.0.0.1:{PORT + 10}\n    default_backend b\n")
    p.p.send_signal(signal.SIGUSR2)
    wait_serving(PORT + 10)
    wait_serving()
    exchange(c, b"the old worker goes on")
    c.close()
    wait_for(lambda: len(workers(p.p.pid)) == 1 and workers(p.p.pid) != first, what="the old worker has ended")
    equal(serving(), True, "served by the new one")


@case("-W: a configuration that is wrong changes nothing at a reload")
def _():
    path = config("reload.cfg")
    p = Process("-W", "-db", "-f", path)
    wait_serving()
    first = workers(p.p.pid)
    config("reload.cfg", "nonsense\n")
    p.p.send_signal(signal.SIGUSR2)
    p.wait_said("Failed to load worker")
    wait_for(lambda: workers(p.p.pid) == first, what="only the first worker is left")
    equal(serving(), True, "still served")


@case("-W: a worker that dies ends the master with its code; one that loses its master ends, too")
def _():
    p = Process("-W", "-db", "-f", config())
    wait_serving()
    os.kill(wait_for(lambda: workers(p.p.pid), what="there is a worker")[0], signal.SIGKILL)
    equal(p.wait(), 137, "exit status")
    p = Process("-W", "-db", "-f", config())
    wait_serving()
    p.p.kill()
    wait_for(refused, what="the worker has ended")


@case("-W -D: in the background with the master's pid in the file")
def _():
    pidfile = os.path.join(DIR, "pid")
    p = Process("-W", "-D", "-p", pidfile, "-f", config())
    equal(p.wait(), 0, "exit status of the parent")
    master = int(open(pidfile).read())
    at_end(lambda: os.path.exists(f"/proc/{master}") and os.kill(master, signal.SIGKILL))
    equal(serving(), True, "served at once")
    equal(len(workers(master)), 1, "workers")
    os.kill(master, signal.SIGTERM)
    wait_for(refused, what="stopped")


@case("user, group and chroot: no root is left, and no descriptor limit is forgotten")
def _():
    jail = os.path.join(DIR, "jail")
    os.mkdir(jail)
    os.chmod(DIR, 0o755)
    p = Process("-db", "-n", "500", "-f", config(text=f"global\n    uid 65534\n    gid 65534\n    chroot {jail}\n" + TCP % (PORT, SERVER)))
    wait_serving()
    status = open(f"/proc/{p.p.pid}/status").read()
    equal(re.search(r"^Uid:\s+(\d+)\s+(\d+)\s+(\d+)", status, re.M).groups(), ("65534",) * 3, "uids")
    equal(re.search(r"^Gid:\s+(\d+)", status, re.M).group(1), "65534", "gid")
    equal(re.search(r"^Groups:[ \t]*(.*)$", status, re.M).group(1).strip(), "", "supplementary groups")
    equal(os.readlink(f"/proc/{p.p.pid}/root"), jail, "root directory")
    p.p.send_signal(signal.SIGUSR1)
    equal(p.wait(), 0, "exit status")


@case("a maxconn that the limit of descriptors does not allow: a message, exit 1")
def _():
    p = Process("-db", "-n", "2000000000", "-f", config())
    equal(p.wait(), 1, "exit status")
    p.wait_said("maxconn 2000000000 needs 4000000")


main()
