#!/usr/bin/env python3
# tap: timeout=100
"""tune.splice sockmap: the kernel passes bytes from socket to socket. Thousands of connections of every kind, what the daemon still has
to know (counts, idle timeouts, ends), what falls back to another engine and is counted.
"""
import os
import re
import signal
import socket
import subprocess
import threading
import time
from lbt import *
from lbt.splice import BUFFERS, CONFIG, INSIDE_MOST, many_connections, calm_loopback, splice_counts

TIMES = """
global
    nbthread 1
    tune.splice {engine}
    log stdout format raw daemon
defaults
    mode tcp
    log global
    log-format "line in=%U out=%B state=%ts time=%Tt"
    timeout connect 3s
    timeout client {client}
    timeout server {server}
    {more}
listen t
    bind 127.0.0.1:@t@
    {rules}
    server s1 {addr}
"""


def start(engine="sockmap", client="5s", server="5s", more="", rules="", addr=None, port=None, **kw):
    text = TIMES.format(engine=engine, client=client, server=server, more=more, rules=rules, addr=addr or f"127.0.0.1:{port}")
    return Lbd(text, **kw)


def only(lbd, **want):
    """These fallbacks were counted, and no others."""
    got = {k[8:]: int(v) for k, v in splice_counts(lbd).items() if k.startswith("sockmap_") and v != "0"}
    equal(got, want, "fallbacks")


