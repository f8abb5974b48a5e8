#!/usr/bin/env python3
# tap: timeout=90
"""Stick tables: what is counted in them, all samples and converters that read them, and the commands, each beside the oracle:
the same file and the same traffic in both, then the same replies."""
import re
import time
from lbt import *

DATA = ("gpc0,gpc0_rate(60s),gpc1,gpc1_rate(60s),gpt0,conn_cnt,conn_cur,conn_rate(60s),sess_cnt,sess_rate(60s),"
        "http_req_cnt,http_req_rate(60s),http_err_cnt,http_err_rate(60s),http_fail_cnt,http_fail_rate(60s),"
        "bytes_in_cnt,bytes_in_rate(60s),bytes_out_cnt,bytes_out_rate(60s),server_id,server_key")
ARRAYS = "gpc(3),gpc_rate(3,60s),gpt(2)"

READS = ("bytes_in_rate bytes_out_rate kbytes_in kbytes_out conn_cnt conn_cur conn_rate sess_cnt sess_rate http_req_cnt "
         "http_req_rate http_err_cnt http_err_rate http_fail_cnt http_fail_rate get_gpc0 get_gpc1 get_gpt0 gpc0_rate "
         "gpc1_rate").split()
CHANGES = "inc_gpc0 inc_gpc1 clr_gpc0 clr_gpc1".split()
INDEXED = "get_gpc get_gpt gpc_rate inc_gpc clr_gpc".split()
CONVS = ("bytes_in_rate bytes_out_rate kbytes_in kbytes_out conn_cnt conn_cur conn_rate sess_cnt sess_rate http_req_cnt "
         "http_req_rate http_err_cnt http_err_rate http_fail_cnt http_fail_rate gpc0 gpc1 gpt0 gpc0_rate gpc1_rate "
         "server_id trackers").split()


def samples():
    """(path, list of expressions): one page each."""
    out = []
    for n in READS + CHANGES + ["tracked", "trackers"]:
        forms = [f"sc_{n}(0)", f"sc0_{n}", f"sc1_{n}", f"sc2_{n}", f"sc_{n}(1,other)", f"sc0_{n}(other)"]
        if n not in ("tracked", "trackers"):
            forms += [f"src_{n}(all)", f"src_{n}(other)"]
        out.append((n, forms))
    for n in INDEXED:
        out.append((n, [f"sc_{n}({i},2)" for i in range(4)] + [f"src_{n}({i},arr)" for i in range(4)]))
    for n in CONVS:
        out.append(("table_" + n, [f"src,table_{n}(all)", f"src,table_{n}(other)", f"str(192.0.2.9),table_{n}(all)"]))
    for n in ("gpc", "gpt", "gpc_rate"):
        out.append(("table_" + n, [f"src,table_{n}({i},arr)" for i in range(4)]))
    out.append(("in_table", ["src,in_table(all)", "str(192.0.2.9),in_table(all)", "src,in_table(empty)"]))
    out.append(("times", ["src,table_idle(empty,7)", "src,table_expire(empty,8)", "src,table_idle(all)",
                          "str(192.0.2.9),table_idle(all)", "src,table_idle(gone)"]))
    out.append(("sizes", ["table_cnt(all)", "table_avl(all)", "table_cnt(empty)", "table_avl(empty)", "table_cnt",
                          "table_avl", "src_updt_conn_cnt(other)", "src_updt_conn_cnt(other)", "src_conn_cnt(other)",
                          "src_conn_cnt"]))
    return out


PAGES = samples()

