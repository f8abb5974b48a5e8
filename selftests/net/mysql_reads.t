#!/usr/bin/env python3
# tap: timeout=60
"""conf/mysql-reads.cfg as Documentation/mysql.md describes it, with servers that speak the begin of the MySQL protocol: where
writers and readers go, what a dead primary, a lagging replica and a server without logins change.
"""
import os
import subprocess
import threading
from lbt import *

TREE = os.environ.get("TOP") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def packet(n, body):
    return len(body).to_bytes(3, "little") + bytes([n]) + body


def greeting(name):
    return packet(0, b"\x0a5.5.5-" + name.encode() + b"\0" + b"\x01\0\0\0" + b"12345678\0" + b"\xfe\xf7\x2d\x02\0\xff\x81\x15"
                  + bytes(7) + b"\x1d\0\0\0" + b"abcdefghijkl\0" + b"mysql_native_password\0")


class Mysql:
    """Greets with its name, lets everybody in who is allowed, then echoes."""

    def __init__(self, name, addr):
        self.name, self.addr, self.denies, self.sock = name, addr, False, None
        self.start()

    def start(self):
        self.sock = socket_on(self.addr)
        threading.Thread(target=self._serve, args=(self.sock,), daemon=True).start()

    def stop(self):
        self.sock.shutdown(2)
        self.sock.close()

    def _serve(self, sock):
        while True:
            try:
                conn, _ = sock.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(conn,), daemon=True).start()

    def _one(self, conn):
        with conn:
            try:
                conn.sendall(greeting(self.name))
                if not conn.recv(4096):
                    return
                conn.sendall(packet(2, b"\xff\x15\x04#28000Access denied") if self.denies else packet(2, b"\0\0\0\2\0\0\0"))
                while (data := conn.recv(4096)):
                    conn.sendall(data)
            except OSError:
                pass


def socket_on(addr):
    import socket
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(addr)
    s.listen(200)
    return s


class Agent:
    """The script of conf/ for each connection, with a `mariadb` that says how far behind it is."""

    def __init__(self, addr, folder):
        self.folder, self.lag = folder, "0"
        os.makedirs(folder, exist_ok=True)
        self.tell("0")
        with open(f"{folder}/mariadb", "w") as f:
            f.write(f"#!/bin/sh\ncat {folder}/status\n")
        os.chmod(f"{folder}/mariadb", 0o755)
        self.sock = socket_on(addr)
        threading.Thread(target=self._serve, daemon=True).start()

    def tell(self, lag):
        with open(f"{self.folder}/new", "w") as f:
            f.write(f"   Slave_SQL_Running: Yes\n        Seconds_Behind_Master: {lag}\n")
        os.rename(f"{self.folder}/new", f"{self.folder}/status")

    def _serve(self):
        env = dict(os.environ, PATH=f"{self.folder}:{os.environ['PATH']}")
        while True:
            conn, _ = self.sock.accept()
            with conn:
                out = subprocess.run([f"{TREE}/conf/mysql-lag-agent"], env=env, stdout=subprocess.PIPE).stdout
                try:
                    conn.sendall(out)
                except OSError:
                    pass


def session(p, port):
    """A logged-in session and the name of its server."""
    c = Conn(("127.0.0.1", port))
    head = c.recv_exact(4)
    body = c.recv_exact(int.from_bytes(head[:3], "little"))
    c.send(packet(1, b"login"))
    c.recv_exact(11)
    return c, body[7:body.index(b"\0")].decode()


@case("writers, readers, a lagging replica, a dead primary, a server that lets nobody in")
def _():
    text = open(f"{TREE}/conf/mysql-reads.cfg").read()
    text = text.replace("10.0.0.", "127.0.9.").replace("/run/lbd/admin.sock", f"{TMP}/admin.sock")
    for old, new in (("inter 2s", "inter 100ms"), ("fastinter 500ms", "fastinter 50ms"), ("slowstart 30s", "slowstart 1s")):
        true(old in text, f"{old} stands in the file")
        text = text.replace(old, new)
    mysql = {n: Mysql(n, (f"127.0.9.{i}", 3306)) for n, i in (("primary", 11), ("standby", 12), ("replica1", 21),
                                                              ("replica2", 22))}
    agents = {n: Agent((f"127.0.9.{i}", 3390), f"{TMP}/{n}") for n, i in (("replica1", 21), ("replica2", 22))}
    p = Lbd(text)
    for n in ("replica1", "replica2"):
        wait_for(lambda: p.stat("mysql-read", n)["agent_status"].endswith("L7OK"), 8, f"agent of {n}")
    wait_for(lambda: p.stat("mysql-read", "replica1")["check_health"] == "4", 8, "checked")

    writer, name = session(p, 3306)
    equal(name, "primary", "writers' server")
    readers = [session(p, 3307) for _ in range(6)]
    equal(sorted(n for _, n in readers), ["replica1"] * 3 + ["replica2"] * 3, "readers are spread")

    agents["replica1"].tell("42")
    p.wait_status("mysql-read", "replica1", "DRAIN (agent)")
    for _ in range(3):
        c, name = session(p, 3307)
        equal(name, "replica2", "new readers avoid the lagging one")
        c.close()
    for c, name in readers:
        c.send(b"still here")
        equal(c.recv_exact(10), b"still here", f"a reader of {name} goes on")
    agents["replica1"].tell("NULL")
    wait_for(lambda: p.stat("mysql-read", "replica1")["status"] == "DRAIN (agent)", 5, "still drained")
    agents["replica1"].tell("3")
    p.wait_status("mysql-read", "replica1", "UP")

    mysql["replica1"].denies = mysql["replica2"].denies = True
    for n in ("replica1", "replica2"):
        p.wait_status("mysql-read", n, "DOWN")
    c, name = session(p, 3307)
    equal(name, "primary", "readers' last resort")
    c.close()

    mysql["primary"].stop()
    p.wait_status("mysql-write", "primary", "DOWN")
    p.wait_status("mysql-read", "primary", "DOWN")
    true(writer.closed(), "the dead primary's writers are told")
    writer, name = session(p, 3306)
    equal(name, "standby", "writers' second server")
    mysql["primary"].start()
    p.wait_status("mysql-write", "primary", "UP")
    true(writer.closed(), "nobody goes on writing to the standby")
    c, name = session(p, 3306)
    equal(name, "primary", "writers are back")


main()
