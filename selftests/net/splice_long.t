#!/usr/bin/env python3
# tap: timeout=600 long serial
"""20,000 connections by tune.splice sockmap, and as many with server option bypass: random sizes, orders of ends, early data, slow readers, aborts; every byte compared, no
standstill above 200 ms, memory bounded.
"""
from lbt import *
from lbt.splice import BUFFERS, CONFIG, INSIDE_MOST, many_connections, calm_loopback, cgroups, splice_counts


@cases("5,000 connections, {0} at once, seed {1}", [(20, 101), (60, 102), (150, 103), (400, 104)])
def _(at_once, seed):
    calm_loopback()
    lbd = Lbd(CONFIG.format(more="tune.splice sockmap" + BUFFERS, server=""))
    got = many_connections(lbd, 5000, at_once=at_once, seed=seed, gap_ms=200 if at_once <= 60 else 1000, buffer=100000)
    counts = splice_counts(lbd)
    note(str(counts))
    true(got["inside"] <= INSIDE_MOST, f"{got['inside']} bytes were inside, at most {INSIDE_MOST}")
    true(int(counts["sockmap_slow_reader"]) >= 50, "slow readers were taken over")
    true(int(counts["bytes_spliced"]) > got["bytes"] // 2, "the kernel moved most bytes")


@cases("bypass: 5,000 connections, {0} at once, seed {1}", [(20, 201), (60, 202), (150, 203), (400, 204)])
def _(at_once, seed):
    calm_loopback()
    cgroups()
    lbd = Lbd(CONFIG.format(more=BUFFERS, server="bypass"))
    got = many_connections(lbd, 5000, at_once=at_once, seed=seed, gap_ms=200 if at_once <= 60 else 1000, buffer=100000)
    counts = splice_counts(lbd)
    note(str(counts))
    true(got["inside"] <= INSIDE_MOST, f"{got['inside']} bytes were inside, at most {INSIDE_MOST}")
    true(int(counts["bypass_slow_reader"]) >= 50, "slow readers went back to TCP")
    true(int(counts["bypass_directions"]) > 3000, "directions went past TCP")


main()
