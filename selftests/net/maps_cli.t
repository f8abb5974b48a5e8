#!/usr/bin/env python3
# tap: timeout=90
"""ACLs and maps at run time: commands of the stats socket give the replies of Debian's haproxy, rules that change files act as
there, and neither long dumps nor big loads hold others up."""
import os
import re
import socket
import threading
import time
from lbt import *

DEFAULTS = """
defaults
    mode http
    timeout client 5s
    timeout connect 5s
    timeout server 5s
"""
RULES = """
frontend f
    bind 127.0.0.1:@web@
    acl a1 hdr(host) -f a1.lst
    acl a1 hdr(host) -f a1.lst
    acl a2 path,lower -m end -i -f a1.lst
    acl a3 dst_port gt 1024 lt 5 eq 7 100:200
    acl a3 dst_port ge 3 4
    acl a4 path -m found
    acl a4 path_dir /a/b/
    acl a4 path_dom -u 77 .b.c
    acl a5 path,hex -m bin 2F61
    acl a5 method GET POST
    acl a6 ssl_fc
    acl a6 src 10.1 192.168.1/22 localhost ::1/64
    acl a7 path -M -f m1.map
    acl a7 path -m reg ^/a ^/b
    acl a7 path_len 4 gt 10
    acl a8 path -M -f only.map
    http-request set-header X %[path,map_str(m1.map)]
    http-request set-header X %[path,map(m1.map,foo)]
    http-request set-header X %[path,map_end(m2.map)]
    http-request set-header X %[path,map_reg(re.map)]
    http-request set-header X %[path,map_regm(re.map)]
    http-request set-header X %[path,map_int(int.map)]
    http-request set-header X %[src,map_ip(ip.map)]
    http-request set-header X %[src,map_ip_int(ipi.map,0)]
    http-request set-map(m1.map) %[path] v%[path] if TRUE a1 a2 a3 a4 a5 a6 a7 a8 { path /never }
    http-request return status 200
"""
FILES = {
    "a1.lst": "www.example.com\n  lead\n# c\ntrail  \n",
    "m1.map": "# comment\n  k1 v1\nk2   v two  \nk1 dup\n\tk3\tv3\n #k4 v4\n",
    "m2.map": "crlf vcr\r\nnoval\n\n   \n",
    "re.map": "^/a(.*)$ r1\n^/b r2\n",
    "int.map": "10:20 a\n5: b\n15 c\n15 d\n",
    "ip.map": "10.0.0.0/8 A\n10.1.0.0/16 B\n10.1.0.0/16 C\n::1 lo\n",
    "ipi.map": "10.0.0.0/8 5\n",
    "only.map": "a b\n",
}

# What differs on purpose is not in here: payloads of `add acl` and entry_cnt (the oracle counts an entry once for each method).
COMMANDS = """show acl
show map
show acl #3
show acl #4
show acl #5
show acl #6
show acl #7
show acl #77
show acl #8
show acl #9
show acl #10
show acl #11
show acl #12
show acl #13
show acl #14
show acl #15
show acl #23
show acl #24
get acl a1.lst LEAD
get map re.map /abc
get map int.map 15
get map int.map 1
get map int.map x
get map ip.map 10.1.2.3
get map ip.map ::1
get map ipi.map 10.0.0.1
get map m1.map k1
get acl m1.map k1
get acl #4 2000
get acl #7 /x/a/b/c
get acl #77 x.b.c.d
add map
add map m1.map
add map m1.map a
add map m1.map a b c
add map nofile a b
add map m2.map z1 1
show map m1.map
add acl a1.lst
add acl a1.lst foo bar
add acl a1.lst baz
show acl a1.lst
add acl m1.map x
add acl m1.map x y
del acl
del acl a1.lst
del acl a1.lst nokey
del acl a1.lst lead
del acl a1.lst #0x1234
del acl a1.lst #zz
del map
del map nofile
del map nofile x
del map m1.map k1
del map m1.map nokey
show map m1.map
set map
set map m1.map
set map m1.map k2
set map m1.map k2 new
set map m1.map nokey new
set map m1.map #0x123 new
set map m1.map #x new
show map m1.map
set map nofile x y
clear map
clear map nofile
clear acl
clear acl nofile
clear acl a1.lst
show acl a1.lst
show acl
prepare map
prepare map m1.map
prepare map m1.map
prepare acl m1.map
prepare acl a1.lst
prepare acl nofile
commit map
commit map m1.map
commit map @9 m1.map
commit map @0 m1.map
commit map @x m1.map
show map
add map @1 m1.map p q
add map @2 m1.map p2 q2
add map @3 m1.map p3 q3
add map @0 m1.map cur cur
show map @1 m1.map
show map @2 m1.map
show map @7 m1.map
show map m1.map
get map m1.map p
commit map @2 m1.map
show map m1.map
show map @1 m1.map
show map @3 m1.map
show map
commit map @2 m1.map
commit map @1 m1.map
clear map @9 m1.map
clear map @3 m1.map
show map @3 m1.map
clear map m1.map
show map m1.map
add map int.map foo bar
add map int.map 7:5 bar
add map ip.map 1.2.3 bar
add map ip.map host.name bar
add map ipi.map 1.2.3.4 bar
add map re.map ( bar
add acl #4 foo
add acl #4 3000:4000
get acl #4 3500
add acl #7 /x/
show acl #7
get acl #7 /y/x/z
add acl #8 zz
add acl #8 abc
show map @1
show map @
add map @1
add map @99 m1.map a b
clear map @1
del map @1 m1.map p
get map @1 m1.map p
add map m2.map k\\ e v\\ e
show map m2.map
show map @0 #16
show map #0
show map #999
show map #x
show acl nofile
get map
get map nofile x
get acl nofile x
add map m2.map <<\\np1 v1 with spaces  \\np2\\tv2\\n#c d\\n
add map m2.map <<\\nnoval\\n
add map m2.map extra <<\\nk12 v\\n
add map int.map <<\\n1 x\\nzz y\\n3 z\\n
show map int.map
show map m2.map""".split("\n")

