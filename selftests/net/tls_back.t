#!/usr/bin/env python3
# tap: timeout=120
"""TLS towards servers: verification, names, ALPN, certificates of ours, sessions resumed, health checks in haproxy's words. What
is said about the same servers by lbd and by Debian's haproxy must be the same.
"""
import os
import ssl
from lbt import *
from lbt.tls import *

CA = Cert("ca", is_ca=True)
OTHER_CA = Cert("other-ca", is_ca=True)
SRV = Cert("srv", ["srv.example", "*.w.example"], ca=CA)
CN_ONLY = Cert("cn.example", ca=CA)
OWN = Cert("own", ca=CA)

HEAD = """
global
    nbthread 1
    log 127.0.0.1:@log@ local0
defaults
    mode {mode}
    log global
    option {log}
    retries 0
    timeout connect 2s
    timeout client 3s
    timeout server 3s
    timeout check 1s
listen f
    bind 127.0.0.1:@f@
    {more}
    server s 127.0.0.1:{port} {server}
"""


def start(P, port, server, mode="http", more="", log=None):
    return P(HEAD.format(mode=mode, log="httplog" if mode == "http" else "tcplog", port=port, server=server.replace("@tmp@", TMP),
                         more=more), ports={"log": log.port if log else 9})


def status(p, host="a.example"):
    c = Conn(p.at("f"))
    try:
        r = c.request("/x", host=host)
        return r.status if hasattr(r, "status") else int(r.head.split()[1])
    finally:
        c.close()


VERIFY = [
    ("none", "ssl verify none", 200),
    ("the right authority", "ssl ca-file @tmp@/ca.crt", 200),
    ("another authority", "ssl ca-file @tmp@/other-ca.crt", 503),
    ("another authority, none by ssl-server-verify", "ssl verify none ca-file @tmp@/other-ca.crt", 200),
    ("verifyhost", "ssl ca-file @tmp@/ca.crt verifyhost srv.example", 200),
    ("verifyhost, wildcard", "ssl ca-file @tmp@/ca.crt verifyhost x.w.example", 200),
    ("verifyhost, two names for a wildcard", "ssl ca-file @tmp@/ca.crt verifyhost y.x.w.example", 503),
    ("verifyhost, other name", "ssl ca-file @tmp@/ca.crt verifyhost other.example", 503),
    ("sni is the name", "ssl ca-file @tmp@/ca.crt sni str(srv.example)", 200),
    ("sni is another name", "ssl ca-file @tmp@/ca.crt sni str(other.example)", 503),
    ("sni goes before verifyhost", "ssl ca-file @tmp@/ca.crt sni str(srv.example) verifyhost other.example", 200),
    ("verify none does not look at names", "ssl verify none verifyhost other.example", 200),
    ("too old", "ssl verify none ssl-max-ver TLSv1.2", 200),
]


@cases("verification: {0}", VERIFY)
def _(words, server, want):
    s = TlsServer(SRV, http_script)
    for P in (Haproxy, Lbd):
        equal(status(start(P, s.port, server)), want, P.label)


@case("a failed handshake: the log's termination state and counters are haproxy's")
def _():
    s = TlsServer(SRV, http_script)
    seen = []
    for P in (Haproxy, Lbd):
        log = Syslog()
        p = start(P, s.port, "ssl ca-file @tmp@/other-ca.crt", log=log)
        equal(status(p), 503, p.label)
        line = log.wait(r" f/s (?:\S+ ){3}(.*)")
        seen.append((line.group(1), p.stat("f", "BACKEND")["econ"], p.stat("f", "s")["econ"]))
    equal(seen[1], seen[0], "log and counters")


def name_script(conn, peer):
    """Answers each request with the name that the connection was made for."""
    while True:
        data = b""
        while b"\r\n\r\n" not in data:
            more = conn.recv(65536)
            if not more:
                return
            data += more
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(conn.sni), conn.sni.encode()))


@case("sni: what is sent, by request; connections for one name are not used for another")
def _():
    for P in (Haproxy, Lbd):
        s = TlsServer(SRV, name_script)
        p = start(P, s.port, "ssl verify none sni req.hdr(host)", more="http-reuse always")
        c = Conn(p.at("f"))
        for host in ("a.example", "b.example") * 4:
            equal(c.request("/x", host=host).body.decode(), host, p.label)
    equal(sorted(x[0] for x in s.seen), ["a.example", "b.example"], "connections of lbd, the last one")


