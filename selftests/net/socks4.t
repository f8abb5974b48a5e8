#!/usr/bin/env python3
# tap: timeout=60
"""Servers behind a SOCKS 4 proxy, their checks, PROXY headers through it; beside haproxy."""
import socket
import struct
import threading
from lbt import *

HEAD = """
defaults
    timeout client 8s
    timeout server 8s
    timeout connect 1s
    retries 0
"""
BOTH = [(Lbd,), (Haproxy,)]


def socks(asked, grant=90, slow=False):
    """A SOCKS 4 proxy; notes what it is asked for."""
    def one(c, peer):
        q = c.recv(8, socket.MSG_WAITALL)
        while (user := c.recv(1)) != b"\0":
            pass
        version, command, port, ip = struct.unpack(">BBH4s", q[:8])
        asked.append((version, command, socket.inet_ntoa(ip), port))
        reply = struct.pack(">BBHI", 0, grant, 0, 0)
        if grant != 90:
            c.sendall(reply)
            c.recv(1)
            return
        there = socket.create_connection((socket.inet_ntoa(ip), port))
        for piece in ([reply[:3], reply[3:]] if slow else [reply]):
            c.sendall(piece)

        def copy(a, b):
            try:
                while d := a.recv(65536):
                    b.sendall(d)
                b.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        t = threading.Thread(target=copy, args=(there, c))
        t.start()
        copy(c, there)
        t.join()
        there.close()
    return ScriptServer(one)


@cases("traffic goes through the proxy, in both modes, with a PROXY header behind the handshake: {0.label}", BOTH)
def _(P):
    asked = []
    x, s, h = socks(asked), EchoServer("s"), HttpServer("h")
    p = P(HEAD + f"""
listen t
    bind 127.0.0.1:@t@
    server s 127.0.0.1:{s.port} socks4 127.0.0.1:{x.port}
listen w
    mode http
    bind 127.0.0.1:@w@
    server s 127.0.0.1:{h.port} socks4 127.0.0.1:{x.port}
listen header
    bind 127.0.0.1:@header@
    server s 127.0.0.1:@seen@ socks4 127.0.0.1:{x.port} send-proxy
listen seen
    mode http
    bind 127.0.0.1:@seen@ accept-proxy
    http-request return status 200 hdr X-Src %[src_port]
""")
    equal(tcp_name(p.at("t")), "s", "tcp")
    equal(asked, [(4, 1, "127.0.0.1", s.port)], "what the proxy was asked")
    c = Conn(p.at("w"))
    for _ in range(3):
        equal(c.request("/").server, "h", "http")
    equal(len(asked), 2, "connections through the proxy")
    c = Conn(p.at("header"))
    c.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
    equal(c.read_response().header("X-Src"), str(c.sock.getsockname()[1]), "announced")


@case("a reply in two pieces, a banner right behind it, a refusal, an IPv6 server, a proxy that is not there")
def _():
    slow, no = [], []
    x, y, s = socks(slow, slow=True), socks(no, grant=91), EchoServer("s")
    p = Lbd(HEAD + f"""
listen slow
    bind 127.0.0.1:@slow@
    server s 127.0.0.1:{s.port} socks4 127.0.0.1:{x.port}
listen no
    bind 127.0.0.1:@no@
    server s 127.0.0.1:{s.port} socks4 127.0.0.1:{y.port}
listen six
    bind 127.0.0.1:@six@
    server s [::1]:{s.port} socks4 127.0.0.1:{x.port}
listen gone
    bind 127.0.0.1:@gone@
    server s 127.0.0.1:{s.port} socks4 127.0.0.1:@nobody@
""")
    equal(tcp_name(p.at("slow")), "s", "in two pieces")
    for name in ("no", "six", "gone"):
        true(Conn(p.at(name)).closed(8), f"{name}: closed")
        equal(p.stat(name)["econ"], "1", f"{name}: counted as a failed connection")


@cases("checks go to the server itself, or with check-via-socks4 through the proxy: {0.label}", BOTH)
def _(P):
    asked, refused = [], []
    x, y, h = socks(asked), socks(refused, grant=91), HttpServer("h")
    p = P(HEAD + f"""
backend b
    option httpchk
    server direct 127.0.0.1:{h.port} check inter 200ms socks4 127.0.0.1:{y.port}
    server via 127.0.0.1:{h.port} check inter 200ms fall 1 socks4 127.0.0.1:{x.port} check-via-socks4
    server fails 127.0.0.1:{h.port} check inter 200ms fall 1 socks4 127.0.0.1:{y.port} check-via-socks4
""")
    p.wait_status("b", "fails", "DOWN")
    wait_for(lambda: len(asked) > 1, 5, "checks through the proxy")
    equal(asked[0][2:4], ("127.0.0.1", h.port), "what for")
    wait_for(lambda: p.stat("b", "via")["check_status"] == "L7OK" and p.stat("b", "direct")["check_status"] == "L7OK", 5, "both pass")


main()
