#!/usr/bin/env python3
# tap: timeout=30
"""tune.vars.*-max-size: a variable that would be too much is not set, what is within the limit stays. (Debian's haproxy may cut its
value off instead, as its manual warns: there is nothing to compare.)"""
from lbt import *

CONFIG = """
global
    {limit}
defaults
    mode http
    timeout client 5s
    timeout connect 5s
    timeout server 5s
frontend f
    bind 127.0.0.1:@f@
    http-request set-var({scope}.small) str(x)
    http-request set-var({scope}.large) path
    http-request return content-type text/plain lf-string "%[var({scope}.small),length] %[var({scope}.large),length]"
"""
LARGE = "/" + "a" * 2999


@cases("{0}: scope {1}", [(f"tune.vars.{limit}-max-size 1000", scope) for limit, scope in (
    ("reqres", "req"), ("txn", "req"), ("txn", "txn"), ("sess", "txn"), ("sess", "sess"), ("proc", "sess"),
    ("global", "txn"))])
def _(limit, scope):
    p = Lbd(CONFIG.format(limit=limit, scope=scope))
    equal(http(p.at("f"), "/short").body, b"1 6", "both are set")
    equal(http(p.at("f"), LARGE).body.strip(), b"1", "the large one is not set")


@case("what is narrower than the limit is not limited; 0 is no limit")
def _():
    for limit, scope in (("tune.vars.reqres-max-size 1000", "txn"), ("tune.vars.txn-max-size 0", "txn")):
        for P in (Haproxy, Lbd):
            p = P(CONFIG.format(limit=limit, scope=scope))
            equal(http(p.at("f"), LARGE).body, b"1 3000", f"{P.__name__}, {limit}")


@case("memory is given back: a thousand requests with a limit for two")
def _():
    p = Lbd(CONFIG.format(limit="tune.vars.global-max-size 8000", scope="txn"))
    c = Conn(p.at("f"))
    for _ in range(1000):
        equal(c.request(LARGE).body, b"1 3000", "set again")
    c.close()


main()
