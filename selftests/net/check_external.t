#!/usr/bin/env python3
# tap: timeout=80
"""external-check against Debian's haproxy: arguments, environment, exit codes, a program that hangs or dies, one that is not
there; and that nothing is left behind.
"""
import os
import re
from lbt import *

CONFIG = """
global
    external-check
    insecure-fork-wanted
defaults
    mode tcp
    timeout connect 1s
    timeout client 5s
    timeout server 5s
    option external-check
    external-check command {dir}/check
    external-check path /bin:/usr/bin
listen b
    bind 127.0.0.1:@b@
    server s 127.0.0.1:99 id 12 check inter 150ms maxconn 33
backend c
    server t 127.0.0.1:98 check inter 150ms
    external-check command /nonexistent
backend d
    server u unix@/tmp/nobody check inter 150ms
"""


def write(folder, text):
    with open(f"{folder}/new", "w") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(f"{folder}/new", 0o755)
    os.rename(f"{folder}/new", f"{folder}/check")


def row(p, backend, server, status):
    def now():
        r = p.stat(backend, server)
        return r if r["check_status"] == status else None
    r = wait_for(now, 8, f"{backend}/{server} {status} in {p.label}")
    return [r[c] for c in ("check_status", "check_code", "last_chk", "check_desc")]


def environment(folder, backend, p):
    path = f"{folder}/out.{backend}"
    wait_for(lambda: os.path.exists(path), 5, "the program ran")
    text = open(path).read().replace(str(p.port("b")), "PORT").replace(folder, "DIR")
    return sorted(ln for ln in text.split("\n") if not re.match("PWD=|_=|OLDPWD=", ln))


@case("the same calls, results and environment")
def _():
    seen = []
    for P in (Haproxy, Lbd):
        folder = f"{TMP}/external.{P.__name__}"
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o777)
        write(folder, f'(echo "$@"; env) > {folder}/tmp.$HAPROXY_PROXY_NAME\n'
                      f'mv {folder}/tmp.$HAPROXY_PROXY_NAME {folder}/out.$HAPROXY_PROXY_NAME\n')
        p = P(CONFIG.format(dir=folder))
        out = [row(p, "b", "s", "PROCOK"), row(p, "c", "t", "PROCERR"), row(p, "d", "u", "PROCOK")]
        out += [environment(folder, "b", p), environment(folder, "d", p)]
        write(folder, "exit 3\n")
        out.append(row(p, "b", "s", "PROCERR"))
        p.wait_status("b", "s", "DOWN")
        write(folder, "exec sleep 1000\n")  # it hangs
        out.append(row(p, "b", "s", "PROCTOUT"))
        write(folder, "kill -9 $$\n")
        out.append(row(p, "b", "s", "PROCERR"))
        write(folder, "exit 0\n")
        p.wait_status("b", "s", "UP")
        p.stop()
        seen.append(out)
    for his, mine in zip(*seen):
        equal(mine, his, "result")


def children(pid):
    return [int(c) for t in os.listdir(f"/proc/{pid}/task")
            for c in open(f"/proc/{pid}/task/{t}/children").read().split()]


@case("programs that hang are ended, none is left as a zombie, and the stats socket answers meanwhile")
def _():
    folder = f"{TMP}/external.hang"
    os.makedirs(folder, exist_ok=True)
    write(folder, "exec sleep 1000\n")  # it hangs
    servers = "".join(f"    server s{i} 127.0.0.1:{i + 1} check inter 200ms\n" for i in range(40))
    p = Lbd(CONFIG.format(dir=folder) + "backend many\n" + servers)
    p.wait_status("many", "s39", "DOWN")
    write(folder, "exit 0\n")
    p.wait_status("many", "s39", "UP")
    p.cmd("disable health b/s")
    p.cmd("disable health c/t")
    p.cmd("disable health d/u")
    for i in range(40):
        p.cmd(f"disable health many/s{i}")
    wait_for(lambda: not children(p.pid), 5, "no child is left")


@case("what a program has started is ended with it")
def _():
    folder = f"{TMP}/external.child"
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o777)
    write(folder, f"trap '' TERM\nsleep 1000 &\necho $! > {folder}/tmp.$!\nmv {folder}/tmp.$! {folder}/child.$!\nwait\n")
    p = Lbd(CONFIG.format(dir=folder))
    row(p, "b", "s", "PROCTOUT")
    write(folder, "exit 0\n")
    row(p, "b", "s", "PROCOK")
    began = [int(f.split(".")[1]) for f in os.listdir(folder) if f.startswith("child.")]
    true(began, "programs with a child ran")

    def alive(pid):
        try:
            return open(f"/proc/{pid}/stat").read().split()[2] != "Z"
        except OSError:
            return False
    wait_for(lambda: not any(alive(pid) for pid in began), 5, "no child of them runs")


main()
