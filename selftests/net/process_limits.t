#!/usr/bin/env python3
# tap: timeout=120
"""What global words do to the running process: rates, places of files, unix sockets, CPUs, privileges, the end."""
import os
import signal
import socket
import stat
import struct
import threading
import time
from lbt import *

DEFAULTS = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
"""
ECHO = """
frontend f
    bind 127.0.0.1:@f@
    default_backend b
backend b
    server s1 127.0.0.1:%d
"""
server = EchoServer("s1", addr="127.0.0.1")


BOTH = [("lbd", Lbd), ("haproxy", Haproxy)]


def config(head="", tail=ECHO % server.port):
    return "global\n" + "".join(f"    {ln}\n" for ln in head.splitlines()) + DEFAULTS + tail


def status(pid, field):
    with open(f"/proc/{pid}/status") as f:
        for ln in f:
            if ln.startswith(field + ":"):
                return ln.split(":", 1)[1].strip()
    fail(f"no {field}")


def seconds_for(addr, n):
    """How long it takes until n connections at once have all been answered."""
    done, began = [], time.monotonic()

    def one():
        with socket.create_connection(addr, timeout=15) as c:
            c.sendall(b"x")
            done.append(c.recv(10))
    threads = [threading.Thread(target=one) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(len([d for d in done if d]), n, "answers")
    return time.monotonic() - began


for word in ("maxconnrate", "maxsessrate"):
    @cases(word + " limits what is accepted in a second: {0}", BOTH)
    def _(name, P, word=word):
        p = P(config(f"{word} 20\nnbthread 1"))
        took = seconds_for(p.at("f"), 30)		# 20 at once, then one each 50 ms
        true(0.3 < took < 8, f"30 connections took {took:.2f} s")
        field = {"maxconnrate": "ConnRateLimit", "maxsessrate": "SessRateLimit"}[word]
        equal(p.info()[field], "20", field)


@case("no limit, and maxsslrate at a listener without TLS: nothing waits")
def _():
    p = Lbd(config("maxsslrate 1\nmaxsslconn 1"))
    took = seconds_for(p.at("f"), 30)
    true(took < 5, f"30 connections took {took:.2f} s")
    equal(p.info()["SslRateLimit"], "1", "SslRateLimit")
    equal(p.info()["MaxSslConns"], "1", "MaxSslConns")


@cases("set rate-limit: the words of the reply and the fields of show info: {0}", BOTH)
def _(name, P):
    p = P(config())
    for words, want in (("connections global", "Expects an integer value."),
                        ("connections global -1", "Value out of range."),
                        ("connections", "'set rate-limit' only supports :"),
                        ("nonsense global 5", "'set rate-limit' only supports :"),
                        ("connections global 7", ""), ("sessions global 8", ""), ("ssl-sessions global 9", "")):
        equal(p.cmd("set rate-limit " + words).split("\n")[0], want, words)
    info = p.info()
    equal([info[k] for k in ("ConnRateLimit", "SessRateLimit", "SslRateLimit")], ["7", "8", "9"], "show info")
    contains(p.cmd("operator; set rate-limit sessions global 1"), "Permission denied")


@case("set rate-limit takes hold at once, and is taken back")
def _():
    p = Lbd(config())
    p.cmd("set rate-limit connections global 20")
    true(seconds_for(p.at("f"), 30) > 0.3, "it was limited")
    p.cmd("set rate-limit connections global 0")
    true(seconds_for(p.at("f"), 60) < 5, "it is not limited any more")


@cases("unix-bind: prefix, mode; what the bind line says wins; the stats socket is left alone: {0}",
       BOTH)
def _(name, P):
    where = os.path.join(os.environ["TMPDIR"], "ub." + P.label)
    os.mkdir(where)
    os.chmod(where, 0o755)
    p = P(config(f"unix-bind prefix {where} mode 620",
                 "frontend f\n    bind /a.sock\n    bind /b.sock mode 666\n    default_backend b\n"
                 f"backend b\n    server s1 127.0.0.1:{server.port}\n"))
    for sock, mode in (("a.sock", 0o620), ("b.sock", 0o666)):
        equal(oct(stat.S_IMODE(os.stat(f"{where}/{sock}").st_mode)), oct(mode), sock)
    with socket.socket(socket.AF_UNIX) as c:
        c.connect(f"{where}/a.sock")
        c.sendall(b"x")
        true(c.recv(10), "an answer")
    equal(p.info()["Stopping"], "0", "the stats socket is where it says")


@cases("default-path: relative names count from where it says: {0}", BOTH)
def _(name, P):
    top = os.path.join(os.environ["TMPDIR"], "dp." + P.label)
    os.makedirs(top + "/conf/lists")
    os.makedirs(top + "/lists")
    for where, text in (("/conf/lists", "127.0.0.1\n"), ("/lists", "10.0.0.1\n")):
        with open(top + where + "/allowed", "w") as f:
            f.write(text)
    for mode, allowed in (("config", True), ("parent", False), ("origin " + top + "/conf", True), ("origin " + top, False)):
        with open(top + "/conf/x.cfg", "w") as f:
            f.write(f"global\n    default-path {mode}\n" + DEFAULTS +
                    "frontend g\n    bind 127.0.0.1:7351\n    tcp-request connection reject unless { src -f lists/allowed }\n"
                    f"    default_backend b2\nbackend b2\n    server s1 127.0.0.1:{server.port}\n")
        p = P(config(), args=["-f", top + "/conf/x.cfg"])
        try:
            with socket.create_connection(("127.0.0.1", 7351), timeout=5) as c:
                c.sendall(b"x")
                got = bool(c.recv(10))
        except ConnectionResetError:
            got = False
        equal(got, allowed, "allowed by the file of " + mode)
        p.stop()


@cases("grace: after SIGUSR1 listeners go on for that long, and 'stopping' is true: {0}", BOTH)
def _(name, P):
    p = P(config("grace 600ms", """
