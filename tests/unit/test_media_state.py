"""The states of the room's video, and its attempts after a failure: media-state.js, run in Node."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.javascript import run

PROGRAM = """
import { NO_MEDIA, step } from MODULE;
answer(asked.map((events) => {
  let state = NO_MEDIA;
  return events.map((event) => {
    const next = step(state, typeof event === 'string' ? { type: event } : event);
    state = next.state;
    return { value: state.value, actions: next.actions };
  });
}));
"""


def walk(*events: str | dict[str, Any]) -> list[dict[str, Any]]:
    """Return the state's value and the actions after each event."""
    steps: list[dict[str, Any]] = run("room/media-state.js", PROGRAM, [events])[0]
    return steps


STATES = [
    # events, and the state after them
    ([], "none"),
    (["load"], "waiting"),
    (["load", "loaded", "playing"], "playing"),
    (["load", "playing", "waiting"], "waiting"),
    (["load", "playing", "waiting", "playing"], "playing"),
    (["load", "playing", "pause"], "paused"),
    (["load", "playing", "pause", "waiting"], "paused"),
    (["load", "playing", "pause", "playing"], "playing"),
    (["load", "playing", "ended"], "ended"),
    (["load", "playing", "ended", "pause"], "ended"),
    (["load", "playing", "ended", "playing"], "playing"),
    (["load", "playing", "ended", "retry"], "retrying"),
    (["load", "error"], "failed"),
    (["load", "stuck"], "failed"),
    (["load", "playing", "waiting", "stuck"], "failed"),
    (["load", "playing", "error"], "failed"),
    (["load", "error", "pause", "waiting", "error", "playing"], "failed"),
    (["load", "error", "due"], "retrying"),
    (["load", "error", "retry"], "retrying"),
    (["load", "error", "due", "waiting"], "retrying"),
    (["load", "error", "due", "playing"], "playing"),
    (["load", "error", "due", "error"], "failed"),
    (["load", "error", "due", "stuck"], "failed"),
    (["load", "unsupported"], "failed"),
    (["load", "unsupported", "due"], "failed"),
    (["load", "unsupported", "retry"], "retrying"),
    (["load", "playing", "pause", "error", "due", "loaded"], "paused"),
    (["load", "error", "load"], "waiting"),
    (["load", "playing", "clear"], "none"),
    (["load", "error", "clear", "due", "retry", "error"], "none"),
]


@pytest.mark.parametrize(
    ("events", "value"), STATES, ids=["-".join(events) or "nothing" for events, _ in STATES]
)
def test_state_of_the_video_follows_its_events(events: list[str], value: str) -> None:
    steps = walk(*events)
    assert (steps[-1]["value"] if steps else "none") == value


def waits(steps: list[dict[str, Any]]) -> list[tuple[float, float]]:
    actions = [action for step in steps for action in step["actions"]]
    return [(one["least"], one["most"]) for one in actions if one["type"] == "wait"]


def test_attempts_back_off_to_a_wait_that_brings_a_stream_back_within_thirty_seconds() -> None:
    steps = walk("load", *["error", "due"] * 8)
    longest = [most for _, most in waits(steps)]
    assert longest == [1000, 2000, 4000, 8000, 14000, 14000, 14000, 14000]
    assert [least for least, _ in waits(steps)] == [most / 2 for most in longest]
    stuck_ms = run(
        "room/media-state.js", "import { STUCK_MS } from MODULE; answer(STUCK_MS);", None
    )
    assert stuck_ms + max(longest) < 30_000


def test_back_off_is_forgotten_once_the_video_has_played_for_a_while() -> None:
    def fail_after(milliseconds: int) -> list[tuple[float, float]]:
        playing = {"type": "playing", "at": 1000}
        failing = {"type": "error", "at": 1000 + milliseconds}
        return waits(walk("load", "error", "due", "error", "due", playing, failing))

    assert fail_after(29_999)[-1] == (2000, 4000)
    assert fail_after(30_000)[-1] == (500, 1000)


def test_failed_video_is_closed_before_it_is_opened_again() -> None:
    failed, due = walk("load", "playing", "error", "due")[-2:]
    assert [action["type"] for action in failed["actions"]] == ["close", "wait"]
    assert due["actions"] == [{"type": "open", "attempt": 1, "play": True}]


def test_video_that_the_viewer_paused_is_opened_again_without_playing() -> None:
    assert walk("load", "playing", "pause", "error", "due")[-1]["actions"] == [
        {"type": "open", "attempt": 1, "play": False}
    ]
    assert walk("load", "playing", "pause", "error", "retry")[-1]["actions"] == [
        {"type": "open", "attempt": 1, "play": True}
    ]


def test_page_retries_an_ended_stream_only_if_it_was_live() -> None:
    ended = {"type": "ended", "live": True}
    waiting, looking, again = walk("load", "playing", ended, "due", ended)[2:]
    assert waiting["actions"] == [{"type": "wait", "least": 5000, "most": 10000}]
    assert (looking["value"], looking["actions"]) == ("ended", [{"type": "look"}])
    assert again["actions"] == waiting["actions"]
    assert walk("load", "playing", "ended")[-1]["actions"] == []


def test_what_the_browser_cannot_play_is_not_tried_again_by_itself() -> None:
    assert walk("load", "unsupported")[-1]["actions"] == [{"type": "close"}]
    assert walk("load", "unsupported", "due")[-1]["actions"] == []
