"""Statistics of paired measurements: a ratio for each pair, and what can be said of all of them.

Pure. Each pair measures both sides one right after the other, so a machine that gets slower during
the run changes both sides of a ratio alike.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import msgspec

MIN_PAIRS = 7
CONFIDENCE = 0.95

Measures = dict[str, float]  # by name
Pair = tuple[Measures, Measures]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The ratios of the second side to the first over all pairs."""

    median: float
    low: float  # the confidence interval of the median; infinite with too few pairs
    high: float
    least: float
    greatest: float
    pairs: int

    @property
    def differs(self) -> bool:
        """Whether the confidence interval of the median excludes 1."""
        return self.low > 1 or self.high < 1


class PairedRun(msgspec.Struct, kw_only=True):
    """The pairs of one scenario; a pair during which the machine was not quiet is repeated.

    At most ``extra`` pairs are measured beyond those that are wanted.
    """

    wanted: int
    extra: int
    pairs: list[Pair] = []
    disturbances: list[list[str]] = []  # of each pair, empty for a quiet one
    notes: list[str] = []

    def add(self, pair: Pair, disturbances: list[str]) -> None:
        """Add a pair, with what disturbed it."""
        self.pairs.append(pair)
        self.disturbances.append(disturbances)

    @property
    def is_complete(self) -> bool:
        """Whether no more pairs are to be measured."""
        return self.is_quiet or len(self.pairs) >= self.wanted + self.extra

    @property
    def is_quiet(self) -> bool:
        """Whether the machine was quiet in as many pairs as wanted."""
        return len(self._quiet_pairs) >= self.wanted

    @property
    def used_pairs(self) -> list[Pair]:
        """The quiet pairs if there are enough of them, else all."""
        return self._quiet_pairs if self.is_quiet else self.pairs

    @property
    def _quiet_pairs(self) -> list[Pair]:
        both = zip(self.pairs, self.disturbances, strict=True)
        return [pair for pair, disturbances in both if not disturbances]

    def compare(self) -> dict[str, Comparison]:
        """Return the comparison of each measure over the pairs that are used."""
        return {
            measure: compare_pairs([(one[measure], two[measure]) for one, two in self.used_pairs])
            for measure in self.pairs[0][0]
        }


def compare_pairs(pairs: Sequence[tuple[float, float]]) -> Comparison:
    """Compare (first, second) pairs; ratios are second / first. Raises ValueError without pairs."""
    if not pairs:
        raise ValueError("there is no pair to compare")
    ratios = sorted(divide(second, first) for first, second in pairs)
    rank = find_rank(len(ratios))
    return Comparison(
        median=statistics.median(ratios),
        low=ratios[rank - 1] if rank else 0.0,
        high=ratios[-rank] if rank else math.inf,
        least=ratios[0],
        greatest=ratios[-1],
        pairs=len(ratios),
    )


def divide(value: float, base: float) -> float:
    """Return the ratio of two measurements; two that are both zero are equal."""
    if base:
        return value / base
    return 1.0 if not value else math.inf


def find_rank(count: int) -> int:
    """Return which smallest and greatest values bound the median with `CONFIDENCE`; 0 if none do.

    The distribution-free interval of the sign test: the median lies outside the r-th smallest and
    r-th greatest of n values with probability 2 · P(Binomial(n, 1/2) < r).
    """
    outside, rank = 0.0, 0
    while 2 * rank < count:
        outside += 2 * math.comb(count, rank) / 2**count
        if outside > 1 - CONFIDENCE:
            break
        rank += 1
    return rank


def is_first_leading(pair: int) -> bool:
    """Whether the first side is measured first in this pair: A B, B A, A B …"""
    return pair % 2 == 0
