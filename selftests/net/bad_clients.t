#!/usr/bin/env python3
# tap: timeout=120
"""Bad clients: thousands of half-open requests, descriptors used up, resets at every moment, garbage.
Whatever they do, other connections are served, and the program neither ends nor spins."""
import os
import resource
import signal
import socket
import time
from lbt import *
from lbt.net import cpu_seconds

CONFIG = """
global
    maxconn @maxconn_@
    @ulimit_@
defaults
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    timeout http-request @request_@
frontend web
    mode http
    bind 127.0.0.1:@web@
    default_backend app
backend app
    mode http
    server s1 127.0.0.1:%d
listen echo
    mode tcp
    bind 127.0.0.1:@echo@
    @more_@
    server s1 127.0.0.1:%d
"""

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
web, echo = HttpServer("s1"), EchoServer("s1")


def start(maxconn, more="", ulimit="", request="3s", **kw):
    config = CONFIG.replace("@maxconn_@", str(maxconn)).replace("@more_@", more).replace("@ulimit_@", ulimit)
    return Lbd(config.replace("@request_@", request) % (web.port, echo.port), **kw)


def memory(proxy):
    with open(f"/proc/{proxy.pid}/status") as f:
        return int(next(ln for ln in f if ln.startswith("RssAnon")).split()[1]) * 1024


def works(proxy):
    equal(http(proxy.at("web")).server, "s1", "server that answered")
    equal(tcp_name(proxy.at("echo")), "s1", "TCP server that answered")


def idle_cpu(proxy, seconds=0.5):
    """CPU used within the next half second, in which nothing happens."""
    before = cpu_seconds(proxy.pid)
    time.sleep(seconds)		# pacing: the measured span
    return cpu_seconds(proxy.pid) - before


def half_open(addr, count, words):
    """@count connections from several source addresses; with @words said on each."""
    clients = []
    for i in range(count):
        s = socket.socket()
        s.bind((f"127.9.{i // 2000}.1", 0))
        s.connect(addr)
        if words:
            s.sendall(words)
        clients.append(s)
    return clients


@cases("10,000 clients in mode {0} that said {1}: others are served, little memory is used, then they are ended", [
    ("http", "nothing", "web", b""), ("http", "half a request line", "web", b"GET /half-a-li"),
    ("tcp", "nothing", "echo", b"")])
def _(mode, what, where, words):
    count = 10000
    if hard < 2 * count:
        skip(f"{hard} descriptors at most, {2 * count} are needed")
    proxy = start(count + 100, more="tcp-request inspect-delay 20s\n    tcp-request content accept if { req.len gt 0 }\n"
                  "    tcp-request content reject", request="6s",
                  ulimit=f"ulimit-n {hard}")		# clients without a server connection: enough
    first = half_open(proxy.at(where), 500, words)		# pools and stacks are there
    wait_for(lambda: int(proxy.info()["CurrConns"]) >= 500, 10, "500 connections are open")
    before = memory(proxy)
    served = Conn(proxy.at("web"))
    equal(served.request("/").server, "s1", "before")
    clients = first + half_open(proxy.at(where), count - 500, words)
    at_end(lambda: [c.close() for c in clients])
    wait_for(lambda: int(proxy.info()["CurrConns"]) > count, 10, f"{count} connections and the served one are open")
    for _ in range(20):
        equal(served.request("/").server, "s1", "a connection from before")
    equal(http(proxy.at("web")).server, "s1", "a new connection")
    talker = Conn(proxy.at("echo"))
    talker.send(b"hello")
    equal(talker.recv_exact(8), b"s1\nhello", "a new TCP connection")
    talker.close()
    each = (memory(proxy) - before) / (count - 500)
    note(f"{each:.0f} bytes per silent client")
    if "asan" not in os.environ.get("O", "") and "tsan" not in os.environ.get("O", ""):
        true(each < (20000 if words else 2000), f"{each:.0f} bytes per silent client")
    true(idle_cpu(proxy) < 0.25, "it does not spin over them")
    if words:
        first[0].settimeout(10)
        contains(first[0].recv(4096), b"HTTP/1.1 408", "answer after timeout http-request")
        wait_for(lambda: int(proxy.info()["CurrConns"]) < 10, 10, "all are ended")
    for c in clients:
        c.close()
    wait_for(lambda: int(proxy.info()["CurrConns"]) < 10, 10, "all are gone")
    equal(http(proxy.at("web")).server, "s1", "afterwards")
    served.close()
    equal(proxy.stop(signal.SIGUSR1, 15), 0, "exit status of a soft stop")


