#!/usr/bin/env python3
# tap: timeout=90
"""observe, on-error and error-limit against Debian's haproxy: what errors of the traffic do to a server that its checks find
well, in the words of the log.
"""
import re
import socket
import struct
import threading
from lbt import *

CONFIG = """
global
    log 127.0.0.1:{log} format raw local0
defaults
    mode {mode}
    log global
    retries 0
    timeout connect 1s
    timeout client 5s
    timeout server 300ms
listen b
    bind 127.0.0.1:@b@
    server s 127.0.0.1:{port} check port {check} inter 2s rise 2 fall 3 {options}
"""


class Answer:
    """An HTTP server with one answer: bytes, or the word hang."""

    def __init__(self, answer):
        self.answer = answer
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        at_end(self.sock.close)

    def _serve(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(conn,), daemon=True).start()

    def _one(self, conn):
        with conn:
            try:
                conn.settimeout(3)
                conn.recv(4096)
                if self.answer == "hang":
                    conn.recv(1)
                else:
                    conn.sendall(self.answer)
            except OSError:
                pass


def request(p):
    with socket.create_connection(p.at("b"), timeout=5) as c:
        c.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        try:
            while c.recv(4096):
                pass
        except OSError:
            pass


def lines_of(log):
    lines = [re.sub(r"\d sessions active", "N sessions active", ln).strip() for ln in log.lines]
    return [ln for ln in lines if "Server b/s" in ln or "check for" in ln]


@cases("{0}: {1}", [
    ("layer7", "wrong status, mark-down", b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "on-error mark-down error-limit 3"),
    ("layer7", "status 501 is well", b"HTTP/1.1 501 Oops\r\nContent-Length: 0\r\n\r\n", "on-error mark-down error-limit 3"),
    ("layer7", "closed at once", b"", "on-error mark-down error-limit 3"),
    ("layer7", "no HTTP", b"220 smtp ESMTP\r\n\r\n", "on-error mark-down error-limit 3"),
    ("layer7", "no answer in time", "hang", "on-error mark-down error-limit 3"),
    ("layer4", "refused, mark-down", None, "on-error mark-down error-limit 3"),
    ("layer4", "refused, the limit is ten", None, "on-error mark-down"),
    ("layer4", "http errors are nothing", b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "on-error mark-down error-limit 3"),
])
def _(layer, words, answer, options):
    seen = []
    for P in (Haproxy, Lbd):
        log, check = Syslog(), socket.create_server(("127.0.0.1", 0), backlog=100)
        at_end(check.close)
        port = free_port() if answer is None else Answer(answer).port
        p = P(CONFIG.format(log=log.port, mode="http", port=port, check=check.getsockname()[1],
                            options=f"observe {layer} {options}"))
        wait_for(lambda: p.stat("b", "s")["check_status"] == "L4OK", 5, "checked")
        out = []
        for _ in range(3 if "error-limit" in options else 9):
            request(p)
        if "error-limit" not in options:
            out.append(p.stat("b", "s")["status"])
            request(p)
        down = "well" not in words and "nothing" not in words
        if down:
            log.wait("Server b/s is DOWN")
        out.append(p.stat("b", "s")["check_status"].lstrip("* ") if down else p.stat("b", "s")["status"])
        p.stop()
        seen.append((out, lines_of(log)[:1]))
    equal(seen[1], seen[0], "what happened")


@case("fail-check takes one off the health, sudden-death all but one, a success in between starts anew")
def _():
    seen = []
    for P in (Haproxy, Lbd):
        out = []
        for mode in ("fail-check", "sudden-death", "fastinter"):
            check, answer = socket.create_server(("127.0.0.1", 0), backlog=100), Answer(b"")
            at_end(check.close)
            p = P(CONFIG.format(log=Syslog().port, mode="http", port=answer.port, check=check.getsockname()[1],
                                options=f"observe layer7 error-limit 2 on-error {mode}").replace("inter 2s", "inter 30s fastinter 30ms"))
            wait_for(lambda: p.stat("b", "s")["check_health"] == "4", 5, "fully up")
            request(p)
            answer.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            request(p)
            answer.answer = b""
            request(p)
            out.append((mode, p.stat("b", "s")["check_health"]))
            request(p)
            if mode != "fastinter":
                wait_for(lambda: p.stat("b", "s")["check_health"] != "4", 5, f"{mode} acted in {p.label}")
            out.append((mode, p.stat("b", "s")["check_health"], p.stat("b", "s")["check_status"].lstrip("* ")))
            p.stop()
        seen.append(out)
    equal(seen[1], seen[0], "health")


main()
