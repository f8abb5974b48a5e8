#!/usr/bin/env python3
# tap: timeout=90
"""What a map or an ACL file gives for a value: random files and random values, each answer compared with that of Debian's haproxy.
Then files that are wrong: what is said, and where."""
import os
import random
import subprocess
from lbt import *

DEFAULTS = """
defaults
    mode http
    timeout client 5s
    timeout connect 5s
    timeout server 5s
"""
# name of the map, converter of the header in front of it, maker of keys, maker of values to look up
rnd = random.Random(20261128)


def text(least, most, letters="aAbc./:?-"):
    return "".join(rnd.choice(letters) for _ in range(rnd.randint(least, most)))


def word_key():
    return text(1, 7, "aAb./-")


def word(letters):
    """Not only delimiters: for such a key the oracle's answer depends on what lies behind the value in its memory."""
    return text(0, 2, letters) + rnd.choice("aAb") + text(0, 2, letters)


def path():
    return rnd.choice(["", "/"]) + text(1, 14, "aAb./?:-")


def ip():
    if rnd.random() < 0.25:
        return rnd.choice(["::ffff:10.%d.%d.%d", "2002:0a%02x:%02x%02x::", "::10.%d.%d.%d", "fc00::%x:%x:%x"]) % tuple(
            rnd.randint(0, 3) for _ in range(3))
    return "10.%d.%d.%d" % tuple(rnd.randint(0, 3) for _ in range(3))


def net():
    a = ip()
    if ":" in a:
        return a + rnd.choice(["", "/%d" % rnd.choice([16, 24, 32, 40, 48, 96, 104, 112, 120, 128])])
    return a + rnd.choice(["", "", "/%d" % rnd.choice([8, 12, 15, 16, 22, 24, 31, 32]), "/255.0.255.0", "/255.255.0.255"])


def number():
    return str(rnd.randint(-20, 60))


def numbers():
    a, b = sorted((rnd.randint(0, 60), rnd.randint(0, 60)))
    return rnd.choice([str(a), f"{a}:{min(a + 3, b)}"]) if rnd.random() < 0.96 else rnd.choice(
        [f"{a + 40}:", f":{b - 60}", "9223372036854775807", "-5", "1000:9223372036854775807"])


def regex():
    return rnd.choice(["^", ""]) + text(1, 3, "aAb.") + rnd.choice(["", "$", "+", "(a|b)", "(.*)$", "[^a]"])


METHODS = [
    ("str", "", word_key, path), ("beg", "", word_key, path), ("end", "", word_key, path), ("sub", "", lambda: text(1, 5, "aAb./"), path),
    ("dir", "", lambda: word("aAb/"), path), ("dom", "", lambda: word("aAb."), path), ("reg", "", regex, path),
    ("regm", "", regex, path), ("int", "", numbers, number), ("ip", "", net, ip)]
ACLS = [("str", ""), ("str", "-i "), ("beg", "-i "), ("end", "-i "), ("sub", "-i "), ("dir", "-i "), ("dom", "-i "), ("reg", "-i "), ("len", ""),
        ("bin", ""), ("int", ""), ("ip", "")]
ENTRIES, ASKED = 120, 400


def map_file(kind, key):
    return "".join(f"{key()} {kind}{i}{chr(92) + '1' if kind == 'regm' else ''}\n" for i in range(ENTRIES))


def acl_key(kind):
    return {"len": numbers, "bin": lambda: text(1, 2, "abA").encode().hex()}.get(kind) or next(m[2] for m in METHODS if m[0] == kind)


def config():
    rules = "".join(f"    http-request set-header r-{k} %[req.fhdr({'n' if k == 'int' else 'i' if k == 'ip' else 't'}),map_{k}(m-{k}.map,none)]\n"
                    for k, _, _, _ in METHODS)
    for i, (k, flag) in enumerate(ACLS):
        h = "n" if k == "int" else "i" if k == "ip" else "t"
        fetch = {"ip": "req.hdr_ip", "int": "req.hdr_val"}.get(k, "req.fhdr")
        rules += f"    http-request set-header a-{i} yes if {{ {fetch}({h}) -m {k} {flag}-f a-{i}.lst }}\n"
        rules += f"    http-request set-header b-{i} yes if {{ {fetch}({h}) -m {k} {flag}-f a-{i}.lst -f a2-{i}.lst -- @{i}@ }}\n"
    names = [f"r-{k}" for k, _, _, _ in METHODS] + [f"{x}-{i}" for i in range(len(ACLS)) for x in "ab"]
    head = 'hdr all "' + "|".join(f"%[req.hdr({n})]" for n in names) + '"'
    return DEFAULTS + "frontend f\n    bind 127.0.0.1:@web@\n" + rules + f"    http-request return status 200 {head}\n", names


