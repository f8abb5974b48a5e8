#!/usr/bin/env python3
"""`mode health`, as HAProxy 1.x documents it."""
from lbt import *

lbd = Lbd("""
defaults
    log stdout format raw daemon
    timeout client 5s
listen plain
    mode health
    bind 127.0.0.1:@plain@
listen http
    mode health
    option httpchk
    bind 127.0.0.1:@http@
""", stats=False)

ROWS = [("plain", b"", b"OK\n"), ("http", b"", b"HTTP/1.0 200 OK\r\n\r\n"),
        ("http", b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"), ("plain", pattern(200000), b"OK\n")]


@cases("{0}, the client says {1:.20}", [(n, str(len(q)) + " bytes", q, a) for n, q, a in ROWS])
def _(name, words, question, answer):
    for _ in range(5):
        c = Conn(lbd.at(name))
        c.send(question)
        equal(c.recv_all(), answer, "answer")
        c.close()


@case("a client that keeps its side open is closed after a while; nothing is logged")
def _():
    c = Conn(lbd.at("plain"))
    equal(c.recv_all(), b"OK\n", "answer")
    wait_for(lambda: len(run(f"ls /proc/{lbd.pid}/fd").stdout.split()) <= before, 5, "the connection is closed")
    true(" plain " not in lbd.log(), "no line in the log")


before = len(run(f"ls /proc/{lbd.pid}/fd").stdout.split())
main()
