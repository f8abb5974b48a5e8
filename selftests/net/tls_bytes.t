#!/usr/bin/env python3
# tap: timeout=150
"""TLS moves every byte: large transfers both ways, ends of one side, slow readers, and clients that are no good: hellos cut at every
byte, garbage, plain text, silence. What they meet is haproxy's behaviour; others are served meanwhile.
"""
import re
import select
import socket
import ssl
import struct
import time
from lbt import *
from lbt.tls import *

CA = Cert("ca", is_ca=True)
SITE = Cert("site", ["site.example"], ca=CA)

CONFIG = f"""
global
    nbthread 2
    log 127.0.0.1:@log@ format raw local0
    crt-base {TMP}
    ca-base {TMP}
defaults
    mode tcp
    log global
    option tcplog
    timeout connect 2s
    timeout client 10s
    timeout server 10s
listen offload
    bind 127.0.0.1:@offload@ ssl crt site.pem
    server s 127.0.0.1:@plain@
listen onload
    bind 127.0.0.1:@onload@
    server s 127.0.0.1:@tls@ ssl ca-file ca.crt verifyhost site.example
listen both
    bind 127.0.0.1:@both@ ssl crt site.pem
    server s 127.0.0.1:@tls@ ssl verify none
listen bad
    bind 127.0.0.1:@bad@ ssl crt site.pem
    timeout client-hs 400ms
    server s 127.0.0.1:@plain@
"""
N = 6 * 1024 * 1024
# haproxy 2.6 has no time of its own for handshakes
CONFIGS = {Lbd: CONFIG, Haproxy: CONFIG.replace("client-hs", "client")}


def mirror(conn, peer):
    """Sends back what comes; after the end of the client its own last word."""
    while data := conn.recv(65536):
        conn.sendall(data)
    conn.sendall(b"last")


def servers(script):
    plain, tls = ScriptServer(script), TlsServer(SITE, script)
    return {"plain": plain.port, "tls": tls.port}


def connect(p, name, **kw):
    if name == "onload":
        s = socket.create_connection(p.at(name), timeout=20)
        at_end(s.close)
        return s
    return tls_connect(p.at(name), timeout=20, **kw)


def read_all(s, n, slow=0):
    out = bytearray()
    while len(out) < n:
        data = s.recv(65536)
        if not data:
            break
        out += data
        if slow:
            time.sleep(slow)		# the reader is slow: that is the case
    return bytes(out)


def exchange(s, data):
    """Sends and receives at the same time, in one thread: a TLS object must not be used by two."""
    got, sent, end = bytearray(), 0, time.monotonic() + 40
    s.setblocking(False)
    while len(got) < len(data) and time.monotonic() < end:
        busy = False
        try:
            n = s.send(data[sent:sent + 65536]) if sent < len(data) else 0
            sent, busy = sent + n, n > 0
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        try:
            more = s.recv(65536)
            if not more:
                break
            got += more
            busy = True
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        if not busy:
            select.select([s], [s] if sent < len(data) else [], [], 1)
    return bytes(got)


WAYS = [("offload", None), ("onload", None), ("both", None), ("offload", ssl.TLSVersion.TLSv1_2), ("both", ssl.TLSVersion.TLSv1_2)]


@cases("6 MB there and back through {0}, {1}", WAYS)
def _(name, hi):
    p = Lbd(CONFIG, ports=dict(servers(mirror), log=9))
    s, data = connect(p, name, **({} if name == "onload" else dict(hi=hi))), pattern(N)
    got = exchange(s, data)
    true(got == data, f"{len(got)} of {N} bytes came back, or others")


@cases("a slow reader of 3 MB: {0}", [("offload",), ("onload",), ("both",)])
def _(name):
    size = 3 * 1024 * 1024

    def pour(conn, peer):
        conn.recv(1)
        conn.sendall(pattern(size))
    p = Lbd(CONFIG, ports=dict(servers(pour), log=9))
    s = connect(p, name)
    s.sendall(b"x")
    time.sleep(0.3)		# everything on the way is full meanwhile
    true(read_all(s, size, 0.002) == pattern(size), "the bytes")
    equal(s.recv(1), b"", "the end")


@case("the end of one side: what is said after it still arrives (in clear towards the client)")
def _():
    for P in (Haproxy, Lbd):
        p = P(CONFIGS[P], ports=dict(servers(mirror), log=9))
        s = connect(p, "onload")
        s.sendall(pattern(300000))
        s.shutdown(socket.SHUT_WR)
        got = read_all(s, 400000)
        equal(got == pattern(300000) + b"last", True, f"{p.label}: {len(got)} bytes")


