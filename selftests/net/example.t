#!/usr/bin/env python3
# tap: timeout=60
"""How a net test is written, and a test of its library: copy this file for a new one.

It compares a small HTTP and TCP service in a balancer's namespace; with the oracle, so that the
library is proven independently of lbd.
"""
from lbt import *

CONFIG = """
defaults
    timeout connect 2s
    timeout client 10s
    timeout server 10s
frontend web
    mode http
    bind 10.9.0.1:@web@
    default_backend app
backend app
    mode http
    balance roundrobin
    server s1 10.9.1.2:8080
    server s2 10.9.2.2:8080
listen echo
    mode tcp
    bind 10.9.0.1:@echo@
    server s1 10.9.1.2:7000
"""

net = Net(servers=2)
web = [HttpServer(f"s{i + 1}", ns=ns, addr="0.0.0.0", port=8080) for i, ns in enumerate(net.servers)]
echo = EchoServer("s1", ns=net.servers[0], addr="0.0.0.0", port=7000)
proxy = Haproxy(CONFIG, ns=net.lb)


@case("requests of one client alternate between the servers")
def _():
    names = [http(proxy.at("web", net.vip), ns=net.client).server for _ in range(6)]
    equal(names, ["s1", "s2"] * 3, "servers that answered")


@cases("a body of {0} bytes arrives unchanged, {1}", [
    (0, "bytes"), (1, "bytes"), (70000, "bytes"), (300000, "chunked")])
def _(size, coding):
    r = http(proxy.at("web", net.vip), f"/{coding}/{size}", ns=net.client)
    equal(r.status, 200, "status")
    equal(r.body, pattern(size), "body")


@case("bytes through the TCP service come back in order")
def _():
    c = Conn(proxy.at("echo", net.vip), ns=net.client)
    equal(c.recv_until(b"\n"), b"s1\n", "banner")
    c.send(pattern(100000))
    equal(c.recv_exact(100000), pattern(100000), "echo")
    c.shut()
    true(c.closed(), "the end of the stream is passed on both ways")


@case("a server in maintenance gets nothing")
def _():
    equal(proxy.cmd("disable server app/s1"), "\n", "reply")
    at_end(proxy.cmd, "enable server app/s1")
    proxy.wait_status("app", "s1", "MAINT")
    before = len(web[0].requests)
    for _ in range(4):
        equal(http(proxy.at("web", net.vip), ns=net.client).server, "s2", "server")
    equal(len(web[0].requests), before, "requests that s1 saw")


@case("IPv6 reaches the servers' namespaces")
def _():
    s = HttpServer("six", ns=net.servers[1], addr="::")
    equal(http((net.server_ip6[1], s.port), ns=net.lb).server, "six", "server")


@case("a wait that cannot end fails, and a wrong comparison too")
def _():
    with raises(AssertionError):
        wait_for(lambda: False, 0.05, "never")
    with raises(AssertionError):
        equal(b"abc", b"abd")


@case("each test has an empty bpffs and its own namespaces")
def _():
    contains(open("/proc/mounts").read(), "/sys/fs/bpf bpf", "mounts")
    equal(run("ls /sys/fs/bpf | grep -v debug$ | wc -l").stdout.strip(), "0", "pins")


main()
