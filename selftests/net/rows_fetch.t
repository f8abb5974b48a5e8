#!/usr/bin/env python3
# tap: timeout=60
"""Fetches and converters that no other test asks: what TCP and the timers say, tracked entries by the names with a digit,
bytes under inspection by their short names; compared with haproxy where it has them, else with what they must be."""
import re
from lbt import *

HEAD = """
defaults
    timeout client 5s
    timeout server 6s
    timeout connect 7s
    timeout queue 8s
    timeout tarpit 9s
    log stdout format raw daemon
"""
# at the end of a request through a server on loopback: expression and what it must be (None: haproxy's)
ENDS = [("fc_rttvar(us),bool", "1"), ("fc_retrans", "0"), ("fc_lost", "0"), ("fc_sacked", "0"), ("fc_fackets", "0"),
        ("fc_unacked,mul(0)", "0"), ("fc_reordering,bool", "1"), ("bc_rtt(us),bool", "1"), ("bc_rttvar(us),bool", "1"),
        ("bc_src", "127.0.0.3"), ("bc_src_port,bool", "1"), ("bc_err", "0"), ("bc_err_str", "Success"),
        ("fc.timer.handshake", "0"), ("fc.timer.total,div(5000)", "0"), ("res.timer.data,div(5000)", "0"),
        ("req.timer.idle,div(5000)", "0"), ("req.timer.tq,div(5000)", "0"), ("req.timer.hdr,div(5000)", "0"),
        ("res.timer.hdr,div(5000)", "0"), ("txn.timer.total,div(5000)", "0"), ("txn.timer.user,div(5000)", "0"),
        ("bytes_in,bool", "1"), ("bytes_out,bool", "1"), ("req.bytes_in,bool", "1"), ("res.bytes_in,bool", "1"),
        ("date_us,div(1000000)", "0"), ("pid,bool", "1"), ("str(abc),reverse", "cba"),
        ("int(1500),ms_ltime(%s%N)", "1500000000"), ("int(1500000),us_ltime(%s%N)", "1500000000"),
        ("str(x),unset-var(sess.gone)", "x"), ("var(sess.gone)", "-"), ("var(sess.kept)", "7"), ("last_rule_file,length,bool", "1")]
REQUEST = [("be_connect_timeout", "7000"), ("be_queue_timeout", "8000"), ("be_tarpit_timeout", "9000")]
TRACKED = ["conn_cnt", "conn_cur", "conn_rate", "sess_cnt", "sess_rate", "http_req_cnt", "http_req_rate", "http_err_cnt",
           "http_err_rate", "http_fail_cnt", "http_fail_rate", "get_gpc0", "get_gpc1", "get_gpt0", "gpc0_rate", "gpc1_rate",
           "inc_gpc0", "inc_gpc1", "clr_gpc0", "clr_gpc1", "kbytes_in", "kbytes_out", "bytes_in_rate", "bytes_out_rate", "trackers"]
STORE = "gpc0,gpc1,gpt0,gpc0_rate(60s),gpc1_rate(60s),conn_cnt,conn_cur,conn_rate(60s),sess_cnt,sess_rate(60s),http_req_cnt," \
        "http_req_rate(60s),http_err_cnt,http_err_rate(60s),http_fail_cnt,http_fail_rate(60s),bytes_in_cnt,bytes_out_cnt," \
        "bytes_in_rate(60s),bytes_out_rate(60s)"



def values(i):
    """How many bytes there were is a matter of when they are counted."""
    return " ".join(f"{w}=%[sc{i}_{w}{',bool' if w.startswith('bytes') else ''}]" for w in TRACKED)


