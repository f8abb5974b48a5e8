#!/usr/bin/env python3
# tap: timeout=150
"""Tables shared between processes: HAProxy's peers protocol with another lbd and with Debian's haproxy, in both directions, on a
reload, after a break, and with a peer that lies."""
import re
import socket
import time
from lbt import *

CONFIG = """
defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 5s
peers mates
    @log@
    peer a 127.0.0.1:10001
    peer b 127.0.0.1:10002
    table own type string len 8 size 100 expire 60s store gpc0
backend all
    stick-table type ipv6 size 1k expire 60s peers mates store server_id,gpt0,gpc0,gpc0_rate(60s),conn_cnt,conn_rate(60s),conn_cur,sess_cnt,http_req_cnt,bytes_in_cnt,bytes_out_rate(60s),gpc1,gpc1_rate(60s),server_key,http_fail_cnt,http_fail_rate(60s)
backend arrays
    stick-table type binary len 6 size 1k expire 60s peers mates store gpt(2),gpc(3),gpc_rate(2,60s)
backend four
    stick-table type ip size 1k expire 60s peers mates store gpc0,conn_rate(60s)
backend numbers
    stick-table type integer size 20k peers mates store gpc0
backend names
    stick-table type string len 20 size 1k expire 60s peers mates
    server s1 127.0.0.1:9
    server s2 127.0.0.1:9
backend source
    stick-table type string len 20 size 1k expire 60s peers mates store gpt0,gpc0 @write_to@
backend copy
    stick-table type string len 20 size 1k expire 30s store gpt0,gpc0
frontend web
    bind 127.0.0.1:@web@
    http-request track-sc0 req.hdr(k) table arrays
    http-request sc-inc-gpc(1,0)
    http-request track-sc1 src table all
    http-request sc-inc-gpc0(1)
    http-request return status 200 if { path /here }
    default_backend app
backend app
    stick store-request req.hdr(k) table names
    server s1 127.0.0.1:@s1@
    server s2 127.0.0.1:@s1@
frontend server
    bind 127.0.0.1:@s1@
    http-request return status 200
"""


def start(cls, name, config=CONFIG, write_to=False, log="", **kw):
    p = cls(config.replace("@write_to@", "write-to copy" if write_to else "").replace("@log@", log),
            args=["-L", name], **kw)
    p.name = name
    return p


def table(p, name):
    out = re.sub(r"0x[0-9a-f]+: | use=\d+| exp=\d+", "", p.cmd("show table " + name))
    return sorted(x for x in out.split("\n") if x.startswith("key="))


def established(p, peer):
    return re.search(r"id=%s\(remote,active\).*last_status=ESTA" % peer, p.cmd("show peers")) is not None


def together(a, b):
    wait_for(lambda: established(a, b.name) and established(b, a.name), 15, "the peers are connected")


def arrives(p, name, want, what):
    wait_for(lambda: want(table(p, name)), 10, what)


def fill(p):
    p.cmd("set table all key 2001:db8::1 data.gpc0 5 data.gpt0 7 data.conn_cnt 300 data.http_req_cnt 70000 data.bytes_in_cnt 12345678901 "
          "data.conn_rate 1000 data.server_id 3 data.http_fail_rate 4")
    p.cmd("set table four key 192.0.2.1 data.gpc0 9 data.conn_rate 50")
    p.cmd("set table numbers key 4000000000 data.gpc0 240; set table numbers key 1 data.gpc0 2287; set table numbers key 2 data.gpc0 2288;"
          "set table numbers key 3 data.gpc0 4294967295")
    p.cmd("set table mates/own key abcdefgh data.gpc0 1; set table mates/own key x data.gpc0 239")
    for k in ("one", "two"):
        http(("127.0.0.1", p.port("web")), "/", headers={"k": k})
    http(("127.0.0.1", p.port("web")), "/here", headers={"k": "aXb"})


TABLES = ("all", "four", "numbers", "mates/own", "arrays", "names")


def without_local(lines):
    """conn_cur is not learned; rates move while one looks."""
    return [re.sub(r"conn_cur=\d+|_rate\(\d+\)=\d+", "", x) for x in lines]


