#!/usr/bin/env python3
# tap: timeout=80
"""How TCP connections end: every row is played against lbd and against Debian's haproxy with the same file, at the same
time; termination state, server, retries, bytes and the three timers of the log line must be the same, and so must what
client and server saw.
"""
import select
import socket
import struct
import threading
import time
from lbt import *

SLACK_MS = 700		# two busy cores; what is compared lies a second apart


def rst(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def until_end(sock, limit=12):
    """Reads to the end: (bytes, how it ended)."""
    sock.settimeout(limit)
    n = 0
    try:
        while chunk := sock.recv(262144):
            n += len(chunk)
        return n, "end"
    except ConnectionError:
        return n, "reset"
    except TimeoutError:
        return n, "open"


# ---- what servers do: (conn) -> words --------------------------------------------------------

def s_echo(c):
    n = 0
    while chunk := c.recv(65536):
        n += len(chunk)
        c.sendall(chunk)
    return f"got {n}"


def s_reply_then_close(c):
    c.recv(100)
    c.sendall(b"bye")
    return "closed first"


def s_reply_at_end(c):
    n, how = until_end(c)
    c.sendall(b"x" * 1000)
    return f"got {n} {how}"


def s_shut_then_read(c):
    c.sendall(b"hello")
    c.shutdown(socket.SHUT_WR)
    return "got %d %s" % until_end(c)


def s_reset(c):
    c.recv(100)
    rst(c)
    return "reset"


def s_send_then_reset(c):
    c.recv(100)
    c.sendall(b"y" * 5000)
    time.sleep(0.3)	# pacing
    rst(c)
    return "reset"


def s_silent(c):
    return "got %d %s" % until_end(c)


def s_ignore_end(c):
    n, how = until_end(c)
    # it saw the end and keeps its own side open until the proxy lets go
    p = select.poll()
    p.register(c, select.POLLHUP | select.POLLERR)
    p.poll(9000)
    return f"got {n} {how}"


def s_close_at_once(c):
    return "closed at once"


def s_flood(c):
    c.settimeout(8)
    try:
        while True:
            c.sendall(b"z" * 65536)
    except (ConnectionError, TimeoutError):
        return "cut"


def s_never_read(c):
    time.sleep(0.1)	# pacing
    p = select.poll()
    p.register(c, select.POLLHUP | select.POLLERR | select.POLLRDHUP)
    p.poll(9000)
    return "-"


# ---- what clients do: (conn) -> words --------------------------------------------------------

def c_talk(c):
    c.sendall(b"hi")
    got = c.recv(100)
    c.close()
    return got


def c_read(c):
    c.sendall(b"hi")
    return "%d %s" % until_end(c)


def c_shut_then_read(c):
    c.sendall(b"q" * 300)
    c.shutdown(socket.SHUT_WR)
    return "%d %s" % until_end(c)


def c_send_after_end(c):
    got = until_end(c)
    c.sendall(b"w" * 700)
    c.close()
    return "%d %s" % got


def c_reset(c):
    c.sendall(b"hi")
    c.recv(100)
    rst(c)
    return "reset"


def c_reset_at_once(c):
    time.sleep(0.2)	# pacing
    rst(c)
    return "reset"


def c_idle(c):
    return "%d %s" % until_end(c)


def c_keep_open(c):
    """Reads to the end and does not close for a while."""
    c.sendall(b"hi")
    got = until_end(c)
    p = select.poll()
    p.register(c, select.POLLHUP | select.POLLERR)
    p.poll(5000)
    return "%d %s" % got


def c_busy(c):
    """A byte now and then, longer than the timeouts; then idle."""
    for _ in range(6):
        c.sendall(b"k")
        c.recv(10)
        time.sleep(0.25)	# pacing
    return "%d %s" % until_end(c)


def c_leave(c):
    time.sleep(0.3)	# pacing
    c.close()
    return "left"


def c_send_and_leave(c):
    c.sendall(b"data")
    time.sleep(0.3)	# pacing
    c.shutdown(socket.SHUT_WR)
    return "%d %s" % until_end(c)


def c_stall(c):
    """Never reads, until it is cut."""
    p = select.poll()
    p.register(c, select.POLLHUP | select.POLLERR)
    p.poll(9000)
    return "-"


def c_push(c):
    c.settimeout(8)
    try:
        while True:
            c.sendall(b"p" * 65536)
    except (ConnectionError, TimeoutError):
        return "cut"


def c_none(c):
    c.close()
    return "left"


def c_shut_at_once(c):
    time.sleep(0.2)		# the server is connected: black_c is the other case (pacing)
    c.shutdown(socket.SHUT_WR)
    return "%d %s" % until_end(c)


def full_backlog():
    """A port that answers no SYN: its queue is full."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(0)
    held = []
    for _ in range(3):
        c = socket.socket()
        c.setblocking(False)
        try:
            c.connect(s.getsockname())
        except BlockingIOError:
            pass
        held.append(c)
    KEEP.append((s, held))
    return s.getsockname()[1]


def closed_port():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    KEEP.append(s)			# bound, not listening: refuses, and nobody else gets it
    return s.getsockname()[1]


KEEP = []
BLACK, CLOSED = full_backlog(), closed_port()
D = "timeout client 6s\n timeout server 6s\n timeout connect 3s\n"

# name, words, settings, client, server (a function or a port), fields that are compared beside the termination state
ROWS = [
    ("plain", "a message and its echo, the client closes", D, c_talk, s_echo),
    ("nodata", "the client closes without a byte", D, c_none, s_echo),
    ("srvfirst", "the server closes first", D, c_read, s_reply_then_close),
    ("halfc", "the client ends its side first, the server still answers", D, c_shut_then_read, s_reply_at_end),
    ("halfs", "the server ends its side first, the client still sends", D, c_send_after_end, s_shut_then_read),
    ("empty", "the client ends its side without a byte", D, c_shut_at_once, s_reply_at_end),
    ("srvnow", "the server closes at once", D, c_idle, s_close_at_once),
    ("rstc", "the client resets", D, c_reset, s_echo),
    ("rstc0", "the client resets without a byte", D, c_reset_at_once, s_echo),
    ("rsts", "the server resets", D, c_read, s_reset),
    ("rsts2", "the server sends, then resets", D, c_read, s_send_then_reset),
    ("cto", "the client is silent too long", D + "timeout client 1s", c_idle, s_silent),
    ("cto_ig", "the client is silent too long, the server does not care", D + "timeout client 1s\n timeout server 3s",
     c_idle, s_ignore_end),
    ("sto", "the server is silent too long", D + "timeout server 1s", c_read, s_silent),
    ("sto_ig", "the server is silent too long, and ignores the end", D + "timeout server 1s\n timeout client 3s",
     c_keep_open, s_ignore_end),
    ("both", "both are silent, equal timeouts", D + "timeout client 1s\n timeout server 1s", c_idle, s_silent),
    ("tunnel", "tunnel replaces shorter timeouts", D + "timeout client 500\n timeout server 500\n timeout tunnel 2s",
     c_idle, s_silent),
    ("tunnel2", "tunnel replaces longer timeouts", D + "timeout tunnel 1s", c_idle, s_silent),
    ("alive", "traffic keeps it alive", D + "timeout client 1s\n timeout server 1s", c_busy, s_echo),
    ("cfin", "client-fin after the server's end", D + "timeout tunnel 6s\n timeout client-fin 1s", c_keep_open,
     s_reply_then_close),
    ("cfin2", "client-fin without tunnel", D + "timeout client-fin 1s", c_keep_open, s_reply_then_close),
    ("sfin", "server-fin after the client's end", D + "timeout tunnel 6s\n timeout server-fin 1s", c_shut_then_read,
     s_ignore_end),
    ("sfin2", "server-fin without tunnel", D + "timeout server-fin 1s", c_shut_then_read, s_ignore_end),
    ("nofin", "without -fin timeouts the ordinary ones count", D + "timeout server 1s", c_shut_then_read, s_ignore_end),
    ("stallc", "the client does not read", D + "timeout client 1s", c_stall, s_flood),
    ("stalls", "the server does not read", D + "timeout server 1s", c_push, s_never_read),
    ("refuse0", "refused, no retries", D + "retries 0", c_idle, CLOSED),
    ("refuse2", "refused, two retries a second apart", D + "retries 2", c_idle, CLOSED),
    ("refuse_c", "refused, the pause is at most timeout connect", D + "retries 2\n timeout connect 300", c_idle, CLOSED),
    ("black", "no answer to the connection, one retry", D + "retries 1\n timeout connect 700", c_idle, BLACK),
    ("black_c", "the client leaves while it connects", D, c_leave, BLACK),
    ("black_d", "the client leaves data and ends while it connects", D + "retries 0\n timeout connect 1s",
     c_send_and_leave, BLACK),
    ("black_a", "the same with abortonclose", D + "option abortonclose\n retries 0\n timeout connect 2s",
     c_send_and_leave, BLACK),
    ("refuse_l", "the client leaves during the pause before a retry", D + "retries 3", c_leave, CLOSED),
    ("nosrv", "no server is usable", D, c_idle, None),
]

seen, client_saw = {}, {}		# (proxy, row) -> words


def server_for(label, row, script):
    def serve(conn, peer):
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            words = script(conn)
        except ConnectionError:
            words = "reset"
        seen[label, row] = words
    return ScriptServer(serve, row)


def config_for(label):
    text = "defaults\n mode tcp\n option tcplog\n log stdout format raw daemon\n balance roundrobin\n"
    for name, words, settings, client, server in ROWS:
        port = server_for(label, name, server).port if callable(server) else server or CLOSED
        text += f"listen {name}\n bind 127.0.0.1:@{name}@\n {settings}\n"
        text += f" server s1 127.0.0.1:{port}{'' if server else ' disabled'}\n"
    return text


ours = Lbd(config_for("lbd"), stats=False)
theirs = Haproxy(config_for("haproxy"), stats=False)


def play(proxy, name, client):
    c = socket.socket()
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    c.settimeout(12)
    if client is c_stall:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20000)
    c.connect(proxy.at(name))
    try:
        words = client(c)
    except OSError as e:
        words = type(e).__name__
    client_saw[proxy.label, name] = words
    c.close()


threads = [threading.Thread(target=play, args=(p, row[0], row[3]), daemon=True) for row in ROWS for p in (ours, theirs)]
for t in threads:
    t.start()

LINE = r"\] {0} {0}/(\S+) (-?\d+)/(-?\d+)/(\d+) (\d+) (\S\S) (\d+)/(\d+)/(\d+)/(\d+)/(\+?\d+) (\d+/\d+)"


def line_of(proxy, name):
    m = proxy.wait_log(LINE.format(name), timeout=20)
    return {"server": m.group(1), "queue": int(m.group(2)), "connect": int(m.group(3)), "total": int(m.group(4)),
            "bytes": int(m.group(5)), "state": m.group(6), "connections of frontend, backend, server":
            m.group(8, 9, 10), "retries": m.group(11), "queues": m.group(12)}


def near(a, b):
    return a == b or (a >= 0 and b >= 0 and abs(a - b) <= SLACK_MS)


BULK = ("stallc", "stalls")	# how much fits into the buffers is nobody's promise


@cases("{1}: the log line is haproxy's", [row for row in ROWS])
def _(name, words, settings, client, server):
    a, b = line_of(ours, name), line_of(theirs, name)
    for key in ("state", "server", "retries", "queues", "connections of frontend, backend, server"):
        equal(a[key], b[key], key)
    if name not in BULK:
        equal(a["bytes"], b["bytes"], "bytes to the client")
    for key in ("queue", "connect", "total"):
        true(near(a[key], b[key]), f"{key} time {a[key]} ms, haproxy {b[key]} ms")


@cases("{1}: client and server saw the same", [row for row in ROWS if row[0] not in BULK])
def _(name, words, settings, client, server):
    wait_for(lambda: (ours.label, name) in client_saw and (theirs.label, name) in client_saw, 15, "both clients are done")
    equal(client_saw[ours.label, name], client_saw[theirs.label, name], "what the client saw")
    if callable(server):
        wait_for(lambda: (ours.label, name) in seen and (theirs.label, name) in seen, 10, "both servers are done")
        equal(seen[ours.label, name], seen[theirs.label, name], "what the server saw")


main()
