#!/usr/bin/env python3
# tap: timeout=150
"""PROXY protocol, both versions, received and sent, and the NetScaler header; beside haproxy, and with it in a chain."""
import socket
import struct
from lbt import *

HEAD = """
defaults
    timeout client 8s
    timeout server 8s
    timeout connect 2s
"""
BOTH = [(Lbd,), (Haproxy,)]
SIG = b"\r\n\r\n\0\r\nQUIT\n"


def tlv(kind, value):
    return bytes([kind]) + struct.pack(">H", len(value)) + value


def v2(cmd=0x21, fam=0x11, block=None, tlvs=b"", length=None, sig=SIG):
    if block is None:
        block = {0x11: socket.inet_aton("192.0.2.10") + socket.inet_aton("192.0.2.20"),
                 0x21: socket.inet_pton(socket.AF_INET6, "2001:db8::a") + socket.inet_pton(socket.AF_INET6, "2001:db8::b")
                 }.get(fam, b"") + struct.pack(">HH", 1000, 2000) if fam in (0x11, 0x21) else b""
    body = block + tlvs
    return sig + bytes([cmd, fam]) + struct.pack(">H", len(body) if length is None else length) + body


def crc32c(data):
    crc = 0xffffffff
    for b in data:
        crc ^= b
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def with_crc(tlvs_before, tlvs_behind=b"", wrong=0):
    raw = v2(tlvs=tlvs_before + tlv(3, b"\0\0\0\0") + tlvs_behind)
    return v2(tlvs=tlvs_before + tlv(3, struct.pack(">I", crc32c(raw) ^ wrong)) + tlvs_behind)


SEEN = """
    http-request return status 200 hdr X-Seen "%[src]:%[src_port] %[dst]:%[dst_port] %[fc_src] %[fc_dst_port] %[fc_rcvd_proxy]" hdr X-Auth "%[fc_pp_authority]" hdr X-Id "%[fc_pp_unique_id]"
"""
GOOD = [
    ("version 1, IPv4", b"PROXY TCP4 192.0.2.10 192.0.2.20 1000 2000\r\n", "192.0.2.10:1000 192.0.2.20:2000 F 1"),
    ("version 1, IPv6", b"PROXY TCP6 2001:db8::a 2001:db8::b 1000 2000\r\n", "2001:db8::a:1000 2001:db8::b:2000 F 1"),
    ("version 1, longest IPv6", b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65535\r\n",
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:65535 ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe:65535 "
     "F 1"),
    ("version 1, unknown", b"PROXY UNKNOWN\r\n", "own"),
    ("version 1, unknown with words", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "own"),
    ("version 2, IPv4", v2(), "192.0.2.10:1000 192.0.2.20:2000 F 1"),
    ("version 2, IPv6", v2(fam=0x21), "2001:db8::a:1000 2001:db8::b:2000 F 1"),
    ("version 2, local", v2(cmd=0x20), "own"),
    ("version 2, local without anything", v2(cmd=0x20, fam=0, block=b""), "own"),
    ("version 2, unspecified", v2(fam=0, block=b""), "own"),
    ("version 2, unix", v2(fam=0x31, block=bytes(216)), "own"),
    ("version 2, datagrams", v2(fam=0x12, block=bytes(12)), "own"),
    ("version 2, with parts", v2(tlvs=tlv(4, b"xyz") + tlv(2, b"www.example.com") + tlv(0xE0, b"") + tlv(5, b"id-77")),
     "192.0.2.10:1000 192.0.2.20:2000 F 1"),
    ("version 2, checksum", with_crc(tlv(2, b"a"), tlv(1, b"h2")), "192.0.2.10:1000 192.0.2.20:2000 F 1"),
    ("version 2, 1,000 bytes of padding", v2(tlvs=tlv(4, bytes(1000))), "192.0.2.10:1000 192.0.2.20:2000 F 1"),
]

# The specification leaves it to the receiver (families that it does not use), or wants it accepted (words behind UNKNOWN).
HAPROXY_RESETS = ("version 1, unknown with words", "version 2, unspecified", "version 2, unix", "version 2, datagrams")