pair = (Lbd(DEFAULTS + RULES, files=FILES), Haproxy(DEFAULTS + RULES, files=FILES))


def mask(p, text):
    text = re.sub(r"^.*'httpclient'.*\n", "", text, flags=re.M)
    text = re.sub(r"0x[0-9a-f]+", "0xID", text.replace(p.cfg_path, "FILE"))
    return re.sub(r"entry_cnt=\d+", "entry_cnt=N", text)


@case("commands in turn: the replies are the oracle's")
def _():
    for c in COMMANDS:
        c = c.replace("\\n", "\n").replace("\\t", "\t")
        got, want = [mask(p, p.cmd(c)) for p in pair]
        equal(got, want, repr(c))


@case("the number of an entry is good for set and del")
def _():
    for p in pair:
        p.cmd("add map only.map n1 one; add map only.map n1 two")
        rows = [ln.split(" ") for ln in p.cmd("show map only.map").splitlines() if ln]
        ids = [r[0] for r in rows if r[1] == "n1"]
        equal(p.cmd(f"set map only.map #{ids[1]} changed"), "\n", "set")
        contains(p.cmd("show map only.map"), "n1 one\n" + ids[1] + " n1 changed")
        equal(p.cmd(f"del map only.map #{ids[0]}"), "\n", "del")
        equal([ln.split(" ")[1:] for ln in p.cmd("show map only.map").splitlines() if "n1" in ln], [["n1", "changed"]],
              "what is left")


@case("a payload typed line by line is prompted for as in the oracle")
def _():
    steps = [b"prompt\n", b"add map only.map <<\n", b"a 1\n", b"b 2 3\n", b"\n", b"add map only.map <<", b"\nz1 z2\n", b"z3 z4\n\n",
             b"get map only.map z3\n"]
    said = []
    for p in pair:
        s = socket.socket(socket.AF_UNIX)
        s.connect(p.sock)
        s.settimeout(5)
        out = b""
        for step in steps:
            s.sendall(step)
        while not re.search(rb"> type=.*\n\n> $", out):
            out += s.recv(4096)
        said.append(out)
        s.close()
    equal(said[0], said[1], "conversation")
    equal(said[0].count(b"+ "), 6, "prompts for a line of the payload")


@case("users may look, operators may change")
def _():
    lbd = Lbd("global\n    stats socket @tmp@/u.user level user\n    stats socket @tmp@/u.oper level operator\n" +
              DEFAULTS + "frontend f\n    bind 127.0.0.1:@w@\n    http-request return status 200 if { path -M -f lv.map }\n",
              files={"lv.map": "a b\n"})
    lbd.sock = os.path.join(TMP, "u.user")
    contains(lbd.cmd("show map lv.map"), "a b")
    contains(lbd.cmd("clear map lv.map"), "Permission denied")
    lbd.sock = os.path.join(TMP, "u.oper")
    equal(lbd.cmd("clear map lv.map"), "\n", "reply")
    equal(lbd.cmd("show map lv.map"), "\n", "entries")


