# SPDX-License-Identifier: Apache-2.0
"""Numbers out of slices, and the table.

A ratio is made within a round, between slices that ran seconds apart, and its median over the rounds is
reported with its quartiles: noise that lasts longer than a round cancels out, and what is left of it shows.
"""

import statistics

MB = 1e6

# name, unit, how it follows from a slice; None where it does not
METRICS = {
    "mb_s": lambda s: s["bytes"] / MB / s["seconds"],
    "proxy_ms_mb": lambda s: s["proxy_cpu"] * 1e3 / (s["bytes"] / MB),
    "all_ms_mb": lambda s: s["all_cpu"] * 1e3 / (s["bytes"] / MB),
    "proxy_us_request": lambda s: s["proxy_cpu"] * 1e6 / s["requests"],
    "requests_s": lambda s: s["requests"] / s["seconds"],
    "p50_us": lambda s: s["p50_us"],
    "p99_us": lambda s: s["p99_us"],
}


def spread(values):
    """Median, lower and upper quartile."""
    values = sorted(values)
    if len(values) < 3:
        return [statistics.median(values), values[0], values[-1]]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return [statistics.median(values), low, high]


def against(slices, reference, metric, combine):
    """combine(value, reference's value) of each round both have."""
    make = METRICS[metric]
    pairs = [(make(a), make(b)) for a, b in zip(slices, reference)]
    return spread([combine(a, b) for a, b in pairs if b > 0])


def summarise(rounds):
    """{path: [slice of round 0, ...]} to {path: {metric: [median, low, high], ...}}."""
    out = {}
    for path, slices in rounds.items():
        told = {name: spread([make(s) for s in slices]) for name, make in METRICS.items()}
        if "direct" in rounds and path != "direct":
            told["mb_s_of_direct"] = against(slices, rounds["direct"], "mb_s", lambda a, b: a / b)
            told["all_ms_mb_of_direct"] = against(slices, rounds["direct"], "all_ms_mb",
                                                  lambda a, b: a / b)
            for metric in ("p50_us", "p99_us"):
                told["added_" + metric] = against(slices, rounds["direct"], metric, lambda a, b: a - b)
        for other in rounds:
            if other.startswith("haproxy") and path != "direct":
                told["cpu_of_" + other] = against(slices, rounds[other], "proxy_us_request"
                                                  if slices[0]["small"] else "proxy_ms_mb",
                                                  lambda a, b: a / b)
        out[path] = told
    return out


def cell(value, digits=2, with_spread=True):
    """A median, with the quartiles behind it."""
    if value is None:
        return "-"
    text = f"{value[0]:.{digits}f}"
    if with_spread:
        text += f" ({value[1]:.{digits}f}..{value[2]:.{digits}f})"
    return text


# title, metric, digits, with the quartiles
BIG = [("MB/s", "mb_s", 0, True), ("of direct", "mb_s_of_direct", 2, False),
       ("proxy CPU-ms/MB", "proxy_ms_mb", 3, True), ("of haproxy", "cpu_of_haproxy", 2, True),
       ("of -128k", "cpu_of_haproxy-128k", 2, False), ("of -splice", "cpu_of_haproxy-splice", 2, False),
       ("all CPU-ms/MB", "all_ms_mb", 3, False), ("p50 us", "p50_us", 0, False), ("p99 us", "p99_us", 0, False)]
SMALL = [("p50 us", "p50_us", 1, False), ("added", "added_p50_us", 1, True), ("p99 us", "p99_us", 1, False),
         ("added", "added_p99_us", 1, True), ("requests/s", "requests_s", 0, False),
         ("proxy CPU-us/request", "proxy_us_request", 2, True), ("of haproxy", "cpu_of_haproxy", 2, True)]


def table(summary, small):
    """Lines of text, a path each."""
    columns = SMALL if small else BIG
    columns = [c for c in columns if any(c[1] in told for told in summary.values())]
    rows = [["", *(title for title, *_ in columns)]]
    for path, told in summary.items():
        cells = []
        for _, metric, digits, with_spread in columns:
            value = told.get(metric)
            if path == "direct" and metric.startswith("proxy"):
                value = None
            cells.append(cell(value, digits, with_spread))
        rows.append([path, *cells])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(text.ljust(width) if i == 0 else text.rjust(width)
                             for i, (text, width) in enumerate(zip(row, widths))) for row in rows]


def noise(slices):
    """What others did meanwhile, as a part of the processors used, and how many slices were repeated."""
    foreign = [s["foreign"] for s in slices]
    return {"foreign_median": statistics.median(foreign), "foreign_worst": max(foreign),
            "slices": len(slices), "repeats": sum(s["repeats"] for s in slices)}
