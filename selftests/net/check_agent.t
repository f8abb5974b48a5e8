#!/usr/bin/env python3
# tap: timeout=100
"""agent-check against Debian's haproxy: what the words of an agent do to a server, what the log and the columns say; and the
commands about agents.
"""
import re
import socket
import threading
from lbt import *

CONFIG = """
global
    log 127.0.0.1:{log} format raw local0
defaults
    mode tcp
    log global
    timeout connect 1s
    timeout client 5s
    timeout server 5s
{more}
listen b
    bind 127.0.0.1:@b@
    server s 127.0.0.1:{srv} check inter 60ms weight 100 agent-check agent-port {agent} agent-inter 60ms maxconn 77 {options}
"""


class Agent:
    """Says its line to everyone; keeps what it was sent."""

    def __init__(self, line):
        self.line, self.asked, self.got = line, 0, set()
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        at_end(self.sock.close)

    def _serve(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            with conn:
                try:
                    conn.settimeout(0.03)
                    try:
                        self.got.add(conn.recv(100))
                    except socket.timeout:
                        pass
                    conn.sendall(self.line)
                except OSError:
                    pass
            self.asked += 1

    def say(self, line):
        """Returns when the new line has been said and taken."""
        self.line = line
        n = self.asked
        wait_for(lambda: self.asked >= n + 4, 5, "the agent was asked again")


COLUMNS = ("status", "weight", "slim", "check_health", "agent_status", "agent_code", "agent_desc", "agent_rise", "agent_fall",
           "agent_health", "last_agt", "chkfail", "chkdown")


def columns(p):
    """While no agent check is under way, for then some are empty."""
    def still():
        r = p.stat("b", "s")
        return r if not r["agent_status"].startswith("*") else None
    r = wait_for(still, 5, "between two checks")
    return {c: r[c] for c in COLUMNS}


def lines_of(log):
    return [re.sub(r"duration: \d+ms", "duration: Nms", ln).strip() for ln in log.lines if "onnect from" not in ln]


def start(P, more="", options=""):
    log, agent, srv = Syslog(), Agent(b"up\n"), socket.create_server(("127.0.0.1", 0), backlog=500)
    at_end(srv.close)
    p = P(CONFIG.format(log=log.port, agent=agent.port, srv=srv.getsockname()[1], more=more, options=options)
          .replace("@b@", "@b@"))
    wait_for(lambda: p.stat("b", "s")["agent_status"].endswith("L7OK"), 5, "the agent has spoken")
    wait_for(lambda: p.stat("b", "s")["check_health"] == "4", 5, "the server is fully up")
    return p, agent, log


SAYINGS = [b"up\n", b"50%\n", b"up 70% maxconn:20\n", b"drain\n", b"ready\n", b"maint\n", b"ready\n", b"down\n", b"up\n",
           b"down # out of order\n", b"up\n", b"stopped\r\n", b"up\n", b"fail\n", b"up\n", b"failed # oops\n", b"bogus\n",
           b"0%\n", b"up\n", b"200%\n", b"UP\n", b"up,100%\n", b"maxconn:5\n", b"100\n", b"down maint\n",
           b"up ready # hello world\n", b"", b"up", b"stopped\n", b"ready\n", b"up 100%\n"]


@cases("the words of an agent, {0}", [("log-health-checks",), ("without it",)])
def _(words):
    seen = []
    for P in (Haproxy, Lbd):
        p, agent, log = start(P, "    option log-health-checks" if words == "log-health-checks" else "")
        out = []
        for line in SAYINGS:
            agent.say(line)
            row = columns(p)
            out.append((line, row))
        p.stop()
        # a check of the server may end between the words about the agent
        seen.append((out, [ln for ln in lines_of(log) if "Health check" not in ln]))
    for his, mine in zip(seen[0][0], seen[1][0]):
        equal(mine, his, "columns")
    for his, mine in zip(seen[0][1], seen[1][1]):
        equal(mine, his, "log line")


@case("what agent-send says reaches the agent")
def _():
    p, agent, _ = start(Lbd, options='agent-send "name of s\\n"')
    wait_for(lambda: b"name of s\n" in agent.got, 5, "sent")
    p.cmd("set server b/s agent-send other")
    wait_for(lambda: b"other" in agent.got, 5, "sent after the command")


@case("commands about agents reply as haproxy's")
def _():
    seen = []
    for P in (Haproxy, Lbd):
        p, agent, _ = start(P)
        other = Agent(b"down\n")
        out = []
        for line in ("set server b/s agent down", "set server b/s agent up", "set server b/s agent foo",
                     "set server b/s agent", "disable agent b/s", "set server b/s agent down", "enable agent b/s",
                     "set server b/s agent-addr 127.0.0.2", "set server b/s agent-addr xx",
                     "set server b/s agent-port 999999", "set server b/s agent-port x", "disable agent b/x",
                     "set server b/s agent-addr 127.0.0.1"):
            out.append((line, p.cmd(line)))
        p.cmd(f"set server b/s agent-port {other.port}")
        p.wait_status("b", "s", "DOWN (agent)")
        row = p.cmd("show servers state").split("\n")[2].split()
        out.append((row[14] in ("22", "23"), row[-2], row[-1] == str(other.port)))
        p.stop()
        seen.append(out)
    for his, mine in zip(*seen):
        equal(mine, his, "reply")


@case("agent-addr asks there; no-agent-check takes it back; an agent that is gone changes nothing")
def _():
    there, srv = Agent(b"33%\n"), socket.create_server(("127.0.0.1", 0))
    at_end(srv.close)
    p = Lbd(f"""
defaults
    mode tcp
    timeout connect 1s
    timeout client 5s
    timeout server 5s
listen b
    bind 127.0.0.1:@b@
    default-server agent-check agent-port {there.port} agent-inter 50ms agent-addr 127.0.0.1 weight 100
    server s 127.0.0.9:{srv.getsockname()[1]}
    server t 127.0.0.1:{srv.getsockname()[1]} no-agent-check
    server u 127.0.0.1:{srv.getsockname()[1]} agent-port 1
""")
    wait_for(lambda: p.stat("b", "s")["weight"] == "33", 5, "weight of s")
    wait_for(lambda: p.stat("b", "u")["agent_status"].endswith("L4CON"), 5, "u's agent is not there")
    equal((p.stat("b", "t")["weight"], p.stat("b", "t")["agent_status"]), ("100", ""), "t")
    equal((p.stat("b", "u")["weight"], p.stat("b", "u")["status"]), ("100", "no check"), "u")


@case("an agent's words cannot write to a terminal or begin a line of the log")
def _():
    agent = Agent(b"down # a\x1b[2Jb\x00c\x7fd\xc3\xa9\n")
    p = Lbd(f"""
global
    log stdout format raw daemon
defaults
    log global
    mode tcp
    timeout connect 1s
    timeout client 5s
    timeout server 5s
    option log-health-checks
listen b
    bind 127.0.0.1:@b@
    server s 127.0.0.1:9 agent-check agent-port {agent.port} agent-inter 60ms
""")
    p.wait_status("b", "s", "DOWN (agent)")
    contains(p.stat("b", "s")["last_agt"], "via agent : down (a?[2Jb", "the column")
    contains(p.wait_log(r"info: .*").group(0), "down (a?[2Jb", "the log")
    true("\x1b" not in p.log(), "no escape in the log")


main()
