#!/usr/bin/env python3
# tap: timeout=120
"""The files of public guides (conf/guides/) run unchanged and do what their comments say. They own their ports, paths and
user, so this works on copies of the system's places: tmpfs on /run and /var/lib, a user file with the user they name.
"""
import os
import re
import signal
import socket
import subprocess
from lbt import *

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


main()
