#!/usr/bin/env python3
# tap: timeout=90
"""set-src, set-dst and their ports in every rule set, as logs, headers, fetches, balance and servers see them; beside haproxy."""
from lbt import *

HEAD = """
defaults
    timeout client 8s
    timeout server 8s
    timeout connect 2s
"""
BOTH = [(Lbd,), (Haproxy,)]


@cases("set-src and set-dst of a connection, a session, a request: {0.label}", BOTH)
def _(P):
    p = P(HEAD + """
frontend f
    mode http
    log 127.0.0.1:@log@ local0
    log-format "%ci:%cp>%fi:%fp %[src]:%[src_port] %[fc_src]:%[fc_src_port] %[dst]:%[dst_port] %[fc_dst]:%[fc_dst_port] %HU"
    bind 127.0.0.1:@web@
    option forwardfor
    option originalto
    tcp-request connection set-src ipv4(192.0.2.1) if { always_false }
    tcp-request connection set-src-port int(1001)
    tcp-request connection set-dst-port int(2001)
    tcp-request session set-src var(txn.no)
    tcp-request session set-src src,ipmask(8)
    tcp-request session set-dst str(192.0.2.9)
    http-request set-src hdr(x-client) if { hdr(x-client) -m found }
    http-request set-src-port hdr(x-port) if { hdr(x-port) -m found }
    http-request set-dst hdr(x-dst) if { hdr(x-dst) -m found }
    http-request set-dst-port int(99) if { hdr(x-dst) -m found }
    http-request return status 200 hdr X-Seen "%[src]:%[src_port] %[fc_src]:%[fc_src_port] %[dst]:%[dst_port] %[fc_dst]:%[fc_dst_port]"
""".replace("    tcp-request connection set-src ipv4(192.0.2.1) if { always_false }\n", "")
      .replace("ipv4(", "str("), ports={"log": (log := Syslog()).port})
    c = Conn(p.at("web"))
    equal(c.request("/1").header("X-Seen"), "127.0.0.0:1001 127.0.0.1:1001 192.0.2.9:2001 127.0.0.1:2001", "seen")
    r = c.request("/2", headers={"X-Client": "2001:db8::5", "X-Port": "70001", "X-Dst": "10.1.1.1"})
    equal(r.header("X-Seen"), "2001:db8::5:4465 127.0.0.1:1001 10.1.1.1:99 127.0.0.1:2001", "seen by the second")
    equal(c.request("/3", headers={"X-Client": "nonsense"}).header("X-Seen"),
          "127.0.0.0:1001 127.0.0.1:1001 192.0.2.9:2001 127.0.0.1:2001", "the third has the session's again")
    log.wait(r"2001:db8::5:4465>10.1.1.1:99 2001:db8::5:4465 127.0.0.1:1001 10.1.1.1:99 127.0.0.1:2001 /2")
    log.wait(r"127.0.0.0:1001>192.0.2.9:2001 127.0.0.0:1001 127.0.0.1:1001 192.0.2.9:2001 127.0.0.1:2001 /3")


@cases("forwarding headers carry the address that was set: {0.label}", BOTH)
def _(P):
    s = HttpServer("s")
    p = P(HEAD + f"""
listen f
    mode http
    bind 127.0.0.1:@web@
    option forwardfor
    option originalto
    http-request set-src str(192.0.2.77)
    http-request set-dst str(192.0.2.88)
    server s 127.0.0.1:{s.port}
""")
    head = http(p.at("web"), "/echo").body.lower()
    contains(head, b"x-forwarded-for: 192.0.2.77\r\n", "header")
    contains(head, b"x-original-to: 192.0.2.88\r\n", "header")


@cases("a server 0.0.0.0 is reached at the address that was set, in mode tcp and http: {0.label}", BOTH)
def _(P):
    a, b = EchoServer("a", addr="127.0.0.2"), EchoServer("b", addr="127.0.0.3")
    h = HttpServer("h", addr="127.0.0.4")
    p = P(HEAD + f"""
listen keeps-port
    bind 127.0.0.1:@one@
    tcp-request content set-dst str(127.0.0.2)
    tcp-request content set-dst-port int({a.port})
    server s 0.0.0.0:0
listen own-port
    bind 127.0.0.1:@two@
    tcp-request content set-dst str(127.0.0.3)
    server s 0.0.0.0:{b.port}
listen connection
    bind 127.0.0.1:@three@
    tcp-request connection set-dst str(127.0.0.2)
    tcp-request session set-dst-port int({a.port})
    server s *
listen http
    mode http
    bind 127.0.0.1:@four@
    http-request set-dst hdr(x-to)
    http-request set-dst-port int({h.port})
    server s *:0
""")
    equal(tcp_name(p.at("one")), "a", "address and port of the rules")
    equal(tcp_name(p.at("two")), "b", "address of the rule, port of the server")
    equal(tcp_name(p.at("three")), "a", "rules of connection and session")
    equal(http(p.at("four"), headers={"X-To": "127.0.0.4"}).server, "h", "http")


