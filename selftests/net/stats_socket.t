#!/usr/bin/env python3
# tap: timeout=100
"""The stats socket against Debian's haproxy: same file, same commands, the replies compared byte by byte. What cannot be
equal (ports, pids, versions, times) is masked, and only that.
"""
import csv
import io
import os
import re
import socket
from lbt import *

CONFIG = """
global
    stats socket @tmp@/{0}.user mode 600 level user
    stats socket @tmp@/{0}.oper mode 600 level operator
defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend web
    bind 127.0.0.1:@web@
    default_backend app
listen db
    mode tcp
    bind 127.0.0.1:@db@ name dbsock
    balance leastconn
    server d1 127.0.0.1:17009 weight 5 maxconn 10
    server d2 127.0.0.1:17009 backup
backend app
    server s1 127.0.0.1:17003
    server s2 127.0.0.1:17003 disabled
    server s3 127.0.0.1:17003 id 77 weight 20
backend fixed
    balance static-rr
    server f1 127.0.0.1:17003 weight 10
    server f2 127.0.0.1:17003
"""

pair = (Lbd(CONFIG.replace("{0}", "lbd")), Haproxy(CONFIG.replace("{0}", "haproxy")))


def talk(path, steps):
    """Sends each bytes step; None shuts our side. All that comes until the other side closes or stays silent."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.settimeout(5)
    for step in steps:
        if step is None:
            s.shutdown(socket.SHUT_WR)
        else:
            s.sendall(step)
    out = b""
    while True:
        try:
            chunk = s.recv(65536)
        except ConnectionResetError:
            return out + b"<reset>"
        if not chunk:
            return out + b"<end>"
        out += chunk


def mask(text):
    text = re.sub(r"2\.6\.12-\S+", "VERSION", text)
    for p in pair:
        for name, port in p.ports.items():
            text = text.replace(str(port), name)
    return text


def both(steps, level=None):
    return [mask(talk(p.sock if not level else os.path.join(os.path.dirname(p.sock), f"{p.label}.{level}"), steps).decode())
            for p in pair]


# ---- conversation ----------------------------------------------------------------------------

@cases("conversation: {0}", [
    ("one line", [b"show version\n"]),
    ("half-close behind it", [b"show version\n", None]),
    ("an unfinished line is no command", [b"show version", None]),
    ("nothing at all", [None]),
    ("two commands by ;", [b"show version;show cli level\n"]),
    ("two lines at once", [b"show version\nshow cli level\n"]),
    ("blanks around", [b"  show   version  \n"]),
    ("CRLF", [b"show version\r\n"]),
    ("prompt, commands, quit", [b"prompt\nshow version;show cli level\nquit\n"]),
    ("prompt on the same line", [b"prompt;show version\nquit\n"]),
    ("prompt switched off again", [b"prompt\nshow version\nprompt\n"]),
    ("prompt and end of input", [b"prompt\nshow cli level\n", None]),
    ("quit first", [b"quit;show version\n"]),
    ("an escaped semicolon", [b"show env NO\\;PE\n"]),
    ("expert-mode", [b"expert-mode;expert-mode on;expert-mode;expert-mode off;expert-mode;expert-mode on;expert-mode x;expert-mode\n"]),
    ("expert-mode ends with the level", [b"prompt\nexpert-mode on;expert-mode;operator;expert-mode\nquit\n"]),
    ("experimental-mode", [b"experimental-mode;experimental-mode on;experimental-mode;experimental-mode x;experimental-mode\n"]),
    ("modes are a conversation's own", [b"experimental-mode\n"]),
    ("get var of none", [b"get var;get var proc.none;get var txn.x;get var x\n"]),
    ("set var needs the mode", [b"set var proc.a int(5);get var proc.a\n"]),
    ("set var without words", [b"experimental-mode on;set var;set var proc.a\n"]),
    ("set var of another scope", [b"experimental-mode on;set var txn.a int(1);get var txn.a\n"]),
    ("set var, expr and fmt", [b"experimental-mode on;set var proc.a int(5),add(2);get var proc.a;set var proc.b expr str(abc),upper;get var proc.b;"
                               b"set var proc.c fmt a%[int(3)]b;get var proc.c;set var proc.d bool(1);get var proc.d\n"]),
    ("set var of other types", [b"experimental-mode on;set var proc.e ipv4(1.2.3.4);get var proc.e;set var proc.f bin(4142);get var proc.f;"
                                b"set var proc.g ipv6(::1);get var proc.g;set var proc.a var(proc.f);get var proc.a\n"]),
])
def _(words, steps):
    got, want = both(steps)
    equal(got, want, "reply")


# commands that are lbd's own, or of later versions of haproxy
OWN = ("show datapath", "show splice", "show events", "echo ")


@case("echo prints its words; what set var cannot read is said")
def _():
    def ask(line):
        return pair[0].cmd(line)
    equal(ask("echo a  b\\ c;echo"), "a b c\n\n\n\n", "echo")
    for expr, says in (("nosuch", "unknown fetch 'nosuch'"), ("path", "reads the HTTP request"), ("str(a),nosuch", "unknown converter 'nosuch'"),
                       ("str(a),map(/etc/hosts)", "files cannot be named in a command"), ("nbsrv(nowhere)", "nowhere"),
                       ("var(proc.none)", "gives no value here")):
        contains(ask("experimental-mode on; set var proc.z " + expr), says)
    contains(ask("experimental-mode on; set var 9 int(1)"), "is no variable")
    equal(ask("get var proc.z"), "Variable not found.\n\n", "nothing was set")


@case("show libs: where the program and its libraries lie, as the kernel has it")
def _():
    for p in pair:
        rows = [re.fullmatch(r"0x([0-9a-f]{12})-0x([0-9a-f]{12}) \(0x([0-9a-f]{7,})\) (\S+)", ln) for ln in p.cmd("show libs").splitlines() if ln]
        true(all(rows), f"rows of {p.label}: {p.cmd('show libs')}")
        with open(f"/proc/{p.pid}/maps") as f:
            maps = [ln.split() for ln in f if "/" in ln]
        for m in rows:
            start, end, size = [int(m.group(i), 16) for i in (1, 2, 3)]
            equal(end - start + 1, size, f"size of {m.group(4)}")
            if m.group(4) != "linux-vdso.so.1":
                true(any(x[0].startswith(m.group(1).lstrip("0")) and os.path.samefile(x[5], m.group(4)) for x in maps),
                     f"{m.group(0)} is not where /proc/{p.pid}/maps has it: {maps[:5]}")
        true(any("libc.so" in m.group(4) for m in rows), "libc is one")


@case("an unknown command lists the nearest ones, an empty line all")
def _():
    for line in (b"show servers\n", b"set maxconn\n", b"\n"):
        got, want = both([line])
        equal(got.splitlines()[0], want.splitlines()[0], "first line")
        rows = {r for r in got.splitlines() if not r.strip().startswith(OWN)} - set(want.splitlines())
        equal(rows, set(), "rows of the help that haproxy words otherwise")
        equal(got.splitlines()[-5:], want.splitlines()[-5:], "the last rows")


@case("idle connections are closed after stats timeout")
def _():
    p = Lbd(CONFIG.replace("{0}", "idle").replace("defaults", "    stats timeout 300ms\ndefaults", 1))
    equal(talk(p.sock, [b"prompt\n"]), b"\n> <end>", "an interactive one")
    equal(talk(p.sock, [b"show ver"]), b"<end>", "an unfinished line")


# ---- commands, in order: each pair is in the same state ---------------------------------------

ROWS = """
show cli level
show backend
show env LBD_NOT_THERE
show servers state
show servers state app
show servers state nope
show stat nope 4 -1
get weight app/s1
get weight app/s3
get weight app
get weight nope/s1
get weight app/nope
set weight app/s1 7
get weight app/s1
set weight app/s1 50%
set weight app/s3 50%
get weight app/s3
set weight app/s3 100%
set weight app/s1 300
set weight app/s1 -1
set weight app/s1 abc
set weight app/s1 5x
set weight app/s1
set weight fixed/f1 5
set weight fixed/f1 0
set weight fixed/f1 100%
set weight fixed/f1 50%
set server
set server app/s1
set server app/s1 nonsense
set server app/s1 state
set server app/s1 state nonsense
set server app/s1 state drain
show servers state app
set server app/s1 state maint
show servers state app
set server app/s1 state ready
set server app/s2 state ready
show servers state app
disable server app/s2
enable server app/s2
disable server app
disable server nope/s2
set server app/s1 health down
show servers state app
set server app/s1 health stopping
show servers state app
set server app/s1 health up
set server app/s1 health nonsense
set server app/s1 health
set server app/s1 check-port 10
enable health app/s1
disable health app/s1
set server app/s1 addr
set server app/s1 addr 127.0.0.2
set server app/s1 addr 127.0.0.2
set server app/s1 addr 127.0.0.2 port 17004
set server app/s1 addr 127.0.0.2 port 17004
set server app/s1 addr 127.0.0.3 port 17005
set server app/s1 addr nonsense
show servers state app
set maxconn server db/d1 5
set maxconn server db/d1
set maxconn server db/d1 x
set maxconn server db/nope 5
set maxconn frontend web 50
set maxconn frontend web
set maxconn frontend nope 5
set maxconn global
set maxconn global 99999999
set timeout cli
set timeout nonsense 5
set timeout cli 5x
set timeout cli 5s
disable frontend web
disable frontend web
enable frontend web
enable frontend web
disable frontend nope
disable frontend
shutdown sessions server app/s1
shutdown sessions server app/nope
shutdown sessions server
shutdown session
shutdown session nonsense
show sess 0x12
clear counters
clear counters all
shutdown frontend
shutdown frontend nope
shutdown frontend web
shutdown frontend web
disable frontend web
enable frontend web
"""


def steady(reply):
    """Without what depends on the second: seconds since the last change."""
    lines = []
    for ln in reply.splitlines():
        f = ln.split(" ")
        if len(f) == 25 and f[0].isdigit():
            f[9] = "AGE"
        lines.append(" ".join(f))
    return lines


# lbd has fewer settings than haproxy: its usage line names only those
USAGE = re.compile(r"usage: set server <backend>/<server> .*")


@cases("{0}", [(ln,) for ln in ROWS.strip().splitlines()])
def _(line):
    got, want = both([line.encode() + b"\n"])
    if USAGE.match(want):
        true(USAGE.match(got), f"usage line, not {got!r}")
        extra = set(got.split()) - set(want.split())
        return equal(extra, set(), "settings that haproxy does not know")
    equal(steady(got), steady(want), "reply")


@cases("as {0}: {1}", [
    ("user", "set weight app/s1 1"), ("user", "disable server app/s1"), ("user", "clear counters all"),
    ("user", "show cli level"), ("user", "operator"), ("user", "show env"), ("oper", "clear counters"),
    ("oper", "clear counters all"), ("oper", "set server app/s1 state maint"), ("oper", "show cli level"),
    ("oper", "user;show cli level"), ("user", "set maxconn global 5"), ("user", "shutdown session 0x1"),
])
def _(level, line):
    got, want = both([line.encode() + b"\n"], level)
    equal(got, want, "reply")


@case("a command that was refused has changed nothing")
def _():
    for p in pair:
        talk(os.path.join(os.path.dirname(p.sock), f"{p.label}.user"), [b"set server app/s3 state maint\n"])
        equal(p.stat("app", "s3")["status"], "no check", f"status of s3 in {p.label}")


# ---- show stat -------------------------------------------------------------------------------

def table(p, what="show stat"):
    text = p.cmd(what)
    true(text.startswith("# pxname,"), "the header line")
    true(text.endswith("\n\n"), "an empty line at the end")
    return list(csv.reader(io.StringIO(text[2:].rstrip("\n"))))


@case("the columns are haproxy's up to the modules'")
def _():
    mine, his = table(pair[0])[0], table(pair[1])[0]
    n = his.index("-")
    equal(n, 103, "haproxy's own columns")
    equal(mine[:n + 1], his[:n + 1], "columns")


# free: the seconds differ, and haproxy's pools make it count one connection it may need
FREE = {"lastchg", "downtime", "need_conn_est", "slim"}


@cases("the lines of '{0}' are the same", [("show stat",), ("show stat up",), ("show stat no-maint",),
                                           ("show stat app 4 -1",), ("show stat db 7 -1",), ("show stat -1 4 77",),
                                           ("show stat -1 1 -1",)])
def _(what):
    fresh = [P(CONFIG.replace("{0}", P.label + "s")) for P in (Lbd, Haproxy)]
    mine, his = [table(p, what) for p in fresh]
    head = his[0][:103]
    equal([r[:2] for r in mine], [r[:2] for r in his], "objects")
    for a, b in zip(mine[1:], his[1:]):
        for name, x, y in zip(head, a, b):
            if name not in FREE:
                equal(x, y, f"{b[0]}/{b[1]} {name}")
        equal(len(a), len(mine[0]), "fields of a line")


@case("the typed form has the same objects, tags and types")
def _():
    fresh = [P(CONFIG.replace("{0}", P.label + "y")) for P in (Lbd, Haproxy)]
    keys = []
    for p in fresh:
        rows = [ln.split(":") for ln in p.cmd("show stat typed").splitlines() if ln]
        keys.append({r[0].rsplit(".", 1)[0]: (r[1], r[2]) for r in rows if int(r[0].split(".")[3]) < 103})
    missing = {k: v for k, v in keys[1].items() if k not in keys[0] and "slim" not in k}
    equal(missing, {}, "fields that only haproxy has")
    wrong = {k: (v, keys[1][k]) for k, v in keys[0].items() if k in keys[1] and v != keys[1][k]
             and k.split(".")[-1] not in ("act", "bck", "rate", "rate_max")}
    equal(wrong, {}, "tags and types")


@case("the JSON forms are JSON")
def _():
    import json
    stat, info = json.loads(pair[0].cmd("show stat json")), json.loads(pair[0].cmd("show info json"))
    equal(len(stat), len(table(pair[0])) - 1, "objects")
    his = json.loads(pair[1].cmd("show info json"))
    equal([f["field"]["name"] for f in info if f["field"]["pos"] < 72 and f["field"]["pos"] not in (45, 46, 62)],
          [f["field"]["name"] for f in his if f["field"]["pos"] not in (45, 46, 62)], "names of show info")
    equal([(f["tags"], f["value"]["type"]) for f in info if f["field"]["pos"] == 17],
          [(f["tags"], f["value"]["type"]) for f in his if f["field"]["pos"] == 17], "tags of CurrConns")


# ---- what is set is what happens ---------------------------------------------------------------

@case("states and weights reach the traffic")
def _():
    a, b = HttpServer("a"), HttpServer("b")
    p = Lbd(f"""
defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
listen web
    bind 127.0.0.1:@web@
    server a 127.0.0.1:{a.port}
    server b 127.0.0.1:{b.port}
""")

    def answers(n):
        names = [http(p.at("web")).server for _ in range(n)]
        return {x: names.count(x) for x in sorted(set(names))}
    equal(answers(8), {"a": 4, "b": 4}, "both")
    equal(p.cmd("set server web/a state maint"), "\n", "reply")
    equal(answers(4), {"b": 4}, "a in maintenance")
    p.cmd("set server web/a state ready;set weight web/a 3")
    equal(answers(8), {"a": 6, "b": 2}, "a with three times the weight")
    p.cmd("set server web/a state drain")
    equal(answers(4), {"b": 4}, "a drained")
    p.cmd(f"set server web/b addr 127.0.0.1 port {a.port}")
    equal(answers(4), {"a": 4}, "b at a's address")
    row = p.stat("web", "b")
    equal((row["stot"], row["hrsp_2xx"]), (str(4 + 4 + 2 + 4 + 4), str(4 + 4 + 2 + 4 + 4)), "b's sessions and responses")
    p.cmd("clear counters all")
    equal(p.stat("web", "b")["stot"], "0", "b's sessions once cleared")


@case("shutdown frontend ends listening for good and leaves sessions alone; shutdown session ends one")
def _():
    e = EchoServer("e", addr="127.0.0.1")
    p = Lbd(f"""
