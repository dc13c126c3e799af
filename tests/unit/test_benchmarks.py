"""The benchmarks' pure parts: when a measurement is trusted, and the statistics of pairs."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec import structs

from benchmarks.figures import Figure, Outcome, Results
from benchmarks.hostile.__main__ import take_medians
from benchmarks.hostile.side import Figures
from benchmarks.markdown import replace_blocks
from benchmarks.pairs import PairedRun, compare_pairs, find_rank, is_first_leading
from benchmarks.quietness import Reading, find_disturbances, find_fastest, is_slow
from benchmarks.scenarios import NAMES, find_scenario

BEFORE = Reading(at=100.0, loops=(0.010, 0.010), busy=50.0, own=20.0, steal=1.0)
QUIET = Reading(at=110.0, loops=(0.0105, 0.0095), busy=62.5, own=32.0, steal=1.1)


def read_after(**changes: Any) -> Reading:
    return structs.replace(QUIET, **changes)


def test_quiet_machine_has_no_disturbances() -> None:
    assert find_disturbances(BEFORE, QUIET) == []


@pytest.mark.parametrize("loops", [(0.0112, 0.010), (0.010, 0.0112), (0.010, 0.0089)])
def test_bare_loop_that_changed_by_more_than_a_tenth_is_a_disturbance(
    loops: tuple[float, float],
) -> None:
    (reason,) = find_disturbances(BEFORE, read_after(loops=loops))
    assert reason == "a bare loop's time changed by 12%"


def test_steal_time_is_a_disturbance() -> None:
    (reason,) = find_disturbances(BEFORE, read_after(steal=1.5))
    assert reason == "the hypervisor withheld 5% of a core"


def test_cpu_time_of_other_processes_is_a_disturbance_and_our_own_is_not() -> None:
    assert find_disturbances(BEFORE, read_after(busy=69.0, own=39.0)) == []
    (reason,) = find_disturbances(BEFORE, read_after(busy=69.0, own=37.0))
    assert reason == "other processes used 20% of a core"


def test_all_disturbances_are_named() -> None:
    after = read_after(loops=(0.02, 0.02), busy=80.0, steal=9.0)
    assert len(find_disturbances(BEFORE, after)) == 3


def test_readings_must_be_in_order() -> None:
    with pytest.raises(ValueError, match="later"):
        find_disturbances(QUIET, BEFORE)


def test_scenario_is_slow_when_its_bare_loops_are_slower_than_in_the_fastest() -> None:
    runs = [[3.0, 2.0, 2.1], [2.6, 2.5], []]
    fastest = find_fastest(runs)
    assert fastest == 2.1
    assert [is_slow(loops, fastest) for loops in runs] == [False, True, False]


def test_median_and_range_of_ratios_of_pairs() -> None:
    pairs = [(10.0, 11.0), (20.0, 20.0), (10.0, 12.0)]
    found = compare_pairs(pairs)
    assert (found.median, found.least, found.greatest, found.pairs) == (1.1, 1.0, 1.2, 3)


def test_seven_pairs_on_one_side_of_1_show_a_difference_and_six_of_seven_do_not() -> None:
    slower = [(1.0, 1.0 + n / 100) for n in range(1, 8)]
    assert compare_pairs(slower).differs
    assert compare_pairs([(now, before) for before, now in slower]).differs
    assert not compare_pairs([*slower[1:], (1.0, 0.99)]).differs


def test_too_few_pairs_show_no_difference() -> None:
    found = compare_pairs([(1.0, 2.0)] * 5)
    assert not found.differs
    assert (found.low, found.high) == (0.0, math.inf)


def test_interval_of_the_median_has_the_rank_of_the_sign_test() -> None:
    # Tables of the sign test, two-sided, 5 %.
    ranks = {5: 0, 6: 1, 8: 1, 9: 2, 11: 2, 12: 3, 15: 4, 20: 6, 25: 8}
    assert {count: find_rank(count) for count in ranks} == ranks


def test_zero_in_both_is_equal_and_in_the_first_alone_is_infinite() -> None:
    assert compare_pairs([(0.0, 0.0)]).median == 1
    assert compare_pairs([(0.0, 1.0)]).median == math.inf


def test_no_pairs_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="no pair"):
        compare_pairs([])


def test_sides_take_turns_to_be_measured_first() -> None:
    assert [is_first_leading(pair) for pair in range(4)] == [True, False, True, False]


def run_pairs(disturbed: str, wanted: int = 3, extra: int = 2) -> PairedRun:
    """Add a pair for each letter until the run is complete; ``x`` is one that was disturbed."""
    run = PairedRun(wanted=wanted, extra=extra)
    for letter in disturbed:
        assert not run.is_complete
        ratio = 9.0 if letter == "x" else 1.1
        run.add(({"cost": 1.0}, {"cost": ratio}), ["noise"] if letter == "x" else [])
    assert run.is_complete
    return run


@pytest.mark.parametrize("pairs", ["...", "x...", ".x.x."])
def test_disturbed_pairs_are_repeated_and_left_out(pairs: str) -> None:
    run = run_pairs(pairs)
    assert run.is_quiet
    assert run.compare()["cost"].pairs == 3
    assert run.compare()["cost"].greatest == 1.1


@pytest.mark.parametrize("pairs", ["xxxxx", "..xxx", "xx.x."])
def test_repeats_are_bounded_and_a_run_without_enough_quiet_pairs_is_not_trusted(
    pairs: str,
) -> None:
    run = run_pairs(pairs)
    assert not run.is_quiet
    assert run.compare()["cost"].pairs == 5


def make_results(*outcomes: Outcome) -> Results:
    return Results(machine={"processor": "X"}, quick=False, outcomes=list(outcomes))


def test_figures_of_a_disturbed_or_slow_scenario_are_in_doubt() -> None:
    quiet = Outcome(name="write", title="", loops_ms=[2.0, 2.1])
    slow = Outcome(name="idle", title="", loops_ms=[3.0, 3.2])
    disturbed = Outcome(name="size", title="", loops_ms=[2.0], disturbances=["noise"])
    results = make_results(quiet, slow, disturbed)
    assert results.find_doubts(quiet) == []
    assert "slower" in results.find_doubts(slow)[0]
    assert "noise" in results.find_doubts(disturbed)[0]


def test_update_replaces_the_scenarios_that_ran_and_keeps_the_others() -> None:
    kept = make_results(Outcome(name="write", title="old"), Outcome(name="idle", title="old"))
    figure = Figure(what="new figure", value=1)
    kept.update(
        make_results(
            Outcome(name="idle", title="new", figures=[figure]),
            Outcome(name="upgrade", title="new"),
        )
    )
    assert [(one.name, one.title) for one in kept.outcomes] == [
        ("write", "old"),
        ("idle", "new"),
        ("upgrade", "new"),
    ]
    assert list(kept.figures()) == [figure]


@pytest.mark.parametrize("name", NAMES)
def test_scenario_imports_and_has_a_title(name: str) -> None:
    title, measure = find_scenario(name)
    assert title
    assert callable(measure)


def test_generated_blocks_are_replaced_and_the_text_around_them_is_kept() -> None:
    text = "a\n<!-- bench:one -->\nold\n<!-- /bench -->\nb\n<!-- bench:two -->\n<!-- /bench -->\n"
    assert replace_blocks(text, {"one": "new\n", "two": "2\n"}) == (
        "a\n<!-- bench:one -->\nnew\n<!-- /bench -->\nb\n<!-- bench:two -->\n2\n<!-- /bench -->\n"
    )


def test_figures_that_were_measured_repeatedly_are_medians() -> None:
    repeated: list[Figures] = [{"ms": 1.0, "exit": "it runs"}, {"ms": 4.0, "exit": 1}]
    assert take_medians(repeated) == {"ms": 2.5, "exit": 1}
    assert take_medians([]) == {}
