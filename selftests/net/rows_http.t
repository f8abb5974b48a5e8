#!/usr/bin/env python3
# tap: timeout=60
"""Sample fetches, ACL words, actions and log aliases row by row, where net/policy_rules.t has not already had them: the same
file and the same requests through Debian's haproxy and lbd, answers and log lines compared."""
import re
from lbt import *

DEFAULTS = """
defaults
    mode http
    timeout client 5s
    timeout connect 6s
    timeout server 7s
    timeout queue 8s
    timeout tunnel 9s
"""
HEADERS = [("X-List", "a, b ,c"), ("X-Num", "-12"), ("Cookie", "a=1; b=two; a=3; n=77; path=/x/y/z.b"), ("X-Ip", "10.1.2.3"),
           ("X-Dom", "www.example.com"), ("X-Path", "/a/b/c"), ("X-Token", "bearer  tok"), ("Authorization", "Bearer abc.def")]

# What haproxy and lbd must say alike, in a frontend and its backend, at the request.
REQUEST = """base32 url32 url_ip url_port req_ver capture.req.method capture.req.uri capture.req.ver req_proto_http
req.hdr_cnt(x-list) req.hdr_ip(x-ip) req.hdr_val(x-num) cook_cnt(a) cook_val(n) http_auth_bearer http_auth_bearer(X-Token) http_auth_bearer(x-dom)
stopping nbsrv(b) queue(b) avg_queue(b) be_conn(b) be_conn_free(b) connslots(b) fe_conn(f) srv_is_up(b/s) srv_is_up(b/down)
srv_conn(b/s) srv_conn_free(b/s) srv_queue(b/s) srv_uweight(b/s) srv_iweight(b/s) srv_weight(b/s) src_is_local dst_is_local
fc_src fc_src_is_local fc_dst fc_dst_is_local ssl_fc dst_conn so_name fe_id fe_defbe fe_client_timeout env(LBD_TEST) int(12),and(10) int(12),or(3) int(12),xor(10)
str(abc),base64 bin(61620d0a63),cut_crlf str(a-b),sdbm proc""".split()
# Only that there is such a value can be said of these; the expression makes it one.
CHANGING = ["hostname,length", "thread,mul(0)", "date,bool", "rand(1)", "uuid,length", "wait_end",
            "dst_port,bool", "fc_dst_port,bool", "fc_src_port,bool", "fe_sess_rate,bool", "fe_req_rate,bool",
            "be_sess_rate(b),bool", "srv_sess_rate(b/s),bool"]
IN_BACKEND = "be_id be_server_timeout be_tunnel_timeout nbsrv".split()
RESPONSE = """res.ver resp_ver shdr(x-list) shdr_cnt(x-list) shdr_ip(x-ip) shdr_val(x-num) res.hdr_cnt(x-list) res.hdr_ip(x-ip)
res.hdr_val(x-num) res.fhdr(x-list) res.fhdr_cnt(x-list) res.hdr_names res.cook(a) res.cook_cnt(a) res.cook_val(n) scook(a)
scook_cnt(a) scook_val(n) srv_id srv_name res.hdrs,length,mul(0)""".split()
WORDS = """base_dir a|base_end g|base_len 9|base_reg ^te.t|base_sub t/a|cook_beg(b) tw|cook_dir(path) y|cook_dom(path) b|cook_end(b) wo
cook_len(b) 3|cook_reg(b) ^t.o$|cook_sub(b) w|hdr_dom(x-dom) example|path_dir b|path_dom b|path_sub /b|url_dir b|url_dom c|url_len 14
urlp_beg(a) va|urlp_dir(d) y|urlp_dom(d) x.y|urlp_end(a) lue|urlp_len(a) 5|urlp_reg(a) ^v.*e$|urlp_sub(a) alu|path -- /a/b
base_dir zz|cook_len(b) 4|urlp_beg(a) x|url_len 15|cook_dom(path) x"""
SERVER_WORDS = """scook_beg(b) tw|scook_dir(p) y|scook_dom(p) y|scook_end(b) wo|scook_len(b) 3|scook_reg(b) ^t|scook_sub(b) w
shdr_beg(x-dom) www|shdr_dir(x-path) b|shdr_dom(x-dom) example|shdr_end(x-dom) com|shdr_len(x-dom) 15|shdr_reg(x-dom) ^w+
shdr_sub(x-dom) ample|shdr_beg(x-dom) com|scook_len(b) 4"""
split = lambda text: [w.strip() for w in re.split(r"[|\n]", text)]
WORDS, SERVER_WORDS = split(WORDS), split(SERVER_WORDS)
PATH = "/a/b?a=value&d=/x/y"


