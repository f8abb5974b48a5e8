"""Certificates made by openssl, TLS clients and servers. Every authority and certificate is made anew, in the test's directory."""
import os
import socket
import ssl
import subprocess
import warnings

from .base import TMP, at_end
from .peers import _Server

warnings.filterwarnings("ignore", category=DeprecationWarning)


def openssl(*argv, stdin=b"", check=True):
    p = subprocess.run(("openssl",) + argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    if check and p.returncode:
        raise RuntimeError(f"openssl {argv[0]}: {p.stderr.decode()}")
    return p.stdout.decode(errors="replace")


class Cert:
    """Files: `.crt` certificate, `.key` key, `.pem` both with the chain; `.text` of each is what is in it."""

    def __init__(self, name, names=None, key="ec", ca=None, is_ca=False, days=30, subject=None, directory=None):
        self.name, self.ca = name, ca
        base = os.path.join(directory or TMP, name)
        self.crt, self.key, self.pem = base + ".crt", base + ".key", base + ".pem"
        how = ["-newkey", "rsa:2048"] if key == "rsa" else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        subject = subject or f"/CN={(names or [name])[0]}"
        openssl("req", "-new", *how, "-nodes", "-subj", subject, "-keyout", self.key, "-out", base + ".csr")
        ext = base + ".ext"
        with open(ext, "w") as f:
            f.write("basicConstraints=CA:TRUE\n" if is_ca else "basicConstraints=CA:FALSE\n")
            if names:
                f.write("subjectAltName=" + ",".join(f"DNS:{n}" for n in names) + "\n")
        sign = ["-CA", ca.crt, "-CAkey", ca.key, "-CAcreateserial"] if ca else ["-key", self.key]
        openssl("x509", "-req", "-in", base + ".csr", *sign, "-days", str(days), "-extfile", ext, "-out", self.crt)
        chain, c = "", ca
        while c and c.ca:
            chain += open(c.crt).read()
            c = c.ca
        with open(self.pem, "w") as f:
            f.write(open(self.crt).read() + chain + open(self.key).read())
        self.chain = chain


def client_context(ca=None, cert=None, lo=None, hi=None, alpn=None, ciphers=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
    if ca:
        c.load_verify_locations(ca.crt)
    if cert:
        c.load_cert_chain(cert.pem)
    if lo:
        c.minimum_version = lo
    if hi:
        c.maximum_version = hi
    if ciphers or (lo or ssl.TLSVersion.TLSv1_2) < ssl.TLSVersion.TLSv1_2:
        c.set_ciphers(ciphers or "DEFAULT:@SECLEVEL=0")
    if alpn:
        c.set_alpn_protocols(alpn)
    return c


def tls_connect(addr, sni=None, context=None, timeout=5, session=None, **kw):
    """A TLS connection (ssl.SSLSocket) that ends with the case."""
    s = socket.create_connection(addr, timeout=timeout)
    at_end(s.close)
    context = context or client_context(**kw)
    t = context.wrap_socket(s, server_hostname=sni, session=session)
    at_end(t.close)
    return t


def peer_name(t):
    """The common name of the certificate that the other side has shown."""
    der = t.getpeercert(binary_form=True)
    text = openssl("x509", "-inform", "DER", "-noout", "-subject", "-nameopt", "multiline", stdin=der)
    return [ln.split("=", 1)[1].strip() for ln in text.splitlines() if "commonName" in ln][0]


class TlsServer(_Server):
    """serve(conn, peer) on TLS connections with `cert`; `seen` has one entry for each handshake: (sni, alpn, reused, peer's name)."""

    def __init__(self, cert, script, name="s", ca=None, verify=ssl.CERT_NONE, alpn=None, others=(), lo=None, hi=None, **kw):
        self.script, self.seen, self.failed = script, [], []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert.pem)
        if ca:
            self.context.load_verify_locations(ca.crt)
        self.context.verify_mode = verify
        if alpn:
            self.context.set_alpn_protocols(alpn)
        if hi:
            self.context.maximum_version = hi
        self.names = {}
        self.context.sni_callback = lambda s, n, c: self.names.__setitem__(s, n)
        super().__init__(name=name, **kw)

    def serve(self, conn, peer):
        try:
            t = self.context.wrap_socket(conn, server_side=True)
        except (OSError, ssl.SSLError) as e:
            self.failed.append(str(e))
            return
        subject = t.getpeercert() or {}
        who = [v for rdn in subject.get("subject", ()) for k, v in rdn if k == "commonName"]
        t.sni = self.names.pop(t, None)
        self.seen.append((t.sni, t.selected_alpn_protocol(), t.session_reused, who[0] if who else None))
        try:
            self.script(t, peer)
        finally:
            t.close()


def http_script(conn, peer):
    """Answers requests with its path, keeps the connection."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = conn.recv(65536)
            if not more:
                return
            data += more
        head, data = data.split(b"\r\n\r\n", 1)
        body = head.split()[1]
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def get(t, path="/", host="a.example"):
    """One HTTP/1.1 request on an SSLSocket or socket; (status, body)."""
    t.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        more = t.recv(65536)
        if not more:
            raise EOFError(data)
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    n = [int(ln.split(b":")[1]) for ln in head.split(b"\r\n") if ln.lower().startswith(b"content-length:")]
    while len(body) < (n[0] if n else 0):
        body += t.recv(65536)
    return int(head.split()[1]), body.decode()
