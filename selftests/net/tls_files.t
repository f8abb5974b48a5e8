#!/usr/bin/env python3
# tap: timeout=60
"""Files of TLS that are wrong: one clear message with the line, the file and the reason, and the same verdict as haproxy's."""
import os
import subprocess
from lbt import *
from lbt.tls import *

CA = Cert("ca", is_ca=True)
GOOD = Cert("good", ca=CA)
OTHER = Cert("other", ca=CA)
RSA = Cert("rsa", ca=CA, key="rsa")


def path(name, text=None):
    p = os.path.join(TMP, name)
    if text is not None:
        with open(p, "w") as f:
            f.write(text)
    return p


def read(p):
    with open(p) as f:
        return f.read()


path("nokey.pem", read(GOOD.crt))
path("keyonly.pem", read(GOOD.key))
path("mismatch.pem", read(GOOD.crt) + read(OTHER.key))
path("junk.pem", "this is no PEM\n" * 20)
path("empty.pem", "")
path("cut.pem", read(GOOD.crt)[:300])
path("cutkey.pem", read(GOOD.crt) + read(GOOD.key)[:100] + "\n-----END PRIVATE KEY-----\n")
path("reversed.pem", read(CA.crt) + read(GOOD.crt) + read(GOOD.key))
path("split.pem", read(GOOD.crt))
path("split.pem.key", read(GOOD.key))
path("ext.crt", read(GOOD.crt))
path("ext.key", read(GOOD.key))
path("keyjunk.pem", read(GOOD.crt))
path("keyjunk.pem.key", "junk\n")
path("pass.pem", read(GOOD.crt) + openssl("pkey", "-in", GOOD.key, "-aes128", "-passout", "pass:x"))
os.makedirs(path("emptydir"), exist_ok=True)
os.makedirs(path("baddir"), exist_ok=True)
path("baddir/a.pem", read(GOOD.pem))
path("baddir/b.pem", "junk\n")
path("list", "# words\n\n@tmp@/good.pem [alpn h2 curves X25519:P-256] *.x !y.x\n@tmp@/split.pem # comment\n".replace("@tmp@", TMP))
path("list-option", f"{TMP}/good.pem\n{TMP}/good.pem [weight 3] a\n")
path("list-open", f"{TMP}/good.pem [alpn h2 a\n")
path("list-missing", f"\n{TMP}/none.pem a\n")
path("list-argument", f"{TMP}/good.pem [ciphers NONSENSE] a\n")
path("tickets", "".join(openssl("rand", "-base64", "48") for _ in range(3)))
path("tickets-few", openssl("rand", "-base64", "48"))
path("tickets-bad", "abc\n" * 3)

CONFIG = """
{top}
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
frontend f
    bind 127.0.0.1:4443 {bind}
    default_backend b
backend b
    server s 127.0.0.1:4444 {server}
"""


def check(program, top="", bind="", server=""):
    cfg = path("x.cfg", CONFIG.format(top="global\n    " + top if top else "", bind=bind, server=server).replace("@tmp@", TMP))
    p = subprocess.run([program, "-c", "-f", cfg], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, timeout=20)
    return p.returncode, p.stdout


GOOD_ROWS = [
    ("key in the file", dict(bind="ssl crt @tmp@/good.pem")),
    ("key beside it", dict(bind="ssl crt @tmp@/split.pem")),
    ("key without the first extension", dict(top="ssl-load-extra-del-ext", bind="ssl crt @tmp@/ext.crt")),
    ("crt-base", dict(top="crt-base @tmp@", bind="ssl crt good.pem")),
    ("ca-base", dict(top="ca-base @tmp@", bind="ssl crt @tmp@/good.pem verify optional ca-file ca.crt")),
    ("a list", dict(bind="ssl crt-list @tmp@/list")),
    ("ticket keys", dict(bind="ssl crt @tmp@/good.pem tls-ticket-keys @tmp@/tickets")),
    ("curves and ecdhe", dict(bind="ssl crt @tmp@/good.pem curves X25519:P-256 ecdhe prime256v1")),
    ("sigalgs", dict(top="ssl-default-bind-ciphers HIGH", bind="ssl crt @tmp@/good.pem prefer-client-ciphers no-ca-names")),
    ("a server", dict(server="ssl verify none")),
    ("a server that is verified", dict(server="ssl ca-file @tmp@/ca.crt verifyhost a.b sni str(a.b) alpn http/1.1")),
    ("a server with a certificate of ours", dict(server="ssl verify none crt @tmp@/good.pem no-ssl-reuse no-tls-tickets")),
    ("no verification by default", dict(top="ssl-server-verify none", server="ssl")),
    ("check-ssl", dict(server="check check-ssl verify none check-sni x check-alpn http/1.1")),
]


@cases("accepted by both: {0}", GOOD_ROWS)
def _(words, kw):
    for program in (LBD, HAPROXY):
        status, said = check(program, **kw)
        equal(status, 0, f"{program} said: {said}")