CONFIG = f"""
defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 5s
frontend samples
    bind 10.9.0.1:@samples@
    stick-table type ip size 7 expire 60s store conn_cnt
    tcp-request connection track-sc0 src table all
    tcp-request session track-sc1 src table other
    http-request track-sc2 src table arr
    http-request sc-inc-gpc0(0) if {{ path /inc }}
    http-request sc-inc-gpc1(0) if {{ path /inc }}
    http-request sc-inc-gpc(1,2) if {{ path /inc }}
    http-request sc-inc-gpc(9,2) if {{ path /inc }}
    http-request sc-inc-gpc0(2) if {{ path /inc }}
    http-request sc-set-gpt0(0) int(17),add(4) if {{ path /inc }}
    http-request sc-set-gpt(1,2) 33 if {{ path /inc }}
    http-request sc-inc-gpc0(1) if {{ sc0_inc_gpc0 gt 100 }} {{ path /never }}
    http-request deny if {{ path /deny }}
""" + "".join(f"""    http-request return status 200 content-type text/plain lf-string "{' '.join('%[' + e + ']' for e in forms)}" if {{ path /{i} }}
""" for i, (_, forms) in enumerate(PAGES)) + f"""    default_backend app
backend app
    server s1 10.9.1.2:8080
backend all
    stick-table type ip size 1k expire 60s store {DATA}
backend other
    stick-table type ip size 1k expire 60s store gpc0 store conn_cnt,conn_cur,sess_cnt
backend arr
    stick-table type ip size 1k expire 60s store {ARRAYS}
backend empty
    stick-table type ip size 1k expire 60s store {DATA}
backend gone
    stick-table type ip size 1k
listen tcpc
    mode tcp
    bind 10.9.0.1:@tcpc@
    tcp-request connection track-sc0 src table tc
    tcp-request connection reject if {{ sc0_conn_cnt gt 2 }}
    server s 10.9.1.2:7000
listen content
    mode tcp
    bind 10.9.0.1:@content@
    tcp-request inspect-delay 2s
    tcp-request content track-sc2 req.payload(0,4) table tstr
    server s 10.9.1.2:7000
frontend response
    bind 10.9.0.1:@response@
    http-response track-sc1 srv_name table trsp
    http-response sc-inc-gpc0(1)
    default_backend app
backend tc
    stick-table type ip size 1k expire 60s store conn_cnt,conn_cur,sess_cnt,bytes_in_cnt,bytes_out_cnt
backend tstr
    stick-table type string len 3 size 1k expire 60s store conn_cnt,conn_cur,sess_cnt,bytes_in_cnt,bytes_out_cnt
backend trsp
    stick-table type string size 1k expire 60s store http_req_cnt,http_err_cnt,http_fail_cnt,gpc0
backend small
    stick-table type integer size 3 expire 60s store gpc0
backend fixed
    stick-table type integer size 3 expire 60s nopurge store gpc0
backend brief
    stick-table type string len 5 size 100 expire 700ms store gpc0,conn_rate(400ms)
backend v6
    stick-table type ipv6 size 100 store gpc0
backend bytes
    stick-table type binary len 4 size 100 store gpc0
backend large
    stick-table type integer size 2k expire 60s store gpc0
frontend keys
    bind 10.9.0.1:@keys@
    http-request track-sc0 req.hdr(k) table brief if {{ req.hdr(k) -m found }}
    http-request track-sc1 req.hdr(b) table bytes if {{ req.hdr(b) -m found }}
    http-request track-sc2 src table v6
    http-request return status 200
"""

net = Net(servers=1)
app = HttpServer("s1", ns=net.servers[0], addr="0.0.0.0", port=8080)
echo = EchoServer("s1", ns=net.servers[0], addr="0.0.0.0", port=7000)
hap = Haproxy(CONFIG, ns=net.lb)
lbd = Lbd(CONFIG, ns=net.lb)
BOTH = (hap, lbd)


def table(p, name):
    """Lines of `show table` without what must differ: addresses, times, bytes of HTTP messages (counted on the wire here)."""
    out = p.cmd("show table " + name)
    out = re.sub(r"0x[0-9a-f]+: ", "", out)
    out = re.sub(r" exp=\d+", "", out)
    return out.strip()