# ---- traffic --------------------------------------------------------------------------------

TRAFFIC = """
frontend f
    bind 127.0.0.1:@web@
    acl blocked hdr(x-k) -f block.lst
    acl own path /own1 /own2
    http-request add-acl(block.lst) %[req.hdr(x-k)] if { path /block }
    http-request del-acl(block.lst) %[req.hdr(x-k)] if { path /unblock }
    http-request set-map(rt.map) %[req.hdr(x-k)] v-%[req.hdr(x-v)] if { path /set }
    http-request del-map(rt.map) %[req.hdr(x-k)] if { path /unset }
    http-request set-map(nets.map) %[req.hdr(x-k)] net if { path /net }
    http-response set-map(rt.map) res-%[res.hdr(x-got)] from-response if { res.hdr(x-got) -m found }
    http-request set-var(txn.a) str(blocked) if blocked
    http-request set-var(txn.o) str(own) if own
    use_backend echo if { path /res }
    http-request return status 200 hdr K "%[req.hdr(x-k),map(rt.map,none)]" hdr B "%[var(txn.a)]" hdr O "%[var(txn.o)]" hdr I "%[req.hdr(x-k),map_ip(nets.map,none)]"
backend echo
    http-response del-map(rt.map) gone-%[res.hdr(x-got)]
    http-response add-acl(block.lst) %[res.hdr(x-got)] if { res.hdr(x-got) -m str add }
    http-response del-acl(block.lst) add if { res.hdr(x-got) -m str drop }
    server s 127.0.0.1:@back@
"""
TRAFFIC_FILES = {"block.lst": "start\n", "rt.map": "gone-x here\n", "nets.map": "10.0.0.0/8 ten\n"}


def answering(conn, peer):
    c = Conn(sock=conn)
    while True:
        head = c.read_head(eof_ok=True)
        if not head:
            return
        got = re.search(rb"x-v: (\S*)", head if isinstance(head, bytes) else str(head).encode(), re.I)
        c.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-got: " + (got.group(1) if got else b"-") + b"\r\n\r\n")


def traffic_pair():
    back = ScriptServer(answering)
    return [P(TRAFFIC_CONFIG, files=TRAFFIC_FILES, ports={"back": back.port}) for P in (Lbd, Haproxy)]


TRAFFIC_CONFIG = DEFAULTS + TRAFFIC


@case("rules that change files: the next rule and the next request of the connection see it, as in the oracle")
def _():
    steps = [("/", "start", ""), ("/", "k", ""), ("/set", "k", "1"), ("/", "k", ""), ("/set", "k", "2"), ("/", "k", ""),
             ("/unset", "k", ""), ("/", "k", ""), ("/block", "k", ""), ("/", "k", ""), ("/block", "k", ""), ("/unblock", "k", ""),
             ("/", "k", ""), ("/unblock", "start", ""), ("/", "start", ""), ("/net", "10.1.0.0/16", ""), ("/", "10.1.2.3", ""),
             ("/", "10.2.2.3", ""), ("/net", "nonsense", ""), ("/", "nonsense", ""), ("/res", "k", "y"), ("/", "res-y", ""),
             ("/", "gone-x", ""), ("/res", "k", "x"), ("/", "gone-x", ""), ("/res", "k", "add"), ("/", "add", ""),
             ("/res", "k", "drop"), ("/", "add", ""), ("/own1", "k", ""), ("/own3", "k", "")]
    seen = []
    for p in traffic_pair():
        c = Conn(p.at("web"))
        mine = []
        for path, k, v in steps:
            r = c.request(path, headers=[("x-k", k), ("x-v", v)])
            mine.append((path, k, v, [r.header(h) or "" for h in "KBOI"]))
        seen.append(mine)
    for got, want in zip(*seen):
        equal(got, want, "answer")


