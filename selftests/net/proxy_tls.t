#!/usr/bin/env python3
# tap: timeout=90
"""PROXY headers and TLS: in front of a client's handshake, in front of a server's, and what they tell of the client's; as haproxy."""
import ssl
from lbt import *
from lbt.tls import *

CA = Cert("ca", is_ca=True)
WEB = Cert("web", ["web.example"], ca=CA, key="rsa")
EC = Cert("ec", ["ec.example"], ca=CA)
CLIENT = Cert("client", ca=CA)

HEAD = """
defaults
    timeout client 8s
    timeout server 8s
    timeout connect 2s
"""
BOTH = [(Lbd,), (Haproxy,)]


def sink(got):
    def one(c, peer):
        data = b""
        try:
            while d := c.recv(65536):
                data += d
        except OSError:
            pass
        got.append(data)
    return ScriptServer(one)


WORDS = ["send-proxy-v2", "send-proxy-v2-ssl", "send-proxy-v2-ssl-cn", "send-proxy-v2 proxy-v2-options ssl-cipher,cert-key,cert-sig",
         "send-proxy-v2 proxy-v2-options authority,crc32c,cert-cn,ssl-cipher,cert-sig,cert-key", "send-proxy"]


@case("what a header tells of the client's TLS is haproxy's, with and without a certificate, a name, ALPN, RSA and EC")
def _():
    got = []
    to = sink(got).port
    config = "global\n    tune.ssl.default-dh-param 2048\n" + HEAD + "".join(f"""
listen l{i}
    bind 127.0.0.1:@l{i}@ ssl crt {crt} ca-file {CA.crt} verify optional alpn h2,http/1.1 ssl-max-ver TLSv1.2
    tcp-request content set-src str(192.0.2.1)
    tcp-request content set-src-port int(7)
    tcp-request content set-dst-port int(443)
    server s 127.0.0.1:{to} {words}
""" for i, (words, crt) in enumerate((w, c) for w in WORDS for c in (WEB.pem, EC.pem)))
    contexts = [dict(), dict(cert=CLIENT), dict(alpn=["http/1.1"])]
    result = {}
    for P in (Lbd, Haproxy):
        p = P(config)
        for i in range(2 * len(WORDS)):
            for k, how in enumerate(contexts):
                for sni in ("web.example", None):
                    got.clear()
                    t = tls_connect(p.at(f"l{i}"), sni=sni, context=client_context(**how))
                    t.sendall(b"x")
                    t.close()
                    wait_for(lambda: got, 5, "the server has read all")
                    result[P.label, i, k, sni] = got[0]
        p.stop()
    for key, value in result.items():
        if key[0] == "haproxy":
            equal(result[("lbd",) + key[1:]], value, f"{WORDS[key[1] // 2]}, {key}")


@cases("a header in front of the client's handshake, and one in front of the server's: {0.label}", BOTH)
def _(P):
    p = P(HEAD + f"""
frontend origin
    mode http
    bind 127.0.0.1:@origin@ accept-proxy ssl crt {WEB.pem}
    http-request return status 200 hdr X-Seen "%[src]:%[src_port] %[dst] %[ssl_fc] %[ssl_fc_sni]"
listen l
    mode http
    bind 127.0.0.1:@web@ accept-proxy ssl crt {EC.pem}
    http-request set-header X-N 1
    server s 127.0.0.1:@origin@ send-proxy-v2 ssl verify none sni str(web.example)
""")
    import socket
    raw = socket.create_connection(p.at("web"))
    raw.settimeout(5)
    raw.sendall(b"PROXY TCP4 192.0.2.10 192.0.2.20 1000 2000\r\n")
    t = client_context().wrap_socket(raw, server_hostname="ec.example")
    c = Conn(sock=t)
    equal(c.request("/").header("X-Seen"), "192.0.2.10:1000 192.0.2.20 1 web.example", "seen at the end of the chain")
    t.close()


main()