defaults
    timeout connect 1s
    timeout client 20s
    timeout server 20s
listen tcp
    bind 127.0.0.1:@tcp@
    server e 127.0.0.1:{e.port}
listen other
    bind 127.0.0.1:@other@
    server e 127.0.0.1:{e.port}
""")
    one, two = Conn(p.at("tcp")), Conn(p.at("tcp"))
    equal([c.recv_until(b"\n") for c in (one, two)], [b"e\n"] * 2, "banners")
    equal(p.cmd("shutdown frontend tcp"), "\n", "reply")

    def refused():
        try:
            Conn(p.at("tcp")).close()
            return False
        except ConnectionRefusedError:
            return True
    wait_for(refused, 4, "new connections are refused")
    equal(p.stat("tcp", "FRONTEND")["status"], "STOP", "status")
    other = Conn(p.at("other"))
    equal(other.recv_until(b"\n"), b"e\n", "the other frontend")
    rows = p.cmd("show sess").strip().splitlines()
    equal(len(rows), 3, "sessions")
    ids = {r.split(":")[0] for r in rows if f"127.0.0.1:{one.sock.getsockname()[1]} " in r}
    equal(len(ids), 1, "the first one's line")
    contains(p.cmd("show sess " + list(ids)[0]), "fe=tcp be=tcp srv=e", "one session")
    p.cmd("shutdown session " + list(ids)[0])
    true(one.closed(), "the first one ends")
    two.send(b"still")
    equal(two.recv_exact(5), b"still", "echo of the second")


@case("many commands and clients at once are all answered")
def _():
    p = pair[0]

    def state():	# without the seconds since the last change
        return [ln.split()[:9] + ln.split()[10:] for ln in p.cmd("show servers state app").splitlines()]
    want = state()
    line = ";".join(["show servers state app"] * 200)
    equal(p.cmd(line).count("\n\n"), 200, "replies")
    ends = [talk(p.sock, [b"show version\n"]) for _ in range(30)]
    equal(len(set(ends)), 1, "different answers")
    equal(state(), want, "still answers")


@case("a client that does not read its answer stops nobody else")
def _():
    p = pair[0]
    s = socket.socket(socket.AF_UNIX)
    s.connect(p.sock)
    s.sendall((";".join(["show stat"] * 2000) + "\n").encode())
    contains(p.cmd("show info"), "Uptime_sec", "reply to another client")
    s.close()
    contains(p.cmd("show info"), "Uptime_sec", "reply after it left")


main()
