#!/usr/bin/env python3
# tap: timeout=90
"""`tcp-response content` rules in mode tcp: what of the server's first bytes is passed on, when, how the connection ends
and what the log says; the same as haproxy's, for chosen and for random exchanges."""
import random
import socket
import threading
import time
from lbt import *

CONFIG = """
defaults
    mode tcp
    log stdout format raw daemon
    log-format "%ft/%b/%s %U+%B %ts [%[var(txn.first),hex]]"
    timeout client 5s
    timeout server 5s
    timeout connect 2s
frontend f
    bind 127.0.0.1:@f@
    tcp-request inspect-delay 2s
    tcp-request content accept if {{ req.len gt 1 }}
    use_backend %[req.payload(0,2)]
backend b1
    tcp-response inspect-delay 700ms
    tcp-response content reject if {{ res.len 3 }}
    tcp-response content accept if {{ res.len gt 5 }}
    server s 127.0.0.1:{port}
backend b2
    tcp-response inspect-delay 500ms
    tcp-response content accept if WAIT_END
    server s 127.0.0.1:{port}
backend b3
    tcp-response content close if {{ res.payload(0,1) -m str X }}
    tcp-response content reject if {{ res.payload(0,1) -m str Y }}
    server s 127.0.0.1:{port}
backend b4
    tcp-response inspect-delay 600ms
    tcp-response content set-var(txn.first) res.payload(0,2)
    tcp-response content unset-var(txn.first) if {{ res.payload(0,2) -m str ZZ }}
    tcp-response content accept if {{ res.payload_lv(0,1) -m found }}
    tcp-response content reject if {{ res.payload(2,1) -m str X }}
    server s 127.0.0.1:{port}
backend b5
    tcp-response inspect-delay 5s
    tcp-response content accept if {{ res.ssl_hello_type 2 }}
    tcp-response content accept if {{ rep_ssl_hello_type 1 }}
    tcp-response content close if {{ res.len ge 20 }}
    server s 127.0.0.1:{port}
backend b6
    tcp-response content set-log-level silent if {{ res.len gt 0 }} || {{ always_true }}
    server s 127.0.0.1:{port}
"""

END = "end"     # the sender's direction ends
STEP = 0.15     # between the parts of a side, so that they are read apart


def play_parts(conn, parts):
    for p in parts:
        if p == END:
            conn.shutdown(socket.SHUT_WR)
        else:
            conn.sendall(p)
        time.sleep(STEP)    # so that the parts are read apart


plans = {}


def serve(conn, _peer):
    """The client's first line names the plan; what else it sends is read and forgotten."""
    line = b""
    while not line.endswith(b"\n"):
        got = conn.recv(1)
        if not got:
            return
        line += got
    try:
        play_parts(conn, plans[line[2:].strip()])
        while conn.recv(4096):
            pass
    except OSError:
        pass


server = ScriptServer(serve)
TEXT = CONFIG.format(port=server.port)
ours, theirs = Lbd(TEXT, stats=False), Haproxy(TEXT, stats=False)


def play(proxy, backend, key, client_parts):
    """Bytes that came, whether the end came, when the first byte came and when it was over (in steps of 100 ms)."""
    first, start, got, over = None, time.monotonic(), b"", "open"
    with socket.socket() as s:
        s.settimeout(2.5)
        s.connect(proxy.at("f"))
        s.sendall(backend.encode() + key + b"\n")
        sender = threading.Thread(target=lambda: play_parts(s, client_parts))
        sender.start()
        try:
            while True:
                chunk = s.recv(100000)
                if not chunk:
                    over = "end"
                    break
                first = first or time.monotonic() - start
                got += chunk
        except socket.timeout:
            pass
        except ConnectionResetError:
            over = "reset"
        took = time.monotonic() - start
        try:
            sender.join()
        except OSError:
            pass
    return got, over, first, took


