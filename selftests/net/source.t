#!/usr/bin/env python3
# tap: timeout=120
"""`source` with port ranges, usesrc, interface; transparent listening: with policy routing in namespaces, beside haproxy."""
import socket
from lbt import *

HEAD = """
defaults
    timeout client 8s
    timeout server 8s
    timeout connect 1s
"""
BOTH = [(Lbd,), (Haproxy,)]


def tell_peer(seen):
    """A server that says who came."""
    def one(c, peer):
        seen.append(peer)
        c.sendall(f"{peer[0]} {peer[1]}\n".encode())
        c.recv(1)
    return one


def routed():
    """client - balancer - server; what comes from the server is the balancer's own, whatever its destination."""
    net = Net(servers=1)
    for v in ("", "-6 "):
        net.lb.run(f"ip {v}rule add iif s1 lookup 100 pref 10; ip {v}route add local default dev lo table 100")
    return net


def ask(p, name, net, v6=False, src=None):
    c = Conn(p.at(name, net.vip6 if v6 else net.vip), ns=net.client, src=src)
    words = c.recv_until(b"\n").decode().split()
    return words[0], int(words[1]), c


@cases("usesrc: client, clientip, a fixed address and port, for IPv4 and IPv6; checks keep their own: {0.label}", BOTH)
def _(P):
    net = routed()
    seen = []
    s = ScriptServer(tell_peer(seen), ns=net.servers[0], addr="0.0.0.0")
    s6 = ScriptServer(tell_peer([]), ns=net.servers[0], addr="::")
    p = P(HEAD + f"""
defaults
    timeout client 8s
    timeout server 8s
    timeout connect 1s
    source 0.0.0.0 usesrc clientip
listen clientip
    bind :@clientip@
    server s {net.server_ip[0]}:{s.port}
listen client
    bind :@client@
    source 10.9.1.1 usesrc client
    server s {net.server_ip[0]}:{s.port}
listen fixed
    bind :@fixed@
    server s {net.server_ip[0]}:{s.port} source 0.0.0.0 usesrc 192.0.2.55
listen port
    bind :@port@
    server s {net.server_ip[0]}:{s.port} source 0.0.0.0 usesrc 192.0.2.56:4040
listen six
    bind :::@six@
    source [::] usesrc client
    server s [{net.server_ip6[0]}]:{s6.port}
listen set
    bind :@set@
    tcp-request content set-src str(198.51.100.7)
    server s {net.server_ip[0]}:{s.port}
listen checked
    bind :@checked@
    option httpchk
    source 10.9.1.1 usesrc client
    server s {net.server_ip[0]}:{s.port} check inter 200ms
""", ns=net.lb)
    ip, port, c = ask(p, "clientip", net)
    equal(ip, net.client_ip, "clientip")
    ip, port, c = ask(p, "client", net)
    equal((ip, port), c.sock.getsockname()[:2], "client")
    equal(ask(p, "fixed", net)[0], "192.0.2.55", "fixed")
    equal(ask(p, "port", net)[:2], ("192.0.2.56", 4040), "fixed with a port")
    ip, port, c = ask(p, "six", net, v6=True)
    equal((ip, port), (net.client_ip6.replace(":0:", "::").replace(":::", "::"), c.sock.getsockname()[1]), "IPv6")
    equal(ask(p, "set", net)[0], "198.51.100.7", "an address that a rule has set")
    wait_for(lambda: "10.9.1.1" in {x[0] for x in seen}, 5, f"checks come from the own address: {seen}")


@cases("usesrc hdr_ip: the address in a header, an occurrence of it, none: {0.label}", BOTH)
def _(P):
    net = routed()
    h = HttpServer("h", ns=net.servers[0], addr="0.0.0.0")
    p = P("global\n    nbthread 1\n" + HEAD + f"""
listen l
    mode http
    bind :@web@
    http-reuse always
    source 0.0.0.0 usesrc hdr_ip(x-forwarded-for)
    server s {net.server_ip[0]}:{h.port}
listen first
    mode http
    bind :@first@
    server s {net.server_ip[0]}:{h.port} source 0.0.0.0 usesrc hdr_ip(x-forwarded-for,1)
""", ns=net.lb)

    def come_from(name, value):
        h.requests.clear()
        headers = {"X-Forwarded-For": value} if value else {}
        equal(http(p.at(name, net.vip), ns=net.client, headers=headers).server, "h", "answer")
        return h.requests[-1][2]
    equal(come_from("web", "192.0.2.1, 192.0.2.2")[0], "192.0.2.2", "the last")
    equal(come_from("first", "192.0.2.1, 192.0.2.2")[0], "192.0.2.1", "the first")
    if P is Lbd:		# as the manual says; haproxy 2.6 answers 503
        equal(come_from("web", None)[0], "10.9.1.1", "without the header")
    one = come_from("web", "192.0.2.2")
    equal(come_from("web", "192.0.2.9")[0], "192.0.2.9", "an idle connection of another address is not used")
    if P is Lbd:
        equal(come_from("web", "192.0.2.2"), one, "one of the same address is")


