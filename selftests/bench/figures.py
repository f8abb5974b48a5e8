"""Medians, intervals and ratios of paired runs, and how they are printed.

Every round runs each program once, in rotated order, so a ratio is taken within a round and slow
changes of the machine cancel. The 95 % interval of a median is made of order statistics (binomial,
no assumption about the distribution); below six rounds there is none, and the range is shown.
"""
from math import comb


def median(values):
    v, n = sorted(values), len(values)
    return v[n // 2] if n % 2 else (v[n // 2 - 1] + v[n // 2]) / 2


def interval(values):
    """(low, high, is_95_percent) of the median."""
    v, n = sorted(values), len(values)
    rank = 0		# largest k with P(fewer than k of n below the median) <= 2.5 %
    below = 0.0
    for k in range(n // 2):
        below += comb(n, k) / 2 ** n
        if below > 0.025:
            break
        rank = k + 1
    if rank == 0:
        return v[0], v[-1], False
    return v[rank - 1], v[n - rank], True


def number(x):
    if x != x:
        return "-"
    a = abs(x)
    return f"{x:.3f}" if a < 1 else f"{x:.2f}" if a < 100 else f"{x:,.0f}"


def with_interval(values):
    low, high, sure = interval(values)
    left, right = ("[", "]") if sure else ("(", ")")
    return f"{number(median(values)):>10}  {left}{number(low)} .. {number(high)}{right}"


def ratios(mine, theirs):
    return [a / b for a, b in zip(mine, theirs) if b]


class Metric:
    """What a scenario measures: a key, words, a unit; smaller is better unless `more`.

    aim: a function(results) -> (text, met or None), made by the aim_* functions below.
    """

    def __init__(self, key, words, aim=None, more=False, ratio=True):
        self.key, self.words, self.aim, self.more, self.ratio = key, words, aim, more, ratio


def aim_ratio(limit, peers=None, upper=False):
    """lbd / the better peer at most `limit` (its upper bound of the interval, if `upper`)."""
    def judge(metric, results):
        if "lbd" not in results:
            return f"aim: {limit:.2f} of the better peer: lbd was not measured", None
        names = [p for p in results if p != "lbd" and (not peers or p in peers)]
        if not names:
            return f"aim: {limit:.2f} of the better peer: no peer was measured", None
        best = min(names, key=lambda p: median(results[p]) * (-1 if metric.more else 1))
        r = ratios(results["lbd"], results[best])
        value = interval(r)[1] if upper else median(r)
        which = "upper bound " if upper else ""
        met = value <= limit
        return (f"aim: {which}at most {limit:.2f} of {best}; figure: {value:.2f}: "
                f"{'met' if met else 'NOT met'}", met)
    return judge


def aim_at_most(limit, unit, upper=False):
    """lbd's median (or the upper bound of its interval) at most `limit`."""
    def judge(metric, results):
        if "lbd" not in results:
            return f"aim: at most {limit} {unit}: lbd was not measured", None
        value = interval(results["lbd"])[1] if upper else median(results["lbd"])
        met = value <= limit
        which = "upper bound " if upper else ""
        return (f"aim: {which}at most {limit} {unit}; figure: {number(value)} {unit}: "
                f"{'met' if met else 'NOT met'}", met)
    return judge


def block(scenario, metric, results):
    """The lines of one metric: every program's median, the ratios, aim and figure."""
    rounds = max((len(v) for v in results.values()), default=0)
    lines = [f"{metric.words}   ({rounds} rounds; median "
             + ("[95 % interval])" if rounds >= 6 else "(range); too few rounds for a claim)")]
    for peer, values in results.items():
        lines.append(f"    {peer:8} {with_interval(values)}")
    if metric.ratio and "lbd" in results:
        for peer in results:
            if peer not in ("lbd", "none"):
                r = ratios(results["lbd"], results[peer])
                if r:
                    lines.append(f"    lbd/{peer:8} {with_interval(r)}")
    if metric.aim:
        lines.append("    " + metric.aim(metric, results)[0])
    return lines
