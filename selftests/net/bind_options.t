#!/usr/bin/env python3
# tap: timeout=120
"""What bind and server lines say about sockets: threads, namespaces, keep-alive, timeouts, quick ACKs, fast open; beside haproxy."""
import re
import socket
import time
from lbt import *

HEAD = """
global
    nbthread 4
defaults
    timeout client 20s
    timeout server 20s
    timeout connect 2s
"""
BOTH = [(Lbd,), (Haproxy,)]


@cases("thread and process: only those serve, lines may share an address: {0.label}", BOTH)
def _(P):
    p = P(HEAD + """
defaults
    mode http
    timeout client 20s
frontend f
    bind 127.0.0.1:@two@ thread 2
    bind 127.0.0.1:@even@ thread even
    bind 127.0.0.1:@range@ thread 1/3-
    bind 127.0.0.1:@both@ thread 1
    bind 127.0.0.1:@both@ thread 4
    bind 127.0.0.1:@old@ process 1/3
    bind 127.0.0.1:@sum@ thread 1 thread 3 nice 50
    bind 127.0.0.1:@each@ thread 1-2 shards by-thread
    http-request return status 200 hdr X-Thread %[thread]
""")
    for name, want in (("two", {1}), ("even", {1, 3}), ("range", {2, 3}), ("both", {0, 3}), ("old", {2}), ("sum", {0, 2}),
                       ("each", {0, 1})):
        conns = [Conn(p.at(name)) for _ in range(40)]
        got = {int(c.request("/").header("X-Thread")) for c in conns}
        true(got <= want, f"{name}: threads {got}, wanted {want}")
        if len(want) == 1 or P is Lbd:
            equal(got, want, f"{name}: threads")
        for c in conns:
            c.close()
        wait_for(lambda: p.stat("f", "FRONTEND")["scur"] == "0", 5, "all are closed")


@cases("a listener and a server in other namespaces: {0.label}", BOTH)
def _(P):
    a, b = Netns("a"), Netns("b")
    s = EchoServer("there", ns=b)
    p = P(HEAD + f"""
listen l
    bind 127.0.0.1:@far@ namespace {a.name}
    server s 127.0.0.1:{s.port} namespace {b.name} check inter 300ms
listen here
    bind 127.0.0.1:@here@
    server s 127.0.0.1:{s.port} namespace {b.name}
""")
    p.wait_status("l", "s", "UP")
    for _ in range(3):
        equal(tcp_name(p.at("far"), ns=a), "there", "in from one namespace, out to another")
    equal(tcp_name(p.at("here")), "there", "in from here")
    with raises(ConnectionRefusedError):
        Conn(p.at("far"))


def timers(port, side):
    return run(["ss", "-Htno", "state", "established", f"{side} = :{port}"]).stdout


@cases("keep-alive times of both sides: {0.label}", BOTH)
def _(P):
    s = EchoServer("s")
    p = P(HEAD + f"""
listen on
    bind 127.0.0.1:@on@
    option clitcpka
    clitcpka-idle 100
    clitcpka-intvl 5s
    clitcpka-cnt 3
    option srvtcpka
    srvtcpka-idle 50s
    srvtcpka-intvl 7
    srvtcpka-cnt 9
    server s 127.0.0.1:{s.port}
listen tcpka
    bind 127.0.0.1:@tcpka@
    option tcpka
    server s 127.0.0.1:{s.port}
listen off
    bind 127.0.0.1:@off@
    server s 127.0.0.1:{s.port}
""")
    for name, cli, srv in (("on", r"keepalive,1min[34]\d", r"keepalive,(49|50)"), ("tcpka", r"keepalive,(119|1[12]\d)min|keepalive,\d+min|keepalive,2h", "keepalive"),
                           ("off", None, None)):
        c = Conn(p.at(name))
        c.recv_until(b"\n")
        for side, port, want in (("sport", p.port(name), cli), ("dport", s.port, srv)):
            out = timers(port, side)
            true(bool(re.search(want, out)) if want else "keepalive" not in out, f"{name} {side}: {want} in {out}")
        c.close()
        wait_for(lambda: not timers(s.port, "dport"), 5, "closed")


@cases("unanswered keep-alive probes end a client's connection: {0.label}", BOTH)
def _(P):
    net = Net(servers=1)
    s = EchoServer("s", ns=net.servers[0], addr="0.0.0.0")
    p = P(HEAD + f"""
listen l
    bind :@web@
    option clitcpka
    clitcpka-idle 1
    clitcpka-intvl 1
    clitcpka-cnt 2
    server s {net.server_ip[0]}:{s.port}
""", ns=net.lb)
    c = Conn(p.at("web", net.vip), ns=net.client)
    c.recv_until(b"\n")
    net.client.run("ip link set eth0 down")
    wait_for(lambda: not s.open_conns(), 8, "the server is told")


