#!/usr/bin/env python3
# tap: timeout=100
"""Log lines against Debian's haproxy: formats, variables, flags, headers, levels and the options that choose which
connections are logged. Every row runs in both with the same file and the same traffic; ports, pids, times are masked.
"""
import os
import re
import socket
from lbt import *

HEAD = """
global
    log {target}
defaults
    timeout connect 1s
    timeout client 3s
    timeout server 3s
    log global
    {mode}
frontend web
    bind 127.0.0.1:@web@ name here
    default_backend app
    {lines}
backend app
    {server}
"""
MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"


def mask(text, p):
    text = text.replace(os.path.basename(p.program) + "[", "PROGRAM[")
    text = re.sub(rf"\d\d/{MONTH}/\d{{4}}:\d\d:\d\d:\d\d(\.\d\d\d)?", lambda m: "DATE" + (".ms" if m[1] else ""), text)
    text = re.sub(rf"{MONTH} [ \d]\d \d\d:\d\d:\d\d", "SYSLOGDATE", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", "ISODATE", text)
    return text.replace(str(p.port("web")), "WEB")


def play(P, lines, traffic, mode="mode tcp", target="127.0.0.1:{log} format raw local0", server=None, want=1, wait=True):
    """The log of one proxy: as many lines as are wanted. traffic(port) returns the client's port."""
    log = Syslog()
    back = HttpServer("s") if mode == "mode http" else ScriptServer(lambda c, _: (c.recv(100), c.sendall(b"pong")))
    at_end(back.close)
    # in functions, so that dead servers and others can be asked for
    line = server or f"server s1 127.0.0.1:{back.port}"
    p = P(HEAD.format(target=target.format(log=log.port), mode=mode, lines="\n    ".join(lines), server=line))
    client = traffic(("127.0.0.1", p.port("web")))
    if want:
        wait_for(lambda: len(log.lines) >= want, 4, f"{want} lines of {p.label}; got {log.lines}")
    p.stop()
    text = [mask(ln, p).replace(str(back.port), "BACK") for ln in log.lines if "stopped" not in ln]
    return [ln.replace(str(client), "CLIENT") for ln in text], p


def ping(addr):
    c = Conn(addr)
    port = c.sock.getsockname()[1]
    c.send(b"ping")
    c.recv_all()
    c.close()
    return port


def get(addr):
    c = Conn(addr)
    port = c.sock.getsockname()[1]
    c.request("/path?query=1", headers={"User-Agent": "t", "Connection": "close"})
    c.close()
    return port


def knock(addr):
    """Says something and waits for the end, whatever it is."""
    c = Conn(addr)
    port = c.sock.getsockname()[1]
    c.send(b"ping")
    try:
        c.recv_all()
    except OSError:
        pass
    c.close()
    return port


def silent(addr):
    c = Conn(addr)
    port = c.sock.getsockname()[1]
    c.shut()
    c.closed()
    c.close()
    return port


def same(lines, traffic=ping, clean=lambda s: s, **kw):
    mine, his = [play(P, lines, traffic, **kw)[0] for P in (Lbd, Haproxy)]
    equal([clean(x) for x in mine], [clean(x) for x in his], "log lines")
    return mine


# ---- formats -----------------------------------------------------------------------------------

TIMERS = re.compile(r"(?<![\d.])-?\d+(/-?\d+)+(?= )")


def small(text):
    """Timers of a busy machine: a few milliseconds more or less are no difference."""
    def one(m):
        return "/".join(v if v == "-1" or not v.lstrip("+").isdigit() else "T" for v in m[0].split("/"))
    return TIMERS.sub(one, text, count=1)


@cases("TCP format: {0}", [
    ("%ci:%cp %fi:%fp %si:%sp",), ("%f %ft %b %s",), ("[%t] %T %Tl %Ts.%ms",), ("%B %U %ts %tsc",),
    ("%rc %sq %bq %lc",), ("%ac %fc %bc %sc",), ("%ID %sslv %sslc|%hr|%hs|",), ("%H %pid",), ("100%% of it",),
    ("%{+Q}b %{+Q}s %{+Q}ci %{+Q}cp %{+Q}t %{+Q}ID",), ("%{+X}ci %{+X}cp %{+X}fi",),
    ("%{+Q}o %b %f %cp %[str(x)] %{-Q}b",), ("%{+X}o %ci %b",), ("a  b    c",), ("%hr %hs a %hr b",),
    ("%[src] %[dst] %[int(7)] %[bool(true)]",), ("x%[str()]x%{+Q}[str()]x",), ("%{+E}[str('a\\\"b]c')] %{+E,+Q}[str(x)]",),
    ("%[src,ipmask(8)] %[str(AbC),lower]",), ("%ST %Tw/%Tc/%Td",),
])
def _(text):
    def clean(s):
        s = re.sub(r"\d{10}\.\d\d\d", "TS.ms", re.sub(r"\d+/\d+/\d+$", "TIMERS", s))
        s = re.sub(r" \d+$", " PID", s) if "%pid" in text else s
        return re.sub(r" [0-9A-F]{4} ", " PORT ", s) if "X}cp" in text else s
    same([f'log-format "{text}"'], clean=clean)


@cases("{0}, {1}", [
    ("tcplog", "mode tcp", ping, ["option tcplog"]), ("no format", "mode tcp", ping, []), ("no format", "mode http", get, []),
    ("httplog", "mode http", get, ["option httplog"]), ("httplog clf", "mode http", get, ["option httplog clf"]),
    ("tcplog", "mode http", get, ["option tcplog"]), ("httplog", "mode tcp", ping, ["option httplog"]),
    ("a format with HTTP variables", "mode http", get,
     ['log-format "%HM %HP %HQ %HU %HV %ST %{+Q}r %tsc %CC %CS %hr %hs %hrl %hsl"']),
    ("quoted ones", "mode http", get, ['log-format "%{+Q}o %HM %ST %r %HU %s %CC"']),
])
def _(what, mode, traffic, lines):
    def clean(s):
        # haproxy counts the bytes of its own form of a response, lbd those on the wire
        s = re.sub(r"(?<= 200 )\d+(?= )|(?<=T/T/T )\d+(?= --)", "SIZE", small(s)) if mode == "mode http" else small(s)
        s = re.sub(r"CLIENT \d\d\d", "CLIENT MS", s) if "clf" in what else s
        return re.sub(r'(?<="s1" )(-?\d+ ){5}', "TIMERS ", s) if "clf" in what else s
    same(lines, traffic, mode=mode, clean=clean)


@cases("refused: {0}", [
    ("%zz",), ("%ciX",), ("%[nosuchfetch]",), ("%[src",), ("%{+Q",), ("%tr in mode tcp",), ("50% off",)])
def _(text):
    for program in (Lbd.program, Haproxy.program):
        path = os.path.join(TMP, "bad.cfg")
        with open(path, "w") as f:
            f.write("defaults\n timeout client 1s\n timeout server 1s\n timeout connect 1s\n log 127.0.0.1 local0\n"
                    f'frontend f\n bind 127.0.0.1:1\n log-format "{text}"\n')
        equal(run([program, "-c", "-f", path], check=False).returncode, 1, f"exit code of {program}")


@case("a value cannot start a line of its own")
def _():
    text, _ = play(Lbd, ["log-format \"got %[str('x\\ninjected\\rb')]\""], ping)
    equal(text, ["got x#0Ainjected#0Db\n"], "line")


# ---- headers and targets -----------------------------------------------------------------------

@cases("header: {0}", [
    ("local0",), ("format rfc3164 local1",), ("format rfc5424 local2",), ("format priority local3",), ("format short local4",),
    ("format timed local5",), ("format iso local6",), ("format raw local7",), ("local0 info",), ("local0 debug err",), ("format short local0 info crit",),
])
def _(words):
    pid = lambda s: re.sub(r"\[\d+\]|(?<=PROGRAM )\d+|(?<=haproxy )\d+|(?<=lbd )\d+", "PID", s).replace(" lbd ", " haproxy ")
    same(["option tcplog"], target="127.0.0.1:{log} " + words, clean=lambda s: small(pid(s)))


@case("len counts all but the line end, and nothing longer is sent")
def _():
    for P in (Lbd, Haproxy):
        log = Syslog()
        p = P(HEAD.format(target=f"127.0.0.1:{log.port} len 80 local0", mode="mode tcp", lines='log-format "' + "x" * 200 + '"',
                          server="retries 0\n    server s 127.0.0.1:1"))
        silent(("127.0.0.1", p.port("web")))
        line = log.wait("xxx").string
        equal(len(line), 81, f"bytes of {p.label}'s line")


@case("log-tag and log-send-hostname")
def _():
    same(["option tcplog", "log-tag mine"], target="127.0.0.1:{log} local0\n    log-send-hostname some.host",
         clean=lambda s: small(re.sub(r"\[\d+\]", "PID", s)))


@case("a sample of the lines goes to each target")
def _():
    for P in (Lbd, Haproxy):
        a, b = Syslog(), Syslog()
        p = P(HEAD.format(target=f"127.0.0.1:{a.port} format raw sample 1,3:3 local0\n    log 127.0.0.1:{b.port} format raw sample 2:3 local0",
                          mode="mode tcp", lines='log-format "%cp"', server="retries 0\n    server s 127.0.0.1:1"))
        ports = []
        for i in range(6):		# one after the other: two threads could log them the other way round
            ports.append(str(silent(("127.0.0.1", p.port("web")))))
            wait_for(lambda: len(a.lines) + len(b.lines) == i + 1, 4, f"{i + 1} lines of {p.label}")
        equal(len(b.lines), 2, f"lines of the second target of {p.label}")
        if P is Lbd:			# haproxy with several threads does not always keep the order
            equal(sorted(x.strip() for x in b.lines), sorted([ports[1], ports[4]]), "the second target")


@case("no level above the target's goes out, and minlevel caps")
def _():
    log = Syslog()
    p = Lbd(HEAD.format(target=f"127.0.0.1:{log.port} format priority local0 notice crit", mode="mode tcp", lines="option tcplog",
                        server="retries 0\n    server s 127.0.0.1:1"))
    silent(("127.0.0.1", p.port("web")))
    p.cmd("set server app/s state maint")
    log.wait("no server available")
    equal([ln.split(">")[0] for ln in log.lines], ["<130", "<130"], "priorities: traffic is info, alert and emerg become crit")


@case("a unix datagram socket, which comes back after it went")
def _():
    path = os.path.join(TMP, "devlog")

    def listen():
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind(path)
        s.settimeout(4)
        return s
    s = listen()
    p = Lbd(HEAD.format(target=f"{path} format raw local0", mode="mode tcp", lines='log-format "port %cp"',
                        server="retries 0\n    server s 127.0.0.1:1"))
    addr = ("127.0.0.1", p.port("web"))
    port = silent(addr)
    equal(s.recv(1000).decode(), f"port {port}\n", "line")
    s.close()
    os.unlink(path)
    before = int(p.info()["DroppedLogs"])
    silent(addr)
    wait_for(lambda: int(p.info()["DroppedLogs"]) > before, 4, "the dropped line is counted")
    s = listen()

    def again():
        port = silent(addr)
        s.settimeout(0.2)
        try:
            return s.recv(1000).decode() == f"port {port}\n"
        except TimeoutError:
            return False
    wait_for(again, 5, "lines arrive at the new socket")
    s.close()


@case("stdout, stderr and an inherited descriptor")
def _():
    r, w = os.pipe()
    os.set_inheritable(w, True)
    path = os.path.join(TMP, "fd.cfg")
    port = free_port()
    with open(path, "w") as f:
        f.write(HEAD.format(target=f"stdout format raw daemon\n    log stderr format raw daemon\n    log fd@{w} format raw daemon",
                            mode="mode tcp", lines='log-format "port %cp"', server="retries 0\n    server s 127.0.0.1:1").replace("@web@", str(port)))
    import subprocess
    p = subprocess.Popen([Lbd.program, "-db", "-f", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[w])

    def up():
        try:
            return Conn(("127.0.0.1", port))
        except OSError:
            return None
    c = wait_for(up, 5, "it listens")
    name = c.sock.getsockname()[1]
    c.shut()
    c.closed()
    want = f"port {name}\n"
    got = os.read(r, 1000).decode()
    p.terminate()
    out, err = p.communicate(timeout=5)
    equal(got, want, "inherited descriptor")
    contains(out.decode(), want, "stdout")
    contains(err.decode(), want, "stderr")


# ---- which connections -------------------------------------------------------------------------

DEAD = "retries 0\n    server s1 127.0.0.1:1"


@cases("{0}", [
    ("dontlognull keeps silent ones out", ["option tcplog", "option dontlognull"], silent, None, 0),
    ("dontlognull keeps others", ["option tcplog", "option dontlognull"], ping, None, 1),
    ("dontlog-normal keeps normal ones out", ["option tcplog", "option dontlog-normal"], ping, None, 0),
    ("dontlog-normal keeps errors", ["option tcplog", "option dontlog-normal"], knock, DEAD, 1),
    ("log-separate-errors raises errors", ["option tcplog", "option log-separate-errors"], knock, DEAD, 1),
    ("log-separate-errors leaves others", ["option tcplog", "option log-separate-errors"], ping, None, 1),
    ("error-log-format is not for streams", ['error-log-format "failed %ci %ts"', "option tcplog"], knock, DEAD, 1),
    ("no log", ["option tcplog", "no log"], ping, None, 0),
])
def _(words, lines, traffic, server, want):
    kw = dict(server=server) if server else {}
    got = same(lines, traffic, want=want, target="127.0.0.1:{log} format priority local0", clean=small, **kw)
    equal(len(got), want, "lines")


@case("logasap writes the line while the connection is open")
def _():
    seen = []
    for P in (Lbd, Haproxy):
        log = Syslog()
        echo = EchoServer("e", addr="127.0.0.1", banner=False)
        p = P(HEAD.format(target=f"127.0.0.1:{log.port} format raw local0", mode="mode tcp", lines="option tcplog\n    option logasap",
                          server=f"server s1 127.0.0.1:{echo.port}"))
        c = Conn(p.at("web"))
        c.send(b"hello")
        equal(c.recv_exact(5), b"hello", "echo")
        log.wait("app/s1")
        c.send(b"more")
        c.recv_exact(4)
        c.close()
        p.stop()
        lines = [ln for ln in log.lines if "app/s1" in ln]
        equal(len(lines), 1, f"lines of {p.label}")
        seen.append(re.sub(r"\+?\d+(?= --)", lambda m: m[0][0] + "N", small(re.sub(r"^\S+ \[\S+\]", "", lines[0]))))
    equal(re.sub(r"\d", "n", seen[0]), re.sub(r"\d", "n", seen[1]), "log lines")


@case("the statistics page logs <STATS>")
def _():
    def page(addr):
        c = Conn(addr)
        port = c.sock.getsockname()[1]
        c.request("/s;csv", headers={"Connection": "close"})
        return port
    same(["stats enable", "stats uri /s", "option httplog"], page, mode="mode http",
         clean=lambda s: re.sub(r" 200 \d+ ", " 200 SIZE ", small(s)))


main()
