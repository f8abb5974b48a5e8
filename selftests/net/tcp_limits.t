#!/usr/bin/env python3
# tap: timeout=80
"""Limits of mode tcp: maxconn of server, frontend and process; queues; retries on another server; descriptors used up.
What is said about timing and endings is compared with Debian's haproxy in tcp_endings.t; here are many threads and clients.
"""
import os
import resource
import select
import signal
import socket
import threading
import time
from lbt import *

HEAD = """
global
    nbthread {threads}
    {more}
defaults
    mode tcp
    option tcplog
    log stdout format raw daemon
    timeout client 8s
    timeout server 8s
    timeout connect 4s
    timeout queue 8s
"""


class Counting(ScriptServer):
    """Counts how many connections it has at a time; a connection is one request, answered after `hold` seconds."""

    def __init__(self, name, hold=0.004):
        self.now = self.most = self.total = 0
        self.hold, self.lock, self.order = hold, threading.Lock(), []
        super().__init__(self.one, name)

    def one(self, conn, peer):
        with self.lock:
            self.now += 1
            self.total += 1
            self.most = max(self.most, self.now)
        try:
            data = conn.recv(100)
            self.order.append(data)
            time.sleep(self.hold)		# the work of the request, not a synchronisation
        finally:
            with self.lock:
                self.now -= 1
        conn.sendall(self.name.encode() + b":" + data)


def ask(addr, words=b"x"):
    with socket.socket() as c:
        c.settimeout(15)
        c.connect(addr)
        c.sendall(words)
        got = b""
        while chunk := c.recv(1000):
            got += chunk
        return got


def in_parallel(n, fn):
    out, threads = [None] * n, []

    def one(i):
        try:
            out[i] = fn(i)
        except OSError as e:
            out[i] = e
    for i in range(n):
        threads.append(threading.Thread(target=one, args=(i,)))
        threads[-1].start()
    for t in threads:
        t.join()
    return out


@cases("server maxconn {0} with 8 threads, {1}: never more at the server, nobody lost", [
    (1, "balance roundrobin"), (3, "balance roundrobin"), (1, "balance source"), (2, "balance leastconn")])
def _(limit, balance):
    server = Counting("s1")
    lbd = Lbd(HEAD.format(threads=8, more="") + f"""
listen t
    bind 127.0.0.1:@t@
    {balance}
    server s1 127.0.0.1:{server.port} maxconn {limit}
""", stats=False)
    got = in_parallel(150, lambda i: ask(lbd.at("t"), b"%d" % i))
    wrong = [g for i, g in enumerate(got) if g != b"s1:%d" % i]
    equal(wrong, [], "answers that are wrong or missing")
    equal(server.most, limit, "most connections at a time")
    equal(server.total, 150, "connections")


@case("a queue serves in the order of arrival")
def _():
    server = Counting("s1", hold=0.3)
    lbd = Lbd(HEAD.format(threads=4, more="") + f"""
listen t
    bind 127.0.0.1:@t@
    server s1 127.0.0.1:{server.port} maxconn 1
""")
    clients = []
    for i in range(12):
        c = Conn(lbd.at("t"))
        c.send(b"%02d" % i)
        clients.append(c)
        # the next one comes when this one is in: no thread must overtake another
        if i == 0:
            wait_for(lambda: server.total == 1, 5, "the first is at the server")
        else:
            wait_for(lambda: server.total + int(lbd.stat("t")["qcur"]) > i, 5, f"{i + 1} are in")
    for i, c in enumerate(clients):
        equal(c.recv_all(), b"s1:%02d" % i, "answer")
        c.close()
    equal(server.order, [b"%02d" % i for i in range(12)], "order at the server")


@case("roundrobin alternates exactly, whatever thread has the connection")
def _():
    servers = [Counting(f"s{i}", hold=0) for i in range(3)]
    lines = "\n".join(f"    server s{i} 127.0.0.1:{s.port}" for i, s in enumerate(servers))
    lbd = Lbd(HEAD.format(threads=8, more="") + f"listen t\n    bind 127.0.0.1:@t@\n    balance roundrobin\n{lines}\n",
              stats=False)
    got = in_parallel(120, lambda i: ask(lbd.at("t")))
    equal(sorted(got), [b"s0:x"] * 40 + [b"s1:x"] * 40 + [b"s2:x"] * 40, "answers")
    one_by_one = [ask(lbd.at("t"))[:2].decode() for _ in range(9)]
    first = one_by_one.index("s0")
    equal(one_by_one[first:first + 6], ["s0", "s1", "s2"] * 2, "order")


@case("a client that leaves the queue is forgotten, the others keep their turn")
def _():
    server = Counting("s1", hold=0.3)
    lbd = Lbd(HEAD.format(threads=2, more="") + f"""
listen t
    bind 127.0.0.1:@t@
    server s1 127.0.0.1:{server.port} maxconn 1
""", stats=False)
    a = Conn(lbd.at("t"))
    a.send(b"a")
    wait_for(lambda: server.total == 1, 5, "a is at the server")
    b, c = Conn(lbd.at("t")), Conn(lbd.at("t"))
    b.reset()
    lbd.wait_log(r" t t/\S+ -?\d+/-1/\d+ 0 CQ ")
    c.send(b"c")
    equal(a.recv_all(), b"s1:a", "answer of a")
    a.close()
    equal(c.recv_all(), b"s1:c", "answer of c")
    equal(server.total, 2, "connections at the server")