@cases("a range of ports: all of it is used, one connection a port, and given back: {0.label}", BOTH)
def _(P):
    seen = []
    s = ScriptServer(tell_peer(seen))
    p = P("global\n    nbthread 2\n" + HEAD + f"""
listen l
    retries 0
    bind 127.0.0.1:@web@
    server s 127.0.0.1:{s.port} source 127.0.0.9:40000-40003
""")
    conns = [Conn(p.at("web")) for _ in range(4)]
    got = [c.recv_until(b"\n").decode().split() for c in conns]
    equal({x[0] for x in got}, {"127.0.0.9"}, "address")
    equal({int(x[1]) for x in got}, {40000, 40001, 40002, 40003}, "ports")
    true(Conn(p.at("web")).closed(5), "a fifth finds no port")
    port = int(got[2][1])
    conns[2].reset()		# so that the port does not rest in TIME_WAIT

    def again():
        c = Conn(p.at("web"))
        line = c.recv_until(b"\n", eof_ok=True)
        c.close()
        return line
    equal(int(wait_for(again, 5, "the port is free again").split()[1]), port, "port")


@cases("source interface: the interface overrules the routing table: {0.label}", BOTH)
def _(P):
    net = Net(servers=2)
    for i in (0, 1):	# both servers have the address, the table knows the first
        net.servers[i].run("ip addr add 192.0.2.80/32 dev lo")
    net.lb.run("ip route add 192.0.2.80/32 via 10.9.1.2 metric 1; ip route add 192.0.2.80/32 via 10.9.2.2 dev s2 metric 2")
    names = [EchoServer(f"s{i}", ns=net.servers[i], addr="0.0.0.0", port=8080) for i in (0, 1)]
    p = P(HEAD + """
listen table
    bind :@table@
    server s 192.0.2.80:8080
listen iface
    bind :@iface@
    server s 192.0.2.80:8080 source 0.0.0.0 interface s2
listen backend
    bind :@backend@
    source 10.9.2.1 interface s2
    server s 192.0.2.80:8080
""", ns=net.lb)
    equal(tcp_name(p.at("table", net.vip), ns=net.client), "s0", "by the table")
    equal(tcp_name(p.at("iface", net.vip), ns=net.client), "s1", "by the interface of the server")
    equal(tcp_name(p.at("backend", net.vip), ns=net.client), "s1", "by the interface of the backend")


@cases("in the middle of the way: server and client keep their addresses, with any port: {0.label}", BOTH)
def _(P):
    net = routed()
    # clients speak to the server's own address; the balancer takes what comes from them
    net.lb.run("ip rule add iif c0 lookup 100 pref 11")
    seen = []
    s = ScriptServer(tell_peer(seen), ns=net.servers[0], addr="0.0.0.0")
    h = HttpServer("h", ns=net.servers[0], addr="0.0.0.0")
    log = Syslog(ns=net.lb)
    p = P(HEAD + f"""
listen transparent
    bind :{s.port} transparent
    option transparent
    source 0.0.0.0 usesrc client
listen any
    mode http
    log 127.0.0.1:@log@ local0
    log-format "%ci %fi:%fp %[dst_is_local] %[src_is_local] %HU"
    bind 0.0.0.0:{h.port} transparent
    source 0.0.0.0 usesrc clientip
    server s 0.0.0.0
listen elsewhere
    bind 192.0.2.99:7777 transparent
    server s {net.server_ip[0]}:{s.port}
""", ns=net.lb, ports={"log": log.port})
    c = Conn((net.server_ip[0], s.port), ns=net.client)
    ip, port = c.recv_until(b"\n").decode().split()
    equal((ip, int(port)), c.sock.getsockname()[:2], "the server sees the client")
    equal(len(seen), 1, "connections at the server")
    equal(p.stat("transparent")["stot"], "1", "and it went through the proxy")
    equal(http((net.server_ip[0], h.port), "/x", ns=net.client).server, "h", "http")
    equal(h.requests[-1][2][0], net.client_ip, "the server sees the client's address")
    log.wait(rf"{net.client_ip} {net.server_ip[0]}:{h.port} 0 0 /x")
    c = Conn(("192.0.2.99", 7777), ns=net.client)
    equal(c.recv_until(b"\n").decode().split()[0], "10.9.1.1", "an address that is nobody's")


@case("user and usesrc: refused without setcap, works with it")
def _():
    net = routed()
    s = ScriptServer(tell_peer([]), ns=net.servers[0], addr="0.0.0.0")
    config = HEAD + f"""
listen clientip
    bind :@clientip@
    source 0.0.0.0 usesrc clientip
    server s {net.server_ip[0]}:{s.port}
"""
    p = Lbd("global\n    user nobody\n" + config, ns=net.lb, wait=False)
    equal(p.wait(), 1, "exit status")
    contains(p.log(), "setcap cap_net_admin", "message")
    p = Lbd("global\n    user nobody\n    setcap cap_net_admin\n" + config, ns=net.lb)
    equal(ask(p, "clientip", net)[0], net.client_ip, "clientip")


main()
