#!/usr/bin/env python3
"""A backend of many servers, all of them full: nobody who waits is forgotten, and no server is given two at a time.
(With more than 64 servers lbd remembers that all were full instead of looking at each for every request.)"""
import select
import socket
import threading
import time
from lbt import *

SERVERS, CLIENTS, EACH = 70, 200, 20
HELD = 0.001			# seconds of work of a request


class Answering(threading.Thread):
    """Listeners that answer each connection with one byte and wait for its end."""

    def __init__(self, n):
        super().__init__(daemon=True)
        self.poll, self.listeners, self.conns = select.epoll(), {}, {}
        self.total, self.ports = 0, []
        for _ in range(n):
            s = socket.create_server(("127.0.0.1", 0), backlog=64)
            self.ports.append(s.getsockname()[1])
            self.listeners[s.fileno()] = s
            self.poll.register(s, select.EPOLLIN)
        self.start()

    def run(self):
        while True:
            for fd, _ in self.poll.poll():
                if fd in self.listeners:
                    self.accept(self.listeners[fd])
                else:
                    self.poll.unregister(fd)
                    self.conns.pop(fd).close()

    def accept(self, listener):
        conn, _ = listener.accept()
        self.total += 1
        self.conns[conn.fileno()] = conn
        self.poll.register(conn, select.EPOLLIN)
        conn.sendall(b"A")


@cases("balance {0}: 200 clients at 70 servers of maxconn 1", [
    ("roundrobin",), ("leastconn",), ("static-rr",), ("random",), ("first",),
])
def _(algorithm):
    servers = Answering(SERVERS)
    text = ("global\n    nbthread 4\ndefaults\n    mode tcp\n    timeout client 20s\n    timeout server 20s\n    timeout connect 10s\n"
            f"    timeout queue 15s\nlisten l\n    bind 127.0.0.1:@l@\n    balance {algorithm}\n")
    text += "".join(f"    server s{i} 127.0.0.1:{p} maxconn 1\n" for i, p in enumerate(servers.ports))
    lbd = Lbd(text)
    slowest, unanswered = [0.0], [0]

    def client():
        for _ in range(EACH):
            start = time.monotonic()
            with socket.create_connection(lbd.at("l"), timeout=20) as c:
                if c.recv(1) != b"A":
                    unanswered[0] += 1
                time.sleep(HELD)	# pacing: how long a request is held
            slowest[0] = max(slowest[0], time.monotonic() - start)

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(unanswered[0], 0, "connections without an answer")
    equal(servers.total, CLIENTS * EACH, "connections at the servers")
    true(slowest[0] < 10, f"somebody waited {slowest[0]:.1f} s: forgotten until the queue moved by chance")
    wait_for(lambda: lbd.stat("l")["scur"] == "0", what="all connections are ended")
    equal(lbd.stat("l")["qcur"], "0", "still queued")
    equal(max(int(lbd.stat("l", f"s{i}")["smax"]) for i in range(SERVERS)), 1, "most connections of a server at a time")


main()
