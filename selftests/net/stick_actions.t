#!/usr/bin/env python3
# tap: timeout=60
"""Tracking and counting rules in every rule set that takes them, with more tracked counters than HAProxy 2.6 has; what a service
that tracks means for the kernel path."""
import re
from lbt import *

N = 12
SETS = ["tcp-request connection", "tcp-request session", "tcp-request content", "http-request", "http-response"]
STORE = "store conn_cnt,conn_cur,http_req_cnt,gpc(2),gpc_rate(2,60s),gpt(2)"
SHORT = {s: s.replace(" ", "-") for s in SETS}


def frontend(s):
    """All counters are tracked by rules of one set, and each is counted up by its own number."""
    out = [f"frontend {SHORT[s]}", f"    bind 127.0.0.1:@{SHORT[s].replace('-', '_')}@"]
    # a rule set that runs behind all of them counts, so that it sees what was tracked
    for i in range(N):
        out.append(f"    {s} track-sc{i} str(k{i}) table {SHORT[s]}-t")
        out.append(f"    {s} sc-add-gpc(0,{i}) {i}")
        out.append(f"    {s} sc-add-gpc(1,{i}) int(2),add({i})")
        out.append(f"    {s} sc-inc-gpc(1,{i})")
        out.append(f"    {s} sc-inc-gpc0({i})")
        out.append(f"    {s} sc-inc-gpc1({i})")
        out.append(f"    {s} sc-set-gpt(1,{i}) int(90),add({i})")
        out.append(f"    {s} sc-set-gpt0({i}) {i}")
    out.append("    default_backend app")
    out.append(f"backend {SHORT[s]}-t\n    stick-table type string len 8 size 100 expire 60s {STORE}")
    return "\n".join(out)


KEYS = " ".join(f"%[sc_key({i})]" for i in range(4)) + " %[sc0_key] %[sc1_key] %[sc2_key]"
CONFIG = f"""
global
    tune.stick-counters {N}
defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 5s
""" + "\n".join(frontend(s) for s in SETS) + f"""
listen after
    mode tcp
    bind 127.0.0.1:@after@
    tcp-request connection track-sc0 str(x) table after-t
    tcp-response inspect-delay 2s
    tcp-response content sc-add-gpc(0,0) 5
    tcp-response content sc-inc-gpc(0,0)
    tcp-response content sc-inc-gpc0(0)
    tcp-response content sc-inc-gpc1(0)
    tcp-response content sc-set-gpt(1,0) 8
    tcp-response content sc-set-gpt0(0) 9
    server s1 127.0.0.1:@srv@
backend after-t
    stick-table type string len 8 size 100 expire 60s {STORE}
frontend keys
    bind 127.0.0.1:@keys@
    tcp-request connection track-sc0 src table k4
    tcp-request connection track-sc1 src table k6
    tcp-request session track-sc2 int(77) table kn
    http-request track-sc3 req.hdr(k) table ks
    http-request track-sc0 str(front) table ks
    http-request return status 200 content-type text/plain lf-string "{KEYS}"
backend k4
    stick-table type ipv4 size 100
backend k6
    stick-table type ipv6 size 100
backend kn
    stick-table type integer size 100
backend ks
    stick-table type string size 100 store conn_cur
frontend values
    bind 127.0.0.1:@values@
    http-request track-sc0 str(v) table vt
    http-request return status 200 content-type text/plain lf-string "%[str(v),table_inc_gpc0(vt)] %[str(v),table_inc_gpc0(vt)] %[str(v),table_clr_gpc0(vt)] %[str(v),table_gpc0(vt)] %[str(v),table_inc_gpc1(vt)] %[str(v),table_clr_gpc1(vt)] %[str(v),table_inc_gpc(1,va)] %[str(none),table_inc_gpc0(vt)] %[str(none),in_table(vt)]" if {{ path / }}
    http-request track-sc1 str(v) table va
    http-request return status 200 content-type text/plain lf-string "%[str(v),table_inc_gpc(1,va)] %[str(v),table_inc_gpc(1,va)] %[str(v),table_clr_gpc(1,va)] %[str(v),table_gpc(1,va)] %[str(v),table_gpc_rate(1,va)] %[str(v),table_gpt(0,va)] %[str(v),table_inc_gpc(7,va)] %[sc_key(1)]"
backend vt
    stick-table type string size 100 store gpc0,gpc1
backend va
    stick-table type string size 100 store gpc(2),gpc_rate(2,60s),gpt(1)
backend app
    server s1 127.0.0.1:@srv@
frontend srv
    bind 127.0.0.1:@srv@
    http-request return status 200
"""

