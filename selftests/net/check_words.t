#!/usr/bin/env python3
# tap: timeout=110
"""Health checks against Debian's haproxy: what is sent to the server, the words in the log, the columns of the
statistics. Every row runs in both with the same file and a server that does the same.
"""
import re
import socket
import struct
import threading
from lbt import *

HEAD = """
global
    log 127.0.0.1:{log} format raw local0
defaults
    mode http
    log global
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend web
    bind 127.0.0.1:@web@
    default_backend b
backend b
    default-server inter 150ms fastinter 60ms downinter 60ms
"""


class Target:
    """A server whose answer can be changed: bytes, or the words hang, reset, refuse."""

    def __init__(self, answer=b"HTTP/1.0 200 OK\r\n\r\n"):
        self.answer, self.got, self.sock = answer, [], None
        self.port = free_port()
        self.listen()
        at_end(self.refuse)

    def listen(self):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("127.0.0.1", self.port))
        self.sock.listen(50)
        threading.Thread(target=self._serve, args=(self.sock,), daemon=True).start()

    def refuse(self):
        if self.sock:
            self.sock.shutdown(socket.SHUT_RDWR)
            self.sock.close()
            self.sock = None

    def _serve(self, sock):
        while True:
            try:
                conn, _ = sock.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(conn,), daemon=True).start()

    def _one(self, conn):
        try:
            conn.settimeout(3)
            answer = self.answer
            self.got.append(conn.recv(4096))
            if answer == "hang":
                conn.recv(1)
            elif answer == "reset":
                conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                conn.sendall(answer)
        except OSError:
            pass
        conn.close()


def mask(line):
    line = re.sub(r"\bb/s\b", "SERVER", line)
    return re.sub(r"check duration: \d+ms", "check duration: Nms", line)


def start(P, words, server="check fall 2", target=None):
    target = target or Target()
    log = Syslog()
    p = P(HEAD.replace("{log}", str(log.port)) + "\n".join("    " + w for w in words)
          + f"\n    server s 127.0.0.1:{target.port} {server}\n")
    return p, target, log


def about_server(log):
    """The log's lines about servers and backends, in order."""
    return [mask(ln).strip() for ln in log.lines if "erver" in ln and "DOWN" in ln or "UP" in ln or "available" in ln
            or "stopping" in ln or "Health check" in ln]


COLUMNS = ("status", "check_status", "check_code", "last_chk", "check_desc", "check_rise", "check_fall", "check_health")


def settled(p, status):
    """The check's columns once the status is reached; "* " in front says that the next check is under way."""
    def row():
        r = p.stat("b", "s")
        r["check_status"] = r["check_status"].removeprefix("* ")
        return r if r["check_status"] == status else None
    r = wait_for(row, 5, f"check_status {status} in {p.label}")
    return {c: r[c] for c in COLUMNS}


# ---- what is asked, and what the answer means -----------------------------------------------------

OK, S503 = b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 503 Not now\r\n\r\n"


