#!/usr/bin/env python3
# tap: timeout=150
"""What passes through an HTTP service, byte by byte: keep-alive, pipelining, bodies of all framings, 1xx, tunnels, connection
headers, X-Forwarded-For, pooled server connections.
"""
import contextlib
import re
import socket
import threading
from lbt import *

DEFAULTS = """
    global
        nbthread 1
    defaults
        mode http
        timeout client 5s
        timeout server 5s
        timeout connect 1s
        timeout tunnel 5s
"""


def one(extra="", server=None, front="", back=""):
    """(lbd, server): a frontend FE with one server."""
    s = server or HttpServer("s1")
    p = Lbd(DEFAULTS + f"""
        {extra}
    frontend f
        bind 127.0.0.1:@FE@
        {front}
        default_backend b
    backend b
        {back}
        server s1 127.0.0.1:{s.port}
""")
    return p, s


def seen(s, i=-1):
    return s.requests[i][0].decode().lower()


@case("many requests on one connection, answered in order, pool of one server connection")
def _():
    p, s = one()
    c = Conn(p.at("FE"))
    for i in range(50):
        r = c.request(f"/bytes/{i * 7}")
        equal(r.body, pattern(i * 7), f"body {i}")
    equal(s.accepted, 1, "server connections")
    row = p.stat("b", "s1")
    equal((row["connect"], row["reuse"]), ("1", "49"), "connect, reuse")
    equal(p.stat("f", "FRONTEND")["req_tot"], "50", "req_tot")
    equal(p.stat("f", "FRONTEND")["hrsp_2xx"], "50", "hrsp_2xx")


@case("pipelined requests, also split in the middle, are answered in order")
def _():
    p, s = one()
    c = Conn(p.at("FE"))
    wire = b"".join(b"GET /bytes/%d HTTP/1.1\r\nHost: t\r\n\r\n" % n for n in range(100))
    for a, b in ((0, 33), (33, 1000), (1000, 2001), (2001, len(wire))):
        c.send(wire[a:b])
    for n in range(100):
        equal(c.read_response().body, pattern(n), f"response {n}")


@case("pipelined requests larger than a segment together")
def _():
    p, s = one()
    c = Conn(p.at("FE"))
    pad = "x" * 3000
    for n in range(30):
        c.send(f"GET /bytes/{n} HTTP/1.1\r\nHost: t\r\nPad: {pad}\r\n\r\n")
    for n in range(30):
        equal(c.read_response().body, pattern(n), f"response {n}")


@cases("a response of {0} bytes, {1}", [(n, kind) for n in (0, 1, 16384, 100000, 3000001) for kind in ("bytes", "chunked")])
def _(n, kind):
    p, s = one()
    c = Conn(p.at("FE"))
    for _ in range(2):
        equal(c.request(f"/{kind}/{n}").body, pattern(n), "body")


@cases("a request body of {0} bytes with content-length", [(0,), (1,), (15000,), (16384,), (2000003,)])
def _(n):
    p, s = one()
    c = Conn(p.at("FE"))
    for _ in range(2):
        body = pattern(n, 5)
        r = c.request("/echo", method="POST", body=body)
        equal(r.body[r.body.index(b"\r\n\r\n") + 4:], body, "echoed body")


@case("a chunked request body arrives, whatever its chunks and packets")
def _():
    p, s = one()
    c = Conn(p.at("FE"))
    body = pattern(30000)
    for size in (1, 7, 511, 5000):
        wire = b"".join(b"%x\r\n%b\r\n" % (len(part), part)
                        for part in (body[i:i + size] for i in range(0, len(body), size))) + b"0\r\n\r\n"
        c.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(0, len(wire), 4999):
            c.send(wire[i:i + 4999])
        r = c.read_response()
        equal(r.body[r.body.index(b"\r\n\r\n") + 4:], body, f"echoed body, chunks of {size}")


