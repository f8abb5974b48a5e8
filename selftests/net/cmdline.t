#!/usr/bin/env python3
# tap: timeout=120
"""The command line: a row per use, with the exit status and what must be said; many are judged by haproxy, too."""
import os
import re
import subprocess
from lbt import *

LBD, HAPROXY, TMP = os.environ["LBD"], os.environ["HAPROXY"], os.environ["TMPDIR"]
GOOD = "frontend f\n    mode tcp\n    bind 127.0.0.1:8000\n    timeout client 1s\n"
WARNS = "frontend f\n    mode tcp\n    bind 127.0.0.1:8000\n"

SERVER = "backend b\n    mode tcp\n    timeout server 1s\n    timeout connect 1s\n    server s %s:80\n"
with open(os.path.join(TMP, "hosts"), "w") as f:
    f.write("127.0.0.1 localhost\n2001:db8::1 ip6-only.test\n")
subprocess.run(["mount", "--bind", os.path.join(TMP, "hosts"), "/etc/hosts"], check=True)

FILES = {
    "good.cfg": GOOD,
    "warns.cfg": WARNS,
    "bad.cfg": "nonsense\n",
    "stats.cfg": "global\n    stats nonsense\n" + GOOD,
    "empty.cfg": "",
    "none.cfg": "backend b\n    mode tcp\n",
    "dir/10-global.cfg": "global\n    maxconn 100\n",
    "dir/20-front.cfg": GOOD,
    "dir/30-other.txt": "nonsense\n",
    "dir/.hidden.cfg": "nonsense\n",
    "nodir/readme.txt": "",
    "half.cfg": "defaults\n    mode tcp\n    timeout client 1s\n",
    "rest.cfg": "frontend f\n    bind 127.0.0.1:8000\n",
    "continued.cfg": "    maxconn 5\n",
    "env.cfg": ".notice \"${HAPROXY_CFGFILES}|${HAPROXY_LOCALPEER}|${.FILE}:${.LINE}:${.SECTION}\"\n" + GOOD,
    "mworker.cfg": ".if defined(HAPROXY_MWORKER)\n.notice \"as a worker\"\n.endif\n" + GOOD,
    "diag.cfg": ".diag \"think twice\"\n" + GOOD,
    "name4.cfg": GOOD + SERVER % "localhost",
    "name6.cfg": GOOD + SERVER % "ip6-only.test",
    "family.cfg": "global\n    dns-accept-family ipv4\n" + GOOD + SERVER % "ip6-only.test",
    "logfmt.cfg": "frontend g\n    mode http\n    bind 127.0.0.1:8001\n    timeout client 1s\n    log-format \"${HAPROXY_HTTP_LOG_FMT}\"\n"
                  ".notice \"${HAPROXY_HTTP_LOG_FMT}|${HAPROXY_TCP_LOG_FMT}|${HAPROXY_HTTP_CLF_LOG_FMT}|${HAPROXY_TCP_CLF_LOG_FMT}|${HAPROXY_HTTPS_LOG_FMT}\"\n" + GOOD,
    "name.cfg": GOOD + "backend b\n    mode tcp\n    timeout server 1s\n    timeout connect 1s\n    server s no-such-host.invalid:80\n",
}
for name, text in FILES.items():
    path = os.path.join(TMP, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)

SAME = True		# haproxy gives the same exit status
OURS = False

