#!/usr/bin/env python3
# tap: timeout=60
"""Listening on every kind of address, reaching every kind of server, ending sessions from outside, in mode tcp."""
import os
import select
import socket
import subprocess
from lbt import *

HEAD = """
global
    nbthread 3
defaults
    mode tcp
    option tcplog
    log stdout format raw daemon
    timeout client 8s
    timeout server 8s
    timeout connect 2s
"""


def echo_unix(path):
    """An echo server on a unix socket; '@' in front: abstract."""
    import threading
    s = socket.socket(socket.AF_UNIX)
    s.bind("\0" + path[1:] if path[0] == "@" else path)
    s.listen(10)

    def one(c):
        while d := c.recv(65536):
            c.sendall(d)
        c.close()

    def run_():
        while True:
            try:
                c = s.accept()[0]
            except OSError:
                return
            threading.Thread(target=one, args=(c,), daemon=True).start()
    threading.Thread(target=run_, daemon=True).start()
    at_end(s.close)


def echoes(addr, family=None):
    s = socket.socket(family or (socket.AF_INET6 if ":" in addr[0] else socket.AF_INET))
    s.settimeout(5)
    s.connect(addr)
    s.sendall(pattern(3000))
    got = b""
    while len(got) < 3000 and (d := s.recv(65536)):
        got += d
    s.shutdown(socket.SHUT_WR)
    true(s.recv(10) == b"", "end of stream")
    s.close()
    equal(got, pattern(3000), f"echo through {addr}")


@case("IPv4, IPv6, both, a range of ports, unix, abstract: all answer")
def _():
    server = EchoServer("s", banner=False)
    base = 21000
    lbd = Lbd(HEAD + f"""
listen t
    bind 127.0.0.1:@v4@
    bind [::1]:@v6@ name six
    bind :::@both@ v4v6
    bind :::@only@ v6only
    bind *:@any@,127.0.0.1:@second@
    bind 127.0.0.1:{base}-{base + 3}
    bind unix@@tmp@/l.sock mode 600
    bind abns@lbd-tcp-sockets
    server s1 127.0.0.1:{server.port}
""", stats=False)
    for addr in (lbd.at("v4"), lbd.at("v6", "::1"), lbd.at("both", "::1"), lbd.at("both"), lbd.at("only", "::1"),
                 lbd.at("any"), lbd.at("second"), *(("127.0.0.1", base + i) for i in range(4))):
        echoes(addr)
    echoes(f"{TMP}/l.sock", socket.AF_UNIX)
    echoes("\0lbd-tcp-sockets", socket.AF_UNIX)
    equal(oct(os.stat(f"{TMP}/l.sock").st_mode & 0o777), "0o600", "mode of the unix socket")
    with raises(ConnectionRefusedError):
        socket.create_connection(lbd.at("only"), 2)
    lbd.stop()
    again = Lbd(HEAD + f"listen t\n bind unix@@tmp@/l.sock\n bind 127.0.0.1:@x@\n server s1 127.0.0.1:{server.port}\n",
                stats=False)
    echoes(f"{TMP}/l.sock", socket.AF_UNIX)		# a left-over path is no obstacle


@case("a listening socket handed over as fd@N")
def _():
    server = EchoServer("s", banner=False)
    s = socket.create_server(("127.0.0.1", 0))
    port = s.getsockname()[1]
    path = f"{TMP}/fd.cfg"
    with open(path, "w") as f:
        f.write(HEAD + 'listen t\n bind "fd@${web}"\n server s1 127.0.0.1:%d\n' % server.port)
    os.set_inheritable(s.fileno(), True)
    p = subprocess.Popen([LBD, "-db", "-f", path], env=dict(os.environ, web=str(s.fileno())), pass_fds=[s.fileno()])
    at_end(p.wait)
    at_end(p.terminate)
    s.close()
    for _ in range(10):
        echoes(("127.0.0.1", port))


@case("servers on IPv6, unix and abstract addresses; an address to come from")
def _():
    six = EchoServer("s", banner=False, addr="::1")
    seen = []
    four = ScriptServer(lambda c, p: (seen.append(p[0]), c.sendall(c.recv(5000)), c.recv(1)), "s")
    echo_unix(f"{TMP}/s.sock")
    echo_unix("@lbd-tcp-server")
    lbd = Lbd(HEAD + f"""
listen six
    bind 127.0.0.1:@six@
    server s [::1]:{six.port}
listen unix
    bind 127.0.0.1:@unix@
    server s unix@@tmp@/s.sock
listen abns
    bind 127.0.0.1:@abns@
    server s abns@lbd-tcp-server
listen from
    bind 127.0.0.1:@from@
    source 127.0.0.77
    server s 127.0.0.1:{four.port}
listen from2
    bind 127.0.0.1:@from2@
    source 127.0.0.77
    server s 127.0.0.1:{four.port} source 127.0.0.78
""", stats=False)
    for name in ("six", "unix", "abns"):
        echoes(lbd.at(name))
    for name, addr in (("from", "127.0.0.77"), ("from2", "127.0.0.78")):
        c = Conn(lbd.at(name))
        c.send(b"x")
        equal(c.recv_exact(1), b"x", "echo")
        equal(seen.pop(), addr, "address at the server")
        c.close()


@case("a server without a port gets the client's, with +N one beside it")
def _():
    a = EchoServer("same", addr="127.0.0.2")
    b = EchoServer("beside", addr="127.0.0.3", port=a.port + 1)
    lbd = Lbd(HEAD + f"""
listen t
    bind 127.0.0.1:{a.port}
    balance roundrobin
    server s1 127.0.0.2
    server s2 127.0.0.3:+1
""", stats=False, wait=False)
    wait_for(lambda: run(f"ss -ltn | grep -c 127.0.0.1:{a.port}", check=False).stdout.strip() == "1", 5, "it listens")
    equal([tcp_name(("127.0.0.1", a.port)) for _ in range(4)], ["same", "beside"] * 2, "servers")
    del lbd


