#!/usr/bin/env python3
# tap: timeout=180
"""Nothing is left behind: each kind of bad or aborted connection comes 300 times, and afterwards there are as many descriptors, sessions,
tracked entries as before, and hardly more memory.
"""
import os
import re
import socket
import ssl
import struct
import time
from lbt import *
from lbt.tls import Cert, client_context

ROUNDS, FIRST = 300, 60
KB = 1024
MAY_GROW = 256 * KB		# in 300 connections
CERT = Cert("leaks", ["a.example"])

CONFIG = f"""
global
    nbthread 2
    maxconn 2000
    tune.splice @engine_@
defaults
    timeout connect 2s
    timeout client 4s
    timeout server 4s
    timeout queue 4s
    timeout client-hs 4s
backend who
    stick-table type ip size 100 expire 1h store conn_cur,conn_cnt,gpc0
frontend plain
    mode tcp
    bind 127.0.0.1:@plain@
    tcp-request connection track-sc0 src table who
    default_backend echo
frontend header
    mode http
    bind 127.0.0.1:@header@ accept-proxy
    tcp-request connection track-sc0 src table who
    default_backend web
frontend rejected
    mode tcp
    bind 127.0.0.1:@rejected@
    tcp-request connection track-sc0 src table who
    tcp-request connection reject
    default_backend echo
frontend sess_rejected
    mode tcp
    bind 127.0.0.1:@sess_rejected@
    tcp-request session track-sc1 src table who
    tcp-request session reject
    default_backend echo
frontend content_rejected
    mode tcp
    bind 127.0.0.1:@content_rejected@
    tcp-request inspect-delay 3s
    tcp-request content track-sc2 src table who if {{ req.len gt 0 }}
    tcp-request content reject if {{ req.len gt 0 }}
    default_backend echo
frontend dropped
    mode tcp
    bind 127.0.0.1:@dropped@
    tcp-request connection track-sc0 src table who
    tcp-request connection silent-drop
    default_backend echo
frontend content_dropped
    mode http
    bind 127.0.0.1:@http_dropped@
    http-request track-sc0 src table who
    http-request silent-drop if {{ path /drop }}
    http-request deny if {{ path /deny }}
    http-request pause 2s if {{ path /pause }}
    default_backend web
frontend inspected
    mode tcp
    bind 127.0.0.1:@inspected@
    tcp-request connection track-sc0 src table who
    tcp-request inspect-delay 3s
    tcp-request content accept if {{ req.len gt 9000 }}
    default_backend echo
frontend tls
    mode http
    bind 127.0.0.1:@tls@ ssl crt {CERT.pem} alpn h2,http/1.1
    tcp-request connection track-sc0 src table who
    default_backend web
frontend h2
    mode http
    bind 127.0.0.1:@h2@ proto h2
    http-request track-sc0 src table who
    default_backend web
listen queued
    mode http
    bind 127.0.0.1:@queued@
    http-request track-sc0 src table who
    server s1 127.0.0.1:%d maxconn 1
listen tcp_queued
    mode tcp
    bind 127.0.0.1:@tcp_queued@
    tcp-request connection track-sc0 src table who
    server s1 127.0.0.1:%d maxconn 1
backend echo
    mode tcp
    server s1 127.0.0.1:%d
backend web
    mode http
    server s1 127.0.0.1:%d
"""

echo, web = EchoServer("s1", banner=False), HttpServer("s1")
silent = ScriptServer(lambda c, p: [None for _ in iter(lambda: c.recv(65536), b"")], "silent")
sanitized = os.environ.get("O", "").endswith(("asan", "tsan"))


def start(engine="auto"):
    return Lbd(CONFIG.replace("@engine_@", engine) % (silent.port, silent.port, echo.port, web.port))


# ---- one connection of each kind ----

def connect(p, name):
    s = socket.create_connection(p.at(name), timeout=5)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def says(name, *parts, wait=False, rude=False):
    """Connects, says something, perhaps waits for the other side's end, and leaves."""
    def one(p, i):
        try:
            s = connect(p, name)
        except ConnectionError:
            return				# refused at once
        try:
            s.sendall(parts[i % len(parts)] if parts else b"")
            while wait and s.recv(65536):
                pass
        except ConnectionError:
            pass
        reset(s) if rude or i % 2 else s.close()
    return one


