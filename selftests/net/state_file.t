#!/usr/bin/env python3
# tap: timeout=90
"""Files of server states and variables of the global section, beside Debian's haproxy."""
import os
import re
from lbt import *

TMP = os.environ["TMPDIR"]
EchoServer("x", addr="127.0.0.1", port=17002)
BOTH = [("lbd", Lbd), ("haproxy", Haproxy)]
HEAD = ("# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change "
        "srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port "
        "srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n")
CONFIG = """
global
    server-state-base {dir}
    server-state-file global.state
defaults
    mode tcp
    timeout client 5s
    timeout server 5s
    timeout connect 5s
    load-server-state-from-file global
frontend f
    bind 127.0.0.1:@f@
    default_backend b
backend b
    server s1 127.0.0.1:17002 weight 10
    server s2 127.0.0.1:17002 weight 10
    server s3 127.0.0.1:17002 weight 10 check inter 20s
    server s4 127.0.0.1:17002 weight 10 check inter 20s
    server s5 127.0.0.1:17002 weight 10
    server s6 localhost:17002 weight 10
    server s7 127.0.0.1:17002 disabled
    server s8 127.0.0.1:17002 check inter 20s
    server s9 127.0.0.1:17002 weight 10
backend c
    load-server-state-from-file local
    server x 127.0.0.1:17002
backend d
    load-server-state-from-file none
    server x 127.0.0.1:17002
backend e
    load-server-state-from-file local
    server-state-file-name own
    server x 127.0.0.1:17002
"""
GLOBAL = """3 b 1 s1 127.0.0.9 2 0 5 10 100 1 0 1 0 0 0 0 - 17009 - 0 0 - - 0
3 b 2 s2 127.0.0.1 0 1 10 10 100 1 0 1 0 0 0 0 - 17002 - 0 0 - - 0
3 b 3 s3 127.0.0.1 0 0 10 10 100 8 2 0 6 0 0 0 - 17002 - 0 0 - - 0
3 b 4 s4 127.0.0.1 2 8 10 10 100 6 3 4 6 0 0 0 - 17002 - 0 0 - - 0
# a comment
3 b 5 s5 127.0.0.1 0 0 5 20 100 1 0 1 0 0 0 0 - 17002 - 0 0 - - 0
3 b 6 s6 127.0.0.7 2 0 10 10 100 1 0 1 0 0 0 0 localhost 17007 - 0 0 - - 0
3 b 7 s7 127.0.0.1 2 4 1 1 100 1 0 1 0 0 0 0 - 17002 - 0 0 - - 0
3 b 8 s8 127.0.0.1 3 0 1 1 100 6 3 4 6 0 0 0 - 17002 - 0 0 - - 0
3 b 99 nobody 127.0.0.1 0 1 1 1 100 6 3 5 6 0 0 0 - 17002 - 0 0 - - 0
5 d 1 x 127.0.0.1 0 1 1 1 100 6 3 5 6 0 0 0 - 17002 - 0 0 - - 0
4 c 1 x 127.0.0.1 2 0 77 1 100 1 0 1 0 0 0 0 - 17002 - 0 0 - - 0
"""
DOWN = "4 {} 1 x 127.0.0.1 0 1 1 1 100 1 0 1 0 0 0 0 - 17002 - 0 0 - - 0\n"


def states(p):
    """By server: address, state, maintenance, weights, port."""
    found = {}
    for ln in p.cmd("show servers state").splitlines():
        field = ln.split()
        if len(field) == 25 and field[0] != "#":
            found[field[1] + "/" + field[3]] = [field[i] for i in (4, 5, 6, 7, 8, 18)]
    return found


def run_with(P, name, **files):
    where = f"{TMP}/{name}.{P.label}"
    os.makedirs(where)
    for file, text in files.items():
        with open(f"{where}/{file.replace('_', '.')}", "w") as f:
            f.write(text)
    return P(CONFIG.format(dir=where))


@case("states, weights, ports, addresses of named servers: taken as haproxy takes them")
def _():
    files = {"global_state": "1\n" + HEAD + GLOBAL, "c": "1\n" + HEAD + DOWN.format("c"), "own": "1\n" + HEAD + DOWN.format("e")}
    ours, theirs = [states(run_with(P, "states", **files)) for _, P in BOTH]
    equal(ours, theirs, "by server")
    equal(ours["b/s3"][1], "0", "a server that was down is down")
    equal(ours["b/s1"][3], "5", "a weight that was changed")
    equal(ours["b/s5"][3], "10", "the file's new weight wins")
    equal(ours["c/x"][1:3], ["0", "1"], "a backend's own file")
    equal(ours["e/x"][1:3], ["0", "1"], "a backend's own file with a name")
    equal(ours["d/x"][1:3], ["2", "0"], "none")