@cases("what a header announces is the client: {0.label}", BOTH)
def _(P):
    log = Syslog()
    p = P(HEAD + "frontend f\n    mode http\n    log 127.0.0.1:@log@ local0\n    log-format \"%ci:%cp %fi:%fp %HU\"\n"
          "    bind 127.0.0.1:@web@ accept-proxy\n" + SEEN, ports={"log": log.port})
    for what, header, want in GOOD:
        c = Conn(p.at("web"))
        c.send(header + b"GET /x HTTP/1.1\r\nHost: t\r\n\r\n")
        if P is Haproxy and what in HAPROXY_RESETS:
            continue
        seen = c.read_response().header("X-Seen")
        host, port = c.sock.getsockname()
        own = f"{host}:{port} 127.0.0.1:{p.port('web')} F 1"
        equal(seen.replace(f" {host} {p.port('web')} 1", " F 1"), own if want == "own" else want, what)
        src, dst = seen.split()[:2]
        log.wait(f" {src} {dst} /x".replace("[", "\\["))
        c.close()
    c = Conn(p.at("web"))
    c.send(GOOD[12][1] + b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
    r = c.read_response()
    equal((r.header("X-Auth"), r.header("X-Id")), ("www.example.com", "id-77"), "authority and unique id")
    equal(c.request("/2").header("X-Id"), "id-77", "in the next request, too")


BAD = [
    ("no header", b"GET / HTTP/1.1\r\n\r\n", "does not look like"),
    ("nearly one", b"PROXy TCP4 1.1.1.1 1.1.1.1 1 2\r\n", "does not look like"),
    ("nearly a binary one", v2(sig=b"\r\n\r\n\0\r\nQUIT\r"), "does not look like"),
    ("another protocol", b"PROXY UDP4 192.0.2.10 192.0.2.20 1000 2000\r\n", "unhandled protocol"),
    ("IPv6 where IPv4 is said", b"PROXY TCP4 2001:db8::a 2001:db8::b 1000 2000\r\n", "invalid"),
    ("a port in letters", b"PROXY TCP4 192.0.2.10 192.0.2.20 x 80\r\n", "invalid"),
    ("a port is missing", b"PROXY TCP4 192.0.2.10 192.0.2.20 1000\r\n", "invalid"),
    ("CR without LF", b"PROXY TCP4 192.0.2.10 192.0.2.20 1000 2000\rx\n", "invalid"),
    ("version 2, the wrong version", v2(cmd=0x11), "does not look like"),
    ("version 2, an unknown command", v2(cmd=0x22), "invalid"),
    ("version 2, a short block", v2(block=bytes(11)), "invalid"),
    ("version 2, a short block of IPv6", v2(fam=0x21, block=bytes(35)), "invalid"),
    ("version 2, a part that reaches beyond", v2(tlvs=b"\x02\x00\x09abc"), "invalid"),
    ("version 2, the wrong checksum", with_crc(b"", wrong=1), "invalid"),
]
OWN_BAD = [
    ("a port that is too high", b"PROXY TCP4 192.0.2.10 192.0.2.20 1000 65536\r\n", "invalid"),
    ("a part of an address", b"PROXY TCP4 192.0.2 192.0.2.20 1000 2000\r\n", "invalid"),
    ("too long for version 1", b"PROXY TCP4 " + b"1" * 200 + b"\r\n", "invalid"),
    ("a leading zero", b"PROXY TCP4 192.0.2.010 192.0.2.20 1000 2000\r\n", "invalid"),
    ("a port with a leading zero", b"PROXY TCP4 192.0.2.10 192.0.2.20 01000 2000\r\n", "invalid"),
    ("words behind the ports", b"PROXY TCP4 192.0.2.10 192.0.2.20 1000 2000 x\r\n", "invalid"),
    ("two blanks", b"PROXY TCP4  192.0.2.10 192.0.2.20 1000 2000\r\n", "invalid"),
    ("version 2, half a part", v2(tlvs=b"\x02\x00"), "invalid"),
    ("version 2, a checksum of 3 bytes", v2(tlvs=tlv(3, b"abc")), "invalid"),
    ("version 2, a unique id of 129 bytes", v2(tlvs=tlv(5, bytes(129))), "invalid"),
    ("version 2, longer than 16 kB", v2(length=65535), "invalid"),
]


def refused(p, log, what, header, words):
    log.lines.clear()
    c = Conn(p.at("web"))
    c.send(header)
    true(c.closed(5), f"{what}: the connection stays open")
    m = log.wait(r" (\S+):(\d+) \[.*\] f/me: (.*)")
    if isinstance(p, Lbd):		# haproxy has taken the addresses over before it sees what is wrong behind them
        equal(m.group(1), "127.0.0.1", f"{what}: the real address is logged")
    contains(m.group(3), words, what)
    c.close()


BADCFG = HEAD + """
frontend f
    mode http
    log 127.0.0.1:@log@ local0
    bind 127.0.0.1:@web@ accept-proxy name me
    timeout client 300ms
""" + SEEN


@cases("bad headers are refused, in the same words: {0.label}", BOTH)
def _(P):
    log = Syslog()
    p = P(BADCFG, ports={"log": log.port})
    for row in BAD:
        refused(p, log, *row)


@case("headers that haproxy lets pass against the specification are refused")
def _():
    log = Syslog()
    p = Lbd(BADCFG, ports={"log": log.port})
    for row in OWN_BAD:
        refused(p, log, *row)


@cases("a client that says nothing or leaves: {0.label}", BOTH)
def _(P):
    log = Syslog()
    p = P(BADCFG, ports={"log": log.port})
    c = Conn(p.at("web"))
    true(c.closed(5), "silence ends with timeout client")
    log.wait("f/me: Timeout while waiting for PROXY protocol header")
    c = Conn(p.at("web"))
    c.close()
    log.wait("f/me: Connection closed while waiting for PROXY protocol header")


@case("timeout client-hs is for headers only")
def _():
    log = Syslog()
    p = Lbd(BADCFG.replace("timeout client 300ms", "timeout client 8s\n    timeout client-hs 200ms"), ports={"log": log.port})
    c = Conn(p.at("web"))
    true(c.closed(5), "closed")
    log.wait("f/me: Timeout while waiting for PROXY protocol header")


@case("a header that is cut off by the end of the stream")
def _():
    log = Syslog()
    p = Lbd(BADCFG, ports={"log": log.port})
    for header in (b"PROXY TCP4 192.0.2.10 1", v2()[:20], b"PRO", SIG[:5]):
        log.lines.clear()
        c = Conn(p.at("web"))
        c.send(header)
        c.shut()
        true(c.closed(5), "closed")
        log.wait("Truncated PROXY protocol header received")


@case("headers may be cut anywhere, and what follows arrives whole")
def _():
    s = EchoServer("s", banner=False)
    p = Lbd(HEAD + f"listen f\n    bind 127.0.0.1:@web@ accept-proxy\n    server s 127.0.0.1:{s.port}\n"
            f"listen talks-first\n    bind 127.0.0.1:@banner@ accept-proxy\n    server s 127.0.0.1:{EchoServer('b').port}\n")
    for header in (GOOD[0][1], GOOD[12][1]):
        data = header + b"hello"
        for cut in range(1, len(data)):
            c = Conn(p.at("web"))
            c.send(data[:cut])
            if cut < len(header):
                wait_for(lambda: queue_is_empty(c) or True, 1)
            c.send(data[cut:])
            equal(c.recv_exact(5), b"hello", f"cut at {cut} of {header!r}")
            c.close()
    c = Conn(p.at("web"))
    for byte in GOOD[12][1] + b"hello":
        c.send(bytes([byte]))
    equal(c.recv_exact(5), b"hello", "byte by byte")
    for header in (GOOD[0][1], GOOD[12][1]):
        c = Conn(p.at("banner"))
        c.send(header)
        equal(c.recv_until(b"\n"), b"b\n", "the server may speak first")


def queue_is_empty(c):
    import fcntl
    import termios
    return not struct.unpack("i", fcntl.ioctl(c.sock, termios.TIOCOUTQ, b"\0\0\0\0"))[0]


@cases("megabytes behind the header, spliced or copied ({0})", ["auto", "pipe", "copy"])
def _(engine):
    s = EchoServer("s", banner=False)
    p = Lbd(f"global\n    tune.splice {engine}\n" + HEAD + f"""
listen in
    bind 127.0.0.1:@web@ accept-proxy
    server s 127.0.0.1:@mid@ send-proxy-v2 proxy-v2-options crc32c
listen out
    bind 127.0.0.1:@mid@ accept-proxy
    tcp-request content reject unless {{ src 192.0.2.10 }}
    server s 127.0.0.1:{s.port}
""")
    import threading
    data = pattern(4000000)
    c = Conn(p.at("web"))
    t = threading.Thread(target=lambda: (c.send(GOOD[0][1] + data), c.shut()))
    t.start()
    equal(c.recv_all(), data, "what comes back")
    t.join()


def sink(got):
    def one(c, peer):
        data = b""
        try:
            while d := c.recv(65536):
                data += d
        except OSError:
            pass		# checks end with a reset
        got.append(data)
    return ScriptServer(one)


SEND = ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c", "send-proxy-v2-ssl", "send-proxy-v2-ssl-cn",
        "send-proxy-v2 proxy-v2-options unique-id,crc32c,authority,ssl,cert-cn,ssl-cipher,cert-sig,cert-key",
        "send-proxy send-proxy-v2", "send-proxy-v2 no-send-proxy-v2", "send-proxy no-send-proxy", "proxy-v2-options crc32c",
        "send-proxy-v2-ssl no-send-proxy-v2-ssl", "send-proxy-v2-ssl-cn no-send-proxy-v2-ssl-cn", "send-proxy-v2-ssl no-send-proxy-v2"]