@case("commands act on open connections at once, also on values that stand on the line itself")
def _():
    for p in traffic_pair():
        c = Conn(p.at("web"))
        own = re.search(r"^(\d+) \(\) acl 'path' file .* line 13\. ", p.cmd("show acl"), re.M)
        own = own.group(1) if own else fail("no ACL of line 13: " + p.cmd("show acl"))

        def ask(path="/", k="x"):
            r = c.request(path, headers=[("x-k", k)])
            return [r.header("K"), r.header("B") or "", r.header("O") or ""]
        equal(ask("/own1"), ["none", "", "own"], "before")
        equal(ask("/own3"), ["none", "", ""], "before")
        equal(p.cmd(f"add acl #{own} /own3; del acl #{own} /own1"), "\n\n", "replies")
        equal([ask("/own1")[2], ask("/own2")[2], ask("/own3")[2]], ["", "own", "own"], "own values")
        p.cmd("add map rt.map x y; add acl block.lst x")
        equal(ask(), ["y", "blocked", ""], "added")
        p.cmd("set map rt.map x z")
        equal(ask()[0], "z", "set")
        p.cmd("prepare map rt.map; add map @1 rt.map x w; add map @1 rt.map n m")
        equal([ask()[0], ask(k="n")[0]], ["z", "none"], "prepared")
        p.cmd("commit map @1 rt.map")
        equal([ask()[0], ask(k="n")[0]], ["w", "m"], "committed")
        p.cmd("clear map rt.map; clear acl block.lst")
        equal(ask(), ["none", "", ""], "cleared")


@case("a list of rules goes on giving the right answer when values change at run time")
def _():
    rules = "".join(f"    use_backend b{i} if {{ path /r{i} }}\n" for i in range(8))
    backs = "".join(f"backend b{i}\n    http-request return status 20{i}\n" for i in range(8))
    lbd = Lbd(DEFAULTS + "frontend f\n    bind 127.0.0.1:@web@\n" + rules + "    default_backend b0\n" + backs)
    c = Conn(lbd.at("web"))
    equal([c.request(f"/r{i}").status for i in range(8)], [200 + i for i in range(8)], "before")
    lbd.cmd("add acl #5 /new; del acl #6 /r6")
    equal([c.request(u).status for u in ("/new", "/r5", "/r6", "/r7")], [205, 205, 200, 207], "after")


@case("100,000 entries by one payload and dumped again; others are served meanwhile")
def _():
    lbd = Lbd(DEFAULTS + "frontend f\n    bind 127.0.0.1:@web@\n    http-request return status 200 hdr V %[req.hdr(k),map_beg(big.map,none)]\n",
              files={"big.map": ""})
    n, worst, stop = 100000, [0.0], []

    def others():
        while not stop:
            t = time.monotonic()
            lbd.cmd("show version")
            worst[0] = max(worst[0], time.monotonic() - t)
            time.sleep(0.001)  # paces the commands that are measured
    t = threading.Thread(target=others)
    t.start()
    try:
        reply = lbd.cmd("prepare map big.map; add map @1 big.map <<\n" + "".join(f"/path{i}/x value {i}\n" for i in range(n)), timeout=30)
        equal(reply, "New version created: 1\n\n\n", "reply")
        equal(lbd.cmd("commit map @1 big.map"), "\n", "commit")
        rows = lbd.cmd("show map big.map", timeout=30).splitlines()
    finally:
        stop.append(1)
        t.join()
    equal(len(rows), n + 1, "lines")
    equal([rows[i].split(" ", 1)[1] for i in (0, 4711, n - 1)], [f"/path{i}/x value {i}" for i in (0, 4711, n - 1)], "rows")
    c = Conn(lbd.at("web"))
    equal([c.request(headers=[("k", k)]).header("V") for k in ("/path99999/xyz", "/path99999/", "/path5/x")],
          ["value 99999", "none", "value 5"], "look-ups")
    note(f"the slowest other command took {worst[0] * 1000:.1f} ms")
    true(worst[0] < 1, f"another command waited {worst[0]:.3f} s")
    equal(lbd.cmd("clear map big.map"), "\n", "clear")
    equal(lbd.cmd("show map big.map"), "\n", "nothing is left")


@case("entries that go while they are dumped")
def _():
    lbd = Lbd(DEFAULTS + "frontend f\n    bind 127.0.0.1:@web@\n    http-request return status 200 if { path -M -f d.map }\n",
              files={"d.map": "".join(f"key{i} {'v' * 100}\n" for i in range(30000))})
    s = socket.socket(socket.AF_UNIX)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(lbd.sock)
    s.sendall(b"show map d.map\n")
    got = s.recv(1000)
    lbd.cmd("".join(f"del map d.map key{i};" for i in range(0, 2000)) + "show version")
    lbd.cmd("clear map d.map", timeout=20)
    while chunk := s.recv(65536):
        got += chunk
    true(b"key0 v" in got and got.endswith(b"\n"), "a part of the old entries")
    equal(lbd.cmd("show map d.map"), "\n", "after")


main()
