#!/usr/bin/env python3
# tap: timeout=60
"""Balancing and queueing side by side with Debian's haproxy: hash-balance-factor, balance rdp-cookie, persist rdp-cookie, option
prefer-last-server, priorities in the queue; and what haproxy 2.6 does not have: hash-type none, hash-key.
"""
import socket
import struct
from lbt import *

HEAD = """
defaults
    mode tcp
    timeout connect 1s
    timeout client 20s
    timeout server 20s
    timeout queue 20s
"""


def name_of(conn):
    return conn.recv_until(b"\n").decode().strip()


@cases("hash-balance-factor {0}, weights {1}: the same servers for held connections", [
    (125, (1, 1, 1, 1)), (150, (1, 2, 3, 4)), (110, (5, 1, 1, 1)), (130, (3, 1, 4, 2)), (0, (1, 1, 1, 1))])
def _(factor, weights):
    servers = [EchoServer(f"s{i}") for i in range(4)]
    seen = []
    for P in (Haproxy, Lbd):
        p = P(HEAD + f"""
listen b
    bind 127.0.0.1:@b@
    balance source
    hash-type consistent
    {f"hash-balance-factor {factor}" if factor else ""}
""" + "".join(f"    server s{i} 127.0.0.1:{s.port} weight {w}\n" for i, (s, w) in enumerate(zip(servers, weights))))
        held = []
        names = []
        for _ in range(30):
            c = Conn(p.at("b"))
            names.append(name_of(c))
            held.append(c)
        for c in held:
            c.close()
        p.stop()
        seen.append(names)
    equal(seen[1], seen[0], "servers")
    true((len(set(seen[1])) > 1) == bool(factor), "spread only with a factor")


def rdp(cookie):
    data = b"Cookie: " + cookie + b"\r\n\x01\x00\x08\x00\x03\x00\x00\x00"
    x224 = bytes([6 + len(data), 0xe0, 0, 0, 0, 0, 0])
    return struct.pack(">BBH", 3, 0, 4 + len(x224) + len(data)) + x224 + data


def rdp_file(lines, servers):
    return HEAD + f"""
listen b
    bind 127.0.0.1:@b@
    tcp-request inspect-delay 5s
    tcp-request content accept if RDP_COOKIE
    tcp-request content accept if WAIT_END
{lines}
""" + "".join(f"    server s{i} 127.0.0.1:{s.port}\n" for i, s in enumerate(servers))


@cases("balance rdp-cookie{0}{1}", [("", ""), ("(msts)", ""), ("", " hash-type consistent")])
def _(name, more):
    servers = [EchoServer(f"s{i}") for i in range(4)]
    seen = []
    for P in (Haproxy, Lbd):
        p = P(rdp_file(f"    balance rdp-cookie{name}\n   {more}", servers))
        names = []
        for i in range(24):
            c = Conn(p.at("b"))
            c.send(rdp((b"msts" if name else b"mstshash") + b"=user%d" % (i % 8)))
            names.append(name_of(c))
            c.close()
        p.stop()
        seen.append(names)
    equal(seen[1], seen[0], "servers")
    equal(seen[1][:8], seen[1][8:16], "the same cookie, the same server")


@case("persist rdp-cookie: the server that the cookie names, unless it is down")
def _():
    servers = [EchoServer(f"s{i}") for i in range(3)]
    seen = []

    def cookie(port, ip="127.0.0.1"):
        return b"msts=%d.%d.0000" % (struct.unpack("<I", socket.inet_aton(ip))[0], socket.htons(port))
    for P in (Haproxy, Lbd):
        p = P(rdp_file("    persist rdp-cookie\n    balance roundrobin", servers))
        names = []

        def ask(c):
            conn = Conn(p.at("b"))
            conn.send(rdp(c))
            names.append(name_of(conn))
            conn.close()
        for c in (cookie(servers[2].port), cookie(servers[1].port), cookie(servers[2].port), cookie(1), cookie(1),
                  b"msts=abc", cookie(servers[0].port, "127.0.0.2"), b"mstshash=joe"):
            ask(c)
        p.cmd("set server b/s2 state maint")
        ask(cookie(servers[2].port))
        p.cmd("set server b/s2 state drain")
        ask(cookie(servers[2].port))
        p.stop()
        seen.append(names)
    equal(seen[1], seen[0], "servers")