class Origin(HttpServer):
    def _answer(self, conn, method, path, head, body):
        text = head.split(b"\r\n")[0]
        conn.sendall(b"HTTP/1.1 200 OK\r\nX-List: a, b ,c\r\nX-Num: -12\r\nX-Ip: 10.1.2.3\r\nX-Dom: www.example.com\r\n"
                     b"X-Path: /a/b/c\r\nSet-Cookie: a=1; path=/\r\nSet-Cookie: b=two\r\nSet-Cookie: n=77\r\nSet-Cookie: p=x/y/z\r\n"
                     b"Content-Length: %d\r\n\r\n%s" % (len(text), text))
        return True


def config(origin):
    text = DEFAULTS + """
frontend f
    bind 127.0.0.1:@f@ name door
    id 17
    log @tmp@/nowhere local0
    default_backend b
"""
    text = text.replace("    log @tmp@/nowhere local0\n", "")
    for i, e in enumerate(REQUEST + CHANGING):
        text += f"    http-request return content-type text/plain lf-string '[%[{e}]]' if {{ hdr(x-want) e{i} }}\n"
    for i, w in enumerate(WORDS):
        text += f"    http-request return content-type text/plain string yes if {{ hdr(x-want) w{i} }} {{ {w} }}\n"
        text += f"    http-request return content-type text/plain string no if {{ hdr(x-want) w{i} }}\n"
    text += "backend b\n    id 23\n"
    for i, e in enumerate(IN_BACKEND):
        text += f"    http-request return content-type text/plain lf-string '[%[{e}]]' if {{ hdr(x-want) b{i} }}\n"
    for i, e in enumerate(RESPONSE):
        text += f"    http-response set-header X-E{i} '[%[{e}]]'\n"
    for i, w in enumerate(SERVER_WORDS):
        text += f"    http-response set-header X-W{i} yes if {{ {w} }}\n"
    return text + f"    server s 127.0.0.1:{origin.port} id 5 weight 3 maxconn 50\n    server down 127.0.0.1:1 disabled\n"


origin = Origin()
both = [kind(config(origin), env={"LBD_TEST": "from outside"}) for kind in (Haproxy, Lbd)]


def ask(proxy, want="", path=PATH, headers=HEADERS, name="f", method="GET"):
    c = Conn(proxy.at(name))
    r = c.request(path, headers=list(headers) + ([("X-Want", want)] if want else []), method=method)
    c.close()
    return r


@case(f"{len(REQUEST) + len(CHANGING)} sample fetches at the request")
def _():
    wrong = []
    for i, e in enumerate(REQUEST + CHANGING):
        for p in both:			# the connection before is counted until its end was seen
            wait_for(lambda p=p: p.stat("f", "FRONTEND")["scur"] == "0", what="no connection is left")
        his, mine = [ask(p, f"e{i}").body for p in both]
        if his != mine or b"[" not in his:
            wrong.append(f"{e}: haproxy {his}, lbd {mine}")
    for i, e in enumerate(IN_BACKEND):
        his, mine = [ask(p, f"b{i}").body for p in both]
        if his != mine:
            wrong.append(f"{e}: haproxy {his}, lbd {mine}")
    equal(wrong, [], "different values")


@case(f"{len(RESPONSE)} sample fetches at the response")
def _():
    his, mine = [ask(p) for p in both]
    equal([(e, mine.header(f"x-e{i}")) for i, e in enumerate(RESPONSE)],
          [(e, his.header(f"x-e{i}")) for i, e in enumerate(RESPONSE)], "values")


@case(f"{len(WORDS)} + {len(SERVER_WORDS)} words of ACLs")
def _():
    his, mine = [[ask(p, f"w{i}").body for i in range(len(WORDS))] for p in both]
    equal(list(zip(WORDS, mine)), list(zip(WORDS, his)), "results at the request")
    equal(set(his), {b"yes", b"no"}, "results that occur")
    his, mine = [[ask(p).header(f"x-w{i}") for i in range(len(SERVER_WORDS))] for p in both]
    equal(list(zip(SERVER_WORDS, mine)), list(zip(SERVER_WORDS, his)), "results at the response")
    equal(set(his), {"yes", None}, "results that occur")