origin = HttpServer("s")
ours = Lbd(HEAD + """
frontend f
    mode http
    bind 127.0.0.1:@f@
    http-request set-var(sess.gone) int(1)
    http-request set-var(sess.kept) int(7)
    http-request allow if { path /allow }
    default_backend b
    log-format "f """ + " | ".join(f"%[{e}]" for e, _ in ENDS) + """"
backend b
    mode http
    http-request allow if { path / }
""" + f"    server s 127.0.0.1:{origin.port} source 127.0.0.3\n" + """
backend table
    stick-table type string len 10 size 100 store gpc0,gpc1,gpc0_rate(60s)
backend arrays
    stick-table type string len 10 size 100 store gpc(2)
frontend k
    mode http
    bind 127.0.0.1:@k@
    http-request track-sc0 str(a) table table
    http-request track-sc1 str(b) table table
    http-request track-sc2 str(c) table table
    http-request return status 200 content-type text/plain lf-string "%[sc_key(1)] %[sc0_key] %[sc1_key] %[sc2_key]"
frontend c
    mode http
    bind 127.0.0.1:@c@
    http-request track-sc0 str(a) table arrays
    http-request track-sc1 str(a) table table
    http-request return status 200 content-type text/plain lf-string "%[str(a),table_inc_gpc0(table)] %[str(a),table_inc_gpc0(table)] %[str(a),table_clr_gpc0(table)] %[str(a),table_gpc0(table)] %[str(a),table_inc_gpc1(table)] %[str(a),table_clr_gpc1(table)] %[str(a),table_gpc1(table)] %[str(a),table_inc_gpc(1,arrays)] %[str(a),table_clr_gpc(1,arrays)] %[str(a),table_gpc(1,arrays)]"
frontend timeouts
    mode http
    bind 127.0.0.1:@timeouts@
    default_backend timeouts
backend timeouts
    mode http
    http-request return status 200 content-type text/plain lf-string """ + '"' + " ".join(f"%[{e}]" for e, _ in REQUEST) + '"\n')


@case(f"{len(ENDS)} values at the end of a request")
def _():
    equal(http(ours.at("f")).status, 200, "status")
    wait_for(lambda: "f " in ours.log(), 5, "a line")
    line = next(ln for ln in ours.log().splitlines() if ln.startswith("f "))
    got = dict(zip((e for e, _ in ENDS), line[2:].split(" | ")))
    equal([(e, got.get(e)) for e, want in ENDS if got.get(e) != want], [], f"wrong values in '{line}'")


@case("a backend's timeouts; keys of tracked entries; converters that count")
def _():
    equal(http(ours.at("timeouts")).body.decode().split(), [v for _, v in REQUEST], "timeouts")
    equal(http(ours.at("k")).body, b"b a b c", "keys")
    equal(http(ours.at("c")).body, b"1 2 2 0 1 1 0 1 1 0", "counted, cleared")


SAME = HEAD + """
backend t
    stick-table type string len 10 size 100 expire 1m store """ + STORE + """
frontend u
    mode http
    bind 127.0.0.1:@u@
    http-request return status 200 content-type text/plain lf-string "%[url_ip] %[url_port]"
""" + "".join(f"""
frontend sc{i}
    mode http
    bind 127.0.0.1:@sc{i}@
    tcp-request connection track-sc{i} str(key{i}) table t
    http-request sc-inc-gpc0({i})
    http-request sc-inc-gpc1({i})
    http-request sc-set-gpt0({i}) 9
    http-request deny if {{ path /deny }}
    http-request return status 200 content-type text/plain lf-string "{values(i)}"
""" for i in range(3)) + "".join(f"""
frontend l6{i}
    mode tcp
    bind 127.0.0.1:@l6{i}@
    log-format "l6{i} %[var(sess.x),hex]"
    tcp-request inspect-delay 2s
    tcp-request content set-var(sess.x) {e} if {{ req_len ge 20 }}
    tcp-request content reject if {{ req_len ge 20 }}
""" for i, e in enumerate(["payload(2,5)", "payload_lv(3,1)", "rdp_cookie(mstshash)", "rdp_cookie_cnt(mstshash)",
                           "req_ssl_hello_type", "req_ssl_ver", "req_ssl_sni"]))
both = [kind(SAME) for kind in (Haproxy, Lbd)]


@case("addresses in targets")
def _():
    for target in ("http://10.1.2.3:99/x", "http://10.1.2.3/x"):
        got = []
        for p in both:
            c = Conn(p.at("u"))
            c.send(f"GET {target} HTTP/1.1\r\nHost: {target.split('/')[2]}\r\n\r\n")
            got.append(c.read_response().body)
            c.close()
        equal(got[1], got[0], f"{target}: lbd, haproxy")


