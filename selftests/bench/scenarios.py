"""The scenarios of `make bench`. Each is a row of SCENARIOS at the end: a name, words, metrics with
their aims, and a class that knows how to measure one program once.

A new scenario: a new row; if it measures in a new way, a class with start(), measure(), stop().
"""
import os
import socket
import subprocess
import time

from figures import Metric, aim_at_most, aim_ratio
from peers import (NGINX_HEAD, NGINX_HTTP, PROXY_HEAD, TMP, Origin, Peer, Unable, load,
                   load_command, machine_busy_us, process_cpu_us)

SECONDS = float(os.environ.get("SECONDS_EACH", "1.5"))
CONNS = int(os.environ.get("CONNS", "64"))
SOURCES = ["-b", "127.0.1.1", "-B", "32"]	# client ports must not run out
PORT = 8080
RULES = 1000


def answers(port, host="127.0.0.1", http=True):
    """True when one request (or a plain connection) works."""
    try:
        with socket.create_connection((host, port), 1) as s:
            if not http:
                return True
            s.sendall(b"GET /p0/x HTTP/1.1\r\nHost: bench.example\r\nConnection: close\r\n\r\n")
            return s.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def listening(pid, port):
    """True when the port is in state LISTEN in the network namespace of pid."""
    want = f":{port:04X} "
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/{pid}/net/{name}") as f:
                if any(want in ln and ln.split()[3] == "0A" for ln in f):
                    return True
        except OSError:
            pass		# it has just ended
    return False


class Loopback:
    """Programs on 127.0.0.1, the origin on 127.0.2.1 and up; all are up for the whole scenario, and
    only one has traffic at a time."""

    def __init__(self, proxy, nginx, origin, load_args, result, fresh=False, http=True):
        self.configs = {"lbd": PROXY_HEAD + proxy, "haproxy": PROXY_HEAD + proxy,
                        "nginx": NGINX_HEAD + nginx}
        self.origin_spec, self.load_args, self.result = origin, load_args, result
        self.fresh, self.http, self.up, self.origin = fresh, http, {}, None

    names = ("lbd", "haproxy", "nginx")

    def start(self):
        self.origin = Origin(*self.origin_spec)

    def peer(self, name):
        """The running program. Each has a port of its own: PORT, PORT + 100, PORT + 200."""
        if name not in self.up:
            config = self.configs[name]
            port = PORT + 100 * self.names.index(name)
            config = config.replace("@PORT@", str(port)).replace("@PORT2@", str(port + 1))
            p = Peer(name, config).start()
            p.port = port
            p.wait_ready(lambda: answers(port, http=self.http))
            self.up[name] = p
        return self.up[name]

    def run(self, peer, port, args):
        return load([*SOURCES, "-t", SECONDS, *args, "127.0.0.1", port], peer.cpu_us)

    def measure(self, name):
        p = self.peer(name)
        return self.result(self, p)

    def stop(self):
        for p in self.up.values():
            p.stop()
        self.up = {}
        if self.origin:
            self.origin.stop()


def per_operation(scenario, p):
    r = scenario.run(p, p.port, scenario.load_args)
    if not r["ops"]:
        raise Unable("no operation was completed")
    return {"cpu": r["used"] / r["ops"], "rate": r["ops"] / r["seconds"], "p99": r["p99_us"]}


def per_gigabyte(scenario, p):
    r = scenario.run(p, p.port, scenario.load_args)
    return {"cpu": r["used"] / 1e6 / (r["bytes"] / 1e9), "rate": r["bytes"] * 8 / 1e9 / r["seconds"]}


def added_by_rules(scenario, p):
    """PORT2 has the rules, PORT has none; each is run twice, in both orders."""
    def one(port):
        r = scenario.run(p, port, scenario.load_args)
        return r["used"] / r["ops"]
    a, b, c, d = one(p.port), one(p.port + 1), one(p.port + 1), one(p.port)
    return {"added": (b + c - a - d) / 2, "with": (b + c) / 2}


def of_the_machine(scenario, p):
    """CPU of proxy, load generator and origin per GB: what a proxy leaves to the kernel is paid in their context, too."""
    def counters():
        return p.cpu_us(), p.cpu_us() + process_cpu_us(scenario.origin.proc.pid) + \
               sum(process_cpu_us(pid) for pid in ksoftirqd())
    r = load([*SOURCES, "-t", SECONDS, *scenario.load_args, "127.0.0.1", p.port], counters)
    gb = r["bytes"] / 1e9
    return {"cpu": r["used"][0] / 1e6 / gb, "all": (r["used"][1] + r["cpu_us"]) / 1e6 / gb,
            "rate": r["bytes"] * 8 / 1e9 / r["seconds"]}


