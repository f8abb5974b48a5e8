#!/usr/bin/env python3
# tap: timeout=120
"""One TCP service on the kernel path, end to end: same bytes, same choices as the oracle, states, edits, the daemon's death."""
import json
import re

from lbt import *

CONFIG = """
global
    log stdout format raw local0
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


HOOKS = [("", "what auto chooses (TC on veth)"), (" hook xdp", "native XDP"), (" hook xdp-generic", "generic XDP"), (" hook tc", "TC")]


@cases("a connection through {1}: bytes come back, the daemon saw nothing of it", HOOKS)
def _(hook, words):
    lbd = lbd_with(hook)
    c = Conn(lbd.at("web", net.vip), ns=net.client)
    true(c.recv_until(b"\n").strip() in (b"s1", b"s2", b"s3"), "a server named itself")
    c.send(pattern(300000))
    equal(c.recv_exact(300000), pattern(300000), "echo")
    c.shut()
    true(c.closed(), "the end is passed on")


@cases("clients come in by {0}, servers are behind {1}: both directions find their way", [
    ("xdp", "tc"), ("tc", "xdp"), ("xdp-generic", "tc"), ("xdp", "xdp-generic")])
def _(front, back):
    lines = f"datapath interface c0 hook {front}\n    datapath interface s1,s2,s3 hook {back}"
    lbd = Lbd(CONFIG.replace("datapath interface c0,s1,s2,s3@hook@", lines), ns=net.lb)
    for i in range(10):
        c = Conn(lbd.at("web", net.vip), ns=net.client, src=f"10.9.100.{i + 1}")
        true(c.recv_until(b"\n").startswith(b"s"), "a server named itself")
        c.send(pattern(100000))
        equal(c.recv_exact(100000), pattern(100000), "echo")
        c.close()
    made = sum(r["new"] for r in adm("-j", "servers"))
    true(made >= 10, f"{made} connections went through the kernel")


@case("the same servers as haproxy for 200 addresses")
def _():
    lbd, oracle = lbd_with(""), Haproxy(CONFIG.replace("@hook@", ""), ns=net.lb)
    addresses = [f"10.9.100.{i}" for i in range(1, 201)]
    mine = [who(lbd, a) for a in addresses]
    equal(mine, [who(oracle, a) for a in addresses], "servers")
    equal(len(set(mine)), 3, "all servers are used")


def adm(*words, code=0):
    """lbadm in the balancer's namespace; its output, as JSON with -j."""
    r = net.lb.run([LBADM, *words], check=False)
    equal(r.returncode, code, "exit code of lbadm " + " ".join(words) + ": " + r.stdout + r.stderr)
    return json.loads(r.stdout) if "-j" in words else r.stdout


def server_of(src):
    return next(x for x in adm("-j", "servers") if x["flows"])["server"]


def rows(lbd):
    return {x["server"]: x for x in adm("-j", "servers")}


def flow_dump():
    return re.sub(r"(tick|born)=[^ ]+ ago", "", adm("map", "dump", "flow"))


def settled_dump():
    """The flow table when the last FIN of earlier connections has passed."""
    wait_for(lambda: not re.search("word=(fin|established)", flow_dump()), what="all flows closed")
    return flow_dump()


@case("explain says beforehand where a connection goes, and it goes there; map dumps are unchanged by asking")
def _():
    lbd = lbd_with("")
    port = lbd.at("web", net.vip)[1]
    for i in range(1, 21):
        src = f"10.9.100.{i}"
        before = settled_dump()
        x = adm("-j", "explain", f"{src}:40000", f"10.9.0.1:{port}", "tcp")
        equal(flow_dump(), before, "flow table after explain")
        equal((x["verdict"], x["reason"], x["service"]), ("FORWARD", "new", "web"), "verdict")
        equal("web/" + who(lbd, src), x["server"], f"server of {src}")
    text = adm("explain", f"10.9.100.1:40000", f"10.9.0.1:{port}", "tcp")
    for word in ("service   web", "pick      source", "next hop", "forward"):
        true(word in text, f"'{word}' in\n{text}")
    adm("explain", "10.9.100.1:40000", "10.9.0.1:9", "tcp", code=2)


@case("drain, maint, weight and ready reach the picks; established flows stay")
def _():
    lbd = lbd_with("")
    src = "10.9.100.7"
    c = Conn(lbd.at("web", net.vip), ns=net.client, src=src)
    first = c.recv_until(b"\n").strip().decode()
    adm("server", f"web/{first}", "drain")
    wait_for(lambda: not rows(lbd)[f"web/{first}"]["share"], 2, "the table follows")
    true(who(lbd, src) != first, "a new connection goes elsewhere")
    c.send(b"still here")
    equal(c.recv_exact(10), b"still here", "the old one stays")
    equal(adm("-j", "server", f"web/{first}", "ready", "--dry-run")["dry_run"], True, "dry run")
    equal(rows(lbd)[f"web/{first}"]["share"], 0, "a dry run changes nothing")
    equal(len(adm("-j", "server", f"web/{first}", "ready")["done"]), 1, "what was done")
    wait_for(lambda: rows(lbd)[f"web/{first}"]["share"], 2, "the table follows")
    equal(who(lbd, src), first, "back again")
    adm("server", f"web/{first}", "weight", "0")
    wait_for(lambda: not rows(lbd)[f"web/{first}"]["share"], 2, "the table follows")
    true(who(lbd, src) != first, "weight 0 is like drain")
    adm("server", "web/nobody", "drain", code=1)
    adm("server", "web/s1", "paint", code=64)


