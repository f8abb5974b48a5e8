#!/usr/bin/env python3
# tap: timeout=120
"""TLS that ends in the daemon: which certificate a client gets, versions, ciphers, ALPN, certificates of clients. The same
file runs in lbd and in Debian's haproxy, and every row must give the same in both.
"""
import os
import ssl
from lbt import *
from lbt.tls import *

V = ssl.TLSVersion
CA = Cert("ca", is_ca=True)
OTHER_CA = Cert("other-ca", is_ca=True)
MID = Cert("mid", is_ca=True, ca=CA)
A = Cert("a", ["a.example", "aa.example"], ca=CA)
B = Cert("b", ["b.example", "*.w.example"], ca=CA)
A_RSA = Cert("a-rsa", ["a.example"], ca=CA, key="rsa", subject="/CN=a-rsa")
EXACT = Cert("exact", ["x.w.example"], ca=CA, subject="/CN=exact")
CLIENT = Cert("client", ca=CA, subject="/C=DE/O=Some Org/CN=client one")
DEEP = Cert("deep", ca=MID)
STRANGER = Cert("stranger", ca=OTHER_CA)
FILE_KEY = Cert("split", ["split.example"], ca=CA)


def copy(src, name):
    path = os.path.join(TMP, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(open(src).read() if os.path.exists(src) else src)
    return path


copy(A.pem, "dir/1.pem")
copy(B.pem, "dir/2.pem")
copy("junk", "dir/.hidden")
copy(FILE_KEY.crt, "dir/3.pem")
copy(FILE_KEY.key, "dir/3.pem.key")
copy(A.pem, "bundle.pem.ecdsa")
copy(A_RSA.pem, "bundle.pem.rsa")
LIST = """
# a list
@tmp@/a.pem
@tmp@/b.pem  [alpn h2,http/1.1 ssl-min-ver TLSv1.3]  *.w.example !no.w.example   other.example
@tmp@/exact.pem [verify required ca-file @tmp@/ca.crt] strict.example
@tmp@/a-rsa.pem !*
"""

CONFIG = """
global
    crt-base @tmp@
defaults
    mode http
    timeout connect 2s
    timeout client 3s
    timeout server 3s
frontend f
    bind 127.0.0.1:@two@ ssl crt a.pem crt b.pem crt exact.pem
    bind 127.0.0.1:@strict@ ssl crt a.pem crt b.pem strict-sni
    bind 127.0.0.1:@dir@ ssl crt dir
    bind 127.0.0.1:@bundle@ ssl crt bundle.pem
    bind 127.0.0.1:@kinds@ ssl crt a.pem crt a-rsa.pem
    bind 127.0.0.1:@list@ ssl crt-list @tmp@/list.txt
    bind 127.0.0.1:@v12@ ssl crt a.pem force-tlsv12
    bind 127.0.0.1:@v13@ ssl crt a.pem ssl-min-ver TLSv1.3
    bind 127.0.0.1:@max@ ssl crt a.pem ssl-max-ver TLSv1.2
    bind 127.0.0.1:@no12@ ssl crt a.pem no-tlsv12
    bind 127.0.0.1:@cipher@ ssl crt a.pem ciphers ECDHE-ECDSA-AES256-GCM-SHA384 ssl-max-ver TLSv1.2
    bind 127.0.0.1:@suite@ ssl crt a.pem ciphersuites TLS_CHACHA20_POLY1305_SHA256
    bind 127.0.0.1:@alpn@ ssl crt a.pem alpn h2,http/1.1
    bind 127.0.0.1:@required@ ssl crt a.pem verify required ca-file @tmp@/ca.crt
    bind 127.0.0.1:@optional@ ssl crt a.pem verify optional ca-file @tmp@/ca.crt
    bind 127.0.0.1:@ignore@ ssl crt a.pem verify required ca-file @tmp@/ca.crt crt-ignore-err all ca-ignore-err all
    http-request return status 200 content-type text/plain string "yes"
"""

# port, name that the client sends, certificate or None (refused); further arguments of the client
CHOICES = [
    ("two", None, "a.example"),
    ("two", "a.example", "a.example"),
    ("two", "AA.Example", "a.example"),
    ("two", "b.example", "b.example"),
    ("two", "x.w.example", "exact"),
    ("two", "y.w.example", "b.example"),
    ("two", "z.y.w.example", "a.example"),
    ("two", "w.example", "a.example"),
    ("two", "unknown.example", "a.example"),
    ("strict", None, None),
    ("strict", "unknown.example", None),
    ("strict", "a.example", "a.example"),
    ("dir", None, "a.example"),
    ("dir", "b.example", "b.example"),
    ("dir", "split.example", "split.example"),
    ("list", None, "a.example"),
    ("list", "y.w.example", "b.example"),
    ("list", "other.example", "b.example"),
    ("list", "b.example", "a.example"),
]


def name_of(p, port, sni, **kw):
    try:
        return peer_name(tls_connect(p.at(port), sni, **kw))
    except (ssl.SSLError, ConnectionError):
        return None


FILES = {"list.txt": LIST}


@case("the certificate by name: exact, wildcard, default, strict, directory, list")
def _():
    for P in (Haproxy, Lbd):
        p = P(CONFIG, files=FILES)
        for port, sni, want in CHOICES:
            equal(name_of(p, port, sni), want, f"{p.label}: {port} {sni}")


@case("RSA and ECDSA beside each other: the client's abilities choose")
def _():
    ec = dict(hi=V.TLSv1_2, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256")
    rsa = dict(hi=V.TLSv1_2, ciphers="ECDHE-RSA-AES128-GCM-SHA256")
    for P in (Haproxy, Lbd):
        p = P(CONFIG, files=FILES)
        for port in ("bundle", "kinds"):
            equal(name_of(p, port, "a.example", **ec), "a.example", f"{p.label}: {port} EC")
            equal(name_of(p, port, "a.example", **rsa), "a-rsa", f"{p.label}: {port} RSA")
            equal(name_of(p, port, "a.example"), "a.example", f"{p.label}: {port} TLSv1.3")


def agreed(p, port, **kw):
    try:
        t = tls_connect(p.at(port), "a.example", **kw)
        return t.version()
    except (ssl.SSLError, ConnectionError):
        return None


@case("versions: force-, ssl-min-ver, ssl-max-ver, no-")
def _():
    rows = [("v12", {}, "TLSv1.2"), ("v12", dict(lo=V.TLSv1_3), None), ("v13", {}, "TLSv1.3"), ("v13", dict(hi=V.TLSv1_2), None),
            ("max", {}, "TLSv1.2"), ("no12", {}, "TLSv1.3"), ("no12", dict(hi=V.TLSv1_2), None), ("two", {}, "TLSv1.3"),
            ("two", dict(hi=V.TLSv1_2), "TLSv1.2"), ("two", dict(lo=V.TLSv1, hi=V.TLSv1_1), None)]
    for P in (Haproxy, Lbd):
        p = P(CONFIG, files=FILES)
        for port, kw, want in rows:
            equal(agreed(p, port, **kw), want, f"{p.label}: {port} {kw}")


@case("ciphers and ciphersuites")
def _():
    for P in (Haproxy, Lbd):
        p = P(CONFIG, files=FILES)
        equal(tls_connect(p.at("cipher")).cipher()[0], "ECDHE-ECDSA-AES256-GCM-SHA384", p.label)
        equal(tls_connect(p.at("suite")).cipher()[0], "TLS_CHACHA20_POLY1305_SHA256", p.label)
        with raises(ssl.SSLError):
            tls_connect(p.at("cipher"), hi=V.TLSv1_2, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")


@case("ALPN: the listener's order, nothing in common, nothing offered, options of a list")
def _():
    rows = [("alpn", None, ["http/1.1", "h2"], "h2"), ("alpn", None, ["http/1.1"], "http/1.1"), ("alpn", None, ["spdy"], None),
            ("alpn", None, None, None), ("two", None, ["h2"], None), ("list", "other.example", ["h2"], "h2"),
            ("list", "a.example", ["h2"], None)]
    for P in (Haproxy, Lbd):
        p = P(CONFIG, files=FILES)
        for port, sni, offer, want in rows:
            equal(tls_connect(p.at(port), sni, alpn=offer).selected_alpn_protocol(), want, f"{p.label}: {port} {offer}")
        equal(get(tls_connect(p.at("alpn"), alpn=["http/1.1"])), (200, "yes"), p.label)


@case("a certificate's own options in a list: version and client certificate")
def _():
    for P in (Haproxy, Lbd):
        p = P(CONFIG, files=FILES)
        equal(name_of(p, "list", "y.w.example", hi=V.TLSv1_2), None, f"{p.label}: min version of the line")
        equal(name_of(p, "list", "a.example", hi=V.TLSv1_2), "a.example", f"{p.label}: other line")
        equal(answer(p, "list", "strict.example"), None, f"{p.label}: without a certificate")
        equal(answer(p, "list", "strict.example", cert=CLIENT), (200, "yes"), f"{p.label}: with one")


def answer(p, port, sni=None, **kw):
    try:
        return get(tls_connect(p.at(port), sni, **kw))
    except (ssl.SSLError, ConnectionError, EOFError):
        return None


@case("certificates of clients: none, good, by an intermediate, of a stranger")
def _():
    ok = (200, "yes")
    rows = [("required", None, None), ("required", CLIENT, ok), ("required", DEEP, ok), ("required", STRANGER, None),
            ("optional", None, ok), ("optional", CLIENT, ok), ("optional", STRANGER, None), ("ignore", STRANGER, ok),
            ("ignore", None, None)]
    for P in (Haproxy, Lbd):
        p = P(CONFIG, files=FILES)
        for hi in (V.TLSv1_2, V.TLSv1_3):
            for port, cert, want in rows:
                equal(answer(p, port, cert=cert, hi=hi), want, f"{p.label}: {port} {cert and cert.name} {hi.name}")


main()
