#!/usr/bin/env python3
# tap: timeout=100
"""The states of servers against Debian's haproxy: `track`, `slowstart`, `on-marked-up`, `init-addr`: the log's words, the
columns of the statistics and the rows of `show servers state` after the same events.
"""
import re
import socket
import threading
import time
from lbt import *

HEAD = """
global
    log 127.0.0.1:{log} format raw local0
defaults
    mode tcp
    log global
    timeout connect 1s
    timeout client 20s
    timeout server 20s
"""


class Port:
    """Something that can be checked by connecting, and can go away and come back."""

    def __init__(self):
        self.sock, self.port = None, free_port()
        self.open()
        at_end(self.close)

    def open(self):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("127.0.0.1", self.port))
        self.sock.listen(500)

    def close(self):
        if self.sock:
            self.sock.close()
            self.sock = None


def about_servers(log):
    return [re.sub(r"duration: \d+ms", "duration: Nms", ln).strip() for ln in log.lines if "onnect from" not in ln]


def states(p):
    """The rows without ports, addresses and times."""
    rows = [ln.split() for ln in p.cmd("show servers state").split("\n")[2:] if ln.strip()]
    return [r[1:4] + r[5:9] + r[10:18] for r in rows]


COLUMNS = ("status", "weight", "tracked", "act", "bck", "check_health", "chkdown")


def columns(p, names):
    return [[p.stat(*n.split("/"))[c] for c in COLUMNS] for n in names]


# ---- track ----------------------------------------------------------------------------------------

@case("track: state and words follow through a chain, whatever happens to whom")
def _():
    seen = []
    for P in (Haproxy, Lbd):
        log, port = Syslog(), Port()
        at = f"127.0.0.1:{port.port}"
        p = P(HEAD.replace("{log}", str(log.port)) + f"""
listen b
    bind 127.0.0.1:@b@
    server s {at} check inter 50ms rise 2 fall 1 weight 100
    server o {at} backup
backend c
    server t1 {at} track b/s
    server t2 {at} track t1 backup
""")
        names, out = ("b/s", "c/t1", "c/t2"), []
        p.wait_status("b", "s", "UP")
        # the first check has passed in both
        wait_for(lambda: p.stat("b", "s")["check_status"] == "L4OK", 5, "checked")
        out.append(columns(p, names))
        port.close()
        p.wait_status("b", "s", "DOWN")
        log.wait("c has no server available")
        out.append((columns(p, names), states(p)))
        port.open()
        p.wait_status("b", "s", "UP")
        log.wait("t2 is UP")
        for line in ("set server b/s state drain", "set server b/s state maint", "set server b/s state ready",
                     "disable server b/s", "enable server b/s", "set server c/t1 state maint",
                     "set server b/s state maint", "set server c/t1 state ready", "set server c/t1 state maint",
                     "set server b/s state ready", "set server c/t1 state ready", "set server c/t1 state drain",
                     "set server b/s state drain", "set server c/t1 state ready", "set server b/s state ready",
                     "set server c/t1 health down", "set server b/s weight 0", "enable health c/t1"):
            reply = p.cmd(line)
            wait_for(lambda: p.stat("b", "s")["check_status"] in ("L4OK", ""), 5, "checked")
            out.append((line, reply, columns(p, names), [r[:5] for r in states(p)]))
        p.stop()
        seen.append((out, about_servers(log)))
    for his, mine in zip(seen[0][0], seen[1][0]):
        equal(mine, his, "state")
    for his, mine in zip(seen[0][1], seen[1][1]):
        equal(mine, his, "log line")
    equal(len(seen[1][1]), len(seen[0][1]), "number of log lines")


@case("track: whom a server disabled in the file leads begins in maintenance")
def _():
    seen = []
    for P in (Haproxy, Lbd):
        p = P(HEAD.replace("{log}", str(Syslog().port)) + """
listen b
    bind 127.0.0.1:@b@
    server t2 127.0.0.1:9 track t1
    server t1 127.0.0.1:9 track s
    server s 127.0.0.1:9 check disabled
""")
        out = [columns(p, ("b/t1", "b/t2", "b/s"))]
        p.cmd("enable server b/s")
        wait_for(lambda: p.stat("b", "t2")["status"].startswith("DOWN"), 8, "followed down")
        p.stop()
        seen.append(out)
    equal(seen[1], seen[0], "columns")


# ---- slowstart ------------------------------------------------------------------------------------

@case("slowstart: the same weights in the same seconds, and not at the start of the process")
def _():
    seen = []
    for P in (Haproxy, Lbd):
        port = Port()
        p = P(HEAD.replace("{log}", str(Syslog().port)) + f"""
listen b
    bind 127.0.0.1:@b@
    default-server check inter 40ms rise 1 fall 1
    server s 127.0.0.1:{port.port} weight 100 slowstart 4s
    server o 127.0.0.1:{port.port} weight 7 slowstart 3500ms
backend st
    balance static-rr
    server s 127.0.0.1:{port.port} check inter 40ms rise 1 fall 1 weight 100 slowstart 4s
""")
        p.wait_status("b", "s", "UP")
        out = [(p.stat("b", "s")["weight"], p.stat("b", "o")["weight"])]
        port.close()
        for name in (("b", "s"), ("b", "o"), ("st", "s")):
            p.wait_status(*name, "DOWN")
        time.sleep(1 - time.time() % 1)  # what follows counts whole seconds of the wall clock
        port.open()
        p.wait_status("b", "s", "UP")
        p.wait_status("b", "o", "UP")
        p.wait_status("st", "s", "UP")
        weights = []

        def sample():
            now = (p.stat("b", "s")["weight"], p.stat("b", "o")["weight"])
            if not weights or weights[-1] != now:
                weights.append(now)
            return states(p)[0][3] == states(p)[1][3] == "2"
        out.append(p.stat("st", "s")["weight"])
        wait_for(sample, 9, f"fully up in {p.label}")
        p.stop()
        one = [[w for i, w in enumerate(ws) if i == 0 or ws[i - 1] != w] for ws in zip(*weights)]
        seen.append((out, one))
    equal(seen[1], seen[0], "weights")
    equal(seen[1][1][0][0], "7", "weight at first")