def same_tables(a, b):
    def fact():
        return all(without_local(table(a, t)) == without_local(table(b, t)) and table(a, t) for t in TABLES)
    wait_for(fact, 10, "both have the same entries")


PAIRS = [(Lbd, Haproxy), (Haproxy, Lbd), (Lbd, Lbd)]


@cases("{0} tells {1} what changes, of every type of key and data", [(x.label, y.label, x, y) for x, y in PAIRS])
def _(_x, _y, x, y):
    a, b = start(x, "a"), start(y, "b")
    together(a, b)
    fill(a)
    same_tables(a, b)
    got = table(b, "all")
    contains("\n".join(got), "key=2001:db8::1 server_id=3 gpt0=7 gpc0=5 ", "values")
    contains("\n".join(got), "bytes_in_cnt=12345678901", "64 bits")
    contains("\n".join(got), "conn_rate(60000)=1000", "a rate")
    contains("\n".join(table(b, "arrays")), "key=6F6E65000000 gpt0=0 gpt1=0 gpc0=0 gpc1=1 gpc2=0 gpc0_rate(60000)=0 gpc1_rate(60000)=1", "arrays")
    equal([x.split(" ")[0::2] for x in table(b, "names")], [["key=one", "server_key=s1"], ["key=two", "server_key=s2"]], "names of servers")
    b.cmd("set table numbers key 1 data.gpc0 77")
    arrives(a, "numbers", lambda t: "key=1 gpc0=77" in t, "the way back")
    a.cmd("set table names key one")
    http(("127.0.0.1", a.port("web")), "/", headers={"k": "three"})
    arrives(b, "names", lambda t: len(t) == 3 and "server_key=s1" in t[1], "a name that is known already")


@cases("{1} comes later and learns all from {0}", [(x.label, y.label, x, y) for x, y in PAIRS])
def _(_x, _y, x, y):
    a = start(x, "a")
    fill(a)
    a.cmd("; ".join(f"set table numbers key {i} data.gpc0 {i}" for i in range(100, 130)))

    def rest(p):
        return int(re.search(r"exp=(\d+)", p.cmd("show table four key 192.0.2.1"))[1])
    wait_for(lambda: rest(a) < 58800, what="it is a second old")
    b = start(y, "b")
    together(a, b)
    same_tables(a, b)
    equal(len(table(b, "numbers")), 34, "numbers")
    # HAProxy tells what has changed since its start without it
    true(rest(b) < 59000 or x is Haproxy, "the rest of its life comes with an entry")


@cases("after a break {0} and {1} go on", [(x.label, y.label, x, y) for x, y in PAIRS])
def _(_x, _y, x, y):
    a, b = start(x, "a"), start(y, "b")
    together(a, b)
    a.cmd("set table numbers key 5 data.gpc0 5")
    arrives(b, "numbers", lambda t: t == ["key=5 gpc0=5"], "5")
    b.kill()
    a.cmd("set table numbers key 6 data.gpc0 6")
    b.start()
    wait_for(lambda: table(b, "numbers") == ["key=5 gpc0=5", "key=6 gpc0=6"], 20, "5 and 6 are there again")


@case("20,000 entries are learned, and what changes meanwhile")
def _():
    a = start(Lbd, "a")
    for i in range(0, 20000, 50):
        a.cmd("; ".join(f"set table numbers key {k} data.gpc0 {k}" for k in range(i, i + 50)))
    b = start(Lbd, "b")
    a.cmd("set table numbers key 19999 data.gpc0 1")
    wait_for(lambda: "used:20000" in b.cmd("show table numbers data.gpc0 gt 99999"), 20, "all are there")
    wait_for(lambda: "gpc0=1\n" in b.cmd("show table numbers key 19999"), 10, "the changed one")
    equal(sum(int(x) for x in re.findall(r"gpc0=(\d+)", b.cmd("show table numbers"))), sum(range(19999)) + 1, "sum of all values")


