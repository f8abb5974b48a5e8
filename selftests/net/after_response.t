#!/usr/bin/env python3
# tap: timeout=60
"""`http-after-response`: rules on every response, the server's and our own, the backend's before the frontend's; the same
file and requests through haproxy and lbd, answers and log lines compared."""
from lbt import *

CONFIG = """
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 1s
    log stdout format raw daemon
frontend f
    bind 127.0.0.1:@f@
    declare capture response len 20
    log-format "f %HU %ST hs=%hs v=%[var(txn.v)] u=%[var(txn.u)]"
    http-request set-var(txn.path) path
    http-request deny if { path /deny }
    http-request redirect location /else if { path /redirect }
    http-request return status 200 content-type text/plain string own hdr X-List a,b,c hdr X-Empty "%[req.hdr(x-none)]" if { path /return }
    http-request return status 200 if { path /bare }
    http-after-response set-header X-Order "%[res.hdr(x-order)]f"
    http-after-response add-header X-Add one
    http-after-response add-header X-Add two
    http-after-response set-var(txn.v) res.hdr(x-order)
    http-after-response set-var-fmt(txn.u) "%[status]-%[src]"
    http-after-response unset-var(txn.u) if { var(txn.path) -m str /unset }
    http-after-response capture res.hdr(x-order) id 0
    http-after-response set-header X-Empty "%[res.hdr(x-none)]" if { var(txn.path) -m str /emptied }
    http-after-response del-header X-Server
    http-after-response del-header x-me -m beg
    http-after-response replace-header X-List ^(.),(.*)$ \\2,\\1
    http-after-response replace-value X-List ^b$ bee
    http-after-response set-status 418 reason "Tea pot" if { var(txn.path) -m beg /tea }
    http-after-response allow if { var(txn.path) -m str /allow }
    http-after-response set-header X-Behind yes
    use_backend nobody if { path /nobody }
    use_backend refused if { path_beg /be }
    default_backend b
backend b
    http-response deny if { var(txn.path) -m str /rdeny }
    http-response return status 201 content-type text/plain string mine if { var(txn.path) -m str /rreturn }
    http-response set-header X-List a,b,c
    http-after-response set-header X-Order "%[status]b"
    http-after-response set-header X-Me-Too no
    server s 127.0.0.1:{port}
backend refused
    http-request deny deny_status 429 if { path /bedeny }
    http-after-response set-header X-Order r
    server s 127.0.0.1:{dead}
backend nobody
    http-after-response set-header X-Order n
    http-after-response allow
    http-after-response set-header X-Never yes
"""
PATHS = ["/", "/deny", "/redirect", "/return", "/bare", "/unset", "/emptied", "/tea", "/teadeny", "/allow", "/rdeny", "/rreturn",
         "/nobody", "/bedeny", "/bedead"]
HEADERS = ["x-order", "x-add", "x-server", "x-me-too", "x-list", "x-behind", "x-never", "x-empty", "location"]

origin = HttpServer("s")
both = [p(CONFIG.replace("{port}", str(origin.port)).replace("{dead}", "1")) for p in (Lbd, Haproxy)]


def answer(p, path, method="GET"):
    before = len(p.log())
    c = Conn(p.at("f"))
    r = c.request(path, method=method)
    c.close()
    wait_for(lambda: "f " in p.log()[before:], 5, "a log line")
    line = next(ln for ln in p.log()[before:].splitlines() if ln.startswith("f "))
    heads = r.head.decode().lower().split("\r\n")
    page = r.header("content-type") == "text/html"     # its words are each one's own
    return [r.head.split(b"\r\n")[0], *[sorted(ln for ln in heads if ln.startswith(h + ":")) for h in HEADERS], None if page else r.body, line]


@cases("{1} {0}", [(p, "GET") for p in PATHS] + [("/", "HEAD"), ("/deny", "HEAD")])
def _(path, method):
    got = [answer(p, path, method) for p in both]
    equal(got[0], got[1], "answers of lbd, haproxy")


