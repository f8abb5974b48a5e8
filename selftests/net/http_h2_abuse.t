#!/usr/bin/env python3
# tap: timeout=120
"""HTTP/2 clients that mean harm, written byte by byte: header floods and compression bombs, requests that would mean something else in
HTTP/1, streams that end while the client does not read. Other connections are served, memory stays small.
"""
import re
import struct
import threading
from lbt import *

CONFIG = """
    global
        nbthread 1
    defaults
        mode http
        timeout client 5s
        timeout server 1s
        timeout connect 1s
        retries 0
    frontend f
        bind 127.0.0.1:@FE@ proto h2
        default_backend b
    backend b
        server s1 127.0.0.1:@SRV@
"""

DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def number(n, bits, first):
    top = (1 << bits) - 1
    if n < top:
        return bytes([first | n])
    out, n = bytes([first | top]), n - top
    while n >= 128:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def text(z):
    z = z.encode("latin-1") if isinstance(z, str) else z
    return number(len(z), 7, 0) + z


def field(name, value, keep=False):
    """A literal header field; @keep: it goes into the dynamic table (as entry 62)."""
    return (b"\x40" if keep else b"\0") + text(name) + text(value)


def head(method="GET", path="/", scheme="http", authority="a.test", more=()):
    return b"".join(field(n, v) for n, v in [(":method", method), (":scheme", scheme), (":path", path), (":authority", authority), *more])


class H2:
    def __init__(self, p, window=None):
        self.c = Conn(p.at("FE"), timeout=5)
        settings = struct.pack(">HI", 4, window) if window is not None else b""
        self.c.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, settings))

    def send(self, *frames):
        self.c.send(b"".join(frames))

    def next(self):
        h = self.c.recv_exact(9)
        n = int.from_bytes(h[:3], "big")
        return h[3], h[4], int.from_bytes(h[5:9], "big"), self.c.recv_exact(n) if n else b""

    def until(self, kind, stream):
        """The payload of the first frame of that kind and stream; the connection must not end before."""
        while True:
            k, flags, s, payload = self.next()
            if (k, s) == (kind, stream):
                return payload
            if k == GOAWAY:
                raise AssertionError(f"GOAWAY {payload!r}")

    def answer(self, stream):
        """How a stream ended: the first byte of its HEADERS (an index into the static table or a literal), or RST."""
        while True:
            k, flags, s, payload = self.next()
            if s == stream and k in (HEADERS, RST):
                return "reset" if k == RST else payload[:5]
            if k == GOAWAY:
                return "goaway"


def start(server):
    return Lbd(CONFIG, ports={"SRV": server.port})


def rss(p):
    """Resident kB; 0 with a sanitizer, which keeps what was freed."""
    if "libasan" in open(f"/proc/{p.pid}/maps").read():
        return 0
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{p.pid}/status").read()).group(1))


def works(p):
    h = H2(p)
    h.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, head()))
    equal(h.answer(1)[:1], b"\x88", "another connection gets 200")
    h.c.close()


@cases("compression bomb: 16,000 times {0} of 4,000 bytes in one frame", [("x",), ("cookie",)])
def _(name):
    p = start(HttpServer("s1"))
    works(p)
    before = rss(p)
    h = H2(p)
    h.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, head(more=[]) + field(name, "v" * 4000, keep=True) + b"\xbe" * 8000))
    true(h.answer(1)[:1] != b"\x88", "it is refused")
    works(p)
    true(rss(p) - before < 3000, f"memory grew by {rss(p) - before} kB")


@cases("a request that HTTP/1 would read otherwise: {0}", [
    ("target without slash", dict(scheme="foo", path="b.test/x")),
    ("absolute target", dict(scheme="foo", path="http://b.test/x")),
    ("'*' with GET", dict(path="*")),
    ("'#' in the target", dict(path="/a#b")),
    ("byte above 0x7f in the target", dict(path="/a\xff")),
    ("authority with a user", dict(authority="b.test@a.test")),
    ("two target characters too many", dict(path="/ HTTP/1.1")),
])
def _(words, request):
    s = HttpServer("s1")
    p = start(s)
    h = H2(p)
    h.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, head(**request)), frame(HEADERS, END_HEADERS, 3, head("POST", **request)),
           frame(DATA, END_STREAM, 3, b"GET /smuggled HTTP/1.1\r\n\r\n"))
    for stream in (1, 3):
        got = h.answer(stream)
        true(got[:1] != b"\x88", f"answer {got!r}")
    equal(len(s.requests), 0, "requests that reached the server")