@case("frontend maxconn: the next client waits in the backlog and is served later, without a busy loop")
def _():
    server = EchoServer("s1", banner=True)
    lbd = Lbd(HEAD.format(threads=2, more="") + f"""
listen t
    bind 127.0.0.1:@t@
    maxconn 2
    server s1 127.0.0.1:{server.port}
""", stats=False)
    a, b = Conn(lbd.at("t")), Conn(lbd.at("t"))
    equal(a.recv_until(b"\n") + b.recv_until(b"\n"), b"s1\ns1\n", "banners")
    c = Conn(lbd.at("t"))
    before = cpu_seconds(lbd.pid)
    true(not select.select([c.sock], [], [], 0.8)[0], "the third one waits")
    true(cpu_seconds(lbd.pid) - before < 0.2, "lbd does not spin while its listener is paused")
    a.close()
    equal(c.recv_until(b"\n"), b"s1\n", "banner of the third")


@case("a raised maxconn lets those in who wait already: set maxconn frontend, set maxconn global")
def _():
    server = EchoServer("s1", banner=True)
    lbd = Lbd(HEAD.format(threads=2, more="maxconn 3") + f"""
listen t
    bind 127.0.0.1:@t@
    maxconn 1
    server s1 127.0.0.1:{server.port}
""")
    lbd.cmd("set maxconn global 2")
    a, b = Conn(lbd.at("t")), Conn(lbd.at("t"))
    equal(a.recv_until(b"\n"), b"s1\n", "banner")
    true(not select.select([b.sock], [], [], 0.4)[0], "the second one waits")
    lbd.cmd("set maxconn frontend t 100")
    equal(b.recv_until(b"\n"), b"s1\n", "banner of the second")
    c = Conn(lbd.at("t"))
    true(not select.select([c.sock], [], [], 0.4)[0], "the third one waits")
    lbd.cmd("set maxconn global 3")
    equal(c.recv_until(b"\n"), b"s1\n", "banner of the third")
    contains(lbd.cmd("set maxconn frontend t -1"), "Value out of range.")


@case("global maxconn: the same over two frontends")
def _():
    server = EchoServer("s1", banner=True)
    lbd = Lbd(HEAD.format(threads=4, more="maxconn 3") + f"""
listen t
    bind 127.0.0.1:@t@
    server s1 127.0.0.1:{server.port}
listen u
    bind 127.0.0.1:@u@
    server s1 127.0.0.1:{server.port}
""", stats=False)
    held = [Conn(lbd.at("t")), Conn(lbd.at("u")), Conn(lbd.at("t"))]
    for c in held:
        equal(c.recv_until(b"\n"), b"s1\n", "banner")
    d = Conn(lbd.at("u"))
    true(not select.select([d.sock], [], [], 0.4)[0], "the fourth one waits")
    held[0].close()
    equal(d.recv_until(b"\n"), b"s1\n", "banner of the fourth")


def redispatch_config(balance, dead, alive):
    """Five dead servers and a living one, every number of retries and interval."""
    text, names = f"""
defaults
    mode tcp
    option tcplog
    log stdout format raw daemon
    timeout client 8s
    timeout server 8s
    timeout connect 300
    balance {balance}
""", []
    for retries in range(6):
        for interval in ("", "1", "2", "3", "-1", "-2", "-3", "none"):
            if interval != "none" and retries + 1 + int(interval or -1) <= 0:
                continue			# haproxy divides by zero
            name = f"r{retries}i{interval}".replace("-", "m")
            names.append(name)
            text += f"listen {name}\n bind 127.0.0.1:@{name}@\n retries {retries}\n"
            text += " no option redispatch\n" if interval == "none" else f" option redispatch {interval}\n"
            for i in range(dead[1]):
                text += f" server d{i} 127.0.0.1:{dead[0]}\n"
            if alive:
                text += f" server alive 127.0.0.1:{alive}\n"
    return text, names


@cases("redispatch, balance {0}, {1} dead servers{3}: the same retries, pauses and servers as haproxy's", [
    ("roundrobin", 4, True, " and a living one"), ("leastconn", 5, False, ""), ("source", 5, False, ""),
    ("roundrobin", 1, False, "")])