@case("mode tcp: the client's name goes on to the server, bytes both ways")
def _():
    for P in (Haproxy, Lbd):
        s = TlsServer(SRV, http_script)
        p = start(P, s.port, "ssl verify none sni str(fixed.example)", mode="tcp")
        c = Conn(p.at("f"))
        c.send(b"GET /abc HTTP/1.1\r\n\r\n")
        true(c.recv_until(b"/abc").endswith(b"/abc"), "answer")
        equal(s.seen[0][0], "fixed.example", p.label)


@case("alpn and a certificate of ours")
def _():
    for P in (Haproxy, Lbd):
        s = TlsServer(SRV, http_script, ca=CA, verify=ssl.CERT_REQUIRED, alpn=["x", "http/1.1"])
        p = start(P, s.port, "ssl verify none alpn http/1.1,x crt @tmp@/own.pem")
        equal(status(p), 200, p.label)
        equal(s.seen[0][1], "x", f"{p.label}: the protocol")
        equal(s.seen[0][3], "own", f"{p.label}: our certificate")
        s = TlsServer(SRV, http_script, ca=CA, verify=ssl.CERT_REQUIRED, hi=ssl.TLSVersion.TLSv1_2)
        p = start(P, s.port, "ssl verify none")
        equal(status(p), 503, f"{p.label}: without one")


@case("sessions are resumed, not with no-ssl-reuse")
def _():
    for P in (Haproxy, Lbd):
        for server, hi, want in (("ssl verify none", None, True), ("ssl verify none", ssl.TLSVersion.TLSv1_2, True),
                                 ("ssl verify none no-ssl-reuse", None, False)):
            s = TlsServer(SRV, http_script, hi=hi)
            p = P(HEAD.format(mode="http", log="httplog", port=s.port, server=server,
                                                        more="http-reuse never"), ports={"log": 9})
            for _ in range(3):
                equal(status(p), 200, p.label)
            equal([x[2] for x in s.seen], [False, want, want], f"{p.label}: {server} {hi}")


def plain(conn, peer):
    conn.recv(4096)
    conn.sendall(b"HTTP/1.0 400 bad\r\n\r\n")


def mute(conn, peer):
    while conn.recv(4096):
        pass


CHECKS = [
    ("L6OK", "ssl verify none check", None, "UP"),
    ("L6OK of a verified server", "ssl ca-file @tmp@/ca.crt verifyhost srv.example check", None, "UP"),
    ("L7OK over TLS in a plain backend", "check check-ssl verify none", "option httpchk GET /", "UP"),
    ("L7OK when traffic is TLS too", "ssl verify none check", "option httpchk GET /", "UP"),
    ("check-ssl taken back", "check check-ssl no-check-ssl verify none", None, "UP"),
    ("the wrong authority", "ssl ca-file @tmp@/other-ca.crt check", None, "DOWN"),
    ("another host", "ssl ca-file @tmp@/ca.crt verifyhost other.example check", None, "DOWN"),
    ("another host by check-sni", "ssl ca-file @tmp@/ca.crt check check-sni other.example", None, "DOWN"),
    ("host by check-sni", "ssl ca-file @tmp@/ca.crt check check-sni srv.example", None, "UP"),
]


def result(p, want):
    """(status, check_status, last_chk) of f/s once the check has ended."""
    wait_for(lambda: p.stat("f", "s")["check_status"].strip("* ") not in ("", "INI"), 6, f"{p.label}: a check has ended")
    p.wait_status("f", "s", want)
    st = p.stat("f", "s")
    return st["status"], st["check_status"].strip("* "), st["last_chk"], st["check_desc"]


@cases("checks: {0}", CHECKS)
def _(words, server, more, want):
    s = TlsServer(SRV, http_script)
    got = [result(start(P, s.port, server + " inter 300ms", more=more or ""), want) for P in (Haproxy, Lbd)]
    equal(got[1], got[0], "state and words")


BAD_SERVERS = [("a plain server", plain), ("one that closes", lambda c, p: c.recv(4096)), ("one that says nothing", mute)]


@cases("checks: {0} where TLS is expected", BAD_SERVERS)
def _(words, script):
    s = ScriptServer(script)
    got = [result(start(P, s.port, "ssl verify none check inter 500ms fall 1"), "DOWN") for P in (Haproxy, Lbd)]
    equal(got[1], got[0], "state and words")


@case("check-sni and check-alpn are sent by checks only")
def _():
    for P in (Haproxy, Lbd):
        s = TlsServer(SRV, http_script, alpn=["c", "t"])
        p = start(P, s.port, "ssl verify none sni str(t.example) alpn t check inter 10s check-sni c.example check-alpn c")
        wait_for(lambda: s.seen, what="a check")
        equal(status(p), 200, p.label)
        equal([x[:2] for x in s.seen[:2]], [("c.example", "c"), ("t.example", "t")], p.label)


main()