def percent_by_rules(scenario, p):
    """As added_by_rules, in percent of the operation without rules."""
    r = added_by_rules(scenario, p)
    return {"percent": 100 * r["added"] / (r["with"] - r["added"]), "with": r["with"]}


class Threads(Loopback):
    """Each program with one worker thread and with two, one after the other and in both orders: CPU per operation with two
    over that with one."""

    def measure(self, name):
        one, two = self.peer(name), self.peer(name + "-2")

        def cpu(p):
            r = self.run(p, p.port, self.load_args)
            return r["used"] / r["ops"]
        a, b, c, d = cpu(one), cpu(two), cpu(two), cpu(one)
        return {"ratio": (b + c) / (a + d), "two": (b + c) / 2}

    def peer(self, name):
        if name.endswith("-2") and name not in self.up:
            plain = name[:-2]
            port = PORT + 50 + 100 * self.names.index(plain)
            config = self.configs[plain].replace("nbthread 1\n", "nbthread 2\n") \
                .replace("worker_processes 1;", "worker_processes 2;") \
                .replace("nginx.pid", "nginx-2.pid").replace("@PORT@", str(port))
            p = Peer(plain, config, suffix="-2").start()
            p.port = port
            p.wait_ready(lambda: answers(port, http=self.http))
            self.up[name] = p
        return super().peer(name)


