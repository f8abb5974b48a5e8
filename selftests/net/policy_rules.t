#!/usr/bin/env python3
# tap: timeout=90
"""Rules of both programs on the same requests: every HTTP fetch, ACL and action is configured in Debian's haproxy and in
lbd alike, and each answer is compared with the other's."""
import base64
import os
import ssl
import tempfile
from lbt import *

DEFAULTS = """
defaults
    mode http
    timeout client 5s
    timeout connect 5s
    timeout server 5s
"""

HEADERS = [("X-List", "a, b ,c"), ("X-List", "d"), ("X-Num", "-12"), ("Cookie", 'a=1; b=two; a=3; e=; q="x y"'),
           ("X-Ip", "10.1.2.3"), ("X-Ips", "10.0.0.1, foo, 10.0.0.2:80, [::1]:5"), ("X-Ips", "::2"), ("X-Empty", ""),
           ("X-Path", "/a/b/c"), ("X-Date", "Mon, 01 Jan 2026"), ("X-Q", '"a,b", c'),
           ("Authorization", "Basic " + base64.b64encode(b"tiger:secret").decode())]
QUERY = "?a=1&b=%20x&c=&d"

EXPRS = """path pathq url query base baseq url_ip url_port urlp(a) urlp(b) urlp(c) urlp(d) urlp urlp(nope) urlp_val(a)
url_param(a) method req.ver http_first_req req.proto_http hdr(host) hdr(x-list) hdr(x-list,1) hdr(x-list,2) hdr(x-list,4)
hdr(x-list,5) hdr(x-list,-1) hdr(x-list,-2) hdr(x-list,-4) hdr(x-list,-5) req.fhdr(x-list) req.fhdr(x-list,1)
req.fhdr(x-list,-2) hdr_cnt(x-list) req.fhdr_cnt(x-list) hdr_val(x-num) hdr_val(x-list) hdr_ip(x-ip) hdr_ip(x-list)
hdr_ip(x-ips) hdr_ip(x-ips,1) hdr_ip(x-ips,2) hdr_ip(x-ips,3) hdr_ip(x-ips,4) req.cook(a) req.cook(b) req.cook
req.cook_cnt(a) req.cook_cnt req.cook_val(a) cook(e) cook(q) cookie(a) hdr(x-empty) hdr(x-empty),length hdr_cnt(x-empty)
hdr(cookie) req.hdr(user-agent) hdr(x-date) hdr(x-q) req.hdr_names req.hdr_names(;) req.hdrs http_auth_user http_auth_pass
http_auth_type http_auth_bearer http_auth_group(L1) http_auth(L1) src dst fe_name so_id path,lower,length base,sdbm(1)
hdr(host),host_only hdr(host),port_only url,field(2,?) query,word(2,&) url,regsub(a,X,g) url,url_dec path,crc32(1) path,hex
var(txn.mine) var(sess.mine) var(txn.none) path,set-var(txn.p),length var(txn.mine),concat(<,txn.mine,>)
int(7),add(txn.num) str(x),strcmp(txn.mine)""".split()

CONDS = """{ hdr_ip(x-ips) 10.0.0.2 }
{ hdr_ip(x-ips) 10.9.0.2 }
{ hdr_cnt(x-list) gt 3 }
{ cook(e) -m found }
{ cook(nope) -m found }
{ cook -m str two }
{ urlp -m str 1 }
{ urlp(c) -m found }
{ urlp(d) -m found }
{ hdr_beg(host) tes }
{ hdr_end(host) st }
{ hdr_reg(host) ^t+ }
{ hdr_len(host) 4 }
{ hdr_dir(x-path) b }
{ hdr_sub(host) es }
{ hdr(x-list) b }
{ hdr(x-list) B }
{ hdr(x-list) -i B }
{ path_len lt 5 }
{ path_beg /c }
{ path_end 6 }
{ url_end = }
{ url_sub b=% }
{ base_beg test }
{ base_dom test }
{ method GET }
{ method POST PUT }
HTTP_1.1
HTTP_1.0
METH_GET
METH_POST
HTTP_URL_SLASH
HTTP_URL_ABS
HTTP_URL_STAR
HTTP_CONTENT
LOCALHOST
TRUE
FALSE
!TRUE || LOCALHOST METH_GET
!{ path_beg /zz } !{ hdr(x-num) -m len 3 }
{ src 127.0.0.0/8 }
{ src_port gt 1023 }
{ var(txn.mine) -m str mine }
{ http_auth_group(L1) G1 }
{ http_auth_group(L1) G2 }
{ hdr(host),lower test }""".split("\n")


