"""The load tester finds each fault of a faulty server.

A server with one known fault must be found out, and an honest one must pass.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable

import pytest

from chat.loadtest import Options, Report, run

VIEWERS = 40
StartStub = Callable[[str], str]


def measure(url: str, **changes: object) -> Report:
    settings = {"viewers": VIEWERS, "rate": 120, "duration": 0.75, "processes": 1, "settle": 1}
    return run(Options(url, **(settings | changes)))  # type: ignore[arg-type]


def read_took(url: str) -> list[float]:
    """Return how long the stub had each comment, in seconds by its own clock."""
    address = url.replace("ws:", "http:").replace("/ws/", "/api/rooms/") + "/took"
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)["seconds"]


@pytest.mark.parametrize("transport", ["websocket", "long-poll", "short-poll"])
def test_honest_server_passes(start_stub: StartStub, transport: str) -> None:
    report = measure(start_stub("none"), transport=transport, poll_interval=0.2)
    assert report.faults == []
    assert report.exit_code == 0
    assert report.sent == report.acked == report.planned == 90
    assert report.delivered == report.expected == 90 * VIEWERS
    assert report.latency.count == report.delivered
    assert 0 < report.latency.p50_ms <= report.latency.p99_ms <= report.latency.max_ms
    assert report.checked == 90 * report.samples > 0


def test_several_processes_and_rooms_add_up(start_stub: StartStub) -> None:
    report = measure(start_stub("none"), processes=2, rooms=4)
    assert report.faults == []
    assert report.processes == len(report.tester_cpu) == 2
    assert report.delivered == 90 * VIEWERS / 4


def test_frames_in_pieces_are_put_together(start_stub: StartStub) -> None:
    report = measure(start_stub("split"))
    assert report.faults == []
    assert report.delivered == 90 * VIEWERS


def test_compressed_frames_are_checked_like_plain_ones(start_stub: StartStub) -> None:
    url = start_stub("none")
    plain, small = measure(url), measure(url, compress=True)
    assert small.faults == []
    assert small.compressed == VIEWERS
    assert small.delivered == 90 * VIEWERS
    assert small.bytes_per_delivery < plain.bytes_per_delivery


def test_pings_are_answered(start_stub: StartStub) -> None:
    report = measure(start_stub("ping"))
    assert report.faults == []
    assert report.closed == {}


def test_batch_left_out_is_lost(start_stub: StartStub) -> None:
    report = measure(start_stub("lose"))
    assert report.lost >= 1
    assert report.delivered == report.expected - report.lost
    assert report.exit_code == 1


def test_entry_left_out_inside_a_range_is_lost_for_everyone(start_stub: StartStub) -> None:
    report = measure(start_stub("omit"))
    assert report.lost == VIEWERS
    assert report.acked_but_missing == 1
    assert report.exit_code == 1


def test_batches_the_wrong_way_round_are_out_of_order_and_not_lost(start_stub: StartStub) -> None:
    report = measure(start_stub("reorder"))
    assert report.out_of_order >= 1
    assert report.lost == 0
    assert report.exit_code == 1


def test_entries_the_wrong_way_round_are_out_of_order(start_stub: StartStub) -> None:
    # A spike, so that a batch has more entries than one to turn around.
    report = measure(start_stub("shuffle"), profile="burst", rate=5, duration=3)
    assert report.out_of_order >= VIEWERS
    assert report.exit_code == 1


def test_batch_sent_twice_is_noticed(start_stub: StartStub) -> None:
    report = measure(start_stub("duplicate"))
    assert report.duplicated >= 1
    assert report.lost == 0
    assert report.exit_code == 1


def test_closed_viewer_is_named_by_code_and_loses_the_rest(start_stub: StartStub) -> None:
    report = measure(start_stub("close"))
    assert report.closed == {"4008": 1}
    assert report.present == VIEWERS - 1
    assert report.lost > 0
    assert report.exit_code == 1


def test_broken_connection_and_close_are_counted_separately(start_stub: StartStub) -> None:
    report = measure(start_stub("reset"))
    assert sum(report.closed.values()) == 1
    assert "4008" not in report.closed
    assert report.exit_code == 1


def test_slow_server_shows_in_every_percentile(start_stub: StartStub) -> None:
    url, began = start_stub("delay"), time.monotonic()
    report = measure(url)
    whole = time.monotonic() - began
    assert report.faults == []
    took = sorted(1000 * seconds for seconds in read_took(url))
    assert len(took) == 90
    assert took[0] >= 150
    # A comment is on its way for as long as the server had it, and somewhat longer.
    latency = report.latency
    for share, found in ((0.5, latency.p50_ms), (0.9, latency.p90_ms), (0.99, latency.p99_ms)):
        assert found >= took[int(share * len(took)) - 1]
    assert took[-1] <= latency.max_ms < 1000 * whole
    # Acks were not late, but for what made everything late.
    assert report.ack_latency.p50_ms < latency.p50_ms


def test_stall_makes_all_comments_of_the_stall_late(start_stub: StartStub) -> None:
    # Open loop: 60 comments are due in half a second's stall, so far more than one is late.
    report = measure(start_stub("stall"))
    late = sum(count for end, count in report.distribution if end > 100)
    assert report.latency.max_ms >= 480
    assert late >= 30 * VIEWERS
    assert report.exit_code == 0


def test_ack_for_a_comment_that_was_never_delivered_is_a_fault(start_stub: StartStub) -> None:
    report = measure(start_stub("forget"))
    assert report.acked_but_missing == 1
    assert report.lost == 0
    assert report.exit_code == 1


def test_posts_without_an_answer_are_counted(start_stub: StartStub) -> None:
    report = measure(start_stub("mute"))
    assert report.unanswered == 9
    assert report.exit_code == 1


@pytest.mark.parametrize("transport", ["websocket", "long-poll"])
def test_rejections_are_counted_by_code_and_are_no_fault(
    start_stub: StartStub, transport: str
) -> None:
    report = measure(start_stub("reject"), transport=transport)
    assert report.rejected == {"too_fast": 9}
    assert report.delivered == 81 * VIEWERS
    assert report.exit_code == 0


def test_thinned_entries_are_accounted_for_and_not_lost(start_stub: StartStub) -> None:
    report = measure(start_stub("thin"))
    assert report.thinned == 30 * VIEWERS
    assert report.delivered == 60 * VIEWERS
    assert report.faults == []


def test_skipped_ranges_are_accounted_for_and_not_lost(start_stub: StartStub) -> None:
    report = measure(start_stub("skip"))
    assert report.skipped > 0
    assert report.delivered + report.skipped == report.expected
    assert report.faults == []


def test_refused_handshakes_are_named_and_make_the_verdict_bad(start_stub: StartStub) -> None:
    report = measure(start_stub("refuse"))
    assert report.failed == {"HTTP 503": 4}
    assert report.connected == VIEWERS - 4
    assert report.lost == 0
    assert report.exit_code == 1


def test_test_ends_at_once_if_no_viewer_connects(start_stub: StartStub) -> None:
    report = measure(start_stub("shut"), duration=60)
    assert report.failed == {"HTTP 503": VIEWERS}
    assert report.seconds == 0
    assert report.exit_code == 1


def test_frame_that_is_no_json_breaks_the_protocol(start_stub: StartStub) -> None:
    report = measure(start_stub("garbage"))
    assert sum(report.violations.values()) == 1
    assert report.exit_code == 1


def test_one_seq_with_two_texts_is_a_contradiction(start_stub: StartStub) -> None:
    report = measure(start_stub("contradict"))
    assert report.contradictions >= 1
    assert report.exit_code == 1


def test_storm_resumes_without_loss(start_stub: StartStub) -> None:
    report = measure(start_stub("none"), profile="storm")
    assert report.reconnected == report.reconnect_latency.count == VIEWERS
    assert report.unrecovered == {}
    assert report.faults == []


def test_storm_with_polling_viewers_resumes_without_loss(start_stub: StartStub) -> None:
    report = measure(start_stub("none"), profile="storm", transport="long-poll")
    assert report.reconnected == VIEWERS
    assert report.faults == []


def test_refused_cursors_are_counted_by_reason(start_stub: StartStub) -> None:
    report = measure(start_stub("amnesia"), profile="storm")
    assert report.unrecovered == {"trimmed": VIEWERS}


def test_resume_that_leaves_out_an_entry_is_a_loss(start_stub: StartStub) -> None:
    # Whether a comment falls between a loss and a return is chance: one storm of some has it.
    storms = (measure(start_stub("gap"), profile="storm", rate=400) for _ in range(12))
    report = next((report for report in storms if report.lost), None)
    assert report is not None
    assert report.exit_code == 1


def test_slow_viewers_do_not_post_and_catch_up_at_the_end(start_stub: StartStub) -> None:
    report = measure(start_stub("none"), slow=0.1)
    assert report.slow_viewers == 4
    assert report.delivered == 90 * VIEWERS
    assert report.latency.count == 90 * (VIEWERS - 4)
    assert report.faults == []


def test_burst_posts_a_hundred_times_as_fast_for_a_second(start_stub: StartStub) -> None:
    report = measure(start_stub("none"), profile="burst", rate=3, duration=3)
    assert report.planned == 3 + 300 + 3
    assert report.faults == []
