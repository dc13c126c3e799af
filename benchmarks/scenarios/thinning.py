"""Thinning: more comments than `--delivery-rate`, and every one accounted for.

1,000 viewers, 400 comments a second, `--delivery-rate 100`. Each viewer is sent at most that many a
second (and the one second's worth that was saved up at the start), the others are counted in
`thinned`, and the archive has all. Tests show that hosts and moderators go first and that senders
get fair shares: the load tester's viewers are all alike.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.harness import Harness
from benchmarks.process import ROOM, Server
from chat.loadtest import Report

RATE = 400
SENT = 100


def measure(harness: Harness) -> Iterator[Figure]:
    def run() -> tuple[Report, int]:
        with harness.start_server("--delivery-rate", str(SENT)) as server:
            report = harness.load(server, harness.viewers(1000), RATE, harness.seconds(9))
            return report, count_archived(server)

    report, archived = harness.measure(run)
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
    """Return the number of comments in the room, read page by page over the API."""
    where = f"{server.http}/api/rooms/{ROOM}/entries?limit=300&after="
    with urllib.request.urlopen(where.removesuffix("&after=")) as response:
        epoch = json.load(response)["epoch"]
    seq: int = 0
    comments = 0
    while True:
        with urllib.request.urlopen(f"{where}{epoch}:{seq}") as response:
            page = json.load(response)
        comments += sum(entry["kind"] == "comment" for entry in page["entries"])
        seq = page["last"]
        if seq >= page["head"]:
            return comments