lbd = Lbd(CONFIG)


def table(name):
    out = re.sub(r"0x[0-9a-f]+: | exp=\d+", "", lbd.cmd("show table " + name))
    return sorted(x for x in out.split("\n") if x.startswith("key="))


def at(name):
    return ("127.0.0.1", lbd.port(name))


@cases("twelve counters in {0}", [(s,) for s in SETS])
def _(s):
    equal(http(at(SHORT[s].replace("-", "_"))).status, 200, "status")
    name = SHORT[s] + "-t"
    wait_for(lambda: all("use=0" in x for x in table(name)), what="all is let go")
    got = table(name)
    equal(len(got), N, "entries")
    for i in range(N):
        line = [x for x in got if x.startswith(f"key=k{i} ")][0]
        # gpc0: add i, inc-gpc0; gpc1: add i + 2, inc-gpc(1), inc-gpc1
        contains(line, f"gpc0={i + 1} gpc1={i + 4} gpc0_rate(60000)={i + 1} gpc1_rate(60000)={i + 4}", f"{i}: counts")
        contains(line, f"gpt0={i} gpt1={90 + i}", f"{i}: tags")
        contains(line, "conn_cnt=1 conn_cur=0", f"{i}: connections")
        contains(line, "http_req_cnt=1", f"{i}: requests")


@case("counting rules on the server's bytes")
def _():
    c = Conn(at("after"))
    c.request("/")
    c.close()
    wait_for(lambda: "use=0" in table("after-t")[0], what="the end")
    contains(table("after-t")[0], "gpt0=9 gpt1=8 gpc0=7 gpc1=1", "counts")


@case("keys of tracked entries; a stream's counter stands in front of the session's of the same number")
def _():
    r = http(at("keys"), headers={"k": "abc"})
    equal(r.body.decode(), "front ::ffff:127.0.0.1 77 abc front ::ffff:127.0.0.1 77", "keys")
    wait_for(lambda: all("conn_cur=0" in x for x in table("ks")), what="the stream's are let go")


@case("converters that count and reset do not make entries")
def _():
    equal(http(at("values"), "/").body.decode(), "1 2 2 0 1 1 0 0 0", "values")
    equal(http(at("values"), "/x").body.decode(), "1 2 2 0 2 0 0 v", "arrays")


@case("fewer counters by tune.stick-counters")
def _():
    p = Lbd("global\n    tune.stick-counters 1\nlisten a\n    mode tcp\n    timeout client 5s\n    timeout server 5s\n    timeout connect 1s\n"
            "    bind 127.0.0.1:@a@\n    stick-table type ip size 10 store conn_cur\n    tcp-request connection track-sc0 src\n"
            f"    server s 127.0.0.1:{lbd.port('srv')}\n")
    c = Conn(("127.0.0.1", p.port("a")))
    wait_for(lambda: "conn_cur=1" in p.cmd("show table a"), what="counted")
    c.close()
    wait_for(lambda: "conn_cur=0" in p.cmd("show table a"), what="let go")


@cases("{0} keeps a service off the kernel path", [
    ("stick on", "    stick on src\n", "keys that lead to a server are kept by the daemon"),
    ("track-sc0", "    tcp-request connection track-sc0 src\n", "are kept by the daemon"),
])
def _(_what, rule, says):
    with open(TMP + "/plan.cfg", "w") as f:
        f.write("listen a\n    mode tcp\n    datapath kernel\n    timeout client 5s\n    timeout server 5s\n    timeout connect 1s\n"
                "    bind 192.0.2.1:80\n    stick-table type ip size 10\n" + rule + "    server s 192.0.2.9:80\n")
    r = run([LBD, "-c", "-V", "-f", TMP + "/plan.cfg"], check=False)
    contains(r.stdout + r.stderr, says, "reason")


main()