@cases("balance source hashes the address that was set: {0.label}", BOTH)
def _(P):
    names = [EchoServer(f"s{i}") for i in range(4)]
    p = P(HEAD + """
listen f
    mode tcp
    bind 127.0.0.1:@web@
    balance source
    tcp-request content set-src str(10.0.0.1) if { dst_port 0 }
    tcp-request content set-src req.payload(0,8),map_str_ip(@tmp@/none.map,10.0.0.9) if { always_false }
    tcp-request content set-src str(192.0.2.33) if { src_port 1:65535 }
""".replace("    tcp-request content set-src req.payload(0,8),map_str_ip(@tmp@/none.map,10.0.0.9) if { always_false }\n", "")
      + "".join(f"    server s{i} 127.0.0.1:{s.port}\n" for i, s in enumerate(names)))
    got = {tcp_name(p.at("web"), src=f"127.0.0.{i}") for i in range(1, 9)}
    equal(len(got), 1, f"servers for one client, seen as {got}")


@cases("silent-drop: the client keeps its connection, no packet tells it of the end: {0.label}", BOTH)
def _(P):
    p = P(HEAD + """
frontend connection
    bind 127.0.0.1:@connection@
    bind ::1:@connection@
    tcp-request connection silent-drop
frontend session
    bind 127.0.0.1:@session@
    tcp-request session silent-drop
frontend content
    bind 127.0.0.1:@content@
    tcp-request inspect-delay 5s
    tcp-request content silent-drop if { req.len gt 2 }
frontend http
    mode http
    bind 127.0.0.1:@http@
    http-request silent-drop
listen response
    mode http
    bind 127.0.0.1:@response@
    http-response silent-drop
    server s 127.0.0.1:@origin@
frontend control
    bind 127.0.0.1:@control@
    tcp-request connection reject
""", ports={"origin": HttpServer("s").port})
    seen = Frames()
    for name, host, data in (("connection", "127.0.0.1", b""), ("connection", "::1", b""), ("session", "127.0.0.1", b""),
                             ("content", "127.0.0.1", b"hello"), ("http", "127.0.0.1", b"GET / HTTP/1.0\r\n\r\n"),
                             ("response", "127.0.0.1", b"GET / HTTP/1.0\r\n\r\n")):
        before = int(p.stat(name, "FRONTEND")["scur"])
        c = Conn(p.at(name, host))
        if data:
            c.send(data)
        fd_gone(p, c, name)
        true(not c.closed(0.2), f"{name}: the client has seen an end")
        equal(seen.ends(p.port(name)), 0, f"{name} {host}: FIN or RST on the wire")
    with raises(ConnectionError):
        Conn(p.at("control")).recv_exact(1)
    wait_for(lambda: seen.ends(p.port("control")), 5, "the control's FIN is seen")


class Frames:
    """All IPv4 and IPv6 TCP packets of a device: (source port, flags, time to live, TOS)."""

    def __init__(self, dev="lo"):
        import socket
        import threading
        self.list = []
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.sock.bind((dev, 3))
        threading.Thread(target=self.read, daemon=True).start()
        at_end(self.sock.close)

    def read(self):
        while True:
            try:
                data = self.sock.recv(70000)
            except OSError:
                return
            at = (data[0] & 15) * 4 if data[0] >> 4 == 4 else 40
            if data[9 if data[0] >> 4 == 4 else 6] == 6 and len(data) >= at + 20:
                self.list.append((int.from_bytes(data[at:at + 2], "big"), data[at + 13],
                                  data[8] if data[0] >> 4 == 4 else data[7],
                                  data[1] if data[0] >> 4 == 4 else (data[0] & 15) << 4 | data[1] >> 4))

    def ends(self, port):
        """Packets from `port` with FIN or RST."""
        return sum(1 for p, flags, *_ in list(self.list) if p == port and flags & 5)