ACTIONS = DEFAULTS + """
frontend f
    bind 127.0.0.1:@f@
    tcp-request connection set-var(sess.c) int(3)
    tcp-request connection set-var(sess.gone) int(3)
    tcp-request connection set-var-fmt(sess.cf) "c%[src]"
    tcp-request connection unset-var(sess.gone)
    tcp-request session set-var(sess.s) int(4)
    tcp-request session set-var-fmt(sess.sf) "s%[src]"
    tcp-request session set-var(sess.gone2) int(3)
    tcp-request session unset-var(sess.gone2)
    tcp-request connection accept if { src 127.0.0.8 }
    tcp-request connection set-var(sess.after) int(1)
    tcp-request session accept if { src 127.0.0.7 }
    tcp-request session set-var(sess.after2) int(1)
    tcp-request content set-var-fmt(txn.tf) "t%[src]"
    tcp-request content set-var(txn.gone3) int(1)
    tcp-request content unset-var(txn.gone3)
    http-request set-method PUT if { path /method }
    http-request reject if { path /reject }
    default_backend b
backend b
    http-request set-header X-Vars "%[var(sess.c)] %[var(sess.cf)] %[var(sess.s)] %[var(sess.sf)] %[var(sess.gone)] %[var(sess.gone2)] %[var(sess.after)] %[var(sess.after2)] %[var(txn.tf)] %[var(txn.gone3)]"
    http-response set-header X-Vars "%[var(sess.c)] %[var(sess.cf)] %[var(sess.s)] %[var(sess.sf)] %[var(sess.gone)] %[var(sess.gone2)] %[var(sess.after)] %[var(sess.after2)] %[var(txn.tf)] %[var(txn.gone3)]"
    http-request set-var(txn.path) path
    http-response set-var-fmt(txn.rf) "%[status]-%[src]"
    http-response set-var(txn.g) int(1)
    http-response unset-var(txn.g)
    http-response set-header X-Rf "%[var(txn.rf)] %[var(txn.g)]"
    http-response replace-header X-Dom (www)\\.(.*) \\2.\\1
    http-response replace-value X-List b bb
    http-response set-status 418 reason "Tea pot" if { var(txn.path) -m str /status }
    http-response allow if { var(txn.path) -m str /allow }
    http-response set-header X-Behind yes
    http-response deny deny_status 502 if { var(txn.path) -m str /deny }
    http-response return status 200 content-type text/plain string "mine" if { var(txn.path) -m str /return }
    http-response redirect location /else code 307 if { var(txn.path) -m str /redirect }
    server s 127.0.0.1:{port}
"""


@cases("actions: {0} from {1}", [(p, s) for p in ("/", "/method", "/status", "/allow", "/deny", "/return", "/redirect")
                                 for s in (None,)] + [("/", "127.0.0.8"), ("/", "127.0.0.7"), ("/reject", None)])
def _(path, src):
    got = []
    for p in acting:
        c = Conn(p.at("f"), src=src)
        try:
            r = c.request(path)
            page = (r.header("content-type") or "") == "text/html"
            got.append((r.status, [r.header(h) for h in ("x-vars", "x-rf", "x-dom", "x-list", "x-behind", "location")],
                        None if page else r.body))
        except (ConnectionError, AssertionError) as e:
            got.append("closed")
        c.close()
    equal(got[1], got[0], "lbd's answer, against haproxy's")


acting = [kind(ACTIONS.replace("{port}", str(origin.port))) for kind in (Haproxy, Lbd)]

LOG = DEFAULTS + """
frontend f
    bind 127.0.0.1:@f@
    log 127.0.0.1:{log} local0
    log-format "HPO=%HPO HP=%HP HQ=%HQ HU=%HU HV=%HV HM=%HM bi=%bi trl=%trl hostname=%H Tx=%Th/%Ti/%Tq/%Tu bp=%bp rt=%rt end"
    log-format-sd [lbd@1\\ path=\\"%[capture.req.uri]\\"]
    default_backend b
frontend sd
    bind 127.0.0.1:@sd@
    log 127.0.0.1:{log} format rfc5424 local0
    log-format "sd %HM"
    log-format-sd [lbd@1\\ uri=\\"%HU\\"]
    default_backend b
backend b
    server s 127.0.0.1:{port} source 127.0.0.3
"""


def shape(line):
    """Numbers that differ from run to run become N; what must be a number still has to be one."""
    line = re.sub(r"^.*?: ", "", line)
    line = re.sub(r"Tx=\d+/\d+/\d+/\d+", "Tx=N/N/N/N", line)
    return re.sub(r"bp=\d+ rt=\d+", "bp=N rt=N", line)


@case("log aliases and structured data")
def _():
    got = []
    for kind in (Haproxy, Lbd):
        log = Syslog()
        p = kind(LOG.replace("{log}", str(log.port)).replace("{port}", str(origin.port)))
        with_host = Conn(p.at("f"))
        with_host.request("http://host.example:99/x/y?q=1", host="host.example:99")
        with_host.close()
        plain = log.wait(r".*HPO=.* end").group(0)
        ask(p, name="sd", path="/sd?x=1")
        structured = log.wait(r".*\[lbd@1 .*").group(0)
        got.append((shape(plain), re.search(r"\[lbd@1 [^]]*\] .*", structured).group(0)))
    equal(got[1], got[0], "lbd's lines, against haproxy's")


main()