def tls_pump(s, data, half_close):
    """A client on a memory BIO, so that it can send close_notify and go on reading. Returns all it got and how it ended."""
    i, o = ssl.MemoryBIO(), ssl.MemoryBIO()
    t = client_context().wrap_bio(i, o)
    got, todo, shut = bytearray(), memoryview(data), False
    state = "handshake"
    s.settimeout(10)
    while True:
        try:
            if state == "handshake":
                t.do_handshake()
                state = "data"
            while todo:
                todo = todo[t.write(todo[:16384]):]
                s.sendall(o.read())
            if half_close and not shut:
                shut = True
                try:
                    t.unwrap()
                except ssl.SSLWantReadError:
                    pass
                s.sendall(o.read())
                if half_close == "fin":
                    s.shutdown(socket.SHUT_WR)
            data = t.read(65536)
            if not data:
                return bytes(got), "clean"
            got += data
            continue
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            return bytes(got), "clean"
        except ssl.SSLError as e:
            return bytes(got), "cut" if "EOF" in str(e) else str(e)
        if o.pending:
            s.sendall(o.read())
        more = s.recv(65536)
        if more:
            i.write(more)
        else:
            i.write_eof()


@case("the server's end comes as close_notify")
def _():
    def talk(conn, peer):
        conn.recv(10)
        conn.sendall(pattern(200000))
    for P in (Haproxy, Lbd):
        p = P(CONFIGS[P], ports=dict(servers(talk), log=9))
        for name in ("offload", "both"):
            got, how = tls_pump(socket.create_connection(p.at(name)), b"x", None)
            equal((got == pattern(200000), how), (True, "clean"), f"{p.label}: {name}, {len(got)} bytes")


@case("a server that ends without close_notify: its bytes are delivered, as with haproxy")
def _():
    def cut(conn, peer):
        conn.recv(10)
        conn.sendall(pattern(100000))
        socket.socket(fileno=conn.detach()).close()
    for P in (Haproxy, Lbd):
        p = P(CONFIGS[P], ports=dict(servers(cut), log=9))
        s = connect(p, "onload")
        s.sendall(b"x")
        equal(read_all(s, 200000) == pattern(100000), True, p.label)


def hello():
    i, o = ssl.MemoryBIO(), ssl.MemoryBIO()
    t = client_context().wrap_bio(i, o, server_hostname="site.example")
    try:
        t.do_handshake()
    except ssl.SSLWantReadError:
        return o.read()


def works(p):
    t = connect(p, "offload")
    t.sendall(b"ping")
    ok = read_all(t, 4) == b"ping"
    t.close()
    return ok


@case("a hello that is cut at every byte, by an end or by a reset")
def _():
    log = Syslog()
    p = Lbd(CONFIG, ports=dict(servers(mirror), log=log.port))
    h = hello()
    for how in ("end", "reset"):
        for n in range(len(h)):
            s = socket.create_connection(p.at("bad"))
            if n:
                s.sendall(h[:n])
            if how == "reset":
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
    wait_for(lambda: len(log.lines) >= 2 * len(h), 10, f"a line for each of {2 * len(h)} connections: {len(log.lines)}")
    words = {re.sub(r".*: ", "", ln.strip()) for ln in log.lines}
    true(words <= {"Connection closed during SSL handshake", "SSL handshake failure", "Timeout during SSL handshake"}, f"{words}")
    true(works(p), "others are served")
    wait_for(lambda: p.info()["CurrSslConns"] == "0", what="no connection is left over")


def flip(h):
    """Hellos with one wrong byte each."""
    for i in range(0, len(h), 3):
        yield h[:i] + bytes([h[i] ^ 0x55]) + h[i + 1:]


@case("hellos with a wrong byte, garbage, plain HTTP, another protocol's first words: refused, nothing else is disturbed")
def _():
    p = Lbd(CONFIG, ports=dict(servers(mirror), log=9))
    bad = list(flip(hello())) + [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 600, b"\xff" * 600, b"SSH-2.0-x\r\n", b"\x16\x03\x01\xff\xff" + b"a" * 65535,
                                 b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"\x01" * 40]
    for b in bad:
        s = socket.create_connection(p.at("bad"), timeout=5)
        s.sendall(b)
        s.shutdown(socket.SHUT_WR)
        try:
            while s.recv(65536):
                pass
        except ConnectionResetError:
            pass
        s.close()
    true(works(p), "others are served")


