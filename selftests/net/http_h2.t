#!/usr/bin/env python3
# tap: timeout=60
"""HTTP/2 in front (cleartext, prior knowledge), HTTP/1 to the server, over the same messages and body queues: many streams on one
connection by h2load, bodies both ways by curl, flow control towards a slow server.
"""
import os
import re
import subprocess
import threading
from lbt import *

CONFIG = """
    global
        nbthread 1
        log 127.0.0.1:@SYSLOG@ local0
    defaults
        mode http
        log global
        option httplog
        timeout client 5s
        timeout server 5s
        timeout connect 1s
        retries 0
    frontend f
        bind 127.0.0.1:@FE@ proto h2
        bind 127.0.0.1:@AUTO@
        default_backend b
    backend b
        server s1 127.0.0.1:@SRV@
"""


def start(server):
    log = Syslog()
    return Lbd(CONFIG, ports={"SYSLOG": log.port, "SRV": server.port}), log


def curl(url, *args):
    r = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "--max-time", "10", url, *args], capture_output=True, timeout=20)
    equal(r.returncode, 0, f"curl's exit status ({r.stderr!r})")
    return r.stdout


@case("h2load: 2000 requests, 20 at a time on each of 4 connections, all answered")
def _():
    s = HttpServer("s1")
    p, log = start(s)
    out = run(["timeout", "20", "h2load", "-n", "2000", "-c", "4", "-m", "20", f"http://127.0.0.1:{p.port('FE')}/bytes/1000"]).stdout
    contains(out, "2000 succeeded, 0 failed, 0 errored, 0 timeout", "h2load")
    contains(out, "status codes: 2000 2xx", "h2load")
    equal(p.stat("f", "FRONTEND")["req_tot"], "2000", "req_tot")
    true(s.accepted <= 80, f"server connections are pooled: {s.accepted}")
    log.wait(r'b/s1 .* 200 .* "GET /bytes/1000 HTTP/2.0"')


@cases("curl: a response of {0} bytes, {1}", [(0, "bytes"), (100, "bytes"), (1000000, "bytes"), (300000, "chunked")])
def _(n, kind):
    p, log = start(HttpServer("s1"))
    equal(curl(f"http://127.0.0.1:{p.port('FE')}/{kind}/{n}"), pattern(n), "body")


@cases("curl: a request body of {0} bytes", [(1,), (70000,), (1500000,)])
def _(n):
    p, log = start(HttpServer("s1"))
    with open(TMP + "/upload", "wb") as f:
        f.write(pattern(n))
    got = curl(f"http://127.0.0.1:{p.port('FE')}/echo", "-T", TMP + "/upload")
    equal(got[got.index(b"\r\n\r\n") + 4:], pattern(n), "echoed body")


@case("the server sees an HTTP/1.1 request with host, one cookie line, and no pseudo headers")
def _():
    s = HttpServer("s1")
    p, log = start(s)
    curl(f"http://127.0.0.1:{p.port('FE')}/x?y=1", "-H", "Host: www.test", "-H", "Cookie: a=1", "-H", "X-Up: Yes", "-T", "-", "--limit-rate", "1M")
    head = s.requests[-1][0].decode()
    equal(head.split("\r\n")[0], "PUT /x?y=1 HTTP/1.1", "request line")
    contains(head, "host: www.test\r\n", "head")
    contains(head, "x-up: Yes\r\n", "head")
    contains(head, "transfer-encoding: chunked\r\n", "head")
    true("\r\n:" not in head, "no pseudo headers")


@case("the preface is recognised on an ordinary listener, and HTTP/1 still works there")
def _():
    p, log = start(HttpServer("s1"))
    equal(curl(f"http://127.0.0.1:{p.port('AUTO')}/bytes/7"), pattern(7), "HTTP/2")
    equal(http(p.at("AUTO"), "/bytes/7").body, pattern(7), "HTTP/1")


@case("an error page and a missing server are answered on their stream only")
def _():
    s = HttpServer("s1")
    p, log = start(s)
    s.close()
    out = run(["timeout", "20", "h2load", "-n", "40", "-c", "2", "-m", "4", f"http://127.0.0.1:{p.port('FE')}/"]).stdout
    contains(out, "status codes: 0 2xx, 0 3xx, 0 4xx, 40 5xx", "h2load")


@case("a server that does not read stops its client at the stream's window, and takes little memory")
def _():
    go = threading.Event()

    def slow(conn, peer):
        c = Conn(sock=conn)
        head = c.read_head()
        go.wait(8)
        n = len(c.read_body(head))
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%d" % (len(str(n)), n))
    s = ScriptServer(slow)
    p, log = start(s)
    rss = lambda: int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{p.pid}/status").read()).group(1))
    before = rss()
    with open(TMP + "/big", "wb") as f:
        f.write(pattern(20000000))
    result = []
    t = threading.Thread(target=lambda: result.append(curl(f"http://127.0.0.1:{p.port('FE')}/", "-H", "Content-Length: 20000000", "-T", TMP + "/big")), daemon=True)
    t.start()
    wait_for(lambda: s.open_conns() == 1, what="the server has the request")
    grown = 0
    for _ in range(20):
        wait_for(lambda: True)
        grown = max(grown, rss() - before)
    true(grown < 3000, f"memory grew by {grown} kB")
    go.set()
    t.join(15)
    equal(result, [b"20000000"], "bytes that arrived")


main()
