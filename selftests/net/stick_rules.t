#!/usr/bin/env python3
# tap: timeout=60
"""Rules that keep a key with its server: stick match, on, store-request, store-response, in both modes, beside the oracle."""
import re
from lbt import *

SERVERS = "\n".join(f"    server s{i} 10.9.{i}.2:8080" for i in (1, 2, 3))
CONFIG = f"""
defaults
    mode http
    retries 1
    timeout connect 1s
    timeout client 5s
    timeout server 5s
listen on
    bind 10.9.0.1:@on@
    stick-table type string size 100 expire 60s
    stick on req.hdr(k)
    http-response set-header got %[srv_name]
    server s1 10.9.1.2:8080
    server s2 10.9.2.2:8080 id 7
    server s3 10.9.3.2:8080 non-stick
listen split
    bind 10.9.0.1:@split@
    stick-table type string size 100 expire 60s srvkey addr
    stick match req.hdr(k) if {{ req.hdr(use) 1 }}
    stick match req.hdr(k) table pop unless {{ req.hdr(use) 1 }}
    stick store-response res.hdr(content-length) if {{ status 200 }}
    stick store-request req.hdr(k) table pop if {{ path /store }}
    stick store-request req.hdr(other) table pop
    http-response set-header got %[srv_name]
{SERVERS}
backend pop
    stick-table type string size 100 expire 60s
{SERVERS}
listen persist
    bind 10.9.0.1:@persist@
    option persist
    stick-table type string size 100 expire 60s
    stick on req.hdr(k)
    http-response set-header got %[srv_name]
    server s1 10.9.1.2:8080
    server s2 10.9.2.2:8080 default-server
listen again
    bind 10.9.0.1:@again@
    option persist
    option redispatch
    stick-table type string size 100 expire 60s
    stick on req.hdr(k)
    http-response set-header got %[srv_name]
{SERVERS}
listen tcp
    mode tcp
    bind 10.9.0.1:@tcp@
    tcp-request inspect-delay 2s
    tcp-request content accept if {{ req.len ge 3 }}
    stick-table type binary len 3 size 100 expire 60s
    stick on req.payload(0,3)
    server s1 10.9.1.2:7000
    server s2 10.9.2.2:7000
    server s3 10.9.3.2:7000
listen answer
    mode tcp
    bind 10.9.0.1:@answer@
    tcp-response inspect-delay 2s
    tcp-response content accept if {{ res.payload(0,3) -m found }}
    stick-table type binary len 3 size 100 expire 60s
    stick store-response res.payload(0,3)
    server s1 10.9.1.2:7000
    server s2 10.9.2.2:7000
""".replace(" default-server\n", "\n")

net = Net(servers=3)
web = [HttpServer(f"s{i + 1}", ns=ns, addr="0.0.0.0", port=8080) for i, ns in enumerate(net.servers)]
echo = [EchoServer(f"s{i + 1}", ns=ns, addr="0.0.0.0", port=7000) for i, ns in enumerate(net.servers)]
hap = Haproxy(CONFIG, ns=net.lb)
lbd = Lbd(CONFIG, ns=net.lb)


def same(fn, what):
    got = [fn(p) for p in (hap, lbd)]
    equal(got[1], got[0], what)
    return got[1]


def get(p, name, path="/", **headers):
    r = http(p.at(name, net.vip), path, ns=net.client, headers=headers)
    return r.server or str(r.status)


def entries(p, name):
    return sorted(re.sub(r"0x[0-9a-f]+: | exp=\d+", "", x) for x in p.cmd("show table " + name).split("\n") if "key=" in x)


@case("stick on: a key stays with its server; a server that is non-stick is not stored")
def _():
    def run(p):
        return [k + get(p, "on", k=k) for k in "abcabcdddeeefff"], entries(p, "on")
    got = same(run, "servers and table")
    equal(got[0][:6], ["as1", "bs2", "cs3", "as1", "bs2", "cs1"], "servers")
    contains("\n".join(got[1]), "key=b use=0 server_id=7 server_key=s2", "entry")


@case("a request without the key goes where balancing sends it")
def _():
    same(lambda p: [get(p, "on") for _ in range(4)], "servers")


