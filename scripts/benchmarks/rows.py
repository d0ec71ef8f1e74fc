"""A row of the table, and what it comes out as."""

import statistics

ROWS = []  # (name, sizes or None, function), in the order of the table


def row(name, sizes=None):
    """Registers a row: a function of (bench, n) that gives a Result, or several."""

    def register(function):
        ROWS.append((name, sizes, function))
        return function

    return register


class Result:
    """value and baseline are in `unit`; `ratio` is what the target is about, unless `of` says the value or the difference.
    `over`: its own name, where a row gives several."""

    def __init__(self, value, unit, baseline, what, limit=None, least=None, of="ratio", over=None):
        self.value, self.unit, self.baseline, self.what = value, unit, baseline, what
        self.ratio = value / baseline
        subject = {"ratio": self.ratio, "value": value, "difference": value - baseline}[of]
        self.ok = (limit is None or subject <= limit) and (least is None or subject >= least)
        bound = limit if limit is not None else least
        sign = "<=" if limit is not None else ">="
        self.target = "" if bound is None else {
            "ratio": f"ratio {sign} {bound:g}",
            "value": f"{sign} {bound:,g} {unit}",
            "difference": f"{sign} {what} + {bound:g} {unit}",
        }[of]  # fmt: skip
        self.over = over


def median_us(ns):
    return statistics.median(ns) / 1000


def p99_us(ns):
    return sorted(ns)[min(len(ns) - 1, int(len(ns) * 0.99))] / 1000