@case("headers to servers are haproxy's, byte for byte, for IPv4, IPv6, mixed and unix clients")
def _():
    got = []
    to = sink(got).port
    config = HEAD + "".join(f"""
listen l{i}
    bind 127.0.0.1:@l{i}@ accept-proxy
    bind unix@@tmp@/PROG-{i}.sock
    tcp-request content set-dst str(2001:db8::99) if {{ src_port 3 }}
    server s 127.0.0.1:{to} {words}
""" for i, words in enumerate(SEND))
    heads = [b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n",
             b"PROXY TCP4 192.0.2.1 192.0.2.2 3 4\r\n", b"unix"]
    result = {}
    for P in (Lbd, Haproxy):
        p = P(config.replace("PROG", P.label))
        for i, words in enumerate(SEND):
            for head in heads:
                got.clear()
                unix = head == b"unix"
                c = Conn(f"{TMP}/{P.label}-{i}.sock" if unix else p.at(f"l{i}"))
                c.send((b"" if unix else head) + b"x")
                c.shut()
                wait_for(lambda: got, 5, "the server has read all")
                result[P.label, words, head] = got[0]
        p.stop()
    for words in SEND:
        for head in heads:
            equal(result["lbd", words, head], result["haproxy", words, head], f"{words} for {head}")