@case("HEAD, 204 and 304 have no body, and the connection goes on")
def _():
    p, s = one()
    c = Conn(p.at("FE"))
    r = c.request("/bytes/100", method="HEAD")
    equal((r.status, r.header("content-length")), (200, "100"), "HEAD")
    equal(c.request("/chunked/100", method="HEAD").status, 200, "HEAD chunked")
    equal(c.request("/status/204").status, 204, "204")
    equal(c.request("/status/304").status, 304, "304")
    equal(c.request("/bytes/5").body, pattern(5), "next body")
    equal(s.accepted, 1, "server connections")


@case("100-continue passes in both directions")
def _():
    def script(conn, peer):
        c = Conn(sock=conn)
        head = c.read_head()
        contains(head.lower(), b"expect: 100-continue", "head at the server")
        conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = c.recv_exact(5)
        conn.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body)
    p, s = one(server=ScriptServer(script))
    c = Conn(p.at("FE"))
    c.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    equal(c.read_head(), b"HTTP/1.1 100 Continue\r\n\r\n", "interim")
    c.send(b"hello")
    equal(c.read_head(), b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", "second interim")
    equal(c.read_response().body, b"hello", "body")


def upgrade_server(conn, peer):
    c = Conn(sock=conn)
    c.read_head()
    conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst")
    while data := conn.recv(65536):
        conn.sendall(data)
    conn.sendall(b"last")


@case("an upgrade becomes a tunnel: early bytes, large data both ways, half-close")
def _():
    p, s = one(server=ScriptServer(upgrade_server))
    c = Conn(p.at("FE"))
    c.send(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly")
    head = c.read_head()
    contains(head, b"101 Switching", "head")
    contains(head, b"connection: Upgrade", "head")
    equal(c.recv_exact(10), b"firstearly", "first bytes")
    data = pattern(3000000)
    threading.Thread(target=lambda: (c.sock.sendall(data), c.sock.shutdown(socket.SHUT_WR)), daemon=True).start()
    equal(c.recv_exact(len(data)), data, "echo")
    equal(c.recv_all(), b"last", "what came behind the half-close")


@case("CONNECT becomes a tunnel on 200, and an ordinary answer on 403")
def _():
    def script(conn, peer):
        c = Conn(sock=conn)
        head = c.read_head()
        if b"forbidden" in head:
            conn.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
            return
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while data := conn.recv(65536):
            conn.sendall(data)
    p, s = one(server=ScriptServer(script))
    c = Conn(p.at("FE"))
    c.send(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
    contains(c.read_head(), b"200 OK", "head")
    c.send(b"ping")
    equal(c.recv_exact(4), b"ping", "echo")
    c = Conn(p.at("FE"))
    c.send(b"CONNECT forbidden:443 HTTP/1.1\r\nHost: forbidden:443\r\n\r\n")
    r = c.read_response()
    equal((r.status, r.body), (403, b"no"), "answer")


@case("a 101 that nobody asked for is a bad gateway")
def _():
    p, s = one(server=ScriptServer(upgrade_server))
    equal(http(p.at("FE")).status, 502, "status")


@case("close modes: who is told to close, who is closed")
def _():
    p, s = one()
    c = Conn(p.at("FE"))
    r = c.request("/", headers={"Connection": "close"})
    equal(r.header("connection"), "close", "asked by the client")
    true(c.closed(), "client connection is closed")
    true("connection:" not in seen(s), "the server is not told")
    p, s = one("option http-server-close")
    c = Conn(p.at("FE"))
    for _ in range(3):
        equal(c.request("/").header("connection"), None, "http-server-close")
        contains(seen(s), "connection: close", "head at the server")
    equal(s.accepted, 3, "server connections")
    p, s = one("option httpclose")
    c = Conn(p.at("FE"))
    equal(c.request("/").header("connection"), "close", "httpclose")
    true(c.closed(), "client connection is closed")
    p, s = one("option httpclose\n option http-pretend-keepalive")
    Conn(p.at("FE")).request("/")
    true("connection:" not in seen(s), "pretend-keepalive")


@case("HTTP/1.0 clients: closed by default, kept when they ask, chunks taken off")
def _():
    p, s = one()
    c = Conn(p.at("FE"))
    c.send(b"GET /bytes/3 HTTP/1.0\r\n\r\n")
    r = c.read_response()
    equal((r.header("connection"), r.body), ("close", pattern(3)), "1.0")
    true(c.closed(), "closed")
    c = Conn(p.at("FE"))
    c.send(b"GET /bytes/3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    equal(c.read_response().header("connection"), "keep-alive", "kept")
    c.send(b"GET /chunked/10000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    r = c.read_response()
    equal((r.header("transfer-encoding"), r.header("connection"), r.body), (None, "close", pattern(10000)), "no chunks")


@case("hop-by-hop: our tokens leave the Connection header, others and TE: trailers stay")
def _():
    p, s = one()
    c = Conn(p.at("FE"))
    c.request("/", headers={"Connection": "foo, keep-alive, bar", "TE": "gzip"})
    contains(seen(s), "connection: foo,bar\r\n", "head at the server")
    true("\r\nte:" not in seen(s), "TE: gzip is gone")
    c.request("/", headers={"TE": "trailers"})
    contains(seen(s), "te: trailers\r\n", "head at the server")


@case("forwardfor: added, except, header, if-none")
def _():
    p, s = one("option forwardfor")
    http(p.at("FE"))
    contains(seen(s), "x-forwarded-for: 127.0.0.1\r\n", "head")
    c = Conn(p.at("FE"))
    c.request("/", headers={"X-Forwarded-For": "192.0.2.1"})
    contains(seen(s), "x-forwarded-for: 192.0.2.1\r\nx-forwarded-for: 127.0.0.1\r\n", "head")
    p, s = one("option forwardfor except 127.0.0.0/8")
    http(p.at("FE"))
    true("forwarded" not in seen(s), "excepted")
    p, s = one("option forwardfor except 127.0.0.2 header X-Client")
    http(p.at("FE"))
    contains(seen(s), "x-client: 127.0.0.1\r\n", "head")
    http(p.at("FE"), src="127.0.0.2")
    true("x-client" not in seen(s), "excepted")
    p, s = one("option forwardfor if-none")
    Conn(p.at("FE")).request("/", headers={"X-Forwarded-For": "192.0.2.1"})
    true("127.0.0.1" not in seen(s).replace("host: 127", ""), "if-none")
    p, s = one("option originalto")
    http(p.at("FE"))
    contains(seen(s), "x-original-to: 127.0.0.1\r\n", "head")


@cases("http-reuse {0}: {1} server connections for two clients of three requests", [
    ("never", 2), ("safe", 2), ("always", 1)])
def _(mode, want):
    p, s = one(back=f"http-reuse {mode}")
    for _ in range(2):
        c = Conn(p.at("FE"))
        for _ in range(3):
            equal(c.request("/").body, b"s1", "body")
    equal(s.accepted, want, "server connections")


@case("a pooled connection that the server closed meanwhile costs no request")
def _():
    p, s = one(back="http-reuse always")
    c = Conn(p.at("FE"))
    for _ in range(5):
        equal(c.request("/").status, 200, "status")
        for conn in list(s.conns):
            with contextlib.suppress(OSError):		# lbd was the first to close it
                conn.shutdown(socket.SHUT_RDWR)
    equal(p.stat("b", "s1")["eresp"], "0", "eresp")


@case("the server closes the pooled connection on the next request: GET goes out again, POST is left to the client")
def _():
    def script(conn, peer):
        c = Conn(sock=conn)
        c.read_head()
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        c.read_head(eof_ok=True)
    s = ScriptServer(script)
    p, s = one(server=s)
    c = Conn(p.at("FE"))
    for _ in range(4):
        equal(c.request("/").body, b"ok", "GET")
    equal(s.accepted, 4, "server connections")
    c.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n")
    true(c.closed(), "closed without an answer")


@case("one slow reader costs little memory and does not stop the others")
def _():
    p, s = one()
    slow = Conn(p.at("FE"), rcvbuf=4096)
    slow.send(b"GET /bytes/30000000 HTTP/1.1\r\nHost: t\r\n\r\n")
    slow.read_head()
    before = rss(p.pid)
    for _ in range(20):
        equal(http(p.at("FE"), "/bytes/1000").body, pattern(1000), "another client")
    true(rss(p.pid) - before < 4000, f"memory grew by {rss(p.pid) - before} kB")
    equal(slow.recv_exact(30000000), pattern(30000000), "the slow one's body")


def rss(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


@case("error pages: status line, headers in order, errorfile, errorloc, monitor-uri")
def _():
    with open(TMP + "/503.http", "w") as f:
        f.write("HTTP/1.0 503 Sorry\r\nContent-Type: text/plain\r\nX-File: yes\r\n\r\nwe are sorry\n")
    p = Lbd(DEFAULTS + f"""
    frontend f
        bind 127.0.0.1:@FE@
        monitor-uri /alive
        default_backend b
    frontend g
        bind 127.0.0.1:@FE2@
        errorfile 503 {TMP}/503.http
        errorloc 400 http://other/
    backend b
        server s 127.0.0.1:@NONE@
        retries 0
""")
    c = Conn(p.at("FE"))
    r = c.request("/")
    equal(r.head.split(b"\r\n")[0], b"HTTP/1.1 503 Service Unavailable", "status line")
    names = re.findall(rb"\r\n([^:\r]+):", r.head)
    equal(names, [b"content-length", b"cache-control", b"content-type"], "headers")
    contains(r.body, b"<h1>503 Service Unavailable</h1>", "body")
    equal(c.request("/alive").status, 200, "monitor-uri on the same connection")
    r = http(p.at("FE2"))
    equal((r.status, r.header("x-file"), r.body), (503, "yes", b"we are sorry\n"), "errorfile")
    c = Conn(p.at("FE2"))
    c.send(b"nonsense\r\n\r\n")
    r = c.read_response()
    equal((r.status, r.header("location")), (302, "http://other/"), "errorloc")


@case("timeouts of idle connections: http-keep-alive ends silently, http-request with 408")
def _():
    p, s = one("timeout http-keep-alive 300ms\n timeout http-request 600ms")
    c = Conn(p.at("FE"))
    c.request("/")
    true(c.closed(3), "idle connection is closed without a word")
    c = Conn(p.at("FE"))
    equal(c.read_response().status, 408, "no request")
    c = Conn(p.at("FE"))
    c.request("/")
    c.send(b"GET / HTTP/1.1\r\nHos")
    equal(c.read_response().status, 408, "half a request")


@case("a connection made before 'set server addr' is not used again after it")
def _():
    old, new = HttpServer("old"), HttpServer("new")
    p = Lbd(f"""
global
    nbthread 1
defaults
    mode http
    timeout connect 2s
    timeout client 10s
    timeout server 10s
listen FE
    bind 127.0.0.1:@FE@
    http-reuse always
    server s 127.0.0.1:{old.port}
""")
    c = Conn(p.at("FE"))
    c.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nab")
    wait_for(lambda: old.open_conns() >= 1, what="the request is at the server")
    contains(p.cmd(f"set server FE/s addr 127.0.0.1 port {new.port}"), "port changed")
    c.send(b"cd")
    equal(c.read_response().server, "old", "the exchange under way")
    equal([c.request("/").server for _ in range(3)], ["new"] * 3, "the next ones")
    wait_for(lambda: not old.open_conns(), what="the old connection is closed")


@case("no request of a client is lost when lbd stops softly")
def _():
    p, s = one()
    idle, busy = Conn(p.at("FE")), Conn(p.at("FE"))
    idle.request("/")
    busy.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nab")
    wait_for(lambda: int(p.stat("b", "BACKEND")["scur"]) == 1, what="the request is under way")
    p.send_signal(10)	# SIGUSR1
    true(idle.closed(), "the idle connection is closed")
    busy.send(b"cd")
    r = busy.read_response()
    equal(r.body[-4:], b"abcd", "body")
    equal(p.wait(), 0, "exit status")


main()