def map_file(text):
    f = tempfile.NamedTemporaryFile("w", suffix=".map", delete=False)
    f.write(text)
    f.close()
    at_end(os.unlink, f.name)
    return f.name


TEXTS = map_file("# comment\n/app   bk_app\n/app/x bk_appx\n  /lead  bk lead  \n/app   again\nnovalue\n")
NUMBERS = map_file("5 five\n3:4 three\n:2 low\n")
NETS = map_file("10.0.0.0/8 net8\n10.1.0.0/16 net16\n2001:db8::/32 v6\n10.1.2.3 host\n")
TO_INT = map_file("/a 12\n/ab 34\n")
TO_IP = map_file("/a 1.2.3.4\n/b ::1\n")
REGEX = map_file("^/r(.)z m\\1\n^/R zz\n")
EXPRS += [f"str({t}),map({TEXTS})" for t in ("/app", "/nope", "/lead", "novalue", "/APP")]
EXPRS += [f"str({t}),map_{m}({TEXTS},def)" for m, t in (
    ("str", "/nope"), ("beg", "/app/x/y"), ("beg", "/app/y"), ("end", "zz/app"), ("end", "zz/app/x"), ("sub", "z/appz"),
    ("sub", "z/app/xz"), ("dir", "/zz/app/x/zz"), ("dom", "/zz/app/zz"), ("dom", "/zz/appl/zz"))]
EXPRS += [f"int({n}),map_int({NUMBERS},def)" for n in (5, 4, 9, -3)]
EXPRS += [f"str({a}),map_ip({NETS},def)" for a in ("10.1.2.3", "10.1.2.4", "10.2.2.3", "2001:db8::9", "9.9.9.9")]
EXPRS += [f"str(/a),map_str_int({TO_INT},7),add(1)", f"str(/q),map_str_int({TO_INT},7),add(1)",
          f"str(/q),map_str_int({TO_INT})", f"str(/abz),map_beg_int({TO_INT})", f"str(/b),map_str_ip({TO_IP})",
          f"str(/q),map_str_ip({TO_IP},9.9.9.9)"]
EXPRS += [f"str({t}),map_{m}({REGEX},def)" for m in ("reg", "regm") for t in ("/rkz", "/RRR", "/x")]
CONDS += [f"{{ str(/app) -m str -M -f {TEXTS} }}", f"{{ str(bk_app) -m str -M -f {TEXTS} }}", f"{{ int(4) -M -f {NUMBERS} }}"]


def shared_config():
    text = DEFAULTS + """
userlist L1
    group G1 users tiger
    group G2
    user tiger insecure-password secret
frontend f
    bind 127.0.0.1:@f@
    http-request set-var(txn.mine) str(mine)
    http-request set-var(sess.mine) str(session)
    http-request set-var(txn.num) int(35)
"""
    for i, e in enumerate(EXPRS):
        text += f"    http-request return content-type text/plain lf-string '[%[{e}]]' if {{ url_beg /e{i}? }}\n"
    for i, c in enumerate(CONDS):
        text += f"    http-request return content-type text/plain string yes if {{ url_beg /c{i}? }} {c}\n"
        for alternative in c.split("||")[1:]:       # "or" begins anew: the URL must be asked for there too
            text = text.replace(c, c.replace("||", f"|| {{ url_beg /c{i}? }}"))
        text += f"    http-request return content-type text/plain string no if {{ url_beg /c{i}? }}\n"
    return text


