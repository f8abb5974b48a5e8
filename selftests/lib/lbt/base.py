"""Cases, comparisons, waiting and clean-up for the net tests.

A case is a function with a sentence; `main()` runs them in order, each prints one TAP line. What a
case starts or makes is registered by at_end() and ends with the case, also when it fails; what is
made outside of cases ends with the file.
"""
import contextlib
import os
import signal
import sys
import time
import traceback

TOP = os.environ.get("TOP") or os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
_O = os.environ.get("O", "build")
LBD = os.environ.get("LBD") or os.path.join(TOP, _O, "lbd")
LBADM = os.environ.get("LBADM") or os.path.join(TOP, _O, "lbadm")
HAPROXY = os.environ.get("HAPROXY", "/usr/sbin/haproxy")
TMP = os.environ.get("TMPDIR", f"/tmp/lbt-{os.getpid()}")
os.makedirs(TMP, exist_ok=True)

_cases = []
_scopes = [contextlib.ExitStack()]	# the file's, and above it the running case's
_on_failure = []			# functions that print what helps to understand a failure


class Skip(Exception):
    """Raised by skip(): the case cannot run here, and says why."""


class Wrong(AssertionError):
    """Raised by the comparisons below."""


def case(words):
    """Decorator: this function is one test case; `words` say what must hold."""
    def add(fn):
        _cases.append((words, fn))
        return fn
    return add


def cases(words, rows):
    """Decorator: one case for each row; `words` is formatted with the row's fields."""
    def add(fn):
        for row in rows:
            row = row if isinstance(row, tuple) else (row,)
            _cases.append((words.format(*row), lambda fn=fn, row=row: fn(*row)))
        return fn
    return add


def fail(words):
    raise Wrong(words)


def skip(reason):
    raise Skip(reason)


def _show(v, limit=1500):
    s = repr(v)
    return s if len(s) <= limit else f"{s[:limit]}... ({len(s)} characters)"


def equal(got, want, what="value"):
    if got == want:
        return
    if isinstance(got, (bytes, bytearray)) and isinstance(want, (bytes, bytearray)):
        at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
        raise Wrong(f"{what}: {len(got)} bytes, wanted {len(want)}; first difference at {at}: "
                    f"got {_show(bytes(got[at:at + 60]))} wanted {_show(bytes(want[at:at + 60]))}")
    raise Wrong(f"{what}: got {_show(got)}, wanted {_show(want)}")


def true(fact, what):
    if not fact:
        raise Wrong(what)


def contains(text, part, what="text"):
    if part not in text:
        raise Wrong(f"{what}: {_show(part)} is not in {_show(text)}")


@contextlib.contextmanager
def raises(kind, what="nothing was raised"):
    try:
        yield
    except kind:
        return
    raise Wrong(f"{what} (wanted {getattr(kind, '__name__', kind)})")


def wait_for(fact, timeout=5.0, what="condition"):
    """Polls fact() until it is true and returns its value; fails after `timeout` seconds."""
    end, pause = time.monotonic() + timeout, 0.002
    while True:
        value = fact()
        if value:
            return value
        if time.monotonic() > end:
            raise Wrong(f"after {timeout} s still not: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def at_end(fn, *args):
    """fn(*args) runs when the case (or, outside of cases, the file) ends. Last in, first out."""
    _scopes[-1].callback(fn, *args)


def on_failure(fn):
    """fn() runs when a case fails, before the clean-up; until the present scope ends."""
    _on_failure.append(fn)
    at_end(_on_failure.remove, fn)


def note(words):
    """A comment in the TAP output."""
    for ln in str(words).rstrip("\n").split("\n"):
        print("# " + ln, flush=True)


def _explain(e):
    for frame in traceback.extract_tb(e.__traceback__):
        if "/lbt/base.py" not in frame.filename:
            note(f"{os.path.relpath(frame.filename, TOP)}:{frame.lineno}: {frame.line}")
    note(f"{type(e).__name__}: {e}" if not isinstance(e, Wrong) else str(e))
    for fn in list(_on_failure):
        try:
            fn()
        except Exception as bad:		# help must not hide the failure
            note(f"(no details: {bad})")


def _run_one(number, words, fn):
    error = None
    _scopes.append(contextlib.ExitStack())
    try:
        try:
            fn()
        except Skip:
            raise
        except Exception as e:
            error = e
            print(f"not ok {number} - {words}", flush=True)
            _explain(e)		# before the clean-up: the logs are still there
    except Skip as s:
        print(f"ok {number} - {words} # SKIP {s}", flush=True)
        error = s
    finally:
        scope = _scopes.pop()
        try:
            scope.close()
        except Exception as e:
            if error is None or isinstance(error, Skip):
                print(f"not ok {number} - {words} (while ending it)", flush=True)
                _explain(e)
                error = error or e
            else:
                note(f"while ending it: {type(e).__name__}: {e}")
    if error is None:
        print(f"ok {number} - {words}", flush=True)
    return error is None or isinstance(error, Skip)


def main():
    """Runs the cases of this file; arguments choose those whose words contain one of them."""
    def terminated(*_):
        note("terminated (time limit)")
        for fn in list(_on_failure):
            fn()
        _scopes[0].close()
        os._exit(143)

    signal.signal(signal.SIGTERM, terminated)
    chosen = [c for c in _cases if not sys.argv[1:] or any(a in c[0] for a in sys.argv[1:])]
    print(f"1..{len(chosen)}", flush=True)
    bad = 0
    for number, (words, fn) in enumerate(chosen, 1):
        bad += not _run_one(number, words, fn)
    while len(_scopes) > 1:
        _scopes.pop().close()
    try:
        _scopes[0].close()
    except Exception as e:
        print(f"not ok {len(chosen) + 1} - the file's clean-up", flush=True)
        _explain(e)
        bad += 1
    sys.stdout.flush()
    os._exit(1 if bad else 0)		# daemon threads of servers must not hold us up