@case("the authority wins over a Host that differs, and cookies are one line")
def _():
    s = HttpServer("s1")
    p = start(s)
    h = H2(p)
    h.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, head(more=[("host", "b.test")] + [("cookie", f"c{i}={i}") for i in range(300)])))
    equal(h.answer(1)[:1], b"\x88", "answer")
    got = s.requests[-1][0].decode()
    equal(re.findall(r"(?m)^host: (.*?)\r$", got), ["a.test"], "host")
    equal(re.findall(r"(?m)^cookie: (.*?)\r$", got), ["; ".join(f"c{i}={i}" for i in range(300))], "cookie")


@case("trailers: framing, routing and authentication fields do not pass")
def _():
    got = []

    def raw(conn, peer):
        c = Conn(sock=conn)
        c.read_head()
        got.append(c.recv_until(b"\r\n\r\n"))
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    p = start(ScriptServer(raw))
    h = H2(p)
    trailers = b"".join(field(n, v) for n, v in [("x-fine", "1"), ("host", "b.test"), ("authorization", "Basic eDp5"), ("x-forwarded-for", "9.9.9.9"), ("cookie", "a=b")])
    h.send(frame(HEADERS, END_HEADERS, 1, head("POST")), frame(DATA, 0, 1, b"hello"),
           frame(HEADERS, END_STREAM | END_HEADERS, 1, trailers))
    equal(h.answer(1)[:1], b"\x88", "answer")
    equal(got, [b"5\r\nhello\r\n0\r\nx-fine: 1\r\n\r\n"], "body at the server")


@case("the server breaks off while the client does not read: the stream ends, the program does not")
def _():
    stop = threading.Event()

    def half(conn, peer):
        c = Conn(sock=conn)
        c.read_head()
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n")
        try:
            for _ in range(600):
                conn.sendall(b"x" * 65536)
        except OSError:
            pass
        stop.wait(8)
    s = ScriptServer(half)
    p = start(s)
    clients = []
    for _ in range(4):
        h = H2(p, window=0x7fffffff)
        clients.append(h)
        h.send(frame(WINDOW, 0, 0, struct.pack(">I", 0x7fff0000 - 65535)))
        h.send(*[frame(HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, head()) for i in range(4)])
    wait_for(lambda: s.open_conns() == 16, what="the server has all requests")
    p.cmd("disable server b/s1")
    p.cmd("shutdown sessions server b/s1")
    wait_for(lambda: p.stat("b", "s1")["scur"] == "0", what="the streams have ended")
    for h in clients:
        h.send(frame(PING, 0, 0, b"12345678"))
    stop.set()
    for h in clients:
        h.until(PING, 0)


@case("cancelled uploads give the connection's window back")
def _():
    hold = threading.Event()

    def slow(conn, peer):
        hold.wait(8)
        conn.close()
    s = ScriptServer(slow)
    p = start(s)
    h = H2(p)
    window = 65535
    for i in range(40):
        n = 2 * i + 1
        while window < 64000:
            window += struct.unpack(">I", h.until(WINDOW, 0))[0]
        h.send(frame(HEADERS, END_HEADERS, n, head("POST")), *[frame(DATA, 0, n, b"x" * 16000) for _ in range(4)], frame(RST, 0, n, struct.pack(">I", 8)))
        window -= 64000
    hold.set()


@case("requests that are refused at once, of a client that does not read: memory stays small")
def _():
    p = start(HttpServer("s1"))
    before = rss(p)
    h = H2(p)
    h.c.sock.settimeout(1)
    try:
        n = 1
        for _ in range(300):
            h.send(*[frame(HEADERS, END_STREAM | END_HEADERS, n + 2 * i, head(more=[("connection", "x")])) for i in range(1000)])
            n += 2000
    except OSError:
        pass
    works(p)
    true(rss(p) - before < 20000, f"memory grew by {rss(p) - before} kB")


main()
