#!/usr/bin/env python3
# tap: timeout=60
"""What rules and logs can ask about TLS: every fetch in lbd and in Debian's haproxy, for the same client, certificates, versions."""
import re
import ssl
from lbt import *
from lbt.tls import *

V = ssl.TLSVersion
CA = Cert("ca", is_ca=True, subject="/C=DE/O=Trust/CN=the ca")
SITE = Cert("site", ["site.example"], ca=CA)
RSA = Cert("rsa", ["rsa.example"], ca=CA, key="rsa")
CLIENT = Cert("client", ca=CA, subject="/C=DE/O=Org/OU=one/OU=two/OU=three/CN=a client \u00fc", days=9000)
STRANGER = Cert("stranger")
MID = Cert("mid", ca=CA, is_ca=True)
DEEP = Cert("deep", ca=MID)

# the same in both
SAME = """ssl_fc ssl_fc_protocol ssl_fc_cipher ssl_fc_alg_keysize ssl_fc_use_keysize ssl_fc_alpn ssl_fc_is_resumed ssl_fc_sni ssl_fc_has_sni
ssl_fc_has_crt ssl_fc_err ssl_c_used ssl_c_verify ssl_c_err ssl_c_ca_err ssl_c_ca_err_depth ssl_c_version ssl_c_key_alg ssl_c_sig_alg
ssl_c_notbefore ssl_c_notafter ssl_c_serial,hex ssl_c_sha1,hex ssl_c_der,hex ssl_c_chain_der,hex ssl_c_s_dn ssl_c_i_dn ssl_c_s_dn(CN)
ssl_c_s_dn(OU) ssl_c_s_dn(OU,2) ssl_c_s_dn(OU,-1) ssl_c_s_dn(ou,1) ssl_c_s_dn(OU,4) ssl_c_s_dn(,0,rfc2253) ssl_c_i_dn(O)
ssl_f_version ssl_f_key_alg ssl_f_sig_alg ssl_f_notbefore ssl_f_notafter ssl_f_serial,hex ssl_f_sha1,hex ssl_f_der,hex ssl_f_s_dn ssl_f_i_dn
ssl_f_s_dn(CN) ssl_fc_sni,lower""".split()
# different in each connection: how many bytes
LENGTHS = "ssl_fc_session_id ssl_fc_session_key ssl_fc_client_random ssl_fc_server_random ssl_fc_unique_id".split()
BACK = """ssl_bc ssl_bc_protocol ssl_bc_cipher ssl_bc_alg_keysize ssl_bc_use_keysize ssl_bc_alpn ssl_bc_is_resumed ssl_bc_err
ssl_s_version ssl_s_key_alg ssl_s_sig_alg ssl_s_notbefore ssl_s_notafter ssl_s_serial,hex ssl_s_sha1,hex ssl_s_der,hex ssl_s_chain_der,hex
ssl_s_s_dn ssl_s_i_dn ssl_s_s_dn(CN)""".split()
BACK_LENGTHS = "ssl_bc_session_id ssl_bc_session_key ssl_bc_client_random ssl_bc_server_random ssl_bc_unique_id".split()


def fields(front, lengths):
    return "|".join(f"%[{f}]" for f in front) + "|" + "|".join(f"%[{f},hex,length]" for f in lengths)


CONFIG = f"""
global
    nbthread 1
    log 127.0.0.1:@log@ format raw local0
    crt-base {TMP}
    ca-base {TMP}
defaults
    mode http
    log global
    timeout connect 2s
    timeout client 3s
    timeout server 3s
frontend f
    bind 127.0.0.1:@tls@ ssl crt site.pem crt rsa.pem alpn http/1.1 verify optional ca-file ca.crt crt-ignore-err all ca-ignore-err all
    bind 127.0.0.1:@plain@
    option httpslog
    http-request return status 200 content-type text/plain lf-string '{fields(SAME, LENGTHS)}' if {{ path /fetch }}
    http-request return status 200 content-type text/plain lf-string 'end' if {{ path /acl }} {{ ssl_fc_sni_end .example }} {{ ssl_fc_sni_reg ^si }}
    http-request return status 200 content-type text/plain lf-string '%sslv %sslc %ft' if {{ path /alias }}
    http-request redirect scheme https code 302 if !{{ ssl_fc }} {{ path /redirect }}
    default_backend b
backend b
    option forwardfor
    http-response set-header X-Fetch '{fields(BACK, BACK_LENGTHS)}'
    server s 127.0.0.1:@back@ ssl verify none sni str(back.example) alpn http/1.1
"""


def ask(p, path, port="tls", sni=None, **kw):
    t = tls_connect(p.at(port), sni, **kw)
    t.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    data = b"".join(iter(lambda: t.recv(65536), b""))
    head, body = data.split(b"\r\n\r\n", 1)
    return head.decode("latin1"), body.decode("latin1")


