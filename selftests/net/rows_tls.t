#!/usr/bin/env python3
# tap: timeout=150
"""TLS words row by row, where tls_front.t and tls_back.t have not already had them: what a client or a server of openssl's sees of
each. Words that haproxy 2.6 knows must do the same in it; the others are of later versions and are judged by the manual's sentence.
"""
import os
import re
import socket
import ssl
import subprocess
import time
from lbt import *
from lbt.tls import *

V = ssl.TLSVersion
CA = Cert("ca", is_ca=True)
OTHER_CA = Cert("other-ca", is_ca=True)
MID = Cert("mid", is_ca=True, ca=CA)
A = Cert("a", ["a.example"], ca=CA)
B = Cert("b", ["b.example"], ca=CA)
RSA = Cert("rsa", ["r.example"], ca=CA, key="rsa")
DEEP = Cert("deep", ["deep.example"], ca=MID)
CLIENT = Cert("client", ca=CA)
REVOKED = Cert("revoked", ca=CA)
STRANGER = Cert("stranger", ca=OTHER_CA)
BOTH = [("haproxy", Haproxy), ("lbd", Lbd)]


def put(name, text):
    path = os.path.join(TMP, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    return path


def revocation_list(name, ca, *certs):
    conf = put(name + ".cnf", f"[ca]\ndefault_ca=d\n[d]\ndatabase={TMP}/{name}.idx\ncrlnumber={TMP}/{name}.num\ndefault_md=sha256\ndefault_crl_days=30\n")
    put(name + ".idx", "")
    put(name + ".num", "01\n")
    for c in certs:
        openssl("ca", "-config", conf, "-keyfile", ca.key, "-cert", ca.crt, "-revoke", c.crt)
    openssl("ca", "-config", conf, "-keyfile", ca.key, "-cert", ca.crt, "-gencrl", "-out", os.path.join(TMP, name + ".pem"))


revocation_list("crl", CA, REVOKED)
put("leaf.pem", open(DEEP.crt).read() + open(DEEP.key).read())		# without the intermediate
put("issuers/mid.pem", open(MID.crt).read())
put("extra/x.pem", open(A.crt).read())
put("extra/x.key", open(A.key).read())
put("extra/y.crt", open(B.crt).read())
put("extra/y.key", open(B.key).read())
openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe3072", "-out", os.path.join(TMP, "dh3072.pem"))

DEFAULTS = """
defaults
    mode http
    timeout connect 3s
    timeout client 5s
    timeout server 5s
"""
ANSWER = '    http-request return status 200 content-type text/plain string "yes"\n'


def s_client(addr, *words):
    """What openssl's client says of a connection; it ends after the handshake."""
    r = subprocess.run(["openssl", "s_client", "-connect", "%s:%d" % addr, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=20)
    return r.stdout.decode(errors="replace")


def temp_key(addr, *words):
    m = re.search(r"Server Temp Key: (.*)", s_client(addr, *words))
    return m and m.group(1)


def version(addr, **kw):
    try:
        return tls_connect(addr, "a.example", **kw).version()
    except (ssl.SSLError, ConnectionError):
        return None


def answer(addr, sni=None, **kw):
    try:
        return get(tls_connect(addr, sni, **kw))[1]
    except (ssl.SSLError, ConnectionError, EOFError):
        return None


def front(P, lines, head=""):
    """A frontend with these bind lines, {name: options}."""
    text = "global\n    nbthread 1\n" + "".join(f"    {h}\n" for h in head.splitlines()) + DEFAULTS + "frontend f\n"
    text += "".join(f"    bind 127.0.0.1:@{name}@ ssl {options}\n" for name, options in lines.items())
    return P((text + ANSWER).replace("%TMP%", TMP))


# ---- bind ------------------------------------------------------------------------------------

@cases("bind: crl-file, ca-verify-file, no-ca-names, prefer-client-ciphers, ecdhe, curves, no-alpn: {0}", BOTH)
def _(name, P):
    own = "crt %TMP%/a.pem"
    ask = own + " verify required ca-file %TMP%/ca.crt"
    order = own + " ssl-max-ver TLSv1.2 ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"
    p = front(P, {"crl": ask + " crl-file %TMP%/crl.pem", "ask": ask, "more": ask + " ca-verify-file %TMP%/both.crt",
                  "quiet": ask + " no-ca-names", "ours": order, "theirs": order + " prefer-client-ciphers",
                  "ecdhe": own + " ecdhe secp384r1", "curves": own + " curves secp521r1:secp384r1", "any": own,
                  "alpn": own + " alpn http/1.1", "noalpn": own + (" alpn http/1.1 no-alpn" if P is Lbd else "")})	# haproxy has it since 2.7
    equal([answer(p.at("ask"), cert=c) for c in (CLIENT, REVOKED, STRANGER)], ["yes", "yes", None], "ca-file")
    equal([answer(p.at("crl"), cert=c) for c in (CLIENT, REVOKED)], ["yes", None], "crl-file")
    equal([answer(p.at("more"), cert=c) for c in (CLIENT, STRANGER)], ["yes", "yes"], "ca-verify-file")
    sent = lambda port: re.findall(r"^CN = (\S+)", s_client(p.at(port)).partition("Acceptable client certificate CA names")[2].partition("---")[0], re.M)
    equal([sent(n) for n in ("ask", "more", "quiet")], [["ca"], ["ca"], []], "names of authorities that clients are told")
    mine = dict(hi=V.TLSv1_2, ciphers="ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256")
    equal([tls_connect(p.at(n), **mine).cipher()[0][12:18] for n in ("ours", "theirs")], ["AES128", "AES256"], "whose order counts")
    keys = [temp_key(p.at(n), "-groups", "P-256:P-384:P-521") for n in ("any", "ecdhe", "curves")]
    equal([k and k.split(",")[1].strip() for k in keys], ["prime256v1", "secp384r1", "secp521r1"], "groups")
    equal([tls_connect(p.at(n), alpn=["http/1.1"]).selected_alpn_protocol() for n in ("alpn", "noalpn")], ["http/1.1", None], "ALPN")


put("both.crt", open(CA.crt).read() + open(OTHER_CA.crt).read())
VERSIONS = [(V.TLSv1, "TLSv1"), (V.TLSv1_1, "TLSv1.1"), (V.TLSv1_2, "TLSv1.2"), (V.TLSv1_3, "TLSv1.3")]
OLD = "crt %TMP%/rsa.pem ciphers DEFAULT:@SECLEVEL=0 "


def spoken(addr):
    return [word for v, word in VERSIONS if version(addr, lo=v, hi=v) == word]


VERSION_WORDS = [
    ("ssl-min-ver TLSv1.0", [0, 1, 2, 3]), ("force-tlsv10", [0]), ("force-tlsv11", [1]), ("force-tlsv12", [2]), ("force-tlsv13", [3]),
    ("no-tlsv13", [2]), ("no-tlsv12", [3]), ("ssl-min-ver SSLv3", [0, 1, 2, 3]),
]
# haproxy ignores 'no-...' beside 'ssl-min-ver' with a warning, lbd takes the versions out
STRICTER = [("ssl-min-ver TLSv1.0 no-tlsv10", [1, 2, 3]), ("ssl-min-ver TLSv1.1 no-tlsv11", [2, 3]), ("ssl-min-ver TLSv1.0 no-tlsv10 no-tlsv11 no-sslv3", [2, 3])]


@cases("bind: versions that each word leaves: {0}", BOTH)
def _(name, P):
    rows = VERSION_WORDS + (STRICTER if P is Lbd else [])
    p = front(P, {f"v{i}": OLD + words for i, (words, _) in enumerate(rows)})
    for i, (words, want) in enumerate(rows):
        equal(spoken(p.at(f"v{i}")), [VERSIONS[v][1] for v in want], words)


@case("SSLv3 is not in the library: force-sslv3 is refused, by haproxy too")
def _():
    path = put("sslv3.cfg", DEFAULTS + f"frontend f\n    bind 127.0.0.1:1 ssl crt {TMP}/a.pem force-sslv3\n" + ANSWER)
    for program in (HAPROXY, LBD):
        equal(run([program, "-c", "-f", path], check=False).returncode, 1, program)
    contains(run([LBD, "-c", "-f", path], check=False).stderr, "no version of TLS is left", "message")
    path = put("sslv3s.cfg", DEFAULTS + "backend b\n    server s 127.0.0.1:1 ssl verify none force-sslv3\n")
    contains(run([LBD, "-c", "-f", path], check=False).stderr, "no version of TLS is left", "message of a server")


@case("bind words of later versions: default-crt, no-strict-sni, sigalgs, client-sigalgs, tls-tickets")
def _():
    two = "crt %TMP%/a.pem crt %TMP%/b.pem"
    old = "crt %TMP%/rsa.pem ssl-max-ver TLSv1.2 no-tls-tickets"
    p = front(Lbd, {"default": two + " default-crt %TMP%/b.pem", "strict": two + " strict-sni", "lax": two + " strict-sni no-strict-sni",
                    "sig": "crt %TMP%/rsa.pem sigalgs RSA-PSS+SHA512", "csig": "crt %TMP%/rsa.pem verify optional ca-file %TMP%/ca.crt client-sigalgs ECDSA+SHA384",
                    "none": old, "some": old + " tls-tickets"})
    equal([peer_name(tls_connect(p.at("default"), n)) for n in (None, "unknown.example", "a.example")], ["b.example", "b.example", "a.example"], "default-crt")
    equal([answer(p.at(n), "unknown.example") for n in ("strict", "lax")], [None, "yes"], "strict-sni")
    contains(s_client(p.at("sig"), "-tls1_3"), "Peer signing digest: SHA512", "sigalgs")
    contains(s_client(p.at("csig"), "-tls1_3"), "Requested Signature Algorithms: ECDSA+SHA384\n", "client-sigalgs")
    tickets = ["TLS session ticket:" in s_client(p.at(n), "-tls1_2") for n in ("none", "some")]
    equal(tickets, [False, True], "tickets")


# ---- global ----------------------------------------------------------------------------------

@cases("ssl-default-bind-: ciphers, ciphersuites, curves, options, and what a bind line says itself: {0}", BOTH)
def _(name, P):
    head = ("ssl-default-bind-ciphers ECDHE-ECDSA-AES256-GCM-SHA384\nssl-default-bind-ciphersuites TLS_CHACHA20_POLY1305_SHA256\n"
            "ssl-default-bind-curves secp384r1\nssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets")
    p = front(P, {"d": "crt %TMP%/a.pem", "own": "crt %TMP%/a.pem ciphers ECDHE-ECDSA-AES128-GCM-SHA256 ciphersuites TLS_AES_128_GCM_SHA256 curves secp521r1"}, head)
    ciphers = [tls_connect(p.at(n), hi=hi).cipher()[0] for n in ("d", "own") for hi in (V.TLSv1_2, V.TLSv1_3)]
    equal(ciphers, ["ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256"], "ciphers")
    keys = [temp_key(p.at(n), "-groups", "P-256:P-384:P-521").split(",")[1].strip() for n in ("d", "own")]
    equal(keys, ["secp384r1", "secp521r1"], "curves")
    true("TLS session ticket:" not in s_client(p.at("d"), "-tls1_2"), "no tickets")
    p = front(P, {"d": "crt %TMP%/a.pem", "other": "crt %TMP%/a.pem ssl-max-ver TLSv1.3"}, "ssl-default-bind-options ssl-max-ver TLSv1.2")
    equal([version(p.at(n)) for n in ("d", "other")], ["TLSv1.2", "TLSv1.3"], "versions")


@case("ssl-default-bind-sigalgs, -client-sigalgs, ssl-security-level")
def _():
    p = front(Lbd, {"d": "crt %TMP%/rsa.pem verify optional ca-file %TMP%/ca.crt"},
              "ssl-default-bind-sigalgs RSA-PSS+SHA512\nssl-default-bind-client-sigalgs ECDSA+SHA512")
    text = s_client(p.at("d"), "-tls1_3")
    contains(text, "Peer signing digest: SHA512", "sigalgs")
    contains(text, "Requested Signature Algorithms: ECDSA+SHA512\n", "client-sigalgs")
    line = {"d": "crt %TMP%/rsa.pem ssl-min-ver TLSv1.0"}
    levels = [version(front(Lbd, line, f"ssl-security-level {n}").at("d"), lo=V.TLSv1, hi=V.TLSv1) for n in (0, 2)]
    equal(levels, ["TLSv1", None], "TLSv1.0 needs level 0")


@cases("ssl-dh-param-file, tune.ssl.default-dh-param, issuers-chain-path, ssl-load-extra-files, -del-ext: {0}", BOTH)
def _(name, P):
    dhe = {"d": "crt %TMP%/rsa.pem ssl-max-ver TLSv1.2 ciphers DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"}
    key = lambda head: temp_key(front(P, dhe, head).at("d"), "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")
    equal(key(f"ssl-dh-param-file {TMP}/dh3072.pem"), "DH, 3072 bits", "ssl-dh-param-file")
    equal(key("tune.ssl.default-dh-param 2048"), "DH, 2048 bits", "default-dh-param")
    trusted = lambda head: answer(front(P, {"d": "crt %TMP%/leaf.pem"}, head).at("d"), ca=CA)
    equal([trusted(""), trusted(f"issuers-chain-path {TMP}/issuers")], [None, "yes"], "issuers-chain-path")
    p = front(P, {"y": "crt %TMP%/extra/y.crt"}, "ssl-load-extra-files key\nssl-load-extra-del-ext")
    equal(peer_name(tls_connect(p.at("y"))), "b.example", "ssl-load-extra-del-ext")
    path = put("noextra.cfg", f"global\n    ssl-load-extra-files none\n    ssl-load-extra-del-ext\n{DEFAULTS}frontend f\n    bind 127.0.0.1:1 ssl crt {TMP}/extra/y.crt\n")
    equal(run([P.program, "-c", "-f", path], check=False).returncode, 1, "ssl-load-extra-files none: no key")


def records(addr, path):
    """Lengths of the application records of a response, with what they cost beside the text taken off."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    t = client_context(lo=V.TLSv1_3).wrap_bio(into, out)
    s = socket.create_connection(addr, timeout=5)
    at_end(s.close)
    wire, body = b"", b""

    def step(fn):
        nonlocal wire
        while True:
            try:
                result = fn()
                s.sendall(out.read())
                return result
            except ssl.SSLWantReadError:
                s.sendall(out.read())
                more = s.recv(65536)
                wire += more
                into.write(more)
    step(t.do_handshake)
    step(lambda: t.write(b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path.encode()))
    while b"END" not in body:
        more = step(lambda: t.read(65536))
        true(more, "the response is whole")
        body = body[-3:] + more
    lengths = []
    while len(wire) >= 5:
        n = int.from_bytes(wire[3:5], "big")
        if wire[0] == 23:
            lengths.append(n - 17)		# the tag, and the type inside
        wire = wire[5 + n:]
    return lengths


@cases("tune.ssl.maxrecord, tune.ssl.hard-maxrecord: the sizes of records: {0}", [("lbd", Lbd)])
def _(name, P):
    size = 3 << 20

    def big(conn, peer):
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (size + 3) + b"x" * size + b"END")
    s = ScriptServer(big)
    seen = {}
    for head in ("", "tune.ssl.maxrecord 1400", "tune.ssl.hard-maxrecord 2000"):
        p = P(f"global\n    nbthread 1\n    {head}\n{DEFAULTS}listen f\n    bind 127.0.0.1:@f@ ssl crt {TMP}/a.pem\n    server s 127.0.0.1:{s.port}\n")
        seen[head] = records(p.at("f"), "/")
    true(max(seen[""][:20]) > 8000, f"without: {seen[''][:20]}")
    limited = seen["tune.ssl.maxrecord 1400"]
    true(max(limited[3:100]) == 1400, f"maxrecord, the beginning: {limited[:20]}")
    true(max(limited) > 8000, "maxrecord, later")
    true(max(seen["tune.ssl.hard-maxrecord 2000"][3:]) == 2000, "hard-maxrecord, all the time")


@cases("tune.ssl.lifetime and tune.ssl.cachesize: how long, and whether at all, a session is resumed: {0}", BOTH)
def _(name, P):
    def resumed(head, pause=0.0):
        p = front(P, {"f": "crt %TMP%/a.pem ssl-max-ver TLSv1.2 no-tls-tickets"}, head)
        context = client_context()
        first = tls_connect(p.at("f"), context=context)
        get(first)
        session = first.session
        first.close()
        time.sleep(pause)		# the session's age is what is tested
        return tls_connect(p.at("f"), context=context, session=session).session_reused
    equal(resumed("tune.ssl.cachesize 1000"), True, "from the cache")
    if P is Lbd:			# haproxy takes 0 for the default
        equal(resumed("tune.ssl.cachesize 0"), False, "cachesize 0")
    equal(resumed("tune.ssl.lifetime 1", 2.2), False, "after the lifetime")
    hint = re.search(r"lifetime hint: (\d+)", s_client(front(P, {"f": "crt %TMP%/a.pem"}, "tune.ssl.lifetime 77").at("f"), "-tls1_2"))
    equal(hint.group(1), "77", "what clients are told")


@cases("maxsslconn: TLS connections beyond wait, plain ones do not: {0}", [("lbd", Lbd)])
def _(name, P):
    p = P(f"global\n    nbthread 1\n    maxsslconn 2\n{DEFAULTS}frontend f\n    bind 127.0.0.1:@tls@ ssl crt {TMP}/a.pem\n    bind 127.0.0.1:@plain@\n" + ANSWER)
    held = [tls_connect(p.at("tls")) for _ in range(2)]
    equal(p.info()["CurrSslConns"], "2", "CurrSslConns")
    with raises(TimeoutError, "a third handshake was answered"):
        tls_connect(p.at("tls"), timeout=0.5)
    equal(Conn(p.at("plain")).request("/").status, 200, "a plain connection")
    held[0].close()
    equal(get(tls_connect(p.at("tls"), timeout=8))[0], 200, "room again")


@cases("maxsslrate limits TLS connections of a second: {0}", BOTH)
def _(name, P):
    p = P(f"global\n    nbthread 1\n    maxsslrate 10\n{DEFAULTS}frontend f\n    bind 127.0.0.1:@tls@ ssl crt {TMP}/a.pem\n" + ANSWER)
    began = time.monotonic()
    for _ in range(16):
        tls_connect(p.at("tls"), timeout=8).close()
    took = time.monotonic() - began
    true(took > 0.3, f"16 connections at 10 a second took {took:.2f} s")
    equal(p.info()["SslRateLimit"], "10", "SslRateLimit")


# ---- server ----------------------------------------------------------------------------------

def behind(P, server, s, head="", default=""):
    """The status that a client of a listener before this server gets."""
    p = P(("global\n    nbthread 1\n" + "".join(f"    {h}\n" for h in head.splitlines()) + DEFAULTS
           + f"listen f\n    bind 127.0.0.1:@f@\n    retries 0\n    http-reuse never\n    {default}\n    server s 127.0.0.1:{s.port} {server}\n").replace("%TMP%", TMP))
    return p, lambda: Conn(p.at("f")).request("/x").status


class Seeing(TlsServer):
    """Remembers what each handshake agreed on."""

    def __init__(self, *a, seclevel=None, **kw):
        self.agreed = []
        super().__init__(*a, **kw)
        if seclevel is not None:
            self.context.set_ciphers(f"DEFAULT:@SECLEVEL={seclevel}")
            self.context.minimum_version = V.TLSv1

    def serve(self, conn, peer):
        inner = self.script

        def script(t, peer):
            self.agreed.append((t.version(), t.cipher()[0], t.selected_alpn_protocol(), t.session_reused))
            inner(t, peer)
        self.script, was = script, inner
        try:
            super().serve(conn, peer)
        finally:
            self.script = was


@cases("server: ssl, check-ssl and verifyhost of default-server taken back: {0}", BOTH)
def _(name, P):
    plain, tls = HttpServer("plain"), TlsServer(RSA, http_script)
    default = "default-server ssl verify none"
    equal(behind(P, "no-ssl", plain, default=default)[1](), 200, "no-ssl")
    equal(behind(P, "", tls, default=default)[1](), 200, "without it")
    default = "default-server ssl ca-file %TMP%/ca.crt verifyhost other.example"
    equal(behind(P, "", tls, default=default)[1](), 503, "verifyhost")
    if P is Lbd:			# haproxy 2.6 cannot take it back
        equal(behind(P, "no-verifyhost", tls, default=default)[1](), 200, "no-verifyhost")
    for word, want in (("", "UP"), ("no-check-ssl", "DOWN")):
        p, _ = behind(P, f"{word} check inter 300ms fall 1 verify none", tls, default="option httpchk GET /\n    default-server check-ssl")
        wait_for(lambda: p.stat("f", "s")["check_status"].strip("* ") not in ("", "INI"), 6, "a check has ended")
        p.wait_status("f", "s", want)


@cases("server: crl-file; ciphers, ciphersuites, curves; versions; tickets and reuse taken back; no-alpn: {0}", BOTH)
def _(name, P):
    good, bad = TlsServer(A, http_script), TlsServer(REVOKED, http_script)
    crl = "ssl ca-file %TMP%/ca.crt crl-file %TMP%/crl.pem"
    equal([behind(P, crl, s)[1]() for s in (good, bad)], [200, 503], "crl-file")
    equal(behind(P, "ssl ca-file %TMP%/ca.crt", bad)[1](), 200, "without crl-file")
    s = Seeing(RSA, http_script, seclevel=0, alpn=["http/1.1"])
    weak = "ssl verify none ciphers DEFAULT:@SECLEVEL=0 "
    rows = [(weak + "force-tlsv10", "TLSv1"), (weak + "force-tlsv11", "TLSv1.1"), (weak + "force-tlsv12", "TLSv1.2"), (weak + "force-tlsv13", "TLSv1.3"),
            ("ssl verify none no-tlsv13", "TLSv1.2"), ("ssl verify none no-tlsv12", "TLSv1.3")]
    stricter = [(weak + "ssl-min-ver TLSv1.0 no-tlsv12 no-tlsv13", "TLSv1.1"),
            (weak + "ssl-min-ver TLSv1.0 no-tlsv11 no-tlsv12 no-tlsv13 no-sslv3", "TLSv1"), (weak + "ssl-min-ver TLSv1.3 no-tlsv10", "TLSv1.3")]
    for words, want in rows + (stricter if P is Lbd else []):
        equal(behind(P, words, s)[1](), 200, words)
        equal(s.agreed[-1][0], want, words)
    only10 = TlsServer(RSA, http_script, hi=V.TLSv1)
    only10.context.set_ciphers("DEFAULT:@SECLEVEL=0")
    only10.context.minimum_version = V.TLSv1
    equal(behind(P, weak + "ssl-min-ver TLSv1.0", only10)[1](), 200, "TLSv1.0")
    if P is Lbd:
        equal(behind(P, weak + "ssl-min-ver TLSv1.0 no-tlsv10", only10)[1](), 503, "no-tlsv10")
    for words, at, want in (("ciphers ECDHE-RSA-AES256-GCM-SHA384 no-tlsv13", 1, "ECDHE-RSA-AES256-GCM-SHA384"),
                            ("ciphersuites TLS_CHACHA20_POLY1305_SHA256", 1, "TLS_CHACHA20_POLY1305_SHA256"),
                            ("alpn http/1.1", 2, "http/1.1")):
        equal(behind(P, "ssl verify none " + words, s)[1](), 200, words)
        equal(s.agreed[-1][at], want, words)
    only12 = Seeing(RSA, http_script, hi=V.TLSv1_2)
    for words, want in (("", True), ("no-tls-tickets", None), ("no-ssl-reuse", False), ("no-ssl-reuse ssl-reuse" if P is Lbd else "", True)):
        _, ask = behind(P, "ssl verify none " + words, only12)
        equal([ask(), ask()], [200, 200], words)
        if want is not None:
            equal(only12.agreed[-1][3], want, words)


def hello_of(server, head=""):
    """The ClientHello that lbd sends to a server with these words, as its extensions {number: bytes}."""
    got = []

    def take(conn, peer):
        data = b""
        while len(data) < 5 or len(data) < 5 + int.from_bytes(data[3:5], "big"):
            data += conn.recv(65536)
        got.append(data)
    p, ask = behind(Lbd, server, ScriptServer(take), head)
    ask()
    h = got[0][5 + 4 + 2 + 32:]
    h = h[1 + h[0]:]
    h = h[2 + int.from_bytes(h[:2], "big"):]
    h = h[1 + h[0]:][2:]
    found = {}
    while len(h) >= 4:
        kind, n = int.from_bytes(h[:2], "big"), int.from_bytes(h[2:4], "big")
        found[kind] = h[4:4 + n]
        h = h[4 + n:]
    return found


GROUPS, SIGALGS, ALPN, TICKET = 10, 13, 16, 35


@case("server, in the hello: curves, sigalgs, no-alpn, no-tls-tickets and tls-tickets, and ssl-default-server-")
def _():
    words = "ssl verify none "
    equal(hello_of(words + "curves secp384r1")[GROUPS], b"\0\2\0\x18", "curves")
    equal(hello_of(words, "ssl-default-server-curves secp521r1")[GROUPS], b"\0\2\0\x19", "ssl-default-server-curves")
    equal(hello_of(words + "sigalgs RSA-PSS+SHA512")[SIGALGS], b"\0\2\x08\x06", "sigalgs")
    equal(hello_of(words, "ssl-default-server-sigalgs RSA-PSS+SHA384")[SIGALGS], b"\0\2\x08\x05", "ssl-default-server-sigalgs")
    equal([ALPN in hello_of(words + w) for w in ("alpn http/1.1", "alpn http/1.1 no-alpn")], [True, False], "no-alpn")
    equal([TICKET in hello_of(words + w) for w in ("", "no-tls-tickets", "no-tls-tickets tls-tickets")], [True, False, True], "tickets")


@case("client-sigalgs of a server and ssl-default-server-client-sigalgs: what our certificate signs with")
def _():
    for head, words, want in (("", "client-sigalgs ECDSA+SHA512", 503), ("ssl-default-server-client-sigalgs ECDSA+SHA512", "", 503), ("", "", 200)):
        s = TlsServer(RSA, http_script, ca=CA, verify=ssl.CERT_REQUIRED, hi=V.TLSv1_2)
        equal(behind(Lbd, f"ssl verify none crt %TMP%/rsa.pem {words}", s, head)[1](), want, head + words)


@cases("ssl-default-server-: ciphers, ciphersuites, options; ssl-server-verify: {0}", BOTH)
def _(name, P):
    s = Seeing(RSA, http_script)
    rows = [("ssl-default-server-ciphers ECDHE-RSA-AES256-GCM-SHA384\nssl-default-server-options no-tlsv13", 1, "ECDHE-RSA-AES256-GCM-SHA384"),
            ("ssl-default-server-ciphersuites TLS_CHACHA20_POLY1305_SHA256", 1, "TLS_CHACHA20_POLY1305_SHA256"),
            ("ssl-default-server-options ssl-max-ver TLSv1.2", 0, "TLSv1.2")]
    for head, at, want in rows:
        equal(behind(P, "ssl verify none", s, head)[1](), 200, head)
        equal(s.agreed[-1][at], want, head)
    equal(behind(P, "ssl", s, "ssl-server-verify none")[1](), 200, "ssl-server-verify none")


main()
