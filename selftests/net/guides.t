#!/usr/bin/env python3
# tap: timeout=120
"""The files of public guides (conf/guides/) run unchanged and do what their comments say. They own their ports, paths and
user, so this works on copies of the system's places: tmpfs on /run and /var/lib, a user file with the user they name.
"""
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
from lbt import *
from lbt.tls import Cert, TlsServer

GUIDES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "conf", "guides")
LBD, HAPROXY, TMP = os.environ["LBD"], os.environ["HAPROXY"], os.environ["TMPDIR"]


def must(*argv):
    subprocess.run(argv, check=True)


def with_user(path, line):
    """`path` with the user or group that the guide names, for this test's mount namespace only."""
    text = open(path).read()
    if re.search("^haproxy:", text, re.M):
        return
    copy = os.path.join(TMP, os.path.basename(path))
    with open(copy, "w") as f:
        f.write(text + line)
    os.chmod(copy, 0o644)
    must("mount", "--bind", copy, path)


with_user("/etc/passwd", "haproxy:x:64999:64999::/var/lib/haproxy:/usr/sbin/nologin\n")
with_user("/etc/group", "haproxy:x:64999:\n")
for place in ("/run", "/var/lib"):
    must("mount", "-t", "tmpfs", "tmpfs", place)
os.makedirs("/var/lib/haproxy", exist_ok=True)


def warnings(out):
    """What is warned about, without places and further words."""
    return sorted(set(re.findall(r"missing timeouts for \w+ '[^']+'", out)))


