#!/usr/bin/env python3
# tap: timeout=90
"""Actions in each rule set that has them: what is set on sockets, in tables, maps, variables and logs. The client's address
says which rules are meant, the port which set."""
import subprocess
from lbt import *

SETS = {"conn": "tcp-request connection", "sess": "tcp-request session", "content": "tcp-request content",
        "tres": "tcp-response content", "req": "http-request", "res": "http-response"}
# client's last number: rules
SOCKET = {2: ["set-tos 0x10", "set-mark 0x21"], 3: ["set-fc-tos 0x20", "set-fc-mark 0x22"]}
SERVER = {4: ["set-bc-tos 0x30", "set-bc-mark 0x23"]}
COUNT = ["sc-inc-gpc0(0)", "sc-inc-gpc1(0)", "sc-set-gpt0(0) 7", "sc-inc-gpc(0,1)", "sc-add-gpc(1,1) 5", "sc-set-gpt(1,1) 9"]
HTTP = ("req", "res")


def lines(name, rules, source):
    return "".join(f"    {SETS[name]} {r} if {{ src 127.0.0.{source} }}\n" for r in rules)


def config(tcp, web):
    text = """
global
    tune.stick-counters 12
defaults
    timeout client 5s
    timeout server 5s
    timeout connect 1s
    log stdout format raw daemon
"""
    for name in SETS:
        http_mode = name in HTTP
        text += f"""
listen {name}
    mode {"http" if http_mode else "tcp"}
    bind 127.0.0.1:@{name}@
    log-format "{name} %ci:%cp %ts rc=%rc v=%[var(sess.v)]"
    tcp-request inspect-delay 3s
    tcp-response inspect-delay 3s
    tcp-request content set-var(sess.none) int(1) if {{ req.len gt 0 }}
    server s 127.0.0.1:{web if http_mode else tcp}
"""
        own = "".join(lines(name, rules, n) for n, rules in SOCKET.items())
        if name in ("content", "req"):
            own += "".join(lines(name, rules, n) for n, rules in SERVER.items())
        own += lines(name, ["do-log"], 5)
        own += lines(name, ['set-var-fmt(sess.v) "%[src]"'], 10)
        for i in range(12):
            if name != "tres":
                own += f"    {SETS[name]} track-sc{i} str({name}{i}) table t if {{ src 127.0.0.6 }}\n"
        first = "tcp-request connection" if name in ("conn", "sess") else "tcp-request content"
        if name == "conn":
            own += "    tcp-request connection track-sc0 str(nconn) table t if { src 127.0.0.7 }\n"
            own += "    tcp-request connection track-sc1 str(nconn) table u if { src 127.0.0.7 }\n"
        else:
            text += f"    {first} track-sc0 str(n{name}) table t if {{ src 127.0.0.7 }}\n"
            text += f"    {first} track-sc1 str(n{name}) table u if {{ src 127.0.0.7 }}\n"
        own += lines(name, COUNT, 7)
        if name in ("tres", "res"):
            own += lines(name, ["silent-drop"], 8)
        text += own
    return text + f"""
listen addr
    mode tcp
    bind 127.0.0.1:@addr@
    log-format "addr %ci:%cp rc=%rc"
    tcp-request connection set-src str(192.0.2.1) if {{ src 127.0.0.2 }}
    tcp-request session set-src-port int(77)
    tcp-request content set-retries int(0) if {{ dst_port 1:65535 }} {{ src 192.0.2.1 }}
    retries 2
    server gone 127.0.0.1:1
listen maps
    mode http
    bind 127.0.0.1:@maps@
    declare capture response len 30
    log-format "maps %HU client=%[cur_client_timeout] tunnel=%[cur_tunnel_timeout] kept=%[capture.res.hdr(0)] conv=%[capture.res.hdr(1)]"
    declare capture response len 3
    http-request set-var(txn.p) path
    http-request return status 200 content-type text/plain lf-string "%[str(k),map(virt@m,none)] %[str(k),map_str(virt@a,no)]" if {{ path /look }}
    http-request return status 200 content-type text/plain string yes if {{ path /acl }} {{ str(k) -f virt@l }}
    http-request return status 200 content-type text/plain string no if {{ path /acl }}
    http-response set-map(virt@m) k %[status] if {{ var(txn.p) -m str /set }}
    http-response del-map(virt@m) k if {{ var(txn.p) -m str /del }}
    http-response add-acl(virt@l) k if {{ var(txn.p) -m str /set }}
    http-response del-acl(virt@l) k if {{ var(txn.p) -m str /del }}
    http-response set-log-level silent if {{ var(txn.p) -m str /silent }}
    http-response set-timeout client 444ms if {{ var(txn.p) -m str /time }}
    http-response set-timeout tunnel 555ms if {{ var(txn.p) -m str /time }}
    http-response capture res.hdr(x-server) id 0
    http-response set-var(txn.no) res.hdr(x-server),concat(bcdef),capture-res(1)
    server s 127.0.0.1:{web}
backend t
    stick-table type string len 32 size 1000 store gpc0,gpc1,gpt0,conn_cnt
backend u
    stick-table type string len 32 size 1000 store gpc(2),gpt(2)
"""


