#!/usr/bin/env python3
# tap: timeout=90
"""Rows of the running process that no other test has: runtime commands, the master's variables, systemd, peers sections, old words,
the kernel path's own words."""
import os
import re
import socket
import struct
import subprocess
from lbt import *

BOTH = [("haproxy", Haproxy), ("lbd", Lbd)]
DEFAULTS = """
defaults
    mode http
    timeout connect 3s
    timeout client 5s
    timeout server 5s
"""
web = HttpServer("s1")


@cases("runtime commands: help, show cli sockets, show servers conn, commit acl: {0}", BOTH)
def _(name, P):
    p = P(DEFAULTS + f"frontend f\n    bind 127.0.0.1:@f@\n    http-request deny if {{ path -f @tmp@/paths.{name} }}\n    default_backend b\n"
          f"backend b\n    server s 127.0.0.1:{web.port} id 7\n", files={f"paths.{name}": "/a\n"})
    contains(p.cmd("help show cli"), "show cli sockets  ", "help")
    equal(p.cmd("show cli sockets").strip(), f"# socket lvl processes\nunix@{p.sock} admin all", "show cli sockets")
    http(p.at("f"), "/b")
    contains(p.cmd("show servers conn b"), f"7 127.0.0.1 {web.port} - 5000 ", "show servers conn")
    path = f"{TMP}/paths.{name}"
    version = re.search(r"version created: (\d+)", p.cmd(f"prepare acl {path}")).group(1)
    p.cmd(f"add acl @{version} {path} /b")
    equal([http(p.at("f"), u).status for u in ("/a", "/b")], [403, 200], "before commit acl")
    p.cmd(f"commit acl @{version} {path}")
    equal([http(p.at("f"), u).status for u in ("/a", "/b")], [200, 403], "after commit acl")


@case("-Ws tells systemd that it is ready; a worker knows HAPROXY_MWORKER; show env of the master")
def _():
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    at_end(notify.close)
    notify.bind(f"{TMP}/notify")
    notify.settimeout(10)
    port = free_port()
    cfg = os.path.join(TMP, "ws.cfg")
    with open(cfg, "w") as f:
        f.write(f'{DEFAULTS}frontend f\n    bind 127.0.0.1:{port}\n    http-request return content-type text/plain string "mworker=${{HAPROXY_MWORKER}}"\n')
    p = subprocess.Popen([LBD, "-Ws", "-S", f"{TMP}/master.sock,level,admin", "-f", cfg], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, env=dict(os.environ, NOTIFY_SOCKET=f"{TMP}/notify"))
    at_end(lambda: (p.terminate(), p.wait(10)))
    contains(notify.recv(1000), b"READY=1", "what systemd is told")
    equal(http(("127.0.0.1", port)).body, b"mworker=1", "HAPROXY_MWORKER")

    def ask(text):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(f"{TMP}/master.sock")
            s.sendall(text.encode() + b"\n")
            s.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: s.recv(65536), b"")).decode()
    true("HAPROXY_MWORKER=1" not in ask("show env HAPROXY_MWORKER"), "the master's own needs mcli-debug-mode")
    contains(ask("mcli-debug-mode on; show env HAPROXY_MWORKER"), "HAPROXY_MWORKER=1", "show env")


PEERS = """
global
    {more}
defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 5s
peers mates
    enabled
    default-bind {bind}
    bind 127.0.0.1:{own}
    default-server weight 2
    server a{a}
    server b{b}
backend t
    stick-table type string len 20 size 2k peers mates store gpc0
frontend f
    bind 127.0.0.1:@f@
    http-request track-sc0 path table t
    http-request sc-inc-gpc0(0)
    http-request return status 200
"""


@case("peers: bind, default-bind, default-server, server, enabled, disabled; tune.peers.max-updates-at-once")
def _():
    ports = {"a": free_port(), "b": free_port()}

    def start(me, more="maxconn 500", text=PEERS):
        other = "b" if me == "a" else "a"
        where = {me: "", other: f" 127.0.0.1:{ports[other]}"}
        return Lbd(text.format(own=ports[me], bind="backlog 77", more=more, **where), args=["-L", me])
    a = start("a", "tune.peers.max-updates-at-once 3")
    contains(run(["ss", "-Hltn", "sport", "=", f":{ports['a']}"]).stdout, " 77 ", "default-bind's backlog")
    for i in range(40):
        http(a.at("f"), f"/{i}")
    b = start("b")
    wait_for(lambda: "used:40" in b.cmd("show table t"), 10, "all entries have come, three at a time")
    b.stop()
    off = start("b", text=PEERS.replace("    enabled\n", "    disabled\n"))
    true(not run(["ss", "-Hltn", "sport", "=", f":{ports['b']}"]).stdout, "a disabled section does not listen")
    contains(off.cmd("show table t"), "used:0", "nor does it learn")


@case("transparent, the old word for option transparent: connections go where the client wanted to")
def _():
    p = Lbd(f"{DEFAULTS}listen f\n    mode tcp\n    bind 127.0.0.1:@f@\n    transparent\n    tcp-request content set-dst-port int({web.port})\n")
    equal(http(p.at("f")).server, "s1", "who answers")
    contains(p.log(), "'transparent' is an old form", "warning")


net = Net(servers=1)


@case("datapath ports and forward nat: from which address and port servers are spoken to")
def _():
    seen = []
    s = ScriptServer(lambda c, peer: (seen.append(peer), c.sendall(b"x")), ns=net.servers[0], addr="0.0.0.0")
    p = Lbd(f"global\n    datapath interface c0,s1\n    datapath ports 2000-2099\ndefaults\n    timeout connect 3s\n    timeout client 5s\n    timeout server 5s\n"
            f"listen web\n    mode tcp\n    bind 10.9.0.1:@web@\n    datapath kernel\n    forward nat\n    server s1 10.9.1.2:{s.port}\n", ns=net.lb)
    for _ in range(5):
        Conn(p.at("web", net.vip), ns=net.client).recv_exact(1)
    true(all(host == "10.9.1.1" and 2000 <= port <= 2099 for host, port in seen), f"peers of the server: {seen}")


main()
