#!/usr/bin/env python3
# tap: timeout=60
"""TLS 1.3 clients that ask for new keys without end: they neither fill the memory with answers that they do not read, nor keep a worker
from its other clients. Who changes keys now and then between data is served.
"""
import ctypes
import socket
from lbt import *
from lbt.tls import Cert

CERT = Cert("abuse", ["a.example"])
SSL = ctypes.CDLL("libssl.so.3")
for fn in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
    getattr(SSL, fn).restype = ctypes.c_void_p
server = HttpServer("s1")

CONFIG = f"""
global
    nbthread 1
    tune.sndbuf.client 4096
defaults
    mode http
    timeout connect 2s
    timeout client 20s
    timeout server 20s
frontend t
    bind 127.0.0.1:@tls@ ssl crt {CERT.pem} alpn http/1.1
    bind 127.0.0.1:@plain@
    default_backend b
backend b
    server s1 127.0.0.1:{server.port}
"""
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Client:
    """A TLS client that may do what Python's cannot."""

    def __init__(self, addr):
        self.s = socket.socket()
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.s.connect(addr)
        at_end(self.s.close)
        self.ctx = ctypes.c_void_p(SSL.SSL_CTX_new(ctypes.c_void_p(SSL.TLS_client_method())))
        self.ssl = ctypes.c_void_p(SSL.SSL_new(self.ctx))
        SSL.SSL_set_fd(self.ssl, self.s.fileno())
        equal(SSL.SSL_connect(self.ssl), 1, "the handshake")

    def new_key(self, ask):
        """False: the connection is over. @ask: the other side shall change its key, too."""
        SSL.SSL_key_update(self.ssl, 1 if ask else 0)
        return SSL.SSL_do_handshake(self.ssl) == 1

    def send(self, data):
        return SSL.SSL_write(self.ssl, data, len(data)) == len(data)

    def recv(self):
        buf = ctypes.create_string_buffer(16384)
        n = SSL.SSL_read(self.ssl, buf, 16384)
        return buf.raw[:max(n, 0)]


@cases("new keys without end, {0}: the client is cut off, others are served", [
    ("and it wants ours", True, b""), ("of its own", False, b""), ("each thousand with some data", True, b"G")])
def _(words, ask, data):
    p = Lbd(CONFIG)
    c = Client(p.at("tls"))
    c.s.settimeout(None)
    sent = 0
    while sent < 60000 and c.new_key(ask):
        sent += 1
        if data and sent % 1000 == 0:
            c.send(data)
        if sent % 2000 == 0:
            equal(http(p.at("plain")).status, 200, "another client")
    note(f"{sent} new keys")
    true(sent < 60000, "it was cut off")
    equal(http(p.at("plain")).status, 200, "another client")


@case("new keys between requests are no harm")
def _():
    p = Lbd(CONFIG)
    c = Client(p.at("tls"))
    for i in range(300):
        true(all(c.new_key(i % 2) for _ in range(20)), "the connection lives")
        true(c.send(GET), "a request")
        contains(c.recv(), b"HTTP/1.1 200 ", "an answer")


main()
