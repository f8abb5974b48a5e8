#!/usr/bin/env python3
# tap: timeout=60
"""`tcp-request content` rules in mode tcp: what is decided, when, and what the log says; the same as haproxy's."""
import socket
import threading
import time
from lbt import *

CONFIG = """
defaults
    mode tcp
    option tcplog
    log stdout format raw daemon
    timeout client 5s
    timeout server 5s
    timeout connect 2s
frontend f
    bind 127.0.0.1:@f@
    tcp-request inspect-delay 1s
    tcp-request content reject if {{ req.len 3 }}
    tcp-request content accept if {{ req.len gt 5 }}
    use_backend b if {{ req.payload(0,1) -m str A }}
    default_backend c
frontend nodelay
    bind 127.0.0.1:@nodelay@
    tcp-request content reject if {{ src 127.0.0.1 }}
    default_backend b
frontend conn
    bind 127.0.0.1:@conn@
    tcp-request connection reject if {{ src 127.0.0.0/8 }}
    default_backend b
frontend sess
    bind 127.0.0.1:@sess@
    tcp-request session reject if !{{ src 10.0.0.0/8 }}
    default_backend b
backend b
    server s1 127.0.0.1:{b}
backend c
    tcp-request content reject if {{ req.payload(0,1) -m str X }}
    server s2 127.0.0.1:{c}
"""
b, c = EchoServer("b"), EchoServer("c")
TEXT = CONFIG.format(b=b.port, c=c.port)
ours, theirs = Lbd(TEXT, stats=False), Haproxy(TEXT, stats=False)

END = None
ROWS = [
    ("f", "more bytes than a rule needs", [b"Ahello123"], "b"),
    ("f", "another backend by the first byte", [b"Bhello123"], "c"),
    ("f", "refused by length", [b"abc"], None),
    ("f", "too few bytes: the delay runs out", [b"A"], "b"),
    ("f", "the rest comes in time", [b"A", b"123456"], "b"),
    ("f", "the client ends its side: nothing more to wait for", [b"Ab", END], "b"),
    ("f", "the client ends without a byte", [END], "c"),
    ("f", "refused by the backend's rules", [b"Xhello123"], None),
    ("nodelay", "a rule that needs no data", [b"hello"], None),
    ("conn", "a connection rule, which is not logged", [b"hello"], None),
    ("sess", "a session rule", [b"hello"], None),
]


def play(proxy, frontend, parts):
    """(name of the server, bytes that came back), seconds."""
    start = time.monotonic()
    with socket.socket() as s:
        s.settimeout(8)
        got = b""
        try:
            try:
                s.connect(proxy.at(frontend))
            except ConnectionResetError:
                pass			# refused by a rule before connect() has returned
            for part in parts:
                if part is END:
                    s.shutdown(socket.SHUT_WR)
                else:
                    s.sendall(part)
                time.sleep(0.1)			# so that the parts are read apart
            want = sum(len(p) for p in parts if p) + 2
            while len(got) < want and (chunk := s.recv(1000)):
                got += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
        took = time.monotonic() - start
    return got, took


@cases("{1}", ROWS)
def _(frontend, words, parts, server):
    results, logs = {}, {p: p.log() for p in (ours, theirs)}

    def one(p):
        results[p.label] = play(p, frontend, parts)
    threads = [threading.Thread(target=one, args=(p,)) for p in (ours, theirs)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    (got, took), (got2, took2) = results["lbd"], results["haproxy"]
    equal(got, (server.encode() + b"\n" + b"".join(p for p in parts if p)) if server else b"", "bytes from lbd")
    equal(got, got2, "bytes")
    true(abs(took - took2) < 0.5, f"time: lbd {took:.2f} s, haproxy {took2:.2f} s")
    true(ours.alive(), "lbd lives")
    if frontend in ("conn", "sess"):
        return
    fields = []
    for p in (ours, theirs):
        wait_for(lambda: p.log() != logs[p], 5, f"{p.label}: a line")
        line = p.log()[len(logs[p]):].split()
        fields.append([line[2], line[3], line[5], line[6]])
    equal(fields[0], fields[1], "frontend, backend/server, bytes, state")


main()
