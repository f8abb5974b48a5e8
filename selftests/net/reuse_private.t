#!/usr/bin/env python3
# tap: timeout=60
"""Server connections that belong to one client: http-reuse never, and logins that are tied to the connection (NTLM). Each row
is what Debian's haproxy does, too: it runs first where it is installed.
"""
import os
from lbt import *

ORACLE = [(Lbd, "lbd")] + ([(Haproxy, "haproxy")] if os.path.exists("/usr/sbin/haproxy") else [])
CONFIG = """
global
    nbthread 1
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 5s
listen t
    bind 127.0.0.1:@t@
    http-reuse {reuse}
    {more}
"""


class Login:
    """Each connection has a name (n-th). /login is answered by 401 with the challenge, all else by the connection's name."""

    def __init__(self, challenge=None, name="s"):
        self.challenge, self.name, self.n = challenge, name, 0
        self.server = ScriptServer(self.one, name)

    def one(self, sock, peer):
        self.n += 1
        me, c = f"{self.name}{self.n}", Conn(sock=sock)
        while head := c.read_head(eof_ok=True):
            if head.split()[1] == b"/login":
                c.send(b"HTTP/1.1 401 No\r\nWWW-Authenticate: %s\r\nContent-Length: 0\r\n\r\n" % self.challenge)
            else:
                c.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(me), me.encode()))


def start(program, reuse, *servers, more=""):
    lines = [f"server s{i} 127.0.0.1:{s.server.port}" for i, s in enumerate(servers)]
    return program(CONFIG.format(reuse=reuse, more="\n    ".join([more] + lines)))


def says(conn, path="/"):
    return conn.request(path).body.decode()


@cases("http-reuse never: each client has a connection of its own, keeps it, and it ends with the client ({1})", ORACLE)
def _(program, name):
    s = Login()
    p = start(program, "never", s)
    a, b = Conn(p.at("t")), Conn(p.at("t"))
    equal([says(a), says(b), says(a), says(b), says(a)], ["s1", "s2", "s1", "s2", "s1"], "connections that answered")
    a.close()
    wait_for(lambda: s.server.open_conns() == 1, 5, "the first client's connection has ended with it")
    equal(says(b), "s2", "the other client's connection")
    c = Conn(p.at("t"))
    equal([says(c), says(c)], ["s3", "s3"], "a new client")


@cases("http-reuse never, two servers in turns: a connection to each is kept ({1})", ORACLE)
def _(program, name):
    x, y = Login(name="x"), Login(name="y")
    p = start(program, "never", x, y)
    a = Conn(p.at("t"))
    equal([says(a) for _ in range(6)], ["x1", "y1"] * 3, "connections that answered")


@cases("http-reuse never with http-server-close: nothing is kept ({1})", ORACLE)
def _(program, name):
    s = Login()
    p = start(program, "never", s, more="option http-server-close")
    a = Conn(p.at("t"))
    equal([says(a), says(a)], ["s1", "s2"], "connections that answered")


@cases("{0}: {1} ({3})", [(c, w, program, name) for c, w in [
    ("NTLM", "the connection is the client's alone"),
    ("Negotiate abc", "the connection is the client's alone"),
    ("Basic realm=x", "the connection may serve others")] for program, name in ORACLE])
def _(challenge, words, program, name):
    s = Login(challenge.encode())
    p = start(program, "always", s)
    a, b = Conn(p.at("t")), Conn(p.at("t"))
    equal(a.request("/login").status, 401, "status")
    equal(says(b), "s1" if challenge.startswith("Basic") else "s2", "another client's request goes by")
    if not challenge.startswith("Basic"):
        equal(says(a), "s1", "the client's next request goes by")


@cases("a client that was asked for a login stays with the server that asked ({1})", ORACLE)
def _(program, name):
    x, y = Login(b"NTLM", name="x"), Login(b"NTLM", name="y")
    p = start(program, "safe", x, y)
    a = Conn(p.at("t"))
    equal(a.request("/login").status, 401, "status")
    equal(a.request("/login").status, 401, "status of the second step")
    got = [says(a) for _ in range(4)]
    equal(got, ["x1"] * 4, "connections that answered")


@case("a kept connection that the server ends is replaced; a server that goes down closes it")
def _():
    s = Login()
    p = start(Lbd, "never", s)
    a = Conn(p.at("t"))
    equal(says(a), "s1", "first")
    for c in list(s.server.conns):
        Conn(sock=c).shut()
    wait_for(lambda: int(p.stat("t", "s0")["idle_conn_cur"]) == 0, 5, "lbd has seen the end")
    equal(says(a), "s2", "after the end")
    p.cmd("set server t/s0 state maint")
    wait_for(lambda: s.server.open_conns() == 0, 5, "it is closed when the server goes to maintenance")
    equal(int(p.stat("t", "s0")["idle_conn_cur"]), 0, "idle connections that are counted")


main()