@case("address in use, a wrong address, a path that cannot be made: each is said with its place, exit 1")
def _():
    taken = socket.create_server(("127.0.0.1", 0))
    path = f"{TMP}/bad.cfg"
    with open(path, "w") as f:
        f.write(HEAD + f"listen t\n bind 127.0.0.1:{taken.getsockname()[1]}\n bind 192.0.2.77:9999\n"
                       f" bind unix@{TMP}/no/such/dir\n server s1 127.0.0.1:1\n")
    r = subprocess.run([LBD, "-db", "-f", path], capture_output=True, text=True, timeout=10)
    equal(r.returncode, 1, "exit status")
    for words in (f"cannot bind 127.0.0.1:{taken.getsockname()[1]}: Address already in use",
                  f"(pid {os.getpid()}) listens there",
                  "cannot bind 192.0.2.77:9999: Cannot assign requested address", f"cannot bind unix@{TMP}/no/such/dir",
                  "bad.cfg:12", "bad.cfg:13"):
        contains(r.stderr, words, "messages")


def held(lbd, name, n):
    out = [Conn(lbd.at(name)) for _ in range(n)]
    for c in out:
        equal(c.recv_until(b"\n"), b"s1\n", "banner")
    return out


@case("shutdown sessions server: its sessions end with K, the others go on")
def _():
    s1, other = EchoServer("s1"), EchoServer("s1")
    lbd = Lbd(HEAD + f"""
listen t
    bind 127.0.0.1:@t@
    server s1 127.0.0.1:{s1.port}
listen u
    bind 127.0.0.1:@u@
    server s1 127.0.0.1:{other.port}
""")
    mine, others = held(lbd, "t", 6), held(lbd, "u", 2)
    lbd.cmd("shutdown sessions server t/s1")
    for c in mine:
        true(c.closed(), "a session of t/s1 ends")
    wait_for(lambda: lbd.log().count(" K- ") == 6, 5, "six lines with K-")
    for c in others:
        c.send(b"still\n")
        equal(c.recv_until(b"\n"), b"still\n", "echo of another session")


@case("show sess lists what runs, shutdown session ends one")
def _():
    s1 = EchoServer("s1")
    lbd = Lbd(HEAD + f"listen t\n bind 127.0.0.1:@t@\n server s1 127.0.0.1:{s1.port}\n")
    conns = held(lbd, "t", 3)
    lines = [ln for ln in lbd.cmd("show sess").splitlines() if "fe=t" in ln]
    equal(len(lines), 3, "lines")
    port = conns[1].sock.getsockname()[1]
    line = next(ln for ln in lines if f"src=127.0.0.1:{port} " in ln)
    contains(line, "be=t srv=s1", "the line")
    lbd.cmd(f"shutdown session {line.split(':')[0]}")
    true(conns[1].closed(), "that session ends")
    conns[0].send(b"x\n")
    equal(conns[0].recv_until(b"\n"), b"x\n", "echo of another")


@cases("connections spread over the threads, {0}", [("by-process",), ("by-thread",)])
def _(shards):
    s1 = EchoServer("s1")
    lbd = Lbd(HEAD.replace("nbthread 3", "nbthread 4\n    tune.listener.default-shards " + shards) +
              f"listen t\n bind 127.0.0.1:@t@\n server s1 127.0.0.1:{s1.port}\n")
    conns = held(lbd, "t", 80)
    ids = [int(ln.split(":")[0], 16) for ln in lbd.cmd("show sess").splitlines() if "fe=t" in ln]
    each = [sum(1 for i in ids if i >> 48 == t) for t in range(4)]
    note(f"sessions per thread: {each}")
    equal(sum(each), 80, "sessions")
    true(min(each) >= 12 and max(each) <= 30, f"sessions per thread: {each}")
    for c in conns:
        c.close()


@case("disable frontend: clients are refused, what runs goes on; enable frontend: they are served")
def _():
    s1 = EchoServer("s1")
    lbd = Lbd(HEAD + f"listen t\n bind 127.0.0.1:@t@\n server s1 127.0.0.1:{s1.port}\n")
    runs = held(lbd, "t", 1)[0]
    equal(lbd.cmd("disable frontend t").strip(), "", "reply")

    def refused():
        try:
            socket.create_connection(lbd.at("t"), 2).close()
        except ConnectionRefusedError:
            return True
    wait_for(refused, 5, "clients are refused")
    runs.send(b"x\n")
    equal(runs.recv_until(b"\n"), b"x\n", "echo")
    equal(lbd.cmd("enable frontend t").strip(), "", "reply")
    equal(tcp_name(lbd.at("t")), "s1", "server")


@case("a queue's clients go to another server when theirs goes down")
def _():
    first, second = EchoServer("s1"), EchoServer("s2")
    lbd = Lbd(HEAD + f"""
listen t
    bind 127.0.0.1:@t@
    balance roundrobin
    option redispatch
    timeout queue 8s
    server s1 127.0.0.1:{first.port} maxconn 1
    server s2 127.0.0.1:{second.port} maxconn 1 disabled
""")
    a = held(lbd, "t", 1)
    b = Conn(lbd.at("t"))
    wait_for(lambda: lbd.stat("t")["qcur"] == "1", 5, "one waits in the backend's queue")
    lbd.cmd("enable server t/s2")
    equal(b.recv_until(b"\n"), b"s2\n", "banner of the one that waited")
    del a


main()