@cases("{0}: {2}", [
    ("connect only", ["# none"], "L4OK", b"x"),
    ("httpchk", ["option httpchk"], "L7OK", OK),
    ("httpchk with a path", ["option httpchk /alive"], "L7OK", OK),
    ("httpchk with a method", ["option httpchk HEAD /alive"], "L7OK", OK),
    ("httpchk with a header, old form", ["option httpchk GET /x HTTP/1.1\\r\\nHost:\\ www.example"], "L7OK", OK),
    ("http-check send", ["option httpchk", "http-check send meth POST uri /y ver HTTP/1.1 hdr Host a hdr X-Y z body hello"],
     "L7OK", OK),
    ("redirects count", ["option httpchk"], "L7OK", b"HTTP/1.0 302 There\r\nLocation: /\r\n\r\n"),
    ("503", ["option httpchk"], "L7STS", S503),
    ("404", ["option httpchk"], "L7STS", b"HTTP/1.1 404\r\n\r\n"),
    ("no HTTP", ["option httpchk"], "L7RSP", b"220 smtp.example ESMTP\r\n"),
    ("an unfinished head", ["option httpchk"], "L7RSP", b"HTTP/1.1 200 OK\r\nX: y"),
    ("nothing", ["option httpchk"], "L7RSP", b""),
    ("a reset", ["option httpchk"], "SOCKERR", "reset"),
    ("no answer in time", ["option httpchk", "timeout check 100ms"], "L7TOUT", "hang"),
    ("expected status", ["option httpchk", "http-check expect status 200-204,503"], "L7OK", S503),
    ("another status", ["option httpchk", "http-check expect status 201"], "L7STS", OK),
    ("unwanted status", ["option httpchk", "http-check expect ! status 200"], "L7STS", OK),
    ("status by regex", ["option httpchk", "http-check expect rstatus ^5"], "L7OK", S503),
    ("text found", ["option httpchk", "http-check expect string alive"], "L7OK", b"HTTP/1.1 500 x\r\n\r\nI am alive"),
    ("text missing", ["option httpchk", "http-check expect string alive"], "L7RSP", OK + b"I am not"),
    ("no text at all", ["option httpchk", "http-check expect string alive"], "L7RSP", OK),
    ("unwanted text", ["option httpchk", "http-check expect ! string dead"], "L7RSP", OK + b"quite dead"),
    ("text by regex", ["option httpchk", "http-check expect rstring al[i-z]ve"], "L7OK", OK + b"alive"),
    ("disable-on-404", ["option httpchk", "http-check disable-on-404"], "L7OKC", b"HTTP/1.1 404 gone\r\n\r\n"),
    ("log-health-checks", ["option httpchk", "option log-health-checks"], "L7OK", OK),
])
def _(words, lines, status, answer):
    seen = []
    for P in (Lbd, Haproxy):
        p, target, log = start(P, lines, target=Target(answer))
        columns = settled(p, status)
        if status not in ("L4OK", "L7OK", "L7OKC"):
            wait_for(lambda: p.stat("b", "s")["status"] == "DOWN", 5, f"{p.label} takes the server down")
            log.wait("no server available")
            columns = settled(p, status)
        if "option log-health-checks" in lines:
            log.wait("Health check")
        p.stop()
        asked = target.got[0] if target.got and status != "L4OK" else None
        seen.append((columns, asked, about_server(log)))
    for what, mine, his in zip(("columns", "request", "log lines"), *seen):
        equal(mine, his, what)


# ---- up and down ------------------------------------------------------------------------------

@case("a server that goes and comes back is logged in the same words")
def _():
    seen = []
    for P in (Lbd, Haproxy):
        p, target, log = start(P, ["option log-health-checks"], "check rise 3 fall 2")
        p.wait_status("b", "s", "UP")
        log.wait("Health check.*succeeded")
        target.refuse()
        p.wait_status("b", "s", "DOWN")
        log.wait("no server available")
        target.listen()
        wait_for(lambda: p.stat("b", "s")["status"] == "UP", 5, "up again")
        log.wait("is UP")
        p.stop()
        seen.append(about_server(log))
    equal(seen[0], seen[1], "log lines")


@case("maintenance stops checks, and ready starts them at once")
def _():
    p, target, log = start(Lbd, [])
    p.wait_status("b", "s", "UP")
    p.cmd("set server b/s state maint")
    n = len(target.got)
    target.refuse()
    p.cmd("set server b/s state ready")
    wait_for(lambda: p.stat("b", "s")["status"] == "DOWN", 5, "down by its check")
    log.wait("leaving forced maintenance")
    log.wait("is DOWN, reason: Layer4 connection problem, info: \"Connection refused\"")
    target.listen()
    p.wait_status("b", "s", "UP")