@case("match, store-request and store-response with conditions and tables of others")
def _():
    def run(p):
        got = [get(p, "split", "/store", k="one"), get(p, "split", k="one"), get(p, "split", k="one"),
               get(p, "split", k="two"), get(p, "split", k="two"), get(p, "split", other="three", k="four"),
               get(p, "split", k="three"), get(p, "split", k="three"), get(p, "split", "/status/404", k="x")]
        return got, entries(p, "split"), entries(p, "pop")
    got = same(run, "servers and tables")
    equal(got[0][0:3], [got[0][0]] * 3, "one is stored and matched")
    contains("\n".join(got[1]), "server_key=10.9.", "srvkey addr")


@case("an entry that names the server by its address follows the address")
def _():
    def run(p):
        p.cmd("clear table split")
        length = len(http(p.at("split", net.vip), ns=net.client).body)
        e = entries(p, "split")[0]
        addr = re.search(r"server_key=(\S+)", e)[1]
        here = {f"10.9.{i}.2:8080": i for i in (1, 2, 3)}[addr]
        return [get(p, "split", k=str(length), use="1") for _ in range(3)], f"s{here}"
    got = [run(p) for p in (hap, lbd)]
    for names, want in got:
        equal(names, [want] * 3, "server")


@case("a server in maintenance is left, one that drains keeps its keys")
def _():
    def run(p):
        p.cmd("clear table again")
        first = get(p, "again", k="a")
        p.cmd(f"set server again/{first} state drain")
        drain = [get(p, "again", k="a") for _ in range(2)]
        p.cmd(f"set server on/s1 state maint; set server on/s2 state drain")
        p.cmd("clear table on; set table on key m data.server_id 1; set table on key d data.server_id 7")
        got = [get(p, "on", k="m"), get(p, "on", k="d")]
        p.cmd(f"set server again/{first} state ready; set server on/s1 state ready; set server on/s2 state ready")
        return first, drain, got
    got = same(run, "servers")
    equal(got[1], [got[0]] * 2, "drain")
    equal(got[2][1], "s2", "drain by id")
    true(got[2][0] != "s1", "maint is left")


@case("option persist sends a key to its server though it is down: an error, or with redispatch another server")
def _():
    def run(p):
        p.cmd("set server persist/s1 state maint; set server again/s1 state maint")
        p.cmd("set server persist/s1 addr 10.9.1.2 port 9; set server again/s1 addr 10.9.1.2 port 9")
        p.cmd("set table persist key a data.server_id 1; set table again key a data.server_id 1")
        got = get(p, "persist", k="a"), get(p, "again", k="a"), entries(p, "again")[0].split(" ")[2]
        p.cmd("set server persist/s1 addr 10.9.1.2 port 8080; set server again/s1 addr 10.9.1.2 port 8080")
        p.cmd("set server persist/s1 state ready; set server again/s1 state ready")
        return got
    got = same(run, "answers")
    equal(got[0], "503", "persist without redispatch")
    true(got[1] in ("s2", "s3") and got[2] == "server_id=" + got[1][1], "redispatched and stored anew")


@case("mode tcp: the client's first bytes are the key")
def _():
    def run(p):
        def name(first):
            c = Conn(p.at("tcp", net.vip), ns=net.client)
            c.send(first)
            n = c.recv_until(b"\n").strip().decode()
            c.close()
            return n
        return [name(k) for k in (b"aaa1", b"bbb2", b"aaa3", b"bbb4", b"ccc5", b"aaa6", b"ccc7")], entries(p, "tcp")
    got = same(run, "servers and table")
    equal(got[0], ["s1", "s2", "s1", "s2", "s3", "s1", "s3"], "servers")


@case("mode tcp: the server's first bytes are stored")
def _():
    def run(p):
        for _ in range(2):
            c = Conn(p.at("answer", net.vip), ns=net.client)
            c.recv_until(b"\n")
            c.close()
        return entries(p, "answer")
    got = same(run, "table")
    contains("\n".join(got), "key=73310A use=0 server_id=1", "s1's banner")
    contains("\n".join(got), "key=73320A use=0 server_id=2", "s2's banner")


main()