ACTIONS = DEFAULTS + """
frontend f
    bind 127.0.0.1:@f@
    acl blocked path_beg /block
    http-request redirect location http://x/%[path] code 301 set-cookie A=1 if { path /loc }
    http-request redirect prefix http://p drop-query append-slash clear-cookie B= if { path /pre }
    http-request redirect prefix / if { path /pre2 }
    http-request redirect scheme https if { path /sch }
    http-request redirect location %[hdr(nope)] ignore-empty if { path /ign }
    http-request redirect location /x code 303 if { path /303 }
    http-request return if { path /r0 }
    http-request return status 404 if { path /r1 }
    http-request return content-type text/plain string "hi" hdr X-A "a%[path]" hdr x-b b if { path /r2 }
    http-request return content-type text/plain lf-string "p=%[path]\\n" if { path /r3 }
    http-request return status 204 if { path /r5 }
    http-request deny if { path /d0 }
    http-request deny deny_status 429 if { path /d1 }
    http-request deny status 410 content-type text/plain string "no" hdr x-y z if { path /d2 }
    http-request auth realm "my realm" if { path /auth }
    http-request auth if { path /auth2 }
    http-request set-header X-A "v %[path]" if { path_beg /s }
    http-request replace-header X-A "(v) (.*)" "\\2-\\1" if { path /s1 }
    http-request replace-header X-A "s" "t" if { path /s2 }
    http-request replace-value X-L "(a|b)" "<\\1>" if { path /s3 }
    http-request set-path /new%[path] if { path /s4 }
    http-request replace-path /s5 /zz if { path_beg /s5 }
    http-request set-query z=1 if { path /s6 }
    http-request set-pathq /pq?k=2 if { path /s7 }
    http-request set-uri /uri?k=3 if { path /s8 }
    http-request replace-uri (.*) /pre\\1 if { path /s9 }
    http-request del-header x- -m beg if { path /sb }
    http-request add-header X-A two if { path /sc }
    http-request replace-pathq ([^?]*)(.*) \\1/q\\2 if { path /sd }
    http-request del-header "^x-l" -m reg if { path /se }
    http-request set-header X-A %[bin(410a0d09207f42)] if { path /sf }
    http-request unset-var(txn.none)
    http-request set-var(req.v) str(request)
    http-request set-var(txn.v) str(transaction)
    http-request set-var-fmt(txn.f) "<%[path]>"
    http-request allow if { path /aa }
    redirect location /redir if { path_beg /a }
    redirect prefix http://x code 301 if { path /p }
    use_backend b1 if { path_beg /b }
    use_backend %[path,field(2,/)] if { path_beg /dyn }
    default_backend b2
backend b1
    http-request return content-type text/plain lf-string "b1 %[be_name] %[fe_name]"
backend b2
    http-response set-header X-R "%[status] %[res.hdr(x-old)]" if { status 200 }
    http-response del-header x-old
    http-response set-var(res.v) str(response)
    http-response set-header X-V "%[var(req.v)]/%[var(txn.v)]/%[var(res.v)]/%[var(txn.f)]"
    http-response add-header X-L one
    http-response add-header X-L two
    http-response set-status 418 reason "teapot" if { path /never } or { capture.req.hdr(0) -m found }
    http-response deny deny_status 503 if { res.hdr(x-bad) 1 }
    http-request set-header X-Seen "%[method] %[url] xa=[%[req.fhdr(x-a)]/%[req.fhdr_cnt(x-a)]] xl=[%[req.fhdr(x-l)]]"
    server s 127.0.0.1:{port}
backend dyn
    http-request return content-type text/plain string dyn
"""
ACTIONS = "\n".join(ln for ln in ACTIONS.split("\n") if "capture.req.hdr" not in ln)

PATHS = """loc pre?a=1 pre2?a=1 sch?q ign 303 r0 r1 r2 r3 r5 d0 d1 d2 auth auth2 s1 s2 s3 s4?q s5/x?q s6?q s7?q s8?q s9?q sb sc
sd?q se sf a aa p b dyn dyn3 zz bad old""".split()


class Origin(HttpServer):
    """Says what it was asked for."""

    def _answer(self, conn, method, path, head, body):
        path, method, head = path.decode("latin1"), method.decode(), head.decode("latin1")
        seen = next((ln.split(":", 1)[1].strip() for ln in head.split("\r\n") if ln.lower().startswith("x-seen:")), "-")
        text = f"{method} {path} {seen}".encode("latin1")
        extra = "X-Bad: 1\r\n" if path.startswith("/bad") else "X-Old: 7\r\n"
        conn.sendall(f"HTTP/1.1 200 OK\r\n{extra}Content-Length: {len(text)}\r\n\r\n".encode() + text)
        return True


def ask(proxy, path, headers=HEADERS):
    with_conn = Conn(proxy.at("f"))
    r = with_conn.request(path, headers=headers)
    with_conn.close()
    return r


both = [Haproxy(shared_config()), Lbd(shared_config())]


@case(f"{len(EXPRS)} expressions have the same value")
def _():
    wrong = []
    for i, e in enumerate(EXPRS):
        got = [ask(p, f"/e{i}{QUERY}").body for p in both]
        # haproxy hides "connection" from rules only when it says how its own side goes on
        if got[0] != got[1]:
            wrong.append(f"{e}: haproxy {got[0]}, lbd {got[1]}")
    equal(wrong, [], "different values")


