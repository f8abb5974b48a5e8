"""Servers and clients for the net tests. Servers name themselves; clients compare bytes.

All run as threads of the test, each socket in the namespace it was made for. They are for
behaviour, not for load: the bench has its own programs (selftests/bench).
"""
import random
import re
import socket
import struct
import threading

from . import base as _base
from .net import HERE

_block = random.Random(20).randbytes(65536)


def pattern(n, start=0):
    """n bytes that differ at every 64 KB, so that lost, doubled or moved pieces are seen."""
    out = bytearray()
    index, skip = divmod(start, 65536)
    while len(out) < n + skip:
        out += struct.pack(">Q", index) + _block[8:]
        index += 1
    return bytes(out[skip:skip + n])


class _Server:
    """Accepts on (addr, port) in ns; one thread per connection calls self.serve(conn)."""

    def __init__(self, name="s", ns=None, addr="127.0.0.1", port=0):
        self.name, self.ns = name, ns or HERE
        family = socket.AF_INET6 if ":" in addr else socket.AF_INET
        self.sock = self.ns.socket(family)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((addr, port))
        self.sock.listen(1024)
        self.addr, self.port = self.sock.getsockname()[:2]
        self.accepted = 0
        self.conns = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()
        _base.at_end(self.close)

    def _accept(self):
        while True:
            try:
                conn, peer = self.sock.accept()
            except OSError:
                return
            with self._lock:
                self.accepted += 1
                self.conns.add(conn)
            threading.Thread(target=self._one, args=(conn, peer), daemon=True).start()

    def _one(self, conn, peer):
        try:
            self.serve(conn, peer)
        except (OSError, AssertionError):
            pass			# the client went away in the middle: its side tells
        finally:
            with self._lock:
                self.conns.discard(conn)
            conn.close()

    def close(self):
        """Stops listening (the port then refuses) and cuts what is open."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        with self._lock:
            conns = list(self.conns)
        for c in conns:
            try:
                c.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def open_conns(self):
        with self._lock:
            return len(self.conns)


class EchoServer(_Server):
    """TCP: says its name and a newline (banner=True), then echoes until the client ends."""

    def __init__(self, name="s", banner=True, **kw):
        self.banner = banner
        super().__init__(name, **kw)

    def serve(self, conn, peer):
        if self.banner:
            conn.sendall(self.name.encode() + b"\n")
        while chunk := conn.recv(262144):
            conn.sendall(chunk)


class ScriptServer(_Server):
    """TCP: script(conn, peer) does what it likes with each connection (a socket)."""

    def __init__(self, script, name="s", **kw):
        self.script = script
        super().__init__(name, **kw)

    def serve(self, conn, peer):
        self.script(conn, peer)


class HttpServer(_Server):
    """HTTP/1.1 with keep-alive. Every response has `X-Server: NAME`; the body of / is NAME.
    /bytes/N: pattern(N); /chunked/N: the same, chunked; /echo: the request head as it came, then
    the body; /status/NNN; /close: ends after the response. `requests` holds (head, body, peer)."""

    def __init__(self, name="s", **kw):
        self.requests = []
        super().__init__(name, **kw)

    def serve(self, conn, peer):
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        c = Conn(sock=conn)
        while (head := c.read_head(eof_ok=True)):
            body = c.read_body(head)
            self.requests.append((head, body, peer))
            method, path = head.split(b" ", 2)[:2]
            if not self._answer(conn, method, path, head, body):
                return

    def _answer(self, conn, method, path, head, body):
        status, payload, chunked = 200, self.name.encode(), False
        keep = b"\r\nconnection: close" not in head.lower()
        if m := re.match(rb"/(bytes|chunked)/(\d+)", path):
            payload, chunked = pattern(int(m.group(2))), m.group(1) == b"chunked"
        elif path.startswith(b"/echo"):
            payload = head + body
        elif m := re.match(rb"/status/(\d+)", path):
            status = int(m.group(1))
        elif path.startswith(b"/close"):
            keep = False
        out = f"HTTP/1.1 {status} Test\r\nX-Server: {self.name}\r\n".encode()
        if not keep:
            out += b"Connection: close\r\n"
        if status in (204, 304):
            out += b"\r\n"
        elif chunked:
            out += b"Transfer-Encoding: chunked\r\n\r\n"
            if method != b"HEAD":
                for i in range(0, len(payload), 5000):
                    part = payload[i:i + 5000]
                    out += b"%x\r\n%b\r\n" % (len(part), part)
                out += b"0\r\n\r\n"
        else:
            out += b"Content-Length: %d\r\n\r\n" % len(payload)
            if method != b"HEAD":
                out += payload
        conn.sendall(out)
        return keep


class Syslog:
    """A UDP log target: `log 127.0.0.1:PORT local0`. Messages in .lines, as they came."""

    def __init__(self, ns=None):
        self.sock = (ns or HERE).socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()
        _base.at_end(self.sock.close)

    def _read(self):
        while True:
            try:
                self.lines.append(self.sock.recv(65536).decode(errors="replace"))
            except OSError:
                return

    def wait(self, regex, timeout=5):
        """The first message that matches, as a match object."""
        def found():
            return next((m for ln in list(self.lines) if (m := re.search(regex, ln))), None)
        return _base.wait_for(found, timeout, f"log message /{regex}/ in {self.lines[-5:]}")


class Response:
    def __init__(self, head, body):
        self.head, self.body = head, body
        self.status = int(head.split(b" ", 2)[1])

    def header(self, name):
        """Value of the first header of that name as text, or None."""
        m = re.search(rb"\r\n" + re.escape(name.encode()) + rb":[ \t]*([^\r\n]*)", self.head, re.I)
        return m.group(1).rstrip().decode() if m else None

    @property
    def server(self):
        return self.header("X-Server")

    def __repr__(self):
        return f"Response({self.head!r}, {len(self.body)} body bytes)"


class Conn:
    """A client's connection, for exact bytes. Closed at the end of the case."""

    def __init__(self, addr=None, ns=None, src=None, timeout=10, sock=None, rcvbuf=None):
        self.buf = b""
        if sock:
            self.sock = sock
            return
        family = socket.AF_UNIX if isinstance(addr, str) else \
            socket.AF_INET6 if ":" in addr[0] else socket.AF_INET
        self.sock = (ns or HERE).socket(family)
        self.sock.settimeout(timeout)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if family != socket.AF_UNIX:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if src:
            self.sock.bind(src if isinstance(src, tuple) else (src, 0))
        self.sock.connect(addr)
        _base.at_end(self.sock.close)

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def recv_exact(self, n):
        while len(self.buf) < n:
            chunk = self.sock.recv(max(65536, n - len(self.buf)))
            if not chunk:
                _base.fail(f"end of stream after {len(self.buf)} of {n} bytes")
            self.buf += chunk
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def recv_until(self, mark, eof_ok=False):
        """Up to and with `mark`; b'' at the end of stream if eof_ok."""
        while (at := self.buf.find(mark)) < 0:
            chunk = self.sock.recv(65536)
            if not chunk:
                if eof_ok and not self.buf:
                    return b""
                _base.fail(f"end of stream before {mark!r}; got {self.buf[-500:]!r}")
            self.buf += chunk
        return self.recv_exact(at + len(mark))

    def recv_all(self):
        """Everything until the end of the stream."""
        parts = [self.buf]
        self.buf = b""
        while chunk := self.sock.recv(262144):
            parts.append(chunk)
        return b"".join(parts)

    def read_head(self, eof_ok=False):
        return self.recv_until(b"\r\n\r\n", eof_ok)

    def read_body(self, head):
        """The body that a head announces (length or chunked, decoded); none otherwise."""
        if re.search(rb"\r\ntransfer-encoding:[^\r\n]*chunked", head, re.I):
            body = b""
            while size := int(self.recv_until(b"\r\n").split(b";")[0], 16):
                body += self.recv_exact(size)
                equal_crlf = self.recv_exact(2)
                _base.equal(equal_crlf, b"\r\n", "end of chunk")
            while self.recv_until(b"\r\n") != b"\r\n":
                pass			# trailers
            return body
        m = re.search(rb"\r\ncontent-length:[ \t]*(\d+)", head, re.I)
        return self.recv_exact(int(m.group(1))) if m else b""

    def read_response(self, method="GET"):
        head = self.read_head()
        status = int(head.split(b" ", 2)[1])
        if method == "HEAD" or status in (204, 304) or status < 200:
            return Response(head, b"")
        if not re.search(rb"\r\n(content-length|transfer-encoding):", head, re.I):
            return Response(head, self.recv_all())
        return Response(head, self.read_body(head))

    def request(self, path="/", method="GET", headers=(), body=b"", host="test"):
        """Sends a request and reads the response."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n"
        head += "".join(f"{k}: {v}\r\n" for k, v in dict(headers).items())
        if body:
            head += f"Content-Length: {len(body)}\r\n"
        self.send(head.encode() + b"\r\n" + body)
        return self.read_response(method)

    def shut(self):
        self.sock.shutdown(socket.SHUT_WR)

    def closed(self, timeout=5):
        """True when the other side ends (or resets) within the time, without more data."""
        self.sock.settimeout(timeout)
        try:
            return not self.buf and self.sock.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def reset(self):
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


def http(addr, path="/", ns=None, src=None, **kw):
    """One request on its own connection (closed afterwards)."""
    c = Conn(addr, ns=ns, src=src)
    try:
        return c.request(path, **kw)
    finally:
        c.close()


def tcp_name(addr, ns=None, src=None):
    """Who answers: the banner of the EchoServer behind addr."""
    c = Conn(addr, ns=ns, src=src)
    try:
        return c.recv_until(b"\n").strip().decode()
    finally:
        c.close()
