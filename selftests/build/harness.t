#!/usr/bin/env python3
"""The harness itself: what must fail fails, what is skipped has a reason, nothing hangs or stays."""
import os
from lbt import *

TAP_TOOL = f"{TOP}/selftests/lib/tap"


def verdict(name, text, **env):
    """Exit status and TAP lines of a test with this text."""
    folder = os.path.join(TMP, "conf" if name.endswith(".cfg") else "net", "bad")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o755)
    r = run([TAP_TOOL, path], check=False, env=dict(os.environ, **env))
    return r.returncode, r.stdout


@cases("{0}", [
    ("a passing script passes", "echo ok 1 - a; echo 1..1", 0, "ok 1 - a\n1..1\n"),
    ("a failing case fails", "echo not ok 1 - a; echo 1..1", 1, "not ok 1 - a"),
    ("no case at all fails", "true", 1, "printed no test case"),
    ("a lost case fails", "echo 1..2; echo ok 1", 1, "ended after 1 of 2 cases"),
    ("a bad exit status fails", "echo ok 1; exit 3", 1, "exit status 3"),
    ("death by a signal fails", "echo ok 1; kill -SEGV $$", 1, "SIGSEGV"),
    ("a test that hangs fails", "# tap: timeout=1\necho ok 1; sleep 1000", 1, "timed out after 1 s"),
    ("exit 4 skips with the reason", "echo no such device >&2; exit 4", 0, "# SKIP no such device"),
    ("exit 4 after a failure fails", "echo not ok 1; exit 4", 1, "not ok 1"),
    ("a skipped case keeps its reason", "echo 'ok 1 - a # SKIP no moon'", 0, "ok 1 - a # SKIP no moon"),
    ("cases are numbered again", "echo ok 7 - a; echo ok 9 - b", 0, "ok 1 - a\nok 2 - b\n1..2"),
    ("other output becomes comments", "echo hello; echo ok 1", 0, "# hello\nok 1\n"),
])
def _(words, script, want_status, want_text):
    status, text = verdict("x.t", f"#!/bin/sh\n{script}\n")
    contains(text, want_text, "TAP")
    equal(status, want_status, f"exit status, with {text!r}")


@case("what a test leaves running is ended")
def _():
    mark = f"98765.{os.getpid()}"
    _, text = verdict("x.t", f"#!/bin/sh\nsetsid sleep {mark} &\n"
                      # between fork and exec it has no name that could be told
                      "until grep -q ^sleep /proc/$!/cmdline; do :; done\necho ok 1\n")
    contains(text, "left running", "TAP")
    wait_for(lambda: mark not in run("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '",
                                     check=False).stdout,
             3, "the process is gone")


@cases("a refused configuration: {0}", [
    ("the words of the message are there", "# expect: unknown keyword 'fo'\n", 0),
    ("other words fail", "# expect: no such words\n", 1),
    ("no expectation fails", "", 1),
    ("words in another order fail", "# expect: Fatal errors\n# expect: unknown keyword 'fo'\n", 1),
])
def _(words, head, want):
    status, text = verdict("x.cfg", head + "frontend x\n    fo x\n", LBD=HAPROXY)
    equal(status, want, f"exit status, with {text!r}")


main()