@case(f"{len(CONDS)} conditions have the same result")
def _():
    wrong, results = [], set()
    for i, c in enumerate(CONDS):
        got = [ask(p, f"/c{i}{QUERY}").body for p in both]
        results.add(got[0])
        if got[0] != got[1]:
            wrong.append(f"{c}: haproxy {got[0]}, lbd {got[1]}")
    equal(wrong, [], "different results")
    equal(results, {b"yes", b"no"}, "results that occur")


origin = Origin()
acting = [kind(ACTIONS.replace("{port}", str(origin.port))) for kind in (Haproxy, Lbd)]
COMPARED = ["x-v", "location", "set-cookie", "x-a", "x-b", "x-y", "x-r", "x-old", "x-l", "content-type", "www-authenticate", "cache-control"]


def essence(r):
    page = (r.header("content-type") or "") == "text/html"   # standard pages have each program's own words
    return (r.status, [(h, r.header(h)) for h in COMPARED], None if page else r.body)


@cases("/{0}: the same answer", [(p,) for p in PATHS])
def _(path):
    got = [essence(ask(p, "/" + path, headers=[("X-L", "a, b,c")])) for p in acting]
    equal(got[1], got[0], "lbd's answer, against haproxy's")


HELLO = """
defaults
    mode tcp
    timeout client 5s
    timeout connect 5s
    timeout server 5s
frontend f
    bind 127.0.0.1:@f@
    tcp-request inspect-delay 2s
    tcp-request connection reject if { src 127.0.0.9 }
    tcp-request content accept if { req.ssl_hello_type 1 }
    tcp-request content reject if { req.payload(0,4) -m bin 44494521 }
    use_backend tls_%[req.ssl_alpn] if { req.ssl_sni -i www.example.com } { req.ssl_ver 3.3 }
    use_backend other if { req.ssl_sni -m found }
    use_backend plain if { req.payload(0,3) -m str GET }
    default_backend rest
"""
names = {n: EchoServer(n) for n in ("tls_h2", "other", "plain", "rest")}
HELLO += "".join(f"backend {n}\n    server s 127.0.0.1:{s.port}\n" for n, s in names.items())
inspecting = [Haproxy(HELLO), Lbd(HELLO)]


def hello(name, alpn=()):
    ctx = ssl.create_default_context()
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    if alpn:
        ctx.set_alpn_protocols(list(alpn))
    out = ssl.MemoryBIO()
    tls = ctx.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


@cases("first bytes: {0}", [
    ("hello with a name and h2", lambda: hello("WWW.example.com", ["h2", "http/1.1"]), None, "tls_h2"),
    ("hello with another name", lambda: hello("x.example.com"), None, "other"),
    ("hello without a name", lambda: hello(None), None, "rest"),
    ("hello in two parts", lambda: hello("www.example.com", ["h2"]), 70, "tls_h2"),
    ("a request in clear", lambda: b"GET / HTTP/1.0\r\n\r\n", None, "plain"),
    ("what is rejected", lambda: b"DIE!", None, ""),
    ("what is rejected, in two parts", lambda: b"DIE!", 2, ""),
])
def _(_what, data, split, want):
    data = data()
    for p in inspecting:
        c = Conn(p.at("f"))
        c.send(data[:split])
        if split:
            c.send(data[split:])
        try:
            got = c.recv_until(b"\n", eof_ok=True).decode().strip()
        except ConnectionError:
            got = ""
        equal(got, want, f"who answered through {p.__class__.__name__}")
        c.close()


@case("a hello cut at every byte reaches the same server")
def _():
    data, lbd, wrong = hello("www.example.com", ["h2"]), inspecting[1], []
    for n in range(1, len(data)):
        c = Conn(lbd.at("f"))
        c.send(data[:n])
        c.send(data[n:])
        if c.recv_until(b"\n").strip() != b"tls_h2":
            wrong.append(n)
        c.close()
    equal(wrong, [], "cuts that changed the choice")


@case("tcp-request connection reject closes before anything is read")
def _():
    for p in inspecting:
        try:
            c = Conn(p.at("f"), src="127.0.0.9")
        except ConnectionError:
            continue        # the reset was faster than connect()
        true(c.closed(), f"closed by {p.__class__.__name__}")
        c.close()


main()
