#!/usr/bin/env python3
# tap: timeout=120
"""-dC: what is printed reads back as the same configuration, in lbd and where it can be judged in haproxy; with a key nothing
of the operator's own is in it."""
import glob
import os
import re
import subprocess
from lbt import *

LBD, HAPROXY, TOP, TMP = (os.environ[k] for k in ("LBD", "HAPROXY", "TOP", "TMPDIR"))


def lbd(*args, env=None, stdin=None):
    r = subprocess.run([LBD, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30,
                       env=dict(os.environ, **(env or {})), cwd=TMP, input=stdin)
    return r.returncode, r.stdout, r.stderr


def write(name, text):
    path = os.path.join(TMP, name)
    with open(path, "w") as f:
        f.write(text)
    return path


FILES = sorted(glob.glob(TOP + "/selftests/conf/ok/*.cfg") + glob.glob(TOP + "/conf/*.cfg"))

for path in FILES:
    @case("the dump is the same configuration: " + os.path.relpath(path, TOP))
    def _(path=path):
        with open(path, errors="surrogateescape") as f:
            text = f.read()
        tags = re.findall(r"^\s*#\s*(env|args|oracle):\s*(.*)$", text, re.M)
        env = dict(v.split("=", 1) for k, v in tags if k == "env")
        args = [w for k, v in tags if k == "args" for w in v.split()]
        for dev in set(re.findall(r"^\s*datapath\s+interface\s+(\S+)", text, re.M)):
            for one in dev.split(","):
                subprocess.run(["ip", "link", "add", one, "type", "dummy"], stderr=subprocess.DEVNULL)
        code, first, said = lbd("-c", "-q", "-dC", "-f", path, *args, env=env)
        equal(code, 0, "exit status; it said:\n" + said)
        true(first.strip(), "something is printed")
        again = write("again.cfg", first)
        code, second, said = lbd("-c", "-q", "-dC", "-f", again, *args)		# variables are filled in: no environment
        equal(code, 0, "exit status for the dump; it said:\n" + said)
        equal(second, first, "the dump of the dump")
        if ("oracle", "haproxy") in tags:
            r = subprocess.run([HAPROXY, "-c", "-f", again, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, cwd=TMP, timeout=30)
            equal(r.returncode, 0, "haproxy's exit status for the dump; it said:\n" + r.stdout)


@case("comments go, .if is decided, variables are filled in, words keep their bytes")
def _():
    path = write("words.cfg", r'''
global # the first
  maxconn    100   # a comment
.if defined(LBD_T)
  nbthread 1
.else
  nbthread 2
.endif
defaults
mode tcp
timeout client "1s"
frontend "f${LBD_T}"
   bind 127.0.0.1:"${LBD_PORT}"
   description 'a b'\ c "it's" "" '.x' "\$HOME" \# "a\"b\\c" "line\nbreak"
   acl all src 127.0.0.1 ::1
''')
    code, out, said = lbd("-c", "-q", "-dC", "-f", path, env={"LBD_T": "ront", "LBD_PORT": "8000"})
    equal(code, 0, said)
    equal(out, r"""global
	maxconn 100
	nbthread 1

defaults
	mode tcp
	timeout client 1s

frontend front
	bind 127.0.0.1:8000
	description 'a b c' "it's" '' .x '$HOME' '#' 'a"b\c' "line\nbreak"
	acl all src 127.0.0.1 ::1
""", "dump")
    code, out2, said = lbd("-c", "-q", "-dC", "-f", write("words2.cfg", out))
    equal((code, out2), (0, out), said)


@case("several files make one; a dump goes to stdout alone, what is said about it to stderr")
def _():
    a = write("a.cfg", "defaults\n mode tcp\n timeout client 1s\n")
    b = write("b.cfg", "frontend f\n bind 127.0.0.1:8000\n")
    code, out, said = lbd("-c", "-dC", "-f", a, "-f", b)
    equal((code, out), (0, "defaults\n\tmode tcp\n\ttimeout client 1s\n\nfrontend f\n\tbind 127.0.0.1:8000\n"), said)
    contains(said, "Configuration file is valid")


@case("a configuration with an error is not printed")
def _():
    code, out, said = lbd("-c", "-q", "-dC", "-f", write("bad.cfg", "frontend f\n mode tcp\n nonsense\n"))
    equal((code, out), (1, ""), said)


SECRET = """
global
    setenv TOKEN hunter2
    node backup-site
    stats socket /run/secret-place.sock level admin
userlist people
    user alice insecure-password user
    group staff users alice
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 5s
frontend shop-front
    bind 192.0.2.33:8443
    description sold to Example Ltd
    acl from_office src 198.51.100.0/24
    acl wants_shop hdr(host) -i shop.example.com
    http-request deny unless from_office
    http-request auth realm Cellar unless { http_auth(people) }
    use_backend pool-7 if wants_shop
backend pool-7
    balance roundrobin
    server db-alpha 203.0.113.9:8080 check weight 30
    http-response set-header X-Internal "shop node %[srv_id]"
"""


@case("with a key: the language and its numbers stay, everything else is hashed, alike where it was alike")
def _():
    path = write("secret.cfg", SECRET)
    code, out, said = lbd("-c", "-q", "-dC77", "-f", path)
    equal(code, 0, said)
    for word in ("hunter2", "TOKEN", "backup", "secret-place", "people", "alice", "staff", "shop", "192.0.2", "198.51", "203.0", "office",
                 "example", "Example", "Ltd", "Cellar", "pool-7", "alpha", "Internal", "insecure-password user"):
        true(word not in out, f"'{word}' is hidden in:\n{out}")
    for words in ("timeout client 5s", "weight 30", ":8443", "balance roundrobin", "hdr(host) -i ", "http-request deny unless ", "check weight"):
        contains(out, words, "dump")
    name = re.search(r"^backend (x\w{8})$", out, re.M).group(1)
    contains(out, "use_backend " + name)
    equal(lbd("-c", "-q", "-dC77", "-f", path)[1], out, "the same key gives the same")
    true(name not in lbd("-c", "-q", "-dC78", "-f", path)[1], "another key gives other names")
    equal(lbd("-c", "-q", "-dC0", "-f", path)[1], lbd("-c", "-q", "-dC", "-f", path)[1], "key 0 hides nothing")
    code, out, said = lbd("-c", "-q", "-dCx", "-f", path)
    equal(code, 1, "a key that is no number")
    contains(said, "a key is a number from 0 to 4294967295")


main()