def _(balance, ndead, with_alive, _words):
    dead = socket.socket()
    dead.bind(("127.0.0.1", 0))
    alive = Counting("alive", hold=0) if with_alive else None
    config, names = redispatch_config(balance, (dead.getsockname()[1], ndead), alive and alive.port)
    proxies = [Haproxy(config, stats=False), Lbd(config, stats=False)]
    in_parallel(2 * len(names), lambda i: ask(proxies[i % 2].at(names[i // 2])))
    wrong = []
    for name in names:
        m = [p.wait_log(rf" {name} {name}/(\S+) \S+/(\d+) \d+ (\S\S) \d+/\d+/\d+/\d+/(\S+) ") for p in proxies]
        (server, total, *rest), (server2, total2, *rest2) = m[0].groups(), m[1].groups()
        if (server, rest) != (server2, rest2) or abs(int(total) - int(total2)) > 140:
            wrong.append(f"{name}: lbd {m[1].groups()} haproxy {m[0].groups()}")
    equal(wrong, [], "differences")


def leave_descriptors(pid, n):
    """The process may open n more."""
    used = {int(f) for f in os.listdir(f"/proc/{pid}/fd")}
    limit, free = 0, n
    while free or limit in used:		# the lowest free numbers are given out first
        free -= limit not in used
        limit += 1
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))


@case("out of descriptors: open connections go on, waiting ones are served when some are free again")
def _():
    server = EchoServer("s1", banner=True)
    lbd = Lbd(HEAD.format(threads=2, more="") + f"""
listen t
    bind 127.0.0.1:@t@
    server s1 127.0.0.1:{server.port}
""", stats=False)
    a = Conn(lbd.at("t"))
    equal(a.recv_until(b"\n"), b"s1\n", "banner of the first")
    limits = resource.prlimit(lbd.pid, resource.RLIMIT_NOFILE)
    leave_descriptors(lbd.pid, 0)
    before = cpu_seconds(lbd.pid)
    b = Conn(lbd.at("t"))
    a.send(b"still here\n")
    equal(a.recv_until(b"\n"), b"still here\n", "echo of the first while there is no descriptor")
    true(not select.select([b.sock], [], [], 0.5)[0], "the second one waits")
    true(cpu_seconds(lbd.pid) - before < 0.2, "lbd does not spin")
    contains(lbd.log(), "reached process FD limit", "log")
    resource.prlimit(lbd.pid, resource.RLIMIT_NOFILE, limits)
    equal(b.recv_until(b"\n"), b"s1\n", "banner of the second")


@case("a descriptor short only for the server's side: the client is told, with R in the log")
def _():
    server = EchoServer("s1", banner=True)
    lbd = Lbd(HEAD.format(threads=1, more="") + f"""
listen t
    bind 127.0.0.1:@t@
    retries 0
    server s1 127.0.0.1:{server.port}
""", stats=False)
    leave_descriptors(lbd.pid, 1)
    c = Conn(lbd.at("t"))
    true(c.closed(), "closed")
    lbd.wait_log(r" t t/s1 \d+/-1/\d+ 0 RC ")


@case("rate-limit sessions 20: 50 clients take at least a second and a half, all are served")
def _():
    server = Counting("s1", hold=0)
    lbd = Lbd(HEAD.format(threads=2, more="") + f"""
listen t
    bind 127.0.0.1:@t@
    rate-limit sessions 20
    server s1 127.0.0.1:{server.port}
""", stats=False)
    start = time.monotonic()
    got = in_parallel(50, lambda i: ask(lbd.at("t")))
    took = time.monotonic() - start
    equal(got, [b"s1:x"] * 50, "answers")
    true(took >= 1.3, f"took {took:.2f} s")


@case("soft stop: nothing new, what runs goes on to its end, then exit 0")
def _():
    server = EchoServer("s1", banner=True)
    lbd = Lbd(HEAD.format(threads=4, more="") + f"""
listen t
    bind 127.0.0.1:@t@
    server s1 127.0.0.1:{server.port}
""", stats=False)
    held = [Conn(lbd.at("t")) for _ in range(5)]
    for c in held:
        equal(c.recv_until(b"\n"), b"s1\n", "banner")
    lbd.send_signal(signal.SIGUSR1)

    def refused():
        try:
            socket.create_connection(lbd.at("t"), 1).close()
        except ConnectionRefusedError:
            return True
    wait_for(refused, 5, "new connections are refused")
    for c in held:
        c.send(pattern(50000))
        equal(c.recv_exact(50000), pattern(50000), "echo during the soft stop")
    true(lbd.alive(), "it waits for its sessions")
    for c in held:
        c.close()
    equal(lbd.wait(5), 0, "exit status")


@cases("soft stop with connections in the accept queue, {0}: none is reset", [("by-process",), ("by-thread",)])
def _(shards):
    server = EchoServer("s1", banner=True)
    lbd = Lbd(HEAD.format(threads=4, more=f"tune.listener.default-shards {shards}") + f"""
listen t
    bind 127.0.0.1:@t@
    server s1 127.0.0.1:{server.port}
""", stats=False)
    lbd.send_signal(signal.SIGSTOP)			# so that they pile up in the queues
    held = [Conn(lbd.at("t")) for _ in range(40)]
    lbd.send_signal(signal.SIGUSR1)
    lbd.send_signal(signal.SIGCONT)
    for c in held:
        equal(c.recv_until(b"\n"), b"s1\n", "banner")
        c.close()
    equal(lbd.wait(5), 0, "exit status")


main()