@cases("tcp-ut: a server that acknowledges nothing is given up: {0.label}", BOTH)
def _(P):
    net = Net(servers=1)
    s = EchoServer("s", ns=net.servers[0], addr="0.0.0.0")
    p = P(HEAD + f"""
listen l
    bind :@web@
    server s {net.server_ip[0]}:{s.port} tcp-ut 700ms
""", ns=net.lb)
    c = Conn(p.at("web", net.vip), ns=net.client)
    c.recv_until(b"\n")
    net.servers[0].run("ip link set eth0 down")
    began = time.monotonic()
    c.send(b"x")
    true(c.closed(8), "closed")
    true(time.monotonic() - began < 6, "long before timeout server")


def packets(P, option, data):
    """Packets without data from the proxy to client and server, until the answer is there."""
    net = Net(servers=1)
    s = HttpServer("s", ns=net.servers[0], addr="0.0.0.0")
    p = P(HEAD + f"""
listen l
    mode http
    bind :@web@
    {option}
    server s {net.server_ip[0]}:{s.port}
""", ns=net.lb)
    seen = {}
    for dev in ("c0", "s1"):
        with net.lb:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        sock.bind((dev, 3))
        sock.setblocking(False)
        seen[dev] = sock
    c = Conn(p.at("web", net.vip), ns=net.client)
    c.request("/")
    time.sleep(0.01)	# what follows the answer at once is counted, a delayed ACK (40 ms) is not
    out = {}
    for dev, sock in seen.items():
        n = 0
        while True:
            try:
                d, addr = sock.recvfrom(2000)
            except BlockingIOError:
                break
            if d[0] >> 4 == 4 and d[9] == 6 and addr[2] == 4:	# outgoing TCP
                head = (d[0] & 15) * 4
                size = int.from_bytes(d[2:4], "big") - head - (d[head + 12] >> 4) * 4
                n += size == 0 and d[head + 13] == 16
        out[dev] = n
        sock.close()
    return out["c0"], out["s1"]


@cases("quick ACKs: as many packets without data as with haproxy ({0})",
       ["# automatic", "no option tcp-smart-accept", "option tcp-smart-connect"])
def _(option):
    want = packets(Haproxy, option, b"")
    got = packets(Lbd, option, b"")
    note(f"to the client, to the server: haproxy {want}, lbd {got}")
    true(got[0] <= want[0] and got[1] <= want[1], f"lbd {got}, haproxy {want}")
    if "smart-connect" in option:
        true(got[1] < packets(Lbd, "# automatic", b"")[1], "ACKs to the server are saved")


def fast_opens(ns, name):
    lines = ns.run("cat /proc/net/netstat").stdout.splitlines()
    names, values = (next(ln.split() for ln in lines[i:] if ln.startswith("TcpExt")) for i in (0, 1))
    return int(values[names.index(name)])


@case("tfo: the request goes with the SYN, from the second connection on, and only where there is one")
def _():
    net = Net(servers=1)
    for ns in (net.lb, net.servers[0], net.client):
        ns.run("echo 3 > /proc/sys/net/ipv4/tcp_fastopen")
    s = HttpServer("s", ns=net.servers[0], addr="0.0.0.0")
    s.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
    e = EchoServer("e", ns=net.servers[0], addr="0.0.0.0")
    e.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
    p = Lbd(HEAD + f"""
listen l
    mode http
    bind :@web@ tfo
    http-reuse never
    default-server tfo
    server s {net.server_ip[0]}:{s.port}
listen off
    mode http
    bind :@off@
    http-reuse never
    default-server tfo
    server s {net.server_ip[0]}:{s.port} no-tfo
listen t
    bind :@tcp@
    server s {net.server_ip[0]}:{e.port} tfo
""", ns=net.lb)
    for n in range(3):
        equal(http(p.at("web", net.vip), ns=net.client).server, "s", "request")
    wait_for(lambda: fast_opens(net.lb, "TCPFastOpenActive") == 2, 5, "two fast opens")
    for _ in range(3):
        equal(http(p.at("off", net.vip), ns=net.client).server, "s", "request")
        equal(tcp_name(p.at("tcp", net.vip), ns=net.client), "e", "a server that speaks first")
    equal(fast_opens(net.lb, "TCPFastOpenActive"), 2, "fast opens")