def hello(sni="a.example"):
    """The first flight of a TLS client."""
    inp, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    t = client_context(alpn=["h2"]).wrap_bio(inp, out, server_hostname=sni)
    try:
        t.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


HELLO = hello()


def tls_after_hello(p, i):
    """The server has answered with its certificate; then the client is gone."""
    s = connect(p, "tls")
    s.sendall(HELLO)
    s.recv(100)
    reset(s) if i % 2 else s.close()


def tls_after_handshake(p, i):
    s = connect(p, "tls")
    t = client_context(alpn=["h2"] if i % 2 else ["http/1.1"]).wrap_socket(s)
    if i % 3 == 0:
        t.sendall(b"GET /half HTT")
    reset(t)


def echoed_then_reset(p, i):
    s = connect(p, "plain")
    s.sendall(b"x" * (1 + i % 5000))
    s.recv(100)
    reset(s) if i % 2 else s.close()


def silently(p, i):
    """The daemon forgets the connection; the client ends it by itself."""
    s = connect(p, "http_dropped")
    s.sendall(b"GET /drop HTTP/1.1\r\nHost: a\r\n\r\n")
    reset(s)


def h2_frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def h2_words(*words):
    return b"".join(bytes([0, len(n)]) + n + bytes([len(v)]) + v for n, v in words)