@cases("a reload: the new lbd learns from the old {0}", [("lbd", Lbd), ("haproxy", Haproxy)])
def _(_n, x):
    old = start(x, "a")
    fill(old)
    # HAProxy only teaches what it has had the time to learn from others
    wait_for(lambda: "resync_timeout=<PAST>" in old.cmd("show peers") or x is Lbd, 15, "the old one takes itself for complete")
    want = {t: without_local(table(old, t)) for t in TABLES}
    new = Lbd(CONFIG.replace("@write_to@", "").replace("@log@", ""), args=["-L", "a", "-sf", str(old.pid)],
              ports=dict(old.ports))
    wait_for(lambda: all(without_local(table(new, t)) == want[t] for t in TABLES), 10, "the tables are the old ones")
    wait_for(lambda: not old.alive(), 10, "the old process has ended")


@case("a soft stop without a new process is not held up")
def _():
    a = start(Lbd, "a")
    fill(a)
    t0 = time.monotonic()
    equal(a.stop(10), 0, "exit status")  # SIGUSR1
    true(time.monotonic() - t0 < 4, "at once")


@case("write-to: tags that peers tell go to the other table as well, counters do not")
def _():
    a, b = start(Lbd, "a"), start(Lbd, "b", write_to=True)
    together(a, b)
    a.cmd("set table source key k data.gpt0 4 data.gpc0 5")
    arrives(b, "source", lambda t: t == ["key=k gpt0=4 gpc0=5"], "the table itself")
    arrives(b, "copy", lambda t: t == ["key=k gpt0=4 gpc0=0"], "the copy")
    equal(table(a, "copy"), [], "not where it was set")
    b.cmd("set table source key mine data.gpt0 4")
    equal(len(table(b, "copy")), 1, "own changes are not copied")


@case("shards: a peer with a number gets its share only")
def _():
    cfg = CONFIG.replace("@write_to@", "").replace("@log@", "shards 2").replace("peer b 127.0.0.1:10002", "peer b 127.0.0.1:10002 shard 1")
    a, b = start(Lbd, "a", cfg), start(Lbd, "b", CONFIG)
    together(a, b)
    a.cmd("; ".join(f"set table numbers key {i} data.gpc0 9" for i in range(60)))
    a.cmd("set table four key 192.0.2.9")
    arrives(b, "numbers", lambda t: len(t) >= 15, "a part")
    b.cmd("set table own key z")
    n = len(table(b, "numbers"))
    true(10 < n < 50, f"{n} of 60 entries")


@case("disabled sections and peers of another name do nothing; show info counts peers")
def _():
    a = start(Lbd, "a", CONFIG.replace("@log@", "disabled"))
    b = start(Lbd, "b")
    true("(remote,inactive)" in a.cmd("show peers") and not established(b, "a"), "nobody is connected")
    contains(b.cmd("show info"), "ActivePeers: 0", "info")
    a.stop()
    a = start(Lbd, "a")
    together(a, b)
    contains(b.cmd("show info"), "ActivePeers: 1\nConnectedPeers: 1", "info")
    c = start(Lbd, "c", ports={"web": free_port(HERE), "s1": free_port(HERE)})
    contains(c.log(), "no peer is named 'c'", "warning")


@case("peers are logged where the section says")
def _():
    log = Syslog()
    a = start(Lbd, "a", log=f"log 127.0.0.1:{log.port} local0")
    b = start(Lbd, "b")
    together(a, b)
    log.wait("Peers mates: peer b is connected")
    b.kill()
    log.wait("the connection with peer b has ended")


@case("show peers has the form of the oracle's")
def _():
    def form(p):
        out = re.sub(r"0x[0-9a-f]+", "0x", p.cmd("show peers mates"))
        out = re.sub(r"\[.*?\]", "[]", out)
        out = re.sub(r"=[^ \n]+", "=", out)
        return [re.sub(r" (appctx|xprt|src|state|st0|st1|task_calls).*", "", x) for x in out.split("\n")
                if not re.search(r"xprt|_local_table|remote_table|Dictionary", x)]
    got = []
    for x in (Haproxy, Lbd):
        a = start(x, "a")
        got.append(sorted(set(form(a))))
        a.stop()
    equal(got[1], got[0], "lines without values")


