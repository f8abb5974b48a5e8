#!/usr/bin/env python3
# tap: timeout=150
"""Words of global, defaults, frontend, backend, bind and server lines, row by row, where no other test has had them: what a client,
a server or the operator sees of each, in haproxy too where it knows the word."""
import fcntl
import os
import re
import socket
import struct
import subprocess
import time
from lbt import *
from lbt.tls import Cert, TlsServer

BOTH = [("haproxy", Haproxy), ("lbd", Lbd)]
OURS = [("lbd", Lbd)]
DEFAULTS = """
defaults
    mode http
    timeout connect 3s
    timeout client 5s
    timeout server 5s
"""
YES = '    http-request return status 200 content-type text/plain string "yes"\n'
web = HttpServer("s1")
LISTEN = DEFAULTS + f"listen f\n    bind 127.0.0.1:@f@\n    server s 127.0.0.1:{web.port}\n"


def put(name, text):
    path = os.path.join(TMP, name)
    with open(path, "w") as f:
        f.write(text)
    return path


def verdict(P, text):
    return run([P.program, "-c", "-f", put("verdict.cfg", text)], check=False)


# ---- starting --------------------------------------------------------------------------------

WARNS = "frontend f\n    mode tcp\n    bind 127.0.0.1:@f@\n"


