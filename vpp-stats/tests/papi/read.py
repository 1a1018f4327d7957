"""What FD.io's own stats reader makes of a segment, as JSON: name -> [type, numbers], in the order in which they lie there.

    read.py STATS_SOCKET

Names of a name vector are given as they are; of a histogram the bins, of a ring buffer the entries written, by thread.
"""

import json
import sys

from vpp_papi.vpp_stats import VPPStats

SCALAR, SIMPLE, COMBINED, NAMES, SYMLINK, HISTOGRAM, RING, GAUGE = 1, 2, 3, 4, 6, 7, 8, 9


def flat(value):
    """Numbers of nested rows, packets before bytes."""
    if isinstance(value, int):
        return [value]
    return [number for part in value for number in flat(part)]


def numbers(kind, value):
    if kind in (SCALAR, GAUGE, SIMPLE, COMBINED, SYMLINK):
        return flat(value)
    if kind == NAMES:
        return list(value)
    if kind == HISTOGRAM:
        return flat(value.bins)
    if kind == RING:
        threads = range(value.config["n_threads"])
        return [value._get_thread_metadata(thread)["sequence"] for thread in threads]
    raise ValueError(f"type {kind}")


def main(socket):
    stats = VPPStats(socketname=socket, timeout=30)
    stats.connect()
    # Free slots are kept under the name "".
    found = {name: [entry.type, numbers(entry.type, stats[name])] for name, entry in stats if name}
    json.dump(found, sys.stdout)


main(*sys.argv[1:])
