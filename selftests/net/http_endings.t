#!/usr/bin/env python3
# tap: timeout=100
"""How HTTP exchanges end: every row is played against lbd and against Debian's haproxy with the same file, at the same time;
server, status, termination state, the timers' order of magnitude and what the client saw must be the same.
"""
import re
import socket
import struct
import threading
import time
from lbt import *

SLACK_MS = 700		# two busy cores; what is compared lies a second apart

CONFIG = """
    global
        log 127.0.0.1:@SYSLOG@ local0
        nbthread 1
    defaults
        mode http
        log global
        option httplog
        timeout client 1500ms
        timeout server 1500ms
        timeout connect 1s
        timeout http-request 1200ms
        retries 1
        EXTRA
    frontend f
        bind 127.0.0.1:@FE@
        RULES
        default_backend b
    backend b
        server s 127.0.0.1:@SRV@
"""


def rst(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def head_of(c):
    """Reads a request's head; False at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = c.recv(65536)
        if not chunk:
            return False
        data += chunk
    return data


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BIG = b"HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n"


# ---- servers: (conn) -> None ------------------------------------------------------------------

def s_ok(c):
    while head_of(c):
        c.sendall(OK)


def s_body(c):
    """Reads ten bytes of body, too."""
    data = head_of(c)
    while data and len(data.partition(b"\r\n\r\n")[2]) < 10:
        chunk = c.recv(65536)
        if not chunk:
            return
        data += chunk
    c.sendall(OK)


def s_silent(c):
    head_of(c)
    c.settimeout(6)
    c.recv(1)


def s_close(c):
    head_of(c)


def s_reset(c):
    head_of(c)
    rst(c)


def s_garbage(c):
    head_of(c)
    c.sendall(b"nonsense\r\n\r\n")
    c.recv(1)


def s_half_head(c):
    head_of(c)
    c.sendall(b"HTTP/1.1 200 OK\r\nContent-")


def s_half_head_silent(c):
    head_of(c)
    c.sendall(b"HTTP/1.1 200 OK\r\nContent-")
    c.settimeout(6)
    c.recv(1)


def s_short(c):
    head_of(c)
    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!")


def s_short_chunk(c):
    head_of(c)
    c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfive!\r\n")


def s_stall(c):
    head_of(c)
    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!")
    c.settimeout(6)
    c.recv(1)


def s_until_close(c):
    head_of(c)
    c.sendall(b"HTTP/1.1 200 OK\r\n\r\nall of it")


def s_flood(c):
    head_of(c)
    c.sendall(BIG)
    c.settimeout(6)
    for _ in range(460):
        c.sendall(b"z" * 65536)


def s_early(c):
    """Answers before it has read the body, and closes."""
    head_of(c)
    c.sendall(b"HTTP/1.1 413 Too large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    c.settimeout(3)
    try:
        while c.recv(65536):
            pass
    except TimeoutError:
        pass


def s_none(c):
    pass


# ---- clients: (conn) -> what they saw -----------------------------------------------------------

GET = b"GET /x HTTP/1.1\r\nHost: t\r\n\r\n"


def status(data):
    return [int(m) for m in re.findall(rb"HTTP/1.\d (\d\d\d)", data)]


def read_end(c, limit=8):
    c.settimeout(limit)
    data = b""
    try:
        while chunk := c.recv(262144):
            data += chunk
        return data, "end"
    except ConnectionError:
        return data, "reset"
    except TimeoutError:
        return data, "open"


def c_get(c):
    c.sendall(GET)
    c.settimeout(8)
    data = c.recv(65536)
    return status(data)


def c_get_to_end(c):
    c.sendall(GET)
    data, how = read_end(c)
    return status(data), data.partition(b"\r\n\r\n")[2][:40] if status(data) == [200] else b"", how


def c_get_close(c):
    c.sendall(b"GET /x HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
    data, how = read_end(c)
    return status(data), how


def c_get_shut(c):
    c.sendall(GET)
    c.shutdown(socket.SHUT_WR)
    data, how = read_end(c)
    return status(data), how


def c_get_reset(c):
    c.sendall(GET)
    time.sleep(0.3)	# pacing
    rst(c)
    return "reset"


def c_nothing(c):
    data, how = read_end(c)
    return status(data), how


def c_nothing_close(c):
    c.close()
    return "closed"


def c_nothing_then_get(c):
    """Says nothing until it is closed; the request of the next connection is then the first that is logged."""
    saw, at = read_end(c), c.getpeername()
    c.close()
    with socket.create_connection(at) as next_one:
        return status(saw[0]), c_get(next_one)


def c_half(c):
    c.sendall(b"GET /x HTTP/1.1\r\nHos")
    data, how = read_end(c)
    return status(data), how


def c_half_close(c):
    c.sendall(b"GET /x HTTP/1.1\r\nHos")
    time.sleep(0.1)	# pacing
    c.shutdown(socket.SHUT_WR)
    data, how = read_end(c)
    return status(data), how


def c_bad(c):
    c.sendall(b"GET /x\r\n\r\n")
    data, how = read_end(c)
    return status(data), how


def c_post_half(c):
    c.sendall(b"POST /x HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nfive!")
    data, how = read_end(c)
    return how


def c_post_half_close(c):
    c.sendall(b"POST /x HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nfive!")
    time.sleep(0.2)	# pacing
    rst(c)
    return "reset"


def c_post_big(c):
    c.settimeout(6)
    try:
        c.sendall(b"POST /x HTTP/1.1\r\nHost: t\r\nContent-Length: 20000000\r\n\r\n")
        for _ in range(300):
            c.sendall(b"y" * 65536)
    except (ConnectionError, TimeoutError):
        pass
    data = b""
    try:
        data = c.recv(65536)
    except (ConnectionError, TimeoutError):
        pass
    return status(data)


def c_never_read(c):
    c.sendall(GET)
    time.sleep(2.6)	# longer than timeout client
    return "-"


def c_read_little(c):
    c.sendall(GET)
    c.recv(1000)
    time.sleep(0.2)	# pacing
    rst(c)
    return "reset"


ROWS = [
    # words, client, server, extra defaults, frontend rules
    ("a plain exchange", c_get, s_ok, "", ""),
    ("connection: close", c_get_close, s_ok, "", ""),
    ("a client that shuts its side waits for the answer", c_get_shut, s_ok, "", ""),
    ("a body until the end of the connection", c_get_to_end, s_until_close, "", ""),
    ("the server is silent", c_get, s_silent, "", ""),
    ("the server closes without an answer", c_get, s_close, "", ""),
    ("the server resets", c_get, s_reset, "", ""),
    ("the server says no HTTP", c_get, s_garbage, "", ""),
    ("the server ends in the head", c_get, s_half_head, "", ""),
    ("the server stalls in the head", c_get, s_half_head_silent, "", ""),
    ("the server ends in the body", c_get_to_end, s_short, "", ""),
    ("the server ends in a chunked body", c_get_to_end, s_short_chunk, "", ""),
    ("the server stalls in the body", c_get_to_end, s_stall, "", ""),
    ("the client resets while waiting", c_get_reset, s_silent, "", ""),
    ("the client resets while reading", c_read_little, s_flood, "", ""),
    ("the client does not read", c_never_read, s_flood, "", ""),
    ("no request at all", c_nothing, s_ok, "", ""),
    ("a connection that closes at once", c_nothing_close, s_ok, "", ""),
    ("half a request, then silence", c_half, s_ok, "", ""),
    ("half a request, then the end", c_half_close, s_ok, "", ""),
    ("a malformed request", c_bad, s_ok, "", ""),
    ("no request at all, dontlognull: no line", c_nothing_then_get, s_ok, "option dontlognull", ""),
    ("half a request, then silence, dontlognull", c_half, s_ok, "option dontlognull", ""),
    ("half a request, then the end, dontlognull", c_half_close, s_ok, "option dontlognull", ""),
    ("a malformed request, dontlognull", c_bad, s_ok, "option dontlognull", ""),
    ("half a body, then a reset", c_post_half_close, s_body, "", ""),
    ("half a body, then silence", c_post_half, s_body, "", ""),
    ("half a body, then silence, the server has more time", c_post_half, s_body, "timeout server 3s", ""),
    ("answered before the body came, then a reset", c_post_half_close, s_ok, "", ""),
    ("the client resets while waiting, abortonclose", c_get_reset, s_silent, "option abortonclose", ""),
    ("nobody listens on the server's port", c_get, None, "", ""),
    ("a denied request", c_get, s_ok, "", "http-request deny"),
    ("a denied request with a status", c_get, s_ok, "", "http-request deny deny_status 429"),
    ("a redirect", c_get, s_ok, "", "http-request redirect location /y"),
    ("http-server-close", c_get, s_ok, "option http-server-close", ""),
    ("httpclose", c_get_to_end, s_ok, "option httpclose", ""),
]

LINE = re.compile(r"\] f ([\w<>/]+) ([-\d]+)/([-\d]+)/([-\d]+)/([-\d]+)/\+?(\d+) ([-\d]+) \+?(\d+) - - (\S{4}) "
                  r"(\d+)/(\d+)/(\d+)/(\d+)/(\+?\d+) (\d+)/(\d+) (.*)$")


def play(program, client, server, extra, rules):
    log = Syslog()
    ports = {"SYSLOG": log.port}
    if server:
        ports["SRV"] = ScriptServer(lambda conn, peer: server(conn)).port
    else:
        ports["SRV"] = free_port()
    p = program(CONFIG.replace("EXTRA", extra).replace("RULES", rules), ports=ports)
    c = socket.create_connection(p.at("FE"))
    try:
        saw = client(c)
    except (ConnectionError, TimeoutError) as e:
        saw = type(e).__name__
    c.close()
    m = log.wait(r"\] f [\w<>/]+ [-\d]+/.*", timeout=8)
    line = m.string.rstrip()
    f = LINE.search(line)
    true(f, f"no log line in the format of httplog: {line!r}")
    g = f.groups()
    return {"saw": saw, "server": g[0], "times": [int(x) for x in g[1:6]], "status": g[6], "state": g[8],
            "conns": g[9:14], "queues": g[14:16], "request": g[16], "line": line}


def compare(client, server, extra, rules):
    results = {}

    def one(program):
        try:
            results[program] = play(program, client, server, extra, rules)
        except Exception as e:
            results[program] = e
    for program in (Lbd, Haproxy):
        one(program)
    ours, theirs = results[Lbd], results[Haproxy]
    for r in (ours, theirs):
        if isinstance(r, Exception):
            raise r
    note(ours["line"][-110:])
    note(theirs["line"][-110:])
    for what in ("server", "status", "state", "request", "conns", "queues", "saw"):
        equal(ours[what], theirs[what], what)
    for i, name in enumerate(("TR", "Tw", "Tc", "Tr", "Ta")):
        a, b = ours["times"][i], theirs["times"][i]
        true((a < 0) == (b < 0) and abs(a - b) <= SLACK_MS, f"%{name}: got {a}, haproxy has {b}")


cases("{0}", ROWS)(lambda words, client, server, extra, rules: compare(client, server, extra, rules))
main()