@case("quiet and zero-warning: a start with a warning; debug: not into the background")
def _():
    for P in (Haproxy, Lbd):
        for word, seen in (("", True), ("    quiet\n", False)):
            p = P("global\n" + word + WARNS)
            equal("imeout" in p.log(), seen, f"{p.label}: the warning, {word!r}")
            p.stop()
        equal(verdict(P, "global\n    zero-warning\n" + WARNS.replace("@f@", "1")).returncode, 1, f"{P.label}: zero-warning")
        equal(P("global\n    zero-warning\n" + LISTEN).info()["Stopping"], "0", f"{P.label}: nothing to warn of")
    port = free_port()
    for word, stays in (("", False), ("    debug\n", True)):
        path = put("debug.cfg", f"global\n    daemon\n{word}    stats socket {TMP}/debug.sock level admin\n" + LISTEN.replace("@f@", str(port)))
        first = subprocess.Popen([LBD, "-f", path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        at_end(first.kill)

        def pid():
            try:
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(f"{TMP}/debug.sock")
                    s.sendall(b"show info\n")
                    return int(re.search(rb"Pid: (\d+)", b"".join(iter(lambda: s.recv(65536), b""))).group(1))
            except (OSError, AttributeError):
                return 0
        serving = wait_for(pid, what="it runs")
        equal(serving == first.pid, stays, f"the process that was started serves, {word!r}")
        os.kill(serving, 15)
        first.wait(10)
        wait_for(lambda: not pid(), what="it has ended")


put("hosts", "127.0.0.1 localhost dual.test\n::1 dual.test\n")


@cases("dns-accept-family and nogetaddrinfo: which addresses a name gives: {0}", BOTH)
def _(name, P):
    run(["mount", "--bind", os.path.join(TMP, "hosts"), "/etc/hosts"])
    at_end(run, ["umount", "-l", "/etc/hosts"])

    def address(word):
        p = P(f"global\n    {word}\n{DEFAULTS}listen f\n    bind 127.0.0.1:@f@\n    server s dual.test:80\n")
        return p.stat("f", "s")["addr"]
    equal(address("nogetaddrinfo"), "127.0.0.1:80", "nogetaddrinfo: IPv4 only")
    if P is Lbd:		# of later versions
        equal([address(f"dns-accept-family {f}") for f in ("ipv4", "ipv6")], ["127.0.0.1:80", "[::1]:80"], "dns-accept-family")


@cases("resetenv, and variables of the process: {0}", BOTH)
def _(name, P):
    ask = ("frontend f\n    bind 127.0.0.1:@f@\n    http-request return content-type text/plain lf-string "
           "'%[env(LBD_A)]|%[env(LBD_B)]'\n")
    env = {"LBD_A": "a", "LBD_B": "b"}
    got = [http(P(f"global\n    {word}\n" + DEFAULTS + ask, env=env).at("f")).body for word in ("", "resetenv LBD_B PATH")]
    equal(got, [b"a|b", b"|b"], "variables")


FORMATS = [("HAPROXY_HTTP_LOG_FMT", "option httplog"), ("HAPROXY_TCP_LOG_FMT", "option tcplog"), ("HAPROXY_HTTP_CLF_LOG_FMT", "option httplog clf"),
           ("HAPROXY_HTTPS_LOG_FMT", "option httpslog")]


@case("the variables with predefined formats give the same lines as the options")
def _():
    for variable, option in FORMATS:
        shapes = []
        for how in (option, f'log-format "${{{variable}}}"'):
            log = Syslog()
            p = Lbd(f"global\n    log 127.0.0.1:{log.port} format raw local0\n" + LISTEN.replace("listen f\n", f"listen f\n    log global\n    {how}\n"))
            http(p.at("f"), "/x")
            shapes.append(re.sub(r"[A-Z][a-z]{2}(?=/)|\d+", "N", log.wait(" f/s |\"f\" \"s\"").string))
        equal(shapes[1], shapes[0], variable)
    log = Syslog()		# no option gives this one here
    p = Lbd(f"global\n    log 127.0.0.1:{log.port} format raw local0\n" + LISTEN.replace("listen f\n", "listen f\n    log global\n    log-format \"${HAPROXY_TCP_CLF_LOG_FMT}\"\n"))
    http(p.at("f"))
    log.wait(r'^127\.0\.0\.1 - - \[.*\] "TCP " 000 \d+ "" "" \d+ \d+ "f" "f" "s" ')


@case("variables that lbd sets: in the configuration, for samples, in show env")
def _():
    p = Lbd(DEFAULTS + """
frontend f
    bind 127.0.0.1:@f@
    http-request return content-type text/plain lf-string "${HAPROXY_LOCALPEER}|${HAPROXY_CFGFILES}|${HAPROXY_BRANCH}|${HAPROXY_VERSION}|${HAPROXY_STARTUP_VERSION}|%[env(HAPROXY_CLI)]|${HAPROXY_MWORKER-none}"
""", args=["-L", "me"])
    peer, files, branch, version, startup, cli, mworker = http(p.at("f")).body.decode().split("|")
    equal([peer, files, mworker, cli], ["me", p.cfg_path, "none", f"unix@{p.sock}"], "values")
    equal(branch, "2.6", "HAPROXY_BRANCH")
    true(version.startswith(branch) and startup == version, f"versions {version} and {startup}")


# ---- logs ------------------------------------------------------------------------------------

FACILITIES = "kern user mail daemon auth syslog lpr news uucp cron auth2 ftp ntp audit alert cron2 local0 local1 local2 local3 local4 local5 local6 local7".split()
LEVELS = "emerg alert crit err warning notice info debug".split()


@cases("log: the priority of each facility, and of each lowest level: {0}", BOTH)
def _(name, P):
    logs, lowest = {w: Syslog() for w in FACILITIES}, {w: Syslog() for w in LEVELS}
    lines = "".join(f"    log 127.0.0.1:{logs[f].port} {f}\n" for f in FACILITIES)
    lines += "".join(f"    log 127.0.0.1:{lowest[v].port} local0 debug {v}\n" for v in LEVELS)
    p = P(DEFAULTS + "frontend f\n    bind 127.0.0.1:@f@\n    option httplog\n" + lines + YES)
    http(p.at("f"))
    for i, f in enumerate(FACILITIES):
        equal(logs[f].wait(r"^<(\d+)>.*GET").group(1), str(i * 8 + 6), f)
    for i, v in enumerate(LEVELS):		# traffic is info (6): never more urgent than the lowest level that is said
        equal(lowest[v].wait(r"^<(\d+)>.*GET").group(1), str(16 * 8 + max(6, i)), v)


@case("log: levels keep what is less urgent out; format local; flags json, cbor, bin")
def _():
    notice, info, local = Syslog(), Syslog(), Syslog()
    p = Lbd(DEFAULTS + f"frontend f\n    bind 127.0.0.1:@f@\n    option httplog\n    log 127.0.0.1:{notice.port} local0 warning\n"
            f"    log 127.0.0.1:{info.port} local0 info\n    log 127.0.0.1:{local.port} format local local0\n" + YES)
    http(p.at("f"))
    info.wait("GET")
    true(re.match(r"<134>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d lbd\[\d+\]: ", local.wait("GET").string), "format local: no host name")
    equal(notice.lines, [], "lines of level warning")
    for flags, want in (("json", '{"who": "127.0.0.1", "n": 7}'), ("cbor", "BF6377686F69"), ("cbor,+bin", None)):
        log = Syslog()
        p = Lbd(DEFAULTS + f"frontend f\n    bind 127.0.0.1:@f@\n    log-format '%{{+{flags}}}o%(who)ci%(n:sint)[int(7)]'\n    log 127.0.0.1:{log.port} format raw local0\n" + YES)
        http(p.at("f"))
        line = wait_for(lambda: log.lines and log.lines[0], what="a line")
        if want:
            true(line.startswith(want), f"{flags}: {line!r}")
        else:
            true("who" in line and not line.startswith("BF"), f"{flags}: {line!r}")


# ---- HTTP ------------------------------------------------------------------------------------

def raw(addr, text, shut=False):
    """All that comes back until the end."""
    c = Conn(addr)
    c.send(text)
    if shut:
        c.shut()
    return c.recv_all()


@cases("tune.http.maxhdr, tune.http.logurilen: {0}", BOTH)
def _(name, P):
    log = Syslog()
    p = P(f"global\n    tune.http.maxhdr 12\n    tune.http.logurilen 30\n" + DEFAULTS + f"frontend f\n    bind 127.0.0.1:@f@\n    option httplog\n    log 127.0.0.1:{log.port} local0\n" + YES)
    status = [http(p.at("f"), headers={f"X-{i}": "1" for i in range(n)}).status for n in (3, 20)]
    equal(status, [200, 400], "3 and 20 headers")
    http(p.at("f"), "/" + "abcdefghij" * 10)
    equal(log.wait(r'"(GET /abc[^"]*)"?').group(1), "GET /" + ("abcdefghij" * 3)[:25], "the request in the log")


@cases("errorfile, errorloc, errorloc302, errorloc303, timeout tarpit, block, option forceclose: {0}", BOTH)
def _(name, P):
    page = put("page.http", "HTTP/1.0 503 Mine\r\nContent-Type: text/plain\r\n\r\nmy page")
    rows = [(f"errorfile 503 {page}", 503, None, b"my page"), ("errorloc 503 /away", 302, "/away", None), ("errorloc302 503 /a2", 302, "/a2", None), ("errorloc303 503 /a3", 303, "/a3", None)]
    for words, status, location, body in rows:
        p = P(DEFAULTS + f"frontend f\n    bind 127.0.0.1:@f@\n    {words}\n")
        r = http(p.at("f"))
        equal((r.status, r.header("location")), (status, location), words)
        equal(body or r.body, r.body, words)
    if P is Lbd:			# 'block' is an error in haproxy since 2.1, the fetch of a later version
        p = P(DEFAULTS + "frontend f\n    bind 127.0.0.1:@f@\n    block if { path /no }\n    default_backend b\nbackend b\n    timeout tarpit 4321\n    http-request return content-type text/plain lf-string '%[be_tarpit_timeout]'\n")
        equal([http(p.at("f"), path).status for path in ("/no", "/yes")], [403, 200], "block")
        equal(http(p.at("f")).body, b"4321", "timeout tarpit")
        p = P(DEFAULTS + "frontend f\n    bind 127.0.0.1:@f@\n    option forceclose\n" + YES)
        equal(http(p.at("f")).header("connection"), "close", "option forceclose")


@cases("option http-keep-alive takes httpclose of the defaults back: {0}", BOTH)
def _(name, P):
    got = []
    for word in ("", "    option http-keep-alive\n"):
        p = P(DEFAULTS + "    option httpclose\nlisten f\n    bind 127.0.0.1:@f@\n" + word + f"    server s 127.0.0.1:{web.port}\n")
        got.append(http(p.at("f")).header("connection"))
    equal(got, ["close", None], "Connection")


def odd(conn, peer):
    conn.recv(65536)
    conn.sendall(b"HTTP/1.1 200 OK\r\nX(odd: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


@cases("option accept-invalid-http-request and -response: a header name that is none: {0}", BOTH)
def _(name, P):
    server = ScriptServer(odd)
    request = b"GET / HTTP/1.1\r\nHost: a\r\nX(odd: 1\r\nConnection: close\r\n\r\n"
    for word, want in (("", b"400"), ("    option accept-invalid-http-request\n", b"200")):
        p = P(DEFAULTS + "frontend f\n    bind 127.0.0.1:@f@\n" + word + YES)
        equal(raw(p.at("f"), request).split(b" ")[1], want, f"request {word}")
    for word, want in (("", 502), ("    option accept-invalid-http-response\n", 200)):
        p = P(DEFAULTS + "listen f\n    bind 127.0.0.1:@f@\n" + word + f"    server s 127.0.0.1:{server.port}\n")
        equal(http(p.at("f")).status, want, f"response {word}")


@cases("option http-ignore-probes: connections without a request leave no trace: {0}", BOTH)
def _(name, P):
    for word, want in (("", True), ("    option http-ignore-probes\n", False)):
        log = Syslog()
        p = P(DEFAULTS + "frontend f\n    bind 127.0.0.1:@f@\n    option httplog\n" + word + f"    log 127.0.0.1:{log.port} local0\n" + YES)
        answer = raw(p.at("f"), b"", shut=True)
        http(p.at("f"), "/mark")
        log.wait("/mark")
        equal(any("BADREQ" in ln for ln in log.lines), want, f"a line in the log, {word!r}")
        equal(bool(answer) and want, bool(answer), "no answer to a probe that is ignored")


@cases("option nolinger: the end is a reset, for clients and for servers: {0}", BOTH)
def _(name, P):
    ends = []

    def until_end(conn, peer):
        try:
            while conn.recv(65536):
                pass
            ends.append("end")
        except ConnectionResetError:
            ends.append("reset")
    s = ScriptServer(until_end)
    for word, want in (("", "end"), ("    option nolinger\n", "reset")):
        p = P("defaults\n    timeout connect 3s\n    timeout client 5s\n    timeout server 5s\nfrontend f\n    mode tcp\n    bind 127.0.0.1:@f@\n    default_backend b\n"
              f"backend b\n    mode tcp\n{word}    server s 127.0.0.1:{s.port}\n")
        c = Conn(p.at("f"))
        c.send(b"x")
        wait_for(lambda: s.open_conns(), what="the server has a connection")
        c.close()
        wait_for(lambda: ends, what="the server sees the end")
        equal(ends.pop(), want, f"how the server's connection ends, {word!r}")


# ---- sockets ---------------------------------------------------------------------------------

def queue_length(port):
    return int(run(["ss", "-Hltn", "sport", "=", f":{port}"]).stdout.split()[2])


@cases("backlog of a proxy and of a bind line, mss, defer-accept: {0}", BOTH)
def _(name, P):
    p = P(DEFAULTS + f"frontend f\n    bind 127.0.0.1:@f@\n    backlog 77\n" + YES + "frontend g\n    mode tcp\n    bind 127.0.0.1:@g@ backlog 33\n    bind 127.0.0.1:@mss@ mss 700\n"
          "    bind 127.0.0.1:@plain@\n    bind 127.0.0.1:@defer@ defer-accept\n    default_backend b\nbackend b\n    mode tcp\n"
          f"    server s 127.0.0.1:{web.port}\n")
    equal([queue_length(p.port(n)) for n in ("f", "g")], [77, 33], "the sockets' queues")
    mss = [Conn(p.at(n)).sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) for n in ("mss", "plain")]
    true(mss[0] <= 700 < mss[1], f"segment sizes {mss}")
    before = int(p.stat("g", "FRONTEND")["stot"])
    silent = Conn(p.at("defer"))
    wait_for(lambda: Conn(p.at("plain")) and int(p.stat("g", "FRONTEND")["stot"]) > before, what="the plain one is accepted")
    sessions = p.cmd("show sess")
    own = f"{silent.sock.getsockname()[0]}:{silent.sock.getsockname()[1]}"
    true(own not in sessions, "a silent client is not accepted")
    silent.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    equal(silent.read_response().status, 200, "one that says something is")


@cases("bind, unix: uid, gid, user, group: {0}", BOTH)
def _(name, P):
    where = os.path.join(TMP, "unix." + name)
    os.mkdir(where)
    os.chmod(where, 0o755)
    P(DEFAULTS + f"frontend f\n    bind {where}/n uid 65534 gid 12\n    bind {where}/w user nobody group man\n" + YES)
    owners = [(os.stat(f"{where}/{n}").st_uid, os.stat(f"{where}/{n}").st_gid) for n in "nw"]
    equal(owners, [(65534, 12), (65534, 12)], "owners")


net = Net(servers=1)


@cases("bind tcp-ut: a client that acknowledges nothing is given up: {0}", BOTH)
def _(name, P):
    sent = []

    def talk(conn, peer):
        conn.recv(100)
        conn.sendall(b"first")
        sent.append(conn)
        conn.recv(100)
        conn.sendall(b"lost")
        try:
            sent.append("end" if conn.recv(100) == b"" else "data")
        except OSError:
            sent.append("end")
    s = ScriptServer(talk, ns=net.servers[0], addr="0.0.0.0")
    p = P("defaults\n    timeout connect 3s\n    timeout client 60s\n    timeout server 60s\n" +
          f"listen f\n    mode tcp\n    bind 10.9.0.1:@f@ tcp-ut 500ms\n    server s {net.server_ip[0]}:{s.port}\n", ns=net.lb)
    c = Conn(p.at("f", net.vip), ns=net.client)
    c.send(b"x")
    equal(c.recv_exact(5), b"first", "bytes")
    net.client.run("ip addr del 10.9.0.2/24 dev eth0")		# nobody acknowledges any more
    at_end(net.client.run, "ip addr add 10.9.0.2/24 dev eth0; ip route replace default via 10.9.0.1")
    sent[0].shutdown(socket.SHUT_RD)		# the server says more
    wait_for(lambda: "end" in sent, 20, "the connection was given up")


@case("stats maxconn: a further connection to the stats socket waits")
def _():
    for P in (Haproxy, Lbd):
        p = P("global\n    stats maxconn 1\n" + LISTEN)
        first = Conn(p.sock)
        first.send("prompt\n")
        first.recv_until(b"> ")
        second = Conn(p.sock, timeout=0.3)
        second.send("show version\n")
        with raises(TimeoutError, f"{p.label}: the second was answered"):
            second.recv_all()
        first.close()
        second.sock.settimeout(5)
        true(second.recv_all(), f"{p.label}: it is answered when the first has gone")


def pipe_sizes(pid):
    sizes = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            if os.readlink(f"/proc/{pid}/fd/{fd}").startswith("pipe:"):
                h = os.open(f"/proc/{pid}/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK)
                sizes.append(fcntl.fcntl(h, 1032))		# F_GETPIPE_SZ
                os.close(h)
        except OSError:
            pass
    return sizes


SPLICING = """
global
    nbthread 1
    %s
    tune.splice pipe
defaults
    mode tcp
    timeout connect 3s
    timeout client 30s
    timeout server 30s
listen f
    option splice-auto
    bind 127.0.0.1:@f@
    server s 127.0.0.1:%d
"""


@case("tune.pipesize and maxpipes: pipes of that size; no more than so many hold bytes, all bytes pass")
def _():
    data = pattern(8 << 20)

    def pour(conn, peer):
        conn.sendall(data)
    s = ScriptServer(pour)
    for words, size, most in (("tune.pipesize 131072", 131072, None), ("maxpipes 1", None, 1)):
        p = Lbd(SPLICING % (words, s.port))
        clients = [Conn(p.at("f"), rcvbuf=8192) for _ in range(4)]		# which read slowly: pipes hold bytes
        if size:
            wait_for(lambda: size in pipe_sizes(p.pid), what=f"a pipe of {size} bytes, among {pipe_sizes(p.pid)}")
        else:
            equal(p.info()["Maxpipes"], str(most), "Maxpipes")
            wait_for(lambda: int(p.info()["PipesUsed"]) >= 1, what="a pipe is used")
            true(int(p.info()["PipesUsed"]) <= most, "pipes used")
        for c in clients:
            equal(c.recv_all(), data, "bytes")


# ---- checks and servers ----------------------------------------------------------------------

class Times:
    """When connections have come to a server that says nothing."""

    def __init__(self):
        self.at = []
        self.server = ScriptServer(self.one)

    def one(self, conn, peer):
        self.at.append(time.monotonic())
        conn.recv(1000)
        conn.sendall(b"HTTP/1.0 200 OK\r\n\r\n")


@cases("spread-checks: intervals differ; max-spread-checks: the first checks start together: {0}", BOTH)
def _(name, P):
    def comes_early():
        t = Times()
        p = P(f"global\n    spread-checks 50\n{DEFAULTS}backend b\n    option httpchk\n    server s 127.0.0.1:{t.server.port} check inter 200ms\n")
        wait_for(lambda: any(b - a < 0.16 for a, b in zip(t.at[1:], t.at[2:])), 20, "an interval is well below 200 ms")
        p.stop()
    comes_early()

    def span(word):
        times = [Times() for _ in range(6)]
        servers = "".join(f"    server s{i} 127.0.0.1:{t.server.port} check inter 3s\n" for i, t in enumerate(times))
        p = P(f"global\n    {word}\n{DEFAULTS}backend b\n    option httpchk\n{servers}")
        wait_for(lambda: all(t.at for t in times), 15, "every server was checked")
        p.stop()
        return max(t.at[0] for t in times) - min(t.at[0] for t in times)
    true(span("max-spread-checks 300ms") < 1.3 < span(""), "how far the first checks are apart")


@cases("server: no-backup, enabled, stick take default-server back; maxqueue: {0}", BOTH)
def _(name, P):
    two = HttpServer("s2")

    def who(default, words):
        p = P(DEFAULTS + f"listen f\n    bind 127.0.0.1:@f@\n    default-server {default}\n    server s1 127.0.0.1:{web.port} {words}\n    server s2 127.0.0.1:{two.port}\n")
        return {http(p.at("f")).server for _ in range(4)}
    if P is Lbd:			# haproxy's no-backup does the same, but see there: two backups, the first only
        equal([who("backup", w) for w in ("", "no-backup")], [{"s1"}, {"s1"}], "backup")
    equal(who("disabled", "enabled"), {"s1"}, "enabled")
    p = P(DEFAULTS + f"listen f\n    bind 127.0.0.1:@f@\n    default-server backup\n    server s1 127.0.0.1:1 \n    server s2 127.0.0.1:{two.port} no-backup\n")
    equal({http(p.at("f")).server for _ in range(3)}, {"s2"}, "no-backup: it goes before the backup")
    for words, stored in (("non-stick", "used:0"), ("non-stick stick" if P is Lbd else "", "used:1")):
        p = P(DEFAULTS + f"listen f\n    bind 127.0.0.1:@f@\n    stick-table type ip size 10\n    stick on src\n    server s1 127.0.0.1:{web.port} {words}\n")
        http(p.at("f"))
        wait_for(lambda: stored in p.cmd("show table f"), what=f"{words}: {stored}")
    busy, free = EchoServer("busy"), EchoServer("free")
    p = P("defaults\n    mode tcp\n    timeout connect 3s\n    timeout client 9s\n    timeout server 9s\n    timeout queue 9s\nglobal\n    nbthread 1\nlisten f\n    bind 127.0.0.1:@f@\n"
          f"    balance first\n    default-server maxconn 1\n    server s1 127.0.0.1:{busy.port} maxqueue 1\n")
    first = Conn(p.at("f"))
    equal(first.recv_until(b"\n"), b"busy\n", "the first is served")
    waiting = [Conn(p.at("f")) for _ in range(2)]
    wait_for(lambda: p.stat("f", "BACKEND")["qcur"] == "2" or p.stat("f", "s1")["qcur"] != "0", what="others wait")
    first.close()
    for c in waiting:
        equal(c.recv_until(b"\n"), b"busy\n", "each has its turn")
        c.close()


@cases("server: pool-max-conn 0 keeps no idle connection, pool-purge-delay ends them: {0}", BOTH)
def _(name, P):
    for words, stays in (("", True), ("pool-max-conn 0", False)):
        s = HttpServer("s")
        p = P(f"global\n    nbthread 1\n{DEFAULTS}listen f\n    bind 127.0.0.1:@f@\n    http-reuse always\n    server s 127.0.0.1:{s.port} {words}\n")
        for _ in range(3):
            http(p.at("f"))
        if stays:
            equal(s.accepted, 1, "connections without")
        else:
            equal(s.accepted, 3, words)
    s = HttpServer("s")
    p = P(f"global\n    nbthread 1\n{DEFAULTS}listen f\n    bind 127.0.0.1:@f@\n    http-reuse always\n    server s 127.0.0.1:{s.port} pool-purge-delay 200ms\n")
    http(p.at("f"))
    wait_for(lambda: s.open_conns() == 0, 4, "the idle connection is closed")


@case("guid and guid-prefix: names that must differ, in the whole configuration")
def _():
    text = DEFAULTS + "frontend f\n    guid one\n    bind 127.0.0.1:@f@ guid-prefix two\n    default_backend b\nbackend b\n    guid three\n" + f"    server s 127.0.0.1:{web.port} guid %s\n"
    equal(http(Lbd(text % "four").at("f")).status, 200, "different ones")
    for same in ("one", "two", "three"):
        r = verdict(Lbd, (text % same).replace("@f@", "1"))
        equal(r.returncode, 1, same)
        contains(r.stderr, f"guid '{same}' is already used at", "message")


@cases("a failed handshake in words: ssl_fc_err_str; the time that the user sees: {0}", BOTH)
def _(name, P):
    log = Syslog()
    cert = Cert("c")
    p = P(f"{DEFAULTS}frontend f\n    bind 127.0.0.1:@f@ ssl crt {cert.pem}\n    bind 127.0.0.1:@plain@\n    log 127.0.0.1:{log.port} format raw local0\n"
          "    error-log-format 'E=%[ssl_fc_err_str]'\n" + ("    log-format 'u=%[txn.timer.user] %Tu.'\n" if P is Lbd else "") + YES)
    c = Conn(p.at("f"))
    c.send(b"GET / HTTP/1.0\r\n\r\n")
    c.closed()
    log.wait("E=error:0A00009C:SSL routines::http request")
    if P is Lbd:
        http(p.at("plain"))
        m = log.wait(r"u=(\d+) (\d+)\.")
        equal(m.group(1), m.group(2), "txn.timer.user and %Tu")


@cases("a server that breaks TLS behind the handshake, in words: ssl_bc_err_str, ssl_bc_err: {0}", BOTH)
def _(name, P):
    log = Syslog()

    def no_record(t, peer):
        t.recv(1000)
        os.write(t.fileno(), b"this is no record of TLS at all")

    s = TlsServer(Cert("d"), no_record)
    p = P(f"{DEFAULTS}listen f\n    bind 127.0.0.1:@f@\n    retries 0\n    log 127.0.0.1:{log.port} format raw local0\n"
          f"    log-format 'b=%[ssl_bc_err_str] %[ssl_bc_err]'\n    server s 127.0.0.1:{s.port} ssl verify none\n")
    equal(http(p.at("f")).status, 502, "status")
    log.wait("b=error:0A00010B:SSL routines::wrong version number 167772427")


main()