frontend f
    bind 127.0.0.1:@f@
    use_backend yes if { stopping }
    default_backend no
backend no
    server no 127.0.0.1:%d
backend yes
    server yes 127.0.0.1:%d
""" % (EchoServer("no").port, EchoServer("yes").port)))

    def answer():
        with socket.create_connection(p.at("f"), timeout=5) as c:
            c.sendall(b"x")
            return c.recv(100)
    contains(answer(), b"no")
    p.send_signal(signal.SIGUSR1)
    began = time.monotonic()
    wait_for(lambda: b"yes" in answer(), what="'stopping' is true while it still accepts")
    equal(p.wait(), 0, "exit status")
    took = time.monotonic() - began
    true(0.4 < took < 6, f"it ended after {took:.2f} s")


def cpus_of_threads(pid):
    found = {}
    for t in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{t}/status") as f:
            lines = dict(ln.split(":\t", 1) for ln in f if ":\t" in ln)
        found[lines["Name"].strip()] = lines["Cpus_allowed_list"].strip()
    return found


CPUS = sorted(os.sched_getaffinity(0))


@case("cpu-map: each worker runs where it says; cpu-set: the process, and how many threads there are")
def _():
    first = CPUS[0]
    p = Lbd(config(f"nbthread 2\ncpu-map 1/2 {first}"))
    # each worker names and moves itself, some time after the first answer
    wait_for(lambda: cpus_of_threads(p.pid).get("lbd/2") == str(first), what="thread 2 runs where cpu-map says")
    wait_for(lambda: "lbd/1" in cpus_of_threads(p.pid), what="thread 1 has its name")
    if len(CPUS) > 1:
        true(cpus_of_threads(p.pid)["lbd/1"] != str(first), "thread 1 is left alone")
    p.stop()
    if len(CPUS) > 1:
        p = Lbd(config(f"nbthread 2\ncpu-map auto:1/1-2 {CPUS[1]} {CPUS[0]}"))
        two = lambda found: [found.get("lbd/1"), found.get("lbd/2")]
        wait_for(lambda: two(cpus_of_threads(p.pid)) == [str(CPUS[0]), str(CPUS[1])], what="auto: one by one, in order")
        p.stop()
    p = Lbd(config(f"cpu-set only-cpu {first}"))
    equal(p.info()["Nbthread"], "1", "threads on one CPU")
    equal(status(p.pid, "Cpus_allowed_list"), str(first), "the process")
    p.stop()
    if len(CPUS) > 1:
        p = Lbd(config(f"cpu-set drop-cpu {first}"))
        true(str(first) not in status(p.pid, "Cpus_allowed_list").split(","), "dropped")


@case("thread-hard-limit: no more threads, whatever else is said")
def _():
    equal(Lbd(config("thread-hard-limit 1\nnbthread 3")).info()["Nbthread"], "1", "with nbthread")
    equal(Lbd(config("thread-hard-limit 3\nnbthread 2")).info()["Nbthread"], "2", "below it")


@case("fd-hard-limit bounds descriptors and with them maxconn; prealloc-fd makes the table at once")
def _():
    p = Lbd(config("fd-hard-limit 1000"))
    info = p.info()
    true(int(info["Ulimit-n"]) <= 1000, "Ulimit-n " + info["Ulimit-n"])
    true(int(info["Maxconn"]) < 500, "Maxconn " + info["Maxconn"])
    p.stop()
    p = Lbd(config("fd-hard-limit 1000\nmaxconn 2000"))
    contains(p.log(), "'fd-hard-limit' allows 1000")
    true(int(p.info()["Maxconn"]) < 500, "Maxconn")
    p.stop()
    small = int(status(Lbd(config("maxconn 2000")).pid, "FDSize"))
    big = int(status(Lbd(config("maxconn 2000\nprealloc-fd")).pid, "FDSize"))
    true(big >= 4000 > small, f"FDSize {small} and {big}")


@cases("set-user-id programs gain nothing, unless insecure-setuid-wanted: {0}", BOTH)
def _(name, P):
    equal(status(P(config()).pid, "NoNewPrivs"), "1", "NoNewPrivs")
    equal(status(P(config("insecure-setuid-wanted")).pid, "NoNewPrivs"), "0", "with the word")
    if P is Lbd:
        equal(status(P(config("insecure-setuid-wanted\nno insecure-setuid-wanted")).pid, "NoNewPrivs"), "1", "taken back")


@case("setcap: another user, and these capabilities only")
def _():
    equal(int(status(Lbd(config("user nobody")).pid, "CapEff"), 16), 0, "without")
    p = Lbd(config("user nobody\nsetcap cap_net_raw,cap_net_bind_service"))
    equal(int(status(p.pid, "CapEff"), 16), 1 << 13 | 1 << 10, "with")
    equal(status(p.pid, "Uid").split()[0], "65534", "user")


@case("busy-polling: said by show info, no sleep, ends with the soft stop")
def _():
    p = Lbd(config("busy-polling\nnbthread 1"))
    equal(p.info()["BusyPolling"], "1", "BusyPolling")
    wait_for(lambda: int(p.info()["Idle_pct"]) < 30, what="the worker does not sleep")
    c = Conn(p.at("f"))
    c.send(b"x")
    c.recv_exact(1)
    p.send_signal(signal.SIGUSR1)
    wait_for(lambda: p.info()["BusyPolling"] == "0", what="it sleeps again")
    c.close()
    equal(p.wait(), 0, "exit status")


@case("harden.reject-privileged-ports.tcp: clients from below 1024 are reset, others are served")
def _():
    def answer(p, port):
        with socket.socket() as c:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            c.settimeout(5)
            c.bind(("127.0.0.1", port))
            try:
                c.connect(p.at("f"))
                c.sendall(b"x")
                return bool(c.recv(10))
            except ConnectionResetError:
                return False
    for how, want in (("on", False), ("off", True)):
        p = Lbd(config(f"harden.reject-privileged-ports.tcp {how}"))
        equal(answer(p, 611 if want else 612), want, how + ": a privileged port")
        equal(answer(p, 0), True, how + ": another port")
        p.stop()


@case("tune.listener.multi-queue off: connections stay with the thread that took them")
def _():
    def threads_of(how, ports):
        """Thread by source port. Which socket of an address gets a connection is the kernel's, by the ports alone."""
        p = Lbd(config(f"nbthread 2\ntune.listener.multi-queue {how}",
                       ECHO.replace("@f@", "7352 shards by-thread") % server.port))
        conns = []
        for port in ports:
            c = socket.socket()
            c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.settimeout(5)
            c.bind(("127.0.0.1", port))
            c.connect(("127.0.0.1", 7352))
            true(c.recv(10), "greeting")
            conns.append(c)
        lines = [ln for ln in p.cmd("show sess").splitlines() if "src=" in ln]
        for c in conns:
            c.close()
        p.stop()
        return {int(ln.split("src=")[1].split()[0].rpartition(":")[2]): int(int(ln.split(":")[0], 16) >= 1 << 24) for ln in lines}

    found = threads_of("off", range(20001, 20041))
    equal(sorted(set(found.values())), [0, 1], "both sockets got some")
    first = [port for port, thread in found.items() if thread == 0]
    equal(set(threads_of("off", first).values()), {0}, "off: what the first thread's socket gets stays there")
    equal(set(threads_of("on", first).values()), {0, 1}, "on: the other thread takes its share")


@case("tune.notsent-lowat, tune.sndbuf.backend, tune.maxpollevents: traffic passes with small numbers")
def _():
    p = Lbd(config("tune.notsent-lowat.client 8192\ntune.notsent-lowat.server 8192\ntune.maxpollevents 1\nlog 127.0.0.1:514 local0\ntune.sndbuf.backend 8192"))
    data = pattern(300000)
    c = Conn(p.at("f"))
    threading.Thread(target=lambda: c.send(data)).start()
    name = c.recv_exact(len(b"s1\n"))
    equal(name, b"s1\n", "greeting")
    equal(c.recv_exact(len(data)), data, "bytes")


main()