echo, origin = EchoServer("e"), HttpServer("h")
lbd = Lbd(config(echo.port, origin.port))


def use(name, source):
    """An exchange through the listener, whose connection stays open."""
    c = Conn(lbd.at(name), src=f"127.0.0.{source}")
    if name in HTTP:
        equal(c.request("/").status, 200, "status")
    else:
        c.send(b"abcd")
        c.recv_until(b"\n")
        c.recv_exact(4)
    return c


def sockets(port, side):
    return subprocess.run(["ss", "-tneH", "--tos", f"{side} = :{port}"], capture_output=True, text=True, check=True).stdout


def lines_of(name):
    return [ln for ln in lbd.log().splitlines() if ln.startswith(name + " ")]


@cases("{1}: the client's socket, from 127.0.0.{2}", [(n, SETS[n], s) for n in SETS for s in (1, 2, 3)])
def _(name, _words, source):
    c = use(name, source)
    mine = [ln for ln in sockets(lbd.port(name), "sport").splitlines() if f"127.0.0.{source}:" in ln]
    equal(len(mine), 1, f"connections in {mine}")
    tos, mark = {1: ("tos:0", None), 2: ("tos:0x10", "fwmark:0x21"), 3: ("tos:0x20", "fwmark:0x22")}[source]
    true(mark in mine[0] if mark else "fwmark" not in mine[0], mine[0])
    true(tos in mine[0].split(), f"{tos} in {mine[0]}")
    c.close()


@cases("{0}: the server's socket", [("content",), ("req",)])
def _(name):
    port = origin.port if name in HTTP else echo.port
    c = use(name, 4)
    true("fwmark:0x23" in sockets(port, "dport") and "tos:0x30" in sockets(port, "dport").split(), sockets(port, "dport"))
    c.close()


@cases("{1}: do-log writes its line at once, set-var-fmt", [(n, SETS[n]) for n in SETS])
def _(name, _words):
    before = len(lines_of(name))
    c = use(name, 5)
    # in mode http the request's own line comes, too, when its response is out
    wait_for(lambda: len(lines_of(name)) - before == (2 if name in HTTP else 1), 5, "lines before the end of the connection")
    c.close()
    use(name, 10).close()
    wait_for(lambda: any("v=127.0.0.10" in ln for ln in lines_of(name)), 5, "the variable in a line")


@cases("{1}: twelve tracked counters", [(n, SETS[n]) for n in SETS if n != "tres"])
def _(name, _words):
    use(name, 6).close()
    table = lbd.cmd("show table t")
    equal([i for i in range(12) if f"key={name}{i} " not in table], [], "keys that are not there")


@cases("{1}: counters and tags of tracked entries", [(n, SETS[n]) for n in SETS])
def _(name, _words):
    use(name, 7).close()
    entry = lbd.cmd(f"show table t key n{name}")
    for part in ("gpc0=1", "gpc1=1", "gpt0=7"):
        contains(entry, part, "table t")
    rest = lbd.cmd(f"show table u key n{name}")
    contains(rest, "gpt0=0 gpt1=9 gpc0=1 gpc1=5", "table u")


@cases("{0}: silent-drop of a response", [("tres",), ("res",)])
def _(name):
    c = Conn(lbd.at(name), src="127.0.0.8")
    c.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" if name in HTTP else b"abcd")
    wait_for(lambda: any("127.0.0.8:" in ln for ln in lines_of(name)), 5, "lbd's end of the connection")
    c.sock.settimeout(0.3)
    raises(TimeoutError, lambda: c.sock.recv(1))


@case("addresses and retries of connections")
def _():
    for source in (1, 2):
        try:
            c = Conn(lbd.at("addr"), src=f"127.0.0.{source}")
            c.closed()
        except ConnectionError:
            pass
    wait_for(lambda: len(lines_of("addr")) == 2, 8, "two lines")
    equal(sorted(lines_of("addr")), ["addr 127.0.0.1:77 rc=2", "addr 192.0.2.1:77 rc=0"], "lines")


@case("responses change maps, ACLs, the log, timeouts, captures")
def _():
    ask = lambda path: http(lbd.at("maps"), path).body
    equal((ask("/look"), ask("/acl")), (b"none no", b"no"), "at first")
    ask("/set")
    equal((ask("/look"), ask("/acl")), (b"200 no", b"yes"), "set")
    ask("/del")
    equal((ask("/look"), ask("/acl")), (b"none no", b"no"), "deleted")
    for path in ("/silent", "/time", "/end"):
        ask(path)
    wait_for(lambda: any("/end" in ln for ln in lines_of("maps")), 5, "the last line")
    got = [ln for ln in lines_of("maps") if ln.split()[1] in ("/silent", "/time", "/end")]
    equal(got, ["maps /time client=444 tunnel=555 kept=h conv=hbc", "maps /end client=5000 tunnel=0 kept=h conv=hbc"], "lines")


main()
