#!/usr/bin/env python3
# tap: timeout=60
"""tune.h2.*: what a connection announces, beside Debian's haproxy, and when it ends."""
import struct
from lbt import *

CONFIG = """
global
{0}
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 5s
frontend f
    bind 127.0.0.1:@f@ proto h2
    http-request return status 200
"""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET = bytes([0x82, 0x84, 0x86, 0x41, 1]) + b"a"		# GET / over http from "a"


def frame(kind, flags, stream, body=b""):
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


class H2:
    def __init__(self, p):
        self.c = Conn(p.at("f"))
        self.c.send(PREFACE + frame(4, 0, 0))

    def read(self):
        head = self.c.recv_exact(9)
        return head[3], head[4], struct.unpack(">I", head[5:])[0], self.c.recv_exact(struct.unpack(">I", b"\0" + head[:3])[0])

    def until(self, kind):
        while True:
            f = self.read()
            if f[0] == kind and not (kind == 4 and f[1] & 1):
                return f

    def settings(self):
        body = self.until(4)[3]
        return {k: v for k, v in struct.iter_unpack(">HI", body)}

    def get(self, stream):
        self.c.send(frame(1, 5, stream, GET))


def conf(*lines):
    return CONFIG.format("".join(f"    {ln}\n" for ln in lines))


TABLE, STREAMS, WINDOW, FRAME = 1, 3, 4, 5
ROWS = [("tune.h2.max-concurrent-streams 7", STREAMS, 7), ("tune.h2.initial-window-size 5000", WINDOW, 5000),
        ("tune.h2.header-table-size 8192", TABLE, 8192)]


@cases("{0}: announced, as haproxy does", ROWS)
def _(line, field, want):
    for P in (Lbd, Haproxy):
        equal(H2(P(conf(line))).settings().get(field), want, P.label)


@cases("{0}: announced", [("tune.h2.fe.max-concurrent-streams 9", STREAMS, 9), ("tune.h2.fe.initial-window-size 6000", WINDOW, 6000),
                          ("tune.h2.max-frame-size 20000\n    tune.bufsize 32768", FRAME, 20000), ("tune.h2.max-frame-size 20000", FRAME, 16384),
                          ("tune.h2.be.max-concurrent-streams 9", STREAMS, 100), ("tune.h2.be.initial-window-size 9", WINDOW, 65535)])
def _(line, field, want):
    equal(H2(Lbd(conf(line))).settings().get(field), want, "setting")


@case("a client that keeps to the announced number is served, one request after the other")
def _():
    h = H2(Lbd(conf("tune.h2.max-concurrent-streams 2")))
    h.settings()
    for stream in (1, 3, 5):
        h.get(stream)
        equal(h.until(1)[2], stream, "answered")


@case("tune.h2.fe.max-total-streams: the last one is answered, then the connection ends")
def _():
    h = H2(Lbd(conf("tune.h2.fe.max-total-streams 2")))
    h.settings()
    h.get(1)
    equal(h.until(1)[2], 1, "the first answer")
    h.get(3)
    kinds, last = [], None
    while True:
        try:
            kind, _, stream, body = h.read()
        except (AssertionError, EOFError, OSError):
            break
        kinds.append((kind, stream))
        if kind == 7:
            last = struct.unpack(">I", body[:4])[0]
    equal(last, 3, "the last stream that GOAWAY names")
    true((1, 3) in kinds, f"the second answer, in {kinds}")


main()
