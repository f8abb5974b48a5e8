#!/usr/bin/env python3
"""The source tree keeps its own rules: includes, tests, the package list."""
import glob
import subprocess
from lbt import *

FOLDERS = {		# folder: first path parts of headers that must not be included from there
    "user": ["l7/", "http/msg", "tools/"],
    "bpf": ["user/", "l7/", "tools/"],
    "tools": ["l7/", "user/"],
}


def sources(folder, ends=".c .h"):
    return [p for e in ends.split() for p in glob.glob(f"{TOP}/{folder}/**/*{e}", recursive=True)
            if "/build/" not in p]


def includes(path):
    with open(path, errors="replace") as f:
        for n, ln in enumerate(f, 1):
            m = ln.strip()
            if m.startswith("#include "):
                yield n, m.split(None, 1)[1].strip('"<>')


@case("at the top of the tree lies what belongs there")
def _():
    known = {"bpf", "user", "l7", "conf", "tools", "selftests", "Documentation", "Makefile", "vmlinux.h", "README.md",
             "CONTRIBUTING.md", "LICENSE", ".ci", ".clang-format", ".clang-tidy", ".gitignore"}
    there = {p.split("/")[0] for p in run("git ls-files", cwd=TOP).stdout.splitlines()}
    equal(sorted(there - known), [], "files that a test or a build has left, or a new folder")


@case("no include climbs out of its folder by ../")
def _():
    bad = [f"{p}:{n}" for d in ("bpf", "user", "l7", "tools") for p in sources(d)
           for n, inc in includes(p) if inc.startswith("../") or "/../" in inc]
    equal(bad, [], "includes with ../")


@cases("{0}/ includes nothing it must not know", [(k,) for k in FOLDERS])
def _(folder):
    bad = [f"{p}:{n}: {inc}" for p in sources(folder) for n, inc in includes(p)
           if any(inc.startswith(x) for x in FOLDERS[folder])]
    equal(bad, [], "forbidden includes")


@case("a file of user/ that includes a header of l7/ does not compile")
def _():
    inc = run("make -s print-INC_user").stdout.split()
    header = next(iter(sources("l7", ".h")), None)
    if not header:
        skip("l7/ has no header yet")
    name = header.removeprefix(f"{TOP}/l7/")
    r = subprocess.run(["gcc", "-fsyntax-only", "-x", "c", *inc, "-"], cwd=TOP, text=True,
                       input=f'#include "{name}"\n', capture_output=True)
    contains(r.stderr, "No such file", "the compiler's message")


@case("no C file uses strcpy, strcat, sprintf or gets")
def _():
    r = run(r"grep -nE '\b(strcpy|strcat|sprintf|vsprintf|gets)\(' -r bpf user l7 tools "
            "--include=*.c --include=*.h", check=False, cwd=TOP)
    equal(r.stdout, "", "uses")


@case("no test sleeps as synchronisation (one that paces load says on its line what it is for)")
def _():
    r = run(r"grep -nE '\btime\.sleep\(|^[^#]*\bsleep [0-9]|\busleep\(' -r selftests/net selftests/unit "
            "selftests/bpf", check=False, cwd=TOP)
    equal([ln for ln in r.stdout.splitlines() if "#" not in ln and "/*" not in ln], [], "sleeps")


@case("every package that the tests need is in the list and installed")
def _():
    r = run([f"{TOP}/tools/deps/install", "--check", "build", "test"], check=False)
    equal(r.returncode, 0, r.stderr)


@case("make help names every target that people call")
def _():
    text = run("make -s help", cwd=TOP).stdout
    for target in "all check check-long demo install fmt lint asan tsan fuzz clean".split():
        contains(text, f"  {target} ", "make help")


main()