@case("what is no HTTP is answered without rules; a connection goes on behind rules")
def _():
    got = []
    for p in both:
        c = Conn(p.at("f"))
        c.send(b"GET / nonsense\r\n\r\n")
        r = c.read_response()
        got.append((r.status, r.header("x-order"), r.header("x-behind")))
        c.close()
        c = Conn(p.at("f"))
        got[-1] += tuple(c.request(path).header("x-order") for path in ("/deny", "/return", "/", "/redirect", "/rdeny", "/"))
        c.close()
    equal(got[0], got[1], "lbd, haproxy")


@case("counters and termination when rules replace the server's response")
def _():
    got = []
    for kind in (Lbd, Haproxy):
        p = kind(CONFIG.replace("{port}", str(origin.port)).replace("{dead}", "1").replace("%hs", "%ts %hs", 1))
        lines = [answer(p, path)[-1].split()[3] for path in ("/", "/rdeny", "/rreturn", "/deny", "/return", "/tea")]
        stats = [[row[c] for c in ("hrsp_2xx", "hrsp_4xx", "hrsp_5xx", "dreq", "dresp", "intercepted")]
                 for row in (p.stat("f", "FRONTEND"), p.stat("b", "BACKEND"), p.stat("b", "s"))]
        got.append((lines, stats))
    equal(got[0], got[1], "lbd, haproxy")


OURS = """
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 1s
    log stdout format raw daemon
frontend f
    bind 127.0.0.1:@f@
    log-format "f %HU %ST"
    http-request track-sc0 path table t
    http-request track-sc1 path table u
    http-request set-var(txn.path) path
    http-request return status 200 content-type text/plain lf-string "%[str(/a),map(virt@m,none)]" if { path /map }
    http-request return status 200 content-type text/plain lf-string "%[str(/n),table_gpc0(t)] %[str(/n),table_gpc1(t)] %[str(/n),table_gpt0(t)] %[str(/n),table_gpc(0,u)] %[str(/n),table_gpc(1,u)] %[str(/n),table_gpt(1,u)]" if { path /numbers }
    http-request deny if { path /n }
    http-after-response set-map(virt@m) %[var(txn.path)] %[status] if { var(txn.path) -m str /a }
    http-after-response del-map(virt@m) /a if { var(txn.path) -m str /del }
    http-after-response set-log-level silent if { var(txn.path) -m str /silent }
    http-after-response do-log if { var(txn.path) -m str /twice }
    http-after-response sc-inc-gpc0(0) if { var(txn.path) -m str /n }
    http-after-response sc-inc-gpc1(0) if { var(txn.path) -m str /n }
    http-after-response sc-set-gpt0(0) 7 if { var(txn.path) -m str /n }
    http-after-response sc-inc-gpc(0,1) if { var(txn.path) -m str /n }
    http-after-response sc-add-gpc(1,1) 5 if { var(txn.path) -m str /n }
    http-after-response sc-set-gpt(1,1) status if { var(txn.path) -m str /n }
    default_backend b
backend b
    server s 127.0.0.1:{port}
backend t
    stick-table type string len 32 size 100 store gpc0,gpc1,gpt0
backend u
    stick-table type string len 32 size 100 store gpc(2),gpt(2)
"""
ours = Lbd(OURS.replace("{port}", str(origin.port)))


@case("maps and counters are changed by responses, our own too")
def _():
    ask = lambda path: http(ours.at("f"), path).body
    equal(ask("/map"), b"none", "at first")
    ask("/a")
    equal(ask("/map"), b"200", "set-map with the response's status")
    ask("/del")
    equal(ask("/map"), b"none", "del-map")
    equal(ask("/numbers"), b"0 0 0 0 0 0", "counters at first")
    ask("/n")
    ask("/n")
    equal(ask("/numbers"), b"2 2 7 2 10 403", "counters")


@case("set-log-level and do-log")
def _():
    for path in ("/silent", "/twice", "/last"):
        http(ours.at("f"), path)
    wait_for(lambda: "f /last" in ours.log(), 5, "the last line")
    equal([ln for ln in ours.log().splitlines() if ln.startswith(("f /silent", "f /twice"))], ["f /twice 200"] * 2, "lines")


main()