def both():
    for P in (Haproxy, Lbd):
        s = TlsServer(SITE, http_script, alpn=["http/1.1"])
        log = Syslog()
        yield P(CONFIG, ports={"back": s.port, "log": log.port}), log


ROWS = [
    ("TLSv1.3, name, no certificate", dict(sni="site.example", alpn=["http/1.1"])),
    ("TLSv1.2, client certificate", dict(sni="site.example", hi=V.TLSv1_2, cert=CLIENT)),
    ("TLSv1.3, client certificate", dict(sni="site.example", cert=CLIENT)),
    ("no name, a stranger's certificate that is let through", dict(cert=STRANGER)),
    ("a client's certificate with its chain", dict(cert=DEEP)),
    ("RSA", dict(sni="rsa.example")),
    ("AES-256", dict(sni="rsa.example", hi=V.TLSv1_2, ciphers="ECDHE-RSA-AES256-GCM-SHA384")),
]


@cases("client side: {0}", ROWS)
def _(words, kw):
    got = []
    for p, _ in both():
        got.append(dict(zip(SAME + LENGTHS, ask(p, "/fetch", **kw)[1].split("|"))))
    for name in SAME + LENGTHS:
        equal(got[1][name], got[0][name], name)
    true(got[1]["ssl_fc_protocol"].startswith("TLSv1."), "there are values")


@case("resumed: the flags, and the certificate of the first time")
def _():
    got = []
    for p, _ in both():
        context = client_context(hi=V.TLSv1_2, cert=CLIENT)
        first = tls_connect(p.at("tls"), "site.example", context=context)
        get(first)
        session = first.session
        first.close()
        _, body = ask(p, "/fetch", sni="site.example", context=context, session=session)
        got.append(dict(zip(SAME + LENGTHS, body.split("|"))))
    equal(got[1]["ssl_fc_is_resumed"], "1", "resumed")
    for name in SAME + LENGTHS:
        equal(got[1][name], got[0][name], name)


@case("server side")
def _():
    got = []
    for p, _ in both():
        head, _ = ask(p, "/x")
        values = re.search("(?i)x-fetch: (.*)", head).group(1).strip().split("|")
        got.append(dict(zip(BACK + BACK_LENGTHS, values)))
    for name in BACK + BACK_LENGTHS:
        equal(got[1][name], got[0][name], name)
    equal(got[1]["ssl_bc"], "1", "ssl_bc")


@case("lbd's own: ssl_fc_curve, ssl_bc_curve, ssl_bc_sni")
def _():
    s = TlsServer(SITE, http_script)
    p = Lbd(CONFIG.replace(fields(SAME, LENGTHS), "%[ssl_fc_curve]").replace(fields(BACK, BACK_LENGTHS), "%[ssl_bc_curve] %[ssl_bc_sni]"),
            ports={"back": s.port, "log": 9})
    equal(ask(p, "/fetch")[1].lower(), "x25519", "curve")
    contains(ask(p, "/x")[0].lower(), "x-fetch: x25519 back.example", "server side")


@case("ACLs, aliases, redirect to https only for plain clients")
def _():
    plain = []
    for p, _ in both():
        equal(ask(p, "/acl", sni="site.example")[1], "end", p.label)
        equal(ask(p, "/acl", sni="rsa.example")[1], "/acl", f"{p.label}: another name")
        equal(ask(p, "/alias", hi=V.TLSv1_2, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")[1],
              "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256 f~", p.label)
        equal(ask(p, "/redirect")[1], "/redirect", f"{p.label}: over TLS")
        equal(http(p.at("plain"), "/redirect").status, 302, f"{p.label}: plain")
        plain.append(http(p.at("plain"), "/alias").body.decode())
    equal(plain[1], plain[0], "plain")


def mask(line):
    line = re.sub(r"\[\S+:\d\d\.\d\d\d\]", "[DATE]", line)
    line = re.sub(r"^127.0.0.1:\d+", "CLIENT", line.strip())
    return re.sub(r" -?\d+(/-?\d+){4} (\d+) \d+ ", r" TIMES \2 BYTES ", line, count=1)


@case("option httpslog: the whole line, also of failed handshakes")
def _():
    got = []
    for p, log in both():
        lines = []
        ask(p, "/x", sni="site.example", cert=CLIENT)
        ask(p, "/acl", cert=STRANGER, hi=V.TLSv1_2)
        http(p.at("plain"), "/alias")
        with raises((ssl.SSLError, OSError)):
            tls_connect(p.at("tls"), lo=V.TLSv1, hi=V.TLSv1_1)
        wait_for(lambda: len(log.lines) >= 4, what=f"lines of {p.label}: {log.lines}")
        lines = [mask(ln) for ln in log.lines]
        got.append(lines[:3] + [re.sub(r"^.*\] ", "", lines[3])])
    equal(got[1], got[0], "lines")


main()
