#!/usr/bin/env python3
# tap: timeout=60
"""Idle pooled connections count against a server's maxconn: with many threads, each with a pool of its own, the server
never has more connections than that.
"""
import select
import socket
import threading
from lbt import *


class Watching:
    """A small HTTP server in one thread. At every new connection it counts those that the other side has not ended,
    newest first: an older one that is still open later was open with the newer ones."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=500)
        self.port = self.sock.getsockname()[1]
        self.most = self.requests = 0
        self.conns = []
        threading.Thread(target=self.run, daemon=True).start()

    @staticmethod
    def alive(c):
        p = select.poll()
        p.register(c, select.POLLRDHUP)
        return not p.poll(0)

    def run(self):
        while True:
            for c in select.select([self.sock] + self.conns, [], [])[0]:
                if c is self.sock:
                    self.conns.append(c.accept()[0])
                    self.most = max(self.most, sum(self.alive(x) for x in reversed(self.conns)))
                else:
                    self.one(c)

    def one(self, c):
        try:
            head = c.recv(65536)
            if head:
                self.requests += 1
                body = head.split()[1]
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                return
        except ConnectionError:
            pass
        self.conns.remove(c)
        c.close()


@cases("http-reuse {0}, maxconn {1}, {2} threads: at most {1} connections at the server, every request answered", [
    ("always", 1, 4), ("always", 3, 8), ("safe", 2, 4), ("never", 2, 4)])
def _(reuse, limit, threads):
    server = Watching()
    lbd = Lbd(f"""
global
    nbthread {threads}
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 5s
    timeout queue 10s
listen t
    bind 127.0.0.1:@t@
    http-reuse {reuse}
    server s1 127.0.0.1:{server.port} maxconn {limit}
""")
    bad = []

    def client(i):
        try:
            c = Conn(lbd.at("t"))
            for n in range(15):
                r = c.request(f"/{i}/{n}")
                if r.status != 200 or r.body != b"/%d/%d" % (i, n):
                    bad.append((i, n, r.status))
            c.close()
        except Exception as e:		# told below, with all others
            bad.append((i, repr(e)))
    clients = [threading.Thread(target=client, args=(i,)) for i in range(24)]
    for t in clients:
        t.start()
    for t in clients:
        t.join()
    equal(bad, [], "requests that went wrong")
    equal(server.requests, 24 * 15, "requests at the server")
    true(server.most <= limit, f"{server.most} connections at a time")


main()