@case("slowstart: maxconn grows, too")
def _():
    for P in (Haproxy, Lbd):
        port, echo = Port(), EchoServer("e")
        p = P(HEAD.replace("{log}", str(Syslog().port)) + f"""
listen b
    bind 127.0.0.1:@b@
    timeout queue 10s
    fullconn 100
    server s 127.0.0.1:{echo.port} check port {port.port} inter 40ms rise 1 fall 1 maxconn 4 slowstart 4s
""")
        p.wait_status("b", "s", "UP")
        port.close()
        p.wait_status("b", "s", "DOWN")
        port.open()
        p.wait_status("b", "s", "UP")
        conns = [Conn(p.at("b")) for _ in range(4)]
        wait_for(lambda: int(p.stat("b", "BACKEND")["scur"]) == 4, 5, "all are there")
        true(int(p.stat("b", "s")["scur"]) < 4, f"not all are served at once in {p.label}")
        wait_for(lambda: int(p.stat("b", "s")["scur"]) == 4, 9, f"all are served in the end in {p.label}")
        for c in conns:
            c.close()
        p.stop()


# ---- on-marked-up ---------------------------------------------------------------------------------

@case("on-marked-up: sessions of the backup end when the server is up again")
def _():
    ends = []
    for P in (Haproxy, Lbd):
        log, port, echo, spare = Syslog(), Port(), EchoServer("e"), EchoServer("b")
        p = P(HEAD.replace("{log}", str(log.port)) + f"""
listen b
    bind 127.0.0.1:@b@
    option tcplog
    server s 127.0.0.1:{echo.port} check port {port.port} inter 40ms rise 1 fall 1 on-marked-up shutdown-backup-sessions
    server k 127.0.0.1:{spare.port} backup
""")
        p.wait_status("b", "s", "UP")
        port.close()
        p.wait_status("b", "s", "DOWN")
        c = Conn(p.at("b"))
        c.recv_until(b"\n")
        port.open()
        true(c.closed(), f"closed in {p.label}")
        c.close()
        log.wait("b/k .* U[-D] ")
        ends.append(re.search("b/k .* (U[-D]) ", log.lines[-1]).group(1))
        p.stop()
    equal(ends[1], ends[0], "termination state")


# ---- init-addr, init-state ------------------------------------------------------------------------

@case("init-addr: an address instead of a name; without one in maintenance until an operator gives one")
def _():
    port = Port()
    seen = []
    for P in (Haproxy, Lbd):
        p = P(HEAD.replace("{log}", str(Syslog().port)) + f"""
listen b
    bind 127.0.0.1:@b@
    default-server init-addr last,libc,none
    server s nosuch.invalid:{port.port} check inter 50ms
    server t nosuch.invalid:{port.port} check inter 50ms init-addr libc,127.0.0.1
    server u 127.0.0.1:{port.port}
""")
        p.wait_status("b", "t", "UP")
        wait_for(lambda: p.stat("b", "t")["check_status"] == "L4OK", 5, "t is checked")
        rows = [ln.split() for ln in p.cmd("show servers state").split("\n")[2:] if ln.strip()]
        out = [[r[3], r[4], r[5], r[6], r[17]] for r in rows]
        out.append(p.stat("b", "s")["status"])
        p.cmd(f"set server b/s addr 127.0.0.1 port {port.port}")
        out.append(p.cmd("set server b/s fqdn other.invalid"))
        seen.append(out)
        if P is Lbd:
            p.wait_status("b", "s", "UP")
            wait_for(lambda: p.stat("b", "s")["check_status"] == "L4OK", 5, "s is checked")
        p.stop()
    equal(seen[1], seen[0], "rows")


@cases("init-state {0}: {1} before the first check, {2} behind one, at last UP", [
    ("up", "UP 1/3", "UP"),
    ("fully-up", "UP", "UP"),
    ("down", "DOWN 1/2", "UP"),
    ("fully-down", "DOWN", "DOWN 1/2"),
])
def _(state, before, behind_one):
    go = [threading.Semaphore(0)]

    def script(conn, peer):
        go[0].acquire()
        conn.sendall(b"well")
    server = ScriptServer(script)
    p = Lbd(HEAD.replace("{log}", str(Syslog().port)) + f"""
listen b
    bind 127.0.0.1:@b@
    timeout check 20s
    option tcp-check
    tcp-check expect string well
    server s 127.0.0.1:{server.port} check inter 50ms rise 2 fall 3 init-state {state}
""")
    wait_for(lambda: p.stat("b", "s")["check_status"] == "* INI", 5, "the first check is under way")
    equal(p.stat("b", "s")["status"], before, "before")
    go[0].release()
    p.wait_status("b", "s", behind_one)
    go[0].release()
    p.wait_status("b", "s", "UP")
    p.cmd("set server b/s state maint")
    p.cmd("set server b/s state ready")
    equal(p.stat("b", "s")["status"], before, "behind a maintenance")
    for _ in range(20):
        go[0].release()


main()