def fd_gone(p, c, what):
    """Until the proxy's end of the connection does not exist any more."""
    import subprocess
    host, port = c.sock.getsockname()[:2]

    def none():
        out = subprocess.run(["ss", "-Htn", "state", "all", "dport", f"= :{port}"], capture_output=True, text=True).stdout
        return not out.strip()
    wait_for(none, 5, f"{what}: the proxy has forgotten the connection")


@case("silent-drop rst-ttl: a reset with that time to live")
def _():
    p = Lbd(HEAD + "frontend f\n bind 127.0.0.1:@web@\n tcp-request connection silent-drop rst-ttl 3\n")
    seen = Frames()
    with raises(ConnectionError):
        Conn(p.at("web")).recv_exact(1)
    ttl = wait_for(lambda: [t for port, flags, t, _ in list(seen.list) if port == p.port("web") and flags & 4], 5, "RST")
    equal(set(ttl), {3}, "time to live of the reset")


@cases("set-tos: packets to the client carry it: {0.label}", BOTH)
def _(P):
    s, h = EchoServer("s"), HttpServer("h")
    p = P(HEAD + f"""
listen tcp
    bind 127.0.0.1:@tcp@
    bind ::1:@tcp@
    tcp-request connection set-tos 0x48
    server s 127.0.0.1:{s.port}
listen content
    bind 127.0.0.1:@content@
    tcp-request content set-tos 40
    server s 127.0.0.1:{s.port}
listen http
    mode http
    bind 127.0.0.1:@http@
    http-request set-tos 0x20
    http-response set-tos 184
    server s 127.0.0.1:{h.port}
""")
    seen = Frames()
    for name, host, want in (("tcp", "127.0.0.1", 0x48), ("tcp", "::1", 0x48), ("content", "127.0.0.1", 40)):
        equal(tcp_name(p.at(name, host)), "s", name)
        wait_for(lambda: [1 for q, f, _, tos in list(seen.list) if q == p.port(name) and f & 8 and tos == want], 5,
                 f"{name}: data with TOS {want} in {seen.list}")
    equal(http(p.at("http")).server, "h", "http")
    wait_for(lambda: [1 for q, f, _, tos in list(seen.list) if q == p.port("http") and f & 8 and tos == 184], 5,
             "http: data with TOS 184")


@case("set-bc-tos and set-bc-mark: from the SYN to the server on; set-mark to the client; numbers and expressions")
def _():
    # the marks are proven by policy routing: there is no way for marked packets
    net = Net(servers=1)
    s = EchoServer("s", addr="0.0.0.0", ns=net.servers[0])
    p = Lbd(HEAD + f"""
listen t
    bind :@web@
    tcp-request content set-bc-tos int(32),add(8)
    tcp-request content set-bc-mark 77
    tcp-request content set-mark 0x4e
    tcp-request connection set-fc-tos dst_port,mul(0),add(16)
    server s {net.server_ip[0]}:{s.port}
listen http
    mode http
    bind :@http@
    http-request set-bc-tos hdr(x-tos)
    server s {net.server_ip[0]}:{HttpServer("h", addr="0.0.0.0", ns=net.servers[0]).port}
""", ns=net.lb)
    with net.servers[0]:
        seen = Frames("eth0")
    at = p.at("web", net.vip)
    equal(tcp_name(at, ns=net.client), "s", "without rules of the system")
    wait_for(lambda: [1 for q, f, _, tos in list(seen.list) if f & 2 and not f & 16 and tos == 40], 5,
             f"a SYN with TOS 40 in {seen.list}")
    net.lb.run("ip rule add fwmark 77 unreachable pref 1")
    true(Conn(at, ns=net.client).closed(8), "the marked SYN finds no way")
    net.lb.run("ip rule del fwmark 77 unreachable pref 1; ip rule add fwmark 78 unreachable pref 1")
    c = Conn(at, ns=net.client)
    c.sock.settimeout(0.5)
    with raises(TimeoutError):
        c.recv_until(b"\n")
    net.lb.run("ip rule del fwmark 78 unreachable pref 1")
    c.sock.settimeout(8)
    equal(c.recv_until(b"\n"), b"s\n", "sent again once there is a way")
    c = Conn(p.at("http", net.vip), ns=net.client)
    for tos in (64, 128):	# the second on the same connection to the server
        c.request("/", headers={"X-Tos": tos})
        wait_for(lambda: [1 for q, f, _, t in list(seen.list) if f & 8 and t == tos], 5, f"a request with TOS {tos}")


main()