@cases("{1} values of what sc{0} tracks", [(i, len(TRACKED)) for i in range(3)])
def _(i, _n):
    got = []
    for p in both:
        for path in ("/deny", "/", "/deny"):
            c = Conn(p.at(f"sc{i}"))
            c.request(path)
            c.close()
        wait_for(lambda p=p: "conn_cur=0" in p.cmd(f"show table t key key{i}"), 5, "the end of these connections")
        c = Conn(p.at(f"sc{i}"))
        got.append([c.request("/").body.decode() for _ in range(2)][1])
    # rates are what was in the period: the same, as long as it is not over
    equal(got[1], got[0], "lbd, haproxy")


@case("the backend before one is chosen: the frontend, or the listener itself")
def _():
    text = HEAD + """
frontend fe
    mode http
    bind 127.0.0.1:@fe@
    id 31
    log-format "fe %b %[be_name] %[be_id]"
    http-request deny
listen li
    mode http
    bind 127.0.0.1:@li@
    id 33
    http-request return status 200 content-type text/plain lf-string "%[be_server_timeout] %[be_id] %[be_name]"
"""
    got = []
    for kind in (Haproxy, Lbd):
        p = kind(text)
        http(p.at("fe"))
        wait_for(lambda: "fe fe" in p.log(), 5, "a line")
        got.append((http(p.at("li")).body, [ln for ln in p.log().splitlines() if ln.startswith("fe ")]))
    equal(got[1], got[0], "lbd, haproxy")


HELLO = bytes.fromhex("16030100430100003f0303") + bytes(32) + bytes.fromhex("000002002f0100001400000010000e00000b6578616d706c652e6f7267")
RDP = b"\x03\x00\x00\x2f\x2a\xe0\x00\x00\x00\x00\x00Cookie: mstshash=user1\r\n\x01\x00\x08\x00\x03\x00\x00\x00"


@cases("bytes under inspection: {0}", [(w,) for w in ("text", "rdp", "hello")])
def _(words):
    data = {"text": b"abc\x05defghijklmnopqrstuv", "rdp": RDP, "hello": HELLO}[words]
    lines = []
    for p in both:
        before = len(p.log())
        for i in range(7):
            c = Conn(p.at(f"l6{i}"))
            c.send(data)
            try:
                c.closed()
            except ConnectionError:
                pass
        wait_for(lambda: len(re.findall(r"(?m)^l6\d ", p.log()[before:])) == 7, 8, "seven lines")
        lines.append(sorted(ln for ln in p.log()[before:].splitlines() if ln.startswith("l6")))
    equal(lines[1], lines[0], "lbd, haproxy")


ANSWER = bytes.fromhex("160303003d0200003903035f") + bytes(200)


@case("the server's first bytes, and a table of IPv4 addresses")
def _():
    def answer(conn, _peer):
        conn.recv(100)
        conn.sendall(ANSWER)
        conn.recv(100)

    text = HEAD + f"""
listen r
    mode tcp
    bind 127.0.0.1:@r@
    log-format "r %[var(sess.h)]"
    tcp-request connection track-sc0 src table t
    tcp-response inspect-delay 2s
    tcp-response content set-var(sess.h) rep_ssl_hello_type if {{ res.len ge {len(ANSWER)} }}
    tcp-response content accept if {{ res.len ge {len(ANSWER)} }}
    server s 127.0.0.1:{ScriptServer(answer).port}
backend t
    stick-table type ipv4 size 10 store conn_cnt
"""
    p = Lbd(text)
    c = Conn(p.at("r"), src="127.0.0.9")
    c.send(b"x")
    equal(c.recv_exact(len(ANSWER)), ANSWER, "what came")
    contains(p.cmd("show table t"), "key=127.0.0.9", "the table")
    c.close()
    wait_for(lambda: "\nr " in "\n" + p.log(), 5, "a line")
    equal([ln for ln in p.log().splitlines() if ln.startswith("r ")], ["r 2"], "the type in the line")


main()
