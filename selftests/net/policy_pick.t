#!/usr/bin/env python3
# tap: timeout=60
"""use-server, force-persist, ignore-persist and `monitor fail`: who gets the stream, in both modes, as in haproxy."""
from lbt import *

CONFIG = """
defaults
    timeout client 3s
    timeout server 3s
    timeout connect 1s
    retries 0
    log stdout format raw daemon
frontend w
    mode http
    bind 127.0.0.1:@w@
    monitor-uri /alive
    acl dead nbsrv(empty) lt 1
    monitor fail if dead {{ src 127.0.0.2 }}
    monitor fail unless {{ nbsrv(web) gt 1 }}
    monitor fail if {{ hdr(x-fail) 1 }}
    use_backend stuck if {{ path_beg /st }}
    default_backend web
backend stuck
    mode http
    balance roundrobin
    stick-table type ip size 100 expire 1m
    stick on src
    ignore-persist if {{ path /st/free }}
    use-server s2 if {{ path /st/two }}
    server s1 127.0.0.1:{s1}
    server s2 127.0.0.1:{s2}
backend empty
    mode http
    server none 127.0.0.1:1 disabled
backend web
    mode http
    balance roundrobin
    force-persist if {{ hdr(x-force) 1 }}
    ignore-persist if {{ hdr(x-ignore) 1 }}
    use-server s2 if {{ path_beg /two }}
    use-server %[req.hdr(x-server)] if {{ req.hdr(x-server) -m found }}
    use-server down if {{ path /down }}
    use-server zero unless {{ path_beg /two }} || {{ path_beg /any }} || {{ path /down }}
    server s1 127.0.0.1:{s1}
    server s2 127.0.0.1:{s2}
    server zero 127.0.0.1:{zero} weight 0
    server down 127.0.0.1:{down} disabled
frontend t
    mode tcp
    option tcplog
    bind 127.0.0.1:@t@
    tcp-request inspect-delay 2s
    tcp-request content accept if {{ req.len gt 3 }}
    default_backend tb
backend tb
    mode tcp
    force-persist if {{ req.payload(0,1) -m str F }}
    use-server t2 if {{ req.payload(1,1) -m str 2 }}
    use-server tdown if {{ req.payload(1,1) -m str d }}
    server t1 127.0.0.1:{t1}
    server t2 127.0.0.1:{t2} weight 0
    server tdown 127.0.0.1:{down2} disabled
"""
NAMES = ("s1", "s2", "zero", "down")
web = {n: HttpServer(n) for n in NAMES}
tcp = {n: EchoServer(n) for n in ("t1", "t2", "down2")}
TEXT = CONFIG.format(**{n: s.port for n, s in (web | tcp).items()})
both = [Lbd(TEXT), Haproxy(TEXT)]

ROWS = [
    ("a rule by path", "/two", [], "s2"),
    ("a name made at run time", "/any", [("X-Server", "s2")], "s2"),
    ("a name that is no server: the next rules, then the algorithm", "/any", [("X-Server", "nope")], "s1 s2"),
    ("no rule holds", "/any", [], "s1 s2"),
    ("unless: a server of weight 0", "/x", [], "zero"),
    ("a server that is down is passed over", "/down", [], "s1 s2"),
    ("a server that is down, forced", "/down", [("X-Force", "1")], "down"),
    ("ignore-persist does not touch use-server", "/two", [("X-Ignore", "1")], "s2"),
    ("the first persist rule that holds wins", "/down", [("X-Force", "1"), ("X-Ignore", "1")], "down"),
]


@cases("mode http: {0}", ROWS)
def _(_words, path, headers, want):
    for p in both:
        got = {http(p.at("w"), path, headers=headers).server for _ in range(4)}
        true(got <= set(want.split()) and got, f"{p.label}: {got} of {want}")
        if " " in want:
            equal(got, set(want.split()), f"{p.label}: balanced")


@case("a stick table chooses behind use-server, whatever ignore-persist says of cookies")
def _():
    for p in both:
        for _ in range(4):          # until the key is with s1: the first request of a client decides
            p.cmd("clear table stuck")
            if http(p.at("w"), "/st").server == "s1":
                break
        got = [http(p.at("w"), path).server for path in ["/st"] * 3 + ["/st/two"]]
        equal(got, ["s1", "s1", "s1", "s2"], f"{p.label}: who answered")
        equal({http(p.at("w"), "/st/free").server for _ in range(4)}, {"s2"}, f"{p.label}: what use-server stored")


@cases("mode tcp: {0}", [("a rule on the first bytes", b"x2xx", "t2"), ("no rule holds", b"xxxx", "t1"),
                         ("down: passed over", b"xdxx", "t1"), ("down: forced", b"Fdxx", "down2")])
def _(_words, data, want):
    for p in both:
        c = Conn(p.at("t"))
        c.send(data)
        equal(c.recv_until(b"\n").decode().strip(), want, f"who answered through {p.label}")
        c.close()


@cases("monitor: {0}", [("all is well", None, [], 200), ("a condition of two tests", "127.0.0.2", [], 503),
                        ("another line", None, [("X-Fail", "1")], 503)])
def _(_words, src, headers, want):
    for p in both:
        c = Conn(p.at("w"), src=src)
        equal(c.request("/alive", headers=headers).status, want, p.label)
        c.close()


@case("monitor fail unless: a server less")
def _():
    for p in both:
        p.cmd("disable server web/s1")
        equal(http(p.at("w"), "/alive").status, 503, p.label)
        p.cmd("enable server web/s1")
        equal(http(p.at("w"), "/alive").status, 200, p.label)


main()