@cases("checks have a header of their own: {0.label}", BOTH)
def _(P):
    got, own, plain, forced = [], [], [], []
    p = P(HEAD + f"""
backend b
    server v1 127.0.0.1:{sink(got).port} check inter 300ms send-proxy
    server v2 127.0.0.1:{sink(own).port} check inter 300ms send-proxy-v2 proxy-v2-options crc32c,ssl
    server only 127.0.0.1:{sink(forced).port} check inter 300ms check-send-proxy
    server addr 127.0.0.1:{sink(plain).port} check inter 300ms send-proxy addr 127.0.0.1
""")
    import re
    for s in ("v1", "v2", "only", "addr"):
        p.wait_status("b", s, "UP")
    wait_for(lambda: len(got) > 1 and own and forced, 5, "checks have come")
    true(re.fullmatch(rb"PROXY TCP4 127.0.0.1 127.0.0.1 \d+ \d+\r\n", got[0]), f"version 1: {got[0]}")
    true(re.fullmatch(rb"PROXY TCP4 127.0.0.1 127.0.0.1 \d+ \d+\r\n", forced[0]), f"check-send-proxy: {forced[0]}")
    equal(own[0], SIG + b"\x20\x00\x00\x0f\x03\x00\x04\x88\x9d\xa1\xdf\x20\x00\x05\0\0\0\0\0", "version 2")
    if P is Lbd:		# it may end before the server has accepted it
        equal([x for x in plain if x], [], "a check with an address of its own")