class Idle(Loopback):
    """Memory of idle connections: a fresh process each time, because freed memory stays with it."""

    def measure(self, name):
        p = self.peer(name)
        mode, count = self.load_args
        try:
            # what the first connections cost once (pools, tables) is not counted
            warm = subprocess.run(load_command([*SOURCES, "-c", 200, mode, "127.0.0.1", p.port]),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            if warm.returncode:
                raise Unable("200 connections fail")
            before = p.memory_kb()
            q = subprocess.Popen(load_command([*SOURCES, "-c", count, mode, "127.0.0.1", p.port]),
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            words = dict(w.split("=") for w in q.stdout.readline().split()[1:])
            after = p.memory_kb()
            q.stdin.close()
            q.wait()
            if int(words["held"]) < count:
                raise Unable(f"held only {words['held']} of {count} connections")
            return {"kb": (after - before) / count, "held": count, "total": after / 1024}
        finally:
            p.stop()
            del self.up[name]


class Start(Loopback):
    """From exec to the first answer, and the memory then."""

    def measure(self, name):
        port = PORT + 100 * self.names.index(name)
        p = Peer(name, self.configs[name].replace("@PORT@", str(port)))
        t = time.monotonic()
        p.start()
        try:
            p.wait_ready(lambda: answers(port))
            ms = (time.monotonic() - t) * 1000
            return {"ms": ms, "mb": p.memory_kb() / 1024, "cpu": p.cpu_us() / 1000}
        finally:
            p.stop()


def ksoftirqd():
    """Pids of the kernel's softirq threads; none are visible in a pid namespace."""
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and _comm(pid).startswith("ksoftirqd")]


def _comm(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read()
    except OSError:
        return ""


def kernel_metrics(what, limit):
    return [Metric("added", f"CPU of the whole machine added by the balancer per {what}, us",
                   aim_ratio(limit)),
            Metric("part_added", f"CPU of all who take part added per {what}, us", aim_ratio(limit)),
            Metric("part", f"CPU of all who take part per {what}, us", ratio=False),
            Metric("other", "share of the machine's CPU that others used, percent", ratio=False)]


class Kernel:
    """client - balancer - server in namespaces; CPU per operation, minus that of the same traffic
    through the balancer's namespace without a balancer (`none`). In two ways: the whole machine's,
    which is true only when nothing else runs, and that of all who take part (load, server, proxy,
    ksoftirqd), in whose context packets on veth are worked on: it stands other load better."""

    names = ("none", "lbd", "haproxy")

    def __init__(self, mode):
        self.mode, self.up, self.origin = mode, {}, None

    def start(self):
        from lbt import Net
        self.net = Net(servers=1, forward=True)
        self.net.client.run("sysctl -qw net.ipv4.ip_local_port_range='1024 65000';"
                            "sysctl -qw net.ipv4.tcp_tw_reuse=1")
        self.net.lb.run("sysctl -qw net.ipv4.tcp_tw_reuse=1")
        for i in range(16):		# client addresses, so that ports do not run out
            self.net.client.run(f"ip addr add 10.9.0.{100 + i}/24 dev eth0")
        for i in range(3, 18):		# and server addresses, for the balancer's ports
            self.net.servers[0].run(f"ip addr add 10.9.1.{i}/24 dev eth0")
        self.origin = Origin("echo:7000", ns=self.net.servers[0])

    def config(self, name, port):
        head = PROXY_HEAD
        if name == "lbd":
            head = head.replace("global\n", "global\n    datapath interface c0,s1\n"
                                f"    datapath pin /sys/fs/bpf/lbd-bench-{self.mode}\n")
        kernel = "    datapath require kernel\n" if name == "lbd" else ""
        return head + f"""listen t
    mode tcp
    bind 10.9.0.1:{port}
{kernel}""" + "".join(f"    server s{i} 10.9.1.{i}:7000\n" for i in range(2, 18))

    def target(self, name):
        if name == "none":
            return "10.9.1.2", 7000
        port = PORT + self.names.index(name)
        if name not in self.up:
            p = Peer(name, self.config(name, port), ns=self.net.lb).start()
            p.wait_ready(lambda: listening(p.proc.pid, port)
                         and (name != "lbd" or "t: kernel: " in p.said()))	# attached
            self.up[name] = p
        return "10.9.0.1", port

    def measure(self, name):
        host, port = self.target(name)
        args = ["-b", "10.9.0.100", "-B", "16", "-t", SECONDS, "-c", CONNS, self.mode, host, port]
        r = load(args, self.counters, ns=self.net.client)
        machine, part = r["used"][0], r["used"][1] + r["cpu_us"]
        return {"cpu": machine / r["ops"], "part": part / r["ops"], "rate": r["ops"] / r["seconds"],
                "other": 100 * (machine - part) / machine}

    def counters(self):
        part = process_cpu_us(self.origin.proc.pid) + sum(p.cpu_us() for p in self.up.values())
        return machine_busy_us(), part + sum(process_cpu_us(pid) for pid in ksoftirqd())

    def derive(self, rounds):
        """Adds `added`, `part_added`: CPU per operation minus that of `none` in the same round."""
        for name in ("lbd", "haproxy"):
            if name in rounds:
                for mine, base in zip(rounds[name], rounds["none"]):
                    mine["added"] = mine["cpu"] - base["cpu"]
                    mine["part_added"] = mine["part"] - base["part"]

    def stop(self):
        for p in self.up.values():
            p.stop()
        if self.origin:
            self.origin.stop()


# ---- Configurations -------------------------------------------------------------------------

HTTP = """frontend web
    mode http
    bind 127.0.0.1:@PORT@
    default_backend app
backend app
    mode http
    %s
""" + "".join(f"    server s{i} 127.0.2.{i}:8000\n" for i in range(1, 5))
NGINX_UPSTREAM = ("    upstream app { %s " + " ".join(f"server 127.0.2.{i}:8000;" for i in range(1, 5))
                  + " }\n")
NGINX_SERVER = ("    server { listen 127.0.0.1:@PORT@; location / { proxy_pass http://app;"
                " proxy_set_header Host $http_host; proxy_set_header Connection \"%s\"; } }\n")
TCP = """listen t
    mode tcp
    bind 127.0.0.1:@PORT@
""" + "".join(f"    server s{i} 127.0.2.{i}:%d\n" for i in range(1, 5))


def nginx_http(keep):
    return (NGINX_HTTP + NGINX_UPSTREAM % ("keepalive 64;" if keep else "")
            + NGINX_SERVER % ("" if keep else "close") + "}\n")


def nginx_tcp(port):
    servers = " ".join(f"server 127.0.2.{i}:{port};" for i in range(1, 5))
    return (f"stream {{ upstream app {{ {servers} }}\n"
            "    server { listen 127.0.0.1:@PORT@; proxy_pass app; tcp_nodelay on; } }\n")


def tcp(port):
    return TCP.replace("%d", str(port))


def proxy_rules():
    """PORT: no rules. PORT2: a thousand, of which each request matches one."""
    rules = "".join(f"    use_backend app if {{ path_beg /p{i}/ }}\n" for i in range(RULES))
    return ("frontend rules\n    mode http\n    bind 127.0.0.1:@PORT2@\n" + rules
            + "    default_backend none\nbackend none\n    mode http\n" + HTTP % "http-reuse always")


ACCEPT_RULES = "".join(f"    tcp-request connection reject if {{ src 192.0.2.{i} }}\n" for i in range(20))


def proxy_accept_rules():
    """PORT: no rules. PORT2: twenty that no client meets."""
    return TCP.replace("%d", "8001") + TCP.replace("%d", "8001").replace("listen t", "listen ruled") \
        .replace("@PORT@", "@PORT2@").replace("    server s1", ACCEPT_RULES + "    server s1")


def nginx_accept_rules():
    deny = "".join(f"deny 192.0.2.{i}; " for i in range(20))
    servers = " ".join(f"server 127.0.2.{i}:8001;" for i in range(1, 5))
    return (f"stream {{ upstream app {{ {servers} }}\n"
            "    server { listen 127.0.0.1:@PORT@; proxy_pass app; tcp_nodelay on; }\n"
            f"    server {{ listen 127.0.0.1:@PORT2@; {deny} allow all; proxy_pass app; tcp_nodelay on; }} }}\n")


def nginx_rules():
    set_headers = "proxy_set_header Host $http_host; proxy_set_header Connection \"\";"
    locations = "".join(f"        location /p{i}/ {{ proxy_pass http://app; {set_headers} }}\n"
                        for i in range(RULES))
    return (NGINX_HTTP + NGINX_UPSTREAM % "keepalive 64;" + NGINX_SERVER % ""
            + "    server { listen 127.0.0.1:@PORT2@;\n" + locations + "    }\n}\n")


def proxy_big():
    return ("frontend web\n    mode http\n    bind 127.0.0.1:@PORT@\n    default_backend b0\n"
            + "".join(f"backend b{b}\n    mode http\n"
                      + "".join(f"    server s{s} 127.0.2.{s + 1}:8000\n" for s in range(10))
                      for b in range(1000)))


def nginx_big():
    return (NGINX_HTTP.replace("server_names", "variables_hash_max_size 4096;\n    server_names")
            + "".join(f"    upstream b{b} {{ "
                      + " ".join(f"server 127.0.2.{s + 1}:8000;" for s in range(10)) + " }\n"
                      for b in range(1000))
            + "    server { listen 127.0.0.1:@PORT@;\n"
            + "".join(f"        location /b{b}/ {{ proxy_pass http://b{b}; }}\n" for b in range(1000))
            + "        location / { proxy_pass http://b0; }\n    }\n}\n")


HTTP_ORIGIN = ["http:8000:100"]
CPU_REQUEST = "CPU of the proxy per request, us"
RATE = Metric("rate", "requests or connections per second", more=True)

# name: (words, metrics, function that makes the scenario)
SCENARIOS = {
    "http-keepalive": (
        "HTTP, kept connections on both sides (http-reuse always), 100-byte bodies",
        [Metric("cpu", CPU_REQUEST, aim_ratio(0.75)), RATE],
        lambda: Loopback(HTTP % "http-reuse always", nginx_http(True), HTTP_ORIGIN,
                         ["-c", CONNS, "keep"], per_operation)),
    "http-close": (
        "HTTP, one connection per request on both sides",
        [Metric("cpu", CPU_REQUEST), RATE],
        lambda: Loopback(HTTP % "option httpclose", nginx_http(False), HTTP_ORIGIN,
                         ["-c", CONNS, "close"], per_operation)),
    "tcp-rr": (
        "TCP round trip of 64 bytes on kept connections",
        [Metric("cpu", "CPU of the proxy per round trip, us", aim_ratio(1.0, upper=True)), RATE],
        lambda: Loopback(tcp(8001), nginx_tcp(8001), ["echo:8001"],
                         ["-c", CONNS, "rr"], per_operation, http=False)),
    "tcp-conn": (
        "TCP connection with one round trip of 64 bytes",
        [Metric("cpu", "CPU of the proxy per connection, us", aim_ratio(1.0, upper=True)), RATE],
        lambda: Loopback(tcp(8001), nginx_tcp(8001), ["echo:8001"],
                         ["-c", CONNS, "conn"], per_operation, http=False)),
    "bulk": (
        "TCP bulk download, 4 connections (with `option splice-auto`)",
        [Metric("all", "CPU of proxy, load and origin per GB, s", aim_ratio(0.9, upper=True)),
         Metric("cpu", "CPU of the proxy per GB, s"), Metric("rate", "Gbit/s", more=True)],
        lambda: Loopback(tcp(8002).replace("    server s1", "    option splice-auto\n    server s1")
                         + "global\n    maxpipes 100\n", nginx_tcp(8002), ["bulk:8002"], ["-c", 4, "bulk"], of_the_machine, http=False)),
    "accept-rules": (
        "TCP connections through twenty `tcp-request connection` rules, and through none",
        [Metric("percent", "CPU added by the rules per connection, percent",
                aim_at_most(5.0, "percent"), ratio=False),
         Metric("with", "CPU per connection with the rules, us")],
        lambda: Loopback(proxy_accept_rules(), nginx_accept_rules(), ["echo:8001"],
                         ["-c", CONNS, "conn"], percent_by_rules, http=False)),
    "threads-http": (
        "HTTP, kept connections, with two worker threads and with one",
        [Metric("ratio", "CPU per request with two threads over that with one",
                aim_at_most(1.1, "times"), ratio=False),
         Metric("two", "CPU per request with two threads, us")],
        lambda: Threads(HTTP % "http-reuse always", nginx_http(True), HTTP_ORIGIN,
                        ["-c", CONNS, "keep"], None)),
    "threads-tcp": (
        "TCP round trips, with two worker threads and with one",
        [Metric("ratio", "CPU per round trip with two threads over that with one",
                aim_at_most(1.1, "times"), ratio=False),
         Metric("two", "CPU per round trip with two threads, us")],
        lambda: Threads(tcp(8001), nginx_tcp(8001), ["echo:8001"], ["-c", CONNS, "rr"], None,
                        http=False)),
    "rules": (
        f"{RULES} use_backend ... if {{ path_beg }} rules; every request matches one of them",
        [Metric("added", "CPU added by the rules per request, us", aim_at_most(1.0, "us"), ratio=False),
         Metric("with", "CPU per request with the rules, us")],
        lambda: Loopback(proxy_rules(), nginx_rules(), HTTP_ORIGIN,
                         ["-c", CONNS, "-p", RULES, "keep"], added_by_rules)),
    "idle-http": (
        "memory of an idle HTTP connection that has had one request, 4000 of them",
        [Metric("kb", "KB of user-space memory per connection", aim_at_most(0.6, "KB"))],
        lambda: Idle(HTTP % "http-reuse always", nginx_http(True), HTTP_ORIGIN,
                     ["idle-http", 4000], None)),
    "idle-tcp": (
        "memory of an idle TCP connection pair, 4000 of them",
        [Metric("kb", "KB of user-space memory per pair", aim_at_most(1.0, "KB"))],
        lambda: Idle(tcp(8001), nginx_tcp(8001), ["echo:8001"], ["idle-tcp", 4000], None,
                     http=False)),
    "start": (
        "start with 1,000 backends of 10 servers",
        [Metric("ms", "from exec to the first answer, ms", aim_at_most(40, "ms")),
         Metric("cpu", "CPU until then, ms"), Metric("mb", "user-space memory then, MB")],
        lambda: Start(proxy_big(), nginx_big(), HTTP_ORIGIN, None, None)),
    "kernel-rr": (
        "kernel path between namespaces, TCP round trip of 64 bytes",
        kernel_metrics("round trip", 0.2),
        lambda: Kernel("rr")),
    "kernel-conn": (
        "kernel path between namespaces, TCP connection with one round trip",
        kernel_metrics("connection", 0.3),
        lambda: Kernel("conn")),
    "sessions": (
        "figure of merit: session rate (HTTP, one connection per request, 256 at a time)",
        [Metric("rate", "sessions per second", more=True)],
        lambda: Loopback(HTTP % "option httpclose", nginx_http(False), HTTP_ORIGIN,
                         ["-c", 256, "close"], per_operation)),
    "concurrent": (
        "figure of merit: concurrent sessions held (9,000, bound by the descriptor limit)",
        [Metric("held", "sessions held", more=True), Metric("total", "memory with them, MB")],
        lambda: Idle(HTTP % "http-reuse always", nginx_http(True), HTTP_ORIGIN,
                     ["idle-http", 9000], None)),
    "data-rate": (
        "figure of merit: data rate (HTTP, 1 MB bodies, 32 kept connections)",
        [Metric("rate", "Gbit/s", more=True), Metric("cpu", "CPU of the proxy per GB, s")],
        lambda: Loopback(HTTP % "http-reuse always", nginx_http(True), ["http:8000:1000000"],
                         ["-c", 32, "keep"], per_gigabyte)),
}