@case("on-marked-down shutdown-sessions: maintenance resets the server's flows, other servers' and later ones live")
def _():
    lbd = Lbd(CONFIG.replace("@hook@", "").replace("weight 10", "weight 10 on-marked-down shutdown-sessions"), ns=net.lb)
    conns = {}
    for i in range(1, 101):
        c = Conn(lbd.at("web", net.vip), ns=net.client, src=f"10.9.100.{i}")
        conns.setdefault(c.recv_until(b"\n").strip().decode(), c)
    equal(sorted(conns), ["s1", "s2", "s3"], "servers in use")
    for state, ends in (("drain", False), ("maint", True)):
        for name in ("s1", "s2"):
            lbd.cmd(f"set server web/{name} state {state}")
            wait_for(lambda: not rows(lbd)[f"web/{name}"]["share"], 2, "the table follows")
            conns[name].send(b"still here")
            try:
                equal(conns[name].recv_exact(10), b"still here", f"{name} in {state}")
                true(name == "s2" or not ends, "the flow of s1 lives on in maintenance")
            except ConnectionResetError:
                true(name == "s1" and ends, f"the flow of {name} was reset in {state}")
    for name in ("s1", "s2"):
        lbd.cmd(f"set server web/{name} state ready")
    wait_for(lambda: rows(lbd)["web/s1"]["share"], 2, "the table follows")
    names = {who(lbd, f"10.9.100.{i}") for i in range(1, 101)}
    equal(names, {"s1", "s2", "s3"}, "servers after maintenance")


@case("kill -9 of the daemon: open connections go on, new ones are served, the next daemon adopts them")
def _():
    lbd = lbd_with("")
    conns = [Conn(lbd.at("web", net.vip), ns=net.client) for _ in range(50)]
    names = [c.recv_until(b"\n") for c in conns]
    lbd.kill()
    for i, c in enumerate(conns):
        c.send(pattern(1000 + i))
        equal(c.recv_exact(1000 + i), pattern(1000 + i), f"connection {i} after the daemon's death")
    new = [Conn(lbd.at("web", net.vip), ns=net.client) for _ in range(50)]
    for c in new:
        true(c.recv_until(b"\n").startswith(b"s"), "a server answers without a daemon")
    equal(adm("-j", "flows", "--count")["found"] >= 100, True, "flows in the table")
    adm("server", "web/s1", "drain")
    equal(rows(lbd)["web/s1"]["state"].startswith("no new"), True, "edited without a daemon")
    lbd.start()
    for i, c in enumerate(conns + new):
        c.send(b"again")
        equal(c.recv_exact(5), b"again", f"connection {i} with the new daemon")
    lbd.wait_log(r"adopted \d+ flows")


@case("a server's address changes at run time: new connections go to the new one, old ones stay")
def _():
    lbd = lbd_with("")
    lbd.cmd("set server web/s2 state maint; set server web/s3 state maint")
    wait_for(lambda: rows(lbd)["web/s1"]["share"] == 1, 2, "only s1 is left")
    c = Conn(lbd.at("web", net.vip), ns=net.client)
    equal(c.recv_until(b"\n"), b"s1\n", "server")
    contains(lbd.cmd("set server web/s1 addr 10.9.3.2 port 7000"), "10.9.3.2", "reply")
    wait_for(lambda: any(r["address"] == "10.9.3.2:7000" and r["share"] == 1 for r in adm("-j", "servers")), 2, "the table follows")
    equal(who(lbd, "10.9.100.1"), "s3", "the machine that answers now")
    c.send(b"on")
    equal(c.recv_exact(2), b"on", "the old connection")


@case("flows are listed and cut")
def _():
    lbd = lbd_with("")
    c = Conn(lbd.at("web", net.vip), ns=net.client, src="10.9.100.9")
    c.recv_until(b"\n")
    found = adm("-j", "flows", "--client", "10.9.100.9")
    equal([x["service"] for x in found["flows"] if x["state"] == "established"], ["web"], "flows of the client")
    adm("flows", "--kill", code=64)
    adm("flows", "--client", "10.9.100.9", "--kill")
    c.send(b"x")
    try:
        c.recv_exact(1)
        fail("the connection lives on")
    except ConnectionResetError:
        pass