@case("descriptors used up: no crash, no spin, and it works again when some are free")
def _():
    proxy = start(1000)
    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (60, 60))
    clients = [Conn(proxy.at("echo"), timeout=2) for _ in range(80)]
    for c in clients:
        c.send(b"x")
    true(idle_cpu(proxy) < 0.3, "it does not spin without descriptors")
    true(proxy.alive(), "it runs")
    for c in clients:
        c.close()
    wait_for(lambda: proxy.alive() and _answers(proxy), 10, "it answers again")
    works(proxy)


def _answers(proxy):
    try:
        return http(proxy.at("web")).status == 200
    except (OSError, AssertionError):
        return False


@cases("garbage in mode http: {0}; another connection is unharmed", [
    ("binary", bytes(range(256)) * 20),
    ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x42" * 500),
    ("an endless method", b"G" * 100000),
    ("an endless header", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100000),
    ("endless headers", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-Y: z\r\n" * 20000),
    ("NUL in the target", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("space before the colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    ("two lengths that differ",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    ("a negative length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"),
    ("a chunk size that overflows",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"),
    ("line feeds only", b"\n" * 5000),
])
def _(words, data):
    good = Conn(shared.at("web"))
    equal(good.request("/").server, "s1", "before")
    bad = Conn(shared.at("web"))
    try:
        bad.send(data)
        bad.shut()
        answer = bad.recv_all()
    except OSError:
        answer = b""			# cut while it was sending: as good
    true(answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4", b"HTTP/1.1 50")),
         f"answer: {answer[:200]!r}")
    equal(good.request("/").server, "s1", "after, on a connection that was open all the time")


@case("resets at every moment of a request leave nothing open")
def _():
    request = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n" + b"b" * 3000
    for at in list(range(0, 60, 7)) + [100, 1000, 3000, len(request)]:
        for _ in range(3):
            c = Conn(shared.at("web"))
            c.send(request[:at])
            c.reset()
    for at in (0, 1, 50000):
        c = Conn(shared.at("echo"))
        c.send(pattern(at))
        c.reset()
    wait_for(lambda: int(shared.info()["CurrConns"]) <= 1, 10, "no connection is left")
    wait_for(lambda: echo.open_conns() == 0, 10, "no connection to the TCP server is left")
    works(shared)


@case("a server that resets, answers garbage or nothing: 502, and the next request is served")
def _():
    def reset(conn, peer):
        conn.recv(1000)
        Conn(sock=conn).reset()

    def garbage(conn, peer):
        conn.recv(1000)
        conn.sendall(b"\x00\x01 this is no HTTP\r\n\r\n")

    def nothing(conn, peer):
        conn.recv(1000)

    for what in (reset, garbage, nothing):
        s = ScriptServer(what)
        p = Lbd(f"""
defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 2s
listen bad
    bind 127.0.0.1:@bad@
    server b 127.0.0.1:{s.port}
listen good
    bind 127.0.0.1:@good@
    server g 127.0.0.1:{web.port}
""")
        equal(http(p.at("bad")).status, 502, f"status after: {what.__name__}")
        equal(http(p.at("good")).server, "s1", "the next request")
        p.stop()


shared = start(1000)
main()
