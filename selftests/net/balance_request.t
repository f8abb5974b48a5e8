#!/usr/bin/env python3
"""balance uri, url_param, hdr() and hash: the same requests in Debian's haproxy and in lbd reach the same server, whatever
part of the request is there, empty, repeated or cut."""
import random
from lbt import *

SERVERS = 13		# a prime: few keys share a server by chance
HEAD = ("defaults\n    mode http\n    timeout client 10s\n    timeout server 10s\n    timeout connect 5s\n"
        "    timeout http-request 10s\n")
rng = random.Random(3)

BALANCES = [
    "balance uri", "balance uri whole", "balance uri len 5", "balance uri depth 1", "balance uri depth 2 len 9",
    "balance uri path-only", "balance uri\n    hash-type consistent", "balance url_param id", "balance url_param i",
    "balance hdr(X-Key)", "balance hdr(x-key)\n    hash-type consistent wt6", "balance hash src", "balance hash path",
    "balance hash req.hdr(x-key),lower", "balance hash int(77)\n    hash-type map-based djb2",
    "balance hash str(abc),crc32\n    hash-type map-based djb2", "balance hash url_param(id),upper",
    "balance hash src\n    hash-type map-based crc32 avalanche",
]


def uris():
    fixed = ["/", "//", "/abc", "/abc/", "/abc/def/ghi.html?x=1/2", "/?id=abc", "/?x=1&id=abc&y=2", "/?id=", "/?id", "/?xid=1",
             "/?id=a%20b", "/?id=a;x=1", "/?x=1;id=2", "/?id=1&id=2", "/?&id=3", "/?id=x=y", "/?ID=5", "/a?b?id=9", "/?i=1&id=2",
             "/a/b/c/d/e/f", "/%2fa", "/abcd?", "/abcde", "/abcdef"]
    some = ["/" + "/".join("".join(rng.choices("abc123", k=rng.randint(0, 6))) for _ in range(rng.randint(1, 4)))
            + rng.choice(["", "?id=" + str(rng.randint(1, 999)), "?i=" + str(rng.randint(1, 999))]) for _ in range(40)]
    return fixed + some


HEADERS = [[], [("X-Key", "one")], [("X-Key", "one,two")], [("X-Key", "one"), ("X-Key", "two")], [("x-key", "  pad  ")],
           [("X-Key", "")], [("X-Key", "a, b")], [("X-Key", "MiXed")], [("X-Key", '"quo,ted",x')]]


@case("the same server for every request, by every form")
def _():
    servers = [HttpServer(f"s{i}") for i in range(SERVERS)]
    text = HEAD
    for i, lines in enumerate(BALANCES):
        text += f"listen l{i}\n    bind 127.0.0.1:@l{i}@\n    {lines}\n"
        text += "".join(f"    server s{k} 127.0.0.1:{s.port} weight {1 + k % 3}\n" for k, s in enumerate(servers))
    both = Haproxy(text), Lbd(text)
    todo = [(u, []) for u in uris()] + [("/x", h) for h in HEADERS]
    for i, lines in enumerate(BALANCES):
        conns = [Conn(p.at(f"l{i}")) for p in both]
        for uri, headers in todo:
            got = [c.request(uri, headers=headers).server for c in conns]
            equal(got[1], got[0], f"server by '{lines}' for {uri} {headers}")


@case("in mode tcp they fall back to round robin, with a warning")
def _():
    servers = [EchoServer(f"s{i}") for i in range(3)]
    for lines in ("balance uri", "balance hdr(a)", "balance url_param x"):
        text = HEAD.replace("mode http", "mode tcp") + f"listen l\n    bind 127.0.0.1:@l@\n    {lines}\n"
        text += "".join(f"    server {s.name} 127.0.0.1:{s.port} weight {i + 1}\n" for i, s in enumerate(servers))
        got = []
        for p in (Haproxy(text), Lbd(text)):
            got.append([Conn(p.at("l")).recv_until(b"\n") for _ in range(12)])
        equal(got[1], got[0], f"servers of '{lines}' in mode tcp")
        p.wait_log("round robin is used instead")


main()