@case("2,000 connections of random sizes, orders of ends, early data, slow readers, aborts: every byte right, none stands still")
def _():
    calm_loopback()
    lbd = Lbd(CONFIG.format(more="tune.splice sockmap" + BUFFERS, server=""))
    got = many_connections(lbd, 2000, seed=11, gap_ms=1000, buffer=100000, timeout=80)
    counts = splice_counts(lbd)
    note(str(counts))
    true(got["inside"] <= INSIDE_MOST, f"{got['inside']} bytes were inside, at most {INSIDE_MOST}")
    true(int(counts["sockmap_slow_reader"]) >= 20, "slow readers were taken over")
    true(int(counts["bytes_spliced"]) > got["bytes"] // 2, "the kernel moved most bytes")
    equal((counts["sockmap_failed"], counts["sockmap_full"]), ("0", "0"), "failed, full")
    wait_for(lambda: lbd.cmd("show sess").strip().count("\n") == 0 and "fe=t" not in lbd.cmd("show sess"), 5, "all sessions ended")


@cases("show sess and the log have the bytes of both directions and the engine: {0}", [("sockmap",), ("pipe",), ("copy",)])
def _(engine):
    s = EchoServer("s", banner=False)
    lbd = start(engine, port=s.port)
    c = Conn(lbd.at("t"))
    for _ in range(3):
        c.send(pattern(1000))
        equal(c.recv_exact(1000), pattern(1000), "echo")
    line = lbd.cmd("show sess")
    contains(line, f" in=3000 out=3000 ", "show sess")
    contains(line, f" rq[{engine},read=3000,written=3000] rp[{engine},read=3000,written=3000]", "show sess")
    c.shut()
    equal(c.recv_all(), b"", "end of stream")
    c.close()
    lbd.wait_log(r"line in=3000 out=3000 state=-- ")
    row = lbd.stat("t", "FRONTEND")
    equal((row["bin"], row["bout"]), ("3000", "3000"), "counters")


@cases("idle timeouts count from the last byte, {0}: {1} runs out first", [
    (e, side) for e in ("sockmap", "copy") for side in ("client", "server")])
def _(engine, side):
    s = EchoServer("s", banner=False)
    lbd = start(engine, port=s.port, **{"client": "8s", "server": "8s", side: "800ms"})
    c = Conn(lbd.at("t"))
    begin = time.monotonic()
    for i in range(8):					# longer than the timeout, never silent for it
        c.send(b"x" * 10)
        c.recv_exact(10)
        time.sleep(0.2)					# the silence that is tested
    last = time.monotonic()
    true(last - begin > 1.2, "it lasted longer than the timeout")
    true(c.closed(5), "closed")
    took = time.monotonic() - last
    c.close()						# a half that is still open would wait for its own timeout
    lbd.wait_log(f"line in=80 out=80 state={side[0]}D ")
    true(0.3 < took < 3, f"closed {took:.2f} s after the pause")


@case("a half-closed connection has client-fin, and goes on until then")
def _():
    over = threading.Event()
    at_end(over.set)
    s = ScriptServer(lambda c, p: (c.recv(100), c.sendall(b"answer"), c.recv(100), over.wait(20)), "s")
    lbd = start(port=s.port, more="timeout server-fin 700ms")
    c = Conn(lbd.at("t"))
    c.send(b"ask")
    equal(c.recv_exact(6), b"answer", "answer")
    c.shut()
    begin = time.monotonic()
    true(c.closed(5), "closed by the server's -fin timeout")
    true(0.4 < time.monotonic() - begin < 4, "not at once")
    lbd.wait_log("line in=3 out=6 state=sD ")


@case("bytes that rules have read come first, then the kernel goes on")
def _():
    s = EchoServer("s", banner=False)
    lbd = start(port=s.port, rules="tcp-request inspect-delay 3s\n    tcp-request content accept if { req.len ge 4000 }")
    c = Conn(lbd.at("t"))
    c.send(pattern(3000))
    c.send(pattern(5000, start=3000))
    equal(c.recv_exact(8000), pattern(8000), "echo")
    for i in range(20):
        c.send(pattern(20000))
        equal(c.recv_exact(20000), pattern(20000), "echo")
    contains(lbd.cmd("show sess"), "rq[sockmap,read=408000,written=408000]", "show sess")
    true(int(splice_counts(lbd)["bytes_spliced"]) > 600000, "the kernel moved most")


@case("aborts pass through, in both directions")
def _():
    seen = []

    def wait_for_reset(conn, peer):
        conn.sendall(b"hello")
        try:
            while conn.recv(1000):
                pass
            seen.append("end")
        except ConnectionResetError:
            seen.append("reset")
    s = ScriptServer(wait_for_reset, "s")
    lbd = start(port=s.port)
    c = Conn(lbd.at("t"))
    equal(c.recv_exact(5), b"hello", "from the server")
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    c.close()
    wait_for(lambda: seen == ["reset"], 5, "the server sees a reset")
    lbd.wait_log("line in=0 out=5 state=CD ")


@case("shutdown session ends one in the middle; a soft stop waits for the rest")
def _():
    s = EchoServer("s", banner=True)
    lbd = start(port=s.port)
    one, two = Conn(lbd.at("t")), Conn(lbd.at("t"))
    one.recv_until(b"\n"), two.recv_until(b"\n")
    line = next(ln for ln in lbd.cmd("show sess").splitlines() if f":{one.sock.getsockname()[1]} " in ln)
    lbd.cmd("shutdown session " + line.split(":")[0])
    true(one.closed(5), "the first is closed")
    lbd.send_signal(signal.SIGUSR1)
    two.send(b"still")
    equal(two.recv_exact(5), b"still", "the second goes on")
    two.close()
    equal(lbd.wait(), 0, "exit status")


@case("a client that has ended its side before there is a server: insertion is refused, the bytes come by copying")
def _():
    s = ScriptServer(lambda c, p: c.sendall(pattern(300000)), "s")
    lbd = start(port=s.port, rules="tcp-request inspect-delay 300ms\n    tcp-request content accept if WAIT_END")
    c = Conn(lbd.at("t"))
    c.shut()
    equal(c.recv_all(), pattern(300000), "all bytes")
    c.close()
    only(lbd, refused=1)


@case("a server on a unix socket is not for the kernel, and counted")
def _():
    path = os.path.join(TMP, "u.sock")
    u = socket.socket(socket.AF_UNIX)
    u.bind(path)
    u.listen(1)
    at_end(u.close)
    lbd = start(addr="unix@" + path)
    c = Conn(lbd.at("t"))
    c.send(b"hello")
    conn = u.accept()[0]
    equal(conn.recv(5), b"hello", "to the server")
    conn.sendall(b"back")
    equal(c.recv_exact(4), b"back", "to the client")
    conn.close()
    only(lbd, not_tcp=2)


@cases("no option: {0} keeps {1} out of the kernel", [
    ("no option splice-request", "rq", ), ("no option splice-response", "rp"), ("no option splice-auto", "rq[copy")])
def _(option, part):
    s = EchoServer("s", banner=True)
    lbd = start(port=s.port, rules=option)
    c = Conn(lbd.at("t"))
    c.recv_until(b"\n")
    line = lbd.cmd("show sess")
    engines = {"rq": re.search(r"rq\[(\w+)", line).group(1), "rp": re.search(r"rp\[(\w+)", line).group(1)}
    want = {"rq": "copy" if part != "rp" else "sockmap", "rp": "copy" if part != "rq" else "sockmap"}
    equal(engines, want, "engines")
    c.send(b"x" * 70000)
    equal(c.recv_exact(70000), b"x" * 70000, "echo")


@case("where its test fails (lo is down) the other engines do the work, and the plan says so")
def _():
    net = Net(servers=1)
    s = EchoServer("s", ns=net.servers[0], addr="0.0.0.0", port=7000)
    net.lb.run("ip link set lo down")
    lbd = Lbd(TIMES.format(engine="sockmap", client="5s", server="5s", more="", rules="", addr="10.9.1.2:7000").replace(
        "127.0.0.1:@t@", "10.9.0.1:8100"), ns=net.lb)
    contains(lbd.log(), "'tune.splice sockmap' is not possible here: its test on loopback failed: no connection over 127.0.0.1", "warning")
    c = Conn((net.vip, 8100), ns=net.client)
    equal(c.recv_until(b"\n"), b"s\n", "banner")
    contains(lbd.cmd("show splice"), "engine: auto\n", "show splice")
    contains(lbd.cmd("show datapath"), "no sockmap: its test on loopback failed", "show datapath")
    only(lbd, not_loaded=1)


@case("without the privilege: the same, with the reason")
def _():
    s = EchoServer("s", banner=True)
    path = os.path.join(TMP, "noperm.cfg")
    port = free_port()
    with open(path, "w") as f:
        f.write(TIMES.format(engine="sockmap", client="5s", server="5s", more="", rules="", addr=f"127.0.0.1:{s.port}").replace("@t@", str(port)))
    p = subprocess.Popen(["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--reuid", "65534", "--clear-groups",
                          LBD, "-db", "-f", path], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    at_end(p.wait)
    at_end(p.terminate)

    def up():
        try:
            Conn(("127.0.0.1", port)).close()
            return True
        except ConnectionRefusedError:
            return False
    wait_for(up, 10, "it listens")
    c = Conn(("127.0.0.1", port))
    equal(c.recv_until(b"\n"), b"s\n", "banner")
    c.close()
    p.terminate()
    contains(p.stderr.read(), "the splicing program (sockmap) cannot be loaded: Operation not permitted (CAP_BPF", "warning")


@case("after dropping to another user it still works")
def _():
    s = EchoServer("s", banner=True)
    text = TIMES.format(engine="sockmap\n    user nobody", client="5s", server="5s", more="", rules="", addr=f"127.0.0.1:{s.port}")
    lbd = Lbd(text)
    c = Conn(lbd.at("t"))
    c.recv_until(b"\n")
    c.send(b"x" * 50000)
    equal(c.recv_exact(50000), b"x" * 50000, "echo")
    contains(lbd.cmd("show sess"), "rq[sockmap,read=50000", "show sess")
    only(lbd)


main()
