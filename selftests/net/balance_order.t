#!/usr/bin/env python3
"""The order in which servers are chosen, connection after connection: the same file in Debian's haproxy and in lbd,
side by side. Weighted sets over more than one window of the round robin, limits, backups, changes at run time.
lbd runs with four threads: its turns are one order for all of them."""
import random
import select
import socket
import threading
from lbt import *

MAX_SERVERS = 8
rng = random.Random(20)


class Names(threading.Thread):
    """One thread, a listener for each server; says its letter and waits for the end of the connection."""

    def __init__(self, n):
        super().__init__(daemon=True)
        self.poll, self.letter, self.open = select.epoll(), {}, {}
        self.ports = []
        for i in range(n):
            s = socket.create_server(("127.0.0.1", 0), backlog=512)
            self.ports.append(s.getsockname()[1])
            self.letter[s.fileno()] = (s, b"ABCDEFGH"[i:i + 1])
            self.poll.register(s, select.EPOLLIN)
        self.start()

    def run(self):
        while True:
            for fd, _ in self.poll.poll():
                if fd in self.letter:
                    listener, name = self.letter[fd]
                    conn, _ = listener.accept()
                    conn.sendall(name)
                    self.open[conn.fileno()] = conn
                    self.poll.register(conn, select.EPOLLIN)
                elif self.ended(self.open[fd]):
                    self.poll.unregister(fd)
                    self.open.pop(fd).close()

    @staticmethod
    def ended(conn):
        try:
            return not conn.recv(100)
        except ConnectionResetError:
            return True


names = Names(MAX_SERVERS)


class Both:
    """haproxy and lbd with one service each of the same lines."""

    def __init__(self, services):
        text = ("global\n    nbthread {}\ndefaults\n    mode tcp\n    timeout client 20s\n    timeout server 20s\n"
                "    timeout connect 5s\n    timeout queue 300ms\n")
        for i, (lines, servers) in enumerate(services):
            text += f"listen l{i}\n    bind 127.0.0.1:@l{i}@\n"
            text += "".join(f"    {ln}\n" for ln in lines.split("\n"))
            for k, options in enumerate(servers):
                text += f"    server s{k} 127.0.0.1:{names.ports[k]} {options}\n"
        self.proxies = [Haproxy(text.format(1)), Lbd(text.format(4))]
        self.held = []

    def one(self, proxy, service):
        c = socket.create_connection(proxy.at(f"l{service}"), timeout=10)
        return (c.recv(1) or b"-").decode(), c

    def picks(self, service, n, hold=False):
        """Both strings of n letters; '-' where the connection was ended without a server."""
        out = []
        for p in self.proxies:
            got = ""
            for _ in range(n):
                letter, c = self.one(p, service)
                got += letter
                if hold:
                    self.held.append(c)
                else:
                    c.close()
            out.append(got)
        return out

    def cmd(self, line):
        return [p.cmd(line) for p in self.proxies]


def same(both, service, n, what, hold=False):
    haproxy, lbd = both.picks(service, n, hold)
    equal(lbd, haproxy, f"order of {what}")
    return lbd


def weights(*w):
    return [f"weight {x}" for x in w]


def random_sets(n, top):
    return [weights(*(rng.randint(1, top) for _ in range(rng.randint(2, MAX_SERVERS)))) for _ in range(n)]


@case("roundrobin: 40 weighted sets, the first 60 connections")
def _():
    sets = random_sets(10, 3) + random_sets(10, 9) + random_sets(10, 50) + random_sets(10, 256)
    both = Both([("balance roundrobin", s) for s in sets])
    for i, s in enumerate(sets):
        same(both, i, 60, ", ".join(s))


@case("roundrobin: past the window of sixteen rounds, twice")
def _():
    sets = [weights(4, 3, 4), weights(3, 2, 2, 3, 3), weights(1, 2), weights(2, 6, 5)]
    both = Both([("", s) for s in sets])
    for i, s in enumerate(sets):
        same(both, i, 430, ", ".join(s))


@case("static-rr: 10 weighted sets")
def _():
    sets = random_sets(10, 12)
    both = Both([("balance static-rr", s) for s in sets])
    for i, s in enumerate(sets):
        same(both, i, 60, ", ".join(s))


@case("leastconn: 12 weighted sets, connections kept open")
def _():
    sets = random_sets(6, 3) + random_sets(6, 20)
    both = Both([("balance leastconn", s) for s in sets])
    for i, s in enumerate(sets):
        same(both, i, 40, ", ".join(s), hold=True)


