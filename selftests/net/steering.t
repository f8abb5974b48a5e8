#!/usr/bin/env python3
# tap: timeout=90
"""Wide `bind` addresses (networks, long ranges of ports) on one listening socket per thread, steered by an sk_lookup program:
which destination reaches which listener, what is refused, what happens at a reload and without the privilege.
"""
import os
import re
import signal
import socket
import subprocess
import threading
import time
from lbt import *

HEAD = """
global
    nbthread 2
    log stdout format raw daemon
defaults
    mode tcp
    log global
    log-format "line fe=%f dst=%[dst]:%[dst_port] bytes=%B state=%ts"
    timeout client 10s
    timeout server 10s
    timeout connect 3s
"""
WIDE = HEAD + """
listen wide
    bind 127.1.0.0/24:1000-60000
    server s1 127.0.0.1:{wide}
"""
NO_CAPS = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--reuid", "65534", "--clear-groups"]


def name_at(addr, port, ns=None, timeout=5):
    """The banner of who answers there, or the error's name."""
    try:
        c = Conn((addr, port), ns=ns) if ns else Conn((addr, port))
        name = c.recv_until(b"\n").decode().strip()
        c.close()
        return name
    except ConnectionRefusedError:
        return "refused"
    except ConnectionResetError:			# it waited to be accepted when the listener went
        return "reset"


def echo(name):
    return EchoServer(name, banner=True)


def listening_sockets(pid):
    """How many TCP sockets of the process listen."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        m = re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}"))
        if m:
            inodes.add(m.group(1))
    n = 0
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}") as f:
            n += sum(ln.split()[3] == "0A" and ln.split()[9] in inodes for ln in f.readlines()[1:])
    return n


def memory_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(next(ln for ln in f if ln.startswith("RssAnon")).split()[1])


def cpu_ms(pid):
    with open(f"/proc/{pid}/schedstat") as f:
        main = int(f.read().split()[0])
    return main / 1e6


@case("a /24 with 59,001 ports: every corner of it answers, nothing around it does")
def _():
    s = echo("w")
    lbd = Lbd(WIDE.format(wide=s.port))
    got = {(a, p): name_at(a, p) for a, p in
           [("127.1.0.0", 1000), ("127.1.0.0", 60000), ("127.1.0.255", 1000), ("127.1.0.255", 60000), ("127.1.0.77", 31337),
            ("127.1.0.1", 999), ("127.1.0.1", 60001), ("127.0.255.255", 1000), ("127.1.1.0", 1000), ("127.0.0.1", 1000)]}
    equal(list(got.values()), ["w"] * 5 + ["refused"] * 5, f"{got}")
    lbd.wait_log(r"line fe=wide dst=127\.1\.0\.77:31337 bytes=2 state=--")
    lbd.wait_log(r"line fe=wide dst=127\.1\.0\.255:60000 bytes=2 state=--")
    equal(listening_sockets(lbd.pid), 2, "listening sockets for two threads")
    c = Conn(("127.1.0.9", 4321))
    c.recv_until(b"\n")
    contains(lbd.cmd("show sess"), "fe=wide", "show sess")
    row = lbd.stat("wide", "FRONTEND")
    equal((row["scur"], row["stot"]), ("1", "6"), "sessions, now and in total")
    c.close()


@case("it starts with at most 100 ms of CPU and 1 MB more than one port")
def _():
    s = echo("w")
    one = Lbd(WIDE.format(wide=s.port).replace("127.1.0.0/24:1000-60000", "127.1.0.1:1000"))
    base_ms, base_kb = cpu_ms(one.pid), memory_kb(one.pid)
    one.stop()
    begin = time.monotonic()
    lbd = Lbd(WIDE.format(wide=s.port))
    took = time.monotonic() - begin
    ms, kb = cpu_ms(lbd.pid) - base_ms, memory_kb(lbd.pid) - base_kb
    note(f"{ms:.1f} ms of CPU and {kb} KB more than one port; ready after {took * 1000:.0f} ms by the clock")
    if "asan" not in os.environ.get("O", "") and "tsan" not in os.environ.get("O", ""):
        true(ms < 100, f"{ms:.0f} ms of CPU")
        true(kb < 1024, f"{kb} KB")


@case("the longer network wins, an address of its own over all, a port range falls through to the network around")
def _():
    servers = {n: echo(n) for n in ("wide", "narrow", "own", "every")}
    text = HEAD + "".join(f"listen {n}\n    bind {b}\n    server s 127.0.0.1:{servers[n].port}\n" for n, b in (
        ("wide", "127.1.0.0/16:2000-3000"), ("narrow", "127.1.7.0/24:2500-2600"), ("own", "127.1.7.5:2550"),
        ("every", ":2100-2900")))
    Lbd(text)
    for addr, port, want in (("127.1.1.1", 2000, "wide"), ("127.1.7.1", 2499, "wide"), ("127.1.7.1", 2500, "narrow"),
                             ("127.1.7.1", 2600, "narrow"), ("127.1.7.1", 2601, "wide"), ("127.1.7.5", 2550, "own"),
                             ("127.1.7.5", 2551, "narrow"), ("127.1.7.6", 2550, "narrow"), ("127.2.0.1", 2550, "every"),
                             ("127.2.0.1", 2099, "refused"), ("127.2.0.1", 2901, "refused")):
        equal(name_at(addr, port), want, f"who answers at {addr}:{port}")


@case("IPv6 networks and sockets for both families")
def _():
    run("ip -6 route add local 2001:db8:7::/48 dev lo")
    at_end(run, "ip -6 route del local 2001:db8:7::/48 dev lo")
    s6, both, only = echo("six"), echo("both"), echo("only")
    Lbd(HEAD + f"""
