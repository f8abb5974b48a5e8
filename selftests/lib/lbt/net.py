"""Network namespaces, veth pairs and a private bpffs for the net tests.

Net(servers=3) makes what most tests want:

    client --- balancer --- server 1
                      \\---- server 2 ...

routed (default): each neighbour has its own subnet with the balancer
    client 10.9.0.2 fd09:0::2, balancer 10.9.0.1 fd09:0::1 (device c0);
    server i 10.9.i.2 fd09:i::2, balancer 10.9.i.1 fd09:i::1 (device s<i>)
flat: all on one bridge: balancer 10.9.0.1, client 10.9.0.2, server i 10.9.0.(10+i)

On veth an XDP program sees packets with partial checksums and GSO frames unless the sender's
offloads are off, and XDP_REDIRECT needs GRO (or a program) on the receiving peer; so every device
here has offloads off and GRO on. Processes enter a namespace by nsenter, not `ip netns exec`,
which would hide bpffs.
"""
import ctypes
import os
import socket
import subprocess

from . import base as _base

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_serial = [0]


def run(cmd, ns=None, check=True, timeout=20, **kw):
    """Runs a command (list, or a string for the shell); returns CompletedProcess with text."""
    if isinstance(cmd, str):
        cmd = ["sh", "-ec", cmd]
    if ns and ns.path:
        cmd = ["nsenter", f"--net={ns.path}"] + cmd
    r = subprocess.run(cmd, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       timeout=timeout, **kw)
    if check and r.returncode:
        _base.fail(f"{' '.join(cmd)}: exit status {r.returncode}\n{r.stdout}{r.stderr}".rstrip())
    return r


class Netns:
    """A network namespace. `with ns:` puts the calling thread into it: sockets made there stay
    there, so a test drives clients in several namespaces from one process."""

    def __init__(self, label=None):
        self.label = label or "here"
        self.path = None
        self._saved = []
        if label:
            _serial[0] += 1
            self.name = f"lbt-{os.getpid()}-{_serial[0]}-{label}"
            self.path = f"/run/netns/{self.name}"
            run(["ip", "netns", "add", self.name])
            _base.at_end(run, ["ip", "netns", "del", self.name])
            run("ip link set lo up", ns=self)

    def __enter__(self):
        if self.path:
            self._saved.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            ret = _libc.setns(fd, CLONE_NEWNET)
            os.close(fd)
            if ret:
                raise OSError(ctypes.get_errno(), f"setns {self.path}")
        return self

    def __exit__(self, *_):
        if self.path:
            fd = self._saved.pop()
            _libc.setns(fd, CLONE_NEWNET)
            os.close(fd)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        with self:
            return socket.socket(family, kind)

    def run(self, cmd, **kw):
        return run(cmd, ns=self, **kw)

    def popen(self, cmd, **kw):
        """A process in this namespace; it is killed at the end."""
        if self.path:
            cmd = ["nsenter", f"--net={self.path}"] + list(cmd)
        p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, **kw)
        _base.at_end(_end, p)
        return p

    def __repr__(self):
        return self.label


def _end(p):
    if p.poll() is None:
        p.kill()
    p.wait()


HERE = Netns()			# the test's own (private) namespace


class Net:
    """The usual topology, see the top of this file."""

    def __init__(self, servers=3, flat=False, forward=False, mtu=1500):
        self.flat, self.mtu = flat, mtu
        self.client, self.lb = Netns("client"), Netns("lb")
        self.servers = [Netns(f"s{i}") for i in range(1, servers + 1)]
        self.vip, self.vip6 = "10.9.0.1", "fd09:0::1"
        self.client_ip, self.client_ip6 = "10.9.0.2", "fd09:0::2"
        if flat:
            self.switch = Netns("switch")
            self.switch.run("ip link add br0 type bridge; ip link set br0 up")
            self._port(self.lb, "eth0", 1)
            self._port(self.client, "eth0", 2)
            self.server_ip = [f"10.9.0.{10 + i}" for i in range(1, servers + 1)]
            self.server_ip6 = [f"fd09:0::{10 + i}" for i in range(1, servers + 1)]
            for i, ns in enumerate(self.servers, 1):
                self._port(ns, "eth0", 10 + i)
        else:
            self._pair(self.client, "eth0", self.lb, "c0", 0)
            self.server_ip = [f"10.9.{i}.2" for i in range(1, servers + 1)]
            self.server_ip6 = [f"fd09:{i}::2" for i in range(1, servers + 1)]
            for i, ns in enumerate(self.servers, 1):
                self._pair(ns, "eth0", self.lb, f"s{i}", i)
        if forward:
            self.lb.run("echo 1 > /proc/sys/net/ipv4/ip_forward;"
                        "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")

    def _veth(self, a, a_dev, b, b_dev):
        run(["ip", "link", "add", a_dev, "mtu", str(self.mtu), "netns", a.name, "type", "veth",
             "peer", "name", b_dev, "mtu", str(self.mtu), "netns", b.name])
        for ns, dev in ((a, a_dev), (b, b_dev)):
            ns.run(f"ip link set {dev} up; ethtool -K {dev} gro on;"
                   f"ethtool -K {dev} tx off sg off tso off gso off")

    def _address(self, ns, dev, subnet, host):
        ns.run(f"ip addr add 10.9.{subnet}.{host}/24 dev {dev};"
               f"ip addr add fd09:{subnet}::{host}/64 dev {dev} nodad")

    def _pair(self, far, far_dev, lb, lb_dev, subnet):
        self._veth(far, far_dev, lb, lb_dev)
        self._address(far, far_dev, subnet, 2)
        self._address(lb, lb_dev, subnet, 1)
        far.run(f"ip route add default via 10.9.{subnet}.1;"
                f"ip route add default via fd09:{subnet}::1")

    def _port(self, ns, dev, host):
        port = f"p{host}"
        self._veth(ns, dev, self.switch, port)
        self.switch.run(f"ip link set {port} master br0")
        self._address(ns, dev, 0, host)


def bpffs(path=None):
    """A private, empty bpffs; returns its path. In the sandbox /sys/fs/bpf is one already."""
    path = path or os.path.join(_base.TMP, "bpf")
    os.makedirs(path, exist_ok=True)
    run(["mount", "-t", "bpf", "bpf", path])
    _base.at_end(run, ["umount", "-l", path])
    return path


def cpu_seconds(pid):
    """User and system CPU that a process and its threads have used so far."""
    with open(f"/proc/{pid}/stat") as f:
        field = f.read().rpartition(")")[2].split()
    return (int(field[11]) + int(field[12])) / os.sysconf("SC_CLK_TCK")


def tree_cpu_seconds():
    """CPU that the whole machine has used (all but idle and iowait)."""
    with open("/proc/stat") as f:
        n = [int(x) for x in f.readline().split()[1:9]]
    return (sum(n) - n[3] - n[4]) / os.sysconf("SC_CLK_TCK")