@cases("{0}", [
    ("first: by id, filled up to maxconn", "balance first", ["maxconn 2 id 30", "maxconn 1 id 10", "maxconn 2 id 20"], 5),
    ("roundrobin passes over a full server", "balance roundrobin", ["weight 3 maxconn 1", "weight 2", "weight 1"], 20),
    ("static-rr passes over a full server", "balance static-rr", ["weight 3 maxconn 1", "weight 2", "weight 1"], 20),
    ("leastconn passes over a full server", "balance leastconn", ["weight 9 maxconn 2", "weight 2", "weight 1"], 20),
    ("source queues for its full server", "balance source", ["maxconn 1", "maxconn 1", "maxconn 1"], 2),
    ("roundrobin: all full", "balance roundrobin", ["maxconn 1", "maxconn 2"], 4),
    ("first backup alone", "balance roundrobin", ["disabled", "backup", "backup weight 3"], 6),
    ("all backups", "balance roundrobin\noption allbackups", ["weight 0", "backup", "backup weight 3"], 9),
    ("leastconn, all backups", "balance leastconn\noption allbackups", ["disabled", "backup", "backup weight 3"], 9),
    ("no server", "balance roundrobin", ["disabled", "weight 0"], 2),
    ("the default is roundrobin", "", ["weight 2", "weight 1"], 6),
    ("two balance lines, the last counts", "balance leastconn\nbalance static-rr", weights(3, 2, 1), 12),
])
def _(words, lines, servers, n):
    note(f"{words}: " + same(Both([(lines, servers)]), 0, n, words, hold=True))


@case("changes at run time: maintenance, drain, weights")
def _():
    rows = [
        ("balance roundrobin", weights(1, 1, 1), [
            (1, None), (6, "set server l{}/s1 state maint"), (12, "set server l{}/s1 state ready")]),
        ("balance roundrobin", weights(1, 1, 1), [
            (1, None), (16, "set weight l{}/s1 2"), (12, "set weight l{}/s1 1")]),
        ("balance roundrobin", weights(3, 2, 1), [(7, None), (16, "set weight l{}/s0 1")]),
        ("balance roundrobin", weights(3, 2, 1), [(7, None), (16, "set server l{}/s0 state drain")]),
        ("balance static-rr", weights(3, 2, 1), [
            (4, None), (9, "set weight l{}/s1 0%"), (9, "set weight l{}/s1 100%"), (6, "set weight l{}/s1 50%")]),
        ("balance leastconn", weights(1, 1, 1), [(9, "disable server l{}/s0"), (9, "enable server l{}/s0")]),
    ]
    both = Both([row[:2] for row in rows])
    for i, (lines, _, steps) in enumerate(rows):
        for n, command in steps:
            if command:
                haproxy, lbd = both.cmd(command.format(f"{i}"))
                equal(lbd, haproxy, f"reply to '{command}'")
            # a closed connection may count a moment longer: only what stays open has one order in leastconn
            same(both, i, n, f"{lines} after {command}", hold="leastconn" in lines)


@case("roundrobin: 24 random changes of a weight in use, at random turns")
def _():
    sets = random_sets(12, 3) + random_sets(12, 9)
    both = Both([("balance roundrobin", s) for s in sets])
    for i, s in enumerate(sets):
        turn, which, to = rng.randint(0, 20), rng.randrange(len(s)), rng.randint(1, 9)
        same(both, i, turn, ", ".join(s))
        haproxy, lbd = both.cmd(f"set server l{i}/s{which} weight {to}")
        equal(lbd, haproxy, "reply")
        same(both, i, 40, f"{', '.join(s)} after s{which} got {to} at turn {turn}")


@case("backups while active servers go and come back, with and without allbackups")
def _():
    # the first backups have weight 1: static-rr in haproxy takes others, too, for each unit of weight above
    servers = ["weight 2", "weight 1 id 9", "backup", "backup", "backup weight 3"]
    rows = [(f"balance {b}{more}", servers) for b in ("roundrobin", "static-rr", "first", "source", "source\nhash-type consistent")
            for more in ("", "\noption allbackups")]
    both = Both(rows)
    steps = (None, "disable server l{}/s0", "set server l{}/s1 state drain", "set server l{}/s2 state maint", "set server l{}/s1 state ready",
             "set server l{}/s1 weight 0%", "set server l{}/s2 state ready")
    for i, (lines, _) in enumerate(rows):
        for command in steps:
            if command:
                haproxy, lbd = both.cmd(command.format(i))
                equal(lbd, haproxy, f"reply to '{command}' of {lines}")
            haproxy, lbd = both.picks(i, 9)
            if "rr" in lines.replace("roundrobin", "rr") and command:  # the same servers; where a turn begins after a change may differ
                haproxy, lbd = set(haproxy), set(lbd)
            equal(lbd, haproxy, f"servers of {lines} after {command}")


