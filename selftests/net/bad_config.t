#!/usr/bin/env python3
"""Bad input at the start: each gets a clear message with file and line, exit status 1, no crash, and
not a flood of text. Files that people really hand over: binary, cut off, huge, a directory."""
import os
import random
import socket
import subprocess
from lbt import *

HEAD = "defaults\n    timeout connect 1s\n    timeout client 1s\n    timeout server 1s\n"
MAX_OUTPUT = 20000


def write(name, data):
    path = os.path.join(TMP, name)
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    return path


def lbd(*args, timeout=10):
    """(exit status, all it said) of lbd that is expected to end by itself."""
    r = subprocess.run([LBD, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=timeout, cwd=TMP)
    text = r.stdout.decode(errors="replace")
    true("Sanitizer" not in text and "runtime error" not in text, f"sanitizer report: {text[-3000:]}")
    true(len(text) < MAX_OUTPUT, f"{len(text)} characters of output")
    return r.returncode, text


rng = random.Random(7)


@cases("refused with words: {0}", [
    ("binary garbage", rng.randbytes(4000), ":1:"),
    ("a NUL byte in a line", "global\n    log \0stdout\n", ":2:"),
    ("a line of 1 MB", "frontend x\n    bind :80 " + "a" * 1000000 + "\n", ":2:"),
    ("a line of 1 MB of words", "frontend x\n    bind " + "a " * 500000 + "\n", ":2:"),
    ("a line of 1 MB outside of sections", "b" * 1000000 + "\n", ":1:"),
    ("1 MB in quotes", "frontend x\n    bind \"" + "c" * 1000000 + "\"\n", ":2:"),
    ("no line feed at the end", "frontend x\n    bind :80", ":2:"),
    ("an open quote", "global\n    nbthread \"1\n", ":2:"),
    ("an open condition", ".if true\nglobal\n", ""),
    ("an end without its condition", "global\n.endif\n", ":2:"),
    ("a keyword in no section", "bind :80\n", ":1:"),
    ("a port that is none", HEAD + "frontend x\n    bind 127.0.0.1:99999\n", ":6:"),
    ("a negative number", "global\n    maxconn -5\n", ":2:"),
    ("a number that overflows", "global\n    maxconn 99999999999999999999\n", ":2:"),
    ("a time that overflows", "defaults\n    timeout client 99999999999999999999d\n", ":2:"),
    ("a backend that is not there",
     HEAD + "frontend x\n    bind 127.0.0.1:8000\n    default_backend nowhere\n", "nowhere"),
    ("an unknown keyword, with the nearest", "global\n    maxcon 5\n", "maxconn"),
    ("two proxies of one name", "backend a\nbackend a\n", ":2:"),
])
def _(words, data, want):
    path = write("bad.cfg", data)
    status, text = lbd("-c", "-f", path)
    equal(status, 1, f"exit status; it said: {text[:600]}")
    contains(text, "bad.cfg", "message")
    contains(text, want, "message")


@cases("not a file: {0}", [
    ("missing", "nowhere.cfg", "No such file"),
    ("a directory without files", "empty.d", "empty.d"),
    ("unreadable device", "/proc/self/mem", "/proc/self/mem"),
])
def _(words, path, want):
    os.makedirs(os.path.join(TMP, "empty.d"), exist_ok=True)
    status, text = lbd("-c", "-f", path)
    equal(status, 1, f"exit status; it said: {text[:600]}")
    contains(text, want, "message")


@case("mutations of a good file never crash the reader (300 of them)")
def _():
    good = (HEAD + "frontend web\n    mode http\n    bind 127.0.0.1:8000\n    acl a path_beg /x\n"
            "    http-request deny if a or { src 10.0.0.0/8 }\n    default_backend b\n"
            "backend b\n    mode http\n    balance roundrobin\n    option httpchk GET /\n"
            "    server s1 127.0.0.1:8001 check inter 2s weight 10\n").encode()
    for n in range(300):
        data = bytearray(good)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(data))
            what = rng.randrange(4)
            if what == 0:
                data[at] = rng.randrange(256)
            elif what == 1:
                del data[at:at + rng.randint(1, 20)]
            elif what == 2:
                data[at:at] = bytes([rng.choice(b"\"'\\${}()!%\n\t #,:/")]) * rng.randint(1, 3)
            else:
                data[at:at] = data[:rng.randint(1, 60)]
        status, text = lbd("-c", "-f", write("mutant.cfg", bytes(data)))
        true(status in (0, 1, 2), f"mutant {n}: exit status {status}: {bytes(data)!r}\n{text[-2000:]}")


SERVICE = HEAD + "listen x\n    mode tcp\n    bind 127.0.0.1:@port@\n    server s 127.0.0.1:9\n"


@case("an address in use: a message that names it, exit status 1")
def _():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen()
    port = str(s.getsockname()[1])
    status, text = lbd("-db", "-f", write("use.cfg", SERVICE.replace("@port@", port)))
    s.close()
    equal(status, 1, f"exit status; it said: {text}")
    contains(text, port, "message")
    contains(text, "x", "message")


@case("a pid file on a full disk: a message, exit status 1, nothing left behind")
def _():
    disk = os.path.join(TMP, "full")
    os.makedirs(disk)
    run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk])
    at_end(run, ["umount", "-l", disk])
    with open(os.path.join(disk, "filler"), "wb", buffering=0) as f:
        with raises(OSError):
            while True:
                f.write(b"x" * 4096)
    port = str(free_port())
    status, text = lbd("-D", "-p", os.path.join(disk, "pid"),
                       "-f", write("full.cfg", SERVICE.replace("@port@", port)))
    equal(status, 1, f"exit status; it said: {text}")
    contains(text, "pid", "message")
    with raises(ConnectionRefusedError):
        Conn(("127.0.0.1", int(port)))


@case("a server address that a listener of the file accepts: a warning, and it starts")
def _():
    text = SERVICE.replace("@port@", "8555").replace("127.0.0.1:9\n", "127.0.0.1:8555\n")
    status, said = lbd("-c", "-f", write("loop.cfg", text))
    equal(status, 0, f"exit status; it said: {said}")
    contains(said, "8555", "warning")


@case("a condition of 10,000 tests and an ACL of 30,000 patterns are read at once")
def _():
    path = write("long.cfg", HEAD + "frontend x\n    mode http\n    bind 127.0.0.1:8000\n    acl a path " + " ".join(f"/p{i}" for i in range(30000)) +
                 "\n    http-request deny if a or " + "{ path /a } || " * 10000 + "{ path /b }\n    http-request return status 200\n")
    equal(lbd("-c", "-f", path, timeout=8)[0], 0, "exit status")

main()