def without_bytes(text):
    return re.sub(r"bytes_\w+(\(\d+\))?=\d+", "", text)


def same(fn, what):
    got = [fn(p) for p in BOTH]
    equal(got[1], got[0], what)
    return got[1]


def settled(p, name, want, what):
    wait_for(lambda: want(table(p, name)), what=what)


@case("counters of connections, sessions, requests, errors and failures are those of the oracle")
def _():
    def run(p):
        c = Conn(p.at("samples", net.vip), ns=net.client)
        for path in ("/inc", "/x"):
            c.request(path)
        c.close()
        for path in ("/status/404", "/status/500", "/status/501", "/status/503", "/inc"):
            http(p.at("samples", net.vip), path, ns=net.client)
        c = Conn(p.at("samples", net.vip), ns=net.client)
        c.request("/deny")
        c.close()
        c = Conn(p.at("samples", net.vip), ns=net.client)
        c.send(b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n")
        c.read_response()
        c.close()
        settled(p, "all", lambda t: "use=0" in t, "all is let go")
        return [without_bytes(table(p, t)) for t in ("all", "other", "arr")]
    got = same(run, "tables")
    contains(got[0], "conn_cnt=8", "connections")
    contains(got[0], "http_req_cnt=9", "requests")
    contains(got[0], "http_err_cnt=3", "errors: 404, deny, bad")
    contains(got[0], "http_fail_cnt=2", "failures: 500 and 503")
    contains(got[0], "gpt0=21", "tag")


@cases("samples: {0}", [(n, i) for i, (n, _) in enumerate(PAGES)])
def _(name, i):
    def run(p):
        settled(p, "all", lambda t: "use=0" in t, "nobody is there")
        r = http(p.at("samples", net.vip), f"/{i}", ns=net.client)
        equal(r.status, 200, "status")
        return [f"{e}={v}" for e, v in zip(PAGES[i][1], r.body.decode().split(" "))]
    got = [run(p) for p in BOTH]
    if "bytes" in name:  # counted on the wire here, in HAProxy before the message is written
        got = [[re.sub(r"=[1-9]\d*$", "=n", x) for x in g] for g in got]
    if name == "table_trackers":  # HAProxy 2.6 counts its own look-up as one
        got[0][:2] = [re.sub("=2", "=1", x) for x in got[0][:2]]
    equal(got[1], got[0], "values")


@case("a tracked connection's bytes count at its end, in mode tcp; the third one is rejected but counted")
def _():
    def run(p):
        for _ in range(2):
            c = Conn(p.at("tcpc", net.vip), ns=net.client)
            c.recv_until(b"\n")
            c.send(pattern(5000))
            c.recv_exact(5000)
            c.close()
        settled(p, "tc", lambda t: "use=0" in t, "end")
        try:
            true(Conn(p.at("tcpc", net.vip), ns=net.client).closed(), "rejected")
        except ConnectionResetError:
            pass  # before connect() had returned
        settled(p, "tc", lambda t: "use=0" in t and "conn_cnt=3" in t, "end")
        return table(p, "tc")
    got = same(run, "table")
    contains(got, "conn_cnt=3 conn_cur=0 sess_cnt=2 bytes_in_cnt=10000 bytes_out_cnt=10006", "counters")


@case("a rule on content waits for its key, cuts it to the table's length, and tracks to the end of the stream")
def _():
    def run(p):
        c = Conn(p.at("content", net.vip), ns=net.client)
        c.send(b"ab")
        c.send(b"cdef")
        c.recv_until(b"cdef")
        during = table(p, "tstr")
        c.close()
        settled(p, "tstr", lambda t: "use=0" in t, "end")
        return during, table(p, "tstr")
    got = same(run, "table")
    contains(got[0], "key=abc use=1 conn_cnt=1 conn_cur=1 sess_cnt=0 ", "while it runs")
    contains(got[1], "key=abc use=0 conn_cnt=1 conn_cur=0 sess_cnt=0 bytes_in_cnt=6", "after it")


@case("response rules track by the response, which counts already")
def _():
    def run(p):
        for path in ("/", "/status/404", "/status/503"):
            http(p.at("response", net.vip), path, ns=net.client)
        return table(p, "trsp")
    got = same(run, "table")
    contains(got, "gpc0=3", "counted by the rule")


COMMANDS = """
show table nope | show table small | show table small key | set table small key | set table | clear table | clear table nope
set table small key 12 data.gpc0 4 | show table small | show table small key 12 | show table small key 99
set table small key 13 data.nope 4 | set table small key 13 data.conn_cnt 4 | set table small key 13 data.gpc0
set table small key 13 data.gpc0 1x | set table small key 13 gpc0 1 | show table small
set table small key 0x10 data.gpc0 5 | set table small key abc data.gpc0 3 | set table small key 5000000000 | set table small key -3
show table small | clear table small | set table small key 14 | set table small key 15 | show table small
show table small data.gpc0 gt 0 | show table small data.gpc0 xx 3 | show table small data.gpc0 gt | show table small data.foo gt 1
show table small data.conn_cnt gt 1 | show table small foo | show table small data.gpc0 gt abc
set table small key 1 data.gpc0 1 | set table small key 2 data.gpc0 2 | set table small key 3 data.gpc0 3
show table small data.gpc0 ge 2 | show table small data.gpc0 gt 1 data.gpc0 lt 3 | show table small data.gpc0 ne 2
show table small data.gpc0 le 1 | show table small data.gpc0 eq 1 data.gpc0 eq 1 data.gpc0 eq 1 data.gpc0 eq 1 data.gpc0 eq 1
clear table small data.gpc0 eq 2 | show table small | clear table small foo | clear table small key 3 | show table small
clear table small key 77 | clear table small data.gpc0 xx 1 | clear table small | show table small
set table fixed key 1 | set table fixed key 2 | set table fixed key 3 | show table fixed
set table v6 key 1.2.3.4 | set table v6 key ::2 | set table v6 key xyz | show table v6 | set table v6 key 2001:db8::1 data.gpc0 7
show table v6 key 2001:db8:0::1 | set table bytes key 41424344 | show table bytes key 41424344 | clear table bytes key 41424344
set table all key 192.0.2.1 data.conn_cnt 1 data.bytes_in_cnt 12345678901 data.server_id 3 data.gpc0_rate 5 | show table all key 192.0.2.1
set table all key 192.0.2.1 data.server_key x | set table arr key 192.0.2.1 data.gpc 7 data.gpt 8 data.gpc_rate 9 | show table arr key 192.0.2.1
set table arr key 192.0.2.1 data.gpc0 7 | show table arr data.gpc eq 7 | clear table arr key 192.0.2.1 | show table arr data.gpt eq 8
"""


@case("the replies to commands are those of the oracle")
def _():
    for c in re.split(r"[|\n]", COMMANDS):
        c = c.strip()
        if c:
            same(lambda p: sorted(re.sub(r"0x[0-9a-f]+: |exp=\d+", "", p.cmd(c)).split("\n")), c)


@case("the list of tables has the oracle's lines in its order")
def _():
    def run(p):
        return [re.sub(r"used:\d+", "", x) for x in p.cmd("show table").strip().split("\n")]
    got = same(run, "show table")
    equal(got[-1], "# table: samples, type: ip, size:7, ", "the first of the file is the last")


@case("keys: text is escaped, cut and compared as in the oracle; bytes are filled up; addresses are mapped")
def _():
    def run(p):
        for k in ("abcdefgh", "abcdeXYZ", "a b", "a=\\", "", "\xe9"):
            http(p.at("keys", net.vip), "/", ns=net.client, headers={"k": k, "b": k[:3]})
        return [sorted(re.sub(r" use=.*", "", table(p, t)).split("\n")) for t in ("brief", "bytes", "v6")]
    got = same(run, "tables")
    true("key=abcde" in got[0], "cut to 5")
    true("key=61626300" in got[1], "filled up")
    true("key=::ffff:10.9.0.2" in got[2] or any("ffff:" in x for x in got[2]), "mapped")


@case("an entry expires after its time without use, and not before")
def _():
    def life(p):
        p.cmd("clear table brief")
        t0 = time.monotonic()
        p.cmd("set table brief key x data.gpc0 1")
        wait_for(lambda: "key=" not in p.cmd("show table brief"), what="expiry")
        return time.monotonic() - t0
    for p in BOTH:
        t = life(p)
        true(0.69 < t < 1.1, f"lived {t:.2f} s, expire is 0.7 s")


@case("a full table drops the least recently used: one, and one more for each 256 of its size")
def _():
    def run(p):
        p.cmd("clear table small")
        for k in (1, 2, 3, 1, 4):
            p.cmd(f"set table small key {k}")
            time.sleep(0.03)  # an age of its own for each
        few = sorted(re.findall(r"key=(\d+)", p.cmd("show table small")))
        for k in range(0, 2048, 16):
            p.cmd("; ".join(f"set table large key {k + i}" for i in range(16)))
        full = p.cmd("show table large data.gpc0 gt 9")
        p.cmd("set table large key 5000")
        return few, full, p.cmd("show table large data.gpc0 gt 9")
    got = same(run, "tables")
    equal(got[0], ["1", "3", "4"], "what is left of the small one")
    contains(got[1], "used:2048", "full")
    contains(got[2], "used:2040", "purged")


@case("a full table with nopurge refuses new keys; what is there stays")
def _():
    lbd.cmd("clear table fixed")
    for k in (1, 2, 3, 4):
        lbd.cmd(f"set table fixed key {k}")
    equal(sorted(re.findall(r"key=(\d+)", lbd.cmd("show table fixed"))), ["1", "2", "3"], "keys")
    lbd.cmd("clear table fixed key 2")
    lbd.cmd("set table fixed key 4")
    equal(sorted(re.findall(r"key=(\d+)", lbd.cmd("show table fixed"))), ["1", "3", "4"], "keys")


@case("what is tracked is neither cleared, purged nor expired")
def _():
    c = Conn(lbd.at("tcpc", net.vip), ns=net.client)
    lbd.cmd("clear table tc")
    c.close()
    p = lbd
    c = Conn(p.at("content", net.vip), ns=net.client)
    c.send(b"keep")
    c.recv_until(b"keep")
    equal(p.cmd("clear table tstr key kee").strip(), "Entry currently in use, cannot remove", "reply")
    p.cmd("clear table tstr")
    contains(p.cmd("show table tstr"), "key=kee use=1", "still there")
    c.close()
    settled(p, "tstr", lambda t: "key=kee use=0" in t, "let go")
    p.cmd("clear table tstr key kee")
    true("key=kee" not in p.cmd("show table tstr"), "gone")


@case("a rate over a period falls as the oracle's does")
def _():
    def curve(p):
        p.cmd("clear table brief")
        p.cmd("set table brief key r data.conn_rate 1000")
        t0, seen = time.monotonic(), []
        while time.monotonic() - t0 < 0.7:
            a = time.monotonic()
            m = re.search(r"conn_rate\(400\)=(\d+)", p.cmd("show table brief"))
            seen.append((a - t0, time.monotonic() - t0, int(m[1]) if m else -1))
        return seen
    for p in BOTH:
        for a, b, v in curve(p):
            if v < 0:
                continue
            def ideal(t):
                return 1000 if t < 0.4 else max(0, 1000 * (0.8 - t) / 0.4)
            true(ideal(b + 0.03) - 12 <= v <= ideal(a - 0.03) + 12, f"{v} after {a:.3f} to {b:.3f} s")


main()
