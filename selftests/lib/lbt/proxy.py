"""lbd, and Debian's haproxy for comparison, as processes of a test.

In a configuration  @NAME@  stands for a port that is free where the proxy runs (the same name, the
same port; p.port("NAME") tells it), and  @tmp@  for the test's directory. `global` with a stats
socket is put in front unless stats=False (several `global` sections merge).
"""
import csv
import io
import os
import re
import signal
import socket
import subprocess

from . import base as _base
from .net import HERE

_used_ports = set()
_count = [0]


def free_port(ns=None, kind=socket.SOCK_STREAM):
    """A port nobody listens on in `ns`, never given out twice by this test."""
    while True:
        s = (ns or HERE).socket(socket.AF_INET, kind)
        s.bind(("0.0.0.0", 0))
        port = s.getsockname()[1]
        s.close()
        if port not in _used_ports:
            _used_ports.add(port)
            return port


class Proxy:
    """A running proxy. Ends with the case; a crash or a sanitizer's report fails the case."""

    program = None
    label = "proxy"

    def __init__(self, config, ns=None, args=(), env=None, stats=True, wait=True, ports=None,
                 timeout=10, files=None):
        _count[0] += 1
        self.ns, self.args, self.env = ns or HERE, list(args), dict(os.environ, **(env or {}))
        self.ports = dict(ports or {})
        self.base = os.path.join(_base.TMP, f"{self.label}{_count[0]}")
        self.sock = self.base + ".sock" if stats else None
        self.log_path, self.cfg_path = self.base + ".log", self.base + ".cfg"
        for name, text in (files or {}).items():
            with open(os.path.join(_base.TMP, name), "w") as f:
                f.write(self._fill(text))
        head = f"global\n    stats socket {self.sock} mode 600 level admin\n" if stats else ""
        with open(self.cfg_path, "w") as f:
            f.write(head + self._fill(config))
        self.proc = None
        _base.on_failure(self._show)
        _base.at_end(self._end)
        self.start(wait=wait, timeout=timeout)

    # ---- life -------------------------------------------------------------------------------

    def _fill(self, text):
        text = text.replace("@tmp@", _base.TMP)

        def port(m):
            name = m.group(1)
            if name not in self.ports:
                self.ports[name] = free_port(self.ns)
            return str(self.ports[name])
        return re.sub(r"@([A-Za-z_][A-Za-z0-9_]*)@", port, text)

    def start(self, wait=True, timeout=10):
        """Starts it (again) with the same file; returns when it is ready to accept."""
        cmd = [self.program, "-db", "-f", self.cfg_path] + self.args
        if self.ns.path:
            cmd = ["nsenter", f"--net={self.ns.path}"] + cmd
        with open(self.log_path, "ab") as log:
            self.proc = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                         env=self.env, cwd=_base.TMP, start_new_session=True)
        if wait:
            _base.wait_for(self._ready, timeout, f"{self.label} is ready")

    @property
    def pid(self):
        return self.proc.pid

    def alive(self):
        return self.proc is not None and self.proc.poll() is None

    def _ready(self):
        if not self.alive():
            _base.fail(f"{self.label} ended with {self.proc.returncode} instead of running; it said:\n"
                       + "\n".join(self.log().splitlines()[-20:]))
        if not self.sock:
            return set(self.ports.values()) <= self._listening()
        try:
            return bool(self.cmd("show info", timeout=1))
        except OSError:
            return False

    def _listening(self):
        ports = set()
        for name in ("tcp", "tcp6"):
            with open(f"/proc/{self.pid}/net/{name}") as f:
                for ln in f.readlines()[1:]:
                    field = ln.split()
                    if field[3] == "0A":
                        ports.add(int(field[1].rpartition(":")[2], 16))
        return ports

    def send_signal(self, sig):
        self.proc.send_signal(sig)

    def wait(self, timeout=10):
        """Its exit status as subprocess gives it (negative: signal)."""
        try:
            return self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            _base.fail(f"{self.label} still runs after {timeout} s")

    def stop(self, sig=signal.SIGTERM, timeout=10):
        if self.alive():
            self.send_signal(sig)
        code = self.wait(timeout)
        if code in (99, -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE,
                    -signal.SIGILL):
            _base.fail(f"{self.label} crashed: {code}")
        return code

    def kill(self):
        """kill -9, no clean-up by the program."""
        self.proc.kill()
        self.proc.wait()

    def _end(self):
        if self.proc is None or self.proc.returncode == -signal.SIGKILL:
            return
        try:
            self.stop()
        except BaseException:
            self._show()
            if self.alive():
                self.kill()
            raise
        log = self.log()
        if "AddressSanitizer" in log or "ThreadSanitizer" in log or "runtime error:" in log:
            self._show()
            _base.fail(f"{self.label}: sanitizer report in its output")

    # ---- what it says -----------------------------------------------------------------------

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def wait_log(self, regex, timeout=5):
        return _base.wait_for(lambda: re.search(regex, self.log()), timeout,
                              f"{self.label} prints /{regex}/")

    def _show(self):
        lines = self.log().splitlines()
        _base.note(f"--- {self.label} ({self.cfg_path}), last lines of its output:")
        for ln in lines[-40:]:
            _base.note("  " + ln)

    # ---- talking to it ----------------------------------------------------------------------

    def port(self, name):
        return self.ports[name]

    def at(self, name, host="127.0.0.1"):
        """(host, port) of a @NAME@, for Conn and http."""
        return (host, self.ports[name])

    def cmd(self, line, timeout=5):
        """One line (commands may be joined by ;) to the stats socket; the whole reply."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout)
            s.connect(self.sock)
            s.sendall(line.encode() + b"\n")
            reply = b""
            while chunk := s.recv(65536):
                reply += chunk
        return reply.decode(errors="replace")

    def info(self):
        """`show info` as a dict."""
        return dict(ln.split(": ", 1) for ln in self.cmd("show info").splitlines() if ": " in ln)

    def stat(self, proxy=None, name=None):
        """`show stat`: list of dicts by column name, or the one row of proxy and name."""
        rows = list(csv.DictReader(io.StringIO(self.cmd("show stat").lstrip("# "))))
        if proxy is None:
            return rows
        for row in rows:
            if row["pxname"] == proxy and row["svname"] == (name or "BACKEND"):
                return row
        _base.fail(f"show stat has no row {proxy}/{name}")

    def wait_status(self, proxy, server, status, timeout=10):
        """Until the server's status column starts with `status` (UP, DOWN, MAINT, DRAIN)."""
        _base.wait_for(lambda: self.stat(proxy, server)["status"].startswith(status), timeout,
                       f"{proxy}/{server} is {status}")


class Lbd(Proxy):
    program = _base.LBD
    label = "lbd"


class Haproxy(Proxy):
    """The oracle. For one file in both: for P in (Lbd, Haproxy): P(CONFIG)."""
    program = _base.HAPROXY
    label = "haproxy"
