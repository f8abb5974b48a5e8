#!/usr/bin/env python3
# tap: timeout=200
"""The kernel path through the daemon's life: killed in mid-transfer, reloaded, without permission, with many services."""
import json
import os
import re
import signal
import threading
import time

from lbt import *

HEAD = """
global
    log stdout format raw local0
    datapath interface c0,s1,s2 hook xdp
    datapath flows 20000
    datapath pin /sys/fs/bpf/life
defaults
    timeout connect 3s
    timeout client 60s
    timeout server 60s
"""
WEB = """
listen web
    mode tcp
    bind 10.9.0.1:@web@
    datapath kernel
    server s1 10.9.1.2:7000
    server s2 10.9.2.2:7000
listen bulk
    mode tcp
    bind 10.9.0.1:@bulk@
    datapath kernel
    server s1 10.9.1.2:7001
"""
SIZE = 1 << 30
BLOCK = pattern(1 << 20)

net = Net(servers=2)
echo = [EchoServer(f"s{i + 1}", ns=ns, addr="0.0.0.0", port=7000) for i, ns in enumerate(net.servers)]


def send_bulk(conn, peer):
    for _ in range(SIZE // len(BLOCK)):
        conn.sendall(BLOCK)


bulk = ScriptServer(send_bulk, ns=net.servers[0], addr="0.0.0.0", port=7001)


def adm(*words):
    r = net.lb.run([LBADM, "-p", "/sys/fs/bpf/life", *words], check=False)
    equal(r.returncode, 0, f"lbadm {' '.join(words)}: {r.stdout}{r.stderr}")
    return json.loads(r.stdout) if "-j" in words else r.stdout


class Transfer(threading.Thread):
    """Reads SIZE bytes, compares each, and notes the longest silence."""

    def __init__(self, proxy):
        super().__init__(daemon=True)
        self.conn = Conn(proxy.at("bulk", net.vip), ns=net.client, timeout=60)
        self.got, self.wrong, self.gap, self.error = 0, 0, 0.0, None
        self.start()

    def run(self):
        sock, last = self.conn.sock, time.monotonic()
        view = memoryview(bytearray(1 << 20))
        try:
            while self.got < SIZE:
                n = sock.recv_into(view)
                now = time.monotonic()
                self.gap, last = max(self.gap, now - last), now
                if not n:
                    return
                at, done = self.got % len(BLOCK), 0
                while done < n:
                    part = min(n - done, len(BLOCK) - at)
                    self.wrong += view[done:done + part] != BLOCK[at:at + part]
                    done, at = done + part, 0
                self.got += n
        except OSError as e:
            self.error = e


@case("kill -9 during a 1 GB transfer with 500 open connections, 1,000 new ones meanwhile: nothing breaks")
def _():
    lbd = Lbd(HEAD + WEB, ns=net.lb)
    conns = [Conn(lbd.at("web", net.vip), ns=net.client) for _ in range(500)]
    for c in conns:
        c.recv_until(b"\n")
    t = Transfer(lbd)
    wait_for(lambda: t.got > SIZE // 16, 20, "the transfer is under way")
    lbd.kill()
    new = []
    for i in range(1000):
        c = Conn(lbd.at("web", net.vip), ns=net.client)
        true(c.recv_until(b"\n") in (b"s1\n", b"s2\n"), "a new connection is served without a daemon")
        c.close()
    lbd.start()
    for i, c in enumerate(conns):
        c.send(b"%06d" % i)
        equal(c.recv_exact(6), b"%06d" % i, f"connection {i}")
    t.join(120)
    equal((t.error, t.got, t.wrong), (None, SIZE, 0), "error, bytes and differing blocks of the transfer")
    true(t.gap < 0.2, f"the longest silence was {t.gap * 1000:.0f} ms")
    lbd.wait_log(r"adopted \d+ flows")


@case("a reload hands the maps over: flows stay, the new file counts, the old process ends")
def _():
    old = Lbd(HEAD + WEB, ns=net.lb)
    c = Conn(old.at("web", net.vip), ns=net.client)
    c.recv_until(b"\n")
    text = (HEAD + WEB).replace("server s2 10.9.2.2:7000", "")
    new = Lbd(text, ns=net.lb, ports=old.ports, args=["-sf", str(old.pid)])
    old.wait()
    wait_for(lambda: len([r for r in adm("-j", "servers", "web")]) == 1, 5, "the new table has one server")
    c.send(b"on")
    equal(c.recv_exact(2), b"on", "the flow of the old process's time")
    for _ in range(10):
        d = Conn(new.at("web", net.vip), ns=net.client)
        equal(d.recv_until(b"\n"), b"s1\n", "server")
        d.close()
    equal(json.loads(json.dumps(adm("-j", "services")))[0]["service"], "web", "service")


@case("-W: a reload hands the maps to the new worker; a failed one leaves them with the old")
def _():
    lbd = Lbd(HEAD + WEB, ns=net.lb, args=["-W"])
    wait_for(lambda: len(adm("-j", "servers", "web")) == 2, 5, "two servers")
    c = Conn(lbd.at("web", net.vip), ns=net.client)
    c.recv_until(b"\n")
    with open(lbd.cfg_path) as f:
        text = f.read()

    def reload(new):
        with open(lbd.cfg_path, "w") as f:
            f.write(new)
        lbd.send_signal(signal.SIGUSR2)
    reload(text.replace("    server s2 10.9.2.2:7000\n", ""))
    wait_for(lambda: len(adm("-j", "servers", "web")) == 1, 10, "the new worker writes the maps")
    reload("nonsense\n" + text)
    lbd.wait_log("nonsense")
    c.send(b"on")
    equal(c.recv_exact(2), b"on", "the flow of the first worker's time")
    adm("server", "web/s1", "weight", "5")
    equal(adm("-j", "servers", "web")[0]["weight"], 5, "the worker that serves still writes")


@case("as an ordinary user (user, group, chroot) the daemon goes on writing its maps; so does its successor")
def _():
    text = (HEAD + WEB).replace("global\n", "global\n    user nobody\n    group nogroup\n    chroot @tmp@\n", 1)
    first = Lbd(text, ns=net.lb)
    with open(f"/proc/{first.pid}/status") as f:
        contains(f.read(), "CapEff:\t0000000000000000", "no capability is left")
    wait_for(lambda: len(adm("-j", "servers", "web")) == 2, 5, "two servers")
    c = Conn(first.at("web", net.vip), ns=net.client)
    c.recv_until(b"\n")

    def share():
        return {r["server"]: r["share"] for r in adm("-j", "servers", "web")}
    first.cmd("set server web/s1 state maint")
    wait_for(lambda: not share()["web/s1"], 2, "the table follows")
    second = Lbd(text, ns=net.lb, ports=first.ports, args=["-sf", str(first.pid)])
    first.wait()
    wait_for(lambda: share()["web/s1"], 5, "the successor writes the maps")
    second.cmd("set server web/s2 state drain")
    wait_for(lambda: not share()["web/s2"], 2, "the table follows")
    c.send(b"on")
    equal(c.recv_exact(2), b"on", "the flow of the first one's time")
    wait_for(lambda: int(second.stat("web", "FRONTEND")["scur"]) >= 1, 3, "the kernel's counters are read")


@case("a second daemon on the same pins is refused, and names the owner")
def _():
    first = Lbd(HEAD + WEB, ns=net.lb)
    r = net.lb.run([LBD, "-db", "-f", first.cfg_path], check=False)
    true(r.returncode != 0, "the second one ends")
    contains(r.stderr + r.stdout, str(first.pid), "message")
    c = Conn(first.at("web", net.vip), ns=net.client)
    true(c.recv_until(b"\n").startswith(b"s"), "the first one goes on")


@cases("without permission for BPF: {0}", [
    ("auto runs in user space and says why", "", 0, "runs in user space|not permitted"),
    ("datapath kernel is an error that says why", "    datapath kernel\n", 1, "cannot be honoured")])
def _(words, line, code, says):
    text = HEAD + WEB.replace("    datapath kernel\n", line)
    cfg = os.path.join(TMP, "noperm.cfg")
    with open(cfg, "w") as f:
        f.write(re.sub(r"@\w+@", "8123", text, 1).replace("@bulk@", "8124"))
    r = net.lb.run(["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--reuid", "65534", "--clear-groups",
                    LBD, "-c", "-V", "-f", cfg], check=False)
    equal(r.returncode, code, r.stdout + r.stderr)
    contains(r.stdout + r.stderr, "not permitted", "reason")
    if code:
        contains(r.stderr, says, "message")


@case("an interface that does not exist: auto runs in user space")
def _():
    lbd = Lbd((HEAD + WEB).replace("c0,s1,s2", "c0,nope").replace("    datapath kernel\n", ""), ns=net.lb)
    contains(lbd.cmd("show datapath"), "interface 'nope' does not exist")
    c = Conn(lbd.at("web", net.vip), ns=net.client)
    true(c.recv_until(b"\n").startswith(b"s"), "served")


@case("a service that leaves the kernel path is marked CHANGED, in the plan and in the log")
def _():
    first = Lbd(HEAD + WEB, ns=net.lb)
    wait_for(lambda: len(adm("-j", "services")) == 2, 5, "both services are in the maps")
    first.stop()
    moved = (HEAD + WEB).replace("    datapath kernel\n    server s1 10.9.1.2:7001", "    datapath splice\n    server s1 10.9.1.2:7001")
    second = Lbd(moved, ns=net.lb, ports=first.ports)
    plan = {s["service"]: s["changed"] for s in json.loads(second.cmd("show datapath json"))["services"]}
    equal(plan, {"web": False, "bulk": True}, "changed")
    second.wait_log("bulk: splice: auto, datapath splice .CHANGED")
    equal([s["service"] for s in adm("-j", "services")], ["web"], "services left in the maps")


@case("the last service leaves the kernel: its flows go on, new connections reach the daemon, then all is detached")
def _():
    first = Lbd(HEAD + WEB, ns=net.lb)
    c = Conn(first.at("web", net.vip), ns=net.client)
    c.recv_until(b"\n")
    first.stop()
    second = Lbd((HEAD + WEB).replace("datapath kernel", "datapath user"), ns=net.lb, ports=first.ports)
    c.send(b"on")
    equal(c.recv_exact(2), b"on", "the flow goes on")
    d = Conn(second.at("web", net.vip), ns=net.client)
    true(d.recv_until(b"\n").startswith(b"s"), "a new connection is served")
    wait_for(lambda: second.stat("web", "FRONTEND")["stot"] == "1", 3, "by the daemon")
    c.send(b"and on")
    equal(c.recv_exact(6), b"and on", "the flow goes on")
    c.close()
    second.wait_log("programs are detached", timeout=10)
    true("xdp" not in net.lb.run(["ip", "link"]).stdout, "no program is attached")


@case("nothing is attached without a datapath interface line")
def _():
    adm("cleanup") if os.path.exists("/sys/fs/bpf/life") else None
    lbd = Lbd(HEAD.replace("    datapath interface c0,s1,s2 hook xdp\n", "") + WEB.replace("    datapath kernel\n", ""), ns=net.lb)
    true(not os.path.exists("/sys/fs/bpf/life"), "nothing is pinned")
    true("xdp" not in net.lb.run(["ip", "link"]).stdout, "no program is attached")


@case("a server that 1,000 services share goes down: no kernel pick takes it after 50 ms")
def _():
    services = "".join(f"frontend f{i}\n    bind 10.9.0.1:{20000 + i}\n    datapath kernel\n    default_backend shared\n"
                       for i in range(1000))
    backend = "backend shared\n    balance source\n    server s1 10.9.1.2:7000\n    server s2 10.9.2.2:7000\n"
    lbd = Lbd(HEAD + services + backend, ns=net.lb, timeout=30)
    wait_for(lambda: len(adm("-j", "services")) == 1000, 10, "1,000 services are in the maps")
    begin = time.monotonic()
    lbd.cmd("set server shared/s1 state maint")
    while time.monotonic() - begin < 0.05:
        pass
    for port in range(20000, 21000, 50):
        s = net.client.socket()
        s.connect(("10.9.0.1", port))
        c = Conn(sock=s)
        equal(c.recv_until(b"\n"), b"s2\n", f"server of port {port}")
        c.close()


main()
