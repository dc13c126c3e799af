"""Thinning: more comments than `--delivery-rate`, and every one accounted for.

1,000 viewers, 400 comments a second, `--delivery-rate 100`. Every viewer is sent at most that many
a second (and what a second saved up at the start), the others are counted in `thinned`, and the
archive has all. That hosts and moderators go first, and that senders get fair shares, is held by
the tests: the load tester's viewers are all alike.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.process import ROOM, Server

RATE = 400
SENT = 100


def measure(bench: Bench) -> Iterator[Figure]:
    with bench.ours("--delivery-rate", str(SENT)) as server:
        report = bench.load(server, bench.viewers(1000), RATE, bench.seconds(9))
        archived = count_archived(server)
    # From the first wave to the last, and the second that was saved up before.
    seconds = report.seconds + report.latency.max_ms / 1000 + 1
    each = report.delivered / report.connected / seconds
    yield Figure(
        line="7",
        what="comments sent to a viewer, a second",
        value=each,
        at_most=SENT,
        note=f"{report.thinned / report.expected:.0%} thinned",
    )
    yield Figure(
        line="7",
        what="neither delivered nor counted in thinned",
        value=abs(report.expected - report.delivered - report.thinned) + report.lost,
        at_most=0,
    )
    yield Figure(
        line="7",
        what="acked comments that the archive does not have",
        value=abs(report.acked - archived),
        at_most=0,
        note=f"{archived:,} archived",
    )


def count_archived(server: Server) -> int:
    """Read the whole room, page by page, as the protocol says."""
    where = f"{server.http}/api/rooms/{ROOM}/entries?limit=300&after="
    with urllib.request.urlopen(where.removesuffix("&after=")) as answer:
        epoch = json.load(answer)["epoch"]
    seq = comments = 0
    while True:
        with urllib.request.urlopen(f"{where}{epoch}:{seq}") as answer:
            page = json.load(answer)
        comments += sum(entry["kind"] == "comment" for entry in page["entries"])
        seq = page["last"]
        if seq >= page["head"]:
            return comments