@cases("option prefer-last-server: {0}, http-reuse {1}", [("yes", "never"), ("no", "never"), ("yes", "safe")])
def _(yes, reuse):
    servers = [HttpServer(f"s{i}") for i in range(3)]
    seen = []
    for P in (Haproxy, Lbd):
        p = P(HEAD.replace("mode tcp", "mode http") + f"""
listen b
    bind 127.0.0.1:@b@
    balance roundrobin
    http-reuse {reuse}
    {"option prefer-last-server" if yes == "yes" else "no option prefer-last-server"}
""" + "".join(f"    server s{i} 127.0.0.1:{s.port}\n" for i, s in enumerate(servers)))
        names = []
        for _ in range(2):
            c = Conn(p.at("b"))
            names += [c.request("/").server for _ in range(5)]
            c.close()
        p.stop()
        seen.append(names)
    equal(seen[1], seen[0], "servers")


@case("priorities: classes first, then times with their offsets")
def _():
    seen = []
    for P in (Haproxy, Lbd):
        echo = EchoServer("s", banner=False)
        p = P(HEAD + f"""
listen b
    bind 127.0.0.1:@b@
    tcp-request inspect-delay 5s
    tcp-request content set-priority-class int(-5) if {{ req.payload(0,1) -m str H }}
    tcp-request content set-priority-class int(5) if {{ req.payload(0,1) -m str L }}
    tcp-request content set-priority-offset int(-60000) if {{ req.payload(1,1) -m str e }}
    tcp-request content set-priority-offset int(60000) if {{ req.payload(1,1) -m str l }}
    tcp-request content accept if {{ req.len ge 3 }}
    server s 127.0.0.1:{echo.port} maxconn 1
""")
        order = ["N-0", "Ll1", "N-2", "He3", "L-4", "Nl5", "H-6", "Ne7", "N-8", "Le9"]
        conns = {}
        for i, what in enumerate(order):
            conns[what] = Conn(p.at("b"))
            conns[what].send(what.encode())
            if i == 0:
                equal(conns[what].recv_exact(3), b"N-0", "the first is served")
            else:
                wait_for(lambda: p.stat("b", "BACKEND")["qcur"] == str(i), 5, f"{i} wait")
        done = []
        conns.pop("N-0").close()
        while conns:
            def next_one():
                for what, c in conns.items():
                    c.sock.setblocking(False)
                    try:
                        if c.sock.recv(10):
                            return what
                    except BlockingIOError:
                        pass
                return None
            what = wait_for(next_one, 5, "the next is served")
            done.append(what)
            conns.pop(what).close()
        p.stop()
        seen.append(done)
    equal(seen[1], seen[0], "order")
    equal(seen[1], ["He3", "H-6", "Ne7", "N-2", "N-8", "Nl5", "Le9", "L-4", "Ll1"], "order")


@case("hash-type none: the number that a converter gives is the slot")
def _():
    servers = [EchoServer(f"s{i}") for i in range(4)]
    p = Lbd(HEAD + """
listen b
    bind 127.0.0.1:@b@
    balance hash src_port
    hash-type map-based none
""" + "".join(f"    server s{i} 127.0.0.1:{s.port}\n" for i, s in enumerate(servers)))
    for _ in range(12):
        c = Conn(p.at("b"))
        port = c.sock.getsockname()[1]
        equal(name_of(c), f"s{port % 4}", f"server of port {port}")


@case("hash-key: addresses place servers on the ring, whatever their order and ids")
def _():
    servers = [EchoServer(f"s{i}") for i in range(5)]
    lines = [f"    server s{i} 127.0.0.1:{s.port}" for i, s in enumerate(servers)]
    text = HEAD
    for n, (order, key) in enumerate(((lines, "addr-port"), (lines[::-1], "addr-port"), (lines, "id"), (lines[::-1], "id"))):
        text += (f"listen b{n}\n    bind 127.0.0.1:@b{n}@\n    balance source\n    hash-type consistent\n"
                 f"    default-server hash-key {key}\n" + "\n".join(order) + "\n")
    p = Lbd(text)

    def chosen(n):
        return [name_of(Conn(p.at(f"b{n}"), src=f"127.0.1.{i}")) for i in range(1, 40)]
    got = [chosen(n) for n in range(4)]
    equal(got[1], got[0], "by address")
    true(got[2] != got[3], "by id the order counts")
    true(len(set(got[0])) == 5, "all are used")


main()
