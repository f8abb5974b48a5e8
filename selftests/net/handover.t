#!/usr/bin/env python3
# tap: timeout=120
"""Listening sockets from one process to the next: -x with expose-fd listeners, and the master's reload. No connection is lost,
not even one that waits in the queue of a socket."""
import os
import signal
import socket
import subprocess
import threading
from lbt import *

TMP = os.environ["TMPDIR"]
server = EchoServer("s1", addr="127.0.0.1")
CONFIG = """
global
    nbthread %s
    stats socket @tmp@/give%d.sock level admin expose-fd listeners
    stats socket @tmp@/keep%d.sock level admin
    stats socket @tmp@/low%d.sock level operator expose-fd listeners
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend f
    %s
    default_backend b
backend b
    server s1 127.0.0.1:%d
"""
count = [0]


def process(bind="bind 127.0.0.1:@f@", threads=1, after=None, args=(), old_sock="give", **kw):
    """The process, and the path with which its sockets can be had."""
    count[0] += 1
    n = count[0]
    if after:
        args = ["-x", f"{TMP}/{old_sock}{after.number}.sock", *args]
        kw["ports"] = after.ports
    p = Lbd(CONFIG % (threads, n, n, n, bind, server.port), args=args, **kw)
    p.number = n
    return p


def inodes(p, port=None):
    """Of the sockets that listen on the port."""
    found = []
    with open("/proc/net/tcp") as f:
        for ln in f.readlines()[1:]:
            field = ln.split()
            if field[3] == "0A" and int(field[1].rpartition(":")[2], 16) == (port or p.port("f")):
                found.append(field[9])
    return sorted(found)


def holds(p, inode):
    for fd in os.listdir(f"/proc/{p.pid}/fd"):
        try:
            if os.readlink(f"/proc/{p.pid}/fd/{fd}") == f"socket:[{inode}]":
                return True
        except OSError:
            pass
    return False


def served(addr, family=socket.AF_INET):
    with socket.socket(family) as c:
        c.settimeout(5)
        c.connect(addr)
        c.sendall(b"x")
        return bool(c.recv(10))


for how, bind, threads in (("shared by all threads", "bind 127.0.0.1:@f@", 2), ("one per thread", "bind 127.0.0.1:@f@ shards by-thread", 2),
                           ("on an interface", "bind 127.0.0.1:@f@ interface lo", 1)):
    @case("-x: the new process uses the same sockets: " + how)
    def _(bind=bind, threads=threads):
        old = process(bind, threads)
        before = inodes(old)
        new = process(bind, threads, after=old)
        equal(inodes(new), before, "the sockets that listen")
        for inode in before:
            true(holds(old, inode) and holds(new, inode), "both processes have it")
        old.stop()
        equal(inodes(new), before, "the sockets that listen")
        true(served(new.at("f")), "it serves")


@case("-x: connections that wait in the socket's queue survive a kill -9 of the old process")
def _():
    old = process("bind 127.0.0.1:@f@ maxconn 1")
    first = Conn(old.at("f"))
    first.recv_until(b"\n")
    waiting = []
    for _ in range(5):
        c = socket.create_connection(old.at("f"), timeout=10)
        c.sendall(b"hello")
        waiting.append(c)
    new = process("bind 127.0.0.1:@f@", after=old)
    old.kill()
    for c in waiting:
        got = b""
        while not got.endswith(b"hello"):
            chunk = c.recv(100)
            true(chunk, "the connection goes on; it got " + repr(got))
            got += chunk
        c.close()


@case("-x: fewer threads keep all sockets, more threads add some; every connection is served")
def _():
    bind = "bind 127.0.0.1:@f@ shards by-thread"
    p = process(bind, 2)
    one = process(bind, 1, after=p)
    equal(len(inodes(one)), 2, "sockets in one thread")
    p.stop()
    for _ in range(20):
        true(served(one.at("f")), "served")
    three = process(bind, 3, after=one)
    equal(len(inodes(three)), 3, "sockets for three threads")
    one.stop()
    for _ in range(20):
        true(served(three.at("f")), "served")


@case("-x: what the new file does not have is closed, what it has anew is bound; another option is another socket")
def _():
    old = process("bind 127.0.0.1:@f@\n    bind 127.0.0.1:@gone@")
    before = inodes(old)
    new = process("bind 127.0.0.1:@f@\n    bind 127.0.0.1:@more@", after=old)
    equal(inodes(new), before, "the address in both")
    old.stop()
    true(served(new.at("more")), "the new address")
    with socket.socket() as s:
        equal(s.connect_ex(("127.0.0.1", new.port("gone"))), 111, "the address that is gone is refused")


