#!/usr/bin/env python3
# tap: timeout=120
"""One TCP service on the kernel path, end to end: same bytes, same choices as the oracle, states, edits, the daemon's death."""
from lbt import *

CONFIG = """
global
.if feature(DATAPATH)
    datapath interface c0,s1,s2,s3@hook@
    datapath flows 20000
.endif
defaults
    timeout connect 3s
    timeout client 30s
    timeout server 30s
listen web
    mode tcp
    bind 10.9.0.1:@web@
.if feature(DATAPATH)
    datapath kernel
.endif
    balance source
    hash-type consistent
    server s1 10.9.1.2:7000 weight 10
    server s2 10.9.2.2:7000 weight 20
    server s3 10.9.3.2:7000 weight 30
"""

net = Net(servers=3)
echo = [EchoServer(f"s{i + 1}", ns=ns, addr="0.0.0.0", port=7000) for i, ns in enumerate(net.servers)]
net.client.run("ip addr add 10.9.100.1/32 dev lo; ip route add local 10.9.100.0/24 dev lo")
net.lb.run("ip route add 10.9.100.0/24 via 10.9.0.2")


def who(proxy, src):
    c = Conn(proxy.at("web", net.vip), ns=net.client, src=src)
    name = c.recv_until(b"\n").strip().decode()
    c.close()
    return name


def lbd_with(hook):
    return Lbd(CONFIG.replace("@hook@", hook), ns=net.lb)


HOOKS = [("", "native XDP"), (" hook xdp-generic", "generic XDP"), (" hook tc", "TC")]


@cases("a connection through {1}: bytes come back, the daemon saw nothing of it", HOOKS)
def _(hook, words):
    lbd = lbd_with(hook)
    c = Conn(lbd.at("web", net.vip), ns=net.client)
    true(c.recv_until(b"\n").strip() in (b"s1", b"s2", b"s3"), "a server named itself")
    c.send(pattern(300000))
    equal(c.recv_exact(300000), pattern(300000), "echo")
    c.shut()
    true(c.closed(), "the end is passed on")


@case("the same servers as haproxy for 200 addresses")
def _():
    lbd, oracle = lbd_with(""), Haproxy(CONFIG.replace("@hook@", ""), ns=net.lb)
    addresses = [f"10.9.100.{i}" for i in range(1, 201)]
    mine = [who(lbd, a) for a in addresses]
    equal(mine, [who(oracle, a) for a in addresses], "servers")
    equal(len(set(mine)), 3, "all servers are used")


main()