# words, exit status, patterns that must (or with ! must not) be found, who judges
ROWS = (
    ("-c -f good.cfg", 0, ["^Configuration file is valid$"], SAME),
    ("-c -q -f good.cfg", 0, ["!."], SAME),
    ("-c -V -f good.cfg", 0, ["SERVICE +LISTENS", "^Configuration file is valid$"], SAME),
    ("-c -f warns.cfg", 0, ["missing timeouts", "^Warnings were found.$"], SAME),
    ("-c -dW -f warns.cfg", 1, ["missing timeouts"], SAME),
    ("-c -dW -f good.cfg", 0, [], SAME),
    ("-c -f bad.cfg", 1, ["^bad.cfg:1:1: 'nonsense'"], SAME),
    ("-c -q -f bad.cfg", 1, ["bad.cfg:1:1"], SAME),
    ("-c -f stats.cfg", 1, ["'stats' takes 'socket', 'timeout', 'maxconn' and 'bind-process'"], SAME),
    ("-c -f empty.cfg", 2, ["will not start \\(no listener\\)"], SAME),
    ("-c -f none.cfg", 2, ["will not start \\(no listener\\)"], SAME),
    ("-c -f /dev/null", 2, [], SAME),
    ("-db -f none.cfg", 1, ["no frontend listens anywhere"], SAME),
    ("-c -f missing.cfg", 1, ["missing.cfg: cannot read this configuration: No such file"], SAME),
    ("-c -f dir", 0, ["!nonsense"], SAME),
    ("-c -f nodir", 1, ["no \\*.cfg file"], OURS),
    ("-c -f half.cfg -f rest.cfg", 0, ["!warning"], SAME),
    ("-c -f half.cfg -- rest.cfg", 0, ["!warning"], SAME),
    ("-c -- half.cfg rest.cfg", 0, [], SAME),
    ("-c -f good.cfg -f continued.cfg", 1, ["continued.cfg:1:5: 'maxconn' stands in no section"], SAME),
    ("-c -C dir -f 20-front.cfg", 0, [], SAME),
    ("-c -C missing -f good.cfg", 1, ["missing"], SAME),
    ("-c -f good.cfg -f", 1, ["an argument is missing"], SAME),
    ("-c -f good.cfg -nonsense", 1, ["-nonsense: no such option"], SAME),
    ("-c -f good.cfg -n x", 1, ["whole number"], OURS),
    ("-c -f good.cfg -n 100 -N 50 -m 500 -dS -dR -dG -db", 0, [], SAME),
    ("-c -f env.cfg -L me", 0, ["env.cfg\\|me\\|env.cfg:1:"], SAME),
    ("-c -f mworker.cfg", 0, ["!as a worker"], SAME),
    ("-c -W -f mworker.cfg", 0, ["as a worker"], SAME),
    ("-c -f diag.cfg", 0, ["!think twice"], SAME),
    ("-c -dD -f diag.cfg", 0, ["think twice"], SAME),
    ("-c -f name.cfg", 1, ["could not resolve address 'no-such-host.invalid'"], SAME),
    ("-c -dr -f name.cfg", 0, [], SAME),
    ("-c -f good.cfg -de -dp -dV -dI", 0, [], OURS),
    ("-c -f good.cfg -dF -dZ -4 -dk -dv", 0, [], OURS),
    ("-c -4 -f name4.cfg", 0, [], OURS),
    ("-c -4 -f name6.cfg", 1, ["could not resolve"], OURS),
    ("-c -f family.cfg", 1, ["could not resolve"], OURS),
    ("-c -q -dL -f good.cfg", 0, ["^/.*libc\\.so"], SAME),
    ("-c -f logfmt.cfg", 0, ["%ci:%cp \\[%tr\\] %ft .* %hr %hs %\\{\\+Q\\}r\\|%ci:%cp \\[%t\\] %ft .* %sq/%bq\\|"], OURS),
    ("-cc 1", 0, [], SAME),
    ("-cc 0", 1, [], SAME),
    ("-cc streq(a,a)", 0, [], SAME),
    ("-cc nonsense(", 2, ["no such predicate"], SAME),
    ("-cc feature(DATAPATH)", 0, [], OURS),
    ("--version", 0, ["^lbd version "], OURS),
    ("-h", 0, ["^Usage: ", "-dKtsv"], OURS),
    ("--help", 0, ["^Usage: "], OURS),
    ("-v", 0, ["^lbd version \\d+\\.\\d+\\.\\d+ .*HAProxy version 2\\.6"], SAME),
    ("-vv", 0, ["^Feature list :.* \\+DATAPATH"], SAME),
    ("", 1, ["^Usage: ", "no configuration file"], SAME),
    ("-dKtsv", 0, ["^proxy\ttimeout client$", "^global\tmaxconn$", "^bind-option\tv4v6$", "^server-option\tweight$", "^section\tlisten$"], OURS),
    ("-dKquiet", 0, ["^global\tnoepoll$", "^bind-option\tnice$", "^bind-option\tno-sslv3$", "^cmdline\t-dV$", "!^proxy\ttimeout client$"], OURS),
    ("-dKcfg", 0, ["^\ttimeout client$", "!^# cli$"], OURS),
    ("-dKhelp", 0, ["^smp: "], OURS),
    ("-dKmd", 0, ["^\\| `retries <number>` \\|"], OURS),
    ("-db -x /run/none -f good.cfg", 1, ["-x: cannot take listening sockets over from /run/none: No such file"], SAME),
    ("-sf x", 1, ["process numbers"], OURS),
)


