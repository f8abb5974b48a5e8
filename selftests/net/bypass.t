#!/usr/bin/env python3
# tap: timeout=100
"""Server option `bypass`: connections to a server on this host go from socket to socket, past TCP. Thousands of connections of every
kind, ends, back-pressure, what falls back.
"""
from lbt import *
from lbt.splice import BUFFERS, CONFIG, INSIDE_MOST, calm_loopback, cgroups, many_connections, splice_counts


def tcp_segments():
    """Segments that TCP has sent in this namespace."""
    with open("/proc/net/snmp") as f:
        rows = [ln.split() for ln in f if ln.startswith("Tcp:")]
    return int(dict(zip(rows[0], rows[1]))["OutSegs"])


@case("2,000 connections of every kind: every byte right, none stands still, memory bounded")
def _():
    calm_loopback()
    cgroups()
    lbd = Lbd(CONFIG.format(more=BUFFERS, server="bypass"))
    got = many_connections(lbd, 2000, seed=21, gap_ms=1000, buffer=100000, timeout=80)
    counts = splice_counts(lbd)
    note(str(counts))
    true(int(counts["bypass_directions"]) > 1000, "directions went past TCP")
    true(int(counts["bypass_slow_reader"]) >= 20, "slow readers went back to TCP")
    true(got["inside"] <= INSIDE_MOST, f"{got['inside']} bytes were inside, at most {INSIDE_MOST}")
    wait_for(lambda: "fe=t" not in lbd.cmd("show sess"), 5, "all sessions ended")


@cases("a server in {0} mode answers, and the bytes are not in TCP's segments", [("tcp",), ("http",)])
def _(mode):
    cgroups()
    size = 400000
    body = pattern(size)

    def serve(conn, peer):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += conn.recv(1000)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % size + body)
    s = ScriptServer(serve, "s")
    text = CONFIG.replace("mode tcp", f"mode {mode}").replace("@server@", str(s.port))
    used = {}
    for word in ("", "bypass"):
        lbd = Lbd(text.format(more="", server=word))
        before = tcp_segments()
        c = Conn(lbd.at("t"))
        c.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = c.recv_all()
        true(answer.endswith(body) and answer.startswith(b"HTTP/1.1 200"), "the answer")
        used[word] = tcp_segments() - before
        equal(int(splice_counts(lbd)["bypass_directions"]), 1 if word else 0, "directions")
        lbd.stop()
    note(f"segments {used}")
    true(used["bypass"] < used[""] * 0.9, "fewer segments with bypass")


@case("a connection of somebody else to the same server goes by TCP as ever")
def _():
    cgroups()
    s = EchoServer("s", banner=True)
    lbd = Lbd(CONFIG.replace("@server@", str(s.port)).format(more="", server="bypass"))
    c = Conn(lbd.at("t"))
    equal(c.recv_until(b"\n"), b"s\n", "through lbd")
    c.send(pattern(100000))
    equal(c.recv_exact(100000), pattern(100000), "echo through lbd")
    lbd.kill()
    other = Conn(("127.0.0.1", s.port))
    equal(other.recv_until(b"\n"), b"s\n", "past lbd, which is gone")
    other.send(pattern(100000))
    equal(other.recv_exact(100000), pattern(100000), "echo")


@case("another server line with the same address shares it; no-bypass and unix sockets stay with TCP")
def _():
    cgroups()
    s, t = EchoServer("s", banner=False), EchoServer("t", banner=False)
    lbd = Lbd(CONFIG.format(more="", server="").replace("server s1 127.0.0.1:@server@", f"server s1 127.0.0.1:{s.port}") + f"""
listen other
    bind 127.0.0.1:@other@
    default-server bypass
    server s1 127.0.0.1:{s.port}
listen tcp
    bind 127.0.0.1:@tcp@
    default-server bypass
    server t 127.0.0.1:{t.port} no-bypass
listen unix
    bind 127.0.0.1:@unix@
    server u unix@/nowhere bypass
""")
    contains(lbd.log(), "listen 'unix', server 'u': 'bypass' is for plain TCP to one address and port", "warning")
    want = 0
    for name, more in (("t", 1), ("other", 1), ("tcp", 0)):
        c = Conn(lbd.at(name))
        for _ in range(20):
            c.send(pattern(50000))
            equal(c.recv_exact(50000), pattern(50000), f"echo through {name}")
        contains(lbd.cmd("show sess"), "rp[copy" if more else "rp[", "engine")
        c.close()
        want += more
        equal(int(splice_counts(lbd)["bypass_directions"]), want, f"directions after {name}")


@case("without cgroup2 it is said, and the connections go by TCP")
def _():
    s = EchoServer("s", banner=True)
    lbd = Lbd(CONFIG.replace("@server@", str(s.port)).format(more="", server="bypass"))
    contains(lbd.log(), "'bypass' is not possible here, its connections go by TCP: no cgroup2 is mounted", "warning")
    c = Conn(lbd.at("t"))
    equal(c.recv_until(b"\n"), b"s\n", "banner")
    equal(splice_counts(lbd)["bypass"], "off", "show splice")


main()
