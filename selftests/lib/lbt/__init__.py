"""The library of the net tests (selftests/net/*.t). `from lbt import *` gives everything.

base.py   cases, comparisons, waiting, clean-up       net.py    namespaces, veth, bpffs
proxy.py  lbd and haproxy as processes                peers.py  servers and clients to talk to
tls.py    certificates, TLS clients and servers: `from lbt.tls import *`

Only Python's standard library. Start with selftests/README.md and selftests/net/example.t.
"""
from .base import (case, cases, main, equal, true, contains, raises, fail, skip, wait_for,
                   at_end, note, TMP, TOP, LBD, LBADM, HAPROXY)
from .net import Netns, Net, HERE, run, bpffs, cpu_seconds, tree_cpu_seconds
from .proxy import Proxy, Lbd, Haproxy, free_port
from .peers import (HttpServer, EchoServer, ScriptServer, Syslog, Conn, Response, http, pattern,
                    tcp_name)

__all__ = [n for n in dir() if not n.startswith("_")]
