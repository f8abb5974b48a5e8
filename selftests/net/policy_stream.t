#!/usr/bin/env python3
# tap: timeout=60
"""Rules that change how one stream is handled: log level, timeouts, retries, pauses, captures, log lines at once. What
haproxy 2.6 has as well is compared with it."""
import socket
import subprocess
import tempfile
import time
from lbt import *

SHARED = """
defaults
    timeout client 5s
    timeout server 5s
    timeout connect 1s
    log stdout format raw daemon
frontend w
    mode http
    bind 127.0.0.1:@w@
    declare capture request len 5
    declare capture response len 10
    log-format "w %HU %ST %ts hr=%hr hs=%hs hrl=%hrl hsl=%hsl c0=%[capture.req.hdr(0)] c1=%[capture.req.hdr(1)] v=%[var(txn.v)]"
    http-request set-log-level silent if {{ path /silent }}
    http-request capture req.hdr(x-a) id 0
    http-request capture req.hdr(x-b) len 8
    http-request set-var(txn.c) req.hdr(x-c),capture-req(0) if {{ path /conv }}
    http-response capture res.hdr(x-server) id 0
    http-request set-var(txn.v) str(one)
    http-request set-var(txn.v,ifnotset) str(two) if {{ path /cond }}
    http-request set-var(txn.v,ifset,ifnotempty) str(three) if {{ path /cond3 }}
    http-request set-var(txn.n,ifnotexists) int(5)
    http-request set-var(txn.n,iflt) int(7) if {{ path /cond }}
    http-request set-var(txn.n,ifgt) int(9) if {{ path /cond }}
    http-request set-var-fmt(txn.v,ifexists) "%[var(txn.v)]-%[var(txn.n)]" if {{ path_beg /cond }}
    http-request unset-var(txn.v) if {{ path /unset }}
    http-request set-var(txn.v,ifnotexists) str(again) if {{ path /unset }}
    http-request set-priority-class int(5)
    http-request set-priority-offset int(-900000) if {{ path /prio }}
    http-request set-var-fmt(txn.v) "%[prio_class] %[prio_offset]" if {{ path /prio }}
    http-request set-header X-Seen "%[var(txn.v)] %[capture.req.hdr(0)]"
    default_backend web
backend web
    mode http
    http-request set-timeout server 300ms if {{ path /slow }}
    http-request set-timeout server req.hdr(x-ms) if {{ path /slowhdr }}
    http-request set-timeout tunnel 2s if {{ path /never }}
    server s 127.0.0.1:{web}
frontend m
    mode tcp
    bind 127.0.0.1:@m@
    log-format "m %[var(sess.a)] %[var(sess.b)] %[var(sess.c)]"
    tcp-request connection set-var(sess.a) int(1) if {{ src 127.0.0.9 }}
    tcp-request connection set-var(sess.a) int(2) if {{ src 127.0.0.2 }}
    tcp-request connection set-var(sess.b) int(3) if {{ src 127.0.0.2 }} {{ var(sess.a) -m int eq 2 }}
    tcp-request connection set-var(sess.a) int(4) if {{ var(sess.b) -m int eq 3 }}
    tcp-request connection set-var(sess.c) int(5) unless {{ src 127.0.0.2 127.0.0.3 }}
    tcp-request connection reject if {{ src 127.0.0.4 }}
    tcp-request connection set-var(sess.a) int(6) if {{ var(sess.c) -m int eq 5 }} {{ src 127.0.0.5 }}
    tcp-request connection accept if {{ src 127.0.0.3 }}
    tcp-request connection set-var(sess.b) int(7) if {{ src_port gt 0 }}
    tcp-request connection set-var(sess.c) var(sess.b),add(1) if {{ src 127.0.0.5 }} || {{ dst_port 1 }}
    default_backend tb
frontend t
    mode tcp
    bind 127.0.0.1:@t@
    tcp-request inspect-delay 2s
    tcp-request content capture req.payload(0,2) len 4 if {{ req.len ge 4 }}
    tcp-request content set-log-level silent if {{ req.payload(0,1) -m str S }}
    tcp-request content set-priority-class int(1)
    tcp-request content accept if {{ req.len ge 4 }}
    log-format "t %ts c=%[capture.req.hdr(0)]"
    default_backend tb
backend tb
    mode tcp
    server s 127.0.0.1:{tcp}
"""
OURS = """
defaults
    timeout client 5s
    timeout server 5s
    timeout connect 500ms
    log stdout format raw daemon
frontend o
    mode http
    bind 127.0.0.1:@o@
    log-format "o %HU rc=%rc term=%[txn.sess_term_state] rule=%[last_rule_line] in=%[bytes_in] tw=%[req.timer.queue] tc=%[bc.timer.connect] id=%[txn.id32] maj=%[fc_http_major]/%[bc_http_major] bc=%[bc_dst]:%[bc_dst_port] err=%[fc_err]/%[fc_err_str] cur=%[cur_client_timeout]/%[cur_server_timeout]/%[cur_tunnel_timeout] redis=%[txn.redispatched] retries=%[txn.conn_retries] when=%[str(fine),when(normal)]"
    http-request wait-for-handshake
    http-request pause 300ms if { path /pause }
    http-request pause int(200),add(100) if { path /pause2 }
    http-response pause 300ms if { var(txn.p) -m str /pauseres }
    http-request set-var(txn.p) path
    http-request do-log if { path /log }
    http-request set-timeout client 444ms if { path /log }
    http-request deny deny_status 403 if { path /nothing }
    http-request deny deny_status 410 if { accept_date gt 1000 } { path /date } { uptime lt 3600 } { request_date(ms) gt 100000 } { fc_rtt(us) ge 0 } { act_conn ge 1 }
    http-request return status 200 content-type text/plain lf-string "%[src,debug(who,buf0)]" if { path /debug }
    http-request return status 200 content-type text/plain lf-string "%[str(o),fe_exists] %[str(nope),fe_exists] %[str(ob/s),srv_is_up] %[str(ob/s),srv_queue] %[str(ob),nbsrv]" if { path /names }
    http-request set-retries int(0) if { path /dead0 }
    use_backend dead if { path_beg /dead }
    default_backend ob
backend ob
    mode http
    server s 127.0.0.1:{web}
backend dead
    mode http
    retries 1
    server gone 127.0.0.1:{dead}
frontend j
    mode http
    bind 127.0.0.1:@j@
    http-request return status 200 content-type text/plain lf-string "%[req.hdr(x-jwt),jwt_verify(RS256,{cert})] %[req.hdr(x-jwt),jwt_verify(txn.alg,{cert})]" if { path /rs }
    http-request return status 200 content-type text/plain lf-string "%[req.hdr(x-jwt),jwt_verify(ES256,{ec})]" if { path /es }
    http-request set-var(txn.nonce) str(bm9uY2UxMjM0NTY3)
    http-request set-var(txn.key) str(MDEyMzQ1Njc4OWFiY2RlZg==)
    http-request set-var(txn.enc) str(hello),aes_gcm_enc(128,txn.nonce,txn.key,txn.tag)
    http-request return status 200 content-type text/plain lf-string "%[var(txn.enc),aes_gcm_dec(128,txn.nonce,txn.key,txn.tag)]" if { path /gcm }
    http-request set-var(txn.t) str(tok)
    http-request return status 200 content-type text/plain lf-string "%[str(tok),secure_memcmp(txn.t)] %[str(tak),secure_memcmp(txn.t)] %[str(x),hmac(sha256,txn.key),hex,length]" if { path /mem }
"""


