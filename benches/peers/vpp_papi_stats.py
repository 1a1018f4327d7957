"""A scrape through FD.io's own Python reader, unchanged: median seconds of three, and the sum of all that was read.

    vpp_papi_stats.py STATS_SOCKET VIPS STEP FIRST COUNTER ...

Reads, for each VIP, its column of every simple COUNTER, and column FIRST + VIP x STEP of /net/route/to. Each table is asked for once,
which is the best that this reader can do: it copies all of it.
"""

import statistics
import sys
import time

from vpp_papi.vpp_stats import VPPStats


def scrape(stats, vips, routes, counters):
    total = 0
    for name in counters:
        table = stats[name]
        total += sum(table[:, vip].sum() for vip in vips)
    table = stats["/net/route/to"]
    for route in routes:
        column = table[:, route]
        total += column.sum_packets() + column.sum_octets()
    return total


def main(socket, vips, step, first, *counters):
    vips = range(int(vips))
    routes = [vip * int(step) + int(first) for vip in vips]
    stats = VPPStats(socketname=socket, timeout=30)
    stats.connect()
    times, totals = [], set()
    for _ in range(3):
        start = time.perf_counter()
        totals.add(scrape(stats, vips, routes, counters))
        times.append(time.perf_counter() - start)
    (total,) = totals
    print(statistics.median(times), total)


main(*sys.argv[1:])