@case("-x: a unix socket goes over, too")
def _():
    path = TMP + "/u.sock"
    old = process("bind " + path)
    before = os.stat(path).st_ino
    new = process("bind " + path, after=old)
    equal(os.stat(path).st_ino, before, "the same file")
    old.stop()
    true(served(path, socket.AF_UNIX), "it serves")


@case("-x -sf: not one of the connections made meanwhile fails")
def _():
    p = process("bind 127.0.0.1:@f@", 2)
    stop, failed, done = threading.Event(), [], [0]

    def work():
        while not stop.is_set():
            try:
                true(served(p.at("f")), "served")
                done[0] += 1
            except Exception as e:
                failed.append(repr(e))
    threads = [threading.Thread(target=work) for _ in range(3)]
    for t in threads:
        t.start()
    old = p
    for _ in range(3):
        new = process("bind 127.0.0.1:@f@", 2, after=old, args=["-sf", str(old.pid)])
        equal(old.wait(), 0, "the old process's exit status")
        old = new
    seen = done[0]
    wait_for(lambda: done[0] > seen + 20 or failed, what="connections go on")
    stop.set()
    for t in threads:
        t.join()
    equal(failed, [], f"failures of {done[0]} connections")


def refused(args, words):
    path = TMP + "/refused.cfg"
    with open(path, "w") as f:
        f.write(f"frontend f\n    mode tcp\n    bind 127.0.0.1:{free_port_()}\n    timeout client 1s\n")
    r = subprocess.run([os.environ["LBD"], "-db", "-f", path, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       stdin=subprocess.DEVNULL, text=True, timeout=20)
    equal(r.returncode, 1, "exit status; it said:\n" + r.stdout)
    contains(r.stdout, words)


def free_port_():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@case("-x: without a process there, without expose-fd, without the level: it does not start, and says why; the old one goes on")
def _():
    p = process()
    refused(["-x", TMP + "/nobody.sock"], "nobody.sock: No such file or directory")
    for sock in ("keep", "low"):
        refused(["-x", f"{TMP}/{sock}{p.number}.sock"], "does its 'stats socket' line say 'level admin expose-fd listeners'?")
    true(served(p.at("f")), "the old process serves")
    # somebody who is no lbd: lines, and a descriptor that does not listen
    path = TMP + "/liar.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def lie():
            c, _ = listener.accept()
            c.recv(100)
            with open("/dev/null") as f:
                socket.send_fds(c, [b"tcp 127.0.0.1:80 -\nend\n"], [f.fileno()])
            c.close()
        t = threading.Thread(target=lie)
        t.start()
        refused(["-x", path], "cannot take listening sockets over")
        t.join()


@case("a reload by the master passes the sockets on")
def _():
    port = free_port_()
    path = TMP + "/master.cfg"
    with open(path, "w") as f:
        f.write(f"global\n    stats socket {TMP}/worker.sock level admin\ndefaults\n    mode tcp\n    timeout connect 5s\n    timeout client 9s\n"
                f"    timeout server 9s\nfrontend f\n    bind 127.0.0.1:{port} maxconn 1\n    default_backend b\n"
                f"backend b\n    server s1 127.0.0.1:{server.port}\n")
    out = open(TMP + "/master.out", "w")
    m = subprocess.Popen([os.environ["LBD"], "-W", "-db", "-f", path], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    at_end(lambda: m.poll() is None and (m.kill(), m.wait()))
    wait_for(lambda: "Loading success" in open(TMP + "/master.out").read(), what="it serves")
    first = Conn(("127.0.0.1", port))
    first.recv_until(b"\n")
    before = inodes(None, port)
    waiting = socket.create_connection(("127.0.0.1", port), timeout=10)
    m.send_signal(signal.SIGUSR2)
    wait_for(lambda: open(TMP + "/master.out").read().count("Loading success") == 2, what="it has reloaded")
    equal(inodes(None, port), before, "the socket")
    waiting.sendall(b"hello")
    true(waiting.recv(100), "the connection that waited is served")
    first.send(b"still")
    equal(first.recv_exact(5), b"still", "the old connection goes on")
    first.close()
    waiting.close()
    m.send_signal(signal.SIGTERM)
    equal(m.wait(timeout=10), 0, "the master's exit status")


main()