@case("what show servers state prints is read again: the next process goes on where this one was")
def _():
    p = Lbd(CONFIG.format(dir=TMP))
    p.cmd("set server b/s1 state maint; set server b/s2 state drain; set server b/s9 weight 3; set server b/s5 addr 127.0.0.1 port 18000")
    wait_for(lambda: states(p)["b/s9"][3] == "3", what="the weight")
    before = states(p)
    with open(TMP + "/global.state", "w") as f:
        f.write(p.cmd("show servers state"))
    p.stop()
    after = states(Lbd(CONFIG.format(dir=TMP)))
    for name in ("b/s1", "b/s2", "b/s5", "b/s9"):
        equal(after[name], before[name], name)


for what, text in (("another version", "2\n" + HEAD + GLOBAL), ("no version", HEAD + GLOBAL), ("a short line", "1\n" + HEAD + GLOBAL + "3 b 1 s1 127.0.0.1\n"),
                   ("a word for a number", "1\n" + HEAD + GLOBAL + GLOBAL.split("\n")[0].replace(" 5 10 ", " x 10 ") + "\n"), ("nothing", ""),
                   ("bytes", "1\n\0\1\2"), ("a long line", "1\n" + "3 b 1 s1 " + "x " * 5000 + "\n")):
    @case(f"a file with {what} is warned of and ignored as a whole; the others are taken")
    def _(text=text, what=what):
        p = run_with(Lbd, "bad." + what.replace(" ", ""), global_state=text, c="1\n" + HEAD + DOWN.format("c"), own="1\n" + HEAD)
        contains(p.log(), "server state file '")
        for name, state in states(p).items():
            if name not in ("c/x", "b/s7"):
                equal(state[1:3], ["2", "0"], name)
        equal(states(p)["c/x"][1:3], ["0", "1"], "the other file")


@cases("set-var and set-var-fmt in global: rules read them, a line may build on those above: {0}", BOTH)
def _(name, P):
    p = P("""
global
    set-var proc.state str(primary)
    set-var proc.prio int(100)
    set-var proc.rest int(250),sub(proc.prio)
    set-var-fmt proc.text "%[var(proc.state)]-%[var(proc.prio)]"
    set-var-fmt proc.pid %pid
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 5s
frontend f
    bind 127.0.0.1:@f@
    http-request return status 200 content-type text/plain lf-string "%[var(proc.rest)] %[var(proc.text)] %[var(proc.pid)]"
""")
    equal(http(p.at("f")).body.decode(), f"150 primary-100 {p.pid}", "answer")


@case("set-var-fmt with every log alias: text, and no crash without a connection")
def _():
    aliases = [ln.split("\t")[1] for ln in run([os.environ["LBD"], "-dKtsv"]).stdout.splitlines() if ln.startswith("log-alias\t")]
    true(len(aliases) > 50, "aliases")
    lines = "".join(f"    set-var-fmt proc.v{i} {a}\n" for i, a in enumerate(aliases) if re.fullmatch(r"%\w+", a))
    Lbd("global\n" + lines + "frontend f\n    mode tcp\n    bind 127.0.0.1:@f@\n    timeout client 1s\n")


CLOSE = """
global
    close-spread-time {0}
defaults
    mode http
    timeout client 9s
    timeout server 9s
    timeout connect 5s
frontend f
    bind 127.0.0.1:@f@
    http-request return status 200
"""


def idle_connections(p, n):
    conns = []
    for _ in range(n):
        c = Conn(p.at("f"))
        equal(c.request("/").status, 200, "status")
        conns.append(c)
    return conns


@case("close-spread-time: idle connections are closed one after the other over the time")
def _():
    import select
    import signal
    import time
    p = Lbd("global\n    nbthread 1\n" + CLOSE.format("1500ms"))
    conns = idle_connections(p, 12)
    p.send_signal(signal.SIGUSR1)
    began, times, left = time.monotonic(), [], {c.sock for c in conns}
    while left and time.monotonic() - began < 8:
        for s in select.select(list(left), [], [], 0.5)[0]:
            equal(s.recv(10), b"", "the end")
            left.discard(s)
            times.append(time.monotonic() - began)
    equal(len(left), 0, "connections that were never closed")
    true(times[-1] - times[0] > 0.8, f"spread over {times[-1] - times[0]:.2f} s")
    true(sorted(times)[5] - times[0] > 0.2, "not in two heaps")
    equal(p.wait(), 0, "exit status")


@cases("close-spread-time infinite: connections go on as if nothing was: {0}", BOTH)
def _(name, P):
    import signal
    p = P(CLOSE.format("infinite"))
    c = idle_connections(p, 1)[0]
    p.send_signal(signal.SIGUSR1)
    p.wait_log("Proxy f stopped")
    for _ in range(2):
        r = c.request("/")
        equal(r.status, 200, "status")
        true((r.header("connection") or "").lower() != "close", "it stays open")
    c.close()
    equal(p.wait(), 0, "exit status")


main()