def check(program, path):
    return subprocess.run([program, "-c", "-f", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@case("two containers: valid, and warned about the same missing timeouts as by haproxy")
def _():
    path = os.path.join(GUIDES, "two-containers.cfg")
    ours, theirs = check(LBD, path), check(HAPROXY, path)
    equal((ours.returncode, theirs.returncode), (0, 0), "exit statuses")
    equal(warnings(ours.stdout), warnings(theirs.stdout), "warnings")
    equal(len(re.findall("warning: ", ours.stdout)), 3, "number of warnings")


@case("two containers: /app1 and /app2 each go to one, the rest to both in turn")
def _():
    for name, port in (("app1", 8081), ("app2", 8082)):
        HttpServer(name, addr="127.0.0.1", port=port)
    p = subprocess.Popen([LBD, "-db", "-q", "-f", os.path.join(GUIDES, "two-containers.cfg")])
    at_end(lambda: (p.kill(), p.wait()))
    wait_for(lambda: not socket.socket().connect_ex(("127.0.0.1", 80)), what="port 80 is served")
    for path, want in (("/app1", {"app1"}), ("/x/APP1", {"app1"}), ("/app2", {"app2"})):
        equal({http(("127.0.0.1", 80), path).server for _ in range(6)}, want, path)
    seen = [http(("127.0.0.1", 80), "/").server for _ in range(6)]
    equal((seen.count("app1"), seen.count("app2")), (3, 3), "the rest")
    equal(all(a != b for a, b in zip(seen, seen[1:])), True, "in turn")


@case("static files and application: one warning for the old form; a daemon as another user in a chroot")
def _():
    path = os.path.join(GUIDES, "web-static-app.cfg")
    ours = check(LBD, path)
    equal(ours.returncode, 0, ours.stdout)
    equal(re.findall("warning: (.*)", ours.stdout), ["an address on the 'frontend' line is an old form: "
                                                     "write 'bind *:5000' on a line of its own"], "warnings")
    log = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    log.bind(("127.0.0.1", 514))
    log.settimeout(5)
    at_end(log.close)
    HttpServer("static", addr="127.0.0.1", port=4331)
    for i in range(1, 5):
        HttpServer(f"app{i}", addr="127.0.0.1", port=5000 + i)
    equal(subprocess.run([LBD, "-f", path], timeout=10).returncode, 0, "exit status of the start")
    pid = int(open("/var/run/haproxy.pid").read())
    at_end(lambda: os.path.exists(f"/proc/{pid}") and os.kill(pid, signal.SIGKILL))
    equal(os.readlink(f"/proc/{pid}/root"), "/var/lib/haproxy", "root directory")
    equal("Uid:\t0" in open(f"/proc/{pid}/status").read(), False, "still root")

    at = ("127.0.0.1", 5000)
    for path in ("/images/a", "/STATIC/x", "/a.png", "/a/b.CSS"):
        equal(http(at, path).server, "static", path)
    seen = [http(at, "/page").server for _ in range(8)]
    equal(sorted(set(seen)), ["app1", "app2", "app3", "app4"], "the application's servers")
    equal(seen[:4], seen[4:], "in turn")
    equal("x-forwarded-for" in http(at, "/echo").body.decode().lower(), False,
          "a client of 127.0.0.0/8 gets no X-Forwarded-For")

    lines = []
    while not any(" main static/static " in ln and '"GET /images/a HTTP/1.1"' in ln for ln in lines):
        lines.append(log.recv(65536).decode())
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("/var/lib/haproxy/stats")
        s.sendall(b"show info\n")
        s.shutdown(socket.SHUT_WR)
        reply = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    equal(re.search(r"^Maxconn: (\d+)", reply, re.M).group(1), "4000", "maxconn")
    equal(re.search(r"^Pid: (\d+)", reply, re.M).group(1), str(pid), "pid")
    os.kill(pid, signal.SIGUSR1)
    wait_for(lambda: socket.socket().connect_ex(at) == 111, what="stopped")


def registry_servers():
    """Three nodes, each in a namespace of its own: plain on 80; TLS on 443 at the first two, the third is silent there."""
    ca = Cert("ca", is_ca=True)
    must("ip", "link", "add", "br0", "type", "bridge")
    must("ip", "addr", "add", "192.0.2.1/24", "dev", "br0")
    must("ip", "link", "set", "br0", "up")
    nodes = []

    def answer(name):
        def script(conn, peer):
            data = b""
            while b"\r\n\r\n" not in data:
                more = conn.recv(65536)
                if not more:
                    return
                data += more
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n" + name.encode())
            seen.append((name, data))
        seen = []
        return script, seen
    for i in (1, 2, 3):
        ns, name, addr = Netns(f"node{i}"), f"node0{i}", f"192.0.2.1{i}"
        must("ip", "link", "add", f"v{i}", "type", "veth", "peer", "name", "eth0", "netns", ns.name)
        must("ip", "link", "set", f"v{i}", "master", "br0", "up")
        ns.run(f"ip addr add {addr}/24 dev eth0; ip link set eth0 up")
        script, seen = answer(name)
        if i != 3:
            ScriptServer(script, name, ns=ns, addr=addr, port=80)
        TlsServer(Cert(name, ca=ca), script, name, ns=ns, addr=addr, port=443)
        nodes.append(seen)
    return nodes


@case("registry: services on 80 and 443, checks in clear and over TLS, changes on the statistics page")
def _():
    path = os.path.join(GUIDES, "registry-tcp.cfg")
    ours, theirs = check(LBD, path), check(HAPROXY, path)
    equal((ours.returncode, theirs.returncode), (0, 0), f"exit statuses; lbd said {ours.stdout}")
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    must("mount", "-t", "tmpfs", "tmpfs", "/dev")
    open("/dev/null", "w").close()
    log.bind("/dev/log")
    at_end(log.close)
    lines = []

    def collect():
        try:
            while True:
                lines.append(log.recv(65536).decode(errors="replace"))
        except OSError:
            pass
    threading.Thread(target=collect, daemon=True).start()
    nodes = registry_servers()
    for program in (HAPROXY, LBD):
        p = subprocess.Popen([program, "-db", "-q", "-f", path])
        at_end(lambda p=p: (p.kill(), p.wait()))

        def stats():
            try:
                page = http(("127.0.0.1", 8181), "/haproxy?stats;csv").body.decode()
            except OSError:
                return {}
            rows = [ln.split(",") for ln in page.splitlines()]
            return {(r[0], r[1]): (r[17], r[36]) for r in rows if len(r) > 36}
        want = {("dtr_upstream_servers_80", "node03"): ("DOWN", "L4CON")}
        for i in (1, 2):
            want["dtr_upstream_servers_80", f"node0{i}"] = ("UP", "L7OK")
        for i in (1, 2, 3):
            want["dtr_upstream_servers_443", f"node0{i}"] = ("UP", "L7OK")
        wait_for(lambda: want.items() <= stats().items(), 15, f"{program}: states of all servers {stats()}")
        page = http(("127.0.0.1", 8181), "/haproxy?stats").body.decode()
        contains(page, "<select name", f"{program}: the page's form for changes")
        number = re.search(r'dtr_upstream_servers_443.*?name="?b"? value="?(#\d+)', page, re.S).group(1).replace("#", "%23")
        for action, want_state in (("maint", "MAINT"), ("ready", "UP")):
            form = f"s=node01&action={action}&b={number}"
            c = Conn(("127.0.0.1", 8181))
            r = c.request("/haproxy?stats", method="POST", body=form.encode(),
                          headers={"Content-Type": "application/x-www-form-urlencoded"})
            c.close()
            equal((r.status, r.header("location")), (303, "/haproxy?stats;st=DONE"), f"{program}: answer to {action}")
            wait_for(lambda: stats()["dtr_upstream_servers_443", "node01"][0].startswith(want_state), 15, f"{program}: {action}: {stats()}")
        for port in (80, 443):
            for seen in nodes:
                del seen[:]
            s = socket.create_connection(("127.0.0.1", port), timeout=5)
            if port == 443:
                s = ssl.create_default_context()
                s.check_hostname, s.verify_mode = False, ssl.CERT_NONE
                s = s.wrap_socket(socket.create_connection(("127.0.0.1", 443), timeout=5))
            s.sendall(b"GET /v2/ HTTP/1.0\r\n\r\n")
            got = b"".join(iter(lambda: s.recv(4096), b""))
            s.close()
            true(got.endswith((b"node01", b"node02", b"node03")), f"{program}, port {port}: {got}")
        # its sections do not say 'log global': the system's log hears nothing of their servers
        equal([ln for ln in lines if "dtr_" in ln], [], f"{program}: the system's log")
        p.terminate()
        p.wait()


main()