# ---- a peer that lies ----

def enc(v):
    if v < 240:
        return bytes([v])
    out, v = bytes([v & 0xff | 0xf0]), (v - 240) >> 4
    while v >= 128:
        out, v = out + bytes([v & 0xff | 0x80]), (v - 128) >> 7
    return out + bytes([v])


def msg(t, body):
    return bytes([10, t]) + enc(len(body)) + body


DEF = enc(1) + enc(7) + b"numbers" + enc(2) + enc(4) + enc(4) + enc(0)


class Peer:
    def __init__(self, hello=b"HAProxyS 2.1\na\nb 1 0\n", port=10001):
        self.s = socket.create_connection(("127.0.0.1", port))
        self.s.settimeout(6)
        self.s.sendall(hello)

    def status(self):
        b = b""
        while not b.endswith(b"\n"):
            x = self.s.recv(1)
            if not x:
                break
            b += x
        return b

    def all(self):
        b = b""
        try:
            while True:
                x = self.s.recv(65536)
                if not x:
                    return b, True
                b += x
        except ConnectionResetError:
            return b, True
        except socket.timeout:
            return b, False


@cases("hello {0!r}: {2!r}", [
    ("for another", b"HAProxyS 2.1\nz\nb 1 0\n", b"503\n"),
    ("of a stranger", b"HAProxyS 2.1\na\nz 1 0\n", b"504\n"),
    ("of another version", b"HAProxyS 3.0\na\nb 1 0\n", b"502\n"),
    ("of something else", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"501\n"),
    ("without a process", b"HAProxyS 2.1\na\nb\n", b"501\n"),
    ("of version 2.0", b"HAProxyS 2.0\na\nb 1 0\n", b"200\n"),
    ("whole", b"HAProxyS 2.1\na\nb 1 0\n", b"200\n"),
    ("without end", b"HAProxyS 2.1\n" + b"a" * 5000, b""),
])
def _(_what, hello, want):
    a = start(Lbd, "a")
    p = Peer(hello)
    equal(p.status(), want, "status")
    if want != b"200\n":
        true(p.all()[1], "closed")


LIES = [
    ("a message class that does not exist", b"\x07\x01", True),
    ("a control message that does not exist", b"\x00\x99" + b"\x01", True),
    ("a message longer than any", b"\x0a\x80" + enc(1 << 30), True),
    ("a number without end", b"\x0a\x80" + b"\xff" * 20, True),
    ("an update without a table", msg(128, b"\0\0\0\1\0\0\0\5\1"), False),
    ("a cut definition", msg(130, DEF[:4]), True),
    ("a definition with a name longer than the message", msg(130, enc(1) + enc(200) + b"numbers"), True),
    ("a definition of another key type", msg(130, DEF.replace(enc(2) + enc(4), enc(5) + enc(16))) + msg(128, b"\0" * 40), False),
    ("an update that ends in its number", msg(130, DEF) + msg(128, b"\0\0"), True),
    ("an update that ends in its key", msg(130, DEF) + msg(128, b"\0\0\0\1\0\0"), True),
    ("an update without its data", msg(130, DEF) + msg(128, b"\0\0\0\1\0\0\0\5"), True),
    ("a timed update without its time", msg(130, DEF) + msg(133, b"\0\0\0\1\0"), True),
    ("data types that are unknown", msg(130, enc(1) + enc(7) + b"numbers" + enc(2) + enc(4) + enc(1 << 40 | 4) + enc(0))
     + msg(128, b"\0\0\0\1\0\0\0\5\1\2\3\4"), False),
    ("an array of 5000", msg(130, enc(1) + enc(6) + b"arrays" + enc(7) + enc(6) + enc(1 << 22) + enc(0) + enc(22) + enc(5000)), True),
    ("an array of none", msg(130, enc(1) + enc(6) + b"arrays" + enc(7) + enc(6) + enc(1 << 22) + enc(0) + enc(22) + enc(0)), True),
    ("a text with a number that is too high", msg(130, enc(1) + enc(5) + b"names" + enc(6) + enc(21) + enc(1 << 19) + enc(0))
     + msg(128, b"\0\0\0\1" + enc(1) + b"k" + enc(2) + enc(129)), True),
    ("a text longer than its message", msg(130, enc(1) + enc(5) + b"names" + enc(6) + enc(21) + enc(1 << 19) + enc(0))
     + msg(128, b"\0\0\0\1" + enc(1) + b"k" + enc(3) + enc(1) + enc(200) + b"a"), True),
    ("a text that was never sent", msg(130, enc(1) + enc(5) + b"names" + enc(6) + enc(21) + enc(1 << 19) + enc(0))
     + msg(128, b"\0\0\0\1" + enc(1) + b"k" + enc(1) + enc(7)), False),
    ("a key of 4 GB", msg(130, enc(1) + enc(5) + b"names" + enc(6) + enc(21) + enc(1) + enc(0))
     + msg(128, b"\0\0\0\1" + enc(1 << 32) + b"k"), True),
    ("an acknowledgement of nothing", msg(132, enc(1) + b"\xff\xff\xff\xff"), False),
    ("an acknowledgement of a table that is not there", msg(132, enc(999) + b"\0\0\0\1"), False),
    ("a switch to a table that is not there", msg(131, enc(77)) + msg(128, b"\0" * 20), False),
    ("a message of a later version", msg(250, b"anything"), False),
    ("an error", b"\x01\x00", True),
    ("a confirmation that nobody waits for", b"\x00\x03" * 50, False),
    ("finished, unasked", b"\x00\x01" * 50, False),
]