H2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + h2_frame(4, 0, 0)
POST = h2_frame(1, 4, 1, h2_words((b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")))
GETS = b"".join(h2_frame(1, 5, n, h2_words((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")))
                for n in range(1, 21, 2))
V2 = b"\r\n\r\n\0\r\nQUIT\n"
TLVS = b"\x02\0\x05a.exa" + b"\xea\0\x03abc"
V2_GOOD = V2 + b"\x21\x11" + struct.pack(">H", 12 + len(TLVS)) + b"\x0a\0\0\1\x0a\0\0\2\0\1\0\2" + TLVS

KINDS = [
    ("a TCP connection without a byte, ended or reset", says("plain")),
    ("a TCP connection with bytes, reset at once", says("plain", b"x", b"y" * 5000, rude=True)),
    ("a TCP connection that had an answer", echoed_then_reset),
    ("garbage instead of a PROXY header", says("header", b"GET / HTTP/1.1\r\n\r\n", V2 + b"\xff" * 300, b"PROXY TCP4 x y z\r\n", wait=True)),
    ("half a PROXY header", says("header", b"PROXY TC", V2 + b"\x21", V2 + b"\x21\x11\x03\xe8" + b"\0" * 500)),
    ("a PROXY header with TLVs, then a reset", says("header", V2_GOOD, V2_GOOD + b"GET / HT", rude=True)),
    ("garbage instead of a TLS handshake", says("tls", b"\x80" * 500, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05" + b"\7" * 600, wait=True)),
    ("half a TLS hello", says("tls", HELLO[:3], HELLO[:60], HELLO[:-1], b"\x16\x03\x01\x40\0" + b"\1" * 600)),
    ("a TLS handshake that is left in the middle", tls_after_hello),
    ("TLS that is reset after its handshake", tls_after_handshake),
    ("tracked and rejected before the handshakes", says("rejected", wait=True)),
    ("tracked and rejected as a session", says("sess_rejected", wait=True)),
    ("tracked and rejected by the first bytes", says("content_rejected", b"hello", wait=True)),
    ("silent-drop of a connection", says("dropped", b"x", rude=True)),
    ("silent-drop of a request", silently),
    ("a denied request", says("http_dropped", b"GET /deny HTTP/1.0\r\n\r\n", wait=True)),
    ("a pause that is left", says("http_dropped", b"GET /pause HTTP/1.0\r\n\r\n")),
    ("inspection that is left in the middle", says("inspected", b"some", b"s" * 8000)),
    ("an HTTP/1 request that is left in its head or body", says("header", V2_GOOD + b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab")),
    ("HTTP/2 that is left while a body is sent", says("h2", H2 + POST + h2_frame(0, 0, 1, b"z" * 3000), H2[:20], H2 + POST[:30])),
    ("HTTP/2 with ten requests, reset before the answers", says("h2", H2 + GETS, rude=True)),
    ("HTTP/2 requests that are reset by frames", says("h2", H2 + GETS + b"".join(h2_frame(3, 0, n, b"\0\0\0\x08") for n in range(1, 21, 2)))),
    ("HTTP/2 with broken frames", says("h2", H2 + b"\xff" * 900, H2 + h2_frame(9, 4, 1, b"z"), H2 + h2_frame(1, 5, 1, b"\xff" * 80), wait=True)),
    ("a request that leaves the queue", says("queued", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")),
    ("a TCP connection that leaves the queue", says("tcp_queued", b"x", rude=True)),
]


# ---- what is held ----

def descriptors(p):
    return len(os.listdir(f"/proc/{p.pid}/fd"))


def memory(p):
    with open(f"/proc/{p.pid}/status") as f:
        return int(next(ln for ln in f if ln.startswith("RssAnon")).split()[1]) * KB


def in_use(p):
    """Uses of tracked entries, and what they count as open."""
    text = p.cmd("show table who")
    return sum(int(n) for n in re.findall(r" use=(\d+) ", text)), sum(int(n) for n in re.findall(r" conn_cur=(\d+)", text))


def held(p):
    info = p.info()
    return {"descriptors": descriptors(p), "CurrConns": int(info["CurrConns"]), "tracked, conn_cur": in_use(p)}


def quiet(p):
    """Nobody is connected any more, and server connections that may serve again have gone too."""
    wait_for(lambda: int(p.info()["CurrConns"]) == 0, 10, "no session is left")
    wait_for(lambda: all(r.get("scur", "0") in ("", "0") for r in (p.stat("queued", "s1"), p.stat("web", "s1"), p.stat("echo", "s1"))), 10,
             "no server is in use")


def rest(p, want=None):
    """What is held when all is quiet. A kept server connection may end a little later."""
    quiet(p)
    if not want:
        return held(p)
    try:
        wait_for(lambda: held(p) == want, 6, "as before")
    except AssertionError:
        pass
    return held(p)


def many(p, one, count):
    for i in range(count):
        one(p, i)


def check(p, one):
    many(p, one, FIRST)				# stacks and kept connections are there
    before = rest(p)
    for turn in range(8):			# pools and malloc keep what was needed at a time; what leaks comes every time
        bytes_before = memory(p)
        many(p, one, ROUNDS)
        after = rest(p, before)
        grown = memory(p) - bytes_before
        note(f"{grown // KB} kB more")
        equal({**after, "descriptors": 0}, {**before, "descriptors": 0}, "what is held")
        true(after["descriptors"] <= before["descriptors"] + 4, f"descriptors: {before['descriptors']}, then {after['descriptors']}")
        if sanitized or grown < MAY_GROW:
            return
    fail(f"{grown} bytes more in each {ROUNDS} connections")


base = start()


@cases("{0}: nothing is left of it", KINDS)
def _(words, one):
    check(base, one)


spliced = start("sockmap")


@cases("sockmap: {0}: nothing is left of it", [KINDS[1], KINDS[2]])
def _(words, one):
    check(spliced, one)


@case("sessions that an operator ends leave no tracked entry")
def _():
    before = rest(base)
    clients = [connect(base, "plain") for _ in range(50)]
    at_end(lambda: [c.close() for c in clients])
    for c in clients:
        c.sendall(b"x")
        equal(c.recv(1), b"x", "echo")
    equal(in_use(base), (50, 50), "tracked meanwhile")
    base.cmd("shutdown sessions server echo/s1")
    true(all(c.recv(1) == b"" for c in clients), "they are ended")
    equal(rest(base, before), before, "what is held")


@case("at the end both serve, and stop when asked")
def _():
    for p in (base, spliced):
        c = Conn(p.at("plain"))
        c.send(b"ping")
        equal(c.recv_exact(4), b"ping", "echo")
        c.close()
        quiet(p)
        equal(in_use(p), (0, 0), "tracked")


main()