def files():
    out = {f"m-{k}.map": map_file(k, key) for k, _, key, _ in METHODS}
    for i, (k, flag) in enumerate(ACLS):
        key = acl_key(k)
        out[f"a-{i}.lst"] = "".join(key() + "\n" for _ in range(30))
        out[f"a2-{i}.lst"] = "".join(key() + "\n" for _ in range(10))
    return out


def start(text, content):
    """Both programs with the same file."""
    for i, (k, _) in enumerate(ACLS):
        text = text.replace(f"@{i}@", acl_key(k)())
    return [P(text, files=content) for P in (Lbd, Haproxy)]


def compare(pair, names, queries):
    conns = [Conn(p.at("web")) for p in pair]
    hits = dict.fromkeys(names, 0)
    for t, n, i in queries:
        r = [c.request(headers=[("t", t), ("n", n), ("i", i)]) for c in conns]
        said = [x.header("all").split("|") for x in r]
        for name, got, want in zip(names, *said):
            equal(got, want, f"{name} for t={t!r} n={n!r} i={i!r}")
            hits[name] += want not in ("none", "")
    return hits


def queries():
    return [(path(), number(), ip()) for _ in range(ASKED)]


@case("random keys and values: every method of maps and ACLs answers as the oracle")
def _():
    text, names = config()
    pair = start(text, files())
    hits = compare(pair, names, queries())
    note("found: " + " ".join(f"{k}={v}" for k, v in hits.items()))
    true(min(hits.values()) > ASKED // 100, f"each is found sometimes: {hits}")


@case("the same while keys are added, deleted and replaced at run time")
def _():
    text, names = config()
    pair = start(text, files())
    for round in range(6):
        cmds = []
        for k, _, key, _ in METHODS:
            for _ in range(15):
                kk = key()
                # the oracle drops what it finds as a key in `del map` by text, first and last alike
                cmds.append(rnd.choice([f"add map m-{k}.map {kk} new{round}", f"del map m-{k}.map {kk}", f"set map m-{k}.map {kk} set{round}"]))
        for p in pair:
            for at in range(0, len(cmds), 30):
                p.cmd(";".join(cmds[at:at + 30]))
        compare(pair, names, queries()[:80])
    for p in pair:
        for k, _, _, _ in METHODS:
            p.cmd(f"prepare map m-{k}.map")
    for k, _, key, _ in METHODS:
        cmds = [f"add map @1 m-{k}.map {key()} v{i}" for i in range(30)] + [f"commit map @1 m-{k}.map"]
        for p in pair:
            p.cmd(";".join(cmds))
    compare(pair, names, queries()[:80])


TYPED = """
frontend f
    bind 127.0.0.1:@web@
    http-request return status 200 hdr A "=%[req.hdr(t),map_str_int(i.map,7),add(1)]" hdr B "=%[req.hdr(t),map_str_ip(a.map,9.9.9.9)]" hdr C "=%[req.hdr(t),map_beg_int(i.map),add(1)]" hdr D "=%[req.hdr(n),map_int_ip(n.map)]" hdr E "=%[req.hdr(i),map_ip_int(ni.map),add(1)]" hdr F "=%[req.hdr(t),map_sub_int(i.map,3)]" hdr G "=%[req.hdr(t),map_end_ip(a.map)]" hdr H "=%[req.hdr(t),map_dom(i.map)]" hdr I "=%[req.hdr(t),map_dir_int(i.map)]" hdr J "=%[req.hdr(t),map_reg_ip(a.map)]" hdr K "=%[req.hdr(i),map_ip_ip(na.map)]" hdr L "=%[req.hdr(n),map_int_int(nn.map,1)]"
"""


@case("values as numbers and addresses, with defaults")
def _():
    pair = [P(DEFAULTS + TYPED, files={
        "i.map": "one 1\nbig 9223372036854775807\nneg -5\no 2\n", "a.map": "one 10.1.2.3\nsix fc00::1\n", "n.map": "1:5 10.0.0.1\n7 ::1\n",
        "ni.map": "10.0.0.0/8 8\nfc00::/7 7\n", "na.map": "10.0.0.0/8 1.2.3.4\n", "nn.map": "1 11\n2: 22\n"}) for P in (Lbd, Haproxy)]
    conns = [Conn(p.at("web")) for p in pair]
    for t, n, i in [("one", "1", "10.1.1.1"), ("big", "7", "fc00::3"), ("neg", "6", "11.0.0.1"), ("none", "5", "::ffff:10.0.0.1"),
                    ("six", "1000", "x"), ("a.one", "-1", "10.0.0.1"), ("/one/", "x", ""), ("oneone", "2", "1")]:
        r = [c.request(headers=[("t", t), ("n", n), ("i", i)]) for c in conns]
        for h in "ABCDEFGHIJKL":
            equal(r[0].header(h), r[1].header(h), f"{h} for {t} {n} {i}")


@case("map_bin looks bytes up that are written as digits")
def _():
    lbd = Lbd(DEFAULTS + 'frontend f\n    bind 127.0.0.1:@web@\n    http-request return status 200 hdr A "%[req.hdr(t),map_bin(b.map,none)]" hdr B "%[req.hdr(t),map_bin_int(b2.map,0)]"\n',
              files={"b.map": "6162 ab\n61620A nl\n", "b2.map": "6162 12\n"})
    r = Conn(lbd.at("web")).request(headers=[("t", "ab")])
    equal([r.header("A"), r.header("B")], ["ab", "12"], "found")
    equal(Conn(lbd.at("web")).request(headers=[("t", "abc")]).header("A"), "none", "other")


# method: its fetch, a key that answers for the value asked, and that value
FORMS = {"str": ("t", "ab/cd.e"), "beg": ("t", "ab"), "end": ("t", "d.e"), "sub": ("t", "b/c"), "dir": ("t", "cd.e"), "dom": ("t", "cd"),
         "bin": ("t", b"ab/cd.e".hex()), "reg": ("t", "^ab.*e$"), "int": ("n", "5:9"), "ip": ("i", "10.0.0.0/9")}
VALUES = {"": ("x y", "x y"), "_str": ("x y", "x y"), "_int": ("41", "42"), "_ip": ("10.1.2.3", "10.1.0.0")}


@case("every method with every type of value, filled at run time, and what it gives without")
def _():
    names = [f"map_{k}{o}" for k in FORMS for o in VALUES] + ["map", "map_regm"]
    after = {"_int": ",add(1)", "_ip": ",ipmask(16)"}

    def form(name):
        k, _, o = name.removeprefix("map").removeprefix("_").partition("_")
        return {"": "str", "regm": "reg"}.get(k, k), "_" + o if o else ""
    rules = "".join(f"    http-request set-header {n} %[req.hdr({FORMS[form(n)[0]][0]}),{n}(virt@{n}){after.get(form(n)[1], '')}]\n" for n in names)
    lbd = Lbd(DEFAULTS + "frontend f\n    bind 127.0.0.1:@web@\n" + rules + '    http-request return status 200 hdr all "' +
              "|".join(f"%[req.hdr({n})]" for n in names) + '"\n')
    c = Conn(lbd.at("web"))

    def ask():
        return dict(zip(names, c.request(headers=[("t", "ab/cd.e"), ("n", "7"), ("i", "10.0.0.1")]).header("all").split("|")))
    equal(set(ask().values()), {""}, "empty files")
    for n in names:
        k, o = form(n)
        equal(lbd.cmd(f"add map virt@{n} {FORMS[k][1]} {VALUES[o][0]}".replace("x y", "x\\ y")), "\n", n)
    equal(ask(), {n: VALUES[form(n)[1]][1] for n in names}, "filled")


# ---- files ----------------------------------------------------------------------------------

def check(line, name=None, content=None):
    """(exit status, words) of a check of the configuration."""
    if name:
        with open(os.path.join(TMP, name), "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
    cfg = os.path.join(TMP, "check.cfg")
    with open(cfg, "w") as f:
        f.write(DEFAULTS + "frontend f\n    bind 127.0.0.1:1\n    " + line + "\n")
    r = subprocess.run([LBD, "-c", "-f", cfg], cwd=TMP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
    out = r.stdout.decode(errors="replace")
    true("Sanitizer" not in out, out[-2000:])
    true(len(out) < 4000, f"{len(out)} bytes of output")
    return r.returncode, out


def m(expr):
    return f"http-request set-header x %[{expr}]"


@cases("{0}: {1}", [
    ("a missing file", m("path,map(x.map)"), None, "cannot open 'x.map': No such file or directory"),
    ("a missing list", "acl a path -f x.lst", None, "check.cfg:9:19: frontend 'f': cannot open 'x.lst'"),
    ("a directory", m("path,map(/tmp)"), None, "cannot read '/tmp': Is a directory"),
    ("a device without end", m("path,map(/dev/zero)"), None, "/dev/zero:1: a"),
    ("a wrong number as key", m("path,map_int(x)"), "1 a\nzz b\n", "x:2: 'zz' is not a number; write a number"),
    ("a wrong range", m("path,map_int(x)"), "1 a\n\n# c\n5:2 b\n", "x:4: '5:2' is not a valid number range"),
    ("a wrong address as key", m("src,map_ip(x)"), "1.2.3.4 a\n1.2.3 b\n", "x:2: '1.2.3' is not a valid IPv4 or IPv6 address; write"),
    ("a wrong regex", m("path,map_reg(x)"), "^a b\n( c\n", "x:2: regex '(' is invalid (error=missing closing parenthesis, erroffset=1)"),
    ("a wrong number as value", m("path,map_str_int(x)"), "a 1\nb x\n", "x:2: unable to parse 'x'; its values are numbers"),
    ("a wrong address as value", m("path,map_beg_ip(x)"), "a 1.1.1.1\nb x\n", "x:2: unable to parse 'x'; its values are IPv4 or IPv6"),
    ("a wrong default", m("path,map_str_int(x,abc)"), "a 1\n", "the default 'abc' is not a number"),
    ("no digits", m("path,map_bin(x)"), "6g a\n", "x:1: an hex digit is expected (found 'g')"),
    ("a value that does not suit the second use", m("path,map(x),map_str_int(x)"), "a 1\nb x\n", "x:2: unable to parse 'x'"),
    ("a key that does not suit the second use", m("path,map(x),map_reg(x)"), "a 1\n[ x\n", "x:2: regex '['"),
    ("a NUL byte", "acl a path -f x", b"ab\nc\0d\n", "x:2: a NUL byte in the line; a text file is needed"),
    ("binary", m("path,map(x)"), bytes(range(256)) * 300, "x:1: a NUL byte"),
    ("a line of 1 MB", "acl a path -f x", "k " + "v" * 1000000 + "\n", "x:1: a line has more than 65536 bytes"),
    ("one column, then two", "acl a path -f x\n    " + m("path,map(x)"), "a b\n",
     "'x' is already used as a one column (ACL) file ("),
    ("two columns, then one", m("path,map(x)") + "\n    acl a path -f x", "a b\n", "cannot be a one column (ACL) file here, too; '-M -f'"),
    ("-m behind a file", "acl a path -f x -m beg", "a\n", "'-m' must stand in front of all values and files"),
    ("an id twice", "acl a path -u 5 x\n    acl b path -u 5 x", None, "the id 5 is already used ("),
    ("an id that is none", "acl a path -u x y", None, "the argument of -u must be a number"),
    ("no file in parentheses", "http-request set-map(x a b", None, "needs a file in parentheses"),
    ("no value", "http-request set-map(x) a", None, "a value is missing behind 'a'"),
    ("no key", "http-request del-acl(x) if TRUE", None, "a key is missing behind"),
    ("a missing file that is no file", "acl a path -f opt@x/y/z", None, None),
    ("opt@ on a directory", "acl a path -f opt@/tmp", None, "cannot read '/tmp'"),
])
def _(what, line, content, says):
    code, out = check(line, "x" if content is not None else None, content)
    equal(code, 1 if says else 0, f"exit status; it said: {out}")
    if says:
        contains(out, says)


@case("a pipe without end is refused")
def _():
    fifo = os.path.join(TMP, "fifo")
    os.mkfifo(fifo)
    p = subprocess.Popen(["sh", "-c", f"exec yes '# no end' > {fifo}"], stderr=subprocess.DEVNULL)
    at_end(p.kill)
    code, out = check("acl a path -f fifo")
    equal(code, 1, "exit status")
    contains(out, "'fifo' is no regular file and does not end within 64 MiB")


@case("a rule on a file that nothing uses is a warning")
def _():
    code, out = check("http-request set-map(nowhere.map) a b")
    equal(code, 0, "exit status")
    contains(out, "'set-map(nowhere.map)' changes nothing: no acl and no map uses this file")


@case("virt@ has no file, opt@ may be missing, file@ is the usual; all take entries at run time")
def _():
    lbd = Lbd(DEFAULTS + 'frontend f\n    bind 127.0.0.1:@web@\n    acl v path -f virt@list\n    acl o path -f opt@gone.lst\n    acl w path -f file@there.lst\n'
              '    http-request set-map(virt@m) k %[path] if v\n    http-request return status 201 if v\n    http-request return status 202 if o\n'
              '    http-request return status 203 if w\n    http-request return status 200 hdr K %[str(k),map(virt@m,none)]\n', files={"there.lst": "/w\n"})
    c = Conn(lbd.at("web"))
    equal([c.request(u).status for u in ("/v", "/o", "/w")], [200, 200, 203], "before")
    equal(lbd.cmd("add acl virt@list /v; add acl opt@gone.lst /o; del acl file@there.lst /w"), "\n\n\n", "replies")
    equal([c.request(u).status for u in ("/v", "/o", "/w")], [201, 202, 200], "after")
    equal(c.request("/").header("K"), "/v", "map without a file")


main()