@case("a peer that lies is cut off, or its words have no effect; nothing else is disturbed")
def _():
    a = start(Lbd, "a")
    a.cmd("set table numbers key 77 data.gpc0 42")
    errors = 0
    for what, data, ends in LIES:
        p = Peer()
        equal(p.status(), b"200\n", f"{what}: hello")
        p.s.sendall(data + (b"" if ends else b"\x00\x04"))
        if ends:
            true(p.all()[1], f"{what}: cut off")
        else:  # still there: it answers a request for everything
            p.s.sendall(b"\x00\x00")
            b = b""
            while b"numbers" not in b:
                x = p.s.recv(65536)
                true(x, f"{what}: still connected")
                b += x
        p.s.close()
        contains(a.cmd("show table numbers key 77"), "key=77 use=0 exp=0 gpc0=42", what)
    equal(http(("127.0.0.1", a.port("web")), "/here", headers={"k": "x"}).status, 200, "the rest works")
    true(int(re.search(r"id=b.*?proto_err=(\d+)", a.cmd("show peers"), re.S)[1]) >= 14, "protocol errors are counted")


@case("a silent peer is given up after 5 seconds, a living one gets heartbeats")
def _():
    a = start(Lbd, "a")
    p = Peer()
    equal(p.status(), b"200\n", "hello")
    t0 = time.monotonic()
    data, closed = p.all()
    true(closed and 4 < time.monotonic() - t0 < 7, "given up")
    contains(data, b"\x00\x04", "heartbeat")


@case("a stranger that says nothing is cut off, and many of them keep nobody out")
def _():
    a = start(Lbd, "a")
    many = [socket.create_connection(("127.0.0.1", 10001)) for _ in range(100)]
    b = start(Lbd, "b")
    wait_for(lambda: established(a, "b"), 20, "b is connected")


@case("a stranger whose hello never ends is cut off after 5 seconds, however often it adds a byte")
def _():
    start(Lbd, "a")
    p = Peer(hello=b"HAProxyS 2.1\n")
    t0 = time.monotonic()
    ended = False
    while not ended and time.monotonic() - t0 < 12:
        try:
            p.s.sendall(b"a")
            p.s.settimeout(0.5)
            ended = not p.s.recv(1)
        except socket.timeout:
            pass
        except ConnectionError:
            ended = True
    true(ended and 4 < time.monotonic() - t0 < 8, f"cut off, after {time.monotonic() - t0:.1f} s")


main()
