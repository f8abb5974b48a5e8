#!/usr/bin/env python3
# tap: timeout=150
"""The master's CLI (-S): what it says is compared with Debian's haproxy; reloads, levels, prompts, dead targets."""
import os
import re
import signal
import socket
import subprocess
import time
from lbt import *

TMP = os.environ["TMPDIR"]
CONFIG = """
global
    nbthread 1
    {more}
defaults
    mode tcp
    timeout connect 5s
    timeout client 9s
    timeout server 9s
frontend f
    bind 127.0.0.1:{port}
    default_backend b
backend b
    server s1 127.0.0.1:{port}1
"""
count = [0]


class Master:
    """A master with its CLI."""

    def __init__(self, program=None, more="", options=",level,admin", args=()):
        count[0] += 1
        self.base = f"{TMP}/m{count[0]}"
        self.sock = self.base + ".sock"
        self.port = 3000 + count[0]
        self.write(more)
        self.out = open(self.base + ".out", "w")
        self.p = subprocess.Popen([program or os.environ["LBD"], "-W", "-db", "-S", self.sock + options, "-f", self.base + ".cfg", *args],
                                  stdout=self.out, stderr=self.out, stdin=subprocess.DEVNULL, start_new_session=True)
        at_end(self.end)
        wait_for(lambda: "Loading success" in self.said() and self.answers(), timeout=10, what="it serves")

    def write(self, more="", text=CONFIG):
        with open(self.base + ".cfg", "w") as f:
            f.write(text.format(more=more, port=self.port))

    def answers(self):
        try:
            return "master" in self.ask("show proc")
        except OSError:
            return False

    def said(self):
        with open(self.base + ".out") as f:
            return f.read()

    def end(self):
        if self.p.poll() is None:
            self.p.terminate()
            try:
                self.p.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(self.p.pid, signal.SIGKILL)

    def ask(self, text, shut=True):
        """Everything until it closes."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(8)
            s.connect(self.sock)
            s.sendall(text.encode() + b"\n")
            if shut:
                s.shutdown(socket.SHUT_WR)
            got = b""
            while chunk := s.recv(65536):
                got += chunk
        return got.decode()

    def workers(self):
        """[(pid, reloads, is old)]"""
        rows, old = [], False
        for ln in self.ask("show proc").splitlines():
            old |= ln.startswith("# old")
            field = ln.split()
            if len(field) > 2 and field[1] == "worker":
                rows.append((int(field[0]), int(field[2]), old))
        return rows


def same(text, pid):
    """Without what differs by nature: numbers of processes, versions, ages."""
    text = text.replace(str(pid), "PID")
    text = re.sub(r"\d+\.\d+\.\d+\S*", "VERSION", text)
    return re.sub(r"(?m)^(\S+ +)(master|worker)( +)(\d+( \[failed: \d+\])?)( +)\S+ +VERSION$", r"\2 \4", re.sub(r"(?m)^\d+ ", "N ", text))


@case("the same words from both: targets, prompts, levels, several commands, payload, dead targets")
def _():
    ours, theirs = Master(), Master(os.environ["HAPROXY"])
    pids = [m.workers()[0][0] for m in (ours, theirs)]
    for text in ("show proc", "show cli level", "prompt", r"prompt\n@1\n@\nprompt\nshow cli level", r"@1\nshow cli level\n@\nshow cli level",
                 "@1 show cli level; show cli level", "@1 user; show cli level", "show proc; show cli level", "@master show cli level",
                 "@0 show cli level", r"prompt\n@77 x\nshow cli level", "@77", "@!x show info", "user; reload", "quit; show proc", "user; show cli level",
                 "operator; @1 show cli level", r"operator\n@1 clear counters", r"prompt\nexpert-mode on\nexperimental-mode on\nmcli-debug-mode on\n@1\nexpert-mode off",
                 "show version", "@1 show version; @1 show version", r"@1 show version <<\nsome\npayload\n\n@1 show cli level", r"prompt\nshow version"):
        text = text.replace(r"\n", "\n")
        got = [same(m.ask(text), pid) for m, pid in zip((ours, theirs), pids)]
        equal(got[0], got[1], repr(text) + ", beside haproxy")
    for m, pid in zip((ours, theirs), pids):
        contains(m.ask(f"@!{pid} show info"), f"\nPid: {pid}\n")
        contains(m.ask("help"), "  show proc  ")
        contains(m.ask("nonsense"), "Unknown command")
        contains(m.ask(f"@!{pid} show env HAPROXY_MASTER_CLI"), "HAPROXY_MASTER_CLI=unix@" + m.sock)


@case("a conversation: the connection stays open between commands, replies come at once, long ones whole")
def _():
    m = Master()
    c = Conn(sock=(s := socket.socket(socket.AF_UNIX)))
    s.connect(m.sock)
    s.settimeout(10)
    c.send(b"prompt\n")
    c.recv_until(b"master> ")
    c.send(b"@1 show info\n")
    contains(c.recv_until(b"master> "), b"Name: lbd\n")
    c.send(b"@1\n")
    pid = m.workers()[0][0]
    c.recv_until(b"%d> " % pid)
    c.send(b"show stat; show env\n")
    contains(c.recv_until(b"%d> " % pid), b"# pxname")
    contains(c.recv_until(b"%d> " % pid), b"HAPROXY_MWORKER=1")
    c.send(b"quit\n")
    true(c.closed(), "closed")


@case("@@: talks with the worker itself until that ends it, then it is the master again")
def _():
    m = Master()
    c = Conn(sock=(s := socket.socket(socket.AF_UNIX)))
    s.connect(m.sock)
    s.settimeout(10)
    c.send(b"prompt\n")
    c.recv_until(b"master> ")
    c.send(b"@@1\n")
    c.recv_until(b"\n> ")
    c.send(b"show cli level\n")
    contains(c.recv_until(b"\n> "), b"admin")
    c.send(b"quit\n")
    c.recv_until(b"master> ")
    c.send(b"show proc\n")
    contains(c.recv_until(b"master> "), b"# workers")


@case("reload: it says how it went; the old worker finishes, show proc tells it; show startup-logs keeps what was said")
def _():
    m = Master()
    first = m.workers()[0][0]
    keep = socket.socket(socket.AF_UNIX)
    equal(m.ask("reload", shut=False).split("\n")[:2], ["Success=1", "--"], "reload")
    wait_for(lambda: first not in [w[0] for w in m.workers()], what="the old worker has ended")
    second = m.workers()[0][0]
    contains(m.ask("show proc"), " 1 [failed: 0] ")
    # a worker with a connection stays
    with socket.create_server(("127.0.0.1", m.port * 10 + 1)) as server:
        c = socket.create_connection(("127.0.0.1", m.port), timeout=5)
        far, _ = server.accept()
        equal(m.ask("reload", shut=False).split("\n")[0], "Success=1", "reload")
        wait_for(lambda: [w for w in m.workers() if w[0] == second], what="listed")
        equal([w for w in m.workers() if w[0] == second], [(second, 1, True)], "the old worker")
        contains(m.ask(f"@!{second} show info"), "Stopping: 1")
        equal([m.ask("@1 show info").count("Stopping: 0")], [1], "the new one")
        # hard: it does not wait
        contains(m.ask("hard-reload", shut=False), "Success=1")
        wait_for(lambda: second not in [w[0] for w in m.workers()], what="ended at once")
        c.close()
        far.close()
    keep.close()


@case("a reload that fails changes nothing: prompt, counts, and the reason can be read")
def _():
    m = Master()
    pid = m.workers()[0][0]
    m.write("nonsense on")
    said = m.ask("reload", shut=False)
    contains(said, "Success=0\n--\n")
    contains(said, "'nonsense' is no keyword of a 'global' section")
    contains(m.ask("show startup-logs"), "'nonsense' is no keyword")
    contains(m.ask("prompt"), "master[ReloadFailed]> ")
    contains(m.ask("show proc"), " 1 [failed: 1] ")
    equal([w[0] for w in m.workers()], [pid], "the worker stays")
    m.write()
    contains(m.ask("reload", shut=False), "Success=1")
    contains(m.ask("prompt"), "master> ")


@case("warnings of a start are in show startup-logs, of the first and of later workers")
def _():
    m = Master(more="maxconn 100\nbackend lonely\n    server s 127.0.0.1:1")
    contains(m.ask("show startup-logs"), "missing timeouts for backend 'lonely'")
    m.ask("reload", shut=False)
    contains(m.ask("show startup-logs"), "missing timeouts for backend 'lonely'")
    m.write()
    m.ask("reload", shut=False)
    equal(m.ask("show startup-logs"), "\n", "nothing was said this time")


@case("-S ...,level,user and mode: who may do what")
def _():
    m = Master(options=",level,user,mode,600")
    equal(m.ask("show cli level"), "user\n\n", "level")
    contains(m.ask("reload"), "Permission denied")
    contains(m.ask("@1 set maxconn global 5"), "Permission denied")
    equal(oct(os.stat(m.sock).st_mode & 0o777), "0o600", "mode")


@case("a worker that ends badly: all end; with no-exit-on-failure the master stays, and a reload brings it back")
def _():
    m = Master()
    os.kill(m.workers()[0][0], signal.SIGKILL)
    equal(m.p.wait(timeout=10), 137, "exit status")
    m = Master(more="master-worker no-exit-on-failure")
    os.kill(m.workers()[0][0], signal.SIGKILL)
    wait_for(lambda: not m.workers(), what="no worker")
    contains(m.ask("@1 show info"), "Can't find the target PID matching the prefix '@1'")
    contains(m.ask("reload", shut=False), "Success=1")
    equal(len(m.workers()), 1, "workers")
    contains(m.ask("@1 show info"), "Stopping: 0")
    m.p.terminate()
    equal(m.p.wait(timeout=10), 0, "exit status")


@case("mworker-max-reloads: who has not finished after so many is ended")
def _():
    m = Master(more="mworker-max-reloads 1")
    first = m.workers()[0][0]
    with socket.create_server(("127.0.0.1", m.port * 10 + 1)) as server:
        c = socket.create_connection(("127.0.0.1", m.port), timeout=5)
        far, _ = server.accept()
        m.ask("reload", shut=False)
        time_is = [w[1] for w in m.workers() if w[0] == first]
        equal(time_is, [1], "it has survived one")
        m.ask("reload", shut=False)
        wait_for(lambda: first not in [w[0] for w in m.workers()], what="ended at the second")
        c.close()
        far.close()


def start(*args):
    path = TMP + "/s.cfg"
    with open(path, "w") as f:
        f.write(CONFIG.format(more="", port=2999))
    r = subprocess.run([os.environ["LBD"], *args, "-f", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       stdin=subprocess.DEVNULL, timeout=20)
    return r.returncode, r.stdout


@case("-S without -W is a warning; a wrong address or option an error")
def _():
    code, said = start("-c", "-S", TMP + "/x.sock")
    equal(code, 0, said)
    contains(said, "-W or 'master-worker' is missing")
    code, said = start("-c", "-W", "-S", TMP + "/x.sock,colour,red")
    equal(code, 1, said)
    contains(said, "'colour' is no option of a bind line")
    code, said = start("-c", "-W", "-S", "nonsense")
    equal(code, 1, said)
    code, said = start("-W", "-db", "-S", "/does/not/exist.sock")
    equal(code, 1, said)
    contains(said, "cannot bind")


main()