@case("slow start: where sources go while a server has a sixteenth of its weight, and when it is changed meanwhile")
def _():
    rows = [(f"balance source\n{form}", ["weight 40 slowstart 900s", "weight 12", "weight 30 id 77 slowstart 900s"])
            for form in ("hash-type consistent", "hash-type consistent sdbm avalanche", "hash-type map-based")]
    sources = [f"127.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}" for _ in range(80)]
    both = Both(rows)
    for i, (lines, _) in enumerate(rows):
        full = by_source(both, i, sources)
        for command in ("disable server l{}/s0", "enable server l{}/s0", "set server l{}/s2 state drain", "set server l{}/s2 state ready",
                        "set server l{}/s0 state maint", "set server l{}/s0 state ready", "set server l{}/s2 weight 100%"):
            haproxy, lbd = both.cmd(command.format(i))
            equal(lbd, haproxy, f"reply to '{command}'")
            haproxy, lbd = by_source(both, i, sources)
            equal(lbd, haproxy, f"servers of {lines} after {command}")
            if command.startswith("enable"):
                true((lbd == full[1]) == ("map" in lines), f"{lines}: a sixteenth of the weight shows unless the table is static")


@case("leastconn: 8 idle servers that fill up evenly, in one order")
def _():
    both = Both([("balance leastconn", weights(*[1] * 8))])
    got = same(both, 0, 64, "equal weights", hold=True)
    equal({c: got.count(c) for c in set(got)}, {c: 8 for c in "ABCDEFGH"}, "connections of each")


def by_source(both, service, sources):
    """The letters of both proxies for these client addresses."""
    out = []
    for p in both.proxies:
        got = ""
        for src in sources:
            with socket.create_connection(p.at(f"l{service}"), timeout=10, source_address=(src, 0)) as c:
                got += (c.recv(1) or b"-").decode()
        out.append(got)
    return out


@case("hashes after changes at run time: 80 sources each")
def _():
    forms = ["", "hash-type map-based sdbm avalanche", "hash-type consistent", "hash-type consistent djb2"]
    rows = [(f"balance source\n{form}", ["weight 3", "weight 2 id 70", "weight 5", "weight 9 backup"]) for form in forms]
    sources = [f"127.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}" for _ in range(80)]
    both = Both(rows)
    for command in (None, "disable server l{}/s1", "set server l{}/s2 state drain", "enable server l{}/s1", "set weight l{}/s1 0%",
                    "disable server l{}/s0", "set weight l{}/s1 100%", "set server l{}/s2 state ready", "set weight l{}/s2 40%",
                    "set weight l{}/s1 7", "enable server l{}/s0"):
        for i, (lines, _) in enumerate(rows):
            if command:
                haproxy, lbd = both.cmd(command.format(i))
                equal(lbd, haproxy, f"reply to '{command}' of {lines}")
            haproxy, lbd = by_source(both, i, sources)
            equal(lbd, haproxy, f"servers of {lines} after {command}")


@case("a client without IP address: the hash takes servers in turn")
def _():
    text = ("defaults\n    mode tcp\n    timeout client 9s\n    timeout server 9s\n    timeout connect 5s\n"
            "listen l\n    bind unix@@tmp@/@l@.sock\n    balance source\n")
    text += "".join(f"    server s{i} 127.0.0.1:{names.ports[i]} weight {w}\n" for i, w in enumerate((3, 2, 1)))
    got = []
    for p in (Haproxy(text), Lbd(text)):
        letters = ""
        for _ in range(14):
            with socket.socket(socket.AF_UNIX) as c:
                c.settimeout(10)
                c.connect(f"{TMP}/{p.port('l')}.sock")
                letters += (c.recv(1) or b"-").decode()
        got.append(letters)
    equal(got[1], got[0], "order")


@case("fullconn left out: a tenth of what the frontends may have that lead to the backend")
def _():
    ends = "".join(f"backend b{i}\n    server s 127.0.0.1:1\n" for i in range(1, 6)) + "backend b6\n    fullconn 7\n    server s 127.0.0.1:1\n"
    text = ("global\n    maxconn 5000\ndefaults\n    mode tcp\n    timeout client 1s\n    timeout server 1s\n    timeout connect 1s\n"
            "frontend f1\n    bind 127.0.0.1:@f1@\n    maxconn 1000\n    use_backend b1 if { src 1.2.3.4 }\n"
            "    use_backend b1 if { src 1.2.3.5 }\n    use_backend b2 if { src 1.2.3.6 }\n    default_backend b1\n"
            "frontend f2\n    bind 127.0.0.1:@f2@\n    maxconn 205\n    default_backend b1\n"
            "frontend f3\n    bind 127.0.0.1:@f3@\n    use_backend %[src] if { src 1.2.3.9 }\n    default_backend b3\n"
            "listen l1\n    bind 127.0.0.1:@l1@\n    maxconn 31\n    use_backend b4 if { src 1.2.3.4 }\n    server s 127.0.0.1:1\n")
    got = [{r["pxname"]: r["slim"] for r in p.stat() if r["svname"] == "BACKEND"} for p in (Haproxy(text + ends), Lbd(text + ends))]
    equal(got[1], got[0], "limits of the backends")


main()