@cases("a chain: client, {0.label}, {1.label}", [(Lbd, Haproxy), (Haproxy, Lbd), (Lbd, Lbd)])
def _(A, B):
    b = B(HEAD + "frontend f\n    mode http\n    bind 127.0.0.1:@web@ accept-proxy\n" + SEEN)
    a = A(HEAD + f"""
listen f
    mode http
    bind 127.0.0.1:@v1@ accept-proxy
    server s 127.0.0.1:{b.port("web")} send-proxy
listen g
    bind 127.0.0.1:@v2@ accept-proxy
    server s 127.0.0.1:{b.port("web")} send-proxy-v2 proxy-v2-options crc32c,ssl
""")
    for name in ("v1", "v2"):
        c = Conn(a.at(name))
        c.send(GOOD[1][1] + b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        contains(c.read_response().header("X-Seen"), GOOD[1][2].replace("F 1", ""), name)


@cases("a pooled connection is only used for the same client: {0.label}", BOTH)
def _(P):
    import collections
    heads = collections.defaultdict(list)

    def origin(c, peer):
        conn = Conn(sock=c)
        line = conn.recv_until(b"\r\n")
        while conn.read_head(eof_ok=True):
            heads[line].append(peer)
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    s = ScriptServer(origin)
    p = P("global\n    nbthread 1\n" + HEAD + f"""
listen f
    mode http
    http-reuse always
    bind 127.0.0.1:@web@ accept-proxy
    server s 127.0.0.1:{s.port} send-proxy
""")
    one, two = (b"PROXY TCP4 192.0.2.%d 192.0.2.200 1 2\r\n" % i for i in (1, 2))

    def ask(head, times=1):
        c = Conn(p.at("web"))
        c.send(head)
        for _ in range(times):
            equal(c.request("/").status, 200, "status")
        c.close()
    ask(one, 3)
    ask(two, 2)
    ask(one)
    ask(two)
    equal({k: len(v) for k, v in heads.items()}, {one: 4, two: 3}, "requests by header")
    if P is Lbd:		# haproxy keeps fewer than it could
        equal({k: len(set(v)) for k, v in heads.items()}, {one: 1, two: 1}, "connections by header")
        equal(s.accepted, 2, "connections")


@cases("expect-proxy for some clients only: {0.label}", BOTH)
def _(P):
    p = P(HEAD + """
frontend f
    mode http
    bind 127.0.0.1:@web@
    tcp-request connection expect-proxy layer4 if { src 127.0.0.5 }
    tcp-request session reject if { src 192.0.2.10 } { dst_port 2001 }
""" + SEEN.replace("%[fc_rcvd_proxy]", "%[fc_rcvd_proxy]"))
    c = Conn(p.at("web"), src="127.0.0.5")
    c.send(GOOD[0][1] + b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
    equal(c.read_response().header("X-Seen"), GOOD[0][2].replace("F", f"127.0.0.5 {p.port('web')}"), "announced")
    seen = http(p.at("web"), src="127.0.0.6").header("X-Seen")
    true(seen.startswith("127.0.0.6:") and seen.endswith(" 0"), f"the other client is itself: {seen}")
    c = Conn(p.at("web"), src="127.0.0.5")
    c.send(GOOD[0][1].replace(b"2000", b"2001") + b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
    true(c.closed(5), "session rules see the announced addresses")


def packet(v6=False, options=b""):
    tcp = struct.pack(">HHIIBBHHH", 1000, 2000, 1, 1, 0x50, 2, 1000, 0, 0)
    if v6:
        return struct.pack(">IHBB", 6 << 28, 20, 6, 64) + socket.inet_pton(socket.AF_INET6, "2001:db8::a") + \
            socket.inet_pton(socket.AF_INET6, "2001:db8::b") + tcp
    ihl = 5 + len(options) // 4
    return struct.pack(">BBHHHBBH", 0x40 | ihl, 0, 40, 0, 0, 64, 6, 0) + socket.inet_aton("192.0.2.10") + \
        socket.inet_aton("192.0.2.20") + options + tcp


def cip(data, magic=4711, new=False):
    if new:
        return struct.pack(">IIHH", magic, len(data) + 12, 1 if False else 1, len(data)) + data
    return struct.pack(">II", magic, len(data)) + data


@cases("the NetScaler header, two forms: {0.label}", BOTH)
def _(P):
    log = Syslog()
    p = P(HEAD + """
frontend f
    mode http
    log 127.0.0.1:@log@ local0
    bind 127.0.0.1:@web@ accept-netscaler-cip 4711 name me
    timeout client 300ms
""" + SEEN, ports={"log": log.port})
    for data, want in ((cip(packet()), "192.0.2.10:1000 192.0.2.20:2000"), (cip(packet(True)), "2001:db8::a:1000 2001:db8::b:2000"),
                       (cip(packet(), new=True), "192.0.2.10:1000 192.0.2.20:2000")):
        if P is Haproxy and data == cip(packet(), new=True):
            continue		# 2.6 expects two more bytes than its own description of the format
        c = Conn(p.at("web"))
        c.send(data + b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        contains(c.read_response().header("X-Seen"), want, "announced")
    for data, words in ((cip(packet(), magic=1), "NetScaler Client IP magic"), (b"", "Timeout while waiting for"),
                        (struct.pack(">II", 4711, 40) + b"\x70" + bytes(60), "unhandled protocol in the NetScaler")):
        log.lines.clear()
        c = Conn(p.at("web"))
        c.send(data)
        true(c.closed(5), words)
        contains(log.wait("f/me: (.*)").group(1), words, "log")


@case("the NetScaler header cut anywhere, expected by a rule, behind a PROXY header")
def _():
    s = EchoServer("s", banner=False)
    p = Lbd(HEAD + f"""
listen f
    bind 127.0.0.1:@web@ accept-proxy accept-netscaler-cip 0x1267
    tcp-request content reject unless {{ src 192.0.2.10 }} {{ dst_port 2000 }}
    server s 127.0.0.1:{s.port}
listen g
    bind 127.0.0.1:@rule@
    tcp-request connection expect-netscaler-cip layer4 if {{ src 127.0.0.9 }}
    server s 127.0.0.1:{s.port}
""".replace("bind 127.0.0.1:@rule@", "bind 127.0.0.1:@rule@"))
    data = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + cip(packet()) + b"hello"
    for cut in range(1, len(data), 3):
        c = Conn(p.at("web"))
        c.send(data[:cut])
        c.send(data[cut:])
        equal(c.recv_exact(5), b"hello", f"cut at {cut}")
    c = Conn(p.at("rule"), src="127.0.0.9")
    c.send(cip(packet()))
    true(c.closed(5), "a bind line without a magic number takes no other than 0")
    c = Conn(p.at("rule"))
    c.send(b"hello")
    equal(c.recv_exact(5), b"hello", "others go on as they are")


@case("fc_pp_tlv gives values by number and name, all of them; set-proxy-v2-tlv-fmt sends one's own")
def _():
    p = Lbd(HEAD + """
frontend f
    mode http
    bind 127.0.0.1:@web@ accept-proxy
    http-request return status 200 hdr X-A "%[fc_pp_tlv(0xE1)]" hdr X-B "%[fc_pp_tlv(SSL_VERSION)]" hdr X-C "%[fc_pp_tlv(ALPN)]" hdr X-D "%[fc_pp_tlv(225),upper]" if { fc_pp_tlv(0xE2) -m str second }
    http-request return status 404
listen g
    mode http
    bind 127.0.0.1:@send@
    default-server set-proxy-v2-tlv-fmt(0xE1) "from %ci to %[dst_port]"
    server s 127.0.0.1:@web@ send-proxy-v2 set-proxy-v2-tlv-fmt(0xE2) second set-proxy-v2-tlv-fmt(1) %[hdr(x-alpn)] proxy-v2-options crc32c
""")
    ssl = tlv(0x20, b"\x01\0\0\0\0" + tlv(0x21, b"TLSv1.3"))
    c = Conn(p.at("web"))
    c.send(v2(tlvs=tlv(0xE1, b"eins") + tlv(0xE2, b"first") + ssl + tlv(0xE2, b"second") + tlv(1, b"h2")) +
           b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
    r = c.read_response()
    equal((r.status, r.header("X-A"), r.header("X-B"), r.header("X-C")), (200, "eins", "TLSv1.3", "h2"), "values")
    c = Conn(p.at("web"))
    c.send(v2(tlvs=tlv(0xE2, b"first")) + b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
    equal(c.read_response().status, 404, "no such value")
    r = http(p.at("send"), headers={"X-Alpn": "zz"})
    equal((r.header("X-D"), r.header("X-C")), (f"FROM 127.0.0.1 TO {p.port('send')}", "zz"), "sent")


main()