@cases("'{0}' checks there instead", [("port",), ("addr",)])
def _(what):
    target = Target()
    there = {"port": f"check port {target.port}", "addr": f"check addr 127.0.0.1:{target.port}"}[what]
    p = Lbd(f"""
defaults
    mode tcp
    timeout connect 1s
    timeout client 5s
    timeout server 5s
listen b
    bind 127.0.0.1:@web@
    option httpchk
    server s 127.0.0.1:{free_port()} {there} inter 50ms
""")
    wait_for(lambda: target.got, 5, "a check arrives at the other port")
    p.wait_status("b", "s", "UP")


@case("on-marked-down shutdown-sessions ends connections, and without it they stay")
def _():
    for words, ends in (("on-marked-down shutdown-sessions", True), ("", False)):
        echo, target = EchoServer("e", addr="127.0.0.1"), Target()
        p = Lbd(f"""
defaults
    mode tcp
    timeout connect 1s
    timeout client 20s
    timeout server 20s
listen b
    bind 127.0.0.1:@web@
    server s 127.0.0.1:{echo.port} check port {target.port} inter 50ms fall 1 {words}
""")
        c = Conn(p.at("web"))
        equal(c.recv_until(b"\n"), b"e\n", "banner")
        target.refuse()
        p.wait_status("b", "s", "DOWN")
        if ends:
            true(c.closed(), "the connection ends")
        else:
            c.send(b"still there")
            equal(c.recv_exact(11), b"still there", "echo")


@cases("on-marked-down in {0}: a server in maintenance loses its connections, one that drains keeps them", [("lbd", Lbd), ("haproxy", Haproxy)])
def _(label, program):
    echo = EchoServer("e", addr="127.0.0.1")
    p = program(f"""
defaults
    mode tcp
    timeout connect 1s
    timeout client 20s
    timeout server 20s
listen b
    bind 127.0.0.1:@web@
    server s 127.0.0.1:{echo.port} on-marked-down shutdown-sessions
""")
    c = Conn(p.at("web"))
    equal(c.recv_until(b"\n"), b"e\n", "banner")
    p.cmd("set server b/s state drain")
    c.send(b"drained")
    equal(c.recv_exact(7), b"drained", "echo while it drains")
    p.cmd("set server b/s state maint")
    true(c.closed(), "the connection ends")


@case("rise, fall and the intervals are kept")
def _():
    import time
    target = Target()
    p, target, log = start(Lbd, ["option httpchk"], "check inter 400ms fastinter 50ms downinter 300ms rise 2 fall 3", target)
    p.wait_status("b", "s", "UP")
    wait_for(lambda: p.stat("b", "s")["check_health"] == "4", 5, "full health")
    target.answer = b"HTTP/1.0 500 no\r\n\r\n"
    log.wait("is DOWN")
    n, t = len(target.got), time.monotonic()
    wait_for(lambda: len(target.got) >= n + 3, 5, "checks while down")
    took = time.monotonic() - t
    true(0.6 < took < 2.5, f"three checks 300 ms apart took {took:.2f} s")
    equal(p.stat("b", "s")["chkfail"], "3", "failed checks are only counted while it is up")


@case("a thousand servers are checked, and the first round is spread over the interval")
def _():
    target = Target()
    servers = "\n".join(f"    server s{i} 127.0.0.1:{target.port} check inter 2s" for i in range(1000))
    p = Lbd(f"""
defaults
    mode tcp
    timeout connect 1s
    timeout client 5s
    timeout server 5s
listen b
    bind 127.0.0.1:@web@
{servers}
""")
    def passed():
        return sum(r["check_status"].endswith("L4OK") for r in p.stat() if r["svname"] != "BACKEND")
    wait_for(lambda: 0 < passed() < 1000, 3, "some were checked, others not yet")
    wait_for(lambda: passed() == 1000, 8, "all were checked")
    equal(p.stat("b")["act"], "1000", "servers up")


main()
