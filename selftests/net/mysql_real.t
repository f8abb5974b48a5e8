#!/usr/bin/env python3
# tap: timeout=120
"""MariaDB itself behind lbd: what `option mysql-check` finds out about it, as haproxy does; conf/mysql-reads.cfg over a primary and
two replicas that really replicate: queries through the balancer, an agent that takes a replica out whose replication stands still.
"""
import os
import shutil
import subprocess
import threading
from lbt import *
from lbt.base import on_failure

TREE = os.environ.get("TOP") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# small and fast: nothing of it has to outlive the test
QUICK = ["--no-defaults", "--user=root", "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M", "--sync-binlog=0",
         "--innodb-flush-log-at-trx-commit=0", "--innodb-use-native-aio=0", "--performance-schema=0"]
SETUP = """
CREATE USER 'lbd_check'@'%';
CREATE USER 'app'@'%' IDENTIFIED BY 'its password';
GRANT ALL ON shop.* TO 'app'@'%';
CREATE USER 'repl'@'%' IDENTIFIED BY 'replicate';
GRANT REPLICATION SLAVE ON *.* TO 'repl'@'%';
CREATE DATABASE shop;
RESET MASTER;
"""
FOLLOW = """
CHANGE MASTER TO MASTER_HOST='127.0.9.11', MASTER_PORT=3306, MASTER_USER='repl', MASTER_PASSWORD='replicate',
    MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos;
START SLAVE;
"""


def tables():
    """A directory of system tables, which every server starts with a copy of."""
    install, here = shutil.which("mariadb-install-db"), f"{TMP}/tables"
    if not install or not shutil.which("mariadbd") or not shutil.which("mariadb"):
        skip("mariadb-server-core and mariadb-client-core are not installed")
    if not os.path.exists(here):
        run([install, *QUICK, f"--datadir={here}", "--auth-root-authentication-method=normal", "--skip-test-db"], timeout=60)
    return here


