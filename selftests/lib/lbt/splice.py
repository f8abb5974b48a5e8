"""What splice.t and splice_long.t share: build/selftests/net/splice_load through lbd."""
import os
import subprocess

from .base import TMP, TOP, _O, at_end, note, true
from .net import run


CONFIG = """
global
    nbthread 2
    maxconn 4000
    {more}
defaults
    mode tcp
    timeout client 50s
    timeout server 50s
    timeout connect 5s
listen t
    bind 127.0.0.1:@t@
    server s1 127.0.0.1:@server@ {server}
"""


def many_connections(lbd, count, at_once=60, seed=1, gap_ms=200, buffer=0, timeout=300):
    """Runs the load; its numbers as a dict. Fails the case when a byte was wrong or something stood still."""
    words = [os.path.join(TOP, _O, "selftests/net/splice_load"), f"127.0.0.1:{lbd.port('t')}", f"127.0.0.1:{lbd.port('server')}",
             str(count), str(at_once), str(seed), str(gap_ms), str(buffer)]
    timeout *= int(os.environ.get("TIMEOUT_FACTOR", "1"))
    r = subprocess.run(words, capture_output=True, text=True, timeout=timeout)
    note(r.stdout.strip())
    for line in r.stderr.splitlines()[:20]:
        note(line)
    true(r.returncode == 0, "every connection was right and none stood still: " + r.stdout.strip())
    return {k: int(v) for k, v in (w.split("=") for w in r.stdout.split())}


def calm_loopback():
    """What stands still shall be the proxy's doing: packets are not as large as the small receive buffers of this test, which would drop
    them and repeat them ever later, and loss is repaired in 20 ms instead of 200."""
    run("ip link set lo mtu 9000")
    for dst in ("127.0.0.0/8", "127.0.0.1"):
        run(f"ip route replace table local local {dst} dev lo proto kernel scope host src 127.0.0.1 rto_min 20ms")


def cgroups():
    """The test's own mount namespace has no cgroup2."""
    at = os.path.join(TMP, "cgroup")
    os.makedirs(at, exist_ok=True)
    run(f"mount -t cgroup2 none {at}")
    at_end(run, f"umount {at}")


BUFFERS = "".join(f"\n    tune.{w} 500000" for w in ("rcvbuf.client", "sndbuf.client", "rcvbuf.server", "sndbuf.server"))
INSIDE_MOST = 2 * 1000000 + (1 << 20)		# the kernel doubles what is asked for


def splice_counts(lbd):
    """`show splice` as a dict."""
    return dict(ln.split(": ", 1) for ln in lbd.cmd("show splice").splitlines() if ": " in ln)