@case("cc: congestion control of both sides")
def _():
    s = EchoServer("s")
    have = run("cat /proc/sys/net/ipv4/tcp_available_congestion_control /proc/sys/net/ipv4/tcp_congestion_control").stdout.split()
    other = next((x for x in have[:-1] if x != have[-1]), None)
    if not other:
        skip(f"the kernel has one algorithm only: {have}")
    p = Lbd(HEAD + f"listen l\n bind 127.0.0.1:@web@ cc {other}\n server s 127.0.0.1:{s.port} cc {other}\n"
            f"listen m\n bind 127.0.0.1:@usual@\n server s 127.0.0.1:{s.port}\n")
    c = Conn(p.at("web"))
    c.recv_until(b"\n")
    for side, port in (("sport", p.port("web")), ("dport", s.port)):
        contains(run(["ss", "-Htni", "state", "established", f"{side} = :{port}"]).stdout, f" {other} ", side)
    c.close()
    c = Conn(p.at("usual"))
    c.recv_until(b"\n")
    contains(run(["ss", "-Htni", "state", "established", f"sport = :{p.port('usual')}"]).stdout, f" {have[-1]} ", "usual")


@cases("dispatch and option transparent send what belongs to no server: {0.label}", BOTH)
def _(P):
    log = Syslog()
    s, d, x = EchoServer("s"), EchoServer("d"), HttpServer("x", addr="127.0.0.7")
    p = P(HEAD + f"""
defaults
    timeout client 8s
    timeout server 8s
    timeout connect 2s
    log 127.0.0.1:@log@ local0
    option tcplog
listen one
    bind 127.0.0.1:@one@
    dispatch 127.0.0.1:{d.port}
listen two
    bind 127.0.0.1:@two@
    dispatch 127.0.0.1:{d.port}
    server s 127.0.0.1:{s.port}
listen three
    bind 127.0.0.1:@three@
    dispatch 127.0.0.1:{d.port}
    balance roundrobin
    server s 127.0.0.1:{s.port}
listen four
    bind 127.0.0.1:@four@
    option transparent
    tcp-request content set-dst str(127.0.0.7)
    tcp-request content set-dst-port int({x.port})
listen five
    mode http
    bind 127.0.0.1:@five@
    dispatch 127.0.0.7:{x.port}
""", ports={"log": log.port})
    equal(tcp_name(p.at("one")), "d", "dispatch alone")
    log.wait(r" one one/<NOSRV> \d+/\d+/\d+ 2 -- ")
    equal(tcp_name(p.at("two")), "d", "dispatch in front of a server")
    equal(tcp_name(p.at("three")), "s", "balance in front of dispatch")
    equal(http(p.at("four")).server, "x", "transparent")
    c = Conn(p.at("five"))
    for _ in range(3):
        equal(c.request("/").server, "x", "http")
    equal([r["svname"] for r in p.stat() if r["pxname"] == "one"], ["FRONTEND", "BACKEND"], "statistics")
    equal(p.stat("one")["status"], "UP", "status")


@cases("option contstats: bytes are seen while the connection and the request last: {0.label}", BOTH)
def _(P):
    s = EchoServer("s", banner=False)

    def half(c, peer):
        c.recv(1000)
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(50000))
        c.recv(1)
    h = ScriptServer(half)
    p = P(HEAD + f"""
listen on
    option contstats
    bind 127.0.0.1:@on@
    server s 127.0.0.1:{s.port}
listen off
    bind 127.0.0.1:@off@
    server s 127.0.0.1:{s.port}
listen http
    mode http
    option contstats
    bind 127.0.0.1:@http@
    server s 127.0.0.1:{h.port}
""")
    conns = [Conn(p.at(name)) for name in ("on", "off")]
    for c in conns:
        c.send(pattern(50000))
        equal(c.recv_exact(50000), pattern(50000), "echo")
    c = Conn(p.at("http"))
    c.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
    c.recv_exact(50000)
    conns[0].send(b"x")		# haproxy looks at the time when something passes
    conns[0].recv_exact(1)
    wait_for(lambda: int(p.stat("on")["bout"]) >= 50000 and int(p.stat("on", "FRONTEND")["bin"]) >= 50000, 8, "bytes of mode tcp")
    if P is Lbd:
        wait_for(lambda: int(p.stat("http")["bout"]) >= 50000, 5, "bytes of mode http")
    equal(p.stat("off")["bout"], "0", "without the option")
    for x in conns:
        x.close()
    wait_for(lambda: p.stat("off")["bout"] == "50000" and p.stat("on")["bout"] == "50001", 5, "each byte is counted once")


main()