listen six
    bind [2001:db8:7:1::/64]:5000-5100
    server s 127.0.0.1:{s6.port}
listen both
    bind :::6000-6100 v4v6
    server s 127.0.0.1:{both.port}
listen only
    bind :::6200-6300 v6only
    server s 127.0.0.1:{only.port}
""")
    for addr, port, want in (("2001:db8:7:1::", 5000, "six"), ("2001:db8:7:1:ffff::1", 5100, "six"),
                             ("2001:db8:7:2::1", 5000, "refused"), ("::1", 6050, "both"), ("127.0.0.1", 6050, "both"),
                             ("2001:db8:7:2::1", 6000, "both"), ("::1", 6250, "only"), ("127.0.0.1", 6250, "refused")):
        equal(name_at(addr, port), want, f"who answers at {addr} {port}")


@case("both threads get connections, and each answers")
def _():
    s = echo("w")
    lbd = Lbd(WIDE.format(wide=s.port))
    conns = [Conn(("127.1.0.1", 2000 + i)) for i in range(64)]
    for i, c in enumerate(conns):
        equal(c.recv_until(b"\n"), b"w\n", "banner")
        c.send(b"%d" % i)
        equal(c.recv_exact(len(b"%d" % i)), b"%d" % i, "echo")
    tids = [ln.split("fe=")[0].split(":")[0] for ln in lbd.cmd("show sess").splitlines() if "fe=wide" in ln]
    threads = {int(t, 16) >> 48 for t in tids}
    equal(threads, {0, 1}, "threads that have sessions")


@case("a listener of another program in the range is an error that names it, and keeps its connections")
def _():
    s, other = echo("w"), echo("other")
    foreign = socket.socket()
    foreign.bind(("127.1.0.200", 4444))
    foreign.listen(1)
    at_end(foreign.close)
    lbd = Lbd(WIDE.format(wide=s.port), wait=False)
    equal(lbd.wait(), 1, "exit status")
    contains(lbd.log(), f"(pid {os.getpid()}) listens on 127.1.0.200:4444", "message")
    contains(lbd.log(), "bind '127.1.0.0/24:1000-60000'", "message")
    c = socket.create_connection(("127.1.0.200", 4444), 2)
    c.close()
    equal(name_at("127.1.0.1", 2000), "refused", "nothing was left attached")


@case("ranges of one network that overlap are an error")
def _():
    s = echo("w")
    lbd = Lbd(WIDE.format(wide=s.port) + f"listen two\n    bind 127.1.0.0/24:60000-60100\n    server s 127.0.0.1:{s.port}\n",
              wait=False)
    equal(lbd.wait(), 1, "exit status")
    contains(lbd.log(), "ports of it belong to 'bind 127.1.0.0/24:1000-60000'", "message")


@case("disable and enable frontend: refused meanwhile, then served again")
def _():
    s = echo("w")
    lbd = Lbd(WIDE.format(wide=s.port))
    lbd.cmd("disable frontend wide")
    wait_for(lambda: name_at("127.1.0.1", 2000) == "refused", 5, "it refuses")
    lbd.cmd("enable frontend wide")
    equal([name_at("127.1.0.1", 2000 + i) for i in range(16)], ["w"] * 16, "after enable")
    lbd.cmd("shutdown frontend wide")
    wait_for(lambda: name_at("127.1.0.1", 2000) == "refused", 5, "it is shut down")


@case("-sf: no connection fails while a new process takes over, the old session goes on")
def _():
    s = echo("w")
    old = Lbd(WIDE.format(wide=s.port))
    held = Conn(("127.1.0.50", 1234))
    held.recv_until(b"\n")
    failed, done, stop = [], [0], threading.Event()

    def knock():
        while not stop.is_set():
            got = name_at("127.1.0.3", 1000 + done[0] % 50000)
            done[0] += 1
            if got != "w":
                failed.append(got)
    knocker = threading.Thread(target=knock)
    knocker.start()
    at_end(stop.set)
    new = Lbd(WIDE.format(wide=s.port).replace("listen wide", "listen second"), args=["-sf", str(old.pid)])
    old.wait_log("Proxy wide stopped")
    before = done[0]
    wait_for(lambda: done[0] > before + 50, 10, "fifty more connections")
    stop.set()
    knocker.join()
    equal(failed, [], f"failed connections of {done[0]}")
    held.send(b"still here")
    equal(held.recv_exact(10), b"still here", "the session of the old process")
    held.close()
    equal(old.wait(), 0, "exit status of the old process")
    equal(name_at("127.1.0.1", 2000), "w", "the new one serves")
    new.wait_log("fe=second dst=127.1.0.1:2000")


@case("a successor that fails late changes nothing, and one that dies gives back")
def _():
    s = echo("w")
    old = Lbd(WIDE.format(wide=s.port))
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen(1)
    at_end(taken.close)
    bad = Lbd(WIDE.format(wide=s.port) + f"listen z\n    bind 127.0.0.1:{taken.getsockname()[1]}\n    server s 127.0.0.1:1\n",
              args=["-sf", str(old.pid)], wait=False)
    equal(bad.wait(), 1, "exit status")
    equal(name_at("127.1.0.1", 2000), "w", "the old one serves")
    # without -sf nobody is told to end: the young one has the last word while it lives
    second = echo("second")
    young = Lbd(WIDE.format(wide=second.port).replace("127.1.0.0/24:1000", "127.1.0.0/24:1001").replace("nbthread 2", "nbthread 1"),
                args=["-sf", "999999"])
    wait_for(lambda: name_at("127.1.0.1", 2000) == "second", 5, "the young one serves")
    young.kill()
    equal(name_at("127.1.0.1", 2000), "w", "the old one serves again")


@case("without the privilege: a range has a socket for each port, a network is an error that says why")
def _():
    s = echo("w")
    path = os.path.join(TMP, "noperm.cfg")

    def write(bind):
        with open(path, "w") as f:
            f.write(WIDE.format(wide=s.port).replace("127.1.0.0/24:1000-60000", bind))
    write("127.1.0.0/24:2000-3000")
    r = subprocess.run([*NO_CAPS, LBD, "-db", "-f", path], capture_output=True, text=True, timeout=10)
    equal(r.returncode, 1, "exit status")
    contains(r.stderr, "a network needs a kernel that steers connections to sockets", "message")
    contains(r.stderr, "CAP_BPF", "message")
    write("127.1.0.1:2000-2099")
    p = subprocess.Popen([*NO_CAPS, LBD, "-db", "-f", path], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    at_end(p.wait)
    at_end(p.terminate)
    wait_for(lambda: name_at("127.1.0.1", 2099) == "w", 5, "the last port answers")
    equal(name_at("127.1.0.1", 2000), "w", "the first port")
    equal(name_at("127.1.0.2", 2000), "refused", "another address")
    equal(listening_sockets(p.pid), 100, "listening sockets")


@case("an interface of the bind line is honoured, other network namespaces are not touched")
def _():
    net = Net(servers=1)
    s = EchoServer("w", ns=net.servers[0], addr="0.0.0.0", port=7000)
    net.client.run("ip route add 198.18.5.0/24 via 10.9.0.1")
    net.lb.run("ip route add local 198.18.5.0/24 dev lo")
    lbd = Lbd(HEAD + "listen w\n    bind 198.18.5.0/24:1000-2000 interface c0\n    bind 198.18.5.0/24:3000-4000 interface s1\n"
              "    server s 10.9.1.2:7000\n", ns=net.lb)
    equal(name_at("198.18.5.77", 1999, ns=net.client), "w", "through c0")
    equal(name_at("198.18.5.77", 3000, ns=net.client), "refused", "a listener of another interface")
    true(lbd.alive(), "lbd lives")
    run("ip route add local 198.18.5.0/24 dev lo")
    at_end(run, "ip route del local 198.18.5.0/24 dev lo")
    equal(name_at("198.18.5.77", 1999), "refused", "the same address in another namespace")


main()