HELLO = bytes.fromhex("160303003d0200003903035f") + bytes(200)
ROWS = [
    ("b1", "refused by length", [b"abc"], []),
    ("b1", "long enough at once", [b"abcdef"], []),
    ("b1", "the rest comes in time", [b"a", b"bcdef"], []),
    ("b1", "too short: the delay runs out", [b"ab"], []),
    ("b1", "the server ends early", [b"ab", END], []),
    ("b1", "nothing but an end", [END], []),
    ("b1", "nothing at all", [], []),
    ("b1", "the client's end is no answer", [b"a", b"bcdef"], [END]),
    ("b1", "a full segment", [b"abcd" * 20000], []),
    ("b2", "all wait for the delay", [b"hello"], []),
    ("b2", "the server's end is the end of the wait", [b"hello", END], []),
    ("b2", "a full buffer is the end of the wait", [b"0123456789" * 5000], []),
    ("b3", "close: what came is delivered", [b"Xabc", b"later"], []),
    ("b3", "reject: nothing is delivered", [b"Yabc", b"later"], []),
    ("b3", "neither", [b"Zabc", b"later", END], []),
    ("b3", "close, and the client goes on", [b"Xabc"], [b"more", b"more"]),
    ("b4", "a variable is set", [b"ab"], []),
    ("b4", "a variable is set and unset", [b"ZZab"], []),
    ("b4", "bytes behind their length", [b"\x05ab", b"cde"], []),
    ("b4", "rejected in the second part", [b"ab", b"X"], []),
    ("b5", "a server hello is awaited", [HELLO[:40], HELLO[40:]], []),
    ("b5", "no hello: closed", [b"x" * 30], []),
]


def random_rows(n):
    r, rows = random.Random(7), []
    for i in range(n):
        parts = [bytes(r.choice(b"XYZabD\x01\x03\x16") for _ in range(r.choice((1, 1, 2, 3, 5, 9, 40))))
                 for _ in range(r.randrange(4))]
        client = [b"c" * r.randrange(1, 9) for _ in range(r.randrange(2))]
        if r.random() < .4:
            parts.append(END)
        if r.random() < .3:
            client.append(END)
        rows.append((r.choice(("b1", "b2", "b3", "b4", "b5")), f"random exchange {i}", parts, client))
    return rows


ROWS += random_rows(40)
results = {}


def fetch_all():
    """All exchanges at once, the two programs one after the other, to be quick."""
    for p in (theirs, ours):
        def one(i, row, p=p):
            key = b"%s%d" % (p.label[:1].encode(), i)
            plans[key] = row[2]
            results[p.label, i] = play(p, row[0], key, row[3])
        threads = [threading.Thread(target=one, args=(i, row)) for i, row in enumerate(ROWS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()


fetch_all()


@cases("{1}", [(i, f"{row[0]}: {row[1]}") for i, row in enumerate(ROWS)])
def _(i, _words):
    got, over, first, took = results["lbd", i]
    got2, over2, first2, took2 = results["haproxy", i]
    said = f"{ROWS[i][2]!r:.80} {ROWS[i][3]!r}"
    equal((got, over), (got2, over2), f"bytes and end of {said}")
    if first and first2:
        true(abs(first - first2) < 0.3, f"first byte: lbd {first:.2f} s, haproxy {first2:.2f} s")
    true(abs(took - took2) < 0.5, f"the end: lbd {took:.2f} s, haproxy {took2:.2f} s")


@case("log lines: backend, bytes, termination state and variable, the same")
def _():
    def lines(p):
        return sorted(ln for ln in p.log().splitlines() if ln.startswith("f/"))
    wait_for(lambda: len(lines(ours)) >= len(ROWS) and len(lines(theirs)) >= len(ROWS), 8, "all lines")
    a, b = lines(ours), lines(theirs)
    equal([ln for ln in a if a.count(ln) > b.count(ln)], [ln for ln in b if b.count(ln) > a.count(ln)], "lines of lbd only, of haproxy only")


@case("set-log-level silent writes no line")
def _():
    n = {p: len(p.log()) for p in (ours, theirs)}
    for p in (ours, theirs):
        key = p.label.encode() + b"silent"
        plans[key] = [b"hi", END]
        equal(play(p, "b6", key, [])[0], b"hi", f"bytes through {p.label}")
        key += b"2"
        plans[key] = [b"hi", END]
        play(p, "b3", key, [])
        wait_for(lambda: len(p.log()) > n[p], 5, "the line of the exchange behind it")
        true("b6" not in p.log()[n[p]:], f"{p.label}: no line of the silent one")


main()