class MariaDb:
    def __init__(self, name, addr, port, number, init):
        self.name, self.addr, self.port = name, addr, port
        base = f"{TMP}/{name}"
        self.socket, self.said, data = f"{base}.sock", f"{base}.log", f"{base}.d"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(tables(), data)
        with open(f"{base}.sql", "w") as f:
            f.write(init)
        self.args = ["mariadbd", *QUICK, f"--datadir={data}", f"--socket={self.socket}", f"--bind-address={addr}", f"--port={port}",
                     "--skip-name-resolve", f"--server-id={number}", "--log-bin=bin", f"--pid-file={base}.pid",
                     "--relay-log=relay"]
        self.start([f"--init-file={base}.sql"])

    def start(self, more=()):
        with open(self.said, "a") as log:
            self.process = subprocess.Popen(self.args + list(more), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        at_end(self.kill)
        on_failure(lambda: note(open(self.said).read()[-1500:]))

    def ready(self):
        wait_for(lambda: query(self.sql_args(), "SELECT 1", check=False) == "1", 40, f"{self.name} answers")
        return self

    def sql_args(self):
        return ["--user=root", f"--socket={self.socket}"]

    def sql(self, text):
        return query(self.sql_args(), text)

    def replicates(self):
        said = subprocess.run(["mariadb", "--no-defaults", *self.sql_args(), "-e", "SHOW SLAVE STATUS\\G"], stdout=subprocess.PIPE, text=True).stdout
        return "Slave_SQL_Running: Yes" in said and "Seconds_Behind_Master: 0" in said

    def status(self, name):
        return int(self.sql(f"SHOW GLOBAL STATUS LIKE '{name}'").split()[-1])

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def query(args, text, check=True):
    r = subprocess.run(["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--connect-timeout=5", *args, "-e", text],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
    if check and r.returncode:
        fail(f"{text}: {r.stderr}")
    return r.stdout.strip()


def as_app(port, text, database="shop", check=True):
    return query(["--host=127.0.0.1", f"--port={port}", "--user=app", "--password=its password", database], text, check)


# ---- the check ------------------------------------------------------------------------------------

CHECKS = [("plain", "option mysql-check", "L7OK"),
          ("user", "option mysql-check user lbd_check", "L7OK"),
          ("post41", "option mysql-check user lbd_check post-41", "L7OK"),
          ("pre41", "option mysql-check user lbd_check pre-41", None),
          ("nobody", "option mysql-check user nobody", "L7STS"),
          ("secret", "option mysql-check user app", "L7STS")]


@case("option mysql-check: what it says about MariaDB is what haproxy says")
def _():
    db = MariaDb("checked", "127.0.0.1", free_port(), 1, SETUP).ready()
    text = "defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 5s\n    timeout server 5s\n    timeout check 5s\n"
    text += "".join(f"listen {name}\n    bind 127.0.0.1:@{name}@\n    {line}\n"
                    f"    server s 127.0.0.1:{db.port} check inter 200ms rise 1 fall 1\n" for name, line, _ in CHECKS)
    seen = []
    for P in (Haproxy, Lbd):
        p = P(text)
        out = []
        for name, _, want in CHECKS:
            # the first state is UP without a check, the words come with the first one
            wait_for(lambda: p.stat(name, "s")["check_status"].lstrip("* ") not in ("", "INI"), 10, f"{name}: checked")
            row = p.stat(name, "s")
            status = row["check_status"].lstrip("* ")
            if want:
                equal(status, want, name)
            out.append((name, status, row["check_code"], row["check_desc"], row["last_chk"], row["status"][:4]))
        seen.append(out)
        if P is Haproxy:
            p.stop()
    for his, mine in zip(*seen):
        equal(mine, his, "check")
    equal(as_app(p.port("user"), "SELECT @@port"), str(db.port), "a query through lbd")
    db.kill()
    for name, _, _ in CHECKS:
        p.wait_status(name, "s", "DOWN")


@case("option mysql-check user: the server does not count it as an aborted connection")
def _():
    db = MariaDb("counts", "127.0.0.1", free_port(), 1, SETUP).ready()
    aborted = {}
    for line in ("option mysql-check user lbd_check", "option mysql-check"):
        p = Lbd("defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 5s\n    timeout server 5s\n"
                f"listen l\n    bind 127.0.0.1:@l@\n    {line}\n    server s 127.0.0.1:{db.port} check inter 50ms\n")
        before, connected = db.status("Aborted_connects") + db.status("Aborted_clients"), db.status("Connections")
        wait_for(lambda: db.status("Connections") > connected + 20, 20, "checks")
        p.stop()
        aborted[line] = db.status("Aborted_connects") + db.status("Aborted_clients") - before
    # lbd's end may cut off the last one
    true(aborted["option mysql-check user lbd_check"] <= 1, f"no aborted ones: {aborted}")
    true(aborted["option mysql-check"] >= 3, f"and the counter counts: {aborted}")


# ---- the file -------------------------------------------------------------------------------------

class Agent:
    """conf/mysql-lag-agent for each connection, as systemd would start it beside the replica."""

    def __init__(self, db):
        home = f"{TMP}/{db.name}.home"
        os.makedirs(home)
        with open(f"{home}/.my.cnf", "w") as f:
            f.write(f"[client]\nuser=root\nsocket={db.socket}\n")
        self.env = dict(os.environ, HOME=home)
        self.sock = socket_on((db.addr, 3390))
        threading.Thread(target=self._serve, daemon=True).start()
        at_end(self.sock.close)

    def _serve(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            with conn:
                out = subprocess.run([f"{TREE}/conf/mysql-lag-agent"], env=self.env, stdout=subprocess.PIPE).stdout
                try:
                    conn.sendall(out)
                except OSError:
                    pass


def socket_on(addr):
    import socket
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(addr)
    s.listen(200)
    return s


@case("conf/mysql-reads.cfg: writers, readers, a replica that stands still, a replica that is gone, a primary that is gone")
def _():
    text = open(f"{TREE}/conf/mysql-reads.cfg").read()
    text = text.replace("10.0.0.", "127.0.9.").replace("/run/lbd/admin.sock", f"{TMP}/admin.sock")
    for old, new in (("inter 2s", "inter 200ms"), ("fastinter 500ms", "fastinter 100ms"), ("slowstart 30s", "slowstart 1s")):
        true(old in text, f"{old} stands in the file")
        text = text.replace(old, new)
    dbs = {n: MariaDb(n, f"127.0.9.{i}", 3306, i, SETUP + (FOLLOW if n != "primary" else ""))
           for n, i in (("primary", 11), ("replica1", 21), ("replica2", 22))}
    for db in dbs.values():
        db.ready()
    for n in ("replica1", "replica2"):
        wait_for(lambda: dbs[n].replicates(), 20, f"{n} replicates")
        Agent(dbs[n])
    p = Lbd(text)
    p.wait_status("mysql-write", "standby", "DOWN")
    for n in ("replica1", "replica2"):
        wait_for(lambda: p.stat("mysql-read", n)["agent_status"].endswith("L7OK"), 10, f"agent of {n}")
        p.wait_status("mysql-read", n, "UP")

    as_app(3306, "CREATE TABLE goods (name TEXT); INSERT INTO goods VALUES ('a thing')")
    equal(as_app(3306, "SELECT @@server_id"), "11", "writes go to the primary")
    for n in ("replica1", "replica2"):
        wait_for(lambda: dbs[n].sql("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'goods'") == "1", 10, n)
    wait_for(lambda: {as_app(3307, "SELECT @@server_id, name FROM goods") for _ in range(4)} == {"21\ta thing", "22\ta thing"}, 10,
             "reads come from both replicas")

    # a session that is open before, by the mariadb client: it is kept while the server is drained
    reader = subprocess.Popen(["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--unbuffered", "--host=127.0.0.1", "--port=3307",
                               "--user=app", "--password=its password", "shop"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    at_end(reader.kill)

    def ask(what):
        reader.stdin.write(what + ";\n")
        reader.stdin.flush()
        return reader.stdout.readline().strip()
    kept = ask("SELECT @@server_id")
    true(kept in ("21", "22"), f"a session on a replica, not on {kept}")
    away, other = (("replica1", "22") if kept == "21" else ("replica2", "21"))
    dbs[away].sql("STOP SLAVE SQL_THREAD")
    p.wait_status("mysql-read", away, "DRAIN (agent)")
    equal({as_app(3307, "SELECT @@server_id") for _ in range(5)}, {other}, "new readers")
    equal(ask("SELECT @@server_id + 1000"), str(int(kept) + 1000), "an old session goes on")
    dbs[away].sql("START SLAVE SQL_THREAD")
    p.wait_status("mysql-read", away, "UP")
    equal(ask("SELECT @@server_id + 2000"), str(int(kept) + 2000), "and on")

    dbs["replica1"].kill()
    p.wait_status("mysql-read", "replica1", "DOWN")
    equal({as_app(3307, "SELECT @@server_id") for _ in range(3)}, {"22"}, "the replica that is left")
    dbs["replica2"].kill()
    p.wait_status("mysql-read", "replica2", "DOWN")
    equal(as_app(3307, "SELECT @@server_id"), "11", "readers' last resort")
    dbs["primary"].kill()
    p.wait_status("mysql-write", "primary", "DOWN")
    equal(as_app(3306, "SELECT 1", check=False), "", "nobody is left")
    dbs["primary"].start()
    p.wait_status("mysql-write", "primary", "UP", 30)
    equal(as_app(3306, "SELECT name FROM goods"), "a thing", "the primary is back")


main()