def run(program, words):
    r = subprocess.run([program, *words.split()], cwd=TMP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=20)
    return r.returncode, r.stdout


for row in ROWS:
    @case("lbd " + row[0])
    def _(row=row):
        words, want, patterns, who = row
        code, out = run(LBD, words)
        equal(code, want, f"exit status; it said:\n{out}")
        for p in patterns:
            found = re.search(p.removeprefix("!"), out, re.M)
            if bool(found) == p.startswith("!"):
                raise AssertionError(f"/{p}/ in:\n{out}")
        if who is SAME:
            code, out = run(HAPROXY, words)
            equal(code, want, f"haproxy's exit status; it said:\n{out}")


@case("HAPROXY_CLI tells the stats sockets")
def _():
    p = Lbd("global\n    stats socket 127.0.0.1:@s@ level user\nfrontend f\n    mode tcp\n    bind 127.0.0.1:@f@\n    timeout client 1s\n")
    equal(p.cmd("show env HAPROXY_CLI").strip(), f"HAPROXY_CLI=unix@{p.sock};ipv4@127.0.0.1:{p.port('s')}", "show env")


@case("show startup-logs keeps what was said at the start")
def _():
    p = Lbd("frontend f\n    mode tcp\n    bind 127.0.0.1:@f@\n")
    contains(p.cmd("show startup-logs"), "missing timeouts for frontend 'f'")
    p = Lbd("frontend f\n    mode tcp\n    bind 127.0.0.1:@f@\n    timeout client 1s\n")
    equal(p.cmd("show startup-logs"), "\n", "nothing was said")


PLANNED = """frontend f
    mode tcp
    bind 127.0.0.1:8000
    timeout client 1s
    tcp-request connection reject if { src 192.0.2.0/24 } { dst_port 8000 }
    default_backend b
frontend tls
    mode tcp
    bind 127.0.0.1:8001
    timeout client 1s
    default_backend enc
backend b
    mode tcp
    timeout server 1s
    timeout connect 1s
    server s 192.0.2.1:80
    server here 127.0.0.1:80
backend enc
    mode tcp
    timeout server 1s
    timeout connect 1s
    server s 192.0.2.1:80 ssl verify none
"""


@case("-c -V says what keeps a service from the kernel, in lines of the file; TLS is read by the daemon")
def _():
    with open(os.path.join(TMP, "planned.cfg"), "w") as f:
        f.write(PLANNED)
    code, out = run(LBD, "-c -V -f planned.cfg")
    equal(code, 0, "exit status")
    contains(out, """To move f to the kernel:
  add 'datapath interface <name>' to global
  remove 'src', 'dst_port', 'reject', 'tcp-request connection' at line 5
  bind an address of the interface
  give here an address that other hosts can reach
  accept what differs in the kernel: 'datapath kernel', or 'datapath accept timeout-client,timeout-server,timeout-connect'
""")
    contains(re.sub(" +", " ", out), "tls 127.0.0.1:8001 tcp user - 1 TLS: the daemon reads every byte")


@case("called haproxy, it says HAProxy's version")
def _():
    link = os.path.join(TMP, "haproxy")
    os.symlink(LBD, link)
    code, out = run(link, "-v")
    equal(code, 0, "exit status")
    if not re.match(r"HAProxy version 2\.6\.\d+", out):
        raise AssertionError(out)
    equal(run(link, "-c -f good.cfg")[0], 0, "exit status of -c")


main()
