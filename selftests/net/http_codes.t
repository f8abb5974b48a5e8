#!/usr/bin/env python3
# tap: timeout=60
"""http-err-codes, http-fail-codes: which statuses of servers the counters of stick tables take for errors and failures."""
import re
from lbt import *

CONFIG = """
global
{0}
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 5s
frontend f
    bind 127.0.0.1:@f@
    http-request track-sc0 str(x) table t
    default_backend b
backend b
    server s1 127.0.0.1:{1}
backend t
    stick-table type string size 10 store http_err_cnt,http_fail_cnt
"""
CODES = (200, 400, 404, 410, 499, 500, 501, 503, 505, 599)


def answer(conn, peer):
    data = b""
    while b"\r\n\r\n" not in data:
        data += conn.recv(4096)
    code = data.split(b"/", 1)[1].split(b" ")[0]
    conn.sendall(b"HTTP/1.1 " + code + b" Words\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def counted(lines, P=Lbd):
    server = ScriptServer(answer, "s1")
    p = P(CONFIG.format("".join(f"    {ln}\n" for ln in lines), server.port))
    errors, failures, seen = [], [], (0, 0)
    for code in CODES:
        equal(http(p.at("f"), f"/{code}").status, code, "status")
        def now():
            m = re.search(r"http_err_cnt=(\d+) http_fail_cnt=(\d+)", p.cmd("show table t"))
            return tuple(map(int, m.groups())) if m else None
        got = wait_for(now, what="the entry")
        if got[0] > seen[0]:
            errors.append(code)
        if got[1] > seen[1]:
            failures.append(code)
        seen = got
    return errors, failures


@case("without the words: as haproxy counts")
def _():
    equal(counted([]), counted([], Haproxy), "errors and failures")


@case("lists that begin anew, are made longer and shorter")
def _():
    equal(counted(["http-err-codes 404,499", "http-fail-codes 200 +599"]), ([404, 499], [200, 599]), "lists")
    equal(counted(["http-err-codes -404 +200", "http-fail-codes -500-503,599 +501"]), ([200, 400, 410, 499], [501]), "changes")


main()