@case("silence and a slow hello end after timeout client-hs, with haproxy's words")
def _():
    h = hello()
    got = []
    for P in (Haproxy, Lbd):
        log = Syslog()
        p = P(CONFIGS[P], ports=dict(servers(mirror), log=log.port))
        for part in (b"", h[:60]):
            s = socket.create_connection(p.at("bad"), timeout=5)
            if part:
                s.sendall(part)
            begin = time.monotonic()
            try:
                equal(s.recv(1), b"", "nothing is said")
            except ConnectionResetError:
                pass
            took = time.monotonic() - begin
            true(0.3 < took < 3, f"{p.label}: {took}")
        wait_for(lambda: len(log.lines) >= 2, what="lines")
        got.append([re.sub(r".*\] ", "", ln.strip()) for ln in log.lines])
    equal(got[1], got[0], "lines")


@case("a session is resumed on another thread and by TLSv1.2 and 1.3 tickets; from the cache without tickets")
def _():
    conf = CONFIG.replace("ssl crt site.pem\n    server s 127.0.0.1:@plain@\nlisten onload",
                          "ssl crt site.pem no-tls-tickets\n    server s 127.0.0.1:@plain@\nlisten onload")
    for P in (Haproxy, Lbd):
        p = P(conf.replace("client-hs", "client") if P is Haproxy else conf, ports=dict(servers(mirror), log=9))
        for name in ("both", "offload"):
            for hi in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                c = client_context(hi=hi)
                t = tls_connect(p.at(name), "site.example", context=c)
                t.sendall(b"a")
                read_all(t, 1)
                session, reused = t.session, []
                t.close()
                for _ in range(4):
                    t = tls_connect(p.at(name), "site.example", context=c, session=session)
                    t.sendall(b"a")
                    read_all(t, 1)
                    reused.append(t.session_reused)
                    session = t.session
                    t.close()
                equal(reused, [True] * 4, f"{p.label}: {name} {hi.name}")


@case("ticket keys: two processes with one file resume each other's sessions, others do not")
def _():
    for name in ("keys", "keys2"):
        with open(f"{TMP}/{name}", "w") as f:
            for _ in range(3):
                f.write(openssl("rand", "-base64", "80").replace("\n", "") + "\n")
    conf = CONFIG.replace("@both@ ssl crt site.pem", f"@both@ ssl crt site.pem tls-ticket-keys {TMP}/keys")
    one, two = (Lbd(conf, ports=dict(servers(mirror), log=9)) for _ in range(2))
    other = Lbd(conf.replace("/keys", "/keys2"), ports=dict(servers(mirror), log=9))
    for hi in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        c = client_context(hi=hi)
        t = tls_connect(one.at("both"), "site.example", context=c)
        t.sendall(b"a")
        read_all(t, 1)
        for p, want in ((two, True), (other, False), (one, True)):
            u = tls_connect(p.at("both"), "site.example", context=c, session=t.session)
            equal(u.session_reused, want, f"{hi.name}: {p.cfg_path}")


@case("show info counts TLS connections, keys and resumptions")
def _():
    p = Lbd(CONFIG, ports=dict(servers(mirror), log=9))
    equal([p.info()[k] for k in ("CurrSslConns", "CumSslConns")], ["0", "0"], "before")
    c = client_context(hi=ssl.TLSVersion.TLSv1_2)
    t = tls_connect(p.at("both"), "site.example", context=c)
    t.sendall(b"a")
    read_all(t, 1)
    equal([p.info()[k] for k in ("CurrSslConns", "CumSslConns")], ["2", "2"], "one through both sides")
    session = t.session
    t.close()
    for _ in range(4):
        u = tls_connect(p.at("offload"), "site.example", context=client_context())
        u.close()
    true(int(p.info()["SslFrontendKeyRate"]) + int(p.info()["SslFrontendMaxKeyRate"]) >= 1, "keys")
    true(int(p.info()["MaxSslRate"]) >= 1 and int(p.info()["SslBackendMaxKeyRate"]) >= 1, "rates")
    wait_for(lambda: p.info()["CurrSslConns"] == "0", what="all have ended")
    equal(p.info()["CumSslConns"], "6", "in all")


main()
