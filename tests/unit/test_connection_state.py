"""The connection's state machine: one table of cases, run in Python and in the pages' module."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.connection_state import (
    ByeTime,
    ConnectionState,
    Event,
    StateLimits,
    step,
    visible_state,
)
from tests.support.javascript import run
from tests.support.server_process import ROOT

TABLE = ROOT / "tests/support/connection_states.json"
CASES: list[dict[str, Any]] = json.loads(TABLE.read_text())
LIMITS = StateLimits()
DIALS_IN_TEN_SECONDS = 5

WALK = """
import { initialState, step, visibleState } from MODULE;
answer(asked.map(({ client, steps }) => {
  let state = initialState(client);
  return steps.map(({ event }) => {
    const next = step(state, event);
    state = next.state;
    return { phase: state.phase, shows: visibleState(state), actions: next.actions };
  });
}));
"""


@pytest.fixture(scope="module")
def walked_in_javascript() -> dict[str, Any]:
    walked = run("connection/connection-state.js", WALK, CASES)
    return {case["name"]: steps for case, steps in zip(CASES, walked, strict=True)}


def walk_in_python(case: dict[str, Any]) -> list[dict[str, Any]]:
    state = msgspec.convert(case.get("client", {}), ConnectionState)
    walked = []
    for one in case["steps"]:
        state, actions = step(state, msgspec.convert(one["event"], Event), LIMITS)
        done = msgspec.to_builtins(actions)
        walked.append({"phase": state.phase, "shows": visible_state(state), "actions": done})
    return walked


def expect_steps(case: dict[str, Any], walked: list[dict[str, Any]]) -> None:
    for number, (expected, found) in enumerate(zip(case["steps"], walked, strict=True)):
        expected = {"shows": found["shows"], **expected}
        del expected["event"]
        assert found == expected, f"step {number}: {case['steps'][number]['event']}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_client_acts_on_each_event_as_the_table_specifies(case: dict[str, Any]) -> None:
    expect_steps(case, walk_in_python(case))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_page_acts_on_each_event_as_the_table_specifies(
    case: dict[str, Any], walked_in_javascript: dict[str, Any]
) -> None:
    expect_steps(case, walked_in_javascript[case["name"]])


ENDINGS = st.one_of(
    st.just(Event(type="hole")),
    st.builds(Event, type=st.just("closed"), code=st.sampled_from([1000, 1006, 1012, 1013, 4009])),
    st.builds(
        Event,
        type=st.just("closed"),
        code=st.just(1012),
        bye=st.builds(ByeTime, st.floats(0, 1)),
    ),
    st.builds(
        Event, type=st.just("refused"), status=st.just(503), retry_after=st.floats(0, 1) | st.none()
    ),
    st.just(Event(type="unexplained")),
)


@given(endings=st.lists(ENDINGS, min_size=20, max_size=20), seed=st.integers(0, 1_000))
def test_client_connects_at_most_five_times_in_ten_seconds(endings: list[Event], seed: int) -> None:
    dice, now, dials = random.Random(seed), 0.0, 1
    state, _ = step(ConnectionState(), Event(type="start"), LIMITS)
    for ending in endings:
        if ending.type in {"hole", "closed"} and state.phase == "connecting":
            state, _ = step(state, Event(type="welcome", at=now), LIMITS)
        state, actions = step(state, msgspec.structs.replace(ending, at=now), LIMITS)
        for action in actions:
            if action.type == "wait":
                assert action.least is not None
                assert action.most is not None
                now += dice.uniform(action.least, action.most)
                if now > 10_000:
                    return
                state, actions = step(state, Event(type="due"), LIMITS)
        dials += sum(action.type == "open" for action in actions)
        assert dials <= DIALS_IN_TEN_SECONDS


@pytest.mark.parametrize("kept", [("name",), ("name", "cursor")])
def test_each_kept_value_is_dropped_at_most_once(kept: tuple[str, ...]) -> None:
    state = ConnectionState(phase="connecting", droppable=kept)
    dropped: list[str | None] = []
    for code in ("name_empty", "bad_cursor", "name_too_long", "bad_cursor"):
        state, actions = step(state, Event(type="refused", status=422, code=code), LIMITS)
        dropped += [action.value for action in actions if action.type == "drop"]
    assert (tuple(dropped), state.phase) == (kept, "ended")