BAD_ROWS = [
    ("no such file", dict(bind="ssl crt @tmp@/none.pem"), "none.pem' cannot be read: No such file or directory"),
    ("no key", dict(bind="ssl crt @tmp@/nokey.pem"), "nokey.pem' has no private key, and there is no file '@tmp@/nokey.pem.key'"),
    ("no key wanted beside", dict(top="ssl-load-extra-files none", bind="ssl crt @tmp@/split.pem"), "has no private key, and 'ssl-load-extra-files'"),
    ("no certificate", dict(bind="ssl crt @tmp@/keyonly.pem"), "keyonly.pem' has no certificate"),
    ("another key", dict(bind="ssl crt @tmp@/mismatch.pem"), "mismatch.pem' has a private key that does not belong to its first certificate"),
    ("junk", dict(bind="ssl crt @tmp@/junk.pem"), "junk.pem' has no certificate"),
    ("an empty file", dict(bind="ssl crt @tmp@/empty.pem"), "empty.pem' has no certificate"),
    ("cut off", dict(bind="ssl crt @tmp@/cut.pem"), "cut.pem' has"),
    ("a key cut off", dict(bind="ssl crt @tmp@/cutkey.pem"), "cutkey.pem' has a certificate of its chain that cannot be read: bad base64 decode"),
    ("the chain in front", dict(bind="ssl crt @tmp@/reversed.pem"), "the server's certificate must stand before those of its chain"),
    ("junk as key", dict(bind="ssl crt @tmp@/keyjunk.pem"), "has no private key, and '@tmp@/keyjunk.pem.key' has none either"),
    ("an empty directory", dict(bind="ssl crt @tmp@/emptydir"), "'ssl' needs a certificate"),
    ("a directory with a bad file", dict(bind="ssl crt @tmp@/baddir"), "baddir/b.pem' has no certificate"),
    ("no crt", dict(bind="ssl"), "'ssl' needs a certificate"),
    ("a list with a wrong option", dict(bind="ssl crt-list @tmp@/list-option"), "list-option:2"),
    ("a list with a missing file", dict(bind="ssl crt-list @tmp@/list-missing"), "list-missing:2"),
    ("a list with wrong ciphers", dict(bind="ssl crt-list @tmp@/list-argument"), "ciphers 'NONSENSE' cannot be used"),
    ("no list", dict(bind="ssl crt-list @tmp@/nolist"), "nolist' cannot be read"),
    ("verify without ca-file", dict(bind="ssl crt @tmp@/good.pem verify required"), "'verify required' needs 'ca-file'"),
    ("a bad ca-file", dict(bind="ssl crt @tmp@/good.pem verify required ca-file @tmp@/junk.pem"), "ca-file '@tmp@/junk.pem' cannot be used"),
    ("no ca-file", dict(bind="ssl crt @tmp@/good.pem verify required ca-file @tmp@/none"), "ca-file '@tmp@/none' cannot be read: No such file"),
    ("wrong ciphers", dict(bind="ssl crt @tmp@/good.pem ciphers NONSENSE"), "ciphers 'NONSENSE' cannot be used: no cipher match"),
    ("wrong curves", dict(bind="ssl crt @tmp@/good.pem curves NONSENSE"), "curves 'NONSENSE' cannot be used"),
    ("wrong version", dict(bind="ssl crt @tmp@/good.pem ssl-min-ver TLSv1.9"), "not 'TLSv1.9'"),
    ("few ticket keys", dict(bind="ssl crt @tmp@/good.pem tls-ticket-keys @tmp@/tickets-few"), "has 1 keys only"),
    ("wrong ticket keys", dict(bind="ssl crt @tmp@/good.pem tls-ticket-keys @tmp@/tickets-bad"), "has a line 1 that is no key"),
    ("a server without ca-file", dict(server="ssl"), "server 's': 'verify required' needs 'ca-file'"),
    ("a server's bad ca-file", dict(server="ssl ca-file @tmp@/junk.pem"), "ca-file '@tmp@/junk.pem' cannot be used"),
    ("a server's certificate without key", dict(server="ssl verify none crt @tmp@/nokey.pem"), "nokey.pem' has no private key"),
    ("verify optional for a server", dict(server="ssl verify optional"), "'verify' takes none or required, not 'optional'"),
    ("check-ssl without ca-file", dict(server="check check-ssl"), "'verify required' needs 'ca-file'"),
]


@cases("refused by both: {0}", BAD_ROWS)
def _(words, kw, part):
    status, said = check(LBD, **kw)
    equal(status, 1, f"exit status; lbd said: {said}")
    contains(said, part.replace("@tmp@", TMP), "message")
    contains(said, "error", "message")
    status, said = check(HAPROXY, **kw)
    true(status != 0, f"haproxy accepts it: {said}")


# haproxy takes these: the list's line as if the bracket were closed, an empty protocol as none
STRICTER = [
    ("a list with an open bracket", dict(bind="ssl crt-list @tmp@/list-open"), "has a '[' without a ']'"),
    ("an empty alpn", dict(bind="ssl crt @tmp@/good.pem alpn h2,,x"), "'h2,,x' is no list of protocols"),
]


@cases("refused: {0}", STRICTER)
def _(words, kw, part):
    status, said = check(LBD, **kw)
    equal(status, 1, f"exit status; lbd said: {said}")
    contains(said, part, "message")


@case("a pass phrase is not asked for on the terminal")
def _():
    status, said = check(LBD, bind="ssl crt @tmp@/pass.pem")
    equal(status, 1, said)
    contains(said, "has a private key with a pass phrase", "message")


@case("a file that is not there behind its link, and one whose reading fails")
def _():
    os.symlink(path("nowhere"), path("gone.pem"))
    status, said = check(LBD, bind="ssl crt @tmp@/gone.pem")
    equal(status, 1, said)
    contains(said, "gone.pem' cannot be read: No such file or directory", "message")
    os.symlink("/proc/self/mem", path("unreadable.pem"))
    status, said = check(LBD, bind="ssl crt @tmp@/unreadable.pem")
    equal(status, 1, said)
    contains(said, "unreadable.pem' has no certificate", "message")


@case("crt without ssl is a warning")
def _():
    status, said = check(LBD, bind="crt @tmp@/good.pem")
    equal(status, 0, said)
    contains(said, "has a certificate but no 'ssl': it speaks plain TCP", "warning")


main()