class Slow(HttpServer):
    def _answer(self, conn, method, path, head, body):
        if path.startswith(b"/slow"):
            time.sleep(1)       # a server that is slower than its timeout: what is tested
        return super()._answer(conn, method, path, head, body)


origin, echo = Slow("s"), EchoServer("e")
with socket.socket() as s:      # nobody listens here
    s.bind(("127.0.0.1", 0))
    dead_port = s.getsockname()[1]


def key_pair(*args):
    """Paths of a private key and a certificate."""
    d = tempfile.mkdtemp()
    at_end(subprocess.run, ["rm", "-r", d])
    run(["openssl", "req", "-x509", "-nodes", "-subj", "/CN=t", "-days", "2", "-keyout", f"{d}/k", "-out", f"{d}/c", *args])
    return f"{d}/k", f"{d}/c"


rsa = key_pair("-newkey", "rsa:2048")
ec = key_pair("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
both = [p(SHARED.format(web=origin.port, tcp=echo.port)) for p in (Lbd, Haproxy)]
OURS = OURS.replace("{web}", str(origin.port)).replace("{dead}", str(dead_port)).replace("{cert}", rsa[1]).replace("{ec}", ec[1])
ours = Lbd(OURS)
HEAD = [("X-A", "abcdefgh"), ("X-B", "bee"), ("X-C", "cee")]


def line_of(p, mark, act):
    before = len(p.log())
    act()
    wait_for(lambda: any(ln.startswith(mark) for ln in p.log()[before:].splitlines()), 5, f"a line '{mark}'")
    return next(ln for ln in p.log()[before:].splitlines() if ln.startswith(mark))


@cases("captures and variables in the log: {0}", [("/x",), ("/conv",), ("/cond",), ("/cond3",), ("/unset",), ("/prio",)])
def _(path):
    lines = [line_of(p, f"w {path}", lambda p=p: http(p.at("w"), path, headers=HEAD)) for p in both]
    equal(lines[0], lines[1], "log lines of lbd, haproxy")
    true("hr={" in lines[0], "captures are there: " + lines[0])


@cases("set-timeout server {0}: 504 in time", [("300ms", "/slow", []), ("by an expression", "/slowhdr", [("X-Ms", "250")])])
def _(_words, path, headers):
    for p in both:
        start = time.monotonic()
        equal(http(p.at("w"), path, headers=headers).status, 504, p.label)
        true(time.monotonic() - start < 0.9, f"{p.label}: in {time.monotonic() - start:.2f} s")


@case("set-log-level silent in both modes; a captured text in a mode tcp log")
def _():
    for p in both:
        before = len(p.log())
        equal(http(p.at("w"), "/silent").status, 200, "status")
        c = Conn(p.at("t"))
        c.send(b"Sxyz")
        c.recv_until(b"\n")
        c.close()
        c = Conn(p.at("t"))
        c.send(b"abcd")
        c.recv_until(b"\n")
        c.recv_exact(4)         # nothing is left unread: the end is a regular one
        c.close()
        wait_for(lambda: "t " in p.log()[before:], 5, "the line")
        equal(p.log()[before:].splitlines(), ["t -- c=ab"], p.label)


@cases("a run of connection rules, asked together up to the first that holds: {0}", [(f"127.0.0.{i}",) for i in (1, 2, 3, 4, 5, 9)])
def _(src):
    got = []
    for p in both:
        before = len(p.log())
        try:
            c = Conn(p.at("m"), src=src)
            c.send(b"x")
            c.recv_until(b"\n", eof_ok=True)
            c.close()
        except ConnectionError:
            pass        # rejected
        if src != "127.0.0.4":
            wait_for(lambda: "m " in p.log()[before:], 5, "the line")
        got.append(p.log()[before:])
    equal(got[0], got[1], "log lines of lbd, haproxy")


@cases("pause: {0}", [("/pause",), ("/pause2",), ("/pauseres",)])
def _(path):
    start = time.monotonic()
    equal(http(ours.at("o"), path).status, 200, "status")
    took = time.monotonic() - start
    true(0.29 <= took < 2, f"took {took:.2f} s")
    start = time.monotonic()
    http(ours.at("o"), "/")
    true(time.monotonic() - start < 0.25, "others are not paused")


@case("do-log writes a line at once, and the usual one comes too")
def _():
    before = len(ours.log())
    http(ours.at("o"), "/log")
    def lines():
        return [ln for ln in ours.log()[before:].splitlines() if ln.startswith("o /log")]
    wait_for(lambda: len(lines()) == 2, 5, "two lines")
    first, last = lines()
    true("bc=-:-" in first and "cur=5000/" in first, "before the server is known: " + first)
    for part in ("term=----", f"bc=127.0.0.1:{origin.port}", "maj=1/1", "err=0/Success", "cur=444/5000/0", "redis=0", "retries=0",
                 "tc=0", "when=fine"):
        true(part in last, f"'{part}' in: {last}")


@case("last_rule_line names the rule that ended the set")
def _():
    n = next(i for i, ln in enumerate(open(ours.cfg_path), 1) if "deny_status 403" in ln)
    line = line_of(ours, "o /nothing", lambda: http(ours.at("o"), "/nothing"))
    true(f"rule={n} " in line and "term=PR--" in line and "when=-" in line, line)


@case("dates and the process's values are there")
def _():
    equal(http(ours.at("o"), "/date").status, 410, "status")


@case("set-retries 0: no second try")
def _():
    true("rc=1 " in line_of(ours, "o /dead", lambda: http(ours.at("o"), "/dead")), "one retry as configured")
    true("rc=0 " in line_of(ours, "o /dead0", lambda: http(ours.at("o"), "/dead0")), "none")


@case("debug notes for 'show events'; lookups by name")
def _():
    http(ours.at("o"), "/debug")
    true("[debug] who: type=ipv4 <127.0.0.1>" in ours.cmd("show events buf0"), ours.cmd("show events buf0"))
    true("buf0" in ours.cmd("show events") and "no event sink" in ours.cmd("show events x"), "words")
    equal(http(ours.at("o"), "/names").body, b"1 0 1 0 1", "names")


def token(alg, key):
    import base64
    b64 = lambda b: base64.urlsafe_b64encode(b).rstrip(b"=")
    text = b64(b'{"alg":"%s"}' % alg) + b"." + b64(b'{"a":1}')
    sig = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text, stdout=subprocess.PIPE, check=True).stdout
    if alg == b"ES256":         # DER: two numbers, each at most 33 bytes
        n = sig[3]
        r, s = sig[4:4 + n], sig[6 + n:]
        sig = b"".join(x.lstrip(b"\0").rjust(32, b"\0") for x in (r, s))
    return text + b"." + b64(sig)


@case("tokens signed with RSA and elliptic curves; AES-GCM there and back; comparing secrets")
def _():
    def ask(path, tok=b""):
        return http(ours.at("j"), path, headers=[("X-Jwt", tok.decode())]).body
    t = token(b"RS256", rsa[0])
    equal(ask("/rs", t), b"1 ", "a good signature; a variable that is not set gives nothing")
    equal(ask("/rs", t[:-6] + b"AAAAAA"), b"0 ", "a bad one")
    equal(ask("/rs", b"x.y"), b"-3 ", "no token")
    e = token(b"ES256", ec[0])
    equal(ask("/es", e), b"1", "elliptic curve")
    equal(ask("/es", t), b"0", "another kind of signature")
    equal(ask("/gcm"), b"hello", "there and back")
    equal(ask("/mem"), b"1 0 64", "secure_memcmp, hmac")


main()