@case("map list, dump, get, set and del speak of named fields; writing needs the daemon gone")
def _():
    lbd = lbd_with("")
    maps = {m["map"]: m for m in adm("-j", "map", "list")}
    for name in ("services", "service", "server", "flow", "deny", "nexthop"):
        true(name in maps, f"map {name} is listed")
    slot = next(e["key"]["slot"] for e in adm("-j", "map", "dump", "server") if e["value"]["addr"] == "10.9.1.2")
    equal(adm("-j", "map", "get", "server", f"slot={slot}")["value"]["port_be"], "7000", "port")
    adm("map", "get", "server", "slot=999999", code=1)
    adm("map", "get", "server", "colour=red", code=64)
    adm("map", "set", "server", f"slot={slot}", "weight=7", code=1)
    before = adm("map", "dump", "server")
    lbd.kill()
    adm("map", "set", "server", f"slot={slot}", "weight=7", "--dry-run")
    equal(adm("map", "dump", "server"), before, "after a dry run")
    adm("map", "set", "server", f"slot={slot}", "weight=7")
    equal(adm("-j", "map", "get", "server", f"slot={slot}")["value"]["weight"], "7", "weight")
    adm("map", "set", "server", f"slot={slot}", "weight=heavy", code=1)
    adm("map", "set", "flow", "slot=1", "tick=1", code=1)
    lbd.start()
    wait_for(lambda: adm("-j", "map", "get", "server", f"slot={slot}")["value"]["weight"] == "10", 5, "the daemon's value is back")


@case("doctor: fine on a host where it works; says what is missing where not")
def _():
    lbd = lbd_with(" hook xdp")
    wait_for(lambda: "next hop does not answer" not in adm("doctor"), 5, "all servers answer")
    text = adm("doctor")
    for words in ("KERNEL    ok", "BPFFS     ok", "c0        ok", "DAEMON    ok", "PORTS     ok", "0 problems"):
        contains(text, words, "doctor")
    contains(text, "veth drops what XDP sends", "doctor on veth")
    net.lb.run("echo 20000 60999 > /proc/sys/net/ipv4/ip_local_port_range")
    contains(adm("doctor", code=1), "overlaps local 20000-60999", "doctor")
    net.lb.run("echo 32768 60999 > /proc/sys/net/ipv4/ip_local_port_range")
    lbd.kill()
    contains(adm("doctor"), "none is running", "doctor without a daemon")


@case("show stat counts connections and payload of the kernel, exactly")
def _():
    lbd = lbd_with("")
    adm("-j", "services")
    lbd.cmd("clear counters all")
    conns = []
    for i in range(20):
        c = Conn(lbd.at("web", net.vip), ns=net.client, src=f"10.9.100.{i + 1}")
        c.recv_until(b"\n")
        c.send(b"x" * 500)
        c.recv_exact(500)
        conns.append(c)
    names = [r["server"].split("/")[1] for r in adm("-j", "servers")]

    def total(col):
        return sum(int(lbd.stat("web", n)[col]) for n in names)
    wait_for(lambda: int(lbd.stat("web", "FRONTEND")["stot"]) == 20, 3, "stot of the frontend is 20")
    wait_for(lambda: total("stot") == 20, 3, "stot of the servers is 20")
    wait_for(lambda: int(lbd.stat("web", "FRONTEND")["bin"]) == 20 * 500, 3, "bin of the frontend")
    equal(int(lbd.stat("web", "FRONTEND")["bout"]), 20 * 503, "bout of the frontend: the name and the echo")
    true(int(lbd.stat("web", "FRONTEND")["scur"]) >= 20, "scur")
    for c in conns:
        c.close()
    wait_for(lambda: total("scur") == 0, 5, "no flow is left on the servers")
    lbd.cmd("clear counters all")
    wait_for(lambda: lbd.stat("web", "FRONTEND")["stot"] == "0", 3, "cleared")


def adm_as_nobody(*words):
    r = net.lb.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", LBADM, *words], check=False)
    equal(r.returncode, 1, "exit code of lbadm " + " ".join(words))
    return r.stdout + r.stderr


@case("who may not look is not told that nothing is attached")
def _():
    lbd_with("")
    before = adm("services")
    for words in (("detach", "--now"), ("cleanup",), ("servers",), ("doctor",)):
        text = adm_as_nobody(*words)
        contains(text, "run lbadm as root", " ".join(words))
        for wrong in ("detached", "no program is attached", "nothing of lbd"):
            true(wrong not in text, " ".join(words) + ": " + text)
    true("no program is attached" not in adm("doctor"), "still attached")
    equal(before.split()[0], "SERVICE", "the table")


@case("detach --now: the daemon serves in user space")
def _():
    lbd = lbd_with("")
    adm("detach", code=64)
    adm("detach", "--now")
    contains(adm("doctor"), "'lbadm detach' took the programs off", "doctor with a living daemon")
    contains(adm("detach", "--now"), "nothing of lbd is attached", "a second time")
    true(who(lbd, "10.9.100.1") in ("s1", "s2", "s3"), "served")
    equal(lbd.stat("web", "FRONTEND")["stot"] != "0", True, "by the daemon")


main()
